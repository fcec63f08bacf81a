"""Workbooks, read back with openpyxl and pandas: what is in them, what they look like, what they never compute."""

from __future__ import annotations

import os
import stat
import warnings
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import openpyxl
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moveshelf.errors import ValidationError
from moveshelf.tables import TableWarning, table, to_excel
from moveshelf.tables.excel import _sheet_name
from moveshelf.values import Template

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox

TEMPLATE = Template(
    "Gait",
    {
        "sessionMetadataTabs": [
            {
                "name": "Session",
                "template": {
                    "type": {"label": "Type", "type": "select", "options": ["Gait", "EMG"]},
                    "due": {"label": "Report due", "type": "date"},
                },
            },
            {
                "name": "Exam: [hips/knees]",
                "template": {
                    "height": {"label": "Height (cm)", "type": "number"},
                    "angle": {"label": "Angle", "type": "number", "hasContext": True},
                },
            },
            {"name": "Empty", "template": {}},
        ]
    },
)


def sessions(*metadata: dict[str, Any], **options: Any) -> pd.DataFrame:
    rows = [
        {"subject": f"P-{n}", "name": "pre", "date": date(2024, 5, 6), "id": f"id{n}", "metadata": one}
        for n, one in enumerate(metadata)
    ]
    return table(rows, TEMPLATE.session_fields, "sessions", **options)


def read(path: Path, sheet: str | None = None) -> list[list[Any]]:
    book = openpyxl.load_workbook(path)
    return [
        [cell.value for cell in row] for row in (book[sheet] if sheet else book.worksheets[0]).iter_rows()
    ]


def cell_of(path: Path, place: str) -> Any:
    return openpyxl.load_workbook(path).worksheets[0][place]


def test_a_formatted_sheet(tmp_path: Path) -> None:
    made = sessions(
        {"type": "Gait", "due": "2024-07-01", "height": "150.5", "angle": {"left": "3"}, "mrn": "00123"}, {}
    )
    path = to_excel(made, tmp_path / "sessions.xlsx")
    assert path == tmp_path / "sessions.xlsx"
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["Data"]
    sheet = book["Data"]
    head = ["subject", "name", "date", "id", "type", "due", "height", "angle.left", "angle.right", "mrn"]
    when = datetime(2024, 5, 6)
    assert [[cell.value for cell in row] for row in sheet.iter_rows()] == [
        head,
        ["P-0", "pre", when, "id0", "Gait", datetime(2024, 7, 1), 150.5, 3, None, "00123"],
        ["P-1", "pre", when, "id1", None, None, None, None, None, None],
    ]
    assert sheet.freeze_panes == "D2"
    assert sheet.auto_filter.ref == "A1:J3"
    for cell in sheet[1]:
        assert cell.font.bold
        assert cell.fill.fill_type == "solid"
        assert cell.font.color.rgb != cell.fill.fgColor.rgb
        assert cell.alignment.wrap_text
    assert sheet["C2"].number_format == "yyyy-mm-dd"
    assert sheet["J2"].data_type == "s"
    widths = {name: sheet.column_dimensions[name].width for name in "ABCDEFGHIJ"}
    assert all(8 <= width <= 50 for width in widths.values())
    assert sheet.column_dimensions["H"].width > sheet.column_dimensions["A"].width
    again = pd.read_excel(path, dtype={"mrn": str})
    assert again["mrn"][0] == "00123"
    assert again["date"][0] == pd.Timestamp(when)
    assert again["height"][0] == 150.5


@pytest.mark.parametrize("labels", [False, True])
def test_a_sheet_for_each_tab(tmp_path: Path, labels: bool) -> None:
    made = sessions({"height": "150", "angle": {"left": "3"}, "type": "EMG", "extra": "x"}, labels=labels)
    to_excel(made, tmp_path / "x.xlsx", template_tabs=TEMPLATE.tabs("sessions"), sheet="All sessions")
    book = openpyxl.load_workbook(tmp_path / "x.xlsx")
    assert book.sheetnames == ["All sessions", "Session", "Exam   hips knees"]
    heads = [[cell.value for cell in sheet[1]] for sheet in book]
    naming = ["subject", "name", "date"]
    assert heads == [
        [*naming, "id", "extra"],
        [*naming, *(["Type", "Report due"] if labels else ["type", "due"])],
        [
            *naming,
            *(
                ["Height (cm)", "Angle, left", "Angle, right"]
                if labels
                else ["height", "angle.left", "angle.right"]
            ),
        ],
    ]
    assert [cell.value for cell in book.worksheets[2][2]] == [
        "P-0",
        "pre",
        datetime(2024, 5, 6),
        150,
        3,
        None,
    ]
    for sheet in book:
        assert sheet.freeze_panes == "D2"
        assert sheet.auto_filter.ref == sheet.dimensions


