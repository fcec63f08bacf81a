"""Derived files of synthetic trials, drawn from real means and standard deviations (gait/data/README.md).

Every curve is the table's mean plus its standard deviation times a smooth, periodic variation: most of it the
subject's own, some the session's and the trial's, a little the single cycle's. To that comes a pattern of a gait disorder
where the recipe names one. The same recipe makes the same bytes.

A recipe is the JSON object that a row keeps in place of its bytes:

    speed       of the table: "VerySlow", "Slow", "Free", "Fast", "VeryFast"
    subject, session, condition, trial      whose variation it is
    gap         true: a marker was hidden for a moment, some values are null
    labels      "vicon" (LKneeAngles-x; the default) or "gcd" (LeftKneeFlexExt)
    rows        of a cycle file: 51 (0, 2, ..., 100 percent; the default), 101, or 100
    first       percent of the first of 100 rows: 0 (the default) or 1
    pattern     "crouch", "stiff knee", "equinus" or "in-toeing", with
    severity    its size: 1 before an operation, less after one
    side        "Left" or "Right" where the other side has a quarter of it only
    variation   how much of the usual variation there is (1)
    norm        true: a cycle file of the table's own means and standard deviations, without cycles
"""

from __future__ import annotations

import csv
import json
import math
import random
from functools import lru_cache
from importlib.resources import files
from typing import Any

from attrs import frozen

TABLE = "normal_gait_schwartz2008.csv"
CYCLES = 3
_KEYS = tuple(f"cycle-{n}" for n in range(CYCLES))


@frozen
class Pace:
    """What belongs to a walking speed of the table: metres a second, steps a minute, and the foot off in percent of the cycle.

    The foot off is the table's own (its sheet "Cycle Events"), speed and cadence are those of a subject of middle size.
    """

    speed: float
    cadence: float
    foot_off: float


PACES = {
    "VerySlow": Pace(0.55, 78.0, 68.0),
    "Slow": Pace(0.85, 98.0, 62.0),
    "Free": Pace(1.20, 120.0, 59.0),
    "Fast": Pace(1.55, 139.0, 58.0),
    "VeryFast": Pace(1.95, 158.0, 56.0),
}
SIDES = (("Left", "L"), ("Right", "R"))

Channel = tuple[str, str]
Recipe = dict[str, Any]

# the names of a GCD file, side in front
GCD = {
    ("PelvisAngles", "X"): "PelvicTilt",
    ("PelvisAngles", "Y"): "PelvicObliquity",
    ("PelvisAngles", "Z"): "PelvicRotation",
    ("HipAngles", "X"): "HipFlexExt",
    ("HipAngles", "Y"): "HipAbAdduct",
    ("HipAngles", "Z"): "HipRotation",
    ("KneeAngles", "X"): "KneeFlexExt",
    ("KneeAngles", "Y"): "KneeValgVar",
    ("KneeAngles", "Z"): "KneeRotation",
    ("AnkleAngles", "X"): "DorsiPlanFlex",
    ("FootProgressAngles", "Z"): "FootProgression",
    ("HipMoment", "X"): "HipFlexExtMoment",
    ("HipMoment", "Y"): "HipAbAdductMoment",
    ("KneeMoment", "X"): "KneeFlexExtMoment",
    ("KneeMoment", "Y"): "KneeValgVarMoment",
    ("AnkleMoment", "X"): "DorsiPlanFlexMoment",
    ("HipPower", "Z"): "HipPower",
    ("KneePower", "Z"): "KneePower",
    ("AnklePower", "Z"): "AnklePower",
}


@frozen
class Offset:
    """What a disorder adds to a channel, in degrees: everywhere, and at its peak `size` more, `width` percent wide."""

    everywhere: float
    size: float = 0.0
    at: float = 0.0
    width: float = 1.0

    def curve(self) -> list[float]:
        found = []
        for point in range(51):
            away = abs(point * 2 - self.at)
            away = min(away, 100 - away)
            found.append(self.everywhere + self.size * math.exp(-((away / self.width) ** 2)))
        return found


