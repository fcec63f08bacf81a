from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox


# a busy machine is no failure
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A sandbox of one's own, with the empty project `lab/practice`."""
    from moveshelf.sandbox import Sandbox

    with Sandbox() as running:
        yield running


@pytest.fixture(scope="session")
def demo() -> Iterator[Sandbox]:
    """One demo sandbox for all tests of a run, to be read only."""
    from moveshelf.sandbox import Sandbox

    with Sandbox(demo=True) as running:
        yield running
