"""What a key gives access to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..lazy.entity import entity
from ..lazy.fields import Many
from ..lazy.registry import ENTITIES
from ..operations import commands
from ..operations.shapes import Shape
from .base import Model, service_of
from .project import Project


@entity("Viewer", root=True)
class Account(Model):
    """The holder of the key: the root that projects hang from."""

    projects: Many[Project] = Many(
        "projects", "Project", doc="The projects that the key may see. One request."
    )

    def _peek_name(self) -> str | None:
        return "this account"

    def _find(self, identity: str) -> Model | None:
        """Whatever object that id belongs to; None for an unknown id. One request, unless the object is known."""
        engine = self._require("find()")
        known = engine.cache.peek(identity)
        if isinstance(known, Model) and any(field.loaded(known) for field in type(known).fields.values()):
            return known
        kind = service_of(engine).kind_of(identity)
        if kind is None:
            return None
        with engine.cache.lock:
            if known is not None and not isinstance(known, kind):
                engine.cache.objects.drop(identity)  # the id was taken for another kind's
            found = engine.cache.get(kind, identity)
            return found if isinstance(found, Model) else None

    def _subject_by_ehr_id(self, ehr_id: str, project: str, shape: Shape) -> dict[str, Any] | None:
        """The subject with an EHR id in a project (its id or its name), in a shape; None without one. One request."""
        service = service_of(self._require("reading"))
        return service.subject_by_ehr_id(project, ehr_id, shape.selection(ENTITIES["Subject"]))

    def _process_gait(self, clips: Any, trial_type: Any) -> Mapping[str, Any]:
        """Start the gait tool on clips by their ids, of whichever session; the payload. One request."""
        return self._send(commands.PROCESS_GAIT, {"clips": clips, "trialType": trial_type})
