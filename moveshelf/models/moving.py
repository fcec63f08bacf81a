"""The methods that move bytes, for the objects that have any: a thin layer over downloads.py and uploads.py."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import MoveshelfError, NotFoundError, ValidationError, fresh
from ..wire.codec import decode

if TYPE_CHECKING:
    from ..lazy.engine import Engine
    from ..transfer.result import Plan, TransferResult
    from ..wire.network import Blobs
    from .datafile import DataFile, OriginalFile


class Downloads:
    """What has files below it."""

    __slots__ = ()

    def download(
        self,
        to: str | os.PathLike[str],
        include: str | Iterable[str] | None = None,
        data_types: str | Iterable[str] | None = None,
        existing: str = "skip",
        dry_run: bool = False,
        jobs: int = 16,
        progress: bool | None = None,
    ) -> TransferResult | Plan:
        """Download every file below, into folder `to`, and return a result with one entry a file.

        Files lie below `to` on the path from here down: a session's at `condition/trial/file`. Names that would not
        be safe there are percent-encoded; of names that a file system takes for one, the later get a mark. Each file
        is verified by size and checksum and appears under its name whole, or not at all. An interrupted download goes
        on inside the file where it broke off when the same is called again.

        `include`: a pattern or several (`"*.c3d"`, `"Barefoot/*"`), whatever the case, of the name or of the path
        below `to`; `data_types`: "motion", "data", ...; `existing`: what to do where a file is there already: "skip",
        "overwrite", or "error" (TargetExistsError, before anything is downloaded). Only complete files are downloaded,
        others are entries with their status. `dry_run`: return the plan instead. `jobs`: files at once. `progress`:
        a bar or none; by itself only where somebody looks.

        Sends at once what is needed to list the files (many objects a request), then a request for every 64 signed
        addresses. A file that fails is in the result's `failed` and stops no other: `raise_for_errors()` raises.
        """
        from .downloads import download

        return download(self, to, include, data_types, existing, dry_run, jobs, progress)

    @classmethod
    def _download(cls, members: Any, to: Any, *options: Any) -> TransferResult | Plan:
        from .downloads import download

        return download(members, to, *options)


class Bytes:
    """What is a file: `DataFile`, and the file that a clip itself is."""

    __slots__ = ()

    @classmethod
    def _download(cls, members: Any, to: Any, *options: Any) -> TransferResult | Plan:
        from .downloads import download

        return download(members, to, *options)

    def download(
        self,
        to: str | os.PathLike[str],
        existing: str = "skip",
        dry_run: bool = False,
        progress: bool | None = None,
    ) -> TransferResult | Plan:
        """Download the file into folder `to`, under its own name, and return a result with the one entry.

        Verified, resumed and named as `download` on a clip does it. Two requests. Raises what kept it from arriving:
        TransferError, ChecksumError, NotFoundError.
        """
        from .downloads import download

        result = download(self, to, None, None, existing, dry_run, 1, progress)
        if not dry_run:
            result.raise_for_errors()  # type: ignore[union-attr]
        return result

    def read_bytes(self) -> bytes:
        """The whole content, verified by size and checksum. Two requests: for a signed address, and for the bytes.

        Raises TransferError where there are none (only complete files have any), ChecksumError, NotFoundError.
        """
        from ..transfer.download import read
        from .desk import FileDesk

        engine, identity, name = _file(self, "read_bytes()")
        desk = FileDesk(engine.wire)

        async def work() -> bytes:
            async def address(renew: bool) -> str:
                return _address(await desk.download_urls([identity]), name)

            return await read(await engine.wire.blob_session(), address, name, retry=engine.wire.retry)

        return engine.wire.run(work).result()

    def json(self) -> Any:
        """The content, parsed as JSON. Two requests, each time. Raises ValidationError where it is no JSON."""
        content = self.read_bytes()
        try:
            return decode(content.removeprefix(b"\xef\xbb\xbf"))
        except ValueError as error:
            raise ValidationError(f"{_file(self, 'json()')[2]!r} is not JSON: {error}") from None

    def open(self) -> io.BufferedReader:
        """A binary file object over the content: read only, seekable, fetching the parts that are read.

        numpy, zipfile or a C3D reader can use it as they use an open file, without the rest being downloaded. Sends
        nothing yet; a read sends what it needs. Bytes are not verified here: parts have no checksum of their own.
        """
        from ..transfer.ranges import open_ranges
        from .desk import FileDesk

        engine, identity, name = _file(self, "open()")
        desk = FileDesk(engine.wire)

        def address(renew: bool) -> str:
            return _address(engine.wire.run(desk.download_urls, [identity]).result(), name)

        return open_ranges(engine.wire, address, name, retry=engine.wire.retry)

    def matches(self, path: str | os.PathLike[str]) -> bool:
        """Whether the file at `path` has the same bytes, by size and the store's own checksum; nothing is downloaded.

        Two requests. Raises TransferError where the store tells no checksum, NotFoundError, FileNotFoundError.
        """
        from ..transfer.blob import StoreError, gave_up, head
        from ..transfer.source import FileSource
        from .desk import FileDesk

        engine, identity, name = _file(self, "matches()")
        source = FileSource(path)
        source.prepare()

        async def work() -> Any:
            url = _address(await FileDesk(engine.wire).download_urls([identity]), name)
            try:
                return await head(await engine.wire.blob_session(), url)
            except StoreError as broken:
                raise gave_up(f"{name!r} cannot be compared", broken.failure, "Try again.") from None

        found = engine.wire.run(work).result()
        if found.size is not None and found.size != source.size:
            return False
        if found.crc32c is None:
            raise MoveshelfError(f"the store tells no checksum of {name!r}: compare with read_bytes()")
        return bool(found.crc32c == source.crc32c)


def read_many(files: Sequence[DataFile | OriginalFile], jobs: int = 16) -> list[bytes | Exception]:
    """The contents of many files, beside each other: bytes, or why there are none, in their order.

    One request for every 64 signed addresses, and one a file for its bytes.
    """
    if not files:
        return []
    from asyncio import Semaphore, gather

    from ..transfer.download import read
    from ..transfer.receiver import SignedUrls
    from .desk import FileDesk

    named = [_file(one, "reading it") for one in files]
    wire = named[0][0].wire

    async def one(blobs: Blobs, slots: Semaphore, addresses: SignedUrls, number: int) -> bytes | Exception:
        async def address(renew: bool) -> str:
            return await addresses.get(number, renew)

        async with slots:
            try:
                return await read(blobs, address, named[number][2], retry=wire.retry)
            except Exception as error:
                return error

    async def work() -> list[bytes | Exception]:
        addresses = SignedUrls(FileDesk(wire).download_urls, [identity for _, identity, _ in named])
        blobs, slots = await wire.blob_session(), Semaphore(jobs)
        try:
            return list(await gather(*(one(blobs, slots, addresses, number) for number in range(len(named)))))
        finally:
            await addresses.close()

    return wire.run(work).result()


def _file(file: Any, what: str) -> tuple[Engine, str, str]:
    """Engine, id and name; an original's id is its clip's."""
    owner = getattr(file, "clip", None) if not hasattr(file, "_engine") else file
    engine: Engine = owner._require(what)  # type: ignore[union-attr]
    return engine, owner.id, file.name  # type: ignore[union-attr]


def _address(answers: Sequence[str | BaseException], name: str) -> str:
    (answer,) = answers
    if isinstance(answer, NotFoundError):
        raise NotFoundError(f"the service has no file {name!r} any more")
    if isinstance(answer, MoveshelfError):
        error = fresh(answer)
        error.message = f"{name!r}: {error.message}"
        raise error
    assert isinstance(answer, str)
    return answer
