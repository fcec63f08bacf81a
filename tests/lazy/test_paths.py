"""Loops learn their path: what they cost, in requests and objects counted by the service, and the path alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.growing import even, grow, walk
from support.trees import Branch, StoreSource, Tree, engine_of, forest
from support.walks import LARGE, nested_loops, operation_counts, request_count, wait_for_prefetch

from moveshelf.errors import BudgetError, QueryError
from moveshelf.lazy.loader import Loader
from moveshelf.lazy.paths import SHARE, Guess, Path, Paths, Reads
from moveshelf.lazy.window import OPENING
from moveshelf.models import Collection, Project

if TYPE_CHECKING:
    import moveshelf
    from moveshelf.sandbox import Sandbox

#: What a loop over LARGE may send: the first of a client, and a later one. The projects' listing is not counted.
FIRST, LATER = 25, 15
#: How many of LARGE's 24,000 objects a loop may fetch that ends after its first subject.
FEW = 5000


@pytest.fixture(scope="module")
def large(shared: Sandbox, projects: Any) -> list[str]:
    """The ids of two projects of the same shape."""
    subjects, sessions, clips, files = LARGE
    other = shared.generate(subjects=subjects, sessions=sessions, clips=clips, files=files)
    with shared.connect() as ms:
        return [ms.projects[name].id for name in (projects[LARGE], other)]


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a reader had to send itself, since nothing had been fetched ahead: each is a round trip that it waits for."""
    found: list[str] = []
    launch = Loader._launch

    def counted(self: Loader, obj: Any, name: str, detours: int) -> Any:
        found.append(f"{type(obj).__name__}.{name}")
        return launch(self, obj, name, detours)

    monkeypatch.setattr(Loader, "_launch", counted)
    return found


def objects(sandbox: Sandbox) -> int:
    return sum(request.objects for request in sandbox.requests.snapshot())


def by_length(project: Any) -> int:
    return sum(len(clip.files) for one in project.subjects for s in one.sessions for clip in s.clips)


def first_subject(project: Any) -> None:
    for subject in project.subjects:
        for session in subject.sessions:
            for clip in session.clips:
                for file in clip.files:
                    assert file.name
        return


def opened(ms: moveshelf.Moveshelf, sandbox: Sandbox, identity: str) -> Any:
    """The project; what was sent so far is not counted."""
    sandbox.requests.clear()
    return ms.project(identity)


def test_the_first_loop_and_later_ones(shared: Sandbox, large: list[str], waits: list[str]) -> None:
    with shared.connect() as ms:
        project = opened(ms, shared, large[0])
        waits.clear()
        assert len(nested_loops(project)) == 200 * 3 * 8 * 4
        assert request_count(shared) <= FIRST, operation_counts(shared)
        assert waits == ["Project.subjects", "Subject.sessions", "Session.clips", "Clip.files"]
        other = opened(ms, shared, large[1])
        waits.clear()
        assert len(nested_loops(other)) == 200 * 3 * 8 * 4
        assert request_count(shared) <= LATER, operation_counts(shared)
        assert waits == ["Project.subjects", "Subject.sessions", "Session.clips"]
        project.refresh()
        shared.requests.clear()
        assert len(nested_loops(project)) == 200 * 3 * 8 * 4
        assert request_count(shared) <= LATER, operation_counts(shared)


def test_nothing_is_fetched_twice(shared: Sandbox, large: list[str]) -> None:
    with shared.connect() as ms:
        project = opened(ms, shared, large[0])
        nested_loops(project)
        once = 1 + 200 * (1 + 3 * (1 + 8 * (1 + 4)))
        named_again = 200 + 60 + 160  # those that one request lists, and another one names
        assert objects(shared) <= once + named_again


def test_a_break_after_the_first_subject_costs_little(shared: Sandbox, large: list[str]) -> None:
    with shared.connect() as ms:
        first_subject(opened(ms, shared, large[0]))
        wait_for_prefetch(ms)
        assert objects(shared) <= FEW
    with shared.connect() as ms:
        nested_loops(ms.project(large[0]))
        first_subject(opened(ms, shared, large[1]))
        wait_for_prefetch(ms)
        assert objects(shared) <= FEW, "a path that is known is gone slowly at first"


def at_once(project: Any) -> None:
    for subject in project.subjects:
        for _ in subject.sessions:
            return


def metadata_of_one(project: Any) -> None:
    for subject in project.subjects:
        if subject.name.endswith("5"):
            assert isinstance(subject.metadata, dict)
            return


