"""Scores against closed forms, against other implementations, and their errors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import xarray as xr
from gpscalculator import calculateGPS
from hypothesis import given
from hypothesis import strategies as st

from moveshelf.errors import ValidationError
from moveshelf.gait import (
    GPS_CHANNELS,
    dimensionless,
    gdi,
    gdi_basis,
    gdi_star,
    gps,
    gvs,
    schwartz2008,
    symmetry,
)

NORM = schwartz2008("free")


def strides(
    count: int,
    seed: int = 0,
    points: int = 51,
    clips: int = 1,
    channels: tuple[str, ...] = GPS_CHANNELS,
    size: float = 5.0,
) -> xr.DataArray:
    """Curves that differ smoothly from the norm's, sides in turn."""
    dice = np.random.default_rng(seed)
    at = np.linspace(0, 100, points)
    phase = 2 * np.pi * at / 100
    waves = np.stack(
        [np.ones_like(phase), np.cos(phase), np.sin(phase), np.cos(2 * phase), np.sin(2 * phase)]
    )
    base = np.stack([np.interp(at, NORM.percent, NORM["mean"].sel(channel=name)) for name in channels])
    values = base + dice.normal(0, size, (count, len(channels), 5)) @ waves
    clip = [f"clip-{n * clips // count}" for n in range(count)]
    return xr.DataArray(
        values,
        {
            "channel": list(channels),
            "percent": at,
            "unit": ("channel", ["deg"] * len(channels)),
            "side": ("stride", [("left", "right")[n % 2] for n in range(count)]),
            "clip": ("stride", clip),
            "trial": ("stride", [f"Walk {one}" for one in clip]),
        },
        ("stride", "channel", "percent"),
    )


# --- GVS, MAP and GPS


def test_a_constant_difference_is_the_score() -> None:
    found = gvs(NORM["mean"] - 4.5, NORM)
    assert found.dims == ("channel",)
    np.testing.assert_allclose(found, 4.5)
    assert gps(NORM["mean"] - 4.5, NORM).item() == pytest.approx(4.5)


def test_the_reference_itself_scores_nothing() -> None:
    np.testing.assert_allclose(gvs(NORM["mean"], NORM), 0.0)
    assert gps(NORM["mean"], NORM).item() == 0.0


def test_a_sine_scores_its_size_by_the_root_of_two() -> None:
    at = NORM.percent.values[:-1]
    mean = NORM["mean"].isel(percent=slice(None, -1))  # whole periods, each point once
    found = gvs(mean + 3.0 * np.sin(2 * np.pi * 2 * at / 100), xr.Dataset({"mean": mean}))
    np.testing.assert_allclose(found, 3.0 / math.sqrt(2))


def test_the_profile_score_is_the_root_mean_square_of_the_variable_scores() -> None:
    curves = strides(6)
    own = gvs(curves, NORM, GPS_CHANNELS)
    assert own.dims == ("stride", "channel")
    assert own.sizes == {"stride": 6, "channel": 9}
    np.testing.assert_allclose(gps(curves, NORM), np.sqrt((own.values**2).mean(axis=1)))
    for name in ("side", "clip", "trial"):
        assert (gps(curves, NORM)[name] == curves[name]).all()
    assert list(own.unit.values) == ["deg"] * 9


def test_as_another_implementation_scores_each_variable() -> None:
    curves = strides(2, seed=3)
    names = dict(
        zip(
            GPS_CHANNELS,
            (
                "Pelvic Tilt", "Pelvic Obliquity", "Pelvic Rotation", "Hip Flexion", "Hip Abduction", "Hip Rotation",
                "Knee Flexion", "Ankle Dorsiflexion", "Foot Progression",
            ),
            strict=True,
        )
    )  # fmt: skip

    def table(values: Any) -> dict[str, list[float]]:
        return {
            f"{names[name]} {side}": list(values(side, name))
            for side in ("Left", "Right")
            for name in GPS_CHANNELS
        }

    reference = table(lambda side, name: NORM["mean"].sel(channel=name).values)
    subject = table(lambda side, name: curves.isel(stride=int(side == "Right")).sel(channel=name).values)
    theirs = calculateGPS(reference, subject).gps
    ours = gvs(curves, NORM, GPS_CHANNELS)
    for n, side in enumerate(("Left", "Right")):
        for name in GPS_CHANNELS:
            assert ours.isel(stride=n).sel(channel=name).item() == pytest.approx(
                theirs[f"{names[name]} {side}"]
            )
    # theirs takes the plain mean of the variables' scores; by Baker 2009 it is their root mean square, never below it
    for n, side in enumerate(("Left", "Right")):
        assert gps(curves, NORM).values[n] > theirs[f"GPS {side}"]


