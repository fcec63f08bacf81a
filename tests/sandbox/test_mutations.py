from __future__ import annotations

import json
from typing import Any

import pytest

UPDATE_SUBJECT = "mutation($i: ID!, $m: JSONString){updatePatient(patientId: $i, metadata: $m){updated}}"
UPDATE_SESSION = """mutation($i: ID!, $n: String!, $m: JSONString, $d: String, $p: String) {
    updateSession(sessionId: $i, sessionName: $n, sessionMetadata: $m, sessionDate: $d, previousUpdatedAt: $p)
    {updated}}"""
UPDATE_CLIP = "mutation($i: UpdateClipInput!){updateClip(clipData: $i){clip{id title}}}"


def test_a_subject_by_the_project_s_id_or_name(wire: Any) -> None:
    first, second = wire.subject("B"), wire.subject("A", project=wire.project())
    listed = wire.node(wire.project(), "Project", "patientsList{id name}")["patientsList"]
    assert listed == [{"id": second, "name": "A"}, {"id": first, "name": "B"}]


def test_a_name_twice_makes_two(wire: Any) -> None:
    assert wire.subject("A") != wire.subject("A")
    a = wire.session("/A/s/", None)
    assert a != wire.session("/A/s/", None)


@pytest.mark.parametrize("name", ["", "  ", "a/b"])
def test_a_subject_needs_a_name(wire: Any, name: str) -> None:
    query = "mutation($p: String!, $n: String!){createPatient(projectId: $p, name: $n){patient{id}}}"
    assert wire.errors(query, p="lab/practice", n=name)


def test_subject_metadata_is_replaced_and_names_the_ehr_id(wire: Any) -> None:
    id = wire.subject()
    before = wire.node(id, "Patient", "updated metadata externalId")
    assert (before["metadata"], before["externalId"]) == (None, None)
    text = '{"ehr-id":  {"value": "9"}, "ü": 1}'
    assert wire(UPDATE_SUBJECT, i=id, m=text) == {"updatePatient": {"updated": True}}
    after = wire.node(id, "Patient", "updated metadata externalId")
    assert (after["metadata"], after["externalId"]) == (text, "9")
    assert after["updated"] > before["updated"]
    wire(UPDATE_SUBJECT, i=id, m=None)
    assert wire.node(id, "Patient", "updated metadata externalId") == after
    wire(UPDATE_SUBJECT, i=id, m="{}")
    assert wire.node(id, "Patient", "metadata externalId") == {"metadata": "{}", "externalId": None}
    assert wire.errors(UPDATE_SUBJECT, i=id, m="[]")
    assert wire.errors(UPDATE_SUBJECT, i="unknown", m="{}")


@pytest.mark.parametrize("path", ["/P-1/2024-03-05/", "P-1/2024-03-05", "/P-1/2024-03-05"])
def test_a_session_s_path_has_its_slashes(wire: Any, path: str) -> None:
    subject = wire.subject("P-1")
    id = wire.session(path, subject, "2024-03-05")
    assert wire.node(id, "Session", "projectPath date patient{id}") == {
        "projectPath": "/P-1/2024-03-05/",
        "date": "2024-03-05T00:00:00+00:00",
        "patient": {"id": subject},
    }


def test_a_session_without_a_subject_id_or_a_date(wire: Any) -> None:
    subject = wire.subject("P-1")
    id = wire.session("/P-1/x/", None, None)
    assert wire.node(id, "Session", "date patient{id}") == {"date": None, "patient": {"id": subject}}


@pytest.mark.parametrize(
    ("path", "subject", "date"),
    [
        ("/P-1/", None, None),
        ("/P-9/x/", None, None),
        ("/P-1/x/", "unknown", None),
        ("/P-1/x/", None, "05.03.2024"),
    ],
)
def test_an_impossible_session(wire: Any, path: str, subject: str | None, date: str | None) -> None:
    wire.subject("P-1")
    query = """mutation($p: String!, $s: ID, $d: String) {createSession(projectId: "lab/practice", projectPath: $p,
        patientId: $s, sessionDate: $d) {session {id}}}"""
    assert wire.errors(query, p=path, s=subject, d=date)
    assert wire.node(wire.project(), "Project", "sessions{id}")["sessions"] == []


