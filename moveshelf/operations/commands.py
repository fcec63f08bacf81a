"""Every command (mutation) that the service knows, each once: its field, its arguments, what its result must be, and
which cached fields it invalidates.

The service's methods that send them are in service.py; one helper sends many of one kind in a request (aliases;
clips as a list).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import attrs

from ..lazy.cache import loaded_value
from ..lazy.fields import BASIC, FLAG, TEXT, Many
from ..lazy.owners import first_part
from ..lazy.registry import ENTITIES
from ..lazy.selection import Selection
from . import text
from .responses import InvalidResponseError, check_node

if TYPE_CHECKING:
    from ..lazy.cache import Cache
    from ..lazy.entity import Entity

Values = Mapping[str, Any]
#: Fields of cached objects: an object and the names of its fields.
Touched = Iterable[tuple["Entity | None", Iterable[str]]]


@attrs.frozen(eq=False)
class Result:
    """One name of a command's result: a value of those types, or an object of a class with the fields of a selection."""

    name: str
    types: tuple[type, ...] = TEXT
    kind: str = ""
    #: the fields of the object beside those that a listing brings
    fields: tuple[str, ...] = ()
    #: whether no more than its id is selected
    is_id: bool = False

    def selection(self) -> Selection:
        """What is selected of the object."""
        return _result_selection(self.kind, self.fields, self.is_id)

    def text(self) -> str:
        """The GraphQL text."""
        return f"{self.name} {{ {text.fields_text(self.selection())} }}" if self.kind else self.name

    def check(self, payload: Mapping[str, Any], where: str) -> None:
        """Check the value in a payload. Raises InvalidResponseError."""
        value = payload.get(self.name)
        if self.kind:
            if not isinstance(value, dict) or not isinstance(value.get("id"), str):
                raise InvalidResponseError(f"the response to {where} holds no {self.name} with an id")
            check_node(self.selection(), value, None, where)
        elif self.name not in payload:
            raise InvalidResponseError(f"the response to {where} holds no {self.name}")
        elif value.__class__ not in self.types:
            raise InvalidResponseError(f"the response to {where} has {value!r} as {self.name}")


@lru_cache(maxsize=256)
def _command_text(command: Command, given: tuple[tuple[str, ...], ...]) -> str:
    return command.text(given)


@cache
def _result_selection(kind: str, fields: tuple[str, ...], is_id: bool) -> Selection:
    declared = ENTITIES[kind]
    if is_id:
        return Selection.of(declared, ())
    return Selection.of(declared, [*declared.groups[BASIC], *(declared.fields[name] for name in fields)])


def _nothing(cache: Cache, values: Values) -> Touched:
    return ()


