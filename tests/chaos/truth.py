"""What the sandbox really holds: read without the library and without the proxy."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

from moveshelf.sandbox import Sandbox

_PROJECT = """
query Truth($id: ID!) { node(id: $id) { ... on Project { id name
  patientsList { id name metadata externalId updated
    sessions { id projectPath date metadata
      clips { id title description projectPath uploadStatus customOptions
        comments { edges { node { comment } } }
        additionalData { id dataType uploadStatus originalFileName originalDataDownloadUri } } } }
  clips { edges { node { id title projectPath uploadStatus } } } } } }
"""


class Truth:
    """One connection to the sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._key = sandbox.api_key
        self._connection = http.client.HTTPConnection("127.0.0.1", sandbox.port)

    def _send(self, method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
        self._connection.request(method, path, body or None, headers)
        response = self._connection.getresponse()
        data = response.read()
        if response.status != 200:
            raise RuntimeError(f"the sandbox responds {response.status} to {method} {path}: {data[:300]!r}")
        return data

    def query(self, text: str, **variables: Any) -> dict[str, Any]:
        body = json.dumps({"query": text, "variables": variables}).encode()
        response = json.loads(self._send("POST", "/graphql", body, Authorization=f"Bearer {self._key}"))
        if response.get("errors"):
            raise RuntimeError(f"the sandbox says {response['errors']}")
        return dict(response["data"])

    def project_id(self, name: str) -> str:
        projects = self.query("{ viewer { projects { id name } } }")["viewer"]["projects"]
        return str(next(one["id"] for one in projects if one["name"] == name))

    def project(self, identity: str) -> dict[str, Any]:
        """The whole project, nested as the query says; `clips` are all clips, those outside sessions too."""
        found: dict[str, Any] = self.query(_PROJECT, id=identity)["node"]
        found["clips"] = [edge["node"] for edge in found["clips"]["edges"]]
        return found

    def contents(self, file: dict[str, Any]) -> bytes:
        parts = urlsplit(file["originalDataDownloadUri"])
        return self._send("GET", f"{parts.path}?{parts.query}")

    def tree(self, identity: str) -> dict[str, list[tuple[str, bytes]]]:
        """`subject/session/condition/trial_file` to the status and bytes of each file of that path."""
        found: dict[str, list[tuple[str, bytes]]] = {}
        for subject in self.project(identity)["patientsList"]:
            for session in subject["sessions"]:
                for clip in session["clips"]:
                    folder = clip["projectPath"].strip("/")
                    for file in clip["additionalData"]:
                        path = f"{folder}/{clip['title']}_{file['originalFileName']}"
                        status = file["uploadStatus"]
                        data = self.contents(file) if status == "Complete" else b""
                        found.setdefault(path, []).append((status, data))
        return found
