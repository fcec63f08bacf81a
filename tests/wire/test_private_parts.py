"""What the wire uses of gql, aiohttp and asyncio beyond their documented interfaces, each with what would break without it.

When a new version of one of them fails here: read the sentence, adapt `moveshelf/wire`, raise the upper bound in setup.cfg.
"""

from __future__ import annotations

import asyncio
import configparser
import inspect
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import aiohttp
import pytest
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from gql.graphql_request import GraphQLRequest
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.common import aiohttp_closed_event
from packaging.requirements import Requirement

from moveshelf.wire.network import Connector, HttpResponse, Protocol
from moveshelf.wire.transport import Transport

from .faultserver import FaultServer

REUSE = "a connection with unread bytes would be used again, and a response become that of another request"
HELD = "a connection would be used again before its response was checked"
SECRET = "gql would write requests and responses, patients' data, to the log"

PARTS: list[tuple[Any, str, str]] = [
    (AIOHTTPTransport, "_prepare_request", SECRET),
    (AIOHTTPTransport, "_prepare_result", SECRET),
    (AIOHTTPTransport, "execute", "no request could be sent as the text that it is"),
    (
        aiohttp_closed_event,
        "create_aiohttp_closed_event",
        "closing a client would leave TLS connections half open",
    ),
    (GraphQLRequest, "payload", "no request could be sent as the text that it is"),
    (aiohttp.TCPConnector, "connect", REUSE),
    (aiohttp.TCPConnector, "_release", HELD),
    (aiohttp.TCPConnector, "_closed", "a forked process would close its parent's connections"),
    (aiohttp.ClientSession, "detach", "a forked process would close its parent's connections"),
    (ResponseHandler, "data_received", REUSE),
    (ResponseHandler, "should_close", REUSE),
    (ResponseHandler, "force_close", HELD),
    (ResponseHandler, "set_response_params", REUSE),
    (Connection, "protocol", HELD),
    (aiohttp.ClientResponse, "start", HELD),
    (aiohttp.ClientResponse, "release", HELD),
    (aiohttp.ClientResponse, "close", HELD),
    (aiohttp.ClientResponse, "__del__", "a forgotten response would keep its connection for ever"),
    (
        asyncio.Task,
        "_log_destroy_pending",
        "a forked process would complain of its parent's tasks when it ends",
    ),
]

ARGUMENTS: list[tuple[Callable[..., Any], tuple[str, ...], str]] = [
    (AIOHTTPTransport._prepare_request, ("request", "extra_args", "upload_files"), SECRET),
    (AIOHTTPTransport._prepare_result, ("response",), SECRET),
    (AIOHTTPTransport.execute, ("extra_args",), "the key could not be sent with each request"),
    (
        AIOHTTPTransport.__init__,
        ("headers", "ssl", "client_session_args"),
        "no session of ours could be made",
    ),
    (aiohttp.TCPConnector.connect, ("req", "traces", "timeout"), REUSE),
    (aiohttp.TCPConnector._release, ("key", "protocol", "should_close"), HELD),
    (
        aiohttp.ClientSession.__init__,
        ("connector", "response_class", "raise_for_status", "auto_decompress", "cookie_jar"),
        HELD,
    ),
]


def lacks(owner: Any, name: str, consequence: str) -> str:
    """The sentence about a part that is missing; "" for one that is there."""
    if hasattr(owner, name):
        return ""
    kind = owner if isinstance(owner, (type, ModuleType)) else type(owner)
    library = getattr(kind, "__module__", kind.__name__).split(".")[0]
    release = f" {version(library)}" if library in ("aiohttp", "gql") else ""
    return f"{library}{release} has no {kind.__name__}.{name} any more: without it {consequence}"


def test_a_missing_part_is_named_with_what_would_break():
    text = lacks(aiohttp.TCPConnector, "_no_such_part", REUSE)
    assert text.startswith(
        f"aiohttp {version('aiohttp')} has no TCPConnector._no_such_part any more: without it a"
    )


