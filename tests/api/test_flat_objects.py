"""The flat client and the objects: what one read, the other holds; what one wrote, the other shows. And overriding."""

from __future__ import annotations

import ast
import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from moveshelf.api import MoveshelfApi, __main__
from moveshelf.errors import DeletedError, NotFoundError

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox


@pytest.fixture
def looked_at(demo_api: MoveshelfApi) -> MoveshelfApi:
    """A flat client whose objects somebody uses."""
    assert demo_api.client is demo_api.client
    return demo_api


@pytest.fixture
def subject(demo_api: MoveshelfApi) -> str:
    project = next(one["id"] for one in demo_api.getUserProjects() if one["name"] == "lab/demo")
    return str(demo_api.getProjectSubjects(project)[0]["id"])


class TestReading:
    def test_what_was_read_flat_is_there(self, looked_at: MoveshelfApi, subject: str) -> None:
        details = looked_at.getSubjectDetails(subject)
        assert details is not None
        with looked_at.client.no_fetch():
            found = looked_at.client.subject(subject)
            assert found.name == details["name"]
            assert found.metadata["subject-sex"] == "Female"
            assert [one.title for one in found.reports] == [one["title"] for one in details["reports"]]
            for session, known in zip(found.sessions, details["sessions"], strict=True):
                assert (session.id, session.path) == (known["id"], known["projectPath"])
                assert str(session.date) == known["date"][:10]
                assert [clip.title for clip in session.clips] == [clip["title"] for clip in known["clips"]]
                assert [norm.id for norm in session.norms] == [norm["id"] for norm in known["norms"]]
                assert list(session.conditions.names()) == ["Barefoot", "Braced"]

    def test_files_and_their_own(self, looked_at: MoveshelfApi, subject: str) -> None:
        data = looked_at.getSubjectData(subject)
        assert data is not None
        clip = data["sessions"][0]["clips"][0]
        looked_at.getClipData(clip["id"])
        with looked_at.client.no_fetch():
            found = looked_at.client.clip(clip["id"])
            assert [file.name for file in found.files] == [
                file["originalFileName"] for file in clip["additionalData"]
            ]
            assert found.description == "Barefoot, P-001"
            assert found.custom_options == {"trialType": "Barefoot"}

    def test_also_when_somebody_has_looked_before(self, demo_api: MoveshelfApi, subject: str) -> None:
        client = demo_api.client
        held = client.subject(subject)
        demo_api.getSubjectDetails(subject)
        with client.no_fetch():
            assert held.name == "P-001"

    def test_members_of_a_filtered_question(self, looked_at: MoveshelfApi) -> None:
        project = next(one["id"] for one in looked_at.getUserProjects() if one["name"] == "lab/demo")
        male = {"key": "subject-sex", "operator": "EQ", "value": "Male"}
        rows = looked_at.getFilteredProjectSubjects(project, male)
        recent = looked_at.getFilteredProjectSessions(project, limit=100, include_additional_data=True)
        client = looked_at.client
        with client.no_fetch():
            for row in rows:
                assert client.subject(row["id"]).sessions.ids() == [one["id"] for one in row["sessions"]]
            for row in recent:
                assert client.session(row["id"]).subject.name == row["patient"]["name"]
                assert len(client.session(row["id"]).clips) == len(row["clips"])
        # the project lists all, not those that matched
        assert len(client.project(project).subjects) == 12 > len(rows)

    def test_a_flat_read_always_asks(self, demo: Sandbox, demo_api: MoveshelfApi, subject: str) -> None:
        demo.requests.clear()
        for _ in range(3):
            demo_api.getSubjectDetails(subject)
        assert len(demo.requests) == 3

    def test_answers_are_the_scripts_own(self, looked_at: MoveshelfApi, subject: str) -> None:
        details = looked_at.getSubjectDetails(subject)
        assert details is not None
        details["name"] = "changed"
        details["sessions"].clear()
        with looked_at.client.no_fetch():
            assert looked_at.client.subject(subject).name == "P-001"
            assert len(looked_at.client.subject(subject).sessions) == 3

    def test_close_lets_go_and_another_call_reopens(self, demo_api: MoveshelfApi, subject: str) -> None:
        demo_api.getSubjectDetails(subject)
        first = demo_api.client
        demo_api.close()
        assert demo_api.getSubjectContext(subject) is not None
        assert demo_api.client is not first


