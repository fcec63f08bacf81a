"""Jobs: waiting for what the service computes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import moveshelf
from moveshelf import JobStatus, ValidationError
from moveshelf.errors import JobFailedError, JobTimeoutError

if TYPE_CHECKING:
    from moveshelf import Moveshelf, Session
    from moveshelf.sandbox import Sandbox


def test_an_unknown_job(reader: Moveshelf) -> None:
    with pytest.raises(moveshelf.NotFoundError):
        reader.job("Sm9iAAAAAAAA").status


def add_motion_files(ms: Moveshelf, recorded_session: Session) -> None:
    """Give every trial a motion file, so that there is something to process."""
    import urllib.request

    for clip in recorded_session.clips:
        made = ms.execute(
            "mutation Add($i: CreateAdditionalDataInput) { createAdditionalData(input: $i) { uploadUrl } }",
            {"i": {"clipId": clip.id, "dataType": "motion", "filename": "walk.c3d", "crc32c": "AAAAAA=="}},
        )["createAdditionalData"]
        urllib.request.urlopen(urllib.request.Request(made["uploadUrl"], data=b"", method="PUT")).close()


def test_a_job_attaches_files(shared: Sandbox, ms: Moveshelf, recorded_session: Session) -> None:
    add_motion_files(ms, recorded_session)
    recorded_session.load("clips.files")
    seen: list[JobStatus] = []
    shared.requests.clear()
    job = recorded_session.process_gait_tool("Gait")
    (request,) = shared.requests.of("processGaitTool")
    assert request.variables == {"clips": recorded_session.clips.ids(), "trialType": "Gait"}
    assert job.wait(progress=lambda one: seen.append(one.status)) is job
    assert seen == [JobStatus.PENDING, JobStatus.PROCESSING, JobStatus.COMPLETE]
    assert job.result
    assert job.description
    for clip in recorded_session.clips:
        assert {"angles.json", "event.json"} <= set(clip.files.names())


def test_refresh_in_a_loop(ms: Moveshelf, recorded_session: Session) -> None:
    add_motion_files(ms, recorded_session)
    clip = recorded_session.clips[0]
    before = clip.files.names()
    job = recorded_session.process_gait_tool(clips=clip)
    while not job.status.is_finished:
        assert clip.files.names() == before
        job.refresh()
    assert clip.files.names() != before


def test_a_job_that_fails(shared: Sandbox, ms: Moveshelf, recorded_session: Session) -> None:
    shared.fail(fail_job="The markers were swapped.")
    job = recorded_session.process_gait_tool("Gait")
    with pytest.raises(JobFailedError, match=r"markers were swapped") as caught:
        job.wait(timeout=30)
    assert caught.value.result == "The markers were swapped."
    assert isinstance(caught.value, moveshelf.MoveshelfError)
    assert job.status is JobStatus.FAILED


def test_a_job_that_takes_too_long(recorded_session: Session) -> None:
    job = recorded_session.process_gait_tool("Gait")
    with pytest.raises(JobTimeoutError, match="goes on") as caught:
        job.wait(timeout=0)
    assert isinstance(caught.value, TimeoutError)
    with pytest.raises(JobFailedError):  # nothing to process
        job.wait()


def test_unknown_statuses_count_as_unfinished(
    shared: Sandbox, ms: Moveshelf, recorded_session: Session
) -> None:
    job = recorded_session.process_gait_tool("Gait")
    unknown = JobStatus("Cooking")
    assert not unknown.is_finished
    assert not unknown.is_known
    assert unknown == "Cooking"
    ms._engine.cache.put(job, type(job).fields["status"], None)
    assert not job.is_finished


@pytest.mark.parametrize(("timeout", "progress"), [("5", None), (-1, None), (True, None), (1, 3), (1, "yes")])
def test_arguments_of_wait_are_checked(
    ms: Moveshelf, recorded_session: Session, timeout: Any, progress: Any
) -> None:
    job = recorded_session.process_gait_tool("Gait")
    with ms.no_fetch(), pytest.raises(ValidationError):
        job.wait(timeout, progress)


def test_progress_on_a_terminal(recorded_session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(JobFailedError):
        recorded_session.process_gait_tool("Gait").wait(progress=True)
    told = capsys.readouterr().err
    assert "Pending" in told
    assert told.endswith("\n")
    with pytest.raises(JobFailedError):
        recorded_session.process_gait_tool("Gait").wait()
    assert capsys.readouterr().err == ""
