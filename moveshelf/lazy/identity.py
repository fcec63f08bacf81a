"""One object per id in a client, held weakly."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from .entity import Entity

    E = TypeVar("E", bound=Entity)

    Ref = weakref.ref[Entity]


class IdentityMap:
    """id -> object, as long as somebody else holds the object.

    Plain weak references without a callback: half the memory of a WeakValueDictionary and several times its speed.
    Dead entries are swept out whenever the map has doubled since the last sweep. Not locked: the engine's lock is
    held around every change.

    A walk needs no more than this. What writes need besides is made for the first of them, and kept up to date
    from then on: the objects of one class (`of_kind`), and in `noted` what an index of owners (owners.py) has to look at.
    """

    __slots__ = ("_kinds", "_limit", "noted", "refs")

    def __init__(self) -> None:
        self.refs: dict[str, Ref] = {}
        self._limit = 1024
        self._kinds: dict[type[Entity], dict[str, Ref]] | None = None
        #: objects that came, or whose owner or folder may be another one now; None where nobody looks, or it was too many
        self.noted: list[Ref] | None = None

    def get(self, identity: str) -> Entity | None:
        """The living object of that id, or None."""
        ref = self.refs.get(identity)
        return None if ref is None else ref()

    def put(self, obj: Entity) -> None:
        """Make `obj` the one object of its id."""
        refs = self.refs
        refs[obj.id] = ref = weakref.ref(obj)
        if self._kinds is not None:
            self._kinds.setdefault(type(obj), {})[obj.id] = ref
        if self.noted is not None:
            self._append(ref)
        if len(refs) > self._limit:
            self._sweep()

    def drop(self, identity: str) -> None:
        """Forget an id."""
        ref = self.refs.pop(identity, None)
        obj = None if ref is None else ref()
        if self._kinds is not None and obj is not None:
            self._kinds.get(type(obj), {}).pop(identity, None)

    def note(self, obj: Entity) -> None:
        """The owner or the folder of an object that was here before may be another one now."""
        if self.noted is not None:
            ref = self.refs.get(obj.id)
            if ref is not None:
                self._append(ref)

    def _append(self, ref: Ref) -> None:
        assert self.noted is not None
        self.noted.append(ref)
        if len(self.noted) > 1024 + 2 * len(self.refs):
            self.noted = None  # to look at all of them is less

    def of_kind(self, *kinds: type[E]) -> list[E]:
        """The living objects of those classes, in the order in which they came, a class at a time."""
        if self._kinds is None:
            self._kinds = {}
            for identity, ref in self.refs.items():
                obj = ref()
                if obj is not None:
                    self._kinds.setdefault(type(obj), {})[identity] = ref
        found = []
        for kind in kinds:
            for identity, ref in list(self._kinds.get(kind, {}).items()):
                obj = ref() if self.refs.get(identity) is ref else None  # the id may be another kind's by now
                if obj is not None:
                    found.append(obj)
        return found  # type: ignore[return-value]  # of those classes

    def _sweep(self) -> None:
        self.refs = {identity: ref for identity, ref in self.refs.items() if ref() is not None}
        self._limit = max(1024, 2 * len(self.refs))
        self._kinds = self.noted = None

    def __iter__(self) -> Iterator[Entity]:
        for ref in list(self.refs.values()):
            obj = ref()
            if obj is not None:
                yield obj

    def __len__(self) -> int:
        return sum(1 for _ in self)