@attrs.frozen(eq=False)
class Command:
    """A mutation. `arguments`: the service's name, its type, and the variable that carries it where that has another name."""

    name: str
    field: str
    arguments: tuple[tuple[str, str] | tuple[str, str, str], ...]
    results: tuple[Result, ...]
    #: the result that says whether the service has carried it out; "" where none does
    done: str = ""
    #: what the command may have changed of cached objects, from the values of its arguments
    touches: Callable[[Cache, Values], Touched] = _nothing
    #: raises InvalidResponseError where a result names another object than the values do
    matches: Callable[[Values, Mapping[str, Any]], bool] = lambda values, payload: True
    #: the list in the result, for a command that takes many at once
    list_name: str = ""
    #: the argument whose object holds all the others, where the service has an input type that nobody has named
    inside: str = ""

    def variables(self) -> list[tuple[str, str, str]]:
        """Argument, type and variable."""
        return [(one[0], one[1], one[2] if len(one) > 2 else one[0]) for one in self.arguments]

    def selection(self) -> Selection:
        """What is selected of the object that the command creates or changes."""
        return next(one for one in self.results if one.kind).selection()

    def brief(self) -> Command:
        """The same command, whose response holds no more than the id of an object: for who makes no object of it."""
        return _brief(self)

    def build(self, rows: Sequence[Values]) -> tuple[str, dict[str, Any]]:
        """Text and variables of a request that carries the command out for each row of values."""
        variables: dict[str, Any] = {}
        given: list[tuple[str, ...]] = []
        for n, values in enumerate(rows):
            suffix = "" if len(rows) == 1 else str(n)
            names = tuple(variable for _, _, variable in self.variables() if variable in values)
            given.append(names)
            for name in names:
                variables[name + suffix] = values[name]
        return _command_text(self, tuple(given)), variables

    def text(self, given: Sequence[Sequence[str]]) -> str:
        """The text of a request that carries the command out for each row: the variables that the rows have."""
        declared: list[tuple[str, str]] = []
        fields: list[str] = []
        below = " ".join(one.text() for one in self.results)
        if self.list_name:
            below = f"{self.list_name} {{ {below} }}"
        for n, names in enumerate(given):
            suffix = "" if len(given) == 1 else str(n)
            present = [one for one in self.variables() if one[2] in names]
            declared += [(variable + suffix, type_) for _, type_, variable in present]
            arguments = [(argument, variable + suffix) for argument, _, variable in present]
            fields.append(text.field_text(f"n{n}", self.field, arguments, below, self.inside))
        return text.operation_text("mutation", self.name, declared, fields)

    def check(self, values: Values, payload: Any) -> Mapping[str, Any]:
        """The payload of one alias, checked. Raises InvalidResponseError."""
        if not isinstance(payload, dict):
            raise InvalidResponseError(f"the response to {self.name} holds no result")
        rows = [payload]
        if self.list_name:
            rows = payload.get(self.list_name)  # type: ignore[assignment]
            if not isinstance(rows, list) or not all(isinstance(one, dict) for one in rows):
                raise InvalidResponseError(f"the response to {self.name} holds no list of results")
        for row in rows:
            for one in self.results:
                one.check(row, self.name)
        if not self.matches(values, payload):
            raise InvalidResponseError(f"the response to {self.name} is about another object")
        return payload


@cache
def _brief(command: Command) -> Command:
    results = tuple(attrs.evolve(one, is_id=True) if one.kind else one for one in command.results)
    return attrs.evolve(command, results=results)


# what is touched ------------------------------------------------------------------------------------------------------
def _one(variable: str, *names: str) -> Callable[[Cache, Values], Touched]:
    """Fields of the object whose id is in a variable."""
    return lambda cache, values: [(known(cache, values.get(variable)), names)]


def known(cache: Cache, identity: Any) -> Entity | None:
    """The cached object of an id; of a project, its name stands for the id as well."""
    if not isinstance(identity, str):
        return None
    found = cache.peek(identity)
    if found is None:
        for obj in cache.objects.of_kind(ENTITIES["Project"]):
            if loaded_value(obj, "name") == identity:
                return obj
    return found


def _created_session(cache: Cache, values: Values) -> Touched:
    return [
        (known(cache, values.get("patientId")), ("sessions",)),
        (known(cache, values.get("projectId")), ("sessions",)),
    ]


def _created_clips(cache: Cache, values: Values) -> Touched:
    given = values["input"]
    yield known(cache, given.get("project")), ("clips",)
    paths = {str((one.get("metadata") or {}).get("projectPath") or "").strip("/") for one in given["clips"]}
    kind = ENTITIES["Session"]
    for obj in [one for first in {*map(first_part, paths)} for one in cache.in_folder(kind, first)]:
        folder = loaded_value(obj, "path")
        if isinstance(folder, str) and any(f"{path}/".startswith(folder.strip("/") + "/") for path in paths):
            yield obj, ("clips",)


def _updated_clip(cache: Cache, values: Values) -> Touched:
    given = values["input"]
    obj = known(cache, given["id"])
    yield obj, _own(obj)
    if (given.get("metadata") or {}).get("projectPath"):
        # conditions are views of a session's clips by their paths
        for owner in cache.owners([obj] if obj else [], "session", "project"):
            yield owner, ("clips",)


