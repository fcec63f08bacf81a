"""`collection.stream(...)`: loops over more than memory holds."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
import weakref
from collections.abc import Iterable, Iterator
from contextlib import aclosing, contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from support.loops import run_in
from support.walks import operation_counts, request_count, wait_for_prefetch

import moveshelf
from moveshelf.lazy import stream as streams
from moveshelf.lazy.state import NOT_LOADED
from moveshelf.models.clip import Clip
from moveshelf.models.session import Session

if TYPE_CHECKING:
    from moveshelf import Collection, Moveshelf, Subject
    from moveshelf.sandbox import Sandbox

PATH = "sessions.clips.files"
#: subjects, sessions, clips, files
SHAPE = (60, 3, 5, 2)
_numbers = count(1)


@pytest.fixture(scope="module")
def name(shared: Sandbox) -> str:
    return _generate(shared, *SHAPE)


@pytest.fixture(scope="module")
def files(shared: Sandbox, name: str) -> list[str]:
    """The ids of all files, in order, by one hand-written query."""
    with shared.connect() as ms:
        data = ms.execute(
            "query Truth($id: ID!) { node(id: $id) { ... on Project { patientsList { sessions { clips { "
            "additionalData { id } } } } } } }",
            {"id": ms.projects[name].id},
        )
    return [
        file["id"]
        for subject in data["node"]["patientsList"]
        for session in subject["sessions"]
        for clip in session["clips"]
        for file in clip["additionalData"]
    ]


@pytest.fixture
def subjects(shared: Sandbox, ms: Moveshelf, name: str) -> Collection[Subject]:
    """The subjects, listed; the requests before are forgotten."""
    found = ms.projects[name].subjects
    len(found)
    shared.requests.clear()
    return found


@pytest.fixture
def _without_collector() -> Iterator[None]:
    """What is freed within the test is freed by reference counts."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def _generate(sandbox: Sandbox, subjects: int, sessions: int, clips: int, files: int) -> str:
    name = f"lab/streamed-{next(_numbers)}"
    return sandbox.generate(subjects=subjects, sessions=sessions, clips=clips, files=files, name=name)


def _below(subject: Subject) -> list[str]:
    return [file.id for session in subject.sessions for clip in session.clips for file in clip.files]


def _walk(subjects: Iterable[Subject]) -> list[str]:
    return [identity for subject in subjects for identity in _below(subject)]


def _living(ms: Moveshelf, *kinds: type[Any]) -> int:
    return sum(1 for one in ms._engine.cache.objects if isinstance(one, kinds))


def _listed(subjects: Iterable[Subject]) -> list[int]:
    """The positions of those whose sessions are there."""
    return [at for at, one in enumerate(subjects) if one.is_loaded("sessions")]