def test_what_stands_beside_a_column_goes_to_its_tab(tmp_path: Path) -> None:
    with pytest.warns(TableWarning):
        made = sessions({"due": "0007-01-12"})
    to_excel(made, tmp_path / "x.xlsx", template_tabs=TEMPLATE.tabs("sessions"))
    assert read(tmp_path / "x.xlsx", "Session")[0] == ["subject", "name", "date", "type", "due", "due.text"]
    assert read(tmp_path / "x.xlsx", "Session")[1][-1] == "0007-01-12"


def test_tabs_of_a_frame_that_is_nobodys_table(tmp_path: Path) -> None:
    made = pd.DataFrame({"name": ["P"], "height": [1.5], "angle.left": [2], "other": ["x"]})
    to_excel(made, tmp_path / "x.xlsx", template_tabs={"Exam": ["angle", "height"], "None": ["nothing"]})
    assert openpyxl.load_workbook(tmp_path / "x.xlsx").sheetnames == ["Data", "Exam"]
    assert read(tmp_path / "x.xlsx", "Exam") == [["name", "angle.left", "height"], ["P", 2, 1.5]]
    assert read(tmp_path / "x.xlsx", "Data")[0] == ["name", "other"]
    with pytest.raises(ValidationError, match="template_tabs"):
        to_excel(made, tmp_path / "y.xlsx", template_tabs=["Exam"])  # type: ignore[arg-type]


DANGEROUS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "=HYPERLINK(1)",
    "#N/A",
    "#REF!",
    "00123",
    "1e5",
    "\t=1",
    "=",
    " 12 ",
]


@pytest.mark.parametrize("text", DANGEROUS)
def test_text_stays_text(tmp_path: Path, text: str) -> None:
    path = to_excel(pd.DataFrame({text: [text], "b": ["plain"]}), tmp_path / "x.xlsx")
    for place in ("A1", "A2"):
        cell = cell_of(path, place)
        assert cell.value == text
        assert cell.data_type == "s"
    assert cell_of(path, "A2").number_format == "@"
    assert cell_of(path, "A2").quotePrefix
    assert cell_of(path, "B2").number_format == "General"
    assert not cell_of(path, "B2").quotePrefix
    assert b"<f>" not in sheet_xml(path)


def sheet_xml(path: Path) -> bytes:
    import zipfile

    with zipfile.ZipFile(path) as package:
        return package.read("xl/worksheets/sheet1.xml")


UTC = timezone.utc


@pytest.mark.parametrize(
    ("value", "written", "form"),
    [
        (5, 5, "General"),
        (-5, -5, "General"),
        (np.float32(0.5), 0.5, "General"),
        (np.int64(5), 5, "General"),
        (Decimal("1.5"), 1.5, "General"),
        (True, True, "General"),
        (float("inf"), "inf", "General"),
        (10**18 + 1, str(10**18 + 1), "@"),
        (float("nan"), None, "General"),
        (pd.NaT, None, "General"),
        (pd.NA, None, "General"),
        (None, None, "General"),
        ("", None, "General"),
        (date(2024, 5, 6), datetime(2024, 5, 6), "yyyy-mm-dd"),
        (pd.Timestamp("2024-05-06"), datetime(2024, 5, 6), "yyyy-mm-dd"),
        (np.datetime64("2024-05-06T07:08"), datetime(2024, 5, 6, 7, 8), "yyyy-mm-dd hh:mm"),
        (datetime(2024, 5, 6, 7, tzinfo=UTC), datetime(2024, 5, 6, 7), "yyyy-mm-dd hh:mm"),
        (
            datetime(2024, 5, 6, 7, tzinfo=timezone(timedelta(hours=2))),
            datetime(2024, 5, 6, 5),
            "yyyy-mm-dd hh:mm",
        ),
        (date(7, 1, 12), "0007-01-12", "General"),
        (date(1900, 2, 28), "1900-02-28", "General"),
        (datetime(1850, 1, 1, 5), "1850-01-01 05:00:00", "General"),
        (time(7, 8), "07:08:00", "General"),
        (timedelta(hours=30), timedelta(hours=30), "[h]:mm:ss"),
        (timedelta(days=-1), "-1 day, 0:00:00", "@"),
        (["a", 1], "a; 1", "General"),
        ([], None, "General"),
        ({"left": 1}, '{"left": 1}', "General"),
        ([[1], [2]], "[[1], [2]]", "General"),
        (b"x", "b'x'", "General"),
        (Path("a"), "a", "General"),
    ],
)
def test_what_is_written(tmp_path: Path, value: Any, written: Any, form: str) -> None:
    path = to_excel(pd.DataFrame({"a": pd.Series([value], dtype=object)}), tmp_path / "x.xlsx")
    cell = cell_of(path, "A2")
    assert cell.value == written
    assert type(cell.value) is type(written)
    assert cell.number_format == form


