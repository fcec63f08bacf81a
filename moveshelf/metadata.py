"""The shapes that metadata takes on the wire, undone and put back.

A subject's metadata is the JSON text of one object, its interventions among the other keys. A session's is JSON text
of `{"metadata": {...}, ...}`. A value is text; or `{"value": text or list, ...}`; or a list of
`{"context": "left"|"right", "value": ...}`. In here: parsing, and the plain form that people read.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from datetime import date, datetime, timezone
from typing import Any, TypeGuard

from .errors import ValidationError

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_FRACTION = re.compile(r"\.(\d+)")


def parse_record(text: Any) -> Any:
    """The object in a JSON text; text that is none stays text, so that nothing is lost."""
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # no JSON, or nested deeper than anybody writes it
        return text


def record_of(value: Any, whose: str) -> dict[str, Any]:
    """`value` as a dictionary: None is empty. Raises ValidationError where the stored text is no JSON object."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValidationError(f"the metadata of {whose} is not a JSON object but {str(value)[:60]!r}")
    return value


def plain(value: Any) -> Any:
    """One stored value as people read it.

    `{"value": x}` is x; a list of contexts is `{"left": x, "right": y}`; everything else is itself. A list with a
    context twice, or with members that are none, keeps its stored form, so that nothing is lost.
    """
    if isinstance(value, Mapping) and "value" in value:
        return value["value"]
    if isinstance(value, list) and value and all(_is_context(one) for one in value):
        sides = [one["context"] for one in value]
        if len(set(sides)) == len(sides):
            return {one["context"]: one["value"] for one in value}
    return value


def _is_context(one: Any) -> bool:
    return (
        isinstance(one, Mapping)
        and isinstance(one.get("context"), str)
        and bool(one["context"])
        and "value" in one
    )


def values(stored: Mapping[str, Any]) -> dict[str, Any]:
    """All values of a stored object in the plain form; a new dictionary."""
    return {key: plain(value) for key, value in stored.items()}


def is_empty(value: Any) -> bool:
    """Whether a stored value counts as not filled in: nothing, an empty text or list, or only such values."""
    if value is None or value == "" or value == []:
        return True
    if isinstance(value, Mapping) and "value" in value:
        return is_empty(value["value"])
    if _is_sided(value):
        return all(is_empty(one["value"]) for one in value)
    return False


def _is_sided(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list) and bool(value) and all(_is_context(one) for one in value)


def stored(value: Any, before: Any = None) -> Any:
    """A plain value in the shape in which the service stores it, like the value that stood there `before`.

    `{"left": x, "right": y}` becomes a list of contexts, a list of texts a multiselect value, a number or a date its
    text; what has a stored shape already stays as it is. Raises ValidationError for what the service cannot store.
    """
    if isinstance(value, Mapping):
        if "value" in value:
            return {**value, "value": _text_or_list(value["value"])}
        sides = {"left", "right"} | ({one["context"] for one in before} if _is_sided(before) else set())
        if value and set(value) <= sides:
            return [_side(side, one, before) for side, one in value.items()]
        return _json(value)
    if _is_sided(value):
        return [{**one, "value": _text_or_list(one["value"])} for one in value]
    found = _text_or_list(value)
    if isinstance(before, Mapping) and "value" in before:
        return {**before, "value": found}
    if isinstance(before, list) and (before or not found) and isinstance(found, list):
        return found  # it was stored as a bare list
    if isinstance(found, list) and all(isinstance(one, str) for one in found):
        return {"value": found, "multiselect": True}
    return found


def _side(side: str, value: Any, before: Any) -> dict[str, Any]:
    known: dict[str, Any] = (
        next((one for one in before if one["context"] == side), {}) if _is_sided(before) else {}
    )
    return {**known, "context": side, "value": _text_or_list(value)}


def _text_or_list(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_text(one) for one in value]
    return _text(value)


