from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.shell import ROOT

from moveshelf.cli.run import run

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox


def connect_to(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    monkeypatch.setenv("MOVESHELF_API_KEY", sandbox.api_key)
    monkeypatch.setenv("MOVESHELF_API_URL", sandbox.api_url)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    return sandbox


@pytest.fixture
def there(demo: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """The demo, to read."""
    return connect_to(demo, monkeypatch)


@pytest.fixture
def mine(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A sandbox of one's own, to write."""
    return connect_to(sandbox, monkeypatch)


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Any:
    """A command line carried out: its exit code, its standard output, its standard error."""

    def carry_out(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run(list(words))
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return carry_out


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty home and working folder, and no key in the environment."""
    for name in ("MOVESHELF_API_KEY", "MOVESHELF_API_KEY_FILE", "MOVESHELF_API_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def terminal() -> Any:
    """A command line carried out in a terminal of so many columns: its exit code, and all that the terminal got."""
    pty = pytest.importorskip("pty", reason="pseudo-terminals are POSIX")

    def carry_out(*words: str, columns: int = 100, typed: str = "", **environment: str) -> tuple[int, str]:
        ours, its = pty.openpty()
        variables = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(columns), **environment}
        process = subprocess.Popen(
            [sys.executable, "-m", "moveshelf", *words],
            stdin=its,
            stdout=its,
            stderr=its,
            env=variables,
            start_new_session=True,
        )
        os.close(its)
        received = b""
        while True:
            ready, _, _ = select.select([ours], [], [], 60)
            try:
                part = os.read(ours, 1 << 16) if ready else b""
            except OSError:  # Linux: the other end is closed
                break
            if not part:
                break
            received += part
            if typed and b"Key:" in received:
                os.write(ours, typed.encode())
                typed = ""
        os.close(ours)
        return process.wait(30), received.decode().replace("\r\n", "\n")

    return carry_out
