"""The cache: one object per id, and what our own writes do to what was read."""

from __future__ import annotations

import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.racing import overtake
from support.trees import Branch, Leaf, StoreSource, Tree, engine_of, forest

from moveshelf.errors import DeletedError, NotFoundError
from moveshelf.lazy.cache import HELD, Cache, loaded_collection, loaded_value
from moveshelf.lazy.engine import Engine
from moveshelf.lazy.state import NOT_LOADED, PrefetchMarker

if TYPE_CHECKING:
    from moveshelf import Moveshelf, Project
    from moveshelf.sandbox import Sandbox


def test_one_object_per_id_is_held_weakly(demo: Sandbox) -> None:
    with demo.connect() as ms:
        project = ms.projects["lab/demo"]
        subject = project.subjects[0]
        assert ms.subject(subject.id) is subject
        assert subject.sessions[0].subject is subject
        assert subject.sessions[0].project is project
        assert ms.session(subject.sessions[0].id) is subject.sessions[0]
        file = ms.projects["lab/demo"].subjects[1].sessions[0].clips[0].files[0]
        reference = weakref.ref(project)
        gc.disable()
        try:
            del project, subject
            ms._account.refresh()
            assert reference() is None
            assert file.clip.session.subject.project.name == "lab/demo"
        finally:
            gc.enable()


def test_everything_is_freed_without_the_cycle_collector(sandbox: Sandbox) -> None:
    name = sandbox.generate(subjects=20, sessions=3, clips=3, files=2)
    gc.collect()
    gc.disable()
    try:
        ms = sandbox.connect()
        refs = []
        for subject in ms.projects[name].subjects:
            refs.append(weakref.ref(subject))
            assert subject.metadata is not None
            for session in subject.sessions:
                refs.append(weakref.ref(session))
                assert session.subject is subject
                for clip in session.clips:
                    refs.append(weakref.ref(clip))
                    refs += [weakref.ref(file) for file in clip.files]
        for session in ms.projects[name].sessions:
            assert session.subject.name
        assert all(ref() is not None for ref in refs)
        assert len(refs) == 20 + 60 + 180 + 360
        engine = weakref.ref(ms._engine)
        del subject, session, clip
        ms.close()
        del ms
        assert sum(ref() is not None for ref in refs) == 0
        assert engine() is None
    finally:
        gc.enable()


def test_a_response_older_than_a_write_does_not_replace_its_value(
    shared: Sandbox, ms: Moveshelf, empty_project: Project
) -> None:
    subject = empty_project.create_subject("A")
    session = subject.create_session("s")
    clip = session.create_clip("t", "Barefoot")
    for text in ("one", "two"):
        new = {"description": text}
        ms._engine.cache.unload(subject, type(subject).fields["stored"])
        ms._engine.cache.unload(session, type(session).fields["stored"])
        ms._engine.cache.unload(clip, type(clip).fields["description"])
        of_subject, of_session = {"subject-notes": text}, {"session-clinician": text}
        assert overtake(
            shared,
            partial(subject.update_metadata, of_subject),
            SubjectStored=lambda: subject.metadata,
        ) == [of_subject]
        assert overtake(
            shared,
            partial(session.update_metadata, of_session),
            SessionStored=lambda: session.metadata,
        ) == [of_session]
        assert overtake(shared, partial(clip.update, **new), ClipDescription=lambda: clip.description) == [
            text
        ]


def test_a_listing_older_than_a_write_does_not_hide_a_new_member(
    shared: Sandbox, ms: Moveshelf, empty_project: Project
) -> None:
    subject = empty_project.create_subject("A")
    session = subject.create_session("s")
    ms._engine.cache.unload(empty_project, type(empty_project).fields["subjects"])

    def another(n: int) -> None:
        ms.execute(
            "mutation($p: String!, $n: String!) { createPatient(projectId: $p, name: $n) { patient { id } } }",
            {"p": empty_project.id, "n": f"B{n}"},
        )
        ms._engine.cache.invalidate((empty_project.id, "subjects"))

    assert overtake(shared, lambda: another(1), ProjectSubjects=empty_project.subjects.names) == [["A", "B1"]]
    ms._engine.cache.unload(session, type(session).fields["clips"])
    made = session.create_clip("t", "Barefoot")
    ms._engine.cache.unload(session, type(session).fields["clips"])
    paths = overtake(
        shared, lambda: session.rename("renamed"), SessionClips=lambda: [one.path for one in session.clips]
    )
    assert paths == [["/A/renamed/Barefoot/"]]
    assert made.path == "/A/renamed/Barefoot/"


