"""Tables as rows of cells: workbooks, CSV files, DataFrames of pandas and polars, lists of dictionaries. No request.

Cells stay what they are: a text of digits is text, a number of Excel's a number. pandas is not imported for any of them.
"""

from __future__ import annotations

import csv
import io
import os
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from ..errors import ValidationError
from ..values import TemplateField, brief, is_missing, plain_value, text_value
from .excel import LARGEST, NAMING, text_in_cell
from .extra import openpyxl_module
from .typed import cell_of, typed_cell

WORKBOOKS: Final = (".xlsx", ".xlsm")
TEXTS: Final = (".csv", ".tsv", ".txt")
#: Characters that stand between the cells of a text file.
_DELIMITERS: Final = "\t;,"
#: Rows by which the delimiter is found.
_ROWS_LOOKED_AT: Final = 50
_SEPARATOR: Final = re.compile("sep=(.)(?:\r\n|\r|\n)", re.IGNORECASE)
#: Excel's errors, those of German and French ones too: #N/A, #NV, #REF!, #BEZUG!, #NAME?, #DIV/0!
_FAILED_FORMULA: Final = re.compile(r"#(?:N/A|NV|N/V|[A-ZÄÖÜÉÈ]+(?:/0)?!|[A-ZÄÖÜÉÈ]+\?)")


@attrs.frozen
class BadCell:
    """A cell that cannot be read; `problem` says why."""

    problem: str


@attrs.frozen
class Line:
    """One row: its number, and its cells by their columns.

    The number is that of the row in its file, the heading being row 1; of a frame or a list it is the position, from 0.
    """

    number: int
    cells: Mapping[str, Any]


