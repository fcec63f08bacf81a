"""Where the bytes of a download go: a temporary file beside the target, memory, or a digest.

The temporary file is `.moveshelf-<digest of the target's name>-<token>.part`, one for each download of each process:
nobody else writes to it, whatever locks are worth on the file system. The token tells which process made it, also
where that died before it could write anything else down. Its sidecar, `….part.json`, holds what the store
said of the object (entity tag, size, checksum), the id that the service gives it, and the process that is at work. A file
that was left behind is taken over by renaming it, which one process alone can do. Before it gets the target's name it is
written through to the disk, and verified as it lies there.

Methods wait for the disk and belong on a worker thread, but for `take` and what else says so.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import stat
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import attrs

from ..errors import ChecksumError, TargetExistsError, TransferError
from .blob import Stored
from .checksum import Crc32c, chunks
from .encoding import Unpacker, decoded, known
from .locks import Owner, try_lock
from .names import PART_PREFIX
from .paths import long_path, refuse_links

UNKNOWN = Stored()
BLOCK = 1 << 20
"""Bytes that go to the disk at once. A smaller file is in memory until it is whole."""
FLUSH = 16 << 20
"""Bytes after which the system begins to write them to the disk itself: 1 GiB is done a fifth sooner."""
PIECE = 1 << 17
"""Bytes of one call to the system. For larger ones Linux looks for larger pages, which a virtual machine may have to
get from its host first: five times as slow."""
MOST_UNPACKED = 1 << 30
"""Bytes of content that packed bytes may become in memory."""
_SIDECAR = 1 << 16
_NAME = re.compile(
    re.escape(PART_PREFIX)
    # the target; the process by computer, number and beginning; what tells its files apart
    + r"([0-9a-f]{16})(?:-(?:([0-9a-f]{8})([0-9a-f]{8})([0-9a-f]{8}))?[0-9a-f]{1,8})?\.part"
)
_BESIDE = re.compile(r"(\.part)(?:\.[0-9a-f]+)?\.json$")
"""The end of a sidecar's name, or of one that was being written."""
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class PartLostError(TransferError):
    """Another process has taken the temporary file, or removed it: the download starts over."""


@attrs.frozen
class Finished:
    """What has become of a download: the content's size and CRC-32C; `there`: the target had these bytes already."""

    size: int
    crc32c: str
    there: bool = False


class Sink(ABC):
    """Takes the bytes of one download, in order. `offset` counts them, `known` is what the store said of them."""

    name: str

    def __init__(self) -> None:
        self.known = UNKNOWN
        self.offset = 0
        self._crc = Crc32c()

    @property
    def complete(self) -> bool:
        """Whether all bytes are there, as far as the size is known."""
        return self.known.size is not None and self.offset == self.known.size

    @property
    def resumable(self) -> bool:
        """Whether a download can go on from here: the store can continue the same object."""
        return self.known.etag is not None and not self.known.encoding

    @property
    def unfinished(self) -> bool:
        """Whether there is something to keep or to tidy. No disk here."""
        return False

    def begun(self) -> bool:
        """Whether an earlier run may have left something."""
        return False

    def resume(self) -> None:  # noqa: B027  # only files on the disk outlive a run
        """Take over what an earlier run has left, if it is of this object."""

    def begin(self, stored: Stored) -> None:
        """A first response has come: what it tells holds for the bytes to come. No disk here."""
        self.known = stored

    @abstractmethod
    def take(self, chunk: bytes) -> memoryview:
        """The next bytes. Those that have no room left are returned: for `take_rest`, after `write`. No disk here."""

    def take_rest(self, rest: memoryview) -> memoryview:
        """What was left of a chunk."""
        raise AssertionError("nothing was left")

    def handed_over(self) -> memoryview:
        """What waits for `write` on another thread, while more is taken. The one before must have been written."""
        return memoryview(b"")

    def write(self, block: memoryview) -> None:  # noqa: B027  # the others take all at once
        """Put bytes on the disk, after those before."""

    @abstractmethod
    def finish(self, block: memoryview, overwrite: bool) -> Finished:
        """Write the rest, verify, and put it in its place. Raises ChecksumError, and then nothing is in place."""

    def leave(self) -> None:
        """End without finishing: keep what can be continued, remove what cannot."""
        self.discard()

    def discard(self) -> None:
        """Drop all bytes so far, here and on the disk."""
        self.offset = 0
        self.known = UNKNOWN
        self._crc = Crc32c()

    def _check(self, crc: str | None = None, content: str | None = None) -> None:
        """Raise ChecksumError where the bytes are not those that the store has.

        `content` is the checksum of the unpacked bytes: where something on the way has packed them, the store's is
        that.
        """
        size = self.known.size
        if size is not None and self.offset != size:
            raise ChecksumError(f"{self.name}: {self.offset:,} bytes arrived of {size:,}.")
        arrived = crc or self._crc.base64()
        if self.known.crc32c is None:
            raise TransferError(f"{self.name}: the store sent no checksum to verify the bytes by.")
        if self.known.crc32c not in (arrived, content):
            raise ChecksumError(
                f"{self.name}: the bytes that arrived have the CRC-32C {content or arrived}, those in the store "
                f"{self.known.crc32c}. Nothing was kept of them."
            )

    def _content(self, parts: Iterable[bytes]) -> Iterator[bytes]:
        """The parts, unpacked where they are packed. Raises ChecksumError where they are not what they are said to be."""
        encoding = self.known.encoding
        if not encoding:
            yield from parts
            return
        if not known(encoding):
            raise TransferError(
                f"{self.name}: it came packed as {encoding!r}, which cannot be unpacked here."
            )
        try:
            yield from decoded(parts, encoding)
        except ValueError as error:
            raise ChecksumError(f"{self.name}: {error}. Nothing was kept of it.") from None


