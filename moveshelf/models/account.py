"""What a key gives access to."""

from __future__ import annotations

from ..lazy.entity import entity
from ..lazy.fields import Many
from .base import Thing
from .project import Project


@entity("Viewer", root=True)
class Account(Thing):
    """The holder of the key: the root that projects hang from."""

    projects: Many[Project] = Many(
        "projects", "Project", doc="The projects that the key may see. One request."
    )

    def _peek_name(self) -> str | None:
        return "this account"
