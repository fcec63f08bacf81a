"""A proxy between a client and the sandbox that makes requests fail by a plan.

It listens on three ports of 127.0.0.1. `api_url` leads to the GraphQL endpoint; signed URLs in its responses are
rewritten to the second port, which leads to the object store; the third is another host's, to which nothing but
redirects lead. So the access token has one place to go to, and whatever arrives elsewhere with it is a leak.

The plan is a list of `Fault`s, each aimed at the n-th request of a kind, counted since `begin()`. Every response is
read whole from the sandbox before the proxy decides what to send: with `after` the sandbox has carried the request out.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import os
import random
import socket
import struct
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import mutate

HEAD_LIMIT = 1 << 20
LOGIN = (
    b"<!DOCTYPE html><html><head><title>Sign in</title></head><body><form>Network login</form></body></html>"
)
GARBAGE = (b"\x00\x8f\xfe\x17", b"SSH-2.0-OpenSSH_9.6\r\n", b"\r\n\r\n", b"HTTP/1.1 \r\n", b"{]")


@dataclass(frozen=True)
class Fault:
    """One fault. `aim`: "graphql", "query", "mutation", "store", "get" or "put"; `nth` from 1.

    `after`: the sandbox sees the request first. `value` depends on the kind: seconds, a status, a share of the body.
    """

    kind: str
    aim: str
    nth: int
    after: bool = True
    value: Any = None
    retry_after: str | None = None

    def __str__(self) -> str:
        parts = [self.kind, f"{self.aim}#{self.nth}"]
        if not self.after:
            parts.append("before")
        if self.value is not None:
            parts.append(str(self.value))
        if self.retry_after is not None:
            parts.append(f"Retry-After={self.retry_after}")
        return " ".join(parts)


@dataclass
class Request:
    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    raw_head: bytes
    trial: int = 0
    """Which `begin()` it belongs to: a late one of an earlier trial must not count in this."""
    fault: Fault | None = None
    port: str = ""

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name), "")

    @property
    def is_store(self) -> bool:
        return self.target.startswith("/store/")

    @property
    def kinds(self) -> tuple[str, ...]:
        """What a fault's aim may call it."""
        if self.is_store:
            return ("store", "put" if self.method == "PUT" else "get")
        return ("graphql", "mutation" if self.is_mutation else "query")

    @property
    def is_mutation(self) -> bool:
        try:
            return str(json.loads(self.body)["query"]).lstrip().startswith("mutation")
        except (ValueError, KeyError, TypeError):
            return False


@dataclass
class Response:
    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes = b""

    def without(self, *names: str) -> list[tuple[str, str]]:
        return [(key, value) for key, value in self.headers if key.lower() not in names]

    def replaced(self, *, body: bytes | None = None, **headers: str | None) -> Response:
        """A copy with another body and other headers (None: without it)."""
        wanted = {key.replace("_", "-"): value for key, value in headers.items()}
        kept = self.without(*wanted)
        kept += [(key, value) for key, value in wanted.items() if value is not None]
        return Response(self.status, self.reason, kept, self.body if body is None else body)

    def encoded(self, *, head_only: bool = False, length: int | None = None) -> bytes:
        if head_only:
            lines = self.headers
        else:
            lines = self.without("content-length", "transfer-encoding", "connection")
            lines = [*lines, ("Content-Length", str(len(self.body) if length is None else length))]
        head = "".join(f"{key}: {value}\r\n" for key, value in lines)
        text = f"HTTP/1.1 {self.status} {self.reason}\r\n{head}\r\n".encode("latin-1")
        return text if head_only else text + self.body


def page(status: int, body: bytes, kind: str = "text/html", **headers: str | None) -> Response:
    given = [(key.replace("_", "-"), value) for key, value in headers.items() if value is not None]
    return Response(status, "Status", [("Content-Type", kind), *given], body)


@dataclass(eq=False)
class Connection:
    """One connection of the client's, and the last response that went over it."""

    writer: asyncio.StreamWriter
    last: Response | None = None
    tasks: list[asyncio.Task[None]] = field(default_factory=list)


