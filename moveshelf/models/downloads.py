"""From objects to files on the disk: which files, below which path, and what has become of them."""

from __future__ import annotations

import os
import threading
from collections.abc import Hashable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import TargetExistsError, ValidationError
from ..lazy.collection import Collection
from ..transfer.names import local_paths
from ..transfer.result import Plan, Step, TransferResult
from ..transfer.run import JOBS, carry_out, checked_jobs
from .clip import Clip
from .condition import Condition, Conditions, folder
from .datafile import DataFile, OriginalFile
from .project import Project
from .session import Session
from .subject import Subject
from .values import DataType, UploadStatus

if TYPE_CHECKING:
    from ..lazy.engine import Engine
    from ..wire import Future

Parts = tuple[tuple[Hashable, str], ...]
"""The way down to a file: key and name of each folder, then of the file."""

EXISTING = ("skip", "overwrite", "error")


class Found(NamedTuple):
    """A file of a download: the way to it, and what has its bytes."""

    parts: Parts
    file: DataFile | OriginalFile


def download(
    root: Any,
    to: str | os.PathLike[str],
    include: str | Iterable[str] | None = None,
    data_types: str | Iterable[str] | None = None,
    existing: str = "skip",
    dry_run: bool = False,
    jobs: int = JOBS,
    progress: bool | None = None,
) -> TransferResult | Plan:
    """Download every file below an object, a condition or a collection; the methods `download` lead here."""
    if existing not in EXISTING:
        raise ValidationError(f"existing is one of {', '.join(EXISTING)}, not {existing!r}")
    checked_jobs(jobs)
    wanted = Filter(include, data_types)
    folder_ = Path(to)
    engine = engine_of(root)
    # what carries the bytes is imported while the listing is on its way
    threading.Thread(target=_get_ready, daemon=True).start()
    found = sorted_out(gather(root), wanted)
    first = None if dry_run or _holds(folder_) else _first(engine, found)
    plan, ids = make_plan(engine, found, folder_, existing, title_of(root))
    if dry_run:
        return plan
    if existing == "error":
        _refuse(plan)
    from ..transfer.receiver import Receiver
    from .desk import FileDesk

    look = FileDesk(engine.wire).download_urls
    receiver = Receiver(look, ids, root=folder_, retry=engine.wire.retry, first=first)
    result = carry_out(engine.wire, plan, receiver.work, jobs=jobs, progress=progress, closing=receiver.close)
    for entry, one in zip(result, found, strict=True):
        entry.file = one.file
    return result


def _holds(folder_: Path) -> bool:
    """Whether there is anything in a folder; also where nobody can tell."""
    try:
        with os.scandir(folder_) as entries:
            return next(entries, None) is not None
    except FileNotFoundError:
        return False
    except OSError:
        return True


def _first(engine: Engine, found: Sequence[Found]) -> Future[Any] | None:
    """Ask for the addresses of the first files while it is decided where all of them go."""
    from ..transfer.receiver import FIRST
    from .desk import FileDesk

    complete = (one for one in found if one.file.upload_status == UploadStatus.COMPLETE)
    ids = [_key(one.file) for one in islice(complete, FIRST)]
    if not ids:
        return None

    async def ask() -> dict[str, str | BaseException]:
        return dict(zip(ids, await FileDesk(engine.wire).download_urls(ids), strict=True))

    return engine.wire.run(ask)


def _key(file: DataFile | OriginalFile) -> str:
    """Whose address is asked for."""
    return file.clip.id if isinstance(file, OriginalFile) else file.id


def _get_ready() -> None:
    from ..transfer import receiver  # noqa: F401
    from ..transfer.checksum import extender

    extender()


class Filter:
    """What `include` and `data_types` say. Patterns look at the name and at the path below `to`, whatever the case."""

    def __init__(self, include: str | Iterable[str] | None, data_types: str | Iterable[str] | None) -> None:
        try:
            patterns = [include] if isinstance(include, str) else list(include or ())
        except TypeError:
            patterns = [include]  # type: ignore[list-item]
        if not all(isinstance(one, str) for one in patterns):
            raise ValidationError(f"include is a pattern such as '*.c3d', or several, not {include!r}")
        self.patterns = [pattern.lower() for pattern in patterns]
        kinds = [data_types] if isinstance(data_types, str) else list(data_types or ())
        known = {one.value for one in DataType}
        unknown = [str(one) for one in kinds if str(one) not in known]
        if unknown:
            raise ValidationError(f"{unknown[0]!r} is no data type; there are {', '.join(sorted(known))}")
        self.kinds = {str(one) for one in kinds}

    def fits(self, path: str, data_type: str | None = None) -> bool:
        """Whether a file at that path, of that type, is wanted."""
        if self.kinds and data_type not in self.kinds:
            return False
        path = path.lower()
        name = path.rpartition("/")[2]
        return not self.patterns or any(
            fnmatchcase(name, pattern) or fnmatchcase(path, pattern) for pattern in self.patterns
        )


