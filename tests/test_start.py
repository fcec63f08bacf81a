"""What a program that connects imports, and what it does not: counted in `sys.modules`, never timed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from moveshelf.sandbox import Sandbox

ROOT = Path(__file__).resolve().parents[1]
UNUSED = (
    "moveshelf.fs",
    "moveshelf.gait.reading",
    "moveshelf.models.cohort",
    "moveshelf.models.derived",
    "moveshelf.models.matching",
    "moveshelf.models.tables",
    "moveshelf.operations.bulk",
    "moveshelf.operations.content_cache",
    "moveshelf.operations.contents",
    "moveshelf.operations.downloads",
    "moveshelf.operations.filters",
    "moveshelf.operations.imports",
    "moveshelf.operations.known_fields",
    "moveshelf.operations.overview",
    "moveshelf.operations.paths",
    "moveshelf.operations.read_ahead",
    "moveshelf.operations.recovery",
    "moveshelf.operations.upload_tree",
    "moveshelf.operations.uploads",
    "moveshelf.tables.excel",
    "moveshelf.tables.typed",
    "moveshelf.transfer.journal",
    "moveshelf.transfer.layout",
    "moveshelf.transfer.locks",
    "matplotlib",
    "numpy",
    "pandas",
    "rich",
    "tqdm",
    "xarray",
)


def modules_after(code: str, folder: Path) -> set[str]:
    """The modules of a new interpreter after that code."""
    done = subprocess.run(
        [sys.executable, "-c", f"import json, sys\n{code}\nprint(json.dumps(sorted(sys.modules)))"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("answer", [False, True])
def test_what_the_first_answer_does_not_need_is_not_imported(tmp_path: Path, answer: bool) -> None:
    with Sandbox(demo=True) as sandbox:
        code = f"import moveshelf; ms = moveshelf.connect(api_key={sandbox.api_key!r}, api_url={sandbox.api_url!r})"
        found = modules_after(code + ("; assert ms.projects.names()" if answer else ""), tmp_path)
    assert "moveshelf.client" in found
    assert not found & set(UNUSED)


def test_an_import_imports_next_to_nothing(tmp_path: Path) -> None:
    found = {name for name in modules_after("import moveshelf", tmp_path) if name.startswith("moveshelf")}
    assert found == {"moveshelf"}
