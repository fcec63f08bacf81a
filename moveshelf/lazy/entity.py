"""The base of every object: an id, the engine that loads it, and one slot a field."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import attrs

from ..errors import DetachedError, ValidationError
from .fields import BASIC, Field, Many, Reference, Resolved, deleted, detached
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
    (
        "by_wire",
        "derived",
        "field",
        "fields",
        "folder_field",
        "groups",
        "is_root",
        "owner_link",
        "wire",
        "writers",
        "__attrs_attrs__",
    )
)


class Meant:
    """An attribute that there is not, under a name that people write: reading it says which one is meant.

    (A `__getattr__` would do, but IPython completes nothing of objects that have one.)
    """

    def __init__(self, meant: str) -> None:
        self.meant = meant

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self.name = name

    def __get__(self, obj: Any, owner: type[Any]) -> NoReturn:
        text = f"{owner.__name__!r} object has no attribute {self.name!r}; did you mean {self.meant!r}?"
        raise AttributeError(text, name=self.name, obj=obj)


#: Other words for attributes, as the web site and people have them.
_SAME_AS = {"trial": "clip", "trials": "clips", "patient": "subject", "patients": "subjects"}


def _add_meant(cls: type[Entity]) -> None:
    """Add what leads from one session to the sessions, and from the words of the web site to ours."""
    lists = [name for name, field in cls.fields.items() if isinstance(field, Many)]
    names = {name[:-1]: name for name in lists} | {
        other: name for other, name in _SAME_AS.items() if hasattr(cls, name)
    }
    if "clips" not in lists and "sessions" in lists:
        names["clips"] = names["trials"] = "sessions"
    for name, meant in names.items():
        if not hasattr(cls, name):
            member = Meant(meant)
            member.name = name
            setattr(cls, name, member)


class Kind(type):
    """The class of the classes: what the engine knows of a class, which is no attribute of an object.

    So completion, in a notebook or in an editor, shows the names that people look for.
    """

    wire: str
    fields: dict[str, Field[Any]]
    groups: dict[str, tuple[Field[Any], ...]]
    by_wire: dict[str, Field[Any]]
    #: what is computed from a field: property name -> field name ("metadata" comes from "stored")
    derived: dict[str, str]
    is_root: bool
    #: the field that leads to the object with which this one is deleted and refreshed, if there is one
    owner_link: str | None
    #: the field that holds the path of the folder where an object lies, if there is one
    folder_field: str | None
    #: attribute -> the method that changes it, for the error of an assignment
    writers: dict[str, str]

    def __init__(cls, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if not hasattr(cls, "fields"):  # the first class; the decorator `entity` sets those of the others
            cls.wire, cls.is_root, cls.owner_link, cls.folder_field = "", False, None, None
            cls.fields, cls.groups, cls.by_wire = {}, {}, {}
            cls.derived, cls.writers = {}, {}

    def field(cls, name: str) -> Field[Any]:
        """The declaration behind attribute `name`. Raises ValidationError that lists the attributes there are."""
        found = cls.fields.get(cls.derived.get(name, name))
        if found is None:
            known = sorted({*cls.fields, *cls.derived})
            raise ValidationError(
                f"{cls.__name__} has no attribute {name!r} to load; it has {', '.join(known)}"
            )
        return found

    def _how_to_write(cls, name: str) -> str:
        """Which method changes attribute `name`, for the error of an assignment."""
        if name in cls.writers:
            return f"use {cls.writers[name]}"
        known = ", ".join(dict.fromkeys(cls.writers.values()))
        return (
            f"no method changes it; the methods that write are {known}" if known else "no method changes it"
        )

    def __dir__(cls) -> list[str]:
        return [name for name in super().__dir__() if name not in _HIDDEN and not _is_meant(cls, name)]


@attrs.define(eq=False, repr=False, slots=True, weakref_slot=True, getstate_setstate=False)
class Entity(metaclass=Kind):
    """An object of the service. A client holds one object per id; objects of one kind, id and service are equal."""

    id: str
    _engine: Engine | None = None
    _peers: Peers | None = attrs.field(default=None, init=False)
    #: where a copy without a connection came from
    _origin: Origin | None = attrs.field(default=None, init=False)

    def load(self, *paths: str) -> Self:
        """Fetch what the dotted paths name ("metadata", "sessions.clips.files"), and return the object.

        Sends only what is not loaded yet; several levels travel in one request where that is smaller.
        Without a path it fetches what a listing would bring.

        Raises ValidationError for a path that names no attribute (before any request), NotFoundError where the
        service has no such object, DetachedError where a copy does not have what is named, and the errors of requests.
        """
        check_paths(paths)
        engine = engine_for(self, [self], type(self), paths)
        if engine is not None:
            engine.load([self], type(self), paths or (BASIC,))
        return self

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
        check_paths(paths)
        engine = engine_for(self, [self], type(self), paths)
        if engine is not None:
            await engine.aload_one(self, paths or (BASIC,))
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
            if name not in _HIDDEN
            and (name[0] != "_" or name[:2] == "__")
            and not _is_meant(type(self), name)
        ]


def _is_meant(cls: type[Any], name: str) -> bool:
    return any(isinstance(vars(one).get(name), Meant) for one in cls.__mro__)


def check_paths(paths: Iterable[str]) -> None:
    """Refuse what is no path for `load`. Raises ValidationError."""
    for path in paths:
        if isinstance(path, (list, tuple, set)) and path and all(isinstance(one, str) for one in path):
            raise ValidationError(
                f"load takes the names one by one: load({', '.join(map(repr, path))}), and not {path!r}"
            )
        if not isinstance(path, str):
            raise ValidationError(
                f'load takes names of attributes, such as load("metadata", "sessions.clips"), and not {path!r}'
            )


def require_loaded(members: Sequence[Entity], kind: type[Entity], paths: Iterable[str]) -> None:
    """Check that copies, which have no connection, have what the paths name.

    Raises ValidationError for a path that names no attribute, also where there are no members, and DetachedError that
    names the first attribute that is not loaded.
    """
    for path in paths:
        at, cls = list(members), kind
        names = path.split(".")
        if path == BASIC:
            continue
        missing: Exception | None = None
        while names:
            name = names.pop(0)
            field = cls.field(name)
            if name in cls.derived and names[:1] == [field.name]:
                names.pop(0)
            if missing is None:
                missing = next((detached(one, name) for one in at if not field.loaded(one)), None)
            if not names:
                break
            if not isinstance(field, Reference):
                raise ValidationError(f"{path!r}: {cls.__name__}.{name} has nothing below it to load")
            cls = field.target
            if isinstance(field, Many) and missing is None:
                at = [below for one in at for below in field.collection(one)._members()]
            else:  # a copy knows the objects above it by their ids only
                missing = missing or next((detached(one, ".".join([name, *names])) for one in at), None)
                at = []
        if missing is not None:
            raise missing


def engine_for(
    obj: Any, members: Sequence[Entity], kind: type[Entity], paths: Iterable[str]
) -> Engine | None:
    """The engine that loads what the paths name; None for a copy without a connection that holds all of it.

    A copy that does not hold it is connected. Raises as `require_loaded` where that cannot be, and says why.
    """
    engine: Engine | None = obj._engine
    if engine is not None:
        return engine
    try:
        require_loaded(members, kind, paths)
    except DetachedError as missing:
        origin: Origin | None = obj._origin
        if origin is None:
            raise
        try:
            return origin.connect()
        except DetachedError as reason:
            text = f"{missing.message} ({reason.message})"
    else:
        return None
    raise DetachedError(text)


def entity(
    wire: str,
    *,
    derived: dict[str, str] | None = None,
    root: bool = False,
    owner: str | None = None,
    folder: str | None = None,
    writers: dict[str, str] | None = None,
) -> Callable[[type[E]], type[E]]:
    """Class decorator: give every field its slot, through attrs, and register the class.

    `derived` maps properties to the fields they are computed from, `writers` attributes to the methods that change them;
    `owner` is the field that leads to the object with which one of these is deleted and refreshed; `folder` the field that
    holds the path of the folder where it lies.
    """

    def wrap(cls: type[E]) -> type[E]:
        declared = {name: value for name, value in vars(cls).items() if isinstance(value, Field)}
        slots = {field.slot: attrs.field(default=NOT_LOADED, init=False) for field in declared.values()}
        slotted = attrs.define(
            cls, these=slots, eq=False, repr=False, slots=True, weakref_slot=False, getstate_setstate=False
        )
        # pages of documentation look for the types of arguments where the class is, and this one is not for users
        slotted.__init__.__annotations__ = {"id": "str"}
        # attrs' own functions would show the machinery (asdict) or make a second live object of one id (evolve)
        slotted.__attrs_attrs__ = None  # type: ignore[assignment]
        slotted.wire = wire
        slotted.fields = declared
        slotted.derived = derived or {}
        slotted.is_root = root
        slotted.owner_link = owner
        slotted.folder_field = folder
        slotted.writers = writers or {}
        slotted.by_wire = {}
        groups: dict[str, list[Field[Any]]] = {BASIC: []}
        for field in declared.values():
            field.owner = slotted
            if isinstance(field, Resolved):
                continue  # the service has no such field
            slotted.by_wire.setdefault(field.wire, field)
            groups.setdefault(field.group, []).append(field)
        slotted.groups = {name: tuple(members) for name, members in groups.items()}
        _add_meant(slotted)
        ENTITIES[slotted.__name__] = slotted
        BY_WIRE[wire] = slotted
        return slotted

    return wrap
