"""Contents of many files, one after another in memory: read ahead within a bound, by the path that downloads use."""

from __future__ import annotations

import heapq
import sys
import warnings
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import attrs

from ..errors import MoveshelfError, NotFoundError, TransferError, ValidationError
from ..transfer.patterns import Given
from ..transfer.run import JOBS, checked_jobs
from ..values import UploadStatus
from ..wire.thread import result_of
from .content_cache import read_through
from .downloads import Filter, LocatedFile, selected, statuses_now
from .executors import BYTES_A_PART, BYTES_AHEAD, Carry, carried
from .files import DataFiles
from .service import Service

if TYPE_CHECKING:
    from asyncio import Future as Waiter

    from ..transfer.blob import Progress
    from ..transfer.receiver import SignedUrls
    from ..wire import Future

#: Bytes of contents that are held before they are used. One file that is larger is read all the same, alone.
READ_AHEAD = 64 << 20
#: A network's word for a file that cannot be had, as opposed to a service that cannot be reached at all.
FILE_ERRORS = (TransferError, NotFoundError)
_PACKAGE = str(Path(__file__).resolve().parents[1])
_SHOWN = 5


@attrs.frozen
class Content:
    """A file and its bytes, or why there are none."""

    located: LocatedFile
    result: bytes | Exception


@attrs.frozen
class Readable:
    """The files that `read` reads, listed."""

    service: Service
    files: list[LocatedFile]


def read(
    service: Service,
    files: Iterable[LocatedFile],
    include: Given = None,
    jobs: int = JOBS,
    errors: str = "raise",
    fetch: Callable[[Sequence[LocatedFile], int], Iterator[Content]] | None = None,
) -> Iterator[tuple[Any, bytes]]:
    """Files and their contents, in order; the methods `read` lead here. `fetch` gets the contents in place of this process.

    What is needed to list the files is sent at once, contents are fetched as the iterator is used.
    """
    found = readable(service, files, include, jobs, errors)
    return _pairs(contents(service, found.files, jobs) if fetch is None else fetch(found.files, jobs), errors)


async def aread(found: Readable, jobs: int, errors: str) -> AsyncIterator[tuple[Any, bytes]]:
    """The same for coroutines of any event loop, of what `readable` has listed."""
    if not found.files:
        return
    reader = _Reader(found.service, found.files, jobs, READ_AHEAD)
    try:
        for number, one in enumerate(found.files):
            result = await result_of(found.service.wire.run(reader.take, number))
            pair = _pair(Content(one, result), errors)
            del result
            if pair is not None:
                yield pair
            del pair
    finally:
        reader.stop()


def readable(
    service: Service, files: Iterable[LocatedFile], include: Given, jobs: int, errors: str
) -> Readable:
    """The files that are meant and have contents. Raises ValidationError for arguments that cannot be right."""
    if errors not in ("raise", "warn"):
        raise ValidationError(f"errors is 'raise' or 'warn', not {errors!r}")
    checked_jobs(jobs)
    wanted = Filter(include, None, None)
    found = selected(files, wanted)
    wanted.warn_of_unmatched(stacklevel=5)
    complete, incomplete = by_status(service, found)
    if incomplete:
        shown = ", ".join(f"{path_of(one)} ({status})" for one, status in incomplete[:_SHOWN])
        more = f" and {len(incomplete) - _SHOWN} more" if len(incomplete) > _SHOWN else ""
        warn(f"files whose upload is not complete have no contents and are left out: {shown}{more}")
    return Readable(service, complete)


def _pairs(found: Iterator[Content], errors: str) -> Iterator[tuple[Any, bytes]]:
    for one in found:
        pair = _pair(one, errors)
        if pair is not None:
            yield pair


def _pair(one: Content, errors: str) -> tuple[Any, bytes] | None:
    if isinstance(one.result, bytes):
        return one.located.file, one.result
    if errors == "warn" and isinstance(one.result, FILE_ERRORS):
        warn(f"{path_of(one.located)} is left out: {one.result}")
        return None
    raise one.result


