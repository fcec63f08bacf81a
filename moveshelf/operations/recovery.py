"""What has become of a command whose response was lost: looked for, so that it need not be left open, nor be done twice.

Each function looks at the service and says DONE (with the payload that was lost), ABSENT (it was not carried out, and can
be repeated) or UNKNOWN (nobody can tell). Whatever is not certain is UNKNOWN.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from ..errors import NotFoundError
from ..lazy.registry import ENTITIES
from ..lazy.selection import Selection
from ..metadata import to_datetime
from . import commands, queries
from .commands import Command, Values
from .folders import session_name
from .shapes import Shape

if TYPE_CHECKING:
    from .service import Service

DONE, ABSENT, UNKNOWN = "done", "absent", "unknown"

#: Seconds by which the service's clock may differ from ours.
CLOCKS = 300.0
#: Seconds by which the service's times may be cut off.
RESOLUTION = 1.0


@attrs.frozen
class Found:
    """What a look has shown, and the payload of a command that was carried out."""

    verdict: str
    payload: Mapping[str, Any] | None = None


_ABSENT, _UNKNOWN = Found(ABSENT), Found(UNKNOWN)
_SUBJECTS = Shape(patientsList=Shape("name", "externalId", "updated", "metadata"))
_SESSIONS = Shape(sessions=Shape("projectPath", "date", "updated", "metadata"))
_SESSION = Shape("projectPath", "date", "metadata", "updated")
_METADATA = Shape("metadata")
_IDENTITY = Shape()
#: Command -> the class of the object that its look reads, what of it, and the variable with its id.
_LOOKED_AT: Mapping[str, tuple[str, Shape, str]] = {
    "CreateSession": ("Subject", _SESSIONS, "patientId"),
    "UpdateSubject": ("Subject", _METADATA, "patientId"),
    "UpdateSession": ("Session", _SESSION, "sessionId"),
    "DeleteSubject": ("Subject", _IDENTITY, "patientId"),
    "DeleteSession": ("Session", _IDENTITY, "sessionId"),
    "DeleteClip": ("Clip", _IDENTITY, "clipId"),
    "DeleteFile": ("DataFile", _IDENTITY, "id"),
}


@attrs.frozen
class Lost:
    """A command whose response was lost: its values, our time when it was sent, and the object as it was read before."""

    command: Command
    values: Values
    sent: float
    before: Mapping[str, Any] | None = None


class Reader(Protocol):
    """What a look reads with: the service, or what was read for many looks together."""

    def node(self, selection: Selection, identity: str) -> dict[str, Any] | None:
        """A selection of one object as it is now."""
        ...

    def rows(
        self,
        listing: queries.Listing,
        project: str,
        arguments: Mapping[str, Any],
        selection: Selection | None = None,
    ) -> list[dict[str, Any]] | None:
        """A listing of a project as it is now."""
        ...


Look = Callable[[Reader, Lost], Found]


def find(service: Service, lost: Sequence[Lost]) -> list[Found]:
    """Look for what commands were to do, in order. What they look at is read together, many in a request."""
    reader = _Together(service)
    reader.prepare(lost)
    return [_UNKNOWN if (look := _LOOKS.get(one.command.name)) is None else look(reader, one) for one in lost]


class _Together:
    """Reads each object and each listing once, for many looks."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._nodes: dict[Any, dict[str, Any] | None] = {}
        self._rows: dict[Any, list[dict[str, Any]] | None] = {}

    def prepare(self, lost: Iterable[Lost]) -> None:
        """Read the objects that the looks are about, many in a request."""
        wanted: dict[tuple[str, Shape], list[str]] = {}
        for one in lost:
            known = _LOOKED_AT.get(one.command.name)
            if known is not None:
                kind, shape, variable = known
                wanted.setdefault((kind, shape), []).append(str(one.values[variable]))
        for (kind, shape), ids in wanted.items():
            selection = shape.selection(ENTITIES[kind])
            for identity, node in self._service.values(ENTITIES[kind], ids, selection).items():
                if isinstance(node, NotFoundError):
                    self._nodes[selection.kind, selection.key, identity] = None
                elif isinstance(node, Exception):
                    raise node
                else:
                    self._nodes[selection.kind, selection.key, identity] = node

    def node(self, selection: Selection, identity: str) -> dict[str, Any] | None:
        key = (selection.kind, selection.key, identity)
        if key not in self._nodes:
            self._nodes[key] = self._service.node(selection, identity)
        return self._nodes[key]

    def rows(
        self,
        listing: queries.Listing,
        project: str,
        arguments: Mapping[str, Any],
        selection: Selection | None = None,
    ) -> list[dict[str, Any]] | None:
        key = (listing.field, project, tuple(sorted(arguments.items())), selection and selection.key)
        if key not in self._rows:
            self._rows[key] = self._service.rows(listing, project, arguments, selection)
        return self._rows[key]


