"""Whole trees, over real HTTP, through faults and deaths."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import moveshelf
from moveshelf.errors import (
    AmbiguousError,
    ChecksumError,
    TargetExistsError,
    TransferError,
    ValidationError,
)
from moveshelf.models import Clip, DataFile, Project
from moveshelf.operations import upload_tree as trees
from moveshelf.sandbox import Sandbox
from moveshelf.transfer.result import Plan, TransferResult
from moveshelf.wire import RetryPolicy

QUICK = RetryPolicy(attempts=8, first=0.001, cap=0.01)


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOVESHELF_STATE_DIR", str(tmp_path / "state"))


@pytest.fixture
def practice(sandbox: Sandbox) -> Any:
    with sandbox.connect() as ms:
        ms._wire.retry = QUICK
        yield ms.projects["lab/practice"]


def make_tree(root: Path, trials: int = 3, size: int = 2000) -> dict[str, bytes]:
    """Two subjects, a session each, two conditions, files of several kinds; their bytes by path."""
    content = {}
    for subject in ("P-001", "P-002"):
        for condition in ("Barefoot", "Braced"):
            for trial in range(1, trials + 1):
                for rest in ("angles.json", "data.c3d"):
                    path = f"{subject}/2024-03-05/{condition}/Trial-{trial}_{rest}"
                    content[path] = os.urandom(size)
    for path, data in content.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    return content


def stored(project: Project) -> dict[str, list[bytes]]:
    """What the service has of a project now: path by the default layout, bytes of each file of that name."""
    found: dict[str, list[bytes]] = {}
    for subject in project.refresh().subjects:
        for session in subject.sessions:
            for clip in session.clips:
                assert clip.condition is not None
                for file in clip.files:
                    path = f"{subject.name}/{session.name}/{clip.condition.name}/{file.name}"
                    found.setdefault(path, []).append(file.read_bytes())
    return found


def statuses(project: Project) -> Counter[str]:
    return Counter(
        str(file.upload_status)
        for subject in project.refresh().subjects
        for session in subject.sessions
        for clip in session.clips
        for file in clip.files
    )


def done(result: TransferResult | Plan) -> TransferResult:
    assert isinstance(result, TransferResult)
    result.raise_for_errors()
    return result


def a_clip(sandbox: Sandbox) -> Clip:
    name = sandbox.generate(subjects=1, sessions=1, clips=1, files=0)
    ms = sandbox.connect()
    ms._wire.retry = QUICK
    return ms.projects[name].subjects[0].sessions[0].clips[0]


# up


def test_a_tree_arrives_once(practice: Project, sandbox: Sandbox, tmp_path: Path) -> None:
    content = make_tree(tmp_path / "in")
    plan = practice.upload_tree(tmp_path / "in", dry_run=True)
    assert isinstance(plan, Plan)
    assert [step.action for step in plan] == ["upload"] * len(content)
    assert "creates 2 subjects, 2 sessions, 12 trials" in repr(plan)
    assert not any((one.operation or "").startswith("Create") for one in sandbox.requests)
    result = done(practice.upload_tree(tmp_path / "in"))
    assert [entry.path for entry in result] == sorted(content)
    assert {entry.status for entry in result} == {"done"}
    assert all(isinstance(entry.file, DataFile) for entry in result)
    assert stored(practice) == {path: [data] for path, data in content.items()}
    assert [str(one.date) for one in practice.sessions] == ["2024-03-05"] * 2
    sandbox.requests.clear()
    again = done(practice.upload_tree(tmp_path / "in"))
    assert {entry.status for entry in again} == {"skipped"}
    assert {entry.reason for entry in again} == {"already there"}
    assert not any(
        one.operation == "PUT" or (one.operation or "").startswith("Create") for one in sandbox.requests
    )


def test_only_what_is_missing_is_made(practice: Project, tmp_path: Path) -> None:
    content = make_tree(tmp_path / "in")
    done(practice.upload_tree(tmp_path / "in"))
    new = tmp_path / "in" / "P-001" / "2024-03-05" / "Barefoot" / "Trial-9_new.csv"
    new.write_bytes(b"1,2")
    result = done(practice.upload_tree(tmp_path / "in"))
    assert [entry.path for entry in result.done] == ["P-001/2024-03-05/Barefoot/Trial-9_new.csv"]
    assert len(practice.refresh().subjects) == 2
    assert len(stored(practice)) == len(content) + 1


def test_folders_per_trial_and_include(practice: Project, tmp_path: Path) -> None:
    for name in ("data.C3D", "notes.txt", "video.mp4"):
        path = tmp_path / "in" / "P1" / "visit" / "Walk" / "T1" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "in" / "readme.txt").write_text("me")
    (tmp_path / "in" / ".hidden").write_text("me")
    layout = "{subject}/{session}/{condition}/{trial}/{rest}"
    result = done(practice.upload_tree(tmp_path / "in", layout, include=["*.c3d", "*.txt"]))
    assert [(entry.path, entry.status) for entry in result] == [
        ("P1/visit/Walk/T1/data.C3D", "done"),
        ("P1/visit/Walk/T1/notes.txt", "done"),
        ("readme.txt", "skipped"),
    ]
    clip = practice.subjects["P1"].sessions["visit"].conditions["Walk"].clips["T1"]
    assert {file.name: str(file.data_type) for file in clip.files} == {
        "data.C3D": "motion",
        "notes.txt": "data",
    }
    assert practice.subjects["P1"].sessions["visit"].date is None


def test_a_session_s_import_file(practice: Project, tmp_path: Path) -> None:
    make_tree(tmp_path / "in", trials=1)
    (tmp_path / "in" / "moveshelf_config_import.json").write_text("{}")
    session = tmp_path / "in" / "P-001" / "2024-03-05"
    content = {"sessionMetadata": {"session-height": "180"}, "session_date": "2024-03-06"}
    (session / "moveshelf_config_import.json").write_text(json.dumps(content))
    plan = practice.upload_tree(tmp_path / "in", dry_run=True)
    assert plan[0].action == "import"
    result = done(practice.upload_tree(tmp_path / "in"))
    assert (result[0].path, result[0].status) == ("P-001/2024-03-05/moveshelf_config_import.json", "done")
    assert (result[-1].path, result[-1].status) == ("moveshelf_config_import.json", "skipped")
    made = practice.subjects["P-001"].sessions[0]
    assert str(made.date) == "2024-03-06"
    assert made.metadata["session-height"] == "180"
    # what is filled in already stays
    content = {
        "sessionMetadata": {"session-height": "190", "session-weight": "80", "session_date": "2024-03-07"}
    }
    (session / "moveshelf_config_import.json").write_text(json.dumps(content))
    done(practice.upload_tree(tmp_path / "in"))
    made.refresh()
    assert (made.metadata["session-height"], made.metadata["session-weight"]) == ("180", "80")
    assert str(made.date) == "2024-03-06"
    (session / "moveshelf_config_import.json").write_text("[]")
    with pytest.raises(ValidationError, match="moveshelf_config_import"):
        practice.upload_tree(tmp_path / "in")


def test_replace_different(practice: Project, sandbox: Sandbox, tmp_path: Path) -> None:
    content = make_tree(tmp_path / "in", trials=1)
    done(practice.upload_tree(tmp_path / "in"))
    changed = sorted(content)[0]
    (tmp_path / "in" / changed).write_bytes(b"other")
    sandbox.requests.clear()
    result = done(practice.upload_tree(tmp_path / "in", existing="replace-different"))
    assert [entry.path for entry in result.done] == [changed]
    assert {entry.reason for entry in result.skipped} == {"the same bytes are there"}
    operations = [one.operation for one in sandbox.requests]
    assert operations.count("PUT") == 1
    assert operations.index("PUT") < operations.index("DeleteFile")
    assert stored(practice) == {**{path: [data] for path, data in content.items()}, changed: [b"other"]}


def test_names_that_stand_for_several_stop_it(practice: Project, sandbox: Sandbox, tmp_path: Path) -> None:
    make_tree(tmp_path / "in", trials=1)
    for _ in range(2):
        practice._engine.service.wire.execute(  # type: ignore[union-attr]
            'mutation M($p: String!) { createPatient(projectId: $p, name: "P-001") { patient { id } } }',
            {"p": practice.id},
        )
    sandbox.requests.clear()
    with pytest.raises(AmbiguousError, match="P-001"):
        practice.upload_tree(tmp_path / "in")
    assert not any((one.operation or "").startswith("Create") for one in sandbox.requests)


def test_trees_that_cannot_be(practice: Project, tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryError):
        practice.upload_tree(tmp_path / "nowhere")
    with pytest.raises(ValidationError, match="unknown field"):
        practice.upload_tree(tmp_path, "{subject}/{what}")
    with pytest.raises(ValidationError, match="existing"):
        practice.upload_tree(tmp_path, existing="overwrite")


def test_a_session_that_is_refused_fails_its_files_only(
    practice: Project, sandbox: Sandbox, tmp_path: Path
) -> None:
    content = make_tree(tmp_path / "in", trials=1)
    sandbox.fail("createSession", error="no such luck")
    result = practice.upload_tree(tmp_path / "in")
    assert isinstance(result, TransferResult)
    assert len(result.failed) == len(content)
    assert "no such luck" in str(result.failed[0].error)
    done(practice.upload_tree(tmp_path / "in"))
    assert stored(practice) == {path: [data] for path, data in content.items()}


@pytest.mark.parametrize("lost", ["createPatient", "createSession", "createClips"])
def test_an_answer_that_is_lost_makes_nothing_twice(
    practice: Project, sandbox: Sandbox, tmp_path: Path, lost: str
) -> None:
    content = make_tree(tmp_path / "in", trials=1)
    sandbox.fail(lost, drop="after")
    done(practice.upload_tree(tmp_path / "in"))
    assert stored(practice) == {path: [data] for path, data in content.items()}
    assert len(practice.subjects) == 2


def test_faults_of_every_kind_up(practice: Project, sandbox: Sandbox, tmp_path: Path) -> None:
    content = make_tree(tmp_path / "in", trials=10)
    for number, fault in enumerate(
        (
            {"drop": True},
            {"drop": "after"},
            {"status": 503},
            {"truncate": 0.5},
            {"late_failure": True},
            {"expire": True},
        )
    ):
        sandbox.fail("PUT", rate=0.1, seed=number, **fault)
    sandbox.fail("createAdditionalData", drop="after", rate=0.2, seed=7)
    sandbox.fail("UploadStatuses", status=502, rate=0.1, seed=8)
    result = practice.upload_tree(tmp_path / "in")
    assert isinstance(result, TransferResult)
    sandbox.clear_faults()
    now = stored_complete(practice)
    for entry in result:
        # right, or reported
        if entry.status == "done":
            assert now[entry.path] == [content[entry.path]]
        else:
            assert entry.status == "failed"
            assert str(entry.error)
    assert len(result.done) > len(content) * 0.9, [str(entry.error) for entry in result.failed]
    wrong = {path: len(found) for path, found in now.items() if found != [content[path]]}
    assert wrong == {}, [
        (entry.path, entry.status, str(entry.error)) for entry in result if entry.path in wrong
    ]
    done(practice.upload_tree(tmp_path / "in"))
    assert stored_complete(practice) == {path: [data] for path, data in content.items()}


def stored_complete(project: Project) -> dict[str, list[bytes]]:
    """The same as `stored`, of what is complete."""
    found: dict[str, list[bytes]] = {}
    for subject in project.refresh().subjects:
        for session in subject.sessions:
            for clip in session.clips:
                assert clip.condition is not None
                for file in clip.files:
                    if str(file.upload_status) == "Complete":
                        path = f"{subject.name}/{session.name}/{clip.condition.name}/{file.name}"
                        found.setdefault(path, []).append(file.read_bytes())
    return found


# one file up


def test_one_file_to_a_clip(sandbox: Sandbox, tmp_path: Path) -> None:
    clip = a_clip(sandbox)
    assert len(clip.files) == 0
    (tmp_path / "a.csv").write_text("1,2")
    file = clip.upload(tmp_path / "a.csv")
    assert (file.name, str(file.data_type), str(file.upload_status)) == ("a.csv", "data", "Complete")
    assert list(clip.files) == [file]
    assert file.clip is clip
    assert file.read_bytes() == b"1,2"
    with open(tmp_path / "a.csv", "rb") as stream:
        stream.seek(2)
        other = clip.upload(stream, name="event.json", data_type="event")
    assert (other.name, str(other.data_type), other.read_bytes()) == ("event.json", "event", b"2")
    assert clip.upload(tmp_path / "a.csv", existing="skip") is file
    assert clip.upload(tmp_path / "a.csv", existing="replace-different") is file
    assert len(clip.files) == 2
    (tmp_path / "a.csv").write_text("3")
    new = clip.upload(tmp_path / "a.csv", existing="replace-different")
    assert file.is_deleted
    assert new.read_bytes() == b"3"
    assert [one.name for one in clip.refresh().files] == ["event.json", "a.csv"]
    assert new.matches(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_text("4")
    assert not new.matches(tmp_path / "a.csv")


def test_what_cannot_be_uploaded(sandbox: Sandbox, tmp_path: Path) -> None:
    import io

    clip = a_clip(sandbox)
    before = len(sandbox.requests)
    with pytest.raises(FileNotFoundError):
        clip.upload(tmp_path / "nothing")
    with pytest.raises(IsADirectoryError):
        clip.upload(tmp_path)
    with pytest.raises(ValidationError, match="name="):
        clip.upload(io.BytesIO(b"x"))
    with pytest.raises(ValidationError, match="data type"):
        clip.upload(io.BytesIO(b"x"), name="x", data_type="movie")
    with pytest.raises(ValidationError, match="existing"):
        clip.upload(io.BytesIO(b"x"), name="x", existing="overwrite")
    assert len(sandbox.requests) == before


def test_a_clip_of_its_own(practice: Project, tmp_path: Path) -> None:
    (tmp_path / "walk.mp4").write_bytes(b"moving")
    clip = practice.upload_clip(tmp_path / "walk.mp4", title="Walk", description="slow")
    assert (clip.title, clip.description, str(clip.upload_status)) == ("Walk", "slow", "Complete")
    assert clip.original is not None
    assert clip.original.read_bytes() == b"moving"
    assert [one.title for one in practice.clips] == ["Walk"]
    result = done(practice.download(tmp_path / "out"))
    assert [entry.path for entry in result] == ["Walk/walk.mp4"]
    assert (tmp_path / "out" / "Walk" / "walk.mp4").read_bytes() == b"moving"


def test_the_error_says_what_is_left_and_the_next_run_removes_it(sandbox: Sandbox, tmp_path: Path) -> None:
    clip = a_clip(sandbox)
    (tmp_path / "a.csv").write_text("1,2")
    sandbox.fail("PUT", status=500, rate=1.0)
    with pytest.raises(TransferError) as caught:
        clip.upload(tmp_path / "a.csv")
    sandbox.clear_faults()
    (pending,) = clip.refresh().files
    assert str(pending.upload_status) == "Pending"
    assert pending.id in str(caught.value)
    clip.upload(tmp_path / "a.csv")
    assert pending.is_deleted
    (file,) = clip.refresh().files
    assert file.read_bytes() == b"1,2"
    assert list((tmp_path / "state").rglob("*.jsonl")) == []


@pytest.mark.parametrize("times", [1, 99])
def test_a_lost_response_to_a_removal_leaves_nothing_in_silence(
    sandbox: Sandbox, tmp_path: Path, times: int
) -> None:
    """An unfinished file of an earlier attempt is removed at last, or the caller is told that it is left."""
    clip = a_clip(sandbox)
    (tmp_path / "a.csv").write_text("1,2")
    sandbox.fail("createAdditionalData", drop="after")
    sandbox.fail("deleteAdditionalData", drop="before", times=times)
    if times == 1:
        clip.upload(tmp_path / "a.csv")
        assert [str(one.upload_status) for one in clip.refresh().files] == ["Complete"]
    else:
        with pytest.warns(
            UserWarning, match=r"'a.csv' is uploaded; file \S+ of that name could not be removed"
        ):
            clip.upload(tmp_path / "a.csv")
        sandbox.clear_faults()
        assert sorted(str(one.upload_status) for one in clip.refresh().files) == ["Complete", "Pending"]


def test_an_unfinished_one_that_is_not_ours_stays(sandbox: Sandbox, tmp_path: Path) -> None:
    clip = a_clip(sandbox)
    clip._engine.service.wire.execute(  # type: ignore[union-attr]
        "mutation M($i: CreateAdditionalDataInput) { createAdditionalData(input: $i) { data { id } } }",
        {
            "i": {
                "clipId": clip.id,
                "dataType": "data",
                "filename": "a.csv",
                "clientId": "x",
                "crc32c": "AAAAAA==",
            }
        },
    )
    (tmp_path / "a.csv").write_text("1,2")
    clip.upload(tmp_path / "a.csv", existing="skip")
    assert sorted(str(file.upload_status) for file in clip.refresh().files) == ["Complete", "Pending"]


def test_a_processing_file_is_waited_for(sandbox: Sandbox, tmp_path: Path) -> None:
    clip = a_clip(sandbox)
    sandbox.settle_after(2)
    (tmp_path / "a.csv").write_text("1,2")
    assert str(clip.upload(tmp_path / "a.csv").upload_status) == "Complete"


def test_the_token_goes_nowhere_but_to_the_service(sandbox: Sandbox, tmp_path: Path) -> None:
    clip = a_clip(sandbox)
    (tmp_path / "a.csv").write_text("1,2")
    clip.upload(tmp_path / "a.csv")
    clip.download(tmp_path / "out")
    blobs = [one for one in sandbox.requests if one.kind == "blob"]
    assert {one.operation for one in blobs} >= {"PUT", "GET"}
    assert not any("authorization" in map(str.lower, one.headers) for one in blobs)


# down


@pytest.mark.parametrize("goes_on", [False, True])
def test_what_another_computer_creates_at_the_same_moment_is_used_once(
    practice: Project, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, goes_on: bool
) -> None:
    """No lock reaches the other one: it creates the same between our look and our creation, and may have files already."""
    content = make_tree(tmp_path / "in", trials=1, size=50)
    monkeypatch.setattr(trees, "SETTLING", 0.01)
    create, theirs = trees.create_missing, list[str]()

    def second(*arguments: Any) -> Any:
        if not theirs:
            with sandbox.connect() as other:
                for name in ("P-001", "P-002"):
                    subject = other.projects["lab/practice"].create_subject(name)
                    session = subject.create_session("2024-03-05")
                    for condition in ("Barefoot", "Braced"):
                        clip = session.create_clip("Trial-1", condition=condition)
                        if goes_on:
                            path = tmp_path / "in" / name / "2024-03-05" / condition / "Trial-1_data.c3d"
                            clip.upload(path, progress=False)
                    theirs.append(subject.id)
        return create(*arguments)

    monkeypatch.setattr(trees, "create_missing", second)
    practice.upload_tree(tmp_path / "in", progress=False).raise_for_errors()  # type: ignore[union-attr]
    assert {path: len(found) for path, found in stored(practice).items()} == dict.fromkeys(content, 1)
    assert practice.subjects.names() == ["P-001", "P-002"]
    assert all(len(one.sessions) == 1 for one in practice.subjects)
    assert all(len(one.sessions[0].clips) == 2 for one in practice.subjects)
    if goes_on:
        assert practice.subjects.ids() == theirs


def test_down_and_up_again(sandbox: Sandbox, tmp_path: Path) -> None:
    name = sandbox.generate(subjects=2, sessions=1, clips=2, files=2)
    with sandbox.connect() as ms:
        project = ms.projects[name]
        result = done(project.download(tmp_path / "out"))
        assert len(result) == 8
        for entry in result:
            assert (tmp_path / "out" / entry.path).read_bytes() == entry.file.read_bytes()
        layout = "{subject}/{session}/{condition}/{trial}/{rest}"
        done(ms.projects["lab/practice"].upload_tree(tmp_path / "out", layout))
        other = done(ms.projects["lab/practice"].download(tmp_path / "again"))
        assert sorted(entry.path for entry in other) == sorted(entry.path for entry in result)
        for entry in result:
            assert (tmp_path / "again" / entry.path).read_bytes() == (
                tmp_path / "out" / entry.path
            ).read_bytes()


def two_of_one_name(ms: moveshelf.Moveshelf, practice: Project) -> list[moveshelf.Subject]:
    """Two patients called Doe, each with a file that says whose it is."""
    found = []
    for number in (1, 2):
        made = ms.execute(
            'mutation($p: String!) { createPatient(projectId: $p, name: "Doe") { patient { id } } }',
            {"p": practice.id},
        )
        subject = ms.subject(made["createPatient"]["patient"]["id"])
        session = subject.create_session("Gait", date=f"2024-05-0{number}")
        session.condition("Barefoot").create_clip("Walk").upload(
            io.BytesIO(f"patient {number}".encode()), name="x.csv", progress=False
        )
        found.append(subject)
    practice.refresh()
    return found


def contents_of(folder: Path) -> dict[str, str]:
    """What the files below each folder say."""
    return {path.relative_to(folder).parts[0]: path.read_text() for path in sorted(folder.rglob("*.csv"))}


def test_two_patients_of_one_name_never_meet_in_one_folder(sandbox: Sandbox, tmp_path: Path) -> None:
    with sandbox.connect() as ms:
        practice = ms.projects["lab/practice"]
        subjects = two_of_one_name(ms, practice)
        ways: list[Callable[..., Any]] = [
            practice.download,
            practice.subjects.download,
            practice.sessions.download,
            practice.find_sessions().download,  # newest first
        ]
        for number, way in enumerate(ways):
            with pytest.warns(UserWarning, match=r"subjects of one name, 'Doe' \("):
                way(tmp_path / str(number), progress=False).raise_for_errors()
        first = contents_of(tmp_path / "0")
        assert sorted(first.values()) == ["patient 1", "patient 2"]
        assert all(contents_of(tmp_path / str(number)) == first for number in range(len(ways)))
        # one of them is deleted: the other one's files do not go into the folder of the first
        subjects[0].delete()
        practice.refresh().download(tmp_path / "0", progress=False).raise_for_errors()
        assert contents_of(tmp_path / "0") == {**first, "Doe": "patient 2"}


def test_nor_where_one_is_downloaded_after_the_other(sandbox: Sandbox, tmp_path: Path) -> None:
    with sandbox.connect() as ms:
        practice = ms.projects["lab/practice"]
        two_of_one_name(ms, practice)
        for part in (practice.subjects[:1], practice.subjects[1:]):
            with pytest.warns(UserWarning, match=r"subjects of one name, 'Doe' \("):
                part.download(tmp_path, progress=False).raise_for_errors()
        found = contents_of(tmp_path)
        assert sorted(found.values()) == ["patient 1", "patient 2"]
        assert "Doe" not in found
        # a namesake in another project has folders of its own
        other = ms.refresh().projects[sandbox.generate(subjects=0, sessions=0, clips=0, files=0)]
        alone = other.create_subject("Doe")
        alone.create_session("Gait").create_clip("Walk").upload(
            io.BytesIO(b"patient 3"), name="x.csv", progress=False
        )
        practice.subjects.names()
        other.download(tmp_path / "other", progress=False).raise_for_errors()
        assert contents_of(tmp_path / "other") == {"Doe": "patient 3"}


def test_two_patients_of_one_name_do_not_become_one_by_an_upload(sandbox: Sandbox, tmp_path: Path) -> None:
    with sandbox.connect() as ms:
        practice = ms.projects["lab/practice"]
        two_of_one_name(ms, practice)
        practice.create_subject("Roe").create_session("Gait").create_clip("Walk").upload(
            io.BytesIO(b"another"), name="y.csv", progress=False
        )
        with pytest.warns(UserWarning, match="subjects of one name"):
            practice.download(tmp_path / "all", progress=False).raise_for_errors()
        name = sandbox.generate(subjects=0, sessions=0, clips=0, files=0)
        copy = ms.refresh().projects[name]
        plan = copy.upload_tree(tmp_path / "all", dry_run=True)
        assert [step.action for step in plan] == ["upload", "skip", "skip"]
        assert all(
            "were different subjects of one name, and would become one" in step.reason for step in plan[1:]
        )
        copy.upload_tree(tmp_path / "all", progress=False).raise_for_errors()
        assert copy.refresh().subjects.names() == ["Roe"]


def test_names_that_a_download_has_shortened_come_home(sandbox: Sandbox, tmp_path: Path) -> None:
    """What such a name has lost nobody can read from it: it is found among the names that the service has."""
    name = "lab/practice"
    with sandbox.connect() as ms:
        for letter in "ab":
            subject = ms.projects[name].create_subject(letter * 300)
            session = subject.create_session(f"2024-01-02 {letter * 300}")
            for condition in ("Barefoot" * 40, None):
                clip = session.create_clip("trial" * 60, condition=condition)
                clip.upload(io.BytesIO(letter.encode()), name=f"{'file' * 70}.json")
                clip.upload(io.BytesIO(letter.encode()), name="angles.json")
        assert len(ms.projects[name].download(tmp_path / "down", progress=False).done) == 8
    sandbox.requests.clear()
    with sandbox.connect() as ms:
        plan = ms.projects[name].upload_tree(tmp_path / "down", dry_run=True)
        assert {step.action for step in plan} == {"skip"}
        assert "creates" not in str(plan)
        result = ms.projects[name].upload_tree(tmp_path / "down", progress=False)
        assert {entry.status for entry in result} == {"skipped"}
        assert {entry.file.name for entry in result} == {f"{'file' * 70}.json", "angles.json"}
        (session_folder,) = (tmp_path / "down").glob("a*/2024*")
        content = {"sessionMetadata": {"session-height": "180"}}
        (session_folder / "moveshelf_config_import.json").write_text(json.dumps(content))
        ms.projects[name].upload_tree(tmp_path / "down", progress=False)
        assert ms.projects[name].refresh().subjects["a" * 300].sessions[0].metadata == {
            "session-height": "180"
        }
    assert not [one for one in sandbox.requests if one.kind == "blob" or "create" in str(one.fields)]


def test_paths_go_from_the_object_down(sandbox: Sandbox, tmp_path: Path) -> None:
    name = sandbox.generate(subjects=1, sessions=1, clips=2, files=1)
    with sandbox.connect() as ms:
        project = ms.projects[name]
        subject = project.subjects[0]
        session = subject.sessions[0]
        condition = session.conditions["Barefoot"]
        clip = condition.clips[0]
        file = clip.files[0]
        whole = f"{subject.name}/{session.name}/{condition.name}/{clip.title}/{file.name}"
        for root, depth in (
            (project, 0),
            (project.subjects, 0),
            (project.sessions, 0),
            (project.sessions[:1], 0),
            (subject, 1),
            (subject.sessions, 1),
            (session, 2),
            (session.clips, 2),
            (session.conditions, 2),
            (condition, 3),
            (condition.clips, 3),
            (clip, 4),
            (clip.files, 4),
            (file, 4),
        ):
            plan = root.download(tmp_path, dry_run=True)
            assert plan[0].path == "/".join(whole.split("/")[depth:]), root
        plan = ms.projects.download(tmp_path, dry_run=True)
        assert plan[0].path == f"{name.replace('/', '%2F')}/{whole}"
    assert list(tmp_path.iterdir()) == []


def test_what_is_chosen(sandbox: Sandbox, tmp_path: Path) -> None:
    clip = a_clip(sandbox)
    for name in ("a.c3d", "b.json", "c.JSON"):
        (tmp_path / name).write_text(name)
        clip.upload(tmp_path / name)
    assert [step.path for step in clip.download(tmp_path, include="*.json", dry_run=True)] == [
        "b.json",
        "c.JSON",
    ]
    assert [step.path for step in clip.download(tmp_path, data_types="motion", dry_run=True)] == ["a.c3d"]
    with pytest.raises(ValidationError, match="data type"):
        clip.download(tmp_path, data_types="movement")
    with pytest.raises(ValidationError, match="include"):
        clip.download(tmp_path, include=3)  # type: ignore[arg-type]


def test_what_is_there_already(sandbox: Sandbox, tmp_path: Path) -> None:
    clip = a_clip(sandbox)
    (tmp_path / "a.csv").write_text("1,2")
    clip.upload(tmp_path / "a.csv")
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.csv").write_text("mine")
    assert done(clip.download(out)).skipped[0].reason == "already there"
    with pytest.raises(TargetExistsError, match=r"a\.csv"):
        clip.download(out, existing="error")
    assert (out / "a.csv").read_text() == "mine"
    done(clip.download(out, existing="overwrite"))
    assert (out / "a.csv").read_text() == "1,2"
    with pytest.raises(ValidationError, match="existing"):
        clip.download(out, existing="add")


def test_what_is_not_complete_is_listed(sandbox: Sandbox, tmp_path: Path) -> None:
    clip = a_clip(sandbox)
    (tmp_path / "a.csv").write_text("1,2")
    sandbox.fail("PUT", status=500, rate=1.0)
    with pytest.raises(TransferError):
        clip.upload(tmp_path / "a.csv")
    sandbox.clear_faults()
    result = done(clip.refresh().download(tmp_path / "out"))
    assert [(entry.status, entry.reason) for entry in result] == [("skipped", "its status is Pending")]
    with pytest.raises(TransferError, match="Pending"):
        clip.files[0].read_bytes()


HOSTILE = [
    "../../x",
    "/etc/x",
    "C:\\x",
    "CON",
    "a/b",
    "a\0b",
    "x" * 300,
    "same.csv",
    "SAME.csv",
    "..",
    "a<<<c>>>.json",
]


def test_hostile_names_stay_inside(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other programs may have given such names: ours refuses some of them."""
    import io

    clip = a_clip(sandbox)
    monkeypatch.setattr("moveshelf.operations.uploads.checked_file_name", lambda name: name)
    for name in HOSTILE:
        clip.upload(io.BytesIO(name.encode()), name=name, data_type="raw")
    out = tmp_path / "deep" / "out"
    result = done(clip.download(out))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == len(HOSTILE)
    assert all(out in path.parents for path in files)
    assert sorted(path.read_bytes() for path in files) == sorted(name.encode() for name in HOSTILE)
    for entry in result:
        assert (out / entry.path).read_bytes() == entry.file.name.encode()
    assert {entry.status for entry in done(clip.download(out))} == {"skipped"}


