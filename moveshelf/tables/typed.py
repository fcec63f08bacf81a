"""Tables whose columns have the types that a project's template declares."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final

import attrs

from ..display import near_misses
from ..errors import ValidationError
from ..values import (
    TemplateField,
    brief,
    day_value,
    is_deeper,
    is_missing,
    plain_value,
    printable,
    text_value,
)
from .extra import pandas_module, warn

if TYPE_CHECKING:
    import pandas as pd

#: The columns that each kind of table has without metadata, with the type of each. Parents come first.
LISTED: Final[Mapping[str, Mapping[str, str]]] = {
    "projects": {"name": "text", "id": "text", "description": "text"},
    "subjects": {"name": "text", "id": "text", "ehr_id": "text", "updated": "time"},
    "sessions": {
        "subject": "text",
        "name": "text",
        "date": "day",
        "id": "text",
        "path": "text",
        "updated": "time",
    },
    "conditions": {"subject": "text", "session": "text", "name": "text", "path": "text", "clips": "plain"},
    "clips": {
        "subject": "text",
        "session": "text",
        "condition": "text",
        "name": "text",
        "id": "text",
        "path": "text",
        "created": "time",
        "upload_status": "text",
    },
    "files": {
        "subject": "text",
        "session": "text",
        "condition": "text",
        "trial": "text",
        "name": "text",
        "id": "text",
        "data_type": "text",
        "upload_status": "text",
    },
    "norms": {"name": "text", "id": "text", "status": "text", "upload_status": "text", "path": "text"},
    "reports": {"subject": "text", "session": "text", "name": "text", "id": "text", "title": "text"},
    "jobs": {"id": "text", "status": "text", "result": "text", "description": "text"},
}
#: Columns that say to what a row belongs, in this order at the left of a table.
PARENTS: Final = ("project", "subject", "session", "condition", "trial")
#: What stands between several chosen options in one cell; `column.str.get_dummies("; ")` takes them apart.
SEPARATOR: Final = "; "
#: Contexts that make two columns of one field.
SIDES: Final = ("left", "right", "both")
#: The days that a datetime64[ns] can hold.
FIRST_DAY: Final = date(1677, 9, 22)
LAST_DAY: Final = date(2262, 4, 10)
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_PADDED: Final = re.compile(r"[+-]?0[0-9]")
_ROMAN: Final = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x")
_TYPES: Final = {
    "number": "number",
    "date": "day",
    "datetime": "time",
    "text": "text",
    "textarea": "text",
    "boolean": "flag",
    "checkbox": "flag",
}
#: Words in a key or a label that make a field an identifier, whose zeros count.
_IDENTIFIERS: Final = frozenset({"id", "ids", "ehr", "mrn", "ehrid"})


class TableWarning(UserWarning):
    """A cell of a table does not hold what its column is for; the text names the column, the row and what is stored."""


@attrs.frozen
class _Column:
    """A column to be made: its name, the part of the rows that it comes from, and what its cells are.

    `is_stored`: the column shows what is stored where that is not what `type` says, and nothing elsewhere.
    """

    name: str
    source: str
    type: str
    label: str
    field: TemplateField | None = None
    is_stored: bool = False


@attrs.define
class _Cells:
    """The cells of one column, a value or None a row, and those rows whose value is not what the column is for."""

    column: _Column
    values: list[Any]
    stored: dict[int, str] = attrs.field(factory=dict)


def table(
    rows: Iterable[Mapping[str, Any]],
    template_fields: Mapping[str, TemplateField],
    kind: str,
    columns: Sequence[str] | None = None,
    labels: bool = False,
    *,
    prefix: str = "",
    first: Sequence[str] = (),
) -> pd.DataFrame:
    """A DataFrame with one row a mapping: parents, what a listing brings, and the metadata by key. Sends no request.

    A row's entry `metadata` is the metadata in plain form (`{key: value}`); all other entries are cells. `template_fields`
    say what the metadata are: all of these have columns, filled in or not, in the template's order, and keys that the
    template does not have follow. `prefix` stands before the keys in the names of the columns; the columns in `first`
    come before all others, as far as there are such.

    Types: numbers are float64; dates datetime64[ns]; times datetime64[ns] in UTC, without a zone, which Excel has no place
    for; a choice is a category with the template's options, ordered where these are or begin with rising numbers (0, 1, 2; I,
    II, III); several chosen options are one text with `; ` between them; ids, EHR numbers and texts are text, `00123`
    too. A field with a left and a right value has two columns, `<key>.left` and `<key>.right`.

    A value that is not of its field's type (`12 cm` for a number; 0007-01-12, for which datetime64[ns] has no place) is
    missing in the column, and what is stored is in a column `<key>.text` beside it; there, too, is what a number with
    zeros before it is written like. Metadata that are no object are in `metadata.text`. Each such column gives one
    TableWarning.

    `columns` are the wanted ones, in order: names of columns, keys (which stand for the columns of each side) or the
    template's labels. With `labels` the columns of metadata are named by the template's labels (`Leg length, left`); a
    label that occurs twice has its key behind it.

    Raises ValidationError for an unknown kind or column, with near misses, and ConfigError without pandas.

    Example:
        >>> rows = [{"name": "P-1", "metadata": {"ehr-id": "00123", "leg": {"left": "81", "right": "82.5"}}}]
        >>> table(rows, template.subject_fields, "subjects", columns=["name", "ehr-id", "leg"])
          name ehr-id  leg.left  leg.right
        0  P-1  00123      81.0       82.5
    """
    if kind not in LISTED:
        raise ValidationError(_no_such("kind of table", kind, LISTED))
    rows = list(rows)
    base, found = _base_columns(rows, kind, first), _metadata_of(rows)
    fields = _metadata_columns(found, template_fields, prefix, {one.name for one in base})
    made = _wanted([*base, *fields], columns)
    cells = []
    for column in made:
        source = found if column.field is not None else rows
        cells.append(_typed(column, [one.get(column.source) for one in source]))
    if columns is None:
        unreadable = _unreadable(rows, {one.name for one in made})
        cells += [unreadable] if unreadable.stored else []
    return _assembled(cells, rows, kind, labels, columns)


# which columns there are ------------------------------------------------------------------------------------------
def _base_columns(rows: Sequence[Mapping[str, Any]], kind: str, first: Sequence[str]) -> list[_Column]:
    listed = LISTED[kind]
    seen = dict.fromkeys(name for row in rows for name in row if name != "metadata")
    # a table without rows has the columns that it would have with rows
    known = [name for name in listed if name in seen or not rows]
    parents = [name for name in PARENTS if name in seen and name not in known]
    ahead = [name for name in first if name in seen or name in known]
    names = dict.fromkeys([*ahead, *parents, *known, *seen])
    return [_Column(name, name, listed.get(name, "plain"), name) for name in names]


def _metadata_of(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The parts of the metadata of each row: `key` and `key.left`, `key.right` to a single value."""
    found = []
    for row in rows:
        metadata = row.get("metadata")
        parts: dict[str, Any] = {}
        if isinstance(metadata, Mapping):
            for key, value in metadata.items():
                parts.update(_parts(str(key), value))
        found.append(parts)
    return found