# made up, of the size that such disorders have
PATTERNS = {
    "crouch": {
        ("KneeAngles", "X"): Offset(16, 8, 20, 22),
        ("HipAngles", "X"): Offset(9, 5, 50, 16),
        ("AnkleAngles", "X"): Offset(5, 5, 30, 18),
        ("PelvisAngles", "X"): Offset(5),
    },
    "stiff knee": {
        ("KneeAngles", "X"): Offset(8, -36, 71, 14),
        ("HipAngles", "X"): Offset(9),
        ("PelvisAngles", "X"): Offset(6),
    },
    "equinus": {
        ("AnkleAngles", "X"): Offset(-15, -4, 50, 20),
        ("KneeAngles", "X"): Offset(0, -9, 38, 16),
    },
    "in-toeing": {
        ("HipAngles", "Z"): Offset(17),
        ("FootProgressAngles", "Z"): Offset(16),
    },
}


def table_bytes() -> bytes:
    """The table as it lies in the package: its file is read, the package of the client is not imported."""
    return files("moveshelf").joinpath(f"gait/data/{TABLE}").read_bytes()


@lru_cache(maxsize=1)
def table() -> dict[str, dict[Channel, tuple[list[float], list[float]]]]:
    """Mean and standard deviation at 0, 2, ... 100 percent, by speed, then by channel and axis."""
    found: dict[str, dict[Channel, tuple[list[float], list[float]]]] = {}
    for row in csv.DictReader(table_bytes().decode().splitlines()):
        means, sds = found.setdefault(row["speed"], {}).setdefault((row["channel"], row["axis"]), ([], []))
        means.append(float(row["mean"]))
        sds.append(float(row["sd"]))
    return found


_WAVES = [[f(n * math.tau * i / 50) for i in range(51)] for n in (1, 2) for f in (math.cos, math.sin)]


@lru_cache(maxsize=4096)
def _wave(key: str, size: float) -> tuple[float, ...]:
    """A smooth periodic variation over the cycle's 51 points."""
    dice = random.Random(key)
    level, a, b = dice.gauss(0, size), dice.gauss(0, size / 2), dice.gauss(0, size / 2)
    c, d = dice.gauss(0, size / 3), dice.gauss(0, size / 3)
    return tuple(level + a * p + b * q + c * r + d * s for p, q, r, s in zip(*_WAVES, strict=True))


def _severity(recipe: Recipe, side: str) -> float:
    """How much of the recipe's pattern a side has."""
    if recipe.get("pattern") is None:
        return 0.0
    share = 1.0 if recipe.get("side") in (None, side) else 0.25
    return share * float(recipe.get("severity", 1.0))


def curves_of(recipe: Recipe, side: str, channel: Channel) -> list[list[float]]:
    """One curve a cycle, at 0, 2, ..., 100 percent."""
    means, sds = table()[recipe["speed"]][channel]
    subject, session, trial = (str(recipe.get(part)) for part in ("subject", "session", "trial"))
    name = f"{side}{channel[0]}{channel[1]}"
    layers = [
        _wave(f"subject {subject} {name}", 0.7),
        _wave(f"session {subject} {session} {name}", 0.3),
        _wave(f"trial {subject} {session} {recipe.get('condition')} {trial} {name}", 0.2),
    ]
    offset = PATTERNS.get(recipe.get("pattern") or "", {}).get(channel)
    severity = _severity(recipe, side)
    added = [severity * value for value in offset.curve()] if offset and severity else [0.0] * 51
    usual = float(recipe.get("variation", 1.0))
    found = []
    for cycle in range(CYCLES):
        own = _wave(f"cycle {cycle} {subject} {session} {recipe.get('condition')} {trial} {name}", 0.15)
        curve = [
            mean + sd * usual * (a + b + c + d) + more
            for mean, sd, a, b, c, d, more in zip(means, sds, *layers, own, added, strict=True)
        ]
        if recipe.get("condition") == "Braced" and channel == ("AnkleAngles", "X"):
            curve = [max(-2.0, min(10.0, value)) for value in curve]  # what the brace lets through
        found.append(curve)
    return found


