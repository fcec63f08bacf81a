"""Strides of walking as tests need them: drawn from the published table, as different as people's strides are."""

from __future__ import annotations

import csv
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import moveshelf

ANGLES = {
    "pelvic_tilt": ("PelvisAngles", "X"),
    "pelvic_obliquity": ("PelvisAngles", "Y"),
    "pelvic_rotation": ("PelvisAngles", "Z"),
    "hip_flexion": ("HipAngles", "X"),
    "hip_adduction": ("HipAngles", "Y"),
    "hip_rotation": ("HipAngles", "Z"),
    "knee_flexion": ("KneeAngles", "X"),
    "knee_adduction": ("KneeAngles", "Y"),
    "knee_rotation": ("KneeAngles", "Z"),
    "ankle_dorsiflexion": ("AnkleAngles", "X"),
    "foot_progression": ("FootProgressAngles", "Z"),
}
KINETICS = {
    "hip_extension_moment": ("HipMoment", "X"),
    "hip_abduction_moment": ("HipMoment", "Y"),
    "knee_extension_moment": ("KneeMoment", "X"),
    "knee_abduction_moment": ("KneeMoment", "Y"),
    "ankle_plantarflexion_moment": ("AnkleMoment", "X"),
    "hip_power": ("HipPower", "Z"),
    "knee_power": ("KneePower", "Z"),
    "ankle_power": ("AnklePower", "Z"),
}


@lru_cache
def table() -> dict[tuple[str, str, str], tuple[Any, Any, str]]:
    """Mean, standard deviation (at 0, 2, ... 100 %) and unit, by speed, channel and axis."""
    (path,) = Path(moveshelf.__file__).parent.rglob("normal_gait_schwartz2008.csv")
    found: dict[tuple[str, str, str], list[tuple[float, float, str]]] = {}
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            key = (row["speed"], row["channel"], row["axis"])
            found.setdefault(key, []).append((float(row["mean"]), float(row["sd"]), row["unit"]))
    return {
        key: (np.array([one[0] for one in rows]), np.array([one[1] for one in rows]), rows[0][2])
        for key, rows in found.items()
    }


def norm(speed: str = "Free", channels: dict[str, tuple[str, str]] | None = None) -> xr.Dataset:
    """The table as a norm: a Dataset of mean and sd over channel and percent (51 points)."""
    channels = channels or {**ANGLES, **KINETICS}
    rows = [table()[(speed, *key)] for key in channels.values()]
    return xr.Dataset(
        {
            "mean": (("channel", "percent"), np.array([row[0] for row in rows])),
            "sd": (("channel", "percent"), np.array([row[1] for row in rows])),
        },
        coords={
            "channel": list(channels),
            "unit": ("channel", [row[2] for row in rows]),
            "percent": np.arange(0.0, 101.0, 2.0),
        },
    )


def _wave(dice: np.random.Generator, percent: Any, size: float) -> Any:
    """A smooth periodic variation of about that many standard deviations."""
    phase = 2 * np.pi * percent / 100
    made = dice.normal(0, size) * np.ones_like(percent)
    for n in (1, 2, 3):
        made += dice.normal(0, size / (n + 1)) * np.cos(n * phase) + dice.normal(0, size / (n + 1)) * np.sin(
            n * phase
        )
    return made


def walk(
    *,
    subject: str = "P-001",
    session: str = "2023-01-20",
    date: str = "2023-01-20",
    condition: str = "Barefoot",
    trials: int = 3,
    cycles: int = 3,
    channels: dict[str, tuple[str, str]] | None = None,
    speed: str = "Free",
    seed: int = 0,
    points: int = 101,
    person: float = 0.7,
    stiff: float = 1.0,
    **more: str,
) -> xr.DataArray:
    """The strides of one condition: `trials` trials of `cycles` cycles a side, percent 0 to 100.

    `person` is how far the subject is from the table's mean, in standard deviations; `stiff` shrinks the knee's flexion.
    """
    channels = ANGLES if channels is None else channels
    percent = np.linspace(0, 100, points)
    own = np.random.default_rng([seed, 1])
    means: dict[tuple[str, str], Any] = {}
    for name, key in channels.items():
        mean, sd, _ = table()[(speed, *key)]
        mean = np.interp(percent, np.arange(0, 101, 2), mean)
        sd = np.interp(percent, np.arange(0, 101, 2), sd)
        shared = _wave(own, percent, person)
        for side in ("left", "right"):
            means[name, side] = (mean + sd * (shared + _wave(own, percent, 0.35 * person)), sd)
            if name == "knee_flexion" and stiff != 1.0:
                curve = means[name, side][0]
                means[name, side] = (np.median(curve) + (curve - np.median(curve)) * stiff, sd)
    rows, values = [], []
    dice = np.random.default_rng([seed, sum(map(ord, session + condition)), 2])
    for trial in range(1, trials + 1):
        for side in ("left", "right"):
            for cycle in range(cycles):
                rows.append(
                    (f"Walk {trial}", f"clip-{seed}-{session}-{condition}-{trial}", side, f"cycle-{cycle}")
                )
                values.append(
                    [
                        means[name, side][0] + means[name, side][1] * _wave(dice, percent, 0.2)
                        for name in channels
                    ]
                )
    coords: dict[str, Any] = {
        name: ("stride", np.full(len(rows), text, dtype=object))
        for name, text in {
            "subject": subject,
            "session": session,
            "date": date,
            "condition": condition,
            **more,
        }.items()
    }
    for n, name in enumerate(("trial", "clip", "side", "cycle")):
        coords[name] = ("stride", np.array([row[n] for row in rows], dtype=object))
    coords["channel"] = list(channels)
    coords["unit"] = (
        "channel",
        np.array([table()[(speed, *key)][2] for key in channels.values()], dtype=object),
    )
    coords["percent"] = percent
    shape = (len(rows), len(channels), points)
    return xr.DataArray(np.array(values).reshape(shape), dims=("stride", "channel", "percent"), coords=coords)


def together(*arrays: xr.DataArray) -> xr.DataArray:
    return xr.concat(arrays, dim="stride", coords="minimal", compat="override", join="outer")
