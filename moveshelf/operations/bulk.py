"""Many subjects, sessions or trials at once: a plan first, then a few requests with many commands each.

A row is planned before anything is written: names, values, the template, what is stored now, the service's validator. Then
what is missing is created, and what differs is written as `update_metadata` writes it, a hundred rows at a time: under the
locks of their objects all are read, merged, written and read back, and merged again where another program was in between.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import Any, ClassVar, Final, Protocol, TypeVar

import attrs

from ..display import folded, near_misses
from ..errors import (
    AmbiguousError,
    ConflictError,
    MoveshelfError,
    NotFoundError,
    OutcomeUnknownError,
    QueryError,
    RequestError,
    ValidationError,
)
from ..lazy.cache import Cache, loaded_value
from ..lazy.entity import Entity
from ..lazy.fields import Scalar
from ..lazy.registry import ENTITIES
from ..lazy.state import NOT_LOADED
from ..metadata import EHR_KEY, MetadataUpdate, merge, merge_subject, parse_record, record_of, stored
from ..values import Template, brief
from . import commands
from .additions import by_date, by_name, list_new, populated
from .bulk_plan import BulkEntry, BulkPlan, BulkResult, BulkStep
from .commands import Command, Values
from .deletion import mark_deleted
from .filters import day_text
from .folders import condition_name, session_name
from .known_fields import Kind, check_values
from .locks import write_lock
from .queries import stored_state
from .service import Outcome, Service
from .shapes import Shape
from .validation import (
    checked_folder,
    checked_interventions,
    checked_name,
    checked_title,
    checked_values,
    clip_values,
    day_in,
    json_text,
    options_text,
)

T = TypeVar("T")

#: How many rows are read, written and read back together; so many locks are held meanwhile, at most.
ROWS_TOGETHER = 100
_HALF: Final = re.compile("[\ud800-\udfff]")
#: With how many names those are compared that match none, for "did you mean".
_COMPARED: Final = 20_000
#: What a change of a session's day is called among the changes of its metadata.
DATE = "(date)"
#: How often a record is merged again that another program overwrites.
MERGES = 5

_SUBJECTS = Shape(patientsList=Shape("name", "externalId"))
_SESSIONS = Shape(sessions=Shape("projectPath", "date", "metadata", "updated"))
_METADATA = Shape("metadata")
_CLIP_VALUES = ("title", "projectPath", "description", "previewImageUri", "customOptions")
_CLIPS = Shape("projectPath", project=Shape(), clips=Shape(*_CLIP_VALUES))
#: What of a clip's values the service shows, so that it can be compared.
_VISIBLE = ("description", "previewImageUri")
#: What a clip can be given, by the service's names.
_OURS: Mapping[str, str] = {
    "description": "description",
    "previewImageUri": "preview_image_uri",
    "allowDownload": "allow_download",
    "allowUnlistedAccess": "allow_unlisted_access",
    "startTimecode": "start_timecode",
}


class Given(Protocol):
    """The metadata that a row gives."""

    def against(self, record: Mapping[str, Any]) -> Mapping[str, Any]:
        """The values to merge into a stored record, as `update_metadata` takes them. Raises ValidationError."""
        ...


@attrs.frozen
class PlainValues:
    """Metadata that say the same whatever is stored."""

    values: Mapping[str, Any] = attrs.field(factory=dict)

    def against(self, record: Mapping[str, Any]) -> Mapping[str, Any]:
        return self.values


@attrs.define(eq=False)
class Row:
    """One row on its way: what it is about, what it gives, and what has become of it."""

    row: int
    name: str
    given: Given = attrs.field(factory=PlainValues)
    #: why it cannot be carried out, or was not
    error: Exception | None = None
    #: what else there is to say
    notes: list[str] = attrs.field(factory=list)
    #: the object's id, once it is known
    identity: str | None = None
    creates: bool = False
    is_new: bool = False
    is_written: bool = False
    #: whether something else is stored, and is to stay
    keeps: bool = False
    update: MetadataUpdate = attrs.field(factory=MetadataUpdate)
    #: the object, held: the cache lets go of what nobody holds
    held: Any = None
    #: the object as it is stored now, as far as it was read
    node: Mapping[str, Any] | None = None

    #: what may be among the changes and is no metadata
    beside: ClassVar[frozenset[str]] = frozenset()
    #: the validator's name for the metadata
    tab: ClassVar[str] = ""

    @property
    def has_failed(self) -> bool:
        """Whether it is out of the run."""
        return self.error is not None

    @property
    def is_pending(self) -> bool:
        """Whether there is something to write of it."""
        return not self.has_failed and (self.creates or bool(self.update))

    def fail(self, error: Exception) -> None:
        """Take it out of the run, for that reason."""
        self.error = error

    def note_new(self, similar: Sequence[str], owner: str) -> None:
        """Note, once, what `owner` has that is nearly what is about to be created."""
        if similar and not any(one.startswith("new; ") for one in self.notes):
            self.notes.append(f"new; {owner} has {' and '.join(repr(one) for one in similar[:3])}")

    def step(self) -> BulkStep:
        """The row as a line of a plan."""
        if self.error is not None:
            return BulkStep(self.row, self.name, "failed", self._reason(), error=self.error)
        action = (
            "create" if self.creates else "update" if self.update else "keep" if self.keeps else "unchanged"
        )
        return BulkStep(self.row, self.name, action, self._reason(), self.update.changed, self.update.before)

    def entry(self, obj: Any) -> BulkEntry[Any]:
        """The row as a line of a result."""
        status = "created" if self.is_new else "updated" if self.is_written else "unchanged"
        if self.error is not None:
            status = "failed"
        elif status == "unchanged" and self.keeps:
            status = "kept"
        update = self.update if status in ("created", "updated") else MetadataUpdate(kept=self.update.kept)
        if status == "failed":
            update = MetadataUpdate()
        return BulkEntry(
            self.row,
            self.name,
            status,
            self._reason(),
            obj,
            update.changed,
            update.before,
            update.kept,
            self.error,
        )

    def _reason(self) -> str:
        texts = [*self.notes]
        if self.error is not None:
            head = "created, and then: " if self.is_new else ""
            texts.insert(0, f"{head}{self.error}")
        elif self.keeps:
            texts.insert(0, "another value is stored, and stays")
        return "; ".join(texts)


@attrs.define(eq=False)
class SubjectRow(Row):
    """A subject, and the interventions that replace its own where some are given."""

    interventions: list[Any] | None = None
    beside: ClassVar[frozenset[str]] = frozenset({"interventions"})
    tab: ClassVar[str] = "subjectMetadata"

    def merged(self, record: dict[str, Any], *, overwrite: bool) -> dict[str, Any]:
        """The record with what the row gives."""
        return merge_subject(record, self.given.against(record), self.interventions, overwrite=overwrite)

    def compare(self, record: dict[str, Any], *, overwrite: bool) -> dict[str, Any]:
        """The merged record; what the row changes and keeps is noted."""
        given = dict(self.given.against(record))
        merged = self.merged(record, overwrite=overwrite)
        if self.interventions is not None:
            given["interventions"] = self.interventions
        self.update = MetadataUpdate.of(given, record, merged)
        self.keeps = not overwrite and merged == record and self._differs(record)
        return merged

    def _differs(self, record: dict[str, Any]) -> bool:
        given = {key: value for key, value in self.given.against(record).items() if value is not None}
        return merge_subject(record, given, self.interventions, overwrite=True) != record


@attrs.define(eq=False)
class SessionRow(Row):
    """A session of a subject: by its name, or by its day."""

    subject: Any = None
    title: str | None = None
    day: str | None = None
    #: the id that the row says, to tell sessions of one name apart
    said_id: str | None = None
    subject_id: str = ""
    subject_name: str = ""
    beside: ClassVar[frozenset[str]] = frozenset({DATE})
    tab: ClassVar[str] = "sessionMetadata"

    def compare(self, node: Mapping[str, Any], *, overwrite: bool) -> tuple[dict[str, Any], str | None]:
        """The merged record and the day to write, None for none; what the row changes and keeps is noted."""
        record = record_of(parse_record(node.get("metadata")), f"session {self.name!r}")
        before = record_of(record.get("metadata"), f"session {self.name!r}")
        given = self.given.against(before)
        merged = merge(before, given, overwrite=overwrite)
        self.update = MetadataUpdate.of(given, before, merged)
        day = None
        stored_day = str(node.get("date") or "")[:10]
        if self.day is not None and self.day != stored_day and not self.creates:
            if overwrite or not stored_day:
                day = self.day
                self.update = MetadataUpdate(
                    {DATE: day, **self.update.changed},
                    self.update.kept,
                    {DATE: stored_day or None, **self.update.before},
                )
            else:
                self.keeps = True
        told = {key: value for key, value in given.items() if value is not None}
        differs = not overwrite and merge(before, told, overwrite=True) != before
        self.keeps = not self.update and (self.keeps or differs)
        return ({**record, "metadata": merged} if merged != before else record), day


@attrs.define(eq=False)
class ClipRow(Row):
    """A trial of a session, by its condition and title."""

    session: Any = None
    subject: Any = None
    condition: str = ""
    title: str = ""
    #: what it is given, by the service's names, and custom options as JSON text
    values: Mapping[str, Any] = attrs.field(factory=dict)
    options: str | None = None
    session_id: str = ""
    session_path: str = ""

    def changes(self, node: Mapping[str, Any], *, overwrite: bool) -> tuple[dict[str, Any], str | None]:
        """What is to be written of the values, and the custom options, None for none; noted for the result."""
        values: dict[str, Any] = {}
        changed: dict[str, Any] = {}
        before: dict[str, Any] = {}
        self.keeps = False
        for name, value in self.values.items():
            old = node.get(name)
            if name in _VISIBLE and old == value:
                continue
            if not overwrite and (name not in _VISIBLE or old not in (None, "")):
                self.keeps = True  # whether what is not shown is empty, nobody can tell
                continue
            values[name] = changed[_OURS[name]] = value
            before[_OURS[name]] = old
        options = self.options
        if options is not None:
            old = parse_record(node.get("customOptions"))
            if old == json.loads(options):
                options = None
            elif not overwrite and old not in (None, "", {}):
                options, self.keeps = None, True
            else:
                changed["custom_options"], before["custom_options"] = json.loads(options), old
        self.update = MetadataUpdate(changed, {}, before)
        self.keeps = self.keeps and not changed
        return values, options


@attrs.frozen
class Project:
    """The project of a bulk write: its id, its name for texts, its object where one is cached, its template."""

    service: Service
    id: str
    name: str
    template: Template | None = None

    @property
    def cache(self) -> Cache:
        """The client's objects."""
        return self.service.cache

    def object(self) -> Entity | None:
        """The cached object of the project."""
        return self.cache.peek(self.id)


