"""One write at a time: a read and the write that builds on it belong together."""

from __future__ import annotations

import os
import threading

_LOCKS = [threading.RLock() for _ in range(64)]


def _renew() -> None:
    """A forked child has the locks of threads that it does not have."""
    _LOCKS[:] = [threading.RLock() for _ in _LOCKS]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


def lock_of(identity: str) -> threading.RLock:
    """The lock that writes of an object, or below it, hold."""
    return _LOCKS[hash(identity) % len(_LOCKS)]