def down_at_once(project: Any) -> None:
    for subject in project.subjects:
        for session in subject.sessions:
            for clip in session.clips:
                for _ in clip.files:
                    return


@pytest.mark.parametrize("loop", [at_once, metadata_of_one, down_at_once])
def test_a_loop_that_breaks_at_once_names_few(
    shared: Sandbox, large: list[str], loop: Callable[[Any], None]
) -> None:
    with shared.connect() as ms:
        for name in large:
            loop(opened(ms, shared, name))
            wait_for_prefetch(ms)
            assert all(len(request.variables) <= OPENING for request in shared.requests.snapshot())
            ms.project(large[0]).refresh()
            nested_loops(ms.project(large[0]))  # now the path is known


def test_a_loop_that_goes_down_at_once_fetches_one_batch_of_a_level(
    shared: Sandbox, large: list[str]
) -> None:
    with shared.connect() as ms:
        nested_loops(ms.project(large[0]))
        project = opened(ms, shared, large[1])
        down_at_once(project)
        wait_for_prefetch(ms)
        assert [request.operation for request in shared.requests.snapshot()] == [
            "ProjectSubjects",
            "SubjectSessions",
            "SessionClips",
        ]


def test_a_loop_over_one_level_fetches_nothing_below(shared: Sandbox, large: list[str]) -> None:
    with shared.connect() as ms:
        nested_loops(ms.project(large[0]))
        project = opened(ms, shared, large[1])
        assert sum(len(subject.sessions) for subject in project.subjects) == 600
        assert objects(shared) == 1 + 200 + 200 + 600


def test_a_loop_that_ends_higher_up_is_learned_too(shared: Sandbox, large: list[str]) -> None:
    """Files were read below trials before; where they are not, they are no longer fetched, in this loop and in the next."""
    with shared.connect() as ms:
        nested_loops(ms.project(large[0]))
        trials = 1 + 200 * (1 + 3 * (1 + 8))
        for allowed in (trials + FEW, trials + 200 + 60):
            project = ms.project(large[1])
            project.refresh()
            shared.requests.clear()
            assert (
                sum(1 for s in project.subjects for v in s.sessions for clip in v.clips if clip.title) == 4800
            )
            assert objects(shared) <= allowed


def test_a_loop_that_only_counts_goes_the_path_too(shared: Sandbox, large: list[str]) -> None:
    """`len` and `in` read a list without a loop over it: that must not be taken for not reading it."""
    with shared.connect() as ms:
        for name in large:
            project = opened(ms, shared, name)
            assert by_length(project) == 200 * 3 * 8 * 4
            limit = FIRST if name == large[0] else LATER
            assert request_count(shared) <= limit, operation_counts(shared)


def test_views_and_other_owners_go_the_same_path(shared: Sandbox, large: list[str]) -> None:
    with shared.connect() as ms:
        nested_loops(ms.project(large[0]))
        project = opened(ms, shared, large[1])
        found = [
            file.id
            for subject in project.subjects[:100]
            for session in subject.sessions
            for clip in session.clips
            for file in clip.files
        ]
        assert len(found) == 100 * 3 * 8 * 4
        assert request_count(shared) <= 10, operation_counts(shared)


def one_condition(project: Any, name: str) -> int:
    return sum(
        len(clip.files)
        for subject in project.subjects
        for session in subject.sessions
        for clip in session.conditions[name].clips
    )


def test_below_what_a_condition_picks_few_others_are_fetched(shared: Sandbox, large: list[str]) -> None:
    """Half of the trials: their files are fetched by the trial, the levels above nested."""
    with shared.connect() as ms:
        project = opened(ms, shared, large[0])
        name = project.subjects[0].sessions[0].conditions.names()[0]
        shared.requests.clear()
        found = one_condition(project, name)
        assert 0 < found < 200 * 3 * 8 * 4
        files = sum(r.objects - len(r.variables) for r in shared.requests.of("ClipFiles"))
        assert files == found
        assert request_count(shared) <= 2 + 4 + 3 + found // 400 + 4, operation_counts(shared)


def test_a_condition_that_holds_all_trials_is_a_level_like_others(sandbox: Sandbox) -> None:
    with sandbox.connect() as ms:
        project = sandbox.generate(subjects=0, sessions=0, clips=0, files=0)
        grow(ms, project, even(60, 2, 1, 1))  # each session's one trial is in the same condition
    with sandbox.connect() as ms:
        found = opened(ms, sandbox, ms.projects[project].id)
        assert one_condition(found, "Braced") == 120
        assert len(sandbox.requests.of("ClipFiles")) == 1, operation_counts(sandbox)


