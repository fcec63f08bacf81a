"""What the objects' searches take, made into the service's filters: days, counts, keys and values of any library.

Values mean what they mean (`values.plain_value`), and nothing becomes text that has no text of its own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Literal

import attrs

from ..errors import ValidationError
from ..values import brief, count_value, day_value, plain_value, text_value
from .validation import check_filter_list, check_subject_filter

MOST = 2**31 - 1
"""The largest number that the service takes."""
MOST_LEVELS = 32
"""How deep groups of filters may be nested."""

_DAY = re.compile(r"[0-9]{4}-[0-9]{1,2}\b")

Where = Mapping[str, Any] | Sequence[Mapping[str, Any]]
SessionsWhere = Mapping[str, Any]


# days and counts ------------------------------------------------------------------------------------------------------
def day_text(value: date | str | None) -> str | None:
    """A session's day as the service takes it. Raises ValidationError for what is no date."""
    found = day_value(value, "date")
    return None if found is None else found.isoformat()


def period(start: date | str | None, end: date | str | None) -> tuple[date | None, date | None]:
    """First and last day of a period. Raises ValidationError for what is no date, and for an end before the start."""
    first, last = day_value(start, "start"), day_value(_last_of(end), "end")
    if first is not None and last is not None and first > last:
        raise ValidationError(f"start {first} is after end {last}")
    return first, last


def _last_of(end: Any) -> Any:
    """Of a month or a year as pandas has them (a Period), its end: a day for the rest of `period`."""
    return getattr(end, "end_time", end) if type(end).__name__ == "Period" else end


def checked_limit(limit: Any) -> int | None:
    """A number of sessions, or None for all. Raises ValidationError."""
    return None if limit is None else count_value(limit, "limit", most=MOST)


# filters --------------------------------------------------------------------------------------------------------------
@attrs.frozen
class Criterion:
    """What a filter wants of one metadata field: EQ one value, IN any of them, ALL of them, BETWEEN two."""

    key: str
    operator: Literal["EQ", "IN", "ALL", "BETWEEN"]
    values: tuple[str, ...]

    def as_wire(self) -> dict[str, Any]:
        """The criterion as the service's filters over sessions take it."""
        made: dict[str, Any] = {"key": self.key, "operator": self.operator}
        if self.operator == "EQ":
            return {**made, "value": self.values[0]}
        return {**made, "values": list(self.values)}

    def is_met(self, present: Iterable[str]) -> bool:
        """Whether the texts of a stored value meet a BETWEEN. Between numbers there are numbers only."""
        low, high = self.values
        return any(_between(one, low, high) for one in present)

    def not_comparable(self, present: Iterable[str]) -> list[str]:
        """The texts of a stored value that are no numbers, where the range is one of numbers."""
        return [one for one in present if one.strip() and _is_foreign(one, *self.values)]


def _between(text: str, low: str, high: str) -> bool:
    if _is_foreign(text, low, high):
        return False
    try:
        return float(low) <= float(text) <= float(high)
    except ValueError:  # dates and words, as texts; of a time the day counts where the bound is a day
        return text[: len(low)] >= low and text[: len(high)] <= high


def _is_foreign(text: str, low: str, high: str) -> bool:
    """Whether a text is no number where both ends are: "81,2" and "812 mm" lie between none. (2023 may be a year.)"""
    return _is_number(low) and _is_number(high) and not _is_number(text) and not _DAY.match(text)


def _is_number(text: str) -> bool:
    try:
        return not math.isnan(float(text))
    except ValueError:
        return False


def criteria(where: Any) -> list[Criterion]:
    """The short form `{key: value}`, where a list is any of its values and a tuple of two is between them.

    Values may be Python's, numpy's or pandas': numbers, dates, texts; an array, a Series, a set, a range or a generator
    counts as a list. Raises ValidationError, which names the key and the value, for anything else.
    """
    if not isinstance(where, Mapping):
        raise ValidationError(
            f"where is a dictionary, {{key: value}} or a filter group, not {type(where).__name__}"
        )
    return [_criterion(key, value) for key, value in where.items()]


