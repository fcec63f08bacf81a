"""The index of owners: what it says is what a look at all living objects finds, and it looks at few."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import full_scan
from support.trees import Branch, Leaf, StoreSource, Tree, engine_of, forest

from moveshelf.lazy import owners
from moveshelf.lazy.cache import Cache, loaded_collection, loaded_value
from moveshelf.lazy.engine import Engine, kinds_below
from moveshelf.lazy.entity import Entity
from moveshelf.lazy.fields import Many
from moveshelf.lazy.owners import OwnerIndex, owner_field
from moveshelf.lazy.registry import ENTITIES
from moveshelf.lazy.selection import basic
from moveshelf.lazy.state import NOT_LOADED
from moveshelf.operations import commands
from moveshelf.operations.additions import by_date
from moveshelf.operations.deletion import mark_deleted

if TYPE_CHECKING:
    from moveshelf import Moveshelf
    from moveshelf.sandbox import Sandbox

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
        index = self.cache._owners()
        parts = [index._all_living(part) for part in index._unowned.values()]
        unowned = {one.id for part in parts for one in part}
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
            assert len(cache._owners()._all_living(cache._owners()._unowned[Branch])) == len(held)
            assert cache.objects.of_kind(Branch) == held
        index = cache._owner_index
        assert index is not None
        assert len(index._owner_of) <= 2048
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


# the library's own classes -----------------------------------------------------------------------------------------------
#: the class of what is below an object of a class, and the collection that holds it
BELOW = {"Subject": ("sessions", "Session"), "Session": ("clips", "Clip"), "Clip": ("files", "DataFile")}


class World:
    """A service of two projects in a few dictionaries, and a client's cache that holds what was listed of it."""

    def __init__(self) -> None:
        self.engine: Engine = engine_of(None)
        self.cache = self.engine.cache
        #: id -> (class, name or path, owner's id); subjects 0 and 1 have one folder
        self.rows: dict[str, tuple[str, str, str]] = {}
        for p in range(2):
            for s in range(3):
                subject = f"p{p}s{s}"
                self.rows[subject] = ("Subject", f"S{max(s, 1)}", f"p{p}")
                for t in range(2):
                    session = f"{subject}t{t}"
                    self.rows[session] = ("Session", f"/S{max(s, 1)}/v{t}/", subject)
                    for c in range(2):
                        clip = f"{session}c{c}"
                        self.rows[clip] = ("Clip", f"/S{max(s, 1)}/v{t}/bare/", session)
                        self.rows[f"{clip}f"] = ("DataFile", "a.json", clip)
        #: what a reader holds
        self.held: dict[str, Any] = {f"p{p}": self.cache.get(ENTITIES["Project"], f"p{p}") for p in range(2)}

    def ids(self, kind: str) -> list[str]:
        return [one for one, row in self.rows.items() if row[0] == kind]

    def living(self, *kinds: str) -> list[Any]:
        return sorted(
            (one for one in self.cache.objects if type(one).__name__ in kinds), key=lambda one: str(one.id)
        )

    def row(self, identity: str) -> dict[str, Any]:
        kind, text, _ = self.rows[identity]
        wire = "name" if kind == "Subject" else "originalFileName" if kind == "DataFile" else "projectPath"
        return {"id": identity, wire: text}

    def list(self, owner: Any, name: str, ids: list[str], hold: bool) -> None:
        """The service's response to a listing."""
        field = type(owner).fields[name]
        assert isinstance(field, Many)
        selection = basic(field.target)
        rows = [self.row(one) for one in ids]
        with self.cache.lock:
            items = selection.listed(self.cache, owner, field, selection, rows, self.cache.clock)
            field.collection(owner)._fill(items)
        if hold:
            self.held.update((one.id, one) for one in items)

    # the steps: each a choice among what there is -----------------------------------------------------------------
    def list_below(self, pick: random.Random) -> None:
        if found := self.living(*BELOW):
            owner = pick.choice(found)
            name, kind = BELOW[type(owner).__name__]
            members = [one for one in self.ids(kind) if self.rows[one][2] == owner.id]
            self.list(owner, name, members, pick.random() < 0.5)

    def list_project(self, pick: random.Random) -> None:
        project = pick.choice(["p0", "p1"])
        name, kind = pick.choice([("subjects", "Subject"), ("sessions", "Session"), ("clips", "Clip")])
        members = [one for one in self.ids(kind) if one.startswith(project)]
        self.list(self.held[project], name, members, pick.random() < 0.5)

    def get(self, pick: random.Random) -> None:
        identity = pick.choice(list(self.rows))
        obj = self.cache.get(ENTITIES[self.rows[identity][0]], identity)
        if not obj.is_deleted:
            self.held[identity] = obj

    def populate(self, pick: random.Random) -> None:
        if found := self.living("Subject", "Session", "Clip", "DataFile"):
            obj = pick.choice(found)
            with self.cache.lock:
                basic(type(obj)).populate(self.cache, obj, self.row(obj.id), self.cache.clock)

    def link(self, pick: random.Random) -> None:
        """The owner was found by another way, or found to be none."""
        if found := self.living("Session", "Clip", "DataFile"):
            obj = pick.choice(found)
            field = owners.owner_field(type(obj))
            value = pick.choice([self.rows[obj.id][2], self.rows[obj.id][2], None])
            self.cache.put(obj, field, None if type(obj).__name__ == "DataFile" else value)

    def move(self, pick: random.Random) -> None:
        """Somebody else put a trial into another session."""
        clip, session = pick.choice(self.ids("Clip")), pick.choice(self.ids("Session"))
        self.rows[clip] = ("Clip", self.rows[session][1] + "bare/", session)

    def let_go(self, pick: random.Random) -> None:
        for one in pick.sample(sorted(self.held), len(self.held) // 2):
            if len(one) > 2:
                del self.held[one]
        if pick.random() < 0.5:
            self.cache.release()
        gc.collect()

    def let_go_of_lists(self, pick: random.Random) -> None:
        if found := self.living("Project", *BELOW):
            for field in type(obj := pick.choice(found)).fields.values():
                if isinstance(field, Many):
                    self.cache.unload(obj, field)
            gc.collect()

    def refresh(self, pick: random.Random) -> None:
        if found := self.living("Subject", "Session", "Clip", "DataFile"):
            obj = pick.choice(found)
            self.engine.forget(obj)
            if pick.random() < 0.7:
                basic(type(obj)).populate(self.cache, obj, self.row(obj.id), self.cache.clock)

    def rename(self, pick: random.Random) -> None:
        found = [one for one in self.living("Session") if one.is_loaded("path")]
        if not found:
            return
        session = pick.choice(found)
        expected = full_scan.renamed_with(self.cache, session)
        before = {one.id: one._path for one in self.living("Clip")}
        name = f"n{pick.randrange(3)}x"
        old = session.path
        session._move_to(self.cache, name)
        moved = {one.id for one in self.living("Clip") if one._path != before[one.id]}
        assert moved == (expected if session.path != old else set())

    def delete(self, pick: random.Random) -> None:
        found = self.living("Subject", "Session", "Clip", "DataFile")
        if not found:
            return
        roots = pick.sample(found, min(len(found), pick.choice([1, 1, 1, 2])))
        ids, reread = full_scan.deleted_with(self.cache, roots)
        lists = [loaded_collection(self.held[one], "sessions") for one in reread]
        deleted = mark_deleted(self.cache, roots)
        assert {one.id for one in deleted} == ids
        assert all(one.is_deleted for one in deleted)
        assert not any(one is not None and one._is_loaded() for one in lists)
        for one in ids:
            self.held.pop(one, None)

    def check(self) -> None:
        """The index agrees with a look at everything."""
        for root in self.living(*BELOW):
            kinds = kinds_below(one.target for one in type(root).fields.values() if isinstance(one, Many))
            found = {one.id for one in self.cache._below(root, kinds)}
            most = full_scan.below(self.cache, root, kinds)
            assert found <= most
            # what a dead owner belonged to may be remembered, and need not
            assert found >= full_scan.below(self.cache, root, kinds, lost=False)
            link = BELOW[type(root).__name__]
            expected = {
                one.id for one in self.living(link[1]) if owners.owner_field(type(one)).read(one) == root.id
            }
            assert {one.id for one in self.cache.members_of(root.id)} == expected


STEPS = (
    *("list_below", "list_below", "list_project", "get", "populate", "link", "link"),
    *("move", "let_go", "let_go_of_lists", "refresh", "rename", "delete"),
)
choices: Any = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 10_000)), min_size=8, max_size=40)


