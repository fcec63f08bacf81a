"""What goes to the I/O thread and what comes back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

Check = Callable[..., object]
"""Looks at a response's `data` on the I/O thread and raises RequestError where it does not belong to the request. Called
with the errors of the response as a second argument where there are any: what they name may be null."""


@attrs.frozen(eq=False)
class Response:
    """A GraphQL response as it came: `data` may be partial where there are `errors`."""

    data: dict[str, Any] | None
    errors: list[dict[str, Any]]
    request_id: str | None
    size: int
    """Bytes of its body, unpacked."""
    status: int


@attrs.frozen(eq=False)
class Request:
    """One request: the body as it is sent, and what may be done when it fails."""

    body: bytes
    operation: str
    mutation: bool
    retry: bool
    halve: bool
    check: Check | None