def test_a_listing_of_a_project_older_than_a_write(
    shared: Sandbox, ms: Moveshelf, empty_project: Project
) -> None:
    session = empty_project.create_subject("A").create_session("s")
    first = session.create_clip("first", "Barefoot")
    titles = overtake(
        shared,
        lambda: session.create_clip("second", "Barefoot"),
        ProjectClips=lambda: empty_project.clips.names(),
    )
    assert titles == [["first", "second"]]
    ms._engine.cache.unload(empty_project, type(empty_project).fields["clips"])
    assert overtake(shared, first.delete, ProjectClips=lambda: empty_project.clips.names()) == [["second"]]


# the cache alone -------------------------------------------------------------------------------------------------------
@pytest.fixture
def engine() -> Engine:
    """An engine without a source."""
    return engine_of(None)


def test_get_returns_one_object_per_id() -> None:
    engine = engine_of(None)
    tree = engine.cache.get(Tree, "t0")
    assert engine.cache.get(Tree, "t0") is tree is engine.cache.peek("t0")
    assert tree._engine is engine
    assert not tree.is_loaded("name")
    assert engine.cache.peek("t1") is None
    with pytest.raises(NotFoundError, match="'t0' is the id of a Tree, not of a Branch"):
        engine.cache.get(Branch, "t0")


def test_objects_are_held_weakly_and_come_back_unloaded() -> None:
    engine = engine_of(None)
    gc.disable()
    try:
        tree = engine.cache.get(Tree, "t0")
        engine.cache.put(tree, Tree.fields["name"], "oak")
        del tree
        assert engine.cache.peek("t0") is None
        assert not engine.cache.get(Tree, "t0").is_loaded("name")
    finally:
        gc.enable()


def test_held_objects_are_released_in_order() -> None:
    engine = engine_of(None)
    cache = engine.cache
    gc.disable()
    try:
        for number in range(HELD + 1):
            cache.hold(cache.get(Tree, f"t{number}"))
        assert cache.peek("t0") is None
        assert cache.peek("t1") is not None
        cache.release()
        assert len(cache.objects) == 0
    finally:
        gc.enable()


def test_the_cache_does_not_keep_its_engine() -> None:
    engine = engine_of(None)
    cache = engine.cache
    assert cache.engine is engine
    gc.disable()
    try:
        del engine
        assert cache.engine is None
    finally:
        gc.enable()
    assert Cache().engine is None


def test_put_and_unload(engine: Engine) -> None:
    cache = engine.cache
    tree = cache.get(Tree, "t0")
    cache.put(tree, Tree.fields["name"], None)
    assert tree.name is None, "null is a value"
    cache.unload(tree, Tree.fields["name"])
    assert not tree.is_loaded("name")
    tree.branches._fill([])
    assert tree.is_loaded("branches")
    held = tree.branches
    cache.unload(tree, Tree.fields["branches"])
    assert tree.branches is held, "a collection stays the same object"
    assert not tree.is_loaded("branches")


def test_put_over_a_prefetched_value_leaves_its_window(engine: Engine) -> None:
    class Batch:
        left = 0

        def leave_window(self) -> None:
            self.left += 1

    cache = engine.cache
    tree, batch = cache.get(Tree, "t0"), Batch()
    field = Tree.fields["name"]
    setattr(tree, field.slot, PrefetchMarker("old", batch))
    cache.put(tree, field, "new")
    assert (tree.name, batch.left) == ("new", 1)
    setattr(tree, field.slot, PrefetchMarker("old", batch))
    cache.unload(tree, field)
    assert batch.left == 2


keys: Any = st.sampled_from(["a", "b", ("a", "branches"), ("b", "branches")])


