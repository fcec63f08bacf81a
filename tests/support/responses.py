"""Responses to selections: those that are valid, a judge of validity, and changes of any value in them."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

from moveshelf.lazy.fields import TEXT
from moveshelf.lazy.selection import Item, Selection

#: Any JSON value.
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.just(1.5) | st.text("ab1", max_size=2),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["id", "edges", "node", "a"]), inner)
    ),
    max_leaves=4,
)

_BY_TYPE: dict[type, st.SearchStrategy[Any]] = {
    str: st.text(max_size=4),
    bool: st.booleans(),
    int: st.integers(),
    float: st.floats(allow_nan=False),
    type(None): st.none(),
}


def identities(selection: Selection) -> st.SearchStrategy[str]:
    """Ids of a class: two classes never share one."""
    return st.text("xyz", min_size=1, max_size=3).map(lambda text: f"{selection.kind.__name__}-{text}")


def scalars(types: tuple[type, ...]) -> st.SearchStrategy[Any]:
    """A value of one of the types."""
    return st.one_of([_BY_TYPE[one] for one in types])


@st.composite
def objects(draw: st.DrawFn, selection: Selection, identity: str | None = None) -> dict[str, Any]:
    """An object as the service sends it for a selection."""
    found: dict[str, Any] = {}
    if not selection.kind.is_root:
        found["id"] = draw(identities(selection)) if identity is None else identity
    for item in selection.items:
        if item.wire != "id":
            found[item.wire] = draw(_values(item))
    return found


def _values(item: Item) -> st.SearchStrategy[Any]:
    if item.below is not None:
        one = objects(item.below)
        if not item.is_list:
            return st.none() | one
        rows = st.lists(st.none() | one, max_size=2)
        if item.edges:
            edges = st.lists(st.none() | st.fixed_dictionaries({"node": st.none() | one}), max_size=2)
            return st.fixed_dictionaries({"edges": edges})
        return rows
    if item.nested:
        structure = st.fixed_dictionaries({name: scalars(TEXT) for name in item.nested})
        return st.none() | (st.lists(st.none() | structure, max_size=2) if item.is_list else structure)
    return scalars(item.types)


def is_valid(selection: Selection, node: Any, identity: str | None = None) -> bool:
    """Whether an object is what a selection says, by the plainest of rules."""
    if node is None or node == {}:
        return True
    if type(node) is not dict:
        return False
    if identity is not None and node.get("id") != identity:
        return False
    return _is_object(selection, node)


def _is_object(selection: Selection, node: Any) -> bool:
    if type(node) is not dict:
        return False
    identity = node.get("id")
    if not selection.kind.is_root and (type(identity) is not str or identity == ""):
        return False
    items = [one for one in selection.items if one.wire != "id"]
    return all(one.wire in node and _is_value(one, node[one.wire]) for one in items)


def _is_value(item: Item, value: Any) -> bool:
    if item.below is None and not item.nested:
        return type(value) in item.types
    if value is None:
        return item.below is None or not item.is_list  # an empty list is no null
    if item.below is None:
        rows = value if item.is_list else [value]
        if type(rows) is not list:
            return False
        return all(
            type(one) is dict and all(name in one and type(one[name]) in TEXT for name in item.nested)
            for one in rows
            if one is not None or not item.is_list
        )
    if not item.is_list:
        return _is_object(item.below, value)
    if item.edges:
        if type(value) is not dict:
            return False
        value = value.get("edges")
        if type(value) is not list or not all(one is None or type(one) is dict for one in value):
            return False
        value = [one.get("node") for one in value if one is not None]
    return type(value) is list and all(_is_object(item.below, one) for one in value if one is not None)


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where values lie in a JSON value, the value itself first."""
    found = [path]
    if isinstance(value, dict):
        for key, one in value.items():
            found += paths_of(one, (*path, key))
    elif isinstance(value, list):
        for number, one in enumerate(value):
            found += paths_of(one, (*path, number))
    return found


@st.composite
def changed(draw: st.DrawFn, value: Any) -> Any:
    """A JSON value of which one part is replaced by any other, or left out."""
    path = draw(st.sampled_from(paths_of(value)))
    if not path:
        return draw(json_values)
    made = copy.deepcopy(value)
    at = made
    for step in path[:-1]:
        at = at[step]
    if draw(st.booleans()):
        at[path[-1]] = draw(json_values)
    else:
        del at[path[-1]]
    return made