def test_one_score_a_trial_counts_the_pelvis_once() -> None:
    curves = strides(8, seed=1, clips=2)
    found = gps(curves, NORM, overall=True)
    assert found.dims == ("clip",)
    assert list(found["clip"].values) == ["clip-0", "clip-1"]
    assert list(found["trial"].values) == ["Walk clip-0", "Walk clip-1"]
    for n, clip in enumerate(("clip-0", "clip-1")):
        own = curves.isel(stride=(curves["clip"] == clip).values)
        left, right = (
            own.isel(stride=(own.side == side).values).mean("stride") for side in ("left", "right")
        )
        pelvis = [name for name in GPS_CHANNELS if name.startswith("pelvic")]
        others = [name for name in GPS_CHANNELS if not name.startswith("pelvic")]
        scores = np.concatenate(
            [gvs(left, NORM, pelvis).values, gvs(left, NORM, others).values, gvs(right, NORM, others).values]
        )
        assert len(scores) == 15
        assert found.values[n] == pytest.approx(math.sqrt((scores**2).mean()))


def test_a_trial_of_one_side_has_no_overall_score() -> None:
    curves = strides(4)
    curves = curves.isel(stride=(curves.side == "left").values)
    assert np.isnan(gps(curves, NORM, overall=True)).all()
    assert not np.isnan(gps(curves, NORM)).any()


def test_an_overall_score_leaves_out_a_stride_with_a_gap_in_that_channel_only() -> None:
    curves = strides(4)
    broken = curves.copy(deep=True)
    broken[0, 3, 20:25] = np.nan
    whole = curves.copy(deep=True)
    whole[0, 3] = whole[2, 3]  # the other left stride stands for it
    np.testing.assert_allclose(gps(broken, NORM, overall=True), gps(whole, NORM, overall=True))


def test_trials_without_ids_are_told_apart_by_their_names() -> None:
    curves = strides(4, clips=2).assign_coords(clip=("stride", [""] * 4))
    assert gps(curves, NORM, overall=True).sizes["clip"] == 2


def test_an_overall_score_needs_sides_and_trials() -> None:
    with pytest.raises(ValidationError, match="side"):
        gps(strides(2).drop_vars("side"), NORM, overall=True)
    with pytest.raises(ValidationError, match="stride"):
        gps(NORM["mean"], NORM, overall=True)


# --- what is compared


@pytest.mark.parametrize("points", [101, 51, 26, 201])
def test_other_points_than_the_reference(points: int) -> None:
    curves = xr.DataArray(
        np.stack([np.linspace(-3, 5, points)]), {"channel": ["hip_flexion"], "percent": np.linspace(0, 100, points)},
        ("channel", "percent"),
    )  # fmt: skip
    reference = xr.DataArray(
        np.stack([np.linspace(-3, 5, 51) + 2.0]), {"channel": ["hip_flexion"], "percent": np.linspace(0, 100, 51)},
        ("channel", "percent"),
    )  # fmt: skip
    assert gvs(curves, reference).item() == pytest.approx(2.0)


def test_the_finer_of_the_two_is_read_at_the_points_of_the_coarser() -> None:
    fine = strides(3, points=101)
    coarse = fine.isel(percent=slice(None, None, 2))
    np.testing.assert_allclose(gvs(fine, NORM, GPS_CHANNELS), gvs(coarse, NORM, GPS_CHANNELS), rtol=1e-12)


