"""The calls that the referee compares: every method, on ordinary data and on edges."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox

UNKNOWN = "UHJvamVjdAAAAAAAAAAAAAAA"


def furnish(sandbox: Sandbox, folder: Path) -> dict[str, str]:
    """Put the edges into a demo sandbox; the ids and files that the calls need, by name."""
    from moveshelf.api import MoveshelfApi

    ids: dict[str, str] = {"empty": sandbox.add_project("lab/ünï — 空"), "unknown": UNKNOWN}
    ids["plain"] = sandbox.add_project("lab/plain", {"template": {}, "sessionMetadataTabs": []})
    api = MoveshelfApi(sandbox.key_file, sandbox.api_url)
    ids["demo"] = next(one["id"] for one in api.getUserProjects() if one["name"] == "lab/demo")
    for number in (1, 3, 4, 12):
        details = next(one for one in api.getProjectSubjects(ids["demo"]) if one["name"] == f"P-{number:03d}")
        ids[f"subject{number}"] = details["id"]
        for index, session in enumerate(api.getSubjectDetails(details["id"])["sessions"]):
            ids[f"session{number}.{index}"] = session["id"]
            ids[f"clip{number}.{index}"] = session["clips"][0]["id"]
    # nothing in them, and names beyond ASCII
    ids["bare"] = api.createSubject(ids["plain"], "Zoë 测试 ß")["id"]
    ids["busy"] = api.createSubject(ids["plain"], "busy")["id"]
    made = api.createSession(ids["plain"], "/busy/2024-02-29/", ids["busy"])
    ids["mixed"], path = made["id"], made["projectPath"]
    ids["hollow"] = api.createSession(ids["plain"], "/busy/no date/", ids["busy"])["id"]
    for title, below in (
        ("Trial-1", "Barefoot/"),
        ("Trial-2", "Barefoot/"),
        ("Ünïcode “trial”", "Schön 靴/"),
        ("loose", ""),
        ("Trial-7", "Braced"),
    ):
        ids[f"clip {title}"] = api.createClip(ids["plain"], {"title": title, "projectPath": path + below})
    for name, content in (
        ("note.txt", b"one"),
        ("other.txt", b"two"),
        ("empty.csv", b""),
        ("ünï.txt", b"three"),
    ):
        file = folder / name
        file.write_bytes(content)
        ids[name] = str(file)
    large = folder / "large.bin"
    with open(large, "wb") as stream:
        stream.truncate(10 * 1024 * 1024 + 1)
    ids["large"] = str(large)
    api.uploadAdditionalData(ids["note.txt"], ids["clip Trial-1"], "data", "note.txt")
    api.uploadAdditionalData(ids["note.txt"], ids["clip Trial-1"], "data", "other.txt")
    api.uploadAdditionalData(ids["empty.csv"], ids["clip Trial-1"], "data", "empty.csv")
    ids["job"] = api.processGaitTool([ids["clip Trial-2"]], "walking")
    file_ids = api.getAdditionalData(ids["clip Trial-1"])
    ids["file"] = file_ids[0]["id"]
    api.close()
    return ids


def call(name: str, *args: Any, save: str = "", **kwargs: Any) -> dict[str, Any]:
    """One call; of the client unless the name says otherwise."""
    return {
        "call": name if "." in name else f"api.{name}",
        "args": list(args),
        "kwargs": kwargs,
        "save": save,
    }


def reads(ids: dict[str, str]) -> list[dict[str, Any]]:
    """Reading by id, with the arguments that every version knows."""
    found = [call("getUserProjects"), call("getProjectAndClips")]
    projects = [ids["demo"], ids["empty"], ids["plain"], ids["unknown"], ids["subject1"]]
    for project in projects:
        found += [
            call("getProjectDatasets", project),
            call("getProjectSubjects", project),
            call("getProjectClips", project, 5),
            call("getProjectClips", project, 5, True),
            call("getProjectClips", project, 0),
        ]
    for subject in ("subject1", "subject3", "subject12", "bare", "busy", "unknown", "session1.0", "demo"):
        found += [call("getSubjectContext", ids[subject]), call("getSubjectDetails", ids[subject])]
        if subject not in ("subject1", "subject12"):  # theirs stumbles over `true` in what it evaluates
            found.append(call("util.getPatientMetadata", {"$api": 1}, ids[subject]))
    for session in ("session1.0", "session3.0", "session12.1", "mixed", "hollow", "unknown", "subject1"):
        found.append(call("getSessionById", ids[session]))
    for clip in ("clip1.0", "clip Trial-1", "clip Ünïcode “trial”", "clip loose", "unknown", "subject1"):
        found += [call("getClipData", ids[clip]), call("getAdditionalData", ids[clip])]
    for job in ("job", "unknown", "subject1"):
        found.append(call("getJobStatus", ids[job]))
    for session in ("session1.0", "mixed", "hollow", "session3.0"):
        found += [
            call("getSessionById", ids[session], save="session"),
            call("util.getConditionsFromSession", {"$": "session"}, []),
        ]
    return found


def _by_ehr_id(ids: dict[str, str]) -> list[dict[str, Any]]:
    return [
        call("getProjectSubjectByEhrId", "4237", ids["demo"]),
        call("getProjectSubjectByEhrId", "4237", "lab/demo"),
        call("getProjectSubjectByEhrId", "none", ids["demo"]),
        call("getProjectSubjectByEhrId", "4237", ids["empty"]),
        call("getProjectSubjectByEhrId", "4237", ids["unknown"]),
    ]


def newer_reads(ids: dict[str, str]) -> list[dict[str, Any]]:
    """What later versions have added."""
    found = _by_ehr_id(ids)
    for project in ("demo", "empty", "plain", "unknown", "subject1"):
        found += [call("getProjectTemplate", ids[project]), call("getProjectInfo", ids[project])]
        found += [call("getProjectSessions", ids[project]), call("getFilteredProjectSubjects", ids[project])]
        found.append(call("getFilteredProjectSessions", ids[project]))
    for subject in ("subject1", "subject12", "bare", "busy", "unknown", "demo"):
        found.append(call("getSubjectData", ids[subject]))
    for session in ("session1.0", "mixed", "hollow", "unknown", "subject1"):
        found.append(call("getSessionById", ids[session], True))
    demo = ids["demo"]
    found += [
        call("getProjectSessions", demo, "2023-06-01", "2023-12-31"),
        call("getProjectSessions", demo, "2023-06-01", None, True),
        call("getProjectSessions", demo, start_date="2030-01-01"),
        call("getProjectSessions", demo, "2023-6-1"),
        call("getProjectSessions", demo, "June"),
        call("getProjectSessions", demo, None, "2023-13-01"),
    ]
    male = {"key": "subject-sex", "operator": "EQ", "value": "Male"}
    sick = {"key": "subject-diagnosis", "operator": "EQ", "value": "Clubfoot"}
    for where in (
        male,
        {"key": "subject-sex", "operator": "EQ", "value": "nobody"},
        {"logic": "AND", "filters": [male, {"logic": "OR", "filters": [sick, male]}]},
        {"logic": "OR", "filters": []},
        {"key": "subject-sex", "operator": "IN", "value": "Male"},
        {"key": "subject-sex", "operator": "EQ", "value": 3},
        {"key": 1, "operator": "EQ", "value": "x"},
        {**male, "logic": "AND", "filters": []},
        {"logic": "XOR", "filters": []},
        {"logic": "AND", "filters": {}},
        {"logic": "AND", "filters": [{}]},
        {},
        [male],
    ):
        found.append(call("getFilteredProjectSubjects", demo, where))
        found.append(call("_validate_filter_dict_input", where))
    for sessions in (
        {"sessionDates": {"startDate": "2023-03-01", "endDate": "2023-06-30"}},
        {"numSessions": {"min": 3, "max": None}},
        {"sessionDates": {"startDate": "2023-03-01"}, "numSessions": {"min": 1, "max": 2}},
        {"sessionDates": {"startDate": None}},
        {"sessionDates": {"from": "2023-03-01"}},
        {"sessionDates": {"startDate": "soon"}},
        {"sessionDates": []},
        {"numSessions": {"min": "3"}},
        {"numSessions": {"least": 3}},
        {"numSessions": 3},
        {},
        "all",
    ):
        found.append(call("getFilteredProjectSubjects", demo, None, sessions))
        found.append(call("_validate_session_filters", sessions))
    found += [
        call("getFilteredProjectSubjects", demo, male, {"numSessions": {"min": 3}}, True),
        call("getFilteredProjectSubjects", demo, include_additional_data=True),
        call("getFilteredProjectSubjects", ids["plain"], include_additional_data=True),
        call("getFilteredProjectSessions", demo, "2023-06-01", "2023-12-31"),
        call("getFilteredProjectSessions", demo, "2023-06-01", "2023-12-31", include_additional_data=True),
        call("getFilteredProjectSessions", demo, "2030-01-01"),
        call("getFilteredProjectSessions", demo, "2023-06-01", "x"),
        call("getFilteredProjectSessions", demo, limit=3),
        call("getFilteredProjectSessions", demo, limit=1000),
        call("getFilteredProjectSessions", ids["plain"], include_additional_data=True),
    ]
    for filters in (
        [{"key": "session-type", "operator": "IN", "values": ["Running"]}],
        [{"key": "session-type", "operator": "EQ", "value": "Gait"}],
        [{"key": "session-questions", "operator": "ALL", "values": ["Baseline", "Pre-operative"]}],
        [{"key": "session-height", "operator": "BETWEEN", "values": ["120", "130"]}],
        [{"key": "session-type", "operator": "EQ", "value": "nothing"}],
        [],
        [{"key": "session-height", "operator": "BETWEEN", "values": ["120"]}],
        [{"key": "session-type", "operator": "IN", "values": []}],
        [{"key": "session-type", "operator": "IN", "values": "Gait"}],
        [{"key": "session-type", "operator": "EQ"}],
        [{"key": "session-type", "operator": "EQ", "value": None}],
        [{"key": "session-type", "operator": "LIKE", "value": "G"}],
        [{"key": "", "operator": "EQ", "value": "G"}],
        [{"key": "session-type", "value": "G"}],
        ["Gait"],
        {"key": "session-type"},
    ):
        found.append(call("getFilteredProjectSessions", demo, None, None, filters))
        found.append(call("_validate_metadata_filters_list", filters))
    found.append(
        call(
            "getFilteredProjectSessions",
            demo,
            patient_metadata_filters=[{"key": "subject-sex", "operator": "IN", "values": ["Male"]}],
        )
    )
    return found + overviews(ids) + metadata_merges()


def overviews(ids: dict[str, str]) -> list[dict[str, Any]]:
    """Web addresses of the session overview, and the periods in them."""
    page = f"https://app.example.com/project/{ids['demo']}/sessions"
    found = []
    for query in (
        "",
        "?startDate=2023-06-01&endDate=2023-12-31",
        "?startDate=2023-06-01&endDate=2023-12-31&subject-sex=Male&session-type=Gait",
        "?startDate=Last_year&session-type=Gait&session-type=Running",
        "?startDate=2020-01-01&session-questions=Baseline&session-questions=Pre-operative&subject-sex=Male",
        "?startDate=2020-01-01&endDate=2024-01-01&session-report-due=2023-01-01&session-report-due=2023-12-31",
        "?startDate=2020-01-01&session-report-due=Last_10_weeks",
        "?startDate=2020-01-01&session-height=120&session-height=130",
        "?startDate=2020-01-01&session-type=(Select%20all)&unknown-field=3&heading-session=x",
        "?startDate=whenever&subject-sex=Male&subject-sex=Female&subject-sex=Other",
        "?endDate=Last_week",
        "?startDate=2020-01-01&subject-notes=%C3%BC+%26",
    ):
        found.append(call("_parse_session_overview_url", page + query, ids["demo"]))
        found.append(call("getFilteredProjectSessions", ids["demo"], session_overview_url=page + query))
    found.append(
        call(
            "getFilteredProjectSessions",
            ids["demo"],
            "2020-01-01",
            session_overview_url=page + "?startDate=x",
        )
    )
    for period in (
        "Last_week",
        "last_WEEK",
        "Last_month",
        "Last_10_weeks",
        "Last_year",
        "2024-01-01",
        "x",
        "9",
    ):
        found.append(call("_convert_date_period_to_date", period))
    for day in ("2024-01-01", "2024-1-1", "2023-02-29", "01-02-2024", "", None, "2024-01-01T00:00:00"):
        found.append(call("_validate_date", day))
    return found


def metadata_merges() -> list[dict[str, Any]]:
    """Stored and imported metadata, in every shape."""
    left, right = {"context": "left", "value": ""}, {"context": "right", "value": "5"}
    stored = {
        "a": "",
        "b": "kept",
        "c": {"value": "", "x": 1},
        "d": {"value": "kept"},
        "e": {"value": [], "multiselect": True},
        "f": [left, right],
        "g": [{"value": ""}, {"value": "y"}],
        "h": "",
        "i": 0,
        "j": None,
    }
    imported = {
        "a": "A",
        "b": "B",
        "c": {"value": "C"},
        "d": {"value": "D"},
        "e": {"value": ["E"]},
        "f": [{"context": "right", "value": "r"}, {"context": "left", "value": "l"}],
        "g": [{"value": "G"}],
        "i": 1,
        "j": 2,
        "new": {"value": "N"},
    }
    pairs = [
        (stored, imported),
        (stored, {}),
        ({}, imported),
        (None, imported),
        ({"f": [left, left]}, imported),
    ]
    pairs.append(
        ({"f": [left]}, {"f": [{"context": "left", "value": "1"}, {"context": "left", "value": "2"}]})
    )
    return [call("_merge_metadata_dictionaries", *pair) for pair in pairs]


def creations(ids: dict[str, str]) -> list[dict[str, Any]]:
    """What every version makes and changes in the same way."""
    demo, plain = ids["demo"], ids["plain"]
    rate = {"timecode": "01:02:03:04", "framerate": {"$rate": "FPS_29_97"}}
    return [
        call("createSubject", demo, "Añadido", save="subject"),
        call("createSubject", "lab/plain", "by name"),
        call("createSubject", ids["unknown"], "nowhere"),
        call("createSession", demo, "/Añadido/2024-05-31/", {"$": "subject.id"}, save="session"),
        call("createSession", demo, "/Añadido/not a date/", {"$": "subject.id"}),
        call("createSession", demo, "/Añadido/2024-05-30/", ids["unknown"]),
        call("getSubjectDetails", {"$": "subject.id"}),
        call("createClip", demo, save="clip"),
        call("createClip", demo),
        call(
            "createClip", demo, {"title": "T", "projectPath": "/Añadido/2024-05-31/Über/", "description": "d"}
        ),
        call("createClip", ids["unknown"], {"title": "T"}),
        call(
            "createClip",
            demo,
            {"title": "T", "startTimecode": {"timecode": "00:00:00:00", "framerate": "FPS_25"}},
        ),
        call("getSessionById", {"$": "session.id"}, save="full"),
        call("util.getConditionsFromSession", {"$": "full"}, [], save="conditions"),
        call("util.addOrGetTrial", {"$api": 1}, {"$": "full"}, {"path": "New/", "clips": []}),
        call("util.addOrGetTrial", {"$api": 1}, {"$": "full"}, {"path": "New/", "clips": []}, "Named"),
        call(
            "util.addOrGetTrial",
            {"$api": 1},
            {"$": "full"},
            {"path": "N/", "clips": [{"id": "1", "title": "Trial-9"}, {"id": "2", "title": "x-3"}]},
        ),
        call(
            "util.addOrGetTrial",
            {"$api": 1},
            {"$": "full"},
            {"path": "N/", "clips": [{"id": "1", "title": "Trial-9"}]},
            "Trial-9",
        ),
        call("updateClipMetadata", {"$": "clip"}, {"title": "renamed", "startTimecode": rate}),
        call("getClipData", {"$": "clip"}),
        call("updateClipMetadata", {"$": "clip"}, {}),
        call("updateClipMetadata", ids["unknown"], {"title": "x"}),
        call(
            "updateClipMetadata",
            {"$": "clip"},
            {"startTimecode": {"timecode": "1:2:3:4", "framerate": {"$rate": "FPS_25"}}},
        ),
        call(
            "updateClipMetadata",
            {"$": "clip"},
            {"startTimecode": {"timecode": "01:02:03:04", "framerate": "FPS_25"}},
        ),
        call("updateClipMetadata", {"$": "clip"}, {"startTimecode": {"timecode": "01:02:03:04"}}),
        call("uploadFile", ids["note.txt"], demo, save="uploaded"),
        call(
            "uploadFile",
            ids["empty.csv"],
            demo,
            {"title": "none", "startTimecode": rate, "allowDownload": True},
        ),
        call("uploadFile", ids["ünï.txt"], "lab/plain", {"projectPath": "/busy/2024-02-29/Up/"}),
        call("uploadFile", "/nowhere/x.txt", demo),
        call("uploadFile", ids["note.txt"], ids["unknown"]),
        call(
            "uploadFile",
            ids["note.txt"],
            demo,
            {"startTimecode": {"timecode": "x", "framerate": {"$rate": "FPS_25"}}},
        ),
        call("uploadAdditionalData", ids["other.txt"], {"$": "uploaded"}, "data", "ünï.csv"),
        call("uploadAdditionalData", ids["empty.csv"], {"$": "uploaded"}, "raw", "empty.bin"),
        call("uploadAdditionalData", "/nowhere/x.txt", {"$": "uploaded"}, "data", "x"),
        call("uploadAdditionalData", ids["other.txt"], ids["unknown"], "data", "x"),
        call("getAdditionalData", {"$": "uploaded"}),
        call("processGaitTool", [ids["clip1.0"]], "walking", save="job"),
        call("getJobStatus", {"$": "job"}),
        call("processGaitTool", [], "walking"),
        call("processGaitTool", [ids["unknown"]], "walking"),
        call("_createClip", plain, {"clientId": "c", "metadata": {"title": "private"}}),
        call(
            "_createAdditionalData",
            {"$": "uploaded"},
            {"dataType": "data", "crc32c": "AAAAAA==", "filename": "f", "clientId": "c"},
        ),
        call("_createAdditionalData", {"$": "uploaded"}, {"dataType": "data"}),
        call("_dispatch_graphql", "{ viewer { projects { id } } }"),
        call("_dispatch_graphql", "query Q($id: ID!) { node(id: $id) { __typename id } }", id=demo),
        call("_dispatch_graphql", "{ nothing }"),
        call("_dispatch_graphql", "no document"),
    ]


def newer_writes(ids: dict[str, str]) -> list[dict[str, Any]]:
    """Writes as 1.6.4 knows them: updates, deletions, reports."""
    demo = ids["demo"]
    subject, session = ids["subject4"], ids["session4.0"]
    good = json.dumps({"subject-sex": "Female", "subject-notes": "neü", "subject-gmfcs": {"value": "II"}})
    bad = json.dumps({"subject-sex": "Unknown", "nonsense": "x"})
    interventions = json.dumps({"interventions": [{"id": 1, "site": "Cast"}]})
    found = [
        call("createSession", demo, "/P-004/2024-05-31 check/", subject, "2024-05-31"),
        call("createSession", demo, "/P-004/other/", subject, session_date="31-05-2024"),
        call("createSession", demo, "/P-004/2024-06-01/", subject, ""),
        call("updateClipMetadata", ids["clip4.0"], {"title": "t"}, '{"trialType": "x"}'),
        call("updateSubjectMetadataInfo", subject, good),
        call("getSubjectContext", subject),
        call("updateSubjectMetadataInfo", ids["subject3"], interventions),
        call("updateSubjectMetadataInfo", subject, good, True),
        call("updateSubjectMetadataInfo", subject, bad, True),
        call("updateSubjectMetadataInfo", ids["bare"], good, True),
        call("updateSubjectMetadataInfo", ids["bare"], "{}", True),
        call("updateSubjectMetadataInfo", subject, "{not json"),
        call("updateSubjectMetadataInfo", ids["unknown"], good, True),
        call("updateSubjectMetadataInfo", session, good, True),
        call("getSubjectContext", ids["bare"]),
    ]
    values = json.dumps({"metadata": {"session-clinician": "Dr ü", "session-type": "EMG"}, "other": 1})
    wrong = json.dumps({"metadata": {"session-type": "Sleep"}})
    found += [
        call("updateSessionMetadataInfo", session, "renamed", values),
        call("getSessionById", session),
        call("updateSessionMetadataInfo", session, "renamed", wrong),
        call("updateSessionMetadataInfo", session, "renamed", wrong, True),
        call("updateSessionMetadataInfo", session, "renamed", "{}", True, "2022-02-02"),
        call(
            "updateSessionMetadataInfo",
            session,
            "renamed",
            "{}",
            True,
            None,
            "2001-01-01T00:00:00.000000+00:00",
        ),
        call("updateSessionMetadataInfo", ids["session12.1"], "named", values, skip_validation=True),
        call("updateSessionMetadataInfo", session, "renamed", "{", True),
        call("updateSessionMetadataInfo", ids["unknown"], "renamed", values, True),
        call("updateSessionMetadataInfo", subject, "renamed", values, True),
        call("getSessionById", session),
        call("getSessionById", ids["session12.1"]),
        call("generateAutomaticInteractiveReports", session),
        call("generateAutomaticInteractiveReports", session, ids["unknown"]),
        call("generateAutomaticInteractiveReports", ids["unknown"]),
    ]
    for kind in ("ConditionSummary", "CurrentVsPreviousSession", "CurrentSessionComparison"):
        found.append(call(f"generate{kind}Report", session, "Title ü", [ids["clip4.0"]]))
        found.append(
            call(f"generate{kind}Report", session, "T", [ids["clip4.0"]], ids["unknown"], "template")
        )
        found.append(call(f"generate{kind}Report", session, title="T", trials_ids=[], template_id="t"))
    found.append(call("_generateInteractiveReport", session, "noSuchType", "T", [ids["clip4.0"]]))
    found.append(call("getSubjectDetails", subject))
    for path in ("note.txt", "other.txt", "empty.csv", "ünï.txt", "large"):
        found.append(call("isCurrentVersionUploaded", ids[path], ids["clip Trial-1"]))
    found += [
        call("isCurrentVersionUploaded", ids["note.txt"], ids["clip loose"]),
        call("isCurrentVersionUploaded", "/nowhere/x", ids["clip Trial-1"]),
        call("isCurrentVersionUploaded", ids["note.txt"], ids["unknown"]),
        call("hash.calculate_file_crc32c", ids["note.txt"]),
        call("hash.calculate_file_crc32c", ids["empty.csv"]),
        call("hash.calculate_file_crc32c", ids["large"]),
        call("hash.calculate_file_md5", ids["large"]),
        call("hash.calculate_file_md5", "/nowhere/x"),
    ]
    return found + deletions(ids)


def deletions(ids: dict[str, str]) -> list[dict[str, Any]]:
    """Deleting, which comes last."""
    return [
        call("deleteAdditionalData", ids["file"]),
        call("deleteAdditionalData", ids["file"]),
        call("getAdditionalData", ids["clip Trial-1"]),
        call("deleteClipByCondition", ids["mixed"], "Barefoot"),
        call("deleteClipByCondition", ids["mixed"], "braced"),
        call("deleteClipByCondition", ids["mixed"], "nothing like it"),
        call("deleteClipByCondition", ids["hollow"], "Barefoot"),
        call("deleteClipByCondition", ids["unknown"], "Barefoot"),
        call("getSessionById", ids["mixed"]),
        call("deleteClip", ids["clip loose"]),
        call("deleteClip", ids["clip loose"]),
        call("deleteClip", ids["unknown"]),
        call("deleteSession", ids["hollow"]),
        call("deleteSession", ids["hollow"]),
        call("getSessionById", ids["hollow"]),
        call("deleteSubject", ids["busy"]),
        call("deleteSubject", ids["unknown"]),
        call("deleteSubjects", [ids["bare"], ids["unknown"], ids["subject12"]]),
        call("deleteSubjects", []),
        call("getProjectSubjects", ids["plain"]),
        call("getProjectSubjects", ids["demo"]),
    ]


def calls(ids: dict[str, str]) -> list[dict[str, Any]]:
    """Every call to which the newest version and ours must give the same result."""
    return reads(ids) + newer_reads(ids) + creations(ids) + newer_writes(ids)


def older_calls(ids: dict[str, str], version: str) -> list[dict[str, Any]]:
    """What scripts for an older version call: each key of its result must be in ours."""
    found = reads(ids) + _by_ehr_id(ids) + creations(ids)
    values = json.dumps({"metadata": {"session-clinician": "Dr ü"}})
    subject, session = ids["subject4"], ids["session4.0"]
    good = json.dumps({"subject-notes": "new"})
    found.append(call("updateSubjectMetadataInfo", subject, good))
    if version == "1.1.0":
        # the date stands in the fourth place there
        found.append(call("updateSessionMetadataInfo", session, "renamed", values, "2022-02-02"))
        found.append(call("updateSessionMetadataInfo", session, "renamed", values, "2022-02-02", None))
    else:
        found.append(call("updateSessionMetadataInfo", session, "renamed", values, False, "2022-02-02"))
        found.append(call("createSession", ids["demo"], "/P-004/2024-05-31 check/", subject, "2024-05-31"))
        found.append(call("getSubjectContext", subject))
    return found
