"""Signed URLs are fetched in chunks, one ahead."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from moveshelf.errors import NotFoundError
from moveshelf.transfer.receiver import CHUNK, FIRST, SignedUrls


def test_urls_are_fetched_in_chunks_and_ahead() -> None:
    sent: list[int] = []
    count = FIRST + 3 * CHUNK

    async def look(ids: list[str]) -> Sequence[str | BaseException]:
        sent.append(len(ids))
        return [NotFoundError(one) if one == "5" else f"url {one}" for one in ids]

    async def work() -> None:
        addresses = SignedUrls(look, [str(number) for number in range(count)])
        assert await addresses.get(0, False) == "url 0"
        await asyncio.sleep(0)
        assert sent == [FIRST, CHUNK]
        with pytest.raises(NotFoundError):
            await addresses.get(5, False)
        for number in range(count):
            if number != 5:
                assert await addresses.get(number, False) == f"url {number}"
        assert sent == [FIRST, CHUNK, CHUNK, CHUNK]
        assert await addresses.get(3, True) == "url 3"
        assert sent[-1] == 1
        await addresses.close()

    asyncio.run(work())
