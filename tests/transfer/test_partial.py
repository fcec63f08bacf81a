"""Several downloads into one folder, where locks are worth nothing: never wrong bytes, nothing twice, no error."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from little_store import QUICK, Store, crc

import moveshelf
from moveshelf.errors import TargetExistsError, TransferError
from moveshelf.sandbox import Sandbox
from moveshelf.transfer import locks, partial
from moveshelf.transfer.download import Fetched, fetch
from moveshelf.transfer.locks import ABANDONED, Owner
from moveshelf.transfer.partial import BLOCK

Run = Callable[..., Any]
BIG = os.urandom(3 * BLOCK + 12345)


@pytest.fixture(params=["locks work", "locks are always granted"])
def _locks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "locks are always granted":
        monkeypatch.setattr(partial, "try_lock", lambda descriptor: True)


def url_of(store: Store, name: str) -> Callable[[bool], Any]:
    async def get_url(renew: bool) -> str:
        return store.url(name)

    return get_url


def get(run: Run, store: Store, target: Path, name: str = "x", **options: Any) -> Fetched:
    found = run(fetch, url_of(store, name), target, key=f"id-{name}", retry=QUICK, **options)
    assert isinstance(found, Fetched)
    return found


def left(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def in_step(store: Store, count: int) -> None:
    """Have the store hold the second half of each body back until so many requests have begun."""
    begun = asyncio.Event()
    requests = []

    async def respond(request: web.Request) -> web.StreamResponse | None:
        if request.method != "GET" or "Range" in request.headers:
            return None
        body = store.objects[request.match_info["name"]]
        headers = {"ETag": f'"{crc(body)}"', "x-goog-hash": f"crc32c={crc(body)}"}
        response = web.StreamResponse(headers={**headers, "Content-Length": str(len(body))})
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
        requests.append(request)
        if len(requests) >= count:
            begun.set()
        await begun.wait()
        await response.write(body[len(body) // 2 :])
        return response

    store.each = respond


@pytest.mark.usefixtures("_locks")
@pytest.mark.parametrize("size", [1000, len(BIG)])
def test_the_later_one_finds_it_there(run: Run, store: Store, tmp_path: Path, size: int) -> None:
    store.objects["x"] = BIG[:size]
    in_step(store, 3)

    async def three(blobs: Any) -> list[Fetched]:
        return await asyncio.gather(
            *(
                fetch(blobs, url_of(store, "x"), tmp_path / "x", key="id-x", root=tmp_path, retry=QUICK)
                for _ in range(3)
            )
        )

    found = run(three)
    assert sorted(one.there for one in found) == [False, True, True]
    assert {(one.size, one.crc32c) for one in found} == {(size, crc(BIG[:size]))}
    assert (tmp_path / "x").read_bytes() == BIG[:size]
    assert left(tmp_path) == ["x"]


@pytest.mark.usefixtures("_locks")
def test_two_objects_for_one_name_are_never_mixed(run: Run, store: Store, tmp_path: Path) -> None:
    store.objects |= {"x": BIG, "y": BIG[::-1]}
    in_step(store, 2)

    async def two(blobs: Any) -> list[Any]:
        return await asyncio.gather(
            *(
                fetch(blobs, url_of(store, name), tmp_path / "f", key=f"id-{name}", retry=QUICK)
                for name in "xy"
            ),
            return_exceptions=True,
        )

    found = run(two)
    (error,) = [one for one in found if isinstance(one, Exception)]
    assert isinstance(error, TargetExistsError)
    assert (tmp_path / "f").read_bytes() in (BIG, BIG[::-1])
    assert left(tmp_path) == ["f"]


def test_what_is_there_is_compared_before_a_byte_is_fetched(run: Run, store: Store, tmp_path: Path) -> None:
    store.objects["x"] = BIG
    (tmp_path / "x").write_bytes(BIG)
    assert get(run, store, tmp_path / "x") == Fetched(len(BIG), crc(BIG), there=True)
    assert [method for method, _, _ in store.log] == ["HEAD"]
    with pytest.raises(TargetExistsError, match="other content"):
        (tmp_path / "x").write_bytes(BIG[:-1])
        get(run, store, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == BIG[:-1]


def test_only_what_differs_is_replaced(run: Run, store: Store, tmp_path: Path) -> None:
    store.objects["x"] = BIG
    (tmp_path / "x").write_bytes(BIG)
    assert get(run, store, tmp_path / "x", overwrite=True, compare=True).there
    (tmp_path / "x").write_bytes(b"old")
    assert not get(run, store, tmp_path / "x", overwrite=True, compare=True).there
    assert (tmp_path / "x").read_bytes() == BIG
    assert [method for method, _, _ in store.log] == ["HEAD", "HEAD", "GET"]


def meddle(store: Store, act: Callable[[], None]) -> None:
    """Have something happen to the folder while the first body is on its way."""
    done = []

    async def respond(request: web.Request) -> web.StreamResponse | None:
        if done or request.method != "GET":
            return None
        done.append(1)
        body = store.objects["x"]
        headers = {"ETag": f'"{crc(body)}"', "x-goog-hash": f"crc32c={crc(body)}"}
        response = web.StreamResponse(headers={**headers, "Content-Length": str(len(body))})
        await response.prepare(request)
        await response.write(body[: 2 * BLOCK])
        for _ in range(1000):
            await asyncio.sleep(0.005)
            if act_once(act):
                break
        await response.write(body[2 * BLOCK :])
        return response

    def act_once(act: Callable[[], None]) -> bool:
        try:
            act()
        except (FileNotFoundError, ValueError):
            return False
        return True

    store.each = respond


def the_part(folder: Path) -> Path:
    (part,) = folder.glob(".moveshelf-*.part")
    if part.stat().st_size < BLOCK:
        raise ValueError("not much is in it yet")
    return part


@pytest.mark.parametrize("how", ["changed", "taken", "removed", "replaced", "second name"])
def test_a_temporary_file_that_others_touch_never_gets_the_name(
    run: Run, store: Store, tmp_path: Path, how: str
) -> None:
    store.objects["x"] = BIG
    out = tmp_path / "out"
    out.mkdir()

    def act() -> None:
        part = the_part(out)
        if how == "changed":
            with open(part, "r+b") as stream:
                stream.write(b"other bytes")
        elif how == "taken":
            part.rename(tmp_path / "elsewhere")
        elif how == "removed":
            part.unlink()
        elif how == "second name":
            os.link(part, tmp_path / "elsewhere")
        else:
            part.unlink()
            part.write_bytes(BIG[::-1])

    meddle(store, act)
    get(run, store, out / "x")
    assert (out / "x").read_bytes() == BIG
    names = left(out)
    assert "x" in names
    if how not in ("replaced", "second name"):  # what others have made is theirs
        assert names == ["x"]
    assert (out / "x").stat().st_nlink == 1


def test_it_is_on_the_disk_before_it_gets_its_name(
    run: Run, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.objects["x"] = BIG
    events = []
    fsync, link = os.fsync, os.link
    monkeypatch.setattr(os, "fsync", lambda fd: (events.append("flushed"), fsync(fd))[1])
    monkeypatch.setattr(os, "link", lambda *args, **kw: (events.append("named"), link(*args, **kw))[1])
    get(run, store, tmp_path / "x")
    assert events == ["flushed", "named"]


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="not on this system")
def test_a_large_file_goes_to_the_disk_as_it_comes(
    run: Run, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partial, "FLUSH", BLOCK)
    ranges: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "posix_fadvise", lambda fd, at, size, advice: ranges.append((at, size)))
    store.objects["x"] = BIG
    get(run, store, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == BIG
    assert len(ranges) >= 3
    for one, two in pairwise(ranges):
        assert two[0] == one[0] + one[1]  # each byte once: another time would drop it from memory


def test_a_file_system_without_links_and_without_flushing(
    run: Run, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **options: Any) -> None:
        raise OSError(22, "invalid")

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(os, "fsync", refuse)
    store.objects["x"] = BIG
    get(run, store, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == BIG
    assert left(tmp_path) == ["x"]


# who is alive


def test_owners() -> None:
    me = Owner.current()
    now = time.time()
    assert me.ours
    assert me.alive(0)
    assert Owner.read({"host": me.host, "pid": me.pid, "started": me.started}) == me
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    assert not Owner(me.host, child.pid).alive(now)
    if me.started:
        assert not Owner(me.host, me.pid, "of another time").alive(now)
    far = Owner("another computer", 1)
    assert far.alive(now)
    assert not far.alive(now - ABANDONED - 1)


@pytest.mark.parametrize("record", [None, [], {}, {"host": 1, "pid": 1}, {"host": "x", "pid": "1"},
                                    {"host": "x", "pid": True}, {"host": "x", "pid": -1}])  # fmt: skip
def test_records_that_are_no_owner(record: Any) -> None:
    assert Owner.read(record) is None


def broken_off(run: Run, store: Store, target: Path) -> Path:
    store.objects["x"] = BIG
    store.faults = [("cut", 2 * BLOCK), *[503] * 5]
    with pytest.raises(TransferError):
        get(run, store, target)
    store.log.clear()
    (part,) = target.parent.glob(".moveshelf-*.part")
    return part


@pytest.mark.usefixtures("_locks")
@pytest.mark.parametrize(
    "owner",
    ["nobody", "a dead process", "a living process", "another computer", "another, long ago"],
)
def test_only_what_is_abandoned_is_continued(run: Run, store: Store, tmp_path: Path, owner: str) -> None:
    part = broken_off(run, store, tmp_path / "x")
    sidecar = part.with_name(part.name + ".json")
    record = json.loads(sidecar.read_text())
    assert record["owner"] is None
    parent = Owner.current()
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    owners = {
        "nobody": None,
        "a dead process": {"host": parent.host, "pid": child.pid, "started": ""},
        "a living process": {"host": parent.host, "pid": os.getppid(), "started": ""},
        "another computer": {"host": "elsewhere", "pid": 1, "started": ""},
        "another, long ago": {"host": "elsewhere", "pid": 1, "started": ""},
    }
    record["owner"] = owners[owner]
    sidecar.write_text(json.dumps(record))
    if owner == "another, long ago":
        os.utime(part, (1, 1))
    found = get(run, store, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == BIG
    if owner in ("a living process", "another computer"):
        assert found.resumed == 0
        assert left(tmp_path) == sorted(["x", part.name, sidecar.name])
        assert part.read_bytes() == BIG[: 2 * BLOCK]
    else:
        assert found.resumed == 2 * BLOCK
        assert left(tmp_path) == ["x"]


DIE = """
import os, sys
from pathlib import Path
from moveshelf.transfer.blob import Stored
from moveshelf.transfer.partial import PartFile
sink = PartFile(Path(sys.argv[1]), "id-x")
whole = b"x" * 10
if sys.argv[2] == "sidecar":
    sink.begin(Stored(20, "AAAAAA==", '"tag"'))
