"""Changing a session, and making and changing its clips."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from ..display import label
from ..errors import ConflictError, ValidationError
from ..lazy.entity import ENTITIES
from ..lazy.state import NOT_LOADED
from ..metadata import merge, parse_record, record_of, stored
from . import mutations, writes
from .checks import checked_folder, checked_name, checked_title, checked_values, clip_values, options_text
from .condition import Condition, folder
from .session import Session, session_name
from .subject_writes import existing
from .titles import next_title

if TYPE_CHECKING:
    from ..lazy.engine import Engine
    from .clip import Clip

#: What a write of a session says: its name, the text of its metadata, its day (None: as it is).
Said = tuple[str, "str | None", "str | None"]


def _write(
    session: Session, what: str, judged: list[tuple[str, Any]], said: Callable[[dict[str, Any]], Said | None]
) -> Said | None:
    """Read what is stored, compare it with what was seen, and write what `said` makes of it; what was written.

    The service takes all of a session at once, so that what is not to change is sent along as it is stored.
    """
    engine = writes.attached(session, what)
    clock = engine.clock
    node = writes.check(session, "sessionId", judged)
    writes.unchanged(session, node)
    wanted = said(node)
    if wanted is None:
        engine.absorb(node, Session, clock)
        return None
    name, text, day = wanted
    previous = node.get("updated")
    variables = {
        "session": session.id,
        "name": name,
        "metadata": text,
        "date": day,
        "previous": previous,
    }
    payload = writes.send(
        session,
        mutations.UPDATE_SESSION,
        variables,
        (session, ("path", "date", "stored", "updated")),
        (session, ("clips",)),
        previous=previous,
    )
    writes.done(payload, "updated", f"update {label(session)}")
    return wanted


def _text(node: Mapping[str, Any]) -> str | None:
    """The stored text, to be sent along; None where there is none that the service would take."""
    text = node.get("metadata")
    return text if isinstance(parse_record(text), dict) else None


def _name(node: Mapping[str, Any]) -> str:
    return session_name(node.get("projectPath")) or ""


def update_session(session: Session, values: Mapping[str, Any], overwrite: bool, validate: bool) -> None:
    """See Session.update_metadata."""
    engine = writes.attached(session, "update_metadata()")
    given = {key: value for key, value in checked_values(values).items() if value is not None}
    shaped = {key: stored(value) for key, value in given.items()}
    if not given:
        return

    def said(node: dict[str, Any]) -> Said | None:
        whose = label(session)
        record = record_of(parse_record(node.get("metadata")), whose)
        before = record_of(record.get("metadata"), whose)
        merged = merge(before, given, overwrite=overwrite)
        if merged == before:
            return None
        return _name(node), writes.text_of({**record, "metadata": merged}), None

    with writes.lock_of(session.id):
        written = _write(
            session, "update_metadata()", [("sessionMetadata", shaped)] if validate else [], said
        )
        if written is not None:
            with engine.lock:
                _wrote(engine, session)
                engine.put(session, Session.fields["stored"], written[1])


def _wrote(engine: Engine, session: Session) -> None:
    engine.wrote(session.id)
    engine.drop(session, Session.fields["updated"])  # the service's to say


def set_date(session: Session, when: date | str) -> None:
    """See Session.set_date."""
    engine = writes.attached(session, "set_date()")
    day = writes.day_text(when)
    if day is None:
        raise ValidationError("set_date needs a date: the service cannot take a session's date away")
    with writes.lock_of(session.id):
        _write(session, "set_date()", [], lambda node: (_name(node), _text(node), day))
        with engine.lock:
            _wrote(engine, session)
            engine.put(session, Session.fields["date"], date.fromisoformat(day))
            for holder in writes.holders(engine, [session], "subject", "project"):
                engine.wrote((holder.id, "sessions"))
                members = writes.listing(holder, "sessions")
                if members is not None:
                    members._moved(session, writes.order_of_sessions)


def rename(session: Session, name: str) -> None:
    """See Session.rename."""
    engine = writes.attached(session, "rename()")
    name = checked_name(name, "session")
    if name == session.name:
        return
    with writes.lock_of(session.id):
        others = [one for one in session.subject.sessions._named().get(name, ()) if one is not session]
        if others:
            raise ConflictError(
                f"{label(session.subject)} has a session {name!r} already ({others[0].id}), and the trials of two sessions "
                "of one name would lie in one folder; take another name"
            )
        _write(session, "rename()", [], lambda node: (name, _text(node), None))
        with engine.lock:
            _wrote(engine, session)
            _move(engine, session, name)


def _move(engine: Engine, session: Session, name: str) -> None:
    """The session's folder has another name, and so has everything in it. The lock is held."""
    old = session.path
    first = old.strip("/").split("/")[0]
    new = f"/{first}/{name}/"
    engine.put(session, Session.fields["path"], new)
    above = writes.holders(engine, [session], "project", "subject")
    engine.wrote(*((one.id, name) for one in (session, *above) for name in ("clips", "norms", "sessions")))
    project = writes.loaded(session, "project")
    before = "/" + old.strip("/")
    for obj in engine.objects:
        if type(obj).__name__ not in ("Clip", "Norm"):
            continue
        path = writes.loaded(obj, "path")
        if path is NOT_LOADED:
            engine.wrote(obj.id)  # a read of it may be under way
        elif (
            isinstance(path, str)
            and _same_project(obj, project)
            and ("/" + path.strip("/") + "/").startswith(before + "/")
        ):
            engine.wrote(obj.id)
            rest = path.strip("/")[len(before) - 1 :]
            end = "/" if path.endswith("/") else ""
            engine.put(obj, type(obj).fields["path"], f"{new.rstrip('/')}{rest}{end}")


