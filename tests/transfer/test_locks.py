"""A lock with a name: one thread of one process is inside, and nobody waits for the dead."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support.interrupts import interrupted

import moveshelf
from moveshelf.transfer import locks
from moveshelf.transfer.locks import lock_folders, service_lock

HOST = "api.example.org"


@pytest.fixture(autouse=True)
def _no_warning_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "_warned", False)


WORK = """
import sys
from pathlib import Path
from moveshelf.transfer.locks import service_lock

folder, counter, rounds = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
for _ in range(rounds):
    with service_lock(folder, "api.example.org", "project") as alone:
        assert alone
        value = int(counter.read_text())
        counter.write_text("")
        counter.write_text(str(value + 1))
"""


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": str(Path(moveshelf.__file__).parents[1])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_processes_and_threads_take_turns(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    others = [start(WORK, str(tmp_path / "locks"), str(counter), "50") for _ in range(3)]

    def work() -> None:
        for _ in range(25):
            with service_lock(tmp_path / "locks", HOST, "project") as alone:
                assert alone
                value = int(counter.read_text())
                counter.write_text("")
                counter.write_text(str(value + 1))

    with ThreadPoolExecutor(4) as pool:
        for one in [pool.submit(work) for _ in range(4)]:
            one.result()
    for one in others:
        _, errors = one.communicate(timeout=60)
        assert one.returncode == 0, errors
    assert counter.read_text() == "250"


def test_the_same_thread_may_enter_again(tmp_path: Path) -> None:
    with service_lock(tmp_path, HOST, "p"), service_lock(tmp_path, HOST, "p") as alone:
        assert alone
        with service_lock(tmp_path, HOST, "p"):
            pass
    with service_lock(tmp_path, HOST, "p") as alone:
        assert alone


def test_other_names_and_hosts_do_not_wait(tmp_path: Path) -> None:
    entered = []

    def enter(host: str, name: str) -> None:
        with service_lock(tmp_path, host, name):
            entered.append((host, name))

    with service_lock(tmp_path, HOST, "p"), ThreadPoolExecutor(2) as pool:
        pool.submit(enter, HOST, "another").result(10)
        pool.submit(enter, "elsewhere", "p").result(10)
    assert len(entered) == 2


def test_an_error_inside_lets_go(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), service_lock(tmp_path, HOST, "p"):
        raise ZeroDivisionError
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: list(map(bool, _enter(tmp_path)))).result(10) == [True]


def _enter(folder: Path) -> Iterator[bool]:
    with service_lock(folder, HOST, "p") as alone:
        yield alone


HOLD = """
import sys
from pathlib import Path
from moveshelf.transfer.locks import service_lock

with service_lock(Path(sys.argv[1]), "api.example.org", "p"):
    print("inside", flush=True)
    sys.stdin.readline()
