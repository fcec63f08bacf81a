"""What is repeated and what is not, against a server that fails in every way."""

from __future__ import annotations

import contextlib
import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moveshelf.errors import (
    AuthenticationError,
    MoveshelfError,
    OutcomeUnknownError,
    QueryError,
    RequestError,
    fresh,
)
from moveshelf.wire import RetryPolicy, TooLargeError
from moveshelf.wire.retry import Failure, retry_after, speaks_of_size

from .faultserver import FaultServer, Hold, cut, cut_chunked, drop, no_http, ok, reply, reset

QUERY = "query Read { ok }"
MUTATION = "mutation Change { ok }"

TRANSIENT = {
    "408": reply(408, "slow"),
    "429": reply(429, "many", {"Retry-After": "0"}),
    "500": reply(500, {"errors": [{"message": "boom"}]}),
    "502": reply(502, "<html>Bad Gateway</html>", {"Content-Type": "text/html"}),
    "503": reply(503, "later"),
    "504": reply(504, ""),
    "drop": drop,
    "reset": reset,
    "cut": cut,
    "cut chunked": cut_chunked,
    "not HTTP": no_http,
    "not JSON": reply(200, "<html>Log in to the hospital's network</html>", {"Content-Type": "text/html"}),
    "half JSON": reply(200, '{"data": {"ok": tr'),
    "empty": reply(200, ""),
    "blank": reply(200, "  \n"),
}


@pytest.mark.parametrize("fault", TRANSIENT)
def test_a_query_survives_a_transient_fault(connect, fault):
    with FaultServer(TRANSIENT[fault], TRANSIENT[fault], ok(ok="P")) as server:
        wire = connect(server.url)
        assert wire.execute(QUERY) == {"ok": "P"}
        assert len(server.seen) == 3
        assert (wire.stats.requests, wire.stats.retries, wire.stats.errors) == (1, 2, 0)
        assert len({request.body for request in server.seen}) == 1


@pytest.mark.parametrize("fault", TRANSIENT)
def test_a_query_gives_up_after_its_attempts(connect, fault):
    with FaultServer(default=TRANSIENT[fault]) as server:
        wire = connect(server.url)
        with pytest.raises(RequestError) as caught:
            wire.execute(QUERY)
        assert len(server.seen) == 4
        assert "'Read'" in str(caught.value)
        assert "4 attempts" in str(caught.value)
        assert caught.value.operation == "Read"
        assert caught.value.status == (int(fault) if fault.isdigit() else caught.value.status)
        assert wire.stats.errors == 1


def test_what_is_no_json_is_shown(connect):
    with FaultServer(default=TRANSIENT["not JSON"]) as server:
        with pytest.raises(RequestError, match="hospital's network") as caught:
            connect(server.url).execute(QUERY)
        assert caught.value.status == 200
        assert caught.value.body.startswith("<html>")


@pytest.mark.parametrize("status", [400, 402, 404, 409, 410, 413, 422, 501])
def test_a_refusal_is_not_repeated(connect, status):
    with FaultServer(default=reply(status, "no")) as server:
        for document in (QUERY, MUTATION) if status < 500 else (QUERY,):
            server.seen.clear()
            with pytest.raises(RequestError) as caught:
                connect(server.url).execute(document)
            assert type(caught.value) is RequestError
            assert caught.value.status == status
            assert len(server.seen) == 1


def test_a_refusal_with_graphql_errors_keeps_them_and_its_status(connect):
    body = {"errors": [{"message": "Cannot query field 'nmae' on type 'Patient'.", "path": ["x"]}]}
    with FaultServer(default=reply(400, body, {"X-Request-Id": "req-7"})) as server:
        with pytest.raises(QueryError, match="Cannot query field 'nmae'") as caught:
            connect(server.url).execute(QUERY)
        assert caught.value.status == 400
        assert caught.value.errors == body["errors"]
        assert caught.value.request_id == "req-7"
        assert "req-7" not in str(caught.value)  # scripts search texts for a status


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("body", [{"errors": [{"message": "Not authorised"}]}, {"message": "Not authorised"}])
@pytest.mark.parametrize("document", [QUERY, MUTATION])
def test_a_refused_key(connect, status, body, document):
    with FaultServer(default=reply(status, body)) as server:
        with pytest.raises(AuthenticationError, match="Not authorised") as caught:
            connect(server.url).execute(document)
        assert isinstance(caught.value, PermissionError)
        assert caught.value.status == status
        assert len(server.seen) == 1


# -- mutations


@pytest.mark.parametrize("fault", sorted(set(TRANSIENT) - {"429"}))
def test_a_mutation_that_may_have_happened_is_not_repeated(connect, fault):
    with FaultServer(TRANSIENT[fault]) as server:
        wire = connect(server.url)
        with pytest.raises(OutcomeUnknownError, match="may or may not have been carried out") as caught:
            wire.execute(MUTATION)
        assert len(server.seen) == 1
        assert wire.stats.retries == 0
        assert "look first" in str(caught.value)


