"""Waiting for a job: when it is looked at, by a clock of the test's own."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moveshelf.operations import processing
from moveshelf.operations.processing import FIRST_PAUSE, LONGEST_PAUSE, looks


class Clock:
    """Time that passes only in `sleep`."""

    def __init__(self) -> None:
        self.now = 100.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        assert len(self.pauses) < 1000
        self.pauses.append(seconds)
        self.now = max(self.now + seconds, math.nextafter(self.now, math.inf))  # a clock never stands still


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(processing, "time", made)
    return made


def test_pauses_grow_to_the_longest(clock: Clock) -> None:
    passed = looks(None, clock.sleep)
    times = [next(passed) for _ in range(30)]
    assert times[0] == 0
    assert clock.pauses[0] == FIRST_PAUSE
    assert clock.pauses == sorted(clock.pauses)
    assert clock.pauses[-1] == LONGEST_PAUSE


@given(st.integers(0, 10_000_000))
def test_the_last_look_is_at_the_timeout(milliseconds: int) -> None:
    timeout = milliseconds / 1000
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processing, "time", clock)
        times = list(looks(timeout, clock.sleep))
    assert times[0] == 0
    assert times[-1] == pytest.approx(timeout)
    assert times == sorted(times)
    assert sum(clock.pauses) == pytest.approx(timeout)


def test_a_timeout_of_nothing_looks_once(clock: Clock) -> None:
    assert list(looks(0, clock.sleep)) == [0]
    assert clock.pauses == []


def test_what_the_loop_does_meanwhile_counts(clock: Clock) -> None:
    """A slow request between two looks is part of the timeout."""
    found: list[Any] = []
    for passed in looks(10, clock.sleep):
        found.append(passed)
        clock.now += 6
    assert found == [0, pytest.approx(6 + FIRST_PAUSE)]
