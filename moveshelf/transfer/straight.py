"""A large body straight from the socket into memory that is used again and again.

aiohttp makes a bytes object of every piece that comes, and a copy of each for who reads it. For a file of
gigabytes that, and the memory it takes, is most of the work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType

import aiohttp

PIECE = 1 << 16
"""Bytes that TLS may hand on although it was told to wait."""


def possible(response: aiohttp.ClientResponse, size: int) -> bool:
    """Whether what is left of the answer are `size` bytes as they are, on a connection that is still open."""
    return (
        response.content_length == size
        and (response.headers.get("Content-Encoding") or "identity") == "identity"
        and response.connection is not None
        and isinstance(response.connection.transport, asyncio.Transport)
    )


class Straight(asyncio.BufferedProtocol):
    """Takes a connection over from aiohttp for the rest of a body. In a `with` inside the response's own.

    The connection is closed with the response: aiohttp has not seen what went by.
    """

    def __init__(
        self, response: aiohttp.ClientResponse, patience: float | None, count: Callable[[int], None]
    ) -> None:
        """`patience`: seconds without a byte after which `fill` gives up; `count` is told how many bytes come."""
        connection = response.connection
        assert connection is not None
        assert isinstance(connection.transport, asyncio.Transport)
        self._response = response
        self._transport = connection.transport
        self._loop = asyncio.get_running_loop()
        self._patience = patience
        self._count = count
        self._room = memoryview(b"")  # none of it is kept between two calls of `fill`
        self._beyond = bytearray()  # what came although there was no room
        self._piece: bytearray | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._last = 0.0
        self._over = False
        self._error: Exception | None = None
        self.filled = 0
        """Bytes that the last `fill` has brought, also where it ended with an error."""

    def __enter__(self) -> Straight:
        self._before = self._transport.get_protocol()
        self._beyond += self._response.content.read_nowait()  # came with the headers
        self._transport.pause_reading()
        self._transport.set_protocol(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transport.set_protocol(self._before)
        if self._over:
            self._before.connection_lost(self._error)
        self._response.close()

    async def fill(self, room: memoryview) -> None:
        """Read until `room` is full or the connection has ended: `filled` tells.

        Raises TimeoutError after `patience` seconds without a byte, ClientOSError where the connection broke.
        """
        self.filled = min(len(room), len(self._beyond))
        room[: self.filled] = self._beyond[: self.filled]
        del self._beyond[: self.filled]
        self._count(self.filled)
        if self.filled < len(room) and not self._over and not self._transport.is_closing():
            self._room = room
            self._waiter = self._loop.create_future()
            self._last = self._loop.time()
            if self._patience:
                self._timer = self._loop.call_later(self._patience, self._look)
            self._transport.resume_reading()
            try:
                await self._waiter
            finally:
                self._waiter, self._room = None, memoryview(b"")
                if self._timer is not None:
                    self._timer.cancel()
                self._pause()
        if self._error is not None:
            raise aiohttp.ClientOSError(*self._error.args)

    def get_buffer(self, sizehint: int) -> memoryview | bytearray:
        """Where the next bytes go."""
        room = self._room[self.filled :]
        if room:
            return room
        self._piece = bytearray(PIECE)
        return self._piece

    def buffer_updated(self, nbytes: int) -> None:
        """They are there."""
        if self._piece is not None:
            self._beyond += self._piece[:nbytes]
            self._piece = None
            return
        self._last = self._loop.time()
        self.filled += nbytes
        self._count(nbytes)
        if self.filled == len(self._room):
            self._wake(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended, or broken."""
        self._over, self._error = True, exc
        self._wake(None)

    def _look(self) -> None:
        assert self._patience is not None
        silent = self._loop.time() - self._last
        if silent >= self._patience:
            self._wake(asyncio.TimeoutError())
        else:
            self._timer = self._loop.call_later(self._patience - silent, self._look)

    def _wake(self, error: Exception | None) -> None:
        if self._waiter is None or self._waiter.done():
            return
        self._pause()
        if error is None:
            self._waiter.set_result(None)
        else:
            self._waiter.set_exception(error)

    def _pause(self) -> None:
        if not self._over:
            self._transport.pause_reading()
