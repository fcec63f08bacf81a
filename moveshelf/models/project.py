"""Projects: where everything hangs."""

from __future__ import annotations

import threading
import warnings
from concurrent.futures import Future, wait
from datetime import date
from typing import TYPE_CHECKING, Any, overload

from ..errors import NotFoundError, ValidationError
from ..gait.extra import numeric
from ..lazy.entity import Entity, entity
from ..lazy.fields import BASIC, FLAG, PLAIN, Many, Scalar
from ..lazy.selection import Selection, basic
from ..metadata import parse_record, plain, stored
from ..operations import commands, queries
from ..operations.locks import write_lock
from ..operations.responses import is_valid
from ..operations.validation import checked_name, checked_values
from ..values import Configuration, Dataset, Template
from ..wire.thread import check_stopped
from .base import Model, service_of
from .clip import Clip
from .collection import Collection
from .contents import HasFiles
from .session import Session, existing
from .subject import Subject
from .twins import twin

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import BinaryIO, Literal

    from ..gait.cohort import Procedure
    from ..lazy.cache import Cache
    from ..operations.bulk_plan import BulkPlan, BulkResult
    from ..operations.downloads import LocatedFile, Parts
    from ..operations.filters import Criterion, SessionsWhere, Where
    from ..operations.queries import Listing
    from ..operations.service import Service
    from ..operations.shapes import Shape
    from ..operations.uploads import Existing as UploadExisting
    from ..transfer.layout import LayoutFunction, SessionImport
    from ..transfer.result import Plan, TransferResult
    from .cohort import Cohort
    from .derived import DerivedFiles
    from .norm import Norm


def _all_sessions(project: Project) -> list[dict[str, Any]]:
    """The rows of every session, where they are too many for one response; the undated come through their subjects."""
    from ..operations import listings

    service = service_of(project._require("sessions"))
    rows = listings.dated_sessions(service, project.id, Session)
    known = {row["id"] for row in rows}
    for subject in project.subjects.load("sessions")._members():
        for session in subject.sessions._members():
            if session.id not in known:
                known.add(session.id)
                rows.append(_row(session))
    return rows


def _row(session: Session) -> dict[str, Any]:
    """A loaded session as a row of a listing."""
    when = session.date
    stored = when if when is None or isinstance(when, str) else f"{when.isoformat()}T00:00:00.000Z"
    return {"id": session.id, "projectPath": session.path, "date": stored}


def _all_clips(project: Project) -> list[dict[str, Any]]:
    from ..operations import listings

    return listings.all_clips(service_of(project._require("clips")), project.id, Clip)