@attrs.frozen
class Lines:
    """The rows of a table; `title` says which table it is."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[Line, ...]


def read_lines(table: Any, sheet: str | None = None) -> Lines:
    """The rows of a path that ends in .xlsx, .csv or .tsv, of a DataFrame, or of an iterable of dictionaries.

    `sheet`: the sheet of a workbook; without it all sheets that have rows are put together, row by row, by the columns that
    name a row, as `to_excel(template_tabs=...)` writes them. Rows without any cell are left out.

    Raises ValidationError for what is no table, for columns without a name and names that occur twice, FileNotFoundError,
    ConfigError for a workbook where openpyxl is not installed.
    """
    if isinstance(table, (str, os.PathLike)):
        return _of_file(Path(os.fspath(table)).expanduser(), sheet)
    if sheet is not None:
        raise ValidationError(f"sheet is the name of a workbook's sheet, and this is {type(table).__name__}")
    if hasattr(table, "iloc") and hasattr(table, "columns"):
        return _of_pandas(table)
    if hasattr(table, "to_dicts"):  # polars
        table = table.to_dicts()
    if isinstance(table, (bytes, Mapping)) or not isinstance(table, Iterable):
        raise ValidationError(
            f"a table is a path (.xlsx, .csv), a DataFrame or a list of dictionaries, and not {brief(table)}"
        )
    return _of_dictionaries(table)


def empty(cell: Any) -> bool:
    """Whether there is nothing in a cell: a missing value, or a text of white space."""
    if isinstance(cell, str):
        return not cell.strip()
    return is_missing(cell)


def text_of(cell: Any, what: str) -> str:
    """A cell as the text of a name or an id; "" for an empty one. A number is its digits, `123.0` is `123`.

    Raises ValidationError for what has no text.
    """
    if isinstance(cell, BadCell):
        raise ValidationError(f"{what}: {cell.problem}")
    return "" if empty(cell) else text_value(cell, what)


def is_shown_as(field: TemplateField, stored: Any, cell: Any, *, as_stored: bool = False) -> bool:
    """Whether a table shows a stored value, in plain form and of one side, as `cell`: then the cell says nothing new.

    A number counts by its value (`120` shows `120.0`, and `12` shows `0012`), a day by the calendar, a text as a
    workbook can hold it. `as_stored`: the cell is of a column that shows what is stored as it is.
    """
    if isinstance(cell, BadCell):
        return False
    old = cell_of(stored)
    if old is None or (isinstance(old, str) and not old.strip()):
        return False
    try:
        new = cell_of(plain_value(cell, missing="none"))
        old_text, new_text = text_value(old), text_value(new)
    except ValidationError:
        return False
    if old_text == new_text or _in_workbook(old_text) == _in_workbook(new_text):
        return True
    if as_stored:
        return False
    shown = typed_cell(field, old)
    return shown is not None and shown == typed_cell(field, new)


def _in_workbook(text: str) -> str:
    return text_in_cell(text.replace("\r\n", "\n").replace("\r", "\n"))


# dictionaries and frames ------------------------------------------------------------------------------------------
def _of_dictionaries(rows: Iterable[Any]) -> Lines:
    lines = []
    columns: dict[str, None] = {}
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise ValidationError(f"row {number} of the table is a dictionary, and not {brief(row)}")
        for name in row:
            if not isinstance(name, str) or not name.strip():
                raise ValidationError(
                    f"the columns of row {number} have names that are text, and not {brief(name)}"
                )
        columns.update(dict.fromkeys(row))
        lines.append(Line(number, dict(row)))
    return Lines(f"{len(lines)} rows", tuple(columns), _filled(lines))


def _filled(lines: Iterable[Line]) -> tuple[Line, ...]:
    return tuple(
        line
        for line in lines
        if any(isinstance(cell, BadCell) or not empty(cell) for cell in line.cells.values())
    )


def _of_pandas(frame: Any) -> Lines:
    columns: dict[str, list[Any]] = {}

    def take(name: Any, values: list[Any]) -> None:
        if not isinstance(name, str) or not name.strip():
            raise ValidationError(f"the columns of the table have names that are text, and not {brief(name)}")
        if name in columns:
            raise ValidationError(f"the table has two columns {name!r}: rename or leave out one")
        columns[name] = values

    index = frame.index
    for level, name in enumerate(index.names):
        if name is not None:
            take(name, list(index.get_level_values(level)))
    for position, name in enumerate(frame.columns):
        take(name, list(frame.iloc[:, position]))
    lines = [
        Line(number, dict(zip(columns, cells, strict=True)))
        for number, cells in enumerate(zip(*columns.values(), strict=True))
    ]
    return Lines(f"{len(lines)} rows", tuple(columns), _filled(lines))


# files ------------------------------------------------------------------------------------------------------------
def _of_file(path: Path, sheet: str | None) -> Lines:
    kind = path.suffix.casefold()
    if kind in WORKBOOKS:
        return _of_workbook(path, sheet)
    if kind not in TEXTS:
        raise ValidationError(
            f"{path.name!r} is no table that can be read: save it as .xlsx or .csv ({', '.join((*WORKBOOKS, *TEXTS))})"
        )
    if sheet is not None:
        raise ValidationError(f"sheet is the name of a workbook's sheet, and {path.name!r} is a text file")
    return _of_text(path)


def _of_text(path: Path) -> Lines:
    content = path.read_bytes()
    # Excel's "Unicode text" begins with one of these marks
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValidationError(
            f"{path.name!r} is not UTF-8 (byte {error.start}): save it as 'CSV UTF-8', or as .xlsx"
        ) from None
    # a first line that tells Excel the delimiter is none of the table
    told = _SEPARATOR.match(text)
    skipped = 1 if told else 0
    text = text[told.end() :] if told else text
    delimiter = told[1] if told else "\t" if path.suffix.casefold() == ".tsv" else _delimiter(text)
    try:
        grid = [(number + skipped, row) for number, row in _numbered(_reader(text, delimiter))]
    except csv.Error as error:
        raise ValidationError(f"{path.name!r} is no CSV file: {error}") from None
    return _of_grid(path.name, [(number, [_text_cell(cell) for cell in row]) for number, row in grid])


def _reader(text: str, delimiter: str) -> Any:
    # only \n, \r and \r\n end a row: `str.splitlines` ends one at U+2028, U+0085 and vertical tabs, too, which people
    # paste into cells, and the rest of the cell would be a row with a patient of its own
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)


def _delimiter(text: str) -> str:
    """The delimiter by which the heading has as many cells as the rows below it, and then the one that gives most cells.

    Headings have commas of their own ("Leg length (mm), left"): to count characters does not tell.
    """
    best, found = (-1, 0), ","
    for delimiter in _DELIMITERS:
        rows = []
        try:
            for row in _reader(text, delimiter):
                if any(cell.strip() for cell in row):
                    rows.append(row)
                if len(rows) > _ROWS_LOOKED_AT:
                    break
        except csv.Error:
            rows = rows[:1]
        if not rows or len(rows[0]) < 2:
            continue
        rating = (sum(len(row) == len(rows[0]) for row in rows[1:]), len(rows[0]))
        if rating > best:
            best, found = rating, delimiter
    return found


def _text_cell(cell: str) -> Any:
    """The cell, or why it is none: what Excel shows for a formula that fails is saved as its text."""
    if _FAILED_FORMULA.fullmatch(cell.strip()):
        return BadCell(f"the cell shows Excel's error {cell.strip()}")
    return cell


def _numbered(reader: Any) -> Iterator[tuple[int, list[Any]]]:
    """Each row with the number of the line it begins on."""
    begin = 1
    for row in reader:
        yield begin, row
        begin = reader.line_num + 1


def _of_grid(title: str, grid: Sequence[tuple[int, Sequence[Any]]]) -> Lines:
    """The rows below a heading, which is the first row with any cell."""
    grid = [(number, row) for number, row in grid if not all(empty(cell) for cell in row)]
    if not grid:
        raise ValidationError(f"{title!r} is empty: a table begins with a row of headings")
    heading = [str(cell).strip() if not empty(cell) else "" for cell in grid[0][1]]
    named = [name for name in heading if name]
    twice = sorted({name for name in named if named.count(name) > 1})
    if twice:
        raise ValidationError(f"{title!r} has two columns {twice[0]!r}: rename or delete one")
    lines = []
    for number, row in grid[1:]:
        cells: dict[str, Any] = {}
        for place, cell in enumerate(row):
            name = heading[place] if place < len(heading) else ""
            if name:
                cells[name] = cell
            elif isinstance(cell, BadCell) or not empty(cell):
                what = cell.problem if isinstance(cell, BadCell) else brief(cell)
                raise ValidationError(
                    f"row {number} of {title!r} has {what} in column {place + 1}, which has no heading"
                )
        lines.append(Line(number, cells))
    return Lines(title, tuple(named), _filled(lines))


def _of_workbook(path: Path, sheet: str | None) -> Lines:
    openpyxl = openpyxl_module()
    with open(path, "rb"):  # FileNotFoundError with the path as it was given
        pass
    try:
        book = openpyxl.load_workbook(path, data_only=True)
        formulas = openpyxl.load_workbook(path)
    except Exception as error:  # a file that is no workbook fails in any part of zip, XML and openpyxl
        raise ValidationError(f"{path.name!r} cannot be read as a workbook: {error}") from None
    names = [one.title for one in book.worksheets]
    if sheet is not None and sheet not in names:
        raise ValidationError(f"{path.name!r} has no sheet {sheet!r}; it has {', '.join(map(repr, names))}")
    found = []
    for name in names if sheet is None else [sheet]:
        grid = _cells(book[name], formulas[name])
        if grid:
            found.append((name, _of_grid(path.name, grid)))
    if not found:
        raise ValidationError(f"{path.name!r} is empty: a table begins with a row of headings")
    return found[0][1] if len(found) == 1 else _together(path.name, found)


def _cells(values: Any, formulas: Any) -> list[tuple[int, list[Any]]]:
    # openpyxl's iter_rows makes a cell for every place down to the last one that has a colour: gigabytes where somebody has
    # coloured a column down to the last row
    written = formulas._cells
    rows: dict[int, dict[int, Any]] = {}
    for place, one in values._cells.items():
        cell = _cell(one, written.get(place, one))
        if isinstance(cell, BadCell) or not empty(cell):
            rows.setdefault(place[0], {})[place[1]] = cell
    numbers = sorted(rows)
    if not numbers:
        return []
    head = rows[numbers[0]]
    _mark_merged(values, rows, numbers[1:], head)
    grid = []
    for number in numbers:
        cells = rows[number]
        grid.append((number, [cells.get(place) for place in range(1, max(*cells, *head) + 1)]))
    return grid


def _mark_merged(
    sheet: Any, rows: Mapping[int, dict[int, Any]], numbers: Sequence[int], head: Mapping[int, Any]
) -> None:
    """Mark the cells below another's value: Excel shows that value for all of them, and has it in the first only."""
    for area in sheet.merged_cells.ranges:
        if empty(rows.get(area.min_row, {}).get(area.min_col)):
            continue
        problem = BadCell(
            f"the cells {area.coord} are merged, so that only the first has the value: unmerge them"
        )
        for number in numbers[bisect_left(numbers, area.min_row) : bisect_right(numbers, area.max_row)]:
            for place in head:
                is_first = (number, place) == (area.min_row, area.min_col)
                if area.min_col <= place <= area.max_col and not is_first:
                    rows[number][place] = problem


