"""What goes to the I/O thread and what comes back."""

from __future__ import annotations

from typing import Any, NamedTuple


class Response(NamedTuple):
    """A GraphQL answer as it came: `data` may be partial where there are `errors`."""

    data: dict[str, Any] | None
    errors: list[dict[str, Any]]
    request_id: str | None
    size: int
    """Bytes of its body, unpacked."""
    status: int
    body: bytes
    """As it came, where it was asked for; else empty."""


class Job(NamedTuple):
    """One request on its way: the body as it is sent, and what may be done when it fails."""

    body: bytes
    operation: str
    mutation: bool
    retry: bool
    halve: bool
    keep: bool
    """The answer's body is wanted, too."""