def can_look(command: Command) -> bool:
    """Whether a lost response of this command can be looked for."""
    return command.name in _LOOKS


def _since(rows: Iterable[Mapping[str, Any]], field: str, sent: float) -> Found:
    """Which of the rows that fit was created by a command that was sent at `sent`, by the service's own time."""
    new, old = [], 0
    for row in rows:
        when = to_datetime(row.get(field))
        if not isinstance(when, datetime):
            return _UNKNOWN
        age = when.astimezone(timezone.utc).timestamp() - sent
        if age >= -RESOLUTION:
            new.append(row)
        elif age > -CLOCKS:
            return _UNKNOWN  # perhaps ours, by a clock that is behind; perhaps created just before
        else:
            old += 1
    if not new:
        return _ABSENT
    return Found(DONE, new[0]) if len(new) == 1 else _UNKNOWN


def _project_id(service: Reader, project: Any) -> str | None:
    """The id of a project, of which the service takes the name as well."""
    if not isinstance(project, str) or "/" not in project:
        return project if isinstance(project, str) else None
    viewer = service.node(Shape(projects=Shape("name")).selection(ENTITIES["Account"]), "viewer") or {}
    found = [one["id"] for one in viewer.get("projects") or () if one and one.get("name") == project]
    return found[0] if len(found) == 1 else None


def _created_subject(service: Reader, lost: Lost) -> Found:
    project = _project_id(service, lost.values["projectId"])
    if project is None:
        return _UNKNOWN
    node = service.node(_SUBJECTS.selection(ENTITIES["Project"]), project)
    if not node:
        return _UNKNOWN
    rows = [one for one in node.get("patientsList") or () if one and one.get("name") == lost.values["name"]]
    found = _since(rows, "updated", lost.sent)
    return found if found.payload is None else Found(DONE, {"patient": found.payload})


def _created_session(service: Reader, lost: Lost) -> Found:
    node = service.node(_SESSIONS.selection(ENTITIES["Subject"]), str(lost.values["patientId"]))
    if not node:
        return _UNKNOWN
    wanted = str(lost.values["projectPath"]).strip("/")
    rows = [
        one for one in node.get("sessions") or () if one and str(one.get("projectPath")).strip("/") == wanted
    ]
    found = _since(rows, "updated", lost.sent)
    return found if found.payload is None else Found(DONE, {"session": found.payload})


def _created_clips(service: Reader, lost: Lost) -> Found:
    """One clip without a file; one with a file needs the URL that came with the response."""
    given = lost.values["input"]
    clips = given["clips"]
    project = _project_id(service, given.get("project"))
    if len(clips) != 1 or clips[0].get("filename") or project is None:
        return _UNKNOWN
    metadata = clips[0].get("metadata") or {}
    title, path = metadata.get("title"), str(metadata.get("projectPath") or "").strip("/")
    if not title:
        return _UNKNOWN
    selection = lost.command.selection()
    count = 1000
    while True:
        rows = [one for one in service.rows(queries.CLIPS, project, {"first": count}, selection) or () if one]
        if len(rows) < count:
            break
        count *= 4
    rows = [
        one
        for one in rows
        if one.get("title") == title and str(one.get("projectPath") or "").strip("/") == path
    ]
    found = _since(rows, "created", lost.sent)
    if found.payload is None:
        return found
    row = {"clientId": clips[0].get("clientId"), "uploadUrl": None, "mocapClip": found.payload}
    return Found(DONE, {"response": [row]})