def _parts(key: str, value: Any) -> dict[str, Any]:
    if value is None or value == "":
        return {key: None}
    if isinstance(value, Mapping) and value and all(side in SIDES for side in value):
        return {f"{key}.{side}": _cell(one) for side, one in value.items()}
    return {key: _cell(value)}


def _cell(value: Any) -> Any:
    """One cell: a single value, the texts of a list, or JSON text of what is neither."""
    if isinstance(value, (list, tuple)) and not any(isinstance(one, (Mapping, list, tuple)) for one in value):
        return SEPARATOR.join(_as_text(one) for one in value if one is not None) or None
    if isinstance(value, (Mapping, list, tuple)):
        if is_deeper(value, 100):
            return f"({type(value).__name__} nested deeper than 100 levels)"
        return json.dumps(value, ensure_ascii=False, default=str)
    return None if value == "" else value


def _metadata_columns(
    found: Sequence[Mapping[str, Any]], fields: Mapping[str, TemplateField], prefix: str, taken: set[str]
) -> list[_Column]:
    seen = dict.fromkeys(part for parts in found for part in parts)
    filled = {part for parts in found for part, value in parts.items() if value is not None}
    wanted: dict[str, TemplateField] = {}
    for key, field in fields.items():
        sides = [f"{key}.{side}" for side in SIDES]
        if field.has_context:
            parts = [*sides[:2], *(one for one in (key, sides[2]) if one in filled)]
        else:
            parts = [key, *(one for one in sides if one in filled)]
        wanted.update(dict.fromkeys(parts, field))
    for part in seen:
        if part not in wanted and (part in filled or not any(f"{part}.{side}" in seen for side in SIDES)):
            key = _key_of(part)
            if key not in fields:
                wanted[part] = TemplateField(key, key, "", False, (), {})
    columns = []
    for part, field in wanted.items():
        name = prefix + part
        # a key that is spelled like a column of the listing must not hide it
        name = f"metadata.{part}" if name in taken else name
        side = part.removeprefix(field.key).removeprefix(".")
        label = printable(field.label).strip() or field.key
        columns.append(_Column(name, part, _type_of(field), f"{label}, {side}" if side else label, field))
    return columns


