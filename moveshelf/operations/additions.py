"""What the cache shows of a new object at once: what it belongs to, the listings that it is in, nothing below it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..lazy.cache import Cache, loaded_collection, loaded_value
from ..lazy.entity import Entity
from ..lazy.fields import Many
from ..lazy.state import NOT_LOADED
from .commands import Command

Order = Callable[[Any], Any]


def by_name(one: Any) -> Any:
    """The service lists subjects by name."""
    return one._peek_name() or ""


def by_date(one: Any) -> Any:
    """The service lists sessions by date, the undated last."""
    when = loaded_value(one, "date")
    return (1, "") if when is None or when is NOT_LOADED else (0, str(when))


def add(
    cache: Cache,
    command: Command,
    data: Mapping[str, Any],
    links: Mapping[str, str | None],
    *listings: tuple[Entity | None, str, Order | None],
    empty: tuple[str, ...] = (),
) -> Any:
    """The object that `command` has created, populated from `data`, which the response holds of it.

    It knows what it belongs to (`links`) and is in the `listings` (owner, collection, order). The collections named in
    `empty` have no members yet.
    """
    selection = command.selection()
    with cache.lock:
        new = cache.get(selection.kind, data["id"])
        selection.populate(cache, new, data, cache.clock)
        fields = selection.kind.fields
        cache.invalidate(*((one.id, name) for one, name, _ in listings if one is not None))
        for name, identity in links.items():
            cache.put(new, fields[name], identity)
        for name in empty:
            below = fields[name]
            assert isinstance(below, Many)
            collection = below.collection(new)
            if not collection._is_loaded():
                collection._fill([])
        for one, name, order in listings:
            collection = loaded_collection(one, name)
            if collection is not None:
                collection._add(new, order)
    return new