def test_responses_that_are_too_large_are_halved_and_then_fetched_by_the_level(sandbox: Sandbox) -> None:
    shape = {"subjects": 60, "sessions": 3, "clips": 6, "files": 2}
    name, other = sandbox.generate(**shape), sandbox.generate(**shape)
    sandbox.fail(max_objects=200)  # no level alone is refused, five subjects with all below them are
    with sandbox.connect() as ms:
        sandbox.requests.clear()
        assert len(list(walk(ms.projects[name]))) == 60 * 3 * 6 * 2
        refused = [request for request in sandbox.requests.snapshot() if request.status == 502]
        assert refused
        sandbox.requests.clear()
        assert len(list(walk(ms.projects[other]))) == 60 * 3 * 6 * 2
        again = [request for request in sandbox.requests.snapshot() if request.status == 502]
        assert len(again) < len(refused), "the sizes are remembered"
        assert all(request.objects <= 200 for request in sandbox.requests.snapshot() if request.status == 200)


def test_what_the_service_refuses_together_is_fetched_by_the_level(sandbox: Sandbox) -> None:
    name = sandbox.generate(subjects=60, sessions=3, clips=4, files=2)
    sandbox.fail("SubjectSessions", error="too complex", after=1, times=1)
    with sandbox.connect() as ms:
        assert len(list(walk(ms.projects[name]))) == 60 * 3 * 4 * 2


def test_a_write_overtakes_what_was_fetched_ahead(sandbox: Sandbox) -> None:
    name = sandbox.generate(subjects=120, sessions=2, clips=3, files=1)
    sandbox.latency(0.05)
    with sandbox.connect() as ms:
        subjects = ms.projects[name].subjects
        last = subjects["S-0120"] if "S-0120" in subjects else subjects._members()[-1]
        seen: list[str] = []
        created: list[str] = []
        for subject in subjects:
            for session in subject.sessions:
                seen.append(session.id)
                for clip in session.clips:
                    len(clip.files)
                if len(seen) == 4:  # by now the last subjects are on their way
                    created.append(last.create_session("Later", "2031-01-01").id)
        assert len(seen) == 241
        assert set(created) <= set(seen)


def test_the_budget_ends_a_loop_and_not_what_is_fetched_ahead(sandbox: Sandbox) -> None:
    name = sandbox.generate(subjects=60, sessions=2, clips=3, files=1)
    with sandbox.connect() as ms:
        project = ms.projects[name]
        with pytest.raises(BudgetError), ms.budget(requests=5):
            list(walk(project))
        assert len(list(walk(project))) == 60 * 2 * 3


# the engine alone ------------------------------------------------------------------------------------------------------
@pytest.fixture
def source() -> Iterator[StoreSource]:
    """A source of 250 trees with two branches and six leaves each."""
    with StoreSource(forest(250, 2, 3)) as made:
        yield made


def loop_over(engine: Any) -> list[str]:
    """Down to the leaves of every tree, as the objects of a collection are looped over."""
    trees = [engine.cache.get(Tree, f"t{n}") for n in range(250)]
    found = Collection(engine, Tree, items=trees)
    return [leaf.id for tree in found for branch in tree.branches for leaf in branch.leaves]


def test_levels_are_fetched_together(source: StoreSource) -> None:
    assert len(loop_over(engine_of(source))) == 1500
    first = source.sizes
    assert first[:3] == [OPENING, OPENING, 20], "one level each: nothing is known yet"
    assert len(first) <= 7
    assert all(names == ["branchList"] for _, names in source.requests[3:])


def test_the_next_loop_goes_the_same_path(source: StoreSource) -> None:
    engine = engine_of(source)
    loop_over(engine)
    engine.cache.objects.refs.clear()
    source.requests.clear()
    assert len(loop_over(engine)) == 1500
    assert source.sizes[:3] == [OPENING, OPENING, 20], "slowly, though the path is known"
    assert len(source.sizes) <= 6


def test_of_members_with_very_much_below_them_the_levels_further_down_are_nested() -> None:
    with StoreSource(forest(60, 60, 60)) as source:
        engine = engine_of(source)
        trees = Collection(engine, Tree, items=[engine.cache.get(Tree, f"t{n}") for n in range(60)])
        assert sum(1 for tree in trees for branch in tree.branches for _ in branch.leaves) == 60**3
        source.settle()
        assert all(len(ids) <= 100 for ids, _ in source.requests)
        below = [len(ids) for ids, names in source.requests if names == ["leaves"]]
        assert sum(below) == 3600, "no tree is fetched with its 3,660 objects"


