from __future__ import annotations

import json
import math
import statistics
from datetime import date
from typing import Any

import pytest
from raw_wire import http_request

from moveshelf.sandbox import gait

FIELDS = """patientsList{name metadata externalId sessions{date projectPath metadata clips{title projectPath
    additionalData{originalFileName dataType uploadStatus originalDataDownloadUri}}}} norms{name}"""


@pytest.fixture(scope="module")
def subjects(demo_wire: Any) -> Any:
    return demo_wire.node(demo_wire.project("lab/study"), "Project", FIELDS)["patientsList"]


def months(since: str, day: str) -> float:
    return (date.fromisoformat(day[:10]) - date.fromisoformat(since)).days / 30.4375


def around(subject: Any, intervention: Any) -> tuple[list[Any], list[Any]]:
    """The sessions in the 24 months before an intervention, and those 9 to 36 months after it."""
    since = intervention["date"]
    before = [s for s in subject["sessions"] if 0 < -months(since, s["date"]) < 24]
    after = [s for s in subject["sessions"] if 9 < months(since, s["date"]) < 36]
    return before, after


def interventions(subject: Any) -> Any:
    return json.loads(subject["metadata"])["interventions"]


def names(subject: Any) -> set[str]:
    return {f"{p['location']}/{p['procedure']}" for one in interventions(subject) for p in one["procedures"]}


def test_forty_subjects_and_every_kind_of_course(subjects: Any) -> None:
    assert [subject["name"] for subject in subjects] == [f"C-{n:03d}" for n in range(1, 41)]
    assert len({subject["externalId"] for subject in subjects}) == 40
    kinds = []
    for subject in subjects:
        first = interventions(subject)[0]
        before, after = around(subject, first)
        kinds.append((len(interventions(subject)), bool(before), bool(after)))
        outside = [s for s in subject["sessions"] if s not in before + after]
        if outside:
            kinds.append("sessions outside")
    assert kinds.count((1, True, True)) == 28
    assert kinds.count((1, False, True)) == 4
    assert kinds.count((1, True, False)) == 4
    assert kinds.count((2, True, True)) == 4
    assert kinds.count("sessions outside") >= 8
    operated = [subject for subject in subjects if "Hamstrings/Lengthening" in names(subject)]
    other = [
        subject for subject in subjects if names(subject) == {"Gastrocnemius/Injection", "Ankle/Casting"}
    ]
    assert len(operated) >= 15
    assert len(other) == 4
    assert len(operated) + len(other) < 40


def test_interventions_have_the_keys_of_real_projects(demo_wire: Any, subjects: Any) -> None:
    for subject in subjects:
        values = json.loads(subject["metadata"])
        assert date.fromisoformat(values["subject-date-of-birth"]) < date(2013, 1, 1)
        assert values["subject-diagnosis-laterality"] in ("Left", "Right", "Both")
        for one in values["interventions"]:
            assert list(one) == ["id", "date", "site", "surgeon", "procedures"]
            assert one["surgeon"] in ("Surgeon A", "Surgeon B", "Surgeon C")
            assert one["procedures"]
            for procedure in one["procedures"]:
                assert procedure["side"] == values["subject-diagnosis-laterality"]
                assert procedure["procedure"]
                assert procedure["location"]
                assert {"location-modifier", "procedure-modifier"} < set(procedure)
        for session in subject["sessions"]:
            record = json.loads(session["metadata"])
            assert record["label"] in ("Baseline", "Pre-op", "Post-op", "Follow-up")
            assert {"vicon-height", "vicon-weight", "vicon-leg-length"} <= set(record["metadata"])
            assert session["projectPath"] == f"/{subject['name']}/{session['date'][:10]}/"