def test_updating_a_session(wire: Any) -> None:
    wire.subject("P-1")
    id = wire.session("/P-1/a/", None, "2024-01-01")
    before = wire.node(id, "Session", "updated")["updated"]
    text = '{"metadata": {"x": "1"}, "gaitScriptEvaluation": []}'
    wire(UPDATE_SESSION, i=id, n="a", m=text, d=None, p=before)
    found = wire.node(id, "Session", "metadata date updated projectPath")
    assert found["metadata"] == text
    assert found["date"] == "2024-01-01T00:00:00+00:00"
    assert found["updated"] > before
    wire(UPDATE_SESSION, i=id, n="a", m=None, d="2023-12-31", p=None)
    changed = wire.node(id, "Session", "metadata date")
    assert changed == {"metadata": text, "date": "2023-12-31T00:00:00+00:00"}
    errors = wire.errors(UPDATE_SESSION, i=id, n="b", m="{}", d=None, p=before)
    assert "nothing was written" in errors[0]
    assert wire.node(id, "Session", "metadata date") == changed
    for wrong in ({"n": ""}, {"n": "a/b"}, {"m": "[1]"}, {"d": "soon"}, {"p": "soon"}, {"i": "unknown"}):
        assert wire.errors(UPDATE_SESSION, **{"i": id, "n": "a", "m": None, "d": None, "p": None, **wrong})


def test_renaming_a_session_moves_its_clips(wire: Any) -> None:
    wire.subject("P-1")
    id = wire.session("/P-1/a/")
    other = wire.session("/P-1/ab/")
    paths = ["/P-1/a/Barefoot/", "/P-1/a/Barefoot", "/P-1/a/", "P-1/a/x/y/"]
    clips = [wire.clip(path) for path in paths]
    far = wire.clip("/P-1/ab/Barefoot/")
    wire(UPDATE_SESSION, i=id, n="new name", m=None, d=None, p=None)
    assert wire.node(id, "Session", "projectPath clips{id}") == {
        "projectPath": "/P-1/new name/",
        "clips": [{"id": clip} for clip in clips],
    }
    moved = [wire.node(clip, "MocapClip", "projectPath")["projectPath"] for clip in clips]
    assert moved == [
        "/P-1/new name/Barefoot/",
        "/P-1/new name/Barefoot",
        "/P-1/new name/",
        "/P-1/new name/x/y/",
    ]
    assert wire.node(far, "MocapClip", "projectPath")["projectPath"] == "/P-1/ab/Barefoot/"
    assert wire.node(other, "Session", "clips{id}")["clips"] == [{"id": far}]


def test_creating_clips(wire: Any) -> None:
    wire.subject("P-1")
    session = wire.session("/P-1/a/")
    responses = wire.create_clips(
        {"clientId": "one"}, {"clientId": "two", "metadata": {"title": "T", "projectPath": "/P-1/a/Barefoot"}}
    )
    assert [response["clientId"] for response in responses] == ["one", "two"]
    assert all(response["uploadUrl"].startswith("http://127.0.0.1:") for response in responses)
    first, second = (response["mocapClip"]["id"] for response in responses)
    fields = "title uploadStatus projectPath originalFileName originalDataDownloadUri"
    assert wire.node(first, "MocapClip", fields) == {
        "title": "Untitled",
        "uploadStatus": "Pending",
        "projectPath": None,
        "originalFileName": None,
        "originalDataDownloadUri": None,
    }
    assert wire.node(session, "Session", "clips{id}")["clips"] == [{"id": second}]
    assert wire.create_clips(project=wire.project()) == []


@pytest.mark.parametrize(
    "clip",
    [
        {"crc32c": "no"},
        {"crc32c": "AAAAAAAA"},
        {"metadata": {"startTimecode": {"timecode": "1:2:3", "framerate": "FPS_24"}}},
        {"metadata": {"startTimecode": {"timecode": "01:02:03:04"}}},
        {"metadata": {"startTimecode": {"timecode": "01:02:03:04", "framerate": "24"}}},
        {"metadata": {"nonsense": 1}},
        {"metadata": {"title": 1}},
    ],
)
def test_an_impossible_clip(wire: Any, clip: dict[str, Any]) -> None:
    query = "mutation($i: ClipCreationInput!){createClips(input: $i){response{clientId}}}"
    assert wire.errors(query, i={"project": "lab/practice", "clips": [{"clientId": "1"}, clip]})
    assert wire.node(wire.project(), "Project", "clips{edges{node{id}}}")["clips"]["edges"] == []
    assert wire.errors(query, i={"project": "lab/nowhere", "clips": []})


def test_a_clip_made_before_its_session_finds_it(wire: Any) -> None:
    clip = wire.clip("/P-1/late/Barefoot/")
    wire.subject("P-1")
    session = wire.session("/P-1/late/")
    assert wire.node(session, "Session", "clips{id}")["clips"] == [{"id": clip}]


