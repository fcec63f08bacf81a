"""What a collection holds, and what our own writes do to it."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Generic, TypeVar

from .entity import Entity
from .peers import Peers
from .state import NOT_LOADED, PrefetchMarker, State, peek

C = TypeVar("C", bound=Entity)


class Members(Generic[C]):
    """The inner list of a collection. The cache's lock is held around every change."""

    __slots__ = ("_items", "_names", "_roots")

    _items: Any
    #: the index of names, and the count of our writes when it was made: a write may have renamed a member
    _names: tuple[int, dict[str, list[C]]] | None
    #: the peers that begin with this collection: of members that were picked, of members in a loop
    _roots: list[Peers | None] | None

    def _shown(self) -> Any:
        """What can be shown without a request: the members as far as they are loaded, else a State."""
        return peek(self._items)

    def _is_loaded(self) -> bool:
        return peek(self._items).__class__ is list

    def _fill(self, items: list[C]) -> None:
        self._items = items
        self._names = None
        self._roots = None

    def _leave_window(self) -> None:
        """What was prefetched is replaced unread: the window need not wait for its reader."""
        if self._items.__class__ is PrefetchMarker:
            self._items.batch.leave_window()

    def _unload(self) -> None:
        self._leave_window()
        self._items, self._names, self._roots = NOT_LOADED, None, None

    def _mark_deleted(self) -> None:
        self._leave_window()
        self._items, self._names, self._roots = State.DELETED, None, None

    def _mark_prefetched(self, batch: Any) -> None:
        self._items = PrefetchMarker(self._items, batch)

    def _remove(self, *removed: Entity) -> None:
        """Our own write took members away."""
        items = peek(self._items)
        if items.__class__ is list:
            ids = {one.id for one in removed}
            if any(one.id in ids for one in items):
                self._leave_window()
                self._fill([one for one in items if one.id not in ids])

    def _add(self, new: C, order: Callable[[C], Any] | None = None) -> None:
        """Our own write brought a member: put it where the service will list it, by `order` as far as that is known."""
        items = peek(self._items)
        if items.__class__ is list and not _holds(items, new):
            self._leave_window()
            self._fill(_inserted(items, new, order))

    def _add_many(self, new: Sequence[C], order: Callable[[C], Any] | None = None) -> None:
        """Our own writes brought members: as `_add` for each, and the list is sorted once."""
        items = peek(self._items)
        if items.__class__ is not list:
            return
        known = {id(one) for one in items}
        added = [one for one in new if id(one) not in known]
        if not added:
            return
        self._leave_window()
        if order is None or not _in_order(items, order):
            self._fill([*items, *added])
        else:
            self._fill(sorted([*items, *added], key=order))

    def _reorder(self, member: C, order: Callable[[C], Any]) -> None:
        """Our own write changed what a member is listed by: put it where the service lists it, if that order is known."""
        items = peek(self._items)
        if items.__class__ is list and _holds(items, member):
            others = [one for one in items if one is not member]
            self._leave_window()
            self._fill(_inserted(others, member, order) if _in_order(others, order) else items)


def _holds(items: list[C], member: C) -> bool:
    """Whether it is among them. A client has one object of an id, so that no object's `==` need be called."""
    return any(one is member for one in items)


def _inserted(items: list[C], new: C, order: Callable[[C], Any] | None) -> list[C]:
    """The list with one more member: behind those that `order` puts before it; at the end, if the list has another order."""
    if order is None or not _in_order(items, order):
        return [*items, new]
    at = bisect.bisect_right([order(one) for one in items], order(new))
    return [*items[:at], new, *items[at:]]


def _in_order(items: list[C], order: Callable[[C], Any]) -> bool:
    keys = [order(one) for one in items]
    return all(first <= second for first, second in pairwise(keys))
