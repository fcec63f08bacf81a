"""Tab in bash, zsh and fish."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from moveshelf.cli.shells import open_quote

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox

ROOT = Path(__file__).resolve().parents[2]
SESSION = "lab/demo:P-001/2023-01-20 pre-op"
TRIAL = f"{SESSION}/Barefoot/Trial-1"


def python(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    options = {"encoding": "utf-8", "capture_output": True, **options}
    return subprocess.run([sys.executable, *words], check=False, **options)


BASH = shutil.which("bash")


def tab(folder: Path, line: str) -> list[str]:
    """What bash would offer for a command line that ends at the cursor."""
    assert BASH is not None
    script = folder / "complete.sh"
    if not script.exists():
        (folder / "moveshelf").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m moveshelf "$@"\n')
        (folder / "moveshelf").chmod(0o755)
        done = python("-m", "moveshelf", "completion", "bash")
        script.write_text(done.stdout)
    command = (
        'source "$0"; COMP_LINE="$1"; COMP_POINT=${#1}; _moveshelf_completion moveshelf; '
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    environment = {**os.environ, "PATH": os.pathsep.join([str(folder), os.environ["PATH"]])}
    done = subprocess.run(
        [BASH, "--norc", "-c", command, str(script), line],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    return [one for one in done.stdout.split("\n") if one]


@pytest.mark.skipif(BASH is None, reason="bash completion needs bash")
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("moveshelf tr", ["tree "]),
        ("moveshelf ls --js", ["--json "]),
        ("moveshelf ls ", ["lab/demo:", "lab/practice:", "lab/study:"]),
        ("moveshelf ls lab/demo:P-01", ["P-010/", "P-011/", "P-012/"]),
        ("moveshelf ls lab/demo:P-002/2023-08", ["P-002/2023-08-12/"]),
        ("moveshelf ls lab/demo:P-001/2023-01-20\\ ", ["P-001/2023-01-20\\ pre-op/"]),
        ('moveshelf ls "' + SESSION + "/Bare", [SESSION + "/Barefoot/"]),
        ("moveshelf info '" + TRIAL + "/ev", [TRIAL + "/event.json' "]),
        ("moveshelf ls nowhere:", []),
        ("moveshelf ls https://", []),
    ],
)
def test_tab(there: Sandbox, tmp_path: Path, line: str, offered: list[str]) -> None:
    assert tab(tmp_path, line) == offered


@pytest.mark.parametrize(
    ("line", "mark"),
    [
        ("a b", ""),
        ("a 'b c", "'"),
        ('a "b', '"'),
        ("a 'b' c", ""),
        ("a \\'b", ""),
        ('a "b\\"', '"'),
        ("'\\' x", ""),
    ],
)
def test_open_quote(line: str, mark: str) -> None:
    assert open_quote(line) == mark


@pytest.mark.skipif(BASH is None, reason="bash completion needs bash")
def test_tab_writes_names_that_can_be_read_again(mine: Sandbox, tmp_path: Path, shell: Any) -> None:
    with mine.connect() as ms:
        project = ms.projects["lab/practice"]
        session = project.create_subject("P, 1%20").create_session("2024-01-01")
        session.create_clip("alone")
        clips = [
            {"clientId": str(number), "metadata": {"title": title, "projectPath": f"{session.path}{folder}"}}
            for number, (folder, title) in enumerate([("Barefoot/left", "a/b"), ("Bad\x1b[31m", "T")])
        ]
        ms.execute(
            "mutation C($i: ClipCreationInput!) { createClips(input: $i) { response { clientId } } }",
            {"i": {"project": project.id, "clips": clips}},
        )
    (path,) = tab(tmp_path, "moveshelf ls lab/practice:")
    assert path == "P,\\ 1%2520/"
    start = 'moveshelf ls "lab/practice:P, 1%2520/2024-01-01/'
    conditions = tab(tmp_path, start)
    base = start.split('"')[1]
    assert sorted(conditions) == sorted([f"{base}Barefoot%2Fleft/", f"{base}Bad%1B[31m/", f"{base}/alone/"])
    assert tab(tmp_path, f"{start}Bare") == [f"{base}Barefoot%2Fleft/"]
    assert tab(tmp_path, f"{start}Barefoot/le") == []
    assert tab(tmp_path, f"{start}Barefoot%2Fleft/") == [f"{base}Barefoot%2Fleft/a%2Fb/"]
    assert len(tab(tmp_path, f"{start}/")) == 3, "behind an empty condition: the trials of the whole session"
    for one in conditions:
        assert shell("ls", one)[0] == 0


@pytest.mark.skipif(BASH is None, reason="bash completion needs bash")
def test_tab_uses_the_options_of_the_line(there: Sandbox, tmp_path: Path, monkeypatch: Any) -> None:
    key = tmp_path / "key.json"
    key.write_text(json.dumps({"secretKey": there.api_key}))
    monkeypatch.setenv("MOVESHELF_API_KEY", "0" * 32)
    assert tab(tmp_path, "moveshelf ls lab/d") == []
    options = f"--key-file {key} --url {there.api_url}"
    assert tab(tmp_path, f"moveshelf {options} ls lab/d") == ["lab/demo:"]
    assert tab(tmp_path, f"moveshelf ls {options} lab/d") == ["lab/demo:"]
    assert tab(tmp_path, "moveshelf projects --region ") == ["eu ", "us "]


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_the_script_is_good(there: Sandbox, shell: Any, name: str) -> None:
    code, out, err = shell("completion", name)
    assert (code, err) == (0, "")
    assert f"_MOVESHELF_COMPLETE={name}_complete" in out
    found = shutil.which(name)
    if found is not None:
        assert subprocess.run([found, "-n"], input=out, encoding="utf-8", check=False).returncode == 0


def test_another_shell(shell: Any) -> None:
    code, _, err = shell("completion", "cmd")
    assert code == 2
    assert "'bash', 'zsh', 'fish'" in err


def commands(folder: Path) -> dict[str, str]:
    """An environment in which `moveshelf` is found."""
    (folder / "moveshelf").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m moveshelf "$@"\n')
    (folder / "moveshelf").chmod(0o755)
    return {**os.environ, "PATH": os.pathsep.join([str(folder), os.environ["PATH"]]), "HOME": str(folder)}


WORDS = [
    ("moveshelf tr", "tree"),
    ("moveshelf ls lab/d", "lab/demo:"),
    ("moveshelf ls lab/demo:P-001/2023-01", "lab/demo:P-001/2023-01-20 pre-op/"),
    ("moveshelf ls 'lab/demo:P-001/2023-01-20 pre-op/Bare", "lab/demo:P-001/2023-01-20 pre-op/Barefoot/"),
]


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish completion needs fish")
@pytest.mark.parametrize(("line", "offered"), WORDS)
def test_tab_in_fish(there: Sandbox, tmp_path: Path, line: str, offered: str) -> None:
    script = 'moveshelf completion fish | source; complete -C "$argv[1]"'
    done = subprocess.run(
        ["fish", "--no-config", "-c", script, line],
        env=commands(tmp_path),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert [one.split("\t")[0].replace("\\ ", " ") for one in done.stdout.splitlines()] == [offered]


ZSH = """\
zmodload zsh/zpty
zpty inner zsh -f -i
zpty -w inner "PS1=; autoload -Uz compinit; compinit -u -D; eval \\"\\$(moveshelf completion zsh)\\""
zpty -w inner "compadd() { builtin compadd -O offered \\"\\$@\\"; print -rl -- '<' \\$offered '>' }"
zpty -w inner 'print -r -- RE""ADY'
zpty -r inner start '*READY*'
zpty -w -n inner "$1"$'\\t'
zpty -r inner out '*<*>*'
print -r -- "${out#*<}"
zpty -d inner
"""


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh completion needs zsh")
@pytest.mark.parametrize(("line", "offered"), WORDS)
def test_tab_in_zsh(there: Sandbox, tmp_path: Path, line: str, offered: str) -> None:
    done = subprocess.run(
        ["zsh", "-f", "-c", ZSH, "zsh", line],
        env=commands(tmp_path),
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert [one.strip() for one in done.stdout.split(">")[0].splitlines() if one.strip()] == [offered]
