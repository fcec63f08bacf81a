"""Many subjects, sessions and trials at once: requests, failures of single rows, lost responses, runs at the same time."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Any

import pytest

import moveshelf
from moveshelf import ConflictError, MoveshelfError, NotFoundError, OutcomeUnknownError, ValidationError
from moveshelf.operations import bulk
from moveshelf.operations.bulk_plan import BulkPlan, BulkResult
from moveshelf.operations.service import Service
from moveshelf.wire.retry import RetryPolicy

if TYPE_CHECKING:
    from moveshelf import Moveshelf, Project, Session
    from moveshelf.sandbox import Sandbox


@pytest.fixture(autouse=True)
def short_pauses(ms: Moveshelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is lost is looked for without a long wait."""
    monkeypatch.setattr(ms._service.wire, "retry", RetryPolicy(first=0.01, cap=0.05))


@pytest.fixture
def other(shared: Sandbox) -> Iterator[Moveshelf]:
    """The client of another user."""
    with shared.connect() as client:
        yield client


@pytest.fixture
def session(empty_project: Project) -> Session:
    return empty_project.create_subject("P-1").create_session("2026-03-01")


def subjects(count: int, **metadata: Any) -> list[dict[str, Any]]:
    return [
        {"name": f"P-{n:04}", "metadata": {"ehr-id": f"{n:05}", "subject-sex": "Male", **metadata}}
        for n in range(count)
    ]


def names_of(sandbox: Sandbox, project: Project) -> list[str]:
    """The subjects' names as another client lists them."""
    with sandbox.connect() as other:
        return other.project(project.id).subjects.names()


# subjects ---------------------------------------------------------------------------------------------------------
def test_a_thousand_subjects_in_sixty_requests(
    shared: Sandbox, ms: Moveshelf, empty_project: Project
) -> None:
    rows = subjects(1000)
    shared.requests.clear()
    with ms.budget(60):
        result = empty_project.create_subjects(rows)
    assert len(shared.requests) <= 60
    result.raise_for_errors()
    assert len(result.created) == len(result.objects) == 1000
    with ms.no_fetch():
        assert [one.name for one in result.objects[:2]] == ["P-0000", "P-0001"]
        assert result.objects[999].metadata == {"ehr-id": "00999", "subject-sex": "Male"}
        assert list(result.objects[0].sessions) == []
    assert names_of(shared, empty_project) == [row["name"] for row in rows]
    # again: all is there
    with ms.budget(12):
        again = empty_project.create_subjects(rows)
    assert len(again.unchanged) == 1000
    assert again.objects == result.objects
    # everything changes
    with ms.budget(60):
        changed = empty_project.create_subjects(subjects(1000, **{"subject-notes": "seen"}))
    assert len(changed.updated) == 1000
    assert changed[5].changed == {"subject-notes": "seen"}
    with shared.connect() as other:
        found = other.project(empty_project.id).subjects["P-0999"]
        assert found.metadata == {"ehr-id": "00999", "subject-sex": "Male", "subject-notes": "seen"}


def test_the_cache_lists_new_subjects_at_once(ms: Moveshelf, empty_project: Project) -> None:
    first = empty_project.create_subject("P-0002")
    held = empty_project.subjects
    assert held.names() == ["P-0002"]
    result = empty_project.create_subjects(["P-0001", "P-0002", {"name": "P-0003"}])
    assert [one.status for one in result] == ["created", "unchanged", "created"]
    assert result[1].object is first
    with ms.no_fetch():
        assert held.names() == ["P-0001", "P-0002", "P-0003"]
        assert held["P-0003"] is result[2].object