def sorted_out(found: Iterable[Found], wanted: Filter) -> list[Found]:
    """Those that are wanted, each once."""
    seen: set[Any] = set()
    kept = []
    for one in found:
        path = "/".join(name for _, name in one.parts)
        kind = _data_type(one.file)
        if one.parts[-1][0] not in seen and wanted.fits(path, kind):
            seen.add(one.parts[-1][0])
            kept.append(one)
    return kept


def make_plan(
    engine: Engine, found: Sequence[Found], to: Path, existing: str, title: str
) -> tuple[Plan, list[str]]:
    """What is going to happen to each, and the ids whose addresses will be asked for, in that order."""
    from ..transfer.receiver import DownloadTask

    statuses = _statuses(engine, found)
    steps = []
    ids: list[str] = []
    for one, path, status in zip(found, local_paths(one.parts for one in found), statuses, strict=True):
        target = to.joinpath(*path)
        shown = "/".join(path)
        if status != UploadStatus.COMPLETE:
            steps.append(Step(shown, "skip", None, f"its status is {status}"))
            continue
        there = os.path.lexists(target)
        if there and existing == "skip":
            steps.append(Step(shown, "skip", None, "already there"))
            continue
        key = _key(one.file)
        work = DownloadTask(len(ids), key, target, overwrite=existing == "overwrite")
        reason = ("replaces what is there" if existing == "overwrite" else "already there") if there else ""
        ids.append(key)
        steps.append(Step(shown, "download", None, reason, work))
    return Plan(steps, title), ids


def _refuse(plan: Plan) -> None:
    there = [step.path for step in plan if step.reason == "already there"]
    if there:
        more = f" and {len(there) - 5} more" if len(there) > 5 else ""
        raise TargetExistsError(
            f"{', '.join(there[:5])}{more} exist already; nothing was downloaded (existing='skip' leaves them alone, "
            "'overwrite' replaces them)"
        )


def _statuses(engine: Engine, found: Sequence[Found]) -> list[UploadStatus | str | None]:
    """The upload statuses; those that were not complete when they were read are looked up again, all at once."""
    known = [one.file.upload_status for one in found]
    late = [
        one.file.id
        for one, status in zip(found, known, strict=True)
        if status != UploadStatus.COMPLETE and isinstance(one.file, DataFile)
    ]
    if not late:
        return list(known)
    answers = engine.fields_of(DataFile, late, "uploadStatus")
    now: list[UploadStatus | str | None] = []
    for one, status in zip(found, known, strict=True):
        answer = answers.get(one.file.id) if isinstance(one.file, DataFile) else None
        if isinstance(answer, dict) and answer.get("uploadStatus"):
            now.append(UploadStatus(answer["uploadStatus"]))
        elif isinstance(answer, Exception):
            now.append("gone")
        else:
            now.append(status)
    return now


def _data_type(file: DataFile | OriginalFile) -> str | None:
    if isinstance(file, OriginalFile):
        from ..transfer.layout import data_type

        return data_type(file.name)
    return None if file.data_type is None else str(file.data_type)


# which files, and where ------------------------------------------------------------------------------------------


def gather(root: Any) -> Iterator[Found]:
    """Every file below, with the path from there down. Loads what it needs, many objects to a request."""
    if isinstance(root, (DataFile, OriginalFile)):
        yield Found((_file_part(root),), root)
    elif isinstance(root, Clip):
        yield from _clip(root, ())
    elif isinstance(root, Condition):
        root.load("clips.files", "clips.original_name")
        for clip in root.clips:
            yield from _clip(clip, (_clip_part(clip),))
    elif isinstance(root, Session):
        root.load("clips.files", "clips.original_name")
        yield from _session(root, ())
    elif isinstance(root, Subject):
        root.load("sessions.clips.files", "sessions.clips.original_name")
        yield from _subject(root, ())
    elif isinstance(root, Project):
        yield from _project(root)
    elif isinstance(root, (Collection, Conditions, Sequence)):
        yield from _collection(root)
    else:
        raise ValidationError(f"{root!r} has nothing to download")


def _project(project: Project) -> Iterator[Found]:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        # the listing of all clips shows those that are in no session; it travels beside the rest
        listing = pool.submit(lambda: list(project.clips))
        project.load("subjects.sessions.clips.files", "subjects.sessions.clips.original_name")
        every = listing.result()
    held: set[str] = set()
    for subject in project.subjects:
        for session in subject.sessions:
            held.update(clip.id for clip in session.clips)
            yield from _session(session, (_part(subject), _part(session)))
    loose = [clip for clip in every if clip.id not in held]
    Collection(project._engine, Clip, items=loose).load("files", "original_name")
    # their folders are only names
    for clip in loose:
        names = [name for name in (clip.path or "").split("/") if name]
        yield from _clip(clip, (*((("folder", name), name) for name in names), _clip_part(clip)))


