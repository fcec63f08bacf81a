"""What loops cost, in requests counted by the service, and what the loader does about failures."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.growing import Shape, even, grow, least, walk, wanted
from support.trees import Branch, StoreSource, Tree, engine_of, forest, respond
from support.walks import (
    LARGE,
    LIMITS,
    NESTED,
    SMALL,
    nested_loops,
    operation_counts,
    request_count,
    wait_for_prefetch,
)

import moveshelf
from moveshelf.errors import BudgetError, NotFoundError, RequestError
from moveshelf.lazy.batch import Batch
from moveshelf.lazy.engine import Engine
from moveshelf.lazy.loader import ATTEMPTS, BATCH_SIZE
from moveshelf.lazy.peers import Peers
from moveshelf.lazy.window import OPENING
from moveshelf.operations.service import Service
from moveshelf.wire import TooLargeError

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox


@pytest.mark.parametrize("shape", [SMALL, LARGE])
def test_nested_loops_send_few_requests(
    shared: Sandbox, projects: Any, file_ids: Any, shape: tuple[int, ...]
) -> None:
    with shared.connect() as ms:
        shared.requests.clear()
        assert nested_loops(ms.projects[projects[shape]]) == file_ids[shape]
        assert request_count(shared) <= NESTED[shape], operation_counts(shared)
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
        assert request_count(shared) <= NESTED[shape], operation_counts(shared)


def test_threads_that_wait_for_the_first_batch_have_not_read_on(sandbox: Sandbox) -> None:
    with sandbox.connect() as ms:
        project = ms.projects[sandbox.generate(subjects=200, sessions=2, clips=0, files=0)]
        len(project.subjects)
        sandbox.requests.clear()
        sandbox.latency(0.2)
        start = threading.Barrier(4)

        def run(_: int) -> int:
            start.wait()
            return next(len(subject.sessions) for subject in project.subjects)

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(run, range(4))) == [2] * 4
        wait_for_prefetch(ms)
        assert [len(request.variables) for request in sandbox.requests.snapshot()] == [OPENING]


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
        assert [len(request.variables) for request in shared.requests.snapshot()] == [20, 100, 80]


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
        assert max(sizes) == 20
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


def test_a_response_may_come_before_its_sender_goes_on(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loop is known for one however fast the responses to its first requests are."""
    submit = Service._submit

    def submitted(*given: Any, **named: Any) -> Any:
        pending = submit(*given, **named)
        pending.result()
        return pending

    name = sandbox.generate(subjects=2, sessions=2, clips=6, files=1)
    with sandbox.connect() as ms:
        monkeypatch.setattr(Service, "_submit", submitted)
        clips = [clip for one in ms.projects[name].subjects for s in one.sessions for clip in s.clips]
        sandbox.requests.clear()
        assert sum(len(clip.files) for clip in clips) == 24
        assert len(sandbox.requests.snapshot()) == 1


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
        assert seen == 120
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


# the loader alone ------------------------------------------------------------------------------------------------------
@pytest.fixture
def source() -> Iterator[StoreSource]:
    """A source of 250 trees with two branches each."""
    with StoreSource(forest(250, 2)) as made:
        yield made


@pytest.fixture
def engine(source: StoreSource) -> Engine:
    return engine_of(source)


def trees_of(engine: Engine, count: int, full: bool = True) -> list[Tree]:
    """Trees as a loop reads them, or (not `full`) as they are picked by index."""
    peers = Peers([f"t{n}" for n in range(count)], full=full)
    trees = [engine.cache.get(Tree, identity) for identity in peers.ids]
    for one in trees:
        one._peers = peers
    return trees


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    """Released once for every reader that waits for a batch."""
    waiters = threading.Semaphore(0)
    wait = Batch.wait

    def counted(self: Batch) -> None:
        waiters.release()
        wait(self)

    monkeypatch.setattr(Batch, "wait", counted)
    return waiters


def test_an_object_without_peers_is_fetched_alone(source: StoreSource, engine: Engine) -> None:
    assert engine.cache.get(Tree, "t7").height == 70
    assert source.requests == [(["t7"], ["height"])]


