"""Web addresses of the session overview: periods, dates and filters in them."""

from __future__ import annotations

import logging
import time
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import moveshelf.operations.overview


class TestPeriods:
    """The first days of periods, on days where calendars are awkward."""

    @pytest.mark.parametrize(
        ("today", "period", "first"),
        [
            ("2024-03-31", "Last_month", "2024-02-29"),
            ("2023-03-31", "Last_month", "2023-02-28"),
            ("2024-01-31", "Last_month", "2023-12-31"),
            ("2024-05-31", "Last_month", "2024-04-30"),
            ("2024-02-29", "Last_year", "2023-02-28"),
            ("2024-05-01", "Last_year", "2023-05-01"),
            ("2024-01-03", "Last_week", "2023-12-27"),
            ("2024-01-03", "LAST_10_WEEKS", "2023-10-25"),
        ],
    )
    def test_known(self, monkeypatch: pytest.MonkeyPatch, today: str, period: str, first: str) -> None:
        class Frozen(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> Frozen:
                return cls.fromisoformat(today)

        monkeypatch.setattr(moveshelf.operations.overview, "datetime", Frozen)
        assert moveshelf.operations.overview.date_of_period(period) == first

    @pytest.mark.parametrize("period", ["", "whenever", "last week", "Last_"])
    def test_unknown(self, period: str) -> None:
        assert moveshelf.operations.overview.date_of_period(period) is False

    @given(st.text(min_size=1, max_size=12))
    def test_any_text(self, text: str) -> None:
        found = moveshelf.operations.overview.date_of_period(text)
        assert found is False or found == text or text.lower().startswith("last_")


class TestOverview:
    TEMPLATE: dict[str, Any] = {  # noqa: RUF012
        "template": {"sex": {}, "shared": {}},
        "sessionMetadataTabs": [
            {"name": "a", "template": {"kind": {}}},
            {"template": {"shared": {}}},
            {"name": "b"},
        ],
    }

    def test_sorts_into_session_and_subject(self) -> None:
        url = "https://h/project/x/sessions?startDate=2020-01-02&endDate=2021-01-02&sex=M&kind=a&kind=b&kind=c&shared=1"
        assert moveshelf.operations.overview.parse(url, self.TEMPLATE) == {
            "start_date": "2020-01-02",
            "end_date": "2021-01-02",
            "session_metadata_filters": [
                {"key": "kind", "operator": "IN", "values": ["a", "b", "c"]},
                {"key": "shared", "operator": "EQ", "value": "1"},
            ],
            "patient_metadata_filters": [{"key": "sex", "operator": "EQ", "value": "M"}],
        }

    def test_says_what_it_leaves_out(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.WARNING, logger="moveshelf-api"):
            found = moveshelf.operations.overview.parse("https://h/?shoe-size=3", self.TEMPLATE)
        assert found["session_metadata_filters"] == found["patient_metadata_filters"] == []
        assert "shoe-size" in caplog.text


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the system's zone cannot be set here")
@pytest.mark.parametrize(
    ("zone", "text", "day"),
    [
        ("Europe/Amsterdam", "2024-01-01T23:00:00.000Z", "2024-01-02"),
        ("America/Chicago", "2024-01-02T05:59:59Z", "2024-01-01"),
        ("America/Chicago", "2024-01-02T00:30:00+01:00", "2024-01-01"),
        ("America/Chicago", "2024-01-02T00:30:00", "2024-01-02"),
        ("UTC", "2024-01-01T23:00:00.000Z", "2024-01-01"),
        ("America/Chicago", "2024-01-02", "2024-01-02"),
    ],
)
def test_days_are_those_of_this_computer(
    monkeypatch: pytest.MonkeyPatch, zone: str, text: str, day: str
) -> None:
    overview = moveshelf.operations.overview
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert overview.day_or_period(text) == day
        pairs = [("startDate", text), ("endDate", text)]
        found = overview.read(pairs, {}, overview.day_or_period, lambda name: None)
        assert (found["start_date"], found["end_date"]) == (day, day)
    finally:
        monkeypatch.undo()
        time.tzset()