def _criterion(key: Any, value: Any) -> Criterion:
    if not isinstance(key, str) or not key:
        raise ValidationError(f"a filter's key is the name of a metadata field, not {brief(key)}")
    name = f"the filter on {key!r}"
    if value is None:
        raise ValidationError(f"{name} needs a value")
    if isinstance(value, tuple):
        return between(key, value)
    found = plain_value(value, name)
    if isinstance(found, dict) or found is None:
        raise ValidationError(f"{name} needs a value or a list of values, not {brief(value)}")
    if not isinstance(found, list):
        return Criterion(key, "EQ", (text_value(found, name),))
    if not found:
        raise ValidationError(f"{name} allows no value at all")
    return Criterion(key, "IN", tuple(dict.fromkeys(text_value(one, name) for one in found)))


def between(key: str, bounds: Sequence[Any]) -> Criterion:
    """The criterion of a range, both ends included.

    Raises ValidationError for other than two ends, an end that is missing, and ends in the wrong order.
    """
    if len(bounds) != 2:
        raise ValidationError(
            f"a tuple in the filter on {key!r} means between: it takes two values, not {brief(bounds)}"
        )
    name = f"the filter on {key!r}"
    if any(one is None for one in bounds):
        raise ValidationError(
            f"{name} is a range with an open end, {brief(bounds)}: give both ends, such as '9999-12-31' for any later day"
        )
    low, high = (text_value(one, name) for one in bounds)
    try:
        days = [day_value(one, name) for one in (low, high)]
    except ValidationError:
        pass
    else:  # 2023-3-1 and 2023-11-30 do not compare as texts
        low, high = (str(one) for one in days)
    try:
        is_ordered = float(low) <= float(high)
    except ValueError:
        is_ordered = low <= high
    if not is_ordered:
        raise ValidationError(f"{name} is a range that ends before its start: {brief(bounds)}")
    return Criterion(key, "BETWEEN", (low, high))


def is_service_form(where: Any) -> bool:
    """Whether a filter over subjects is in the service's own form, a leaf or a group."""
    return isinstance(where, Mapping) and (
        "logic" in where or "filters" in where or {"key", "operator"} <= set(where)
    )


# filters over subjects ------------------------------------------------------------------------------------------------
def subject_filter(where: Where | None) -> dict[str, Any] | None:
    """A filter over subject metadata as the service takes it. Raises ValidationError for a malformed one."""
    if where is None:
        return None
    if is_service_form(where):
        _check_depth(where)
        made = _with_texts(where)
        check_subject_filter(made)
        _check_complete(made)
        return made
    return subject_group(criteria(where))


def _check_depth(tree: Any) -> None:
    """Refuse groups that are nested without sense, or in themselves. Raises ValidationError."""
    level, depth = [tree], 0
    while level:
        depth += 1
        if depth > MOST_LEVELS:
            raise ValidationError(
                f"where has groups nested deeper than {MOST_LEVELS} levels; a group takes any number of filters, so that an "
                "AND in an AND, or an OR in an OR, can be one group"
            )
        below: dict[int, Any] = {}
        for one in level:
            parts = one.get("filters") if isinstance(one, Mapping) else None
            if isinstance(parts, Sequence) and not isinstance(parts, str):
                below.update((id(part), part) for part in parts)
        level = list(below.values())


def subject_group(wanted: Sequence[Criterion]) -> dict[str, Any] | None:
    """The group that holds where all criteria do; None without any. Raises ValidationError for a range."""
    filters = []
    for one in wanted:
        leaves = [{"key": one.key, "operator": "EQ", "value": value} for value in one.values]
        if one.operator == "BETWEEN":
            raise ValidationError(
                f"the service has no ranges over subjects ({one.key!r}): find_subjects compares them itself"
            )
        filters.append(_group("OR", leaves) if one.operator == "IN" else leaves[0])
    return _group("AND", filters) if filters else None


def subject_criteria(tree: Mapping[str, Any]) -> list[Criterion]:
    """The leaves of a checked filter in the service's form."""
    if "filters" in tree:
        return [leaf for one in tree["filters"] for leaf in subject_criteria(one)]
    return [Criterion(tree["key"], "EQ", (tree["value"],))]


def _group(logic: str, filters: list[dict[str, Any]]) -> dict[str, Any]:
    return {"logic": logic, "filters": filters}


