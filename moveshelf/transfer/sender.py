"""Many files up: created on the service in batches, sent beside each other, verified by what the service says.

What the service does is behind `FileService`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import attrs

from ..errors import MoveshelfError, OutcomeUnknownError, TransferError
from ..wire import RetryPolicy
from .batch import Batcher
from .blob import in_thread
from .download import content_of
from .file_service import CreatedFile, FileService, FileSpec
from .journal import Journal
from .result import Entry, Step
from .run import Slot
from .source import ChangedError, Source
from .upload import StaleUrlError, put

ROUNDS = 3
"""How often a file is created anew when its URL has expired or the service says that it failed."""
TRIES = 5
"""How often a file is created whose creation may have been carried out, or not."""
LARGE = 8 << 20
"""Bytes from which a file is created on the service only when its turn to be sent has come: its URL would get old."""
READERS = 4
"""Files whose checksum is computed at once."""
SIGN_OF_LIFE = 60.0
"""Seconds between two touches of the journal."""
COMPLETE, PROCESSING, FAILED, PENDING = "Complete", "Processing", "Failed", "Pending"


@attrs.define(eq=False)
class UploadTask:
    """The work of one upload step. Without a source there is only something to remove."""

    source: Source | None
    owner: str
    name: str
    data_type: str
    extra: Any = None
    known: frozenset[str] = frozenset()
    """Ids of the files of that name that were there when it was planned."""
    replaces: Sequence[str] = ()
    """Complete files of that name: with the same bytes, nothing is sent; else they are deleted when the new one is right."""
    leftovers: set[str] = attrs.field(factory=set)
    """`Pending` ones that an earlier run of ours has left: they are deleted once the new one is verified."""
    made: str | None = None
    """The id of the file on the service, in the end."""
    status: str | None = None
    """What the service said of it last."""
    removed: set[str] = attrs.field(factory=set)
    """What was deleted for it."""

    @property
    def unfinished(self) -> set[str]:
        """What the service lists for it without its bytes now."""
        created = {self.made} if self.made and self.status not in (COMPLETE, PROCESSING) else set()
        return (self.leftovers | created) - self.removed


class Sender:
    """The uploads of one run: `work` is what `run.carry_out` does with each step, `close` its end."""

    def __init__(
        self, service: FileService, journal: Journal, *, retry: RetryPolicy | None = None, wait: float = 60.0
    ) -> None:
        """`wait`: seconds for which a file that the service is still processing is looked at again."""
        self.service = service
        self.journal = journal
        self.retry = retry or RetryPolicy()
        self.wait = wait
        self._reading = asyncio.Semaphore(READERS)
        self._make: Batcher[UploadTask, CreatedFile] = Batcher(self._create, most=50, at_once=3)
        self._status: Batcher[str, str | None] = Batcher(service.statuses, most=200, at_once=2)
        self._delete: Batcher[str, None] = Batcher(service.delete, most=50, at_once=2)
        self._url: Batcher[str, str] = Batcher(service.download_urls, most=50, at_once=2)
        self._life: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """The end of the run: wait for the last responses, so that the journal knows the ids."""
        if self._life is not None:
            self._life.cancel()
        await self._make.settle(1.5)
        await in_thread(self.journal.close)

    async def work(self, step: Step, entry: Entry, slot: Slot) -> None:
        """Send one file, verify it, then remove what it replaces. `entry.left` says what is left on the service."""
        if self._life is None:
            self._life = asyncio.ensure_future(self._show_life())
        task: UploadTask = step.work
        try:
            await self._work(task, step, entry, slot)
        finally:
            entry.left = tuple(sorted({*entry.left, *task.unfinished}))

    async def _work(self, task: UploadTask, step: Step, entry: Entry, slot: Slot) -> None:
        source = task.source
        if source is None:
            entry.file = task.made
            await self._tidy(task, entry)
            entry.skip(entry.reason or step.reason)
            return
        planned = step.size or 0
        try:
            async with self._reading:
                await in_thread(source.prepare)
            slot.progress.expected += source.size - planned
            planned = source.size
            if task.replaces and await self._same_is_there(task, source, slot):
                slot.progress.expected -= planned
                entry.skip("the same bytes are there")
                entry.file, task.status = task.made, COMPLETE
                return
            status = await self._rounds(task, source, slot)
        except BaseException:
            slot.progress.expected -= planned
            raise
        finally:
            await in_thread(source.close)
        entry.bytes = source.size
        entry.file, task.status = task.made, status
        if status == PROCESSING:
            entry.reason = "the service is still processing it"
        await self._tidy(task, entry)

    async def _show_life(self) -> None:
        while True:
            await asyncio.sleep(SIGN_OF_LIFE)
            await in_thread(self.journal.touch)

    # -- one file

    async def _same_is_there(self, task: UploadTask, source: Source, slot: Slot) -> bool:
        for identity in task.replaces:

            async def get_url(renew: bool, identity: str = identity) -> str:
                return await self._url(identity)

            async with slot.connections:
                found = await content_of(slot.blobs, get_url, task.name, retry=self.retry)
            if (found.crc32c, found.size) == (source.crc32c, source.size):
                task.made = identity
                return True
        return False

    async def _rounds(self, task: UploadTask, source: Source, slot: Slot) -> str:
        """Create, send and look, until the service has it; the error says what is on the service now."""
        error: MoveshelfError | None = None
        for _ in range(ROUNDS):
            held = source.size >= LARGE
            if held:
                await slot.connections.acquire()
            try:
                made = await self._made(task)
                task.made = made.id
                if not held:
                    await slot.connections.acquire()
                    held = True
                await put(slot.blobs, made.upload_url, source, retry=self.retry, progress=slot.progress)
            except (MoveshelfError, OSError) as failed:
                if task.made is None:
                    raise
                if not isinstance(failed, ChangedError) and await self._arrived(made.id, source, slot):
                    return COMPLETE  # the response was lost on the way, not the bytes
                if not isinstance(failed, StaleUrlError):
                    raise self._left(task, failed) from None
                error = failed
            else:
                error = None
            finally:
                if held:
                    slot.connections.release()
            if error is None:
                slot.passed()
                status = await self._settled(made.id)
                if status is None:
                    return await self._found(task, made.id, source, slot)
                if status in (COMPLETE, PROCESSING):
                    return status
                error = TransferError(
                    f"{source.label}: all bytes were sent, and the service says {status or 'that it has no such file'}."
                )
                slot.progress.bytes -= source.size
                if status == PENDING:
                    break  # slow, perhaps: another copy would not help
            # what was created for nothing is deleted once the next one is verified
            task.leftovers.add(made.id)
        assert error is not None
        raise self._left(task, error)

    async def _found(self, task: UploadTask, told: str, source: Source, slot: Slot) -> str:
        """All bytes were sent to what the service created, and it has nothing with the id `told` that came in the response.

        Either that was deleted since, or the id was spoilt on its way. What was created is then there under another id: a
        file that has come to be there since, with these bytes. Creating one more could make two. Raises
        OutcomeUnknownError where it is not found.
        """
        files = await self.service.named(task.owner, task.name) or {}
        new = [
            one for one, status in files.items() if status in (COMPLETE, PROCESSING) and one not in task.known
        ]
        found = [one for one in new if await self._arrived(one, source, slot)]
        if len(found) == 1:
            task.made = found[0]
            await in_thread(self.journal.over, [told])
            return COMPLETE
        task.made = None
        slot.progress.bytes -= source.size
        raise OutcomeUnknownError(
            f"{source.label}: all bytes were sent, and the service has no file with the id {told!r} that it gave. It may "
            f"be there under another id: look first (refresh() the files, or the clips), and upload it again only if it is "
            "not there."
        )

    async def _arrived(self, identity: str, source: Source, slot: Slot) -> bool:
        """Whether the store has the bytes although no response said so."""

        async def get_url(renew: bool) -> str:
            return await self._url(identity)

        try:
            if await self._status(identity) not in (COMPLETE, PROCESSING):
                return False
            if await self._settled(identity) != COMPLETE:
                return False
            found = await content_of(slot.blobs, get_url, source.label, retry=self.retry)
        except MoveshelfError:
            return False
        return (found.crc32c, found.size) == (source.crc32c, source.size)

    async def _made(self, task: UploadTask) -> CreatedFile:
        for attempt in range(TRIES):
            try:
                return await self._make(task)
            except OutcomeUnknownError:
                # created perhaps, and we do not know its id: it takes no bytes, and is deleted when the next is verified
                if attempt + 1 == TRIES or not await self._find_created(task):
                    raise
        raise AssertionError

    async def _find_created(self, task: UploadTask) -> bool:
        """Note what has come to be there without a response; False where nobody can tell.

        Where nothing has come, the request stays open in the journal: the request may be carried out later.
        """
        files = await self.service.named(task.owner, task.name)
        if files is None:
            return False
        pending = [one for one, status in files.items() if status == PENDING and one not in task.known]
        found = await in_thread(self.journal.mine, task.owner, task.name, pending)
        if len(pending) > len(found | task.leftovers):
            return False
        task.leftovers |= found
        await in_thread(self.journal.adopt, task.owner, task.name, found)
        return True

    async def _create(self, tasks: list[UploadTask]) -> Sequence[CreatedFile | BaseException]:
        requests = await in_thread(
            self.journal.requested, [(task.owner, task.name, task.known | task.leftovers) for task in tasks]
        )
        specs = [
            FileSpec(task.owner, task.name, task.data_type, task.source.crc32c, task.source.size, task.extra)
            for task in tasks
            if task.source is not None
        ]
        try:
            results = await self.service.create(specs)
        except OutcomeUnknownError:
            raise
        except Exception:
            await in_thread(self.journal.made, [(request, None) for request in requests])
            raise
        known = [
            (request, result.id if isinstance(result, CreatedFile) else None)
            for request, result in zip(requests, results, strict=True)
            if not isinstance(result, OutcomeUnknownError)
        ]
        await in_thread(self.journal.made, known)
        return results

    async def _settled(self, identity: str) -> str | None:
        """The file's status when the service has decided, or when `wait` is over."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.wait
        pause = 0.05
        while True:
            status = await self._status(identity)
            if status not in (PENDING, PROCESSING) or loop.time() >= deadline:
                return status
            await asyncio.sleep(pause)
            pause = min(pause * 2, 5.0)

    async def _tidy(self, task: UploadTask, entry: Entry) -> None:
        """The new file is verified: remove ours that never became one, and what it replaces."""
        done = [task.made] if task.made else []
        task.leftovers.difference_update(done)
        done += await self._remove(task, entry, [*task.leftovers, *task.replaces])
        await in_thread(self.journal.over, done)
        if await in_thread(self.journal.unresolved, task.owner, task.name):
            await self._tidy_unresolved(task, entry)

    async def _tidy_unresolved(self, task: UploadTask, entry: Entry) -> None:
        """Look once more for what may have been created without a response, and say what stays."""
        files = await self.service.named(task.owner, task.name)
        if files is None:
            return
        pending = {one for one, status in files.items() if status == PENDING and one != task.made}
        found = await in_thread(self.journal.mine, task.owner, task.name, pending)
        task.leftovers |= found
        done = await self._remove(task, entry, sorted(found))
        await in_thread(self.journal.over, done)
        if strange := sorted(pending - found):
            entry.left = tuple(strange)
            note = (
                f"{len(strange)} unfinished of that name stay on the service ({', '.join(strange)}): some may be left from "
                "interrupted uploads, nobody can tell which"
            )
            entry.reason = f"{entry.reason}; {note}".lstrip("; ")

    async def _remove(self, task: UploadTask, entry: Entry, ids: Sequence[str]) -> list[str]:
        """Delete those; the ids of what is deleted now."""
        done = []
        for identity in ids:
            error = await self._deleted(identity)
            if error is not None:
                note = f"file {identity} of that name could not be removed: {error}"
                entry.reason = f"{entry.reason}; {note}".lstrip("; ")
            else:
                task.removed.add(identity)
                done.append(identity)
        return done

    async def _deleted(self, identity: str) -> MoveshelfError | None:
        """Delete one; why it is not deleted, or None. A lost response is looked for: the id makes it safe to repeat."""
        error: MoveshelfError | None = None
        for attempt in range(ROUNDS):
            if attempt:
                await asyncio.sleep(min(self.retry.first * 2**attempt, self.retry.cap))
            try:
                await self._delete(identity)
                return None
            except OutcomeUnknownError as failed:
                error = failed
                with suppress(MoveshelfError):
                    if await self._status(identity) is None:
                        return None
            except MoveshelfError as failed:
                return failed
        return error

    def _left(self, task: UploadTask, error: MoveshelfError | OSError) -> MoveshelfError:
        """The error with what is on the service now."""
        ids = sorted({*task.leftovers, *([task.made] if task.made else [])})
        note = (
            f" The service now lists {task.name!r} without its bytes, as {', '.join(ids)}: upload it again from this "
            f"computer, which creates it anew and then removes {'that one' if len(ids) == 1 else 'those'}."
        )
        if isinstance(error, MoveshelfError):
            error.message += note
            return error
        return TransferError(f"{task.name!r} cannot be read: {error.strerror or error}.{note}")
