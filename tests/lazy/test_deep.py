"""Requests of several levels: what one fetches, by what the loop reads, and what is watched in its response."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support.trees import Branch, StoreSource, Tree, engine_of, forest

from moveshelf.lazy import deep
from moveshelf.lazy.engine import Engine
from moveshelf.lazy.paths import Path, Reads
from moveshelf.lazy.peers import At, Peers
from moveshelf.operations.text import fields_text

#: The text of a tree with its branches and their leaves, as the service gets it.
TEXT = "id branchList { id label leaves { edges { node { id label } } } }"


def known() -> Path:
    """The path of loops down to the leaves, two of each."""
    path, branches, leaves = Path(), Path(), Path()
    path.below["branches"], branches.below["leaves"] = branches, leaves
    branches.average = leaves.average = 2.0
    return path


def test_several_levels_are_one_selection() -> None:
    peers = Peers(["t0"])
    peers.reads.touch("branches")
    assert deep.plan(peers, Tree, "branches") is None, "nothing is read below"
    peers.reads.down("branches").touch("leaves")
    plan = deep.plan(peers, Tree, "branches")
    assert plan is not None
    assert fields_text(plan.selection) == TEXT
    assert plan.guesses == ()
    again = deep.plan(peers, Tree, "branches")
    assert again is not None
    assert again.selection is plan.selection, "its text is made once"


def test_what_is_no_list_is_fetched_alone() -> None:
    peers = Peers(["t0"])
    peers.reads.touch("branches")
    peers.reads.down("branches").touch("leaves")
    for name in ("height", "basic"):
        assert deep.plan(peers, Tree, name) is None
    assert deep.plan(Peers(["t0"]).child(Tree.branches, None), Branch, "tree") is None


def test_members_that_were_picked_are_fetched_alone() -> None:
    picked = Peers(["t0"], full=False, reads=Reads(known()))
    picked.reads.touch("branches")
    picked.reads.down("branches").touch("leaves")
    assert deep.plan(picked, Tree, "branches") is None


def test_an_earlier_loop_counts_from_the_second_level_on() -> None:
    peers = Peers(["t0"], reads=Reads(known()))
    assert deep.plan(peers, Tree, "branches") is None, "it may be a loop over the branches alone"
    below = Peers(parent=peers, field=Tree.branches, reads=Reads(known()))
    plan = deep.plan(below, Tree, "branches")
    assert plan is not None
    assert plan.guesses == ((below.reads.down("branches"), "leaves"),)
    assert plan.each == 1 + 2 * (1 + 2)
    picked = Peers(["t0"], full=False)
    alone = Peers(parent=picked, field=Tree.branches, reads=Reads(known()))
    assert deep.plan(alone, Tree, "branches") is None, "above it there is no loop"


@given(st.dictionaries(st.sampled_from(["branches", "leaves", "other"]), st.integers(1, 200)))
def test_the_smallest_size_of_a_level_counts(sizes: dict[str, int]) -> None:
    tree: Any = {Tree.fields["branches"]: {Branch.fields["leaves"]: {}}}
    found: dict[Any, int] = {}
    for name, size in sizes.items():
        found[Tree if name == "branches" else Branch, name] = size
    wanted = min([100, *(size for name, size in sizes.items() if name != "other")])
    assert deep.smallest(Tree, tree, found, 100) == wanted


def loaded(engine: Engine, count: int) -> list[Tree]:
    trees = [engine.cache.get(Tree, f"t{n}") for n in range(count)]
    engine.load(trees, Tree, ["branches.leaves"])
    return trees


def test_what_has_arrived_is_counted() -> None:
    with StoreSource(forest(5, 3, 2)) as source:
        engine = engine_of(source)
        trees = loaded(engine, 5)
        reads = Reads()
        tree: Any = {Tree.fields["branches"]: {Branch.fields["leaves"]: {}}, Tree.fields["height"]: {}}
        deep.count(reads, trees, tree)
        level = reads.down("branches")
        assert (level.average, level.down("leaves").average) == (3.0, 2.0)
        deep.count(reads, [engine.cache.get(Tree, "t9")], tree)
        assert level.average == 3.0, "what is not loaded does not count"


def test_a_guess_is_proved_by_its_first_reader() -> None:
    with StoreSource(forest(3, 2, 2)) as source:
        engine = engine_of(source)
        trees = loaded(engine, 3)
        peers = Peers(["t0"], reads=Reads(known()))
        below = Peers(parent=peers, field=Tree.branches, reads=Reads(known()))
        plan = deep.plan(below, Tree, "branches")
        assert plan is not None
        guesses = deep.watch(below.reads, trees, plan)
        assert guesses == [(below.reads.down("branches"), "leaves")]
        assert "leaves" not in below.reads.down("branches").lists
        source.budget = 0
        assert len(trees[0].branches[1].leaves) == 2, "read as before"
        assert "leaves" in below.reads.down("branches").lists


def test_where_nothing_is_below_nothing_is_watched() -> None:
    with StoreSource(forest(3)) as source:
        trees = loaded(engine_of(source), 3)
        peers = Peers(parent=Peers(["t0"]), field=Tree.branches, reads=Reads(known()))
        plan = deep.plan(peers, Tree, "branches")
        assert plan is not None
        assert deep.watch(peers.reads, trees, plan) == []


def test_a_watched_list_can_be_replaced() -> None:
    with StoreSource(forest(1, 1, 1)) as source:
        engine = engine_of(source)
        (tree,) = loaded(engine, 1)
        peers = Peers(parent=Peers(["t0"]), field=Tree.branches, reads=Reads(known()))
        plan = deep.plan(peers, Tree, "branches")
        assert plan is not None
        deep.watch(peers.reads, [tree], plan)
        branch = tree.branches[0]
        engine.cache.unload(branch, Branch.fields["leaves"])
        assert [leaf.id for leaf in branch.leaves] == ["t0b0l0"]


def test_a_selector_is_judged_by_what_it_picks() -> None:
    with StoreSource(forest(4, 3)) as source:
        engine = engine_of(source)
        trees = loaded(engine, 4)
        peers = Peers([one.id for one in trees])
        for selector, share in ((At(0), 1 / 3), (None, 1.0)):
            child = peers.child(Tree.branches, selector, False)
            child.reads.shares.clear()
            child.note_share(engine.cache.objects)
            assert child.reads.shares == ({selector: share} if selector else {})
