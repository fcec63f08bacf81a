"""The engine of one client: its cache, its loader and the service, each of which can be tested alone.

Objects hold the engine; the cache holds objects weakly, so that everything is freed as soon as nobody uses it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .cache import Cache
from .entity import Entity
from .fields import BASIC
from .loader import Loader
from .preload import preload


class Engine:
    """What every object of one client shares."""

    def __init__(self, cache: Cache, service: Any) -> None:
        """`service` is the loader's source (loader.Source), and what models send their commands through."""
        self.cache = cache
        self.service = service
        self.loader = Loader(cache, service)
        #: whether what is read in a shape (models/base.py) is populated into objects as well
        self.populates_shapes = True
        cache.attach(self)

    def load(self, members: Iterable[Entity], kind: type[Entity], paths: Iterable[str]) -> None:
        """Load what the dotted paths name below those members."""
        preload(self.loader, list(members), kind, paths)

    def refresh(self, obj: Entity) -> None:
        """Forget everything of `obj`, then fetch its listing fields."""
        with self.cache.lock:
            for field in type(obj).fields.values():
                self.cache.unload(obj, field)
        if type(obj).groups[BASIC]:
            self.loader.fetch(obj, BASIC)
