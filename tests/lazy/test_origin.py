"""Objects that were pickled: they load on with a key of the process that unpickles them, or say why they do not."""

from __future__ import annotations

import pickle
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import moveshelf
from moveshelf import DetachedError

if TYPE_CHECKING:
    from pathlib import Path

    from moveshelf import Collection, Project, Subject
    from moveshelf.sandbox import Sandbox


@pytest.fixture(autouse=True)
def no_engines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A process that has made no client of its own yet, in a folder without keys."""
    monkeypatch.setattr("moveshelf.operations.connection._ENGINES", {})
    for name in ("MOVESHELF_API_KEY", "MOVESHELF_API_KEY_FILE", "MOVESHELF_API_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def key(demo: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOVESHELF_API_KEY_FILE", demo.key_file)
    monkeypatch.setenv("MOVESHELF_API_URL", demo.api_url)


@pytest.fixture
def pickled(demo: Sandbox) -> dict[str, bytes]:
    """Pickles of things that were read through a client which is closed by now."""
    with demo.connect() as ms:
        project = ms.projects["lab/demo"]
        found = {
            "subjects": pickle.dumps(project.subjects.load()),
            "subject": pickle.dumps(project.subjects["P-001"]),
            "sessions": pickle.dumps(project.sessions),
            "datasets": pickle.dumps(project.load("datasets")),
            "condition": pickle.dumps(project.subjects["P-001"].sessions[0].conditions["Barefoot"]),
        }
    return found


def test_a_loop_over_what_was_unpickled_loads_in_batches(
    pickled: dict[str, bytes], key: None, demo: Sandbox
) -> None:
    subjects: Collection[Subject] = pickle.loads(pickled["subjects"])
    demo.requests.clear()
    titles = [clip.title for one in subjects for session in one.sessions for clip in session.clips]
    assert len(titles) == 198
    assert len(demo.requests.snapshot()) <= 3


def test_an_unloaded_collection_a_condition_and_the_methods(
    pickled: dict[str, bytes], key: None, tmp_path: Path
) -> None:
    assert len(pickle.loads(pickled["sessions"])) == 30
    condition = pickle.loads(pickled["condition"])
    assert len(condition.clips) > 0
    subject: Subject = pickle.loads(pickled["subject"])
    assert subject.metadata["subject-sex"] == "Female"
    result = subject.sessions[0].download(tmp_path / "files")
    result.raise_for_errors()
    assert result.done


def test_two_copies_of_one_object(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOVESHELF_API_KEY_FILE", sandbox.key_file)
    monkeypatch.setenv("MOVESHELF_API_URL", sandbox.api_url)
    name = sandbox.generate(subjects=2, sessions=1, clips=1, files=0)
    with sandbox.connect() as ms:
        pickled = pickle.dumps(ms.projects[name].subjects[0])
    first: Subject = pickle.loads(pickled)
    second: Subject = pickle.loads(pickled)
    assert first == second
    assert first is not second
    assert first.metadata == second.metadata
    second.update_metadata({"subject-notes": "of the second"})
    assert second.metadata["subject-notes"] == first.metadata["subject-notes"] == "of the second"


def test_one_client_a_process(pickled: dict[str, bytes], key: None) -> None:
    one: Subject = pickle.loads(pickled["subject"])
    other: Collection[Subject] = pickle.loads(pickled["subjects"])
    assert len(one.sessions)
    assert len(other[0].sessions)
    assert one._engine is other[0]._engine is other._engine


def test_without_a_key_it_says_how_to_get_on(pickled: dict[str, bytes], demo: Sandbox) -> None:
    subject: Subject = pickle.loads(pickled["subject"])
    assert subject.name == "P-001"
    demo.requests.clear()
    with pytest.raises(DetachedError, match=r"(?s)metadata.*load it first.*no key found.*MOVESHELF_API_URL"):
        subject.load("metadata")
    with pytest.raises(DetachedError, match="no key found"):
        len(subject.sessions)
    assert not demo.requests.snapshot()


def test_an_address_of_a_pickle_draws_no_key_out(
    pickled: dict[str, bytes], demo: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOVESHELF_API_KEY", demo.api_key)  # for the service itself: no address is said
    demo.requests.clear()
    subject: Subject = pickle.loads(pickled["subject"])
    with pytest.raises(DetachedError, match=r"it came from http://127.*is for https://api\.moveshelf\.com"):
        len(subject.sessions)
    assert not demo.requests.snapshot()


def test_no_client_that_is_open_is_used(pickled: dict[str, bytes], demo: Sandbox) -> None:
    with demo.connect() as ms:
        ms.projects.load()
        subject: Subject = pickle.loads(pickled["subject"])
        with pytest.raises(DetachedError):
            len(subject.sessions)


def test_no_key_and_no_signed_url_is_in_a_pickle(pickled: dict[str, bytes], demo: Sandbox, key: None) -> None:
    for one in pickled.values():
        assert demo.api_key.encode() not in one
        assert b"signature" not in one.lower()
    project: Project = pickle.loads(pickled["datasets"])
    assert not project.is_loaded("datasets")
    assert project.datasets is not None


def test_in_another_process(pickled: dict[str, bytes], demo: Sandbox, key: None, tmp_path: Path) -> None:
    file = tmp_path / "subjects.pickle"
    file.write_bytes(pickled["subjects"])
    code = (
        "import pickle, sys\n"
        "subjects = pickle.load(open(sys.argv[1], 'rb'))\n"
        "print(sum(len(one.sessions) for one in subjects))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(file)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.strip() == "30", done.stderr


def test_looking_at_a_copy_sends_nothing(pickled: dict[str, bytes], key: None, demo: Sandbox) -> None:
    subject: Subject = pickle.loads(pickled["subject"])
    demo.requests.clear()
    repr(subject)
    subject._repr_html_()
    dir(subject)
    hash(subject)
    pickle.loads(pickle.dumps(subject))
    subject.to_dict()
    assert subject._engine is None
    assert not demo.requests.snapshot()
    assert isinstance(subject, moveshelf.Subject)
