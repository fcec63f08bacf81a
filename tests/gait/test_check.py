"""Checks of strides: each fault put into realistic curves is found where it is, and clean curves raise no alarm."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from walking import ANGLES, KINETICS, together, walk

from moveshelf.errors import ValidationError
from moveshelf.gait.check import LIMITS, check

KNEE = list(ANGLES).index("knee_flexion")
ALL = {**ANGLES, **KINETICS}


@pytest.fixture(autouse=True)
def _no_warnings() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def asymmetric(seed: int) -> xr.DataArray:
    """Five trials of somebody whose left knee is stiff."""
    curves = walk(seed=seed, trials=5)
    left = curves.side.values == "left"
    knee = curves.values[left, KNEE]
    curves.values[left, KNEE] = 20 + 0.4 * (knee - 20)
    return curves


def found(curves: xr.DataArray, what: str | None = None) -> set[tuple[int, str]]:
    table = check(curves)
    table = table if what is None else table[table.what == what]
    return set(zip(table.stride, table.channel, strict=True))


# -- each fault -----------------------------------------------------------------------------------------------------


def gap(curves: Any, stride: int, channel: int, dice: Any) -> None:
    start = dice.integers(2, 95)  # up to 2 % may be absent at an end
    curves[stride, channel, start : start + dice.integers(1, 6)] = np.nan


def constant(curves: Any, stride: int, channel: int, dice: Any) -> None:
    curves[stride, channel] = dice.normal(0, 10)


def jump(curves: Any, stride: int, channel: int, dice: Any) -> None:
    size = 0.4 * np.ptp(curves[stride, channel]) + 6
    curves[stride, channel, dice.integers(3, 97)] += dice.choice([-1, 1]) * size


def step(curves: Any, stride: int, channel: int, dice: Any) -> None:
    curves[stride, channel, dice.integers(20, 80) :] += dice.choice([-1, 1]) * 25


def radians(curves: Any, stride: int, channel: int, dice: Any) -> None:
    curves[stride, channel] = np.deg2rad(curves[stride, channel])


def offset(curves: Any, stride: int, channel: int, dice: Any) -> None:
    curves[stride, channel] += dice.choice([-1, 1]) * (25 + np.ptp(curves[stride, channel]))


def mirrored(curves: Any, stride: int, channel: int, dice: Any) -> None:
    curves[stride, channel] *= -1


def half_a_cycle(curves: Any, stride: int, channel: int, dice: Any) -> None:
    curves[stride, channel] = np.roll(curves[stride, channel, :-1], 50)[np.r_[0:100, 0]]


@lru_cache
def clean_alarms(seed: int) -> set[tuple[int, str]]:
    """What is found before a fault is put in: chance makes one stride in thousands stand out."""
    return found(walk(seed=seed))


FAULTS: list[tuple[str, Callable[..., None], list[str], float]] = [
    ("gap", gap, list(ANGLES), 1.0),
    ("constant", constant, list(ANGLES), 1.0),
    ("jump", jump, list(ANGLES), 1.0),
    ("jump", step, list(ANGLES), 1.0),
    ("unit", radians, list(ANGLES), 1.0),
    ("far", offset, list(ANGLES), 1.0),
    # a mirrored curve shows where the curve is not its own mirror image: the large movements
    ("sign", mirrored, ["hip_flexion", "knee_flexion", "ankle_dorsiflexion"], 0.95),
    ("other side's cycle", half_a_cycle, ["hip_flexion", "knee_flexion", "ankle_dorsiflexion"], 0.95),
]


@pytest.mark.parametrize(
    ("what", "inject", "channels", "share"), FAULTS, ids=[f"{row[0]}, {row[1].__name__}" for row in FAULTS]
)
def test_a_fault_in_single_strides(
    what: str, inject: Callable[..., None], channels: list[str], share: float
) -> None:
    dice = np.random.default_rng(11)
    put, hit, other = 0, 0, 0
    for seed in range(20):
        curves = walk(seed=seed)
        before = clean_alarms(seed)
        stride, channel = int(dice.integers(18)), str(dice.choice(channels))
        inject(curves.values, stride, list(ANGLES).index(channel), dice)
        table = check(curves)
        after = set(zip(table.stride, table.channel, table.what, strict=True))
        put += 1
        # an offset curve that hardly moves is a mirrored one, too
        hit += any(
            (stride, channel, name) in after for name in ({"far", "sign"} if what == "far" else {what})
        )
        other += len({row[:2] for row in after} - before - {(stride, channel)})
    assert hit >= share * put, f"{hit} of {put} found"
    assert other == 0  # no other stride is blamed


def test_clean_strides_raise_no_alarm() -> None:
    curves, alarms = 0, 0
    for seed in range(30):
        clean = walk(seed=seed, channels=ALL, person=(0.4, 0.7, 1.0)[seed % 3], points=(101, 51)[seed % 2])
        curves += clean.sizes["stride"] * clean.sizes["channel"]
        alarms += len(check(clean))
    assert curves > 10_000
    assert alarms <= curves / 1000


def test_a_clean_cohort_raises_no_alarm() -> None:
    walks = [
        walk(subject=f"P-{n:03d}", seed=n, channels=ALL, condition=condition, speed=speed, trials=2)
        for n in range(12)
        for condition, speed in (("Barefoot", "Free"), ("Braced", "Slow"))
    ]
    clean = together(*walks)
    assert len(check(clean)) <= clean.sizes["stride"] * clean.sizes["channel"] / 1000


@pytest.mark.parametrize("seed", range(10))
def test_sides_that_are_exchanged_in_one_trial(seed: int) -> None:
    curves = asymmetric(seed)
    assert not found(curves, "swapped sides")
    third = curves.trial.values == "Walk 3"
    left, right = (np.flatnonzero(third & (curves.side.values == side)) for side in ("left", "right"))
    curves.values[np.r_[left, right]] = curves.values[np.r_[right, left]]
    assert {stride for stride, channel in found(curves, "swapped sides") if channel == "knee_flexion"} == {
        *left,
        *right,
    }
    rows = check(curves)
    knee = rows[rows.channel == "knee_flexion"]
    assert set(knee.what) == {"swapped sides"}  # and not "far" as well
    assert (knee.value < knee.limit).all()


def test_sides_of_somebody_who_walks_alike_are_not_called_exchanged() -> None:
    for seed in range(15):
        assert not found(walk(seed=seed, trials=4), "swapped sides")


def test_two_trials_are_too_few_to_say_whose_sides_are_exchanged() -> None:
    curves = asymmetric(1)
    two = curves.isel(stride=np.isin(curves.trial.values, ["Walk 1", "Walk 2"]))
    first = two.trial.values == "Walk 1"
    left, right = (np.flatnonzero(first & (two.side.values == side)) for side in ("left", "right"))
    two.values[np.r_[left, right]] = two.values[np.r_[right, left]]
    assert not found(two, "swapped sides")


# -- faults of whole trials, sessions, arrays ---------------------------------------------------------------------


def test_an_array_in_radians() -> None:
    table = check(np.deg2rad(walk()))
    units = table[table.what == "unit"]
    assert set(units.channel) == {"hip_flexion", "knee_flexion", "ankle_dorsiflexion"}
    assert len(units) == 3 * 18
    assert units.value.max() < 0.05
    assert set(units.limit) == {1 / 20}


def test_radians_that_say_so_are_right_and_degrees_that_say_radians_are_not() -> None:
    radians_told = np.deg2rad(walk()).assign_coords(unit=("channel", ["rad"] * len(ANGLES)))
    assert not len(check(radians_told))
    wrong = walk().assign_coords(unit=("channel", ["rad"] * len(ANGLES)))
    assert set(check(wrong).what) >= {"unit"}
    assert check(wrong)[check(wrong).what == "unit"].value.min() > 20


def test_moments_a_thousand_times_too_small() -> None:
    curves = walk(channels=KINETICS)
    curves.values[4, 0] /= 1000
    assert found(curves, "unit") == {(4, "hip_extension_moment")}


def test_a_knee_that_bends_the_other_way_in_the_whole_array() -> None:
    curves = walk(channels={"knee_flexion": ANGLES["knee_flexion"]})
    assert not len(check(curves))
    table = check(-curves)
    assert list(table.what) == ["sign"] * 18
    assert (table.value > 0.8).all()


def test_a_session_upside_down_among_others() -> None:
    walks = [walk(subject=f"P-{n}", seed=n) for n in range(8)]
    walks[3].values[:, 3] *= -1  # its hips
    strides = set(range(3 * 18, 4 * 18))
    assert found(together(*walks), "sign") == {(stride, "hip_flexion") for stride in strides}


def test_a_session_cut_at_the_other_foots_strikes() -> None:
    walks = [walk(subject=f"P-{n}", seed=n) for n in range(8)]
    own = walks[2].values[:, KNEE]
    walks[2].values[:, KNEE] = np.roll(own[:, :-1], 50, axis=1)[:, np.r_[0:100, 0]]
    strides = set(range(2 * 18, 3 * 18))
    assert found(together(*walks), "other side's cycle") == {(stride, "knee_flexion") for stride in strides}


def test_a_trial_upside_down_among_its_own() -> None:
    curves = walk()
    strides = np.flatnonzero(curves.trial.values == "Walk 2")
    curves.values[strides, 3] *= -1
    assert found(curves, "sign") == {(int(stride), "hip_flexion") for stride in strides}


def test_patients_are_not_called_wrong_for_being_unlike_each_other() -> None:
    walks = [walk(subject=f"P-{n}", seed=n) for n in range(6)]
    stiff = walk(subject="P-stiff", seed=3, stiff=0.4)
    assert not {row for row in found(together(*walks, stiff)) if row[1] == "knee_flexion"}


def test_single_strides_of_many_are_compared_with_all() -> None:
    walks = [walk(subject=f"P-{n}", seed=n, trials=1, cycles=1) for n in range(10)]
    curves = together(*walks)
    assert not len(check(curves))
    curves.values[6, KNEE] += 90
    assert found(curves) == {(6, "knee_flexion")}


def test_a_few_strides_are_not_compared() -> None:
    curves = walk(trials=1, cycles=2)
    curves.values[0, 0] += 60
    assert not len(check(curves))


# -- gaps -----------------------------------------------------------------------------------------------------------


def test_the_longest_gap_counts() -> None:
    curves = walk()
    curves.values[2, 4, 10:12] = np.nan
    curves.values[2, 4, 50:60] = np.nan
    curves.values[2, 4, -1] = np.nan
    table = check(curves)
    assert len(table) == 1
    row = table.iloc[0]
    assert (row.stride, row.channel, row.what, row.limit) == (2, "hip_adduction", "gap", 0)
    assert row.value == pytest.approx(10)
    assert not len(check(curves, limits={"gap": 12}))


def test_a_channel_that_one_stride_lacks_and_one_that_nobody_has() -> None:
    curves = walk()
    curves.values[:, 2] = np.nan
    curves.values[5, 8] = np.nan
    table = check(curves)
    assert [(row.stride, row.channel, row.what, row.value) for row in table.itertuples()] == [
        (5, "knee_rotation", "missing", 100.0)
    ]


def test_another_patient_of_the_same_name_is_nobody_to_compare_with() -> None:
    curves = together(walk(), walk())
    half = curves.sizes["stride"] // 2
    curves.values[half:, KNEE] = np.nan  # the second one's knee was not measured
    curves = curves.assign_coords(session=("stride", ["Gait"] * curves.sizes["stride"]))
    told = found(curves, "missing")
    assert len(told) == curves.sizes["stride"] - half, "by their names they are one session"
    ids = ["s-1"] * half + ["s-2"] * (curves.sizes["stride"] - half)
    assert found(curves.assign_coords(session_id=("stride", ids)), "missing") == set()


def test_a_cycle_that_begins_at_1_or_ends_at_99_percent_has_no_gap() -> None:
    curves = walk(seed=3)
    curves.values[0, :, 0] = np.nan
    curves.values[1, :, 100] = np.nan
    assert not len(check(curves))
    assert not len(check(curves.isel(percent=slice(None, None, 2))))
    curves.values[2, 0, :4] = np.nan
    curves.values[3, 1, 90:] = np.nan
    table = check(curves)
    assert table[["stride", "channel", "what"]].values.tolist() == [
        [2, curves.channel.values[0], "gap"],
        [3, curves.channel.values[1], "gap"],
    ]
    assert table["value"].tolist() == pytest.approx([4, 11])


def test_an_offset_to_the_other_side_of_zero_is_far_and_not_upside_down() -> None:
    at, curves = list(ANGLES).index("foot_progression"), walk(seed=3)
    moved = curves.copy(deep=True)
    moved.values[0, at] -= 2 * curves.values[:, at].mean()
    assert check(moved)[["stride", "channel", "what"]].values.tolist() == [[0, "foot_progression", "far"]]
    mirrored = curves.copy(deep=True)
    mirrored.values[0, at] *= -1
    assert check(mirrored)[["stride", "channel", "what"]].values.tolist() == [[0, "foot_progression", "sign"]]


def test_gaps_do_not_hide_other_faults() -> None:
    curves = walk()
    curves.values[3, KNEE, 5:15] = np.nan
    curves.values[3, KNEE] += 60
    assert set(check(curves).what) == {"gap", "far"}


# -- the table ------------------------------------------------------------------------------------------------------


def test_each_row_says_which_stride_it_is() -> None:
    curves = walk()
    curves.values[7, KNEE] = 5.0
    row = check(curves).iloc[0]
    for name in ("subject", "session", "date", "condition", "trial", "clip", "side", "cycle"):
        assert row[name] == curves.coords[name].values[7]
    assert (row["value"], row["what"]) == (0.0, "constant")
    assert row["limit"] == pytest.approx(0.001 * 57)


def test_nothing_found_is_an_empty_table() -> None:
    table = check(walk())
    assert isinstance(table, pd.DataFrame)
    assert list(table.columns)[-4:] == ["channel", "what", "value", "limit"]
    assert len(table) == 0


def test_arrays_without_coordinates_and_without_strides() -> None:
    bare = walk().drop_vars(
        ["side", "clip", "subject", "session", "condition", "unit", "trial", "cycle", "date"]
    )
    bare.values[4, KNEE] += 100
    table = check(bare)
    assert list(table.columns) == ["stride", "channel", "what", "value", "limit"]
    assert found(bare) == {(4, "knee_flexion")}
    assert not len(check(walk().isel(stride=[])))
    assert not len(check(walk().isel(percent=slice(0, 3))))
    empty = walk()
    empty.values[:] = np.nan
    assert not len(check(empty))


def test_what_cannot_be_checked() -> None:
    with pytest.raises(ValidationError, match=r"these have channel, percent$"):
        check(walk().isel(stride=0))
    with pytest.raises(ValidationError, match="there is no check 'gaps': gap, missing, constant"):
        check(walk(), limits={"gaps": 3})


def test_every_limit_can_be_changed() -> None:
    """A check whose limit nothing passes finds nothing."""
    curves = asymmetric(2)
    dice = np.random.default_rng(5)
    for n, (_, inject, _, _) in enumerate(FAULTS):
        inject(curves.values, n, n, dice)
    loose = {
        "gap": 100,
        "constant": -1,
        "jump": 1e6,
        "unit": 1e9,
        "sign": 0,
        "knee sign": 9,
        "other side's cycle": 0,
        "far": 1e6,
    }
    assert set(loose) | {"missing", "swapped sides"} == set(LIMITS)
    assert set(check(curves).what) >= {"gap", "constant", "jump", "unit", "far"}
    for name, limit in loose.items():
        more = {"knee sign": 9} if name == "sign" else {}
        assert name not in set(check(curves, limits={name: limit, **more}).what)
