"""The engine: cache, loader and source of one client put together."""

from __future__ import annotations

import gc
import weakref

from support.trees import Branch, StoreSource, Tree, engine_of, forest


def test_refresh_reads_the_listing_again_and_the_rest_when_touched() -> None:
    with StoreSource(forest(1, 2)) as source:
        engine = engine_of(source)
        tree = engine.cache.get(Tree, "t0").load("basic", "height", "branches")
        branches = tree.branches
        source.store["t0"].update(label="elm", height=9)
        source.requests.clear()
        assert tree.name == "T0"
        assert source.requests == []
        assert tree.refresh() is tree
        assert source.requests == [(["t0"], ["label"])]
        assert (tree.name, tree.height) == ("elm", 90)
        assert tree.branches is branches
        assert [one.id for one in branches] == ["t0b0", "t0b1"]


def test_everything_is_freed_with_the_last_object() -> None:
    gc.collect()
    gc.disable()
    try:
        with StoreSource(forest(2, 2, 1)) as source:
            engine = engine_of(source)
            trees = [engine.cache.get(Tree, f"t{n}") for n in range(2)]
            names = [leaf.name for tree in trees for branch in tree.branches for leaf in branch.leaves]
            assert len(names) == 4
            watched = [weakref.ref(one) for one in (engine, engine.cache, engine.loader, *trees)]
            source.settle()
            del engine
            assert watched[0]() is not None, "objects hold their engine"
            del trees
            source.settle()
        assert [one() for one in watched] == [None] * 5
    finally:
        gc.enable()


def test_engines_share_nothing() -> None:
    with StoreSource(forest(1)) as first, StoreSource(forest(1)) as second:
        second.store["t0"]["label"] = "other"
        engines = [engine_of(first), engine_of(second)]
        trees = [engine.cache.get(Tree, "t0") for engine in engines]
        assert [tree.name for tree in trees] == ["T0", "other"]
        assert trees[0] is not trees[1]
        assert engines[0].cache.get(Branch, "x") is not engines[1].cache.get(Branch, "x")
