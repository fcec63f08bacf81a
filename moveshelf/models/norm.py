"""Norms: reference data to compare with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy.entity import entity
from ..lazy.fields import BASIC, Many, Scalar
from ..values import UploadStatus, word_of
from .base import Thing

if TYPE_CHECKING:
    from .clip import Clip


@entity("Norm")
class Norm(Thing):
    """A set of reference trials of a project or a session."""

    name: Scalar[str] = Scalar("name", group=BASIC, doc="The norm's name.")
    status: Scalar[str | None] = Scalar("status", group=BASIC, doc="The service's word on the norm's state.")
    upload_status: Scalar[UploadStatus | None] = Scalar(
        "uploadStatus",
        group=BASIC,
        convert=word_of(UploadStatus),
        doc="How far the service is with its data.",
    )
    path: Scalar[str | None] = Scalar("projectPath", group=BASIC, doc="The folder that it belongs to.")
    clips: Many[Clip] = Many("clips", "Clip", doc="The trials that it is made of.")
