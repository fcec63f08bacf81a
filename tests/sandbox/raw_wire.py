"""Raw HTTP, so that the sandbox is not judged by the client that is judged by the sandbox."""

from __future__ import annotations

import base64
import http.client
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import google_crc32c

from moveshelf.sandbox import Sandbox


@dataclass
class HttpResponse:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def http_request(
    url: str,
    method: str = "GET",
    body: Any = None,
    headers: dict[str, str] | None = None,
    chunked: bool = False,
) -> HttpResponse:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    try:
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request(method, target, body, headers or {}, encode_chunked=chunked)
        response = connection.getresponse()
        return HttpResponse(
            response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
        )
    finally:
        connection.close()


def until(condition: Callable[[], Any], seconds: float = 30) -> None:
    """Wait for what another thread does; the limit only ends a test that hangs."""
    last = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < last, "it never happened"
        time.sleep(0.005)


def crc32c(data: bytes) -> str:
    return base64.b64encode(google_crc32c.value(data).to_bytes(4, "big")).decode()


class Wire:
    """Queries and commands to one sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def post(
        self, query: str, variables: Any = None, *, token: str | None = None, **extra: Any
    ) -> HttpResponse:
        token = self.sandbox.api_key if token is None else token
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        body = json.dumps({"query": query, "variables": variables, **extra})
        return http_request(self.sandbox.api_url, "POST", body, headers)

    def __call__(self, query: str, **variables: Any) -> Any:
        response = self.post(query, variables)
        assert response.status == 200, response.body
        assert "errors" not in response.json, response.json["errors"]
        return response.json["data"]

    def errors(self, query: str, **variables: Any) -> list[str]:
        """The messages of a query that fails."""
        return [error["message"] for error in self.post(query, variables).json["errors"]]

    # --- short ways to objects

    def project(self, name: str = "lab/practice") -> str:
        return {p["name"]: p["id"] for p in self("{viewer{projects{id name}}}")["viewer"]["projects"]}[name]

    def node(self, id: str, type_name: str, fields: str) -> Any:
        return self(f"query($id: ID!) {{ node(id: $id) {{ ... on {type_name} {{ {fields} }} }} }}", id=id)[
            "node"
        ]

    def subject(self, name: str = "P-1", project: str = "lab/practice") -> str:
        query = "mutation($p: String!, $n: String!) {createPatient(projectId: $p, name: $n) {patient {id}}}"
        return self(query, p=project, n=name)["createPatient"]["patient"]["id"]

    def session(
        self, path: str = "/P-1/2024-03-05/", subject: str | None = None, date: str | None = None
    ) -> str:
        query = """mutation($j: String!, $p: String!, $s: ID, $d: String) {
            createSession(projectId: $j, projectPath: $p, patientId: $s, sessionDate: $d) {session {id}}}"""
        found = self(query, j="lab/practice", p=path, s=subject, d=date)
        return found["createSession"]["session"]["id"]

    def create_clips(self, *clips: dict[str, Any], project: str = "lab/practice") -> list[Any]:
        query = """mutation($i: ClipCreationInput!) {
            createClips(input: $i) {response {clientId uploadUrl mocapClip {id}}}}"""
        data = [{"clientId": str(n), **clip} for n, clip in enumerate(clips)]
        return self(query, i={"project": project, "clips": data})["createClips"]["response"]

    def clip(self, path: str = "/P-1/2024-03-05/Barefoot/", title: str = "Trial-1", **metadata: Any) -> str:
        created = self.create_clips({"metadata": {"title": title, "projectPath": path, **metadata}})
        return created[0]["mocapClip"]["id"]

    def create_file(
        self, clip: str, data: bytes, name: str | None = "walk.c3d", kind: str | None = "motion"
    ) -> tuple[str, str]:
        """Announce a file; returns the URL to put it to, and its id."""
        query = """mutation($i: CreateAdditionalDataInput) {
            createAdditionalData(input: $i) {uploadUrl data {id uploadStatus}}}"""
        fields = {"clipId": clip, "dataType": kind, "crc32c": crc32c(data), "filename": name, "clientId": "x"}
        found = self(query, i=fields)["createAdditionalData"]
        assert found["data"]["uploadStatus"] == "Pending"
        return found["uploadUrl"], found["data"]["id"]

    def upload(self, clip: str, data: bytes, name: str = "walk.c3d", kind: str | None = "motion") -> str:
        url, id = self.create_file(clip, data, name, kind)
        assert http_request(url, "PUT", data).status == 200
        return id

    def file(self, id: str) -> Any:
        fields = "id dataType uploadStatus originalFileName previewDataUri originalDataDownloadUri"
        return self.node(id, "AdditionalData", fields)
