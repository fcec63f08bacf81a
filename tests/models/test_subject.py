"""Subjects: attributes, metadata, and new sessions."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import date, datetime, timezone
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from moveshelf import ConflictError, OutcomeUnknownError, ValidationError

if TYPE_CHECKING:
    from moveshelf import Moveshelf, Project, Session, Subject
    from moveshelf.sandbox import Sandbox


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
    assert [[p["procedure"] for p in one["procedures"]] for one in subject.interventions] == [
        ["Lengthening", "Recession"],
        ["Injection"],
    ]
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
        done = subject.fill_metadata(
            {
                "subject-sex": "Female",
                "subject-notes": "new",
                "subject-leg-length": {"left": "1", "right": "702"},
                "subject-aids": ["Insole", "Crutches"],
                "subject-gmfcs": None,
            }
        )
    assert done.changed == {
        "subject-notes": "new",
        "subject-leg-length": {"right": "702"},
        "subject-aids": ["Insole", "Crutches"],
    }
    assert done.kept == {"subject-sex": "Male", "subject-leg-length": {"left": "700"}}
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
    assert subject.update_metadata({"subject-sex": "Female"}).before == {"subject-sex": "Male"}
    assert subject.metadata["subject-sex"] == "Female"


def test_what_is_given_is_written_and_none_removes(ms: Moveshelf, subject: Subject) -> None:
    subject.update_metadata(
        {"subject-sex": "Male", "subject-gmfcs": "II", "subject-leg-length": {"left": 700, "right": 702}}
    )
    done = subject.update_metadata(
        {
            "subject-sex": "Female",
            "subject-gmfcs": None,
            "subject-notes": None,
            "subject-diagnosis": "Stroke",
            "subject-leg-length": {"left": None, "right": 702},
        }
    )
    assert done.changed == {
        "subject-sex": "Female",
        "subject-gmfcs": None,
        "subject-diagnosis": "Stroke",
        "subject-leg-length": {"left": None},
    }
    assert done.kept == {"subject-leg-length": {"right": "702"}}
    assert done.before == {
        "subject-sex": "Male",
        "subject-gmfcs": "II",
        "subject-diagnosis": None,
        "subject-leg-length": {"left": "700"},
    }
    expected = {
        "subject-sex": "Female",
        "subject-diagnosis": "Stroke",
        "subject-leg-length": {"right": "702"},
    }
    for _ in range(2):
        assert subject.metadata == expected
        subject.refresh()
    same = subject.update_metadata(expected)
    assert not same
    assert same.kept == expected
    with pytest.raises(AttributeError):
        same.changed = {}  # type: ignore[misc]


@pytest.mark.parametrize(
    "values",
    [
        {"subject-notes": float("nan")},
        {"subject-notes": pd.NaT},
        {"subject-notes": pd.NA},
        {"subject-notes": np.datetime64("NaT", "ns")},
        {"subject-notes": ["a", np.nan]},
        {"subject-leg-length": {"left": np.float64("nan"), "right": 1}},
        {"subject-notes": float("inf")},
        {"subject-notes": b"x"},
        {"subject-notes": object()},
    ],
)
@pytest.mark.parametrize("overwrite", [True, False])
def test_missing_values_are_not_written(
    ms: Moveshelf, subject: Subject, session: Session, values: Any, overwrite: bool
) -> None:
    (key,) = values
    with ms.no_fetch():
        for one in (subject, session):
            with pytest.raises(ValidationError, match=key):
                one.update_metadata(values, overwrite=overwrite)


def test_values_of_other_libraries_are_written_as_what_they_mean(subject: Subject) -> None:
    subject.update_metadata(
        {
            "subject-aids": np.array(["Insole", "Crutches"]),
            "subject-date-of-birth": pd.Timestamp("2014-05-06"),
            "subject-leg-length": {"left": np.float64(700.0), "right": np.int64(702)},
        }
    )
    assert subject.refresh().metadata == {
        "subject-aids": ["Insole", "Crutches"],
        "subject-date-of-birth": "2014-05-06",
        "subject-leg-length": {"left": "700", "right": "702"},
    }


def test_keys_and_options_are_compared_with_the_template(ms: Moveshelf, subject: Subject) -> None:
    subject.project.load("template")
    with ms.no_fetch():
        for values, hint in (
            ({"sex": "Male"}, "did you mean 'subject-sex'"),
            ({"subject-sexx": "Male"}, "did you mean 'subject-sex'"),
            ({"subject-sex": "male"}, "did you mean 'Male'"),
            ({"subject-aids": ["Insole", "crutches"]}, "did you mean 'Crutches'"),
            ({"session-type": "Gait"}, "sessions have it"),
        ):
            for write in (subject.update_metadata, subject.fill_metadata):
                with pytest.raises(ValidationError, match=hint) as caught:
                    write(values)
                assert len(caught.value.errors) == 1
    subject.update_metadata({"sex": "Male"}, validate=False)
    assert subject.metadata == {"sex": "Male"}
    assert subject.update_metadata({"sex": None}).changed == {"sex": None}
    assert subject.metadata == {}


def test_metadata_that_was_read_refuses_changes_and_names_the_method(project: Project) -> None:
    subject = project.subjects["P-001"]
    session = subject.sessions[0]
    for one in (subject, session):
        values = one.metadata
        for change in (
            lambda values=values: values.__setitem__("x", 1),
            lambda values=values: values.update(x=1),
            lambda values=values: values.pop("x", None),
            lambda values=values: values.setdefault("x", 1),
            lambda values=values: values.clear(),
            lambda values=values: values.__delitem__("x"),
            lambda values=values: values.__ior__({"x": 1}),
            lambda one=one: one.record.update(x=1),
        ):
            with pytest.raises(TypeError, match="update_metadata"):
                change()
        plain = json.loads(json.dumps(values))
        assert values == plain == dict(values)
        for copied in (
            values.copy(),
            copy.copy(values),
            copy.deepcopy(values),
            pickle.loads(pickle.dumps(values)),
        ):
            assert type(copied) is dict
            assert copied == plain
            copied["x"] = 1
        assert pd.DataFrame([values]).shape == (1, len(values))
        assert one.metadata == plain
    with pytest.raises(TypeError, match="update_metadata"):
        subject.metadata["subject-aids"].append("x")
    with pytest.raises(TypeError, match="interventions="):
        subject.interventions.append({})
    with pytest.raises(TypeError, match="interventions="):
        subject.interventions[0]["procedures"][0]["side"] = "x"


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
    assert subject.update_metadata({"subject-sex": "Male"}).changed == {"subject-sex": "Male"}
    assert subject.updated != before


def test_no_second_patient_gets_an_ehr_id(shared: Sandbox, empty_project: Project, subject: Subject) -> None:
    subject.update_metadata({"ehr-id": "E-77"})
    other = empty_project.create_subject("Other")
    taken = "the EHR id 'E-77' is that of subject .*: a patient has one of their own"
    sent = len(shared.requests.of("updatePatient"))
    for write in (other.update_metadata, other.fill_metadata):
        with pytest.raises(ValidationError, match=taken):
            write({"ehr-id": "E-77", "subject-sex": "Male"})
    assert len(shared.requests.of("updatePatient")) == sent
    with pytest.raises(ValidationError, match=taken):
        empty_project.create_subject("Third", {"ehr-id": "E-77"})
    assert "Third" not in empty_project.refresh().subjects
    assert other.refresh().metadata == {}
    # written again it stays one's own, and what is free can be had
    assert subject.update_metadata({"ehr-id": "E-77"}).changed == {}
    subject.update_metadata({"ehr-id": "E-78"})
    other.update_metadata({"ehr-id": "E-77"})
    subject.update_metadata({"ehr-id": "E-77"}, validate=False)
    assert [one.ehr_id for one in empty_project.refresh().subjects] == ["E-77", "E-77"]


def test_one_value_does_not_replace_those_of_both_sides(shared: Sandbox) -> None:
    name = shared.generate(subjects=1, sessions=0, clips=0, files=0)
    with shared.connect() as ms:
        subject = ms.projects[name].subjects[0]
        before = subject.metadata["subject-leg-length"]
        assert set(before) == {"left", "right"}
        for write in (subject.update_metadata, subject.fill_metadata):
            with pytest.raises(
                ValidationError, match="has a left and a right value, and one value would replace both"
            ):
                write({"subject-leg-length": 812})
        made = subject.project.create_subjects(
            [{"name": subject.name, "metadata": {"subject-leg-length": 812}}]
        )
        assert made[0].status == "failed"
        assert subject.refresh().metadata["subject-leg-length"] == before
        subject.update_metadata({"subject-leg-length": {"left": 812}})
        assert subject.metadata["subject-leg-length"] == {"left": "812", "right": before["right"]}
        subject.update_metadata({"subject-leg-length": 812}, validate=False)
        assert subject.metadata["subject-leg-length"] == "812"


def test_days_of_interventions(ms: Moveshelf, subject: Subject) -> None:
    one = {"id": 1, "date": date(2024, 5, 2), "procedures": [{"side": "Left"}]}
    subject.update_metadata({}, interventions=[one, {"date": pd.Timestamp("2024-06-01")}])
    assert subject.interventions == [{**one, "date": "2024-05-02"}, {"date": "2024-06-01"}]
    assert subject.refresh().interventions == [{**one, "date": "2024-05-02"}, {"date": "2024-06-01"}]
    with ms.no_fetch(), pytest.raises(ValidationError, match=r"intervention 2\['date'\] is missing"):
        subject.update_metadata({}, interventions=[one, {"date": pd.NaT}])


def test_a_write_that_cannot_be_read_back_does_not_pass_for_one_that_failed(sandbox: Sandbox) -> None:
    name = sandbox.generate(subjects=1, sessions=0, clips=0, files=0)
    with sandbox.connect() as ms:
        subject = ms.projects[name].subjects[0]
        subject.project.template
        sandbox.requests.clear()
        subject.update_metadata({"subject-notes": "first"}, overwrite=True)
        read, _, read_back = (request.operation for request in sandbox.requests.snapshot())
        assert read != read_back
        sandbox.fail(read_back, error="the database is down", times=1)
        with pytest.raises(
            OutcomeUnknownError, match=r"was written, but could not be read back.*the database is down"
        ):
            subject.update_metadata({"subject-notes": "second"}, overwrite=True)
        assert subject.metadata["subject-notes"] == "second", "what is stored is fetched anew"
