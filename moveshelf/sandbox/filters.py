"""Which sessions and subjects a filter means: days, metadata values, nested groups."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from .days import iso_day
from .execute import Refused


def day(value: str | None) -> str | None:
    """The day of a date or date-time argument."""
    return iso_day(value) or value[:10] if value else None


def within(date: str | None, start: str | None, end: str | None, *, end_included: bool = True) -> bool:
    """Whether a stored date lies between two days. The undated lie only in the span without ends."""
    start, end = day(start), day(end)
    if start is None and end is None:
        return True
    if date is None:
        return False
    at = date[:10]
    if start is not None and at < start:
        return False
    if end is None:
        return True
    return at <= end if end_included else at < end


def values_of(value: Any) -> list[str]:
    """A metadata value in any of its shapes, as the texts in it."""
    if value is None:
        return []
    if isinstance(value, dict):
        return values_of(value.get("value"))
    if isinstance(value, list):
        return [text for item in value for text in values_of(item)]
    if isinstance(value, bool):
        return ["true" if value else "false"]
    return [str(value)]


def subject_values(metadata: str | None) -> dict[str, Any]:
    """The values of a subject's stored metadata."""
    found = json.loads(metadata) if metadata else {}
    return found if isinstance(found, dict) else {}


def session_values(metadata: str | None) -> dict[str, Any]:
    """The values of a session's stored metadata, one level further in."""
    found = subject_values(metadata).get("metadata")
    return found if isinstance(found, dict) else {}


def matches_all(values: dict[str, Any], filters: Iterable[dict[str, Any]] | None) -> bool:
    """Whether every filter {key, operator, value, values} holds."""
    return all(_matches(values_of(values.get(rule["key"])), rule) for rule in filters or ())


def check(filters: Iterable[dict[str, Any]] | None) -> None:
    """Refuse filters that say too little."""
    for rule in filters or ():
        operator, values = rule["operator"], rule.get("values")
        if operator == "EQ":
            if rule.get("value") is None:
                raise Refused(f"The filter on {rule['key']!r} with EQ needs a value.")
        elif not values:
            raise Refused(f"The filter on {rule['key']!r} with {operator} needs values.")
        elif operator == "BETWEEN" and len(values) != 2:
            raise Refused(f"The filter on {rule['key']!r} with BETWEEN needs exactly two values.")


def _matches(present: list[str], rule: dict[str, Any]) -> bool:
    operator = rule["operator"]
    if operator == "EQ":
        return rule["value"] in present
    wanted = rule["values"]
    if operator == "IN":
        return any(value in wanted for value in present)
    if operator == "ALL":
        return all(value in present for value in wanted)
    low, high = wanted
    return any(_between(value, low, high) for value in present)


def _between(value: str, low: str | None, high: str | None) -> bool:
    try:
        number = float(value)
        return (low is None or float(low) <= number) and (high is None or number <= float(high))
    except ValueError:  # dates, as texts: of a date-time the day counts where the bound is a day
        return (low is None or value[: len(low)] >= low) and (high is None or value[: len(high)] <= high)


def group(values: dict[str, Any], rule: dict[str, Any] | None) -> bool:
    """Whether a leaf {key, operator, value} or a group {logic, filters} holds, nested at will."""
    if rule is None:
        return True
    leaf = [rule.get(part) is not None for part in ("key", "operator", "value")]
    branch = [rule.get(part) is not None for part in ("logic", "filters")]
    if all(branch) and not any(leaf):
        # every branch is looked at, so that a malformed one is refused whatever the others say
        held = [group(values, inner) for inner in rule["filters"]]
        return all(held) if rule["logic"] == "AND" else any(held)
    if all(leaf) and not any(branch):
        return rule["value"] in values_of(values.get(rule["key"]))
    raise Refused("A filter is either {key, operator, value} or {logic, filters}.")


def by_sessions(sessions: list[Any], rule: dict[str, Any] | None) -> bool:
    """Whether a subject with these sessions is meant. Sessions are counted inside the span of dates (a)."""
    if not rule:
        return True
    dates = rule.get("sessionDates") or {}
    start, end = dates.get("startDate"), dates.get("endDate")
    count = sum(within(session.date, start, end, end_included=False) for session in sessions)
    number = rule.get("numSessions") or {}
    low, high = number.get("min"), number.get("max")
    if (start or end) and low is None and high is None:
        return count > 0
    return (low is None or count >= low) and (high is None or count <= high)
