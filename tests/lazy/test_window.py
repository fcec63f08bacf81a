"""How far ahead of its reader a level is fetched: the window alone, and as the service sees it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.trees import StoreSource, Tree, engine_of, forest
from support.walks import LARGE, SMALL, operation_counts, request_count, wait_for_prefetch

from moveshelf.lazy.peers import Peers
from moveshelf.lazy.window import (
    FIRST_AHEAD,
    FIRST_OBJECTS,
    GROWTH,
    KNOWN_OBJECTS,
    MOST_AHEAD,
    MOST_OBJECTS,
    SCATTERED_BATCHES,
    SCATTERED_GROWTH,
    TARGET,
    Ahead,
    Window,
)

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox


def test_an_index_fetches_one_object_a_level(shared: Sandbox, projects: Any) -> None:
    for shape in (SMALL, LARGE):
        with shared.connect() as ms:
            project = ms.projects[projects[shape]]
            assert len(project.subjects)
            shared.requests.clear()
            assert len(project.subjects[0].sessions[0].clips[0].files) == shape[3]
            wait_for_prefetch(ms)
            sent = shared.requests.snapshot()
            assert [request.operation for request in sent] == ["SubjectSessions", "SessionClips", "ClipFiles"]
            for request in sent:
                assert len(request.variables) == 1
            loaded = [one for one in project.subjects._members() if one.is_loaded("sessions")]
            assert loaded == [project.subjects[0]]


def test_names_fetch_one_object_a_level(demo: Sandbox) -> None:
    with demo.connect() as ms:
        subject = ms.projects["lab/demo"].subjects[0].name
        before = ms.stats.requests
        session = ms.projects["lab/demo"].subjects[subject].sessions[-1]
        clip = session.conditions["Barefoot"].clips["Trial-1"]
        assert clip.files["event.json"].name == "event.json"
        assert ms.stats.requests - before == 3


def test_the_window_of_an_index_grows_with_its_neighbours(shared: Sandbox, projects: Any) -> None:
    with shared.connect() as ms:
        project = ms.projects[projects[LARGE]]
        len(project.subjects)
        shared.requests.clear()
        for number in range(200):
            assert len(project.subjects[number].sessions) == 3
        assert [len(request.variables) for request in shared.requests.snapshot()] == [1, 8, 64, 100, 27]


def test_an_index_inside_a_loop_is_fetched_for_all_parents(shared: Sandbox, projects: Any) -> None:
    with shared.connect() as ms:
        project = ms.projects[projects[LARGE]]
        len(project.subjects)
        shared.requests.clear()
        for subject in project.subjects:
            assert len(subject.sessions[-1].clips) == 8
        sent = shared.requests.of("SessionClips")
        assert sum(len(request.variables) for request in sent) == 200
        assert len(sent) <= 6
        assert request_count(shared) <= 8


def test_scattered_names_cost_few_requests(shared: Sandbox, projects: Any) -> None:
    with shared.connect() as ms:
        project = ms.projects[projects[LARGE]]
        file_ids = project.subjects.names()
        shared.requests.clear()
        for number in range(50):
            len(project.subjects[file_ids[number * 37 % 200]].sessions)
        sizes = [len(request.variables) for request in shared.requests.snapshot()]
        assert sizes[0] == 1
        assert len(sizes) <= 12


@pytest.mark.parametrize("shape", [SMALL, LARGE])
def test_a_break_after_the_first_subject_prefetches_little(
    shared: Sandbox, projects: Any, shape: tuple[int, ...]
) -> None:
    with shared.connect() as ms:
        shared.requests.clear()
        for subject in ms.projects[projects[shape]].subjects:
            for session in subject.sessions:
                for clip in session.clips:
                    assert len(clip.files) == shape[3]
            break
        wait_for_prefetch(ms)
        assert request_count(shared) <= 5 + 8, operation_counts(shared)


def test_at_most_eight_batches_are_prefetched(shared: Sandbox, projects: Any) -> None:
    with shared.connect() as ms:
        project = ms.projects[projects[LARGE]]
        project.subjects.load("sessions.clips")
        shared.requests.clear()
        clips = (clip for one in project.subjects for session in one.sessions for clip in session.clips)
        for number, clip in enumerate(clips):
            len(clip.files)
            wait_for_prefetch(ms)
            assert request_count(shared) <= number // 100 + 1 + 8
        assert request_count(shared) == 49


def test_a_project_that_is_picked_lists_no_other_projects_subjects(shared: Sandbox, projects: Any) -> None:
    with shared.connect() as ms:
        len(ms.projects)
        shared.requests.clear()
        for name in (projects[LARGE], projects[SMALL]):
            assert len(ms.projects[name].subjects) > 0
        sent = shared.requests.snapshot()
        assert [(one.operation, len(one.variables)) for one in sent] == [("ProjectSubjects", 1)] * 2


# the window alone ------------------------------------------------------------------------------------------------------
@given(
    most=st.integers(1, 200),
    touches=st.lists(st.booleans(), min_size=1, max_size=12),
)
def test_a_window_of_picked_members_grows_while_neighbours_are_touched(
    most: int, touches: list[bool]
) -> None:
    """It covers one member, GROWTH times as many at each neighbour, fewer times as many elsewhere, never too many."""
    window = Window(full=False)
    size = 1
    for number, is_neighbour in enumerate(touches):
        window.expected = f"id{number}" if is_neighbour else "another"
        limit = most
        if is_neighbour:
            size *= GROWTH
        elif number:
            limit = most * SCATTERED_BATCHES
            size = min(size * SCATTERED_GROWTH, limit)
        assert window.open(f"id{number}", most) == min(size, limit)
        assert window.full is (is_neighbour and size >= most)
        if window.full:
            break


def test_a_window_that_nobody_goes_on_in_stays_small() -> None:
    window = Window(full=False)
    assert [window.open("same", 100) for _ in range(5)] == [1] * 5
    assert not window.full


@given(depth=st.integers(0, 5), steps=st.lists(st.sampled_from(["request", "read", "lower"]), max_size=60))
def test_prefetched_batches_are_limited(depth: int, steps: list[str]) -> None:
    """Few before the first is read, then eight less the levels above; few again where a lower level is read."""
    window = Window(full=True)
    is_read = is_lower = False
    for step in steps:
        if step == "lower":
            window.feeds_lower_level = is_lower = True
        elif step == "read" and window.ahead:
            window.ahead -= 1
            window.slide()
            is_read = True
        elif step == "request" and window.room(depth) > 0:
            window.ahead += 1
        limit = FIRST_AHEAD if is_lower or not is_read else MOST_AHEAD - depth
        assert window.room(depth) == limit - window.ahead
        assert 0 <= window.ahead <= MOST_AHEAD - depth


def test_deep_levels_still_have_no_negative_number_of_requests() -> None:
    window = Window(full=True)
    window.slide()
    assert window.room(MOST_AHEAD) == 0


@given(
    known=st.booleans(),
    steps=st.lists(st.tuples(st.sampled_from(["request", "read", "go on"]), st.floats(1, 6000)), max_size=60),
)
def test_several_levels_are_fetched_within_what_is_allowed(
    known: bool, steps: list[tuple[str, float]]
) -> None:
    """Unread there are at most as many objects as allowed and one member's; a request holds no more than the target."""
    ahead = Ahead()
    ahead.begin(known)
    assert ahead.allowed == (KNOWN_OBJECTS if known else FIRST_OBJECTS)
    sent: list[float] = []
    for step, each in steps:
        if step == "request":
            unread = ahead.unread
            names, count = ahead.batches(each, 100)
            assert 0 <= names <= 100
            assert names * each <= max(TARGET, each)
            for _ in range(count):
                sent.append(names * each)
                ahead.unread += sent[-1]
            assert ahead.unread <= max(ahead.allowed, unread + each) + 1e-6
        elif step == "read" and sent:
            before = ahead.allowed
            ahead.unread -= sent.pop(0)
            ahead.grow()
            assert before <= ahead.allowed <= 2 * before
        elif step == "go on":
            ahead.go_on()
        assert ahead.allowed <= MOST_OBJECTS


