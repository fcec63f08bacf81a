"""Files as transfers see the service: many created, looked at, deleted, or given URLs in one request; and read together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from ..errors import MoveshelfError, NotFoundError, TransferError, fresh
from ..lazy.registry import ENTITIES
from ..transfer.file_service import CreatedFile, FileSpec
from . import commands, queries
from .content_cache import read_through
from .queries import Part, Query
from .service import Outcome, Service
from .shapes import Shape
from .text import field_text, fields_text, fragment_text, operation_text

if TYPE_CHECKING:
    from ..transfer.source import Source

_URLS = Shape("uploadStatus", "originalDataDownloadUri")
_STATUS = Shape("uploadStatus")
FILES = Shape(additionalData=Shape("originalFileName", "uploadStatus"))


@attrs.frozen
class FileOnService:
    """A file of a clip as the service lists it now."""

    id: str
    name: str
    status: str | None


class DataFiles:
    """Files of clips: a `FileSpec.owner` is the clip's id."""

    def __init__(self, service: Service) -> None:
        self.service = service

    async def create(self, specs: list[FileSpec]) -> Sequence[CreatedFile | BaseException]:
        """Create them in one request, in order; an exception for each that was refused."""
        rows = [
            {
                "input": {
                    "clipId": spec.owner,
                    "dataType": spec.data_type,
                    "crc32c": spec.crc32c,
                    "filename": spec.name,
                    "clientId": str(number),
                }
            }
            for number, spec in enumerate(specs)
        ]
        outcomes = await self.service.run_many_async(commands.CREATE_FILE, rows)
        return [_created(one, "data") for one in outcomes]

    async def statuses(self, ids: list[str]) -> Sequence[str | BaseException | None]:
        """Upload statuses; None for what the service does not have."""
        found = await self._values("UploadStatuses", ids, _STATUS)
        return [
            None
            if isinstance(one, NotFoundError)
            else one
            if isinstance(one, Exception)
            else one.get("uploadStatus")
            for one in found
        ]

    async def delete(self, ids: list[str]) -> Sequence[BaseException | None]:
        """Delete files; an exception for each that was not deleted."""
        rows = [{"id": identity} for identity in ids]
        outcomes = await self.service.run_many_async(commands.DELETE_FILE, rows)
        return [_not_deleted(one) for one in outcomes]

    async def download_urls(self, ids: list[str]) -> Sequence[str | BaseException]:
        """Signed URLs of files, and of clips' own files."""
        return [_url(one) for one in await self._values("DownloadUrls", ids, _URLS)]

    async def named(self, owner: str, name: str) -> dict[str, str | None] | None:
        """The clip's files of that name as they are now, {id: status}; None where that cannot be told."""
        kind = ENTITIES["Clip"]
        query = queries.nodes(FILES.selection(kind), [owner], "FilesNow")
        (found,) = await self.service.values_async(query, kind, [owner])
        if isinstance(found, Exception):
            return None
        return {one.id: one.status for one in files_in(found) if one.name == name}

    async def _values(self, operation: str, ids: Sequence[str], shape: Shape) -> list[Any]:
        """The shape of each id, whether it is a file's or a clip's."""
        kinds = [ENTITIES["DataFile"], ENTITIES["Clip"]]
        fields = " ".join(fragment_text(kind.wire, fields_text(shape.selection(kind))) for kind in kinds)
        aliases = [field_text(f"n{n}", "node", [("id", f"id{n}")], f"id {fields}") for n in range(len(ids))]
        declared = [(f"id{n}", "ID!") for n in range(len(ids))]
        parts = tuple(Part(f"n{n}", shape.selection(kinds[0]), one) for n, one in enumerate(ids))
        query = Query(
            operation,
            operation_text("query", operation, declared, aliases),
            {f"id{n}": identity for n, identity in enumerate(ids)},
            parts,
        )
        return await self.service.values_async(query, kinds[0], ids)


class ClipFiles(DataFiles):
    """Clips that are a file of their own: a `FileSpec.owner` is the project, `FileSpec.extra` the clip's metadata."""

    async def create(self, specs: list[FileSpec]) -> Sequence[CreatedFile | BaseException]:
        """Create clips, in one request for each project among them, as the service has it."""
        by_project = {spec.owner: [one for one in specs if one.owner == spec.owner] for spec in specs}
        created: dict[int, CreatedFile | BaseException] = {}
        for project, group in by_project.items():
            clips = [
                {
                    "clientId": str(number),
                    "crc32c": spec.crc32c,
                    "filename": spec.name,
                    "metadata": spec.extra or {"title": spec.name},
                }
                for number, spec in enumerate(group)
            ]
            row = {"input": {"project": project, "clips": clips}}
            (outcome,) = await self.service.run_many_async(commands.CREATE_CLIPS, [row])
            for number, spec in enumerate(group):
                created[id(spec)] = clip_in(outcome, number)
        return [created[id(spec)] for spec in specs]

    async def delete(self, ids: list[str]) -> Sequence[BaseException | None]:
        """Delete clips; an exception for each that was not deleted."""
        rows = [{"clipId": identity} for identity in ids]
        outcomes = await self.service.run_many_async(commands.DELETE_CLIP, rows)
        return [_not_deleted(one) for one in outcomes]

    async def named(self, owner: str, name: str) -> dict[str, str | None] | None:
        """None: several clips may have one title."""
        return None


