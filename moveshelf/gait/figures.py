"""Figures of gait: curves over the cycle, the Movement Analysis Profile, parameters against norms.

Every function returns a `matplotlib.figure.Figure` that belongs to nobody else: nothing is shown, no window opens, no
global state of pyplot changes, and no display is needed. In a notebook the figure shows itself as the last value of a
cell; elsewhere `figure.savefig("curves.pdf")` writes it. Text, background and fonts follow matplotlib's style at the
time of the call (`matplotlib.style.context("dark_background")`, for example), and the colours of the curves are
chosen for a light or a dark background accordingly.
"""

from __future__ import annotations

import difflib
import io
import math
import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import IO, Any, Literal, TypeAlias

import attrs
import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ..errors import ValidationError
from .same_names import Known, labels_apart

__all__ = ["GaitFigure", "Panel", "panel_of", "plot", "plot_map", "plot_parameters"]

Floats: TypeAlias = "npt.NDArray[np.float64]"
Colors: TypeAlias = "Literal['left-right', 'colorblind'] | Mapping[str, str] | Sequence[str]"

LEFT, RIGHT = "left", "right"
SIDES = (LEFT, RIGHT)
PLANES = ("Sagittal plane", "Coronal plane", "Transverse plane")

#: rows of the grid from top to bottom: the first word of a channel's name
_SEGMENTS = {
    "head": "Head",
    "neck": "Neck",
    "thorax": "Thorax",
    "trunk": "Trunk",
    "spine": "Spine",
    "pelvic": "Pelvic",
    "pelvis": "Pelvic",
    "hip": "Hip",
    "knee": "Knee",
    "ankle": "Ankle",
    "foot": "Foot",
}
#: plane (0 sagittal, 1 coronal, 2 transverse), title, word of the positive direction, word of the negative one
_MOTIONS: dict[str, tuple[int, str, str, str]] = {
    "tilt": (0, "tilt", "Anterior", "Posterior"),
    "flexion": (0, "flexion/extension", "Flexion", "Extension"),
    "extension": (0, "flexion/extension", "Extension", "Flexion"),
    "dorsiflexion": (0, "dorsi/plantarflexion", "Dorsi", "Plantar"),
    "plantarflexion": (0, "dorsi/plantarflexion", "Plantar", "Dorsi"),
    "obliquity": (1, "obliquity", "Up", "Down"),
    "adduction": (1, "ad/abduction", "Adduction", "Abduction"),
    "abduction": (1, "ad/abduction", "Abduction", "Adduction"),
    "varus": (1, "varus/valgus", "Varus", "Valgus"),
    "valgus": (1, "varus/valgus", "Valgus", "Varus"),
    "inversion": (1, "in/eversion", "Inversion", "Eversion"),
    "eversion": (1, "in/eversion", "Eversion", "Inversion"),
    "rotation": (2, "rotation", "Internal", "External"),
    "progression": (2, "progression", "Internal", "External"),
    "inclination": (0, "inclination", "Toes up", "Toes down"),
    "supination": (1, "supination/pronation", "Supination", "Pronation"),
    "pronation": (1, "supination/pronation", "Pronation", "Supination"),
}
_POWER_PLANES = {"sagittal": 0, "coronal": 1, "transverse": 2}
#: what a clinician calls it at one joint and not at another
_SPECIAL = {("knee", "adduction"): "varus", ("knee", "abduction"): "valgus"}
#: the order of blocks of rows
_KINDS = ("angle", "moment", "power", "other")

#: the nine variables of the Movement Analysis Profile, in its order, with the labels of its bars
MAP_CHANNELS = {
    "pelvic_tilt": "Pelvic\ntilt",
    "pelvic_obliquity": "Pelvic\nobliquity",
    "pelvic_rotation": "Pelvic\nrotation",
    "hip_flexion": "Hip\nflex/ext",
    "hip_adduction": "Hip\nad/abd",
    "hip_rotation": "Hip\nrotation",
    "knee_flexion": "Knee\nflex/ext",
    "ankle_dorsiflexion": "Ankle\ndor/pla",
    "foot_progression": "Foot\nprogression",
}
_PELVIS = [name for name in MAP_CHANNELS if name.startswith("pelvic")]

#: left, right and everything else, on a light and on a dark background
_PALETTES = {
    "left-right": {
        False: {LEFT: "#c1121f", RIGHT: "#1d5fae", "": "#222222"},
        True: {LEFT: "#ff6b6b", RIGHT: "#6cb4ff", "": "#eeeeee"},
    },
    # Okabe and Ito, "Color Universal Design" (2008): vermilion and blue, on dark orange and sky blue
    "colorblind": {
        False: {LEFT: "#d55e00", RIGHT: "#0072b2", "": "#222222"},
        True: {LEFT: "#e69f00", RIGHT: "#56b4e9", "": "#eeeeee"},
    },
}
#: groups, where colour tells the group: Okabe and Ito without what is too pale or too dark for the background
_GROUP_COLORS = {
    False: ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#444444"),
    True: ("#56b4e9", "#e69f00", "#2bd4a0", "#f0a3cc", "#f0e442", "#ff8a4c", "#dddddd"),
}
#: the second and third group of a side are told apart by their line, too
_LINES: tuple[Any, ...] = ("solid", (0, (4, 1.6)), (0, (1, 1.2)))
_MOST_STYLES = len(_LINES)
#: inches: a panel with its title and numbers, and its axis alone
_PANEL_WIDTH, _PANEL_HEIGHT, _AXIS_HEIGHT = 3.1, 1.95, 1.4
#: more curves than this in a panel, and bands of all of them would hide each other
_MOST_BANDS = 6

#: name of a unit, without blanks and capitals: what it measures, and how much of its basic unit it is
_UNITS = {
    **dict.fromkeys(("deg", "degree", "degrees", "°"), ("angle", 1.0)),
    **dict.fromkeys(("rad", "radian", "radians"), ("angle", 180 / math.pi)),
    **dict.fromkeys(("n.m/kg", "nm/kg", "n*m/kg", "n·m/kg"), ("moment", 1.0)),
    **dict.fromkeys(("n.mm/kg", "nmm/kg", "n*mm/kg", "n·mm/kg"), ("moment", 1e-3)),
    **dict.fromkeys(("w/kg",), ("power", 1.0)),
    **dict.fromkeys(("mw/kg",), ("power", 1e-3)),
}
#: a panel shows at least so much, so that a curve that hardly moves does not look like one that does
_LEAST_SPAN = {"angle": 30.0, "moment": 0.6, "power": 1.5}


