from __future__ import annotations

from typing import Any

import pytest
from raw_wire import Wire, http_request

from moveshelf.sandbox import Sandbox


@pytest.fixture
def wire(sandbox: Sandbox) -> Wire:
    return Wire(sandbox)


@pytest.fixture(scope="session")
def demo_wire(demo: Sandbox) -> Wire:
    return Wire(demo)


@pytest.fixture
def get() -> Any:
    return http_request
