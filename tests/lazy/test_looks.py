"""Looking, copying and pickling send nothing, and copies say what they are."""

from __future__ import annotations

import copy
import gc
import pickle
import subprocess
import sys
import weakref
from typing import TYPE_CHECKING, Any

import pytest

import moveshelf
from moveshelf.errors import DetachedError

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox


def everything(ms: moveshelf.Moveshelf) -> list[Any]:
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


def test_no_look_sends_a_request(demo: Sandbox) -> None:
    with demo.connect() as ms:
        things = everything(ms)
        loaded_before = ms.stats.requests
        with ms.no_fetch():
            for one in things:
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


def test_key_completion_offers_the_loaded_names(demo: Sandbox) -> None:
    with demo.connect() as ms:
        project = ms.projects["lab/demo"]
        assert project.subjects._ipython_key_completions_() == []
        len(project.subjects)
        with ms.no_fetch():
            assert project.subjects._ipython_key_completions_() == project.subjects.names()


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


def test_a_pickle_opens_in_a_fresh_process_and_holds_no_key(demo: Sandbox) -> None:
    with demo.connect() as ms:
        subject = ms.projects["lab/demo"].subjects[0].load("sessions")
        data = pickle.dumps(subject)
        assert demo.api_key.encode() not in data
        code = "import pickle, sys; s = pickle.load(sys.stdin.buffer); print(s.name, len(s.sessions))"
        out = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, check=True)
        assert out.stdout.decode().split() == [subject.name, str(len(subject.sessions))]


def test_one_object_per_id_and_nothing_pins_it(demo: Sandbox) -> None:
    with demo.connect() as ms:
        project = ms.projects["lab/demo"]
        subject = project.subjects[0]
        assert ms.subject(subject.id) is subject
        assert subject.sessions[0].subject is subject
        assert subject.sessions[0].project is project
        assert ms.session(subject.sessions[0].id) is subject.sessions[0]
        file = ms.projects["lab/demo"].subjects[1].sessions[0].clips[0].files[0]
        gone = weakref.ref(project)
        gc.disable()
        try:
            del project, subject
            ms._account.refresh()
            assert gone() is None
            assert file.clip.session.subject.project.name == "lab/demo"
        finally:
            gc.enable()


def test_everything_goes_away_without_the_cycle_collector(sandbox: Sandbox) -> None:
    name = sandbox.generate(subjects=20, sessions=3, clips=3, files=2)
    gc.collect()
    gc.disable()
    try:
        ms = sandbox.connect()
        refs = []
        for subject in ms.projects[name].subjects:
            refs.append(weakref.ref(subject))
            assert subject.metadata is not None
            for session in subject.sessions:
                refs.append(weakref.ref(session))
                assert session.subject is subject
                for clip in session.clips:
                    refs.append(weakref.ref(clip))
                    refs += [weakref.ref(file) for file in clip.files]
        for session in ms.projects[name].sessions:
            assert session.subject.name
        assert all(ref() is not None for ref in refs)
        assert len(refs) == 20 + 60 + 180 + 360
        engine = weakref.ref(ms._engine)
        del subject, session, clip
        ms.close()
        del ms
        assert sum(ref() is not None for ref in refs) == 0
        assert engine() is None
    finally:
        gc.enable()


def test_the_client_is_no_parcel(demo: Sandbox) -> None:
    with demo.connect() as ms:
        with pytest.raises(TypeError, match="key"):
            pickle.dumps(ms)
        with pytest.raises(TypeError, match="key"):
            copy.deepcopy(ms)


def test_attributes_cannot_be_assigned(demo: Sandbox) -> None:
    with demo.connect() as ms:
        subject = ms.projects["lab/demo"].subjects[0]
        with pytest.raises(AttributeError, match="methods that write are update_metadata"):
            subject.name = "other"  # type: ignore[misc]
        with pytest.raises(AttributeError):
            subject.nonsense = 1  # type: ignore[attr-defined]


def test_a_conditions_clips_show_what_is_loaded(demo: Sandbox) -> None:
    with demo.connect() as ms:
        session = ms.projects["lab/demo"].subjects[0].sessions[0]
        condition = session.conditions["Barefoot"]
        with ms.no_fetch():
            assert repr(condition.clips) == "<3 clips: 'Trial-1', 'Trial-2', 'Trial-3'>"
            assert "Trial-2" in condition.clips._repr_html_()
            assert condition.clips._ipython_key_completions_() == ["Trial-1", "Trial-2", "Trial-3"]
