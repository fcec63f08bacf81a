"""One file from the object store: continued where it broke off, verified, then put in place.

Nothing counts as done that is not verified: the store's CRC-32C of the bytes as they are stored has to fit what came. A
response without one is compared with what the store says over a new connection, and is an error where it says nothing.
Where the store keeps a file packed (gzip), the packed bytes are verified and then unpacked: what comes back, or lies on
the disk, is the content as it was uploaded.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from ..errors import ChecksumError, MoveshelfError, TargetExistsError, TransferError
from ..wire.retry import LOST, REFUSED, Failure, RetryPolicy
from .blob import (
    Attempts,
    P,
    Progress,
    StoreError,
    T,
    content_range,
    cut_short,
    exchange,
    gave_up,
    head,
    host_of,
    in_thread,
    in_thread_to_end,
    verifiable,
)
from .partial import (
    DigestSink,
    Finished,
    Leftovers,
    MemorySink,
    PartFile,
    PartLostError,
    Sink,
    same_content,
)
from .paths import refuse_links

if TYPE_CHECKING:
    from ..wire.network import Blobs
    from .source import Source

GetUrl = Callable[[bool], Awaitable[str]]
"""`await get_url(False)` is a signed URL, `await get_url(True)` a new one: the last was refused."""

READ_AHEAD = 1 << 17
"""Bytes after which aiohttp stops reading from the socket (it takes twice as much)."""
SLOW = 0.0005
"""Seconds that the disk may take, in the mean, for a block or a small file while the other transfers wait for it."""
RECENT = 0.2
"""The share of the newest in that mean."""
WRONG = 3
"""How often bytes may arrive whole and wrong before that is an error."""


@attrs.frozen
class Fetched:
    """`size` bytes are in place; `resumed` of them were there from an earlier run; `crc32c` is theirs, computed.

    `there`: another program has put the same bytes in place first, or they were there before, and nothing was written.
    """

    size: int
    crc32c: str
    resumed: int = 0
    there: bool = False


@attrs.frozen
class Content:
    """What the store has: bytes of the content, and their CRC-32C."""

    size: int
    crc32c: str


async def fetch(
    blobs: Blobs,
    get_url: GetUrl,
    target: Path,
    *,
    key: str,
    root: Path | None = None,
    overwrite: bool = False,
    compare: bool = False,
    retry: RetryPolicy | None = None,
    progress: Progress | None = None,
    leftovers: Leftovers | None = None,
    arrived: Callable[[], None] | None = None,
) -> Fetched:
    """Download to `target`; `key` is the id of what is downloaded, so that only its own beginning is continued.

    Dropped connections, responses cut short and 5xx are repeated with growing pauses, from the byte that was reached; as
    long as bytes arrive, no end of them counts. A refused URL is renewed once each time. `target` appears whole and
    verified, or not at all: size and CRC-32C are compared with the store's, on the disk, before it gets its name. What is
    written is the content as it was uploaded: bytes that the store keeps packed are verified packed, then unpacked.

    Where `target` exists already, and `overwrite` is false, it is compared with what the store has: the same bytes give
    `there`, others TargetExistsError. `compare` compares first also where `overwrite` allows to replace it. Between `root`
    and `target` no folder may be a link. Raises TransferError where the file cannot be had or verified (ChecksumError where
    bytes are wrong again and again).
    """
    if root is not None:
        refuse_links(root, target.parent)
    if (compare or not overwrite) and os.path.lexists(target):
        found = await content_of(blobs, get_url, target.name, retry=retry)
        if await in_thread(same_content, target, found.size, found.crc32c):
            return Fetched(found.size, found.crc32c, there=True)
        if not overwrite:
            raise TargetExistsError(
                f"{target} exists already, with other content; it was left as it is (existing='overwrite' replaces it)."
            )
    sink = PartFile(target, key, root=root, leftovers=leftovers)
    done, resumed = await _fetch(blobs, get_url, sink, overwrite, retry, progress, arrived)
    return Fetched(done.size, done.crc32c, resumed, done.there)


async def read(
    blobs: Blobs,
    get_url: GetUrl,
    name: str,
    *,
    retry: RetryPolicy | None = None,
    progress: Progress | None = None,
) -> bytes:
    """The content itself, in memory; repeated and verified as by `fetch`, and unpacked where the store keeps it packed.

    Raises TransferError, and ChecksumError where bytes are wrong again and again.
    """
    sink = MemorySink(name)
    await _fetch(blobs, get_url, sink, True, retry, progress)
    return sink.data


async def md5_of_stored(
    blobs: Blobs, url: str, retry: RetryPolicy | None = None, *, name: str = "the stored file"
) -> str:
    """The MD5 of the content behind a signed URL, as hexadecimal digits; in constant memory, verified by size and CRC-32C.

    Raises TransferError, and ChecksumError where bytes are wrong again and again.
    """

    async def get_url(renew: bool) -> str:
        return url

    sink = DigestSink(name)
    await _fetch(blobs, get_url, sink, True, retry, None)
    return sink.md5


async def content_of(
    blobs: Blobs, get_url: GetUrl, name: str, *, retry: RetryPolicy | None = None
) -> Content:
    """Size and CRC-32C of the content that the store has. One HEAD; where the store keeps it packed, a GET of all of it.

    Raises TransferError where the store tells no checksum, or cannot be reached.
    """
    retry = retry or RetryPolicy()
    attempts = Attempts(retry)
    url = await get_url(False)
    while True:
        try:
            found = await head(blobs, url)
            break
        except StoreError as error:
            if attempts.wants_new_url(error):
                url = await get_url(True)
                continue
            pause = attempts.pause(error)
            if pause is None:
                raise gave_up(
                    f"{name} cannot be compared", error.failure, "Try again.", attempts.failures
                ) from None
        await asyncio.sleep(pause)
    if found.plain and found.crc32c is not None and found.size is not None:
        return Content(found.size, found.crc32c)
    sink = DigestSink(name)
    done, _ = await _fetch(blobs, get_url, sink, True, retry, None)
    return Content(done.size, done.crc32c)


async def matches(
    blobs: Blobs, get_url: GetUrl, source: Source, name: str, *, retry: RetryPolicy | None = None
) -> bool:
    """Whether the store has the bytes of a prepared source, by size and CRC-32C. Raises TransferError as `content_of`."""
    found = await content_of(blobs, get_url, name, retry=retry)
    return found.size == source.size and found.crc32c == source.crc32c


async def _fetch(
    blobs: Blobs,
    get_url: GetUrl,
    sink: Sink,
    overwrite: bool,
    retry: RetryPolicy | None,
    progress: Progress | None,
    arrived: Callable[[], None] | None = None,
) -> tuple[Finished, int]:
    attempts = Attempts(retry or RetryPolicy())
    run = _Run(blobs, sink, progress or Progress())
    try:
        if sink.begun():
            await in_thread_to_end(sink.resume)
        resumed = sink.offset
        run.count(resumed)
        url = await get_url(False)
        wrong = 0
        while True:
            before = sink.offset
            try:
                if not sink.complete or sink.known.crc32c is None:
                    await run.attempt(url)
                if arrived is not None:
                    arrived()
                    for _ in range(3):  # the next file's request goes out before this one goes to the disk
                        await asyncio.sleep(0)
                return await run.finish(overwrite), min(resumed, sink.offset)
            except (ChecksumError, PartLostError):
                wrong += 1
                resumed = 0
                await run.restart()
                if wrong >= WRONG:
                    raise
                pause = 0.0
            except StoreError as error:
                if sink.offset > before:
                    attempts.progressed()
                if attempts.wants_new_url(error):
                    url = await get_url(True)
                    continue
                wait = attempts.pause(error)
                if wait is None:
                    raise _error(sink, error.failure, attempts.failures) from None
                pause = wait
            await asyncio.sleep(pause)
    except TargetExistsError:
        await run.restart()
        raise
    except OSError as error:
        if isinstance(error, MoveshelfError):  # several of ours are OSErrors too
            raise
        raise TransferError(f"{sink.name} cannot be written: {error.strerror or error}.") from None
    finally:
        run.end()
        await run.settle()
        if sink.unfinished:
            await in_thread_to_end(sink.leave)


class _Run:
    """The attempts of one download."""

    def __init__(self, blobs: Blobs, sink: Sink, progress: Progress) -> None:
        self.blobs = blobs
        self.sink = sink
        self.progress = progress
        self._expected = 0
        self._is_sized = False
        self._counted = 0
        self._packed = False  # the store keeps the file packed, and is to send it so
        self._writing: asyncio.Future[None] | None = None

    def count(self, size: int) -> None:
        self._counted += size
        self.progress.bytes += size

    def expect(self, size: int | None) -> None:
        if size is not None and not self._is_sized:
            self._is_sized = True
            self.progress.sized += 1
        if size is not None and size != self._expected:
            self.progress.expected += size - self._expected
            self._expected = size

    def end(self) -> None:
        """A file that failed has moved nothing, so that the sums of a run add up."""
        if self._counted != self._expected and self._expected:
            self.progress.expected -= self._expected - self._counted

    async def restart(self) -> None:
        """Begin at the first byte."""
        await self.settle()
        await in_thread_to_end(self.sink.discard)
        self.count(-self._counted)

    async def attempt(self, url: str) -> None:
        """One request, from the byte that is missing to the end. Raises StoreError."""
        if await self._attempt(url):
            return
        # the store unpacks it, so that no checksum is of what comes: as it is stored, please
        self._packed = True
        await self._attempt(url)

    async def _attempt(self, url: str) -> bool:
        """False where the bytes have to be requested as they are stored."""
        sink = self.sink
        encoding = "gzip" if self._packed else "identity"
        headers = {"Accept-Encoding": encoding}
        if sink.offset and sink.resumable:
            # the store sends all of it where the object is another one now
            headers |= {"Range": f"bytes={sink.offset}-", "If-Range": str(sink.known.etag)}
        elif sink.offset:
            await self.restart()
        async with exchange(
            self.blobs, "GET", url, accept=(200, 206, 416), headers=headers, read_bufsize=READ_AHEAD
        ) as response:
            if response.status == 416:
                response.close()
                await self.restart()
                raise StoreError(Failure(LOST, f"{host_of(url)} has fewer bytes than were there before"))
            known = await verifiable(self.blobs, url, response, sink.name, encoding=encoding)
            if known.unpacked:
                response.close()
                if self._packed:
                    raise TransferError(
                        f"{sink.name}: {host_of(url)} unpacks it on the way, so that nothing says whether the bytes that "
                        "come are right. Nothing was kept."
                    )
                await self.restart()
                return False
            if response.status == 206:
                first, size = content_range(response.headers.get("Content-Range"))
                if (
                    first != sink.offset
                    or "Range" not in headers
                    or size not in (sink.known.size, None)
                    or known.crc32c != sink.known.crc32c
                ):
                    response.close()
                    await self.restart()
                    raise StoreError(Failure(LOST, f"{host_of(url)} sent another part than was requested"))
            else:
                if sink.offset or sink.known.etag:
                    await self.restart()
                sink.begin(known)
            self.expect(sink.known.size)
            await self._read(response)
            await self.settle()
            if sink.known.size is not None and sink.offset < sink.known.size:
                raise cut_short(host_of(url), sink.offset, sink.known.size)
        return True

    async def _read(self, response: Any) -> None:
        sink = self.sink
        while chunk := await response.content.readany():
            rest = sink.take(chunk)
            self.count(len(chunk))
            while rest:
                await self._write()
                rest = sink.take_rest(rest)

    async def _write(self) -> None:
        """Put on the disk what has come.

        A disk that takes it at once is written to from here: changing threads costs more than the writing. While it
        does not, a worker thread writes as the next block is read, and no more than that.
        """
        await self.settle()
        block = self.sink.handed_over()
        if self.progress.disk > SLOW:
            loop = asyncio.get_running_loop()
            self._writing = loop.run_in_executor(None, self._timed, self.sink.write, block)
        else:
            self._timed(self.sink.write, block)

    async def finish(self, overwrite: bool) -> Finished:
        """Verify and put in place: from here, or from a worker thread, as `_write` does.

        A large file is read once more: always on a worker thread.
        """
        block = self.sink.handed_over()
        if self.progress.disk > SLOW or self.sink.offset > READ_AHEAD * 8:
            return await in_thread_to_end(self._timed, self.sink.finish, block, overwrite)
        return self._timed(self.sink.finish, block, overwrite)

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


def _error(sink: Sink, failure: Failure, attempts: int) -> TransferError:
    if failure.kind == REFUSED and failure.status == 404:
        advice = (
            "The object store has no such file any more; refresh() the file and look at its upload_status."
        )
    elif failure.kind == REFUSED and failure.status in (400, 401, 403):
        advice = "A new URL was refused too. Nothing was put in place."
    elif not isinstance(sink, PartFile):
        advice = "Try again."
    elif sink.offset and sink.resumable:
        advice = f"{sink.offset:,} bytes are kept beside it; download again to go on from there."
    else:
        advice = "Nothing was put in place; download again."
    return gave_up(sink.name, failure, advice, attempts)