def _created_file(service: Reader, lost: Lost) -> Found:
    """A file of a clip: where the clip has none of that name, none was created. Whose another one is, nobody can tell."""
    given = lost.values["input"]
    shape = Shape(additionalData=Shape("originalFileName"))
    node = service.node(shape.selection(ENTITIES["Clip"]), str(given["clipId"]))
    if not node:
        return _UNKNOWN
    names = [one.get("originalFileName") for one in node.get("additionalData") or () if one]
    return _UNKNOWN if given.get("filename") in names else _ABSENT


def _updated_subject(service: Reader, lost: Lost) -> Found:
    """The whole metadata is replaced, so that what is stored either is what was sent, or it was not carried out."""
    node = service.node(_METADATA.selection(ENTITIES["Subject"]), str(lost.values["patientId"]))
    if not node:
        return _UNKNOWN
    if _same_json(node.get("metadata"), lost.values.get("metadata")):
        return Found(DONE, {"updated": True})
    return _ABSENT if lost.before and lost.before.get("metadata") == node.get("metadata") else _UNKNOWN


def _updated_session(service: Reader, lost: Lost) -> Found:
    node = service.node(_SESSION.selection(ENTITIES["Session"]), str(lost.values["sessionId"]))
    if not node:
        return _UNKNOWN
    same = session_name(node.get("projectPath")) == lost.values.get("sessionName")
    if lost.values.get("sessionMetadata") is not None:
        same = same and _same_json(node.get("metadata"), lost.values["sessionMetadata"])
    if lost.values.get("sessionDate"):
        same = same and str(node.get("date"))[:10] == str(lost.values["sessionDate"])[:10]
    if same:
        return Found(DONE, {"updated": True})
    return _ABSENT if lost.before and lost.before.get("updated") == node.get("updated") else _UNKNOWN


def _updated_clip(service: Reader, lost: Lost) -> Found:
    """Repeating an update of a clip gives the same clip, so that what is not there yet can be sent again."""
    given = lost.values["input"]
    # of what a brief command requests nothing could be compared
    node = service.node(commands.UPDATE_CLIP.selection(), str(given["id"]))
    if not node:
        return _UNKNOWN
    metadata = given.get("metadata") or {}
    shown = {"title", "description"} & set(metadata)
    same = all(node.get(name) == metadata[name] for name in shown)
    if metadata.get("projectPath"):
        same = same and str(node.get("projectPath")).strip("/") == str(metadata["projectPath"]).strip("/")
    if given.get("customOptions") is not None:
        same = same and _same_json(node.get("customOptions"), given["customOptions"])
    visible = shown or metadata.get("projectPath") or given.get("customOptions") is not None
    return Found(DONE, {"clip": node}) if same and visible else _ABSENT


def _deleted(name: str) -> Look:
    kind, shape, variable = _LOOKED_AT[name]

    def look(service: Reader, lost: Lost) -> Found:
        node = service.node(shape.selection(ENTITIES[kind]), str(lost.values[variable]))
        return Found(DONE, {lost.command.done: True}) if node is None else _ABSENT

    return look


def _same_json(stored: Any, sent: Any) -> bool:
    if stored == sent:
        return True
    try:
        return bool(json.loads(stored) == json.loads(sent))
    except (TypeError, ValueError, RecursionError):
        return False


_LOOKS: dict[str, Look] = {
    "CreateSubject": _created_subject,
    "CreateSession": _created_session,
    "CreateClips": _created_clips,
    "CreateFile": _created_file,
    "UpdateSubject": _updated_subject,
    "UpdateSession": _updated_session,
    "UpdateClip": _updated_clip,
    **{name: _deleted(name) for name in ("DeleteSubject", "DeleteSession", "DeleteClip", "DeleteFile")},
}
