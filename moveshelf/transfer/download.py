"""One file from the object store to the disk: continued where it broke off, verified, then put in place."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import ChecksumError, MoveshelfError, TargetExistsError, TransferError
from ..wire.retry import LOST, REFUSED, Failure, RetryPolicy
from .blob import (
    P,
    Progress,
    StoreError,
    T,
    content_range,
    cut_short,
    exchange,
    gave_up,
    host_of,
    in_thread,
    stored,
)
from .partial import InMemory, Partial
from .straight import Straight, possible

if TYPE_CHECKING:
    from ..wire.network import Blobs

Address = Callable[[bool], Awaitable[str]]
"""`await address(False)` is a signed URL, `await address(True)` a new one: the last was refused."""

READ_AHEAD = 1 << 17
"""Bytes after which aiohttp stops reading from the socket (it takes twice as much)."""
LARGE = 1 << 26
"""Bytes from which on a body is worth a connection of its own."""
SLOW = 0.0005
"""Seconds that the disk may take, in the mean, for a block or a small file while the other transfers wait for it."""
RECENT = 0.2
"""The share of the newest in that mean."""
WRONG = 3
"""How often bytes may arrive whole and wrong before that is an error."""


class Fetched(NamedTuple):
    """`size` bytes are in place; `resumed` of them were there from an earlier run; `crc32c` is theirs,
    computed.
    """

    size: int
    crc32c: str
    resumed: int


async def fetch(
    blobs: Blobs,
    address: Address,
    target: Path,
    *,
    key: str,
    overwrite: bool = False,
    retry: RetryPolicy | None = None,
    progress: Progress | None = None,
    arrived: Callable[[], None] | None = None,
) -> Fetched:
    """Download to `target`; `key` is the id of what is downloaded, so that only its own beginning is
    continued.

    Dropped connections, answers cut short and 5xx are repeated with growing pauses, from the byte that was
    reached; as long as bytes arrive, no end of them counts. A refused URL is renewed once each time. Raises
    TransferError (ChecksumError where bytes are wrong again and again); `target` appears whole and right, or
    not at all.
    """
    return await _fetch(
        blobs, address, Partial(target, key), str(target), overwrite, retry, progress, arrived
    )


async def read(
    blobs: Blobs,
    address: Address,
    name: str,
    *,
    retry: RetryPolicy | None = None,
    progress: Progress | None = None,
) -> bytes:
    """The bytes themselves, in memory; as patient, and as verified, as `fetch`."""
    partial = InMemory(name)
    await _fetch(blobs, address, partial, name, True, retry, progress)
    return partial.data


async def _fetch(
    blobs: Blobs,
    address: Address,
    partial: Partial,
    what: str,
    overwrite: bool,
    retry: RetryPolicy | None,
    progress: Progress | None,
    arrived: Callable[[], None] | None = None,
) -> Fetched:
    retry = retry or RetryPolicy()
    run = _Run(blobs, partial, progress or Progress())
    try:
        if partial.begun():
            await in_thread(partial.look)
        resumed = partial.offset
        run.count(resumed)
        url = await address(False)
        failures = wrong = 0
        renewed = False
        while True:
            before = partial.offset
            try:
                if not partial.complete or partial.known.crc32c is None:
                    await run.attempt(url)
                if arrived is not None:
                    arrived()
                    for _ in range(3):  # the next file's request goes out before this one goes to the disk
                        await asyncio.sleep(0)
                crc = await run.finish(overwrite)
                return Fetched(partial.offset, crc, min(resumed, partial.offset))
            except ChecksumError:
                wrong += 1
                resumed = 0
                await run.restart()
                if wrong >= WRONG:
                    raise
                pause = 0.0
            except StoreError as broken:
                if partial.offset > before:
                    failures, renewed = 0, False
                if broken.stale and not renewed:
                    renewed = True
                    url = await address(True)
                    continue
                failures += 1
                wait = retry.pause(broken.failure, failures, mutation=False)
                if wait is None:
                    raise _error(what, broken.failure, partial, failures) from None
                pause = wait
            await asyncio.sleep(pause)
    except TargetExistsError:
        await run.restart()
        raise
    except OSError as error:
        if isinstance(error, MoveshelfError):  # several of ours are OSErrors too
            raise
        raise TransferError(f"{what} cannot be written: {error.strerror or error}.") from None
    finally:
        run.end()
        await run.settle()
        if partial.unfinished:
            await asyncio.shield(in_thread(partial.leave))


class _Run:
    """The attempts of one download."""

    def __init__(self, blobs: Blobs, partial: Partial, progress: Progress) -> None:
        self.blobs = blobs
        self.partial = partial
        self.progress = progress
        self._expected = 0
        self._counted = 0
        self._writing: asyncio.Future[None] | None = None

    def count(self, size: int) -> None:
        self._counted += size
        self.progress.bytes += size

    def expect(self, size: int | None) -> None:
        if size is not None and size != self._expected:
            self.progress.expected += size - self._expected
            self._expected = size

    def end(self) -> None:
        """A file that failed has moved nothing, so that the sums of a run add up."""
        if self._counted != self._expected and self._expected:
            self.progress.expected -= self._expected - self._counted

    async def restart(self) -> None:
        await self.settle()
        await in_thread(self.partial.discard)
        self.count(-self._counted)

    async def attempt(self, url: str) -> None:
        """One request, from the byte that is missing to the end. Raises StoreError."""
        partial = self.partial
        headers = {}
        if partial.offset and partial.known.etag:
            # the store sends all of it where the object is another one now
            headers = {"Range": f"bytes={partial.offset}-", "If-Range": partial.known.etag}
        elif partial.offset:
            await self.restart()
        async with exchange(
            self.blobs, "GET", url, accept=(200, 206, 416), headers=headers, read_bufsize=READ_AHEAD
        ) as response:
            known = stored(response)
            if response.status == 416:
                response.close()
                await self.restart()
                raise StoreError(Failure(LOST, f"{host_of(url)} has fewer bytes than were there before"))
            if response.status == 206:
                first, size = content_range(response.headers.get("Content-Range"))
                if first != partial.offset or not headers or size not in (partial.known.size, None):
                    response.close()
                    await self.restart()
                    raise StoreError(Failure(LOST, f"{host_of(url)} sent another part than it was asked for"))
            else:
                if partial.offset or partial.known.etag:
                    await self.restart()
                partial.begin(known)
            self.expect(partial.known.size)
            missing = (partial.known.size or 0) - partial.offset
            if partial.straight and missing >= LARGE and possible(response, missing):
                await self._read_straight(response)
            else:
                await self._read(response)
            await self.settle()
            if partial.known.size is not None and partial.offset < partial.known.size:
                raise cut_short(host_of(url), partial.offset, partial.known.size)

    async def _read(self, response: Any) -> None:
        partial = self.partial
        while chunk := await response.content.readany():
            rest = partial.take(chunk)
            self.count(len(chunk))
            while rest:
                await self._write()
                rest = partial.take_rest(rest)

    async def _read_straight(self, response: Any) -> None:
        partial = self.partial
        with Straight(response, self.blobs.session.timeout.sock_read, self.count) as stream:
            while not partial.complete:
                room = partial.room()
                if not room:
                    await self._write()
                    continue
                try:
                    await stream.fill(room)
                finally:
                    partial.took(room[: stream.filled])
                if stream.filled < len(room):
                    break

    async def _write(self) -> None:
        """Put on the disk what has come.

        A disk that takes it at once is written to from here: changing threads costs more than the writing. While it
        does not, a worker thread writes as the next block is read, and no more than that.
        """
        await self.settle()
        block = self.partial.handed_over()
        if self.progress.disk > SLOW:
            loop = asyncio.get_running_loop()
            self._writing = loop.run_in_executor(None, self._timed, self.partial.write, block)
        else:
            self._timed(self.partial.write, block)

    async def finish(self, overwrite: bool) -> str:
        """Verify and put in place: from here, or from a worker thread, as `_write` does."""
        block = self.partial.handed_over()
        if self.progress.disk > SLOW:
            return await in_thread(self._timed, self.partial.finish, block, overwrite)
        return self._timed(self.partial.finish, block, overwrite)

    def _timed(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        begin = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            self.progress.disk += (time.perf_counter() - begin - self.progress.disk) * RECENT

    async def settle(self) -> None:
        """Wait for the writing in progress."""
        writing, self._writing = self._writing, None
        if writing is None:
            return
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            # cancelled meanwhile: the thread still uses the file
            with suppress(Exception):
                await asyncio.wait([writing])
            raise


def _error(what: str, failure: Failure, partial: Partial, attempts: int) -> TransferError:
    if failure.kind == REFUSED and failure.status == 404:
        advice = (
            "The object store has no such file any more; refresh() the file and look at its upload_status."
        )
    elif failure.kind == REFUSED and failure.status in (400, 401, 403):
        advice = "A new URL was refused too. Nothing was put in place."
    elif isinstance(partial, InMemory):
        advice = "Ask again."
    elif partial.offset and partial.known.etag:
        advice = f"{partial.offset:,} bytes are kept beside it; download again to go on from there."
    else:
        advice = "Nothing was put in place; download again."
    return gave_up(what, failure, advice, attempts)
