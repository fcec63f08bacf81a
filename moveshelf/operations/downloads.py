"""From files on the service to files on the disk: below which path each goes, and what has become of it."""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Callable, Collection, Container, Hashable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import attrs

from ..errors import NotFoundError, QueryError, TargetExistsError, TransferError, ValidationError
from ..lazy.cache import loaded_value
from ..lazy.registry import ENTITIES
from ..lazy.state import NOT_LOADED
from ..tables.extra import warn
from ..transfer.layout import OutputLayout
from ..transfer.names import local_paths, of_one_name
from ..transfer.paths import local_path
from ..transfer.patterns import Given, Patterns, PatternWarning
from ..transfer.result import Entry, Plan, Step, TransferResult
from ..transfer.run import JOBS, carry_out, checked_jobs
from ..values import DataType, UploadStatus
from ..wire import thread
from ..wire.progress import Bar
from .executors import FILES_A_PART, PARTS_AHEAD, Carry, carried
from .files import DataFiles
from .service import Service
from .shapes import Shape

if TYPE_CHECKING:
    from ..transfer.run import Slot
    from ..wire import Future

Parts = tuple[tuple[Hashable, str], ...]
"""The way down to a file: key and name of each folder, then of the file."""

Existing = Literal["skip", "overwrite", "error", "replace-different"]
"""What a download does with a file that is there already."""
EXISTING: tuple[str, ...] = get_args(Existing)
_STATUS = Shape("uploadStatus")
#: What is going to happen to a file that is there already.
_THERE = {
    "overwrite": "replaces what is there",
    "replace-different": "replaces what is there if it differs",
    "error": "already there",
}


@attrs.frozen
class LocatedFile:
    """A file of a download: the way to it, and what is known of it."""

    parts: Parts
    #: the object that the result shows
    file: Any
    #: the id that the URL is requested by: the file's, or its clip's for a clip's own file
    id: str
    status: UploadStatus | str | None
    data_type: str | None
    #: whether the status can be looked up again
    is_data_file: bool = True
    #: what an output layout may name: project, subject, session, date, condition, trial, file, type, id
    values: Mapping[str, str | None] = attrs.field(factory=dict)

    def below(self, above: Parts) -> LocatedFile:
        """The same file with folders above its way."""
        return attrs.evolve(self, parts=(*above, *self.parts))


def folder_and_name(to: str | os.PathLike[str], name: str) -> tuple[str | os.PathLike[str], str | None]:
    """The folder that one file goes to, and its name there where `to` names the file itself; no request."""
    path = local_path(to)
    if path.is_dir() or os.fsdecode(to).endswith(("/", os.sep)):
        return to, None
    suffix = Path(name).suffix
    if path.is_file() or (suffix and path.suffix.casefold() == suffix.casefold()):
        return path.parent, path.name
    return to, None