"""


def test_a_process_that_dies_lets_go(tmp_path: Path) -> None:
    holder = start(HOLD, str(tmp_path))
    assert holder.stdout is not None
    assert holder.stdout.readline() == "inside\n"
    entered = threading.Event()

    def enter() -> None:
        with service_lock(tmp_path, HOST, "p"):
            entered.set()

    thread = threading.Thread(target=enter)
    thread.start()
    assert not entered.wait(0.3)
    holder.kill()
    holder.communicate()
    assert entered.wait(30)
    thread.join()


@pytest.mark.skipif(os.name == "nt", reason="a signal of POSIX")
@pytest.mark.parametrize("who", ["a process", "a thread"])
def test_waiting_can_be_interrupted(tmp_path: Path, who: str) -> None:
    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with service_lock(tmp_path, HOST, "p"):
            inside.set()
            leave.wait(60)

    holder: Any = None
    thread = threading.Thread(target=hold)
    if who == "a process":
        holder = start(HOLD, str(tmp_path))
        holder.stdout.readline()
    else:
        thread.start()
        inside.wait()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt), service_lock(tmp_path, HOST, "p"):
            raise AssertionError("it was taken")
    finally:
        signal.signal(signal.SIGINT, before)
    leave.set()
    if holder is not None:
        holder.communicate("\n")
    else:
        thread.join()
    with service_lock(tmp_path, HOST, "p") as alone:
        assert alone


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_has_no_lock_and_takes_none_away(tmp_path: Path) -> None:
    read, write = os.pipe()
    with service_lock(tmp_path, HOST, "p"):
        child = os.fork()
        if not child:
            try:
                os.write(write, b"locked" if _can_enter(tmp_path) else b"kept out")
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        assert os.read(read, 20) == b"kept out"
        # the child's end has not unlocked it
        assert not _can_enter(tmp_path)
    assert _can_enter(tmp_path)
    os.close(read)
    os.close(write)


def _can_enter(folder: Path) -> bool:
    """Whether another process could take the lock now."""
    import fcntl

    (path,) = folder.glob("*.lock")
    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def test_a_lock_file_that_was_cleaned_away_is_made_anew(tmp_path: Path) -> None:
    with service_lock(tmp_path, HOST, "p"):
        pass
    (path,) = tmp_path.glob("*.lock")
    path.unlink()
    with service_lock(tmp_path, HOST, "p") as alone:
        assert alone
        assert path.exists()


# where


@pytest.mark.skipif(os.name == "nt", reason="rights of POSIX")
def test_its_folder_is_its_users(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "a" / "locks"
    with service_lock(folder, HOST, "p") as alone:
        assert alone
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.chmod(0o777)
    with service_lock(folder, HOST, "p") as alone:
        assert alone
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    (path,) = folder.glob("*.lock")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.stem) == 32  # a digest: the name tells nothing
    (tmp_path / "planted").symlink_to(folder)
    with service_lock(tmp_path / "planted", HOST, "p") as alone:
        assert not alone
    assert "not a folder of this user's own" in caplog.text


@pytest.mark.skipif(os.name == "nt", reason="rights of POSIX")
def test_another_users_folder_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "theirs").mkdir()
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with service_lock(tmp_path / "theirs", HOST, "p") as alone:
        assert not alone


@pytest.mark.skipif(os.name == "nt", reason="names of POSIX")
def test_the_place_is_the_same_for_all_programs_of_a_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job of the night has other variables than a notebook: the first place does not depend on them."""
    first = lock_folders()[0]
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1")
    monkeypatch.setenv("TMPDIR", "/scratch")
    monkeypatch.setenv("HOME", "/elsewhere")
    assert lock_folders()[0] == first
    assert str(os.getuid()) in first.name
    with service_lock(None, HOST, f"test {os.getpid()}") as alone:
        assert alone
        assert any(path.name.endswith(".lock") for path in first.iterdir())


def test_without_a_lock_threads_still_take_turns_and_it_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    inside = 0
    most = 0

    def work() -> None:
        nonlocal inside, most
        with service_lock(tmp_path / "file", HOST, "p") as alone:
            assert not alone
            inside += 1
            most = max(most, inside)
            time.sleep(0.005)
            inside -= 1

    with ThreadPoolExecutor(4) as pool:
        for one in [pool.submit(work) for _ in range(8)]:
            one.result()
    assert most == 1
    assert caplog.text.count("no lock between programs can be had") == 1


@pytest.mark.skipif(os.name == "nt", reason="flock")
def test_a_file_system_without_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import fcntl

    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with service_lock(tmp_path, HOST, "p") as alone:
        assert not alone
    assert "No locks available" in caplog.text


def test_a_long_wait_says_for_whom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(locks, "SAY", 0.05)
    holder = start(HOLD, str(tmp_path))
    assert holder.stdout is not None
    holder.stdout.readline()

    def release() -> None:
        while "waiting for another program" not in caplog.text:
            time.sleep(0.01)
        holder.communicate("\n")

    thread = threading.Thread(target=release)
    thread.start()
    with service_lock(tmp_path, HOST, "p"):
        pass
    thread.join()
    assert f"process {holder.pid}" in caplog.text


HOLDING = """
import sys
from pathlib import Path
from moveshelf.transfer.locks import service_lock

with service_lock(Path(sys.argv[1]), "api.example.org", "p"):
    if len(sys.argv) > 2:
        sys.stdout.flush()
        import os
        os._exit(0)  # killed inside: nobody knows what it has done
"""


