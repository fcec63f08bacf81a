"""`POST /_sandbox`: what `Sandbox`'s methods do, for another process.

The body is `{"do": <action>, ...arguments}`, authorised by the sandbox's key; the response is `{"result": ...}`.
Actions: generate, add_project, latency, url_lifetime, settle_after, fail, clear_faults, requests (the records),
count (their number and sums), clear_requests.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from .endpoint import Endpoint, dumps, error_response, loads
from .generate import generate
from .service import Service


class Control:
    def __init__(self, service: Service, endpoint: Endpoint) -> None:
        self.service = service
        self.endpoint = endpoint

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if not self.endpoint.authorised(request):
            return error_response(401, "The access token is missing or not valid.")
        try:
            body = loads(await request.read())
            action = body.pop("do")
            result = getattr(self, f"do_{action}")(**body)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            return error_response(400, f"{type(error).__name__}: {error}")
        return web.Response(body=dumps({"result": result}), content_type="application/json")

    def do_generate(self, **arguments: Any) -> str:
        return generate(self.service, **arguments)

    def do_add_project(self, name: str, **arguments: Any) -> str:
        return str(self.service.add_project(name, **arguments).id)

    def do_latency(self, seconds: float, per_object: float = 0.0) -> None:
        self.service.latency, self.service.per_object = seconds, per_object

    def do_url_lifetime(self, seconds: float) -> None:
        self.service.blobs.lifetime = seconds

    def do_settle_after(self, looks: int) -> None:
        self.service.settle_after = looks

    def do_fail(self, **fault: Any) -> None:
        self.service.faults.add(**fault)

    def do_clear_faults(self) -> None:
        self.service.faults.clear()

    def do_requests(self) -> list[dict[str, Any]]:
        return [record.as_dict() for record in self.service.requests.snapshot()]

    def do_count(self) -> dict[str, Any]:
        records = self.service.requests.snapshot()
        return {
            "requests": len(records),
            "graphql": sum(record.kind == "graphql" for record in records),
            "blobs": sum(record.kind == "blob" for record in records),
            "objects": sum(record.objects for record in records),
            "bytes_in": sum(record.bytes_in for record in records),
            "bytes_out": sum(record.bytes_out for record in records),
            "seconds": sum(record.seconds for record in records),
        }

    def do_clear_requests(self) -> None:
        self.service.requests.clear()