class MemorySink(Sink):
    """Bytes that are wanted in memory: `data` holds the content in the end."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.data = b""
        self._parts: list[bytes] = []

    def take(self, chunk: bytes) -> memoryview:
        self.offset += len(chunk)
        self._crc.update(chunk)
        self._parts.append(chunk)
        return memoryview(b"")

    def finish(self, block: memoryview, overwrite: bool) -> Finished:
        if not self.known.encoding:
            self._check()
            self.data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        else:
            content = bytearray()
            for part in self._content(self._parts):
                content += part
                if len(content) > MOST_UNPACKED:
                    raise TransferError(
                        f"{self.name}: {self.offset:,} packed bytes are more than {MOST_UNPACKED:,} unpacked, too many "
                        "for memory: download() it to a folder."
                    )
            self.data = bytes(content)
            self._check(content=Crc32c(self.data).base64())
        self._parts = []
        return Finished(
            len(self.data), Crc32c(self.data).base64() if self.known.encoding else self._crc.base64()
        )

    def discard(self) -> None:
        super().discard()
        self._parts = []


class DigestSink(Sink):
    """Bytes of which only size, CRC-32C and MD5 of the content are wanted; in constant memory."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self._reset()

    @property
    def md5(self) -> str:
        """Of the content, as hexadecimal digits."""
        return self._md5.hexdigest()

    def _reset(self) -> None:
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._size = 0
        self._content_crc = Crc32c()
        self._unpacker: Unpacker | None = None

    def take(self, chunk: bytes) -> memoryview:
        self.offset += len(chunk)
        self._crc.update(chunk)
        for piece in self._unpacked(chunk) if self.known.encoding else (chunk,):
            self._md5.update(piece)
            self._content_crc.update(piece)
            self._size += len(piece)
        return memoryview(b"")

    def _unpacked(self, chunk: bytes) -> Iterator[bytes]:
        try:
            if self._unpacker is None:
                self._unpacker = Unpacker(self.known.encoding)
            yield from self._unpacker.feed(chunk)
        except ValueError as error:
            raise ChecksumError(f"{self.name}: {error}.") from None

    def finish(self, block: memoryview, overwrite: bool) -> Finished:
        if self._unpacker is not None:
            try:
                self._unpacker.end()
            except ValueError as error:
                raise ChecksumError(f"{self.name}: {error}.") from None
        crc = self._content_crc.base64()
        self._check(content=crc)
        return Finished(self._size, crc)

    def discard(self) -> None:
        super().discard()
        self._reset()


