"""Contents of files in a user's loop: from the second file in a row on, those that come next are fetched before they are read.

A loop is seen by the peers of a file (lazy/peers.py): the file that comes after one that was read is read next, or the next
one of the same kind of name. Then a batch of the following files is fetched: their URLs in one request, their bytes beside
each other, verified as any download is. The first batch has `FIRST` files; when the reader comes to a batch the next one is
requested, twice as large. What is not read is dropped.
"""

from __future__ import annotations

import asyncio
import os
import re
import threading
import weakref
from collections import OrderedDict, deque
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import attrs

from ..errors import BudgetError, MoveshelfError
from ..lazy.cache import Cache, Key, loaded_value
from ..lazy.entity import Entity
from ..lazy.peers import Peers, UnloadedParent
from ..lazy.state import NOT_LOADED
from ..transfer.ranges import BLOCK
from ..transfer.run import JOBS
from ..values import UploadStatus
from .content_cache import read_through
from .contents import READ_AHEAD, NoRoomError, SizeSeen
from .files import DataFiles, content, reading, url_of

if TYPE_CHECKING:
    from ..transfer.blob import Progress
    from ..wire import Future
    from .service import Service

#: How many files the first batch ahead of a reader has; each further one has twice as many, up to LAST.
FIRST = 2
LAST = 64
#: How many files are ahead of all readers together.
MOST = 256
#: Bytes of the largest file that is fetched ahead. Of a larger one only the URL is.
LARGEST = 8 << 20
#: Seconds without a read after which what was fetched ahead is dropped.
IDLE = 60.0
#: Seconds after which a content that was fetched ahead counts as old, and is fetched anew.
OLD = 300.0
#: Seconds in which a reader must have used a batch for the next one to be larger.
PACE = 10.0
#: How many members after the reader are looked at for files to fetch.
LOOK = 512
#: How many of them are looked at for the file that is read next.
NEAR = 64
#: How many files that were read are remembered of a loop, and how many loops.
REMEMBERED = 512
LOOPS = 16


@attrs.define(eq=False)
class _Batch:
    """The files whose URLs were requested together."""

    urls: asyncio.Task[Sequence[str | BaseException]]
    #: how many files the request named
    count: int
    #: how many of them may be ahead of the reader
    window: int
    #: whether the reader has come to it
    is_entered: bool = False


@attrs.define(eq=False)
class _Entry:
    """One file that is fetched ahead, or read with its followers."""

    id: str
    name: str
    pattern: str
    level: _Level
    batch: _Batch
    #: its place in the request for URLs
    number: int
    #: our own writes of these after `clock` make it stale
    keys: tuple[Key, ...]
    clock: int
    since: float
    #: bytes that are counted for it
    size: int = 0
    #: a reader waits for it: no limit keeps it back
    wanted: bool = False
    dropped: bool = False
    task: Future[bytes] | None = None
    content: bytes | None = None
    error: BaseException | None = None
    waiter: asyncio.Future[None] | None = None

    @property
    def has_ended(self) -> bool:
        return self.content is not None or self.error is not None


@attrs.frozen(eq=False)
class _Candidate:
    """A file that a reader comes to, as far as it is loaded."""

    id: str
    name: str
    #: the id of its trial, or of the trial that it is itself
    clip: str

    @classmethod
    def of(cls, member: Entity, name: str) -> _Candidate:
        clip = loaded_value(member, "clip") if "clip" in type(member).fields else None
        return cls(member.id, name, clip if isinstance(clip, str) else member.id)

    @property
    def keys(self) -> tuple[Key, ...]:
        """Our own writes of these change its content."""
        return self.id, self.clip, (self.clip, "files")


@attrs.frozen
class _Next:
    """A file that is read next if a loop goes on."""

    #: the files that are passed over then
    passed: tuple[_Candidate, ...]
    #: the trials of the file that was read before, and of this one
    clips: tuple[str, str]
    #: how many files the loop's last batch had
    window: int


