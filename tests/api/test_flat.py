"""The flat client and the objects: every method goes through a model, and each shows what the other has read or written."""

from __future__ import annotations

import inspect
import pickle
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.flat import connection

import moveshelf.models
import moveshelf.operations.overview
import moveshelf.operations.service
from moveshelf.api import (
    MoveshelfApi,
)
from moveshelf.errors import DeletedError, NotFoundError

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox


def test_the_token_is_never_copied_out(offline_api: MoveshelfApi) -> None:
    """Never into a pickle or a text; a shallow copy of the client works, as theirs does."""
    import copy

    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(offline_api)
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(offline_api._auth_token)
    assert "s3cret" not in repr(offline_api) + repr(offline_api._auth_token)
    assert copy.copy(offline_api)._auth_token is offline_api._auth_token


@pytest.fixture
def api_with_objects(demo_api: MoveshelfApi) -> MoveshelfApi:
    """A flat client with objects in use."""
    assert demo_api.client is demo_api.client
    return demo_api


class TestReading:
    def test_what_was_read_flat_is_loaded(self, api_with_objects: MoveshelfApi, demo_subject: str) -> None:
        details = api_with_objects.getSubjectDetails(demo_subject)
        assert details is not None
        with api_with_objects.client.no_fetch():
            found = api_with_objects.client.subject(demo_subject)
            assert found.name == details["name"]
            assert found.metadata["subject-sex"] == "Female"
            assert [one.title for one in found.reports] == [one["title"] for one in details["reports"]]
            for session, known in zip(found.sessions, details["sessions"], strict=True):
                assert (session.id, session.path) == (known["id"], known["projectPath"])
                assert str(session.date) == known["date"][:10]
                assert [clip.title for clip in session.clips] == [clip["title"] for clip in known["clips"]]
                assert [norm.id for norm in session.norms] == [norm["id"] for norm in known["norms"]]
                assert list(session.conditions.names()) == ["Barefoot", "Braced"]

    def test_files_and_values_of_a_clip(self, api_with_objects: MoveshelfApi, demo_subject: str) -> None:
        data = api_with_objects.getSubjectData(demo_subject)
        assert data is not None
        clip = data["sessions"][0]["clips"][0]
        api_with_objects.getClipData(clip["id"])
        with api_with_objects.client.no_fetch():
            found = api_with_objects.client.clip(clip["id"])
            assert [file.name for file in found.files] == [
                file["originalFileName"] for file in clip["additionalData"]
            ]
            assert found.description == "Barefoot, P-001"
            assert found.custom_options == {"trialType": "Barefoot"}

    def test_also_for_objects_that_were_there_before(self, demo_api: MoveshelfApi, demo_subject: str) -> None:
        client = demo_api.client
        held = client.subject(demo_subject)
        demo_api.getSubjectDetails(demo_subject)
        with client.no_fetch():
            assert held.name == "P-001"

    def test_members_of_a_filtered_query(self, api_with_objects: MoveshelfApi) -> None:
        project = next(one["id"] for one in api_with_objects.getUserProjects() if one["name"] == "lab/demo")
        male = {"key": "subject-sex", "operator": "EQ", "value": "Male"}
        rows = api_with_objects.getFilteredProjectSubjects(project, male)
        recent = api_with_objects.getFilteredProjectSessions(project, limit=100, include_additional_data=True)
        client = api_with_objects.client
        with client.no_fetch():
            for row in rows:
                assert client.subject(row["id"]).sessions.ids() == [one["id"] for one in row["sessions"]]
            for row in recent:
                assert client.session(row["id"]).subject.name == row["patient"]["name"]
                assert len(client.session(row["id"]).clips) == len(row["clips"])
        # the project lists all, not those that matched
        assert len(client.project(project).subjects) == 12 > len(rows)

    def test_a_flat_read_always_sends_a_request(
        self, demo: Sandbox, demo_api: MoveshelfApi, demo_subject: str
    ) -> None:
        demo.requests.clear()
        for _ in range(3):
            demo_api.getSubjectDetails(demo_subject)
        assert len(demo.requests) == 3

    def test_results_belong_to_the_script(self, api_with_objects: MoveshelfApi, demo_subject: str) -> None:
        details = api_with_objects.getSubjectDetails(demo_subject)
        assert details is not None
        details["name"] = "changed"
        details["sessions"].clear()
        with api_with_objects.client.no_fetch():
            assert api_with_objects.client.subject(demo_subject).name == "P-001"
            assert len(api_with_objects.client.subject(demo_subject).sessions) == 3

    def test_close_and_another_call_reopens(self, demo_api: MoveshelfApi, demo_subject: str) -> None:
        demo_api.getSubjectDetails(demo_subject)
        first = demo_api.client
        demo_api.close()
        assert demo_api.getSubjectContext(demo_subject) is not None
        assert demo_api.client is not first


