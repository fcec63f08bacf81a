"""The titles of new trials."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("titles", "new"),
    [
        ([], "Trial-1"),
        (["Trial-1", "Trial-7"], "Trial-8"),
        (["Static"], "Trial-2"),
        (["gait 3"], "Trial-4"),
        (["Trial-1", "Trial-2", "20260301"], "Trial-3"),
    ],
)
def test_the_next_title(titles: list[str], new: str) -> None:
    from moveshelf.operations.titles import next_title

    assert next_title(titles) == new
