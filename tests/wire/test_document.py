"""What is read off a document's text agrees with what graphql-core parses."""

from __future__ import annotations

import graphql
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moveshelf.wire.document import describe, response_names

DOCUMENTS = [
    "{ ok }",
    "query { ok }",
    "query Read { ok }",
    "query Read($id: ID!) { node(id: $id) { id } }",
    '\ufeff  # mutation Nothing {\n query Read($id: ID = "mutation") @once { node(id: $id) { id } }',
    'mutation { deleteClip(clipId: "x") { ok } }',
    'mutation Drop($id: ID! = "}") { deleteClip(clipId: $id) { ok } }',
    "# query Read {\nmutation Drop($a: In = {x: [1, {y: 2}]}) { deleteClip(clipId: $a) { ok } }",
    "fragment mutation on Patient { id } query Read { node { ...mutation } }",
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


# -- the names that a response must have


def names_of(text: str, wanted: str | None) -> frozenset[str] | None:
    """The same from graphql-core's syntax tree."""
    operations = [
        node
        for node in graphql.parse(text).definitions
        if isinstance(node, graphql.OperationDefinitionNode)
        and (wanted is None or (node.name is not None and node.name.value == wanted))
    ]
    if len(operations) != 1:
        return None
    names = set()
    for node in operations[0].selection_set.selections:
        if not isinstance(node, graphql.FieldNode) or node.directives:
            return None
        names.add((node.alias or node.name).value)
    return frozenset(names)


@pytest.mark.parametrize(
    "text",
    [
        *DOCUMENTS,
        "{ a, b: c(x: {y: [1, {z: 2}]}) { d e: f } g }",
        "query Q($x: In = {a: 1}) @live(if: true) { a(x: $x) b }",
        "query Q { a @skip(if: true) b }",
        "query Q { a @include(if: $x) { b } }",
        "query Q { ...F } fragment F on Query { a }",
        "query Q { a ... on Query { b } }",
        "query Q { a { ...F @skip(if: true) } } fragment F on T { b }",
        'query Q { a(t: "b { c }") # d\n e(t: """ } """) }',
        "query A { a } query B { b: a } mutation C { c }",
    ],
)
def test_the_names_of_a_response(text):
    tree = graphql.parse(text)
    operations = [node for node in tree.definitions if isinstance(node, graphql.OperationDefinitionNode)]
    for wanted in (None, "Nobody", *(node.name.value for node in operations if node.name is not None)):
        assert response_names(text, wanted) == names_of(text, wanted)


PIECES = [*'{}()[]"#:@$ \n', "...", "query ", "a", "b", "on ", "fragment "]


@given(st.lists(st.sampled_from(PIECES), max_size=20).map("".join))
def test_no_document_makes_the_names_stumble(text):
    found = response_names(text)
    try:
        graphql.parse(text)
    except graphql.GraphQLError:
        return
    assert found == names_of(text, None)
