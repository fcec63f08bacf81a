"""Make the packed C3D files anew, with ezc3d (development only): `python -m moveshelf.sandbox.make_recordings`.

They hold the same curves and events as the trials' derived files. A running sandbox sends the packed bytes.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from . import demo, study
from .gait import CYCLES, SIDES, Recipe, at, curves_of, event_file, timing
from .recordings import FOLDER, packed_name

RATE = 50.0
ANALOG_RATE = 200.0
JOINTS = ("PelvisAngles", "HipAngles", "KneeAngles", "AnkleAngles", "FootProgressAngles")
AXES = {
    "PelvisAngles": "XYZ",
    "HipAngles": "XYZ",
    "KneeAngles": "XYZ",
    "AnkleAngles": "X",
    "FootProgressAngles": "Z",
}


def recording(recipe: Recipe) -> Any:
    """A trial as an `ezc3d.c3d` object: angles in degrees (50 Hz), foot switches in volts (200 Hz), and the events.

    Before the first strike and after the last, a side goes on in its nearest cycle. A switch has 5 V while its foot is on
    the ground.
    """
    import ezc3d
    import numpy as np

    when = timing(recipe)
    end = max(side.strikes[-1] for side in when.sides.values())
    frames = round(end * RATE) + 1
    points = np.zeros((4, len(SIDES) * len(JOINTS), frames))
    labels = []
    for row, ((side, short), joint) in enumerate((s, j) for s in SIDES for j in JOINTS):
        labels.append(f"{short}{joint}")
        for axis in AXES[joint]:
            curves = curves_of(recipe, side, (joint, axis))
            for frame in range(frames):
                strides = (frame / RATE - when.sides[side].strikes[0]) / when.stride
                cycle = min(max(int(strides), 0), CYCLES - 1)
                points["XYZ".index(axis), row, frame] = at(curves[cycle], strides % 1 * 100)
    file = ezc3d.c3d()
    parameters = file["parameters"]
    parameters["POINT"]["RATE"]["value"] = [RATE]
    parameters["POINT"]["LABELS"]["value"] = labels
    parameters["POINT"]["UNITS"]["value"] = ["deg"]
    file.add_parameter("POINT", "ANGLES", labels)
    file.add_parameter("POINT", "ANGLE_UNITS", ["deg"])
    file["data"]["points"] = points

    samples = frames * round(ANALOG_RATE / RATE)
    analogs = np.zeros((1, len(SIDES), samples))
    for row, (side, _) in enumerate(SIDES):
        own = when.sides[side]
        first = own.strikes[0]
        for sample in range(samples):
            share = ((sample / ANALOG_RATE - first) / when.stride) % 1 * 100
            analogs[0, row, sample] = 5.0 if share < own.stance else 0.0
    parameters["ANALOG"]["RATE"]["value"] = [ANALOG_RATE]
    parameters["ANALOG"]["LABELS"]["value"] = [f"FootSwitch.{side}" for side, _ in SIDES]
    parameters["ANALOG"]["UNITS"]["value"] = ["V"] * len(SIDES)
    file["data"]["analogs"] = analogs

    events = event_file(recipe)["events"]
    file.add_parameter("EVENT", "USED", [len(events)])
    file.add_parameter("EVENT", "CONTEXTS", [event["context"] for event in events])
    file.add_parameter("EVENT", "LABELS", [event["name"] for event in events])
    # whole minutes above, seconds below
    file.add_parameter("EVENT", "TIMES", np.array([[0.0] * len(events), [event["time"] for event in events]]))
    file.add_parameter("SUBJECTS", "USED", [1])
    file.add_parameter("SUBJECTS", "NAMES", [recipe["subject"]])
    return file


def write(folder: Path) -> list[Path]:
    """Make every recording of the demo in this folder; needs ezc3d."""
    made = []
    for recipe in (*demo.RECORDED, *study.recorded()):
        path = folder / packed_name(recipe)
        with tempfile.TemporaryDirectory() as scratch:
            draft = Path(scratch) / "recording.c3d"
            recording(recipe).write(str(draft))
            path.write_bytes(draft.read_bytes())
        made.append(path)
    return made


if __name__ == "__main__":
    for path in write(Path(__file__).with_name(FOLDER)):
        print(f"{path.name}  {path.stat().st_size:,} bytes")
