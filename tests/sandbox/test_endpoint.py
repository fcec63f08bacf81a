from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from graphql import get_introspection_query
from raw_wire import Wire

from moveshelf.sandbox import Sandbox
from moveshelf.sandbox.schema import MAX_DEPTH, MAX_NESTING


def test_a_project_to_practise_in_exists(wire: Any) -> None:
    assert wire("{viewer{projects{name canEdit}}}") == {
        "viewer": {"projects": [{"name": "lab/practice", "canEdit": True}]}
    }


@pytest.mark.parametrize("token", ["", "0" * 64, "é"])
def test_no_token_or_a_wrong_one_is_refused(wire: Any, token: str) -> None:
    response = wire.post("{viewer{projects{id}}}", token=token)
    assert response.status == 401
    assert response.json["errors"][0]["message"]
    assert "data" not in response.json
    assert response.headers["x-request-id"]


@pytest.mark.parametrize("token", ["", "0" * 64])
def test_bodies_without_the_key_are_neither_parsed_nor_kept(
    wire: Any, get: Any, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    parsed: list[Any] = []
    monkeypatch.setattr("moveshelf.sandbox.endpoint.loads", parsed.append)
    monkeypatch.setattr("moveshelf.sandbox.control.loads", parsed.append)
    secret = "a patient's name"
    body = json.dumps({"query": "query Q{viewer{projects{id}}}", "variables": {"x": secret}})
    for url in (wire.sandbox.api_url, wire.sandbox.api_url.replace("/graphql", "/_sandbox")):
        assert get(url, "POST", body, {"Authorization": f"Bearer {token}"}).status == 401
    assert parsed == []
    (record,) = wire.sandbox.requests
    assert (record.operation, record.fields, record.query, record.variables) == (None, (), None, {})
    assert (record.status, record.bytes_in) == (401, 0)
    assert secret not in json.dumps(record.as_dict())


def test_a_fault_aimed_at_an_operation_waits_for_one_with_the_key(wire: Any) -> None:
    wire.sandbox.fail("viewer", status=503)
    query = "{viewer{projects{id}}}"
    assert [wire.post(query, token=token).status for token in ("", None, None)] == [401, 503, 200]


SELF = "query($id: ID!){node(id: $id){...A}} fragment A on Project{patientsList{...B}} fragment B on Patient{project{...A}}"


def levels(count: int) -> str:
    """A query of so many levels of fields."""
    names = ["viewer", "projects", *["patientsList", "project"] * count][: count - 1]
    return "{" + "".join(f"{name}{{" for name in names) + "id" + "}" * count


def test_the_depth_of_a_query_is_bounded(wire: Any) -> None:
    assert wire.post(levels(MAX_DEPTH)).status == 200
    response = wire.post(levels(MAX_DEPTH + 1))
    assert response.status == 400
    (message,) = [error["message"] for error in response.json["errors"]]
    assert "too deep" in message
    assert f"{MAX_DEPTH + 1} levels" in message


def test_fragments_count_where_they_are_spread(wire: Any) -> None:
    parts = [f"fragment F{n} on Patient{{project{{patientsList{{...F{n + 1}}}}}}}" for n in range(40)]
    text = "{viewer{projects{patientsList{...F0}}}} " + " ".join(parts) + " fragment F40 on Patient{id}"
    response = wire.post(text)
    assert response.status == 400
    assert "84 levels" in response.json["errors"][0]["message"]
    shorter = text.replace("...F0}", "id}", 1)  # what is spread nowhere counts too
    assert "81 levels" in wire.post(shorter).json["errors"][0]["message"]


def test_fragments_in_a_circle_are_refused(wire: Any) -> None:
    response = wire.post(SELF, {"id": wire.project()})
    assert response.status == 400
    assert "A > B > A" in response.json["errors"][0]["message"]
    assert wire.post(SELF.replace("project{...A}", "project{id}"), {"id": wire.project()}).status == 200


def test_the_introspection_of_tools_is_not_too_deep(wire: Any) -> None:
    found = wire(get_introspection_query())["__schema"]
    assert {kind["name"] for kind in found["types"]} >= {"Project", "MocapClip"}


@pytest.mark.parametrize("depth", [200, 900, 100_000])
def test_values_nested_without_end_are_refused(wire: Any, get: Any, depth: int) -> None:
    headers = {"Authorization": f"Bearer {wire.sandbox.api_key}"}
    query = "query($f: BaseFilterInput){viewer{projects{patients(metadataFilters: $f){id}}}}"
    nested = '{"logic":"AND","filters":[' * depth + "]}" * depth
    response = get(
        wire.sandbox.api_url,
        "POST",
        f'{{"query": {json.dumps(query)}, "variables": {{"f": {nested}}}}}',
        headers,
    )
    assert response.status == 400
    assert "too deep" in response.json["errors"][0]["message"]
    inline = "{logic: AND, filters: [" * depth + "]}" * depth
    response = wire.post(f"{{viewer{{projects{{patients(metadataFilters: {inline}){{id}}}}}}}}")
    assert response.status == 400 or "errors" in response.json
    assert wire.project()  # and it serves on


def test_groups_of_filters_may_be_nested(wire: Any) -> None:
    query = "query($f: BaseFilterInput){viewer{projects{patients(metadataFilters: $f){id}}}}"
    rule: Any = {"key": "a", "operator": "EQ", "value": "b"}
    for _ in range(MAX_NESTING // 2 - 1):
        rule = {"logic": "AND", "filters": [rule]}
    assert wire(query, f=rule) == {"viewer": {"projects": [{"patients": []}]}}


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("{viewer{projects{nonsense}}}", {}),
        ("{viewer{projects}}", {}),
        ("{viewer{", {}),
        ("query($id: ID!){node(id: $id){id}}", {}),
        ("query($id: ID!){node(id: $id){id}}", {"id": None}),
        ("query($id: ID!){node(id: $id){id}}", {"id": {"a": 1}}),
        ("{node{id}}", {}),
        ("query($id: String!){node(id: $id){id}}", {"id": "x"}),
        ("mutation{createPatient(projectId: 1, name: 2){patient{id}}}", {}),
        ("mutation($m: JSONString){updatePatient(patientId: 1, metadata: $m){updated}}", {"m": "not json"}),
        ("mutation($m: JSONString){updatePatient(patientId: 1, metadata: $m){updated}}", {"m": {"a": 1}}),
        (
            "query($d: DateTime){node(id: 1){... on Project{sessions(startDate: $d){id}}}}",
            {"d": "yesterday"},
        ),
        ("query A{viewer{projects{id}}} query B{viewer{projects{id}}}", {}),
        ("subscription{viewer{projects{id}}}", {}),
    ],
)
def test_what_does_not_validate_is_a_bad_request(wire: Any, query: str, variables: dict[str, Any]) -> None:
    response = wire.post(query, variables)
    assert response.status == 400
    assert response.json["errors"][0]["message"]
    assert "data" not in response.json


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"query": 1}', b'{"query": "{a}", "variables": 1}', b"\xff"]
)
def test_a_body_that_is_no_request_is_a_bad_request(wire: Any, get: Any, body: bytes) -> None:
    headers = {"Authorization": f"Bearer {wire.sandbox.api_key}"}
    response = get(wire.sandbox.api_url, "POST", body, headers)
    assert response.status == 400
    assert response.json["errors"]


