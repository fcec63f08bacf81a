"""Field descriptors: how an attribute of an object says where it comes from and loads itself when touched.

A class declares `name = Scalar[str]("name")`; the `entity` decorator (entity.py) gives it a slot `_name`. The
descriptor reads the slot; where it finds no value the loader fetches the field, for the object and for those that will
be read next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn, TypeVar, overload

from ..errors import DeletedError, DetachedError
from .inspection import refuse_to_tools
from .registry import ENTITIES
from .state import DELETED, NOT_LOADED, PrefetchMarker, State, peek

if TYPE_CHECKING:
    from typing_extensions import Self

    from ..models.collection import Collection
    from .entity import Entity
    from .members import Members

T = TypeVar("T")
C = TypeVar("C", bound="Entity")

#: The group of fields that a listing brings: what identifies and sorts.
BASIC = "basic"

#: The JSON types of a value that is text (or null).
TEXT: tuple[type, ...] = (str, type(None))
#: The JSON types of a value that is true or false (or null).
FLAG: tuple[type, ...] = (bool, type(None))
#: The JSON types of any value that is no object and no list.
PLAIN: tuple[type, ...] = (str, bool, int, float, type(None))


#: How many different texts are shared at a time.
SHARED = 4096


class _Shared(dict[Any, Any]):
    """Texts that were seen, each once. A dictionary's own look-up costs a third of a function's call."""

    def __missing__(self, text: Any) -> Any:
        if len(self) >= SHARED:
            self.clear()  # names that do not repeat: those that do are soon here again
        self[text] = text
        return text


#: Returns one text object for equal texts: for names that thousands of objects have.
shared: Callable[[Any], Any] = _Shared().__getitem__


class Field(Generic[T]):
    """What all fields have: a name, a slot, the service's name, and the group of fields that is fetched together."""

    name: str
    slot: str
    owner: type[Entity]

    def __init__(self, wire: str, *, group: str | None = None, doc: str = "") -> None:
        self.wire = wire
        self._group = group
        self.__doc__ = doc

    def __set_name__(self, owner: type[Any], name: str) -> None:
        # called twice, because attrs creates a slotted class anew: nothing here may depend on which one it is
        self.name = name
        self.slot = "_" + name
        self.group = self._group or name
        self.read: Callable[[Any], Any] = attrgetter(self.slot)

    def __set__(self, obj: Any, value: Any) -> NoReturn:
        raise AttributeError(
            f"{type(obj).__name__}.{self.name} shows what the service holds and cannot be assigned; "
            f"{type(obj)._how_to_write(self.name)}"
        )

    def loaded(self, obj: Entity) -> bool:
        """Whether there is a value; never a request."""
        return peek(self.read(obj)).__class__ is not State

    def _value(self, obj: Entity) -> Any:
        """The slot's value, fetched where there is none."""
        value = self.read(obj)
        while value.__class__ is State:
            if value is DELETED:
                raise deleted(obj)
            refuse_to_tools(f"{type(obj).__name__}.{self.name}")
            engine = obj._connected(self.name)
            engine.loader.refuse_to_block(type(obj), self)
            engine.loader.fetch(obj, self.group)
            value = self.read(obj)
        if value.__class__ is PrefetchMarker:
            batch, value = value.batch, value.value
            setattr(obj, self.slot, value)
            batch.reached(obj)
        return value


def deleted(obj: Entity) -> DeletedError:
    """The error of an object that this client has deleted."""
    return DeletedError(f"{type(obj).__name__} {obj.id} was deleted and cannot be used any more")


def detached(obj: Entity, what: str, reason: DetachedError | None = None) -> DetachedError:
    """The error of a copy from which more is wanted than it carries; `reason`: why it cannot be fetched here."""
    kind = type(obj).__name__
    why = "a copy has no connection" if reason is None else reason.message
    load = f" ({kind.lower()}.load({what!r}))" if what.isidentifier() else ""
    return DetachedError(
        f"{kind}.{what} was not loaded before this {kind} ({obj.id}) was copied or pickled, and {why}; load it "
        f"first{load} or get the object from a client by its id"
    )


class Scalar(Field[T]):
    """A value: text, number, date, or a small parsed structure.

    `convert` makes the value of the service's JSON value, which is of one of `types`. `nested` are the names of texts
    below the field, where it is a structure and not one value, or a list of structures (`is_list`).
    """

    def __init__(
        self,
        wire: str,
        *,
        group: str | None = None,
        convert: Callable[[Any], T] | None = None,
        types: tuple[type, ...] = TEXT,
        nested: tuple[str, ...] = (),
        is_list: bool = False,
        doc: str = "",
    ) -> None:
        super().__init__(wire, group=group, doc=doc)
        self.is_list = is_list
        self.convert = convert
        self.types = types
        self.nested = nested

    @property
    def has_signed_urls(self) -> bool:
        """Whether the value holds URLs that open files without a key: it is never copied or pickled."""
        return any(name.endswith(("Uri", "Url")) for name in (self.wire, *self.nested))

    @overload
    def __get__(self, obj: None, owner: Any = None) -> Self: ...
    @overload
    def __get__(self, obj: Any, owner: Any = None) -> T: ...
    def __get__(self, obj: Any, owner: Any = None) -> Any:
        if obj is None:
            return self
        value = self.read(obj)
        kind = value.__class__
        if kind is State or kind is PrefetchMarker:
            return self._value(obj)
        return value


