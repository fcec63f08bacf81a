"""Engines: what a client is made of, the one that this process makes for objects and parts of work that came without a
connection, and which executors may carry such parts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from ..config import Config, resolve
from ..errors import ConfigError, DetachedError, ValidationError
from ..lazy.cache import Cache
from ..lazy.engine import Engine
from ..wire import Wire
from .content_cache import ContentCache
from .read_ahead import ReadAhead
from .service import Sender, Service

if TYPE_CHECKING:
    from os import PathLike

_LOCK = threading.RLock()
_ENGINES: dict[str, Engine] = {}
_HOW = (
    "to load it here, this computer needs a key of its own for that address, where moveshelf.connect() finds it without "
    "arguments: mvshlf-api-key.json and mvshlf-config.json in one folder, or MOVESHELF_API_KEY_FILE and MOVESHELF_API_URL"
)


def make_engine(
    config: Config,
    *,
    timeout: float = 120,
    sender: Sender | None = None,
    cache: str | PathLike[str] | None = None,
) -> Engine:
    """An engine with a connection and an empty cache. Sends nothing."""
    wire = Wire(config.api_url, config.secret, timeout=timeout)
    objects = Cache()
    service = Service(wire, objects, sender)
    service.key_is_argument = config.key_is_argument
    if cache is not None:
        service.contents = ContentCache(cache, config)
    service.ahead = ReadAhead()
    return Engine(objects, service)


def process_engine(url: str) -> Engine:
    """This process's own engine for the service at `url`, made once, for what was unpickled.

    Key and address are those that `connect()` without arguments finds here. Raises DetachedError where there are none, or
    where the address is another one: then nothing is sent.
    """
    with _LOCK:
        known = _ENGINES.get(url)
        if known is not None:
            return known
        try:
            config = resolve()
        except ConfigError as error:
            problem = f"nothing can be fetched here from {url}: {error.message} ({_HOW})"
        else:
            if config.api_url == url:
                engine = _ENGINES[url] = make_engine(config)
                return engine
            problem = f"it came from {url}, while the key of this computer is for {config.api_url} ({_HOW})"
    raise DetachedError(problem)


def runner(executor: Executor, service: Service) -> Callable[[Any], Any]:
    """What the executor calls with each part. Nothing is submitted yet.

    Threads of this process use the service as it is. Any other executor may be one of other processes, which are sent
    the service's address, and use a key of their own.

    Raises ValidationError for what is no executor, ConfigError where the key was handed over in the program: no other
    process has it, and it is never sent to one.
    """
    if not isinstance(executor, Executor):
        raise ValidationError(
            "executor is a concurrent.futures.Executor, such as a ProcessPoolExecutor or Dask's client.get_executor(), "
            f"not {type(executor).__name__}"
        )
    if isinstance(executor, ThreadPoolExecutor):
        return partial(_here, service)
    if service.key_is_argument:
        raise ConfigError(
            f"{type(executor).__name__} runs in other processes, and this client has its key from connect(api_key=...): no "
            "worker can find that key, and a key is never sent to one. Keep the key in a file or in the environment of "
            "every worker (MOVESHELF_API_KEY_FILE, MOVESHELF_API_URL) and connect() without api_key; or pass a "
            "ThreadPoolExecutor"
        )
    return partial(_elsewhere, service.url)


def _here(service: Service, part: Any) -> Any:
    return part.carry_out(service)


def _elsewhere(url: str, part: Any) -> Any:
    """Runs in a worker. Raises DetachedError there where it has no key for that address."""
    return part.carry_out(cast("Service", process_engine(url).service))


__all__ = ["make_engine", "process_engine", "runner"]
