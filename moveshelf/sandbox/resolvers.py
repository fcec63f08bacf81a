"""The resolver of each field of each type. Leaves read one row; fields have the execution and their arguments too."""

from __future__ import annotations

import json
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from . import filters
from .execute import Context, Field, Leaf, Refused
from .rows import COMPLETE
from .validator import complaints

if TYPE_CHECKING:
    from .service import Service

_DERIVED = ("angles", "moments", "powers", "forces", "gait_params", "event", "lengths_velocities")


def _bool(name: str) -> Leaf:
    return lambda row: bool(getattr(row, name))


def has_charts(clip: Any) -> bool:
    return any(
        file.upload_status == COMPLETE
        and (file.file_name or "").endswith(".json")
        and any(word in file.file_name for word in _DERIVED)
        for file in clip.files
    )


def has_video(clip: Any) -> bool:
    return any(file.data_type == "video" and file.upload_status == COMPLETE for file in clip.files)


def _template(project: Any) -> Any:
    if project.template_data is None:
        return None
    return {"name": project.template_name, "data": project.template_data}


LEAVES: dict[str, dict[str, Leaf]] = {
    "Project": {
        "id": attrgetter("id"),
        "name": attrgetter("name"),
        "description": attrgetter("description"),
        "canEdit": _bool("can_edit"),
        "unlistedAccess": _bool("unlisted_access"),
        "configuration": lambda row: json.loads(row.configuration) if row.configuration else None,
        "template": _template,
        "projectConfiguration": lambda row: row.configurations[0] if row.configurations else None,
        "datasets": attrgetter("datasets"),
        "norms": attrgetter("norms"),
        "patientsList": attrgetter("subjects"),
    },
    "ProjectConfiguration": {name: attrgetter(name) for name in ("id", "name", "data")},
    "Dataset": {"name": attrgetter("name")},
    "Patient": {
        "id": attrgetter("id"),
        "name": attrgetter("name"),
        "metadata": attrgetter("metadata"),
        "updated": attrgetter("updated"),
        "externalId": attrgetter("external_id"),
        "sessions": attrgetter("sessions"),
        "reports": attrgetter("reports"),
    },
    "Session": {
        "id": attrgetter("id"),
        "projectPath": attrgetter("path"),
        "date": attrgetter("date"),
        "metadata": attrgetter("metadata"),
        "updated": attrgetter("updated"),
        "clips": attrgetter("clips"),
        "reports": attrgetter("reports"),
    },
    "MocapClip": {
        "id": attrgetter("id"),
        "title": attrgetter("title"),
        "description": attrgetter("description"),
        "created": attrgetter("created"),
        "projectPath": attrgetter("path"),
        "hasCharts": has_charts,
        "hasVideo": has_video,
        "customOptions": attrgetter("custom_options"),
        "originalFileName": attrgetter("file_name"),
    },
    "AdditionalData": {
        "id": attrgetter("id"),
        "dataType": attrgetter("data_type"),
        "originalFileName": attrgetter("file_name"),
    },
    "Norm": {
        "id": attrgetter("id"),
        "name": attrgetter("name"),
        "status": attrgetter("status"),
        "uploadStatus": attrgetter("upload_status"),
        "projectPath": attrgetter("path"),
        "clips": attrgetter("clips"),
    },
    "Report": {"id": attrgetter("id"), "title": attrgetter("title")},
    "Job": {name: attrgetter(name) for name in ("id", "result", "description")},
    "Comment": {"author": lambda row: {"displayName": row.author}, "comment": attrgetter("comment")},
}


def _edges(nodes: list[Any]) -> dict[str, Any]:
    return {"edges": [{"node": node} for node in nodes]}


def _viewer(context: Context, _: Any, arguments: dict[str, Any]) -> Any:
    return {"projects": context.service.store.projects}


def _node(context: Context, _: Any, arguments: dict[str, Any]) -> Any:
    return context.service.node(arguments["id"])


def _patient(context: Context, _: Any, arguments: dict[str, Any]) -> Any:
    project = context.service.project(arguments["projectId"])
    return next((s for s in project.subjects if s.external_id == arguments["ehrId"]), None)


def _mocap_clips(context: Context, _: Any, arguments: dict[str, Any]) -> Any:
    search = (arguments.get("search") or "").lower()
    rule = arguments.get("filter") or {}
    kind, download = rule.get("fileType"), rule.get("allowDownload")
    found = [
        clip
        for project in context.service.store.projects
        for clip in project.clips
        if (not search or search in f"{clip.title}\n{clip.description or ''}\n{clip.path or ''}".lower())
        and (kind is None or _holds(clip, f".{kind.lower()}"))
        and (download is None or bool(clip.allow_download) == download)
    ]
    return _edges(found)


def _holds(clip: Any, ending: str) -> bool:
    names = [clip.file_name, *(file.file_name for file in clip.files)]
    return any((name or "").lower().endswith(ending) for name in names)


