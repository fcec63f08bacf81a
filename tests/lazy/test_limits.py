"""Answers that the service cannot give whole, and objects that are gone meanwhile."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

import moveshelf
from moveshelf.errors import NotFoundError, RequestError

from .growing import walk

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox


def test_the_walk_completes_where_answers_are_small_and_the_size_is_remembered(sandbox: Sandbox) -> None:
    name = sandbox.generate(subjects=30, sessions=4, clips=5, files=3)
    sandbox.fail(max_objects=40)
    with sandbox.connect() as ms:
        sandbox.requests.clear()
        assert len(list(walk(ms.projects[name]))) == 30 * 4 * 5 * 3
        sizes = [len(request.variables) for request in sandbox.requests.of("ClipFiles")]
        answered = [
            len(request.variables) for request in sandbox.requests.of("ClipFiles") if request.status == 200
        ]
        assert max(sizes) == 100
        assert sum(answered) == 600
        refused = [r for r in sandbox.requests.snapshot() if r.status == 502]
        remembered = max(answered)
        before = len(refused)
        other = sandbox.generate(subjects=30, sessions=4, clips=5, files=3)
        sandbox.requests.clear()
        ms._account.refresh()
        assert len(list(walk(ms.projects[other]))) == 30 * 4 * 5 * 3
        assert not [r for r in sandbox.requests.snapshot() if r.status == 502]
        assert 6 <= max(len(r.variables) for r in sandbox.requests.of("ClipFiles")) <= remembered
        assert before > 0
        for one in sandbox.requests.snapshot():
            assert one.objects <= 40


def test_load_completes_where_answers_are_small(sandbox: Sandbox) -> None:
    name = sandbox.generate(subjects=30, sessions=4, clips=5, files=3)
    sandbox.fail(max_objects=40)
    with sandbox.connect() as ms:
        ms.projects[name].subjects.load("sessions.clips.files")
        with ms.no_fetch():
            assert len(list(walk(ms.projects[name]))) == 30 * 4 * 5 * 3


def test_nine_thousand_sessions_are_listed_whole(sandbox: Sandbox) -> None:
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


def test_one_deleted_clip_of_a_chunk_fails_alone(sandbox: Sandbox) -> None:
    name = sandbox.generate(subjects=2, sessions=2, clips=6, files=2)
    with sandbox.connect() as ms, sandbox.connect() as somebody:
        clips = [clip for one in ms.projects[name].subjects for s in one.sessions for clip in s.clips]
        gone = clips[5]
        somebody.execute("mutation D($id: String) { deleteClip(clipId: $id) { ok } }", {"id": gone.id})
        sandbox.requests.clear()
        found = 0
        for clip in clips:
            if clip is gone:
                continue
            found += len(clip.files)
        assert found == 2 * (len(clips) - 1)
        assert len(sandbox.requests.snapshot()) == 1
        with pytest.raises(NotFoundError, match=gone.id):
            len(gone.files)
        with pytest.raises(NotFoundError):
            gone.load("files")
        ms.projects[name].subjects.load("sessions.clips.files")


def test_another_kinds_id_and_no_ones_id(demo: Sandbox) -> None:
    with demo.connect() as ms:
        subject = ms.projects["lab/demo"].subjects[0]
        wrong = demo.connect().session(subject.id)
        with pytest.raises(NotFoundError, match="not the id of a session"):
            _ = wrong.path
        with pytest.raises(NotFoundError, match="no clip with id"):
            _ = ms.clip("TW9jYXBDbGlwAAAAAAAA").title
        with pytest.raises(NotFoundError, match="id of a Subject"):
            ms.session(subject.id)


def test_a_failure_leaves_the_field_unloaded_and_each_waiter_gets_its_own_exception(sandbox: Sandbox) -> None:
    name = sandbox.generate(subjects=3, sessions=1, clips=1, files=1)
    with sandbox.connect() as ms:
        subject = ms.projects[name].subjects[0]
        sandbox.fail(operation="SubjectSessions", error="the database is on fire", times=1)
        sandbox.latency(0.2)
        caught: list[BaseException] = []

        def read() -> None:
            try:
                len(subject.sessions)
            except moveshelf.MoveshelfError as error:
                caught.append(error)

        threads = [threading.Thread(target=read) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert caught
        assert len({id(error) for error in caught}) == len(caught)
        assert all("the database is on fire" in str(error) for error in caught)
        assert len(subject.sessions) == 1


def test_dropped_connections_are_asked_again(sandbox: Sandbox) -> None:
    name = sandbox.generate(subjects=12, sessions=2, clips=2, files=2)
    for operation in ("AccountProjects", "SubjectSessions", "ClipFiles"):
        sandbox.fail(operation, drop=True, times=1)
        sandbox.fail(operation, status=503, times=1)
        sandbox.fail(operation, truncate=True, times=1)
    with sandbox.connect() as ms:
        assert len(list(walk(ms.projects[name]))) == 12 * 2 * 2 * 2


def test_read_ahead_that_fails_does_not_disturb_the_reader(sandbox: Sandbox) -> None:
    name = sandbox.generate(subjects=250, sessions=1, clips=0, files=0)
    with sandbox.connect() as ms:
        subjects = ms.projects[name].subjects
        len(subjects)
        seen = 0
        failed: list[str] = []
        sandbox.fail(operation="SubjectSessions", error="no", times=1)
        for subject in subjects:
            try:
                seen += len(subject.sessions)
            except RequestError:
                failed.append(subject.id)
        assert seen + len(failed) == 250
        assert len(failed) <= 1
        for identity in failed:
            assert len(ms.subject(identity).sessions) == 1


def test_a_budget_stops_the_reader_and_not_the_read_ahead(sandbox: Sandbox) -> None:
    name = sandbox.generate(subjects=250, sessions=1, clips=0, files=0)
    with sandbox.connect() as ms:
        subjects = ms.projects[name].subjects
        len(subjects)
        sandbox.requests.clear()
        seen = 0
        with pytest.raises(moveshelf.BudgetError), ms.budget(requests=2):
            for subject in subjects:
                seen += len(subject.sessions)
        assert seen == 200
        assert len(sandbox.requests.snapshot()) == 2
        assert sum(len(subject.sessions) for subject in subjects) == 250


def test_requests_below_a_dead_owner_still_arrive(sandbox: Sandbox) -> None:
    name = sandbox.generate(subjects=3, sessions=2, clips=2, files=1)
    with sandbox.connect() as ms:
        files: Any = ms.projects[name].subjects[0].sessions[0].clips[0].files
        session = ms.session(ms.projects[name].subjects[0].sessions[0].id)
        clips = session.clips
        del session
        ms._account.refresh()
        assert len(clips) == 2
        assert len(files) == 1
        assert files[0].clip.session.subject.project.name == name
