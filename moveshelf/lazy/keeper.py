"""The keeping half of the engine: one object per id, and what our own writes do to what was read."""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import NotFoundError
from .entity import Entity
from .fields import Field, Many
from .identity import IdentityMap
from .state import DELETED, NOT_LOADED, Milestone

if TYPE_CHECKING:
    from ..wire import Wire

E = TypeVar("E", bound=Entity)

#: How many objects reached upwards (the subject of a session) are held for a while, since nobody else may hold them.
KEPT = 2000


#: Every engine of the process, to be told when it has forked.
_ALIVE: weakref.WeakSet[Keeper] = weakref.WeakSet()


def _forked() -> None:
    for keeper in list(_ALIVE):
        keeper.after_fork()


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_forked)


class Keeper:
    """The objects of one client, held weakly, and the record of our own writes."""

    def __init__(self, wire: Wire) -> None:
        self.wire: Wire = wire
        self.objects = IdentityMap()
        self.lock = threading.RLock()
        #: counts our writes; a read remembers the count at its start
        self.clock = 0
        #: id, or (id, name of a collection) -> the count when it was last written: an older read is thrown away
        self.writes: dict[str | tuple[str, str], int] = {}
        self.gone: set[str] = set()
        self.kept: deque[Entity] = deque(maxlen=KEPT)
        _ALIVE.add(self)

    def after_fork(self) -> None:
        """A child process has the parent's objects but none of its threads."""
        self.lock = threading.RLock()

    def let_go(self) -> None:
        """Drop what the engine holds strongly, so that nothing waits for the cycle collector."""
        self.kept.clear()

    def get(self, cls: type[E], identity: str) -> E:
        """The one object of that id, made unloaded where there is none; never a request.

        Raises NotFoundError where the id is already known as something else.
        """
        with self.lock:
            found = self.objects.get(identity)
            if found is None:
                found = cls(identity, self)  # type: ignore[arg-type]  # every Keeper is an Engine
                if identity in self.gone:
                    self._bury(found)
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

    def keep(self, obj: Entity) -> None:
        """Hold an object for a while that only its id connects to the others."""
        self.kept.append(obj)

    # our own writes ------------------------------------------------------------------------------------------
    def wrote(self, *ids: str | tuple[str, str]) -> None:
        """These objects were written just now: reads that began before are not to be believed.

        `(id, name)` stands for one collection of an object, whose other fields stay as they are.
        """
        with self.lock:
            self.clock += 1
            for identity in ids:
                self.writes[identity] = self.clock

    def overtaken(self, identity: str | tuple[str, str], clock: int) -> bool:
        """Whether a write has come after a read that began at `clock`."""
        return identity in self.gone or self.writes.get(identity, -1) > clock

    def put(self, obj: Entity, field: Field[Any], value: Any) -> None:
        """Set one field to what our own write has made of it."""
        with self.lock:
            before = field.read(obj)
            if before is not DELETED:
                if before.__class__ is Milestone:
                    before.chunk.uncount()
                setattr(obj, field.slot, value)

    def drop(self, obj: Entity, field: Field[Any]) -> None:
        """Unload one field; its next reader asks the service."""
        with self.lock:
            if isinstance(field, Many):
                collection = field.read(obj)
                if collection.__class__ is not type(NOT_LOADED):
                    collection._forget()
            else:
                self.put(obj, field, NOT_LOADED)

    def deleted(self, obj: Entity) -> None:
        """`obj` was deleted on the service: it refuses further use from now on."""
        with self.lock:
            self.wrote(obj.id)
            self.gone.add(obj.id)
            self.objects.drop(obj.id)
            self._bury(obj)

    def _bury(self, obj: Entity) -> None:
        for field in type(obj).fields.values():
            value = field.read(obj)
            if isinstance(field, Many) and value.__class__ is not type(DELETED):
                value._bury()
            setattr(obj, field.slot, DELETED)
