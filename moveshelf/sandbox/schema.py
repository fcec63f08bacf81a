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
    GraphQLError,
    GraphQLScalarType,
    GraphQLSchema,
    OperationDefinitionNode,
    build_schema,
    parse,
    validate,
)

_BARE_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def load_schema() -> GraphQLSchema:
    """The schema that client and sandbox share, with scalars that refuse what is none of theirs."""
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
            if _BARE_DAY.fullmatch(value):
                datetime.strptime(value, "%Y-%m-%d")
            else:
                # Python 3.10 knows neither the Z nor other than 3 or 6 digits of a second
                datetime.fromisoformat(re.sub(r"\.\d+", "", value.replace("Z", "+00:00")))
            return value
        except ValueError:
            pass
    raise GraphQLError(f"DateTime cannot represent {value!r}: an ISO 8601 date or date-time is needed.")


def _json_string(value: Any) -> str:
    if isinstance(value, str):
        try:
            json.loads(value)
            return value
        except ValueError:
            pass
    raise GraphQLError("JSONString cannot represent this value: a string of valid JSON is needed.")


class Document:
    """One text, parsed and validated; `errors` says what is wrong with it."""

    def __init__(self, schema: GraphQLSchema, text: str) -> None:
        self.errors: list[GraphQLError] = []
        self.operations: dict[str, OperationDefinitionNode] = {}
        try:
            self.node = parse(text)
        except (GraphQLError, RecursionError) as error:  # the latter before graphql-core 3.3.2
            deep = GraphQLError("The document is nested too deep.")
            self.node = DocumentNode(definitions=())
            self.errors = [error if isinstance(error, GraphQLError) else deep]
            return
        self.errors = list(validate(schema, self.node))
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


class Documents:
    """The newest documents by their text, the oldest forgotten: reading a hundred aliases takes some 35 ms."""

    def __init__(self, schema: GraphQLSchema, keep: int = 500) -> None:
        self.schema = schema
        self.get = lru_cache(keep)(partial(Document, schema))
