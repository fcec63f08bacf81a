"""Contents of files in a user's loop: from the second file in a row on, those that come next are fetched before they are read.

A loop is seen by the peers of a file (lazy/peers.py): the file that comes after one that was read is read next, or the next
one of the same kind of name. Then a batch of the following files is fetched: their URLs in one request, their bytes beside
each other, verified as any download is. The first batch has `FIRST` files; when the reader comes to a batch the next one is
requested, twice as large. What is not read is dropped.

Threads and tasks that read files of one level divide them between them, as the workers of a pool do, or each reads them all.
So the position is that of a loop (`_Loop`), which begins with one reader. Another one that comes to a file that the loop has
not read takes part in it; who comes to a file that the loop has read has a loop of its own from then on. What was fetched is
shared by all loops: it is dropped when none of them comes to it any more.
"""

from __future__ import annotations

import asyncio
import os
import re
import threading
import weakref
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Sequence
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
#: How many files are ahead of all readers together; each loop has its share.
MOST = 1024
#: How many files that one loop has read are kept for others that come to them later.
KEPT = 512
#: Bytes of the largest file that is fetched ahead. Of a larger one only the URL is.
LARGEST = 8 << 20
#: Seconds without a read after which what was fetched ahead is dropped.
IDLE = 60.0
#: Seconds after which a content that was fetched ahead counts as old, and is fetched anew.
OLD = 300.0
#: Seconds in which a reader must have used a batch for the next one to be larger, and in which a loop that has not read on
#: counts as one that comes to what others fetch.
PACE = 10.0
#: How many members after the reader are looked at for files to fetch.
LOOK = 512
#: How many of them are looked at for the file that is read next.
NEAR = 64
#: How many files that were read are remembered of the loops over a level together, and of how many kinds of names what is
#: known; how many levels, and how many loops of each.
REMEMBERED = 8192
NAMES = 512
LEVELS = 64
LOOPS = 256


@attrs.define(eq=False)
class _Batch:
    """The files whose URLs were requested together."""

    urls: asyncio.Task[Sequence[str | BaseException]]
    #: how many files the request named
    count: int
    #: how many of them may be ahead of the reader
    window: int
    #: whether a reader has come to it
    is_entered: bool = False
    #: those that are not dropped: without any, the request is cancelled
    entries: set[_Entry] = attrs.field(factory=set)


@attrs.define(eq=False)
class _Entry:
    """One file that is fetched ahead, or read with its followers."""

    id: str
    name: str
    pattern: str
    #: the loop that requested it
    loop: _Loop
    #: the loops that have not come to it yet
    loops: set[_Loop]
    batch: _Batch
    #: its place in the request for URLs
    number: int
    #: our own writes of these after `clock` make it stale
    keys: tuple[Key, ...]
    clock: int
    since: float
    #: bytes that are counted for it
    size: int = 0
    #: how many readers have come to it and do not have it yet: no limit keeps it back
    wanted: int = 0
    #: whether one of the loops has read it
    is_read: bool = False
    dropped: bool = False
    task: Future[bytes] | None = None
    content: bytes | None = None
    error: BaseException | None = None
    waiters: list[asyncio.Future[None]] = attrs.field(factory=list)

    @property
    def has_ended(self) -> bool:
        return self.content is not None or self.error is not None

    def is_old(self, now: float) -> bool:
        """Whether it is to be fetched anew."""
        return now - self.since > (IDLE if self.is_read else OLD)


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
    """One level of a traversal, and the loops over it."""

    def __init__(self, peers: Peers, kind: type[Entity]) -> None:
        # held: between two files of a loop that lets go of what it passed nobody else may hold the level
        self.peers = peers
        self.kind = kind
        #: sizes of files by their pattern
        self.sizes: dict[str, int] = {}
        #: the loops over it, in the order in which they began
        self.loops: list[_Loop] = []
        self.readers: weakref.WeakKeyDictionary[object, _Reader] = weakref.WeakKeyDictionary()

    def readers_of(self, loop: _Loop) -> Iterator[_Reader]:
        """Those of its readers that have not ended."""
        return (one for one in list(self.readers.values()) if one.loop is loop and not one.has_ended)


@attrs.define(eq=False)
class _Reader:
    """A thread, or a task of an event loop, that reads files of a level."""

    who: weakref.ref[Any]
    loop: _Loop
    #: the file that it has read last, and the number of that read
    latest: str = ""
    turn: int = 0

    @property
    def has_ended(self) -> bool:
        who = self.who()
        if who is None:
            return True
        return not who.is_alive() if isinstance(who, threading.Thread) else who.done()


