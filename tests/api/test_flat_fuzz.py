"""Both clients before equal sandboxes, called with realistic and odd arguments in random combinations of a fixed seed.

The calls of the referee (flat_calls.py) are chosen; these are not, and each leaves the sandboxes to the next one.
"""

from __future__ import annotations

import random
from typing import Any

import flat_calls
import flat_published
import flat_referee
import pytest

from moveshelf.sandbox.rows import columns_of

CALLS = 200
#: Columns that tell times of today, or how often somebody has looked.
_CHANGING = {"updated", "created", "settle"}
_ODD: list[Any] = [
    None,
    "",
    " ",
    0,
    True,
    1.5,
    float("nan"),
    [],
    {},
    ["x"],
    "x" * 2000,
    "\x00",
    "é",
    "id ",
    "%00",
]
_TEXTS = [
    "Ann",
    "Zoë 测试",
    "Zoe\u0308",
    "a.",
    " x ",
    "..",
    "{}",
    "\n",
    "Trial-1",
    "\u200b",
    'O\'Brien "q"',
    "a/b",
]
_DATES = [
    None,
    "",
    "2024-05-31",
    "2022-1-1",
    "2023-02-29",
    "2024/01/01",
    "0007-01-12",
    " 2024-01-01",
    20240101,
]
_CLIP = [
    {"title": "T", "description": "d"},
    {"title": ""},
    {"title": None},
    {"nonsense": 1},
    {"allowDownload": True},
    {"projectPath": "/busy/2024-02-29/x/../"},
    {"startTimecode": None},
    {"startTimecode": {"timecode": "01:02:03:04"}},
    {"startTimecode": "01:02:03:04"},
    {"title": {"a": 1}},
    "text",
    [],
    {},
]
_RATED = [{"startTimecode": {"timecode": "01:02:03;04", "framerate": {"$rate": "FPS_29_97"}}}, *_CLIP]
#: Each that is a record brings interventions: without them theirs deletes those that are stored.
_SUBJECT = [
    '{"subject-sex": "Female", "interventions": [{"id": 8}]}',
    '{"interventions": [{"id": 9}], "a": ""}',
    '{"a": "A", "l": [{"context": "left", "value": ""}, {"context": "right", "value": "5"}], "interventions": [{}]}',
    '{"a": "B", "l": [{"context": "left", "value": "7"}], "m": {"value": []}, "interventions": [{"id": "x"}]}',
    '{"a": {"value": ""}, "m": {"value": ["x"], "multiselect": true}, "z": null, "interventions": [{"b": [1]}]}',
    '{"a": "1", "a": "2", "n": 12345678901234567890123, "f": 1.0, "interventions": [{"id": 1}]}',
    '{"l": "left", "m": null, "interventions": [{"c": null}]}',
    '{"ehr-id": "ü", "interventions": [{"ü": 1}]}',
    '{"interventions": 5}',
    "null",
    "[]",
    "{",
    "",
]
_SESSION = [
    '{"metadata": {"session-type": "EMG"}, "other": 1}',
    '{"metadata": {}}',
    '{"other": 2}',
    *_SUBJECT,
]
_CONDITIONS = ["nothing like it", "Loose ends", "x/y"]


