"""The client: what a key opens, one object per id, and the way to close it."""

from __future__ import annotations

import functools
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast
from urllib.parse import parse_qsl, urlsplit

from . import _importing
from .config import Config, resolve
from .errors import ConfigError, NotFoundError, ValidationError
from .lazy.inspection import View
from .operations.connection import make_engine
from .operations.service import Sender
from .operations.validation import checked_id
from .values import count_value, seconds_value
from .wire import Budget, Stats, begin_import

if TYPE_CHECKING:
    from os import PathLike

    from typing_extensions import Self

    from .models import Clip, Collection, Condition, DataFile, Job, Project, Session, Subject
    from .models.base import Model

M = TypeVar("M", bound="Model")

_ID = r"([A-Za-z0-9_\-]{6,})"
_PAGES = (
    (re.compile(rf"/project/{_ID}/session/{_ID}/?$"), "session"),
    (re.compile(rf"/project/{_ID}/subject/{_ID}/?$"), "subject"),
    (re.compile(rf"/project/{_ID}/sessions/?$"), "sessions"),
    (re.compile(rf"/project/{_ID}(?:/(?!(?:session|subject)/?$)[a-z]+)?/?$"), "project"),
    (re.compile(rf"/edit/{_ID}/?$"), "clip"),
)


F = TypeVar("F", bound="Callable[..., Any]")


class _ById:
    """A method that is called with an id; an index, which was meant for the collection, leads there."""

    def __init__(self, function: Callable[..., Any], client: Moveshelf) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self.__self__ = client

    def __call__(self, id: str) -> Any:
        return self._function(self.__self__, id)

    def __getitem__(self, name: object) -> NoReturn:
        what = self._function.__name__
        way = f"projects[{name!r}]" if what == "project" else f"lookup(project, ..., {name!r})"
        raise ValidationError(f"{what}(id) takes the id of a {what}; did you mean {way}?")

    def __repr__(self) -> str:
        return f"<bound method Moveshelf.{self._function.__name__} of {self.__self__!r}>"


class _ByIdMethod:
    def __init__(self, function: Callable[..., Any]) -> None:
        self.__doc__, self.__wrapped__ = function.__doc__, function
        self._function = function

    def __get__(self, client: Moveshelf | None, owner: Any = None) -> Any:
        return self._function if client is None else _ById(self._function, client)


def by_id(function: F) -> F:
    """Make a method one that says what was meant where it is indexed: `ms.project["lab/demo"]`."""
    return cast("F", _ByIdMethod(function))