def download(
    service: Service,
    files: Iterable[LocatedFile],
    title: str,
    to: str | os.PathLike[str],
    include: Given = None,
    data_types: Given = None,
    existing: str = "skip",
    dry_run: bool = False,
    jobs: int = JOBS,
    progress: bool | None = None,
    exclude: Given = None,
    layout: str | None = None,
    carry: Carry | None = None,
) -> TransferResult | Plan:
    """Download files into a folder; the methods `download` lead here. `files` may load what it needs as it goes.

    `carry` has parts of the download (DownloadPart) carried out elsewhere, and gets their results.
    """
    if existing not in EXISTING:
        raise ValidationError(f"existing is one of {', '.join(EXISTING)}, not {existing!r}")
    checked_jobs(jobs)
    wanted = Filter(include, data_types, exclude)
    output = None if layout is None else OutputLayout(layout)
    folder = local_path(to)
    # what carries the bytes is imported while the listing is on its way
    threading.Thread(target=_import_ahead, daemon=True).start()
    bar = Bar.of(progress, title)
    with bar.waiting(service.wire, "looking for files") if bar is not None else nullcontext():
        found = selected(files, wanted)
    wanted.warn_of_unmatched()
    apart = _subjects_of_one_name(service, found)
    if output is not None:
        found = [attrs.evolve(one, parts=output.parts(one.values, one.parts[-1][0])) for one in found]
    first = None if dry_run or carry or _has_entries(folder) else _first_urls(service, found)
    try:
        plan, ids = make_plan(service, found, folder, existing, title, apart)
        if dry_run:
            return plan
        if existing == "error":
            _refuse_existing(plan)
        from ..transfer.partial import tidy
        from ..transfer.receiver import Receiver

        if carry is not None:
            result = _carried(plan, folder, jobs, carry)
        else:
            receiver = Receiver(
                DataFiles(service).download_urls, ids, root=folder, retry=service.wire.retry, first=first
            )
            result = carry_out(
                service.wire,
                plan,
                receiver.work,
                jobs=jobs,
                progress=False if bar is None else bar,
                closing=receiver.close,
            )
    except BaseException:
        if first is not None:
            first.cancel()  # the receiver does not where it has not begun
        raise
    tidy(dict.fromkeys(folder.joinpath(step.path).parent for step in plan))
    for entry, one in zip(result, found, strict=True):
        entry.file = one.file
    return result


@attrs.frozen
class DownloadPart:
    """Some files of a download that somebody else carries out, on a disk that both see."""

    root: Path
    steps: tuple[Step, ...]
    jobs: int

    def carry_out(self, service: Service) -> list[Entry]:
        """One entry a file, in order."""
        from ..transfer.receiver import Receiver

        ids = [step.work.key for step in self.steps]
        steps = [
            attrs.evolve(step, work=attrs.evolve(step.work, number=n)) for n, step in enumerate(self.steps)
        ]
        receiver = Receiver(DataFiles(service).download_urls, ids, root=self.root, retry=service.wire.retry)
        result = carry_out(
            service.wire,
            Plan(steps, "part of a download"),
            receiver.work,
            jobs=self.jobs,
            progress=False,
            closing=receiver.close,
        )
        return list(result)


def _carried(plan: Plan, folder: Path, jobs: int, carry: Carry) -> TransferResult:
    """The result of a plan whose files are downloaded in parts by somebody else."""
    begin = time.perf_counter()
    entries = [Entry(step.path, local=step.local) for step in plan]
    todo = []
    for number, (step, entry) in enumerate(zip(plan, entries, strict=True)):
        if step.idle:
            entry.skip(step.reason)
        else:
            todo.append(number)

    def part(numbers: Sequence[int]) -> DownloadPart:
        return DownloadPart(folder, tuple(plan[number] for number in numbers), jobs)

    for number, done in carried(carry, todo, part, FILES_A_PART, PARTS_AHEAD):
        entries[number] = done
    return TransferResult(entries, plan.title, time.perf_counter() - begin)


def download_to(
    service: Service,
    wanted: Sequence[tuple[LocatedFile, Path]],
    title: str,
    jobs: int = JOBS,
    arrived: Callable[[int, int], None] | None = None,
) -> TransferResult:
    """Download each file to the path that it is given, in place of what is there; a result with an entry a file.

    Verified, resumed and put in place as `download` does it. A file whose upload is not complete is a failed entry.
    `arrived(number, bytes)` is called, on a worker thread, for each file that is in its place.
    """
    from ..transfer.blob import in_thread
    from ..transfer.partial import tidy
    from ..transfer.receiver import DownloadTask, Receiver

    statuses = statuses_now(service, [one for one, _ in wanted])
    steps = []
    ids: list[str] = []
    for (one, target), status in zip(wanted, statuses, strict=True):
        complete = status == UploadStatus.COMPLETE
        task = DownloadTask(len(ids), one.id, target, overwrite=True) if complete else None
        if complete:
            ids.append(one.id)
        steps.append(Step("/".join(name for _, name in one.parts), "download", None, str(status), task))
    receiver = Receiver(DataFiles(service).download_urls, ids, retry=service.wire.retry)
    numbers = {id(step): number for number, step in enumerate(steps)}

    async def work(step: Step, entry: Entry, slot: Slot) -> None:
        if step.work is None:
            raise TransferError(
                f"{step.path}: the service lists its upload as {step.reason}, so that there is no content"
            )
        await receiver.work(step, entry, slot)
        if arrived is not None:
            await in_thread(arrived, numbers[id(step)], entry.bytes)

    result = carry_out(
        service.wire, Plan(steps, title), work, jobs=jobs, progress=False, closing=receiver.close
    )
    tidy(dict.fromkeys(target.parent for _, target in wanted))
    for entry, (one, _) in zip(result, wanted, strict=True):
        entry.file = one.file
    return result