@given(choices, st.sampled_from([1, 1, 4]), st.booleans())
def test_the_index_finds_what_a_look_at_everything_finds(
    steps: list[tuple[str, int]], every: int, small: bool
) -> None:
    gc.freeze()  # what the other tests have left is looked at by no collection here: there may be much
    try:
        world = World()
        if small:
            world.cache.objects._limit = 8  # dead entries are removed often
        world.list_project(random.Random(0))
        for number, (name, seed) in enumerate(steps):
            getattr(world, name)(random.Random(seed))
            if number % every == 0:
                world.check()
        world.check()
    finally:
        gc.unfreeze()


# what tells the index of a change ----------------------------------------------------------------------------------------
@pytest.fixture
def world() -> World:
    """A world whose index has been made, and whose objects are held."""
    world = World()
    project = world.held["p0"]
    world.list(project, "clips", [one for one in world.ids("Clip") if one.startswith("p0")], hold=True)
    world.cache.members_of("p0s0t0")
    return world


def test_a_trial_that_is_listed_in_another_session_is_found_there(world: World) -> None:
    first, second = (world.cache.get(ENTITIES["Session"], one) for one in ("p0s0t0", "p0s0t1"))
    world.list(first, "clips", ["p0s0t0c0"], hold=True)
    clip = world.held["p0s0t0c0"]
    assert world.cache.members_of(first.id) == [clip]
    assert not world.cache.writes, "the way of a walk without writes"
    world.list(second, "clips", ["p0s0t0c0"], hold=True)
    assert world.cache.members_of(first.id) == []
    assert world.cache.members_of(second.id) == [clip]


