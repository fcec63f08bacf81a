"""The import of gql and aiohttp, begun in a thread as soon as there is a client.

It takes longer than the first request itself. A program that does something else first does not wait for it then.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import os
import sys
import threading

from moveshelf.wire import thread
from moveshelf.wire.collector import collector_paused

CHANNEL = "moveshelf.wire.channel"
STEPS = ("aiohttp", "graphql", "gql.transport.aiohttp", CHANNEL)
"""What is imported, one after the other: a program that ends meanwhile waits for the end of one step only."""
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
            with contextlib.suppress(
                RuntimeError
            ):  # no thread can be started: the first request imports by itself
                starting.start()
                _running = starting


def _run() -> None:
    with contextlib.suppress(Exception), thread.import_lock, collector_paused:
        for name in STEPS:
            if _ended:
                return
            importlib.import_module(name)


def _wait() -> None:
    if _running is not None and _running is not threading.current_thread():
        _running.join(WAIT_SECONDS)


def _before_fork() -> None:
    # a child would wait for ever for a module that a thread of its parent was importing
    global _fork_holds_lock
    _wait()
    _fork_holds_lock = thread.import_lock.acquire(timeout=WAIT_SECONDS)


def _after_fork() -> None:
    if _fork_holds_lock:
        thread.import_lock.release()


def _in_child() -> None:
    global _running
    _running = None  # where the import failed or never ended, the child begins anew


def _at_exit() -> None:
    # while Python ends, a thread must not be in the middle of loading libraries and certificates
    global _ended
    _ended = True
    _wait()


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):  # Windows does not fork
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_in_child)