@pytest.mark.parametrize(("owner", "name", "consequence"), PARTS)
def test_parts_of_classes(owner, name, consequence):
    assert not (missing := lacks(owner, name, consequence)), missing


@pytest.mark.parametrize(("function", "names", "consequence"), ARGUMENTS)
def test_arguments(function, names, consequence):
    missing = set(names) - set(inspect.signature(function).parameters)
    assert not missing, f"{function.__qualname__} takes no {sorted(missing)} any more: {consequence}"


def test_parts_of_objects():
    """What exists only once a connection does."""

    async def look() -> list[str]:
        loop = asyncio.get_running_loop()
        connector = Connector(loop)
        protocol = connector._factory()
        found = [
            ""
            if type(protocol) is Protocol
            else f"aiohttp makes connections without Connector._factory: {REUSE}",
            *(lacks(protocol, name, REUSE) for name in ("_parser", "_reading_paused", "transport")),
        ]
        protocol.set_response_params()
        found.append(lacks(protocol._parser, "feed_eof", REUSE))
        connection = Connection(connector, None, protocol, loop)  # type: ignore[arg-type]
        found.append(lacks(connection, "_connector", HELD))
        connection._protocol = None
        await connector.close()
        return found

    assert [text for text in asyncio.run(look()) if text] == []


def test_a_parser_tells_of_the_beginning_of_a_second_response():
    async def look(data: bytes) -> object:
        protocol = Protocol(asyncio.get_running_loop())
        protocol.set_response_params()
        protocol.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" + data)
        return protocol._parser.feed_eof()

    assert asyncio.run(look(b"")) is None, (
        f"aiohttp's parser says that more has begun where nothing has: {REUSE}"
    )
    text = f"aiohttp's parser does not say any more that the next response has begun: {REUSE}"
    assert asyncio.run(look(b"HTTP/1.1 200 OK\r\nCont")) is not None, text


def test_gql_opens_its_session_without_a_pause():
    """Two requests that come at once would otherwise open two."""

    async def look() -> bool:
        transport = Transport("http://127.0.0.1:9/graphql")
        steps = transport.connect().__await__()
        try:
            next(steps)
        except StopIteration:
            return True
        finally:
            assert transport.session is not None
            await transport.session.close()
        return False

    assert asyncio.run(look()), "AIOHTTPTransport.connect waits: two first requests could open two sessions"


def test_an_exchange_uses_all_of_our_parts(connect, monkeypatch):
    """gql calls our overrides, and aiohttp our classes: an override that is never called protects nobody."""
    calls: list[str] = []

    def watch(owner: type, name: str) -> None:
        original = getattr(owner, name)

        def watched(self, *args, **options):
            calls.append(f"{owner.__name__}.{name}")
            return original(self, *args, **options)

        monkeypatch.setattr(owner, name, watched)

    expected = {
        Transport: ["_prepare_request", "_prepare_result"],
        Connector: ["connect", "_release", "settle"],
        Protocol: ["data_received"],
        HttpResponse: ["start", "release"],
    }
    for owner, names in expected.items():
        for name in names:
            watch(owner, name)
    with FaultServer() as server:
        connect(server.url).execute("query Read { ok }")
    for owner, names in expected.items():
        for name in names:
            assert f"{owner.__name__}.{name}" in calls, f"{owner.__name__}.{name} is never called any more"


@pytest.mark.parametrize("library", ["aiohttp", "gql"])
def test_versions_are_bounded_where_private_parts_are_used(library):
    parser = configparser.ConfigParser()
    parser.read(Path(__file__).resolve().parents[2] / "setup.cfg", encoding="utf-8")
    lines = parser["options"]["install_requires"].split("\n")
    (needed,) = [one for one in map(Requirement, filter(None, lines)) if one.name == library]
    assert needed.specifier.contains(version(library))
    assert not needed.specifier.contains("99"), f"{library} has no upper bound in setup.cfg"