else:
    sink.begin(Stored(10, "AAAAAA==", '"tag"'))
sink.take(whole)
sink.write(sink.handed_over())
if sys.argv[2] == "linked":
    os.link(sink.path, sys.argv[1])
elif sys.argv[2] == "sidecar":
    os.unlink(sink.path)
print(sink.path, flush=True)
os._exit(9)
"""
"""A download that dies: while it has no sidecar yet, between its two names, or before it has removed its sidecar."""


def died(target: Path, when: str) -> str:
    command = [sys.executable, "-c", DIE, str(target), when]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 9, ended.stderr
    return Path(ended.stdout.strip()).name


@pytest.mark.parametrize("when", ["no sidecar", "linked", "sidecar"])
def test_nothing_stays_of_a_download_that_died(tmp_path: Path, when: str) -> None:
    name = died(tmp_path / "x", when)
    kept = ["x"] if when == "linked" else []
    assert left(tmp_path) == sorted([*kept, name + ".json" if when == "sidecar" else name])
    partial.tidy([tmp_path, tmp_path / "no such folder"])
    assert left(tmp_path) == kept


@pytest.mark.usefixtures("_locks")
def test_a_download_removes_what_died_without_a_sidecar(run: Run, store: Store, tmp_path: Path) -> None:
    died(tmp_path / "x", "no sidecar")
    store.objects["x"] = BIG
    get(run, store, tmp_path / "x")
    assert left(tmp_path) == ["x"]


def test_what_can_be_continued_or_is_another_s_stays(run: Run, store: Store, tmp_path: Path) -> None:
    part = broken_off(run, store, tmp_path / "x")
    kept = [part.name, part.name + ".json"]
    sink = partial.PartFile(tmp_path / "y", "id-y")
    sink.begin(partial.Stored(5, "AAAAAA==", '"tag"'))
    sink.take(b"12345")
    sink.write(sink.handed_over())
    other = tmp_path / f".moveshelf-{partial.digest_of(tmp_path / 'z')}-0000{'0' * 28}.part"
    other.write_bytes(b"of another computer, just now")
    partial.tidy([tmp_path])
    assert left(tmp_path) == sorted([*kept, os.path.basename(sink.path), other.name])
    os.utime(other, (1, 1))
    sink.discard()
    partial.tidy([tmp_path])
    assert left(tmp_path) == sorted(kept)


def test_of_several_beginnings_none_stays_when_the_file_is_in_place(
    run: Run, store: Store, tmp_path: Path
) -> None:
    part = broken_off(run, store, tmp_path / "x")
    record = part.with_name(part.name + ".json").read_bytes()
    again = part.with_name(part.name.replace(".part", "")[:-8] + "00000000.part")
    again.write_bytes(part.read_bytes())
    again.with_name(again.name + ".json").write_bytes(record)
    assert get(run, store, tmp_path / "x").resumed == 2 * BLOCK
    assert left(tmp_path) == ["x"]


@pytest.mark.usefixtures("_locks")
def test_one_alone_continues_what_was_left(run: Run, store: Store, tmp_path: Path) -> None:
    broken_off(run, store, tmp_path / "x")

    async def three(blobs: Any) -> list[Fetched]:
        return await asyncio.gather(
            *(
                fetch(blobs, url_of(store, "x"), tmp_path / "x", key="id-x", overwrite=True, retry=QUICK)
                for _ in range(3)
            )
        )

    found = run(three)
    assert sorted(one.resumed for one in found) == [0, 0, 2 * BLOCK]
    assert (tmp_path / "x").read_bytes() == BIG
    assert left(tmp_path) == ["x"]


# two processes

DOWNLOAD = """
import sys, fcntl, moveshelf
if sys.argv[5] == "granted":
    fcntl.flock = lambda *args: None
