"""The check of responses: nothing in a response is believed, by an object or a caller, before it passed here.

Each object's id is the id that was requested, values have the types that the selection says, and what is off becomes an
InvalidResponseError, never a TypeError of ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

from ..errors import NotFoundError, QueryError, RequestError
from ..lazy.entity import Entity
from ..lazy.fields import TEXT
from ..lazy.selection import Item, Selection
from ..wire import Response


class InvalidResponseError(RequestError):
    """A response that is not the one to its request, or not what the service's schema says. Nothing of it was used."""


def check_node(selection: Selection, node: Any, identity: str | None, where: str) -> None:
    """Check one object of a response: null, `{}` (another type than the selection's), or what the selection says.

    `identity` is the id that was requested, None for an object that is reached without one.
    """
    if node is None or node == {}:
        return
    if node.__class__ is not dict:
        raise _invalid(where, f"an object was expected, not {_shown(node)}")
    if identity is None and not selection.kind.is_root and node.get("id").__class__ is not str:
        raise _invalid(where, f"an object without an id: {_shown(node.get('id'))}")
    if identity is not None and node.get("id") != identity:
        raise _invalid(where, f"the object {identity!r} was requested, and {_shown(node.get('id'))} came")
    _check_fields(selection, node, where)


def is_valid(selection: Selection, node: Any, identity: str | None = None) -> bool:
    """Whether an object can be populated from a dictionary: a flat client's replaced methods may return anything."""
    try:
        check_node(selection, node, identity, selection.name)
    except InvalidResponseError:
        return False
    return isinstance(node, dict) and (selection.kind.is_root or isinstance(node.get("id"), str))


def check_rows(selection: Selection, rows: Any, where: str, edges: bool = False) -> list[dict[str, Any]]:
    """Check a list of objects; returns those that are not null."""
    found = _rows(rows, edges, where)
    _check_list(selection, found, where)
    return found


def _rows(value: Any, edges: bool, where: str) -> list[dict[str, Any]]:
    if value is None:
        return []
    if edges:
        if value.__class__ is not dict:
            raise _invalid(where, f"edges were expected, not {_shown(value)}")
        value = value.get("edges")
    if value.__class__ is not list:
        raise _invalid(where, f"a list was expected, not {_shown(value)}")
    if edges:
        nodes = []
        for edge in value:
            if edge is not None and edge.__class__ is not dict:
                raise _invalid(where, f"an edge was expected, not {_shown(edge)}")
            nodes.append(None if edge is None else edge.get("node"))
        value = nodes
    return [row for row in value if row is not None]


def _check_list(selection: Selection, rows: Sequence[Any], where: str) -> None:
    if not rows or _is_right(selection, rows):
        return
    scalars, deep = _parts(selection)
    for row in rows:  # one of them is not what was requested, or may be null: which one, and where
        if row.__class__ is not dict:
            raise _invalid(where, f"an object was expected, not {_shown(row)}")
        get = row.get
        if get("id").__class__ is not str:
            raise _invalid(where, f"an object without an id: {_shown(row)}")
        for wire, types in scalars:
            if get(wire, _ABSENT).__class__ not in types:
                raise _invalid(where, f"{wire!r} is {_shown(get(wire, _ABSENT))}")
        for one in deep:
            _check_item(one, get(one.wire, _ABSENT), where)


def _is_right(selection: Selection, rows: Sequence[Any]) -> bool:
    """Whether all rows are what the selection says, with no null among objects: the hot path, a column at a time.

    One call for each name and level, not one for each object and name: a response has up to 100,000 of them.
    """
    scalars, deep = _parts(selection)
    if not _DICT.issuperset(map(type, rows)):
        return False
    try:
        if not _STR.issuperset(map(type, map(_ID, rows))):
            return False
        for wire, types in scalars:
            if not types.issuperset(map(type, map(itemgetter(wire), rows))):
                return False
        for one in deep:
            values = list(map(itemgetter(one.wire), rows))
            if one.below is None or one.edges:
                return False
            if one.is_list:
                if not _LIST.issuperset(map(type, values)):
                    return False
                values = list(chain.from_iterable(values))
            else:
                values = [value for value in values if value is not None]
            if values and not _is_right(one.below, values):
                return False
    except KeyError:
        return False
    return True


_ID = itemgetter("id")
_DICT, _LIST, _STR = frozenset({dict}), frozenset({list}), frozenset({str})


