"""The engine of one client: its cache, its loader and the service, each of which can be tested alone.

Objects hold the engine; the cache holds objects weakly, so that everything is freed as soon as nobody uses it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from ..wire import aio
from ..wire.progress import loading
from .cache import Cache
from .entity import Entity
from .fields import BASIC, Many
from .loader import Loader
from .origin import Origin
from .preload import preload, walk
from .steps import Steps, arun, run

T = TypeVar("T")


class Engine:
    """What every object of one client shares."""

    def __init__(self, cache: Cache, service: Any) -> None:
        """`service` is the loader's source (loader.Source), and what models send their commands through."""
        self.cache = cache
        self.service = service
        self.loader = Loader(cache, service)
        #: where copies of this engine's objects come from
        self.origin = Origin(str(getattr(service, "url", "")))
        #: whether what is read in a shape (models/base.py) is populated into objects as well
        self.populates_shapes = True
        cache.attach(self)

    def load(self, members: Iterable[Entity], kind: type[Entity], paths: Iterable[str]) -> None:
        """Load what the dotted paths name below those members; a long load is shown where somebody sees it."""
        wanted = list(paths)
        shown = ", ".join(path for path in wanted if path != BASIC) or f"{kind.__name__.lower()}s"
        with loading(getattr(self.service, "wire", None), f"loading {shown}"):
            run(preload(self.loader, list(members), kind, wanted))

    async def aload(self, members: Iterable[Entity], kind: type[Entity], paths: Iterable[str]) -> None:
        """`load` for coroutines of any event loop."""
        await self.take(preload(self.loader, list(members), kind, paths))

    async def aload_one(self, obj: Entity, paths: Iterable[str]) -> None:
        """Load what the dotted paths name below an object; in a loop, with what the loop comes to next."""
        if obj._peers is not None and obj._peers.window.full:
            await self.take(walk(self.loader, obj, paths))
        else:
            await self.aload([obj], type(obj), paths)

    async def take(self, steps: Steps[T]) -> T:
        """Take steps that load, without blocking the event loop."""
        self.cache.has_loops = True
        if await self.service.prepare():
            return await arun(steps)
        return await aio.call(run, steps)

    def refresh(self, obj: Entity) -> None:
        """Forget everything of `obj` and below it, then fetch its listing fields."""
        basic = type(obj).groups[BASIC]
        if basic:
            self.loader.refuse_to_block(type(obj), basic[0])
        self.forget(obj)
        if basic:
            self.loader.fetch(obj, BASIC)

    def forget(self, obj: Entity, *names: str) -> None:
        """Unload `obj` and all below it, or only those collections and all below them; never a request."""
        fields = type(obj).fields
        chosen = [fields[name] for name in names] or list(fields.values())
        with self.cache.lock:
            self.cache.invalidate(
                *((obj.id, one.name) if isinstance(one, Many) else obj.id for one in chosen)
            )
            kinds = kinds_below(field.target for field in chosen if isinstance(field, Many))
            if kinds:  # first, as long as the object knows its folder
                self.cache.forget(obj, kinds)
            for field in chosen:
                self.cache.unload(obj, field)


def kinds_below(kinds: Iterable[type[Entity]]) -> set[type[Entity]]:
    """Those classes and all that can be below their objects."""
    found: set[type[Entity]] = set()
    waiting = list(kinds)
    while waiting:
        kind = waiting.pop()
        if kind not in found:
            found.add(kind)
            waiting += [field.target for field in kind.fields.values() if isinstance(field, Many)]
    return found
