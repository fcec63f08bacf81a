"""Every query of the library, each once: what it selects, where in the response objects lie, and how it is checked.

A query selects under aliases of its own (n0, n1, ...), never a bare `node`, so that a response that belongs to another
request does not pass for its own.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from ..lazy.entity import Entity
from ..lazy.fields import BASIC
from ..lazy.registry import ENTITIES
from ..lazy.selection import Selection, group
from . import text
from .responses import InvalidResponseError, check_node, check_rows, errors_by_alias

#: The name of a single id's variable, by the service's name of the type.
_ID_VARIABLES = {
    "Project": "projectId",
    "Patient": "patientId",
    "Session": "sessionId",
    "MocapClip": "clipId",
    "Job": "jobId",
}


@attrs.frozen(eq=False)
class Part:
    """One top-level field of a query: its alias, whose object it is, and what is selected of it.

    `listing` is the name of a list below the object, whose members `selection` is of.
    """

    alias: str
    selection: Selection | None = None
    id: str | None = None
    listing: str = ""
    edges: bool = False


@attrs.frozen(eq=False)
class Query:
    """A query: its operation's name, its text and variables, and its parts."""

    operation: str
    text: str
    variables: Mapping[str, Any]
    parts: tuple[Part, ...]

    def check(self, data: Mapping[str, Any] | None, errors: Sequence[Any] = ()) -> None:
        """Check the response's `data`. Raises InvalidResponseError, which names the operation."""
        if data is None:
            return
        bad = errors_by_alias(errors) if errors else {}
        for part in self.parts:
            if part.alias in bad or "" in bad:
                continue
            if part.alias not in data:
                raise InvalidResponseError(
                    f"the response to {self.operation} lacks {part.alias!r}: it belongs to another request. "
                    "Nothing of it was used; try again"
                )
            node = data[part.alias]
            if part.selection is None:
                if part.id is not None and node and (node.__class__ is not dict or node.get("id") != part.id):
                    raise InvalidResponseError(
                        f"the response to {self.operation} is not of {part.id!r}. Nothing of it was used; try again"
                    )
                continue
            if not part.listing:
                check_node(part.selection, node, part.id, self.operation)
            elif node:
                if node.__class__ is not dict or node.get("id") != part.id:
                    raise InvalidResponseError(
                        f"the response to {self.operation} is not of {part.id!r}. Nothing of it was used; try again"
                    )
                if part.listing not in node:
                    raise InvalidResponseError(
                        f"the response to {self.operation} has no {part.listing!r}: it belongs to another request. "
                        "Nothing of it was used; try again"
                    )
                check_rows(part.selection, node.get(part.listing), self.operation, part.edges)


def nodes(selection: Selection, ids: Sequence[str], operation: str = "") -> Query:
    """A selection of objects with those ids; of the account, for its class."""
    name = operation or selection.name
    kind = selection.kind
    fields = text.fields_text(selection)
    if kind.is_root:
        return Query(selection.name, text.viewer_text(selection.name, fields), {}, (Part("n0", selection),))
    if len(ids) == 1:
        variable = _ID_VARIABLES.get(kind.wire, "id")
        body = text.node_text(name, kind.wire, fields, variable)
        return Query(name, body, {variable: ids[0]}, (Part("n0", selection, ids[0]),))
    body = text.nodes_text(name, kind.wire, fields, len(ids))
    variables = {f"id{n}": identity for n, identity in enumerate(ids)}
    parts = tuple(Part(f"n{n}", selection, identity) for n, identity in enumerate(ids))
    return Query(name, body, variables, parts)


@attrs.frozen(eq=False)
class Listing:
    """A list of a project that the service filters: its name, its members' class and the types of its arguments."""

    field: str
    kind: str
    arguments: Mapping[str, str]
    edges: bool = False

    def query(self, project: str, arguments: Mapping[str, Any], selection: Selection | None = None) -> Query:
        """The members that fit the arguments (absent ones are null): what a listing brings, or a selection."""
        selection = selection or group(ENTITIES[self.kind], BASIC)
        below = text.fields_text(selection)
        if self.edges:
            below = f"edges {{ node {{ {below} }} }}"
        given = [name for name in self.arguments if name in arguments]
        inner = ", ".join(f"{name}: ${name}" for name in given)
        fields = f"id {self.field}{f'({inner})' if inner else ''} {{ {below} }}"
        operation = f"Project{self.field[:1].upper()}{self.field[1:]}"
        declared = [("projectId", "ID!"), *((name, self.arguments[name]) for name in given)]
        node = text.field_text("n0", "node", [("id", "projectId")], text.fragment_text("Project", fields))
        body = text.operation_text("query", operation, declared, [node])
        part = Part("n0", selection, project, self.field, self.edges)
        return Query(
            operation, body, {"projectId": project, **{name: arguments[name] for name in given}}, (part,)
        )


SUBJECTS = Listing(
    "patients",
    "Subject",
    {"metadataFilters": "BaseFilterInput", "sessionFilters": "SessionFilterInput"},
)
SESSIONS = Listing("sessions", "Session", {"startDate": "DateTime", "endDate": "DateTime"})
RECENT_SESSIONS = Listing(
    "recentSessions",
    "Session",
    {
        "startDate": "DateTime",
        "endDate": "DateTime",
        "limit": "Int",
        "metadataFilters": "[SessionMetadataFilterInput!]",
        "patientMetadataFilters": "[PatientMetadataFilterInput!]",
    },
)
CLIPS = Listing("clips", "Clip", {"first": "Int"}, edges=True)


