"""Carrying out a plan: many files at once on the I/O thread, one bar over their bytes, one result a file."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..errors import MoveshelfError
from ..values import count_value
from ..wire import cap_jobs
from .result import Entry, Plan, Step, TransferResult

if TYPE_CHECKING:
    from ..wire import Future, Wire
    from ..wire.network import Blobs
    from .blob import Progress

JOBS = 16
"""Files that go over the network at once, unless the caller says otherwise."""
INTERVAL = 0.1
"""Seconds between two updates of the bar."""
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
    progress: bool | None = None,
    closing: Closing | None = None,
) -> TransferResult:
    """Do `work(step, entry, slot)` for every step of the plan that is not idle, and return what came of each.

    An exception of one file is its entry's error and stops no other. `ahead` is how many files per job may be under
    way in all, those that wait for the service included. `closing` is awaited at the end, however it comes.
    Ctrl-C stops all, lets what is written be tidied, and raises KeyboardInterrupt with how to go on; its `result`
    is the TransferResult so far.
    """
    from .blob import Progress

    entries = [Entry(step.path) for step in plan]
    for step, entry in zip(plan, entries, strict=True):
        if step.idle:
            entry.skip(step.reason)
    totals = Progress(plan.bytes)
    pairs = [(step, entry) for step, entry in zip(plan, entries, strict=True) if not step.idle]
    start = time.perf_counter()
    bar = _bar(progress, plan.title, len(pairs))
    pending = wire.run(_all, wire, pairs, work, totals, checked_jobs(jobs), ahead, closing)
    try:
        _watch(pending, totals, bar)
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


def _watch(pending: Future[Any], progress: Progress, bar: Any) -> None:
    """Wait for the end; the bar is touched by this thread only, as notebooks want it."""
    if bar is None:
        pending.result()
        return
    while not pending.done():
        with suppress(TimeoutError):
            pending.result(INTERVAL)
        _show(bar, progress)
    pending.result()


def _show(bar: Any, progress: Progress) -> None:
    bar.total = max(progress.expected, progress.bytes)
    bar.set_postfix_str(f"{progress.files} files", refresh=False)
    bar.update(progress.bytes - bar.n)
    bar.refresh()


def _bar(progress: bool | None, title: str, files: int) -> Any:
    if progress is False or not files or (progress is None and not _seen()):
        return None
    from tqdm.auto import tqdm

    return tqdm(total=0, unit="B", unit_scale=True, desc=title, miniters=1, dynamic_ncols=True)


def _seen() -> bool:
    """Whether a bar would be seen: in a terminal, or a notebook."""
    stream = sys.stderr
    if stream is not None and hasattr(stream, "isatty") and stream.isatty():
        return True
    shell = sys.modules.get("IPython")
    instance = shell.get_ipython() if shell is not None and hasattr(shell, "get_ipython") else None
    return instance is not None and hasattr(instance, "kernel")
