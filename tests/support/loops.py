"""Event loops that tests of coroutines run in, and what tells whether one of them was blocked by a wait."""

from __future__ import annotations

import asyncio
import sys
import threading
import traceback
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest

from moveshelf.lazy.batch import Batch
from moveshelf.wire import thread

T = TypeVar("T")

#: the kinds of event loops that are tested
KINDS = ("asyncio", "uvloop") if sys.platform != "win32" else ("asyncio",)


def run_in(kind: str, main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a new event loop of that kind, and close the loop."""
    module = pytest.importorskip("uvloop") if kind == "uvloop" else asyncio
    loop: asyncio.AbstractEventLoop = module.new_event_loop()
    try:
        return loop.run_until_complete(asyncio.wait_for(main, 120))
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


@contextmanager
def counted_waits() -> Iterator[list[str]]:
    """Everything that waits for a request in a thread that runs an event loop is noted in the list."""
    noted: list[str] = []
    batch_wait, future_wait = Batch.wait, thread.Future._wait
    io_threads = "moveshelf-io"

    def note(what: str) -> None:
        if asyncio._get_running_loop() is not None and threading.current_thread().name != io_threads:
            noted.append(
                f"{what}, in " + " < ".join(one.name for one in reversed(traceback.extract_stack()[:-2]))
            )

    def wait(self: Batch) -> None:
        note(f"batch of {self.selection.name}")
        batch_wait(self)

    def future(self: thread.Future[Any], timeout: float | None) -> None:
        note("future")
        future_wait(self, timeout)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Batch, "wait", wait)
        patch.setattr(thread.Future, "_wait", future)
        yield noted
