"""Sessions: attributes, metadata, names and dates, new clips, processing and reports."""

from __future__ import annotations

from datetime import date, datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from support.stored import stored, write_record

import moveshelf
from moveshelf import ConflictError, ValidationError
from moveshelf.models import ReportType

if TYPE_CHECKING:
    from moveshelf import Moveshelf, Project, Session, Subject
    from moveshelf.sandbox import Sandbox


def test_attributes(project: Project) -> None:
    subject = project.subjects["P-001"]
    session = subject.sessions[0]
    assert session.name == "2023-01-20 pre-op"
    assert session.path == "/P-001/2023-01-20 pre-op/"
    assert session.date == date(2023, 1, 20)
    assert type(session.date) is date
    assert session.updated == datetime(2023, 1, 21, 16, 0, tzinfo=timezone.utc)
    assert session.project is project
    assert session.subject is subject
    assert session.conditions.names() == ["Barefoot", "Braced"]
    assert len(session.clips) == 6
    assert len(session.reports) == 0
    assert subject.sessions[2].reports[0].title == subject.sessions[2].reports[0].name
    assert session.url == f"{project.url}/session/{session.id}"


def test_metadata(project: Project) -> None:
    session = project.subjects["P-001"].sessions[0]
    assert session.metadata["session-questions"] == ["Baseline", "Pre-operative"]
    assert session.metadata["session-popliteal-angle"] == {"left": "41", "right": "39"}
    assert "gaitScriptEvaluation" not in session.metadata
    assert session.record is not None
    assert session.record["gaitScriptEvaluation"][0]["id"] == "evaluation-1"
    empty = project.subjects["P-012"].sessions[1]
    assert empty.record is None
    assert empty.metadata == {}


@pytest.mark.parametrize(
    "choose",
    [
        lambda s: s.clips[:2],
        lambda s: list(s.conditions["Barefoot"].clips),
        lambda s: s.conditions["Barefoot"],
    ],
)
def test_clips_to_process(shared: Sandbox, recorded_session: Session, choose: Any) -> None:
    recorded_session.process_gait_tool("Gait", clips=choose(recorded_session))
    assert shared.requests.of("processGaitTool")[-1].variables["clips"] == recorded_session.clips.ids()[:2]


def test_what_cannot_be_processed(ms: Moveshelf, recorded_session: Session) -> None:
    len(recorded_session.clips)
    empty = recorded_session.subject.create_session("empty")
    len(empty.clips)
    with ms.no_fetch():
        for clips in ([], ["text"], "text", 5, [None], recorded_session.condition("Nothing")):
            with pytest.raises(ValidationError):
                recorded_session.process_gait_tool("Gait", clips)  # type: ignore[arg-type]
            with pytest.raises(ValidationError):
                recorded_session.generate_report("currentSessionComparison", "x", clips)  # type: ignore[arg-type]
        for kind in ("", " ", 5):
            with pytest.raises(ValidationError):
                recorded_session.process_gait_tool(kind)  # type: ignore[arg-type]
        with pytest.raises(ValidationError, match="no clip to process"):
            empty.process_gait_tool("Gait")


def test_new_reports_are_listed(shared: Sandbox, ms: Moveshelf, recorded_session: Session) -> None:
    subject = recorded_session.subject
    assert len(recorded_session.reports) == len(subject.reports) == 0
    made = recorded_session.generate_reports()
    assert made is recorded_session.reports
    before = recorded_session.reports.names()
    assert before
    assert sorted(subject.reports.names()) == sorted(before)
    recorded_session.generate_report(ReportType.CURRENT_COMPARISON, "Barefoot and braced")
    recorded_session.generate_report(
        "currentSessionConditionSummaries", "One", recorded_session.conditions["Barefoot"]
    )
    assert set(recorded_session.reports.names()) == {*before, "Barefoot and braced", "One"}
    first, second = shared.requests.of("createInteractiveReport")[-2:]
    assert first.variables["trialsIds"] == recorded_session.clips.ids()
    assert second.variables["trialsIds"] == recorded_session.clips.ids()[:2]
    assert second.variables["normId"] is None