def test_a_loop_is_fetched_in_batches(source: StoreSource, engine: Engine) -> None:
    trees = trees_of(engine, 250)
    assert [one.height for one in trees] == [10 * n for n in range(250)]
    assert source.sizes == [OPENING, BATCH_SIZE, BATCH_SIZE, 30]
    assert [one for ids, _ in source.requests for one in ids] == [one.id for one in trees]
    assert not engine.loader.in_flight


def test_fields_of_one_group_come_together(source: StoreSource, engine: Engine) -> None:
    trees = trees_of(engine, 3)
    assert [one.name for one in trees] == ["T0", "T1", "T2"]
    assert source.requests == [(["t0", "t1", "t2"], ["label"])]


def test_lists_of_many_owners_come_in_one_request(source: StoreSource, engine: Engine) -> None:
    trees = trees_of(engine, 40)
    assert [one.id for tree in trees for one in tree.branches] == [
        f"t{t}b{b}" for t in range(40) for b in range(2)
    ]
    assert source.sizes == [20, 20]


def test_a_reader_from_the_end_is_served_in_batches_too(source: StoreSource, engine: Engine) -> None:
    trees = trees_of(engine, 250)
    assert [one.height for one in reversed(trees)] == [10 * n for n in reversed(range(250))]
    source.settle()
    assert sum(source.sizes) == 250
    assert len(source.sizes) <= 5


def test_nothing_is_fetched_twice(source: StoreSource, engine: Engine) -> None:
    trees = trees_of(engine, 10)
    trees[4].load("height")
    assert [one.height for one in trees] == [10 * n for n in range(10)]
    assert sorted(one for ids, _ in source.requests for one in ids) == sorted(one.id for one in trees)


def test_picked_members_are_fetched_with_few_others(source: StoreSource, engine: Engine) -> None:
    trees = trees_of(engine, 250, full=False)
    assert [trees[n].height for n in (9, 200, 30)] == [90, 2000, 300]
    assert source.sizes == [1, 4, 16], "each reads a few more ahead"
    assert [one.height for one in trees[30:]] == [10 * n for n in range(30, 250)]
    assert sum(source.sizes) < 250
    assert len(source.sizes) <= 7


def test_two_readers_of_one_field_share_the_request(
    source: StoreSource, engine: Engine, waiting: threading.Semaphore
) -> None:
    tree = engine.cache.get(Tree, "t3")
    source.gate.clear()
    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(lambda: tree.height) for _ in range(2)]
        for _ in readers:
            waiting.acquire()
        source.gate.set()
        assert [reader.result() for reader in readers] == [30, 30]
    assert source.sizes == [1]


def test_a_reader_of_a_batch_in_flight_waits_for_it(
    source: StoreSource, engine: Engine, waiting: threading.Semaphore
) -> None:
    trees = trees_of(engine, 5)
    source.gate.clear()
    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(lambda one=one: one.height) for one in (trees[0], trees[4])]
        for _ in readers:
            waiting.acquire()
        source.gate.set()
        assert [reader.result() for reader in readers] in ([0, 40], [0, 40])
    assert source.sizes in ([5], [1, 4]), "the second reader may have come first"


def test_a_failure_leaves_the_field_unloaded(source: StoreSource, engine: Engine) -> None:
    trees = trees_of(engine, 3)
    source.failures.append(RequestError("the database is down"))
    with pytest.raises(RequestError, match="the database is down"):
        trees[0].height
    assert not any(one.is_loaded("height") for one in trees)
    assert not engine.loader.in_flight
    assert [one.height for one in trees] == [0, 10, 20], "a later reader sends it again"


def test_each_waiter_raises_an_exception_of_its_own(
    source: StoreSource, engine: Engine, waiting: threading.Semaphore
) -> None:
    tree = engine.cache.get(Tree, "t3")
    failure = RequestError("the database is down")
    source.failures.append(failure)
    source.gate.clear()
    with ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(lambda: tree.height) for _ in range(4)]
        for _ in readers:
            waiting.acquire()
        source.gate.set()
        errors = [reader.exception() for reader in readers]
    assert [str(one) for one in errors] == ["the database is down"] * 4
    assert len({id(one) for one in (*errors, failure)}) == 5
    assert source.sizes == [1]


def test_a_loop_that_ends_at_once_fetches_few(source: StoreSource, engine: Engine) -> None:
    trees = trees_of(engine, 250)
    assert trees[0].height == 0
    source.settle()
    assert source.sizes == [OPENING]


