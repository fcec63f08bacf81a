"""The published table as a reference."""

from __future__ import annotations

import csv
from importlib.resources import files

import numpy as np
import pytest

from moveshelf.errors import ValidationError
from moveshelf.gait import GPS_CHANNELS, schwartz2008
from moveshelf.gait.norms import SPEEDS


def test_every_number_of_the_table_is_in_it() -> None:
    rows = list(
        csv.DictReader(
            files("moveshelf.gait").joinpath("data/normal_gait_schwartz2008.csv").read_text().splitlines()
        )
    )
    assert len(rows) == 4845
    for speed, name in (("VerySlow", "very slow"), ("Free", "free"), ("VeryFast", "very fast")):
        norm = schwartz2008(name)
        own = [row for row in rows if row["speed"] == speed]
        assert norm["mean"].size == len(own)
        for row in own:
            if (row["channel"], row["axis"]) == ("KneeAngles", "X"):
                at = norm.sel(channel="knee_flexion", percent=float(row["percent"]))
                assert (at["mean"].item(), at["sd"].item()) == (float(row["mean"]), float(row["sd"]))
        assert norm["mean"].sum().item() == pytest.approx(sum(float(row["mean"]) for row in own))
        assert norm["sd"].sum().item() == pytest.approx(sum(float(row["sd"]) for row in own))


def test_a_norm_has_what_scores_and_figures_need() -> None:
    norm = schwartz2008("free")
    assert list(norm.data_vars) == ["mean", "sd"]
    assert norm["mean"].dims == ("channel", "percent")
    assert norm.percent.values.tolist() == [2.0 * n for n in range(51)]
    assert set(GPS_CHANNELS) <= set(norm.channel.values)
    units = dict(zip(norm.channel.values, norm.unit.values, strict=True))
    assert (units["knee_flexion"], units["ankle_power"], units["hip_extension_moment"]) == (
        "deg",
        "W/kg",
        "N.mm/kg",
    )
    assert (norm["sd"] > 0).all()
    assert "Journal of Biomechanics 41 (2008)" in norm.attrs["source"]


def test_the_directions_are_those_of_the_vocabulary() -> None:
    norm = schwartz2008("free")["mean"]
    swing = norm.sel(percent=slice(60, 80))
    assert swing.sel(channel="knee_flexion").max() > 50  # the knee bends in swing
    assert norm.sel(channel="ankle_plantarflexion_moment", percent=slice(40, 50)).max() > 1000  # push-off
    assert (
        norm.sel(channel="ankle_dorsiflexion", percent=slice(60, 66)).min() < -15
    )  # the foot points down at push-off
    assert norm.sel(channel="ankle_power", percent=slice(45, 60)).max() > 2  # and gives power


@pytest.mark.parametrize("speed", [*SPEEDS, "Free", "VerySlow", "very-fast"])
def test_speeds(speed: str) -> None:
    assert schwartz2008(speed).attrs["speed"] in SPEEDS


def test_norms_are_not_shared() -> None:
    first = schwartz2008("free")
    first["mean"][:] = 0
    assert not (schwartz2008("free")["mean"] == 0).all()
    np.testing.assert_array_equal(schwartz2008().mean()["mean"], schwartz2008("free").mean()["mean"])


@pytest.mark.parametrize("speed", ["normal", "", None, 3])
def test_another_speed_is_an_error_that_lists_them(speed: object) -> None:
    with pytest.raises(ValidationError, match=r"'very slow', 'slow', 'free', 'fast', 'very fast'"):
        schwartz2008(speed)  # type: ignore[arg-type]
