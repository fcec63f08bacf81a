"""Figures: what is drawn where, in which colour, and that nothing else of matplotlib is touched."""

from __future__ import annotations

import base64
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.style
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from walking import ANGLES, KINETICS, norm, together, walk

from moveshelf.errors import ValidationError
from moveshelf.gait import figures
from moveshelf.gait.figures import MAP_CHANNELS, panel_of, plot, plot_map, plot_parameters

RED, BLUE = "#c1121f", "#1d5fae"


@pytest.fixture(autouse=True)
def _no_warnings() -> Any:
    """Drawing warns of nothing, unless a test says so."""
    with warnings.catch_warnings(), mpl.rc_context():
        warnings.simplefilter("error")
        yield


def panels(figure: Figure) -> dict[str, Axes]:
    return {axes.get_title(): axes for axes in figure.axes}


def thick(axes: Axes) -> list[Any]:
    """The lines of the groups' means."""
    return [line for line in axes.lines if line.get_linewidth() == 1.6]


def texts(axes: Axes) -> list[str]:
    return [one.get_text() for one in axes.texts]


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def place(axes: Axes) -> tuple[int, int]:
    spec = axes.get_subplotspec()
    assert spec is not None
    return spec.rowspan.start, spec.colspan.start


# -- panels ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("channel", "title", "label"),
    [
        ("pelvic_tilt", "Pelvic tilt", "Posterior ← deg → Anterior"),
        ("pelvic_obliquity", "Pelvic obliquity", "Down ← deg → Up"),
        ("hip_flexion", "Hip flexion/extension", "Extension ← deg → Flexion"),
        ("hip_adduction", "Hip ad/abduction", "Abduction ← deg → Adduction"),
        ("knee_adduction", "Knee varus/valgus", "Valgus ← deg → Varus"),
        ("knee_rotation", "Knee rotation", "External ← deg → Internal"),
        ("ankle_dorsiflexion", "Ankle dorsi/plantarflexion", "Plantar ← deg → Dorsi"),
        ("foot_progression", "Foot progression", "External ← deg → Internal"),
        ("hip_extension_moment", "Hip flexion/extension moment", "Flexion ← deg → Extension"),
        ("knee_abduction_moment", "Knee varus/valgus moment", "Varus ← deg → Valgus"),
        ("hip_rotation_moment", "Hip rotation moment", "Internal ← deg → External"),
        ("ankle_power", "Ankle power", "Absorbed ← deg → Generated"),
        ("hip_power_coronal", "Hip power coronal", "Absorbed ← deg → Generated"),
        ("psoas_length", "Psoas length", "deg"),
        ("knee_wobble", "Knee wobble", "deg"),
        ("my_own_channel", "My own channel", "deg"),
        ("", "", "deg"),
    ],
)
def test_names_of_panels(channel: str, title: str, label: str) -> None:
    panel = panel_of(channel)
    assert (panel.title, panel.axis_label("deg")) == (title, label)


def test_the_grid_of_a_report() -> None:
    figure = plot(walk())
    places = {title: place(axes) for title, axes in panels(figure).items()}
    assert places == {
        "Pelvic tilt": (0, 0),
        "Pelvic obliquity": (0, 1),
        "Pelvic rotation": (0, 2),
        "Hip flexion/extension": (1, 0),
        "Hip ad/abduction": (1, 1),
        "Hip rotation": (1, 2),
        "Knee flexion/extension": (2, 0),
        "Knee varus/valgus": (2, 1),
        "Knee rotation": (2, 2),
        "Ankle dorsi/plantarflexion": (3, 0),
        "Foot progression": (3, 2),
    }
    heads = [text for axes in figure.axes for text in texts(axes) if text != "Gait cycle (%)"]
    assert heads == ["Sagittal plane", "Coronal plane", "Transverse plane"]
    below = {title for title, axes in panels(figure).items() if axes.get_xlabel()}
    assert below == {"Ankle dorsi/plantarflexion", "Foot progression"}
    named = {title for title, axes in panels(figure).items() if "Gait cycle (%)" in texts(axes)}
    assert named == {"Knee varus/valgus"}, "the last of its column, with an empty cell below"
    assert all(axes.get_xlim() == (0, 100) for axes in figure.axes)


