"""`moveshelf import`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    path.write_text("name,ehr_id\nP-1,00123\nP-2,\n", encoding="utf-8")
    return path


def test_import_and_again(mine: Sandbox, shell: Any, table: Path) -> None:
    code, out, _ = shell("import", str(table), "lab/practice", "--dry-run")
    assert code == 1
    assert "2 failed" in out
    assert "--create creates it" in out
    code, out, _ = shell("import", str(table), "lab/practice", "--create", "--dry-run")
    assert (code, "2 create" in out) == (0, True)
    with mine.connect() as ms:
        assert len(ms.projects["lab/practice"].subjects) == 0
    code, out, _ = shell("import", str(table), "lab/practice", "--create")
    assert (code, "2 created" in out) == (0, True)
    code, out, _ = shell("import", str(table), "lab/practice", "--json")
    assert code == 0
    assert [one["status"] for one in json.loads(out)] == ["unchanged", "unchanged"]
    with mine.connect() as ms:
        assert ms.projects["lab/practice"].subjects["P-1"].ehr_id == "00123"


def test_options(mine: Sandbox, shell: Any, table: Path) -> None:
    mine.generate(subjects=0, sessions=0, clips=0, files=0, name="lab/people")
    assert shell("import", str(table), "lab/people", "--create")[0] == 0
    table.write_text("ehr_id,subject-notes,Remark\n00123,seen,x\n", encoding="utf-8")
    code, _, err = shell("import", str(table), "lab/people", "--on", "ehr_id")
    assert code == 2
    assert "--ignore COLUMN leaves columns out" in err
    line = ("import", str(table), "lab/people", "--on", "ehr_id", "--ignore", "Remark")
    code, out, err = shell(*line)
    assert (code, "1 updated" in out, "left out: Remark" in err) == (0, True, True)
    table.write_text("ehr_id,subject-notes\n00123,other\n", encoding="utf-8")
    assert "1 kept" in shell("import", str(table), "lab/people", "--on", "ehr_id", "--fill")[1]
    assert "is a text file" in shell("import", str(table), "lab/people", "--sheet", "A")[2]
    assert shell("import", str(table), "lab/people", "--kind", "sessions")[0] == 2
    assert shell("import", str(table), "lab/people:P-1", "--on", "ehr_id")[0] == 2


def test_what_the_template_does_not_know(mine: Sandbox, shell: Any, table: Path) -> None:
    table.write_text("name,ehr_id\nA,7\nB,7\n", encoding="utf-8")
    code, out, _ = shell("import", str(table), "lab/practice", "--create")
    assert (code, "2 failed" in out) == (1, True)
    assert "validate=False" not in out
    assert "--no-validate writes it all the same" in " ".join(
        shell("import", str(table), "lab/practice", "--create", "--json")[1].split()
    )
    code, out, _ = shell("import", str(table), "lab/practice", "--create", "--no-validate")
    assert (code, "2 created" in out) == (0, True)
