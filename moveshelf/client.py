"""The client: what a key opens, one object per id, and the way to close it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

from .config import Config, resolve
from .errors import ConfigError, NotFoundError, ValidationError
from .lazy.cache import Cache
from .lazy.engine import Engine
from .lazy.inspection import View
from .models import Account, Clip, Collection, Condition, DataFile, Job, Project, Session, Subject
from .models.base import Model
from .operations import paths
from .operations.content_cache import ContentCache
from .operations.read_ahead import ReadAhead
from .operations.service import Sender, Service
from .operations.validation import checked_id
from .values import count_value, seconds_value
from .wire import Budget, Stats, Wire

if TYPE_CHECKING:
    from os import PathLike

    from typing_extensions import Self

M = TypeVar("M", bound=Model)

_ID = r"([A-Za-z0-9_\-]{6,})"
_PAGES = (
    (re.compile(rf"/project/{_ID}/session/{_ID}/?$"), "session"),
    (re.compile(rf"/project/{_ID}/subject/{_ID}/?$"), "subject"),
    (re.compile(rf"/project/{_ID}/sessions/?$"), "sessions"),
    (re.compile(rf"/project/{_ID}(?:/(?!(?:session|subject)/?$)[a-z]+)?/?$"), "project"),
    (re.compile(rf"/edit/{_ID}/?$"), "clip"),
)


class Moveshelf:
    """A connection to Moveshelf: projects, and everything below them, loaded when touched.

    Made by `moveshelf.connect()`; making it sends no request. Also a context manager that closes it. May be used
    from several threads.
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
        self._config = config
        self._wire = Wire(config.api_url, config.secret, timeout=timeout)
        objects = Cache()
        self._service = Service(self._wire, objects, sender)
        if cache is not None:
            self._service.contents = ContentCache(cache, config)
        self._service.ahead = ReadAhead()
        self._engine = Engine(objects, self._service)
        self._account = Account("viewer", self._engine)
        with objects.lock:
            objects.objects.put(self._account)

    # objects -------------------------------------------------------------------------------------------------
    @View
    def projects(self) -> Collection[Project]:
        """The projects that the key may see. One request when first used."""
        return self._account.projects

    def project(self, id: str) -> Project:
        """The project of that id. No request: the first attribute sends it, and raises NotFoundError if there is none."""
        return self._engine.cache.get(Project, checked_id(id, "project"))

    def subject(self, id: str) -> Subject:
        """The subject of that id. No request: the first attribute sends it, and raises NotFoundError if there is none."""
        return self._engine.cache.get(Subject, checked_id(id, "subject"))

    def session(self, id: str) -> Session:
        """The session of that id. No request: the first attribute sends it, and raises NotFoundError if there is none."""
        return self._engine.cache.get(Session, checked_id(id, "session"))

    def clip(self, id: str) -> Clip:
        """The clip (trial) of that id. No request: the first attribute sends it, and raises NotFoundError if there is none."""
        return self._engine.cache.get(Clip, checked_id(id, "clip"))

    def job(self, id: str) -> Job:
        """The job of that id. No request: the first attribute sends it, and raises NotFoundError if there is none."""
        return self._engine.cache.get(Job, checked_id(id, "job"))

    def subjects(self, ids: Iterable[str]) -> Collection[Subject]:
        """The subjects of those ids as one collection, which loads them together. No request; an id twice is there once."""
        return self._of_ids(Subject, ids)

    def sessions(self, ids: Iterable[str]) -> Collection[Session]:
        """The sessions of those ids as one collection, which loads them together. No request; an id twice is there once."""
        return self._of_ids(Session, ids)

    def clips(self, ids: Iterable[str]) -> Collection[Clip]:
        """The clips (trials) of those ids as one collection, loaded together. No request; an id twice is there once."""
        return self._of_ids(Clip, ids)

    def _of_ids(self, kind: type[M], ids: Iterable[str]) -> Collection[M]:
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

    # requests ------------------------------------------------------------------------------------------------
    def execute(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send any GraphQL document and return the response's `data`. One request.

        Objects do not hear of it: `refresh()` those that a mutation of yours has changed. Raises QueryError with the
        service's errors, AuthenticationError, OutcomeUnknownError (a mutation without a response), RequestError.
        """
        return self._wire.execute(query, variables)

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
        if self._service.ahead is not None:
            self._service.ahead.close(self._service)

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
        return Moveshelf(
            resolve(api_key_file, api_url, api_key=api_key, region=region), timeout=timeout, cache=cache
        )
    except ConfigError as error:
        problem = error.with_traceback(None)
    # raised out here, with nothing in this frame that may be a pasted key
    api_key = api_key_file = api_url = region = None
    raise problem
