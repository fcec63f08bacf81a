"""Contents of derived files: which names hold what, and how bytes become checked Python values.

Files come from software of many makers and years. What cannot be right is never passed on as a number: it becomes NaN, and a
text that says where it was found.
"""

from __future__ import annotations

import datetime
import json
import math
import re
import reprlib
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs

try:
    import orjson
except ImportError:
    _fast_loads: Callable[[bytes], Any] | None = None
else:
    _fast_loads = orjson.loads

_PACKAGE = str(Path(__file__).resolve().parents[1])


class GaitFileWarning(UserWarning):
    """Something in a derived file cannot be right. What it is, is in `.attrs["problems"]` of the result, too."""


def _no_extra(value: Mapping[str, str] | None) -> dict[str, str]:
    return dict(value or {})


@attrs.frozen
class FileContent:
    """The content of one derived file and the trial that it belongs to.

    `extra` are further coordinates of the trial, such as `{"phase": "before"}`: they become coordinates and columns of
    their own.
    """

    name: str
    content: bytes = attrs.field(repr=lambda content: f"<{len(content)} bytes>")
    subject: str = ""
    session: str = ""
    date: datetime.date | None = None
    condition: str = ""
    trial: str = ""
    clip: str = ""
    extra: Mapping[str, str] = attrs.field(factory=dict, converter=_no_extra)

    @property
    def where(self) -> str:
        """The trial and the file, for people to read."""
        place = "/".join(part for part in (self.subject, self.session, self.condition, self.trial) if part)
        return f"{place}: {self.name}" if place else self.name

    @property
    def trial_key(self) -> tuple[str, ...]:
        """What tells the trial from all others: the clip's id, its names where there is no id, the file's where none."""
        if self.clip:
            return (self.clip,)
        names = (self.subject, self.session, self.condition, self.trial)
        return ("", *names) if any(names) else ("", *names, self.name)


class UnreadableError(Exception):
    """A file's bytes are not what its name promises. The text says why; it is caught and reported in this package."""


@attrs.define
class Findings:
    """What was noticed in one file. `faults` cost values and are warned of; `notes` only say how the file was read."""

    where: str
    faults: list[str] = attrs.field(factory=list)
    notes: list[str] = attrs.field(factory=list)

    def fault(self, text: str) -> None:
        if text not in self.faults:
            self.faults.append(text)

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def report(self, problems: list[str]) -> None:
        """Add everything to `problems`, and warn once of the faults, at the caller's line outside this library."""
        problems += [f"{self.where}: {text}" for text in (*self.faults, *self.notes)]
        if self.faults:
            more = f" (and {len(self.faults) - 1} more)" if len(self.faults) > 1 else ""
            warn(f"{self.where}: {self.faults[0]}{more}")


