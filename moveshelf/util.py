"""The flat client's helpers: a subject's metadata, the conditions of a session, the next trial."""

from __future__ import annotations

import ast
import json
from typing import Any

from .api import Metadata
from .api.failures import UnknownIdError
from .errors import ValidationError

# the default of an argument that scripts may fill; never changed
_NO_CONDITIONS: list[dict[str, Any]] = []


def getPatientMetadata(api: Any, mySubjectId: str) -> Any:
    """A subject's metadata as a dict. One request, through `api.getSubjectDetails`.

    The text is read as JSON, or as a Python literal where somebody stored one; nothing in it is ever run.
    Raises NotFoundError (also a TypeError) for an unknown id, ValidationError for text that is neither.

    Objects: `ms.subject(subject_id).metadata`
    """
    details = api.getSubjectDetails(mySubjectId)
    if details is None:
        raise UnknownIdError(f"no subject has the id {mySubjectId!r}, or your key does not see it")
    text = details["metadata"]
    if text is None:
        raise UnknownIdError(f"subject {mySubjectId!r} has no metadata")
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise ValidationError(
            f"the metadata of subject {mySubjectId!r} is neither JSON nor a Python literal"
        ) from None


def getConditionsFromSession(
    session: dict[str, Any], conditions: list[dict[str, Any]] = _NO_CONDITIONS
) -> list[dict[str, Any]]:
    """The conditions of a session as getSessionById gives it: [{path, fullPath, clips, norms}, ...]. Sends
    nothing.

    Clips and norms are put under the condition whose folder they lie in, below the session's own; the others
    are left out. `norms` is there where the session has that key. A list given as `conditions` is added to
    and returned; without one, every call begins anew.

    Objects: `ms.session(session_id).conditions`
    """
    found = [] if conditions is _NO_CONDITIONS else conditions
    base = session["projectPath"]
    for kind in ("clips", "norms"):
        for one in session.get(kind) or ():
            path = _below(one.get("projectPath"), base)
            if path:
                _condition(found, base, path, "norms" in session).setdefault(kind, []).append(one)
    return found


def _below(path: str | None, base: str) -> str:
    """The part of a path below `base`; "" for what lies elsewhere."""
    return path[len(base) :] if path and path.startswith(base) else ""


def _condition(conditions: list[dict[str, Any]], base: str, path: str, norms: bool) -> dict[str, Any]:
    for condition in conditions:
        if condition["path"] == path:
            return condition
    conditions.append(
        {"path": path, "fullPath": base + path, "clips": [], **({"norms": []} if norms else {})}
    )
    return conditions[-1]


def addOrGetTrial(
    api: Any, session: dict[str, Any], condition: dict[str, Any], trialName: str | None = None
) -> str:
    """The id of the trial of that name in a condition, made with `api.createClip` where there is none.

    Without a name, a new trial: `Trial-` and one more than the highest number that the trials' titles carry.
    Sends nothing, or one request.

    Objects: `condition.create_clip(title, exist_ok=True)`
    """
    clips = condition["clips"]
    if trialName is None:
        from .operations.titles import next_title  # the objects cost more to import than a script may need

        trialName = next_title([clip.get("title") or "" for clip in clips])
    for clip in clips:
        if clip.get("title") == trialName:
            found: str = clip["id"]
            return found
    metadata = Metadata()
    metadata["title"] = trialName
    metadata["projectPath"] = session["projectPath"] + condition["path"]
    made: str = api.createClip(session["project"]["name"], metadata)
    return made
