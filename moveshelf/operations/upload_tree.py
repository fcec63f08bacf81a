"""A whole folder to a project: what is missing is made, what is missing is sent."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import attrs

from ..errors import AmbiguousError, OutcomeUnknownError, ValidationError
from ..lazy.registry import ENTITIES
from ..transfer.journal import Journal
from ..transfer.layout import CONFIG_FILE, FLAT, Layout, Place, SessionImport, data_type, read_session_import
from ..transfer.names import PART_PREFIX
from ..transfer.result import Plan, Step, TransferResult
from ..transfer.run import JOBS, checked_jobs
from ..transfer.source import FileSource
from . import commands
from .commands import Command, Values
from .downloads import Filter
from .files import clip_in, files_now
from .folders import condition_name
from .service import Outcome, Service
from .shapes import Shape
from .uploads import WantedFile, checked_existing, plan_steps, send

ROUNDS = 3
"""How often the project is looked at anew after a response was lost: what was created shows then."""

SubjectKey = tuple[str]
SessionKey = tuple[str, str]
ClipKey = tuple[str, str, str, str]


@attrs.frozen
class LocalFile:
    """A file of the folder that fits the layout."""

    shown: str
    path: Path
    size: int
    place: Place


@attrs.define
class LocalTree:
    """The folder as the layout reads it."""

    files: list[LocalFile] = attrs.field(factory=list)
    other: list[Step] = attrs.field(factory=list)
    imports: dict[SessionKey, tuple[str, SessionImport]] = attrs.field(factory=dict)


@attrs.define
class KnownIds:
    """The project as it is now, as far as the tree reaches: ids by names."""

    subjects: dict[SubjectKey, str] = attrs.field(factory=dict)
    sessions: dict[SessionKey, str] = attrs.field(factory=dict)
    clips: dict[ClipKey, str] = attrs.field(factory=dict)


@attrs.define
class Missing:
    """What has to be made before the files can go."""

    subjects: list[SubjectKey] = attrs.field(factory=list)
    sessions: list[SessionKey] = attrs.field(factory=list)
    clips: list[ClipKey] = attrs.field(factory=list)

    def __bool__(self) -> bool:
        return bool(self.subjects or self.sessions or self.clips)

    def text(self) -> str:
        """`2 subjects, 3 sessions`."""
        counts = (("subject", self.subjects), ("session", self.sessions), ("trial", self.clips))
        return ", ".join(
            f"{len(keys)} {word}{'' if len(keys) == 1 else 's'}" for word, keys in counts if keys
        )


@attrs.frozen
class ImportStep:
    """The work of an import step."""

    session: SessionKey
    content: SessionImport
    label: str


def upload_tree(
    service: Service,
    project: str,
    import_session: Callable[[str, SessionImport, bool], str],
    folder: str | os.PathLike[str],
    layout: str = FLAT,
    include: str | Iterable[str] | None = None,
    existing: str = "skip",
    dry_run: bool = False,
    jobs: int = JOBS,
    progress: bool | None = None,
) -> TransferResult | Plan:
    """Upload what is below a folder into the project with id `project`; `Project.upload_tree` leads here.

    `import_session(id, content, is_new)` fills in what an import file says of a session; what there is to say about it.
    """
    checked_existing(existing)
    checked_jobs(jobs)
    tree = read_tree(Path(folder), Layout(layout), Filter(include, None))
    title = f"upload of {os.path.basename(os.path.abspath(folder))!r}"
    for attempt in range(ROUNDS):
        there = look(service, project, tree)
        missing = missing_of(tree, there)
        if dry_run:
            journal = Journal(service.url, readonly=True)
            steps = _steps(service, tree, there, {}, journal, existing)
            made = f" (creates {missing.text()})" if missing else ""
            return Plan(steps, title + made)
        try:
            failures = create_missing(service, project, tree, there, missing)
            break
        except OutcomeUnknownError:
            if attempt + 1 == ROUNDS:
                raise
    journal = Journal(service.url)
    plan = Plan(_steps(service, tree, there, failures, journal, existing), title)
    return send(
        service, plan, journal, jobs=jobs, progress=progress, other=Importer(import_session, there, missing)
    )


# the folder ------------------------------------------------------------------------------------------------------


def read_tree(root: Path, layout: Layout, wanted: Filter) -> LocalTree:
    """Every file below the folder, in order. Raises NotADirectoryError, ValidationError for a wrong import file."""
    if not root.is_dir():
        raise NotADirectoryError(f"{os.fspath(root)!r} is no folder")
    tree = LocalTree()
    imports: dict[str, Path] = {}
    taken: dict[tuple[ClipKey, str], str] = {}
    for path, shown in _walk(root):
        if path.name == CONFIG_FILE:
            imports[shown.rpartition("/")[0]] = path
            continue
        if not wanted.fits(shown, data_type(path.name)):
            continue
        size = path.stat().st_size
        place = layout.parse(shown)
        if place is None:
            tree.other.append(Step(shown, "skip", size, f"does not fit the layout {layout.template}"))
            continue
        key = (clip_key(place), place.rest)
        if key in taken:
            tree.other.append(Step(shown, "skip", size, f"the same trial and name as {taken[key]}"))
            continue
        taken[key] = shown
        tree.files.append(LocalFile(shown, path, size, place))
    _match_imports(tree, layout, imports)
    return tree


def _walk(root: Path) -> Iterator[tuple[Path, str]]:
    """Files and their relative paths with `/`; hidden ones, and what a download has left, do not count."""
    for base, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if name.startswith((".", PART_PREFIX)) or name in ("Thumbs.db", "desktop.ini"):
                continue
            path = Path(base, name)
            if path.is_file():
                yield path, path.relative_to(root).as_posix()


def _match_imports(tree: LocalTree, layout: Layout, imports: dict[str, Path]) -> None:
    """Each import file belongs to the session in whose folder it is."""
    depth = layout.session_depth
    sessions: dict[str, SessionKey] = {}
    if depth is not None:
        for local in tree.files:
            above = "/".join(local.shown.split("/")[:depth])
            sessions[above] = (local.place.subject, local.place.session)
    for above, path in imports.items():
        shown = f"{above}/{path.name}".lstrip("/")
        key = sessions.get(above)
        if key is None:
            tree.other.append(Step(shown, "skip", None, "is not in the folder of a session with trials"))
        else:
            tree.imports[key] = (shown, read_session_import(path))


def _subject_key(local: LocalFile) -> SubjectKey:
    return (local.place.subject,)


def clip_key(place: Place) -> ClipKey:
    """What tells a trial from the others of a project."""
    return place.subject, place.session, place.condition or "", place.trial


# the project -----------------------------------------------------------------------------------------------------


_NAMES = Shape(patientsList=Shape("name"))
_SESSIONS = Shape(sessions=Shape("projectPath", clips=Shape("title", "projectPath")))


def look(service: Service, project: str, tree: LocalTree) -> KnownIds:
    """What of the tree is on the service now, whatever is cached: one request for the subjects' names, and one for every
    hundred of those that the tree has.

    Raises AmbiguousError where a name of the tree stands for several.
    """
    there = KnownIds()
    wanted = {local.place.subject for local in tree.files}
    sessions = {(local.place.subject, local.place.session) for local in tree.files}
    clips = {clip_key(local.place) for local in tree.files}
    node = service.node(_NAMES.selection(ENTITIES["Project"]), project) or {}
    for one in node.get("patientsList") or ():
        if one and one.get("name") in wanted:
            _unique(there.subjects, (one["name"],), one["id"], "subject")
    kind = ENTITIES["Subject"]
    found = service.values(kind, list(there.subjects.values()), _SESSIONS.selection(kind))
    for (subject,), identity in there.subjects.items():
        values = found[identity]
        if isinstance(values, Exception):
            raise values
        for session in values.get("sessions") or ():
            path = session.get("projectPath") or ""
            session_key = (subject, path.strip("/").partition("/")[2])
            if session_key not in sessions:
                continue
            _unique(there.sessions, session_key, session["id"], "session")
            for clip in session.get("clips") or ():
                key = (*session_key, condition_name(clip.get("projectPath"), path), clip.get("title") or "")
                if key in clips:
                    _unique(there.clips, key, clip["id"], "trial")
    return there


def _unique(found: dict[Any, str], key: tuple[str, ...], identity: str, kind: str) -> None:
    if found.setdefault(key, identity) != identity:
        raise AmbiguousError(
            f"there are several {kind}s {'/'.join(filter(None, key))!r} in the project ({found[key]}, {identity}), so "
            "that it cannot be told where the files belong: rename or delete one. Nothing was created or sent."
        )


def missing_of(tree: LocalTree, there: KnownIds) -> Missing:
    """What the tree has and the project has not, in the tree's order."""
    missing = Missing()
    subjects = dict.fromkeys(_subject_key(local) for local in tree.files)
    sessions = dict.fromkeys((local.place.subject, local.place.session) for local in tree.files)
    clips = dict.fromkeys(clip_key(local.place) for local in tree.files)
    missing.subjects = [key for key in subjects if key not in there.subjects]
    missing.sessions = [key for key in sessions if key not in there.sessions]
    missing.clips = [key for key in clips if key not in there.clips]
    return missing