class Proxy:
    """Runs in a thread of its own. `with Proxy(sandbox.port, sandbox.api_key) as proxy: ...`."""

    def __init__(self, upstream: int, token: str) -> None:
        self.upstream = upstream
        self.token = token.encode()
        self.api_port = self.store_port = self.other_port = 0
        self.struck: list[Fault] = []
        self.mutations: list[str] = []
        self.leaks: list[str] = []
        self.requests: list[Request] = []
        self.bugs: list[str] = []
        """Errors of the proxy's own: a trial with one shows nothing about the client."""
        self.count = 0
        self.spy: Callable[[Request, str], None] | None = None
        """Called in the proxy's thread with the request, and "arrived", "carried out" or "responded"."""
        self._plan: list[Fault] = []
        self._rate = 0.0
        self._seed = ""
        self._trial = 0
        self._counts: Counter[str] = Counter()
        self._earlier: dict[str, list[tuple[str, Response]]] = {}
        self._connections: set[Connection] = set()
        self._busy = 0
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="chaos-proxy", daemon=True)

    # -- life

    def __enter__(self) -> Proxy:
        ready = threading.Event()
        self._loop.call_soon(self._loop.create_task, self._listen(ready))
        self._thread.start()
        ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        with contextlib.suppress(RuntimeError):
            self._loop.run_until_complete(asyncio.sleep(0.01))
        self._loop.close()

    async def _listen(self, ready: threading.Event) -> None:
        for name in ("api_port", "store_port", "other_port"):
            server = await asyncio.start_server(self._handler(name), "127.0.0.1", 0, limit=HEAD_LIMIT)
            setattr(self, name, server.sockets[0].getsockname()[1])
        ready.set()

    def _handler(self, port: str) -> Any:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connection = Connection(writer)
            self._connections.add(connection)
            try:
                while await self._exchange(port, reader, connection):
                    pass
            except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                pass
            except asyncio.CancelledError:
                pass
            except Exception:
                self.bugs.append(traceback.format_exc())
            finally:
                for task in connection.tasks:
                    task.cancel()
                self._connections.discard(connection)
                writer.close()

        return handle

    def _call(self, work: Callable[[], None]) -> None:
        done = threading.Event()

        def run() -> None:
            work()
            done.set()

        self._loop.call_soon_threadsafe(run)
        done.wait()

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.api_port}/graphql"

    @property
    def ports(self) -> set[int]:
        return {self.api_port, self.store_port, self.other_port}

    # -- plans

    def begin(self, plan: Sequence[Fault] = (), *, rate: float = 0.0, seed: str = "") -> None:
        """Forget everything, and follow `plan`; besides, each request fails with probability `rate`, drawn by `seed`."""

        def work() -> None:
            self._close_connections()
            self._trial += 1
            self._plan, self._rate, self._seed = list(plan), rate, seed
            self._counts.clear()
            self._earlier.clear()
            self.struck, self.mutations, self.leaks, self.requests = [], [], [], []
            self.count, self.spy = 0, None

        self._call(work)

    def calm(self) -> None:
        """No faults from now on, and no connection of before."""

        def work() -> None:
            self._close_connections()
            self._plan, self._rate, self.spy = [], 0.0, None

        self._call(work)

    def again(self, plan: Sequence[Fault] = (), *, rate: float = 0.0, seed: str = "") -> None:
        """A further plan within a trial: what struck and what leaked so far stays known."""

        def work() -> None:
            self._plan, self._rate, self._seed = list(plan), rate, seed
            self._counts.clear()

        self._call(work)

    @property
    def log(self) -> list[str]:
        """A line for each request since `begin()`."""
        lines = []
        for number, one in enumerate(self.requests, 1):
            target = one.target.partition("?")[0][:60]
            words = (f"{number}: {one.method}", one.port.partition("_")[0], target, operation(one))
            lines.append(" ".join(words) + (f"  <- {one.fault}" if one.fault else ""))
        return lines

    @property
    def busy(self) -> int:
        """Requests that have arrived and are not responded to: a killed client's may still be carried out."""
        return self._busy

    def _close_connections(self) -> None:
        for connection in list(self._connections):
            for task in connection.tasks:
                task.cancel()
            connection.writer.close()

    def _fault_for(self, request: Request) -> Fault | None:
        for kind in request.kinds:
            self._counts[kind] += 1
        for fault in self._plan:
            if fault.aim in request.kinds and fault.nth == self._counts[fault.aim]:
                return fault
        if self._rate:
            general = request.kinds[0]
            rng = random.Random(f"{self._seed}/{general}/{self._counts[general]}")
            if rng.random() < self._rate:
                return draw(rng, request.kinds[1], self._counts[request.kinds[1]])
        return None

    # -- one request

    async def _exchange(self, port: str, reader: asyncio.StreamReader, connection: Connection) -> bool:
        request = await read_request(reader, connection.writer)
        if request is None:
            return False
        self.count += 1
        self._look_for_token(port, request)
        request.trial, request.port = self._trial, port
        self.requests.append(request)
        if port == "other_port":
            connection.writer.write(page(200, LOGIN).encoded())
            return False
        self._busy += 1
        try:
            return await self._carry_out(request, connection)
        finally:
            self._busy -= 1

    async def _carry_out(self, request: Request, connection: Connection) -> bool:
        self._tell(request, "arrived")
        fault = self._fault_for(request)
        if fault is not None and fault.kind == "delay_before":
            await asyncio.sleep(float(fault.value))
        response = None
        if fault is None or fault.after:
            response = await self._forward(request)
            self._tell(request, "carried out")
        alive = await self._respond(request, response, fault, connection)
        self._tell(request, "responded")
        return alive

    def _tell(self, request: Request, phase: str) -> None:
        spy = self.spy
        if spy is not None:
            spy(request, phase)

    def _look_for_token(self, port: str, request: Request) -> None:
        everything = request.raw_head + request.body
        if self.token not in everything:
            return
        expected = f"Bearer {self.token.decode()}"
        rest = everything.replace(b"uthorization: " + expected.encode(), b"", 1)
        if port != "api_port" or request.is_store or self.token in rest:
            self.leaks.append(
                f"the token was sent to the {port}: {request.method} {request.target.partition('?')[0][:80]}"
            )

    async def _forward(self, request: Request) -> Response:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.upstream, limit=HEAD_LIMIT)
        try:
            dropped = {
                "host",
                "connection",
                "content-length",
                "transfer-encoding",
                "accept-encoding",
                "expect",
            }
            lines = [(key, value) for key, value in request.headers if key.lower() not in dropped]
            lines += [("Host", f"127.0.0.1:{self.upstream}"), ("Connection", "close")]
            if request.body or request.method in ("POST", "PUT"):
                lines.append(("Content-Length", str(len(request.body))))
            head = "".join(f"{key}: {value}\r\n" for key, value in lines)
            writer.write(f"{request.method} {request.target} HTTP/1.1\r\n{head}\r\n".encode("latin-1"))
            writer.write(request.body)
            response = await read_response(reader, request.method)
        finally:
            writer.close()
        if not request.is_store:
            here, there = f"127.0.0.1:{self.upstream}/store/", f"127.0.0.1:{self.store_port}/store/"
            response.body = response.body.replace(here.encode(), there.encode())
        return response

    async def _respond(
        self, request: Request, response: Response | None, fault: Fault | None, connection: Connection
    ) -> bool:
        head_only = request.method == "HEAD"
        if fault is not None:
            request.fault = fault
            if request.trial == self._trial:
                self.struck.append(fault)
            alive = await self._misbehave(request, response, fault, connection)
        else:
            assert response is not None
            connection.writer.write(response.encoded(head_only=head_only))
            await connection.writer.drain()
            alive = True
        if response is not None and not head_only and request.trial == self._trial:
            connection.last = response
            self._earlier.setdefault(request.kinds[0], []).append((request.target, response))
        return alive

    async def _misbehave(
        self, request: Request, response: Response | None, fault: Fault, connection: Connection
    ) -> bool:
        writer, kind, value = connection.writer, fault.kind, fault.value
        if kind == "drop":
            return False
        if kind == "reset":
            reset(writer)
            return False
        if kind == "silence":
            await asyncio.sleep(float(value))
            return False
        replacement = self._replacement(request, response, fault, connection)
        if replacement is not None:
            if request.method == "HEAD" or replacement.status == 304:
                replacement.body = b""
            writer.write(replacement.encoded())
            await writer.drain()
            return True
        assert response is not None, f"{fault} needs a response"
        if request.method == "HEAD":  # nothing to spoil but the head
            writer.write(response.encoded(head_only=True))
            return True
        whole = response.encoded()
        if kind == "delay":
            await asyncio.sleep(float(value))
            writer.write(whole)
        elif kind == "truncate":
            writer.write(whole[: len(whole) - max(1, int(len(response.body) * float(value)))])
            await writer.drain()
            return False
        elif kind == "duplicate":
            writer.write(whole)
            await writer.drain()
            connection.tasks.append(asyncio.ensure_future(late(writer, whole, float(value))))
        elif kind == "garbage_before":
            writer.write(value + whole)
        elif kind == "garbage_after":
            writer.write(whole + value)
        elif kind == "short_length":
            writer.write(response.encoded(length=int(len(response.body) * float(value))))
        elif kind == "long_length":
            writer.write(response.encoded(length=len(response.body) + int(value)))
            await writer.drain()
            return False
        elif kind == "chunked":
            writer.write(chunked(response, whole=bool(value)))
            await writer.drain()
            return bool(value)
        elif kind == "drip":
            await drip(writer, whole, pieces=int(value))
        else:
            raise ValueError(f"no fault is called {kind!r}")
        await writer.drain()
        return True

    def _replacement(
        self, request: Request, response: Response | None, fault: Fault, connection: Connection
    ) -> Response | None:
        """A whole, well-formed response that is sent in place of the right one; None: the fault is of another kind."""
        kind, value = fault.kind, fault.value
        if kind == "status":
            body = (
                json.dumps({"errors": [{"message": f"status {value}"}]}).encode() if value == 429 else LOGIN
            )
            return page(int(value), body, Retry_After=fault.retry_after)
        if kind == "html":
            return page(200, LOGIN)
        if kind == "empty":
            return page(200, b"", "application/octet-stream")
        if kind == "expired":
            return page(403, b"<Error><Code>ExpiredToken</Code></Error>", "application/xml")
        if kind == "redirect":
            return page(int(value), b"", Location=f"http://localhost:{self.other_port}{request.target}")
        if response is None:
            return None
        if kind == "gzip":
            return response.replaced(body=gzip.compress(response.body), Content_Encoding="gzip")
        if kind == "wrong_hash":
            return response.replaced(X_Goog_Hash="crc32c=AAAAAA==,md5=1B2M2Y8AsgTpgAmY7PhCfg==")
        if kind == "no_hash":
            return response.replaced(X_Goog_Hash=None)
        if kind == "corrupt" and response.body:
            at = int(len(response.body) * float(value))
            flipped = bytes([response.body[at] ^ 1])
            return response.replaced(body=response.body[:at] + flipped + response.body[at + 1 :])
        if kind == "corrupt":
            return response
        if kind == "swap":
            if request.is_store:  # only a response of this connection: what a shifted stream looks like
                return connection.last or response
            others = self._earlier.get("graphql") or [("", response)]
            return others[int(float(value) * len(others))][1]
        if kind == "mutate":
            body, what = mutate.mutated(response.body, random.Random(str(value)))
            self.mutations.extend(what)
            return response.replaced(body=body)
        return None


