"""Workbooks as laboratories lay them out: a styled header that stays in view, filters, widths, a sheet for each tab."""

from __future__ import annotations

import json
import math
import os
import re
import secrets
import shutil
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from ..errors import ValidationError
from ..values import brief, plain_value
from .extra import openpyxl_module, pandas_module, warn
from .typed import PARENTS, SEPARATOR, TableWarning

if TYPE_CHECKING:
    import pandas as pd

#: What a sheet of Excel can hold.
MOST_ROWS: Final = 1_048_576
MOST_COLUMNS: Final = 16_384
MOST_CHARACTERS: Final = 32_767
MOST_NAME: Final = 31
#: Width of the narrowest and of the widest column, in characters.
NARROWEST: Final = 8
WIDEST: Final = 50
#: Rows that are measured for the width of a column.
MEASURED: Final = 1000
#: Columns that say what a row is: they are on every sheet, and stay in view when it is scrolled.
NAMING: Final = (*PARENTS, "name", "title", "date")
#: Excel counts days from 1900, and has one that there never was, the 29th of February of that year.
FIRST_DAY: Final = date(1900, 3, 1)
#: The largest whole number that Excel shows with all its digits.
LARGEST: Final = 10**15
DAY, TIME, TEXT, SPAN = "yyyy-mm-dd", "yyyy-mm-dd hh:mm", "@", "[h]:mm:ss"
_HEADER: Final = "1F4E78"
_NOT_IN_NAMES: Final = re.compile(r"[\[\]:*?/\\\x00-\x1f\x7f]")
#: What XML cannot hold: controls, lone surrogates, two codes that are no characters.
_NOT_IN_CELLS: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
#: Texts that Excel would take for a formula or a number when they are edited.
_NOT_TEXT: Final = re.compile(r"[=+\-@\t\r]|\s*[+-]?[0-9.,]+(?:[eE][+-]?[0-9]+)?\s*$|#")


def to_excel(
    frame: pd.DataFrame,
    path: str | os.PathLike[str],
    *,
    template_tabs: Mapping[str, Iterable[str]] | None = None,
    sheet: str = "Data",
) -> Path:
    """Write a table to a formatted workbook, and return its path. Sends no request; needs the extra `pandas`.

    The header is bold on colour and stays in view with the columns that name a row; every column has a filter and a width
    that fits; days and times are Excel's own (times in UTC; those before March 1900, which Excel has no place for, are
    text); numbers are numbers; text stays text, even where it looks like a number (`00123`) or a formula (`=1+1` is
    shown, never computed). An index that has a name, or is no plain count, becomes the first columns.

    `template_tabs` are the keys of the fields on each tab, as `template.tabs("sessions")` gives them: then each tab has a
    sheet of its own, with the columns that name a row on each, and sheet `sheet` has what is on no tab. Without it all is
    on that one sheet. Control characters become their visible signs, and text is cut at the 32,767 characters that a
    cell holds: a TableWarning says where.

    The file is written beside its place and then renamed: an interrupted run leaves no half workbook, and a file that is there
    is replaced. Raises ValidationError for a name that does not end in .xlsx, a folder that is not there and a table too
    large for Excel, ConfigError without openpyxl.

    Example:
        >>> to_excel(project.table("sessions"), "sessions.xlsx", template_tabs=project.template.tabs("sessions"))
        PosixPath('sessions.xlsx')
    """
    openpyxl, pandas = openpyxl_module(), pandas_module()
    if not isinstance(frame, pandas.DataFrame):
        raise ValidationError(f"to_excel takes a DataFrame, and not {brief(frame)} ({type(frame).__name__})")
    if not isinstance(sheet, str):
        raise ValidationError(f"sheet is the name of a sheet, and not {brief(sheet)}")
    target = workbook_path(path)
    keys = _keys(frame)
    columns = _columns(frame, keys)
    if len(frame) + 1 > MOST_ROWS or len(columns) > MOST_COLUMNS:
        raise ValidationError(
            f"the table has {len(frame)} rows and {len(columns)} columns; a sheet holds {MOST_ROWS - 1} and "
            f"{MOST_COLUMNS}: write it in parts, or as CSV"
        )
    book = openpyxl.Workbook(write_only=True)
    for name, chosen in _sheets(columns, template_tabs, sheet):
        _write(book, name, chosen, len(frame))
    save_workbook(book, target)
    return target


# what goes where --------------------------------------------------------------------------------------------------
@attrs.frozen
class _Column:
    """A column as it is written: its header, the key of its field ("" for none), its cells and their number format."""

    name: str
    key: str
    cells: list[Any]
    format: str
    naming: bool


