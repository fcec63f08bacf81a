"""Paths of the service: names of sessions and conditions in them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moveshelf.operations.folders import condition_name


@pytest.mark.parametrize(
    ("clip", "session", "name"),
    [
        ("/P/s/Barefoot/", "/P/s/", "Barefoot"),
        ("/P/s/Barefoot", "/P/s/", "Barefoot"),
        ("P/s/Barefoot", "/P/s", "Barefoot"),
        ("/P/s/", "/P/s/", ""),
        ("/P/s", "/P/s/", ""),
        ("/P/s/a/b/", "/P/s/", "a/b"),
        ("/P/s2/Barefoot/", "/P/s/", "Barefoot"),
        ("/Old name/s/Barefoot/", "/P/s/", "Barefoot"),
        ("/Barefoot/", "/P/s/", ""),
        ("", "/P/s/", ""),
        (None, "/P/s/", ""),
        ("/P/s/Barefoot/", None, "Barefoot"),
    ],
)
def test_condition_name(clip: Any, session: Any, name: str) -> None:
    assert condition_name(clip, session) == name


@given(st.lists(st.text("ab ", min_size=1), min_size=1, max_size=3), st.booleans(), st.booleans())
def test_slashes_at_the_ends_do_not_count(parts: list[str], before: bool, behind: bool) -> None:
    path = f"{'/' * before}P/s/{'/'.join(parts)}{'/' * behind}"
    assert condition_name(path, "/P/s/") == "/".join(parts)