def files_in(node: Any) -> list[FileOnService]:
    """The files in a clip's dictionary of the shape FILES."""
    return [
        FileOnService(one["id"], one.get("originalFileName") or "", one.get("uploadStatus"))
        for one in node.get("additionalData") or ()
        if one
    ]


def files_now(service: Service, clips: Iterable[str]) -> dict[str, list[FileOnService] | Exception]:
    """The files of clips as the service has them now, many clips to a request. Nothing is kept."""
    kind = ENTITIES["Clip"]
    found = service.values(kind, list(clips), FILES.selection(kind))
    return {clip: one if isinstance(one, Exception) else files_in(one) for clip, one in found.items()}


def clip_in(outcome: Outcome, number: int) -> CreatedFile | Exception:
    """The clip that was created as number so and so of its request."""
    if isinstance(outcome, Exception):
        return fresh(outcome)
    for row in outcome["response"]:
        if row.get("clientId") == str(number) and row.get("mocapClip"):
            return CreatedFile(row["mocapClip"]["id"], row.get("uploadUrl") or "")
    return TransferError("the service responded without this clip")


def _created(outcome: Outcome, name: str) -> CreatedFile | Exception:
    if isinstance(outcome, Exception):
        return outcome
    if not outcome.get(name) or not outcome.get("uploadUrl"):
        return TransferError("the service responded without the file, or without a URL for its bytes")
    return CreatedFile(outcome[name]["id"], outcome["uploadUrl"])


def _not_deleted(outcome: Outcome) -> Exception | None:
    if isinstance(outcome, Exception):
        return outcome
    return None if outcome.get("ok") is not False else TransferError("the service did not delete it")


def _url(one: Any) -> str | Exception:
    if isinstance(one, NotFoundError):
        return NotFoundError("the service has no such file any more")
    if isinstance(one, Exception):
        return one
    url = one.get("originalDataDownloadUri")
    if not url:
        return TransferError(
            f"the service gives no URL for its bytes (its upload status is {one.get('uploadStatus')})"
        )
    return str(url)


def url_of(results: Sequence[str | BaseException], name: str) -> str:
    """The one URL of a look-up. Raises what the service said in its place, with the file's name."""
    (result,) = results
    if isinstance(result, NotFoundError):
        raise NotFoundError(f"the service has no file {name!r} any more")
    if isinstance(result, MoveshelfError):
        error = fresh(result)
        error.message = f"{name!r}: {error.message}"
        raise error
    if isinstance(result, BaseException):
        raise result
    return result


def read_one(service: Service, identity: str, name: str) -> bytes:
    """The whole content of a file, verified. Two requests."""
    return service.wire.run(content, service, identity, name).result()


async def content(service: Service, identity: str, name: str) -> bytes:
    """The same for coroutines on the I/O thread."""
    files = DataFiles(service)

    async def url(renew: bool) -> str:
        return url_of(await files.download_urls([identity]), name)

    blobs = await service.wire.blob_session()
    return await read_through(service.contents, identity, blobs, url, name, retry=service.wire.retry)


def matches(service: Service, identity: str, name: str, path: Any) -> bool:
    """Whether a local file has the bytes of a file on the service, by the store's checksum. Two requests."""
    from ..transfer import download
    from ..transfer.paths import local_path
    from ..transfer.source import FileSource

    source = FileSource(local_path(path))
    source.prepare()
    files = DataFiles(service)

    async def work() -> bool:
        async def url(renew: bool) -> str:
            return url_of(await files.download_urls([identity]), name)

        return await download.matches(
            await service.wire.blob_session(), url, source, name, retry=service.wire.retry
        )

    return service.wire.run(work).result()


_LOOKS = 3
"""How often a file is sent, and its status fetched, where the store does not say what it has stored."""


def put(service: Service, url: str, source: Source, identity: str | None = None) -> None:
    """PUT a file to its signed URL, in constant memory; again after failures that pass. Raises TransferError.

    Where the response has no checksum, one more request fetches the upload status of `identity`, the id that the service
    gave the file: what it does not list as complete, or in progress, was not stored.
    """
    from asyncio import sleep

    from ..transfer import upload

    files, retry = DataFiles(service), service.wire.retry

    async def work() -> None:
        blobs = await service.wire.blob_session()
        status: str | BaseException | None = None
        for attempt in range(1, _LOOKS + 1):
            if await upload.put(blobs, url, source, retry=retry):
                return
            if identity is None:
                break
            (status,) = await files.statuses([identity])
            if isinstance(status, BaseException):
                raise status
            if status in ("Complete", "Processing"):
                return
            await sleep(min(retry.first * 2**attempt, retry.cap))
        said = "" if identity is None else f", and the service lists it as {status or 'unknown'}"
        raise TransferError(
            f"{source.label}: all bytes were sent, the response had no checksum of what was stored{said}. That is not how "
            "the object store responds: a proxy on the way may have responded in its place."
        )

    service.wire.run(work).result()


def md5_of(service: Service, url: str) -> str:
    """The MD5 of what a signed URL holds, as hexadecimal digits, verified, in constant memory. Raises TransferError."""
    from ..transfer.download import md5_of_stored

    async def work() -> str:
        return await md5_of_stored(await service.wire.blob_session(), url, service.wire.retry)

    return service.wire.run(work).result()


__all__ = [
    "FILES",
    "ClipFiles",
    "DataFiles",
    "FileOnService",
    "clip_in",
    "content",
    "files_in",
    "files_now",
    "matches",
    "md5_of",
    "put",
    "read_one",
    "url_of",
]
