"""Subjects: the people who are measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..lazy.entity import entity
from ..lazy.fields import BASIC, Many, One, Scalar
from ..metadata import parse_record, record_of, to_datetime, values
from .base import Thing
from .moving import Downloads

if TYPE_CHECKING:
    from datetime import datetime

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
    version: Scalar[str | None] = Scalar(
        "updated", group="stored", doc="The service's word for the state that `stored` is of."
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

    @property
    def url(self) -> str:
        """The subject's page on the service's web site."""
        return f"{self._site()}/project/{self.project.id}/subject/{self.id}"