def test_channels_and_points_in_another_order() -> None:
    curves = strides(3)
    turned = curves.isel(channel=slice(None, None, -1), percent=slice(None, None, -1)).transpose(
        "percent", "stride", "channel"
    )
    np.testing.assert_allclose(gps(turned, NORM), gps(curves, NORM))
    np.testing.assert_allclose(
        gvs(turned, NORM).sel(channel="knee_flexion"), gvs(curves, NORM).sel(channel="knee_flexion")
    )


def test_curves_are_a_reference_by_their_mean() -> None:
    controls, curves = strides(7, seed=5), strides(2)
    mean = xr.Dataset({"mean": controls.mean("stride")})
    np.testing.assert_allclose(gvs(curves, controls), gvs(curves, mean))


@pytest.mark.parametrize("ends", [slice(0, 1), slice(-1, None)])
def test_files_of_a_hundred_rows_are_scored(ends: slice) -> None:
    curves = NORM["mean"] + 3.0
    curves = curves.where(~curves.percent.isin(curves.percent[ends]))
    np.testing.assert_allclose(gvs(curves, NORM), 3.0)


@pytest.mark.parametrize("gap", [slice(20, 21), slice(1, 2), slice(0, 3), slice(0, 51)])
def test_a_gap_has_no_score(gap: slice) -> None:
    curves = (NORM["mean"] + 3.0).copy(deep=True)
    curves[2, gap] = np.nan
    found = gvs(curves, NORM)
    assert np.isnan(found[2])
    assert found.isnull().sum() == 1
    assert np.isnan(gps(curves, NORM))


@pytest.mark.parametrize("name", GPS_CHANNELS)
def test_a_missing_channel_is_named(name: str) -> None:
    curves = strides(2)
    without = curves.drop_sel(channel=name)
    with pytest.raises(ValidationError, match=f"no {name} in curves"):
        gps(without, NORM)
    with pytest.raises(ValidationError, match=f"no {name} in curves"):
        gps(without, NORM, overall=True)
    with pytest.raises(ValidationError, match=f"no {name} in the reference"):
        gvs(curves, NORM.drop_sel(channel=name))
    with pytest.raises(ValidationError, match=f"no {name} in the controls"):
        gdi(curves, without)
    with pytest.raises(ValidationError, match=f"no {name} in curves"):
        gdi(without, curves)


def test_units_that_differ_are_an_error() -> None:
    curves = strides(2).assign_coords(unit=("channel", ["rad", *["deg"] * 8]))
    with pytest.raises(ValidationError, match=r"pelvic_tilt \(rad and deg\)"):
        gvs(curves, NORM)
    unknown = curves.assign_coords(unit=("channel", [""] * 9))
    np.testing.assert_allclose(gvs(unknown, NORM), gvs(strides(2), NORM))


def test_a_moment_without_a_unit_is_not_compared() -> None:
    moments = NORM["mean"].sel(channel=["knee_flexion", "hip_extension_moment"])
    unknown = moments.assign_coords(unit=("channel", ["", ""]))
    with pytest.raises(ValidationError, match="the unit of hip_extension_moment is known"):
        gvs(unknown, NORM)
    said = unknown.assign_coords(unit=("channel", ["", "N.mm/kg"]))
    np.testing.assert_allclose(gvs(said, NORM), 0.0)
    np.testing.assert_allclose(gvs(moments.drop_vars("unit"), NORM), 0.0)
    assert "units" not in gps(said, NORM, channels=["knee_flexion", "hip_extension_moment"]).attrs


@pytest.mark.parametrize(
    ("curves", "reference", "match"),
    [
        (np.zeros((2, 9, 51)), NORM, "this is a ndarray"),
        (strides(2).rename(channel="joint"), NORM, "dims stride, joint, percent"),
        (strides(2).drop_vars("percent"), NORM, "no coordinate 'percent'"),
        (strides(2), NORM[["sd"]], "without 'mean'; it holds sd"),
        (strides(2), 3, "the reference must be a DataArray"),
        (xr.concat([strides(2), strides(2)], "channel"), NORM, "more than once"),
    ],
)
def test_what_is_no_curves(curves: Any, reference: Any, match: str) -> None:
    with pytest.raises(ValidationError, match=match):
        gvs(curves, reference)