@pytest.mark.skipif(os.name == "nt", reason="there another process always counts as one that was inside")
def test_who_was_inside_before_the_caller_began_does_not_count(tmp_path: Path) -> None:
    start(HOLDING, str(tmp_path)).communicate(timeout=60)
    with service_lock(tmp_path, HOST, "p", since=time.time() + 1) as alone:
        assert not alone.others
    start(HOLDING, str(tmp_path)).communicate(timeout=60)
    with service_lock(tmp_path, HOST, "p", since=time.time() - 3600) as alone:
        assert alone.others
    start(HOLDING, str(tmp_path), "killed").communicate(timeout=60)
    with service_lock(tmp_path, HOST, "p", since=time.time() + 1) as alone:
        assert alone.others


def test_another_client_of_this_process_counts_as_another(tmp_path: Path) -> None:
    class Client:
        pass

    began = time.time()

    def enter(client: object) -> bool:
        with service_lock(tmp_path, "host", "project", client, since=began) as turn:
            return turn.others

    first, second = Client(), Client()
    assert [enter(one) for one in (first, first, second, second, first)] == [False, False, True, False, True]
    del first
    assert enter(second), "one that is gone was inside last"


# what nobody uses any more


DAY = 24 * 3600.0


def use(folder: Path, name: str, **more: Any) -> locks.Turn:
    with service_lock(folder, HOST, name, **more) as turn:
        return turn


def age(path: Path, seconds: float) -> None:
    when = time.time() - seconds
    os.utime(path, (when, when))


def sweep_now(folder: Path) -> None:
    """An hour has passed since the last sweep: the next lock that is let go of begins another one."""
    locks._sweeps.clear()
    if (folder / "swept").exists():
        age(folder / "swept", 3601)
    use(folder, "any other")


def files(folder: Path) -> set[Path]:
    return set(folder.glob("*.lock"))


def of(folder: Path, name: str) -> Path:
    """The file of a lock, made by using it."""
    before = files(folder)
    use(folder, name)
    (path,) = files(folder) - before
    return path


def test_what_nobody_has_used_for_a_day_is_removed(tmp_path: Path) -> None:
    use(tmp_path, "any other")
    old, young, held = (of(tmp_path, name) for name in ("old", "young", "held"))
    other = tmp_path / "notes.txt"
    other.write_text("not a lock")
    linked = tmp_path / "link.lock"
    if os.name != "nt":
        linked.symlink_to(other)
        os.utime(linked, (0, 0), follow_symlinks=False)
    for path in (old, held, other):
        age(path, DAY + 120)
    age(young, DAY - 60)
    with service_lock(tmp_path, HOST, "held"):
        age(held, DAY + 120)
        sweep_now(tmp_path)
        assert not old.exists()
        assert young.exists()
        assert held.exists()
        assert other.exists()
    assert use(tmp_path, "old")
    assert old.exists()


def test_only_files_of_locks_are_removed(tmp_path: Path) -> None:
    use(tmp_path, "any other")
    old = of(tmp_path, "old")
    kept = [tmp_path / name for name in ("poetry.lock", f"{old.stem}.lock.txt", f"{old.stem[:-1]}.lock")]
    for path in kept:
        path.write_text("1 someone 1.0")
    folder = tmp_path / f"{'0' * 32}.lock"
    folder.mkdir()
    for path in (old, folder, *kept):
        age(path, DAY + 120)
    sweep_now(tmp_path)
    assert not old.exists()
    assert folder.is_dir()
    assert all(path.exists() for path in kept)


@pytest.mark.skipif(os.name == "nt", reason="rights of POSIX")
def test_another_users_file_is_not_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = of(tmp_path, "old")
    age(old, DAY + 120)
    with monkeypatch.context() as patch:
        patch.setattr(os, "getuid", lambda: 12345)
        locks._remove_unused(old, time.time() - DAY)
    assert old.exists()
    locks._remove_unused(old, time.time() - DAY)
    assert not old.exists()


