from __future__ import annotations

import http.client
import json
from typing import Any

import pytest

VIEWER = "{viewer{projects{id name}}}"
DISCONNECTED = (ConnectionError, http.client.HTTPException)


@pytest.fixture
def uri(wire: Any) -> str:
    return str(wire.file(wire.upload(wire.clip(), b"0123456789" * 1000))["originalDataDownloadUri"])


def test_a_status_a_number_of_times(wire: Any) -> None:
    wire.sandbox.fail(status=503, times=2, retry_after=7)
    responses = [wire.post(VIEWER) for _ in range(3)]
    assert [response.status for response in responses] == [503, 503, 200]
    assert responses[0].headers["retry-after"] == "7"
    assert [record.status for record in wire.sandbox.requests] == [503, 503, 200]
    assert wire.sandbox.requests[0].fault


def test_a_proxy_responds_502_without_json(wire: Any) -> None:
    wire.sandbox.fail(status=502)
    response = wire.post(VIEWER)
    assert response.headers["content-type"].startswith("text/html")
    with pytest.raises(ValueError):
        json.loads(response.body)


def test_faults_are_queued(wire: Any) -> None:
    wire.sandbox.fail(status=500)
    wire.sandbox.fail(status=429)
    wire.sandbox.fail(error="over quota")
    assert [wire.post(VIEWER).status for _ in range(2)] == [500, 429]
    response = wire.post(VIEWER)
    assert (response.status, response.json["errors"][0]["message"]) == (200, "over quota")
    assert wire.post(VIEWER).json["data"]["viewer"]


def test_faults_are_aimed(wire: Any) -> None:
    wire.sandbox.fail("createPatient", status=500)
    wire.sandbox.fail("Named", status=501)
    wire.sandbox.fail("mutation", status=504, after=1)
    assert wire.post(VIEWER).status == 200
    assert wire.post("query Named {viewer{projects{id}}}").status == 501
    query = 'mutation Make {createPatient(projectId: "lab/practice", name: "x"){patient{id}}}'
    assert [wire.post(query).status for _ in range(3)] == [500, 200, 504]
    wire.sandbox.fail("PUT", status=500)
    assert wire.post(VIEWER).status == 200
    wire.sandbox.clear_faults()
    assert wire.upload(wire.clip(), b"x")


def test_a_dropped_connection(wire: Any) -> None:
    query = 'mutation {createPatient(projectId: "lab/practice", name: "x"){patient{id}}}'
    for drop, made in ((True, 0), ("before", 0), ("after", 1)):
        wire.sandbox.fail(drop=drop)
        with pytest.raises(DISCONNECTED):
            wire.post(query)
        assert wire.sandbox.requests[-1].status is None
        assert len(wire.node(wire.project(), "Project", "patientsList{id}")["patientsList"]) == made


@pytest.mark.parametrize("cut", [5, 0.5])
def test_a_truncated_response(wire: Any, cut: Any) -> None:
    wire.sandbox.fail(truncate=cut)
    with pytest.raises(http.client.IncompleteRead):
        wire.post(VIEWER)
    assert wire.post(VIEWER).status == 200


def test_too_many_objects(wire: Any) -> None:
    wire.sandbox.generate(10, 1, 0, 0)
    id = wire.project("lab/generated-1")
    query = "query($id: ID!){node(id: $id){id ... on Project{patientsList{id sessions{id}}}}}"
    wire.sandbox.fail(max_objects=20)
    for _ in range(3):
        response = wire.post(query, {"id": id})
        assert response.status == 502
    assert wire.sandbox.requests[-1].objects == 21
    assert wire(query.replace("sessions{id}", "name"), id=id)
    wire.sandbox.clear_faults()
    assert wire(query, id=id)
    wire.sandbox.fail(max_objects=20, times=1)
    assert [wire.post(query, {"id": id}).status for _ in range(2)] == [502, 200]


def test_a_redirect(wire: Any) -> None:
    wire.sandbox.fail(redirect="http://127.0.0.1:9/elsewhere")
    response = wire.post(VIEWER)
    assert (response.status, response.headers["location"]) == (307, "http://127.0.0.1:9/elsewhere")


def test_a_body_of_any_kind(wire: Any) -> None:
    wire.sandbox.fail(body="<html>", status=200)
    assert wire.post(VIEWER).body == b"<html>"


def test_a_rate_is_drawn_with_a_seed(wire: Any) -> None:
    def statuses() -> list[int]:
        wire.sandbox.clear_faults()
        wire.sandbox.fail(status=503, rate=0.3, seed=5)
        return [wire.post(VIEWER).status for _ in range(40)]

    first = statuses()
    assert first == statuses()
    assert 4 < first.count(503) < 25


def test_a_fault_without_effect_is_refused(wire: Any) -> None:
    with pytest.raises(ValueError):
        wire.sandbox.fail()
    with pytest.raises(ValueError):
        wire.sandbox.fail(drop="sideways")
    with pytest.raises(TypeError):
        wire.sandbox.fail(nonsense=1)