def _with_texts(tree: Any) -> dict[str, Any]:
    """A filter in the service's form with its values as text; what is malformed is left for the check."""
    made = dict(tree) if isinstance(tree, Mapping) else tree
    if not isinstance(made, dict):
        return made  # type: ignore[no-any-return]
    filters = made.get("filters")
    if isinstance(filters, Sequence) and not isinstance(filters, str):
        made["filters"] = [_with_texts(one) for one in filters]
    if not isinstance(made.get("value"), (str, type(None), Mapping, list, tuple)):
        made["value"] = text_value(made["value"], f"the filter on {made.get('key')!r}")
    return made


def _check_complete(tree: Mapping[str, Any]) -> None:
    """Refuse what the service would pass over: unknown names, a group without filters."""
    known = {"logic", "filters"} if "logic" in tree else {"key", "operator", "value"}
    if set(tree) != known:
        raise ValidationError(f"a filter has {' and '.join(sorted(known))}; this one has {sorted(tree)}")
    if "filters" in known and not tree["filters"]:
        raise ValidationError("a filter group needs a list of filters that is not empty")
    for part in tree.get("filters", ()):
        _check_complete(part)


def sessions_filter(sessions: SessionsWhere | None) -> dict[str, Any] | None:
    """A filter by dates and number of sessions. The service leaves the last day out; ours includes it."""
    if sessions is None:
        return None
    if not isinstance(sessions, Mapping):
        raise ValidationError(
            f"sessions is a dictionary of start, end, min and max, and not {brief(sessions)}"
        )
    unknown = [name for name in sessions if name not in ("start", "end", "min", "max")]
    if unknown:
        raise ValidationError(f"sessions takes start, end, min and max, and not {unknown}")
    made: dict[str, Any] = {}
    first, last = period(sessions.get("start"), sessions.get("end"))
    if first is not None or last is not None:
        made["sessionDates"] = {
            "startDate": None if first is None else first.isoformat(),
            "endDate": None if last is None else _next_day(last),
        }
    counts = {
        name: None if sessions.get(name) is None else count_value(sessions[name], name, least=0, most=MOST)
        for name in ("min", "max")
    }
    least, most = counts["min"], counts["max"]
    if least is not None and most is not None and least > most:
        raise ValidationError(f"min {least} is more than max {most}")
    if any(count is not None for count in counts.values()):
        made["numSessions"] = counts
    return made or None


def _next_day(last: date) -> str:
    if last == date.max:
        raise ValidationError(f"end {last} is the last day of the calendar: leave it out for no end")
    return (last + timedelta(days=1)).isoformat()


# filters over sessions ------------------------------------------------------------------------------------------------
def session_criteria(where: Where | None) -> list[Criterion]:
    """The criteria of a filter over sessions, in either form. Raises ValidationError for malformed ones."""
    if where is None:
        return []
    if isinstance(where, Mapping):
        return criteria(where)
    if isinstance(where, str) or not isinstance(where, Sequence):
        raise ValidationError(f"where is a dictionary or a list of filters, not {type(where).__name__}")
    given = [_with_list(one) if isinstance(one, Mapping) else one for one in where]
    check_filter_list(given)
    return [_given_criterion(one) for one in given]


def metadata_filters(where: Where | None) -> list[dict[str, Any]] | None:
    """Filters over session metadata (or over the subjects of sessions). Raises ValidationError for malformed ones."""
    return [one.as_wire() for one in session_criteria(where)] or None


def _with_list(one: Mapping[str, Any]) -> dict[str, Any]:
    """A filter whose `values`, which may be an array or a generator, are a list."""
    made = dict(one)
    if made.get("values") is not None and not isinstance(made["values"], (str, list, tuple)):
        made["values"] = plain_value(made["values"], f"the filter on {made.get('key')!r}")
    return made


def _given_criterion(one: Mapping[str, Any]) -> Criterion:
    key, operator = one["key"], one["operator"]
    name = f"the filter on {key!r}"
    if operator == "EQ":
        return Criterion(key, "EQ", (text_value(one["value"], name),))
    if operator == "BETWEEN":
        return between(key, one["values"])
    return Criterion(key, operator, tuple(text_value(value, name) for value in one["values"]))
