"""Jobs: each read of its status moves one on, so that a client that waits sees every status, in the same order."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .rows import COMPLETE, FAILED, PENDING, PROCESSING, DataFile, Job, data_type_of, split

if TYPE_CHECKING:
    from .service import Service

DERIVED = ("angles.json", "angles_normalized.json", "event.json", "gait_params.json")
_MOTION = (".c3d", ".trc", ".bvh", ".fbx", ".mox", ".glb", ".xlsx")


class Jobs:
    """The gait tool. The first read of a job's status is Pending, the second Processing, the third how it ended."""

    def __init__(self, service: Service) -> None:
        self.service = service

    def start(self, clips: list[Any], trial_type: str | None) -> Any:
        store = self.service.store
        fault = self.service.jobs_fault()
        job = store.make(
            Job,
            status=PENDING,
            description=f"Gait tool on {len(clips)} trials" + (f" ({trial_type})" if trial_type else ""),
            project=clips[0].project,
            trials=json.dumps([clip.id for clip in clips]),
            trial_type=trial_type,
            fault=fault,
        )
        store.add(job)
        return job

    def read_status(self, job: Any) -> str:
        """The status of this read."""
        store = self.service.store
        if job.status in (PENDING, PROCESSING):
            store.change(job, looks=job.looks + 1)
            if job.looks == 2:
                store.change(job, status=PROCESSING)
            elif job.looks > 2:
                self._finish(job)
        return str(job.status)

    def _finish(self, job: Any) -> None:
        store = self.service.store
        clips = [store.rows.get(id) for id in json.loads(job.trials)]
        problem = job.fault
        if problem is None:
            without = [clip for clip in clips if clip is not None and not _has_motion(clip)]
            if None in clips:
                problem = "A trial was deleted before it was processed."
            elif without:
                problem = f"The trial {without[0].title!r} has no motion file to process."
        if problem is not None:
            store.change(job, status=FAILED, result=problem)
            return
        made = {clip.id: self._derive(clip, job.trial_type) for clip in clips if clip is not None}
        store.change(job, status=COMPLETE, result=json.dumps({"processed": made}))

    def _derive(self, clip: Any, trial_type: str | None) -> list[str]:
        """Put the derived files into a clip; those of an earlier run give way."""
        store = self.service.store
        recipe = recipe_of(clip)
        for file in [f for f in clip.files if f.file_name in DERIVED and f.crc32c is None]:
            self.service.delete(file)
        files = [derived(store, clip, name, recipe) for name in DERIVED]
        store.add(*files)
        return [file.id for file in files]


def derived(store: Any, clip: Any, name: str, recipe: dict[str, Any]) -> Any:
    """A file whose bytes are made from a recipe when they are first read."""
    return store.make(
        DataFile,
        clip=clip.id,
        data_type=data_type_of(name),
        file_name=name,
        upload_status=COMPLETE,
        stored="lazy:" + json.dumps(recipe),
    )


def recipe_of(clip: Any) -> dict[str, Any]:
    """What the derived files of a clip are made from: the names on its path."""
    subject, session, condition, *_ = [*split(clip.path), "", "", ""]
    speed = "VeryFast" if "run" in condition.lower() else "Free"
    return {
        "speed": speed,
        "subject": subject,
        "session": session,
        "condition": condition,
        "trial": clip.title,
    }


def _has_motion(clip: Any) -> bool:
    if clip.upload_status == COMPLETE and (clip.file_name or "").lower().endswith(_MOTION):
        return True
    return any(file.data_type in ("motion", "raw") and file.upload_status == COMPLETE for file in clip.files)
