from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from moveshelf.wire import RetryPolicy, Wire

TOKEN = "5ec2e7" * 10 + "c0de"
HURRY = RetryPolicy(attempts=4, first=0.0, cap=0.0, unsent=3, silent=2)


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def token() -> str:
    return TOKEN


@pytest.fixture
def connect() -> Iterator[object]:
    """Wires that do not wait between attempts, closed at the end."""
    wires: list[Wire] = []

    def make(url: str, **options: object) -> Wire:
        wire = Wire(url, TOKEN, **{"retry": HURRY, "timeout": 20, **options})  # type: ignore[arg-type]
        wires.append(wire)
        return wire

    yield make
    for wire in wires:
        wire.close()
