"""Work in parts, carried by an executor of the caller's: threads, other processes, other computers.

A part names files by their ids. Whoever carries it out passes the service: the caller's own in threads of this process,
in other processes the one that they make with a key of their own (connection.py). No key is ever in a part.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import Any, TypeVar, cast

from ..errors import ConfigError, ValidationError
from .connection import process_engine
from .service import Service

T = TypeVar("T")

#: Files in one part: their signed URLs are one request.
FILES_A_PART = 64
#: Parts that are submitted and not used yet: results that are done wait in memory.
PARTS_AHEAD = 64
#: The same where a part's result is the files' bytes.
BYTES_A_PART = 8
BYTES_AHEAD = 8


def split(rows: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The rows in parts of that size."""
    for begin in range(0, len(rows), size):
        yield rows[begin : begin + size]


def results(
    executor: Executor, run: Callable[[Any], T], parts: Iterable[Any], ahead: int = PARTS_AHEAD
) -> Iterator[T]:
    """The result of each part, in order. At most `ahead` parts are submitted and not used yet.

    Raises what a part raised, or the executor's own error where a worker died; parts that have not begun are cancelled.
    """
    waiting = iter(parts)
    submitted = deque(executor.submit(run, part) for part in islice(waiting, ahead))
    try:
        while submitted:
            result = submitted.popleft().result()
            submitted += [executor.submit(run, part) for part in islice(waiting, 1)]
            yield result
    finally:
        for future in submitted:
            future.cancel()


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
