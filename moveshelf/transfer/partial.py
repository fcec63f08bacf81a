"""The temporary file of a download: beside its target, continued by the next run, put in place when it is
right.

`.moveshelf-<digest of the target's name>.part` holds the bytes so far, `….part.json` beside it what the store
said of the object: its entity tag, size and checksum, and the id that the service gives it. All methods but
`take` may wait for the disk, and belong on a worker thread.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from contextlib import suppress
from pathlib import Path

from ..errors import ChecksumError, TargetExistsError, TransferError
from .blob import Stored
from .checksum import Crc32c, chunks
from .locks import try_lock
from .names import PART_PREFIX, safe_name

UNKNOWN = Stored(None, None, None)
BLOCK = 1 << 20
"""Bytes that go to the disk at once. A smaller file is in memory until it is whole."""
PIECE = 1 << 17
"""Bytes of one call to the system. For larger ones Linux looks for larger pages, which a virtual machine may have to
get from its host first: five times as slow."""


class Partial:
    """The bytes of one download so far. `offset` counts those taken, on disk or not yet.

    They are gathered in a block of memory while another is written, the same two by turns: to keep them as they came
    would take new memory all the time, which costs more than the writing.
    """

    straight = True
    """Whether bytes may be put into `room()`."""

    def __init__(self, target: Path, key: str) -> None:
        self.target = target
        self.key = key
        digest = hashlib.blake2s(target.name.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        folder = os.path.dirname(target)
        self.path = os.path.join(
            folder, f"{PART_PREFIX}{digest}.part"
        )  # text: a Path for each costs more than looking
        self.known = UNKNOWN
        self.offset = 0
        self._crc = Crc32c()
        self._block: bytearray | None = None
        self._spare: bytearray | None = None
        self._begin = 0  # where in the file the block begins
        self._filled = 0  # bytes in it
        self._torn = False  # a write failed: what comes after it has no place
        self._descriptor: int | None = None
        self._noted = False  # there is a sidecar
        self._shared = False  # another process downloads the same file here: ours has a name of its own

    @property
    def unfinished(self) -> bool:
        """Whether there is something to keep or to tidy."""
        return self._descriptor is not None or self._filled > 0

    @property
    def complete(self) -> bool:
        """Whether all bytes are there, as far as the size is known."""
        return self.known.size is not None and self.offset == self.known.size

    def begun(self) -> bool:
        """Whether an earlier run may have left something: one look at the folder, cheaper than a change of threads."""
        return os.path.lexists(self._sidecar)

    def look(self) -> None:
        """Take up what an earlier run has left, if it is of this object and can be continued."""
        try:
            saved = json.loads(Path(self._sidecar).read_text(encoding="utf-8"))
            if saved["key"] != self.key or not saved["etag"]:
                return
            size = saved["size"]
            known = Stored(None if size is None else int(size), saved["crc32c"], str(saved["etag"]))
        except (OSError, ValueError, KeyError, TypeError):
            return
        descriptor = self._claim(create=False)
        if descriptor is None:
            return
        with open(descriptor, "rb", buffering=0, closefd=False) as stream:
            for chunk in chunks(stream):
                self._crc.update(chunk)
                self.offset += len(chunk)
        if known.size is not None and self.offset > known.size:
            self._descriptor = descriptor
            self.discard()
            return
        self.known = known
        self._noted = True
        self._descriptor = descriptor
        self._begin = self.offset

    def begin(self, known: Stored) -> None:
        """A first answer of the store has come: what it tells holds for the bytes to come. No disk here."""
        self.known = known

    def take(self, chunk: bytes) -> memoryview:
        """The next bytes. Those that have no room left are returned: for `take_rest`, after `write`. No disk here."""
        self._crc.update(chunk)
        return self.take_rest(memoryview(chunk))

    def take_rest(self, rest: memoryview) -> memoryview:
        """What was left of a chunk."""
        room = self._room()
        part = rest[: len(room)]
        room[: len(part)] = part
        self._filled += len(part)
        self.offset += len(part)
        return rest[len(part) :]

    def room(self) -> memoryview:
        """Where the next bytes can be put, to be told of with `took`; never more than are missing."""
        room = self._room()
        return room if self.known.size is None else room[: self.known.size - self.offset]

    def took(self, part: memoryview) -> None:
        """The beginning of `room()` has been filled."""
        self._crc.update(part)
        self._filled += len(part)
        self.offset += len(part)

    def _room(self) -> memoryview:
        if self._block is None:
            self._block = bytearray(min(self.known.size or BLOCK, BLOCK))
        # blocks end at multiples of their size, also after a beginning from an earlier run
        end = min(len(self._block), BLOCK - self._begin % BLOCK)
        return memoryview(self._block)[self._filled : end]

    def handed_over(self) -> memoryview:
        """What waits, for `write` on another thread, while more is taken. The one before must have been written."""
        block = memoryview(self._block or b"")[: self._filled]
        self._block, self._spare = self._spare, self._block
        self._begin += self._filled
        self._filled = 0
        return block

    def write(self, block: memoryview) -> None:
        """Put bytes on the disk, after those before."""
        descriptor = self._descriptor
        if descriptor is None:
            descriptor = self._open()
        self._torn = True  # unless all of it gets there
        while block:
            block = block[os.write(descriptor, block[:PIECE]) :]
        self._torn = False

    def finish(self, block: memoryview, overwrite: bool) -> str:
        """Write the rest, verify, and put the file in its place. The CRC-32C comes back, as base64.

        Raises ChecksumError, and then nothing is in place; TargetExistsError where something has come to be
        there.
        """
        self.write(block)
        crc = self._verified(str(self.target))
        if not overwrite and os.path.lexists(self.target):
            raise TargetExistsError(f"{self.target} has come to exist meanwhile; it was left as it is.")
        if os.name == "nt":
            self._close()  # Windows renames no open file
        try:
            os.replace(self.path, self.target)
        except OSError as error:
            raise TransferError(f"{self.target} cannot be put in place: {error.strerror or error}.") from None
        self._close()
        if self._noted:
            with suppress(OSError):
                os.unlink(self._sidecar)
        return crc

    def _verified(self, what: str) -> str:
        """The CRC-32C of what has come. Raises ChecksumError where it, or the size, is not the store's."""
        size = self.known.size
        if size is not None and self.offset != size:
            raise ChecksumError(f"{what}: {self.offset:,} bytes arrived of {size:,}.")
        crc = self._crc.base64()
        if self.known.crc32c is not None and crc != self.known.crc32c:
            raise ChecksumError(
                f"{what}: the bytes that arrived have the CRC-32C {crc}, those in the store "
                f"{self.known.crc32c}. Nothing was put in place."
            )
        return crc

    def leave(self) -> None:
        """End without finishing: keep what can be continued, remove what cannot."""
        if self.known.etag and not self._shared:
            with suppress(OSError):
                if not self._torn:
                    self.write(self.handed_over())
            self._close()
        else:
            self.discard()

    def discard(self) -> None:
        """Forget all bytes so far, here and on the disk."""
        self.offset = self._begin = self._filled = 0
        self._block = self._spare = None
        self._torn = False
        self._crc = Crc32c()
        self.known = UNKNOWN
        if self._descriptor is not None:
            # the sidecar first: bytes without it are never continued
            with suppress(OSError):
                os.unlink(self._sidecar)
            self._noted = False
            if os.name == "nt":
                self._close()
            with suppress(OSError):
                os.unlink(self.path)
            self._close()

    @property
    def _sidecar(self) -> str:
        return self.path + ".json"

    def _open(self) -> int:
        try:
            descriptor = self._claim(create=True)
        except FileNotFoundError:
            self.target.parent.mkdir(parents=True, exist_ok=True)
            descriptor = self._claim(create=True)
        if descriptor is None:
            self._shared = True
            self.path = f"{self.path.removesuffix('.part')}-{secrets.token_hex(4)}.part"
            descriptor = self._claim(create=True)
            if descriptor is None:
                raise TransferError(f"{self.path} cannot be locked.")
        if os.fstat(
            descriptor
        ).st_size:  # ext4 writes a file that was truncated to the disk before it closes it
            os.ftruncate(descriptor, 0)
        if self.known.etag and not self._shared and not self.complete:
            text = json.dumps({"key": self.key, **self.known._asdict()})
            Path(self._sidecar).write_text(text, encoding="utf-8")
            self._noted = True
        self._descriptor = descriptor
        return descriptor

    def _claim(self, create: bool) -> int | None:
        """The temporary file, locked and open at its end; None where another holds it (or there is none)."""
        flags = os.O_RDWR | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
        flags |= getattr(os, "O_CLOEXEC", 0) | (os.O_CREAT if create else 0)
        while True:
            try:
                descriptor = os.open(self.path, flags, 0o666)
            except FileNotFoundError:
                if create:
                    raise
                return None
            if not try_lock(descriptor):
                os.close(descriptor)
                return None
            try:
                # between the opening and the lock its holder may have put it in place: it is no part any more
                same = os.path.samestat(os.fstat(descriptor), os.lstat(self.path))
            except FileNotFoundError:
                same = False
            if same:
                return descriptor
            os.close(descriptor)

    def _close(self) -> None:
        self._block = self._spare = None
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


class InMemory(Partial):
    """The same for bytes that are wanted in memory, not in a file: `data` holds them in the end."""

    straight = False

    def __init__(self, name: str) -> None:
        super().__init__(Path(safe_name(name)), "")
        self.name = name
        self._parts: list[bytes] = []
        self.data = b""

    def begun(self) -> bool:
        """Nothing is left of earlier runs."""
        return False

    def take(self, chunk: bytes) -> memoryview:
        self.offset += len(chunk)
        self._crc.update(chunk)
        self._parts.append(chunk)
        return memoryview(b"")

    def finish(self, block: memoryview, overwrite: bool) -> str:
        crc = self._verified(self.name)
        self.data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts = []
        return crc

    def discard(self) -> None:
        super().discard()
        self._parts = []
