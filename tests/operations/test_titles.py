"""The titles of new trials."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moveshelf.operations.titles import next_title


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
    assert next_title(titles) == new


@given(st.lists(st.text("Trial-0123456789 x_", max_size=10) | st.text(max_size=5), max_size=8))
def test_a_new_title_is_always_new(titles: list[str]) -> None:
    found = next_title(titles)
    assert found not in titles
    assert found.startswith("Trial-")
    assert int(found.removeprefix("Trial-")) >= 1 or any("-" in one for one in titles)


@given(st.lists(st.integers(1, 9999), min_size=1, max_size=8))
def test_numbers_go_on_behind_the_highest(numbers: list[int]) -> None:
    assert next_title([f"Trial-{number}" for number in numbers]) == f"Trial-{max(numbers) + 1}"
