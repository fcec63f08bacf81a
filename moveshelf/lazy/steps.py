"""Loading in steps: one body for callers that wait in their thread, and for coroutines that await.

What loads is written as a generator that yields what it has to wait for. `run` waits in the calling thread, `arun` awaits in
the caller's event loop. No step is yielded while the cache's lock is held.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Protocol, TypeVar

import attrs

from ..wire import aio

T = TypeVar("T")


class Step(Protocol):
    """What is to be waited for."""

    def wait(self) -> Any:
        """Wait in this thread; what came of it."""
        ...

    async def arrive(self) -> Any:
        """The same for a coroutine of any event loop."""
        ...


#: A function that yields what it waits for, and then returns.
Steps = Generator[Step, Any, T]


@attrs.frozen(eq=False)
class Call:
    """A function that waits for requests by itself: a listing in parts, an owner that is looked for."""

    function: Callable[[], Any]

    def wait(self) -> Any:
        """Call it."""
        return self.function()

    async def arrive(self) -> Any:
        """Call it on a worker thread."""
        return await aio.call(self.function)


@attrs.frozen(eq=False)
class Announcement:
    """Something is about to be sent and waited for: a caller that waits in its thread may have to be refused."""

    refuse: Callable[[], None]

    def wait(self) -> None:
        """Raise NotLoadedError where this thread must not wait."""
        self.refuse()

    async def arrive(self) -> None:
        """A coroutine blocks nothing."""


class Pause:
    """Between two parts of a long computation: an event loop attends to its other tasks."""

    def wait(self) -> None:
        """Nobody else waits for this thread."""

    async def arrive(self) -> None:
        """Let the others run."""
        from asyncio import sleep

        await sleep(0)


PAUSE = Pause()


def run(steps: Steps[T]) -> T:
    """Take the steps, waiting in this thread."""
    try:
        step = next(steps)
        while True:
            try:
                found = step.wait()
            except BaseException as error:
                step = steps.throw(error)
            else:
                step = steps.send(found)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


async def arun(steps: Steps[T]) -> T:
    """Take the steps in a coroutine, without blocking its event loop."""
    try:
        step = next(steps)
        while True:
            try:
                found = await step.arrive()
            except BaseException as error:
                step = steps.throw(error)
            else:
                step = steps.send(found)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
