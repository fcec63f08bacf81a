"""Small read-only values: statuses, data types, a project's template, configuration and datasets."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Mapping
from typing import Any

import attrs
from typing_extensions import Self


class OpenEnum(str, enum.Enum):
    """A set of known words that takes unknown ones too: the service may have grown since.

    Members equal their text: `status == "Complete"`.
    """

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        member = str.__new__(cls, value)
        member._name_ = value
        member._value_ = value
        cls._value2member_map_.setdefault(value, member)
        return cls._value2member_map_[value]  # type: ignore[return-value]

    def __str__(self) -> str:
        return str(self.value)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return (type(self), (self.value,))

    @property
    def is_known(self) -> bool:
        """Whether this library knows the word."""
        return self._name_ in type(self).__members__


class _Words(dict[str, Any]):
    """A word's member by a look-up: a fifth of the time of calling the enum, which a walk does for every object."""

    def __init__(self, kind: type[OpenEnum]) -> None:
        super().__init__({one.value: one for one in kind})
        self.kind = kind

    def __missing__(self, word: Any) -> Any:
        return self.kind(word) if isinstance(word, str) else word


def word_of(kind: type[OpenEnum]) -> Callable[[Any], Any]:
    """What turns the service's word into a member of `kind`."""
    return _Words(kind).__getitem__


class UploadStatus(OpenEnum):
    """How far the service has come with a file's bytes. Only complete ones can be downloaded."""

    PENDING = "Pending"
    PROCESSING = "Processing"
    COMPLETE = "Complete"
    FAILED = "Failed"


class JobStatus(OpenEnum):
    """How far a job has come; an unknown word counts as not finished."""

    PENDING = "Pending"
    PROCESSING = "Processing"
    COMPLETE = "Complete"
    FAILED = "Failed"

    @property
    def is_finished(self) -> bool:
        """Whether the job has ended, well or not."""
        return self in (JobStatus.COMPLETE, JobStatus.FAILED)


class DataType(OpenEnum):
    """What kind of data a file holds."""

    VIDEO = "video"
    MOTION = "motion"
    DOC = "doc"
    DATA = "data"
    IMG = "img"
    CAMERA = "camera"
    EVENT = "event"
    RAW = "raw"


class ReportType(str, enum.Enum):
    """What a report can compare. Members equal their text."""

    CONDITION_SUMMARIES = "currentSessionConditionSummaries"
    CURRENT_VS_PREVIOUS = "currentVsPreviousSessionComparison"
    CURRENT_COMPARISON = "currentSessionComparison"


@attrs.frozen
class Dataset:
    """A file that belongs to a whole project. The address is signed and expires; `refresh()` the project for a new one."""

    name: str
    download_uri: str | None = attrs.field(repr=False)

    @classmethod
    def list_of(cls, answers: Any) -> tuple[Dataset, ...]:
        """The datasets in an answer."""
        return tuple(cls(one.get("name") or "", one.get("downloadUri")) for one in answers or () if one)


@attrs.frozen
class TemplateField:
    """One metadata field that a project's template declares."""

    key: str
    label: str
    type: str
    has_context: bool
    options: tuple[str, ...]
    raw: Mapping[str, Any] = attrs.field(repr=False)

    @classmethod
    def parse(cls, key: str, raw: Any) -> TemplateField:
        """From a template's entry."""
        raw = raw if isinstance(raw, Mapping) else {}
        options = raw.get("options") or ()
        words = tuple(
            str(one.get("value", one.get("label"))) if isinstance(one, Mapping) else str(one)
            for one in options
        )
        return cls(
            key,
            str(raw.get("label") or key),
            str(raw.get("type") or ""),
            bool(raw.get("hasContext")),
            words,
            raw,
        )


@attrs.frozen
class Template:
    """What metadata a project's subjects and sessions have: `subject_fields` and `session_fields` by key; `data` whole."""

    name: str
    data: Mapping[str, Any] = attrs.field(repr=False)

    @classmethod
    def parse(cls, answer: Any) -> Template | None:
        """From the service's answer; None where the project has no template."""
        if not answer:
            return None
        return cls(answer.get("name") or "", _parsed(answer.get("data")))

    @property
    def subject_fields(self) -> dict[str, TemplateField]:
        """The fields of a subject's metadata by key, headings left out."""
        fields = dict(self.data.get("template") or {})
        for tab in self.data.get("subjectMetadataTabs") or ():
            fields.update(tab.get("template") or {})
        return _fields(fields)

    @property
    def session_fields(self) -> dict[str, TemplateField]:
        """The fields of a session's metadata by key, headings left out."""
        fields: dict[str, Any] = {}
        for tab in self.data.get("sessionMetadataTabs") or ():
            fields.update(tab.get("template") or {})
        return _fields(fields)


@attrs.frozen
class Configuration:
    """How a project is set up on the service; `data` is the parsed object."""

    id: str
    name: str
    data: Mapping[str, Any] = attrs.field(repr=False)

    @classmethod
    def parse(cls, answer: Any) -> Configuration | None:
        """From the service's answer; None where the project has none."""
        if not answer:
            return None
        return cls(answer.get("id") or "", answer.get("name") or "", _parsed(answer.get("data")))


def _fields(raw: Mapping[str, Any]) -> dict[str, TemplateField]:
    parsed = {key: TemplateField.parse(key, value) for key, value in raw.items()}
    return {key: one for key, one in parsed.items() if one.type != "title"}


def _parsed(data: Any) -> Mapping[str, Any]:
    if isinstance(data, str):
        try:
            data = json.loads(data)
        except ValueError:
            data = {}
    return data if isinstance(data, Mapping) else {}