def test_the_order_of_channels_does_not_move_panels() -> None:
    curves = walk()
    turned = curves.isel(channel=slice(None, None, -1))
    first = {title: place(axes) for title, axes in panels(plot(curves)).items()}
    assert first == {title: place(axes) for title, axes in panels(plot(turned)).items()}


def test_moments_and_powers_are_below_the_angles() -> None:
    found = {
        title: place(axes) for title, axes in panels(plot(walk(channels={**ANGLES, **KINETICS}))).items()
    }
    assert found["Hip flexion/extension moment"] == (4, 0)
    assert found["Knee varus/valgus moment"] == (5, 1)
    assert [found[f"{joint} power"] for joint in ("Hip", "Knee", "Ankle")] == [(7, 0), (7, 1), (7, 2)]
    assert len(found) == len(ANGLES) + len(KINETICS)


def test_few_channels_stand_in_a_row() -> None:
    figure = plot(walk(), channels=["knee_flexion", "hip_flexion"])
    assert {title: place(axes) for title, axes in panels(figure).items()} == {
        "Knee flexion/extension": (0, 0),
        "Hip flexion/extension": (0, 1),
    }
    single = plot(walk(), channels="knee_flexion")
    assert list(panels(single)) == ["Knee flexion/extension"]


def test_channels_of_a_place_that_is_taken_and_of_no_place() -> None:
    own = walk().assign_coords(
        channel=[*list(ANGLES)[:-3], "ankle_rotation", "foot_progression", "soleus_length"]
    )
    found = {title: place(axes) for title, axes in panels(plot(own)).items()}
    assert {found["Ankle rotation"], found["Foot progression"]} == {(3, 2), (4, 2)}
    assert found["Soleus length"] == (5, 0)
    assert len(found) == len(ANGLES)


# -- curves ---------------------------------------------------------------------------------------------------------


def test_mean_and_band_of_each_side() -> None:
    curves = walk()
    axes = panels(plot(curves))["Knee flexion/extension"]
    for line, band, side, color in zip(
        thick(axes), axes.collections, ("left", "right"), (RED, BLUE), strict=True
    ):
        own = curves.sel(channel="knee_flexion").isel(stride=curves.side.values == side).values
        assert to_hex(line.get_color()) == color
        assert to_hex(band.get_facecolor()[0]) == color
        np.testing.assert_allclose(line.get_xdata(), np.linspace(0, 100, 101))
        np.testing.assert_allclose(line.get_ydata(), own.mean(axis=0))
        box = band.get_datalim(axes.transData)
        assert box.y1 == pytest.approx((own.mean(axis=0) + own.std(axis=0, ddof=1)).max())
        assert box.y0 == pytest.approx((own.mean(axis=0) - own.std(axis=0, ddof=1)).min())


def test_one_stride_has_no_band() -> None:
    axes = panels(plot(walk().isel(stride=[0]), channels="hip_flexion"))["Hip flexion/extension"]
    assert not axes.collections
    assert len(thick(axes)) == 1


def test_a_stride_without_its_dimension() -> None:
    figure = plot(walk().isel(stride=0), channels="hip_flexion")
    assert legend(figure) == ["Left (n = 1)"]


def test_strides_as_thin_lines() -> None:
    axes = panels(plot(walk(), channels="hip_flexion", spread="strides"))["Hip flexion/extension"]
    assert len([line for line in axes.lines if line.get_linewidth() == 0.5]) == 18
    assert not axes.collections
    bare = panels(plot(walk(), channels="hip_flexion", spread=None))["Hip flexion/extension"]
    assert len(bare.lines) == 3  # two means and zero


def test_gaps_stay_gaps() -> None:
    curves = walk()
    curves.values[:, 3, 20:35] = np.nan
    curves.values[:, 6, :] = np.nan
    curves.values[0, 9, 50:60] = np.nan
    found = panels(plot(curves, norm=norm()))
    for line in thick(found["Hip flexion/extension"]):
        assert np.isnan(line.get_ydata()).tolist() == [20 <= n < 35 for n in range(101)]
    knee = found["Knee flexion/extension"]
    assert [text.get_text() for text in knee.texts] == ["no data"]
    assert not thick(knee)
    # where one of several strides has a gap the mean is that of the others
    own = curves.sel(channel="ankle_dorsiflexion").isel(stride=curves.side.values == "left").values
    np.testing.assert_allclose(
        thick(found["Ankle dorsi/plantarflexion"])[0].get_ydata(), np.nanmean(own, axis=0)
    )


