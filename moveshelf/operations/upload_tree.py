"""A whole folder to a project: what is missing is made, what is missing is sent."""

from __future__ import annotations

import os
import random
import re
import time
import unicodedata
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from typing import Any

import attrs

from ..errors import AmbiguousError, ConflictError, NotFoundError, OutcomeUnknownError, ValidationError
from ..lazy.registry import ENTITIES
from ..transfer.journal import Journal
from ..transfer.layout import (
    AUTO,
    CONFIG_FILE,
    Layout,
    LayoutFunction,
    Place,
    SessionImport,
    nothing_fits,
    read_session_import,
)
from ..transfer.names import find_name, is_shortened
from ..transfer.paths import local_path
from ..transfer.patterns import Given
from ..transfer.result import Plan, Step, TransferResult
from ..transfer.run import JOBS, checked_jobs
from ..transfer.source import FileSource
from ..transfer.walk import walk
from ..wire.progress import Bar
from . import commands
from .commands import Command, Values
from .downloads import Filter
from .files import files_now
from .folders import condition_name
from .locks import write_lock
from .service import Outcome, Service
from .shapes import Shape
from .uploads import WantedFile, checked_existing, plan_steps, send
from .validation import checked_file_name, checked_name, checked_title

ROUNDS = 5
"""How often the project is looked at anew after a response was lost, or another computer has created the same."""
LOOKS = 4
"""Looks at a project in which a name stands for several, before that is an error."""
SETTLING = 1.0
"""Seconds for another computer to see what both have created, and to delete its own."""

SubjectKey = tuple[str]
SessionKey = tuple[str, str]
ClipKey = tuple[str, str, str, str]


@attrs.frozen
class LocalFile:
    """A file of the folder that fits the layout.

    `alternatives` are the other places that the layout allows: what is on the service already decides.
    """

    shown: str
    path: Path
    size: int
    place: Place
    alternatives: tuple[Place, ...] = ()
    session_folder: str | None = None


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

    def extend(self, other: Missing) -> None:
        """Take in what was missing at a later look."""
        self.subjects += other.subjects
        self.sessions += other.sessions
        self.clips += other.clips

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
    layout: str | LayoutFunction = AUTO,
    include: Given = None,
    existing: str = "skip",
    dry_run: bool = False,
    jobs: int = JOBS,
    progress: bool | None = None,
    exclude: Given = None,
) -> TransferResult | Plan:
    """Upload what is below a folder into the project with id `project`; `Project.upload_tree` leads here.

    `import_session(id, content, is_new)` fills in what an import file says of a session; what there is to say about it.
    """
    checked_existing(existing)
    checked_jobs(jobs)
    wanted = Filter(include, None, exclude)
    tree = read_tree(local_path(folder), Layout(layout), wanted, strict=not dry_run)
    wanted.warn_of_unmatched()
    title = f"upload of {os.path.basename(os.path.abspath(local_path(folder)))!r}"
    bar = Bar.of(progress, title)
    waiting = bar.waiting(service.wire, "looking at the project") if bar is not None else nullcontext()
    if dry_run:
        with waiting:
            there = look(service, project, tree)
        missing = missing_of(tree, there)
        steps = _steps(service, tree, there, {}, Journal(service.url, readonly=True), existing)
        made = f" (creates {missing.text()})" if missing else ""
        return Plan(steps, title + made)
    # another run on this computer would find missing what this one is about to create, and create it too
    with write_lock(service, f"upload {project}"):
        with waiting:
            there, new, failures = create_tree(service, project, tree)
            journal = Journal(service.url)
            plan = Plan(_steps(service, tree, there, failures, journal, existing), title)
        importer = Importer(import_session, there, new)
        return send(service, plan, journal, jobs=jobs, progress=False if bar is None else bar, other=importer)


def create_tree(
    service: Service, project: str, tree: LocalTree
) -> tuple[KnownIds, Missing, dict[tuple[str, ...], Exception]]:
    """Create what the project lacks of the tree: its ids, what was missing, and what the service refused.

    A response that is lost on the way is looked for. What another computer created at the same time is found by a look
    afterwards: of several of one name one is used by all, and ours is deleted as long as nobody has put a file into it.
    """
    new = Missing()
    for attempt in range(ROUNDS):
        there = _settled_look(service, project, tree)
        missing = missing_of(tree, there)
        new.extend(missing)
        if not missing:
            return there, new, {}
        try:
            failures = create_missing(service, project, tree, there, missing)
        except OutcomeUnknownError:
            if attempt + 1 == ROUNDS:
                raise
            continue
        if not _give_way(service, project, tree, there, missing):
            return there, new, failures
    raise ConflictError(
        "another computer creates the same subjects, sessions or trials at this moment, again and again; no file was sent: "
        "upload again when it is done"
    )


