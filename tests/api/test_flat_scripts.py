"""What scripts do with the flat client beside calling it: subclasses, replaced parts, patches of their tests."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
import urllib3

from moveshelf.api import GraphQlException, MoveshelfApi
from moveshelf.errors import ValidationError
from moveshelf.util import addOrGetTrial

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox

#: What 1.6.4 has, private names among it: a script may replace or call each.
PUBLISHED = frozenset(
    [
        "_createAdditionalData",
        "_createClip",
        "_convert_date_period_to_date",
        "_dispatch_graphql",
        "_generateInteractiveReport",
        "_merge_metadata_dictionaries",
        "_parse_session_overview_url",
        "_validateAndUpdateTimecode",
        "_validate_date",
        "_validate_filter_dict_input",
        "_validate_metadata_filters_list",
        "_validate_session_filters",
        "_auth_token",
        "http",
    ]
)


def test_names_of_a_subclass_do_not_clash_with_ours(sandbox: Sandbox, practice: str, tmp_path: Path) -> None:
    """A subclass sets attributes of any name that the published client does not have."""
    ours = {name for name in vars(MoveshelfApi) if not name.startswith("__") and not name.startswith("get")}
    taken = {name for name in ours - PUBLISHED if name.startswith("_") and "__" not in name}
    assert taken == {"_crc32c", "_calculateCrc32c"}  # those of 1.1
    generic = [
        "call",
        "client",
        "close",
        "connection",
        "http",
        "node",
        "object",
        "pool",
        "project",
        "projects",
        "put",
        "rows",
        "timeout",
        "value",
    ]

    class Lab(MoveshelfApi):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            for name in generic:
                setattr(self, name if name == "client" else f"_{name}", name)

    path = tmp_path / "a.csv"
    path.write_bytes(b"1")
    lab = Lab(sandbox.key_file, sandbox.api_url)
    subject = lab.createSubject(practice, "P")["id"]
    session = lab.getSessionById(lab.createSession(practice, "/P/1/", subject)["id"])
    assert session is not None
    clip = addOrGetTrial(lab, session, {"path": "A/", "clips": []})
    lab.uploadAdditionalData(str(path), clip, "data", "a.csv")
    assert lab.isCurrentVersionUploaded(str(path), clip)
    assert lab.getFilteredProjectSessions(practice)
    assert lab.client == "client"
    assert lab._project == "project"  # type: ignore[attr-defined]


class TestReplacedMethods:
    """Where a script has replaced a method that the published client calls, ours calls it too."""

    @pytest.fixture
    def ids(self, api: MoveshelfApi, practice: str) -> tuple[str, str]:
        subject = api.createSubject(practice, "P")["id"]
        return subject, api.createSession(practice, "/P/1/", subject)["id"]

    def test_rule_of_merging(self, api: MoveshelfApi, ids: tuple[str, str]) -> None:
        api._merge_metadata_dictionaries = lambda old, new: {**(old or {}), **new}  # type: ignore[method-assign]
        for value in ("1", "2"):
            api.updateSubjectMetadataInfo(ids[0], json.dumps({"a": value}), True)
            api.updateSessionMetadataInfo(ids[1], "1", json.dumps({"metadata": {"a": value}}), True)
        subject, session = api.getSubjectContext(ids[0]), api.getSessionById(ids[1])
        assert subject is not None
        assert session is not None
        assert json.loads(subject["metadata"]) == json.loads(session["metadata"])["metadata"] == {"a": "2"}

    def test_check_of_timecodes(self, sandbox: Sandbox, practice: str, tmp_path: Path) -> None:
        class Own(MoveshelfApi):
            def _validateAndUpdateTimecode(self, tc: Any) -> None:
                tc["framerate"] = f"FPS_{tc['framerate']}"

        path = tmp_path / "a.csv"
        path.write_bytes(b"1")
        start = {"startTimecode": {"timecode": "00:00:01:00", "framerate": 25}}
        with Own(sandbox.key_file, sandbox.api_url) as api:
            clip = api.uploadFile(str(path), practice, start)
            api.updateClipMetadata(clip, start)
        assert start == {"startTimecode": {"timecode": "00:00:01:00", "framerate": 25}}
        sent = [sandbox.requests.of(name)[0].variables["input"] for name in ("createClips", "updateClip")]
        for metadata in (sent[0]["clips"][0]["metadata"], sent[1]["metadata"]):
            assert metadata["startTimecode"] == {"timecode": "00:00:01:00", "framerate": "FPS_25"}

    def test_checks_of_filters(self, demo_api: MoveshelfApi) -> None:
        seen: list[Any] = []

        class Own(MoveshelfApi):
            def _validate_filter_dict_input(self, filter_dict: Any) -> None:
                seen.append(filter_dict)
                super()._validate_filter_dict_input(filter_dict)

            def _validate_date(self, date_str: Any) -> None:
                seen.append(date_str)

        leaf = {"key": "a", "operator": "EQ", "value": "b"}
        group = {"logic": "OR", "filters": [leaf]}
        own = Own.__new__(Own)
        own._validate_filter_dict_input(group)
        own._validate_session_filters({"sessionDates": {"startDate": "any day"}})
        assert seen == [group, leaf, "any day"]

    @pytest.mark.parametrize("place", ["class", "subclass", "object"])
    def test_checksum(self, sandbox: Sandbox, practice: str, tmp_path: Path, place: str) -> None:
        class Own(MoveshelfApi):
            pass

        path = tmp_path / "a.csv"
        path.write_bytes(b"1")
        api = Own(sandbox.key_file, sandbox.api_url)
        target: Any = {"class": MoveshelfApi, "subclass": Own, "object": api}[place]

        def wrong(*_: Any) -> str:
            return "AAAAAA=="

        with mock.patch.object(target, "_calculateCrc32c", wrong), pytest.raises(Exception, match="checksum"):
            api.uploadFile(str(path), practice)
        assert sandbox.requests.of("createClips")[0].variables["input"]["clips"][0]["crc32c"] == "AAAAAA=="


class TestReplacedDispatch:
    """`_dispatch_graphql` is what people wrap, to log, to try without writing, to test."""

    def test_in_the_class_itself(self, demo: Sandbox, demo_subject: str) -> None:
        """A function put into MoveshelfApi before the first request, which calls the one that was there."""
        standard, seen = MoveshelfApi._dispatch_graphql, []

        def logged(self: MoveshelfApi, query: str, **variables: Any) -> Any:
            data = standard(self, query, **variables)
            seen.append((variables, sorted(data)))
            return data

        with mock.patch.object(MoveshelfApi, "_dispatch_graphql", logged):
            api = MoveshelfApi(demo.key_file, demo.api_url)
            found = api.getSubjectContext(demo_subject)
            assert found is not None
            assert found["name"] == "P-001"
        assert seen == [({"patientId": demo_subject}, ["node"])]
        assert api.getSubjectContext(demo_subject) == found
        assert len(seen) == 1

    def test_responses_have_the_names_of_the_service(self, sandbox: Sandbox, practice: str) -> None:
        """What a method gets from the one it wraps is under `node`, `createPatient`, ..., errors as well."""
        roots: list[str] = []

        class Own(MoveshelfApi):
            def _dispatch_graphql(self, query: str, **kwargs: Any) -> Any:
                try:
                    data = super()._dispatch_graphql(query, **kwargs)
                except GraphQlException as error:
                    roots.extend(str(one["path"][0]) for one in error.error_info)
                    raise
                roots.extend(data)
                return data

        with Own(sandbox.key_file, sandbox.api_url) as api:
            subject = api.createSubject(practice, "P")["id"]
            session = api.createSession(practice, "/P/1/", subject)["id"]
            clip = api.createClip(practice, {"title": "T", "projectPath": "/P/1/A/"})
            api.updateClipMetadata(clip, {"title": "U"})
            api.updateSubjectMetadataInfo(subject, "{}")
            api.getProjectSubjectByEhrId("none", practice)
            api.getUserProjects()
            assert api.client.subject(subject).load("sessions").sessions[0].id == session
            with pytest.raises(GraphQlException):
                api.deleteClip(session)
            api.deleteClip(clip)
        assert roots == [
            "createPatient",
            "createSession",
            "createClips",
            "updateClip",
            "metadataValidator",
            "metadataValidator",
            "node",
            "updatePatient",
            "patient",
            "viewer",
            "node",
            "deleteClip",
            "deleteClip",
        ]

    def test_results_that_hold_little(self, demo: Sandbox) -> None:
        """A trial run that sends no mutation responds with no more than the script reads."""
        results = {
            "createPatient": {"patient": {"id": "new"}},
            "createSession": {"session": {"id": "new"}},
            "createClips": {"response": [{"mocapClip": {"id": "new"}}]},
            "createAdditionalData": {"uploadUrl": None, "data": {"id": "new"}},
            "updateClip": {"clip": {"id": 1}},
            "updatePatient": {"updated": "yes"},
            "deleteClip": {"ok": 1},
            "processGaitTool": {"jobId": 7},
        }

        class Trial(MoveshelfApi):
            def _dispatch_graphql(self, query: str, **kwargs: Any) -> Any:
                if not query.startswith("mutation"):
                    return super()._dispatch_graphql(query, **kwargs)
                return {name: result for name, result in results.items() if f"{name}(" in query}

        file = {"dataType": "data", "crc32c": "", "filename": "f", "clientId": "c"}
        with Trial(demo.key_file, demo.api_url) as api:
            project = next(one["id"] for one in api.getUserProjects() if one["name"] == "lab/demo")
            subject = api.getProjectSubjects(project)[0]["id"]
            demo.requests.clear()
            assert api.createSubject(project, "P") == {"id": "new"}
            assert api.createSession(project, "/P/1/", subject) == {"id": "new"}
            assert api.createClip(project) == "new"
            assert api._createAdditionalData("c", file) == {"uploadUrl": None, "data": {"id": "new"}}
            api.updateClipMetadata("c", {})
            assert api.updateSubjectMetadataInfo(subject, "{}", True) == "yes"
            assert api.deleteClip("c") is True
            assert api.processGaitTool(["c"], "walking") == 7  # type: ignore[comparison-overlap]
            with pytest.raises(KeyError):
                api.deleteSession("s")
        assert not [one for one in demo.requests if (one.query or "").startswith("mutation")]

    @pytest.mark.parametrize("result", [None, {}, [], "text"])
    @pytest.mark.parametrize("method", ["getSubjectDetails", "deleteClip", "getJobStatus", "deleteSubject"])
    def test_no_result(self, demo: Sandbox, result: Any, method: str) -> None:
        class Own(MoveshelfApi):
            def _dispatch_graphql(self, query: str, **kwargs: Any) -> Any:
                return result

        with Own(demo.key_file, demo.api_url) as api, pytest.raises((TypeError, KeyError)):
            getattr(api, method)("x")

    @pytest.mark.parametrize("method", ["getSubjectDetails", "deleteClip", "getProjectSessions"])
    def test_exceptions_of_its_own_stay(self, demo: Sandbox, method: str) -> None:
        class Refused(GraphQlException):
            pass

        for error in (Refused([{"message": "no"}]), KeyError("k"), OSError("o"), RuntimeError("r")):

            class Own(MoveshelfApi):
                def _dispatch_graphql(self, query: str, *, error: Exception = error, **kwargs: Any) -> Any:
                    raise error

            with Own(demo.key_file, demo.api_url) as api, pytest.raises(type(error)) as caught:
                getattr(api, method)("x")
            assert caught.value is error


class TestChangedHttp:
    """Tests of scripts put a `request` of their own where the published client has its: nothing may be sent then."""

    class Reply:
        status, reason = 200, "OK"
        data = b'{"data": {"viewer": {"projects": [{"id": "1", "name": "no network"}]}}}'

    def test_of_the_object(self, demo: Sandbox, demo_api: MoveshelfApi) -> None:
        demo_api.getUserProjects()
        demo.requests.clear()
        with mock.patch.object(demo_api.http, "request", return_value=self.Reply()) as request:
            assert [one["name"] for one in demo_api.getUserProjects()] == ["no network"]
        assert request.call_args.args == ("POST", demo_api.api_url)
        assert not demo.requests
        assert len(demo_api.getUserProjects()) == 3

    def test_of_the_class(self, demo: Sandbox, demo_api: MoveshelfApi) -> None:
        with mock.patch("urllib3.PoolManager.request", return_value=self.Reply()):
            assert [one["name"] for one in demo_api.getUserProjects()] == ["no network"]
        assert len(demo_api.getUserProjects()) == 3

    def test_settings(self, demo: Sandbox, demo_api: MoveshelfApi) -> None:
        """A proxy's certificate, a header, a timeout: what is set on the pool counts."""
        demo_api.http.connection_pool_kw.update(timeout=urllib3.Timeout(1e-9), retries=False)
        with pytest.raises(urllib3.exceptions.HTTPError):
            demo_api.getUserProjects()

    def test_not_by_its_use(self, demo: Sandbox, demo_api: MoveshelfApi) -> None:
        """Downloads over `http` leave requests where they were."""
        demo_api.http.request("GET", demo_api.api_url)
        with mock.patch.object(MoveshelfApi, "_MoveshelfApi__through_http", side_effect=AssertionError):
            assert len(demo_api.getUserProjects()) == 3