def test_a_plan_writes_nothing(shared: Sandbox, empty_project: Project) -> None:
    empty_project.create_subject("P-1").update_metadata({"subject-sex": "Female"})
    rows: list[Any] = [
        {"name": "P-1", "metadata": {"subject-sex": "Male"}},
        {"name": "p1"},
        {"name": "P-2", "metadata": {"subject-sex": "Mle"}},
        {"name": "a/b"},
        {"name": "P-3", "metadata": {"subject-date-of-birth": "6.5.2014"}},
        {"name": "P-4", "metadata": {"subject-notes": float("nan")}},
        {"name": "P-5", "metadata": {"subject-notes": "\ud800"}},
        {"name": "P-6"},
        {"name": "P-6"},
    ]
    shared.requests.clear()
    plan = empty_project.create_subjects(rows, dry_run=True)
    assert isinstance(plan, BulkPlan)
    assert {one.operation for one in shared.requests} == {
        "ProjectSubjects",
        "SubjectName",
        "CheckMany",
    }
    assert [one.action for one in plan] == ["update", "create", *["failed"] * 7]
    assert plan[0].changed == {"subject-sex": "Male"}
    assert plan[0].before == {"subject-sex": "Female"}
    assert "the project has 'P-1'" in plan[1].reason
    assert "did you mean 'Male'" in plan[2].reason
    assert "slash" in plan[3].reason
    assert "6.5.2014" in plan[4].reason
    assert "missing" in plan[5].reason
    assert "surrogate" in plan[6].reason
    assert "rows 7, 8" in plan[7].reason
    assert names_of(shared, empty_project) == ["P-1"]
    text = repr(plan)
    assert text.startswith("Plan: 9 subjects for ")
    assert "subject-sex: 'Female' -> 'Male'" in text
    assert "<table" in plan._repr_html_()
    assert list(plan.to_frame()["action"]) == [one.action for one in plan]
    with pytest.raises(MoveshelfError, match="7 of 9 rows failed"):
        plan.raise_for_errors()
    result = empty_project.create_subjects(rows)
    assert [one.status for one in result] == ["updated", "created", *["failed"] * 7]
    assert result.failed[0].object is None
    assert names_of(shared, empty_project) == ["P-1", "p1"]
    assert "failed" in repr(result)
    assert "<table" in result._repr_html_()
    assert list(result.to_frame()["status"]) == [one.status for one in result]
    with pytest.raises(ValidationError, match="slash"):
        empty_project.create_subjects([{"name": "a/b"}]).raise_for_errors()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("P-1", "rows are a list"),
        ({"name": "P-1"}, "rows are a list"),
        ([{"nmae": "P-1"}], "did you mean 'name'"),
        ([{"name": "P-1", "subject-sex": "Male"}], "go into the entry 'metadata'"),
        ([7], "row 0 is a dictionary"),
        (None, "rows are a list"),
    ],
)
def test_what_are_no_rows_is_refused_before_any_request(
    ms: Moveshelf, empty_project: Project, rows: Any, said: str
) -> None:
    with ms.no_fetch(), pytest.raises(ValidationError, match=said):
        empty_project.create_subjects(rows)


def test_without_overwrite_only_empty_fields_are_filled(shared: Sandbox, empty_project: Project) -> None:
    subject = empty_project.create_subject("P-1")
    subject.update_metadata({"subject-sex": "Female", "subject-leg-length": {"left": "700"}})
    row = {
        "name": "P-1",
        "metadata": {
            "subject-sex": "Male",
            "subject-leg-length": {"left": 1, "right": 702},
            "subject-notes": None,
        },
        "interventions": [{"date": "2020-01-01"}],
    }
    (plan,) = empty_project.create_subjects([row], overwrite=False, dry_run=True)
    assert plan.action == "update"
    (done,) = empty_project.create_subjects([row], overwrite=False)
    assert done.status == "updated"
    assert done.changed == {
        "subject-leg-length": {"right": "702"},
        "interventions": [{"date": "2020-01-01"}],
    }
    assert done.kept == {"subject-sex": "Female", "subject-leg-length": {"left": "700"}}
    (kept,) = empty_project.create_subjects([row], overwrite=False)
    assert (kept.status, kept.changed) == ("kept", {})
    assert "stays" in kept.reason
    with shared.connect() as other:
        found = other.subject(subject.id)
        assert found.metadata == {
            "subject-sex": "Female",
            "subject-leg-length": {"left": "700", "right": "702"},
        }
        assert found.interventions == [{"date": "2020-01-01"}]
    (removed,) = empty_project.create_subjects([{"name": "P-1", "metadata": {"subject-sex": None}}])
    assert removed.changed == {"subject-sex": None}
    assert "subject-sex" not in subject.metadata


def test_the_validator_is_told_before_anything_is_created(shared: Sandbox, empty_project: Project) -> None:
    """In an empty project it knows the template by the first new subject, which does not stay if it is refused."""
    rows = subjects(4)
    for n in (0, 2):
        rows[n]["metadata"]["subject-leg-length"] = {"left": "long"}
    result = empty_project.create_subjects(rows)
    assert [one.status for one in result] == ["failed", "created", "failed", "created"]
    assert "not a number" in result[0].reason
    assert isinstance(result[2].error, ValidationError)
    assert result[2].error.errors == ["Field 'subject-leg-length': 'long' is not a number."]
    assert names_of(shared, empty_project) == ["P-0001", "P-0003"]
    assert [one.status for one in empty_project.create_subjects(rows, validate=False)] == [
        "created",
        "unchanged",
        "created",
        "unchanged",
    ]


