from __future__ import annotations

import http.client
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from raw_wire import Wire, http_request

from moveshelf.errors import ConfigError
from moveshelf.sandbox import Sandbox


class Remote:
    """A sandbox in a process of its own, with the little of `Sandbox` that Wire uses."""

    def __init__(self, path: Path, *options: str) -> None:
        command = [sys.executable, "-m", "moveshelf.sandbox", "--path", str(path), "--json", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=os.getcwd())
        assert self.process.stdout is not None
        facts = json.loads(self.process.stdout.readline())
        self.api_url, self.api_key, self.key_file = facts["api_url"], facts["api_key"], facts["key_file"]

    def control(self, do: str, token: str | None = None, **arguments: Any) -> Any:
        url = self.api_url.replace("/graphql", "/_sandbox")
        headers = {"Authorization": f"Bearer {token or self.api_key}"}
        return http_request(url, "POST", json.dumps({"do": do, **arguments}), headers)

    def end(self, how: int) -> int:
        self.process.send_signal(how)
        code = self.process.wait(20)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


def snapshot(wire: Wire) -> Any:
    fields = """name template{name data} patientsList{id name metadata externalId updated sessions{id date projectPath
        metadata updated reports{id title} clips{id title created description customOptions uploadStatus
        comments{edges{node{comment}}} additionalData{id uploadStatus originalFileName dataType}}}}"""
    return [
        wire.node(p["id"], "Project", fields) for p in wire("{viewer{projects{id}}}")["viewer"]["projects"]
    ]


def fill(wire: Wire) -> tuple[str, str]:
    """Something of everything; returns a stored file's id and a job's that is on its way."""
    subject = wire.subject("P-1")
    metadata = json.dumps({"ehr-id": "1"})
    wire(
        "mutation($i: ID!, $m: JSONString){updatePatient(patientId: $i, metadata: $m){updated}}",
        i=subject,
        m=metadata,
    )
    session = wire.session("/P-1/a/", subject, "2024-01-01")
    clip = wire.clip("/P-1/a/Barefoot/")
    file = wire.upload(clip, b"bytes that stay")
    wire('mutation($c: String!){createComment(inputs: {clipId: $c, comment: "x"}){clip{id}}}', c=clip)
    wire("mutation($s: ID!){createAutomaticInteractiveReports(sessionId: $s){ok}}", s=session)
    wire.clip("/P-1/a/gone/", "Gone")
    gone = wire.subject("Gone")
    wire("mutation($i: ID!){deletePatient(patientId: $i){deleted}}", i=gone)
    query = "mutation($c: [String!]){processGaitTool(clips: $c){jobId}}"
    job = wire(query, c=[clip])["processGaitTool"]["jobId"]
    wire.node(job, "Job", "status")
    return file, job


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_sandbox_started_again_has_everything(tmp_path: Path, how: int) -> None:
    first = Remote(tmp_path, "--demo")
    wire = Wire(first)
    file, job = fill(wire)
    expected = snapshot(wire)
    code = first.end(how)
    assert code == (-signal.SIGKILL if how == signal.SIGKILL else 0)
    second = Remote(tmp_path, "--demo")
    try:
        wire = Wire(second)
        assert second.api_key == first.api_key
        assert snapshot(wire) == expected
        assert http_request(wire.file(file)["originalDataDownloadUri"]).body == b"bytes that stay"
        assert wire.node(job, "Job", "status") == {"status": "Processing"}
        known = json.dumps(expected)
        assert wire.subject("Another") not in known
    finally:
        second.end(signal.SIGTERM)


