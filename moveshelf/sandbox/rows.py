"""What the sandbox keeps: one record class per table, whose rows also know their relatives in memory.

Responses are made from these objects, never from SQL: a thousand of them have to cost milliseconds. SQLite holds
the same columns, written before a response leaves (store.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from attrs import define, field, fields

PENDING, PROCESSING, COMPLETE, FAILED = "Pending", "Processing", "Complete", "Failed"
DATA_TYPES = {
    "video": ("mp4", "mov", "mpg", "avi"),
    "motion": ("bvh", "fbx", "trc", "glb", "mox", "c3d", "xlsx"),
    "doc": ("pdf",),
    "data": ("csv", "json", "txt"),
    "img": ("png", "jpg"),
    "camera": ("xcp",),
}


# marks a list of relatives, which is kept in memory only
LINK = {"link": True}


@define(eq=False)
class Row:
    """A stored object. Its columns lie in SQLite under the same names; rows compare by identity."""

    TYPE: ClassVar[str] = ""
    IS_NODE: ClassVar[bool] = True

    id: str
    seq: int

    def record(self) -> tuple[Any, ...]:
        """The values of its line in SQLite."""
        return (self.id, self.seq, *(getattr(self, name) for name in columns_of(type(self))))


_COLUMNS: dict[type[Row], tuple[str, ...]] = {}


def columns_of(table: type[Row]) -> tuple[str, ...]:
    """The columns of a row's class after its id and its place in the order of creation."""
    if table not in _COLUMNS:
        own = [one for one in fields(table) if one.name not in ("id", "seq")]
        _COLUMNS[table] = tuple(one.name for one in own if not one.metadata.get("link"))
    return _COLUMNS[table]


@define(eq=False)
class Project(Row):
    TYPE: ClassVar[str] = "Project"

    name: str = ""
    description: str | None = None
    can_edit: int = 1
    unlisted_access: int = 0
    configuration: str | None = None
    template_name: str | None = None
    template_data: str | None = None
    subjects: list[Any] = field(factory=list, init=False, repr=False, metadata=LINK)
    sessions: list[Any] = field(factory=list, init=False, repr=False, metadata=LINK)
    clips: list[Any] = field(factory=list, init=False, repr=False, metadata=LINK)
    norms: list[Any] = field(factory=list, init=False, repr=False, metadata=LINK)
    datasets: list[Any] = field(factory=list, init=False, repr=False, metadata=LINK)
    configurations: list[Any] = field(factory=list, init=False, repr=False, metadata=LINK)


@define(eq=False)
class Configuration(Row):
    TYPE: ClassVar[str] = "ProjectConfiguration"

    project: str = ""
    name: str | None = None
    data: str | None = None


@define(eq=False)
class Subject(Row):
    TYPE: ClassVar[str] = "Patient"

    project: str = ""
    name: str = ""
    metadata: str | None = None
    external_id: str | None = None
    updated: str | None = None
    sessions: list[Any] = field(factory=list, init=False, repr=False, metadata=LINK)
    reports: list[Any] = field(factory=list, init=False, repr=False, metadata=LINK)


@define(eq=False)
class Session(Row):
    TYPE: ClassVar[str] = "Session"

    project: str = ""
    subject: str | None = None
    path: str = ""
    date: str | None = None
    metadata: str | None = None
    updated: str | None = None
    clips: list[Any] = field(factory=list, init=False, repr=False, metadata=LINK)
    reports: list[Any] = field(factory=list, init=False, repr=False, metadata=LINK)

    @property
    def names(self) -> tuple[str, str]:
        """The subject's and the session's name, as the path tells them."""
        parts = split(self.path)
        return (parts[0] if parts else ""), (parts[1] if len(parts) > 1 else "")


@define(eq=False)
class Stored(Row):
    """A row with bytes behind it."""

    upload_status: str = PENDING
    file_name: str | None = None
    # the checksum that was announced
    crc32c: str | None = None
    # where the bytes are: None, "disk", or "lazy:<recipe>" for those that are made on first use
    stored: str | None = None
    size: int | None = None
    actual_crc32c: str | None = None
    md5: str | None = None
    generation: int = 0
    # how often its status is read until it becomes the other one
    settle: int = 0
    settles_to: str | None = None


@define(eq=False)
class Clip(Stored):
    TYPE: ClassVar[str] = "MocapClip"

    project: str = ""
    session: str | None = None
    norm: str | None = None
    title: str = "Untitled"
    description: str | None = None
    created: str | None = None
    path: str | None = None
    custom_options: str | None = None
    preview_image_uri: str | None = None
    allow_download: int = 0
    allow_unlisted_access: int = 0
    timecode: str | None = None
    framerate: str | None = None
    files: list[Any] = field(factory=list, init=False, repr=False, metadata=LINK)
    comments: list[Any] = field(factory=list, init=False, repr=False, metadata=LINK)


@define(eq=False)
class DataFile(Stored):
    TYPE: ClassVar[str] = "AdditionalData"

    clip: str = ""
    data_type: str | None = None


@define(eq=False)
class Dataset(Stored):
    TYPE: ClassVar[str] = "Dataset"
    IS_NODE: ClassVar[bool] = False

    project: str = ""
    name: str | None = None


@define(eq=False)
class Norm(Row):
    TYPE: ClassVar[str] = "Norm"

    project: str = ""
    name: str | None = None
    status: str | None = None
    upload_status: str | None = None
    path: str | None = None
    clips: list[Any] = field(factory=list, init=False, repr=False, metadata=LINK)


@define(eq=False)
class Report(Row):
    TYPE: ClassVar[str] = "Report"

    title: str | None = None
    subject: str | None = None
    session: str | None = None
    kind: str | None = None
    norm: str | None = None
    template: str | None = None
    trials: str | None = None
    created: str | None = None


@define(eq=False)
class Comment(Row):
    TYPE: ClassVar[str] = "Comment"
    IS_NODE: ClassVar[bool] = False

    clip: str = ""
    author: str | None = None
    comment: str | None = None
    created: str | None = None


@define(eq=False)
class Job(Row):
    TYPE: ClassVar[str] = "Job"

    status: str = PENDING
    result: str | None = None
    description: str | None = None
    project: str | None = None
    trials: str | None = None
    trial_type: str | None = None
    looks: int = 0
    fault: str | None = None


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
        # a session's reports come twice, through its subject too: the store deletes a row once
        for child in getattr(row, link, ()):
            yield from below(child)
