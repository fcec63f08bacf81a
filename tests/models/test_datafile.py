"""Data files: attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moveshelf import DataType, UploadStatus

if TYPE_CHECKING:
    from moveshelf import Project


def test_attributes(project: Project) -> None:
    clip = project.subjects["P-001"].sessions[0].clips[0]
    file = clip.files["event.json"]
    assert file.name == "event.json"
    assert file.data_type is DataType.EVENT
    assert clip.files["angles.json"].data_type is DataType.DATA
    assert file.upload_status is UploadStatus.COMPLETE
    assert file.clip is clip