@entity(
    "Project",
    writers={
        "subjects": "create_subject(name)",
        "sessions": "subject.create_session(name)",
        "clips": "upload_clip(file)",
    },
)
class Project(HasFiles, Model):
    """A project of an organization: subjects with sessions, norms, a template for metadata."""

    name: Scalar[str] = Scalar("name", group=BASIC, doc="`organization/project`.")
    description: Scalar[str | None] = Scalar("description", group="details", doc="Free text.")
    can_edit: Scalar[bool | None] = Scalar(
        "canEdit", group="details", types=FLAG, doc="Whether the key may write here."
    )
    unlisted_access: Scalar[bool | None] = Scalar(
        "unlistedAccess", group="details", types=PLAIN, doc="Whether anybody who has a link may look."
    )
    subjects: Many[Subject] = Many(
        "patientsList", "Subject", back="project", batch_size=1, barrier=True, doc="All subjects, by name."
    )
    sessions: Many[Session] = Many(
        "sessions",
        "Session",
        back="project",
        batch_size=1,
        barrier=True,
        takes_filters=True,
        lister=_all_sessions,
        doc="All sessions of all subjects, by date, the undated last; in as many requests as the service needs for that.",
    )
    clips: Many[Clip] = Many(
        "clips",
        "Clip",
        back="project",
        edges=True,
        batch_size=1,
        barrier=True,
        takes_filters=True,
        in_parts=True,
        lister=_all_clips,
        doc="All clips, those outside sessions too, by creation.",
    )
    norms: Many[Norm] = Many("norms", "Norm", barrier=True, doc="The project's norms.")
    datasets: Scalar[tuple[Dataset, ...]] = Scalar(
        "datasets",
        nested=("name", "downloadUri"),
        is_list=True,
        convert=Dataset.list_of,
        doc="Files of the project as a whole.",
    )
    template: Scalar[Template | None] = Scalar(
        "template",
        nested=("name", "data"),
        convert=Template.parse,
        doc="Which metadata fields there are, parsed; None without one.",
    )
    configuration: Scalar[Configuration | None] = Scalar(
        "projectConfiguration",
        nested=("id", "name", "data"),
        convert=Configuration.parse,
        doc="How the project is set up, parsed; None without one.",
    )

    def create_subject(
        self, name: str, metadata: Mapping[str, Any] | None = None, exist_ok: bool = False
    ) -> Subject:
        """Create a subject, and fill in its metadata if some is given; the new object, which `subjects` lists at once.

        With `exist_ok` a subject of that name that is there already is returned (its empty fields filled in from
        `metadata`). One request; one more to list the subjects if they are not loaded (where others
        write too, `refresh()` the project before), two more for metadata.

        Raises ValidationError for a name that is blank or has a slash (before any request) and for metadata that the
        service's validator refuses (no subject is left behind), ConflictError for a name that is taken.
        """
        from ..operations.additions import add, by_name
        from ..operations.known_fields import check_values

        service = self._attached("create_subject()")
        name = checked_name(name, "subject")
        values = None if metadata is None else checked_values(metadata)
        if values:
            shaped = {
                key: stored(value, name=f"metadata {key!r}")
                for key, value in values.items()
                if value is not None and key != "interventions"
            }
            if shaped:
                check_values(self.template, "subjects", shaped, f"subject {name!r}")
        with write_lock(service, self.id) as others:
            if others:  # another program may have created one since the subjects were listed
                service.cache.unload(self, Project.fields["subjects"])
            subject: Subject | None = existing(self.subjects, name, "subject", exist_ok)
            is_new = subject is None
            if subject is None:
                payload = self._write(
                    commands.CREATE_SUBJECT,
                    {"projectId": self.id, "name": name},
                    f"create subject {name!r}",
                )
                subject = add(
                    service.cache,
                    commands.CREATE_SUBJECT,
                    payload["patient"],
                    {"project": self.id},
                    (self, "subjects", by_name),
                    empty=("sessions", "reports"),
                )
        if values:
            try:
                subject.fill_metadata(values)
            except ValidationError:
                if is_new:  # nothing half-filled stays behind
                    subject.delete()
                raise
        return subject

    @overload
    def create_subjects(
        self,
        rows: Iterable[Mapping[str, Any] | str],
        *,
        overwrite: bool = True,
        validate: bool = True,
        dry_run: Literal[False] = False,
    ) -> BulkResult[Subject]: ...
    @overload
    def create_subjects(
        self,
        rows: Iterable[Mapping[str, Any] | str],
        *,
        overwrite: bool = True,
        validate: bool = True,
        dry_run: Literal[True],
    ) -> BulkPlan: ...
    @overload
    def create_subjects(
        self,
        rows: Iterable[Mapping[str, Any] | str],
        *,
        overwrite: bool = True,
        validate: bool = True,
        dry_run: bool,
    ) -> BulkPlan | BulkResult[Subject]: ...
    def create_subjects(
        self,
        rows: Iterable[Mapping[str, Any] | str],
        *,
        overwrite: bool = True,
        validate: bool = True,
        dry_run: bool = False,
    ) -> BulkPlan | BulkResult[Subject]:
        """Create many subjects, or update those that are there already; what became of each row.

        A row is a name, or a dictionary with `name`, `metadata` (as for `update_metadata`) and `interventions`. A subject of
        that name that is there is updated: its metadata are overwritten, or (`overwrite=False`) filled in where they are
        empty. Run again, nothing is created twice, and what is stored already is left alone.

        A plan is made first, which is what `dry_run=True` returns: names are checked as `create_subject` does, metadata
        compared with the template and the service's validator (unless `validate=False`). A row that cannot be is "failed"
        in the plan and in the result, with the reason; the others are carried out. `result.raise_for_errors()` raises. An
        EHR id that another subject has, or another row gives, is refused as well (unless `validate=False`).

        Sends one request for the names, one for the template (the first time), one for every 100 subjects that are there,
        one for every 200 records to the validator; then one for every 50 subjects to create, for every 50 records to write,
        for every 100 to read back: 57 for 1,000 new subjects with metadata (one more in a project without subjects).
        Requests whose responses are lost are looked for; another run at the same time on this computer waits.

        Raises ValidationError where `rows` are no rows, before any request.

        Example:
            >>> rows = [{"name": "P-201", "metadata": {"subject-sex": "Male"}}, {"name": "P-202"}]
            >>> project.create_subjects(rows, dry_run=True)  # doctest: +SKIP
            Plan: 2 subjects for lab/demo: 2 create
              create  0  P-201  subject-sex: 'Male'
              create  1  P-202
            >>> project.create_subjects(rows).raise_for_errors()
        """
        from ..operations import bulk  # when used: most programs never do, and each would wait for it

        made = bulk.subject_rows(rows)
        target = bulk.Project(*self._bulk("create_subjects()", validate))
        title = f"{len(made)} subjects for {target.name}"
        return bulk.write_subjects(
            target, made, bulk.match_by_name, title, overwrite=overwrite, validate=validate, dry_run=dry_run
        )

    @overload
    def create_sessions(
        self,
        rows: Iterable[Mapping[str, Any]],
        *,
        overwrite: bool = True,
        validate: bool = True,
        dry_run: Literal[False] = False,
    ) -> BulkResult[Session]: ...
    @overload
    def create_sessions(
        self,
        rows: Iterable[Mapping[str, Any]],
        *,
        overwrite: bool = True,
        validate: bool = True,
        dry_run: Literal[True],
    ) -> BulkPlan: ...
    @overload
    def create_sessions(
        self,
        rows: Iterable[Mapping[str, Any]],
        *,
        overwrite: bool = True,
        validate: bool = True,
        dry_run: bool,
    ) -> BulkPlan | BulkResult[Session]: ...
    def create_sessions(
        self,
        rows: Iterable[Mapping[str, Any]],
        *,
        overwrite: bool = True,
        validate: bool = True,
        dry_run: bool = False,
    ) -> BulkPlan | BulkResult[Session]:
        """Create many sessions of subjects that are there, or update those that are there already; what became of each row.

        A row is a dictionary with `subject` (a Subject, its name or id), `name`, `date` and `metadata`. Without a name the
        session is the subject's only one on that day, or a new one that is called by the day. Subjects are not created. The
        rest is as for `create_subjects`: `overwrite`, `validate`, `dry_run`, failures, runs again. The day of a session that
        is there is changed too, or (`overwrite=False`) set where it has none.

        Sends one request for the names of subjects, one for the template (the first time), two for every 100 subjects, one
        for every 200 records to the validator, and one for every 50 sessions to create or to write.

        Raises ValidationError where `rows` are no rows, before any request.

        Example:
            >>> rows = [{"subject": "P-201", "date": "2024-05-06", "metadata": {"session-height": 131}}]
            >>> project.create_sessions(rows).raise_for_errors()
        """
        from ..operations import bulk

        made = bulk.session_rows(rows)
        target = bulk.Project(*self._bulk("create_sessions()", validate))
        title = f"{len(made)} sessions for {target.name}"
        return bulk.write_sessions(
            target,
            made,
            bulk.find_subjects,
            title,
            create=True,
            overwrite=overwrite,
            validate=validate,
            dry_run=dry_run,
        )

    @overload
    def create_clips(
        self,
        rows: Iterable[Mapping[str, Any]],
        *,
        overwrite: bool = True,
        dry_run: Literal[False] = False,
    ) -> BulkResult[Clip]: ...
    @overload
    def create_clips(
        self, rows: Iterable[Mapping[str, Any]], *, overwrite: bool = True, dry_run: Literal[True]
    ) -> BulkPlan: ...
    @overload
    def create_clips(
        self, rows: Iterable[Mapping[str, Any]], *, overwrite: bool = True, dry_run: bool
    ) -> BulkPlan | BulkResult[Clip]: ...
    def create_clips(
        self, rows: Iterable[Mapping[str, Any]], *, overwrite: bool = True, dry_run: bool = False
    ) -> BulkPlan | BulkResult[Clip]:
        """Create many trials without files, or update those that are there already; what became of each row.

        A row is a dictionary with `session` (a Session or its id, or its name beside `subject`, a Subject or its name),
        `condition`, `title`, and what `create_clip` takes: description, preview_image_uri, allow_download,
        allow_unlisted_access, start_timecode, custom_options. A trial of that title in that condition is updated with what
        the row gives, or (`overwrite=False`) only where it is empty. Every row needs a title, so that a second run finds
        its trial.

        Sends a request for every 100 sessions, twice (two more where sessions are given by name), one for every 50 trials
        to create, and one for every 50 to update: the custom options of new trials, and what differs in others.

        Raises ValidationError where `rows` are no rows, before any request; see `create_subjects` for the rest.

        Example:
            >>> rows = [{"session": session, "condition": "Barefoot", "title": f"Trial-{n}"} for n in range(1, 9)]
            >>> project.create_clips(rows).raise_for_errors()
        """
        from ..operations import bulk

        made = bulk.clip_rows(rows)
        target = bulk.Project(*self._bulk("create_clips()", False))
        return bulk.write_clips(
            target, made, f"{len(made)} trials for {target.name}", overwrite=overwrite, dry_run=dry_run
        )

    @overload
    def import_table(
        self,
        table: Any,
        on: Literal["name", "ehr_id"] = "name",
        *,
        kind: Literal["subjects", "sessions"] | None = None,
        create: bool = False,
        overwrite: bool = True,
        validate: bool = True,
        sheet: str | None = None,
        ignore: Iterable[str] = (),
        dry_run: Literal[False] = False,
    ) -> BulkResult[Any]: ...
    @overload
    def import_table(
        self,
        table: Any,
        on: Literal["name", "ehr_id"] = "name",
        *,
        kind: Literal["subjects", "sessions"] | None = None,
        create: bool = False,
        overwrite: bool = True,
        validate: bool = True,
        sheet: str | None = None,
        ignore: Iterable[str] = (),
        dry_run: Literal[True],
    ) -> BulkPlan: ...
    @overload
    def import_table(
        self,
        table: Any,
        on: Literal["name", "ehr_id"] = "name",
        *,
        kind: Literal["subjects", "sessions"] | None = None,
        create: bool = False,
        overwrite: bool = True,
        validate: bool = True,
        sheet: str | None = None,
        ignore: Iterable[str] = (),
        dry_run: bool,
    ) -> BulkPlan | BulkResult[Any]: ...
    def import_table(
        self,
        table: Any,
        on: Literal["name", "ehr_id"] = "name",
        *,
        kind: Literal["subjects", "sessions"] | None = None,
        create: bool = False,
        overwrite: bool = True,
        validate: bool = True,
        sheet: str | None = None,
        ignore: Iterable[str] = (),
        dry_run: bool = False,
    ) -> BulkPlan | BulkResult[Any]:
        """Write what a table says of subjects or sessions; what became of each row.

        `table`: the path of a workbook (.xlsx, all its sheets or `sheet`), of a text file (.csv in UTF-8), a DataFrame of
        pandas or polars, or a list of dictionaries. Columns are the keys or labels of the template's fields, as `table(...)`
        names them (`subject-leg-length.left`, "Leg length (mm), left"); columns that are nothing are refused before
        anything is written, unless `ignore` names them. A table that came from `project.table("subjects")` or
        `project.table("sessions")`, through a workbook or not, changes what was edited in it and nothing else.

        A column `subject`, `session` or `date` makes the rows sessions, which have their subject in column `subject`, and
        are found by their name or, without one, by their day; `kind` says it where that is not so. `on="name"` matches
        subjects by name, `on="ehr_id"` by a column `ehr_id`. Only what is exactly the same matches: a number 123 of a
        spreadsheet is not `00123`. What matches nothing is a failed row of the plan, with what is near. **New subjects and
        sessions are created only with `create=True`**, since a typing error would create a patient; with `on="ehr_id"` they
        need a column `name`, too.

        An empty cell changes nothing. What cells say is written over what is stored, or (`overwrite=False`) only where
        nothing is. Subjects or sessions that occur twice, names that are ambiguous in the project (unless a column `id`
        tells) and values that are none of the field are failed rows; the others are carried out. `dry_run=True` returns the
        plan. Requests as of `create_subjects` and `create_sessions`.

        What a spreadsheet has made of an entry is a failed row, too, and not stored: `123` where the text `00123` is stored,
        `1.23E+12`, numbers of more than 15 digits, a name or an EHR id that has become a date, True or "nan", cells that are
        merged with others, errors of formulas. So is an EHR id that another subject has, and, with `on="ehr_id"`, one that
        only case, separators or zeros tell from another: it would be the same patient twice.

        Raises ValidationError for arguments, tables and columns that cannot be, before any request but that for the template;
        ConfigError where a workbook is given and openpyxl is not installed (extras `pandas`, `gait`).

        Example:
            >>> table = project.table("subjects", labels=True)  # doctest: +SKIP
            >>> moveshelf.tables.to_excel(table, "subjects.xlsx")  # edit it, then:  # doctest: +SKIP
            >>> project.import_table("subjects.xlsx", dry_run=True)  # doctest: +SKIP
        """
        from ..operations import bulk, imports
        from ..tables.read import read_lines

        how, wanted = imports.checked_on(on), imports.checked_kind(kind)
        lines = read_lines(table, sheet)
        service, identity, name, template = self._bulk("import_table()", True)
        target = bulk.Project(service, identity, name, template)
        chosen = wanted or imports.kind_of(lines, template)
        columns = imports.columns_of(lines, template, chosen, how, ignore)
        if "project" in columns.listed:
            name = self.name
        title = f"{len(lines.rows)} {chosen} of {lines.title} for {name}"
        options: Any = {"overwrite": overwrite, "validate": validate, "dry_run": dry_run}
        if chosen == "subjects":
            subjects = imports.subjects_in(lines, columns, how, template, name)
            match = imports.subject_matcher(how, create, template)
            return bulk.write_subjects(target, subjects, match, title, columns.notes, **options)
        sessions = imports.sessions_in(lines, columns, how, name)
        find = imports.subject_finder(how)
        return bulk.write_sessions(target, sessions, find, title, columns.notes, create=create, **options)

    def _bulk(self, what: str, with_template: bool) -> tuple[Service, str, str, Template | None]:
        """What bulk writes know of the project."""
        service = self._attached(what)
        template = self.template if with_template else None
        return service, self.id, self._peek_name() or self.id, template

    def _create_subject(self, name: str) -> Mapping[str, Any]:
        """Create a subject; the payload. One request."""
        return self._send(commands.CREATE_SUBJECT, {"projectId": self.id, "name": name})

    def _create_clip(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Create one clip of values with the service's names; its row of the payload. One request."""
        payload = self._send(commands.CREATE_CLIPS, {"input": {"project": self.id, "clips": [values]}})
        row: Mapping[str, Any] = payload["response"][0]
        return row

    def find_subjects(
        self, where: Where | None = None, sessions: SessionsWhere | None = None, *, check: bool = True
    ) -> Collection[Subject]:
        """The subjects that fit, as a collection, by name. One request, at once; the service does the filtering.

        `where`: `{"subject-sex": "Male", ...}` (all must hold; a list, an array or a Series of values: any of them; a tuple
        of two: between them, both included, which the service does not know and which is compared here), or a filter group
        as the service takes it (`{"logic": "OR", "filters": [...]}`), nested at will. `sessions`: `{"start": day, "end":
        day, "min": count, "max": count}`, each optional, both days included; a subject comes with all its sessions.

        Keys and options are compared with the project's template (one request, the first time); `check=False` leaves that
        out, for what the template does not know.

        Raises ValidationError for a malformed filter, before any request, and for keys, options, numbers and days that do
        not fit the template, with near misses.

        Example:
            >>> project.find_subjects({"subject-sex": "Male", "subject-gmfcs": ["II", "III"]}, {"min": 2})
            >>> project.find_subjects({"subject-date-of-birth": ("2010-01-01", "2014-12-31")})
        """
        from ..operations.filters import (
            criteria,
            is_service_form,
            sessions_filter,
            subject_criteria,
            subject_filter,
            subject_group,
        )
        from ..operations.known_fields import checked_criteria

        during = sessions_filter(sessions)
        service = service_of(self._require("find_subjects()"))
        ranges: list[Criterion] = []
        if is_service_form(where):
            tree = subject_filter(where)
            if check and tree is not None:
                checked_criteria(self.template, "subjects", subject_criteria(tree), "where")
        else:
            wanted = [] if where is None else criteria(where)
            if check and wanted:
                wanted = checked_criteria(self.template, "subjects", wanted, "where")
            ranges = [one for one in wanted if one.operator == "BETWEEN"]
            tree = subject_group([one for one in wanted if one.operator != "BETWEEN"])
        arguments = {"metadataFilters": tree, "sessionFilters": during}
        if not ranges:
            return self._listed(Subject, service.rows(queries.SUBJECTS, self.id, arguments))
        clock = service.cache.clock
        rows = service.rows(queries.SUBJECTS, self.id, arguments, _WITH_METADATA)
        fitting = [row for row in rows or () if row and _is_within(row.get("metadata"), ranges)]
        found = self._listed(Subject, fitting)
        with service.cache.lock:
            for row in fitting:
                one = service.cache.peek(row["id"])
                if one is not None:
                    _WITH_METADATA.populate(service.cache, one, row, clock)
        return found

    def find_sessions(
        self,
        start: date | str | None = None,
        end: date | str | None = None,
        where: Where | None = None,
        subject_where: Where | None = None,
        limit: int | None = None,
        *,
        check: bool = True,
    ) -> Collection[Session]:
        """The sessions that fit, newest first, as a collection. Both days are included; nothing is cut off but by `limit`.

        `where` (session metadata) and `subject_where` (subject metadata): `{"session-type": "Gait"}` equals, a list, an
        array or a Series is any of, a tuple of two is between; or a list of filters as the service takes them
        (`{"key", "operator", "value"}`). Keys and options are compared with the project's template (one request, the
        first time); `check=False` leaves that out, for what the template does not know.
        Sent at once: one request where the service can respond completely, more where it cannot.

        Raises ValidationError for a malformed filter or date, before any request, and for keys, options, numbers and days
        that do not fit the template, with near misses.

        Example:
            >>> project.find_sessions("2024-01-01", where={"session-height": (120, 140)})
        """
        from ..operations import listings
        from ..operations.filters import checked_limit, period, session_criteria
        from ..operations.known_fields import checked_criteria

        first, last = period(start, end)
        most = checked_limit(limit)
        of_sessions, of_subjects = session_criteria(where), session_criteria(subject_where)
        service = service_of(self._require("find_sessions()"))
        if check and (of_sessions or of_subjects):
            template = self.template
            of_sessions = checked_criteria(template, "sessions", of_sessions, "where")
            of_subjects = checked_criteria(template, "subjects", of_subjects, "subject_where")
        filters = {
            "metadataFilters": [one.as_wire() for one in of_sessions] or None,
            "patientMetadataFilters": [one.as_wire() for one in of_subjects] or None,
        }
        rows = listings.recent_sessions(service, self.id, first, last, filters, most)
        return self._listed(Session, rows)

    def cohort(
        self,
        where: Where | None = None,
        procedure: str | Callable[[Procedure], bool] | None = None,
        *,
        session_where: Where | None = None,
        condition: str | Iterable[str] | None = None,
        before: tuple[int, int] = (0, 24),
        after: tuple[int, int] = (9, 36),
        between: Literal["exclude", "report"] = "exclude",
        check: bool = True,
    ) -> Cohort:
        """Pairs of a session before and a session after each dated operation of the subjects, each choice explained.

        `where`: which subjects, as of `find_subjects`; `procedure`: which operations, as location and procedure
        ("Hamstrings/Lengthening"), a function that is handed each `moveshelf.gait.cohort.Procedure`, or None for all;
        `session_where`: which sessions may be chosen, as of `find_sessions`; `condition`: the condition, or several, that a
        session has trials of and that curves are read from. `before`, `after`: the months before and after the operation in
        which the sessions lie, nearest and furthest, by the calendar, ends included; the closest session is taken.
        `between`: another operation between the two sessions excludes the pair, or is reported in its `why`. Each
        operation makes a pair of its own, with the sides that were operated on. `check=False` sends the two filters as they
        are, as of `find_subjects`, for what the template does not know.

        Sends at once what is needed to list subjects with their metadata and sessions (many to a request; with `where` and
        `session_where` the service filters). Needs the extra `gait`. Raises ValidationError for arguments that
        cannot be right, before any request, for keys and values in filters that do not fit the template, before any
        subject is listed, and for a procedure or a condition that none of the subjects has, with close matches.

        >>> found = project.cohort(procedure="Hamstrings/Lengthening", condition="Barefoot")  # doctest: +SKIP
        >>> found.to_frame()[["subject", "pre_date", "post_date", "why"]]  # doctest: +SKIP
        >>> found.plot("knee_flexion")  # doctest: +SKIP
        """
        from ..operations.filters import session_criteria
        from ..operations.known_fields import checked_criteria
        from .cohort import checked_conditions, choose

        conditions = checked_conditions(condition)
        numeric(".cohort", "moveshelf.gait").pairs([], procedure, before, after, between=between)
        of_sessions = session_criteria(session_where)
        if check and of_sessions:
            checked_criteria(self.template, "sessions", of_sessions, "session_where")
        subjects = self.subjects if where is None else self.find_subjects(where, check=check)
        subjects.load("metadata", "sessions" if conditions is None else "sessions.clips")
        fitting = None
        if session_where is not None:
            fitting = set(self.find_sessions(where=session_where, check=check).ids())
        return choose(subjects, procedure, before, after, between, fitting, conditions)

    def _find_sessions_shown(self, chosen: Iterable[tuple[str, str]]) -> Collection[Session]:
        """The sessions that the overview page with these names and values in its URL shows, newest first.

        Two requests: for the template, which tells the filters of subjects from those of sessions, and for the
        sessions. Without dates they are those of the last ten weeks, as on the page. Warns of names that are no field of
        the template. Raises ValidationError where there is no template, and for dates that are none.
        """
        from ..operations import overview

        template = self.template
        if template is None:
            raise ValidationError(
                f"project {self.name} has no template, so that the filters in the URL mean nothing; "
                "use find_sessions(start=..., end=..., where=..., subject_where=...)"
            )

        def left_out(key: str) -> None:
            warnings.warn(
                f"the URL filters by {key!r}, which is no field of the template of {self.name}: left out",
                stacklevel=6,
            )

        found = overview.read(chosen, template.data, overview.day_or_period, left_out)
        end = found["end_date"] or ""
        return self.find_sessions(
            found["start_date"],
            str(overview.day_or_period(end) or end),
            found["session_metadata_filters"],
            found["patient_metadata_filters"],
            check=False,  # the page has shown them
        )

    def _listed(self, kind: type[Any], rows: Sequence[Mapping[str, Any]] | None) -> Collection[Any]:
        """The objects of rows that the service found."""
        engine = self._require("find")
        cache = engine.cache
        with cache.lock:
            items = _populated(cache, self, kind, rows)
        return Collection(engine, kind, items=items, above=self)

    def _rows_shaped(
        self, listing: Listing, arguments: Mapping[str, Any], shape: Shape
    ) -> list[dict[str, Any]] | None:
        """The rows of a listing that the service filters, in a shape, as they came. One request."""
        engine = self._require("reading")
        selection = shape.selection(_KINDS[listing.kind])
        clock = engine.cache.clock
        rows = service_of(engine).rows(listing, self.id, arguments, selection)
        if engine.populates_shapes:
            with engine.cache.lock:
                for row in rows or ():
                    if is_valid(selection, row) and row["id"] not in engine.cache.deleted_ids:
                        one = engine.cache.get(selection.kind, row["id"])
                        selection.populate(engine.cache, one, row, clock)
                        engine.cache.hold(one)
        return rows

    def subject_by_ehr_id(self, ehr_id: str) -> Subject:
        """The subject with that id in the hospital's records (EHR id, MRN). One request.

        Raises NotFoundError if there is none.
        """
        if not isinstance(ehr_id, str) or not ehr_id.strip():
            raise ValidationError(f"an EHR id is text, and not empty; this is {ehr_id!r}")
        service = service_of(self._require("subject_by_ehr_id()"))
        found = service.subject_by_ehr_id(self.id, ehr_id)
        if found is None:
            raise NotFoundError(
                f"no subject with EHR id {ehr_id!r} in project {self._peek_name() or self.id}"
            )
        return self._listed(Subject, [found])[0]  # type: ignore[no-any-return]

    def upload_clip(
        self,
        file: str | os.PathLike[str] | BinaryIO,
        title: str | None = None,
        *,
        folder: str | None = None,
        description: str | None = None,
        allow_download: bool = False,
        allow_unlisted_access: bool = False,
        start_timecode: dict[str, Any] | None = None,
        progress: bool | None = None,
    ) -> Clip:
        """Upload a file as a clip of its own, verified, and return the Clip.

        `title`: the file's name otherwise; `folder`: where it lies ("/<subject>/<session>/<condition>/", as a
        condition's `path`), in no session otherwise; `start_timecode`: `{"timecode": "HH:MM:SS:FF", "framerate": ...}`.
        Sends a request to create the clip, a PUT, and at least one request to see what the service says. Raises as
        `clip.upload` does.
        """
        from ..operations import uploads

        metadata = {
            "description": description,
            "projectPath": folder,
            "allowDownload": allow_download,
            "allowUnlistedAccess": allow_unlisted_access,
            "startTimecode": start_timecode,
        }
        given = {key: value for key, value in metadata.items() if value is not None}
        service = service_of(self._require("upload_clip()"))
        identity = uploads.upload_clip(service, self.id, file, title, given, progress)
        service.cache.reload((self, ("clips",)))
        return service.cache.get(Clip, identity)

    @overload
    def upload_tree(
        self,
        folder: str | os.PathLike[str],
        layout: str | LayoutFunction = "auto",
        include: str | Iterable[str] | None = None,
        existing: UploadExisting = "skip",
        dry_run: Literal[False] = False,
        jobs: int = 16,
        progress: bool | None = None,
        exclude: str | Iterable[str] | None = None,
    ) -> TransferResult: ...
    @overload
    def upload_tree(
        self,
        folder: str | os.PathLike[str],
        layout: str | LayoutFunction = "auto",
        include: str | Iterable[str] | None = None,
        existing: UploadExisting = "skip",
        *,
        dry_run: Literal[True],
        jobs: int = 16,
        progress: bool | None = None,
        exclude: str | Iterable[str] | None = None,
    ) -> Plan: ...
    @overload
    def upload_tree(
        self,
        folder: str | os.PathLike[str],
        layout: str | LayoutFunction = "auto",
        include: str | Iterable[str] | None = None,
        existing: UploadExisting = "skip",
        dry_run: bool = False,
        jobs: int = 16,
        progress: bool | None = None,
        exclude: str | Iterable[str] | None = None,
    ) -> TransferResult | Plan: ...
    def upload_tree(
        self,
        folder: str | os.PathLike[str],
        layout: str | LayoutFunction = "auto",
        include: str | Iterable[str] | None = None,
        existing: UploadExisting = "skip",
        dry_run: bool = False,
        jobs: int = 16,
        progress: bool | None = None,
        exclude: str | Iterable[str] | None = None,
    ) -> TransferResult | Plan:
        """Upload what is below a folder: create the subjects, sessions and trials that are missing, send what is missing.

        `layout` says how a relative path is read: a template such as `"{subject}/{session}/{condition}/{file}"`, the name of
        a preset ("auto", "folders", "files", "underscore", "vicon", "qualisys"; see moveshelf.transfer.layout), or a function
        of the path. By default a file keeps its whole name, and belongs to the trial that its name begins with, up to the
        first dot. The plan (`dry_run=True`) shows how each path was read, what is left out, and why.
        A new session gets the date that its name begins with. A `moveshelf_config_import.json` in a session's folder
        (`{"sessionMetadata": {...}, "session_date": ...}`) fills what is empty in the session's metadata.

        `include`, `exclude`: patterns of names or relative paths; `existing`: "skip" files whose name the trial has,
        "add" them, or "replace-different"; `dry_run`: return the plan, nothing created, nothing sent; `jobs`: files at
        once; `progress`: a bar or none; None shows one where a terminal or a notebook is.

        Looks at the project in a request for every hundred subjects and clips, whatever is loaded. Run again after
        anything, it does what is missing: nothing is created or sent twice, and what a killed run has left unfinished is
        sent anew, verified, and then removed. A file that fails is in the result's `failed` and stops no other. Raises
        NotADirectoryError, ValidationError for a layout or an import file that cannot be, AmbiguousError where a
        name stands for several objects, before anything is created.
        """
        from ..operations import upload_tree

        service = service_of(self._require("upload_tree()"))
        service.refuse_to_block(
            "upload_tree() waits for its files, and that", "await its twin aupload_tree(...)"
        )
        return upload_tree.upload_tree(
            service,
            self.id,
            self._import_session,
            folder,
            layout,
            include,
            existing,
            dry_run,
            jobs,
            progress,
            exclude,
        )

    aupload_tree = twin(upload_tree)

    def _import_session(self, identity: str, content: SessionImport, is_new: bool) -> str:
        """Fill in what an import file says of a session; what there is to say about it."""
        session = self._require("upload_tree()").cache.get(Session, identity)
        done = False
        if content.metadata:
            session.fill_metadata(content.metadata)
            done = True
        if content.date and not is_new and session.date is None:
            session.set_date(content.date)
            done = True
        return "imported" if done or is_new else "everything was filled in already"

    # files -----------------------------------------------------------------------------------------------------
    def _download_service(self) -> Service:
        return service_of(self._require("download()"))

    def _download_title(self) -> str:
        name = self._peek_name()
        return f"download of project {name!r}" if name else f"download of project {self.id}"

    def _derived_files(self) -> DerivedFiles:
        from .derived import DerivedFiles

        return DerivedFiles(self, in_sessions=True)

    def _located_files(self, above: Parts = ()) -> Iterator[LocatedFile]:
        # the listing of all clips shows those that are in no session; it travels beside the rest
        listing = _beside(lambda: list(self.clips))
        self.load("subjects.sessions.clips.files", "subjects.sessions.clips.original_name")
        while not listing.done():
            wait([listing], timeout=0.2)  # in slices, so that Ctrl-C is heard on every system
            check_stopped()
        every = listing.result()
        in_sessions: set[str] = set()
        for subject in self.subjects:
            for session in subject.sessions:
                in_sessions.update(clip.id for clip in session.clips)
                yield from session._located_files((*above, subject._part(), session._part()))
        loose = [clip for clip in every if clip.id not in in_sessions]
        Collection(self._engine, Clip, items=loose).load("files", "original_name")
        for clip in loose:
            # their folders are only names
            names = [name for name in (clip.path or "").split("/") if name]
            way = (*((("folder", name), name) for name in names), clip._part())
            yield from clip._located_files((*above, *way))

    def _part(self) -> tuple[Any, str]:
        return self.id, self.name or self.id

    def _parts_above(self, owner: Any) -> Parts:
        """The folders from the owner of a collection down, and its own."""
        return (self._part(),)

    @property
    def url(self) -> str:
        """The project's page on the service's web site."""
        return f"{self._site()}/project/{self.id}"


#: What a listing of subjects brings, and the metadata that ranges are compared with.
_WITH_METADATA = Selection.of(Subject, [*Subject.groups[BASIC], Subject.fields["stored"]])


def _is_within(metadata: Any, ranges: Sequence[Criterion]) -> bool:
    """Whether a subject's stored metadata meet all ranges."""
    record = parse_record(metadata)
    return isinstance(record, dict) and all(one.is_met(_texts(plain(record.get(one.key)))) for one in ranges)


def _texts(value: Any) -> list[str]:
    """The texts in a value in plain form: those of both sides, of all chosen options."""
    if isinstance(value, (dict, list)):
        parts = value.values() if isinstance(value, dict) else value
        return [text for one in parts for text in _texts(one)]
    return [] if value is None or value == "" else [str(value)]


def _beside(work: Callable[[], list[Clip]]) -> Future[list[Clip]]:
    """Do it on a daemon thread: neither Ctrl-C nor the end of the program waits for it, as they do for an executor's."""
    future: Future[list[Clip]] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="moveshelf-listing", daemon=True).start()
    return future


_KINDS: dict[str, type[Entity]] = {"Subject": Subject, "Session": Session, "Clip": Clip}


def _populated(
    cache: Cache, project: Project, kind: type[Any], rows: Sequence[Mapping[str, Any]] | None
) -> list[Any]:
    items = []
    selection = basic(kind)
    for row in rows or ():
        if row and row["id"] not in cache.deleted_ids:
            one = cache.get(kind, row["id"])
            selection.populate(cache, one, row, cache.clock)
            cache.put(one, kind.fields["project"], project.id)
            items.append(one)
    return items
