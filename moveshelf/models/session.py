"""Sessions: one visit of a subject."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..lazy.entity import entity
from ..lazy.fields import BASIC, Many, One, Scalar
from ..metadata import parse_record, record_of, to_date, to_datetime, values
from .base import Thing
from .condition import Conditions
from .moving import Downloads

if TYPE_CHECKING:
    import datetime as dt

    from .clip import Clip
    from .norm import Norm
    from .project import Project
    from .report import Report
    from .subject import Subject


@entity("Session", derived={"name": "path", "metadata": "stored", "record": "stored", "conditions": "clips"})
class Session(Downloads, Thing):
    """A session of a subject: trials (clips) in conditions, reports, norms."""

    path: Scalar[str] = Scalar("projectPath", group=BASIC, doc="The folder: `/<subject>/<session>/`.")
    date: Scalar[dt.date | str | None] = Scalar(
        "date",
        group=BASIC,
        convert=to_date,
        doc="The day of the session; None if it has none; the stored text if it is no date.",
    )
    updated: Scalar[dt.datetime | str | None] = Scalar(
        "updated", convert=to_datetime, doc="When the service last changed the session, in UTC."
    )
    stored: Scalar[str | None] = Scalar(
        "metadata", doc="The text that `record` and `metadata` are read from."
    )
    version: Scalar[str | None] = Scalar(
        "updated", group="stored", doc="The service's word for the state that `stored` is of."
    )
    project: One[Project] = One("project", "Project", doc="The project. No request when reached through it.")
    subject: One[Subject] = One("patient", "Subject", doc="The subject. No request when reached through it.")
    clips: Many[Clip] = Many(
        "clips",
        "Clip",
        back="session",
        passes=("project",),
        doc="All trials of the session, of every condition, by creation.",
    )
    reports: Many[Report] = Many("reports", "Report", doc="The reports on the session.")
    norms: Many[Norm] = Many("norms", "Norm", doc="The norms that belong to the session.")

    @property
    def name(self) -> str:
        """The session's name: the second part of its path."""
        return session_name(self.path) or ""

    @staticmethod
    def _name_from(value: object) -> str | None:
        return session_name(value)

    @property
    def record(self) -> dict[str, Any] | None:
        """The whole stored object as it is: `{"metadata": {...}, ...}`; or None. A new one at each access.

        Fetched when first touched. Text that is no JSON stays text.
        """
        return parse_record(self.stored)  # type: ignore[no-any-return]

    @property
    def metadata(self) -> dict[str, Any]:
        """The metadata in plain form: `{key: value}`, `{"left": ..., "right": ...}` where a field has sides.

        What the service keeps beside it is in `record`. A new dictionary at each access: changing it changes nothing
        (write with `update_metadata`). Fetched when first touched. Raises ValidationError where it is no object.
        """
        whose = f"session {self.id}"
        return values(record_of(record_of(self.record, whose).get("metadata"), whose))

    @property
    def conditions(self) -> Conditions:
        """The conditions, in the order of their first trials; what `clips` holds, grouped. Fetches `clips`."""
        return Conditions(self)

    @property
    def url(self) -> str:
        """The session's page on the service's web site."""
        return f"{self._site()}/project/{self.project.id}/session/{self.id}"


def session_name(path: object) -> str | None:
    """The second part of a session's path; the whole path where it has no second part."""
    if not isinstance(path, str):
        return None
    parts = path.strip("/").split("/")
    return parts[1] if len(parts) > 1 else parts[0]
