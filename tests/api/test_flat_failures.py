"""Failures of the flat client, as scripts have learned to catch them."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
import urllib3
from support.flat import connection

from moveshelf.api import (
    GraphQlException,
    MoveshelfApi,
)
from moveshelf.errors import (
    AuthenticationError,
    MoveshelfError,
    NotFoundError,
    OutcomeUnknownError,
    RequestError,
    TransferError,
    ValidationError,
)
from moveshelf.wire import RetryPolicy

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox


def test_graphql_exception_is_its_list() -> None:
    errors = [{"message": "no", "path": ["node"]}]
    error = GraphQlException(errors)
    assert error.error_info is errors
    assert str(error) == str(errors)
    assert error.args == (errors,)
    assert isinstance(error, MoveshelfError)
    again = pickle.loads(pickle.dumps(error))
    assert (again.error_info, str(again), again.args) == (errors, str(errors), (errors,))


@pytest.fixture
def quick_api(api: MoveshelfApi) -> MoveshelfApi:
    """A flat client that does not pause between its tries."""
    connection(api)._wire.retry = RetryPolicy(attempts=3, first=0.001, cap=0.002)
    return api


def test_errors_of_the_service(api: MoveshelfApi) -> None:
    with pytest.raises(GraphQlException) as caught:
        api.createSubject("no such project", "x")
    assert isinstance(caught.value.error_info, list)
    assert str(caught.value) == str(caught.value.error_info)
    assert "no such project" in str(caught.value)
    assert caught.value.errors == caught.value.error_info


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 429, 500, 502, 503, 504])
def test_status(quick_api: MoveshelfApi, sandbox: Sandbox, status: int) -> None:
    sandbox.fail(status=status, times=99)
    with pytest.raises(MoveshelfError, match=str(status)) as caught:
        quick_api.getUserProjects()
    assert isinstance(caught.value, urllib3.exceptions.HTTPError)
    assert isinstance(caught.value, requests.HTTPError)
    assert isinstance(caught.value, RequestError)
    assert isinstance(caught.value, AuthenticationError) == (status in (401, 403))
    assert isinstance(caught.value, urllib3.exceptions.MaxRetryError) == (status in (404, 500, 502, 503, 504))
    assert caught.value.response.status_code == status
    assert not isinstance(caught.value, GraphQlException)
    assert caught.value.status == status
    for twin in (copy.copy(caught.value), pickle.loads(pickle.dumps(caught.value))):
        assert type(twin) is type(caught.value)
        assert str(twin) == str(caught.value)
        assert twin.status == status


def test_a_404_fails_at_once(api: MoveshelfApi, sandbox: Sandbox) -> None:
    sandbox.fail(status=404, times=99)
    with pytest.raises(urllib3.exceptions.HTTPError, match="404"):
        api.getUserProjects()
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 503}, {"drop": "before"}])
def test_a_mutation_that_was_not_carried_out_is_repeated(
    quick_api: MoveshelfApi, sandbox: Sandbox, fault: dict[str, Any]
) -> None:
    """One hiccup of the service does not end a script: it is looked whether the subject is there, then sent again."""
    project = quick_api.getUserProjects()[0]["id"]
    sandbox.fail("mutation", times=1, **fault)
    created = quick_api.createSubject(project, "P")
    assert [one["id"] for one in quick_api.getProjectSubjects(project)] == [created["id"]]
    assert len(sandbox.requests.of("createPatient")) == 2


def test_a_mutation_that_was_carried_out_is_found(quick_api: MoveshelfApi, sandbox: Sandbox) -> None:
    """Its response is lost, and it is not sent again: subject, session, clip, changes and deletions."""
    project = quick_api.getUserProjects()[0]["id"]

    def lost(call: Any, *arguments: Any) -> Any:
        sandbox.fail("mutation", drop="after")
        before = len([one for one in sandbox.requests.graphql if (one.query or "").startswith("mutation")])
        result = call(*arguments)
        after = len([one for one in sandbox.requests.graphql if (one.query or "").startswith("mutation")])
        assert after == before + 1
        return result

    subject = lost(quick_api.createSubject, project, "P")
    assert [(one["id"], one["name"]) for one in quick_api.getProjectSubjects(project)] == [
        (subject["id"], "P")
    ]
    session = lost(quick_api.createSession, project, "/P/2024-05-31/", subject["id"])
    clip = lost(
        quick_api.createClip, "lab/practice", {"title": "T", "projectPath": session["projectPath"] + "B/"}
    )
    found = quick_api.getSessionById(session["id"])
    assert found is not None
    assert [one["id"] for one in found["clips"]] == [clip]
    lost(quick_api.updateClipMetadata, clip, {"title": "U"})
    assert (quick_api.getClipData(clip) or {})["title"] == "U"
    assert lost(quick_api.updateSubjectMetadataInfo, subject["id"], {"a": "1"}, True) is True
    assert (
        lost(quick_api.updateSessionMetadataInfo, session["id"], "renamed", {"metadata": {"a": "1"}}, True)
        is True
    )
    assert lost(quick_api.deleteClip, clip) is True
    assert lost(quick_api.deleteSession, session["id"]) is True
    assert lost(quick_api.deleteSubject, subject["id"]) is True
    assert quick_api.getProjectSubjects(project) == []


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 502}, {"drop": "before"}])
def test_mutations_are_repeated_a_few_times_only(
    quick_api: MoveshelfApi, sandbox: Sandbox, fault: dict[str, Any]
) -> None:
    project = quick_api.getUserProjects()[0]["id"]
    sandbox.requests.clear()
    sandbox.fail("mutation", times=99, **fault)
    with pytest.raises(OutcomeUnknownError) as caught:
        quick_api.createSubject(project, "P")
    assert len(sandbox.requests.of("createPatient")) == 3
    assert isinstance(caught.value, urllib3.exceptions.MaxRetryError)


def test_what_cannot_be_decided_is_not_repeated(
    quick_api: MoveshelfApi, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A subject of that name that was created just before may be ours, by a service's clock that is behind."""
    project = quick_api.getUserProjects()[0]["id"]
    quick_api.createSubject(project, "P")
    now = time.time
    monkeypatch.setattr("moveshelf.operations.service.time.time", lambda: now() + 10)
    sandbox.fail("mutation", drop="before")
    with pytest.raises(OutcomeUnknownError):
        quick_api.createSubject(project, "P")
    assert len(quick_api.getProjectSubjects(project)) == 1


