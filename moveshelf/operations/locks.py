"""One write at a time: a look and the write that builds on it belong together, in all programs of a user on a computer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .service import Service


@contextmanager
def write_lock(service: Service, identity: str) -> Iterator[bool]:
    """Only one thread of one program of this user on this computer is inside, for an object.

    The context's value: whether another program, or another client of this one, may have been inside since this client
    was, so that what is cached of the object, or of what is below it, may be old. What was inside before the client began
    to read is in what it has read.
    """
    from ..transfer.locks import service_lock

    # the whole address: a practice service that is started anew has the ids of the one before
    with service_lock(None, service.url, identity, service.cache, since=service.began) as turn:
        yield turn.others
