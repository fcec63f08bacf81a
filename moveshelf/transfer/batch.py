"""Many small questions as few requests: who asks waits for an answer of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from ..errors import MoveshelfError, fresh

K = TypeVar("K")
V = TypeVar("V")

LINGER = 0.002
"""Seconds that a question waits for company: far less than a request takes, enough for what comes at once."""


class Batcher(Generic[K, V]):
    """`await batcher(question)`: its answer, from a request that it shared with others.

    `ask(questions)` answers them in order; an exception in its list fails that one question, one that it raises
    fails them all. At most `most` travel together, at most `at_once` requests do at a time; what comes meanwhile
    waits for the next, so that batches grow with the load.
    """

    def __init__(
        self,
        ask: Callable[[list[K]], Awaitable[Sequence[V | BaseException]]],
        *,
        most: int = 50,
        at_once: int = 3,
    ) -> None:
        self._ask = ask
        self._most = most
        self._at_once = at_once
        self._waiting: list[tuple[K, asyncio.Future[V]]] = []
        self._flying: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def __call__(self, question: K) -> V:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[V] = loop.create_future()
        self._waiting.append((question, future))
        if self._timer is None:
            self._timer = loop.call_later(LINGER, self._send)
        return await future

    async def settle(self, seconds: float) -> None:
        """Wait for the requests that are out; at the end of a run that was stopped."""
        if self._timer is not None:
            self._timer.cancel()
        self._waiting.clear()
        if self._flying:
            await asyncio.wait(self._flying, timeout=seconds)

    def _send(self) -> None:
        self._timer = None
        while self._waiting and len(self._flying) < self._at_once:
            batch = [pair for pair in self._waiting[: self._most] if not pair[1].done()]
            del self._waiting[: self._most]
            if batch:
                task = asyncio.ensure_future(self._fly(batch))
                self._flying.add(task)
                task.add_done_callback(self._landed)

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._flying.discard(task)
        if not task.cancelled():
            task.result()
        if self._timer is None:
            self._send()

    async def _fly(self, batch: list[tuple[K, asyncio.Future[V]]]) -> None:
        answers: Sequence[V | BaseException]
        try:
            answers = await self._ask([question for question, _ in batch])
        except asyncio.CancelledError:
            for _, future in batch:
                future.cancel()
            raise
        except Exception as error:
            answers = [error] * len(batch)
        for (_, future), answer in zip(batch, answers, strict=True):
            if future.done():
                continue
            if isinstance(answer, BaseException):
                future.set_exception(fresh(answer) if isinstance(answer, MoveshelfError) else answer)
            else:
                future.set_result(answer)