def test_nulls_for_absent_variables_and_unknown_ones_are_taken(wire: Any) -> None:
    query = """query($id: ID!, $s: DateTime, $l: Int, $f: [SessionMetadataFilterInput!]) {
        node(id: $id) {... on Project {recentSessions(startDate: $s, limit: $l, metadataFilters: $f) {id}}}}"""
    assert wire(query, id=wire.project(), s=None, l=None, f=None, other=1) == {"node": {"recentSessions": []}}


def test_an_unknown_id_is_null_and_another_type_is_empty(wire: Any) -> None:
    query = "query($id: ID!){node(id: $id){... on Patient{id name}}}"
    assert wire(query, id="nope") == {"node": None}
    assert wire(query, id="") == {"node": None}
    assert wire(query, id=wire.project()) == {"node": {}}


def test_typenames_aliases_fragments_and_directives(wire: Any) -> None:
    query = """query Q($id: ID!, $yes: Boolean!, $no: Boolean!) {
        __typename
        a: node(id: $id) { __typename id ...P }
        b: node(id: $id) { ... @include(if: $no) { id } ... on Project @skip(if: $no) { called: name } }
        c: node(id: $id) @skip(if: $yes) { id }
        d: node(id: $id) { ... on Node { id @include(if: $yes) } ... on Patient { metadata } }
    }
    fragment P on Project { name template { name } name }"""
    id = wire.project()
    for _ in range(2):
        assert wire(query, id=id, yes=True, no=False) == {
            "__typename": "Query",
            "a": {"__typename": "Project", "id": id, "name": "lab/practice", "template": None},
            "b": {"called": "lab/practice"},
            "d": {"id": id},
        }
    assert wire(query, id=id, yes=False, no=True) == {
        "__typename": "Query",
        "a": {"__typename": "Project", "id": id, "name": "lab/practice", "template": None},
        "b": {"id": id},
        "c": {"id": id},
        "d": {},
    }


def test_the_same_key_twice_merges(wire: Any) -> None:
    query = "{viewer{projects{id}} viewer{projects{name}}}"
    assert set(wire(query)["viewer"]["projects"][0]) == {"id", "name"}


