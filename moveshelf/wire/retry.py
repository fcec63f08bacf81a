"""When a failed request is sent again, and after how long."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus

# what went wrong, as far as the decision to repeat goes
REFUSED = "refused"  # an HTTP status
UNSENT = "unsent"  # no connection: the service has seen nothing
BARRED = "barred"  # no connection, and none to be expected: certificate, proxy password
LOST = "lost"  # the connection broke, or the answer is not whole
SILENT = "silent"  # nothing came for `timeout` seconds
STRANGE = "strange"  # an answer that is none: repeating it will not help


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed attempt. Holds text only: the exceptions of the libraries below know the token."""

    kind: str
    reason: str = ""
    status: int | None = None
    body: str = ""
    request_id: str | None = None
    retry_after: float | None = None
    location: str | None = None
    errors: list[dict[str, object]] = field(default_factory=list)
    data: dict[str, object] | None = None
    slow: bool = False
    """It took its time to fail: no reason to wait for it often."""

    @property
    def transient(self) -> bool:
        """Whether the same question may be answered another time."""
        if self.kind == REFUSED:
            status = self.status or 0
            return status in (408, 429) or (status >= 500 and status not in (501, 505))
        return self.kind in (UNSENT, LOST, SILENT)

    @property
    def untouched(self) -> bool:
        """Whether it is certain that the service has not carried the request out."""
        if self.kind == REFUSED:
            return (self.status or 0) < 500 or (self.status == 503 and self.retry_after is not None)
        return self.kind in (UNSENT, BARRED)

    @property
    def smaller_helps(self) -> bool:
        """Whether half the question may be answered where the whole was not."""
        if self.kind == REFUSED:
            return self.status in (413, 502, 504) or speaks_of_size(self.errors)
        return self.kind == SILENT


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a request is tried in all, and the pauses between.

    The pause doubles from `first` up to `cap` seconds, of which a random half is taken off, so that many
    clients do not come back together. `Retry-After` is obeyed up to `patience` seconds; beyond it the error
    is raised at once and says how long the service asked to wait. Where no connection can be made, `unsent`
    tries are enough: a wrong address should not take long to notice. A silent service is tried `silent`
    times: each costs the whole timeout.
    """

    attempts: int = 6
    first: float = 0.4
    cap: float = 15.0
    patience: float = 120.0
    unsent: int = 4
    silent: int = 2

    def pause(self, failure: Failure, attempt: int, *, mutation: bool) -> float | None:
        """Seconds to wait after attempt number `attempt` (from 1), or None: do not try again."""
        kind = SILENT if failure.slow else failure.kind
        limit = {UNSENT: self.unsent, SILENT: self.silent}.get(kind, self.attempts)
        if not failure.transient or attempt >= min(limit, self.attempts):
            return None
        if mutation and not (failure.untouched and failure.status != 408):
            return None
        pause: float = min(self.first * 2.0 ** (attempt - 1), self.cap) * (1 - random.random() / 2)
        if failure.retry_after is None:
            return pause
        if failure.retry_after > self.patience:
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
    """Whether GraphQL errors refuse a question for its size or cost (servers word it in their own ways)."""
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
        return "no answer"
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
