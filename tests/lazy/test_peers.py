"""Peers: the members of one level of a traversal, across parents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support.growing import Shape, grow, least, walk, wanted
from support.walks import LARGE, operation_counts, request_count

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox


def test_links_upwards_are_fetched_in_batches(shared: Sandbox, projects: Any) -> None:
    with shared.connect() as ms:
        project = ms.projects[projects[LARGE]]
        len(project.sessions)
        shared.requests.clear()
        for session in project.sessions:
            assert session.path.startswith(f"/{session.subject.name}/")
            assert isinstance(session.subject.metadata, dict)
        assert operation_counts(shared)["SessionSubject"] == 6
        assert request_count(shared) <= 6 + 10, operation_counts(shared)


def test_batches_are_filled_across_sparse_parents(shared: Sandbox) -> None:
    """One session for every third subject: batches of sessions are filled from the next batches of subjects."""
    shape: Shape = [[[1]] if number % 3 == 0 else [] for number in range(900)]
    with shared.connect() as ms:
        project = shared.generate(subjects=0, sessions=0, clips=0, files=0)
        grow(ms, project, shape)
    with shared.connect() as ms:
        shared.requests.clear()
        assert list(walk(ms.projects[project])) == wanted(shape)
        assert request_count(shared) <= 1.2 * least(shape) + 3, (operation_counts(shared), least(shape))
