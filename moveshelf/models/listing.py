"""Listings that one answer cannot hold, or that the service cuts off: asked again in parts, until nothing is missing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from ..errors import NotFoundError
from ..lazy.fields import Many
from ..lazy.selection import basic
from ..wire import TooLargeError

if TYPE_CHECKING:
    from ..lazy.entity import Entity
    from .project import Project

Row = dict[str, Any]

#: How many clips or recent sessions are asked for at first where the wire wants a number.
FIRST = 1000
#: How far the first step back in time goes; the next ones are twice as long each.
STEP = timedelta(days=365)


def project_field(
    project: Project, text: str, arguments: dict[str, tuple[str, Any]], *, halve: bool = False
) -> Any:
    """Ask one project for `text` with variables `{name: (type, value)}`; the answer's node. One request.

    Raises NotFoundError if there is no such project, TooLargeError (with `halve`) if the answer cannot be had whole.
    """
    engine = project._require("request")
    declared = "".join(f", ${name}: {kind}" for name, (kind, _) in arguments.items())
    query = f"query ProjectField($id: ID!{declared}) {{ node(id: $id) {{ ... on Project {{ id {text} }} }} }}"
    variables = {"id": project.id, **{name: value for name, (_, value) in arguments.items()}}
    answer = engine.wire.submit(query, variables, operation="ProjectField", halve=halve).result()
    if answer.errors:
        from ..lazy.chunk import query_error

        raise query_error(answer.errors, "ProjectField", answer)
    node = (answer.data or {}).get("node")
    if not node:
        raise NotFoundError(
            f"the service has no project with id {project.id!r} (deleted, or not yours to see)"
        )
    return node


def all_clips(owner: Entity, field: Many[Any], error: BaseException | None) -> list[Row]:
    """Every clip of a project: the wire wants a number, so it is raised until fewer come than were asked for."""
    count = FIRST
    text = f"clips(first: $count) {{ edges {{ node {{ {basic(field.target).text} }} }} }}"
    while True:
        node = project_field(owner, text, {"count": ("Int", count)})  # type: ignore[arg-type]
        rows = field.members(node["clips"])
        if len(rows) < count:
            return [dict(row) for row in rows]
        count *= 4


def sessions_by_halves(owner: Entity, field: Many[Any], error: BaseException | None) -> list[Row]:
    """Every session of a project that has too many for one answer: by halves of their dates.

    The undated ones come through their subjects: no range of dates holds them.
    """
    project: Project = owner  # type: ignore[assignment]
    text = f"sessions(startDate: $start, endDate: $end) {{ {basic(field.target).text} }}"

    def ask(start: date | None, end: date | None) -> list[Row]:
        arguments = {"start": ("DateTime", _iso(start)), "end": ("DateTime", _iso(end))}
        node = project_field(project, text, arguments, halve=start is None or end is None or start < end)
        return [dict(row) for row in node["sessions"] or () if row]

    newest = project_field(project, "recentSessions(limit: 1) { id date }", {})["recentSessions"] or [{}]
    top = _day(newest[0].get("date")) or date.today()
    dated = {row["id"]: row for row in by_dates(ask, top) if row.get("date")}
    undated = {
        session.id: session
        for subject in project.subjects.load("sessions")._members()
        for session in subject.sessions._members()
        if session.id not in dated
    }
    rows = list(dated.values())
    # the objects are loaded: what identifies them is enough to list them
    rows += [_row(session) for session in undated.values()]
    return rows


def _row(session: Any) -> Row:
    when = session.date
    stored = when if when is None or isinstance(when, str) else f"{when.isoformat()}T00:00:00.000Z"
    return {"id": session.id, "projectPath": session.path, "date": stored}


def by_dates(ask: Callable[[date | None, date | None], list[Row]], newest: date) -> list[Row]:
    """All rows of every day, oldest first, where `ask(start, end)` (both days included) may raise TooLargeError.

    An open end is cut off in growing steps back from the newest day; what is closed is halved. A single day that is
    too large raises.
    """
    parts: list[list[Row]] = [ask(newest + timedelta(days=1), None)]
    end: date | None = newest
    step = STEP
    while end is not None:
        try:
            older: date | None = end - step
        except OverflowError:
            older = None
        if older is None or older.year < 1000:
            parts.append(_halves(ask, date.min, end))
            break
        parts.append(_halves(ask, older + timedelta(days=1), end))
        end, step = older, step * 2
        try:
            parts.append(ask(None, end))
            break
        except TooLargeError:
            continue
    return [row for part in reversed(parts) for row in part]


def _halves(ask: Callable[[date | None, date | None], list[Row]], start: date, end: date) -> list[Row]:
    try:
        return ask(start, end)
    except TooLargeError:
        if start >= end:
            raise
    middle = start + (end - start) // 2
    return _halves(ask, start, middle) + _halves(ask, middle + timedelta(days=1), end)


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _day(text: Any) -> date | None:
    try:
        return date.fromisoformat(str(text)[:10])
    except ValueError:
        return None