def _settled_look(service: Service, project: str, tree: LocalTree) -> KnownIds:
    """A look that waits a little where a name stands for several: another computer may be about to delete its own."""
    for _ in range(LOOKS - 1):
        try:
            return look(service, project, tree)
        except AmbiguousError:
            time.sleep(SETTLING * random.uniform(0.5, 1))
    return look(service, project, tree)


# the folder ------------------------------------------------------------------------------------------------------


def read_tree(root: Path, layout: Layout, wanted: Filter, strict: bool = True) -> LocalTree:
    """Every entry below the folder, in order, as a file or with the reason why it is left out.

    Raises NotADirectoryError, ValidationError for a wrong import file and, if `strict`, where no file fits the layout.
    """
    tree = LocalTree()
    imports: dict[str, Path] = {}
    files = {}
    entries = list(walk(root, checked_file_name))
    wanted.patterns.settle(entry.shown for entry in entries)
    for entry in entries:
        if entry.path.name == CONFIG_FILE and not entry.reason:
            imports[entry.shown.rpartition("/")[0]] = entry.path
        elif not wanted.fits(entry.shown):
            continue
        elif entry.reason:
            tree.other.append(Step(entry.shown, "skip", entry.size, entry.reason, local=entry.path))
        else:
            files[entry.shown] = entry
    readings = layout.read({shown: entry.path for shown, entry in files.items()})
    taken: dict[tuple[ClipKey, str], str] = {}
    for reading in readings:
        entry = files[reading.path]
        place, reason = reading.place, reading.reason
        if place is not None:
            reason = _wrong_names(place)
            key = (clip_key(place), place.name)
            if not reason and key in taken:
                reason = f"the same trial and name as {taken[key]}"
        if place is None or reason:
            tree.other.append(Step(reading.path, "skip", entry.size, reason, place=place, local=entry.path))
            continue
        taken[key] = reading.path
        others = tuple(one for one in reading.alternatives if not _wrong_names(one))
        tree.files.append(
            LocalFile(reading.path, entry.path, entry.size or 0, place, others, reading.session_folder)
        )
    if files and not tree.files and all(one.place is None for one in readings):
        problem = nothing_fits(files, layout)
        if strict:
            raise problem
        warnings.warn(str(problem), stacklevel=4)  # a plan shows the reasons
    _match_imports(tree, imports)
    return tree


def _wrong_names(place: Place) -> str:
    """Why a name of a place cannot be on the service; "" where all can."""
    try:
        checked_name(place.subject, "subject")
        checked_name(place.session, "session")
        if place.condition is not None:
            checked_name(place.condition, "condition")
        checked_title(place.trial)
        checked_file_name(place.name)
    except ValidationError as error:
        return str(error)
    return ""


def _match_imports(tree: LocalTree, imports: dict[str, Path]) -> None:
    """Each import file belongs to the session in whose folder it is."""
    sessions: dict[str, SessionKey] = {}
    for local in tree.files:
        if local.session_folder is not None:
            sessions[local.session_folder] = (local.place.subject, local.place.session)
    for above, path in imports.items():
        shown = f"{above}/{path.name}".lstrip("/")
        key = sessions.get(above)
        if key is None:
            reason = "is not in the folder of a session with trials"
            tree.other.append(Step(shown, "skip", None, reason, local=path))
        else:
            tree.imports[key] = (shown, read_session_import(path))


def _subject_key(local: LocalFile) -> SubjectKey:
    return (local.place.subject,)


def clip_key(place: Place) -> ClipKey:
    """What tells a trial from the others of a project."""
    return place.subject, place.session, place.condition or "", place.trial


# the project -----------------------------------------------------------------------------------------------------


_NAMES = Shape(patientsList=Shape("name"), norms=Shape(clips=Shape("title", "projectPath")))
_SESSIONS = Shape(sessions=Shape("projectPath", clips=Shape("title", "projectPath")))


def look(service: Service, project: str, tree: LocalTree) -> KnownIds:
    """What of the tree is on the service now, whatever is cached: one request for the subjects' names, and one for every
    hundred of those that the tree has.

    Where the layout allows several places for a file, the one that is on the service is taken. A name that a download has
    shortened is replaced by the service's own. Raises AmbiguousError where a name of the tree stands for several.
    """
    listed = _listed(service, project, tree)
    for number, local in enumerate(tree.files):
        for place in local.alternatives:
            if clip_key(local.place) not in listed.clips and clip_key(place) in listed.clips:
                tree.files[number] = attrs.evolve(local, place=place)
                break
    there = KnownIds()
    for local in tree.files:
        key = clip_key(local.place)
        _take(listed.subjects, there.subjects, key[:1], "subject")
        _take(listed.sessions, there.sessions, key[:2], "session")
        _take(listed.clips, there.clips, key, "trial")
    return there