def _key_of(part: str) -> str:
    key, _, side = part.rpartition(".")
    return key if key and side in SIDES else part


def _type_of(field: TemplateField) -> str:
    words = re.split(r"[^a-z0-9]+", f"{field.key} {field.label}".casefold())
    if not _IDENTIFIERS.isdisjoint(words):
        return "text"
    if field.multiselect:
        return "text"
    if field.options:
        return "option"
    return _TYPES.get(field.type.casefold(), "plain" if not field.type else "text")


def _wanted(made: list[_Column], columns: Sequence[str] | None) -> list[_Column]:
    """The columns to make, in the given order. Raises ValidationError for one that there is not."""
    if columns is None:
        return made
    if isinstance(columns, str):
        columns = [columns]
    chosen: dict[str, _Column] = {}
    for wanted in columns:
        fits = [
            [one for one in made if one.name == wanted],
            [one for one in made if one.field is not None and wanted in (one.source, one.field.key)],
            [one for one in made if one.field is not None and wanted in (one.label, one.field.label)],
        ]
        found = next((some for some in fits if some), None)
        if found is None:
            stored = [one for one in made if f"{one.name}.text" == wanted]
            found = (
                [attrs.evolve(stored[0], name=wanted, label=f"{stored[0].label}, as stored", is_stored=True)]
                if stored
                else None
            )
        if found is None:
            known = [*(one.name for one in made), *(one.label for one in made)]
            raise ValidationError(_no_such("column", wanted, known))
        chosen.update((one.name, one) for one in found)
    return list(chosen.values())


def _no_such(what: str, wanted: Any, known: Iterable[str]) -> str:
    names = list(dict.fromkeys(known))
    near = near_misses(wanted, names) if isinstance(wanted, str) else []
    if near:
        return f"no {what} {brief(wanted)}; did you mean {' or '.join(repr(one) for one in near)}?"
    shown = ", ".join(repr(one) for one in names[:12])
    return f"no {what} {brief(wanted)}; there are {shown}{', ...' if len(names) > 12 else ''}"


# what cells are ---------------------------------------------------------------------------------------------------
def _typed(column: _Column, values: list[Any]) -> _Cells:
    cells = _Cells(column, [])
    convert = _CONVERTERS[column.type]
    for number, value in enumerate(values):
        cell = value
        try:
            if not isinstance(value, (str, int, float, date, timedelta)):
                cell = _single(value)
            if cell is None or (cell == "" if isinstance(cell, str) else is_missing(cell)):
                cells.values.append(None)
                continue
            found, exact = convert(cell)
        except (ValidationError, ValueError, OverflowError):
            found, exact = None, False
        cells.values.append(found)
        if not exact:
            cells.stored[number] = _as_text(cell)
    if column.is_stored:
        return _Cells(column, [cells.stored.get(number) for number in range(len(values))])
    return cells


def _single(value: Any) -> Any:
    """A cell's value in plain Python; a list or an object of the service as one text."""
    if value is None:
        return None
    try:
        plain = plain_value(value, missing="none")
    except ValidationError:
        return printable(str(value))
    return _cell(plain)


def _as_text(value: Any) -> str:
    if type(value) is str:
        return value
    try:
        return text_value(value)
    except ValidationError:
        return str(value)


def _text_cell(cell: Any) -> tuple[Any, bool]:
    return _as_text(cell), True


def _number_cell(cell: Any) -> tuple[Any, bool]:
    """The number, and whether it says all that was stored."""
    if isinstance(cell, str):
        text = cell.strip()
        if not _NUMBER.fullmatch(text):
            return None, False
        number = float(text)
        if not math.isfinite(number):
            return None, False
        whole = text.lstrip("+-").isdigit()
        if whole and int(text) != int(number):
            return None, False
        return number, not _PADDED.match(text)
    if isinstance(cell, bool) or not isinstance(cell, (int, float)):
        return None, False
    number = float(cell)
    return (number, True) if number == cell and math.isfinite(number) else (None, False)


