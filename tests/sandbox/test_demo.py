from __future__ import annotations

import csv
import json
import statistics
from importlib.resources import files
from typing import Any

import pytest
from raw_wire import http_request

from moveshelf.sandbox import gait

FIELDS = """patientsList{id name metadata externalId reports{id} sessions{id date projectPath metadata clips{id title
    projectPath hasCharts additionalData{id originalFileName dataType uploadStatus originalDataDownloadUri}}}}"""


@pytest.fixture(scope="module")
def project(demo_wire: Any) -> Any:
    return demo_wire.node(demo_wire.project("lab/demo"), "Project", FIELDS)


@pytest.fixture(scope="module")
def sessions(project: Any) -> Any:
    return [session for subject in project["patientsList"] for session in subject["sessions"]]


def condition(clip: Any) -> str:
    return str(clip["projectPath"].strip("/").split("/")[2])


def test_the_shape_of_the_demo(project: Any, sessions: Any) -> None:
    subjects = project["patientsList"]
    assert [subject["name"] for subject in subjects] == [f"P-{n:03d}" for n in range(1, 13)]
    assert len({subject["externalId"] for subject in subjects}) == 12
    assert all(json.loads(s["metadata"])["ehr-id"] == s["externalId"] for s in subjects)
    assert {len(subject["sessions"]) for subject in subjects} == {2, 3}
    assert (len(sessions), sum(len(session["clips"]) for session in sessions)) == (30, 198)
    barefoot = [clip for session in sessions for clip in session["clips"] if condition(clip) == "Barefoot"]
    assert (len(barefoot), sum(len(clip["additionalData"]) for clip in barefoot)) == (90, 360)
    assert sum(len(subject["reports"]) for subject in subjects) == 1
    assert sum("interventions" in json.loads(subject["metadata"]) for subject in subjects) == 1
    kinds = set()
    for session in sessions:
        assert session["date"][:10] in session["projectPath"]
        by_condition: dict[str, list[str]] = {}
        for clip in session["clips"]:
            assert clip["hasCharts"]
            by_condition.setdefault(condition(clip), []).append(clip["title"])
            names = [file["originalFileName"] for file in clip["additionalData"]]
            recorded = f"{clip['title']}.c3d"
            last = recorded if recorded in names else "angles.json"
            assert names == ["angles_normalized.json", "event.json", "gait_params.json", last]
            types = [file["dataType"] for file in clip["additionalData"]]
            assert types == ["data", "event", "data", "motion" if last == recorded else "data"]
        numbered = [title for titles in by_condition.values() for title in titles]
        assert numbered == [f"Trial-{number + 1}" for number in range(3 * len(by_condition))]
        assert all(len(titles) == 3 for titles in by_condition.values())
        kinds.add(tuple(by_condition))
    assert kinds == {("Barefoot", "Braced"), ("Barefoot", "Braced", "Running")}


def test_metadata_in_every_shape(project: Any, sessions: Any) -> None:
    text = json.dumps([json.loads(s["metadata"]) for s in project["patientsList"]])
    nested = [json.loads(session["metadata"] or "{}") for session in sessions]
    assert any(session["metadata"] is None for session in sessions)
    assert any("gaitScriptEvaluation" in values for values in nested)
    for both in (text, json.dumps([values.get("metadata") for values in nested])):
        assert '"multiselect": true' in both
        assert '"context": "left"' in both
        assert '{"value": "' in both
    assert "0007-01-12" in text


