"""Scores of gait curves: GVS, GPS, MAP, GDI and GDI*, symmetry, and dimensionless numbers.

All compute on arrays that they are handed. A channel that is needed and absent is a ValidationError that names it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import xarray as xr

from ..errors import ValidationError
from . import accessor  # noqa: F401  registers `.gait` with xarray
from .channels import CHANNELS, GPS_CHANNELS, LEFT, RIGHT
from .grid import Array, plan
from .units import unit_name

Reference = xr.Dataset | xr.DataArray
Value = TypeVar("Value", float, npt.NDArray[np.float64], xr.DataArray)

# Files of 100 rows (0 … 99 or 1 … 100) have no value at one end of the cycle: that much at an end may be absent.
END_PERCENT = 2.0
GDI_POINTS = 51
GDI_FEATURES = 15
GDI_STAR_A = 1.677
GDI_STAR_B = 0.263


# --- what is compared with what


def _checked(curves: xr.DataArray, what: str) -> xr.DataArray:
    if not isinstance(curves, xr.DataArray) or not {"channel", "percent"} <= set(curves.dims):
        dims = (
            f" with the dims {', '.join(map(str, curves.dims))}" if isinstance(curves, xr.DataArray) else ""
        )
        raise ValidationError(
            f"{what} must be a DataArray with the dims channel and percent, such as cycles() returns; "
            f"this is a {type(curves).__name__}{dims}"
        )
    for name in ("channel", "percent"):
        if name not in curves.coords:
            raise ValidationError(
                f"{what} has no coordinate {name!r}: scores go by its values, not by position"
            )
    return curves


def _reference_curves(reference: Reference, what: str = "the reference") -> xr.DataArray:
    """The reference's mean curves: channel, percent."""
    if isinstance(reference, xr.Dataset):
        if "mean" not in reference:
            held = ", ".join(map(str, reference.data_vars)) or "nothing"
            raise ValidationError(f"{what} is a Dataset without 'mean'; it holds {held}")
        reference = reference["mean"]
    curves = _checked(reference, what)
    rest = [dim for dim in curves.dims if dim not in ("channel", "percent")]
    return curves.mean(rest, skipna=True) if rest else curves


def _select(curves: xr.DataArray, channels: Sequence[str], what: str) -> xr.DataArray:
    held = [str(name) for name in curves["channel"].values]
    absent = [name for name in channels if name not in held]
    if absent:
        raise ValidationError(
            f"no {', '.join(absent)} in {what}: the channels are {', '.join(held) or 'none'}. "
            f"Pass channels=[…] to use others."
        )
    twice = sorted({name for name in held if held.count(name) > 1 and name in channels})
    if twice:
        raise ValidationError(f"{', '.join(twice)} more than once in {what}")
    chosen: xr.DataArray = curves.isel(channel=[held.index(name) for name in channels])
    return chosen


def _same_units(curves: xr.DataArray, reference: xr.DataArray) -> None:
    if "unit" not in curves.coords or "unit" not in reference.coords:
        return
    names = [str(name) for name in curves["channel"].values]
    pairs = list(zip(names, curves["unit"].values, reference["unit"].values, strict=True))
    wrong = [f"{name} ({own} and {other})" for name, own, other in pairs if own and other and own != other]
    if wrong:
        raise ValidationError(f"curves and reference are in different units: {', '.join(wrong)}")
    # moments come in N.m/kg and in N.mm/kg: a score of one against the other would be a thousand times too large
    unsure = [name for name, own, other in pairs if bool(own) != bool(other) and _unit_varies(name)]
    if unsure:
        raise ValidationError(
            f"the unit of {', '.join(unsure)} is known of the curves or of the reference only. Say it where it is not: "
            f"curves.assign_coords(unit=('channel', [a unit for each channel]))"
        )


def _unit_varies(channel: str) -> bool:
    return channel in CHANNELS and not CHANNELS[channel].unit


def _at(curves: xr.DataArray, percent: Array) -> xr.DataArray:
    """The curves at these points of the cycle."""
    have = np.asarray(curves["percent"].values, dtype=np.float64)
    order = np.argsort(have)
    way = plan(have[order], percent)
    if way is None:
        ordered: xr.DataArray = curves.isel(percent=order)
        return ordered
    axis = curves.get_axis_num("percent")
    assert isinstance(axis, int)
    values = way.apply(np.take(np.asarray(curves.values, dtype=np.float64), order, axis=axis), axis=axis)
    coords = {name: coord for name, coord in curves.coords.items() if "percent" not in coord.dims}
    made = xr.DataArray(values, {**coords, "percent": percent}, curves.dims, attrs=curves.attrs)
    return made