class _Level:
    """What is known of the readers of one level of a traversal."""

    def __init__(self, peers: Peers, kind: type[Entity]) -> None:
        # held: between two files of a loop that lets go of what it passed nobody else may hold the level
        self.peers = peers
        self.kind = kind
        #: the ids that are read next if a loop goes on
        self.expected: OrderedDict[str, _Next] = OrderedDict()
        #: what is read next could not be told, because it is not listed yet; the window of that loop
        self.cut: int | None = None
        #: fewer files than wanted could be requested last, for the same reason
        self.is_short = False
        #: by name, pattern and extension: whether such a file was read or passed over, when the reader last came to one
        self.choices: dict[tuple[str, str], bool] = {}
        self.has_skipped = False
        self.read: OrderedDict[str, None] = OrderedDict()
        #: the last file of each reading thread
        self.latest: dict[int, str] = {}
        #: sizes of files by their pattern
        self.sizes: dict[str, int] = {}
        #: bytes of the largest file that is fetched ahead
        self.largest = LARGEST
        #: when the last batch was requested, and the last file read
        self.requested = 0.0
        self.last = 0.0
        #: numbers of reads: the last one, and the one that began this run
        self.turn = self.began = 0

    def start_over(self) -> None:
        """A new loop over the level begins: what was read is read again."""
        self.read.clear()
        self.expected.clear()
        self.latest.clear()
        self.cut = None
        self.is_short = False

    def expect(
        self, identity: str, passed: Sequence[_Candidate], clips: tuple[str, str], window: int
    ) -> None:
        """A loop comes to that file next, if it goes on."""
        self.expected[identity] = _Next(tuple(passed), clips, window)
        self.expected.move_to_end(identity)
        while len(self.expected) > NEAR:
            self.expected.popitem(last=False)

    def note(self, identity: str, name: str) -> None:
        """A file was read."""
        self.read[identity] = None
        while len(self.read) > REMEMBERED:
            self.read.popitem(last=False)
        self._choose(name, True)

    def skip(self, name: str) -> None:
        """A file was passed over."""
        self.has_skipped = True
        self._choose(name, False)

    def _choose(self, name: str, is_read: bool) -> None:
        if len(self.choices) > 3 * REMEMBERED:
            self.choices.clear()
        self.choices.update(dict.fromkeys(_looks(name), is_read))

    def predicts(self, name: str) -> bool:
        """Whether a file will be read: as the last one of its name was, else of its pattern, else of its extension."""
        if not self.has_skipped:
            return True
        known = (self.choices.get(one) for one in _looks(name))
        return next((one for one in known if one is not None), True)


def pattern_of(name: str) -> str:
    """What the names of files of one kind have in common: the name without its numbers."""
    return re.sub(r"\d+", "#", name)


def _looks(name: str) -> tuple[tuple[str, str], ...]:
    """What a file's name is like, the closest first."""
    extension = name[name.rfind(".") :] if "." in name else ""
    return ("name", name), ("pattern", pattern_of(name)), ("extension", extension)


def readable_name(member: Entity) -> str | None:
    """The name of a file, or of the file that a clip itself is, if it has bytes; None where that is not loaded.

    Never a request.
    """
    fields = type(member).fields
    name = loaded_value(member, "original_name" if "original_name" in fields else "name")
    status = loaded_value(member, "upload_status")
    if not isinstance(name, str) or not name:
        return None
    return name if status is NOT_LOADED or status == UploadStatus.COMPLETE else None


_ALIVE: weakref.WeakSet[ReadAhead] = weakref.WeakSet()


def _after_fork() -> None:
    for one in list(_ALIVE):
        one._forget()  # what was on its way arrives in the parent


if hasattr(os, "register_at_fork"):  # Windows does not fork
    os.register_at_fork(after_in_child=_after_fork)


