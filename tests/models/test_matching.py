"""What `find` compares: as people mean it, and never a silent nothing for what cannot be."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from moveshelf import ValidationError

if TYPE_CHECKING:
    from moveshelf import Project


@pytest.mark.parametrize(
    "wanted",
    [
        "2023-01-20",
        "2023-1-20",
        date(2023, 1, 20),
        datetime(2023, 1, 20, 12),
        pd.Timestamp("2023-01-20"),
        np.datetime64("2023-01-20"),
        ["2023-01-20", date(1999, 1, 1)],
        pd.Series(["2023-01-20"]),
    ],
)
def test_days(project: Project, wanted: Any) -> None:
    subject = project.subjects[0]
    assert subject.sessions.find(date=wanted) == [subject.sessions[0]]


def test_times(project: Project) -> None:
    subjects = project.subjects
    when = subjects[0].updated
    assert isinstance(when, datetime)
    for wanted in (
        when,
        when.replace(tzinfo=None),
        when.astimezone(timezone(timedelta(hours=5))),
        when.isoformat(),
        when.isoformat().replace("+00:00", "Z"),
        when.date(),
        str(when.date()),
        pd.Timestamp(when),
    ):
        assert subjects[0] in subjects.find(updated=wanted)
    assert len(subjects.find(updated=when + timedelta(days=9999))) == 0


def test_objects_by_name_and_id(project: Project) -> None:
    subject = project.subjects[0]
    session = subject.sessions[0]
    barefoot = session.conditions["Barefoot"]
    for wanted in ("Barefoot", "/Barefoot/", barefoot, barefoot.path, ["Barefoot", "nothing"]):
        assert session.clips.find(condition=wanted).ids() == barefoot.clips.ids()
    for who in ("P-001", subject.id, subject, [subject], ["P-001"]):
        assert project.sessions.find(subject=who).ids() == subject.sessions.ids()
    assert session.conditions.find(session=session.name) == list(session.conditions)
    assert len(project.sessions.find(subject="nobody")) == 0


@pytest.mark.parametrize("wanted", [4237, "4237", np.int64(4237), 4237.0, np.array(["4237"]), [1, 4237]])
def test_numbers_and_digits(project: Project, wanted: Any) -> None:
    assert project.subjects.find(ehr_id=wanted).names() == ["P-001"]


def test_statuses_and_names(project: Project) -> None:
    clips = project.subjects[0].sessions[0].clips
    assert clips.find(upload_status="complete").ids() == clips.find(upload_status="Complete").ids()
    assert len(clips.find(upload_status="Complete")) > 0
    assert project.subjects.find(name=["P-001", "P-003"]).names() == ["P-001", "P-003"]
    assert project.subjects.find(name={"P-001"}).names() == ["P-001"]
    assert len(project.subjects.find(ehr_id=None)) == sum(one.ehr_id is None for one in project.subjects)
    sessions = project.subjects[0].sessions
    assert sessions.find(metadata=dict(sessions[0].metadata)) == [sessions[0]]


@pytest.mark.parametrize(
    "find",
    [
        lambda p: p.subjects.find(ehr_id=np.nan),
        lambda p: p.subjects.find(name=pd.NaT),
        lambda p: p.subjects.find(name=[]),
        lambda p: p.subjects.find(name=[None, np.nan]),
        lambda p: p.subjects.find(name=True),
        lambda p: p.subjects.find(name=b"P-001"),
        lambda p: p.subjects.find(name={"a": 1}),
        lambda p: p.subjects.find(metadata="Male"),
        lambda p: p.subjects.find(sessions=3),
        lambda p: p.subjects.find(updated="yesterday"),
        lambda p: p.subjects[0].sessions.find(date="soon"),
        lambda p: p.subjects[0].sessions.find(date=20230120),
        lambda p: p.subjects[0].sessions.find(subject=True),
        lambda p: p.subjects[0].sessions.find(subject=p),
        lambda p: p.subjects[0].sessions[0].clips.find(has_charts="yes"),
        lambda p: p.subjects[0].sessions[0].clips.find(has_charts=1),
        lambda p: p.subjects[0].sessions[0].clips.find(title=p),
    ],
)
def test_what_can_never_be_equal_is_refused(project: Project, find: Any) -> None:
    with pytest.raises(ValidationError):
        find(project)


def test_zeros_of_a_number_count(empty_project: Project) -> None:
    subject = empty_project.create_subject("A", {"ehr-id": "00123"})
    with pytest.raises(ValidationError, match="'00123', whose zeros count"):
        empty_project.subjects.find(ehr_id=123)
    assert empty_project.subjects.find(ehr_id="00123") == [subject]


def test_tests_of_ones_own(project: Project) -> None:
    assert project.subjects.find(name=lambda name: name.endswith("1")).names() == ["P-001", "P-011"]


def test_a_status_that_there_is_not(project: Project) -> None:
    clips = project.subjects[0].sessions[0].clips
    assert len(clips.find(upload_status="complete")) == len(clips)
    assert len(clips.find(upload_status="failed")) == 0
    with pytest.raises(ValidationError, match="no upload_status is called so; there are Pending"):
        clips.find(upload_status="done")
