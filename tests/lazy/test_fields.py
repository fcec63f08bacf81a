"""Field descriptors: groups, assignment, and what a touched field does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.trees import Branch, StoreSource, Tree, engine_of, forest

from moveshelf.errors import DeletedError, DetachedError, ValidationError
from moveshelf.lazy import fields
from moveshelf.lazy.fields import Many
from moveshelf.lazy.peers import Peers
from moveshelf.lazy.state import DELETED, NOT_LOADED, PrefetchMarker, peek

if TYPE_CHECKING:
    from moveshelf import Moveshelf, Project
    from moveshelf.sandbox import Sandbox


def test_attributes_cannot_be_assigned(demo: Sandbox) -> None:
    with demo.connect() as ms:
        subject = ms.projects["lab/demo"].subjects[0]
        with pytest.raises(AttributeError, match="methods that write are update_metadata"):
            subject.name = "other"  # type: ignore[misc]
        with pytest.raises(AttributeError):
            subject.nonsense = 1  # type: ignore[attr-defined]


def test_fields_of_a_group_are_fetched_together(reader: Moveshelf, project: Project) -> None:
    subject = project.subjects["P-002"]
    with reader.budget(1):
        subject.record
        subject.metadata
        subject.interventions
    with reader.budget(1):
        session = subject.sessions[0]
        session.date, session.path, session.name
        session.subject, session.project
    with reader.budget(1):
        clip = session.clips[0]
        clip.title, clip.created, clip.path, clip.upload_status, clip.session, clip.condition, clip.project
    with reader.budget(1):
        clip.description, clip.custom_options
    with reader.budget(1):
        file = clip.files[0]
        file.name, file.data_type, file.upload_status, file.clip


def test_assignment_names_the_attribute(project: Project) -> None:
    with pytest.raises(AttributeError, match="cannot be assigned"):
        project.subjects[0].name = "other"


# fields alone ----------------------------------------------------------------------------------------------------------
def test_a_class_gives_its_declarations() -> None:
    assert Tree.name is Tree.fields["name"]
    assert [field.name for field in Tree.groups["basic"]] == ["name"]
    assert set(Tree.by_wire) == {"label", "height", "branchList"}
    assert Tree.branches.target is Branch
    assert isinstance(Tree.branches, Many)
    assert Tree.height.owner is Tree
    with pytest.raises(ValidationError, match="Tree has no attribute 'nonsense' to load; it has branches"):
        Tree.field("nonsense")


def test_states_of_a_slot() -> None:
    tree = Tree("t0")
    field = Tree.fields["name"]
    assert field.read(tree) is NOT_LOADED
    assert not field.loaded(tree)
    setattr(tree, field.slot, None)
    assert field.loaded(tree), "null is a value"
    setattr(tree, field.slot, PrefetchMarker("oak", None))
    assert field.loaded(tree)
    assert peek(field.read(tree)) == "oak"
    setattr(tree, field.slot, DELETED)
    assert not field.loaded(tree)
    assert not NOT_LOADED
    assert repr(NOT_LOADED) == "<not loaded>"


def test_a_copy_without_an_engine_raises_for_what_is_not_loaded() -> None:
    tree, branch = Tree("t0"), Branch("b0")
    with pytest.raises(DetachedError, match=r"Tree.name .*t0.*load\('name'\)"):
        tree.name
    with pytest.raises(DetachedError):
        branch.tree
    with pytest.raises(DetachedError):
        len(tree.branches)
    with pytest.raises(DetachedError):
        tree.load("name")
    tree.branches._fill([branch])
    assert list(tree.branches) == [branch]
    assert tree.load("branches") is tree


def test_a_deleted_object_raises() -> None:
    engine = engine_of(None)
    tree = engine.cache.get(Tree, "t0")
    for field in Tree.fields.values():
        setattr(tree, field.slot, DELETED)
    for name in Tree.fields:
        with pytest.raises(DeletedError, match="Tree t0 was deleted"):
            getattr(tree, name)


def test_the_first_reader_of_a_prefetched_value_is_reported_once() -> None:
    class Batch:
        reports = 0

        def reached(self, obj: object) -> None:
            self.reports += 1

    tree, batch = Tree("t0"), Batch()
    setattr(tree, Tree.fields["name"].slot, PrefetchMarker("oak", batch))
    assert [tree.name, tree.name] == ["oak", "oak"]
    assert batch.reports == 1


def test_a_link_finds_the_one_object_and_hands_its_peers_up() -> None:
    with StoreSource(forest(2, 2)) as source:
        engine = engine_of(source)
        trees = [engine.cache.get(Tree, f"t{n}") for n in range(2)]
        branches = [branch for tree in trees for branch in tree.branches]
        peers = Peers([one.id for one in branches])
        for one in branches:
            one._peers = peers
        source.requests.clear()
        assert [one.tree for one in branches] == [trees[0]] * 2 + [trees[1]] * 2
        assert source.requests == [], "the list that led here told it"
        assert trees[0]._peers is trees[1]._peers is peers.child(Branch.tree, None)
        assert [one.tree.height for one in branches] == [0, 0, 10, 10]
        assert source.requests == [(["t0", "t1"], ["height"])]


def test_one_collection_a_field() -> None:
    engine = engine_of(None)
    tree = engine.cache.get(Tree, "t0")
    assert tree.branches is tree.branches
    assert not tree.is_loaded("branches")


@pytest.mark.parametrize("name", ["name", "height", "branches"])
def test_no_field_can_be_assigned(name: str) -> None:
    with pytest.raises(AttributeError, match=f"Tree.{name} shows what the service holds"):
        setattr(Tree("t0"), name, 1)


def test_equal_texts_are_shared_within_a_bound() -> None:
    first, second = "".join(["angles", ".json"]), "".join(["angles", ".json"])
    assert first is not second
    assert fields.shared(first) is fields.shared(second)
    assert fields.shared(None) is None
    for number in range(2 * fields.SHARED):
        assert fields.shared(f"name {number}") == f"name {number}"
    assert len(fields.shared.__self__) <= fields.SHARED  # type: ignore[attr-defined]


def test_files_and_trials_share_their_names(demo: Sandbox) -> None:
    with demo.connect() as ms:
        project = ms.projects["lab/demo"].load("subjects.sessions.clips.files")
        clips = [
            clip for subject in project.subjects for session in subject.sessions for clip in session.clips
        ]
        names = [file.name for clip in clips for file in clip.files]
        assert len(names) > 500
        assert len({id(name) for name in names}) == len(set(names))
        assert len({id(clip.path) for clip in clips}) == len({clip.path for clip in clips})
        assert len({id(clip.title) for clip in clips}) == len({clip.title for clip in clips})
