"""Selections: what a request selects, and how a response is populated into objects."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support.trees import Branch, Leaf, Store, Tree, engine_of, forest, respond

from moveshelf.lazy.engine import Engine
from moveshelf.lazy.fields import BASIC
from moveshelf.lazy.selection import Item, Selection, basic, group, members_of

LEAF = Selection.of(Leaf, [Leaf.fields["name"]])
BRANCH = Selection.of(
    Branch,
    [Branch.fields[name] for name in ("name", "length", "tree", "leaves")],
    {Branch.fields["leaves"]: LEAF, Branch.fields["tree"]: basic(Tree)},
)
TREE = Selection.of(Tree, Tree.fields.values(), {Tree.fields["branches"]: BRANCH})


def populate(engine: Engine, selection: Selection, obj: Any, data: Any, clock: int | None = None) -> None:
    cache = engine.cache
    with cache.lock:
        selection.populate(cache, obj, data, cache.clock if clock is None else clock)


def held(obj: Any, name: str) -> list[str]:
    """The ids of a loaded collection; never a request."""
    return [one.id for one in getattr(obj, name)._members()]


# what is selected ------------------------------------------------------------------------------------------------------
def test_groups_are_made_once() -> None:
    assert basic(Tree) is group(Tree, BASIC) is basic(Tree)
    assert [one.wire for one in group(Tree, "height").items] == ["height"]
    assert group(Tree, "height").name == "TreeHeight"


def test_keys_tell_selections_apart() -> None:
    part = Selection(Tree, [Item("branchList", Tree.fields["branches"], BRANCH, is_list=True)])
    first = Selection(
        Tree, [Item("branchList", Tree.fields["branches"], BRANCH, is_list=True, arguments=(("first", "3"),))]
    )
    other = Selection(Tree, [Item("branchList", Tree.fields["branches"], basic(Branch), is_list=True)])
    assert len({part.key, first.key, other.key, TREE.key}) == 4
    assert part.key == Selection(Tree, part.items).key


def test_is_missing() -> None:
    engine = engine_of(None)
    tree = engine.cache.get(Tree, "t0")
    selection = Selection.of(Tree, [Tree.fields["name"], Tree.fields["branches"]])
    assert selection.is_missing(tree)
    engine.cache.put(tree, Tree.fields["name"], None)
    assert selection.is_missing(tree)
    tree.branches._fill([])
    assert not selection.is_missing(tree)


def test_a_prefetched_list_that_is_replaced_unread_leaves_its_window() -> None:
    class Noted:
        left = 0

        def leave_window(self) -> None:
            self.left += 1

    engine = engine_of(None)
    tree = engine.cache.get(Tree, "t0")
    batch = Noted()
    tree.branches._fill([])
    tree.branches._mark_prefetched(batch)
    store = forest(1, 2)
    populate(engine, TREE, tree, respond(store, TREE, "t0"))
    assert held(tree, "branches") == ["t0b0", "t0b1"]
    assert batch.left == 1


def test_members_of_a_list() -> None:
    row = {"id": "x"}
    edges = Item("leaves", Branch.fields["leaves"], LEAF, is_list=True, edges=True)
    plain = Item("branchList", Tree.fields["branches"], BRANCH, is_list=True)
    for value in ({"edges": [{"node": row}, None, {"node": None}, {"node": row}]},):
        assert members_of(edges, value) == Branch.leaves.members(value) == [row, row]
    assert members_of(plain, [None, row]) == Tree.branches.members([None, row]) == [row]
    for one, field in ((edges, Branch.leaves), (plain, Tree.branches)):
        assert members_of(one, None) == field.members(None) == []
    assert members_of(edges, {"edges": None}) == Branch.leaves.members({"edges": None}) == []


# populating ------------------------------------------------------------------------------------------------------------
def test_values_are_converted_and_null_is_not() -> None:
    engine = engine_of(None)
    tree = engine.cache.get(Tree, "t0")
    selection = Selection.of(Tree, [Tree.fields["name"], Tree.fields["height"]])
    populate(engine, selection, tree, {"id": "t0", "label": "oak", "height": 3})
    assert (tree.name, tree.height) == ("oak", 30)
    populate(engine, selection, tree, {"id": "t0", "label": None, "height": None})
    assert (tree.name, tree.height) == (None, None)


def test_links() -> None:
    engine = engine_of(None)
    branch = engine.cache.get(Branch, "b0")
    selection = Selection.of(Branch, [Branch.fields["tree"]])
    populate(engine, selection, branch, {"id": "b0", "tree": {"id": "t0", "label": "oak"}})
    assert branch.tree is engine.cache.peek("t0"), "an object that only a link leads to is held for a while"
    assert branch.tree.name == "oak"
    populate(engine, selection, branch, {"id": "b0", "tree": None})
    assert branch.tree is None


def test_a_link_to_a_deleted_object_does_not_bring_it_back() -> None:
    engine = engine_of(None)
    tree = engine.cache.get(Tree, "t0")
    engine.cache.mark_deleted(tree)
    branch = engine.cache.get(Branch, "b0")
    populate(
        engine,
        Selection.of(Branch, [Branch.fields["tree"]]),
        branch,
        {"id": "b0", "tree": {"id": "t0", "label": "oak"}},
    )
    assert branch.tree.is_deleted
    assert engine.cache.peek("t0") is None


def test_lists() -> None:
    """Members in the service's order, nulls left out, known objects reused; they know their owners."""
    engine = engine_of(None)
    store = forest(1, 3, 2)
    known = engine.cache.get(Branch, "t0b1")
    tree = engine.cache.get(Tree, "t0")
    data = respond(store, TREE, "t0")
    data["branchList"].insert(1, None)
    populate(engine, TREE, tree, data)
    assert held(tree, "branches") == ["t0b0", "t0b1", "t0b2"]
    assert tree.branches._members()[1] is known
    for branch in tree.branches._members():
        assert branch.tree is tree
        for leaf in branch.leaves._members():
            assert leaf.branch is branch
            assert leaf.tree is tree, "what members share with their owner is passed on"