ms = moveshelf.connect(sys.argv[1], sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
result = ms.projects[sys.argv[3]].download(sys.argv[4], progress=False)
result.raise_for_errors()
print(len(result.done), len(result.skipped), {one.reason for one in result.skipped})
"""


@pytest.mark.parametrize("granted", ["work", "granted"])
def test_two_processes_fill_one_folder(sandbox: Sandbox, tmp_path: Path, granted: str) -> None:
    name = sandbox.generate(subjects=2, sessions=1, clips=5, files=3, file_size=200_000)
    sandbox.fail("GET", truncate=0.6, rate=0.2, seed=1)
    out = tmp_path / "out"
    root = str(Path(moveshelf.__file__).parents[1])
    arguments = [str(sandbox.key_file), sandbox.api_url, name, str(out), granted]
    both = [
        subprocess.Popen(
            [sys.executable, "-c", DOWNLOAD, *arguments],
            env={**os.environ, "PYTHONPATH": root},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for one in both:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in both:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    said = [one.communicate(timeout=60) for one in both]
    assert [one.returncode for one in both] == [0, 0], said
    counts = [text.split()[:2] for text, _ in said]
    assert sum(int(done) for done, _ in counts) == 30
    assert sum(int(skipped) for _, skipped in counts) == 30
    sandbox.clear_faults()
    with sandbox.connect() as ms:
        ms.projects[name].download(tmp_path / "right", progress=False).raise_for_errors()  # type: ignore[union-attr]
    files = {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    right = tmp_path / "right"
    assert files == {p.relative_to(right): p.read_bytes() for p in right.rglob("*") if p.is_file()}


HOLD = """
import sys, fcntl, moveshelf
fcntl.flock = lambda *args: None
ms = moveshelf.connect(sys.argv[1], sys.argv[2])
ms.projects[sys.argv[3]].download(sys.argv[4], progress=False).raise_for_errors()
"""


def test_the_file_of_a_living_process_is_left_alone(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partial, "try_lock", lambda descriptor: True)
    name = sandbox.generate(subjects=1, sessions=1, clips=1, files=1, file_size=6_000_000)
    sandbox.fail("GET", truncate=4_000_000, times=1)
    sandbox.fail("GET", status=503, retry_after=60, rate=1.0)
    out = tmp_path / "out"
    root = str(Path(moveshelf.__file__).parents[1])
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(sandbox.key_file), sandbox.api_url, name, str(out)],
        env={**os.environ, "PYTHONPATH": root},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        for _ in range(3000):
            if any(one.status == 503 for one in list(sandbox.requests)) and list(out.rglob("*.part")):
                break
            time.sleep(0.01)
        (part,) = out.rglob("*.part")
        before = part.read_bytes()
        sandbox.clear_faults()
        with sandbox.connect() as ms:
            result = ms.projects[name].download(out, progress=False)
            result.raise_for_errors()  # type: ignore[union-attr]
            assert result[0].reason == ""  # type: ignore[union-attr]
        assert part.read_bytes() == before
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert process.stderr is not None
        process.stderr.close()
    # now it is dead: the next download of that name goes on with what it left
    (path,) = out.rglob("*.bin")
    path.unlink()
    with sandbox.connect() as ms:
        result = ms.projects[name].download(out, progress=False)
        assert "from an earlier run" in result[0].reason
    assert [one.name for one in out.rglob("*") if one.is_file()] == [path.name]


def test_a_granted_lock_is_what_a_strange_file_system_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    """`try_lock` itself: an error that is no refusal counts as granted, so that owners have to be compared."""
    fcntl = pytest.importorskip("fcntl")

    def broken(descriptor: int, operation: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", broken)
    assert locks.try_lock(0)
