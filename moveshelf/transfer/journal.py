"""What this computer has begun to upload: so that a later run knows a `Pending` file on the service as its own.

One file a run, of JSON lines, in the user's state folder (`MOVESHELF_STATE_DIR` names another), below the service's
host. A line is written before a file is created on the service and after. A run that died, however it died, leaves its
file behind, which the next run takes over: it is locked while its run lives, and its first line names the process, for file
systems whose locks do not work. A run that leaves nothing open leaves no file. It holds ids and file names; no key, no URL.

Why not SQLite: state folders lie on NFS homes in some labs, where locks may be missing or only pretended. A database that
several processes write relies on them, and is damaged without; here no two processes ever write one file, appending needs
no transaction (a torn last line is known as one), and taking over is one rename. What SQLite would add, one transaction over
several runs, is not needed: who creates what is decided by the lock of `locks.service_lock`.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar
from urllib.parse import urlsplit

import attrs

from ..config import state_folder
from .locks import Owner, try_lock
from .names import safe_name

logger = logging.getLogger("moveshelf")

P = ParamSpec("P")
T = TypeVar("T")

Key = tuple[str, str]
"""The clip's id (or another owner's), and the file's name."""

GRACE = 15 * 60.0
"""Seconds in which the service may still carry out a request whose response was lost: it is open until then, at least."""


