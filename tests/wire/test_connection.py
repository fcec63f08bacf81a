"""What goes over the wire, to whom, and what never does."""

from __future__ import annotations

import copy
import datetime
import gzip
import logging
import pickle
import traceback
import uuid

import pytest

from moveshelf.config import Secret
from moveshelf.errors import (
    ConfigError,
    DetachedError,
    MoveshelfError,
    QueryError,
    RequestError,
    ValidationError,
)
from moveshelf.wire import TooLargeError, Wire

from .faultserver import FaultServer, Hold, cut, drop, no_http, ok, reply

QUERY = "query Read($id: ID!) { ok: node(id: $id) { id } }"


def test_a_request_as_the_service_wants_it(connect, token):
    with FaultServer() as server:
        connect(server.url).execute(QUERY, {"id": "UHJv", "none": None})
    (seen,) = server.seen
    assert (seen.method, seen.target) == ("POST", "/graphql")
    assert seen.json == {"query": QUERY, "variables": {"id": "UHJv", "none": None}}
    assert seen.headers["authorization"] == f"Bearer {token}"
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["user-agent"].startswith("moveshelf/")
    assert "gzip" in seen.headers["accept-encoding"]
    assert "cookie" not in seen.headers


def test_the_document_stays_as_it_was_written(connect):
    spaced = "# a comment\nquery   Read{ok , \n\n x:ok}"
    with FaultServer(ok(ok=1, x=1)) as server:
        connect(server.url).execute(spaced)
    assert server.seen[0].json["query"] == spaced


def test_an_operation_is_named_only_where_there_are_several(connect):
    two = "query One { ok } query Two { ok }"
    with FaultServer() as server:
        wire = connect(server.url)
        wire.execute(two, operation="Two")
        wire.execute(QUERY, {}, operation="Read")
    assert server.seen[0].json["operationName"] == "Two"
    assert "operationName" not in server.seen[1].json


def test_dates_and_the_like_travel_as_text(connect):
    day = datetime.date(2024, 5, 17)
    with FaultServer() as server:
        connect(server.url).execute(
            QUERY, {"day": day, "at": datetime.datetime(2024, 5, 17, 8), "u": uuid.UUID(int=7)}
        )
    assert server.seen[0].json["variables"] == {
        "day": "2024-05-17",
        "at": "2024-05-17T08:00:00",
        "u": str(uuid.UUID(int=7)),
    }


@pytest.mark.parametrize("value", [{1, 2}, object(), float("nan"), [float("inf")]])
def test_what_json_has_no_word_for_is_refused_before_it_is_sent(connect, value):
    with FaultServer() as server:
        wire = connect(server.url)
        with pytest.raises(ValidationError, match="'Read'"):
            wire.execute(QUERY, {"x": value})
        assert server.seen == []
        assert wire.stats.requests == 0


def test_connections_are_kept(connect):
    with FaultServer() as server:
        wire = connect(server.url)
        for _ in range(5):
            wire.execute(QUERY)
        assert (len(server.seen), server.connections) == (5, 1)


def test_an_unpacked_response(connect):
    body = gzip.compress(b'{"data": {"ok": "' + b"y" * 5000 + b'"}}')
    with FaultServer(reply(200, body, {"Content-Encoding": "gzip"})) as server:
        wire = connect(server.url)
        assert len(wire.execute(QUERY)["ok"]) == 5000
        assert wire.stats.bytes_received == 5020


def test_a_large_request_and_a_large_response(connect):
    text = "ä" * 3_000_000
    with FaultServer(ok(ok=text)) as server:
        assert connect(server.url).execute(QUERY, {"text": text})["ok"] == text
        assert server.seen[0].json["variables"]["text"] == text


def test_json_beyond_the_letter_of_the_law(connect):
    with FaultServer(reply(200, b'{"data": {"ok": {"x": NaN, "y": "\\ud83d"}}}')) as server:
        data = connect(server.url).execute(QUERY)["ok"]
        assert data["x"] != data["x"]
        assert data["y"] == "\ud83d"


def test_partial_data_is_left_to_the_caller_of_submit(connect):
    body = {"data": {"a": {"id": "1"}, "b": None}, "errors": [{"message": "not here", "path": ["b"]}]}
    with FaultServer(default=reply(200, body, {"x-cloud-trace-context": "trace/9"})) as server:
        wire = connect(server.url)
        response = wire.submit(QUERY).result()
        assert response.data == body["data"]
        assert response.errors == body["errors"]
        assert response.request_id == "trace/9"
        assert response.status == 200
        assert response.size == len(server.seen[0].body) or response.size > 0
        with pytest.raises(QueryError, match="not here") as caught:
            wire.execute("query Read { a { id } b { id } }")
        assert caught.value.data == body["data"]
        assert caught.value.errors == body["errors"]
        assert caught.value.request_id == "trace/9"
        assert "trace/9" not in str(caught.value)  # scripts search texts for a status
        assert "'Read'" in str(caught.value)


