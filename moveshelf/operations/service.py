"""The one door to the service: queries and commands of every caller go through here.

It sends queries (queries.py) and commands (commands.py), checks each response before anything believes it
(responses.py), and returns it. The loader populates objects from what passed the check; the flat client shapes its
results from it.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ..errors import MoveshelfError, NotFoundError, OutcomeUnknownError, QueryError, RequestError, fresh
from ..lazy.cache import Cache
from ..lazy.entity import Entity
from ..lazy.registry import BY_WIRE, ENTITIES
from ..lazy.selection import Selection
from ..wire import Response, TooLargeError, aio, collector_paused
from ..wire.thread import result_of
from . import queries
from .commands import Command, Touched, Values
from .queries import Query
from .responses import InvalidResponseError, errors_by_alias, no_such, query_error

if TYPE_CHECKING:
    from ..wire import Wire
    from . import recovery
    from .content_cache import ContentCache
    from .read_ahead import ReadAhead

#: How many commands of one kind one request carries.
COMMANDS_A_REQUEST = 50
#: How often a command is sent in all, where it was certainly not carried out.
COMMAND_ATTEMPTS = 3
#: How many objects a query of single values names.
OBJECTS_A_REQUEST = 100
#: How many records the validator is sent in one request: its responses are short.
RECORDS_A_REQUEST = 200

T = TypeVar("T")
R = TypeVar("R")
Nodes = Mapping[str, Mapping[str, Any] | BaseException]
#: What a caller gets for one of many commands: its payload, or why there is none.
Outcome = Mapping[str, Any] | Exception


class Pending(Protocol):
    """A request in flight, or one that has completed: what the service needs of a future."""

    def result(self, timeout: float | None = None) -> Response:
        """The response; waits for it. Raises what kept it from coming."""
        ...

    def add_done_callback(self, function: Callable[[Any], object]) -> None:
        """Have the function called when the response has come; at once, if it has."""
        ...

    def cancel(self) -> bool:
        """Stop the request, if it is in flight; whether it was."""
        ...


class Sender(Protocol):
    """What carries a request's text to the service: a Wire, or a flat client's own methods.

    A sender whose attribute `replaced` is true returns results from a script's own code, and only when the response has come.
    """

    def submit(
        self,
        query: str,
        variables: Mapping[str, Any] | None = None,
        *,
        operation: str | None = None,
        halve: bool = False,
        check: Callable[..., object] | None = None,
    ) -> Pending:
        """Send it; returns at once with what will come, or (where `replaced`) with what came.

        `check(data)` is called before a response is accepted, and raises where it is not the one to this request. A
        replaced sender does not call it.
        """
        ...


class Service:
    """The service as one client sees it.

    Holds the way to send and the cache; no object and no engine, so that a forgotten client is freed at once.
    """

    def __init__(self, wire: Wire, cache: Cache, sender: Sender | None = None) -> None:
        """`sender` carries the requests in place of the wire; bytes go over the wire all the same."""
        self.wire = wire
        self.cache = cache
        self.sender: Sender = wire if sender is None else sender
        #: whether the key was handed over in the program: no other process finds it by itself
        self.key_is_argument = False
        #: when it was made (seconds since 1970): nothing in the cache is older
        self.began = time.time()
        #: contents of files kept on the disk; None where that is off
        self.contents: ContentCache | None = None
        #: makes what fetches contents ahead of loops; None where that is off
        self.make_ahead: Callable[[], ReadAhead] | None = None
        self._ahead: list[ReadAhead] = []

    @property
    def ahead(self) -> ReadAhead | None:
        """Contents that are fetched ahead of loops; None where that is off. Made when a content is first read."""
        if self.make_ahead is not None and not self._ahead:
            self._ahead.append(self.make_ahead())
        # of two threads that came here at once, the first one's
        return self._ahead[0] if self._ahead else None

    def drop_ahead(self) -> None:
        """Drop the contents that were fetched ahead, and stop those on their way."""
        for ahead in self._ahead:
            ahead.close(self)

    @property
    def is_replaced(self) -> bool:
        """Whether a script's own code responds: flat results are what it gives, and it waits on the calling thread."""
        return bool(getattr(self.sender, "replaced", False))

    @property
    def url(self) -> str:
        """The address of the GraphQL endpoint."""
        return self.wire.url

    def room(self) -> int | None:
        """How many requests the budgets in force still allow; None without a budget."""
        return self.wire.room()

    # event loops of the caller's ---------------------------------------------------------------------------------
    async def prepare(self) -> bool:
        """Make ready for requests from an event loop's thread; whether sending waits for nothing there."""
        if self.is_replaced:
            return False
        await self.wire.prepare()
        return True

    def would_block(self) -> bool:
        """Whether waiting in this thread would block an event loop, inside `async with ms.aio():`."""
        return aio.would_block(self.wire)

    def refuse_to_block(self, what: str, instead: str) -> None:
        """Raise NotLoadedError, before anything is sent, inside `async with ms.aio():` in a thread with a running loop."""
        self.wire.refuse_to_block(what, instead)

    def _refuse_to_block(self, operation: str) -> None:
        if self.would_block():
            self.refuse_to_block(
                f"{operation!r} was not sent: the method that sends it waits for the response, and that",
                "await its twin whose name begins with `a`, if there is one, or asyncio.to_thread(method, ...)",
            )

    # queries -------------------------------------------------------------------------------------------------
    def fetch(
        self,
        selection: Selection,
        ids: list[str],
        *,
        halve: bool,
        done: Callable[[Callable[[], Nodes]], object],
    ) -> Callable[[], object]:
        """Send one query for a selection of objects. `done` gets a function that returns each object's dictionary, or why
        there is none, by id; it raises what concerns all of them. Returns what stops the request."""
        query = queries.nodes(selection, ids)
        future = self._submit(query, halve=halve)

        def nodes() -> Nodes:
            response = future.result()
            if self.is_replaced:
                query.check(response.data, response.errors)
            return _nodes(query, selection.kind, ids, response)

        def arrived(_: object) -> None:
            with collector_paused:
                done(nodes)

        future.add_done_callback(arrived)
        return future.cancel

    def _submit(self, query: Query, *, halve: bool = False) -> Pending:
        return self.sender.submit(
            query.text, query.variables, operation=query.operation, halve=halve, check=query.check
        )

    def send(self, query: Query, *, halve: bool = False) -> Response:
        """Send a query and wait; its response, checked. GraphQL errors are raised as QueryError."""
        self._refuse_to_block(query.operation)
        response = self._submit(query, halve=halve).result()
        if response.errors:
            raise query_error(response.errors, query.operation, response)
        return response

    def node(self, selection: Selection, identity: str) -> dict[str, Any] | None:
        """A selection of one object, as it came: None for an unknown id, `{}` for one of another type. One request."""
        found: dict[str, Any] | None = (self.send(queries.nodes(selection, [identity])).data or {}).get("n0")
        return found

    def rows(
        self,
        listing: queries.Listing,
        project: str,
        arguments: Mapping[str, Any],
        selection: Selection | None = None,
        *,
        halve: bool = False,
    ) -> list[dict[str, Any]] | None:
        """A listing of a project that the service filters: its rows as they came. One request.

        Raises NotFoundError if there is no such project, TooLargeError (with `halve`) if the response cannot be had whole.
        """
        response = self.send(listing.query(project, arguments, selection), halve=halve)
        node = (response.data or {}).get("n0")
        if not node:
            raise no_such(ENTITIES["Project"], project, node)
        rows = node.get(listing.field)
        if listing.edges:
            rows = [edge.get("node") for edge in (rows or {}).get("edges") or () if edge]
        return rows  # type: ignore[no-any-return]

    def subject_by_ehr_id(
        self, project: str, ehr_id: str, selection: Selection | None = None
    ) -> dict[str, Any] | None:
        """The subject of a project with that EHR id, None without one. One request."""
        query = queries.subject_by_ehr_id(project, ehr_id, selection)
        found: dict[str, Any] | None = (self.send(query).data or {}).get(query.parts[0].alias)
        return found

    def kind_of(self, identity: str) -> type[Entity] | None:
        """The class of the object with that id; None for an unknown id or a type that no class stands for. One request."""
        node = (self.send(queries.kind_of(identity)).data or {}).get("n0")
        return BY_WIRE.get(str(node.get("__typename"))) if isinstance(node, dict) else None

    def values(
        self, kind: type[Entity], ids: Sequence[str], selection: Selection
    ) -> dict[str, dict[str, Any] | Exception]:
        """A selection of objects now, many to a request and all at once: {id: dictionary or exception}. Nothing is kept.

        A request that fails is the failure of its own objects only; one that is too large is sent in halves.
        """
        wanted = list(dict.fromkeys(ids))

        def read(query: Query, part: Sequence[str], response: Response) -> list[Any]:
            found = _nodes(query, kind, part, response)
            return [found[identity] for identity in part]

        found = self._in_parts(wanted, OBJECTS_A_REQUEST, lambda part: queries.nodes(selection, part), read)
        return dict(zip(wanted, found, strict=True))

    def state(
        self, kind: type[Entity], identity: str, tabs: Sequence[tuple[str, Any]], *, stored: bool = True
    ) -> tuple[dict[str, Any] | None, list[str]]:
        """What is stored of an object now, and the validator's complaints on metadata. One request.

        None in place of what is stored where the service has no such object.
        """
        query = queries.state_and_complaints(kind, identity, tabs, stored)
        try:
            data = self.send(query).data or {}
        except QueryError as error:
            if stored and (error.data or {}).get("n0", error) is None:
                return None, []
            raise
        validated = query.parts[: len(tabs)]
        complaints = [one for part in validated for one in queries.complaints_in(data.get(part.alias))]
        return (data.get("n0") or None) if stored else {}, complaints

    def complaints(self, kind: type[Entity], identity: str, tab: str, values: Any) -> list[str]:
        """The validator's complaints on metadata that is to be stored. One request."""
        return self.state(kind, identity, [(tab, values)], stored=False)[1]

    def complaints_of(
        self, rows: Sequence[tuple[type[Entity], str, str, str]]
    ) -> list[list[str] | Exception]:
        """The validator's complaints on many records, in order, many in a request; why there are none, for what failed.

        A row is the class and the id of an object, the validator's tab, and the metadata as JSON text.
        """

        def read(query: Query, part: Sequence[Any], response: Response) -> list[Any]:
            bad = errors_by_alias(response.errors) if response.errors else {}
            found: list[Any] = []
            for n in range(len(part)):
                value = (response.data or {}).get(f"v{n}")
                errors = bad.get(f"v{n}") or (bad.get("") if value is None else None)
                if errors:
                    found.append(query_error(errors, query.operation, response))
                else:
                    found.append(queries.complaints_in(value))
            return found

        return self._in_parts(rows, RECORDS_A_REQUEST, queries.complaints_on, read)

    def _in_parts(
        self,
        items: Sequence[T],
        size: int,
        query_of: Callable[[Sequence[T]], Query],
        read: Callable[[Query, Sequence[T], Response], list[R | Exception]],
    ) -> list[R | Exception]:
        """What queries of so many items each bring, in order, all sent at once; those that are too large are halved."""
        sent: list[tuple[Sequence[T], Query, Pending | RequestError]] = []
        for begin in range(0, len(items), size):
            part = items[begin : begin + size]
            query = query_of(part)
            self._refuse_to_block(query.operation)
            try:
                sent.append((part, query, self._submit(query, halve=len(part) > 1)))
            except RequestError as error:
                sent.append((part, query, error))
        found: list[R | Exception] = []
        for part, query, pending in sent:
            try:
                if isinstance(pending, RequestError):
                    raise pending
                response = pending.result()
                if self.is_replaced:
                    query.check(response.data, response.errors)
                found += read(query, part, response)
            except TooLargeError:
                found += self._in_parts(part, -(-len(part) // 2), query_of, read)
            except RequestError as error:
                found += [fresh(error) for _ in part]
        return found

    # commands ------------------------------------------------------------------------------------------------
    def run(
        self,
        command: Command,
        values: Values,
        before: Mapping[str, Any] | None = None,
        *,
        raw: bool = False,
    ) -> Mapping[str, Any]:
        """Carry one command out, as `run_many` does; its payload, checked. One request.

        `raw`: where a script's own code responds, its payload as it is, and its exceptions.

        Raises QueryError where the service refuses, OutcomeUnknownError where nobody knows.
        """
        if raw and self.is_replaced:
            with self._interruptible(command, [values]):
                response = self._submit_command(command, [values]).result()
            if response.errors:
                raise query_error(response.errors, command.name, response)
            payload: Mapping[str, Any] = (response.data or {})["n0"]
            return payload
        (outcome,) = self.run_many(command, [values], None if before is None else [before])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def run_many(
        self,
        command: Command,
        rows: Sequence[Values],
        before: Sequence[Mapping[str, Any] | None] | None = None,
    ) -> list[Outcome]:
        """Carry one command out for each row of values, many in a request, all requests at once; outcomes in order.

        A row that the service refuses stops no other: its exception stands in its place. Rows whose response is lost are
        looked for together (recovery.py): what was carried out is not repeated, what certainly was not is, in smaller
        requests. `before` are the objects as they were read before the command. Rows that create clips have one clip each,
        and travel as lists.

        OutcomeUnknownError stands for what nobody knows; what such a row may have changed is unloaded, so that its next
        reader fetches it.
        """
        from . import recovery  # before a request is sent: it is needed where one has failed

        self._refuse_to_block(command.name)
        outcomes: list[Outcome] = [RequestError("the request was interrupted")] * len(rows)
        pending = list(range(len(rows)))
        with self._interruptible(command, rows):
            for attempt in range(1, COMMAND_ATTEMPTS + 1):
                sent = time.time()
                size = max(COMMANDS_A_REQUEST >> (attempt - 1), 1)
                for n, outcome in zip(
                    pending, self._run_rows(command, [rows[n] for n in pending], size), strict=True
                ):
                    outcomes[n] = outcome
                lost = [n for n in pending if isinstance(outcomes[n], OutcomeUnknownError)]
                if not lost:
                    break
                looked_for = [
                    recovery.Lost(command, rows[n], sent, None if before is None else before[n]) for n in lost
                ]
                pending = []
                for n, found in zip(lost, self._look(looked_for, attempt), strict=True):
                    if found.payload is not None:
                        outcomes[n] = found.payload
                    elif found.verdict == recovery.ABSENT:
                        pending.append(n)
                if not pending:
                    break
        self.touch(
            command, [rows[n] for n, one in enumerate(outcomes) if isinstance(one, OutcomeUnknownError)]
        )
        return outcomes

    def _run_rows(self, command: Command, rows: Sequence[Values], size: int) -> list[Outcome]:
        """Send the rows once; outcomes in order. A request that was refused as a whole is sent in halves."""
        sent: list[tuple[Sequence[Values], Pending | RequestError]] = []
        for begin in range(0, len(rows), size):
            part = rows[begin : begin + size]
            try:
                sent.append((part, self._submit_command(command, part)))
            except RequestError as error:
                sent.append((part, error))
        outcomes: list[Outcome] = []
        for part, pending in sent:
            try:
                if isinstance(pending, RequestError):
                    raise pending
                response = pending.result()
            except RequestError as error:
                # nothing of it was carried out: one row that cannot be right must not stop the others
                if error.status in (400, 413) and len(part) > 1:
                    outcomes += self._run_rows(command, part, -(-len(part) // 2))
                else:
                    outcomes += [fresh(error) for _ in part]
                continue
            found = self._row_outcomes(command, part, response)
            if command.list_name and len(part) > 1 and all(isinstance(one, QueryError) for one in found):
                found = self._list_in_halves(command, part, found)
            outcomes += found
        return outcomes

    def _list_in_halves(
        self, command: Command, rows: Sequence[Values], refused: list[Outcome]
    ) -> list[Outcome]:
        """A list that was refused for one of its rows: what of it is not there is sent in halves."""
        from . import recovery

        outcomes = list(refused)
        if self.is_replaced or not recovery.can_look(command):
            return outcomes
        now = time.time()
        try:
            looks = recovery.find(self, [recovery.Lost(command, one, now) for one in rows])
        except (RequestError, NotFoundError):
            return outcomes
        absent = [n for n, one in enumerate(looks) if one.verdict == recovery.ABSENT]
        again = self._run_rows(command, [rows[n] for n in absent], -(-len(rows) // 2))
        for n, outcome in zip(absent, again, strict=True):
            outcomes[n] = outcome
        return outcomes

    def _row_outcomes(self, command: Command, rows: Sequence[Values], response: Response) -> list[Outcome]:
        """The checked payload of each row, or why there is none; a row whose payload is not there is unknown."""
        bad = errors_by_alias(response.errors)
        outcomes: list[Outcome] = []
        packed = _packed(command, rows)
        for n, values in enumerate(packed):
            alias = f"n{n}"
            payload = (response.data or {}).get(alias)
            count = 1 if packed is rows else len(rows)
            if payload is None and (alias in bad or "" in bad):
                error = query_error(bad.get(alias) or bad[""], command.name, response)
                outcomes += [fresh(error) for _ in range(count)]
                continue
            try:
                checked = command.check(values, payload)
            except InvalidResponseError as error:
                unknown = self._unknown(command, error, response)
                outcomes += [fresh(unknown) for _ in range(count)]
                continue
            outcomes += [checked] if packed is rows else _unpacked(command, checked, count)
        return outcomes

    def _look(self, lost: Sequence[recovery.Lost], attempt: int) -> list[recovery.Found]:
        """What has become of commands whose responses were lost."""
        from . import recovery

        unknown = [recovery.Found(recovery.UNKNOWN)] * len(lost)
        if self.is_replaced or not recovery.can_look(lost[0].command):
            return unknown
        retry = self.wire.retry
        found = unknown
        try:
            # the service may still be at it: a look that comes too soon would have it done twice
            for pause in (retry.first * 2**attempt, retry.first * 4**attempt):
                time.sleep(min(pause, retry.cap))
                found = recovery.find(self, lost)
                if all(one.verdict != recovery.ABSENT for one in found):
                    break
        except (RequestError, NotFoundError):
            return unknown
        return found

    async def run_many_async(self, command: Command, rows: Sequence[Values]) -> list[Outcome]:
        """Send one command for each row, many in a request, one request after another, for coroutines on the I/O thread.

        Failures of a whole request are raised, and lost responses not looked for: transfers try again by their journal.
        """
        outcomes: list[Outcome] = []
        for begin in range(0, len(rows), COMMANDS_A_REQUEST):
            part = rows[begin : begin + COMMANDS_A_REQUEST]
            response = await self._wait(lambda part=part: self._submit_command(command, part))  # type: ignore[misc]
            outcomes += self._row_outcomes(command, part, response)
        return outcomes

    def _submit_command(self, command: Command, rows: Sequence[Values]) -> Pending:
        packed = _packed(command, rows)
        text, variables = command.build(packed)

        def check(data: Mapping[str, Any], errors: Sequence[Any] = ()) -> None:
            for n, values in enumerate(packed):
                if data.get(f"n{n}") is not None:
                    command.check(values, data[f"n{n}"])

        return self.sender.submit(text, variables, operation=command.name, check=check)

    async def values_async(self, query: Query, kind: type[Entity], ids: Sequence[str]) -> list[Any]:
        """The objects of a query of several ids, in order, for coroutines on the I/O thread; exceptions stand for failures."""
        response = await self._wait(lambda: self._submit(query))
        if self.is_replaced:
            query.check(response.data, response.errors)
        found = _nodes(query, kind, list(dict.fromkeys(ids)), response)
        return [found[identity] for identity in ids]

    def touch(self, command: Command, rows: Sequence[Values]) -> None:
        """Unload what a command has changed, or may have changed, of cached objects."""
        with self.cache.lock:
            for values in rows:
                self.cache.reload(*list(command.touches(self.cache, values)))

    @contextmanager
    def _interruptible(self, command: Command, rows: Sequence[Values]) -> Iterator[None]:
        """Around a command: after an interrupt, what it may have changed is fetched by the next reader."""
        try:
            yield
        except Exception:
            raise
        except BaseException:
            self.touch(command, rows)
            raise

    @staticmethod
    def _unknown(command: Command, error: InvalidResponseError, response: Response) -> OutcomeUnknownError:
        """The error of a command whose response is not what it must be."""
        return OutcomeUnknownError(
            f"{command.name} was sent, and {error.message}. It may or may not have been carried out: look first "
            "(refresh() what it was to change), and repeat it only if it was not",
            request_id=response.request_id,
            operation=command.name,
        )

    async def _wait(self, submit: Callable[[], Pending]) -> Response:
        """The response to a request, for coroutines on the I/O thread."""
        if not self.is_replaced:
            pending: Any = submit()
            return await result_of(pending)
        # a script's own method waits for its request: on a thread of its own, not on the I/O thread
        loop = asyncio.get_running_loop()
        arrived: asyncio.Future[Response] = loop.create_future()

        def settle(response: Response | None, error: Exception | None) -> None:
            if arrived.done():
                return
            if response is None:
                arrived.set_exception(error or RequestError("the request was interrupted"))
            else:
                arrived.set_result(response)

        def work() -> None:
            response, error = None, None
            try:
                response = submit().result()
            except Exception as failure:
                error = failure
            finally:
                loop.call_soon_threadsafe(settle, response, error)

        threading.Thread(target=work, name="moveshelf-sender", daemon=True).start()
        return await arrived


def _nodes(query: Query, kind: type[Entity], ids: Sequence[str], response: Response) -> dict[str, Any]:
    """By id: each object's dictionary, or why there is none."""
    data, errors = response.data, response.errors
    if data is None:
        raise query_error(errors, query.operation, response)
    bad = errors_by_alias(errors) if errors else {}
    found: dict[str, Any] = {}
    for n, identity in enumerate(ids):
        alias = f"n{n}"
        node = data.get(alias)
        if alias in bad or (not node and "" in bad):
            found[identity] = query_error(bad.get(alias) or bad[""], query.operation, response)
        elif not node:
            found[identity] = no_such(kind, identity, node)
        else:
            found[identity] = node
    return found


def _packed(command: Command, rows: Sequence[Values]) -> Sequence[Values]:
    """The rows as a request carries them: those of a command that takes a list become one, numbered by `clientId`."""
    if not command.list_name or len(rows) == 1:
        return rows
    clips = [{**one, "clientId": str(n)} for n, one in enumerate(row["input"]["clips"][0] for row in rows)]
    return [{"input": {**rows[0]["input"], "clips": clips}}]


def _unpacked(command: Command, payload: Mapping[str, Any], count: int) -> list[Outcome]:
    """The payload of each row of a packed request, by the numbers that `_packed` has given."""
    by_number = {str(one.get("clientId")): one for one in payload[command.list_name]}
    return [{command.list_name: [by_number[str(n)]]} for n in range(count)]


def failure(outcome: Outcome) -> Exception | None:
    """Why a row of `run_many` has no payload; None if it has one."""
    return outcome if isinstance(outcome, Exception) else None


__all__ = ["COMMANDS_A_REQUEST", "MoveshelfError", "Outcome", "Sender", "Service", "Touched", "failure"]
