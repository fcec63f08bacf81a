"""Clips: trials, each with its files."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from ..display import label
from ..errors import QueryError, ValidationError, fresh
from ..lazy.cache import loaded_collection, loaded_value
from ..lazy.entity import entity
from ..lazy.fields import BASIC, FLAG, Many, One, Resolved, Scalar, shared
from ..lazy.state import State, peek
from ..metadata import parse_record, to_datetime
from ..operations import commands
from ..operations.folders import condition_name
from ..operations.locks import write_lock
from ..operations.validation import clip_values, options_text
from ..values import UploadStatus, word_of
from .base import Deletable, service_of
from .condition import Condition
from .contents import HasFiles
from .datafile import DataFile, OriginalFile
from .twins import twin

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from typing import BinaryIO

    import xarray as xr
    from typing_extensions import Self, Unpack

    from ..operations.downloads import LocatedFile, Parts
    from ..operations.service import Service
    from ..operations.uploads import Existing as UploadExisting
    from ..operations.validation import ClipValues
    from .project import Project
    from .session import Session


def _options(text: Any) -> Any:
    """Custom options are JSON text; text that is none stays text."""
    return parse_record(text) if isinstance(text, str) and text else None


def _session_of(clip: Clip) -> str | None:
    """The session whose folder the clip is in: the service does not tell it, the paths do."""
    parts = (clip.path or "").strip("/").split("/")
    if len(parts) < 2:
        return None
    wanted = "/".join(parts[:2])
    project = clip.project
    if (clip._peers is not None and clip._peers.window.full) or project.is_loaded("sessions"):
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
            clip._engine.cache.hold(session)
            return session.id
    return None


@entity(
    "MocapClip",
    owner="session",
    folder="path",
    derived={"name": "title", "condition": "path"},
    writers={
        "title": "update(title=...)",
        "name": "update(title=...)",
        "description": "update(description=...)",
        "path": "update(condition=...)",
        "condition": "update(condition=...)",
        "custom_options": "update(custom_options=...)",
        "files": "upload(file)",
    },
)
class Clip(HasFiles, Deletable):
    """A trial of a session: a title, a condition, and files."""

    title: Scalar[str] = Scalar("title", group=BASIC, convert=shared, doc="The trial's title.")
    created: Scalar[datetime | str | None] = Scalar(
        "created", group=BASIC, convert=to_datetime, doc="When it was created on the service, in UTC."
    )
    path: Scalar[str | None] = Scalar(
        "projectPath",
        group=BASIC,
        convert=shared,
        doc="The folder: `/<subject>/<session>/<condition>/`, the last slash not always there.",
    )
    upload_status: Scalar[UploadStatus | None] = Scalar(
        "uploadStatus",
        group=BASIC,
        convert=word_of(UploadStatus),
        doc="How far the upload of the clip's own file is.",
    )
    has_charts: Scalar[bool | None] = Scalar(
        "hasCharts", group=BASIC, types=FLAG, doc="Whether the service draws charts of it."
    )
    description: Scalar[str | None] = Scalar("description", group="details", doc="Free text.")
    custom_options: Scalar[Any] = Scalar(
        "customOptions",
        group="details",
        convert=_options,
        doc="The parsed object of custom options, or None.",
    )
    has_video: Scalar[bool | None] = Scalar("hasVideo", types=FLAG, doc="Whether there is a video.")
    original_name: Scalar[str | None] = Scalar(
        "originalFileName", convert=shared, doc="The name of the clip's own file, None without one."
    )
    project: One[Project] = One("project", "Project", doc="The project. No request when reached through it.")
    session: Resolved[Session] = Resolved(
        "Session",
        _session_of,
        doc="The session. No request when reached through it; else it is found by the path, through the project's "
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
        name = condition_name(self.path, session.path)
        return Condition(session, name) if name else None

    def upload(
        self,
        file: str | os.PathLike[str] | BinaryIO,
        name: str | None = None,
        data_type: str | None = None,
        existing: UploadExisting = "add",
        progress: bool | None = None,
    ) -> DataFile:
        """Upload a file to the clip, verified, and return its DataFile.

        `file` is a path, or an open binary file, which is read from its current position. `name` is how the file is called
        on the service (the path's own name otherwise), `data_type` what it is (by the extension otherwise: "motion",
        "video", "data", ..., "raw"). `existing` says what to do where the clip has a file of that name: "add" another
        one, "skip" the upload and return that file, or "replace-different": compare with the store's checksum, and
        where it differs upload first and delete the old one after.

        It is read twice, in constant memory, for the checksum and for the store. Sends one request to look at what is
        there, one to create the file, a PUT, and at least one to see what the service says. A file that changes
        meanwhile is refused (TransferError). Raises FileNotFoundError and ValidationError before anything is sent;
        TransferError says what is on the service then, and the same call again puts it right.
        """
        from ..operations import uploads

        service = service_of(self._require("upload()"))
        service.refuse_to_block("upload() waits for the file, and that", "await its twin aupload(...)")
        identity = uploads.upload_file(service, self.id, file, name, data_type, existing, progress)
        return service.cache.get(DataFile, identity)

    aupload = twin(upload)

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
            session = self._engine.cache.peek(identity) if isinstance(identity, str) else None
            if session is not None:
                value = peek(type(session).fields["path"].read(session))
                session_path = value if isinstance(value, str) else None
        return condition_name(path, session_path)

    def update(
        self,
        title: str | None = None,
        condition: Condition | str | None = None,
        **metadata: Unpack[ClipValues],
    ) -> Self:
        """Change what is given, and nothing else; returns the clip. One request.

        `condition` moves the clip into another folder of its session. `metadata`: description, preview_image_uri,
        allow_download, allow_unlisted_access, start_timecode (`("01:02:03:04", "FPS_25")`), custom_options (a dictionary or
        JSON text). None changes nothing; "" empties a text.

        Raises ValidationError for arguments that cannot be right, before the request; NotFoundError where the service has
        no such clip any more.
        """
        self._update({"title": title, "condition": condition, **metadata})
        return self

    def _update(self, changes: Mapping[str, Any]) -> None:
        service = self._attached("update()")
        options = options_text(changes.get("custom_options"))
        given = clip_values({k: v for k, v in changes.items() if k not in ("custom_options", "condition")})
        if changes.get("condition") is not None:
            session = self.session
            if session is None:
                raise ValidationError(f"{label(self)} is in no session, and so cannot be in a condition")
            given["projectPath"] = session._folder_of(changes["condition"])
        if not given and options is None:
            return
        values = {"input": {"id": self.id, "metadata": given, "customOptions": options}}
        cache = service.cache
        with write_lock(service, self.id):
            payload = self._write(commands.UPDATE_CLIP, values, f"update {label(self)}")
            with cache.lock:
                cache.invalidate(self.id)
                if payload.get("clip"):
                    commands.UPDATE_CLIP.selection().populate(cache, self, payload["clip"], cache.clock)
                else:
                    cache.reload((self, ("title", "description", "path", "custom_options")))
                if "projectPath" in given:  # views of conditions are made of the session's list
                    for owner in cache.owners([self], "session", "project"):
                        members = loaded_collection(owner, "clips")
                        if members is not None and members._is_loaded():
                            members._fill(list(members._members()))

    def add_comment(self, text: str) -> Self:
        """Add a comment to the trial, as on its page; returns the clip. One request.

        Raises ValidationError for text that is blank, before the request; OutcomeUnknownError where no response came.
        """
        if not isinstance(text, str) or not text.strip():
            raise ValidationError(f"a comment is text and not blank; this is {text!r}")
        self._attached("add_comment()")
        self._write(commands.CREATE_COMMENT, {"clipId": self.id, "comment": text}, f"comment {label(self)}")
        return self

    def _update_as_given(self, metadata: Any, custom_options: Any) -> Mapping[str, Any]:
        """Change the clip to metadata with the service's names, as they are; the payload. One request."""
        given = {"id": self.id, "metadata": metadata, "customOptions": custom_options}
        return self._send(commands.UPDATE_CLIP.brief(), {"input": given})

    def _create_file(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Create a file of the clip without its bytes: the payload, with the URL that takes them. One request."""
        return self._send(commands.CREATE_FILE, {"input": {"clipId": self.id, **values}})

    def _delete_failure(self, error: Exception) -> Exception:
        """Why the clip was not deleted; NotFoundError where the service does not have it."""
        return self._refusal(error, None) if isinstance(error, QueryError) else fresh(error)

    # files -----------------------------------------------------------------------------------------------------
    def _download_service(self) -> Service:
        return service_of(self._require("download()"))

    def _download_title(self) -> str:
        return f"download of {label(self)}"

    def _located_files(self, above: Parts = ()) -> Iterator[LocatedFile]:
        values = self._layout_values()
        if self.original is not None:
            yield self.original._located(above, values)
        for file in self.files:
            yield file._located(above, values)

    def series(self, file: str = "angles", channels: Sequence[str] | str | None = None) -> xr.Dataset:
        """The trial's time series as an xarray Dataset over `time` (seconds, as the files have it).

        A variable is a channel, with dims (side, time) where the file names a side, (time) where it does not, and its
        `units`; see `moveshelf.gait.reading.trial_series`. `channels`: variables, all if None. What cannot be read is a
        `GaitFileWarning` and an entry of `.attrs["problems"]`. Lists the files if they are not loaded; then a request for
        the signed URLs and one for each file. Needs the extra `gait`.
        """
        from . import derived

        return derived.one_series(self._derived_files(), file, channels)

    def _layout_values(self) -> dict[str, str | None]:
        """What a layout may name of the trial and what is above it."""
        parts = [*(one for one in (self.path or "").split("/") if one), "", ""]
        values: dict[str, str | None] = {"subject": parts[0], "session": parts[1], "trial": self.title}
        session = loaded_value(self, "session")
        found = self._engine.cache.peek(session) if self._engine and isinstance(session, str) else None
        when = loaded_value(found, "date") if found is not None else None
        values["date"] = str(when)[:10] if isinstance(when, date) else None
        values["condition"] = self._peek_folder() or None
        project = loaded_value(self, "project")
        owner = self._engine.cache.peek(project) if self._engine and isinstance(project, str) else None
        values["project"] = owner._peek_name() if owner is not None else None
        return values

    def _part(self) -> tuple[Any, str]:
        return self.id, self.title or self.id

    def _below_session(self, session: Any) -> Parts:
        """The folders from its session down, and its own."""
        condition = condition_name(self.path, session.path)
        way: Parts = ((("condition", session.id, condition), condition),) if condition else ()
        return (*way, self._part())

    def _parts_above(self, owner: Any) -> Parts:
        """The folders from the owner of a collection down, and its own."""
        if type(owner).__name__ == "Session":
            return self._below_session(owner)
        way: list[tuple[Any, str]] = []
        for name in (self.path or "").split("/"):
            if name:
                way.append((("path", *(one for _, one in way), name), name))
        return (*way, self._part())

    @property
    def url(self) -> str:
        """The trial's page on the service's web site."""
        return f"{self._site()}/edit/{self.id}"
