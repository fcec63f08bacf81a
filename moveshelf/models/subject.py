"""Subjects: the people who are measured."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ..display import label
from ..errors import OutcomeUnknownError, RequestError, ValidationError
from ..lazy.entity import entity
from ..lazy.fields import BASIC, Many, One, Scalar
from ..metadata import (
    EHR_KEY,
    MetadataUpdate,
    ReadOnlyDict,
    ReadOnlyList,
    merge_subject,
    parse_record,
    parsed,
    plain,
    read_only,
    record_of,
    stored,
    to_datetime,
)
from ..metadata import values as plain_values
from ..operations import commands
from ..operations.locks import write_lock
from ..operations.queries import stored_state
from ..operations.shapes import Shape
from ..operations.validation import (
    checked_interventions,
    checked_name,
    checked_values,
    day_in,
    json_text,
    published_text,
)
from .base import Deletable, service_of, template_of
from .contents import HasFiles
from .session import Session, existing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import date, datetime

    from ..operations.downloads import LocatedFile, Parts
    from ..operations.service import Service
    from .project import Project
    from .report import Report

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_METADATA = Shape("metadata")
#: The methods that write, for the error of who changes what was read.
_WAY = "update_metadata(values)"
_INTERVENTIONS_WAY = "update_metadata(values, interventions=...)"
#: How often a record is merged again that somebody else overwrites.
_MERGES = 5


@entity(
    "Patient",
    folder="name",
    derived={"metadata": "stored", "record": "stored", "interventions": "stored"},
    writers={
        "metadata": "update_metadata(values)",
        "stored": "update_metadata(values)",
        "record": "update_metadata(values)",
        "interventions": "update_metadata(values, interventions=...)",
        "sessions": "create_session(name)",
    },
)
class Subject(HasFiles, Deletable):
    """A subject of a project, with sessions."""

    name: Scalar[str] = Scalar("name", group=BASIC, doc="The subject's name.")
    ehr_id: Scalar[str | None] = Scalar(
        "externalId", group=BASIC, doc="The id in the hospital's records (EHR id, MRN), or None."
    )
    updated: Scalar[datetime | str | None] = Scalar(
        "updated", group=BASIC, convert=to_datetime, doc="When the service last changed the subject, in UTC."
    )
    stored: Scalar[str | None] = Scalar(
        "metadata", doc="The text that `record` and `metadata` are read from."
    )
    project: One[Project] = One("project", "Project", doc="The project. No request when reached through it.")
    sessions: Many[Session] = Many(
        "sessions",
        "Session",
        back="subject",
        passes=("project",),
        doc="The sessions, by date, the undated last.",
    )
    reports: Many[Report] = Many("reports", "Report", doc="The reports on the subject as a whole.")

    @property
    def record(self) -> dict[str, Any] | None:
        """The whole stored object as it is, interventions and all, to be read only; or None.

        Fetched when first touched. Text that is no JSON stays text.
        """
        return read_only(parse_record(self.stored), _WAY)  # type: ignore[no-any-return]

    @property
    def metadata(self) -> dict[str, Any]:
        """The metadata in plain form: `{key: value}`, `{"left": ..., "right": ...}` where a field has sides.

        Interventions are in `interventions`. A dictionary to be read: a change of it raises TypeError (write with
        `update_metadata`). Fetched when first touched. Raises ValidationError where what is stored is no object.
        """
        record = record_of(parse_record(self.stored), f"subject {self.id}")
        return ReadOnlyDict(
            plain_values({key: one for key, one in record.items() if key != "interventions"}), _WAY
        )

    @property
    def interventions(self) -> list[dict[str, Any]]:
        """The interventions as they are stored, in order, to be read only; fetched together with the metadata."""
        found = record_of(parse_record(self.stored), f"subject {self.id}").get("interventions")
        return ReadOnlyList(found if isinstance(found, list) else (), _INTERVENTIONS_WAY)

    def create_session(self, name: str, date: date | str | None = None, exist_ok: bool = False) -> Session:
        """Create a session; the new object, which `sessions` lists at once.

        Without `date` (a date, or text like 2026-01-31) a name that is a date gives it. With `exist_ok` a session of
        that name that is there already is returned as it is. One request; one more to list the sessions if they are
        not loaded.

        Raises ValidationError for a name that is none or has a slash and for a date that is none (before any
        request), ConflictError for a name that is taken.
        """
        from ..operations.additions import add, by_date
        from ..operations.filters import day_text

        service = self._attached("create_session()")
        name = checked_name(name, "session")
        day = day_text(date)
        if day is None and _DAY.fullmatch(name):
            day = day_in(name)
        with write_lock(service, self.id) as others:
            if others:  # another program may have created one since the sessions were listed
                service.cache.unload(self, Subject.fields["sessions"])
            session: Session | None = existing(self.sessions, name, "session", exist_ok)
            if session is not None:
                return session
            project = self.project
            payload = self._write(
                commands.CREATE_SESSION,
                {
                    "projectId": project.id,
                    "projectPath": f"/{self.name}/{name}/",
                    "patientId": self.id,
                    "sessionDate": day,
                },
                f"create session {name!r}",
            )
            session = add(
                service.cache,
                commands.CREATE_SESSION,
                payload["session"],
                {"project": project.id, "subject": self.id},
                (self, "sessions", by_date),
                (project, "sessions", by_date),
                # its clips may be there already: those that were created before their session
                empty=("reports",),
            )
            assert session is not None
            return session

    def _create_session(self, project: str, path: str, day: str | None) -> Mapping[str, Any]:
        """Create a session at that path; the payload. One request."""
        values = {"projectId": project, "projectPath": path, "patientId": self.id, "sessionDate": day}
        return self._send(commands.CREATE_SESSION, values)

    def update_metadata(
        self,
        values: Mapping[str, Any],
        *,
        overwrite: bool = True,
        validate: bool = True,
        interventions: Sequence[Mapping[str, Any]] | None = None,
    ) -> MetadataUpdate:
        """Write metadata as given, and return what was changed and what was kept; other fields stay as they are.

        `values`: `{key: value}`, where a value is text, a number, a date, a list of texts, or `{"left": ..., "right":
        ...}` (each side counts for itself); None removes the field or the side. Without `overwrite` only what is empty is
        filled in (`fill_metadata`). `interventions` replace the stored ones, which stay if none are given.

        Unless `validate` is False keys and options are compared with the project's template, with near misses (one request,
        the first time), and the service's validator goes first. Three requests (the last reads back what was
        written), one where there is nothing to change; one more where the EHR id changes, to see that no other subject
        has it.

        Raises ValidationError for values that cannot be stored, NaN and NaT among them (before any request), for what the
        template does not know (one value for a field with a left and a right one, too), for an EHR id that another subject
        has and with all complaints of the validator in `errors`; ConflictError where somebody else has
        changed the subject since it was read here. In these cases nothing was written. OutcomeUnknownError where it was
        written and could not be read back.

        Example:
            >>> subject.update_metadata({"subject-sex": "Male", "subject-notes": None})
            MetadataUpdate(changed={'subject-sex': 'Male', 'subject-notes': None}, kept={})
        """
        from ..operations.known_fields import check_values

        service = self._attached("update_metadata()")
        given = checked_values(values)
        if "interventions" in given:
            if interventions is not None:
                raise ValidationError("the interventions are given twice: in values, and as interventions=")
            interventions = given.pop("interventions")
            if interventions is None:
                interventions = [] if overwrite else None
        wanted = None if interventions is None else checked_interventions(interventions)
        shaped = {
            key: stored(value, name=f"metadata {key!r}") for key, value in given.items() if value is not None
        }
        if wanted is None and not (given if overwrite else shaped):
            return MetadataUpdate()
        tabs: list[tuple[str, Any]] = []
        if validate and shaped:
            check_values(template_of(self), "subjects", shaped, label(self))
            tabs.append(("subjectMetadata", shaped))
        if validate and wanted:
            tabs.append(("interventionMetadata", wanted))
        cache = service.cache
        replaces = wanted is not None

        def written(record: dict[str, Any]) -> dict[str, Any]:
            return merge_subject(record, given, wanted, overwrite=overwrite)

        with write_lock(service, self.id):
            clock = cache.clock
            node = self._stored_now(tabs)
            before = record_of(parse_record(node["metadata"]), label(self))
            merged = written(before)
            done = MetadataUpdate.of(
                {**given, "interventions": wanted} if replaces else given, before, merged
            )
            if merged == before:
                with cache.lock:
                    stored_state(Subject).populate(cache, self, node, clock)
                return done
            if validate and done.changed.get(EHR_KEY):
                self._refuse_taken(service, merged[EHR_KEY])
            text = self._write_record(service, node["metadata"], merged, written)
            with cache.lock:
                cache.invalidate(self.id)
                cache.put(self, Subject.fields["stored"], text)
                for name in ("updated", "ehr_id"):  # the service's to say
                    cache.unload(self, Subject.fields[name])
        return done

    def _refuse_taken(self, service: Service, ehr_id: Any) -> None:
        """Raise ValidationError where another subject of the project has this EHR id. One request."""
        text = plain(ehr_id)
        found = service.subject_by_ehr_id(self.project.id, text) if isinstance(text, str) else None
        if found is not None and found.get("id") != self.id:
            raise ValidationError(
                f"the EHR id {text!r} is that of subject {found.get('name') or found.get('id')!r}, and nothing was written to "
                f"{label(self)}: a patient has one of their own (validate=False writes it all the same)"
            )

    def fill_metadata(self, values: Mapping[str, Any], *, validate: bool = True) -> MetadataUpdate:
        """Fill in what is empty, and return what was changed and what was kept; None says nothing.

        As `update_metadata` with `overwrite=False`, in requests and errors too.
        """
        return self.update_metadata(values, overwrite=False, validate=validate)

    def _write_record(
        self,
        service: Service,
        before: Any,
        record: dict[str, Any],
        written: Callable[[dict[str, Any]], dict[str, Any]],
    ) -> str:
        """Replace the whole stored record, and read it back; the text that is stored then.

        The service takes a subject's metadata without looking whether somebody else has written since it was read. What
        another computer has written over ours is merged again; raises ConflictError where that does not end,
        OutcomeUnknownError where it was written and cannot be read back.
        """
        for _ in range(_MERGES):
            text = json_text(record)
            values = {"patientId": self.id, "metadata": text}
            self._write(commands.UPDATE_SUBJECT, values, f"update {label(self)}", before={"metadata": before})
            try:
                node = service.node(_METADATA.selection(Subject), self.id) or {}
            except RequestError as error:
                service.touch(commands.UPDATE_SUBJECT, [values])
                raise OutcomeUnknownError(
                    f"the metadata of {label(self)} was written, but could not be read back, so that nobody knows whether "
                    f"another program has overwritten it since; refresh() and look. The reason: {error}",
                    operation=commands.UPDATE_SUBJECT.name,
                ) from error
            now = record_of(parse_record(node.get("metadata")), label(self))
            if now == record:
                return text
            before, record = node.get("metadata"), written(now)
            if record == now:
                return str(before)  # ours is in it
        raise self._conflict()

    def _fill_as_published(
        self, imported: dict[str, Any], interventions: Any, rule: Callable[[Any, Any], Any]
    ) -> Mapping[str, Any]:
        """Merge stored and imported metadata by a rule, and replace the interventions; the payload. Two requests.

        Raises NotFoundError where the service has no such subject, ValidationError where its metadata is no JSON object.
        """
        with write_lock(service_of(self._require("writing")), self.id):
            return self._fill_locked(imported, interventions, rule)

    def _fill_locked(
        self, imported: dict[str, Any], interventions: Any, rule: Callable[[Any, Any], Any]
    ) -> Mapping[str, Any]:
        node = self._shaped(_METADATA)
        if node is None:
            raise self._no_longer_there()
        text = node.get("metadata")
        whose = label(self)
        before = dict(
            record_of(None if text is None else parsed(text, f"the metadata of {whose}") or None, whose)
        )
        kept = before.pop("interventions", None)
        merged = dict(rule(before, imported))
        if interventions or kept:
            merged["interventions"] = interventions or kept
        return self._send(
            commands.UPDATE_SUBJECT, {"patientId": self.id, "metadata": published_text(merged)}, node
        )

    def _complaints(self, tab: str, values: Any) -> list[str]:
        """The validator's complaints on metadata that is to be stored. One request."""
        return service_of(self._require("validation")).complaints(type(self), self.id, tab, values)

    # files -----------------------------------------------------------------------------------------------------
    def _download_service(self) -> Service:
        return service_of(self._require("download()"))

    def _download_title(self) -> str:
        return f"download of {label(self)}"

    def _located_files(self, above: Parts = ()) -> Iterator[LocatedFile]:
        self.load("sessions.clips.files", "sessions.clips.original_name")
        for session in self.sessions:
            yield from session._located_files((*above, session._part()))

    def _part(self) -> tuple[Any, str]:
        return self.id, self.name or self.id

    def _parts_above(self, owner: Any) -> Parts:
        """The folders from the owner of a collection down, and its own."""
        return (self._part(),)

    @property
    def url(self) -> str:
        """The subject's page on the service's web site."""
        return f"{self._site()}/project/{self.project.id}/subject/{self.id}"