def test_killed_under_load_every_acknowledged_write_is_there(tmp_path: Path) -> None:
    remote = Remote(tmp_path)
    wire = Wire(remote)
    acknowledged: list[tuple[str, str]] = []
    enough = threading.Event()

    def work(number: int) -> None:
        try:
            for n in range(10_000):
                clip = wire.clip("", f"{number}-{n}")
                acknowledged.append((clip, wire.upload(clip, b"abc")))
                if len(acknowledged) > 60:
                    enough.set()
        except (OSError, AssertionError, ValueError, http.client.HTTPException):  # the end
            pass

    with ThreadPoolExecutor(4) as pool:
        for number in range(4):
            pool.submit(work, number)
        assert enough.wait(60)
        remote.end(signal.SIGKILL)
    with Sandbox(tmp_path) as sandbox:
        wire = Wire(sandbox)
        for clip, file in acknowledged:
            found = wire.node(clip, "MocapClip", "additionalData{id uploadStatus}")
            assert found == {"additionalData": [{"id": file, "uploadStatus": "Complete"}]}
        blobs = tmp_path / "blobs"
        assert list((blobs / "incoming").iterdir()) == []


def test_key_and_config_files(tmp_path: Path) -> None:
    with Sandbox(tmp_path) as sandbox:
        key = json.loads((tmp_path / "mvshlf-api-key.json").read_text())
        config = json.loads((tmp_path / "mvshlf-config.json").read_text())
        assert sandbox.key_file == str(tmp_path / "mvshlf-api-key.json")
        assert key["secretKey"] == sandbox.api_key
        assert len(sandbox.api_key) == 64
        assert key["application"]
        assert config == {
            "apiKeyFileName": "mvshlf-api-key.json",
            "apiUrl": sandbox.api_url,
            "application": "None",
        }
    with Sandbox(tmp_path) as again:
        assert again.api_key == key["secretKey"]
    with Sandbox() as other:
        assert other.api_key != key["secretKey"]


posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no such modes")
PRIVATE = ("mvshlf-api-key.json", "url-signing-secret", "sandbox.sqlite3", "sandbox.sqlite3-wal")


@pytest.fixture
def open_umask() -> Iterator[None]:
    """New files are for everybody unless their mode says otherwise."""
    before = os.umask(0)
    yield
    os.umask(before)


