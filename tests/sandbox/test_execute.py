from __future__ import annotations

import json
import time
from typing import Any

import graphql
import pytest
from graphql import GraphQLObjectType, parse

from moveshelf.sandbox import Sandbox
from moveshelf.sandbox import execute as execution
from moveshelf.sandbox.execute import Context, Refused, attach, execute
from moveshelf.sandbox.mutations import MUTATIONS
from moveshelf.sandbox.resolvers import FIELDS, LEAVES
from moveshelf.sandbox.schema import Documents, load_schema

BODY = "{... on Patient{id sessions{id projectPath}}}"


def document(numbers: list[int], body: str = BODY, more: str = "") -> str:
    declared = ", ".join(f"$i{n}: ID!" for n in numbers)
    aliases = " ".join(f"n{n}: node(id: $i{n}) {body}" for n in numbers)
    return f"query Q({declared}) {{ {aliases} {more}}}"


def test_many_objects_in_one_query(wire: Any) -> None:
    wire.sandbox.generate(6, 2, 0, 0)
    project = wire.project("lab/generated-1")
    listed = wire.node(project, "Project", "patientsList{id sessions{id projectPath}}")["patientsList"]
    ids = [subject["id"] for subject in listed] + ["unknown", project]
    numbers = [5, 3, 8, 0, 1, 11, 2, 4]
    variables = {f"i{n}": id for n, id in zip(numbers, ids, strict=True)}
    found = wire(document(numbers, more="viewer{projects{name}}"), **variables)
    assert list(found) == [f"n{n}" for n in numbers] + ["viewer"]
    assert [found[f"n{n}"] for n in numbers] == [*listed, None, {}]
    # six subjects, their twelve sessions, the project by its id, the two projects of the viewer
    assert wire.sandbox.requests[-1].objects == 21


@pytest.mark.parametrize("wrong", [None, {"a": 1}, True])
def test_a_wrong_id_among_many_is_a_bad_request(wire: Any, wrong: Any) -> None:
    text = document(list(range(5)))
    response = wire.post(text, {"i0": "a", "i1": "b", "i2": wrong, "i3": "c", "i4": "d"})
    assert response.status == 400
    assert "$i2" in response.json["errors"][0]["message"]
    assert "data" not in response.json
    assert wire.post(text, {"i0": 1, "i1": "b", "i2": 2, "i3": "c", "i4": "d"}).status == 200


def test_an_error_in_one_of_many(wire: Any) -> None:
    body = "{... on Project{recentSessions(limit: $l){id}}}"
    text = document([0, 1, 2], body).replace("query Q(", "query Q($l: Int, ")
    id = wire.project()
    response = wire.post(text, {"i0": "x", "i1": id, "i2": "y", "l": -1}).json
    assert response["data"] == {"n0": None, "n1": {"recentSessions": None}, "n2": None}
    (error,) = response["errors"]
    column = text.index("recentSessions", text.index("n1: node")) + 1
    assert error == {
        "message": "`limit` must not be negative.",
        "locations": [{"line": 1, "column": column}],
        "path": ["n1", "recentSessions"],
    }


def test_mutations_are_carried_out_in_their_order(wire: Any) -> None:
    create = 'createPatient(projectId: "lab/practice", name: "%s"){patient{name project{patientsList{name}}}}'
    names = {"b": "B", "c": "C/", "a": "A"}
    text = "mutation {" + " ".join(f"{key}: {create % name}" for key, name in names.items()) + "}"
    response = wire.post(text).json
    assert response["data"] == {
        "b": {"patient": {"name": "B", "project": {"patientsList": [{"name": "B"}]}}},
        "c": None,
        "a": {"patient": {"name": "A", "project": {"patientsList": [{"name": "A"}, {"name": "B"}]}}},
    }
    assert [error["path"] for error in response["errors"]] == [["c"]]


def test_a_query_nested_without_end_is_a_bad_request(wire: Any) -> None:
    text = "{viewer{projects{" + "patientsList{project{" * 2000 + "id" + "}}" * 2000 + "}}}"
    response = wire.post(text)
    assert response.status == 400
    assert "deep" in response.json["errors"][0]["message"]


def test_a_document_is_parsed_once_and_the_oldest_is_dropped() -> None:
    documents = Documents(load_schema(), keep=2)
    first, second = documents.get("{viewer{projects{id}}}"), documents.get("{viewer{projects{name}}}")
    assert documents.get("{viewer{projects{id}}}") is first
    documents.get("{__typename}")
    assert documents.get("{viewer{projects{id}}}") is first
    assert documents.get("{viewer{projects{name}}}") is not second


