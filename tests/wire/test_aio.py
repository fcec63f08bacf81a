"""What runs beside the caller's event loop: worker threads, their cancellation, and the guard against waits."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.loops import KINDS, run_in

from moveshelf import NotLoadedError, QueryError, RequestError
from moveshelf.wire import Wire, aio, thread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moveshelf.sandbox import Sandbox

VIEWER = "query Viewer { viewer { projects { id name } } }"


@pytest.fixture
def wire(sandbox: Sandbox) -> Iterator[Wire]:
    made = Wire(sandbox.api_url, sandbox.api_key)
    yield made
    made.close()


async def until(condition: Any) -> None:
    """Let other tasks run until it is so; the test's own limit ends what never becomes so."""
    while not condition():
        await asyncio.sleep(0.005)


def in_flight(wire: Wire) -> int:
    """How many requests and other work of the wire the I/O thread has."""
    return len(wire._channels[0].tasks) if wire._channels else 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_response_is_awaited(wire: Wire, kind: str) -> None:
    data = run_in(kind, wire.aexecute(VIEWER))
    assert data == wire.execute(VIEWER)
    assert wire.stats.requests == 2


@pytest.mark.parametrize("kind", KINDS)
def test_errors_of_a_response_are_raised_for_each_who_awaits(wire: Wire, kind: str) -> None:
    async def main() -> None:
        await wire.prepare()
        future = wire.submit(VIEWER, check=_refuse)
        first, second = await asyncio.gather(
            thread.result_of(future), thread.result_of(future), return_exceptions=True
        )
        assert isinstance(first, RequestError)
        assert isinstance(second, RequestError)
        assert first is not second
        assert "not mine" in str(first)
        with pytest.raises(RequestError, match="not mine"):
            await thread.result_of(future)  # of a request that ended before
        with pytest.raises(QueryError, match="nothingOfTheKind"):
            await wire.aexecute("query Bad { nothingOfTheKind }")

    run_in(kind, main())


def _refuse(data: Any) -> None:
    raise RequestError("this is not mine")


@pytest.mark.parametrize("kind", KINDS)
def test_cancelling_the_task_cancels_its_request(sandbox: Sandbox, wire: Wire, kind: str) -> None:
    async def main() -> None:
        await wire.aexecute(VIEWER)
        await asyncio.to_thread(sandbox.latency, 3600)
        task = asyncio.ensure_future(wire.aexecute(VIEWER))
        await until(lambda: in_flight(wire) == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: in_flight(wire) == 0)
        await asyncio.to_thread(sandbox.latency, 0)
        assert await wire.aexecute(VIEWER)

    run_in(kind, main())


def test_a_callback_still_at_work_does_not_block_who_awaits(wire: Wire) -> None:
    """A response that is being populated on the I/O thread: the event loop must not wait for its end."""
    release, blocked = threading.Event(), threading.Event()

    def callback(future: Any) -> None:
        blocked.set()
        release.wait(60)

    async def main() -> None:
        await wire.prepare()
        future = wire.submit(VIEWER)
        awaiting = asyncio.ensure_future(thread.result_of(future))
        await asyncio.sleep(0)  # its callback comes first
        future.add_done_callback(callback)
        await until(blocked.is_set)
        assert (await awaiting).data
        release.set()

    run_in("asyncio", main())


@pytest.mark.parametrize("kind", KINDS)
def test_a_function_runs_on_a_worker_thread_with_the_context_of_its_task(kind: str) -> None:
    async def main() -> None:
        name = await aio.call(lambda: threading.current_thread().name)
        assert name.startswith(aio.SHORT)
        name = await aio.call_long(lambda: threading.current_thread().name)
        assert name.startswith(aio.LONG)
        with pytest.raises(ZeroDivisionError):
            await aio.call(lambda: 1 / 0)

    run_in(kind, main())


def test_no_more_threads_than_workers() -> None:
    names: set[str] = set()

    def work() -> None:
        names.add(threading.current_thread().name)
        time.sleep(0.002)

    async def main() -> None:
        await asyncio.gather(*(aio.call(work) for _ in range(200)))

    run_in("asyncio", main())
    assert 1 <= len(names) <= aio.WORKERS


