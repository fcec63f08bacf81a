"""Peers: the members of one level of a traversal, across parents.

The sessions that a loop reads are those of *all* the subjects it walks, so a field that one session misses is fetched
for the sessions that come next, whichever subject they belong to. Peers hold no objects: they are the list that was
opened first (`ids`), or a field of the members of the level above, and find their members through the identity map.
What a loop reads of the members is noted in `reads` (paths.py).
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from .fields import Field, Many
from .paths import Reads
from .state import State, peek
from .window import Ahead, Window

if TYPE_CHECKING:
    from .entity import Entity
    from .identity import IdentityMap


#: How many owners tell which part of the members a selector picks.
SAMPLE = 20


class Selector(Protocol):
    """Which of each parent's members are peers (the last one, those of a condition, ...)."""

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


class UnloadedParent:
    """Stands among peers for the members of a parent whose own field is not loaded yet."""

    __slots__ = ("level", "parent")

    def __init__(self, parent: Entity, level: Peers) -> None:
        self.parent = parent
        #: the level whose members are missing
        self.level = level


class Peers:
    """The members of one level of one traversal, and the window in which they are prefetched."""

    __slots__ = (
        "__weakref__",
        "_children",
        "_hint",
        "ahead",
        "field",
        "finished_groups",
        "ids",
        "parent",
        "reads",
        "select",
        "window",
    )

    def __init__(
        self,
        ids: Sequence[str] = (),
        *,
        parent: Peers | None = None,
        field: Field[Any] | None = None,
        select: Selector | None = None,
        full: bool = True,
        reads: Reads | None = None,
    ) -> None:
        self.ids = ids
        self.parent = parent
        self.field = field
        self.select = select
        self.window = Window(full)
        #: what the loop reads of the members
        self.reads = Reads() if reads is None else reads
        #: how far ahead the whole traversal may fetch several levels
        self.ahead: Ahead = Ahead() if parent is None else parent.ahead
        #: the groups whose last members were fetched: who reads on from there does not read forward
        self.finished_groups: tuple[str, ...] = ()
        self._hint = 0
        self._children: dict[Any, weakref.ref[Peers]] | None = None

    def child(self, field: Field[Any], select: Selector | None, full: bool = True) -> Peers:
        """The peers that are `field` of the members of this level: the same object at each call."""
        key = (field.name, select, full)
        if self._children is None:
            self._children = {}
        if full and isinstance(field, Many):
            self.reads.touch(field.name)
        ref = self._children.get(key)
        found = None if ref is None else ref()
        if found is None:
            reads = self.reads.down(field.name)
            found = Peers(parent=self, field=field, select=select, full=full, reads=reads)
            self._children[key] = weakref.ref(found)
        if select is None and full and None not in found.reads.shares:
            found.reads.pick(None, 1.0)
        return found

    def begin(self) -> None:
        """A loop over the members of the first level begins."""
        if self.parent is None and self.window.full:
            self.reads.begin()
            self.ahead.begin(self.reads.path.is_deep)

    @property
    def loops(self) -> int:
        """How many levels of loops end here: one for the level itself, if it is a loop's, and those right above it."""
        if not self.window.full:
            return 0
        return 1 if self.parent is None else 1 + self.parent.loops

    def note_share(self, objects: IdentityMap) -> None:
        """Note which part of the members of each owner the selector picks, judged by a few that are loaded."""
        if self.select is None or self.select in self.reads.shares or self.parent is None:
            return
        field = self.field
        if not isinstance(field, Many):
            return
        owners = self.parent.members(objects, None, with_unloaded=False)
        known = (items_of(one, field) for one in owners if not isinstance(one, UnloadedParent))
        lists = list(islice((items for items in known if items), SAMPLE))
        if lists:
            picked = sum(len(self.select.pick(items)) for items in lists)
            self.reads.pick(self.select, picked / sum(map(len, lists)))

    # members -------------------------------------------------------------------------------------------------
    def members(
        self, objects: IdentityMap, start: Entity | None = None, with_unloaded: bool = True
    ) -> Iterator[Entity | UnloadedParent]:
        """The living members from `start` on (`start` first); they end with an UnloadedParent where a parent of the loop is
        not loaded.

        Unless `with_unloaded`, such parents are passed over.
        """
        if self.parent is None:
            yield from self._own(objects, start)
            return
        field = self.field
        assert field is not None
        if isinstance(field, Many):
            yield from self._many(objects, field, start, with_unloaded)
        else:
            yield from self._one(objects, field, start)

    def _own(self, objects: IdentityMap, start: Entity | None) -> Iterator[Entity | UnloadedParent]:
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
        self, objects: IdentityMap, field: Many[Any], start: Entity | None, with_unloaded: bool
    ) -> Iterator[Entity | UnloadedParent]:
        assert self.parent is not None
        owner: Entity | None = None
        if start is not None and field.back is not None:
            identity = peek(type(start).fields[field.back].read(start))
            owner = objects.get(identity) if isinstance(identity, str) else None
            if owner is None:
                yield start
                return
        seeking = start is not None
        looped = self.parent.window.full and with_unloaded
        for parent in self.parent.members(objects, owner, with_unloaded):
            if isinstance(parent, UnloadedParent):
                yield parent
                return
            items = items_of(parent, field)
            if items is None:
                if looped and not seeking:
                    yield UnloadedParent(parent, self)
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

    def _one(
        self, objects: IdentityMap, field: Field[Any], start: Entity | None
    ) -> Iterator[Entity | UnloadedParent]:
        assert self.parent is not None
        seen: set[str] = set()
        seeking = start is not None
        for parent in self.parent.members(objects):
            if isinstance(parent, UnloadedParent):
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

    def room(self) -> int:
        """How many more batches may be requested ahead of the reader."""
        return self.window.room(self.depth)

    @property
    def first(self) -> Peers:
        """The level that the traversal began with."""
        return self if self.parent is None else self.parent.first

    @property
    def depth(self) -> int:
        """How many levels of this traversal lie above."""
        return 0 if self.parent is None else self.parent.depth + 1


def items_of(parent: Entity, field: Many[Any]) -> list[Any] | None:
    """The members of a list as far as they are loaded; never a request."""
    collection = field.read(parent)
    if collection.__class__ is State:
        return None
    items = peek(collection._items)
    return items if items.__class__ is list else None
