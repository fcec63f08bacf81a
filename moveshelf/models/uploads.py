"""From files to objects: one file to a clip, one file as a clip of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import ValidationError
from ..transfer.journal import Journal
from ..transfer.layout import DATA_TYPES, data_type
from ..transfer.result import Entry, Plan, Step, TransferResult
from ..transfer.run import JOBS, carry_out
from .clip import Clip
from .datafile import DataFile
from .values import UploadStatus

if TYPE_CHECKING:
    from ..lazy.engine import Engine
    from ..transfer.file_service import FileService
    from ..transfer.run import Slot
    from ..transfer.sender import UploadTask
    from ..transfer.source import Source
    from .project import Project

EXISTING = ("add", "skip", "replace-different")
ARRIVED = (UploadStatus.COMPLETE, UploadStatus.PROCESSING)
_AHEAD = 3
"""Files under way for each that is being sent: the others have their checksum taken, or are made on the service."""


class Wanted(NamedTuple):
    """A file that shall be at a clip: `shown` is its path in plans and results."""

    shown: str
    source: Source
    clip: str
    name: str
    data_type: str
    size: int


class There(NamedTuple):
    """A file of a clip as the service lists it now."""

    id: str
    name: str
    status: str | None


def upload_file(
    clip: Clip,
    file: Any,
    name: str | None = None,
    data_type_: str | None = None,
    existing: str = "add",
    progress: bool | None = None,
) -> DataFile:
    """Upload one file to a clip; `Clip.upload` leads here."""
    engine = clip._require("upload()")
    checked_existing(existing)
    source, name = source_of(file, name)
    kind = checked_type(data_type_, name)
    size = os.path.getsize(file) if isinstance(file, (str, os.PathLike)) else 0
    wanted = Wanted(name, source, clip.id, name, kind, size)
    journal = Journal(engine.wire.url)
    there = listed_now(engine, [clip.id])
    steps = plan_steps([wanted], there, journal, existing)
    result = send(engine, Plan(steps, f"upload of {name!r}"), journal, jobs=1, progress=progress)
    result.raise_for_errors()
    found = result[0].file
    assert isinstance(found, DataFile)
    return found


def upload_clip(
    project: Project,
    file: Any,
    title: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    progress: bool | None = None,
) -> Clip:
    """Upload a file as a clip of its own; `Project.upload_clip` leads here. `metadata` is in the wire's words."""
    from ..transfer.sender import UploadTask
    from .desk import ClipDesk

    engine = project._require("upload_clip()")
    source, name = source_of(file, None)
    item = UploadTask(source, project.id, name, "", {**(metadata or {}), "title": title or name})
    size = os.path.getsize(file) if isinstance(file, (str, os.PathLike)) else 0
    plan = Plan([Step(name, "upload", size, "", item)], f"upload of {name!r}")
    journal = Journal(engine.wire.url)
    result = send(engine, plan, journal, jobs=1, progress=progress, desk=ClipDesk(engine.wire))
    result.raise_for_errors()
    clip = result[0].file
    assert isinstance(clip, Clip)
    engine.wrote(project.id)
    engine.drop(project, type(project).fields["clips"])
    return clip


def source_of(file: Any, name: str | None) -> tuple[Source, str]:
    """What is uploaded, and the name that it gets. Raises ValidationError, FileNotFoundError, IsADirectoryError."""
    from ..transfer.source import FileSource, StreamSource

    if isinstance(file, (str, os.PathLike)):
        path = Path(file)
        if not path.exists():
            raise FileNotFoundError(f"there is no file {os.fspath(path)!r}")
        if path.is_dir():
            raise IsADirectoryError(f"{os.fspath(path)!r} is a folder: project.upload_tree(...) sends those")
        return FileSource(path), checked_name(path.name if name is None else name)
    if name is None:
        own = getattr(file, "name", None)
        if not isinstance(own, str) or not os.path.basename(own) or own.startswith("<"):
            raise ValidationError("a stream has no name of its own: give name='angles.json'")
        name = os.path.basename(own)
    return StreamSource(file, f"the stream for {name!r}"), checked_name(name)


def checked_name(name: str) -> str:
    """A name that a file on the service can have. Raises ValidationError."""
    if not isinstance(name, str) or not name.strip():
        raise ValidationError(f"{name!r} is no name for a file")
    return name


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