class TestWriting:
    @pytest.fixture
    def tree(self, api: MoveshelfApi, practice: str) -> dict[str, str]:
        subject = api.createSubject(practice, "P")["id"]
        session = api.createSession(practice, "/P/2024-05-31/", subject)["id"]
        clip = api.createClip(practice, {"title": "T", "projectPath": "/P/2024-05-31/Barefoot/"})
        return {"project": practice, "subject": subject, "session": session, "clip": clip}

    @pytest.fixture(params=["looked at before", "looked at after"])
    def looked(self, request: pytest.FixtureRequest, api: MoveshelfApi, tree: dict[str, str]) -> bool:
        """Whether the objects were there, loaded, when the flat client wrote."""
        if request.param == "looked at after":
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

    def test_update_of_a_clip(self, api: MoveshelfApi, tree: dict[str, str], looked: bool) -> None:
        api.updateClipMetadata(tree["clip"], {"title": "new"}, '{"a": 1}')
        assert api.client.clip(tree["clip"]).title == "new"
        assert api.client.clip(tree["clip"]).custom_options == {"a": 1}

    def test_update_of_a_subject(self, api: MoveshelfApi, tree: dict[str, str], looked: bool) -> None:
        assert api.updateSubjectMetadataInfo(tree["subject"], {"subject-sex": "Male"}, True) is True
        assert api.client.subject(tree["subject"]).metadata == {"subject-sex": "Male"}

    def test_update_of_a_session(self, api: MoveshelfApi, tree: dict[str, str], looked: bool) -> None:
        api.updateSessionMetadataInfo(
            tree["session"], "renamed", {"metadata": {"a": "1"}}, True, "2020-01-02"
        )
        session = api.client.session(tree["session"])
        assert (session.name, str(session.date), session.metadata) == ("renamed", "2020-01-02", {"a": "1"})
        assert session.clips[0].path == "/P/renamed/Barefoot/"
        assert session.conditions.names() == ["Barefoot"]

    def test_new_members(self, api: MoveshelfApi, tree: dict[str, str], looked: bool, tmp_path: Path) -> None:
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

    def test_deleted_clip(self, api: MoveshelfApi, tree: dict[str, str], looked: bool) -> None:
        held = api.client.clip(tree["clip"]) if looked else None
        assert api.deleteClip(tree["clip"]) is True
        assert len(api.client.session(tree["session"]).clips) == 0
        with pytest.raises((DeletedError, NotFoundError)):
            print((held or api.client.clip(tree["clip"])).title)

    def test_deleted_subject(self, api: MoveshelfApi, tree: dict[str, str], looked: bool) -> None:
        held = [api.client.session(tree["session"]), api.client.clip(tree["clip"])] if looked else []
        assert api.deleteSubject(tree["subject"]) is True
        assert api.client.project(tree["project"]).subjects.names() == []
        for one in held:
            with pytest.raises(DeletedError):
                print(one.name)

    def test_condition(self, api: MoveshelfApi, tree: dict[str, str], looked: bool) -> None:
        assert api.deleteClipByCondition(tree["session"], "Barefoot")["deleted_count"] == 1
        assert len(api.client.session(tree["session"]).conditions) == 0


