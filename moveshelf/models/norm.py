"""Norms: reference data to compare with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy.entity import entity
from ..lazy.fields import BASIC, Many, Scalar
from ..values import UploadStatus, word_of
from .base import Model

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

    from .clip import Clip


@entity("Norm")
class Norm(Model):
    """A set of reference trials of a project or a session."""

    name: Scalar[str] = Scalar("name", group=BASIC, doc="The norm's name.")
    status: Scalar[str | None] = Scalar(
        "status", group=BASIC, doc="The state of the norm, in the service's words."
    )
    upload_status: Scalar[UploadStatus | None] = Scalar(
        "uploadStatus",
        group=BASIC,
        convert=word_of(UploadStatus),
        doc="How far its data is processed.",
    )
    path: Scalar[str | None] = Scalar("projectPath", group=BASIC, doc="The folder that it belongs to.")
    clips: Many[Clip] = Many("clips", "Clip", doc="The trials that it is made of.")

    def cycles(
        self, file: str = "angles", channels: Sequence[str] | str | None = None, points: int | None = 101
    ) -> xr.DataArray:
        """The norm's own curves: every stride of its trials, as `cycles` of any object returns them.

        A reference for the scores (`moveshelf.gait.gps(curves, norm.cycles())`) and for figures. Requests, warnings and
        errors as of a session's `cycles`.
        """
        return self.clips.cycles(file, channels, points)