def test_operations_are_picked_by_name(wire: Any) -> None:
    query = "query A{viewer{projects{name}}} query B($id: ID!){node(id: $id){id}}"
    assert wire.post(query, {}, operationName="A").json["data"]["viewer"]
    assert wire.post(query, {"id": "x"}, operationName="B").json["data"] == {"node": None}
    assert wire.post(query, {}, operationName="C").status == 400


def test_introspection(wire: Any) -> None:
    found = wire('{__type(name: "Session"){fields{name}} __schema{queryType{name}}}')
    assert {"date", "projectPath", "norms"} <= {field["name"] for field in found["__type"]["fields"]}
    assert found["__schema"] == {"queryType": {"name": "Query"}}


def test_an_error_names_its_place_and_leaves_the_rest(wire: Any) -> None:
    query = """query($id: ID!) {
        good: node(id: $id) { id }
        bad: node(id: $id) { ... on Project { name recentSessions(limit: -1) { id } } }
    }"""
    response = wire.post(query, {"id": wire.project()})
    assert response.status == 200
    assert response.json["data"] == {
        "good": {"id": wire.project()},
        "bad": {"name": "lab/practice", "recentSessions": None},
    }
    (error,) = response.json["errors"]
    assert error["path"] == ["bad", "recentSessions"]
    assert error["locations"] == [{"line": 3, "column": 52}]


def test_the_log_of_requests(wire: Any) -> None:
    wire.subject("P-1")
    wire.sandbox.requests.clear()
    query = "query Subjects($id: ID!){node(id: $id){... on Project{id patientsList{id name}}}}"
    id = wire.project()
    wire(query, id=id)
    wire.post("{viewer{projects{id}}}", token="")
    first, second, third = wire.sandbox.requests
    assert (first.kind, first.operation, first.fields) == ("graphql", None, ("viewer",))
    assert (second.operation, second.variables, second.objects) == ("Subjects", {"id": id}, 2)
    assert (second.status, second.method, second.path) == (200, "POST", "/graphql")
    assert second.query == query
    assert second.authorization
    assert second.bytes_in > len(query)
    assert second.bytes_out == len(json.dumps({"data": wire(query, id=id)}, separators=(",", ":")))
    assert second.seconds > 0
    assert (third.status, third.authorization, third.objects) == (401, False, 0)
    assert "authorization" not in second.headers
    assert wire.sandbox.requests.of("Subjects")[0] is second
    assert wire.sandbox.requests[-1].operation == "Subjects"
    wire.sandbox.requests.clear()
    assert len(wire.sandbox.requests) == 0


def test_many_threads_write_and_read_at_once(wire: Any) -> None:
    def work(number: int) -> str:
        id = wire.subject(f"P-{number:03d}")
        wire.session(f"/P-{number:03d}/2024-01-01/", id)
        clip = wire.clip(f"/P-{number:03d}/2024-01-01/Barefoot/")
        file = wire.upload(clip, str(number).encode() * 1000, f"{number}.txt", "data")
        found = wire.node(id, "Patient", "sessions{clips{additionalData{id originalFileName}}}")
        assert found == {
            "sessions": [{"clips": [{"additionalData": [{"id": file, "originalFileName": f"{number}.txt"}]}]}]
        }
        return id

    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(work, range(40)))
    assert len(set(ids)) == 40
    listed = wire.node(wire.project(), "Project", "patientsList{id name}")["patientsList"]
    assert [subject["id"] for subject in listed] == ids


def test_latency(wire: Any, get: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        if seconds:  # none at all only gives others their turn
            slept.append(seconds)

    monkeypatch.setattr("moveshelf.sandbox.endpoint.sleep", sleep)
    monkeypatch.setattr("moveshelf.sandbox.objectstore.sleep", sleep)
    wire.sandbox.generate(3, 1, 1, 1)
    uri = wire.file(wire.upload(wire.clip(), b"x"))["originalDataDownloadUri"]
    assert slept == []
    wire.sandbox.latency(0.5, per_object=0.25)
    wire("{viewer{projects{name}}}")
    assert slept == [0.25, 0.25 + 2 * 0.25]
    slept.clear()
    get(uri)
    assert slept == [0.5]
    wire.sandbox.latency(0)
    wire("{viewer{projects{name}}}")
    assert slept == [0.5]
    slept.clear()
    with Sandbox(latency=0.5, per_object=0.25) as slow:
        Wire(slow)("{viewer{projects{name}}}")
        assert slept == [0.25, 0.25 + 0.25]


@pytest.mark.parametrize("wrong", [{"latency": -1}, {"per_object": -0.1}])
def test_no_response_comes_before_its_request(wrong: Any) -> None:
    with pytest.raises(ValueError, match="seconds"):
        Sandbox(**wrong)