@attrs.define(slots=False)
class Listed:
    """The subjects of a project as they are now: ids by names, names and EHR ids by ids."""

    by_name: dict[str, list[str]] = attrs.field(factory=dict)
    by_ehr_id: dict[str, list[str]] = attrs.field(factory=dict)
    names: dict[str, str] = attrs.field(factory=dict)
    ehr_ids: dict[str, str | None] = attrs.field(factory=dict)

    @cached_property
    def near_names(self) -> Nearby:
        """What may have been meant by a name."""
        return Nearby(self.by_name)

    @cached_property
    def near_ehr_ids(self) -> Nearby:
        """What may have been meant by an EHR id."""
        return Nearby(self.by_ehr_id)

    @classmethod
    def now(cls, project: Project) -> Listed:
        """Every subject of the project, whatever is cached. One request."""
        node = project.service.node(_SUBJECTS.selection(ENTITIES["Project"]), project.id)
        if not node:
            raise NotFoundError(
                f"the service has no project {project.name!r} any more: it was deleted, or is not visible with your key"
            )
        found = cls()
        for one in node.get("patientsList") or ():
            if one:
                name = form(one.get("name"))
                found.by_name.setdefault(name, []).append(one["id"])
                found.names[one["id"]] = name
                found.ehr_ids[one["id"]] = one.get("externalId")
                if one.get("externalId"):
                    found.by_ehr_id.setdefault(str(one["externalId"]), []).append(one["id"])
        return found

    def subject(self, reference: Any) -> str:
        """The id of a subject that is given as object, name or id. Raises NotFoundError, AmbiguousError."""
        identity = getattr(reference, "id", None)
        if isinstance(identity, str):
            if identity in self.names:
                return identity
            raise NotFoundError(f"{reference!r} is no subject of this project")
        ids = self.by_name.get(form(reference), [])
        if len(ids) > 1:
            raise AmbiguousError(
                f"{len(ids)} subjects are named {reference!r}: {', '.join(ids)}; give its id"
            )
        if ids:
            return ids[0]
        if reference in self.names:
            return str(reference)
        raise NotFoundError(f"no subject {reference!r} in the project{self.near_names.meant(str(reference))}")


class Nearby:
    """The names of a project that may have been meant, for the rows of one run.

    Names that are alike are found for every row. Others are only looked for as often as people read them: each such look
    compares a name with all names of the project.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = list(names)
        self._alike: dict[str, list[str]] = {}
        for name in self._names:
            self._alike.setdefault(folded(name), []).append(name)
        # some seconds of work at most, however many names there are
        self._looks = max(5, min(50, _COMPARED // max(1, len(self._names))))

    def alike(self, name: str) -> list[str]:
        """The names that only case, separators and leading zeros tell from this one, at most three."""
        return self._alike.get(folded(name), [])[:3]

    def meant(self, name: str) -> str:
        """`; did you mean 'P-014'?`, or nothing."""
        found = self.alike(name)
        if not found and self._looks > 0:
            self._looks -= 1
            found = near_misses(name, self._names)
        return f"; did you mean {' or '.join(repr(one) for one in found)}?" if found else ""


def form(name: Any) -> str:
    """A name in the form in which names are compared."""
    return unicodedata.normalize("NFC", name) if isinstance(name, str) else ""


def meant(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'P-014'?`, or nothing."""
    near = near_misses(name, known)
    return f"; did you mean {' or '.join(repr(one) for one in near)}?" if near else ""


