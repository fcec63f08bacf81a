"""Objects that tests of models read and write."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from moveshelf import Moveshelf, Project, Session, Subject
    from moveshelf.sandbox import Sandbox

_numbers = count(1)


@pytest.fixture(autouse=True, scope="module")
def _locks(own_locks: None) -> None:
    """Tests here count the requests of writes."""


@pytest.fixture
def recorded_session(shared: Sandbox, ms: Moveshelf, monkeypatch: pytest.MonkeyPatch) -> Session:
    """A session of two trials in each of two conditions."""
    from moveshelf.operations import processing

    monkeypatch.setattr(processing, "FIRST_PAUSE", 0.01)
    name = shared.generate(subjects=1, sessions=1, clips=4, files=1, name=f"lab/recorded-{next(_numbers)}")
    return ms.projects[name].subjects[0].sessions[0]


@pytest.fixture
def other(shared: Sandbox) -> Iterator[Moveshelf]:
    """The client of another user."""
    with shared.connect() as client:
        yield client


@pytest.fixture
def subject(empty_project: Project) -> Subject:
    return empty_project.create_subject("P-1")


@pytest.fixture
def session(subject: Subject) -> Session:
    return subject.create_session("2026-03-01")
