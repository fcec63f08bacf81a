"""What a store says, read with care."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from little_store import Store

from moveshelf.transfer.blob import Stored, content_range, crc_of, head

Run = Callable[..., Any]


def test_heads(run: Run, store: Store) -> None:
    store.objects["x"] = b"hello"
    found = run(head, store.url("x"))
    assert found.size == 5
    assert found.crc32c == "mnG7TA=="
    store.faults = [403]
    assert run(head, store.url("x")) == found
    assert store.log[-1] == ("GET", "x", "bytes=0-0")
    store.objects["x"] = b""
    store.faults = [405]
    assert run(head, store.url("x")) == Stored(0, "AAAAAA==")


def test_headers_are_read_with_care() -> None:
    assert content_range("bytes 0-9/100") == (0, 100)
    assert content_range("bytes */7") == (None, 7)
    assert content_range("bytes 5-9/*") == (5, None)
    assert content_range("lines 1-2/3") == (None, None)
    assert crc_of({"x-goog-hash": "md5=abc=="}) is None
    assert crc_of({"x-goog-hash": "md5=abc==, crc32c=mnG7TA=="}) == "mnG7TA=="
    assert crc_of({"x-goog-hash": "xcrc32c=mnG7TA=="}) is None
