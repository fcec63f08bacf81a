"""Contents of many files together: their order, what is requested, how much is held, what is warned of and what is raised."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from moveshelf import BudgetError, ChecksumError, TransferError, ValidationError
from moveshelf.operations import contents
from moveshelf.operations.files import DataFiles

if TYPE_CHECKING:
    from pathlib import Path

    from moveshelf import Moveshelf, Project
    from moveshelf.sandbox import Sandbox

MIB = 1 << 20


@pytest.fixture
def own(sandbox: Sandbox) -> Iterator[tuple[Sandbox, Moveshelf]]:
    """A sandbox of this test alone, and a client of it."""
    with sandbox.connect() as client:
        yield sandbox, client


def gets(sandbox: Sandbox) -> list[str]:
    """The names of the files whose bytes were requested."""
    return [one.path.rpartition("/")[2] for one in sandbox.requests if one.kind == "blob"]


def test_all_contents_in_order_in_few_requests(own: tuple[Sandbox, Moveshelf]) -> None:
    sandbox, ms = own
    project = ms.projects[sandbox.generate(subjects=3, sessions=3, clips=8, files=2)]
    sandbox.requests.clear()
    before = ms.stats.requests
    found = list(project.read())
    listed = [
        file
        for subject in project.subjects
        for session in subject.sessions
        for clip in session.clips
        for file in clip.files
    ]
    assert [file for file, _ in found] == listed
    assert len(found) == 144
    assert len(gets(sandbox)) == 144, "one request for each file's bytes"
    assert ms.stats.requests - before <= 8, "listings, and URLs for 16 files and then for 64 each"
    for file, content in found[::37]:
        assert content == file.read_bytes()


def test_every_object_with_files_reads_the_same(project: Project) -> None:
    subject = project.subjects["P-002"]
    session = subject.sessions[0]
    condition = session.conditions["Barefoot"]
    clip = condition.clips[0]
    (expected,) = clip.read("event.json")
    assert expected[0] is clip.files["event.json"]
    assert list(clip.files["event.json"].read()) == [expected]
    for owner in (
        clip.files,
        condition,
        condition.clips,
        session.conditions,
        session,
        subject.sessions[:1],
        subject,
    ):
        assert next(iter(owner.read("event.json"))) == expected
    assert len(list(project.subjects[1:2].read("EVENT.json"))) == len(list(subject.read("event.json")))


def test_contents_come_while_others_are_on_their_way(own: tuple[Sandbox, Moveshelf]) -> None:
    sandbox, ms = own
    clip = ms.projects[sandbox.generate(1, 1, 1, 40, file_size=100)].clips[0]
    sandbox.requests.clear()
    pairs = clip.read()
    assert gets(sandbox) == [], "nothing before the first is taken"
    next(pairs)
    for _ in range(200):
        if len(gets(sandbox)) == 40:
            break
        time.sleep(0.02)
    assert len(gets(sandbox)) == 40, "read ahead while nobody takes more"
    assert len(list(pairs)) == 39


def test_an_iterator_that_is_left_stops(own: tuple[Sandbox, Moveshelf]) -> None:
    sandbox, ms = own
    clip = ms.projects[sandbox.generate(1, 1, 1, 60, file_size=100)].clips[0]
    sandbox.latency(0.05)
    sandbox.requests.clear()
    pairs = clip.read(jobs=2)
    next(pairs)
    pairs.close()  # type: ignore[attr-defined]
    time.sleep(0.5)
    assert len(gets(sandbox)) <= 6
    sandbox.latency(0)
    assert len(list(clip.read())) == 60, "and the client goes on"


def test_what_is_held_is_bounded(own: tuple[Sandbox, Moveshelf]) -> None:
    sandbox, ms = own
    clip = ms.projects[sandbox.generate(1, 1, 1, 30, file_size=MIB)].clips[0]
    located = list(clip._located_files())
    service = clip._download_service()
    found = contents.contents(service, located, 16, limit=5 * MIB)
    sandbox.requests.clear()
    next(found)
    sizes = []
    reader = found.gi_frame.f_locals["reader"]  # type: ignore[attr-defined]
    for _ in found:
        sizes.append(reader._total)
        held = sum(len(one) for one in reader._done.values())
        assert held <= 5 * MIB
    assert max(sizes) <= 6 * MIB, "the bound, and the file that is wanted next"
    assert max(sizes) >= 4 * MIB, "what is allowed is used"
    assert len(sizes) == 29


def test_files_larger_than_the_bound_are_read_alone(own: tuple[Sandbox, Moveshelf]) -> None:
    sandbox, ms = own
    clip = ms.projects[sandbox.generate(1, 1, 1, 6, file_size=2 * MIB)].clips[0]
    found = list(contents.contents(clip._download_service(), list(clip._located_files()), 16, limit=MIB))
    assert [len(one.result) for one in found] == [2 * MIB] * 6  # type: ignore[arg-type]


def test_a_damaged_file_is_raised_in_its_place_or_warned_of(own: tuple[Sandbox, Moveshelf]) -> None:
    sandbox, ms = own
    clip = ms.projects[sandbox.generate(1, 1, 1, 3, file_size=1000)].clips[0]
    names = clip.files.names()
    broken = clip.files[1]

    async def urls(self: DataFiles, ids: list[str]) -> list[Any]:
        answers = await fetch(self, ids)
        return [
            TransferError("no bytes") if one == broken.id else url
            for one, url in zip(ids, answers, strict=True)
        ]

    fetch = DataFiles.download_urls
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DataFiles, "download_urls", urls)
        pairs = clip.read()
        assert next(pairs)[0].name == names[0]
        with pytest.raises(TransferError, match="no bytes"):
            next(pairs)
        with pytest.warns(UserWarning, match=f"{names[1]} is left out: no bytes") as caught:
            found = [file.name for file, _ in clip.read(errors="warn")]
    assert found == [names[0], names[2]]
    assert caught[0].filename == __file__


def test_wrong_bytes_are_never_handed_over(own: tuple[Sandbox, Moveshelf]) -> None:
    sandbox, ms = own
    clip = ms.projects[sandbox.generate(1, 1, 1, 2, file_size=1000)].clips[0]
    sandbox.fail("GET", corrupt=True, rate=1.0)
    with pytest.raises(ChecksumError):
        list(clip.read())
    sandbox.clear_faults()
    sandbox.fail("GET", corrupt=True, times=1)
    sandbox.fail("GET", status=503, times=1)
    assert [len(content) for _, content in clip.read()] == [1000, 1000]


def test_no_connection_is_raised_also_where_files_may_fail(own: tuple[Sandbox, Moveshelf]) -> None:
    sandbox, ms = own
    clip = ms.projects[sandbox.generate(1, 1, 1, 2)].clips[0]
    clip.load("files", "original_name")
    with ms.no_fetch(), pytest.raises(BudgetError):
        list(clip.read(errors="warn"))


def test_what_is_incomplete_is_warned_of(own: tuple[Sandbox, Moveshelf]) -> None:
    sandbox, ms = own
    clip = ms.projects[sandbox.generate(1, 1, 1, 1)].clips[0]
    clip._create_file({"dataType": "data", "crc32c": "AAAAAA==", "filename": "late.json"})
    clip.refresh()
    with pytest.warns(UserWarning, match=r"not complete.*late\.json \("):
        found = [file.name for file, _ in clip.read()]
    assert found == ["angles_normalized.json"]


def test_json_of_an_empty_file_says_so(own: tuple[Sandbox, Moveshelf], tmp_path: Path) -> None:
    sandbox, ms = own
    clip = ms.projects[sandbox.generate(subjects=1, sessions=1, clips=1, files=1)].clips[0]
    (tmp_path / "event.json").write_bytes(b"")
    file = clip.upload(tmp_path / "event.json")
    with pytest.raises(ValidationError, match=r"'event\.json' is not JSON: the file is empty \(0 bytes\)"):
        file.json()


def test_a_pattern_without_files_is_warned_of(project: Project) -> None:
    with pytest.warns(UserWarning, match="no file fits include='event.jsn'") as caught:
        assert list(project.subjects["P-001"].read("event.jsn")) == []
    assert caught[0].filename == __file__


@pytest.mark.parametrize("wrong", [{"jobs": 0}, {"jobs": "4"}, {"errors": "ignore"}, {"include": [3]}])
def test_arguments_are_checked_before_any_request(reader: Moveshelf, wrong: dict[str, Any]) -> None:
    session = reader.session("U2Vzc2lvbrVV6FTMUc")
    with reader.no_fetch(), pytest.raises(ValidationError, match=next(iter(wrong))):
        session.read(**wrong)


def test_what_has_no_files_says_so(project: Project) -> None:
    with pytest.raises(ValidationError, match="norms have no files"):
        project.norms.read()


def test_two_threads_read_the_same_trials(project: Project) -> None:
    session = project.subjects["P-004"].sessions[0]
    found: list[list[bytes]] = []
    threads = [
        threading.Thread(target=lambda: found.append([content for _, content in session.read("event.json")]))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert found[0] == found[1] == found[2]
    assert len(found[0]) == 9
