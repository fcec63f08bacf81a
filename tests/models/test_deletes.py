"""Deleting: what goes with it, who still holds it, and what a failure leaves."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

import moveshelf
from moveshelf import DeletedError
from moveshelf.sandbox import Sandbox

from .racing import lose, overtake

if TYPE_CHECKING:
    from moveshelf import Moveshelf, Project

_numbers = count(1)


@pytest.fixture
def project(shared: Sandbox, ms: Moveshelf) -> Project:
    """Three subjects with two sessions of four trials, with two files each."""
    name = shared.generate(subjects=3, sessions=2, clips=4, files=2, name=f"lab/deletes-{next(_numbers)}")
    return ms.projects[name]


def ids_there(ms: Moveshelf, *objects: Any) -> list[bool]:
    return [
        bool(ms.execute("query There($id: ID!) { node(id: $id) { id } }", {"id": one.id})["node"])
        for one in objects
    ]


def test_a_subject_goes_with_everything_below(ms: Moveshelf, project: Project) -> None:
    project.subjects.load("sessions.clips.files")
    subject, kept = project.subjects[0], project.subjects[1]
    sessions = list(subject.sessions)
    clips = [clip for session in sessions for clip in session.clips]
    files = [file for clip in clips for file in clip.files]
    len(project.sessions), len(project.clips)
    with ms.budget(1):
        gone = subject.delete()
    assert set(gone) == {subject, *sessions, *clips, *files}
    assert gone[0] is subject
    with ms.no_fetch():
        assert subject not in project.subjects
        assert len(project.subjects) == 2
        assert len(project.sessions) == 4
        assert len(project.clips) == 16
        for one in gone:
            assert one.is_deleted
            assert "deleted" in repr(one)
            with pytest.raises(DeletedError, match=one.id):
                one.name
            with pytest.raises(DeletedError):
                one.refresh()
            with pytest.raises(DeletedError):
                one.delete()
        with pytest.raises(DeletedError):
            list(subject.sessions)
        with pytest.raises(DeletedError):
            subject.update_metadata({"subject-sex": "Male"})
        with pytest.raises(DeletedError):
            sessions[0].create_clip()
        with pytest.raises(DeletedError):
            ms.subject(subject.id).name
        assert not kept.is_deleted
    assert ids_there(ms, subject, sessions[0], clips[0], files[0], kept) == [False] * 4 + [True]


def test_what_was_reached_another_way_goes_too(ms: Moveshelf, project: Project) -> None:
    """Sessions and trials that were listed by the project do not know whose they are, but their paths do."""
    name = project.subjects[0].name
    sessions = [one for one in project.sessions if one.path.startswith(f"/{name}/")]
    clips = [one for one in project.clips if one.path and one.path.startswith(f"/{name}/")]
    file = clips[0].files[0]
    assert (len(sessions), len(clips)) == (2, 8)
    with ms.budget(1):
        project.subjects[0].delete()
    with ms.no_fetch():
        assert all(one.is_deleted for one in [*sessions, *clips, file])
        assert len(project.sessions) == 4
        assert len(project.clips) == 16


def test_two_subjects_of_one_name_are_told_apart(ms: Moveshelf, project: Project) -> None:
    name = project.subjects[0].name
    ms.execute(
        "mutation Twin($p: String!, $n: String!) { createPatient(projectId: $p, name: $n) { patient { id } } }",
        {"p": project.id, "n": name},
    )
    project.refresh()
    twins = project.subjects.find(name=name)
    assert len(twins) == 2
    empty = next(one for one in twins if not one.sessions)
    held = list(project.sessions)
    assert len(project.clips) == 24
    empty.delete()
    assert len(project.sessions) == 6
    assert len(project.clips) == 24
    assert not any(one.is_deleted for one in held)


def test_a_session(ms: Moveshelf, project: Project) -> None:
    subject = project.subjects[0]
    session, other = subject.sessions
    clip, elsewhere = session.clips[0], other.clips[0]
    condition = session.conditions["Barefoot"]
    with ms.budget(1):
        gone = session.delete()
    assert set(gone) == {session, *gone[1:]}
    assert len(gone) == 5
    with ms.no_fetch():
        assert list(subject.sessions) == [other]
        assert clip.is_deleted
        assert not elsewhere.is_deleted
        with pytest.raises(DeletedError):
            list(condition.clips)
    assert ids_there(ms, session, clip, elsewhere) == [False, False, True]


def test_a_clip_and_a_file(ms: Moveshelf, project: Project) -> None:
    session = project.subjects[0].sessions[0]
    clips = list(session.clips)
    view = session.conditions["Barefoot"].clips
    assert len(view) == 2
    len(project.clips)
    for clip in session.clips:  # deleting in a loop over the collection itself
        if clip.title == "Trial-1":
            with ms.budget(1):
                clip.delete()
    with ms.no_fetch():
        assert list(session.clips) == [clips[1], clips[3]]
        assert list(view) == [clips[1]]
        assert len(project.clips) == 22
        with pytest.raises(KeyError):
            view["Trial-1"]
    file, left = clips[1].files
    with ms.budget(1):
        assert file.delete() == [file]
    with ms.no_fetch():
        assert list(clips[1].files) == [left]
        with pytest.raises(DeletedError):
            file.name
        for act in (file.read_bytes, file.json):
            with pytest.raises(DeletedError):
                act()
    assert ids_there(ms, clips[0], clips[1], file, left) == [False, True, False, True]


def test_the_clips_of_a_condition(ms: Moveshelf, project: Project) -> None:
    session = project.subjects[0].sessions[0]
    barefoot, braced = session.conditions
    doomed, kept = list(barefoot.clips), list(braced.clips)
    with ms.no_fetch():
        assert barefoot.delete_clips(dry_run=True) == doomed
    with ms.budget(len(doomed)):
        assert barefoot.delete_clips() == doomed
    with ms.no_fetch():
        assert session.conditions.names() == ["Braced"]
        assert list(session.clips) == kept
        assert len(barefoot.clips) == 0
        assert barefoot.delete_clips() == []
    assert ids_there(ms, *doomed, *kept) == [False, False, True, True]


def test_a_name_is_deleted_and_not_what_contains_it(ms: Moveshelf, project: Project) -> None:
    session = project.subjects[0].sessions[0]
    alike = [session.create_clip(condition=name) for name in ("Bare", "Barefoot slow", "barefoot")]
    session.conditions["Barefoot"].delete_clips()
    assert all(ids_there(ms, *alike))


def test_one_failure_does_not_stop_the_others(
    shared: Sandbox, ms: Moveshelf, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = project.subjects[0].sessions[0]
    condition = session.conditions["Barefoot"]
    first, second = condition.clips
    monkeypatch.setattr("moveshelf.operations.service.COMMANDS_A_REQUEST", 1)
    shared.fail("deleteClip", error="not today")
    with pytest.raises(moveshelf.RequestError, match=r"1 of 2 clips .* not today"):
        condition.delete_clips()
    (left,) = condition.clips
    assert sorted(one.is_deleted for one in (first, second)) == [False, True]
    assert ids_there(ms, left) == [True]
    with shared.connect() as other:
        other.clip(left.id).delete()
    assert condition.delete_clips() == [left]  # somebody was faster: gone is gone
    assert left.is_deleted


def test_dry_run_lists_and_deletes_nothing(ms: Moveshelf, project: Project) -> None:
    subject = project.subjects[0]
    listed = subject.delete(dry_run=True)
    assert [type(one).__name__ for one in listed[:4]] == ["Subject", "Session", "Clip", "DataFile"]
    assert len(listed) == 1 + 2 + 8 + 16
    with ms.no_fetch():
        assert len(subject.sessions[0].delete(dry_run=True)) == 1 + 4 + 8
        assert len(subject.sessions[0].clips[0].delete(dry_run=True)) == 1 + 2
        file = subject.sessions[0].clips[0].files[0]
        assert file.delete(dry_run=True) == [file]
    assert not any(one.is_deleted for one in listed)
    assert all(ids_there(ms, *listed))


def test_what_is_gone_already(shared: Sandbox, ms: Moveshelf, project: Project) -> None:
    session = project.subjects[0].sessions[0]
    clip = session.clips[0]
    with shared.connect() as other:
        other.session(session.id).delete()
    with pytest.raises(moveshelf.NotFoundError, match="deleted, or is not visible"):
        session.delete()
    assert session.is_deleted
    assert clip.is_deleted
    assert session not in project.subjects[0].sessions


def test_an_unknown_outcome(shared: Sandbox, ms: Moveshelf, project: Project) -> None:
    subject = project.subjects[0]
    names = project.subjects.names()
    for cut, left in (("before", names), ("after", names[1:])):
        lose(shared, "deletePatient", cut)
        with pytest.raises(moveshelf.OutcomeUnknownError):
            subject.delete()
        shared.clear_faults()
        assert project.subjects.names() == left
    with pytest.raises(moveshelf.NotFoundError):
        subject.refresh()


def test_a_refusal_leaves_everything(shared: Sandbox, ms: Moveshelf, project: Project) -> None:
    subject = project.subjects[0]
    subject.load("sessions")
    shared.fail("deletePatient", error="You may not.")
    with pytest.raises(moveshelf.QueryError, match="You may not"):
        subject.delete()
    with ms.no_fetch():
        assert subject in project.subjects
        assert len(subject.sessions) == 2


def test_a_read_under_way_brings_nothing_back(shared: Sandbox, ms: Moveshelf, project: Project) -> None:
    subject = project.subjects[0]
    session, clip = subject.sessions[0], subject.sessions[0].clips[0]
    ms._engine.cache.unload(subject, type(subject).fields["sessions"])
    metadata, sessions = overtake(
        shared,
        session.delete,
        SessionStored=lambda: session.metadata,
        SubjectSessions=lambda: len(subject.sessions),
    )
    assert isinstance(metadata, DeletedError)
    assert sessions == 1
    assert clip.is_deleted
    assert len(subject.sessions) == 1


def test_a_norm_drops_its_clip() -> None:
    with Sandbox(demo=True) as own, own.connect() as ms:
        project = ms.projects["lab/demo"]
        norm = project.norms["Own laboratory"]
        clips = list(norm.clips)
        session = project.subjects["P-003"].sessions["2023-02-11"]
        clip = session.clips[0]
        assert clip is clips[0]
        clip.delete()
        assert list(norm.clips) == clips[1:]


def test_files_that_their_clip_has_forgotten(ms: Moveshelf, project: Project) -> None:
    clip = project.subjects[0].sessions[0].clips[0]
    file = clip.files[0]
    clip.refresh()
    clip.delete()
    assert file.is_deleted


def test_a_copy_cannot_write(project: Project) -> None:
    import copy

    subject = copy.copy(project.subjects[0])
    for write in (
        subject.delete,
        lambda: subject.create_session("x"),
        lambda: subject.update_metadata({"a": "b"}),
    ):
        with pytest.raises(moveshelf.DetachedError):
            write()
