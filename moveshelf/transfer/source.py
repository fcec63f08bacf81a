"""What is uploaded: a file or a stream that is read twice, once for its checksum and once for the store.

Regular files only: a pipe or a device would block for ever, or never end. They are refused before they are opened.
"""

from __future__ import annotations

import io
import os
import stat
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import attrs

from ..errors import TransferError, ValidationError
from .checksum import CHUNK, Crc32c, chunks
from .paths import local_path, long_path


class ChangedError(TransferError):
    """The file is not the one any more whose checksum was taken; it was refused, not sent."""


class Source:
    """The bytes of one upload. `size` and `crc32c` are known after `prepare`. Methods wait for the disk."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.size = 0
        self.crc32c = ""

    def prepare(self) -> None:
        """Read it all once, in constant memory, for size and checksum."""
        raise NotImplementedError

    def open(self) -> Reader:
        """Its bytes from the start. Raises ChangedError where it is known to have changed since `prepare`."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of what `prepare` holds."""


@attrs.frozen
class Upload:
    """What a user gave to be uploaded: its bytes, the name that it gets, and its size as far as it is known (0)."""

    source: Source
    name: str
    size: int


def source_of(file: Any, name: str | None, checked_name: Callable[[str], str]) -> Upload:
    """What `file` is: a path (`~` is a home folder), or a binary file that is open for reading.

    `checked_name` says how a name is written on the service, and refuses what cannot be one. Nothing is read yet. Raises
    FileNotFoundError, IsADirectoryError, and ValidationError for what is not a regular file or has no usable name.
    """
    if isinstance(file, (str, bytes, os.PathLike)):
        path = local_path(file)
        status = regular_file(path)
        return Upload(
            FileSource(path), checked_name(text_name(path.name if name is None else name)), status.st_size
        )
    if name is None:
        own = getattr(file, "name", None)
        if not isinstance(own, str) or not os.path.basename(own) or own.startswith("<"):
            raise ValidationError("a stream has no name of its own: give name='angles.json'")
        name = os.path.basename(own)
    checked = checked_name(text_name(name))
    return Upload(StreamSource(file, f"the stream for {checked!r}"), checked, 0)


def text_name(name: str) -> str:
    """The name, if it is text. Raises ValidationError for one that the disk has in another encoding than UTF-8, and that
    no request can hold."""
    try:
        name.encode()
    except AttributeError:
        raise ValidationError(f"{name!r} is not a name: give a text") from None
    except UnicodeEncodeError:
        shown = name.encode("utf-8", "backslashreplace").decode()
        raise ValidationError(f"the name '{shown}' is not valid UTF-8: rename it, or give name=...") from None
    return name


def regular_file(path: Path) -> os.stat_result:
    """The status of a regular file, links followed; without opening it.

    Raises FileNotFoundError, IsADirectoryError, and ValidationError for a pipe, a device or a socket. All name the path.
    """
    place = long_path(os.fspath(path))
    try:
        status = os.stat(place)
    except FileNotFoundError:
        if os.path.islink(place):
            target = os.readlink(place)
            raise FileNotFoundError(
                f"{os.fspath(path)!r} is a link to {target!r}, which does not exist"
            ) from None
        raise FileNotFoundError(f"there is no file {os.fspath(path)!r}") from None
    except NotADirectoryError:
        raise FileNotFoundError(
            f"there is no file {os.fspath(path)!r}: a part of its path is a file"
        ) from None
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(f"{os.fspath(path)!r} is a folder: project.upload_tree(...) sends those")
    what = not_regular(status.st_mode)
    if what:
        raise ValidationError(
            f"{os.fspath(path)!r} is {what}, not a regular file: save its content to one first"
        )
    return status


def not_regular(mode: int) -> str:
    """What is no regular file, in words; nothing for one."""
    if stat.S_ISREG(mode):
        return ""
    kinds = {
        stat.S_IFIFO: "a named pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
        stat.S_IFDIR: "a folder",
    }
    return kinds.get(stat.S_IFMT(mode), "something else")


def open_regular(path: Path) -> BinaryIO:
    """A regular file, open for reading without a buffer. Never waits; raises what `regular_file` does."""
    regular_file(path)
    flags = (
        os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    )
    descriptor = os.open(long_path(os.fspath(path)), flags)
    what = not_regular(os.fstat(descriptor).st_mode)
    if what:  # something else has come there since it was looked at
        os.close(descriptor)
        raise ValidationError(f"{os.fspath(path)!r} is {what}, not a regular file")
    return open(descriptor, "rb", buffering=0)


