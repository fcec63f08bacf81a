"""What transfers need the service to do, so that this room knows bytes, and the rooms above know the wire."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import attrs


@attrs.frozen
class FileSpec:
    """A file to be created on the service. `owner` is the id of its clip, or what else the service knows it by."""

    owner: str
    name: str
    data_type: str
    crc32c: str
    size: int
    extra: Any = None


@attrs.frozen
class CreatedFile:
    """A file that the service has created: its id, and the signed URL that takes its bytes."""

    id: str
    upload_url: str


class FileService(Protocol):
    """What the service does, for many at once. Coroutines, on the I/O thread."""

    async def create(self, specs: list[FileSpec]) -> Sequence[CreatedFile | BaseException]:
        """Create the files, in order; an exception for each that was refused."""
        ...

    async def statuses(self, ids: list[str]) -> Sequence[str | BaseException | None]:
        """Their upload statuses; None for what the service does not have."""
        ...

    async def delete(self, ids: list[str]) -> Sequence[BaseException | None]:
        """Delete them."""
        ...

    async def download_urls(self, ids: list[str]) -> Sequence[str | BaseException]:
        """Signed URLs of their bytes."""
        ...

    async def named(self, owner: str, name: str) -> dict[str, str | None] | None:
        """The files of that name as they are now, `{id: status}`; None where that cannot be known."""
        ...
