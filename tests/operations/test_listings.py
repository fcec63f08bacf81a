"""Listings that one response cannot hold, or that the service cuts off."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moveshelf.operations.listings import by_dates
from moveshelf.wire import TooLargeError

if TYPE_CHECKING:
    from moveshelf import Moveshelf
    from moveshelf.sandbox import Sandbox


def test_nine_thousand_sessions_are_listed_completely(sandbox: Sandbox) -> None:
    name = sandbox.generate(subjects=3000, sessions=3, clips=0, files=0)
    with sandbox.connect() as ms:
        project = ms.projects[name]
        subject = project.subjects[0]
        data = ms.execute(
            "mutation Undated($p: String!, $s: ID!, $path: String!) { createSession(projectId: $p, projectPath: $path, "
            "patientId: $s) { session { id } } }",
            {"p": project.id, "s": subject.id, "path": f"/{subject.name}/someday/"},
        )
        undated = data["createSession"]["session"]["id"]
    sandbox.fail(max_objects=2600)
    with sandbox.connect() as ms:
        project = ms.projects[name]
        # the listing of 3,000 subjects is too large as well here, so that the sessions' own way is what is tested
        sandbox.clear_faults()
        truth = {session.id for one in project.subjects.load("sessions") for session in one.sessions}
        assert len(truth) == 9001
    sandbox.fail(operation="ProjectSessions", max_objects=2600)
    sandbox.fail(operation="ProjectClips", max_objects=2600)
    with sandbox.connect() as ms:
        sandbox.requests.clear()
        sessions = ms.projects[name].sessions
        assert len(sessions) == 9001
        assert {session.id for session in sessions} == truth
        assert sessions[-1].id == undated
        assert sessions[-1].date is None
        dates = [session.date for session in sessions if session.date is not None]
        assert dates == sorted(dates)
        assert any(r.status == 502 for r in sandbox.requests.snapshot())
        assert len(sandbox.requests.snapshot()) < 100


def test_a_listing_is_fetched_until_nothing_is_missing(shared: Sandbox, ms: Moveshelf) -> None:
    name = shared.generate(subjects=300, sessions=4, clips=0, files=0, metadata=False)
    project = ms.projects[name]
    with ms.budget(2):
        found = project.find_sessions()
    assert len(found) == len(set(found.ids())) == 1200
    days = [str(one.date) for one in found]
    assert days == sorted(days, reverse=True)
    assert len(project.find_sessions(limit=1100)) == 1100
    some = project.find_sessions("2016-01-01", "2018-12-31")
    assert some.ids() == [one.id for one in found if "2016-01-01" <= str(one.date) <= "2018-12-31"]


def test_a_listing_too_large_for_one_response_is_fetched_in_parts(shared: Sandbox, ms: Moveshelf) -> None:
    name = shared.generate(subjects=50, sessions=4, clips=0, files=0, metadata=False, undated=3)
    project = ms.projects[name]
    whole = project.find_sessions()
    parts = project.find_sessions("2015-06-01", "2016-06-30")
    assert len(whole) == 200
    shared.fail(max_objects=60)
    try:
        again = project.find_sessions()
        dated = [one.id for one in whole if one.date is not None]
        assert [one.id for one in again if one.date is not None] == dated
        assert project.find_sessions("2015-06-01", "2016-06-30").ids() == parts.ids()
    finally:
        shared.clear_faults()


def test_more_clips_than_the_first_request_names(shared: Sandbox, ms: Moveshelf) -> None:
    name = shared.generate(subjects=10, sessions=5, clips=30, files=0)
    project = ms.projects[name]
    assert len(project.clips) == len(set(project.clips.ids())) == 1500
    with ms.budget(1):  # the sessions, in one listing for all
        sessions = {clip.session.id for clip in project.clips if clip.session}
    assert len(sessions) == 50


# by dates, without a service -------------------------------------------------------------------------------------------
NEWEST = date(2026, 6, 1)


class Days:
    """A listing of rows with days, of which one response can hold so many."""

    def __init__(self, days: list[date], limit: int) -> None:
        self.days = sorted(days)
        self.limit = limit
        self.requests: list[tuple[date | None, date | None]] = []

    def fetch(self, start: date | None, end: date | None) -> list[dict[str, Any]]:
        assert start is None or end is None or start <= end
        self.requests.append((start, end))
        found = [
            {"number": number, "day": day}
            for number, day in enumerate(self.days)
            if (start is None or day >= start) and (end is None or day <= end)
        ]
        if len(found) > self.limit:
            raise TooLargeError("too many")
        return found


@given(
    days=st.lists(st.integers(-3000, 400), max_size=60),
    limit=st.integers(1, 60),
)
def test_all_days_are_fetched_once_in_order(days: list[int], limit: int) -> None:
    listing = Days([NEWEST + timedelta(days=number) for number in days], limit)
    per_day = max((listing.days.count(one) for one in listing.days), default=0)
    after_newest = sum(1 for one in listing.days if one > NEWEST)
    if per_day > limit or after_newest > limit:
        with pytest.raises(TooLargeError):
            by_dates(listing.fetch, NEWEST)
        return
    assert [row["number"] for row in by_dates(listing.fetch, NEWEST)] == list(range(len(days)))


def test_few_requests_for_what_is_small() -> None:
    listing = Days([NEWEST - timedelta(days=number) for number in range(300)], 1000)
    assert len(by_dates(listing.fetch, NEWEST)) == 300
    assert len(listing.requests) == 3


def test_impossible_days_are_fetched_too() -> None:
    """A day of the year 7 is a typing error, and still a session."""
    listing = Days([date(7, 1, 12), *(NEWEST - timedelta(days=number) for number in range(20))], 10)
    assert len(by_dates(listing.fetch, NEWEST)) == 21
    assert len(listing.requests) < 60
