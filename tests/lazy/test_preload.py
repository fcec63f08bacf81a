"""load("sessions.clips.files"): several levels in few requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.growing import walk
from support.trees import Branch, Leaf, StoreSource, Tree, engine_of, forest
from support.walks import LARGE, LEAST, SMALL, nested_loops, request_count

import moveshelf
from moveshelf.errors import NotFoundError, RequestError, ValidationError
from moveshelf.lazy.preload import PROBE, TARGET, parse

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox


def test_load_sends_no_more_requests_than_the_loop(shared: Sandbox, projects: Any, file_ids: Any) -> None:
    for shape in (SMALL, LARGE):
        with shared.connect() as ms:
            project = ms.projects[projects[shape]]
            subjects = project.subjects
            len(subjects)
            shared.requests.clear()
            assert subjects.load("sessions.clips.files") is subjects
            assert request_count(shared) <= LEAST[shape] - 2
            with ms.no_fetch():
                assert nested_loops(project) == file_ids[shape]
                subjects.load("sessions.clips.files", "sessions")


def test_load_fetches_only_what_is_not_loaded(shared: Sandbox, projects: Any, file_ids: Any) -> None:
    with shared.connect() as ms:
        project = ms.projects[projects[SMALL]]
        for subject in project.subjects[:10]:
            for session in subject.sessions:
                len(session.clips)
        shared.requests.clear()
        project.load("subjects.sessions.clips.files", "subjects.metadata", "template")
        assert request_count(shared) <= 12
        with ms.no_fetch():
            assert nested_loops(project) == file_ids[SMALL]
            assert all(isinstance(subject.metadata, dict) for subject in project.subjects)
            assert project.template is None or project.template.name is not None


def test_load_through_conditions_and_upwards(shared: Sandbox, projects: Any) -> None:
    with shared.connect() as ms:
        session = ms.projects[projects[SMALL]].subjects[3].sessions[1]
        session.load("conditions.clips.files")
        session.load("subject.metadata")
        with ms.no_fetch():
            assert sum(len(clip.files) for one in session.conditions for clip in one.clips) == 15
            assert isinstance(session.subject.metadata, dict)
    with shared.connect() as ms, pytest.raises(moveshelf.ValidationError, match="no attribute 'nonsense'"):
        ms.projects[projects[SMALL]].subjects.load("sessions.nonsense")


def test_load_completes_where_responses_are_limited(sandbox: Sandbox) -> None:
    name = sandbox.generate(subjects=30, sessions=4, clips=5, files=3)
    sandbox.fail(max_objects=40)
    with sandbox.connect() as ms:
        ms.projects[name].subjects.load("sessions.clips.files")
        with ms.no_fetch():
            assert len(list(walk(ms.projects[name]))) == 30 * 4 * 5 * 3


# loading by name alone -------------------------------------------------------------------------------------------------
def names_of(tree: Any) -> Any:
    return {field.name: names_of(below) for field, below in tree.items()}


def test_paths_are_parsed_into_a_tree() -> None:
    found = parse(Tree, ["branches.leaves", "height", "branches.length", "basic"])
    assert names_of(found) == {"branches": {"leaves": {}, "length": {}}, "height": {}, "name": {}}
    assert names_of(parse(Leaf, ["branch.tree.height"])) == {"branch": {"tree": {"height": {}}}}
    assert parse(Tree, []) == {}


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("", "no attribute ''"),
        ("nonsense", "Tree has no attribute 'nonsense' to load; it has branches, height, name"),
        ("branches.nonsense", "Branch has no attribute 'nonsense'"),
        ("height.more", "'height.more': Tree.height has nothing below it to load"),
        ("branches.", "no attribute ''"),
    ],
)
def test_malformed_paths_are_refused_before_any_request(path: str, words: str) -> None:
    with StoreSource(forest(1, 1)) as source:
        engine = engine_of(source)
        tree = engine.cache.get(Tree, "t0")
        with pytest.raises(ValidationError, match=words):
            tree.load(path)
        assert source.requests == []


def everything_below(trees: list[Tree]) -> list[str]:
    return [leaf.id for tree in trees for branch in tree.branches for leaf in branch.leaves]


@settings(max_examples=40, deadline=None)
@given(
    trees=st.integers(1, 150),
    branches=st.integers(0, 4),
    leaves=st.integers(0, 4),
    limit=st.none() | st.integers(1, 200),
    known=st.sets(st.integers(0, 149), max_size=5),
)
def test_after_a_load_nothing_is_fetched(
    trees: int, branches: int, leaves: int, limit: int | None, known: set[int]
) -> None:
    with StoreSource(store := forest(trees, branches, leaves)) as source:
        engine = engine_of(source)
        objects = [engine.cache.get(Tree, f"t{n}") for n in range(trees)]
        for number in known:
            if number < trees:
                len(objects[number].branches)
        source.limit = limit
        engine.load(objects, Tree, ["branches.leaves", "height"])
        source.settle()
        source.budget = 0
        assert everything_below(objects) == [one for one in store if "l" in one]
        assert [one.height for one in objects] == [10 * n for n in range(trees)]


def test_the_first_request_tells_how_many_objects_the_others_may_name() -> None:
    with StoreSource(forest(150, 10, 10)) as source:
        engine = engine_of(source)
        objects = [engine.cache.get(Tree, f"t{n}") for n in range(150)]
        engine.load(objects, Tree, ["branches.leaves"])
        assert source.sizes[0] == PROBE
        assert sum(source.sizes) == 150
        assert max(source.sizes[1:]) * 110 <= TARGET + 110


def test_a_load_sends_nothing_for_what_is_loaded() -> None:
    with StoreSource(forest(3, 2, 1)) as source:
        engine = engine_of(source)
        tree = engine.cache.get(Tree, "t0")
        assert tree.load("branches.leaves") is tree
        count = len(source.requests)
        tree.load("branches.leaves", "branches")
        assert len(source.requests) == count == 1


def test_of_one_object_that_it_does_not_exist_is_the_result() -> None:
    with StoreSource(forest(3, 1)) as source:
        engine = engine_of(source)
        objects = [engine.cache.get(Tree, f"t{n}") for n in range(3)]
        source.errors["t1"] = NotFoundError("there is no t1")
        with pytest.raises(NotFoundError, match="no t1"):
            objects[1].load("branches")
        engine.load(objects, Tree, ["branches"])
        assert [one.is_loaded("branches") for one in objects] == [True, False, True]


def test_a_failure_of_a_request_is_raised_when_all_have_arrived() -> None:
    with StoreSource(forest(150, 1)) as source:
        engine = engine_of(source)
        objects = [engine.cache.get(Tree, f"t{n}") for n in range(150)]
        source.failures.append(RequestError("the database is down"))
        with pytest.raises(RequestError, match="database is down"):
            engine.load(objects, Tree, ["branches"])
        assert not engine.loader.in_flight
        assert [one.is_loaded("branches") for one in objects] == [False] * 75 + [True] * 75


def test_links_are_loaded_upwards() -> None:
    with StoreSource(forest(2, 2)) as source:
        engine = engine_of(source)
        branches = [engine.cache.get(Branch, f"t{t}b{b}") for t in range(2) for b in range(2)]
        engine.load(branches, Branch, ["tree.height"])
        source.budget = 0
        assert [one.tree.height for one in branches] == [0, 0, 10, 10]
