"""Bytes that are stored, or came, packed: back to the content, in constant memory."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

LIMIT = 1 << 20
"""Bytes of content that are made at once, however few they were packed into."""
_WINDOW = {"gzip": 31, "x-gzip": 31, "deflate": 15}


def known(encoding: str) -> bool:
    """Whether `Unpacker` can unpack it."""
    return encoding in _WINDOW


class Unpacker:
    """Unpacks bytes as they come. `encoding` is an HTTP content coding: gzip (of several members, too) or deflate.

    `feed` yields content, `end` says whether that was all of it. Raises ValueError for bytes that are not packed so.
    """

    def __init__(self, encoding: str) -> None:
        if encoding not in _WINDOW:
            raise ValueError(f"the content coding {encoding!r} is not known here")
        self.encoding = encoding
        self._decoder = zlib.decompressobj(_WINDOW[encoding])

    def feed(self, part: bytes) -> Iterator[bytes]:
        """The content of the next bytes, at most 1 MiB at a time."""
        rest = part
        try:
            while rest:
                if self._decoder.eof:
                    if self.encoding == "deflate" or not rest.strip(b"\0"):
                        return  # padding
                    self._decoder = zlib.decompressobj(_WINDOW[self.encoding])
                while True:
                    piece = self._decoder.decompress(rest, LIMIT)
                    rest = self._decoder.unconsumed_tail
                    if piece:
                        yield piece
                    # input can be used up while output still waits: then as much comes as was allowed
                    if self._decoder.eof or (not rest and len(piece) < LIMIT):
                        break
                rest = self._decoder.unused_data if self._decoder.eof else b""
        except zlib.error as error:
            raise ValueError(f"the bytes are not {self.encoding}: {error}") from None

    def end(self) -> None:
        """Raise ValueError where more should have come."""
        if not self._decoder.eof:
            raise ValueError(f"the {self.encoding} bytes end too early")


def decoded(parts: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """The content of packed bytes, at most 1 MiB at a time. Raises ValueError as `Unpacker` does."""
    unpacker = Unpacker(encoding)
    for part in parts:
        yield from unpacker.feed(part)
    unpacker.end()