@pytest.mark.skipif(os.name == "nt", reason="there a file that is open cannot be removed")
@pytest.mark.parametrize("meanwhile", ["used", "removed and used"])
def test_a_file_that_is_used_just_before_a_sweep_has_it_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    """Another process comes between the sweep's look at the file and its lock."""
    use(tmp_path, "p")
    (path,) = files(tmp_path)
    age(path, DAY + 120)
    lock = locks._locked

    def come_between(descriptor: int) -> bool:
        monkeypatch.setattr(locks, "_locked", lock)
        if meanwhile == "removed and used":  # by another sweep: the file that this one has open stays old
            path.unlink()
        start(HOLDING, str(tmp_path)).communicate(timeout=60)
        return lock(descriptor)

    monkeypatch.setattr(locks, "_locked", come_between)
    locks._remove_unused(path, time.time() - DAY)
    assert locks._locked is lock
    assert path.exists()
    assert use(tmp_path, "p", since=time.time() - 60).others


def test_a_sweep_comes_after_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for it: another thread may enter while it lasts."""
    entered: list[locks.Turn] = []
    sweep = locks._sweep

    def look(folder: Path) -> None:
        monkeypatch.setattr(locks, "_sweep", sweep)
        with ThreadPoolExecutor(1) as pool:
            entered.append(pool.submit(use, tmp_path, "p").result(30))

    monkeypatch.setattr(locks, "_sweep", look)
    use(tmp_path, "p")
    assert len(entered) == 1
    assert entered[0]


def test_a_sweep_comes_once_an_hour(tmp_path: Path) -> None:
    use(tmp_path, "any other")
    path = of(tmp_path, "p")
    age(path, DAY + 120)
    use(tmp_path, "any other")
    locks._sweeps.clear()  # another process, which sees when the last one was
    use(tmp_path, "any other")
    assert path.exists()
    sweep_now(tmp_path)
    assert not path.exists()


def test_a_sweep_of_many_goes_on_with_the_next_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Path] = []
    remove = locks._remove_unused

    def look(path: Path, cutoff: float) -> None:
        looked.append(path)
        remove(path, cutoff)

    monkeypatch.setattr(locks, "_remove_unused", look)
    use(tmp_path, "any other")
    looked.clear()
    for number in range(5 * locks.SWEEP_FILES):
        path = tmp_path / f"{number:032x}.lock"
        path.write_text("1 someone 1.0")
        age(path, DAY + 120)
    sweep_now(tmp_path)
    assert len(looked) == locks.SWEEP_FILES
    for _ in range(5):
        use(tmp_path, "any other")
    assert len(looked) == 5 * locks.SWEEP_FILES + 1
    assert len(files(tmp_path)) == 1


def test_short_programs_come_to_every_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system lists a folder in the same order each time: young files at its begin must not hide the old ones."""
    monkeypatch.setattr(locks, "SWEEP_FILES", 5)
    use(tmp_path, "any other")
    for number in range(20):
        (tmp_path / f"{number:032x}.lock").write_text("1 someone 1.0")
    young = [path.name for path in files(tmp_path)]
    old = of(tmp_path, "old")
    age(old, DAY + 120)
    monkeypatch.setattr(locks.os, "listdir", lambda path: [*young, old.name])
    for _ in range(500):
        sweep_now(tmp_path)
        if not old.exists():
            break
    assert not old.exists()


@pytest.mark.skipif(os.name == "nt", reason="there another process always counts as one that was inside")
@pytest.mark.parametrize(("ago", "others"), [(2 * DAY, True), (0.0, False)])
def test_a_note_that_was_removed_is_not_taken_for_nobody(tmp_path: Path, ago: float, others: bool) -> None:
    """A client that has read before the oldest note there is cannot know who was inside since."""
    since = time.time() - ago
    holder = start(HOLDING, str(tmp_path))
    holder.communicate(timeout=60)
    assert any(path.read_text().startswith(f"{holder.pid} ") for path in files(tmp_path))
    for path in files(tmp_path):
        age(path, DAY + 120)
    sweep_now(tmp_path)
    assert not any(path.read_text().startswith(f"{holder.pid} ") for path in files(tmp_path))
    assert use(tmp_path, "p", since=since).others is others


@pytest.mark.skipif(os.name == "nt", reason="there another process always counts as one that was inside")
@pytest.mark.parametrize(
    ("ago", "others"), [(None, True), (DAY + 120, True), (DAY - 120, False)], ids=["ever", "long", "today"]
)
def test_a_folder_that_was_cleaned_away_is_not_taken_for_nobody(
    tmp_path: Path, ago: float | None, others: bool
) -> None:
    """Programs that clean temporary folders remove the time of the last sweep, too."""
    folder = tmp_path / "locks"
    since = {} if ago is None else {"since": time.time() - ago}
    start(HOLDING, str(folder)).communicate(timeout=60)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    assert use(folder, "p", **since).others is others


