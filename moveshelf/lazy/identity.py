"""One object per id in a client, held weakly."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .entity import Entity


class IdentityMap:
    """id -> object, as long as somebody else holds the object.

    Plain weak references without a callback: half the memory of a WeakValueDictionary and several times its speed.
    Dead entries are swept out whenever the map has doubled since the last sweep. Not locked: the engine's lock is
    held around every change.
    """

    __slots__ = ("_limit", "refs")

    def __init__(self) -> None:
        self.refs: dict[str, weakref.ref[Entity]] = {}
        self._limit = 1024

    def get(self, identity: str) -> Entity | None:
        """The living object of that id, or None."""
        ref = self.refs.get(identity)
        return None if ref is None else ref()

    def put(self, obj: Entity) -> None:
        """Make `obj` the one object of its id."""
        refs = self.refs
        refs[obj.id] = weakref.ref(obj)
        if len(refs) > self._limit:
            self._sweep()

    def drop(self, identity: str) -> None:
        """Forget an id."""
        self.refs.pop(identity, None)

    def _sweep(self) -> None:
        self.refs = {identity: ref for identity, ref in self.refs.items() if ref() is not None}
        self._limit = max(1024, 2 * len(self.refs))

    def __iter__(self) -> Iterator[Entity]:
        for ref in list(self.refs.values()):
            obj = ref()
            if obj is not None:
                yield obj

    def __len__(self) -> int:
        return sum(1 for _ in self)
