"""One HTTP exchange: gql's transport made discreet, and what its failures mean."""

from __future__ import annotations

import asyncio
import contextlib
import io
import zlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import aiohttp
from gql.graphql_request import GraphQLRequest
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.exceptions import TransportError
from graphql import ExecutionResult

from moveshelf.errors import RequestError
from moveshelf.wire.codec import TOO_DEEP, decode
from moveshelf.wire.collector import collector_paused
from moveshelf.wire.network import UnexpectedBytesError, parsed_url
from moveshelf.wire.response import Request
from moveshelf.wire.retry import (
    BARRED,
    FOREIGN,
    HUGE,
    LOST,
    MALFORMED,
    REFUSED,
    SILENT,
    UNSENT,
    Failure,
    retry_after,
)

_ENOUGH = 1 << 20
"""Bytes of a refusal that are read: all of any GraphQL error, not all of a web page."""
LARGEST = 512 << 20
"""Bytes of a response, unpacked, that are held in memory: 2,622 sessions with their metadata are a few MB."""
_UNSUSPICIOUS = 64 << 20
"""Bytes that a small body may unpack to, whatever its ratio."""
_RATIO = 200
"""Bytes that one packed byte may become beyond that: JSON packs 5 to 20 times, a zip bomb 1000 times."""
_PIECE = 1 << 18
CONNECT = 20.0
"""Seconds to connect, where the timeout allows more: a service may need long for a response, a network does not."""
_REQUEST_IDS = ("x-request-id", "x-cloud-trace-context", "x-amzn-trace-id", "x-correlation-id", "cf-ray")

current: ContextVar[Request] = ContextVar("current")
"""The request that this task sends: gql hands our overrides the response alone."""


class Document(GraphQLRequest):
    """A request whose document stays the string that it is.

    gql's own parses the text on construction and prints it again for every payload.
    """

    def __init__(self, body: bytes) -> None:  # deliberately not calling up: that is where the parsing is
        self.body = body

    @property
    def payload(self) -> dict[str, Any]:
        """What is sent, as gql names it; not used on the way out."""
        payload: dict[str, Any] = decode(self.body)
        return payload


class Result(ExecutionResult):
    """gql's result with what belongs to this one response."""

    __slots__ = ("request_id", "size", "status")

    request_id: str | None
    size: int
    status: int


class Refused(TransportError):
    """What our `raise_for_status` raises: gql lets its own kind of errors pass as they are."""

    def __init__(self, failure: Failure, size: int) -> None:
        super().__init__()
        self.failure = failure
        self.size = size


class Transport(AIOHTTPTransport):
    """gql's transport with two of its steps replaced.

    Its `_prepare_request` writes the whole payload, and its `_get_json_result` the whole response, to the log
    as soon as the root logger is set to DEBUG: patients' data. The latter also keeps the headers of the last
    response of all requests in flight in one attribute.
    """

    def _prepare_request(
        self, request: Any, extra_args: dict[str, Any] | None = None, upload_files: bool = False
    ) -> dict[str, Any]:
        body: bytes = request.body
        # aiohttp warns of large bodies that are not a stream
        return {"data": body if len(body) < _ENOUGH else io.BytesIO(body), **(extra_args or {})}

    async def _prepare_result(self, response: aiohttp.ClientResponse) -> ExecutionResult:
        try:
            return await self._accept(response)
        except BaseException:
            # what comes next on this connection may be the response to something else
            response.close()
            raise

    async def _accept(self, response: aiohttp.ClientResponse) -> Result:
        body, whole = await read_body(response, LARGEST)
        request_id = _request_id(response)
        if not whole:
            what = f"sent a response that unpacks to more than {len(body) >> 20:,} MB"
            raise Refused(_malformed(response, b"", HUGE, what, request_id), len(body))
        with collector_paused:
            content, data = self._decoded(response, body, request_id)
        result = Result(data, errors_of(content) or None)  # type: ignore[arg-type]  # gql's own are such dictionaries too
        result.request_id, result.size, result.status = request_id, len(body), response.status
        return result

    def _decoded(
        self, response: aiohttp.ClientResponse, body: bytes, request_id: str | None
    ) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """What a body holds, and its data, checked by the request's own check."""
        try:
            content = decode(body)
        except ValueError as error:
            kind, what = (
                LOST,
                "sent a response that is not JSON" if body.strip() else "sent an empty response",
            )
            if str(error) == TOO_DEEP:
                kind, what = MALFORMED, "sent JSON that is nested too deeply"
            raise Refused(_malformed(response, body, kind, what, request_id), len(body)) from None
        data = content.get("data") if isinstance(content, dict) else ()
        if not isinstance(data, (dict, type(None))) or not ("data" in content or content.get("errors")):
            what = "sent JSON that is no GraphQL response"
            raise Refused(_malformed(response, body, MALFORMED, what, request_id), len(body))
        request = current.get()
        if request.check is not None and data is not None:
            _run_check(request, data, errors_of(content), request_id, response.status, len(body))
        return content, data


