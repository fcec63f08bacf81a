"""Reports."""

from __future__ import annotations

from ..lazy.entity import entity
from ..lazy.fields import BASIC, Scalar
from .base import Model


@entity("Report", derived={"name": "title"})
class Report(Model):
    """A report that the service made of a session or a subject."""

    title: Scalar[str] = Scalar("title", group=BASIC, doc="The report's title.")

    @property
    def name(self) -> str:
        """The title, under the name that every object has."""
        return self.title
