from __future__ import annotations

import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from raw_wire import http_request

from moveshelf.sandbox import demo, gait, make_recordings, recordings, study

RECIPES = [*demo.RECORDED, *study.recorded()]


def test_every_recording_is_packed_and_no_other() -> None:
    packed = {path.name for path in files("moveshelf.sandbox").joinpath("data").iterdir()}
    assert packed == {"README.md", *map(recordings.packed_name, RECIPES)}
    for recipe in RECIPES:
        data = recordings.packed(recipe)
        assert data[1] == 0x50  # the mark of a C3D file
        assert len(data) < 50_000


@pytest.mark.parametrize(("project", "count"), [("lab/demo", 3), ("lab/study", 2)])
def test_the_sandbox_sends_them(demo_wire: Any, project: str, count: int) -> None:
    fields = "clips{edges{node{title additionalData{originalFileName dataType originalDataDownloadUri}}}}"
    edges = demo_wire.node(demo_wire.project(project), "Project", fields)["clips"]["edges"]
    found = [
        (edge["node"]["title"], file)
        for edge in edges
        for file in edge["node"]["additionalData"]
        if file["originalFileName"].endswith(".c3d")
    ]
    assert len(found) == count
    bodies = {http_request(file["originalDataDownloadUri"]).body for _, file in found}
    assert bodies <= {recordings.packed(recipe) for recipe in RECIPES}
    assert len(bodies) == count
    for title, file in found:
        assert file["originalFileName"] == f"{title}.c3d"
        assert file["dataType"] == "motion"


def test_a_running_sandbox_needs_no_ezc3d() -> None:
    code = """
import sys
sys.modules["ezc3d"] = None
from moveshelf.sandbox import Sandbox, recordings, study
Sandbox(demo=True).start().stop()
print(len(recordings.packed(study.recorded()[0])) > 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"


@pytest.mark.parametrize("recipe", RECIPES, ids=recordings.packed_name)
def test_they_hold_the_curves_and_events_of_the_trial(recipe: gait.Recipe, tmp_path: Path) -> None:
    ezc3d = pytest.importorskip("ezc3d")
    path = tmp_path / "recording.c3d"
    path.write_bytes(recordings.packed(recipe))
    file = ezc3d.c3d(str(path))
    points, rate = file["data"]["points"], file["parameters"]["POINT"]["RATE"]["value"][0]
    labels = file["parameters"]["POINT"]["LABELS"]["value"]
    assert rate == 50
    assert file["parameters"]["POINT"]["UNITS"]["value"] == ["deg"]
    # equal to the time series wherever a frame falls on one of its rows
    series = gait.series_file("angles.json", {**recipe, "labels": "vicon"})["data"]
    when = gait.timing(recipe)
    compared = 0
    for entry in series:
        name, _, axis = entry["label"].partition("-")
        for row in entry["values"]:
            frame = row["time"] * rate
            # a series ends with its last stride, a recording may go on
            if abs(frame - round(frame)) < 1e-6 and row["time"] < when.sides[entry["context"]].strikes[-1]:
                value = points["xyz".index(axis), labels.index(name), round(frame)]
                assert value == pytest.approx(row["mean"], abs=2e-3)
                compared += 1
    assert compared > 500
    events = file["parameters"]["EVENT"]
    found = zip(
        events["LABELS"]["value"], events["CONTEXTS"]["value"], events["TIMES"]["value"][1], strict=True
    )
    wanted = gait.event_file(recipe)["events"]
    assert [(name, side, round(float(time), 3)) for name, side, time in found] == [
        (event["name"], event["context"], event["time"]) for event in wanted
    ]
    assert file["parameters"]["ANALOG"]["RATE"]["value"][0] == 200
    switches = file["data"]["analogs"][0]
    assert switches.shape == (2, 4 * points.shape[2])
    for row, (side, _) in enumerate(gait.SIDES):
        strike, off = when.sides[side].strikes[1], when.sides[side].offs[1]
        assert switches[row, round((strike + off) / 2 * 200)] == 5
        assert switches[row, round((off + when.sides[side].strikes[2]) / 2 * 200)] == 0


def test_an_independent_reader_agrees() -> None:
    c3d = pytest.importorskip("c3d")
    path = files("moveshelf.sandbox").joinpath(f"data/{recordings.packed_name(RECIPES[0])}")
    with path.open("rb") as handle:
        reader = c3d.Reader(handle)
        frames = list(reader.read_frames())
        labels = [label.strip() for label in reader.point_labels]
    when = gait.timing(RECIPES[0])
    assert len(frames) == round(max(side.strikes[-1] for side in when.sides.values()) * 50) + 1
    assert labels[0] == "LPelvisAngles"
    curve = gait.curves_of(RECIPES[0], "Left", ("KneeAngles", "X"))[1]
    strides = (100 / 50 - when.sides["Left"].strikes[0]) / when.stride
    assert int(strides) == 1
    _, points, _ = frames[100]
    assert points[labels.index("LKneeAngles"), 0] == pytest.approx(
        gait.at(curve, strides % 1 * 100), abs=2e-3
    )


def test_made_anew_they_are_the_same(tmp_path: Path) -> None:
    pytest.importorskip("ezc3d")
    made = make_recordings.write(tmp_path)
    assert [path.name for path in made] == [recordings.packed_name(recipe) for recipe in RECIPES]
    for path, recipe in zip(made, RECIPES, strict=True):
        packed = recordings.packed(recipe)
        fresh = path.read_bytes()
        # the header of parameters names ezc3d's version; the data after it are the same
        data = int.from_bytes(packed[16:18], "little") - 1
        assert fresh[data * 512 :] == packed[data * 512 :]
