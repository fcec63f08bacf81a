"""The errors that a caller sees: what was requested, what the service said, what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from moveshelf.errors import AuthenticationError, OutcomeUnknownError, QueryError, RequestError
from moveshelf.wire.retry import BARRED, FOREIGN, HUGE, LOST, REFUSED, SILENT, UNSENT, Failure, phrase

BODY = 2000
"""Characters of a response that an error keeps."""


class TooLargeError(RequestError):
    """The service did not manage a request of this size. For the engine, which halves it."""


def belongs(
    operation: str,
    names: frozenset[str] | None,
    wanted: Mapping[str, str],
    data: dict[str, Any],
    errors: Sequence[Any] = (),
) -> None:
    """Raise RequestError where `data` lacks one of an operation's own top-level names, or has another object than was
    requested: `wanted` are the ids by their names in `data`."""
    problem = ""
    if missing := sorted((names or frozenset()) - data.keys()):
        problem = f"it has no {', '.join(map(repr, missing))}"
    for name, identity in wanted.items():
        node = data.get(name)
        if isinstance(node, dict) and node.get("id", identity) != identity:
            problem = f"{name!r} is not the object {identity!r}"
    if problem:
        raise RequestError(
            f"{operation!r} failed: the response does not belong to this request, {problem}. The connection that it "
            "came on is closed; try again.",
            status=200,
            operation=operation,
        )


def error_of(
    failure: Failure, operation: str, host: str, *, mutation: bool, halve: bool, attempts: int
) -> RequestError:
    """The error that ends a request after its last attempt."""
    if failure.error is not None and not mutation:
        return failure.error
    kind: type[RequestError] = RequestError
    quote = _quote(failure)
    again = f" ({attempts} attempts)" if attempts > 1 else ""
    details: dict[str, Any] = {
        # a proxy's refusal is no response of the service
        "status": None if failure.kind in (UNSENT, BARRED) else failure.status,
        "body": failure.body[:BODY],
        "request_id": failure.request_id,
        "operation": operation,
    }
    if mutation and not failure.untouched:
        return OutcomeUnknownError(
            f"{operation!r} was sent to {host} and {_what(failure, host)}{quote}. It may or may not have been "
            f"carried out, and is not repeated for that reason: look first (refresh() the object or list "
            f"what it was to change), and do it again only if it is not there.",
            **details,
        )
    if halve and failure.smaller_helps:
        kind = TooLargeError
        advice = "Request less at once."
    elif failure.kind == REFUSED and failure.status in (401, 403):
        kind = AuthenticationError
        advice = (
            "Check that the key is right, is still valid, and belongs to this URL (a key of the EU is "
            "unknown in the US); a new one comes from your profile page on Moveshelf."
        )
    elif failure.location is not None:
        advice = (
            "The key is not sent to another URL than the one you gave. If the service has moved there, "
            "give the new URL as api_url."
        )
    else:
        advice = _advice(failure)
    message = f"{operation!r} failed: {_what(failure, host)}{again}{quote}. {advice}"
    if failure.errors and kind is RequestError:
        return QueryError(message, errors=_dicts(failure.errors), data=failure.data, **details)
    return kind(message, **details)


def query_error(
    errors: Sequence[dict[str, Any]], data: dict[str, Any] | None, operation: str, request_id: str | None
) -> QueryError:
    """The error of a response with GraphQL errors, for a caller who needs all of it."""
    messages = _messages(errors) or "errors without a text"
    rest = "Nothing came beside it." if data is None else "What came beside it is in the error's `data`."
    return QueryError(
        f"{operation!r} failed, the service says: {messages}. {rest}",
        errors=errors,
        data=data,
        request_id=request_id,
        operation=operation,
    )


def _dicts(errors: Sequence[Any]) -> list[dict[str, Any]]:
    return [error for error in errors if isinstance(error, dict)]


def _messages(errors: Sequence[Any]) -> str:
    texts: list[str] = []
    for error in errors:
        text = str(error.get("message") or error) if isinstance(error, dict) else str(error)
        text = " ".join(text.split())[:500].rstrip(".")
        if text not in texts:
            texts.append(text)
    more = f" (and {len(texts) - 5} more)" if len(texts) > 5 else ""
    return "; ".join(texts[:5]) + more


def _quote(failure: Failure) -> str:
    text = _messages(failure.errors)
    if not text:
        text = " ".join(failure.body.split())
        if len(text) > 200:
            text = text[:200] + "…"
    return f', saying: "{text}"' if text else ""


def _what(failure: Failure, host: str) -> str:
    if failure.kind == REFUSED:
        where = f", pointing to {failure.location}" if failure.location else ""
        return f"{host} responded with {phrase(failure.status)}{where}"
    if failure.error is not None:
        return f"its response was refused ({str(failure.error).rstrip('.')})"
    return failure.reason or "no response came"


def _advice(failure: Failure) -> str:
    status = failure.status or 0
    if failure.kind == UNSENT:
        return "Check the URL, your network, and whether a proxy is needed (HTTPS_PROXY). Nothing was sent."
    if failure.kind == BARRED:
        if failure.status == 407:
            return "The proxy wants a user and password: put them in HTTPS_PROXY (http://user:password@host:port)."
        if failure.status is not None:
            return "Nothing was sent. Let the proxy's administrator allow this URL."
        return (
            "Nothing was sent. Behind a company's inspecting proxy, name its CA file in SSL_CERT_FILE or "
            "REQUESTS_CA_BUNDLE."
        )
    if failure.kind == LOST:
        return "Try again later; if it keeps happening, request less at once."
    if failure.kind == SILENT:
        return "Request less at once, or connect with a larger timeout."
    if failure.kind == HUGE:
        return "Request less at once."
    if failure.kind == FOREIGN:
        return "The connection that it came on is closed; try again."
    if failure.retry_after and status in (429, 503):
        return f"The service wants clients to wait {failure.retry_after:.0f} s."
    if status == 429:
        return "Too many requests: wait a while, or run fewer programs at once."
    if status == 413:
        return "Request less at once."
    if status >= 500 or status == 408:
        return "The service, or a proxy before it, is overloaded or down: try again later, or request less."
    if status == 404:
        return "Check the URL: a GraphQL endpoint ends in /graphql."
    if failure.errors:
        return "Correct the query or its variables."
    return "Check the URL: this does not look like Moveshelf's GraphQL service."
