"""The one I/O thread of the process, and what a caller waits on.

Every request of every client runs on one event loop in one daemon thread, which starts with the first
request. The calling threads wait in slices, so that Ctrl-C and a notebook's interrupt are noticed at once on
every platform; that a loop runs in the calling thread already (Jupyter) does not matter to them.
"""

from __future__ import annotations

import _thread
import asyncio
import concurrent.futures
import contextlib
import contextvars
import logging
import os
import sys
import threading
import time
import weakref
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from moveshelf.errors import DetachedError, MoveshelfError, RequestError, fresh
from moveshelf.wire.progress import tick

T = TypeVar("T")

logger = logging.getLogger("moveshelf")

SLICE = 0.1
"""Seconds between two looks at interrupts. Windows notices a Ctrl-C only between waits on a lock."""
CLOSING_SECONDS = 2.0
"""Seconds that an interrupted or exiting process gives its coroutines to tidy up."""


WINDOWS_JOBS = 128
"""Transfers at once on Windows, where one event loop takes at most 512 sockets: each transfer may hold two for a moment,
and those that are kept open and the service's own come to that."""
_OTHERS = 64
"""Open files that stay for the rest of the program."""
_FILES_A_JOB = 3
"""Open files of one transfer: its file, its connection, and another one while a connection is replaced."""


stopping: contextvars.ContextVar[threading.Event | None] = contextvars.ContextVar("stopping", default=None)
"""Set in a worker thread that a coroutine waits for: the event says that the coroutine was cancelled."""


def check_stopped() -> None:
    """Raise CancelledError where this thread works for a coroutine that was cancelled. Called between slices of a wait."""
    stop = stopping.get()
    if stop is not None and stop.is_set():
        raise asyncio.CancelledError


