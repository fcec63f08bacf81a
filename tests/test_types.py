"""What users write passes their type checkers in strict mode: README's lines, the examples, and what methods promise."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

PROMISES = """
from __future__ import annotations

import pandas as pd
from typing_extensions import assert_type

import moveshelf
from moveshelf import Clip, Collection, Condition, DataFile, Plan, Project, Session, Subject, Template, TransferResult


def promises(project: Project, session: Session, file: DataFile, flag: bool) -> None:
    assert_type(session.download("x"), TransferResult)
    assert_type(session.download("x", dry_run=True), Plan)
    assert_type(session.download("x", dry_run=flag), "TransferResult | Plan")
    assert_type(session.clips.download("x", dry_run=True), Plan)
    assert_type(file.download("x"), TransferResult)
    assert_type(file.download("x", dry_run=True), Plan)
    assert_type(project.upload_tree("x"), TransferResult)
    assert_type(project.upload_tree("x", dry_run=True), Plan)
    assert_type(project.subjects.get("P"), "Subject | None")
    assert_type(project.subjects.get("P", 0), "Subject | int")
    assert_type(project.subjects["P"], Subject)
    assert_type(project.subjects[0], Subject)
    assert_type(project.subjects[:2], "Collection[Subject]")
    assert_type(project.subjects.to_frame(), pd.DataFrame)
    assert_type(project.table("sessions"), pd.DataFrame)
    assert_type(session.download("x").to_frame(), pd.DataFrame)
    assert_type(session.conditions["Barefoot"], Condition)
    assert_type(session.conditions.get("Barefoot"), "Condition | None")
    assert_type(session.conditions["Barefoot"].clips[0], Clip)
    assert_type(project.template, "Template | None")


def mistakes(project: Project, session: Session, clip: Clip) -> None:
    session.download("x", existing="replace")  # wrong
    project.upload_tree("x", existing="overwrite")  # wrong
    clip.upload("x", existing="error")  # wrong
    session.download("x").action  # wrong
    moveshelf.Nonsense  # wrong
"""


#: Libraries that come without types: what uses them cannot pass strict mode.
UNTYPED = ("fsspec", "dask")


def is_typed(script: str) -> bool:
    """Whether a script uses libraries with types only."""
    return not re.search(rf"^(import|from) ({'|'.join(UNTYPED)})\b", script, re.M)


def readme() -> str:
    """The blocks of Python, as one script; none of them shows another's mistakes."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return "\n".join(block for block in re.findall(r"```python\n(.*?)```", text, re.S) if is_typed(block))


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    (tmp_path / "readme.py").write_text(readme(), encoding="utf-8")
    (tmp_path / "promises.py").write_text(PROMISES, encoding="utf-8")
    for script in (ROOT / "examples").glob("*.py"):
        if is_typed(script.read_text(encoding="utf-8")):
            shutil.copy(script, tmp_path)
    return tmp_path


WRONG = {number for number, line in enumerate(PROMISES.splitlines(), 1) if line.endswith("# wrong")}


def check(found: list[tuple[str, int, str]]) -> None:
    """The mistakes, and nothing else, are what a checker finds."""
    unexpected = [one for one in found if one[0] != "promises.py" or one[1] not in WRONG]
    assert not unexpected
    assert {line for _, line, _ in found} == WRONG


def test_mypy(scripts: Path) -> None:
    pytest.importorskip("mypy")
    (scripts / "mypy.ini").write_text("[mypy]\nstrict = True\nfollow_imports = silent\n")
    process = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-error-summary", "--cache-dir", str(scripts / "cache"), "."],
        cwd=scripts,
        env={**os.environ, "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert not process.stderr
    found = re.findall(r"(?m)^([^:\n]+):(\d+): error: (.*)$", process.stdout)
    check([(name, int(line), text) for name, line, text in found])


def test_pyright(scripts: Path) -> None:
    pytest.importorskip("pyright")
    settings = {"typeCheckingMode": "strict", "include": ["."], "extraPaths": [str(ROOT)]}
    # an expression without effect is what a mistake is here
    (scripts / "pyrightconfig.json").write_text(json.dumps({**settings, "reportUnusedExpression": False}))
    process = subprocess.run(
        [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, "."],
        cwd=scripts,
        capture_output=True,
        text=True,
        timeout=600,
    )
    if not process.stdout.startswith("{"):
        pytest.skip(f"pyright does not start here: {process.stderr[-200:]}")
    found = json.loads(process.stdout)["generalDiagnostics"]
    problems = [one for one in found if one["severity"] == "error"]
    check(
        [
            (
                Path(one["file"]).name,
                one["range"]["start"]["line"] + 1,
                f"{one.get('rule')}: {one['message']}",
            )
            for one in problems
            if one.get("rule") not in ("reportUnknownMemberType", "reportUnknownVariableType")
            or Path(one["file"]).name != "promises.py"
        ]
    )
