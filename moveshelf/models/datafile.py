"""Files: what a trial's data is in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import NotFoundError
from ..lazy.cache import loaded_value
from ..lazy.entity import entity
from ..lazy.fields import BASIC, Resolved, Scalar, shared
from ..values import DataType, UploadStatus, word_of
from .base import Deletable, service_of
from .contents import FileContent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..lazy.entity import Entity
    from ..lazy.peers import Peers
    from ..operations.downloads import LocatedFile, Parts
    from ..operations.service import Service
    from .clip import Clip


def _clip_of(file: DataFile) -> str | None:
    raise NotFoundError(
        f"the service does not tell which clip file {file.id} belongs to; reach it through its clip"
    )


@entity("AdditionalData", owner="clip")
class DataFile(FileContent, Deletable):
    """A file of a trial. Its bytes are fetched through a signed URL, which is requested on use."""

    name: Scalar[str] = Scalar("originalFileName", group=BASIC, convert=shared, doc="The file's name.")
    data_type: Scalar[DataType | None] = Scalar(
        "dataType", group=BASIC, convert=word_of(DataType), doc="What kind of data it holds."
    )
    upload_status: Scalar[UploadStatus | None] = Scalar(
        "uploadStatus",
        group=BASIC,
        convert=word_of(UploadStatus),
        doc="How far the upload is; only complete files have bytes.",
    )
    clip: Resolved[Clip] = Resolved(
        "Clip", _clip_of, doc="The trial. Never a request: a file is reached through its clip."
    )

    def _content(self, what: str) -> tuple[Service, str, str]:
        return service_of(self._require(what)), self.id, self.name

    def _among_peers(self) -> tuple[Entity, Peers | None]:
        peers = self._peers
        if (
            peers is None or peers.parent is None
        ):  # of a part of a trial's files: the loop may be over the trials
            clip = loaded_value(self, "clip")
            owner = self._engine.cache.peek(clip) if self._engine and isinstance(clip, str) else None
            if owner is not None and owner._peers is not None:
                peers = owner._peers.child(type(owner).fields["files"], None)
        return self, peers

    async def _aload_name(self) -> None:
        await self.aload("name")

    def _located(self, above: Parts = (), values: Mapping[str, str | None] | None = None) -> LocatedFile:
        from ..operations.downloads import LocatedFile

        kind = None if self.data_type is None else str(self.data_type)
        way = (*above, (self.id, self.name or self.id))
        named = {**(values or {}), "file": self.name, "type": kind, "id": self.id}
        return LocatedFile(way, self, self.id, self.upload_status, kind, values=named)

    def _located_files(self, above: Parts = ()) -> Iterator[LocatedFile]:
        clip = loaded_value(self, "clip")
        owner = self._engine.cache.peek(clip) if self._engine and isinstance(clip, str) else None
        yield self._located(above, owner._layout_values() if owner is not None else None)  # type: ignore[attr-defined]

    def _parts_above(self, owner: Any) -> Parts:
        """The folders from the owner of a collection down; its own name is not among them."""
        return () if type(owner).__name__ == "Clip" else self.clip._parts_above(None)


class OriginalFile(FileContent):
    """The file that a clip itself is (the one `uploadFile` sends), beside the files attached to it."""

    __slots__ = ("clip",)

    def __init__(self, clip: Clip) -> None:
        self.clip = clip

    @property
    def name(self) -> str:
        """The file's name."""
        return self.clip.original_name or ""

    @property
    def id(self) -> str:
        """The clip's id, by which the file's URL is requested."""
        return self.clip.id

    @property
    def data_type(self) -> DataType:
        """What kind of data it is, by its name: the service tells none for it."""
        from ..transfer.layout import data_type

        return DataType(data_type(self.name))

    @property
    def upload_status(self) -> UploadStatus | None:
        """How far the upload is."""
        return self.clip.upload_status

    def _content(self, what: str) -> tuple[Service, str, str]:
        return service_of(self.clip._require(what)), self.clip.id, self.name

    def _among_peers(self) -> tuple[Entity, Peers | None]:
        return self.clip, self.clip._peers

    async def _aload_name(self) -> None:
        await self.clip.aload("original_name")

    def _located(self, above: Parts = (), values: Mapping[str, str | None] | None = None) -> LocatedFile:
        from ..operations.downloads import LocatedFile
        from ..transfer.layout import data_type

        kind = data_type(self.name)
        way = (*above, (f"{self.clip.id} original", self.name))
        named = {**(values or {}), "file": self.name, "type": kind, "id": self.clip.id}
        return LocatedFile(way, self, self.clip.id, self.upload_status, kind, False, named)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OriginalFile) and other.clip == self.clip

    def __hash__(self) -> int:
        return hash((OriginalFile, self.clip.id))

    def __repr__(self) -> str:
        name = self.clip.original_name if self.clip.is_loaded("original_name") else "(not loaded)"
        return f"<OriginalFile {name!r} of clip {self.clip.id!r}>"
