"""Tables as rows of cells: workbooks, text files, frames."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from datetime import datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moveshelf import ConfigError, ValidationError
from moveshelf.tables import read
from moveshelf.tables.read import BadCell, empty, read_lines, text_of


def book(path: Path, sheets: dict[str, list[list[Any]]]) -> Path:
    made = openpyxl.Workbook()
    made.remove(made.active)
    for name, rows in sheets.items():
        sheet = made.create_sheet(name)
        for row in rows:
            sheet.append(row)
    made.save(path)
    return path


def test_a_workbook(tmp_path: Path) -> None:
    path = book(
        tmp_path / "a.xlsx",
        {
            "Data": [
                [],
                ["name", "x", None, "day"],
                ["P-1", 123, None, datetime(2024, 5, 6)],
                [],
                ["00012", None],
            ]
        },
    )
    lines = read_lines(path)
    assert (lines.title, lines.columns) == ("a.xlsx", ("name", "x", "day"))
    assert [one.number for one in lines.rows] == [3, 5]
    assert lines.rows[0].cells == {"name": "P-1", "x": 123, "day": datetime(2024, 5, 6)}
    assert lines.rows[1].cells["name"] == "00012"
    assert read_lines(str(path), "Data").rows == lines.rows


def test_errors_and_formulas_without_a_value_are_bad_cells(tmp_path: Path) -> None:
    path = book(tmp_path / "a.xlsx", {"Data": [["name", "x"], ["P-1", "=1+1"], ["P-2", "#N/A"]]})
    first, second = read_lines(path).rows
    assert isinstance(first.cells["x"], BadCell)
    assert "save it in Excel" in first.cells["x"].problem
    assert "B3 shows Excel's error #N/A" in second.cells["x"].problem
    with pytest.raises(ValidationError, match="column 'x': the cell B2"):
        text_of(first.cells["x"], "column 'x'")


def test_cells_that_excel_shows_and_a_file_does_not_have_are_bad_cells(tmp_path: Path) -> None:
    rows = [
        ["name", "sex", "id", "free"],
        ["P-1", "Male", 10**15, None],
        ["P-2", None, 10**15 - 1, None],
        ["P-3", None, 1e16, 1],
    ]
    path = book(tmp_path / "a.xlsx", {"Data": rows})
    made = openpyxl.load_workbook(path)
    made["Data"].merge_cells("B2:B3")  # Male, for two rows
    made["Data"].merge_cells("D2:D3")  # nothing, for two rows
    made.save(path)
    first, second, third = (one.cells for one in read_lines(path).rows)
    assert first["sex"] == "Male"
    assert "B2:B3 are merged" in second["sex"].problem
    assert empty(second["free"])
    assert "C2 is a number of more than 15 digits" in first["id"].problem
    assert (second["id"], isinstance(third["id"], BadCell)) == (10**15 - 1, True)


def test_a_workbook_that_is_coloured_to_its_last_cell(tmp_path: Path) -> None:
    path = book(tmp_path / "a.xlsx", {"Data": [["name", "x"], ["P-1", 1]]})
    made = openpyxl.load_workbook(path)
    for place in ("A1048576", "XFD3"):
        made["Data"][place].fill = openpyxl.styles.PatternFill("solid", fgColor="FFFF00")
    made.save(path)
    tracemalloc.start()
    try:
        assert [one.cells for one in read_lines(path).rows] == [{"name": "P-1", "x": 1}]
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_a_heading_over_two_columns(tmp_path: Path) -> None:
    path = book(tmp_path / "a.xlsx", {"Data": [["name", "length", None], ["P-1", 80, None]]})
    made = openpyxl.load_workbook(path)
    made["Data"].merge_cells("B1:C1")
    made.save(path)
    assert read_lines(path).rows[0].cells == {"name": "P-1", "length": 80}
    made["Data"].unmerge_cells("B1:C1")
    made["Data"].merge_cells("B3:D3")
    made["Data"]["B3"] = "a footnote"
    made.save(path)
    assert len(read_lines(path).rows) == 2
    made["Data"]["C2"] = 81
    made.save(path)
    with pytest.raises(ValidationError, match="has 81 in column 3, which has no heading"):
        read_lines(path)


def test_sheets_are_put_together_by_what_names_a_row(tmp_path: Path) -> None:
    sheets: dict[str, list[list[Any]]] = {
        "Data": [["name", "a"], ["P-1", 1], ["P-2", 2]],
        "More": [["name", "b"], ["P-2", 4], ["P-1", 3], ["P-3", 5]],
        "Empty": [],
    }
    lines = read_lines(book(tmp_path / "a.xlsx", sheets))
    assert lines.columns == ("name", "a", "b")
    assert [one.cells for one in lines.rows] == [
        {"name": "P-1", "a": 1, "b": 3},
        {"name": "P-2", "a": 2, "b": 4},
        {"name": "P-3", "b": 5},
    ]
    sheets["More"][0][1] = "a"
    clash = read_lines(book(tmp_path / "b.xlsx", sheets))
    assert "different values, 1 and 3" in clash.rows[0].cells["a"].problem
    sheets["Notes"] = [["text"], ["hello"]]
    with pytest.raises(ValidationError, match="sheet 'Notes' has no column 'name'"):
        read_lines(book(tmp_path / "c.xlsx", sheets))
    assert len(read_lines(tmp_path / "c.xlsx", "Data").rows) == 2
    with pytest.raises(ValidationError, match="has no sheet 'data'"):
        read_lines(tmp_path / "c.xlsx", "data")
    sheets = {"A": [["name"], ["P-1"], ["P-1"]], "B": [["name"], ["P-1"]]}
    with pytest.raises(ValidationError, match="names the same row"):
        read_lines(book(tmp_path / "d.xlsx", sheets))


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("name,x\nP-1,00123\n", [{"name": "P-1", "x": "00123"}]),
        ("\ufeffname;x\r\nP-1;1,5\r\n", [{"name": "P-1", "x": "1,5"}]),
        ("name\tx\nP-1\t\n", [{"name": "P-1", "x": ""}]),
        ('name,x\nP-1,"a\nb, ""c"""\n', [{"name": "P-1", "x": 'a\nb, "c"'}]),
        ("name,x\nP-1\n\n,\n", [{"name": "P-1"}]),
        # what ends a line for str.splitlines, and no row of a table
        *(
            (f"name,x\nP-1,a{end}P-2\n", [{"name": "P-1", "x": f"a{end}P-2"}])
            for end in "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
        ),
        ("name,x\rP-1,1\r", [{"name": "P-1", "x": "1"}]),
        ("sep=;\r\nname;x\r\nP-1;a\r\n", [{"name": "P-1", "x": "a"}]),
        ("name;Length, left\nP-1;81\n", [{"name": "P-1", "Length, left": "81"}]),
        (
            "name;L, left, as stored;R, right\nP-1;81;2\n",
            [{"name": "P-1", "L, left, as stored": "81", "R, right": "2"}],
        ),
        ('"Na\nme";x\nP-1;a\n', [{"Na\nme": "P-1", "x": "a"}]),
        ("\n;\nname;x\nP-1;a\n", [{"name": "P-1", "x": "a"}]),
        ("name,x\nP-1,a;b;c\nP-2,d;e;f\n", [{"name": "P-1", "x": "a;b;c"}, {"name": "P-2", "x": "d;e;f"}]),
    ],
)
def test_text_files(tmp_path: Path, text: str, rows: list[dict[str, str]]) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode())
    assert [one.cells for one in read_lines(path).rows] == rows


