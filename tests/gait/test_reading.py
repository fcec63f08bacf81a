"""Cycles, series, parameters and events out of derived files: every shape, and nothing wrong out of what is broken."""

from __future__ import annotations

import copy
import datetime
import itertools
import json
import math
import tracemalloc
import warnings
from collections.abc import Iterator
from typing import Any

import attrs
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from derived_files import PERCENT_51, PERCENT_100, PERCENT_101, entry, file, packed, wave
from hypothesis import assume, given
from hypothesis import strategies as st

from moveshelf.errors import ValidationError
from moveshelf.gait import reading
from moveshelf.gait.reading import (
    FileContent,
    GaitFileWarning,
    complete,
    cycles,
    events,
    parameters,
    series,
    temporal,
    trial_series,
)


def curve(found: xr.DataArray, channel: str, side: str = "left", cycle: str = "cycle-0") -> list[float]:
    """One curve, where exactly one stride has this side and cycle."""
    at = (found.side == side) & (found.cycle == cycle)
    assert int(at.sum()) == 1, (found.side.values, found.cycle.values)
    return list(found.sel(channel=channel).isel(stride=int(np.flatnonzero(at)[0])).values)


def quiet(*contents: FileContent, **more: Any) -> xr.DataArray:
    """cycles() where nothing may be warned of."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return cycles(contents, **more)


def warned(*contents: FileContent, match: str, **more: Any) -> xr.DataArray:
    """cycles() where one warning is given, which is in the problems too."""
    with pytest.warns(GaitFileWarning, match=match) as caught:
        found = cycles(contents, **more)
    assert caught[0].filename == __file__
    assert any(pd.Series(found.attrs["problems"]).str.contains(match, regex=True))
    return found


KNEE = wave(51, 20.0)
HIP = wave(51, 10.0, 25.0)


# --- the array


def test_an_array_says_whose_each_stride_is() -> None:
    content = packed(
        entry("LKneeAngles-x", {"cycle-0": KNEE, "cycle-1": HIP}, PERCENT_51, context="Left"),
        entry("RKneeAngles-x", {"cycle-0": HIP}, PERCENT_51, context="Right"),
    )
    found = quiet(
        FileContent(
            "angles_normalized.json",
            content,
            "P-001",
            "2024-05-01",
            datetime.date(2024, 5, 1),
            "Barefoot",
            "Walk 1",
            "clip-1",
            {"phase": "before"},
        ),
        points=51,
    )
    assert found.dims == ("stride", "channel", "percent")
    assert found.dtype == np.float64
    assert found.sizes == {"stride": 3, "channel": 1, "percent": 51}
    assert list(found.percent.values) == PERCENT_51
    assert list(found.side.values) == ["left", "left", "right"]
    assert list(found.cycle.values) == ["cycle-0", "cycle-1", "cycle-0"]
    one = found.isel(stride=2)
    assert [one[name].item() for name in ("subject", "session", "condition", "trial", "clip", "phase")] == [
        "P-001",
        "2024-05-01",
        "Barefoot",
        "Walk 1",
        "clip-1",
        "before",
    ]
    assert one.date.values == np.datetime64("2024-05-01")
    assert found.unit.sel(channel="knee_flexion").item() == "deg"
    assert curve(found, "knee_flexion", "right") == HIP
    assert found.attrs == {"file": "angles", "problems": [], "other": []}


def test_no_files_give_an_empty_array() -> None:
    found = quiet()
    assert found.sizes == {"stride": 0, "channel": 0, "percent": 101}
    assert quiet(points=None).sizes == {"stride": 0, "channel": 0, "percent": 0}


def test_all_vocabularies_meet_in_one_channel() -> None:
    labels = [
        "LKneeAngles-x",
        "kneeangle-x",
        "kangle-x",
        "LeftKneeFlexExt",
        "Rotation LKneeFlex base",
        "knee_angle_l",
    ]
    found = quiet(
        *(
            file(entry(label, {"cycle-0": KNEE}, PERCENT_51, context="Left"), clip=f"clip-{n}")
            for n, label in enumerate(labels)
        )
    )
    assert list(found.channel.values) == ["knee_flexion"]
    assert found.sizes["stride"] == len(labels)
    assert set(found.side.values) == {"left"}
    assert (found == found.isel(stride=0)).all()


def test_signs_that_depend_on_the_software_are_said() -> None:
    found = quiet(file(entry("knee_angle_l", {"cycle-0": KNEE}, PERCENT_51)))
    assert len(found.attrs["problems"]) == 1
    assert "signs of knee_flexion are as OpenSim writes them" in found.attrs["problems"][0]


def test_channels_come_in_the_order_of_the_vocabulary_whatever_the_files_order() -> None:
    content = packed(
        *(
            entry(name, {"mean": KNEE}, PERCENT_51)
            for name in ("LAnkleAngles-x", "LHipAngles-y", "LHipAngles-x")
        )
    )
    assert list(quiet(file(content)).channel.values) == ["hip_flexion", "hip_adduction", "ankle_dorsiflexion"]


# --- points


@pytest.mark.parametrize(
    ("percent", "first", "last"),
    [
        (PERCENT_51, 0, 100),
        (PERCENT_101, 0, 100),
        (PERCENT_100, 0, 99),
        ([n + 1 for n in PERCENT_100], 1, 100),
    ],
    ids=["51 rows", "101 rows", "0 to 99", "1 to 100"],
)
def test_the_files_own_percent_counts(percent: list[int], first: int, last: int) -> None:
    line = [2.0 * at - 7.0 for at in percent]
    found = quiet(file(entry("LKneeAngles-x", {"cycle-0": line}, percent)))
    expected = [2.0 * at - 7.0 if first <= at <= last else math.nan for at in range(101)]
    np.testing.assert_allclose(curve(found, "knee_flexion"), expected, rtol=1e-12)


def test_rows_in_another_order_are_put_in_order() -> None:
    found = quiet(file(entry("LKneeAngles-x", {"cycle-0": [5.0, 1.0, 3.0]}, [100, 0, 50])), points=3)
    assert curve(found, "knee_flexion") == [1.0, 3.0, 5.0]
    assert "its rows are not in the order of 'perc': put in order" in found.attrs["problems"][0]


@pytest.mark.parametrize(("at", "nth"), [(-1, 0), (100.5, 2), (1e308, 2)])
def test_rows_outside_the_cycle_are_not_used(at: float, nth: int) -> None:
    percent = [0.0, 50.0, 100.0]
    percent[nth] = at
    one = file(entry("LKneeAngles-x", {"cycle-0": [1.0, 2.0, 3.0]}, percent))
    found = warned(one, match="1 rows are outside 0 to 100", points=3)
    expected = [1.0, 2.0, 3.0]
    expected[nth] = math.nan
    np.testing.assert_array_equal(curve(found, "knee_flexion"), expected)


def test_nothing_is_drawn_across_a_null_nor_beyond_the_ends() -> None:
    column = [0.0, None, 40.0, 60.0, None]
    found = quiet(file(entry("LKneeAngles-x", {"cycle-0": column}, [0, 25, 50, 75, 90])), points=9)
    nan = math.nan
    np.testing.assert_array_equal(
        curve(found, "knee_flexion"), [0.0, nan, nan, nan, 40.0, 50.0, 60.0, nan, nan]
    )


def test_a_point_of_the_file_counts_beside_a_null() -> None:
    found = quiet(file(entry("LKneeAngles-x", {"cycle-0": [None, 10.0, None]}, [0, 50, 100])), points=3)
    np.testing.assert_array_equal(curve(found, "knee_flexion"), [math.nan, 10.0, math.nan])


def test_interpolation_of_huge_numbers_stays_between_them() -> None:
    found = quiet(file(entry("LKneeAngles-x", {"cycle-0": [-1.5e308, 1.5e308]}, [0, 100])), points=5)
    assert curve(found, "knee_flexion") == [-1.5e308, -0.75e308, 0.0, 0.75e308, 1.5e308]


def test_rows_without_percent_are_evenly_spaced_and_said_to_be() -> None:
    found = quiet(file(entry("LKneeAngles-x", {"mean": [1.0, 2.0, 3.0, 4.0, 5.0]}), "angles.json"), points=3)
    assert curve(found, "knee_flexion", cycle="mean") == [1.0, 3.0, 5.0]
    assert found.attrs["problems"] == [
        "Walk 1: angles.json: its rows have no 'perc': taken as evenly spaced from 0 to 100"
    ]


def test_the_files_own_points_where_all_agree() -> None:
    one = entry("LKneeAngles-x", {"cycle-0": KNEE}, PERCENT_51)
    found = quiet(file(one), file(one, clip="clip-2"), points=None)
    assert list(found.percent.values) == PERCENT_51
    assert found.isel(stride=1).values.tolist() == [KNEE]


def test_the_files_own_points_where_they_differ_are_an_error_that_says_how() -> None:
    one = file(entry("LKneeAngles-x", {"cycle-0": KNEE}, PERCENT_51))
    other = file(entry("LHipAngles-x", {"cycle-0": wave(101)}, PERCENT_101), clip="clip-2", trial="Walk 2")
    with pytest.raises(
        ValidationError, match=r"51 rows from 0 to 100 in Walk 1.*101 rows.*Walk 2.*points=101"
    ):
        cycles([one, other], points=None)
    assert quiet(one, other, points=None, channels="knee_flexion").sizes["percent"] == 51


@pytest.mark.parametrize("points", [0, 1, -3, True, 2.5, "101"])
def test_points_that_make_no_grid(points: Any) -> None:
    with pytest.raises(ValidationError, match="points"):
        cycles([], points=points)


@given(
    st.lists(st.integers(0, 1000), min_size=2, max_size=12, unique=True).map(sorted),
    st.data(),
    st.integers(2, 30),
)
def test_interpolation_is_numpys_between_two_values(
    percent: list[int], data: st.DataObject, points: int
) -> None:
    at = [value / 10 for value in percent]
    number = st.none() | st.floats(-1e6, 1e6)
    column = data.draw(st.lists(number, min_size=len(at), max_size=len(at)))
    assume(any(value is not None for value in column))
    found = curve(quiet(file(entry("LKneeAngles-x", {"cycle-0": column}, at)), points=points), "knee_flexion")
    floats = np.array([math.nan if value is None else value for value in column])
    for want, got in zip(np.linspace(0, 100, points), found, strict=True):
        if want in at:
            expected = floats[at.index(want)]
        elif want < at[0] or want > at[-1]:
            expected = math.nan
        else:
            above = next(n for n, value in enumerate(at) if value > want)
            expected = np.interp(want, at[above - 1 : above + 1], floats[above - 1 : above + 1])
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-6)


# --- strides


def test_a_file_with_means_only_gives_one_stride_mean() -> None:
    found = quiet(file(entry("LKneeAngles-x", {"mean": KNEE, "std": HIP}, PERCENT_51)), points=51)
    assert list(found.cycle.values) == ["mean"]
    assert curve(found, "knee_flexion", cycle="mean") == KNEE


def test_means_are_used_where_every_cycle_is_null() -> None:
    columns = {"mean": KNEE, "cycle-0": [None] * 51, "cycle-1": [None] * 51}
    found = quiet(file(entry("LKneeAngles-x", columns, PERCENT_51)), points=51)
    assert list(found.cycle.values) == ["mean"]
    assert curve(found, "knee_flexion", cycle="mean") == KNEE


def test_a_mean_that_is_no_number_is_not_taken_for_null_cycles() -> None:
    columns = {"mean": ["7", *KNEE[1:]], "cycle-0": [None] * 51}
    found = warned(
        file(entry("LKneeAngles-x", columns, PERCENT_51)), match="row 1 has '7' for 'mean'", points=51
    )
    np.testing.assert_array_equal(curve(found, "knee_flexion", cycle="mean"), [math.nan, *KNEE[1:]])


def test_a_mean_is_no_cycle_where_there_are_cycles() -> None:
    columns = {"mean": [0.0] * 51, "std": [1.0] * 51, "cycle-0": KNEE, "cycle-1": [None] * 51}
    found = quiet(file(entry("LKneeAngles-x", columns, PERCENT_51)), points=51)
    assert list(found.cycle.values) == ["cycle-0", "cycle-1"]
    assert np.isnan(curve(found, "knee_flexion", cycle="cycle-1")).all()


def test_a_cycle_is_what_the_file_announces() -> None:
    one = entry(
        "LKneeAngles-x",
        {"Trial 3 L2": KNEE, "mean": HIP},
        PERCENT_51,
        cycles={"Trial 3 L2": {"time-start": 0.1}},
    )
    assert list(quiet(file(one)).cycle.values) == ["Trial 3 L2"]


def test_one_cycle_a_file() -> None:
    names = [f"P-001<<<Walk 0{n}>>>angles_normalized.json" for n in (1, 2)]
    found = quiet(
        *(
            file(
                packed(
                    entry("LeftKneeFlexExt", {f"Walk 0{n}": [float(n)] * 51}, PERCENT_51),
                    entry("RightKneeFlexExt", {f"Walk 0{n}": [-float(n)] * 51}, PERCENT_51),
                ),
                name,
            )
            for n, name in enumerate(names, 1)
        ),
    )
    assert list(found.cycle.values) == ["Walk 01", "Walk 01", "Walk 02", "Walk 02"]
    assert list(found.side.values) == ["left", "right", "left", "right"]
    assert list(found.sel(channel="knee_flexion").values[:, 0]) == [1.0, -1.0, 2.0, -2.0]


def test_one_stride_of_two_files_of_a_trial() -> None:
    first = entry("LKneeAngles-x", {"cycle-0": KNEE}, PERCENT_51)
    second = entry("LHipAngles-x", {"cycle-0": HIP}, PERCENT_51)
    found = quiet(file(first, "a_angles.json"), file(second, "b_angles.json"), points=51)
    assert found.sizes["stride"] == 1
    assert curve(found, "knee_flexion") == KNEE
    assert curve(found, "hip_flexion") == HIP


def test_the_same_file_twice_is_one() -> None:
    one = file(entry("LKneeAngles-x", {"cycle-0": KNEE}, PERCENT_51))
    assert quiet(one, one).identical(quiet(one))


def test_two_files_of_a_trial_that_differ_give_none() -> None:
    one = file(entry("LKneeAngles-x", {"cycle-0": KNEE}, PERCENT_51))
    other = file(entry("LKneeAngles-x", {"cycle-0": HIP}, PERCENT_51), "copy_angles_normalized.json")
    found = warned(one, other, match="another curve in angles_normalized.json of this trial: none is used")
    assert np.isnan(curve(found, "knee_flexion")).all()


def test_what_contradicts_itself_stays_empty_whatever_comes_after() -> None:
    one = entry("LKneeAngles-x", {"cycle-0": KNEE}, PERCENT_51)
    other = entry("LKneeAngles-x", {"cycle-0": HIP}, PERCENT_51)
    first, second, third = (file(each, f"{n}_angles.json") for n, each in enumerate((one, other, one)))
    assert np.isnan(curve(warned(first, second, third, match="none is used"), "knee_flexion")).all()
    twice = file(packed(one, entry("LeftKneeFlexExt", {"cycle-0": HIP}, PERCENT_51)), "twice_angles.json")
    assert np.isnan(curve(warned(twice, first, match="none is used"), "knee_flexion")).all()
    assert np.isnan(curve(warned(first, twice, match="none is used"), "knee_flexion")).all()


def test_the_bytes_of_files_are_not_kept() -> None:
    one = packed(
        *(
            entry(f"{side}{name}Angles-x", {"cycle-0": wave(51)}, PERCENT_51)
            for side in "LR"
            for name in ("Hip", "Knee")
        )
    )
    padded = one + b" " * 2_000_000

    def files() -> Iterator[FileContent]:
        for n in range(30):
            yield file(bytes(bytearray(padded)), clip=f"clip-{n}")

    cycles(files())
    tracemalloc.start()
    try:
        found = cycles(files())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.sizes["stride"] == 60
    assert peak < 30_000_000, f"{peak} bytes for files of {30 * len(padded)}"


def test_contents_of_no_trial_are_told_apart_by_their_names() -> None:
    one = packed(entry("LKneeAngles-x", {"cycle-0": KNEE}, PERCENT_51))
    other = packed(entry("LKneeAngles-x", {"cycle-0": HIP}, PERCENT_51))
    found = quiet(FileContent("a_angles.json", one), FileContent("b_angles.json", other), points=51)
    assert found.values[:, 0].tolist() == [KNEE, HIP]


def test_trials_without_ids_are_told_apart_by_their_names() -> None:
    one = entry("LKneeAngles-x", {"cycle-0": KNEE}, PERCENT_51)
    found = quiet(file(one, clip="", trial="Walk 1"), file(one, clip="", trial="Walk 2"))
    assert list(found.trial.values) == ["Walk 1", "Walk 2"]


def test_a_channel_without_a_side_belongs_to_the_strides_of_both() -> None:
    content = packed(
        entry("Rotation LKneeFlex base", {"mean": KNEE}),
        entry("Rotation RKneeFlex base", {"mean": HIP}),
        entry("Rotation PelvicObl base", {"mean": KNEE}),
    )
    found = quiet(file(content, "angles.json"), points=51)
    assert list(found.side.values) == ["left", "right"]
    for side in ("left", "right"):
        assert curve(found, "pelvic_obliquity", side, "mean") == KNEE
    assert any(
        "PelvicObl base: it names no side: taken for left and right" in text
        for text in found.attrs["problems"]
    )


def test_a_file_that_names_no_side_gives_strides_without_one() -> None:
    found = quiet(file(entry("PelvicTilt", {"cycle-0": KNEE}, PERCENT_51)))
    assert list(found.side.values) == [""]


def test_a_side_of_its_own_goes_before_none() -> None:
    content = packed(
        entry("PelvicTilt", {"cycle-0": KNEE}, PERCENT_51),
        entry("LeftPelvicTilt", {"cycle-0": HIP}, PERCENT_51),
        entry("RightKneeFlexExt", {"cycle-0": HIP}, PERCENT_51),
    )
    found = quiet(file(content), points=51)
    assert curve(found, "pelvic_tilt", "left") == HIP
    assert curve(found, "pelvic_tilt", "right") == KNEE
    assert any("not used for left, which has LeftPelvicTilt" in text for text in found.attrs["problems"])


def test_variants_of_a_file_are_strides_of_their_own() -> None:
    content = packed(
        entry("Rotation LHipFlex base", {"mean": KNEE}), entry("Rotation LHipFlex comf", {"mean": HIP})
    )
    found = quiet(file(content, "angles.json"), points=51)
    assert list(found.cycle.values) == ["mean base", "mean comf"]
    assert curve(found, "hip_flexion", cycle="mean comf") == HIP


def test_channels_with_a_mean_only_beside_others_with_cycles() -> None:
    content = packed(
        entry("LKneeAngles-x", {"cycle-0": KNEE}, PERCENT_51),
        entry("LHipAngles-x", {"mean": HIP}, PERCENT_51),
    )
    found = quiet(file(content), points=51)
    assert list(found.cycle.values) == ["cycle-0", "mean"]
    assert np.isnan(curve(found, "hip_flexion")).all()
    assert any("only the mean is given for hip_flexion" in text for text in found.attrs["problems"])


# --- channels that are chosen


def test_unknown_labels_are_listed_or_named() -> None:
    content = packed(
        entry("LKneeAngles-x", {"cycle-0": KNEE}, PERCENT_51),
        entry("LToeAngle", {"cycle-0": HIP}, PERCENT_51),
        entry("RToeAngle", {"cycle-0": KNEE}, PERCENT_51),
        entry("Rotation", {"cycle-0": KNEE}, PERCENT_51),
    )
    assert quiet(file(content)).attrs["other"] == ["LToeAngle", "RToeAngle", "Rotation"]
    found = quiet(file(content), points=51, channels=["ToeAngle", "Rotation", "knee_flexion"])
    assert list(found.channel.values) == ["ToeAngle", "Rotation", "knee_flexion"]
    assert list(found.unit.values) == ["", "", "deg"]
    assert curve(found, "ToeAngle", "left") == HIP
    assert curve(found, "ToeAngle", "right") == KNEE
    assert found.attrs["other"] == []
    assert curve(quiet(file(content), points=51, channels="LToeAngle"), "LToeAngle", "left") == HIP


def test_a_chosen_channel_that_no_file_has_is_empty_and_warned_of() -> None:
    one = file(entry("LKneeAngles-x", {"cycle-0": KNEE}, PERCENT_51))
    found = warned(one, match="no file has hip_flexion", channels=["hip_flexion", "knee_flexion"])
    assert np.isnan(curve(found, "hip_flexion")).all()


def test_a_chosen_name_that_nobody_knows_is_an_error_that_names_close_ones() -> None:
    one = file(entry("LKneeAngles-x", {"cycle-0": KNEE}, PERCENT_51))
    with pytest.raises(ValidationError, match=r"'knee_flexoin'.*knee_flexion"):
        cycles([one], channels=["knee_flexoin"])


# --- units


def test_units_are_the_files() -> None:
    moment = entry("LKneeMoment-x", {"cycle-0": KNEE}, PERCENT_51, unit="Nm/kg")
    assert quiet(file(moment, "moments_normalized.json"), file="moments").unit.values.tolist() == ["N.m/kg"]
    del moment["unit"]
    assert quiet(file(moment, "moments_normalized.json"), file="moments").unit.values.tolist() == [""]


def test_two_units_of_a_channel_are_not_mixed() -> None:
    files = [
        file(entry("LKneeMoment-x", {"cycle-0": KNEE}, PERCENT_51, unit=unit), "moments.json", clip=unit)
        for unit in ("Nm/kg", "Nmm/kg")
    ]
    found = warned(*files, match=r"it is in N.mm/kg, and knee_extension_moment is in N.m/kg")
    assert found.sizes["stride"] == 1
    assert found.unit.values.tolist() == ["N.m/kg"]


def test_an_angle_in_radians_is_not_taken_for_degrees() -> None:
    one = file(entry("LKneeAngles-x", {"cycle-0": KNEE}, PERCENT_51))
    other = file(entry("LKneeAngles-x", {"cycle-0": KNEE}, PERCENT_51, unit="rad"), clip="clip-2")
    assert warned(one, other, match="it is in rad, and knee_flexion is in deg").sizes["stride"] == 1


# --- what cannot be right

GOOD = entry("LHipAngles-x", {"cycle-0": HIP}, PERCENT_51)


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        (
            entry("LKneeAngles-x", {"cycle-0": ["1.5", *KNEE[1:]]}, PERCENT_51),
            "row 1 has '1.5' for 'cycle-0'",
        ),
        (entry("LKneeAngles-x", {"cycle-0": [*KNEE[:-1], True]}, PERCENT_51), "row 51 has True"),
        (entry("LKneeAngles-x", {"cycle-0": [10**400, *KNEE[1:]]}, PERCENT_51), "row 1 has "),
        (entry("LKneeAngles-x", {"cycle-0": [math.inf, *KNEE[1:]]}, PERCENT_51), "row 1 has inf"),
        (entry("LKneeAngles-x", {"cycle-0": [{"x": 1}, *KNEE[1:]]}, PERCENT_51), "row 1 has {'x': 1}"),
        (entry("LKneeAngles-x", {"cycle-0": [[1], *KNEE[1:]]}, PERCENT_51), r"row 1 has \[1\]"),
    ],
    ids=["a text", "true", "huge", "infinite", "an object", "a list"],
)
def test_what_is_no_number_is_empty_and_the_rest_stays(bad: dict[str, Any], match: str) -> None:
    found = warned(file(packed(bad, GOOD)), match=match, points=51)
    got = np.array(curve(found, "knee_flexion"))
    assert np.isnan(got).sum() == 1
    assert set(got[~np.isnan(got)]) <= set(KNEE)
    assert curve(found, "hip_flexion") == HIP


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        (
            entry("LKneeAngles-x", {"cycle-0": KNEE}, [str(n) for n in PERCENT_51]),
            "row 1 has '0' for 'perc' and 50 more",
        ),  # type: ignore[misc]
        (
            entry("LKneeAngles-x", {"cycle-0": KNEE}, [None, *PERCENT_51[1:]]),
            "row 1 has None for 'perc': no number, so it is not used",
        ),  # type: ignore[list-item]
        (
            entry("LKneeAngles-x", {"cycle-0": KNEE}, [2, *PERCENT_51[1:]]),
            "several rows for perc 2, with different values",
        ),
        (entry("LKneeAngles-x", {"cycle-0": []}), "it has no rows"),
        (entry("LKneeAngles-x", {"mean": [3.0]}), "one row without 'perc'"),
        (entry("LKneeAngles-x", {"std": KNEE}, PERCENT_51), "no cycle and no mean"),
        (entry("LKneeAngles-x", {"cycle-0": KNEE}, PERCENT_51, context="Right"), "its context says right"),
        (entry("LKneeAngles-x", {"cycle-0": KNEE}, PERCENT_51, context=3), "its context is 3"),
        (entry("LKneeAngles-x", {"cycle-0": KNEE}, PERCENT_51, unit=3), "its unit is 3"),
        ({"label": "LKneeAngles-x"}, "its values are None"),
        ({"label": "LKneeAngles-x", "values": [1, 2]}, "its values are 1 in place"),
        ({"label": "LKneeAngles-x", "values": {"perc": 0}}, "its values are {'perc': 0}"),
        ({"label": 7, "values": []}, "entry 0 of its data has 7 for a label"),
        ({"values": []}, "entry 0 of its data has None for a label"),
        ("LKneeAngles-x", "entry 0 of its data is 'LKneeAngles-x'"),
        (None, "entry 0 of its data is None"),
    ],
)
def test_a_label_that_cannot_be_read_is_left_out_and_the_rest_stays(bad: Any, match: str) -> None:
    found = warned(file(packed(bad, GOOD)), match=match, points=51)
    assert list(found.channel.values) == ["hip_flexion"]
    assert curve(found, "hip_flexion") == HIP


def test_rows_that_lack_a_cycle_are_empty_there() -> None:
    bad = entry("LKneeAngles-x", {"cycle-0": KNEE, "cycle-1": HIP}, PERCENT_51)
    del bad["values"][3]["cycle-1"]
    bad["values"][4]["cycle-2"] = 9.0
    found = warned(file(bad), match="1 of 51 rows have no 'cycle-1'", points=51)
    assert curve(found, "knee_flexion") == KNEE
    np.testing.assert_array_equal(
        curve(found, "knee_flexion", cycle="cycle-1"),
        [value if n != 3 else math.nan for n, value in enumerate(HIP)],
    )
    assert np.isnan(curve(found, "knee_flexion", cycle="cycle-2")).sum() == 50


def test_a_row_with_another_key_in_place_of_a_cycle_is_seen() -> None:
    bad = entry("LKneeAngles-x", {"mean": HIP, "cycle-0": KNEE}, PERCENT_51)
    del bad["values"][3]["mean"]
    bad["values"][3]["cycle-1"] = 9.0  # as many keys as the others
    found = warned(file(bad), match="50 of 51 rows have no 'cycle-1'", points=51)
    assert curve(found, "knee_flexion") == KNEE
    assert curve(found, "knee_flexion", cycle="cycle-1")[3] == 9.0


def test_a_cycle_given_twice_in_a_row_is_not_used_there() -> None:
    text = packed(entry("LKneeAngles-x", {"cycle-0": KNEE}, PERCENT_51)).decode()
    first = f'"cycle-0": {KNEE[0]}'
    twice = text.replace(first, f'{first}, "cycle-0": 99.0', 1)
    found = warned(file(twice.encode()), match="given twice as cycle-0", points=51)
    np.testing.assert_array_equal(curve(found, "knee_flexion"), [math.nan, *KNEE[1:]])


def test_two_curves_for_one_place_are_not_used() -> None:
    bad = packed(
        entry("LKneeAngles-x", {"cycle-0": KNEE}, PERCENT_51),
        entry("LeftKneeFlexExt", {"cycle-0": HIP}, PERCENT_51),
        GOOD,
    )
    found = warned(
        file(bad), match="two different curves, of LKneeAngles-x and of LeftKneeFlexExt", points=51
    )
    assert np.isnan(curve(found, "knee_flexion")).all()
    assert curve(found, "hip_flexion") == HIP


def test_an_equal_or_empty_second_curve_is_no_conflict() -> None:
    content = packed(
        entry("LKneeAngles-x", {"cycle-0": KNEE}, PERCENT_51),
        entry("LeftKneeFlexExt", {"cycle-0": KNEE}, PERCENT_51),
        entry("kneeangle-x", {"cycle-0": [None] * 51}, PERCENT_51, context="Left"),
    )
    assert curve(quiet(file(content), points=51), "knee_flexion") == KNEE


@pytest.mark.parametrize(
    ("raw", "match"),
    [
        (b"", r"the file is empty \(0 bytes\)"),
        (b"not json", "it is not JSON"),
        (b"[1, 2]", "it holds a list"),
        (b'{"events": []}', "it has no 'data'"),
        (b'{"data": {"a": 1}}', "its 'data' is an object"),
        (b'{"data": [], "data": [1]}', "given twice"),
        (b'{"data": ' + b"[" * 50_000, "not JSON|too deep"),
    ],
)
def test_a_file_that_cannot_be_read_does_not_stop_the_others(raw: bytes, match: str) -> None:
    found = warned(file(raw), file(GOOD, clip="clip-2"), match=match, points=51)
    assert list(found["clip"].values) == ["clip-2"]
    assert curve(found, "hip_flexion") == HIP


def test_each_file_warns_once() -> None:
    bad = packed({"label": "LKneeAngles-x"}, {"label": "LHipAngles-x"})
    with pytest.warns(GaitFileWarning) as caught:
        found = cycles([file(bad), file(bad, clip="clip-2")])
    assert [str(one.message).count("and 1 more") for one in caught] == [1, 1]
    assert len(found.attrs["problems"]) == 4


def test_a_time_series_is_no_cycle_and_is_said_to_be_none() -> None:
    found = quiet(
        file(entry("LKneeAngles-x", {"mean": KNEE}, [n / 50 for n in range(51)], axis="time"), "angles.json")
    )
    assert found.sizes["stride"] == 0
    assert found.attrs["problems"] == [
        "Walk 1: angles.json: it holds time series, not cycles: read it with series()"
    ]


def test_columns_that_are_no_cycles_are_said_not_to_be_read() -> None:
    found = quiet(file(entry("LKneeAngles-x", {"cycle-0": KNEE, "count": [3] * 51}, PERCENT_51)))
    assert list(found.cycle.values) == ["cycle-0"]
    assert any("columns that are no cycles are not read: 'count'" in text for text in found.attrs["problems"])


def test_dates_that_pandas_cannot_hold_are_no_dates() -> None:
    found = quiet(file(GOOD, date=datetime.date(7, 1, 12)), file(GOOD, date=None, clip="clip-2"))
    assert np.isnat(found.date.values).all()


LABELS = ["LKneeAngles-x", "RKneeAngles-x", "LHipAngles-x", "RightHipFlexExt", "LAnkleAngles-x"]


@given(
    labels=st.lists(st.sampled_from(LABELS), min_size=1, max_size=5, unique=True),
    rows=st.integers(2, 9),
    columns=st.integers(1, 4),
    data=st.data(),
)
def test_what_was_written_is_read(labels: list[str], rows: int, columns: int, data: st.DataObject) -> None:
    percent = list(np.linspace(0, 100, rows))
    number = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70) | st.none()
    table = {
        label: {
            f"cycle-{n}": data.draw(
                st.lists(number, min_size=rows, max_size=rows).filter(lambda c: any(v is not None for v in c))
            )
            for n in range(columns)
        }
        for label in labels
    }
    content = file(packed(*(entry(label, table[label], percent) for label in labels)))
    found = quiet(content, points=rows)
    assert found.attrs["problems"] == []
    for label in labels:
        what = reading.recognise(label)
        for cycle, column in table[label].items():
            expected = [math.nan if value is None else float(value) for value in column]
            np.testing.assert_array_equal(curve(found, what.channel, what.side, cycle), expected)
    assert int(found.notnull().sum()) == sum(
        v is not None for own in table.values() for c in own.values() for v in c
    )


# --- any change of a file gives the right numbers or a problem

_POINTS = [0, 25, 50, 75, 100]
_VALUES = st.sampled_from(
    [
        None,
        True,
        "5",
        "",
        "Left",
        "Right",
        -1,
        0,
        3.5,
        1e308,
        10**400,
        math.inf,
        math.nan,
        [],
        [1],
        {},
        {"perc": 0},
    ]
)


def _document() -> dict[str, Any]:
    return {
        "data": [
            entry(
                "LKneeAngles-x",
                {"mean": wave(5), "cycle-0": wave(5, 1), "cycle-1": wave(5, 2)},
                _POINTS,
                context="Left",
            ),
            entry(
                "RKneeAngles-x",
                {"mean": wave(5), "cycle-0": wave(5, 3), "cycle-1": wave(5, 4)},
                _POINTS,
                context="Right",
            ),
            entry("LHipAngles-x", {"mean": wave(5, 6), "cycle-0": wave(5, 5)}, _POINTS),
        ]
    }


def _places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in children:
        yield (*path, key)
        yield from _places(value, (*path, key))


def _change(document: dict[str, Any], path: tuple[Any, ...], how: str, value: Any) -> None:
    parent: Any = document
    for key in path[:-1]:
        if not isinstance(parent, (dict, list)) or (isinstance(parent, dict) and key not in parent):
            return
        if isinstance(parent, list) and not key < len(parent):
            return
        parent = parent[key]
    last = path[-1]
    if not isinstance(parent, (dict, list)) or (isinstance(parent, dict) != isinstance(last, str)):
        return
    if isinstance(parent, list) and not last < len(parent):
        return
    if how == "remove":
        parent.pop(last, None) if isinstance(parent, dict) else parent.pop(last)
    elif how == "twice" and isinstance(parent, list):
        parent.insert(last, copy.deepcopy(parent[last]))
    elif how == "rename" and isinstance(parent, dict) and last in parent:
        parent["cycle-7" if last.startswith("cycle") else "other"] = parent.pop(last)
    else:
        parent[last] = value


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return -1.7e308 < value < 1.7e308


def _sound(one: Any) -> bool:
    """Whether a plain reader can read this label without any doubt."""
    if (
        not isinstance(one, dict)
        or not isinstance(one.get("label"), str)
        or not isinstance(one.get("values"), list)
    ):
        return False
    what = reading.recognise(one["label"])
    context = one.get("context")
    if not what.known or not isinstance(context, (str, type(None))):
        return False
    if context in ("Left", "Right") and context.lower() != what.side:
        return False
    rows = one["values"]
    if not rows or not all(isinstance(row, dict) for row in rows):
        return False
    if len({tuple(sorted(name for name in row if name.startswith("cycle-"))) for row in rows}) != 1:
        return False
    percent = [row.get("perc") for row in rows]
    if not all(map(_is_number, percent)) or min(percent) < 0 or max(percent) > 100:
        return False
    if any(b <= a for a, b in itertools.pairwise(percent)):
        return False
    names = [name for name in rows[0] if name.startswith("cycle-")]
    cells = [row[name] for row in rows for name in names]
    return bool(cells) and all(cell is None or _is_number(cell) for cell in cells)


def _without_nan(one: Any) -> Any:
    """NaN in a row, which older files have, is null."""
    if not isinstance(one, dict) or not isinstance(one.get("values"), list):
        return one
    rows = [
        {key: None if value != value else value for key, value in row.items()}
        if isinstance(row, dict)
        else row
        for row in one["values"]
    ]
    return {**one, "values": rows}


def _between(column: list[tuple[float, Any]], at: float) -> float:
    """The value of a curve at a point, worked out by hand."""
    for here, value in column:
        if here == at:
            return math.nan if value is None else float(value)
    for (here, low), (there, high) in itertools.pairwise(column):
        if here < at < there and low is not None and high is not None:
            share = (at - here) / (there - here)
            return float(low) * (1 - share) + float(high) * share
    return math.nan


@given(st.data())
def test_any_change_of_a_file_gives_right_numbers_or_a_problem(data: st.DataObject) -> None:
    document = _document()
    for _ in range(data.draw(st.integers(1, 3))):
        places = list(_places(document))
        if places:
            how = data.draw(st.sampled_from(["set", "remove", "twice", "rename"]))
            _change(document, data.draw(st.sampled_from(places)), how, data.draw(_VALUES))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = cycles([file(json.dumps(document).encode())], points=5)
    entries = document.get("data")
    entries = entries if isinstance(entries, list) else []
    entries = [_without_nan(one) for one in entries]
    sound = [one for one in entries if _sound(one)]
    whose: dict[tuple[str, str, str], list[list[float]]] = {}
    for one in sound:
        what = reading.recognise(one["label"])
        if all(row[name] is None for row in one["values"] for name in row if name.startswith("cycle-")):
            continue  # its mean is used
        for name in one["values"][0]:
            if name.startswith("cycle-"):
                column = [(float(row["perc"]), row[name]) for row in one["values"]]
                expected = [_between(column, at) for at in _POINTS]
                whose.setdefault((what.channel, what.side, name), []).append(expected)
    for (channel, side, name), curves in whose.items():
        got = np.array(curve(found, channel, side, name))
        if np.isnan(got).all() and not np.isnan(curves[0]).all():
            assert found.attrs["problems"], "a sound curve is left out without a word"
        else:
            np.testing.assert_allclose(got, curves[0], rtol=1e-9, atol=1e-9)
    if len(sound) < len(_document()["data"]):
        assert found.attrs["problems"] or found.attrs["other"] or len(entries) == len(sound)
    assert all(issubclass(one.category, GaitFileWarning) for one in caught)
    finite = found.values[np.isfinite(found.values)]
    assert not len(finite) or np.abs(finite).max() <= 1e308


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_warned_of(raw: bytes) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        one = file(raw)
        for found in (cycles([one]), parameters([one]), events([one]), trial_series([one])):
            assert "problems" in found.attrs
    assert all(issubclass(one.category, GaitFileWarning) for one in caught)


# --- time series


def test_a_series_has_a_variable_a_column() -> None:
    times = [20.0, 20.0044, 20.0088]
    one = entry(
        "knee_r",
        {"knee_angle_r": [8.0, 9.0, 10.0], "knee_angle_r_beta": [0.1, 0.2, None]},
        times,
        "time",
        unit="deg",
    )
    found = trial_series([file(one, "angles.json", subject="P-1", date=datetime.date(2024, 5, 1))])
    assert list(found.data_vars) == ["knee_flexion", "knee_angle_r_beta"]
    assert found.knee_flexion.dims == ("side", "time")
    assert found.knee_flexion.sel(side="right").values.tolist() == [8.0, 9.0, 10.0]
    np.testing.assert_array_equal(found.knee_angle_r_beta.values, [0.1, 0.2, math.nan])
    assert found.time.values.tolist() == times
    assert found.knee_flexion.attrs == {"units": "deg", "label": "knee_r"}
    assert found.time.attrs["units"] == "s"
    assert (found.subject.item(), found.date.values) == ("P-1", np.datetime64("2024-05-01"))


def test_sides_with_clocks_of_their_own_keep_them() -> None:
    content = packed(
        entry("LKneeAngles-x", {"mean": [1.0, 2.0]}, [0.0, 0.5], "time"),
        entry("RKneeAngles-x", {"mean": [3.0, 4.0]}, [0.5, 1.0], "time"),
        entry("PelvicTilt", {"mean": [5.0], "std": [0.5], "count": [7]}, [1.0], "time"),
    )
    found = trial_series([file(content, "angles.json")])
    assert found.time.values.tolist() == [0.0, 0.5, 1.0]
    nan = math.nan
    np.testing.assert_array_equal(found.knee_flexion.sel(side="left"), [1.0, 2.0, nan])
    np.testing.assert_array_equal(found.knee_flexion.sel(side="right"), [nan, 3.0, 4.0])
    np.testing.assert_array_equal(found.pelvic_tilt, [nan, nan, 5.0])
    np.testing.assert_array_equal(found.pelvic_tilt_std, [nan, nan, 0.5])
    assert found.pelvic_tilt_count.attrs["units"] == ""
    assert found.pelvic_tilt_count.values[2] == 7


def test_series_of_several_trials_are_by_their_clips() -> None:
    one = entry("LKneeAngles-x", {"mean": [1.0]}, [0.0], "time")
    found = series([file(one, "angles.json"), file(one, "angles.json", clip="clip-2")])
    assert list(found) == ["clip-1", "clip-2"]
    assert all(isinstance(one, xr.Dataset) for one in found.values())


def test_series_that_are_there_twice_and_differ_are_not_used() -> None:
    one = entry("LKneeAngles-x", {"mean": [1.0]}, [0.0], "time")
    other = entry("LeftKneeFlexExt", {"mean": [2.0]}, [0.0], "time")
    hip = entry("LHipAngles-x", {"mean": [3.0]}, [0.0], "time")
    with pytest.warns(GaitFileWarning, match="left knee_flexion is there twice"):
        found = trial_series([file(packed(one, other, hip), "angles.json")])
    assert list(found.data_vars) == ["hip_flexion"]


def test_chosen_series() -> None:
    content = packed(
        entry("LKneeAngles-x", {"mean": [1.0]}, [0.0], "time"),
        entry("LHipAngles-x", {"mean": [2.0]}, [0.0], "time"),
    )
    assert list(trial_series([file(content, "angles.json")], channels=["hip_flexion"]).data_vars) == [
        "hip_flexion"
    ]
    with pytest.raises(ValidationError, match="'hip_flexio'; close: hip_flexion"):
        trial_series([file(content, "angles.json")], channels=["hip_flexion", "hip_flexio"])


@pytest.mark.parametrize(
    ("one", "match"),
    [
        (entry("LKneeAngles-x", {"mean": [1.0]}, ["0"], "time"), "row 1 has '0' for 'time': no number"),  # type: ignore[list-item]
        (
            entry("LKneeAngles-x", {"mean": [1.0], "count": [1]}),
            "its rows have no 'time'; their keys are 'mean', 'count'",
        ),
        (entry("LKneeAngles-x", {"mean": ["x"]}, [0.0], "time"), "row 1 has 'x' for 'mean'"),
    ],
)
def test_series_that_cannot_be_right(one: dict[str, Any], match: str) -> None:
    with pytest.warns(GaitFileWarning, match=match):
        found = trial_series([file(one, "angles.json")])
    assert not any(found[name].notnull().any() for name in found.data_vars)
    assert len(found.attrs["problems"]) == 1


def test_cycles_are_no_series_and_are_said_to_be_none() -> None:
    found = trial_series([file(entry("LKneeAngles-x", {"mean": KNEE}, PERCENT_51), "angles.json")])
    assert not found.data_vars
    assert "it holds cycles, not time series" in found.attrs["problems"][0]


def test_a_series_in_two_units_is_left_out_and_warned_of() -> None:
    def knee(side: str, unit: str) -> dict[str, Any]:
        rows = [{"time": 0.0, "mean": 1.0}, {"time": 0.1, "mean": 2.0}]
        return {"label": f"{side[0]}KneeAngles-x", "context": side, "unit": unit, "values": rows}

    one = file(packed(knee("Left", "deg"), knee("Right", "rad")), "angles.json")
    with pytest.warns(GaitFileWarning, match="knee_flexion is in several units: deg, rad; left out"):
        found = trial_series([one])
    assert "knee_flexion" not in found
    assert any("several units" in text for text in found.attrs["problems"])


# --- parameters


def values(*entries: Any, name: str = "gait_params.json", **more: Any) -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return parameters([file(packed(*entries), name, **more)])


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        ({"label": "Speed", "context": "Left", "unit": "m/s", "values": {"mean": 1.2, "std": 0.1}},
         ("left", "Speed", "m/s", 1.2, 0.1)),
        ({"label": "Gait Speed", "unit": "km/h", "values": {"mean": 3.2}}, ("", "Gait Speed", "km/h", 3.2, None)),
        ({"label": "L.Stride.Time [s]", "values": {"mean": 1.05, "std": 0.1}}, ("left", "Stride Time", "s", 1.05, 0.1)),
        ({"label": "R.foot.clear [cm]", "values": {"mean": 2}}, ("right", "Foot Clear", "cm", 2.0, None)),
        ({"label": "L.Stance.Swing [1]", "values": {"mean": 0.64}}, ("left", "Stance Swing", "1", 0.64, None)),
        ({"label": "StrideLength", "context": "Right", "unit": "mm", "values": {"mean": 1388.074}},
         ("right", "Stride Length", "mm", 1388.074, None)),
        ({"label": "rightgdi", "values": {"mean": 88.5}}, ("right", "GDI", "", 88.5, None)),
        ({"label": "rightfdi", "values": {"mean": 88.5}}, ("right", "FDI", "", 88.5, None)),
        ({"label": "rightoppositefootoff", "values": {"mean": 11}}, ("right", "Opposite Foot Off", "", 11.0, None)),
        ({"label": "LeftStepWidth", "values": {"mean": 0.1}}, ("left", "Step Width", "", 0.1, None)),
        ({"label": "Cadence", "values": [{"mean": 100}]}, ("", "Cadence", "", 100.0, None)),
        ({"label": "Rhythm", "values": {"mean": None}}, ("", "Rhythm", "", None, None)),
        ({"description": "Gait Speed", "unit": "km/h", "values": {"mean": 3.2}}, ("", "Gait Speed", "km/h", 3.2, None)),
    ],
    ids=lambda one: str(one.get("label")) if isinstance(one, dict) else "",
)  # fmt: skip
def test_every_shape_of_parameters(one: dict[str, Any], expected: tuple[Any, ...]) -> None:
    table = values(one)
    row = table[["side", "name", "unit", "mean", "std"]].iloc[0]
    assert [None if isinstance(value, float) and math.isnan(value) else value for value in row] == list(
        expected
    )
    assert table["label"].item() == one.get("label", one.get("description"))
    assert table["mean"].dtype == np.float64


def test_a_table_says_whose_each_value_is() -> None:
    table = values(
        {"label": "Speed", "values": {"mean": 1.0}},
        subject="P-1",
        session="S",
        date=datetime.date(2024, 5, 1),
        condition="Shoes",
        extra={"phase": "after"},
    )
    assert list(table.columns) == [
        "subject", "session", "date", "condition", "trial", "clip", "phase", "side", "name", "unit", "mean", "std", "label",
        "cycle",
    ]  # fmt: skip
    row = table.iloc[0]
    assert (row["subject"], row["date"], row["trial"], row["phase"]) == (
        "P-1",
        pd.Timestamp("2024-05-01"),
        "Walk 1",
        "after",
    )
    assert table.attrs["problems"] == []


def test_no_parameters_are_an_empty_table_of_the_same_columns() -> None:
    table = parameters([])
    assert table.empty
    assert {"subject", "name", "unit", "mean"} <= set(table.columns)


def test_parameters_of_one_cycle_files_say_their_cycle() -> None:
    one = packed({"label": "Speed", "values": {"mean": 1.0}})
    table = parameters([file(one, f"P<<<Walk 0{n}>>>gait_params.json") for n in (1, 2)])
    assert table["cycle"].tolist() == ["Walk 01", "Walk 02"]


@pytest.mark.parametrize(
    ("one", "match"),
    [
        ({"label": "Speed", "values": {"mean": "1.2"}}, "its mean is '1.2': no number"),
        ({"label": "Speed", "values": {"mean": True}}, "its mean is True"),
        ({"label": "Speed", "values": {"mean": 1, "std": 1e400}}, "its std is"),
        (
            {"label": "Step Length", "values": {"Left": 0.6, "Right": 0.7}},
            "have no mean, left empty; their keys are 'Left'",
        ),
        ({"label": "Step Length", "values": {}}, "have no mean, left empty; their keys are none"),
    ],
)
def test_a_parameter_that_is_no_number_is_empty(one: dict[str, Any], match: str) -> None:
    with pytest.warns(GaitFileWarning, match=match):
        table = parameters([file(packed(one), "gait_params.json")])
    assert table[["mean", "std"]].isna().any(axis=None)


@pytest.mark.parametrize(
    ("one", "match"),
    [
        ({"label": "L.Speed [m/s]", "context": "Right", "values": {"mean": 1}}, "its context says 'Right'"),
        ({"label": "L.Speed [m/s]", "unit": "km/h", "values": {"mean": 1}}, "its unit is 'km/h' too"),
        ({"label": "Speed", "unit": 3, "values": {"mean": 1}}, "its unit is 3"),
        ({"label": "Speed", "values": 3}, "its values are 3"),
        ({"label": "Speed", "values": [{"mean": 1}, {"mean": 2}]}, "its values are"),
        ({"label": None, "values": {}}, "for a label"),
        (3, "entry 0 of its data is 3"),
    ],
)
def test_a_parameter_that_cannot_be_read_is_left_out(one: Any, match: str) -> None:
    good = {"label": "Cadence", "values": {"mean": 100}}
    with pytest.warns(GaitFileWarning, match=match):
        table = parameters([file(packed(one, good), "gait_params.json")])
    assert table["name"].tolist() == ["Cadence"]
    assert len(table.attrs["problems"]) == 1


def test_a_parameter_given_twice_with_different_values_is_not_used() -> None:
    one, other = ({"label": "Speed", "values": {"mean": value}} for value in (1, 2))
    with pytest.warns(GaitFileWarning, match="it is there twice"):
        table = parameters([file(packed(one, other), "gait_params.json")])
    assert table["mean"].isna().tolist() == [True]
    assert values(one, one)["mean"].tolist() == [1.0]


def test_an_empty_file_of_parameters_is_a_problem_and_no_error() -> None:
    with pytest.warns(GaitFileWarning, match="the file is empty"):
        table = parameters([file(b"", "gait_params.json")])
    assert table.empty


# --- events

WALK = {
    "left": [
        ("Foot Strike", 0.0),
        ("Foot Off", 0.6),
        ("Foot Strike", 1.0),
        ("Foot Off", 1.62),
        ("Foot Strike", 2.0),
    ],
    "right": [("Foot Off", 0.1), ("Foot Strike", 0.5), ("Foot Off", 1.12), ("Foot Strike", 1.5)],
}


def event_file(walk: dict[str, list[tuple[str, float]]], **trial: Any) -> FileContent:
    rows = [
        {"name": name, "context": side.title(), "time": time}
        for side, own in walk.items()
        for name, time in own
    ]
    return file(json.dumps({"events": rows}).encode(), "event.json", **trial)


def test_units_of_parameters_have_one_spelling() -> None:
    one = {"label": "Cadence", "context": "Left", "unit": "Steps/min", "values": {"mean": 110.0}}
    table = values(one, {"label": "Foot Off", "context": "Left", "unit": "percent", "values": {"mean": 61.0}})
    assert table["unit"].tolist() == ["steps/min", "%"]
    with pytest.warns(GaitFileWarning, match="it is there twice, with different values: none is used"):
        table = parameters(
            [
                file(
                    packed(one, {**one, "unit": "steps/minute", "values": {"mean": 111.0}}),
                    "gait_params.json",
                )
            ]
        )
    assert np.isnan(table["mean"]).all()
    assert len(table) == 1


def test_events_are_rows() -> None:
    rows = [
        {"name": "Foot Strike", "context": "Left", "time": 0.2},
        {"name": "Foot Off", "context": "Right", "time": 0.8, "perc": 61.2, "opposite": True},
        {"name": "Clap", "time": 3},
    ]
    table = events([file(json.dumps({"events": rows}).encode(), "event.json")])
    assert table["side"].tolist() == ["left", "right", ""]
    assert table["name"].tolist() == ["Foot Strike", "Foot Off", "Clap"]
    assert table["time"].tolist() == [0.2, 0.8, 3.0]
    assert set(table["unit"]) == {"s"}
    assert table["percent"].isna().tolist() == [True, False, True]
    assert table["opposite"].tolist()[1] is True


@pytest.mark.parametrize(
    ("row", "match"),
    [
        ({"name": "Foot Off", "time": "0.8"}, "its time is '0.8': left out"),
        ({"name": "Foot Off", "time": None}, "its time is None"),
        ({"name": "Foot Off"}, "its time is None"),
        ({"name": "Foot Off", "time": 1e999}, "its time is inf"),
        ({"name": 3, "time": 1}, "has 3 for a name"),
        ({"name": "Foot Off", "time": 1, "context": 4}, "its context is 4"),
        ("Foot Off", "is 'Foot Off' in place of an object"),
    ],
)
def test_events_that_cannot_be_right_are_left_out(row: Any, match: str) -> None:
    good = {"name": "Foot Strike", "time": 2.0}
    with pytest.warns(GaitFileWarning, match=match):
        table = events([file(json.dumps({"events": [row, good]}).encode(), "event.json")])
    assert table["time"].tolist() == [2.0]


def test_stance_swing_and_support_from_events() -> None:
    found = temporal(events([event_file(WALK)])).set_index(["side", "name"])
    left = found.loc["left"]
    assert left.loc["Stride Time", "mean"] == pytest.approx(1.0)
    assert left.loc["Stance Phase", "mean"] == pytest.approx(61.0)
    assert left.loc["Stance Phase", "std"] == pytest.approx(math.sqrt(2))
    assert left.loc["Swing Phase", "mean"] == pytest.approx(39.0)
    assert left.loc["Single Support", "mean"] == pytest.approx((40.0 + 38.0) / 2)
    assert left.loc["Double Support", "mean"] == pytest.approx((20.0 + 24.0) / 2)
    right = found.loc["right"]
    assert right.loc["Stride Time", "mean"] == pytest.approx(1.0)
    assert right.loc["Stance Phase", "mean"] == pytest.approx(62.0)
    assert right.loc["Single Support", "mean"] == pytest.approx(40.0)
    assert math.isnan(right.loc["Stance Phase", "std"])
    assert left["unit"].tolist() == ["s", "%", "%", "%", "%"]


def test_stance_is_single_and_double_support() -> None:
    found = temporal(events([event_file(WALK)])).pivot(index="side", columns="name", values="mean")
    np.testing.assert_allclose(found["Single Support"] + found["Double Support"], found["Stance Phase"])
    np.testing.assert_allclose(found["Swing Phase"] + found["Stance Phase"], 100)


def test_a_stride_without_an_event_counts_for_what_it_has() -> None:
    walk = {"left": WALK["left"], "right": []}
    found = temporal(events([event_file(walk)]))
    assert found["name"].tolist() == ["Stride Time", "Stance Phase", "Swing Phase"]
    two_offs = {
        "left": [("Foot Strike", 0.0), ("Foot Off", 0.5), ("Foot Off", 0.6), ("Foot Strike", 1.0)],
        "right": [],
    }
    assert temporal(events([event_file(two_offs)]))["name"].tolist() == ["Stride Time"]
    assert temporal(events([])).empty


def test_two_files_that_tell_one_event_at_two_times_make_no_stride_of_milliseconds() -> None:
    late = {side: [(name, time + 0.0004) for name, time in own] for side, own in WALK.items()}
    with pytest.warns(
        GaitFileWarning, match=r"left Foot Strike at .* s, which is at 0 s in event\.json \(and \d+ more\)"
    ):
        table = events([event_file(WALK), attrs.evolve(event_file(late), name="events.json")])
    assert table.attrs["problems"]
    alone = events([event_file(WALK)])
    pd.testing.assert_frame_equal(table, alone)
    assert temporal(table).equals(temporal(alone))
    # a later file may tell what the first one does not
    more = {"left": [("Foot Strike", 7.0)], "right": []}
    both = events([event_file(WALK), attrs.evolve(event_file(more), name="events.json")])
    assert len(both) == len(alone) + 1
    assert not both.attrs["problems"]


def test_strikes_too_near_to_each_other_are_no_stride() -> None:
    twice = {"left": [("Foot Strike", time) for time in (0.0, 1.0, 1.05, 2.0, 3.2)], "right": []}
    table = events([event_file(twice)])
    assert table["time"].tolist() == [0.0, 1.0, 1.05, 2.0, 3.2], "the events are what the file says"
    found = temporal(table)
    assert found[["name", "mean"]].values.tolist() == [["Stride Time", pytest.approx(1.2)]]
    unsided = [{"name": "Foot Strike", "context": "General", "time": time} for time in (0.0, 0.05)]
    one = file(json.dumps({"events": unsided[:1]}).encode(), "event.json")
    other = file(json.dumps({"events": unsided[1:]}).encode(), "events.json")
    assert len(events([one, other])) == 2, "they may be of the two feet"


def test_trials_are_not_mixed() -> None:
    other = {"left": [("Foot Strike", 0.0), ("Foot Strike", 3.0)], "right": []}
    found = temporal(events([event_file(WALK), event_file(other, clip="clip-2", trial="Walk 2")]))
    times = found[(found["name"] == "Stride Time") & (found["side"] == "left")].set_index("clip")["mean"]
    assert times.to_dict() == pytest.approx({"clip-1": 1.0, "clip-2": 3.0})


def test_the_files_own_parameters_go_before_those_from_events() -> None:
    table = values({"label": "Stance Phase", "context": "Left", "unit": "%", "values": {"mean": 60.0}})
    whole = complete(table, events([event_file(WALK)]))
    stance = whole[whole["name"] == "Stance Phase"].set_index("side")
    assert stance["mean"].to_dict() == pytest.approx({"left": 60.0, "right": 62.0})
    assert stance["label"].to_dict() == {"left": "Stance Phase", "right": "from events"}
    assert whole["name"].tolist().count("Single Support") == 2
    assert list(whole.index) == list(range(len(whole)))
    assert complete(table, events([])).equals(table)
    assert len(complete(parameters([]), events([event_file(WALK)]))) == 10


def test_a_null_in_the_parameters_makes_way_for_the_value_from_events() -> None:
    data = [
        {"label": "Stance Phase", "context": "Left", "unit": "%", "values": {"mean": None}},
        {"label": "Step Width", "context": "Left", "unit": "m", "values": {"mean": None}},
    ]
    table = parameters([file(packed(*data), "gait_params.json")])
    whole = complete(table, events([event_file(WALK)]))
    stance = whole[(whole["name"] == "Stance Phase") & (whole["side"] == "left")]
    assert stance[["mean", "label"]].values.tolist() == [[pytest.approx(61.0), "from events"]]
    assert whole["name"].tolist().count("Step Width") == 1, "nothing else is left out"


def test_close_matches_of_a_channel_are_said_once() -> None:
    content = file(packed(entry("LKneeAngles-x", {"cycle-0": wave(101)}, PERCENT_101)))
    with pytest.raises(ValidationError, match="'knee_flexoin'; close: ") as caught:
        cycles([content], channels=["knee_flexoin"])
    near = str(caught.value).partition("close: ")[2].split(", ")
    assert near[0] == "knee_flexion"
    assert len(near) == len(set(near)) == 3
