"""Clips: attributes, owners, and changes."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest

import moveshelf
from moveshelf import UploadStatus, ValidationError

if TYPE_CHECKING:
    from moveshelf import Moveshelf, Project, Session
    from moveshelf.sandbox import Sandbox


def test_attributes(project: Project) -> None:
    session = project.subjects["P-001"].sessions[0]
    clip = session.clips[0]
    assert (clip.title, clip.name) == ("Trial-1", "Trial-1")
    assert clip.description == "Barefoot, P-001"
    assert isinstance(clip.created, datetime)
    assert clip.created.tzinfo is timezone.utc
    assert clip.path == "/P-001/2023-01-20 pre-op/Barefoot/"
    assert clip.upload_status is UploadStatus.COMPLETE
    assert clip.has_charts is True
    assert clip.has_video is False
    assert clip.custom_options == {"trialType": "Barefoot"}
    assert session.clips[1].custom_options is None
    assert clip.project is project
    assert clip.session is session
    assert clip.condition == session.conditions["Barefoot"]
    assert clip.original is None
    assert clip.url.endswith(f"/edit/{clip.id}")


def test_a_clip_by_its_id_finds_its_owners(reader: Moveshelf, project: Project) -> None:
    session = project.subjects["P-003"].sessions[0]
    clip, file = session.clips[-1].id, session.clips[-1].files[0].id
    ids = (session.subject.id, project.id)
    path = session.path
    del session
    with moveshelf.connect(api_key=reader._config.secret.reveal(), api_url=reader.url) as other:
        again = other.clip(clip)
        assert again.session is not None
        assert again.session.path == path
        assert again.condition is not None
        assert again.condition.name == "Braced"
        assert (again.session.subject.id, again.session.project.id) == ids
        lone = other.find(file)
        assert lone.name
        with pytest.raises(moveshelf.NotFoundError, match="does not tell which clip"):
            lone.clip


def test_a_clip_finds_its_session_by_its_path(reader: Moveshelf, project: Project) -> None:
    session = project.subjects["P-003"].sessions[1]
    identity = session.clips[0].id
    with moveshelf.connect(api_key=reader._config.secret.reveal(), api_url=reader.url) as other:
        clip = other.from_url(f"https://h/edit/{identity}")
        with other.budget(4):  # itself, its project, the project's subjects, the subject's sessions
            assert clip.session.id == session.id
        with other.no_fetch():
            assert clip.condition.name == "Barefoot"
    norm = project.norms[0].clips[0]
    assert norm.session is None
    assert norm.condition is None


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"colour": "red"}, "no 'colour' that can be set"),
        ({"allowDownload": True}, "did you mean 'allow_download'"),
        ({"descripton": "x"}, "did you mean 'description'"),
        ({"description": 3}, "description of a clip is a str"),
        ({"allow_download": "yes"}, "allow_download of a clip is a bool"),
        ({"start_timecode": ("1:2:3:4", "FPS_25")}, "is no timecode"),
        ({"start_timecode": ("01:02:03:25", "FPS_25")}, "0 to 24"),
        ({"custom_options": object()}, "cannot be written as JSON"),
        ({"custom_options": "not json"}, "is neither"),
        ({"title": ""}, "title is text"),
    ],
)
def test_values_of_a_clip_are_checked(ms: Moveshelf, session: Session, metadata: Any, words: str) -> None:
    clip = session.create_clip("there")
    with ms.no_fetch():
        with pytest.raises(ValidationError, match=words):
            clip.update(**metadata)
        title = metadata.pop("title", "x")
        with pytest.raises(ValidationError, match=words):
            session.create_clip(title, **metadata)


def test_update(shared: Sandbox, ms: Moveshelf, session: Session) -> None:
    clip = session.create_clip("a", "Barefoot", description="old")
    condition = clip.condition
    assert condition is not None
    view = condition.clips
    assert len(view) == 1
    len(session.clips)
    with ms.budget(1):
        assert clip.update(title="b", start_timecode=("01:02:03;04", 29.97)) is clip
    with ms.no_fetch():
        assert (clip.title, clip.name, clip.description) == ("b", "b", "old")
        assert session.clips["b"] is clip
        assert "a" not in session.clips
        assert view["b"] is clip
        clip.update()
    sent = shared.requests.of("updateClip")[-1].variables["input"]["metadata"]
    assert sent == {"title": "b", "startTimecode": {"timecode": "01:02:03;04", "framerate": "FPS_29_97"}}
    with ms.budget(1):
        clip.update(condition="Braced", description="", custom_options='{"a": 1}')
    with ms.no_fetch():
        assert clip.path == "/P-1/2026-03-01/Braced/"
        assert session.conditions.names() == ["Braced"]
        assert len(view) == 0
        assert (clip.description, clip.custom_options) == ("", {"a": 1})
    with pytest.raises(ValidationError, match="another session"):
        clip.update(condition=session.subject.create_session("b").condition("Braced"))