def test_unicode_text_of_excel(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    for encoding in ("utf-16-le", "utf-16-be"):
        path.write_bytes("\ufeffname\tx\r\nMüller\t1,5\r\n".encode(encoding))
        assert [one.cells for one in read_lines(path).rows] == [{"name": "Müller", "x": "1,5"}]


def test_errors_of_formulas_in_a_text_file_are_bad_cells(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    texts = ["#N/A", "#NV", "#REF!", "#BEZUG!", "#DIV/0!", "#NAME?", "#1 of 2", "# note!", "#"]
    path.write_text("name,x\n" + "".join(f"P-1,{one}\n" for one in texts), encoding="utf-8")
    cells = [one.cells["x"] for one in read_lines(path).rows]
    assert [isinstance(one, BadCell) for one in cells] == [True] * 6 + [False] * 3
    assert "Excel's error #BEZUG!" in cells[3].problem


def test_numbers_of_rows_are_those_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('name,x\nA,"1\n2"\n\nB,3\n', encoding="utf-8")
    assert [one.number for one in read_lines(path).rows] == [2, 5]
    path.write_text("sep=,\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    assert [one.number for one in read_lines(path).rows] == [3, 6]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"name,x\nP-1,\xe9\n", "is not UTF-8"),
        ("a.csv", b"name,name\n", "two columns 'name'"),
        ("a.csv", b"name\nP-1,2\n", "column 2, which has no heading"),
        ("a.csv", b'name\n"P-1', "is no CSV file"),
        ("a.xlsx", b"no workbook", "cannot be read as a workbook"),
        ("a.doc", b"", "save it as .xlsx or .csv"),
    ],
)
def test_files_that_are_no_tables(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValidationError, match=said):
        read_lines(tmp_path / name)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for name in ("a.xlsx", "a.csv"):
        with pytest.raises(FileNotFoundError, match=name):
            read_lines(tmp_path / name)


def test_without_openpyxl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(ConfigError, match="pip install"):
        read_lines(tmp_path / "a.xlsx")


def test_pandas_is_not_imported_for_dictionaries(tmp_path: Path) -> None:
    script = (
        "import sys; from moveshelf.tables.read import read_lines; from moveshelf.operations import imports\n"
        "assert read_lines([{'name': 'P-1'}]).rows[0].cells == {'name': 'P-1'}\n"
        "assert not {'pandas', 'numpy', 'openpyxl'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0


class Polars:
    """What a frame of polars has."""

    def to_dicts(self) -> list[dict[str, Any]]:
        return [{"name": "P-1", "x": None}]


def test_other_frames() -> None:
    assert read_lines(Polars()).rows[0].cells == {"name": "P-1", "x": None}


@given(
    st.lists(
        st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\x00")), max_size=4)
    )
)
def test_any_grid_is_rows_or_an_error(grid: list[list[str]]) -> None:
    try:
        lines = read._of_grid("t", [(number, row) for number, row in enumerate(grid, 1)])
    except ValidationError:
        return
    assert all(set(one.cells) <= set(lines.columns) for one in lines.rows)
    assert all(any(not empty(cell) for cell in one.cells.values()) for one in lines.rows)
