"""The flat client's files: upload to a clip or as a clip, and the question whether a file is there
already."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

from ..errors import TransferError, ValidationError
from .base import refusal
from .checks import check_id
from .failures import dressed
from .hashes import calculate_file_crc32c, calculate_file_md5, calculate_stream_md5, crc32c_func
from .kinds import with_timecode
from .reports import Reports

if TYPE_CHECKING:
    from ..transfer.source import Source

logger = logging.getLogger("moveshelf-api")

_SMALL = 1 << 20
_LARGEST = 10 * 1024 * 1024


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
        source, checksum = self._prepared(file_path)
        logger.info("uploading %s", file_path)
        made = self._createClip(
            project, {"clientId": file_path, "crc32c": checksum, "filename": name, "metadata": sent}
        )
        clip_id: str = made["mocapClip"]["id"]
        self._put(made["uploadUrl"], source, f"clip {clip_id}")
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
        source, checksum = self._prepared(file_path)
        logger.info("uploading %s", file_path)
        made = self._createAdditionalData(
            clipId, {"clientId": file_path, "crc32c": checksum, "filename": filename, "dataType": dataType}
        )
        file_id: str = made["data"]["id"]
        self._put(made["uploadUrl"], source, f"file {file_id}")
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
    def _prepared(self, path: str) -> tuple[Source, str]:
        """A file that was read once for its checksum, and the checksum that the service is told."""
        from ..transfer.source import FileSource

        source = FileSource(path)
        source.prepare()
        own = type(self)._calculateCrc32c is Uploads._calculateCrc32c
        return source, source.crc32c if own else self._calculateCrc32c(path)

    def _put(self, url: str, source: Source, what: str) -> None:
        """PUT a file to its signed address. The key does not go there."""
        try:
            if self._http is not None:
                self._put_through_http(url, source)
            else:
                from .blobs import put

                wire = self._connection().wire
                wire.run(put, wire, url, source).result()
        except TransferError as error:
            error.message += (
                f" The {what} exists on the service, without its bytes: delete it, or leave it be."
            )
            raise dressed(error) from None

    def _put_through_http(self, url: str, source: Source) -> None:
        with open(source.label, "rb") as stream:
            # whole where it is small: a script's own `http` may not know how to send a file
            body: Any = stream.read() if source.size <= _SMALL else stream
            headers = {"Content-Type": "application/octet-stream", "Content-Length": str(source.size)}
            response = self._http.request("PUT", url, body=body, headers=headers)
        if response.status >= 400:
            raise TransferError(refusal("the upload", response).message, status=response.status)

    def _md5_at(self, url: str) -> str:
        """The MD5 of what a signed address holds, in constant memory."""
        try:
            if self._http is None:
                from .blobs import md5

                wire = self._connection().wire
                return wire.run(md5, wire, url).result()
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
