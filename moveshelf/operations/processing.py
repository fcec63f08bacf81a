"""Waiting for what the service computes in the background."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

#: Seconds between two looks at a job: the first pause, how it grows, and the longest.
FIRST_PAUSE, GROWTH, LONGEST_PAUSE = 0.25, 1.5, 15.0


def looks(timeout: float | None, sleep: Callable[[float], object] = time.sleep) -> Iterator[float]:
    """Seconds since the start, at each look at a job; sleeps between two looks, and ends when `timeout` is over."""
    start = time.monotonic()
    pause = FIRST_PAUSE
    while True:
        passed = time.monotonic() - start
        yield passed
        left = None if timeout is None else timeout - (time.monotonic() - start)
        if left is not None and left <= 0:
            return
        sleep(pause if left is None else min(pause, left))
        pause = min(pause * GROWTH, LONGEST_PAUSE)
