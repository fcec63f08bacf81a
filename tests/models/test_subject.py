"""Subjects: attributes, metadata, and new sessions."""

from __future__ import annotations

from datetime import date, datetime, timezone
from typing import TYPE_CHECKING

import pytest

from moveshelf import ConflictError, ValidationError

if TYPE_CHECKING:
    from moveshelf import Moveshelf, Project, Subject


def test_attributes(project: Project) -> None:
    subject = project.subjects["P-001"]
    assert subject.ehr_id == "4237"
    assert subject.updated == datetime(2024, 6, 1, 8, 30, tzinfo=timezone.utc)
    assert subject.project is project
    assert [session.subject for session in subject.sessions] == [subject] * 3
    assert subject.url == f"{project.url}/subject/{subject.id}"
    assert len(subject.reports) == 1


def test_metadata(project: Project) -> None:
    subject = project.subjects["P-001"]
    assert subject.metadata == {
        "ehr-id": "4237",
        "subject-sex": "Female",
        "subject-date-of-birth": "2009-02-04",
        "subject-diagnosis": "Clubfoot",
        "subject-diagnosis-laterality": "Both",
        "subject-leg-length": {"left": "651", "right": "650"},
        "subject-gmfcs": "II",
        "subject-aids": ["Ankle-foot orthosis", "Insole"],
    }
    subject.metadata["ehr-id"] = "changed"
    assert subject.metadata["ehr-id"] == "4237"
    assert [[p["procedure"] for p in one["procedures"]] for one in subject.interventions] == [
        ["Lengthening", "Recession"],
        ["Injection"],
    ]
    subject.interventions[0]["procedures"][0]["side"] = "changed"
    assert subject.interventions[0]["procedures"][0]["side"] == "Both"
    assert subject.record is not None
    assert subject.record["subject-diagnosis"] == {"value": "Clubfoot"}
    assert project.subjects["P-007"].metadata["subject-date-of-birth"] == "0007-01-12"
    assert project.subjects["P-002"].interventions == []


def test_new_sessions_are_listed_by_date(ms: Moveshelf, empty_project: Project, subject: Subject) -> None:
    held, whole = subject.sessions, empty_project.sessions
    assert len(whole) == 0
    with ms.budget(1):
        late = subject.create_session("late", date=date(2026, 5, 1))
    with ms.budget(1):
        undated = subject.create_session("some day")
    with ms.budget(1):
        early = subject.create_session("2026-01-31")
    with ms.no_fetch():
        assert list(held) == [early, late, undated]
        assert list(whole) == [early, late, undated]
        assert (early.date, late.date, undated.date) == (date(2026, 1, 31), date(2026, 5, 1), None)
        assert early.path == "/P-1/2026-01-31/"
        assert early.subject is subject
        assert early.project is empty_project
        assert early.metadata == {}
    assert subject.refresh().sessions.ids() == [early.id, late.id, undated.id]
    with pytest.raises(ConflictError, match=early.id):
        subject.create_session("2026-01-31")
    assert subject.create_session("2026-01-31", exist_ok=True) is early


def test_a_name_that_is_no_date(subject: Subject) -> None:
    assert subject.create_session("2026-02-30").date is None


def test_only_empty_fields_are_filled(ms: Moveshelf, subject: Subject) -> None:
    subject.update_metadata(
        {
            "subject-sex": "Male",
            "subject-notes": "",
            "subject-leg-length": {"left": 700, "right": ""},
            "subject-date-of-birth": date(2014, 5, 6),
        }
    )
    with ms.budget(3):
        subject.update_metadata(
            {
                "subject-sex": "Female",
                "subject-notes": "new",
                "subject-leg-length": {"left": "1", "right": "702"},
                "subject-aids": ["Insole", "Crutches"],
                "subject-gmfcs": None,
            }
        )
    with ms.no_fetch():
        assert subject.metadata == {
            "subject-sex": "Male",
            "subject-notes": "new",
            "subject-leg-length": {"left": "700", "right": "702"},
            "subject-date-of-birth": "2014-05-06",
            "subject-aids": ["Insole", "Crutches"],
        }
        assert subject.record is not None
        assert subject.record["subject-aids"] == {"value": ["Insole", "Crutches"], "multiselect": True}
        assert subject.record["subject-leg-length"] == [
            {"context": "left", "value": "700"},
            {"context": "right", "value": "702"},
        ]
    seen = subject.metadata
    subject.refresh()
    assert subject.metadata == seen
    assert (
        subject.update_metadata({"subject-sex": "Female"}, overwrite=True).metadata["subject-sex"] == "Female"
    )


def test_interventions_stay_unless_given(ms: Moveshelf, subject: Subject) -> None:
    one = [{"id": 1, "site": "Tendon transfer"}]
    subject.update_metadata({}, interventions=one)
    assert subject.interventions == one
    subject.update_metadata({"subject-sex": "Male"}, overwrite=True)
    with ms.no_fetch():
        assert subject.interventions == one
        assert subject.metadata == {"subject-sex": "Male"}
    two = [*subject.interventions, {"id": 2, "site": "Osteotomy"}]
    subject.update_metadata({"interventions": two})
    assert subject.refresh().interventions == two
    subject.update_metadata({}, interventions=[])
    assert subject.refresh().interventions == []
    with ms.no_fetch():
        for wrong in ("text", {"a": 1}, ["text"], 5, [{"a": object()}]):
            with pytest.raises(ValidationError):
                subject.update_metadata({}, interventions=wrong)  # type: ignore[arg-type]
        with pytest.raises(ValidationError, match="given twice"):
            subject.update_metadata({"interventions": []}, interventions=[])


def test_writing_an_ehr_id(empty_project: Project, subject: Subject) -> None:
    assert subject.ehr_id is None
    subject.update_metadata({"ehr-id": "E-77"})
    assert subject.ehr_id == "E-77"
    assert empty_project.subject_by_ehr_id("E-77") is subject
    before = subject.updated
    assert subject.update_metadata({"subject-sex": "Male"}).updated != before