def test_the_keys_of_real_projects(project: Any, sessions: Any) -> None:
    subjects = [json.loads(subject["metadata"]) for subject in project["patientsList"]]
    for key in ("date-of-birth", "diagnosis", "diagnosis-laterality", "sex"):
        assert all(f"subject-{key}" in values for values in subjects)
    records = [json.loads(session["metadata"]) for session in sessions if session["metadata"]]
    assert {record["label"] for record in records} == {"Pre-op", "Post-op", "Follow-up"}
    for record in records:
        assert 100 < float(record["metadata"]["vicon-height"]) < 180
        assert 20 < float(record["metadata"]["vicon-weight"]) < 70
        sides = {entry["context"]: float(entry["value"]) for entry in record["metadata"]["vicon-leg-length"]}
        assert set(sides) == {"left", "right"}
        assert all(600 < length < 850 for length in sides.values())
    (interventions,) = [values["interventions"] for values in subjects if "interventions" in values]
    assert [one["date"] for one in interventions] == ["2023-05-02", "2023-10-17"]
    for one in interventions:
        assert set(one) == {"id", "date", "site", "surgeon", "procedures"}
        for procedure in one["procedures"]:
            keys = ("side", "procedure", "location", "location-modifier", "procedure-modifier")
            assert tuple(procedure) == keys


def test_the_configuration_has_its_flag_where_scripts_read_it(demo_wire: Any) -> None:
    found = demo_wire.node(demo_wire.project("lab/demo"), "Project", "projectConfiguration{data}")
    data = json.loads(found["projectConfiguration"]["data"])
    assert data == {"featureFlags": {"canProcessGCDFiles": False}}


def test_template_norms_and_dataset(demo_wire: Any, get: Any) -> None:
    fields = "template{name data} norms{name clips{id title}} datasets{name downloadUri}"
    found = demo_wire.node(demo_wire.project("lab/demo"), "Project", fields)
    template = json.loads(found["template"]["data"])
    subject_fields = template["template"].values()
    session_fields = [f for tab in template["sessionMetadataTabs"] for f in tab["template"].values()]
    for some in (subject_fields, session_fields):
        assert any(field.get("hasContext") for field in some)
        assert any(field.get("multiselect") for field in some)
        assert any(field["type"] == "title" for field in some)
        assert all(field["label"] for field in some)
    assert len(found["norms"]) == 4
    assert all(norm["clips"] for norm in found["norms"])
    (dataset,) = found["datasets"]
    table = get(dataset["downloadUri"]).body.decode().splitlines()
    assert len(table) == 4846


def test_norms_of_a_session(demo_wire: Any, sessions: Any) -> None:
    norms = [
        demo_wire.node(session["id"], "Session", "norms{name projectPath clips{id}}")["norms"]
        for session in sessions
    ]
    (own,) = [found[0] for found in norms if found]
    assert own["name"] == "Own laboratory"
    session = next(s for s in sessions if own["projectPath"].startswith(s["projectPath"]))
    barefoot = [clip["id"] for clip in session["clips"] if condition(clip) == "Barefoot"]
    assert [clip["id"] for clip in own["clips"]] == barefoot


@pytest.fixture(scope="module")
def read() -> Any:
    def content(clip: Any, name: str) -> Any:
        file = next(f for f in clip["additionalData"] if f["originalFileName"] == name)
        return json.loads(http_request(file["originalDataDownloadUri"]).body)

    return content


def test_cycle_files(sessions: Any, read: Any) -> None:
    data = read(sessions[0]["clips"][0], "angles_normalized.json")["data"]
    assert len({entry["id"] for entry in data}) == len(data) == 22
    assert {entry["context"] for entry in data} == {"Left", "Right"}
    for entry in data:
        assert entry["label"][0] == entry["context"][0]
        assert list(entry["cycles"]) == ["cycle-0", "cycle-1", "cycle-2"]
        assert all(set(cycle) == {"time-start", "time-end"} for cycle in entry["cycles"].values())
        assert [row["perc"] for row in entry["values"]] == list(range(0, 101, 2))
        for row in entry["values"]:
            assert list(row) == ["perc", "mean", "std", "cycle-0", "cycle-1", "cycle-2"]
            cycles = [row[key] for key in entry["cycles"]]
            assert row["mean"] == pytest.approx(statistics.fmean(cycles), abs=2e-3)
            assert row["std"] == pytest.approx(statistics.stdev(cycles), abs=2e-3)


