"""When a failed request is sent again, and after how long."""

from __future__ import annotations

import random
import time
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import attrs

from moveshelf.errors import RequestError

# what went wrong, as far as the decision to repeat goes
REFUSED = "refused"  # an HTTP status
UNSENT = "unsent"  # no connection: the service has seen nothing
BARRED = "barred"  # no connection, and none to be expected: certificate, proxy password
LOST = "lost"  # the connection broke, or the response is not whole
SILENT = "silent"  # nothing came for `timeout` seconds
MALFORMED = "malformed"  # a response that is no GraphQL response: repeating the request will not help
FOREIGN = "foreign"  # a response that belongs to another request
HUGE = "huge"  # a response too large to be held in memory


@attrs.frozen(eq=False)
class Failure:
    """One failed attempt. Holds text only: the exceptions of the libraries below know the token."""

    kind: str
    reason: str = ""
    status: int | None = None
    body: str = ""
    request_id: str | None = None
    retry_after: float | None = None
    location: str | None = None
    errors: list[dict[str, object]] = attrs.field(factory=list)
    data: dict[str, object] | None = None
    slow: bool = False
    """It took its time to fail: no reason to wait for it often."""
    error: RequestError | None = None
    """What the caller's own check of the response has raised."""

    @property
    def transient(self) -> bool:
        """Whether the same request may succeed another time."""
        if self.kind == REFUSED:
            status = self.status or 0
            return status in (408, 429) or (status >= 500 and status not in (501, 505))
        return self.kind in (UNSENT, LOST, SILENT, FOREIGN)

    @property
    def untouched(self) -> bool:
        """Whether it is certain that the service has not carried the request out.

        408 is not among them: some gateways send it when the service behind them was too slow. 503 is, where the
        service names a time to come back: then it has refused the request before it looked at it.
        """
        if self.kind == REFUSED:
            status = self.status or 0
            return (status < 500 and status != 408) or (status == 503 and self.retry_after is not None)
        return self.kind in (UNSENT, BARRED)

    @property
    def smaller_helps(self) -> bool:
        """Whether a request for half as much may succeed where this one did not."""
        if self.kind == REFUSED:
            return self.status in (413, 502, 504) or speaks_of_size(self.errors)
        return self.kind in (SILENT, HUGE)


@attrs.frozen(eq=False)
class RetryPolicy:
    """How often a request is tried in all, and the pauses between.

    The pause doubles from `first` up to `cap` seconds, of which a random half is taken off, so that many
    clients do not come back together. `Retry-After` is obeyed up to `longest_wait` seconds; beyond it the
    error is raised at once and says how long the service wants clients to wait. Where no connection can be
    made, `unsent` tries are enough: a wrong URL should not take long to notice. A silent service is tried
    `silent` times: each costs the whole timeout. A response that belongs to another request is replaced by
    that of a new connection, at once, up to `foreign` tries.
    """

    attempts: int = 6
    first: float = 0.4
    cap: float = 15.0
    longest_wait: float = 120.0
    unsent: int = 4
    silent: int = 2
    foreign: int = 2

    def pause(self, failure: Failure, attempt: int, *, mutation: bool) -> float | None:
        """Seconds to wait after attempt number `attempt` (from 1), or None: do not try again."""
        kind = SILENT if failure.slow else failure.kind
        limits = {UNSENT: self.unsent, SILENT: self.silent, FOREIGN: self.foreign}
        if not failure.transient or attempt >= min(limits.get(kind, self.attempts), self.attempts):
            return None
        if mutation and not failure.untouched:
            return None
        if kind == FOREIGN:
            return 0.0
        pause: float = min(self.first * 2.0 ** (attempt - 1), self.cap) * (1 - random.random() / 2)
        if failure.retry_after is None:
            return pause
        if failure.retry_after > self.longest_wait:
            return None
        return failure.retry_after + pause / 4


def retry_after(value: str | None) -> float | None:
    """Seconds of a `Retry-After` header, which is a number or a date; None for none or nonsense."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (TypeError, ValueError, OverflowError):
            return None
    if not seconds < 1e9:  # inf and nan too
        return None
    return max(seconds, 0.0)


_SUBJECT = (
    "query",
    "document",
    "request",
    "response",
    "result",
    "operation",
    "complexity",
    "cost",
    "depth",
    "alias",
)
_MEASURE = (
    "too large",
    "too big",
    "too complex",
    "too deep",
    "too expensive",
    "too many",
    "exceed",
    "more than",
)
_CODES = ("COMPLEX", "TOO_LARGE", "TOO_BIG", "DEPTH", "COST_LIMIT")


def speaks_of_size(errors: list[dict[str, object]]) -> bool:
    """Whether GraphQL errors refuse a request for its size or cost (servers word it in their own ways)."""
    for error in errors:
        extensions = error.get("extensions")
        code = str(extensions.get("code", "")).upper() if isinstance(extensions, dict) else ""
        text = str(error.get("message", "")).lower()
        if "rate limit" in text or "RATE" in code:
            continue  # too many requests, not too large a one
        if any(part in code for part in _CODES):
            return True
        if any(word in text for word in _SUBJECT) and any(word in text for word in _MEASURE):
            return True
        if "tokens" in text and "parsing aborted" in text:
            return True
    return False


def phrase(status: int | None) -> str:
    """`502 Bad Gateway`."""
    if status is None:
        return "no response"
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
