"""The study project `lab/study`: 40 synthetic subjects before and after dated interventions.

Most have a session in the 24 months before the intervention and one 9 to 36 months after it, in which their curves are
closer to the norm. Some lack one of the two, some had only procedures other than surgery, some two operations, and some have
sessions besides: too early, too soon after the operation, or too late.
"""

from __future__ import annotations

import json
import random
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

from attrs import frozen

from .demo import add_norm, procedure
from .jobs import derived
from .rows import COMPLETE, Clip, Row, Session, Subject
from .service import Service
from .template import project_template

NAME = "lab/study"
SUBJECTS = 40
FILES = ("angles_normalized.json", "gait_params.json", "event.json")

# who differs from the rest, by number
NO_PRE = {7, 16, 28, 37}
NO_POST = {5, 14, 23, 33}
OTHER_ONLY = {9, 18, 27, 36}
TWO = {4, 12, 21, 31}
TOO_EARLY = {2, 10, 19, 30}  # a session more than 24 months before
TWO_PRE = {8, 25}
TOO_SOON = {6, 13, 22, 34}  # a session less than 9 months after
TOO_LATE = {3, 20}  # a session more than 36 months after

_MONTH = 30.4375


@frozen
class Visit:
    """A session to be: its day, the label of its record, and how much of the disorder is left."""

    day: date
    label: str
    severity: float


@frozen
class Course:
    """A subject to be: what was found, what was done, and when the gait was recorded."""

    number: int
    pattern: str
    side: str  # "Left", "Right" or "Both": the side of the disorder and of its operation
    born: date
    interventions: tuple[dict[str, Any], ...]
    visits: tuple[Visit, ...]

    @property
    def name(self) -> str:
        return f"C-{self.number:03d}"

    def recipe(self, visit: Visit, condition: str, trial: int) -> dict[str, Any]:
        """What a trial's files are made from."""
        found: dict[str, Any] = {
            "speed": "Free",
            "subject": self.name,
            "session": str(visit.day),
            "condition": condition,
            "trial": trial,
            "pattern": self.pattern,
            "severity": round(visit.severity, 3),
            "variation": 0.6,  # so that the effect of an operation stands out in each subject
        }
        if self.side != "Both":
            found["side"] = self.side
        # a new system of measurement came in 2019
        if visit.day.year >= 2019:
            found.update(labels="gcd", rows=101)
        return found


def _operation(pattern: str, side: str, number: int) -> list[dict[str, str]]:
    """The procedures for a disorder."""
    if pattern == "crouch":
        place = "Medial & Lateral" if number % 5 == 0 else "Medial"
        found = [procedure(side, "Lengthening", "Hamstrings", place)]
        if number % 2:
            found.append(procedure(side, "Transfer", "Rectus Femoris", "Distal"))
        return found
    if pattern == "stiff knee":
        return [
            procedure(side, "Transfer", "Rectus Femoris", "Distal"),
            procedure(side, "Lengthening", "Psoas"),
        ]
    if pattern == "equinus":
        return [procedure(side, "Recession", "Gastrocnemius")]
    return [procedure(side, "Osteotomy", "Femur", "Proximal", "External rotation")]


def _other(side: str) -> list[dict[str, str]]:
    """Procedures that are no surgery."""
    return [
        procedure(side, "Injection", "Gastrocnemius", "", "Botulinum toxin"),
        procedure(side, "Casting", "Ankle"),
    ]