class TestWriting:
    @pytest.fixture
    def tree(self, api: MoveshelfApi, practice: str) -> dict[str, str]:
        demo_subject = api.createSubject(practice, "P")["id"]
        session = api.createSession(practice, "/P/2024-05-31/", demo_subject)["id"]
        clip = api.createClip(practice, {"title": "T", "projectPath": "/P/2024-05-31/Barefoot/"})
        return {"project": practice, "subject": demo_subject, "session": session, "clip": clip}

    @pytest.fixture(params=["loaded before", "loaded after"])
    def loaded(self, request: pytest.FixtureRequest, api: MoveshelfApi, tree: dict[str, str]) -> bool:
        """Whether the objects were there, loaded, before the write of the flat client."""
        if request.param == "loaded after":
            api.getSubjectData(tree["subject"])
            api.getClipData(tree["clip"])
            return False
        client = api.client
        api.getSubjectData(tree["subject"])
        api.getClipData(tree["clip"])
        with client.no_fetch():
            assert client.clip(tree["clip"]).title == "T"
            assert len(client.session(tree["session"]).clips) == 1
        return True

    def test_update_of_a_clip(self, api: MoveshelfApi, tree: dict[str, str], loaded: bool) -> None:
        api.updateClipMetadata(tree["clip"], {"title": "new"}, '{"a": 1}')
        assert api.client.clip(tree["clip"]).title == "new"
        assert api.client.clip(tree["clip"]).custom_options == {"a": 1}

    def test_update_of_a_subject(self, api: MoveshelfApi, tree: dict[str, str], loaded: bool) -> None:
        assert api.updateSubjectMetadataInfo(tree["subject"], {"subject-sex": "Male"}, True) is True
        assert api.client.subject(tree["subject"]).metadata == {"subject-sex": "Male"}

    def test_update_of_a_session(self, api: MoveshelfApi, tree: dict[str, str], loaded: bool) -> None:
        api.updateSessionMetadataInfo(
            tree["session"], "renamed", {"metadata": {"a": "1"}}, True, "2020-01-02"
        )
        session = api.client.session(tree["session"])
        assert (session.name, str(session.date), session.metadata) == ("renamed", "2020-01-02", {"a": "1"})
        assert session.clips[0].path == "/P/renamed/Barefoot/"
        assert session.conditions.names() == ["Barefoot"]

    def test_new_members(self, api: MoveshelfApi, tree: dict[str, str], loaded: bool, tmp_path: Path) -> None:
        api.createClip("lab/practice", {"title": "U", "projectPath": "/P/2024-05-31/Braced"})
        api.createSession(tree["project"], "/P/2024-06-01/", tree["subject"])
        api.createSubject("lab/practice", "Q")
        file = tmp_path / "a.csv"
        file.write_bytes(b"1,2")
        api.uploadAdditionalData(str(file), tree["clip"], "data", "a.csv")
        client = api.client
        assert client.session(tree["session"]).clips.names() == ["T", "U"]
        assert len(client.subject(tree["subject"]).sessions) == 2
        assert client.project(tree["project"]).subjects.names() == ["P", "Q"]
        assert client.clip(tree["clip"]).files.names() == ["a.csv"]

    def test_deleted_clip(self, api: MoveshelfApi, tree: dict[str, str], loaded: bool) -> None:
        held = api.client.clip(tree["clip"]) if loaded else None
        assert api.deleteClip(tree["clip"]) is True
        assert len(api.client.session(tree["session"]).clips) == 0
        with pytest.raises((DeletedError, NotFoundError)):
            print((held or api.client.clip(tree["clip"])).title)

    def test_deleted_subject(self, api: MoveshelfApi, tree: dict[str, str], loaded: bool) -> None:
        held = [api.client.session(tree["session"]), api.client.clip(tree["clip"])] if loaded else []
        assert api.deleteSubject(tree["subject"]) is True
        assert api.client.project(tree["project"]).subjects.names() == []
        for one in held:
            with pytest.raises(DeletedError):
                print(one.name)

    def test_condition(self, api: MoveshelfApi, tree: dict[str, str], loaded: bool) -> None:
        assert api.deleteClipByCondition(tree["session"], "Barefoot")["deleted_count"] == 1
        assert len(api.client.session(tree["session"]).conditions) == 0


def test_eight_threads(demo: Sandbox, demo_api: MoveshelfApi, demo_subject: str) -> None:
    """Eight threads, one client: every result is right, also while the objects are read."""
    expected = demo_api.getSubjectDetails(demo_subject)
    wrong: list[Any] = []

    def read() -> None:
        for _ in range(10):
            if demo_api.getSubjectDetails(demo_subject) != expected:
                wrong.append("flat")
            if demo_api.client.subject(demo_subject).name != "P-001":
                wrong.append("objects")

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


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


#: Every public method, its arguments, and the class of which a method must be entered on the way.
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


def resolved(value: Any, ids: dict[str, Any]) -> Any:
    if isinstance(value, list):
        return [resolved(one, ids) for one in value]
    if isinstance(value, str):
        return value[1:] if value.startswith("=") else ids[value]
    return value


def test_every_public_method_is_traced() -> None:
    public = {
        name
        for name, one in vars(MoveshelfApi).items()
        if inspect.isfunction(one) and not name.startswith("_")
    }
    assert public - {"close"} == set(CALLS)


@pytest.mark.parametrize("name", CALLS)
def test_every_method_goes_through_a_model_and_the_service(
    api: MoveshelfApi, ids: dict[str, Any], name: str
) -> None:
    arguments, kind = CALLS[name]
    with traced() as entered:
        getattr(api, name)(*(resolved(one, ids) for one in arguments))
    in_models = [one for one in entered if one[0].startswith(MODELS)]
    assert kind in {own for _, _, own in in_models}
    through_the_door = [one for one in entered if one[0] == SERVICE]
    assert {function for _, function, _ in through_the_door} & {"send", "run"}


def test_responses_are_populated_once_the_objects_are_used(demo: Sandbox, demo_api: MoveshelfApi) -> None:
    project = next(one["id"] for one in demo_api.getUserProjects() if one["name"] == "lab/demo")
    subject = demo_api.getProjectSubjects(project)[0]["id"]
    assert connection(demo_api)._engine.populates_shapes is False
    client = demo_api.client
    assert not client.project(project).is_loaded("subjects"), "responses that came before are not populated"
    demo_api.getSubjectDetails(subject)
    with client.no_fetch():
        assert client.subject(subject).name == "P-001"
        assert len(client.subject(subject).sessions) == 3
