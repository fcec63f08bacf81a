"""Tables and plain dictionaries of objects: which rows there are, what is loaded for them, and what is in a cell."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any, Final

import attrs

from ..errors import ValidationError
from ..lazy.cache import loaded_value
from ..lazy.entity import Entity
from ..lazy.fields import BASIC, Many, Scalar
from ..lazy.state import NOT_LOADED, State
from ..operations.folders import condition_name
from ..tables.typed import LISTED, PARENTS, table
from ..values import TemplateField, brief

if TYPE_CHECKING:
    import pandas as pd

#: The way from an object down to the rows of a kind, by the names of the collections.
_WAYS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "project": {
        "subjects": ("subjects",),
        "sessions": ("sessions",),
        "conditions": ("sessions", "conditions"),
        "clips": ("clips",),
        "files": ("clips", "files"),
        "norms": ("norms",),
    },
    "subject": {
        "sessions": ("sessions",),
        "conditions": ("sessions", "conditions"),
        "clips": ("sessions", "clips"),
        "files": ("sessions", "clips", "files"),
        "reports": ("reports",),
    },
    "session": {
        "clips": ("clips",),
        "conditions": ("conditions",),
        "files": ("clips", "files"),
        "norms": ("norms",),
        "reports": ("reports",),
    },
    "condition": {"clips": ("clips",), "files": ("clips", "files")},
    "clip": {"files": ("files",)},
    "norm": {"clips": ("clips",), "files": ("clips", "files")},
}
#: What is loaded for the rows of a kind beside what a listing brings, and what of it is metadata.
_LOADED: Final[Mapping[str, tuple[str, ...]]] = {"projects": ("description",), "sessions": ("updated",)}
_WITH_METADATA: Final = ("subjects", "sessions")
#: What people say for a kind.
_KINDS: Final[Mapping[str, str]] = {"trials": "clips", "datafiles": "files", "patients": "subjects"}


# tables -----------------------------------------------------------------------------------------------------------
def object_table(owner: Any, kind: str | None, columns: Sequence[str] | None, labels: bool) -> pd.DataFrame:
    """The table of one kind of objects below an object or a collection, loaded as far as it is shown."""
    chosen = _checked_kind(owner, kind)
    found = _rows_of(owner, chosen)
    wanted = None if columns is None else {columns} if isinstance(columns, str) else set(columns)
    has_metadata = chosen in _WITH_METADATA and (wanted is None or not wanted <= set(LISTED[chosen]))
    names = [name for name in _LOADED.get(chosen, ()) if wanted is None or name in wanted]
    if has_metadata:
        names += ["metadata", "project.template"]
    projects = _projects(owner, found, has_metadata)
    if found and isinstance(found[0], Entity):
        _load(found, BASIC, *names)
        projects = projects or _projects(owner, found, has_metadata)
    rows = [_row(one, chosen, has_metadata) for one in found]
    if len({id(one) for one in projects}) > 1:
        rows = [{"project": one.project.name, **row} for one, row in zip(found, rows, strict=True)]
    fields: dict[str, TemplateField] = {}
    for project in projects:
        template = project.template
        if template is not None and not template.problem:
            fields = {**template.fields(chosen), **fields}
    return table(rows, fields, chosen, columns, labels)


def collection_frame(collection: Any, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """One row a member: id, name, parents, what a listing brings, and what else is loaded; no request beside the listing's.

    Metadata, where it is loaded for any member, has a column a field (`metadata.<key>`), with the types that the template
    says where that is loaded too; loaded collections count.
    """
    kind = collection._type
    listed = [f for f in kind.groups[BASIC] if isinstance(f, Scalar) and f.name not in ("name", "title")]
    rows, fields = [], dict[str, TemplateField]()
    for one in collection:
        row: dict[str, Any] = {"id": one.id, "name": one.name, **_parents(one)}
        for field in listed:
            row[field.name] = field._value(one)
        for field in kind.fields.values():
            value = loaded_value(one, field.name)
            if field in listed or value is NOT_LOADED or field.name in ("name", "title"):
                continue
            if isinstance(field, Many):
                if field.loaded(one):
                    row[field.name] = len(value)
            elif field.name == "stored":
                row["metadata"] = _metadata(one)
                fields = fields or _loaded_fields(one, collection._kind())
            elif isinstance(field, Scalar):
                row[field.name] = value
        rows.append(row)
    return table(rows, fields, collection._kind(), columns, prefix="metadata.", first=("id", "name"))


def _checked_kind(owner: Any, kind: str | None) -> str:
    """The kind of the rows. Raises ValidationError for one that is not below the owner."""
    own = _kind_of(owner)
    ways = _WAYS.get(own, {})
    is_one = _is_one(owner)
    if kind is None:
        return next(iter(ways), f"{own}s") if is_one else f"{own}s"
    known = [*ways, f"{own}s"]
    chosen = _KINDS.get(kind, kind) if isinstance(kind, str) else kind
    if chosen not in known:
        one_or_many = f"a {own}" if is_one else f"{own}s"
        raise ValidationError(
            f"{one_or_many} can be shown as a table of {', '.join(known)}, and not of {brief(kind)}"
        )
    return str(chosen)


def _is_one(owner: Any) -> bool:
    return isinstance(owner, Entity) or not hasattr(owner, "_kind")


def _kind_of(owner: Any) -> str:
    """What an object, or a member of a collection, is called: "subject", "file"."""
    name = type(owner).__name__.lower() if _is_one(owner) else owner._kind(1)
    return {"datafile": "file"}.get(name, name)


def _rows_of(owner: Any, kind: str) -> list[Any]:
    """The objects that are the rows, loaded as far as a listing goes."""
    members = [owner] if _is_one(owner) else owner._members()
    way = _WAYS.get(_kind_of(owner), {}).get(kind, ())
    if not way or not members:
        return list(members)
    if isinstance(members[0], Entity):
        path = ".".join(way).replace("conditions", "clips")
        _load(members, path)
    else:  # conditions
        sessions = list({id(one.session): one.session for one in members}.values())
        _load(sessions, ".".join(way))
    found = list(members)
    for name in way:
        found = [below for one in found for below in getattr(one, name)._members()]
    return list({one.id: one for one in found}.values())


def _load(members: Sequence[Any], *paths: str) -> None:
    """Load the paths for all members at once; copies without a connection show what they have."""
    engine = members[0]._engine
    if engine is not None:
        engine.load(members, type(members[0]), paths)
        return
    for one in members:
        one.load(*(path for path in paths if path != BASIC and not path.startswith("project")))


def _projects(owner: Any, found: Sequence[Any], has_metadata: bool) -> list[Any]:
    """The projects of the rows, each once; of a table without rows the owner's, as far as that is known."""
    if not has_metadata:
        return []
    if found:
        loaded = [one for one in found if loaded_value(one, "project") is not NOT_LOADED]
        if len(loaded) < len(found):
            return []
        return list({one.project.id: one.project for one in found}.values())
    above = owner if _is_one(owner) else getattr(owner, "_owner_now", lambda: None)()
    above = above or getattr(owner, "_above", None)
    if above is None or type(above).__name__ not in ("Project", "Subject", "Session"):
        return []
    return [above] if type(above).__name__ == "Project" else [above.project]


