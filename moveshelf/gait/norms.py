"""Published reference curves."""

from __future__ import annotations

import csv
from functools import lru_cache
from importlib.resources import files

import numpy as np
import xarray as xr

from ..errors import ValidationError
from . import accessor  # noqa: F401  registers `.gait` with xarray
from .channels import CHANNELS, recognise
from .units import unit_name

SOURCE = (
    "M. H. Schwartz, A. Rozumalski, J. P. Trost, The effect of walking speed on the gait of typically developing children, "
    "Journal of Biomechanics 41 (2008) 1639-1650"
)
SPEEDS = ("very slow", "slow", "free", "fast", "very fast")

_Table = dict[str, dict[str, tuple[str, list[float], list[float], list[float]]]]


@lru_cache(maxsize=1)
def _table() -> _Table:
    """By speed and channel: unit, percent, mean and standard deviation."""
    text = (
        files(__package__ or "moveshelf.gait")
        .joinpath("data/normal_gait_schwartz2008.csv")
        .read_text("utf-8")
    )
    found: _Table = {}
    for row in csv.DictReader(text.splitlines()):
        channel = recognise(f"{row['channel']}-{row['axis'].lower()}").channel
        speed = found.setdefault(_speed_key(row["speed"]), {})
        _, percent, means, sds = speed.setdefault(channel, (unit_name(row["unit"]), [], [], []))
        percent.append(float(row["percent"]))
        means.append(float(row["mean"]))
        sds.append(float(row["sd"]))
    return found


def _speed_key(speed: str) -> str:
    return speed.replace(" ", "").replace("-", "").replace("_", "").casefold()


def schwartz2008(speed: str = "free") -> xr.Dataset:
    """Mean and standard deviation of typically developing children's gait at one of five walking speeds.

    Returns a Dataset of `mean` and `sd` over `channel` (19) and `percent` (51: 0, 2, … 100 % of the gait cycle), with the
    coordinate `unit` on channel: degrees, N.mm/kg (internal moments) and W/kg. `speed` is "very slow", "slow", "free", "fast"
    or "very fast". It is a reference for `gvs()`, `gps()` and figures. Sends no request.

    Raises ValidationError for another speed.

    Source: M. H. Schwartz, A. Rozumalski, J. P. Trost, "The effect of walking speed on the gait of typically developing
    children", Journal of Biomechanics 41 (2008) 1639-1650: 83 children.

    Examples
    --------
    >>> norm = schwartz2008("free")
    >>> dict(norm.sizes), norm.unit.sel(channel="knee_flexion").item()
    ({'channel': 19, 'percent': 51}, 'deg')
    >>> round(float(norm["mean"].sel(channel="knee_flexion").max()), 1)
    59.1
    """
    key = _speed_key(speed) if isinstance(speed, str) else ""
    if key not in _table():
        raise ValidationError(
            f"no walking speed {speed!r} in Schwartz 2008: pass one of {', '.join(map(repr, SPEEDS))}"
        )
    rows = _table()[key]
    channels = [name for name in CHANNELS if name in rows]
    coords = {
        "channel": ("channel", np.array(channels)),
        "percent": ("percent", np.array(rows[channels[0]][1]), {"units": "%", "long_name": "gait cycle"}),
        "unit": ("channel", np.array([rows[name][0] for name in channels])),
    }
    mean = np.array([rows[name][2] for name in channels])
    sd = np.array([rows[name][3] for name in channels])
    dims = ("channel", "percent")
    about = {"source": SOURCE, "speed": next(name for name in SPEEDS if _speed_key(name) == key)}
    return xr.Dataset({"mean": (dims, mean), "sd": (dims, sd)}, coords, about)
