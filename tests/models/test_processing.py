"""Jobs and reports."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

import moveshelf
from moveshelf import JobStatus, ValidationError
from moveshelf.errors import JobFailedError, JobTimeoutError
from moveshelf.models import ReportType

if TYPE_CHECKING:
    from moveshelf import Moveshelf, Session
    from moveshelf.sandbox import Sandbox

_numbers = count(1)


@pytest.fixture
def session(shared: Sandbox, ms: Moveshelf, monkeypatch: pytest.MonkeyPatch) -> Session:
    """A session of two trials in each of two conditions."""
    from moveshelf.operations import processing

    monkeypatch.setattr(processing, "FIRST_PAUSE", 0.01)
    name = shared.generate(subjects=1, sessions=1, clips=4, files=1, name=f"lab/jobs-{next(_numbers)}")
    return ms.projects[name].subjects[0].sessions[0]


def add_motion(ms: Moveshelf, session: Session) -> None:
    """Give every trial a motion file, so that there is something to process."""
    import urllib.request

    for clip in session.clips:
        made = ms.execute(
            "mutation Add($i: CreateAdditionalDataInput) { createAdditionalData(input: $i) { uploadUrl } }",
            {"i": {"clipId": clip.id, "dataType": "motion", "filename": "walk.c3d", "crc32c": "AAAAAA=="}},
        )["createAdditionalData"]
        urllib.request.urlopen(urllib.request.Request(made["uploadUrl"], data=b"", method="PUT")).close()


def test_a_job_attaches_files(shared: Sandbox, ms: Moveshelf, session: Session) -> None:
    add_motion(ms, session)
    session.load("clips.files")
    seen: list[JobStatus] = []
    shared.requests.clear()
    job = session.process_gait_tool("Gait")
    (asked,) = shared.requests.of("processGaitTool")
    assert asked.variables == {"clips": session.clips.ids(), "trialType": "Gait"}
    assert job.wait(progress=lambda one: seen.append(one.status)) is job
    assert seen == [JobStatus.PENDING, JobStatus.PROCESSING, JobStatus.COMPLETE]
    assert job.result
    assert job.description
    for clip in session.clips:
        assert {"angles.json", "event.json"} <= set(clip.files.names())


def test_looking_by_hand_is_enough(ms: Moveshelf, session: Session) -> None:
    add_motion(ms, session)
    clip = session.clips[0]
    before = clip.files.names()
    job = session.process_gait_tool(clips=clip)
    while not job.status.is_finished:
        assert clip.files.names() == before
        job.refresh()
    assert clip.files.names() != before


@pytest.mark.parametrize(
    "choose",
    [
        lambda s: s.clips[:2],
        lambda s: list(s.conditions["Barefoot"].clips),
        lambda s: s.conditions["Barefoot"],
    ],
)
def test_clips_to_process(shared: Sandbox, session: Session, choose: Any) -> None:
    session.process_gait_tool("Gait", clips=choose(session))
    assert shared.requests.of("processGaitTool")[-1].variables["clips"] == session.clips.ids()[:2]


def test_a_job_that_fails(shared: Sandbox, ms: Moveshelf, session: Session) -> None:
    shared.fail(fail_job="The markers were swapped.")
    job = session.process_gait_tool("Gait")
    with pytest.raises(JobFailedError, match=r"markers were swapped") as caught:
        job.wait(timeout=30)
    assert caught.value.result == "The markers were swapped."
    assert isinstance(caught.value, moveshelf.MoveshelfError)
    assert job.status is JobStatus.FAILED


def test_a_job_that_takes_too_long(session: Session) -> None:
    job = session.process_gait_tool("Gait")
    with pytest.raises(JobTimeoutError, match="goes on") as caught:
        job.wait(timeout=0)
    assert isinstance(caught.value, TimeoutError)
    with pytest.raises(JobFailedError):  # nothing to process
        job.wait()


def test_unknown_statuses_count_as_unfinished(shared: Sandbox, ms: Moveshelf, session: Session) -> None:
    job = session.process_gait_tool("Gait")
    unknown = JobStatus("Cooking")
    assert not unknown.is_finished
    assert not unknown.is_known
    assert unknown == "Cooking"
    ms._engine.cache.put(job, type(job).fields["status"], None)
    assert not job.is_finished


@pytest.mark.parametrize(("timeout", "progress"), [("5", None), (-1, None), (True, None), (1, 3), (1, "yes")])
def test_waiting_is_checked(ms: Moveshelf, session: Session, timeout: Any, progress: Any) -> None:
    job = session.process_gait_tool("Gait")
    with ms.no_fetch(), pytest.raises(ValidationError):
        job.wait(timeout, progress)


def test_progress_on_a_terminal(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(JobFailedError):
        session.process_gait_tool("Gait").wait(progress=True)
    told = capsys.readouterr().err
    assert "Pending" in told
    assert told.endswith("\n")
    with pytest.raises(JobFailedError):
        session.process_gait_tool("Gait").wait()
    assert capsys.readouterr().err == ""


def test_what_cannot_be_processed(ms: Moveshelf, session: Session) -> None:
    len(session.clips)
    empty = session.subject.create_session("empty")
    len(empty.clips)
    with ms.no_fetch():
        for clips in ([], ["text"], "text", 5, [None], session.condition("Nothing")):
            with pytest.raises(ValidationError):
                session.process_gait_tool("Gait", clips)  # type: ignore[arg-type]
            with pytest.raises(ValidationError):
                session.generate_report("currentSessionComparison", "x", clips)  # type: ignore[arg-type]
        for kind in ("", " ", 5):
            with pytest.raises(ValidationError):
                session.process_gait_tool(kind)  # type: ignore[arg-type]
        with pytest.raises(ValidationError, match="no clip to process"):
            empty.process_gait_tool("Gait")


# reports ----------------------------------------------------------------------------------------------------
def test_reports_are_read_anew(shared: Sandbox, ms: Moveshelf, session: Session) -> None:
    subject = session.subject
    assert len(session.reports) == len(subject.reports) == 0
    made = session.generate_reports()
    assert made is session.reports
    before = session.reports.names()
    assert before
    assert sorted(subject.reports.names()) == sorted(before)
    session.generate_report(ReportType.CURRENT_COMPARISON, "Barefoot and braced")
    session.generate_report("currentSessionConditionSummaries", "One", session.conditions["Barefoot"])
    assert set(session.reports.names()) == {*before, "Barefoot and braced", "One"}
    first, second = shared.requests.of("createInteractiveReport")[-2:]
    assert first.variables["trialsIds"] == session.clips.ids()
    assert second.variables["trialsIds"] == session.clips.ids()[:2]
    assert second.variables["normId"] is None


def test_reports_against_a_norm(demo: Sandbox) -> None:
    """Only what is sent is looked at: the demo is for reading, and refuses a norm that there is not."""
    with demo.connect() as ms:
        session = ms.projects["lab/demo"].subjects[0].sessions[0]
        with pytest.raises(moveshelf.QueryError, match="No norm"):
            session.generate_reports(norm="Tm9ybQAAAAA")
        assert demo.requests.of("createAutomaticInteractiveReports")[-1].variables["normId"] == "Tm9ybQAAAAA"
        from moveshelf.models.session import _norm_id as norm_id

        norm = session.project.norms[0]
        assert norm_id(norm) == norm_id(norm.id) == norm.id
        assert norm_id(None) is None


@pytest.mark.parametrize(
    "arguments",
    [
        ("summary", "Title"),
        (None, "Title"),
        ("currentSessionComparison", ""),
        ("currentSessionComparison", None),
        ("currentSessionComparison", "Title", None, 5),
        ("currentSessionComparison", "Title", None, ""),
        ("currentSessionComparison", "Title", None, None, 5),
    ],
)
def test_reports_are_checked(ms: Moveshelf, session: Session, arguments: Any) -> None:
    len(session.clips)
    with ms.no_fetch(), pytest.raises(ValidationError):
        session.generate_report(*arguments)
