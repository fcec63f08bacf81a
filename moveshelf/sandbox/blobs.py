"""The object store's half that knows no HTTP: signed URLs, files on disk, checksums."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import google_crc32c

from .rows import Row, Stored
from .store import Store

# above this size a file's MD5 is computed when a HEAD request needs it, not while its bytes arrive: it is far slower
# than all else that is done with them
MD5_INLINE = 32 * 1024 * 1024
CHUNK = 1024 * 1024


def crc_text(value: int) -> str:
    """A CRC-32C as the wire writes it: four bytes, big-endian, base64."""
    return base64.b64encode(struct.pack(">I", value)).decode()


def valid_crc_text(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == 4
    except ValueError:
        return False


def object_key(row: Stored) -> str:
    """A row's place in the store: its id, and the file's name."""
    name = (row.file_name or "").encode(errors="replace").decode()
    # clients resolve the two that mean folders
    return f"{row.id}/{name}" if name and name not in (".", "..") else row.id


class Blobs:
    """Bytes by the id of the row they belong to. Files get their names only when they are whole."""

    def __init__(self, folder: Path, secret: bytes, store: Store, make: Callable[[Any], bytes]) -> None:
        self.folder = folder
        self.incoming = folder / "incoming"
        for made in (folder, self.incoming):  # `parents=True` would create the outer one with the usual mode
            made.mkdir(mode=0o700, exist_ok=True)
        for left_over in self.incoming.iterdir():  # of a process that was killed
            left_over.unlink()
        self.base_url = ""
        self.lifetime = 3600.0
        self._secret = secret
        self._store = store
        self._make = make
        self._count = 0

    # --- signed URLs

    def sign(self, action: str, key: str, expires: str) -> str:
        text = f"{action}\n{key}\n{expires}".encode(errors="replace")
        return hmac.digest(self._secret, text, "sha256").hex()

    def url(self, row: Stored, action: str) -> str:
        """A URL for one row and one kind of action ("read" or "write"), good until it expires.

        Its path ends in the file's name, where there is one that a path can end in.
        """
        expires = str(int(time.time() + self.lifetime))
        key = object_key(row)
        folder, slash, name = key.partition("/")
        path = f"{quote(folder, safe='')}{slash}{quote(name, safe='')}"
        # a listing of a project has thousands of these: what needs no escaping is put together as it is
        query = f"action={action}&expires={expires}&signature={self.sign(action, key, expires)}"
        return f"{self.base_url}/store/{path}?{query}"

    def refusal(self, key: str, query: Any, action: str) -> str | None:
        """Why a URL does not open, or None."""
        expires = query.get("expires", "")
        expected = self.sign(action, key, expires).encode()
        signature = query.get("signature", "").encode(errors="replace")
        if query.get("action") != action or not hmac.compare_digest(expected, signature):
            return "SignatureDoesNotMatch"
        return "ExpiredToken" if int(expires) < time.time() else None

    # --- bytes

    def path(self, key: str) -> Path:
        return self.folder / key

    def temporary(self) -> Path:
        self._count += 1
        return self.incoming / f"{os.getpid()}-{self._count}"

    def put(self, row: Stored, data: bytes) -> None:
        """Keep bytes that are at hand (demo files, derived ones)."""
        temporary = self.temporary()
        temporary.write_bytes(data)
        crc = google_crc32c.value(data)
        self.keep(row, temporary, len(data), crc_text(crc), hashlib.md5(data).digest())

    def keep(self, row: Stored, temporary: Path, size: int, crc32c: str, md5: bytes | None) -> None:
        """Give a whole file its name, and the row its facts. Who is reading the one before reads on."""
        os.replace(temporary, self.path(row.id))
        self._store.change(
            row,
            stored="disk",
            size=size,
            actual_crc32c=crc32c,
            md5=base64.b64encode(md5).decode() if md5 is not None else None,
            generation=row.generation + 1,
        )

    def ready(self, row: Stored) -> Path:
        """The file of a row; one that was only promised so far is made now."""
        if row.stored != "disk":
            self.put(row, self._make(row))
        return self.path(row.id)

    def compute_md5(self, row: Stored) -> str:
        """The MD5 of a large file. Slow: call it in another thread."""
        digest = hashlib.md5()
        with open(self.path(row.id), "rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
        return base64.b64encode(digest.digest()).decode()

    def delete(self, rows: list[Row]) -> None:
        for row in rows:
            if getattr(row, "stored", None) == "disk":
                self.path(row.id).unlink(missing_ok=True)
