"""The object store over HTTP: signed PUT, GET and HEAD, with ranges and checksums as Google's store has them."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import os
import re
import time
from asyncio import sleep
from email.utils import formatdate
from pathlib import Path
from typing import Any

import google_crc32c
from aiohttp import web

from .blobs import CHUNK, MD5_INLINE, crc_text
from .endpoint import _describe, cut, fault_response, record_of, share
from .faults import Fault
from .log import Request
from .rows import Stored
from .service import Service

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class ObjectStore:
    """`/store/<id>/<name>`."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.turn = asyncio.Lock()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        started = time.perf_counter()
        record = record_of(request, "blob")
        record.operation = request.method
        self.service.requests.add(record)
        try:
            response = await self._respond(request, record)
            if record.fault is None or "drop" not in record.fault:
                record.status = response.status
            return response
        except web.HTTPException as refused:
            record.status = refused.status
            raise
        finally:
            record.seconds = time.perf_counter() - started

    async def _respond(self, request: web.Request, record: Request) -> web.StreamResponse:
        service = self.service
        fault = service.faults.take({request.method, "blob"}, "blob")
        if fault is not None:
            record.fault = _describe(fault)
            if fault.delay:
                await sleep(fault.delay)
            if fault.drop in (True, "before"):
                return await cut(request)
            if fault.status is not None or fault.redirect is not None or fault.body is not None:
                return fault_response(fault)
        if service.latency:
            await sleep(service.latency)
        # as in endpoint.py: one at a time, and requests that arrive meanwhile in between
        async with self.turn:
            await sleep(0)
        key, name = request.match_info["key"], request.match_info.get("name")
        action = "write" if request.method == "PUT" else "read"
        refusal = service.blobs.refusal(f"{key}/{name}" if name else key, request.query, action)
        if fault is not None and fault.expire:
            refusal = "ExpiredToken"
        if refusal is not None:
            return xml(403, refusal)
        row = service.store.rows.get(key)
        if row is None or not isinstance(row, Stored):
            return xml(404, "NoSuchKey")
        if request.method == "PUT":
            return await self._put(request, record, row, fault)
        return await self._get(request, record, row, fault)

    # --- up

    async def _put(
        self, request: web.Request, record: Request, row: Any, fault: Fault | None
    ) -> web.StreamResponse:
        blobs = self.service.blobs
        temporary = blobs.temporary()
        announced = request.content_length
        stop = None
        if fault is not None and fault.truncate is not None:
            stop = share(fault.truncate, announced or 1 << 62)
        crc, size = 0, 0
        spoil = fault is not None and fault.corrupt
        md5 = hashlib.md5() if (announced or 0) <= MD5_INLINE else None
        try:
            with open(temporary, "wb") as file:
                if (announced or 0) > CHUNK and hasattr(os, "posix_fallocate"):
                    # a file that grows block by block is written several times slower
                    with contextlib.suppress(OSError):
                        os.posix_fallocate(file.fileno(), 0, announced or 0)
                async for chunk in request.content.iter_any():
                    if spoil:
                        chunk, spoil = _flip(chunk), False
                    file.write(chunk)
                    crc = google_crc32c.extend(crc, chunk)
                    size += len(chunk)
                    record.bytes_in = size
                    if md5 is not None:
                        md5.update(chunk)
                        if size > MD5_INLINE:
                            md5 = None
                    if stop is not None and size >= stop:
                        return await cut(request)
            if announced is not None and size != announced:
                return xml(400, "IncompleteBody", f"{size} bytes came, {announced} were announced.")
            found = crc_text(crc)
            if row.id not in self.service.store.rows:
                return xml(404, "NoSuchKey")
            if row.crc32c is not None and row.crc32c != found:
                return xml(
                    400, "BadDigest", f"The CRC-32C of the bytes is {found}, announced was {row.crc32c}."
                )
            with self.service.store.write():
                blobs.keep(row, temporary, size, found, md5.digest() if md5 is not None else None)
                self.service.arrived(row, fails=fault is not None and fault.late_failure)
        finally:
            temporary.unlink(missing_ok=True)
        if fault is not None and fault.drop == "after":
            return await cut(request)
        headers = {"ETag": etag(row), "X-Goog-Hash": goog_hash(row)}
        return web.Response(status=200, headers=headers)

    # --- down

    async def _get(
        self, request: web.Request, record: Request, row: Any, fault: Fault | None
    ) -> web.StreamResponse:
        if row.stored is None:
            return xml(404, "NoSuchKey")
        path = self.service.blobs.ready(row)
        if row.md5 is None and request.method == "HEAD":  # a HEAD request waits for it
            md5 = await asyncio.to_thread(self.service.blobs.compute_md5, row)
            self.service.store.change(row, md5=md5)
        size, tag = row.size, etag(row)
        headers = {
            "ETag": tag,
            "Accept-Ranges": "bytes",
            "X-Goog-Hash": goog_hash(row),
            "X-Goog-Generation": str(row.generation),
            "Last-Modified": formatdate(path.stat().st_mtime, usegmt=True),
            "Content-Type": "application/octet-stream",
        }
        wanted = request.headers.get("Range")
        condition = request.headers.get("If-Range")
        if condition is not None and condition not in (tag, headers["Last-Modified"]):
            wanted = None
        span = parse_range(wanted, size) if wanted else None
        if span == "unsatisfiable":
            return xml(416, "InvalidRange", headers={"Content-Range": f"bytes */{size}"})
        start, stop = span if isinstance(span, tuple) else (0, size)
        status = 206 if isinstance(span, tuple) else 200
        if status == 206:
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        if request.method == "HEAD":
            headers["Content-Length"] = str(stop - start)
            return web.Response(status=status, headers=headers)
        if stop - start <= CHUNK and (fault is None or (fault.truncate is None and not fault.drop)):
            data = _read(path, start, stop)
            if fault is not None and fault.corrupt:
                data = _flip(data)
            record.bytes_out = len(data)
            return web.Response(status=status, headers=headers, body=data)
        return await self._stream(request, record, path, headers, status, (start, stop), fault)

    async def _stream(
        self,
        request: web.Request,
        record: Request,
        path: Path,
        headers: dict[str, str],
        status: int,
        span: tuple[int, int],
        fault: Fault | None,
    ) -> web.StreamResponse:
        start, stop = span
        response = web.StreamResponse(status=status, headers=headers)
        response.content_length = stop - start
        record.status = status
        limit = None
        if fault is not None and fault.truncate is not None:
            limit = share(fault.truncate, stop - start)
        elif fault is not None and fault.drop == "after":
            limit = 0
        with open(path, "rb") as file:
            await response.prepare(request)
            file.seek(start)
            left = stop - start if limit is None else limit
            spoil = fault is not None and fault.corrupt
            while left > 0:
                data = file.read(min(CHUNK, left))
                if not data:
                    break
                left -= len(data)
                if spoil:
                    data, spoil = _flip(data), False
                await response.write(data)
                record.bytes_out += len(data)
        if limit is not None:
            if request.transport is not None:
                request.transport.close()
            return response
        await response.write_eof()
        return response


