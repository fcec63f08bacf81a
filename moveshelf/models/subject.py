"""Subjects: the people who are measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..lazy.entity import entity
from ..lazy.fields import BASIC, Many, One, Scalar
from ..metadata import parse_record, record_of, to_datetime, values
from .base import Thing
from .moving import Downloads

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from typing_extensions import Self

    from .project import Project
    from .report import Report
    from .session import Session


@entity("Patient", derived={"metadata": "stored", "record": "stored", "interventions": "stored"})
class Subject(Downloads, Thing):
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
        """The whole stored object as it is, interventions and all; or None. A new one at each access.

        Fetched when first touched. Text that is no JSON stays text.
        """
        return parse_record(self.stored)  # type: ignore[no-any-return]

    @property
    def metadata(self) -> dict[str, Any]:
        """The metadata in plain form: `{key: value}`, `{"left": ..., "right": ...}` where a field has sides.

        Interventions are in `interventions`. A new dictionary at each access: changing it changes nothing (write
        with `update_metadata`). Fetched when first touched. Raises ValidationError where what is stored is no object.
        """
        stored = record_of(self.record, f"subject {self.id}")
        return values({key: value for key, value in stored.items() if key != "interventions"})

    @property
    def interventions(self) -> list[dict[str, Any]]:
        """The interventions as they are stored, in order; fetched together with the metadata."""
        stored = record_of(self.record, f"subject {self.id}").get("interventions")
        return list(stored) if isinstance(stored, list) else []

    def create_session(self, name: str, date: date | str | None = None, exist_ok: bool = False) -> Session:
        """Make a session; the new object, which `sessions` lists at once.

        Without `date` (a date, or text like 2026-01-31) a name that is a date gives it. With `exist_ok` a session of
        that name that is there already is returned as it is. One request; one more to list the sessions if they are
        not loaded.

        Raises ValidationError for a name that is none or has a slash and for a date that is none (before any
        request), ConflictError for a name that is taken.
        """
        from .subject_writes import create_session

        return create_session(self, name, date, exist_ok)

    def update_metadata(
        self,
        values: Mapping[str, Any],
        overwrite: bool = False,
        validate: bool = True,
        interventions: Sequence[Mapping[str, Any]] | None = None,
    ) -> Self:
        """Fill in metadata: only what is still empty, unless `overwrite`. Returns the subject.

        `values`: `{key: value}`, where a value is text, a number, a date, a list of texts, or `{"left": ..., "right":
        ...}` (each side counts for itself); None says nothing. `interventions` replace the stored ones, which stay if
        none are given. Unless `validate` is False the service's validator goes first. Two requests, one where there is
        nothing to change.

        Raises ValidationError for values that cannot be stored (before any request) and with all complaints of the
        validator in `errors`, ConflictError where somebody else has changed the subject since it was read here. In both
        cases nothing was written.
        """
        from .subject_writes import update_subject

        update_subject(self, values, overwrite, validate, interventions)
        return self

    def delete(self, dry_run: bool = False) -> list[Any]:
        """Delete the subject and all its sessions, trials and files. One request.

        Returns what went, as far as it was loaded; those objects refuse use from now on, and collections drop them.
        With `dry_run` nothing is deleted: the list of all that would go, loaded for that. Raises NotFoundError where it
        is gone already, OutcomeUnknownError where no answer came.
        """
        from .deletes import delete

        return delete(self, dry_run)

    @property
    def url(self) -> str:
        """The subject's page on the service's web site."""
        return f"{self._site()}/project/{self.project.id}/subject/{self.id}"