class TestOverriding:
    """People subclass the flat client and replace single methods."""

    def test_dispatch(self, demo: Sandbox, subject: str) -> None:
        class Own(MoveshelfApi):
            asked: list[dict[str, Any]] = []  # noqa: RUF012

            def _dispatch_graphql(self, query: str, **kwargs: Any) -> Any:
                self.asked.append(kwargs)
                return super()._dispatch_graphql(query, **kwargs)

        with Own(demo.key_file, demo.api_url) as api:
            client = api.client
            api.getSubjectDetails(subject)
            assert api.asked == [{"patientId": subject}]
            with client.no_fetch():
                assert client.subject(subject).name == "P-001"

    @pytest.mark.parametrize(
        "answer", [{"node": {"id": "x", "sessions": 3}}, {"node": {"id": 5}}, {"node": [1]}, {}]
    )
    def test_dispatch_that_answers_anything(self, demo: Sandbox, answer: Any) -> None:
        class Own(MoveshelfApi):
            def _dispatch_graphql(self, query: str, **kwargs: Any) -> Any:
                return {"node": None, **answer}

        with Own(demo.key_file, demo.api_url) as api:
            assert api.getSubjectDetails("x") == answer.get("node")
            assert api.client is not None
            assert api.getSubjectDetails("x") == answer.get("node")

    def test_no_network_and_unusual_objects(self, demo: Sandbox) -> None:
        marker = object()

        class Own(MoveshelfApi):
            def _dispatch_graphql(self, query: str, **kwargs: Any) -> Any:
                return {"node": {"id": "x", "name": marker}}

        with Own(demo.key_file, demo.api_url) as api:
            assert api.getSubjectContext("x") == {"id": "x", "name": marker}

    def test_methods_call_methods_with_the_oldest_arguments(self, demo: Sandbox, tmp_path: Path) -> None:
        class Old(MoveshelfApi):
            def getSessionById(self, session_id):  # type: ignore[no-untyped-def, override]
                return {
                    "projectPath": "/P/1/",
                    "clips": [{"id": "c", "title": "t", "projectPath": "/P/1/A/"}],
                }

            def getAdditionalData(self, clip_id):  # type: ignore[no-untyped-def, override]
                return []

            def deleteClip(self, clip_id):  # type: ignore[no-untyped-def, override]
                return clip_id == "c"

            def getProjectTemplate(self, project_id):  # type: ignore[no-untyped-def, override]
                return {"template": {"sex": {}}}

        file = tmp_path / "f"
        file.touch()
        with Old(demo.key_file, demo.api_url) as api:
            assert api.deleteClipByCondition("s", "A")["deleted_count"] == 1
            assert api.isCurrentVersionUploaded(str(file), "c") is False
            parsed = api._parse_session_overview_url("https://h/?sex=M", "p")
            assert parsed["patient_metadata_filters"] == [{"key": "sex", "operator": "EQ", "value": "M"}]

    def test_own_init(self, demo: Sandbox) -> None:
        from moveshelf.api import BearerTokenAuth

        class Own(MoveshelfApi):
            def __init__(self) -> None:
                self.api_url = demo.api_url
                self._auth_token = BearerTokenAuth(demo.api_key)

        with Own() as api:
            assert len(api.getUserProjects()) == 3

    def test_another_address_and_key(self, demo: Sandbox, sandbox: Sandbox) -> None:
        with (
            MoveshelfApi(demo.key_file, demo.api_url) as api,
            MoveshelfApi(sandbox.key_file, sandbox.api_url) as other,
        ):
            assert len(api.getUserProjects()) == 3
            api.api_url, api._auth_token = sandbox.api_url, other._auth_token
            assert len(api.getUserProjects()) == 1