def test_percent_out_of_order_is_put_in_order() -> None:
    curves = walk()
    line = thick(
        panels(plot(curves.isel(percent=slice(None, None, -1)), channels="hip_flexion"))[
            "Hip flexion/extension"
        ]
    )
    expected = thick(panels(plot(curves, channels="hip_flexion"))["Hip flexion/extension"])
    np.testing.assert_array_equal(line[0].get_ydata(), expected[0].get_ydata())


def test_small_curves_do_not_fill_their_panel() -> None:
    curves = walk(channels={"pelvic_obliquity": ANGLES["pelvic_obliquity"]})
    (axes,) = plot(curves * 0.01).axes
    low, high = axes.get_ylim()
    assert high - low == pytest.approx(30)


# -- groups ---------------------------------------------------------------------------------------------------------


def test_groups_are_told_by_line_and_sides_by_colour() -> None:
    curves = together(walk(), walk(condition="Braced"))
    figure = plot(curves, by="condition", channels="hip_flexion")
    assert legend(figure) == [
        "Barefoot, left (n = 9)",
        "Barefoot, right (n = 9)",
        "Braced, left (n = 9)",
        "Braced, right (n = 9)",
    ]
    lines = thick(figure.axes[0])
    assert [to_hex(line.get_color()) for line in lines[:2]] == [RED, BLUE]
    assert [line.get_linestyle() for line in lines] == ["-", "-", "--", "--"]
    assert to_rgb(lines[2].get_color())[0] > 0.7  # a paler red
    own = curves.sel(channel="hip_flexion").isel(
        stride=(curves.condition.values == "Braced") & (curves.side.values == "right")
    )
    np.testing.assert_allclose(lines[3].get_ydata(), own.mean("stride").values)


def test_before_and_after() -> None:
    curves = together(walk(session="b", phase="post"), walk(session="a", phase="pre"))
    figure = plot(curves, by="phase", channels="hip_flexion", side="left")
    assert legend(figure) == ["Before (n = 9)", "After (n = 9)"]
    assert [line.get_linestyle() for line in thick(figure.axes[0])] == ["--", "-"]
    assert figure.get_suptitle().endswith("left side")


def test_many_groups_are_told_by_colour() -> None:
    curves = together(*[walk(session=f"s{n}", date=f"202{n}-01-01", seed=n) for n in range(5)])
    figure = plot(curves, by="date", channels="hip_flexion")
    lines = thick(figure.axes[0])
    assert len({to_hex(line.get_color()) for line in lines}) == 5
    assert [line.get_linestyle() for line in lines] == ["-", "--"] * 5
    assert not figure.axes[0].collections  # ten bands would hide each other
    twelve = together(*[walk(subject=f"P-{n}", seed=n, trials=1) for n in range(12)])
    lines = thick(plot(twelve, by="subject", side="right", channels="hip_flexion").axes[0])
    assert len({to_hex(line.get_color()) for line in lines}) == 12


def test_patients_and_sessions_of_one_name_are_drawn_apart() -> None:
    curves = together(walk(condition="A"), walk(condition="B")).sel(channel=["hip_flexion"])
    half = curves.sizes["stride"] // 2

    def of_two(first: str, second: str) -> tuple[str, list[str]]:
        return "stride", [first] * half + [second] * (curves.sizes["stride"] - half)

    two = curves.assign_coords(
        subject=of_two("P-001", "P-001"),
        subject_id=of_two("id-1", "id-2"),
        session=of_two("Gait", "Gait"),
        session_id=of_two("s-1", "s-2"),
        date=of_two("2020-01-01", "2021-01-01"),
    )
    labels = legend(plot(two, by="subject", side="left", spread=None))
    assert [one.split(" (n")[0] for one in labels] == ["P-001 (id-1)", "P-001 (id-2)"]
    figure = plot(two, by="condition", side="left")
    assert figure._suptitle is not None
    assert "2 subjects" in figure._suptitle.get_text()
    # sessions of one name of two subjects are one group, of one subject two
    assert len(legend(plot(two, by="session", side="left"))) == 1
    one = two.assign_coords(subject_id=of_two("id-1", "id-1"))
    labels = legend(plot(one, by="session", side="left"))
    assert [label.split(" (n")[0] for label in labels] == ["Gait (2020-01-01)", "Gait (2021-01-01)"]
    means = [line.get_ydata() for line in thick(plot(one, by="session", side="left").axes[0])]
    by_hand = [one[(one.session_id == name).values & (one.side == "left").values] for name in ("s-1", "s-2")]
    for mean, strides in zip(means, by_hand, strict=True):
        np.testing.assert_allclose(mean, strides.mean("stride").values[0])
    table = pd.DataFrame({"name": "speed", "mean": [1.0, 3.0], "subject": "P-001", "subject_id": ["a", "b"]})
    bars = plot_parameters(table, by="subject")
    assert legend(bars) == ["P-001 (a)", "P-001 (b)"]
    assert sorted(texts(bars.axes[0])) == ["1.00", "3.00"]