class GaitFigure(Figure):
    """A matplotlib figure that shows itself in a notebook, whether pyplot was imported or not.

    (IPython draws plain figures only after pyplot has been imported, which these functions never do.)
    """

    def savefig(self, fname: str | os.PathLike[str] | IO[bytes], **options: Any) -> None:
        """Write the figure to a file, in the format that its name ends in; see matplotlib's `Figure.savefig`."""
        super().savefig(fname, **options)

    def _repr_png_(self) -> bytes:
        into = io.BytesIO()
        self.savefig(into, format="png")
        return into.getvalue()


@attrs.frozen
class Panel:
    """Where a channel is drawn and how its axis is named.

    `kind` is "angle", "moment", "power" or "other", `segment` the row's word ("hip"), `plane` the column (0 sagittal,
    1 coronal, 2 transverse; None where the name tells none), `up` and `down` the words of the directions.
    """

    channel: str
    kind: str
    segment: str
    plane: int | None
    title: str
    up: str = ""
    down: str = ""

    def axis_label(self, unit: str) -> str:
        """ "Extension ← deg → Flexion": read upwards along the axis."""
        unit = {"degrees": "deg", "degree": "deg"}.get(unit, unit)
        if not self.up:
            return unit
        return f"{self.down} ← {unit} → {self.up}" if unit else f"{self.down} ← → {self.up}"


def panel_of(channel: str) -> Panel:
    """The panel of a channel, read off its name: `knee_flexion`, `ankle_dorsiflexion_moment`, `hip_power`.

    Any other name (a muscle's length, a channel of a lab's own) is a panel of its own after the grid, under its name.

    Example:
        >>> panel_of("hip_adduction").axis_label("deg")
        'Abduction ← deg → Adduction'
    """
    words = channel.casefold().split("_")
    of_power = words.pop() if words[-1] in _POWER_PLANES and words[-2:-1] == ["power"] else ""
    kind = words.pop() if words[-1] in ("moment", "power", "angle") else "angle"
    segment, motion = words[0] if words else "", "_".join(words[1:])
    title = " ".join(channel.replace("_", " ").split())
    title = title[:1].upper() + title[1:]
    if segment not in _SEGMENTS:
        return Panel(channel, "other", "", None, title)
    if kind == "power" and not motion:
        return Panel(channel, kind, segment, _POWER_PLANES.get(of_power), title, "Generated", "Absorbed")
    motion = _SPECIAL.get((segment, motion), motion)
    if motion not in _MOTIONS:
        return Panel(channel, "other", "", None, title)
    plane, name, up, down = _MOTIONS[motion]
    if kind == "moment" and motion == "rotation":
        up, down = down, up  # internal moments: positive where the external rotators act
    title = f"{_SEGMENTS[segment]} {name}"
    if kind == "power":
        return Panel(channel, kind, segment, plane, f"{title} power", "Generated", "Absorbed")
    return Panel(channel, kind, segment, plane, title + (" moment" if kind == "moment" else ""), up, down)


# -- the grid of curves ---------------------------------------------------------------------------------------------


def plot(
    curves: xr.DataArray,
    by: str | Sequence[str] | None = None,
    channels: Iterable[str] | None = None,
    norm: xr.Dataset | xr.DataArray | None = None,
    *,
    side: Literal["left", "right"] | None = None,
    colors: Colors = "left-right",
    spread: Literal["sd", "strides"] | None = "sd",
    foot_off: float | Mapping[str, float] | pd.DataFrame | None = None,
    title: str | None = None,
) -> GaitFigure:
    """The curves of strides over the gait cycle, in the grid that gait reports use.

    Rows are pelvis, hip, knee, ankle and foot (moments and powers below them), columns the sagittal, coronal and
    transverse plane. Each panel names its directions and unit, and shows for each group the mean of its strides and
    mean ± standard deviation as a band. Three panels or fewer stand in one row. Sends no request.

    Args:
        curves: strides, dims `stride`, `channel`, `percent` (0 … 100); on `stride` the coordinate `side` and what `by`
            names, on `channel` the coordinate `unit`. NaN leaves a gap.
        by: what tells the groups apart: a coordinate on `stride` ("condition", "phase", "subject", "session", "date",
            …) or several. None and "side": the sides only. The sides of a group are always drawn apart, and so are
            two subjects of one name, two sessions of one name of a subject, two trials of one title of a condition:
            their labels end in the day or the id.
        channels: which channels, in place of all.
        norm: reference curves, a grey band of mean ± standard deviation: a Dataset of `mean` and `sd` over `channel`
            and `percent` (`schwartz2008("free")`), or strides. Its points and its unit may differ from the curves'
            (degrees and radians, N·mm/kg and N·m/kg); a channel in a unit that does not fit has no band, and a
            warning says so.
        side: only this side's strides.
        colors: "left-right": left red, right blue; with up to three groups the second and third are dashed and
            dotted, with more the colour tells the group and the line the side (right dashed). "colorblind": vermilion
            and blue in their place, which people with any kind of colour blindness tell apart. A mapping from a side
            or a group's label to a colour, or a sequence of colours, one a group.
        spread: "sd" (the band), "strides" (each stride as a thin line), or None. Where more than six curves share a
            panel their bands are left out.
        foot_off: where stance ends, percent of the cycle: a number, a number for each side or group, or the table that
            `parameters()` returns, of which "Foot Off" or else "Stance Phase" of each stride's trial and side is taken
            (in %; the mean of the group is drawn). In place of it, the coordinate `foot_off` on `stride` or the
            attribute `foot_off` of the curves; the norm's attribute `foot_off` is drawn in grey.
        title: the figure's title. None: subject, date and condition where all strides share them. "": none.

    Returns:
        A figure; a stride's count is in the legend, "Left (n = 12)".

    Raises:
        ValidationError: the array has no strides or lacks a dimension, or a channel or coordinate is not there; the
            text names it and close matches. Or the table handed in as `foot_off` has nothing for any of the strides.

    Example:
        >>> figure = plot(curves, by="condition", norm=schwartz2008("free"), foot_off=session.parameters())
        >>> figure.savefig("P-001.png", dpi=200)
    """
    curves = _checked(curves)
    if side is not None:
        if side not in SIDES:
            raise ValidationError(f'side is "left" or "right", not {side!r}')
        curves = curves.isel(stride=np.flatnonzero(_sides(curves) == side))
    if spread not in ("sd", "strides", None):
        raise ValidationError(f'spread is "sd", "strides" or None, not {spread!r}')
    wanted = _wanted_channels(curves, channels)
    if not curves.sizes["stride"]:
        raise ValidationError("there are no strides to draw" + (f" of the {side} side" if side else ""))
    if isinstance(foot_off, pd.DataFrame):
        curves, foot_off = _with_foot_off(curves, foot_off), None
    look = _Look.now()
    groups = _groups(curves, by, look, colors)
    reference = _reference(norm)
    cells, rows, columns = _grid([panel_of(name) for name in wanted])
    marks = _foot_offs(groups, curves, reference, foot_off, look)
    sides = {group.side for group in groups}
    common = sides.pop() if len(sides) == 1 and any(group.label for group in groups) else ""
    handles: list[Any] = [
        Line2D([], [], color=one.color, linestyle=one.line, linewidth=2, label=one.text(not common))
        for one in groups
    ]
    if reference is not None:
        handles.append(Patch(facecolor=look.norm_face, edgecolor=look.norm_line, label="Norm, mean ± sd"))
    if marks:
        text = mpl.rcParams["text.color"]
        handles.append(
            Line2D([], [], color=text, marker="|", markersize=9, linestyle="none", label="Foot off")
        )
    told = _told(curves) + (f"  ·  {common} side" if common else "") if title is None else title
    figure = _figure(0.5 + _PANEL_WIDTH * columns, 0.5 + _PANEL_HEIGHT * rows, told, handles)
    heads = _plane_heads(cells)
    for panel, (row, column) in cells.items():
        axes = figure.add_subplot(rows, columns, row * columns + column + 1)
        _draw_panel(axes, panel, curves, groups, reference, spread, look)
        for place, color, line in marks:
            axes.axvline(place, color=color, linestyle=line, linewidth=0.9, zorder=1.9)
        if column in heads and row == 0:
            axes.annotate(
                heads[column],
                (0.5, 1.0),
                xytext=(0, 1.9 * mpl.rcParams["font.size"]),
                xycoords="axes fraction",
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize="medium",
                fontweight="bold",
            )
        lowest = max(other for other, own in cells.values() if own == column)
        axes.tick_params(labelbottom=row == lowest)
        if row == rows - 1:
            axes.set_xlabel("Gait cycle (%)", fontsize="small")
        elif row == lowest:
            # the empty cell below has room for the numbers and the name: no row moves
            name = axes.annotate(
                "Gait cycle (%)",
                (0.5, 0.0),
                (0, -1.9 * mpl.rcParams["font.size"]),
                xycoords="axes fraction",
                textcoords="offset points",
                ha="center",
                va="top",
                fontsize="small",
            )
            for text in (*axes.get_xticklabels(), name):
                text.set_in_layout(False)
    for axes in figure.axes:
        axes.yaxis.label.set_fontsize(_label_size(figure))
    return figure


