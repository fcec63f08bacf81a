"""One file from the disk to the object store: streamed, and compared with what the store has received."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from ..errors import ChecksumError, TransferError
from ..wire.retry import BARRED, SILENT, Failure, RetryPolicy
from .blob import Progress, StoreError, crc_of, exchange, gave_up, host_of, in_thread
from .source import ChangedError, Reader, Source

if TYPE_CHECKING:
    from ..wire.network import Blobs

BLOCK = 1 << 20
"""Bytes that are read at once; a smaller file goes out as one piece."""
SLICE = 1 << 18
"""Bytes that the socket gets at once: more would be moved about in memory while it drains."""
SLOW = 0.02
"""Seconds that reading a block may hold up the other transfers."""
WRONG = 3
"""How often the store may have got other bytes than were sent before that is an error."""


class StaleUrlError(TransferError):
    """The store refuses the upload URL: it has expired, or was made for something else."""


async def put(
    blobs: Blobs,
    url: str,
    source: Source,
    *,
    retry: RetryPolicy | None = None,
    progress: Progress | None = None,
) -> bool:
    """Send a prepared source to a signed URL; returns when the store has it whole and right, as far as it tells: False
    where it tells no checksum, so that nothing says yet that it was the store that responded.

    Dropped connections and 5xx are repeated with growing pauses, each time from the first byte: a PUT of the
    same bytes to the same address does no harm twice. Raises StaleUrlError where the URL is refused,
    ChangedError where the source is not what its checksum says (its last bytes are never sent then, so that
    the store keeps nothing), ChecksumError where the store keeps getting other bytes, TransferError
    otherwise.
    """
    retry = retry or RetryPolicy()
    progress = progress or Progress()
    failures = wrong = 0
    got: str | None
    while True:
        sending = _Sending(blobs, url, source, progress)
        try:
            got = await sending.send()
        except StoreError as broken:
            sending.forget()
            if broken.damaged:
                wrong += 1
                if wrong < WRONG:
                    continue
                raise ChecksumError(f"{source.label}: {broken.failure.reason}, {wrong} times.") from None
            if broken.stale:
                raise StaleUrlError(
                    f"{source.label}: {broken.failure.reason}.", status=broken.failure.status
                ) from None
            failures += 1
            pause = retry.pause(broken.failure, failures, mutation=False)
            if pause is None:
                raise gave_up(f"{source.label} was not uploaded", broken.failure, "", failures) from None
        except BaseException:
            sending.forget()
            raise
        else:
            if got is None or got == source.crc32c:
                return got is not None
            sending.forget()
            wrong += 1
            if wrong >= WRONG:
                raise ChecksumError(
                    f"{source.label}: the store got bytes with the CRC-32C {got}, sent were {source.crc32c}, "
                    f"{wrong} times."
                )
            pause = 0.0
        await asyncio.sleep(pause)


class _Sending:
    """One PUT."""

    def __init__(self, blobs: Blobs, url: str, source: Source, progress: Progress) -> None:
        self.blobs = blobs
        self.url = url
        self.source = source
        self.progress = progress
        self.sent = 0
        self._reader: Reader | None = None
        self._reading: asyncio.Future[bytes] | None = None
        self._changed: ChangedError | None = None
        self._silence = blobs.session.timeout.sock_read or None

    def forget(self) -> None:
        self.progress.bytes -= self.sent
        self.sent = 0

    async def send(self) -> str | None:
        """The CRC-32C that the store has got, where it says so. Raises StoreError, ChangedError, OSError of
        reading.
        """
        self._reader = await in_thread(self.source.open)
        try:
            first = await in_thread(self._reader.block, BLOCK)
            # a source of one block is known to be right before its first byte leaves
            whole = len(first) == self.source.size
            task = asyncio.ensure_future(self._exchange(first if whole else self._blocks(first)))
            try:
                await self._watch(task)
            finally:
                if not task.done():
                    task.cancel()
                    await asyncio.wait([task])
            if whole:
                self._count(len(first))
            return task.result()
        except StoreError:
            if self._changed is not None:
                raise self._changed from None
            raise
        finally:
            await asyncio.shield(self._close())

    async def _exchange(self, body: bytes | AsyncIterator[memoryview]) -> str | None:
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(self.source.size)}
        async with exchange(
            self.blobs, "PUT", self.url, accept=(200, 201, 204), data=body, headers=headers
        ) as response:
            await response.read()
            crc = crc_of(response.headers)
            if crc is None and response.content_type == "text/html":
                host = host_of(self.url)
                raise StoreError(
                    Failure(
                        BARRED,
                        f"{host} responded with a web page in place of the store: a network that wants a login first, or a "
                        "proxy, does so. Nothing was stored; log in with a browser, and upload again",
                    )
                )
            # one that repeats an earlier response may be that one, come twice
            return None if response.repeats else crc

    async def _blocks(self, block: bytes) -> AsyncIterator[memoryview]:
        """The body, a slice at a time.

        A disk that has the next block at once is read from here: changing threads costs more than the reading. From
        the first time that it has not, a worker thread reads the next block while this one goes out.
        """
        left = self.source.size
        reader = self._reader
        assert reader is not None
        loop = asyncio.get_running_loop()
        slow = False
        while True:
            left -= len(block)
            if left and slow:
                self._reading = loop.run_in_executor(None, reader.block, BLOCK)
            view = memoryview(block)
            for start in range(0, len(view), SLICE):
                piece = view[start : start + SLICE]
                yield piece
                self._count(len(piece))
            if not left:
                return
            try:
                if self._reading is not None:
                    block = await self._reading
                else:
                    begin = time.perf_counter()
                    block = reader.block(BLOCK)
                    slow = time.perf_counter() - begin > SLOW
            except ChangedError as error:
                self._changed = error  # aiohttp makes a lost connection of it
                raise

    def _count(self, size: int) -> None:
        self.sent += size
        self.progress.bytes += size

    async def _watch(self, task: asyncio.Future[str | None]) -> None:
        """Wait for the exchange as long as it moves: aiohttp's timeout sees responses only, not a stalled
        sending.
        """
        while True:
            before = self.sent
            await asyncio.wait([task], timeout=self._silence)
            if task.done():
                return
            if self.sent == before and self.sent < self.source.size:
                host = host_of(self.url)
                raise StoreError(Failure(SILENT, f"{host} took no bytes for {self._silence:g} s"))

    async def _close(self) -> None:
        reader, self._reader = self._reader, None
        if self._reading is not None:
            await asyncio.wait([self._reading])
            if not self._reading.cancelled():
                self._reading.exception()  # looked at: it was raised where it mattered
        if reader is not None:
            reader.close()
