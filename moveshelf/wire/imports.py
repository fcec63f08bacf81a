"""The import of gql and aiohttp, begun in a thread as soon as there is a client.

It takes longer than the first request itself. A program that does something else first does not wait for it then. While
aiohttp reads the system's certificates, which keeps no other thread from running, a second thread imports graphql: not
earlier, since two threads that compute take turns, and graphql would be there before it could use that time.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import threading
import time
from types import FrameType

from moveshelf import _importing
from moveshelf.wire import thread

CHANNEL = "moveshelf.wire.channel"
BEFORE = ("asyncio", "email.parser", "http.cookies", "urllib.request", "yarl")
"""What aiohttp imports of others. A program that ends meanwhile waits for the end of one step only."""
CERTIFICATES = "aiohttp.connector"
"""The module of aiohttp that reads the certificates. It is in `sys.modules` shortly before it does."""
BESIDE = "graphql"
"""What the second thread imports. It shares nothing with aiohttp but what both take from the standard library."""
AFTER = ("gql.transport.aiohttp", CHANNEL)
"""What needs both."""
LOOK_SECONDS = 0.001
"""How often the second thread looks whether it is time: the certificates take 20 to 40 times as long."""
WAIT_SECONDS = 10.0
"""How long a fork, or the end of the program, waits for the import. It takes less than a second."""

_running: threading.Thread | None = None
_ended = False
_fork_holds_lock = False


def begin_import() -> None:
    """Begin to import what the first request needs. Returns at once. What fails is raised by the first request."""
    global _running
    if CHANNEL in sys.modules or _ended:
        return
    with thread.lock:
        if _running is None:
            starting = threading.Thread(target=_run, name="moveshelf-import", daemon=True)
            # where no thread can be started the first request imports by itself
            with contextlib.suppress(RuntimeError):
                starting.start()
                _running = starting


def _run() -> None:
    with contextlib.suppress(Exception), thread.import_lock, _importing():
        for name in BEFORE:
            _step(name)
        if _ended:
            return
        imported = threading.Event()
        beside = threading.Thread(
            target=_beside, args=(imported,), name="moveshelf-import-beside", daemon=True
        )
        with contextlib.suppress(RuntimeError):  # no second thread can be started: one after the other
            beside.start()
        try:
            importlib.import_module("aiohttp")
        finally:
            imported.set()
            if beside.ident is not None:
                beside.join()
        for name in AFTER:
            if _ended:
                return
            importlib.import_module(name)


def _beside(imported: threading.Event) -> None:
    """Import graphql as soon as aiohttp reads the certificates, and at the latest when it is imported."""
    while CERTIFICATES not in sys.modules and not imported.wait(LOOK_SECONDS):
        pass
    _step(BESIDE)


def _step(name: str) -> None:
    """Import something that is needed later; what is wrong with it is found then."""
    if not _ended:
        with contextlib.suppress(Exception):
            importlib.import_module(name)


def _wait() -> None:
    if _running is not None and _running is not threading.current_thread():
        _running.join(WAIT_SECONDS)


def _is_importing_elsewhere() -> bool:
    """Whether another thread is in the middle of an import by this library, most of which come when they are needed."""
    locks = getattr(importlib._bootstrap, "_module_locks", {})
    owners = {getattr(lock(), "owner", None) for lock in list(locks.values())} - {threading.get_ident()}
    return any(_is_ours(frame) for ident, frame in sys._current_frames().items() if ident in owners)


def _is_ours(frame: FrameType | None) -> bool:
    """Whether this library is among the callers of what a thread does."""
    while frame is not None:
        if str(frame.f_globals.get("__name__")).partition(".")[0] == "moveshelf":
            return True
        frame = frame.f_back
    return False


def _before_fork() -> None:
    # a child would wait for ever for a module that a thread of its parent was importing
    global _fork_holds_lock
    _wait()
    end = time.monotonic() + WAIT_SECONDS
    while _is_importing_elsewhere() and time.monotonic() < end:
        time.sleep(LOOK_SECONDS)
    _fork_holds_lock = thread.import_lock.acquire(timeout=WAIT_SECONDS)


def _after_fork() -> None:
    if _fork_holds_lock:
        thread.import_lock.release()


def _in_child() -> None:
    global _running
    _running = None  # where the import failed or never ended, the child begins anew


def end() -> None:
    """Python is ending: no thread may be in the middle of loading libraries and certificates. Called by the package."""
    global _ended
    _ended = True
    _wait()


if hasattr(os, "register_at_fork"):  # Windows does not fork
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_in_child)
