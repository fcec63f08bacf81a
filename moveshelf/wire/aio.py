"""For coroutines of the caller's own event loop: what may not block it, and how functions that wait are run beside it.

Requests run on the I/O thread in any case. A coroutine that waits for one is told by a callback and holds no thread;
functions that wait in many places (transfers, analyses) run on a few worker threads.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
import weakref
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from moveshelf.errors import NotLoadedError
from moveshelf.wire import thread

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

P = ParamSpec("P")
T = TypeVar("T")

WORKERS: Final = 16
"""Functions of one kind that run at once; others wait for their turn. A transfer has its own concurrency inside."""
SHORT: Final = "moveshelf-worker"
"""The threads of what takes a few requests."""
LONG: Final = "moveshelf-transfer"
"""The threads of transfers and analyses: they must not keep what is short waiting."""

_guards: contextvars.ContextVar[tuple[Guard, ...]] = contextvars.ContextVar("moveshelf_guards", default=())
_pools: dict[str, ThreadPoolExecutor] = {}


class Guard:
    """`async with guard:`: in this task and those it starts, waiting for a request of `client` in a thread that runs an
    event loop raises NotLoadedError at once."""

    __slots__ = ("__weakref__", "_client")

    def __init__(self, client: object) -> None:
        # weak: a task that outlives the block keeps its context, and must not keep the connection
        self._client = weakref.ref(client)

    def __enter__(self) -> None:
        _guards.set((*_guards.get(), self))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # no token: an async generator may be closed in another context than it was begun in
        _guards.set(tuple(one for one in _guards.get() if one is not self))

    def covers(self, client: object) -> bool:
        """Whether it is about that client."""
        return self._client() is client


def would_block(client: object) -> bool:
    """Whether a wait for that client would block an event loop that a guard protects."""
    guards = _guards.get()
    return bool(guards) and any(one.covers(client) for one in guards) and _has_loop()


def _has_loop() -> bool:
    return asyncio._get_running_loop() is not None


def refuse_to_block(client: object, what: str, instead: str) -> None:
    """Raise NotLoadedError, before anything is sent, where a wait would block an event loop that a guard protects."""
    if would_block(client):
        raise NotLoadedError(f"{what} would block the event loop of this thread: {instead}")


async def call(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a function that waits for a few requests on a worker thread, and return its result.

    Cancelling the coroutine cancels what the function waits for, and then waits for the function's end, so that it has
    tidied up; a second cancellation does not wait.
    """
    return await _call(SHORT, partial(function, *args, **kwargs))


async def call_long(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """The same for transfers and analyses."""
    return await _call(LONG, partial(function, *args, **kwargs))


async def _call(pool: str, function: Callable[[], T]) -> T:
    stop = threading.Event()
    context = contextvars.copy_context()
    context.run(thread.stopping.set, stop)
    work = _pool(pool).submit(context.run, function)
    try:
        await thread.told(work.add_done_callback)
    except asyncio.CancelledError:
        stop.set()
        if not work.cancel():  # it has begun
            await thread.told(work.add_done_callback)
        raise
    return work.result()


def _pool(name: str) -> ThreadPoolExecutor:
    from concurrent.futures import ThreadPoolExecutor

    with thread.lock:
        found = _pools.get(name)
        if found is None:
            found = _pools[name] = ThreadPoolExecutor(WORKERS, name)
        return found


def _in_child() -> None:
    """After fork: the threads stayed with the parent."""
    _pools.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)


__all__ = ["Guard", "call", "call_long", "refuse_to_block", "would_block"]
