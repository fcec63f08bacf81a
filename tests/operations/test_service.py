"""The one door to the service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.racing import lose
from support.schema import check_valid

import moveshelf
from moveshelf.sandbox import Sandbox

if TYPE_CHECKING:
    from moveshelf import Moveshelf, Project
    from moveshelf.sandbox import Sandbox


def test_an_unknown_outcome_unloads_what_may_have_changed(
    shared: Sandbox, ms: Moveshelf, empty_project: Project
) -> None:
    len(empty_project.subjects)
    lose(shared, "createPatient")
    with pytest.raises(moveshelf.OutcomeUnknownError):
        empty_project.create_subject("A")
    shared.clear_faults()
    assert empty_project.subjects.names() == ["A"]
    subject = empty_project.create_subject("A", exist_ok=True)
    assert subject.metadata == {}
    shared.fail("updatePatient", drop="after")
    shared.fail("SubjectStored", status=403)
    with pytest.raises(moveshelf.OutcomeUnknownError):
        subject.update_metadata({"subject-sex": "Male"})
    shared.clear_faults()
    assert subject.metadata == {"subject-sex": "Male"}
    session = subject.create_session("s")
    shared.fail("updateSession", drop="after")
    shared.fail("SessionPath", status=403)
    with pytest.raises(moveshelf.OutcomeUnknownError):
        session.rename("t")
    shared.clear_faults()
    assert session.name == "t"


def test_every_request_of_a_tour_is_valid(demo: Sandbox) -> None:
    demo.requests.clear()
    with demo.connect() as ms:
        project = ms.projects["lab/demo"]
        project.find_subjects({"subject-sex": "Male"}, {"min": 1})
        project.find_sessions(
            "2023-01-01", where={"session-type": "Gait"}, subject_where={"subject-sex": "Male"}
        )
        project.subject_by_ehr_id("4237")
        len(project.clips)
        ms.find(project.norms[0].id)
        project.subjects.load("sessions.clips.files", "metadata", "sessions.reports")
        project.load("sessions", "template", "norms.clips")
        project.subjects[0].sessions[0].download("nowhere", dry_run=True)
    assert len(demo.requests) > 8
    for request in demo.requests.graphql:
        assert request.status == 200
        assert request.operation, "every request has a name"
        check_valid(request.query or "")
        assert "n0: " in (request.query or ""), "every query has aliases of its own"
