"""Derived files of synthetic trials, drawn from real means and standard deviations (see data/README.md).

Every curve is the table's mean plus its standard deviation times a smooth, periodic variation: most of it the
subject's own, some the session's and the trial's, a little the single cycle's. The same recipe makes the same bytes.
"""

from __future__ import annotations

import csv
import json
import math
import random
from functools import lru_cache
from importlib.resources import files
from typing import Any

CYCLES = 3
_KEYS = tuple(f"cycle-{n}" for n in range(CYCLES))
# what goes with a walking speed of the table, for subjects of a middling size: metres a second, steps a minute,
# percent of the cycle on the ground
PACE = {
    "VerySlow": (0.55, 78.0, 67.0),
    "Slow": (0.85, 98.0, 64.0),
    "Free": (1.20, 120.0, 61.0),
    "Fast": (1.55, 139.0, 58.5),
    "VeryFast": (1.95, 158.0, 56.0),
}
SIDES = (("Left", "L"), ("Right", "R"))

Channel = tuple[str, str]


@lru_cache(maxsize=1)
def table() -> dict[str, dict[Channel, tuple[list[float], list[float]]]]:
    """Mean and standard deviation at 0, 2, ... 100 percent, by speed, then by channel and axis."""
    text = files("moveshelf.sandbox").joinpath("data/normal_gait_schwartz2008.csv").read_text("utf-8")
    found: dict[str, dict[Channel, tuple[list[float], list[float]]]] = {}
    for row in csv.DictReader(text.splitlines()):
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


def _curves(recipe: dict[str, Any], side: str, channel: Channel) -> list[list[float]]:
    """One curve a cycle."""
    means, sds = table()[recipe["speed"]][channel]
    subject, session, trial = (str(recipe.get(part)) for part in ("subject", "session", "trial"))
    name = f"{side}{channel[0]}{channel[1]}"
    layers = [
        _wave(f"subject {subject} {name}", 0.7),
        _wave(f"session {subject} {session} {name}", 0.3),
        _wave(f"trial {subject} {session} {recipe.get('condition')} {trial} {name}", 0.2),
    ]
    found = []
    for cycle in range(CYCLES):
        own = _wave(f"cycle {cycle} {subject} {session} {recipe.get('condition')} {trial} {name}", 0.15)
        curve = [
            mean + sd * (a + b + c + d) for mean, sd, a, b, c, d in zip(means, sds, *layers, own, strict=True)
        ]
        if recipe.get("condition") == "Braced" and channel == ("AnkleAngles", "X"):
            curve = [max(-2.0, min(10.0, value)) for value in curve]  # what the brace lets through
        found.append(curve)
    return found


def timing(recipe: dict[str, Any]) -> dict[str, Any]:
    """Pace and the moments of the trial's foot strikes, the same for all its files."""
    key = "/".join(str(recipe.get(part)) for part in ("subject", "session", "condition", "trial"))
    dice = random.Random(f"pace {key}")
    speed, cadence, stance = PACE[recipe["speed"]]
    cadence *= 1 + dice.gauss(0, 0.02)
    speed *= 1 + dice.gauss(0, 0.04)
    stride = 120.0 / cadence
    sides = {}
    for (side, _), start in zip(SIDES, (0.20, 0.20 + stride / 2), strict=True):
        strikes = [start + stride * n for n in range(CYCLES + 1)]
        own_stance = stance + dice.gauss(0, 0.8)
        sides[side] = {
            "strikes": [round(t, 3) for t in strikes],
            "offs": [round(t + stride * own_stance / 100, 3) for t in strikes[:-1]],
            "stance": own_stance,
            "step": stride * speed / 2 * (1 + dice.gauss(0, 0.02)),
        }
    return {"speed": speed, "cadence": cadence, "stride": stride, "sides": sides}


def _channels(name: str) -> list[Channel]:
    kind = next((k for k in ("Moment", "Power") if k.lower() in name), "Angles")
    return [channel for channel in table()["Free"] if channel[0].endswith(kind)]


def _label(short: str, channel: Channel) -> str:
    return f"{short}{channel[0]}-{channel[1].lower()}"