@contextmanager
def _parts_of(size: int, ahead: int = 8) -> Iterator[None]:
    """The parts of a stream have so many members, and there are so many of them ahead."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams, "PROBE", size)
        patch.setattr(streams, "fitting", lambda *_: size)
        patch.setattr(streams, "MOST_AHEAD", ahead)
        yield


# what comes, and what it costs --------------------------------------------------------------------------------------
def test_as_many_requests_as_load_and_the_same_objects(
    shared: Sandbox, subjects: Collection[Subject], name: str, files: list[str]
) -> None:
    with shared.connect() as other:
        loaded = other.projects[name].subjects
        len(loaded)
        shared.requests.clear()
        loaded.load(PATH)
        by_load = request_count(shared)
    shared.requests.clear()
    found = []
    for subject in subjects.stream(PATH):
        sent = request_count(shared)
        found += _below(subject)
        assert request_count(shared) == sent or subject is subjects[0], "all that the path names was there"
    assert found == files
    assert request_count(shared) <= by_load + 1


def test_without_paths_the_body_loads_what_it_touches(
    shared: Sandbox, ms: Moveshelf, subjects: Collection[Subject], name: str, files: list[str]
) -> None:
    with shared.connect() as other:
        plain = other.projects[name].subjects
        len(plain)
        shared.requests.clear()
        assert _walk(plain) == files
        wait_for_prefetch(other)
        by_loop = request_count(shared)
    shared.requests.clear()
    stream = subjects.stream()
    assert next(stream) is subjects[0]
    assert not request_count(shared)
    stream.close()
    assert _walk(subjects.stream()) == files
    wait_for_prefetch(ms)
    assert request_count(shared) <= by_loop + 1
    assert _living(ms, Session, Clip) == 0


def test_values_of_the_members(subjects: Collection[Subject], shared: Sandbox) -> None:
    records = [subject.metadata for subject in subjects.stream("metadata")]
    assert len(records) == SHAPE[0]
    assert request_count(shared) == 1
    assert [subject.metadata for subject in subjects] == records
    assert request_count(shared) == 1, "values of the members themselves stay"


def test_other_collections(ms: Moveshelf, name: str, shared: Sandbox) -> None:
    session = ms.projects[name].subjects[0].sessions[0]
    expected = [clip.id for clip in session.clips]
    condition = session.conditions[0]
    inside = [clip.id for clip in condition.clips]
    shared.requests.clear()
    found = [(clip.id, len(clip.files)) for clip in condition.clips.stream("files")]
    assert found == [(identity, SHAPE[3]) for identity in inside]
    assert [(clip.id, len(clip.files)) for clip in session.clips.stream("files")] == [
        (identity, SHAPE[3]) for identity in expected
    ]
    assert not any(clip.is_loaded("files") for clip in session.clips)
    assert request_count(shared) == 2
    view = ms.projects[name].subjects[3:7]
    assert [one.name for one in view.stream("sessions")] == view.names()
    assert list(ms.projects[name].subjects[:0].stream(PATH)) == []


def test_a_stream_below_a_loop_goes_on_with_its_peers(
    shared: Sandbox, ms: Moveshelf, subjects: Collection[Subject], files: list[str]
) -> None:
    found = []
    for subject in subjects:
        for session in subject.sessions.stream():
            for clip in session.clips:
                found += clip.files.ids()
    assert found == files
    del session, clip
    wait_for_prefetch(ms)
    assert request_count(shared) <= 20, "fetched across subjects, not one by one"
    assert _living(ms, Clip) == 0
    assert _living(ms, Session) == SHAPE[0] * SHAPE[1], "the loop above holds its own"


# what is freed ------------------------------------------------------------------------------------------------------
@pytest.mark.usefixtures("_without_collector")
@pytest.mark.parametrize("paths", [(PATH,), ()])
def test_what_was_passed_is_freed_at_once(
    ms: Moveshelf, subjects: Collection[Subject], paths: tuple[str, ...]
) -> None:
    passed: list[weakref.ref[Any]] = []
    for subject in subjects.stream(*paths):
        assert all(one() is None for one in passed)
        first = subject.sessions[0]
        mine: list[Any] = [subject.sessions, first, first.clips, first.clips[0], first.clips[0].files]
        clip = subject.sessions[-1].clips[-1]  # a variable of the loop holds the last object, as loops do
        passed = [weakref.ref(one) for one in [*mine, subject.sessions[-1]]]
        del mine, first
    assert all(one() is None for one in passed)
    assert not _listed(subjects)
    assert _living(ms, Session, Clip) == 1
    del clip
    assert _living(ms, Session, Clip) == 0


def test_memory_does_not_grow_with_the_project(
    shared: Sandbox, subjects: Collection[Subject], files: list[str]
) -> None:
    assert _walk(subjects.stream(PATH)) == files  # what is imported and cached once
    peaks, most_alive = [], []
    with _parts_of(4):
        for subject_count in (40, 400):
            with shared.connect() as ms:
                subjects = ms.projects[_generate(shared, subject_count, 2, 5, 4)].subjects
                len(subjects)
                gc.collect()
                alive = 0
                tracemalloc.start()
                for at, subject in enumerate(subjects.stream(PATH)):
                    if at % 4 == 0:
                        wait_for_prefetch(ms)
                        alive = max(alive, _living(ms, Session, Clip))
                    shared.requests.clear()
                    _below(subject)
                peaks.append(tracemalloc.get_traced_memory()[1])
                most_alive.append(alive)
                tracemalloc.stop()
    assert most_alive[1] == most_alive[0] == 8 * 4 * 12
    assert peaks[1] < 1.2 * peaks[0], peaks


def test_no_more_than_eight_parts_are_ahead(ms: Moveshelf, subjects: Collection[Subject]) -> None:
    with _parts_of(2):
        for subject in subjects.stream(PATH):
            wait_for_prefetch(ms)
            at = subjects.index(subject)
            assert set(_listed(subjects)) <= set(range(at, at - at % 2 + 16))
            assert at in _listed(subjects)


def test_what_was_skipped_while_it_was_fetched_is_let_go_of(
    ms: Moveshelf, subjects: Collection[Subject]
) -> None:
    for at, subject in enumerate(subjects.stream()):
        if at % 20 == 0:
            len(subject.sessions)  # prefetches those of the next ones, which are passed unread
    wait_for_prefetch(ms)
    assert not _listed(subjects)


# what is held stays -------------------------------------------------------------------------------------------------
def test_what_somebody_holds_stays_as_it_is(
    ms: Moveshelf, subjects: Collection[Subject], files: list[str]
) -> None:
    sessions, clips = [], []
    for subject in subjects.stream(PATH):
        sessions.append(subject.sessions)
        clips.append(subject.sessions[0].clips[0])
    with ms.no_fetch():
        assert [
            file.id for held in sessions for one in held for clip in one.clips for file in clip.files
        ] == files
        assert all(len(clip.files) == SHAPE[3] for clip in clips)
        assert all(one.sessions is held for one, held in zip(subjects, sessions, strict=True))
    held = sessions[0]
    del sessions
    assert len(held) == SHAPE[1]


def test_a_held_object_keeps_what_is_below_it(ms: Moveshelf, subjects: Collection[Subject]) -> None:
    held = [subject.sessions[0] for subject in subjects.stream(PATH)]
    assert not _listed(subjects)
    with ms.no_fetch():
        assert sum(len(clip.files) for one in held for clip in one.clips) == SHAPE[0] * SHAPE[2] * SHAPE[3]
    assert subjects[0].sessions[0] is held[0], "fetched again, the same object"


def test_what_was_loaded_before_stays(ms: Moveshelf, subjects: Collection[Subject], files: list[str]) -> None:
    subjects[:5].load("sessions")
    subjects[:2].load(PATH)
    assert _walk(subjects.stream(PATH)) == files
    assert _listed(subjects) == [0, 1, 2, 3, 4]
    with ms.no_fetch():
        assert _walk(subjects[:2]) == files[: 2 * SHAPE[1] * SHAPE[2] * SHAPE[3]]
    assert not any(one.is_loaded("clips") for subject in subjects[2:5] for one in subject.sessions)


def test_what_was_let_go_of_comes_again(
    shared: Sandbox, subjects: Collection[Subject], files: list[str]
) -> None:
    assert _walk(subjects.stream(PATH)) == files
    assert subjects[7]._sessions is NOT_LOADED
    shared.requests.clear()
    assert len(subjects[7].sessions) == SHAPE[1]
    assert request_count(shared) == 1
    assert _listed(subjects) == [7], "of this one only"
    assert _walk(subjects.stream(PATH)) == files
    assert _walk(subjects) == files


def test_a_write_reaches_a_collection_that_is_held(ms: Moveshelf, shared: Sandbox) -> None:
    subjects = ms.projects[_generate(shared, 12, 1, 1, 1)].subjects
    held = [subject.sessions for subject in subjects.stream("sessions.clips")]
    new = subjects[2].create_session("2031-05-06")
    assert new in held[2]


# loops that end early, several at once --------------------------------------------------------------------------------
@pytest.mark.parametrize("paths", [(PATH,), ()])
def test_a_loop_that_ends_early_drops_what_was_fetched_ahead(
    ms: Moveshelf, subjects: Collection[Subject], files: list[str], paths: tuple[str, ...]
) -> None:
    with _parts_of(2):
        for at, subject in enumerate(subjects.stream(*paths)):
            _below(subject)
            if at == 21:
                break
    wait_for_prefetch(ms)
    assert _listed(subjects) == [21], "where the loop stands, nothing has changed"
    assert not ms._engine.loader.streams
    with ms.no_fetch():
        _below(subject)
    assert _walk(subjects.stream(*paths)) == files


def test_requests_that_nobody_reads_are_stopped(sandbox: Sandbox) -> None:
    name = sandbox.generate(subjects=40, sessions=1, clips=1, files=1)
    with sandbox.connect() as ms, _parts_of(2):
        subjects = ms.projects[name].subjects
        len(subjects)
        stream = subjects.stream("sessions.clips")
        next(stream)
        sandbox.fail(operation="SubjectSessions", delay=2, times=20)
        last = 0
        while not ms._engine.loader.in_flight:  # until the window moves: a request that takes long
            next(stream)
            last += 1
            assert last < 20, "what comes next is fetched ahead"
        stream.close()
        assert not ms._engine.loader.in_flight
        assert _listed(subjects) == [last]


def test_streams_side_by_side(
    ms: Moveshelf, subjects: Collection[Subject], shared: Sandbox, files: list[str]
) -> None:
    with _parts_of(4):
        pairs = [
            (_below(one), _below(two))
            for one, two in zip(subjects.stream(PATH), subjects.stream(PATH), strict=True)
        ]
    assert [identity for one, _ in pairs for identity in one] == files
    assert [identity for _, two in pairs for identity in two] == files
    assert request_count(shared) <= 2 * -(-SHAPE[0] // 4)
    assert not _listed(subjects)
    assert not ms._engine.loader.streams


def test_streams_far_apart(ms: Moveshelf, subjects: Collection[Subject], files: list[str]) -> None:
    with _parts_of(4, ahead=2):
        behind = subjects.stream(PATH)
        found = [_below(next(behind))]
        assert _walk(subjects.stream(PATH)) == files
        assert _listed(subjects) == list(range(8)), "what the other one has fetched ahead is its own"
        found += [_below(one) for one in behind]
    assert [identity for one in found for identity in one] == files
    assert not _listed(subjects)


def test_plain_streams_at_once(subjects: Collection[Subject], files: list[str]) -> None:
    pairs = [
        (_below(one), _below(two)) for one, two in zip(subjects.stream(), subjects.stream(), strict=True)
    ]
    assert [identity for one, _ in pairs for identity in one] == files
    assert [identity for _, two in pairs for identity in two] == files
    assert not _listed(subjects)


# errors -------------------------------------------------------------------------------------------------------------
def test_bad_paths_are_refused_before_the_loop(ms: Moveshelf, shared: Sandbox, name: str) -> None:
    subjects = ms.projects[name].subjects
    shared.requests.clear()
    with pytest.raises(moveshelf.ValidationError, match="Session has no attribute 'trails' to load"):
        subjects.stream("sessions.trails")
    with pytest.raises(moveshelf.ValidationError, match="takes the names one by one"):
        subjects.stream(["sessions", "metadata"])  # type: ignore[arg-type]
    with pytest.raises(moveshelf.ValidationError, match="no attribute 'nonsense'"):
        subjects.astream("nonsense")
    assert not request_count(shared)


def test_one_object_that_does_not_exist_fails_alone(shared: Sandbox, ms: Moveshelf) -> None:
    name = _generate(shared, 12, 2, 1, 1)
    subjects = ms.projects[name].subjects
    len(subjects)
    with shared.connect() as other:
        other.subject(subjects[5].id).delete()
    seen, failed = 0, []
    for at, subject in enumerate(subjects.stream(PATH)):
        try:
            seen += len(_below(subject))
        except moveshelf.NotFoundError:
            failed.append(at)
    assert failed == [5]
    assert seen == 11 * 2


def test_a_request_that_fails_ends_the_loop_where_it_is_needed(sandbox: Sandbox) -> None:
    name = sandbox.generate(subjects=20, sessions=2, clips=1, files=1)
    with sandbox.connect() as ms, _parts_of(4):
        subjects = ms.projects[name].subjects
        len(subjects)
        sandbox.fail(operation="query", error="the database is on fire", after=1, times=1)
        seen = []
        with pytest.raises(moveshelf.RequestError, match="on fire"):
            seen += [len(_below(subject)) for subject in subjects.stream("sessions.clips")]
        wait_for_prefetch(ms)
        assert not ms._engine.loader.streams
        assert not _listed(subjects)
        assert len(_walk(subjects.stream(PATH))) == 40


def test_responses_that_are_too_large_are_halved(sandbox: Sandbox) -> None:
    name = sandbox.generate(subjects=30, sessions=4, clips=5, files=3)
    sandbox.fail(max_objects=40)
    with sandbox.connect() as ms:
        subjects = ms.projects[name].subjects
        assert len(_walk(subjects.stream(PATH))) == 30 * 4 * 5 * 3
        assert not _listed(subjects)


def test_inside_a_budget(ms: Moveshelf, shared: Sandbox, subjects: Collection[Subject]) -> None:
    with _parts_of(4):
        seen = 0
        with ms.budget(requests=3), pytest.raises(moveshelf.BudgetError):
            for subject in subjects.stream(PATH):
                seen += 1
                _below(subject)
        assert seen == 12, "three requests, four subjects each"
        with ms.budget(requests=15):
            assert sum(1 for _ in subjects.stream(PATH)) == SHAPE[0]
    with ms.no_fetch(), pytest.raises(moveshelf.BudgetError):
        next(subjects.stream(PATH))


def test_copies(subjects: Collection[Subject], files: list[str]) -> None:
    import copy

    copied = copy.deepcopy(subjects.load(PATH))
    assert _walk(copied.stream(PATH)) == files
    assert _walk(copied.stream()) == files, "nothing was let go of that could not be fetched"


# coroutines ---------------------------------------------------------------------------------------------------------
def test_the_async_twin(
    ms: Moveshelf, shared: Sandbox, subjects: Collection[Subject], files: list[str]
) -> None:
    async def main() -> list[str]:
        found = []
        async for subject in subjects.astream(PATH):
            found += _below(subject)
        return found

    assert run_in("asyncio", main()) == files
    assert sum(operation_counts(shared).values()) <= 9
    assert _living(ms, Session, Clip) == 0

    async def first() -> str:
        async with aclosing(subjects.astream("sessions")) as stream:
            async for subject in stream:
                await asyncio.sleep(0)
                return subject.id
        raise AssertionError

    assert run_in("asyncio", first()) == subjects[0].id
    assert not ms._engine.loader.streams
    assert _listed(subjects) == [0]