def create_missing(
    service: Service, project: str, tree: LocalTree, there: KnownIds, missing: Missing
) -> dict[tuple[str, ...], Exception]:
    """Create what is missing, many in a request; what the service refused is by its key in what comes back."""
    failures: dict[tuple[str, ...], Exception] = {}

    def create(
        command: Command, rows: Sequence[Values], result: str, found: Any, keys: Sequence[Any]
    ) -> None:
        outcomes = service.run_many(command, rows)
        service.touch(command, rows)
        for key, outcome in zip(keys, outcomes, strict=True):
            _record(key, _created(outcome, result), found, failures)

    subjects = [{"projectId": project, "name": name} for (name,) in missing.subjects]
    create(commands.CREATE_SUBJECT, subjects, "patient", there.subjects, missing.subjects)
    keys = [key for key in missing.sessions if key[:1] in there.subjects]
    sessions = [
        {
            "projectId": project,
            "projectPath": f"/{'/'.join(key)}/",
            "patientId": there.subjects[key[:1]],
            "sessionDate": _day(key, tree),
        }
        for key in keys
    ]
    create(commands.CREATE_SESSION, sessions, "session", there.sessions, keys)
    trials = [key for key in missing.clips if key[:2] in there.sessions]
    for start in range(0, len(trials), CLIPS_A_REQUEST):
        part = trials[start : start + CLIPS_A_REQUEST]
        clips = [
            {
                "clientId": str(number),
                "metadata": {"title": key[3], "projectPath": f"/{'/'.join(filter(None, key[:3]))}/"},
            }
            for number, key in enumerate(part)
        ]
        rows = [{"input": {"project": project, "clips": clips}}]
        (outcome,) = service.run_many(commands.CREATE_CLIPS, rows)
        service.touch(commands.CREATE_CLIPS, rows)
        for number, key in enumerate(part):
            clip = clip_in(outcome, number)
            _record(key, clip if isinstance(clip, Exception) else clip.id, there.clips, failures)
    return failures


