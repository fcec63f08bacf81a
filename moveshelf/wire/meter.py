"""What a client counts: its requests, and how many of them are still allowed."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import attrs

from moveshelf.errors import BudgetError
from moveshelf.wire import thread

_FIELDS = ("requests", "retries", "errors", "bytes_sent", "bytes_received", "seconds")


@attrs.define(repr=False)
class Stats:
    """The counters of a client at one moment; `later - earlier` is what happened in between."""

    _meter: Meter | None = attrs.field(eq=False)
    requests: int
    """Requests sent; one that was repeated counts once."""
    retries: int
    """Repetitions of them."""
    errors: int
    """Requests that failed in the end."""
    bytes_sent: int
    """Bytes of request bodies."""
    bytes_received: int
    """Bytes of response bodies, unpacked."""
    seconds: float
    """Between sending and the end of the response, summed over requests: those in parallel add up."""

    def reset(self) -> None:
        """Set the client's counters to zero (this snapshot keeps its numbers)."""
        if self._meter is not None:
            self._meter.reset()

    def as_dict(self) -> dict[str, int | float]:
        """The counters by name."""
        return {name: getattr(self, name) for name in _FIELDS}

    def __sub__(self, earlier: Stats) -> Stats:
        return Stats(self._meter, **{name: getattr(self, name) - getattr(earlier, name) for name in _FIELDS})

    def __reduce__(self) -> tuple[Any, ...]:
        return (_snapshot, (self.as_dict(),))

    def __repr__(self) -> str:
        parts = [f"{self.requests:,} request{'s' if self.requests != 1 else ''}"]
        if self.retries:
            parts.append(f"{self.retries:,} repeated")
        if self.errors:
            parts.append(f"{self.errors:,} failed")
        parts.append(f"{_size(self.bytes_sent)} sent")
        parts.append(f"{_size(self.bytes_received)} received")
        parts.append(f"{self.seconds:.2f} s")
        return f"<Stats {', '.join(parts)}>"


def _snapshot(values: dict[str, Any]) -> Stats:
    return Stats(None, **values)


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


class Budget:
    """`with wire.budget(n) as budget:`: one request more than `limit` raises BudgetError in the thread that sends it.

    `used` and `left` count the requests since its start, of every thread.
    """

    __slots__ = ("_meter", "limit", "used")

    def __init__(self, meter: Meter, limit: int) -> None:
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 0:
            raise ValueError(f"a budget is a number of requests, 0 or more, not {limit!r}")
        self._meter = meter
        self.limit = limit
        self.used = 0

    @property
    def left(self) -> int:
        return self.limit - self.used

    def __enter__(self) -> Budget:
        with thread.lock:
            self.used = 0
            self._meter.budgets = (*self._meter.budgets, self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with thread.lock:
            others = list(self._meter.budgets)
            others.remove(self)
            self._meter.budgets = tuple(others)

    def __repr__(self) -> str:
        return f"<Budget: {self.used} of {self.limit} requests used>"


class Meter:
    """The counters themselves; belongs to a client and outlives its connections."""

    __slots__ = ("budgets", *_FIELDS)

    requests: int
    retries: int
    errors: int
    bytes_sent: int
    bytes_received: int
    seconds: float

    def __init__(self) -> None:
        self.budgets: tuple[Budget, ...] = ()
        self._zero()

    def _zero(self) -> None:
        self.requests = self.retries = self.errors = self.bytes_sent = self.bytes_received = 0
        self.seconds = 0.0

    def reset(self) -> None:
        with thread.lock:
            self._zero()

    def snapshot(self) -> Stats:
        with thread.lock:
            return Stats(self, **{name: getattr(self, name) for name in _FIELDS})

    def charge(self, operation: str) -> None:
        """Count a request, or raise BudgetError (and count nothing) where a budget is used up."""
        with thread.lock:
            for budget in self.budgets:
                if budget.used >= budget.limit:
                    break
            else:
                for budget in self.budgets:
                    budget.used += 1
                self.requests += 1
                return
        raise BudgetError(_over(budget.limit, operation), operation=operation)

    def room(self) -> int | None:
        """How many requests are still allowed; None: no budget is in force."""
        budgets = self.budgets
        return min((budget.limit - budget.used for budget in budgets), default=None) if budgets else None

    def exchange(self, sent: int, received: int, seconds: float) -> None:
        with thread.lock:
            self.bytes_sent += sent
            self.bytes_received += received
            self.seconds += seconds

    def retry(self) -> None:
        with thread.lock:
            self.retries += 1

    def error(self) -> None:
        with thread.lock:
            self.errors += 1


def _over(limit: int, operation: str) -> str:
    if limit == 0:
        return (
            f"{operation!r} needs a request, and no_fetch() (or a budget of 0) forbids it; nothing was sent. "
            f"Load what is needed before, with load(...) or by touching it, or leave the no_fetch() block."
        )
    return (
        f"{operation!r} would be request {limit + 1}, and the budget allows {limit}; it was not sent. Load "
        f"more at once with load(...), or raise the budget."
    )