# -- faults by chance

_ANY = [
    "drop",
    "drop",
    "reset",
    "delay",
    "truncate",
    "truncate",
    "duplicate",
    "duplicate",
    "duplicate",
    "garbage_before",
    "garbage_after",
    "status",
    "status",
    "status",
    "html",
    "short_length",
    "long_length",
    "chunked",
    "redirect",
    "drip",
    "swap",
]
KINDS = {
    "query": [*_ANY, "gzip"],
    "mutation": [*_ANY, "drop", "status"],
    "get": [
        *_ANY,
        "gzip",
        "gzip",
        "empty",
        "expired",
        "wrong_hash",
        "no_hash",
        "no_hash",
        "corrupt",
        "corrupt",
    ],
    "put": [*_ANY, "empty", "expired", "wrong_hash", "no_hash"],
}
_NEEDS_RESPONSE = frozenset(
    [
        "delay",
        "truncate",
        "duplicate",
        "garbage_before",
        "garbage_after",
        "short_length",
        "long_length",
        "chunked",
        "drip",
        "swap",
        "gzip",
        "wrong_hash",
        "no_hash",
        "corrupt",
    ]
)
_NEVER_CARRIED_OUT = frozenset({"html", "empty", "expired", "redirect"})
SILENCE = 0.004
"""The share of faults that are no response at all: each costs the client its whole timeout."""
ONLY = frozenset(os.environ.get("CHAOS_FAULTS", "").split(","))
"""`run.py --faults`: the only kinds that are drawn, where a request can have them."""
if {""} != ONLY:
    KINDS = {aim: [kind for kind in kinds if kind in ONLY] or ["delay"] for aim, kinds in KINDS.items()}
    SILENCE = 0


