"""The base of every object: an id, the engine that loads it, and one slot a field."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import attrs

from ..errors import DetachedError, ValidationError
from .fields import BASIC, Field, Many, Resolved, deleted, detached
from .registry import BY_WIRE, ENTITIES
from .state import DELETED, NOT_LOADED, peek

if TYPE_CHECKING:
    from typing_extensions import Self

    from .engine import Engine
    from .origin import Origin
    from .peers import Peers

E = TypeVar("E", bound="Entity")

#: What a class says of itself for the engine: no attribute of an object that people look for.
_HIDDEN = frozenset(
    ("by_wire", "derived", "field", "fields", "groups", "is_root", "wire", "writers", "__attrs_attrs__")
)


class _Listed(type):
    """The class of the classes: completion, which looks at classes too, shows the names that people look for."""

    def __dir__(cls) -> list[str]:
        return [name for name in super().__dir__() if name not in _HIDDEN]


@attrs.define(eq=False, repr=False, slots=True, weakref_slot=True, getstate_setstate=False)
class Entity(metaclass=_Listed):
    """An object of the service. A client holds one object per id; objects of one kind, id and service are equal."""

    id: str
    _engine: Engine | None = None
    _peers: Peers | None = attrs.field(default=None, init=False)
    #: where a copy without a connection came from
    _origin: Origin | None = attrs.field(default=None, init=False)

    wire: ClassVar[str] = ""
    fields: ClassVar[dict[str, Field[Any]]] = {}
    groups: ClassVar[dict[str, tuple[Field[Any], ...]]] = {}
    by_wire: ClassVar[dict[str, Field[Any]]] = {}
    #: what is computed from a field: property name -> field name ("metadata" comes from "stored")
    derived: ClassVar[dict[str, str]] = {}
    is_root: ClassVar[bool] = False
    #: attribute -> the method that changes it, for the error of an assignment
    writers: ClassVar[dict[str, str]] = {}

    def load(self, *paths: str) -> Self:
        """Fetch what the dotted paths name ("metadata", "sessions.clips.files"), and return the object.

        Sends only what is not loaded yet; several levels travel in one request where that is smaller.
        Without a path it fetches what a listing would bring.

        Raises ValidationError for a path that names no attribute (before any request), NotFoundError where the
        service has no such object, and the errors of requests.
        """
        if not self._holds_all(paths):
            self._connected(paths[0] if paths else BASIC).load([self], type(self), paths or (BASIC,))
        return self

    def _holds_all(self, paths: Sequence[str]) -> bool:
        """Whether this is a copy without a connection that holds all that the paths name, and so needs none."""
        return self._engine is None and all(_holds(self, path.split(".")) for path in paths)

    async def aload(self, *paths: str) -> Self:
        """`load` for coroutines: fetch what the dotted paths name, without blocking the event loop; returns the object.

        In an `async for`, what the loop comes to next is fetched along, about a hundred objects in a request, and further
        batches behind that: all in all as many requests as a plain loop that touches the same. Of a single object, and of
        one that was picked by position or name, only what is below it is fetched, as by `load`.

        Cancelling the task cancels its requests, except those that others wait for too. Raises as `load` does.

        Example:
            >>> async for subject in project.subjects:  # doctest: +SKIP
            ...     await subject.aload("metadata", "sessions.clips")
            ...     print(subject.metadata, len(subject.sessions))
        """
        if not self._holds_all(paths):
            await self._connected(paths[0] if paths else BASIC).aload_one(self, paths or (BASIC,))
        return self

    def is_loaded(self, field: str) -> bool:
        """Whether reading attribute `field` needs no request. Raises ValidationError for an unknown attribute."""
        return type(self).field(field).loaded(self)

    def refresh(self) -> Self:
        """Forget what was loaded, here and of everything below, read what a listing brings anew, and return the object.

        One request at once; everything else is fetched again when touched. Objects and collections below stay the same
        objects, in whichever variable.
        Raises NotFoundError where the service has no such object any more.
        """
        engine = self._connected("refresh()")
        if self.is_deleted:
            raise deleted(self)
        engine.refresh(self)
        return self

    @property
    def is_deleted(self) -> bool:
        """Whether this object was deleted through its client; never a request."""
        return any(peek(field.read(self)) is DELETED for field in type(self).fields.values())

    @classmethod
    def field(cls, name: str) -> Field[Any]:
        """The declaration behind attribute `name`. Raises ValidationError that lists the attributes there are."""
        found = cls.fields.get(cls.derived.get(name, name))
        if found is None:
            known = sorted({*cls.fields, *cls.derived})
            raise ValidationError(
                f"{cls.__name__} has no attribute {name!r} to load; it has {', '.join(known)}"
            )
        return found

    @classmethod
    def _how_to_write(cls, name: str) -> str:
        """Which method changes attribute `name`, for the error of an assignment."""
        if name in cls.writers:
            return f"use {cls.writers[name]}"
        known = ", ".join(dict.fromkeys(cls.writers.values()))
        return (
            f"no method changes it; the methods that write are {known}" if known else "no method changes it"
        )

    def _peek_name(self) -> str | None:
        """The name as far as it is loaded; never a request."""
        return None

    def _service_url(self) -> str | None:
        """The address of the service that the object is of; None where that is not known."""
        if self._engine is not None:
            return getattr(self._engine.service, "url", None)
        return None if self._origin is None else self._origin.url

    def _connected(self, what: str) -> Engine:
        """The engine; a copy is connected to this process's own client for that. Raises DetachedError where there is none."""
        engine = self._engine
        if engine is None:
            if self._origin is None:
                raise detached(self, what)
            try:
                self._origin.connect()
            except DetachedError as error:
                raise detached(self, what, error) from None
            engine = self._engine
            assert engine is not None
        return engine

    # equality, bool, dir and copies never send a request ---------------------------------------------------------------
    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(self) is not type(other):
            return NotImplemented
        assert isinstance(other, Entity)
        return self.id == other.id and self._service_url() == other._service_url()

    def __hash__(self) -> int:
        return hash(self.id)

    def __bool__(self) -> bool:
        return True

    def __copy__(self) -> Self:
        # a shallow copy would share live collections with an object that has no connection
        return copy.deepcopy(self)

    def __dir__(self) -> list[str]:
        return [
            name
            for name in object.__dir__(self)
            if name not in _HIDDEN and (name[0] != "_" or name[:2] == "__")
        ]


