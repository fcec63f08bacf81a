"""Patterns of names and paths: a file whose name looks like a pattern is meant by its name."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moveshelf import ValidationError
from moveshelf.transfer.patterns import Patterns

names = st.text("ab[]*?1-", min_size=1, max_size=5)


@given(st.lists(names, min_size=1, max_size=6, unique=True), st.data())
def test_a_pattern_that_is_a_listed_name_means_that_file(paths: list[str], data: st.DataObject) -> None:
    chosen = data.draw(st.sampled_from(paths))
    included, excluded = Patterns(include=chosen), Patterns(exclude=chosen)
    for patterns in (included, excluded):
        patterns.settle(paths)
    assert [path for path in paths if included.fits(path)] == [chosen]
    assert [path for path in paths if not excluded.fits(path)] == [chosen]
    assert included.unmatched == []


def test_patterns_that_are_no_name_match_as_before() -> None:
    patterns = Patterns(include=["*.c3d", "Trial [12].json"])
    paths = ["P/a.C3D", "P/Trial 1.json", "P/Trial 3.json"]
    patterns.settle(paths)
    assert [path for path in paths if patterns.fits(path)] == paths[:2]


def test_what_is_no_pattern() -> None:
    with pytest.raises(ValidationError, match="include is a pattern"):
        Patterns(include=Path("x"))  # type: ignore[arg-type]
