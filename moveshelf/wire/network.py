"""HTTP connections: names, proxies and certificates as the machine has them, and which URLs may be requested.

A connection is used again only while it is certain that the next bytes on it belong to the next request. aiohttp does
not look: a response that a proxy sent twice would become the response to the next request, and one patient's data
another's.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ipaddress
import os
import select
import socket
import ssl
import threading
import urllib.request
import weakref
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from moveshelf.config import is_loopback
from moveshelf.errors import ConfigError, TransferError

if TYPE_CHECKING:
    from aiohttp.client_reqrep import ConnectionKey
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

_contexts: dict[tuple[str | None, ...], ssl.SSLContext] = {}
_CA_NAMES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def tls_context() -> ssl.SSLContext:
    """The machine's certificates, and those that the environment names besides.

    OpenSSL reads SSL_CERT_FILE and SSL_CERT_DIR itself; the other two are what people have set for requests
    and curl. A Python without a store of its own (python.org's on a Mac) uses certifi's, where that is
    installed.
    """
    key = tuple(os.environ.get(name) for name in _CA_NAMES)
    context = _contexts.get(key)
    if context is None:
        context = ssl.create_default_context()
        for name in _CA_NAMES[2:]:
            place = os.environ.get(name)
            if not place:
                continue
            try:
                if os.path.isdir(place):
                    context.load_verify_locations(capath=place)
                else:
                    context.load_verify_locations(cafile=place)
            except (OSError, ssl.SSLError) as error:
                raise ConfigError(
                    f"{name} names {place!r}, which holds no certificates ({error.__class__.__name__}): "
                    f"correct or remove it"
                ) from None
        paths = ssl.get_default_verify_paths()
        if not (context.get_ca_certs() or paths.cafile or paths.capath):
            try:
                import certifi
            except ImportError:
                pass
            else:
                context.load_verify_locations(cafile=certifi.where())
        _contexts[key] = context
    return context


class Proxies:
    """The proxies of the environment (or of the system's settings), read once for a client.

    aiohttp's `trust_env` would read them, and ~/.netrc, anew for every request on a thread of its own, and
    would send a netrc password to the object store.
    """

    def __init__(self) -> None:
        self._proxies = urllib.request.getproxies()
        self._known: dict[tuple[str, str | None], dict[str, Any]] = {}

    def for_url(self, url: URL) -> dict[str, Any]:
        """The arguments for aiohttp's request: none where no proxy is needed, as for the loopback."""
        key = (url.scheme, url.host)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._find(url)
        return known

    def _find(self, url: URL) -> dict[str, Any]:
        host = url.host or ""
        place = self._proxies.get(url.scheme) or self._proxies.get("all")
        if not place or is_loopback(host) or urllib.request.proxy_bypass(host):
            return {}
        try:
            proxy = parsed_url(place if "://" in place else f"http://{place}")
        except ValueError:
            proxy = URL()
        if proxy.scheme not in ("http", "https") or not proxy.host:
            raise ConfigError(
                f"the proxy that the environment names for {url.scheme} URLs is not an http:// one; "
                f"correct {url.scheme.upper()}_PROXY, or put {host} into NO_PROXY"
            )
        if proxy.user is None:
            return {"proxy": proxy}
        secret = base64.b64encode(f"{proxy.user}:{proxy.password or ''}".encode()).decode()
        return {"proxy": proxy.with_user(None), "proxy_headers": {"Proxy-Authorization": f"Basic {secret}"}}


class Resolver(AbstractResolver):
    """Names by the system's own rules, each on a daemon thread.

    The loop's executor would do, but Python waits for its threads at exit, and a name server that does not
    respond holds one for half a minute.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        loop = self._loop
        future: asyncio.Future[list[Any]] = loop.create_future()

        def settle(found: list[Any] | None, error: OSError | None) -> None:
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(found or [])

        def look() -> None:
            found: list[Any] | None = None
            failed: OSError | None = None
            try:
                found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
            except OSError as error:
                failed = error.with_traceback(None)
            except UnicodeError:
                failed = socket.gaierror(socket.EAI_NONAME, "not a host name")
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(settle, found, failed)

        threading.Thread(target=look, name="moveshelf-dns", daemon=True).start()
        results: list[ResolveResult] = []
        for kind, _, proto, _, address in await future:
            if kind == socket.AF_INET6 and len(address) < 4:
                continue  # a Python without IPv6
            results.append(
                ResolveResult(
                    hostname=host,
                    host=_numeric(kind, address),
                    port=address[1],
                    family=kind,
                    proto=proto,
                    flags=socket.AI_NUMERICHOST,
                )
            )
        return results

    async def close(self) -> None:
        pass


def _numeric(kind: int, address: Any) -> str:
    if kind == socket.AF_INET6 and address[3]:  # a link-local address needs its scope
        return socket.getnameinfo(address, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)[0]
    return str(address[0])


# -- connections that are used again


class UnexpectedBytesError(aiohttp.ClientConnectionError):
    """A new connection holds bytes, or its end, although nothing was sent on it yet: no response of ours."""


class Protocol(ResponseHandler):
    """aiohttp's end of a connection, which closes it when bytes come while no request is under way."""

    idle = False
    held = False
    """Its response is still being checked: it goes back to the pool after that."""
    released: ConnectionKey | None = None
    """Where it goes in the pool: aiohttp has released it while it was held."""
    seen: dict[tuple[str, ...], set[str]]
    """What identifies each response that has come over it, and the paths of the URLs that these were requested from."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.seen = {}

    def data_received(self, data: bytes) -> None:
        if self.idle and data:
            self.close()
        else:
            super().data_received(data)


class Connector(aiohttp.TCPConnector):
    """A pool that hands out only connections without unread bytes."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, force_close: bool = False) -> None:
        # no limit of its own: waiting for a free connection would count as the service's silence
        keep: dict[str, Any] = {"force_close": True} if force_close else {"keepalive_timeout": 30}
        super().__init__(limit=0, resolver=Resolver(loop), **keep)
        self._factory = partial(Protocol, loop=loop)  # type: ignore[assignment]  # invariant
        self._used: weakref.WeakSet[Protocol] = weakref.WeakSet()

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        while True:
            connection = await super().connect(req, traces, timeout)
            protocol = cast(Protocol, connection.protocol)
            new = protocol not in self._used
            unread = has_unread(protocol, new=new)
            protocol.idle = False
            if not unread:
                self._used.add(protocol)
                return connection
            connection.close()
            if new:
                raise UnexpectedBytesError("bytes before the first request")

    def _release(self, key: ConnectionKey, protocol: ResponseHandler, *, should_close: bool = False) -> None:
        assert isinstance(protocol, Protocol)
        if protocol.held and not should_close:
            protocol.released = key
            return
        protocol.held, protocol.released = False, None
        protocol.idle = True  # before it is in the pool: nothing that comes from now on was requested
        super()._release(key, protocol, should_close=should_close)

    def settle(self, protocol: Protocol, *, should_close: bool) -> None:
        """The response on a held connection was read and checked: back to the pool with it, or close it."""
        if not protocol.held:
            return
        protocol.held = False
        if protocol.released is not None:
            self._release(protocol.released, protocol, should_close=should_close)
        elif should_close:
            protocol.force_close()  # aiohttp releases it later


def has_unread(protocol: ResponseHandler, *, new: bool) -> bool:
    """Whether a connection holds bytes that belong to no request, or has ended, as far as this side can know now."""
    transport = protocol.transport
    if transport is None or protocol.should_close or protocol._reading_paused:
        return True
    try:
        # the end of a response may have come together with the beginning of another one
        begun = protocol._parser is not None and protocol._parser.feed_eof() is not None
    except Exception:
        begun = True
    if begun:
        return True
    tls = transport.get_extra_info("ssl_object")
    if tls is not None and tls.pending():
        return True
    if tls is not None and new:
        return False  # what a TLS server sends after the handshake are tickets for the next one
    return _readable(transport.get_extra_info("socket"))


def _readable(sock: Any) -> bool:
    """Whether the kernel holds bytes of a socket, or knows of its end."""
    number = -1 if sock is None else sock.fileno()
    if number < 0:
        return True
    if hasattr(select, "poll"):  # select() takes no file descriptor above 1023
        poll = select.poll()
        poll.register(number, select.POLLIN)
        return bool(poll.poll(0))
    return bool(select.select([number], [], [], 0)[0])


class HttpResponse(aiohttp.ClientResponse):
    """A response whose connection is not used again before `async with` is left.

    `close()` inside of it closes the connection that the response came on, also where its body has been read to the
    end: for a response that turns out to belong to another request.
    """

    repeats = False
    """Whether an earlier response on this connection, to a request for another file, has the same identity (see
    `_identity`): either two files have the same content, or that response came twice. A HEAD with `fresh=True` decides."""
    _pool: Connector | None = None
    _end: Protocol | None = None

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        self._pool = cast(Connector, connection._connector)
        self._end = protocol = cast(Protocol, connection.protocol)
        protocol.held = True
        await super().start(connection)
        identity = _identity(self)
        if identity is not None:
            paths = protocol.seen.setdefault(identity, set())
            self.repeats = bool(paths) and self.url.raw_path not in paths
            paths.add(self.url.raw_path)
        return self

    def close(self) -> None:
        super().close()
        self._settle(should_close=True)

    def release(self) -> Any:
        done = super().release()
        protocol = self._end
        self._settle(should_close=protocol is not None and len(protocol.seen) >= _REMEMBERED)
        return done

    def _settle(self, *, should_close: bool) -> None:
        protocol, self._end = self._end, None
        if protocol is not None and self._pool is not None:
            self._pool.settle(protocol, should_close=should_close)

    def __del__(self, *options: Any) -> None:
        if self._end is not None and not self._loop.is_closed():
            self._settle(should_close=True)
        super().__del__(*options)


_REMEMBERED = 1000
"""Responses of the store after which a connection is not used again, so that what is known of it stays small."""


def _identity(response: aiohttp.ClientResponse) -> tuple[str, ...] | None:
    """What a response of the store shares with no other one, as far as it tells; None where it tells nothing.

    The store gives each response an id, and each version of an object a generation. Without them, equal files have the
    same entity tag or checksum. A response that comes twice, however late, has the identity of one that came before it.
    """
    headers = response.headers
    if upload := headers.get("x-guploader-uploadid"):
        return "response", upload
    generation = headers.get("x-goog-generation", "")
    if tag := headers.get("ETag"):
        return "tag", tag, generation
    hashes = headers.getall("x-goog-hash", [])
    return ("hash", ",".join(hashes), generation) if hashes else None


def http_session(
    loop: asyncio.AbstractEventLoop, timeout: aiohttp.ClientTimeout, headers: dict[str, str], **options: Any
) -> aiohttp.ClientSession:
    """A session without cookies, whose responses are as stored and whose connections are safe to use again."""
    return aiohttp.ClientSession(**session_options(loop, timeout, **options), headers=headers)


def session_options(
    loop: asyncio.AbstractEventLoop, timeout: aiohttp.ClientTimeout, *, force_close: bool = False
) -> dict[str, Any]:
    """What `http_session` passes to aiohttp; gql makes the service's session itself."""
    return {
        "connector": Connector(loop, force_close=force_close),
        "response_class": HttpResponse,
        "cookie_jar": aiohttp.DummyCookieJar(),
        "timeout": timeout,
        "auto_decompress": False,
    }


# -- the object store


def parsed_url(text: str, *, encoded: bool = False) -> URL:
    """A text as a URL; `encoded`: as it stands. Raises ValueError for what is none, also where yarl stumbles."""
    try:
        return URL(text, encoded=encoded)
    except IndexError:  # yarl 1.25, a host in brackets without a host: https://[]@
        raise ValueError("a URL without a host") from None


def allowed_store_url(url: str | URL, api_url: str) -> URL:
    """The URL of a file in the object store, where bytes may go to and come from it: one rule for the first and redirects.

    https everywhere; http only where service and store are this machine. No host that is this machine, private or
    link-local by its name or number, unless the service itself is: otherwise a response could make this program read
    what only this machine can reach. Nothing is looked up or sent. Raises TransferError, which names the host.
    """
    try:
        # a signed URL must stay as it was signed
        parsed = url if isinstance(url, URL) else parsed_url(url, encoded=True)
        host = (parsed.host or "").lower().rstrip(".")
    except (ValueError, TypeError):
        parsed, host = URL(), ""
    if not host or not host.isascii() or any(letter <= " " or letter in "\\\x7f" for letter in str(parsed)):
        raise TransferError("the service named a place in the object store that is no URL: nothing was sent")
    if parsed.user is not None or parsed.password is not None:
        raise TransferError(
            f"the URL of the object store at {host} holds a user or password: nothing was sent"
        )
    service, store = _reach(urlsplit(api_url).hostname or ""), _reach(host)
    local = service == store == _LOOPBACK
    if parsed.scheme != "https" and not (parsed.scheme == "http" and local):
        raise TransferError(
            f"the URL of the object store at {host} does not begin with https://: nothing was sent there, "
            f"because others could read and change the bytes on their way"
        )
    if store != _PUBLIC and service not in (store, _LOOPBACK):
        raise TransferError(
            f"the URL of the object store names {host}, which is {store}, and the service is not: nothing was "
            f"sent there"
        )
    return parsed


_PUBLIC, _LOOPBACK, _PRIVATE, _LINK_LOCAL = (
    "public",
    "this machine",
    "a private address",
    "a link-local address",
)


def _reach(host: str) -> str:
    """From where a host can be reached, as far as its name says."""
    host = host.lower().rstrip(".").strip("[]")
    if host in ("localhost", "ip6-localhost", "ip6-loopback") or host.endswith(".localhost"):
        return _LOOPBACK
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        try:
            # 127.1, 2130706433, 0x7f.1: the system's resolver takes all of them
            address = ipaddress.ip_address(socket.inet_aton(host))
        except (OSError, ValueError):
            # single words, and the endings that no public name has
            return _PUBLIC if "." in host and not host.endswith((".internal", ".local")) else _PRIVATE
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_loopback or address.is_unspecified:
        return _LOOPBACK
    if address.is_link_local:
        return _LINK_LOCAL
    return _PUBLIC if address.is_global and not address.is_multicast else _PRIVATE


class Blobs:
    """Sessions for signed URLs: no token, no cookies, no netrc; bodies as stored, proxies as they apply.

    `async with blobs.get(url, headers=...) as response`: an HttpResponse. `fresh=True` sends the request on a connection
    of its own, which no response has come on before.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        proxies: Proxies,
        fresh: Callable[[], aiohttp.ClientSession],
        api_url: str = "",
    ) -> None:
        """`api_url`: the service's, which says what URLs of the store may be used (`allowed_store_url`)."""
        self.session = session
        self.api_url = api_url
        self._proxies = proxies
        self._make_fresh = fresh
        self._fresh: aiohttp.ClientSession | None = None

    @property
    def sessions(self) -> list[aiohttp.ClientSession]:
        """What is open, to be closed with the client."""
        return [self.session] if self._fresh is None else [self.session, self._fresh]

    def request(
        self, method: str, url: str | URL, *, fresh: bool = False, **options: Any
    ) -> AbstractAsyncContextManager[HttpResponse]:
        if self.api_url:
            url = allowed_store_url(url, self.api_url)
        # a signed URL must stay as it was signed
        url = parsed_url(url, encoded=True) if isinstance(url, str) else url
        trust: dict[str, Any] = {"ssl": tls_context()} if url.scheme == "https" else {}
        session = self.session
        if fresh:
            if self._fresh is None:
                self._fresh = self._make_fresh()
            session = self._fresh
        # the session's response_class, which aiohttp's types do not know
        return cast(
            "AbstractAsyncContextManager[HttpResponse]",
            session.request(method, url, **{**trust, **self._proxies.for_url(url), **options}),
        )

    def get(self, url: str | URL, **options: Any) -> AbstractAsyncContextManager[HttpResponse]:
        return self.request("GET", url, **options)

    def head(self, url: str | URL, **options: Any) -> AbstractAsyncContextManager[HttpResponse]:
        return self.request("HEAD", url, **{"allow_redirects": False, **options})

    def put(self, url: str | URL, **options: Any) -> AbstractAsyncContextManager[HttpResponse]:
        return self.request("PUT", url, **options)
