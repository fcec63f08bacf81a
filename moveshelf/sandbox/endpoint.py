"""The GraphQL endpoint over HTTP."""

from __future__ import annotations

import hmac
import json
import secrets
import time
from asyncio import Lock, sleep
from collections.abc import Callable
from typing import Any

from aiohttp import web
from graphql.language import OperationType

from .faults import Fault
from .log import Request
from .schema import MAX_NESTING, nesting
from .service import Service

dumps: Callable[[Any], bytes]
loads: Callable[[bytes], Any]
try:
    import orjson

    dumps, loads = orjson.dumps, orjson.loads
except ImportError:  # the extra `fast` is not installed

    def dumps(value: Any) -> bytes:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()

    loads = json.loads


class BadRequest(Exception):
    """A request that cannot be carried out: its text goes into the response, with status 400."""

    def __init__(self, *errors: dict[str, Any]) -> None:
        self.errors = list(errors)


def record_of(request: web.Request, kind: str) -> Request:
    return Request(
        kind=kind,
        method=request.method,
        path=request.path,
        authorization="authorization" in request.headers,
        headers={
            name.lower(): value for name, value in request.headers.items() if name.lower() != "authorization"
        },
    )


def error_response(status: int, *messages: str, headers: dict[str, str] | None = None) -> web.Response:
    body = dumps({"errors": [{"message": message} for message in messages]})
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)