def _day_cell(cell: Any) -> tuple[Any, bool]:
    day = day_value(cell, "the cell")
    if day is None or not FIRST_DAY <= day <= LAST_DAY:
        return None, False
    return datetime(day.year, day.month, day.day), True


def _time_cell(cell: Any) -> tuple[Any, bool]:
    if isinstance(cell, str):
        cell = datetime.fromisoformat(re.sub(r"[Zz]$", "+00:00", cell.strip()))
    if not isinstance(cell, datetime):
        return _day_cell(cell)
    if cell.tzinfo is not None:
        cell = cell.astimezone(timezone.utc).replace(tzinfo=None)
    return (cell, True) if FIRST_DAY <= cell.date() <= LAST_DAY else (None, False)


def _flag_cell(cell: Any) -> tuple[Any, bool]:
    if isinstance(cell, bool):
        return cell, True
    word = cell.strip().casefold() if isinstance(cell, str) else ""
    return (word == "true", True) if word in ("true", "false") else (None, False)


def _plain_cell(cell: Any) -> tuple[Any, bool]:
    if isinstance(cell, datetime):
        return _time_cell(cell)
    if isinstance(cell, date):
        return _day_cell(cell)
    return cell, True


_CONVERTERS: Final[Mapping[str, Callable[[Any], tuple[Any, bool]]]] = {
    "text": _text_cell,
    "option": _text_cell,
    "number": _number_cell,
    "day": _day_cell,
    "time": _time_cell,
    "flag": _flag_cell,
    "plain": _plain_cell,
}
_MEANT: Final = {
    "number": "a number",
    "day": "a day",
    "time": "a time",
    "flag": "true or false",
    "plain": "a day",
}


def _unreadable(rows: Sequence[Mapping[str, Any]], taken: set[str]) -> _Cells:
    """What rows have as metadata that is no object: text that is no JSON, an error."""
    name = "metadata"
    while name in taken or f"{name}.text" in taken:
        name = f"_{name}"
    cells = _Cells(_Column(name, "metadata", "unreadable", name), [None] * len(rows))
    for number, row in enumerate(rows):
        metadata = row.get("metadata")
        if metadata is not None and not isinstance(metadata, Mapping):
            cells.stored[number] = metadata if isinstance(metadata, str) else brief(metadata, 1000)
    return cells


def cell_of(value: Any) -> Any:
    """One cell of metadata in plain form: a single value, the texts of a list, or JSON text of what is neither."""
    return _cell(value)


def typed_cell(field: TemplateField, value: Any) -> Any:
    """What the column of a field shows of one cell; None where the column is for something else."""
    try:
        return _CONVERTERS[_type_of(field)](value)[0]
    except (ValidationError, ValueError, OverflowError):
        return None


def column_names(field: TemplateField) -> Iterator[tuple[str, str, bool, bool]]:
    """The names that columns of a field can have in tables: name, side ("" for none), whether it is of the label, and
    whether it is the column that shows what is stored as it is."""
    label = printable(field.label).strip() or field.key
    for side in ("", *SIDES):
        part = f"{field.key}.{side}" if side else field.key
        shown = f"{label}, {side}" if side else label
        for name in (part, f"metadata.{part}"):
            yield name, side, False, False
            yield f"{name}.text", side, False, True
        for name in (shown, f"{shown} ({field.key})"):
            yield name, side, True, False
            yield f"{name}, as stored", side, True, True


# the frame --------------------------------------------------------------------------------------------------------
def _assembled(
    cells: list[_Cells],
    rows: Sequence[Mapping[str, Any]],
    kind: str,
    labels: bool,
    columns: Sequence[str] | None,
) -> pd.DataFrame:
    pandas = pandas_module()
    chosen = {one.column.name for one in cells if one.column.is_stored}
    names = _labels([one.column for one in cells]) if labels else [one.column.name for one in cells]
    made: dict[str, Any] = {}
    keys: dict[str, str] = {}
    for name, one in zip(names, cells, strict=True):
        stored = f"{name}, as stored" if labels and one.column.field is not None else f"{name}.text"
        if one.column.type != "unreadable":
            made[name] = _series(pandas, one)
            if one.column.field is not None:
                keys[name] = one.column.field.key
        if one.stored:
            _warn(one, rows, stored, kept=columns is None or f"{one.column.name}.text" in chosen)
        if one.stored and columns is None:
            made[stored] = _texts(pandas, [one.stored.get(number) for number in range(len(rows))])
            if one.column.field is not None:
                keys[stored] = one.column.field.key
    frame: pd.DataFrame = pandas.DataFrame(made, index=pandas.RangeIndex(len(rows)), columns=list(made))
    frame.attrs["moveshelf"] = {"kind": kind, "keys": keys}
    return frame


