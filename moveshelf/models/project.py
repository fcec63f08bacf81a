"""Projects: where everything hangs."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from ..errors import NotFoundError
from ..lazy.collection import Collection
from ..lazy.entity import entity
from ..lazy.fields import BASIC, Many, Scalar
from . import filters
from .base import Thing
from .listing import all_clips, sessions_by_halves
from .values import Configuration, Dataset, Template

if TYPE_CHECKING:
    from .clip import Clip
    from .norm import Norm
    from .session import Session
    from .subject import Subject


@entity("Project")
class Project(Thing):
    """A project of an organization: subjects with sessions, norms, a template for metadata."""

    name: Scalar[str] = Scalar("name", group=BASIC, doc="`organization/project`.")
    description: Scalar[str | None] = Scalar("description", group="details", doc="Free text.")
    can_edit: Scalar[bool | None] = Scalar("canEdit", group="details", doc="Whether the key may write here.")
    unlisted_access: Scalar[bool | None] = Scalar(
        "unlistedAccess", group="details", doc="Whether whoever has a link may look."
    )
    subjects: Many[Subject] = Many(
        "patientsList", "Subject", back="project", chunk=1, barrier=True, doc="All subjects, by name."
    )
    sessions: Many[Session] = Many(
        "sessions",
        "Session",
        back="project",
        chunk=1,
        barrier=True,
        takes_filters=True,
        lister=sessions_by_halves,
        doc="All sessions of all subjects, by date, the undated last; in as many requests as the service needs for that.",
    )
    clips: Many[Clip] = Many(
        "clips",
        "Clip",
        back="project",
        edges=True,
        chunk=1,
        barrier=True,
        takes_filters=True,
        always_list=True,
        lister=all_clips,
        doc="All clips, those outside sessions too, by creation.",
    )
    norms: Many[Norm] = Many("norms", "Norm", barrier=True, doc="The project's norms.")
    datasets: Scalar[tuple[Dataset, ...]] = Scalar(
        "datasets",
        nested="{ name downloadUri }",
        convert=Dataset.list_of,
        doc="Files of the project as a whole.",
    )
    template: Scalar[Template | None] = Scalar(
        "template",
        nested="{ name data }",
        convert=Template.parse,
        doc="Which metadata there is, parsed; None without one.",
    )
    configuration: Scalar[Configuration | None] = Scalar(
        "projectConfiguration",
        nested="{ id name data }",
        convert=Configuration.parse,
        doc="How the project is set up, parsed; None without one.",
    )

    def find_subjects(
        self, where: filters.Where | None = None, sessions: filters.SessionsWhere | None = None
    ) -> Collection[Subject]:
        """The subjects that fit, as a collection, by name. One request, at once; the service does the filtering.

        `where`: `{"subject-sex": "Male", ...}` (all must equal; a list of values: any of them), or a filter group as the
        service takes it (`{"logic": "OR", "filters": [...]}`), nested at will. `sessions`: `{"start": day, "end": day,
        "min": count, "max": count}`, each optional, both days included; a subject comes with all its sessions.

        Raises ValidationError for a malformed filter, before the request.
        """
        return filters.find_subjects(self, where, sessions)

    def find_sessions(
        self,
        start: date | str | None = None,
        end: date | str | None = None,
        where: filters.Where | None = None,
        subject_where: filters.Where | None = None,
        limit: int | None = None,
    ) -> Collection[Session]:
        """The sessions that fit, newest first, as a collection. Both days are included; nothing is cut off but by `limit`.

        `where` (session metadata) and `subject_where` (subject metadata): `{"session-type": "Gait"}` equals, a list is any
        of, a tuple of two is between; or a list of filters as the service takes them (`{"key", "operator", "value"}`).
        Sent at once: one request where the service can answer whole, more where it cannot.

        Raises ValidationError for a malformed filter or date, before any request.
        """
        return filters.find_sessions(self, start, end, where, subject_where, limit)

    def subject_by_ehr_id(self, ehr_id: str) -> Subject:
        """The subject with that id in the hospital's records (EHR id, MRN). One request.

        Raises NotFoundError if there is none.
        """
        found = filters.subject_by_ehr_id(self, ehr_id)
        if found is None:
            raise NotFoundError(
                f"no subject with EHR id {ehr_id!r} in project {self._peek_name() or self.id}"
            )
        return found

    @property
    def url(self) -> str:
        """The project's page on the service's web site."""
        return f"{self._site()}/project/{self.id}"
