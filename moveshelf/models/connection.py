"""Engines: what a client is made of, and the one that this process makes for objects that came without a connection."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ..config import Config, resolve
from ..errors import ConfigError, DetachedError
from ..lazy.cache import Cache
from ..lazy.engine import Engine
from ..lazy.origin import Origin
from ..operations.content_cache import ContentCache
from ..operations.service import Sender, Service
from ..wire import Wire
from .account import Account

if TYPE_CHECKING:
    from os import PathLike

_LOCK = threading.RLock()
_ENGINES: dict[str, tuple[Engine, Account]] = {}
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
) -> tuple[Engine, Account]:
    """An engine with a connection and a cache, and the account of its key, which holds the engine. Sends nothing."""
    wire = Wire(config.api_url, config.secret, timeout=timeout)
    objects = Cache()
    service = Service(wire, objects, sender)
    service.key_is_argument = config.key_is_argument
    if cache is not None:
        service.contents = ContentCache(cache, config)
    engine = Engine(objects, service)
    account = Account("viewer", engine)
    with objects.lock:
        objects.objects.put(account)
    return engine, account


def process_engine(url: str) -> Engine:
    """This process's own engine for the service at `url`, made once, for what was unpickled.

    Key and address are those that `connect()` without arguments finds here. Raises DetachedError where there are none, or
    where the address is another one: then nothing is sent.
    """
    with _LOCK:
        known = _ENGINES.get(url)
        if known is not None:
            return known[0]
        try:
            config = resolve()
        except ConfigError as error:
            problem = f"nothing can be fetched here from {url}: {error.message} ({_HOW})"
        else:
            if config.api_url == url:
                _ENGINES[url] = make_engine(config)
                return _ENGINES[url][0]
            problem = f"it came from {url}, while the key of this computer is for {config.api_url} ({_HOW})"
    raise DetachedError(problem)


Origin.connector = staticmethod(process_engine)

__all__ = ["make_engine", "process_engine"]
