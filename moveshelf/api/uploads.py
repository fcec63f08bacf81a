"""The flat client's files: upload to a clip or as a clip, and the question whether a file is there
already."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from ..errors import TransferError, ValidationError
from .base import refusal
from .checks import check_id
from .failures import dressed
from .hashes import calculate_file_crc32c, calculate_file_md5, calculate_stream_md5, crc32c_func
from .kinds import with_timecode
from .reports import Reports

if TYPE_CHECKING:
    from ..wire import Wire

logger = logging.getLogger("moveshelf-api")

_CHUNK = 1 << 20
_LARGEST = 10 * 1024 * 1024
_BINARY = {"Content-Type": "application/octet-stream"}


class Uploads(Reports):
    """Files up, streamed and never repeated through the service: the mutation announces, a PUT carries the
    bytes."""

    #: `bytes -> int`, as scripts of the first version call it
    _crc32c = staticmethod(crc32c_func)

    def uploadFile(self, file_path: str, project: str, metadata: Any = None) -> str:
        """Upload a file as a clip of its own; the clip's id. `metadata` stays as it is; title is the file's
        name, and allowDownload and allowUnlistedAccess are False, unless it says otherwise.

        One request and one PUT, both in constant memory. Raises FileNotFoundError, and AssertionError for a
        malformed `startTimecode`, before them; TransferError where the PUT fails (the clip exists then,
        without its file).

        Objects: `ms.project(project).upload_clip(file_path)`
        """
        check_id(project, "project")
        file_path = os.fspath(file_path)
        name = os.path.basename(file_path)
        sent = with_timecode(metadata or {})
        sent.update(
            title=sent.get("title", name),
            allowDownload=sent.get("allowDownload", False),
            allowUnlistedAccess=sent.get("allowUnlistedAccess", False),
        )
        checksum = self._calculateCrc32c(file_path)
        logger.info("uploading %s", file_path)
        made = self._createClip(
            project, {"clientId": file_path, "crc32c": checksum, "filename": name, "metadata": sent}
        )
        clip_id: str = made["mocapClip"]["id"]
        self._put(made["uploadUrl"], file_path, f"clip {clip_id}")
        self._changed(clip_id)
        logger.info("uploaded %s as clip %s", file_path, clip_id)
        return clip_id

    def uploadAdditionalData(self, file_path: str, clipId: str, dataType: str, filename: str) -> str:
        """Upload a file to a clip, under the name `filename`; the new file's id. `dataType` is video,
        motion, doc, data, img, camera, event or raw.

        One request and one PUT, both in constant memory. Raises FileNotFoundError before them; TransferError
        where the PUT fails (the file is listed then, without its bytes).

        Objects: `ms.clip(clipId).upload(file_path, name=filename, data_type=dataType)`
        """
        check_id(clipId, "clip")
        file_path = os.fspath(file_path)
        checksum = self._calculateCrc32c(file_path)
        logger.info("uploading %s", file_path)
        made = self._createAdditionalData(
            clipId, {"clientId": file_path, "crc32c": checksum, "filename": filename, "dataType": dataType}
        )
        file_id: str = made["data"]["id"]
        self._put(made["uploadUrl"], file_path, f"file {file_id}")
        self._changed(clipId, "files")
        logger.info("uploaded %s as file %s", file_path, file_id)
        return file_id

    def isCurrentVersionUploaded(self, file_path: str, clip_id: str) -> bool:
        """Whether the clip has a file of this name with these very bytes (by MD5, of what is downloaded for
        it).

        One request and one GET. Raises FileNotFoundError, and ValueError above 10 MiB, before them;
        ValueError where the file of that name cannot be downloaded (it is not complete); TransferError where
        the GET fails.

        Objects: `ms.clip(clip_id).files[name].matches(file_path)`
        """
        check_id(clip_id, "clip")
        if not os.path.exists(file_path):
            raise FileNotFoundError(f"no file {os.fspath(file_path)!r}")
        size = os.path.getsize(file_path)
        if size > _LARGEST:
            raise ValidationError(
                f"{os.fspath(file_path)!r} has {size} bytes; above 10 MiB this is not asked"
            )
        name = os.path.basename(file_path)
        stored = next(
            (one for one in self.getAdditionalData(clip_id) if one["originalFileName"] == name), None
        )
        if not stored:
            return False
        url = stored.get("originalDataDownloadUri")
        if not url:
            raise ValidationError(f"the file {name!r} of clip {clip_id!r} has no address to download it from")
        return calculate_file_md5(file_path) == self._md5_at(url)

    def _calculateCrc32c(self, file_path: str) -> str:
        """The CRC-32C of a file as base64 text of its four big-endian bytes."""
        return calculate_file_crc32c(file_path)

    # --------------------------------------------------------------------------------------------------------
    def _put(self, url: str, path: str, what: str) -> None:
        """PUT a file to its signed address. The key does not go there."""
        try:
            if self._http is not None:
                self._put_through_http(url, path, what)
            else:
                wire = self._connection().wire
                wire.run(_put, wire, url, path, what).result()
        except TransferError as error:
            raise dressed(error) from None

    def _put_through_http(self, url: str, path: str, what: str) -> None:
        size = os.path.getsize(path)
        with open(path, "rb") as stream:
            # whole where it is small: a script's own `http` may not know how to send a file
            body: Any = stream.read() if size <= _CHUNK else stream
            headers = {**_BINARY, "Content-Length": str(size)}
            response = self._http.request("PUT", url, body=body, headers=headers)
        if response.status >= 400:
            raise TransferError(refusal(f"the upload of {what}", response).message, status=response.status)

    def _md5_at(self, url: str) -> str:
        """The MD5 of what a signed address holds, in constant memory."""
        try:
            if self._http is None:
                wire = self._connection().wire
                return wire.run(_md5, wire, url).result()
            response = self._http.request("GET", url, preload_content=False)
            try:
                if response.status >= 400:
                    raise TransferError(
                        f"the download failed with status {response.status}: {response.reason}",
                        status=response.status,
                    )
                return calculate_stream_md5(response)
            finally:
                response.release_conn()
        except TransferError as error:
            raise dressed(error) from None


# on the I/O thread ------------------------------------------------------------------------------------------
async def _put(wire: Wire, url: str, path: str, what: str) -> None:
    from aiohttp import ClientError

    blobs = await wire.blob_session()
    for attempt in range(1, wire.retry.attempts + 1):
        size = os.path.getsize(path)
        status: int | None = None
        reason = "the connection was lost"
        headers = {**_BINARY, "Content-Length": str(size)}
        try:
            async with blobs.put(url, data=_read(path), headers=headers) as response:
                status, reason = response.status, response.reason or ""
                if status < 400:
                    return
                reason = f"{reason} {(await response.text())[:500]}".strip()
        except (ClientError, asyncio.TimeoutError, OSError) as error:
            if isinstance(error, FileNotFoundError):
                raise
        if attempt == wire.retry.attempts or (
            status is not None and status < 500 and status not in (408, 429)
        ):
            break
        await asyncio.sleep(min(wire.retry.first * 2 ** (attempt - 1), wire.retry.cap))
    told = f"status {status}: {reason}" if status is not None else reason
    raise TransferError(
        f"the upload of {what} failed with {told}. It is listed on the service, without its bytes; "
        "upload it again, and delete this one",
        status=status,
    )


async def _read(path: str) -> AsyncIterator[bytes]:
    """A file's bytes, read on threads so that the loop goes on."""
    with open(path, "rb", buffering=0) as stream:
        while chunk := await asyncio.to_thread(stream.read, _CHUNK):
            yield chunk


async def _md5(wire: Wire, url: str) -> str:
    from aiohttp import ClientError

    blobs = await wire.blob_session()
    md5 = hashlib.md5(usedforsecurity=False)
    try:
        async with blobs.get(url) as response:
            if response.status >= 400:
                raise TransferError(
                    f"the download failed with status {response.status}: {response.reason}",
                    status=response.status,
                )
            async for chunk in response.content.iter_chunked(1 << 16):
                md5.update(chunk)
    except (ClientError, asyncio.TimeoutError) as error:
        raise TransferError(f"the download broke off ({type(error).__name__})") from None
    return md5.hexdigest()