def _updated_session(cache: Cache, values: Values) -> Touched:
    obj = known(cache, values["sessionId"])
    yield obj, _own(obj)
    # the session may have another name now, after which the folders of its clips are named
    for one in [] if obj is None else cache.members_of(obj.id):
        yield one, ("path",)


def _created_reports(cache: Cache, values: Values) -> Touched:
    obj = known(cache, values["sessionId"])
    yield obj, ("reports",)
    for owner in cache.owners([obj] if obj else [], "subject"):
        yield owner, ("reports",)


def _own(obj: Entity | None) -> Sequence[str]:
    """The names of the fields that are the object's own: all but its collections."""
    return () if obj is None else _own_names(type(obj))


@cache
def _own_names(kind: type[Entity]) -> tuple[str, ...]:
    return tuple(name for name, field in kind.fields.items() if not isinstance(field, Many))


#: Class -> the collections that hold its members: (link to the owner, name of the collection there).
HOLDERS: dict[str, tuple[tuple[str, str], ...]] = {
    "Subject": (("project", "subjects"),),
    "Session": (("subject", "sessions"), ("project", "sessions")),
    "Clip": (("session", "clips"), ("project", "clips")),
    "DataFile": (("clip", "files"),),
}


def _deleted(variable: str) -> Callable[[Cache, Values], Touched]:
    def touched(cache: Cache, values: Values) -> Touched:
        obj = known(cache, values[variable])
        if obj is None:
            return
        yield obj, [field.name for field in type(obj).groups[BASIC]]
        for link, collection in HOLDERS[type(obj).__name__]:
            for owner in cache.owners([obj], link):
                yield owner, (collection,)

    return touched


# what must match ------------------------------------------------------------------------------------------------------
def _same(result: str, field: str, variable: str) -> Callable[[Values, Mapping[str, Any]], bool]:
    """Whether the object in the result has the value that was sent, white space and slashes at its ends aside."""

    def matches(values: Values, payload: Mapping[str, Any]) -> bool:
        found = (payload.get(result) or {}).get(field)
        return found is None or str(found).strip("/ \t\n") == str(values.get(variable)).strip("/ \t\n")

    return matches


def _same_clips(values: Values, payload: Mapping[str, Any]) -> bool:
    sent = [one.get("clientId") for one in values["input"]["clips"]]
    came = [one.get("clientId") for one in payload["response"]]
    return sorted(map(str, came)) == sorted(map(str, sent))


def _same_clip(values: Values, payload: Mapping[str, Any]) -> bool:
    return (payload.get("clip") or {}).get("id") in (None, values["input"]["id"])


# the commands ---------------------------------------------------------------------------------------------------------
_CLIP = ("description", "custom_options", "has_video", "original_name")

