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
import re
import secrets
import socket
import stat
import sys
import tempfile
import threading
import time
import weakref
from collections import deque
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


RETENTION = 24 * 3600.0
"""Seconds after which the file of a lock that nobody has used is removed, with the note of who was inside last."""
SWEEP_EVERY = 3600.0
"""Seconds between two sweeps of a folder, by whichever process."""
SWEEP_FILES = 200
"""Files that are looked at when one lock is let go of: a sweep of many goes on with the next lock."""
CLOCK_MARGIN = 60.0
"""Seconds that a file is kept longer: a file system's times may lie a little before the clock's, by up to two seconds."""
REFUSALS = 5 if os.name == "nt" else 0
"""How often a lock's file is tried again that may not be opened: Windows refuses one that is just being removed."""
KNOWN = 4096
"""Locks of this process that are known while nobody is inside."""


@attrs.define(eq=False)
class _Held:
    """A lock of this process: `thread` has it."""

    gate: threading.Lock = attrs.field(factory=threading.Lock)
    #: how many are inside or wait
    users: int = 0
    thread: int | None = None
    #: the locked file, while a thread is inside
    locked: _Locked | None = None
    others: bool = False
    #: the client that was inside last
    client: weakref.ref[object] | None = None
    #: whether this process was forked while somebody was inside: all of it is the parent's
    is_parents: bool = False


@attrs.frozen
class _Note:
    """What the file of a lock says: which process was inside last, and when it let go (0: it is inside, or was killed)."""

    process: str = ""
    ended: float = 0.0

    @classmethod
    def read(cls, descriptor: int) -> _Note:
        """The note in an open file; an empty one where there is none."""
        _, _, rest = os.pread(descriptor, 100, 0).decode("ascii", "replace").partition(" ")
        process, _, ended = rest.partition(" ")
        try:
            return cls(process, float(ended or 0))
        except ValueError:
            return cls(process)

    def write(self, descriptor: int) -> None:
        """Replace the note in an open file."""
        text = f"{os.getpid()} {self.process}" + (f" {self.ended}" if self.ended else "")
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, text.encode(), 0)


@attrs.frozen
class _Locked:
    """What was had of a lock's file: its descriptor, its folder, and what tells who was inside."""

    descriptor: int
    folder: Path
    #: None on Windows, where a locked file is not for reading
    note: _Note | None
    #: notes of locks that were let go of before may have been removed (seconds since 1970)
    horizon: float

    def others_since(self, since: float, client_known: bool) -> bool:
        """Whether another process may have been inside since then; or, unless that is known better, another client."""
        if self.note is None:
            return True
        if not self.note.process:  # a new file, or one whose note was removed
            return since < self.horizon
        if self.note.process == _process and client_known:
            return False
        return not self.note.ended or self.note.ended >= since


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
"""The locks that are known, those that were used last at the end."""
_process = secrets.token_hex(8)
"""What tells this process from all others in the files of locks."""
_table = threading.Lock()
_warned = False