def test_updating_a_clip_keeps_what_is_absent(wire: Any) -> None:
    wire.subject("P-1")
    session = wire.session("/P-1/a/")
    id = wire.clip("/P-1/a/Barefoot/", "T", description="D")
    fields = "title description customOptions projectPath"
    wire(UPDATE_CLIP, i={"id": id, "metadata": {"title": "New"}, "customOptions": '{"a": 1}'})
    expected = {
        "title": "New",
        "description": "D",
        "customOptions": '{"a": 1}',
        "projectPath": "/P-1/a/Barefoot/",
    }
    assert wire.node(id, "MocapClip", fields) == expected
    wire(UPDATE_CLIP, i={"id": id, "metadata": None, "customOptions": None})
    wire(UPDATE_CLIP, i={"id": id, "metadata": {"title": None}})
    assert wire.node(id, "MocapClip", fields) == expected
    wire(UPDATE_CLIP, i={"id": id, "metadata": {"projectPath": "/P-1/b/"}})
    assert wire.node(session, "Session", "clips{id}")["clips"] == []
    assert wire.errors(UPDATE_CLIP, i={"id": "unknown", "metadata": {}})
    assert wire.post(UPDATE_CLIP, {"i": {"id": id, "customOptions": "not json"}}).status == 400


def test_moving_a_clip_to_another_project(wire: Any) -> None:
    wire.sandbox.add_project("lab/other")
    id = wire.clip("/P-1/a/")
    wire(UPDATE_CLIP, i={"id": id, "metadata": {"project": "lab/other"}})
    assert wire.node(id, "MocapClip", "project{name}") == {"project": {"name": "lab/other"}}
    for name, clips in (("lab/practice", 0), ("lab/other", 1)):
        found = wire.node(wire.project(name), "Project", "clips{edges{node{id}}}")
        assert len(found["clips"]["edges"]) == clips


DELETES = {
    "Patient": "mutation($i: ID!){r: deletePatient(patientId: $i){a: deleted}}",
    "Session": "mutation($i: ID!){r: deleteSession(sessionId: $i){a: deleted}}",
    "MocapClip": "mutation($i: String){r: deleteClip(clipId: $i){a: ok}}",
    "AdditionalData": "mutation($i: ID!){r: deleteAdditionalData(id: $i){a: ok}}",
}


@pytest.mark.parametrize("kind", list(DELETES))
def test_deleting_takes_what_is_below_and_nothing_else(wire: Any, get: Any, kind: str) -> None:
    ids = {
        "Patient": wire.subject("P-1"),
        "Session": wire.session("/P-1/a/"),
        "MocapClip": wire.clip("/P-1/a/B/"),
    }
    ids["AdditionalData"] = wire.upload(ids["MocapClip"], b"abc")
    wire("mutation($s: ID!){createAutomaticInteractiveReports(sessionId: $s){ok}}", s=ids["Session"])
    wire(
        'mutation($c: String!){createComment(inputs: {clipId: $c, comment: "x"}){clip{id}}}',
        c=ids["MocapClip"],
    )
    uri = wire.file(ids["AdditionalData"])["originalDataDownloadUri"]
    wire.subject("P-2")
    sibling = wire.clip("/P-1/b/B/")
    assert wire(DELETES[kind], i=ids[kind]) == {"r": {"a": True}}
    order = list(DELETES)
    for name, id in ids.items():
        gone = order.index(name) >= order.index(kind)
        assert (wire("query($i: ID!){node(id: $i){id}}", i=id)["node"] is None) == gone
    assert get(uri).status == 404
    assert wire.node(sibling, "MocapClip", "id")
    names = wire.node(wire.project(), "Project", "patientsList{name}")["patientsList"]
    assert {"name": "P-2"} in names
    assert wire.errors(DELETES[kind], i=ids[kind])
    other = next(name for name in DELETES if name != kind)
    assert wire.errors(DELETES[other], i=sibling if kind != "MocapClip" and other != "MocapClip" else "x")


def test_reports(wire: Any) -> None:
    wire.subject("P-1")
    first = wire.session("/P-1/a/", None, "2024-01-01")
    second = wire.session("/P-1/b/", None, "2024-02-01")
    clips = [wire.clip("/P-1/b/Barefoot/"), wire.clip("/P-1/b/Braced/")]
    automatic = (
        "mutation($s: ID!, $n: String){createAutomaticInteractiveReports(sessionId: $s, normId: $n){ok}}"
    )
    assert wire.errors(automatic, s=first)  # nothing to report on
    assert wire.errors(automatic, s=second, n="unknown")
    assert wire(automatic, s=second, n=None) == {"createAutomaticInteractiveReports": {"ok": True}}
    assert len(wire.node(second, "Session", "reports{id title}")["reports"]) == 3
    one = """mutation($s: ID!, $t: String!, $title: String!, $c: [String]!, $n: String) {createInteractiveReport(
        sessionId: $s, reportType: $t, title: $title, trialsIds: $c, normId: $n, templateId: null) {ok}}"""
    for kind in (
        "currentSessionConditionSummaries",
        "currentVsPreviousSessionComparison",
        "currentSessionComparison",
    ):
        wire(one, s=second, t=kind, title=kind, c=clips)
    titles = [r["title"] for r in wire.node(second, "Session", "reports{title}")["reports"]]
    assert titles[-1] == "currentSessionComparison"
    subject = wire.node(second, "Session", "patient{reports{title}}")["patient"]
    assert [r["title"] for r in subject["reports"]] == titles
    right = {"s": second, "t": "currentSessionComparison", "title": "T", "c": clips, "n": None}
    for wrong in ({"s": "x"}, {"t": "x"}, {"title": " "}, {"c": ["x"]}, {"c": [None]}, {"n": "x"}):
        assert wire.errors(one, **{**right, **wrong})
    assert len(wire.node(second, "Session", "reports{id}")["reports"]) == 6