@pytest.mark.skipif(os.name == "nt", reason="there another process always counts as one that was inside")
def test_a_clock_that_was_set_back_after_a_sweep_hides_nobody(tmp_path: Path) -> None:
    use(tmp_path, "any other")
    age(
        tmp_path / "swept", -2 * DAY
    )  # it was two days later than now: what a sweep removes then may be of yesterday
    assert use(tmp_path, "p", since=time.time()).others


@pytest.mark.skipif(os.name == "nt", reason="there another process always counts as one that was inside")
def test_a_note_that_may_count_is_never_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system's time of a file lies up to two seconds before the moment that is in the note."""
    use(tmp_path, "any other")
    path = of(tmp_path, "p")
    limits: list[float] = []
    monkeypatch.setattr(locks, "_remove_unused", lambda path, cutoff: limits.append(cutoff))
    sweep_now(tmp_path)
    assert path.exists()
    assert limits
    assert max(limits) + 2 < locks._horizon(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="there another process always counts as one that was inside")
def test_a_process_that_was_killed_inside_is_remembered_for_another_day(tmp_path: Path) -> None:
    start(HOLDING, str(tmp_path), "killed").communicate(timeout=60)
    (path,) = files(tmp_path)
    age(path, 5 * DAY)  # it was inside for long: killed just now, after the caller began to read
    began = time.time()
    sweep_now(tmp_path)
    assert path.exists()
    assert use(tmp_path, "p", since=began).others
    start(HOLDING, str(tmp_path), "killed").communicate(timeout=60)
    age(path, 5 * DAY)
    sweep_now(tmp_path)
    age(path, DAY + 120)
    sweep_now(tmp_path)
    assert not path.exists()


SWEEP = """
import os, sys, time
from pathlib import Path
from moveshelf.transfer import locks

folder, counter, rounds = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
locks.RETENTION = locks.CLOCK_MARGIN = -1.0  # whatever is not held is old enough
locks.SWEEP_EVERY = 0.0
for _ in range(rounds):
    with locks.service_lock(folder, "api.example.org", "project") as alone:
        assert alone
        value = int(counter.read_text())
        counter.write_text("")
        counter.write_text(str(value + 1))
    with locks.service_lock(folder, "api.example.org", "another"):
        pass
"""


