from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moveshelf.sandbox.folding import fold
from moveshelf.sandbox.schema import Documents, load_schema

BODY = "{... on Patient{id sessions{id projectPath}}}"


def document(numbers: list[Any], body: str = BODY, name: str = "Q", more: str = "") -> str:
    declared = ", ".join(f"$i{n}: ID!" for n in numbers)
    aliases = " ".join(f"n{n}: node(id: $i{n}) {body}" for n in numbers)
    return f"query {name}({declared}) {{ {aliases} {more}}}"


def test_like_aliases_share_one_reading() -> None:
    documents = Documents(load_schema())
    long, longer = documents.get(document(list(range(100)))), documents.get(document(list(range(57))))
    assert long.fold is not None
    assert longer.fold is not None
    assert long.plans is longer.plans
    assert long.fold.numbers == [str(n) for n in range(100)]
    assert len(long.fold.text) < 250


@pytest.mark.parametrize(
    "text",
    [
        document([0, 1]),
        document([0, 1, 1]),
        document([0, 1, 2], more="n3: viewer{projects{id}}"),
        document([0, 1, 2], more='m: node(id: "x"){id}'),
        document([0, 1, 2], more="m: node(id: $i1){id}"),
        document([0, 1, 2]).replace("n1: node(id: $i1)", "n1: node(id: $i2)"),
        document([0, 1, 2]).replace("$i2: ID!", "$i2: String!"),
        document([0, 1, 2]).replace("$i2: ID!", "$i2: ID! = 5"),
        document([0, 1, 2]).replace(", $i2: ID!", ""),
        document([0, 1, 2]).replace("$i2: ID!", "$i2: ID!, $i3: ID!"),
        document([0, 1, 2], body="{id ... on Patient{id # comment\n}}"),
        document([0, 1, 2]).replace("n2: node(id: $i2) {", "n2: node(id: $i2) @skip(if: true) {"),
        document([0, 1, 2])[:-1],
    ],
)
def test_what_does_not_fit_the_pattern_is_read_as_it_is(text: str) -> None:
    folded = fold(text)
    if folded is not None:  # then graphql-core says the same about both
        documents = Documents(load_schema())
        assert bool(documents.plain(folded.text).errors) == bool(documents.plain(text).errors)
        assert documents.get(text).fold is None


bodies = st.sampled_from(
    [
        BODY,
        "{id}",
        "{__typename id ... on Patient{name}}",
        "{... on Session{clips{id}}}",
        "{nonsense}",
        "{id}}",
    ]
)


@given(
    numbers=st.lists(st.integers(0, 30), min_size=1, max_size=12, unique=True),
    body=bodies,
    odd=bodies,
    place=st.integers(0, 20),
    more=st.sampled_from(
        ["", "viewer{projects{id}}", "n1: viewer{projects{id}}", "...F", "m: node(id: $i0){id}"]
    ),
)
def test_a_folded_document_is_judged_as_the_long_one(
    numbers: list[int], body: str, odd: str, place: int, more: str
) -> None:
    text = document(numbers, body, more=more)
    if place < len(numbers):
        text = text.replace(f"$i{numbers[place]}) {body}", f"$i{numbers[place]}) {odd}")
    documents = Documents(load_schema())
    assert bool(documents.get(text).errors) == bool(documents.plain(text).errors)


def test_folded_and_plain_answer_the_same(wire: Any) -> None:
    wire.sandbox.generate(6, 2, 0, 0)
    project = wire.project("lab/generated-1")
    listed = wire.node(project, "Project", "patientsList{id}")["patientsList"]
    ids = [subject["id"] for subject in listed] + ["unknown", project]
    numbers = [5, 3, 8, 0, 1, 11, 2, 4]
    text = document(numbers, more="viewer{projects{name}}")
    variables = {f"i{n}": id for n, id in zip(numbers, ids, strict=True)}
    assert fold(text) is not None
    folded = wire.post(text, variables)
    plain = wire.post(text + " # read as it is", variables)
    assert folded.json == plain.json
    assert list(folded.json["data"]) == [f"n{n}" for n in numbers] + ["viewer"]
    assert wire.sandbox.requests[-1].objects == wire.sandbox.requests[-2].objects == 21


@pytest.mark.parametrize("wrong", [None, {"a": 1}, True])
def test_a_wrong_id_in_a_folded_document_is_a_bad_request(wire: Any, wrong: Any) -> None:
    text = document(list(range(5)))
    answer = wire.post(text, {"i0": "a", "i1": "b", "i2": wrong, "i3": "c", "i4": "d"})
    assert answer.status == 400
    assert "$i2" in answer.json["errors"][0]["message"]
    assert wire.post(text, {"i0": 1, "i1": "b", "i2": 2, "i3": "c", "i4": "d"}).status == 200


def test_an_error_in_one_of_many(wire: Any) -> None:
    body = "{... on Project{recentSessions(limit: $l){id}}}"
    text = document([0, 1, 2], body).replace("query Q(", "query Q($l: Int, ")
    id = wire.project()
    answer = wire.post(text, {"i0": "x", "i1": id, "i2": "y", "l": -1}).json
    assert answer["data"] == {"n0": None, "n1": {"recentSessions": None}, "n2": None}
    assert [error["path"] for error in answer["errors"]] == [["n1", "recentSessions"]]
