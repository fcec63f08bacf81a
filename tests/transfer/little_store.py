"""A small object store of the tests' own, for faults that have to strike at one certain byte."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import google_crc32c
import pytest
from aiohttp import web

from moveshelf.wire import RetryPolicy, Wire

QUICK = RetryPolicy(attempts=6, first=0.001, cap=0.01)


def crc(data: bytes) -> str:
    return base64.b64encode(google_crc32c.Checksum(data).digest()).decode()


@dataclass
class Store:
    """`objects` by path. `faults` strike one request each, in order: None lets it pass."""

    base: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    faults: list[Any] = field(default_factory=list)
    log: list[tuple[str, str, str | None]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    extra: dict[str, str | None] = field(default_factory=dict)
    received: int = 0
    each: Callable[[web.Request], Awaitable[web.StreamResponse | None]] | None = None

    def url(self, name: str) -> str:
        return f"{self.base}/{name}?signature=secret"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        self.log.append((request.method, name, request.headers.get("Range")))
        self.headers.append(dict(request.headers))
        fault = self.faults.pop(0) if self.faults else None
        if self.each is not None:
            response = await self.each(request)
            if response is not None:
                return response
        if fault == "drop":
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        if isinstance(fault, int) and fault >= 300:
            return web.Response(
                status=fault, text=f"<Error><Code>Fault{fault}</Code><Message>m</Message></Error>"
            )
        if isinstance(fault, web.Response):
            return fault
        if request.method == "PUT":
            return await self.put(request, name, fault)
        return await self.get(request, name, fault)

    async def put(self, request: web.Request, name: str, fault: Any) -> web.StreamResponse:
        data = b""
        async for chunk in request.content.iter_any():
            data += chunk
            self.received += len(chunk)
        if fault == "garble":
            data = data[:-1] + bytes([data[-1] ^ 1])
        self.objects[name] = data
        return web.Response(headers={"x-goog-hash": f"crc32c={crc(data)}"})

    async def get(self, request: web.Request, name: str, fault: Any) -> web.StreamResponse:
        data = self.objects.get(name)
        if data is None:
            return web.Response(status=404)
        etag = f'"{hashlib.md5(data).hexdigest()}"'
        headers: dict[str, str] = {
            "ETag": etag,
            "x-goog-hash": f"crc32c={crc(data)},md5=xxx",
            "Accept-Ranges": "bytes",
        }
        for key, value in self.extra.items():
            if value is None:
                headers.pop(key, None)
            else:
                headers[key] = value
        start, end, status = 0, len(data), 200
        wanted = request.headers.get("Range")
        if wanted and request.headers.get("If-Range", etag) == etag:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, end, status = int(first), min(int(last) + 1 if last else len(data), len(data)), 206
            if start >= len(data):
                return web.Response(status=416, headers={"Content-Range": f"bytes */{len(data)}"})
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(data)}"
        body = data[start:end]
        if fault == "garble":
            body = body[:-1] + bytes([body[-1] ^ 1])
        response = web.StreamResponse(status=status, headers={**headers, "Content-Length": str(len(body))})
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        if isinstance(fault, tuple):  # ("cut", bytes)
            await response.write(body[: fault[1]])
            assert request.transport is not None
            request.transport.close()
            return response
        await response.write(body)
        return response


@pytest.fixture
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """With the parameter "tls": over https."""
    store = Store()
    loop = asyncio.new_event_loop()
    context = None
    if getattr(request, "param", None) == "tls":
        cert, key = request.getfixturevalue("certificate")
        monkeypatch.setenv("SSL_CERT_FILE", str(cert))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)

    async def start() -> web.AppRunner:
        app = web.Application(client_max_size=1 << 40)
        app.router.add_route("*", "/{name:.*}", store.handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
        await runner.setup()
        site = web.TCPSite(runner, "localhost" if context else "127.0.0.1", 0, ssl_context=context)
        await site.start()
        assert site._server is not None
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        store.base = f"https://localhost:{port}" if context else f"http://127.0.0.1:{port}"
        return runner

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    runner = asyncio.run_coroutine_threadsafe(start(), loop).result()
    yield store

    async def stop() -> None:
        await runner.cleanup()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    asyncio.run_coroutine_threadsafe(stop(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def timeout() -> float:
    """Of the wire."""
    return 120.0


@pytest.fixture
def wire(timeout: float) -> Iterator[Wire]:
    """A wire to nowhere: its blob session is what counts here."""
    wire = Wire("http://127.0.0.1:9/graphql", "0" * 64, timeout=timeout)
    yield wire
    wire.close()


@pytest.fixture
def run(wire: Wire) -> Callable[..., Any]:
    """`run(function, *args, **kwargs)`: await `function(blobs, *args, **kwargs)` on the I/O thread."""

    def call(function: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any) -> Any:
        async def work() -> Any:
            return await function(await wire.blob_session(), *args, **kwargs)

        return wire.run(work).result(30)

    return call