class Leftovers:
    """The temporary files that earlier runs have left, by the target that they are for. A folder is listed once."""

    def __init__(self) -> None:
        self._folders: dict[str, dict[str, list[str]]] = {}
        self._lock = threading.Lock()

    def of(self, target: Path) -> list[str]:
        """The paths of those for this target, as they were when the folder was listed."""
        folder = os.path.dirname(target)
        with self._lock:
            found = self._folders.get(folder)
            if found is None:
                found = self._folders[folder] = self._list(folder)
        return found.get(digest_of(target), [])

    def _list(self, folder: str) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        try:
            with os.scandir(long_path(folder or ".")) as entries:
                for entry in entries:
                    match = _NAME.fullmatch(entry.name) if entry.name.startswith(PART_PREFIX) else None
                    if match is not None:
                        found.setdefault(match[1], []).append(os.path.join(folder, entry.name))
        except OSError:
            return {}
        return {digest: sorted(paths) for digest, paths in found.items()}


def digest_of(target: Path) -> str:
    """What stands for a target's name in the names of its temporary files."""
    return _digest(target.name, 8)


def _digest(text: str, size: int) -> str:
    return hashlib.blake2s(text.encode("utf-8", "surrogatepass"), digest_size=size).hexdigest()


def _token() -> str:
    """The part of a temporary file's name that says which process made it, different for each."""
    return _process(os.getpid()) + secrets.token_hex(4)


@lru_cache(maxsize=1)
def _process(pid: int) -> str:
    me = Owner.of(pid)
    return f"{_digest(me.host, 4)}{pid & 0xFFFFFFFF:08x}{_digest(me.started, 4)}"


def _maker(name: str) -> Owner | None:
    """The process in a temporary file's name; None for a name without one."""
    match = _NAME.fullmatch(name)
    if match is None or match[2] is None:
        return None
    pid = int(match[3], 16)
    host = Owner.current().host
    if match[2] != _digest(host, 4):
        return Owner("", pid)
    started = Owner.of(pid).started
    return Owner(host, pid, started if match[4] == _digest(started, 4) else "another time")


def _abandoned(path: str, saved: dict[str, Any]) -> bool:
    """Whether nobody works on a temporary file; `saved` is what its sidecar says."""
    if path in _active:
        return False
    try:
        changed = os.lstat(path).st_mtime
    except FileNotFoundError:
        changed = 0.0
    except OSError:
        return False
    if saved:
        owner = Owner.read(saved.get("owner"))
        return owner is None or owner.ours or not owner.alive(changed)
    owner = _maker(os.path.basename(path)) or Owner("", 1)
    # without a sidecar it may just be being made
    return owner.ours or not owner.alive(changed)


def tidy(folders: Iterable[Path]) -> None:
    """Remove what dead downloads have left in each of the folders and nobody can continue. Never raises.

    A process can die before it has written a sidecar, or after a file got its name and before its temporary one lost its
    own, or before its sidecar was removed.
    """
    for folder in folders:
        place = os.fspath(folder)
        with suppress(OSError):
            names = [name for name in os.listdir(long_path(place)) if name.startswith(PART_PREFIX)]
            if names:
                _tidy(place, names)


def _tidy(folder: str, names: list[str]) -> None:
    parts = {name: long_path(os.path.join(folder, name)) for name in names if _NAME.fullmatch(name)}
    for name, path in list(parts.items()):
        saved = _sidecar(path)
        with suppress(OSError):
            # a second name of its own: the file is in place, under its first
            if (not saved or os.lstat(path).st_nlink > 1) and _abandoned(path, saved):
                os.unlink(path)
                del parts[name]
    for name in names:
        part = _BESIDE.sub(r"\1", name)
        alone = part != name and part not in parts and _NAME.fullmatch(part)
        if alone and _abandoned(long_path(os.path.join(folder, part)), {}):
            with suppress(OSError):
                os.unlink(long_path(os.path.join(folder, name)))


_active: set[str] = set()
"""The temporary files that this process works on now: of its others, anybody may take over what was left."""


