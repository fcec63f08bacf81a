"""Many files down: their URLs fetched in batches just before they are used, their bytes beside each other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import attrs

from ..errors import MoveshelfError, fresh
from ..wire import Future, RetryPolicy
from ..wire.thread import result_of
from .batch import Batcher
from .download import fetch
from .partial import Leftovers
from .result import Entry, Step
from .run import Slot

FetchUrls = Callable[[list[str]], Awaitable[Sequence[str | BaseException]]]
"""Signed URLs for ids, in order; an exception for each that has none."""

CHUNK = 64
"""Ids in one request for URLs."""
FIRST = 16
"""The same of the first request, for which everything waits."""


@attrs.frozen
class DownloadTask:
    """The work of one download step: the `number`-th in the order of the run.

    `overwrite`: what is at the target may be replaced; `compare`: only if it differs from what the store has.
    """

    number: int
    key: str
    target: Path
    overwrite: bool = False
    compare: bool = False


class SignedUrls:
    """The URLs of a run's files, in their order, fetched one chunk ahead of their use."""

    def __init__(self, fetch_urls: FetchUrls, ids: Sequence[str], first: Future[Any] | None = None) -> None:
        """`first`: the URLs of some ids, requested already; used where they are the first ones."""
        self._fetch_urls = fetch_urls
        self._first = first
        self._ids = ids
        self._chunks: dict[int, asyncio.Future[Sequence[str | BaseException]]] = {}
        self._renewed: Batcher[str, str] = Batcher(fetch_urls, most=CHUNK, at_once=2)

    async def get(self, number: int, renew: bool) -> str:
        """The URL of that file; with `renew` another one than before."""
        if renew:
            return await self._renewed(self._ids[number])
        index = (number - FIRST) // CHUNK + 1
        for ahead in (index, index + 1):
            begin, end = _span(ahead)
            if ahead not in self._chunks and begin < len(self._ids):
                self._chunks[ahead] = asyncio.ensure_future(self._fetch(list(self._ids[begin:end])))
        self._chunks.pop(index - 3, None)  # long used
        urls = await asyncio.shield(self._chunks[index])
        url = urls[number - _span(index)[0]]
        if isinstance(url, BaseException):
            raise fresh(url)
        return url

    async def _fetch(self, ids: list[str]) -> Sequence[str | BaseException]:
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
        """Drop what was requested and is not needed any more."""
        if self._first is not None:
            self._first.cancel()
        for chunk in self._chunks.values():
            chunk.cancel()
        await self._renewed.settle(0)


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
        root: Path | None = None,
        retry: RetryPolicy | None = None,
        first: Future[Any] | None = None,
    ) -> None:
        """`root`: the folder that the user chose. Below it no folder may be a link."""
        self.urls = SignedUrls(fetch_urls, ids, first)
        self.root = root
        self.retry = retry or RetryPolicy()
        self._leftovers = Leftovers()

    async def close(self) -> None:
        await self.urls.close()

    async def work(self, step: Step, entry: Entry, slot: Slot) -> None:
        """Bring one file. Where the same bytes have come to be there meanwhile, the entry is a skipped one."""
        task: DownloadTask = step.work

        async def get_url(renew: bool) -> str:
            return await self.urls.get(task.number, renew)

        found = await fetch(
            slot.blobs,
            get_url,
            task.target,
            key=task.key,
            root=self.root,
            overwrite=task.overwrite,
            compare=task.compare,
            retry=self.retry,
            progress=slot.progress,
            leftovers=self._leftovers,
            arrived=slot.passed,
        )
        if found.there:
            entry.skip("already there, with the same bytes" if task.compare else "already there")
            return
        entry.bytes = found.size
        if found.resumed:
            entry.reason = f"{found.resumed:,} bytes were there from an earlier run"
