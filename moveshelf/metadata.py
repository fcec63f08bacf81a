"""The shapes that metadata takes on the wire, undone and put back.

A subject's metadata is the JSON text of one object, its interventions among the other keys. A session's is JSON text
of `{"metadata": {...}, ...}`. A value is text; or `{"value": text or list, ...}`; or a list of
`{"context": "left"|"right", "value": ...}`. In here: parsing, the plain form that people read, and the two
rules of merging that must differ (`merge` and `merge_as_published`).
"""

from __future__ import annotations

import copy
import json
import math
import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timezone
from typing import Any, Final, NoReturn, TypeGuard

import attrs

from .errors import ValidationError
from .values import DEEPEST, brief, is_deeper, plain_value, text_value

#: The key of the metadata field that the service shows as the EHR id.
EHR_KEY: Final = "ehr-id"

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_FRACTION = re.compile(r"\.(\d+)")


def parse_record(text: Any) -> Any:
    """The object in a JSON text; text that is none, or is nested deeper than DEEPEST levels, stays text.

    So nothing is lost, and what is nested without end cannot stop a walk through a record half-way.
    """
    if not isinstance(text, str):
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    may_be_deep = text.count("{") + text.count("[") > DEEPEST
    return text if may_be_deep and is_deeper(value, DEEPEST) else value


def parsed(text: Any, what: str) -> Any:
    """The value of a JSON text that the service stores. Raises ValidationError, which names `what`, for text that is none."""
    value = parse_record(text)
    if value is text:
        raise ValidationError(
            f"{what} is not JSON text, or is nested deeper than {DEEPEST} levels: {brief(text)}"
        )
    return value