def warn(text: str, category: type[Warning] = GaitFileWarning) -> None:
    """Warn at the line that called this library."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, category, stacklevel=level)


_QUOTE = reprlib.Repr()
_QUOTE.maxlevel, _QUOTE.maxstring, _QUOTE.maxother, _QUOTE.maxlong = 2, 40, 40, 40


def short(value: object) -> str:
    """A value of a file as it is quoted in a text, however long or deep it is."""
    if isinstance(value, Twice):
        return str(value)
    try:
        return _QUOTE.repr(value)
    except ValueError:  # Python does not write integers of thousands of digits
        return f"{type(value).__name__} too long to write"


# --- which names hold what

_ALIASES = {"lengths": "lengths_velocities", "velocities": "lengths_velocities"}
_MARKED = re.compile(r"<<<(?P<cycle>.*)>>>", re.S)


def _pattern(file: str) -> re.Pattern[str]:
    given = file.removesuffix(".json")
    stem = given.removesuffix("_normalized")
    only = "" if stem != given else "?"  # a name that ends in _normalized means no other
    stem = re.escape(_ALIASES.get(stem, stem))
    return re.compile(rf"(?P<prefix>(?:.*[^a-z])?){stem}(?P<normalized>_normalized){only}\.json", re.I | re.S)


def wanted(names: Iterable[str], file: str) -> list[str]:
    """Which of a trial's file names may hold the cycles of `file` ("angles", "moments", "powers", "lengths_velocities", …).

    A `…_normalized.json` is chosen before the file of the same name without it, which may be a time series; what the first row
    holds tells once it is read. Names keep their order.

    >>> wanted(["angles.json", "angles_normalized.json", "event.json", "P-1<<<Walk 01>>>angles_normalized.json"], "angles")
    ['angles_normalized.json', 'P-1<<<Walk 01>>>angles_normalized.json']
    >>> wanted(["angles.json", "triangles.json"], "angles")
    ['angles.json']
    """
    pattern = _pattern(file)
    found = [(name, match) for name in names if (match := pattern.fullmatch(name))]
    normalized = {match["prefix"] for _, match in found if match["normalized"]}
    return [name for name, match in found if match["normalized"] or match["prefix"] not in normalized]


def series_files(names: Iterable[str], file: str) -> list[str]:
    """Which of a trial's file names may hold the time series of `file`.

    >>> series_files(["angles.json", "angles_normalized.json"], "angles")
    ['angles.json']
    """
    pattern = _pattern(file)
    return [name for name in names if (match := pattern.fullmatch(name)) and not match["normalized"]]


def held_by(name: str) -> str:
    """What a derived file holds by its name, as `wanted` takes it; "" for a name that is none of a JSON file.

    >>> held_by("P-1<<<Walk 01>>>angles_normalized.json"), held_by("event.json"), held_by("a.c3d")
    ('angles', 'event', '')
    """
    stem = name.rpartition(">>>")[2]
    return stem[: -len(".json")].removesuffix("_normalized") if stem.casefold().endswith(".json") else ""


def parameter_files(names: Iterable[str]) -> list[str]:
    """Which of a trial's file names hold gait parameters.

    >>> parameter_files(["gait_params.json", "P-1<<<Walk 01>>>gait_params.json", "angles.json"])
    ['gait_params.json', 'P-1<<<Walk 01>>>gait_params.json']
    """
    return [name for name in names if _PARAMETERS.fullmatch(name)]


def event_files(names: Iterable[str]) -> list[str]:
    """Which of a trial's file names hold gait events.

    >>> event_files(["event.json", "events.json", "prevent.json"])
    ['event.json', 'events.json']
    """
    return [name for name in names if _EVENTS.fullmatch(name)]


_PARAMETERS = re.compile(r"(?:.*[^a-z])?gait_param(?:eter)?s\.json", re.I | re.S)
_EVENTS = re.compile(r"(?:.*[^a-z])?events?\.json", re.I | re.S)


def marked_cycle(name: str) -> str | None:
    """The cycle that a one-cycle file's name holds between `<<<` and `>>>`.

    >>> marked_cycle("P-1<<<Walk 01>>>angles_normalized.json")
    'Walk 01'
    """
    match = _MARKED.search(name)
    return match["cycle"] if match else None


# --- bytes


@attrs.frozen
class Twice:
    """A key that an object of the file holds more than once, with different values: none of them is used."""

    key: str

    def __str__(self) -> str:
        return f"given twice as {self.key}"


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found and not _same(found[key], value):
            value = Twice(key)
        found[key] = value
    return found


def _same(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other


def parse(content: bytes) -> dict[str, Any]:
    """The object that a file holds. A key that it holds twice with different values comes back as `Twice`.

    Raises UnreadableError, which says why the bytes are no such object.
    """
    if not content or content.isspace():
        raise UnreadableError(f"the file is empty ({len(content)} bytes)")
    document: Any = None
    quick = _fast_loads is not None
    if _fast_loads is not None:
        try:
            document = _fast_loads(content)
        except (
            ValueError
        ):  # NaN and Infinity, which older files hold, or a byte order mark: the standard parser reads them
            quick = False
    if not quick or content.count(b":") != _colons(document):
        document = _careful(content)
    if not isinstance(document, dict):
        raise UnreadableError(f'it holds {_kind(document)} in place of an object with "data" or "events"')
    return document


def _careful(content: bytes) -> Any:
    try:
        text = content.decode(json.detect_encoding(content))
        return json.loads(text.removeprefix("\ufeff"), object_pairs_hook=_pairs)
    except RecursionError:
        raise UnreadableError("its objects are nested too deep") from None
    except ValueError as error:
        raise UnreadableError(f"it is not JSON: {error}") from None


def _colons(document: object) -> int:
    """How many colons a document without repeated keys has; rows of numbers are counted by their number of keys.

    Rows may hold more (nested objects, texts): then the count is below the file's, and the file is read the careful way.
    """
    total = 0
    pending: list[Any] = [document] if isinstance(document, (dict, list)) else []
    while pending:
        one = pending.pop()
        if isinstance(one, dict):
            total += len(one) + "".join(one).count(":")
            values: Iterable[Any] = one.values()
        elif _rows_of(one):
            total += sum(map(len, one))
            continue
        else:
            values = one
        for value in values:
            kind = type(value)
            if kind is str:
                total += value.count(":")
            elif kind is dict or kind is list:
                pending.append(value)
    return total


def _rows_of(values: list[Any]) -> bool:
    """Whether a list holds rows of numbers, by its first: no need to look into each."""
    first = values[0] if values else None
    if type(first) is not dict or "values" in first or "label" in first or "name" in first:
        return False
    return set(map(type, values)) == {dict}


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def items(document: Mapping[str, Any], key: str) -> list[Any]:
    """The list that the document holds under `key`. Raises UnreadableError where it is absent or no list."""
    if key not in document:
        raise UnreadableError(
            f"it has no {key!r}; its keys are {', '.join(map(short, list(document)[:8])) or 'none'}"
        )
    value = document[key]
    if not isinstance(value, list):
        raise UnreadableError(
            f"its {key!r} is {value if isinstance(value, Twice) else _kind(value)} in place of a list"
        )
    return value


def number(value: object) -> float | None:
    """A value of a file as a float: NaN for null, None for what is no finite number."""
    if value is None:
        return math.nan
    if type(value) is float:
        return None if math.isinf(value) else value
    if type(value) is int:
        try:
            return float(value)
        except OverflowError:
            return None
    return None