# --- GDI


def eigen_index(vectors: np.ndarray, controls: np.ndarray, features: np.ndarray) -> np.ndarray:
    """The index worked out in another way: from projections, one stride at a time."""
    mean = np.mean([features.T @ one for one in controls], axis=0)

    def raw(one: np.ndarray) -> float:
        return math.log(math.dist(features.T @ one, mean))

    normal = [raw(one) for one in controls]
    sd = math.sqrt(sum((one - sum(normal) / len(normal)) ** 2 for one in normal) / (len(normal) - 1))
    return np.array([100 - 10 * (raw(one) - sum(normal) / len(normal)) / sd for one in vectors])


def flat(curves: xr.DataArray) -> np.ndarray:
    return np.array(curves.sel(channel=list(GPS_CHANNELS)).values.reshape(curves.sizes["stride"], -1))


@pytest.mark.parametrize("count", [3, 20, 60])
def test_the_controls_score_100_with_a_standard_deviation_of_10(count: int) -> None:
    controls = strides(count, seed=count)
    found = gdi(controls, controls)
    assert found.mean().item() == pytest.approx(100.0, abs=1e-9)
    assert float(np.std(found.values, ddof=1)) == pytest.approx(10.0, abs=1e-9)
    assert (found.side == controls.side).all()


def test_the_index_is_that_of_eigenvectors() -> None:
    curves, controls = strides(5, seed=1, size=9.0), strides(30, seed=2)
    data = flat(controls)
    _, vectors = np.linalg.eigh(data.T @ data)
    features = vectors[:, ::-1][:, :15]
    np.testing.assert_allclose(gdi(curves, controls), eigen_index(flat(curves), data, features), rtol=1e-6)
    np.testing.assert_allclose(gdi(curves, controls, basis=features), gdi(curves, controls), rtol=1e-6)


def test_a_larger_deviation_scores_less() -> None:
    controls = strides(40, seed=2)
    mean = controls.mean("stride")
    one = strides(1, seed=9)
    scores = [
        gdi(mean + size * (one - mean), controls, basis=gdi_basis(controls)).item()
        for size in (0.5, 1.0, 2.0, 4.0)
    ]
    assert scores == sorted(scores, reverse=True)
    # ten points less for each standard deviation of ln d: doubling the deviation takes the same from each
    steps = np.diff(scores)
    np.testing.assert_allclose(steps, steps[0])


def test_a_basis_is_orthonormal_and_says_what_it_explains() -> None:
    curves = strides(40, seed=4)
    basis = gdi_basis(curves, features=15)
    assert basis.dims == ("feature", "channel", "percent")
    assert basis.sizes == {"feature": 15, "channel": 9, "percent": 51}
    rows = basis.values.reshape(15, -1)
    np.testing.assert_allclose(rows @ rows.T, np.eye(15), atol=1e-9)
    data = flat(curves)
    assert basis.attrs["variation"] == pytest.approx(((data @ rows.T) ** 2).sum() / (data**2).sum())
    assert gdi_basis(strides(4), features=15).sizes["feature"] == 4


def test_curves_of_other_points_have_the_same_index() -> None:
    curves, controls = strides(4, points=101), strides(20, seed=2, points=101)
    half = slice(None, None, 2)
    np.testing.assert_allclose(
        gdi(curves, controls), gdi(curves.isel(percent=half), controls.isel(percent=half))
    )


def test_a_gap_has_no_index_and_a_control_with_one_does_not_count() -> None:
    curves, controls = strides(3), strides(20, seed=2)
    broken = curves.copy(deep=True)
    broken[1, 4, 30] = np.nan
    assert list(np.isnan(gdi(broken, controls).values)) == [False, True, False]
    torn = controls.copy(deep=True)
    torn[0, 0, 10] = np.nan
    np.testing.assert_allclose(gdi(curves, torn), gdi(curves, controls.isel(stride=slice(1, None))))


