"""What the objects with files below them share, and the files themselves: how their contents get to disk and memory."""

from __future__ import annotations

import io
import os
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, overload

import attrs

from ..errors import ValidationError
from ..gait.extra import numeric
from ..wire import aio
from ..wire.codec import decode
from .twins import twin

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from ..gait.c3d import C3D
    from ..lazy.entity import Entity
    from ..lazy.peers import Peers
    from ..operations import contents
    from ..operations.downloads import Existing, LocatedFile, Parts
    from ..operations.executors import Carry
    from ..operations.service import Service
    from ..transfer.result import Plan, TransferResult
    from . import derived
    from .datafile import DataFile, OriginalFile


#: Bytes of JSON that are parsed in the caller's event loop: a small part of a millisecond.
_AT_ONCE = 1 << 16


def _parsed(content: bytes, name: str) -> Any:
    if not content:
        raise ValidationError(f"{name!r} is not JSON: the file is empty (0 bytes)")
    try:
        return decode(content.removeprefix(b"\xef\xbb\xbf"))
    except ValueError as error:
        raise ValidationError(f"{name!r} is not JSON: {error}") from None


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

    def _derived_files(self) -> derived.DerivedFiles:
        """The files that curves and tables are read from."""
        from . import derived

        return derived.DerivedFiles(self)

    @overload
    def download(
        self,
        to: str | os.PathLike[str],
        include: str | Iterable[str] | None = None,
        data_types: str | Iterable[str] | None = None,
        existing: Existing = "skip",
        dry_run: Literal[False] = False,
        jobs: int = 16,
        progress: bool | None = None,
        exclude: str | Iterable[str] | None = None,
        layout: str | None = None,
        *,
        executor: Executor | None = None,
    ) -> TransferResult: ...
    @overload
    def download(
        self,
        to: str | os.PathLike[str],
        include: str | Iterable[str] | None = None,
        data_types: str | Iterable[str] | None = None,
        existing: Existing = "skip",
        *,
        dry_run: Literal[True],
        jobs: int = 16,
        progress: bool | None = None,
        exclude: str | Iterable[str] | None = None,
        layout: str | None = None,
        executor: Executor | None = None,
    ) -> Plan: ...
    @overload
    def download(
        self,
        to: str | os.PathLike[str],
        include: str | Iterable[str] | None = None,
        data_types: str | Iterable[str] | None = None,
        existing: Existing = "skip",
        dry_run: bool = False,
        jobs: int = 16,
        progress: bool | None = None,
        exclude: str | Iterable[str] | None = None,
        layout: str | None = None,
        *,
        executor: Executor | None = None,
    ) -> TransferResult | Plan: ...
    def download(
        self,
        to: str | os.PathLike[str],
        include: str | Iterable[str] | None = None,
        data_types: str | Iterable[str] | None = None,
        existing: Existing = "skip",
        dry_run: bool = False,
        jobs: int = 16,
        progress: bool | None = None,
        exclude: str | Iterable[str] | None = None,
        layout: str | None = None,
        *,
        executor: Executor | None = None,
    ) -> TransferResult | Plan:
        """Download every file below, into folder `to`, and return a result with one entry a file.

        Files lie below `to` on the path from here down: a session's at `condition/trial/file`, those of a collection on the
        path from its owner down (`session/condition/trial/file` of `subject.sessions`), those of a collection without an
        owner (a slice, what was found) at `subject/session/condition/trial/file`. Names that would not be safe there are
        percent-encoded; of names that a file system takes for one, the later get a mark. Each file is verified by size and
        checksum and appears under its name whole, or not at all. An interrupted download goes on inside the file where it
        broke off when the same is called again.

        `include`: a pattern or several (`"*.c3d"`, `"Barefoot/*"`), whatever the case, of the name or of the path
        below `to`, `exclude` the same for what is left out (a pattern of `include` that no file fits is warned of);
        `data_types`: "motion", "data", ...; `existing`: what to do where a file is there already: "skip", "overwrite",
        "replace-different" (compare with the store's checksum, and replace what differs), or "error" (TargetExistsError,
        before anything is downloaded). `layout`: where files go, in place of the path from here down, such as
        `"sub-{subject}/ses-{date}/{condition}/{trial}_{file}"` (project, subject, session, date, condition, trial, file,
        type, id). Only complete files are downloaded,
        others are entries with their status. `dry_run`: return the plan instead. `jobs`: files at once. `progress`:
        a bar or none; None shows one where a terminal or a notebook is. `executor`: a `concurrent.futures.Executor` whose
        workers download, 64 files at a time, to the same path `to` on a disk that they share; without a bar; see `read`.

        Sends at once what is needed to list the files (many objects a request), then a request for every 64 signed
        URLs. A file that fails is in the result's `failed` and stops no other: `raise_for_errors()` raises.
        """
        from ..operations import downloads

        service = self._download_service()
        service.refuse_to_block("download() waits for its files, and that", "await its twin adownload(...)")
        return downloads.download(
            service,
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
            self._runner(executor),
        )

    def _runner(self, executor: Executor | None) -> Carry | None:
        """What has parts carried out by an executor; None without one."""
        if executor is None:
            return None
        from ..operations import executors
        from . import workers

        run = workers.runner(executor, self._download_service())
        return lambda parts, ahead: executors.results(executor, run, parts, ahead)

    def read(
        self,
        include: str | Iterable[str] | None = None,
        *,
        jobs: int = 16,
        errors: str = "raise",
        executor: Executor | None = None,
    ) -> Iterator[tuple[DataFile | OriginalFile, bytes]]:
        """The contents of every file below, as an iterator of (file, bytes), in order; verified, in memory only.

        `include`: a pattern or several, as in `download`. `jobs`: files at once. `errors`: what to do where a file cannot
        be had: "raise" its error when its turn comes, or "warn" and go on with the next. Files whose upload is not
        complete have no contents: they are left out with a warning, as a pattern is warned of that no file fits.

        `executor`: a `concurrent.futures.Executor` whose workers fetch the contents, eight files at a time, and send them
        here. Workers in other processes or on other computers (a process pool, Dask's `client.get_executor()`) use a key of
        their own, which `connect()` without arguments finds there: they get addresses and ids, never a key. Raises
        ConfigError, before anything is submitted, where this client's key is an argument (`connect(api_key=...)`).

        Sends at once what is needed to list the files (many objects a request), then, as the iterator is used, a request
        for every 64 signed URLs and one for each file's bytes. At most 64 MiB are read ahead; a single file that is larger
        is read alone. Raises TransferError, ChecksumError, NotFoundError; ValidationError for arguments that cannot be
        right, before any request.

        >>> for file, content in session.read("*.c3d"):  # doctest: +SKIP
        ...     print(file.clip.title, file.name, len(content))
        """
        from ..operations import contents

        service = self._download_service()
        service.refuse_to_block(
            "read() waits for its files, and that", "use its twin: async for ... in aread(...)"
        )
        carry = self._runner(executor)
        return contents.read(
            service,
            self._located_files(),
            include,
            jobs,
            errors,
            None if carry is None else partial(contents.contents_elsewhere, carry),
        )

    adownload = twin(download)

    async def aread(
        self, include: str | Iterable[str] | None = None, *, jobs: int = 16, errors: str = "raise"
    ) -> AsyncIterator[tuple[DataFile | OriginalFile, bytes]]:
        """`read` for coroutines: an async iterator of (file, bytes), which does not block the event loop.

        Arguments, requests and errors as of `read`; all of them are sent when the loop begins.

        >>> async for file, content in session.aread("*.c3d"):  # doctest: +SKIP
        ...     print(file.name, len(content))
        """
        from ..operations import contents

        found = await aio.call(self._readable, include, jobs, errors)
        async for pair in contents.aread(found, jobs, errors):
            yield pair

    def _readable(self, include: str | Iterable[str] | None, jobs: int, errors: str) -> contents.Readable:
        """The files that `read` reads."""
        from ..operations import contents

        return contents.readable(self._download_service(), self._located_files(), include, jobs, errors)

    def table(
        self, kind: str | None = None, *, columns: Sequence[str] | None = None, labels: bool = False
    ) -> pd.DataFrame:
        """A DataFrame with one row for each object of one kind here or below, with all that it shows loaded.

        `kind`: "subjects", "sessions", "conditions", "clips" (also "trials") or "files", and "norms" and "reports" where there
        are such; None is the kind of a collection's members, or what lies directly below an object. Parents come first
        (`subject`, `session`, `condition`, `trial`), then what a listing brings, then the metadata of subjects and sessions
        by key, with the types that the project's template declares: numbers float64, dates datetime64[ns], choices as
        categories, left and right as two columns, ids and EHR numbers always text. Times are in UTC without a zone, as Excel
        has them. See `moveshelf.tables.table`, also for what is not of its field's type.

        `columns`: the wanted ones, in order (names, keys of metadata, labels): what is not wanted is not loaded. `labels`:
        name the columns of metadata by the template's labels.

        Sends at once what it takes to list the objects (many to a request), a request for every 100 objects with metadata,
        and one for the template, if that is not loaded. Needs the extra `pandas`. Raises ConfigError without it,
        ValidationError for a kind that is not here and a column that there is not, with near misses.

        >>> project.table("sessions", labels=True).to_excel("sessions.xlsx")  # doctest: +SKIP
        >>> project.subjects.table(columns=["name", "ehr-id", "subject-sex"])  # doctest: +SKIP
        """
        from . import tables

        return tables.object_table(self, kind, columns, labels)

    def cycles(
        self,
        file: str = "angles",
        channels: Sequence[str] | str | None = None,
        points: int | None = 101,
        *,
        executor: Executor | None = None,
    ) -> xr.DataArray:
        """Every stride of every trial below as one labelled array: dims `stride`, `channel` and `percent` (0 … 100).

        float64, NaN where a file has no value. On `stride` lie the coordinates subject, session, date, condition, trial,
        clip, session_id and subject_id (subjects may share a name), side ("left", "right", or "" where no side is named) and
        cycle (the text in the file; "mean" where it has means only); on `channel` lies its `unit`, as files say it
        ("deg", "N.mm/kg", "W/kg"). `file`: "angles", "moments", "powers", "lengths_velocities", …: "angles" reads
        `angles_normalized.json`, or `angles.json` where it holds cycles. `channels`: names of
        `moveshelf.gait.CHANNELS`, or labels of files that it does not know; None: every known channel, and
        `.attrs["other"]` lists the labels that are not known. `points`: how many evenly spaced points (see
        `moveshelf.gait.reading.cycles`, which also says how values are placed); None: the files' own, if all agree.
        `executor`: a `concurrent.futures.Executor` whose workers read the files and find the curves, 64 files at a time (see
        `read`); the array is the same.

        What cannot be read is a `GaitFileWarning` and an entry of `.attrs["problems"]`, never a wrong number. Sends at
        once what is needed to list the files, a request for every 64 signed URLs, and one for each file that is read.
        Needs the extra `gait` (MissingExtraError without it). Raises ValidationError for arguments that cannot be right
        and for channels that no file has.

        >>> curves = subject.cycles("angles", ["knee_flexion", "hip_flexion"])  # doctest: +SKIP
        >>> curves.groupby("condition").mean().sel(channel="knee_flexion")  # doctest: +SKIP
        """
        from . import derived

        self._download_service().refuse_to_block(
            "cycles() waits for its files, and that", "await its twin acycles(...)"
        )
        return derived.cycles(self._carried(executor), file, channels, points)

    def _carried(self, executor: Executor | None) -> derived.DerivedFiles:
        """The files that curves and tables are read from, where the executor reads them; refused before they are listed."""
        found = self._derived_files()
        found.carry = self._runner(executor)
        return found

    acycles = twin(cycles)

    def series(self, file: str = "angles", channels: Sequence[str] | str | None = None) -> Any:
        """The time series of every trial below: a dictionary of an xarray Dataset over `time` (seconds) by the trial's id.

        Of a trial itself: its Dataset. Trials have clocks of their own, so that no array holds several. A variable is a
        channel, with dims (side, time) where the file names a side, (time) where it does not; see
        `moveshelf.gait.reading.trial_series`. `channels`: variables, all if None. Requests, warnings and errors as of
        `cycles`.

        >>> knee = trial.series("angles").knee_flexion.sel(side="left")  # doctest: +SKIP
        """
        from . import derived

        return derived.series(self._derived_files(), file, channels)

    def parameters(self, *, executor: Executor | None = None) -> pd.DataFrame:
        """The gait parameters of every trial below, a pandas DataFrame of one row a value.

        Columns: subject, session, date, condition, trial, clip, session_id, subject_id, side ("left", "right", or ""),
        name ("Cadence", "Step Length", …), unit (as the file says it), mean, std, label (the file's own) and cycle.
        Stride time, stance, swing, single and double support that a trial's file does not have are computed from its
        events: their label is "from events" (see `moveshelf.gait.reading.temporal`). Requests, warnings and errors as
        of `cycles`; of each trial the files of parameters and of events are read. `executor`: as of `read`.

        >>> project.parameters().query("name == 'Cadence'").groupby("condition")["mean"].mean()  # doctest: +SKIP
        """
        from . import derived

        return derived.parameters(self._carried(executor))

    def events(self) -> pd.DataFrame:
        """The gait events of every trial below, a pandas DataFrame of one row an event.

        Columns: subject, session, date, condition, trial, clip, session_id, subject_id, side, name ("Foot Strike",
        "Foot Off"), time and its unit (s), percent (of the gait cycle) and opposite, as far as the file has them.
        Requests, warnings and errors as of `cycles`.
        """
        from . import derived

        return derived.events(self._derived_files())


