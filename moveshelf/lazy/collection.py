"""Collections: lists of objects that fetch themselves when used, by position, by name, by id, or in a loop."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from .. import display
from ..errors import AmbiguousError, DetachedError, IndexNotFoundError, NameNotFoundError, ValidationError
from ..wire import TooLargeError
from .cohort import At, Cohort, Named, Selector
from .entity import ENTITIES, Entity
from .fields import Many
from .members import Members
from .state import NOT_LOADED, Milestone, State, peek

if TYPE_CHECKING:
    from os import PathLike

    from typing_extensions import Self

    from ..transfer.result import Plan, TransferResult
    from .engine import Engine

C = TypeVar("C", bound=Entity)


class Collection(Members[C], Sequence[C], Generic[C]):
    """The objects below another one, in the service's order.

    Nothing is fetched until it is used: `len`, iteration, `[0]`, `["name"]`, `in` and truth fetch the listing (one
    request, or none when it is there). A loop over a collection makes the fields touched in its body be fetched for
    the members that come next; an index or a name fetches for that member alone.
    """

    __slots__ = ("__weakref__", "_engine", "_field", "_owner", "_type")

    def __init__(
        self,
        engine: Engine | None,
        kind: type[C],
        *,
        owner: str | None = None,
        field: Many[C] | None = None,
        items: list[C] | None = None,
    ) -> None:
        self._engine = engine
        self._type = kind
        self._owner = owner
        self._field = field
        self._items: Any = NOT_LOADED if items is None else items
        #: the index of names, and the count of our writes that it is of: a write may have renamed a member
        self._names: tuple[int, dict[str, list[C]]] | None = None
        self._roots: list[Cohort | None] | None = None

    # filling -------------------------------------------------------------------------------------------------
    def _is_loaded(self) -> bool:
        return peek(self._items).__class__ is list

    def _members(self) -> list[C]:
        items = self._items
        while items.__class__ is not list:
            if items.__class__ is Milestone:
                chunk, items = items.chunk, items.value
                self._items = items
                owner = self._owner_now()
                if owner is not None:
                    chunk.touched(owner)
                continue
            self._load()
            items = self._items
        return items

    def _load(self) -> None:
        field, engine = self._field, self._engine
        if self._items is State.DELETED:
            from ..errors import DeletedError

            raise DeletedError(f"this collection of {self._kind()} belongs to something that was deleted")
        if engine is None or field is None or self._owner is None:
            raise DetachedError(
                f"this collection of {self._kind()} was not loaded before it was copied or pickled, and a copy has "
                "no connection; load it first, or ask a client for its owner by id"
            )
        owner = self._own_owner(engine, field)
        if field.always_list and field.lister is not None:
            self._fill_from(engine, owner, field, None)
            return
        try:
            engine.fetch(owner, field.group)
        except TooLargeError as error:
            if field.lister is None:
                raise
            self._fill_from(engine, owner, field, error)

    def _fill_from(self, engine: Engine, owner: Entity, field: Many[C], error: BaseException | None) -> None:
        from .selection import Selection

        assert field.lister is not None
        clock = engine.clock
        answers = field.lister(owner, field, error)
        with engine.lock:
            items = Selection(type(owner), (field,))._listed(engine, owner, field, answers, clock)
            if not engine.overtaken(owner.id, clock) and not engine.overtaken((owner.id, field.name), clock):
                self._fill(items)

    def _own_owner(self, engine: Engine, field: Many[C]) -> Entity:
        """The owner; where it has gone, a new one that takes this collection over, so that the answer comes here."""
        assert self._owner is not None
        with engine.lock:
            owner = engine.get(field.owner, self._owner)
            if field.read(owner) is not self:
                setattr(owner, field.slot, self)
            return owner

    def _owner_now(self) -> Entity | None:
        if self._engine is None or self._owner is None:
            return None
        return self._engine.peek(self._owner)

    # cohorts -------------------------------------------------------------------------------------------------
    def _cohort(self, select: Selector | None, full: bool) -> Cohort:
        """The cohort of those who are read this way: below the owner's own, or one that begins here."""
        field = self._field
        if field is not None and not field.barrier:
            owner = self._owner_now()
            if owner is not None and owner._cohort is not None:
                return owner._cohort.child(field, select, full)
        return self._begin(full)

    def _begin(self, full: bool) -> Cohort:
        """The cohort that begins with these members: one for loops, one for those picked out."""
        if self._roots is None:
            self._roots = [None, None]
        found = self._roots[full]
        if found is None:
            found = Cohort([one.id for one in self._members()], full=full)
            self._roots[full] = found
        return found

    def _picked(self, obj: C, select: Selector) -> C:
        if self._engine is not None:
            obj._cohort = self._cohort(select, False)
        return obj

    # reading -------------------------------------------------------------------------------------------------
    def __len__(self) -> int:
        return len(self._members())

    def __iter__(self) -> Iterator[C]:
        items = self._members()
        if self._engine is None:
            yield from items
            return
        cohort = self._cohort(None, True)
        for one in items:
            one._cohort = cohort
            yield one

    def __reversed__(self) -> Iterator[C]:
        items = self._members()
        if self._engine is None:
            yield from reversed(items)
            return
        cohort = Cohort([one.id for one in reversed(items)])
        for one in reversed(items):
            one._cohort = cohort
            yield one

    @overload
    def __getitem__(self, key: int) -> C: ...
    @overload
    def __getitem__(self, key: str) -> C: ...
    @overload
    def __getitem__(self, key: slice) -> Collection[C]: ...
    def __getitem__(self, key: int | str | slice) -> C | Collection[C]:
        """The member at a position, of a name or id, or a collection of a slice's.

        Raises IndexNotFoundError, NameNotFoundError (with near misses) or AmbiguousError (with the ids).
        """
        if isinstance(key, slice):
            return self._view(self._members()[key])
        if isinstance(key, str):
            return self._picked(self._by_name(key), Named(key))
        try:
            position = key.__index__()
        except AttributeError:
            raise ValidationError(
                f"a collection is read by position, slice, name or id, not by {type(key).__name__} {key!r}"
            ) from None
        items = self._members()
        try:
            return self._picked(items[position], At(position))
        except IndexError:
            raise IndexNotFoundError(
                f"no {self._kind(1)} at position {position}: {self._where()} has {len(items)}"
            ) from None

    def _by_name(self, key: str) -> C:
        found = self._named().get(key)
        if found is None:
            for one in self._members():
                if one.id == key:
                    return one
            raise NameNotFoundError(self._no_such(key))
        if len(found) > 1:
            ids = ", ".join(one.id for one in found)
            raise AmbiguousError(
                f"{len(found)} {self._kind()} in {self._where()} are named {key!r}: {ids}; ask for one by its id"
            )
        return found[0]

    def _named(self) -> dict[str, list[C]]:
        clock = 0 if self._engine is None else self._engine.clock
        found = self._names
        if found is None or found[0] != clock:
            names: dict[str, list[C]] = {}
            for one in self._members():
                names.setdefault(self._name_of(one), []).append(one)
            found = self._names = (clock, names)
        return found[1]

    def _name_of(self, one: C) -> str:
        return str(one.name)  # type: ignore[attr-defined]

    def _no_such(self, key: str) -> str:
        names = list(self._named())
        text = f"no {self._kind(1)} {key!r} in {self._where()}"
        near = display.near_misses(key, names)
        if near:
            return f"{text}; did you mean {' or '.join(repr(name) for name in near)}?"
        if not names:
            return f"{text}, which has none"
        shown = ", ".join(repr(name) for name in names[:5])
        return f"{text}; it has {shown}{', ...' if len(names) > 5 else ''}"

    def __contains__(self, key: object) -> bool:
        if isinstance(key, str):
            return key in self._named() or any(one.id == key for one in self._members())
        return any(one is key or one == key for one in self._members())

    def get(self, key: str | int, default: Any = None) -> C | Any:
        """The member of that name, id or position, or `default`. An ambiguous name still raises."""
        try:
            return self[key]
        except (NameNotFoundError, IndexNotFoundError):
            return default

    def find(self, **attributes: Any) -> Collection[C]:
        """The members whose attributes all equal the given ones, as a collection.

        A callable stands for a test: `find(name=lambda name: name.startswith("P-"))`. Fetches the attributes
        that are not loaded, in chunks. Raises ValidationError for an attribute that the objects do not have.
        """
        for name in attributes:
            if not hasattr(self._type, name):
                self._type.field(name)
        return self._view([one for one in self if all(_fits(one, *pair) for pair in attributes.items())])

    def find_one(self, **attributes: Any) -> C:
        """The one member whose attributes equal the given ones.

        Raises NameNotFoundError if there is none, AmbiguousError if there are several.
        """
        found = self.find(**attributes)._members()
        wanted = ", ".join(f"{name}={value!r}" for name, value in attributes.items())
        if not found:
            raise NameNotFoundError(f"no {self._kind(1)} with {wanted} in {self._where()}")
        if len(found) > 1:
            ids = ", ".join(one.id for one in found)
            raise AmbiguousError(f"{len(found)} {self._kind()} with {wanted} in {self._where()}: {ids}")
        return found[0]

    def names(self) -> list[str]:
        """The members' names, in order."""
        return [self._name_of(one) for one in self._members()]

    def ids(self) -> list[str]:
        """The members' ids, in order."""
        return [one.id for one in self._members()]

    def load(self, *paths: str) -> Self:
        """Fetch what the dotted paths name for every member ("metadata", "sessions.clips.files").

        Several levels travel in one request where that is smaller; what is there is not asked again. Without a
        path it fetches the listing. Raises ValidationError for a path that names no attribute.
        """
        members = self._members()
        if paths and self._engine is not None:
            self._engine.preload(members, self._type, paths)
        return self

    def download(
        self,
        to: str | PathLike[str],
        include: str | Iterable[str] | None = None,
        data_types: str | Iterable[str] | None = None,
        existing: str = "skip",
        dry_run: bool = False,
        jobs: int = 16,
        progress: bool | None = None,
    ) -> TransferResult | Plan:
        """Download every file below the members, into folder `to`, and return a result with one entry a file.

        Files lie below `to` on the path from the collection's owner down: those of `subject.sessions` at
        `session/condition/trial/file`, those of a collection without one owner (a slice, what was found) at
        `subject/session/condition/trial/file`. Everything else is as in `download` of a member.
        """
        return self._type._download(self, to, include, data_types, existing, dry_run, jobs, progress)

    def to_frame(self) -> Any:
        """A pandas DataFrame: one row a member, one column a loaded or listed attribute. Needs the extra `pandas`."""
        from ..tables.frame import collection_frame

        return collection_frame(self)

    def _view(self, items: list[C]) -> Collection[C]:
        return Collection(self._engine, self._type, items=items)

    # looks, copies: never a request ----------------------------------------------------------------------------
    def _kind(self, count: int = 2) -> str:
        name = self._type.__name__.lower()
        name = {"datafile": "file"}.get(name, name)
        return name if count == 1 else name + "s"

    def _where(self) -> str:
        owner = self._owner_now()
        if owner is None:
            return "this collection"
        return display.label(owner)

    def __repr__(self) -> str:
        return display.collection_repr(self)

    def _repr_html_(self) -> str:
        return display.collection_html(self)

    def _ipython_key_completions_(self) -> list[str]:
        items = self._shown()
        if items.__class__ is not list:
            return []
        return [name for name in (one._peek_name() for one in items) if name]

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if isinstance(other, (Collection, list, tuple)) and self._is_loaded():
            return list(self._members()) == list(other)
        return NotImplemented if not isinstance(other, Collection) else False

    __hash__ = None  # type: ignore[assignment]  # a collection is a list, and lists are not hashable

    def __reduce__(self) -> tuple[Any, ...]:
        items = peek(self._items)
        return (_revive, (self._type.__name__, items if items.__class__ is list else None))

    def __copy__(self) -> Self:
        return copy.deepcopy(self)

    def count(self, value: Any) -> int:
        """How many members equal `value` (1 or 0)."""
        return sum(1 for one in self._members() if one is value)

    def index(self, value: Any, start: int = 0, stop: int | None = None) -> int:
        """The position of a member. Raises ValueError if it is none."""
        items = self._members()
        return items.index(value, start, len(items) if stop is None else stop)


def _fits(one: Any, name: str, wanted: Any) -> bool:
    value = getattr(one, name)
    return bool(wanted(value)) if isinstance(wanted, Callable) else bool(value == wanted)  # type: ignore[arg-type]


def _revive(name: str, items: Iterable[Any] | None) -> Collection[Any]:
    if name not in ENTITIES:
        import importlib

        importlib.import_module("moveshelf.models")
    return Collection(None, ENTITIES[name], items=None if items is None else list(items))


Many.made_of = Collection