def test_a_project_that_may_not_be_edited(wire: Any) -> None:
    wire.sandbox.add_project("lab/locked", can_edit=False)
    query = 'mutation($p: String!){createPatient(projectId: $p, name: "x"){patient{id}}}'
    assert "lab/locked" in wire.errors(query, p="lab/locked")[0]


def test_two_mutations_in_one_request_are_carried_out_in_order(wire: Any) -> None:
    wire.subject("P-1")
    query = """mutation {
        a: createSession(projectId: "lab/practice", projectPath: "/P-1/a/") {session {projectPath}}
        b: createSession(projectId: "lab/practice", projectPath: "/P-9/b/") {session {projectPath}}
        c: createSession(projectId: "lab/practice", projectPath: "/P-1/c/") {session {projectPath}}
    }"""
    response = wire.post(query).json
    assert response["data"] == {
        "a": {"session": {"projectPath": "/P-1/a/"}},
        "b": None,
        "c": {"session": {"projectPath": "/P-1/c/"}},
    }
    assert [error["path"] for error in response["errors"]] == [["b"]]


def job_states(wire: Any, id: str, looks: int) -> list[Any]:
    return [wire.node(id, "Job", "status result description") for _ in range(looks)]


def start_job(wire: Any, clips: list[str]) -> str:
    query = "mutation($c: [String!], $t: String){processGaitTool(clips: $c, trialType: $t){jobId}}"
    return str(wire(query, c=clips, t="Gait")["processGaitTool"]["jobId"])


def test_a_job_runs_and_attaches_what_it_derived(wire: Any, get: Any) -> None:
    wire.subject("P-1")
    wire.session("/P-1/a/")
    clip = wire.clip("/P-1/a/Barefoot/")
    wire.upload(clip, b"c3d", "walk.c3d", "motion")
    files = "additionalData{originalFileName dataType uploadStatus originalDataDownloadUri} hasCharts"
    for _ in range(2):  # run again, the files are made anew, not twice
        states = job_states(wire, start_job(wire, [clip]), 4)
        assert [state["status"] for state in states] == ["Pending", "Processing", "Complete", "Complete"]
        assert states[0]["result"] is None
        assert clip in json.loads(states[2]["result"])["processed"]
        found = wire.node(clip, "MocapClip", files)
        names = [file["originalFileName"] for file in found["additionalData"]]
        assert names[0] == "walk.c3d"
        assert len(names) == 5
        assert found["hasCharts"]
        events = next(f for f in found["additionalData"] if f["originalFileName"] == "event.json")
        assert json.loads(get(events["originalDataDownloadUri"]).body)["events"]


def test_a_job_fails_without_a_motion_file(wire: Any) -> None:
    clip = wire.clip("/P-1/a/Barefoot/", "Lonely")
    states = job_states(wire, start_job(wire, [clip]), 4)
    assert [state["status"] for state in states] == ["Pending", "Processing", "Failed", "Failed"]
    assert "Lonely" in states[2]["result"]
    assert wire.node(clip, "MocapClip", "additionalData{id}")["additionalData"] == []


def test_a_job_fails_when_its_trial_is_deleted(wire: Any) -> None:
    clip = wire.clip()
    wire.upload(clip, b"c3d")
    id = start_job(wire, [clip])
    wire(DELETES["MocapClip"], i=clip)
    assert job_states(wire, id, 3)[2]["status"] == "Failed"


def test_a_job_can_be_made_to_fail(wire: Any) -> None:
    clip = wire.clip()
    wire.upload(clip, b"c3d")
    wire.sandbox.fail(fail_job="out of memory")
    first, second = start_job(wire, [clip]), start_job(wire, [clip])
    assert job_states(wire, first, 3)[2] == {
        "status": "Failed",
        "result": "out of memory",
        "description": "Gait tool on 1 trials (Gait)",
    }
    assert job_states(wire, second, 3)[2]["status"] == "Complete"


@pytest.mark.parametrize("clips", [None, [], ["unknown"]])
def test_an_impossible_job(wire: Any, clips: Any) -> None:
    assert wire.errors("mutation($c: [String!]){processGaitTool(clips: $c){jobId}}", c=clips)
