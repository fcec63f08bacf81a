"""GraphQL text: selections, fields with their arguments, whole operations. Queries and commands are put together of these.

Requests are strings: gql's own path through syntax trees takes hundreds of times longer. Ids travel as variables, so
that a text depends on the shape of the request and on the number of objects only, and is made once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from ..lazy.selection import Item, Selection


def fields_text(selection: Selection) -> str:
    """What is selected of an object: `id name sessions { id projectPath }`."""
    if selection.text is None:
        words = [] if selection.kind.is_root else ["id"]
        for one in selection.items:
            word = _item_text(one)
            if word not in words:
                words.append(word)
        selection.text = " ".join(words)
    return selection.text


def _item_text(one: Item) -> str:
    head = one.wire
    if one.arguments:
        head += "(" + ", ".join(f"{name}: {value}" for name, value in one.arguments) + ")"
    if one.below is not None:
        below = fields_text(one.below)
        return f"{head} {{ edges {{ node {{ {below} }} }} }}" if one.edges else f"{head} {{ {below} }}"
    return f"{head} {{ {' '.join(one.nested)} }}" if one.nested else head


@lru_cache(maxsize=1024)
def node_text(name: str, wire: str, fields: str, variable: str) -> str:
    """A query for `fields` of one object, whose id is in `variable`; alias n0."""
    return (
        f"query {name}(${variable}: ID!) {{ n0: node(id: ${variable}) {{ ... on {wire} {{ {fields} }} }} }}"
    )


@lru_cache(maxsize=1024)
def nodes_text(name: str, wire: str, fields: str, count: int) -> str:
    """A query for `fields` of `count` objects: aliases n0, n1, ...; variables id0, id1, ..."""
    variables = ", ".join(f"$id{n}: ID!" for n in range(count))
    aliases = " ".join(f"n{n}: node(id: $id{n}) {{ ...Fields }}" for n in range(count))
    return f"query {name}({variables}) {{ {aliases} }} fragment Fields on {wire} {{ {fields} }}"


@lru_cache(maxsize=64)
def viewer_text(name: str, fields: str) -> str:
    """A query for what is reached without an id."""
    return f"query {name} {{ n0: viewer {{ {fields} }} }}"


def operation_text(kind: str, name: str, variables: Iterable[tuple[str, str]], fields: Sequence[str]) -> str:
    """An operation with variables (name, type) and its top-level fields, aliases and all."""
    declared = ", ".join(f"${variable}: {type_}" for variable, type_ in variables)
    return f"{kind} {name}{f'({declared})' if declared else ''} {{ {' '.join(fields)} }}"


def field_text(
    alias: str, field: str, arguments: Iterable[tuple[str, str]], below: str, inside: str = ""
) -> str:
    """A top-level field: `alias: field(argument: $variable) { below }`; with all arguments `inside` one object."""
    given = ", ".join(f"{name}: ${variable}" for name, variable in arguments)
    if inside:
        given = f"{inside}: {{{given}}}"
    return f"{alias}: {field}({given}) {{ {below} }}" if below else f"{alias}: {field}({given})"


def fragment_text(wire: str, fields: str) -> str:
    """What is selected where the object is of that type."""
    return f"... on {wire} {{ {fields} }}"