def _figure(width: float, height: float, title: str, handles: list[Any]) -> GaitFigure:
    """An empty figure of that size (inches), with room for its title and for its legend, which stand there already."""
    letter = float(mpl.rcParams["font.size"]) * 0.83 / 72  # inches
    longest = max(len(str(handle.get_label())) for handle in handles)
    columns = max(1, min(len(handles), int(width / (letter * (4.8 + 0.6 * longest)))))
    # handles run down the columns: no more columns than these rows fill
    rows = -(-len(handles) // columns)
    height += 0.15 + rows * 1.6 * letter + (0.3 if title else 0)
    figure = GaitFigure(figsize=(width, height), layout="constrained")
    engine = figure.get_layout_engine()
    assert engine is not None
    # at the right there is room for half of the last number below an axis
    engine.set(h_pad=0.06, w_pad=0.1, rect=(0, 0, 1 - 0.08 / width, 1))  # type: ignore[call-arg,unused-ignore]
    if title:
        base = float(mpl.rcParams["font.size"])
        size = min(1.2 * base, 72 * width / (0.7 * max(map(len, title.splitlines()))))
        figure.suptitle(title, fontsize=max(0.6 * base, size), fontweight="bold")
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=-(-len(handles) // rows),
        frameon=False,
        fontsize="small",
        handlelength=2.6,
    )
    return figure


@attrs.frozen
class _Look:
    """What the style in force makes of light and dark."""

    dark: bool

    @classmethod
    def now(cls) -> _Look:
        faces = [to_rgba(mpl.rcParams[key]) for key in ("axes.facecolor", "figure.facecolor")]
        face = next((one for one in faces if one[3] > 0.5), (1.0, 1.0, 1.0, 1.0))
        return cls(0.2126 * face[0] + 0.7152 * face[1] + 0.0722 * face[2] < 0.5)

    @property
    def norm_face(self) -> str:
        return "#4a4a4a" if self.dark else "#d4d4d4"

    @property
    def norm_line(self) -> str:
        return "#8a8a8a" if self.dark else "#9a9a9a"

    @property
    def faint(self) -> str:
        return "#777777" if self.dark else "#aaaaaa"

    def paler(self, color: str, share: float) -> tuple[float, float, float]:
        """The colour, mixed with the background."""
        ground = 0.0 if self.dark else 1.0
        red, green, blue = (part + (ground - part) * share for part in to_rgb(color))
        return red, green, blue


@attrs.frozen(eq=False)
class _Group:
    """The strides that one line of a panel is the mean of."""

    label: str
    side: str
    rows: npt.NDArray[np.intp]
    color: Any
    line: Any

    def text(self, with_side: bool) -> str:
        words = [self.label] if self.label else []
        if self.side and (with_side or not words):
            words.append(self.side if words else self.side.capitalize())
        return f"{', '.join(words) or 'Mean'} (n = {len(self.rows)})"


def _checked(curves: xr.DataArray) -> xr.DataArray:
    if not isinstance(curves, xr.DataArray):
        raise ValidationError(f"curves are an xarray.DataArray, not {type(curves).__name__}")
    missing = [name for name in ("channel", "percent") if name not in curves.dims]
    if missing or "channel" not in curves.coords or "percent" not in curves.coords:
        raise ValidationError(
            "curves have the dimensions stride, channel and percent, with coordinates; "
            f"these have {', '.join(map(str, curves.dims))}"
        )
    if "stride" not in curves.dims:
        curves = curves.expand_dims("stride")
    extra = [str(name) for name in curves.dims if name not in ("stride", "channel", "percent")]
    if extra:
        raise ValidationError(f"curves have one dimension too many: {', '.join(extra)}")
    ordered: xr.DataArray = curves.transpose("stride", "channel", "percent").sortby("percent")
    return ordered


def _sides(curves: xr.DataArray) -> npt.NDArray[np.object_]:
    """One of "left", "right", "" a stride."""
    if "side" not in curves.coords:
        return np.full(curves.sizes["stride"], "", dtype=object)
    values = np.atleast_1d(curves.coords["side"].values)
    values = values if len(values) == curves.sizes["stride"] else np.repeat(values, curves.sizes["stride"])
    return np.array(
        [str(one).casefold() if str(one).casefold() in SIDES else "" for one in values], dtype=object
    )


def _wanted_channels(curves: xr.DataArray, channels: Iterable[str] | None) -> list[str]:
    known = [str(name) for name in curves.coords["channel"].values]
    return _wanted(channels, known, "channel", "the curves")


def _wanted(names: Iterable[str] | None, known: Sequence[str], what: str, where: str) -> list[str]:
    """The names to draw, each once: all that are known if None. Raises ValidationError for an unknown one, and for none."""
    chosen = known if names is None else [names] if isinstance(names, str) else names
    wanted = list(dict.fromkeys(chosen))
    for name in wanted:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3) or [one for one in known if str(name) in one]
            hint = f"Close: {', '.join(near)}" if near else f"There are: {', '.join(known[:12])}"
            raise ValidationError(f"there is no {what} {name!r} in {where}. {hint}")
    if not wanted:
        raise ValidationError(f"there are no {what}s to draw")
    return wanted