def _alone(method: Callable[Concatenate[Journal, P], T]) -> Callable[Concatenate[Journal, P], T]:
    """One thread at a time."""

    @functools.wraps(method)
    def locked(self: Journal, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with self._lock:
            return method(self, *args, **kwargs)

    return locked


@attrs.frozen
class CreateRequest:
    """A request to create a file: `known` are the ids of that name that were there before.

    Open until the response says what came of it.
    """

    token: str
    owner: str
    name: str
    known: frozenset[str]
    at: float

    @property
    def key(self) -> Key:
        return self.owner, self.name


class Journal:
    """The uploads of one run, and what dead runs have left open. Any thread; its methods wait for the disk.

    Where the folder cannot be written, it works without, and a warning says so: what is left on the service then is only
    in the text of the errors.
    """

    def __init__(self, url: str, folder: Path | None = None, readonly: bool = False) -> None:
        parts = urlsplit(url)
        host = (parts.hostname or "") + (f":{parts.port}" if parts.port else "")
        self.folder = (folder or state_folder()) / "uploads" / safe_name(host)
        self._requests: dict[str, CreateRequest] = {}
        self._made: dict[str, Key] = {}
        # which request an unknown id was found to come from, as long as the id is not dealt with
        self._explained: dict[str, str] = {}
        self._descriptor: int | None = None
        self._path: Path | None = None
        self._usable = not readonly
        self._lock = threading.RLock()
        self._inherit()

    @_alone
    def mine(self, owner: str, name: str, pending: Iterable[str]) -> set[str]:
        """Those of the ids of `Pending` files with that name that are ours and dead.

        Ours is an id that came in a response. A run that died before the response leaves its request open: n open requests
        explain up to n unknown ids, each one that was not there when the request was noted. Where more have come than there
        are open requests, nobody can tell which are ours, and none of them is.
        """
        ids = set(pending)
        found = {identity for identity in ids if self._made.get(identity) == (owner, name)}
        requests = self._open((owner, name))
        unknown = sorted(
            one
            for one in ids - found
            if one not in self._made and any(one not in request.known for request in requests)
        )
        explained = _match(unknown, requests)
        if len(explained) < len(unknown):
            return found
        self._explained.update(explained)
        return found | set(explained)

    @_alone
    def unresolved(self, owner: str, name: str) -> bool:
        """Whether there are files of that name of which nobody knows whether the service has created them."""
        return bool(self._open((owner, name)))

    @_alone
    def settle(self, owner: str, name: str, pending: Iterable[str]) -> None:
        """Of the files of that name only these are unfinished now: what else was begun is over.

        An open request is dropped when nothing has come of it after `GRACE`, and not before.
        """
        ids = set(pending)
        self.over([one for one, key in self._made.items() if key == (owner, name) and one not in ids])
        requests = self._open((owner, name))
        strange = {one for one in ids if one not in self._made and any(one not in w.known for w in requests)}
        if not strange:
            late = time.time() - GRACE
            self._resolve([request.token for request in requests if request.at < late])

    @_alone
    def requested(self, entries: Iterable[tuple[str, str, Iterable[str]]]) -> list[CreateRequest]:
        """About to tell the service to create files: `(owner, name, ids of that name there are)`; a request for each."""
        requests = [
            CreateRequest(secrets.token_hex(8), owner, name, frozenset(known), time.time())
            for owner, name, known in entries
        ]
        self._requests.update((request.token, request) for request in requests)
        self._write([_record(request) for request in requests])
        return requests

    @_alone
    def made(self, entries: Iterable[tuple[CreateRequest, str | None]]) -> None:
        """The service has responded: the id that came of a request; without one it has refused for certain."""
        records = []
        for request, identity in entries:
            self._requests.pop(request.token, None)
            if identity is not None:
                self._made[identity] = request.key
            records.append(
                {
                    "op": "made",
                    "request": request.token,
                    "owner": request.owner,
                    "name": request.name,
                    "id": identity,
                }
            )
        self._write(records)

    @_alone
    def adopt(self, owner: str, name: str, ids: Iterable[str]) -> None:
        """Those ids, which `mine` has explained, came of open requests of ours."""
        records = []
        for identity in ids:
            token = self._explained.pop(identity, None)
            if token is not None and self._requests.pop(token, None) is not None:
                self._made[identity] = (owner, name)
                records.append({"op": "made", "request": token, "owner": owner, "name": name, "id": identity})
        self._write(records)

    @_alone
    def over(self, ids: Iterable[str]) -> None:
        """Those are verified, or deleted: nobody need care for them any more."""
        done = list(ids)
        self._resolve([self._explained.pop(one) for one in done if one in self._explained])
        records = [{"op": "over", "id": identity} for identity in done if self._made.pop(identity, None)]
        self._write(records, sync=False)  # lost, it costs one look at a file that is complete

    @_alone
    def touch(self) -> None:
        """Show other computers that the run lives; every few minutes."""
        if self._descriptor is not None and self._path is not None:
            with suppress(OSError):
                os.utime(self._path)

    @_alone
    def close(self) -> None:
        """Leave a file only where something is open."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None or self._path is None:
            return
        open_ = bool(self._made or self._requests)
        with suppress(OSError):
            if open_:
                # free for the next run, also while this process lives and its locks are worth nothing
                os.write(descriptor, b'{"op": "closed"}\n')
            elif os.name != "nt":
                self._path.unlink()
        os.close(descriptor)
        if not open_ and os.name == "nt":  # where no open file can be removed
            with suppress(OSError):
                self._path.unlink()

    # -- requests

    def _open(self, key: Key) -> list[CreateRequest]:
        return [request for request in self._requests.values() if request.key == key]

    def _resolve(self, tokens: Iterable[str]) -> None:
        found = [token for token in tokens if self._requests.pop(token, None) is not None]
        self._write([{"op": "resolved", "request": token} for token in found], sync=False)

    # -- files

    def _inherit(self) -> None:
        """Take over what dead runs have left: into our own file, then theirs are removed."""
        try:
            paths = sorted(self.folder.glob("*.jsonl"))
        except OSError:
            return
        for path in paths:
            try:
                descriptor = os.open(
                    path, os.O_RDWR | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
                )
            except OSError:
                continue
            try:
                if not try_lock(descriptor):
                    continue  # its run lives
                with open(descriptor, "rb", closefd=False) as stream:
                    records = list(_records(stream.read()))
                if _lives(records, os.fstat(descriptor).st_mtime):
                    continue
                before = self._state()
                if self._usable and os.name != "nt":
                    taken = path.with_name(_file_name())
                    os.rename(path, taken)  # of several runs that try, one succeeds
                    path = taken
                self._replay(records)
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
        return dict(self._made), dict(self._requests)

    def _copy(self) -> bool:
        records = [_record(request) for request in self._requests.values()]
        for identity, (owner, name) in self._made.items():
            records.append({"op": "made", "request": None, "owner": owner, "name": name, "id": identity})
        return self._write(records)

    def _replay(self, records: Iterable[dict[str, Any]]) -> None:
        for record in records:
            try:
                operation = record["op"]
                if operation == "request":
                    key = str(record["owner"]), str(record["name"])
                    known = frozenset(map(str, record["known"]))
                    request = CreateRequest(str(record["request"]), *key, known, float(record["at"]))
                    self._requests[request.token] = request
                elif operation == "made":
                    self._requests.pop(str(record["request"]), None)
                    if record["id"] is not None:
                        self._made[str(record["id"])] = str(record["owner"]), str(record["name"])
                elif operation == "over":
                    self._made.pop(str(record["id"]), None)
                elif operation == "resolved":
                    self._requests.pop(str(record["request"]), None)
            except (ValueError, KeyError, TypeError):
                continue

    def _write(self, records: list[dict[str, Any]], sync: bool = True) -> bool:
        if not records or not self._usable:
            return False
        try:
            if self._descriptor is None:
                self._descriptor = self._create()
                records = [{"op": "process", **attrs.asdict(Owner.current())}, *records]
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
        self.folder.mkdir(
            mode=0o700, parents=True, exist_ok=True
        )  # never removed: another run may be at this line
        self._path = self.folder / _file_name()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_BINARY", 0)
        descriptor = os.open(self._path, flags | getattr(os, "O_CLOEXEC", 0), 0o600)
        try_lock(descriptor)
        return descriptor


def _file_name() -> str:
    return f"{int(time.time())}-{os.getpid()}-{secrets.token_hex(4)}.jsonl"


def _record(request: CreateRequest) -> dict[str, Any]:
    record = {
        "op": "request",
        "request": request.token,
        "owner": request.owner,
        "name": request.name,
        "at": request.at,
    }
    return {**record, "known": sorted(request.known)}


def _records(text: bytes) -> Iterator[dict[str, Any]]:
    """The lines that are whole: a crash may have torn the last."""
    for line in text.splitlines():
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict):
            yield record


def _lives(records: list[dict[str, Any]], changed: float) -> bool:
    """Whether the run that wrote these may still be at work."""
    if any(record.get("op") == "closed" for record in records):
        return False
    owner = next((Owner.read(record) for record in records if record.get("op") == "process"), None)
    return owner is not None and owner.alive(changed)


def _match(ids: list[str], requests: list[CreateRequest]) -> dict[str, str]:
    """As many ids as possible, each with a request of its own that it can have come of: by augmenting paths."""
    taken: dict[str, str] = {}  # the id of a request

    def find(identity: str, seen: set[str]) -> bool:
        for request in requests:
            if identity in request.known or request.token in seen:
                continue
            seen.add(request.token)
            if request.token not in taken or find(taken[request.token], seen):
                taken[request.token] = identity
                return True
        return False

    for identity in ids:
        find(identity, set())
    return {identity: token for token, identity in taken.items()}