def cap_jobs(jobs: int) -> int:
    """How many of `jobs` transfers may run at once on this machine, at least one.

    On Windows `WINDOWS_JOBS`; elsewhere as many as the limit of open files of this process leaves room for.
    """
    if sys.platform == "win32":
        return min(jobs, WINDOWS_JOBS)
    import resource

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return jobs if limit == resource.RLIM_INFINITY else max(1, min(jobs, (limit - _OTHERS) // _FILES_A_JOB))


class Future(concurrent.futures.Future[T]):
    """The result of something that runs on the I/O thread: a `concurrent.futures.Future` that suits a notebook.

    It differs in four points: its waiters notice an interrupt on every platform, and the end of the I/O thread;
    each waiter gets its own copy of an error; callbacks have run before any waiter wakes, so that objects are
    populated by then; `cancel()` stops the work also where it has begun. The rest of the standard library takes
    it: `concurrent.futures.wait`, `as_completed`, `asyncio.wrap_future`.
    """

    def __init__(self, io: IOThread, *, cancel_on_interrupt: bool = False) -> None:
        super().__init__()  # whose own result, None, only wakes those who wait by the standard library
        self._io = io
        self._gate = threading.Lock()  # closed until the waiters may return
        self._gate.acquire()
        self._outcome: tuple[T | None, BaseException | None] | None = None  # settled: its callbacks may look
        self._awake = False  # and they have run: the waiters may return
        self._callbacks: list[Callable[[Future[T]], object]] = []
        self._task: asyncio.Task[None] | None = None
        self._cancel_on_interrupt = cancel_on_interrupt

    def __repr__(self) -> str:
        state = "waiting" if self._outcome is None else "done" if self._outcome[1] is None else "failed"
        return f"<Future {state}>"

    def done(self) -> bool:
        """Whether the work has ended. Sends nothing, waits for nothing."""
        return self._outcome is not None

    def result(self, timeout: float | None = None) -> T:
        """The work's result; waits for it, up to `timeout` seconds.

        Raises TimeoutError when the time is over first (the work goes on), otherwise what the work raised:
        each caller its own copy.
        """
        if not self._awake:
            self._wait(timeout)
        return self._settled()

    def _settled(self) -> T:
        """The result, where it is known that the work has ended: waits for nothing, not even for callbacks."""
        assert self._outcome is not None
        value, error = self._outcome
        if error is not None:
            raise _copied(error)
        return value  # type: ignore[return-value]

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """The error of the work (a copy for this caller), or None; waits like `result`."""
        if not self._awake:
            self._wait(timeout)
        assert self._outcome is not None
        error = self._outcome[1]
        return None if error is None else _copied(error)

    def add_done_callback(self, fn: Callable[[Future[T]], object]) -> None:
        """Have `fn(future)` called on the I/O thread when the work has ended, before any waiter wakes.

        When it has ended already, `fn` is called here and now.
        """
        self._callbacks.append(fn)
        if self._outcome is not None:
            try:
                self._callbacks.remove(fn)
            except ValueError:
                return  # the I/O thread was faster
            fn(self)

    def cancel(self) -> bool:
        """Stop the work, if it still runs; returns at once. Waiters get a RequestError that says so."""
        if self._outcome is not None or not self._io.usable():
            return False
        self._io.loop.call_soon_threadsafe(self._cancel)
        return True

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _wait(self, timeout: float | None) -> None:
        if threading.get_ident() == self._io.thread.ident:
            if self._outcome is not None:
                return  # a callback looks at its own result
            raise RuntimeError("the I/O thread cannot wait for itself: await the work, or add a callback")
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            waited = False
            while not self._awake:
                check_stopped()
                # a thread that has ended is noticed after the first slice: to look costs more than a fork's mark
                if self._io.abandoned or (waited and not self._io.alive()):
                    if self._outcome is not None and not self._io.abandoned:
                        return  # it had ended, and the thread before it could say so
                    raise RequestError(
                        "the request belongs to another process, or its thread has ended (fork, or the end "
                        "of the program): send it again from here"
                    )
                left = None if deadline is None else deadline - time.monotonic()
                if self._gate.acquire(timeout=SLICE if left is None else max(min(SLICE, left), 0)):
                    self._gate.release()  # the next waiter
                    return
                waited = True
                tick()
                if left is not None and left <= SLICE and not self._awake:
                    raise TimeoutError(f"no response within {timeout} s; the request goes on")
        except TimeoutError:
            raise
        except BaseException as error:
            stopped = isinstance(error, asyncio.CancelledError)
            cancelled = (self._cancel_on_interrupt or stopped) and self.cancel()
            # its own tidying, so that no file stays open; not by the standard library's lock, which a second interrupt
            # could leave locked, with the I/O thread before it
            if cancelled and self._gate.acquire(timeout=CLOSING_SECONDS):
                self._gate.release()
            raise

    def _cancelled(self, error: MoveshelfError | None = None) -> None:
        """On the I/O thread: whatever has not come now never will."""
        if self._outcome is None:
            self._finish(None, error or RequestError("the request was cancelled before its response came"))
        self._wake()

    def _finish(self, value: T | None, error: BaseException | None) -> None:
        """On the I/O thread: what came of it; `_wake` follows. The first outcome counts."""
        if self._outcome is not None:
            return
        self._task = None
        self._outcome = (value, error)
        while self._callbacks:
            try:
                function = self._callbacks.pop(0)
            except IndexError:
                break
            try:
                function(self)
            except Exception:
                logger.exception("a callback of the client failed; please report this")

    def _wake(self) -> None:
        """Let the waiters go on. They compete with this thread for the interpreter: what is left to do comes first."""
        if not self._awake:
            self._awake = True
            super().set_result(None)  # type: ignore[arg-type]
            self._gate.release()


def _copied(error: BaseException) -> BaseException:
    """An error for one of those who wait for it."""
    copy = fresh(error)
    if not isinstance(copy, MoveshelfError):
        copy.__traceback__ = error.__traceback__  # unexpected: show where it came from
    return copy


class IOThread:
    """An event loop in a daemon thread of its own."""

    def __init__(self) -> None:
        # the selector loop on every platform: it needs no helper process, and is silent at exit on Windows
        # too
        self.loop = asyncio.SelectorEventLoop()
        self.closing = False
        self.abandoned = False
        self.ended = False
        self.tasks: set[asyncio.Task[None]] = set()
        self.closers: set[Callable[[], Awaitable[None]]] = set()
        """What closes open sessions; called at the end of the process."""
        self.closing_tasks: set[asyncio.Task[None]] = set()
        """Those that close clients which are no longer referenced; the end of the program lets them finish."""
        self.channels: weakref.WeakSet[Any] = weakref.WeakSet()
        """What a fork leaves without its loop: `abandon()` is called on each in the child."""
        self.thread = threading.Thread(target=self._run, name="moveshelf-io", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
        finally:
            self.ended = True
            self.loop.close()

    def usable(self) -> bool:
        return not (self.closing or self.abandoned)

    def alive(self) -> bool:
        # not `Thread.is_alive`: an interrupt inside takes a thread that runs for one that has ended (Python < 3.13)
        return not (self.abandoned or self.ended)

    def spawn(self, future: Future[T], function: Callable[..., Awaitable[T]], *args: Any) -> None:
        """Run `function(*args)` on the loop and settle `future` with what comes of it. From any thread."""
        self.loop.call_soon_threadsafe(self.start, future, function, args)

    def start(
        self,
        future: Future[Any],
        function: Callable[..., Awaitable[Any]],
        args: tuple[Any, ...],
        on_end: Callable[[asyncio.Task[None]], object] | None = None,
    ) -> asyncio.Task[None]:
        """The same on the I/O thread itself; returns the task. `on_end(task)` is called before any waiter wakes."""
        task = self.loop.create_task(_settle(future, function, args))
        future._task = task
        self.tasks.add(task)

        def ended(_: asyncio.Task[None]) -> None:
            self.tasks.discard(task)
            try:
                if on_end is not None:
                    on_end(task)
            finally:
                if future._outcome is None:
                    future._cancelled()
                else:
                    future._wake()

        task.add_done_callback(ended)
        return task

    def stop(self) -> None:
        """End the loop and its thread, within CLOSING_SECONDS. At the end of the process."""
        if not self.usable():
            return
        self.closing = True
        self.loop.call_soon_threadsafe(lambda: self.loop.create_task(self._end()))
        with contextlib.suppress(KeyboardInterrupt):  # a second one: then without closing connections
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
            await asyncio.sleep(0)  # the transports close their sockets
        finally:
            self.loop.stop()


async def _settle(
    future: Future[Any], function: Callable[..., Awaitable[Any]], args: tuple[Any, ...]
) -> None:
    # a cancelled task may not even get here: Future._cancelled settles it
    try:
        value = await function(*args)
    except asyncio.CancelledError:
        raise
    except BaseException as error:
        # a trace holds our frame and so `future`, which holds the error: keep only what is below it
        expected = isinstance(error, MoveshelfError) or error.__traceback__ is None
        error.__traceback__ = None if expected else error.__traceback__.tb_next  # type: ignore[union-attr]
        future._finish(None, error)
    else:
        future._finish(value, None)


async def result_of(future: Future[T]) -> T:
    """The result of a request, for coroutines of any event loop. Cancelling the coroutine cancels the request."""
    try:
        await told(future.add_done_callback)
    except asyncio.CancelledError:
        future.cancel()
        raise
    return future._settled()


async def told(register: Callable[[Callable[..., None]], object]) -> None:
    """Wait until what was registered is called, on whichever thread; for coroutines of any event loop."""
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[None] = loop.create_future()

    def settle() -> None:
        if not waiter.done():
            waiter.set_result(None)

    def wake(*_: object) -> None:
        if asyncio._get_running_loop() is loop:
            settle()
            return
        with contextlib.suppress(RuntimeError):  # that loop is closed: nobody waits there
            loop.call_soon_threadsafe(settle)

    register(wake)
    await waiter


class ProcessLock(_thread.RLock):  # type: ignore[misc]  # Python lets it, typeshed does not
    """A reentrant lock of one process: where another thread holds it during a fork, the child finds it free.

    An ordinary lock would stay locked in the child for ever, since the thread that holds it is not there. A class of C's:
    an `__enter__` of our own could be interrupted between having the lock and returning, and nobody would ever let go.
    """

    __slots__ = ()

    def __init__(self) -> None:
        _process_locks.add(self)

    def after_fork(self) -> None:
        """In the child: free, unless the thread that forked holds it itself."""
        if self.acquire(blocking=False):
            self.release()
        else:
            self._at_fork_reinit()  # type: ignore[attr-defined]


_process_locks: weakref.WeakSet[ProcessLock] = weakref.WeakSet()
lock = ProcessLock()
"""Guards the creation of threads and channels, and the counters. One for the process.

Reentrant, because the garbage collector may run any object's `__del__` while it is held.
"""
import_lock = threading.RLock()
"""Held around the first import of gql, aiohttp and what imports them: two threads that import parts of them at the same
time can get a package that is only half there. A fork waits for it for a while, and renews it."""
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


def end() -> None:
    """Python is ending: stop the thread, and start none any more. Called by the package (moveshelf/__init__.py)."""
    global _ended
    _ended = True
    if _current is not None:
        _current.stop()


def _in_child() -> None:
    """After fork: the thread stayed with the parent, its sockets and its selector are shared with it.

    Nothing of it may be closed or even garbage collected here: unregistering a socket in the child takes it
    out of the parent's selector as well. So it is kept and never touched, and logs nothing when Python ends.
    """
    global _current, import_lock
    import_lock = threading.RLock()
    for one in list(_process_locks):
        one.after_fork()
    io, _current = _current, None
    if io is None:
        return
    io.abandoned = True
    io.loop.set_exception_handler(lambda loop, context: None)
    for task in list(io.tasks):
        task._log_destroy_pending = False  # type: ignore[attr-defined]
    for channel in list(io.channels):
        channel.abandon()
    _abandoned.append(io)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
