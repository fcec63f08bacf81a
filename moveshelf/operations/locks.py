"""One write at a time: a look and the write that builds on it belong together, in all programs of a user on a computer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..transfer.locks import service_lock

if TYPE_CHECKING:
    from .service import Service


@contextmanager
def write_lock(service: Service, identity: str) -> Iterator[bool]:
    """Only one thread of one program of this user on this computer is inside, for an object.

    The context's value: whether another program, or another client of this one, may have been inside since this client
    was, so that what is cached of the object, or of what is below it, may be old.
    """
    with service_lock(None, urlsplit(service.url).netloc, identity, service.cache) as turn:
        yield turn.others
