"""What is uploaded: a file or a stream that is read twice, once for its checksum and once for the store."""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import TransferError, ValidationError
from .checksum import CHUNK, Crc32c, chunks


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


class FileSource(Source):
    """A file on the disk."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        super().__init__(str(self.path))
        self._stamp: tuple[int, ...] = ()

    def prepare(self) -> None:
        with open(self.path, "rb", buffering=0) as stream:
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
        stream = open(self.path, "rb", buffering=0)  # noqa: SIM115  # the reader closes it
        reader = Reader(self, stream, self._stamp, own=True)
        try:
            reader.check()
        except BaseException:
            reader.close()
            raise
        return reader


class StreamSource(Source):
    """An open binary file, from where it stands to its end; one that cannot be rewound is kept in a temporary
    file.
    """

    def __init__(self, stream: Any, label: str = "the stream") -> None:
        super().__init__(label)
        if isinstance(getattr(stream, "encoding", None), str) or not hasattr(stream, "read"):
            raise ValidationError(f"{label} is no binary file: open it with mode 'rb'.")
        self._stream = stream
        self._start: int | None = None
        self._spool: BinaryIO | None = None
        self._lock = threading.Lock()  # one stream has one position

    def prepare(self) -> None:
        stream = self._stream
        spool = None
        try:
            seekable = stream.seekable()
        except AttributeError:
            seekable = hasattr(stream, "seek") and hasattr(stream, "tell")
        if seekable:
            if self._start is None:
                self._start = stream.tell()
            stream.seek(self._start)
        elif self._spool is None:
            spool = self._spool = tempfile.TemporaryFile(prefix="moveshelf-")  # noqa: SIM115
            self._start = 0
        else:
            stream = self._spool
            stream.seek(0)
        crc = Crc32c()
        size = 0
        for chunk in chunks(stream):
            if not isinstance(chunk, bytes):
                raise ValidationError(
                    f"{self.label} gives {type(chunk).__name__}, not bytes: open it with mode 'rb'."
                )
            crc.update(chunk)
            size += len(chunk)
            if spool is not None:
                spool.write(chunk)
        if spool is not None:
            spool.flush()
            self._stream = spool
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
