"""Files of clips as transfers see the service: what is not certain is looked at, and not done twice."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from moveshelf.errors import OutcomeUnknownError, TransferError
from moveshelf.models import Clip, Project
from moveshelf.operations.files import ClipFiles, DataFiles
from moveshelf.sandbox import Sandbox
from moveshelf.transfer import upload
from moveshelf.transfer.file_service import CreatedFile
from moveshelf_api.api import MoveshelfApi


@pytest.fixture
def project(sandbox: Sandbox) -> Project:
    ms = sandbox.connect()
    return ms.projects[sandbox.generate(subjects=1, sessions=1, clips=1, files=1)]


@pytest.fixture
def clip(project: Project) -> Clip:
    return project.subjects[0].sessions[0].clips[0]


def spoil_ids(monkeypatch: pytest.MonkeyPatch, kind: type[DataFiles]) -> list[int]:
    """The ids of created files arrive spoilt; how many were created."""
    create = kind.create
    created: list[int] = []

    async def spoilt(self: Any, specs: Any) -> Any:
        found = await create(self, specs)
        created.append(len(found))
        return [CreatedFile(f"{one.id}x", one.upload_url) for one in found if isinstance(one, CreatedFile)]

    monkeypatch.setattr(kind, "create", spoilt)
    return created


def test_a_file_whose_id_came_spoilt_is_found_and_not_created_twice(
    clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    created = spoil_ids(monkeypatch, DataFiles)
    (tmp_path / "a.csv").write_text("1,2")
    file = clip.upload(tmp_path / "a.csv", progress=False)
    assert created == [1]
    assert [one.id for one in clip.refresh().files if one.name == "a.csv"] == [file.id]
    assert file.read_bytes() == b"1,2"


def test_a_clip_whose_id_came_spoilt_is_not_created_twice(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    created = spoil_ids(monkeypatch, ClipFiles)
    (tmp_path / "a.mp4").write_bytes(b"video")
    with pytest.raises(OutcomeUnknownError, match="under another id: look first"):
        project.upload_clip(tmp_path / "a.mp4", title="Sent", progress=False)
    assert created == [1]
    assert [one.title for one in project.refresh().clips].count("Sent") == 1


def nobody_stores(monkeypatch: pytest.MonkeyPatch, times: int) -> list[int]:
    """A proxy responds to so many PUTs with an empty 200 in place of the store."""
    exchange = upload._Sending._exchange
    sent: list[int] = []

    async def empty(self: Any, body: Any) -> str | None:
        sent.append(1)
        return None if len(sent) <= times else await exchange(self, body)

    monkeypatch.setattr(upload._Sending, "_exchange", empty)
    return sent


def test_a_flat_upload_that_nobody_vouches_for_is_sent_again(
    sandbox: Sandbox, clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = nobody_stores(monkeypatch, 1)
    (tmp_path / "a.csv").write_text("1,2")
    with MoveshelfApi(api_key_file=sandbox.key_file, api_url=sandbox.api_url) as api:
        identity = api.uploadAdditionalData(str(tmp_path / "a.csv"), clip.id, "data", "a.csv")
    assert len(sent) == 2
    assert clip.refresh().files["a.csv"].id == identity
    assert clip.files["a.csv"].read_bytes() == b"1,2"


def test_a_flat_upload_that_was_never_stored_is_not_done(
    sandbox: Sandbox, clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody_stores(monkeypatch, 99)
    (tmp_path / "a.csv").write_text("1,2")
    with (
        MoveshelfApi(api_key_file=sandbox.key_file, api_url=sandbox.api_url) as api,
        pytest.raises(TransferError, match=r"had no checksum.*lists it as Pending"),
    ):
        api.uploadAdditionalData(str(tmp_path / "a.csv"), clip.id, "data", "a.csv")


def test_planning_a_download_is_interrupted_at_once(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C does not wait for the listing that is on its way beside."""
    project = sandbox.connect().projects[sandbox.generate(subjects=1)]
    begun, free, ended = threading.Event(), threading.Event(), []

    def clips(self: Project) -> list[Any]:
        begun.set()
        free.wait(30)
        ended.append(1)
        return []

    def interrupted(self: Project, *paths: str) -> None:
        begun.wait(30)
        raise KeyboardInterrupt

    monkeypatch.setattr(Project, "clips", property(clips))
    monkeypatch.setattr(Project, "load", interrupted)
    with pytest.raises(KeyboardInterrupt):
        next(project._located_files())
    assert not ended
    free.set()