@pytest.mark.parametrize("name", ["creatPatient", "put", "blobs", "queries", ""])
def test_an_unknown_operation_is_refused_when_it_is_set(wire: Any, name: str) -> None:
    with pytest.raises(ValueError, match=f"no operation '{name}'") as caught:
        wire.sandbox.fail(name, status=500)
    if name == "creatPatient":
        assert "did you mean 'createPatient'" in str(caught.value)
    assert wire.post(VIEWER).status == 200


def test_names_of_documents_are_known_by_their_capital_or_once_received(wire: Any) -> None:
    text = "query getThem {viewer{projects{id}}}"
    with pytest.raises(ValueError):
        wire.sandbox.fail("getThem", status=500)
    assert wire.post(text).status == 200
    wire.sandbox.fail("getThem", status=500)
    wire.sandbox.fail("Unheard", status=501)
    assert [wire.post(query).status for query in (text, VIEWER, "query Unheard {__typename}")] == [
        500,
        200,
        501,
    ]
    for name in ("node", "deleteClip", "query", "mutation", "HEAD", "blob", "*"):
        wire.sandbox.fail(name, status=500)


@pytest.mark.parametrize(
    ("operation", "effect"),
    [
        ("createPatient", {"corrupt": True}),
        ("HEAD", {"corrupt": True}),
        ("GET", {"late_failure": True}),
        ("query", {"expire": True}),
        ("PUT", {"error": "no"}),
        ("blob", {"max_objects": 3}),
        ("query", {"fail_job": True}),
    ],
)
def test_an_effect_that_its_request_cannot_have_is_refused(wire: Any, operation: str, effect: Any) -> None:
    with pytest.raises(ValueError, match="has no effect on"):
        wire.sandbox.fail(operation, **effect)


# --- the store's


def test_a_download_that_breaks_off(wire: Any, get: Any, uri: str) -> None:
    wire.sandbox.fail("GET", truncate=100)
    with pytest.raises(http.client.IncompleteRead) as caught:
        get(uri)
    assert len(caught.value.partial) == 100
    wire.sandbox.fail("GET", drop=True)
    with pytest.raises(DISCONNECTED):
        get(uri)
    assert wire.sandbox.requests[-1].status is None
    assert len(get(uri).body) == 10000


def test_a_download_with_a_wrong_bit(wire: Any, get: Any, uri: str) -> None:
    right = get(uri)
    wire.sandbox.fail(corrupt=True)
    wrong = get(uri)
    assert len(wrong.body) == len(right.body)
    assert wrong.body != right.body
    assert wrong.headers["x-goog-hash"] == right.headers["x-goog-hash"]
    assert get(uri).body == right.body


def test_an_upload_with_a_wrong_bit(wire: Any, get: Any) -> None:
    url, id = wire.create_file(wire.clip(), b"abc")
    wire.sandbox.fail("PUT", corrupt=True)
    assert get(url, "PUT", b"abc").status == 400
    assert wire.file(id)["uploadStatus"] == "Pending"
    assert get(url, "PUT", b"abc").status == 200


def test_a_late_failure(wire: Any, get: Any) -> None:
    wire.sandbox.fail(late_failure=True)
    id = wire.upload(wire.clip(), b"abc")
    looks = [wire.file(id) for _ in range(3)]
    assert [look["uploadStatus"] for look in looks] == ["Processing", "Failed", "Failed"]
    assert looks[2]["originalDataDownloadUri"] is None
    assert wire.file(wire.upload(wire.clip(), b"abc"))["uploadStatus"] == "Complete"


def test_an_expired_url(wire: Any, get: Any, uri: str) -> None:
    wire.sandbox.fail(expire=True)
    assert [get(uri).status for _ in range(2)] == [403, 200]


@pytest.mark.parametrize("method", ["PUT", "GET", "HEAD"])
def test_a_status_of_the_store(wire: Any, get: Any, uri: str, method: str) -> None:
    url = wire.create_file(wire.clip(), b"x")[0] if method == "PUT" else uri
    wire.sandbox.fail(method, status=503, retry_after=1)
    assert [get(url, method, b"x" if method == "PUT" else None).status for _ in range(2)] == [503, 200]


def test_an_upload_that_is_cut(wire: Any, get: Any) -> None:
    data = b"x" * 3_000_000
    url, id = wire.create_file(wire.clip(), data)
    wire.sandbox.fail("PUT", truncate=1000)
    with pytest.raises(DISCONNECTED):
        get(url, "PUT", data)
    assert wire.file(id)["uploadStatus"] == "Pending"
    wire.sandbox.fail("PUT", drop="after")
    with pytest.raises(DISCONNECTED):
        get(url, "PUT", data)
    assert wire.file(id)["uploadStatus"] == "Complete"


def test_everything_at_once(wire: Any, get: Any, uri: str) -> None:
    wire.sandbox.fail("*", status=500, times=2)
    assert wire.post(VIEWER).status == 500
    assert get(uri).status == 500
    assert get(uri).status == 200
