"""The one I/O thread of the process, and what a caller waits on.

Every request of every client runs on one event loop in one daemon thread, which starts with the first
request. The calling threads wait on a lock each, in slices, so that Ctrl-C and a notebook's interrupt are
noticed at once on every platform; that a loop runs in the calling thread already (Jupyter) does not matter
to them.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import os
import threading
import time
import weakref
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

from moveshelf.errors import DetachedError, MoveshelfError, RequestError, fresh

T = TypeVar("T")

logger = logging.getLogger("moveshelf")

SLICE = 0.1
"""Seconds between two looks at interrupts. Windows notices a Ctrl-C only between waits on a lock."""
CLOSING_SECONDS = 2.0
"""Seconds that an interrupted or exiting process gives its coroutines to tidy up."""


class Future(Generic[T]):
    """What will come of something that runs on the I/O thread: a small future.

    `concurrent.futures.Future` would do, at several times the cost (a condition, a list of waiters and a
    logger each), and could not be interrupted on Windows.
    """

    __slots__ = (
        "__weakref__",
        "_callbacks",
        "_cancel_on_interrupt",
        "_error",
        "_gate",
        "_io",
        "_open",
        "_over",
        "_task",
        "_value",
    )

    def __init__(self, io: IOThread, *, cancel_on_interrupt: bool = False) -> None:
        self._io = io
        self._gate = threading.Lock()
        self._gate.acquire()  # opened once, by _finish; every waiter passes through and leaves it open
        self._over = False  # settled: its callbacks may look
        self._open = False  # and they have run: the waiters may go
        self._value: T | None = None
        self._error: BaseException | None = None
        self._callbacks: list[Callable[[Future[T]], object]] = []
        self._task: asyncio.Task[None] | None = None
        self._cancel_on_interrupt = cancel_on_interrupt  # an interrupt of the waiter cancels the work

    def __repr__(self) -> str:
        state = "waiting" if not self._over else "failed" if self._error is not None else "done"
        return f"<Future {state}>"

    def done(self) -> bool:
        """Whether it is over. Sends nothing, waits for nothing."""
        return self._over

    def result(self, timeout: float | None = None) -> T:
        """What came of it; waits for it, up to `timeout` seconds.

        Raises TimeoutError when the time is over first (the work goes on), otherwise what the work raised:
        each caller its own copy.
        """
        error = self.exception(timeout)
        if error is not None:
            raise error
        return self._value  # type: ignore[return-value]

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """The error of the work (a copy for this caller), or None; waits like `result`."""
        if not self._open:
            self._wait(timeout)
        if self._error is None:
            return None
        twin = fresh(self._error)
        if not isinstance(twin, MoveshelfError):
            twin.__traceback__ = self._error.__traceback__  # nobody expected it: show where it came from
        return twin

    def add_done_callback(self, function: Callable[[Future[T]], object]) -> None:
        """Have `function(pending)` called on the I/O thread when it is over, before any waiter wakes.

        When it is over already, `function` is called here and now.
        """
        self._callbacks.append(function)
        if self._over:
            try:
                self._callbacks.remove(function)
            except ValueError:
                return  # the I/O thread was faster
            function(self)

    def cancel(self) -> None:
        """Stop the work, if it still runs; returns at once. Waiters get a RequestError that says so."""
        if not self._over and self._io.usable():
            self._io.loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _wait(self, timeout: float | None) -> None:
        if threading.get_ident() == self._io.thread.ident:
            if self._over:
                return  # a callback looks at its own result
            raise RuntimeError("the I/O thread cannot wait for itself: await the work, or add a callback")
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            while True:
                pause = SLICE if deadline is None else min(SLICE, deadline - time.monotonic())
                if self._gate.acquire(timeout=max(pause, 0)):
                    self._gate.release()
                    return
                if deadline is not None and time.monotonic() >= deadline:
                    raise TimeoutError(f"no answer within {timeout} s; the request goes on")
                if self._open:
                    return  # an interrupt hit another waiter between passing the gate and opening it again
                if not self._io.alive():
                    raise RequestError(
                        "the request belongs to another process, or its thread has ended (fork, or the end "
                        "of the program): ask again from here"
                    )
        except TimeoutError:
            raise
        except BaseException:
            if self._cancel_on_interrupt:
                self.cancel()
                self._gate.acquire(timeout=CLOSING_SECONDS)  # its own tidying, so that no file stays open
            raise

    def _cancelled(self, error: MoveshelfError | None = None) -> None:
        """On the I/O thread: whatever has not come now never will."""
        if not self._over:
            self._finish(None, error or RequestError("the request was cancelled before its answer came"))

    def _finish(self, value: T | None, error: BaseException | None) -> None:
        """On the I/O thread. The first outcome counts: closing a client does not wait for its coroutines."""
        if self._over:
            return
        self._value, self._error = value, error
        self._task = None
        self._over = True
        while self._callbacks:
            try:
                function = self._callbacks.pop(0)
            except IndexError:
                break
            try:
                function(self)
            except Exception:
                logger.exception("a callback of the client failed; please report this")
        self._open = True
        self._gate.release()


class IOThread:
    """An event loop in a daemon thread of its own."""

    def __init__(self) -> None:
        # the selector loop on every platform: it needs no helper process, and is silent at exit on Windows
        # too
        self.loop = asyncio.SelectorEventLoop()
        self.closing = False
        self.abandoned = False
        self.tasks: set[asyncio.Task[None]] = set()
        self.closers: set[Callable[[], Awaitable[None]]] = set()
        """What closes open sessions; called at the end of the process."""
        self.closing_tasks: set[asyncio.Task[None]] = set()
        """Clients that are being closed because nobody has them any more; the end of the program lets them finish."""
        self.channels: weakref.WeakSet[Any] = weakref.WeakSet()
        """Whatever has to be told (`abandon()`) that a fork has left it without its loop."""
        self.thread = threading.Thread(target=self._run, name="moveshelf-io", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
        finally:
            self.loop.close()

    def usable(self) -> bool:
        return not (self.closing or self.abandoned)

    def alive(self) -> bool:
        return not self.abandoned and self.thread.is_alive()

    def spawn(self, pending: Future[T], function: Callable[..., Awaitable[T]], *args: Any) -> None:
        """Run `function(*args)` on the loop and settle `pending` with what comes of it. From any thread."""
        self.loop.call_soon_threadsafe(self.start, pending, function, args)

    def start(
        self, pending: Future[Any], function: Callable[..., Awaitable[Any]], args: tuple[Any, ...]
    ) -> asyncio.Task[None]:
        """The same on the I/O thread itself; returns the task."""
        task = self.loop.create_task(_settle(pending, function, args))
        pending._task = task
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        task.add_done_callback(lambda _: pending._cancelled())
        return task

    def stop(self) -> None:
        """End the loop and its thread, within CLOSING_SECONDS seconds. At the end of the process."""
        if not self.usable():
            return
        self.closing = True
        self.loop.call_soon_threadsafe(lambda: self.loop.create_task(self._end()))
        with contextlib.suppress(KeyboardInterrupt):  # a second one: then without a farewell
            self.thread.join(CLOSING_SECONDS)

    async def _end(self) -> None:
        try:
            tasks = list(self.tasks)
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks, timeout=CLOSING_SECONDS / 4)
            for close in list(self.closers):
                await close()
            if self.closing_tasks:
                await asyncio.wait(list(self.closing_tasks), timeout=CLOSING_SECONDS / 4)
            await asyncio.sleep(0)  # the transports' own closing_tasks
        finally:
            self.loop.stop()


async def _settle(
    pending: Future[Any], function: Callable[..., Awaitable[Any]], args: tuple[Any, ...]
) -> None:
    # a cancelled task may not even get here: Future._cancelled settles it
    try:
        value = await function(*args)
    except asyncio.CancelledError:
        raise
    except BaseException as error:
        # a trace holds our frame and so `pending`, which holds the error: keep only what is below it
        expected = isinstance(error, MoveshelfError) or error.__traceback__ is None
        error.__traceback__ = None if expected else error.__traceback__.tb_next  # type: ignore[union-attr]
        pending._finish(None, error)
    else:
        pending._finish(value, None)


async def result_of(pending: Future[T]) -> T:
    """The result of a request, for coroutines on the I/O thread."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    # called on the loop's own thread
    pending.add_done_callback(lambda _: None if future.done() else future.set_result(None))
    try:
        await future
    except asyncio.CancelledError:
        pending.cancel()
        raise
    return pending.result()


