"""Jobs: what the service computes in the background."""

from __future__ import annotations

import sys
import weakref
from typing import TYPE_CHECKING

from ..errors import JobFailedError, JobTimeoutError, ValidationError
from ..lazy.entity import entity
from ..lazy.fields import BASIC, Scalar
from ..operations.processing import looks
from ..values import JobStatus, seconds_value, word_of
from .base import Model

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

#: The ids of the clips that a job works on: their files are read anew when it has ended.
CLIPS_OF_JOBS: weakref.WeakKeyDictionary[Job, tuple[str, ...]] = weakref.WeakKeyDictionary()


@entity("Job", derived={"name": "id"})
class Job(Model):
    """A computation on the service. `refresh()` fetches how far it is."""

    status: Scalar[JobStatus] = Scalar(
        "status", group=BASIC, convert=word_of(JobStatus), doc="How far it was at the last look."
    )
    result: Scalar[str | None] = Scalar(
        "result", group=BASIC, doc="What came out, or why it failed, in the service's words."
    )
    description: Scalar[str | None] = Scalar("description", group=BASIC, doc="What is computed.")

    @property
    def is_finished(self) -> bool:
        """Whether the job had ended at the last look. Unknown statuses count as unfinished."""
        return self.status is not None and self.status.is_finished

    def refresh(self) -> Self:
        """Fetch how far it is; returns the job. One request."""
        super().refresh()
        engine = self._engine
        if engine is not None and self.is_finished:
            clips = [engine.cache.peek(identity) for identity in CLIPS_OF_JOBS.pop(self, ())]
            engine.cache.reload(*((one, ("files", "has_charts", "upload_status")) for one in clips))
        return self

    def wait(
        self, timeout: float | None = None, progress: bool | Callable[[Job], object] | None = None
    ) -> Self:
        """Look again and again until the job has ended, and return it. The pauses grow from a quarter of a second to 15.

        `timeout`: seconds, None for no limit. `progress`: a function that is called with the job at each look, or True for
        a line on the terminal (None: only where a terminal is). One request a look.

        Raises JobFailedError with the service's words where the job has failed, JobTimeoutError (a TimeoutError) where
        it had not ended in time.
        """
        if timeout is not None:
            timeout = seconds_value(timeout, "timeout", zero=True)
        if progress is not None and not isinstance(progress, bool) and not callable(progress):
            raise ValidationError(f"progress is True, False or a function of the job; this is {progress!r}")
        for seconds in looks(timeout):
            self.refresh()
            self._show(progress, seconds)
            if self.is_finished:
                break
        else:
            raise JobTimeoutError(
                f"job {self.id} is {self.status} after {timeout:g} s, and goes on: wait() again, or refresh() it later"
            )
        if self.status != JobStatus.COMPLETE:
            about = f" ({self.description})" if self.description else ""
            raise JobFailedError(
                f"job {self.id}{about} has failed: {self.result or 'the service gives no reason'}",
                result=self.result,
            )
        return self

    def _show(self, progress: bool | Callable[[Job], object] | None, seconds: float) -> None:
        if callable(progress):
            progress(self)
        elif progress or (progress is None and sys.stderr is not None and sys.stderr.isatty()):
            end = "\n" if self.is_finished else ""
            sys.stderr.write(f"\r{self.description or self.id}: {self.status} ({seconds:.0f} s){end}")
            sys.stderr.flush()

    @property
    def name(self) -> str:
        """A job has no name but its id."""
        return self.id

    def _peek_name(self) -> str | None:
        return self.id
