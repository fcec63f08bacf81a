"""Engines: what a client is made of, and the one that this process makes for objects and parts of work that came without a
connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..config import Config, resolve
from ..errors import ConfigError, DetachedError
from ..lazy.cache import Cache
from ..lazy.engine import Engine
from ..wire import Wire
from ..wire.thread import ProcessLock
from .service import Sender, Service

if TYPE_CHECKING:
    from os import PathLike

    from .read_ahead import ReadAhead

_LOCK = ProcessLock()
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
        from .content_cache import ContentCache

        service.contents = ContentCache(cache, config)
    service.make_ahead = _read_ahead
    return Engine(objects, service)


def _read_ahead() -> ReadAhead:
    from .read_ahead import ReadAhead

    return ReadAhead()


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


__all__ = ["make_engine", "process_engine"]
