"""A whole folder to a project: what is missing is made, what is missing is sent."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import AmbiguousError, OutcomeUnknownError, ValidationError
from ..transfer.journal import Journal
from ..transfer.layout import CONFIG_FILE, FLAT, Layout, Place, SessionImport, data_type, read_session_import
from ..transfer.names import PART_PREFIX
from ..transfer.result import Plan, Step, TransferResult
from ..transfer.run import JOBS, checked_jobs
from ..transfer.source import FileSource
from . import making
from .condition import folder as condition_of
from .downloads import Filter
from .subject import Subject
from .uploads import Wanted, checked_existing, listed_now, plan_steps, send

if TYPE_CHECKING:
    from ..lazy.engine import Engine
    from .project import Project

ROUNDS = 3
"""How often the tree is looked at anew after an answer was lost on the way: what was made shows then."""

SubjectKey = tuple[str]
SessionKey = tuple[str, str]
ClipKey = tuple[str, str, str, str]


class Local(NamedTuple):
    """A file of the folder that fits the layout."""

    shown: str
    path: Path
    size: int
    place: Place


@dataclass
class Tree:
    """The folder as the layout reads it."""

    files: list[Local] = field(default_factory=list)
    other: list[Step] = field(default_factory=list)
    imports: dict[SessionKey, tuple[str, SessionImport]] = field(default_factory=dict)


@dataclass
class There:
    """The project as it is now, as far as the tree reaches: ids by names."""

    subjects: dict[SubjectKey, str] = field(default_factory=dict)
    sessions: dict[SessionKey, str] = field(default_factory=dict)
    clips: dict[ClipKey, str] = field(default_factory=dict)


@dataclass
class Missing:
    """What has to be made before the files can go."""

    subjects: list[SubjectKey] = field(default_factory=list)
    sessions: list[SessionKey] = field(default_factory=list)
    clips: list[ClipKey] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.subjects or self.sessions or self.clips)

    def text(self) -> str:
        """`2 subjects, 3 sessions`."""
        counts = (("subject", self.subjects), ("session", self.sessions), ("trial", self.clips))
        return ", ".join(
            f"{len(keys)} {word}{'' if len(keys) == 1 else 's'}" for word, keys in counts if keys
        )


@dataclass
class Import:
    """The work of an import step."""

    session: SessionKey
    content: SessionImport
    label: str


def upload_tree(
    project: Project,
    folder: str | os.PathLike[str],
    layout: str = FLAT,
    include: str | Iterable[str] | None = None,
    existing: str = "skip",
    dry_run: bool = False,
    jobs: int = JOBS,
    progress: bool | None = None,
) -> TransferResult | Plan:
    """Upload what is below a folder; `Project.upload_tree` leads here."""
    checked_existing(existing)
    checked_jobs(jobs)
    engine = project._require("upload_tree()")
    tree = read_tree(Path(folder), Layout(layout), Filter(include, None))
    title = f"upload of {os.path.basename(os.path.abspath(folder))!r}"
    for attempt in range(ROUNDS):
        there = look(engine, project, tree)
        missing = missing_of(tree, there)
        if dry_run:
            journal = Journal(engine.wire.url, readonly=True)
            steps = _steps(engine, tree, there, {}, journal, existing)
            made = f" (makes {missing.text()})" if missing else ""
            return Plan(steps, title + made)
        try:
            failures = _make(engine, project, tree, there, missing)
            break
        except OutcomeUnknownError:
            if attempt + 1 == ROUNDS:
                raise
    journal = Journal(engine.wire.url)
    plan = Plan(_steps(engine, tree, there, failures, journal, existing), title)
    return send(engine, plan, journal, jobs=jobs, progress=progress, other=Importer(engine, there, missing))


# the folder ------------------------------------------------------------------------------------------------------


def read_tree(root: Path, layout: Layout, wanted: Filter) -> Tree:
    """Every file below the folder, in order. Raises NotADirectoryError, ValidationError for a wrong import file."""
    if not root.is_dir():
        raise NotADirectoryError(f"{os.fspath(root)!r} is no folder")
    tree = Tree()
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
        key = (clip_key(place), place.name)
        if key in taken:
            tree.other.append(Step(shown, "skip", size, f"the same trial and name as {taken[key]}"))
            continue
        taken[key] = shown
        tree.files.append(Local(shown, path, size, place))
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


def _match_imports(tree: Tree, layout: Layout, imports: dict[str, Path]) -> None:
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


def _subject_key(local: Local) -> SubjectKey:
    return (local.place.subject,)


def clip_key(place: Place) -> ClipKey:
    """What tells a trial from the others of a project."""
    return place.subject, place.session, place.condition or "", place.trial


# the project -----------------------------------------------------------------------------------------------------


def look(engine: Engine, project: Project, tree: Tree) -> There:
    """What of the tree is there now. Asks the service, whatever is loaded: one request for the subjects' names, and
    one for every hundred of those that the tree has.

    Raises AmbiguousError where a name of the tree stands for several.
    """
    there = There()
    wanted = {local.place.subject for local in tree.files}
    sessions = {(local.place.subject, local.place.session) for local in tree.files}
    clips = {clip_key(local.place) for local in tree.files}
    query = (
        "query SubjectNames($id: ID!) { node(id: $id) { id ... on Project { patientsList { id name } } } }"
    )
    node = engine.wire.execute(query, {"id": project.id}).get("node") or {}
    for one in node.get("patientsList") or ():
        if one and one.get("name") in wanted:
            _unique(there.subjects, (one["name"],), one["id"], "subject")
    text = "sessions { id projectPath clips { id title projectPath } }"
    answers = engine.fields_of(Subject, there.subjects.values(), text)
    for (subject,), identity in there.subjects.items():
        answer = answers[identity]
        if isinstance(answer, Exception):
            raise answer
        for session in answer.get("sessions") or ():
            path = session.get("projectPath") or ""
            session_key = (subject, path.strip("/").partition("/")[2])
            if session_key not in sessions:
                continue
            _unique(there.sessions, session_key, session["id"], "session")
            for clip in session.get("clips") or ():
                key = (*session_key, condition_of(clip.get("projectPath"), path), clip.get("title") or "")
                if key in clips:
                    _unique(there.clips, key, clip["id"], "trial")
    return there


def _unique(found: dict[Any, str], key: tuple[str, ...], identity: str, kind: str) -> None:
    if found.setdefault(key, identity) != identity:
        raise AmbiguousError(
            f"there are several {kind}s {'/'.join(filter(None, key))!r} in the project ({found[key]}, {identity}), so "
            "that nobody can tell where the files belong: rename or delete one. Nothing was made or sent."
        )


def missing_of(tree: Tree, there: There) -> Missing:
    """What the tree has and the project has not, in the tree's order."""
    missing = Missing()
    subjects = dict.fromkeys(_subject_key(local) for local in tree.files)
    sessions = dict.fromkeys((local.place.subject, local.place.session) for local in tree.files)
    clips = dict.fromkeys(clip_key(local.place) for local in tree.files)
    missing.subjects = [key for key in subjects if key not in there.subjects]
    missing.sessions = [key for key in sessions if key not in there.sessions]
    missing.clips = [key for key in clips if key not in there.clips]
    return missing


