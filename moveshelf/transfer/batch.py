"""Many small requests as few large ones: each caller gets its own result."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from ..errors import MoveshelfError, fresh

K = TypeVar("K")
V = TypeVar("V")

LINGER = 0.002
"""Seconds that an item waits for others: far less than a request takes, enough for what comes at once."""


class Batcher(Generic[K, V]):
    """`await batcher(item)`: its result, from a request that it shared with others.

    `send(items)` returns their results in order; an exception in its list fails that one item, one that it raises fails
    them all. At most `most` travel together, at most `at_once` requests do at a time; what comes meanwhile waits for the
    next, so that batches grow with the load.
    """

    def __init__(
        self,
        send: Callable[[list[K]], Awaitable[Sequence[V | BaseException]]],
        *,
        most: int = 50,
        at_once: int = 3,
    ) -> None:
        self._send_batch = send
        self._most = most
        self._at_once = at_once
        self._waiting: list[tuple[K, asyncio.Future[V]]] = []
        self._running: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def __call__(self, item: K) -> V:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[V] = loop.create_future()
        self._waiting.append((item, future))
        if self._timer is None:
            self._timer = loop.call_later(LINGER, self._start)
        return await future

    async def settle(self, seconds: float) -> None:
        """Wait for the requests in flight; at the end of a run that was stopped."""
        if self._timer is not None:
            self._timer.cancel()
        self._waiting.clear()
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)

    def _start(self) -> None:
        self._timer = None
        while self._waiting and len(self._running) < self._at_once:
            batch = [pair for pair in self._waiting[: self._most] if not pair[1].done()]
            del self._waiting[: self._most]
            if batch:
                task = asyncio.ensure_future(self._run(batch))
                self._running.add(task)
                task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.result()
        if self._timer is None:
            self._start()

    async def _run(self, batch: list[tuple[K, asyncio.Future[V]]]) -> None:
        results: Sequence[V | BaseException]
        try:
            results = await self._send_batch([item for item, _ in batch])
        except asyncio.CancelledError:
            for _, future in batch:
                future.cancel()
            raise
        except Exception as error:
            results = [error] * len(batch)
        for (_, future), result in zip(batch, results, strict=True):
            if future.done():
                continue
            if isinstance(result, BaseException):
                future.set_exception(fresh(result) if isinstance(result, MoveshelfError) else result)
            else:
                future.set_result(result)
