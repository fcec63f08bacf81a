"""`Sandbox`: the server in a thread of its own, and what a test or a benchmark does to it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from aiohttp import web

from . import demo as demo_project
from . import study as study_project
from .control import Control
from .endpoint import Endpoint, add_request_id, ignore_disconnect
from .generate import generate
from .log import Requests
from .objectstore import ObjectStore
from .private import create_private
from .service import Service

if TYPE_CHECKING:
    from types import TracebackType

    import moveshelf

T = TypeVar("T")
PRACTICE = "lab/practice"


class Sandbox:
    """A local Moveshelf on a free port of 127.0.0.1.

    `with Sandbox(demo=True) as sandbox: ms = sandbox.connect()`. With a `path` its data stay there, and a sandbox
    started again on the same path has them, its key and its ids; without one they live in a temporary folder until
    it stops. It starts with one empty project, `lab/practice`; with `demo` there are `lab/demo` (12 subjects, 30 sessions,
    198 trials) and `lab/study` (40 subjects before and after interventions) besides. `latency` and `per_object` are the
    seconds of `latency()`. The same `seed` and the same history make the same ids.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        demo: bool = False,
        *,
        port: int = 0,
        seed: int = 0,
        latency: float = 0.0,
        per_object: float = 0.0,
    ) -> None:
        if min(latency, per_object) < 0:
            raise ValueError(
                f"latency and per_object are seconds, not less than none: {latency!r}, {per_object!r}"
            )
        self._latency = latency, per_object
        self._given = Path(path) if path is not None else None
        self._demo = demo
        self._wanted_port = port
        self._seed = seed
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._service: Service | None = None
        self._requests = Requests()
        self.path = Path()
        self.api_url = ""
        self.api_key = ""
        self.key_file = ""
        self.port = 0

    # --- life

    def start(self) -> Sandbox:
        """Serve until `stop()`. Returns when it accepts requests; raises OSError if the port is taken."""
        if self._thread is not None:
            return self
        if self._given is not None:
            self.path = self._given
        else:
            self.path = Path(tempfile.mkdtemp(prefix="moveshelf-sandbox-"))
            # for a program that ends without stop()
            self._removal = weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)
        self.path.mkdir(parents=True, exist_ok=True)
        self.path = self.path.resolve()
        self.api_key = self._key()
        started: threading.Event = threading.Event()
        failure: list[BaseException] = []
        self._thread = threading.Thread(
            target=self._run, args=(started, failure), name="moveshelf-sandbox", daemon=True
        )
        self._thread.start()
        started.wait()
        if failure:
            self._thread.join()
            self._thread = None
            self._clean_up()
            raise failure[0]
        return self

    def stop(self) -> None:
        """Stop serving; a temporary folder is removed."""
        if self._thread is None:
            return
        if self._loop is not None and self._stopping is not None:
            with contextlib.suppress(RuntimeError):  # it has stopped by itself
                self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._thread = None
        self._clean_up()

    def __enter__(self) -> Sandbox:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Sandbox {self.api_url if self._thread is not None else 'stopped'}>"

    def _clean_up(self) -> None:
        if self._given is None:
            self._removal()

    def _key(self) -> str:
        """The key of this folder, made at its first use."""
        file = self.path / "mvshlf-api-key.json"
        self.key_file = str(file)
        fresh = {"application": "moveshelf-sandbox", "secretKey": secrets.token_hex(32)}
        create_private(file, json.dumps(fresh))
        return str(json.loads(file.read_text(encoding="utf-8"))["secretKey"])

    def _run(self, started: threading.Event, failure: list[BaseException]) -> None:
        try:
            asyncio.run(self._serve(started))
        except BaseException as error:  # handed to the thread that waits in start()
            failure.append(error)
        finally:
            started.set()

    async def _serve(self, started: threading.Event) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        service = Service(self.path, self._seed)
        try:
            service.latency, service.per_object = self._latency
            service.requests = self._requests
            if service.store.project(PRACTICE) is None:
                service.add_project(PRACTICE, description="An empty project to practise in")
            for project in (demo_project, study_project) if self._demo else ():
                if service.store.project(project.NAME) is None:
                    project.build(service)
            runner = web.AppRunner(
                self._application(service),
                access_log=None,
                handle_signals=False,
                shutdown_timeout=0.3,
                read_bufsize=1 << 22,
            )
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", self._wanted_port)
            try:
                await site.start()
                self.port = runner.addresses[0][1]
                self.api_url = f"http://127.0.0.1:{self.port}/graphql"
                service.blobs.base_url = f"http://127.0.0.1:{self.port}"
                config = {
                    "apiKeyFileName": "mvshlf-api-key.json",
                    "apiUrl": self.api_url,
                    "application": "None",
                }
                (self.path / "mvshlf-config.json").write_text(json.dumps(config), encoding="utf-8")
                self._service = service
                started.set()
                await self._stopping.wait()
            finally:
                await runner.cleanup()
        finally:
            self._service = None
            service.close()

    def _application(self, service: Service) -> web.Application:
        application = web.Application(client_max_size=1 << 28, middlewares=[ignore_disconnect])
        application.on_response_prepare.append(add_request_id)
        endpoint = Endpoint(service, self.api_key)
        store = ObjectStore(service)
        application.router.add_post("/graphql", endpoint.handle)
        application.router.add_post("/_sandbox", Control(service, endpoint).handle)
        for method in ("PUT", "GET", "HEAD"):
            for path in ("/store/{key}", "/store/{key}/{name:(?s:.+)}"):
                application.router.add_route(method, path, store.handle)
        return application

    def _call(self, work: Callable[[Service], T]) -> T:
        """Do something in the server's thread, where all its data belong."""
        service, loop = self._service, self._loop
        if service is None or loop is None:
            raise RuntimeError("the sandbox is not running: use it in a `with` block, or call start()")

        async def run() -> T:
            return work(service)

        return asyncio.run_coroutine_threadsafe(run(), loop).result()

    # --- using it

    def connect(self, **options: Any) -> moveshelf.Moveshelf:
        """A client of this sandbox; `options` go to `moveshelf.connect`."""
        import moveshelf  # when called: the two share no code at import

        return moveshelf.connect(api_key=self.api_key, api_url=self.api_url, **options)

    @property
    def requests(self) -> Requests:
        """Every request since it started, or since `requests.clear()`."""
        return self._requests

    # --- content, delays, faults

    def generate(
        self,
        subjects: int = 10,
        sessions: int = 2,
        clips: int = 4,
        files: int = 3,
        *,
        name: str | None = None,
        dates_from: str = "2015-01-05",
        undated: int = 0,
        file_size: int | None = None,
        metadata: bool = True,
    ) -> str:
        """A new project of that shape; returns its name.

        `sessions` of each subject, `clips` of each session in the conditions Barefoot and Braced (one clip: Barefoot
        only), `files` of each clip: derived files, whose bytes are made when they are first read. With
        `file_size` the files are `data-1.bin` and so on, of that many bytes, no two the same. The first `undated`
        sessions have no date.
        """
        return self._call(
            lambda service: generate(
                service,
                subjects,
                sessions,
                clips,
                files,
                name=name,
                dates_from=dates_from,
                undated=undated,
                file_size=file_size,
                metadata=metadata,
            )
        )

    def add_project(
        self,
        name: str,
        template: dict[str, Any] | None = None,
        *,
        can_edit: bool = True,
        description: str = "",
    ) -> str:
        """An empty project (the wire can create none); returns its id."""
        return str(
            self._call(
                lambda service: (
                    service.add_project(name, template, can_edit=can_edit, description=description or None).id
                )
            )
        )

    def latency(self, seconds: float, per_object: float = 0.0) -> None:
        """Delay every response by so many seconds, the blob store's too; a query by so many more for each of its objects."""

        def work(service: Service) -> None:
            service.latency, service.per_object = seconds, per_object

        self._call(work)

    def url_lifetime(self, seconds: float) -> None:
        """How long the URLs signed from now on stay good (an hour)."""
        self._call(lambda service: setattr(service.blobs, "lifetime", seconds))

    def settle_after(self, looks: int) -> None:
        """Let uploaded files be Processing for so many reads of their status before they are Complete (0)."""
        self._call(lambda service: setattr(service, "settle_after", looks))

    def fail(self, operation: str | None = None, **fault: Any) -> None:
        """Queue a fault.

        `operation` aims it: the name of a query or mutation of the schema ("createPatient"), the name that a document
        gives its operation (with a capital letter, or received before), "query", "mutation", "PUT", "GET", "HEAD", "blob"
        (the three), "*" (everything). Without one it strikes GraphQL requests, or the kind of request that its effect
        belongs to. ValueError for any other name, and for an effect that such a request cannot have.

        Effects: `status` (with `retry_after`, `body`), `drop` (True or "before": the connection is cut and nothing
        was carried out; "after": it was), `truncate` (the response, or a PUT's body, is cut after so many bytes, or
        that share of it if a float), `error` (a GraphQL error with status 200), `max_objects` (502 to every
        query that returns more objects), `corrupt` (one bit flipped, in a GET's bytes, or in a PUT's on their
        way), `late_failure` (a PUT that succeeds and whose file then turns Failed), `expire` (the URL has
        expired), `fail_job` (True or a text: the job fails), `redirect` (to that URL), `delay` (so many seconds
        more).

        Which: `times` of them (1; without limit for `max_objects` and `rate`), after the first `after`; with
        `rate` each with that probability, drawn with `seed`.
        """
        self._call(lambda service: service.faults.add(operation=operation, **fault))

    def clear_faults(self) -> None:
        """Remove every fault that waits."""
        self._call(lambda service: service.faults.clear())
