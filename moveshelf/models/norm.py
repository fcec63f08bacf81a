"""Norms: reference data to compare with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy.entity import entity
from ..lazy.fields import BASIC, Many, Scalar
from .base import Thing
from .values import UploadStatus

if TYPE_CHECKING:
    pass


@entity("Norm")
class Norm(Thing):
    """A set of reference trials of a project or a session."""

    name = Scalar[str]("name", group=BASIC, doc="The norm's name.")
    status = Scalar["str | None"]("status", group=BASIC, doc="The service's word on the norm's state.")
    upload_status = Scalar["UploadStatus | None"](
        "uploadStatus", group=BASIC, convert=UploadStatus, doc="How far the service is with its data."
    )
    path = Scalar["str | None"]("projectPath", group=BASIC, doc="The folder that it belongs to.")
    clips = Many["Clip"]("clips", "Clip", doc="The trials that it is made of.")
