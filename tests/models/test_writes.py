"""Creating and changing: what arrives at the service, and what the objects show of it without asking."""

from __future__ import annotations

import json
import threading
from datetime import date
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

import moveshelf
from moveshelf import ConflictError, ValidationError
from moveshelf.operations.service import Service

from .racing import lose, overtake

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moveshelf import Moveshelf, Project, Session, Subject
    from moveshelf.sandbox import Sandbox

_numbers = count(1)


@pytest.fixture
def project(shared: Sandbox, ms: Moveshelf) -> Project:
    """An empty project with a template."""
    name = shared.generate(subjects=0, sessions=0, clips=0, files=0, name=f"lab/writes-{next(_numbers)}")
    return ms.projects[name]


@pytest.fixture
def other(shared: Sandbox) -> Iterator[Moveshelf]:
    """Somebody else's client."""
    with shared.connect() as client:
        yield client


@pytest.fixture
def subject(project: Project) -> Subject:
    return project.create_subject("P-1")


@pytest.fixture
def session(subject: Subject) -> Session:
    return subject.create_session("2026-03-01")


def stored(ms: Moveshelf, obj: Any) -> dict[str, Any]:
    """What the service has of an object."""
    words = {
        "Subject": "name metadata updated externalId sessions { id }",
        "Session": "projectPath date metadata updated patient { id } clips { id }",
        "Clip": "title description projectPath customOptions",
    }[type(obj).__name__]
    wire = type(obj).wire
    return ms.execute(
        f"query Truth($id: ID!) {{ node(id: $id) {{ ... on {wire} {{ id {words} }} }} }}", {"id": obj.id}
    )["node"]


def raw(ms: Moveshelf, session: Session, record: dict[str, Any]) -> None:
    """Let the service hold a record that no method of ours would write."""
    ms.execute(
        "mutation Raw($s: ID!, $n: String!, $m: JSONString) "
        "{ updateSession(sessionId: $s, sessionName: $n, sessionMetadata: $m) { updated } }",
        {"s": session.id, "n": session.name, "m": json.dumps(record)},
    )


# subjects ---------------------------------------------------------------------------------------------------
def test_a_new_subject_is_listed_without_a_request(ms: Moveshelf, project: Project) -> None:
    held = project.subjects
    assert len(held) == 0
    for name in ("B", "A", "C"):
        with ms.budget(1):
            made = project.create_subject(name)
        with ms.no_fetch():
            assert held[name] is made
            assert (made.name, made.ehr_id, made.metadata, made.interventions) == (name, None, {}, [])
            assert made.project is project
            assert len(made.sessions) == len(made.reports) == 0
    with ms.no_fetch():
        assert held.names() == ["A", "B", "C"]
    assert project.refresh().subjects.names() == ["A", "B", "C"]


def test_a_subject_of_that_name(ms: Moveshelf, project: Project) -> None:
    made = project.create_subject("A")
    with pytest.raises(ConflictError, match=made.id):
        project.create_subject("A")
    with ms.no_fetch():
        assert project.create_subject("A", exist_ok=True) is made
    ms.execute(
        'mutation($p: String!) { createPatient(projectId: $p, name: "A") { patient { id } } }',
        {"p": project.id},
    )
    project.refresh()
    with pytest.raises(moveshelf.AmbiguousError, match=made.id):
        project.create_subject("A", exist_ok=True)


def test_a_subject_with_metadata(ms: Moveshelf, project: Project) -> None:
    made = project.create_subject("A", {"subject-sex": "Male", "ehr-id": 4711})
    assert made.metadata == {"subject-sex": "Male", "ehr-id": "4711"}
    assert made.ehr_id == "4711"
    again = project.create_subject("A", {"subject-sex": "Female", "subject-gmfcs": "II"}, exist_ok=True)
    assert again is made
    assert made.metadata == {"subject-sex": "Male", "ehr-id": "4711", "subject-gmfcs": "II"}
    with pytest.raises(ValidationError) as caught:
        project.create_subject("B", {"subject-sex": "Unknown"})
    assert len(caught.value.errors) == 1
    assert "B" not in project.subjects
    assert project.refresh().subjects.names() == ["A"]


