"""The demo and the sandbox."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    pass

ROOT = Path(__file__).resolve().parents[2]
SESSION = "lab/demo:P-001/2023-01-20 pre-op"
TRIAL = f"{SESSION}/Barefoot/Trial-1"


def python(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    options = {"encoding": "utf-8", "capture_output": True, **options}
    return subprocess.run([sys.executable, *words], check=False, **options)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_demo_in_any_terminal(encoding: str, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    for name in ("MOVESHELF_API_KEY", "MOVESHELF_API_URL"):
        environment.pop(name, None)
    command = ["-m", "moveshelf", "demo", "--latency", "0"]
    done = python(*command, cwd=tmp_path, env=environment, encoding=encoding)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    out = done.stdout
    assert "lab/demo  12 subjects, 30 sessions, 66 conditions, 198 trials, 792 files" in out
    assert re.search(r"2024-02-23 follow-up +2024-02-23 +Gait +122", out)
    assert "Left knee flexion" in out
    assert "1,033 objects seen" in out
    assert "8 requests sent" in out
    assert "242 requests" in out
    assert "moveshelf.connect(" in out
    assert "\x1b" not in out
    assert ("⣀" in out) == (encoding == "utf-8")
    assert ("├── P-002" if encoding == "utf-8" else "+-- P-002") in out


def test_what_the_demo_says_to_type_works(tmp_path: Path) -> None:
    from moveshelf.cli.demo import _NEXT

    lines = _NEXT.split("Next, on your own data")[0].splitlines()[1:]
    code = "\n".join(line.removeprefix("    ") for line in lines)
    done = python("-c", code, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith("P-001 ['2023-01-20 pre-op'")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    folder = tmp_path / "practice"
    process = subprocess.Popen(
        [sys.executable, "-m", "moveshelf", "sandbox", "--demo", "--path", str(folder), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    yield process, folder
    process.kill()
    process.communicate()


def test_sandbox_serves_what_runs_in_its_folder(
    served: tuple[subprocess.Popen[str], Path], shell: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    process, folder = served
    assert process.stdout is not None
    facts = json.loads(process.stdout.readline())
    for name in ("MOVESHELF_API_KEY", "MOVESHELF_API_KEY_FILE", "MOVESHELF_API_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(folder)
    assert shell("projects")[1].split() == [
        "project",
        "lab/demo",
        "lab/practice",
        "lab/study",
    ]
    assert facts["key_file"] == str(folder / "mvshlf-api-key.json")
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