def test_faults_of_every_kind_down(sandbox: Sandbox, tmp_path: Path) -> None:
    name = sandbox.generate(subjects=2, sessions=2, clips=5, files=3, file_size=50_000)
    with sandbox.connect() as ms:
        project = ms.projects[name]
        right = {entry.path: entry for entry in done(project.download(tmp_path / "right"))}
        ms._wire.retry = QUICK
        for number, fault in enumerate(
            ({"drop": True}, {"truncate": 0.3}, {"status": 503}, {"corrupt": True}, {"expire": True})
        ):
            sandbox.fail("GET", rate=0.1, seed=number, **fault)
        result = project.download(tmp_path / "out")
        assert isinstance(result, TransferResult)
        sandbox.clear_faults()
        assert len(result) == len(right) == 60
        assert len(result.done) > 50
        for entry in result:
            path = tmp_path / "out" / entry.path
            if entry.status == "done":
                assert path.read_bytes() == (tmp_path / "right" / entry.path).read_bytes()
            else:
                assert entry.error is not None
                assert not path.exists()
        done(project.download(tmp_path / "out"))
        names = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*")}
        assert {one for one in names if (tmp_path / "out" / one).is_file()} == set(right)


def test_bytes_that_are_always_wrong_are_reported(sandbox: Sandbox, tmp_path: Path) -> None:
    clip = a_clip(sandbox)
    (tmp_path / "a.csv").write_text("1,2")
    file = clip.upload(tmp_path / "a.csv")
    sandbox.fail("GET", corrupt=True, rate=1.0)
    with pytest.raises(ChecksumError):
        file.read_bytes()
    with pytest.raises(ChecksumError):
        file.download(tmp_path / "out")
    result = clip.download(tmp_path / "out")
    assert isinstance(result, TransferResult)
    assert [type(entry.error) for entry in result] == [ChecksumError]
    assert not any((tmp_path / "out").iterdir())


