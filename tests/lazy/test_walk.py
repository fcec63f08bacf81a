"""What a walk costs: requests counted by the service, not by us."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import moveshelf

from .growing import Shape, even, grow, least, walk, wanted

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox

SMALL = (40, 4, 5, 3)
LARGE = (200, 3, 8, 4)
LIMITS = {SMALL: 16, LARGE: 70}
LEAST = {SMALL: 13, LARGE: 58}


@pytest.fixture(scope="module")
def projects(shared: Sandbox) -> dict[tuple[int, ...], str]:
    made = {}
    for shape in (SMALL, LARGE):
        subjects, sessions, clips, files = shape
        made[shape] = shared.generate(subjects=subjects, sessions=sessions, clips=clips, files=files)
    return made


def operations(sandbox: Sandbox) -> Counter[str]:
    return Counter(str(request.operation) for request in sandbox.requests.snapshot())


def asked(sandbox: Sandbox) -> int:
    return len(sandbox.requests.snapshot())


def settle(ms: moveshelf.Moveshelf) -> None:
    """Wait until nothing is on its way any more."""
    for chunk in list(ms._engine.loader.in_flight.values()):
        chunk.wait()
    if ms._engine.loader.in_flight:
        settle(ms)


@pytest.fixture(scope="module")
def names(shared: Sandbox, projects: dict[tuple[int, ...], str]) -> dict[tuple[int, ...], list[str]]:
    """The truth, by one hand-written query."""
    found = {}
    for shape, name in projects.items():
        with shared.connect() as ms:
            identity = ms.projects[name].id
            data = ms.execute(
                "query Truth($id: ID!) { node(id: $id) { ... on Project { patientsList { sessions { clips { "
                "additionalData { id } } } } } } }",
                {"id": identity},
            )
        found[shape] = [
            file["id"]
            for subject in data["node"]["patientsList"]
            for session in subject["sessions"]
            for clip in session["clips"]
            for file in clip["additionalData"]
        ]
    return found


def full(project: Any) -> list[str]:
    return [
        file.id
        for subject in project.subjects
        for session in subject.sessions
        for clip in session.clips
        for file in clip.files
        if file.name
    ]


@pytest.mark.parametrize("shape", [SMALL, LARGE])
def test_the_nested_loop_costs_the_least_possible(
    shared: Sandbox, projects: Any, names: Any, shape: tuple[int, ...]
) -> None:
    with shared.connect() as ms:
        shared.requests.clear()
        assert full(ms.projects[projects[shape]]) == names[shape]
        assert asked(shared) == LEAST[shape], operations(shared)
        assert asked(shared) <= LIMITS[shape]
        with ms.no_fetch():
            assert full(ms.projects[projects[shape]]) == names[shape]


def by_conditions(project: Any) -> list[str]:
    return [
        file.id
        for subject in project.subjects
        for session in subject.sessions
        for condition in session.conditions
        for clip in condition.clips
        for file in clip.files
        if file.name
    ]


def by_condition_names(project: Any) -> list[str]:
    found = []
    for subject in project.subjects:
        for session in subject.sessions:
            for name in session.conditions.names():
                for clip in session.conditions[name].clips:
                    found += [file.id for file in clip.files if file.name]
    return found


def by_zip(project: Any) -> list[str]:
    found = []
    for subject, _ in zip(project.subjects, range(10**6), strict=False):
        for number, session in enumerate(subject.sessions):
            for clip, name in zip(session.clips, session.clips.names(), strict=True):
                assert clip.title == name
                assert number < len(subject.sessions)
                found += [file.id for file in clip.files if file.name]
    return found


def by_comprehensions(project: Any) -> list[str]:
    sessions = [session for subject in project.subjects for session in subject.sessions]
    clips = [clip for session in sessions for clip in session.clips]
    return [file.id for clip in clips for file in clip.files]


def by_lists_of_lists(project: Any) -> list[str]:
    nested = [
        [[list(clip.files) for clip in session.clips] for session in one.sessions] for one in project.subjects
    ]
    return [file.id for one in nested for two in one for three in two for file in three]


def interleaved(project: Any) -> list[str]:
    first, second = iter(walk_objects(project)), iter(walk_objects(project))
    found: list[str] = []
    other: list[str] = []
    while True:
        one, two, three = next(first, None), next(second, None), next(first, None)
        found += [file.id for file in (one, three) if file is not None]
        other += [two.id] if two is not None else []
        if one is None and two is None:
            break
    other += [file.id for file in second]
    assert other == found
    return found


def walk_objects(project: Any) -> Any:
    for subject in project.subjects:
        for session in subject.sessions:
            for clip in session.clips:
                yield from clip.files


def sorted_by_name(project: Any) -> list[str]:
    found = {}
    for subject in sorted(project.subjects, key=lambda one: one.name, reverse=True):
        found[subject.name] = [f.id for s in subject.sessions for clip in s.clips for f in clip.files]
    return [identity for subject in project.subjects for identity in found[subject.name]]


WAYS = [
    by_conditions,
    by_condition_names,
    by_zip,
    by_comprehensions,
    by_lists_of_lists,
    interleaved,
    sorted_by_name,
]


@pytest.mark.parametrize("shape", [SMALL, LARGE])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_every_way_of_walking(
    shared: Sandbox, projects: Any, names: Any, shape: tuple[int, ...], way: Any
) -> None:
    with shared.connect() as ms:
        shared.requests.clear()
        found = way(ms.projects[projects[shape]])
        assert sorted(found) == sorted(names[shape])
        if way not in (by_conditions, by_condition_names):
            assert found == names[shape]
        assert asked(shared) <= 1.5 * LIMITS[shape], operations(shared)
        with ms.no_fetch():
            assert full(ms.projects[projects[shape]]) == names[shape]


@pytest.mark.parametrize("shape", [SMALL, LARGE])
def test_eight_threads_walk_at_once(
    shared: Sandbox, projects: Any, names: Any, shape: tuple[int, ...]
) -> None:
    with shared.connect() as ms:
        shared.requests.clear()
        project = ms.projects[projects[shape]]
        start = threading.Barrier(8)

        def run(_: int) -> list[str]:
            start.wait()
            return full(project)

        with ThreadPoolExecutor(8) as pool:
            for found in pool.map(run, range(8)):
                assert found == names[shape]
        assert asked(shared) <= 1.5 * LIMITS[shape], operations(shared)


@pytest.mark.parametrize("shape", [SMALL, LARGE])
def test_eight_threads_share_the_subjects(
    shared: Sandbox, projects: Any, names: Any, shape: tuple[int, ...]
) -> None:
    with shared.connect() as ms:
        shared.requests.clear()

        def below(subject: Any) -> list[str]:
            return [
                f.id for session in subject.sessions for clip in session.clips for f in clip.files if f.name
            ]

        with ThreadPoolExecutor(8) as pool:
            found = [one for part in pool.map(below, ms.projects[projects[shape]].subjects) for one in part]
        assert found == names[shape]
        assert asked(shared) <= 1.5 * LIMITS[shape], operations(shared)


def test_metadata_in_a_loop(shared: Sandbox, projects: Any) -> None:
    with shared.connect() as ms:
        project = ms.projects[projects[LARGE]]
        len(project.subjects)
        shared.requests.clear()
        for subject in project.subjects:
            assert isinstance(subject.metadata, dict)
            assert isinstance(subject.interventions, list)
        assert asked(shared) == 2


def test_a_loop_over_sessions_reaches_their_subjects(shared: Sandbox, projects: Any) -> None:
    with shared.connect() as ms:
        project = ms.projects[projects[LARGE]]
        len(project.sessions)
        shared.requests.clear()
        for session in project.sessions:
            assert session.path.startswith(f"/{session.subject.name}/")
            assert isinstance(session.subject.metadata, dict)
        assert operations(shared)["SessionSubject"] == 6
        assert asked(shared) <= 6 + 10, operations(shared)


def test_an_index_asks_for_one_object_a_level(shared: Sandbox, projects: Any) -> None:
    for shape in (SMALL, LARGE):
        with shared.connect() as ms:
            project = ms.projects[projects[shape]]
            assert len(project.subjects)
            shared.requests.clear()
            assert len(project.subjects[0].sessions[0].clips[0].files) == shape[3]
            settle(ms)
            sent = shared.requests.snapshot()
            assert [request.operation for request in sent] == ["SubjectSessions", "SessionClips", "ClipFiles"]
            for request in sent:
                assert len(request.variables) == 1
            loaded = [one for one in project.subjects._members() if one.is_loaded("sessions")]
            assert loaded == [project.subjects[0]]


def test_names_ask_for_one_object_a_level(demo: Sandbox) -> None:
    with demo.connect() as ms:
        subject = ms.projects["lab/demo"].subjects[0].name
        before = ms.stats.requests
        session = ms.projects["lab/demo"].subjects[subject].sessions[-1]
        clip = session.conditions["Barefoot"].clips["Trial-1"]
        assert clip.files["event.json"].name == "event.json"
        assert ms.stats.requests - before == 3


def test_an_index_window_grows_with_its_neighbours(shared: Sandbox, projects: Any) -> None:
    with shared.connect() as ms:
        project = ms.projects[projects[LARGE]]
        len(project.subjects)
        shared.requests.clear()
        for number in range(200):
            assert len(project.subjects[number].sessions) == 3
        assert [len(request.variables) for request in shared.requests.snapshot()] == [1, 8, 64, 100, 27]


def test_an_index_in_a_loop_grows_too(shared: Sandbox, projects: Any) -> None:
    with shared.connect() as ms:
        project = ms.projects[projects[LARGE]]
        len(project.subjects)
        shared.requests.clear()
        for subject in project.subjects:
            assert len(subject.sessions[-1].clips) == 8
        sent = shared.requests.of("SessionClips")
        assert sum(len(request.variables) for request in sent) == 200
        assert len(sent) <= 6
        assert asked(shared) <= 8


def test_scattered_names_fetch_only_themselves(shared: Sandbox, projects: Any) -> None:
    with shared.connect() as ms:
        project = ms.projects[projects[LARGE]]
        names = project.subjects.names()
        shared.requests.clear()
        for number in (150, 7, 99, 30):
            len(project.subjects[names[number]].sessions)
        assert [len(request.variables) for request in shared.requests.snapshot()] == [1, 1, 1, 1]


@pytest.mark.parametrize("shape", [SMALL, LARGE])
def test_a_break_after_the_first_subject_reads_little_ahead(
    shared: Sandbox, projects: Any, shape: tuple[int, ...]
) -> None:
    with shared.connect() as ms:
        shared.requests.clear()
        for subject in ms.projects[projects[shape]].subjects:
            for session in subject.sessions:
                for clip in session.clips:
                    assert len(clip.files) == shape[3]
            break
        settle(ms)
        assert asked(shared) <= 5 + 8, operations(shared)


def test_a_window_never_reads_more_than_eight_chunks_ahead(shared: Sandbox, projects: Any) -> None:
    with shared.connect() as ms:
        project = ms.projects[projects[LARGE]]
        project.subjects.load("sessions.clips")
        shared.requests.clear()
        clips = (clip for one in project.subjects for session in one.sessions for clip in session.clips)
        for number, clip in enumerate(clips):
            len(clip.files)
            settle(ms)
            assert asked(shared) <= number // 100 + 1 + 8
        assert asked(shared) == 48


def test_load_costs_no_more_than_the_loop(shared: Sandbox, projects: Any, names: Any) -> None:
    for shape in (SMALL, LARGE):
        with shared.connect() as ms:
            project = ms.projects[projects[shape]]
            subjects = project.subjects
            len(subjects)
            shared.requests.clear()
            assert subjects.load("sessions.clips.files") is subjects
            assert asked(shared) <= LEAST[shape] - 2
            with ms.no_fetch():
                assert full(project) == names[shape]
                subjects.load("sessions.clips.files", "sessions")


def test_load_of_what_is_partly_there(shared: Sandbox, projects: Any, names: Any) -> None:
    with shared.connect() as ms:
        project = ms.projects[projects[SMALL]]
        for subject in project.subjects[:10]:
            for session in subject.sessions:
                len(session.clips)
        shared.requests.clear()
        project.load("subjects.sessions.clips.files", "subjects.metadata", "template")
        assert asked(shared) <= 12
        with ms.no_fetch():
            assert full(project) == names[SMALL]
            assert all(isinstance(subject.metadata, dict) for subject in project.subjects)
            assert project.template is None or project.template.name is not None


def test_load_through_conditions_and_upwards(shared: Sandbox, projects: Any) -> None:
    with shared.connect() as ms:
        session = ms.projects[projects[SMALL]].subjects[3].sessions[1]
        session.load("conditions.clips.files")
        session.load("subject.metadata")
        with ms.no_fetch():
            assert sum(len(clip.files) for one in session.conditions for clip in one.clips) == 15
            assert isinstance(session.subject.metadata, dict)
    with shared.connect() as ms, pytest.raises(moveshelf.ValidationError, match="no attribute 'nonsense'"):
        ms.projects[projects[SMALL]].subjects.load("sessions.nonsense")


counts = st.integers(0, 3)
shapes = st.lists(st.lists(st.lists(counts, max_size=4), max_size=4), max_size=25)
wide = st.builds(even, st.integers(0, 130), st.integers(0, 2), st.integers(0, 2), st.integers(0, 1))


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(shape=st.one_of(shapes, wide))
def test_any_shape_costs_little_more_than_the_least(shared: Sandbox, shape: Shape) -> None:
    with shared.connect() as ms:
        project = shared.generate(subjects=0, sessions=0, clips=0, files=0)
        grow(ms, project, shape)
    with shared.connect() as ms:
        shared.requests.clear()
        assert list(walk(ms.projects[project])) == wanted(shape)
        assert asked(shared) <= 1.2 * least(shape) + 3, operations(shared)
    with shared.connect() as ms:
        subjects = ms.projects[project].subjects
        len(subjects)
        shared.requests.clear()
        subjects.load("sessions.clips.files")
        assert asked(shared) <= max(least(shape) - 2, 1) + 1
        with ms.no_fetch():
            assert list(walk(ms.projects[project])) == wanted(shape)


def test_sparse_parents_fill_their_childrens_chunks(shared: Sandbox) -> None:
    """One session for every third subject: chunks of sessions wait for the subjects' next chunks to be filled."""
    shape: Shape = [[[1]] if number % 3 == 0 else [] for number in range(900)]
    with shared.connect() as ms:
        project = shared.generate(subjects=0, sessions=0, clips=0, files=0)
        grow(ms, project, shape)
    with shared.connect() as ms:
        shared.requests.clear()
        assert list(walk(ms.projects[project])) == wanted(shape)
        assert asked(shared) <= 1.2 * least(shape) + 3, (operations(shared), least(shape))


def test_the_line_that_names_what_is_on_the_path(demo: Sandbox) -> None:
    with demo.connect() as ms:
        project = ms.projects["lab/demo"]
        for subject in project.subjects:
            for session in subject.sessions:
                for clip in session.conditions["Barefoot"].clips:
                    assert "angles.json" in clip.files
        angles = project.subjects[0].sessions[-1].clips["Trial-1"].files["angles.json"].json()
        assert list(angles) == ["data"]