CLIPS_A_REQUEST = 50
"""How many trials one request creates."""


def _created(outcome: Outcome, result: str) -> str | Exception:
    if isinstance(outcome, Exception):
        return outcome
    if not outcome.get(result):
        return ValidationError(f"the service answered without the {result} that it was to create")
    return str(outcome[result]["id"])


def _record(
    key: tuple[str, ...],
    created: str | Exception,
    found: dict[Any, str],
    failures: dict[tuple[str, ...], Exception],
) -> None:
    if isinstance(created, OutcomeUnknownError):
        raise created
    if isinstance(created, Exception):
        failures[key] = created
    else:
        found[key] = created


def _day(key: SessionKey, tree: LocalTree) -> str | None:
    """The day of a new session: what its import file says, else the one that its name begins with."""
    if key in tree.imports and tree.imports[key][1].date:
        return tree.imports[key][1].date
    match = re.match(r"(\d{4}-\d{2}-\d{2})(?!\d)", key[1])
    if match is None:
        return None
    try:
        return date.fromisoformat(match[1]).isoformat()
    except ValueError:
        return None


# the plan --------------------------------------------------------------------------------------------------------


def _steps(
    service: Service,
    tree: LocalTree,
    there: KnownIds,
    failures: Mapping[tuple[str, ...], Exception],
    journal: Journal,
    existing: str,
) -> list[Step]:
    """A step a file, in the tree's order, the import files of its session before them."""
    listed = files_now(service, set(there.clips.values()))
    wanted = []
    refused = {}
    for local in tree.files:
        key = clip_key(local.place)
        clip = there.clips.get(key)
        error = next((failures[part] for part in (key[:1], key[:2], key) if part in failures), None)
        if clip is None and error is not None:
            refused[local.shown] = Step(local.shown, "upload", local.size, "", error)
            continue
        kind = data_type(local.place.rest)
        wanted.append(
            WantedFile(local.shown, FileSource(local.path), clip or "", local.place.rest, kind, local.size)
        )
    steps = {step.path: step for step in plan_steps(wanted, {"": (), **listed}, journal, existing)}
    steps.update(refused)
    ordered = [steps[local.shown] for local in tree.files]
    imports = [
        Step(shown, "import", None, _import_text(content), ImportStep(key, content, shown))
        for key, (shown, content) in tree.imports.items()
    ]
    return [*imports, *ordered, *tree.other]


def _import_text(content: SessionImport) -> str:
    date = f", date {content.date}" if content.date else ""
    return f"{len(content.metadata)} metadata values{date}, into what is empty"


class Importer:
    """The steps that are no upload: the import files, and the files whose trial could not be created."""

    def __init__(
        self, import_session: Callable[[str, SessionImport, bool], str], there: KnownIds, missing: Missing
    ) -> None:
        self._import_session = import_session
        self._there = there
        self._new = set(missing.sessions)

    def __call__(self, work: Any) -> str:
        """Do it; what there is to say about it. On a worker thread."""
        if isinstance(work, Exception):
            raise work
        assert isinstance(work, ImportStep)
        identity = self._there.sessions.get(work.session)
        if identity is None:
            raise ValidationError(f"{work.label}: its session could not be created")
        return self._import_session(identity, work.content, work.session in self._new)
