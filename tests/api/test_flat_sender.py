"""How requests of a flat client are sent where a script has replaced the way to send."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from moveshelf.api import MoveshelfApi

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox


class TestOverriding:
    """People subclass the flat client and replace single methods."""

    def test_dispatch(self, demo: Sandbox, demo_subject: str) -> None:
        class Own(MoveshelfApi):
            sent: list[dict[str, Any]] = []  # noqa: RUF012

            def _dispatch_graphql(self, query: str, **kwargs: Any) -> Any:
                self.sent.append(kwargs)
                return super()._dispatch_graphql(query, **kwargs)

        with Own(demo.key_file, demo.api_url) as api:
            client = api.client
            api.getSubjectDetails(demo_subject)
            assert api.sent == [{"patientId": demo_subject}]
            with client.no_fetch():
                assert client.subject(demo_subject).name == "P-001"

    @pytest.mark.parametrize(
        "result", [{"node": {"id": "x", "sessions": 3}}, {"node": {"id": 5}}, {"node": [1]}, {}]
    )
    def test_dispatch_that_returns_anything(self, demo: Sandbox, result: Any) -> None:
        class Own(MoveshelfApi):
            def _dispatch_graphql(self, query: str, **kwargs: Any) -> Any:
                return {"node": None, **result}

        with Own(demo.key_file, demo.api_url) as api:
            assert api.getSubjectDetails("x") == result.get("node")
            assert api.client is not None
            assert api.getSubjectDetails("x") == result.get("node")

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

        monkeypatch.setitem(sys.modules, "urllib3", None)
        with pytest.raises(ImportError, match="legacy"):
            print(api.http)
        assert api.getUserProjects()


class Recorded(MoveshelfApi):
    """A script's own client, which sees every request."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.seen: list[str] = []

    def _dispatch_graphql(self, query: str, **kwargs: Any) -> Any:
        self.seen.append(query)
        return super()._dispatch_graphql(query, **kwargs)


def test_an_overridden_dispatch_carries_the_requests_of_objects(sandbox: Sandbox, tmp_path: Path) -> None:
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
