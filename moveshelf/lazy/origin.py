"""Where copies come from, and how they load again: objects that were pickled, or copied, without their connection.

A pickle holds values, ids and the address of the service, never a key. What it does not hold is fetched when it is
touched, through a client that this process makes once with its own key and address: an address out of a pickle decides
nothing but whether that client is the right one.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .engine import Engine
    from .entity import Entity


class Origin:
    """The service that copies came from, and which of them have no connection yet.

    All that travels in one pickle shares one origin, so that all of it is connected together: a loop over an unpickled
    collection loads in batches.
    """

    __slots__ = ("__weakref__", "_collections", "_objects", "url")

    #: Makes this process's engine for the service of an address, or raises DetachedError. Set by the module that can.
    connector: Callable[[str], Engine]

    def __init__(self, url: str) -> None:
        self.url = url
        self._objects: list[weakref.ref[Entity]] = []
        self._collections: list[weakref.ref[Any]] = []

    def __reduce__(self) -> tuple[Any, ...]:
        return (Origin, (self.url,))

    def add(self, obj: Entity) -> None:
        """A copy of an object that has no connection."""
        obj._origin = self
        self._objects.append(weakref.ref(obj))

    def add_collection(self, collection: Any) -> None:
        """A copy of a collection that has no connection."""
        collection._origin = self
        self._collections.append(weakref.ref(collection))

    def connect(self) -> Engine:
        """Connect all that came together to this process's client, and return its engine. Raises DetachedError.

        The first copy of an id that is connected becomes that client's object; another one reads through it.
        """
        engine = Origin.connector(self.url)
        cache = engine.cache
        with cache.lock:
            objects, self._objects = self._objects, []
            for ref in objects:
                obj = ref()
                if obj is not None and obj._engine is None:
                    obj._engine = engine
                    if cache.objects.get(obj.id) is None and obj.id not in cache.deleted_ids:
                        cache.objects.put(obj)
            collections, self._collections = self._collections, []
            for collection_ref in collections:
                collection = collection_ref()
                if collection is not None and collection._engine is None:
                    collection._engine = engine
        return engine
