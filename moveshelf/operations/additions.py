"""What the cache shows of a new object at once: what it belongs to, the listings that it is in, nothing below it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    with cache.lock:
        new = populated(cache, command, data, links, empty)
        list_new(cache, [new], *listings)
    return new


def populated(
    cache: Cache,
    command: Command,
    data: Mapping[str, Any],
    links: Mapping[str, str | None],
    empty: tuple[str, ...] = (),
) -> Any:
    """The object that `command` has created, which is in no listing yet. The cache's lock is held."""
    selection = command.selection()
    new = cache.get(selection.kind, data["id"])
    selection.populate(cache, new, data, cache.clock)
    fields = selection.kind.fields
    for name, identity in links.items():
        cache.put(new, fields[name], identity)
    for name in empty:
        below = fields[name]
        assert isinstance(below, Many)
        collection = below.collection(new)
        if not collection._is_loaded():
            collection._fill([])
    return new


def list_new(cache: Cache, new: Sequence[Any], *listings: tuple[Entity | None, str, Order | None]) -> None:
    """Put new objects into the `listings` that are loaded (owner, collection, order). The cache's lock is held."""
    cache.invalidate(*((one.id, name) for one, name, _ in listings if one is not None))
    for one, name, order in listings:
        collection = loaded_collection(one, name)
        if collection is not None:
            collection._add_many(new, order)