def _subjects_of_one_name(service: Service, found: Sequence[LocatedFile]) -> set[Hashable]:
    """The ids of subjects who share their name with another one, of these or of their project as far as it is listed. Warns of
    them.

    Each one's folder gets a mark of the id: else the order of a listing would decide who is called by the name alone, and
    two patients' files would meet in one folder, also where one is downloaded after the other.
    """
    subject = ENTITIES["Subject"]
    parts = {part: None for one in found for part in one.parts[:-1]}
    names = {
        key: name
        for key, name in parts
        if isinstance(key, str) and isinstance(service.cache.peek(key), subject)
    }
    every = {**_listed_beside(service, names), **names}
    apart = of_one_name(every.items())
    if not apart.isdisjoint(names):
        held = ", ".join(
            f"{name!r} ({key})" for key, name in sorted(every.items(), key=itemgetter(1)) if key in apart
        )
        warn(
            f"there are subjects of one name, {held}: the folder of each has a mark of its own behind the name. Downloaded "
            "alone, each is called by its name: take another folder then",
            UserWarning,
        )
    return apart


def _listed_beside(service: Service, ids: Collection[str]) -> dict[str, str]:
    """The names of the other subjects of those subjects' projects, by id, as far as they are loaded."""
    with service.cache.lock:
        subjects = service.cache.objects.of_kind(ENTITIES["Subject"])
        projects = {loaded_value(one, "project") for one in subjects if one.id in ids} - {NOT_LOADED, None}
        names = {
            one.id: loaded_value(one, "name") for one in subjects if loaded_value(one, "project") in projects
        }
    return {key: name for key, name in names.items() if isinstance(name, str)}


def _has_entries(folder: Path) -> bool:
    """Whether there is anything in a folder; also where that cannot be seen."""
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is not None
    except FileNotFoundError:
        return False
    except OSError:
        return True


def _first_urls(service: Service, found: Sequence[LocatedFile]) -> Future[Any] | None:
    """Request the URLs of the first files while it is decided where all of them go."""
    from ..transfer.receiver import FIRST

    complete = (one for one in found if one.status == UploadStatus.COMPLETE)
    ids = [one.id for one in islice(complete, FIRST)]
    if not ids:
        return None

    async def fetch() -> dict[str, str | BaseException]:
        return dict(zip(ids, await DataFiles(service).download_urls(ids), strict=True))

    return service.wire.run(fetch)


def _import_ahead() -> None:
    with thread.import_lock:
        from ..transfer import receiver  # noqa: F401
        from ..transfer.checksum import extender

    extender()