def test_some_values_are_missing(project: Any, read: Any) -> None:
    session = next(s for s in project["patientsList"] if s["name"] == "P-005")["sessions"][0]
    rows = [
        row
        for entry in read(session["clips"][1], "angles_normalized.json")["data"]
        for row in entry["values"]
    ]
    assert any(row["mean"] is None for row in rows)


def test_curves_are_those_of_the_table(sessions: Any, read: Any) -> None:
    """The mean over all sessions is near the table's, and the spread has its size."""
    means, sds = [], []
    with files("moveshelf").joinpath("gait/data/normal_gait_schwartz2008.csv").open() as file:
        for row in csv.DictReader(file):
            if (row["speed"], row["channel"], row["axis"]) == ("Free", "KneeAngles", "X"):
                means.append(float(row["mean"]))
                sds.append(float(row["sd"]))
    curves = []
    for session in sessions:
        clip = next(clip for clip in session["clips"] if condition(clip) == "Barefoot")
        data = read(clip, "angles_normalized.json")["data"]
        knees = {"LKneeAngles-x", "RKneeAngles-x", "LeftKneeFlexExt", "RightKneeFlexExt"}
        found = [entry for entry in data if entry["label"] in knees]
        assert len(found) == 2
        for entry in found:
            by_percent = {row["perc"]: row["mean"] for row in entry["values"]}
            last = by_percent.get(98)  # 100 rows lack one of the two ends
            curves.append([by_percent.get(percent, last) for percent in range(0, 101, 2)])
    off = [
        (statistics.fmean(point) - mean) / sd
        for point, mean, sd in zip(zip(*curves, strict=True), means, sds, strict=True)
    ]
    spread = [statistics.stdev(point) / sd for point, sd in zip(zip(*curves, strict=True), sds, strict=True)]
    assert max(map(abs, off[1:-1])) < 0.6
    assert 0.4 < statistics.fmean(spread) < 1.6
    peak = [max(curve) for curve in curves]
    assert 50 < statistics.fmean(peak) < 75


def test_the_brace_holds_the_ankle(sessions: Any, read: Any) -> None:
    reach: dict[str, list[float]] = {}
    for clip in sessions[0]["clips"]:
        entry = next(
            e for e in read(clip, "angles_normalized.json")["data"] if e["label"] == "LAnkleAngles-x"
        )
        values = [row["mean"] for row in entry["values"]]
        reach.setdefault(condition(clip), []).append(max(values) - min(values))
    assert max(reach["Braced"]) < min(reach["Barefoot"])


def test_events_parameters_and_series_fit_together(sessions: Any, read: Any) -> None:
    clip = sessions[0]["clips"][0]
    events = read(clip, "event.json")["events"]
    assert {(e["name"], e["context"]) for e in events} == {
        (name, side) for name in ("Foot Strike", "Foot Off") for side in ("Left", "Right")
    }
    times = [event["time"] for event in events]
    assert times == sorted(times)
    assert any("perc" in event for event in events)
    cycles = read(clip, "angles_normalized.json")["data"][0]["cycles"]
    strikes = [e["time"] for e in events if (e["name"], e["context"]) == ("Foot Strike", "Left")]
    assert [cycle["time-start"] for cycle in cycles.values()] == strikes[:-1]
    parameters = read(clip, "gait_params.json")["data"]
    assert {(p["label"], p["context"]) for p in parameters} >= {("Speed", "Left"), ("Speed", "Right")}
    assert all(set(p["values"]) == {"mean", "std"} and p["unit"] for p in parameters)
    stride = next(p for p in parameters if p["label"] == "Stride Time")["values"]["mean"]
    assert strikes[1] - strikes[0] == pytest.approx(stride, abs=0.01)
    series = read(clip, "angles.json")["data"]
    rows = next(entry for entry in series if entry["label"] == "LKneeAngles-x")["values"]
    assert all("time" in row for row in rows)
    assert rows[0]["time"] == strikes[0]
    assert rows[-1]["time"] == pytest.approx(strikes[-1], abs=0.03)


