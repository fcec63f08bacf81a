"""A local Moveshelf to practise and test on: `with moveshelf.sandbox.Sandbox(demo=True) as sandbox: ...`.

Importing this package is cheap; the server's own libraries come with the first name that is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .log import Request, Requests
    from .run import serve
    from .server import Sandbox

__all__ = ["Request", "Requests", "Sandbox", "serve"]

_HOMES = {"Sandbox": "server", "serve": "run", "Request": "log", "Requests": "log"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
