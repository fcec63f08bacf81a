"""How a command line ends: exit codes, advice, readers that leave."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.shell import ROOT, TRIAL, python

from moveshelf.cli.run import code_of

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox


def test_a_name_that_several_share(there: Sandbox, shell: Any) -> None:
    with there.connect() as ms:
        subject = ms.projects["lab/practice"].create_subject("Twins")
        session = subject.create_session("2024-01-02")
        ids = [session.create_clip("Same", condition=condition).id for condition in ("One", "Other")]
        code, out, err = shell("ls", "lab/practice:Twins/2024-01-02//Same")
        subject.delete()
    assert (code, out) == (3, "")
    assert all(one in err for one in ids)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["ls", "lab/demo:P-01"], 3, "no subject 'P-01' in lab/demo; did you mean"),
        (["ls", "nowhere"], 3, "no project 'nowhere'"),
        (["ls", f"{TRIAL}/event.json/more"], 2, "is no path"),
        (["ls", "https://example.org/else"], 2, "is no page of"),
        (["ls", "lab/demo:P-001/ /x"], 2, "is no path"),
        (["lss"], 2, "did you mean 'ls'?"),
        (["tree", "lab/demo", "--depth", "0"], 2, "--depth"),
        (["--url", "http://example.org/graphql", "ls"], 4, "the key would travel in the clear"),
        (["--key-file", "missing.json", "ls"], 4, "missing.json"),
        (["download", f"{TRIAL}/event.json", "x", "--include", "*"], 2, "nothing to choose from"),
        (["upload", "missing", "lab/demo"], 2, "does not exist"),
        (["upload", ".", "lab/demo:P-001"], 2, "give the project"),
        (["rm", "lab/demo"], 2, "nothing above is deleted"),
    ],
)
def test_exit_codes(there: Sandbox, shell: Any, words: list[str], code: int, said: str) -> None:
    ended, out, err = shell(*words)
    assert (ended, out) == (code, "")
    assert said in err
    assert "Traceback" not in err


def test_a_refused_key(there: Sandbox, shell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOVESHELF_API_KEY", "0" * 32)
    code, _, err = shell("projects")
    assert code == 4
    assert "0" * 32 not in err


def test_no_service(there: Sandbox, shell: Any, monkeypatch: pytest.MonkeyPatch, mine: Sandbox) -> None:
    mine.fail(status=400, times=50)
    code, _, err = shell("projects")
    assert code == 5
    assert "400" in err


def test_no_key(nowhere: Path, shell: Any) -> None:
    code, _, err = shell("projects")
    assert code == 4
    assert "mvshlf-api-key.json" in err
    assert "--key-file" in err
    assert "moveshelf login" in err
    assert "api_key_file" not in err, "that is Python's word"


def test_other_failures_are_failures() -> None:
    import moveshelf

    assert code_of(moveshelf.ConflictError("changed")) == 1
    assert code_of(moveshelf.OutcomeUnknownError("not known")) == 5
    assert code_of(moveshelf.DeletedError("deleted")) == 3


def test_help_is_quick_because_it_imports_little() -> None:
    code = (
        "import sys; from moveshelf.cli.run import run; run(['--help'])\n"
        "heavy = {'aiohttp', 'gql', 'graphql', 'attrs', 'tqdm', 'rich', 'moveshelf.client', 'moveshelf.models', 'asyncio'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = python("-c", code, cwd=ROOT)
    assert done.stderr == "[]\n"
    for word in (
        "completion",
        "demo",
        "download",
        "info",
        "login",
        "ls",
        "projects",
        "rm",
        "sandbox",
        "tree",
        "upload",
        "whoami",
        "Exit codes",
    ):
        assert word in done.stdout


def test_no_command_is_help(shell: Any) -> None:
    assert shell() == shell("--help")
    assert shell()[0] == 0


@pytest.mark.parametrize(
    "words",
    ["tree lab/study --depth 5", "projects", "--help", "ls lab/study --json", "completion bash", "--version"],
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_has_seen_enough(there: Sandbox, words: str, unbuffered: str) -> None:
    command = f'("{sys.executable}" -m moveshelf {words}; echo "code $?" >&2) | (exec <&-)'
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False, env=environment)
    assert done.stderr == "code 0\n"


def test_a_failure_stays_one_when_the_reader_leaves(there: Sandbox, tmp_path: Path) -> None:
    line = f'"{sys.executable}" -m moveshelf download "{TRIAL}" "{tmp_path}" --include nothing'
    command = f'({line} 2>/dev/null; echo "code $?" >&2) | (exec <&-)'
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.stderr == "code 1\n"


def test_help_needs_no_key(nowhere: Path, shell: Any) -> None:
    for words in (["ls", "-h"], ["login", "--help"], ["completion", "--help"]):
        code, out, err = shell(*words)
        assert (code, err) == (0, "")
        assert out.startswith("Usage: moveshelf")


def test_warnings_are_lines_for_people(there: Sandbox, shell: Any, tmp_path: Path) -> None:
    _, _, err = shell("download", TRIAL, str(tmp_path), "--include", "event.json", "--include", "nothing")
    assert err == "moveshelf: warning: no file fits --include 'nothing'\n"
