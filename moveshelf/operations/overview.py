"""URLs of a project's session overview page, read back into the filters that they show."""

from __future__ import annotations

import calendar
import logging
import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, TypedDict
from urllib.parse import parse_qsl, urlparse

from ..metadata import to_datetime

logger = logging.getLogger("moveshelf-api")

_FORMAT = "%Y-%m-%d"
# the page leaves the filter out of its address when all is chosen, but old bookmarks spell it
_ALL = "(Select all)"
# what the page shows while nobody has chosen dates
_DEFAULT_DAYS = 70


class Overview(TypedDict):
    """What an overview page shows: two dates (YYYY-MM-DD) and two lists of filters."""

    start_date: str | None
    end_date: str | None
    session_metadata_filters: list[dict[str, Any]]
    patient_metadata_filters: list[dict[str, Any]]


def date_of_period(period: str) -> str | bool:
    """The first day of `Last_week`, `Last_month`, `Last_10_weeks` or `Last_year` up to today, as YYYY-MM-DD.

    Text that starts with a digit counts as a date already and comes back as it is; anything else gives False.
    """
    if period[:1].isdigit():
        return period
    today = datetime.now()
    name = period.lower()
    if name == "last_week":
        first = today - timedelta(days=7)
    elif name == "last_10_weeks":
        first = today - timedelta(days=70)
    elif name == "last_month":
        first = _months_back(today, 1)
    elif name == "last_year":
        first = _months_back(today, 12)
    else:
        return False
    return first.strftime(_FORMAT)


def _months_back(day: datetime, months: int) -> datetime:
    """The same day of an earlier month, or that month's last one (31 March → 28 February)."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return day.replace(year=year, month=month + 1, day=min(day.day, last))


def day_or_period(text: str) -> str | bool:
    """Periods as their first day; a date-time as its day.

    All days are those of this computer's calendar, as people read them: today, the periods before it, and the day of a
    date-time with a zone, which a browser writes in UTC.
    """
    found = date_of_period(text)
    if not isinstance(found, str) or not re.match(r"\d{4}-\d{2}-\d{2}T", found):
        return found
    when = to_datetime(found) if re.search(r"(?:[Zz]|[+-]\d{2}:?\d{2})$", found) else None
    return when.astimezone().strftime(_FORMAT) if isinstance(when, datetime) else found[:10]


def parse(url: str, template: dict[str, Any], convert: Any = date_of_period) -> Overview:
    """The dates and filters in an overview page's address; the names that the template does not know are logged."""

    def left_out(key: str) -> None:
        logger.warning("the address filters by %r, which the project's template does not know: left out", key)

    return read(parse_qsl(urlparse(url).query), template, convert, left_out)


def read(
    chosen: Iterable[tuple[str, str]], template: Any, convert: Any, left_out: Callable[[str], None]
) -> Overview:
    """The dates and filters behind names and values, sorted by the project's template into session and subject.

    `left_out` is called with the names that the template does not know.
    """
    session_fields = {
        key for tab in template.get("sessionMetadataTabs", []) for key in tab.get("template", {})
    }
    subject_fields = set(template.get("template", {}))
    today = datetime.now()
    found: Overview = {
        "start_date": (today - timedelta(days=_DEFAULT_DAYS)).strftime(_FORMAT),
        "end_date": today.strftime(_FORMAT),
        "session_metadata_filters": [],
        "patient_metadata_filters": [],
    }
    several: dict[str, list[str]] = {}
    for key, value in chosen:
        several.setdefault(key, []).append(value)
    for key, values in several.items():
        if key == "startDate":
            found["start_date"] = convert(values[0]) or found["start_date"]
        elif key == "endDate":
            end = convert(values[0]) if values[0][:1].isdigit() else None
            found["end_date"] = end if isinstance(end, str) else values[0]
        elif _ALL in values:
            continue
        elif key in session_fields:
            found["session_metadata_filters"].append(_filter(key, values, convert))
        elif key in subject_fields:
            found["patient_metadata_filters"].append(_filter(key, values, convert))
        else:
            left_out(key)
    return found


def _filter(key: str, values: list[str], convert: Any) -> dict[str, Any]:
    """One filter: a period or two dates are a range, one value is itself, several are any of them."""
    dates = [convert(value) for value in values]
    if len(values) == 1:
        if dates[0] and dates[0] != values[0]:
            return {"key": key, "operator": "BETWEEN", "values": [dates[0], datetime.now().strftime(_FORMAT)]}
        return {"key": key, "operator": "EQ", "value": values[0]}
    if len(values) == 2 and all(dates):
        return {"key": key, "operator": "BETWEEN", "values": dates}
    return {"key": key, "operator": "IN", "values": list(values)}