def _validator(context: Context, _: Any, arguments: dict[str, Any]) -> Any:
    store = context.service.store
    ids = [id for id in (arguments.get("sessionId"), arguments.get("subjectId")) if id]
    if not ids:
        raise Refused("metadataValidator needs a sessionId or a subjectId.")
    rows = [store.node(id) for id in ids]
    if any(row is None or row.TYPE not in ("Session", "Patient") for row in rows):
        raise Refused(f"No session or subject with the id {ids[0]!r}.")
    project = store.rows[rows[0].project]
    tab, imported = arguments["whichTabToValidate"], arguments["importedMetadata"]
    return {"validationErrors": complaints(project.template_data, tab, imported)}


def _first(context: Context, project: Any, arguments: dict[str, Any]) -> Any:
    count = arguments.get("first")
    if count == -1:  # a public script counts on it
        count = None
    if count is not None and count < 0:
        raise Refused("`first` must not be negative, but for -1: all of them.")
    return _edges(project.clips[:count])


def _patients(context: Context, project: Any, arguments: dict[str, Any]) -> Any:
    metadata, sessions = arguments.get("metadataFilters"), arguments.get("sessionFilters")
    if metadata is None and sessions is None:
        return project.subjects
    return [
        subject
        for subject in project.subjects
        if filters.group(filters.subject_values(subject.metadata), metadata)
        and filters.by_sessions(subject.sessions, sessions)
    ]


def _sessions(context: Context, project: Any, arguments: dict[str, Any]) -> Any:
    start, end = arguments.get("startDate"), arguments.get("endDate")
    if start is None and end is None:
        return project.sessions
    return [session for session in project.sessions if filters.within(session.date, start, end)]


def _recent_sessions(context: Context, project: Any, arguments: dict[str, Any]) -> Any:
    start, end, limit = arguments.get("startDate"), arguments.get("endDate"), arguments.get("limit")
    if limit is not None and limit < 0:
        raise Refused("`limit` must not be negative.")
    of_session, of_subject = arguments.get("metadataFilters"), arguments.get("patientMetadataFilters")
    filters.check(of_session)
    filters.check(of_subject)
    rows = context.service.store.rows
    found = []
    for session in project.sessions:
        if not filters.within(session.date, start, end):
            continue
        if of_session and not filters.matches_all(filters.session_values(session.metadata), of_session):
            continue
        if of_subject:
            subject = rows.get(session.subject)
            if not subject or not filters.matches_all(filters.subject_values(subject.metadata), of_subject):
                continue
        found.append(session)
    found.sort(key=lambda session: (session.date or "", session.seq), reverse=True)
    return found[:limit]


def _session_norms(context: Context, session: Any, arguments: dict[str, Any]) -> Any:
    norms = context.service.store.rows[session.project].norms
    return norms and [norm for norm in norms if norm.path and (norm.path + "/").startswith(session.path)]


def _comments(context: Context, clip: Any, arguments: dict[str, Any]) -> Any:
    order, last = arguments.get("order") or "ASCENDING", arguments.get("last")
    if last is not None and last < 0:
        raise Refused("`last` must not be negative.")
    found = clip.comments if last is None else clip.comments[max(0, len(clip.comments) - last) :]
    return _edges(found[::-1] if order == "DESCENDING" else found)


def _additional_data(context: Context, clip: Any, arguments: dict[str, Any]) -> Any:
    wanted = arguments.get("dataTypeFilter")
    return [file for file in clip.files if file.data_type in wanted] if wanted else clip.files


def _link(column: str) -> Field:
    def field(context: Context, row: Any, arguments: dict[str, Any]) -> Any:
        return context.service.store.rows.get(getattr(row, column))

    return field


def _upload_status(context: Context, row: Any, arguments: dict[str, Any]) -> Any:
    service: Service = context.service
    return service.settle(row) if row.settles_to is not None else row.upload_status


def _download(context: Context, row: Any, arguments: dict[str, Any]) -> Any:
    if row.upload_status != COMPLETE or row.stored is None:
        return None
    return context.service.blobs.url(row, "read")


def _preview_image(context: Context, clip: Any, arguments: dict[str, Any]) -> Any:
    if clip.preview_image_uri:
        return clip.preview_image_uri
    image = next((f for f in clip.files if f.data_type == "img" and f.upload_status == COMPLETE), None)
    return _download(context, image, {}) if image is not None else None


def _job_status(context: Context, job: Any, arguments: dict[str, Any]) -> Any:
    return context.service.jobs.read_status(job)


FIELDS: dict[str, dict[str, Field]] = {
    "Query": {
        "viewer": _viewer,
        "node": _node,
        "patient": _patient,
        "mocapClips": _mocap_clips,
        "metadataValidator": _validator,
    },
    "Project": {
        "clips": _first,
        "patients": _patients,
        "sessions": _sessions,
        "recentSessions": _recent_sessions,
    },
    "Dataset": {"downloadUri": _download},
    "Patient": {"project": _link("project")},
    "Session": {"project": _link("project"), "patient": _link("subject"), "norms": _session_norms},
    "MocapClip": {
        "project": _link("project"),
        "uploadStatus": _upload_status,
        "comments": _comments,
        "additionalData": _additional_data,
        "originalDataDownloadUri": _download,
        "previewDataUri": _download,
        "previewImageUri": _preview_image,
    },
    "AdditionalData": {
        "uploadStatus": _upload_status,
        "originalDataDownloadUri": _download,
        "previewDataUri": _download,
    },
    "Job": {"status": _job_status},
}