def listed_now(engine: Engine, clips: Iterable[str]) -> dict[str, list[There] | Exception]:
    """The files of clips as the service has them now, many clips to a request. Nothing is kept."""
    text = "additionalData { id originalFileName uploadStatus }"
    found: dict[str, list[There] | Exception] = {}
    for clip, answer in engine.fields_of(Clip, clips, text).items():
        if isinstance(answer, Exception):
            found[clip] = answer
            continue
        files = [one for one in answer.get("additionalData") or () if one]
        found[clip] = [
            There(one["id"], one.get("originalFileName") or "", one.get("uploadStatus")) for one in files
        ]
    return found


def plan_steps(
    wanted: Iterable[Wanted],
    there: Mapping[str, Sequence[There] | Exception],
    journal: Journal,
    existing: str,
) -> list[Step]:
    """What has to be done for each. Clips that `there` does not know are new, and empty."""
    steps = []
    for one in wanted:
        listed = there.get(one.clip, ())
        if isinstance(listed, Exception):
            raise listed
        steps.append(_step(one, [file for file in listed if file.name == one.name], journal, existing))
    return steps


def _step(one: Wanted, same: Sequence[There], journal: Journal, existing: str) -> Step:
    from ..transfer.sender import UploadTask

    arrived = [file for file in same if file.status in ARRIVED]
    pending = [file.id for file in same if file.status not in ARRIVED]
    journal.settle(one.clip, one.name, pending)
    mine = journal.mine(one.clip, one.name, pending)
    if arrived and existing == "skip":
        reason = _there(arrived[0])
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
            return Step(one.shown, "skip", one.size, _there(arrived[0]), work=arrived[0].id)
        item.replaces = complete
        reasons.append("if it differs from what is there")
    if mine:
        reasons.append("an earlier upload was not finished")
    others = len(pending) - len(mine)
    if others:
        reasons.append(f"{others} unfinished of that name, begun elsewhere, left alone")
    return Step(one.shown, "upload", one.size, "; ".join(reasons), item)


def _there(file: There) -> str:
    return "already there" if file.status == UploadStatus.COMPLETE else f"already there, {file.status}"


def send(
    engine: Engine,
    plan: Plan,
    journal: Journal,
    *,
    jobs: int = JOBS,
    progress: bool | None = None,
    desk: FileService | None = None,
    other: Callable[[Any], str] | None = None,
) -> TransferResult:
    """Carry an upload plan out, and let the objects know; each entry's `file` is then the object.

    `other(work)` does, on a worker thread, the steps whose work is no upload; what it returns is the entry's reason.
    """
    from ..transfer.blob import in_thread
    from ..transfer.sender import Sender, UploadTask
    from .desk import FileDesk

    sender = Sender(desk or FileDesk(engine.wire), journal, retry=engine.wire.retry)
    result = None

    async def work(step: Step, entry: Entry, lane: Slot) -> None:
        if isinstance(step.work, UploadTask):
            await sender.work(step, entry, lane)
        elif other is not None:
            entry.reason = await in_thread(other, step.work)

    try:
        result = carry_out(
            engine.wire, plan, work, jobs=jobs, ahead=_AHEAD, progress=progress, closing=sender.close
        )
    except KeyboardInterrupt as stopped:
        result = getattr(stopped, "result", None)
        raise
    finally:
        if result is not None:
            for step, entry in zip(plan, result, strict=True):
                entry.file = _told(engine, step, entry.file or (step.work if step.idle else None))
    return result


def _told(engine: Engine, step: Step, identity: Any) -> Any:
    """The object of an uploaded file, put where the objects that are in memory look for it."""
    item: UploadTask | None = step.work if hasattr(step.work, "leftovers") else None
    if not isinstance(identity, str):
        return None
    if item is not None and not item.data_type:
        return engine.get(Clip, identity)
    file = engine.get(DataFile, identity)
    if item is None:
        return file
    clip = engine.peek(item.owner)
    with engine.lock:
        engine.wrote(item.owner)
        for gone in (*item.leftovers, *item.replaces):
            old = engine.peek(gone)
            if gone != identity and isinstance(old, DataFile) and gone in item.removed:
                engine.deleted(old)
        known = {"id": identity, "originalFileName": item.name, "dataType": item.data_type}
        engine.absorb({**known, "uploadStatus": item.status}, DataFile)
        if isinstance(clip, Clip):
            setattr(file, DataFile.fields["clip"].slot, clip.id)
            files: Any = Clip.fields["files"]
            collection = files.collection(clip)
            if collection._is_loaded():
                gone_ids = item.removed
                collection._fill([one for one in collection._members() if one.id not in gone_ids])
                collection._with(file)
    return file
