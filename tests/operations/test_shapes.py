"""Shapes: which names of an object a caller wants, in the service's own names and in that order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.schema import check_valid

import moveshelf.models
from moveshelf.errors import ValidationError
from moveshelf.lazy.fields import Scalar
from moveshelf.lazy.registry import ENTITIES
from moveshelf.operations import queries
from moveshelf.operations.shapes import Shape
from moveshelf.operations.text import fields_text

assert moveshelf.models.__all__  # declares the classes
KINDS = [kind for kind in ENTITIES.values() if not kind.is_root]


def text_of(kind: str, shape: Shape) -> str:
    return fields_text(shape.selection(ENTITIES[kind]))


def test_names_keep_their_order_and_the_id_comes_first() -> None:
    assert text_of("Subject", Shape("name", "metadata")) == "id name metadata"
    assert text_of("Subject", Shape("metadata", "name")) == "id metadata name"
    assert text_of("Session", Shape(patient=Shape("name"), clips=Shape("title"))) == (
        "id patient { id name } clips { id title }"
    )


def test_names_of_links_and_lists_are_the_services_own() -> None:
    shape = Shape("name", projectConfiguration=Shape("id", "name", "data"))
    assert text_of("Project", shape) == "id name projectConfiguration { id name data }"
    assert text_of("Project", Shape(patientsList=Shape("externalId"))) == "id patientsList { id externalId }"


def test_edges_and_the_number_of_members() -> None:
    shape = Shape(clips=Shape("title", first=20))
    assert text_of("Project", shape) == "id clips(first: 20) { edges { node { id title } } }"
    selection = shape.selection(ENTITIES["Project"])
    assert selection.items[0].arguments == (("first", "20"),)
    assert selection.items[0].edges


def test_names_that_no_field_stands_for() -> None:
    shape = Shape("originalFileName", "originalDataDownloadUri")
    check_valid(queries.nodes(shape.selection(ENTITIES["DataFile"]), ["x"]).text)
    field, url = shape.selection(ENTITIES["DataFile"]).items
    assert isinstance(field.field, Scalar)
    assert url.field is None
    assert url.types == (str, type(None))


@pytest.mark.parametrize(
    ("kind", "below"), [("Subject", "nonsense"), ("Session", "updated"), ("Clip", "sessions")]
)
def test_a_name_that_leads_nowhere_is_refused(kind: str, below: str) -> None:
    shape = Shape(**{below: Shape("name")})
    if below == "updated":  # a value: its structure is what is below it
        assert shape.selection(ENTITIES[kind]).items[0].nested == ("name",)
    else:
        with pytest.raises(ValidationError, match=f"{kind} has no '{below}' that leads to other objects"):
            shape.selection(ENTITIES[kind])


def test_selections_are_made_once_a_class() -> None:
    shape = Shape("name")
    kinds = ENTITIES["Subject"], ENTITIES["Project"]
    assert shape.selection(kinds[0]) is shape.selection(kinds[0]) is not shape.selection(kinds[1])


@given(st.data())
def test_any_shape_of_values_is_valid(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(KINDS))
    scalars = [one.wire for one in kind.fields.values() if isinstance(one, Scalar) and not one.nested]
    names: Any = data.draw(st.lists(st.sampled_from(scalars), unique=True))
    selection = Shape(*names).selection(kind)
    assert fields_text(selection).split() == ["id", *(name for name in names if name != "id")]
    check_valid(queries.nodes(selection, ["x"]).text)