class Reference(Field[T]):
    """A field that leads to other objects; their class is named as text and looked up when first needed."""

    def __init__(self, wire: str, target: str, *, group: str | None = None, doc: str = "") -> None:
        super().__init__(wire, group=group, doc=doc)
        self._target = target
        self._class: type[Entity] | None = None

    @property
    def target(self) -> type[Entity]:
        """The class at the other end."""
        if self._class is None:
            self._class = ENTITIES[self._target]
        return self._class


class One(Reference[C]):
    """Another object, known by its id: nobody holds it here, and it comes back unloaded when it has been collected."""

    @overload
    def __get__(self, obj: None, owner: Any = None) -> Self: ...
    @overload
    def __get__(self, obj: Any, owner: Any = None) -> C: ...
    def __get__(self, obj: Any, owner: Any = None) -> Any:
        if obj is None:
            return self
        identity = self._value(obj)
        if identity is None:
            return None
        found = obj._connected(self.name).cache.get(self.target, identity)
        if obj._peers is not None and found._peers is None:
            found._peers = obj._peers.child(self, None)
        return found


class Resolved(One[C]):
    """An object that the service has no field for: known from the object that led here, or found by `resolver`."""

    def __init__(self, target: str, resolver: Callable[[Any], str | None], *, doc: str = "") -> None:
        super().__init__("", target, doc=doc)
        self.resolver = resolver

    def _value(self, obj: Entity) -> Any:
        value = self.read(obj)
        if value is NOT_LOADED:
            refuse_to_tools(f"{type(obj).__name__}.{self.name}")
            engine = obj._connected(self.name)
            engine.loader.refuse_to_block(type(obj), self)
            engine.cache.put(obj, self, self.resolver(obj))
        return super()._value(obj)


#: Fetches the rows of a listing that cannot be had in one response, each with what identifies and sorts a member.
Lister = Callable[[Any], list[dict[str, Any]]]


class Many(Reference[C]):
    """The objects below this one, as a Collection that loads itself when used.

    `back` is the member's One field that leads here, `passes` the One fields that a member shares with its owner.
    `edges`: the service wraps members in `edges { node }`. `batch_size` limits how many owners one request may name.
    `barrier`: a loop below one owner says nothing about the next owner (projects). `lister` fetches a listing that
    cannot be had in one response (`in_parts`: it never can). `takes_filters`: the service's field may be requested for a part
    of the members, so that a response to such a query is not the whole list.
    """

    #: What makes a collection: (engine, kind, owner id, field). Set by the module that defines Collection.
    collection_type: ClassVar[Callable[..., Members[Any]]]

    def __init__(
        self,
        wire: str,
        target: str,
        *,
        back: str | None = None,
        passes: tuple[str, ...] = (),
        edges: bool = False,
        batch_size: int | None = None,
        barrier: bool = False,
        lister: Lister | None = None,
        in_parts: bool = False,
        takes_filters: bool = False,
        doc: str = "",
    ) -> None:
        super().__init__(wire, target, doc=doc)
        self.back = back
        self.passes = passes
        self.edges = edges
        self.batch_size = batch_size
        self.barrier = barrier
        self.lister = lister
        self.in_parts = in_parts
        self.takes_filters = takes_filters

    def members(self, value: Any) -> list[Mapping[str, Any]]:
        """The members' dictionaries in a response; nulls among them are left out."""
        if value is None:
            return []
        if self.edges:
            return [edge["node"] for edge in value.get("edges") or () if edge and edge.get("node")]
        return [one for one in value if one]

    @property
    def is_nested(self) -> bool:
        """Whether loops may have it fetched together with the levels above it."""
        return not (self.barrier or self.in_parts or self.lister is not None)

    def loaded(self, obj: Entity) -> bool:
        collection = self.read(obj)
        return collection.__class__ is not State and collection._is_loaded()

    @overload
    def __get__(self, obj: None, owner: Any = None) -> Self: ...
    @overload
    def __get__(self, obj: Any, owner: Any = None) -> Collection[C]: ...
    def __get__(self, obj: Any, owner: Any = None) -> Any:
        if obj is None:
            return self
        collection = self.read(obj)
        if collection is NOT_LOADED:
            return self.collection(obj)
        if collection is DELETED:
            raise deleted(obj)
        return collection

    def collection(self, obj: Entity) -> Any:
        """The one Collection of this field on `obj`, created when there is none; never a request."""
        engine = obj._engine
        with nullcontext() if engine is None else engine.cache.lock:
            found: Any = self.read(obj)
            if isinstance(found, State):
                found = Many.collection_type(engine, self.target, owner=obj.id, field=self)
                if engine is None and obj._origin is not None:
                    obj._origin.add_collection(found)
                setattr(obj, self.slot, found)
            return found