def _labels(curves: xr.DataArray, by: str | Sequence[str] | None) -> npt.NDArray[np.object_]:
    """The group's label of each stride."""
    names = [by] if isinstance(by, str) else list(by or ())
    names = [name for name in names if name != "side"]
    count = curves.sizes["stride"]
    found: list[list[str]] = []
    for name in names:
        if name not in curves.coords or curves.coords[name].dims not in (("stride",), ()):
            known = [str(one) for one, coord in curves.coords.items() if coord.dims == ("stride",)]
            near = difflib.get_close_matches(str(name), known, n=3) or known
            raise ValidationError(
                f"strides have no coordinate {name!r} to group by. There is: {', '.join(near) or 'none'}"
            )
        values = np.atleast_1d(curves.coords[name].values)
        texts = [_word(one) for one in values]
        found.append(labels_apart(name, texts if len(texts) == count else texts * count, _on_strides(curves)))
    return np.array(
        [", ".join(parts) for parts in zip(*found, strict=True)] if found else [""] * count, dtype=object
    )


def _on_strides(curves: xr.DataArray) -> Known:
    """The coordinates of an array's strides by their names."""
    return lambda name: (
        curves.coords[name].values if name in curves.coords and curves.coords[name].ndim else None
    )


def _word(value: Any) -> str:
    """A label: a day without its time, pre and post as they are said."""
    if isinstance(value, np.datetime64):
        return str(value.astype("datetime64[D]"))
    text = str(value)
    if text.endswith(("T00:00:00", " 00:00:00")):
        text = text[:10]
    return {"pre": "Before", "post": "After", "nan": "not told", "None": "not told", "": "not told"}.get(
        text, text
    )


def _groups(
    curves: xr.DataArray, by: str | Sequence[str] | None, look: _Look, colors: Colors
) -> list[_Group]:
    labels, sides = _labels(curves, by), _sides(curves)
    names = _in_order(labels)
    if isinstance(colors, str) and colors not in _PALETTES:
        raise ValidationError(
            f"colors is one of {', '.join(_PALETTES)}, a mapping or a sequence, not {colors!r}"
        )
    palette = _PALETTES[colors if isinstance(colors, str) else "left-right"][look.dark]
    by_side = isinstance(colors, (str, Mapping)) and len(names) <= _MOST_STYLES
    own = [to_rgb(one) for one in colors] if not isinstance(colors, (str, Mapping)) else []
    groups = []
    for index, name in enumerate(names):
        for side in (*SIDES, ""):
            rows = np.flatnonzero((labels == name) & (sides == side))
            if not len(rows):
                continue
            if by_side:
                place = _strength(name, names)
                color: Any = look.paler(palette[side], 0.3 * place)
                line = _LINES[place]
            else:
                color = own[index % len(own)] if own else _group_color(index, len(names), look)
                line = _LINES[1] if side == RIGHT else _LINES[0]
            if isinstance(colors, Mapping):
                color = to_rgb(colors.get(name, colors.get(side, color)))
            groups.append(_Group(name, side, rows, color, line))
    return groups


def _in_order(labels: Iterable[str]) -> list[str]:
    """The groups in order of appearance; before stands before after."""
    names = list(dict.fromkeys(labels))
    return ["Before", "After"] if set(names) == {"Before", "After"} else names


def _strength(name: str, names: list[str]) -> int:
    """0 for the group in full colour and a solid line: the first one, or what is after."""
    return len(names) - 1 - names.index(name) if names == ["Before", "After"] else names.index(name)


def _group_color(index: int, count: int, look: _Look) -> Any:
    colors = _GROUP_COLORS[look.dark]
    if count <= len(colors):
        return colors[index]
    low, high = (0.25, 1.0) if look.dark else (0.0, 0.85)
    return mpl.colormaps["viridis"](low + (high - low) * index / (count - 1))[:3]


def _reference(norm: xr.Dataset | xr.DataArray | None) -> xr.Dataset | None:
    """Mean and standard deviation over `channel` and `percent`."""
    if norm is None:
        return None
    if isinstance(norm, xr.DataArray):
        strides = _checked(norm)
        made = xr.Dataset(
            {"mean": strides.mean("stride"), "sd": strides.std("stride", ddof=1)}, attrs=dict(norm.attrs)
        )
        return made
    missing = [name for name in ("mean", "sd") if name not in norm.data_vars]
    if missing or not {"channel", "percent"} <= set(norm["mean"].dims if not missing else ()):
        raise ValidationError(
            "a norm is a Dataset of `mean` and `sd` over `channel` and `percent`, or strides"
        )
    ordered: xr.Dataset = norm.sortby("percent")
    return ordered


