"""What the objects with files below them share, and the files themselves: how their contents get to disk and memory."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from ..errors import ValidationError
from ..operations import downloads, files
from ..operations.downloads import LocatedFile, Parts
from ..wire.codec import decode

if TYPE_CHECKING:
    from ..operations.service import Service
    from ..transfer.result import Plan, TransferResult


class HasFiles:
    """An object, a condition or a collection with files below it."""

    __slots__ = ()

    def _download_service(self) -> Service:
        """The service that the files come from. Raises DetachedError for a copy."""
        raise NotImplementedError

    def _download_title(self) -> str:
        """What is downloaded, for people; never a request."""
        raise NotImplementedError

    def _located_files(self, above: Parts = ()) -> Iterator[LocatedFile]:
        """Every file below, with the folders `above` before its way. Loads what it needs, many objects to a request."""
        raise NotImplementedError

    def download(
        self,
        to: str | os.PathLike[str],
        include: str | Iterable[str] | None = None,
        data_types: str | Iterable[str] | None = None,
        existing: str = "skip",
        dry_run: bool = False,
        jobs: int = 16,
        progress: bool | None = None,
        exclude: str | Iterable[str] | None = None,
        layout: str | None = None,
    ) -> TransferResult | Plan:
        """Download every file below, into folder `to`, and return a result with one entry a file.

        Files lie below `to` on the path from here down: a session's at `condition/trial/file`. Names that would not
        be safe there are percent-encoded; of names that a file system takes for one, the later get a mark. Each file
        is verified by size and checksum and appears under its name whole, or not at all. An interrupted download goes
        on inside the file where it broke off when the same is called again.

        `include`: a pattern or several (`"*.c3d"`, `"Barefoot/*"`), whatever the case, of the name or of the path
        below `to`, `exclude` the same for what is left out (a pattern of `include` that no file fits is warned of);
        `data_types`: "motion", "data", ...; `existing`: what to do where a file is there already: "skip", "overwrite",
        "replace-different" (compare with the store's checksum, and replace what differs), or "error" (TargetExistsError,
        before anything is downloaded). `layout`: where files go, in place of the path from here down, such as
        `"sub-{subject}/ses-{date}/{condition}/{trial}_{file}"` (project, subject, session, date, condition, trial, file,
        type, id). Only complete files are downloaded,
        others are entries with their status. `dry_run`: return the plan instead. `jobs`: files at once. `progress`:
        a bar or none; None shows one where a terminal or a notebook is.

        Sends at once what is needed to list the files (many objects a request), then a request for every 64 signed
        URLs. A file that fails is in the result's `failed` and stops no other: `raise_for_errors()` raises.
        """
        return downloads.download(
            self._download_service(),
            self._located_files(),
            self._download_title(),
            to,
            include,
            data_types,
            existing,
            dry_run,
            jobs,
            progress,
            exclude,
            layout,
        )


class FileContent:
    """What is a file: `DataFile`, and the file that a clip itself is."""

    __slots__ = ()

    def _content(self, what: str) -> tuple[Service, str, str]:
        """The service, the id that the URL is requested by, and the file's name. Raises DetachedError for a copy."""
        raise NotImplementedError

    def _located(self, above: Parts = (), values: Mapping[str, str | None] | None = None) -> LocatedFile:
        """The file with the folders `above` before its name, and what a layout may name of it."""
        raise NotImplementedError

    def download(
        self,
        to: str | os.PathLike[str],
        existing: str = "skip",
        dry_run: bool = False,
        progress: bool | None = None,
    ) -> TransferResult | Plan:
        """Download the file into folder `to`, under its own name, and return a result with the one entry.

        Where `to` ends as the file's name does (`"walk.json"` for `event.json`), or is a file that is there, it is the file
        to write. Verified, resumed and named as `download` on a clip does it. Two requests. Raises what kept it from arriving:
        TransferError, ChecksumError, NotFoundError.
        """
        service, _, name = self._content("download()")
        located = self._located()
        folder, chosen = downloads.folder_and_name(to, name)
        if chosen is not None:
            key, _ = located.parts[-1]
            located = attrs.evolve(located, parts=((key, chosen),))
        result = downloads.download(
            service,
            [located],
            f"download of file {name!r}",
            folder,
            existing=existing,
            dry_run=dry_run,
            jobs=1,
            progress=progress,
        )
        if not dry_run:
            result.raise_for_errors()  # type: ignore[union-attr]
        return result

    def read_bytes(self) -> bytes:
        """The whole content, verified by size and checksum. Two requests: for a signed URL, and for the bytes.

        Raises TransferError where there are none (only complete files have any), ChecksumError, NotFoundError.
        """
        return files.read_one(*self._content("read_bytes()"))

    def json(self) -> Any:
        """The content, parsed as JSON. Two requests, each time. Raises ValidationError where it is no JSON."""
        content = self.read_bytes()
        try:
            return decode(content.removeprefix(b"\xef\xbb\xbf"))
        except ValueError as error:
            raise ValidationError(f"{self._content('json()')[2]!r} is not JSON: {error}") from None

    def open(self) -> io.BufferedReader:
        """A binary file object over the content: read only, seekable, fetching the parts that are read.

        numpy, zipfile or a C3D reader can use it as they use an open file, without the rest being downloaded. Sends
        nothing yet; a read sends what it needs. Bytes are not verified here: parts have no checksum of their own.
        """
        from ..transfer.ranges import open_ranges

        service, identity, name = self._content("open()")
        fetch = files.DataFiles(service).download_urls

        def url(renew: bool) -> str:
            return files.url_of(service.wire.run(fetch, [identity]).result(), name)

        return open_ranges(service.wire, url, name, retry=service.wire.retry)

    def matches(self, path: str | os.PathLike[str]) -> bool:
        """Whether the file at `path` has the same bytes, by size and the store's own checksum; nothing is downloaded.

        Two requests. Raises TransferError where the store tells no checksum, NotFoundError, FileNotFoundError.
        """
        return files.matches(*self._content("matches()"), path)