def test_what_a_file_lacks_at_an_end_is_the_value_beside_it() -> None:
    curves, controls = strides(3), strides(20, seed=2)
    held = curves.copy(deep=True)
    held[:, :, -1] = held[:, :, -2]
    absent = curves.copy(deep=True)
    absent[:, :, -1] = np.nan
    np.testing.assert_allclose(gdi(absent, controls), gdi(held, controls))


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: gdi(strides(2), strides(2)), "2 complete strides: the index needs at least 3"),
        (lambda: gdi(strides(2), strides(5).isel(stride=[0, 0, 0])), "do not differ"),
        (
            lambda: gdi(strides(2), strides(9), basis=np.zeros((15, 459))),
            r"the basis has the shape \(15, 459\)",
        ),
        (lambda: gdi(strides(2), strides(9), basis=np.full((459, 2), np.nan)), "no finite numbers"),
        (
            lambda: gdi(strides(2), strides(9), basis=gdi_basis(strides(5)).drop_sel(channel="knee_flexion")),
            "no knee_flexion in the basis",
        ),
        (lambda: gdi(strides(2), strides(9), basis=strides(5)), "dims feature"),
        (lambda: gdi_basis(strides(5), features=0), "features is 0"),
        (lambda: gdi_basis(strides(5) * np.nan), "no stride is complete"),
    ],
)
def test_an_index_that_cannot_be(make: Any, match: str) -> None:
    with pytest.raises(ValidationError, match=match):
        make()


# --- GDI*


def test_gdi_star_is_100_at_the_published_mean_and_10_less_a_deviation() -> None:
    assert gdi_star(math.exp(1.677)) == pytest.approx(100.0)
    assert gdi_star(math.exp(1.677 + 0.263)) == pytest.approx(90.0)
    assert gdi_star(math.exp(1.677 - 2 * 0.263)) == pytest.approx(120.0)
    assert gdi_star(math.e, a=0.0, b=1.0) == pytest.approx(90.0)


def test_scores_are_in_the_unit_of_the_curves() -> None:
    norm = schwartz2008("free").sel(channel=list(GPS_CHANNELS))
    radians = (norm * (math.pi / 180)).assign_coords(unit=("channel", ["rad"] * len(GPS_CHANNELS)))
    for reference, unit, three in ((norm, "deg", 3.0), (radians, "rad", 3.0 * math.pi / 180)):
        score = gps(reference["mean"] + three, reference)
        assert score.item() == pytest.approx(three)
        assert score.attrs["units"] == unit
    with pytest.raises(ValidationError, match=r"the scores are in rad, and GDI\* is of scores in degrees"):
        gdi_star(score)
    without = (norm["mean"] + 3.0).drop_vars("unit")
    assert gps(without, norm).attrs["units"] == "deg"
    mixed = schwartz2008("free")
    assert "units" not in gps(mixed["mean"], mixed, channels=["knee_flexion", "hip_power"]).attrs


def test_gdi_star_keeps_what_it_is_given() -> None:
    scores = gps(strides(3), NORM)
    found = gdi_star(scores)
    assert isinstance(found, xr.DataArray)
    assert found.name == "gdi_star"
    assert (found.side == scores.side).all()
    np.testing.assert_allclose(found, 100 - 10 * (np.log(scores.values) - 1.677) / 0.263)
    assert isinstance(gdi_star(scores.values), np.ndarray)
    assert isinstance(gdi_star(5.0), float)
    with pytest.raises(ValidationError, match="never negative"):
        gdi_star(-1.0)
    with pytest.raises(ValidationError, match="b is 0"):
        gdi_star(5.0, b=0)


# --- symmetry


