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

COOKBOOK = (
    "before_and_after_surgery.ipynb",
    "c3d.ipynb",
    "curves_against_the_norm.ipynb",
    "parameters_to_excel.ipynb",
    "scores_of_a_cohort.ipynb",
    "your_own_csv.ipynb",
)

_PRINTS = {
    "cluster.py": "1188 strides",
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
    assert {path.name for path in NOTEBOOKS} == {"explore.ipynb", *COOKBOOK}


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
    kept = [texts_of(cell) for cell in notebook.cells]
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    if path.name == "explore.ipynb":
        assert notebook.cells[-1].outputs[-1]["data"]["text/plain"] == "792"
    else:
        assert [texts_of(cell) for cell in notebook.cells] == kept, "what a reader sees is what comes out"
    assert not [
        one
        for cell in notebook.cells
        for one in cell.get("outputs", ())
        if one.get("name") == "stderr" or one["output_type"] == "error"
    ]


def texts_of(cell: dict[str, Any]) -> list[list[str]]:
    """The words and numbers of a cell's outputs, without figures, whose size is the drawing library's to say."""
    found = []
    for one in cell.get("outputs", ()):
        text = one.get("text") or one.get("data", {}).get("text/plain", "")
        if "image/png" not in one.get("data", {}):
            found.append("".join(text).split())
    return found


def test_the_notebook_of_the_tour_is_kept_without_outputs() -> None:
    notebook: dict[str, Any] = json.loads((ROOT / "examples" / "explore.ipynb").read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.mark.parametrize("name", COOKBOOK)
def test_a_notebook_of_the_cookbook_is_short_and_shows_what_comes_out(name: str) -> None:
    path = ROOT / "examples" / name
    assert path.stat().st_size < 120_000
    notebook: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    lines = [line for cell in code for line in "".join(cell["source"]).splitlines() if line.strip()]
    assert len(lines) < 25
    outputs = [one for cell in code for one in cell["outputs"]]
    assert len(outputs) >= 3
    assert any("image/png" in one.get("data", {}) for one in outputs)
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    text = json.dumps([one for one in outputs if "image/png" not in one.get("data", {})])
    assert str(Path.home()) not in text
    assert "site-packages" not in text
