"""A response never becomes that of another request; and bodies that are not what they seem."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import ssl
import threading
import tracemalloc
import zlib
from typing import Any

import pytest

from moveshelf.errors import MoveshelfError, OutcomeUnknownError, RequestError
from moveshelf.wire import TooLargeError, Wire, network

from .faultserver import Act, FaultServer, Hold, Seen, ok, reply

QUERY = "query Read($n: Int) { ok(n: $n) }"
MUTATION = "mutation Change($n: Int) { ok(n: $n) }"


def echo(connection: socket.socket, seen: Seen) -> bool:
    """The response that belongs to the request: it says the request's number, or its path."""
    number = seen.json["variables"]["n"] if seen.body else seen.target
    return ok(ok=number)(connection, seen)


def raw(number: object) -> bytes:
    body = json.dumps({"data": {"ok": number}}).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Extra:
    """The right response, and bytes behind it that nobody has requested."""

    def __init__(self, extra: bytes, *, together: bool) -> None:
        self.extra = extra
        self.together = together
        self.sent = threading.Event()

    def __call__(self, connection: socket.socket, seen: Seen) -> bool:
        number = seen.json["variables"]["n"] if seen.body else seen.target
        if self.together:
            connection.sendall(raw(number) + self.extra)
        else:
            connection.sendall(raw(number))
            connection.sendall(self.extra)
        self.sent.set()
        return True


class Late:
    """First another response, then the right one: what comes of a duplicate that was late."""

    def __init__(self, first: bytes) -> None:
        self.first = first

    def __call__(self, connection: socket.socket, seen: Seen) -> bool:
        connection.sendall(self.first)
        return echo(connection, seen)


class SecureServer(FaultServer):
    def __init__(self, certificate: Any, *script: Act, default: Act) -> None:
        super().__init__(*script, default=default)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*certificate)
        self.url = f"https://localhost:{self.port}/graphql"

    def _serve(self, connection: socket.socket) -> None:
        try:
            super()._serve(self.context.wrap_socket(connection, server_side=True))
        except OSError:
            connection.close()


WHOLE = raw("another's")
EXTRAS = {"a whole response": WHOLE, "half a head": WHOLE[:30], "half a body": WHOLE[:-4]}