def test_what_failed_together_is_sent_together_again(source: StoreSource, engine: Engine) -> None:
    trees = trees_of(engine, 20)
    source.failures.append(RequestError("the database is down"))
    with pytest.raises(RequestError, match="the database is down"):
        trees[0].height
    assert [one.height for one in trees] == [10 * n for n in range(20)]
    assert source.sizes == [20, 20]


def test_scattered_members_cost_few_requests(source: StoreSource, engine: Engine) -> None:
    trees = trees_of(engine, 250, full=False)
    order = [(n * 97) % 250 for n in range(0, 250, 5)]
    assert [trees[n].height for n in order] == [10 * n for n in order]
    assert len(source.sizes) <= 12
    assert source.sizes[0] == 1


def test_one_bad_object_fails_alone(source: StoreSource, engine: Engine) -> None:
    trees = trees_of(engine, 5)
    source.errors["t2"] = NotFoundError("there is no t2")
    assert [one.height for one in trees if one.id != "t2"] == [0, 10, 30, 40]
    with pytest.raises(NotFoundError, match="no t2"):
        trees[2].height
    assert not trees[2].is_loaded("height")
    assert source.sizes == [5, 1]
    del source.errors["t2"]
    assert trees[2].height == 20


def test_what_failed_is_not_prefetched_again(source: StoreSource, engine: Engine) -> None:
    trees = trees_of(engine, 250)
    source.errors["t150"] = NotFoundError("there is no t150")
    for one in trees:
        if one.id != "t150":
            assert one.height is not None
    source.settle()
    assert [ids for ids, _ in source.requests if "t150" in ids] == [[f"t{n}" for n in range(120, 220)]]


def test_a_batch_that_is_too_large_is_halved_and_the_size_remembered(
    source: StoreSource, engine: Engine
) -> None:
    source.limit = 30
    trees = trees_of(engine, 250)
    assert [one.height for one in trees] == [10 * n for n in range(250)]
    remembered = engine.loader.sizes[Tree, "height"]
    assert remembered <= 30
    for one in trees:
        engine.cache.unload(one, Tree.fields["height"])
    source.requests.clear()
    again = trees_of(engine, 250)
    assert [one.height for one in again] == [10 * n for n in range(250)]
    assert max(source.sizes) == remembered, "no request of the refused size is sent again"
    assert sum(source.sizes) == 250
    assert (Tree, "basic") not in engine.loader.sizes, "another group has a size of its own"


class Immediate(StoreSource):
    """Responds before the sender goes on, as a script's own method does."""

    def fetch(self, selection: Any, ids: Any, *, halve: bool, done: Any) -> None:
        self.requests.append((list(ids), [item.wire for item in selection.items]))
        done(lambda: {one: respond(self.store, selection, one) for one in ids})


def test_responses_that_come_at_once_leave_the_window_open() -> None:
    with Immediate(forest(1500, 1, 1)) as source:
        engine = engine_of(source)
        trees = trees_of(engine, 1500)
        assert sum(1 for tree in trees for branch in tree.branches for _ in branch.leaves) == 1500
        peers = trees[0]._peers
        assert peers is not None
        assert (peers.window.ahead, peers.ahead.unread) == (0, 0)


def test_what_is_halved_is_counted_once(source: StoreSource, engine: Engine) -> None:
    source.limit = 30
    trees = trees_of(engine, 250)
    assert sum(1 for tree in trees for _ in tree.branches) == 500
    peers = trees[0]._peers
    assert peers is not None
    assert (peers.window.ahead, peers.ahead.unread) == (0, 0)


def test_one_object_that_is_too_large_fails(source: StoreSource, engine: Engine) -> None:
    source.limit = 0
    trees = trees_of(engine, 4)
    with pytest.raises(TooLargeError):
        trees[0].height
    source.settle()
    assert not engine.loader.in_flight
    source.limit = None
    assert [one.height for one in trees] == [0, 10, 20, 30]


def test_the_budget_is_for_the_reader(source: StoreSource, engine: Engine) -> None:
    """What is left of a budget is not spent on prefetching more than it allows; where it ends, the reader is told."""
    source.budget = 1
    trees = trees_of(engine, 250)
    seen = []
    with pytest.raises(BudgetError):
        for one in trees:
            seen.append(one.height)
    assert len(seen) == OPENING
    assert source.sizes == [OPENING]
    assert not engine.loader.in_flight
    source.budget = None
    assert [one.height for one in trees] == [10 * n for n in range(250)]