def test_a_first_subject_that_is_refused_and_cannot_be_deleted_is_said(
    shared: Sandbox, empty_project: Project
) -> None:
    shared.fail("deletePatient", error="no")
    (entry,) = empty_project.create_subjects(
        [{"name": "A", "metadata": {"subject-leg-length": {"left": "x"}}}]
    )
    assert entry.status == "failed"
    assert "could not be deleted" in entry.reason
    assert entry.object is empty_project.subjects["A"]


def test_a_name_that_several_have(ms: Moveshelf, empty_project: Project) -> None:
    for _ in range(2):
        ms.execute(
            f'mutation {{ createPatient(projectId: "{empty_project.id}", name: "P-1") {{ patient {{ id }} }} }}'
        )
    result = empty_project.create_subjects(["P-1", "P-2"])
    assert [one.status for one in result] == ["failed", "created"]
    assert "2 subjects of the project are named 'P-1'" in result[0].reason


def test_names_compare_in_nfc(shared: Sandbox, empty_project: Project) -> None:
    assert empty_project.create_subjects(["Zoe\u0308"])[0].status == "created"
    assert empty_project.create_subjects(["Zo\u00eb"])[0].status == "unchanged"
    assert names_of(shared, empty_project) == ["Zo\u00eb"]


def test_what_somebody_else_has_changed_is_not_overwritten(empty_project: Project, other: Moveshelf) -> None:
    subject = empty_project.create_subject("P-1")
    assert subject.metadata == {}
    other.subject(subject.id).update_metadata({"subject-sex": "Male"})
    row = {"name": "P-1", "metadata": {"subject-sex": "Female"}}
    (entry,) = empty_project.create_subjects([row])
    assert isinstance(entry.error, ConflictError)
    assert subject.metadata == {"subject-sex": "Male"}
    assert empty_project.create_subjects([row])[0].status == "updated"


# faults -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("mutation", ["createPatient", "updatePatient"])
@pytest.mark.parametrize("cut", ["before", "after"])
def test_a_lost_batch_is_carried_out_once(
    shared: Sandbox, empty_project: Project, mutation: str, cut: str
) -> None:
    empty_project.create_subject("Z")  # so that none is created alone
    shared.fail(mutation, drop=cut)
    result = empty_project.create_subjects(subjects(60))
    result.raise_for_errors()
    assert len(result.created) == 60
    assert names_of(shared, empty_project) == [*(f"P-{n:04}" for n in range(60)), "Z"]
    with shared.connect() as other:
        every = other.project(empty_project.id).subjects.load("metadata")
        assert [one.metadata.get("ehr-id") for one in every[:60]] == [f"{n:05}" for n in range(60)]


@pytest.mark.parametrize("mutation", ["createSession", "updateSession", "createClips", "updateClip"])
@pytest.mark.parametrize("cut", ["before", "after"])
def test_lost_batches_of_sessions_and_trials(
    shared: Sandbox, empty_project: Project, mutation: str, cut: str
) -> None:
    empty_project.create_subjects([f"P-{n}" for n in range(3)])
    sessions = [
        {"subject": f"P-{n}", "name": f"s{m}", "metadata": {"session-height": 100 + m}}
        for n in range(3)
        for m in range(3)
    ]
    shared.fail(mutation, drop=cut)
    done = empty_project.create_sessions(sessions)
    done.raise_for_errors()
    clips = [
        {"session": one, "title": f"T-{n}", "custom_options": {"n": n}}
        for one in done.objects
        for n in range(2)
    ]
    made = empty_project.create_clips(clips)
    made.raise_for_errors()
    with shared.connect() as other:
        found = other.project(empty_project.id)
        assert len(found.sessions) == 9
        assert sorted(one.metadata["session-height"] for one in found.sessions) == sorted(
            ["100", "101", "102"] * 3
        )
        assert len(found.clips) == 18
        assert sorted(one.custom_options["n"] for one in found.clips) == [0] * 9 + [1] * 9


def test_a_batch_that_is_refused_for_now_is_repeated(shared: Sandbox, empty_project: Project) -> None:
    shared.fail("createPatient", status=503, retry_after=0)
    empty_project.create_subjects(subjects(3)).raise_for_errors()
    assert len(names_of(shared, empty_project)) == 3