class Filter:
    """Which files of a download are meant: patterns of names and paths, and data types."""

    def __init__(self, include: Given, data_types: Given, exclude: Given) -> None:
        self.patterns = Patterns(include, exclude)
        kinds = [data_types] if isinstance(data_types, str) else list(data_types or ())
        known = {one.value for one in DataType}
        unknown = [str(one) for one in kinds if str(one) not in known]
        if unknown:
            raise ValidationError(f"{unknown[0]!r} is no data type; there are {', '.join(sorted(known))}")
        self.kinds = {str(one) for one in kinds}

    def fits(self, path: str, data_type: str | None = None) -> bool:
        """Whether a file at that path, of that type, is meant."""
        return self.patterns.fits(path) and (not self.kinds or data_type in self.kinds)

    def warn_of_unmatched(self, stacklevel: int = 4) -> None:
        """Warn of patterns that no file fits: nothing is left out without a word."""
        for pattern in self.patterns.unmatched:
            warnings.warn(f"no file fits include={pattern!r}", PatternWarning, stacklevel=stacklevel)


def selected(files: Iterable[LocatedFile], wanted: Filter) -> list[LocatedFile]:
    """Those that are wanted, each once."""
    seen: set[Any] = set()
    kept = []
    listed = [("/".join(name for _, name in one.parts), one) for one in files]
    wanted.patterns.settle(path for path, _ in listed)
    for path, one in listed:
        if one.parts[-1][0] not in seen and wanted.fits(path, one.data_type):
            seen.add(one.parts[-1][0])
            kept.append(one)
    return kept


def make_plan(
    service: Service,
    found: Sequence[LocatedFile],
    to: Path,
    existing: str,
    title: str,
    apart: Container[Hashable] = (),
) -> tuple[Plan, list[str]]:
    """What is going to happen to each, and the ids whose URLs will be requested, in that order.

    `apart`: the ids of folders that get their mark in any case.
    """
    from ..transfer.receiver import DownloadTask

    statuses = statuses_now(service, found)
    steps = []
    ids: list[str] = []
    complete = [status == UploadStatus.COMPLETE for status in statuses]
    # those that are not complete do not take the names of those that are
    paths = local_paths([one.parts for one in found], complete, apart)
    for one, path, status in zip(found, paths, statuses, strict=True):
        target = to.joinpath(*path)
        shown = "/".join(path)
        if status != UploadStatus.COMPLETE:
            steps.append(Step(shown, "skip", None, f"its status is {status}", local=target))
            continue
        there = os.path.lexists(target)
        if there and existing == "skip":
            steps.append(Step(shown, "skip", None, "already there", local=target))
            continue
        work = DownloadTask(
            len(ids),
            one.id,
            target,
            overwrite=existing in ("overwrite", "replace-different"),
            compare=existing == "replace-different",
        )
        reason = _THERE[existing] if there else ""
        ids.append(one.id)
        steps.append(Step(shown, "download", None, reason, work, local=target))
    return Plan(steps, title), ids


def _refuse_existing(plan: Plan) -> None:
    there = [step.path for step in plan if step.reason == "already there"]
    if there:
        more = f" and {len(there) - 5} more" if len(there) > 5 else ""
        raise TargetExistsError(
            f"{', '.join(there[:5])}{more} exist already; nothing was downloaded (existing='skip' leaves them alone, "
            "'overwrite' replaces them)"
        )


def statuses_now(service: Service, found: Sequence[LocatedFile]) -> list[UploadStatus | str | None]:
    """The upload statuses; those that were not complete when they were read are looked up again, all at once."""
    late = [one.id for one in found if one.status != UploadStatus.COMPLETE and one.is_data_file]
    if not late:
        return [one.status for one in found]
    kind = ENTITIES["DataFile"]
    nodes = service.values(kind, late, _STATUS.selection(kind))
    now: list[UploadStatus | str | None] = []
    for one in found:
        node = nodes.get(one.id) if one.is_data_file else None
        if isinstance(node, NotFoundError):
            now.append("gone")
        elif isinstance(node, QueryError):
            now.append("its status cannot be read")
        elif isinstance(node, Exception):
            raise node
        elif node is not None and node.get("uploadStatus"):
            now.append(UploadStatus(node["uploadStatus"]))
        else:
            now.append(one.status)
    return now
