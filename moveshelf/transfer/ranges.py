"""A file on the service as a Python file object: any part of it by range requests, without the rest."""

from __future__ import annotations

import asyncio
import io
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import ChecksumError, TransferError
from ..wire import RetryPolicy

if TYPE_CHECKING:
    from ..wire import Wire
    from ..wire.network import Blobs
    from .blob import Stored
    from .checksum import Crc32c

GetUrl = Callable[[bool], str]
"""`get_url(False)` is a signed URL, `get_url(True)` a new one. It may send a request."""

BLOCK = 1 << 18
"""Bytes of the smallest request: a header costs one."""
MOST = 1 << 22
"""Bytes of the largest: reading on from front to back gets ever larger blocks."""
KEPT = 16
"""Blocks of the smallest size that are kept for jumping back and forth."""


Ahead = Callable[[], bytes | str | None]
"""What is there already when the first byte is read: the whole content, verified, or a signed URL, or neither."""


def open_ranges(
    wire: Wire,
    get_url: GetUrl,
    name: str,
    *,
    retry: RetryPolicy | None = None,
    block: int = BLOCK,
    ahead: Ahead | None = None,
) -> io.BufferedReader:
    """A binary file object, read only and seekable, over the object behind the URL.

    Sends nothing yet: each read fetches what it needs, and reads ahead where it goes on from the last. An expired URL is
    renewed once. All parts are of one object, which the store vouches for by its checksum, size and entity tag; read from
    its first to its last byte, the content is compared with the checksum as well. What the store keeps packed, or does not
    send in parts, is read whole into memory at the first read, verified and unpacked.

    A read raises TransferError where the store fails, tells no checksum, or the object was replaced meanwhile; ChecksumError
    where all of it was read and is wrong.
    """
    raw = RangeFile(wire, get_url, name, retry or RetryPolicy(), block, ahead)
    return io.BufferedReader(raw, buffer_size=1 << 16)