def _holds(obj: Entity, names: list[str]) -> bool:
    """Whether a copy holds what a dotted path names. Raises ValidationError for a name that its class does not have."""
    name, *below = names
    if name == BASIC:
        return all(one.loaded(obj) for one in type(obj).groups[BASIC])
    field = type(obj).field(name)
    if not field.loaded(obj):
        return False
    if not below:
        return True
    value = peek(field.read(obj))
    if isinstance(field, Many):
        return all(_holds(one, below) for one in value._members())
    return value is None


def entity(
    wire: str, *, derived: dict[str, str] | None = None, root: bool = False
) -> Callable[[type[E]], type[E]]:
    """Class decorator: give every field its slot, through attrs, and register the class.

    `derived` maps properties to the fields they are computed from.
    """

    def wrap(cls: type[E]) -> type[E]:
        declared = {name: value for name, value in vars(cls).items() if isinstance(value, Field)}
        slots = {field.slot: attrs.field(default=NOT_LOADED, init=False) for field in declared.values()}
        slotted = attrs.define(
            cls, these=slots, eq=False, repr=False, slots=True, weakref_slot=False, getstate_setstate=False
        )
        # attrs' own functions would show the machinery (asdict) or make a second live object of one id (evolve)
        slotted.__attrs_attrs__ = None  # type: ignore[assignment]
        slotted.wire = wire
        slotted.fields = declared
        slotted.derived = derived or {}
        slotted.is_root = root
        slotted.by_wire = {}
        groups: dict[str, list[Field[Any]]] = {BASIC: []}
        for field in declared.values():
            field.owner = slotted
            if isinstance(field, Resolved):
                continue  # the service has no such field
            slotted.by_wire.setdefault(field.wire, field)
            groups.setdefault(field.group, []).append(field)
        slotted.groups = {name: tuple(members) for name, members in groups.items()}
        ENTITIES[slotted.__name__] = slotted
        BY_WIRE[wire] = slotted
        return slotted

    return wrap
