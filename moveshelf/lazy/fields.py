"""Field descriptors: how an attribute of an object says where it comes from and fills itself when touched.

A class declares `name = Scalar[str]("name")`; the `entity` decorator (entity.py) gives it a slot `_name`. The
descriptor reads the slot; where it finds no value it asks the loader, which fetches the field for the object and for
those that will be read next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn, TypeVar, overload

from ..errors import DeletedError, DetachedError
from .state import DELETED, NOT_LOADED, Milestone, State, peek

if TYPE_CHECKING:
    from typing_extensions import Self

    from .collection import Collection
    from .entity import Entity

T = TypeVar("T")
C = TypeVar("C", bound="Entity")

#: The group of fields that a listing brings: what identifies and sorts.
BASIC = "basic"


class Field(Generic[T]):
    """What Scalar, One and Many share: a name, a slot, the wire's word and the group that is fetched together."""

    name: str
    slot: str
    owner: type[Entity]

    def __init__(self, wire: str, *, group: str | None = None, doc: str = "") -> None:
        self.wire = wire
        self._group = group
        self.__doc__ = doc

    def __set_name__(self, owner: type[Any], name: str) -> None:
        # runs twice: attrs makes a slotted class anew, so nothing here may depend on which of them it is
        self.name = name
        self.slot = "_" + name
        self.group = self._group or name
        self.read: Callable[[Any], Any] = attrgetter(self.slot)

    def __set__(self, obj: Any, value: Any) -> NoReturn:
        raise AttributeError(
            f"{type(obj).__name__}.{self.name} is what the service holds and cannot be assigned; "
            "use the methods that write (update, update_metadata, rename, ...)"
        )

    def selection(self) -> str:
        """The field's text in a document, without what is nested below it."""
        return self.wire

    def loaded(self, obj: Entity) -> bool:
        """Whether a value is there; never a request."""
        return peek(self.read(obj)).__class__ is not State

    def _value(self, obj: Entity) -> Any:
        """The slot's value, fetched where there is none."""
        value = self.read(obj)
        while value.__class__ is State:
            if value is DELETED:
                raise deleted(obj)
            engine = obj._engine
            if engine is None:
                raise detached(obj, self.name)
            engine.fetch(obj, self.group)
            value = self.read(obj)
        if value.__class__ is Milestone:
            chunk, value = value.chunk, value.value
            setattr(obj, self.slot, value)
            chunk.touched(obj)
        return value


def deleted(obj: Entity) -> DeletedError:
    """The error of an object that this client has deleted."""
    return DeletedError(f"{type(obj).__name__} {obj.id} was deleted and cannot be used any more")


def detached(obj: Entity, what: str) -> DetachedError:
    """The error of a copy that was asked for more than it carries."""
    kind = type(obj).__name__
    return DetachedError(
        f"{kind}.{what} was not loaded before this {kind} ({obj.id}) was copied or pickled, and a copy has no "
        f"connection; load it first ({kind.lower()}.load({what!r})) or ask a client for the object by its id"
    )


class Scalar(Field[T]):
    """A value: text, number, date, or a small parsed structure."""

    def __init__(
        self,
        wire: str,
        *,
        group: str | None = None,
        convert: Callable[[Any], T] | None = None,
        nested: str = "",
        doc: str = "",
    ) -> None:
        super().__init__(wire, group=group, doc=doc)
        self.convert = convert
        self.nested = nested

    def selection(self) -> str:
        return f"{self.wire} {self.nested}" if self.nested else self.wire

    @overload
    def __get__(self, obj: None, owner: Any = None) -> Self: ...
    @overload
    def __get__(self, obj: Any, owner: Any = None) -> T: ...
    def __get__(self, obj: Any, owner: Any = None) -> Any:
        if obj is None:
            return self
        value = self.read(obj)
        kind = value.__class__
        if kind is State or kind is Milestone:
            return self._value(obj)
        return value


class Reference(Field[T]):
    """What One and Many share: the class at the other end, named as text and looked up when first needed."""

    def __init__(self, wire: str, target: str, *, group: str | None = None, doc: str = "") -> None:
        super().__init__(wire, group=group, doc=doc)
        self._target = target
        self._class: type[Entity] | None = None

    @property
    def target(self) -> type[Entity]:
        """The class at the other end; found by its name when first asked for, since classes name each other."""
        if self._class is None:
            from .entity import ENTITIES

            self._class = ENTITIES[self._target]
        return self._class


class One(Reference[C]):
    """Another object, known by its id: it is held by nobody here, and comes back unloaded when it has gone."""

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
        engine = obj._engine
        if engine is None:
            raise detached(obj, self.name)
        found = engine.get(self.target, identity)
        if obj._cohort is not None and found._cohort is None:
            found._cohort = obj._cohort.child(self, None)
        return found


class Found(One[C]):
    """An object that the wire has no field for: known from the way that led here, or looked for by `resolver`."""

    def __init__(self, target: str, resolver: Callable[[Any], str | None], *, doc: str = "") -> None:
        super().__init__("", target, doc=doc)
        self.resolver = resolver

    def _value(self, obj: Entity) -> Any:
        value = self.read(obj)
        if value is NOT_LOADED:
            if obj._engine is None:
                raise detached(obj, self.name)
            setattr(obj, self.slot, self.resolver(obj))
        return super()._value(obj)


class Many(Reference[C]):
    """The objects below this one, as a Collection that fetches itself when used.

    `back` is the member's One field that leads here, `passes` the One fields a member shares with its owner.
    `arguments` stands behind the wire's field; `edges` says that the wire wraps members in `edges { node }`.
    `chunk` limits how many owners one request may name. `barrier`: a loop below one owner says nothing of the
    next one's (projects). `lister` answers a listing that cannot be had in one answer (`always_list`: never can).
    `takes_filters`: the wire's field may be asked for a part of the members, so that an answer of somebody else's
    question may not be the whole list.
    """

    #: Collection, which sets itself here: the two rooms name each other
    made_of: ClassVar[type[Collection[Any]]]

    def __init__(
        self,
        wire: str,
        target: str,
        *,
        back: str | None = None,
        passes: tuple[str, ...] = (),
        edges: bool = False,
        arguments: str = "",
        chunk: int | None = None,
        barrier: bool = False,
        lister: Callable[[Entity, Many[Any], BaseException | None], list[dict[str, Any]]] | None = None,
        always_list: bool = False,
        takes_filters: bool = False,
        doc: str = "",
    ) -> None:
        super().__init__(wire, target, doc=doc)
        self.back = back
        self.passes = passes
        self.edges = edges
        self.arguments = arguments
        self.chunk = chunk
        self.barrier = barrier
        self.lister = lister
        self.always_list = always_list
        self.takes_filters = takes_filters

    def selection(self) -> str:
        return self.wire + self.arguments

    def members(self, answer: Any) -> list[Mapping[str, Any]]:
        """The members' dictionaries in an answer; nulls among them are left out."""
        if answer is None:
            return []
        if self.edges:
            return [edge["node"] for edge in answer.get("edges") or () if edge and edge.get("node")]
        return [one for one in answer if one]

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

    def collection(self, obj: Entity) -> Collection[C]:
        """The one Collection of this field on `obj`, made when there is none; never a request."""
        engine = obj._engine
        with nullcontext() if engine is None else engine.lock:
            found: Collection[Any] | State = self.read(obj)
            if isinstance(found, State):
                found = self.made_of(engine, self.target, owner=obj.id, field=self)
                setattr(obj, self.slot, found)
            return found
