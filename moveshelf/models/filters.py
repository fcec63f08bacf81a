"""Questions that the service filters itself, and the checks that a filter must pass before it is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from ..errors import ValidationError
from ..lazy.collection import Collection
from ..lazy.entity import ENTITIES, Entity
from ..lazy.selection import basic
from ..wire import TooLargeError
from .listing import FIRST, Row, by_dates, project_field

if TYPE_CHECKING:
    from .project import Project
    from .session import Session
    from .subject import Subject

Where = Mapping[str, Any] | Sequence[Mapping[str, Any]]
SessionsWhere = Mapping[str, Any]

OPERATORS = ("EQ", "IN", "BETWEEN", "ALL")


def find_subjects(
    project: Project, where: Where | None, sessions: SessionsWhere | None
) -> Collection[Subject]:
    """See Project.find_subjects."""
    kind = ENTITIES["Subject"]
    arguments = {
        "where": ("BaseFilterInput", subject_filter(where)),
        "sessions": ("SessionFilterInput", sessions_filter(sessions)),
    }
    text = f"patients(metadataFilters: $where, sessionFilters: $sessions) {{ {basic(kind).text} }}"
    rows = project_field(project, text, arguments)["patients"]
    return _collected(project, kind, rows)


def subject_by_ehr_id(project: Project, ehr_id: str) -> Subject | None:
    """See Project.subject_by_ehr_id."""
    if not isinstance(ehr_id, str) or not ehr_id.strip():
        raise ValidationError(f"an EHR id is text, and not empty; this is {ehr_id!r}")
    engine = project._require("subject_by_ehr_id()")
    kind = ENTITIES["Subject"]
    query = (
        "query SubjectByEhrId($ehrId: String!, $projectId: String!) "
        f"{{ patient(ehrId: $ehrId, projectId: $projectId) {{ id {basic(kind).text.removeprefix('id ')} }} }}"
    )
    answer = engine.wire.execute(query, {"ehrId": ehr_id, "projectId": project.id})["patient"]
    return None if answer is None else _collected(project, kind, [answer])[0]


def find_sessions(
    project: Project,
    start: date | str | None,
    end: date | str | None,
    where: Where | None,
    subject_where: Where | None,
    limit: int | None,
) -> Collection[Session]:
    """See Project.find_sessions."""
    first, last = day(start, "start"), day(end, "end")
    if first is not None and last is not None and first > last:
        raise ValidationError(f"start {first} is after end {last}")
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
        raise ValidationError(
            f"limit is a number of sessions, at least 1, or None for all; this is {limit!r}"
        )
    kind = ENTITIES["Session"]
    of_sessions, of_subjects = metadata_filters(where), metadata_filters(subject_where)
    text = (
        "recentSessions(startDate: $start, endDate: $end, limit: $limit, metadataFilters: $where, "
        f"patientMetadataFilters: $subjects) {{ {basic(kind).text} }}"
    )

    def ask(since: date | None, until: date | None, count: int, halve: bool = True) -> list[Row]:
        arguments = {
            "start": ("DateTime", None if since is None else since.isoformat()),
            "end": ("DateTime", None if until is None else until.isoformat()),
            "limit": ("Int", count),
            "where": ("[SessionMetadataFilterInput!]", of_sessions),
            "subjects": ("[PatientMetadataFilterInput!]", of_subjects),
        }
        rows = project_field(project, text, arguments, halve=halve)["recentSessions"]
        return [row for row in rows or () if row]

    def all_of(since: date | None, until: date | None) -> list[Row]:
        """Every row of a range: the service cuts at the limit and does not say so, so fewer must come than asked."""
        count = FIRST
        while True:
            rows = ask(since, until, count, halve=since is None or until is None or since < until)
            if len(rows) < count:
                return rows
            count *= 4

    def parts(since: date | None, until: date | None) -> list[Row]:
        # by_dates asks oldest first and open ends; rows come newest first, so each part is turned round
        since = max(filter(None, (since, first)), default=None)
        until = min(filter(None, (until, last)), default=None)
        if since is not None and until is not None and since > until:
            return []
        return all_of(since, until)[::-1]

    try:
        rows = ask(first, last, limit) if limit is not None else all_of(first, last)
    except TooLargeError:
        rows = by_dates(parts, last or date.today())[::-1]
    return _collected(project, kind, rows[:limit])


def _collected(project: Project, kind: type[Entity], rows: Sequence[Row]) -> Collection[Any]:
    engine = project._require("find")
    selection = basic(kind)
    items = []
    with engine.lock:
        for row in rows or ():
            if not row or row["id"] in engine.gone:
                continue
            one = engine.get(kind, row["id"])
            selection.absorb(engine, one, row, engine.clock)
            setattr(one, kind.fields["project"].slot, project.id)
            items.append(one)
    return Collection(engine, kind, items=items)


# checks ----------------------------------------------------------------------------------------------------------
def day(value: date | str | None, name: str) -> date | None:
    """A day given as a date or as `YYYY-MM-DD`. Raises ValidationError for anything else."""
    if value is None or value == "":
        return None
    if isinstance(value, date):
        return date(value.year, value.month, value.day)
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValidationError(f"{name} must be a date or text like 2026-01-31, not {value!r}") from None


def subject_filter(where: Where | None) -> dict[str, Any] | None:
    """A filter over subject metadata as the service takes it. Raises ValidationError for a malformed one."""
    if where is None:
        return None
    if not isinstance(where, Mapping):
        raise ValidationError(
            f"where is a dictionary, {{key: value}} or a filter group, not {type(where).__name__}"
        )
    if "logic" in where or "filters" in where or {"key", "operator"} <= set(where):
        return _checked(where)
    return _group("AND", [_leaf(key, value) for key, value in where.items()]) if where else None


def _leaf(key: Any, value: Any) -> dict[str, Any]:
    if not isinstance(key, str) or not key:
        raise ValidationError(f"a filter's key is the name of a metadata field, not {key!r}")
    if isinstance(value, (list, set, frozenset)):
        if not value:
            raise ValidationError(f"the filter on {key!r} allows no value at all")
        return _group("OR", [_leaf(key, one) for one in value])
    if value is None or isinstance(value, (Mapping, tuple)):
        raise ValidationError(f"the filter on {key!r} needs a value or a list of values, not {value!r}")
    return {"key": key, "operator": "EQ", "value": value if isinstance(value, str) else str(value)}


def _group(logic: str, filters: list[dict[str, Any]]) -> dict[str, Any]:
    return {"logic": logic, "filters": filters}


def _checked(where: Mapping[str, Any]) -> dict[str, Any]:
    if "logic" in where or "filters" in where:
        logic, filters = where.get("logic"), where.get("filters")
        if logic not in ("AND", "OR"):
            raise ValidationError(f"a filter group's logic is 'AND' or 'OR', not {logic!r}")
        if not isinstance(filters, Sequence) or isinstance(filters, str) or not filters:
            raise ValidationError("a filter group needs a list of filters that is not empty")
        unknown = set(where) - {"logic", "filters"}
        if unknown:
            raise ValidationError(f"a filter group has logic and filters, and not {sorted(unknown)}")
        checked = []
        for one in filters:
            if not isinstance(one, Mapping):
                raise ValidationError(f"a filter is a dictionary, not {one!r}")
            checked.append(_checked(one))
        return _group(logic, checked)
    if where.get("operator") != "EQ":
        raise ValidationError(f"a filter over subjects has the operator 'EQ', not {where.get('operator')!r}")
    if set(where) != {"key", "operator", "value"}:
        raise ValidationError(f"a filter has key, operator and value; this one has {sorted(where)}")
    return _leaf(where["key"], where["value"])


def sessions_filter(sessions: SessionsWhere | None) -> dict[str, Any] | None:
    """A filter by dates and number of sessions. The service leaves the last day out; ours includes it."""
    if sessions is None:
        return None
    unknown = set(sessions) - {"start", "end", "min", "max"}
    if unknown:
        raise ValidationError(f"sessions takes start, end, min and max, and not {sorted(unknown)}")
    made: dict[str, Any] = {}
    first, last = day(sessions.get("start"), "start"), day(sessions.get("end"), "end")
    if first is not None and last is not None and first > last:
        raise ValidationError(f"start {first} is after end {last}")
    if first is not None or last is not None:
        made["sessionDates"] = {
            "startDate": None if first is None else first.isoformat(),
            "endDate": None if last is None else (last + timedelta(days=1)).isoformat(),
        }
    counts = {name: sessions.get(name) for name in ("min", "max")}
    for name, count in counts.items():
        if count is not None and (not isinstance(count, int) or isinstance(count, bool) or count < 0):
            raise ValidationError(f"{name} is a number of sessions, not {count!r}")
    if any(count is not None for count in counts.values()):
        made["numSessions"] = counts
    return made or None


def metadata_filters(where: Where | None) -> list[dict[str, Any]] | None:
    """Filters over session metadata (or over the subjects of sessions). Raises ValidationError for malformed ones."""
    if where is None:
        return None
    if isinstance(where, Mapping):
        return [_recent_leaf(key, value) for key, value in where.items()] or None
    if isinstance(where, str) or not isinstance(where, Sequence):
        raise ValidationError(f"where is a dictionary or a list of filters, not {type(where).__name__}")
    return [_recent_checked(one) for one in where] or None


def _recent_leaf(key: Any, value: Any) -> dict[str, Any]:
    if not isinstance(key, str) or not key:
        raise ValidationError(f"a filter's key is the name of a metadata field, not {key!r}")
    if isinstance(value, tuple):
        if len(value) != 2:
            raise ValidationError(
                f"a tuple in the filter on {key!r} means between: it takes two values, not {value!r}"
            )
        return {"key": key, "operator": "BETWEEN", "values": [_text(one) for one in value]}
    if isinstance(value, (list, set, frozenset)):
        if not value:
            raise ValidationError(f"the filter on {key!r} allows no value at all")
        return {"key": key, "operator": "IN", "values": [_text(one) for one in value]}
    if value is None:
        raise ValidationError(f"the filter on {key!r} needs a value")
    return {"key": key, "operator": "EQ", "value": _text(value)}


def _recent_checked(one: Any) -> dict[str, Any]:
    if not isinstance(one, Mapping):
        raise ValidationError(f"a filter is a dictionary, not {one!r}")
    key, operator = one.get("key"), one.get("operator")
    if operator not in OPERATORS:
        raise ValidationError(f"a filter's operator is one of {', '.join(OPERATORS)}, not {operator!r}")
    if not isinstance(key, str) or not key:
        raise ValidationError(f"a filter's key is the name of a metadata field, not {key!r}")
    if operator == "EQ":
        if one.get("value") is None:
            raise ValidationError(f"the EQ filter on {key!r} needs a value")
        return {"key": key, "operator": "EQ", "value": _text(one["value"])}
    several = one.get("values")
    if not isinstance(several, (list, tuple)) or not several:
        raise ValidationError(f"the {operator} filter on {key!r} needs a list of values that is not empty")
    if operator == "BETWEEN" and len(several) != 2:
        raise ValidationError(f"the BETWEEN filter on {key!r} needs two values, not {len(several)}")
    return {"key": key, "operator": operator, "values": [_text(value) for value in several]}


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)