@pytest.mark.parametrize("name", ["", " ", "a/b", " a", "a\n", "a\x00b", None, 7, b"a"])
def test_names_are_checked_before_any_request(
    ms: Moveshelf, subject: Subject, session: Session, name: Any
) -> None:
    with ms.no_fetch():
        for write in (
            subject.project.create_subject,
            subject.create_session,
            session.rename,
            session.condition,
        ):
            with pytest.raises(ValidationError):
                write(name)
        if name is not None:
            with pytest.raises(ValidationError):
                session.create_clip("T", condition=name)


# sessions ---------------------------------------------------------------------------------------------------
def test_new_sessions_are_listed_by_date(ms: Moveshelf, project: Project, subject: Subject) -> None:
    held, whole = subject.sessions, project.sessions
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
        assert early.project is project
        assert early.metadata == {}
    assert subject.refresh().sessions.ids() == [early.id, late.id, undated.id]
    with pytest.raises(ConflictError, match=early.id):
        subject.create_session("2026-01-31")
    assert subject.create_session("2026-01-31", exist_ok=True) is early


@pytest.mark.parametrize("when", ["2026-02-30", "31.01.2026", "soon", 20260131])
def test_a_date_that_is_none(ms: Moveshelf, subject: Subject, session: Session, when: Any) -> None:
    with ms.no_fetch():
        with pytest.raises(ValidationError, match="2026-01-31"):
            subject.create_session("x", date=when)
        with pytest.raises(ValidationError, match="2026-01-31"):
            session.set_date(when)
        with pytest.raises(ValidationError):
            session.set_date("")


def test_a_session_named_like_no_date(subject: Subject) -> None:
    assert subject.create_session("2026-02-30").date is None


def test_rename_moves_everything_held(
    ms: Moveshelf, project: Project, subject: Subject, session: Session
) -> None:
    condition = session.condition("Barefoot")
    clip = condition.create_clip()
    loose = session.create_clip("loose")
    elsewhere = subject.create_session("2026-03-01b").create_clip("x", "Barefoot")
    len(project.clips), len(project.sessions)
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


def test_set_date_sorts_anew_and_keeps_the_rest(ms: Moveshelf, subject: Subject) -> None:
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


# metadata ---------------------------------------------------------------------------------------------------
def test_only_empty_fields_are_filled(ms: Moveshelf, subject: Subject) -> None:
    subject.update_metadata(
        {
            "subject-sex": "Male",
            "subject-notes": "",
            "subject-leg-length": {"left": 700, "right": ""},
            "subject-date-of-birth": date(2014, 5, 6),
        }
    )
    with ms.budget(2):
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


def test_nothing_to_change_is_not_written(
    shared: Sandbox, ms: Moveshelf, subject: Subject, session: Session
) -> None:
    subject.update_metadata({"subject-sex": "Male"})
    session.update_metadata({"session-type": "Gait"})
    shared.requests.clear()
    subject.update_metadata({"subject-sex": "Female"})
    session.update_metadata({"session-type": "EMG"})
    subject.update_metadata({"subject-sex": "Male"}, overwrite=True)
    with ms.no_fetch():
        subject.update_metadata({})
        subject.update_metadata({"subject-sex": None})
        session.update_metadata({})
    assert not shared.requests.of("updatePatient")
    assert not shared.requests.of("updateSession")


def test_what_the_validator_refuses_is_not_written(ms: Moveshelf, subject: Subject, session: Session) -> None:
    with pytest.raises(ValidationError) as caught:
        subject.update_metadata(
            {"colour": "red", "subject-sex": "Unknown"}, interventions=[{"date": "never"}]
        )
    assert len(caught.value.errors) == 3
    for error in caught.value.errors:
        assert error in str(caught.value)
    assert stored(ms, subject)["metadata"] is None
    with pytest.raises(ValidationError) as caught:
        session.update_metadata({"session-height": "tall", "session-type": "Gait"})
    assert len(caught.value.errors) == 1
    assert stored(ms, session)["metadata"] is None
    subject.update_metadata({"colour": "red"}, validate=False)
    assert subject.metadata == {"colour": "red"}
    assert session.update_metadata({"session-height": "tall"}, validate=False).metadata == {
        "session-height": "tall"
    }


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


@pytest.mark.parametrize(
    "values", [None, "text", ["a"], {"": "x"}, {3: "x"}, {"a": object()}, {"a": float("nan")}, {"a": {1, 2}}]
)
def test_values_are_checked_before_any_request(
    ms: Moveshelf, subject: Subject, session: Session, values: Any
) -> None:
    with ms.no_fetch():
        for write in (subject.update_metadata, session.update_metadata):
            with pytest.raises(ValidationError):
                write(values)