def test_an_owner_that_was_found_later_is_known(world: World) -> None:
    clip = world.held["p0s0t0c0"]
    assert world.cache.members_of("p0s0t0") == []
    world.cache.put(clip, ENTITIES["Clip"].fields["session"], "p0s0t0")
    assert world.cache.members_of("p0s0t0") == [clip]
    world.cache.unload(clip, ENTITIES["Clip"].fields["session"])
    assert world.cache.members_of("p0s0t0") == []


def test_an_owner_that_a_resolver_finds_is_known(shared: Sandbox, ms: Moveshelf) -> None:
    project = ms.projects[shared.generate(subjects=2, sessions=1, clips=2, files=1)]
    clip, cache = project.clips[0], ms._engine.cache
    subject = project.subjects[0]
    session = subject.sessions[0]
    assert cache.members_of(session.id) == []
    assert clip.session is session
    assert cache.members_of(session.id) == [clip]


def test_an_object_that_was_linked_by_a_response_to_a_query_by_id_is_found(
    shared: Sandbox, ms: Moveshelf
) -> None:
    project = ms.projects[shared.generate(subjects=2, sessions=1, clips=2, files=1)]
    session, cache = project.sessions[0], ms._engine.cache
    assert not session.is_loaded("subject")
    cache.members_of(session.id)
    subject = session.subject
    assert cache.members_of(subject.id) == [session]


def test_folders_follow_what_was_written_and_read(world: World) -> None:
    clip, kind = world.held["p0s0t0c0"], ENTITIES["Clip"]

    def places() -> list[str | None]:
        return [one for one in ("S1", "S2", "new", None) if clip in world.cache.in_folder(kind, one)]

    assert places() == ["S1"]
    world.cache.put(clip, kind.fields["path"], "/new/v0/")
    assert places() == ["new"]
    world.cache.unload(clip, kind.fields["path"])
    assert places() == [None]
    row = {"id": clip.id, "projectPath": "/S2/v0/"}
    basic(kind).populate(world.cache, clip, row, world.cache.clock)
    assert places() == ["S2"]
    world.rows[clip.id] = ("Clip", "/S1/v0/", "p0s0t0")
    world.list(world.held["p0"], "clips", [clip.id], hold=False)
    assert places() == ["S1"]


def test_a_dead_owner_whose_own_owner_nobody_knows_may_be_below_everything(world: World) -> None:
    clip = world.held["p0s0t0c0"]
    world.list(clip, "files", ["p0s0t0c0f"], hold=True)
    file = world.held["p0s0t0c0f"]
    sessions = [world.cache.get(ENTITIES["Session"], one) for one in ("p0s0t0", "p1s0t0")]
    kinds = kinds_below([ENTITIES["Clip"]])
    world.cache.members_of(clip.id)
    world.cache.unload(world.held["p0"], ENTITIES["Project"].fields["clips"])
    del world.held["p0s0t0c0"], clip
    world.cache.release()
    gc.collect()
    assert world.cache.peek("p0s0t0c0") is None
    assert all(file in world.cache._below(one, kinds) for one in sessions)