def test_several_coordinates_make_groups() -> None:
    curves = together(walk(), walk(condition="Braced"))
    figure = plot(curves, by=["condition", "trial", "side"], channels="hip_flexion", side="left")
    assert legend(figure)[0] == "Barefoot, Walk 1 (n = 3)"
    assert len(legend(figure)) == 6


def test_days_and_what_is_not_told_as_labels() -> None:
    curves = walk(trials=1)
    days = np.array(["2023-01-20"] * 3 + ["NaT"] * 3, dtype="datetime64[ns]")
    found = plot(curves.assign_coords(date=("stride", days)), by="date", channels="hip_flexion", title="")
    assert legend(found)[0] == "2023-01-20, left (n = 3)"


def test_strides_without_a_side() -> None:
    curves = walk().assign_coords(side=("stride", [""] * 18))
    figure = plot(curves, channels="hip_flexion")
    assert legend(figure) == ["Mean (n = 18)"]
    assert legend(plot(curves.drop_vars("side"), channels="hip_flexion")) == ["Mean (n = 18)"]


def test_colours() -> None:
    curves = together(walk(), walk(condition="Braced"))

    def used(**more: Any) -> list[str]:
        return [
            to_hex(line.get_color()) for line in thick(plot(curves, channels="hip_flexion", **more).axes[0])
        ]

    assert used(colors="colorblind") == ["#d55e00", "#0072b2"]
    assert used(colors={"left": "green"}) == ["#008000", BLUE]
    assert used(by="condition", colors={"Braced": "black"})[2:] == ["#000000", "#000000"]
    assert used(by="condition", colors=["orange", "purple"]) == ["#ffa500", "#ffa500", "#800080", "#800080"]
    with pytest.raises(ValidationError, match="colors is one of left-right, colorblind"):
        used(colors="rainbow")


def test_the_title() -> None:
    assert plot(walk(), channels="hip_flexion").get_suptitle() == "P-001  ·  2023-01-20  ·  Barefoot"
    two = together(walk(), walk(subject="P-002", date="2024-01-01"))
    assert plot(two, channels="hip_flexion").get_suptitle() == "2 subjects  ·  Barefoot"
    assert plot(two, channels="hip_flexion", title="Mine").get_suptitle() == "Mine"
    assert plot(two, channels="hip_flexion", title="").get_suptitle() == ""


# -- the norm, foot off ---------------------------------------------------------------------------------------------


def band_of(axes: Axes) -> Any:
    return axes.collections[0]


def test_the_norm_is_a_band_at_its_own_points() -> None:
    reference = norm()
    figure = plot(walk(points=101), norm=reference)
    own = reference.sel(channel="knee_flexion")
    axes = panels(figure)["Knee flexion/extension"]
    box = band_of(axes).get_datalim(axes.transData)
    assert box.y1 == pytest.approx(float((own["mean"] + own["sd"]).max()))
    assert box.y0 == pytest.approx(float((own["mean"] - own["sd"]).min()))
    middle = next(line for line in axes.lines if line.get_linewidth() == 1.0)
    assert len(middle.get_xdata()) == 51
    np.testing.assert_allclose(middle.get_ydata(), own["mean"].values)
    assert legend(figure)[-1] == "Norm, mean ± sd"


def test_a_norm_of_strides() -> None:
    controls = together(*[walk(subject=f"C{n}", seed=n) for n in range(4)])
    axes = panels(plot(walk(), norm=controls))["Knee flexion/extension"]
    middle = next(line for line in axes.lines if line.get_linewidth() == 1.0)
    np.testing.assert_allclose(middle.get_ydata(), controls.sel(channel="knee_flexion").mean("stride").values)