def _row(one: Any, kind: str, has_metadata: bool) -> dict[str, Any]:
    row = _parents(one)
    for name in LISTED[kind]:
        if name not in row and name not in PARENTS:
            row[name] = _cell(one, name)
    if has_metadata:
        row["metadata"] = _metadata(one)
    return row


def _cell(one: Any, name: str) -> Any:
    if name == "clips":  # of a condition: how many
        return len(one.clips)
    if isinstance(one, Entity) and name in type(one).fields:
        return loaded_value(one, name) if loaded_value(one, name) is not NOT_LOADED else None
    return getattr(one, name, None)


def _parents(one: Any) -> dict[str, Any]:
    """What an object belongs to, by the names in its path; never a request."""
    kind = _kind_of(one)
    if kind in ("session", "condition"):
        path = one.session.path if kind == "condition" else one.path
        parts = str(path).strip("/").split("/")
        found = {"subject": parts[0] or None}
        return found if kind == "session" else {**found, "session": parts[1] if len(parts) > 1 else None}
    if kind == "clip":
        return _parents_of_clip(one)
    if kind == "file":
        identity = loaded_value(one, "clip")
        clip = one._engine.cache.peek(identity) if one._engine and isinstance(identity, str) else None
        if clip is None:
            return {"subject": None, "session": None, "condition": None, "trial": None}
        title = loaded_value(clip, "title")
        return {**_parents_of_clip(clip), "trial": None if title is NOT_LOADED else title}
    return {}


def _parents_of_clip(clip: Any) -> dict[str, Any]:
    path = loaded_value(clip, "path")
    parts = path.strip("/").split("/") if isinstance(path, str) else [""]
    return {
        "subject": parts[0] or None,
        "session": parts[1] if len(parts) > 1 else None,
        "condition": condition_name(path, None) or None,
    }


def _metadata(one: Any) -> Any:
    """The metadata in plain form; what is stored where that is no object: a cell of its own in the table."""
    try:
        return one.metadata
    except ValidationError:
        return loaded_value(one, "stored")


def _loaded_fields(one: Any, kind: Any) -> dict[str, TemplateField]:
    """The fields that the template of an object's project declares, if it is loaded; never a request."""
    identity = loaded_value(one, "project")
    project = one._engine.cache.peek(identity) if one._engine and isinstance(identity, str) else None
    template: Any = NOT_LOADED if project is None else loaded_value(project, "template")
    if template is None or template is NOT_LOADED or template.problem:
        return {}
    return dict(template.fields(kind))


# plain dictionaries -----------------------------------------------------------------------------------------------
def object_dict(one: Any) -> dict[str, Any]:
    """What is loaded of an object, as JSON takes it: texts, numbers, lists and dictionaries; never a request."""
    found: dict[str, Any] = {"id": one.id}
    name = one._peek_name()
    if name is not None:
        found["name"] = name
    for field in type(one).fields.values():
        value = loaded_value(one, field.name)
        if value is NOT_LOADED or isinstance(value, State):
            continue
        if isinstance(field, Many):
            if field.loaded(one):
                found[field.name] = [object_dict(below) for below in value._members()]
        elif field.name == "stored":
            found["metadata"] = json_value(_metadata(one))
            if "interventions" in type(one).derived:
                found["interventions"] = _interventions(one)
        else:
            found[field.name] = json_value(value)
    return found


def _interventions(one: Any) -> Any:
    try:
        return json_value(one.interventions)
    except ValidationError:
        return []


def json_value(value: Any) -> Any:
    """A value as JSON takes it: dates as ISO text, records as dictionaries without the fields that a repr leaves out."""
    if isinstance(value, enum.Enum):
        return json_value(value.value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (date, datetime, time)):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): json_value(one) for key, one in value.items()}
    if attrs.has(type(value)) and not isinstance(value, Entity):
        # a signed URL, which opens the file for anybody, is no part of it
        return {
            one.name: json_value(getattr(value, one.name))
            for one in attrs.fields(type(value))
            if one.name != "download_uri"
        }
    if isinstance(value, Iterable):
        return [json_value(one) for one in value]
    return str(value)
