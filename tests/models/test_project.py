"""Projects: attributes, what the service filters, and new subjects."""

from __future__ import annotations

import warnings
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

import moveshelf
from moveshelf import ConflictError, ValidationError
from moveshelf.models import Configuration, Dataset, Template

if TYPE_CHECKING:
    from moveshelf import Moveshelf, Project
    from moveshelf.sandbox import Sandbox


def test_attributes(project: Project) -> None:
    assert project.name == "lab/demo"
    assert "Schwartz" in (project.description or "")
    assert project.can_edit is True
    assert project.unlisted_access is False
    assert [subject.name for subject in project.subjects] == [f"P-{n:03d}" for n in range(1, 13)]
    assert len(project.sessions) == 30
    days = [session.date for session in project.sessions]
    assert days == sorted(days)
    assert {clip.id for s in project.sessions for clip in s.clips} <= {clip.id for clip in project.clips}
    assert project.norms.names() == [
        "Typically developing, slow",
        "Typically developing, free",
        "Typically developing, fast",
        "Own laboratory",
    ]
    assert project.url.endswith(f"/project/{project.id}")


def test_datasets_template_and_configuration(project: Project) -> None:
    (dataset,) = project.datasets
    assert isinstance(dataset, Dataset)
    assert dataset.name == "Normal gait at five speeds (Schwartz 2008)"
    assert dataset.download_uri
    assert dataset.download_uri not in repr(dataset)
    template = project.template
    assert isinstance(template, Template)
    sex = template.subject_fields["subject-sex"]
    assert (sex.label, sex.type, sex.has_context) == ("Sex", "select", False)
    assert "Female" in sex.options
    assert template.subject_fields["subject-leg-length"].has_context
    assert "heading-general" not in template.subject_fields
    assert "heading-session" not in template.session_fields
    assert template.session_fields["session-height"].type == "number"
    assert "procedures" not in template.session_fields
    configuration = project.configuration
    assert isinstance(configuration, Configuration)
    assert configuration.data == {"featureFlags": {"canProcessGCDFiles": False}}


def test_an_empty_project(ms: Moveshelf) -> None:
    empty = ms.projects["lab/practice"]
    assert empty.template is None or empty.template.subject_fields is not None
    assert empty.datasets == ()
    assert len(empty.subjects) == len(empty.sessions) == len(empty.norms) == 0
    assert not empty.subjects
    assert bool(empty)


@pytest.mark.parametrize(
    ("where", "numbers"),
    [
        (None, range(1, 13)),
        ({}, range(1, 13)),
        ({"subject-sex": "Male"}, range(2, 13, 2)),
        ({"subject-sex": "Male", "subject-gmfcs": "III"}, []),
        ({"subject-gmfcs": ["II", "III"]}, [1, 5, 9]),
        ({"key": "subject-sex", "operator": "EQ", "value": "Female"}, range(1, 13, 2)),
        (
            {
                "logic": "OR",
                "filters": [
                    {"key": "ehr-id", "operator": "EQ", "value": "4237"},
                    {
                        "logic": "AND",
                        "filters": [
                            {"key": "subject-sex", "operator": "EQ", "value": "Male"},
                            {"key": "ehr-id", "operator": "EQ", "value": "4274"},
                        ],
                    },
                ],
            },
            [1, 2],
        ),
        ({"subject-sex": "Other"}, []),
    ],
)
def test_find_subjects_by_metadata(reader: Moveshelf, project: Project, where: Any, numbers: Any) -> None:
    expected = {
        subject.name
        for subject in project.subjects
        if where in (None, {})
        or int(subject.name[2:]) in numbers
    }  # fmt: skip
    project.load("template")  # which keys and options are compared with: one request, once
    with reader.budget(1):
        found = project.find_subjects(where)
    with reader.no_fetch():
        assert set(found.names()) == expected
        assert found.names() == sorted(found.names())
        assert all(one.project is project for one in found)
        assert all(project.subjects[one.name] is one for one in found)