def _run_check(
    request: Request,
    data: dict[str, Any],
    errors: list[dict[str, Any]],
    request_id: str | None,
    status: int,
    size: int,
) -> None:
    assert request.check is not None
    try:
        if errors:
            request.check(data, errors)
        else:
            request.check(data)
        return
    except RequestError as error:
        found = error
    except Exception as error:  # a value of another form than the check has foreseen
        what = type(error).__name__
        found = RequestError(
            f"{request.operation!r} failed: the response does not have the form that belongs to this request ({what})"
        )
    found.__traceback__ = found.__context__ = None  # its frames hold the response
    found.request_id = found.request_id or request_id
    found.operation = found.operation or request.operation
    raise Refused(Failure(FOREIGN, status=status, request_id=request_id, error=found), size)


async def read_body(
    response: aiohttp.ClientResponse, most: int, parts: list[bytes] | None = None
) -> tuple[bytes, bool]:
    """The body, unpacked piece by piece; and whether it is whole: reading stops beyond `most` bytes.

    The session does not unpack for us: aiohttp would do it without a limit. `parts` keeps what came before an error.
    Raises Refused for a body that does not unpack.
    """
    unpacker = _unpacker(response)
    parts = [] if parts is None else parts
    size = packed = 0
    while piece := await response.content.readany():
        packed += len(piece)
        try:
            for part in unpacker.feed(piece) if unpacker is not None else (piece,):
                parts.append(part)
                size += len(part)
                if size > most or (unpacker is not None and size > _UNSUSPICIOUS and size > _RATIO * packed):
                    return b"".join(parts), False
        except zlib.error:
            raise Refused(_malformed(response, b"", LOST, _UNPACKABLE, _request_id(response)), size) from None
    if unpacker is not None:
        parts.append(unpacker.rest())
        if packed and not unpacker.whole:
            raise Refused(_malformed(response, b"", LOST, _UNPACKABLE, _request_id(response)), size)
    return (parts[0] if len(parts) == 1 else b"".join(parts)), True


_UNPACKABLE = "sent a response that cannot be unpacked"


class _Unpacker:
    """gzip or deflate, a piece at a time, so that a small body cannot become a large one unnoticed."""

    def __init__(self, encoding: str) -> None:
        self._window = 16 + zlib.MAX_WBITS if encoding == "gzip" else 0
        self._stream = zlib.decompressobj(self._window) if self._window else None

    def feed(self, piece: bytes) -> Iterator[bytes]:
        if self._stream is None:
            # "deflate" is to mean zlib's format; some servers send it without the two bytes of its head
            self._window = zlib.MAX_WBITS if piece[0] & 0xF == 8 else -zlib.MAX_WBITS
            self._stream = zlib.decompressobj(self._window)
        while piece:
            if self._stream.eof:
                self._stream = zlib.decompressobj(self._window)  # gzip files may follow one another
            part = self._stream.decompress(piece, _PIECE)
            if part:
                yield part
            piece = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail

    def rest(self) -> bytes:
        return self._stream.flush() if self._stream is not None else b""

    @property
    def whole(self) -> bool:
        return self._stream is not None and self._stream.eof


def _unpacker(response: aiohttp.ClientResponse) -> _Unpacker | None:
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding in ("", "identity"):
        return None
    if encoding in ("gzip", "x-gzip", "deflate"):
        return _Unpacker(encoding.removeprefix("x-"))
    what = f"sent a response in the encoding {encoding[:20]!r}, which was not requested"
    raise Refused(_malformed(response, b"", MALFORMED, what, _request_id(response)), 0)


