"""Every flat method does its work through a method of an object, and sends through the service's one door."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import moveshelf.models
import moveshelf.operations.service
from moveshelf.api import MoveshelfApi

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox

MODELS = str(Path(inspect.getfile(moveshelf.models)).parent)
SERVICE = inspect.getfile(moveshelf.operations.service)


@contextmanager
def traced() -> Iterator[list[tuple[str, str, str]]]:
    """(file, function, class of self) of every function that is entered on this thread."""
    entered: list[tuple[str, str, str]] = []

    def note(frame: Any, event: str, argument: Any) -> None:
        if event == "call":
            own = type(frame.f_locals["self"]).__name__ if "self" in frame.f_locals else ""
            entered.append((frame.f_code.co_filename, frame.f_code.co_name, own))

    sys.setprofile(note)
    try:
        yield entered
    finally:
        sys.setprofile(None)


@pytest.fixture
def ids(api: MoveshelfApi, practice: str, tmp_path: Path) -> dict[str, Any]:
    subject = api.createSubject(practice, "P")["id"]
    session = api.createSession(practice, "/P/2024-05-31/", subject)["id"]
    clip = api.createClip(practice, {"title": "T", "projectPath": "/P/2024-05-31/Barefoot/"})
    path = tmp_path / "a.csv"
    path.write_bytes(b"1,2")
    file = api.uploadAdditionalData(str(path), clip, "data", "a.csv")
    job = api.processGaitTool([clip], "Gait")
    return {
        "project": practice,
        "subject": subject,
        "session": session,
        "clip": clip,
        "file": file,
        "path": str(path),
        "job": job,
        "session_path": "/P/2024-06-01/",
    }


#: Every public method, its arguments, and the class whose method must be entered on the way.
CALLS: dict[str, tuple[tuple[Any, ...], str]] = {
    "getUserProjects": ((), "Account"),
    "getProjectAndClips": ((), "Account"),
    "getProjectDatasets": (("project",), "Project"),
    "getProjectTemplate": (("project",), "Project"),
    "getProjectInfo": (("project",), "Project"),
    "getProjectClips": (("project", 3), "Project"),
    "getProjectSubjects": (("project",), "Project"),
    "getProjectSubjectByEhrId": (("=1", "project"), "Account"),
    "getSubjectContext": (("subject",), "Subject"),
    "getsubjectContext": (("subject",), "Subject"),
    "getSubjectDetails": (("subject",), "Subject"),
    "getSubjectData": (("subject",), "Subject"),
    "getSessionById": (("session",), "Session"),
    "getClipData": (("clip",), "Clip"),
    "getAdditionalData": (("clip",), "Clip"),
    "getJobStatus": (("job",), "Job"),
    "getFilteredProjectSubjects": (("project",), "Project"),
    "getProjectSessions": (("project",), "Project"),
    "getFilteredProjectSessions": (("project",), "Project"),
    "createSubject": (("project", "=Q"), "Project"),
    "createSession": (("project", "session_path", "subject"), "Subject"),
    "createClip": (("project",), "Project"),
    "updateClipMetadata": (("clip", {"title": "new"}), "Clip"),
    "updateSubjectMetadataInfo": (("subject", {"a": "1"}, True), "Subject"),
    "updateSessionMetadataInfo": (("session", "=2024-05-31", {"metadata": {"a": "1"}}, True), "Session"),
    "processGaitTool": ((["clip"], "=Gait"), "Account"),
    "generateAutomaticInteractiveReports": (("session",), "Session"),
    "generateConditionSummaryReport": (("session", "=title", ["clip"]), "Session"),
    "generateCurrentVsPreviousSessionReport": (("session", "=title", ["clip"]), "Session"),
    "generateCurrentSessionComparisonReport": (("session", "=title", ["clip"]), "Session"),
    "uploadFile": (("path", "project"), "Project"),
    "uploadAdditionalData": (("path", "clip", "=data", "=b.csv"), "Clip"),
    "isCurrentVersionUploaded": (("path", "clip"), "Clip"),
    "deleteAdditionalData": (("file",), "DataFile"),
    "deleteClip": (("clip",), "Clip"),
    "deleteClipByCondition": (("session", "=Barefoot"), "Clip"),
    "deleteSession": (("session",), "Session"),
    "deleteSubject": (("subject",), "Subject"),
    "deleteSubjects": ((["subject"],), "Subject"),
}


def given(value: Any, ids: dict[str, Any]) -> Any:
    if isinstance(value, list):
        return [given(one, ids) for one in value]
    if isinstance(value, str):
        return value[1:] if value.startswith("=") else ids[value]
    return value


def test_all_public_methods_are_here() -> None:
    public = {
        name
        for name, one in vars(MoveshelfApi).items()
        if inspect.isfunction(one) and not name.startswith("_")
    }
    assert public - {"close"} == set(CALLS)


@pytest.mark.parametrize("name", CALLS)
def test_a_model_is_in_the_middle(api: MoveshelfApi, ids: dict[str, Any], name: str) -> None:
    arguments, kind = CALLS[name]
    with traced() as entered:
        getattr(api, name)(*(given(one, ids) for one in arguments))
    in_models = [one for one in entered if one[0].startswith(MODELS)]
    assert kind in {own for _, _, own in in_models}
    through_the_door = [one for one in entered if one[0] == SERVICE]
    assert {function for _, function, _ in through_the_door} & {"send", "run"}


class Recorded(MoveshelfApi):
    """A script's own client, which sees every request."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.seen: list[str] = []

    def _dispatch_graphql(self, query: str, **kwargs: Any) -> Any:
        self.seen.append(query)
        return super()._dispatch_graphql(query, **kwargs)