@frozen
class SideTiming:
    """The moments of one foot, in seconds, its stance in percent of the cycle and its step in metres."""

    strikes: list[float]
    offs: list[float]
    stance: float
    step: float


@frozen
class Timing:
    """Metres a second, steps a minute, seconds a stride, and each side's moments."""

    speed: float
    cadence: float
    stride: float
    sides: dict[str, SideTiming]


def timing(recipe: Recipe) -> Timing:
    """Pace and the moments of the trial's foot strikes, the same for all its files."""
    key = "/".join(str(recipe.get(part)) for part in ("subject", "session", "condition", "trial"))
    dice = random.Random(f"pace {key}")
    pace = PACES[recipe["speed"]]
    worst = max(_severity(recipe, side) for side, _ in SIDES)
    cadence = pace.cadence * (1 + dice.gauss(0, 0.02)) * (1 - 0.05 * worst)
    speed = pace.speed * (1 + dice.gauss(0, 0.04)) * (1 - 0.25 * worst)
    stride = 120.0 / cadence
    sides = {}
    for (side, _), start in zip(SIDES, (0.20, 0.20 + stride / 2), strict=True):
        strikes = [start + stride * n for n in range(CYCLES + 1)]
        stance = pace.foot_off + dice.gauss(0, 0.8) + 4 * _severity(recipe, side)
        sides[side] = SideTiming(
            [round(t, 3) for t in strikes],
            [round(t + stride * stance / 100, 3) for t in strikes[:-1]],
            stance,
            stride * speed / 2 * (1 + dice.gauss(0, 0.02)),
        )
    return Timing(speed, cadence, stride, sides)


def _channels(name: str) -> list[Channel]:
    kind = next((k for k in ("Moment", "Power") if k.lower() in name), "Angles")
    return [channel for channel in table()["Free"] if channel[0].endswith(kind)]


def label_of(recipe: Recipe, side: str, channel: Channel) -> str:
    """A channel's label in the vocabulary of the recipe."""
    if recipe.get("labels") == "gcd":
        return side + GCD[channel]
    return f"{side[0]}{channel[0]}-{channel[1].lower()}"


def percents(recipe: Recipe) -> list[int]:
    """The percents of a cycle file's rows."""
    count = recipe.get("rows", 51)
    if count == 51:
        return list(range(0, 101, 2))
    first = recipe.get("first", 0) if count == 100 else 0
    return list(range(first, first + count))


def at(curve: list[float], percent: float) -> float:
    """A curve's value between its 51 points."""
    low = min(int(percent / 2), 49)
    return curve[low] + (curve[low + 1] - curve[low]) * (percent / 2 - low)


def norm_file(name: str, recipe: Recipe) -> dict[str, Any]:
    """The table's own mean and standard deviation, alike on the left and on the right."""
    data = []
    for channel in _channels(name):
        means, sds = table()[recipe["speed"]][channel]
        rows = [
            {"perc": point * 2, "mean": mean, "std": sd}
            for point, (mean, sd) in enumerate(zip(means, sds, strict=True))
        ]
        for side, _ in SIDES:
            label = label_of(recipe, side, channel)
            data.append({"id": label, "label": label, "context": side, "values": rows})
    return {"data": data}


