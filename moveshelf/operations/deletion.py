"""Deleting, as the cache sees it: what is deleted with an object, and which collections drop it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..lazy.cache import Cache, loaded_collection, loaded_value
from ..lazy.entity import Entity
from ..lazy.fields import Many
from ..lazy.owners import first_part, owner_field
from ..lazy.registry import ENTITIES
from ..lazy.state import NOT_LOADED, State, peek
from .commands import HOLDERS


def loaded_tree(obj: Entity) -> list[Any]:
    """The object and everything loaded below it, each before what is below it."""
    found: list[Any] = [obj]
    for field in type(obj).fields.values():
        if isinstance(field, Many) and field.back is not None and field.loaded(obj):
            for one in peek(field.read(obj))._members():
                found += loaded_tree(one)
    return found


def mark_deleted(cache: Cache, roots: Sequence[Entity]) -> list[Any]:
    """The roots were deleted on the service, and all below them: they refuse use, and collections drop them.

    Returns what was deleted, as far as it was loaded, owners first.
    """
    if not roots:
        return []
    with cache.lock:
        deleted: dict[str, Any] = {}
        for root in roots:
            deleted.update((one.id, one) for one in _known(root))
        if any(map(_may_have_more_below, deleted.values())):
            _add_below(cache, deleted)
            if _add_by_path(cache, deleted):
                _add_below(cache, deleted)
        cache.invalidate(*deleted, *_listings(deleted.values()))
        _remove_from_collections(cache, deleted)
        _unload_reports(cache, deleted.values())
        for one in deleted.values():
            cache.mark_deleted(one)
        return list(deleted.values())


def mark_deleted_id(cache: Cache, identity: str) -> None:
    """The same for an id: whether an object of it is cached or not."""
    with cache.lock:
        obj = cache.peek(identity)
        if obj is None:
            cache.invalidate(identity)
            cache.deleted_ids.add(identity)
        else:
            mark_deleted(cache, [obj])


def _may_have_more_below(obj: Entity) -> bool:
    """Whether objects below this one may live that its collections do not hold: what is rarely so need not be sought."""
    kind = type(obj).__name__
    if kind != "Clip":
        return kind in ("Subject", "Session")
    files = loaded_collection(obj, "files")
    return files is not None and not files._is_loaded()  # it was read anew since


def _known(obj: Any) -> Iterator[Any]:
    """The object and what its loaded collections hold below it; never a request."""
    yield obj
    for field in type(obj).fields.values():
        if isinstance(field, Many) and (field.back is not None or field.name == "reports"):
            collection = field.read(obj)
            items = None if collection.__class__ is State else peek(collection._items)
            for one in items if items.__class__ is list else ():
                yield from _known(one)


def _add_below(cache: Cache, deleted: dict[str, Any]) -> None:
    """What was reached another way than through its owner's collection; owners come before members."""
    owners = list(deleted)
    for owner in owners:
        for obj in cache.members_of(owner):
            if obj.id not in deleted:
                deleted[obj.id] = obj
                owners.append(obj.id)


def _add_by_path(cache: Cache, deleted: dict[str, Any]) -> bool:
    """What was listed by its project, and so does not know its subject or session: judged by its path.

    Where two subjects or sessions share the folder, nobody can tell the owner: the project's lists are read anew.
    Returns whether anything was added.
    """
    before = set(deleted)
    roots = [one for one in deleted.values() if type(one).__name__ in ("Subject", "Session")]
    for root in roots:
        project, folder = loaded_value(root, "project"), _folder(root)
        if folder is None or not isinstance(project, str):
            continue
        first = first_part(folder)
        below = [
            one
            for kind in (ENTITIES["Session"], ENTITIES["Clip"])
            for one in cache.in_folder(kind, first)
            if one.id not in before and _is_orphan(one) and _within(one, folder) and _in_project(one, project)
        ]
        if not below:
            continue
        living = cache.in_folder(type(root), first)
        same_kind = (one for one in living if one.id not in deleted and _in_project(one, project))
        if any(_folder(one) == folder for one in same_kind):
            cache.reload((cache.peek(project), ("sessions", "clips")))
        else:
            deleted.update((one.id, one) for one in below)
    return len(deleted) > len(before)


def _is_orphan(obj: Entity) -> bool:
    return owner_field(type(obj)).read(obj) is NOT_LOADED


def _folder(obj: Any) -> str | None:
    value = loaded_value(obj, "name" if type(obj).__name__ == "Subject" else "path")
    return f"/{value.strip('/')}/" if isinstance(value, str) else None


def _within(obj: Any, folder: str) -> bool:
    path = loaded_value(obj, "path")
    return isinstance(path, str) and f"/{path.strip('/')}/".startswith(folder)


def _in_project(obj: Any, project: str) -> bool:
    return bool(loaded_value(obj, "project") == project)


def _listings(deleted: Iterable[Any]) -> Iterator[tuple[str, str]]:
    for obj in deleted:
        for link, collection in HOLDERS.get(type(obj).__name__, ()):
            identity = loaded_value(obj, link)
            if isinstance(identity, str):
                yield identity, collection


def _remove_from_collections(cache: Cache, deleted: dict[str, Any]) -> None:
    """The owners of deleted objects hold them in collections; norms, which hold clips of others, are looked through."""
    holders: dict[str, Any] = {one.id: one for one in cache.objects.of_kind(ENTITIES["Norm"])}
    for holder in cache.owners(deleted.values(), "project", "subject", "session", "clip"):
        holders[holder.id] = holder
        norms = loaded_collection(holder, "norms") if "norms" in type(holder).fields else None
        if norms is not None and norms._is_loaded():
            holders.update((one.id, one) for one in peek(norms._items))
    kinds = {type(one) for one in deleted.values()}
    for holder in holders.values():
        if holder.id in deleted:
            continue
        for field in type(holder).fields.values():
            if isinstance(field, Many) and field.target in kinds:
                cache.invalidate((holder.id, field.name))
                collection = field.read(holder)
                if collection.__class__ is not State:
                    collection._remove(*deleted.values())


def _unload_reports(cache: Cache, deleted: Iterable[Any]) -> None:
    """A subject lists the reports of its sessions too: which of them were deleted, the service knows."""
    sessions = [one for one in deleted if type(one).__name__ == "Session"]
    cache.reload(*((one, ("reports",)) for one in cache.owners(sessions, "subject")))
