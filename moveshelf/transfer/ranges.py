"""A file on the service as a Python file object: any part of it by range requests, without the rest."""

from __future__ import annotations

import asyncio
import io
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import TransferError
from ..wire import RetryPolicy

if TYPE_CHECKING:
    from ..wire import Wire
    from ..wire.network import Blobs

Address = Callable[[bool], str]
"""`address(False)` is a signed URL, `address(True)` a new one. It may send a request."""

BLOCK = 1 << 18
"""Bytes of the smallest request: a header costs one."""
MOST = 1 << 22
"""Bytes of the largest: who reads on from front to back gets ever larger blocks."""
KEPT = 16
"""Blocks of the smallest size that are kept for who jumps back and forth."""


def open_ranges(
    wire: Wire, address: Address, name: str, *, retry: RetryPolicy | None = None, block: int = BLOCK
) -> io.BufferedReader:
    """A binary file object, read only and seekable, over the object behind the address.

    Sends nothing yet: each read fetches what it needs, and reads ahead where it goes on from the last. An expired
    URL is renewed once. A read raises TransferError where the store fails, or the object is another one meanwhile.
    """
    raw = RangeFile(wire, address, name, retry or RetryPolicy(), block)
    return io.BufferedReader(raw, buffer_size=1 << 16)


class RangeFile(io.RawIOBase):
    """The unbuffered side of it."""

    def __init__(self, wire: Wire, address: Address, name: str, retry: RetryPolicy, block: int) -> None:
        super().__init__()
        self.name = name
        self._wire = wire
        self._address = address
        self._retry = retry
        self._block = block
        self._url: str | None = None
        self._size: int | None = None
        self._etag: str | None = None
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
        if self._size is None:
            self._fetch(0)
        assert self._size is not None
        return self._size

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
        if not len(view) or (self._size is not None and self._at >= self._size):
            return 0
        index, start = divmod(self._at, self._block)
        block = self._blocks.get(index)
        if block is None:
            self._fetch(index, len(view))
            block = self._blocks.get(index, b"")
        else:
            self._blocks.move_to_end(index)
        part = block[start : start + len(view)]
        view[: len(part)] = part
        self._at += len(part)
        return len(part)

    def close(self) -> None:
        self._blocks.clear()
        super().close()

    def _check(self) -> None:
        if self.closed:
            raise ValueError(f"{self.name} is closed")

    def _fetch(self, index: int, wanted: int = 0) -> None:
        """Get the block of that number, and some after it."""
        largest = max(MOST // self._block, 1)
        self._ahead = min(self._ahead * 2, largest) if index == self._expected else 1
        count = min(max(self._ahead, -(-wanted // self._block)), largest)
        start = index * self._block
        data = self._wire.run(self._ask, start, count * self._block).result()
        for number in range(count):
            part = data[number * self._block : (number + 1) * self._block]
            if part:
                self._blocks[index + number] = part
        self._expected = index + count
        while len(self._blocks) > KEPT + count:
            self._blocks.popitem(last=False)

    async def _ask(self, start: int, count: int) -> bytes:
        from .blob import StoreError, gave_up

        blobs = await self._wire.blob_session()
        failures = 0
        renewed = False
        while True:
            if self._url is None:
                # a request of its own, which this thread must not wait for
                loop = asyncio.get_running_loop()
                self._url = await loop.run_in_executor(None, self._address, renewed)
            try:
                return await self._part(blobs, self._url, start, count)
            except StoreError as broken:
                if broken.stale and not renewed:
                    renewed = True
                    self._url = None
                    continue
                failures += 1
                pause = self._retry.pause(broken.failure, failures, mutation=False)
                if pause is None:
                    advice = "What was read before is right."
                    raise gave_up(
                        f"{self.name} at byte {start:,}", broken.failure, advice, failures
                    ) from None
            await asyncio.sleep(pause)

    async def _part(self, blobs: Blobs, url: str, start: int, count: int) -> bytes:
        from .blob import content_range, cut_short, exchange, stored

        headers = {"Range": f"bytes={start}-{start + count - 1}"}
        async with exchange(blobs, "GET", url, accept=(200, 206, 416), headers=headers) as response:
            if response.status == 416:
                self._size = content_range(response.headers.get("Content-Range"))[1] or 0
                response.close()
                return b""
            known = stored(response)
            if self._etag is not None and known.etag != self._etag:
                response.close()
                raise TransferError(
                    f"{self.name} was replaced on the service while it was read: open it anew."
                )
            if response.status == 200 and start:
                response.close()
                raise TransferError(f"The store of {self.name} does not send parts: download it instead.")
            if response.status == 206 and content_range(response.headers.get("Content-Range"))[0] != start:
                response.close()
                raise TransferError(f"The store of {self.name} sent another part than it was asked for.")
            self._size, self._etag = known.size, known.etag
            parts = []
            got = 0
            while got < count and (chunk := await response.content.readany()):
                parts.append(chunk)
                got += len(chunk)
            if not response.content.at_eof():
                response.close()
            wanted = count if self._size is None else min(count, self._size - start)
            if got < wanted:
                raise cut_short(response.url.host or "the object store", got, wanted)
            if self._size is None:  # an unpacked object: what came is all of it
                self._size = start + got
            return b"".join(parts)[:count]