def test_queries_are_repeated(quick_api: MoveshelfApi, sandbox: Sandbox) -> None:
    sandbox.fail(status=503, times=2)
    assert len(quick_api.getUserProjects()) == 1
    assert len(sandbox.requests) == 3


def test_lost_connection(quick_api: MoveshelfApi, sandbox: Sandbox) -> None:
    sandbox.fail("query", drop=True, times=99)
    with pytest.raises(urllib3.exceptions.ProtocolError) as caught:
        quick_api.getUserProjects()
    assert isinstance(caught.value, urllib3.exceptions.MaxRetryError)
    assert isinstance(caught.value, requests.ConnectionError)
    assert isinstance(caught.value, RequestError)
    assert caught.value.reason is not None
    assert type(pickle.loads(pickle.dumps(caught.value))) is type(caught.value)


def test_no_service(sandbox: Sandbox) -> None:
    with MoveshelfApi(sandbox.key_file, "http://127.0.0.1:9/graphql") as api:
        connection(api)._wire.retry = RetryPolicy(attempts=1)
        with pytest.raises(urllib3.exceptions.MaxRetryError):
            api.getUserProjects()


def test_no_json(quick_api: MoveshelfApi, sandbox: Sandbox) -> None:
    sandbox.fail(status=200, body="<html>sign in</html>", times=99)
    with pytest.raises(json.JSONDecodeError) as caught:
        quick_api.getUserProjects()
    assert isinstance(caught.value, RequestError)
    assert isinstance(caught.value, ValueError)
    assert "not JSON" in str(caught.value)
    assert isinstance(pickle.loads(pickle.dumps(caught.value)), json.JSONDecodeError)


