"""The bar of what takes long: what it says, when it appears, and that it goes on where another call has one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moveshelf.wire import progress
from moveshelf.wire.progress import Bar, loading, tick, transfer_text, waiting_text, watched

if TYPE_CHECKING:
    from pathlib import Path

    from moveshelf.sandbox import Sandbox


@pytest.mark.parametrize(
    ("numbers", "estimated", "text"),
    [
        ((12, 24, 3_200_000, 7_100_000, 1_300_000.0), False, "12 of 24 files, 3.2 MB of 7.1 MB, 1.3 MB/s, 3 s left"),
        ((12, 24, 3_200_000, 7_100_000, 0.0), True, "12 of 24 files, 3.2 MB of ~7.1 MB, 0 B/s"),
        ((0, 1, 0, 10**10, 10.0**6), False, "0 of 1 file, 0 B of 10.0 GB, 1.0 MB/s, 2 h 46 min left"),
        ((1, 2, 0, 600, 5.0), False, "1 of 2 files, 0 B of 600 B, 5 B/s, 2 min 0 s left"),
        ((2, 2, 600, 600, 5.0), False, "2 of 2 files, 600 B of 600 B"),
    ],
)  # fmt: skip
def test_a_transfer_in_words(numbers: tuple[Any, ...], estimated: bool, text: str) -> None:
    assert transfer_text(*numbers, estimated=estimated) == text


def test_a_wait_in_words() -> None:
    assert waiting_text("looking for files", 1, 0, 0.4) == "looking for files: 1 request, 0 B, 0 s"
    assert waiting_text("so far", 12, 3_400_000, 65) == "so far: 12 requests, 3.4 MB, 1 min 5 s"


@given(
    st.integers(0, 10), st.integers(0, 10), st.integers(0, 10**18), st.integers(0, 10**18), st.floats(0, 1e12)
)
def test_any_numbers_have_words(files: int, more: int, done: int, expected: int, speed: float) -> None:
    assert transfer_text(files, files + more, done, expected, speed).count(" of ") == 2


def test_a_thread_that_waits_calls_what_watches_it() -> None:
    called: list[str] = []
    tick()
    with watched(lambda: called.append("outer")):
        tick()
        with watched(None):  # what is inside without a bar of its own lets the outer one go on
            tick()
        with watched(lambda: called.append("inner")):
            tick()
        tick()
    tick()
    assert called == ["outer", "outer", "inner", "outer"]


class Terminal:
    """A stream that says it is a terminal, and keeps what is written to it."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return True


def test_planning_carrying_out_and_a_load_are_shown(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(
        sys, "stderr", terminal
    )  # here: pytest puts its own in place between a fixture and its test
    monkeypatch.setattr(progress, "DELAY", 0.0)
    name = sandbox.generate(subjects=2, sessions=1, clips=2, files=2)
    with sandbox.connect() as ms:
        sandbox.latency(0.3)  # longer than a slice of a wait
        ms.projects[name].load("subjects.sessions")
        assert "loading subjects.sessions: so far: " in terminal.text
        terminal.text = ""
        result = ms.projects[name].download(tmp_path / "data")
        sandbox.latency(0)
        assert len(result.done) == 8
        assert "looking for files: " in terminal.text
        assert "8 of 8 files" in terminal.text
        assert "100%" in terminal.text
        terminal.text = ""
        practice = ms.projects["lab/practice"]
        practice.upload_tree(tmp_path / "data")
        assert "8 of 8 files" in terminal.text
        terminal.text = ""
        practice.upload_tree(tmp_path / "data", progress=False)
        assert terminal.text == ""


def test_nothing_is_shown_where_nobody_looks(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "DELAY", 0.0)
    with sandbox.connect() as ms:
        sandbox.latency(0.2)
        ms.projects["lab/practice"].load("subjects")
        with loading(None, "x"):
            tick()
    assert capsys.readouterr().err == ""
    assert Bar.of(None, "x") is None
    assert Bar.of(True, "x") is not None