def _grid(panels: list[Panel]) -> tuple[dict[Panel, tuple[int, int]], int, int]:
    """Row and column of each panel; rows and columns in all."""
    if len(panels) <= 3:
        return {panel: (0, n) for n, panel in enumerate(panels)}, 1, len(panels)
    placed: list[tuple[Panel, tuple[str, str], int]] = []  # panel, row, column
    taken: dict[tuple[tuple[str, str], int], Panel] = {}
    waiting: list[Panel] = []
    order = list(_SEGMENTS)
    for panel in sorted(
        panels, key=lambda one: (_KINDS.index(one.kind), order.index(one.segment) if one.segment else 0)
    ):
        # the foot shares the ankle's row, as reports have it
        segment = (
            "ankle" if panel.segment == "foot" else "pelvic" if panel.segment == "pelvis" else panel.segment
        )
        if panel.kind == "other" or (panel.kind == "power" and panel.plane is None):
            waiting.append(panel)
            continue
        for place in (segment, f"{segment} 2", f"{segment} 3"):
            row = (panel.kind, place)
            if (row, panel.plane or 0) not in taken:
                taken[row, panel.plane or 0] = panel
                placed.append((panel, row, panel.plane or 0))
                break
        else:
            waiting.append(panel)
    keys = sorted({row for _, row, _ in placed}, key=lambda row: _row_order(row, order))
    used = sorted({column for _, _, column in placed}) or [0, 1, 2]
    width = max(len(used), min(3, len(waiting)))
    cells = {panel: (keys.index(row), used.index(column)) for panel, row, column in placed}
    start = len(keys)
    for kind in ("power", "other"):
        own = [panel for panel in waiting if (panel.kind == "power") == (kind == "power")]
        for n, panel in enumerate(own):
            cells[panel] = (start + n // width, n % width)
        start += -(-len(own) // width)
    return cells, start, width


def _row_order(row: tuple[str, str], order: list[str]) -> tuple[int, int, str]:
    kind, place = row
    return _KINDS.index(kind), order.index(place.split()[0]), place


def _plane_heads(cells: Mapping[Panel, tuple[int, int]]) -> dict[int, str]:
    """The heading of each column whose panels all lie in one plane; none over a single row."""
    if len({row for row, _ in cells.values()}) < 2:
        return {}
    heads = {}
    for column in {own for _, own in cells.values()}:
        planes = {
            panel.plane for panel, (_, own) in cells.items() if own == column and panel.plane is not None
        }
        if len(planes) == 1:
            heads[column] = PLANES[planes.pop()]
    return heads


def _statistics(values: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation (n - 1) over the strides, at each point of those that have a value there."""
    with warnings.catch_warnings():
        # a point at which no stride has a value, or only one
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.nanmean(values, axis=0), np.nanstd(values, axis=0, ddof=1)


def _unit_of(array: Any, index: int) -> str:
    if "unit" not in array.coords:
        return ""
    unit = np.atleast_1d(array.coords["unit"].values)
    text = str(unit[index] if len(unit) > index else unit[0])
    return "" if text in ("nan", "None") else text


def _factor(of: str, to: str) -> float | None:
    """What a value in the unit `of` is multiplied by to be in the unit `to`; None where that is not known."""
    first, second = (unit.casefold().replace(" ", "") for unit in (of, to))
    if first == second or not first or not second:
        return 1.0
    if first in _UNITS and second in _UNITS and _UNITS[first][0] == _UNITS[second][0]:
        return _UNITS[first][1] / _UNITS[second][1]
    return None


def _draw_panel(
    axes: Axes,
    panel: Panel,
    curves: xr.DataArray,
    groups: list[_Group],
    reference: xr.Dataset | None,
    spread: str | None,
    look: _Look,
) -> None:
    names = [str(name) for name in curves.coords["channel"].values]
    index = names.index(panel.channel)
    percent = np.asarray(curves.coords["percent"].values, dtype=np.float64)
    values = np.asarray(curves.values[:, index, :], dtype=np.float64)
    unit = _unit_of(curves, index)
    if reference is not None:
        _draw_norm(axes, panel.channel, unit, reference, look)
    axes.axhline(0, color=look.faint, linewidth=0.6, zorder=1.5)
    bands = spread == "sd" and len(groups) <= _MOST_BANDS
    for group in groups:
        own = values[group.rows]
        if np.isnan(own).all():
            continue
        mean, deviation = _statistics(own)
        if bands and len(own) > 1:
            axes.fill_between(
                percent,
                mean - deviation,
                mean + deviation,
                color=group.color,
                alpha=0.22,
                linewidth=0,
                zorder=2.2,
            )
        if spread == "strides" and len(own) > 1:
            axes.plot(percent, own.T, color=group.color, linewidth=0.5, alpha=_thin(len(own)), zorder=2.4)
        axes.plot(percent, mean, color=group.color, linestyle=group.line, linewidth=1.6, zorder=3)
    if not np.isfinite(values).any():
        axes.text(0.5, 0.5, "no data", transform=axes.transAxes, ha="center", va="center")
    axes.set_title(panel.title, fontsize="medium")
    axes.set_ylabel(panel.axis_label(unit), fontsize="small")
    axes.set_xlim(0, 100)
    axes.set_xticks([0, 20, 40, 60, 80, 100])
    axes.tick_params(labelsize="small", length=2.5)
    axes.grid(False)
    for edge in ("top", "right"):
        axes.spines[edge].set_visible(False)
    _widen(axes, _LEAST_SPAN.get(panel.kind, 0.0) / (_factor_of(unit) or 1.0))


def _label_size(figure: Figure) -> float:
    """The size at which every axis label of the figure fits its axis; a letter is half as wide as it is high."""
    base = float(mpl.rcParams["font.size"])
    longest = max(len(axes.get_ylabel()) for axes in figure.axes)
    return max(0.5 * base, min(0.83 * base, 72 * _AXIS_HEIGHT / (0.51 * max(1, longest))))


def _factor_of(unit: str) -> float:
    return _UNITS.get(unit.casefold().replace(" ", ""), ("", 1.0))[1]


def _thin(count: int) -> float:
    """Many strides are drawn more faintly."""
    return max(0.12, min(0.6, 6 / count))


def _widen(axes: Axes, least: float) -> None:
    low, high = axes.get_ylim()
    if high - low < least:
        middle = (low + high) / 2
        axes.set_ylim(middle - least / 2, middle + least / 2)


def _draw_norm(axes: Axes, channel: str, unit: str, reference: xr.Dataset, look: _Look) -> None:
    names = [str(name) for name in reference["mean"].coords["channel"].values]
    if channel not in names:
        return
    index = names.index(channel)
    own = _unit_of(reference["mean"], index)
    factor = _factor(own, unit)
    if factor is None:
        warnings.warn(
            f"the norm of {channel} is in {own}, the curves are in {unit}: it is not drawn",
            UserWarning,
            stacklevel=4,
        )
        return
    percent = np.asarray(reference.coords["percent"].values, dtype=np.float64)
    mean, deviation = (
        np.asarray(reference[name].transpose("channel", "percent").values[index], dtype=np.float64) * factor
        for name in ("mean", "sd")
    )
    axes.fill_between(
        percent, mean - deviation, mean + deviation, color=look.norm_face, linewidth=0, zorder=1
    )
    axes.plot(percent, mean, color=look.norm_line, linewidth=1.0, zorder=1.2)


#: names of the parameter that tells where stance ends, in percent of the cycle; the first that a trial has counts
_STANCE_ENDS = ("Foot Off", "Stance Phase")


def _with_foot_off(curves: xr.DataArray, table: pd.DataFrame) -> xr.DataArray:
    """The curves with the coordinate `foot_off` on `stride`, from a table of parameters; NaN where it tells nothing.

    A row of a one-cycle file is that cycle's; any other is that of all cycles of its trial and side. Raises
    ValidationError where nothing fits.
    """
    absent = [name for name in ("clip", "side", "name", "unit", "mean") if name not in table]
    unknown = [name for name in ("clip", "side") if name not in curves.coords]
    if absent or unknown:
        what = (
            f"the table has no column {', '.join(absent)}"
            if absent
            else f"curves have no {', '.join(unknown)}"
        )
        raise ValidationError(f"foot_off: {what}; pass the table that parameters() returns, or a number")
    known: dict[tuple[str, str, str, str], float] = {}
    rows = table[table["name"].isin(_STANCE_ENDS) & (table["unit"] == "%") & table["mean"].notna()]
    cycles = rows["cycle"] if "cycle" in rows else [""] * len(rows)
    for clip, own, name, mean, cycle in zip(
        rows["clip"], rows["side"], rows["name"], rows["mean"], cycles, strict=True
    ):
        known.setdefault((str(clip), str(own), str(cycle), str(name)), float(mean))
    sides = _sides(curves)
    strides = [str(one) for one in curves["cycle"].values] if "cycle" in curves.coords else [""] * len(sides)
    values = np.full(len(sides), np.nan)
    for n, (clip, own, cycle) in enumerate(zip(curves["clip"].values, sides, strides, strict=True)):
        keys = [(str(clip), str(own), which, name) for which in (cycle, "") for name in _STANCE_ENDS]
        values[n] = next((known[key] for key in keys if key in known), math.nan)
    if not np.isfinite(values).any():
        raise ValidationError(
            f"foot_off: the table has no {' or '.join(_STANCE_ENDS)} in % of the trials and sides of these strides; "
            f"pass a number in its place, or None"
        )
    known_of_each: xr.DataArray = curves.assign_coords(foot_off=("stride", values))
    return known_of_each


def _foot_offs(
    groups: list[_Group],
    curves: xr.DataArray,
    reference: xr.Dataset | None,
    told: float | Mapping[str, float] | None,
    look: _Look,
) -> list[tuple[float, Any, Any]]:
    """Where stance ends: percent, colour and line of each mark."""
    marks: list[tuple[float, Any, Any]] = []
    norm = _number(reference.attrs.get("foot_off")) if reference is not None else None
    if norm is not None:
        marks.append((norm, look.norm_line, "solid"))
    each = told is None and "foot_off" in curves.coords and curves.coords["foot_off"].dims == ("stride",)
    given = curves.attrs.get("foot_off") if told is None and not each else told
    single = _number(given)
    if single is not None:
        marks.append((single, mpl.rcParams["text.color"], (0, (5, 3))))
    for group in groups:
        place = None
        if isinstance(given, Mapping):
            place = next((_number(given[key]) for key in (group.label, group.side) if key in given), None)
        elif each:
            own = np.asarray(curves.coords["foot_off"].values, dtype=np.float64)[group.rows]
            place = float(np.nanmean(own)) if np.isfinite(own).any() else None
        if place is not None:
            marks.append((place, group.color, group.line))
    return marks


def _number(value: object) -> float | None:
    if isinstance(value, (int, float, np.integer, np.floating)) and math.isfinite(float(value)):
        return float(value)
    return None


def _told(curves: xr.DataArray) -> str:
    """What all strides share: subject, date, condition."""
    parts = []
    for name in ("subject", "date", "condition"):
        if name in curves.coords:
            texts = [_word(one) for one in np.atleast_1d(curves.coords[name].values)]
            values = list(dict.fromkeys(labels_apart(name, texts, _on_strides(curves))))
            if len(values) == 1 and values[0] != "not told":
                parts.append(values[0])
            elif name == "subject" and len(values) > 1:
                parts.append(f"{len(values)} subjects")
    return "  ·  ".join(parts)


# -- the Movement Analysis Profile ------------------------------------------------------------------------------


def plot_map(
    scores: xr.DataArray,
    norm: xr.DataArray | None = None,
    *,
    colors: Literal["left-right", "colorblind"] | Mapping[str, str] = "left-right",
    title: str | None = None,
) -> GaitFigure:
    """The Movement Analysis Profile: a bar for each Gait Variable Score and side, and the Gait Profile Score.

    Baker R, McGinley JL, Schwartz MH, et al., "The Gait Profile Score and Movement Analysis Profile", Gait & Posture 30
    (2009) 265-269. Sends no request.

    Args:
        scores: Gait Variable Scores in degrees, dims `stride`, `channel` (what `gvs` returns), with `side` on
            `stride`. A bar is the mean over the strides of a side, its whisker their standard deviation. The nine
            variables of the profile stand in its order; other channels follow.
        norm: the same scores of people without pathology: their mean is a line across each pair of bars.
        colors, title: as of `plot`.

    Returns:
        A figure. Where all nine variables are there it ends with the GPS of each side (root mean square of the side's
        nine scores, stride by stride) and of left and right together (of fifteen mean scores: the pelvis's
        three once, those of the left side, and six of each side), with their numbers.

    Raises:
        ValidationError: no scores, or a dimension is missing.

    Example:
        >>> plot_map(gvs(curves, schwartz2008("free")))
    """
    scores = _checked_scores(scores)
    look = _Look.now()
    palette = _bar_colors(colors, look)
    names = [str(name) for name in scores.coords["channel"].values]
    order = [name for name in MAP_CHANNELS if name in names] + [
        name for name in names if name not in MAP_CHANNELS
    ]
    sides = _sides(scores)
    present = [side for side in (*SIDES, "") if (sides == side).any()]
    values = np.asarray(scores.values, dtype=np.float64)
    bars = {
        side: [_mean_sd(values[sides == side][:, names.index(name)]) for name in order] for side in present
    }
    labels = [MAP_CHANNELS.get(name, panel_of(name).title.replace(" ", "\n", 1)) for name in order]
    complete = all(name in names for name in MAP_CHANNELS)
    nine = [names.index(name) for name in MAP_CHANNELS] if complete else []
    if complete:
        labels.append("GPS")
        for side in present:
            bars[side].append(_mean_sd(_rms(values[sides == side][:, nine])))
    places = np.arange(len(labels), dtype=np.float64)
    overall = _overall(values, sides, names) if complete and set(SIDES) <= set(present) else None
    handles: list[Any] = [
        Patch(color=palette[side], label=f"{side.capitalize() or 'Score'} (n = {int((sides == side).sum())})")
        for side in present
    ]
    if overall is not None:
        handles.append(Patch(color=look.faint, label="Overall"))
    if norm is not None:
        handles.append(
            Line2D([], [], color=mpl.rcParams["text.color"], linewidth=2, label="No pathology, mean")
        )
    told = _told(scores) if title is None else title
    figure = _figure(1.6 + 0.86 * (len(labels) + 0.4 * complete), 3.1, told, handles)
    axes = figure.add_subplot()
    if complete:
        places[-1] += 0.45
        axes.axvline(places[-1] - 0.75, color=look.faint, linewidth=0.8)
    width = 0.76 / max(1, len(present))
    for n, side in enumerate(present):
        shift = (n - (len(present) - 1) / 2) * width
        if complete and overall is not None:
            at = places + shift - np.where(np.arange(len(places)) == len(places) - 1, width / 2, 0)
        else:
            at = places + shift
        heights = np.array([mean for mean, _ in bars[side]])
        spans = np.nan_to_num(np.array([sd for _, sd in bars[side]]))
        axes.bar(at, np.nan_to_num(heights), 0.92 * width, color=palette[side], zorder=2)
        shown = spans > 0
        axes.errorbar(
            at[shown],
            heights[shown],
            yerr=spans[shown],
            fmt="none",
            ecolor=mpl.rcParams["text.color"],
            elinewidth=0.8,
            capsize=2,
            zorder=4,
        )
        if complete and np.isfinite(heights[-1]):
            _number_over(axes, at[-1], heights[-1] + spans[-1], heights[-1])
    if overall is not None:
        at_last = places[-1] + width
        axes.bar([at_last], [overall], 0.92 * width, color=look.faint, zorder=2)
        _number_over(axes, at_last, overall, overall)
    if norm is not None:
        _map_norm(axes, norm, order, places, complete, width if overall is not None else 0.0)
    axes.set_xticks(places, labels, fontsize="small")
    axes.tick_params(axis="x", length=0)
    units = {_unit_of(scores, names.index(name)) for name in order} - {""} or {"deg"}
    axes.set_ylabel(f"RMS difference ({', '.join(sorted(units))})", fontsize="small")
    axes.set_ylim(bottom=0)
    axes.margins(x=0.01)
    axes.grid(False)
    axes.yaxis.grid(True, color=look.faint, linewidth=0.4, alpha=0.6)
    axes.set_axisbelow(True)
    for edge in ("top", "right"):
        axes.spines[edge].set_visible(False)
    return figure


def _number_over(axes: Axes, at: float, height: float, value: float) -> None:
    axes.annotate(
        f"{value:.1f}",
        (at, height),
        xytext=(0, 2),
        textcoords="offset points",
        ha="center",
        va="bottom",
        fontsize="x-small",
    )


def _map_norm(
    axes: Axes, norm: xr.DataArray, order: list[str], places: Floats, complete: bool, more: float
) -> None:
    own = _checked_scores(norm)
    names = [str(name) for name in own.coords["channel"].values]
    values = np.asarray(own.values, dtype=np.float64)
    heights = [_mean_sd(values[:, names.index(name)])[0] if name in names else math.nan for name in order]
    widths = [0.76] * len(order)
    if complete:
        nine = [names.index(name) for name in MAP_CHANNELS if name in names]
        heights.append(_mean_sd(_rms(values[:, nine]))[0] if len(nine) == len(MAP_CHANNELS) else math.nan)
        widths.append(0.76 + more)
    half = np.array(widths) / 2
    axes.hlines(
        heights, places - half, places + half, color=mpl.rcParams["text.color"], linewidth=2, zorder=3
    )


def _checked_scores(scores: xr.DataArray) -> xr.DataArray:
    if not isinstance(scores, xr.DataArray) or "channel" not in scores.dims or "channel" not in scores.coords:
        raise ValidationError(
            "scores are an xarray.DataArray over `stride` and `channel`, as `gvs` returns them"
        )
    if "stride" not in scores.dims:
        scores = scores.expand_dims("stride")
    if set(scores.dims) != {"stride", "channel"}:
        raise ValidationError(
            f"scores have the dimensions stride and channel; these have {', '.join(map(str, scores.dims))}"
        )
    if not scores.size:
        raise ValidationError("there are no scores to draw")
    ordered: xr.DataArray = scores.transpose("stride", "channel")
    return ordered


def _bar_colors(colors: Any, look: _Look) -> dict[str, Any]:
    if isinstance(colors, str) and colors not in _PALETTES:
        raise ValidationError(f"colors is one of {', '.join(_PALETTES)} or a mapping, not {colors!r}")
    palette: dict[str, Any] = dict(_PALETTES[colors if isinstance(colors, str) else "left-right"][look.dark])
    if isinstance(colors, Mapping):
        palette.update({side: to_rgb(color) for side, color in colors.items() if side in palette})
    return palette


def _mean_sd(values: Floats) -> tuple[float, float]:
    values = values[np.isfinite(values)]
    if not len(values):
        return math.nan, math.nan
    return float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else math.nan


def _rms(values: Floats) -> Floats:
    """Root mean square over the last axis."""
    return np.asarray(np.sqrt(np.mean(values**2, axis=-1)), dtype=np.float64)


def _overall(values: Floats, sides: npt.NDArray[np.object_], names: list[str]) -> float:
    """GPS of left and right together: fifteen scores, the pelvis's of the left side only."""
    means = {
        side: {name: _mean_sd(values[sides == side][:, names.index(name)])[0] for name in MAP_CHANNELS}
        for side in SIDES
    }
    fifteen = [means[LEFT][name] for name in MAP_CHANNELS]
    fifteen += [means[RIGHT][name] for name in MAP_CHANNELS if name not in _PELVIS]
    return float(_rms(np.array(fifteen)))


# -- parameters -------------------------------------------------------------------------------------------------


def plot_parameters(
    table: pd.DataFrame,
    norm: Mapping[str, tuple[float, float]] | pd.DataFrame | None = None,
    *,
    by: str | None = None,
    names: Iterable[str] | None = None,
    colors: Colors = "left-right",
    title: str | None = None,
) -> GaitFigure:
    """Gait parameters as bars, one panel a parameter, against norms as a grey band. Sends no request.

    Args:
        table: one row a value, with the columns `name`, `mean`, and where known `side`, `unit` and what `by` names
            (what `parameters()` returns).
        norm: mean and standard deviation of each parameter, in the table's unit: `{"cadence": (119, 11)}`, or a
            DataFrame with the columns `name` (or as its index), `mean` and `sd`.
        by: a column that tells groups apart, "condition" or "phase"; subjects, sessions and trials of one name as of
            `plot`.
        names: which parameters, in place of all.
        colors: as of `plot`.
        title: as of `plot`.

    Returns:
        A figure. A bar is the mean of the rows of a group and side, its whisker their standard deviation; the number
        stands above. The band is the norm's mean ± sd.

    Raises:
        ValidationError: no rows, a missing column or parameter, or one parameter in two units.

    Example:
        >>> plot_parameters(clip.parameters(), {"walking_speed": (1.16, 0.15)})
    """
    missing = [name for name in ("name", "mean", *([by] if by else [])) if name not in table]
    if missing:
        raise ValidationError(f"the table of parameters has no column {', '.join(missing)}")
    known = list(dict.fromkeys(str(one) for one in table["name"]))
    wanted = _wanted(names, known, "parameter", "the table")
    look = _Look.now()
    norms = _parameter_norms(norm)
    columns = min(4, len(wanted))
    rows = -(-len(wanted) // columns)
    labels = labels_apart(by, [_word(one) for one in table[by]], _of_rows(table)) if by else [""] * len(table)
    groups = _in_order(labels)
    sides = [
        str(one).casefold() if str(one).casefold() in SIDES else ""
        for one in table.get("side", [""] * len(table))
    ]
    shades = _parameter_colors(colors, groups, look)
    frame = pd.DataFrame(
        {
            "name": [str(one) for one in table["name"]],
            "group": labels,
            "side": sides,
            "value": pd.to_numeric(table["mean"], errors="coerce").to_numpy(dtype=np.float64),
            "unit": [
                "" if one is None or one != one else str(one) for one in table.get("unit", [""] * len(table))
            ],
        }
    )
    handles: list[Any] = []
    for group in groups:
        for side in (*SIDES, ""):
            if ((frame["group"] == group) & (frame["side"] == side)).any():
                words = ", ".join(part for part in (group, side) if part) or "left and right"
                handles.append(Patch(color=shades(group, side), label=words[:1].upper() + words[1:]))
    if norms:
        handles.append(Patch(facecolor=look.norm_face, edgecolor=look.norm_line, label="Norm, mean ± sd"))
    told = _told_rows(table) if title is None else title
    figure = _figure(0.6 + 2.3 * columns, 0.3 + 2.15 * rows, told, handles)
    for n, name in enumerate(wanted):
        axes = figure.add_subplot(rows, columns, n + 1)
        _draw_parameter(axes, name, frame[frame["name"] == name], groups, shades, norms.get(name), look)
    return figure


def _parameter_norms(
    norm: Mapping[str, tuple[float, float]] | pd.DataFrame | None,
) -> dict[str, tuple[float, float]]:
    if norm is None:
        return {}
    if isinstance(norm, pd.DataFrame):
        frame = norm.set_index("name") if "name" in norm else norm
        if not {"mean", "sd"} <= set(frame.columns):
            raise ValidationError("a norm of parameters has the columns name, mean and sd")
        return {str(name): (float(row["mean"]), float(row["sd"])) for name, row in frame.iterrows()}
    return {str(name): (float(mean), float(sd)) for name, (mean, sd) in norm.items()}


def _parameter_colors(colors: Colors, groups: list[str], look: _Look) -> Callable[[str, str], Any]:
    if isinstance(colors, str) and colors not in _PALETTES:
        raise ValidationError(
            f"colors is one of {', '.join(_PALETTES)}, a mapping or a sequence, not {colors!r}"
        )
    palette = _PALETTES[colors if isinstance(colors, str) else "left-right"][look.dark]

    def color(group: str, side: str) -> Any:
        if isinstance(colors, Mapping):
            return to_rgb(colors.get(group, colors.get(side, palette[side])))
        if not isinstance(colors, str):
            return to_rgb(list(colors)[groups.index(group) % len(colors)])
        return look.paler(palette[side], min(0.75, 0.45 * _strength(group, groups)))

    return color


def _draw_parameter(
    axes: Axes,
    name: str,
    rows: pd.DataFrame,
    groups: list[str],
    shades: Callable[[str, str], Any],
    norm: tuple[float, float] | None,
    look: _Look,
) -> None:
    units = [one for one in dict.fromkeys(rows["unit"]) if one]
    if len(units) > 1:
        raise ValidationError(f"the parameter {name!r} is in two units: {', '.join(units)}")
    if norm is not None:
        mean, sd = norm
        axes.axhspan(mean - sd, mean + sd, color=look.norm_face, linewidth=0, zorder=1)
        axes.axhline(mean, color=look.norm_line, linewidth=1, zorder=1.2)
    place, ticks, texts = 0.0, [], []
    sides = [side for side in (*SIDES, "") if (rows["side"] == side).any()]
    highest = lowest = 0.0
    for side in sides:
        first = place
        for group in groups:
            own = rows[(rows["side"] == side) & (rows["group"] == group)]["value"].to_numpy(dtype=np.float64)
            value, spread = _mean_sd(own)
            if math.isfinite(value):
                axes.bar([place], [value], 0.86, color=shades(group, side), zorder=2)
                whisker = spread if math.isfinite(spread) and spread > 0 else 0.0
                if whisker:
                    axes.errorbar(
                        [place],
                        [value],
                        yerr=[whisker],
                        fmt="none",
                        ecolor=mpl.rcParams["text.color"],
                        elinewidth=0.8,
                        capsize=2,
                        zorder=4,
                    )
                top = value + whisker if value >= 0 else 0.0
                axes.annotate(
                    _short(value),
                    (place, top),
                    xytext=(0, 2),
                    textcoords="offset points",
                    ha="center",
                    va="bottom",
                    fontsize="x-small",
                    zorder=5,
                )
                highest, lowest = max(highest, value + whisker), min(lowest, value - whisker)
            place += 1
        ticks.append((first + place - 1) / 2)
        texts.append(side.capitalize())
        place += 0.35
    if norm is not None:
        highest, lowest = max(highest, norm[0] + norm[1]), min(lowest, norm[0] - norm[1])
    span = (highest - lowest) or 1.0
    axes.set_ylim(lowest - (0.06 * span if lowest < 0 else 0), highest + 0.14 * span)
    axes.set_xlim(-0.8, place - 0.35 - 0.2)
    axes.set_xticks(ticks, texts, fontsize="small")
    words = " ".join(name.replace("_", " ").split())
    axes.set_title(words[:1].upper() + words[1:], fontsize="medium")
    axes.set_ylabel(units[0] if units else "", fontsize="small")
    axes.tick_params(labelsize="small", length=2.5)
    axes.tick_params(axis="x", length=0)
    axes.grid(False)
    for edge in ("top", "right"):
        axes.spines[edge].set_visible(False)


def _short(value: float) -> str:
    """Three digits that count, zeros too: 1.00 beside 1.18."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:#.3g}".rstrip(".")


def _of_rows(table: pd.DataFrame) -> Known:
    """The columns of a table by their names."""
    return lambda name: table[name].tolist() if name in table else None


def _told_rows(table: pd.DataFrame) -> str:
    parts = []
    for name in ("subject", "date", "condition"):
        if name in table:
            values = list(
                dict.fromkeys(labels_apart(name, [_word(one) for one in table[name]], _of_rows(table)))
            )
            if len(values) == 1 and values[0] != "not told":
                parts.append(values[0])
            elif name == "subject" and len(values) > 1:
                parts.append(f"{len(values)} subjects")
    return "  ·  ".join(parts)