class PartFile(Sink):
    """A temporary file beside its target.

    Bytes are gathered in a block of memory while another is written, the same two by turns: to keep them as they came
    would take new memory all the time, which costs more than the writing.
    """

    def __init__(
        self, target: Path, key: str, *, root: Path | None = None, leftovers: Leftovers | None = None
    ) -> None:
        """`key`: the id of what is downloaded, so that only its own beginning is continued. `root`: the folder that the
        user chose; between it and the target no folder may be a link."""
        super().__init__()
        self.target = target
        self.key = key
        self.root = root
        self.name = str(target)
        self._leftovers = leftovers or Leftovers()
        self._place = long_path(os.fspath(target))
        self.path = ""
        self._rename()
        self._block: bytearray | None = None
        self._spare: bytearray | None = None
        self._begin = 0  # where in the file the block begins
        self._filled = 0  # bytes in it
        self._torn = False  # a write failed: what comes after it has no place
        self._descriptor: int | None = None
        self._noted = False  # there is a sidecar
        self._flushed = 0  # up to where the system was told to write to the disk

    @property
    def unfinished(self) -> bool:
        return self._descriptor is not None or self._filled > 0

    def begun(self) -> bool:
        return bool(self._leftovers.of(self.target))

    def resume(self) -> None:
        paths = self._leftovers.of(self.target)
        while paths and self._descriptor is None:
            self._take_over(paths.pop(0))

    def take(self, chunk: bytes) -> memoryview:
        self._crc.update(chunk)
        return self.take_rest(memoryview(chunk))

    def take_rest(self, rest: memoryview) -> memoryview:
        if self._block is None:
            self._block = bytearray(min(self.known.size or BLOCK, BLOCK) or 1)
        # blocks end at multiples of their size, also after a beginning from an earlier run
        end = min(len(self._block), BLOCK - self._begin % BLOCK)
        room = memoryview(self._block)[self._filled : end]
        part = rest[: len(room)]
        room[: len(part)] = part
        self._filled += len(part)
        self.offset += len(part)
        return rest[len(part) :]

    def handed_over(self) -> memoryview:
        block = memoryview(self._block or b"")[: self._filled]
        self._block, self._spare = self._spare, self._block
        self._begin += self._filled
        self._filled = 0
        return block

    def write(self, block: memoryview) -> None:
        descriptor = self._descriptor
        if descriptor is None:
            descriptor = self._open()
        self._torn = True  # unless all of it gets there
        while block:
            block = block[os.write(descriptor, block[:PIECE]) :]
        self._torn = False
        if self.offset - self._flushed >= FLUSH:
            self._start_flush(descriptor)

    def _start_flush(self, descriptor: int) -> None:
        """Have the system begin to write to the disk what it has taken, so that the last flush finds little to do."""
        at = os.lseek(descriptor, 0, os.SEEK_CUR)
        if hasattr(os, "posix_fadvise"):
            with suppress(OSError):  # only advice
                os.posix_fadvise(descriptor, self._flushed, at - self._flushed, os.POSIX_FADV_DONTNEED)
        self._flushed = at

    def finish(self, block: memoryview, overwrite: bool) -> Finished:
        """Write the rest, verify it as it lies on the disk, and put it in its place.

        Raises ChecksumError, and then nothing is in place; TargetExistsError where something else has come to be there;
        PartLostError where another process has taken the file.
        """
        self.write(block)
        descriptor = self._descriptor
        assert descriptor is not None
        if not self.known.encoding:
            self._check()  # before the disk is troubled
        _flush(descriptor)
        if self.known.encoding:
            return self._finish_packed(descriptor, overwrite)
        size, crc = self._on_disk(descriptor)
        if (size, crc) != (self.offset, self._crc.base64()):
            raise PartLostError(
                f"{self.path} does not hold what was written to it: another program has changed it."
            )
        return self._put_in_place(size, crc, overwrite)

    def _finish_packed(self, descriptor: int, overwrite: bool) -> Finished:
        """The same for bytes that came packed: the content gets the name."""
        packed, self._descriptor = self.path, None
        try:
            self._rename()
            self._descriptor = self._create()
            received, content = Crc32c(), Crc32c()

            def parts() -> Iterator[bytes]:
                for part in _read(descriptor):
                    received.update(part)
                    yield part

            for part in self._content(parts()):
                content.update(part)
                view = memoryview(part)
                while view:
                    view = view[os.write(self._descriptor, view) :]
            self._check(received.base64(), content.base64())
            _flush(self._descriptor)
            size, crc = self._on_disk(self._descriptor)
            if crc != content.base64():
                raise PartLostError(f"{self.path} does not hold what was written to it.")
            return self._put_in_place(size, crc, overwrite)
        finally:
            _remove(packed, descriptor)
            os.close(descriptor)
            _active.discard(packed)

    def _on_disk(self, descriptor: int) -> tuple[int, str]:
        """Size and CRC-32C of what the file holds now; it is ours and has its name."""
        if not _is(descriptor, self.path):
            raise PartLostError(f"{self.path} was taken by another program.")
        crc, size = Crc32c(), 0
        for part in _read(descriptor):
            crc.update(part)
            size += len(part)
        return size, crc.base64()

    def _put_in_place(self, size: int, crc: str, overwrite: bool) -> Finished:
        if self.root is not None:
            refuse_links(self.root, self.target.parent)
        if os.name == "nt":
            self._close()  # Windows renames no open file
        try:
            there = not self._placed(overwrite)
        except OSError as error:
            raise TransferError(f"{self.target} cannot be put in place: {error.strerror or error}.") from None
        if there:
            if same_content(self.target, size, crc):
                self.discard()
                self.offset = size
                return Finished(size, crc, there=True)
            raise TargetExistsError(
                f"{self.target} has come to exist meanwhile, with other content; it was left as it is."
            )
        _active.discard(self.path)
        self._close()
        self._remove_sidecar()
        self._remove_others()
        return Finished(size, crc)

    def _remove_others(self) -> None:
        """The file is in place: what other dead downloads of it have left is of no use any more."""
        for path in self._leftovers.of(self.target):
            if _abandoned(path, _sidecar(path)):
                for name in (path + ".json", path):  # bytes without a sidecar are never continued
                    with suppress(OSError):
                        os.unlink(name)

    def _placed(self, overwrite: bool) -> bool:
        """Give it the target's name. False where something has that name already and is to stay."""
        if overwrite:
            os.replace(self.path, self._place)
            return True
        if os.name != "nt":
            try:
                os.link(self.path, self._place)  # the one way that never replaces
            except FileExistsError:
                return False
            except OSError:
                pass  # a file system without links
            else:
                os.unlink(self.path)
                return True
        if os.path.lexists(self._place):
            return False
        try:
            os.rename(self.path, self._place)
        except FileExistsError:
            return False
        return True

    def leave(self) -> None:
        """Keep what can be continued, by any process; remove the rest."""
        if self.resumable and self._written():
            self._note(None)
            self._close()
            _active.discard(self.path)
        else:
            self.discard()

    def _written(self) -> bool:
        with suppress(OSError):
            if not self._torn:
                self.write(self.handed_over())
            return self._descriptor is not None and _is(self._descriptor, self.path)
        return False

    def discard(self) -> None:
        super().discard()
        self._begin = self._filled = self._flushed = 0
        self._block = self._spare = None
        self._torn = False
        descriptor = self._descriptor
        if descriptor is not None:
            self._remove_sidecar()  # first: bytes without it are never continued
            if os.name == "nt":
                self._close()
                with suppress(OSError):
                    os.unlink(self.path)
            else:
                _remove(self.path, descriptor)
                self._close()
        _active.discard(self.path)
        self._rename()

    # -- the file and its sidecar

    def _rename(self) -> None:
        folder = os.path.dirname(self._place)
        name = f"{PART_PREFIX}{digest_of(self.target)}-{_token()}.part"
        self.path = os.path.join(folder, name)

    def _open(self) -> int:
        if self.root is not None:
            refuse_links(self.root, self.target.parent)
        try:
            descriptor = self._create()
        except FileNotFoundError:
            os.makedirs(os.path.dirname(self._place), exist_ok=True)
            descriptor = self._create()
        self._descriptor = descriptor
        if self.resumable and not self.complete:
            self._note(Owner.current())
        return descriptor

    def _create(self) -> int:
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _NOFOLLOW, 0o666)
        _active.add(self.path)
        try_lock(descriptor)
        return descriptor

    def _note(self, owner: Owner | None) -> None:
        """Write the sidecar; without an owner the file is free for others."""
        record = {
            "key": self.key,
            "etag": self.known.etag,
            "size": self.known.size,
            "crc32c": self.known.crc32c,
            "owner": attrs.asdict(owner) if owner is not None else None,
        }
        new = f"{self.path}.{secrets.token_hex(4)}.json"
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NOFOLLOW, 0o666)
        try:
            os.write(descriptor, json.dumps(record).encode())
        finally:
            os.close(descriptor)
        os.replace(new, self.path + ".json")  # in place of whatever is there, not through it
        self._noted = True

    def _remove_sidecar(self) -> None:
        if self._noted:
            self._noted = False
            with suppress(OSError):
                os.unlink(self.path + ".json")

    def _take_over(self, path: str) -> None:
        """Make a file that was left behind ours, if nobody works on it; remove it where it is of no use."""
        saved = _sidecar(path)
        if not _abandoned(path, saved):
            return
        descriptor = self._claim(path)
        if descriptor is None:
            return
        with suppress(OSError):
            os.unlink(path + ".json")
        stored = _stored(saved) if saved.get("key") == self.key else None
        size = os.fstat(descriptor).st_size
        self._descriptor = descriptor
        if stored is None or (stored.size is not None and size > stored.size):
            self.discard()
            return
        for chunk in _read(descriptor):
            self._crc.update(chunk)
            self.offset += len(chunk)
        os.lseek(descriptor, self.offset, os.SEEK_SET)
        self.known = stored
        self._begin = self.offset
        self._note(Owner.current())

    def _claim(self, path: str) -> int | None:
        """The file under our own name, open and locked. None where another has it, or it is not what it seems: a link,
        or a file with a second name elsewhere, into which bytes would go."""
        renamed = False
        try:
            if os.name == "nt":
                os.rename(path, self.path)
                renamed = True
            descriptor = os.open(self.path if renamed else path, os.O_RDWR | _NOFOLLOW)
        except OSError:
            return None
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and try_lock(descriptor):
            try:
                if not renamed:
                    os.rename(path, self.path)  # of several that try, one succeeds
                if _is(descriptor, self.path):
                    _active.add(self.path)
                    return descriptor
            except OSError:
                pass
        os.close(descriptor)
        return None

    def _close(self) -> None:
        self._block = self._spare = None
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def same_content(path: Path, size: int, crc32c: str) -> bool:
    """Whether a regular file has this content."""
    place = long_path(os.fspath(path))
    try:
        if not stat.S_ISREG(os.stat(place).st_mode):
            return False
        descriptor = os.open(place, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError:
        return False
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size != size:
            return False
        crc = Crc32c()
        for part in _read(descriptor):
            crc.update(part)
        return crc.base64() == crc32c
    except OSError:
        return False
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> Iterator[bytes]:
    """The whole file, whatever the descriptor's place in it was."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    with open(descriptor, "rb", buffering=0, closefd=False) as stream:
        yield from chunks(stream)


def _flush(descriptor: int) -> None:
    """Have the bytes written through to the disk, where the file system knows how."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
            raise


def _is(descriptor: int, path: str) -> bool:
    """Whether the open file is the one of that name, and has no second name."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return os.path.samestat(os.fstat(descriptor), status) and status.st_nlink == 1


def _remove(path: str, descriptor: int) -> None:
    """Remove the open file; nothing else that may have its name by now."""
    with suppress(OSError):
        if _is(descriptor, path):
            os.unlink(path)


def _sidecar(path: str) -> dict[str, Any]:
    """What the sidecar says; nothing where there is none, or it is not a plain small file."""
    try:
        descriptor = os.open(path + ".json", os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _NOFOLLOW)
    except OSError:
        return {}
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _SIDECAR:
            return {}
        saved = json.loads(os.read(descriptor, _SIDECAR))
    except (OSError, ValueError, RecursionError):
        return {}
    finally:
        os.close(descriptor)
    return saved if isinstance(saved, dict) else {}


def _stored(saved: dict[str, Any]) -> Stored | None:
    """What the sidecar tells of the object; None where a download cannot go on by it."""
    size, crc, etag = saved.get("size"), saved.get("crc32c"), saved.get("etag")
    if not isinstance(etag, str) or not isinstance(crc, str) or not etag:
        return None
    if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 0):
        return None
    return Stored(size, crc, etag)
