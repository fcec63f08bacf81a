"""What this computer has begun to upload: so that a later run knows a `Pending` file on the service as its own.

One file a run, of JSON lines, in the user's state folder (`MOVESHELF_STATE_DIR` names another), below the service's
host. It is written before a file is made on the service and after, and locked while its run lives: a run that died,
however it died, leaves one without a lock, which the next run takes over. A run that leaves nothing open leaves no
file. It holds ids and file names; no key, no URL.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar
from urllib.parse import urlsplit

from .locks import try_lock
from .names import safe_name

logger = logging.getLogger("moveshelf")

P = ParamSpec("P")
T = TypeVar("T")

Key = tuple[str, str]
"""The clip's id (or another owner's), and the file's name."""


def state_folder() -> Path:
    """Where programs of this system keep what is neither settings nor cache, for this user."""
    chosen = os.environ.get("MOVESHELF_STATE_DIR")
    if chosen:
        return Path(chosen)
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_STATE_HOME") or home / ".local" / "state")
    return base / "moveshelf"


def _alone(method: Callable[Concatenate[Journal, P], T]) -> Callable[Concatenate[Journal, P], T]:
    """One thread at a time."""

    @functools.wraps(method)
    def locked(self: Journal, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with self._lock:
            return method(self, *args, **kwargs)

    return locked


class Journal:
    """The uploads of one run, and what dead runs have left open. Any thread; its methods wait for the disk.

    Where the folder cannot be written, it works without: what is left on the service then is left to the reader of
    the errors.
    """

    def __init__(self, url: str, folder: Path | None = None, readonly: bool = False) -> None:
        parts = urlsplit(url)
        host = (parts.hostname or "") + (f":{parts.port}" if parts.port else "")
        self.folder = (folder or state_folder()) / "uploads" / safe_name(host)
        # wanted: asked for, with the ids of that name that were there before; made: answered with an id
        self._wanted: dict[Key, list[frozenset[str]]] = {}
        self._made: dict[str, Key] = {}
        self._descriptor: int | None = None
        self._path: Path | None = None
        self._usable = not readonly
        self._lock = threading.RLock()
        self._inherit()

    @_alone
    def mine(self, owner: str, name: str, pending: Iterable[str]) -> set[str]:
        """Those of the ids of `Pending` files with that name that are ours and dead.

        Ours is what we were told the id of. A run that died before it heard the id leaves a wish: what has come
        since then under that name, if it is one only, came of it.
        """
        ids = set(pending)
        found = {identity for identity in ids if self._made.get(identity) == (owner, name)}
        wishes = self._wanted.get((owner, name), [])
        if len(wishes) == 1:
            strange = ids - found - wishes[0] - set(self._made)
            if len(strange) == 1:
                found |= strange
        return found

    @_alone
    def settle(self, owner: str, name: str, pending: Iterable[str]) -> None:
        """Of the files of that name only these are unfinished now: what else was begun is over."""
        ids = set(pending)
        self.over([one for one, key in self._made.items() if key == (owner, name) and one not in ids])
        if not ids:  # whatever was asked for did not come, or is complete
            self.forget(owner, name)

    @_alone
    def want(self, entries: Iterable[tuple[str, str, Iterable[str]]]) -> None:
        """About to ask the service for files: `(owner, name, ids of that name there are)`."""
        records = []
        for owner, name, known in entries:
            self._wanted.setdefault((owner, name), []).append(frozenset(known))
            records.append(
                {"op": "want", "owner": owner, "name": name, "known": sorted(known), "at": time.time()}
            )
        self._write(records)

    @_alone
    def made(self, entries: Iterable[tuple[str, str, str | None]]) -> None:
        """The service has answered: `(owner, name, id)`; without an id: it has refused for certain."""
        records = []
        for owner, name, identity in entries:
            wishes = self._wanted.get((owner, name))
            if wishes:
                wishes.pop()
                if not wishes:
                    del self._wanted[owner, name]
            if identity is not None:
                self._made[identity] = (owner, name)
            records.append({"op": "made", "owner": owner, "name": name, "id": identity})
        self._write(records)

    @_alone
    def over(self, ids: Iterable[str]) -> None:
        """Those are verified, or deleted: nobody need care for them any more."""
        records = [{"op": "over", "id": identity} for identity in ids if self._made.pop(identity, None)]
        self._write(records, sync=False)  # lost, it costs one look at a file that is complete

    @_alone
    def forget(self, owner: str, name: str) -> None:
        """Whatever was asked for under that name has been seen to."""
        if self._wanted.pop((owner, name), None):
            self._write([{"op": "forget", "owner": owner, "name": name}], sync=False)

    @_alone
    def close(self) -> None:
        """Leave a file only where something is open."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None or self._path is None:
            return
        with suppress(OSError):
            if not self._made and not self._wanted:
                if os.name == "nt":
                    os.close(descriptor)
                    descriptor = None
                self._path.unlink()
                self.folder.rmdir()
        if descriptor is not None:
            os.close(descriptor)

    # -- files

    def _inherit(self) -> None:
        """Take over what dead runs have left: into our own file, then theirs are removed."""
        try:
            paths = sorted(self.folder.glob("*.jsonl"))
        except OSError:
            return
        for path in paths:
            try:
                descriptor = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
            except OSError:
                continue
            try:
                if not try_lock(descriptor):
                    continue  # its run lives
                with open(descriptor, "rb", closefd=False) as stream:
                    before = self._state()
                    self._replay(stream.read())
                if not self._usable or (self._state() != before and not self._copy()):
                    continue
                if os.name != "nt":
                    path.unlink()
            except OSError:
                continue
            finally:
                os.close(descriptor)
            if os.name == "nt" and self._usable:
                with suppress(OSError):
                    path.unlink()

    def _state(self) -> tuple[Any, ...]:
        return dict(self._made), {key: list(wishes) for key, wishes in self._wanted.items()}

    def _copy(self) -> bool:
        records: list[dict[str, Any]] = []
        for (owner, name), wishes in self._wanted.items():
            records += [
                {"op": "want", "owner": owner, "name": name, "known": sorted(known)} for known in wishes
            ]
        for identity, (owner, name) in self._made.items():
            records.append({"op": "made", "owner": owner, "name": name, "id": identity, "extra": True})
        return self._write(records)

    def _replay(self, text: bytes) -> None:
        for line in text.splitlines():
            try:
                record = json.loads(line)
                key = (str(record.get("owner")), str(record.get("name")))
                operation = record["op"]
                if operation == "want":
                    wishes = self._wanted.setdefault(key, [])
                    known = frozenset(map(str, record["known"]))
                    if known not in wishes:  # copied from run to run
                        wishes.append(known)
                elif operation == "made":
                    if not record.get("extra"):
                        wishes = self._wanted.get(key, [])
                        if wishes:
                            wishes.pop()
                        if not wishes:
                            self._wanted.pop(key, None)
                    if record["id"] is not None:
                        self._made[str(record["id"])] = key
                elif operation == "over":
                    self._made.pop(str(record["id"]), None)
                elif operation == "forget":
                    self._wanted.pop(key, None)
            except (ValueError, KeyError, TypeError, AttributeError):
                continue  # the line that a crash has torn

    def _write(self, records: list[dict[str, Any]], sync: bool = True) -> bool:
        if not records or not self._usable:
            return False
        try:
            if self._descriptor is None:
                self._descriptor = self._create()
            text = "".join(json.dumps(record) + "\n" for record in records).encode()
            while text:
                text = text[os.write(self._descriptor, text) :]
            if sync:
                os.fsync(self._descriptor)
        except OSError as error:
            self._usable = False
            logger.warning(
                "no journal of uploads can be kept in %s (%s)", self.folder, error.strerror or error
            )
            return False
        return True

    def _create(self) -> int:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._path = self.folder / f"{int(time.time())}-{os.getpid()}-{secrets.token_hex(4)}.jsonl"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_BINARY", 0)
        descriptor = os.open(self._path, flags | getattr(os, "O_CLOEXEC", 0), 0o600)
        try_lock(descriptor)
        return descriptor