def test_reading(sandbox: Sandbox, tmp_path: Path) -> None:
    clip = a_clip(sandbox)
    (tmp_path / "a.json").write_bytes(b"\xef\xbb\xbf" + json.dumps({"a": [1, None]}).encode())
    file = clip.upload(tmp_path / "a.json")
    assert file.json() == {"a": [1, None]}
    with file.open() as stream:
        stream.seek(3)
        assert json.load(stream) == {"a": [1, None]}
    (tmp_path / "b.json").write_text("{")
    with pytest.raises(ValidationError, match=r"b\.json"):
        clip.upload(tmp_path / "b.json").json()


MEMORY = """
import sys, moveshelf
from pathlib import Path

def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) // 1024

ms = moveshelf.connect(sys.argv[1], sys.argv[2])
clip = ms.clip(sys.argv[3])
# everything is imported and warm
clip.upload(Path(sys.argv[4]) / "small.bin").download(Path(sys.argv[4]) / "out")
before = peak()
file = clip.upload(Path(sys.argv[4]) / "large.bin")
up = peak()
file.download(Path(sys.argv[4]) / "out")
with file.open() as stream:
    while stream.read(1 << 20):
        pass
print(up - before, peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux for the peak of the memory")
def test_memory_does_not_grow_with_the_file(sandbox: Sandbox, tmp_path: Path) -> None:
    clip = a_clip(sandbox)
    (tmp_path / "small.bin").write_bytes(b"1")
    with open(tmp_path / "large.bin", "wb") as stream:
        for number in range(160):
            stream.write(bytes([number]) * (1 << 20))
    process = start(sandbox, MEMORY, clip.id, str(tmp_path), stdout=subprocess.PIPE)
    said, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    up, whole = map(int, said.split())
    assert up <= 64
    assert whole <= 64


# deaths


UPLOAD = """
import sys, moveshelf
ms = moveshelf.connect(sys.argv[1], sys.argv[2])
ms.projects["lab/practice"].upload_tree(sys.argv[3]).raise_for_errors()
"""
DOWNLOAD = """
import sys, moveshelf
ms = moveshelf.connect(sys.argv[1], sys.argv[2])
ms.projects[sys.argv[4]].download(sys.argv[3]).raise_for_errors()
"""


def start(sandbox: Sandbox, code: str, *arguments: str, stdout: Any = None) -> subprocess.Popen[str]:
    root = str(Path(moveshelf.__file__).parents[1])
    return subprocess.Popen(
        [sys.executable, "-c", code, str(sandbox.key_file), sandbox.api_url, *arguments],
        env={**os.environ, "PYTHONPATH": root},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(what: Callable[[], bool]) -> None:
    for _ in range(3000):
        if what():
            return
        time.sleep(0.01)
    raise AssertionError("it never came")


def answered(sandbox: Sandbox, operation: str, status: int) -> int:
    return sum(1 for one in list(sandbox.requests) if one.operation == operation and one.status == status)


def test_killed_in_the_middle_of_a_tree_up(practice: Project, sandbox: Sandbox, tmp_path: Path) -> None:
    content = make_tree(tmp_path / "in", trials=8)
    # the first seven arrive, the others are put off for a minute
    sandbox.fail("PUT", status=503, retry_after=60, after=7, rate=1.0)
    process = start(sandbox, UPLOAD, str(tmp_path / "in"))
    wait_for(lambda: answered(sandbox, "PUT", 503) >= 5 and answered(sandbox, "PUT", 200) >= 7)
    process.send_signal(signal.SIGKILL)
    process.wait()
    sandbox.clear_faults()
    before = statuses(practice)
    assert before["Complete"] == answered(sandbox, "PUT", 200) >= 7
    assert before["Pending"] >= 5
    again = start(sandbox, UPLOAD, str(tmp_path / "in"))
    assert again.wait(60) == 0, again.stderr.read() if again.stderr else ""
    # each file was taken whole once, and nothing is left of what was half-made
    assert answered(sandbox, "PUT", 200) == len(content)
    assert statuses(practice) == {"Complete": len(content)}
    assert stored(practice) == {path: [data] for path, data in content.items()}
    # what may be open still are requests that it was killed in, and that the service has not carried out
    texts = [path.read_text() for path in (tmp_path / "state").rglob("*.jsonl")]
    left = [json.loads(line) for text in texts for line in text.splitlines()]
    made = {one["id"] for one in left if one["op"] == "made"}
    assert made <= {one["id"] for one in left if one["op"] == "over"}


def test_killed_before_it_heard_the_ids(practice: Project, sandbox: Sandbox, tmp_path: Path) -> None:
    content = make_tree(tmp_path / "in", trials=2)
    sandbox.fail("createAdditionalData", delay=0.0, drop="after", rate=1.0)
    process = start(sandbox, UPLOAD, str(tmp_path / "in"))
    wait_for(lambda: any(one.operation == "CreateFile" for one in list(sandbox.requests)))
    process.send_signal(signal.SIGKILL)
    process.wait()
    sandbox.clear_faults()
    again = start(sandbox, UPLOAD, str(tmp_path / "in"))
    assert again.wait(60) == 0, again.stderr.read() if again.stderr else ""
    found = stored_complete(practice)
    assert found == {path: [data] for path, data in content.items()}


def test_killed_inside_a_file_down(sandbox: Sandbox, tmp_path: Path) -> None:
    size = 6_000_000
    name = sandbox.generate(subjects=1, sessions=1, clips=1, files=2, file_size=size)
    # one file is cut in its middle, and what comes next is put off for a minute
    sandbox.fail("GET", truncate=4_000_000, times=1)
    sandbox.fail("GET", status=503, retry_after=60, after=1, rate=1.0)
    out = tmp_path / "out"
    process = start(sandbox, DOWNLOAD, str(out), name)
    wait_for(lambda: answered(sandbox, "GET", 503) >= 1 and len(list(out.rglob("*.part"))) >= 1)
    time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    sandbox.clear_faults()
    finished = list(out.rglob("*.bin"))
    assert all(path.stat().st_size == size for path in finished)
    parts = {path: path.stat().st_size for path in out.rglob("*.part")}
    sandbox.requests.clear()
    again = start(sandbox, DOWNLOAD, str(out), name)
    assert again.wait(60) == 0, again.stderr.read() if again.stderr else ""
    moved = sum(one.bytes_out for one in sandbox.requests if one.operation == "GET")
    assert moved == 2 * size - len(finished) * size - sum(parts.values())
    assert sum(parts.values()) > 0
    files = sorted(path for path in out.rglob("*") if path.is_file())
    assert [path.name for path in files] == ["data-1.bin", "data-2.bin"]
    with sandbox.connect() as ms:
        for path, file in zip(files, ms.projects[name].subjects[0].sessions[0].clips[0].files, strict=True):
            assert path.read_bytes() == file.read_bytes()


def test_interrupted_it_goes_on(sandbox: Sandbox, practice: Project, tmp_path: Path) -> None:
    content = make_tree(tmp_path / "in", trials=8)
    sandbox.fail("PUT", status=503, retry_after=60, after=7, rate=1.0)
    process = start(sandbox, UPLOAD, str(tmp_path / "in"))
    wait_for(lambda: answered(sandbox, "PUT", 503) >= 5)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert "stopped after" in said
    assert "do the same again to go on" in said
    sandbox.clear_faults()
    done(practice.upload_tree(tmp_path / "in"))
    assert statuses(practice) == {"Complete": len(content)}


def test_the_whole_demo_comes_down_and_nothing_goes_up(demo: Sandbox, tmp_path: Path) -> None:
    """Trials of norms lie in folders that are no subject's."""
    with demo.connect() as ms:
        project = ms.projects["lab/demo"]
        result = project.download(tmp_path / "demo", progress=False)
        assert any(entry.path.startswith("Norms/") for entry in result)
        plan = project.upload_tree(tmp_path / "demo", dry_run=True)
    assert {step.action for step in plan} == {"skip"}
    assert {step.reason for step in plan} == {"already there"}
    assert len(plan) == len(result)


def test_plans_and_results_say_where_files_are_on_this_computer(practice: Project, tmp_path: Path) -> None:
    make_tree(tmp_path / "up", trials=1)
    (tmp_path / "up" / "notes.txt").write_text("x")
    for lines in (
        practice.upload_tree(tmp_path / "up", dry_run=True),
        practice.upload_tree(tmp_path / "up", progress=False),
    ):
        assert [one.local for one in lines] == [tmp_path / "up" / one.path for one in lines]
    for done in (
        practice.download(tmp_path / "down", progress=False),
        practice.download(tmp_path / "down", progress=False),
    ):
        assert done
        assert all(one.local is not None and one.local.is_file() for one in done)
    clip = practice.subjects[0].sessions[0].clips[0]
    assert clip.files[0].download(tmp_path / "one.json", progress=False)[0].local is not None
