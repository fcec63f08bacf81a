"""Deleting: what is deleted with an object, which collections drop it, and what a failure leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.racing import lose, overtake
from support.stored import exist

import moveshelf
from moveshelf import DeletedError
from moveshelf.sandbox import Sandbox

if TYPE_CHECKING:
    from moveshelf import Moveshelf, Project


def test_a_subject_is_deleted_with_everything_below(ms: Moveshelf, filled_project: Project) -> None:
    filled_project.subjects.load("sessions.clips.files")
    subject, kept = filled_project.subjects[0], filled_project.subjects[1]
    sessions = list(subject.sessions)
    clips = [clip for session in sessions for clip in session.clips]
    files = [file for clip in clips for file in clip.files]
    len(filled_project.sessions), len(filled_project.clips)
    with ms.budget(1):
        deleted = subject.delete()
    assert set(deleted) == {subject, *sessions, *clips, *files}
    assert deleted[0] is subject
    with ms.no_fetch():
        assert subject not in filled_project.subjects
        assert len(filled_project.subjects) == 2
        assert len(filled_project.sessions) == 4
        assert len(filled_project.clips) == 16
        for one in deleted:
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
    assert exist(ms, subject, sessions[0], clips[0], files[0], kept) == [False] * 4 + [True]


def test_members_listed_by_the_project_are_marked_deleted_by_their_paths(
    ms: Moveshelf, filled_project: Project
) -> None:
    """Sessions and trials that were listed by the project do not know their owner, but their paths name it."""
    name = filled_project.subjects[0].name
    sessions = [one for one in filled_project.sessions if one.path.startswith(f"/{name}/")]
    clips = [one for one in filled_project.clips if one.path and one.path.startswith(f"/{name}/")]
    file = clips[0].files[0]
    assert (len(sessions), len(clips)) == (2, 8)
    with ms.budget(1):
        filled_project.subjects[0].delete()
    with ms.no_fetch():
        assert all(one.is_deleted for one in [*sessions, *clips, file])
        assert len(filled_project.sessions) == 4
        assert len(filled_project.clips) == 16


def test_two_subjects_of_one_name(ms: Moveshelf, filled_project: Project) -> None:
    name = filled_project.subjects[0].name
    ms.execute(
        "mutation Twin($p: String!, $n: String!) { createPatient(projectId: $p, name: $n) { patient { id } } }",
        {"p": filled_project.id, "n": name},
    )
    filled_project.refresh()
    twins = filled_project.subjects.find(name=name)
    assert len(twins) == 2
    empty = next(one for one in twins if not one.sessions)
    held = list(filled_project.sessions)
    assert len(filled_project.clips) == 24
    empty.delete()
    assert len(filled_project.sessions) == 6
    assert len(filled_project.clips) == 24
    assert not any(one.is_deleted for one in held)


def test_a_session_is_deleted_with_its_clips(ms: Moveshelf, filled_project: Project) -> None:
    subject = filled_project.subjects[0]
    session, other = subject.sessions
    clip, elsewhere = session.clips[0], other.clips[0]
    condition = session.conditions["Barefoot"]
    with ms.budget(1):
        deleted = session.delete()
    assert set(deleted) == {session, *deleted[1:]}
    assert len(deleted) == 5
    with ms.no_fetch():
        assert list(subject.sessions) == [other]
        assert clip.is_deleted
        assert not elsewhere.is_deleted
        with pytest.raises(DeletedError):
            list(condition.clips)
    assert exist(ms, session, clip, elsewhere) == [False, False, True]


def test_a_clip_and_a_file(ms: Moveshelf, filled_project: Project) -> None:
    session = filled_project.subjects[0].sessions[0]
    clips = list(session.clips)
    view = session.conditions["Barefoot"].clips
    assert len(view) == 2
    len(filled_project.clips)
    for clip in session.clips:  # deleting in a loop over the collection itself
        if clip.title == "Trial-1":
            with ms.budget(1):
                clip.delete()
    with ms.no_fetch():
        assert list(session.clips) == [clips[1], clips[3]]
        assert list(view) == [clips[1]]
        assert len(filled_project.clips) == 22
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
    assert exist(ms, clips[0], clips[1], file, left) == [False, True, False, True]


def test_dry_run_lists_and_deletes_nothing(ms: Moveshelf, filled_project: Project) -> None:
    subject = filled_project.subjects[0]
    listed = subject.delete(dry_run=True)
    assert [type(one).__name__ for one in listed[:4]] == ["Subject", "Session", "Clip", "DataFile"]
    assert len(listed) == 1 + 2 + 8 + 16
    with ms.no_fetch():
        assert len(subject.sessions[0].delete(dry_run=True)) == 1 + 4 + 8
        assert len(subject.sessions[0].clips[0].delete(dry_run=True)) == 1 + 2
        file = subject.sessions[0].clips[0].files[0]
        assert file.delete(dry_run=True) == [file]
    assert not any(one.is_deleted for one in listed)
    assert all(exist(ms, *listed))


def test_objects_that_another_client_deleted(shared: Sandbox, ms: Moveshelf, filled_project: Project) -> None:
    session = filled_project.subjects[0].sessions[0]
    clip = session.clips[0]
    with shared.connect() as other:
        other.session(session.id).delete()
    with pytest.raises(moveshelf.NotFoundError, match="deleted, or is not visible"):
        session.delete()
    assert session.is_deleted
    assert clip.is_deleted
    assert session not in filled_project.subjects[0].sessions


def test_an_unknown_outcome(shared: Sandbox, ms: Moveshelf, filled_project: Project) -> None:
    subject = filled_project.subjects[0]
    names = filled_project.subjects.names()
    for cut, left in (("before", names), ("after", names[1:])):
        lose(shared, "deletePatient", cut)
        with pytest.raises(moveshelf.OutcomeUnknownError):
            subject.delete()
        shared.clear_faults()
        assert filled_project.subjects.names() == left
    with pytest.raises(moveshelf.NotFoundError):
        subject.refresh()


def test_a_refusal_leaves_everything(shared: Sandbox, ms: Moveshelf, filled_project: Project) -> None:
    subject = filled_project.subjects[0]
    subject.load("sessions")
    shared.fail("deletePatient", error="You may not.")
    with pytest.raises(moveshelf.QueryError, match="You may not"):
        subject.delete()
    with ms.no_fetch():
        assert subject in filled_project.subjects
        assert len(subject.sessions) == 2


def test_a_response_that_arrives_after_a_delete_is_discarded(
    shared: Sandbox, ms: Moveshelf, filled_project: Project
) -> None:
    subject = filled_project.subjects[0]
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


def test_a_norm_drops_its_deleted_clip() -> None:
    with Sandbox(demo=True) as own, own.connect() as ms:
        filled_project = ms.projects["lab/demo"]
        norm = filled_project.norms["Own laboratory"]
        clips = list(norm.clips)
        session = filled_project.subjects["P-003"].sessions["2023-02-11"]
        clip = session.clips[0]
        assert clip is clips[0]
        clip.delete()
        assert list(norm.clips) == clips[1:]


def test_files_of_a_refreshed_clip_are_marked_deleted(ms: Moveshelf, filled_project: Project) -> None:
    clip = filled_project.subjects[0].sessions[0].clips[0]
    file = clip.files[0]
    clip.refresh()
    clip.delete()
    assert file.is_deleted