@attrs.define
class _Listed:
    """All ids that the service has for each name."""

    subjects: dict[tuple[str, ...], list[str]] = attrs.field(factory=dict)
    sessions: dict[tuple[str, ...], list[str]] = attrs.field(factory=dict)
    clips: dict[tuple[str, ...], list[str]] = attrs.field(factory=dict)
    #: the names below each path, in the service's own form
    names: dict[tuple[str, ...], list[str]] = attrs.field(factory=dict)

    def note(self, level: dict[tuple[str, ...], list[str]], key: tuple[str, ...], name: str, id: str) -> None:
        """An object of the service: the path of names that leads to it, and its own name as it is."""
        level.setdefault(key, []).append(id)
        self.names.setdefault(key[:-1], []).append(name)


def _listed(service: Service, project: str, tree: LocalTree) -> _Listed:
    listed = _Listed()
    node = service.node(_NAMES.selection(ENTITIES["Project"]), project) or {}
    for one in node.get("patientsList") or ():
        if one:
            listed.note(listed.subjects, (_form(one.get("name")),), one.get("name") or "", one["id"])
    _restore_names(tree, listed, "subject", lambda place: ())
    places = [place for local in tree.files for place in (local.place, *local.alternatives)]
    wanted = {(place.subject,) for place in places}
    names = {one: key[0] for key, ids in listed.subjects.items() if key in wanted for one in ids}
    for norm in node.get("norms") or ():
        # the trials of a norm may lie in folders that are no subject's
        for clip in (norm or {}).get("clips") or ():
            folders = [_form(one) for one in str((clip or {}).get("projectPath") or "").strip("/").split("/")]
            if folders[:1] and (folders[0],) in wanted and (folders[0],) not in listed.subjects:
                above = [*folders, ""][:2]
                title = clip.get("title") or ""
                clip_name = (*above, "/".join(folders[2:]), _form(title))
                listed.note(listed.clips, clip_name, title, clip["id"])
    kind = ENTITIES["Subject"]
    for identity, values in service.values(kind, list(names), _SESSIONS.selection(kind)).items():
        if isinstance(
            values, NotFoundError
        ):  # another computer has deleted it since the subjects were listed
            listed.subjects[(names[identity],)].remove(identity)
            continue
        if isinstance(values, Exception):
            raise values
        for session in values.get("sessions") or ():
            if not session:
                continue
            path = session.get("projectPath") or ""
            own = path.strip("/").partition("/")[2]
            key = (names[identity], _form(own))
            listed.note(listed.sessions, key, own, session["id"])
            for clip in session.get("clips") or ():
                if clip:
                    condition = condition_name(clip.get("projectPath"), path)
                    listed.names.setdefault(key, []).append(condition)
                    clip_name = (*key, _form(condition), _form(clip.get("title")))
                    listed.note(listed.clips, clip_name, clip.get("title") or "", clip["id"])
    _restore_names(tree, listed, "session", lambda place: (place.subject,))
    _restore_names(tree, listed, "condition", lambda place: (place.subject, place.session))
    _restore_names(tree, listed, "trial", lambda place: clip_key(place)[:3])
    return listed


def _restore_names(
    tree: LocalTree, listed: _Listed, part: str, above: Callable[[Place], tuple[str, ...]]
) -> None:
    """Put the service's own names where a download had to shorten one: a download, uploaded again, is the same."""

    def restored(place: Place) -> Place:
        local = getattr(place, part)
        if local is None or not is_shortened(local):
            return place
        found = find_name(local, listed.names.get(above(place), ()))
        return place if found is None else attrs.evolve(place, **{part: _form(found)})

    renamed: dict[SessionKey, SessionKey] = {}
    for number, local in enumerate(tree.files):
        place = restored(local.place)
        others = tuple(restored(one) for one in local.alternatives)
        if place != local.place or others != local.alternatives:
            tree.files[number] = attrs.evolve(local, place=place, alternatives=others)
            renamed[clip_key(local.place)[:2]] = clip_key(place)[:2]
    tree.imports = {renamed.get(key, key): one for key, one in tree.imports.items()}


def _form(name: Any) -> str:
    """A name of the service's in the form in which names are compared."""
    return unicodedata.normalize("NFC", name) if isinstance(name, str) else ""