def test_an_owner_whose_own_owner_was_unloaded_before_it_died_may_be_below_everything(world: World) -> None:
    clip = world.held["p0s0t0c0"]
    world.list(clip, "files", ["p0s0t0c0f"], hold=True)
    session, other = (world.cache.get(ENTITIES["Session"], one) for one in ("p0s0t0", "p1s0t0"))
    world.list(session, "clips", [clip.id], hold=True)
    kinds = kinds_below([ENTITIES["Clip"]])
    assert world.held["p0s0t0c0f"] not in world.cache._below(other, kinds)
    world.engine.forget(clip)
    world.cache.members_of(session.id)
    for owner, name in ((world.held["p0"], "clips"), (session, "clips")):
        world.cache.unload(owner, type(owner).fields[name])
    del world.held["p0s0t0c0"], clip
    world.cache.release()
    gc.collect()
    assert world.cache.peek("p0s0t0c0") is None
    assert world.held["p0s0t0c0f"] in world.cache._below(other, kinds)


# how many objects a write looks at --------------------------------------------------------------------------------------
def large(subjects: int, listed_by_project: bool = False) -> tuple[Engine, dict[str, list[Any]]]:
    """Subjects with two sessions of four trials, each with a file, and all of them held."""
    engine = engine_of(None)
    cache = engine.cache
    all_of: dict[str, list[Any]] = {"Project": [cache.get(ENTITIES["Project"], "p")]}
    project = all_of["Project"][0]

    def fill(owner: Any, name: str, rows: list[dict[str, Any]]) -> list[Any]:
        field = type(owner).fields[name]
        items = basic(field.target).listed(cache, owner, field, basic(field.target), rows, cache.clock)
        field.collection(owner)._fill(items)
        all_of.setdefault(field.target.__name__, []).extend(items)
        return items

    people = fill(project, "subjects", [{"id": f"s{n}", "name": f"S{n}"} for n in range(subjects)])
    if listed_by_project:
        paths = [(f"s{n}t{t}", f"/S{n}/v{t}/") for n in range(subjects) for t in range(2)]
        fill(project, "sessions", [{"id": one, "projectPath": path} for one, path in paths])
        rows = [{"id": f"{one}c{c}", "projectPath": f"{path}bare/"} for one, path in paths for c in range(4)]
        fill(project, "clips", rows)
        return engine, all_of
    for n, subject in enumerate(people):
        rows = [
            {"id": f"s{n}t{t}", "projectPath": f"/S{n}/v{t}/", "date": f"2024-01-0{t + 1}"} for t in range(2)
        ]
        for session in fill(subject, "sessions", rows):
            path = f"{session.path}bare/"
            for clip in fill(
                session, "clips", [{"id": f"{session.id}c{c}", "projectPath": path} for c in range(4)]
            ):
                fill(clip, "files", [{"id": f"{clip.id}f", "originalFileName": "a.json"}])
    return engine, all_of


def _populate_by_id(engine: Engine, clip: Any) -> None:
    path = clip.path
    engine.forget(clip)
    basic(type(clip)).populate(engine.cache, clip, {"id": clip.id, "projectPath": path}, engine.cache.clock)


def _set_date(engine: Engine, session: Any) -> None:
    for owner in engine.cache.owners([session], "subject", "project"):
        members = loaded_collection(owner, "sessions")
        if members is not None:
            members._reorder(session, by_date)


def _delete_refreshed(engine: Engine, clip: Any) -> None:
    _populate_by_id(engine, clip)
    mark_deleted(engine.cache, [clip])


#: a write: the class of its object, what it does to the cache
WRITES: dict[str, tuple[str, Callable[[Engine, Any], object]]] = {
    **{
        f"delete {kind}": (kind, lambda engine, obj: mark_deleted(engine.cache, [obj]))
        for kind in ("Subject", "Session", "Clip", "DataFile")
    },
    **{
        f"refresh {kind}": (kind, lambda engine, obj: engine.forget(obj))
        for kind in ("Subject", "Session", "Clip", "DataFile")
    },
    "refresh and delete Clip": ("Clip", _delete_refreshed),
    "rename Session": ("Session", lambda engine, obj: obj._move_to(engine.cache, "renamed")),
    "update Session": (
        "Session",
        lambda engine, obj: list(commands._updated_session(engine.cache, {"sessionId": obj.id})),
    ),
    "set_date Session": ("Session", _set_date),
    "move Clip": (
        "Clip",
        lambda engine, obj: list(
            commands._updated_clip(
                engine.cache, {"input": {"id": obj.id, "metadata": {"projectPath": "/S1/v1/"}}}
            )
        ),
    ),
    "create Clip": (
        "Session",
        lambda engine, obj: list(
            commands._created_clips(
                engine.cache, {"input": {"project": "p", "clips": [{"metadata": {"projectPath": obj.path}}]}}
            )
        ),
    ),
}


