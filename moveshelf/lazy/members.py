"""What a collection holds, and what our own writes do to it."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Sequence
from itertools import compress, count, pairwise, repeat
from operator import is_
from typing import Any, Generic, TypeVar

from .entity import Entity
from .peers import Peers
from .state import NOT_LOADED, PrefetchMarker, State, peek

C = TypeVar("C", bound=Entity)

#: What a listing is sorted by.
Order = Callable[[C], Any]


class Index(Generic[C]):
    """What finds the members of one list: by id, by name, and the place of a new one. Each part is made when first used.

    A write changes what it touches here, so that a thousand writes do not go through the list a thousand times. The
    cache's lock is held around every change.
    """

    __slots__ = ("_ids", "_keys", "_name_of", "_order", "changes", "items", "names")

    def __init__(self, items: list[C], changes: int) -> None:
        self.items = items
        #: the cache's count of changed objects, up to which this is true
        self.changes = changes
        #: the members by name, once that was made
        self.names: dict[str, list[C]] | None = None
        self._name_of: dict[str, str] | None = None
        self._ids: dict[str, C] | None = None
        self._order: Order[C] | None = None
        #: what each member is listed by; None where the list has another order than `_order`
        self._keys: list[Any] | None = None

    @property
    def ids(self) -> dict[str, C]:
        """The members by id."""
        if self._ids is None:
            self._ids = {one.id: one for one in self.items}
        return self._ids

    def holds(self, member: Entity) -> bool:
        """Whether it is among them. A client has one object of an id, so that no object's `==` need be called."""
        return self.ids.get(member.id) is member

    def place(self, new: C, order: Order[C] | None) -> int:
        """Where a new member is listed: behind those that `order` puts before it; at the end of a list in another order."""
        if order is None:
            return len(self.items)
        if self._order is not order:
            keys = [order(one) for one in self.items]
            self._order, self._keys = order, keys if _is_sorted(keys) else None
        return len(self.items) if self._keys is None else bisect.bisect_right(self._keys, order(new))

    def position(self, member: C) -> int:
        """Where a member is."""
        at = self._by_key(member)
        return next(compress(count(), map(is_, self.items, repeat(member)))) if at is None else at

    def _by_key(self, member: C) -> int | None:
        """The position of a member by what it is listed by; None where it is not there."""
        keys = self._keys
        if keys is None or self._order is None:
            return None
        key = self._order(member)
        at = bisect.bisect_left(keys, key)
        while at < len(keys) and keys[at] == key:
            if self.items[at] is member:
                return at
            at += 1
        return None

    def insert(self, at: int, new: C, name: str | None) -> None:
        """A member has come; `name` is the one that it is found by, None where that is not loaded."""
        keys = self._keys
        if keys is not None:
            assert self._order is not None
            if at == len(keys) and keys and self._order(new) < keys[-1]:
                self._order = self._keys = None  # put at the end without regard to the order
            else:
                keys.insert(at, self._order(new))
        self.items = [*self.items[:at], new, *self.items[at:]]
        if self._ids is not None:
            self._ids[new.id] = new
        self._name(new, name)

    def remove(self, member: C) -> None:
        """A member has gone."""
        at = self.position(member)
        if self._keys is not None:
            del self._keys[at]
        self.items = [*self.items[:at], *self.items[at + 1 :]]
        self.ids.pop(member.id, None)
        if self.names is not None:
            self._unname(member)

    def move(self, member: C, order: Order[C], name: str | None) -> None:
        """A member is listed by something else now: put it where `order` has it, if the others are in that order."""
        at = next(compress(count(), map(is_, self.items, repeat(member))))
        others = [*self.items[:at], *self.items[at + 1 :]]
        if self._order is order and self._keys is not None:
            del self._keys[at]
        else:
            keys = [order(one) for one in others]
            self._order, self._keys = order, keys if _is_sorted(keys) else None
        if self._keys is None:
            self._order = None  # what holds for the others says nothing of all
            return
        key = order(member)
        to = bisect.bisect_right(self._keys, key)
        self._keys.insert(to, key)
        self.items = [*others[:to], member, *others[to:]]
        if self.names is not None:  # several of a name are found in the order of the list
            self._unname(member)
            self._name(member, name)

    def catch_up(
        self, changed: Sequence[str] | None, name_of: Callable[[C], str | None], moved: C | None = None
    ) -> None:
        """Objects of those ids were written, None for too many to tell: what they are called and listed by may differ.

        `moved` is about to be put where it belongs.
        """
        if changed is None:
            self.names = self._name_of = self._order = self._keys = None
            return
        for identity in dict.fromkeys(changed):
            member = self.ids.get(identity)
            if member is None:
                continue
            if self._order is not None and member is not moved and self._by_key(member) is None:
                self._order = self._keys = None
            if self.names is not None:
                name = name_of(member)
                if name is None or not any(one is member for one in self.names.get(name, ())):
                    self._unname(member)
                    self._name(member, name)

    def _name(self, member: C, name: str | None) -> None:
        if self.names is None:
            return
        if name is None:
            self.names = self._name_of = None
            return
        others = self.names.get(name, [])
        found = [*others, member]
        if others and self.items[-1] is not member:  # several of a name are found in the order of the list
            ids = {one.id for one in found}
            found = [one for one in self.items if one.id in ids]
        self.names[name] = found
        if self._name_of is not None:
            self._name_of[member.id] = name

    def _unname(self, member: C) -> None:
        assert self.names is not None
        if self._name_of is None:
            self._name_of = {one.id: name for name, group in self.names.items() for one in group}
        name = self._name_of.pop(member.id, None)
        if name is not None:
            left = [one for one in self.names[name] if one is not member]
            if left:
                self.names[name] = left
            else:
                del self.names[name]