def test_days_and_texts_in_one_column(tmp_path: Path) -> None:
    made = pd.DataFrame(
        {"a": pd.Series([date(2024, 5, 6), date(7, 1, 12), timedelta(hours=1), "x"], dtype=object)}
    )
    rows = read(to_excel(made, tmp_path / "x.xlsx"))
    assert rows == [["a"], [datetime(2024, 5, 6)], ["0007-01-12"], [timedelta(hours=1)], ["x"]]


def test_what_a_cell_cannot_hold(tmp_path: Path) -> None:
    made = pd.DataFrame({"notes": ["a\x07b\ud800", "line\nline", "x" * 40_000]})
    with pytest.warns(TableWarning) as caught:
        rows = read(to_excel(made, tmp_path / "x.xlsx"))
    assert rows[1:3] == [["a\u2407b\ufffd"], ["line\nline"]]
    assert len(rows[3][0]) == 32_767
    texts = sorted(str(one.message) for one in caught)
    assert "control characters in row 2 of 'notes'" in texts[0]
    assert "row 4 of 'notes' has 40000 characters" in texts[1]


def test_an_index_that_says_something(tmp_path: Path) -> None:
    named = pd.DataFrame({"a": [1]}, index=pd.Index(["P-1"], name="patient"))
    assert read(to_excel(named, tmp_path / "x.xlsx")) == [["patient", "a"], ["P-1", 1]]
    two = named.set_index("a", append=True)
    two["b"] = 2
    assert read(to_excel(two, tmp_path / "x.xlsx")) == [["patient", "a", "b"], ["P-1", 1, 2]]
    wide = pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("knee", "left"), ("knee", "right")]))
    assert read(to_excel(wide, tmp_path / "x.xlsx")) == [["knee left", "knee right"], [1, 2]]
    twice = pd.DataFrame([[1, 2]], columns=["a", "a"])
    assert read(to_excel(twice, tmp_path / "x.xlsx")) == [["a", "a"], [1, 2]]
    filtered = pd.DataFrame({"a": [1, 2]})[1:]
    assert read(to_excel(filtered, tmp_path / "x.xlsx")) == [["a"], [2]]


def test_tables_without_rows_or_columns(tmp_path: Path) -> None:
    assert read(to_excel(sessions(), tmp_path / "x.xlsx"))[0][:3] == ["subject", "name", "date"]
    assert cell_of(tmp_path / "x.xlsx", "A1").font.bold
    assert read(to_excel(pd.DataFrame(), tmp_path / "x.xlsx")) in ([], [[None]])


def test_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = pd.DataFrame({"a": [1]})
    first = to_excel(made, str(tmp_path / "x.XLSX"))
    assert stat.S_IMODE(first.stat().st_mode) == 0o666 & ~umask()
    os.chmod(first, 0o640)
    to_excel(pd.DataFrame({"a": [2]}), first)
    assert read(first)[1] == [2]
    assert stat.S_IMODE(first.stat().st_mode) == 0o640
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert to_excel(made, "~/home.xlsx") == tmp_path / "home.xlsx"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["home.xlsx", "x.XLSX"]


