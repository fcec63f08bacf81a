"""Values in one line, and a curve of text."""

from __future__ import annotations

from datetime import date, datetime, timezone

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from moveshelf.cli import text
from moveshelf.values import printable


@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), max_size=60))
def test_a_plot_of_anything(values: list[float | None]) -> None:
    lines = text.plot(list(enumerate(values)))
    assert len(lines) <= 20
    assert all(cell_len(line) <= 80 for line in lines)


def test_a_plot_says_where_it_is() -> None:
    lines = text.plot([(0, 0.0), (50, 60.0), (100, 0.0)])
    ticks = [line.split()[0] for line in lines if "┤" in line]
    assert ticks == ["60", "50", "40", "30", "20", "10", "0"]
    assert lines[-1].split() == ["0", "25", "50", "75", "100"]
    peak = lines[0].split("┤")[1]
    assert len(peak.strip()) < 6, "the peak is narrow"
    assert 25 < len(peak) - len(peak.strip()) < 35, "and in the middle of sixty columns"


def test_values_in_one_line() -> None:
    assert text.shown(None) == ""
    assert text.shown(True) == "yes"
    assert text.shown(date(2024, 5, 6)) == "2024-05-06"
    assert text.shown(datetime(2024, 5, 6, 7, 8, tzinfo=timezone.utc)) == "2024-05-06 07:08"
    assert text.shown({"left": "1", "right": ["2", "3"]}) == "left 1, right 2, 3"
    assert text.shown("a\x1b[31m\nb") == "a b", "names cannot steer the terminal"


@given(st.text(), st.booleans())
def test_clean_is_printable_without_its_import(value: str, lines: bool) -> None:
    assert text.clean(value, lines=lines) == printable(value, lines=lines)
