"""CRC-32C (Castagnoli) and MD5 of files and streams, in constant memory.

The platform and its object store write a CRC-32C as base64 text of its four big-endian bytes.
google-crc32c's C code does the work; where only its pure Python form could be installed, crcmod stands in
(faster, where it is compiled). Neither is imported before the first checksum.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from typing_extensions import Buffer

    PathLike = str | os.PathLike[str]

# big enough that the C code, which lets go of the interpreter's lock, dominates; small enough to be nothing
# in memory
CHUNK = 1 << 20

Extend = Callable[[int, Any], int]
_extend: Extend | None = None


def extender() -> Extend:
    """The fastest `extend(crc, data) -> crc` that is installed, chosen once."""
    global _extend
    if _extend is None:
        _extend = _google() or _crcmod()
    return _extend


def _google() -> Extend | None:
    """google-crc32c's, or None where its C code is missing (its Python form takes seconds a megabyte)."""
    try:
        from google_crc32c import cext
    except ImportError:
        return None
    found: Extend = cext.extend  # type: ignore[attr-defined]
    return found


def _crcmod() -> Extend:
    from crcmod.predefined import mkPredefinedCrcFun

    function = mkPredefinedCrcFun("crc32c")
    return lambda crc, data: int(function(data, crc))


def crc32c_value(data: Buffer, crc: int = 0) -> int:
    """The CRC-32C of `data` as an integer; `crc` is that of the bytes before it."""
    return extender()(crc, readable(data))


def readable(data: Buffer) -> Any:
    """The same bytes as google's C code takes them: bytes, or an array of ctypes over memory that can be written to,
    which is no copy."""
    if isinstance(data, bytes):
        return data
    view = memoryview(data)
    if view.readonly or not view.contiguous:
        return view.tobytes()
    import ctypes  # here: the flat client imports this module at once

    return (ctypes.c_ubyte * view.nbytes).from_buffer(view)


class Crc32c:
    """A CRC-32C that grows: `update` with each chunk, then `digest()` (4 bytes) or `base64()` (the wire's
    text)."""

    __slots__ = ("_extend", "value")

    def __init__(self, data: Buffer = b"") -> None:
        self._extend = extender()
        self.value = 0
        self.update(data)

    def update(self, data: Buffer) -> None:
        """Add the next bytes."""
        chunk = readable(data)
        if len(chunk):
            self.value = self._extend(self.value, chunk)

    def digest(self) -> bytes:
        """The four big-endian bytes."""
        return self.value.to_bytes(4, "big")

    def hexdigest(self) -> str:
        """The same as eight hexadecimal digits."""
        return self.digest().hex()

    def base64(self) -> str:
        """The same as the platform writes it: base64 text of the four bytes."""
        return base64.b64encode(self.digest()).decode("ascii")


def crc32c_stream(stream: BinaryIO) -> str:
    """The CRC-32C, as base64 text, of what is left to read in an open binary file."""
    crc = Crc32c()
    for chunk in chunks(stream):
        crc.update(chunk)
    return crc.base64()


def crc32c_file(path: PathLike) -> str:
    """The CRC-32C of a file as base64 text. Memory stays the same whatever its size."""
    with open(path, "rb", buffering=0) as stream:
        return crc32c_stream(stream)


def md5_of(parts: Iterable[bytes]) -> str:
    """The MD5 of the parts put together, as hexadecimal digits. A checksum of theirs, no protection."""
    md5 = hashlib.md5(usedforsecurity=False)
    for part in parts:
        md5.update(part)
    return md5.hexdigest()


def md5_file(path: PathLike) -> str:
    """The MD5 of a file as hexadecimal digits. Memory stays the same whatever its size."""
    with open(path, "rb", buffering=0) as stream:
        return md5_of(chunks(stream))


def chunks(stream: Any, size: int = CHUNK) -> Iterable[bytes]:
    """What is left to read in a binary stream, a chunk at a time."""
    while chunk := stream.read(size):
        yield chunk