class Moveshelf:
    """A connection to Moveshelf: projects, and everything below them, loaded when touched.

    Made by `moveshelf.connect()`; making it sends no request. Also a context manager that closes it (`with`, and
    `async with` for coroutines). May be used from several threads.
    """

    def __init__(
        self,
        config: Config,
        *,
        timeout: float = 120,
        sender: Sender | None = None,
        cache: str | PathLike[str] | None = None,
    ) -> None:
        """`sender` carries the requests in place of this client's own connection (the flat client's methods do).

        `cache`: a folder that keeps contents of files, as of `connect`.
        """
        from .models import Account
        from .models.base import service_of

        self._config = config
        self._engine = make_engine(config, timeout=timeout, sender=sender, cache=cache)
        self._account = Account("viewer", self._engine)
        with self._engine.cache.lock:
            self._engine.cache.objects.put(self._account)
        self._service = service_of(self._engine)
        self._wire = self._service.wire

    # objects -------------------------------------------------------------------------------------------------
    @View
    def projects(self) -> Collection[Project]:
        """The projects that the key may see. One request when first used."""
        return self._account.projects

    @by_id
    def project(self, id: str) -> Project:
        """The project of that id. No request: the first attribute sends it, and raises NotFoundError if there is none."""
        from .models import Project

        return self._engine.cache.get(Project, checked_id(id, "project"))

    @by_id
    def subject(self, id: str) -> Subject:
        """The subject of that id. No request: the first attribute sends it, and raises NotFoundError if there is none."""
        from .models import Subject

        return self._engine.cache.get(Subject, checked_id(id, "subject"))

    @by_id
    def session(self, id: str) -> Session:
        """The session of that id. No request: the first attribute sends it, and raises NotFoundError if there is none."""
        from .models import Session

        return self._engine.cache.get(Session, checked_id(id, "session"))

    @by_id
    def clip(self, id: str) -> Clip:
        """The clip (trial) of that id. No request: the first attribute sends it, and raises NotFoundError if there is none."""
        from .models import Clip

        return self._engine.cache.get(Clip, checked_id(id, "clip"))

    @by_id
    def job(self, id: str) -> Job:
        """The job of that id. No request: the first attribute sends it, and raises NotFoundError if there is none."""
        from .models import Job

        return self._engine.cache.get(Job, checked_id(id, "job"))

    def subjects(self, ids: Iterable[str]) -> Collection[Subject]:
        """The subjects of those ids as one collection, which loads them together. No request; an id twice is there once."""
        from .models import Subject

        return self._of_ids(Subject, ids)

    def sessions(self, ids: Iterable[str]) -> Collection[Session]:
        """The sessions of those ids as one collection, which loads them together. No request; an id twice is there once."""
        from .models import Session

        return self._of_ids(Session, ids)

    def clips(self, ids: Iterable[str]) -> Collection[Clip]:
        """The clips (trials) of those ids as one collection, loaded together. No request; an id twice is there once."""
        from .models import Clip

        return self._of_ids(Clip, ids)

    def _of_ids(self, kind: type[M], ids: Iterable[str]) -> Collection[M]:
        from .models import Collection

        if isinstance(ids, str):
            raise ValidationError(f"this takes a list of ids, not one text: write [{ids!r}]")
        name = kind.__name__.lower()
        wanted = dict.fromkeys(checked_id(one, name) for one in ids)
        return Collection(self._engine, kind, items=[self._engine.cache.get(kind, one) for one in wanted])

    def lookup(self, *names: str) -> Project | Subject | Session | Condition | Clip | DataFile:
        """What names lead to: project, subject, session, condition, clip, file; as many as are given.

        `lookup("lab/demo", "P-001", "2024-03-05", "Barefoot", "Trial-1", "event.json")`, or in one string as in the shell,
        `lookup("lab/demo:P-001/2024-03-05/Barefoot/Trial-1/event.json")`, where `%2F` is a slash in a name. An empty
        condition stands for none: the clip is looked for in the whole session. One request a level that is not loaded.
        Raises NameNotFoundError with near misses, AmbiguousError with the ids, ValidationError for too many names.
        """
        from .operations import paths

        return paths.lookup(self.projects, *names)  # type: ignore[no-any-return]

    def from_url(self, url: str) -> Project | Subject | Session | Clip | Collection[Session]:
        """What a web page of the service shows: a project, subject, session or clip; for a filtered overview, its sessions.

        Objects: no request (the first attribute sends it). An overview is fetched at once, with the filters and dates in
        the address. The host does not matter, the path does. Raises ValidationError for an address of no such page.
        """
        parts = urlsplit(url if isinstance(url, str) else "")
        for pattern, page in _PAGES:
            match = pattern.search(parts.path)
            if match is None:
                continue
            ids = match.groups()
            if page == "session":
                return self.session(ids[1])
            if page == "subject":
                return self.subject(ids[1])
            if page == "clip":
                return self.clip(ids[0])
            if page == "sessions" and parts.query:
                return self.project(ids[0])._find_sessions_shown(parse_qsl(parts.query))
            return self.project(ids[0])
        raise ValidationError(
            f"{url!r} is no page of a project, subject, session or clip: its path is like /project/<id>/session/<id>, "
            "/project/<id>/subject/<id>, /project/<id>/sessions or /edit/<clip id>"
        )

    def find(self, id: str) -> Any:
        """The object of that id, whatever it is. One request, unless it is known. Raises NotFoundError if there is none."""
        found = self._account._find(checked_id(id, "object"))
        if found is None:
            raise NotFoundError(f"the service has nothing with id {id!r} (deleted, or not yours to see)")
        return found

    def refresh(self) -> Self:
        """Forget everything that was loaded, and return the client: whatever is touched next is fetched anew.

        No request. Objects and collections stay the same objects, in whichever variable.
        """
        self._engine.forget(self._account)
        return self

    # event loops ---------------------------------------------------------------------------------------------
    def aio(self) -> AbstractAsyncContextManager[Self]:
        """`async with ms.aio():`, a context in which this client never blocks the event loop without saying so.

        Within it, in this task and in those it starts, what is not loaded raises NotLoadedError at once in a thread that runs
        an event loop, and names what to await (`await subject.aload("metadata")`); so does any other method that would wait
        for a response. Nothing is sent then. Without it such a touch blocks the loop until the response is there. Worker
        threads (`asyncio.to_thread`) wait as everywhere. Sends nothing, and does not close the client.

        Example:
            >>> async with moveshelf.connect() as ms, ms.aio():  # doctest: +SKIP
            ...     await ms.aload("projects")
            ...     async for subject in ms.projects["lab/demo"].subjects:
            ...         await subject.aload("metadata")
        """
        return self._without_blocking()

    @asynccontextmanager
    async def _without_blocking(self) -> AsyncIterator[Self]:
        await self._wire.prepare()
        with self._wire.guard():
            yield self

    async def aload(self, *paths: str) -> Self:
        """Fetch what the dotted paths name below the client, without blocking the event loop, and return the client.

        "projects" if none is given. Several levels ("projects.subjects") travel in one request where that is smaller; what is
        loaded is not fetched again. Cancelling the task cancels its requests, except those that others wait for too.

        Example:
            >>> await ms.aload("projects")  # doctest: +SKIP
        """
        await self._account.aload(*(paths or ("projects",)))
        return self

    # requests ------------------------------------------------------------------------------------------------
    def execute(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send any GraphQL document and return the response's `data`. One request.

        Objects do not hear of it: `refresh()` those that a mutation of yours has changed. Raises QueryError with the
        service's errors, AuthenticationError, OutcomeUnknownError (a mutation without a response), RequestError.
        """
        return self._wire.execute(query, variables)

    async def aexecute(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """`execute` for coroutines: the same response and errors, without blocking the event loop. One request.

        Cancelling the task cancels the request; a mutation may or may not have been carried out then.

        Example:
            >>> data = await ms.aexecute(query, {"id": project.id})  # doctest: +SKIP
        """
        return await self._wire.aexecute(query, variables)

    @property
    def stats(self) -> Stats:
        """What this client has sent so far: requests, retries, bytes both ways, seconds spent waiting."""
        return self._wire.stats

    def budget(self, requests: int) -> AbstractContextManager[Budget]:
        """A context in which this client sends at most so many requests; one more raises BudgetError, unsent."""
        return self._wire.budget(count_value(requests, "requests", least=0))

    def no_fetch(self) -> AbstractContextManager[Budget]:
        """A context in which any request raises BudgetError, unsent: what is read in it is loaded already."""
        return self._wire.no_fetch()

    @property
    def url(self) -> str:
        """The address of the service's GraphQL endpoint."""
        return self._config.api_url

    def close(self) -> None:
        """Drop the connections. Objects keep what they have loaded and refuse to load more. May be called twice."""
        self._engine.cache.release()
        self._drop_ahead()
        self._wire.close()

    def _drop_ahead(self) -> None:
        """Drop the contents that were fetched ahead of loops, and stop those on their way."""
        self._service.drop_ahead()

    async def aclose(self) -> None:
        """`close` for coroutines: it does not block the event loop while connections end."""
        self._engine.cache.release()
        self._drop_ahead()
        await self._wire.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        engine = getattr(self, "_engine", None)
        if engine is not None:
            engine.cache.release()
            self._drop_ahead()

    def __repr__(self) -> str:
        return f"<Moveshelf at {self._config.api_url}>"

    def _repr_html_(self) -> str:
        from .display import client_html

        projects = self._account.projects._shown()
        return client_html(self._config.api_url, projects if projects.__class__ is list else None)

    def __reduce__(self) -> Any:
        raise TypeError(
            "a connection holds a key and cannot be pickled or copied; connect() where you need it"
        )


def connect(
    api_key_file: str | PathLike[str] | None = None,
    api_url: str | None = None,
    *,
    api_key: str | None = None,
    region: str | None = None,
    timeout: float = 120,
    cache: str | PathLike[str] | None = None,
) -> Moveshelf:
    """Connect to Moveshelf. Reads key and address, sends no request.

    Key and address come from the arguments, else the environment (MOVESHELF_API_KEY, MOVESHELF_API_KEY_FILE,
    MOVESHELF_API_URL), else `mvshlf-config.json` and `mvshlf-api-key.json` in the working folder or one above it, else
    the user's configuration folder. `region` is "eu" or "us". `timeout` is seconds without a sign of life, not a total.

    `cache`: a folder that keeps the contents of files that are read (`read`, `read_bytes`, `json`, `cycles`, …), so that a
    second read fetches none of them: one HEAD a file tells whether it is still the same. Off by default, since they are
    patients' data on your disk, unencrypted. The folder is yours alone (0700, files 0600), holds 4 GiB at most (what was
    used longest ago is removed first), and may be deleted at any time; another key does not find what this one kept.

    Raises ConfigError where key or address are missing or malformed, or where a key found in one place would be sent
    to an address found in another; where the cache folder is open to other users.
    """
    timeout = seconds_value(timeout, "timeout")
    problem: ConfigError | None = None
    try:
        config = resolve(api_key_file, api_url, api_key=api_key, region=region)
        with _importing():
            client = Moveshelf(config, timeout=timeout, cache=cache)
        begin_import()  # after the models were imported: two threads that compute hinder each other
        return client
    except ConfigError as error:
        problem = error.with_traceback(None)
    # raised out here, with nothing in this frame that may be a pasted key
    api_key = api_key_file = api_url = region = None
    raise problem
