"""The base of every object: an id, the engine that loads it, and one slot a field."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import attrs

from ..errors import ValidationError
from .fields import BASIC, Field, Found, Many, deleted
from .state import DELETED, NOT_LOADED, peek

if TYPE_CHECKING:
    from typing_extensions import Self

    from ..transfer.result import Plan, TransferResult
    from .cohort import Cohort
    from .engine import Engine

E = TypeVar("E", bound="Entity")

#: Every class of objects by its name, so that fields can name each other's classes as text.
ENTITIES: dict[str, type[Entity]] = {}
#: The same by the wire's word.
BY_WIRE: dict[str, type[Entity]] = {}


@attrs.define(eq=False, repr=False, slots=True, weakref_slot=True, getstate_setstate=False)
class Entity:
    """An object of the service. Equal only to itself: a client holds one object per id."""

    id: str
    _engine: Engine | None = None
    _cohort: Cohort | None = attrs.field(default=None, init=False)

    wire: ClassVar[str] = ""
    fields: ClassVar[dict[str, Field[Any]]] = {}
    groups: ClassVar[dict[str, tuple[Field[Any], ...]]] = {}
    by_wire: ClassVar[dict[str, Field[Any]]] = {}
    #: what is computed from a field: property name -> field name ("metadata" comes of "record")
    derived: ClassVar[dict[str, str]] = {}
    is_root: ClassVar[bool] = False

    def load(self, *paths: str) -> Self:
        """Fetch what the dotted paths name ("metadata", "sessions.clips.files"), and return the object.

        Sends only what is not loaded yet; several levels travel in one request where that is smaller.
        Without a path it fetches what a listing would bring.

        Raises ValidationError for a path that names no attribute (before any request), NotFoundError where the
        object is gone, and the wire's errors.
        """
        if self._engine is None:
            for path in paths:
                name = path.split(".")[0]
                if name in type(self).fields and not type(self).fields[name].loaded(self):
                    raise self._detached(name)
            return self
        self._engine.preload([self], type(self), paths or (BASIC,))
        return self

    def is_loaded(self, field: str) -> bool:
        """Whether reading attribute `field` needs no request. Raises ValidationError for an unknown attribute."""
        return type(self).field(field).loaded(self)

    def refresh(self) -> Self:
        """Forget what was loaded, read what a listing brings anew, in place, and return the object.

        One request at once; everything else is fetched again when touched. Collections stay the same objects.
        Raises NotFoundError where the object is gone by now.
        """
        if self._engine is None:
            raise self._detached("refresh()")
        if self.is_deleted:
            raise deleted(self)
        self._engine.refresh(self)
        return self

    @classmethod
    def _download(cls, members: Any, to: Any, *options: Any) -> TransferResult | Plan:
        """What `collection.download` of these does; classes with files below them say how."""
        raise ValidationError(f"a {cls.__name__.lower()} has no files to download")

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

    def _peek_name(self) -> str | None:
        """The name as far as it is loaded; never a request."""
        return None

    def _detached(self, what: str) -> Exception:
        from .fields import detached

        return detached(self, what)

    # bool, copies and pickles never send a request -----------------------------------------------------------
    def __bool__(self) -> bool:
        return True

    def __reduce__(self) -> tuple[Any, ...]:
        state = {}
        for field in type(self).fields.values():
            value = peek(field.read(self))
            if value is not NOT_LOADED and (not isinstance(field, Many) or field.loaded(self)):
                state[field.slot] = value
        return (_revive, (type(self).__name__, self.id, state))

    def __copy__(self) -> Self:
        # a shallow copy would share live collections with an object that has no connection
        return copy.deepcopy(self)

    def __dir__(self) -> list[str]:
        return [name for name in object.__dir__(self) if not name.startswith("_") or name.startswith("__")]


def _revive(name: str, identity: str, state: dict[str, Any]) -> Entity:
    if name not in ENTITIES:  # a fresh process has not imported the models yet
        import importlib

        importlib.import_module("moveshelf.models")
    obj = ENTITIES[name](identity, None)
    for slot, value in state.items():
        setattr(obj, slot, value)
    return obj


def entity(
    wire: str, *, derived: dict[str, str] | None = None, root: bool = False
) -> Callable[[type[E]], type[E]]:
    """Class decorator: give every field its slot, through attrs, and register the class.

    `derived` maps properties to the fields they are computed from.
    """

    def wrap(cls: type[E]) -> type[E]:
        declared = {name: value for name, value in vars(cls).items() if isinstance(value, Field)}
        slots = {field.slot: attrs.field(default=NOT_LOADED, init=False) for field in declared.values()}
        made = attrs.define(
            cls, these=slots, eq=False, repr=False, slots=True, weakref_slot=False, getstate_setstate=False
        )
        made.wire = wire
        made.fields = declared
        made.derived = derived or {}
        made.is_root = root
        made.by_wire = {}
        groups: dict[str, list[Field[Any]]] = {BASIC: []}
        for field in declared.values():
            field.owner = made
            if isinstance(field, Found):
                continue  # nothing on the wire
            made.by_wire.setdefault(field.wire, field)
            groups.setdefault(field.group, []).append(field)
        made.groups = {name: tuple(members) for name, members in groups.items()}
        ENTITIES[made.__name__] = made
        BY_WIRE[wire] = made
        return made

    return wrap