def test_a_mutation_whose_response_never_comes(connect):
    hold = Hold()
    with FaultServer(hold) as server:
        with pytest.raises(OutcomeUnknownError, match="no sign of life"):
            connect(server.url, timeout=0.2).execute(MUTATION)
        assert len(server.seen) == 1


def test_json_that_is_no_graphql_response(connect):
    with FaultServer(default=reply(200, {"status": "up"})) as server:
        with pytest.raises(OutcomeUnknownError):
            connect(server.url).execute(MUTATION)
        with pytest.raises(RequestError, match="no GraphQL response") as caught:
            connect(server.url).execute(QUERY)
        assert type(caught.value) is RequestError
        assert len(server.seen) == 2
    for body in ("[]", "null", "7", '{"data": 7}', '{"errors": []}'):
        with FaultServer(default=reply(200, body)) as server, pytest.raises(RequestError):
            connect(server.url).execute(QUERY)


@pytest.mark.parametrize("fault", [TRANSIENT["429"], reply(503, "later", {"Retry-After": "0"})])
def test_a_mutation_that_cannot_have_happened_is_repeated(connect, fault):
    with FaultServer(fault, fault, ok()) as server:
        assert connect(server.url).execute(MUTATION) == {"ok": True}
        assert len(server.seen) == 3


@pytest.mark.parametrize("document", [QUERY, MUTATION])
def test_nobody_listens(connect, document):
    with FaultServer() as server:
        url = server.url
    wire = connect(url)
    with pytest.raises(RequestError, match=r"no connection to 127\.0\.0\.1") as caught:
        wire.execute(document)
    assert type(caught.value) is RequestError
    assert caught.value.status is None
    assert wire.stats.retries == 2
    assert wire.stats.bytes_sent == 0


def test_a_host_that_nobody_knows(connect):
    wire = connect("https://nowhere.invalid/graphql")
    with pytest.raises(RequestError, match=r"nowhere\.invalid is not known here"):
        wire.execute(MUTATION)


def test_a_refusal_whose_text_is_cut_off_keeps_its_status(connect):
    def cut_refusal(connection, seen):
        connection.sendall(b"HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 900\r\n\r\n<html>upst")
        return False

    with FaultServer(default=cut_refusal) as server, pytest.raises(RequestError, match="504") as caught:
        connect(server.url).execute(QUERY)
    assert (caught.value.status, caught.value.body) == (504, "<html>upst")


@pytest.mark.parametrize(
    "errors", [["a text"], "a text", {"message": "a text"}, [7, None, {"message": "a text"}]]
)
@pytest.mark.parametrize("status", [200, 400])
def test_errors_written_in_other_ways(connect, errors, status):
    with FaultServer(default=reply(status, {"errors": errors})) as server:
        wire = connect(server.url)
        with pytest.raises(QueryError, match="a text") as caught:
            wire.execute(QUERY)
        assert all(isinstance(error, dict) for error in caught.value.errors)
        with pytest.raises(QueryError) if status == 400 else contextlib.nullcontext():
            assert wire.submit(QUERY, halve=True).result().errors


def test_without_retry_there_is_none(connect):
    with FaultServer(default=TRANSIENT["503"]) as server:
        with pytest.raises(RequestError):
            connect(server.url).submit(QUERY, retry=False).result()
        assert len(server.seen) == 1


# -- requesting for less


SIZE_FAULTS = {
    "413": reply(413, "too much"),
    "502": TRANSIENT["502"],
    "504": TRANSIENT["504"],
    "timeout": Hold,
    "refused by cost": reply(400, {"errors": [{"message": "Query cost 5210 exceeds the maximum of 5000"}]}),
    "refused in 200": reply(
        200, {"data": None, "errors": [{"message": "The query is too complex: 900 of 500"}]}
    ),
    "refused by code": reply(
        200, {"errors": [{"message": "no", "extensions": {"code": "QUERY_TOO_COMPLEX"}}]}
    ),
}


@pytest.mark.parametrize("fault", SIZE_FAULTS)
def test_a_request_too_large_fails_at_once(connect, fault):
    with FaultServer(Hold() if fault == "timeout" else SIZE_FAULTS[fault]) as server:
        wire = connect(server.url, timeout=0.3 if fault == "timeout" else 20)
        with pytest.raises(TooLargeError):
            wire.submit(QUERY, halve=True).result()
        assert len(server.seen) == 1
        assert wire.stats.retries == 0


@pytest.mark.parametrize("fault", ["429", "503", "drop", "cut", "not JSON"])
def test_what_a_smaller_request_would_not_help_is_repeated(connect, fault):
    with FaultServer(TRANSIENT[fault], ok()) as server:
        assert connect(server.url).submit(QUERY, halve=True).result().data == {"ok": True}
        assert len(server.seen) == 2