@pytest.fixture(params=[False, True], ids=["http", "https"])
def serve(request, certificate, monkeypatch):
    """A server with or without TLS."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    if request.param:
        return lambda *script: SecureServer(certificate, *script, default=echo)
    return lambda *script: FaultServer(*script, default=echo)


@pytest.mark.parametrize("together", [True, False], ids=["together", "apart"])
@pytest.mark.parametrize("extra", EXTRAS)
def test_a_connection_with_unread_bytes_is_not_used_again(connect, serve, extra, together):
    fault = Extra(EXTRAS[extra], together=together)
    with serve(fault) as server:
        wire = connect(server.url)
        assert wire.execute(QUERY, {"n": 1}) == {"ok": 1}
        assert fault.sent.wait(20)
        assert wire.execute(QUERY, {"n": 2}) == {"ok": 2}
        assert wire.execute(MUTATION, {"n": 3}) == {"ok": 3}
        assert server.connections == 2
        assert (wire.stats.requests, wire.stats.retries) == (3, 0)


@pytest.mark.parametrize("together", [True, False], ids=["together", "apart"])
@pytest.mark.parametrize("extra", EXTRAS)
def test_nor_is_one_of_the_store(connect, serve, extra, together):
    fault = Extra(EXTRAS[extra], together=together)
    with serve(fault) as store:
        wire = connect(store.url)
        for path in ("/a", "/b", "/c"):
            assert wire.run(fetch, wire, store, path).result() == {"data": {"ok": path}}
            assert fault.sent.wait(20)
        assert store.connections == 2


async def fetch(wire: Wire, store: FaultServer, path: str) -> object:
    blobs = await wire.blob_session()
    async with blobs.get(store.url.removesuffix("/graphql") + path) as response:
        return json.loads(await response.read())


def test_what_lies_in_the_kernel_counts_although_the_loop_has_not_read_it(connect):
    """The connection is taken from the pool before the loop looks at its socket again."""
    fault = Extra(WHOLE, together=False)
    with FaultServer(fault, default=echo) as server:
        wire = connect(server.url)

        async def two() -> list[object]:
            blobs = await wire.blob_session()
            found = []
            for path in ("/a", "/b"):
                async with blobs.get(f"http://127.0.0.1:{server.port}{path}") as response:
                    found.append(json.loads(await response.read())["data"]["ok"])
                fault.sent.wait(20)  # on the loop's own thread: it reads nothing meanwhile
            return found

        assert wire.run(two).result() == ["/a", "/b"]
        assert server.connections == 2


@pytest.mark.parametrize("together", [True, False], ids=["together", "apart"])
def test_noise_behind_a_response_ends_its_connection(connect, serve, together):
    """The parser refuses what it reads together with noise: the query is sent again."""
    with serve(Extra(b"\x00\xff\n", together=together)) as server:
        wire = connect(server.url)
        assert [wire.execute(QUERY, {"n": n}) for n in (1, 2)] == [{"ok": 1}, {"ok": 2}]
        assert server.connections == 2


def test_bytes_before_the_first_request_are_no_response(connect, monkeypatch):
    """Nothing was sent on such a connection, so that even a mutation may be sent on another one."""
    looks = iter([True])
    monkeypatch.setattr(network, "has_unread", lambda protocol, *, new: next(looks, False))
    with FaultServer(default=echo) as server:
        wire = connect(server.url)
        assert wire.execute(MUTATION, {"n": 1}) == {"ok": 1}
        assert (wire.stats.retries, len(server.seen)) == (1, 1)
        monkeypatch.setattr(network, "has_unread", lambda protocol, *, new: True)
        with pytest.raises(RequestError, match=r"before a request was sent.*Nothing was sent") as caught:
            connect(server.url).execute(MUTATION, {"n": 2})
        assert type(caught.value) is RequestError
        assert len(server.seen) == 1


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK", None])
def test_what_counts_as_unread(sent):
    async def look() -> bool:
        loop = asyncio.get_running_loop()
        near, far = socket.socketpair()
        with far:
            transport, protocol = await loop.create_connection(lambda: network.Protocol(loop), sock=near)
            if sent is None:
                far.close()
            elif sent:
                far.sendall(sent)
            found = network.has_unread(protocol, new=True)
            transport.abort()
            await asyncio.sleep(0)
            return found

    assert asyncio.run(look()) is (sent != b"")


# -- responses that come while the next request is under way


def number_is(number: int) -> Any:
    def check(data: dict[str, Any]) -> None:
        if data.get("ok") != number:
            raise RequestError(f"this is not the response to {number}")

    return check


def test_a_late_duplicate_is_refused_by_the_callers_check_and_the_query_sent_again(connect):
    with FaultServer(echo, Late(raw(1)), default=echo) as server:
        wire = connect(server.url)
        assert wire.submit(QUERY, {"n": 1}, check=number_is(1)).result().data == {"ok": 1}
        assert wire.submit(QUERY, {"n": 2}, check=number_is(2)).result().data == {"ok": 2}
        assert wire.submit(QUERY, {"n": 3}, check=number_is(3)).result().data == {"ok": 3}
        assert server.connections == 2
        assert [seen.json["variables"]["n"] for seen in server.seen] == [1, 2, 2, 3]


def test_what_is_foreign_twice_is_the_checks_error(connect):
    with FaultServer(default=Late(raw(1))) as server:
        wire = connect(server.url)
        with pytest.raises(RequestError, match="this is not the response to 2") as caught:
            wire.submit(QUERY, {"n": 2}, check=number_is(2)).result()
        assert type(caught.value) is RequestError
        assert caught.value.operation == "Read"
        assert (server.connections, len(server.seen)) == (2, 2)
        with pytest.raises(RequestError):
            wire.submit(QUERY, {"n": 2}, check=number_is(2), retry=False).result()
        assert len(server.seen) == 3


def test_after_a_mutation_the_outcome_is_unknown(connect):
    with FaultServer(echo, Late(raw(1)), default=echo) as server:
        wire = connect(server.url)
        wire.execute(MUTATION, {"n": 1})
        with pytest.raises(OutcomeUnknownError, match=r"not the response to 2.*may or may not") as caught:
            wire.submit(MUTATION, {"n": 2}, check=number_is(2)).result()
        assert caught.value.status == 200
        assert wire.submit(MUTATION, {"n": 3}, check=number_is(3)).result().data == {"ok": 3}
        assert (server.connections, len(server.seen)) == (2, 3)


@pytest.mark.parametrize(("document", "kind"), [(QUERY, RequestError), (MUTATION, OutcomeUnknownError)])
def test_a_check_that_stumbles_is_an_error_of_ours(connect, document, kind):
    with FaultServer(default=reply(200, {"data": {"ok": [{"secret": "Jane Roe"}]}})) as server:
        with pytest.raises(kind, match="TypeError") as caught:
            connect(server.url).submit(document, check=lambda data: data["ok"]["id"]).result()
        assert "Jane" not in str(caught.value)


@pytest.mark.parametrize(("document", "kind"), [(QUERY, RequestError), (MUTATION, OutcomeUnknownError)])
def test_execute_wants_the_operations_own_names(connect, document, kind):
    other = reply(200, {"data": {"viewer": {"projects": []}}})
    with FaultServer(default=other) as server:
        wire = connect(server.url)
        with pytest.raises(kind, match="does not belong to this request, it has no 'ok'"):
            wire.execute(document, {"n": 1})
        assert server.connections == len(server.seen) == (1 if kind is OutcomeUnknownError else 2)
        with pytest.raises(kind):
            wire.execute(
                document.replace("ok(", "ok: viewer(") + " query Other { viewer }",
                operation=("Read" if document is QUERY else "Change"),
            )
        assert wire.execute("{ ... on Query { ok } }") == {"viewer": {"projects": []}}


def test_a_late_duplicate_does_not_become_the_response_to_another_execute(connect):
    first = reply(200, {"data": {"viewer": 1}})
    with FaultServer(first, Late(json_response({"viewer": 1})), default=echo) as server:
        wire = connect(server.url)
        assert wire.execute("{ viewer }") == {"viewer": 1}
        assert wire.execute(QUERY, {"n": 2}) == {"ok": 2}
        assert server.connections == 2


def json_response(data: object) -> bytes:
    body = json.dumps({"data": data}).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def test_a_response_after_the_timeout_reaches_nobody(connect):
    class Slow(Hold):
        def __call__(self, connection: socket.socket, seen: Seen) -> bool:
            self.arrived.set()
            self.free.wait(60)
            connection.sendall(raw("too late"))
            return True

    slow = Slow()
    with FaultServer(slow, default=echo) as server:
        wire = connect(server.url, timeout=0.3)
        assert wire.execute(QUERY, {"n": 1}) == {"ok": 1}
        slow.free.set()
        assert wire.execute(QUERY, {"n": 2}) == {"ok": 2}
        assert server.connections == 2


def test_no_other_request_takes_a_connection_whose_response_is_being_checked(connect):
    """Also where the second one waits for a connection at that very moment."""
    with FaultServer(default=Late(raw(0))) as server:
        wire = connect(server.url, concurrency=2)
        waiting = [wire.submit(QUERY, {"n": n}, check=number_is(n), retry=False) for n in range(1, 30)]
        assert all(isinstance(one.exception(), RequestError) for one in waiting)
        assert server.connections == len(server.seen) == 29


def test_a_refusal_ends_its_connection(connect):
    with FaultServer(reply(503, "later"), reply(404, "no"), reply(200, "<html>"), default=echo) as server:
        wire = connect(server.url)
        with pytest.raises(RequestError):
            wire.submit(QUERY, {"n": 1}, retry=True).result()  # 503, then 404
        assert wire.execute(QUERY, {"n": 2}) == {"ok": 2}
        assert server.connections == 4


# -- bytes of the store


class Stored:
    """Files of a store by their path, with hash; the n-th GET gets the response of the one before, first."""

    def __init__(self, contents: dict[str, bytes], late: int | None = None) -> None:
        self.contents = contents
        self.late = late
        self.before = b""
        self.gets = 0

    def __call__(self, connection: socket.socket, seen: Seen) -> bool:
        body = self.contents[seen.target.partition("?")[0]]
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nx-goog-hash: crc32c=h{hash(body)}\r\n\r\n"
        if seen.method == "HEAD":
            connection.sendall(head.encode())
            return True
        self.gets += 1
        if self.gets == self.late:
            connection.sendall(self.before)
        self.before = head.encode() + body
        connection.sendall(self.before)
        return True


FILES = {"/a": b"of S-001", "/b": b"of S-002", "/c": b"of S-002"}


def test_a_repeated_response_of_the_store_is_noticed_and_its_connection_can_be_closed(connect):
    with FaultServer(default=Stored(FILES, late=2)) as store:
        wire = connect(store.url)
        address = f"http://127.0.0.1:{store.port}"

        async def work() -> list[object]:
            found: list[object] = []
            blobs = await wire.blob_session()
            for path in ("/a?sig=1", "/b?sig=2", "/b?sig=3", "/b?sig=4"):
                async with blobs.get(address + path) as response:
                    found += [response.repeats, await response.read()]
                    if response.repeats:
                        async with blobs.head(address + path, fresh=True) as told:
                            found.append(told.headers["x-goog-hash"] == response.headers["x-goog-hash"])
                        response.close()  # read to its end already: the connection goes all the same
            return found

        assert (
            wire.run(work).result()
            == [False, FILES["/a"], True, FILES["/a"], False] + [False, FILES["/b"]] * 2
        )
        assert store.connections == 3
        wire.close()


def test_two_files_of_one_content_are_confirmed(connect):
    with FaultServer(default=Stored(FILES)) as store:
        wire = connect(store.url)
        address = f"http://127.0.0.1:{store.port}"

        async def work() -> list[object]:
            found: list[object] = []
            blobs = await wire.blob_session()
            for path in ("/b", "/c", "/a", "/a"):
                async with blobs.get(address + path) as response:
                    await response.read()
                    found.append(response.repeats)
            async with blobs.head(address + "/c", fresh=True) as told:
                found.append(told.headers["Content-Length"])
            return found

        assert wire.run(work).result() == [False, True, False, False, "8"]
        assert store.connections == 2


@pytest.mark.parametrize(
    ("first", "second", "repeats"),
    [
        ({"x-goog-hash": "h"}, {"x-goog-hash": "h"}, True),
        ({"ETag": '"1"', "x-goog-hash": "h"}, {"ETag": '"1"'}, True),
        ({"ETag": '"1"', "x-goog-hash": "h"}, {"ETag": '"2"', "x-goog-hash": "h"}, False),
        ({"ETag": '"1"', "x-goog-generation": "1"}, {"ETag": '"1"', "x-goog-generation": "2"}, False),
        ({"x-guploader-uploadid": "1", "ETag": '"1"'}, {"x-guploader-uploadid": "2", "ETag": '"1"'}, False),
        ({"x-guploader-uploadid": "1", "ETag": '"1"'}, {"x-guploader-uploadid": "1", "ETag": '"1"'}, True),
        ({}, {}, False),
    ],
)
def test_what_tells_responses_of_the_store_apart(connect, first, second, repeats):
    other = {"x-goog-hash": "other", "ETag": '"other"'}
    with FaultServer(*(reply(200, b"x", headers) for headers in (first, other, second))) as store:
        wire = connect(store.url)

        async def work() -> list[bool]:
            found = []
            blobs = await wire.blob_session()
            for path in "abc":
                async with blobs.get(f"http://127.0.0.1:{store.port}/{path}") as response:
                    await response.read()
                    found.append(response.repeats)
            return found

        assert wire.run(work).result() == [False, False, repeats]
        assert store.connections == 1


def test_a_connection_is_not_used_for_ever(connect, monkeypatch):
    monkeypatch.setattr(network, "_REMEMBERED", 3)
    with FaultServer(*(reply(200, b"x", {"ETag": f'"{number}"'}) for number in range(8))) as store:
        wire = connect(store.url)

        async def work() -> None:
            blobs = await wire.blob_session()
            for number in range(8):
                async with blobs.get(f"http://127.0.0.1:{store.port}/{number}") as response:
                    await response.read()

        wire.run(work).result()
        assert store.connections == 3


# -- bodies


def packed(size: int) -> bytes:
    """A gzip body of zeros that unpacks to `size` bytes: one flushed megabyte, again and again."""
    stream = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    zeros = bytes(1 << 20)
    head = stream.compress(zeros) + stream.flush(zlib.Z_FULL_FLUSH)
    block = stream.compress(zeros) + stream.flush(zlib.Z_FULL_FLUSH)
    return head + block * (size // len(zeros) - 1) + stream.flush()


@pytest.mark.parametrize("status", [200, 400])
def test_a_small_body_that_unpacks_to_gigabytes_is_not_unpacked(connect, status):
    bomb = packed(1800 << 20)
    assert len(bomb) < 2_500_000
    with FaultServer(default=reply(status, bomb, {"Content-Encoding": "gzip"})) as server:
        wire = connect(server.url)
        tracemalloc.start()
        try:
            with pytest.raises(RequestError) as caught:
                wire.execute(QUERY)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 200 << 20
        assert len(server.seen) == 1
        if status == 200:
            assert "unpacks to more than 64 MB" in str(caught.value)
            assert "Request less at once" in str(caught.value)
            with pytest.raises(TooLargeError):
                wire.submit(QUERY, halve=True).result()
            with pytest.raises(OutcomeUnknownError, match="unpacks to more than"):
                wire.execute(MUTATION)


def test_a_body_beyond_the_limit_is_not_read_to_its_end(connect, monkeypatch):
    monkeypatch.setattr("moveshelf.wire.transport.LARGEST", 1 << 20)
    with FaultServer(ok(ok="x" * (1 << 19)), default=ok(ok="x" * (1 << 21))) as server:
        wire = connect(server.url)
        assert len(wire.execute(QUERY)["ok"]) == 1 << 19
        with pytest.raises(TooLargeError, match="more than"):
            wire.submit(QUERY, halve=True).result()


TEXT = json.dumps({"data": {"ok": ["é" * 999, {"a": [1, 2, 3]}] * 500}}, ensure_ascii=False).encode()
RAW_DEFLATE = zlib.compressobj(wbits=-15)
ENCODED = {
    "gzip": ("gzip", gzip.compress(TEXT)),
    "x-gzip": ("x-gzip", gzip.compress(TEXT)),
    "two members": ("gzip", gzip.compress(TEXT[:777]) + gzip.compress(TEXT[777:])),
    "zlib": ("deflate", zlib.compress(TEXT)),
    "raw": ("deflate", RAW_DEFLATE.compress(TEXT) + RAW_DEFLATE.flush()),
    "identity": ("identity", TEXT),
}


@pytest.mark.parametrize("name", ENCODED)
def test_the_encodings_that_are_requested(connect, name):
    encoding, body = ENCODED[name]
    with FaultServer(reply(200, body, {"Content-Encoding": encoding})) as server:
        wire = connect(server.url)
        assert wire.execute(QUERY) == json.loads(TEXT)["data"]
        assert wire.stats.bytes_received == len(TEXT)


@pytest.mark.parametrize("body", [gzip.compress(TEXT)[:-20], b"\x1f\x8b" + b"x" * 50, TEXT[:1000]])
def test_what_cannot_be_unpacked_is_repeated(connect, body):
    fault = reply(200, body, {"Content-Encoding": "gzip"})
    with FaultServer(fault, default=ok(ok=1)) as server:
        assert connect(server.url).execute(QUERY) == {"ok": 1}
    with FaultServer(default=fault) as server, pytest.raises(RequestError, match="cannot be unpacked"):
        connect(server.url).execute(QUERY)


def test_an_encoding_that_was_not_requested(connect):
    with FaultServer(default=reply(200, TEXT, {"Content-Encoding": "br"})) as server:
        with pytest.raises(RequestError, match="encoding 'br', which was not requested"):
            connect(server.url).execute(QUERY)
        assert len(server.seen) == 1


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("depth", [400, 900, 100_000])
@pytest.mark.parametrize("document", [QUERY, MUTATION])
def test_json_without_end_is_an_error_of_ours(connect, depth, status, document):
    nested = "[" * depth + "]" * depth
    bodies = [
        f'{{"data": {nested}}}',
        f'{{"errors": [{{"message": "no", "extensions": {{"x": {nested}}}}}]}}',
    ]
    for body in bodies:
        with FaultServer(default=reply(status, body)) as server, pytest.raises(MoveshelfError) as caught:
            connect(server.url).execute(document)
        assert isinstance(caught.value, RequestError)
        if depth > 10_000 and status == 200:
            assert "nested too deeply" in str(caught.value)
            assert len(server.seen) == 1


def test_large_numbers_are_exact(connect):
    with FaultServer(default=reply(200, b'{"data": {"ok": [18446744073709551617, 1.5]}}')) as server:
        assert connect(server.url).execute(QUERY) == {"ok": [18446744073709551617, 1.5]}
