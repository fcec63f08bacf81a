"""The wire before the local service: what both sides count is the same."""

from __future__ import annotations

import pytest

from moveshelf.errors import AuthenticationError, OutcomeUnknownError, QueryError, RequestError
from moveshelf.wire import RetryPolicy, TooLargeError, Wire

PROJECTS = "query Projects { viewer { projects { id name } } }"
CREATE = "mutation Create($p: String!, $n: String!) { createPatient(projectId: $p, name: $n) { patient { id name } } }"


@pytest.fixture
def wire(sandbox):
    wire = Wire(sandbox.api_url, sandbox.api_key, retry=RetryPolicy(first=0))
    yield wire
    wire.close()


def test_both_sides_count_the_same(sandbox, wire):
    assert [project["name"] for project in wire.execute(PROJECTS)["viewer"]["projects"]] == ["lab/practice"]
    sandbox.fail(status=502, times=2)
    sandbox.fail(drop=True)
    sandbox.fail(truncate=20)
    wire.execute(PROJECTS)
    counted = [request for request in sandbox.requests if request.kind == "graphql"]
    assert [request.operation for request in counted] == ["Projects"] * 6
    assert (wire.stats.requests, wire.stats.retries, wire.stats.errors) == (2, 4, 0)
    assert wire.stats.bytes_sent == sum(request.bytes_in for request in counted)
    assert all(request.authorization for request in counted)


def test_refusals(sandbox, wire):
    with pytest.raises(QueryError, match="nmae") as caught:
        wire.execute("query Typo { viewer { projects { nmae } } }")
    assert (caught.value.status, caught.value.operation) == (400, "Typo")
    assert caught.value.request_id
    assert caught.value.request_id not in str(caught.value)
    stranger = Wire(sandbox.api_url, "0" * 64)
    with pytest.raises(AuthenticationError):
        stranger.execute(PROJECTS)
    stranger.close()
    with pytest.raises(QueryError):
        wire.execute(CREATE, {"p": "lab/nowhere", "n": "x"})


def test_a_mutation_that_was_carried_out_though_no_response_came(sandbox, wire):
    sandbox.fail("createPatient", drop="after")
    with pytest.raises(OutcomeUnknownError, match="look first"):
        wire.execute(CREATE, {"p": "lab/practice", "n": "P-001"})
    found = wire.execute("query Look { viewer { projects { patientsList { name } } } }")
    assert found["viewer"]["projects"][0]["patientsList"] == [{"name": "P-001"}]
    assert len(sandbox.requests.of("createPatient")) == 1


def test_a_mutation_that_the_service_had_no_time_for(sandbox, wire):
    sandbox.fail("createPatient", status=503, retry_after=0, times=2)
    wire.execute(CREATE, {"p": "lab/practice", "n": "P-001"})
    found = wire.execute("query Look { viewer { projects { patientsList { name } } } }")
    assert found["viewer"]["projects"][0]["patientsList"] == [{"name": "P-001"}]


def test_too_many_objects(sandbox, wire):
    name = sandbox.generate(subjects=20, sessions=1, clips=0, files=0)
    sandbox.fail(max_objects=10)
    query = "query Many { viewer { projects { name patientsList { id } } } }"
    with pytest.raises(TooLargeError):
        wire.submit(query, halve=True).result()
    with pytest.raises(RequestError, match=r"502.*6 attempts") as caught:
        wire.execute(query)
    assert type(caught.value) is RequestError
    sandbox.clear_faults()
    projects = {one["name"]: one for one in wire.execute(query)["viewer"]["projects"]}
    assert len(projects[name]["patientsList"]) == 20


def test_a_redirect_gets_no_key(sandbox, wire):
    from moveshelf.sandbox import Sandbox

    with Sandbox() as other:
        sandbox.fail(redirect=other.api_url)
        with pytest.raises(RequestError, match="not sent to another URL"):
            wire.execute(PROJECTS)
        assert len(other.requests) == 0