def _text(value: Any) -> Any:
    """Numbers and dates as the service keeps them: as text."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (int, float)):
        if value != value or value in (float("inf"), float("-inf")):
            raise ValidationError(f"{value!r} is no value that metadata can hold")
        return str(value)
    if hasattr(value, "item") and not isinstance(value, Mapping):  # a number of numpy's or pandas'
        return _text(value.item())
    return _json(value)


def _json(value: Any) -> Any:
    try:
        json.dumps(value, allow_nan=False)
    except RecursionError:
        raise ValidationError(
            f"a {type(value).__name__} that is nested so deeply is no value that metadata can hold"
        ) from None
    except (TypeError, ValueError):
        raise ValidationError(
            f"{str(value)[:60]!r} ({type(value).__name__}) is no value that metadata can hold"
        ) from None
    return value


def merge(existing: Mapping[str, Any], new: Mapping[str, Any], *, overwrite: bool = False) -> dict[str, Any]:
    """`existing` with `new` put in: only where a field is empty, unless `overwrite`. A new dictionary.

    Of a field with sides each side counts by itself. A value of None says nothing and changes nothing. Neither
    argument is changed. Raises ValidationError for a value that cannot be stored.
    """
    merged = dict(existing)
    for key, value in new.items():
        if value is None:
            continue
        before = existing.get(key)
        value = stored(value, before)
        if _is_sided(before) and _is_sided(value):
            merged[key] = _merge_sides(before, value, overwrite)
        elif overwrite or is_empty(before):
            merged[key] = value
    return merged


def _merge_sides(before: list[Any], value: list[Any], overwrite: bool) -> list[Any]:
    new = {one["context"]: one for one in value if one["value"] is not None}
    sides = []
    for one in before:
        other = new.pop(one["context"], None)
        sides.append(other if other is not None and (overwrite or is_empty(one["value"])) else one)
    return [*sides, *new.values()]


def to_date(text: Any) -> date | str | None:
    """The day of an ISO date-time: its first ten characters. What is no date stays the text that it is."""
    if not isinstance(text, str):
        return None
    try:
        return date.fromisoformat(text[:10]) if _DAY.match(text) else text
    except ValueError:
        return text


def to_datetime(text: Any) -> datetime | str | None:
    """An ISO date-time with its zone, UTC where it has none. What is none stays the text that it is."""
    if not isinstance(text, str):
        return None
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        try:
            # what Python 3.10 does not read: a Z, and fractions of other than three or six digits
            zoned = re.sub(r"[Zz]$", "+00:00", text)
            when = datetime.fromisoformat(_FRACTION.sub(lambda found: f".{found[1]:0<6.6}", zoned))
        except ValueError:
            return text
    return when if when.tzinfo is not None else when.replace(tzinfo=timezone.utc)


_EMPTY: tuple[Any, ...] = ("", [])


def merge_as_published(existing: Any, imported: Any) -> Any:
    """`existing` with its empty values, and the keys that it lacks, taken from `imported`; neither is changed.

    The rule of the published client 1.6.4, for the flat client alone, whose scripts rely on every corner of it. It differs
    from `merge`: values travel as they were given, in the service's stored shape; None is a value and not empty; only a
    stored "" or [] counts as empty; in a list of {"context", "value"} the last imported entry of a side is taken, and
    sides that are not stored are left out; an entry without a side takes the whole imported list.
    """
    if not existing:
        return imported
    merged = dict(existing)
    for key, value in existing.items():
        if key not in imported:
            continue
        if isinstance(value, str):
            if value == "":
                merged[key] = imported[key]
        elif isinstance(value, dict):
            if value.get("value") in _EMPTY:
                merged[key] = imported[key]
        elif isinstance(value, list):
            merged[key] = _merge_entries(value, imported[key])
    for key, value in imported.items():
        merged.setdefault(key, value)
    return merged


def _merge_entries(entries: list[Any], imported: Any) -> Any:
    """A list of one value per side (context); the last imported entry of the same side wins."""
    merged: Any = list(entries)
    for index, entry in enumerate(entries):
        if not (isinstance(entry, dict) and entry.get("value") in _EMPTY):
            continue
        if "context" not in entry:
            merged = copy.copy(imported)
            continue
        for candidate in imported if isinstance(imported, list) else ():
            same = isinstance(candidate, dict) and candidate.get("context") == entry["context"]
            if same and isinstance(merged, list) and index < len(merged):
                merged[index] = candidate
    return merged