class FileContent:
    """What is a file: `DataFile`, and the file that a clip itself is."""

    __slots__ = ()

    def _content(self, what: str) -> tuple[Service, str, str]:
        """The service, the id that the URL is requested by, and the file's name. Raises DetachedError for a copy."""
        raise NotImplementedError

    def _among_peers(self) -> tuple[Entity, Peers | None]:
        """The object that stands for the file in a loop, and its peers there; never a request."""
        raise NotImplementedError

    def _located(self, above: Parts = (), values: Mapping[str, str | None] | None = None) -> LocatedFile:
        """The file with the folders `above` before its name, and what a layout may name of it."""
        raise NotImplementedError

    @overload
    def download(
        self,
        to: str | os.PathLike[str],
        existing: Existing = "skip",
        dry_run: Literal[False] = False,
        progress: bool | None = None,
    ) -> TransferResult: ...
    @overload
    def download(
        self,
        to: str | os.PathLike[str],
        existing: Existing = "skip",
        *,
        dry_run: Literal[True],
        progress: bool | None = None,
    ) -> Plan: ...
    @overload
    def download(
        self,
        to: str | os.PathLike[str],
        existing: Existing = "skip",
        dry_run: bool = False,
        progress: bool | None = None,
    ) -> TransferResult | Plan: ...
    def download(
        self,
        to: str | os.PathLike[str],
        existing: Existing = "skip",
        dry_run: bool = False,
        progress: bool | None = None,
    ) -> TransferResult | Plan:
        """Download the file into folder `to`, under its own name, and return a result with the one entry.

        Where `to` ends as the file's name does (`"walk.json"` for `event.json`), or is a file that is there, it is the file
        to write. Verified, resumed and named as `download` on a clip does it. Two requests. Raises what kept it from arriving:
        TransferError, ChecksumError, NotFoundError.
        """
        from ..operations import downloads

        service, _, name = self._content("download()")
        service.refuse_to_block("download() waits for the file, and that", "await its twin adownload(...)")
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

    adownload = twin(download)

    def read(
        self,
        include: str | Iterable[str] | None = None,
        *,
        jobs: int = 16,
        errors: str = "raise",
    ) -> Iterator[tuple[DataFile | OriginalFile, bytes]]:
        """The same as `read` of a trial, for this file alone: an iterator of one pair (file, bytes), or of none."""
        from ..operations import contents

        service = self._content("read()")[0]
        return contents.read(service, [self._located()], include, jobs, errors)

    async def aread(
        self, include: str | Iterable[str] | None = None, *, jobs: int = 16, errors: str = "raise"
    ) -> AsyncIterator[tuple[DataFile | OriginalFile, bytes]]:
        """`read` for coroutines: an async iterator of one pair (file, bytes), or of none."""
        from ..operations import contents

        found = await aio.call(self._readable, include, jobs, errors)
        async for pair in contents.aread(found, jobs, errors):
            yield pair

    def _readable(self, include: str | Iterable[str] | None, jobs: int, errors: str) -> contents.Readable:
        from ..operations import contents

        service = self._content("read()")[0]
        return contents.readable(service, [self._located()], include, jobs, errors)

    def read_bytes(self) -> bytes:
        """The whole content, verified by size and checksum. Two requests: for a signed URL, and for the bytes.

        In a loop over files, or over trials of each of which the file of one name is read, those that come next are fetched
        ahead from the second one on: URLs up to 64 in a request, and bodies of up to 8 MiB, 64 MiB together. What is not
        read is dropped; what a write of this client changes is fetched anew.

        Raises TransferError where there are none (only complete files have any), ChecksumError, NotFoundError.
        """
        from ..operations import files

        service, identity, name = self._content("read_bytes()")
        service.refuse_to_block(
            f"read_bytes() of {name!r} reads the file, and that", "await file.aread_bytes()"
        )
        if service.ahead is None:
            return files.reading(service, identity, name).result()
        return service.ahead.read(service, *self._among_peers(), name)

    async def aread_bytes(self) -> bytes:
        """`read_bytes` for coroutines: the whole content, verified, without blocking the event loop.

        In a loop, those that come next are fetched ahead as by `read_bytes`. Cancelling the task cancels its requests.

        >>> content = await trial.files["walk.c3d"].aread_bytes()  # doctest: +SKIP
        """
        import asyncio

        from ..operations import files
        from ..wire.thread import result_of

        await self._aload_name()
        service, identity, name = self._content("aread_bytes()")
        if not await service.prepare():
            return await aio.call(self.read_bytes)
        if service.ahead is None:
            return await result_of(files.reading(service, identity, name))
        reader = asyncio.current_task()
        return await result_of(service.ahead.reading(service, *self._among_peers(), name, reader))

    async def _aload_name(self) -> None:
        """Load what `_content` needs."""
        raise NotImplementedError

    def json(self) -> Any:
        """The content, parsed as JSON. Requests as of `read_bytes`. Raises ValidationError where it is no JSON."""
        service, _, name = self._content("json()")
        service.refuse_to_block(f"json() of {name!r} reads the file, and that", "await file.ajson()")
        return _parsed(self.read_bytes(), name)

    async def ajson(self) -> Any:
        """`json` for coroutines: the content, parsed as JSON, without blocking the event loop.

        What is larger than 64 kB is parsed on a worker thread.

        >>> angles = await trial.files["angles.json"].ajson()  # doctest: +SKIP
        """
        content = await self.aread_bytes()
        name = self._content("ajson()")[2]
        if len(content) <= _AT_ONCE:
            return _parsed(content, name)
        return await aio.call(_parsed, content, name)

    def c3d(self) -> C3D:
        """The content, parsed as a C3D file: a record of points (frame, marker, axis), analogs, events and parameters.

        See `moveshelf.gait.c3d.C3D`. The whole file is read into memory, verified; requests as of `read_bytes`. Raises
        ValidationError where it is no C3D file, MissingExtraError without the extra `gait`, and what `read_bytes` raises.

        >>> trial.files["walk.c3d"].c3d().markers[:3]  # doctest: +SKIP
        ['LASI', 'RASI', 'SACR']
        """
        c3d = numeric(".c3d", "moveshelf.gait")
        name = self._content("c3d()")[2]
        found: C3D = c3d.parse(self.read_bytes(), name)
        return found

    def open(self) -> io.BufferedReader:
        """A binary file object over the content: read only, seekable, fetching the parts that are read.

        numpy, zipfile or a C3D reader can use it as they use an open file, without the rest being downloaded. Sends
        nothing yet; a read sends what it needs. Bytes are not verified here: parts have no checksum of their own.
        In a loop, small files (256 KiB) are fetched ahead, verified, and of larger ones the URLs, as of `read_bytes`.
        """
        from ..operations import files
        from ..transfer.ranges import open_ranges

        service, identity, name = self._content("open()")
        fetch = files.DataFiles(service).download_urls

        def url(renew: bool) -> str:
            return files.url_of(service.wire.run(fetch, [identity]).result(), name)

        def ahead() -> bytes | str | None:
            if service.ahead is None:
                return None
            return service.ahead.opened(service, *self._among_peers(), name)

        return open_ranges(service.wire, url, name, retry=service.wire.retry, ahead=ahead)

    def matches(self, path: str | os.PathLike[str]) -> bool:
        """Whether the file at `path` has the same bytes, by size and the store's own checksum; nothing is downloaded.

        Two requests. Raises TransferError where the store tells no checksum, NotFoundError, FileNotFoundError.
        """
        from ..operations import files

        return files.matches(*self._content("matches()"), path)