def umask() -> int:
    mask = os.umask(0o22)
    os.umask(mask)
    return mask


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("x.csv", "ends in .xlsx"),
        ("x", "ends in .xlsx"),
        ("", "name of a file"),
        (5, "name of a file"),
        (None, "name of a file"),
        ("nowhere/x.xlsx", "no folder"),
        ("folder.xlsx", "is a folder"),
    ],
)
def test_wrong_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: Any, said: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.xlsx").mkdir()
    with pytest.raises(ValidationError, match=said):
        to_excel(pd.DataFrame({"a": [1]}), path)
    assert [one.name for one in tmp_path.iterdir()] == ["folder.xlsx"]


def test_what_is_no_table_or_too_large(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="takes a DataFrame"):
        to_excel([1], tmp_path / "x.xlsx")  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="sheet is the name"):
        to_excel(pd.DataFrame({"a": [1]}), tmp_path / "x.xlsx", sheet=5)  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="16385 columns"):
        to_excel(pd.DataFrame(np.zeros((1, 16_385))), tmp_path / "x.xlsx")
    assert list(tmp_path.iterdir()) == []


class Interrupted(BaseException):
    pass


def test_an_interrupted_run_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = to_excel(pd.DataFrame({"a": [1]}), tmp_path / "x.xlsx")

    def broken(*_: Any) -> None:
        raise Interrupted

    monkeypatch.setattr(os, "replace", broken)
    with pytest.raises(Interrupted):
        to_excel(pd.DataFrame({"a": [2]}), path)
    assert read(path)[1] == [1]
    assert [one.name for one in tmp_path.iterdir()] == ["x.xlsx"]


@given(st.lists(st.text(max_size=60) | st.sampled_from(["History", "'", "a" * 40, "[]"]), max_size=12))
def test_names_of_sheets(names: list[str]) -> None:
    taken: set[str] = set()
    made = [_sheet_name(name, taken) for name in names]
    assert len({one.casefold() for one in made}) == len(names)
    for one in made:
        assert 1 <= len(one) <= 31
        assert not set(one) & set("[]:*?/\\\n\x00")
        assert not one.startswith("'")
        assert one.casefold() != "history"


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    st.lists(
        st.text(max_size=8)
        | st.integers()
        | st.floats()
        | st.booleans()
        | st.none()
        | st.dates()
        | st.datetimes()
        | st.timedeltas(timedelta(0), timedelta(9))
        | st.lists(st.text(max_size=3), max_size=2)
        | st.binary(max_size=3),
        max_size=5,
    ),
    st.text(max_size=40),
)
def test_anything_is_written_and_read_back(tmp_path: Path, values: list[Any], name: str) -> None:
    made = pd.DataFrame({name: pd.Series(values, dtype=object)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TableWarning)
        path = to_excel(made, tmp_path / "x.xlsx", sheet=name, template_tabs={name: [name]})
    book = openpyxl.load_workbook(path)
    assert all(cell.data_type != "f" for sheet in book for row in sheet.iter_rows() for cell in row)
    for sheet in book:
        assert sheet.max_row <= len(values) + 1
    pd.read_excel(path, sheet_name=None)


def test_a_project(demo: Sandbox, tmp_path: Path) -> None:
    with demo.connect() as ms:
        project = ms.projects["lab/demo"]
        template = project.template
        assert template is not None
        found = project.subjects.load("metadata")
        rows = [
            {"name": one.name, "ehr_id": one.ehr_id, "id": one.id, "metadata": one.metadata} for one in found
        ]
        with pytest.warns(TableWarning, match="'0007-01-12' of P-007"):
            made = table(rows, template.fields("subjects"), "subjects", labels=True)
        path = to_excel(made, tmp_path / "subjects.xlsx", template_tabs=template.tabs("subjects"))
        again = pd.read_excel(path, sheet_name=None, dtype={"EHR ID": str, "ehr_id": str})
        assert list(again) == ["Data", "General"]
        assert list(again["Data"]["name"]) == found.names()
        assert list(again["Data"]["ehr_id"]) == [one.ehr_id for one in found]
        general = again["General"]
        assert list(general["Sex"]) == [one.metadata["subject-sex"] for one in found]
        assert str(general["Date of birth"].dtype).startswith("datetime64")
        assert general["Leg length (mm), left"].dtype.kind in "fi"
