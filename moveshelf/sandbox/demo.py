"""The demo project `lab/demo`: synthetic subjects whose curves are drawn from a real table (gait.py)."""

from __future__ import annotations

import json
import random
from datetime import date, timedelta
from typing import Any

from .gait import TABLE
from .generate import FILES
from .jobs import derived
from .rows import COMPLETE, Clip, Comment, Dataset, Norm, Report, Row, Session, Subject
from .service import Service
from .template import project_template

NAME = "lab/demo"
TRIALS = 3
# how the laboratories that these subjects came from wrote their curves; the others' are Vicon's labels and 51 rows
EXPORTS: dict[int, dict[str, Any]] = {
    2: {"rows": 101},
    3: {"labels": "gcd"},
    6: {"labels": "gcd", "rows": 101},
    8: {"rows": 100},
    9: {"labels": "gcd", "rows": 100, "first": 1},
    11: {"rows": 101},
}
# trials with their recording as a C3D file in place of angles.json
RECORDED = [
    {
        "speed": "Free",
        "subject": "P-002",
        "session": "2023-01-31",
        "condition": "Braced",
        "trial": trial,
        **EXPORTS[2],
    }
    for trial in range(1, TRIALS + 1)
]


def build(service: Service) -> None:
    """Make the demo project, the same one every time."""
    store = service.store
    dice = random.Random(20080601)
    with store.write():
        project = service.add_project(
            NAME,
            project_template(),
            description="Synthetic subjects; curves drawn from Schwartz, Rozumalski and Trost (2008)",
            configuration=json.dumps({"units": "metric"}),
        )
        rows: list[Row] = []
        last: Any = None
        for number in range(1, 13):
            subject = _subject(service, project, number)
            rows.append(subject)
            day = date(2023, 1, 9) + timedelta(days=11 * number)
            for index in range(2 + number % 2):
                session = _session(service, project, subject, number, index, day)
                rows.append(session)
                conditions = {"Barefoot": "Free", "Braced": "Free" if number % 3 else "Slow"}
                if number % 4 == 0:
                    conditions["Running"] = "VeryFast"
                for place, (condition, speed) in enumerate(conditions.items()):
                    more = dict(EXPORTS.get(number, {}))
                    if number == 5 and index == 0:
                        more["gap"] = True
                    rows += _trials(service, session, condition, speed, more, before=place * TRIALS)
                day += timedelta(days=dice.randrange(150, 240))
                last = session if number == 1 else last
        store.add(*rows, ordered=False)
        _norms(service, project)
        _extras(service, project, last)


def procedure(side: str, name: str, location: str, place: str = "", how: str = "") -> dict[str, str]:
    """A procedure of an intervention, with the keys of real projects."""
    return {
        "side": side,
        "procedure": name,
        "location": location,
        "location-modifier": place,
        "procedure-modifier": how,
    }


def _subject(service: Service, project: Any, number: int) -> Any:
    values: dict[str, Any] = {
        "ehr-id": f"{4200 + 37 * number}",
        "subject-sex": "Female" if number % 2 else "Male",
        "subject-date-of-birth": f"{2008 + number % 7}-{1 + number % 12:02d}-{3 + number:02d}",
        "subject-diagnosis": {
            "value": ("Cerebral palsy", "Clubfoot", "Cerebral palsy", "Typically developing")[number % 4]
        },
        "subject-diagnosis-laterality": ("Right", "Both", "Left", "Both")[number % 4],
        "subject-leg-length": [
            {"context": "left", "value": str(640 + 11 * number)},
            {"context": "right", "value": str(638 + 11 * number + number % 3)},
        ],
    }
    if number % 4 != 3:
        values["subject-gmfcs"] = {"value": ("I", "II", "I", "III")[number % 4]}
        aids = ["Ankle-foot orthosis", "Insole", "Crutches"][: 1 + number % 3]
        values["subject-aids"] = {"value": aids, "multiselect": True}
    if number == 7:
        values["subject-date-of-birth"] = "0007-01-12"  # such dates are found in real projects
    if number == 1:
        values["interventions"] = [
            {
                "id": 1,
                "date": "2023-05-02",
                "site": "Day surgery",
                "surgeon": "Surgeon A",
                "procedures": [
                    procedure("Both", "Lengthening", "Hamstrings", "Medial"),
                    procedure("Left", "Recession", "Gastrocnemius"),
                ],
            },
            {
                "id": 2,
                "date": "2023-10-17",
                "site": "Outpatient clinic",
                "surgeon": "Surgeon B",
                "procedures": [procedure("Left", "Injection", "Gastrocnemius", "", "Botulinum toxin")],
            },
        ]
    return service.store.make(
        Subject,
        project=project.id,
        name=f"P-{number:03d}",
        metadata=json.dumps(values),
        external_id=values["ehr-id"],
        updated=f"2024-06-{number:02d}T08:30:00.000000+00:00",
    )


