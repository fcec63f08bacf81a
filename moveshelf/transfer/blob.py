"""One exchange with the object store: signed URLs, no key, and what its responses mean."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from urllib.parse import urlsplit

import aiohttp
import attrs

from ..config import is_loopback
from ..errors import TransferError
from ..wire.network import parsed_url
from ..wire.retry import BARRED, LOST, REFUSED, Failure, RetryPolicy, phrase, retry_after
from ..wire.transport import failure_of

if TYPE_CHECKING:
    from ..wire.network import Blobs, HttpResponse

P = ParamSpec("P")
T = TypeVar("T")

# what a store says of a signature that is over, or was made for an object that has moved
STALE = frozenset({400, 401, 403, 404, 410})
DAMAGED = frozenset({"BadDigest", "IncompleteBody", "InvalidDigest", "RequestTimeout"})
REDIRECTS = frozenset({301, 302, 303, 307, 308})
EMPTY = "AAAAAA=="
"""The CRC-32C of no bytes."""
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


@attrs.define
class Attempts:
    """What follows when an exchange fails: a new signed URL at once, another attempt after a pause, or the end."""

    retry: RetryPolicy
    #: how many failed that a new URL could not help
    failures: int = 0
    #: whether a new URL was tried already
    renewed: bool = False

    def wants_new_url(self, error: StoreError) -> bool:
        """Whether to try at once with a new signed URL: once, where the old one was refused."""
        if not error.stale or self.renewed:
            return False
        self.renewed = True
        return True

    def pause(self, error: StoreError) -> float | None:
        """Count the failure; the seconds until the next attempt, or None where there is none."""
        self.failures += 1
        return self.retry.pause(error.failure, self.failures, mutation=False)

    def progressed(self) -> None:
        """Bytes have arrived since the last failure: count anew."""
        self.failures, self.renewed = 0, False


@attrs.frozen
class Stored:
    """What a response tells of an object. Anything may be unknown.

    Size and checksum are those of the bytes as they are stored. `encoding` says how the bytes that come are packed
    ("" for not at all). `unpacked`: the store keeps them packed and has unpacked them on the way, so that neither size
    nor checksum are those of what comes.
    """

    size: int | None = None
    crc32c: str | None = None
    etag: str | None = None
    encoding: str = ""
    unpacked: bool = False

    @property
    def plain(self) -> bool:
        """Whether the stored bytes are the content itself."""
        return not self.encoding and not self.unpacked


class Progress:
    """What a run has moved so far. Written on the I/O thread, read by the thread that shows it."""

    __slots__ = ("bytes", "disk", "expected", "files", "sized")

    def __init__(self, expected: int = 0) -> None:
        self.bytes = 0
        self.expected = expected
        self.files = 0
        self.sized = 0
        """Files whose size is in `expected`."""
        self.disk = 0.0
        """Seconds that the disk takes for one write, as a mean of the last few."""


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run what may wait for a disk on a worker thread, so that the other transfers go on meanwhile."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(None, lambda: function(*args, **kwargs))


async def in_thread_to_end(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The same for what must not be left half done: a cancelled caller waits until it is over."""
    loop = asyncio.get_running_loop()
    work = loop.run_in_executor(None, lambda: function(*args, **kwargs))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        with suppress(Exception):
            await asyncio.wait([work])
        if not work.cancelled():
            work.exception()  # looked at: the cancellation is what is raised
        raise


def host_of(url: str) -> str:
    """For messages: the part of a signed URL that may be shown."""
    return urlsplit(url).hostname or "the object store"


@asynccontextmanager
async def exchange(
    blobs: Blobs,
    method: str,
    url: str,
    *,
    accept: tuple[int, ...] = (200,),
    hops: int = 3,
    headers: Mapping[str, str] | None = None,
    **options: Any,
) -> AsyncIterator[HttpResponse]:
    """The store's response to one request, its body not read yet. Raises StoreError for any other status and on
    the way.

    The bytes are requested as they are (`Accept-Encoding: identity`) unless `headers` say otherwise. A redirect is
    followed for what only reads: there is no key to carry along, and never from https to http. A response to GET or HEAD
    that repeats an earlier one of its connection (`HttpResponse.repeats`) is confirmed over a new connection: one that came
    twice would otherwise pass for the content of another file. `fresh=True` sends the request over a new connection.
    """
    seconds = blobs.session.timeout.sock_read or 0.0
    headers = {"Accept-Encoding": "identity", **(headers or {})}
    try:
        request = blobs.request(method, url, allow_redirects=False, headers=headers, **options)
    except ValueError:
        raise StoreError(Failure(BARRED, f"{host_of(url)} cannot be reached: the URL is malformed")) from None
    try:
        async with request as response:
            status = response.status
            if status in accept:
                if response.repeats and method in ("GET", "HEAD"):
                    await _confirm(blobs, url, response)
                yield response
                return
            if status in REDIRECTS and method != "PUT" and hops:
                target = _redirected(response)
            else:
                raise await _refusal(response, host_of(url))
        async with exchange(
            blobs, method, target, accept=accept, hops=hops - 1, headers=headers, **options
        ) as response:
            yield response
    except (aiohttp.ClientError, asyncio.TimeoutError, ConnectionError) as error:
        raise StoreError(failure_of(error, host_of(url), seconds)) from None


# what a response tells -------------------------------------------------------------------------------------------