class FileSource(Source):
    """A file on the disk."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = local_path(path)
        super().__init__(str(self.path))
        self._stamp: tuple[int, ...] = ()

    def prepare(self) -> None:
        with open_regular(self.path) as stream:
            before = _stamp(stream.fileno())
            crc = Crc32c()
            size = 0
            for chunk in chunks(stream):
                crc.update(chunk)
                size += len(chunk)
            after = _stamp(stream.fileno())
        if before != after or size != after[0]:
            raise ChangedError(
                f"{self.path} changed while its checksum was taken. Nothing was sent; try again."
            )
        self._stamp = after
        self.size, self.crc32c = size, crc.base64()

    def open(self) -> Reader:
        reader = Reader(self, open_regular(self.path), self._stamp, own=True)
        try:
            reader.check()
        except BaseException:
            reader.close()
            raise
        return reader


class StreamSource(Source):
    """An open binary file, from where it stands to its end; one that cannot be rewound is kept in a temporary file.

    Raises ValidationError for a text stream, and for one that stands at its end although it has content: it was written
    just now, and would be sent as an empty file.
    """

    def __init__(self, stream: Any, label: str = "the stream") -> None:
        super().__init__(label)
        text = isinstance(stream, io.TextIOBase) or isinstance(getattr(stream, "encoding", None), str)
        if text or not hasattr(stream, "read"):
            raise ValidationError(f"{label} is not a binary file: open it with mode 'rb'.")
        if getattr(stream, "closed", False) is True:
            raise ValidationError(f"{label} is closed already: upload it before it is closed.")
        if callable(getattr(stream, "readable", None)) and not stream.readable():
            raise ValidationError(f"{label} is open for writing only: open it with mode 'rb'.")
        self._stream = stream
        self._start: int | None = None
        self._spool: BinaryIO | None = None
        self._lock = threading.Lock()  # one stream has one position
        if self._seekable():
            self._start = stream.tell()
            end = stream.seek(0, os.SEEK_END)
            end = stream.tell() if end is None else end
            stream.seek(self._start)
            if end and self._start >= end:
                raise ValidationError(
                    f"{label} stands at its end, after {end:,} bytes, so that nothing is left to upload: call seek(0) "
                    "on it first."
                )

    def _seekable(self) -> bool:
        try:
            return bool(self._stream.seekable())
        except AttributeError:
            return hasattr(self._stream, "seek") and hasattr(self._stream, "tell")

    def prepare(self) -> None:
        stream = self._stream
        spool = None
        if self._start is not None:
            stream.seek(self._start)
        else:
            spool = self._spool = tempfile.TemporaryFile(prefix="moveshelf-")  # noqa: SIM115
        crc = Crc32c()
        size = 0
        while True:
            chunk = stream.read(CHUNK)
            if not isinstance(chunk, bytes):
                raise ValidationError(
                    f"{self.label} gives {type(chunk).__name__}, not bytes: open it with mode 'rb', and so that reading "
                    "waits for bytes."
                )
            if not chunk:
                break
            crc.update(chunk)
            size += len(chunk)
            if spool is not None:
                spool.write(chunk)
        if spool is not None:
            spool.flush()
            self._stream, self._start = spool, 0  # also for another `prepare`
        self.size, self.crc32c = size, crc.base64()

    def open(self) -> Reader:
        if not self._lock.acquire(blocking=False):
            raise TransferError(f"{self.label} is being read already.")
        try:
            self._stream.seek(self._start or 0)
        except BaseException:
            self._lock.release()
            raise
        return Reader(self, self._stream, None, own=False)

    def released(self) -> None:
        """A reader has ended: another may begin."""
        self._lock.release()

    def close(self) -> None:
        if self._spool is not None:
            self._spool.close()


class Reader:
    """One reading of a source, which watches that it is what the checksum was taken of."""

    def __init__(self, source: Source, stream: Any, stamp: tuple[int, ...] | None, own: bool) -> None:
        self._source = source
        self._stream = stream
        self._stamp = stamp
        self._own = own
        self._left = source.size
        self._crc = Crc32c()

    def block(self, size: int = CHUNK) -> bytes:
        """The next bytes, b"" at the end; the last come only when all are known to be right, else
        ChangedError.
        """
        want = min(size, self._left)
        parts = []
        while want:
            part = self._stream.read(want)
            if not part:
                raise self.changed()
            parts.append(part)
            want -= len(part)
            self._crc.update(part)
            self._left -= len(part)
        self.check()
        if not self._left and self._crc.base64() != self._source.crc32c:
            raise self.changed()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def check(self) -> None:
        """Raises ChangedError where the file's size or time is another one than at the checksum."""
        if self._stamp is not None and _stamp(self._stream.fileno()) != self._stamp:
            raise self.changed()

    def changed(self) -> ChangedError:
        return ChangedError(
            f"{self._source.label} changed after its checksum was taken. It was refused, not sent; upload it "
            "again when nothing writes to it."
        )

    def close(self) -> None:
        if self._own:
            self._stream.close()
        elif isinstance(self._source, StreamSource):
            self._source.released()


def _stamp(descriptor: int) -> tuple[int, ...]:
    status = os.fstat(descriptor)
    return status.st_size, status.st_mtime_ns, status.st_ino, status.st_dev