class Members(Generic[C]):
    """The inner list of a collection. The cache's lock is held around every change."""

    __slots__ = ("_index", "_items", "_roots")

    _items: Any
    _index: Index[C] | None
    #: the peers that begin with this collection: of members that were picked, of members in a loop
    _roots: list[Peers | None] | None

    def _shown(self) -> Any:
        """What can be shown without a request: the members as far as they are loaded, else a State."""
        return peek(self._items)

    def _is_loaded(self) -> bool:
        return peek(self._items).__class__ is list

    def _fill(self, items: list[C]) -> None:
        self._items = items
        self._index = None
        self._roots = None

    def _leave_window(self) -> None:
        """What was prefetched is replaced unread: the window need not wait for its reader."""
        if self._items.__class__ is PrefetchMarker:
            self._items.batch.leave_window()

    def _unload(self) -> None:
        self._leave_window()
        self._items, self._index, self._roots = NOT_LOADED, None, None

    def _mark_deleted(self) -> None:
        self._leave_window()
        self._items, self._index, self._roots = State.DELETED, None, None

    def _mark_prefetched(self, batch: Any) -> None:
        self._items = PrefetchMarker(self._items, batch)

    def _changes(self) -> int:
        """How many objects the client's writes have changed so far."""
        return 0

    def _changed_since(self, changes: int) -> Sequence[str] | None:
        """The ids of those that were changed since that count, None where that is not known any more."""
        return ()

    def _name_key(self, member: C) -> str | None:
        """The name that a member is found by, None where it is not loaded; never a request."""
        return member._peek_name()

    def _indexed(self, items: list[C], moved: C | None = None) -> Index[C]:
        """The index of the members, as they are after all writes. The cache's lock is held.

        `moved` is about to be put where it belongs.
        """
        index, changes = self._index, self._changes()
        if index is None or index.items is not items:
            index = self._index = Index(items, changes)
        elif index.changes != changes:
            index.catch_up(self._changed_since(index.changes), self._name_key, moved)
            index.changes = changes
        return index

    def _replace(self, index: Index[C]) -> None:
        """The index has other members now: hold these. Those who go through the former list go on with it."""
        self._leave_window()
        self._items = index.items

    def _remove(self, *removed: Entity) -> None:
        """Our own write took members away."""
        items = peek(self._items)
        if items.__class__ is not list:
            return
        index = self._indexed(items)
        held = [index.ids[one.id] for one in removed if one.id in index.ids]
        if len(held) > 1:
            ids = {one.id for one in held}
            self._leave_window()
            self._fill([one for one in items if one.id not in ids])
        elif held:
            index.remove(held[0])
            self._replace(index)
            self._roots = None

    def _add(self, new: C, order: Order[C] | None = None) -> None:
        """Our own write brought a member: put it where the service will list it, by `order` as far as that is known."""
        items = peek(self._items)
        if items.__class__ is not list:
            return
        index = self._indexed(items)
        if index.holds(new):
            return
        at = index.place(new, order)
        index.insert(at, new, self._name_key(new))
        self._replace(index)
        picked = self._roots[False] if self._roots is not None else None
        if picked is not None and isinstance(picked.ids, list):
            picked.ids.insert(at, new.id)
        self._roots = [picked, None]

    def _add_many(self, new: Sequence[C], order: Order[C] | None = None) -> None:
        """Our own writes brought members: as `_add` for each, and the list is sorted once."""
        if len(new) == 1:
            self._add(new[0], order)
            return
        items = peek(self._items)
        if items.__class__ is not list:
            return
        known = {id(one) for one in items}
        added = [one for one in new if id(one) not in known]
        if not added:
            return
        self._leave_window()
        if order is None or not _is_sorted([order(one) for one in items]):
            self._fill([*items, *added])
        else:
            self._fill(sorted([*items, *added], key=order))

    def _reorder(self, member: C, order: Order[C]) -> None:
        """Our own write changed what a member is listed by: put it where the service lists it, if that order is known."""
        items = peek(self._items)
        if items.__class__ is not list:
            return
        index = self._indexed(items, member)
        if index.holds(member):
            index.move(member, order, self._name_key(member))
            self._replace(index)
            self._roots = None


def _is_sorted(keys: Sequence[Any]) -> bool:
    return all(first <= second for first, second in pairwise(keys))
