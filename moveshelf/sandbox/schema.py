"""schema.graphql as graphql-core reads it, and the documents that were parsed and validated against it."""

from __future__ import annotations

import json
import re
from datetime import datetime
from functools import lru_cache, partial
from importlib.resources import files
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLScalarType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    build_schema,
    parse,
    validate,
)

from .days import iso_day

# levels of fields in a document, fragments counted where they are spread: an introspection query has 15
MAX_DEPTH = 30
# levels of lists and objects in the variables: filters are nested groups
MAX_NESTING = 100

_BARE_DAY = re.compile(r"\d{4}-\d{1,2}-\d{1,2}")


def load_schema() -> GraphQLSchema:
    """The schema that client and sandbox share, with scalars that refuse invalid values."""
    text = files("moveshelf.wire").joinpath("schema.graphql").read_text(encoding="utf-8")
    schema = build_schema(text)
    for name, check in (("DateTime", _date_time), ("JSONString", _json_string)):
        scalar = schema.type_map[name]
        assert isinstance(scalar, GraphQLScalarType)
        scalar.parse_value = check  # type: ignore[method-assign]
        # graphql-core 3.3 renamed the hook and calls the new name
        if hasattr(scalar, "coerce_input_value"):
            scalar.coerce_input_value = check
    return schema


def _date_time(value: Any) -> str:
    if isinstance(value, str):
        try:
            if not _BARE_DAY.fullmatch(value):
                # Python 3.10 knows neither the Z nor other than 3 or 6 digits of a second
                datetime.fromisoformat(re.sub(r"\.\d+", "", value.replace("Z", "+00:00")))
                return value
            if iso_day(value):
                return value
        except ValueError:
            pass
    raise GraphQLError(f"DateTime cannot represent {value!r}: an ISO 8601 date or date-time is needed.")


def _json_string(value: Any) -> str:
    if isinstance(value, str):
        try:
            json.loads(value)
            return value
        except (ValueError, RecursionError):
            pass
    raise GraphQLError("JSONString cannot represent this value: a string of valid JSON is needed.")


class Document:
    """One text, parsed and validated; `errors` says what is wrong with it."""

    def __init__(self, schema: GraphQLSchema, text: str) -> None:
        self.errors: list[GraphQLError] = []
        self.operations: dict[str, OperationDefinitionNode] = {}
        self.node = DocumentNode(definitions=())
        try:
            node = parse(text)
            _check_depth(node)
            self.errors = list(validate(schema, node))
        except GraphQLError as error:
            self.errors = [error]
            return
        except RecursionError:
            self.errors = [GraphQLError("The document is nested too deep.")]
            return
        self.node = node
        for definition in self.node.definitions:
            if isinstance(definition, OperationDefinitionNode):
                self.operations[definition.name.value if definition.name else ""] = definition

    def operation(self, name: str | None) -> OperationDefinitionNode | None:
        """The operation to carry out, or None where the request does not say which."""
        if name:
            return self.operations.get(name)
        return next(iter(self.operations.values())) if len(self.operations) == 1 else None

    def root_fields(self, operation: OperationDefinitionNode) -> set[str]:
        """The names of the operation's fields at the top: what a fault can aim at."""
        return {
            selection.name.value
            for selection in operation.selection_set.selections
            if isinstance(selection, FieldNode)
        }


def _check_depth(document: DocumentNode) -> None:
    """Refuse a document of too many levels, or with a fragment that contains itself.

    One that validates could otherwise name a project's subjects, their project, its subjects, and so on: a short text with a
    response that never ends.
    """
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    known: dict[str, int] = {}

    def levels(selections: SelectionSetNode | None, inside: tuple[str, ...]) -> int:
        deepest = 0
        for selection in selections.selections if selections else ():
            if isinstance(selection, FragmentSpreadNode):
                deepest = max(deepest, spread(selection.name.value, inside))
            elif isinstance(selection, InlineFragmentNode):
                deepest = max(deepest, levels(selection.selection_set, inside))
            elif isinstance(selection, FieldNode):
                deepest = max(deepest, 1 + levels(selection.selection_set, inside))
        return deepest

    def spread(name: str, inside: tuple[str, ...]) -> int:
        if name in inside:
            circle = " > ".join((*inside[inside.index(name) :], name))
            raise GraphQLError(f"The fragment {name!r} contains itself: {circle}.")
        if name not in fragments:  # the validation says so
            return 0
        if name not in known:
            known[name] = levels(fragments[name].selection_set, (*inside, name))
        return known[name]

    deepest = 0
    for definition in document.definitions:
        if isinstance(definition, FragmentDefinitionNode):
            deepest = max(deepest, spread(definition.name.value, ()))
        elif isinstance(definition, OperationDefinitionNode):
            deepest = max(deepest, levels(definition.selection_set, ()))
    if deepest > MAX_DEPTH:
        raise GraphQLError(
            f"The document is nested too deep: {deepest} levels of fields, and at most {MAX_DEPTH} are carried out."
        )


def nesting(value: Any) -> int:
    """How many levels of lists and objects a JSON value has."""
    deepest, level = 0, [value]
    while level := [one for one in level if isinstance(one, (dict, list))]:
        deepest += 1
        level = [below for one in level for below in (one.values() if isinstance(one, dict) else one)]
    return deepest


class Documents:
    """The newest documents by their text, the oldest dropped: reading a hundred aliases takes some 35 ms."""

    def __init__(self, schema: GraphQLSchema, keep: int = 500) -> None:
        self.schema = schema
        self.get = lru_cache(keep)(partial(Document, schema))
