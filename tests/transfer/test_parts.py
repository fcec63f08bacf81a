"""What many files need: batches, the journal, results, parts of remote files, runs that are stopped."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from little_store import QUICK, Store

from moveshelf.errors import ChecksumError, NotFoundError, TransferError, ValidationError
from moveshelf.transfer.batch import Batcher
from moveshelf.transfer.blob import Stored, content_range, crc_of, head
from moveshelf.transfer.ranges import open_ranges
from moveshelf.transfer.receiver import CHUNK, FIRST, SignedUrls
from moveshelf.transfer.result import Entry, Plan, Step, TransferResult, size_text
from moveshelf.transfer.run import Slot, carry_out
from moveshelf.wire import Wire

Run = Callable[..., Any]
URL = "https://api.example.org/graphql"


# batches


def test_questions_travel_together() -> None:
    asked: list[list[int]] = []

    async def ask(numbers: list[int]) -> Sequence[int | BaseException]:
        asked.append(numbers)
        await asyncio.sleep(0.01)
        return [TransferError(f"no {number}") if number == 7 else number * 10 for number in numbers]

    async def work() -> None:
        batcher: Batcher[int, int] = Batcher(ask, most=20, at_once=2)
        answers = await asyncio.gather(*map(batcher, range(100)), return_exceptions=True)
        assert [answer for number, answer in enumerate(answers) if number != 7] == [
            number * 10 for number in range(100) if number != 7
        ]
        assert isinstance(answers[7], TransferError)

    asyncio.run(work())
    assert [len(numbers) for numbers in asked] == [20] * 5


def test_a_request_that_fails_fails_for_all_of_it() -> None:
    async def ask(numbers: list[int]) -> Sequence[int | BaseException]:
        raise TransferError("lost")

    async def work() -> None:
        batcher: Batcher[int, int] = Batcher(ask)
        answers = await asyncio.gather(batcher(1), batcher(2), return_exceptions=True)
        assert [str(answer) for answer in answers] == ["lost", "lost"]
        assert answers[0] is not answers[1]

    asyncio.run(work())


def test_who_does_not_wait_any_more_is_not_asked_for() -> None:
    asked: list[int] = []

    async def ask(numbers: list[int]) -> Sequence[int | BaseException]:
        asked.extend(numbers)
        return numbers

    async def work() -> None:
        batcher: Batcher[int, int] = Batcher(ask)
        gone = asyncio.ensure_future(batcher(1))
        await asyncio.sleep(0)
        gone.cancel()
        assert await batcher(2) == 2

    asyncio.run(work())
    assert asked == [2]


def test_addresses_are_asked_for_in_chunks_and_ahead() -> None:
    asked: list[int] = []
    count = FIRST + 3 * CHUNK

    async def look(ids: list[str]) -> Sequence[str | BaseException]:
        asked.append(len(ids))
        return [NotFoundError(one) if one == "5" else f"url {one}" for one in ids]

    async def work() -> None:
        addresses = SignedUrls(look, [str(number) for number in range(count)])
        assert await addresses.get(0, False) == "url 0"
        await asyncio.sleep(0)
        assert asked == [FIRST, CHUNK]
        with pytest.raises(NotFoundError):
            await addresses.get(5, False)
        for number in range(count):
            if number != 5:
                assert await addresses.get(number, False) == f"url {number}"
        assert asked == [FIRST, CHUNK, CHUNK, CHUNK]
        assert await addresses.get(3, True) == "url 3"
        assert asked[-1] == 1
        await addresses.close()

    asyncio.run(work())


# results


def test_results_tell_what_matters_first() -> None:
    entries = [Entry(f"f{number}", 100, 0.1, "done") for number in range(30)]
    entries.append(Entry("bad", status="failed", error=TransferError("it broke")))
    entries.append(Entry("left", status="skipped", reason="already there"))
    result = TransferResult(entries, "upload of 'x'", 1.5)
    assert (len(result), len(result.done), len(result.failed), len(result.skipped)) == (32, 30, 1, 1)
    assert result.bytes == 3000
    lines = repr(result).splitlines()
    assert lines[0] == "upload of 'x': 30 done, 1 failed, 1 skipped, 3.0 kB in 1.5 s"
    assert "bad" in lines[1]
    assert "it broke" in lines[1]
    assert lines[-1] == "  … and 12 more"
    assert "it broke" in result._repr_html_()
    with pytest.raises(TransferError, match="it broke"):
        result.raise_for_errors()
    pytest.importorskip("pandas")
    frame = result.to_frame()
    assert list(frame.columns) == ["path", "bytes", "seconds", "status", "error", "reason"]
    assert frame.loc[30, "error"] == "it broke"
    TransferResult(entries[:30], "fine").raise_for_errors()


def test_several_errors_are_listed() -> None:
    entries = [Entry(f"f{number}", status="failed", error=ChecksumError(f"e{number}")) for number in range(3)]
    with pytest.raises(TransferError, match=r"3 of 3 files failed(?s:.)*e0(?s:.)*e2"):
        TransferResult(entries, "x").raise_for_errors()


def test_a_plan_is_a_table() -> None:
    plan = Plan([Step("a<b", "upload", 1000), Step("c", "skip", 5, "already there")], "upload")
    assert plan.bytes == 1000
    assert repr(plan).splitlines()[0] == "Plan: upload: 1 upload, 1 skip, 1.0 kB"
    assert "a&lt;b" in plan._repr_html_()
    pytest.importorskip("pandas")
    assert list(plan.to_frame()["action"]) == ["upload", "skip"]


@pytest.mark.parametrize(
    ("size", "text"), [(None, ""), (0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (10**9 * 3, "3.0 GB"), (10**15, "1000.0 TB")]
)  # fmt: skip
def test_sizes_for_people(size: int | None, text: str) -> None:
    assert size_text(size) == text


# runs


def test_a_bad_file_stops_no_other(wire: Wire) -> None:
    together = 0
    most = 0

    async def work(step: Step, entry: Entry, slot: Slot) -> None:
        nonlocal together, most
        together += 1
        most = max(most, together)
        await asyncio.sleep(0.005)
        together -= 1
        if step.path == "3":
            raise RuntimeError("no luck")

    plan = Plan(
        [Step(str(number), "upload", 1) for number in range(20)] + [Step("x", "skip", 1, "there")], "run"
    )
    result = carry_out(wire, plan, work, jobs=4, progress=False)
    assert [entry.path for entry in result.failed] == ["3"]
    assert len(result.done) == 19
    assert result[-1].status == "skipped"
    assert most == 4
    with pytest.raises(RuntimeError, match="no luck"):
        result.raise_for_errors()


@pytest.mark.parametrize("jobs", [0, -1, 257, True, 1.5, "4"])
def test_jobs_that_cannot_be(wire: Wire, jobs: Any) -> None:
    with pytest.raises(ValidationError):
        carry_out(wire, Plan([], "x"), None, jobs=jobs)  # type: ignore[arg-type]


def test_the_bar_is_quiet_where_nobody_looks(wire: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    async def work(step: Step, entry: Entry, slot: Slot) -> None:
        slot.progress.bytes += 10

    plan = Plan([Step("a", "upload", 10)], "upload")
    carry_out(wire, plan, work)
    assert capsys.readouterr().err == ""
    carry_out(wire, plan, work, progress=True)
    assert "upload" in capsys.readouterr().err


def test_ctrl_c_stops_and_says_how_to_go_on(wire: Wire) -> None:
    begun = threading.Event()
    tidied = []

    async def work(step: Step, entry: Entry, slot: Slot) -> None:
        if step.path == "0":
            return
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            tidied.append(step.path)

    def interrupt() -> None:
        begun.wait(10)
        time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    plan = Plan([Step(str(number), "upload", 1) for number in range(10)], "upload of 'x'")
    with pytest.raises(KeyboardInterrupt, match="stopped after 1 of 10 files; do the same again") as caught:
        carry_out(wire, plan, work, jobs=3, progress=False)
    assert len(tidied) == 3 or len(tidied) == 2
    result = caught.value.result  # type: ignore[attr-defined]
    assert [entry.status for entry in result] == ["done"] + ["stopped"] * 9


# parts of remote files


def test_any_part_as_if_it_were_a_file(wire: Wire, store: Store) -> None:
    import random

    data = os.urandom(300_000)
    store.objects["x"] = data
    local = io.BytesIO(data)
    dice = random.Random(4)
    with open_ranges(wire, lambda renew: store.url("x"), "x", retry=QUICK, block=4096) as remote:
        for _ in range(300):
            if dice.random() < 0.5:
                position = dice.randrange(0, 310_000)
                assert remote.seek(position) == local.seek(position)
            size = dice.choice([0, 1, 100, 5000, 70_000])
            assert remote.read(size) == local.read(size)
            assert remote.tell() == local.tell()
        assert remote.seek(-100, io.SEEK_END) == local.seek(-100, io.SEEK_END)
        assert remote.read() == local.read()
        remote.seek(0)
        assert remote.read() == data
    with pytest.raises(ValueError, match="closed"):
        remote.read(1)


def test_a_zip_is_read_without_its_bulk(wire: Wire, store: Store) -> None:
    np = pytest.importorskip("numpy")
    archive = io.BytesIO()
    np.savez(archive, small=np.arange(10), large=np.zeros(2_000_000))
    store.objects["x"] = archive.getvalue()
    with open_ranges(wire, lambda renew: store.url("x"), "x.npz", block=1 << 14) as remote:
        assert len(zipfile.ZipFile(remote).namelist()) == 2
        assert list(np.load(remote)["small"]) == list(range(10))
    moved = sum(1 for method, _, _ in store.log if method == "GET")
    assert moved < 10
    assert all(asked for _, _, asked in store.log)


def test_reading_on_takes_ever_larger_parts(wire: Wire, store: Store) -> None:
    store.objects["x"] = bytes(1 << 20)
    with open_ranges(wire, lambda renew: store.url("x"), "x", block=1 << 14) as remote:
        while remote.read(1 << 14):
            pass
    assert len(store.log) <= 8


def test_nothing_is_asked_before_it_is_read(wire: Wire, store: Store) -> None:
    with open_ranges(wire, lambda renew: store.url("x"), "x") as remote:
        assert remote.seek(100) == 100
        assert remote.readable()
        assert not remote.writable()
    assert store.log == []


def test_an_empty_one(wire: Wire, store: Store) -> None:
    store.objects["x"] = b""
    with open_ranges(wire, lambda renew: store.url("x"), "x") as remote:
        assert remote.read() == b""
        assert remote.seek(0, io.SEEK_END) == 0


def test_faults_pass_and_urls_are_renewed(wire: Wire, store: Store) -> None:
    store.objects["x"] = bytes(range(256)) * 100
    store.faults = [403, "drop", 503, ("cut", 10)]
    renewals = []

    def address(renew: bool) -> str:
        renewals.append(renew)
        return store.url("x")

    with open_ranges(wire, address, "x", retry=QUICK) as remote:
        assert remote.read() == store.objects["x"]
    assert renewals == [False, True]


def test_an_object_that_is_replaced_while_it_is_read(wire: Wire, store: Store) -> None:
    store.objects["x"] = bytes(100_000)
    with open_ranges(wire, lambda renew: store.url("x"), "x", block=4096) as remote:
        remote.read(10)
        store.objects["x"] = bytes([1]) * 100_000
        remote.seek(90_000)
        with pytest.raises(TransferError, match="replaced"):
            remote.read(10)


# what a store says


def test_heads(run: Run, store: Store) -> None:
    store.objects["x"] = b"hello"
    found = run(head, store.url("x"))
    assert found.size == 5
    assert found.crc32c == "mnG7TA=="
    store.faults = [403]
    assert run(head, store.url("x")) == found
    assert store.log[-1] == ("GET", "x", "bytes=0-0")
    store.objects["x"] = b""
    store.faults = [405]
    assert run(head, store.url("x")) == Stored(0, "AAAAAA==")


def test_headers_are_read_with_care() -> None:
    assert content_range("bytes 0-9/100") == (0, 100)
    assert content_range("bytes */7") == (None, 7)
    assert content_range("bytes 5-9/*") == (5, None)
    assert content_range("lines 1-2/3") == (None, None)
    assert crc_of({"x-goog-hash": "md5=abc=="}) is None
    assert crc_of({"x-goog-hash": "md5=abc==, crc32c=mnG7TA=="}) == "mnG7TA=="
    assert crc_of({"x-goog-hash": "xcrc32c=mnG7TA=="}) is None


def test_importing_costs_no_network_library() -> None:
    code = (
        "import sys, moveshelf.transfer.result, moveshelf.transfer.run, moveshelf.transfer.names, moveshelf.transfer.layout\n"
        "print([name for name in ('aiohttp', 'gql', 'pandas', 'tqdm') if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
    assert json.loads(answer.stdout.replace("'", '"')) == []