def _take(
    listed: Mapping[tuple[str, ...], Sequence[str]], found: dict[Any, str], key: tuple[str, ...], kind: str
) -> None:
    ids = listed.get(key, ())
    if len(ids) > 1:
        raise AmbiguousError(
            f"there are several {kind}s {'/'.join(filter(None, key))!r} in the project ({', '.join(ids)}), so "
            "that it cannot be told where the files belong: rename or delete one. Nothing was created or sent."
        )
    if ids:
        found[key] = ids[0]


def _give_way(service: Service, project: str, tree: LocalTree, there: KnownIds, missing: Missing) -> bool:
    """Delete those of ours that another computer has created too, from the subjects down; whether there were any.

    The one with the smaller id stays, so that computers that see each other's decide alike. One that stays nevertheless
    beside ours was created by a run that looked before ours was there, and has gone on: then ours is deleted too. Only
    what is ours down to the last trial, and has no file, is deleted.
    """
    levels: tuple[tuple[str, Command, str], ...] = (
        ("subjects", commands.DELETE_SUBJECT, "patientId"),
        ("sessions", commands.DELETE_SESSION, "sessionId"),
        ("clips", commands.DELETE_CLIP, "clipId"),
    )
    gave_way = False
    for wait in (False, True):
        if wait:
            time.sleep(SETTLING)
        listed = _listed(service, project, tree)
        stays_twice = False
        for level, command, variable in levels:
            rows = []
            for key in getattr(missing, level):
                own, ids = getattr(there, level).get(key), getattr(listed, level).get(key, [])
                if own not in ids or len(ids) < 2:
                    continue
                if (wait or min(ids) != own) and _is_untouched(service, command, own, there):
                    rows.append({variable: own})
                else:
                    stays_twice = True
            if rows:
                gave_way = True
                service.run_many(command, rows)
                service.touch(command, rows)
                listed = _listed(service, project, tree)  # what was below them is no longer there
        if not stays_twice:
            break
    return gave_way


def _is_untouched(service: Service, command: Command, identity: str, there: KnownIds) -> bool:
    """Whether all that is below an object of ours is ours, and no trial of it has a file."""
    files = Shape(additionalData=Shape("originalFileName"))
    clips = Shape(clips=files)
    kind, shape = {
        commands.DELETE_CLIP.name: ("Clip", files),
        commands.DELETE_SESSION.name: ("Session", clips),
        commands.DELETE_SUBJECT.name: ("Subject", Shape(sessions=clips)),
    }[command.name]
    ours = {*there.subjects.values(), *there.sessions.values(), *there.clips.values()}
    level = [service.node(shape.selection(ENTITIES[kind]), identity)]
    while level:
        below = []
        for node in level:
            if not node or node["id"] not in ours or node.get("additionalData"):
                return False
            below += [one for name in ("sessions", "clips") for one in node.get(name) or () if one]
        level = below
    return True


def missing_of(tree: LocalTree, there: KnownIds) -> Missing:
    """What the tree has and the project has not, in the tree's order."""
    missing = Missing()
    # a norm's trial needs no subject and no session
    lacking = [one for one in tree.files if clip_key(one.place) not in there.clips]
    subjects = dict.fromkeys(_subject_key(local) for local in lacking)
    sessions = dict.fromkeys((local.place.subject, local.place.session) for local in lacking)
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
        rows = [
            {
                "input": {
                    "project": project,
                    "clips": [
                        {
                            "clientId": "0",
                            "metadata": {
                                "title": key[3],
                                "projectPath": f"/{'/'.join(filter(None, key[:3]))}/",
                            },
                        }
                    ],
                }
            }
            for key in part
        ]
        outcomes = service.run_many(commands.CREATE_CLIPS, rows)
        service.touch(commands.CREATE_CLIPS, rows)
        for key, outcome in zip(part, outcomes, strict=True):
            row = outcome if isinstance(outcome, Exception) else outcome["response"][0]
            _record(key, _created(row, "mocapClip"), there.clips, failures)
    return failures


CLIPS_A_REQUEST = 50
"""How many trials one request creates."""


def _created(outcome: Outcome, result: str) -> str | Exception:
    if isinstance(outcome, Exception):
        return outcome
    if not outcome.get(result):
        return ValidationError(f"the service responded without the {result} that it was to create")
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
        name, kind = local.place.name, local.place.type
        there_now = listed.get(clip or "", ())
        if is_shortened(name) and not isinstance(there_now, Exception):
            name = find_name(name, [one.name or "" for one in there_now]) or name
        wanted.append(WantedFile(local.shown, FileSource(local.path), clip or "", name, kind, local.size))
    steps = {step.path: step for step in plan_steps(wanted, {"": (), **listed}, journal, existing)}
    steps.update(refused)
    ordered = []
    for local in tree.files:
        step = steps[local.shown]
        step.place, step.local = local.place, local.path
        ordered.append(step)
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
