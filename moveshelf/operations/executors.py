"""Work in parts, carried by an executor of the caller's: threads, other processes, other computers.

A part names files by their ids. The process that carries it out passes the service: the caller's own in threads of this
process, in other processes the one that they make with a key of their own (connection.py). No key is ever in a part.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from itertools import islice
from typing import Any, TypeVar

T = TypeVar("T")

#: Files in one part: their signed URLs are one request.
FILES_A_PART = 64
#: Parts that are submitted and not used yet: results that are done wait in memory.
PARTS_AHEAD = 64
#: The same where a part's result is the files' bytes.
BYTES_A_PART = 8
BYTES_AHEAD = 8


#: Has parts carried out, at most so many ahead of the use of their results, and gets these in order.
Carry = Callable[[Iterable[Any], int], Iterator[Any]]


def split(rows: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The rows in parts of that size."""
    for begin in range(0, len(rows), size):
        yield rows[begin : begin + size]


def carried(
    carry: Carry, rows: Sequence[T], part: Callable[[Sequence[T]], Any], size: int, ahead: int
) -> Iterator[tuple[T, Any]]:
    """Each row with its result, in order. `part` makes a part of `size` rows, whose results are one for each of them."""
    found = carry(map(part, split(rows, size)), ahead)
    for some, result in zip(split(rows, size), found, strict=True):
        yield from zip(some, result, strict=True)


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
