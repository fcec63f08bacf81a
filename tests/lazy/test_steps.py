"""Loading in steps: the same body for threads and coroutines, who waits for what, cancellation, and slices of populating."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from support.loops import KINDS, counted_waits, run_in
from support.trees import StoreSource, Tree, engine_of, forest

from moveshelf.errors import BudgetError, NotFoundError
from moveshelf.lazy.cache import SLICE, Cache
from moveshelf.lazy.engine import Engine
from moveshelf.lazy.identity import IdentityMap
from moveshelf.lazy.peers import Peers
from moveshelf.lazy.steps import PAUSE, Call, Steps, arun, run
from moveshelf.models import Collection


@pytest.fixture
def source() -> Iterator[StoreSource]:
    with StoreSource(forest(250, 3, 2)) as made:
        yield made


@pytest.fixture
def engine(source: StoreSource) -> Engine:
    return engine_of(source)


def trees(engine: Engine, count: int = 250) -> Collection[Any]:
    """The first trees, as one collection."""
    return Collection(engine, Tree, items=[engine.cache.get(Tree, f"t{n}") for n in range(count)])


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.002)


# drivers -----------------------------------------------------------------------------------------------------------
def counting(log: list[str]) -> Steps[int]:
    first = yield Call(lambda: 3)
    yield PAUSE
    try:
        yield Call(lambda: 1 // 0)
    except ZeroDivisionError:
        log.append("caught")
    return first + (yield Call(lambda: 4))


def test_both_drivers_take_the_same_steps() -> None:
    log: list[str] = []
    assert run(counting(log)) == 7
    assert run_in("asyncio", arun(counting(log))) == 7
    assert log == ["caught", "caught"]


def test_a_call_of_a_coroutine_runs_on_another_thread() -> None:
    def steps() -> Steps[Any]:
        return (yield Call(threading.get_ident))

    assert run(steps()) == threading.get_ident()
    assert run_in("asyncio", arun(steps())) != threading.get_ident()


# waiting -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", KINDS)
def test_loops_of_coroutines_send_what_loops_of_threads_send(source: StoreSource, kind: str) -> None:
    def plain(engine: Engine) -> int:
        return sum(len(branch.leaves) for tree in trees(engine) for branch in tree.branches)

    async def main(engine: Engine) -> int:
        found = 0
        async for tree in trees(engine):
            async for branch in tree.branches:
                async for _ in branch.leaves:
                    found += 1
        return found

    assert plain(engine_of(source)) == 250 * 3 * 2
    expected = len(source.requests)
    source.settle()
    source.requests.clear()
    with counted_waits() as waits:
        assert run_in(kind, main(engine_of(source))) == 250 * 3 * 2
    assert waits == []
    assert len(source.requests) == expected


def test_a_touch_within_a_loop_is_seen_as_a_wait(engine: Engine) -> None:
    """The counter of waits does count: without aload, the body of a loop blocks."""

    async def main() -> None:
        async for tree in trees(engine, 3):
            assert tree.height is not None

    with counted_waits() as waits:
        run_in("asyncio", main())
    assert waits


def test_what_the_body_of_a_loop_loads_comes_in_batches(source: StoreSource, engine: Engine) -> None:
    async def main() -> int:
        total = 0
        async for tree in trees(engine):
            await tree.aload("height", "branches.length")
            total += tree.height + len(tree.branches[0].name)
        return total

    with counted_waits() as waits:
        assert run_in("asyncio", main()) == sum(10 * n + 2 for n in range(250))
    assert waits == []
    source.settle()
    requested = [one for ids, _ in source.requests for one in ids]
    assert len(requested) == len(set(requested)) + 250, (
        "a tree for its height and for its list, a branch once"
    )
    # 20 and then 100 at a time: heights, lists and lengths of 250, 250 and 750 objects
    assert len(source.requests) <= 4 + 4 + 9


def test_tasks_that_begin_together_share_batches(source: StoreSource, engine: Engine) -> None:
    async def main() -> list[int]:
        async def one(tree: Any) -> int:
            await tree.aload("branches.leaves")
            return sum(len(branch.leaves) for branch in tree.branches)

        return list(await asyncio.gather(*[one(tree) for tree in trees(engine, 200)]))

    with counted_waits() as waits:
        assert run_in("asyncio", main()) == [6] * 200
    assert waits == []
    # how many batches there are depends on which responses come first; one for each task would be 400
    assert len(source.requests) <= 200


def test_a_single_object_is_loaded_alone_and_in_one_request(source: StoreSource, engine: Engine) -> None:
    async def main() -> None:
        tree = await trees(engine)[7].aload("branches.leaves")
        assert tree.is_loaded("branches")
        assert len(tree.branches[2].leaves) == 2

    run_in("asyncio", main())
    assert [ids for ids, _ in source.requests] == [["t7"]]


def test_many_members_are_looked_through_in_parts(
    source: StoreSource, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from moveshelf.lazy import preload

    monkeypatch.setattr(preload, "LOOKS", 50)
    turns = 0

    async def main() -> None:
        nonlocal turns
        members = trees(engine)
        await members.aload("height")
        loading = asyncio.ensure_future(members.aload("height"))  # nothing is fetched: all of it is looking
        while not loading.done():
            turns += 1
            await asyncio.sleep(0)

    run_in("asyncio", main())
    assert turns >= 4


def test_errors_are_raised_where_they_are_awaited(source: StoreSource, engine: Engine) -> None:
    source.errors["t3"] = NotFoundError("no tree t3")

    async def main() -> None:
        members = trees(engine, 5)
        with pytest.raises(NotFoundError, match="t3"):
            await members[3].aload("height")
        assert (await members[2].aload("height")).height == 20
        source.budget = 0
        with pytest.raises(BudgetError):
            await members[4].aload("height")

    run_in("asyncio", main())


# cancellation ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", ["height", "branches.leaves"])
def test_cancelling_the_only_one_who_waits_cancels_the_request(
    source: StoreSource, engine: Engine, kind: str, path: str
) -> None:
    source.gate.clear()

    async def main() -> None:
        tree = trees(engine)[0]
        task = asyncio.ensure_future(tree.aload(path))
        await until(lambda: source.requests)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert source.cancelled == [["t0"]]
        assert engine.loader.in_flight == {}
        source.gate.set()
        assert (await tree.aload("height")).height == 0  # the next reader sends it anew
        assert engine.loader.failed == {}

    run_in(kind, main())


def test_a_request_that_others_wait_for_is_not_cancelled(source: StoreSource, engine: Engine) -> None:
    source.gate.clear()
    values: list[int] = []

    async def main() -> None:
        tree = trees(engine)[0]
        tasks = [asyncio.ensure_future(tree.aload("height")) for _ in range(3)]
        thread = threading.Thread(target=lambda: values.append(tree.height))
        thread.start()
        await until(lambda: source.requests and engine.loader.in_flight["t0", "height"]._waiters == 4)
        for task in tasks[:2]:
            task.cancel()
        await asyncio.wait(tasks[:2])
        assert source.cancelled == []
        source.gate.set()
        assert (await tasks[2]).height == 0
        await asyncio.to_thread(thread.join)

    run_in("asyncio", main())
    assert values == [0]
    assert len(source.requests) == 1


def test_of_a_thread_and_a_task_the_thread_goes_on(source: StoreSource, engine: Engine) -> None:
    source.gate.clear()
    values: list[int] = []

    async def main() -> None:
        tree = trees(engine)[0]
        task = asyncio.ensure_future(tree.aload("height"))
        await until(lambda: source.requests)
        thread = threading.Thread(target=lambda: values.append(tree.height))
        thread.start()
        await until(lambda: engine.loader.in_flight["t0", "height"]._waiters == 2)
        task.cancel()
        await asyncio.wait([task])
        source.gate.set()
        await asyncio.to_thread(thread.join)

    run_in("asyncio", main())
    assert values == [0]
    assert source.cancelled == []


def test_all_requests_of_a_cancelled_load_are_cancelled(source: StoreSource, engine: Engine) -> None:
    source.gate.clear()

    async def main() -> None:
        task = asyncio.ensure_future(trees(engine).aload("height"))
        await until(lambda: len(source.requests) == 3)
        task.cancel()
        await asyncio.wait([task])
        assert sorted(map(len, source.cancelled)) == [82, 84, 84]
        assert engine.loader.in_flight == {}
        source.gate.set()
        await trees(engine).aload("height")

    run_in("asyncio", main())
    assert sum(tree.height for tree in trees(engine)) == sum(10 * n for n in range(250))


def test_a_cancelled_prefetch_leaves_room_for_others(source: StoreSource, engine: Engine) -> None:
    """What a cancelled task has waited for no longer counts as read ahead."""

    async def main() -> None:
        async for tree in trees(engine):
            await tree.aload("height")
            if tree.id == "t1":
                source.gate.clear()
            if tree.id == "t19":
                break
        peers = tree._peers
        assert isinstance(peers, Peers)
        ahead = peers.window.ahead
        assert ahead > 0
        task = asyncio.ensure_future(engine.cache.get(Tree, "t20").aload("height"))
        await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.wait([task])
        assert len(source.cancelled) <= 1
        source.gate.set()
        async for tree in trees(engine):
            await tree.aload("height")
        await asyncio.to_thread(source.settle)
        assert peers.window.ahead <= ahead

    run_in("asyncio", main())


# slices ------------------------------------------------------------------------------------------------------------
@pytest.fixture
def slices(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many new objects each slice of populating has made, the last one still open."""
    made = [0]
    put, pause = IdentityMap.put, Cache._pause

    def counted(self: IdentityMap, obj: Any) -> None:
        made[-1] += 1
        put(self, obj)

    def paused(self: Cache) -> None:
        pause(self)
        made.append(0)

    monkeypatch.setattr(IdentityMap, "put", counted)
    monkeypatch.setattr(Cache, "_pause", paused)
    return made


