"""Contents of files kept on the disk, so that a second read of the same files fetches no bodies.

Off unless a folder is named (`connect(cache=...)`): the contents are patients' data.
"""

from __future__ import annotations

import os
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, TransferError
from ..transfer.paths import local_path
from ..wire.thread import ProcessLock

if TYPE_CHECKING:
    from ..config import Config
    from ..transfer.blob import Progress
    from ..transfer.download import GetUrl
    from ..wire.network import Blobs
    from ..wire.retry import RetryPolicy

LIMIT = 4 << 30
"""Bytes that a folder holds at most; what was used longest ago is removed first."""
_ROOM = 0.9
"""The share of the limit that is left in use after a removal, so that not every new file causes one."""
_SUFFIX = ".content"
_TEMPORARY = ".part"
_ABANDONED = 3600.0
"""Seconds after which a temporary file has no writer any more."""


class ContentCache:
    """Contents in a folder of the user's own (0700, files 0600), by service, key and file id.

    A name tells nothing: it is a keyed hash of URL and id, so that accounts that share a folder do not share contents.
    What is kept counts only while its size and CRC-32C are those that the store tells. Safe with several processes.
    """

    def __init__(self, folder: str | os.PathLike[str], config: Config, limit: int = LIMIT) -> None:
        """Raises ConfigError for a folder that others may read, or that cannot be made."""
        self.folder = local_path(folder).absolute()
        self.limit = limit
        self._secret, self._url = config.secret, config.api_url
        self._lock = ProcessLock()
        self._total: int | None = None
        self._prepare()

    def _prepare(self) -> None:
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            self.folder.mkdir(mode=0o700, exist_ok=True)
            found = self.folder.stat()
        except OSError as error:
            raise ConfigError(
                f"the cache folder {self.folder} cannot be used: {error.strerror or error}"
            ) from None
        if os.name == "nt":
            return
        if found.st_uid != os.geteuid():
            raise ConfigError(f"the cache folder {self.folder} belongs to another user: name one of your own")
        if stat.S_IMODE(found.st_mode) & 0o077:
            raise ConfigError(
                f"the cache folder {self.folder} is open to other users, and would hold patients' data: "
                f"chmod 700 it, or name a folder that does not exist yet"
            )

    def _path(self, identity: str) -> Path:
        import hashlib
        import hmac

        text = f"{self._url}\0{identity}".encode()
        name = hmac.new(self._secret.reveal().encode(), text, hashlib.sha256).hexdigest()
        return self.folder / f"{name}{_SUFFIX}"

    def size(self, identity: str) -> int | None:
        """The size of what is kept of a file; None where nothing is."""
        try:
            return self._path(identity).stat().st_size
        except OSError:
            return None

    def get(self, identity: str) -> bytes | None:
        """What is kept of a file; None where nothing is, or where it cannot be read."""
        path = self._path(identity)
        try:
            content = path.read_bytes()
            os.utime(path)  # used now: among the last to be removed
        except OSError:
            return None
        return content

    def put(self, identity: str, content: bytes) -> None:
        """Keep a file's content. A disk that is full or gone is no error: the content is there all the same."""
        import secrets

        if len(content) > self.limit:
            return
        path = self._path(identity)
        beside = path.with_name(f"{path.stem}.{secrets.token_hex(8)}{_TEMPORARY}")
        flags = (
            os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
        )
        try:
            before = self.size(identity) or 0
            descriptor = os.open(beside, flags, 0o600)
            try:
                with open(descriptor, "wb") as file:
                    file.write(content)
                os.replace(beside, path)
            except BaseException:
                with suppress(OSError):
                    beside.unlink()
                raise
            self._grown(len(content) - before)
        except OSError:
            return

    def _grown(self, size: int) -> None:
        with self._lock:
            self._total = self._trim() if self._total is None else self._total + size
            if self._total > self.limit:
                self._total = self._trim()

    def _trim(self) -> int:
        """Remove what was used longest ago, down below the limit; the bytes that are kept."""
        kept: list[tuple[float, int, Path]] = []
        now = time.time()
        with os.scandir(self.folder) as entries:
            for entry in entries:
                with suppress(OSError):  # another process was faster
                    found = entry.stat(follow_symlinks=False)
                    if entry.name.endswith(_SUFFIX):
                        kept.append((found.st_mtime, found.st_size, Path(entry.path)))
                    elif entry.name.endswith(_TEMPORARY) and now - found.st_mtime > _ABANDONED:
                        os.unlink(entry.path)
        total = sum(size for _, size, _ in kept)
        if total <= self.limit:
            return total
        for _, size, path in sorted(kept):
            if total <= self.limit * _ROOM:
                break
            with suppress(OSError):
                path.unlink()
            total -= size
        return total


async def read_through(
    cache: ContentCache | None,
    identity: str,
    blobs: Blobs,
    get_url: GetUrl,
    name: str,
    *,
    retry: RetryPolicy,
    progress: Progress | None = None,
) -> bytes:
    """The content of a file, verified: from the cache where the store still has the same, else from the store.

    One HEAD where something is kept; otherwise one GET, after which it is kept. Raises TransferError, ChecksumError.
    """
    from ..transfer.blob import in_thread
    from ..transfer.download import content_of, read

    size = None if cache is None else await in_thread(cache.size, identity)
    if cache is not None and size is not None:
        if progress is not None:
            progress.expected += size
        same: Any = None
        with suppress(TransferError):  # the GET says what is wrong
            same = await content_of(blobs, get_url, name, retry=retry)
        if same is not None and same.size == size:
            kept = await in_thread(_kept, cache, identity, same.size, same.crc32c)
            if kept is not None:
                return kept
        if progress is not None:
            progress.expected -= size
    content = await read(blobs, get_url, name, retry=retry, progress=progress)
    if cache is not None:
        await in_thread(cache.put, identity, content)
    return content


def _kept(cache: ContentCache, identity: str, size: int, crc32c: str) -> bytes | None:
    """What is kept, if it is this."""
    from ..transfer.checksum import Crc32c

    content = cache.get(identity)
    if content is None or len(content) != size or Crc32c(content).base64() != crc32c:
        return None
    return content


__all__ = ["LIMIT", "ContentCache", "read_through"]