def workbook_path(path: str | os.PathLike[str]) -> Path:
    """Where a workbook is to be written. Raises ValidationError for another suffix and for a folder that is not there."""
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
        raise ValidationError(f"path is the name of a file that ends in .xlsx, and not {brief(path)}")
    target = Path(os.fspath(path)).expanduser()
    if target.suffix.casefold() != ".xlsx":
        raise ValidationError(f"a workbook's name ends in .xlsx, and {str(target)!r} does not")
    if not target.parent.is_dir():
        raise ValidationError(f"there is no folder {str(target.parent)!r} to write {target.name!r} into")
    if target.is_dir():
        raise ValidationError(f"{str(target)!r} is a folder")
    return target


def _keys(frame: pd.DataFrame) -> dict[str, str]:
    """The key of the template's field that each column shows, as `table` has written it down."""
    noted = frame.attrs.get("moveshelf")
    keys = noted.get("keys") if isinstance(noted, Mapping) else None
    return dict(keys) if isinstance(keys, Mapping) else {}


def _columns(frame: pd.DataFrame, keys: Mapping[str, str]) -> list[_Column]:
    made = []
    pandas = pandas_module()
    index = frame.index
    if not isinstance(index, pandas.RangeIndex) or index.name is not None:
        for level in range(index.nlevels):
            values = list(index.get_level_values(level))
            name = index.names[level]
            made.append(_column("" if name is None else str(name), "", values, naming=True))
    for position in range(frame.shape[1]):
        label = frame.columns[position]
        name = " ".join(str(one) for one in label if one != "") if isinstance(label, tuple) else str(label)
        key = keys.get(name) or re.sub(r"\.(?:left|right|both|text)$", "", name.removeprefix("metadata."))
        values = list(frame.iloc[:, position])
        made.append(_column(name, key, values, naming=name in NAMING and name not in keys))
    return made


def _column(name: str, key: str, values: list[Any], naming: bool) -> _Column:
    cells = [_cell(one) for one in values]
    present = [one for one in cells if one is not None]
    days = all(type(one) is date or (isinstance(one, datetime) and one.time() == time()) for one in present)
    if any(isinstance(one, date) for one in present):
        return _Column(name, key, cells, DAY if days else TIME, naming)
    if present and all(isinstance(one, timedelta) for one in present):
        return _Column(name, key, cells, SPAN, naming)
    return _Column(name, key, cells, "General", naming)


def _sheets(
    columns: list[_Column], tabs: Mapping[str, Iterable[str]] | None, sheet: str
) -> Iterator[tuple[str, list[_Column]]]:
    """The sheets' names and columns, in order."""
    taken: set[str] = set()
    if tabs is None:
        yield _sheet_name(sheet, taken), columns
        return
    if not isinstance(tabs, Mapping):
        raise ValidationError(f"template_tabs is a mapping of tabs to keys, and not {brief(tabs)}")
    wanted = {str(name): list(keys) for name, keys in tabs.items()}
    on_tabs = {key for keys in wanted.values() for key in keys}
    naming = [one for one in columns if one.naming]
    others = [one for one in columns if one.naming or one.key not in on_tabs]
    yield _sheet_name(sheet, taken), others
    for name, keys in wanted.items():
        places = {key: place for place, key in reversed(list(enumerate(keys)))}
        of_tab = [one for one in columns if not one.naming and one.key in places]
        if of_tab:
            of_tab.sort(key=lambda one: places[one.key])
            yield _sheet_name(name, taken), [*naming, *of_tab]


def _sheet_name(name: str, taken: set[str]) -> str:
    """A name that Excel takes: 31 characters, none of []:*?/\\, unique whatever the case, not History."""
    text = _NOT_IN_NAMES.sub(" ", name).strip().strip("'").strip()[:MOST_NAME].strip() or "Sheet"
    if text.casefold() == "history":
        text += "_"
    found, number = text, 2
    while found.casefold() in taken:
        tail = f" ({number})"
        found, number = text[: MOST_NAME - len(tail)] + tail, number + 1
    taken.add(found.casefold())
    return found


# cells ------------------------------------------------------------------------------------------------------------
def _cell(value: Any) -> Any:
    """What is written: None, a bool, a number, a day, a time, a span, or text."""
    if type(value) is str:
        return value or None
    try:
        found = plain_value(value, missing="none")
    except ValidationError:
        return str(value)
    if isinstance(found, (list, dict)):
        return _many(found)
    if isinstance(found, datetime):
        if found.tzinfo is not None:
            found = found.astimezone(timezone.utc).replace(tzinfo=None)
        return found if found.date() >= FIRST_DAY else found.isoformat(sep=" ")
    if isinstance(found, date):
        return found if found >= FIRST_DAY else found.isoformat()
    if isinstance(found, float) and not math.isfinite(found):
        return str(found)
    if isinstance(found, timedelta) and found < timedelta(0):
        return str(found)
    if isinstance(found, int) and not isinstance(found, bool) and abs(found) >= LARGEST:
        return str(found)
    return found.isoformat() if isinstance(found, time) else found