def stored(response: aiohttp.ClientResponse) -> Stored:
    """Size of the *whole* object, its CRC-32C and its entity tag, from the headers of any response about it."""
    headers = response.headers
    encoding = _encoding(headers.get("Content-Encoding"))
    kept = headers.get("x-goog-stored-content-encoding")
    unpacked = not encoding and _encoding(kept) != ""
    size: int | None = None
    if response.status == 206:
        size = content_range(headers.get("Content-Range"))[1]
    elif response.status == 200 and headers.get("Content-Length", "").isdigit():
        size = int(headers["Content-Length"])
    etag = headers.get("ETag")
    if etag is not None and (etag.startswith("W/") or (encoding and kept is None)):
        # a weak tag does not promise the same bytes, and neither does one of bytes that were packed on the way
        etag = None
    return Stored(None if unpacked else size, crc_of(headers), etag, encoding, unpacked)


def _encoding(value: str | None) -> str:
    text = (value or "").strip().lower()
    return "" if text == "identity" else text


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


async def head(blobs: Blobs, url: str, *, encoding: str = "identity", fresh: bool = False) -> Stored:
    """What the store tells of the object behind a signed URL, without its bytes. Raises StoreError.

    `fresh`: over a connection that nothing has come over yet.

    Where a signature made for GET does not do for HEAD, the first byte is requested instead.
    """
    headers = {"Accept-Encoding": encoding}
    try:
        async with exchange(blobs, "HEAD", url, headers=headers, fresh=fresh) as response:
            found = stored(response)
            if found.crc32c is not None:
                return found
    except StoreError as error:
        if error.failure.status not in (400, 401, 403, 405, 501):
            raise
    async with exchange(
        blobs,
        "GET",
        url,
        accept=(200, 206, 416),
        headers={**headers, "Range": "bytes=0-0"},
        fresh=fresh,
    ) as response:
        if response.status == 416:
            size = content_range(response.headers.get("Content-Range"))[1]
            crc = crc_of(response.headers)
            return Stored(size, crc or (EMPTY if size == 0 else None))
        found = stored(response)
        response.close()  # a store that ignores Range sends it all
        return found


async def verifiable(
    blobs: Blobs, url: str, response: aiohttp.ClientResponse, name: str, *, encoding: str = "identity"
) -> Stored:
    """What the store tells of a response's object, with a checksum to verify its bytes by, before any of them is read.

    Where the response has none, a HEAD over a new connection requests it. Raises TransferError, naming
    host and content type, where it tells none there either: that is not the store's response but, as a rule, the login
    page of a network. Raises StoreError where the two speak of different objects, or the second fails.
    """
    known = stored(response)
    if known.crc32c is not None:
        return known
    try:
        confirmed = await head(blobs, url, encoding=encoding, fresh=True)
    except StoreError:
        response.close()
        raise
    if confirmed.crc32c is None:
        response.close()
        raise unverifiable(response, name)
    same_tag = None in (known.etag, confirmed.etag) or known.etag == confirmed.etag
    comparable = known.plain and confirmed.plain and None not in (known.size, confirmed.size)
    if not same_tag or (comparable and known.size != confirmed.size):
        response.close()
        raise StoreError(Failure(LOST, f"{response.url.host} sent another file than it has"))
    size = confirmed.size if known.size is None and known.plain and confirmed.plain else known.size
    unpacked = known.unpacked or (not known.encoding and confirmed.unpacked)
    return attrs.evolve(known, crc32c=confirmed.crc32c, size=None if unpacked else size, unpacked=unpacked)


def unverifiable(response: aiohttp.ClientResponse, name: str) -> TransferError:
    """The error for a response that nothing vouches for."""
    kind = (response.headers.get("Content-Type") or "no content type").partition(";")[0]
    return TransferError(
        f"{name}: {response.url.host} sent {kind} without a checksum, and tells none when it is requested. That is not "
        "how the object store responds; a network that wants a login first, or a proxy, responds so. Nothing was kept: "
        "open a web page in a browser, log in where you are told to, and try again.",
        status=response.status,
    )


# connections -----------------------------------------------------------------------------------------------------


async def _confirm(blobs: Blobs, url: str, response: HttpResponse) -> None:
    """Compare a response that may be another file's, come twice, with what the store tells over a new connection.

    One without a checksum is compared by `verifiable` in any case.
    """
    known = stored(response)
    if known.crc32c is None:
        return
    try:
        confirmed = await head(blobs, url, fresh=True)
    except BaseException:
        response.close()
        raise
    if confirmed.crc32c != known.crc32c:
        response.close()
        raise StoreError(Failure(LOST, f"{host_of(url)} sent the response to another request"))


# errors ----------------------------------------------------------------------------------------------------------


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
    detail = ": ".join(match[1] for match in (code, said) if match)
    if not detail and "<" not in text:
        detail = " ".join(text.split())[:300]
    reason = f"{host} responded {phrase(response.status)}" + (f' ("{detail}")' if detail else "")
    pause = retry_after(response.headers.get("Retry-After"))
    failure = Failure(REFUSED, reason, status=response.status, retry_after=pause)
    return StoreError(failure, code[1] if code else "")


def _redirected(response: aiohttp.ClientResponse) -> str:
    try:
        target = response.url.join(parsed_url(response.headers.get("Location", ""), encoded=True))
    except ValueError:
        raise StoreError(Failure(BARRED, f"{response.url.host} redirects to a text that is no URL")) from None
    safe = target.scheme == "https" or (target.scheme == "http" and response.url.scheme == "http")
    if not safe or not target.host:
        raise StoreError(Failure(BARRED, f"{response.url.host} redirects to a URL without https"))
    if is_loopback(target.host) and not is_loopback(response.url.host or ""):
        raise StoreError(Failure(BARRED, f"{response.url.host} redirects to this computer itself"))
    return str(target)


def cut_short(host: str, got: int, size: int) -> StoreError:
    """The error for a response that ended too early."""
    return StoreError(Failure(LOST, f"{host} sent {got:,} of {size:,} bytes"))