@given(st.lists(keys | st.just("read"), max_size=40))
def test_a_read_is_stale_where_a_write_came_after_its_start(steps: list[Any]) -> None:
    cache = Cache()
    reads: list[tuple[int, set[Any]]] = []
    for step in steps:
        if step == "read":
            reads.append((cache.clock, set()))
        else:
            cache.invalidate(step)
            for _, written in reads:
                written.add(step)
    for clock, written in reads:
        for key in ("a", "b", ("a", "branches"), ("b", "branches")):
            assert cache.is_stale(key, clock) is (key in written)
    for key in ("a", ("a", "branches")):
        assert not cache.is_stale(key, cache.clock), "a read that begins now is fresh"


def test_reload_unloads_the_named_fields_only(engine: Engine) -> None:
    cache = engine.cache
    branch = cache.get(Branch, "b0")
    for name, value in (("name", "B"), ("length", 3), ("tree", "t0")):
        cache.put(branch, Branch.fields[name], value)
    branch.leaves._fill([])
    clock = cache.clock
    cache.reload((branch, ["length", "leaves", "no such field"]), (None, ["name"]))
    loaded = {name for name in Branch.fields if branch.is_loaded(name)}
    assert loaded == {"name", "tree"}
    assert cache.is_stale("b0", clock)
    assert cache.is_stale(("b0", "leaves"), clock)
    clock = cache.clock
    cache.reload((branch, ["leaves"]))
    assert cache.is_stale(("b0", "leaves"), clock)
    assert not cache.is_stale("b0", clock), "the object's other fields stay believed"


def test_a_deleted_object_refuses_use_for_ever(engine: Engine) -> None:
    cache = engine.cache
    tree = cache.get(Tree, "t0")
    cache.put(tree, Tree.fields["name"], "oak")
    branches = tree.branches
    branches._fill([])
    unread = cache.get(Tree, "t1")
    for one in (tree, unread):
        cache.mark_deleted(one)
        assert one.is_deleted
        with pytest.raises(DeletedError, match=one.id):
            one.name
        with pytest.raises(DeletedError):
            one.refresh()
        assert cache.is_stale(one.id, cache.clock), "no response brings it back"
        assert cache.peek(one.id) is None
        assert cache.get(Tree, one.id).is_deleted
    with pytest.raises(DeletedError):
        len(branches)
    cache.put(tree, Tree.fields["name"], "elm")
    with pytest.raises(DeletedError):
        tree.name


def test_owners(engine: Engine) -> None:
    cache = engine.cache
    trees = [cache.get(Tree, f"t{n}") for n in range(3)]
    leaf = cache.get(Leaf, "l0")
    assert cache.owners([leaf], "tree") == trees, "any may be its owner while the link is not loaded"
    cache.put(leaf, Leaf.fields["tree"], "t1")
    assert cache.owners([leaf], "tree") == [trees[1]]
    assert cache.owners([leaf], "name", "no such field") == []
    cache.put(leaf, Leaf.fields["tree"], None)
    assert cache.owners([leaf], "tree") == []
    cache.put(leaf, Leaf.fields["tree"], "t9")
    assert cache.owners([leaf], "tree") == [], "an owner that is not in memory holds nothing"
    assert cache.owners([], "tree") == []


def test_reading_what_is_loaded(engine: Engine) -> None:
    cache = engine.cache
    tree = cache.get(Tree, "t0")
    assert loaded_value(tree, "name") is NOT_LOADED
    assert loaded_collection(tree, "branches") is None
    assert loaded_collection(None, "branches") is None
    cache.put(tree, Tree.fields["name"], PrefetchMarker("oak", None))
    assert loaded_value(tree, "name") == "oak"
    branches = tree.branches
    assert loaded_collection(tree, "branches") is branches
    cache.mark_deleted(tree)
    assert loaded_value(tree, "name") is NOT_LOADED
    assert loaded_collection(tree, "branches") is None


def test_a_deleted_object_is_not_fetched() -> None:
    with StoreSource(forest(1)) as source:
        engine = engine_of(source)
        tree = engine.cache.get(Tree, "t0")
        source.gate.clear()
        sent = threading.Event()
        source.on_fetch = sent.set
        with ThreadPoolExecutor(1) as pool:
            reader = pool.submit(lambda: tree.name)
            sent.wait()
            engine.cache.mark_deleted(tree)
            source.gate.set()
            with pytest.raises(DeletedError):
                reader.result()