class ReadAhead:
    """What one client has fetched ahead of its readers.

    Its state is used on the I/O thread only. It holds no service and no objects, so that a forgotten client is freed.
    """

    def __init__(self, limit: int = READ_AHEAD) -> None:
        """`limit`: bytes that are held or on their way ahead of the readers, of all loops together."""
        self.limit = limit
        self._forget()
        _ALIVE.add(self)

    def _forget(self) -> None:
        self.held = 0
        self._levels: OrderedDict[tuple[int, type[Entity]], _Level] = OrderedDict()
        self._entries: dict[str, _Entry] = {}
        self._waiting: deque[_Entry] = deque()
        self._running = 0
        self._requests: set[asyncio.Task[Any]] = set()
        self._clock = 0
        self._turns = 0
        self._timer: asyncio.TimerHandle | None = None

    # for readers, from any thread ------------------------------------------------------------------------------
    def read(self, service: Service, member: Entity, peers: Peers | None, name: str) -> bytes:
        """The whole content of a file, verified, as of `files.reading`. In a loop, those that come next are fetched as well.

        `member` is the file, or the clip that is a file itself, with its peers.
        """
        return self.reading(service, member, peers, name, threading.get_ident()).result()

    def reading(
        self, service: Service, member: Entity, peers: Peers | None, name: str, reader: int
    ) -> Future[bytes]:
        """The same on its way. `reader` tells threads, or tasks of event loops, from each other."""
        if peers is None or service.is_replaced:
            return reading(service, member.id, name)
        return service.wire.run(self._read, service, member, peers, name, reader)

    def opened(self, service: Service, member: Entity, peers: Peers | None, name: str) -> bytes | str | None:
        """What is there already of a file that is read in parts: its content, its URL, or None.

        In a loop, small files that come next are fetched, and the URLs of the others.
        """
        if peers is None or service.is_replaced:
            return None
        reader = threading.get_ident()
        return service.wire.run(self._opened, service, member, peers, name, reader).result()

    def close(self, service: Service) -> None:
        """Drop what is held and on its way. From any thread, also from a finalizer: waits for nothing."""
        if self._levels or self._entries:
            with suppress(
                MoveshelfError, RuntimeError
            ):  # closed, or at the end of the program: nothing is held then
                service.wire.run(self._close)

    async def _close(self) -> None:
        self._drop(list(self._entries.values()))
        self._levels.clear()
        for one in list(self._requests):
            one.cancel()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # on the I/O thread -----------------------------------------------------------------------------------------
    async def _read(self, service: Service, member: Entity, peers: Peers, name: str, reader: int) -> bytes:
        level, entry, is_hit = self._turn(service, member, peers, name, reader, whole=True)
        if entry is None:
            found = await content(service, member.id, name)
        else:
            found = await self._content(service, entry, is_hit)
        if len(level.sizes) > REMEMBERED:
            level.sizes.clear()
        level.sizes[pattern_of(name)] = len(found)
        self._start(service)
        return found

    async def _opened(
        self, service: Service, member: Entity, peers: Peers, name: str, reader: int
    ) -> bytes | str | None:
        _, entry, _ = self._turn(service, member, peers, name, reader, whole=False)
        if entry is None:
            return None
        if entry.task is not None and not entry.has_ended:
            await self._wait(entry)
        found = entry.content
        self._drop([entry])
        self._start(service)
        if found is not None:
            return found
        if entry.error is None:
            url = (await asyncio.shield(entry.batch.urls))[entry.number]
            return url if isinstance(url, str) else None
        return None

    def _turn(
        self, service: Service, member: Entity, peers: Peers, name: str, reader: int, *, whole: bool
    ) -> tuple[_Level, _Entry | None, bool]:
        """A reader has come to `member`: what there is of it, and whether it was fetched ahead; request what comes next.

        `whole`: it is read as a whole, so that its URL may be requested together with those of its followers.
        """
        cache, now = service.cache, asyncio.get_running_loop().time()
        self._drop_stale(cache)
        level = self._level(peers, type(member))
        if self._timer is None:
            self._set_timer()
        repeated = level.latest.get(reader) == member.id
        if now - level.last > IDLE:
            self._drop_level(level)
            level.start_over()
        entry = self._taken(member.id, now)
        left = service.room()
        if left is not None and left <= 0 and entry is not None and entry.task is None:
            self._drop([entry])  # its request is not allowed any more: the caller's own raises
            entry = None
        level.last = now
        level.largest = LARGEST if whole else BLOCK
        self._turns += 1
        level.turn = self._turns
        if repeated and entry is None:
            return level, None, False
        window = self._goes_on(level, member.id, entry)
        if len(level.latest) > NEAR:
            level.latest.clear()
        level.latest[reader] = member.id
        if window is None:
            level.began = self._turns
        level.note(member.id, name)
        enters = entry is None or not entry.batch.is_entered
        if entry is not None:
            entry.batch.is_entered = True
        wanted = count = 0
        if window is not None and (enters or level.is_short) and (left is None or left > 0):
            wanted = max(FIRST, window * (2 if now - level.requested < PACE else 1))
            wanted = min(wanted, LAST if entry is not None or not whole else LAST - 1)
            if len(self._entries) >= MOST:  # the oldest were passed over, or other loops have left them
                self._drop(list(self._entries.values())[: MOST // 4])
            count = min(wanted, MOST - len(self._entries))
        following = self._following(cache, level, member, name, count, wanted or window or 0)
        if following:
            level.requested = now
            own = _Candidate.of(member, name) if whole and entry is None else None
            first = self._request(service, level, own, following, wanted, now)
            if own is not None:
                return level, first, False
        return level, entry, entry is not None

    def _level(self, peers: Peers, kind: type[Entity]) -> _Level:
        key = (id(peers), kind)
        found = self._levels.get(key)
        if found is None:
            found = self._levels[key] = _Level(peers, kind)
            while len(self._levels) > LOOPS:
                _, oldest = self._levels.popitem(last=False)
                self._drop_level(oldest)
        self._levels.move_to_end(key)
        return found

    def _goes_on(self, level: _Level, identity: str, entry: _Entry | None) -> int | None:
        """The window of the loop that comes to this file, None if there is none. Notes what the loop has passed over."""
        expected = level.expected.pop(identity, None)
        if identity in level.read:
            self._drop_level(level)
            level.start_over()
            return None
        if expected is not None:
            for other in expected.passed:
                if other.id in level.read:
                    continue
                if other.clip in expected.clips:  # trials in between may be other threads'
                    level.skip(other.name)
                skipped = self._entries.get(other.id)
                if skipped is not None and skipped.level is level and len(level.latest) == 1:
                    self._drop([skipped])
        if entry is not None:
            return entry.batch.window
        return level.cut if expected is None else expected.window

    def _following(
        self, cache: Cache, level: _Level, member: Entity, name: str, count: int, window: int
    ) -> list[_Candidate]:
        """Up to `count` files that are read after `member`, if its loop goes on. Notes what is expected next: the next
        file, the next of that pattern of names, and the next of that name."""
        found: list[_Candidate] = []
        passed: list[_Candidate] = []
        clip = _Candidate.of(member, name).clip
        expected = {"next", "pattern", "name"}
        pattern = pattern_of(name)
        level.cut = None
        is_short = False
        with cache.lock:
            for number, one in enumerate(level.peers.members(cache.objects, member)):
                if isinstance(one, UnloadedParent):
                    is_short = len(found) < count
                    if "next" in expected or (level.has_skipped and "pattern" in expected):
                        level.cut = window
                    break
                if number > LOOK or (not expected and len(found) >= count):
                    break
                other = readable_name(one) if number and type(one) is level.kind else None
                if other is None:
                    continue
                candidate = _Candidate.of(one, other)
                if expected:
                    fits = {"next"}
                    if pattern_of(other) == pattern:
                        fits.add("pattern")
                    if other == name:
                        fits.add("name")
                    if fits & expected:
                        level.expect(one.id, passed, (clip, candidate.clip), window)
                        expected -= fits
                    passed.append(candidate)
                    if len(passed) >= NEAR:
                        expected.clear()
                is_new = one.id not in self._entries and one.id not in level.read
                if len(found) < count and is_new and level.predicts(other):
                    found.append(candidate)
            if not passed and not level.peers.window.full:
                level.cut = window  # of members that are picked, those that come next may not be listed yet
        if count:
            level.is_short = is_short
        return found

    # entries ---------------------------------------------------------------------------------------------------
    def _request(
        self,
        service: Service,
        level: _Level,
        own: _Candidate | None,
        following: Sequence[_Candidate],
        window: int,
        now: float,
    ) -> _Entry:
        """Request the URLs of files, and then their bytes; the entry of the first one."""
        files = [own, *following] if own is not None else list(following)
        task = asyncio.ensure_future(_urls(service, [one.id for one in files]))
        self._requests.add(task)
        task.add_done_callback(self._requests.discard)
        batch = _Batch(task, len(files), window)
        clock = service.cache.clock
        entries = [
            _Entry(one.id, one.name, pattern_of(one.name), level, batch, number, one.keys, clock, now)
            for number, one in enumerate(files)
        ]
        ahead = entries if own is None else entries[1:]
        self._entries.update((one.id, one) for one in ahead)
        self._waiting.extend(ahead)
        if own is not None:
            entries[0].wanted = True
            self._run(service, entries[0])
        self._start(service)
        return entries[0]

    def _start(self, service: Service) -> None:
        """Start what there is room for, in order."""
        while self._waiting and self._running < JOBS:
            entry = self._waiting[0]
            size = entry.level.sizes.get(entry.pattern, 0)
            if entry.dropped or entry.wanted or entry.task is not None or size > entry.level.largest:
                self._waiting.popleft()
                continue
            if self.held + size > self.limit and not self._make_room(entry.level, size):
                return
            self._waiting.popleft()
            self._count(entry, size)
            self._run(service, entry)

    def _make_room(self, level: _Level, size: int) -> bool:
        """Drop what loops have left that nobody has read in since this one began; whether there is room then."""
        for other in list(self._levels.values()):
            if other is not level and other.turn < level.began:
                self._drop_level(other)
        return self.held + size <= self.limit

    def _run(self, service: Service, entry: _Entry) -> None:
        self._running += 1
        try:
            entry.task = service.wire.run(self._fetch, service, entry)
        except MoveshelfError as error:  # closed meanwhile
            self._running -= 1
            entry.error = error
            return
        entry.task.add_done_callback(partial(self._ended, service, entry))

    async def _fetch(self, service: Service, entry: _Entry) -> bytes:
        files = DataFiles(service)

        async def url(renew: bool) -> str:
            if renew:
                return url_of(await files.download_urls([entry.id]), entry.name)
            return url_of([(await asyncio.shield(entry.batch.urls))[entry.number]], entry.name)

        def known(size: int) -> None:
            if entry.wanted:
                return
            self._count(entry, size)
            entry.level.sizes[entry.pattern] = size
            if size > entry.level.largest:
                raise NoRoomError
            if self.held > self.limit and not self._make_room(entry.level, 0):
                raise NoRoomError

        await url(False)  # what is wrong with it is told before the store is contacted
        blobs = await service.wire.blob_session()
        return await read_through(
            service.contents,
            entry.id,
            blobs,
            url,
            entry.name,
            retry=service.wire.retry,
            progress=cast("Progress", SizeSeen(known)),
        )

    def _ended(self, service: Service, entry: _Entry, task: Future[bytes]) -> None:
        """The bytes of a file have come, or not."""
        self._running -= 1
        entry.error = task.exception()
        if entry.error is None:
            entry.content = task.result()
        if entry.dropped or entry.wanted:
            self._count(entry, None)
        elif entry.content is not None:
            self._count(entry, len(entry.content))
        else:
            self._count(entry, None)
            if isinstance(entry.error, NoRoomError):  # its URL is known all the same
                entry.error = entry.task = None
                if entry.level.sizes.get(entry.pattern, 0) <= entry.level.largest:
                    self._waiting.appendleft(entry)
        if entry.dropped:
            entry.content = None
        if entry.waiter is not None and not entry.waiter.done():
            entry.waiter.set_result(None)
        self._start(service)

    async def _content(self, service: Service, entry: _Entry, is_hit: bool) -> bytes:
        """The content of a file that its reader has come to."""
        entry.wanted = True
        self._count(entry, None)
        if entry.task is None and not entry.has_ended:
            self._run(service, entry)
        if not entry.has_ended:
            await self._wait(entry)
        if entry.content is not None:
            return entry.content
        assert entry.error is not None
        # what failed ahead of its reader is tried again for it, and so is what may have failed for its neighbours
        shared = entry.batch.count > 1 and not isinstance(entry.error, BudgetError)
        if is_hit or shared:
            return await content(service, entry.id, entry.name)
        raise entry.error

    async def _wait(self, entry: _Entry) -> None:
        entry.waiter = asyncio.get_running_loop().create_future()
        try:
            await entry.waiter
        except asyncio.CancelledError:
            if entry.task is not None:
                entry.task.cancel()
            raise

    def _taken(self, identity: str, now: float) -> _Entry | None:
        """The entry of a file, which is its reader's from now on."""
        entry = self._entries.get(identity)
        if entry is None:
            return None
        if now - entry.since > OLD:
            self._drop([entry])
            return None
        del self._entries[identity]
        return entry

    def _count(self, entry: _Entry, size: int | None) -> None:
        """Count a file's bytes; None for a file that is not held any more."""
        self.held += (size or 0) - entry.size
        entry.size = size or 0

    # dropping --------------------------------------------------------------------------------------------------
    def _drop(self, entries: Sequence[_Entry]) -> None:
        for entry in entries:
            entry.dropped = True
            if self._entries.get(entry.id) is entry:
                del self._entries[entry.id]
            self._count(entry, None)
            entry.content = None
            if entry.task is not None and not entry.has_ended:
                entry.task.cancel()

    def _drop_level(self, level: _Level) -> None:
        self._drop([one for one in self._entries.values() if one.level is level])

    def _drop_stale(self, cache: Cache) -> None:
        """Drop what our own writes have changed since it was requested."""
        if cache.clock == self._clock:
            return
        self._clock = cache.clock
        with cache.lock:
            stale = [
                one
                for one in self._entries.values()
                if any(cache.is_stale(key, one.clock) for key in one.keys)
            ]
        self._drop(stale)

    def _set_timer(self) -> None:
        loop = asyncio.get_running_loop()
        # weak: a forgotten client is not kept until then
        self._timer = loop.call_later(IDLE, _expire, weakref.ref(self))

    def _drop_idle(self) -> None:
        now = asyncio.get_running_loop().time()
        self._timer = None
        for key, level in list(self._levels.items()):
            if now - level.last >= IDLE:
                self._drop_level(level)
                del self._levels[key]
        if self._levels:
            self._set_timer()


def _expire(ref: weakref.ref[ReadAhead]) -> None:
    found = ref()
    if found is not None:
        found._drop_idle()


async def _urls(service: Service, ids: list[str]) -> Sequence[str | BaseException]:
    try:
        return await DataFiles(service).download_urls(ids)
    except Exception as error:  # each file's reader gets its own
        return [error] * len(ids)


__all__ = ["FIRST", "IDLE", "LARGEST", "ReadAhead", "pattern_of", "readable_name"]
