"""Small requests travel together, and each fails by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from moveshelf.errors import TransferError
from moveshelf.transfer.batch import Batcher


def test_items_travel_together() -> None:
    sent: list[list[int]] = []

    async def send(numbers: list[int]) -> Sequence[int | BaseException]:
        sent.append(numbers)
        await asyncio.sleep(0.01)
        return [TransferError(f"no {number}") if number == 7 else number * 10 for number in numbers]

    async def work() -> None:
        batcher: Batcher[int, int] = Batcher(send, most=20, at_once=2)
        results = await asyncio.gather(*map(batcher, range(100)), return_exceptions=True)
        assert [result for number, result in enumerate(results) if number != 7] == [
            number * 10 for number in range(100) if number != 7
        ]
        assert isinstance(results[7], TransferError)

    asyncio.run(work())
    assert [len(numbers) for numbers in sent] == [20] * 5


def test_a_request_that_fails_fails_for_all_of_it() -> None:
    async def send(numbers: list[int]) -> Sequence[int | BaseException]:
        raise TransferError("lost")

    async def work() -> None:
        batcher: Batcher[int, int] = Batcher(send)
        results = await asyncio.gather(batcher(1), batcher(2), return_exceptions=True)
        assert [str(result) for result in results] == ["lost", "lost"]
        assert results[0] is not results[1]

    asyncio.run(work())


def test_what_nobody_waits_for_any_more_is_not_sent() -> None:
    sent: list[int] = []

    async def send(numbers: list[int]) -> Sequence[int | BaseException]:
        sent.extend(numbers)
        return numbers

    async def work() -> None:
        batcher: Batcher[int, int] = Batcher(send)
        cancelled = asyncio.ensure_future(batcher(1))
        await asyncio.sleep(0)
        cancelled.cancel()
        assert await batcher(2) == 2

    asyncio.run(work())
    assert sent == [2]