def _make(
    engine: Engine, project: Project, tree: Tree, there: There, missing: Missing
) -> dict[tuple[str, ...], Exception]:
    """Make what is missing, many in a request; what the service refused is by its key in what comes back."""
    failures: dict[tuple[str, ...], Exception] = {}
    changed: dict[str, tuple[str, ...]] = {}
    if missing:
        changed[project.id] = ("subjects", "sessions", "clips")
    try:
        made = making.subjects(engine, project.id, [name for (name,) in missing.subjects])
        _put(there.subjects, missing.subjects, made, failures)
        todo = [key for key in missing.sessions if key[:1] in there.subjects]
        days = [_day(key, tree) for key in todo]
        ids = [there.subjects[key[:1]] for key in todo]
        made = making.sessions(engine, project.id, list(zip(todo, ids, days, strict=True)))
        _put(there.sessions, todo, made, failures)
        changed |= dict.fromkeys(ids, ("sessions",))
        trials = [key for key in missing.clips if key[:2] in there.sessions]
        made = making.clips(engine, project.id, [(key[3], "/".join(filter(None, key[:3]))) for key in trials])
        _put(there.clips, trials, made, failures)
        changed.update({there.sessions[key[:2]]: ("clips",) for key in trials})
    finally:
        making.changed(engine, changed)
    return failures


