"""What the service filters, and web addresses: shapes, limits, and what cannot be right."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

import moveshelf
from moveshelf import ValidationError

if TYPE_CHECKING:
    from moveshelf import Moveshelf, Project
    from moveshelf.sandbox import Sandbox


# subjects ---------------------------------------------------------------------------------------------------
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
        ({"subject-sex": "nobody"}, []),
    ],
)
def test_subjects_by_metadata(reader: Moveshelf, project: Project, where: Any, numbers: Any) -> None:
    expected = {
        subject.name
        for subject in project.subjects
        if where in (None, {})
        or int(subject.name[2:]) in numbers
    }  # fmt: skip
    with reader.budget(1):
        found = project.find_subjects(where)
    with reader.no_fetch():
        assert set(found.names()) == expected
        assert found.names() == sorted(found.names())
        assert all(one.project is project for one in found)
        assert all(project.subjects[one.name] is one for one in found)


def test_subjects_by_their_sessions(project: Project) -> None:
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
        ({"a": ("x", "y")}, None),
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


def test_a_subject_by_its_ehr_id(reader: Moveshelf, project: Project) -> None:
    with reader.budget(1):
        found = project.subject_by_ehr_id("4274")
        assert (found.name, found.ehr_id, found.project) == ("P-002", "4274", project)
    with pytest.raises(moveshelf.NotFoundError, match="no subject with EHR id '1' in project lab/demo"):
        project.subject_by_ehr_id("1")
    with reader.no_fetch():
        for wrong in ("", " ", None, 4274):
            with pytest.raises(ValidationError):
                project.subject_by_ehr_id(wrong)  # type: ignore[arg-type]


# sessions ---------------------------------------------------------------------------------------------------
def test_sessions_by_date(reader: Moveshelf, project: Project) -> None:
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
def test_sessions_by_metadata(project: Project, where: Any, test: Any) -> None:
    expected = sorted(one.id for one in project.sessions if test(one.metadata))
    assert expected
    assert sorted(project.find_sessions(where=where).ids()) == expected


def test_sessions_by_their_subjects(project: Project) -> None:
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


def test_nothing_is_cut_off(shared: Sandbox, ms: Moveshelf) -> None:
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


def test_an_answer_that_is_too_large_is_asked_in_parts(shared: Sandbox, ms: Moveshelf) -> None:
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


def test_more_clips_than_one_answer_has_by_itself(shared: Sandbox, ms: Moveshelf) -> None:
    name = shared.generate(subjects=10, sessions=5, clips=30, files=0)
    project = ms.projects[name]
    assert len(project.clips) == len(set(project.clips.ids())) == 1500
    with ms.budget(1):  # the sessions, in one listing for all
        sessions = {clip.session.id for clip in project.clips if clip.session}
    assert len(sessions) == 50


# web addresses ----------------------------------------------------------------------------------------------
def test_pages_of_objects(reader: Moveshelf, project: Project) -> None:
    session = project.subjects["P-002"].sessions[0]
    clip = session.clips[0]
    pages = [project.url, session.subject.url, session.url, clip.url]
    with reader.no_fetch():
        assert [reader.from_url(page) for page in pages] == [project, session.subject, session, clip]
        for host in ("https://app.moveshelf.com", "http://elsewhere:1234/prefix"):
            path = f"/project/{project.id}"
            assert reader.from_url(f"{host}{path}") is project
            assert reader.from_url(f"{host}{path}/") is project
            assert reader.from_url(f"{host}{path}/sessions") is project
            assert reader.from_url(f"{host}{path}/session/{session.id}?tab=2#top") is session
            assert reader.from_url(f"{host}/edit/{clip.id}") is clip
        for wrong in (
            "",
            None,
            5,
            "lab/demo",
            "https://app.moveshelf.com",
            "https://app.moveshelf.com/projects",
            f"https://app.moveshelf.com/project/{project.id}/session/",
            f"https://app.moveshelf.com/project/{project.id}/session/{session.id}/more",
            "https://app.moveshelf.com/edit/x",
        ):
            with pytest.raises(ValidationError, match="is no page of"):
                reader.from_url(wrong)  # type: ignore[arg-type]


def test_overview_pages(reader: Moveshelf, project: Project) -> None:
    page = f"https://app.moveshelf.com/project/{project.id}/sessions"
    dates = "startDate=2023-01-01&endDate=2024-12-31"
    found = reader.from_url(f"{page}?{dates}")
    assert found == project.find_sessions("2023-01-01", "2024-12-31")
    found = reader.from_url(
        f"{page}?{dates}&session-type=Running&subject-sex=Male&subject-gmfcs=(Select+all)"
    )
    assert found == project.find_sessions(
        "2023-01-01", "2024-12-31", {"session-type": "Running"}, {"subject-sex": "Male"}
    )
    assert len(found)
    several = reader.from_url(f"{page}?{dates}&subject-gmfcs=II&subject-gmfcs=III&session-clinician=")
    assert several == project.find_sessions(
        "2023-01-01", "2024-12-31", None, {"subject-gmfcs": ["II", "III"]}
    )
    ranged = reader.from_url(f"{page}?{dates}&session-report-due=2023-03-01&session-report-due=2023-04-30")
    assert ranged == project.find_sessions(
        "2023-01-01", "2024-12-31", {"session-report-due": ("2023-03-01", "2023-04-30")}
    )
    timed = reader.from_url(f"{page}?startDate=2023-01-01T00:00:00.000Z&endDate=2024-12-31T23:00:00.000Z")
    assert timed == project.find_sessions("2023-01-01", "2024-12-31")
    assert len(reader.from_url(f"{page}?session-type=Gait")) == 0  # the last ten weeks, as on the page
    with pytest.warns(UserWarning, match="shoe-size"):
        assert len(reader.from_url(f"{page}?{dates}&shoe-size=43")) == 30
    with pytest.raises(ValidationError):
        reader.from_url(f"{page}?endDate=tomorrow")


def test_an_overview_needs_a_template(shared: Sandbox, ms: Moveshelf) -> None:
    identity = shared.add_project("lab/no-template", None)
    with pytest.raises(ValidationError, match="no template"):
        ms.from_url(f"https://h/project/{identity}/sessions?subject-sex=Male")
    assert ms.project(identity).template is None


def test_a_clip_alone_finds_its_session_by_its_path(reader: Moveshelf, project: Project) -> None:
    session = project.subjects["P-003"].sessions[1]
    identity = session.clips[0].id
    with moveshelf.connect(api_key=reader._config.secret.reveal(), api_url=reader.url) as other:
        clip = other.from_url(f"https://h/edit/{identity}")
        with other.budget(4):  # itself, its project, the project's subjects, the subject's sessions
            assert clip.session.id == session.id
        with other.no_fetch():
            assert clip.condition.name == "Barefoot"
    norm = project.norms[0].clips[0]
    assert norm.session is None
    assert norm.condition is None