def test_a_session_keeps_what_else_its_record_holds(ms: Moveshelf, subject: Subject) -> None:
    session = subject.create_session("evaluated")
    kept = [{"id": "e1", "state": {"gaitAbnormalities": {}}}]
    raw(ms, session, {"gaitScriptEvaluation": kept, "metadata": {"session-type": "Gait"}})
    session.refresh()
    session.update_metadata({"session-height": 131.5})
    session.set_date("2026-01-01")
    session.rename("again")
    for look in (session, session.refresh()):
        assert look.record == {
            "gaitScriptEvaluation": kept,
            "metadata": {"session-type": "Gait", "session-height": "131.5"},
        }


def test_an_ehr_id_written_is_read_anew(project: Project, subject: Subject) -> None:
    assert subject.ehr_id is None
    subject.update_metadata({"ehr-id": "E-77"})
    assert subject.ehr_id == "E-77"
    assert project.subject_by_ehr_id("E-77") is subject
    before = subject.updated
    assert subject.update_metadata({"subject-sex": "Male"}).updated != before


def test_metadata_that_is_no_object_is_left_alone(ms: Moveshelf, subject: Subject) -> None:
    subject.update_metadata({"subject-sex": "Male"})
    session = subject.create_session("odd")
    raw(ms, session, {"metadata": ["not", "a", "dictionary"]})
    session.refresh()
    with pytest.raises(ValidationError, match="not a JSON object"):
        session.update_metadata({"session-type": "Gait"})
    with pytest.raises(ValidationError, match="not a JSON object"):
        session.metadata
    assert session.set_date("2026-01-01").record == {"metadata": ["not", "a", "dictionary"]}


# somebody else ----------------------------------------------------------------------------------------------
def test_an_edit_in_between_is_a_conflict(
    ms: Moveshelf, other: Moveshelf, subject: Subject, session: Session
) -> None:
    assert subject.metadata == {}
    other.subject(subject.id).update_metadata({"subject-sex": "Female"})
    with pytest.raises(ConflictError, match="somebody else"):
        subject.update_metadata({"subject-sex": "Male", "subject-notes": "mine"}, overwrite=True)
    assert subject.metadata == {"subject-sex": "Female"}
    subject.update_metadata({"subject-notes": "mine"})
    assert stored(ms, subject)["metadata"] == '{"subject-sex": "Female", "subject-notes": "mine"}'

    assert session.metadata == {}
    other.session(session.id).update_metadata({"session-type": "Gait"})
    for write in (
        lambda: session.update_metadata({"session-height": "120"}),
        lambda: session.rename("other"),
        lambda: session.set_date("2026-01-01"),
    ):
        with pytest.raises(ConflictError):
            write()
        # what it shows now is the present state, so that somebody who has seen it may write
        assert session.metadata["session-type"] == "Gait"
        assert (session.name, session.date) == ("2026-03-01", date(2026, 3, 1))
        somebody = other.session(session.id).refresh()
        somebody.update_metadata({"session-clinician": f"{len(somebody.metadata)}."}, overwrite=True)
        somebody.update_metadata({"session-clinician": f"again, {somebody.updated}"}, overwrite=True)


def test_a_subject_that_was_listed_only_compares_its_time(
    other: Moveshelf, ms: Moveshelf, project: Project
) -> None:
    identity = project.create_subject("A").id
    with moveshelf.connect(api_key=ms._config.secret.reveal(), api_url=ms.url) as third:
        mine = third.project(project.id).subjects["A"]
        other.subject(identity).update_metadata({"subject-sex": "Female"})
        with pytest.raises(ConflictError):
            mine.update_metadata({"subject-notes": "x"})
        assert mine.update_metadata({"subject-notes": "x"}).metadata == {
            "subject-sex": "Female",
            "subject-notes": "x",
        }


