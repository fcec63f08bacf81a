"""What tests need of a flat client's inside."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from moveshelf import Moveshelf
    from moveshelf.api import MoveshelfApi


def connection(api: MoveshelfApi) -> Moveshelf:
    """The client behind a flat client; unlike `api.client` it does not make responses populate objects."""
    found: Moveshelf = api._MoveshelfApi__connection()  # type: ignore[attr-defined]
    return found