@pytest.mark.parametrize(("shape", "path"), [((1, 3000), "branches"), ((1, 40, 70), "branches.leaves")])
def test_a_large_response_is_populated_in_slices(
    slices: list[int], shape: tuple[int, ...], path: str
) -> None:
    with StoreSource(forest(*shape)) as source:
        engine = engine_of(source)
        tree = engine.cache.get(Tree, "t0")
        slices[:] = [0]
        run_in("asyncio", tree.aload(path))
        below = shape[1] * (1 + (shape[2] if len(shape) == 3 else 0))
        assert sum(slices) == below
        assert max(slices) <= SLICE
        assert len(tree.branches) == shape[1]
        assert len(source.requests) == 1


def test_others_get_the_lock_between_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    with StoreSource(forest(1, 2000)) as source:
        engine = engine_of(source)
        taken = []
        pause = Cache._pause

        def paused(self: Cache) -> None:
            def take() -> None:
                with self.lock:
                    taken.append(len(self.objects))

            other = threading.Thread(target=take)
            other.start()
            pause(self)
            other.join(2)  # it waits only while the lock is held by somebody else

        async def main() -> None:
            monkeypatch.setattr(Cache, "_pause", paused)
            await engine.cache.get(Tree, "t0").aload("branches")

        monkeypatch.setattr("moveshelf.lazy.cache.SLICE_PAUSE", 0.05)
        run_in("asyncio", main())
    assert len(taken) >= 2000 // SLICE - 1
    assert all(after - before <= SLICE for before, after in pairwise(taken))
    assert taken[-1] < 2001, "while the listing was populated"


def test_without_coroutines_there_are_no_pauses(slices: list[int]) -> None:
    with StoreSource(forest(1, 3000)) as source:
        slices[:] = [0]
        assert len(engine_of(source).cache.get(Tree, "t0").branches) == 3000
    assert len(slices) == 1


@pytest.mark.parametrize("path", ["branches", "branches.leaves"])
def test_what_is_deleted_between_slices_does_not_come_back(
    monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """A write that comes while a listing is populated: the listing is thrown away and fetched anew."""
    with StoreSource(forest(1, 500, 2)) as source:
        engine = engine_of(source)
        tree = engine.cache.get(Tree, "t0")
        first = engine.cache.get(tree.branches._type, "t0b0")
        pauses = []

        def paused(self: Cache) -> None:
            pauses.append(1)
            if len(pauses) == 1:
                source.store["t0"]["branchList"].remove("t0b0")
                self.mark_deleted(first)
                self.reload((tree, ("branches",)))

        async def main() -> None:
            monkeypatch.setattr(Cache, "_pause", paused)
            await tree.aload(path)

        run_in("asyncio", main())
        assert pauses
        assert len(tree.branches) == 499
        assert first.is_deleted
        assert all(branch is not first for branch in tree.branches)
