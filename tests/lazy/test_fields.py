"""Field descriptors: groups, assignment, and what a touched field does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from moveshelf import Moveshelf, Project
    from moveshelf.sandbox import Sandbox


def test_attributes_cannot_be_assigned(demo: Sandbox) -> None:
    with demo.connect() as ms:
        subject = ms.projects["lab/demo"].subjects[0]
        with pytest.raises(AttributeError, match="methods that write are update_metadata"):
            subject.name = "other"  # type: ignore[misc]
        with pytest.raises(AttributeError):
            subject.nonsense = 1  # type: ignore[attr-defined]


def test_fields_of_a_group_are_fetched_together(reader: Moveshelf, project: Project) -> None:
    subject = project.subjects["P-002"]
    with reader.budget(1):
        subject.record
        subject.metadata
        subject.interventions
    with reader.budget(1):
        session = subject.sessions[0]
        session.date, session.path, session.name
        session.subject, session.project
    with reader.budget(1):
        clip = session.clips[0]
        clip.title, clip.created, clip.path, clip.upload_status, clip.session, clip.condition, clip.project
    with reader.budget(1):
        clip.description, clip.custom_options
    with reader.budget(1):
        file = clip.files[0]
        file.name, file.data_type, file.upload_status, file.clip


def test_assignment_names_the_attribute(project: Project) -> None:
    with pytest.raises(AttributeError, match="cannot be assigned"):
        project.subjects[0].name = "other"
