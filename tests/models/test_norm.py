"""Norms: attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moveshelf import UploadStatus

if TYPE_CHECKING:
    from moveshelf import Project


def test_attributes(project: Project) -> None:
    norm = project.norms["Own laboratory"]
    assert norm.status == "Complete"
    assert norm.upload_status is UploadStatus.COMPLETE
    assert norm.path == "/P-003/2023-02-11/Barefoot/"
    session = project.subjects["P-003"].sessions["2023-02-11"]
    assert list(norm.clips) == list(session.conditions["Barefoot"].clips)
    assert list(session.norms) == [norm]
    assert list(project.subjects["P-001"].sessions[0].norms) == []