def _many(value: list[Any] | dict[str, Any]) -> str | None:
    if isinstance(value, list) and not any(isinstance(one, (list, dict)) for one in value):
        return SEPARATOR.join(str(_cell(one)) for one in value if one is not None) or None
    return json.dumps(value, ensure_ascii=False, default=str)


def text_in_cell(text: str) -> str:
    """A text as a cell can hold it: controls as their signs, cut where Excel cuts."""
    return _NOT_IN_CELLS.sub(_sign, text)[:MOST_CHARACTERS]


def safe_text(text: str, where: str) -> str:
    """Text that a cell can hold: controls as their signs, cut where Excel cuts; a warning says what was changed."""
    found = _NOT_IN_CELLS.sub(_sign, text)
    if found != text:
        warn(f"control characters in {where} are written as signs", TableWarning)
    if len(found) > MOST_CHARACTERS:
        warn(
            f"{where} has {len(found)} characters; a cell holds the first {MOST_CHARACTERS} of them",
            TableWarning,
        )
        found = found[:MOST_CHARACTERS]
    return found


def _sign(match: re.Match[str]) -> str:
    code = ord(match[0])
    return chr(0x2400 + code) if code < 0x20 else "\ufffd"


# the workbook -----------------------------------------------------------------------------------------------------
def _write(book: Any, name: str, columns: Sequence[_Column], rows: int) -> None:
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
    from openpyxl.utils import get_column_letter

    sheet = book.create_sheet(name)
    for position, column in enumerate(columns, 1):
        sheet.column_dimensions[get_column_letter(position)].width = _width(column)
    # the columns that name a row stay in view, as long as they leave room for the rest
    fixed = next((place for place, one in enumerate(columns) if not one.naming), len(columns))
    sheet.freeze_panes = f"{get_column_letter(fixed + 1 if 0 < fixed <= 4 else 1)}2"
    if columns:
        sheet.auto_filter.ref = f"A1:{get_column_letter(len(columns))}{rows + 1}"
    sheet.page_setup.orientation = "landscape"
    font, fill = Font(bold=True, color="FFFFFF"), PatternFill("solid", fgColor=_HEADER)
    top = Alignment(vertical="top", wrap_text=True)
    middle = Alignment(vertical="center", wrap_text=True)
    border = Border(bottom=Side("thin", color="FFFFFF"), right=Side("thin", color="FFFFFF"))

    def text_cell(text: str, where: str) -> Any:
        cell = WriteOnlyCell(sheet, safe_text(text, where))
        # said, so that "=1+1" and "#N/A" are not taken for a formula and an error
        cell.data_type = "s"
        return cell

    header = []
    for column in columns:
        cell = text_cell(column.name, f"the header {brief(column.name)}")
        cell.font, cell.fill, cell.alignment, cell.border = font, fill, middle, border
        header.append(cell)
    sheet.append(header)
    for row in range(rows):
        line: list[Any] = []
        for column in columns:
            value = column.cells[row]
            if isinstance(value, str):
                cell = text_cell(value, f"row {row + 2} of {brief(column.name)}")
                if _NOT_TEXT.match(value):
                    cell.number_format = TEXT
                    # what is edited stays text too
                    cell.quotePrefix = True
                if len(value) > WIDEST or "\n" in value:
                    cell.alignment = top
                line.append(cell)
            elif isinstance(value, (date, timedelta)):
                cell = WriteOnlyCell(sheet, value)
                # a span among other values has a format of its own
                cell.number_format = SPAN if isinstance(value, timedelta) else column.format
                line.append(cell)
            else:
                line.append(value)
        sheet.append(line)


def _width(column: _Column) -> float:
    """A width in characters: that of the widest cell; the header may break between words, and has the filter's button."""
    words = [_columns_of(word) for word in re.split(r"\s+", column.name)]
    head = max(max(words, default=0), math.ceil(_columns_of(column.name) / 2)) + 4
    cells = (one for one in column.cells[:MEASURED] if one is not None)
    body = max((_shown_width(one, column.format) for one in cells), default=0) + 2
    return float(min(max(head, body, NARROWEST), WIDEST))


def _shown_width(value: Any, form: str) -> int:
    if isinstance(value, date):
        return len(form)
    if isinstance(value, str):
        return max((_columns_of(line) for line in value[: WIDEST * 20].splitlines()), default=0)
    return len(str(value))


def _columns_of(text: str) -> int:
    """How many columns of a screen a text takes: characters of East Asia take two."""
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text)


def save_workbook(book: Any, target: Path) -> None:
    """Write a workbook beside its place, then rename it: a disk that is full leaves what was there as it was."""
    name = target.with_name(f".{target.stem[:40]}.{secrets.token_hex(4)}.part")
    try:
        with open(name, "xb") as file:
            book.save(file)
        if target.exists():
            shutil.copymode(target, name)
        os.replace(name, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise
