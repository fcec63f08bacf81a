"""Tools that look at objects without meaning to read them: debuggers, completion, mocks. For them nothing is fetched.

Such a tool takes every attribute of an object that it shows. Only where a request is about to be sent, the nearest frame
outside this library is looked at: where it is one of these tools' own, they get an AttributeError, which they all take
for "no value".
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, Final, Generic, NoReturn, TypeVar, overload

#: Modules whose own code takes attributes only to show or to copy the form of an object.
TOOLS: Final = (
    "IPython.core.completer",
    "IPython.core.guarded_eval",
    "IPython.core.oinspect",
    "_pydev_bundle",
    "_pydevd_bundle",
    "attr",
    "attrs",
    "inspect",
    "jedi",
    "pydevd",
    "pydevd_plugins",
    "rich._inspect",
    "rich.pretty",
    "rich.scope",
    "rich.traceback",
    "rlcompleter",
    "unittest.mock",
)
_OWN: Final = __name__.split(".")[0]


T = TypeVar("T")


class View(Generic[T]):
    """A property that completion may look through: `session.conditions["<Tab>` shows the names that are loaded.

    IPython evaluates no `property` while it completes, since it may do anything; these send nothing by themselves.
    """

    def __init__(self, getter: Callable[[Any], T]) -> None:
        self.getter = getter
        self.__doc__ = getter.__doc__

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self.name = name

    @overload
    def __get__(self, obj: None, owner: Any = None) -> View[T]: ...
    @overload
    def __get__(self, obj: Any, owner: Any = None) -> T: ...
    def __get__(self, obj: Any, owner: Any = None) -> Any:
        return self if obj is None else self.getter(obj)

    def __set__(self, obj: Any, value: Any) -> NoReturn:
        raise AttributeError(
            f"{type(obj).__name__}.{self.name} shows what the service holds and cannot be assigned"
        )


class NotFetchedError(AttributeError):
    """An attribute that is not loaded was looked at by a tool, for which nothing is fetched."""


def inspecting_tool() -> str | None:
    """The module of the tool that looks at an object just now; None where a program reads it.

    A tool that calls a method (a mock that wraps an object calls the real one) does read.
    """
    own = frame = sys._getframe(1)
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module != _OWN and not module.startswith(f"{_OWN}."):
            return module if _is_tool(module) and _is_attribute(own) else None
        own, frame = frame, frame.f_back  # type: ignore[assignment]
    return None


def _is_attribute(frame: FrameType) -> bool:
    """Whether the outermost call of ours is no method's: an attribute that was taken, a length, an item."""
    name = frame.f_code.co_name
    if name.startswith("__"):
        return True
    return isinstance(getattr(type(frame.f_locals.get("self")), name, None), property)


def _is_tool(module: str) -> bool:
    return any(module == one or module.startswith(f"{one}.") for one in TOOLS)


def refuse_to_tools(what: str) -> None:
    """Raise NotFetchedError where a tool looks, so that looking sends no request."""
    if inspecting_tool() is not None:
        raise NotFetchedError(f"{what} is not loaded, and looking at it with a tool sends no request")