@pytest.mark.parametrize(
    ("left", "right", "index", "angle"),
    [
        (5.0, 5.0, 0.0, 0.0),
        (3.0, 1.0, 100.0, 100 * (45 - math.degrees(math.atan(3))) / 90),
        (1.0, 3.0, -100.0, 100 * (45 - math.degrees(math.atan(1 / 3))) / 90),
        (1.0, 0.0, 200.0, -50.0),
        (0.0, 1.0, -200.0, 50.0),
        (1.0, -1.0, math.nan, 100.0),
        (-2.0, 1.0, 600.0, 100 * (45 - math.degrees(math.atan(-2))) / 90 - 200),
        (0.0, 0.0, math.nan, math.nan),
        (math.nan, 1.0, math.nan, math.nan),
    ],
)
def test_symmetry_of_two_numbers(left: float, right: float, index: float, angle: float) -> None:
    found = symmetry(left, right)
    np.testing.assert_allclose([found["index"].item(), found["angle"].item()], [index, angle], atol=1e-12)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_the_symmetry_angle_has_bounds_and_ignores_the_scale(left: float, right: float) -> None:
    angle = symmetry(left, right)["angle"].item()
    if left == right == 0:
        assert math.isnan(angle)
        return
    assert -100 <= angle <= 100
    np.testing.assert_allclose(symmetry(left * 4, right * 4)["angle"].item(), angle, atol=1e-9)


@given(st.floats(0.01, 1e6), st.floats(0.01, 1e6))
def test_sides_exchanged_are_the_reverse(left: float, right: float) -> None:
    one, other = symmetry(left, right), symmetry(right, left)
    np.testing.assert_allclose(one["index"], -other["index"], atol=1e-9)
    np.testing.assert_allclose(one["angle"], -other["angle"], atol=1e-9)


def test_symmetry_of_arrays() -> None:
    scores = gps(strides(4), NORM)
    found = symmetry(scores[0::2], scores[1::2])
    assert found["index"].dims == ("stride",)
    assert symmetry([1.0, 2.0], [1.0, 1.0])["index"].shape == (2,)
    with pytest.raises(ValidationError, match="not of the same shape"):
        symmetry([1.0, 2.0], [1.0, 2.0, 3.0])


# --- without dimension


@pytest.mark.parametrize(
    ("quantity", "value", "expected"),
    [
        ("length", 1.2, 1.5),
        ("time", 1.0, math.sqrt(9.81 / 0.8)),
        ("frequency", 1.0, math.sqrt(0.8 / 9.81)),
        ("speed", 1.4, 1.4 / math.sqrt(9.81 * 0.8)),
        ("acceleration", 9.81, 1.0),
        ("force", 30 * 9.81, 1.0),
        ("moment", 30 * 9.81 * 0.8, 1.0),
        ("energy", 30 * 9.81 * 0.8, 1.0),
        ("power", 30 * 9.81**1.5 * 0.8**0.5, 1.0),
    ],
)
def test_measures_without_dimension(quantity: str, value: float, expected: float) -> None:
    assert dimensionless(value, quantity, leg_length=0.8, mass=30) == pytest.approx(expected)


@given(st.floats(0.3, 1.2), st.floats(10, 120), st.floats(0.1, 3))
def test_a_stride_is_speed_times_time_without_dimension_too(leg: float, mass: float, speed: float) -> None:
    time = 1.1
    scaled = [
        dimensionless(value, name, leg)
        for value, name in ((speed, "speed"), (time, "time"), (speed * time, "length"))
    ]
    assert scaled[0] * scaled[1] == pytest.approx(scaled[2])
    force, power = (
        dimensionless(mass * 2.0, "force", leg, mass),
        dimensionless(mass * 2.0 * speed, "power", leg, mass),
    )
    assert force * scaled[0] == pytest.approx(power)


def test_an_array_without_dimension() -> None:
    found = dimensionless(xr.DataArray([0.8, 1.6], dims="stride"), "length", leg_length=0.8)
    assert found.values.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"quantity": "velocity", "leg_length": 0.8}, "no quantity 'velocity'"),
        ({"quantity": "speed", "leg_length": 850}, "leg_length is 850: pass it in metres"),
        ({"quantity": "speed", "leg_length": math.nan}, "leg_length is nan"),
        ({"quantity": "moment", "leg_length": 0.8}, "a moment needs mass="),
        ({"quantity": "moment", "leg_length": 0.8, "mass": 0}, "mass is 0"),
        ({"quantity": "speed", "leg_length": 0.8, "gravity": 0}, "gravity is 0"),
    ],
)
def test_sizes_that_cannot_be(arguments: dict[str, Any], match: str) -> None:
    with pytest.raises(ValidationError, match=match):
        dimensionless(1.0, **arguments)
