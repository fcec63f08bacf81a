from __future__ import annotations

import json
from typing import Any

import pytest
from raw_wire import crc32c


def test_the_shape_of_the_arguments(wire: Any) -> None:
    assert wire.sandbox.generate(subjects=4, sessions=3, clips=5, files=6) == "lab/generated-1"
    assert wire.sandbox.generate(1, 1, 1, 1) == "lab/generated-2"
    assert wire.sandbox.generate(1, name="lab/mine") == "lab/mine"
    fields = """patientsList{name metadata externalId sessions{date projectPath metadata clips{title projectPath
        created uploadStatus additionalData{originalFileName uploadStatus}}}}"""
    subjects = wire.node(wire.project("lab/generated-1"), "Project", fields)["patientsList"]
    assert [subject["name"] for subject in subjects] == ["S-001", "S-002", "S-003", "S-004"]
    for subject in subjects:
        assert json.loads(subject["metadata"])["ehr-id"] == subject["externalId"]
        dates = [session["date"] for session in subject["sessions"]]
        assert len(set(dates)) == 3
        assert dates == sorted(dates)
        for session in subject["sessions"]:
            assert session["projectPath"] == f"/{subject['name']}/{session['date'][:10]}/"
            assert "metadata" in json.loads(session["metadata"])
            found = [(clip["title"], clip["projectPath"].split("/")[3]) for clip in session["clips"]]
            assert found == [
                ("Trial-1", "Barefoot"),
                ("Trial-2", "Barefoot"),
                ("Trial-3", "Barefoot"),
                ("Trial-1", "Braced"),
                ("Trial-2", "Braced"),
            ]
            assert all(len(clip["additionalData"]) == 6 for clip in session["clips"])
    (lone,) = wire.node(wire.project("lab/generated-2"), "Project", fields)["patientsList"]
    assert lone["sessions"][0]["clips"][0]["projectPath"].endswith("/Barefoot/")


def test_its_files_can_be_read(wire: Any, get: Any) -> None:
    wire.sandbox.generate(1, 1, 2, 6)
    fields = "clips{edges{node{additionalData{originalFileName originalDataDownloadUri}}}}"
    edges = wire.node(wire.project("lab/generated-1"), "Project", fields)["clips"]["edges"]
    seen = set()
    for edge in edges:
        for file in edge["node"]["additionalData"]:
            response = get(file["originalDataDownloadUri"])
            crc = response.headers["x-goog-hash"].split(",")[0].removeprefix("crc32c=")
            assert crc == crc32c(response.body)
            assert json.loads(response.body)
            assert get(file["originalDataDownloadUri"]).body == response.body
            seen.add(response.body)
    assert len(seen) == 12


def test_files_of_a_size(wire: Any, get: Any) -> None:
    wire.sandbox.generate(1, 1, 2, 3, file_size=1000)
    fields = "clips{edges{node{additionalData{originalFileName dataType originalDataDownloadUri}}}}"
    edges = wire.node(wire.project("lab/generated-1"), "Project", fields)["clips"]["edges"]
    found = [file for edge in edges for file in edge["node"]["additionalData"]]
    assert [file["originalFileName"] for file in found[:3]] == ["data-1.bin", "data-2.bin", "data-3.bin"]
    assert {file["dataType"] for file in found} == {"raw"}
    bodies = [get(file["originalDataDownloadUri"]).body for file in found]
    assert {len(body) for body in bodies} == {1000}
    assert len(set(bodies)) == 6


def test_undated_sessions_and_no_metadata(wire: Any) -> None:
    wire.sandbox.generate(3, 2, 0, 0, undated=2, dates_from="2020-02-29", metadata=False)
    fields = "patientsList{metadata} sessions{date metadata projectPath}"
    found = wire.node(wire.project("lab/generated-1"), "Project", fields)
    assert [subject["metadata"] for subject in found["patientsList"]] == [None] * 3
    dates = [session["date"] for session in found["sessions"]]
    assert dates[-2:] == [None, None]
    assert min(filter(None, dates)) >= "2020-02-29"
    assert len({session["projectPath"] for session in found["sessions"]}) == 6


def test_nine_thousand_sessions(wire: Any) -> None:
    wire.sandbox.generate(3000, 3, 0, 0)
    found = wire.node(wire.project("lab/generated-1"), "Project", "sessions{id} patientsList{id}")
    assert len(found["sessions"]) == 9000
    assert len(found["patientsList"]) == 3000


def test_nothing_negative(wire: Any) -> None:
    with pytest.raises(ValueError):
        wire.sandbox.generate(-1)
    with pytest.raises(ValueError):
        wire.sandbox.generate(1, name="lab/practice")
    assert len(wire("{viewer{projects{id}}}")["viewer"]["projects"]) == 1