def cycle_file(name: str, recipe: Recipe) -> dict[str, Any]:
    """Curves over the cycle: the rows of each channel of each side, a column a cycle, their mean and deviation."""
    when = timing(recipe)
    places = percents(recipe)
    data = []
    for channel in _channels(name):
        for side, _ in SIDES:
            label = label_of(recipe, side, channel)
            curves = curves_of(recipe, side, channel)
            rows = []
            for percent in places:
                values = [at(curve, percent) for curve in curves]
                mean = sum(values) / CYCLES
                deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / (CYCLES - 1))
                row: dict[str, Any] = {"perc": percent, "mean": round(mean, 3), "std": round(deviation, 3)}
                row.update(zip(_KEYS, (round(value, 3) for value in values), strict=True))
                if recipe.get("gap") and channel[0] == "FootProgressAngles" and 60 <= percent < 72:
                    row.update(dict.fromkeys([key for key in row if key != "perc"]))
                rows.append(row)
            strikes = when.sides[side].strikes
            cycles = {
                f"cycle-{n}": {"time-start": strikes[n], "time-end": strikes[n + 1]} for n in range(CYCLES)
            }
            data.append({"id": label, "label": label, "context": side, "cycles": cycles, "values": rows})
    return {"data": data}


def series_file(name: str, recipe: Recipe, rate: float = 50.0) -> dict[str, Any]:
    """The same curves over time, from the first foot strike to the last."""
    when = timing(recipe)
    data = []
    for channel in _channels(name):
        for side, _ in SIDES:
            label = label_of(recipe, side, channel)
            curves = curves_of(recipe, side, channel)
            strikes = when.sides[side].strikes
            rows = []
            for n in range(round((strikes[-1] - strikes[0]) * rate) + 1):
                time = strikes[0] + n / rate
                strides = min((time - strikes[0]) / when.stride, CYCLES - 1e-9)
                value = at(curves[int(strides)], strides % 1 * 100)
                rows.append({"time": round(time, 3), "mean": round(value, 3)})
            data.append({"id": label, "label": label, "context": side, "values": rows})
    return {"data": data}


def parameters_file(recipe: Recipe) -> dict[str, Any]:
    """Temporal and spatial parameters, left and right."""
    when = timing(recipe)
    data = []
    for side, _ in SIDES:
        own = when.sides[side]
        for label, unit, mean, std in (
            ("Speed", "m/s", when.speed, 0.04),
            ("Cadence", "steps/min", when.cadence, 2.5),
            ("Stride Length", "m", when.speed * when.stride, 0.03),
            ("Step Length", "m", own.step, 0.02),
            ("Stride Time", "s", when.stride, 0.02),
            ("Stance Phase", "%", own.stance, 0.9),
            ("Swing Phase", "%", 100 - own.stance, 0.9),
        ):
            values = {"mean": round(mean, 4), "std": std}
            data.append({"label": label, "context": side, "unit": unit, "values": values})
    return {"data": data}


def event_file(recipe: Recipe) -> dict[str, Any]:
    """Foot strikes and foot offs in the order of time."""
    when = timing(recipe)
    events: list[dict[str, Any]] = []
    for side, _ in SIDES:
        own = when.sides[side]
        events += [{"name": "Foot Strike", "context": side, "time": t} for t in own.strikes]
        stance = round(own.stance, 2)
        events += [{"name": "Foot Off", "context": side, "time": t, "perc": stance} for t in own.offs]
    return {"events": sorted(events, key=lambda event: float(event["time"]))}


def content(name: str, recipe: Recipe) -> bytes:
    """The bytes of a derived file, which one its name tells."""
    if name.endswith("gait_params.json"):
        found = parameters_file(recipe)
    elif name.endswith("event.json"):
        found = event_file(recipe)
    elif name.endswith("_normalized.json"):
        found = norm_file(name, recipe) if recipe.get("norm") else cycle_file(name, recipe)
    elif name.endswith(("angles.json", "moments.json", "powers.json")):
        found = series_file(name, recipe)
    else:
        found = {"name": name, **recipe}
    return json.dumps(found, separators=(",", ":")).encode()
