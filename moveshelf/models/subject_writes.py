"""Making subjects and sessions, and changing what is known of a subject."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from ..display import label
from ..errors import AmbiguousError, ConflictError, ValidationError
from ..lazy.entity import ENTITIES
from ..metadata import merge, parse_record, record_of, stored
from . import mutations, writes
from .checks import checked_interventions, checked_name, checked_values

if TYPE_CHECKING:
    from .project import Project
    from .session import Session
    from .subject import Subject

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def existing(collection: Any, name: str, what: str, exist_ok: bool) -> Any:
    """The member of that name, None if there is none.

    Raises ConflictError unless `exist_ok`, AmbiguousError where several have the name.
    """
    found = collection._named().get(name) or []
    if not found:
        return None
    where = collection._where()
    ids = ", ".join(one.id for one in found)
    if not exist_ok:
        raise ConflictError(
            f"{where} has a {what} {name!r} already ({ids}), and the service would make another one of that name; "
            "exist_ok=True returns the one that is there"
        )
    if len(found) > 1:
        raise AmbiguousError(f"{len(found)} {what}s in {where} are named {name!r}: {ids}; take one by its id")
    return found[0]


def create_subject(
    project: Project, name: str, metadata: Mapping[str, Any] | None, exist_ok: bool
) -> Subject:
    """See Project.create_subject."""
    engine = writes.attached(project, "create_subject()")
    name = checked_name(name, "subject")
    values = None if metadata is None else checked_values(metadata)
    with writes.lock_of(project.id):
        subject: Subject | None = existing(project.subjects, name, "subject", exist_ok)
        made = subject is None
        if subject is None:
            payload = writes.send(
                project,
                mutations.CREATE_SUBJECT,
                {"project": project.id, "name": name},
                (project, ("subjects",)),
            )
            with engine.lock:
                subject = engine.absorb(payload["patient"], ENTITIES["Subject"])  # type: ignore[assignment]
                assert subject is not None
                writes.added(
                    engine,
                    subject,
                    {"project": project.id},
                    (project, "subjects", writes.order_of_subjects),
                    empty=("sessions", "reports"),
                )
    if values:
        try:
            update_subject(subject, values)
        except ValidationError:
            if made:  # nothing half-made stays behind
                subject.delete()
            raise
    return subject


def create_session(subject: Subject, name: str, when: date | str | None, exist_ok: bool) -> Session:
    """See Subject.create_session."""
    engine = writes.attached(subject, "create_session()")
    name = checked_name(name, "session")
    day = writes.day_text(when)
    if day is None and _DAY.fullmatch(name):
        day = _day_in(name)
    with writes.lock_of(subject.id):
        session: Session | None = existing(subject.sessions, name, "session", exist_ok)
        if session is not None:
            return session
        project = subject.project
        variables = {
            "project": project.id,
            "path": f"/{subject.name}/{name}/",
            "subject": subject.id,
            "date": day,
        }
        touched = ((subject, ("sessions",)), (project, ("sessions",)))
        payload = writes.send(subject, mutations.CREATE_SESSION, variables, *touched)
        with engine.lock:
            session = engine.absorb(payload["session"], ENTITIES["Session"])  # type: ignore[assignment]
            assert session is not None
            writes.added(
                engine,
                session,
                {"project": project.id, "subject": subject.id},
                (subject, "sessions", writes.order_of_sessions),
                (project, "sessions", writes.order_of_sessions),
                # its clips may be there already: those that were made before their session
                empty=("reports",),
            )
        return session


def _day_in(name: str) -> str | None:
    try:
        return date.fromisoformat(name).isoformat()
    except ValueError:
        return None


def update_subject(
    subject: Subject,
    values: Mapping[str, Any],
    overwrite: bool = False,
    validate: bool = True,
    interventions: Sequence[Mapping[str, Any]] | None = None,
) -> None:
    """See Subject.update_metadata."""
    engine = writes.attached(subject, "update_metadata()")
    given = checked_values(values)
    if "interventions" in given:
        if interventions is not None:
            raise ValidationError("the interventions are given twice: in values, and as interventions=")
        interventions = given.pop("interventions")
    wanted = None if interventions is None else checked_interventions(interventions)
    given = {key: value for key, value in given.items() if value is not None}
    shaped = {key: stored(value) for key, value in given.items()}
    if not given and wanted is None:
        return
    judged: list[tuple[str, Any]] = []
    if validate and shaped:
        judged.append(("subjectMetadata", shaped))
    if validate and wanted:
        judged.append(("interventionMetadata", wanted))
    with writes.lock_of(subject.id):
        clock = engine.clock
        node = writes.check(subject, "subjectId", judged)
        writes.unchanged(subject, node)
        before = record_of(parse_record(node["metadata"]), label(subject))
        merged = merge(before, given, overwrite=overwrite)
        if "interventions" in before:
            merged["interventions"] = before["interventions"]
        if wanted is not None:
            merged["interventions"] = wanted
        if merged == before:
            engine.absorb(node, type(subject), clock)
            return
        text = writes.text_of(merged)
        payload = writes.send(
            subject,
            mutations.UPDATE_SUBJECT,
            {"subject": subject.id, "metadata": text},
            (subject, ("stored", "updated", "ehr_id")),
        )
        writes.done(payload, "updated", f"update {label(subject)}")
        with engine.lock:
            engine.wrote(subject.id)
            fields = type(subject).fields
            engine.put(subject, fields["stored"], text)
            for name in ("updated", "ehr_id"):  # the service's to say
                engine.drop(subject, fields[name])
