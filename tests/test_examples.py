"""The examples and the notebook, against the demo, as a user would run them: connected by the environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = sorted((ROOT / "examples").glob("*.py"))
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))

_PRINTS = {
    "walk.py": "P-012 2023-12-13 Trial-3 ['angles_normalized.json'",
    "knee_curve.py": "2024-02-23 follow-up",
    "find_and_download.py": "6 files, 0 new",
}


@pytest.fixture
def connected(demo: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOVESHELF_API_KEY", demo.api_key)
    monkeypatch.setenv("MOVESHELF_API_URL", demo.api_url)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))


def test_there_are_examples() -> None:
    assert {path.name for path in SCRIPTS} == set(_PRINTS)
    assert NOTEBOOKS


@pytest.mark.usefixtures("connected")
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_script(script: Path, tmp_path: Path) -> None:
    for _ in range(2):  # the second time finds what the first has left
        done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, encoding="utf-8")
        assert done.returncode == 0, done.stderr
    assert _PRINTS[script.name] in done.stdout


@pytest.mark.usefixtures("connected")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebook_runs_in_jupyters_loop(path: Path, tmp_path: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    last = notebook.cells[-1].outputs[-1]["data"]["text/plain"]
    assert last == "792"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebook_is_kept_without_outputs(path: Path) -> None:
    notebook: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
