"""Projects: where everything hangs."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from ..errors import NotFoundError
from ..lazy.collection import Collection
from ..lazy.entity import entity
from ..lazy.fields import BASIC, Many, Scalar
from ..values import Configuration, Dataset, Template
from . import filters
from .base import Thing
from .listing import all_clips, sessions_by_halves
from .moving import Downloads

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping
    from typing import BinaryIO

    from ..transfer.result import Plan, TransferResult
    from .clip import Clip
    from .norm import Norm
    from .session import Session
    from .subject import Subject


@entity("Project")
class Project(Downloads, Thing):
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

    def create_subject(
        self, name: str, metadata: Mapping[str, Any] | None = None, exist_ok: bool = False
    ) -> Subject:
        """Make a subject, and fill in its metadata if some is given; the new object, which `subjects` lists at once.

        With `exist_ok` a subject of that name that is there already is returned (its empty fields filled in from
        `metadata`). One request; one more to list the subjects if they are not loaded (that list is believed: where
        others write too, `refresh()` the project before), two more for metadata.

        Raises ValidationError for a name that is none or has a slash (before any request) and for metadata that the
        service's validator refuses (no subject is left behind), ConflictError for a name that is taken.
        """
        from .subject_writes import create_subject

        return create_subject(self, name, metadata, exist_ok)

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
        Sends a request to make the clip, a PUT, and at least one request to see what the service says. Raises as
        `clip.upload` does.
        """
        from .uploads import upload_clip

        metadata = {
            "description": description,
            "projectPath": folder,
            "allowDownload": allow_download,
            "allowUnlistedAccess": allow_unlisted_access,
            "startTimecode": start_timecode,
        }
        given = {key: value for key, value in metadata.items() if value is not None}
        return upload_clip(self, file, title, given, progress)

    def upload_tree(
        self,
        folder: str | os.PathLike[str],
        layout: str = "{subject}/{session}/{condition}/{trial}_{rest}",
        include: str | Iterable[str] | None = None,
        existing: str = "skip",
        dry_run: bool = False,
        jobs: int = 16,
        progress: bool | None = None,
    ) -> TransferResult | Plan:
        """Upload what is below a folder: make the subjects, sessions and trials that are missing, send what is missing.

        `layout` says how a relative path is read: fields in braces (subject, session, condition, trial, and rest,
        which is the file's name on the service), each as short as it can be and never across a `/`; a field may say
        what it looks like: `{trial:Walk_[0-9]+}`. Folders per trial: "{subject}/{session}/{condition}/{trial}/{rest}".
        A new session gets the date that its name begins with. A `moveshelf_config_import.json` in a session's folder
        (`{"sessionMetadata": {...}, "session_date": ...}`) fills what is empty in the session's metadata.

        `include`: a pattern or several of names or relative paths; `existing`: "skip" files whose name the trial has,
        "add" them, or "replace-different"; `dry_run`: return the plan, nothing made, nothing sent; `jobs`: files at
        once; `progress`: a bar or none; by itself only where somebody looks.

        Looks at the project in a request for every hundred subjects and clips, whatever is loaded. Run again after
        anything, it does what is missing: nothing is made or sent twice, and what a killed run has left half-made is
        made anew, verified, and then removed. A file that fails is in the result's `failed` and stops no other. Raises
        NotADirectoryError, ValidationError for a layout or an import file that cannot be, AmbiguousError where a
        name stands for several objects, before anything is made.
        """
        from .upload_tree import upload_tree

        return upload_tree(self, folder, layout, include, existing, dry_run, jobs, progress)

    @property
    def url(self) -> str:
        """The project's page on the service's web site."""
        return f"{self._site()}/project/{self.id}"
