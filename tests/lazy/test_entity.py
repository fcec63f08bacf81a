"""Objects: inspecting, copying and pickling send no request, and slots keep them small."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import moveshelf
from moveshelf.errors import DetachedError

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox


WEIGHING = """
import gc, json, sys, tracemalloc
import moveshelf
url, key, name, way = sys.argv[1:5]
ms = moveshelf.connect(api_key=key, api_url=url)
ms.lookup(name).subjects[0].sessions[0].clips[0].files[0].name  # what is imported and made once
ms.close()
ms = moveshelf.connect(api_key=key, api_url=url)
len(ms.projects)
identity = ms.projects[name].id
gc.collect()
tracemalloc.start()
before = tracemalloc.get_traced_memory()[0]
if way == "objects":
    kept = ms.projects[name]
    count = sum(1 for one in kept.subjects for s in one.sessions for c in s.clips for f in c.files)
else:
    text = sys.stdin.read()
    before = tracemalloc.get_traced_memory()[0]
    kept = json.loads(text)
    count = sum(1 for one in kept["data"]["node"]["patientsList"] for s in one["sessions"] for c in s["clips"]
                for f in c["additionalData"])
gc.collect()
print(json.dumps([count, tracemalloc.get_traced_memory()[0] - before]))
"""
QUERY = """query Plain($id: ID!) { node(id: $id) { ... on Project { id patientsList {
  id name externalId updated sessions { id projectPath date clips {
    id title created projectPath uploadStatus hasCharts additionalData {
      id originalFileName dataType uploadStatus } } } } } } }"""


def weigh(sandbox: Sandbox, name: str, way: str, text: str = "") -> tuple[int, int]:
    done = subprocess.run(
        [sys.executable, "-c", WEIGHING, sandbox.api_url, sandbox.api_key, name, way],
        input=text,
        capture_output=True,
        text=True,
        check=True,
    )
    count, weight = json.loads(done.stdout)
    return count, weight


def test_objects_take_little_more_memory_than_dictionaries(sandbox: Sandbox) -> None:
    name = sandbox.generate(subjects=200, sessions=3, clips=8, files=4)
    with sandbox.connect() as ms:
        data = ms.execute(QUERY, {"id": ms.projects[name].id})
    plain = weigh(sandbox, name, "dictionaries", json.dumps({"data": data}))
    ours = weigh(sandbox, name, "objects")
    assert ours[0] == plain[0] == 19_200
    assert ours[1] <= 1.1 * plain[1], f"{ours[1] / plain[1]:.2f} times the dictionaries"


def one_of_each_kind(ms: moveshelf.Moveshelf) -> list[Any]:
    project = ms.projects["lab/demo"]
    subject = project.subjects[0]
    session = subject.sessions[0]
    condition = session.conditions[0]
    clip = condition.clips[0]
    file = clip.files[0]
    unloaded = [ms.subject("UGF0aWVudAAAAAAA"), ms.session("U2Vzc2lvbgAAAAAA"), ms.clip("TW9jYXBDbGlwAAAA")]
    return [
        *(ms, ms.projects, project, project.subjects, project.sessions, project.clips, project.norms),
        *(
            subject,
            subject.sessions,
            subject.reports,
            session,
            session.clips,
            session.conditions,
            session.norms,
        ),
        *(condition, condition.clips, clip, clip.files, file, project.subjects[:3]),
        *unloaded,
        *(one.sessions for one in unloaded[:1]),
        *(one.conditions for one in unloaded[1:2]),
    ]


def test_inspection_sends_no_request(demo: Sandbox) -> None:
    with demo.connect() as ms:
        objects = one_of_each_kind(ms)
        loaded_before = ms.stats.requests
        with ms.no_fetch():
            for one in objects:
                assert repr(one)
                assert str(one)
                assert f"{one!r}"
                if hasattr(type(one), "_repr_html_"):
                    assert one._repr_html_()
                if hasattr(type(one), "_ipython_key_completions_"):
                    assert isinstance(one._ipython_key_completions_(), list)
                assert dir(one)
                if not isinstance(one, (moveshelf.Collection, moveshelf.Moveshelf)) and hasattr(one, "id"):
                    assert bool(one) is True
        assert ms.stats.requests == loaded_before


def test_copies_and_pickles_send_nothing_and_keep_what_was_loaded(demo: Sandbox) -> None:
    with demo.connect() as ms:
        project = ms.projects["lab/demo"]
        project.subjects.load("metadata", "sessions.clips.files")
        with ms.no_fetch():
            for twin in (copy.deepcopy(project), copy.copy(project), pickle.loads(pickle.dumps(project))):
                assert twin is not project
                assert twin.name == "lab/demo"
                assert twin.subjects.names() == project.subjects.names()
                assert twin.subjects[0].metadata == project.subjects[0].metadata
                session = twin.subjects[0].sessions[0]
                assert [clip.title for clip in session.clips] == [
                    clip.title for clip in project.subjects[0].sessions[0].clips
                ]
                assert session.conditions.names() == project.subjects[0].sessions[0].conditions.names()
                assert twin.is_loaded("subjects")
                assert not twin.is_loaded("description")
                with pytest.raises(DetachedError, match="description"):
                    _ = twin.description
                with pytest.raises(DetachedError):
                    len(twin.norms)
                with pytest.raises(DetachedError):
                    twin.refresh()
                with pytest.raises(DetachedError):
                    twin.load("description")
                assert repr(twin)
            assert ms.clip("TW9jYXBDbGlwAAAA") is not None
            assert pickle.loads(pickle.dumps(ms.clip("TW9jYXBDbGlwAAAA"))).id == "TW9jYXBDbGlwAAAA"


def test_a_pickle_opens_in_a_new_process_and_holds_no_key(demo: Sandbox) -> None:
    with demo.connect() as ms:
        subject = ms.projects["lab/demo"].subjects[0].load("sessions")
        data = pickle.dumps(subject)
        assert demo.api_key.encode() not in data
        code = "import pickle, sys; s = pickle.load(sys.stdin.buffer); print(s.name, len(s.sessions))"
        out = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, check=True)
        assert out.stdout.decode().split() == [subject.name, str(len(subject.sessions))]