def test_files_of_each_trial(subjects: Any) -> None:
    recorded = []
    for subject in subjects:
        for session in subject["sessions"]:
            titles = [clip["title"] for clip in session["clips"]]
            assert titles == [f"Trial-{n + 1}" for n in range(len(titles))]
            barefoot = [clip for clip in session["clips"] if clip["projectPath"].endswith("/Barefoot/")]
            assert len(barefoot) in (2, 3)
            for clip in session["clips"]:
                files = {file["originalFileName"]: file["dataType"] for file in clip["additionalData"]}
                if files.pop(f"{clip['title']}.c3d", None) == "motion":
                    recorded.append((subject["name"], clip["title"]))
                assert files == {
                    "angles_normalized.json": "data",
                    "gait_params.json": "data",
                    "event.json": "event",
                }
    assert recorded == [("C-001", "Trial-1")] * 2


def content(session: Any, name: str, trial: int = 0) -> Any:
    file = next(f for f in session["clips"][trial]["additionalData"] if f["originalFileName"] == name)
    return json.loads(http_request(file["originalDataDownloadUri"]).body)


def deviation(session: Any, side: str) -> float:
    """How far a side's angles are from the norm, in degrees: the root of the mean square over all channels."""
    squares = []
    for entry in content(session, "angles_normalized.json")["data"]:
        if entry["context"] != side:
            continue
        channel = next(
            c for c in gait.GCD if entry["label"] in (f"{side[0]}{c[0]}-{c[1].lower()}", side + gait.GCD[c])
        )
        means = gait.table()["Free"][channel][0]
        points = {row["perc"]: row["mean"] for row in entry["values"]}
        squares += [(points[percent] - means[percent // 2]) ** 2 for percent in range(0, 101, 2)]
    assert len(squares) == 11 * 51
    return math.sqrt(statistics.fmean(squares))


def test_gait_is_closer_to_the_norm_after_the_operation(subjects: Any) -> None:
    changes = []
    vocabularies = set()
    for subject in subjects:
        before, after = around(subject, interventions(subject)[-1])
        if not before or not after:
            continue
        last, next_one = before[-1], after[0]
        side = json.loads(subject["metadata"])["subject-diagnosis-laterality"]
        for one in ("Left", "Right") if side == "Both" else (side,):
            assert deviation(next_one, one) < deviation(last, one), f"{subject['name']} {one}"
        speeds = [content(s, "gait_params.json")["data"][0]["values"]["mean"] for s in (last, next_one)]
        changes.append(speeds[1] - speeds[0])
        labels = [content(s, "angles_normalized.json")["data"][0]["label"] for s in (last, next_one)]
        vocabularies.add(tuple("gcd" if label.startswith("Left") else "vicon" for label in labels))
    assert len(changes) == 32
    assert statistics.fmean(changes) > 0.1
    # a cohort meets both vocabularies, in one pair even
    assert {("vicon", "vicon"), ("vicon", "gcd")} <= vocabularies


def test_the_study_has_a_norm_and_a_valid_template(demo_wire: Any, subjects: Any) -> None:
    project = demo_wire.project("lab/study")
    assert demo_wire.node(project, "Project", FIELDS)["norms"] == [{"name": "Typically developing, free"}]
    query = """query($v: String!, $t: String!, $s: String) {metadataValidator(importedMetadata: $v,
        whichTabToValidate: $t, subjectId: $s) {validationErrors}}"""
    listed = demo_wire.node(project, "Project", "patientsList{id metadata}")["patientsList"]
    for subject in listed:
        values = json.loads(subject["metadata"])
        for tab, part in (("interventionMetadata", values.pop("interventions")), ("subjectMetadata", values)):
            found = demo_wire(query, v=json.dumps(part), t=tab, s=subject["id"])
            assert found["metadataValidator"]["validationErrors"] == []


def test_without_the_demo_there_is_no_study(wire: Any) -> None:
    assert [p["name"] for p in wire("{viewer{projects{name}}}")["viewer"]["projects"]] == ["lab/practice"]


def test_both_projects_are_there_with_the_demo(demo_wire: Any) -> None:
    names = [p["name"] for p in demo_wire("{viewer{projects{name}}}")["viewer"]["projects"]]
    assert names == ["lab/demo", "lab/practice", "lab/study"]
