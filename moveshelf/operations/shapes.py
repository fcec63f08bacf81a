"""Shapes: which names of an object a caller wants, in the service's own names and in that order, as the flat client does."""

from __future__ import annotations

from typing import Any

from ..errors import ValidationError
from ..lazy.entity import Entity
from ..lazy.fields import PLAIN, TEXT, Many, Reference, Scalar
from ..lazy.selection import Item, Selection

#: Names that no field of a class stands for, with the JSON types of their values.
_EXTRA: dict[str, tuple[type, ...]] = {
    "originalDataDownloadUri": TEXT,
    "previewDataUri": TEXT,
    "previewImageUri": TEXT,
}


class Shape:
    """Names of an object's values, and by keyword the shapes of what lies below it; the id comes first by itself.

    `Shape("name", "metadata", sessions=Shape("date", "projectPath"))`. `first` limits a list to so many members.
    """

    def __init__(self, *names: str, first: int | None = None, **below: Shape) -> None:
        self.names = names
        self.first = first
        self.below = below
        self._selections: dict[type[Entity], Selection] = {}

    def selection(self, kind: type[Entity]) -> Selection:
        """The shape as a selection of a class."""
        found = self._selections.get(kind)
        if found is None:
            items = [_value(kind, name) for name in self.names]
            items += [_below(kind, name, shape) for name, shape in self.below.items()]
            found = self._selections[kind] = Selection(kind, items)
        return found


def _value(kind: type[Entity], name: str) -> Item:
    field = kind.by_wire.get(name)
    if isinstance(field, Scalar):
        return Item(name, field, None, types=field.types)
    return Item(name, types=_EXTRA.get(name, PLAIN))


def _below(kind: type[Entity], name: str, shape: Shape) -> Item:
    field = kind.by_wire.get(name)
    if isinstance(field, Scalar):
        return Item(name, field, None, nested=shape.names, is_list=field.is_list)
    if not isinstance(field, Reference):
        raise ValidationError(f"{kind.__name__} has no {name!r} that leads to other objects")
    options: dict[str, Any] = {}
    if isinstance(field, Many):
        options = {"is_list": True, "edges": field.edges}
        if shape.first is not None:
            options["arguments"] = (("first", str(shape.first)),)
    return Item(name, field, shape.selection(field.target), **options)