def draw(rng: random.Random, aim: str, nth: int) -> Fault:
    """A fault for the n-th request of a kind ("query", "mutation", "get" or "put")."""
    kind = "silence" if rng.random() < SILENCE else rng.choice(KINDS[aim])
    after = kind in _NEEDS_RESPONSE or (kind not in _NEVER_CARRIED_OUT and rng.random() < 0.5)
    value: Any = None
    retry_after = None
    if kind == "status":
        value = rng.choice((429, 500, 502, 503, 503, 504))
        retry_after = rng.choice((None, None, "0", "0.02", "soon", "100000"))
        if value == 429 or retry_after is not None:
            after = False  # a service that says when to come again has not carried it out
    elif kind == "redirect":
        value = rng.choice((301, 302, 303, 307, 308))
    elif kind in ("delay", "duplicate"):
        value = rng.choice((0, 0, 0.002, 0.01, 0.05))
    elif kind == "silence":
        value = 20
    elif kind in ("truncate", "short_length", "swap", "corrupt"):
        value = round(rng.random() * 0.999, 3)
    elif kind == "long_length":
        value = rng.choice((1, 10, 10_000))
    elif kind in ("garbage_before", "garbage_after"):
        value = rng.choice(GARBAGE)
    elif kind == "chunked":
        value = rng.random() < 0.4
    elif kind == "drip":
        value = rng.choice((2, 5, 20))
    return Fault(kind, aim, nth, after, value, retry_after)


