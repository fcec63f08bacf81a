"""The mutations: each checks all its arguments first, then writes in one transaction."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from typing import Any

from . import filters
from .blobs import valid_crc_text
from .days import iso_day
from .execute import Context, Field, Refused
from .lookup import editable, found, project_of
from .reports import create_automatic_reports, create_report
from .rows import PENDING, Clip, Comment, DataFile, Session, Subject, data_type_of, split

_TIMECODE = re.compile(r"\d{2}:\d{2}:\d{2}[:;]\d{2,3}")


def midnight(text: str | None) -> str | None:
    """A day as the service keeps a session's date: the UTC midnight it begins with."""
    if not text:
        return None
    day = iso_day(text)
    if day is None:
        raise Refused(f"{text!r} is not a date (YYYY-MM-DD).")
    return f"{day}T00:00:00+00:00"


def _clip_values(context: Context, project: Any, metadata: dict[str, Any]) -> dict[str, Any]:
    """Columns for the keys that are there and not null."""
    given = {key: value for key, value in metadata.items() if value is not None}
    values = {
        column: given[key]
        for key, column in (
            ("title", "title"),
            ("description", "description"),
            ("previewImageUri", "preview_image_uri"),
            ("projectPath", "path"),
        )
        if key in given
    }
    for key, column in (
        ("allowDownload", "allow_download"),
        ("allowUnlistedAccess", "allow_unlisted_access"),
    ):
        if key in given:
            values[column] = int(given[key])
    timecode = given.get("startTimecode")
    if timecode:
        if not _TIMECODE.fullmatch(timecode.get("timecode") or ""):
            raise Refused(f"startTimecode needs a timecode HH:MM:SS:FF, not {timecode.get('timecode')!r}.")
        if not timecode.get("framerate"):
            raise Refused("startTimecode needs a framerate.")
        values["timecode"], values["framerate"] = timecode["timecode"], timecode["framerate"]
    if "path" in values:
        session = context.service.store.session_at(project, values["path"])
        values["session"] = session.id if session else None
    return values


def create_clips(context: Context, _: Any, arguments: dict[str, Any]) -> Any:
    service, request = context.service, arguments["input"]
    project = editable(service.project(request.get("project")))
    clips = []
    for data in request.get("clips") or []:
        if data is None:
            raise Refused("A clip to create must not be null.")
        _check_crc(data.get("crc32c"))
        values = _clip_values(context, project, data.get("metadata") or {})
        clips.append((data, values))
    made = [
        service.store.make(
            Clip,
            project=project.id,
            created=service.store.now(),
            file_name=data.get("filename"),
            crc32c=data.get("crc32c"),
            **values,
        )
        for data, values in clips
    ]
    service.store.add(*made)
    return {
        "response": [
            {
                "clientId": data.get("clientId"),
                "uploadUrl": service.blobs.url(clip, "write"),
                "mocapClip": clip,
            }
            for (data, _), clip in zip(clips, made, strict=True)
        ]
    }


def _check_crc(text: str | None) -> None:
    if text is not None and not valid_crc_text(text):
        raise Refused(f"crc32c must be the base64 of four bytes, not {text!r}.")


def update_clip(context: Context, _: Any, arguments: dict[str, Any]) -> Any:
    data = arguments["clipData"]
    store = context.service.store
    clip = found(context, Clip, data["id"], "clip")
    project = editable(project_of(context, clip))
    metadata = data.get("metadata") or {}
    values: dict[str, Any] = {}
    if metadata.get("project"):
        target = editable(context.service.project(metadata["project"]))
        if target is not project:
            session = store.session_at(target, metadata.get("projectPath") or clip.path)
            values.update(project=target.id, session=session.id if session else None)
        project = target
    values.update(_clip_values(context, project, metadata))
    if data.get("customOptions") is not None:
        values["custom_options"] = data["customOptions"]
    if values:
        store.change(clip, **values)
    return {"clip": clip}


def _delete(context: Context, table: Any, id: str | None, word: str, result: str) -> Any:
    row = found(context, table, id, word)
    owner = context.service.store.rows[row.clip] if table is DataFile else row
    editable(project_of(context, owner))
    context.service.delete(row)
    return {result: True}


def create_additional_data(context: Context, _: Any, arguments: dict[str, Any]) -> Any:
    service, request = context.service, arguments.get("input")
    if request is None:
        raise Refused("createAdditionalData needs an input.")
    clip = found(context, Clip, request["clipId"], "clip")
    editable(project_of(context, clip))
    _check_crc(request.get("crc32c"))
    name = request.get("filename")
    file = service.store.make(
        DataFile,
        clip=clip.id,
        data_type=request.get("dataType") or data_type_of(name),
        file_name=name,
        crc32c=request.get("crc32c"),
        upload_status=PENDING,
    )
    service.store.add(file)
    return {"uploadUrl": service.blobs.url(file, "write"), "data": file}


def create_patient(context: Context, _: Any, arguments: dict[str, Any]) -> Any:
    service = context.service
    project = editable(service.project(arguments["projectId"]))
    name = arguments["name"]
    if not name.strip() or "/" in name:
        raise Refused(f"A subject needs a name without slashes, not {name!r}.")
    subject = service.store.make(Subject, project=project.id, name=name, updated=service.store.now())
    service.store.add(subject)
    return {"patient": subject}


def update_patient(context: Context, _: Any, arguments: dict[str, Any]) -> Any:
    store = context.service.store
    subject = found(context, Subject, arguments["patientId"], "subject")
    editable(project_of(context, subject))
    metadata = arguments.get("metadata")
    if metadata is None:  # an absent variable, sent as null: nothing to replace
        return {"updated": True}
    store.change(subject, metadata=metadata, external_id=ehr_id(_object(metadata)), updated=store.now())
    return {"updated": True}