def test_wrong_key(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    path.write_text(json.dumps({"secretKey": "f" * 64}))
    with (
        MoveshelfApi(str(path), sandbox.api_url) as api,
        pytest.raises(urllib3.exceptions.HTTPError, match="401") as caught,
    ):
        api.getUserProjects()
    assert isinstance(caught.value, PermissionError)
    assert "f" * 64 not in str(caught.value) + repr(vars(caught.value))


def test_without_urllib3_and_requests(sandbox: Sandbox) -> None:
    """Where no script has imported them, they are not imported for an exception, and ours are ours alone."""
    code = f"""
import sys
from moveshelf.api import MoveshelfApi
from moveshelf.errors import RequestError
api = MoveshelfApi({sandbox.key_file!r}, {sandbox.api_url!r})
try:
    api._dispatch_graphql("{{ nothing }}")
except RequestError as error:
    print(type(error).__name__, error.status, "urllib3" in sys.modules, "requests" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["QueryError", "400", "False", "False"]


def test_failed_upload(quick_api: MoveshelfApi, sandbox: Sandbox, practice: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"1,2")
    sandbox.fail("PUT", status=403, times=99)
    with pytest.raises(urllib3.exceptions.HTTPError, match="403") as caught:
        quick_api.uploadFile(str(path), practice)
    assert isinstance(caught.value, TransferError)
    clip = quick_api.getProjectClips(practice, 5)[0]["id"]
    assert clip in str(caught.value)
    sandbox.clear_faults()
    quick_api.uploadAdditionalData(str(path), clip, "data", "a.csv")
    sandbox.fail("GET", status=500, times=99)
    with pytest.raises(urllib3.exceptions.HTTPError, match="500"):
        quick_api.isCurrentVersionUploaded(str(path), clip)


def test_a_failed_put_is_repeated(
    quick_api: MoveshelfApi, sandbox: Sandbox, practice: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"1,2")
    sandbox.fail("PUT", status=503)
    sandbox.fail("PUT", drop=True)
    clip = quick_api.uploadFile(str(path), practice)
    assert len(sandbox.requests.of("PUT")) == 3
    assert len(sandbox.requests.of("createClips")) == 1
    assert quick_api.client.clip(clip).upload_status.name == "COMPLETE"


class TestUnknownIds:
    UNKNOWN = "UHJvamVjdAAAAAAAAAAAAAAA"

    @pytest.mark.parametrize(
        "method",
        [
            "getProjectInfo",
            "getSubjectContext",
            "getSubjectDetails",
            "getSubjectData",
            "getSessionById",
            "getClipData",
        ],
    )
    def test_none(self, demo_api: MoveshelfApi, method: str) -> None:
        assert getattr(demo_api, method)(self.UNKNOWN) is None

    @pytest.mark.parametrize(
        ("method", "more"),
        [
            ("getProjectDatasets", ()),
            ("getProjectSubjects", ()),
            ("getProjectTemplate", ()),
            ("getProjectClips", (3,)),
            ("getProjectSessions", ()),
            ("getFilteredProjectSubjects", ()),
            ("getFilteredProjectSessions", ()),
            ("getAdditionalData", ()),
            ("deleteClipByCondition", ("A",)),
            ("updateSubjectMetadataInfo", ("{}", True)),
            ("updateSessionMetadataInfo", ("n", "{}", True)),
        ],
    )
    def test_error(self, demo_api: MoveshelfApi, method: str, more: tuple[Any, ...]) -> None:
        with pytest.raises(NotFoundError, match=self.UNKNOWN) as caught:
            getattr(demo_api, method)(self.UNKNOWN, *more)
        assert isinstance(caught.value, TypeError)

    def test_of_another_type(self, demo_api: MoveshelfApi) -> None:
        project = demo_api.getUserProjects()[0]["id"]
        assert demo_api.getClipData(project) == {}
        with pytest.raises(KeyError, match="not the id of a clip") as caught:
            demo_api.getAdditionalData(project)
        assert isinstance(caught.value, NotFoundError)


class TestBadInput:
    """Refused before any request."""

    @pytest.fixture(autouse=True)
    def silence(self, demo: Sandbox) -> Any:
        demo.requests.clear()
        yield
        assert len(demo.requests) == 0

    @pytest.mark.parametrize("identity", ["", " ", None])
    @pytest.mark.parametrize(
        ("method", "more"),
        [
            ("getProjectDatasets", ()),
            ("getProjectSubjects", ()),
            ("getProjectTemplate", ()),
            ("getProjectInfo", ()),
            ("getProjectClips", (3,)),
            ("getProjectSessions", ()),
            ("getFilteredProjectSubjects", ()),
            ("getFilteredProjectSessions", ()),
            ("getSubjectContext", ()),
            ("getSubjectDetails", ()),
            ("getSubjectData", ()),
            ("getSessionById", ()),
            ("getClipData", ()),
            ("getAdditionalData", ()),
            ("getJobStatus", ()),
            ("getProjectSubjectByEhrId", ("p",)),
            ("createSubject", ("n",)),
            ("createSession", ("/a/b/", "s")),
            ("createClip", ()),
            ("updateClipMetadata", ({},)),
            ("updateSubjectMetadataInfo", ("{}",)),
            ("updateSessionMetadataInfo", ("n", "{}")),
            ("deleteSubject", ()),
            ("deleteSession", ()),
            ("deleteClip", ()),
            ("deleteAdditionalData", ()),
            ("deleteClipByCondition", ("A",)),
            ("generateAutomaticInteractiveReports", ()),
            ("generateConditionSummaryReport", ("t", [])),
        ],
    )
    def test_empty_id(
        self, demo_api: MoveshelfApi, identity: Any, method: str, more: tuple[Any, ...]
    ) -> None:
        with pytest.raises(ValidationError, match="nothing was sent") as caught:
            getattr(demo_api, method)(identity, *more)
        assert isinstance(caught.value, (ValueError, TypeError))

    @pytest.mark.parametrize("day", ["31-05-2024", "2024-02-30", "yesterday", "2024-05-31T00:00:00"])
    def test_dates(self, demo_api: MoveshelfApi, day: str) -> None:
        for call in (
            lambda: demo_api.getProjectSessions("p", day),
            lambda: demo_api.getProjectSessions("p", None, day),
            lambda: demo_api.getFilteredProjectSessions("p", day),
            lambda: demo_api.getFilteredProjectSubjects("p", None, {"sessionDates": {"endDate": day}}),
            lambda: demo_api.createSession("p", "/a/b/", "s", day),
        ):
            with pytest.raises(ValueError, match=day):
                call()

    def test_a_date_that_is_no_text(self, demo_api: MoveshelfApi) -> None:
        with pytest.raises(TypeError):
            demo_api.getProjectSessions("p", 20240531)  # type: ignore[arg-type]

    def test_operators(self, demo_api: MoveshelfApi) -> None:
        with pytest.raises(ValueError, match="LIKE"):
            demo_api.getFilteredProjectSubjects("p", {"key": "a", "operator": "LIKE", "value": "b"})
        with pytest.raises(ValueError, match="LIKE"):
            demo_api.getFilteredProjectSessions(
                "p", None, None, [{"key": "a", "operator": "LIKE", "value": "b"}]
            )

    def test_files(self, demo_api: MoveshelfApi, tmp_path: Path) -> None:
        missing = str(tmp_path / "missing.c3d")
        for call in (
            lambda: demo_api.uploadFile(missing, "p"),
            lambda: demo_api.uploadAdditionalData(missing, "c", "data", "n"),
            lambda: demo_api.isCurrentVersionUploaded(missing, "c"),
        ):
            with pytest.raises(FileNotFoundError, match=r"missing\.c3d"):
                call()
        large = tmp_path / "large.bin"
        with open(large, "wb") as stream:
            stream.truncate((10 << 20) + 1)
        with pytest.raises(ValueError, match="10 MiB"):
            demo_api.isCurrentVersionUploaded(str(large), "c")

    def test_metadata(self, demo_api: MoveshelfApi) -> None:
        with pytest.raises(json.JSONDecodeError):
            demo_api.updateSubjectMetadataInfo("s", "{")
        with pytest.raises(ValidationError):
            demo_api.updateSubjectMetadataInfo("s", "[]")
        with pytest.raises(TypeError):
            demo_api.updateClipMetadata("c", {"title": {1, 2}})
        for name in ("", "/", None):
            with pytest.raises(ValidationError):
                demo_api.createSubject("p", name)  # type: ignore[arg-type]
            with pytest.raises(ValidationError):
                demo_api.createSession("p", name, "s")  # type: ignore[arg-type]

    def test_address_and_filters(self, demo_api: MoveshelfApi) -> None:
        with pytest.raises(ValueError, match="not both"):
            demo_api.getFilteredProjectSessions("p", "2024-01-01", session_overview_url="https://h/")


class TestOddResponses:
    """What no honest service sends is one of our errors, or what the published client makes of it."""

    DEEP = "[" * 500 + "]" * 500

    @staticmethod
    def respond(sandbox: Sandbox, node: Any) -> None:
        sandbox.fail("query", status=200, body=json.dumps({"data": {"n0": node}}))

    def test_datasets_that_are_null_are_none(self, quick_api: MoveshelfApi, sandbox: Sandbox) -> None:
        project = quick_api.getUserProjects()[0]["id"]
        self.respond(sandbox, {"id": project, "name": "x", "datasets": None})
        assert quick_api.getProjectDatasets(project) == []

    @pytest.mark.parametrize("method", ["getUserProjects", "getProjectAndClips"])
    def test_no_account(self, quick_api: MoveshelfApi, sandbox: Sandbox, method: str) -> None:
        self.respond(sandbox, None)
        with pytest.raises(NotFoundError, match="no account"):
            getattr(quick_api, method)()

    def test_a_project_that_is_null(self, quick_api: MoveshelfApi, sandbox: Sandbox) -> None:
        self.respond(sandbox, {"id": "a", "projects": [None, {"id": "P1", "name": "x"}]})
        assert quick_api.getUserProjects() == [{"name": "x", "id": "P1"}]

    @pytest.mark.parametrize("data", [None, "{", "", DEEP])
    def test_a_template_that_is_no_json(
        self, quick_api: MoveshelfApi, sandbox: Sandbox, data: str | None
    ) -> None:
        project = quick_api.getUserProjects()[0]["id"]
        self.respond(sandbox, {"id": project, "name": "x", "template": {"name": "t", "data": data}})
        with pytest.raises(ValidationError, match=f"the template of project '{project}' is not JSON text"):
            quick_api.getProjectTemplate(project)

    @pytest.mark.parametrize("text", ["{", "", "[1]", '"text"', DEEP])
    def test_a_stored_record_that_is_no_object_is_not_overwritten(
        self, quick_api: MoveshelfApi, sandbox: Sandbox, text: str
    ) -> None:
        project = quick_api.getUserProjects()[0]["id"]
        subject = quick_api.createSubject(project, "P")["id"]
        session = quick_api.createSession(project, "/P/S/", subject)["id"]
        sandbox.requests.clear()
        self.respond(sandbox, {"id": subject, "metadata": text})
        with pytest.raises(ValidationError, match="not"):
            quick_api.updateSubjectMetadataInfo(subject, {"a": "1"}, skip_validation=True)
        self.respond(sandbox, {"id": session, "metadata": text})
        with pytest.raises(ValidationError, match="not"):
            quick_api.updateSessionMetadataInfo(session, "S", {"metadata": {"a": "1"}}, skip_validation=True)
        self.respond(sandbox, {"id": session, "metadata": '{"metadata": [1]}'})
        with pytest.raises(ValidationError, match="not a JSON object"):
            quick_api.updateSessionMetadataInfo(session, "S", {"metadata": {"a": "1"}}, skip_validation=True)
        assert not sandbox.requests.of("updatePatient")
        assert not sandbox.requests.of("updateSession")

    def test_metadata_that_are_nested_without_end(self, quick_api: MoveshelfApi) -> None:
        with pytest.raises(ValidationError, match="nested too deep"):
            quick_api.updateSubjectMetadataInfo("UGF0aWVudAAA", "[" * 200_000 + "]" * 200_000)