def alias_of(*values: str) -> str:
    """An alias for what is requested by other values than an id, so that nothing else in a response could be compared.

    The response to another request, come twice or late, has another alias and is refused.
    """
    return f"a{zlib.crc32(json.dumps(values).encode()):08x}"


def subject_by_ehr_id(project: str, ehr_id: str, selection: Selection | None = None) -> Query:
    """The subject of a project with that EHR id."""
    selection = selection or group(ENTITIES["Subject"], BASIC)
    arguments = [("ehrId", "String!"), ("projectId", "String!")]
    alias = alias_of("patient", project, ehr_id)
    node = text.field_text(
        alias, "patient", [(name, name) for name, _ in arguments], text.fields_text(selection)
    )
    body = text.operation_text("query", "SubjectByEhrId", arguments, [node])
    variables = {"ehrId": ehr_id, "projectId": project}
    return Query("SubjectByEhrId", body, variables, (Part(alias, selection),))


def kind_of(identity: str) -> Query:
    """Which type the object with an id is of."""
    body = text.operation_text(
        "query", "Kind", [("id", "ID!")], [text.field_text("n0", "node", [("id", "id")], "__typename id")]
    )
    return Query("Kind", body, {"id": identity}, (Part("n0", id=identity),))


#: What a write is compared with before it is sent, by class.
STATE_FIELDS = {
    "Subject": ("name", "stored", "updated"),
    "Session": ("path", "date", "stored", "updated"),
}
#: The validator's argument for the object whose metadata it is.
_OWNER_ARGUMENTS = {"Subject": "subjectId", "Session": "sessionId"}


def state_and_complaints(
    kind: type[Entity], identity: str, tabs: Sequence[tuple[str, Any]], stored: bool
) -> Query:
    """What is stored of an object now (`n0`, if `stored`), and the validator's complaints on metadata.

    `tabs`: the tab that the validator looks at ("subjectMetadata") and the metadata's values; the query's first parts.
    """
    declared: list[tuple[str, str]] = []
    fields: list[str] = []
    variables: dict[str, Any] = {}
    parts: list[Part] = []
    owner = _OWNER_ARGUMENTS[kind.__name__]
    if tabs:
        declared.append((owner, "String!"))
        variables[owner] = identity
    for n, (tab, values) in enumerate(tabs):
        declared += [(f"metadata{n}", "String!"), (f"tab{n}", "String!")]
        variables[f"metadata{n}"] = json.dumps(values, ensure_ascii=False, allow_nan=False)
        variables[f"tab{n}"] = tab
        arguments = [
            ("importedMetadata", f"metadata{n}"),
            ("whichTabToValidate", f"tab{n}"),
            (owner, owner),
        ]
        alias = alias_of(str(n), tab, identity, variables[f"metadata{n}"])
        fields.append(text.field_text(alias, "metadataValidator", arguments, "validationErrors"))
        parts.append(Part(alias))
    if stored:
        selection = stored_state(kind)
        declared.append(("id", "ID!"))
        variables["id"] = identity
        fragment = text.fragment_text(kind.wire, text.fields_text(selection))
        fields.append(text.field_text("n0", "node", [("id", "id")], fragment))
        parts.append(Part("n0", selection, identity))
    operation = f"Check{kind.wire}"
    return Query(
        operation, text.operation_text("query", operation, declared, fields), variables, tuple(parts)
    )


def complaints_on(rows: Sequence[tuple[type[Entity], str, str, str]]) -> Query:
    """The validator's complaints (`v0`, `v1`, ...) on the metadata of many objects.

    A row is the class and the id of an object, the validator's tab, and the metadata as JSON text.
    """
    declared: list[tuple[str, str]] = []
    fields: list[str] = []
    variables: dict[str, Any] = {}
    for n, (kind, identity, tab, values) in enumerate(rows):
        owner = _OWNER_ARGUMENTS[kind.__name__]
        declared += [(f"{owner}{n}", "String!"), (f"metadata{n}", "String!"), (f"tab{n}", "String!")]
        variables.update({f"{owner}{n}": identity, f"metadata{n}": values, f"tab{n}": tab})
        arguments = [("importedMetadata", f"metadata{n}"), ("whichTabToValidate", f"tab{n}")]
        arguments.append((owner, f"{owner}{n}"))
        fields.append(text.field_text(f"v{n}", "metadataValidator", arguments, "validationErrors"))
    parts = tuple(Part(f"v{n}") for n in range(len(rows)))
    body = text.operation_text("query", "CheckMany", declared, fields)
    return Query("CheckMany", body, variables, parts)


def stored_state(kind: type[Entity]) -> Selection:
    """What a write is compared with before it is sent."""
    known = _STATES.get(kind)
    if known is None:
        known = _STATES[kind] = Selection.of(
            kind, [kind.fields[name] for name in STATE_FIELDS[kind.__name__]]
        )
    return known


_STATES: dict[type[Entity], Selection] = {}


def complaints_in(value: Any) -> list[str]:
    """The validator's complaints in a response. Raises InvalidResponseError."""
    found = value.get("validationErrors") if isinstance(value, dict) else None
    if value is not None and (not isinstance(value, dict) or not isinstance(found or [], list)):
        raise InvalidResponseError("the validator's response holds no list of complaints; try again")
    return [str(one) for one in found or ()]
