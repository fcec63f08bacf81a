"""Async twins of methods that send several requests or move bytes: they run on worker threads."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from ..wire import aio

S = TypeVar("S")
P = ParamSpec("P")
T = TypeVar("T")


def twin(method: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], Coroutine[Any, Any, T]]:
    """The coroutine `a<name>` of a method: the same arguments, result and errors, without blocking the event loop.

    The method runs on one of a few worker threads (`moveshelf.wire.aio`). Cancelling the task stops its transfers and
    requests, tidies up as Ctrl-C does, and then raises CancelledError.
    """
    name = method.__name__

    @wraps(method)
    async def run_beside(self: S, *args: P.args, **kwargs: P.kwargs) -> T:
        # by its name, because a class below may have a method of its own
        found: T = await aio.call_long(partial(getattr(self, name), *args, **kwargs))
        return found

    run_beside.__name__ = f"a{name}"
    run_beside.__qualname__ = ".".join([*method.__qualname__.split(".")[:-1], f"a{name}"])
    run_beside.__doc__ = f"""`{name}` for coroutines: the same arguments, result and errors, without blocking the event loop.

        It runs on one of {aio.WORKERS} worker threads: where more are called at once, the others wait for their turn.
        Cancelling the task stops what is on its way and tidies up, as Ctrl-C does: the same call again goes on.

        Example:
            >>> await {_EXAMPLES[name]}  # doctest: +SKIP
        """
    return cast("Callable[Concatenate[S, P], Coroutine[Any, Any, T]]", run_beside)


_EXAMPLES = {
    "download": 'session.adownload("data")',
    "upload": 'trial.aupload("walk.c3d")',
    "upload_tree": 'project.aupload_tree("measurements")',
    "cycles": 'subject.acycles("angles", ["knee_flexion"])',
}
