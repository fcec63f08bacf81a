"""What a field's slot holds when it holds no value, and how to look into one without loading it."""

from __future__ import annotations

import enum
from typing import Any


class State(enum.Enum):
    """Why a slot has no value. Not loaded is not null: None is a value that the service gave."""

    NOT_LOADED = "not loaded"
    DELETED = "deleted"

    def __repr__(self) -> str:
        return f"<{self.value}>"

    def __bool__(self) -> bool:
        return False


NOT_LOADED = State.NOT_LOADED
DELETED = State.DELETED


class PrefetchMarker:
    """Wraps the value of a prefetched batch's first member, so that its first reader tells the loader how far it has come.

    That lets the window slide before the reader reaches its end, at no cost for the other members.
    """

    __slots__ = ("batch", "value")

    def __init__(self, value: Any, batch: Any) -> None:
        self.value = value
        self.batch = batch


def peek(value: Any) -> Any:
    """The value behind a prefetch marker, or the value itself; never a request."""
    return value.value if value.__class__ is PrefetchMarker else value