def test_what_nobody_knows_is_said(shared: Sandbox, empty_project: Project) -> None:
    empty_project.create_subject("Z")
    shared.fail("createPatient", drop="after")
    shared.fail("ProjectSubjects", status=403, after=1, times=1)
    shared.fail("query", status=403, after=2, times=1)
    result = empty_project.create_subjects(["A", "B"])
    shared.clear_faults()
    assert [one.status for one in result] == ["failed", "failed"]
    assert all(isinstance(one.error, OutcomeUnknownError) for one in result)
    again = empty_project.create_subjects(["A", "B"])
    assert [one.status for one in again] == ["unchanged", "unchanged"]
    assert names_of(shared, empty_project) == ["A", "B", "Z"]


def test_one_row_that_the_service_refuses_stops_no_other(
    shared: Sandbox, empty_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A blank name gets through where nothing checks it: the service refuses that one of the batch."""
    monkeypatch.setattr(bulk, "checked_name", lambda name, what: name)
    result = empty_project.create_subjects(["A", " ", "B"])
    assert [one.status for one in result] == ["created", "failed", "created"]
    assert "needs a name" in result[1].reason
    assert names_of(shared, empty_project) == ["A", "B"]


def test_a_subject_that_was_created_and_not_filled_is_said(shared: Sandbox, empty_project: Project) -> None:
    empty_project.create_subject("Z")
    shared.fail("updatePatient", error="no")
    result = empty_project.create_subjects(subjects(2))
    shared.clear_faults()
    assert [one.status for one in result] == ["failed", "failed"]
    assert result[0].reason.startswith("created, and then: ")
    assert result[0].object is empty_project.subjects["P-0000"]
    again = empty_project.create_subjects(subjects(2))
    assert [one.status for one in again] == ["updated", "updated"]
    assert len(names_of(shared, empty_project)) == 3


def test_what_cannot_be_read_back_is_said(shared: Sandbox, empty_project: Project) -> None:
    empty_project.create_subject("Z")
    shared.fail("SubjectStored", status=403)
    result = empty_project.create_subjects(subjects(2))
    assert all(isinstance(one.error, OutcomeUnknownError) for one in result)
    assert "could not be read back" in result[0].reason
    assert empty_project.create_subjects(subjects(2)).unchanged


def test_what_is_overtaken_is_merged_again(
    shared: Sandbox, empty_project: Project, other: Moveshelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another computer, which knows nothing of our locks, writes between our write and our read."""
    result = empty_project.create_subjects(["P-1", "P-2"])
    found = Service.values
    overtaken: list[Any] = []

    def read(self: Any, kind: Any, ids: Any, selection: Any) -> Any:
        if selection.name == "SubjectStored" and not overtaken:
            overtaken.append(ids)
            identity = result.objects[0].id
            other.execute(
                "mutation($id: ID!, $m: JSONString) { updatePatient(patientId: $id, metadata: $m) { updated } }",
                {"id": identity, "m": '{"subject-sex": "Male"}'},
            )
        return found(self, kind, ids, selection)

    monkeypatch.setattr(Service, "values", read)
    rows = [{"name": name, "metadata": {"subject-notes": "ours"}} for name in ("P-1", "P-2")]
    empty_project.create_subjects(rows).raise_for_errors()
    assert overtaken
    assert result.objects[0].metadata == {"subject-sex": "Male", "subject-notes": "ours"}
    monkeypatch.undo()
    with shared.connect() as third:
        assert third.subject(result.objects[0].id).metadata == {
            "subject-sex": "Male",
            "subject-notes": "ours",
        }
        assert third.subject(result.objects[1].id).metadata == {"subject-notes": "ours"}


@pytest.mark.parametrize("status", [502, 503, 504, 413])
@pytest.mark.parametrize("mutation", ["createPatient", "updatePatient"])
def test_a_batch_that_a_proxy_refuses(
    shared: Sandbox, empty_project: Project, mutation: str, status: int
) -> None:
    """Whether it was carried out is not known from these but 413: it is looked for, and sent in smaller parts."""
    empty_project.create_subject("Z")
    shared.fail(mutation, status=status)
    empty_project.create_subjects(subjects(60)).raise_for_errors()
    assert names_of(shared, empty_project) == [*(f"P-{n:04}" for n in range(60)), "Z"]


def test_a_budget_that_is_used_up_fails_the_rest(
    shared: Sandbox, ms: Moveshelf, empty_project: Project
) -> None:
    empty_project.create_subject("Z")
    assert empty_project.template is not None
    with ms.budget(4):  # the names, the validator, two batches
        result = empty_project.create_subjects(subjects(150))
    assert len(result.failed) == 150
    assert sum("created, and then: " in one.reason for one in result) == 100
    assert isinstance(result[149].error, moveshelf.BudgetError)
    again = empty_project.create_subjects(subjects(150))
    assert (len(again.updated), len(again.created)) == (100, 50)
    assert len(names_of(shared, empty_project)) == 151


def test_single_writes_at_the_same_time_are_not_lost(
    shared: Sandbox, empty_project: Project, other: Moveshelf
) -> None:
    names = [f"P-{n:04}" for n in range(30)]
    there = other.project(empty_project.id)
    empty_project.create_subjects(names[:15]).raise_for_errors()
    found = list(there.subjects)
    failures: list[Exception] = []

    def write() -> None:
        try:
            for one in found:
                while True:
                    with suppress(ConflictError):  # it has seen a state that is old, and looks again
                        one.update_metadata({"subject-notes": "single"})
                        break
            for name in names[15:]:
                there.create_subject(name, exist_ok=True)
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    for sex in ("Male", "Female", "Male"):
        empty_project.create_subjects([{"name": name, "metadata": {"subject-sex": sex}} for name in names])
    thread.join()
    assert not failures
    # what was read before another's write is refused once, and not the next time
    last = [{"name": name, "metadata": {"subject-sex": "Female"}} for name in names]
    if empty_project.create_subjects(last).failed:
        empty_project.create_subjects(last).raise_for_errors()
    with shared.connect() as third:
        subjects_now = third.project(empty_project.id).subjects.load("metadata")
        assert subjects_now.names() == names
        assert [one.metadata.get("subject-notes") for one in subjects_now] == ["single"] * 15 + [None] * 15
        assert {one.metadata["subject-sex"] for one in subjects_now} == {"Female"}


def _run(url: str, key: str, project: str, count: int) -> None:
    with moveshelf.connect(api_key=key, api_url=url) as ms:
        ms.project(project).create_subjects(subjects(count)).raise_for_errors()


def test_processes_and_threads_create_nothing_twice(shared: Sandbox, empty_project: Project) -> None:
    arguments = (shared.api_url, shared.api_key, empty_project.id, 120)
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_run, args=arguments) for _ in range(2)]
    threads = [threading.Thread(target=_run, args=arguments) for _ in range(3)]
    for process in processes:
        process.start()
    for thread in threads:
        thread.start()
    for process in processes:
        process.join()
    for thread in threads:
        thread.join()
    assert [one.exitcode for one in processes] == [0, 0]
    assert names_of(shared, empty_project) == [f"P-{n:04}" for n in range(120)]


