"""Peers: the members of one level of a traversal, across parents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.growing import Shape, grow, least, walk, wanted
from support.trees import Branch, Leaf, Tree, engine_of
from support.walks import LARGE, operation_counts, request_count

from moveshelf.lazy.engine import Engine
from moveshelf.lazy.peers import At, Named, Peers, Selector, UnloadedParent

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox


def test_links_upwards_are_fetched_in_batches(shared: Sandbox, projects: Any) -> None:
    with shared.connect() as ms:
        project = ms.projects[projects[LARGE]]
        len(project.sessions)
        shared.requests.clear()
        for session in project.sessions:
            assert session.path.startswith(f"/{session.subject.name}/")
            assert isinstance(session.subject.metadata, dict)
        assert operation_counts(shared)["SessionSubject"] == 7
        assert request_count(shared) <= 7 + 10, operation_counts(shared)


def test_batches_are_filled_across_sparse_parents(shared: Sandbox) -> None:
    """One session for every third subject: batches of sessions are filled from the next batches of subjects."""
    shape: Shape = [[[1]] if number % 3 == 0 else [] for number in range(900)]
    with shared.connect() as ms:
        project = shared.generate(subjects=0, sessions=0, clips=0, files=0)
        grow(ms, project, shape)
    with shared.connect() as ms:
        shared.requests.clear()
        assert list(walk(ms.projects[project])) == wanted(shape)
        assert request_count(shared) <= 1.2 * least(shape) + 3, (operation_counts(shared), least(shape))


# peers alone -----------------------------------------------------------------------------------------------------------
#: trees -> branches (None: not loaded) -> number of leaves (None: not loaded)
Forest = list[list[int | None] | None]
forests = st.lists(
    st.none() | st.lists(st.none() | st.integers(0, 3), max_size=4),
    max_size=6,
)
selectors: Any = st.sampled_from([None, At(0), At(-1), At(1), Named("L1")])


def plant(engine: Engine, shape: Forest) -> list[Tree]:
    """The objects of a forest, loaded as far as its shape says."""
    cache = engine.cache
    trees = []
    for t, branches in enumerate(shape):
        tree = cache.get(Tree, f"t{t}")
        trees.append(tree)
        if branches is None:
            continue
        below = []
        for b, leaves in enumerate(branches):
            branch = cache.get(Branch, f"t{t}b{b}")
            cache.put(branch, Branch.fields["tree"], tree.id)
            below.append(branch)
            if leaves is not None:
                ends = []
                for n in range(leaves):
                    leaf = cache.get(Leaf, f"t{t}b{b}l{n}")
                    cache.put(leaf, Leaf.fields["branch"], branch.id)
                    cache.put(leaf, Leaf.fields["name"], f"L{n}")
                    ends.append(leaf)
                Branch.leaves.collection(branch)._fill(ends)
        Tree.branches.collection(tree)._fill(below)
    return trees


def expected(shape: Forest, select: Selector | None) -> list[str]:
    """The members of the level of leaves by a plain loop; "?id" for a parent that is not loaded."""
    found: list[str] = []
    for t, branches in enumerate(shape):
        if branches is None:
            found.append(f"?t{t}")
            continue
        for b, leaves in enumerate(branches):
            if leaves is None:
                found.append(f"?t{t}b{b}")
                continue
            numbers: Any = list(range(leaves))
            if isinstance(select, At):
                inside = -leaves <= select.position < leaves
                numbers = [numbers[select.position]] if inside else []
            elif isinstance(select, Named):
                numbers = [n for n in numbers if f"L{n}" == select.name]
            found += [f"t{t}b{b}l{n}" for n in numbers]
    return found


def shown(members: Any) -> list[str]:
    return [f"?{one.parent.id}" if isinstance(one, UnloadedParent) else one.id for one in members]


def until_unloaded(names: list[str]) -> list[str]:
    """Up to the first parent that is not loaded, which is the last."""
    for number, name in enumerate(names):
        if name.startswith("?"):
            return names[: number + 1]
    return names


def level_of_leaves(engine: Engine, trees: list[Tree], select: Selector | None, full: bool = True) -> Peers:
    peers = Peers([one.id for one in trees], full=full).child(Tree.branches, None, full)
    return peers.child(Branch.leaves, select, full)


@given(forests, selectors)
def test_members_are_those_of_a_plain_loop(shape: Forest, select: Selector | None) -> None:
    engine = engine_of(None)
    trees = plant(engine, shape)
    peers = level_of_leaves(engine, trees, select)
    everything = expected(shape, select)
    objects = engine.cache.objects
    assert shown(peers.members(objects)) == until_unloaded(everything)
    loaded = [name for name in everything if not name.startswith("?")]
    assert shown(peers.members(objects, None, with_unloaded=False)) == loaded
    # members that were picked say nothing about other parents: those are passed over
    assert shown(level_of_leaves(engine, trees, select, full=False).members(objects)) == loaded


@given(forests, selectors, st.data())
def test_members_from_one_on(shape: Forest, select: Selector | None, data: st.DataObject) -> None:
    engine = engine_of(None)
    trees = plant(engine, shape)
    leaves = [one for one in engine.cache.objects if isinstance(one, Leaf)]
    if not leaves:
        return
    start = data.draw(st.sampled_from(leaves))
    everything = expected(shape, select)
    found = shown(level_of_leaves(engine, trees, select).members(engine.cache.objects, start))
    if start.id in everything:
        assert found == until_unloaded(everything[everything.index(start.id) :])
    else:
        assert found == [start.id], "a member that the selector leaves out is alone"


@given(forests, st.data())
def test_members_of_the_first_level(shape: Forest, data: st.DataObject) -> None:
    engine = engine_of(None)
    trees = plant(engine, shape)
    ids = [one.id for one in trees]
    peers = Peers(ids)
    objects = engine.cache.objects
    assert shown(peers.members(objects)) == ids
    for _ in range(3):
        if trees:
            at = data.draw(st.integers(0, len(trees) - 1))
            assert shown(peers.members(objects, trees[at])) == ids[at:]
    alone = engine.cache.get(Tree, "another")
    assert shown(peers.members(objects, alone)) == ["another"]


def test_objects_that_were_collected_are_passed_over() -> None:
    engine = engine_of(None)
    trees = plant(engine, [[1], [1], [1]])
    peers = level_of_leaves(engine, trees, None)
    del trees[1]
    assert shown(peers.members(engine.cache.objects)) == ["t0b0l0", "t2b0l0"]


def test_a_member_whose_owner_was_collected_is_alone() -> None:
    engine = engine_of(None)
    trees = plant(engine, [[2], [2]])
    peers = level_of_leaves(engine, trees, None)
    leaf = trees[0].branches._members()[0].leaves._members()[0]
    del trees[0]
    assert shown(peers.members(engine.cache.objects, leaf)) == [leaf.id]


@given(st.lists(st.none() | st.integers(0, 4), max_size=12))
def test_links_lead_to_each_object_once(links: list[int | None]) -> None:
    engine = engine_of(None)
    cache = engine.cache
    trees = [cache.get(Tree, f"t{n}") for n in range(4)]  # t4 is not in memory
    branches = []
    for number, link in enumerate(links):
        branch = cache.get(Branch, f"b{number}")
        branches.append(branch)
        if link is not None:
            cache.put(branch, Branch.fields["tree"], f"t{link}")
    peers = Peers([one.id for one in branches]).child(Branch.tree, None)
    wanted = list(dict.fromkeys(f"t{link}" for link in links if link is not None and link < len(trees)))
    assert shown(peers.members(cache.objects)) == wanted
    for number, name in enumerate(wanted):
        start = cache.get(Tree, name)
        assert shown(peers.members(cache.objects, start)) == wanted[number:]


def test_a_level_below_is_the_same_object_while_it_is_used() -> None:
    peers = Peers(["t0"])
    child = peers.child(Tree.branches, None)
    assert peers.child(Tree.branches, None) is child
    assert peers.child(Tree.branches, At(0)) is not child
    assert peers.child(Tree.branches, None, False) is not child
    assert (peers.depth, child.depth, child.child(Branch.leaves, None).depth) == (0, 1, 2)
    assert child.parent is peers


@pytest.mark.parametrize(
    ("select", "picked"),
    [(At(0), "a"), (At(-1), "c"), (At(3), ""), (At(-4), ""), (Named("b"), "b"), (Named("z"), "")],
)
def test_selectors(select: Selector, picked: str) -> None:
    engine = engine_of(None)
    items = [engine.cache.get(Tree, name) for name in "abc"]
    for one in items:
        engine.cache.put(one, Tree.fields["name"], one.id)
    assert "".join(one.id for one in select.pick(items)) == picked