def test_a_replaced_way_to_send_carries_the_objects_requests(sandbox: Sandbox, tmp_path: Path) -> None:
    """Loops, writes, uploads and downloads of `api.client`: all GraphQL goes through the script's own method."""
    with Recorded(sandbox.key_file, sandbox.api_url) as api:
        project = api.client.projects["lab/practice"]
        subject = project.create_subject("P", {"subject-notes": "x"})
        session = subject.create_session("2024-05-31")
        clips = [session.create_clip(condition="Barefoot") for _ in range(3)]
        path = tmp_path / "a.csv"
        path.write_bytes(b"1,2")
        clips[0].upload(path)
        project.refresh()
        names = [
            file.name
            for one in project.subjects
            for two in one.sessions
            for clip in two.clips
            for file in clip.files
        ]
        assert names == ["a.csv"]
        assert project.download(tmp_path / "down", progress=False).done[0].bytes == 3
        session.delete()
        sent = [one for one in sandbox.requests if one.kind == "graphql"]
        assert len(api.seen) == len(sent) > 10
        assert {one.query for one in sent} == set(api.seen)


def test_one_bad_object_in_a_batch_fails_alone(sandbox: Sandbox) -> None:
    """Also where a script's own method raises for the errors of a response."""
    name = sandbox.generate(subjects=5, sessions=1, clips=0, files=0)
    with Recorded(sandbox.key_file, sandbox.api_url) as api, sandbox.connect() as other:
        subjects = list(api.client.projects[name].subjects)
        other.subject(subjects[2].id).delete()
        loaded = []
        for one in subjects:
            try:
                loaded.append(len(one.sessions))
            except LookupError:
                loaded.append(-1)
        assert loaded == [1, 1, -1, 1, 1]


def test_objects_hold_what_is_read_flat_once_somebody_uses_them(
    demo: Sandbox, demo_api: MoveshelfApi
) -> None:
    project = next(one["id"] for one in demo_api.getUserProjects() if one["name"] == "lab/demo")
    subject = demo_api.getProjectSubjects(project)[0]["id"]
    assert demo_api._connection()._engine.populates_shapes is False
    client = demo_api.client
    assert not client.project(project).is_loaded("subjects"), "nothing that was read before is replayed"
    demo_api.getSubjectDetails(subject)
    with client.no_fetch():
        assert client.subject(subject).name == "P-001"
        assert len(client.subject(subject).sessions) == 3