_KILLED = """
import os, sys
import moveshelf
from moveshelf.operations import bulk
sent = []
run = bulk.Service.run_many
def dying(self, command, rows, before=None):
    sent.append(command.name)
    if sent.count("UpdateSubject") == 2:
        os._exit(9)
    return run(self, command, rows, before)
bulk.Service.run_many = dying
url, key, project = sys.argv[1:]
ms = moveshelf.connect(api_key=key, api_url=url)
ms.project(project).create_subjects(
    [{"name": f"P-{n:04}", "metadata": {"ehr-id": f"{n:05}", "subject-sex": "Male"}} for n in range(150)]
)
"""


def test_a_killed_run_is_completed_by_the_next(shared: Sandbox, empty_project: Project) -> None:
    line = [sys.executable, "-c", _KILLED, shared.api_url, shared.api_key, empty_project.id]
    assert subprocess.run(line).returncode == 9
    result = empty_project.create_subjects(subjects(150))
    assert (len(result.unchanged), len(result.updated)) == (100, 50)
    assert names_of(shared, empty_project) == [f"P-{n:04}" for n in range(150)]
    assert all(one.metadata["subject-sex"] == "Male" for one in result.objects)


# sessions ---------------------------------------------------------------------------------------------------------
def test_sessions(shared: Sandbox, ms: Moveshelf, empty_project: Project) -> None:
    people = empty_project.create_subjects([f"P-{n:03}" for n in range(100)]).objects
    assert list(people[0].sessions) == []
    rows: list[dict[str, Any]] = [
        {"subject": one, "name": name, "date": "2024-05-06", "metadata": {"session-height": 131.0}}
        for one in people
        for name in ("pre", "post")
    ]
    with ms.budget(20):
        result = empty_project.create_sessions(rows)
    result.raise_for_errors()
    assert len(result.created) == 200
    with ms.no_fetch():
        assert people[0].sessions.names() == ["pre", "post"]
        session = people[0].sessions["pre"]
        assert session is result[0].object
        assert session.metadata == {"session-height": "131"}
        assert str(session.date) == "2024-05-06"
        assert session.subject is people[0]
    with ms.budget(3):
        again = empty_project.create_sessions(rows)
    assert len(again.unchanged) == 200
    changed = empty_project.create_sessions(
        [
            {"subject": "P-000", "name": "pre", "date": "2024-05-07"},
            {
                "subject": people[1].id,
                "name": "pre",
                "metadata": {"session-height": 132, "session-weight": None},
            },
            {"subject": "P-002", "date": "2024-06-01"},
            {"subject": "P-003", "date": "2024-05-06"},
            {"subject": "P-04", "date": "2024-05-06"},
            {"subject": "P-005"},
            {"subject": 5, "name": "x"},
            {"subject": "P-006", "name": "2024-07-01"},
            {"subject": "P-007", "name": "x", "date": "6.5.2024"},
            {"subject": "P-008", "name": "x", "metadata": {"session-height": "tall"}},
            {"subject": "P-009", "name": "x", "metadata": {"session-hight": "1"}},
        ]
    )
    assert [one.status for one in changed] == [
        "updated", "updated", "created", "failed", "failed", "failed", "failed", "created", "failed", "failed", "failed",
    ]  # fmt: skip
    assert changed[0].changed == {"(date)": "2024-05-07"}
    assert [str(one.date) for one in people[0].sessions] == ["2024-05-06", "2024-05-07"]
    assert changed[2].object is not None
    assert (changed[2].object.name, str(changed[2].object.date)) == ("2024-06-01", "2024-06-01")
    assert "has 2 such sessions" in changed[3].reason
    assert isinstance(changed[4].error, NotFoundError)
    assert changed[7].object is not None
    assert str(changed[7].object.date) == "2024-07-01"
    assert "not a number" in changed[9].reason
    assert "session-height" in changed[10].reason
    kept = empty_project.create_sessions(
        [{"subject": "P-000", "name": "pre", "date": "2025-01-01", "metadata": {"session-height": 1}}],
        overwrite=False,
    )
    assert kept[0].status == "kept"
    with shared.connect() as other:
        found = other.session(session.id)
        assert (str(found.date), found.metadata) == ("2024-05-07", {"session-height": "131"})