def test_request_ids_are_not_shared_among_requests_in_flight(connect):
    acts = [reply(200, {"data": {"n": n}}, {"X-Request-Id": f"id-{n}"}) for n in range(40)]
    with FaultServer(*acts) as server:
        wire = connect(server.url)
        responses = [future.result() for future in [wire.submit(QUERY) for _ in range(40)]]
    assert all(response.request_id == f"id-{response.data['n']}" for response in responses if response.data)
    assert len({response.request_id for response in responses}) == 40


def test_no_more_than_concurrency_at_once(connect):
    holds = [Hold() for _ in range(6)]
    with FaultServer(*holds) as server:
        wire = connect(server.url, concurrency=2)
        waiting = [wire.submit(QUERY) for _ in range(6)]
        for number, hold in enumerate(holds):
            assert hold.arrived.wait(20)
            assert len(server.seen) <= number + 2
            hold.free.set()
        assert [future.result().data for future in waiting] == [{"ok": True}] * 6


# -- the key stays where it belongs


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(connect, token, status):
    with FaultServer() as other:
        aim = f"http://localhost:{other.port}/graphql?signed=part#x"
        with FaultServer(default=reply(status, "", {"Location": aim})) as server:
            wire = connect(server.url)
            for document in (QUERY, "mutation M { ok }"):
                with pytest.raises(
                    RequestError, match=f"pointing to http://localhost:{other.port}/graphql"
                ) as caught:
                    wire.execute(document)
                assert type(caught.value) is RequestError
                assert caught.value.status == status
                assert "signed" not in str(caught.value)
            assert len(server.seen) == 2
        assert other.seen == []
        assert other.connections == 0


def everything_in(error: BaseException | None) -> str:
    """All that an error could give away: its texts, attributes, pickle, causes, and the locals of its frames."""
    parts: list[str] = []
    while error is not None:
        parts += [str(error), repr(error), repr(error.args), repr(vars(error))]
        parts += traceback.format_exception(type(error), error, error.__traceback__)
        try:
            parts.append(pickle.dumps(error).decode("latin-1"))
            parts.append(repr(vars(pickle.loads(pickle.dumps(error)))))
            parts.append(repr(vars(copy.deepcopy(error))))
        except TypeError:
            pass
        parts += [repr(error.__cause__), repr(error.__context__)]
        error = error.__cause__ or error.__context__
    return "\n".join(parts)


def echo(connection, seen):
    """A service that quotes the request in its complaint, as some debugging pages do."""
    return reply(500, f"failed for {seen.headers['authorization']}")(connection, seen)


def echo_errors(connection, seen):
    body = {
        "errors": [{"message": "who is " + seen.headers["authorization"], "extensions": {"h": seen.headers}}]
    }
    return reply(200, {"data": None, **body})(connection, seen)


def echo_refusal(connection, seen):
    return reply(401, {"errors": [{"message": "bad token " + seen.headers["authorization"]}]})(
        connection, seen
    )


def echo_place(connection, seen):
    return reply(307, "", {"Location": "https://x.example/" + seen.headers["authorization"][7:]})(
        connection, seen
    )


def echo_id(connection, seen):
    return reply(400, "no", {"X-Request-Id": seen.headers["authorization"]})(connection, seen)