@pytest.mark.parametrize("kind", KINDS)
def test_cancelling_the_task_stops_the_function_and_its_requests(
    sandbox: Sandbox, wire: Wire, kind: str
) -> None:
    ended = threading.Event()

    def work() -> None:
        try:
            wire.execute(VIEWER)
        finally:
            ended.set()

    async def main() -> None:
        await wire.aexecute(VIEWER)
        await asyncio.to_thread(sandbox.latency, 3600)
        await until(lambda: in_flight(wire) == 0)  # the first request has ended on that side too
        task = asyncio.ensure_future(aio.call(work))
        await until(lambda: in_flight(wire) == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended.is_set(), "the task ends after its function has"
        await until(lambda: in_flight(wire) == 0)

    run_in(kind, main())


def test_a_second_cancellation_does_not_wait_for_the_function() -> None:
    release, begun = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        release.wait(60)

    async def main() -> None:
        task = asyncio.ensure_future(aio.call(work))
        await until(begun.is_set)
        task.cancel()
        for _ in range(5):
            await asyncio.sleep(0.005)
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        release.set()

    run_in("asyncio", main())


def test_a_function_that_has_not_begun_is_dropped() -> None:
    release, called = threading.Event(), []

    async def main() -> None:
        busy = [asyncio.ensure_future(aio.call(release.wait, 60)) for _ in range(aio.WORKERS)]
        late = asyncio.ensure_future(aio.call(called.append, 1))
        await asyncio.sleep(0.02)
        late.cancel()
        with pytest.raises(asyncio.CancelledError):
            await late
        release.set()
        await asyncio.gather(*busy)

    run_in("asyncio", main())
    assert called == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_workers_start_anew_in_a_child() -> None:
    async def main() -> int:
        return await aio.call(lambda: 7)

    assert run_in("asyncio", main()) == 7
    child = os.fork()
    if child == 0:  # pragma: no cover
        code = 1
        try:
            code = 0 if run_in("asyncio", main()) == 7 else 2
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0


# the guard ---------------------------------------------------------------------------------------------------------
def test_within_the_guard_a_wait_is_refused_before_anything_is_sent(wire: Wire) -> None:
    async def main() -> None:
        assert wire.execute(VIEWER)  # outside it blocks, as it always did
        with wire.guard():
            with pytest.raises(NotLoadedError, match=r"await ms\.aexecute"):
                wire.execute(VIEWER)
            assert await asyncio.to_thread(wire.execute, VIEWER)
            assert await wire.aexecute(VIEWER)
        assert wire.execute(VIEWER)

    run_in("asyncio", main())
    assert wire.stats.requests == 4


def test_the_guard_is_for_one_client_and_for_the_tasks_begun_in_it(sandbox: Sandbox, wire: Wire) -> None:
    other = Wire(sandbox.api_url, sandbox.api_key)

    async def refused() -> bool:
        return aio.would_block(wire)

    async def main() -> None:
        before = asyncio.ensure_future(_later(refused))
        with wire.guard():
            assert aio.would_block(wire)
            assert not aio.would_block(other)
            assert await asyncio.ensure_future(refused())
            with other.guard(), wire.guard():
                assert aio.would_block(other)
            assert aio.would_block(wire), "the inner one has ended, the outer one not"
            assert not aio.would_block(other)
        assert not aio.would_block(wire)
        assert not await before

    run_in("asyncio", main())
    with wire.guard():
        assert not aio.would_block(wire), "no event loop runs in this thread"
    other.close()


async def _later(function: Any) -> Any:
    await asyncio.sleep(0.02)
    return await function()


def test_a_guard_that_is_left_in_another_context() -> None:
    """An async generator may be closed by another task than the one that began it."""
    wire = Wire("http://127.0.0.1:9/graphql", "k" * 64)

    async def generator() -> Any:
        with wire.guard():
            yield aio.would_block(wire)

    async def main() -> None:
        found = generator()
        assert await anext(found)
        await asyncio.ensure_future(found.aclose())

    run_in("asyncio", main())
    wire.close()
