"""What a delete or a refresh reaches, found by a look at every living object: the plain way, which the index must agree with.

Nothing here changes anything, and nothing uses the index.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from moveshelf.lazy.cache import Cache, loaded_collection, loaded_value
from moveshelf.lazy.entity import Entity
from moveshelf.lazy.fields import Many, One
from moveshelf.lazy.state import NOT_LOADED, State, peek

#: How a member of a class knows its owner, for those that are deleted with it; owners come before members.
OWNERS = (("Session", "subject"), ("Clip", "session"), ("DataFile", "clip"))


def below(cache: Cache, root: Entity, kinds: Collection[type[Entity]], lost: bool = True) -> set[str]:
    """The ids of the objects that a refresh of `root` unloads. `lost`: whether a dead owner may be below everything."""
    known = {root.id: True}

    def is_below(obj: Entity) -> bool:
        if obj.id not in known:
            known[obj.id] = True
            known[obj.id] = leads_to(obj)
        return known[obj.id]

    def leads_to(obj: Entity) -> bool:
        links = [field for field in type(obj).fields.values() if isinstance(field, One)]
        for field in links:
            identity = loaded_value(obj, field.name)
            if field.target is type(root) and identity is not NOT_LOADED:
                return bool(identity == root.id)
        dead = False
        for field in links:
            identity = loaded_value(obj, field.name)
            if isinstance(identity, str) and field.target in kinds:
                owner = cache.peek(identity)
                if owner is not None:
                    return is_below(owner)
                dead = True
        if dead:
            return lost
        # nobody knows the owner: the folder tells, as far as it is loaded
        here, there = _first_folder(obj), _first_folder(root)
        return here is None or there is None or here == there

    return {one.id for one in cache.objects if type(one) in kinds and is_below(one)}


def _first_folder(obj: Entity) -> str | None:
    name = {"Subject": "name", "Session": "path", "Clip": "path"}.get(type(obj).__name__)
    path = NOT_LOADED if name is None else loaded_value(obj, name)
    return path.strip("/").split("/")[0] if isinstance(path, str) else None


def deleted_with(cache: Cache, roots: Sequence[Entity]) -> tuple[set[str], set[str]]:
    """The ids of what is deleted with the roots, and those of the projects whose lists must be read anew."""
    found: dict[str, Any] = {}
    for root in roots:
        found.update((one.id, one) for one in _held(root))
    if not any(map(_more, found.values())):
        return set(found), set()
    living: dict[str, list[Any]] = {}
    for obj in cache.objects:
        living.setdefault(type(obj).__name__, []).append(obj)
    _add_linked(living, found)
    added, reread = _add_orphans(living, found)
    if added:
        _add_linked(living, found)
    return set(found), reread


def renamed_with(cache: Cache, session: Any) -> set[str]:
    """The ids of the trials whose folder is renamed with a session's."""
    project, before = loaded_value(session, "project"), "/" + session.path.strip("/") + "/"
    found = set()
    for one in cache.objects:
        path = loaded_value(one, "path") if type(one).__name__ == "Clip" else None
        is_inside = isinstance(path, str) and f"/{path.strip('/')}/".startswith(before)
        if is_inside and (project is NOT_LOADED or loaded_value(one, "project") in (NOT_LOADED, project)):
            found.add(one.id)
    return found


def _held(obj: Any) -> list[Any]:
    found = [obj]
    for field in type(obj).fields.values():
        if isinstance(field, Many) and field.back is not None:
            collection = field.read(obj)
            items = None if collection.__class__ is State else peek(collection._items)
            for one in items if items.__class__ is list else ():
                found += _held(one)
    return found


def _more(obj: Any) -> bool:
    if type(obj).__name__ != "Clip":
        return type(obj).__name__ in ("Subject", "Session")
    files = loaded_collection(obj, "files")
    return files is not None and not files._is_loaded()


def _add_linked(living: dict[str, list[Any]], found: dict[str, Any]) -> None:
    for kind, link in OWNERS:
        for obj in living.get(kind, ()):
            if obj.id not in found and peek(type(obj).fields[link].read(obj)) in found:
                found[obj.id] = obj


def _add_orphans(living: dict[str, list[Any]], found: dict[str, Any]) -> tuple[bool, set[str]]:
    orphans = [
        obj
        for kind, link in OWNERS[:2]
        for obj in living.get(kind, ())
        if obj.id not in found and type(obj).fields[link].read(obj) is NOT_LOADED
    ]
    before, reread = len(found), set()
    for root in [one for one in found.values() if type(one).__name__ in ("Subject", "Session")]:
        project, folder = loaded_value(root, "project"), _folder(root)
        if folder is None or not isinstance(project, str):
            continue
        inside = [
            one
            for one in orphans
            if f"{_folder(one) or ''}".startswith(folder) and loaded_value(one, "project") == project
        ]
        others = [
            one
            for one in living[type(root).__name__]
            if one.id not in found and loaded_value(one, "project") == project and _folder(one) == folder
        ]
        if inside and others:
            reread.add(project)
        else:
            found.update((one.id, one) for one in inside)
    return len(found) > before, reread


def _folder(obj: Any) -> str | None:
    value = loaded_value(obj, "name" if type(obj).__name__ == "Subject" else "path")
    return f"/{value.strip('/')}/" if isinstance(value, str) else None
