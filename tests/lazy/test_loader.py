"""What loops cost, in requests counted by the service, and what the loader does about failures."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.growing import Shape, even, grow, least, walk, wanted
from support.walks import LARGE, LEAST, LIMITS, SMALL, nested_loops, operation_counts, request_count

import moveshelf
from moveshelf.errors import NotFoundError, RequestError

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox


@pytest.mark.parametrize("shape", [SMALL, LARGE])
def test_nested_loops_send_the_fewest_possible_requests(
    shared: Sandbox, projects: Any, file_ids: Any, shape: tuple[int, ...]
) -> None:
    with shared.connect() as ms:
        shared.requests.clear()
        assert nested_loops(ms.projects[projects[shape]]) == file_ids[shape]
        assert request_count(shared) == LEAST[shape], operation_counts(shared)
        assert request_count(shared) <= LIMITS[shape]
        with ms.no_fetch():
            assert nested_loops(ms.projects[projects[shape]]) == file_ids[shape]


def by_conditions(project: Any) -> list[str]:
    return [
        file.id
        for subject in project.subjects
        for session in subject.sessions
        for condition in session.conditions
        for clip in condition.clips
        for file in clip.files
        if file.name
    ]


def by_condition_names(project: Any) -> list[str]:
    found = []
    for subject in project.subjects:
        for session in subject.sessions:
            for name in session.conditions.names():
                for clip in session.conditions[name].clips:
                    found += [file.id for file in clip.files if file.name]
    return found


def by_zip(project: Any) -> list[str]:
    found = []
    for subject, _ in zip(project.subjects, range(10**6), strict=False):
        for number, session in enumerate(subject.sessions):
            for clip, name in zip(session.clips, session.clips.names(), strict=True):
                assert clip.title == name
                assert number < len(subject.sessions)
                found += [file.id for file in clip.files if file.name]
    return found


def by_comprehensions(project: Any) -> list[str]:
    sessions = [session for subject in project.subjects for session in subject.sessions]
    clips = [clip for session in sessions for clip in session.clips]
    return [file.id for clip in clips for file in clip.files]


def by_lists_of_lists(project: Any) -> list[str]:
    nested = [
        [[list(clip.files) for clip in session.clips] for session in one.sessions] for one in project.subjects
    ]
    return [file.id for one in nested for two in one for three in two for file in three]


def interleaved(project: Any) -> list[str]:
    first, second = iter(walk_objects(project)), iter(walk_objects(project))
    found: list[str] = []
    other: list[str] = []
    while True:
        one, two, three = next(first, None), next(second, None), next(first, None)
        found += [file.id for file in (one, three) if file is not None]
        other += [two.id] if two is not None else []
        if one is None and two is None:
            break
    other += [file.id for file in second]
    assert other == found
    return found


def walk_objects(project: Any) -> Any:
    for subject in project.subjects:
        for session in subject.sessions:
            for clip in session.clips:
                yield from clip.files


def sorted_by_name(project: Any) -> list[str]:
    found = {}
    for subject in sorted(project.subjects, key=lambda one: one.name, reverse=True):
        found[subject.name] = [f.id for s in subject.sessions for clip in s.clips for f in clip.files]
    return [identity for subject in project.subjects for identity in found[subject.name]]


WAYS = [
    by_conditions,
    by_condition_names,
    by_zip,
    by_comprehensions,
    by_lists_of_lists,
    interleaved,
    sorted_by_name,
]


@pytest.mark.parametrize("shape", [SMALL, LARGE])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_every_kind_of_loop_stays_within_the_limit(
    shared: Sandbox, projects: Any, file_ids: Any, shape: tuple[int, ...], way: Any
) -> None:
    with shared.connect() as ms:
        shared.requests.clear()
        found = way(ms.projects[projects[shape]])
        assert sorted(found) == sorted(file_ids[shape])
        if way not in (by_conditions, by_condition_names):
            assert found == file_ids[shape]
        assert request_count(shared) <= 1.5 * LIMITS[shape], operation_counts(shared)
        with ms.no_fetch():
            assert nested_loops(ms.projects[projects[shape]]) == file_ids[shape]


@pytest.mark.parametrize("shape", [SMALL, LARGE])
def test_eight_threads_in_the_same_loop(
    shared: Sandbox, projects: Any, file_ids: Any, shape: tuple[int, ...]
) -> None:
    with shared.connect() as ms:
        shared.requests.clear()
        project = ms.projects[projects[shape]]
        start = threading.Barrier(8)

        def run(_: int) -> list[str]:
            start.wait()
            return nested_loops(project)

        with ThreadPoolExecutor(8) as pool:
            for found in pool.map(run, range(8)):
                assert found == file_ids[shape]
        assert request_count(shared) <= 1.5 * LIMITS[shape], operation_counts(shared)


@pytest.mark.parametrize("shape", [SMALL, LARGE])
def test_eight_threads_with_subjects_of_their_own(
    shared: Sandbox, projects: Any, file_ids: Any, shape: tuple[int, ...]
) -> None:
    with shared.connect() as ms:
        shared.requests.clear()

        def below(subject: Any) -> list[str]:
            return [
                f.id for session in subject.sessions for clip in session.clips for f in clip.files if f.name
            ]

        with ThreadPoolExecutor(8) as pool:
            found = [one for part in pool.map(below, ms.projects[projects[shape]].subjects) for one in part]
        assert found == file_ids[shape]
        assert request_count(shared) <= 1.5 * LIMITS[shape], operation_counts(shared)


def test_metadata_in_a_loop(shared: Sandbox, projects: Any) -> None:
    with shared.connect() as ms:
        project = ms.projects[projects[LARGE]]
        len(project.subjects)
        shared.requests.clear()
        for subject in project.subjects:
            assert isinstance(subject.metadata, dict)
            assert isinstance(subject.interventions, list)
        assert request_count(shared) == 2


counts = st.integers(0, 3)
shapes = st.lists(st.lists(st.lists(counts, max_size=4), max_size=4), max_size=25)
wide = st.builds(even, st.integers(0, 130), st.integers(0, 2), st.integers(0, 2), st.integers(0, 1))


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(shape=st.one_of(shapes, wide))
def test_any_shape_sends_little_more_than_the_fewest_requests(shared: Sandbox, shape: Shape) -> None:
    with shared.connect() as ms:
        project = shared.generate(subjects=0, sessions=0, clips=0, files=0)
        grow(ms, project, shape)
    with shared.connect() as ms:
        shared.requests.clear()
        assert list(walk(ms.projects[project])) == wanted(shape)
        assert request_count(shared) <= 1.2 * least(shape) + 3, operation_counts(shared)
    with shared.connect() as ms:
        subjects = ms.projects[project].subjects
        len(subjects)
        shared.requests.clear()
        subjects.load("sessions.clips.files")
        assert request_count(shared) <= max(least(shape) - 2, 1) + 1
        with ms.no_fetch():
            assert list(walk(ms.projects[project])) == wanted(shape)


def test_the_loop_of_the_readme(demo: Sandbox) -> None:
    with demo.connect() as ms:
        project = ms.projects["lab/demo"]
        for subject in project.subjects:
            for session in subject.sessions:
                for clip in session.conditions["Barefoot"].clips:
                    assert "angles.json" in clip.files
        angles = project.subjects[0].sessions[-1].clips["Trial-1"].files["angles.json"].json()
        assert list(angles) == ["data"]


def test_batches_are_halved_where_responses_are_limited_and_the_size_is_remembered(sandbox: Sandbox) -> None:
    name = sandbox.generate(subjects=30, sessions=4, clips=5, files=3)
    sandbox.fail(max_objects=40)
    with sandbox.connect() as ms:
        sandbox.requests.clear()
        assert len(list(walk(ms.projects[name]))) == 30 * 4 * 5 * 3
        sizes = [len(request.variables) for request in sandbox.requests.of("ClipFiles")]
        successful = [
            len(request.variables) for request in sandbox.requests.of("ClipFiles") if request.status == 200
        ]
        assert max(sizes) == 100
        assert sum(successful) == 600
        refused = [r for r in sandbox.requests.snapshot() if r.status == 502]
        remembered = max(successful)
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


def test_one_deleted_clip_of_a_batch_fails_alone(sandbox: Sandbox) -> None:
    name = sandbox.generate(subjects=2, sessions=2, clips=6, files=2)
    with sandbox.connect() as ms, sandbox.connect() as other:
        clips = [clip for one in ms.projects[name].subjects for s in one.sessions for clip in s.clips]
        deleted = clips[5]
        other.execute("mutation D($id: String) { deleteClip(clipId: $id) { ok } }", {"id": deleted.id})
        sandbox.requests.clear()
        found = 0
        for clip in clips:
            if clip is deleted:
                continue
            found += len(clip.files)
        assert found == 2 * (len(clips) - 1)
        assert len(sandbox.requests.snapshot()) == 1
        with pytest.raises(NotFoundError, match=deleted.id):
            len(deleted.files)
        with pytest.raises(NotFoundError):
            deleted.load("files")
        ms.projects[name].subjects.load("sessions.clips.files")


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


def test_dropped_connections_are_retried(sandbox: Sandbox) -> None:
    name = sandbox.generate(subjects=12, sessions=2, clips=2, files=2)
    for operation in ("AccountProjects", "SubjectSessions", "ClipFiles"):
        sandbox.fail(operation, drop=True, times=1)
        sandbox.fail(operation, status=503, times=1)
        sandbox.fail(operation, truncate=True, times=1)
    with sandbox.connect() as ms:
        assert len(list(walk(ms.projects[name]))) == 12 * 2 * 2 * 2


def test_a_failed_prefetch_does_not_disturb_the_reader(sandbox: Sandbox) -> None:
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


def test_a_budget_stops_the_reader_and_not_the_prefetch(sandbox: Sandbox) -> None:
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


def test_collections_of_collected_owners_still_load(sandbox: Sandbox) -> None:
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


def test_inside_a_running_event_loop(sandbox: Sandbox) -> None:
    name = sandbox.generate(subjects=5, sessions=2, clips=2, files=2)

    async def notebook_cell() -> int:
        with sandbox.connect() as ms:
            return len(list(walk(ms.projects[name])))

    assert asyncio.run(notebook_cell()) == 40


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_in_a_forked_child(sandbox: Sandbox) -> None:
    name = sandbox.generate(subjects=5, sessions=2, clips=2, files=2)
    with sandbox.connect() as ms:
        project = ms.projects[name]
        len(project.subjects)
        sandbox.latency(0.3)
        waiting = threading.Thread(target=lambda: len(project.subjects[0].sessions))
        waiting.start()
        child = os.fork()
        if child == 0:
            # the parent's request is in flight, and its response never arrives in this process
            try:
                os._exit(0 if len(list(walk(project))) == 40 else 1)
            except BaseException:
                os._exit(2)
        waiting.join()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert len(list(walk(project))) == 40
