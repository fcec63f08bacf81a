"""Jobs: what the service computes in the background."""

from __future__ import annotations

from ..lazy.entity import entity
from ..lazy.fields import BASIC, Scalar
from .base import Thing
from .values import JobStatus


@entity("Job", derived={"name": "id"})
class Job(Thing):
    """A computation on the service. `refresh()` asks how far it is."""

    status: Scalar[JobStatus] = Scalar(
        "status", group=BASIC, convert=JobStatus, doc="How far it is, as last asked."
    )
    result: Scalar[str | None] = Scalar(
        "result", group=BASIC, doc="What came out, or why it failed, in the service's words."
    )
    description: Scalar[str | None] = Scalar("description", group=BASIC, doc="What is computed.")

    @property
    def name(self) -> str:
        """A job has no name but its id."""
        return self.id

    def _peek_name(self) -> str | None:
        return self.id
