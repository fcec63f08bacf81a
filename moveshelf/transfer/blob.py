"""One exchange with the object store: signed URLs, no key, and what its answers mean."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from ..config import is_loopback
from ..errors import TransferError
from ..wire.retry import BARRED, LOST, REFUSED, Failure, phrase, retry_after
from ..wire.transport import failure_of

if TYPE_CHECKING:
    from ..wire.network import Blobs

P = ParamSpec("P")
T = TypeVar("T")

# what a store answers to a signature that is over, or was made for an object that has moved
STALE = frozenset({400, 401, 403, 404, 410})
DAMAGED = frozenset({"BadDigest", "IncompleteBody", "InvalidDigest", "RequestTimeout"})
REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ENOUGH = 4096
"""Bytes of a refusal that are read: a store's XML with its code and sentence."""


class StoreError(Exception):
    """One exchange failed; `failure` says how, in words that hold no signature."""

    def __init__(self, failure: Failure, code: str = "") -> None:
        super().__init__(failure.reason)
        self.failure = failure
        self.code = code
        """The store's own word for it."""

    @property
    def damaged(self) -> bool:
        """Whether the store got other bytes than were announced: they were spoilt on the way, not refused."""
        return self.code in DAMAGED

    @property
    def stale(self) -> bool:
        """Whether a new signed URL may help."""
        return self.failure.kind == REFUSED and self.failure.status in STALE and not self.damaged


class Stored(NamedTuple):
    """What the store tells of an object. Anything may be unknown."""

    size: int | None
    crc32c: str | None
    etag: str | None


class Progress:
    """What a run has moved so far. Written on the I/O thread, read by who shows it."""

    __slots__ = ("bytes", "disk", "expected", "files")

    def __init__(self, expected: int = 0) -> None:
        self.bytes = 0
        self.expected = expected
        self.files = 0
        self.disk = 0.0
        """Seconds that the disk takes for one thing, as a mean of the last few."""


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run what may wait for a disk aside, so that the other transfers go on meanwhile."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(None, lambda: function(*args, **kwargs))


def host_of(url: str) -> str:
    """For messages: what may be told of a signed URL."""
    return urlsplit(url).hostname or "the object store"


@asynccontextmanager
async def exchange(
    blobs: Blobs, method: str, url: str, *, accept: tuple[int, ...] = (200,), hops: int = 3, **options: Any
) -> AsyncIterator[aiohttp.ClientResponse]:
    """The store's answer to one request, its body not read yet. Raises StoreError for any other status and on the
    way.

    A redirect is followed for what only reads: there is no key to carry along, and never from https to http.
    """
    seconds = blobs.session.timeout.sock_read or 0.0
    try:
        asked = blobs.request(method, url, allow_redirects=False, **options)
    except ValueError:
        raise StoreError(Failure(BARRED, f"{host_of(url)} cannot be asked: the address is none")) from None
    try:
        async with asked as response:
            status = response.status
            if status in accept:
                yield response
                return
            if status in REDIRECTS and method != "PUT" and hops:
                target = _redirected(response)
            else:
                raise await _refusal(response, host_of(url))
        async with exchange(blobs, method, target, accept=accept, hops=hops - 1, **options) as response:
            yield response
    except (aiohttp.ClientError, asyncio.TimeoutError, ConnectionError) as error:
        raise StoreError(failure_of(error, host_of(url), seconds)) from None


def stored(response: aiohttp.ClientResponse) -> Stored:
    """Size of the *whole* object, its CRC-32C and its entity tag, from the headers of any answer about it."""
    headers = response.headers
    plain = (headers.get("Content-Encoding") or "identity") == "identity" and (
        headers.get("x-goog-stored-content-encoding") or "identity"
    ) == "identity"
    size: int | None = None
    if response.status == 206:
        size = content_range(headers.get("Content-Range"))[1]
    elif response.status == 200 and headers.get("Content-Length", "").isdigit():
        size = int(headers["Content-Length"])
    etag = headers.get("ETag")
    if etag is not None and etag.startswith("W/"):
        etag = None  # a weak one does not promise the same bytes
    # of an object that the store unpacks on the way, size and checksum are those of the packed one
    return Stored(size, crc_of(headers), etag) if plain else Stored(None, None, None)


