"""The sizes of files: the service does not list them, their store tells them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from ..operations.files import DataFiles, url_of
from ..transfer.blob import StoreError, gave_up, head
from ..transfer.run import JOBS
from ..values import UploadStatus


def sizes_of(files: Sequence[Any]) -> dict[str, int | None]:
    """Bytes by id of the files that are complete; None where the store does not tell a size.

    A request for the signed URLs, and one to the store for each file, sixteen at once. Raises TransferError where the store
    refuses, NotFoundError for a file that was deleted in between.
    """
    complete = [file for file in files if file.upload_status == UploadStatus.COMPLETE]
    if not complete:
        return {}
    service, _, _ = complete[0]._content("its size")
    ids = [file.id for file in complete]

    async def fetch() -> list[int | None]:
        urls = await DataFiles(service).download_urls(ids)
        blobs = await service.wire.blob_session()
        at_once = asyncio.Semaphore(JOBS)

        async def one(file: Any, url: Any) -> int | None:
            async with at_once:
                try:
                    found = await head(blobs, url_of([url], file.name))
                except StoreError as error:
                    failure = error.failure
                else:
                    # of what is stored packed, the size is known once it is unpacked
                    return found.size if found.plain else None
            raise gave_up(f"the size of {file.name!r} is not known", failure, "Try again.") from None

        return await asyncio.gather(*(one(*pair) for pair in zip(complete, urls, strict=True)))

    return dict(zip(ids, service.wire.run(fetch).result(), strict=True))
