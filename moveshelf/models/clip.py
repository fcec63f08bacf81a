"""Clips: trials, each with its files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ..lazy.entity import entity
from ..lazy.fields import BASIC, Found, Many, One, Scalar
from ..lazy.state import State, peek
from ..metadata import to_datetime
from ..values import UploadStatus, word_of
from .base import Thing
from .condition import Condition, folder
from .datafile import OriginalFile
from .moving import Downloads

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from datetime import datetime
    from typing import BinaryIO

    from typing_extensions import Self, Unpack

    from .checks import ClipValues
    from .datafile import DataFile
    from .project import Project
    from .session import Session


def _options(text: Any) -> Any:
    """Custom options are JSON text; text that is none stays text."""
    try:
        return json.loads(text) if isinstance(text, str) and text else None
    except ValueError:
        return text


def _session_of(clip: Clip) -> str | None:
    """The session whose folder the clip is in: the wire does not tell it, the paths do."""
    parts = (clip.path or "").strip("/").split("/")
    if len(parts) < 2:
        return None
    wanted = "/".join(parts[:2])
    project = clip.project
    if (clip._cohort is not None and clip._cohort.full) or project.is_loaded("sessions"):
        # one listing serves a whole loop
        candidates: Sequence[Session] = project.sessions._named().get(parts[1], ())
    else:
        candidates = tuple(
            session
            for subject in project.subjects._named().get(parts[0], ())
            for session in subject.sessions._named().get(parts[1], ())
        )
    for session in candidates:
        if session.path.strip("/") == wanted:
            assert clip._engine is not None
            clip._engine.keep(session)
            return session.id
    return None


@entity("MocapClip", derived={"name": "title", "condition": "path"})
class Clip(Downloads, Thing):
    """A trial of a session: a title, a condition, and files."""

    title: Scalar[str] = Scalar("title", group=BASIC, doc="The trial's title.")
    created: Scalar[datetime | str | None] = Scalar(
        "created", group=BASIC, convert=to_datetime, doc="When it was made on the service, in UTC."
    )
    path: Scalar[str | None] = Scalar(
        "projectPath",
        group=BASIC,
        doc="The folder: `/<subject>/<session>/<condition>/`, the last slash not always there.",
    )
    upload_status: Scalar[UploadStatus | None] = Scalar(
        "uploadStatus",
        group=BASIC,
        convert=word_of(UploadStatus),
        doc="How far the service is with the clip's own file.",
    )
    has_charts: Scalar[bool | None] = Scalar(
        "hasCharts", group=BASIC, doc="Whether the service draws charts of it."
    )
    description: Scalar[str | None] = Scalar("description", group="details", doc="Free text.")
    custom_options: Scalar[Any] = Scalar(
        "customOptions",
        group="details",
        convert=_options,
        doc="The parsed object of custom options, or None.",
    )
    has_video: Scalar[bool | None] = Scalar("hasVideo", doc="Whether there is a video.")
    original_name: Scalar[str | None] = Scalar(
        "originalFileName", doc="The name of the clip's own file, None without one."
    )
    project: One[Project] = One("project", "Project", doc="The project. No request when reached through it.")
    session: Found[Session] = Found(
        "Session",
        _session_of,
        doc="The session. No request when reached through it; else it is looked for by the path, through the project's "
        "subjects (in a loop over clips: among all its sessions). None without one.",
    )
    files: Many[DataFile] = Many(
        "additionalData", "DataFile", back="clip", doc="The files of the trial, as the service lists them."
    )

    @property
    def name(self) -> str:
        """The title, under the name that every object has."""
        return self.title

    @property
    def condition(self) -> Condition | None:
        """The condition that the clip is in; None for a clip without a folder of its own."""
        session = self.session
        if session is None:
            return None
        name = folder(self.path, session.path)
        return Condition(session, name) if name else None

    def upload(
        self,
        file: str | os.PathLike[str] | BinaryIO,
        name: str | None = None,
        data_type: str | None = None,
        existing: str = "add",
        progress: bool | None = None,
    ) -> DataFile:
        """Upload a file to the clip, verified, and return its DataFile.

        `file` is a path, or an open binary file, which is read from where it stands. `name` is how the file is called
        on the service (the path's own name otherwise), `data_type` what it is (by the extension otherwise: "motion",
        "video", "data", ..., "raw"). `existing` says what to do where the clip has a file of that name: "add" another
        one, "skip" the upload and return that file, or "replace-different": compare with the store's checksum, and
        where it differs upload first and delete the old one after.

        It is read twice, in constant memory, for the checksum and for the store. Sends one request to look at what is
        there, one to make the file, a PUT, and at least one to see what the service says. A file that changes
        meanwhile is refused (TransferError). Raises FileNotFoundError and ValidationError before anything is sent;
        TransferError says what is on the service then, and the same call again puts it right.
        """
        from .uploads import upload_file

        return upload_file(self, file, name, data_type, existing, progress)

    @property
    def original(self) -> OriginalFile | None:
        """The clip's own file (the one that `uploadFile` sends); None if it has none. Fetches its name when touched."""
        return OriginalFile(self) if self.original_name else None

    def _peek_folder(self, session_path: str | None = None) -> str | None:
        """The condition's name as far as the paths are loaded; never a request."""
        path = peek(type(self).fields["path"].read(self))
        if path.__class__ is State:
            return None
        if session_path is None and self._engine is not None:
            identity = peek(type(self).fields["session"].read(self))
            session = self._engine.peek(identity) if isinstance(identity, str) else None
            if session is not None:
                value = peek(type(session).fields["path"].read(session))
                session_path = value if isinstance(value, str) else None
        return folder(path, session_path)

    def update(
        self,
        title: str | None = None,
        condition: Condition | str | None = None,
        **metadata: Unpack[ClipValues],
    ) -> Self:
        """Change what is given, and nothing else; returns the clip. One request.

        `condition` moves the clip into another folder of its session. `metadata`: description, preview_image_uri,
        allow_download, allow_unlisted_access, start_timecode (`("01:02:03:04", "FPS_25")`), custom_options (a dictionary or
        JSON text). None says nothing; "" empties a text.

        Raises ValidationError for arguments that cannot be right, before the request; NotFoundError where the clip is
        gone.
        """
        from .session_writes import update_clip

        update_clip(self, {"title": title, "condition": condition, **metadata})
        return self

    def delete(self, dry_run: bool = False) -> list[Any]:
        """Delete the trial and its files. One request.

        Returns what went, as far as it was loaded; those objects refuse use from now on, and collections drop them.
        With `dry_run` nothing is deleted: the list of all that would go, loaded for that. Raises NotFoundError where it
        is gone already, OutcomeUnknownError where no answer came.
        """
        from .deletes import delete

        return delete(self, dry_run)

    @property
    def url(self) -> str:
        """The trial's page on the service's web site."""
        return f"{self._site()}/edit/{self.id}"
