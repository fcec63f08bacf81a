"""The index of owners: what it says is what a look at all living objects finds, and it looks at few."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.trees import Branch, Leaf, StoreSource, Tree, engine_of, forest

from moveshelf.lazy.cache import Cache, loaded_value
from moveshelf.lazy.entity import Entity
from moveshelf.lazy.owners import OwnerIndex, owner_field
from moveshelf.lazy.selection import basic
from moveshelf.lazy.state import NOT_LOADED

KINDS: dict[str, type[Entity]] = {"t": Tree, "b": Branch, "l": Leaf}
ABOVE = {"b": "t", "l": "b"}


class Model:
    """A cache, and the plain way to find out what its index says: a look at all that lives."""

    def __init__(self) -> None:
        self.cache = Cache()
        self.cache.objects._limit = 8  # sweeps come early
        self.held: dict[str, Entity] = {}
        #: objects that are not the ones of their ids any more, which somebody holds all the same
        self.former: list[Entity] = []
        #: what each object was known to belong to last, also after it has died
        self.links: dict[str, Any] = {}

    def take(self, name: str) -> Entity:
        """The object of that name, held."""
        return self.held.setdefault(name, self.cache.get(KINDS[name[0]], name))

    def let_go(self, name: str) -> None:
        self.held.pop(name, None)

    def living(self) -> list[Entity]:
        return list(self.cache.objects)

    def check(self, owner: str) -> None:
        """The index against the fields of all living objects."""
        owned = [one for one in self.living() if type(one).owner_link]
        links = {one.id: loaded_value(one, str(type(one).owner_link)) for one in owned}
        found = {one.id for one in self.cache.members_of(owner)}
        assert found == {identity for identity, link in links.items() if link == owner}
        unowned = {one.id for one in self.cache.without_owner(Branch, Leaf)}
        assert unowned == {identity for identity, link in links.items() if link is NOT_LOADED}
        assert {one.id for one in self.cache.objects.of_kind(Branch, Leaf)} == set(links)

    def check_below(self, root: Entity) -> None:
        """What is below, against the former way: from every living object upwards."""
        kinds = {Tree: [Branch, Leaf], Branch: [Leaf]}[type(root)]
        found = [one.id for one in self.cache._below(root, kinds)]
        assert len(found) == len(set(found))
        known = {root.id: True}
        living = [one for one in self.living() if type(one) in kinds]
        wanted = {one.id for one in living if self.cache._is_below(one, root, kinds, known)}
        assert set(found) <= wanted
        for one in living:
            if one.id in wanted and one.id not in found:
                assert self.is_elsewhere(one, root), one

    def is_elsewhere(self, obj: Entity, root: Entity) -> bool:
        """Whether an owner that has died, which the index still knows, was below another root."""
        owner = loaded_value(obj, str(type(obj).owner_link))
        while isinstance(owner, str) and owner[0] != root.id[0] and owner[0] in ABOVE:
            living = self.cache.peek(owner)
            owner = (
                self.links.get(owner)
                if living is None
                else loaded_value(living, str(type(living).owner_link))
            )
        return isinstance(owner, str) and owner != root.id


names = st.tuples(st.sampled_from("tbl"), st.integers(0, 3)).map(lambda pair: f"{pair[0]}{pair[1]}")
numbers = st.integers(0, 3)
steps = st.lists(
    st.tuples(
        st.sampled_from(["take", "link", "unload", "list", "let go", "delete", "other kind", "check"]),
        names,
        numbers,
    ),
    max_size=60,
)


@settings(max_examples=400)
@given(steps, st.booleans())
def test_it_says_what_a_look_at_all_objects_finds(sequence: list[tuple[str, str, int]], early: bool) -> None:
    model = Model()
    cache = model.cache
    if early:  # the index is there from the beginning, and has to keep up
        cache.members_of("t0")
    for what, name, number in sequence:
        above = ABOVE.get(name[0])
        owner = f"{above}{number}"
        if name in cache.deleted_ids or owner in cache.deleted_ids:
            continue
        if what == "take":
            model.take(name)
        elif what == "link" and above:  # by a response, or a write of our own
            obj = model.take(name)
            cache.put(obj, owner_field(type(obj)), owner)
            model.links[name] = owner
        elif what == "unload" and above:
            obj = model.take(name)
            cache.put(obj, owner_field(type(obj)), NOT_LOADED)
            model.links[name] = NOT_LOADED
        elif what == "list" and above:  # by a listing of its owner, who may be another one than before
            parent = model.take(owner)
            field: Any = type(parent).fields["branches" if above == "t" else "leaves"]
            rows = [{"id": f"{name[0]}{n}", "label": "x", "length": 1} for n in {number, int(name[1])}]
            rows = [row for row in rows if row["id"] not in cache.deleted_ids]
            kind = KINDS[name[0]]
            members = basic(kind).listed(cache, parent, field, basic(kind), rows, cache.clock)
            for one in members:
                model.held[one.id] = one
                model.links[one.id] = owner
        elif what == "let go":
            model.let_go(name)
            gc.collect(0)
        elif what == "delete" and cache.peek(name) is not None:
            cache.mark_deleted(model.take(name))
            model.let_go(name)
        elif what == "other kind" and cache.peek(name) is not None:
            model.former.append(model.take(name))
            cache.objects.drop(name)  # the id was taken for another kind's
            model.let_go(name)
        elif what == "check" and name[0] in "tb":
            model.check_below(model.take(name))
        if early:
            model.check(owner if above else name)
    for n in range(4):
        for kind in "tb":
            model.check(f"{kind}{n}")
            if f"{kind}{n}" not in cache.deleted_ids:
                model.check_below(model.take(f"{kind}{n}"))


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids that the index looks at from now on."""
    looked: list[str] = []
    living, file = OwnerIndex._living, OwnerIndex._file

    def look(self: OwnerIndex, identity: str, ref: Any) -> Any:
        looked.append(identity)
        return living(self, identity, ref)

    def filed(self: OwnerIndex, obj: Entity, ref: Any) -> None:
        looked.append(obj.id)
        file(self, obj, ref)

    monkeypatch.setattr(OwnerIndex, "_living", look)
    monkeypatch.setattr(OwnerIndex, "_file", filed)
    return looked


