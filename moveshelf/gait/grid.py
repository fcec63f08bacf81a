"""Curves at other points of the gait cycle: linear between neighbours, never beyond the ends nor across a gap."""

from __future__ import annotations

import attrs
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@attrs.frozen(eq=False)
class Plan:
    """How to get from some points to others: the two neighbours of each, the upper one's share, and what is outside."""

    low: npt.NDArray[np.intp]
    high: npt.NDArray[np.intp]
    share: Array
    outside: npt.NDArray[np.bool_]

    def apply(self, values: Array, axis: int = -1) -> Array:
        """The values at the points that are wanted. `axis` is that of the points."""
        moved = np.moveaxis(values, axis, -1)
        below, above = moved[..., self.low], moved[..., self.high]
        # at a point of the curve itself its neighbour does not count, empty or not
        mixed = np.where(self.share == 0, below, below * (1 - self.share) + above * self.share)
        mixed[..., self.outside] = np.nan
        return np.moveaxis(mixed, -1, axis)


def plan(have: Array, want: Array) -> Plan | None:
    """The way from the points there are, in rising order, to those that are wanted; None where they are the same."""
    if np.array_equal(have, want):
        return None
    last = len(have) - 1
    high = np.searchsorted(have, want)
    outside = high > last
    high = np.minimum(high, last)
    exact = have[high] == want
    outside |= (high == 0) & ~exact
    low = np.where(exact | (high == 0), high, high - 1)
    width = have[high] - have[low]
    share = np.divide(want - have[low], width, out=np.zeros_like(want), where=width > 0)
    return Plan(low, high, share, outside)
