"""Where theirs is wrong and ours is right: every difference that the referee does not let pass, by name."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from moveshelf.api import MoveshelfApi, TimecodeFramerate
from moveshelf.errors import ValidationError
from moveshelf.util import getConditionsFromSession, getPatientMetadata

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox


@pytest.fixture
def subject(api: MoveshelfApi, practice: str) -> str:
    return str(api.createSubject(practice, "P")["id"])


@pytest.fixture
def session(api: MoveshelfApi, practice: str, subject: str) -> str:
    return str(api.createSession(practice, "/P/2024-05-31/", subject)["id"])


@pytest.fixture
def templated(sandbox: Sandbox) -> str:
    from moveshelf.sandbox.template import project_template

    return sandbox.add_project("lab/templated", project_template())


def stored(api: MoveshelfApi, subject: str) -> Any:
    context = api.getSubjectContext(subject)
    assert context is not None
    return json.loads(context["metadata"])


def test_metadata_is_never_code(api: MoveshelfApi, subject: str) -> None:
    """Theirs evaluates it: code runs, and `true` or `null` is a NameError."""
    api.updateSubjectMetadataInfo(subject, {"a": {"value": ["x"], "multiselect": True}, "b": None}, True)
    assert getPatientMetadata(api, subject) == {"a": {"value": ["x"], "multiselect": True}, "b": None}


class TestDeleteClipByCondition:
    """Theirs deletes whatever has the name in its path or its title."""

    @pytest.fixture
    def clips(self, api: MoveshelfApi, practice: str, session: str) -> dict[str, str]:
        made = {}
        for title, folder in (
            ("in", "Barefoot/"),
            ("without slash", "Barefoot"),
            ("longer", "Barefoot fast/"),
            ("below", "Barefoot/left/"),
            ("Barefoot", "Braced/"),
            ("none", ""),
            ("upper", "SHOES/"),
            ("lower", "shoes/"),
        ):
            made[title] = api.createClip(practice, {"title": title, "projectPath": "/P/2024-05-31/" + folder})
        return made

    def left(self, api: MoveshelfApi, session: str) -> set[str]:
        found = api.getSessionById(session)
        assert found is not None
        return {clip["title"] for clip in found["clips"]}

    @pytest.mark.parametrize("name", ["Barefoot", "Barefoot/", "/Barefoot/", "barefoot"])
    def test_exactly_that_name(
        self, api: MoveshelfApi, session: str, clips: dict[str, str], name: str
    ) -> None:
        result = api.deleteClipByCondition(session, name)
        assert list(result) == ["deleted_count", "failed_count", "details"]
        assert (result["deleted_count"], result["failed_count"]) == (2, 0)
        assert [one["title"] for one in result["details"]] == ["in", "without slash"]
        assert self.left(api, session) == set(clips) - {"in", "without slash"}

    @pytest.mark.parametrize(("name", "deleted"), [("shoes", "lower"), ("SHOES", "upper"), ("Shoes", None)])
    def test_case_only_where_it_is_clear(
        self, api: MoveshelfApi, session: str, clips: dict[str, str], name: str, deleted: str | None
    ) -> None:
        api.deleteClipByCondition(session, name)
        assert set(clips) - self.left(api, session) == ({deleted} if deleted else set())

    @pytest.mark.parametrize("name", ["", "/", "Bare", "2024-05-31", "P"])
    def test_nothing_else(self, api: MoveshelfApi, session: str, clips: dict[str, str], name: str) -> None:
        assert api.deleteClipByCondition(session, name)["deleted_count"] == 0
        assert self.left(api, session) == set(clips)

    def test_goes_on_after_a_failure(
        self,
        api: MoveshelfApi,
        session: str,
        clips: dict[str, str],
        sandbox: Sandbox,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        sandbox.fail("deleteClip", error="not now")
        result = api.deleteClipByCondition(session, "Barefoot")
        assert (result["deleted_count"], result["failed_count"]) == (1, 1)
        failed = result["details"][0]
        assert (failed["clip_id"], failed["deleted"]) == (clips["in"], False)
        assert "not now" in failed["error"]
        assert clips["in"] in caplog.text


def test_delete_subjects_goes_on(
    api: MoveshelfApi, practice: str, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    ids = [api.createSubject(practice, name)["id"] for name in "abc"]
    sandbox.fail("deletePatient", error="not now", after=1)
    assert api.deleteSubjects([*ids, ""]) == {ids[0]: True, ids[1]: False, ids[2]: True, "": False}
    assert ids[1] in caplog.text


class TestArgumentsAreNotChanged:
    def test_metadata_of_uploads(self, api: MoveshelfApi, practice: str, tmp_path: Path) -> None:
        """Theirs fills the caller's dictionary, so that the second file has the first one's title."""
        timecode = {"timecode": "00:00:01:00", "framerate": TimecodeFramerate.FPS_25}
        metadata: Any = {"startTimecode": timecode, "projectPath": "/P/1/A/"}
        for name in ("a.csv", "b.csv"):
            (tmp_path / name).write_bytes(b"1")
            api.uploadFile(str(tmp_path / name), practice, metadata)
        assert metadata == {"startTimecode": timecode, "projectPath": "/P/1/A/"}
        assert timecode["framerate"] is TimecodeFramerate.FPS_25
        assert [one["title"] for one in api.getProjectClips(practice, 5)] == ["a.csv", "b.csv"]

    def test_metadata_of_clips(self, api: MoveshelfApi, practice: str, sandbox: Sandbox) -> None:
        metadata: Any = {"startTimecode": {"timecode": "00:00:01:00", "framerate": TimecodeFramerate.FPS_25}}
        clip = api.createClip(practice, metadata)
        api.updateClipMetadata(clip, metadata)
        assert metadata["startTimecode"]["framerate"] is TimecodeFramerate.FPS_25
        sent = sandbox.requests.of("createClips")[0].variables["input"]["clips"][0]["metadata"]
        assert sent == {"startTimecode": {"timecode": "00:00:01:00", "framerate": "FPS_25"}}

    def test_default_of_clips(self, api: MoveshelfApi, practice: str) -> None:
        import inspect

        api.createClip(practice)
        assert inspect.signature(MoveshelfApi.createClip).parameters["metadata"].default == {}

    def test_imported_metadata(self, api: MoveshelfApi, subject: str, session: str) -> None:
        info = {"a": "1", "interventions": [{"id": 1}]}
        api.updateSubjectMetadataInfo(subject, info, True)
        record = {"metadata": {"b": [{"context": "left", "value": ""}]}}
        for _ in range(2):
            api.updateSessionMetadataInfo(session, "2024-05-31", record, True)
        assert info == {"a": "1", "interventions": [{"id": 1}]}
        assert record == {"metadata": {"b": [{"context": "left", "value": ""}]}}

    def test_conditions(self) -> None:
        """Theirs hands out its default argument, with the conditions of every session before."""
        first = {"projectPath": "/P/1/", "clips": [{"id": "1", "projectPath": "/P/1/A/"}]}
        second = {"projectPath": "/P/2/", "clips": [{"id": "2", "projectPath": "/P/2/B/"}]}
        getConditionsFromSession(first)
        assert [one["path"] for one in getConditionsFromSession(second)] == ["B/"]


class TestSubjectMetadata:
    """Theirs returns None where the validator complained, and deletes interventions that the import does not bring."""

    def test_complaints_come_back_and_are_false(
        self, api: MoveshelfApi, templated: str, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
    ) -> None:
        subject = api.createSubject(templated, "P")["id"]
        bad = {"subject-sex": "Unknown", "interventions": [{"intervention-side": "Middle"}]}
        found = api.updateSubjectMetadataInfo(subject, json.dumps(bad))
        assert not found
        assert isinstance(found, list)
        assert len(found) == 2
        printed = capsys.readouterr().out
        for line in found:
            assert line in printed
        assert not sandbox.requests.of("updatePatient")

    def test_a_dict_will_do(self, api: MoveshelfApi, templated: str) -> None:
        subject = api.createSubject(templated, "P")["id"]
        assert api.updateSubjectMetadataInfo(subject, {"subject-sex": "Male"}) is True
        assert stored(api, subject) == {"subject-sex": "Male"}

    def test_interventions_stay(self, api: MoveshelfApi, subject: str) -> None:
        api.updateSubjectMetadataInfo(subject, {"a": "", "interventions": [{"id": 1}]}, True)
        api.updateSubjectMetadataInfo(subject, {"a": "1"}, True)
        assert stored(api, subject) == {"a": "1", "interventions": [{"id": 1}]}
        api.updateSubjectMetadataInfo(subject, {"interventions": [{"id": 2}]}, True)
        assert stored(api, subject) == {"a": "1", "interventions": [{"id": 2}]}
        api.updateSubjectMetadataInfo(subject, {"interventions": []}, True)
        assert stored(api, subject) == {"a": "1", "interventions": [{"id": 2}]}


class TestSessionMetadata:
    def test_date_in_the_fourth_place(self, api: MoveshelfApi, session: str, sandbox: Sandbox) -> None:
        """The form of version 1.1, which did not validate."""
        assert api.updateSessionMetadataInfo(session, "n", "{}", "2020-01-02") is True
        sent = sandbox.requests.of("updateSession")[0].variables
        assert (sent["sessionDate"], sent["previousUpdatedAt"]) == ("2020-01-02", None)
        assert not sandbox.requests.of("metadataValidator")

    def test_and_the_time_in_the_fifth(self, api: MoveshelfApi, session: str, sandbox: Sandbox) -> None:
        from moveshelf.api import GraphQlException

        with pytest.raises(GraphQlException):
            api.updateSessionMetadataInfo(session, "n", "{}", "2020-01-02", "2001-01-01T00:00:00+00:00")
        sent = sandbox.requests.of("updateSession")[0].variables
        assert (sent["sessionDate"], sent["previousUpdatedAt"]) == ("2020-01-02", "2001-01-01T00:00:00+00:00")

    def test_complaints_come_back(self, api: MoveshelfApi, templated: str, sandbox: Sandbox) -> None:
        subject = api.createSubject(templated, "P")["id"]
        session = api.createSession(templated, "/P/1/", subject)["id"]
        found = api.updateSessionMetadataInfo(session, "1", {"metadata": {"session-type": "Sleep"}})
        assert isinstance(found, list)
        assert found
        assert not sandbox.requests.of("updateSession")


class TestFilteredSessions:
    def test_address_without_a_template(self, api: MoveshelfApi, practice: str, sandbox: Sandbox) -> None:
        """Theirs drops every filter and date in it, and returns everything."""
        with pytest.raises(ValidationError, match="no template"):
            api.getFilteredProjectSessions(practice, session_overview_url="https://h/?startDate=2024-01-01")
        assert not sandbox.requests.of("recentSessions")

    def test_says_when_it_cuts(self, demo_api: MoveshelfApi, demo: Sandbox) -> None:
        project = next(one["id"] for one in demo_api.getUserProjects() if one["name"] == "lab/demo")
        demo.requests.clear()
        with pytest.warns(UserWarning, match="more than 3 sessions") as caught:
            found = demo_api.getFilteredProjectSessions(project, limit=3)
        assert len(found) == 3
        assert "limit" in str(caught[0].message)
        assert caught[0].filename == __file__
        assert len(demo.requests) == 1

    def test_is_quiet_where_all_came(self, demo_api: MoveshelfApi) -> None:
        project = next(one["id"] for one in demo_api.getUserProjects() if one["name"] == "lab/demo")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            everything = demo_api.getFilteredProjectSessions(project)
            assert demo_api.getFilteredProjectSessions(project, limit=len(everything)) == everything


def test_session_knows_its_norms(demo_api: MoveshelfApi) -> None:
    """What the first reference promises, and versions from 1.5 on left out: last, so that nothing else moves."""
    project = next(one["id"] for one in demo_api.getUserProjects() if one["name"] == "lab/demo")
    subject = next(one["id"] for one in demo_api.getProjectSubjects(project) if one["name"] == "P-003")
    details = demo_api.getSubjectDetails(subject)
    assert details is not None
    session = demo_api.getSessionById(details["sessions"][0]["id"])
    assert session is not None
    for one in (session, details["sessions"][0]):
        assert list(one)[-1] == "norms"
        assert [norm["name"] for norm in one["norms"]] == ["Own laboratory"]
        assert list(one["norms"][0]) == ["id", "name", "uploadStatus", "projectPath", "clips"]
    conditions = getConditionsFromSession(session)
    assert [(one["path"], len(one["norms"])) for one in conditions] == [("Barefoot/", 1), ("Braced/", 0)]


def test_warns_where_the_published_package_is_installed_too(tmp_path: Path) -> None:
    (tmp_path / "moveshelf_api-1.6.4.dist-info").mkdir()
    code = f"import sys; sys.path.append({str(tmp_path)!r}); import moveshelf_api.api"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert "moveshelf_api-1.6.4 is installed" in done.stderr
    assert "pip uninstall moveshelf-api" in done.stderr
    alone = subprocess.run(
        [sys.executable, "-c", "import moveshelf_api.api"],
        capture_output=True,
        text=True,
        check=True,
        cwd=root,
    )
    assert alone.stderr == ""


def test_early_spelling(demo_api: MoveshelfApi) -> None:
    project = next(one["id"] for one in demo_api.getUserProjects() if one["name"] == "lab/demo")
    subject = demo_api.getProjectSubjects(project)[0]["id"]
    assert demo_api.getsubjectContext(subject) == demo_api.getSubjectContext(subject)


def test_large_upload_keeps_memory_small(sandbox: Sandbox, practice: str, tmp_path: Path) -> None:
    """Theirs holds the whole file."""
    path = tmp_path / "large.bin"
    with open(path, "wb") as stream:
        stream.truncate(200 << 20)
    code = f"""
import resource
from moveshelf.api import MoveshelfApi
api = MoveshelfApi({sandbox.key_file!r}, {sandbox.api_url!r})
api.getUserProjects()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(api.uploadFile({str(path)!r}, {practice!r}))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    pytest.importorskip("resource")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    _, grown = done.stdout.split()
    assert int(grown) < 64
    assert sandbox.requests.of("PUT")[0].bytes_in == 200 << 20
