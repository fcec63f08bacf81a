"""The flat client's bytes, on the I/O thread: coroutines for `Wire.run`. Imported with the first of them."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

from ..transfer import upload
from ..transfer.blob import StoreError, exchange, gave_up

if TYPE_CHECKING:
    from ..transfer.source import Source
    from ..wire import Wire


async def put(wire: Wire, url: str, source: Source) -> None:
    """PUT a file to its signed address, in constant memory; again after failures that pass."""
    await upload.put(await wire.blob_session(), url, source, retry=wire.retry)


async def md5(wire: Wire, url: str) -> str:
    """The MD5 of what a signed address holds, in constant memory. Raises TransferError."""
    blobs = await wire.blob_session()
    attempt = 0
    while True:
        attempt += 1
        found = hashlib.md5(usedforsecurity=False)
        try:
            async with exchange(blobs, "GET", url) as response:
                async for chunk in response.content.iter_chunked(1 << 16):
                    found.update(chunk)
            return found.hexdigest()
        except StoreError as broken:
            pause = wire.retry.pause(broken.failure, attempt, mutation=False)
            if pause is None:
                raise gave_up(
                    "the stored file was not compared", broken.failure, "Try again.", attempt
                ) from None
        await asyncio.sleep(pause)