def _put(
    found: dict[Any, str],
    keys: Sequence[tuple[str, ...]],
    made: Sequence[str | Exception],
    failures: dict[tuple[str, ...], Exception],
) -> None:
    for key, answer in zip(keys, made, strict=True):
        if isinstance(answer, Exception):
            failures[key] = answer
        else:
            found[key] = answer


def _day(key: SessionKey, tree: Tree) -> str | None:
    """The day of a new session: what its import file says, else the one that its name begins with."""
    if key in tree.imports and tree.imports[key][1].date:
        return tree.imports[key][1].date
    match = re.match(r"(\d{4}-\d{2}-\d{2})(?!\d)", key[1])
    if match is None:
        return None
    from datetime import date

    try:
        return date.fromisoformat(match[1]).isoformat()
    except ValueError:
        return None


# the plan --------------------------------------------------------------------------------------------------------


def _steps(
    engine: Engine,
    tree: Tree,
    there: There,
    failures: Mapping[tuple[str, ...], Exception],
    journal: Journal,
    existing: str,
) -> list[Step]:
    """A step a file, in the tree's order, the import files of its session before them."""
    listed = listed_now(engine, set(there.clips.values()))
    wanted = []
    refused = {}
    for local in tree.files:
        key = clip_key(local.place)
        clip = there.clips.get(key)
        error = next((failures[part] for part in (key[:1], key[:2], key) if part in failures), None)
        if clip is None and error is not None:
            refused[local.shown] = Step(local.shown, "upload", local.size, "", error)
            continue
        kind = data_type(local.place.name)
        wanted.append(
            Wanted(local.shown, FileSource(local.path), clip or "", local.place.name, kind, local.size)
        )
    steps = {step.path: step for step in plan_steps(wanted, {"": (), **listed}, journal, existing)}
    steps.update(refused)
    ordered = [steps[local.shown] for local in tree.files]
    imports = [
        Step(shown, "import", None, _import_text(content), Import(key, content, shown))
        for key, (shown, content) in tree.imports.items()
    ]
    return [*imports, *ordered, *tree.other]


def _import_text(content: SessionImport) -> str:
    date = f", date {content.date}" if content.date else ""
    return f"{len(content.metadata)} metadata values{date}, into what is empty"


class Importer:
    """The steps that are no upload: the import files, and the files whose trial could not be made."""

    def __init__(self, engine: Engine, there: There, missing: Missing) -> None:
        self.engine = engine
        self.there = there
        self.new = set(missing.sessions)

    def __call__(self, work: Any) -> str:
        """Do it; what there is to say about it. On a worker thread."""
        if isinstance(work, Exception):
            raise work
        from .session import Session

        assert isinstance(work, Import)
        identity = self.there.sessions.get(work.session)
        if identity is None:
            raise ValidationError(f"{work.label}: its session could not be made")
        session = self.engine.get(Session, identity)
        said = []
        if work.content.metadata:
            session.update_metadata(work.content.metadata)
            said.append("metadata")
        if work.content.date and work.session not in self.new and session.date is None:
            session.set_date(work.content.date)
            said.append("date")
        return "imported" if said or work.session in self.new else "everything was filled in already"
