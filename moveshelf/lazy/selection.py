"""Which fields of a class a request selects, and how a response to it is populated into objects.

The text of the request (operations/text.py), the check of the response (operations/responses.py) and the populating of
objects are all made from the same selection, so that they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import attrs

from .cache import SLICE, Cache
from .entity import Entity
from .fields import BASIC, PLAIN, Field, Many, One, Reference, Scalar
from .state import NOT_LOADED, PrefetchMarker, State

#: Fields with what is wanted below each of them.
Tree = dict[Field[Any], "Tree"]


@attrs.frozen
class Item:
    """One name in a selection: a field, or a name that no field of the class stands for.

    `below` is what is selected of the objects that it leads to; `nested` the names of a structure that is no object.
    """

    wire: str
    field: Field[Any] | None = None
    below: Selection | None = None
    nested: tuple[str, ...] = ()
    #: the JSON types of the value, where nothing is below it
    types: tuple[type, ...] = PLAIN
    is_list: bool = False
    edges: bool = False
    #: argument and its literal or variable ("first", "20"); a list with arguments may be a part of the members only
    arguments: tuple[tuple[str, str], ...] = ()


class Selection:
    """Fields of one class, with what is selected below each of them."""

    __slots__ = ("_links", "_lists", "_parts", "_scalars", "fields", "items", "key", "kind", "name", "text")

    def __init__(self, kind: type[Entity], items: Iterable[Item]) -> None:
        self.kind = kind
        self.items = tuple(items)
        self.fields = tuple(one.field for one in self.items if one.field is not None)
        first = self.fields[0].name.title().replace("_", "") if self.fields else ""
        #: a name for an operation: the class and the first field that is selected
        self.name = kind.__name__ + first
        #: what tells selections of a class apart
        self.key: Any = tuple((one.wire, one.arguments, one.below and one.below.key) for one in self.items)
        #: the text of the selection, once it was written (operations/text.py)
        self.text: str | None = None
        slots = vars(kind)
        # the slots' own setters: attribute stores by name take twice as long, and a walk populates every object
        self._scalars: tuple[tuple[Callable[[Any, Any], None], str, Callable[[Any], Any] | None], ...] = (
            tuple(
                (slots[f.slot].__set__, f.wire, f.convert) for f in self._complete() if isinstance(f, Scalar)
            )
        )
        self._links = tuple(
            (one.field, one.below)
            for one in self.items
            if isinstance(one.field, One) and one.below is not None
        )
        many = [one for one in self.items if one.is_list and one.below is not None]
        self._lists = tuple(
            (one.field, one.below)
            for one in many
            if isinstance(one.field, Many) and one.below is not None and not one.arguments
        )
        self._parts = tuple(one for one in many if one.field is None or one.arguments)

    def _complete(self) -> Iterable[Field[Any]]:
        """The fields that a response has all of: a structure may be selected in part."""
        for one in self.items:
            if isinstance(one.field, Scalar) and set(one.field.nested) <= set(one.nested):
                yield one.field

    @classmethod
    def of(
        cls,
        kind: type[Entity],
        fields: Iterable[Field[Any]],
        nested: Mapping[Field[Any], Selection] | None = None,
    ) -> Selection:
        """Those fields; of objects that they lead to, what `nested` says, else what a listing brings."""
        nested = nested or {}
        return cls(
            kind,
            [
                item(one, nested.get(one) or basic(one.target) if isinstance(one, Reference) else None)
                for one in fields
            ],
        )

    def is_missing(self, obj: Entity) -> bool:
        """Whether any of the fields is not loaded."""
        return any(field.read(obj) is NOT_LOADED or not field.loaded(obj) for field in self.fields)

    # populating ----------------------------------------------------------------------------------------------
    def populate(self, cache: Cache, obj: Entity, data: Mapping[str, Any], clock: int) -> None:
        """Put a checked response into `obj` and what is below it; what a write has made stale is thrown away.

        `clock` is the cache's when the request was sent. The cache's lock is held.
        """
        if cache.writes and cache.is_stale(obj.id, clock):
            return
        get = data.get
        for put, wire, convert in self._scalars:
            value = get(wire)
            put(obj, value if value is None or convert is None else convert(value))
        for link, below in self._links:
            setattr(obj, link.slot, self._linked(cache, below, get(link.wire), clock))
        if cache.objects.noted is not None:
            cache.objects.note(obj)
        for many, members in self._lists:
            if cache.writes and cache.is_stale((obj.id, many.name), clock):
                continue  # a member came or went in between
            items = self.listed(cache, obj, many, members, many.members(get(many.wire)), clock)
            if cache.writes and (cache.is_stale(obj.id, clock) or cache.is_stale((obj.id, many.name), clock)):
                continue  # the same, while this was populated
            collection = many.read(obj)
            if collection.__class__ is State:
                collection = many.collection(obj)
            elif collection._items.__class__ is PrefetchMarker:
                collection._leave_window()
            collection._fill(items)
        for part in self._parts:
            assert part.below is not None
            for one in members_of(part, get(part.wire)):
                found = self._linked(cache, part.below, one, clock)
                child = None if found is None else cache.peek(found)
                back = part.field.back if isinstance(part.field, Many) else None
                if back is not None and child is not None:
                    setattr(child, type(child).fields[back].slot, obj.id)
                    cache.objects.note(child)

    def _linked(self, cache: Cache, below: Selection, data: Any, clock: int) -> str | None:
        if not data or "id" not in data or data["id"] in cache.deleted_ids:
            return None if not data else data.get("id")
        other = cache.objects.get(data["id"])
        if other.__class__ is not below.kind:  # none, or the id was taken for another kind's before
            cache.objects.drop(data["id"])
            other = cache.get(below.kind, data["id"])
        assert other is not None
        cache.hold(other)
        below.populate(cache, other, data, clock)
        return other.id

    @staticmethod
    def listed(
        cache: Cache,
        owner: Entity,
        field: Many[Any],
        below: Selection,
        rows: Sequence[Mapping[str, Any]],
        clock: int,
    ) -> list[Any]:
        """The members of a listing, populated. The hot path of a walk: one turn of its loop for every object."""
        cls = below.kind
        engine = owner._engine
        objects = cache.objects
        get = objects.get
        fixed = [] if field.back is None else [(vars(cls)[cls.fields[field.back].slot].__set__, owner.id)]
        for name in field.passes:
            value = type(owner).fields[name].read(owner)
            if isinstance(value, str):
                fixed.append((vars(cls)[cls.fields[name].slot].__set__, value))
        nested = below._links or below._lists or below._parts
        scalars, deleted = below._scalars, cache.deleted_ids
        items = []
        for begin in range(0, len(rows), SLICE):
            part = rows if len(rows) <= SLICE else rows[begin : begin + SLICE]
            if not nested:
                cache.pause_before(len(part))
            known, plain = objects.refs, not (nested or cache.writes)
            for data in part:
                if nested:
                    cache.pause_before(1)
                    known = objects.refs
                identity = data["id"]
                obj = get(identity) if identity in known else None
                if (
                    obj is None or obj.__class__ is not cls
                ):  # none, or the id was taken for another kind's before
                    if identity in deleted:
                        continue
                    obj = cls(identity, engine)
                    objects.put(obj)
                if plain:
                    value_of = data.get
                    for put, wire, convert in scalars:
                        value = value_of(wire)
                        put(obj, value if value is None or convert is None else convert(value))
                else:
                    below.populate(cache, obj, data, clock)
                    if identity in deleted:  # while what is below it was populated
                        continue
                for put, value in fixed:
                    put(obj, value)
                if objects.noted is not None:
                    objects.note(obj)
                items.append(obj)
        return items


def item(field: Field[Any], below: Selection | None = None) -> Item:
    """A field as an item of a selection."""
    if isinstance(field, Many):
        return Item(field.wire, field, below, is_list=True, edges=field.edges)
    if isinstance(field, Scalar):
        return Item(field.wire, field, None, field.nested, field.types, is_list=field.is_list)
    return Item(field.wire, field, below)


def members_of(one: Item, value: Any) -> list[Mapping[str, Any]]:
    """The dictionaries of a list in a response; nulls among them are left out."""
    if value is None:
        return []
    if one.edges:
        return [edge["node"] for edge in value.get("edges") or () if edge and edge.get("node")]
    return [row for row in value if row]


_GROUPS: dict[tuple[type[Entity], str], Selection] = {}


def basic(kind: type[Entity]) -> Selection:
    """What a listing brings of a class: what identifies and sorts."""
    return group(kind, BASIC)


def group(kind: type[Entity], name: str) -> Selection:
    """What is fetched together when one field of the group is touched."""
    found = _GROUPS.get((kind, name))
    if found is None:
        found = _GROUPS[kind, name] = Selection.of(kind, kind.groups[name])
    return found


_DEEP: dict[tuple[type[Entity], Any], Selection] = {}


def deep(kind: type[Entity], tree: Tree) -> Selection:
    """A tree of fields as a selection; of each object below, what a listing brings besides. Made once for a tree."""
    key = (kind, _tree_key(tree))
    found = _DEEP.get(key)
    if found is None:
        nested: dict[Field[Any], Selection] = {
            field: deep(field.target, {**{one: {} for one in basic(field.target).fields}, **below})
            for field, below in tree.items()
            if isinstance(field, Reference)
        }
        found = _DEEP[key] = Selection.of(kind, tree, nested)
    return found


def _tree_key(tree: Tree) -> Any:
    return tuple((field.name, _tree_key(below)) for field, below in tree.items())
