"""What a collection holds, and what our own writes do to it."""

from __future__ import annotations

import bisect
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Generic, TypeVar

from .cohort import Cohort
from .entity import Entity
from .state import NOT_LOADED, Milestone, State, peek

C = TypeVar("C", bound=Entity)


class Members(Generic[C]):
    """The inner list of a collection. The engine's lock is held around every change."""

    __slots__ = ("_items", "_names", "_roots")

    _items: Any
    _names: tuple[int, dict[str, list[C]]] | None
    _roots: list[Cohort | None] | None

    def _shown(self) -> Any:
        """What can be shown without a request: the members as far as they are loaded, else a State."""
        return peek(self._items)

    def _fill(self, items: list[C]) -> None:
        self._items = items
        self._names = None
        self._roots = None

    def _unmark(self) -> None:
        """What was read ahead is replaced unread: the reader's window need not wait for it."""
        if self._items.__class__ is Milestone:
            self._items.chunk.uncount()

    def _forget(self) -> None:
        self._unmark()
        self._items, self._names, self._roots = NOT_LOADED, None, None

    def _bury(self) -> None:
        self._unmark()
        self._items, self._names, self._roots = State.DELETED, None, None

    def _mark(self, chunk: Any) -> None:
        self._items = Milestone(self._items, chunk)

    def _without(self, *gone: Entity) -> None:
        """Our own write took members away."""
        items = peek(self._items)
        if items.__class__ is list:
            ids = {one.id for one in gone}
            if any(one.id in ids for one in items):
                self._unmark()
                self._fill([one for one in items if one.id not in ids])

    def _with(self, new: C, order: Callable[[C], Any] | None = None) -> None:
        """Our own write brought a member: put it where the service will list it, by `order` as far as that is known."""
        items = peek(self._items)
        if items.__class__ is list and new not in items:
            self._unmark()
            self._fill(_placed(items, new, order))

    def _moved(self, member: C, order: Callable[[C], Any]) -> None:
        """Our own write changed what a member is listed by: put it where the service lists it, if that order is known."""
        items = peek(self._items)
        if items.__class__ is list and member in items:
            others = [one for one in items if one is not member]
            self._unmark()
            self._fill(_placed(others, member, order) if _in_order(others, order) else items)


def _placed(items: list[C], new: C, order: Callable[[C], Any] | None) -> list[C]:
    """The list with a member more: behind those that `order` puts before it; at the end, if the list has another order."""
    if order is None or not _in_order(items, order):
        return [*items, new]
    at = bisect.bisect_right([order(one) for one in items], order(new))
    return [*items[:at], new, *items[at:]]


def _in_order(items: list[C], order: Callable[[C], Any]) -> bool:
    keys = [order(one) for one in items]
    return all(first <= second for first, second in pairwise(keys))
