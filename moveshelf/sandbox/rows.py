"""What the sandbox keeps: one small class per table, whose rows also know their relatives in memory.

Queries are answered from these objects, never from SQL: a thousand of them have to cost milliseconds. SQLite holds
the same columns, written before an answer leaves (store.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

PENDING, PROCESSING, COMPLETE, FAILED = "Pending", "Processing", "Complete", "Failed"
DATA_TYPES = {
    "video": ("mp4", "mov", "mpg", "avi"),
    "motion": ("bvh", "fbx", "trc", "glb", "mox", "c3d", "xlsx"),
    "doc": ("pdf",),
    "data": ("csv", "json", "txt"),
    "img": ("png", "jpg"),
    "camera": ("xcp",),
}


class Row:
    """A stored object. `COLUMNS` are kept in SQLite under the same names; `LINKS` are lists, in memory only."""

    __slots__ = ("id", "seq")

    TYPE: ClassVar[str] = ""
    IS_NODE: ClassVar[bool] = True
    COLUMNS: ClassVar[tuple[str, ...]] = ()
    LINKS: ClassVar[tuple[str, ...]] = ()
    DEFAULTS: ClassVar[dict[str, Any]] = {}

    id: str
    seq: int

    def __init__(self, id: str, seq: int, **values: Any) -> None:
        self.id = id
        self.seq = seq
        for name in self.COLUMNS:
            setattr(self, name, self.DEFAULTS.get(name))
        for name in self.LINKS:
            setattr(self, name, [])
        for name, value in values.items():
            setattr(self, name, value)

    if TYPE_CHECKING:  # columns and links are declared once, as data

        def __getattr__(self, name: str) -> Any: ...

    def record(self) -> tuple[Any, ...]:
        return (self.id, self.seq, *(getattr(self, name) for name in self.COLUMNS))


class Project(Row):
    COLUMNS = (
        "name",
        "description",
        "can_edit",
        "unlisted_access",
        "configuration",
        "template_name",
        "template_data",
    )
    LINKS = ("subjects", "sessions", "clips", "norms", "datasets", "configurations")
    __slots__ = COLUMNS + LINKS
    TYPE = "Project"
    DEFAULTS: ClassVar[dict[str, Any]] = {"can_edit": 1, "unlisted_access": 0}


class Configuration(Row):
    COLUMNS = ("project", "name", "data")
    TYPE = "ProjectConfiguration"


class Subject(Row):
    COLUMNS = ("project", "name", "metadata", "external_id", "updated")
    LINKS = ("sessions", "reports")
    __slots__ = COLUMNS + LINKS
    TYPE = "Patient"


class Session(Row):
    COLUMNS = ("project", "subject", "path", "date", "metadata", "updated")
    LINKS = ("clips", "reports")
    __slots__ = COLUMNS + LINKS
    TYPE = "Session"

    path: str

    @property
    def names(self) -> tuple[str, str]:
        """The subject's and the session's name, as the path tells them."""
        parts = split(self.path)
        return (parts[0] if parts else ""), (parts[1] if len(parts) > 1 else "")


# what every row with bytes behind it has: the checksum that was announced, where the bytes are (None, "disk", or
# "lazy:<recipe>" for those that are made on first use), and how often its status is looked up until it settles
BYTES = (
    "upload_status",
    "file_name",
    "crc32c",
    "stored",
    "size",
    "actual_crc32c",
    "md5",
    "generation",
    "settle",
    "settles_to",
)


class Stored(Row):
    """A row with bytes behind it."""

    __slots__ = BYTES
    upload_status: str
    file_name: str | None
    crc32c: str | None
    stored: str | None
    size: int | None
    actual_crc32c: str | None
    md5: str | None
    generation: int
    settle: int
    settles_to: str | None


_BYTES_DEFAULTS = {"upload_status": PENDING, "generation": 0, "settle": 0}


class Clip(Stored):
    _OWN = (
        "project",
        "session",
        "norm",
        "title",
        "description",
        "created",
        "path",
        "custom_options",
        "preview_image_uri",
        "allow_download",
        "allow_unlisted_access",
        "timecode",
        "framerate",
    )
    __slots__ = (*_OWN, "comments", "files")
    COLUMNS = (*_OWN, *BYTES)
    LINKS = ("files", "comments")
    TYPE = "MocapClip"
    DEFAULTS: ClassVar[dict[str, Any]] = {
        **_BYTES_DEFAULTS,
        "title": "Untitled",
        "allow_download": 0,
        "allow_unlisted_access": 0,
    }


class DataFile(Stored):
    __slots__ = ("clip", "data_type")
    COLUMNS = (*__slots__, *BYTES)
    TYPE = "AdditionalData"
    DEFAULTS = _BYTES_DEFAULTS


class Dataset(Stored):
    __slots__ = ("name", "project")
    COLUMNS = ("project", "name", *BYTES)
    TYPE = "Dataset"
    IS_NODE = False
    DEFAULTS = _BYTES_DEFAULTS


class Norm(Row):
    COLUMNS = ("project", "name", "status", "upload_status", "path")
    LINKS = ("clips",)
    __slots__ = COLUMNS + LINKS
    TYPE = "Norm"


class Report(Row):
    COLUMNS = ("title", "subject", "session", "kind", "norm", "template", "trials", "created")
    __slots__ = COLUMNS
    TYPE = "Report"


class Comment(Row):
    COLUMNS = ("clip", "author", "comment", "created")
    __slots__ = COLUMNS
    TYPE = "Comment"
    IS_NODE = False


class Job(Row):
    COLUMNS = ("status", "result", "description", "project", "trials", "trial_type", "looks", "fault")
    __slots__ = COLUMNS
    TYPE = "Job"
    DEFAULTS: ClassVar[dict[str, Any]] = {"status": PENDING, "looks": 0}


# parents before children: the order in which a folder is read again
TABLES: tuple[type[Row], ...] = (
    Project,
    Configuration,
    Dataset,
    Norm,
    Subject,
    Session,
    Clip,
    DataFile,
    Report,
    Comment,
    Job,
)


def split(path: str | None) -> list[str]:
    """The parts of a projectPath, slashes aside."""
    return [part for part in (path or "").split("/") if part]


def data_type_of(name: str | None) -> str:
    """The type that a file's name stands for."""
    lower = (name or "").lower()
    if lower.endswith("event.json"):
        return "event"
    extension = lower.rpartition(".")[2]
    return next((kind for kind, known in DATA_TYPES.items() if extension in known), "raw")


def by_name(row: Any) -> tuple[str, int]:
    return (row.name, row.seq)


def by_date(row: Any) -> tuple[bool, str, int]:
    return (row.date is None, row.date or "", row.seq)


def below(row: Row) -> Iterator[Row]:
    """A row and everything that is deleted with it."""
    yield row
    for link in ("sessions", "clips", "files", "reports", "comments"):
        # a session's reports come twice, through its subject too: the store forgets a row once
        for child in getattr(row, link, ()):
            yield from below(child)