def test_a_report_is_of_one_patient(shared: Sandbox, ms: Moveshelf, recorded_session: Session) -> None:
    project, own = recorded_session.project, recorded_session.clips[0]
    other = project.create_subject("Somebody else").create_session("2024-01-01", date="2024-01-01")
    clip = other.condition("Barefoot").create_clip()
    sent = len(shared.requests.of("createInteractiveReport"))
    for chosen in (clip, [own, clip], [own, ms.clip(clip.id)]):
        with pytest.raises(
            ValidationError, match=r"is of another subject .*Somebody else.* a report is of one patient"
        ):
            recorded_session.generate_report("currentSessionComparison", "Both", chosen)
    assert len(shared.requests.of("createInteractiveReport")) == sent
    with shared.connect() as cold:  # nothing is loaded
        with pytest.raises(ValidationError, match="a report is of one patient"):
            cold.session(recorded_session.id).generate_report(
                "currentSessionComparison", "Both", [cold.clip(own.id), cold.clip(clip.id)]
            )
        assert cold.stats.requests == 2
    earlier = recorded_session.subject.create_session("2019-01-01", date="2019-01-01")
    before = earlier.condition("Barefoot").create_clip()
    recorded_session.generate_report("currentVsPreviousSessionComparison", "Before", [own, before])
    assert shared.requests.of("createInteractiveReport")[-1].variables["trialsIds"] == [own.id, before.id]


def test_a_report_is_of_one_patient_of_two_of_the_same_name(ms: Moveshelf, recorded_session: Session) -> None:
    project, name = recorded_session.project, recorded_session.subject.name
    made = ms.execute(
        "mutation($p: String!, $n: String!) { createPatient(projectId: $p, name: $n) { patient { id } } }",
        {"p": project.id, "n": name},
    )
    twin = ms.subject(made["createPatient"]["patient"]["id"])
    twin.load("name", "project.name")
    clip = twin.create_session("Another", date="2024-01-01").condition("Barefoot").create_clip()
    with pytest.raises(ValidationError, match="a report is of one patient"):
        recorded_session.generate_report(
            "currentSessionComparison", "Both", [recorded_session.clips[0], clip]
        )


def test_reports_against_a_norm(demo: Sandbox) -> None:
    """Only the request is checked: the demo is read only, and refuses an unknown norm."""
    with demo.connect() as ms:
        recorded_session = ms.projects["lab/demo"].subjects[0].sessions[0]
        with pytest.raises(moveshelf.QueryError, match="No norm"):
            recorded_session.generate_reports(norm="Tm9ybQAAAAA")
        assert demo.requests.of("createAutomaticInteractiveReports")[-1].variables["normId"] == "Tm9ybQAAAAA"
        from moveshelf.models.session import _norm_id as norm_id

        norm = recorded_session.project.norms[0]
        assert norm_id(norm) == norm_id(norm.id) == norm.id
        assert norm_id(None) is None


@pytest.mark.parametrize(
    "arguments",
    [
        ("summary", "Title"),
        (None, "Title"),
        ("currentSessionComparison", ""),
        ("currentSessionComparison", None),
        ("currentSessionComparison", "Title", None, 5),
        ("currentSessionComparison", "Title", None, ""),
        ("currentSessionComparison", "Title", None, None, 5),
    ],
)
def test_arguments_of_reports_are_checked(ms: Moveshelf, recorded_session: Session, arguments: Any) -> None:
    len(recorded_session.clips)
    with ms.no_fetch(), pytest.raises(ValidationError):
        recorded_session.generate_report(*arguments)


@pytest.mark.parametrize("when", ["2026-02-30", "31.01.2026", "soon", 20260131])
def test_malformed_dates(ms: Moveshelf, subject: Subject, session: Session, when: Any) -> None:
    with ms.no_fetch():
        with pytest.raises(ValidationError, match=r"date is .*(2026-01-31|calendar)"):
            subject.create_session("x", date=when)
        with pytest.raises(ValidationError, match=r"date is .*(2026-01-31|calendar)"):
            session.set_date(when)
        with pytest.raises(ValidationError):
            session.set_date("")