def test_one_bad_object_fails_alone(source: StoreSource) -> None:
    source.errors["t77"] = QueryError("there is something wrong with t77", errors=[], data=None)
    engine = engine_of(source)
    failed, seen = [], 0
    for tree in Collection(engine, Tree, items=[engine.cache.get(Tree, f"t{n}") for n in range(250)]):
        try:
            seen += sum(1 for branch in tree.branches for _ in branch.leaves)
        except QueryError:
            failed.append(tree.id)
    assert failed == ["t77"]
    assert seen == 249 * 6


# the path alone --------------------------------------------------------------------------------------------------------
def names(tree: Any) -> Any:
    return {field.name: names(below) for field, below in tree.items()}


def ahead(reads: Reads, guess: bool = False) -> tuple[Any, list[Guess]]:
    guesses: list[Guess] = []
    return names(reads.ahead(Tree, guess, guesses)), guesses


def test_what_was_read_comes_ahead() -> None:
    reads = Reads()
    assert ahead(reads) == ({}, [])
    reads.touch("branches")
    assert ahead(reads) == ({"branches": {}}, [])
    reads.down("branches").touch("leaves")
    assert ahead(reads) == ({"branches": {"leaves": {}}}, [])


def test_what_earlier_loops_have_read_is_a_guess() -> None:
    paths = Paths()
    first = Reads(paths.root(Tree))
    first.touch("branches")
    assert not paths.root(Tree).is_deep
    first.down("branches").touch("leaves")
    assert paths.root(Tree).is_deep
    assert not paths.root(Branch).is_deep
    later = Reads(paths.root(Tree))
    assert ahead(later) == ({}, [])
    found, guesses = ahead(later, guess=True)
    assert found == {"branches": {"leaves": {}}}
    assert guesses == [(later, "branches"), (later.down("branches"), "leaves")]
    later.touch("branches")
    assert ahead(later, guess=True)[1] == [(later.down("branches"), "leaves")]


def test_a_guess_that_is_not_read_is_forgotten() -> None:
    paths = Paths()
    paths.root(Tree).below["branches"] = Path()
    reads = Reads(paths.root(Tree))
    reads.doubt("branches")
    assert ahead(reads, guess=True)[0] == {"branches": {}}
    reads.doubt("branches")
    assert ahead(reads, guess=True)[0] == {}
    assert not paths.root(Tree).below
    reads.touch("branches")
    reads.doubt("branches")
    assert ahead(reads)[0] == {"branches": {}}
    assert paths.root(Tree).below["branches"] is reads.down("branches").path


def test_a_new_loop_begins_with_what_is_remembered() -> None:
    reads = Reads()
    reads.touch("branches")
    reads.down("branches").touch("leaves")
    reads.begin()
    assert ahead(reads) == ({}, [])
    assert ahead(reads, guess=True)[0] == {"branches": {"leaves": {}}}


def test_lists_that_need_requests_of_their_own_are_no_levels() -> None:
    reads = Reads()
    for name in ("subjects", "sessions", "clips"):
        reads.touch(name)
    assert reads.ahead(Project, True, []) == {}


@given(st.dictionaries(st.text(max_size=3), st.floats(0, 1), min_size=1, max_size=4))
def test_nothing_is_below_where_few_members_are_gone_on_with(shares: dict[str, float]) -> None:
    reads = Reads()
    reads.touch("branches")
    for selector, share in shares.items():
        reads.pick(selector, share)
    assert bool(ahead(reads)[0]) is (sum(shares.values()) >= SHARE)
    assert reads.path.share == min(1.0, sum(shares.values()))


@given(st.lists(st.lists(st.integers(0, 9), max_size=5), min_size=1, max_size=8))
def test_how_much_is_below_is_the_average(shape: list[list[int]]) -> None:
    """Trees, branches of each, leaves of each."""
    reads = Reads()
    reads.touch("branches")
    reads.down("branches").touch("leaves")
    level = reads.down("branches")
    level.count(map(len, shape))
    level.down("leaves").count(leaves for branches in shape for leaves in branches)
    tree = reads.ahead(Tree, False, [])
    wanted = (sum(map(len, shape)) + sum(map(sum, shape))) / len(shape)
    assert reads.below_each(tree) == pytest.approx(wanted)
    later = Reads(reads.path)
    assert later.below_each(tree) == pytest.approx(wanted), (
        "an earlier loop's numbers serve until there are newer ones"
    )
