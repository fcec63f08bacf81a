"""Any sequence of writes: what the writing client holds is what the service has, seen by a new client."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moveshelf import ConflictError

if TYPE_CHECKING:
    from moveshelf import Project
    from moveshelf.sandbox import Sandbox


_numbers = count(1)
NAMES = ("a", "b", "c")
DATES = ("2026-01-01", "2026-02-01", "2026-03-01")
small = st.integers(0, 5)
steps = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "subject", "session", "clip", "rename", "date", "subject metadata", "session metadata", "update",
                "move", "delete subject", "delete session", "delete clip", "delete condition", "read", "listings",
                "refresh",
            ]
        ),
        small,
        small,
        small,
    ),
    max_size=14,
)  # fmt: skip


def pick(members: Any, number: int) -> Any:
    return members[number % len(members)] if len(members) else None


def step(project: Project, held: list[Any], kind: str, i: int, j: int, k: int) -> None:
    """One step; what cannot be done (no such object, a name that is taken) is left out."""
    subject = pick(project.subjects, i)
    if kind == "subject":
        held.append(project.create_subject(NAMES[i % 3]))
    elif kind == "listings":
        held += [project.sessions[0:], project.clips[0:]]
    elif subject is None:
        return
    elif kind == "session":
        held.append(subject.create_session(NAMES[j % 3], DATES[k % 3] if k < 3 else None))
    elif kind == "subject metadata":
        subject.update_metadata({"subject-notes": f"{j}", "ehr-id": f"{k}"}, overwrite=bool(j % 2))
    elif kind == "delete subject":
        subject.delete()
    elif kind == "refresh":
        subject.refresh()
    session = None if subject is None or subject.is_deleted else pick(subject.sessions, j)
    if session is None:
        return
    if kind == "clip":
        held.append(session.create_clip(condition=(None, "x", "y")[k % 3]))
    elif kind == "rename":
        session.rename(NAMES[k % 3])
    elif kind == "date":
        session.set_date(DATES[k % 3])
    elif kind == "session metadata":
        session.update_metadata({"session-clinician": f"{k}"}, overwrite=True)
    elif kind == "delete session":
        session.delete()
    elif kind == "delete condition" and len(session.conditions):
        pick(session.conditions, k).delete_clips()
    elif kind == "read":
        held += [session.clips[0:], session.metadata, session.conditions.names()]
    clip = pick(session.clips, k) if not session.is_deleted else None
    if clip is None:
        return
    if kind == "update":
        clip.update(title=f"t{i}", description=f"d{j}")
    elif kind == "move":
        clip.update(condition=("x", "y")[i % 2])
    elif kind == "delete clip":
        clip.delete()


def state(project: Project) -> Any:
    """All that can be seen."""
    return {
        "subjects": [
            (
                subject.id,
                subject.name,
                subject.ehr_id,
                subject.updated,
                subject.metadata,
                [
                    (
                        session.id,
                        session.name,
                        session.path,
                        session.date,
                        session.updated,
                        session.metadata,
                        [
                            (clip.id, clip.title, clip.path, clip.description, clip.created, clip.session.id)
                            for clip in session.clips
                        ],
                        [(one.name, one.clips.ids()) for one in session.conditions],
                        session.reports.ids(),
                    )
                    for session in subject.sessions
                ],
            )
            for subject in project.subjects
        ],
        "sessions": sorted(project.sessions.ids()),
        "clips": sorted(project.clips.ids()),
    }


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_any_sequence_of_writes(shared: Sandbox, sequence: list[tuple[str, int, int, int]]) -> None:
    name = f"lab/sequence-{next(_numbers)}"
    identity = shared.add_project(name)
    with shared.connect() as ms, shared.connect() as fresh:
        project = ms.project(identity)
        held: list[Any] = []
        for one in sequence:
            try:
                step(project, held, *one)
            except ConflictError as error:
                if "already" not in str(error):
                    raise
        seen = state(project)
        assert seen == state(fresh.project(identity))
        with ms.no_fetch():
            assert state(project) == seen
