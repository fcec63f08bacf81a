"""Many files down: their URLs asked for in batches just before they are used, their bytes beside each other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import MoveshelfError, fresh
from ..wire import Future, RetryPolicy
from ..wire.thread import result_of
from .batch import Batcher
from .download import fetch
from .result import Entry, Step
from .run import Slot

FetchUrls = Callable[[list[str]], Awaitable[Sequence[str | BaseException]]]
"""Signed URLs for ids, in order; an exception for each that has none."""

CHUNK = 64
"""Ids that one request for URLs names."""
FIRST = 16
"""The same of the first request, which everything waits for."""


@dataclass
class DownloadTask:
    """The work of one download step: the `number`-th in the order of the run."""

    number: int
    key: str
    target: Path
    overwrite: bool = False


class SignedUrls:
    """The URLs of a run's files, in their order, asked for one chunk ahead of who uses them."""

    def __init__(self, fetch_urls: FetchUrls, ids: Sequence[str], first: Future[Any] | None = None) -> None:
        """`first`: the addresses of some ids, asked for already; used where they are the first ones."""
        self._fetch_urls = fetch_urls
        self._first = first
        self._ids = ids
        self._chunks: dict[int, asyncio.Future[Sequence[str | BaseException]]] = {}
        self._anew: Batcher[str, str] = Batcher(fetch_urls, most=CHUNK, at_once=2)

    async def get(self, number: int, renew: bool) -> str:
        """The URL of that file; `renew` asks for another one than before."""
        if renew:
            return await self._anew(self._ids[number])
        index = (number - FIRST) // CHUNK + 1
        for ahead in (index, index + 1):
            begin, end = _span(ahead)
            if ahead not in self._chunks and begin < len(self._ids):
                self._chunks[ahead] = asyncio.ensure_future(self._ask(list(self._ids[begin:end])))
        self._chunks.pop(index - 3, None)  # long used
        answers = await asyncio.shield(self._chunks[index])
        answer = answers[number - _span(index)[0]]
        if isinstance(answer, BaseException):
            raise fresh(answer)
        return answer

    async def _ask(self, ids: list[str]) -> Sequence[str | BaseException]:
        try:
            first, self._first = self._first, None
            if first is not None:
                known = await result_of(first)
                if known.keys() >= set(ids):
                    return [known[one] for one in ids]
            return await self._fetch_urls(ids)
        except MoveshelfError as error:
            return [error] * len(ids)

    async def close(self) -> None:
        """Drop what is asked for and not needed any more."""
        if self._first is not None:
            self._first.cancel()
        for chunk in self._chunks.values():
            chunk.cancel()
        await self._anew.settle(0)


def _span(chunk: int) -> tuple[int, int]:
    """From which to which number the ids of a chunk go."""
    end = FIRST + chunk * CHUNK
    return max(end - CHUNK, 0), end


class Receiver:
    """The downloads of one run: `work` is what `run.carry_out` does with each step."""

    def __init__(
        self,
        fetch_urls: FetchUrls,
        ids: Sequence[str],
        *,
        retry: RetryPolicy | None = None,
        first: Future[Any] | None = None,
    ) -> None:
        self.urls = SignedUrls(fetch_urls, ids, first)
        self.retry = retry or RetryPolicy()

    async def close(self) -> None:
        await self.urls.close()

    async def work(self, step: Step, entry: Entry, slot: Slot) -> None:
        """Bring one file."""
        item: DownloadTask = step.work

        async def address(renew: bool) -> str:
            return await self.urls.get(item.number, renew)

        found = await fetch(
            slot.blobs,
            address,
            item.target,
            key=item.key,
            overwrite=item.overwrite,
            retry=self.retry,
            progress=slot.progress,
            arrived=slot.passed,
        )
        entry.bytes = found.size
        if found.resumed:
            entry.reason = f"{found.resumed:,} bytes were there from an earlier run"