def test_a_session_that_was_changed_in_between_is_merged_again(
    empty_project: Project, other: Moveshelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty_project.create_subject("P-1").create_session("s")
    run = Service.run_many
    overtaken: list[Any] = []

    def write(self: Any, command: Any, rows: Any, before: Any = None) -> Any:
        if command.name == "UpdateSession" and not overtaken:
            overtaken.append(rows)
            other.project(empty_project.id).subjects["P-1"].sessions["s"].rename("t")
        return run(self, command, rows, before)

    monkeypatch.setattr(bulk, "write_lock", lambda *_: nullcontext(False))
    monkeypatch.setattr(Service, "run_many", write)
    (done,) = empty_project.create_sessions(
        [{"subject": "P-1", "name": "s", "metadata": {"session-height": 1}}]
    )
    assert overtaken
    assert done.status == "updated"
    assert done.object is not None
    assert (done.object.refresh().name, done.object.metadata) == ("t", {"session-height": "1"})


# trials -----------------------------------------------------------------------------------------------------------
def test_trials(shared: Sandbox, ms: Moveshelf, session: Session) -> None:
    project = session.project
    assert list(session.clips) == []
    rows: list[dict[str, Any]] = [
        {
            "session": session,
            "condition": "Barefoot",
            "title": f"Trial-{n}",
            "description": "walk",
            "custom_options": {"n": n},
        }
        for n in range(50)
    ]
    shared.requests.clear()
    result = project.create_clips(rows)
    result.raise_for_errors()
    operations = [one.operation for one in shared.requests]
    assert (operations.count("CreateClips"), operations.count("UpdateClip"), len(operations)) == (1, 1, 4)
    with ms.no_fetch():
        assert session.conditions["Barefoot"].clips.names() == [f"Trial-{n}" for n in range(50)]
        clip = session.clips[3]
        assert clip is result[3].object
        assert (clip.custom_options, clip.description) == ({"n": 3}, "walk")
    with ms.budget(1):
        assert len(project.create_clips(rows).unchanged) == 50
    changed = project.create_clips(
        [
            {**rows[0], "description": "run"},
            {"subject": "P-1", "session": "2026-03-01", "title": "Static"},
            {"subject": "P-1", "session": "2026-03-02", "title": "Static"},
            {"subject": "P-1", "session": "2026-03-01"},
            {"session": session, "title": "Trial-1", "condition": "a/b"},
            {"session": session.id, "title": "Static 2", "start_timecode": ("01:02:03:04", "FPS_25")},
            {"session": "none", "title": "x"},
        ]
    )
    assert [one.status for one in changed] == [
        "updated", "created", "failed", "failed", "failed", "created", "failed",
    ]  # fmt: skip
    assert changed[0].changed == {"description": "run"}
    assert "did you mean '2026-03-01'" in changed[2].reason
    assert "needs a title" in changed[3].reason
    kept = project.create_clips(
        [{**rows[0], "description": "jump", "custom_options": {"n": 9}}], overwrite=False
    )
    assert kept[0].status == "kept"
    with shared.connect() as other:
        first = other.clip(session.clips[0].id)
        assert (first.description, first.custom_options) == ("run", {"n": 0})
    assert isinstance(project.create_clips([], dry_run=True), BulkPlan)
    assert isinstance(project.create_clips([]), BulkResult)


def test_trials_whose_names_differ_in_unicode_only_are_one(session: Session) -> None:
    rows = [{"session": session, "condition": "B", "title": title} for title in ("Grö", "Gro\u0308", "gro")]
    result = session.project.create_clips(rows)
    assert [one.status for one in result] == ["failed", "failed", "created"]
    assert "rows 0, 1 are about the same trial" in result[0].reason
    assert session.project.create_clips(rows[1:2])[0].status == "created"
    assert session.project.create_clips(rows[:1])[0].status == "unchanged"


def test_what_is_alike_is_said_before_it_is_created(session: Session) -> None:
    project = session.project
    assert project is not None
    project.create_sessions([{"subject": "P-1", "name": "Pre-Op", "date": "2024-05-06"}]).raise_for_errors()
    rows = [{"subject": "P-1", "name": "pre op"}, {"subject": "P-1", "name": "Visit", "date": "2024-05-06"}]
    assert [one.reason for one in project.create_sessions(rows)] == ["new; the subject has 'Pre-Op'"] * 2
    project.create_clips([{"session": session, "condition": "Barefoot", "title": "T-1"}]).raise_for_errors()
    (trial,) = project.create_clips(
        [{"session": session, "condition": "barefoot", "title": "T01"}], dry_run=True
    )
    assert trial.reason == "new; the session has 'Barefoot/T-1'"


def test_a_session_by_its_day_beside_one_of_that_day(empty_project: Project) -> None:
    empty_project.create_subject("P-1")
    rows = [{"subject": "P-1", "date": "2024-01-01"}, {"subject": "P-1", "name": "Pre", "date": "2024-01-01"}]
    result = empty_project.create_sessions(rows)
    assert [one.status for one in result] == ["failed", "created"]
    assert "row 1 is about a session on that day" in result[0].reason
    assert [one.status for one in empty_project.create_sessions(rows[:1])] == ["unchanged"]


def test_trials_of_a_session_are_not_compared_with_each_other(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The names of a session's trials are looked at once, and not for each row."""
    rows = [{"session": session, "title": f"T-{n}"} for n in range(60)]
    session.project.create_clips(rows).raise_for_errors()
    counted = []
    monkeypatch.setattr(bulk, "condition_name", lambda *given: counted.append(given) or "")
    assert len(session.project.create_clips(rows).unchanged) == 60
    assert len(counted) == 60


def test_what_was_meant_is_looked_for_less_often_among_many(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    monkeypatch.setattr(bulk, "near_misses", lambda name, known: compared.append(len(known)) or [])
    for count in (10, 1_000, 5_000):
        near = bulk.Nearby(f"P-{n}" for n in range(count))
        compared.clear()
        for n in range(200):
            near.meant(f"Q {n} x")
        assert 0 < sum(compared) <= max(25_000, 50 * count if count < 500 else 0)


def test_a_long_name_does_not_widen_all_lines(empty_project: Project) -> None:
    plan = empty_project.create_subjects(["x" * 3000, "P-1 / no name", "P-2"], dry_run=True)
    lines = repr(plan).splitlines()
    assert "x" * 3000 in lines[2]
    assert max(len(line) for line in (lines[1], lines[3])) < 250


HALF = "a\ud800"


def test_half_a_character_fails_its_own_row(session: Session) -> None:
    project = session.project
    assert project is not None
    bad: dict[str, list[dict[str, Any]]] = {
        "subjects": [
            {"name": HALF},
            {"name": "A", "metadata": {"subject-notes": HALF}},
            {"name": "B", "metadata": {"subject-leg-length": {"left": HALF}}},
            {"name": "C", "metadata": {"subject-aids": {HALF}}},
            {"name": "D", "interventions": [{"surgeon": HALF}]},
        ],
        "sessions": [{"subject": HALF, "name": "x"}, {"subject": "P-1", "name": "y", "metadata": {HALF: 1}}],
        "clips": [
            {"session": HALF, "title": "x"},
            {"session": session, "title": HALF},
            {"session": session, "title": "x", "description": HALF},
            {"session": session, "title": "y", "custom_options": {"a": [HALF]}},
            {"session": session, "title": "z", "preview_image_uri": HALF},
        ],
    }
    good: dict[str, dict[str, Any]] = {
        "subjects": {"name": "Good"},
        "sessions": {"subject": "P-1", "name": "Good"},
        "clips": {"session": session, "title": "Good"},
    }
    for kind, rows in bad.items():
        result = getattr(project, f"create_{kind}")([*rows, good[kind]])
        assert [one.status for one in result] == ["failed"] * len(rows) + ["created"]
        assert not any(one.object for one in result.failed)


@pytest.mark.parametrize("levels", [59, 60, 61, 62, 63, 64, 80])
def test_what_is_written_can_be_read_again(shared: Sandbox, session: Session, levels: int) -> None:
    deep: Any = "x"
    for _ in range(levels):
        deep = [deep]
    project = session.project
    assert project is not None
    subjects = [
        {"name": "A", "metadata": {"odd": deep}},
        {"name": "B", "interventions": [{"odd": deep}]},
        {"name": "Good", "metadata": {"subject-notes": "y"}},
    ]
    result = project.create_subjects(subjects, validate=False)
    sessions = [{"subject": "P-1", "name": "A", "metadata": {"odd": deep}}]
    made = project.create_sessions(sessions, validate=False)
    assert result[2].status == "created"
    for one in (*result, *made):
        assert one.status == "created" or "levels" in one.reason
        assert one.status == "created" or one.object is None
    with shared.connect() as other:
        for subject in other.project(project.id).subjects:
            assert isinstance(subject.metadata, dict)
            assert isinstance(subject.interventions, list)
            assert all(isinstance(one.metadata, dict) for one in subject.sessions)


def test_a_session_of_another_project_is_refused(shared: Sandbox, other: Moveshelf, session: Session) -> None:
    filled_project = other.projects[shared.generate(subjects=1, sessions=1)]
    there = filled_project.subjects[0].sessions[0]
    (entry,) = session.project.create_clips([{"session": there, "title": "x"}])
    assert "another project" in entry.reason
    (row,) = session.project.create_sessions([{"subject": filled_project.subjects[0], "name": "x"}])
    assert isinstance(row.error, NotFoundError)


def test_trials_that_others_create_meanwhile(shared: Sandbox, session: Session) -> None:
    rows = [{"session": session.id, "condition": "c", "title": f"T-{n}"} for n in range(20)]

    def run() -> None:
        with shared.connect() as client:
            client.project(session.project.id).create_clips(rows).raise_for_errors()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(session.refresh().clips) == 20


def test_a_list_of_trials_in_which_one_is_refused(
    shared: Sandbox, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service refuses such a list as a whole: what of it can be is created all the same."""
    monkeypatch.setattr(
        bulk, "clip_values", lambda values: {"startTimecode": values["start_timecode"]} if values else {}
    )
    rows: list[dict[str, Any]] = [{"session": session, "title": f"T-{n}"} for n in range(5)]
    rows[2]["start_timecode"] = {"timecode": "soon", "framerate": "FPS_25"}
    result = session.project.create_clips(rows)
    assert [one.status for one in result] == ["created", "created", "failed", "created", "created"]
    assert len(session.refresh().clips) == 4
