"""What the flat client creates and changes."""

from __future__ import annotations

import json
import logging
from datetime import datetime
from typing import Any

from ..errors import ValidationError
from . import documents as ask
from .checks import InputTypeError, check_id
from .failures import UnknownIdError
from .kinds import Metadata, framerate_name, with_timecode
from .merging import merge
from .search import Search

logger = logging.getLogger("moveshelf-api")

#: The default of a clip's metadata: never changed, every call copies it.
NO_METADATA = Metadata()


class ValidationErrors(list[str]):
    """The complaints of the service's validator. False as a condition although it is not empty: scripts test
    the outcome of an update as "did it work"."""

    def __bool__(self) -> bool:
        return False


class Writes(Search):
    """Creating and changing. A mutation is sent once; if its answer is lost, the error says so."""

    def createSubject(self, project_id: str, name: str) -> dict[str, Any]:
        """Make a subject: {id, name}. One request.

        Objects: `ms.project(project_id).create_subject(name)`
        """
        check_id(project_id, "project")
        _check_text(name, "name of a subject")
        data = self._dispatch_graphql(ask.CREATE_SUBJECT, projectId=project_id, name=name)
        self._changed(project_id, "subjects")
        subject: dict[str, Any] = data["createPatient"]["patient"]
        return subject

    def createSession(
        self, project_id: str, session_path: str, subject_id: str, session_date: str | None = None
    ) -> dict[str, Any]:
        """Make a session at `/<subject name>/<session name>/`: {id, projectPath}. One request.

        Without `session_date` (YYYY-MM-DD) a session name that is a date gives it. Raises ValueError for a
        date that is none, before the request.

        Objects: `ms.subject(subject_id).create_session(name, date=...)`
        """
        check_id(project_id, "project")
        check_id(subject_id, "subject")
        self._validate_date(session_date)
        _check_text(session_path, "path of a session")
        data = self._dispatch_graphql(
            ask.CREATE_SESSION,
            projectId=project_id,
            projectPath=session_path,
            patientId=subject_id,
            sessionDate=session_date or _date_in(session_path) or session_date,
        )
        self._changed(subject_id, "sessions")
        self._changed(project_id, "sessions")
        session: dict[str, Any] = data["createSession"]["session"]
        return session

    def createClip(self, project: str, metadata: Metadata = NO_METADATA) -> str:
        """Make a clip without a file; its id. `metadata` stays as it is. One request.

        Raises AssertionError for a malformed `startTimecode`, before the request.

        Objects: `condition.create_clip(title)`
        """
        check_id(project, "project")
        clip_id: str = self._createClip(
            project, {"clientId": "manual", "metadata": with_timecode(metadata, named=True)}
        )["mocapClip"]["id"]
        logger.info("created clip %s", clip_id)
        return clip_id

    def updateClipMetadata(
        self, clip_id: str, metadata: Metadata | dict[str, Any], custom_options: str | None = None
    ) -> None:
        """Change a clip's title, description and the like; keys that are absent stay. `custom_options` is
        JSON text.

        One request; `metadata` stays as it is. Raises AssertionError for a malformed `startTimecode`, before
        it.

        Objects: `ms.clip(clip_id).update(title=...)`
        """
        check_id(clip_id, "clip")
        sent = {"id": clip_id, "metadata": with_timecode(metadata), "customOptions": custom_options}
        data = self._dispatch_graphql(ask.UPDATE_CLIP, input=sent)
        self._changed(clip_id)
        logger.info("updated clip %s", data["updateClip"]["clip"]["id"])

    def updateSubjectMetadataInfo(
        self, subject_id: str, info_to_save: str | dict[str, Any], skip_validation: bool = False
    ) -> Any:
        """Fill what is empty in a subject's metadata; True if the service did.

        `info_to_save` is the metadata, as JSON text or a dict; its "interventions" replace the stored ones,
        which stay if it has none. Unless `skip_validation`, the service's validator goes first: its
        complaints are printed and returned, as a list that is false, and nothing is written.

        Two requests, four with validation. Raises JSONDecodeError (a ValueError) before them; NotFoundError
        (also a TypeError) for an unknown id.

        Objects: `ms.subject(subject_id).update_metadata(values)`
        """
        check_id(subject_id, "subject")
        imported = _as_dict(info_to_save, "the metadata of a subject")
        interventions = imported.pop("interventions", [])
        if not skip_validation:
            errors = self._complaints(imported, "subjectMetadata", "subject", subjectId=subject_id)
            errors += self._complaints(
                interventions, "interventionMetadata", "intervention", subjectId=subject_id
            )
            if errors:
                return ValidationErrors(errors)
        stored = self._stored("subject", ask.SUBJECT_METADATA, subject_id, patientId=subject_id) or {}
        kept = stored.pop("interventions", None)
        merged = dict(self._merge_metadata_dictionaries(stored, imported))
        if interventions or kept:
            merged["interventions"] = interventions or kept
        data = self._dispatch_graphql(ask.UPDATE_SUBJECT, patientId=subject_id, metadata=json.dumps(merged))
        self._changed(subject_id)
        return data["updatePatient"]["updated"]

    def updateSessionMetadataInfo(
        self,
        session_id: str,
        session_name: str,
        session_metadata: str | dict[str, Any],
        skip_validation: bool | str = False,
        session_date: str | None = None,
        previous_updated_at: str | None = None,
    ) -> Any:
        """Rename a session, date it, and fill what is empty in its metadata; True if the service did.

        `session_metadata` is {"metadata": {...}}, as JSON text or a dict. Unless `skip_validation`, the
        service's validator goes first: its complaints are printed and returned, and nothing is written.
        `previous_updated_at` makes the service refuse if somebody else has changed the session since. Text
        in place of `skip_validation` is the date, as in version 1.1, which did not validate either;
        previous_updated_at follows it then.

        Two requests, three with validation. Raises JSONDecodeError (a ValueError) before them; NotFoundError
        (also a TypeError) for an unknown id.

        Objects: `ms.session(session_id).update_metadata(values)`, `.rename(name)`, `.set_date(date)`
        """
        check_id(session_id, "session")
        if isinstance(skip_validation, str):
            session_date, previous_updated_at = skip_validation, previous_updated_at or session_date
        self._validate_date(session_date[:10] if isinstance(session_date, str) else session_date)
        imported = _as_dict(session_metadata, "the metadata of a session").get("metadata", {})
        if not skip_validation:
            errors = self._complaints(imported, "sessionMetadata", "session", sessionId=session_id)
            if errors:
                return errors
        record = self._stored("session", ask.SESSION_METADATA, session_id, sessionId=session_id)
        record = {} if record is None else record
        record["metadata"] = self._merge_metadata_dictionaries(record.get("metadata"), imported)
        data = self._dispatch_graphql(
            ask.UPDATE_SESSION,
            sessionId=session_id,
            sessionName=session_name,
            sessionMetadata=json.dumps(record),
            sessionDate=session_date,
            previousUpdatedAt=previous_updated_at,
        )
        self._changed(session_id)
        return data["updateSession"]["updated"]

    # what scripts call although it is private ---------------------------------------------------------------
    @staticmethod
    def _merge_metadata_dictionaries(existing_metadata: Any, imported_metadata: Any) -> Any:
        """The existing metadata with its empty fields filled; neither dictionary is changed."""
        return merge(existing_metadata, imported_metadata)

    def _validateAndUpdateTimecode(self, tc: Any) -> None:
        """Check a timecode and put the frame rate's name in place of the enum, in the dictionary given.

        Raises AssertionError.
        """
        tc["framerate"] = framerate_name(tc)

    def _createClip(self, project: str, clip_creation_data: dict[str, Any]) -> dict[str, Any]:
        """Make one clip: {clientId, uploadUrl, mocapClip: {id}}."""
        data = self._dispatch_graphql(
            ask.CREATE_CLIP, input={"project": project, "clips": [clip_creation_data]}
        )
        self._changed(project, "clips")
        self._filled((clip_creation_data.get("metadata") or {}).get("projectPath"))
        made: dict[str, Any] = data["createClips"]["response"][0]
        return made

    def _createAdditionalData(self, clipId: str, metadata: dict[str, Any]) -> dict[str, Any]:
        """Announce one file of a clip: {uploadUrl, data: {id, dataType, originalFileName, uploadStatus}}."""
        names = ("dataType", "crc32c", "filename", "clientId")
        sent = {"clipId": clipId, **{name: metadata[name] for name in names}}
        data = self._dispatch_graphql(ask.CREATE_FILE, input=sent)
        self._changed(clipId, "files")
        made: dict[str, Any] = data["createAdditionalData"]
        return made

    # --------------------------------------------------------------------------------------------------------
    def _complaints(self, imported: Any, tab: str, what: str, **owner: str) -> list[str]:
        """What the service's validator finds wrong; printed, since scripts are watched by people."""
        data = self._dispatch_graphql(
            ask.VALIDATE, importedMetadata=json.dumps(imported), whichTabToValidate=tab, **owner
        )
        errors: list[str] = data["metadataValidator"]["validationErrors"]
        if errors:
            print(f"The {what} metadata was refused:")
            for error in errors:
                print(error)
        return list(errors)

    def _stored(self, what: str, question: ask.Question, identity: str, **variables: Any) -> Any:
        """The stored metadata, parsed; None without any."""
        node = self._ask(question, **variables)["node"]
        if node is None:
            raise UnknownIdError(f"no {what} has the id {identity!r}, or your key does not see it")
        text = node.get("metadata")
        return None if text is None else json.loads(text)


def _as_dict(given: Any, what: str) -> dict[str, Any]:
    """A dict of the caller's own, of JSON text or a dict."""
    found = dict(given) if isinstance(given, dict) else json.loads(given)
    if not isinstance(found, dict):
        raise InputTypeError(f"{what} is a dict, or JSON text of one, not {given!r}")
    return found


def _check_text(text: Any, what: str) -> None:
    if not isinstance(text, str) or not text.strip("/ "):
        raise ValidationError(f"the {what} is {text!r}: nothing was sent")


def _date_in(session_path: str) -> str | None:
    """The session's name if it is a date, as in /subject/2024-05-31/."""
    parts = session_path.strip("/").split("/")
    if len(parts) < 2:
        return None
    try:
        datetime.strptime(parts[1], "%Y-%m-%d")
    except ValueError:
        return None
    return parts[1]
