"""The objects of one client: one per id, and what the client's own writes do to what was read."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import NotFoundError
from .entity import Entity
from .fields import Field, Many, One
from .identity import IdentityMap
from .owners import OwnerIndex, first_folder, owner_field
from .state import DELETED, NOT_LOADED, PrefetchMarker, State, peek

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from .engine import Engine

E = TypeVar("E", bound=Entity)

#: How many objects reached upwards (the subject of a session) are held for a while: nobody else may hold them.
HELD = 2000
#: How many of the last changes are known one by one.
CHANGES = 5000

#: How many objects a response populates at most before others may have the lock, where event loops use the cache.
SLICE = 200
#: Seconds that others get for that: long enough for a thread to wake.
SLICE_PAUSE = 0.0001

#: An object's id; or the id and the name of one of its collections.
Key = str | tuple[str, str]

#: Every cache of the process, to be told when it has forked.
_ALIVE: weakref.WeakSet[Cache] = weakref.WeakSet()


def _after_fork() -> None:
    for cache in list(_ALIVE):
        # no ProcessLock: it is taken for each object of a response, which a lock in Python would slow down
        cache.lock = threading.RLock()
        cache._may_pause = False


if hasattr(os, "register_at_fork"):  # Windows does not fork
    os.register_at_fork(after_in_child=_after_fork)


class Cache:
    """The objects of one client, held weakly, and the record of the client's own writes."""

    def __init__(self) -> None:
        self.objects = IdentityMap()
        self._owner_index: OwnerIndex | None = None
        self.lock = threading.RLock()
        #: counts our writes; a read remembers the count at its start
        self.clock = 0
        #: key -> the count when it was last written: a read that began before is thrown away
        self.writes: dict[Key, int] = {}
        #: the ids of the objects that our writes have changed, the last ones, and how many there were in all
        self._changed: deque[str] = deque(maxlen=CHANGES)
        self.changes = 0
        self.deleted_ids: set[str] = set()
        self._held: deque[Entity] = deque(maxlen=HELD)
        #: whether coroutines use this cache, whose event loops must not wait long for the lock
        self.has_loops = False
        self._may_pause = False
        self._since_pause = 0
        #: weak, because the engine holds the cache: a cycle would keep a forgotten client's connections open
        self._engine: weakref.ref[Engine] | None = None
        _ALIVE.add(self)

    def attach(self, engine: Engine) -> None:
        """Give new objects this engine."""
        self._engine = weakref.ref(engine)

    @property
    def engine(self) -> Engine | None:
        """The engine that new objects get; None once nobody has it any more."""
        return None if self._engine is None else self._engine()

    def release(self) -> None:
        """Drop what is held strongly, so that nothing waits for the cycle collector."""
        self._held.clear()

    def get(self, cls: type[E], identity: str) -> E:
        """The one object of that id, created unloaded where there is none; never a request.

        Raises NotFoundError where the id is already known as another kind's.
        """
        with self.lock:
            found = self.objects.get(identity)
            if found is None:
                found = cls(identity, self.engine)
                if identity in self.deleted_ids:
                    self._mark_deleted(found)
                else:
                    self.objects.put(found)
            if not isinstance(found, cls):
                raise NotFoundError(
                    f"{identity!r} is the id of a {type(found).__name__}, not of a {cls.__name__}"
                )
            return found

    def peek(self, identity: str) -> Entity | None:
        """The living object of that id, or None; never a request."""
        return self.objects.get(identity)

    def hold(self, obj: Entity) -> None:
        """Hold an object for a while that only its id connects to the others."""
        self._held.append(obj)

    # populating in slices ------------------------------------------------------------------------------------
    @contextmanager
    def in_slices(self) -> Iterator[None]:
        """Within it, `pause_before` may let go of the lock, which the caller holds, and has taken just before.

        Not on the main thread: an interrupt between the two would leave the lock to nobody.
        """
        before = self._may_pause
        self._may_pause = self.has_loops and threading.current_thread() is not threading.main_thread()
        self._since_pause = 0
        try:
            yield
        finally:
            self._may_pause = before

    def pause_before(self, count: int) -> None:
        """So many objects are about to be populated: let others have the lock for a moment, if it was held for long.

        A write may come in between: what was looked at before has to be looked at again.
        """
        if self._may_pause:
            self._since_pause += count
            if self._since_pause > SLICE:
                self._pause()
                self._since_pause = count

    def _pause(self) -> None:
        self._may_pause = False
        self.lock.release()
        time.sleep(SLICE_PAUSE)  # a lock that is taken again at once goes to the one who had it
        self.lock.acquire()
        self._may_pause = True

    # our own writes ------------------------------------------------------------------------------------------
    def invalidate(self, *keys: Key) -> None:
        """These were written just now: reads that began before are not to be believed.

        `(id, name)` is one collection of an object, whose other fields stay as they are.
        """
        with self.lock:
            self.clock += 1
            for key in keys:
                self.writes[key] = self.clock
                if isinstance(key, str):
                    self._changed.append(key)
                    self.changes += 1

    def changed_since(self, changes: int) -> list[str] | None:
        """The ids of the objects that were written since `changes` was that count; None where that is not known any more."""
        count = self.changes - changes
        if count > len(self._changed):
            return None
        return [self._changed[-number] for number in range(count, 0, -1)]

    def is_stale(self, key: Key, clock: int) -> bool:
        """Whether a write has come after a read that began at `clock`."""
        return key in self.deleted_ids or self.writes.get(key, -1) > clock

    def put(self, obj: Entity, field: Field[Any], value: Any) -> None:
        """Set one field to what our own write has made of it."""
        with self.lock:
            before = field.read(obj)
            if before is not DELETED:
                if before.__class__ is PrefetchMarker:
                    before.batch.leave_window()
                setattr(obj, field.slot, value)
                if isinstance(field, One) or field.name == type(obj).folder_field:
                    self.objects.note(obj)

    def unload(self, obj: Entity, field: Field[Any]) -> None:
        """Unload one field; its next reader fetches it."""
        with self.lock:
            if isinstance(field, Many):
                collection = field.read(obj)
                if collection.__class__ is not State:
                    collection._unload()
            else:
                self.put(obj, field, NOT_LOADED)

    def reload(self, *touched: tuple[Entity | None, Iterable[str]]) -> None:
        """Unload those fields (an object and their names); reads that are under way are not believed."""
        with self.lock:
            for obj, names in touched:
                if obj is None:
                    continue
                known = type(obj).fields
                fields = [known[name] for name in names if name in known]
                # the fields that are no collections are one key, that of the object
                keys: set[Key] = {
                    (obj.id, field.name) if isinstance(field, Many) else obj.id for field in fields
                }
                self.invalidate(*keys)
                for field in fields:
                    if field.read(obj) is not NOT_LOADED:
                        self.unload(obj, field)

    def mark_deleted(self, obj: Entity) -> None:
        """`obj` was deleted on the service: it refuses further use from now on."""
        with self.lock:
            self.invalidate(obj.id)
            self.deleted_ids.add(obj.id)
            self.objects.drop(obj.id)
            self._mark_deleted(obj)

    def _mark_deleted(self, obj: Entity) -> None:
        for field in type(obj).fields.values():
            value = field.read(obj)
            if isinstance(field, Many) and value.__class__ is not State:
                value._mark_deleted()
            setattr(obj, field.slot, DELETED)

    def forget(self, root: Entity, kinds: Collection[type[Entity]]) -> None:
        """Unload the living objects of those kinds below `root`; reads of them that are under way are not believed.

        Who their owners are stays known.
        """
        with self.lock:
            members = self._below(root, kinds)
            self.invalidate(*(one.id for one in members))
            for one in members:
                for field in type(one).fields.values():
                    if not isinstance(field, One):
                        self.unload(one, field)

    def _below(self, root: Entity, kinds: Collection[type[Entity]]) -> list[Entity]:
        """The living objects of those kinds that are below `root`, or may be: where an owner is not known."""
        owned = [kind for kind in kinds if kind.owner_link]
        if any(owner_field(kind).target is type(root) for kind in owned):
            rest = [kind for kind in kinds if not kind.owner_link]
            found = self._owners().below(root, owned)
        else:
            rest, found = list(kinds), []
        known = {root.id: True, **{one.id: True for one in found}}
        return found + [one for one in self.objects.of_kind(*rest) if self._is_below(one, root, kinds, known)]

    def _is_below(
        self, obj: Entity, root: Entity, kinds: Collection[type[Entity]], known: dict[str, bool]
    ) -> bool:
        if obj.id not in known:
            known[obj.id] = True  # ends a circle
            known[obj.id] = self._leads_to(obj, root, kinds, known)
        return known[obj.id]

    def _leads_to(
        self, obj: Entity, root: Entity, kinds: Collection[type[Entity]], known: dict[str, bool]
    ) -> bool:
        links = [field for field in type(obj).fields.values() if isinstance(field, One)]
        for field in links:
            identity = loaded_value(obj, field.name)
            if field.target is type(root) and identity is not NOT_LOADED:
                return bool(identity == root.id)
        for field in links:
            identity = loaded_value(obj, field.name)
            owner = self.peek(identity) if isinstance(identity, str) and field.target in kinds else None
            if owner is not None:
                return self._is_below(owner, root, kinds, known)
        return True

    # looking without a request -------------------------------------------------------------------------------
    def members_of(self, owner: str) -> list[Entity]:
        """The living objects one level below the object of that id, as far as they know that they are."""
        with self.lock:
            return self._owners().members(owner)

    def in_folder(self, kind: type[E], folder: str | None) -> list[E]:
        """The living objects of a class whose path begins with that folder; with None, those whose path is not loaded."""
        with self.lock:
            return self._owners().in_folder(kind, folder)  # type: ignore[return-value]  # of that class

    def may_be_in_folder(self, kind: type[E], folder: str) -> list[E]:
        """The living objects of a class whose path begins with that folder, or is not loaded."""
        return [*self.in_folder(kind, folder), *self.in_folder(kind, None)]

    def _owners(self) -> OwnerIndex:
        """The index of owners, made by the first write that needs what is below an object."""
        if self._owner_index is None:
            self._owner_index = OwnerIndex(self.objects)
        return self._owner_index

    def owners(self, objects: Iterable[Entity], *links: str) -> list[Any]:
        """The living objects that those One fields of `objects` lead to, or may lead to where they are not loaded.

        After a `refresh()` an object does not know its owner: then every object of that class counts, of sessions those
        that have the first folder of the object's path.
        """
        found: dict[str, Entity] = {}
        unknown: dict[tuple[type[Entity], str | None], None] = {}
        for obj in objects:
            for name in links:
                field = type(obj).fields.get(name)
                if not isinstance(field, One):
                    continue
                identity = loaded_value(obj, name)
                if identity is NOT_LOADED:
                    # the service keeps a session's trials in its folder, but a subject need not be named as its folder is
                    nested = field.target.owner_link and name == type(obj).owner_link
                    unknown[field.target, first_folder(obj) if nested else None] = None
                elif isinstance(identity, str) and identity not in found:
                    owner = self.peek(identity)
                    if owner is not None:
                        found[identity] = owner
        for kind, folder in unknown:
            if folder is None or kind.folder_field is None:
                found.update((one.id, one) for one in self.objects.of_kind(kind))
            else:
                found.update((one.id, one) for one in self.may_be_in_folder(kind, folder))
        return list(found.values())


def loaded_value(obj: Entity, name: str) -> Any:
    """A field's value as far as it is loaded, else NOT_LOADED; never a request."""
    value = peek(type(obj).fields[name].read(obj))
    return NOT_LOADED if value.__class__ is State else value


def loaded_collection(obj: Entity | None, name: str) -> Any:
    """The Collection of a field, if there is one, loaded or not; never a request."""
    found = None if obj is None else type(obj).fields[name].read(obj)
    return None if found is None or found.__class__ is State else found
