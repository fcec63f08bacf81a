"""The mutations that make interactive reports."""

from __future__ import annotations

import json
from typing import Any

from .execute import Context, Refused
from .lookup import editable, found, project_of
from .rows import Clip, Report, Session, split

REPORT_TYPES = {
    "currentSessionConditionSummaries",
    "currentVsPreviousSessionComparison",
    "currentSessionComparison",
}


def _norm(context: Context, project: Any, id: str | None) -> None:
    if id and not any(norm.id == id for norm in project.norms):
        raise Refused(f"No norm with the id {id!r} in {project.name!r}.")


def _report(context: Context, session: Any, title: str, kind: str, clips: list[str], **values: Any) -> None:
    store = context.service.store
    store.add(
        store.make(
            Report,
            title=title,
            subject=session.subject,
            session=session.id,
            kind=kind,
            trials=json.dumps(clips),
            created=store.now(),
            **values,
        )
    )


def create_automatic_reports(context: Context, _: Any, arguments: dict[str, Any]) -> Any:
    store = context.service.store
    session = found(context, Session, arguments["sessionId"], "session")
    project = editable(project_of(context, session))
    _norm(context, project, arguments.get("normId"))
    clips = [clip.id for clip in session.clips]
    if not clips:
        raise Refused("The session has no trials to report on.")
    subject = store.rows[session.subject]
    name = session.names[1]
    norm = arguments.get("normId")
    with store.write():
        kind = "currentSessionConditionSummaries"
        _report(context, session, f"Condition summaries {name}", kind, clips, norm=norm)
        if subject.sessions.index(session) > 0:
            kind = "currentVsPreviousSessionComparison"
            _report(context, session, f"Current and previous session {name}", kind, clips, norm=norm)
        if len({"/".join(split(clip.path)[2:]) for clip in session.clips}) > 1:
            kind = "currentSessionComparison"
            _report(context, session, f"Comparison of conditions {name}", kind, clips, norm=norm)
    return {"ok": True}


def create_report(context: Context, _: Any, arguments: dict[str, Any]) -> Any:
    session = found(context, Session, arguments["sessionId"], "session")
    project = editable(project_of(context, session))
    kind, title = arguments["reportType"], arguments["title"]
    if kind not in REPORT_TYPES:
        raise Refused(f"reportType must be one of {', '.join(sorted(REPORT_TYPES))}; it was {kind!r}.")
    if not title.strip():
        raise Refused("A report needs a title.")
    clips = [found(context, Clip, id, "clip") for id in arguments["trialsIds"]]
    for clip in clips:
        if clip.project != project.id:
            raise Refused(f"The clip {clip.id!r} belongs to another project.")
    _norm(context, project, arguments.get("normId"))
    _report(
        context,
        session,
        title,
        kind,
        [clip.id for clip in clips],
        norm=arguments.get("normId"),
        template=arguments.get("templateId"),
    )
    return {"ok": True}