class Counted:
    """Counts the looks at living objects: calls of their weak references."""

    def __init__(self, engine: Engine) -> None:
        self.count = 0
        objects = engine.cache.objects
        for parts in [objects.refs, *(objects._kinds or {}).values(), *_tables(engine)]:
            for key, ref in list(parts.items()):
                parts[key] = self._wrapped(ref)

    def _wrapped(self, ref: Any) -> Any:
        known = self.__dict__.setdefault("_known", {})
        if ref not in known:

            def look() -> Any:
                self.count += 1
                return ref()

            known[ref] = look
        return known[ref]


def _tables(engine: Engine) -> list[dict[Any, Any]]:
    index: Any = getattr(engine.cache, "_owner_index", None)
    if index is None:
        return []
    folders = [part for parts in index._folders.values() for part in parts.values()]
    return [*index._members.values(), *index._unowned.values(), *folders]


def looks(engine: Engine, act: Callable[[], object]) -> int:
    """How many living objects a write looks at, the index having been made by an earlier one."""
    counted = Counted(engine)
    act()
    return counted.count


def looks_of(name: str, subjects: int, listed_by_project: bool) -> int:
    kind, write = WRITES[name]
    engine, all_of = large(subjects, listed_by_project)
    engine.cache.members_of("s0")  # makes the index
    if not listed_by_project:
        write(engine, all_of[kind][0])
    engine.cache.objects.of_kind(ENTITIES["Norm"])
    return looks(engine, lambda: write(engine, all_of[kind][-1]))


@pytest.mark.parametrize("name", WRITES)
def test_a_write_looks_at_no_more_objects_where_more_live(name: str) -> None:
    few, many = looks_of(name, 20, False), looks_of(name, 1100, False)
    assert many <= few + 10
    assert many < 150


@pytest.mark.parametrize(
    "name", ["delete Clip", "refresh Clip", "rename Session", "update Session", "move Clip", "create Clip"]
)
def test_the_same_for_what_its_project_has_listed(name: str) -> None:
    """Sessions and trials that do not know their owners are found by their folders."""
    few, many = looks_of(name, 20, True), looks_of(name, 1100, True)
    if name == "rename Session":  # its subject may be any of them, as long as it is not known
        few, many = few - 20, many - 1100
    assert many <= few + 10


# memory -------------------------------------------------------------------------------------------------------------------
def entries(engine: Engine) -> int:
    objects = engine.cache.objects
    index: Any = engine.cache._owner_index
    return sum(
        [
            len(objects.refs),
            len(objects.noted or ()),
            len(index._owner_of),
            len(index._folder_of),
            *map(len, _tables(engine)),
            *map(len, index._unfiled.values()),
        ]
    )


@pytest.mark.parametrize("written", [False, True])
def test_a_stream_does_not_let_the_index_grow(written: bool) -> None:
    """Objects come and die by the thousand, with a write now and then or with none after the first."""
    engine = engine_of(None)
    cache = engine.cache
    kept = cache.get(ENTITIES["Session"], "kept")
    most = 0
    for number in range(20_000):
        clip: Any = cache.get(ENTITIES["Clip"], f"c{number}")
        cache.put(clip, ENTITIES["Clip"].fields["session"], f"s{number // 8}")
        if number % 1000 == 0 and (written or number == 0):
            engine.forget(kept)
        most = max(most, entries(engine)) if number % 100 == 0 else most
    del clip
    assert most < 16_000


def test_the_same_few_ids_over_and_over_do_not_let_the_notes_grow() -> None:
    engine = engine_of(None)
    engine.cache.members_of("s0")
    for number in range(10_000):
        engine.cache.get(ENTITIES["Clip"], f"c{number % 5}")
    assert entries(engine) < 2_000


def test_what_is_created_and_deleted_leaves_nothing_in_the_index() -> None:
    engine = engine_of(None)
    cache = engine.cache
    for number in range(10_000):
        clip: Any = cache.get(ENTITIES["Clip"], f"c{number}")
        cache.put(clip, ENTITIES["Clip"].fields["session"], "s0")
        if number % 10 == 0:
            cache.members_of("s0")
        cache.mark_deleted(clip)
        del clip
    assert entries(engine) < 8_000


def test_the_index_holds_nothing_alive_and_is_not_made_by_reading() -> None:
    engine, all_of = large(3)
    cache = engine.cache
    assert cache._owner_index is None
    assert cache.objects.noted is None
    cache.members_of("s0")
    cache.release()
    all_of.clear()
    gc.collect()
    assert len(cache.objects) == 0
    assert cache.members_of("s0") == []