def _cell(value: Any, formula: Any) -> Any:
    if value.data_type == "e":
        return BadCell(f"the cell {value.coordinate} shows Excel's error {value.value}")
    if value.value is None and formula.data_type == "f":
        return BadCell(
            f"the cell {value.coordinate} is a formula whose value is not in the file: save it in Excel once"
        )
    if value.data_type == "n" and isinstance(value.value, (int, float)) and abs(value.value) >= LARGEST:
        return BadCell(
            f"the cell {value.coordinate} is a number of more than 15 digits, of which Excel has lost some: make it text"
        )
    return value.value


def _together(title: str, sheets: Sequence[tuple[str, Lines]]) -> Lines:
    """The rows of several sheets, put together by the columns that name a row."""
    first = sheets[0][1]
    naming = [name for name in NAMING if name in first.columns]
    rows: dict[tuple[str, ...], tuple[int, dict[str, Any]]] = {}
    columns: dict[str, None] = {}
    for name, lines in sheets:
        missing = [one for one in naming if one not in lines.columns]
        if missing or not naming:
            what = f"sheet {name!r} has no column {missing[0]!r}" if missing else "no column names its rows"
            raise ValidationError(
                f"{title!r} has the sheets {', '.join(repr(one) for one, _ in sheets)}, and they cannot be put together: "
                f"{what}; say which one to read, as sheet={name!r}"
            )
        columns.update(dict.fromkeys(lines.columns))
        seen: set[tuple[str, ...]] = set()
        for line in lines.rows:
            key = tuple(str(line.cells.get(one)) for one in naming)
            if key in seen:
                raise ValidationError(
                    f"row {line.number} of sheet {name!r} of {title!r} names the same row as one above it "
                    f"({', '.join(key)}): with several sheets it cannot be told what belongs to which"
                )
            seen.add(key)
            _, cells = rows.setdefault(key, (line.number, {}))
            for column, cell in line.cells.items():
                old = cells.get(column)
                if old is not None and not empty(cell) and not empty(old) and old != cell:
                    cell = BadCell(f"the sheets say different values, {brief(old)} and {brief(cell)}")
                if not (cell is None and column in cells):
                    cells[column] = cell
    return Lines(title, tuple(columns), tuple(Line(number, cells) for number, cells in rows.values()))


__all__ = ["BadCell", "Line", "Lines", "empty", "is_shown_as", "read_lines", "text_of"]
