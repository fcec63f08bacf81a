"""The shapes of the flat client's results."""

from __future__ import annotations

import pytest
from graphql import GraphQLObjectType
from support.schema import SCHEMA, check_valid

from moveshelf.api import shapes
from moveshelf.lazy.registry import BY_WIRE
from moveshelf.operations import queries
from moveshelf.operations.shapes import Shape


@pytest.mark.parametrize("name", [name for name, one in vars(shapes).items() if isinstance(one, Shape)])
def test_every_shape_is_valid(name: str) -> None:
    """A shape is of one class at least, and valid for each that it can be of."""
    shape: Shape = getattr(shapes, name)
    found = 0
    for kind in BY_WIRE.values():
        described = SCHEMA.get_type(kind.wire)
        assert isinstance(described, GraphQLObjectType)
        if {*shape.names, *shape.below} <= set(described.fields):
            check_valid(queries.nodes(shape.selection(kind), ["x"]).text)
            found += 1
    assert found
