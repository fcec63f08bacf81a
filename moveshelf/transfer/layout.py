"""How the files of a folder say which subject, session, condition and trial they belong to.

A layout is a relative path with fields in braces, such as `"{subject}/{session}/{condition}/{trial}_{rest}"`
(files of one condition in one folder) or `"{subject}/{session}/{condition}/{trial}/{rest}"` (a folder per
trial):

- a field never crosses a `/`;
- a field is as short as it can be: in `{trial}_{rest}` the trial ends at the *first* underscore, so that
  `Walk_1_angles.json` is trial `Walk`, rest `1_angles.json`;
- where that is not what the names mean, a field says what it looks like with a regular expression:
  `{trial:Walk_\\d+}_{rest}`;
- `rest` is the data file's own name. `subject`, `session`, `trial` and `rest` are needed, `condition` may be
  absent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ValidationError

FLAT = "{subject}/{session}/{condition}/{trial}_{rest}"
FOLDERS = "{subject}/{session}/{condition}/{trial}/{rest}"
FIELDS = ("subject", "session", "condition", "trial", "rest")
CONFIG_FILE = "moveshelf_config_import.json"

_TYPES = {
    "video": "mp4 mov mpg avi",
    "motion": "bvh fbx trc glb mox c3d xlsx",
    "doc": "pdf",
    "data": "csv json txt",
    "img": "png jpg",
    "camera": "xcp",
}
_BY_EXTENSION = {extension: kind for kind, line in _TYPES.items() for extension in line.split()}
DATA_TYPES = (*_TYPES, "event", "raw")


def data_type(name: str) -> str:
    """The platform's data type for a file of this name, by its extension; `raw` for any other."""
    return _BY_EXTENSION.get(name.rpartition(".")[2].lower(), "raw") if "." in name else "raw"


@dataclass(frozen=True)
class Place:
    """Where a file belongs. `condition` is None where the layout has none."""

    subject: str
    session: str
    condition: str | None
    trial: str
    rest: str


class Layout:
    """A layout, read once: `parse` paths with it, `format` places.

    Raises ValidationError for unknown or missing fields, for one field twice, and for two with nothing
    between.
    """

    def __init__(self, template: str = FLAT) -> None:
        self.template = template
        self._parts = _read(template)
        names = [part.name for part in self._parts if isinstance(part, _Field)]
        unknown = [name for name in names if name not in FIELDS]
        if unknown:
            raise ValidationError(
                f"Layout {template!r}: unknown field {unknown[0]!r}; it knows {', '.join(FIELDS)}."
            )
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ValidationError(f"Layout {template!r}: field {doubled[0]!r} stands there twice.")
        missing = [name for name in FIELDS if name not in names and name != "condition"]
        if missing:
            raise ValidationError(
                f"Layout {template!r} lacks {', '.join('{' + name + '}' for name in missing)}."
            )
        for one, two in zip(self._parts, self._parts[1:], strict=False):
            if isinstance(one, _Field) and isinstance(two, _Field) and not (one.pattern or two.pattern):
                raise ValidationError(
                    f"Layout {template!r}: nothing stands between {{{one.name}}} and {{{two.name}}}, so that "
                    "no name says where one ends; put a separator there, or a pattern, as in {trial:T\\d+}."
                )
        self._expression = self._compile()
        # how many folders deep a session's own folder is; its import file is looked for there
        before = template[: template.index("{session")]
        self.session_depth: int | None = before.count("/") + 1
        following = next((p for p in self._parts[self._index("session") + 1 :]), "")
        if isinstance(following, _Field) or not following.startswith("/"):
            self.session_depth = None  # the session's name shares its folder level with something else

    def __repr__(self) -> str:
        return f"Layout({self.template!r})"

    def parse(self, path: str) -> Place | None:
        """The fields of a relative path with `/` between its folders; None where it does not fit the layout."""
        match = self._expression.fullmatch(path)
        if match is None:
            return None
        found = {name: match[name] for name in self._expression.groupindex}
        return Place(
            found["subject"], found["session"], found.get("condition"), found["trial"], found["rest"]
        )

    def format(self, place: Place) -> str:
        """The relative path of a place; `parse` gives it back.

        Raises ValidationError where it would not: an empty field, or one that holds its own separator.
        """
        path = "".join(
            (getattr(place, part.name) or "") if isinstance(part, _Field) else part for part in self._parts
        )
        if self.parse(path) != place:
            raise ValidationError(f"{place} cannot be told back from {path!r} by layout {self.template!r}.")
        return path

    def _index(self, name: str) -> int:
        return next(i for i, p in enumerate(self._parts) if isinstance(p, _Field) and p.name == name)

    def _compile(self) -> re.Pattern[str]:
        text = "".join(
            f"(?P<{part.name}>{part.pattern or '[^/]+?'})" if isinstance(part, _Field) else re.escape(part)
            for part in self._parts
        )
        try:
            return re.compile(text)
        except re.error as error:
            raise ValidationError(
                f"Layout {self.template!r}: a pattern is no regular expression: {error}."
            ) from None