def test_a_timed_out_request_that_cannot_be_halved_is_sent_once_more(connect):
    with FaultServer(Hold(), ok()) as server:
        assert connect(server.url, timeout=0.2).execute(QUERY) == {"ok": True}
    silence = pytest.raises(RequestError, match=r"no sign of life for 0\.2 s \(2 attempts\)")
    with FaultServer(default=Hold()) as server, silence:
        connect(server.url, timeout=0.2).execute(QUERY)


@pytest.mark.parametrize(
    ("message", "code", "expected"),
    [
        ("Query is too large", None, True),
        ("Document contains more than 15000 tokens. Parsing aborted.", None, True),
        ("Syntax Error: Document contains more than 10 tokens. Parsing aborted.", None, True),
        ("query has depth of 20, which exceeds max depth of 12", None, True),
        ("nope", "GRAPHQL_COMPLEXITY_LIMIT", True),
        ("Rate limit exceeded for this operation", None, False),
        ("too many requests", "RATE_LIMITED", False),
        ("Cannot query field 'x' on type 'Query'.", None, False),
        ("Patient not found", "NOT_FOUND", False),
    ],
)
def test_how_a_refusal_for_size_reads(message, code, expected):
    error: dict[str, object] = {"message": message}
    if code:
        error["extensions"] = {"code": code}
    assert speaks_of_size([error]) is expected


# -- the pauses


def test_retry_after_as_seconds_date_and_nonsense():
    assert retry_after("7") == 7
    assert retry_after("0.5") == 0.5
    assert retry_after("-3") == 0
    later = retry_after(formatdate(time.time() + 3600, usegmt=True))
    assert later is not None
    assert 3000 < later <= 3600
    assert retry_after(formatdate(0, usegmt=True)) == 0
    for nonsense in (None, "", "soon", "nan", "inf", "1e999", "Thu, 99 Foo 2020"):
        assert retry_after(nonsense) is None


@given(st.text())
def test_no_retry_after_header_breaks_anything(value):
    seconds = retry_after(value)
    assert seconds is None or 0 <= seconds < 1e9


@given(st.integers(1, 40), st.floats(0, 100), st.floats(0, 100))
def test_pauses_grow_to_a_cap_and_are_jittered(attempt, first, cap):
    policy = RetryPolicy(attempts=50, first=first, cap=cap)
    pause = policy.pause(Failure("refused", status=503), attempt, mutation=False)
    assert pause is not None
    top = min(first * 2 ** (attempt - 1), cap)
    assert top / 2 <= pause <= top


CERTAIN = [
    Failure("unsent"),
    Failure("barred", status=407),
    *(Failure("refused", status=status) for status in (301, 307, 400, 401, 403, 404, 409, 413, 422, 429)),
    Failure("refused", status=503, retry_after=1.0),
]
UNCERTAIN = [
    *(Failure(kind) for kind in ("lost", "silent", "malformed", "foreign", "huge")),
    *(Failure("refused", status=status) for status in (408, 500, 501, 502, 503, 504, 520)),
    Failure("refused", status=500, retry_after=1.0),
]


@pytest.mark.parametrize(
    "failure", [*CERTAIN, *UNCERTAIN], ids=lambda failure: f"{failure.kind} {failure.status}"
)
def test_a_mutation_is_repeated_only_where_it_cannot_have_been_carried_out(failure):
    assert failure.untouched is (failure in CERTAIN)
    pause = RetryPolicy().pause(failure, 1, mutation=True)
    assert (pause is not None) is (failure in CERTAIN and failure.transient)
    assert (RetryPolicy().pause(failure, 1, mutation=False) is not None) is failure.transient


def test_a_foreign_response_is_replaced_at_once_and_not_for_ever():
    assert RetryPolicy().pause(Failure("foreign"), 1, mutation=False) == 0
    assert RetryPolicy().pause(Failure("foreign"), 2, mutation=False) is None


def test_pauses_differ():
    policy = RetryPolicy()
    pauses = {policy.pause(Failure("lost"), 3, mutation=False) for _ in range(20)}
    assert len(pauses) > 1


@given(st.floats(0, 120), st.booleans())
def test_retry_after_is_obeyed(seconds, mutation):
    pause = RetryPolicy().pause(Failure("refused", status=503, retry_after=seconds), 1, mutation=mutation)
    assert pause is not None
    assert seconds <= pause <= seconds + 1


def test_a_wait_beyond_the_longest_is_the_callers(connect):
    with FaultServer(default=reply(429, "", {"Retry-After": "7200"})) as server:
        with pytest.raises(RequestError, match="wants clients to wait 7200 s"):
            connect(server.url).execute(QUERY)
        assert len(server.seen) == 1


def test_errors_of_the_wire_are_of_one_family():
    error = TooLargeError("x", status=502, operation="Read")
    assert isinstance(error, RequestError)
    assert isinstance(error, MoveshelfError)
    assert type(fresh(error)) is TooLargeError
