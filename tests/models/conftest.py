from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from moveshelf import Moveshelf, Project
    from moveshelf.sandbox import Sandbox


@pytest.fixture(scope="module")
def shared() -> Iterator[Sandbox]:
    """One sandbox for the tests of a module, each with projects or names of its own in it."""
    from moveshelf.sandbox import Sandbox

    with Sandbox() as running:
        yield running


@pytest.fixture
def ms(shared: Sandbox) -> Iterator[Moveshelf]:
    with shared.connect() as client:
        yield client


@pytest.fixture
def reader(demo: Sandbox) -> Iterator[Moveshelf]:
    """A client of the demo, which tests only read."""
    with demo.connect() as client:
        yield client


@pytest.fixture
def project(reader: Moveshelf) -> Project:
    return reader.projects["lab/demo"]
