from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from moveshelf.api import MoveshelfApi

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox


@pytest.fixture
def api(sandbox: Sandbox) -> Iterator[MoveshelfApi]:
    """A flat client of a sandbox of one's own."""
    with MoveshelfApi(sandbox.key_file, sandbox.api_url) as made:
        yield made


@pytest.fixture
def demo_api(demo: Sandbox) -> Iterator[MoveshelfApi]:
    """A flat client of the demo, to read."""
    with MoveshelfApi(demo.key_file, demo.api_url) as made:
        yield made


@pytest.fixture
def practice(api: MoveshelfApi) -> str:
    """The id of the empty project."""
    return str(api.getUserProjects()[0]["id"])
