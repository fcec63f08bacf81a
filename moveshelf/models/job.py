"""Jobs: what the service computes in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy.entity import entity
from ..lazy.fields import BASIC, Scalar
from ..values import JobStatus, word_of
from .base import Thing

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self


@entity("Job", derived={"name": "id"})
class Job(Thing):
    """A computation on the service. `refresh()` asks how far it is."""

    status: Scalar[JobStatus] = Scalar(
        "status", group=BASIC, convert=word_of(JobStatus), doc="How far it is, as last asked."
    )
    result: Scalar[str | None] = Scalar(
        "result", group=BASIC, doc="What came out, or why it failed, in the service's words."
    )
    description: Scalar[str | None] = Scalar("description", group=BASIC, doc="What is computed.")

    def refresh(self) -> Self:
        """Ask how far it is; returns the job. One request."""
        from .processing import ended

        super().refresh()
        ended(self)
        return self

    def wait(
        self, timeout: float | None = None, progress: bool | Callable[[Job], object] | None = None
    ) -> Self:
        """Look again and again until the job has ended, and return it. The pauses grow from a quarter of a second to 15.

        `timeout`: seconds, None for ever. `progress`: a function that is called with the job at each look, or True for
        a line on the terminal (by itself where somebody looks). One request a look.

        Raises JobFailedError with the service's words where the job has failed, JobTimeoutError (a TimeoutError) where
        it had not ended in time.
        """
        from .processing import wait

        wait(self, timeout, progress)
        return self

    @property
    def name(self) -> str:
        """A job has no name but its id."""
        return self.id

    def _peek_name(self) -> str | None:
        return self.id