def test_no_small_request_is_sent_while_much_is_unread() -> None:
    ahead = Ahead()
    assert ahead.batches(10, 100) == (100, 1)
    ahead.unread = 0.6 * FIRST_OBJECTS
    assert ahead.batches(10, 100) == (0, 0)
    assert Ahead().batches(10 * TARGET, 100) == (1, 1), "a member that is larger than a request is sent alone"


def test_a_search_that_finds_nothing_is_repeated_more_and_more_rarely() -> None:
    window = Window(True)
    whole = []
    for number in range(1000):
        window.begin_search()
        if window.looks is None:
            whole.append(number)
            window.looked_at(5000)
        else:
            window.looked_at(window.looks)
        window.end_search(1)
    pauses = [after - before for before, after in pairwise(whole)]
    assert pauses[:7] == [2, 3, 5, 9, 17, 33, 65]
    assert set(pauses[7:]) == {65}
    window.end_search(2)  # others miss it too: from now on all are looked at
    assert window.looks is None
    window.begin_search()
    window.looked_at(100)
    window.end_search(1)  # few members are looked at each time
    assert window.looks is None


def test_a_loop_of_refreshes_does_not_look_at_all_members_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each member misses something alone: the loader would look for others that miss it too, and find none."""
    with StoreSource(forest(3000)) as source:
        engine = engine_of(source)
        trees = [engine.cache.get(Tree, f"t{n}") for n in range(3000)]
        peers = Peers([tree.id for tree in trees])
        for tree in trees:
            tree._peers = peers
            assert tree.height is not None
        assert len(source.requests) < 40
        looked = 0
        members = Peers.members

        def count(self: Peers, *args: Any, **options: Any) -> Iterator[Any]:
            nonlocal looked
            for one in members(self, *args, **options):
                looked += 1
                yield one

        monkeypatch.setattr(Peers, "members", count)
        for tree in trees:
            engine.refresh(tree)
            assert tree.height is not None
        assert looked < 1200 * 3000, "about a thousand for each, and not three times all members"
        # those that many miss are still fetched together, also from the end
        for order in (trees, trees[::-1]):
            for tree in trees:
                engine.forget(tree)
            source.requests.clear()
            for tree in order:
                assert tree.height is not None
            assert len(source.requests) < 60 + 65