@dataclass(frozen=True)
class _Field:
    name: str
    pattern: str | None


def _read(template: str) -> list[str | _Field]:
    """Literals and fields in turn. A pattern may hold braces of its own, balanced."""
    if template.startswith("/") or "//" in template or template.endswith("/"):
        raise ValidationError(f"Layout {template!r} is no relative path of a file.")
    parts: list[str | _Field] = []
    literal = ""
    at = 0
    while at < len(template):
        character = template[at]
        if character == "}":
            raise ValidationError(f"Layout {template!r}: a '}}' without its '{{'.")
        if character != "{":
            literal += character
            at += 1
            continue
        end = _closing(template, at)
        name, colon, pattern = template[at + 1 : end].partition(":")
        if literal:
            parts.append(literal)
            literal = ""
        parts.append(_Field(name.strip(), pattern if colon else None))
        at = end + 1
    return [*parts, literal] if literal else parts


def _closing(template: str, start: int) -> int:
    depth = 0
    for at in range(start, len(template)):
        depth += {"{": 1, "}": -1}.get(template[at], 0)
        if not depth:
            return at
    raise ValidationError(f"Layout {template!r}: a '{{' without its '}}'.")


@dataclass(frozen=True)
class SessionImport:
    """What a `moveshelf_config_import.json` says of its session: `metadata`, and `date` (YYYY-MM-DD) or None."""

    metadata: dict[str, Any]
    date: str | None


def read_session_import(path: Path) -> SessionImport:
    """Read the import file of a session's folder: `{"sessionMetadata": {...}, "session_date": ...}`.

    The date may stand beside the metadata or inside it. Raises ValidationError, naming the file, for anything
    else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise ValidationError(f"{path} cannot be read as JSON: {error}") from None
    return session_import(content, str(path))


def session_import(content: Any, where: str = CONFIG_FILE) -> SessionImport:
    """The same of what was in the file; `where` names it in errors."""
    if not isinstance(content, Mapping):
        raise ValidationError(f"{where} holds {type(content).__name__}, not an object.")
    values = content.get("sessionMetadata")
    if values is None:
        values = {}
    if not isinstance(values, Mapping):
        raise ValidationError(f"{where}: sessionMetadata is {type(values).__name__}, not an object.")
    metadata = dict(values)
    inside = metadata.pop("session_date", None)
    outside = content.get("session_date")
    dates = {_date(date, where) for date in (outside, inside) if date not in (None, "")}
    if len(dates) > 1:
        raise ValidationError(f"{where} gives two dates of the session: {' and '.join(sorted(dates))}.")
    return SessionImport(metadata, dates.pop() if dates else None)


def _date(value: Any, where: str) -> str:
    from datetime import date

    text = str(value)[:10]
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValidationError(f"{where}: session_date {value!r} is no date (YYYY-MM-DD).") from None
