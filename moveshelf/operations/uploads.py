"""From files to the service: what has to be done for each file, and carrying it out."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from typing import TYPE_CHECKING, Any, Literal, get_args

import attrs

from ..errors import TargetExistsError, ValidationError
from ..lazy.cache import Cache
from ..lazy.fields import Many
from ..lazy.registry import ENTITIES
from ..transfer.journal import Journal
from ..transfer.layout import DATA_TYPES, data_type
from ..transfer.result import Entry, Plan, Step, TransferResult
from ..transfer.run import JOBS, carry_out
from ..values import UploadStatus
from ..wire.progress import Bar
from .files import ClipFiles, DataFiles, FileOnService, files_now
from .locks import write_lock
from .service import Service
from .validation import checked_file_name, same_name

if TYPE_CHECKING:
    from ..transfer.run import Slot
    from ..transfer.sender import UploadTask
    from ..transfer.source import Source

Existing = Literal["add", "skip", "replace-different"]
"""What an upload does with a file of a name that the trial has already."""
EXISTING: tuple[str, ...] = get_args(Existing)
ARRIVED = (UploadStatus.COMPLETE, UploadStatus.PROCESSING)
_AHEAD = 3
"""Files under way for each that is being sent: the others have their checksum taken, or are created on the service."""
_TOGETHER = 64
"""Files of one look and one run of `upload_files`: each holds a lock meanwhile."""
_SHOWN = 5
"""Names that an error lists."""


@attrs.frozen
class WantedFile:
    """A file that shall be at a clip: `shown` is its path in plans and results."""

    shown: str
    source: Source
    clip: str
    name: str
    data_type: str
    size: int


def upload_file(
    service: Service,
    clip: str,
    file: Any,
    name: str | None,
    data_type_: str | None,
    existing: str,
    progress: bool | None,
) -> str:
    """Upload one file to a clip; the id of the file on the service."""
    from ..transfer.source import source_of

    checked_existing(existing)
    given = source_of(file, name, checked_file_name)
    name, kind = given.name, checked_type(data_type_, given.name)
    wanted = WantedFile(name, given.source, clip, name, kind, given.size)
    # with "add" every call is a file of its own; else two at once must not both find that there is none
    once = nullcontext() if existing == "add" else write_lock(service, f"{clip} {name}")
    with once:
        journal = Journal(service.url)
        steps = plan_steps([wanted], files_now(service, [clip]), journal, existing)
        for step in steps:
            step.local = getattr(given.source, "path", None)
        result = send(service, Plan(steps, f"upload of {name!r}"), journal, jobs=1, progress=progress)
    result.raise_for_errors()
    if result[0].left:
        warnings.warn(f"{name!r} is uploaded; {result[0].reason}", stacklevel=3)
    return str(result[0].file.id)


def upload_files(
    service: Service,
    wanted: Sequence[WantedFile],
    title: str,
    overwrite: bool = False,
    progress: bool | None = None,
    jobs: int = JOBS,
) -> TransferResult:
    """Upload files to clips under names that the clips do not have yet; with `overwrite`, in place of those of that name.

    Looks at what is there in a request for many clips. Raises TargetExistsError, before anything is sent, for a name that a
    clip has, and with `overwrite` for one that several of its files have, or one that is still being processed.
    A replaced file is deleted once the new one is there; one of the same content stays.
    """
    if len(wanted) > _TOGETHER:  # else the look below is the first
        _refuse_taken(wanted, files_now(service, _clips_of(wanted)), overwrite)
    entries: list[Entry] = []
    seconds = 0.0
    for begin in range(0, len(wanted), _TOGETHER):
        part = wanted[begin : begin + _TOGETHER]
        with ExitStack() as locks:
            # in one order, so that two runs never wait for each other
            for name in sorted({f"{one.clip} {one.name}" for one in part}):
                locks.enter_context(write_lock(service, name))
            there = files_now(service, _clips_of(part))
            _refuse_taken(part, there, overwrite)
            journal = Journal(service.url)
            steps = plan_steps(part, there, journal, "replace-different" if overwrite else "add")
            result = send(service, Plan(steps, title), journal, jobs=jobs, progress=progress)
        entries += result.entries
        seconds += result.seconds
    return TransferResult(entries, title, seconds)


def _clips_of(wanted: Iterable[WantedFile]) -> list[str]:
    return list(dict.fromkeys(one.clip for one in wanted))


def _refuse_taken(
    wanted: Iterable[WantedFile], there: Mapping[str, Sequence[FileOnService] | Exception], overwrite: bool
) -> None:
    """Raise TargetExistsError for the names that cannot be given, ValidationError for one that is wanted twice."""
    taken: list[str] = []
    seen: set[tuple[str, str]] = set()
    for one in wanted:
        if (one.clip, one.name) in seen:
            raise ValidationError(f"{one.shown} is to be uploaded twice: leave one of them out")
        seen.add((one.clip, one.name))
        listed = there.get(one.clip, ())
        if isinstance(listed, Exception):
            raise listed
        same = [file for file in listed if same_name(file.name, one.name) and file.status in ARRIVED]
        if not same:
            continue
        if not overwrite:
            taken.append(one.shown)
        elif len(same) > 1:
            taken.append(
                f"{one.shown} ({len(same)} files have that name: {', '.join(file.id for file in same)})"
            )
        elif same[0].status != UploadStatus.COMPLETE:
            taken.append(f"{one.shown} (its status is {same[0].status}, so that it cannot be compared yet)")
    if taken:
        more = f" and {len(taken) - _SHOWN} more" if len(taken) > _SHOWN else ""
        way = "delete what is not wanted, or wait" if overwrite else "overwrite=True replaces what is there"
        raise TargetExistsError(f"{', '.join(taken[:_SHOWN])}{more}: there already; nothing was sent ({way})")


def upload_clip(
    service: Service,
    project: str,
    file: Any,
    title: str | None,
    metadata: Mapping[str, Any],
    progress: bool | None,
) -> str:
    """Upload a file as a clip of its own; the clip's id. `metadata` has the service's names."""
    from ..transfer.sender import UploadTask
    from ..transfer.source import source_of

    given = source_of(file, None, checked_file_name)
    name = given.name
    item = UploadTask(given.source, project, name, "", {**metadata, "title": title or name})
    step = Step(name, "upload", given.size, "", item, local=getattr(given.source, "path", None))
    plan = Plan([step], f"upload of {name!r}")
    journal = Journal(service.url)
    result = send(service, plan, journal, jobs=1, progress=progress, files=ClipFiles(service))
    result.raise_for_errors()
    return str(result[0].file.id)


def checked_type(kind: str | None, name: str) -> str:
    """The data type to send: the one given, else the one that the extension says. Raises ValidationError."""
    if kind is None:
        return data_type(name)
    if str(kind) not in DATA_TYPES:
        raise ValidationError(f"{kind!r} is no data type; there are {', '.join(DATA_TYPES)}")
    return str(kind)


def checked_existing(existing: str) -> str:
    """What to do about files of the same name. Raises ValidationError."""
    if existing not in EXISTING:
        raise ValidationError(f"existing is one of {', '.join(map(repr, EXISTING))}, not {existing!r}")
    return existing


def plan_steps(
    wanted: Iterable[WantedFile],
    there: Mapping[str, Sequence[FileOnService] | Exception],
    journal: Journal,
    existing: str,
) -> list[Step]:
    """What has to be done for each. Clips that `there` does not know are new, and empty."""
    steps = []
    for one in wanted:
        listed = there.get(one.clip, ())
        if isinstance(listed, Exception):
            raise listed
        steps.append(
            _step(one, [file for file in listed if same_name(file.name, one.name)], journal, existing)
        )
    return steps


def _step(one: WantedFile, same: Sequence[FileOnService], journal: Journal, existing: str) -> Step:
    from ..transfer.sender import UploadTask

    arrived = [file for file in same if file.status in ARRIVED]
    pending = [file.id for file in same if file.status not in ARRIVED]
    journal.settle(one.clip, one.name, pending)
    mine = journal.mine(one.clip, one.name, pending)
    if arrived and existing == "skip":
        reason = _already_there(arrived[0])
        if not mine:
            return Step(one.shown, "skip", one.size, reason, work=arrived[0].id)
        # an earlier run died between the new file and the removal of the one it had left
        rest = UploadTask(None, one.clip, one.name, one.data_type, leftovers=mine, made=arrived[0].id)
        rest.status = arrived[0].status
        return Step(one.shown, "tidy", None, f"{reason}; what an earlier upload left is removed", rest)
    item = UploadTask(one.source, one.clip, one.name, one.data_type)
    item.known = frozenset(file.id for file in same)
    item.leftovers = mine
    reasons = []
    if arrived and existing == "replace-different":
        complete = [file.id for file in arrived if file.status == UploadStatus.COMPLETE]
        if not complete:
            return Step(one.shown, "skip", one.size, _already_there(arrived[0]), work=arrived[0].id)
        item.replaces = complete
        reasons.append("if it differs from what is there")
    if mine:
        reasons.append("an earlier upload was not finished")
    others = len(pending) - len(mine)
    if others:
        reasons.append(f"{others} unfinished of that name, begun elsewhere, left alone")
    return Step(one.shown, "upload", one.size, "; ".join(reasons), item)


def _already_there(file: FileOnService) -> str:
    return "already there" if file.status == UploadStatus.COMPLETE else f"already there, {file.status}"


def send(
    service: Service,
    plan: Plan,
    journal: Journal,
    *,
    jobs: int = JOBS,
    progress: bool | Bar | None = None,
    files: DataFiles | None = None,
    other: Callable[[Any], str] | None = None,
) -> TransferResult:
    """Carry an upload plan out, and update the cache; each entry's `file` is then the object.

    `other(work)` does, on a worker thread, the steps whose work is no upload; what it returns is the entry's reason.
    """
    from ..transfer.blob import in_thread
    from ..transfer.sender import Sender, UploadTask

    sender = Sender(files or DataFiles(service), journal, retry=service.wire.retry)
    result = None

    async def work(step: Step, entry: Entry, slot: Slot) -> None:
        if isinstance(step.work, UploadTask):
            await sender.work(step, entry, slot)
        elif other is not None:
            entry.reason = await in_thread(other, step.work)

    try:
        result = carry_out(
            service.wire, plan, work, jobs=jobs, ahead=_AHEAD, progress=progress, closing=sender.close
        )
    except KeyboardInterrupt as stopped:
        result = getattr(stopped, "result", None)
        raise
    finally:
        if result is not None:
            for step, entry in zip(plan, result, strict=True):
                entry.file = _uploaded(service.cache, step, entry.file or (step.work if step.idle else None))
    return result


def _uploaded(cache: Cache, step: Step, identity: Any) -> Any:
    """The object of an uploaded file, put where the cached objects look for it."""
    item: UploadTask | None = step.work if hasattr(step.work, "leftovers") else None
    if not isinstance(identity, str):
        return None
    clip_kind, kind = ENTITIES["Clip"], ENTITIES["DataFile"]
    if item is not None and not item.data_type:
        return cache.get(clip_kind, identity)
    file = cache.get(kind, identity)
    if item is None:
        return file
    clip = cache.peek(item.owner)
    with cache.lock:
        cache.invalidate(item.owner)
        for removed in (*item.leftovers, *item.replaces):
            old = cache.peek(removed)
            if removed != identity and isinstance(old, kind) and removed in item.removed:
                cache.mark_deleted(old)
        values = {"name": item.name, "data_type": item.data_type, "upload_status": item.status}
        for name, value in values.items():
            field: Any = kind.fields[name]
            cache.put(file, field, field.convert(value) if field.convert and value is not None else value)
        if isinstance(clip, clip_kind):
            cache.put(file, kind.fields["clip"], clip.id)
            files = clip_kind.fields["files"]
            assert isinstance(files, Many)
            collection = files.collection(clip)
            if collection._is_loaded():
                collection._fill([one for one in collection._members() if one.id not in item.removed])
                collection._add(file)
    return file