@lru_cache(maxsize=1)
def courses() -> tuple[Course, ...]:
    """The 40 subjects, the same ones every time."""
    dice = random.Random(20190401)
    found = []
    for number in range(1, SUBJECTS + 1):
        pattern = ("crouch", "crouch", "stiff knee", "crouch", "equinus", "crouch", "in-toeing")[number % 7]
        side = "Both" if number % 4 else ("Left", "Right")[number // 4 % 2]
        operated = date(2016, 2, 1) + timedelta(days=29 * number + dice.randrange(20))
        born = operated - timedelta(days=dice.randrange(round(7 * 365.25), round(14 * 365.25)))

        def months(low: float, high: float, since: date = operated) -> date:
            days = dice.randrange(round(low * _MONTH) + 4, round(high * _MONTH) - 4)
            return since + timedelta(days=days)

        before, after = dice.uniform(0.95, 1.2), dice.uniform(0.15, 0.35)
        visits = []
        if number in TOO_EARLY:
            visits.append(Visit(months(-40, -26), "Baseline", before * 0.9))
        if number in TWO_PRE:
            visits.append(Visit(months(-23, -14), "Baseline", before * 0.95))
        if number not in NO_PRE:
            visits.append(Visit(months(-12, -1), "Pre-op", before))
        if number in TOO_SOON:
            visits.append(Visit(months(3, 7), "Follow-up", (before + after) / 2))
        done = _other(side) if number in OTHER_ONLY else _operation(pattern, side, number)
        interventions = [_intervention(1, operated, number, done)]
        if number in OTHER_ONLY:
            visits.append(Visit(months(10, 20), "Follow-up", before * 0.7))
        elif number in TWO:
            visits.append(Visit(months(10, 14), "Post-op", before * 0.6))
            again = months(18, 22)
            second = [procedure(side, "Osteotomy", "Tibia", "Distal", "Internal rotation")]
            interventions.append(_intervention(2, again, number + 1, second))
            visits.append(Visit(months(10, 16, again), "Post-op", after))
        elif number not in NO_POST:
            visits.append(Visit(months(10, 30), "Post-op", after))
        if number in TOO_LATE:
            visits.append(Visit(months(40, 50), "Follow-up", after * 1.1))
        found.append(Course(number, pattern, side, born, tuple(interventions), tuple(visits)))
    return tuple(found)


def _intervention(id: int, day: date, number: int, procedures: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "id": id,
        "date": str(day),
        "site": ("Main hospital", "Day surgery")[number % 2],
        "surgeon": f"Surgeon {'ABC'[number % 3]}",
        "procedures": procedures,
    }


def recorded() -> list[dict[str, Any]]:
    """The trials with a C3D file besides: the first of the first subject before and after the operation."""
    first = courses()[0]
    return [first.recipe(visit, "Barefoot", 1) for visit in first.visits]


def build(service: Service) -> None:
    """Make the study project."""
    store = service.store
    with store.write():
        project = service.add_project(
            NAME,
            project_template(),
            description="Synthetic subjects before and after interventions; curves drawn from Schwartz, Rozumalski and Trost "
            "(2008), with made-up disorders",
        )
        rows: list[Row] = []
        for course in courses():
            subject = _subject(service, project, course)
            rows.append(subject)
            for visit in course.visits:
                session = _session(service, project, subject, course, visit)
                rows.append(session)
                rows += _trials(service, session, course, visit)
        store.add(*rows, ordered=False)
        add_norm(service, project, "Free")


def _subject(service: Service, project: Any, course: Course) -> Any:
    values: dict[str, Any] = {
        "ehr-id": f"{50000 + 113 * course.number}",
        "subject-sex": ("Female", "Male")[course.number % 2],
        "subject-date-of-birth": str(course.born),
        "subject-diagnosis": "Cerebral palsy",
        "subject-diagnosis-laterality": course.side,
        "subject-gmfcs": ("I", "II", "II", "III")[course.number % 4],
        "interventions": list(course.interventions),
    }
    return service.store.make(
        Subject,
        project=project.id,
        name=course.name,
        metadata=json.dumps(values),
        external_id=values["ehr-id"],
        updated=f"2024-03-{1 + course.number % 28:02d}T10:00:00.000000+00:00",
    )


def _session(service: Service, project: Any, subject: Any, course: Course, visit: Visit) -> Any:
    years = (visit.day - course.born).days / 365.25
    height = round(78 + 6.2 * years)
    questions = (
        "Pre-operative"
        if visit.label == "Pre-op"
        else "Baseline"
        if visit.label == "Baseline"
        else "Follow-up"
    )
    values: dict[str, Any] = {
        "session-type": "Gait",
        "session-questions": {"value": [questions], "multiselect": True},
        "vicon-height": str(height),
        "vicon-weight": str(round(0.0016 * height**2 + 1.5)),
        "vicon-leg-length": [
            {"context": "left", "value": str(round(5.1 * height))},
            {"context": "right", "value": str(round(5.1 * height) - course.number % 4)},
        ],
    }
    return service.store.make(
        Session,
        project=project.id,
        subject=subject.id,
        path=f"/{subject.name}/{visit.day}/",
        date=f"{visit.day}T00:00:00+00:00",
        metadata=json.dumps({"metadata": values, "label": visit.label}),
        updated=f"{visit.day + timedelta(days=2)}T15:00:00.000000+00:00",
    )


def _trials(service: Service, session: Any, course: Course, visit: Visit) -> list[Row]:
    """Two or three barefoot trials; every fifth subject walked with a brace besides."""
    store = service.store
    conditions = {"Barefoot": 2 + course.number % 2}
    if course.number % 5 == 0:
        conditions["Braced"] = 2
    rows: list[Row] = []
    with_recording = recorded()
    title = 0
    for condition, count in conditions.items():
        for trial in range(1, count + 1):
            title += 1
            clip = store.make(
                Clip,
                project=session.project,
                session=session.id,
                title=f"Trial-{title}",
                created=f"{session.date[:10]}T10:{10 + 3 * title:02d}:00+00:00",
                path=f"{session.path}{condition}/",
                upload_status=COMPLETE,
            )
            recipe = course.recipe(visit, condition, trial)
            rows += [clip, *(derived(store, clip, file, recipe) for file in FILES)]
            if recipe in with_recording:
                rows.append(derived(store, clip, f"{clip.title}.c3d", {**recipe, "packed": True}))
    return rows
