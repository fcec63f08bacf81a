"""Python's cycle collector, paused while a response becomes objects.

A large response is hundreds of thousands of new objects, none of them garbage: the collector would go through all of them
again and again, for a fifth of the time and more.
"""

from __future__ import annotations

import gc
import os
import threading
from types import TracebackType


class _Paused:
    """A context in which the collector is off; of several at once, in any threads, the last one turns it on again.

    Where the program has turned it off itself, it stays off.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._was_on = False

    def __enter__(self) -> None:
        with self._lock:
            if not self._count:
                self._was_on = gc.isenabled()
                if self._was_on:
                    gc.disable()
            self._count += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._count -= 1
            if not self._count and self._was_on:
                gc.enable()

    def after_fork(self) -> None:
        """In a child process: the threads that paused it are not here."""
        if self._count and self._was_on:
            gc.enable()
        self._lock, self._count = threading.Lock(), 0


collector_paused = _Paused()

if hasattr(os, "register_at_fork"):  # Windows does not fork
    os.register_at_fork(after_in_child=collector_paused.after_fork)
