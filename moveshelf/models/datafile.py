"""Files: what a trial's data is in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import NotFoundError
from ..lazy.entity import entity
from ..lazy.fields import BASIC, Found, Scalar
from ..values import DataType, UploadStatus, word_of
from .base import Thing
from .moving import Bytes

if TYPE_CHECKING:
    from .clip import Clip


def _clip_of(file: DataFile) -> str | None:
    raise NotFoundError(
        f"the service does not tell which clip file {file.id} belongs to; reach it through its clip"
    )


@entity("AdditionalData")
class DataFile(Bytes, Thing):
    """A file of a trial. Its bytes are fetched through a signed address, which is asked for on use."""

    name: Scalar[str] = Scalar("originalFileName", group=BASIC, doc="The file's name.")
    data_type: Scalar[DataType | None] = Scalar(
        "dataType", group=BASIC, convert=word_of(DataType), doc="What kind of data it holds."
    )
    upload_status: Scalar[UploadStatus | None] = Scalar(
        "uploadStatus",
        group=BASIC,
        convert=word_of(UploadStatus),
        doc="How far the service is with it; only complete ones have bytes.",
    )
    clip: Found[Clip] = Found(
        "Clip", _clip_of, doc="The trial. Never a request: a file is reached through its clip."
    )

    def delete(self, dry_run: bool = False) -> list[Any]:
        """Delete the file. One request.

        Returns what went, which is this file; it refuses use from now on, and its clip's collection drops it. With
        `dry_run` nothing is deleted. Raises NotFoundError where it is gone already, OutcomeUnknownError where no answer
        came.
        """
        from .deletes import delete

        return delete(self, dry_run)


class OriginalFile(Bytes):
    """The file that a clip itself is (the one `uploadFile` sends), beside the files attached to it."""

    __slots__ = ("clip",)

    def __init__(self, clip: Clip) -> None:
        self.clip = clip

    @property
    def name(self) -> str:
        """The file's name."""
        return self.clip.original_name or ""

    @property
    def upload_status(self) -> UploadStatus | None:
        """How far the service is with it."""
        return self.clip.upload_status

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OriginalFile) and other.clip is self.clip

    def __hash__(self) -> int:
        return hash((OriginalFile, self.clip.id))

    def __repr__(self) -> str:
        name = self.clip.original_name if self.clip.is_loaded("original_name") else "(not loaded)"
        return f"<OriginalFile {name!r} of clip {self.clip.id!r}>"
