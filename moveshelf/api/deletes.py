"""What the flat client deletes."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from . import documents as ask
from .checks import check_id
from .failures import UnknownIdError
from .writes import Writes

logger = logging.getLogger("moveshelf-api")


class Deletes(Writes):
    """Deleting for good. Each object is one request; an error of the service is raised, or reported by the
    loops."""

    def deleteSubject(self, subject_id: str) -> bool:
        """Delete a subject and all below it; True if the service did.

        Objects: `ms.subject(subject_id).delete()`
        """
        check_id(subject_id, "subject")
        return bool(
            self._delete(ask.DELETE_SUBJECT, "deletePatient", "deleted", subject_id, patientId=subject_id)
        )

    def deleteSubjects(self, subject_ids: Iterable[str]) -> dict[str, bool]:
        """Delete several subjects, one request each: {id: whether it went}. A failure is logged, and the
        rest go on.

        Objects: `for subject in subjects: subject.delete()`
        """
        results: dict[str, bool] = {}
        for subject_id in subject_ids:
            try:
                results[subject_id] = self.deleteSubject(subject_id)
                logger.info("deleted subject %s", subject_id)
            except Exception as error:  # whatever befell one, the others are still to be deleted
                logger.error("subject %s was not deleted: %s", subject_id, error)
                results[subject_id] = False
        return results

    def deleteSession(self, session_id: str) -> bool:
        """Delete a session and all below it; True if the service did.

        Objects: `ms.session(session_id).delete()`
        """
        check_id(session_id, "session")
        return bool(
            self._delete(ask.DELETE_SESSION, "deleteSession", "deleted", session_id, sessionId=session_id)
        )

    def deleteClip(self, clip_id: str) -> bool:
        """Delete a clip and its files; True if the service did.

        Objects: `ms.clip(clip_id).delete()`
        """
        check_id(clip_id, "clip")
        return bool(self._delete(ask.DELETE_CLIP, "deleteClip", "ok", clip_id, clipId=clip_id))

    def deleteAdditionalData(self, additional_data_id: str) -> bool:
        """Delete one file of a clip; True if the service did.

        Objects: `ms.clip(clip_id).files[name].delete()`
        """
        check_id(additional_data_id, "file")
        return bool(
            self._delete(
                ask.DELETE_FILE, "deleteAdditionalData", "ok", additional_data_id, id=additional_data_id
            )
        )

    def deleteClipByCondition(self, session_id: str, condition_name: str) -> dict[str, Any]:
        """Delete the clips of one condition: {deleted_count, failed_count, details: [{clip_id, title,
        deleted, error?}]}. A failure is logged and listed, and the rest go on.

        The condition is the one of exactly that name, slashes aside; one that differs in upper and lower
        case only if no other condition does. One request for the session and one a clip. Raises
        NotFoundError for an unknown session.

        Objects: `ms.session(session_id).conditions[condition_name].delete_clips()`
        """
        session = self.getSessionById(session_id)
        if session is None:
            raise UnknownIdError(f"no session has the id {session_id!r}, or your key does not see it")
        results: dict[str, Any] = {"deleted_count": 0, "failed_count": 0, "details": []}
        for clip in _clips_of(session, condition_name):
            row: dict[str, Any] = {"clip_id": clip["id"], "title": clip.get("title", "")}
            try:
                row["deleted"] = self.deleteClip(clip["id"])
                if not row["deleted"]:
                    logger.warning("the service did not delete clip %s", clip["id"])
            except Exception as error:  # whatever befell one, the others are still to be deleted
                logger.error("clip %s was not deleted: %s", clip["id"], error)
                row.update(deleted=False, error=str(error))
            results["deleted_count" if row["deleted"] else "failed_count"] += 1
            results["details"].append(row)
        logger.info("condition %s: %s deleted", condition_name, results["deleted_count"])
        return results

    def _delete(self, document: str, field: str, answer: str, identity: str, **variables: Any) -> Any:
        done = self._dispatch_graphql(document, **variables)[field][answer]
        if done:
            self._gone(identity)
        return done


def _clips_of(session: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The clips of the condition `name`: by its exact name, else by the only one that differs in case."""
    by_condition: dict[str, list[dict[str, Any]]] = {}
    base = (session.get("projectPath") or "").strip("/")
    for clip in session.get("clips") or ():
        path = (clip.get("projectPath") or "").strip("/")
        if path.startswith(base + "/"):
            by_condition.setdefault(path[len(base) + 1 :], []).append(clip)
    wanted = name.strip("/")
    if wanted in by_condition:
        return by_condition[wanted]
    close = [condition for condition in by_condition if condition.casefold() == wanted.casefold()]
    return by_condition[close[0]] if len(close) == 1 else []