def test_a_budget_that_ends_while_a_batch_is_halved(source: StoreSource, engine: Engine) -> None:
    source.budget, source.limit = 2, 12
    trees = trees_of(engine, 20)
    with pytest.raises(BudgetError):
        [one.height for one in trees]
    assert trees[0].height == 0, "the half that was sent is there"
    source.settle()
    assert not engine.loader.in_flight
    assert [one.is_loaded("height") for one in trees] == [True] * 10 + [False] * 10
    source.budget = None
    assert [one.height for one in trees] == [10 * n for n in range(20)]
    assert source.sizes[:2] == [20, 10]


def test_a_write_overtakes_a_response(source: StoreSource, engine: Engine) -> None:
    """A response that began before a write is thrown away, and the field is fetched again."""
    tree = engine.cache.get(Tree, "t3")
    written = iter([True])

    def write() -> None:
        if next(written, False):
            source.gate.clear()
            threading.Thread(target=then_write).start()

    def then_write() -> None:
        engine.cache.invalidate(tree.id)  # waits until the request is noted as in flight
        source.store[tree.id]["height"] = 99
        source.gate.set()

    source.on_fetch = write
    assert tree.height == 990
    assert source.sizes == [1, 1]


def test_an_object_that_changes_all_the_time_is_given_up(source: StoreSource, engine: Engine) -> None:
    tree = engine.cache.get(Tree, "t3")
    source.on_fetch = lambda: engine.cache.invalidate(tree.id)
    with pytest.raises(RequestError, match="keeps changing"):
        tree.height
    assert len(source.requests) == ATTEMPTS


def test_an_interrupt_while_sending_leaves_nothing_in_flight(source: StoreSource, engine: Engine) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    trees = trees_of(engine, 3)
    source.on_fetch = interrupt
    with pytest.raises(KeyboardInterrupt):
        trees[0].height
    assert not engine.loader.in_flight
    source.on_fetch = lambda: None
    assert [one.height for one in trees] == [0, 10, 20]


def test_members_below_unloaded_parents_are_fetched_first(source: StoreSource, engine: Engine) -> None:
    """The first branch misses its length while 249 trees miss their branches: those are listed to fill the batch."""
    trees = trees_of(engine, 250)
    lengths = [branch.length for tree in trees for branch in tree.branches]
    assert lengths == [0, 1] * 250
    listings = [len(ids) for ids, names in source.requests if names == ["branchList"]]
    others = [len(ids) for ids, names in source.requests if names == ["length"]]
    assert (sum(listings), sum(others)) == (250, 500)
    assert len(listings) == 4
    assert len(others) <= 7


@settings(max_examples=30, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 29), st.sampled_from(["name", "height", "branches"])), max_size=40
    ),
    limit=st.integers(1, 30),
    full=st.booleans(),
)
def test_any_order_of_reading_finds_every_value(steps: list[tuple[int, str]], limit: int, full: bool) -> None:
    with StoreSource(forest(30, 1)) as source:
        source.limit = limit
        engine = engine_of(source)
        trees = trees_of(engine, 30, full)
        for number, name in steps:
            value = getattr(trees[number], name)
            wanted = {"name": f"T{number}", "height": number * 10}
            if name == "branches":
                assert [one.id for one in value] == [f"t{number}b0"]
            else:
                assert value == wanted[name]
        source.settle()
        assert not engine.loader.in_flight
        served = [(one, names[0]) for ids, names in source.requests if len(ids) <= limit for one in ids]
        assert len(served) == len(set(served)), "nothing is fetched twice"


def test_objects_of_several_classes_have_batches_of_their_own(source: StoreSource, engine: Engine) -> None:
    tree, branch = engine.cache.get(Tree, "t0"), engine.cache.get(Branch, "t0b0")
    peers = Peers([tree.id, branch.id])
    tree._peers = branch._peers = peers
    assert (tree.name, branch.name) == ("T0", "B0")
    assert [ids for ids, _ in source.requests] == [["t0"], ["t0b0"]]