@posix
def test_secrets_and_data_are_created_for_their_owner_alone(
    tmp_path: Path, open_umask: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a file was restricted after it was created")

    for name in ("chmod", "fchmod"):
        monkeypatch.setattr(os, name, refuse)
    with Sandbox(tmp_path) as sandbox:
        Wire(sandbox).subject("P-1")
        modes = {name: (tmp_path / name).stat().st_mode & 0o777 for name in PRIVATE}
        shared = tmp_path / "sandbox.sqlite3-shm"  # with an exclusive lock SQLite needs none
        assert not shared.exists() or shared.stat().st_mode & 0o777 == 0o600
        assert (tmp_path / "blobs").stat().st_mode & 0o777 == 0o700
    assert modes == dict.fromkeys(PRIVATE, 0o600)


@posix
def test_files_of_an_older_version_are_restricted(tmp_path: Path) -> None:
    with Sandbox(tmp_path) as sandbox:
        key = sandbox.api_key
        project = Wire(sandbox).project()
    names = ("mvshlf-api-key.json", "url-signing-secret", "sandbox.sqlite3")
    for name in names:
        (tmp_path / name).chmod(0o644)
    with Sandbox(tmp_path) as sandbox:
        assert {(tmp_path / name).stat().st_mode & 0o777 for name in names} == {0o600}
        assert sandbox.api_key == key
        assert Wire(sandbox).project() == project


def test_a_temporary_folder_goes_with_the_sandbox() -> None:
    with Sandbox() as sandbox:
        path = sandbox.path
        assert (path / "sandbox.sqlite3").exists()
    assert not path.exists()


def test_two_on_one_folder_are_refused(tmp_path: Path) -> None:
    with Sandbox(tmp_path) as first:
        with pytest.raises(ConfigError, match="in use"):
            Sandbox(tmp_path).start()
        assert Wire(first).project()
    with Sandbox(tmp_path) as second:
        assert Wire(second).project()


def test_a_folder_of_another_version_is_refused(tmp_path: Path) -> None:
    with Sandbox(tmp_path):
        pass
    with sqlite3.connect(tmp_path / "sandbox.sqlite3") as database:
        database.execute("UPDATE meta SET value = 'other' WHERE key = 'version'")
    database.close()
    with pytest.raises(ConfigError, match="another version"):
        Sandbox(tmp_path).start()


def test_a_folder_with_its_columns_in_another_order_is_read(tmp_path: Path) -> None:
    with Sandbox(tmp_path, demo=True) as sandbox:
        before = snapshot(Wire(sandbox))
    with sqlite3.connect(tmp_path / "sandbox.sqlite3") as database:
        for table in ("Patient", "MocapClip", "AdditionalData"):
            names = [line[1] for line in database.execute(f'PRAGMA table_info("{table}")')]
            turned = ", ".join(f'"{name}"' for name in [*names[:2], *reversed(names[2:])])
            database.execute(f'ALTER TABLE "{table}" RENAME TO "before"')
            database.execute(f'CREATE TABLE "{table}" ({turned})')
            database.execute(f'INSERT INTO "{table}" ({turned}) SELECT {turned} FROM "before"')
            database.execute('DROP TABLE "before"')
    database.close()
    with Sandbox(tmp_path, demo=True) as sandbox:
        wire = Wire(sandbox)
        assert snapshot(wire) == before
        assert wire.subject("New")


def test_a_given_port(tmp_path: Path) -> None:
    with Sandbox() as first:
        with pytest.raises(OSError):
            Sandbox(port=first.port).start()
        port = first.port
    with Sandbox(port=port) as second:
        assert second.api_url == f"http://127.0.0.1:{port}/graphql"


def test_a_stopped_sandbox_says_so() -> None:
    sandbox = Sandbox()
    with pytest.raises(RuntimeError, match="not running"):
        sandbox.latency(1)
    assert repr(sandbox) == "<Sandbox stopped>"
    sandbox.stop()
    with sandbox:
        sandbox.start()
        assert sandbox.api_url in repr(sandbox)
    with sandbox:
        assert Wire(sandbox).project()


def test_the_same_seed_and_history_make_the_same_ids() -> None:
    def ids(seed: int) -> Any:
        with Sandbox(demo=True, seed=seed) as sandbox:
            wire = Wire(sandbox)
            return wire.subject(), wire.project("lab/demo")

    assert ids(0) == ids(0)
    assert ids(0) != ids(1)


def test_control_from_another_process(tmp_path: Path) -> None:
    remote = Remote(tmp_path, "--latency", "0.001", "--per-object", "0.00001")
    try:
        wire = Wire(remote)
        assert (
            remote.control("generate", subjects=3, sessions=2, clips=2, files=1).json["result"]
            == "lab/generated-1"
        )
        found = wire.node(wire.project("lab/generated-1"), "Project", "patientsList{sessions{id}}")
        assert [len(subject["sessions"]) for subject in found["patientsList"]] == [2, 2, 2]
        remote.control("clear_requests")
        remote.control("latency", seconds=0)
        remote.control("fail", status=500)
        assert wire.post("{viewer{projects{id}}}").status == 500
        counted = remote.control("count").json["result"]
        assert (counted["requests"], counted["graphql"], counted["blobs"]) == (1, 1, 0)
        assert remote.control("requests").json["result"][0]["status"] == 500
        remote.control("add_project", name="lab/more")
        assert wire.project("lab/more")
        for action in ("settle_after", "nonsense", "latency"):
            assert remote.control(action).status == 400
        assert remote.control("settle_after", looks=0).status == 200
        assert remote.control("url_lifetime", seconds=9).status == 200
        assert remote.control("clear_faults").status == 200
        assert remote.control("count", token="wrong").status == 401
    finally:
        remote.end(signal.SIGTERM)


def test_importing_the_package_is_cheap() -> None:
    code = "import sys, moveshelf.sandbox; print({'aiohttp', 'graphql', 'sqlite3'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