def test_every_table_names_fields_of_the_schema() -> None:
    schema = load_schema()
    for table in (LEAVES, FIELDS, {"Mutation": MUTATIONS}):
        for type_name, resolvers in table.items():
            declared = schema.type_map[type_name]
            assert isinstance(declared, GraphQLObjectType)
            assert set(resolvers) <= set(declared.fields)


def run(resolver: Any) -> Any:
    schema = load_schema()
    attach(schema, {}, {"Query": {"viewer": resolver}})
    context: Any = Context(None)  # type: ignore[arg-type]
    return execute(schema, parse("{viewer{projects{id}}}"), None, {}, context), context.objects


def test_what_a_resolver_refuses_is_an_error_of_its_field() -> None:
    def refuse(*_: Any) -> Any:
        raise Refused("Not today.")

    errors = [{"message": "Not today.", "locations": [{"line": 1, "column": 2}], "path": ["viewer"]}]
    assert run(refuse) == (({"viewer": None}, errors), 0)


def test_a_bug_in_a_resolver_is_raised() -> None:
    def mistake(*_: Any) -> Any:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(mistake)


def test_objects_are_counted_where_nodes_are_returned() -> None:
    projects = [{"id": "a"}, {"id": "b"}]
    assert run(lambda *_: {"projects": projects}) == (({"viewer": {"projects": projects}}, []), 2)
    assert run(lambda *_: {"projects": None}) == (({"viewer": {"projects": None}}, []), 0)


WHOLE = """{ viewer { projects { __typename id title: name description canEdit norms { id clips { title } }
  template { data } datasets { name downloadUri } configuration
  subjects: patientsList { ...subject externalId sessions { id date metadata norms { id }
    clips { id title hasVideo customOptions uploadStatus project { name }
      additionalData { id dataType uploadStatus originalDataDownloadUri } } } } } } }
fragment subject on Patient { id name updated metadata reports { id title } }"""


def both(schema: Any, text: str, service: Any, count: list[int] | None = None) -> tuple[Any, Any]:
    """What the short way returns, and graphql-core by itself."""
    responses = []
    for options in (execution._EXECUTOR, {}):
        context = Context(service)
        if count is not None:
            count.append(0)
        result = graphql.execute_sync(schema, parse(text), context_value=context, **options)
        responses.append((json.dumps(result.formatted), context.objects))
    return responses[0], responses[1]


def test_the_short_way_returns_what_graphql_core_does(monkeypatch: pytest.MonkeyPatch) -> None:
    base: Any = getattr(graphql, "Executor", None) or graphql.ExecutionContext
    plain = base.execute_field
    whole: list[int] = []

    def counting(self: Any, *arguments: Any) -> Any:
        whole[-1] += 1
        return plain(self, *arguments)

    monkeypatch.setattr(base, "execute_field", counting)
    monkeypatch.setattr(time, "time", lambda: 1.8e9)  # signed addresses hold the time
    with Sandbox(demo=True) as sandbox:
        sandbox.generate(3, 2, 2, 2)
        short, long = sandbox._call(
            lambda service: both(service.documents.schema, WHOLE, service, whole)  # in the server's thread
        )
    assert short == long
    assert len(short[0]) > 20_000
    assert short[1] > 50
    assert '"errors"' not in short[0]
    # what is left to graphql-core are objects, and lists that hold some
    assert 0 < whole[0] < whole[1] / (3 if execution._EXECUTOR else 0.9)


def test_what_the_short_way_cannot_complete_becomes_graphql_cores_error() -> None:
    def mistaken(row: Any) -> Any:
        raise Refused(f"Not {row['id']}.")

    schema = load_schema()
    projects = [{"id": "a", "name": 7, "canEdit": "yes", "norms": ()}, {"id": None}]
    attach(
        schema,
        {"Project": {"description": mistaken}},
        {"Query": {"viewer": lambda *_: {"projects": projects}}},
    )
    for text, complaint in (
        ("{viewer{projects{id name canEdit norms{id}}}}", "Cannot return null"),
        ("{viewer{projects{description}}}", "Not a."),
        ("{viewer{projects{canEdit}}}", "cannot represent"),
    ):
        short, long = both(schema, text, None)
        assert short == long
        assert complaint in short[0]
