"""Names, proxies and certificates as the machine has them: hospitals have their own of each."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import socket
import ssl
import threading
import urllib.request
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client import _RequestContextManager
from yarl import URL

from moveshelf.config import is_loopback
from moveshelf.errors import ConfigError

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
            proxy = URL(place if "://" in place else f"http://{place}")
        except ValueError:
            proxy = URL()
        if proxy.scheme not in ("http", "https") or not proxy.host:
            raise ConfigError(
                f"the proxy that the environment names for {url.scheme} addresses is not an http:// one; "
                f"correct {url.scheme.upper()}_PROXY, or put {host} into NO_PROXY"
            )
        if proxy.user is None:
            return {"proxy": proxy}
        secret = base64.b64encode(f"{proxy.user}:{proxy.password or ''}".encode()).decode()
        return {"proxy": proxy.with_user(None), "proxy_headers": {"Proxy-Authorization": f"Basic {secret}"}}


class Resolver(AbstractResolver):
    """Names by the system's own rules, each on a daemon thread.

    The loop's executor would do, but Python waits for its threads at exit, and a name server that does not
    answer holds one for half a minute.
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


class Blobs:
    """A session for signed URLs: no token, no cookies, no netrc; bodies as stored, proxies as they apply.

    Its methods are those of aiohttp's ClientSession: `async with blobs.get(url, headers=...) as response`.
    """

    def __init__(self, session: aiohttp.ClientSession, proxies: Proxies) -> None:
        self.session = session
        self._proxies = proxies

    def request(self, method: str, url: str | URL, **options: Any) -> _RequestContextManager:
        url = (
            URL(url, encoded=True) if isinstance(url, str) else url
        )  # a signed URL must stay as it was signed
        trust: dict[str, Any] = {"ssl": tls_context()} if url.scheme == "https" else {}
        return self.session.request(method, url, **{**trust, **self._proxies.for_url(url), **options})

    def get(self, url: str | URL, **options: Any) -> _RequestContextManager:
        return self.request("GET", url, **options)

    def head(self, url: str | URL, **options: Any) -> _RequestContextManager:
        return self.request("HEAD", url, **{"allow_redirects": False, **options})

    def put(self, url: str | URL, **options: Any) -> _RequestContextManager:
        return self.request("PUT", url, **options)
