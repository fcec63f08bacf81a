"""Runs of many files: what fails, what is stopped, what is seen."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from typing import Any

import pytest

from moveshelf.errors import ValidationError
from moveshelf.transfer.result import Entry, Plan, Step
from moveshelf.transfer.run import Slot, carry_out, checked_jobs
from moveshelf.wire import Wire
from moveshelf.wire.thread import WINDOWS_JOBS


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


def test_jobs_are_any_integers_and_capped_by_what_the_machine_has(monkeypatch: pytest.MonkeyPatch) -> None:
    np = pytest.importorskip("numpy")
    assert checked_jobs(np.int64(8)) == 8
    monkeypatch.setattr("moveshelf.wire.thread.sys.platform", "win32")
    assert checked_jobs(256) == WINDOWS_JOBS
    assert checked_jobs(8) == 8
    # two sockets each, and as many again that are kept open, are what a loop there can hold
    assert WINDOWS_JOBS * 4 <= 512


@pytest.mark.skipif(os.name != "posix", reason="a limit of open files is POSIX's")
def test_a_run_has_no_more_jobs_than_open_files_allow(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    monkeypatch.setattr(resource, "getrlimit", lambda kind: (70, 70))
    at_once, most = 0, 0

    async def work(step: Step, entry: Entry, slot: Slot) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0)
        at_once -= 1
        entry.status = "done"

    carry_out(wire, Plan([Step(str(n), "upload", 1) for n in range(20)], "x"), work, jobs=64, progress=False)
    assert most == 2


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