FAULTS = {
    "echo": echo,
    "echo errors": echo_errors,
    "echo refusal": echo_refusal,
    "echo place": echo_place,
    "echo id": echo_id,
    "drop": drop,
    "cut": cut,
    "no http": no_http,
    "502": reply(502, "<html>"),
    "not JSON": reply(200, "<html>"),
    "timeout": Hold,
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("document", [QUERY, "mutation M { ok }"])
def test_no_error_knows_the_key(connect, token, caplog, fault, document):
    caplog.set_level(logging.DEBUG)
    act = Hold() if fault == "timeout" else FAULTS[fault]
    with FaultServer(default=act) as server:
        wire = connect(server.url, timeout=0.2 if fault == "timeout" else 20)
        with pytest.raises(MoveshelfError) as caught:
            wire.execute(document)
        assert token not in everything_in(caught.value)
        assert token not in repr(wire)
        with pytest.raises(TypeError, match="pickled"):
            pickle.dumps(wire)
    assert token not in caplog.text
    assert all(token not in repr(vars(record)) for record in caplog.records)


def test_no_connection_error_knows_the_key(connect, token):
    with FaultServer() as server:
        url = server.url
    with pytest.raises(RequestError) as caught:
        connect(url).execute(QUERY)
    assert token not in everything_in(caught.value)


def test_the_log_names_operations_and_no_patient(connect, token, caplog):
    caplog.set_level(logging.DEBUG)  # every logger there is, those of the libraries below too
    with FaultServer(drop, ok(ok="Jane Roe")) as server:
        connect(server.url).execute(QUERY, {"id": "MRN-4711"})
    assert "Read" in caplog.text
    assert any("Read: 200" in record.getMessage() for record in caplog.records if record.name == "moveshelf")
    text = caplog.text + "".join(repr(vars(record)) for record in caplog.records)
    for private in ("MRN-4711", "Jane Roe", token):
        assert private not in text


def test_an_error_crosses_process_borders(connect):
    with (
        FaultServer(default=reply(413, "much", {"X-Request-Id": "r1"})) as server,
        pytest.raises(TooLargeError) as e,
    ):
        connect(server.url).submit(QUERY, halve=True).result()
    twin = pickle.loads(pickle.dumps(e.value))
    assert (type(twin), str(twin), vars(twin)) == (TooLargeError, str(e.value), vars(e.value))
    assert (twin.status, twin.body, twin.request_id, twin.operation) == (413, "much", "r1", "Read")


def test_each_waiter_gets_its_own_error(connect):
    with FaultServer(default=reply(404, "not here")) as server:
        future = connect(server.url).submit(QUERY)
        errors = []
        for _ in range(3):
            with pytest.raises(RequestError) as caught:
                future.result()
            errors.append(caught.value)
    assert len({id(error) for error in errors}) == 3
    assert len({str(error) for error in errors}) == 1
    assert all(error.__context__ is None and error.__cause__ is None for error in errors)


# -- proxies and addresses


def test_a_proxy_of_the_environment_is_used_and_gets_no_key(connect, token, monkeypatch):
    def refuse_tunnel(connection, seen):
        return reply(403, "not from here")(connection, seen)

    with FaultServer(default=refuse_tunnel) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://ward:s3cret@127.0.0.1:{proxy.port}")
        wire = connect("https://api.moveshelf.example/graphql")
        with pytest.raises(RequestError, match="the proxy responded with 403") as caught:
            wire.execute("mutation M { ok }")
        assert type(caught.value) is RequestError
        (seen,) = proxy.seen
    assert (seen.method, seen.target) == ("CONNECT", "api.moveshelf.example:443")
    assert "authorization" not in seen.headers
    assert seen.headers["proxy-authorization"] == "Basic d2FyZDpzM2NyZXQ="
    assert "s3cret" not in everything_in(caught.value)
    assert token not in repr(seen)


def test_a_proxy_that_wants_a_password_says_so(connect, monkeypatch):
    with FaultServer(default=reply(407, "a password, please")) as proxy:
        monkeypatch.setenv("https_proxy", f"127.0.0.1:{proxy.port}")
        with pytest.raises(RequestError, match="user and password"):
            connect("https://api.moveshelf.example/graphql").execute(QUERY)
        assert len(proxy.seen) == 1


def test_a_proxy_that_is_not_there(connect, monkeypatch):
    with FaultServer() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
    with pytest.raises(RequestError, match=r"the proxy for api\.moveshelf\.example cannot be reached"):
        connect("https://api.moveshelf.example/graphql").execute(QUERY)


def test_no_proxy_is_used_for_this_machine_or_for_what_no_proxy_names(connect, monkeypatch):
    with FaultServer() as proxy, FaultServer() as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NO_PROXY", ".invalid")
        assert connect(server.url).execute(QUERY) == {"ok": True}
        with pytest.raises(RequestError, match="not known"):
            connect("https://nowhere.invalid/graphql").execute(QUERY)
        assert proxy.connections == 0


def test_a_proxy_that_aiohttp_cannot_speak_to(connect, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "socks5h://127.0.0.1:1080")
    with pytest.raises(ConfigError, match="HTTPS_PROXY"):
        connect("https://api.moveshelf.example/graphql").execute(QUERY)


def test_a_ca_file_that_is_none_is_named(connect, monkeypatch, tmp_path):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "company.pem"))
    with pytest.raises(ConfigError, match=r"REQUESTS_CA_BUNDLE.*company\.pem"):
        connect("https://api.moveshelf.example/graphql").execute(QUERY)


