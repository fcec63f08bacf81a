"""What interrupted uploads have begun is known later, none of it is forgotten, and nobody else's is taken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

import moveshelf
from moveshelf.models import Clip
from moveshelf.sandbox import Sandbox
from moveshelf.transfer import journal as module
from moveshelf.transfer.journal import GRACE, CreateRequest, Journal, _match
from moveshelf.transfer.locks import ABANDONED, Owner
from moveshelf.transfer.result import TransferResult
from moveshelf.wire import RetryPolicy

URL = "https://api.example.org/graphql"
QUICK = RetryPolicy(attempts=8, first=0.001, cap=0.01)


def begin(
    journal: Journal, owner: str, name: str, known: Sequence[str] = (), made: str | None = None
) -> CreateRequest:
    """A request, and what came of it where `made` says so."""
    (request,) = journal.requested([(owner, name, known)])
    if made is not None:
        journal.made([(request, made)])
    return request


def dead() -> Owner:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    return Owner(Owner.current().host, child.pid)


def die(journal: Journal, owner: Owner | None = None) -> Path:
    """The run ends as by a power cut: its file stays as it is, and names a process (by default a dead one)."""
    assert journal._descriptor is not None
    assert journal._path is not None
    os.close(journal._descriptor)
    journal._descriptor = None
    lines = journal._path.read_text().splitlines()
    lines[0] = json.dumps({"op": "process", **attrs.asdict(owner or dead())})
    journal._path.write_text("\n".join([*lines, ""]))
    return journal._path


def files(tmp_path: Path) -> list[Path]:
    return sorted(tmp_path.rglob("*.jsonl"))


@pytest.fixture(params=["locks work", "locks are always granted"])
def _locks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "locks are always granted":
        monkeypatch.setattr(module, "try_lock", lambda descriptor: True)


@pytest.mark.usefixtures("_locks")
def test_a_run_that_dies_leaves_what_it_began(tmp_path: Path) -> None:
    journal = Journal(URL, tmp_path)
    begin(journal, "clip", "a", made="id-a")
    begin(journal, "clip", "b", ["old"])
    # as long as it lives, nobody else touches it
    assert Journal(URL, tmp_path).mine("clip", "a", ["id-a"]) == set()
    die(journal)
    later = Journal(URL, tmp_path)
    assert later.mine("clip", "a", ["id-a", "other"]) == {"id-a"}
    # of b only the request is known: the one that has come since is ours, if it is one
    assert later.mine("clip", "b", ["old"]) == set()
    assert later.mine("clip", "b", ["old", "new"]) == {"new"}
    assert later.mine("clip", "b", ["old", "new", "another"]) == set()
    assert later.mine("other clip", "a", ["id-a"]) == set()
    assert Journal("https://api.elsewhere.org/graphql", tmp_path).mine("clip", "a", ["id-a"]) == set()
    later.mine("clip", "b", ["old", "new"])
    later.over(["id-a", "new"])
    assert not later.unresolved("clip", "b")
    later.close()
    assert files(tmp_path) == []
    assert Journal(URL, tmp_path).mine("clip", "a", ["id-a"]) == set()


def test_n_wishes_explain_up_to_n_unknown_files(tmp_path: Path) -> None:
    """Interrupted twice before the service had responded: neither is left for ever."""
    first = Journal(URL, tmp_path)
    begin(first, "clip", "a")
    die(first)
    second = Journal(URL, tmp_path)
    assert second.mine("clip", "a", ["ghost-1"]) == {"ghost-1"}
    begin(second, "clip", "a", ["ghost-1"])
    die(second)
    third = Journal(URL, tmp_path)
    assert third.mine("clip", "a", ["ghost-1", "ghost-2"]) == {"ghost-1", "ghost-2"}
    # a third one can be somebody else's, and then any of the others can be, too
    assert third.mine("clip", "a", ["ghost-1", "ghost-2", "strange"]) == set()
    assert third.mine("clip", "a", ["ghost-1"]) == {"ghost-1"}
    third.mine("clip", "a", ["ghost-1", "ghost-2"])
    third.over(["ghost-1", "ghost-2"])
    third.close()
    assert files(tmp_path) == []


def test_wishes_of_the_same_knowledge_are_two(tmp_path: Path) -> None:
    for _ in range(2):
        journal = Journal(URL, tmp_path)
        begin(journal, "clip", "a")
        die(journal)
    assert Journal(URL, tmp_path).mine("clip", "a", ["one", "two"]) == {"one", "two"}


def test_a_wish_that_is_answered_is_that_one(tmp_path: Path) -> None:
    """What comes of a later request settles that one, not the one of the run before."""
    first = Journal(URL, tmp_path)
    begin(first, "clip", "a")
    die(first)
    second = Journal(URL, tmp_path)
    begin(second, "clip", "a", ["ghost"], made="mine")
    second.over(["mine"])
    assert second.unresolved("clip", "a")
    second.close()
    assert Journal(URL, tmp_path).mine("clip", "a", ["ghost"]) == {"ghost"}


def test_what_is_open_survives_several_runs(tmp_path: Path) -> None:
    for number in range(3):
        journal = Journal(URL, tmp_path)
        begin(journal, "clip", f"{number}", made=f"id-{number}")
        journal.close()
    assert len(files(tmp_path)) == 1
    last = Journal(URL, tmp_path)
    found = [last.mine("clip", f"{number}", [f"id-{number}"]) for number in range(3)]
    assert found == [{"id-0"}, {"id-1"}, {"id-2"}]


def test_a_wish_is_open_until_the_service_must_have_carried_it_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(URL, tmp_path)
    begin(journal, "clip", "a")
    begin(journal, "clip", "b")
    journal.close()
    later = Journal(URL, tmp_path)
    later.settle("clip", "a", [])
    assert later.unresolved("clip", "a")  # it may come yet
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + GRACE + 1)
    later.settle("clip", "b", ["new"])
    assert later.unresolved("clip", "b")  # it has come
    later.settle("clip", "a", [])
    assert not later.unresolved("clip", "a")
    assert later.mine("clip", "a", ["from elsewhere"]) == set()
    assert later.mine("clip", "b", ["new"]) == {"new"}
    later.over(["new"])
    later.close()
    assert files(tmp_path) == []


def test_a_refusal_leaves_nothing_open(tmp_path: Path) -> None:
    journal = Journal(URL, tmp_path)
    (request,) = journal.requested([("clip", "a", [])])
    journal.made([(request, None)])
    assert not journal.unresolved("clip", "a")
    journal.close()
    assert files(tmp_path) == []


def test_what_is_adopted_is_known_after_another_death(tmp_path: Path) -> None:
    journal = Journal(URL, tmp_path)
    begin(journal, "clip", "a")
    journal.adopt("clip", "a", journal.mine("clip", "a", ["new"]))
    assert not journal.unresolved("clip", "a")
    die(journal)
    assert Journal(URL, tmp_path).mine("clip", "a", ["new", "x", "y"]) == {"new"}


@given(
    st.lists(st.sets(st.integers(0, 5)), max_size=5),
    st.sets(st.integers(0, 5), max_size=5),
)
def test_each_file_gets_a_wish_of_its_own(known: list[set[int]], ids: set[int]) -> None:
    requests = [CreateRequest(str(n), "c", "a", frozenset(map(str, one)), 0.0) for n, one in enumerate(known)]
    found = _match([str(one) for one in sorted(ids)], requests)
    by_token = {request.token: request for request in requests}
    assert len(set(found.values())) == len(found)
    assert all(identity not in by_token[token].known for identity, token in found.items())

    def most(left: list[str], free: frozenset[str]) -> int:
        if not left:
            return 0
        best = most(left[1:], free)
        for token in free:
            if left[0] not in by_token[token].known:
                best = max(best, 1 + most(left[1:], free - {token}))
        return best

    assert len(found) == most([str(one) for one in sorted(ids)], frozenset(by_token))


# whose it is


@pytest.mark.parametrize(
    ("owner", "lives"),
    [
        (Owner("another computer", 1), True),
        (Owner.current(), True),
        (attrs.evolve(Owner.current(), started="of another time"), False),
    ],
)
def test_a_run_that_may_live_is_left_alone_where_locks_are_worth_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: Owner, lives: bool
) -> None:
    monkeypatch.setattr(module, "try_lock", lambda descriptor: True)
    journal = Journal(URL, tmp_path)
    begin(journal, "clip", "a", made="id-a")
    path = die(journal, owner)
    later = Journal(URL, tmp_path)
    assert later.mine("clip", "a", ["id-a"]) == (set() if lives else {"id-a"})
    assert path.exists() == lives
    if owner.host == "another computer":
        os.utime(path, (time.time() - ABANDONED - 1,) * 2)
        assert Journal(URL, tmp_path).mine("clip", "a", ["id-a"]) == {"id-a"}


def test_a_sign_of_life(tmp_path: Path) -> None:
    journal = Journal(URL, tmp_path)
    journal.touch()
    begin(journal, "clip", "a", made="id-a")
    (path,) = files(tmp_path)
    os.utime(path, (1, 1))
    journal.touch()
    assert path.stat().st_mtime > 1
    journal.close()


# files


def test_a_torn_line_and_a_wrong_one_do_no_harm(tmp_path: Path) -> None:
    journal = Journal(URL, tmp_path)
    begin(journal, "clip", "a", made="id-a")
    journal.close()
    (path,) = files(tmp_path)
    wrong = b'[1]\n{"op": "made"}\n{"op": "request", "at": "x"}\n' + b"[" * 50_000 + b'\n{"op": "made", "own'
    path.write_bytes(path.read_bytes() + wrong)
    assert Journal(URL, tmp_path).mine("clip", "a", ["id-a"]) == {"id-a"}


def test_looking_changes_nothing(tmp_path: Path) -> None:
    journal = Journal(URL, tmp_path)
    begin(journal, "clip", "a", made="id-a")
    journal.close()
    before = sorted(tmp_path.rglob("*"))
    look = Journal(URL, tmp_path, readonly=True)
    assert look.mine("clip", "a", ["id-a"]) == {"id-a"}
    look.close()
    assert sorted(tmp_path.rglob("*")) == before


def test_without_a_place_to_write_it_does_without(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    journal = Journal(URL, tmp_path / "file")
    begin(journal, "clip", "a", made="id-a")
    assert journal.mine("clip", "a", ["id-a"]) == {"id-a"}
    journal.close()
    assert "no journal of uploads can be kept" in caplog.text


def test_threads_share_one_file(tmp_path: Path) -> None:
    for attempt in range(20):
        journal = Journal(URL, tmp_path)
        start = threading.Barrier(4)

        def work(number: int, journal: Any = journal, start: Any = start, attempt: int = attempt) -> None:
            start.wait()
            begin(journal, "clip", f"{number}", made=f"id-{attempt}-{number}")

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
        assert len(files(tmp_path)) == 1
        journal.over([f"id-{attempt}-{number}" for number in range(4)])
        journal.close()
        assert files(tmp_path) == []


def test_runs_that_begin_and_end_at_once_keep_their_folder(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One that ends does not take the folder away from one that begins."""

    def work(number: int) -> None:
        for attempt in range(50):
            journal = Journal(URL, tmp_path)
            begin(journal, "clip", f"{number}", made=f"{number}-{attempt}")
            journal.over([f"{number}-{attempt}"])
            journal.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert caplog.text == ""
    assert files(tmp_path) == []


