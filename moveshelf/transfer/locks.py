"""Locks between threads and processes of one user on one computer, and which of them are alive.

Two kinds. `try_lock` locks an open file, wherever it lies; on shares it may not work, or only pretend to (SMB with
`nobrl`, NFS with `nolock`, FUSE), so that its users also compare an `Owner`. `service_lock` is a lock with a
name, in a local folder, for "look whether it is there, and create it where not".
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import secrets
import socket
import stat
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

logger = logging.getLogger("moveshelf")

if sys.platform == "win32":
    import msvcrt

    def try_lock(descriptor: int) -> bool:
        """Whether the file is ours now, until the descriptor is closed; False when another holds it."""
        at = os.lseek(descriptor, 0, os.SEEK_CUR)
        try:
            # a byte far behind anything that is written: Windows keeps others from reading a locked one
            os.lseek(descriptor, 1 << 62, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(descriptor, at, os.SEEK_SET)
        return True

    def unlock(descriptor: int) -> None:
        """Let others have it."""
        with contextlib.suppress(OSError):
            os.lseek(descriptor, 1 << 62, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def try_lock(descriptor: int) -> bool:
        """Whether the file is ours now, until the descriptor is closed; False when another holds it."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True  # a file system without locks: the owner decides
        return True

    def unlock(descriptor: int) -> None:
        """Let others have it; also where a forked child still holds a copy of the descriptor."""
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)


# which processes are alive ---------------------------------------------------------------------------------------

ABANDONED = 15 * 60.0
"""Seconds without a change after which a file of a process on another computer counts as abandoned. Only there: whether
a process of this computer is alive, the system tells."""


@attrs.frozen
class Owner:
    """A process: its computer, its number, and when it began (numbers are used again)."""

    host: str
    pid: int
    started: str = ""

    @classmethod
    def current(cls) -> Owner:
        """This process."""
        return cls.of(os.getpid())

    @classmethod
    def of(cls, pid: int) -> Owner:
        """The process of this computer that has that number now."""
        return cls(socket.gethostname(), pid, _started(pid))

    @classmethod
    def read(cls, record: Any) -> Owner | None:
        """What `attrs.asdict` made of one; None for anything else."""
        if not isinstance(record, dict):
            return None
        host, pid, started = record.get("host"), record.get("pid"), record.get("started", "")
        if not isinstance(host, str) or not isinstance(pid, int) or isinstance(pid, bool) or pid <= 0:
            return None
        return cls(host, pid, str(started))

    @property
    def ours(self) -> bool:
        """Whether it is this process."""
        return self == Owner.current()

    def alive(self, changed: float) -> bool:
        """Whether it may still be at work; `changed` is when its file was changed last (seconds since 1970).

        Of this computer's processes the system tells; on Windows the lock on their files, which cannot be renamed while
        they are open, has decided already. Of other computers nothing but the files is known.
        """
        if self.host != socket.gethostname():
            return abs(time.time() - changed) < ABANDONED
        if os.name == "nt":
            return False
        return _running(self.pid) and (not self.started or _started(self.pid) in ("", self.started))


def _started(pid: int) -> str:
    """When a process began, in the system's own words; empty where the system does not say."""
    words = _stat(pid)
    return words[19].decode() if len(words) > 19 else ""


