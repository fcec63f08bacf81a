"""Deleting: what goes, what is buried with it, and which collections drop it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..display import label
from ..errors import NotFoundError, OutcomeUnknownError, QueryError, RequestError, fresh
from ..lazy.entity import Entity
from ..lazy.fields import BASIC, Many
from ..lazy.state import NOT_LOADED, State, peek
from ..wire import query_error
from . import mutations, writes
from .writes import attached

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..lazy.engine import Engine
    from .clip import Clip
    from .condition import Condition

#: class -> its mutation, the word of the answer, what is below it, and (its owner, the collection there)
_HOW: dict[str, tuple[str, str, str, tuple[tuple[str, str], ...]]] = {
    "Subject": (mutations.DELETE_SUBJECT, "deleted", "sessions.clips.files", (("project", "subjects"),)),
    "Session": (
        mutations.DELETE_SESSION,
        "deleted",
        "clips.files",
        (("subject", "sessions"), ("project", "sessions")),
    ),
    "Clip": (mutations.DELETE_CLIP, "ok", "files", (("session", "clips"), ("project", "clips"))),
    "DataFile": (mutations.DELETE_FILE, "ok", "", (("clip", "files"),)),
}
#: How a member of a class knows whose it is, for those that go with their owner; owners come before members.
_UP = (("Session", "subject"), ("Clip", "session"), ("DataFile", "clip"))


def delete(obj: Any, dry_run: bool) -> list[Any]:
    """See Subject.delete: the object and all below it, as far as it is loaded, or (`dry_run`) all of it."""
    engine: Engine = attached(obj, "delete()")
    document, word, below, _ = _HOW[type(obj).__name__]
    if dry_run:
        if below:
            obj.load(below)
        return _tree(obj)
    with writes.lock_of(obj.id):
        try:
            payload = writes.send(obj, document, {"id": obj.id}, *_touched(obj))
        except NotFoundError:
            bury(engine, [obj])  # somebody was faster
            raise
        writes.done(payload, word, f"delete {label(obj)}")
        return bury(engine, [obj])


def _touched(obj: Entity) -> list[tuple[Entity | None, tuple[str, ...]]]:
    """What may have changed where nobody knows whether the object is gone."""
    own = tuple(field.name for field in type(obj).groups[BASIC])
    engine = obj._engine
    assert engine is not None
    above = [
        (holder, (collection,))
        for name, collection in _HOW[type(obj).__name__][3]
        for holder in writes.holders(engine, [obj], name)
    ]
    return [(obj, own), *above]


def delete_clips(condition: Condition, dry_run: bool) -> list[Clip]:
    """See Condition.delete_clips."""
    session = condition.session
    engine = attached(session, "delete_clips()")
    clips = list(condition.clips._members())
    if dry_run or not clips:
        return clips
    with writes.lock_of(session.id):
        asked = [(clip, engine.wire.submit(mutations.DELETE_CLIP, {"id": clip.id})) for clip in clips]
        deleted: list[Clip] = []
        failures: list[tuple[Clip, Exception]] = []
        for clip, pending in asked:
            try:
                answer = pending.result()
                if answer.errors:
                    raise query_error(answer.errors, answer.data, "DeleteClip", answer.request_id)
                writes.done((answer.data or {}).get("deleteClip") or {}, "ok", f"delete {label(clip)}")
                deleted.append(clip)
            except OutcomeUnknownError as error:
                writes.reload(engine, *_touched(clip))
                failures.append((clip, error))
            except RequestError as error:
                failures.append((clip, _reason(clip, error)))
        bury(engine, [*deleted, *(clip for clip, error in failures if isinstance(error, NotFoundError))])
    left = [(clip, error) for clip, error in failures if not isinstance(error, NotFoundError)]
    if left:
        names = ", ".join(clip.id for clip, _ in left)
        first = left[0][1]
        text = f"{len(left)} of {len(clips)} clips of {condition!r} were not deleted ({names}); the first: {first}"
        if isinstance(first, OutcomeUnknownError):
            raise OutcomeUnknownError(text)
        raise RequestError(text)
    return clips


def _reason(clip: Clip, error: Exception) -> Exception:
    return writes.refused(clip, error, None) if isinstance(error, QueryError) else fresh(error)


def _tree(obj: Any) -> list[Any]:
    """The object and everything loaded below it, each before what is below it."""
    found = [obj]
    for field in type(obj).fields.values():
        if isinstance(field, Many) and field.back is not None and field.loaded(obj):
            for one in peek(field.read(obj))._members():
                found += _tree(one)
    return found


def bury(engine: Engine, roots: Sequence[Any]) -> list[Any]:
    """The roots are gone from the service, and all below them: they refuse use, and collections drop them.

    What went, as far as it was loaded, owners first.
    """
    if not roots:
        return []
    with engine.lock:
        gone: dict[str, Any] = {}
        for root in roots:
            gone.update((one.id, one) for one in _known(root))
        living = _by_kind(engine) if any(map(_may_have_more_below, gone.values())) else {}
        _add_below(living, gone)
        if _add_by_path(engine, living, gone):
            _add_below(living, gone)
        engine.wrote(*gone, *_listings(gone.values()))
        _drop_from_collections(engine, living, gone)
        _drop_reports(engine, gone.values())
        for one in gone.values():
            engine.deleted(one)
        return list(gone.values())


def _may_have_more_below(obj: Any) -> bool:
    """Whether objects below this one may live that its collections do not hold: what is rarely so need not be sought."""
    kind = type(obj).__name__
    if kind != "Clip":
        return kind in ("Subject", "Session")
    files = writes.listing(obj, "files")
    return files is not None and not files._is_loaded()  # it was read anew since


def _by_kind(engine: Engine) -> dict[str, list[Any]]:
    """All living objects by the name of their class: looked through once, there may be many."""
    living: dict[str, list[Any]] = {}
    for obj in engine.objects:
        living.setdefault(obj.__class__.__name__, []).append(obj)
    return living


def _known(obj: Any) -> Iterable[Any]:
    """The object and what its loaded collections hold below it; never a request."""
    yield obj
    for field in type(obj).fields.values():
        if isinstance(field, Many) and (field.back is not None or field.name == "reports"):
            collection = field.read(obj)
            items = None if collection.__class__ is State else peek(collection._items)
            for one in items if items.__class__ is list else ():
                yield from _known(one)


def _add_below(living: dict[str, list[Any]], gone: dict[str, Any]) -> None:
    """What was reached another way than through its owner's collection."""
    for kind, up in _UP:
        for obj in living.get(kind, ()):
            if obj.id not in gone and peek(type(obj).fields[up].read(obj)) in gone:
                gone[obj.id] = obj