def test_sweeps_let_nobody_in_beside_another(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    others = [start(SWEEP, str(tmp_path / "locks"), str(counter), "150") for _ in range(4)]
    for one in others:
        _, errors = one.communicate(timeout=120)
        assert one.returncode == 0, errors
    assert counter.read_text() == "600"
    assert len(files(tmp_path / "locks")) <= 2


@pytest.mark.skipif(os.name == "nt", reason="there another process always counts as one that was inside")
def test_locks_that_nobody_uses_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Client:
        pass

    monkeypatch.setattr(locks, "_held", {})
    monkeypatch.setattr(locks, "KNOWN", 20)
    mine, other = Client(), Client()
    began = time.time()
    with service_lock(tmp_path, HOST, "held", mine):
        for number in range(200):
            assert not use(tmp_path, str(number), client=mine, since=began).others
            assert len(locks._held) <= 21
        with service_lock(tmp_path, HOST, "held", mine) as turn:  # still known: else it would wait for itself
            assert turn
    assert not use(tmp_path, "199", client=mine, since=began).others
    # the first ones are not known any more: it may have been another client that was inside
    assert use(tmp_path, "0", client=other, since=began).others
    assert not use(tmp_path, "1", client=other, since=time.time() + 1).others


def test_no_thread_gets_a_lock_that_was_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "_held", {})
    monkeypatch.setattr(locks, "KNOWN", 1)
    inside = [0] * 4

    def work(number: int) -> None:
        for step in range(100):
            name = (number + step) % 4
            with service_lock(tmp_path, HOST, str(name)):
                inside[name] += 1
                assert inside[name] == 1
                inside[name] -= 1

    with ThreadPoolExecutor(8) as pool:
        for one in [pool.submit(work, number) for number in range(8)]:
            one.result()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_goes_on_in_the_middle_of_a_sweep(tmp_path: Path) -> None:
    use(tmp_path, "any other")
    old = of(tmp_path, "old")
    age(old, DAY + 120)
    locks._sweeping.acquire()
    try:
        child = os.fork()
        if not child:
            try:
                sweep_now(tmp_path)
            finally:
                os._exit(0)
        os.waitpid(child, 0)
    finally:
        locks._sweeping.release()
    assert not old.exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_forked_in_a_sweep_keeps_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has copies of the sweep's descriptors for as long as it lives."""
    read_end, write_end = os.pipe()
    use(tmp_path, "p")
    (path,) = files(tmp_path)
    path.write_text("1 someone")  # killed inside: the file is kept
    age(path, DAY + 120)
    children: list[int] = []
    read, utime = locks._Note.read, os.utime

    def fork() -> None:
        child = os.fork()
        if not child:
            os.close(write_end)
            os.read(read_end, 1)  # until the parent has closed its end
            os._exit(0)
        children.append(child)

    def read_and_fork(descriptor: int) -> locks._Note:
        fork()
        return read(descriptor)

    def utime_and_fork(target: Any, *more: Any) -> None:
        if Path(target).name == "swept":
            fork()
        utime(target, *more)

    age(tmp_path / "swept", 3601)
    locks._sweeps.clear()
    monkeypatch.setattr(locks._Note, "read", read_and_fork)
    monkeypatch.setattr(locks.os, "utime", utime_and_fork)
    try:
        locks._sweep(tmp_path)
        assert len(children) == 2
        assert path.exists()
        for name in (path, tmp_path / "swept"):
            descriptor = os.open(name, os.O_RDWR)
            assert locks.try_lock(descriptor), name.name
            os.close(descriptor)
    finally:
        os.close(write_end)
        for child in children:
            os.waitpid(child, 0)
        os.close(read_end)


@pytest.mark.parametrize(("times", "exclusive"), [(2, True), (9, False)])
def test_a_file_that_is_just_being_removed_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int, exclusive: bool
) -> None:
    """Windows refuses to open it for that moment; a folder in which nothing may be opened is not tried for ever."""
    refused = 0
    opened = os.open

    def refuse(path: Any, *more: Any) -> int:
        nonlocal refused
        if refused < times and str(path).endswith(".lock"):
            refused += 1
            raise PermissionError(13, "being removed")
        return opened(path, *more)

    monkeypatch.setattr(locks, "REFUSALS", 5)
    monkeypatch.setattr(locks.os, "open", refuse)
    assert use(tmp_path, "p").exclusive is exclusive
    assert refused == min(times, 6)


def test_a_folder_that_cannot_be_swept_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> list[str]:
        raise PermissionError(13, "no")

    monkeypatch.setattr(locks.os, "listdir", refuse)
    monkeypatch.setattr(locks, "_sweeps", {})
    assert use(tmp_path, "p")
    assert use(tmp_path, "p")


def test_an_interrupt_at_any_moment_leaves_no_lock(tmp_path: Path) -> None:
    """What stays locked after Ctrl-C would keep this program and all others from that object until this one ends."""
    count = 0

    def work() -> None:
        with service_lock(tmp_path, HOST, str(count)):
            pass

    def other() -> None:
        with service_lock(tmp_path, HOST, str(count)):
            entered.set()

    for place in interrupted(work, locks):
        entered = threading.Event()
        thread = threading.Thread(target=other, daemon=True)
        thread.start()
        assert entered.wait(20), f"locked for ever after an interrupt at {place}"
        thread.join()
        assert not locks._sweeping.locked(), place
        count += 1
    assert count > 20


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_that_leaves_what_its_parent_entered_unlocks_nothing(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        stack.enter_context(service_lock(tmp_path, HOST, "project"))
        child = os.fork()
        if not child:
            signal.alarm(30)
            stack.close()
            os._exit(7)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 7
        (file,) = tmp_path.glob("*.lock")
        with open(file, "rb") as stream:
            assert not locks.try_lock(stream.fileno())
