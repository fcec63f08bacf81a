"""How work gets to the processes of an executor: which executors may carry it, and what a worker does with a part.

Here, and not with the parts: a worker that imports this module has declared the classes of objects, which queries are made of.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import Any, cast

from ..errors import ConfigError, ValidationError
from ..operations.connection import process_engine
from ..operations.service import Service


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


__all__ = ["runner"]