def test_rename_changes_the_paths_of_cached_clips(
    ms: Moveshelf, empty_project: Project, subject: Subject, session: Session
) -> None:
    condition = session.condition("Barefoot")
    clip = condition.create_clip()
    loose = session.create_clip("loose")
    elsewhere = subject.create_session("2026-03-01b").create_clip("x", "Barefoot")
    len(empty_project.clips), len(empty_project.sessions)
    index = subject.sessions
    assert index["2026-03-01"] is session
    clips = condition.clips
    assert clips[0] is clip
    session.rename("baseline")
    with ms.no_fetch():
        assert (session.name, session.path) == ("baseline", "/P-1/baseline/")
        assert clip.path == "/P-1/baseline/Barefoot/"
        assert loose.path == "/P-1/baseline/"
        assert elsewhere.path == "/P-1/2026-03-01b/Barefoot/"
        assert index["baseline"] is session
        assert "2026-03-01" not in index
        assert list(clips) == [clip]
        assert session.conditions.names() == ["Barefoot"]
        assert condition.path == "/P-1/baseline/Barefoot/"
        assert session.date == date(2026, 3, 1)
    for one in (session, clip, loose, elsewhere):
        there = stored(ms, one)
        assert there["projectPath"] == one.path
    with pytest.raises(ConflictError, match="2026-03-01b"):
        session.rename("2026-03-01b")
    with ms.no_fetch():
        assert session.rename("baseline") is session


def test_set_date(ms: Moveshelf, subject: Subject) -> None:
    first, second = subject.create_session("a", "2026-01-01"), subject.create_session("b", "2026-02-01")
    first.update_metadata({"session-type": "Gait"})
    assert first.set_date("2026-03-01") is first
    with ms.no_fetch():
        assert first.date == date(2026, 3, 1)
        assert list(subject.sessions) == [second, first]
        assert first.metadata == {"session-type": "Gait"}
        assert first.name == "a"
    there = stored(ms, first)
    assert (there["date"][:10], there["projectPath"]) == ("2026-03-01", "/P-1/a/")
    assert '"session-type": "Gait"' in there["metadata"]


def test_other_parts_of_the_record_are_kept(ms: Moveshelf, subject: Subject) -> None:
    session = subject.create_session("evaluated")
    kept = [{"id": "e1", "state": {"gaitAbnormalities": {}}}]
    write_record(ms, session, {"gaitScriptEvaluation": kept, "metadata": {"session-type": "Gait"}})
    session.refresh()
    session.update_metadata({"session-height": 131.5})
    session.set_date("2026-01-01")
    session.rename("again")
    for obj in (session, session.refresh()):
        assert obj.record == {
            "gaitScriptEvaluation": kept,
            "metadata": {"session-type": "Gait", "session-height": "131.5"},
        }


def test_a_record_that_is_no_object(ms: Moveshelf, subject: Subject) -> None:
    subject.update_metadata({"subject-sex": "Male"})
    session = subject.create_session("odd")
    write_record(ms, session, {"metadata": ["not", "a", "dictionary"]})
    session.refresh()
    with pytest.raises(ValidationError, match="not a JSON object"):
        session.update_metadata({"session-type": "Gait"})
    with pytest.raises(ValidationError, match="not a JSON object"):
        session.metadata
    assert session.set_date("2026-01-01").record == {"metadata": ["not", "a", "dictionary"]}


def test_create_clip(ms: Moveshelf, empty_project: Project, session: Session) -> None:
    held, whole = session.clips, empty_project.clips
    assert len(held) == len(whole) == 0
    barefoot = session.condition("/Barefoot/")
    with ms.no_fetch():
        assert barefoot == session.condition("Barefoot")
        assert len(barefoot.clips) == 0
        assert "Barefoot" not in session.conditions
    with ms.budget(1):
        first = barefoot.create_clip()
    with ms.budget(1):
        named = session.create_clip("Static", condition=barefoot, description="standing", allow_download=True)
    with ms.budget(1):
        loose = session.create_clip()
    with ms.budget(2):
        second = session.create_clip(condition="Barefoot", custom_options={"trialType": "Gait"})
    with ms.no_fetch():
        assert [clip.title for clip in held] == ["Trial-1", "Static", "Trial-1", "Trial-2"]
        assert list(whole) == list(held)
        assert list(barefoot.clips) == [first, named, second]
        assert session.conditions.names() == ["Barefoot"]
        assert named.description == "standing"
        assert second.custom_options == {"trialType": "Gait"}
        assert loose.condition is None
        assert first.condition == barefoot
        assert (first.session, first.project) == (session, empty_project)
        assert first.path == "/P-1/2026-03-01/Barefoot/"
        assert loose.path == session.path
        assert len(first.files) == 0
        assert first.original is None
    assert session.refresh().clips.ids() == [first.id, named.id, loose.id, second.id]
    with pytest.raises(ConflictError, match=named.id):
        barefoot.create_clip("Static")
    assert barefoot.create_clip("Static", exist_ok=True) is named
    assert session.create_clip("Static", exist_ok=True) is not named