class TestOwnHttp:
    """`http` is a script's to use, and to replace."""

    class Recorder:
        def __init__(self) -> None:
            import urllib3

            self.pool = urllib3.PoolManager()
            self.seen: list[tuple[str, str, Any, dict[str, str]]] = []

        def request(self, method: str, url: str, **options: Any) -> Any:
            self.seen.append((method, url, options.get("body"), options.get("headers") or {}))
            return self.pool.request(method, url, **options)

    def test_replaced_carries_everything(
        self, sandbox: Sandbox, api: MoveshelfApi, practice: str, tmp_path: Path
    ) -> None:
        small, large = tmp_path / "a.csv", tmp_path / "b.bin"
        small.write_bytes(b"1,2")
        large.write_bytes(bytes(3 << 20))
        api.http = self.Recorder()
        assert isinstance(api.http, self.Recorder)
        clip = api.uploadFile(str(small), practice)
        api.uploadAdditionalData(str(large), clip, "raw", "b.bin")
        api.uploadAdditionalData(str(small), clip, "raw", "a.csv")
        assert api.isCurrentVersionUploaded(str(small), clip) is True
        assert [one["uploadStatus"] for one in api.getAdditionalData(clip)] == ["Complete", "Complete"]
        seen = api.http.seen
        assert [method for method, _, _, _ in seen] == ["POST", "PUT"] * 3 + ["POST", "GET", "POST"]
        for method, url, body, headers in seen:
            assert ("Authorization" in headers) == (url == api.api_url) == (method == "POST")
            if method == "POST":
                assert set(json.loads(body)) == {"query", "variables"}
        assert len([one for one in sandbox.requests if one.kind == "blob"]) == 4
        assert not any(one.authorization for one in sandbox.requests.blobs)

    def test_failures_through_it(self, api: MoveshelfApi, practice: str, sandbox: Sandbox) -> None:
        import urllib3

        from moveshelf.api import GraphQlException

        api.http = urllib3.PoolManager(retries=False)
        with pytest.raises(GraphQlException):
            api.createSubject("nowhere", "x")
        sandbox.fail(status=500)
        with pytest.raises(urllib3.exceptions.HTTPError, match="500"):
            api.getUserProjects()

    def test_of_its_own(self, api: MoveshelfApi) -> None:
        response = api.http.request(
            "POST", api.api_url, body=b"{}", headers={"Content-Type": "application/json"}
        )
        assert response.status == 401
        assert api.http is api.http

    def test_urllib3_missing(self, api: MoveshelfApi, monkeypatch: pytest.MonkeyPatch) -> None:
        import sys

        monkeypatch.setitem(sys.modules, "urllib3", None)
        with pytest.raises(ImportError, match="legacy"):
            print(api.http)
        assert api.getUserProjects()


def test_the_lines_that_replace_reading(demo_api: MoveshelfApi, subject: str) -> None:
    """What the docstrings recommend in place of each reading method runs, and is understood by the objects."""
    client = demo_api.client
    project = client.projects["lab/demo"]
    names: dict[str, Any] = {
        "ms": client,
        "project_id": project.id,
        "subject_id": subject,
        "limit": 3,
        "ehr_id": "4237",
    }
    names["session_id"] = client.subject(subject).sessions[0].id
    names["clip_id"] = client.session(names["session_id"]).clips[0].id
    ran = 0
    for call, line in __main__.replacements():
        name = call.partition(".")[2]
        for code in line.split("`")[1::2]:
            tree = ast.parse(code if not code.startswith(".") else f"x{code}")
            if name.startswith("get") and name != "getJobStatus" and "..." not in code:
                exec(compile(tree, name, "exec"), names)
                ran += 1
    assert ran > 15
    assert eval("ms.project(project_id).subject_by_ehr_id(ehr_id)", names).name == "P-001"  # noqa: S307


def test_threads(demo: Sandbox, demo_api: MoveshelfApi, subject: str) -> None:
    """Eight threads, one client: every answer right, also while somebody looks at the objects."""
    expected = demo_api.getSubjectDetails(subject)
    wrong: list[Any] = []

    def read() -> None:
        for _ in range(10):
            if demo_api.getSubjectDetails(subject) != expected:
                wrong.append("flat")
            if demo_api.client.subject(subject).name != "P-001":
                wrong.append("objects")

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