lock = threading.RLock()
"""Guards the making of threads and channels, and the counters. One for the process, which a fork renews here.

Reentrant, because the garbage collector may run anybody's `__del__` while it is held.
"""
_current: IOThread | None = None
_ended = False
_abandoned: list[IOThread] = []


def io_thread() -> IOThread:
    """This process's thread, started when there is none. Raises DetachedError when Python is ending."""
    global _current
    io = _current
    if io is not None and io.alive() and not io.closing:
        return io
    with lock:
        io = _current
        if not _ended and (io is None or not io.alive() or io.closing):
            # Python 3.12 starts no thread once the main one has ended
            with contextlib.suppress(RuntimeError):
                io = _current = IOThread()
    if io is None or not io.alive() or io.closing:
        raise DetachedError("the program is ending: no request can be sent any more")
    return io


def _at_exit() -> None:
    global _ended
    _ended = True
    if _current is not None:
        _current.stop()


def _in_child() -> None:
    """After fork: the thread stayed with the parent, its sockets and its selector are shared with it.

    Nothing of it may be closed or even garbage collected here: unregistering a socket in the child takes it
    out of the parent's selector as well. So it is kept and never touched, and told to be silent when Python
    ends.
    """
    global _current, lock
    lock = threading.RLock()
    io, _current = _current, None
    if io is None:
        return
    io.abandoned = True
    io.loop.set_exception_handler(lambda loop, context: None)
    for task in list(io.tasks):
        task._log_destroy_pending = False  # type: ignore[attr-defined]
    for thing in list(io.channels):
        thing.abandon()
    _abandoned.append(io)


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