def test_trials_differ(sessions: Any, read: Any) -> None:
    contents = {json.dumps(read(clip, "angles_normalized.json")) for clip in sessions[0]["clips"]}
    assert len(contents) == len(sessions[0]["clips"])
    runner = next(s for s in sessions if any(condition(c) == "Running" for c in s["clips"]))
    speed = {
        condition(clip): read(clip, "gait_params.json")["data"][0]["values"]["mean"]
        for clip in runner["clips"]
    }
    assert speed["Running"] > speed["Barefoot"]


def test_vocabularies_and_numbers_of_rows(project: Any, read: Any) -> None:
    kinds = {}
    for subject in project["patientsList"]:
        data = read(subject["sessions"][0]["clips"][0], "angles_normalized.json")["data"]
        percents = {tuple(row["perc"] for row in entry["values"]) for entry in data}
        (rows,) = percents
        assert list(rows) in (list(range(0, 101, 2)), list(range(101)), list(range(100)), list(range(1, 101)))
        labels = {entry["label"] for entry in data}
        assert all(entry["id"] == entry["label"] for entry in data)
        vicon = {"LKneeAngles-x", "RFootProgressAngles-z", "LPelvisAngles-y"} <= labels
        gcd = {
            "LeftKneeFlexExt",
            "RightFootProgression",
            "LeftPelvicObliquity",
            "RightDorsiPlanFlex",
        } <= labels
        assert vicon != gcd
        kinds[subject["name"]] = ("vicon" if vicon else "gcd", len(rows), rows[0])
    assert set(kinds.values()) == {
        ("vicon", 51, 0),
        ("vicon", 101, 0),
        ("vicon", 100, 0),
        ("gcd", 51, 0),
        ("gcd", 101, 0),
        ("gcd", 100, 1),
    }
    assert kinds["P-001"] == ("vicon", 51, 0)


def test_every_row_lies_on_the_curve_of_51(project: Any, read: Any) -> None:
    """More rows are interpolated: those at even percents are the curve's own points."""
    recipe = {"speed": "Free", "subject": "x", "session": "y", "condition": "Barefoot", "trial": 1}
    few = gait.cycle_file("angles_normalized.json", recipe)["data"]
    for more in ({"rows": 101}, {"rows": 100}, {"rows": 100, "first": 1, "labels": "gcd"}):
        many = gait.cycle_file("angles_normalized.json", {**recipe, **more})["data"]
        for one, other in zip(few, many, strict=True):
            points = {row["perc"]: row["cycle-1"] for row in one["values"]}
            for row in other["values"]:
                low, high = points[row["perc"] // 2 * 2], points[-(-row["perc"] // 2) * 2]
                assert row["cycle-1"] == pytest.approx((low + high) / 2, abs=2e-3)


def test_the_foot_off_is_the_table_s(sessions: Any, read: Any) -> None:
    found: dict[str, list[float]] = {}
    for session in sessions:
        for clip in session["clips"][::3]:
            values = [e["perc"] for e in read(clip, "event.json")["events"] if e["name"] == "Foot Off"]
            found.setdefault(condition(clip), []).extend(values)
    assert statistics.fmean(found["Barefoot"]) == pytest.approx(59, abs=0.5)
    assert statistics.fmean(found["Running"]) == pytest.approx(56, abs=0.7)


def test_a_norm_is_the_table_itself(demo_wire: Any) -> None:
    fields = "norms{name clips{additionalData{originalDataDownloadUri}}}"
    norms = demo_wire.node(demo_wire.project("lab/demo"), "Project", fields)["norms"]
    free = next(norm for norm in norms if norm["name"].endswith("free"))
    uri = free["clips"][0]["additionalData"][0]["originalDataDownloadUri"]
    entry = next(e for e in json.loads(http_request(uri).body)["data"] if e["label"] == "LKneeAngles-x")
    means, sds = gait.table()["Free"]["KneeAngles", "X"]
    assert [row["mean"] for row in entry["values"]] == means
    assert [row["std"] for row in entry["values"]] == sds
    assert "cycles" not in entry
