"""Everything that the README shows is done here, in its order, with a new demo sandbox."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from moveshelf.sandbox import Sandbox

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
_FENCE = re.compile(r"(?:<!-- (?P<mark>[^\n]*) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)```", re.S)

# the benchmarks take minutes: here only that they run, in their smallest size
_SMALL = {
    "walk.py": "--subjects 2 --sessions 1 --clips 2 --files 1 --latency 0 --repeat 1",
    "start.py": "--repeat 1",
    "flat.py": "--calls 3 --large 1",
    "gait.py": "--trials 4 --latency 0",
    "contents.py": "--files 80 --latency 0 --repeat 1",
    "aio.py": "--subjects 50 --latency 0",
    "transfer.py": "--size 1 --files 5 --latency 0 --rounds 1",
}


class Block(NamedTuple):
    mark: str
    language: str
    text: str
    line: int


def blocks() -> list[Block]:
    found = []
    for match in _FENCE.finditer(README):
        line = README.count("\n", 0, match.start("text")) + 1
        found.append(Block(match["mark"] or "", match["language"], match["text"], line))
    return found


def lines_of(block: Block) -> list[str]:
    return [line.partition("   #")[0].strip() for line in block.text.splitlines() if line.strip()]


SHELL = [line for block in blocks() if block.language == "sh" and not block.mark for line in lines_of(block)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """A working folder, and an environment that leads to a demo sandbox and finds `moveshelf` and `python`."""
    folder, tools = tmp_path_factory.mktemp("readme"), tmp_path_factory.mktemp("bin")
    for name, command in (
        ("python", f"'{sys.executable}'"),
        ("moveshelf", f"'{sys.executable}' -m moveshelf"),
    ):
        (tools / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        (tools / name).chmod(0o755)
    with Sandbox(demo=True) as sandbox:
        environment = {
            **os.environ,
            "MOVESHELF_API_KEY": sandbox.api_key,
            "MOVESHELF_API_URL": sandbox.api_url,
            "HOME": str(folder),
            "PATH": os.pathsep.join([str(tools), os.environ["PATH"]]),
            "PYTHONPATH": str(ROOT),
            "PYTHONIOENCODING": "utf-8",
            **_pip_config(),
        }
        yield folder, environment


def _pip_config() -> dict[str, str]:
    """The user's pip settings, which another HOME would hide; those of the machine are found all the same."""
    home = Path.home()
    found = [home / ".config/pip/pip.conf", home / ".pip/pip.conf"]
    if "PIP_CONFIG_FILE" in os.environ:
        return {}
    return next(({"PIP_CONFIG_FILE": str(path)} for path in found if path.exists()), {})


@pytest.fixture(scope="module")
def after_python(place: tuple[Path, dict[str, str]]) -> tuple[Path, dict[str, str], str]:
    """The Python blocks, carried out in one interpreter in their order; the folder as they leave it, and their output."""
    folder, environment = place
    script = "".join(
        f"exec(compile({block.text!r}, 'README.md, block at line {block.line}', 'exec'))\n"
        for block in blocks()
        if block.language == "python"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, env=environment, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, environment, done.stdout


def test_python_blocks_run_and_print_what_they_say(after_python: tuple[Path, dict[str, str], str]) -> None:
    printed = after_python[2]
    assert "no subject 'P-01' in lab/demo; did you mean" in printed
    taken = re.search(r"<Stats (\d+) requests", printed)
    assert taken
    assert f"take {taken[1]} requests" in README
    assert "4237 2023-05-02" in printed
    assert re.search(r"\{'Barefoot': \d+\.\d, 'Braced': \d+\.\d\}", printed), "knee flexion by condition"
    assert re.search(r"0 +C-001 +2015-09-07 +2017-04-22", printed), "the first pair of the cohort"
    assert "Walk 1 ['Trial-1_markers.csv'] ['Barefoot']" in printed


@pytest.mark.parametrize("line", SHELL)
def test_shell_lines_run(after_python: tuple[Path, dict[str, str], str], line: str) -> None:
    folder, environment, _ = after_python
    if line.startswith("python tests/"):
        folder = ROOT
        environment = {name: value for name, value in environment.items() if name != "PYTHONPATH"}
        line = " ".join([line, _SMALL.get(Path(line.split()[1]).name, "")])
    done = subprocess.run(
        line, shell=True, cwd=folder, env=environment, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_block_goes_unseen() -> None:
    assert {block.language for block in blocks()} == {"sh", "python"}
    marked = [block for block in blocks() if block.mark]
    assert [block.mark for block in marked] == ["ci", "ci"], "two commands, which .ci/run carries out"
    assert all(len(lines_of(block)) == 1 for block in marked)
    assert "<!-- ci -->" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_the_table_is_the_docstrings() -> None:
    from moveshelf.api.__main__ import table

    assert table() in README


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("https://") or (ROOT / target).exists(), target
