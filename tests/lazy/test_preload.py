"""load("sessions.clips.files"): several levels in few requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.growing import walk
from support.walks import LARGE, LEAST, SMALL, nested_loops, request_count

import moveshelf

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox


def test_load_sends_no_more_requests_than_the_loop(shared: Sandbox, projects: Any, file_ids: Any) -> None:
    for shape in (SMALL, LARGE):
        with shared.connect() as ms:
            project = ms.projects[projects[shape]]
            subjects = project.subjects
            len(subjects)
            shared.requests.clear()
            assert subjects.load("sessions.clips.files") is subjects
            assert request_count(shared) <= LEAST[shape] - 2
            with ms.no_fetch():
                assert nested_loops(project) == file_ids[shape]
                subjects.load("sessions.clips.files", "sessions")


def test_load_fetches_only_what_is_not_loaded(shared: Sandbox, projects: Any, file_ids: Any) -> None:
    with shared.connect() as ms:
        project = ms.projects[projects[SMALL]]
        for subject in project.subjects[:10]:
            for session in subject.sessions:
                len(session.clips)
        shared.requests.clear()
        project.load("subjects.sessions.clips.files", "subjects.metadata", "template")
        assert request_count(shared) <= 12
        with ms.no_fetch():
            assert nested_loops(project) == file_ids[SMALL]
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


def test_load_completes_where_responses_are_limited(sandbox: Sandbox) -> None:
    name = sandbox.generate(subjects=30, sessions=4, clips=5, files=3)
    sandbox.fail(max_objects=40)
    with sandbox.connect() as ms:
        ms.projects[name].subjects.load("sessions.clips.files")
        with ms.no_fetch():
            assert len(list(walk(ms.projects[name]))) == 30 * 4 * 5 * 3