def test_deleted_members_are_left_out_and_an_id_taken_for_another_class_is_corrected() -> None:
    engine = engine_of(None)
    cache = engine.cache
    other = cache.get(Tree, "t0b0")
    deleted = cache.get(Branch, "t0b1")
    cache.mark_deleted(deleted)
    tree = cache.get(Tree, "t0")
    populate(engine, TREE, tree, respond(forest(1, 3, 0), TREE, "t0"))
    assert held(tree, "branches") == ["t0b0", "t0b2"]
    assert not other.is_loaded("name")
    assert cache.peek("t0b0") is tree.branches._members()[0]
    assert deleted.is_deleted


def test_a_part_of_a_list_populates_members_and_not_the_list() -> None:
    engine = engine_of(None)
    tree = engine.cache.get(Tree, "t0")
    item = Item("branchList", Tree.fields["branches"], BRANCH, is_list=True, arguments=(("first", "1"),))
    branch = engine.cache.get(Branch, "t0b0")
    selection = Selection(Tree, [item])
    populate(engine, selection, tree, respond(forest(1, 1, 1), selection, "t0"))
    assert not tree.is_loaded("branches")
    assert (branch.name, branch.tree) == ("B0", tree)
    assert held(branch, "leaves") == ["t0b0l0"]


def test_a_response_older_than_a_write_is_thrown_away() -> None:
    engine = engine_of(None)
    cache = engine.cache
    tree = cache.get(Tree, "t0")
    clock = cache.clock
    cache.invalidate("t0")
    cache.put(tree, Tree.fields["name"], "written")
    populate(engine, TREE, tree, respond(forest(1, 1), TREE, "t0"), clock)
    assert tree.name == "written"
    assert not tree.is_loaded("branches")
    populate(engine, TREE, tree, respond(forest(1, 1), TREE, "t0"))
    assert tree.name == "T0"


def test_a_listing_older_than_a_write_is_thrown_away_alone() -> None:
    engine = engine_of(None)
    cache = engine.cache
    tree = cache.get(Tree, "t0")
    tree.branches._fill([])
    clock = cache.clock
    cache.invalidate(("t0", "branches"))
    populate(engine, TREE, tree, respond(forest(1, 2), TREE, "t0"), clock)
    assert held(tree, "branches") == []
    assert tree.name == "T0"


def test_a_member_written_meanwhile_keeps_its_values() -> None:
    engine = engine_of(None)
    cache = engine.cache
    tree, branch = cache.get(Tree, "t0"), cache.get(Branch, "t0b0")
    clock = cache.clock
    cache.invalidate("t0b0")
    cache.put(branch, Branch.fields["name"], "written")
    populate(engine, TREE, tree, respond(forest(1, 2), TREE, "t0"), clock)
    assert [one.name for one in tree.branches._members()] == ["written", "B1"]


@st.composite
def stores(draw: st.DrawFn) -> Store:
    """Any forest, with values of any kind that the classes allow."""
    labels = st.none() | st.text(max_size=3)
    numbers = st.none() | st.integers()
    store: Store = {}
    for t in range(draw(st.integers(1, 3))):
        store[f"t{t}"] = {"label": draw(labels), "height": draw(numbers), "branchList": []}
        for b in range(draw(st.integers(0, 3))):
            branch = f"t{t}b{b}"
            store[f"t{t}"]["branchList"].append(branch)
            store[branch] = {"label": draw(labels), "length": draw(numbers), "tree": f"t{t}", "leaves": []}
            for n in range(draw(st.integers(0, 2))):
                leaf = f"{branch}l{n}"
                store[branch]["leaves"].append(leaf)
                store[leaf] = {"label": draw(labels)}
    return store


@given(stores(), stores())
def test_objects_hold_what_the_last_response_held(first: Store, second: Store) -> None:
    engine = engine_of(None)
    trees = {}
    for store in (first, second):
        for identity in [one for one in store if "height" in store[one]]:
            tree = trees.setdefault(identity, engine.cache.get(Tree, identity))
            populate(engine, TREE, tree, respond(store, TREE, identity))
            row = store[identity]
            height = row["height"]
            assert (tree.name, tree.height) == (row["label"], None if height is None else height * 10)
            assert held(tree, "branches") == row["branchList"]
            for branch in tree.branches._members():
                assert (branch.name, branch.length) == (store[branch.id]["label"], store[branch.id]["length"])
                assert branch.tree is tree
                assert held(branch, "leaves") == store[branch.id]["leaves"]
                assert [one.name for one in branch.leaves._members()] == [
                    store[one]["label"] for one in store[branch.id]["leaves"]
                ]
