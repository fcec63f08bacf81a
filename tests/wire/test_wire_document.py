"""What is read off a document's text agrees with what graphql-core parses; and JSON in and out."""

from __future__ import annotations

import datetime
import enum
import importlib
import json
import sys

import graphql
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moveshelf.wire.document import describe

DOCUMENTS = [
    "{ ok }",
    "query { ok }",
    "query Ask { ok }",
    "query Ask($id: ID!) { node(id: $id) { id } }",
    '\ufeff  # mutation Nothing {\n query Ask($id: ID = "mutation") @once { node(id: $id) { id } }',
    'mutation { deleteClip(clipId: "x") { ok } }',
    'mutation Drop($id: ID! = "}") { deleteClip(clipId: $id) { ok } }',
    "# query Ask {\nmutation Drop($a: In = {x: [1, {y: 2}]}) { deleteClip(clipId: $a) { ok } }",
    "fragment mutation on Patient { id } query Ask { node { ...mutation } }",
    'fragment F on Patient { id, name(x: "mutation {") } mutation M { updateClip { ok } }',
    'query Q { a(x: """ } mutation M { " \\""" """) }',
    "query mutation { mutation: ok }",
    "query One { ok } query Two { ok }",
    "query One { ok } mutation Two { ok }",
    "query A($mutation: Int) { x(mutation: $mutation) { mutation } }",
    "subscription S { mutation }",
]


@pytest.mark.parametrize("text", DOCUMENTS)
def test_as_the_parser_sees_it(text):
    tree = graphql.parse(text)
    operations = [node for node in tree.definitions if isinstance(node, graphql.OperationDefinitionNode)]
    found = describe(text)
    assert found.mutation == any(node.operation.value == "mutation" for node in operations)
    first = operations[0]
    if first.name is not None:
        assert found.name == first.name.value
    for node in operations:
        if node.name is not None:
            picked = describe(text, node.name.value)
            assert picked.mutation == (node.operation.value == "mutation")
            assert picked.name == node.name.value
            assert picked.several == (len(operations) > 1)


def test_an_unknown_operation_counts_as_the_worst_of_its_document():
    assert describe("query One { ok } mutation Two { ok }", "Three").mutation
    assert describe("query One { ok } mutation Two { ok }").mutation
    assert not describe("query One { ok } mutation Two { ok }", "One").mutation


@given(st.text(alphabet=st.sampled_from(list('{}()[]"#\\ \nmutationquery,$:!@a')), max_size=60))
def test_nonsense_breaks_nothing(text):
    described = describe(text)
    try:
        tree = graphql.parse(text)
    except graphql.GraphQLError:
        return
    operations = [node for node in tree.definitions if isinstance(node, graphql.OperationDefinitionNode)]
    assert described.mutation == any(node.operation.value == "mutation" for node in operations)


# -- JSON


class Unit(enum.Enum):
    DEGREES = "deg"


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture(params=["orjson", "json"], scope="module")
def codec(request):
    """The module with orjson and as it is without."""
    name = "moveshelf.wire.codec"
    kept, library = sys.modules.pop(name, None), sys.modules.get("orjson")
    try:
        if request.param == "json":
            sys.modules["orjson"] = None  # type: ignore[assignment]
        else:
            pytest.importorskip("orjson")
        yield importlib.import_module(name)
    finally:
        sys.modules.pop("orjson", None)
        if library is not None:
            sys.modules["orjson"] = library
        if kept is not None:
            sys.modules[name] = kept


@given(value=values)
def test_json_there_and_back(codec, value):
    try:
        body = codec.encode(value)
    except (TypeError, ValueError):  # a lone surrogate is no text
        with pytest.raises(UnicodeEncodeError):
            json.dumps(value, ensure_ascii=False).encode()
        return
    assert codec.decode(body) == value
    assert json.loads(body) == value


def test_other_values_go_out_as_text(codec):
    sent = codec.encode({"d": datetime.date(2024, 2, 29), "u": Unit.DEGREES, "t": (1, 2), "n": None})
    assert json.loads(sent) == {"d": "2024-02-29", "u": "deg", "t": [1, 2], "n": None}


@pytest.mark.parametrize("value", [float("nan"), [1, {"x": float("-inf")}], {1, 2}, b"bytes", object])
def test_what_is_refused(codec, value):
    with pytest.raises((TypeError, ValueError)):
        codec.encode({"v": value})


@pytest.mark.parametrize("body", [b"", b"{", b"<html>", b"\xff\xfe", b'{"a": 1} x'])
def test_what_is_no_json(codec, body):
    with pytest.raises(ValueError):
        codec.decode(body)