def test_the_service_compares_too(
    shared: Sandbox, other: Moveshelf, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The edit falls between our look and our write: only `previousUpdatedAt` shows it."""
    state = Service.state

    def and_then_somebody_writes(*args: Any, **options: Any) -> Any:
        found = state(*args, **options)
        monkeypatch.setattr(Service, "state", state)
        other.session(session.id).update_metadata({"session-type": "EMG"})
        return found

    monkeypatch.setattr(Service, "state", and_then_somebody_writes)
    with pytest.raises(ConflictError):
        session.update_metadata({"session-type": "Gait"})
    assert session.metadata == {"session-type": "EMG"}
    sent = shared.requests.of("updateSession")[-1].variables
    assert sent["previousUpdatedAt"]


def test_writing_to_what_is_gone(ms: Moveshelf, other: Moveshelf, subject: Subject, session: Session) -> None:
    clip = session.create_clip()
    other.subject(subject.id).delete()
    with pytest.raises(moveshelf.NotFoundError):
        subject.update_metadata({"subject-sex": "Male"})
    with pytest.raises(moveshelf.NotFoundError):
        session.update_metadata({"session-type": "Gait"})
    with pytest.raises(moveshelf.NotFoundError):
        clip.update(title="x")
    with pytest.raises(moveshelf.NotFoundError):
        subject.delete()
    assert subject.is_deleted


# clips ------------------------------------------------------------------------------------------------------
def test_new_clips(ms: Moveshelf, project: Project, session: Session) -> None:
    held, whole = session.clips, project.clips
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
        assert (first.session, first.project) == (session, project)
        assert first.path == "/P-1/2026-03-01/Barefoot/"
        assert loose.path == session.path
        assert len(first.files) == 0
        assert first.original is None
    assert session.refresh().clips.ids() == [first.id, named.id, loose.id, second.id]
    with pytest.raises(ConflictError, match=named.id):
        barefoot.create_clip("Static")
    assert barefoot.create_clip("Static", exist_ok=True) is named
    assert session.create_clip("Static", exist_ok=True) is not named


@pytest.mark.parametrize(
    ("titles", "new"),
    [
        ([], "Trial-1"),
        (["Trial-1", "Trial-7"], "Trial-8"),
        (["Static"], "Trial-2"),
        (["gait 3"], "Trial-4"),
        (["Trial-1", "Trial-2", "20260301"], "Trial-3"),
    ],
)
def test_the_next_title(titles: list[str], new: str) -> None:
    from moveshelf.operations.titles import next_title

    assert next_title(titles) == new


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"colour": "red"}, "no 'colour' that can be set"),
        ({"allowDownload": True}, "did you mean 'allow_download'"),
        ({"descripton": "x"}, "did you mean 'description'"),
        ({"description": 3}, "description of a clip is a str"),
        ({"allow_download": "yes"}, "allow_download of a clip is a bool"),
        ({"start_timecode": ("1:2:3:4", "FPS_25")}, "is no timecode"),
        ({"start_timecode": ("01:02:03:25", "FPS_25")}, "0 to 24"),
        ({"custom_options": object()}, "cannot be written as JSON"),
        ({"custom_options": "not json"}, "is neither"),
        ({"title": ""}, "title is text"),
    ],
)
def test_what_is_said_of_a_clip_is_checked(
    ms: Moveshelf, session: Session, metadata: Any, words: str
) -> None:
    clip = session.create_clip("there")
    with ms.no_fetch():
        with pytest.raises(ValidationError, match=words):
            clip.update(**metadata)
        title = metadata.pop("title", "x")
        with pytest.raises(ValidationError, match=words):
            session.create_clip(title, **metadata)


def test_update_a_clip(shared: Sandbox, ms: Moveshelf, session: Session) -> None:
    clip = session.create_clip("a", "Barefoot", description="old")
    condition = clip.condition
    assert condition is not None
    view = condition.clips
    assert len(view) == 1
    len(session.clips)
    with ms.budget(1):
        assert clip.update(title="b", start_timecode=("01:02:03;04", 29.97)) is clip
    with ms.no_fetch():
        assert (clip.title, clip.name, clip.description) == ("b", "b", "old")
        assert session.clips["b"] is clip
        assert "a" not in session.clips
        assert view["b"] is clip
        clip.update()
    sent = shared.requests.of("updateClip")[-1].variables["input"]["metadata"]
    assert sent == {"title": "b", "startTimecode": {"timecode": "01:02:03;04", "framerate": "FPS_29_97"}}
    with ms.budget(1):
        clip.update(condition="Braced", description="", custom_options='{"a": 1}')
    with ms.no_fetch():
        assert clip.path == "/P-1/2026-03-01/Braced/"
        assert session.conditions.names() == ["Braced"]
        assert len(view) == 0
        assert (clip.description, clip.custom_options) == ("", {"a": 1})
    with pytest.raises(ValidationError, match="another session"):
        clip.update(condition=session.subject.create_session("b").condition("Braced"))


# reads under way --------------------------------------------------------------------------------------------
def test_a_read_under_way_never_puts_an_old_value_back(
    shared: Sandbox, ms: Moveshelf, project: Project
) -> None:
    subject = project.create_subject("A")
    session = subject.create_session("s")
    clip = session.create_clip("t", "Barefoot")
    for text in ("one", "two"):
        new = {"description": text}
        ms._engine.cache.unload(subject, type(subject).fields["stored"])
        ms._engine.cache.unload(session, type(session).fields["stored"])
        ms._engine.cache.unload(clip, type(clip).fields["description"])
        of_subject, of_session = {"subject-notes": text}, {"session-clinician": text}
        assert overtake(
            shared,
            partial(subject.update_metadata, of_subject, True),
            SubjectStored=lambda: subject.metadata,
        ) == [of_subject]
        assert overtake(
            shared,
            partial(session.update_metadata, of_session, True),
            SessionStored=lambda: session.metadata,
        ) == [of_session]
        assert overtake(shared, partial(clip.update, **new), ClipDescription=lambda: clip.description) == [
            text
        ]


def test_a_listing_under_way_never_hides_what_was_made(
    shared: Sandbox, ms: Moveshelf, project: Project
) -> None:
    subject = project.create_subject("A")
    session = subject.create_session("s")
    ms._engine.cache.unload(project, type(project).fields["subjects"])

    def another(n: int) -> None:
        ms.execute(
            "mutation($p: String!, $n: String!) { createPatient(projectId: $p, name: $n) { patient { id } } }",
            {"p": project.id, "n": f"B{n}"},
        )
        ms._engine.cache.invalidate((project.id, "subjects"))

    assert overtake(shared, lambda: another(1), ProjectSubjects=project.subjects.names) == [["A", "B1"]]
    ms._engine.cache.unload(session, type(session).fields["clips"])
    made = session.create_clip("t", "Barefoot")
    ms._engine.cache.unload(session, type(session).fields["clips"])
    paths = overtake(
        shared, lambda: session.rename("renamed"), SessionClips=lambda: [one.path for one in session.clips]
    )
    assert paths == [["/A/renamed/Barefoot/"]]
    assert made.path == "/A/renamed/Barefoot/"


def test_a_listing_of_a_whole_project_under_way(shared: Sandbox, ms: Moveshelf, project: Project) -> None:
    session = project.create_subject("A").create_session("s")
    first = session.create_clip("first", "Barefoot")
    titles = overtake(
        shared, lambda: session.create_clip("second", "Barefoot"), ProjectClips=lambda: project.clips.names()
    )
    assert titles == [["first", "second"]]
    ms._engine.cache.unload(project, type(project).fields["clips"])
    assert overtake(shared, first.delete, ProjectClips=lambda: project.clips.names()) == [["second"]]


def test_an_unknown_outcome_is_read_anew(shared: Sandbox, ms: Moveshelf, project: Project) -> None:
    len(project.subjects)
    lose(shared, "createPatient")
    with pytest.raises(moveshelf.OutcomeUnknownError):
        project.create_subject("A")
    shared.clear_faults()
    assert project.subjects.names() == ["A"]
    subject = project.create_subject("A", exist_ok=True)
    assert subject.metadata == {}
    shared.fail("updatePatient", drop="after")
    shared.fail("SubjectStored", status=403)
    with pytest.raises(moveshelf.OutcomeUnknownError):
        subject.update_metadata({"subject-sex": "Male"})
    shared.clear_faults()
    assert subject.metadata == {"subject-sex": "Male"}
    session = subject.create_session("s")
    shared.fail("updateSession", drop="after")
    shared.fail("SessionPath", status=403)
    with pytest.raises(moveshelf.OutcomeUnknownError):
        session.rename("t")
    shared.clear_faults()
    assert session.name == "t"


def test_writes_of_several_threads_lose_nothing(ms: Moveshelf, subject: Subject, session: Session) -> None:
    fields = ["subject-notes", "subject-sex", "subject-gmfcs", "subject-diagnosis"]
    values = ["x", "Male", "II", "Stroke"]
    errors: list[BaseException] = []

    def write(key: str, value: str) -> None:
        try:
            subject.update_metadata({key: value})
            session.create_clip(condition="Barefoot")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=pair) for pair in zip(fields, values, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert subject.metadata == dict(zip(fields, values, strict=True))
    assert sorted(session.clips.names()) == [f"Trial-{n}" for n in range(1, 5)]