def _aligned(curves: xr.DataArray, reference: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """The two at the same points: those of the one that has fewer."""
    coarse = reference if reference.sizes["percent"] < curves.sizes["percent"] else curves
    percent = np.sort(np.asarray(coarse["percent"].values, dtype=np.float64))
    return _at(curves, percent), _at(reference, percent)


def is_whole(values: xr.DataArray) -> xr.DataArray:
    """Whether curves have a value everywhere, but for what may be absent at the ends."""
    percent = values["percent"]
    inner = (percent >= END_PERCENT) & (percent <= 100 - END_PERCENT)
    whole: xr.DataArray = (values.notnull() | ~inner).all("percent") & values.notnull().any("percent")
    return whole


def gvs(curves: xr.DataArray, reference: Reference, channels: Sequence[str] | None = None) -> xr.DataArray:
    """Gait Variable Score: the root mean square difference between each curve and the reference's mean curve.

    Returns stride × channel, in the channel's unit (degrees for angles), with the coordinates of `curves`. Over the nine
    channels of `GPS_CHANNELS` these are the numbers of the Movement Analysis Profile (MAP).

    `reference` is a Dataset of `mean` (and `sd`), such as `schwartz2008()`, or an array of curves, such as `norm.cycles()`, of
    which the mean over strides is taken. Where it has other points of the cycle than `curves`, the two are compared at the
    points of the one that has fewer. `channels` are those of `curves` unless others are named. A curve with a gap scores
    NaN; up to 2 % that a file does not have at an end of the cycle are left out of the mean.

    Raises ValidationError where `curves` or the reference lacks a channel, which it names, or units differ. Sends no request.

    Source: R. Baker et al., "The Gait Profile Score and Movement Analysis Profile", Gait & Posture 30 (2009) 265-269,
    GVS = sqrt(mean over the cycle of (x - reference)²).

    Examples
    --------
    >>> import moveshelf.gait
    >>> norm = moveshelf.gait.schwartz2008("free")
    >>> gvs(norm["mean"] + 3.0, norm).sel(channel="knee_flexion").round(6).item()
    3.0
    """
    curves = _checked(curves, "curves")
    names = [str(name) for name in curves["channel"].values] if channels is None else list(channels)
    mean = _select(_reference_curves(reference), names, "the reference")
    own = _select(curves, names, "curves")
    _same_units(own, mean)
    own, mean = _aligned(own, mean)
    # by position: channels and points are the same and in the same order, and coordinates are those of the curves
    difference = own - mean.transpose("channel", "percent").drop_vars([*mean.coords])
    score: xr.DataArray = ((difference**2).mean("percent", skipna=True) ** 0.5).where(is_whole(difference))
    score.name = "gvs"
    score.attrs = {"long_name": "Gait Variable Score"}
    return score


def gps(
    curves: xr.DataArray,
    reference: Reference,
    overall: bool = False,
    channels: Sequence[str] = GPS_CHANNELS,
) -> xr.DataArray:
    """Gait Profile Score: the root mean square of the Gait Variable Scores of nine kinematic variables.

    Returns one value a stride, in the unit of the curves (degrees), which `.attrs["units"]` says, with the coordinates of
    `curves`; each stride is of one side. With `overall=True` one value a
    trial (dim `clip`): the mean curves of its left and of its right strides give 2 × 9 scores, of which the right pelvis'
    three are left out, since the pelvis is one (15 in all). A trial without strides of each side, or without a complete
    curve of each variable, scores NaN.

    `channels` are the nine of `GPS_CHANNELS`; scores of others are comparable among themselves only. See `gvs()` for the
    reference and for gaps. Raises ValidationError where a channel is absent, which it names. Sends no request.

    Source: R. Baker et al., "The Gait Profile Score and Movement Analysis Profile", Gait & Posture 30 (2009) 265-269,
    GPS = sqrt(mean of GVS²).

    Examples
    --------
    >>> import moveshelf.gait
    >>> norm = moveshelf.gait.schwartz2008("free")
    >>> gps(norm["mean"] + 3.0, norm).round(6).item()
    3.0
    """
    if not overall:
        scores = gvs(curves, reference, channels)
        score: xr.DataArray = (scores**2).mean("channel", skipna=False) ** 0.5
    else:
        score = _overall(_select(_checked(curves, "curves"), channels, "curves"), reference, channels)
    score.name = "gps"
    score.attrs = {"long_name": "Gait Profile Score" + (", overall" if overall else "")}
    units = _units_of(curves, channels)
    if len(units) == 1:  # else of channels in different units
        score.attrs["units"] = units.pop()
    return score


def _units_of(curves: xr.DataArray, channels: Sequence[str]) -> set[str]:
    """The units of these channels of the curves; that of the vocabulary where the curves say none."""
    told = {str(name): CHANNELS[str(name)].unit for name in channels if str(name) in CHANNELS}
    if "unit" in curves.coords and curves["unit"].dims == ("channel",):
        own = zip(curves["channel"].values, curves["unit"].values, strict=True)
        told.update({str(name): str(unit) for name, unit in own if str(name) in channels and unit})
    return set(told.values()) if len(told) == len(set(channels)) else set()


def _overall(curves: xr.DataArray, reference: Reference, channels: Sequence[str]) -> xr.DataArray:
    needed = [name for name in ("side", "clip") if name not in curves.coords]
    if "stride" not in curves.dims or needed:
        raise ValidationError(
            f"an overall score needs curves of strides with their side and clip; absent: {', '.join(needed) or 'stride'}"
        )
    trials = _trials(curves)
    curves = curves.transpose("stride", "channel", "percent")
    complete = curves.where(is_whole(curves)).values
    sides = curves["side"].values
    means = np.full((len(trials), 2, *complete.shape[1:]), np.nan)
    for n, strides in enumerate(trials):
        for at, side in enumerate((LEFT, RIGHT)):
            own = complete[[stride for stride in strides if sides[stride] == side]]
            for channel in range(own.shape[1]):
                usable = own[~np.isnan(own[:, channel]).all(axis=1), channel]
                if len(usable):
                    means[n, at, channel] = usable.mean(axis=0)
    shared = {
        name: coord for name, coord in curves.coords.items() if set(coord.dims) <= {"channel", "percent"}
    }
    of_sides = xr.DataArray(means, shared, ("clip", "step", "channel", "percent"))
    scores = gvs(of_sides, reference, channels).transpose("clip", "step", "channel").values ** 2
    pelvis = [CHANNELS[name].part == "pelvis" if name in CHANNELS else False for name in channels]
    counted = np.concatenate([scores[:, 0], scores[:, 1][:, ~np.array(pelvis, dtype=bool)]], axis=1)
    first = [strides[0] for strides in trials]
    coords: dict[str, Any] = {
        str(name): ("clip", coord.values[first])
        for name, coord in curves.coords.items()
        if coord.dims == ("stride",) and name not in ("side", "cycle")
    }
    return xr.DataArray(np.sqrt(counted.mean(axis=1)), coords, ("clip",))


def _trials(curves: xr.DataArray) -> list[list[int]]:
    """The strides of each trial, in order of appearance: by the clip's id, by names where it has none."""
    names = [name for name in ("subject", "session", "condition", "trial") if name in curves.coords]
    found: dict[tuple[str, ...], list[int]] = {}
    for n, clip in enumerate(curves["clip"].values):
        key = (str(clip),) if clip else ("", *(str(curves[name].values[n]) for name in names))
        found.setdefault(key, []).append(n)
    return list(found.values())


# --- Gait Deviation Index


def _gait_vectors(curves: xr.DataArray, channels: Sequence[str], what: str) -> tuple[Array, xr.DataArray]:
    """Each stride's curves one behind the other, at 51 points: stride, 9 × 51. And the strides that they are of."""
    own = _select(_checked(curves, what), channels, what)
    if "stride" not in own.dims:
        own = own.expand_dims("stride")
    percent = np.linspace(0.0, 100.0, GDI_POINTS)
    own = _at(own, percent).transpose("stride", "channel", "percent")
    values = np.where(is_whole(own).values[..., None], own.values, np.nan)
    # what a file does not have at an end of the cycle is the value next to it
    for at, beside in ((0, 1), (-1, -2)):
        hole = np.isnan(values[..., at])
        values[..., at][hole] = values[..., beside][hole]
    return values.reshape(values.shape[0], -1), own


def gdi_basis(
    curves: xr.DataArray, features: int = GDI_FEATURES, channels: Sequence[str] = GPS_CHANNELS
) -> xr.DataArray:
    """The gait features of the Gait Deviation Index: directions in which the gait of `curves` varies most.

    Returns feature × channel × percent (15 × 9 × 51), unit vectors, from the singular value decomposition of all complete
    strides' vectors of 459 numbers; `.attrs["variation"]` is the share of their sum of squares that the features explain.
    There are no more features than strides. Raises ValidationError where a channel is absent, which it names, or no stride
    is complete. Sends no request.

    Source: M. H. Schwartz, A. Rozumalski, "The Gait Deviation Index: a new comprehensive index of gait pathology", Gait &
    Posture 28 (2008) 351-357.
    """
    if isinstance(features, bool) or not isinstance(features, (int, np.integer)) or features < 1:
        raise ValidationError(f"features is {features!r}: pass a whole number of at least 1")
    vectors, own = _gait_vectors(curves, channels, "curves")
    vectors = vectors[~np.isnan(vectors).any(axis=1)]
    if not len(vectors):
        raise ValidationError("no stride is complete: a basis needs all channels of at least one stride")
    _, sizes, rows = np.linalg.svd(vectors, full_matrices=False)
    kept = rows[: min(int(features), int((sizes > sizes[0] * 1e-12).sum()))]
    values = kept.reshape(len(kept), own.sizes["channel"], own.sizes["percent"])
    coords = {"channel": own["channel"].values, "percent": own["percent"].values}
    share = float((sizes[: len(kept)] ** 2).sum()) / float((sizes**2).sum())
    return xr.DataArray(
        values, coords, ("feature", "channel", "percent"), name="gdi_basis", attrs={"variation": share}
    )


def gdi(
    curves: xr.DataArray,
    controls: xr.DataArray,
    basis: xr.DataArray | npt.NDArray[np.float64] | None = None,
    channels: Sequence[str] = GPS_CHANNELS,
) -> xr.DataArray:
    """Gait Deviation Index: 100 is the mean of the controls, each 10 less is one standard deviation of theirs away from it.

    Returns one value a stride, with the coordinates of `curves`, without a unit. `controls` are strides of people without
    gait pathology, measured and processed as `curves` are; they themselves score a mean of 100 and a standard deviation
    (of the sample, n - 1) of 10, exactly. A stride with a gap scores NaN; up to 2 % that a file does not have at an end of
    the cycle count as the value next to them.

    `basis` are the gait features (feature × channel × percent, as `gdi_basis()` returns them, or 459 × features numbers).
    None: 15 features of the controls. **Scores of different bases or different controls cannot be compared**: the published
    index takes its features from several thousand strides of patients, and a basis of few controls sees less of how
    patients deviate. To compare, hand the same basis and controls to every call.

    Raises ValidationError where a channel is absent, which it names, where the basis does not fit, and for fewer than three
    complete strides of controls. Sends no request.

    Source: M. H. Schwartz, A. Rozumalski, "The Gait Deviation Index: a new comprehensive index of gait pathology", Gait &
    Posture 28 (2008) 351-357. With c a stride's components in the basis: d = |c - mean of the controls' c|,
    GDI = 100 - 10 (ln d - mean of the controls' ln d) / sd of the controls' ln d.

    Examples
    --------
    >>> scores = gdi(patients, controls, basis=gdi_basis(all_strides))  # doctest: +SKIP
    """
    own, labelled = _gait_vectors(curves, channels, "curves")
    normal, labelled_normal = _gait_vectors(controls, channels, "the controls")
    _same_units(labelled, labelled_normal)
    normal = normal[~np.isnan(normal).any(axis=1)]
    if len(normal) < 3:
        raise ValidationError(f"the controls have {len(normal)} complete strides: the index needs at least 3")
    if basis is None:
        basis = gdi_basis(controls, channels=channels)
    features = _features(basis, channels)
    center = (normal @ features).mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.log(np.linalg.norm(normal @ features - center, axis=1))
        raw = np.log(np.linalg.norm(own @ features - center, axis=1))
        sd = spread.std(ddof=1)
    if not np.isfinite(spread).all() or not sd > 0:
        raise ValidationError("the controls do not differ from each other: an index needs their spread")
    score = 100 - 10 * (raw - spread.mean()) / sd
    coords = {name: coord for name, coord in labelled.coords.items() if coord.dims in (("stride",), ())}
    made = xr.DataArray(score, coords, ("stride",), name="gdi")
    made.attrs = {"long_name": "Gait Deviation Index", "features": features.shape[1], "controls": len(normal)}
    return made if "stride" in curves.dims else made.isel(stride=0)


def _features(basis: xr.DataArray | npt.NDArray[np.float64], channels: Sequence[str]) -> Array:
    """The basis as 459 × features numbers."""
    length = len(channels) * GDI_POINTS
    if isinstance(basis, xr.DataArray):
        chosen = _select(_checked(basis, "the basis"), channels, "the basis")
        if "feature" not in chosen.dims:
            raise ValidationError(
                "the basis must have the dims feature, channel and percent, as gdi_basis() returns"
            )
        at = _at(chosen, np.linspace(0.0, 100.0, GDI_POINTS)).transpose("feature", "channel", "percent")
        found: Array = np.asarray(at.values, dtype=np.float64).reshape(at.sizes["feature"], -1).T
    else:
        found = np.asarray(basis, dtype=np.float64)
        if found.ndim != 2 or found.shape[0] != length:
            raise ValidationError(
                f"the basis has the shape {found.shape}: it must be {length} × features, "
                f"{GDI_POINTS} points of each channel one behind the other, in the order of channels"
            )
    if not np.isfinite(found).all():
        raise ValidationError("the basis has values that are no finite numbers")
    return found


def gdi_star(gps: Value, a: float = GDI_STAR_A, b: float = GDI_STAR_B) -> Value:
    """GDI*: the Gait Profile Score on the scale of the Gait Deviation Index, 100 - 10 (ln GPS - a) / b.

    Takes and returns a number or an array, of scores in degrees. `a` and `b` are the mean and the standard deviation of
    ln GPS of people without gait pathology: 1.677 and 0.263 are the published ones; a laboratory with controls of its own
    hands in theirs. Raises ValidationError for a negative score, for an array whose `.attrs["units"]` are not degrees and for
    a `b` that is not above 0. Sends no request.

    Source: R. Baker et al., "The Gait Profile Score and Movement Analysis Profile", Gait & Posture 30 (2009) 265-269.

    Examples
    --------
    >>> import math
    >>> gdi_star(math.exp(1.677)), round(gdi_star(math.exp(1.677 + 0.263)), 9)
    (100.0, 90.0)
    """
    if not b > 0:
        raise ValidationError(f"b is {b!r}: a standard deviation is above 0")
    unit = gps.attrs.get("units", "deg") if isinstance(gps, xr.DataArray) else "deg"
    if unit_name(str(unit)) != "deg":
        raise ValidationError(
            f"the scores are in {unit}, and GDI* is of scores in degrees: compute them of curves in degrees"
        )
    if bool(np.any(np.asarray(gps) < 0)):
        raise ValidationError("a Gait Profile Score is never negative")
    with np.errstate(divide="ignore"):
        found = 100 - 10 * (np.log(gps) - a) / b
    if isinstance(found, xr.DataArray):
        found.name = "gdi_star"
        found.attrs = {"long_name": "GDI*"}
    return found if isinstance(gps, (xr.DataArray, np.ndarray)) else float(found)  # type: ignore[return-value]


# --- symmetry and size


def symmetry(left: Any, right: Any) -> xr.Dataset:
    """How much a measure of the left side differs from that of the right: symmetry index and symmetry angle, in percent.

    Takes numbers or arrays (of one shape, or DataArrays, which are aligned). Returns a Dataset of `index` and `angle`, with
    the dims of the arguments. 0 is perfect symmetry.

    - `index` = 100 (left - right) / (0.5 (left + right)): positive where the left is larger. It depends on the size of the
      mean and is NaN where that is 0. Source: R. O. Robinson, W. Herzog, B. M. Nigg, "Use of force platform variables to
      quantify the effects of chiropractic manipulation on gait symmetry", J Manipulative Physiol Ther 10 (1987) 172-176.
    - `angle` = 100 (45° - atan(left / right)) / 90°, less 200 where that is above 100: negative where the left of two positive
      measures is larger; between -100 and 100. NaN where left and right are 0. Source: R. A. Zifchock, I. Davis, J.
      Higginson, T. Royer, "The symmetry angle: a novel, robust method of quantifying asymmetry", Gait & Posture 27 (2008)
      622-627.

    Sends no request.

    Examples
    --------
    >>> found = symmetry(3.0, 1.0)
    >>> found["index"].item(), round(found["angle"].item(), 2)
    (100.0, -29.52)
    """
    one, other = (value if isinstance(value, xr.DataArray) else _plain(value) for value in (left, right))
    try:
        one, other = xr.align(one, other, join="exact")
        index = 100 * (one - other) / (0.5 * (one + other)).where(one + other != 0)
        ratio = one / other
    except ValueError as error:
        raise ValidationError(f"left and right are not of the same shape: {error}") from None
    angle = (45.0 - np.degrees(np.arctan(ratio))) / 90.0 * 100.0
    angle = angle.where(angle <= 100.0, angle - 200.0).where((one != 0) | (other != 0))
    angle = angle.where(one.notnull() & other.notnull())
    found = xr.Dataset({"index": index, "angle": angle})
    for name in found.data_vars:
        found[name].attrs = {"units": "%"}
    return found


def _plain(value: Any) -> xr.DataArray:
    array = np.asarray(value, dtype=np.float64)
    return xr.DataArray(array, dims=[f"dim_{n}" for n in range(array.ndim)])


_SCALES = ("length", "time", "frequency", "speed", "acceleration", "force", "moment", "power", "energy")
_WITH_MASS = frozenset({"force", "moment", "power", "energy"})


def dimensionless(
    value: Value, quantity: str, leg_length: float, mass: float | None = None, gravity: float = 9.81
) -> Value:
    """A measure without dimension, so that people of different size can be compared.

    Takes and returns a number or an array, in SI units. `leg_length` is in metres, `mass` in kilograms (1 for measures that
    are per kilogram already), `gravity` in m/s².

    ============== ===================== ================================================
    quantity       unit of `value`       divided by
    ============== ===================== ================================================
    "length"       m                     leg length
    "time"         s                     sqrt(leg length / g)
    "frequency"    1/s                   sqrt(g / leg length)
    "speed"        m/s                   sqrt(g leg length)
    "acceleration" m/s²                  g
    "force"        N                     mass g
    "moment"       N m                   mass g leg length
    "energy"       J                     mass g leg length
    "power"        W                     mass g sqrt(g leg length)
    ============== ===================== ================================================

    Raises ValidationError for another quantity, for a length that is not in metres, and without a mass where one is needed.
    Sends no request.

    Source: A. L. Hof, "Scaling gait data to body size", Gait & Posture 4 (1996) 222-223.

    Examples
    --------
    >>> round(dimensionless(1.2, "speed", leg_length=0.8), 4)
    0.4284
    """
    if quantity not in _SCALES:
        raise ValidationError(f"no quantity {quantity!r}: pass one of {', '.join(map(repr, _SCALES))}")
    if not 0.1 <= leg_length <= 2.5:
        raise ValidationError(f"leg_length is {leg_length!r}: pass it in metres (850 mm are 0.85)")
    if not (gravity > 0 and math.isfinite(gravity)):
        raise ValidationError(f"gravity is {gravity!r}: pass it in m/s², 9.81 on the earth")
    if quantity in _WITH_MASS and mass is None:
        raise ValidationError(
            f"a {quantity} needs mass= in kilograms, or mass=1 where it is per kilogram already"
        )
    if mass is not None and not (mass > 0 and math.isfinite(mass)):
        raise ValidationError(f"mass is {mass!r}: pass it in kilograms")
    weight = (mass if mass is not None else 1.0) * gravity
    scale = {
        "length": leg_length,
        "time": math.sqrt(leg_length / gravity),
        "frequency": math.sqrt(gravity / leg_length),
        "speed": math.sqrt(gravity * leg_length),
        "acceleration": gravity,
        "force": weight,
        "moment": weight * leg_length,
        "energy": weight * leg_length,
        "power": weight * math.sqrt(gravity * leg_length),
    }[quantity]
    return value / scale  # type: ignore[no-any-return,unused-ignore]