async def refuse(response: aiohttp.ClientResponse) -> None:
    """The session's `raise_for_status`: everything but a 2xx, with its text and request id, and no cause.

    aiohttp's own error holds the request's headers, the token among them.
    """
    if response.status < 300:
        return
    parts: list[bytes] = []
    try:
        await read_body(response, _ENOUGH, parts)
    except (aiohttp.ClientError, OSError, asyncio.TimeoutError, Refused):
        pass  # the status is known, and its text as far as it came
    finally:
        response.close()
    body = b"".join(parts)
    errors: list[dict[str, Any]] = []
    data = None
    with contextlib.suppress(ValueError):
        content = decode(body)
        if isinstance(content, dict):
            data = content.get("data")
            # what gateways say in place of a GraphQL error
            text = content.get("message") or content.get("error")
            errors = errors_of(content) or ([{"message": text}] if isinstance(text, str) else [])
    location = response.headers.get("Location") if response.status < 400 else None
    failure = Failure(
        REFUSED,
        status=response.status,
        body=_text(body),
        request_id=_request_id(response),
        retry_after=retry_after(response.headers.get("Retry-After")),
        location=_target(response, location) if location is not None else None,
        errors=errors,
        data=data if isinstance(data, dict) else None,
    )
    raise Refused(failure, len(body))


def errors_of(content: dict[str, Any]) -> list[dict[str, Any]]:
    """The errors of a response, each a dictionary, however the service writes them."""
    errors = content.get("errors")
    if not errors:
        return []
    found = errors if isinstance(errors, list) else [errors]
    return [one if isinstance(one, dict) else {"message": str(one)} for one in found]


def _malformed(
    response: aiohttp.ClientResponse, body: bytes, kind: str, what: str, request_id: str | None
) -> Failure:
    reason = f"{response.url.host} {what}"
    return Failure(kind, reason, status=response.status, body=_text(body), request_id=request_id)


def _text(body: bytes) -> str:
    return body[:20_000].decode("utf-8", "replace")


def _target(response: aiohttp.ClientResponse, location: str) -> str:
    """Where a redirect leads, without its query: a signed part of it belongs in no message."""
    try:
        url = response.url.join(parsed_url(location))
        return str(url.with_query(None).with_fragment(None).with_user(None))
    except ValueError:
        return "a text that is no URL"


def _request_id(response: aiohttp.ClientResponse) -> str | None:
    for name in _REQUEST_IDS:
        value = response.headers.get(name)
        if value:
            return value[:200]
    return None


def failure_of(error: BaseException, host: str, timeout: float) -> Failure:
    """What an exception of aiohttp's means, in words that hold no header of ours."""
    if isinstance(error, UnexpectedBytesError):
        return Failure(UNSENT, f"{host} sent bytes before a request was sent")
    if isinstance(error, aiohttp.ClientHttpProxyError):
        kind = BARRED if error.status in (401, 403, 407) else UNSENT
        return Failure(
            kind, f"the proxy responded with {error.status} to CONNECT {host}", status=error.status
        )
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return Failure(BARRED, f"the certificate of {host} is not trusted: {error.certificate_error}")
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        return Failure(BARRED, f"no secure connection to {host}: {error.os_error}")
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return Failure(UNSENT, f"the proxy for {host} cannot be reached: {error.os_error}")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return Failure(UNSENT, f"{host} is not known here: {error.os_error}")
    if isinstance(error, aiohttp.ClientConnectorError):
        return Failure(UNSENT, f"no connection to {host}: {error.os_error}")
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return Failure(UNSENT, f"no connection to {host} within {min(timeout, CONNECT):g} s", slow=True)
    if isinstance(error, asyncio.TimeoutError):
        return Failure(SILENT, f"{host} gave no sign of life for {timeout:g} s")
    if isinstance(error, (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError)):
        return Failure(BARRED, f"no request can be sent to {host}: the URL is not valid")
    if isinstance(
        error, (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)
    ):
        what = (
            "broke off its response"
            if isinstance(error, aiohttp.ClientPayloadError)
            else "closed the connection"
        )
        return Failure(LOST, f"{host} {what}")
    return Failure(LOST, f"the connection to {host} failed ({type(error).__name__})")