def _object(text: str) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise Refused("Metadata must be the JSON text of an object.")
    return value


def ehr_id(values: dict[str, Any]) -> str | None:
    """The EHR id among a subject's values: what the service shows as externalId."""
    texts = filters.values_of(values.get("ehr-id"))
    return texts[0] if texts and texts[0] else None


def create_session(context: Context, _: Any, arguments: dict[str, Any]) -> Any:
    service = context.service
    project = editable(service.project(arguments["projectId"]))
    parts = split(arguments["projectPath"])
    if len(parts) < 2:
        raise Refused(f"projectPath must be /<subject>/<session>/, not {arguments['projectPath']!r}.")
    if arguments.get("patientId"):
        subject = found(context, Subject, arguments["patientId"], "subject")
        if subject.project != project.id:
            raise Refused(f"The subject {subject.name!r} belongs to another project.")
    else:
        subject = next((s for s in project.subjects if s.name == parts[0]), None)
        if subject is None:
            raise Refused(f"No subject {parts[0]!r} in {project.name!r}, and no patientId was given.")
    session = service.store.make(
        Session,
        project=project.id,
        subject=subject.id,
        path=f"/{'/'.join(parts)}/",
        date=midnight(arguments.get("sessionDate")),
        updated=service.store.now(),
    )
    # clips that were created before their session
    waiting = [c for c in project.clips if c.session is None and tuple(split(c.path)[:2]) == session.names]
    with service.store.write():
        service.store.add(session)
        for clip in waiting:
            service.store.change(clip, session=session.id)
    return {"session": session}


def update_session(context: Context, _: Any, arguments: dict[str, Any]) -> Any:
    store = context.service.store
    session = found(context, Session, arguments["sessionId"], "session")
    project = editable(project_of(context, session))
    previous = arguments.get("previousUpdatedAt")
    if previous and _instant(previous) != _instant(session.updated):
        raise Refused(
            f"The session was changed at {session.updated}, after the version of {previous}: nothing was written."
        )
    name = arguments["sessionName"].strip("/")
    if not name.strip() or "/" in name:
        raise Refused(f"A session needs a name without slashes, not {arguments['sessionName']!r}.")
    values: dict[str, Any] = {"updated": store.now()}
    if arguments.get("sessionMetadata") is not None:
        _object(arguments["sessionMetadata"])
        values["metadata"] = arguments["sessionMetadata"]
    if arguments.get("sessionDate"):
        values["date"] = midnight(arguments["sessionDate"])
    moved: list[tuple[Any, str]] = []
    if name != session.names[1]:
        old, new = session.path.rstrip("/"), f"/{session.names[0]}/{name}"
        values["path"] = f"{new}/"
        below = [*session.clips, *(norm for norm in project.norms if (norm.path or "").startswith(f"{old}/"))]
        moved = [(row, _moved(row.path, new)) for row in below if row.path]
    with store.write():
        store.change(session, **values)
        for row, path in moved:
            store.change(row, path=path)
    return {"updated": True}


def _moved(path: str, onto: str) -> str:
    """A path whose first two parts are replaced; what follows stays as it was written."""
    rest = path.lstrip("/")
    for _ in range(2):
        rest = rest.partition("/")[2] if "/" in rest else ""
    ends = path.endswith("/") or bool(rest)
    return f"{onto}/{rest}" if ends else onto


def _instant(text: str) -> datetime | None:
    try:
        instant = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise Refused(f"previousUpdatedAt must be an ISO date-time, not {text!r}.") from None
    return instant if instant.tzinfo else instant.replace(tzinfo=timezone.utc)


def process_gait_tool(context: Context, _: Any, arguments: dict[str, Any]) -> Any:
    ids = arguments.get("clips")
    if not ids:
        raise Refused("processGaitTool needs at least one clip.")
    clips = [found(context, Clip, id, "clip") for id in ids]
    for clip in clips:
        editable(project_of(context, clip))
    job = context.service.jobs.start(clips, arguments.get("trialType"))
    return {"jobId": job.id}


def create_comment(context: Context, _: Any, arguments: dict[str, Any]) -> Any:
    store = context.service.store
    inputs = arguments["inputs"]
    clip = found(context, Clip, inputs.get("clipId"), "clip")
    text = inputs.get("comment")
    if not (text or "").strip():
        raise Refused("A comment needs a text.")
    store.add(
        store.make(Comment, clip=clip.id, author=context.service.user, comment=text, created=store.now())
    )
    return {"clip": clip}


MUTATIONS: dict[str, Field] = {
    "createClips": create_clips,
    "updateClip": update_clip,
    "deleteClip": lambda c, _, a: _delete(c, Clip, a.get("clipId"), "clip", "ok"),
    "createAdditionalData": create_additional_data,
    "deleteAdditionalData": lambda c, _, a: _delete(c, DataFile, a["id"], "additional data", "ok"),
    "createPatient": create_patient,
    "updatePatient": update_patient,
    "deletePatient": lambda c, _, a: _delete(c, Subject, a["patientId"], "subject", "deleted"),
    "createSession": create_session,
    "updateSession": update_session,
    "deleteSession": lambda c, _, a: _delete(c, Session, a["sessionId"], "session", "deleted"),
    "processGaitTool": process_gait_tool,
    "createAutomaticInteractiveReports": create_automatic_reports,
    "createInteractiveReport": create_report,
    "createComment": create_comment,
}
