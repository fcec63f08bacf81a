"""Carrying out a plan: many files at once on the I/O thread, one bar over their bytes, one result a file."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..errors import MoveshelfError
from ..values import count_value
from ..wire import cap_jobs
from ..wire.progress import INTERVAL, Bar
from .result import Entry, Plan, Step, TransferResult

if TYPE_CHECKING:
    from ..wire import Future, Wire
    from ..wire.network import Blobs
    from .blob import Progress

JOBS = 16
"""Files that go over the network at once, unless the caller says otherwise."""
UNSETTLED = 1000
"""Files that may wait for a last response of the service, while others go on."""


class Slot:
    """What one file of a run has of it: the session for blobs, the progress, and its place in the queue."""

    def __init__(
        self, blobs: Blobs, progress: Progress, connections: asyncio.Semaphore, window: asyncio.Semaphore
    ) -> None:
        self.blobs = blobs
        self.progress = progress
        self.connections = connections
        """To be held while bytes go over the network: `jobs` of them."""
        self._window: asyncio.Semaphore | None = window

    def passed(self) -> None:
        """The bytes are over: the next file may begin, while this one waits for what the service says."""
        window, self._window = self._window, None
        if window is not None:
            window.release()


Work = Callable[[Step, Entry, Slot], Awaitable[None]]
Closing = Callable[[], Awaitable[None]]


def checked_jobs(jobs: int) -> int:
    """`jobs`, if it is a number of files at once; no more than this machine has sockets for. Raises ValidationError."""
    return cap_jobs(count_value(jobs, "jobs", most=256))


def carry_out(
    wire: Wire,
    plan: Plan,
    work: Work,
    *,
    jobs: int = JOBS,
    ahead: int = 1,
    progress: bool | Bar | None = None,
    closing: Closing | None = None,
) -> TransferResult:
    """Do `work(step, entry, slot)` for every step of the plan that is not idle, and return what came of each.

    An exception of one file is its entry's error and stops no other. `ahead` is how many files per job may be under
    way in all, those that wait for the service included. `closing` is awaited at the end, however it comes.
    Ctrl-C stops all, lets what is written be tidied, and raises KeyboardInterrupt with how to go on; its `result`
    is the TransferResult so far. `progress`: a bar or none, None shows one where it is seen; a Bar is the one to go on with.
    """
    from .blob import Progress

    wire.refuse_to_block(
        f"{plan.title} waits for its files, and that", "await asyncio.to_thread(method, ...)"
    )
    entries = [Entry(step.path, local=step.local) for step in plan]
    for step, entry in zip(plan, entries, strict=True):
        if step.idle:
            entry.skip(step.reason)
    totals = Progress(plan.bytes)
    pairs = [(step, entry) for step, entry in zip(plan, entries, strict=True) if not step.idle]
    totals.sized = sum(1 for step, _ in pairs if step.size is not None)
    start = time.perf_counter()
    bar = progress if isinstance(progress, Bar) else Bar.of(progress, plan.title)
    pending = wire.run(_all, wire, pairs, work, totals, checked_jobs(jobs), ahead, closing)
    try:
        _watch(pending, totals, bar if pairs else None, len(pairs))
    except KeyboardInterrupt:
        result = TransferResult(entries, plan.title, time.perf_counter() - start)
        stopped = KeyboardInterrupt(
            f"{plan.title}: stopped after {len(result.done)} of {len(pairs)} files; do the same again to go on, "
            "what is done stays done"
        )
        stopped.result = result  # type: ignore[attr-defined]
        raise stopped from None
    finally:
        if bar is not None:
            bar.close()
    return TransferResult(entries, plan.title, time.perf_counter() - start)


async def _all(
    wire: Wire,
    pairs: Sequence[tuple[Step, Entry]],
    work: Work,
    progress: Progress,
    jobs: int,
    ahead: int,
    closing: Closing | None,
) -> None:
    connections = asyncio.Semaphore(jobs)
    window = asyncio.Semaphore(jobs * ahead)
    most = asyncio.Semaphore(jobs * ahead + UNSETTLED)
    running: set[asyncio.Task[None]] = set()

    async def one(step: Step, entry: Entry, slot: Slot) -> None:
        start = time.perf_counter()
        try:
            await work(step, entry, slot)
            if entry.status == "stopped":
                entry.status = "done"
        except asyncio.CancelledError:
            raise
        except Exception as error:
            entry.status, entry.error = "failed", error
            if isinstance(error, MoveshelfError):
                # said all there is to say: the frames of a finished run, and what they hold, can go
                error.__traceback__ = error.__cause__ = error.__context__ = None
        finally:
            entry.seconds = time.perf_counter() - start
            progress.files += 1
            slot.passed()
            most.release()

    try:
        blobs = await wire.blob_session()
        for step, entry in pairs:
            await most.acquire()
            await window.acquire()
            task = asyncio.ensure_future(one(step, entry, Slot(blobs, progress, connections, window)))
            running.add(task)
            task.add_done_callback(running.discard)
        while running:
            await asyncio.wait(running)
    finally:
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)
        if closing is not None:
            await closing()


def _watch(pending: Future[Any], progress: Progress, bar: Bar | None, files: int) -> None:
    """Wait for the end; the bar is touched by this thread only, as notebooks want it."""
    if bar is None:
        pending.result()
        return
    while not pending.done():
        with suppress(TimeoutError):
            pending.result(INTERVAL)
        _show(bar, progress, files)
    _show(bar, progress, files)  # how it ended
    pending.result()


def _show(bar: Bar, progress: Progress, files: int) -> None:
    """How far it is. The sizes of downloads are known file by file: those to come count as the mean of those known."""
    unknown = max(files - max(progress.sized, progress.files), 0)
    expected = progress.expected + (unknown * progress.expected // progress.sized if progress.sized else 0)
    bar.transferred(progress.files, files, progress.bytes, expected, estimated=unknown > 0)
