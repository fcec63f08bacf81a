"""The wire as the rest of the library sees it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import weakref
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from moveshelf import _importing
from moveshelf.config import Secret, check_url
from moveshelf.errors import ConfigError, DetachedError, ValidationError
from moveshelf.wire import aio, thread
from moveshelf.wire.codec import encode
from moveshelf.wire.document import describe, requested_nodes, response_names
from moveshelf.wire.failures import belongs, query_error
from moveshelf.wire.meter import Budget, Meter, Stats
from moveshelf.wire.response import Check, Request, Response
from moveshelf.wire.retry import RetryPolicy
from moveshelf.wire.thread import Future, IOThread

if TYPE_CHECKING:
    from moveshelf.wire.channel import Channel
    from moveshelf.wire.network import Blobs

T = TypeVar("T")


class Wire:
    """GraphQL to one URL with one key, from any thread.

    Making one sends nothing and starts nothing. Dropping the last reference closes its connections, without
    a wait.
    """

    def __init__(
        self,
        url: str,
        token: str | Secret,
        *,
        timeout: float = 120.0,
        concurrency: int = 8,
        retry: RetryPolicy | None = None,
    ) -> None:
        """`timeout`: seconds without a sign of life; `concurrency`: requests in flight at once.

        Raises ConfigError for a URL or key that cannot be used.
        """
        try:
            secret = token if isinstance(token, Secret) else Secret(token)
        finally:
            del token  # errors keep this frame
        self.url = check_url(url)
        self.host = urlsplit(self.url).hostname or ""
        if not timeout > 0:
            raise ConfigError(f"timeout must be more than 0 seconds, not {timeout!r}")
        if concurrency < 1:
            raise ConfigError(f"concurrency must be at least 1, not {concurrency!r}")
        self._secret = secret
        self.timeout = float(timeout)
        self.concurrency = int(concurrency)
        self.retry = retry or RetryPolicy()
        self._meter = Meter()
        self._closed = False
        self._channels: list[Channel] = []  # none or one; apart, so that the finalizer can see it without us
        self._finalizer = weakref.finalize(self, _drop, self._channels)
        self._finalizer.atexit = False  # the I/O thread closes everything when the program ends

    def __repr__(self) -> str:
        if not hasattr(self, "_closed"):
            return "<Wire, not connected>"  # in the trace of an error of its constructor
        return f"<Wire to {self.url}{', closed' if self._closed else ''}>"

    def __reduce__(self) -> Any:
        raise TypeError("a connection cannot be pickled or copied: it holds a key and sockets")

    # -- requests

    def submit(
        self,
        query: str,
        variables: Mapping[str, Any] | None = None,
        *,
        operation: str | None = None,
        retry: bool = True,
        halve: bool = False,
        check: Check | None = None,
    ) -> Future[Response]:
        """Send a document; returns at once, from any thread.

        The Future's result is a Response, whose `errors` are not raised. It raises RequestError (or what
        derives from it) when no response came or the status is not a success. `halve`: the caller can request
        less at once and wants TooLargeError where that may help, without further attempts. `operation`
        names the operation of a document that has several, and in messages.

        `check(data)` is called on the I/O thread before a response with data is accepted, and raises
        RequestError where it does not belong to this request: then the connection it came on is closed, a
        query is sent once more on another one, and after that the error is the Future's. The error of a
        mutation is an OutcomeUnknownError that quotes it: the mutation may have been carried out. Whatever
        else `check` raises becomes a RequestError that names its type.

        Raises BudgetError before anything is sent, ValidationError for variables that JSON has no form for,
        DetachedError after `close()`.
        """
        described = describe(query, operation)
        name = operation or described.name
        payload: dict[str, Any] = {"query": query, "variables": variables if variables is not None else {}}
        if described.several and operation is not None:
            payload["operationName"] = operation
        try:
            body = encode(payload)
        except (TypeError, ValueError) as error:
            text = str(error)
            problem = ValidationError(f"the variables of {name!r} cannot be sent as JSON: {text}", [text])
        else:
            channel = self._open()
            self._meter.charge(name)
            future: Future[Response] = Future(channel.io)
            request = Request(body, name, described.mutation, retry, halve, check)
            channel.io.loop.call_soon_threadsafe(channel.start, future, channel.send, (request,))
            return future
        raise problem

    def execute(
        self, query: str, variables: Mapping[str, Any] | None = None, *, operation: str | None = None
    ) -> dict[str, Any]:
        """Send a document, wait, and return its `data`.

        The operation's own top-level names must be in it, and an object that is requested by `node(id: ...)` must have
        that id where the query selects `id`: otherwise the response belongs to another request, and is refused. A query
        that selects no `id` cannot be told from another one of the same names: select it.

        Raises QueryError for any GraphQL error (what came beside it is in its `data`),
        AuthenticationError where the key is refused, OutcomeUnknownError where a mutation may or may not have
        been carried out, and RequestError for other failures.
        """
        data = self.exchange(query, variables, operation=operation).data
        return data if data is not None else {}

    def exchange(
        self,
        query: str,
        variables: Mapping[str, Any] | None = None,
        *,
        operation: str | None = None,
    ) -> Response:
        """Like `execute`, and returns the whole response."""
        self.refuse_to_block(
            "execute() waits for a response, and that", "await ms.aexecute(query, variables)"
        )
        name, future = self._sent(query, variables, operation)
        return _without_errors(name, future.result())

    async def aexecute(
        self, query: str, variables: Mapping[str, Any] | None = None, *, operation: str | None = None
    ) -> dict[str, Any]:
        """`execute` for coroutines of any event loop, which it does not block. Cancelling it cancels the request."""
        await self.prepare()
        name, future = self._sent(query, variables, operation)
        data = _without_errors(name, await thread.result_of(future)).data
        return data if data is not None else {}

    def _sent(
        self, query: str, variables: Mapping[str, Any] | None, operation: str | None
    ) -> tuple[str, Future[Response]]:
        """A document of somebody's own, sent; the operation's name for messages, and what will come."""
        described = describe(query, operation)
        name = operation or described.name
        names = response_names(query, operation if described.several else None)
        given = variables if variables is not None else {}
        wanted: dict[str, str] = {}
        for alias, variable, literal in requested_nodes(query):
            identity = given.get(variable) if variable else literal
            if isinstance(identity, str):
                wanted[alias] = identity
        check = partial(belongs, name, names, wanted)
        return name, self.submit(query, variables, operation=operation, check=check)

    # -- event loops of the caller's

    async def prepare(self) -> None:
        """Import what the first request needs, on a worker thread: it takes longer than an event loop may be blocked."""
        if not self._channels and not self._closed:
            await aio.call(self._open)

    def guard(self) -> aio.Guard:
        """A context in which waiting for this client in a thread that runs an event loop raises NotLoadedError."""
        return aio.Guard(self)

    def refuse_to_block(self, what: str, instead: str) -> None:
        """Raise NotLoadedError where such a context is in force; called before something is sent and waited for."""
        aio.refuse_to_block(self, what, instead)

    # -- counting

    @property
    def stats(self) -> Stats:
        """What was sent so far: a snapshot. `stats.reset()` starts the counting anew."""
        return self._meter.snapshot()

    def budget(self, requests: int) -> Budget:
        """A context in which one request more than `requests`, from any thread, raises BudgetError."""
        return Budget(self._meter, requests)

    def no_fetch(self) -> Budget:
        """A context in which any request of this client raises BudgetError."""
        return Budget(self._meter, 0)

    def room(self) -> int | None:
        """How many requests the budgets in force still allow; None: no budget. For prefetching."""
        return self._meter.room()

    # -- other work on the I/O thread

    def run(self, function: Callable[..., Awaitable[T]], *args: Any) -> Future[T]:
        """Run the coroutine `function(*args)` on the I/O thread; returns at once.

        An interrupt (Ctrl-C) of the thread that waits for its result cancels it, and so does closing the client.
        """
        channel = self._open()
        future: Future[T] = Future(channel.io, cancel_on_interrupt=True)
        channel.io.loop.call_soon_threadsafe(channel.start, future, function, args)
        return future

    async def blob_session(self) -> Blobs:
        """For coroutines of `run`: HTTP to signed URLs, without the key. Closed with the client."""
        return await self._open().blob_session()

    # -- the end

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Drop connections and requests in flight; later ones raise DetachedError. Harmless twice."""
        for io, closing in self._closing():
            if threading.get_ident() != io.thread.ident:
                with contextlib.suppress(TimeoutError):  # then it ends in the background
                    closing.exception(thread.CLOSING_SECONDS)

    async def aclose(self) -> None:
        """`close` for coroutines of any event loop, which it does not block."""
        for _, closing in self._closing():
            with contextlib.suppress(asyncio.TimeoutError):  # then it ends in the background
                await asyncio.wait_for(thread.told(closing.add_done_callback), thread.CLOSING_SECONDS)

    def _closing(self) -> Iterator[tuple[IOThread, Future[None]]]:
        with thread.lock:
            self._closed = True
            self._finalizer.detach()
            channels, self._channels[:] = self._channels[:], []
        for channel in channels:
            if channel.io.usable():
                closing: Future[None] = Future(channel.io)
                channel.io.spawn(closing, channel.close)
                yield channel.io, closing

    def _open(self) -> Channel:
        """The channel on this process's I/O thread: made anew where a fork has left the old one behind."""
        if self._closed:
            raise DetachedError("the client is closed: connect again to send requests")
        io = thread.io_thread()
        try:
            channel = self._channels[0]
            if channel.io is io:
                return channel
        except IndexError:
            pass
        return self._new_channel(io)

    def _new_channel(self, io: IOThread) -> Channel:
        with thread.import_lock, _importing():
            from moveshelf.wire.channel import Channel  # gql and aiohttp come with the first request

        with thread.lock:
            if self._closed:  # by another thread, just now
                raise DetachedError("the client is closed: connect again to send requests")
            if not self._channels or self._channels[0].io is not io:
                self._channels[:] = [
                    Channel(
                        io,
                        self.url,
                        self._secret.reveal(),
                        timeout=self.timeout,
                        concurrency=self.concurrency,
                        retry=self.retry,
                        meter=self._meter,
                    )
                ]
            return self._channels[0]


def _without_errors(name: str, response: Response) -> Response:
    if response.errors:
        raise query_error(response.errors, response.data, name, response.request_id)
    return response


def _drop(channels: list[Channel]) -> None:
    """The client is no longer referenced: close its connections. Waits for nothing; this may be any thread."""
    for channel in channels:
        if channel.io.usable():
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                channel.io.loop.call_soon_threadsafe(channel.drop)
