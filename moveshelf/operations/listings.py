"""Listings that one response cannot hold, or that the service cuts off: fetched in parts, until nothing is missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any

from ..lazy.entity import Entity
from ..lazy.registry import ENTITIES
from ..lazy.selection import basic
from ..wire import TooLargeError
from . import queries
from .service import Service

Row = dict[str, Any]

#: How many clips or recent sessions are requested at first where the service wants a number.
FIRST_COUNT = 1000
#: How far the first step back in time goes; the next ones are twice as long each.
STEP = timedelta(days=365)


def all_clips(service: Service, owner: str, kind: type[Entity]) -> list[Row]:
    """Every clip of a project: the service wants a number, so it is raised until fewer come than were requested."""
    count = FIRST_COUNT
    while True:
        rows = service.rows(queries.CLIPS, owner, {"first": count}, basic(kind)) or []
        if len(rows) < count:
            return [row for row in rows if row]
        count *= 4


def dated_sessions(service: Service, owner: str, kind: type[Entity]) -> list[Row]:
    """Every session of a project that has a date, where they are too many for one response: by halves of their dates.

    No range of dates holds the undated ones.
    """

    def fetch(start: date | None, end: date | None) -> list[Row]:
        arguments = {"startDate": _iso(start), "endDate": _iso(end)}
        halve = start is None or end is None or start < end
        rows = service.rows(queries.SESSIONS, owner, arguments, basic(kind), halve=halve)
        return [row for row in rows or () if row]

    newest = service.rows(queries.RECENT_SESSIONS, owner, {"limit": 1}, basic(kind)) or [{}]
    top = _day(newest[0].get("date")) or date.today()
    rows = {row["id"]: row for row in by_dates(fetch, top) if row.get("date")}
    return list(rows.values())


def recent_sessions(
    service: Service,
    project: str,
    start: date | None,
    end: date | None,
    filters: Mapping[str, Any],
    limit: int | None,
) -> list[Row]:
    """The sessions of a project that fit, newest first, in as many requests as the service needs."""
    kind = ENTITIES["Session"]

    def fetch(since: date | None, until: date | None, count: int, halve: bool = True) -> list[Row]:
        arguments = {"startDate": _iso(since), "endDate": _iso(until), "limit": count, **filters}
        rows = service.rows(queries.RECENT_SESSIONS, project, arguments, basic(kind), halve=halve)
        return [row for row in rows or () if row]

    def all_of(since: date | None, until: date | None) -> list[Row]:
        """Every row of a range: the service cuts at the limit and does not say so, so fewer must come than requested."""
        count = FIRST_COUNT
        while True:
            rows = fetch(since, until, count, halve=since is None or until is None or since < until)
            if len(rows) < count:
                return rows
            count *= 4

    def part(since: date | None, until: date | None) -> list[Row]:
        # by_dates fetches oldest first and open ends; rows come newest first, so each part is reversed
        since = max(filter(None, (since, start)), default=None)
        until = min(filter(None, (until, end)), default=None)
        if since is not None and until is not None and since > until:
            return []
        return all_of(since, until)[::-1]

    try:
        return fetch(start, end, limit) if limit is not None else all_of(start, end)
    except TooLargeError:
        return by_dates(part, end or date.today())[::-1][:limit]


def by_dates(fetch: Callable[[date | None, date | None], list[Row]], newest: date) -> list[Row]:
    """All rows of every day, oldest first, where `fetch(start, end)` (with the days themselves) may raise TooLargeError.

    An open end is cut off in growing steps back from the newest day; what is closed is halved. A single day that is
    too large raises.
    """
    parts: list[list[Row]] = [fetch(newest + timedelta(days=1), None)]
    end: date | None = newest
    step = STEP
    while end is not None:
        try:
            older: date | None = end - step
        except OverflowError:
            older = None
        if older is None or older.year < 1000:
            parts.append(_halves(fetch, date.min, end))
            break
        parts.append(_halves(fetch, older + timedelta(days=1), end))
        end, step = older, step * 2
        try:
            parts.append(fetch(None, end))
            break
        except TooLargeError:
            continue
    return [row for part in reversed(parts) for row in part]


def _halves(fetch: Callable[[date | None, date | None], list[Row]], start: date, end: date) -> list[Row]:
    try:
        return fetch(start, end)
    except TooLargeError:
        if start >= end:
            raise
    middle = start + (end - start) // 2
    return _halves(fetch, start, middle) + _halves(fetch, middle + timedelta(days=1), end)


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _day(text: Any) -> date | None:
    try:
        return date.fromisoformat(str(text)[:10])
    except ValueError:
        return None