def by_status(
    service: Service, found: Sequence[LocatedFile]
) -> tuple[list[LocatedFile], list[tuple[LocatedFile, str]]]:
    """Those with a complete upload, and the others with their status. One request where some were not complete."""
    complete: list[LocatedFile] = []
    others: list[tuple[LocatedFile, str]] = []
    for one, status in zip(found, statuses_now(service, found), strict=True):
        if status == UploadStatus.COMPLETE:
            complete.append(one)
        else:
            others.append((one, str(status)))
    return complete, others


def path_of(located: LocatedFile) -> str:
    """Where a file is, for people to read."""
    return "/".join(name for _, name in located.parts)


def warn(text: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the line that called this library."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, category, stacklevel=level)


def contents(
    service: Service, wanted: Sequence[LocatedFile], jobs: int = JOBS, limit: int = READ_AHEAD
) -> Iterator[Content]:
    """The contents of files with a complete upload, in their order, verified; read ahead as the iterator is used.

    One request for every 64 signed URLs and one for each file's bytes. At most `limit` bytes are held or on their way,
    and one file more where a single one is larger. Nothing is fetched before the first is taken.
    """
    if not wanted:
        return
    service.refuse_to_block("reading files waits for them, and that", "use `async for ... in obj.aread(...)`")
    reader = _Reader(service, wanted, jobs, limit)
    try:
        for number, one in enumerate(wanted):
            result = service.wire.run(reader.take, number).result()
            yield Content(one, result)
            del result  # the caller may be done with it: its memory is needed for the next
    finally:
        reader.stop()


@attrs.frozen
class ReadPart:
    """Some files that somebody else reads, and parses where they arrive."""

    files: tuple[LocatedFile, ...]
    jobs: int
    #: what becomes of a file's bytes, and for each file its first argument
    parse: Callable[[Any, bytes], Any] | None = None
    about: tuple[Any, ...] = ()

    @classmethod
    def of(
        cls,
        files: Iterable[LocatedFile],
        jobs: int = JOBS,
        parse: Callable[[Any, bytes], Any] | None = None,
        about: Iterable[Any] = (),
    ) -> ReadPart:
        """A part that names its files by ids, and holds no objects."""
        return cls(tuple(attrs.evolve(one, file=None, values={}) for one in files), jobs, parse, tuple(about))

    def carry_out(self, service: Service) -> list[Any]:
        """What became of each file, in order: its bytes, what `parse` made of them, or an exception."""
        found: list[Any] = []
        for n, one in enumerate(contents(service, self.files, self.jobs)):
            result: Any = one.result
            if self.parse is not None and isinstance(result, bytes):
                result = self.parse(self.about[n], result)
            found.append(result)
        return found


def contents_elsewhere(carry: Carry, wanted: Sequence[LocatedFile], jobs: int = JOBS) -> Iterator[Content]:
    """The contents of files, in their order, which somebody else reads in parts."""
    for one, result in carried(
        carry, wanted, lambda some: ReadPart.of(some, jobs), BYTES_A_PART, BYTES_AHEAD
    ):
        yield Content(one, result)


class NoRoomError(Exception):
    """A file turned out to be larger than there is room for; it is fetched again when its turn comes."""


class SizeSeen:
    """How large a file is, as its response says, told as soon as that is known: before its bytes are read.

    Stands in for a `Progress`, which a transfer counts in.
    """

    def __init__(self, known: Callable[[int], None]) -> None:
        self._known = known
        self._expected = self._bytes = 0
        self.disk = 0.0
        self.files = self.sized = 0

    @property
    def expected(self) -> int:
        return self._expected

    @expected.setter
    def expected(self, value: int) -> None:
        grows = value > self._expected
        self._expected = value
        if grows:
            self._known(value)

    @property
    def bytes(self) -> int:
        return self._bytes

    @bytes.setter
    def bytes(self, value: int) -> None:
        grows = value > max(self._bytes, self._expected)
        self._bytes = value
        if grows:  # more than was announced, or nothing was announced
            self._known(value)


class _Reader:
    """The contents that are held and on their way. Everything but `stop` runs on the I/O thread."""

    def __init__(self, service: Service, wanted: Sequence[LocatedFile], jobs: int, limit: int) -> None:
        self._wire = service.wire
        self._cache = service.contents
        self._files = DataFiles(service)
        self._wanted = wanted
        self._jobs = checked_jobs(jobs)
        self._limit = limit
        self._head = 0  # the file that is wanted next
        self._waiting = list(range(len(wanted)))  # a heap: a file that found no room comes back
        self._running: dict[int, Future[None]] = {}
        self._held: dict[int, int] = {}  # bytes of those that are held or on their way
        self._total = 0
        self._known: dict[int, int] = {}  # sizes of those that found no room
        self._guess = 0  # the size of a file of which nothing is known yet
        self._done: dict[int, bytes | Exception] = {}
        self._waiter: Waiter[None] | None = None
        self._urls: SignedUrls | None = None
        self._stopped = False

    async def take(self, number: int) -> bytes | Exception:
        """The content of that file, or why there is none. Files are taken in their order."""
        from asyncio import get_running_loop

        from ..transfer.receiver import SignedUrls

        if self._urls is None:
            self._urls = SignedUrls(self._files.download_urls, [one.id for one in self._wanted])
        self._head = number
        self._start()
        if number not in self._done:
            self._waiter = get_running_loop().create_future()
            await self._waiter
        self._hold(number, None)
        result = self._done.pop(number)
        self._start()
        return result

    def _start(self) -> None:
        """Start what there is room for."""
        while self._waiting and len(self._running) < self._jobs and not self._stopped:
            number = self._waiting[0]
            size = self._known.get(number, self._guess)
            if number != self._head and self._total + size > self._limit:
                return
            heapq.heappop(self._waiting)
            self._hold(number, size)
            self._running[number] = self._wire.run(self._fetch, number)

    def _hold(self, number: int, size: int | None) -> None:
        """Count a file's bytes; None for a file that is not held any more."""
        self._total -= self._held.pop(number, 0)
        if size is not None:
            self._held[number] = size
            self._total += size

    async def _fetch(self, number: int) -> None:
        urls = self._urls
        assert urls is not None

        async def url(renew: bool) -> str:
            return await urls.get(number, renew)

        def known(size: int) -> None:
            self._hold(number, size)
            self._guess = (3 * self._guess + size) // 4 if self._guess else size
            if number != self._head and self._total > self._limit:
                self._known[number] = size
                raise NoRoomError

        one = self._wanted[number]
        result: bytes | Exception
        try:
            blobs = await self._wire.blob_session()
            result = await read_through(
                self._cache,
                one.id,
                blobs,
                url,
                path_of(one),
                retry=self._wire.retry,
                progress=cast("Progress", SizeSeen(known)),
            )
            self._hold(number, len(result))
        except NoRoomError:
            self._running.pop(number, None)
            self._hold(number, None)
            heapq.heappush(self._waiting, number)
            self._start()
            return
        except Exception as error:
            result = error
            self._hold(number, 0)
        self._running.pop(number, None)
        self._done[number] = result
        if number == self._head and self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        self._start()

    def stop(self) -> None:
        """Drop what is on its way. From any thread, also from a finalizer: waits for nothing."""
        self._stopped = True
        with suppress(MoveshelfError):  # a client that is closed has dropped it already
            self._wire.run(self._drop)

    async def _drop(self) -> None:
        running, self._running = list(self._running.values()), {}
        for one in running:
            one.cancel()
        self._done.clear()
        if self._urls is not None:
            await self._urls.close()


__all__ = [
    "FILE_ERRORS",
    "READ_AHEAD",
    "Content",
    "NoRoomError",
    "ReadPart",
    "SizeSeen",
    "by_status",
    "contents",
    "contents_elsewhere",
    "path_of",
    "read",
    "warn",
]