def test_a_walk_makes_no_index_and_a_write_looks_at_what_came_since(monkeypatch: pytest.MonkeyPatch) -> None:
    with StoreSource(forest(200, 5, 5)) as source:
        engine = engine_of(source)
        cache = engine.cache
        trees = [cache.get(Tree, f"t{n}") for n in range(200)]
        leaves = [leaf for tree in trees for branch in tree.branches for leaf in branch.leaves]
        assert len(leaves) == 5000
        assert cache._owner_index is None
        assert cache.objects.noted is None
        cache.members_of("t0")
        looked = counted(monkeypatch)
        for tree in trees:
            assert len(cache.members_of(tree.id)) == 5
        assert len(looked) == 5 * 200
        looked.clear()
        for tree in trees:
            assert len(cache._below(tree, [Branch, Leaf])) == 30
        assert len(looked) == 30 * 200
        looked.clear()
        tree = cache.get(Tree, "t7")
        engine.refresh(tree)
        assert len(list(tree.branches)) == 5
        assert {one.id for one in cache.members_of("t7")} == {f"t7b{n}" for n in range(5)}
        assert len(looked) < 100


def test_what_was_let_go_of_does_not_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream creates and lets go of any number of objects, and a write comes now and then."""
    cache = Cache()
    held = [cache.get(Branch, f"kept{n}") for n in range(10)]
    for number in range(20_000):
        branch = cache.get(Branch, f"b{number}")
        cache.put(branch, Branch.fields["tree"], f"t{number}")
        del branch
        if number % 100 == 0 and number % 10_000 < 2000:
            assert cache.members_of(f"t{number}") == []
            assert len(cache.without_owner(Branch)) == len(held)
            assert cache.objects.of_kind(Branch) == held
        index = cache._owner_index
        assert index is not None
        assert len(index._filed) <= 2048
        assert len(index._members) <= 2048
        assert len(cache.objects.noted or ()) <= 2048
        assert sum(map(len, (cache.objects._kinds or {}).values())) <= 2048


def test_an_id_that_was_taken_for_another_kind() -> None:
    cache = Cache()
    branch = cache.get(Branch, "x")
    assert cache.objects.of_kind(Branch) == [branch]
    leaf = Leaf("x")
    cache.objects.put(leaf)
    assert cache.objects.of_kind(Branch) == []
    assert cache.objects.of_kind(Branch, Leaf) == [leaf]