def refuse_twice(
    rows: Iterable[Row],
    key: Callable[[Any], Any],
    what: str,
    name_of: Callable[[Any], str] = lambda row: repr(row.name),
) -> None:
    """Fail the rows that are about the same object as another row."""
    found: dict[Any, list[Row]] = {}
    for row in rows:
        if not row.has_failed:
            found.setdefault(key(row), []).append(row)
    for same in found.values():
        if len(same) > 1:
            numbers = ", ".join(str(one.row) for one in same)
            for one in same:
                one.fail(
                    ValidationError(
                        f"rows {numbers} are about the same {what} {name_of(one)}: leave one of them"
                    )
                )


# subjects ---------------------------------------------------------------------------------------------------------
def subject_rows(rows: Any) -> list[SubjectRow]:
    """The rows of `create_subjects`. Raises ValidationError where they are no rows; what is wrong in one is its failure."""
    made = []
    for number, given in enumerate(_mappings(rows, "name", ("name", "metadata", "interventions"))):
        row = SubjectRow(number, str(given.get("name")), creates=True)
        try:
            check_texts(given)
            row.name = checked_name(given.get("name"), "subject")
            values = checked_values({} if given.get("metadata") is None else given["metadata"])
            interventions = given.get("interventions")
            if "interventions" in values:
                if interventions is not None:
                    raise ValidationError("the interventions are given twice: in metadata, and beside it")
                interventions = values.pop("interventions")
            row.given = PlainValues(storable(values))
            row.interventions = None if interventions is None else checked_interventions(interventions)
        except ValidationError as error:
            row.fail(error)
        made.append(row)
    refuse_twice(made, lambda row: row.name, "subject")
    return made