def test_a_copy_is_sent_by_its_own_methods(demo_api: MoveshelfApi, demo_subject: str) -> None:
    demo_api.getUserProjects()
    other = copy.copy(demo_api)
    other._dispatch_graphql = lambda query, **_: {"node": {"id": "x", "name": "copy"}}  # type: ignore[method-assign]
    assert other.getSubjectContext("x") == {"id": "x", "name": "copy"}
    found = demo_api.getSubjectContext(demo_subject)
    assert found is not None
    assert found["name"] == "P-001"


def test_handlers_of_the_programs_end_can_send(demo: Sandbox, demo_subject: str) -> None:
    """What a script registers with atexit, after its imports and before its first request."""
    code = f"""
        import atexit
        from moveshelf_api.api import MoveshelfApi
        api = MoveshelfApi({demo.key_file!r}, {demo.api_url!r})
        atexit.register(lambda: print(api.getSubjectContext({demo_subject!r})["name"]))
        print(len(api.getUserProjects()))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("3\nP-001\n", "")


def test_import_of_everything() -> None:
    """The published module has no `__all__`: scripts use what it has imported."""
    names: dict[str, Any] = {}
    exec("from moveshelf_api.api import *", names)  # the statement is what is tested
    assert names["json"] is json
    assert names["path"].basename("a/b") == "b"
    assert names["datetime"].strptime("2024-05-31", "%Y-%m-%d") - names["timedelta"](days=31)


class TestArguments:
    """What can never be right is refused by name, before any request."""

    @pytest.mark.parametrize("value", [[], {}, ("a",), 1.5, float("nan"), True, b"id", object()])
    @pytest.mark.parametrize("method", ["getSubjectDetails", "getClipData", "deleteSubject", "deleteClip"])
    def test_ids(self, offline_api: MoveshelfApi, method: str, value: Any) -> None:
        with pytest.raises(ValidationError, match="id of the") as caught:
            getattr(offline_api, method)(value)
        assert isinstance(caught.value, TypeError)

    @pytest.mark.parametrize("value", [[], "text", 5, [("title", "T")]])
    def test_metadata_of_clips(self, offline_api: MoveshelfApi, value: Any, tmp_path: Path) -> None:
        (tmp_path / "a").touch()
        for method, arguments in (
            ("createClip", ["p"]),
            ("updateClipMetadata", ["c"]),
            ("uploadFile", [str(tmp_path / "a"), "p"]),
        ):
            with pytest.raises(ValidationError, match="metadata of a clip is a dict"):
                getattr(offline_api, method)(*arguments, value)

    @pytest.mark.parametrize("value", ["01:02:03:04", ["x"], 5])
    def test_timecodes(self, offline_api: MoveshelfApi, value: Any) -> None:
        for method in ("createClip", "updateClipMetadata"):
            with pytest.raises(AssertionError, match="a timecode is a dict"):
                getattr(offline_api, method)("x", {"startTimecode": value})

    def test_condition(self, offline_api: MoveshelfApi) -> None:
        for name in (None, 5, []):
            with pytest.raises(ValidationError, match="condition"):
                offline_api.deleteClipByCondition("s", name)  # type: ignore[arg-type]

    @pytest.mark.parametrize("value", ['{"a": NaN}', {"a": float("inf")}, '{"a": 1e999}', {"a": object()}])
    @pytest.mark.parametrize("skip", [True, False])
    def test_numbers_that_json_does_not_have(self, offline_api: MoveshelfApi, value: Any, skip: bool) -> None:
        """Stored, they make all of the metadata unreadable for strict readers, browsers among them."""
        with pytest.raises(ValidationError, match="subject cannot be written as JSON"):
            offline_api.updateSubjectMetadataInfo("s", value, skip)
        with pytest.raises(ValidationError, match="session cannot be written as JSON"):
            offline_api.updateSessionMetadataInfo("s", "n", value, skip)

    @pytest.mark.parametrize("value", [5, "text", {"id": 1}, [1], [None]])
    def test_interventions(self, offline_api: MoveshelfApi, value: Any) -> None:
        """Stored, they stand in place of the list that was there."""
        with pytest.raises(ValidationError, match="intervention"):
            offline_api.updateSubjectMetadataInfo("s", {"interventions": value}, True)

    @pytest.mark.parametrize("value", [None, "", "/", 5, float("nan")])
    def test_name_of_a_session(self, offline_api: MoveshelfApi, value: Any) -> None:
        with pytest.raises(ValidationError, match="name of a session"):
            offline_api.updateSessionMetadataInfo("s", value, "{}")

    def test_empty_path(self, offline_api: MoveshelfApi) -> None:
        with pytest.raises(FileNotFoundError):
            offline_api.uploadFile("", "p")
        with pytest.raises(FileNotFoundError):
            offline_api.uploadAdditionalData("", "c", "data", "f")

    @pytest.mark.parametrize("value", [0, -1, "60", (1, 2), True, float("nan")])
    def test_timeout(self, key_file: Path, value: Any) -> None:
        with pytest.raises(ValueError, match="timeout"):
            MoveshelfApi(str(key_file), timeout=value)

    @pytest.mark.parametrize("value", [None, 2.5, float("inf")])
    def test_timeout_that_can_be(self, demo: Sandbox, value: Any) -> None:
        with MoveshelfApi(demo.key_file, demo.api_url, value) as api:
            assert len(api.getUserProjects()) == 3
            assert api.http.request("GET", api.api_url).status == 405