CREATE_SUBJECT = Command(
    "CreateSubject",
    "createPatient",
    (("projectId", "String!"), ("name", "String!")),
    (Result("patient", kind="Subject", fields=("stored",)),),
    touches=_one("projectId", "subjects"),
    matches=_same("patient", "name", "name"),
)
UPDATE_SUBJECT = Command(
    "UpdateSubject",
    "updatePatient",
    (("patientId", "ID!"), ("metadata", "JSONString")),
    (Result("updated", FLAG),),
    done="updated",
    touches=lambda cache, values: [
        (one := known(cache, values["patientId"]), _own(one)),
    ],
)
DELETE_SUBJECT = Command(
    "DeleteSubject",
    "deletePatient",
    (("patientId", "ID!"),),
    (Result("deleted", FLAG),),
    done="deleted",
    touches=_deleted("patientId"),
)
CREATE_SESSION = Command(
    "CreateSession",
    "createSession",
    (("projectId", "String!"), ("projectPath", "String!"), ("patientId", "ID"), ("sessionDate", "String")),
    (Result("session", kind="Session", fields=("updated", "stored")),),
    touches=_created_session,
    matches=_same("session", "projectPath", "projectPath"),
)
UPDATE_SESSION = Command(
    "UpdateSession",
    "updateSession",
    (
        ("sessionId", "ID!"),
        ("sessionName", "String!"),
        ("sessionMetadata", "JSONString"),
        ("sessionDate", "String"),
        ("previousUpdatedAt", "String"),
    ),
    (Result("updated", FLAG),),
    done="updated",
    touches=_updated_session,
)
DELETE_SESSION = Command(
    "DeleteSession",
    "deleteSession",
    (("sessionId", "ID!"),),
    (Result("deleted", FLAG),),
    done="deleted",
    touches=_deleted("sessionId"),
)
CREATE_CLIPS = Command(
    "CreateClips",
    "createClips",
    (("input", "ClipCreationInput!"),),
    (Result("clientId"), Result("uploadUrl"), Result("mocapClip", kind="Clip", fields=_CLIP)),
    touches=_created_clips,
    matches=_same_clips,
    list_name="response",
)
UPDATE_CLIP = Command(
    "UpdateClip",
    "updateClip",
    (("clipData", "UpdateClipInput!", "input"),),
    (Result("clip", kind="Clip", fields=_CLIP),),
    touches=_updated_clip,
    matches=_same_clip,
)
DELETE_CLIP = Command(
    "DeleteClip",
    "deleteClip",
    (("clipId", "String"),),
    (Result("ok", FLAG),),
    done="ok",
    touches=_deleted("clipId"),
)
CREATE_FILE = Command(
    "CreateFile",
    "createAdditionalData",
    (("input", "CreateAdditionalDataInput"),),
    (Result("uploadUrl"), Result("data", kind="DataFile")),
    touches=lambda cache, values: [(known(cache, values["input"]["clipId"]), ("files",))],
)
DELETE_FILE = Command(
    "DeleteFile",
    "deleteAdditionalData",
    (("id", "ID!"),),
    (Result("ok", FLAG),),
    done="ok",
    touches=_deleted("id"),
)
PROCESS_GAIT = Command(
    "ProcessGait",
    "processGaitTool",
    (("clips", "[String!]"), ("trialType", "String")),
    (Result("jobId"),),
    done="jobId",
)
CREATE_AUTOMATIC_REPORTS = Command(
    "CreateAutomaticReports",
    "createAutomaticInteractiveReports",
    (("sessionId", "ID!"), ("normId", "String")),
    (Result("ok", FLAG),),
    done="ok",
    touches=_created_reports,
)
CREATE_REPORT = Command(
    "CreateReport",
    "createInteractiveReport",
    (
        ("sessionId", "ID!"),
        ("reportType", "String!"),
        ("title", "String!"),
        ("trialsIds", "[String]!"),
        ("normId", "String"),
        ("templateId", "String"),
    ),
    (Result("ok", FLAG),),
    done="ok",
    touches=_created_reports,
)
CREATE_COMMENT = Command(
    "CreateComment",
    "createComment",
    (("clipId", "String!"), ("comment", "String!")),
    (Result("clip", kind="Clip"),),
    matches=_same("clip", "id", "clipId"),
    inside="inputs",
)

#: Every command by its name.
COMMANDS = {one.name: one for one in list(vars().values()) if isinstance(one, Command)}

#: Class -> the command that deletes an object of it, and the variable of its id.
DELETE_COMMANDS = {
    "Subject": (DELETE_SUBJECT, "patientId"),
    "Session": (DELETE_SESSION, "sessionId"),
    "Clip": (DELETE_CLIP, "clipId"),
    "DataFile": (DELETE_FILE, "id"),
}

__all__ = [*(name for name, one in list(vars().items()) if isinstance(one, Command)), "COMMANDS", "Command"]
