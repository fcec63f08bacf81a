"""A plain-socket HTTP server that misbehaves on demand: for what a well-behaved service never does."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass
class Seen:
    """A request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Act = Callable[[socket.socket, Seen], bool]
"""Answers one request; True keeps the connection."""


def reply(
    status: int = 200, body: bytes | str | dict[str, Any] = b"", headers: dict[str, str] | None = None
) -> Act:
    """A complete response."""
    raw = (
        json.dumps(body).encode()
        if isinstance(body, dict)
        else body.encode()
        if isinstance(body, str)
        else body
    )
    lines = {"Content-Type": "application/json", "Content-Length": str(len(raw)), **(headers or {})}

    def act(connection: socket.socket, seen: Seen) -> bool:
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        connection.sendall(f"HTTP/1.1 {status} Status\r\n{head}\r\n".encode() + raw)
        return True

    return act


def ok(**data: Any) -> Act:
    return reply(200, {"data": data or {"ok": True}})


def drop(connection: socket.socket, seen: Seen) -> bool:
    """Close the connection without a word."""
    return False


def reset(connection: socket.socket, seen: Seen) -> bool:
    """Close it the hard way (RST)."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    return False


def cut(connection: socket.socket, seen: Seen) -> bool:
    """Promise a hundred bytes, send some, close."""
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"data": {"ok": tr')
    return False


def cut_chunked(connection: socket.socket, seen: Seen) -> bool:
    """A chunked response without its end."""
    connection.sendall(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nA\r\n{"data": {\r\n')
    return False


def no_http(connection: socket.socket, seen: Seen) -> bool:
    connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
    return False


class Hold:
    """Say nothing until told to (or until the server closes)."""

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self.free = threading.Event()

    def __call__(self, connection: socket.socket, seen: Seen) -> bool:
        self.arrived.set()
        self.free.wait(60)
        return ok()(connection, seen)


class FaultServer:
    """Answers `script` in order, then `default` for ever; keeps what it `seen`."""

    def __init__(self, *script: Act, default: Act | None = None) -> None:
        self.script: deque[Act] = deque(script)
        self.default: Act = default or ok()
        self.seen: list[Seen] = []
        self.connections = 0
        self._open: list[socket.socket] = []
        self._holds = [act for act in (*script, self.default) if isinstance(act, Hold)]
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/graphql"

    def __enter__(self) -> FaultServer:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for hold in self._holds:
            hold.free.set()
        for sock in [self._listener, *self._open]:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what is sent has arrived
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rb") as stream:
                while True:
                    seen = self._read(stream)
                    if seen is None:
                        return
                    self.seen.append(seen)
                    try:
                        act = self.script.popleft()
                    except IndexError:
                        act = self.default
                    if not act(connection, seen):
                        return
        except OSError:
            pass

    @staticmethod
    def _read(stream: Any) -> Seen | None:
        first = stream.readline().decode("latin-1").split()
        if len(first) < 3:
            return None
        headers: dict[str, str] = {}
        for line in iter(stream.readline, b"\r\n"):
            if not line:
                return None
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        body = stream.read(int(headers.get("content-length", 0)))
        return Seen(first[0], first[1], headers, body)


class SecureServer(FaultServer):
    """The same over TLS."""

    def __init__(self, certificate: Any, *script: Act, default: Act | None = None) -> None:
        super().__init__(*script, default=default)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*certificate)
        self.url = f"https://localhost:{self.port}/graphql"

    def _serve(self, connection: socket.socket) -> None:
        try:
            super()._serve(self.context.wrap_socket(connection, server_side=True))
        except OSError:
            connection.close()
