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
    from collections.abc import Iterable, Mapping

    from typing_extensions import Self, Unpack

    from ..lazy.collection import Collection
    from ..values import ReportType
    from .checks import ClipValues
    from .clip import Clip
    from .condition import Condition
    from .job import Job
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

    def condition(self, name: str) -> Condition:
        """The condition of that name, one without trials too; slashes at the ends of the name do not count. No request.

        Raises ValidationError for a name that is none or has a slash inside.
        """
        from .session_writes import condition_of

        return condition_of(self, name)

    def create_clip(
        self,
        title: str | None = None,
        condition: Condition | str | None = None,
        exist_ok: bool = False,
        **metadata: Unpack[ClipValues],
    ) -> Clip:
        """Make a trial without a file; the new object, which `clips` lists at once.

        Without a title it is the next `Trial-N` of its condition. `metadata`: description, preview_image_uri,
        allow_download, allow_unlisted_access, start_timecode (`("01:02:03:04", "FPS_25")`), custom_options (one request
        more). With `exist_ok` a trial of that title in that condition is returned as it is. One request; one more to
        list the clips if they are not loaded.

        Raises ValidationError for arguments that cannot be right (before any request), ConflictError for a title that is
        taken.
        """
        from .session_writes import create_clip

        return create_clip(self, title, condition, exist_ok, metadata)

    def update_metadata(
        self, values: Mapping[str, Any], overwrite: bool = False, validate: bool = True
    ) -> Self:
        """Fill in metadata: only what is still empty, unless `overwrite`. Returns the session.

        `values`: `{key: value}`, where a value is text, a number, a date, a list of texts, or `{"left": ..., "right":
        ...}` (each side counts for itself); None says nothing. What else the record holds stays. Unless `validate` is
        False the service's validator goes first. Two requests, one where there is nothing to change.

        Raises ValidationError for values that cannot be stored (before any request) and with all complaints of the
        validator in `errors`, ConflictError where somebody else has changed the session since it was read here. In both
        cases nothing was written.
        """
        from .session_writes import update_session

        update_session(self, values, overwrite, validate)
        return self

    def rename(self, name: str) -> Self:
        """Give the session another name; its folder and those of its trials go along. Returns the session.

        Two requests; one more to list the subject's sessions if they are not loaded. Raises ValidationError for a name
        that is none or has a slash (before any request), ConflictError for a name that is taken and where somebody else
        has changed the session since it was read here; nothing was written then.
        """
        from .session_writes import rename

        rename(self, name)
        return self

    def set_date(self, date: dt.date | str) -> Self:
        """Give the session another day: a date, or text like 2026-01-31. Returns the session. Two requests.

        Raises ValidationError for what is no date (before any request), ConflictError where somebody else has changed
        the session since it was read here; nothing was written then.
        """
        from .session_writes import set_date

        set_date(self, date)
        return self

    def delete(self, dry_run: bool = False) -> list[Any]:
        """Delete the session and all its trials and files. One request.

        Returns what went, as far as it was loaded; those objects refuse use from now on, and collections drop them.
        With `dry_run` nothing is deleted: the list of all that would go, loaded for that. Raises NotFoundError where it
        is gone already, OutcomeUnknownError where no answer came.
        """
        from .deletes import delete

        return delete(self, dry_run)

    def process_gait_tool(
        self, trial_type: str | None = None, clips: Iterable[Clip] | Clip | Condition | None = None
    ) -> Job:
        """Let the service process trials (all of the session, or those given): a job, to `wait()` for. One request.

        The trials' files are read anew once the job was seen to have ended. Raises ValidationError where there is no
        trial, before the request.
        """
        from .processing import process

        return process(self, trial_type, clips)

    def generate_reports(self, norm: Norm | str | None = None) -> Collection[Report]:
        """Let the service make the reports that it makes by itself, against a norm (or its id); `reports`, to be read anew.

        One request.
        """
        from .processing import generate_reports

        return generate_reports(self, norm)

    def generate_report(
        self,
        kind: ReportType | str,
        title: str,
        clips: Iterable[Clip] | Clip | Condition | None = None,
        norm: Norm | str | None = None,
        template: str | None = None,
    ) -> Collection[Report]:
        """Let the service make one report of trials (all of the session, or those given); `reports`, to be read anew.

        `kind` is a ReportType or its text; `template` the id of a report template. One request. Raises ValidationError
        for an unknown kind, a blank title and where there is no trial, before the request.
        """
        from .processing import generate_report

        return generate_report(self, kind, title, clips, norm, template)

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