def _labels(columns: Sequence[_Column]) -> list[str]:
    """The label of each column: names of the listing as they are, those of metadata made unique by the key."""
    counts: dict[str, int] = {}
    for one in columns:
        counts[one.label] = counts.get(one.label, 0) + 1
    names: list[str] = []
    for one in columns:
        name = one.label
        if one.field is not None and (counts[name] > 1 or name in names):
            name = f"{name} ({one.field.key})"
        number = 2
        while name in names:
            name = f"{one.label} ({number})"
            number += 1
        names.append(name)
    return names


def _series(pandas: Any, cells: _Cells) -> Any:
    values, kind = cells.values, "text" if cells.column.is_stored else cells.column.type
    if kind == "option" and cells.column.field is not None:
        return _category(pandas, values, cells.column.field.options)
    if kind == "number":
        return pandas.Series(values, dtype="float64")
    if kind in ("day", "time"):
        return pandas.Series(values, dtype="datetime64[ns]")
    if kind == "flag":
        return pandas.Series(values, dtype="boolean")
    present = [one for one in values if one is not None]
    if kind == "text" or all(isinstance(one, str) for one in present):
        return _texts(pandas, values)
    if all(isinstance(one, datetime) for one in present):
        return pandas.Series(values, dtype="datetime64[ns]")
    if all(isinstance(one, (bool, int, float)) for one in present):
        # a gap turns whole numbers into floats, which hold 53 bits
        large = any(isinstance(one, int) and abs(one) >= 2**53 for one in present)
        return pandas.Series(values, dtype=object) if large else pandas.Series(values)
    return pandas.Series(values, dtype=object)


def _texts(pandas: Any, values: list[Any]) -> Any:
    # the type that this version of pandas gives to texts, also where a column holds none
    return pandas.Series(values, dtype=pandas.Series(["text"]).dtype)


def _category(pandas: Any, values: list[Any], options: Sequence[str]) -> Any:
    others = sorted({one for one in values if one is not None and one not in options})
    # where an option that the template does not have stands among the others is not known
    ordered = not others and _is_ordered(options)
    return pandas.Series(pandas.Categorical(values, categories=[*options, *others], ordered=ordered))


def _is_ordered(options: Sequence[str]) -> bool:
    """Whether options are, or begin with, numbers or Roman numerals that rise: I, II, III; 0 - none, 1 - mild."""
    ranks: list[float] = []
    for one in options:
        word = re.match(r"(?:[A-Za-z]+ )?([0-9]+(?:\.[0-9]+)?\+?|[IVXivx]+)(?![^\s:.)=-])", one.strip())
        if word is None:
            return False
        text = word[1].casefold()
        if text in _ROMAN:
            ranks.append(_ROMAN.index(text) + 1)
        elif text[0].isdigit():
            ranks.append(float(text.rstrip("+")) + (0.5 if text.endswith("+") else 0))
        else:
            return False
    return len(ranks) > 1 and all(one < other for one, other in itertools.pairwise(ranks))


def _warn(cells: _Cells, rows: Sequence[Mapping[str, Any]], stored: str, kept: bool) -> None:
    shown = []
    for number, text in list(cells.stored.items())[:3]:
        row = rows[number]
        owner = [_as_text(row[one]) for one in (*PARENTS, "name") if one in row and row[one] is not None]
        shown.append(f"{brief(text, 40)} of {printable('/'.join(owner)) or f'row {number}'}")
    more = f" and {len(cells.stored) - 3} more" if len(cells.stored) > 3 else ""
    way = f"kept as text in column {stored!r}"
    if not kept:
        way = f"what is stored is in column {cells.column.name + '.text'!r}, which was left out"
    if cells.column.type == "unreadable":
        text = f"metadata that is no JSON object: {', '.join(shown)}{more}; {way}"
    elif cells.column.type == "number" and any(cells.values[number] is not None for number in cells.stored):
        text = f"column {cells.column.name!r}: not, or not only, a number: {', '.join(shown)}{more}; {way}"
    else:
        meant = _MEANT.get(cells.column.type, "a value")
        text = f"column {cells.column.name!r}: not {meant} that it can hold: {', '.join(shown)}{more}; {way}"
    warn(text, TableWarning)
