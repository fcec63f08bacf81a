"""The engine: one object per id, what our own writes do to what was read, and the loader.

Objects hold the engine; the engine holds objects weakly, so that everything goes away by itself.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import DetachedError, NotFoundError
from .entity import BY_WIRE, Entity
from .fields import BASIC, Field, Many, One
from .identity import IdentityMap
from .loader import Chunk, Key, Loader, errors_by_alias, gone, query_error
from .preload import preload
from .selection import Selection, document, group
from .state import DELETED, NOT_LOADED

if TYPE_CHECKING:
    from ..wire import Wire

E = TypeVar("E", bound=Entity)

#: How many objects reached upwards (the subject of a session) are held for a while, since nobody else may hold them.
KEPT = 2000


class Engine(Loader):
    """What every object of one client shares."""

    def __init__(self, wire: Wire) -> None:
        self.wire: Wire = wire
        self.objects = IdentityMap()
        self.flights: dict[tuple[str, str], Chunk] = {}
        #: what failed lately is not read ahead again
        self.failed: dict[tuple[str, str], None] = {}
        self.sizes: dict[Key, int] = {}
        self.lock = threading.RLock()
        self.pid = os.getpid()
        #: counts our writes; a read remembers the count at its start
        self.clock = 0
        #: id -> the count when it was last written: an older read of it is thrown away
        self.writes: dict[str, int] = {}
        self.gone: set[str] = set()
        self.kept: deque[Entity] = deque(maxlen=KEPT)

    def after_fork(self) -> None:
        """A child process has the parent's objects but none of its threads and requests."""
        self.lock = threading.RLock()
        self.flights = {}
        self.pid = os.getpid()

    def let_go(self) -> None:
        """Drop what the engine holds strongly, so that nothing waits for the cycle collector."""
        self.kept.clear()

    # objects -------------------------------------------------------------------------------------------------
    def get(self, cls: type[E], identity: str) -> E:
        """The one object of that id, made unloaded where there is none; never a request.

        Raises NotFoundError where the id is already known as something else.
        """
        with self.lock:
            found = self.objects.get(identity)
            if found is None:
                found = cls(identity, self)
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

    def absorb(self, data: Any, kind: type[E] | None = None, clock: int | None = None) -> E | None:
        """Put away an answer that somebody else asked for: keys are the wire's own names, lists whole.

        `data` is one node's dictionary with an "id"; `clock` the engine's clock when the question was sent.
        Returns the object, None where there is nothing to put away. Unknown keys are left alone.
        """
        if not isinstance(data, Mapping) or not isinstance(data.get("id"), str):
            return None
        with self.lock:
            if kind is None:
                known = self.objects.get(data["id"])
                if known is None:
                    return None
                kind = type(known)  # type: ignore[assignment]
            assert kind is not None
            if data["id"] in self.gone:
                return None
            selection = self._selection_of(kind, data)
            obj = self.get(kind, data["id"])
            selection.absorb(self, obj, data, self.clock if clock is None else clock)
            return obj

    def _selection_of(self, kind: type[Entity], data: Mapping[str, Any]) -> Selection:
        """The selection that an answer's own keys describe."""
        fields: list[Field[Any]] = []
        nested: dict[Field[Any], Selection] = {}
        for key, value in data.items():
            field = kind.by_wire.get(key)
            if field is None:
                continue
            if isinstance(field, Many):
                if field.takes_filters:
                    continue  # perhaps a part only
                members = field.members(value)
                if not all("id" in one for one in members):
                    continue
                keys: dict[str, Any] = {}
                for one in members:
                    for name, below in one.items():
                        if below is not None or name not in keys:
                            keys[name] = below
                nested[field] = self._selection_of(field.target, keys)
            elif isinstance(field, One):
                if value is not None and "id" not in value:
                    continue
                nested[field] = self._selection_of(field.target, value or {})
            fields.append(field)
        return Selection(kind, fields, nested)

    # questions whose answers are not kept ----------------------------------------------------------------------
    def fields_of(self, kind: type[Entity], ids: Iterable[str], text: str) -> dict[str, Any]:
        """Ask `text` of those objects now, in chunks and in parallel: {id: answer or exception}. Nothing is kept."""
        wanted = list(dict.fromkeys(ids))
        size = self.sizes.get((kind, text), 100)
        answers: dict[str, Any] = {}
        asked = []
        for begin in range(0, len(wanted), size):
            part = wanted[begin : begin + size]
            query = document(kind.wire, f"{kind.__name__}Fields", f"id {text}", len(part))
            asked.append((part, self.wire.submit(query, {f"i{n}": one for n, one in enumerate(part)})))
        for part, pending in asked:
            answer = pending.result()
            if answer.data is None:
                raise query_error(answer.errors, f"{kind.__name__}Fields", answer)
            bad = errors_by_alias(answer.errors)
            for n, identity in enumerate(part):
                alias = f"n{n}"
                node = answer.data.get(alias)
                if alias in bad:
                    answers[identity] = query_error(bad[alias], f"{kind.__name__}Fields", answer)
                else:
                    answers[identity] = node if node else gone(kind, identity, node)
        return answers

    # loading by name -------------------------------------------------------------------------------------------
    def preload(self, members: Iterable[Entity], kind: type[Entity], paths: Iterable[str]) -> None:
        """Load what the dotted paths name below those members."""
        preload(self, list(members), kind, paths)

    def refresh(self, obj: Entity) -> None:
        """Forget everything of `obj`, then read its listing fields."""
        with self.lock:
            for field in type(obj).fields.values():
                self.drop(obj, field)
        if type(obj).groups[BASIC]:
            self.fetch(obj, BASIC)

    # our own writes --------------------------------------------------------------------------------------------
    def wrote(self, *ids: str) -> None:
        """These objects were written just now: reads that began before are not to be believed."""
        with self.lock:
            self.clock += 1
            for identity in ids:
                self.writes[identity] = self.clock

    def overtaken(self, identity: str, clock: int) -> bool:
        """Whether a write has come after a read that began at `clock`."""
        return identity in self.gone or self.writes.get(identity, -1) > clock

    def drop(self, obj: Entity, field: Field[Any]) -> None:
        """Unload one field; its next reader asks the service."""
        with self.lock:
            if isinstance(field, Many):
                collection = field.read(obj)
                if collection.__class__ is not type(NOT_LOADED):
                    collection._forget()
            elif field.read(obj) is not DELETED:
                setattr(obj, field.slot, NOT_LOADED)

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

    def node(self, identity: str) -> Entity | None:
        """Whatever object that id belongs to, by asking the service once; None for an unknown id."""
        known = self.objects.get(identity)
        if known is not None:
            return known
        answer = self.wire.execute(
            "query Kind($id: ID!) { node(id: $id) { __typename id } }", {"id": identity}
        )
        node = answer.get("node")
        kind = BY_WIRE.get(node["__typename"]) if node else None
        return None if kind is None else self.get(kind, identity)


def require(engine: Engine | None, what: str) -> Engine:
    """The engine of an attached object. Raises DetachedError for a copy."""
    if engine is None:
        raise DetachedError(f"{what} needs a connection, and this is a copy without one")
    return engine


__all__ = ["Engine", "group", "require"]