def test_a_channel_without_a_norm() -> None:
    found = panels(plot(walk(), norm=norm().sel(channel=["hip_flexion"])))
    assert len(found["Hip flexion/extension"].collections) == 3
    assert len(found["Knee flexion/extension"].collections) == 2


@pytest.mark.parametrize(
    ("unit", "factor"), [("N.m/kg", 1e-3), ("Nm/kg", 1e-3), ("N.mm/kg", 1.0), ("N·mm/kg", 1.0), ("", 1.0)]
)
def test_a_norm_in_another_unit(unit: str, factor: float) -> None:
    channel = {"hip_extension_moment": KINETICS["hip_extension_moment"]}
    reference = norm(channels=channel)
    curves = (walk(channels=channel) * factor).assign_coords(unit=("channel", [unit]))
    (axes,) = plot(curves, norm=reference).axes
    middle = next(line for line in axes.lines if line.get_linewidth() == 1.0)
    np.testing.assert_allclose(middle.get_ydata(), reference["mean"].values[0] * factor)


def test_a_norm_in_a_unit_that_does_not_fit_is_told_of() -> None:
    curves = walk(channels={"hip_power": KINETICS["hip_power"]}).assign_coords(unit=("channel", ["W"]))
    with pytest.warns(
        UserWarning, match="the norm of hip_power is in W/kg, the curves are in W: it is not drawn"
    ):
        figure = plot(curves, norm=norm())
    assert len(figure.axes[0].collections) == 2


def marks(axes: Axes) -> list[tuple[float, str]]:
    found = [line for line in axes.lines if line.get_linewidth() == 0.9]
    return [(float(line.get_xdata()[0]), to_hex(line.get_color())) for line in found]


def test_foot_off() -> None:
    curves, channel = walk(), "hip_flexion"
    assert marks(plot(curves, channels=channel).axes[0]) == []
    assert marks(plot(curves, channels=channel, foot_off={"left": 61, "right": 59.5}).axes[0]) == [
        (61, RED),
        (59.5, BLUE),
    ]
    assert marks(plot(curves, channels=channel, foot_off=60).axes[0]) == [(60, "#000000")]
    each = np.where(curves.side.values == "left", 62.0, np.nan)
    each[0] = 65.0
    own = curves.assign_coords(foot_off=("stride", each))
    assert marks(plot(own, channels=channel).axes[0]) == [(pytest.approx(62 + 3 / 9), RED)]
    assert marks(plot(curves.assign_attrs(foot_off={"right": 58.0}), channels=channel).axes[0]) == [
        (58, BLUE)
    ]
    reference = norm()
    reference.attrs["foot_off"] = 60.2
    figure = plot(curves, channels=channel, norm=reference)
    assert marks(figure.axes[0]) == [(60.2, "#9a9a9a")]
    assert legend(figure)[-1] == "Foot off"


def test_foot_off_of_each_trial_from_the_table_of_parameters() -> None:
    curves, channel = walk(), "hip_flexion"
    clips = list(dict.fromkeys(curves["clip"].values))
    rows = [(clip, "left", "Foot Off", "%", 60.0 + n, "") for n, clip in enumerate(clips)]
    rows += [
        (clips[0], "right", "Stance Phase", "%", 58.0, ""),
        (clips[0], "left", "Stance Phase", "%", 90.0, ""),
    ]
    rows += [(clips[0], "right", "Foot Off", "s", 0.6, ""), (clips[0], "right", "Foot Off", "%", np.nan, "")]
    table = pd.DataFrame(rows, columns=["clip", "side", "name", "unit", "mean", "cycle"])
    left = np.mean([60.0 + clips.index(one) for one in curves["clip"].values[curves.side.values == "left"]])
    assert marks(plot(curves, channels=channel, foot_off=table).axes[0]) == [
        (pytest.approx(left), RED),
        (58, BLUE),
    ]
    one_cycle = table.head(1).assign(cycle=str(curves.cycle.values[0]), mean=64.0)
    assert marks(plot(curves, channels=channel, foot_off=one_cycle).axes[0]) == [(64, RED)]
    with pytest.raises(ValidationError, match="no Foot Off or Stance Phase in % of the trials"):
        plot(curves, foot_off=table[table["unit"] == "s"])
    with pytest.raises(
        ValidationError, match="the table has no column clip, side, unit, mean; pass the table"
    ):
        plot(curves, foot_off=pd.DataFrame({"name": ["Foot Off"]}))