async def cut(request: web.Request) -> web.StreamResponse:
    """Close the connection without a response."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def fault_response(fault: Fault) -> web.Response:
    """The response of a fault in place of the service's: a proxy's page, an error body, a redirect."""
    headers = {}
    if fault.retry_after is not None:
        headers["Retry-After"] = str(fault.retry_after)
    if fault.redirect is not None:
        headers["Location"] = fault.redirect
        return web.Response(status=fault.status or 307, headers=headers)
    status = fault.status or 502
    if fault.body is not None:
        body = fault.body if isinstance(fault.body, bytes) else fault.body.encode()
        return web.Response(status=status, body=body, headers=headers, content_type="text/plain")
    if status in (502, 504) or fault.max_objects is not None:
        page = f"<html><head><title>{status}</title></head><body>The upstream server did not respond.</body></html>"
        return web.Response(status=status, text=page, content_type="text/html", headers=headers)
    return error_response(status, f"The sandbox was told to respond with {status}.", headers=headers)


@web.middleware
async def ignore_disconnect(request: web.Request, handler: Any) -> web.StreamResponse:
    """A client that closes its connection within a request is no error of the server: nothing is logged."""
    try:
        response: web.StreamResponse = await handler(request)
    except ConnectionError:
        return await cut(request)
    return response


async def add_request_id(request: web.Request, response: web.StreamResponse) -> None:
    """Give every response an id of its own."""
    response.headers["X-Request-Id"] = secrets.token_hex(8)


class Endpoint:
    """`POST /graphql`."""

    def __init__(self, service: Service, api_key: str) -> None:
        self.service = service
        self.api_key = api_key
        self.turn = Lock()

    def authorised(self, request: web.Request) -> bool:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(
            token.strip().encode(errors="replace"), self.api_key.encode()
        )

    async def handle(self, request: web.Request) -> web.StreamResponse:
        started = time.perf_counter()
        record = record_of(request, "graphql")
        self.service.requests.add(record)
        try:
            response = await self._respond(request, record)
        finally:
            record.seconds = time.perf_counter() - started
        return response

    async def _respond(self, request: web.Request, record: Request) -> web.StreamResponse:
        service = self.service
        authorised = self.authorised(request)
        problem: BadRequest | None = None
        document = operation = None
        if authorised:  # the body of a request without the key is not read, parsed or recorded
            body = await request.read()
            record.bytes_in = len(body)
            try:
                document, operation = self._understand(body, record)
            except BadRequest as error:
                problem = error
        names = {record.operation or "", *record.fields}
        if operation is not None:
            names.add("mutation" if operation.operation is OperationType.MUTATION else "query")
        fault = service.faults.take(names, "graphql")
        if fault is not None:
            record.fault = _describe(fault)
            if fault.delay:
                await sleep(fault.delay)
            if fault.drop in (True, "before"):
                return await cut(request)
            if fault.status is not None or fault.redirect is not None or fault.body is not None:
                return self._send(request, record, fault_response(fault))
        if service.latency:  # half on the way here, half on the way back
            await sleep(service.latency / 2)
        if not authorised:
            return self._send(
                request, record, error_response(401, "The access token is missing or not valid.")
            )
        if problem is not None:
            body = dumps({"errors": problem.errors})
            return self._send(
                request, record, web.Response(status=400, body=body, content_type="application/json")
            )
        if fault is not None and fault.error is not None:
            errors = {"errors": [{"message": fault.error}], "data": None}
            return self._send(
                request, record, web.Response(body=dumps(errors), content_type="application/json")
            )
        assert document is not None
        assert operation is not None
        # one at a time, and requests that arrive meanwhile in between: no response waits for a burst of others
        async with self.turn:
            await sleep(0)
            service.fault = fault
            try:
                status, result, objects = service.execute(document, operation, record.variables)
            except RecursionError:  # values within the document; resolvers turn theirs into errors of a field
                status, objects = 400, 0
                result = {"errors": [{"message": "The document's values are nested too deep."}]}
            finally:
                service.fault = None
            record.objects = objects
            body = dumps(result)
        pause = service.latency / 2 + service.per_object * objects
        if pause:
            await sleep(pause)
        limit = service.faults.limit(names, "graphql", objects)
        if limit is not None:
            record.fault = _describe(limit)
            return self._send(request, record, fault_response(limit))
        if fault is not None and fault.drop == "after":
            return await cut(request)
        response = web.Response(status=status, body=body, content_type="application/json")
        if fault is not None and fault.truncate is not None:
            return await self._truncated(request, record, response, fault.truncate)
        return self._send(request, record, response)

    def _understand(self, body: bytes, record: Request) -> Any:
        try:
            payload = loads(body)
        except (ValueError, RecursionError):
            raise BadRequest({"message": "The body is not JSON, or nested too deep."}) from None
        if not isinstance(payload, dict) or not isinstance(payload.get("query"), str):
            raise BadRequest({"message": "The body must be an object with a query."})
        variables = payload.get("variables") or {}
        if not isinstance(variables, dict):
            raise BadRequest({"message": "The variables must be an object."})
        if (levels := nesting(variables)) > MAX_NESTING:
            message = (
                f"The variables are nested too deep: {levels} levels, and at most {MAX_NESTING} are read."
            )
            raise BadRequest({"message": message})
        record.query, record.variables = payload["query"], variables
        name = payload.get("operationName")
        record.operation = name
        document = self.service.documents.get(payload["query"])
        if document.errors:
            raise BadRequest(*(dict(error.formatted) for error in document.errors))
        operation = document.operation(name)
        if operation is None:
            raise BadRequest({"message": f"The document has no single operation to carry out ({name!r})."})
        record.operation = operation.name.value if operation.name else name
        record.fields = tuple(sorted(document.root_fields(operation)))
        return document, operation

    def _send(self, request: web.Request, record: Request, response: web.Response) -> web.Response:
        record.status = response.status
        record.bytes_out = len(response.body) if isinstance(response.body, bytes) else 0
        return response

    async def _truncated(
        self, request: web.Request, record: Request, whole: web.Response, at: int | float
    ) -> web.StreamResponse:
        """Announce the whole response, send its beginning, and close."""
        body = whole.body if isinstance(whole.body, bytes) else b""
        response = web.StreamResponse(status=whole.status)
        response.content_type = "application/json"
        response.content_length = len(body)
        record.status = whole.status
        await response.prepare(request)
        part = body[: share(at, len(body))]
        record.bytes_out = len(part)
        await response.write(part)
        if request.transport is not None:
            request.transport.close()
        return response


def share(at: int | float, size: int) -> int:
    """Where to cut: a float is a share of the whole, an int a number of bytes. Never the whole."""
    return max(0, min(size - 1, int(size * at) if isinstance(at, float) else at))


def _describe(fault: Fault) -> str:
    parts = ("status", "drop", "truncate", "max_objects", "error", "corrupt", "late_failure", "expire")
    named = [part for part in (*parts, "fail_job", "redirect", "delay") if getattr(fault, part)]
    return ", ".join(f"{part}={getattr(fault, part)!r}" for part in named) or "body"