class RangeFile(io.RawIOBase):
    """The unbuffered side of it."""

    def __init__(
        self,
        wire: Wire,
        get_url: GetUrl,
        name: str,
        retry: RetryPolicy,
        block: int,
        ahead: Ahead | None = None,
    ) -> None:
        super().__init__()
        self.name = name
        self._wire = wire
        self._get_url = get_url
        self._retry = retry
        self._block = block
        self._read_ahead = ahead
        self._url: str | None = None
        self._known: Stored | None = None
        self._whole: bytes | None = None
        self._crc: Crc32c | None = None
        self._checked = 0  # bytes from the first on that `_crc` has seen
        self._at = 0
        self._ahead = 1  # blocks of the next request
        self._expected = -1  # where a reader that goes on would come next
        self._blocks: OrderedDict[int, bytes] = OrderedDict()

    def __repr__(self) -> str:
        return f"<RangeFile {self.name!r}{' closed' if self.closed else ''}>"

    def __reduce__(self) -> Any:
        raise TypeError("an open file cannot be pickled or copied")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    @property
    def size(self) -> int:
        """Bytes of the whole. One request, where nothing was read yet."""
        found = self._size
        if found is None:
            self._fetch(0)
            found = self._size
        assert found is not None
        return found

    @property
    def _size(self) -> int | None:
        if self._whole is not None:
            return len(self._whole)
        return None if self._known is None else self._known.size

    def tell(self) -> int:
        self._check()
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._check()
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at}.get(whence)
        if base is None:
            if whence != io.SEEK_END:
                raise ValueError(f"whence is 0, 1 or 2, not {whence!r}")
            base = self.size
        if base + offset < 0:
            raise ValueError(f"there is nothing before the start of {self.name}")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        self._check()
        view = memoryview(buffer).cast("B")
        size = self._size
        if not len(view) or (size is not None and self._at >= size):
            return 0
        index, start = divmod(self._at, self._block)
        block = self._blocks.get(index)
        if block is None and self._whole is None:
            self._fetch(index, len(view))
            block = self._blocks.get(index, b"")
        if self._whole is not None:
            part = self._whole[self._at : self._at + len(view)]
        else:
            assert block is not None
            if index in self._blocks:
                self._blocks.move_to_end(index)
            part = block[start : start + len(view)]
        view[: len(part)] = part
        self._at += len(part)
        return len(part)

    def close(self) -> None:
        self._blocks.clear()
        self._whole = None
        super().close()

    def _check(self) -> None:
        if self.closed:
            raise ValueError(f"{self.name} is closed")

    def _fetch(self, index: int, wanted: int = 0) -> None:
        """Get the block of that number, and some after it."""
        self._wire.refuse_to_block(
            "a read of an open file waits for the store, and that",
            "await file.aread_bytes(), or asyncio.to_thread(...)",
        )
        ahead, self._read_ahead = self._read_ahead, None
        found = None if ahead is None else ahead()
        if isinstance(found, bytes):
            self._whole = found
            return
        self._url = found or self._url
        largest = max(MOST // self._block, 1)
        self._ahead = min(self._ahead * 2, largest) if index == self._expected else 1
        count = min(max(self._ahead, -(-wanted // self._block)), largest)
        start = index * self._block
        data = self._wire.run(self._load, start, count * self._block).result()
        if self._whole is not None:
            return
        self._compare(start, data)
        for number in range(count):
            part = data[number * self._block : (number + 1) * self._block]
            if part:
                self._blocks[index + number] = part
        self._expected = index + count
        while len(self._blocks) > KEPT + count:
            self._blocks.popitem(last=False)

    def _compare(self, start: int, data: bytes) -> None:
        """Compare the checksum once everything has been read in its order."""
        from .checksum import Crc32c

        end = start + len(data)
        if start <= self._checked < end:
            self._crc = self._crc or Crc32c()
            self._crc.update(data[self._checked - start :])
            self._checked = end
            known = self._known
            if known is not None and end == known.size and self._crc.base64() != known.crc32c:
                self._checked, self._crc = 0, None
                self._blocks.clear()
                raise ChecksumError(
                    f"{self.name}: the bytes that arrived do not have the store's CRC-32C {known.crc32c}: open it anew."
                )

    async def _load(self, start: int, count: int) -> bytes:
        from .blob import Attempts, StoreError, gave_up

        blobs = await self._wire.blob_session()
        attempts = Attempts(self._retry)
        while True:
            if self._url is None:
                # a request of its own, which this thread must not wait for
                loop = asyncio.get_running_loop()
                self._url = await loop.run_in_executor(None, self._get_url, attempts.renewed)
            try:
                return await self._part(blobs, self._url, start, count)
            except StoreError as error:
                if attempts.wants_new_url(error):
                    self._url = None
                    continue
                pause = attempts.pause(error)
                if pause is None:
                    raise gave_up(
                        f"{self.name} at byte {start:,}", error.failure, "", attempts.failures
                    ) from None
            await asyncio.sleep(pause)

    async def _part(self, blobs: Blobs, url: str, start: int, count: int) -> bytes:
        from .blob import EMPTY, Stored, content_range, cut_short, exchange, verifiable

        headers = {"Range": f"bytes={start}-{start + count - 1}"}
        if self._known is not None and self._known.etag:
            headers["If-Range"] = self._known.etag
        async with exchange(blobs, "GET", url, accept=(200, 206, 416), headers=headers) as response:
            if response.status == 416:
                size = content_range(response.headers.get("Content-Range"))[1]
                response.close()
                if self._known is None and size == 0:
                    self._known = Stored(0, EMPTY)
                if size is None or start < size or (self._known is not None and size != self._known.size):
                    raise TransferError(
                        f"{self.name}: the store has no byte {start:,} of it any more: open it anew."
                    )
                return b""
            known = await verifiable(blobs, url, response, self.name)
            if self._known is not None:
                same = (known.crc32c, known.size) == (self._known.crc32c, self._known.size)
                if not same or known.etag != self._known.etag:
                    response.close()
                    raise TransferError(
                        f"{self.name} was replaced on the service while it was read: open it anew."
                    )
            if response.status == 200 or not known.plain or known.size is None:
                response.close()
                if self._known is None:
                    await self._load_whole(blobs, url)
                    return b""
                raise TransferError(f"The store of {self.name} does not send parts any more: open it anew.")
            if content_range(response.headers.get("Content-Range"))[0] != start:
                response.close()
                raise TransferError(f"The store of {self.name} sent another part than was requested.")
            parts = []
            got = 0
            while got < count and (chunk := await response.content.readany()):
                parts.append(chunk)
                got += len(chunk)
            if not response.content.at_eof():
                response.close()
            wanted = min(count, known.size - start)
            if got < wanted:
                raise cut_short(response.url.host or "the object store", got, wanted)
            self._known = known
            return b"".join(parts)[:count]

    async def _load_whole(self, blobs: Blobs, url: str) -> None:
        from .download import read

        async def get_url(renew: bool) -> str:
            if renew:
                loop = asyncio.get_running_loop()
                self._url = await loop.run_in_executor(None, self._get_url, True)
            return self._url or url

        self._whole = await read(blobs, get_url, self.name, retry=self._retry)
