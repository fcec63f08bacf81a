"""Input that can be known to be wrong is refused here, before any request."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ..errors import ValidationError

SUBJECT_OPERATORS = ("EQ",)
LIST_OPERATORS = ("ALL", "BETWEEN", "EQ", "IN")
LOGICS = ("AND", "OR")


class InputTypeError(ValidationError, TypeError):
    """A value of a kind that can never be right (an empty id, a date that is no text). Also a TypeError."""


def check_id(value: Any, what: str) -> None:
    """Refuse an id that is missing or blank; raises InputTypeError. The service would answer null, or
    less."""
    if value is None or (isinstance(value, str) and not value.strip()):
        raise InputTypeError(f"the id of the {what} is {value!r}: nothing was asked")


def check_date(date: Any) -> None:
    """Refuse what is not YYYY-MM-DD. None and "" mean no date. Raises ValidationError (a ValueError)."""
    if not date:
        return
    if not isinstance(date, str):
        raise InputTypeError(f"a date is text like '2024-05-31', not {date!r}")
    try:
        datetime.strptime(date, "%Y-%m-%d")
    except ValueError:
        raise ValidationError(f"{date!r} is no date; write it as YYYY-MM-DD, as in 2024-05-31") from None


def check_subject_filter(tree: Any) -> None:
    """Refuse a subject filter that is neither a leaf {key, operator, value} nor a group {logic, filters}.

    None means no filter. Raises ValidationError (a ValueError), for a nested one too.
    """
    if tree is None:
        return
    if not isinstance(tree, dict):
        raise ValidationError(f"a metadata filter is a dict or None, not {tree!r}")
    leaf = all(tree.get(name) is not None for name in ("key", "operator", "value"))
    group = all(tree.get(name) is not None for name in ("logic", "filters"))
    if leaf and group:
        raise ValidationError(
            "a filter is either {key, operator, value} or {logic, filters}, never both at once"
        )
    if leaf:
        if tree["operator"] not in SUBJECT_OPERATORS:
            raise ValidationError(
                f"unknown operator {tree['operator']!r}; subjects know {_listed(SUBJECT_OPERATORS)}"
            )
        for name in ("key", "value"):
            if not isinstance(tree[name], str):
                raise ValidationError(f"{name!r} of a filter is text, not {tree[name]!r}")
    elif group:
        if tree["logic"] not in LOGICS:
            raise ValidationError(f"unknown logic {tree['logic']!r}; a group knows {_listed(LOGICS)}")
        if not isinstance(tree["filters"], list):
            raise ValidationError(f"'filters' of a group is a list, not {tree['filters']!r}")
        for part in tree["filters"]:
            check_subject_filter(part)
    else:
        raise ValidationError(
            f"{tree!r} is no filter: it wants key, operator and value, or logic and filters"
        )


def check_session_filters(filters: Any) -> None:
    """Refuse session filters other than {sessionDates: {startDate, endDate}, numSessions: {min, max}}.

    None means no filter. Raises ValidationError (a ValueError).
    """
    if filters is None:
        return
    if not isinstance(filters, dict):
        raise ValidationError(f"session filters are a dict or None, not {filters!r}")
    for name, allowed in (("sessionDates", ("startDate", "endDate")), ("numSessions", ("min", "max"))):
        if name not in filters:
            continue
        part = filters[name]
        if not isinstance(part, dict):
            raise ValidationError(f"{name!r} is a dict of {_listed(allowed)}, not {part!r}")
        for key, value in part.items():
            if key not in allowed:
                raise ValidationError(f"{name!r} knows {_listed(allowed)}, not {key!r}")
            if name == "sessionDates":
                check_date(value)
            elif value is not None and not isinstance(value, int):
                raise ValidationError(f"{key!r} of numSessions is a whole number or None, not {value!r}")


def check_filter_list(filters: Any) -> None:
    """Refuse lists of session or subject filters other than [{key, operator, value or values}, ...].

    EQ takes `value`, IN and ALL a list `values`, BETWEEN exactly two. None means no filter. Raises
    ValidationError.
    """
    if filters is None:
        return
    if not isinstance(filters, list):
        raise ValidationError(f"filters are a list or None, not {filters!r}")
    for entry in filters:
        if not isinstance(entry, dict):
            raise ValidationError(f"a filter is a dict, not {entry!r}")
        key, operator = entry.get("key"), entry.get("operator")
        for name, text in (("key", key), ("operator", operator)):
            if not text or not isinstance(text, str):
                raise ValidationError(f"the filter {entry!r} has no {name!r}, which is text")
        if operator not in LIST_OPERATORS:
            raise ValidationError(f"unknown operator {operator!r}; there are {_listed(LIST_OPERATORS)}")
        if operator == "EQ":
            if entry.get("value") is None:
                raise ValidationError(f"the filter on {key!r} wants a 'value' for EQ")
            continue
        values = entry.get("values")
        if not isinstance(values, list) or not values:
            raise ValidationError(
                f"the filter on {key!r} wants a list 'values' for {operator}, with something in it"
            )
        if operator == "BETWEEN" and len(values) != 2:
            raise ValidationError(f"the filter on {key!r} wants two 'values' for BETWEEN, not {len(values)}")


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names)