# -- what cannot be drawn -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"channels": ["knee_flexoin"]}, "no channel 'knee_flexoin' in the curves. Close: knee_flexion"),
        (
            {"channels": "knee"},
            "no channel 'knee' in the curves. Close: knee_flexion, knee_adduction, knee_rotation",
        ),
        ({"channels": "zzz"}, "no channel 'zzz' in the curves. There are: pelvic_tilt, "),
        ({"by": "conditon"}, "no coordinate 'conditon' to group by. There is: condition"),
        ({"by": "channel"}, "no coordinate 'channel' to group by"),
        ({"side": "both"}, 'side is "left" or "right", not \'both\''),
        ({"spread": "se"}, 'spread is "sd", "strides" or None'),
        ({"channels": []}, "there are no channels to draw"),
        ({"norm": xr.Dataset({"mean": ("channel", [1.0])})}, "a norm is a Dataset of `mean` and `sd`"),
    ],
)
def test_arguments_that_cannot_be(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError) as caught:
        plot(walk(), **arguments)
    assert text in str(caught.value)


def test_arrays_that_cannot_be_drawn() -> None:
    with pytest.raises(ValidationError, match="no strides to draw of the left side"):
        plot(walk().isel(stride=walk().side.values == "right"), side="left")
    with pytest.raises(ValidationError, match="no strides to draw"):
        plot(walk().isel(stride=[]))
    with pytest.raises(ValidationError, match=r"these have stride, channel$"):
        plot(walk().isel(percent=0))
    with pytest.raises(ValidationError, match="one dimension too many: lab"):
        plot(walk().expand_dims("lab"))
    with pytest.raises(ValidationError, match="not list"):
        plot([1, 2])  # type: ignore[arg-type]


# -- styles, displays, notebooks ------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", ["dark_background", "default", "ggplot"])
def test_styles(style: str) -> None:
    with mpl.style.context(style):
        figure = plot(walk(), norm=norm(), channels="hip_flexion")
        face = to_hex(mpl.rcParams["figure.facecolor"])
    assert to_hex(figure.get_facecolor()) == face
    lines = thick(figure.axes[0])
    dark = style == "dark_background"
    assert (to_hex(lines[0].get_color()) == RED) is not dark
    luminance = np.dot(to_rgb(lines[0].get_color()), [0.2126, 0.7152, 0.0722])
    assert bool(luminance > 0.4) is dark  # seen on its background
    band = np.mean(band_of(figure.axes[0]).get_facecolor()[0][:3])
    assert bool(band < 0.5) is dark


def test_a_transparent_background_counts_as_what_lies_below() -> None:
    with mpl.rc_context({"axes.facecolor": "none", "figure.facecolor": "black"}):
        assert figures._Look.now().dark
    with mpl.rc_context({"axes.facecolor": "none", "figure.facecolor": "none"}):
        assert not figures._Look.now().dark


