from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox


@pytest.fixture(scope="module")
def shared() -> Iterator[Sandbox]:
    """One sandbox for the tests of a module, each with projects of its own in it."""
    from moveshelf.sandbox import Sandbox

    with Sandbox() as running:
        yield running