def test_it_holds_no_secret(tmp_path: Path) -> None:
    journal = Journal("https://user:secret@api.example.org/graphql?key=secret", tmp_path)
    begin(journal, "clip", "a", made="id-a")
    (path,) = files(tmp_path)
    assert "secret" not in path.name + path.parent.name + path.read_text()
    if os.name != "nt":
        assert path.stat().st_mode & 0o077 == 0
        assert path.parent.stat().st_mode & 0o077 == 0
    journal.close()


# over real HTTP


def a_clip(sandbox: Sandbox) -> Clip:
    name = sandbox.generate(subjects=1, sessions=1, clips=1, files=0)
    ms = sandbox.connect()
    ms._engine.service.wire.retry = QUICK
    return ms.projects[name].subjects[0].sessions[0].clips[0]


UPLOAD = """
import sys, moveshelf
ms = moveshelf.connect(sys.argv[1], sys.argv[2])
ms.clip(sys.argv[3]).upload(sys.argv[4])
"""


def statuses(clip: Clip) -> list[str]:
    return sorted(str(file.upload_status) for file in clip.refresh().files)


def killed_while_it_is_created(sandbox: Sandbox, clip: Clip, path: Path) -> None:
    """The service creates the file, and the program dies before it is told."""
    before = sum(1 for one in sandbox.requests if one.operation == "CreateFile")
    sandbox.fail("createAdditionalData", drop="after", times=1)
    sandbox.fail("FilesNow", delay=60.0)
    process = subprocess.Popen(
        [sys.executable, "-c", UPLOAD, str(sandbox.key_file), sandbox.api_url, clip.id, str(path)],
        env={**os.environ, "PYTHONPATH": str(Path(moveshelf.__file__).parents[1])},
    )
    for _ in range(3000):
        if sum(1 for one in list(sandbox.requests) if one.operation == "CreateFile") > before:
            break
        time.sleep(0.01)
    process.kill()
    process.wait()
    sandbox.clear_faults()