def _stat(pid: int) -> list[bytes]:
    """What Linux tells of a process, from its state on; nothing elsewhere."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # the name in parentheses may hold anything, blanks and parentheses too
            return file.read().rpartition(b")")[2].split()
    except OSError:
        return []


def _running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # another user's
    return _stat(pid)[:1] not in ([b"Z"], [b"X"])  # dead, and its parent has not looked yet


# locks with a name -----------------------------------------------------------------------------------------------

SLICE = 0.2
"""Seconds of one wait for a lock: between two of them Ctrl-C is heard."""
SAY = 10.0
"""Seconds of waiting after which a message says for whom."""


@attrs.define(eq=False)
class _Held:
    """A lock of this process: `thread` has it, `depth` times."""

    gate: threading.Lock = attrs.field(factory=threading.Lock)
    thread: int | None = None
    depth: int = 0
    descriptor: int | None = None
    others: bool = False
    #: the client that was inside last
    client: weakref.ref[object] | None = None


@attrs.frozen
class Turn:
    """What a lock says to who is inside. True where other processes are kept out.

    `others`: whether another process may have been inside since this one was, so that what was read before may be old.
    """

    exclusive: bool
    others: bool

    def __bool__(self) -> bool:
        return self.exclusive


_held: dict[str, _Held] = {}
_process = secrets.token_hex(8)
"""What tells this process from all others in the files of locks."""
_table = threading.Lock()
_warned = False


def _after_fork() -> None:
    """In a forked child: the locks are the parent's. Only copies of its descriptors are closed, nothing is unlocked."""
    global _table, _process
    _table = threading.Lock()
    _process = secrets.token_hex(8)
    for held in _held.values():
        if held.descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(held.descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@contextmanager
def service_lock(folder: Path | None, host: str, name: str, client: object | None = None) -> Iterator[Turn]:
    """Only one thread of one process of this user on this computer is inside, for each host and name.

    Around "look whether it is there, and create it where not": `host` is the service's, `name` says what is locked, such
    as a project's id, or a subject's for a change of its metadata. `folder` is where the lock's file lies, by default a
    local folder of the user's own, the same for all programs. The thread that is inside may enter again. Waits as long as
    another is inside, in slices that Ctrl-C ends; the system lets go when a process dies. Other computers do not know of it.
    `client` is what keeps what was seen inside: several of them in one process count as others.

    The context's value is a Turn: whether other processes are kept out (where no file can be locked, a warning says so
    once, and only the threads of this process wait for each other), and whether another one was inside since. Sends
    nothing.

        with service_lock(None, "api.moveshelf.com", project.id):
            ...
    """
    digest = hashlib.blake2s(f"{host}\0{name}".encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    key = f"{folder or ''}\0{digest}"
    with _table:
        held = _held.setdefault(key, _Held())
    me = threading.get_ident()
    if held.thread == me:
        held.depth += 1
        try:
            yield Turn(held.descriptor is not None, held.others)
        finally:
            held.depth -= 1
        return
    while not held.gate.acquire(timeout=SLICE):
        pass
    pid = os.getpid()
    try:
        held.thread, held.depth = me, 1
        held.descriptor, held.others = _lock_file(folder, digest, name)
        if client is not None:
            held.others = held.others or (held.client is not None and held.client() is not client)
            held.client = weakref.ref(client)
        yield Turn(held.descriptor is not None, held.others)
    finally:
        if os.getpid() == pid:  # in a forked child all of this is the parent's
            descriptor, held.descriptor, held.thread, held.depth = held.descriptor, None, None, 0
            if descriptor is not None:
                unlock(descriptor)
                os.close(descriptor)
            held.gate.release()


def lock_folders() -> list[Path]:
    """Where locks with a name may lie, best first: local, this user's own, and the same for every program of the user.

    So no variable of the environment has a say in the first: a job of the night and a notebook have different ones.
    """
    if os.name == "nt":
        return [Path(tempfile.gettempdir()) / "moveshelf-locks"]
    own = f"moveshelf-{os.getuid()}"
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    found = [Path("/tmp", own), *([Path(runtime, "moveshelf")] if runtime else [])]
    return [*found, Path(tempfile.gettempdir(), own)]


def _lock_file(folder: Path | None, digest: str, name: str) -> tuple[int | None, bool]:
    """The locked file's descriptor, None where there is none to be had; and whether others may have had it since."""
    global _warned
    problem = ""
    for place in [folder] if folder is not None else lock_folders():
        try:
            _own_folder(place)
            return _wait_for(place / f"{digest}.lock", name)
        except OSError as error:
            problem = f"{place}: {error.strerror or error}"
    if not _warned:
        _warned = True
        logger.warning(
            "no lock between programs can be had (%s): do not run two that create the same objects at once",
            problem,
        )
    return None, True


def _own_folder(folder: Path) -> None:
    """Make the folder, for its user only. Raises OSError where it is a link, or another user's."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700, parents=True)
    if os.name == "nt":
        return
    status = os.lstat(folder)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise PermissionError(13, "it is not a folder of this user's own")
    if status.st_mode & 0o077:
        os.chmod(folder, 0o700)


def _wait_for(path: Path, name: str) -> tuple[int, bool]:
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    begin, said, pause = time.monotonic(), False, 0.005
    while True:
        descriptor = os.open(path, flags, 0o600)
        try:
            if _locked(descriptor):
                # a program that cleans temporary folders may have removed it in between
                if os.path.lexists(path) and os.path.samestat(os.fstat(descriptor), os.lstat(path)):
                    os.utime(path)
                    if os.name == "nt":
                        return descriptor, True
                    last = os.pread(descriptor, 60, 0).decode("ascii", "replace").partition(" ")[2]
                    os.ftruncate(descriptor, 0)
                    os.pwrite(descriptor, f"{os.getpid()} {_process}".encode(), 0)
                    return descriptor, bool(last) and last != _process
                os.close(descriptor)
                continue
            if not said and time.monotonic() - begin > SAY:
                said = True
                text = os.read(descriptor, 20).decode("ascii", "replace") if os.name != "nt" else ""
                other = text.partition(" ")[0]
                logger.warning(
                    "waiting for another program of yours (process %s) that works on %s", other, name
                )
        except BaseException:
            with contextlib.suppress(OSError):
                os.close(descriptor)
            raise
        os.close(descriptor)
        time.sleep(pause)
        pause = min(pause * 1.5, SLICE)


def _locked(descriptor: int) -> bool:
    """Like `try_lock`, and raises OSError where the file system has no locks."""
    if sys.platform == "win32":
        return try_lock(descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