def _check_fields(selection: Selection, node: dict[str, Any], where: str) -> None:
    scalars, deep = _parts(selection)
    for wire, types in scalars:
        if node.get(wire, _ABSENT).__class__ not in types:
            raise _invalid(where, f"{wire!r} is {_shown(node.get(wire, _ABSENT))}")
    for one in deep:
        _check_item(one, node.get(one.wire, _ABSENT), where)


def _check_item(one: Item, value: Any, where: str) -> None:
    if value is None:
        if one.is_list and one.below is not None:
            # an empty list is `[]`: null where no error says why is a response that lost something on its way
            raise _invalid(f"{where}.{one.wire}", "a list was expected, not None")
        return
    where = f"{where}.{one.wire}"
    if value is _ABSENT:
        raise _invalid(where, "it is absent")
    if one.below is None:
        _check_structure(one, value, where)
    elif one.is_list:
        _check_list(one.below, _rows(value, one.edges, where), where)
    else:
        if value.__class__ is not dict:
            raise _invalid(where, f"an object was expected, not {_shown(value)}")
        if not one.below.kind.is_root and value.get("id").__class__ is not str:
            raise _invalid(where, f"an object without an id: {_shown(value)}")
        _check_fields(one.below, value, where)


def _check_structure(item: Item, value: Any, where: str) -> None:
    for one in _rows(value, False, where) if item.is_list else [value]:
        if one.__class__ is not dict:
            raise _invalid(where, f"an object was expected, not {_shown(one)}")
        for name in item.nested:
            if one.get(name, _ABSENT).__class__ not in TEXT:
                raise _invalid(where, f"{name!r} is {_shown(one.get(name, _ABSENT))}")


_PARTS: dict[int, tuple[Selection, list[tuple[str, frozenset[type]]], list[Item]]] = {}


def _parts(selection: Selection) -> tuple[list[tuple[str, frozenset[type]]], list[Item]]:
    """What is checked by its type, and what is looked into; made once for a selection."""
    known = _PARTS.get(id(selection))
    if known is None:
        flat = [
            (one.wire, frozenset(one.types))
            for one in selection.items
            if one.below is None and not one.nested and one.wire != "id"
        ]
        deep = [one for one in selection.items if one.below is not None or one.nested]
        if len(_PARTS) > 1000:  # selections that were made for one request each
            _PARTS.clear()
        known = _PARTS[id(selection)] = (selection, flat, deep)
    return known[1], known[2]


def _invalid(where: str, what: str) -> InvalidResponseError:
    return InvalidResponseError(
        f"the response to {where} is not what was requested: {what}. Nothing of it was used; try again, and if it "
        "keeps happening look at what lies between here and the service (a proxy, a cache)"
    )


class _Absent:
    """Stands for a name that was requested and is not in the response."""


_ABSENT = _Absent()


def _shown(value: Any) -> str:
    if value is _ABSENT:
        return "absent"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


# errors in a response ------------------------------------------------------------------------------------------------
def errors_by_alias(errors: Sequence[Any]) -> dict[str, list[dict[str, Any]]]:
    """GraphQL errors sorted by the alias that their path begins with; those without a path are under ""."""
    found: dict[str, list[dict[str, Any]]] = {}
    for error in errors:
        path = error.get("path") if isinstance(error, Mapping) else None
        alias = str(path[0]) if isinstance(path, list) and path else ""
        found.setdefault(alias, []).append(error)
    return found


def query_error(errors: Sequence[dict[str, Any]], operation: str, response: Response) -> QueryError:
    """The service's own text as an exception."""
    texts = "; ".join(str(error.get("message", error)) for error in errors) or "no data in the response"
    return QueryError(
        f"the service refused {operation}: {texts}",
        errors=errors,
        data=response.data,
        request_id=response.request_id,
        operation=operation,
    )


class WrongKindError(NotFoundError):
    """The id belongs to an object of another kind."""


def no_such(kind: type[Entity], identity: str, node: Any) -> NotFoundError:
    """What an empty response for an id means."""
    name = kind.__name__
    if node is None:
        return NotFoundError(
            f"the service has no {name.lower()} with id {identity!r} (deleted, or not visible with your key)"
        )
    return WrongKindError(f"{identity!r} is not the id of a {name.lower()} but of something else")