def storable(values: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata all of whose values can be stored. Raises ValidationError."""
    shaped = {
        key: stored(value, name=f"metadata {key!r}") for key, value in values.items() if value is not None
    }
    json_text(shaped, inside=1)  # as a session's are in its record
    check_texts(shaped)
    return dict(values)


def _mappings(rows: Any, name: str, known: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """Each row as a dictionary; a text stands for a name. Raises ValidationError for what are no rows."""
    if isinstance(rows, (str, bytes, Mapping)) or hasattr(rows, "iloc") or not isinstance(rows, Iterable):
        raise ValidationError(
            f"rows are a list of dictionaries with {', '.join(known)}, and not {type(rows).__name__}; import_table "
            "takes tables and files"
        )
    for number, row in enumerate(rows):
        if isinstance(row, str) and name:
            row = {name: row}
        if not isinstance(row, Mapping):
            raise ValidationError(
                f"row {number} is a dictionary with {', '.join(known)}, and not {brief(row)}"
            )
        for key in row:
            if key not in known:
                near = meant(key, known) if isinstance(key, str) else ""
                inside = "; fields of metadata go into the entry 'metadata'" if "metadata" in known else ""
                raise ValidationError(
                    f"row {number} has {brief(key)}, and rows have {', '.join(known)}{near or inside}"
                )
        yield row


def check_texts(row: Mapping[str, Any]) -> None:
    """Refuse a row with a text that cannot be sent, which would fail the requests of all rows. Raises ValidationError."""
    waiting: list[Any] = [row]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            if not one.isascii() and _HALF.search(one):
                raise ValidationError(
                    f"the row holds half a character (a lone surrogate), which cannot be sent: {brief(one)}"
                )
        elif isinstance(one, (Mapping, list, tuple)) and id(one) not in seen:
            seen.add(id(one))
            waiting += [*one, *one.values()] if isinstance(one, Mapping) else one


def match_by_name(rows: Iterable[SubjectRow], listed: Listed) -> None:
    """Find the subjects of the rows by their names; those that are missing are created."""
    for row in rows:
        if row.has_failed:
            continue
        ids = listed.by_name.get(row.name, [])
        if len(ids) > 1:
            row.fail(
                AmbiguousError(
                    f"{len(ids)} subjects of the project are named {row.name!r}: {', '.join(ids)}; rename or delete one"
                )
            )
        elif ids:
            row.identity, row.creates = ids[0], False
        else:
            row.creates = True
            row.note_new(listed.near_names.alike(row.name), "the project")


def write_subjects(
    project: Project,
    rows: list[SubjectRow],
    match: Callable[[list[SubjectRow], Listed], None],
    title: str,
    notes: Sequence[str] = (),
    *,
    overwrite: bool,
    validate: bool,
    dry_run: bool,
) -> BulkPlan | BulkResult[Any]:
    """Plan the rows and, unless `dry_run`, create and write what they say."""
    if dry_run:
        _plan_subjects(project, rows, match, overwrite=overwrite, validate=validate)
        return BulkPlan([row.step() for row in rows], title, notes)
    with _alone(project, subjects=True):
        proxy = _plan_subjects(project, rows, match, overwrite=overwrite, validate=validate)
        _create_subjects(project, rows, proxy, validate=validate)
        changing = [row for row in rows if row.identity and row.update and not row.has_failed]
        for part in _parts(changing):
            with _locked(project.service, [row.identity for row in part]):
                _write_records(project, part, overwrite=overwrite)
    return _result(project, rows, "Subject", title, notes)


def _plan_subjects(
    project: Project,
    rows: Sequence[SubjectRow],
    match: Callable[[list[SubjectRow], Listed], None],
    *,
    overwrite: bool,
    validate: bool,
) -> str | None:
    """Find out for each row what it changes, and whether that can be; the id of a subject that the validator takes."""
    listed = Listed.now(project)
    match(list(rows), listed)
    for row in rows:
        if row.identity is not None:
            row.node = {"name": listed.names[row.identity], "externalId": listed.ehr_ids[row.identity]}
            _hold(project, "Subject", row)
    kind = ENTITIES["Subject"]
    there = [row for row in rows if row.identity and not row.has_failed]
    giving = [row for row in there if row.given != PlainValues() or row.interventions is not None]
    nodes = project.service.values(kind, [str(row.identity) for row in giving], stored_state(kind))
    for row in giving:
        _compare_subject(project, row, nodes[str(row.identity)], overwrite=overwrite, checks=True)
    for row in rows:
        if row.creates and not row.has_failed:
            _or_fail(row, lambda row=row: row.compare({}, overwrite=overwrite))  # type: ignore[misc]
    _note_alike(rows)
    if not validate:
        return None
    proxy = next(iter(listed.names), None)
    _check_template(project, "subjects", rows)
    _validate(project, rows, lambda row: None if (id_ := row.identity or proxy) is None else (kind, id_))
    _check_ehr_ids(rows, listed)  # last: an id is only free where the row that gives it up is carried out
    return proxy


def _note_alike(rows: Iterable[SubjectRow]) -> None:
    """Note where several new subjects have names that only case, separators and zeros tell apart."""
    new: dict[str, list[SubjectRow]] = {}
    for row in rows:
        if row.creates and not row.has_failed:
            new.setdefault(folded(row.name), []).append(row)
    for alike in new.values():
        if len(alike) > 1:
            numbers = ", ".join(str(row.row) for row in alike)
            for row in alike:
                row.notes.append(f"new; the names in rows {numbers} are alike")


def _check_ehr_ids(rows: Iterable[SubjectRow], listed: Listed) -> None:
    """Fail the rows after which two subjects would have one EHR id; ids that change hands in the same run may do so.

    What a failed row would have set free stays taken, so that rows which rely on it fail, too.
    """
    changing = {
        id(row): row for row in rows if not row.has_failed and row.update.changed.get(EHR_KEY) is not None
    }
    freed = {row.identity for row in rows if not row.has_failed and EHR_KEY in row.update.changed}
    holders: dict[str, list[tuple[str, SubjectRow | None]]] = {}
    for identity, ehr_id in listed.ehr_ids.items():
        if ehr_id and identity not in freed:
            holders.setdefault(str(ehr_id), []).append((listed.names[identity], None))
    for row in changing.values():
        new, old = str(row.update.changed[EHR_KEY]), listed.ehr_ids.get(row.identity or "")
        holders.setdefault(new, []).append((row.name, row))
        alike = [repr(one) for one in listed.near_ehr_ids.alike(new) if one not in (new, old)]
        if alike:
            row.notes.append(f"the project has EHR id {' and '.join(alike)}")
    waiting = [ehr_id for ehr_id, held in holders.items() if len(held) > 1]
    while waiting:
        ehr_id = waiting.pop()
        held = holders[ehr_id]
        if len(held) < 2:
            continue
        names = " and ".join(dict.fromkeys(repr(name) for name, _ in held[:5]))
        holders[ehr_id] = [one for one in held if one[1] is None]
        for row in (row for _, row in held if row is not None):
            row.fail(
                ValidationError(
                    f"the EHR id {ehr_id!r} would be that of {names}: a patient has one of their own "
                    "(validate=False writes it all the same)"
                )
            )
            old = listed.ehr_ids.get(row.identity or "")
            if old:
                holders.setdefault(str(old), []).append((row.name, None))
                waiting.append(str(old))


def _compare_subject(
    project: Project, row: SubjectRow, node: Any, *, overwrite: bool, checks: bool
) -> dict[str, Any] | None:
    """The merged record of a row; None where it has failed. `checks`: whether the object shows something else."""
    if isinstance(node, Exception):
        row.fail(node)
        return None
    obj = project.cache.peek(str(row.identity))

    def compare() -> dict[str, Any]:
        if checks and isinstance(obj, ENTITIES["Subject"]):
            obj._check_unchanged(node)  # type: ignore[attr-defined]
        record = record_of(parse_record(node["metadata"]), f"subject {row.name!r}")
        return row.compare(record, overwrite=overwrite)

    return _or_fail(row, compare)


def _or_fail(row: Row, work: Callable[[], T]) -> T | None:
    """What `work` returns; what it raises is the row's failure."""
    try:
        return work()
    except MoveshelfError as error:
        row.fail(error)
        return None


def _check_template(project: Project, kind: Kind, rows: Iterable[Row]) -> None:
    for row in rows:
        if row.is_pending:
            _or_fail(row, lambda row=row: check_values(project.template, kind, _shaped(row), repr(row.name)))  # type: ignore[misc]


def _shaped(row: Row) -> dict[str, Any]:
    """The metadata that a row is going to change, in the form in which they are stored; what it removes is not there."""
    return {
        key: stored(value, name=f"metadata {key!r}")
        for key, value in row.update.changed.items()
        if value is not None and key not in row.beside
    }


def _validate(
    project: Project, rows: Iterable[Any], owner_of: Callable[[Any], tuple[type[Entity], str] | None]
) -> None:
    """Fail the rows whose metadata the service's validator refuses; equal metadata travel once.

    `owner_of` a row is the object that the validator is told, by which it knows the template; None: not yet.
    """
    wanted: dict[tuple[type[Entity], str, str, str], list[Row]] = {}
    proxies: dict[tuple[str, str], tuple[type[Entity], str, str, str]] = {}
    for row in rows:
        if not row.is_pending:
            continue
        owner = owner_of(row)
        tabs = [(row.tab, _shaped(row))]
        if isinstance(row, SubjectRow) and row.interventions and "interventions" in row.update.changed:
            tabs.append(("interventionMetadata", row.interventions))  # type: ignore[arg-type]
        for tab, values in tabs:
            if owner is not None and values:
                text = json_text(values)
                # all objects of a project have one template, so that the validator says the same of equal metadata
                key = proxies.setdefault((tab, text), (*owner, tab, text))
                wanted.setdefault(key, []).append(row)
    keys = list(wanted)
    for key, complaints in zip(keys, project.service.complaints_of(keys), strict=True):
        for row in wanted[key]:
            if isinstance(complaints, Exception):
                row.fail(complaints)
            elif complaints:
                text = f"the service's validator refuses the metadata: {'; '.join(complaints)}"
                row.fail(ValidationError(f"{text} (validate=False writes it all the same)", complaints))


def _create_subjects(
    project: Project, rows: Sequence[SubjectRow], proxy: str | None, *, validate: bool
) -> None:
    """Create the subjects that are missing; a subject whose metadata are refused is not left behind."""
    missing = [row for row in rows if row.creates and not row.has_failed]
    if validate and proxy is None and any(row.update for row in missing):
        # the validator knows a template by an object of its project, and this project has none yet
        kind = ENTITIES["Subject"]
        for first in missing:
            _create(project, [first])
            if first.identity is not None:
                identity = first.identity
                _validate(project, missing, lambda row: (kind, identity))  # noqa: B023
                if first.has_failed:
                    _take_back(project, first)
                break
        missing = [row for row in missing if row.identity is None and not row.has_failed]
    _create(project, missing)


def _take_back(project: Project, row: SubjectRow) -> None:
    """Delete a subject of ours whose metadata are refused."""
    try:
        project.service.run(commands.DELETE_SUBJECT, {"patientId": row.identity})
    except RequestError as error:
        row.notes.append(f"the subject, which is empty, could not be deleted: {error}")
        return
    mark_deleted(project.cache, [project.cache.get(ENTITIES["Subject"], str(row.identity))])
    row.identity, row.is_new, row.held = None, False, None


def _create(project: Project, rows: Sequence[SubjectRow]) -> None:
    cache = project.cache
    values = [{"projectId": project.id, "name": row.name} for row in rows]
    new = []
    for row, outcome in zip(rows, project.service.run_many(commands.CREATE_SUBJECT, values), strict=True):
        if isinstance(outcome, Exception):
            row.fail(outcome)
            continue
        row.identity, row.is_new = outcome["patient"]["id"], True
        links = {"project": project.id}
        with cache.lock:
            row.held = populated(
                cache, commands.CREATE_SUBJECT, outcome["patient"], links, ("sessions", "reports")
            )
            new.append(row.held)
    with cache.lock:
        list_new(cache, new, (project.object(), "subjects", by_name))


@attrs.define(eq=False)
class _Write:
    """A subject's record that is being written: what was read, and what is to be stored."""

    row: SubjectRow
    before: Any
    record: dict[str, Any]

    @property
    def values(self) -> Values:
        return {"patientId": self.row.identity, "metadata": json_text(self.record)}


def _write_records(project: Project, rows: Sequence[SubjectRow], *, overwrite: bool) -> None:
    """Read the records of the rows, merge, write and read back; their locks are held.

    The service takes a subject's metadata without looking whether somebody else has written since they were read: what
    another computer has written over ours is merged again.
    """
    service, cache, kind = project.service, project.cache, ENTITIES["Subject"]
    clock = cache.clock
    known = [str(row.identity) for row in rows if not row.is_new]
    nodes = service.values(kind, known, stored_state(kind))
    waiting = []
    for row in rows:
        node = {"metadata": None} if row.is_new else nodes[str(row.identity)]
        merged = _compare_subject(project, row, node, overwrite=overwrite, checks=False)
        if merged is None:
            continue
        if not row.update:
            obj = cache.peek(str(row.identity))
            if obj is not None and not row.is_new:
                with cache.lock:
                    stored_state(kind).populate(cache, obj, node, clock)  # type: ignore[arg-type]
            continue
        waiting.append(_Write(row, node["metadata"], merged))  # type: ignore[index]
    for _ in range(MERGES):
        waiting = _write_once(project, waiting, overwrite=overwrite)
        if not waiting:
            return
    for one in waiting:
        service.touch(commands.UPDATE_SUBJECT, [one.values])
        one.row.fail(
            ConflictError(
                f"the metadata of subject {one.row.name!r} are overwritten by another program again and again; run it again"
            )
        )


def _write_once(project: Project, writes: Sequence[_Write], *, overwrite: bool) -> list[_Write]:
    """Write the records and read them back; those that another program has overwritten, merged again."""
    service, kind = project.service, ENTITIES["Subject"]
    outcomes = service.run_many(
        commands.UPDATE_SUBJECT, [one.values for one in writes], [{"metadata": one.before} for one in writes]
    )
    sent = []
    for one, outcome in zip(writes, outcomes, strict=True):
        error = _not_done(commands.UPDATE_SUBJECT, outcome)
        if error is None:
            one.row.is_written = True
            sent.append(one)
        else:
            one.row.fail(error)
    selection = _METADATA.selection(kind)
    nodes = service.values(kind, [str(one.row.identity) for one in sent], selection)
    again = []
    for one in sent:
        node = nodes[str(one.row.identity)]
        if isinstance(node, Exception):
            service.touch(commands.UPDATE_SUBJECT, [one.values])
            one.row.fail(
                OutcomeUnknownError(
                    f"the metadata of subject {one.row.name!r} were written, but could not be read back, so that nobody "
                    f"knows whether another program has overwritten them since; refresh() and look. The reason: {node}",
                    operation=commands.UPDATE_SUBJECT.name,
                )
            )
            continue
        text = node.get("metadata")
        now = _or_fail(one.row, lambda text=text, one=one: record_of(parse_record(text), repr(one.row.name)))  # type: ignore[misc]
        if now is None:
            continue
        if now != one.record:
            merged = one.row.merged(now, overwrite=overwrite)
            if merged != now:
                one.before, one.record = text, merged
                again.append(one)
                continue
        _show_record(project.cache, str(one.row.identity), str(text))
    return again


def _show_record(cache: Cache, identity: str, text: str) -> None:
    """The cached subject shows the record that is stored now."""
    kind = ENTITIES["Subject"]
    with cache.lock:
        obj = cache.get(kind, identity)
        cache.invalidate(identity)
        cache.put(obj, kind.fields["stored"], text)
        for name in ("updated", "ehr_id"):  # the service's to say
            cache.unload(obj, kind.fields[name])


def _not_done(command: Command, outcome: Outcome) -> Exception | None:
    """Why a command with a result that says so was not carried out; None if it was."""
    if isinstance(outcome, Exception):
        return outcome
    if outcome.get(command.done) is None:
        return OutcomeUnknownError(
            f"the service did not say whether it carried {command.name} out; refresh() and look",
            operation=command.name,
        )
    if not outcome.get(command.done):
        return RequestError(
            f"the service reported that it did not carry {command.name} out, and gave no reason"
        )
    return None


# sessions ---------------------------------------------------------------------------------------------------------
def session_rows(rows: Any) -> list[SessionRow]:
    """The rows of `create_sessions`. Raises ValidationError where they are no rows; what is wrong in one is its failure."""
    made = []
    for number, given in enumerate(_mappings(rows, "", ("subject", "name", "date", "metadata"))):
        row = SessionRow(number, _shown(given.get("subject"), given.get("name") or given.get("date")))
        row.subject, row.creates = given.get("subject"), True
        try:
            check_texts(given)
            _check_reference(row.subject, "Subject", "subject")
            row.day = day_text(given.get("date"))
            if given.get("name") is not None:
                row.title = checked_name(given["name"], "session")
            elif row.day is None:
                raise ValidationError("a session needs a name, or a date, which is its name then")
            values = checked_values({} if given.get("metadata") is None else given["metadata"])
            row.given = PlainValues(storable(values))
        except ValidationError as error:
            row.fail(error)
        made.append(row)
    return made


def _shown(*parts: Any) -> str:
    """How lines of a plan call an object that is not there yet: names with slashes between."""
    names = [getattr(one, "_peek_name", lambda one=one: one)() for one in parts if one is not None]
    return "/".join(str(one) for one in names if one not in (None, ""))


def _check_reference(given: Any, kind: str, what: str) -> None:
    """Raise ValidationError for what is neither an object of that kind, nor a name or an id."""
    if isinstance(given, ENTITIES[kind]) or (isinstance(given, str) and given.strip()):
        return
    raise ValidationError(f"a row needs its {what}: a {kind}, its name or its id, and not {brief(given)}")


def find_subjects(rows: Iterable[SessionRow], listed: Listed) -> None:
    """Find the subjects that the sessions of the rows belong to."""
    for row in rows:
        if not row.has_failed:
            _or_fail(row, lambda row=row: setattr(row, "subject_id", listed.subject(row.subject)))  # type: ignore[misc]


def write_sessions(
    project: Project,
    rows: list[SessionRow],
    find: Callable[[list[SessionRow], Listed], None],
    title: str,
    notes: Sequence[str] = (),
    *,
    create: bool,
    overwrite: bool,
    validate: bool,
    dry_run: bool,
) -> BulkPlan | BulkResult[Any]:
    """Plan the rows and, unless `dry_run`, create and write what they say. Without `create` what is missing fails."""
    if dry_run:
        _plan_sessions(project, rows, find, create=create, overwrite=overwrite, validate=validate)
        return BulkPlan([row.step() for row in rows], title, notes)
    with _alone(project):
        _plan_sessions(project, rows, find, create=create, overwrite=overwrite, validate=validate)
        for part in _parts([row for row in rows if row.is_pending]):
            with _locked(project.service, [one for row in part for one in (row.subject_id, row.identity)]):
                _look_at_sessions(project, part, create=create, overwrite=overwrite, checks=False)
                _create_sessions(project, [row for row in part if row.creates and not row.has_failed])
                _write_session_records(project, part, overwrite=overwrite)
    return _result(project, rows, "Session", title, notes)


def _plan_sessions(
    project: Project,
    rows: list[SessionRow],
    find: Callable[[list[SessionRow], Listed], None],
    *,
    create: bool,
    overwrite: bool,
    validate: bool,
) -> None:
    listed = Listed.now(project)
    find(rows, listed)
    for row in rows:
        if row.subject_id:
            row.subject_name = listed.names[row.subject_id]
            row.name = "/".join((row.subject_name, row.title or row.day or ""))
    dated = [row for row in rows if row.title is None]
    _look_at_sessions(project, rows, create=create, overwrite=overwrite, checks=True)
    refuse_twice(rows, lambda row: row.identity or (row.subject_id, row.title or row.day), "session")
    _check_days(rows, dated)
    if validate:
        _check_template(project, "sessions", rows)
        known = next((row.identity for row in rows if row.identity), None)
        subject, session = ENTITIES["Subject"], ENTITIES["Session"]

        def owner(row: SessionRow) -> tuple[type[Entity], str]:
            identity = row.identity or known
            # (a): the validator finds the template by a subject as well
            return (session, identity) if identity else (subject, row.subject_id)

        _validate(project, rows, owner)


def _check_days(rows: Sequence[SessionRow], dated: Sequence[SessionRow]) -> None:
    """Fail the new sessions without a name on whose day another row has one: when run again, it would be either."""
    on_day: dict[tuple[str, str], list[SessionRow]] = {}
    for row in rows:
        if row.day and row.subject_id and not row.has_failed:
            on_day.setdefault((row.subject_id, row.day), []).append(row)
    for row in dated:
        others = [one for one in on_day.get((row.subject_id, row.day or ""), ()) if one is not row]
        if row.creates and others and not row.has_failed:
            row.fail(
                ValidationError(
                    f"row {others[0].row} is about a session on that day, too: give this one a name, or leave one of them"
                )
            )


def _look_at_sessions(
    project: Project, rows: Sequence[SessionRow], *, create: bool, overwrite: bool, checks: bool
) -> None:
    """Find the sessions of the rows among those that their subjects have now, and what the rows change of them."""
    kind = ENTITIES["Subject"]
    wanted = [row.subject_id for row in rows if not row.has_failed]
    found = project.service.values(kind, wanted, _SESSIONS.selection(kind))
    for row in rows:
        if row.has_failed:
            continue
        node = found[row.subject_id]
        if isinstance(node, Exception):
            row.fail(node)
            continue
        sessions = [one for one in node.get("sessions") or () if one]
        _or_fail(
            row,
            lambda row=row, sessions=sessions: _find_session(  # type: ignore[misc]
                project, row, sessions, create=create, overwrite=overwrite, checks=checks
            ),
        )


def _find_session(
    project: Project,
    row: SessionRow,
    sessions: Sequence[Mapping[str, Any]],
    *,
    create: bool,
    overwrite: bool,
    checks: bool,
) -> None:
    """The session of a row. Raises AmbiguousError, NotFoundError (without `create`) and what the comparison raises."""
    names = {one["id"]: form(session_name(one.get("projectPath"))) for one in sessions}
    if row.title is not None:
        fitting = [one for one in sessions if names[one["id"]] == row.title]
    else:
        fitting = [one for one in sessions if str(one.get("date") or "")[:10] == row.day]
    if row.said_id is not None and (len(fitting) > 1 or row.title is None):
        fitting = [one for one in fitting if one["id"] == row.said_id] or fitting
    if len(fitting) > 1:
        ids = ", ".join(f"{names[one['id']]!r} ({one['id']})" for one in fitting)
        raise AmbiguousError(
            f"subject {row.subject_name!r} has {len(fitting)} such sessions: {ids}; say which one"
        )
    if fitting and row.said_id not in (None, fitting[0]["id"]):
        raise ValidationError(
            f"the row's id is {row.said_id!r}, and this session's is {fitting[0]['id']!r} (ignore=[...] leaves a column out)"
        )
    if not fitting and row.said_id in names:
        raise ValidationError(
            f"the row's id is that of session {names[row.said_id]!r}: a table does not rename sessions, session.rename() does"
        )
    if fitting:
        row.node, row.identity, row.creates = fitting[0], fitting[0]["id"], False
        row.name = f"{row.subject_name}/{names[fitting[0]['id']]}"
        obj = project.cache.peek(row.identity)
        if checks and isinstance(obj, ENTITIES["Session"]):
            obj._check_unchanged(row.node)  # type: ignore[attr-defined]
        row.compare(fitting[0], overwrite=overwrite)
        return
    if not create:
        known = [*names.values(), *(str(one.get("date") or "")[:10] for one in sessions)]
        raise NotFoundError(
            f"subject {row.subject_name!r} has no session {row.title or row.day!r}"
            f"{meant(row.title or str(row.day), filter(None, known)) or '; create=True creates it'}"
        )
    if row.said_id is not None:
        raise ValidationError(
            f"the row's id is {row.said_id!r}, which no session of subject {row.subject_name!r} has: another subject's, or "
            "another project's (ignore=[...] leaves a column out)"
        )
    if row.title is None:
        row.title = row.day
    if row.day is None:
        row.day = day_in(row.title or "")
    similar = [name for name in names.values() if folded(name) == folded(row.title or "")]
    similar += [
        names[one["id"]] for one in sessions if row.day and str(one.get("date") or "")[:10] == row.day
    ]
    row.note_new(list(dict.fromkeys(similar)), "the subject")
    row.creates = True
    row.compare({}, overwrite=overwrite)


def _create_sessions(project: Project, rows: Sequence[SessionRow]) -> None:
    """Create the sessions that are missing; the locks of their subjects are held."""
    cache = project.cache
    values = [
        {
            "projectId": project.id,
            "projectPath": f"/{row.subject_name}/{row.title}/",
            "patientId": row.subject_id,
            "sessionDate": row.day,
        }
        for row in rows
    ]
    new: dict[str, list[Any]] = {}
    for row, outcome in zip(rows, project.service.run_many(commands.CREATE_SESSION, values), strict=True):
        if isinstance(outcome, Exception):
            row.fail(outcome)
            continue
        row.node = outcome["session"]
        row.identity, row.is_new = outcome["session"]["id"], True
        links = {"project": project.id, "subject": row.subject_id}
        with cache.lock:
            row.held = populated(cache, commands.CREATE_SESSION, outcome["session"], links, ("reports",))
            new.setdefault(row.subject_id, []).append(row.held)
    with cache.lock:
        for subject, sessions in new.items():
            list_new(cache, sessions, (cache.peek(subject), "sessions", by_date))
        every = [one for sessions in new.values() for one in sessions]
        list_new(cache, every, (project.object(), "sessions", by_date))


def _write_session_records(project: Project, rows: Sequence[SessionRow], *, overwrite: bool) -> None:
    """Write the sessions whose metadata or day change; their locks are held.

    The service refuses a write that builds on an old state: such a session is read and merged again.
    """
    service, kind = project.service, ENTITIES["Session"]
    waiting = [row for row in rows if row.update and not row.has_failed]
    for attempt in range(MERGES):
        prepared = []
        for row in waiting:
            one = _or_fail(row, lambda row=row: _session_values(row, overwrite=overwrite))  # type: ignore[misc]
            if one is not None:
                prepared.append((row, one))
        sent = [row for row, _ in prepared]
        values = [one for _, one in prepared]
        outcomes = service.run_many(commands.UPDATE_SESSION, values, [row.node for row in sent])
        refused = []
        for row, written, outcome in zip(sent, values, outcomes, strict=True):
            error = _not_done(commands.UPDATE_SESSION, outcome)
            if error is None:
                row.is_written = True
                _show_session(project.cache, str(row.identity), written)
            elif isinstance(error, QueryError) and attempt + 1 < MERGES:
                refused.append((row, error))
            else:
                row.fail(error)
        if not refused:
            return
        nodes = service.values(kind, [str(row.identity) for row, _ in refused], stored_state(kind))
        waiting = []
        for row, error in refused:
            node = nodes[str(row.identity)]
            if isinstance(node, Exception):
                row.fail(node)
            elif node.get("updated") == (row.node or {}).get("updated"):
                row.fail(error)  # not that it is old: the service does not want it
            else:
                row.node = node
                waiting.append(row)


def _session_values(row: SessionRow, *, overwrite: bool) -> dict[str, Any] | None:
    """What is sent to write a session; None where nothing is to be changed any more."""
    node = row.node or {}
    record, day = row.compare(node, overwrite=overwrite)
    if not row.update:
        return None
    return {
        "sessionId": row.identity,
        "sessionName": session_name(node.get("projectPath")) or "",
        "sessionMetadata": json_text(record) if record else None,
        "sessionDate": day,
        "previousUpdatedAt": node.get("updated"),
    }


def _show_session(cache: Cache, identity: str, written: Mapping[str, Any]) -> None:
    """The cached session shows what was written."""
    kind = ENTITIES["Session"]
    with cache.lock:
        obj = cache.get(kind, identity)
        cache.invalidate(identity)
        cache.unload(obj, kind.fields["updated"])
        if written["sessionMetadata"] is not None:
            cache.put(obj, kind.fields["stored"], written["sessionMetadata"])
        if written["sessionDate"] is not None:
            cache.unload(obj, kind.fields["date"])
            # sessions are listed by their days
            cache.reload(*((one, ("sessions",)) for one in cache.owners([obj], "subject", "project")))


# trials -----------------------------------------------------------------------------------------------------------
_CLIP_COLUMNS = (
    "session",
    "subject",
    "condition",
    "title",
    *_OURS.values(),
    "custom_options",
)


def clip_rows(rows: Any) -> list[ClipRow]:
    """The rows of `create_clips`. Raises ValidationError where they are no rows; what is wrong in one is its failure."""
    made = []
    for number, given in enumerate(_mappings(rows, "", _CLIP_COLUMNS)):
        parts = [given.get(name) for name in ("subject", "session", "condition", "title")]
        row = ClipRow(
            number, _shown(*(getattr(one, "name", one) if n == 2 else one for n, one in enumerate(parts)))
        )
        row.session, row.subject, row.creates = given.get("session"), given.get("subject"), True
        try:
            check_texts(given)
            _check_reference(row.session, "Session", "session")
            if row.subject is not None:
                _check_reference(row.subject, "Subject", "subject")
            if given.get("title") is None:
                raise ValidationError(
                    "a trial of many needs a title: without one the same rows would create other trials when run again"
                )
            row.title = checked_title(given["title"])
            condition = given.get("condition")
            if condition is not None and condition != "":
                row.condition = _condition(condition)
            row.options = options_text(given.get("custom_options"))
            named = ("session", "subject", "condition", "title", "custom_options")
            row.values = clip_values({key: value for key, value in given.items() if key not in named})
        except ValidationError as error:
            row.fail(error)
        made.append(row)
    return made


def _condition(given: Any) -> str:
    """The name of a condition; one of the service's own may have slashes inside."""
    name = getattr(given, "name", given)
    return name if name is not given and isinstance(name, str) and "/" in name else checked_folder(name)


def write_clips(
    project: Project, rows: list[ClipRow], title: str, *, overwrite: bool, dry_run: bool
) -> BulkPlan | BulkResult[Any]:
    """Plan the rows and, unless `dry_run`, create and write what they say."""
    if dry_run:
        _plan_clips(project, rows, overwrite=overwrite)
        return BulkPlan([row.step() for row in rows], title)
    with _alone(project):
        _plan_clips(project, rows, overwrite=overwrite)
        for part in _parts([row for row in rows if row.is_pending]):
            with _locked(project.service, [one for row in part for one in (row.session_id, row.identity)]):
                _look_at_clips(project, part, overwrite=overwrite)
                _create_clips(project, [row for row in part if row.creates and not row.has_failed])
                _update_clips(project, [row for row in part if row.update and not row.has_failed])
    return _result(project, rows, "Clip", title, ())


def _plan_clips(project: Project, rows: list[ClipRow], *, overwrite: bool) -> None:
    named = [row for row in rows if not row.has_failed and isinstance(row.session, str)]
    if named:
        _find_sessions(project, named)
    for row in rows:
        if not row.has_failed and not row.session_id:
            row.session_id = row.session.id
    _look_at_clips(project, rows, overwrite=overwrite)
    refuse_twice(rows, lambda row: (row.session_id, form(row.condition), form(row.title)), "trial")


def _find_sessions(project: Project, rows: Sequence[ClipRow]) -> None:
    """The sessions that are given by name, among those of their subjects; without a subject the text is an id."""
    kind = ENTITIES["Subject"]
    owned = [row for row in rows if row.subject is not None]
    for row in rows:
        if row.subject is None:
            row.session_id = row.session
    if not owned:
        return
    listed = Listed.now(project)
    subjects = {row.row: _or_fail(row, lambda row=row: listed.subject(row.subject)) for row in owned}  # type: ignore[misc]
    ids = [one for one in subjects.values() if one is not None]
    nodes = project.service.values(kind, ids, Shape(sessions=Shape("projectPath")).selection(kind))
    for row in owned:
        subject = subjects[row.row]
        if subject is not None:
            _or_fail(row, lambda row=row, node=nodes[subject]: _find_session_of(row, node))  # type: ignore[misc]


def _find_session_of(row: ClipRow, node: Any) -> None:
    if isinstance(node, Exception):
        raise node
    names = {
        one["id"]: form(session_name(one.get("projectPath"))) for one in node.get("sessions") or () if one
    }
    fitting = [one for one, name in names.items() if name == form(row.session)]
    if not fitting and row.session in names:
        fitting = [row.session]
    if len(fitting) > 1:
        raise AmbiguousError(
            f"{len(fitting)} sessions are named {row.session!r}: {', '.join(fitting)}; give the id"
        )
    if not fitting:
        raise NotFoundError(f"no session {row.session!r} of that subject{meant(row.session, names.values())}")
    row.session_id = fitting[0]


def _look_at_clips(project: Project, rows: Sequence[ClipRow], *, overwrite: bool) -> None:
    """Find the trials of the rows among those that their sessions have now, and what the rows change of them."""
    kind = ENTITIES["Session"]
    wanted = [row.session_id for row in rows if not row.has_failed]
    nodes = project.service.values(kind, wanted, _CLIPS.selection(kind))
    trials = {one: _Trials.of(node) for one, node in nodes.items() if not isinstance(node, Exception)}
    for row in rows:
        if not row.has_failed:
            _or_fail(
                row,
                lambda row=row: _find_clip(  # type: ignore[misc]
                    project, row, nodes[row.session_id], trials.get(row.session_id), overwrite=overwrite
                ),
            )


@attrs.frozen
class _Trials:
    """The trials of a session by condition and title, and by what is left of these without case and separators."""

    named: Mapping[tuple[str, str], Sequence[Mapping[str, Any]]]
    alike: Mapping[tuple[str, str], Sequence[str]]

    @classmethod
    def of(cls, node: Mapping[str, Any]) -> _Trials:
        named: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
        alike: dict[tuple[str, str], list[str]] = {}
        path = str(node.get("projectPath") or "")
        for one in node.get("clips") or ():
            if one:
                condition, title = form(condition_name(one.get("projectPath"), path)), form(one.get("title"))
                named.setdefault((condition, title), []).append(one)
                shown = "/".join(filter(None, (condition, title)))
                alike.setdefault((folded(condition), folded(title)), []).append(shown)
        return cls(named, alike)


def _find_clip(project: Project, row: ClipRow, node: Any, trials: _Trials | None, *, overwrite: bool) -> None:
    if trials is None:
        raise node
    if (node.get("project") or {}).get("id") not in (None, project.id):
        raise ValidationError(f"the session of {row.name!r} is of another project than {project.name!r}")
    path = str(node.get("projectPath") or "")
    row.session_path = path.strip("/")
    row.name = "/".join(filter(None, (row.session_path, row.condition, row.title)))
    condition, title = form(row.condition), form(row.title)
    fitting = trials.named.get((condition, title), ())
    if len(fitting) > 1:
        ids = ", ".join(one["id"] for one in fitting)
        raise AmbiguousError(f"{len(fitting)} trials are named {row.name!r}: {ids}; rename or delete one")
    row.creates = not fitting
    if fitting:
        row.node, row.identity = fitting[0], fitting[0]["id"]
    else:
        row.note_new(trials.alike.get((folded(condition), folded(title)), ()), "the session")
    # what a new trial is given is sent when it is created, but for its custom options
    row.changes(fitting[0] if fitting else {}, overwrite=overwrite or not fitting)


def _create_clips(project: Project, rows: Sequence[ClipRow]) -> None:
    """Create the trials that are missing; the locks of their sessions are held."""
    cache = project.cache
    values = [
        {
            "input": {
                "project": project.id,
                "clips": [
                    {
                        "clientId": "0",
                        "metadata": {
                            **row.values,
                            "title": row.title,
                            "projectPath": f"/{'/'.join(filter(None, (row.session_path, row.condition)))}/",
                        },
                    }
                ],
            }
        }
        for row in rows
    ]
    new: dict[str, list[Any]] = {}
    for row, outcome in zip(rows, project.service.run_many(commands.CREATE_CLIPS, values), strict=True):
        clip = outcome if isinstance(outcome, Exception) else outcome["response"][0]["mocapClip"]
        if isinstance(clip, Exception):
            row.fail(clip)
            continue
        row.node, row.identity, row.is_new = clip, clip["id"], True
        links = {"project": project.id, "session": row.session_id}
        with cache.lock:
            row.held = populated(cache, commands.CREATE_CLIPS, clip, links, ("files",))
            new.setdefault(row.session_id, []).append(row.held)
    with cache.lock:
        for session, clips in new.items():
            list_new(cache, clips, (cache.peek(session), "clips", None))
        every = [one for clips in new.values() for one in clips]
        list_new(cache, every, (project.object(), "clips", None))


def _update_clips(project: Project, rows: Sequence[ClipRow]) -> None:
    """Write what the rows change of trials that were there, and the custom options of those that are new."""
    cache, kind = project.cache, ENTITIES["Clip"]
    sent, values = [], []
    for row in rows:
        given = {key: value for key, value in row.values.items() if _OURS[key] in row.update.changed}
        options = row.options if "custom_options" in row.update.changed else None
        if row.is_new:
            given = {}
        if given or options is not None:
            sent.append(row)
            values.append({"input": {"id": row.identity, "metadata": given, "customOptions": options}})
    outcomes = project.service.run_many(commands.UPDATE_CLIP, values, [row.node for row in sent])
    for row, outcome in zip(sent, outcomes, strict=True):
        if isinstance(outcome, Exception):
            row.fail(outcome)
            continue
        row.is_written = True
        with cache.lock:
            clip = cache.get(kind, str(row.identity))
            cache.invalidate(clip.id)
            if outcome.get("clip"):
                commands.UPDATE_CLIP.selection().populate(cache, clip, outcome["clip"], cache.clock)
            else:
                cache.reload((clip, ("title", "description", "path", "custom_options")))


# what all have in common ------------------------------------------------------------------------------------------
@contextmanager
def _alone(project: Project, *, subjects: bool = False) -> Iterator[None]:
    """No other bulk write or upload of a folder works on this project; with `subjects` nobody creates subjects there."""
    with ExitStack() as stack:
        stack.enter_context(write_lock(project.service, f"upload {project.id}"))
        if subjects:
            stack.enter_context(write_lock(project.service, project.id))
        yield


@contextmanager
def _locked(service: Service, ids: Iterable[str | None]) -> Iterator[None]:
    """Nobody else on this computer writes these objects, nor builds on what is below them."""
    with ExitStack() as stack:
        for identity in sorted({one for one in ids if one}):
            stack.enter_context(write_lock(service, identity))
        yield


def _parts(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for begin in range(0, len(rows), ROWS_TOGETHER):
        yield rows[begin : begin + ROWS_TOGETHER]


def _result(
    project: Project, rows: Sequence[Row], kind: str, title: str, notes: Sequence[str]
) -> BulkResult[Any]:
    entries = []
    for row in rows:
        _hold(project, kind, row)
        entries.append(row.entry(row.held))
    return BulkResult(entries, title, notes)


def _hold(project: Project, kind: str, row: Row) -> None:
    """The object of a row, which shows what was read of it where it was not loaded before."""
    if row.identity is None:
        row.held = None
        return
    cache, declared = project.cache, ENTITIES[kind]
    with cache.lock:
        obj = row.held = cache.get(declared, row.identity)
        for field in declared.fields.values():
            if not isinstance(field, Scalar) or field.wire not in (row.node or {}):
                continue
            if row.is_written and field.name != "path":  # what was read is old
                continue
            if loaded_value(obj, field.name) is NOT_LOADED:
                value = (row.node or {})[field.wire]
                cache.put(
                    obj, field, value if value is None or field.convert is None else field.convert(value)
                )
        cache.put(obj, declared.fields["project"], project.id)