def _after_fork() -> None:
    """In a forked child: the locks are the parent's. Only copies of its descriptors are closed, nothing is unlocked."""
    global _table, _process, _sweeping
    _table, _sweeping = threading.Lock(), threading.Lock()
    _process = secrets.token_hex(8)
    _sweeps.clear()
    for held in _held.values():
        held.is_parents = True
        if held.locked is not None:
            with contextlib.suppress(OSError):
                os.close(held.locked.descriptor)
            held.locked = None
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@contextmanager
def service_lock(
    folder: Path | None, host: str, name: str, client: object | None = None, since: float = 0.0
) -> Iterator[Turn]:
    """Only one thread of one process of this user on this computer is inside, for each host and name.

    Around "look whether it is there, and create it where not": `host` is the service's, `name` says what is locked, such
    as a project's id, or a subject's for a change of its metadata. `folder` is where the lock's file lies, by default a
    local folder of the user's own, the same for all programs. The thread that is inside may enter again. Waits as long as
    another is inside, in slices that Ctrl-C ends; the system lets go when a process dies. Other computers do not know of it.
    `client` is what keeps what was seen inside: several of them in one process count as others.

    The context's value is a Turn: whether other processes are kept out (where no file can be locked, a warning says so
    once, and only the threads of this process wait for each other), and whether another one was inside since this one
    was, and not before `since` (seconds since 1970), when the caller began to read; 0 is for ever. Who was inside last is
    remembered for a day: of what is older than that and not known any more, it is taken that another one was. Sends nothing.

        with service_lock(None, "api.moveshelf.com", project.id):
            ...
    """
    digest = hashlib.blake2s(f"{host}\0{name}".encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    key = f"{folder or ''}\0{digest}"
    held = _use(key)
    try:
        if held.thread == threading.get_ident():
            yield Turn(held.locked is not None, held.others)
        else:
            with _inside(held, folder, digest, name, client, since) as turn:
                yield turn
    finally:
        if not held.is_parents:
            with _table:
                held.users -= 1
                if not held.users:
                    _held[key] = _held.pop(key, held)


def _use(key: str) -> _Held:
    """The lock of that key, which is known as long as somebody uses it."""
    with _table:
        held = _held.setdefault(key, _Held())
        held.users += 1
        if len(_held) > KNOWN:
            unused = [one for one, other in _held.items() if not other.users]
            for one in unused[: KNOWN // 2]:
                del _held[one]
    return held


@contextmanager
def _inside(
    held: _Held, folder: Path | None, digest: str, name: str, client: object | None, since: float
) -> Iterator[Turn]:
    # Ctrl-C may come after any call. So what is to be let go of is noted where no call lies between having and noting it,
    # and each `finally` begins with the call that lets go.
    entered: list[bool] = []
    locked: _Locked | None = None
    try:
        while True not in entered:
            entered.extend(map(held.gate.acquire, (True,), (SLICE,)))
        held.thread = threading.get_ident()
        # where this process was inside last, and by which client is not known any more, it may have been another one
        known = client is None or held.client is not None
        held.others = True
        _lock_file(held, folder, digest, name)
        locked = held.locked
        if locked is not None:
            held.others = locked.others_since(since, known)
            if locked.note is not None:
                _Note(_process).write(locked.descriptor)
        if client is not None:
            held.others = held.others or (held.client is not None and held.client() is not client)
            held.client = weakref.ref(client)
        yield Turn(locked is not None, held.others)
    finally:
        if True in entered:
            try:
                if held.locked is not None and os.name != "nt":
                    _Note(_process, time.time()).write(held.locked.descriptor)
            finally:
                ours, held.locked, held.thread = held.locked, None, None
                try:
                    if ours is not None:
                        try:
                            unlock(ours.descriptor)
                        finally:
                            os.close(ours.descriptor)
                finally:
                    held.gate.release()
    if locked is not None and not held.is_parents:
        _sweep(locked.folder)


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


def _lock_file(held: _Held, folder: Path | None, digest: str, name: str) -> None:
    """Set `held.locked` to the locked file of a lock; not, with a warning, where there is none to be had."""
    global _warned
    problem = ""
    for place in [folder] if folder is not None else lock_folders():
        try:
            _own_folder(place)
            _wait_for(held, place, digest, name)
            return
        except OSError as error:
            problem = f"{place}: {error.strerror or error}"
    if not _warned:
        _warned = True
        logger.warning(
            "no lock between programs can be had (%s): do not run two that create the same objects at once",
            problem,
        )


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


def _wait_for(held: _Held, folder: Path, digest: str, name: str) -> None:
    path = folder / f"{digest}.lock"
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    begin, said, pause, refused = time.monotonic(), False, 0.005, 0
    while True:
        try:
            descriptor = os.open(path, flags, 0o600)
        except PermissionError:
            refused += 1
            if refused > REFUSALS:
                raise
            time.sleep(pause)
            pause = min(pause * 1.5, SLICE)
            continue
        try:
            is_removed = False
            if _locked(descriptor):
                # a sweep, or a program that cleans temporary folders, may have removed it in between
                is_removed = not _is_at(descriptor, path)
                if not is_removed:
                    os.utime(path)
                    note = None if os.name == "nt" else _Note.read(descriptor)
                    held.locked = _Locked(descriptor, folder, note, _horizon(folder))
                    return
            elif not said and time.monotonic() - begin > SAY:
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
        if not is_removed:
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


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file is the one that has that path now."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False


# the files of locks that nobody uses any more ---------------------------------------------------------------------

# A sweep removes a file while it holds the file's lock, and only where the file still has its path and is still old. So
# nobody is inside a removed one: who opened it before, to wait or to sweep too, gets its lock only after the removal, and
# sees by `_is_at` that it is not the file of that path any more. A path that is used again has a new file, which has
# another inode as long as anybody has the old one open. On Windows a file that is open cannot be removed: there the
# system itself keeps a sweep from a lock that somebody has, and no note is read.
#
# Nothing is lost by it. A note that was removed had `ended` before the sweep's time less RETENTION, and a client that has
# begun to read after that is told "no others" by such a note as well. Any other client is told "others". Files' times
# and `ended` are of one computer's clock; CLOCK_MARGIN is for what file systems make of them. Where the clock is set back
# after a sweep, the file `swept` still has the time of before, and `_horizon` takes the later one.

_SWEPT = "swept"
"""The file whose time of change tells when its folder was swept last."""


@attrs.define(eq=False)
class _Sweep:
    """What this process knows of a folder's sweeps."""

    #: when to look again (seconds of time.monotonic)
    next: float = 0.0
    #: files that are still to be looked at, and before when one must have been used last to be removed
    names: deque[str] = attrs.field(factory=deque)
    cutoff: float = 0.0


_sweeps: dict[Path, _Sweep] = {}
_sweeping = threading.Lock()
_LOCK_NAME = re.compile(r"[0-9a-f]{32}\.lock")


def _horizon(folder: Path) -> float:
    """Notes of locks that were let go of before may have been removed. In seconds since 1970.

    Also where no sweep has been: programs that clean temporary folders remove old files, and `swept` with them.
    """
    swept = 0.0
    with contextlib.suppress(OSError):
        swept = os.stat(folder / _SWEPT).st_mtime
    return max(swept, time.time()) - RETENTION


def _sweep(folder: Path) -> None:
    """Go on with removing what nobody has used for a day; a new sweep begins once an hour. The caller has no lock."""
    if _sweeping.locked():
        return  # another thread is at it
    with _sweeping:
        try:
            sweep = _sweeps.setdefault(folder, _Sweep())
            if not sweep.names and time.monotonic() >= sweep.next:
                sweep.next = time.monotonic() + SWEEP_EVERY
                _begin(sweep, folder)
            for _ in range(min(SWEEP_FILES, len(sweep.names))):
                _remove_unused(folder / sweep.names.popleft(), sweep.cutoff)
        except OSError as error:  # the folder is not there any more, or full: nobody waits for this
            logger.debug("the locks in %s could not be swept: %s", folder, error)


def _begin(sweep: _Sweep, folder: Path) -> None:
    """List the files, unless another process has done so within the last hour."""
    marker = folder / _SWEPT
    descriptor = os.open(marker, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        # two at once do no harm, but are of no use
        if not try_lock(descriptor):
            return
        last = os.fstat(descriptor)
        now = time.time()
        if last.st_size and abs(now - last.st_mtime) < SWEEP_EVERY:
            return
        # before anything is removed: from now on the notes of a day ago count as removed
        os.ftruncate(descriptor, 0)
        os.write(descriptor, b"\n")
        os.utime(marker, (now, now))
    finally:
        unlock(descriptor)
        os.close(descriptor)
    sweep.cutoff = now - RETENTION - CLOCK_MARGIN
    sweep.names.extend(name for name in os.listdir(folder) if _LOCK_NAME.fullmatch(name))
    if sweep.names:
        # a system lists them in the same order each time: short programs would never come to the last ones
        sweep.names.rotate(secrets.randbelow(len(sweep.names)))


def _remove_unused(path: Path, cutoff: float) -> None:
    """Remove the file of a lock that was used last before `cutoff`; not one that somebody has, or was killed in."""
    with contextlib.suppress(OSError):
        status = os.lstat(path)
        if status.st_mtime >= cutoff or not stat.S_ISREG(status.st_mode):
            return
        if sys.platform == "win32":
            os.unlink(path)  # refused while anybody has it open
            return
        if status.st_uid != os.getuid():
            return
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            # locked, and still the one of that path: those who opened it before will see that it is not any more
            if not _locked(descriptor) or not _is_at(descriptor, path):
                return
            if os.fstat(descriptor).st_mtime >= cutoff:
                return
            note = _Note.read(descriptor)
            if note.process and not note.ended:
                # killed inside, nobody knows when: it counts as ended now, and is removed when that is a day ago
                _Note(note.process, time.time()).write(descriptor)
            else:
                os.unlink(path)
        finally:
            # a child that was forked meanwhile has a copy of the descriptor: closing ours alone would not let go of it
            unlock(descriptor)
            os.close(descriptor)