def parse_range(text: str, size: int) -> tuple[int, int] | str | None:
    """The half-open span of a Range header; "unsatisfiable"; None for one that is to be ignored."""
    match = _RANGE.fullmatch(text.strip())
    if match is None or match.groups() == ("", ""):
        return None  # several ranges, another unit: the whole is a valid response
    first, last = match.groups()
    if not first:
        count = min(int(last), size)
        return (size - count, size) if count else "unsatisfiable"
    if last and int(last) < int(first):
        return None
    if int(first) >= size:
        return "unsatisfiable"
    return int(first), min(int(last) + 1, size) if last else size


def etag(row: Any) -> str:
    return f'"{row.id[-8:]}-{row.generation}-{base64.b64decode(row.actual_crc32c).hex()}"'


def goog_hash(row: Any) -> str:
    """Both checksums in one header. The MD5 of a large file is known after its first HEAD request."""
    return f"crc32c={row.actual_crc32c}" + (f",md5={row.md5}" if row.md5 else "")


def xml(status: int, code: str, details: str = "", headers: dict[str, str] | None = None) -> web.Response:
    """An error as the store writes it."""
    text = f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Details>{details}</Details></Error>"
    return web.Response(status=status, text=text, content_type="application/xml", headers=headers)


def _read(path: Path, start: int, stop: int) -> bytes:
    with open(path, "rb") as file:
        file.seek(start)
        return file.read(stop - start)


def _flip(data: bytes) -> bytes:
    at = len(data) // 2
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :] if data else data