@pytest.mark.parametrize(
    "url", ["http://api.moveshelf.com/graphql", "ftp://x", "https://user:pw@api.moveshelf.com/"]
)
def test_addresses_that_no_key_may_go_to(token, url):
    with pytest.raises(ConfigError):
        Wire(url, token)


@pytest.mark.parametrize(
    "options", [{"timeout": 0}, {"timeout": -1}, {"concurrency": 0}, {"timeout": float("nan")}]
)
def test_settings_that_make_no_sense(token, options):
    with pytest.raises(ConfigError):
        Wire("http://127.0.0.1:1/graphql", token, **options)


def test_a_secret_does_as_a_key(connect, token):
    with FaultServer() as server:
        wire = Wire(server.url, Secret(token))
        wire.execute(QUERY)
        wire.close()
        assert server.seen[0].headers["authorization"] == f"Bearer {token}"


# -- bytes for the transfer room


def test_a_blob_session_has_no_key_and_changes_nothing(connect, token):
    packed = gzip.compress(b"as it is stored")
    with FaultServer(reply(200, packed, {"Content-Encoding": "gzip", "Set-Cookie": "a=b"})) as store:
        wire = connect(store.url)

        async def fetch(path: str) -> bytes:
            session = await wire.blob_session()
            async with session.get(f"http://127.0.0.1:{store.port}{path}") as response:
                return await response.read()

        assert wire.run(fetch, "/b/one%2Ftwo?sig=a%2Bb%3D&x=%7E").result() == packed
        assert wire.run(fetch, "/again").result() == b'{"data": {"ok": true}}'
        first, second = store.seen
    assert first.target == "/b/one%2Ftwo?sig=a%2Bb%3D&x=%7E"
    assert "cookie" not in second.headers
    assert token not in repr(store.seen)
    assert wire.stats.requests == 0


def test_a_netrc_password_does_not_go_to_the_store(connect, monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("default login ward password s3cret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with FaultServer() as store:
        wire = connect(store.url)

        async def fetch() -> int:
            session = await wire.blob_session()
            async with session.put(f"http://127.0.0.1:{store.port}/b", data=b"bytes") as response:
                return response.status

        assert wire.run(fetch).result() == 200
        assert "authorization" not in store.seen[0].headers
        assert store.seen[0].body == b"bytes"


def test_a_closed_client_says_so(connect):
    with FaultServer() as server:
        wire = connect(server.url)
        wire.execute(QUERY)
        wire.close()
        wire.close()
        for send in (lambda: wire.submit(QUERY), lambda: wire.execute(QUERY), lambda: wire.run(object)):
            with pytest.raises(DetachedError, match="closed"):
                send()
        assert wire.closed
        assert len(server.seen) == 1


NODE = "query One($id: ID!) { subject: node(id: $id) { id } }"


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        (NODE, {"id": "mine"}),
        ('{ subject: node(id: "mine") { id } }', {}),
        ('query ($a: ID!) { subject: node(id: $a) { id }, other: node(id: "b") { id } }', {"a": "mine"}),
    ],
)
def test_the_object_of_another_request_is_refused(connect, query, variables):
    """Two requests with the same names: the id alone tells their responses apart."""
    other = {"id": "b"}
    foreign, own = ({"subject": {"id": one}, "other": other} for one in ("foreign", "mine"))
    with FaultServer(ok(**foreign), ok(**own)) as server:
        assert connect(server.url).execute(query, variables) == own
        assert server.connections == 2
    with (
        FaultServer(default=ok(**foreign)) as server,
        pytest.raises(RequestError, match="'subject' is not the object 'mine'"),
    ):
        connect(server.url).execute(query, variables)


@pytest.mark.parametrize(
    "query",
    [
        "query One($id: ID!) { subject: node(id: $id) { id: name } }",
        "query One($id: ID!) { subject: node(id: $id) { ok } } query Two { ok }",
        "query One($id: ID!) { # subject: node(id: $id)\n subject: viewer { id } }",
    ],
)
def test_what_the_text_does_not_decide_is_not_refused(connect, query):
    data = {"subject": {"id": "other"}}
    with FaultServer(default=ok(**data)) as server:
        assert connect(server.url).execute(query, {"id": "mine"}, operation="One") == data