class _Loop:
    """One pass over the files of a level: of one reader, or of several that divide the files between them."""

    def __init__(self, level: _Level, number: int, since: float, like: _Loop | None = None) -> None:
        self.level = level
        #: what was requested earlier is not for this loop: its reader has had those files before
        self.since = since
        #: the ids that are read next if the loop goes on
        self.expected: OrderedDict[str, _Next] = OrderedDict()
        #: what is read next could not be told, because it is not listed yet; the window of the loop
        self.cut: int | None = None
        #: fewer files than wanted could be requested last, for the same reason
        self.is_short = False
        #: by name, pattern and extension: whether such a file was read or passed over, when the reader last came to one
        self.choices: dict[tuple[str, str], bool] = {} if like is None else dict(like.choices)
        self.has_skipped: bool = like is not None and like.has_skipped
        #: the files that were read, and by whom
        self.read: OrderedDict[str, _Reader] = OrderedDict()
        #: bytes of the largest file that is fetched ahead
        self.largest = LARGEST
        #: when the last batch was requested, and the last file read
        self.requested = self.last = 0.0
        #: numbers of reads: the last one, the one that began this run, and the one that began the loop
        self.turn = self.began = self.number = number

    def expect(
        self, identity: str, passed: Sequence[_Candidate], clips: tuple[str, str], window: int
    ) -> None:
        """A loop comes to that file next, if it goes on."""
        self.expected[identity] = _Next(tuple(passed), clips, window)
        self.expected.move_to_end(identity)
        while len(self.expected) > NEAR:
            self.expected.popitem(last=False)

    def note(self, identity: str, name: str, reader: _Reader) -> None:
        """A file was read."""
        self.read[identity] = reader
        while len(self.read) > max(NEAR, REMEMBERED // len(self.level.loops)):
            self.read.popitem(last=False)
        self._choose(name, True)

    def skip(self, name: str) -> None:
        """A file was passed over."""
        self.has_skipped = True
        self._choose(name, False)

    def _choose(self, name: str, is_read: bool) -> None:
        if len(self.choices) > 3 * NAMES:
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
        return self.reading(service, member, peers, name).result()

    def reading(
        self, service: Service, member: Entity, peers: Peers | None, name: str, task: object = None
    ) -> Future[bytes]:
        """The same on its way. `task`: the task of an event loop that reads it; None for this thread."""
        if peers is None or service.is_replaced:
            return reading(service, member.id, name)
        who = task or threading.current_thread()
        return service.wire.run(self._read, service, member, peers, name, who)

    def opened(self, service: Service, member: Entity, peers: Peers | None, name: str) -> bytes | str | None:
        """What is there already of a file that is read in parts: its content, its URL, or None.

        In a loop, small files that come next are fetched, and the URLs of the others.
        """
        if peers is None or service.is_replaced:
            return None
        who = threading.current_thread()
        return service.wire.run(self._opened, service, member, peers, name, who).result()

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
    async def _read(self, service: Service, member: Entity, peers: Peers, name: str, who: object) -> bytes:
        loop, entry, is_hit = self._turn(service, member, peers, name, who, whole=True)
        if entry is None:
            found = await content(service, member.id, name)
        else:
            found = await self._content(service, entry, is_hit)
        sizes = loop.level.sizes
        if len(sizes) > NAMES:
            sizes.clear()
        sizes[pattern_of(name)] = len(found)
        self._start(service)
        return found

    async def _opened(
        self, service: Service, member: Entity, peers: Peers, name: str, who: object
    ) -> bytes | str | None:
        _, entry, _ = self._turn(service, member, peers, name, who, whole=False)
        if entry is None:
            return None
        try:
            if entry.task is not None and not entry.has_ended:
                await self._wait(entry)
            if entry.content is not None:
                return entry.content
            if entry.error is not None:
                return None
            url = (await asyncio.shield(entry.batch.urls))[entry.number]
            return url if isinstance(url, str) else None
        finally:
            self._leave(entry)
            self._start(service)

    def _turn(
        self, service: Service, member: Entity, peers: Peers, name: str, who: object, *, whole: bool
    ) -> tuple[_Loop, _Entry | None, bool]:
        """A reader has come to `member`: what there is of it, and whether it was fetched ahead; request what comes next.

        `whole`: it is read as a whole, so that its URL may be requested together with those of its followers. An entry
        counts as wanted from here on, until `_leave`.
        """
        cache, now = service.cache, asyncio.get_running_loop().time()
        self._drop_stale(cache)
        level = self._level(peers, type(member))
        if self._timer is None:
            self._set_timer()
        self._turns += 1
        reader = level.readers.get(who)
        repeated = reader is not None and reader.latest == member.id
        if reader is None or not repeated:
            reader = self._joined(level, reader, who, member.id, now)
        loop = reader.loop
        reader.turn = loop.turn = self._turns
        loop.last = now
        loop.largest = LARGEST if whole else BLOCK
        if repeated:  # who reads a file again gets what it is then
            return loop, None, False
        left = service.room()
        # where no request is allowed any more, the caller's own raises
        entry = self._taken(loop, member.id, now, left is not None and left <= 0)
        window = self._goes_on(loop, member.id, entry)
        reader.latest = member.id
        if window is None:
            loop.began = self._turns
        loop.note(member.id, name, reader)
        enters = entry is None or not entry.batch.is_entered
        if entry is not None:
            entry.batch.is_entered = True
        wanted = count = 0
        if window is not None and (enters or loop.is_short) and (left is None or left > 0):
            share = MOST // (2 * sum(now - one.last < PACE for one in self._loops()))
            wanted = max(FIRST, min(share, window * (2 if now - loop.requested < PACE else 1)))
            wanted = min(wanted, LAST if entry is not None or not whole else LAST - 1)
            ahead = [one for one in self._entries.values() if not one.is_read and not one.wanted]
            if len(ahead) >= MOST:  # the oldest were passed over, or other loops have left them
                self._drop(ahead[: MOST // 4])
                ahead = ahead[MOST // 4 :]
            count = min(wanted, MOST - len(ahead))
        following = self._following(cache, loop, member, name, count, wanted or window or 0)
        if following:
            loop.requested = now
        own = _Candidate.of(member, name) if whole and entry is None else None
        if own is not None:
            return loop, self._request(service, loop, own, following, wanted, now), False
        if following:
            self._request(service, loop, None, following, wanted, now)
        return loop, entry, entry is not None

    def _level(self, peers: Peers, kind: type[Entity]) -> _Level:
        key = (id(peers), kind)
        found = self._levels.get(key)
        if found is None:
            found = self._levels[key] = _Level(peers, kind)
            while len(self._levels) > LEVELS:
                _, oldest = self._levels.popitem(last=False)
                for loop in list(oldest.loops):
                    self._end(loop)
        self._levels.move_to_end(key)
        return found

    def _loops(self) -> Iterator[_Loop]:
        return (loop for level in list(self._levels.values()) for loop in list(level.loops))

    def _joined(
        self, level: _Level, reader: _Reader | None, who: object, identity: str, now: float
    ) -> _Reader:
        """The reader, in the loop in which it comes to that file: its own one, another one that has not read the file, or a
        new one."""
        for idle in [one for one in level.loops if now - one.last > IDLE]:
            self._end(idle)
        former = reader.loop if reader is not None else None
        if reader is not None and former in level.loops and identity not in reader.loop.read:
            return reader
        is_again = former is not None and former.read.get(identity, reader) is reader
        expected = None if former is None or is_again else former.expected.pop(identity, None)
        # a reader that begins anew takes part in no loop in which it may have read before, and one that goes on in none
        after = -1 if reader is None else reader.turn
        others = level.loops if expected is None else ()
        open_ones = (one for one in reversed(others) if one.number > after and identity not in one.read)
        loop = next(open_ones, None)
        is_new = loop is None
        if loop is None:
            since = now if is_again else 0.0 if former is None else former.since
            loop = _Loop(level, self._turns, since, former)
            if expected is not None:
                loop.expected[identity] = expected
        if reader is None:
            reader = level.readers[who] = _Reader(weakref.ref(who), loop)
        reader.loop, reader.latest = loop, ""
        if is_new:
            for left in [one for one in level.loops if not any(level.readers_of(one))]:
                self._end(left)
            for oldest in sorted(level.loops, key=lambda one: one.turn)[: -LOOPS + 1]:
                self._end(oldest)
            level.loops.append(loop)
            for entry in self._entries.values():
                if entry.loop.level is level and entry.since >= loop.since:
                    entry.loops.add(loop)
        return reader

    def _goes_on(self, loop: _Loop, identity: str, entry: _Entry | None) -> int | None:
        """The window of the loop that comes to this file, None if it has just begun. Notes what it has passed over."""
        expected = loop.expected.pop(identity, None)
        if expected is not None:
            for other in expected.passed:
                if other.id in loop.read:
                    continue
                if other.clip in expected.clips:  # trials in between may be other threads'
                    loop.skip(other.name)
                skipped = self._entries.get(other.id)
                if skipped is not None and loop in skipped.loops:
                    readers = loop.level.readers_of(loop)
                    if next(readers, None) is not None and next(readers, None) is None:
                        self._pass(loop, [skipped])
        if entry is not None and (entry.loop is loop or expected is not None):
            return entry.batch.window
        return loop.cut if expected is None else expected.window

    def _following(
        self, cache: Cache, loop: _Loop, member: Entity, name: str, count: int, window: int
    ) -> list[_Candidate]:
        """Up to `count` files that are read after `member`, if its loop goes on. Notes what is expected next: the next
        file, the next of that pattern of names, and the next of that name."""
        found: list[_Candidate] = []
        passed: list[_Candidate] = []
        clip = _Candidate.of(member, name).clip
        expected = {"next", "pattern", "name"}
        pattern = pattern_of(name)
        loop.cut = None
        is_short = False
        with cache.lock:
            for number, one in enumerate(loop.level.peers.members(cache.objects, member)):
                if isinstance(one, UnloadedParent):
                    is_short = len(found) < count
                    if "next" in expected or (loop.has_skipped and "pattern" in expected):
                        loop.cut = window
                    break
                if number > LOOK or (not expected and len(found) >= count):
                    break
                other = readable_name(one) if number and type(one) is loop.level.kind else None
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
                        loop.expect(one.id, passed, (clip, candidate.clip), window)
                        expected -= fits
                    passed.append(candidate)
                    if len(passed) >= NEAR:
                        expected.clear()
                if len(found) >= count or one.id in loop.read or not loop.predicts(other):
                    continue
                held = self._entries.get(one.id)
                if held is not None and held.since >= loop.since:
                    held.loops.add(loop)
                else:
                    found.append(candidate)
            if not passed and not loop.level.peers.window.full:
                loop.cut = window  # of members that are picked, those that come next may not be listed yet
        if count:
            loop.is_short = is_short
        return found

    # entries ---------------------------------------------------------------------------------------------------
    def _request(
        self,
        service: Service,
        loop: _Loop,
        own: _Candidate | None,
        following: Sequence[_Candidate],
        window: int,
        now: float,
    ) -> _Entry:
        """Request the URLs of files, and then their bytes; the entry of the first one, which is wanted if it is `own`."""
        files = [own, *following] if own is not None else list(following)
        task = asyncio.ensure_future(_urls(service, [one.id for one in files]))
        self._requests.add(task)
        task.add_done_callback(self._requests.discard)
        batch = _Batch(task, len(files), window)
        clock = service.cache.clock
        others = [
            one
            for one in loop.level.loops
            if one is not loop and now - one.last < PACE and any(loop.level.readers_of(one))
        ]
        entries = []
        for number, one in enumerate(files):
            loops = {other for other in others if one.id not in other.read and other.predicts(one.name)}
            if one is not own:
                loops.add(loop)
            pattern = pattern_of(one.name)
            entry = _Entry(one.id, one.name, pattern, loop, loops, batch, number, one.keys, clock, now)
            former = self._entries.get(one.id)
            if former is not None:  # too old for this loop
                loops |= former.loops
                self._drop([former])
            self._entries[one.id] = entry
            entries.append(entry)
        batch.entries.update(entries)
        if own is not None:
            entries[0].wanted = 1
            self._run(service, entries[0])
        self._waiting.extend(entries if own is None else entries[1:])
        self._start(service)
        return entries[0]

    def _start(self, service: Service) -> None:
        """Start what there is room for, in order."""
        while self._waiting and self._running < JOBS:
            entry = self._waiting[0]
            size = entry.loop.level.sizes.get(entry.pattern, 0)
            if entry.dropped or entry.wanted or entry.task is not None or size > entry.loop.largest:
                self._waiting.popleft()
                continue
            if self.held + size > self.limit and not self._make_room(entry.loop, size):
                return
            self._waiting.popleft()
            self._count(entry, size)
            self._run(service, entry)

    def _make_room(self, loop: _Loop, size: int) -> bool:
        """Drop what loops have left that nobody has read in since this one began, or whose readers have ended; whether
        there is room then."""
        for other in self._loops():
            if other is not loop and (other.turn < loop.began or not any(other.level.readers_of(other))):
                self._pass(other)
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
            entry.loop.level.sizes[entry.pattern] = size
            if size > entry.loop.largest:
                raise NoRoomError
            if self.held > self.limit and not self._make_room(entry.loop, 0):
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
        if entry.wanted or entry.dropped:
            self._count(entry, None)
        else:
            self._count(entry, None if entry.content is None else len(entry.content))
            if isinstance(entry.error, NoRoomError):  # its URL is known all the same
                entry.error = entry.task = None
                if entry.loop.level.sizes.get(entry.pattern, 0) <= entry.loop.largest:
                    self._waiting.appendleft(entry)
        if entry.dropped and not entry.wanted:
            entry.content = None
        for waiter in entry.waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._start(service)

    async def _content(self, service: Service, entry: _Entry, is_hit: bool) -> bytes:
        """The content of a file that its reader has come to."""
        try:
            if entry.task is None and not entry.has_ended:
                self._run(service, entry)
            if not entry.has_ended:
                await self._wait(entry)
            found, error = entry.content, entry.error
        finally:
            self._leave(entry)
        if found is not None:
            return found
        assert error is not None
        # what failed ahead of its reader is tried again for it, and so is what may have failed for its neighbours
        shared = entry.batch.count > 1 and not isinstance(error, BudgetError)
        if is_hit or shared:
            return await content(service, entry.id, entry.name)
        raise error

    async def _wait(self, entry: _Entry) -> None:
        waiter = asyncio.get_running_loop().create_future()
        entry.waiters.append(waiter)
        try:
            await waiter
        finally:
            entry.waiters.remove(waiter)

    def _taken(self, loop: _Loop, identity: str, now: float, sends_nothing: bool) -> _Entry | None:
        """The entry of a file that a reader of the loop has come to, if there is one that it may have."""
        entry = self._entries.get(identity)
        if entry is None or entry.since < loop.since:
            return None
        if entry.is_old(now) or (sends_nothing and entry.task is None):
            self._drop([entry])
            return None
        entry.loops.discard(loop)
        entry.wanted += 1
        if not entry.loops:
            self._count(entry, None)
        return entry

    def _leave(self, entry: _Entry) -> None:
        """One of its readers has it, or does not want it any more: keep it for other loops, if there are any."""
        entry.wanted -= 1
        entry.is_read = True
        if entry.wanted:
            return
        if entry.dropped or not entry.loops:
            self._drop([entry])
        elif entry.content is not None:
            self._count(entry, len(entry.content))
            kept = [one.size for one in self._entries.values() if one.is_read]
            if sum(kept) > self.limit // 2 or self.held > self.limit or len(kept) > KEPT:
                self._drop([entry])

    def _count(self, entry: _Entry, size: int | None) -> None:
        """Count a file's bytes; None for a file that is not held any more."""
        self.held += (size or 0) - entry.size
        entry.size = size or 0

    # dropping --------------------------------------------------------------------------------------------------
    def _drop(self, entries: Sequence[_Entry]) -> None:
        for entry in entries:
            entry.dropped = True
            entry.loops.clear()
            if self._entries.get(entry.id) is entry:
                del self._entries[entry.id]
            self._count(entry, None)
            if entry.wanted:
                continue  # its readers have it
            entry.content = None
            if entry.task is not None and not entry.has_ended:
                entry.task.cancel()
            entry.batch.entries.discard(entry)
            if not entry.batch.entries:
                entry.batch.urls.cancel()

    def _pass(self, loop: _Loop, entries: Iterable[_Entry] | None = None) -> None:
        """The loop does not come to those files (to any of them): drop what no other loop comes to."""
        for entry in list(self._entries.values()) if entries is None else entries:
            entry.loops.discard(loop)
            if not entry.loops and not entry.wanted:
                self._drop([entry])

    def _end(self, loop: _Loop) -> None:
        loop.level.loops.remove(loop)
        self._pass(loop)

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
        for loop in self._loops():
            if now - loop.last >= IDLE:
                self._end(loop)
        self._drop([one for one in self._entries.values() if not one.wanted and one.is_old(now)])
        for key in [key for key, level in self._levels.items() if not level.loops]:
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