def test_killed_twice_while_a_file_is_created(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOVESHELF_STATE_DIR", str(tmp_path / "state"))
    clip = a_clip(sandbox)
    (tmp_path / "a.csv").write_text("1,2")
    for count in (1, 2, 3):
        killed_while_it_is_created(sandbox, clip, tmp_path / "a.csv")
        assert statuses(clip) == ["Pending"] * count
    file = clip.upload(tmp_path / "a.csv", progress=False)
    assert file.read_bytes() == b"1,2"
    assert statuses(clip) == ["Complete"]
    assert files(tmp_path) == []


def test_what_cannot_be_told_apart_is_said_and_kept_in_mind(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOVESHELF_STATE_DIR", str(tmp_path / "state"))
    clip = a_clip(sandbox)
    (tmp_path / "in" / "P" / "2024-01-01" / "B").mkdir(parents=True)
    (tmp_path / "a.csv").write_text("1,2")
    killed_while_it_is_created(sandbox, clip, tmp_path / "a.csv")
    # another computer is at it, too
    fields = {
        "clipId": clip.id,
        "dataType": "data",
        "filename": "a.csv",
        "clientId": "x",
        "crc32c": "AAAAAA==",
    }
    clip._engine.service.wire.execute(  # type: ignore[union-attr]
        "mutation M($i: CreateAdditionalDataInput) { createAdditionalData(input: $i) { data { id } } }",
        {"i": fields},
    )
    assert statuses(clip) == ["Pending"] * 2
    results: list[TransferResult] = []
    from moveshelf.operations import uploads

    send = uploads.send
    monkeypatch.setattr(uploads, "send", lambda *args, **kw: results.append(send(*args, **kw)) or results[-1])
    with pytest.warns(UserWarning, match="2 unfinished of that name stay on the service"):
        clip.upload(tmp_path / "a.csv", progress=False)
    assert statuses(clip) == ["Complete", "Pending", "Pending"]
    pending = sorted(file.id for file in clip.files if str(file.upload_status) == "Pending")
    (entry,) = results[0].left
    assert list(entry.left) == pending
    assert all(identity in entry.reason for identity in pending)
    assert len(files(tmp_path)) == 1  # it is known to the next run
    # the other computer has ended
    clip._engine.service.wire.execute(
        "mutation D($i: ID!) { deleteAdditionalData(id: $i) { ok } }", {"i": pending[1]}
    )  # type: ignore[union-attr]
    clip.upload(tmp_path / "a.csv", existing="skip", progress=False)
    assert statuses(clip) == ["Complete"]
    assert files(tmp_path) == []


def test_an_error_names_what_is_left(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOVESHELF_STATE_DIR", str(tmp_path / "state"))
    name = sandbox.generate(subjects=0)
    folder = tmp_path / "in" / "P" / "2024-01-01" / "B"
    folder.mkdir(parents=True)
    for number in range(3):
        (folder / f"T_{number}.csv").write_text("1,2")
    sandbox.fail("PUT", status=500, rate=1.0)
    with sandbox.connect() as ms:
        ms._engine.service.wire.retry = QUICK
        result: Any = ms.projects[name].upload_tree(tmp_path / "in", progress=False)
        assert len(result.failed) == len(result.left) == 3
        for entry in result.left:
            (identity,) = entry.left
            assert identity in str(entry.error)
        sandbox.clear_faults()
        again: Any = ms.projects[name].upload_tree(tmp_path / "in", progress=False)
        assert len(again.done) == 3
        assert again.left == []
    assert files(tmp_path) == []
