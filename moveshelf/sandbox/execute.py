"""The rows behind graphql-core's execution: resolvers are attached to the schema once, at start."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import graphql
from attrs import frozen
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
Count = Callable[[Any], int]


class Refused(Exception):
    """A resolver's way to say no: its text becomes a GraphQL error."""


class Context:
    """One execution: the service behind it, and how many objects it returned."""

    __slots__ = ("objects", "service")

    def __init__(self, service: Service) -> None:
        self.service = service
        self.objects = 0


# the values that a scalar leaves as they are; graphql-core converts, or refuses, all others
_KINDS: dict[str, type] = {"ID": str, "String": str, "DateTime": str, "JSONString": str, "Boolean": bool}


_SHORT = "short ways"  # under this name with a type


@frozen
class _Short:
    """How a field is resolved where graphql-core has nothing to complete."""

    leaf: Leaf | None
    field: Field | None
    kind: type | None
    nullable: bool


def _executor() -> dict[str, Any]:
    """graphql-core's executor with a short way for what needs no completing: a text or truth value, an empty list.

    Nine fields of ten are such, and the whole way costs five times as much.
    """
    base: Any = getattr(graphql, "Executor", None)
    if base is None:  # an older graphql-core: the whole way
        return {}

    class Executor(base):  # type: ignore[misc]
        def execute_field(self, parent: Any, row: Any, selected: Any, *rest: Any) -> Any:
            fields = parent.extensions.get(_SHORT)
            short = None if fields is None else fields.get(selected[0].node.name.value)
            if short is not None:
                leaf, field, kind, nullable = short.leaf, short.field, short.kind, short.nullable
                try:
                    value = leaf(row) if leaf else field(self.context_value, row, {})
                except Exception:  # again by graphql-core, where it becomes an error of the response
                    return super().execute_field(parent, row, selected, *rest)
                if value.__class__ is kind or (value is None and nullable):
                    return value
                if value.__class__ is list and not value:
                    return []
            return super().execute_field(parent, row, selected, *rest)

    return {"executor_class": Executor}


_EXECUTOR = _executor()


def attach(
    schema: GraphQLSchema, leaves: dict[str, dict[str, Leaf]], fields: dict[str, dict[str, Field]]
) -> None:
    """Give every field of a schema its resolver; a field that is in neither table is a key of a dict."""
    for declared in schema.type_map.values():
        if isinstance(declared, GraphQLInterfaceType):
            declared.resolve_type = _type_of
        if not isinstance(declared, GraphQLObjectType) or declared.name.startswith("__"):
            continue
        ways: dict[str, _Short] = declared.extensions.setdefault(_SHORT, {})
        for name, definition in declared.fields.items():
            field = fields.get(declared.name, {}).get(name)
            leaf = None if field else leaves.get(declared.name, {}).get(name) or _of_key(name)
            named, bare = get_named_type(definition.type), get_nullable_type(definition.type)
            many = is_list_type(bare)
            count = None if not _is_node(named) else len if many else _one
            definition.resolve = _of_field(field, count) if field else _of_leaf(leaf, count)
            kind = None if many else _KINDS.get(named.name)
            if (kind or many) and not definition.args and declared is not schema.mutation_type:
                ways[name] = _Short(leaf, field, kind, bare is definition.type)


def execute(
    schema: GraphQLSchema, document: DocumentNode, name: str | None, raw: dict[str, Any], context: Context
) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """Data and errors of one operation; the data is None if the request itself is wrong (its variables, say)."""
    result = execute_sync(
        schema, document, context_value=context, variable_values=raw, operation_name=name, **_EXECUTOR
    )
    errors = result.errors or []
    for error in errors:
        cause = error.original_error
        # a bug of the sandbox is raised, not sent as an error of the service
        if cause is not None and not isinstance(cause, (Refused, GraphQLError, RecursionError)):
            raise cause
    return result.data, [dict(error.formatted) for error in errors]


def _type_of(row: Any, *_: Any) -> str:
    name: str = row.TYPE
    return name


def _is_node(named: Any) -> bool:
    return named.name == "Node" or any(i.name == "Node" for i in getattr(named, "interfaces", ()))


def _of_key(key: str) -> Leaf:
    return lambda row: row.get(key)


def _one(_: Any) -> int:
    return 1


def _of_leaf(leaf: Any, count: Count | None) -> Resolver:
    if count is None:
        return lambda row, info: leaf(row)

    def resolver(row: Any, info: Any) -> Any:
        found = leaf(row)
        if found:
            info.context.objects += count(found)
        return found

    return resolver


def _of_field(field: Field, count: Count | None) -> Resolver:
    if count is None:
        return lambda row, info, **arguments: field(info.context, row, arguments)

    def resolver(row: Any, info: Any, **arguments: Any) -> Any:
        context = info.context
        found = field(context, row, arguments)
        if found:
            context.objects += count(found)
        return found

    return resolver