def _arguments(rng: random.Random, ids: dict[str, str]) -> dict[str, list[Any]]:
    """A method's arguments, drawn anew."""

    def of(*kinds: str) -> Any:
        if rng.random() < 0.2:
            return rng.choice([*_ODD, *ids.values()])
        return ids[rng.choice([name for name in ids if name.startswith(kinds)])]

    def pick(values: list[Any], odd: float = 0.1) -> Any:
        return rng.choice(_ODD if rng.random() < odd else values)

    project, subject, session = (
        of("demo", "plain", "empty"),
        of("subject", "bare", "busy"),
        of("session", "mixed"),
    )
    clip, flag = of("clip"), rng.choice([True, False, True, False, None, 1])
    rows = rng.choice([[], [clip], [ids["unknown"]], None, "x", [None], [clip, clip]])
    path = ids[rng.choice(["note.txt", "other.txt", "ünï.txt", "empty.csv"])]
    found: dict[str, list[Any]] = {
        "getProjectClips": [project, rng.choice([None, 0, 1, 500, -1, "5", 1.0, 10**10]), flag],
        "getSessionById": [session, flag],
        "getProjectSessions": [project, rng.choice(_DATES), rng.choice(_DATES), flag],
        "getFilteredProjectSessions": [project, rng.choice(_DATES), rng.choice(_DATES)],
        "getProjectSubjectByEhrId": [rng.choice(["4237", " 4237", "none", 4237]), project],
        "createSubject": [project, pick(_TEXTS)],
        "createSession": [
            project,
            f"/{pick(_TEXTS, 0)}/{pick([*_TEXTS, '2024-05-30'], 0)}/",
            subject,
            rng.choice(_DATES),
        ],
        "createClip": [project, pick(_CLIP, 0)],
        "updateClipMetadata": [clip, pick(_RATED, 0), rng.choice([None, "{}", "no json", "", 5])],
        "updateSubjectMetadataInfo": [subject, pick(_SUBJECT, 0), flag],
        "updateSessionMetadataInfo": [
            session,
            pick(_TEXTS),
            pick(_SESSION, 0),
            flag,
            None,
            rng.choice([None, "", "x"]),
        ],
        "uploadFile": [path, project, pick(_RATED, 0)],
        "uploadAdditionalData": [
            path,
            clip,
            pick(["data", "raw", "no type"]),
            pick(["a.csv", "ü.csv", "a/b.csv", ".."]),
        ],
        "isCurrentVersionUploaded": [path, clip],
        "deleteClipByCondition": [session, rng.choice(_CONDITIONS)],
        "deleteSubjects": [rng.choice([[], [subject], [ids["unknown"]], "x"])],
        "processGaitTool": [rows, pick(_TEXTS)],
        "generateAutomaticInteractiveReports": [session, rng.choice([None, ids["unknown"]])],
        "generateConditionSummaryReport": [session, pick(_TEXTS), rows],
    }
    for method in ("Datasets", "Template", "Info", "Subjects"):
        found[f"getProject{method}"] = [project]
    for method in ("getSubjectContext", "getSubjectDetails", "getSubjectData"):
        found[method] = [subject]
    for method in ("getClipData", "getAdditionalData", "deleteClip"):
        found[method] = [clip]
    return {
        **found,
        "getJobStatus": [of("job")],
        "deleteSession": [session],
        "deleteAdditionalData": [of("file")],
    }


def _refused(theirs: dict[str, Any], ours: dict[str, Any]) -> bool:
    """What is listed in moveshelf.api: arguments that cannot be right are refused before any request.

    Theirs has failed as well then, or has read nothing.
    """
    value = theirs["value"]
    empty = not value or (isinstance(value, dict) and not any(value.values()))
    return "ValidationError" in ours["raised"] and not ours["requests"] and empty


def _complaints(theirs: dict[str, Any], ours: dict[str, Any]) -> list[str]:
    if _refused(theirs, ours):
        return []
    if theirs["value"] is None and ours["odd"] == [
        ":ValidationErrors"
    ]:  # listed: None in place of complaints
        return []
    return flat_referee.complaints(theirs, ours, newest=True)


def _state(side: flat_referee.Side) -> Any:
    """All that a sandbox stores, but for times."""
    service = side.sandbox._service
    assert service is not None
    return {
        key: {name: getattr(row, name) for name in columns_of(type(row)) if name not in _CHANGING}
        for key, row in dict(service.store.rows).items()
    }


@pytest.mark.parametrize("seed", [1])
def test_random_arguments(seed: int) -> None:
    """Results, exceptions, mutations, and after each call what is stored."""
    try:
        flat_published.python_of(flat_published.NEWEST)
    except flat_published.NotAvailable as error:
        pytest.skip(str(error))
    rng = random.Random(seed)
    wrong, kept, raised = [], 0, 0
    with flat_referee.court(flat_published.NEWEST) as (theirs, ours, ids):
        for _ in range(CALLS):
            method, arguments = rng.choice(list(_arguments(rng, ids).items()))
            call = flat_calls.call(method, *arguments)
            results = theirs.run(call), ours.run(call)
            wrong += [f"{method}{arguments}: theirs {line}" for line in _complaints(*results)]
            kept += not results[0]["raised"]
            raised += bool(results[0]["raised"])
            if results[0]["mutations"] or results[1]["mutations"]:
                before = _state(theirs), _state(ours)
                if before[0] != before[1]:
                    changed = [key for key in before[0] if before[0][key] != before[1].get(key)]
                    changed += [key for key in before[1] if key not in before[0]]
                    wrong.append(
                        f"{method}{arguments}: stored "
                        + str([(before[0].get(k), before[1].get(k)) for k in changed])
                    )
                    break
    assert not wrong, "\n".join(wrong)
    assert kept > CALLS / 4
    assert raised > CALLS / 8