def test_what_is_no_number_is_not_between_numbers_and_said(ms: Moveshelf, empty_project: Project) -> None:
    stored = {"A": "850", "B": "81,2", "C": "812 mm", "D": None, "E": "700"}
    for name, value in stored.items():
        subject = empty_project.create_subject(name)
        if value is not None:
            subject.update_metadata({"subject-leg-length": {"left": value}}, validate=False)
    with pytest.warns(
        UserWarning, match=r"'subject-leg-length' is no number, .*, of B \('81,2'\), C \('812 mm'\)"
    ):
        found = empty_project.find_subjects({"subject-leg-length": (800, 900)})
    assert found.names() == ["A"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert empty_project.find_subjects({"ehr-id": ("a", "b")}).names() == []


def test_find_subjects_by_their_sessions(project: Project) -> None:
    three = {f"P-{n:03d}" for n in range(1, 13, 2)}
    assert set(project.find_subjects(sessions={"min": 3}).names()) == three
    assert set(project.find_subjects(sessions={"max": 2}).names()) == set(project.subjects.names()) - three
    days = sorted(session.date for session in project.sessions)  # type: ignore[type-var]
    for day in (days[0], days[7], str(days[-1])):
        exact = {s.subject.name for s in project.sessions if str(s.date) == str(day)}
        assert set(project.find_subjects(sessions={"start": day, "end": day}).names()) == exact
    some = project.find_subjects({"subject-sex": "Male"}, {"end": days[0] - timedelta(days=1)})
    assert len(some) == 0


@pytest.mark.parametrize(
    ("where", "sessions"),
    [
        ("text", None),
        ([], None),
        ({"": "x"}, None),
        ({3: "x"}, None),
        ({"a": None}, None),
        ({"a": []}, None),
        ({"a": ("x", "y", "z")}, None),
        ({"a": (2, 1)}, None),
        ({"a": float("nan")}, None),
        ({"a": object()}, None),
        ({"a": {"b": 1}}, None),
        ({"logic": "XOR", "filters": [{"key": "a", "operator": "EQ", "value": "b"}]}, None),
        ({"logic": "AND", "filters": []}, None),
        ({"logic": "AND", "filters": "ab"}, None),
        ({"logic": "AND", "filters": ["a"]}, None),
        ({"logic": "AND", "filters": [{"a": 1}], "more": 1}, None),
        ({"key": "a", "operator": "IN", "value": "b"}, None),
        ({"key": "a", "operator": "EQ", "value": "b", "more": 1}, None),
        (None, {"before": "2026-01-01"}),
        (None, {"start": "yesterday"}),
        (None, {"start": "2026-02-30"}),
        (None, {"start": "2026-02-02", "end": "2026-02-01"}),
        (None, {"min": -1}),
        (None, {"max": "3"}),
        (None, {"min": True}),
        (None, "text"),
        (None, [1]),
    ],
)
def test_malformed_filters_of_subjects(
    reader: Moveshelf, project: Project, where: Any, sessions: Any
) -> None:
    with reader.no_fetch(), pytest.raises(ValidationError):
        project.find_subjects(where, sessions)


@pytest.mark.parametrize(
    ("find", "hint"),
    [
        (lambda p: p.find_subjects({"sex": "Male"}), "did you mean 'subject-sex'"),
        (lambda p: p.find_subjects({"subject-sexx": "Male"}), "did you mean 'subject-sex'"),
        (lambda p: p.find_subjects({"subject-sex": "male"}), "did you mean 'Male'"),
        (lambda p: p.find_subjects({"subject-sex": ["Male", "female"]}), "did you mean 'Female'"),
        (lambda p: p.find_subjects({"session-type": "Gait"}), "sessions have it"),
        (lambda p: p.find_subjects({"subject-date-of-birth": "soon"}), "holds days"),
        (
            lambda p: p.find_subjects(
                {"logic": "OR", "filters": [{"key": "subject-sexx", "operator": "EQ", "value": "Male"}]}
            ),
            "did you mean 'subject-sex'",
        ),
        (lambda p: p.find_sessions(where={"session-hieght": 120}), "did you mean 'session-height'"),
        (lambda p: p.find_sessions(where={"session-height": "tall"}), "holds numbers"),
        (lambda p: p.find_sessions(where={"session-height": ("small", "tall")}), "holds numbers"),
        (lambda p: p.find_sessions(where={"session-type": "gait"}), "did you mean 'Gait'"),
        (lambda p: p.find_sessions(where={"subject-sex": "Male"}), "subjects have it"),
        (lambda p: p.find_sessions(subject_where={"subject-sexx": "Male"}), "did you mean 'subject-sex'"),
        (
            lambda p: p.find_sessions(where=[{"key": "session-typ", "operator": "EQ", "value": "Gait"}]),
            "did you mean 'session-type'",
        ),
    ],
)
def test_keys_and_values_are_compared_with_the_template(
    reader: Moveshelf, project: Project, find: Any, hint: str
) -> None:
    project.load("template")
    with reader.no_fetch(), pytest.raises(ValidationError, match=hint):
        find(project)


def test_what_is_not_compared_with_the_template(demo: Sandbox) -> None:
    with demo.connect() as ms:
        project = ms.projects["lab/demo"]
        with ms.budget(2):
            assert len(project.find_subjects({"sex": "Male"}, check=False)) == 0
            assert len(project.find_sessions(where={"session-typ": "Gait"}, check=False)) == 0
        with ms.budget(2) as budget:  # the template, once
            project.find_subjects({"subject-sex": "Male"})
        assert budget.used == 2
        with ms.budget(1):
            project.find_sessions(where={"session-type": "Gait"})
    with demo.connect() as ms:
        project = ms.projects["lab/demo"]
        with ms.budget(1):  # days need no template
            project.find_sessions("2024-01-01")


@pytest.mark.parametrize("data", [None, "{", '["a"]', "{}"])
def test_without_a_template_nothing_is_compared(ms: Moveshelf, empty_project: Project, data: Any) -> None:
    template = None if data is None else Template.parse({"name": "t", "data": data})
    ms._engine.cache.put(empty_project, type(empty_project).fields["template"], template)
    with ms.budget(2):
        assert len(empty_project.find_subjects({"sex": "Male"})) == 0
        assert len(empty_project.find_sessions(where={"session-typ": "Gait"})) == 0


def test_ranges_over_subjects(reader: Moveshelf, project: Project) -> None:
    born = {one.name: one.metadata.get("subject-date-of-birth", "") for one in project.subjects}
    low, high = "2009-01-01", "2012-12-31"
    expected = [name for name, day in born.items() if low <= day <= high]
    assert 0 < len(expected) < len(born)
    project.load("template")
    with reader.budget(1):
        found = project.find_subjects({"subject-date-of-birth": (date(2009, 1, 1), "2012-12-31")})
    assert found.names() == expected
    with reader.no_fetch():
        assert all(low <= one.metadata["subject-date-of-birth"] <= high for one in found)
    boys = project.find_subjects({"subject-sex": "Male", "subject-date-of-birth": (low, pd.Timestamp(high))})
    assert boys.names() == [name for name in expected if int(name[2:]) % 2 == 0]
    legs = {one.name: one.metadata.get("subject-leg-length") for one in project.subjects}
    wanted = [name for name, leg in legs.items() if leg and any(600 <= float(x) <= 700 for x in leg.values())]
    assert project.find_subjects({"subject-leg-length": (600, 700)}).names() == wanted
    assert wanted


def test_values_of_other_libraries_in_filters(project: Project) -> None:
    by_array = project.find_subjects({"subject-gmfcs": np.array(["II", "III"])})
    assert by_array.names() == project.find_subjects({"subject-gmfcs": ["II", "III"]}).names()
    by_series = project.find_sessions(where={"session-type": pd.Series(["Running", "Gait"])})
    assert by_series.ids() == project.find_sessions(where={"session-type": ["Running", "Gait"]}).ids()
    since = project.find_sessions(pd.Timestamp("2024-01-01"), np.datetime64("2024-12-31"))
    assert since.ids() == project.find_sessions("2024-1-1", date(2024, 12, 31)).ids()
    due = {"session-report-due": (pd.Timestamp("2023-03-01"), "2023-4-30")}
    assert project.find_sessions(where=due, limit=np.int64(1)).ids()


def test_subject_by_ehr_id(reader: Moveshelf, project: Project) -> None:
    with reader.budget(1):
        found = project.subject_by_ehr_id("4274")
        assert (found.name, found.ehr_id, found.project) == ("P-002", "4274", project)
    with pytest.raises(moveshelf.NotFoundError, match="no subject with EHR id '1' in project lab/demo"):
        project.subject_by_ehr_id("1")
    with reader.no_fetch():
        for wrong in ("", " ", None, 4274):
            with pytest.raises(ValidationError):
                project.subject_by_ehr_id(wrong)  # type: ignore[arg-type]


def test_find_sessions_by_date(reader: Moveshelf, project: Project) -> None:
    whole = sorted(project.sessions, key=lambda one: str(one.date), reverse=True)
    with reader.budget(1):
        found = project.find_sessions()
    with reader.no_fetch():
        assert [one.date for one in found] == [one.date for one in whole]
        assert set(found) == set(whole)
        assert all(one.project is project for one in found)
    first, last = whole[20].date, whole[10].date
    assert isinstance(first, date)
    expected = [one.id for one in whole if str(first) <= str(one.date) <= str(last)]
    assert sorted(project.find_sessions(first, last).ids()) == sorted(expected)
    assert sorted(project.find_sessions(str(first), datetime.fromisoformat(str(last))).ids()) == sorted(
        expected
    )
    assert project.find_sessions(limit=4).ids() == found.ids()[:4]
    assert len(project.find_sessions(start="2030-01-01")) == 0


@pytest.mark.parametrize(
    ("where", "test"),
    [
        ({"session-type": "Running"}, lambda m: m.get("session-type") == "Running"),
        ({"session-type": ["Running", "Gait"]}, lambda m: "session-type" in m),
        (
            {"session-report-due": (date(2023, 3, 1), "2023-04-30")},
            lambda m: "2023-03-01" <= m.get("session-report-due", "") <= "2023-04-30",
        ),
        (
            [{"key": "session-questions", "operator": "ALL", "values": ["Follow-up", "Orthosis check"]}],
            lambda m: set(m.get("session-questions", ())) >= {"Follow-up", "Orthosis check"},
        ),
        (
            [
                {"key": "session-questions", "operator": "IN", "values": ["Baseline"]},
                {"key": "session-type", "operator": "EQ", "value": "Gait"},
            ],
            lambda m: "Baseline" in m.get("session-questions", ()) and m["session-type"] == "Gait",
        ),
        ({}, lambda m: True),
        ([], lambda m: True),
    ],
)
def test_find_sessions_by_metadata(project: Project, where: Any, test: Any) -> None:
    expected = sorted(one.id for one in project.sessions if test(one.metadata))
    assert expected
    assert sorted(project.find_sessions(where=where).ids()) == expected


def test_find_sessions_by_their_subjects(project: Project) -> None:
    found = project.find_sessions(where={"session-type": "Gait"}, subject_where={"subject-sex": "Male"})
    assert {one.subject.name for one in found} == {"P-002", "P-006", "P-010"}


@pytest.mark.parametrize(
    "arguments",
    [
        {"start": "soon"},
        {"end": "2026-13-01"},
        {"start": 20260101},
        {"start": "2026-02-02", "end": "2026-02-01"},
        {"limit": 0},
        {"limit": "5"},
        {"limit": True},
        {"where": "text"},
        {"where": 5},
        {"where": {"": "x"}},
        {"where": {"a": None}},
        {"where": {"a": []}},
        {"where": {"a": ("x",)}},
        {"where": ["a"]},
        {"where": [{"key": "a", "operator": "NE", "value": "b"}]},
        {"where": [{"key": "", "operator": "EQ", "value": "b"}]},
        {"where": [{"key": "a", "operator": "EQ"}]},
        {"where": [{"key": "a", "operator": "IN", "values": []}]},
        {"where": [{"key": "a", "operator": "BETWEEN", "values": ["x"]}]},
        {"subject_where": [{"key": "a", "operator": "IN", "values": "xy"}]},
    ],
)
def test_malformed_filters_of_sessions(reader: Moveshelf, project: Project, arguments: Any) -> None:
    with reader.no_fetch(), pytest.raises(ValidationError):
        project.find_sessions(**arguments)


def test_a_new_subject_is_listed_without_a_request(ms: Moveshelf, empty_project: Project) -> None:
    held = empty_project.subjects
    assert len(held) == 0
    for name in ("B", "A", "C"):
        with ms.budget(1):
            made = empty_project.create_subject(name)
        with ms.no_fetch():
            assert held[name] is made
            assert (made.name, made.ehr_id, made.metadata, made.interventions) == (name, None, {}, [])
            assert made.project is empty_project
            assert len(made.sessions) == len(made.reports) == 0
    with ms.no_fetch():
        assert held.names() == ["A", "B", "C"]
    assert empty_project.refresh().subjects.names() == ["A", "B", "C"]


def test_create_subject_with_an_existing_name(ms: Moveshelf, empty_project: Project) -> None:
    made = empty_project.create_subject("A")
    with pytest.raises(ConflictError, match=made.id):
        empty_project.create_subject("A")
    with ms.no_fetch():
        assert empty_project.create_subject("A", exist_ok=True) is made
    ms.execute(
        'mutation($p: String!) { createPatient(projectId: $p, name: "A") { patient { id } } }',
        {"p": empty_project.id},
    )
    empty_project.refresh()
    with pytest.raises(moveshelf.AmbiguousError, match=made.id):
        empty_project.create_subject("A", exist_ok=True)


def test_create_subject_with_metadata(ms: Moveshelf, empty_project: Project) -> None:
    made = empty_project.create_subject("A", {"subject-sex": "Male", "ehr-id": 4711})
    assert made.metadata == {"subject-sex": "Male", "ehr-id": "4711"}
    assert made.ehr_id == "4711"
    again = empty_project.create_subject("A", {"subject-sex": "Female", "subject-gmfcs": "II"}, exist_ok=True)
    assert again is made
    assert made.metadata == {"subject-sex": "Male", "ehr-id": "4711", "subject-gmfcs": "II"}
    with pytest.raises(ValidationError) as caught:
        empty_project.create_subject("B", {"subject-sex": "Unknown"})
    assert len(caught.value.errors) == 1
    assert "B" not in empty_project.subjects
    assert empty_project.refresh().subjects.names() == ["A"]


def test_two_clients_of_one_program_create_a_subject_once(
    shared: Sandbox, ms: Moveshelf, empty_project: Project
) -> None:
    """Each has a listing of its own, which the other's write has made old."""
    with shared.connect() as second:
        there = second.project(empty_project.id)
        assert (list(there.subjects), list(empty_project.subjects)) == ([], [])
        first = empty_project.create_subject("P-1")
        assert there.create_subject("P-1", exist_ok=True).id == first.id
        session = there.subjects[0].create_session("s")
        assert list(first.sessions) == [], "what it has seen, as long as nothing says that it is old"
        assert first.create_session("s", exist_ok=True).id == session.id
        with ms.budget(2):  # the other client was there last: a listing goes before
            empty_project.create_subject("P-2")
        with ms.budget(1):  # nobody was there since
            empty_project.create_subject("P-3")
