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


class Milestone:
    """Wraps the value of a chunk's first member, so that its first reader tells the loader how far reading has come.

    That is what lets the window slide before the reader runs into its end, at no cost for the other members.
    """

    __slots__ = ("chunk", "value")

    def __init__(self, value: Any, chunk: Any) -> None:
        self.value = value
        self.chunk = chunk


def peek(value: Any) -> Any:
    """The value behind a milestone, or the value itself; never a request."""
    return value.value if value.__class__ is Milestone else value
