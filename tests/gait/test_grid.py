"""Curves at other points: against numpy's interpolation, and with gaps."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moveshelf.gait.grid import plan


def test_the_same_points_need_no_way() -> None:
    assert plan(np.array([0.0, 50.0]), np.array([0.0, 50.0])) is None


@given(
    st.lists(st.floats(0, 100), min_size=1, max_size=20, unique=True).map(sorted),
    st.lists(st.floats(-10, 110), min_size=1, max_size=20),
)
def test_as_numpy_interpolates(have: list[float], want: list[float]) -> None:
    at, wanted = np.array(have), np.array(want)
    values = np.sin(at * 0.7) * 30
    way = plan(at, wanted)
    if way is None:
        return
    np.testing.assert_allclose(
        way.apply(values), np.interp(wanted, at, values, left=math.nan, right=math.nan), rtol=1e-7, atol=1e-7
    )


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_along_any_dimension(axis: int) -> None:
    values = np.arange(9.0).reshape(3, 3)
    way = plan(np.array([0.0, 1.0, 2.0]), np.array([0.5, 2.0]))
    assert way is not None
    expected = [[0.5, 2.0], [3.5, 5.0], [6.5, 8.0]] if axis else [[1.5, 2.5, 3.5], [6.0, 7.0, 8.0]]
    np.testing.assert_array_equal(way.apply(values, axis=axis), expected)


def test_a_gap_stays_a_gap_and_its_neighbour_a_value() -> None:
    way = plan(np.array([0.0, 1.0, 2.0]), np.array([0.0, 0.5, 1.0, 1.5, 2.0]))
    assert way is not None
    nan = math.nan
    np.testing.assert_array_equal(way.apply(np.array([1.0, nan, 3.0])), [1.0, nan, nan, nan, 3.0])
