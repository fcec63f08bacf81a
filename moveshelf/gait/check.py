"""Strides that look wrong: gaps, constant curves, jumps, wrong units, wrong signs, exchanged sides, outliers.

Nothing is corrected and nothing is left out: `check` returns a table for a person to look at.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from ..errors import ValidationError
from .scores import END_PERCENT

__all__ = ["LIMITS", "check"]

Floats: TypeAlias = "npt.NDArray[np.float64]"
Rows: TypeAlias = "npt.NDArray[np.intp]"

#: what each check compares with; `check(limits=...)` changes them
LIMITS = {
    "gap": 0.0,
    "missing": 0.0,
    "constant": 0.001,
    "jump": 10.0,
    "unit": 20.0,
    "sign": 0.5,
    "knee sign": 0.8,
    "other side's cycle": 0.5,
    "swapped sides": 0.4,
    "far": 5.0,
}
#: range of motion of typically developing children at free speed, degrees (Schwartz et al. 2008, rounded): a whole
#: array in radians is told by these, since its strides agree with each other
_USUAL_RANGE = {"hip_flexion": 43.0, "knee_flexion": 57.0, "ankle_dorsiflexion": 30.0}
_DEGREES = {"deg", "degree", "degrees", "°"}
_RADIANS = {"rad", "radian", "radians"}
_NOT_ANGLES = ("_moment", "_power", "_length", "_velocity", "_force")
#: strides that must be compared before one of them can be called unlike the others
_FEWEST = 5
#: trials of a condition that must be there before one of them can be said to have its sides exchanged
_FEWEST_CLIPS = 3
#: an outlier of fewer degrees is nothing that anybody would look at
_FAR_DEGREES = 4.0
_JUMP_DEGREES = 3.0
#: how many times further than usual a whole session must be from the others; it is told only where a mirror or half
#: a cycle explains it, since people differ
_FAR_SESSIONS = 3.0
_STRICTER = 0.8
#: percent of the cycle that must be there before a range says anything about units
_WHOLE_CYCLE = 80.0
_IDENTITY = ("subject", "session", "date", "condition", "trial", "clip", "side", "cycle")


def check(curves: xr.DataArray, *, limits: Mapping[str, float] | None = None) -> pd.DataFrame:
    """The strides and channels that look wrong. Sends no request.

    Args:
        curves: strides, dims `stride`, `channel`, `percent`; on `stride` the coordinates `side`, `clip`, `subject`,
            `session` (and their ids) and `condition` where known, on `channel` the coordinate `unit`.
        limits: other limits than `LIMITS`, by the name of the check. `{"constant": -1}` calls no curve constant.

    Returns:
        One row a finding: `stride` (its number in the array), the coordinates that say which stride it is, `channel`,
        `what`, `value` and `limit`. No rows: nothing was found. `what` is

        - "gap": points without a value. `value` is the longest run, percent of the cycle; `limit` what is allowed (0).
          Up to 2 % that a file does not have at an end of the cycle (files of 100 rows begin at 1 % or end at 99 %) are
          no gap, as for the scores.
        - "missing": no value at all, though other strides of the session have this channel; `value` is 100.
        - "constant": the curve does not move. `value` is its range, in the channel's unit; `limit` a thousandth of
          the usual range (the median of all strides).
        - "jump": one point, or one step, that does not belong to a smooth curve. `value` is the second difference
          there, `limit` ten times what nine in ten points of all strides stay below, and at least four times what is
          usual at this part of the cycle (moments and powers are sharp at foot strike), 3 degrees for angles, a
          twentieth of the usual range for others.
        - "unit": the range is less than a twentieth or more than twenty times the usual one, as when radians pass for
          degrees, or N·m/kg for N·mm/kg. `value` is the ratio, `limit` the one it passes. For the flexion of hip, knee
          and ankle the usual range is a known one, so that an array that is wrong as a whole is found too.
        - "sign": upside down. `value` is how far the mirrored curve is from the others, as a share of how far the
          curve itself is; `limit` 0.5 (0.4 where a whole session is compared with the other sessions). A curve of the
          usual shape that is off to the other side of zero is not upside down, but "far". A knee hardly bends
          backwards, so `knee_flexion` is also told where more than 0.8 of its range lies below zero: then
          `value` is that share and `limit` is `LIMITS["knee sign"]`.
        - "other side's cycle": the curve is half a cycle off, as when the left leg's angles are cut at the right
          foot's strikes. `value` and `limit` as of "sign", of the curve moved by half a cycle.
        - "swapped sides": left and right are exchanged. Curves of the two legs are alike, so this can be told only
          from the subject's own asymmetry: the left strides of a trial are compared with the left and with the right
          strides of the other trials of the same session and condition, and the right ones likewise. `value` is the
          distance to the opposite side as a share of the distance to the own side; `limit` 0.4. At least three
          trials are needed, and legs that differ by more than three times the spread of a trial's strides (for angles
          at least 4 degrees; else at least a tenth of the usual range): a subject who walks symmetrically can have
          exchanged sides that no curve shows.
        - "far": far from the other strides of the same side, session and condition (of all sessions, where these are
          fewer than five). `value` is the root mean square distance from their median curve, `limit` five times the
          median of these distances (for angles at least 4 degrees; else at least a tenth of the usual range).

        A curve that one of the others explains is not called "far" as well.

    Raises:
        ValidationError: a dimension is missing, or a limit has no such name.

    Example:
        >>> check(curves)[["trial", "side", "cycle", "channel", "what", "value"]]
        >>> good = curves.drop_isel(stride=sorted(set(check(curves).stride)))
    """
    missing = {"stride", "channel", "percent"} - set(map(str, curves.dims))
    if missing or len(curves.dims) != 3 or "channel" not in curves.coords or "percent" not in curves.coords:
        raise ValidationError(
            "curves have the dimensions stride, channel and percent, with coordinates; "
            f"these have {', '.join(map(str, curves.dims))}"
        )
    for name in limits or {}:
        if name not in LIMITS:
            raise ValidationError(f"there is no check {name!r}: {', '.join(LIMITS)}")
    found = _Findings(
        curves.transpose("stride", "channel", "percent").sortby("percent"), {**LIMITS, **(limits or {})}
    )
    for index in range(curves.sizes["channel"]):
        found.look_at(index)
    return found.table()


class _Findings:
    """The checks of one array, channel by channel; what is found is collected in `rows`."""

    def __init__(self, curves: xr.DataArray, limits: Mapping[str, float]) -> None:
        self.curves = curves
        self.limits = limits
        self.values: Floats = np.asarray(curves.values, dtype=np.float64)
        self.percent: Floats = np.asarray(curves.coords["percent"].values, dtype=np.float64)
        self.channels = [str(name) for name in curves.coords["channel"].values]
        self.sides = self.words("side")
        self.clips = self.words("clip")
        # ids tell subjects and sessions of one name apart
        sessions = ("subject", "subject_id", "session", "session_id")
        self.sessions = self.keys(sessions)
        self.conditions = self.keys((*sessions, "condition"))
        self.rows: list[tuple[int, int, str, float, float]] = []

    def words(self, name: str) -> npt.NDArray[np.object_]:
        count = self.curves.sizes["stride"]
        if name not in self.curves.coords or self.curves.coords[name].dims != ("stride",):
            return np.full(count, "", dtype=object)
        return np.array([str(one) for one in self.curves.coords[name].values], dtype=object)

    def keys(self, names: Iterable[str]) -> npt.NDArray[np.intp]:
        """A number for each stride: the same for strides that share these coordinates."""
        parts = list(zip(*(self.words(name) for name in names), strict=True))
        known = {key: n for n, key in enumerate(dict.fromkeys(parts))}
        return np.array([known[key] for key in parts], dtype=np.intp)

    def table(self) -> pd.DataFrame:
        order = {what: n for n, what in enumerate(LIMITS)}
        rows = sorted(self.rows, key=lambda row: (row[0], row[1], order[row[2]]))
        strides = [row[0] for row in rows]
        columns: dict[str, Any] = {"stride": np.array(strides, dtype=np.int64)}
        for name in _IDENTITY:
            if name in self.curves.coords and self.curves.coords[name].dims == ("stride",):
                columns[name] = self.curves.coords[name].values[strides]
        columns["channel"] = [self.channels[row[1]] for row in rows]
        columns["what"] = [row[2] for row in rows]
        columns["value"] = np.array([row[3] for row in rows], dtype=np.float64)
        columns["limit"] = np.array([row[4] for row in rows], dtype=np.float64)
        made: pd.DataFrame = pd.DataFrame(columns)
        return made

    # -- one channel --------------------------------------------------------------------------------------------

    def look_at(self, index: int) -> None:
        curves = self.values[:, index, :]
        finite = np.isfinite(curves)
        empty = np.asarray(~finite.any(axis=1))
        self.gaps(index, finite, empty)
        rows = np.flatnonzero(~empty)
        if not len(rows):
            return
        ranges = np.full(len(curves), np.nan)
        ranges[rows] = np.nanmax(curves[rows], axis=1) - np.nanmin(curves[rows], axis=1)
        usual = float(np.nanmedian(ranges))
        wrong = self.constant(index, ranges, usual) | self.units(index, ranges, usual)
        sound = np.array([row for row in rows if row not in wrong], dtype=np.intp)
        self.jumps(index, curves, sound, usual)
        wrong |= self.knees(index, curves, sound)
        # half of a curve at least must be there to be compared with others
        sound = sound[finite[sound].mean(axis=1) >= 0.5]
        wrong |= self.swapped(index, curves, sound, usual)
        wrong |= self.unlike_other_sessions(
            index, curves, np.array([r for r in sound if r not in wrong], dtype=np.intp)
        )
        self.unlike_the_others(index, curves, sound, usual, wrong)

    def is_angle(self, index: int) -> bool:
        unit = self.unit(index)
        return unit in _DEGREES or (not unit and not self.channels[index].endswith(_NOT_ANGLES))

    def unit(self, index: int) -> str:
        if "unit" not in self.curves.coords:
            return ""
        units = np.atleast_1d(self.curves.coords["unit"].values)
        return str(units[index] if len(units) == len(self.channels) else units[0]).strip().casefold()

    def gaps(self, index: int, finite: npt.NDArray[np.bool_], empty: npt.NDArray[np.bool_]) -> None:
        step = float(np.ptp(self.percent)) / max(1, finite.shape[1] - 1)
        at_an_end = (self.percent < END_PERCENT) | (self.percent > 100 - END_PERCENT)
        for row in np.flatnonzero(~finite.all(axis=1)):
            if empty[row]:
                others = (self.sessions == self.sessions[row]) & (self.sides == self.sides[row])
                if not empty[others].all():
                    self.rows.append((int(row), index, "missing", 100.0, self.limits["missing"]))
                continue
            runs = _runs(~(finite[row] | at_an_end))
            if not runs:
                continue
            # with all that is absent, once any of it is a gap: a curve that ends at 90 % has one of 10 %
            longest = max(_runs(~finite[row])) * step
            if longest > self.limits["gap"]:
                self.rows.append((int(row), index, "gap", longest, self.limits["gap"]))

    def constant(self, index: int, ranges: Floats, usual: float) -> set[int]:
        usual = max(usual, _USUAL_RANGE.get(self.channels[index], 0.0) if self.is_angle(index) else 0.0)
        if self.limits["constant"] < 0:
            return set()
        limit = max(self.limits["constant"] * usual, 1e-9)
        found = np.flatnonzero(ranges <= limit)
        self.rows += [(int(row), index, "constant", float(ranges[row]), limit) for row in found]
        return set(map(int, found))

    def units(self, index: int, ranges: Floats, usual: float) -> set[int]:
        if np.ptp(self.percent) < _WHOLE_CYCLE:
            return set()
        limit = self.limits["unit"]
        known = _USUAL_RANGE.get(self.channels[index])
        if known is not None and (self.is_angle(index) or self.unit(index) in _RADIANS):
            usual = known / (180 / np.pi if self.unit(index) in _RADIANS else 1)
        elif np.isfinite(ranges).sum() < _FEWEST:
            return set()
        if not usual > 0:
            return set()
        ratios = ranges / usual
        found: set[int] = set()
        for row in np.flatnonzero(np.isfinite(ratios) & (ratios > 0)):
            ratio = float(ratios[row])
            if ratio < 1 / limit or ratio > limit:
                self.rows.append((int(row), index, "unit", ratio, 1 / limit if ratio < 1 else limit))
                found.add(int(row))
        return found

    def jumps(self, index: int, curves: Floats, rows: Rows, usual: float) -> None:
        if not len(rows) or curves.shape[1] < 5:
            return
        second = np.abs(np.diff(curves[rows], n=2, axis=1))
        if not np.isfinite(second).any():
            return
        floor = _JUMP_DEGREES if self.is_angle(index) else usual / 20
        floor = max(floor, self.limits["jump"] * float(np.nanquantile(second, 0.9)))
        limits = np.full(second.shape[1], floor)
        if len(rows) >= _FEWEST:
            # a few strides that jump at the same place do not reach the third quarter
            here = np.nanquantile(np.where(np.isfinite(second), second, 0.0), 0.75, axis=0)
            around = np.nanmax([np.roll(here, -1), here, np.roll(here, 1)], axis=0)
            limits = np.fmax(limits, 4 * around)
        shares = np.where(np.isfinite(second), second, 0.0) / limits
        for row, place in zip(range(len(rows)), shares.argmax(axis=1), strict=True):
            if shares[row, place] > 1:
                self.rows.append(
                    (int(rows[row]), index, "jump", float(second[row, place]), float(limits[place]))
                )

    def knees(self, index: int, curves: Floats, rows: Rows) -> set[int]:
        if self.channels[index] != "knee_flexion":
            return set()
        found = set()
        for row in rows:
            low, high = float(np.nanmin(curves[row])), float(np.nanmax(curves[row]))
            share = -low / (high - low)
            if share > self.limits["knee sign"]:
                self.rows.append((int(row), index, "sign", share, self.limits["knee sign"]))
                found.add(int(row))
        return found

    # -- strides against each other -----------------------------------------------------------------------------

    def swapped(self, index: int, curves: Floats, rows: Rows, usual: float) -> set[int]:
        found: set[int] = set()
        least = _FAR_DEGREES if self.is_angle(index) else usual / 10
        for members in _groups(self.conditions[rows], rows):
            members = members[np.isin(self.sides[members], ("left", "right")) & (self.clips[members] != "")]
            trials = list(_groups(self.clips[members], members))
            if len(trials) < _FEWEST_CLIPS:
                continue
            medians = {
                (n, side): _median(curves[trial[self.sides[trial] == side]])
                for n, trial in enumerate(trials)
                for side in ("left", "right")
            }
            spreads = [
                _distances(curves[trial[self.sides[trial] == side]], medians[n, side])
                for n, trial in enumerate(trials)
                for side in ("left", "right")
            ]
            within = float(np.nanmedian(np.concatenate(spreads)))
            for n, trial in enumerate(trials):
                own, opposite = [], []
                for side, other in (("left", "right"), ("right", "left")):
                    rest = [medians[k, side] for k in range(len(trials)) if k != n]
                    turned = [medians[k, other] for k in range(len(trials)) if k != n]
                    own.append(_distance(medians[n, side], _median(np.array(rest))))
                    opposite.append(_distance(medians[n, side], _median(np.array(turned))))
                if not np.isfinite(own + opposite).all():
                    continue  # a side has no strides: nothing to compare
                ratio = sum(opposite) / max(sum(own), 1e-12)
                if ratio < self.limits["swapped sides"] and np.mean(own) > max(least, 3 * within):
                    self.rows += [
                        (int(r), index, "swapped sides", ratio, self.limits["swapped sides"]) for r in trial
                    ]
                    found |= set(map(int, trial))
        return found

    def unlike_other_sessions(self, index: int, curves: Floats, rows: Rows) -> set[int]:
        """Whole sessions that are upside down or half a cycle off, compared with the other sessions."""
        found: set[int] = set()
        for members in _groups(self.sides[rows], rows):
            groups = list(_groups(self.conditions[members], members))
            if len(groups) < _FEWEST:
                continue
            medians = np.array([_median(curves[group]) for group in groups])
            middle = _median(medians)
            distances = _distances(medians, middle)
            limit = _FAR_SESSIONS * float(np.nanmedian(distances))
            for group, median, distance in zip(groups, medians, distances, strict=True):
                told = (
                    self.explained(median, middle, float(distance), _STRICTER) if distance > limit else None
                )
                if told:
                    self.rows += [(int(row), index, *told) for row in group]
                    found |= set(map(int, group))
        return found

    def unlike_the_others(
        self, index: int, curves: Floats, rows: Rows, usual: float, known: set[int]
    ) -> None:
        floor = _FAR_DEGREES if self.is_angle(index) else usual / 10
        for members in _groups(self.sides[rows], rows):
            for group in _groups(self.conditions[members], members):
                others = group if len(group) >= _FEWEST else members
                if len(others) < _FEWEST:
                    continue
                middle = _median(curves[others])
                limit = max(
                    floor, self.limits["far"] * float(np.nanmedian(_distances(curves[others], middle)))
                )
                for row, distance in zip(group, _distances(curves[group], middle), strict=True):
                    if distance > limit and int(row) not in known:
                        told = self.explained(curves[row], middle, float(distance))
                        self.rows.append((int(row), index, *(told or ("far", float(distance), limit))))

    def explained(
        self, curve: Floats, middle: Floats, distance: float, part: float = 1.0
    ) -> tuple[str, float, float] | None:
        """Whether the curve, mirrored or moved by half a cycle, is like the others."""
        moved = np.interp((self.percent + 50) % 100, self.percent, curve)
        shares = {
            "sign": _distance(-curve, middle) / distance,
            "other side's cycle": _distance(moved, middle) / distance,
        }
        shape, usual = curve - np.nanmean(curve), middle - np.nanmean(middle)
        if _distance(shape, usual) <= _distance(-shape, usual):
            del shares["sign"]  # an offset to the other side of zero is no mirror: its shape is the usual one
        what = min(shares, key=lambda name: shares[name] if np.isfinite(shares[name]) else np.inf)
        limit = part * self.limits[what]
        return (what, shares[what], limit) if shares[what] < limit else None


def _runs(flags: npt.NDArray[np.bool_]) -> list[int]:
    """Lengths of the runs of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return [int(end - start) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def _groups(keys: npt.NDArray[Any], rows: Rows) -> Iterator[Rows]:
    """The rows of each key, in order of appearance."""
    for key in dict.fromkeys(keys.tolist()):
        yield rows[keys == key]


def _median(curves: Floats) -> Floats:
    """The median at each point, NaN where no curve has a value."""
    if not len(curves):
        return np.full(curves.shape[1:], np.nan)
    if np.isfinite(curves).all():
        return np.asarray(np.median(curves, axis=0), dtype=np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanmedian(curves, axis=0), dtype=np.float64)


def _distances(curves: Floats, other: Floats) -> Floats:
    """Root mean square difference of each curve, over the points that the two have; NaN where there are none."""
    squares = (curves - other) ** 2
    count = np.isfinite(squares).sum(axis=1)
    sums = np.nansum(squares, axis=1)
    means = np.divide(sums, count, out=np.full(len(sums), np.nan), where=count > 0)
    return np.asarray(np.sqrt(means), dtype=np.float64)


def _distance(curve: Floats, other: Floats) -> float:
    return float(_distances(curve[np.newaxis], other)[0])