def crc_of(headers: Mapping[str, str]) -> str | None:
    """The CRC-32C that `x-goog-hash` tells; the header may come once, or once for each kind of hash."""
    values = (
        headers.getall("x-goog-hash", []) if hasattr(headers, "getall") else [headers.get("x-goog-hash", "")]
    )
    for value in values:
        match = re.search(r"(?:^|[,\s])crc32c=([A-Za-z0-9+/]{6}==)", value)
        if match:
            return match[1]
    return None


def content_range(value: str | None) -> tuple[int | None, int | None]:
    """First byte and size of the whole, of a Content-Range header."""
    match = re.fullmatch(r"\s*bytes\s+(?:(\d+)-\d+|\*)/(\d+|\*)\s*", value or "")
    if match is None:
        return None, None
    return (
        int(match[1]) if match[1] is not None else None,
        int(match[2]) if match[2] != "*" else None,
    )


async def head(blobs: Blobs, url: str) -> Stored:
    """What the store tells of the object behind a signed URL, without its bytes. Raises StoreError.

    Where a signature made for GET does not do for HEAD, the first byte is asked for instead.
    """
    try:
        async with exchange(blobs, "HEAD", url) as response:
            found = stored(response)
            if found.crc32c is not None:
                return found
    except StoreError as broken:
        if broken.failure.status not in (400, 401, 403, 405, 501):
            raise
    async with exchange(
        blobs, "GET", url, accept=(200, 206, 416), headers={"Range": "bytes=0-0"}
    ) as response:
        if response.status == 416:  # nothing in it
            return Stored(0, crc_of(response.headers), None)
        found = stored(response)
        response.close()  # a store that ignores Range sends it all
        return found


def gave_up(what: str, failure: Failure, advice: str, attempts: int = 1) -> TransferError:
    """The error that ends a transfer: what was wanted, what the store said, what is on either side now."""
    reason = failure.reason or phrase(failure.status)
    again = f" ({attempts} attempts)" if attempts > 1 else ""
    return TransferError(f"{what}: {reason}{again}. {advice}".rstrip(), status=failure.status)


async def _refusal(response: aiohttp.ClientResponse, host: str) -> StoreError:
    body = b""
    with suppress(aiohttp.ClientError, asyncio.TimeoutError, ConnectionError):  # the status is known
        body = await response.content.read(_ENOUGH)
    response.close()
    text = body.decode("utf-8", "replace")
    code = re.search(r"<Code>([^<]{1,100})</Code>", text)
    said = re.search(r"<Message>([^<]{1,300})</Message>", text)
    told = ": ".join(match[1] for match in (code, said) if match)
    if not told and "<" not in text:
        told = " ".join(text.split())[:300]
    reason = f"{host} answered {phrase(response.status)}" + (f' ("{told}")' if told else "")
    pause = retry_after(response.headers.get("Retry-After"))
    failure = Failure(REFUSED, reason, status=response.status, retry_after=pause)
    return StoreError(failure, code[1] if code else "")


def _redirected(response: aiohttp.ClientResponse) -> str:
    target = response.url.join(URL(response.headers.get("Location", ""), encoded=True))
    safe = target.scheme == "https" or (target.scheme == "http" and response.url.scheme == "http")
    if not safe or not target.host:
        raise StoreError(Failure(BARRED, f"{response.url.host} points to an address without https"))
    if is_loopback(target.host) and not is_loopback(response.url.host or ""):
        raise StoreError(Failure(BARRED, f"{response.url.host} points to this machine itself"))
    return str(target)


def cut_short(host: str, got: int, size: int) -> StoreError:
    return StoreError(Failure(LOST, f"{host} sent {got:,} of {size:,} bytes"))