def record_of(value: Any, whose: str) -> dict[str, Any]:
    """`value` as a dictionary: None is empty. Raises ValidationError where the stored text is no JSON object."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        deep = f", or is nested deeper than {DEEPEST} levels:" if isinstance(value, str) else " but"
        raise ValidationError(f"the metadata of {whose} is not a JSON object{deep} {str(value)[:60]!r}")
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


def stored(value: Any, before: Any = None, name: str = "the value") -> Any:
    """A value in the shape in which the service stores it, like the value that stood there `before`.

    `{"left": x, "right": y}` becomes a list of contexts, a list of texts a multiselect value, a number or a date its
    text; what has a stored shape already stays as it is. Values of numpy and pandas, arrays, sets and generators mean what
    they mean. Raises ValidationError, which names `name`, for what the service cannot store, NaN and NaT among it.
    """
    value = plain_value(value, name)
    if isinstance(value, Mapping):
        if "value" in value:
            return {**_json(value, name), "value": _text_or_list(value["value"], name)}
        sides = {"left", "right"} | ({one["context"] for one in before} if _is_sided(before) else set())
        if value and set(value) <= sides:
            return [_side(side, one, before, name) for side, one in value.items()]
        return _json(value, name)
    if _is_sided(value):
        return [{**_json(one, name), "value": _text_or_list(one["value"], name)} for one in value]
    found = _text_or_list(value, name)
    if isinstance(before, Mapping) and "value" in before:
        return {**before, "value": found}
    if isinstance(before, list) and (before or not found) and isinstance(found, list):
        return found  # a bare list was stored, and stays one
    if isinstance(found, list) and all(isinstance(one, str) for one in found):
        return {"value": found, "multiselect": True}
    return found


def _side(side: str, value: Any, before: Any, name: str) -> dict[str, Any]:
    known: dict[str, Any] = (
        next((one for one in before if one["context"] == side), {}) if _is_sided(before) else {}
    )
    return {**known, "context": side, "value": _text_or_list(value, name)}


def _text_or_list(value: Any, name: str) -> Any:
    if isinstance(value, list):
        return [_text(one, name) for one in value]
    return _text(value, name)


def _text(value: Any, name: str) -> Any:
    """Numbers and dates as the service keeps them: as text."""
    if isinstance(value, (bool, str)) or value is None:
        return value
    if isinstance(value, (Mapping, list)):
        return _json(value, name)
    return text_value(value, name)


def as_json(value: Any, name: str) -> Any:
    """A structure as JSON holds it: numbers stay numbers, dates become texts, those of numpy and pandas too.

    Raises ValidationError, which names `name`, for what JSON has no form for.
    """
    return _json(plain_value(value, name), name)


def _json(value: Any, name: str) -> Any:
    if isinstance(value, Mapping):
        return {key: _json(one, name) for key, one in value.items()}
    if isinstance(value, list):
        return [_json(one, name) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise ValidationError(f"{name} cannot hold {value!r}: pass a finite number")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return text_value(value, name)


def merge(existing: Mapping[str, Any], new: Mapping[str, Any], *, overwrite: bool = False) -> dict[str, Any]:
    """`existing` with `new` put in: only where a field is empty, unless `overwrite`. A new dictionary.

    Of a field with sides each side counts by itself. A value of None removes the field or side where `overwrite` is set,
    and says nothing otherwise. Neither argument is changed. Raises ValidationError for a value that cannot be stored.
    """
    merged = dict(existing)
    for key, value in new.items():
        if value is None:
            if overwrite:
                merged.pop(key, None)
            continue
        before = existing.get(key)
        value = stored(value, before, f"metadata {key!r}")
        if _is_sided(value):
            sides = _merge_sides(before if _is_sided(before) else [], value, overwrite)
            if not _is_sided(before) and not (overwrite or is_empty(before)):
                continue
            if sides:
                merged[key] = sides
            elif overwrite:
                merged.pop(key, None)
        elif overwrite or is_empty(before):
            merged[key] = value
    return merged


def merge_subject(
    record: Mapping[str, Any],
    given: Mapping[str, Any],
    interventions: list[Any] | None,
    *,
    overwrite: bool,
) -> dict[str, Any]:
    """A subject's whole `record` with `given` put in as `merge` does, and its interventions replaced if some are given.

    Without `overwrite` interventions fill in only where there are none.
    """
    merged = merge(record, given, overwrite=overwrite)
    if "interventions" in record:
        merged["interventions"] = record["interventions"]
    if interventions is not None and (overwrite or not record.get("interventions")):
        merged["interventions"] = interventions
    return merged


def _merge_sides(before: list[Any], value: list[Any], overwrite: bool) -> list[Any]:
    new = {one["context"]: one for one in value}
    sides = []
    for one in before:
        other = new.pop(one["context"], None)
        if other is None or not (overwrite or is_empty(one["value"])):
            sides.append(one)
        elif other["value"] is not None:
            sides.append(other)
        elif not overwrite:
            sides.append(one)
    return [*sides, *(one for one in new.values() if one["value"] is not None)]


@attrs.frozen
class MetadataUpdate:
    """What a write of metadata has changed and what it has kept, by field, in plain form.

    `changed`: what is stored now (None for what was removed); `before`: what was stored there (None where nothing was);
    `kept`: the given fields that are as they were, because the same was stored or, where only empty fields are filled,
    another value. Of a field with sides the sides are told apart. True where anything was changed.

    Example:
        >>> done = subject.fill_metadata({"subject-sex": "Male", "subject-notes": "seen"})
        >>> done.changed, done.kept
        ({'subject-notes': 'seen'}, {'subject-sex': 'Female'})
    """

    changed: Mapping[str, Any] = attrs.field(factory=dict, hash=False)
    kept: Mapping[str, Any] = attrs.field(factory=dict, hash=False)
    before: Mapping[str, Any] = attrs.field(factory=dict, hash=False, repr=False)

    @classmethod
    def of(
        cls, given: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any]
    ) -> MetadataUpdate:
        """The record of a write of `given`, from what was stored before and what is after."""
        changed: dict[str, Any] = {}
        kept: dict[str, Any] = {}
        replaced: dict[str, Any] = {}
        for key, value in given.items():
            old, now = plain(before.get(key)), plain(after.get(key))
            if old == now:
                if key in after:
                    kept[key] = now
            elif isinstance(value, Mapping) and isinstance(now, Mapping) and isinstance(old, Mapping | None):
                sides = [side for side in value if (old or {}).get(side) != now.get(side)]
                changed[key] = {side: now.get(side) for side in sides}
                replaced[key] = {side: (old or {}).get(side) for side in sides}
                same = {side: now[side] for side in value if side not in sides and side in now}
                if same:
                    kept[key] = same
            else:
                changed[key], replaced[key] = now, old
        return cls(changed, kept, replaced)

    def __bool__(self) -> bool:
        return bool(self.changed)


class ReadOnlyDict(dict[str, Any]):
    """A dictionary that is read like any other, by json, pandas and `==` too, and refuses to be changed.

    What is read from an object is a copy of what the service holds: a change of it would change nothing, without a word.
    `copy()`, `dict()`, `copy.deepcopy()` and pickle give plain dictionaries, which can be changed.
    """

    __slots__ = ("_way",)
    _way: str

    def __init__(self, values: Mapping[str, Any], way: str) -> None:
        """`way` is the method that writes, for the error."""
        super().__init__({key: read_only(value, way) for key, value in values.items()})
        self._way = way

    def copy(self) -> dict[str, Any]:
        """A plain dictionary, with plain lists and dictionaries in it."""
        return copy.deepcopy(self)

    def __copy__(self) -> dict[str, Any]:
        return copy.deepcopy(self)

    def __deepcopy__(self, memo: Any) -> dict[str, Any]:
        return {key: copy.deepcopy(value, memo) for key, value in self.items()}

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return (dict, (copy.deepcopy(self),))

    def _refuse(self, *args: Any, **values: Any) -> NoReturn:
        raise _read_only_error(self._way)

    __setitem__ = __delitem__ = __ior__ = _refuse
    update = setdefault = pop = popitem = clear = _refuse


class ReadOnlyList(list[Any]):
    """A list that is read like any other and refuses to be changed; see ReadOnlyDict."""

    __slots__ = ("_way",)
    _way: str

    def __init__(self, values: Iterable[Any], way: str) -> None:
        super().__init__(read_only(value, way) for value in values)
        self._way = way

    def copy(self) -> list[Any]:
        """A plain list, with plain lists and dictionaries in it."""
        return copy.deepcopy(self)

    def __copy__(self) -> list[Any]:
        return copy.deepcopy(self)

    def __deepcopy__(self, memo: Any) -> list[Any]:
        return [copy.deepcopy(value, memo) for value in self]

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return (list, (copy.deepcopy(self),))

    def _refuse(self, *args: Any, **values: Any) -> NoReturn:
        raise _read_only_error(self._way)

    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse
    append = extend = insert = pop = remove = clear = sort = reverse = _refuse


def read_only(value: Any, way: str) -> Any:
    """A parsed JSON value that refuses changes and names the method that writes."""
    if isinstance(value, dict):
        return ReadOnlyDict(value, way)
    if isinstance(value, list):
        return ReadOnlyList(value, way)
    return value


def _read_only_error(way: str) -> TypeError:
    return TypeError(
        f"this shows what the service holds, and a change of it would not be written; use {way}, or change a copy "
        "(dict(...), .copy())"
    )


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
