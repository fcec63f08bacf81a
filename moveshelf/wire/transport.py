"""One HTTP exchange: gql's transport made discreet, and what its failures mean."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import aiohttp
from gql.graphql_request import GraphQLRequest
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.exceptions import TransportError
from graphql import ExecutionResult
from yarl import URL

from moveshelf.wire.codec import decode
from moveshelf.wire.retry import BARRED, LOST, REFUSED, SILENT, STRANGE, UNSENT, Failure, retry_after

_ENOUGH = 1 << 20
"""Bytes of a refusal that are read: all of any GraphQL error, not all of somebody's web page."""
CONNECT = 20.0
"""Seconds for making a connection, where the timeout allows more: a service may think for long, a network "
"does not."""
_REQUEST_IDS = ("x-request-id", "x-cloud-trace-context", "x-amzn-trace-id", "x-correlation-id", "cf-ray")


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

    __slots__ = ("body", "request_id", "size", "status")

    request_id: str | None
    size: int
    status: int
    body: bytes


class Refused(TransportError):
    """What our `raise_for_status` raises: gql lets its own kind of errors pass as they are."""

    def __init__(self, failure: Failure, size: int) -> None:
        super().__init__()
        self.failure = failure
        self.size = size


class Transport(AIOHTTPTransport):
    """gql's transport with two of its steps replaced.

    Its `_prepare_request` writes the whole payload, and its `_get_json_result` the whole answer, to the log
    as soon as anybody sets the root logger to DEBUG: patients' data. The latter also keeps the headers of
    the last answer of all requests in flight in one attribute.
    """

    def _prepare_request(
        self, request: Any, extra_args: dict[str, Any] | None = None, upload_files: bool = False
    ) -> dict[str, Any]:
        body: bytes = request.body
        # aiohttp warns of large bodies that are not a stream
        return {"data": body if len(body) < _ENOUGH else io.BytesIO(body), **(extra_args or {})}

    async def _prepare_result(self, response: aiohttp.ClientResponse) -> ExecutionResult:
        body = await response.read()
        request_id = _request_id(response)
        try:
            answer = decode(body)
        except ValueError:
            what = "sent an answer that is not JSON" if body.strip() else "sent an empty answer"
            raise Refused(_strange(response, body, LOST, what, request_id), len(body)) from None
        data = answer.get("data") if isinstance(answer, dict) else ()
        if not isinstance(data, (dict, type(None))) or not ("data" in answer or answer.get("errors")):
            what = "sent JSON that is no GraphQL answer"
            raise Refused(_strange(response, body, STRANGE, what, request_id), len(body))
        result = Result(data, complaints(answer) or None)  # type: ignore[arg-type]  # gql's own are such dictionaries too
        result.request_id, result.size, result.status, result.body = (
            request_id,
            len(body),
            response.status,
            body,
        )
        return result


async def refuse(response: aiohttp.ClientResponse) -> None:
    """The session's `raise_for_status`: everything but a 2xx, with its text and request id, and no cause.

    aiohttp's own error holds the request's headers, the token among them.
    """
    if response.status < 300:
        return
    parts: list[bytes] = []
    size = 0
    try:
        while size < _ENOUGH:
            part = await response.content.readany()
            if not part:
                break
            parts.append(part)
            size += len(part)
    except (aiohttp.ClientError, OSError, asyncio.TimeoutError):
        pass  # the status is known, and its text as far as it came
    body = b"".join(parts)
    if not response.content.at_eof():
        response.close()
    errors: list[dict[str, Any]] = []
    data = None
    try:
        answer = decode(body)
        if isinstance(answer, dict):
            data = answer.get("data")
            text = answer.get("message") or answer.get(
                "error"
            )  # what gateways say in place of a GraphQL error
            errors = complaints(answer) or ([{"message": text}] if isinstance(text, str) else [])
    except ValueError:
        pass
    location = response.headers.get("Location") if response.status < 400 else None
    failure = Failure(
        REFUSED,
        status=response.status,
        body=_text(body),
        request_id=_request_id(response),
        retry_after=retry_after(response.headers.get("Retry-After")),
        location=_place(response, location) if location is not None else None,
        errors=errors,
        data=data if isinstance(data, dict) else None,
    )
    raise Refused(failure, size)


def complaints(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """The errors of an answer, each a dictionary, however the service writes them."""
    errors = answer.get("errors")
    if not errors:
        return []
    found = errors if isinstance(errors, list) else [errors]
    return [one if isinstance(one, dict) else {"message": str(one)} for one in found]


def _strange(
    response: aiohttp.ClientResponse, body: bytes, kind: str, what: str, request_id: str | None
) -> Failure:
    reason = f"{response.url.host} {what}"
    return Failure(kind, reason, status=response.status, body=_text(body), request_id=request_id)


def _text(body: bytes) -> str:
    return body[:20_000].decode("utf-8", "replace")


def _place(response: aiohttp.ClientResponse, location: str) -> str:
    """Where a redirect leads, without its query: a signed part of it is nobody's business."""
    try:
        url = response.url.join(URL(location))
        return str(url.with_query(None).with_fragment(None).with_user(None))
    except ValueError:
        return "an address that is none"


def _request_id(response: aiohttp.ClientResponse) -> str | None:
    for name in _REQUEST_IDS:
        value = response.headers.get(name)
        if value:
            return value[:200]
    return None


def failure_of(error: BaseException, host: str, timeout: float) -> Failure:
    """What an exception of aiohttp's means, in words that hold no header of ours."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        kind = BARRED if error.status in (401, 403, 407) else UNSENT
        return Failure(
            kind, f"the proxy answered {error.status} to the wish to reach {host}", status=error.status
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
        return Failure(BARRED, f"{host} cannot be asked: the address is none")
    if isinstance(
        error, (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)
    ):
        what = (
            "broke off its answer"
            if isinstance(error, aiohttp.ClientPayloadError)
            else "closed the connection"
        )
        return Failure(LOST, f"{host} {what}")
    return Failure(LOST, f"the connection to {host} failed ({type(error).__name__})")