def _subject(subject: Subject, above: Parts) -> Iterator[Found]:
    for session in subject.sessions:
        yield from _session(session, (*above, _part(session)))


def _session(session: Session, above: Parts) -> Iterator[Found]:
    for clip in session.clips:
        yield from _clip(clip, (*above, *_below_session(clip, session)))


def _below_session(clip: Clip, session: Session) -> Parts:
    condition = folder(clip.path, session.path)
    way: Parts = ((("condition", session.id, condition), condition),) if condition else ()
    return (*way, _clip_part(clip))


def _clip(clip: Clip, above: Parts) -> Iterator[Found]:
    if clip.original is not None:
        yield Found((*above, _file_part(clip.original)), clip.original)
    for file in clip.files:
        yield Found((*above, _file_part(file)), file)


def _collection(members: Sequence[Any]) -> Iterator[Found]:
    """Members of one owner lie as they do below it; those of several owners each below its subject and session."""
    if isinstance(members, Conditions):
        members.load("clips.files", "clips.original_name")
    elif isinstance(members, Collection):
        below = {
            Project: "subjects.sessions.clips.",
            Subject: "sessions.clips.",
            Session: "clips.",
            Clip: "",
        }.get(members._type)
        if below is not None:
            members.load(f"{below}files", f"{below}original_name")
    for one in members:
        above = _way(one, members)
        if isinstance(one, Project):
            for found in _project(one):
                yield Found((*above, *found.parts), found.file)
        elif isinstance(one, Subject):
            yield from _subject(one, above)
        elif isinstance(one, Session):
            yield from _session(one, above)
        elif isinstance(one, Condition):
            for clip in one.clips:
                yield from _clip(clip, (*above, _clip_part(clip)))
        elif isinstance(one, Clip):
            yield from _clip(one, above)
        elif isinstance(one, DataFile):
            yield Found((*above, _file_part(one)), one)
        else:
            raise ValidationError(f"{one!r} has nothing to download")


def _way(one: Any, members: Sequence[Any]) -> Parts:
    """The folders from the collection's owner down to a member and with it; a file's own name is not among them."""
    owner = members._owner_now() if isinstance(members, Collection) else None
    if isinstance(one, (Project, Subject)):
        return (_part(one),)
    if isinstance(one, Session):
        return (_part(one),) if isinstance(owner, Subject) else _session_way(one)
    if isinstance(one, Condition):
        way: Parts = ((("condition", one.session.id, one.name), one.name),)
        return way if isinstance(members, Conditions) else (*_session_way(one.session), *way)
    if isinstance(one, Clip):
        if isinstance(owner, Session):
            narrow = getattr(members, "_condition", None) is not None
            return (_clip_part(one),) if narrow else _below_session(one, owner)
        return _clip_way(one)
    return () if isinstance(owner, Clip) else _clip_way(one.clip)


def _clip_way(clip: Clip) -> Parts:
    names = [name for name in (clip.path or "").split("/") if name]
    way: list[tuple[Hashable, str]] = []
    for name in names:
        way.append((("path", *(one for _, one in way), name), name))
    return (*way, _clip_part(clip))


def _session_way(session: Session) -> Parts:
    subject = session.path.strip("/").split("/")[0]
    return (("path", subject), subject), _part(session)


def _part(one: Project | Subject | Session) -> tuple[Hashable, str]:
    return one.id, one.name


def _clip_part(clip: Clip) -> tuple[Hashable, str]:
    return clip.id, clip.title


def _file_part(file: DataFile | OriginalFile) -> tuple[Hashable, str]:
    key = f"{file.clip.id} original" if isinstance(file, OriginalFile) else file.id
    return key, file.name


def engine_of(root: Any) -> Engine:
    """The engine behind an object or a collection. Raises DetachedError for copies, ValidationError for others."""
    from ..lazy.engine import require

    if isinstance(root, Condition):
        root = root.session
    elif isinstance(root, Conditions):
        root = root._session
    elif isinstance(root, OriginalFile):
        root = root.clip
    if not hasattr(root, "_engine"):
        raise ValidationError(f"{root!r} has nothing to download")
    return require(root._engine, "download()")


def title_of(root: Any) -> str:
    """`download of session '2024-03-01'`, without a request."""
    if isinstance(root, Collection):
        return f"download of {root._kind()}"
    if isinstance(root, Conditions):
        return "download of conditions"
    name = root._peek_name() if hasattr(root, "_peek_name") else root.name
    kind = {"DataFile": "file", "OriginalFile": "file"}.get(type(root).__name__, type(root).__name__.lower())
    return f"download of {kind} {name!r}" if name else f"download of {kind} {root.id}"