def _session(service: Service, project: Any, subject: Any, number: int, index: int, day: date) -> Any:
    name = f"{day} {('pre-op', 'post-op', 'follow-up')[index]}" if number % 3 == 1 else f"{day}"
    questions = (["Baseline", "Pre-operative"], ["Follow-up"], ["Follow-up", "Orthosis check"])[index]
    values: dict[str, Any] = {
        "session-type": "Running" if number % 4 == 0 else "Gait",
        "session-questions": {"value": questions, "multiselect": True},
        "session-height": str(112 + 4 * number + 3 * index),
        "session-weight": {"value": str(20 + 3 * number + 2 * index)},
        "session-popliteal-angle": [
            {"context": "left", "value": str(40 - 5 * index + number % 5)},
            {"context": "right", "value": str(38 - 4 * index + number % 4)},
        ],
        "session-report-due": f"{day + timedelta(days=14)}",
        "vicon-height": str(112 + 4 * number + 3 * index),
        "vicon-weight": str(20 + 3 * number + 2 * index),
        "vicon-leg-length": [
            {"context": "left", "value": str(640 + 11 * number + 14 * index)},
            {"context": "right", "value": str(638 + 11 * number + number % 3 + 14 * index)},
        ],
    }
    stored: dict[str, Any] = {"metadata": values, "label": ("Pre-op", "Post-op", "Follow-up")[index]}
    if number == 1:
        stored["gaitScriptEvaluation"] = [
            {"id": "evaluation-1", "state": {"gaitAbnormalities": {"left": ["Crouch"], "right": []}}}
        ]
    return service.store.make(
        Session,
        project=project.id,
        subject=subject.id,
        path=f"/{subject.name}/{name}/",
        date=f"{day}T00:00:00+00:00",
        # one session without any metadata
        metadata=None if (number, index) == (12, 1) else json.dumps(stored),
        updated=f"{day + timedelta(days=1)}T16:00:00.000000+00:00",
    )


def _trials(
    service: Service, session: Any, condition: str, speed: str, more: dict[str, Any], *, before: int
) -> list[Row]:
    """Three trials of a condition, numbered on through the session: a title leads to one of them."""
    store = service.store
    rows: list[Row] = []
    subject, name = session.names
    for trial in range(1, TRIALS + 1):
        clip = store.make(
            Clip,
            project=session.project,
            session=session.id,
            title=f"Trial-{before + trial}",
            description=f"{condition}, {subject}" if trial == 1 else None,
            created=f"{session.date[:10]}T{9 + len(condition) % 4:02d}:{10 + 5 * trial:02d}:00+00:00",
            path=f"{session.path}{condition}/",
            upload_status=COMPLETE,
            custom_options=json.dumps({"trialType": condition}) if trial == 1 else None,
            allow_download=int(trial == 1),
        )
        recipe = {
            "speed": speed,
            "subject": subject,
            "session": name,
            "condition": condition,
            "trial": trial,
            **more,
        }
        if recipe.get("gap") and trial != 2:
            del recipe["gap"]
        rows.append(clip)
        if recipe in RECORDED:
            rows += [derived(store, clip, file, recipe) for file in FILES if file != "angles.json"]
            rows.append(derived(store, clip, f"{clip.title}.c3d", {**recipe, "packed": True}))
        else:
            rows += [derived(store, clip, file, recipe) for file in FILES]
    return rows


def add_norm(service: Service, project: Any, speed: str) -> None:
    """A norm with one clip: the table's own means and standard deviations at one speed."""
    store = service.store
    norm = store.make(
        Norm,
        project=project.id,
        name=f"Typically developing, {speed.lower()}",
        status=COMPLETE,
        upload_status=COMPLETE,
        path=f"/Norms/{speed}/",
    )
    clip = store.make(
        Clip,
        project=project.id,
        norm=norm.id,
        title=f"Norm {speed.lower()}",
        created="2023-01-02T09:00:00+00:00",
        path=norm.path,
        upload_status=COMPLETE,
    )
    store.add(norm)
    store.add(clip, derived(store, clip, "angles_normalized.json", {"speed": speed, "norm": True}))


def _norms(service: Service, project: Any) -> None:
    store = service.store
    for speed in ("Slow", "Free", "Fast"):
        add_norm(service, project, speed)
    # a norm of a lab's own, made of one session's trials
    session = next(s for s in project.subjects if s.name == "P-003").sessions[0]
    trials = [clip for clip in session.clips if clip.path.endswith("/Barefoot/")]
    norm = store.make(
        Norm,
        project=project.id,
        name="Own laboratory",
        status=COMPLETE,
        upload_status=COMPLETE,
        path=f"{session.path}Barefoot/",
    )
    store.add(norm)
    for clip in trials:
        store.change(clip, norm=norm.id)
        norm.clips.append(clip)


def _extras(service: Service, project: Any, session: Any) -> None:
    store = service.store
    clip = session.clips[0]
    recipe = {"file": TABLE}
    store.add(
        store.make(
            Report,
            title=f"Gait report {session.names[1]}",
            subject=session.subject,
            session=session.id,
            kind="currentSessionConditionSummaries",
            trials=json.dumps([clip.id for clip in session.clips]),
            created=f"{session.date[:10]}T17:00:00+00:00",
        ),
        store.make(
            Comment,
            clip=clip.id,
            author=service.user,
            comment="Good trial: clean strikes on both sides.",
            created=f"{session.date[:10]}T15:00:00+00:00",
        ),
        store.make(
            Dataset,
            project=project.id,
            name="Normal gait at five speeds (Schwartz 2008)",
            file_name=TABLE,
            upload_status=COMPLETE,
            stored="lazy:" + json.dumps(recipe),
        ),
    )