def _add_by_path(engine: Engine, living: dict[str, list[Any]], gone: dict[str, Any]) -> bool:
    """What was listed by its project, and so does not know its subject or session: judged by its path.

    Where two subjects or sessions share the folder, nobody knows whose it was: the project's lists are read anew.
    Returns whether anything was added.
    """
    orphans = [
        obj
        for kind, up in _UP[:2]
        for obj in living.get(kind, ())
        if obj.id not in gone and type(obj).fields[up].read(obj) is NOT_LOADED
    ]
    before = len(gone)
    for root in (
        [one for one in gone.values() if type(one).__name__ in ("Subject", "Session")] if orphans else ()
    ):
        project, folder = writes.loaded(root, "project"), _folder(root)
        if folder is None or not isinstance(project, str):
            continue
        below = [one for one in orphans if _within(one, folder) and _in_project(one, project)]
        if not below:
            continue
        twins = (
            one for one in living[type(root).__name__] if one.id not in gone and _in_project(one, project)
        )
        if any(_folder(one) == folder for one in twins):
            writes.reload(engine, (engine.peek(project), ("sessions", "clips")))
        else:
            gone.update((one.id, one) for one in below)
    return len(gone) > before


def _folder(obj: Any) -> str | None:
    value = writes.loaded(obj, "name" if type(obj).__name__ == "Subject" else "path")
    return f"/{value.strip('/')}/" if isinstance(value, str) else None


def _within(obj: Any, folder: str) -> bool:
    path = writes.loaded(obj, "path")
    return isinstance(path, str) and f"/{path.strip('/')}/".startswith(folder)


def _in_project(obj: Any, project: str) -> bool:
    return bool(writes.loaded(obj, "project") == project)


def _listings(gone: Iterable[Any]) -> Iterable[tuple[str, str]]:
    for obj in gone:
        for name, collection in _HOW.get(type(obj).__name__, ("", "", "", ()))[3]:
            identity = writes.loaded(obj, name)
            if isinstance(identity, str):
                yield identity, collection


def _drop_from_collections(engine: Engine, living: dict[str, list[Any]], gone: dict[str, Any]) -> None:
    """Who holds an object in a collection is known to it; norms, which hold clips of others, are looked through."""
    holders: dict[str, Any] = {one.id: one for one in living.get("Norm", ())}
    for holder in writes.holders(engine, gone.values(), "project", "subject", "session", "clip"):
        holders[holder.id] = holder
        norms = writes.listing(holder, "norms") if "norms" in type(holder).fields else None
        if norms is not None and norms._is_loaded():
            holders.update((one.id, one) for one in peek(norms._items))
    kinds = {type(one) for one in gone.values()}
    for holder in holders.values():
        if holder.id in gone:
            continue
        for field in type(holder).fields.values():
            if isinstance(field, Many) and field.target in kinds:
                engine.wrote((holder.id, field.name))
                collection = field.read(holder)
                if collection.__class__ is not State:
                    collection._without(*gone.values())


def _drop_reports(engine: Engine, gone: Iterable[Any]) -> None:
    """A subject lists the reports of its sessions too: which of them went, the service knows."""
    sessions = [one for one in gone if type(one).__name__ == "Session"]
    writes.reload(engine, *((one, ("reports",)) for one in writes.holders(engine, sessions, "subject")))
