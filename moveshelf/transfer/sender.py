"""Many files up: made on the service in batches, sent beside each other, verified by what the service says.

What the service does is behind `FileService`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import MoveshelfError, OutcomeUnknownError, TransferError
from ..wire import RetryPolicy
from .batch import Batcher
from .blob import StoreError, gave_up, head, in_thread
from .file_service import CreatedFile, FileService, FileSpec
from .journal import Journal
from .result import Entry, Step
from .run import Slot
from .source import ChangedError, Source
from .upload import StaleUrlError, put

ROUNDS = 3
"""How often a file is made anew when its URL has expired or the service says that it failed."""
TRIES = 5
"""How often a file is asked for whose making may have been carried out, or not."""
LARGE = 8 << 20
"""Bytes from which a file is made on the service only when its turn to be sent has come: its URL would get old."""
READERS = 4
"""Files whose checksum is computed at once."""
COMPLETE, PROCESSING, FAILED, PENDING = "Complete", "Processing", "Failed", "Pending"


@dataclass
class UploadTask:
    """The work of one upload step. Without a source there is only something to remove."""

    source: Source | None
    owner: str
    name: str
    data_type: str
    extra: Any = None
    known: frozenset[str] = frozenset()
    """Ids of the files of that name that were there when it was planned."""
    rivals: Sequence[str] = ()
    """Complete files of that name: with the same bytes, nothing is sent; else they go when the new one is right."""
    leftovers: set[str] = field(default_factory=set)
    """`Pending` ones that an earlier run of ours has left: they go when the new one is right."""
    made: str | None = None
    """The id of the file on the service, in the end."""
    status: str | None = None
    """What the service said of it last."""
    removed: set[str] = field(default_factory=set)
    """What was deleted for it."""


class Sender:
    """The uploads of one run: `work` is what `run.carry_out` does with each step."""

    def __init__(
        self,
        service: FileService,
        journal: Journal,
        *,
        retry: RetryPolicy | None = None,
        patience: float = 60.0,
    ) -> None:
        self.service = service
        self.journal = journal
        self.retry = retry or RetryPolicy()
        self.patience = patience
        self._reading = asyncio.Semaphore(READERS)
        self._make: Batcher[UploadTask, CreatedFile] = Batcher(self._create, most=50, at_once=3)
        self._status: Batcher[str, str | None] = Batcher(service.statuses, most=200, at_once=2)
        self._delete: Batcher[str, None] = Batcher(service.delete, most=50, at_once=2)
        self._address: Batcher[str, str] = Batcher(service.download_urls, most=50, at_once=2)

    async def close(self) -> None:
        """The end of the run: hear what was asked for last, so that the journal knows the ids."""
        await self._make.settle(1.5)
        await in_thread(self.journal.close)

    async def work(self, step: Step, entry: Entry, slot: Slot) -> None:
        """Send one file, verify it, then remove what it replaces."""
        item: UploadTask = step.work
        source = item.source
        if source is None:
            await self._tidy(item, entry)
            entry.skip(entry.reason or step.reason)
            return
        planned = step.size or 0
        try:
            async with self._reading:
                await in_thread(source.prepare)
            slot.progress.expected += source.size - planned
            planned = source.size
            if item.rivals and await self._same_is_there(item, source, slot):
                slot.progress.expected -= planned
                entry.skip("the same bytes are there")
                entry.file, item.status = item.made, COMPLETE
                return
            status = await self._rounds(item, source, slot)
        except BaseException:
            slot.progress.expected -= planned
            raise
        finally:
            await in_thread(source.close)
        entry.bytes = source.size
        entry.file, item.status = item.made, status
        if status == PROCESSING:
            entry.reason = "the service is still processing it"
        await self._tidy(item, entry)

    # -- one file

    async def _same_is_there(self, item: UploadTask, source: Source, slot: Slot) -> bool:
        for rival in item.rivals:
            url = await self._address(rival)
            try:
                async with slot.slots:
                    found = await head(slot.blobs, url)
            except StoreError as broken:
                raise gave_up(
                    f"{item.name}: what is there cannot be compared", broken.failure, "Nothing was sent."
                ) from None
            if found.crc32c == source.crc32c and found.size in (None, source.size):
                item.made = rival
                return True
        return False

    async def _rounds(self, item: UploadTask, source: Source, slot: Slot) -> str:
        """Make, send and look, until the service has it; the error says what is on the service now."""
        error: MoveshelfError | None = None
        for _ in range(ROUNDS):
            held = source.size >= LARGE
            if held:
                await slot.slots.acquire()
            try:
                made = await self._made(item)
                item.made = made.id
                if not held:
                    await slot.slots.acquire()
                    held = True
                await put(slot.blobs, made.upload_url, source, retry=self.retry, progress=slot.progress)
            except (MoveshelfError, OSError) as failed:
                if item.made is None:
                    raise
                if not isinstance(failed, ChangedError) and await self._arrived(made.id, source, slot):
                    return COMPLETE  # the answer was lost on the way, not the bytes
                if not isinstance(failed, StaleUrlError):
                    raise self._left(item, failed) from None
                error = failed
            else:
                error = None
            finally:
                if held:
                    slot.slots.release()
            if error is None:
                slot.passed()
                status = await self._settled(made.id)
                if status in (COMPLETE, PROCESSING):
                    return status
                error = TransferError(
                    f"{source.label}: all bytes were sent, and the service says {status or 'that it has no such file'}."
                )
                slot.progress.bytes -= source.size
                if status == PENDING:
                    break  # slow, perhaps: another copy would not help
            # what was made for nothing goes when the next one is right
            item.leftovers.add(made.id)
        assert error is not None
        raise self._left(item, error)

    async def _arrived(self, identity: str, source: Source, slot: Slot) -> bool:
        """Whether the store has the bytes although nobody told us."""
        try:
            if await self._status(identity) not in (COMPLETE, PROCESSING):
                return False
            if await self._settled(identity) != COMPLETE:
                return False
            found = await head(slot.blobs, await self._address(identity))
        except (MoveshelfError, StoreError):
            return False
        return found.crc32c == source.crc32c

    async def _made(self, item: UploadTask) -> CreatedFile:
        for attempt in range(TRIES):
            try:
                return await self._make(item)
            except OutcomeUnknownError:
                # made perhaps, and we do not know its id: it would take no bytes, and goes when the next is right
                if attempt + 1 == TRIES or not await self._ghosts(item):
                    raise
        raise AssertionError

    async def _ghosts(self, item: UploadTask) -> bool:
        """Note what has come to be there unheard of; False where nobody can tell."""
        there = await self.service.named(item.owner, item.name)
        if there is None:
            return False
        pending = [one for one, status in there.items() if status == PENDING and one not in item.known]
        found = await in_thread(self.journal.mine, item.owner, item.name, pending)
        if len(pending) > len(found | item.leftovers):
            return False
        item.leftovers |= found
        await in_thread(
            self.journal.made, [(item.owner, item.name, one) for one in found] or [_nothing(item)]
        )
        return True

    async def _create(self, items: list[UploadTask]) -> Sequence[CreatedFile | BaseException]:
        await in_thread(
            self.journal.want, [(item.owner, item.name, item.known | item.leftovers) for item in items]
        )
        specs = [
            FileSpec(item.owner, item.name, item.data_type, item.source.crc32c, item.source.size, item.extra)
            for item in items
            if item.source is not None
        ]
        try:
            answers = await self.service.create(specs)
        except OutcomeUnknownError:
            raise
        except Exception:
            await in_thread(self.journal.made, [_nothing(item) for item in items])
            raise
        told = [
            (item.owner, item.name, answer.id if isinstance(answer, CreatedFile) else None)
            for item, answer in zip(items, answers, strict=True)
            if not isinstance(answer, OutcomeUnknownError)
        ]
        await in_thread(self.journal.made, told)
        return answers

    async def _settled(self, identity: str) -> str | None:
        """The file's status when the service has made up its mind, or when patience is over."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.patience
        pause = 0.05
        while True:
            status = await self._status(identity)
            if status not in (PENDING, PROCESSING) or loop.time() >= deadline:
                return status
            await asyncio.sleep(pause)
            pause = min(pause * 2, 5.0)

    async def _tidy(self, item: UploadTask, entry: Entry) -> None:
        """The new file is right: remove ours that never became one, and what it replaces."""
        done = [item.made] if item.made else []
        item.leftovers.difference_update(done)
        for identity in [*item.leftovers, *item.rivals]:
            try:
                await self._delete(identity)
                item.removed.add(identity)
                done.append(identity)
            except MoveshelfError as error:
                entry.reason = (
                    f"{entry.reason}; file {identity} of that name could not be removed: {error}".lstrip("; ")
                )
        await in_thread(self.journal.over, done)
        await in_thread(self.journal.forget, item.owner, item.name)

    def _left(self, item: UploadTask, error: MoveshelfError | OSError) -> MoveshelfError:
        """The error with what is on the service now."""
        ids = sorted({*item.leftovers, *([item.made] if item.made else [])})
        note = (
            f" The service now lists {item.name!r} without its bytes, as {', '.join(ids)}: upload it again from this "
            f"computer, which makes it anew and then removes {'that one' if len(ids) == 1 else 'those'}."
        )
        if isinstance(error, MoveshelfError):
            error.message += note
            return error
        return TransferError(f"{item.name!r} cannot be read: {error.strerror or error}.{note}")


def _nothing(item: UploadTask) -> tuple[str, str, None]:
    return item.owner, item.name, None
