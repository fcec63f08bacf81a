"""The I/O thread's side of a client: its HTTP sessions, and one request from the first attempt to the last.

Imports gql and aiohttp, so nothing imports it before the first request.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Awaitable, Callable
from functools import cache
from time import perf_counter
from typing import Any

import aiohttp
import attrs
from gql.transport.common.aiohttp_closed_event import create_aiohttp_closed_event
from gql.transport.exceptions import TransportConnectionFailed
from multidict import CIMultiDict
from yarl import URL

from moveshelf import __version__
from moveshelf.errors import DetachedError
from moveshelf.wire.failures import error_of
from moveshelf.wire.meter import Meter
from moveshelf.wire.network import Blobs, Proxies, http_session, session_options, tls_context
from moveshelf.wire.response import Request, Response
from moveshelf.wire.retry import BARRED, REFUSED, UNSENT, Failure, RetryPolicy, speaks_of_size
from moveshelf.wire.thread import Future, IOThread
from moveshelf.wire.transport import (
    CONNECT,
    Document,
    Refused,
    Result,
    Transport,
    current,
    failure_of,
    refuse,
)

logger = logging.getLogger("moveshelf")

_DEEPEST = 30
"""Levels of a service's error that are kept: what lies below is replaced by a text."""


class Channel:
    """The sessions of one client on one I/O thread. Lives on that thread, except where said."""

    def __init__(
        self,
        io: IOThread,
        url: str,
        token: str,
        *,
        timeout: float,
        concurrency: int,
        retry: RetryPolicy,
        meter: Meter,
    ) -> None:
        self.io = io
        self.url = URL(url)
        self.host = self.url.host or url
        self.token = token
        self.timeout = timeout
        self.retry = retry
        self.meter = meter
        self.slots = asyncio.Semaphore(concurrency)
        self.closed = False
        self.dropped = False  # the client is no longer referenced: close after the last response
        self.tasks: dict[asyncio.Task[None], Future[Any]] = {}
        self.proxies = Proxies()
        self.transport: Transport | None = None
        self.blobs: Blobs | None = None
        self.extra: dict[str, Any] = {}
        io.channels.add(self)

    # -- sessions

    async def _connect(self) -> Transport:
        transport = Transport(
            self.url,  # type: ignore[arg-type]  # parsed once
            headers={
                "Content-Type": "application/json",
                "Accept": "application/json",
                "Accept-Encoding": "gzip, deflate",
                "User-Agent": user_agent(),
            },
            ssl=tls_context() if self.url.scheme == "https" else True,
            client_session_args={
                **session_options(self.io.loop, self._timeouts()),
                "raise_for_status": refuse,
            },
        )
        self.extra = {
            "allow_redirects": False,
            # with the request, not among the session's own headers: those aiohttp sends to a proxy as well
            "headers": CIMultiDict({"Authorization": f"Bearer {self.token}"}),
            **self.proxies.for_url(self.url),
        }
        await transport.connect()  # suspends nowhere, so that no second request gets here meanwhile
        self.transport = transport
        self.io.closers.add(self.close)
        return transport

    def _timeouts(self) -> aiohttp.ClientTimeout:
        connect = min(self.timeout, CONNECT)
        return aiohttp.ClientTimeout(
            total=None, connect=connect, sock_connect=connect, sock_read=self.timeout
        )

    async def blob_session(self) -> Blobs:
        if self.closed:
            raise closed_error()
        if self.blobs is None:
            self.blobs = Blobs(
                self._store_session(),
                self.proxies,
                lambda: self._store_session(force_close=True),
                str(self.url),
            )
            self.io.closers.add(self.close)
        return self.blobs

    def _store_session(self, *, force_close: bool = False) -> aiohttp.ClientSession:
        headers = {"Accept-Encoding": "identity", "User-Agent": user_agent()}
        return http_session(self.io.loop, self._timeouts(), headers, force_close=force_close)

    def _sessions(self) -> list[aiohttp.ClientSession]:
        found = [self.transport.session] if self.transport is not None else []
        stores = self.blobs.sessions if self.blobs is not None else []
        return [*(session for session in found if session is not None), *stores]

    async def close(self) -> None:
        """Drop everything: requests in flight, then the connections."""
        if self.closed:
            return
        self.closed = True
        self.io.closers.discard(self.close)
        tasks = [task for task in self.tasks if task is not asyncio.current_task()]
        for task in tasks:
            self.tasks[task]._cancelled(closed_error())
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1)
        closed = []
        for session in self._sessions():  # all of them before the first wait, in which the program may end
            closed.append(create_aiohttp_closed_event(session))
            await session.close()
        for event in closed:
            # TLS ends with a message to and fro; gql's own close waits ten seconds for the other side's
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(event.wait(), 0.5)
        await asyncio.sleep(0)  # the loop closes the sockets in its next round

    def abandon(self) -> None:
        """In a forked child, whose parent uses these sockets: forget them without touching them."""
        self.closed = True
        for session in self._sessions():
            connector = session.connector
            if connector is not None:
                session.detach()
                connector._closed = True  # so that collecting it closes nothing
        _abandoned.append(self)

    # -- work

    def start(
        self, future: Future[Any], function: Callable[..., Awaitable[Any]], args: tuple[Any, ...]
    ) -> None:
        """Begin `function(*args)` as this client's: closing the client cancels it."""
        if self.closed:
            future._cancelled(closed_error())
            return
        task = self.io.start(future, function, args, self._ended)
        self.tasks[task] = future

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.tasks.pop(task, None)
        if self.dropped:
            self.drop()

    def drop(self) -> None:
        """The client is no longer referenced: close as soon as the last request in flight has its response."""
        self.dropped = True
        if not self.tasks and not self.closed:
            task = self.io.loop.create_task(self.close())
            self.io.closing_tasks.add(task)
            task.add_done_callback(self.io.closing_tasks.discard)

    async def send(self, request: Request) -> Response:
        """The response to a request, after as many attempts as the policy allows."""
        attempt = 1
        while True:
            async with self.slots:
                outcome = await self._attempt(request)
            if isinstance(outcome, Response):
                return outcome
            if request.halve and outcome.smaller_helps:
                break
            pause = self.retry.pause(outcome, attempt, mutation=request.mutation) if request.retry else None
            if pause is None:
                break
            logger.debug("%s: again in %.1f s (%s)", request.operation, pause, outcome.status or outcome.kind)
            attempt += 1
            self.meter.retry()
            await asyncio.sleep(pause)
        self.meter.error()
        raise error_of(
            outcome,
            request.operation,
            self.host,
            mutation=request.mutation,
            halve=request.halve,
            attempts=attempt,
        )

    async def _attempt(self, request: Request) -> Response | Failure:
        failure: Failure
        size = 0
        start = perf_counter()
        current.set(request)
        try:
            transport = self.transport or await self._connect()
            result = await transport.execute(Document(request.body), extra_args=self.extra)
        except Refused as error:
            failure, size = error.failure, error.size
        except TransportConnectionFailed as error:
            failure = failure_of(error.__cause__ or error, self.host, self.timeout)
        else:
            assert isinstance(result, Result)
            seconds = perf_counter() - start
            errors: Any = self._clean(result.errors) if result.errors else []
            self.meter.exchange(len(request.body), result.size, seconds)
            if logger.isEnabledFor(logging.DEBUG):
                logger.debug(
                    "%s: %d, %.0f ms, %d bytes",
                    request.operation,
                    result.status,
                    seconds * 1000,
                    result.size,
                )
            if request.halve and errors and result.data is None and speaks_of_size(errors):
                return Failure(REFUSED, status=result.status, request_id=result.request_id, errors=errors)
            return Response(result.data, errors, result.request_id, result.size, result.status)
        seconds = perf_counter() - start
        sent = len(request.body) if failure.kind not in (UNSENT, BARRED) else 0
        self.meter.exchange(sent, size, seconds)
        logger.debug("%s: %s, %.0f ms", request.operation, failure.status or failure.kind, seconds * 1000)
        return attrs.evolve(failure, **{name: self._clean(getattr(failure, name)) for name in _TEXTS})

    def _clean(self, value: Any, depth: int = 0) -> Any:
        """`value` without the token, which stays here even where the service repeats it."""
        if isinstance(value, str):
            return value.replace(self.token, "<key>") if len(self.token) >= 8 else value
        if depth > _DEEPEST and isinstance(value, (list, dict)):
            return "(nested too deeply to be kept)"
        if isinstance(value, list):
            return [self._clean(item, depth + 1) for item in value]
        if isinstance(value, dict):
            return {self._clean(key): self._clean(item, depth + 1) for key, item in value.items()}
        return value


_TEXTS = ("reason", "body", "request_id", "location", "errors", "data")
"""The fields of a Failure that hold words of the service's."""
_abandoned: list[Channel] = []


@cache
def user_agent() -> str:
    """`moveshelf/0.1.0 Python/3.12.1`, so that the service's owners can tell clients apart."""
    return f"moveshelf/{__version__} Python/{sys.version.split()[0]}"


def closed_error() -> DetachedError:
    return DetachedError("the client is closed: connect again to send requests")