def _same_project(obj: Any, project: Any) -> bool:
    """Whether a clip may be of the project: two projects may have folders of one name."""
    of = writes.loaded(obj, "project") if "project" in type(obj).fields else NOT_LOADED
    return of is NOT_LOADED or not isinstance(project, str) or of == project


# clips ------------------------------------------------------------------------------------------------------------
def condition_of(session: Session, name: str) -> Condition:
    """See Session.condition."""
    writes.attached(session, "condition()")
    return Condition(session, checked_folder(name), True)


def create_clip(
    session: Session,
    title: str | None,
    condition: Condition | str | None,
    exist_ok: bool,
    metadata: Mapping[str, Any],
) -> Clip:
    """See Session.create_clip."""
    engine = writes.attached(session, "create_clip()")
    place = _folder_name(session, condition)
    if title is not None:
        title = checked_title(title)
    options = options_text(metadata.get("custom_options"))
    said = clip_values({key: value for key, value in metadata.items() if key != "custom_options"})
    with writes.lock_of(session.id):
        there = Condition(session, place).clips if place else _loose(session)
        if title is None:
            title = next_title([clip.title or "" for clip in there._members()])
        else:
            found: Clip | None = existing(there, title, "clip", exist_ok)
            if found is not None:
                return found
        project = session.project
        path = f"/{session.path.strip('/')}/{place}/" if place else session.path
        wanted = {"clientId": "0", "metadata": {**said, "title": title, "projectPath": path}}
        payload = writes.send(
            session,
            mutations.CREATE_CLIP,
            {"input": {"project": project.id, "clips": [wanted]}},
            (session, ("clips",)),
            (project, ("clips",)),
        )
        (made,) = payload["response"]
        with engine.lock:
            clip: Clip = engine.absorb(made["mocapClip"], ENTITIES["Clip"])  # type: ignore[assignment, arg-type]
            links = {"project": project.id, "session": session.id}
            writes.added(
                engine, clip, links, (session, "clips", None), (project, "clips", None), empty=("files",)
            )
    if options is not None:
        update_clip(clip, {"custom_options": options})
    return clip


def _folder_name(session: Session, condition: Condition | str | None) -> str:
    if isinstance(condition, Condition):
        if condition.session is not session:
            raise ValidationError(f"{condition!r} is a condition of another session than {label(session)}")
        return checked_folder(condition.name) if "/" not in condition.name else condition.name
    return "" if condition is None else checked_folder(condition)


def _loose(session: Session) -> Any:
    """The clips of a session that are in no condition."""
    return session.clips._view(
        [one for one in session.clips._members() if not folder(one.path, session.path)]
    )


def update_clip(clip: Clip, changes: Mapping[str, Any]) -> None:
    """See Clip.update."""
    engine = writes.attached(clip, "update()")
    options = options_text(changes.get("custom_options"))
    said = clip_values({k: v for k, v in changes.items() if k not in ("custom_options", "condition")})
    if changes.get("condition") is not None:
        session = clip.session
        if session is None:
            raise ValidationError(f"{label(clip)} is in no session, and so cannot be in a condition")
        said["projectPath"] = f"/{session.path.strip('/')}/{_folder_name(session, changes['condition'])}/"
    if not said and options is None:
        return
    own = ("title", "description", "path", "custom_options")
    with writes.lock_of(clip.id):
        payload = writes.send(
            clip,
            mutations.UPDATE_CLIP,
            {"input": {"id": clip.id, "metadata": said, "customOptions": options}},
            (clip, own),
        )
        with engine.lock:
            engine.wrote(clip.id)
            if payload.get("clip"):
                engine.absorb(payload["clip"], type(clip))
            else:
                for name in own:
                    engine.drop(clip, type(clip).fields[name])
            if "projectPath" in said:  # views of conditions are made of the session's list
                for holder in writes.holders(engine, [clip], "session", "project"):
                    members = writes.listing(holder, "clips")
                    if members is not None and members._is_loaded():
                        members._fill(list(members._members()))
