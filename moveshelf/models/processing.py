"""What the service computes: gait processing, reports, and waiting for jobs."""

from __future__ import annotations

import sys
import time
import weakref
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ..display import label
from ..errors import JobFailedError, JobTimeoutError, ValidationError
from ..lazy.entity import ENTITIES
from ..values import JobStatus, ReportType
from . import mutations, writes

if TYPE_CHECKING:
    from ..lazy.collection import Collection
    from .clip import Clip
    from .condition import Condition
    from .job import Job
    from .norm import Norm
    from .report import Report
    from .session import Session

#: Seconds between two looks at a job: the first pause, how it grows, and the longest.
FIRST, GROWTH, LONGEST = 0.25, 1.5, 15.0

# which clips a job works on: their files are read anew when it has ended
_CLIPS: weakref.WeakKeyDictionary[Job, tuple[str, ...]] = weakref.WeakKeyDictionary()


def process(session: Session, trial_type: str | None, clips: Any) -> Job:
    """See Session.process_gait_tool."""
    engine = writes.attached(session, "process_gait_tool()")
    if trial_type is not None and (not isinstance(trial_type, str) or not trial_type.strip()):
        raise ValidationError(f"the trial type is text and not blank, or None; this is {trial_type!r}")
    chosen = chosen_clips(session, clips, "process")
    ids = [clip.id for clip in chosen]
    payload = writes.send(session, mutations.PROCESS_GAIT, {"clips": ids, "type": trial_type})
    identity = payload.get("jobId")
    if not identity:
        writes.done(payload, "jobId", "start the gait tool")
    job: Job = engine.get(ENTITIES["Job"], identity)  # type: ignore[assignment]
    _CLIPS[job] = tuple(ids)
    return job


def chosen_clips(session: Session, clips: Any, what: str) -> list[Clip]:
    """The clips given (one, several, a condition), or all of the session. Raises ValidationError for others and none."""
    from .clip import Clip
    from .condition import Condition

    if clips is None:
        chosen = list(session.clips._members())
    elif isinstance(clips, Clip):
        chosen = [clips]
    elif isinstance(clips, Condition):
        chosen = list(clips.clips)
    elif isinstance(clips, Iterable) and not isinstance(clips, (str, bytes)):
        chosen = list(clips)
    else:
        raise ValidationError(f"clips are clips of the session, a condition, or None for all; not {clips!r}")
    for one in chosen:
        if not isinstance(one, Clip):
            raise ValidationError(f"{one!r} is no clip")
    if not chosen:
        raise ValidationError(f"there is no clip to {what} in {label(session)}")
    return chosen


# jobs -------------------------------------------------------------------------------------------------------------
def ended(job: Job) -> None:
    """The job was looked at: once it has ended, its clips read their files anew."""
    engine = job._engine
    if engine is None or job not in _CLIPS or not finished(job):
        return
    for identity in _CLIPS.pop(job, ()):
        clip = engine.peek(identity)
        if clip is not None:
            writes.reload(engine, (clip, ("files", "has_charts", "upload_status")))


def finished(job: Job) -> bool:
    """Whether the job has ended, as far as it was looked at; a word that nobody knows is none of an end."""
    return job.status is not None and job.status.is_finished


def wait(job: Job, timeout: float | None, progress: bool | Callable[[Job], object] | None) -> Job:
    """See Job.wait."""
    if timeout is not None and (
        isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or timeout < 0
    ):
        raise ValidationError(f"timeout is a number of seconds, or None; this is {timeout!r}")
    if progress is not None and not isinstance(progress, bool) and not callable(progress):
        raise ValidationError(f"progress is True, False or a function of the job; this is {progress!r}")
    start = time.monotonic()
    pause = FIRST
    job.refresh()
    while True:
        _tell(job, progress, time.monotonic() - start)
        if finished(job):
            break
        left = None if timeout is None else timeout - (time.monotonic() - start)
        if left is not None and left <= 0:
            raise JobTimeoutError(
                f"job {job.id} is {job.status} after {timeout:g} s, and goes on: wait() again, or refresh() it later"
            )
        time.sleep(pause if left is None else min(pause, left))
        pause = min(pause * GROWTH, LONGEST)
        job.refresh()
    if job.status != JobStatus.COMPLETE:
        about = f" ({job.description})" if job.description else ""
        raise JobFailedError(
            f"job {job.id}{about} has failed: {job.result or 'the service gives no reason'}",
            result=job.result,
        )
    return job


def _tell(job: Job, progress: bool | Callable[[Job], object] | None, seconds: float) -> None:
    if callable(progress):
        progress(job)
    elif progress or (progress is None and sys.stderr is not None and sys.stderr.isatty()):
        end = "\n" if finished(job) else ""
        sys.stderr.write(f"\r{job.description or job.id}: {job.status} ({seconds:.0f} s){end}")
        sys.stderr.flush()


# reports ----------------------------------------------------------------------------------------------------------
def generate_reports(session: Session, norm: Norm | str | None) -> Collection[Report]:
    """See Session.generate_reports."""
    writes.attached(session, "generate_reports()")
    variables = {"session": session.id, "norm": norm_id(norm)}
    payload = writes.send(session, mutations.AUTOMATIC_REPORTS, variables, *_reports(session))
    writes.done(payload, "ok", f"make the reports of {label(session)}")
    return _made(session)


def generate_report(
    session: Session,
    kind: ReportType | str,
    title: str,
    clips: Iterable[Clip] | Clip | Condition | None,
    norm: Norm | str | None,
    template: str | None,
) -> Collection[Report]:
    """See Session.generate_report."""
    writes.attached(session, "generate_report()")
    if not isinstance(kind, str) or kind not in {one.value for one in ReportType}:
        raise ValidationError(
            f"a report is one of {', '.join(one.value for one in ReportType)}; {kind!r} is none"
        )
    if not isinstance(title, str) or not title.strip():
        raise ValidationError(f"a report needs a title, which is text and not blank; this is {title!r}")
    if template is not None and (not isinstance(template, str) or not template):
        raise ValidationError(f"template is the id of a report template, or None; this is {template!r}")
    variables = {
        "session": session.id,
        "kind": str(ReportType(kind).value),
        "title": title,
        "clips": [clip.id for clip in chosen_clips(session, clips, "report on")],
        "norm": norm_id(norm),
        "template": template,
    }
    payload = writes.send(session, mutations.REPORT, variables, *_reports(session))
    writes.done(payload, "ok", f"make the report {title!r} of {label(session)}")
    return _made(session)


def norm_id(norm: Any) -> str | None:
    """The id of a norm, or of its id. Raises ValidationError for anything else."""
    from .norm import Norm

    if norm is None:
        return None
    if isinstance(norm, Norm):
        return norm.id
    if isinstance(norm, str) and norm.strip():
        return norm
    raise ValidationError(f"norm is a Norm of the project (project.norms['name']) or its id, not {norm!r}")


def _reports(session: Session) -> list[tuple[Any, tuple[str, ...]]]:
    engine = writes.attached(session, "reports")
    above = writes.holders(engine, [session], "subject")
    return [(one, ("reports",)) for one in (session, *above)]


def _made(session: Session) -> Collection[Report]:
    engine = session._require("reports")
    writes.reload(engine, *_reports(session))
    return session.reports