def test_nothing_of_pyplot_changes(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "from walking import walk, norm; from moveshelf.gait.figures import plot;"
        "figure = plot(walk(), norm=norm()); figure.savefig(sys.argv[2]);"
        "assert 'matplotlib.pyplot' not in sys.modules;"
        "assert figure._repr_png_()[:4] == b'\\x89PNG'"
    )
    target = tmp_path / "curves.pdf"
    done = subprocess.run(
        [sys.executable, "-c", code, str(Path(__file__).parent), str(target)],
        env={"PATH": "", "MPLBACKEND": "tkagg", "HOME": str(Path.home())},  # a display that is not there
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert target.read_bytes()[:5] == b"%PDF-"


@pytest.mark.parametrize("first", ["", "import matplotlib.pyplot\n", "%matplotlib inline\n"])
def test_a_notebook_shows_the_figure_once(first: str) -> None:
    import nbformat
    from nbclient import NotebookClient

    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n{first}"
    code += (
        "from walking import walk, norm\nfrom moveshelf.gait.figures import plot\nplot(walk(), norm=norm())"
    )
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    NotebookClient(book, timeout=120).execute()
    shown = [out for out in book.cells[0].outputs if "image/png" in out.get("data", {})]
    assert len(shown) == 1
    assert base64.b64decode(shown[0]["data"]["image/png"])[:4] == b"\x89PNG"
    assert [out.output_type for out in book.cells[0].outputs] == ["execute_result"]


# -- the Movement Analysis Profile ----------------------------------------------------------------------------------


def scores_of(values: Any, sides: list[str], channels: list[str] | None = None) -> xr.DataArray:
    return xr.DataArray(
        np.array(values, dtype=float),
        dims=("stride", "channel"),
        coords={"side": ("stride", sides), "channel": channels or list(MAP_CHANNELS)},
    )


def heights(axes: Axes, color: str) -> list[float]:
    return [round(float(bar.get_height()), 6) for bar in axes.patches if to_hex(bar.get_facecolor()) == color]


def test_the_profile() -> None:
    left = [[3, 1, 2, 6, 2, 4, 8, 5, 7], [5, 3, 4, 8, 4, 6, 10, 7, 9]]
    right = [[4, 2, 3, 7, 3, 5, 9, 6, 8]]
    figure = plot_map(scores_of(left + right, ["left", "left", "right"]))
    (axes,) = figure.axes
    gps_left = np.mean([np.sqrt(np.mean(np.square(row))) for row in left])
    gps_right = np.sqrt(np.mean(np.square(right[0])))
    assert heights(axes, RED) == pytest.approx([*np.mean(left, axis=0), gps_left])
    assert heights(axes, BLUE) == pytest.approx([*right[0], gps_right])
    fifteen = [*np.mean(left, axis=0), *right[0][3:]]
    assert heights(axes, "#aaaaaa") == pytest.approx([np.sqrt(np.mean(np.square(fifteen)))])
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels[0] == "Pelvic\ntilt"
    assert labels[-1] == "GPS"
    assert legend(figure) == ["Left (n = 2)", "Right (n = 1)", "Overall"]
    numbers = [text.get_text() for text in axes.texts]
    assert numbers == [f"{gps_left:.1f}", f"{gps_right:.1f}", f"{np.sqrt(np.mean(np.square(fifteen))):.1f}"]


def test_the_profile_in_its_order_and_without_gps_where_a_variable_is_missing() -> None:
    names = ["foot_progression", "knee_flexion", "trunk_tilt"]
    (axes,) = plot_map(scores_of([[1, 2, 3], [4, 5, 6]], ["left", "right"], names)).axes
    assert [label.get_text() for label in axes.get_xticklabels()] == [
        "Knee\nflex/ext",
        "Foot\nprogression",
        "Trunk\ntilt",
    ]
    assert heights(axes, RED) == [2, 1, 3]
    assert heights(axes, "#aaaaaa") == []


def test_the_profile_of_one_side_and_of_none() -> None:
    one = plot_map(scores_of([range(1, 10)], ["left"]))
    assert legend(one) == ["Left (n = 1)"]
    assert len(one.axes[0].patches) == 10
    bare = plot_map(scores_of([range(1, 10)], ["left"]).drop_vars("side"))
    assert legend(bare) == ["Score (n = 1)"]


def test_the_profile_against_people_without_pathology() -> None:
    controls = scores_of([[2.0] * 9, [4.0] * 9], ["left", "right"])
    (axes,) = plot_map(scores_of([range(1, 10), range(1, 10)], ["left", "right"]), norm=controls).axes
    lines = axes.collections[-1].get_segments()
    assert [segment[0][1] for segment in lines] == pytest.approx([3.0] * 10)


def test_the_profile_names_the_unit_of_its_scores() -> None:
    scores = xr.DataArray([[1.0, 2.0]], {"channel": ["pelvic_tilt", "hip_flexion"]}, ("stride", "channel"))
    for unit, label in (("deg", "deg"), ("rad", "rad")):
        told = scores.assign_coords(unit=("channel", [unit, unit]))
        assert plot_map(told).axes[0].get_ylabel() == f"RMS difference ({label})"
    assert plot_map(scores).axes[0].get_ylabel() == "RMS difference (deg)"


def test_scores_that_are_none() -> None:
    with pytest.raises(ValidationError, match="there are no scores to draw"):
        plot_map(scores_of(np.zeros((0, 9)), []))
    with pytest.raises(ValidationError, match="over `stride` and `channel`"):
        plot_map(xr.DataArray([1.0], dims="x"))
    with pytest.raises(ValidationError, match="these have stride, channel, percent"):
        plot_map(walk())
    with pytest.raises(ValidationError, match="colors is one of"):
        plot_map(scores_of([range(9)], ["left"]), colors="rainbow")  # type: ignore[arg-type]


# -- parameters -----------------------------------------------------------------------------------------------------


def parameters() -> pd.DataFrame:
    return pd.DataFrame(
        [
            ("P-001", "pre", "left", "step_length", "m", 0.40),
            ("P-001", "pre", "left", "step_length", "m", 0.44),
            ("P-001", "pre", "right", "step_length", "m", 0.50),
            ("P-001", "post", "left", "step_length", "m", 0.60),
            ("P-001", "pre", None, "cadence", "steps/min", 110.0),
            ("P-001", "post", None, "cadence", "steps/min", 120.0),
            ("P-001", "post", None, "cadence", "steps/min", float("nan")),
        ],
        columns=["subject", "phase", "side", "name", "unit", "mean"],
    )


def test_parameters_as_bars() -> None:
    figure = plot_parameters(parameters(), {"cadence": (119, 9)}, by="phase")
    step, cadence = figure.axes
    assert (step.get_title(), step.get_ylabel()) == ("Step length", "m")
    bars = [bar for bar in step.patches if bar.get_width() == pytest.approx(0.86)]
    assert [bar.get_height() for bar in bars] == pytest.approx([0.42, 0.60, 0.50])
    assert to_hex(bars[1].get_facecolor()) == RED
    assert to_hex(bars[0].get_facecolor()) != RED  # before is paler
    assert [text.get_text() for text in step.texts] == ["0.420", "0.600", "0.500"]
    assert [label.get_text() for label in step.get_xticklabels()] == ["Left", "Right"]
    band = next(patch for patch in cadence.patches if patch.get_width() != pytest.approx(0.86))
    assert (band.get_y(), band.get_height()) == pytest.approx((110, 18))
    assert legend(figure) == [
        "Before, left",
        "Before, right",
        "Before",
        "After, left",
        "After",
        "Norm, mean ± sd",
    ]
    assert figure.get_suptitle() == "P-001"


def test_norms_of_parameters_as_a_table() -> None:
    table = pd.DataFrame({"name": ["cadence"], "mean": [119.0], "sd": [9.0]})
    for given in (table, table.set_index("name")):
        (axes,) = plot_parameters(parameters(), given, names=["cadence"]).axes
        assert axes.patches[0].get_height() == pytest.approx(18)
    with pytest.raises(ValidationError, match="columns name, mean and sd"):
        plot_parameters(parameters(), table.drop(columns="sd"))


def test_negative_parameters_have_room() -> None:
    table = pd.DataFrame({"name": ["shift", "shift"], "mean": [-3.0, -5.0], "side": ["left", "right"]})
    (axes,) = plot_parameters(table).axes
    assert axes.get_ylim()[0] < -5
    assert axes.get_ylim()[1] > 0


def test_parameters_that_cannot_be_drawn() -> None:
    table = parameters()
    with pytest.raises(ValidationError, match="no column mean"):
        plot_parameters(table.drop(columns="mean"))
    with pytest.raises(ValidationError, match="no column condition"):
        plot_parameters(table, by="condition")
    with pytest.raises(ValidationError, match=r"no parameter 'cadenz' in the table\. Close: cadence"):
        plot_parameters(table, names=["cadenz"])
    with pytest.raises(ValidationError, match="no parameters to draw"):
        plot_parameters(table.iloc[:0])
    table.loc[0, "unit"] = "mm"
    with pytest.raises(ValidationError, match="'step_length' is in two units: mm, m"):
        plot_parameters(table)


@pytest.mark.parametrize("style", ["default", "dark_background"])
def test_bars_in_styles(style: str, tmp_path: Path) -> None:
    with mpl.style.context(style):
        for figure in (
            plot_parameters(parameters(), by="phase", colors="colorblind"),
            plot_map(scores_of([range(9)], ["left"])),
        ):
            figure.savefig(tmp_path / "bars.png")
            assert to_hex(figure.get_facecolor()) == to_hex(mpl.rcParams["figure.facecolor"])