# -- HTTP


async def read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    lines = head.decode("latin-1").split("\r\n")
    method, target, _ = lines[0].split(" ", 2)
    headers = _headers(lines[1:])
    request = Request(method, target, headers, b"", head)
    if request.header("expect").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    if request.header("transfer-encoding").lower() == "chunked":
        request.body = await _read_chunks(reader)
    else:
        request.body = await reader.readexactly(int(request.header("content-length") or 0))
    return request


async def read_response(reader: asyncio.StreamReader, method: str) -> Response:
    """A response of the sandbox, which closes its connection after it."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    _, status, reason = lines[0].split(" ", 2)
    response = Response(int(status), reason, _headers(lines[1:]))
    response.headers = response.without("connection", "keep-alive")
    known = {key.lower(): value for key, value in response.headers}
    if method == "HEAD":
        return response
    if known.get("transfer-encoding", "").lower() == "chunked":
        response.body = await _read_chunks(reader)
    else:
        response.body = await reader.readexactly(int(known.get("content-length", 0)))
    return response


def _headers(lines: Sequence[str]) -> list[tuple[str, str]]:
    return [(key.strip(), value.strip()) for key, _, value in (line.partition(":") for line in lines) if key]


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    parts = []
    while True:
        size = int((await reader.readline()).split(b";")[0], 16)
        parts.append(await reader.readexactly(size))
        await reader.readline()
        if not size:
            return b"".join(parts)


def chunked(response: Response, *, whole: bool) -> bytes:
    """The response in chunks; not whole: cut off in the middle, and the connection is closed."""
    lines = response.without("content-length", "transfer-encoding", "connection")
    head = "".join(f"{key}: {value}\r\n" for key, value in [*lines, ("Transfer-Encoding", "chunked")])
    start = f"HTTP/1.1 {response.status} {response.reason}\r\n{head}\r\n".encode("latin-1")
    body = response.body if whole else response.body[: len(response.body) // 2]
    pieces = [body[at : at + 700] for at in range(0, len(body), 700)]
    sent = start + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return sent + b"0\r\n\r\n" if whole else sent


async def drip(writer: asyncio.StreamWriter, data: bytes, *, pieces: int) -> None:
    step = max(1, len(data) // pieces)
    for at in range(0, len(data), step):
        writer.write(data[at : at + step])
        await writer.drain()
        await asyncio.sleep(0.003)


async def late(writer: asyncio.StreamWriter, data: bytes, seconds: float) -> None:
    """Send a response once more."""
    await asyncio.sleep(seconds)
    with contextlib.suppress(OSError):
        writer.write(data)
        await writer.drain()


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def operation(request: Request) -> str:
    """The name of a GraphQL request's operation, for the log."""
    if request.is_store or not request.body:
        return ""
    try:
        query = str(json.loads(request.body)["query"])
    except (ValueError, KeyError, TypeError):
        return "?"
    return " ".join(query.split())[:70]
