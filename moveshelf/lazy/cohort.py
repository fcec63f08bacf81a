"""Cohorts: who comes next in a traversal, across parents.

The sessions that a loop reads are those of *all* the subjects it walks, so a field that one session misses is fetched
for the sessions that come next, whichever subject they belong to. A cohort holds no objects: it is the list that was
opened first (`ids`), or a field of the members of another cohort, and finds its members through the identity map.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from .fields import Field, Many
from .state import State, peek

if TYPE_CHECKING:
    from .entity import Entity
    from .identity import IdentityMap

#: How many chunks a level of a traversal may have asked for and not yet read.
MOST_AHEAD = 8
#: How a window opened by an index or a name grows when the neighbour is asked for too.
GROWTH = 8


class Selector(Protocol):
    """Which of each parent's members belong to a cohort (the last one, those of a condition, ...)."""

    def pick(self, items: Sequence[Any]) -> Sequence[Any]:
        """The members among one parent's."""
        ...


@attrs.frozen
class At:
    """The member at one position of each parent."""

    position: int

    def pick(self, items: Sequence[Any]) -> Sequence[Any]:
        """The member at the position, or nobody."""
        try:
            return (items[self.position],)
        except IndexError:
            return ()


@attrs.frozen
class Named:
    """The member of one name of each parent."""

    name: str

    def pick(self, items: Sequence[Any]) -> Sequence[Any]:
        """The members of that name, as far as their names are loaded."""
        return [one for one in items if one._peek_name() == self.name]


class Gap:
    """Stands in a cohort for the members of a parent whose own field is not loaded yet."""

    __slots__ = ("level", "parent")

    def __init__(self, parent: Entity, level: Cohort) -> None:
        self.parent = parent
        #: the cohort whose members are missing
        self.level = level


class Cohort:
    """The members of one level of one traversal, and how far ahead of the reader they may be fetched."""

    __slots__ = (
        "__weakref__",
        "_children",
        "_hint",
        "ahead",
        "allow",
        "below",
        "ended",
        "expected",
        "field",
        "full",
        "ids",
        "parent",
        "select",
        "window",
    )

    def __init__(
        self,
        ids: Sequence[str] = (),
        *,
        parent: Cohort | None = None,
        field: Field[Any] | None = None,
        select: Selector | None = None,
        full: bool = True,
    ) -> None:
        self.ids = ids
        self.parent = parent
        self.field = field
        self.select = select
        #: a loop opens the full window; an index or a name a window of one
        self.full = full
        #: chunks that were sent for this level and that nobody has read
        self.ahead = 0
        #: chunks that this level may be ahead of its reader: two until he comes to one of them
        self.allow = 2
        #: whether a level below this one is being read: then this one stays just ahead of it
        self.below = False
        self.window = 1
        #: the groups whose last members were asked for: who reads on from there does not read forward
        self.ended: tuple[str, ...] = ()
        self.expected: str | None = None
        self._hint = 0
        self._children: dict[Any, weakref.ref[Cohort]] | None = None

    def child(self, field: Field[Any], select: Selector | None, full: bool = True) -> Cohort:
        """The cohort of `field` below the members of this one: one and the same for all who ask."""
        key = (field.name, select, full)
        if self._children is None:
            self._children = {}
        ref = self._children.get(key)
        found = None if ref is None else ref()
        if found is None:
            found = Cohort(parent=self, field=field, select=select, full=full)
            self._children[key] = weakref.ref(found)
        return found

    # members -------------------------------------------------------------------------------------------------
    def members(
        self, objects: IdentityMap, start: Entity | None = None, gaps: bool = True
    ) -> Iterator[Entity | Gap]:
        """The living members from `start` on (`start` first); they end with a Gap where a looped parent is not loaded.

        Without `gaps` such parents are passed over.
        """
        if self.parent is None:
            yield from self._own(objects, start)
            return
        field = self.field
        assert field is not None
        if isinstance(field, Many):
            yield from self._many(objects, field, start, gaps)
        else:
            yield from self._one(objects, field, start)

    def _own(self, objects: IdentityMap, start: Entity | None) -> Iterator[Entity | Gap]:
        ids = self.ids
        first = 0
        if start is not None:
            first = self._position(start.id)
            if first < 0:
                yield start
                return
            self._hint = first
        for index in range(first, len(ids)):
            obj = objects.get(ids[index])
            if obj is not None:
                yield obj

    def _position(self, identity: str) -> int:
        for begin in (self._hint, 0):
            try:
                return self.ids.index(identity, begin)
            except ValueError:
                continue
        return -1

    def _many(
        self, objects: IdentityMap, field: Many[Any], start: Entity | None, gaps: bool
    ) -> Iterator[Entity | Gap]:
        assert self.parent is not None
        owner: Entity | None = None
        if start is not None and field.back is not None:
            identity = peek(type(start).fields[field.back].read(start))
            owner = objects.get(identity) if isinstance(identity, str) else None
            if owner is None:
                yield start
                return
        seeking = start is not None
        looped = self.parent.full and gaps
        for parent in self.parent.members(objects, owner, gaps):
            if isinstance(parent, Gap):
                yield parent
                return
            items = _items(parent, field)
            if items is None:
                if looped and not seeking:
                    yield Gap(parent, self)
                    return
                continue
            for one in items if self.select is None else self.select.pick(items):
                if seeking:
                    if one is not start:
                        continue
                    seeking = False
                yield one
            if seeking and owner is not None:
                break
        if seeking and start is not None:
            yield start

    def _one(self, objects: IdentityMap, field: Field[Any], start: Entity | None) -> Iterator[Entity | Gap]:
        assert self.parent is not None
        seen: set[str] = set()
        seeking = start is not None
        for parent in self.parent.members(objects):
            if isinstance(parent, Gap):
                break
            identity = peek(field.read(parent))
            if identity is None or identity.__class__ is State or identity in seen:
                continue
            seen.add(identity)
            if seeking:
                if start is None or identity != start.id:
                    continue
                seeking = False
            one = objects.get(identity)
            if one is not None:
                yield one
        if seeking and start is not None:
            yield start

    # windows -------------------------------------------------------------------------------------------------
    def open(self, obj: Entity, most: int) -> int:
        """How many members a window opened at `obj` by index or name covers; grows when neighbours are asked."""
        self.window = self.window * GROWTH if obj.id == self.expected else 1
        if self.window > 1 and self.window >= most:
            self.full = True
        return min(self.window, most)

    def proceed(self) -> None:
        """The reader has come to a chunk that was read ahead: it means to go on, so the whole window opens."""
        self.allow = MOST_AHEAD

    def room(self) -> int:
        """How many more chunks may be asked for ahead of the reader.

        A level that another one is read below stays two chunks ahead, so that the one below does not come to the end
        of what is known and wait; the deepest has the rest of the window.
        """
        most = 2 if self.below else min(self.allow, MOST_AHEAD - self.depth)
        return most - self.ahead

    @property
    def depth(self) -> int:
        """How many levels of this traversal lie above."""
        return 0 if self.parent is None else self.parent.depth + 1


def _items(parent: Entity, field: Many[Any]) -> list[Any] | None:
    collection = field.read(parent)
    if collection.__class__ is State:
        return None
    items = peek(collection._items)
    return items if items.__class__ is list else None