def cycle_file(name: str, recipe: dict[str, Any]) -> dict[str, Any]:
    """Curves over the cycle: 51 rows of each channel of each side, a column a cycle, their mean and deviation."""
    when = timing(recipe)
    data = []
    for channel in _channels(name):
        for side, short in SIDES:
            label = _label(short, channel)
            curves = _curves(recipe, side, channel)
            rows = []
            for point, values in enumerate(zip(*curves, strict=True)):
                mean = sum(values) / CYCLES
                deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / (CYCLES - 1))
                row: dict[str, Any] = {
                    "perc": point * 2,
                    "mean": round(mean, 3),
                    "std": round(deviation, 3),
                }
                row.update(zip(_KEYS, (round(value, 3) for value in values), strict=True))
                rows.append(row)
            if recipe.get("gap") and channel[0] == "FootProgressAngles":
                for row in rows[30:36]:  # a marker that was hidden for a moment
                    row.update(dict.fromkeys([key for key in row if key != "perc"]))
            strikes = when["sides"][side]["strikes"]
            cycles = {
                f"cycle-{n}": {"time-start": strikes[n], "time-end": strikes[n + 1]} for n in range(CYCLES)
            }
            data.append({"id": label, "label": label, "context": side, "cycles": cycles, "values": rows})
    return {"data": data}


def series_file(name: str, recipe: dict[str, Any], rate: float = 50.0) -> dict[str, Any]:
    """The same curves over time, from the first foot strike to the last."""
    when = timing(recipe)
    data = []
    for channel in _channels(name):
        for side, short in SIDES:
            label = _label(short, channel)
            curves = _curves(recipe, side, channel)
            strikes = when["sides"][side]["strikes"]
            rows = []
            for n in range(round((strikes[-1] - strikes[0]) * rate) + 1):
                time = strikes[0] + n / rate
                at = min((time - strikes[0]) / when["stride"], CYCLES - 1e-9)
                cycle, share = int(at), at % 1 * 50
                low = int(share)
                curve = curves[cycle]
                value = curve[low] + (curve[low + 1] - curve[low]) * (share - low)
                rows.append({"time": round(time, 3), "mean": round(value, 3)})
            data.append({"id": label, "label": label, "context": side, "values": rows})
    return {"data": data}


def parameters_file(recipe: dict[str, Any]) -> dict[str, Any]:
    """Temporal and spatial parameters, left and right."""
    when = timing(recipe)
    data = []
    for side, _ in SIDES:
        own = when["sides"][side]
        for label, unit, mean, std in (
            ("Speed", "m/s", when["speed"], 0.04),
            ("Cadence", "steps/min", when["cadence"], 2.5),
            ("Stride Length", "m", when["speed"] * when["stride"], 0.03),
            ("Step Length", "m", own["step"], 0.02),
            ("Stride Time", "s", when["stride"], 0.02),
            ("Stance Phase", "%", own["stance"], 0.9),
            ("Swing Phase", "%", 100 - own["stance"], 0.9),
        ):
            values = {"mean": round(mean, 4), "std": std}
            data.append({"label": label, "context": side, "unit": unit, "values": values})
    return {"data": data}


def event_file(recipe: dict[str, Any]) -> dict[str, Any]:
    """Foot strikes and foot offs in the order of time."""
    when = timing(recipe)
    events = []
    for side, _ in SIDES:
        own = when["sides"][side]
        events += [{"name": "Foot Strike", "context": side, "time": t} for t in own["strikes"]]
        stance = round(own["stance"], 2)
        events += [{"name": "Foot Off", "context": side, "time": t, "perc": stance} for t in own["offs"]]
    return {"events": sorted(events, key=lambda event: float(event["time"]))}


def content(name: str, recipe: dict[str, Any]) -> bytes:
    """The bytes of a derived file, which one its name tells."""
    if name.endswith("gait_params.json"):
        found = parameters_file(recipe)
    elif name.endswith("event.json"):
        found = event_file(recipe)
    elif name.endswith("_normalized.json"):
        found = cycle_file(name, recipe)
    elif name.endswith(("angles.json", "moments.json", "powers.json")):
        found = series_file(name, recipe)
    else:
        found = {"name": name, **recipe}
    return json.dumps(found, separators=(",", ":")).encode()
