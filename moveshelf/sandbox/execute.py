"""The rows behind graphql-core's execution: resolvers are hung into the schema once, at start."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    execute_sync,
    get_named_type,
    get_nullable_type,
    is_list_type,
)

if TYPE_CHECKING:
    from .service import Service

Leaf = Callable[[Any], Any]
Field = Callable[["Context", Any, dict[str, Any]], Any]
Resolver = Callable[..., Any]


class Refused(Exception):
    """A resolver's way to say no: its text becomes a GraphQL error."""


class Context:
    """One execution: who answers, and how many objects came of it."""

    __slots__ = ("objects", "service")

    def __init__(self, service: Service) -> None:
        self.service = service
        self.objects = 0


def attach(
    schema: GraphQLSchema, leaves: dict[str, dict[str, Leaf]], fields: dict[str, dict[str, Field]]
) -> None:
    """Give every field of a schema its resolver; a field that is in neither table is a key of a dict."""
    for declared in schema.type_map.values():
        if isinstance(declared, GraphQLInterfaceType):
            declared.resolve_type = _type_of
        if not isinstance(declared, GraphQLObjectType) or declared.name.startswith("__"):
            continue
        for name, definition in declared.fields.items():
            field = fields.get(declared.name, {}).get(name)
            leaf = leaves.get(declared.name, {}).get(name)
            resolve = _of_field(field) if field else _of_leaf(leaf) if leaf else _of_key(name)
            if _is_node(get_named_type(definition.type)):
                many = is_list_type(get_nullable_type(definition.type))
                resolve = _counting_many(resolve) if many else _counting_one(resolve)
            definition.resolve = resolve


def execute(
    schema: GraphQLSchema, document: DocumentNode, name: str | None, raw: dict[str, Any], context: Context
) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """Data and errors of one operation; the data is None if the request itself is wrong (its variables, say)."""
    result = execute_sync(schema, document, context_value=context, variable_values=raw, operation_name=name)
    errors = result.errors or []
    for error in errors:
        cause = error.original_error
        # a mistake of the sandbox's own is none of the answers that the service gives
        if cause is not None and not isinstance(cause, (Refused, GraphQLError, RecursionError)):
            raise cause
    return result.data, [dict(error.formatted) for error in errors]


def _type_of(row: Any, *_: Any) -> str:
    name: str = row.TYPE
    return name


def _is_node(named: Any) -> bool:
    return named.name == "Node" or any(i.name == "Node" for i in getattr(named, "interfaces", ()))


def _of_leaf(leaf: Leaf) -> Resolver:
    return lambda row, info: leaf(row)


def _of_field(field: Field) -> Resolver:
    return lambda row, info, **arguments: field(info.context, row, arguments)


def _of_key(key: str) -> Resolver:
    return lambda row, info: row.get(key)


def _counting_one(resolve: Resolver) -> Resolver:
    def resolver(row: Any, info: Any, **arguments: Any) -> Any:
        found = resolve(row, info, **arguments)
        info.context.objects += found is not None
        return found

    return resolver


def _counting_many(resolve: Resolver) -> Resolver:
    def resolver(row: Any, info: Any, **arguments: Any) -> Any:
        found = resolve(row, info, **arguments)
        info.context.objects += len(found or ())
        return found

    return resolver
