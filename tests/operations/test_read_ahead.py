"""Contents that a loop reads: what is requested ahead, how much is held, and what is dropped, raised or fetched anew."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moveshelf import BudgetError, ChecksumError, DeletedError, DetachedError
from moveshelf.operations import read_ahead
from moveshelf.operations.read_ahead import ReadAhead

if TYPE_CHECKING:
    from moveshelf import Clip, DataFile, Moveshelf, Project
    from moveshelf.sandbox import Sandbox

MIB = 1 << 20


@pytest.fixture
def own(sandbox: Sandbox) -> Iterator[tuple[Sandbox, Moveshelf]]:
    """A sandbox of this test alone, and a client of it."""
    with sandbox.connect() as client:
        yield sandbox, client


def ahead_of(ms: Moveshelf) -> ReadAhead:
    found = ms._service.ahead
    assert found is not None
    return found


def until(condition: Callable[[], bool]) -> None:
    """Wait for what happens on another thread."""
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not happen")


def settled(ms: Moveshelf) -> None:
    """Return when nothing is on its way."""
    ahead = ahead_of(ms)

    async def looked() -> bool:
        return not ahead._running and not any(not one.done() for one in ahead._requests)

    until(lambda: bool(ms._wire.run(looked).result()))


def urls(sandbox: Sandbox) -> list[int]:
    """How many files each request for URLs named."""
    return [len(one.variables) for one in sandbox.requests.of("DownloadUrls")]


def gets(sandbox: Sandbox) -> int:
    return len(sandbox.requests.of("GET"))


def files_of(project: Project) -> Iterator[DataFile]:
    for subject in project.subjects:
        for session in subject.sessions:
            for clip in session.clips:
                yield from clip.files


def loaded(sandbox: Sandbox, ms: Moveshelf, *shape: int, size: int | None = 100) -> Project:
    """A project whose files are listed: requests from here on are those of contents."""
    project = ms.refresh().projects[sandbox.generate(*shape, file_size=size)]
    project.load("subjects.sessions.clips.files")
    sandbox.requests.clear()
    return project


def stored(ms: Moveshelf, files: list[DataFile]) -> list[bytes]:
    """The contents, by a way that has nothing to do with loops."""
    return [content for file in files for _, content in file.read()]


# requests ------------------------------------------------------------------------------------------------------
def test_a_single_read_is_two_requests_also_as_the_first_of_a_loop(shared: Sandbox, ms: Moveshelf) -> None:
    project = loaded(shared, ms, 1, 1, 3, 4)
    for file in files_of(project):
        file.read_bytes()
        break
    project.subjects[0].sessions[0].clips[1].files["data-2.bin"].read_bytes()
    settled(ms)
    assert urls(shared) == [1, 1]
    assert gets(shared) == 2
    assert not ahead_of(ms)._entries


def test_a_loop_begins_slowly(shared: Sandbox, ms: Moveshelf) -> None:
    project = loaded(shared, ms, 2, 2, 5, 4)
    found = []
    for file in files_of(project):
        file.read_bytes()
        settled(ms)
        found.append((urls(shared), gets(shared)))
        if len(found) == 10:
            break
    assert found[:6] == [
        ([1], 1),  # one file
        ([1, 3], 4),  # its neighbour, and two more
        ([1, 3, 4], 8),  # the reader has come to the two: four more
        ([1, 3, 4], 8),
        ([1, 3, 4, 8], 16),
        ([1, 3, 4, 8], 16),
    ]
    assert found[-1] == ([1, 3, 4, 8, 16], 32)


def test_a_whole_loop_is_few_requests_and_the_same_bytes(shared: Sandbox, ms: Moveshelf) -> None:
    project = loaded(shared, ms, 5, 2, 10, 4)
    found = [file.read_bytes() for file in files_of(project)]
    requests = urls(shared)
    assert len(found) == 400
    assert sum(requests) == 400, "a URL for each file, once"
    assert len(requests) <= 13
    assert max(requests) == 64
    assert gets(shared) == 400, "and its bytes once"
    assert ahead_of(ms).held == 0
    files = list(files_of(project))
    assert found[::57] == stored(ms, files[::57])


def test_a_loop_of_a_coroutine_is_as_few_requests(shared: Sandbox, ms: Moveshelf) -> None:
    project = loaded(shared, ms, 5, 2, 10, 4)

    async def loop() -> list[bytes]:
        return [
            await file.aread_bytes()
            async for subject in project.subjects
            async for session in subject.sessions
            async for clip in session.clips
            async for file in clip.files
        ]

    found = asyncio.run(loop())
    requests = urls(shared)
    assert sum(requests) == 400, "a URL for each file, once"
    assert len(requests) <= 13
    assert gets(shared) == 400, "and its bytes once"
    assert ahead_of(ms).held == 0
    files = list(files_of(project))
    assert found[::57] == stored(ms, files[::57])


def test_tasks_that_are_cancelled_leave_nothing(own: tuple[Sandbox, Moveshelf]) -> None:
    sandbox, ms = own
    project = loaded(sandbox, ms, 2, 2, 5, 4)
    files = list(files_of(project))
    contents = stored(ms, files)
    sandbox.latency(0.02)

    async def read_all() -> list[bytes]:
        return await asyncio.gather(*(file.aread_bytes() for file in files))

    async def cancel(turns: int) -> None:
        task = asyncio.create_task(read_all())
        for _ in range(turns):
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    for turns in range(6):
        asyncio.run(cancel(turns))
    assert asyncio.run(read_all()) == contents
    settled(ms)
    assert (ahead_of(ms).held, ahead_of(ms)._running) == (
        sum(one.size for one in ahead_of(ms)._entries.values()),
        0,
    )


def test_listings_are_not_waited_for(shared: Sandbox, ms: Moveshelf) -> None:
    """What is not listed yet is listed by the engine, and read ahead from there on."""
    project = ms.projects[shared.generate(5, 2, 10, 4, file_size=100)]
    shared.requests.clear()
    assert len([file.read_bytes() for file in files_of(project)]) == 400
    assert sum(urls(shared)) == gets(shared) == 400
    assert len(urls(shared)) <= 20


def test_one_file_of_each_trial_by_its_name(shared: Sandbox, ms: Moveshelf) -> None:
    project = loaded(shared, ms, 4, 2, 8, 4, size=None)
    found = []
    for subject in project.subjects:
        for session in subject.sessions:
            for clip in session.clips:
                found.append(clip.files["gait_params.json"].json())
    assert len(found) == sum(urls(shared)) == gets(shared) == 64
    assert len(urls(shared)) <= 7
    assert all(one["data"] for one in found)


def named(clip: Clip) -> list[DataFile]:
    return [file for file in clip.files if file.name.startswith("a")]


def searched(clip: Clip) -> list[DataFile]:
    return list(clip.files.find(name=lambda name: name.startswith("a")))


def sliced(clip: Clip) -> list[DataFile]:
    return [clip.files[["angles_normalized.json", "angles.json"]][n] for n in (0, 1)]


@pytest.mark.parametrize("pick", [named, searched, sliced])
def test_some_files_of_each_trial(
    shared: Sandbox, ms: Moveshelf, pick: Callable[[Clip], list[DataFile]]
) -> None:
    project = loaded(shared, ms, 3, 2, 6, 4, size=None)
    count = 0
    for subject in project.subjects:
        for session in subject.sessions:
            for clip in session.clips:
                for file in pick(clip):
                    assert file.json()["data"]
                    count += 1
    settled(ms)
    assert count == 72
    assert len(urls(shared)) <= 12
    assert gets(shared) <= 72 + 4, "what is passed over is not fetched once that is known"


def test_names_with_numbers_are_of_one_kind(shared: Sandbox, ms: Moveshelf) -> None:
    assert read_ahead.pattern_of("P-001_Trial-12_angles.json") == read_ahead.pattern_of(
        "P-2_Trial-3_angles.json"
    )
    assert read_ahead.pattern_of("left.json") != read_ahead.pattern_of("right.json")
    project = loaded(shared, ms, 2, 2, 5, 6)
    wanted = [file for file in files_of(project) if file.name.endswith("1.bin")]
    for file in wanted:
        assert len(file.read_bytes()) == 100
    assert len(wanted) == 20
    assert len(urls(shared)) <= 7


def test_the_files_that_trials_are_themselves(own: tuple[Sandbox, Moveshelf]) -> None:
    sandbox, ms = own
    project = ms.projects["lab/practice"]
    session = project.create_subject("P-1").create_session("2024-05-06")
    for number in range(12):
        service = session._attached("test")
        row = {"clientId": "1", "metadata": {"title": f"T{number}", "projectPath": session.path}}
        content = f"trial {number}".encode()
        made = project._create_clip({**row, "filename": f"t{number}.txt", "crc32c": checksum(content)})
        put(service, made["uploadUrl"], content)
    session.refresh()
    session.clips.load("original_name")
    sandbox.requests.clear()
    found = [clip.original.read_bytes() for clip in session.clips if clip.original]
    assert found == [f"trial {number}".encode() for number in range(12)]
    assert urls(sandbox) == [1, 3, 4, 4]


def checksum(content: bytes) -> str:
    from moveshelf.transfer.checksum import Crc32c

    return Crc32c(content).base64()


def put(service: Any, url: str, content: bytes) -> None:
    import urllib.request

    request = urllib.request.Request(url, content, {"Content-Type": "application/octet-stream"}, method="PUT")
    urllib.request.urlopen(request).close()


def test_open_files_get_small_contents_and_urls(shared: Sandbox, ms: Moveshelf) -> None:
    project = loaded(shared, ms, 2, 2, 5, 2)
    found = []
    for file in files_of(project):
        with file.open() as stream:
            found.append(stream.read())
    assert found == stored(ms, list(files_of(project)))
    assert len(found) == 40
    project = loaded(shared, ms, 1, 1, 20, 1, size=MIB)
    for file in files_of(project):
        with file.open() as stream:
            assert len(stream.read(1000)) == 1000
    assert len(urls(shared)) <= 7, "large files are not fetched ahead, but their URLs are"
    whole = [one for one in shared.requests.of("GET") if "range" not in one.headers]
    assert len(whole) <= 4, "the first ones, whose size was not known: their bodies are left"


def test_a_file_that_is_read_twice_is_no_new_loop(shared: Sandbox, ms: Moveshelf) -> None:
    project = loaded(shared, ms, 1, 2, 10, 2)
    for file in files_of(project):
        assert file.read_bytes() == file.read_bytes()
    assert gets(shared) == 80
    assert sorted(urls(shared))[-1] >= 12, "batches grow all the same"


def test_a_second_loop_reads_anew_and_begins_slowly(shared: Sandbox, ms: Moveshelf) -> None:
    project = loaded(shared, ms, 1, 1, 10, 2)
    first = [file.read_bytes() for file in files_of(project)]
    assert urls(shared) == [1, 3, 4, 8, 4]
    assert first == [file.read_bytes() for file in files_of(project)]
    assert urls(shared) == [1, 3, 4, 8, 4] * 2
    assert gets(shared) == 40


def test_reads_here_and_there_are_no_loop(shared: Sandbox, ms: Moveshelf) -> None:
    project = loaded(shared, ms, 1, 1, 10, 4)
    files = list(files_of(project))
    for number in (30, 21, 13, 2):
        files[number].read_bytes()
    settled(ms)
    assert urls(shared) == [1, 1, 1, 1]
    assert gets(shared) == 4


def test_files_without_bytes_are_left_out(own: tuple[Sandbox, Moveshelf]) -> None:
    sandbox, ms = own
    project = loaded(sandbox, ms, 1, 1, 4, 1)
    clips = project.subjects[0].sessions[0].clips
    clips[2]._create_file({"dataType": "data", "crc32c": "AAAAAA==", "filename": "late.json"})
    clips.refresh()
    clips.load("files")
    sandbox.requests.clear()
    for file in files_of(project):
        if file.name != "late.json":
            file.read_bytes()
    settled(ms)
    assert sum(urls(sandbox)) == gets(sandbox) == 4


# memory --------------------------------------------------------------------------------------------------------
def test_what_is_ahead_is_bounded(own: tuple[Sandbox, Moveshelf]) -> None:
    sandbox, ms = own
    project = loaded(sandbox, ms, 1, 1, 60, 1, size=3 * MIB)
    ahead, most = ahead_of(ms), 0
    ahead.limit = 20 * MIB
    for number, file in enumerate(files_of(project), 1):
        assert len(file.read_bytes()) == 3 * MIB
        if number in (20, 40):
            settled(ms)
            held = sum(len(one.content) for one in ahead._entries.values() if one.content is not None)
            assert held == ahead.held <= 20 * MIB
            assert held >= 15 * MIB, "what is allowed is used"
            sent = sum(one.bytes_out for one in sandbox.requests.blobs)
            assert sent - number * 3 * MIB <= 20 * MIB + 3 * MIB * 4, "and little more was fetched"
        most = max(most, ahead.held)
    assert most <= 23 * MIB
    assert ahead.held == 0
    assert read_ahead.READ_AHEAD == ReadAhead().limit == 64 * MIB


def test_of_large_files_only_the_urls(
    own: tuple[Sandbox, Moveshelf], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_ahead, "LARGEST", MIB)
    sandbox, ms = own
    project = loaded(sandbox, ms, 1, 1, 12, 1, size=2 * MIB)
    for file in files_of(project):
        assert len(file.read_bytes()) == 2 * MIB
        settled(ms)
        assert ahead_of(ms).held == 0
    assert gets(sandbox) == 12
    assert urls(sandbox) == [1, 3, 4, 4]


def test_the_url_of_a_file_that_turns_out_to_be_large_is_used(
    own: tuple[Sandbox, Moveshelf], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_ahead, "LARGEST", MIB)
    sandbox, ms = own
    project = loaded(sandbox, ms, 1, 1, 12, 1, size=2 * MIB)
    for number, file in enumerate(files_of(project)):
        if number < 2:  # the size of the whole is not known from these
            with file.open() as stream:
                stream.read(10)
            settled(ms)
        else:
            assert len(file.read_bytes()) == 2 * MIB
    assert sum(urls(sandbox)) == 12, "a URL for each file, once"
    assert gets(sandbox) <= 12 + 2, "those whose size was not known were begun, and left"


def test_a_loop_that_was_left_makes_room_for_another(own: tuple[Sandbox, Moveshelf]) -> None:
    sandbox, ms = own
    ahead_of(ms).limit = 4 * MIB
    left = loaded(sandbox, ms, 1, 1, 30, 1, size=MIB)
    for number, file in enumerate(files_of(left)):
        file.read_bytes()
        if number == 10:
            break
    settled(ms)
    assert ahead_of(ms).held == 4 * MIB
    other = loaded(sandbox, ms, 1, 1, 30, 1, size=MIB)
    seen = []
    for file in files_of(other):
        file.read_bytes()
        settled(ms)
        levels = {id(one.loop.level) for one in ahead_of(ms)._entries.values() if one.content is not None}
        seen.append(len(levels))
    assert ahead_of(ms).held == 0
    assert max(seen[3:], default=0) == 1, "one loop's contents are held"


def test_what_nobody_reads_is_dropped(
    own: tuple[Sandbox, Moveshelf], monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox, ms = own
    project = loaded(sandbox, ms, 1, 1, 30, 1, size=1000)
    for number, file in enumerate(files_of(project)):
        file.read_bytes()
        if number == 6:
            break
    settled(ms)
    ahead = ahead_of(ms)
    assert ahead.held >= 4000
    assert ahead._timer is not None, "they are looked at after a while"
    ahead._timer.cancel()
    monkeypatch.setattr(read_ahead, "IDLE", 0.0)
    ms._wire.run(as_coroutine(ahead._drop_idle)).result()
    assert ahead.held == 0
    assert not ahead._entries
    assert not ahead._levels


def as_coroutine(function: Callable[[], Any]) -> Callable[[], Any]:
    async def run() -> Any:
        return function()

    return run


def test_an_old_content_is_fetched_anew(
    own: tuple[Sandbox, Moveshelf], monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox, ms = own
    project = loaded(sandbox, ms, 1, 1, 8, 1)
    files = files_of(project)
    for _ in range(3):
        next(files).read_bytes()
    settled(ms)
    before = gets(sandbox)
    monkeypatch.setattr(read_ahead, "OLD", -1.0)
    next(files).read_bytes()
    assert gets(sandbox) > before


def test_what_the_reader_passes_over_is_dropped(shared: Sandbox, ms: Moveshelf) -> None:
    project = loaded(shared, ms, 1, 1, 12, 2)
    files = list(files_of(project))
    for number in range(5):
        files[number].read_bytes()
    settled(ms)
    ids = [file.id for file in files]
    assert ids[5] in ahead_of(ms)._entries
    files[6].read_bytes()  # the file of the same number of the next trial
    assert ids[5] not in ahead_of(ms)._entries


# faults --------------------------------------------------------------------------------------------------------
def test_an_expired_url_is_fetched_anew(own: tuple[Sandbox, Moveshelf]) -> None:
    sandbox, ms = own
    project = loaded(sandbox, ms, 1, 1, 12, 1)
    expected = stored(ms, list(files_of(project)))
    sandbox.requests.clear()
    sandbox.fail("GET", expire=True, after=4, times=2)
    assert [file.read_bytes() for file in files_of(project)] == expected
    assert sorted(urls(sandbox))[:3] == [1, 1, 1], "the first file's, and a new one for each that had expired"


def test_a_failure_ahead_is_tried_again_by_its_reader(own: tuple[Sandbox, Moveshelf]) -> None:
    sandbox, ms = own
    project = loaded(sandbox, ms, 1, 1, 12, 1)
    files = files_of(project)
    next(files).read_bytes()
    next(files).read_bytes()
    settled(ms)
    sandbox.fail("DownloadUrls", error="not just now", times=1)
    next(files).read_bytes()  # requests the URLs of four more
    settled(ms)
    failed = [one for one in ahead_of(ms)._entries.values() if one.error is not None]
    assert len(failed) == 4
    assert [len(file.read_bytes()) for file in files] == [100] * 9


def test_a_failure_of_a_neighbour_is_not_the_readers(own: tuple[Sandbox, Moveshelf]) -> None:
    sandbox, ms = own
    project = loaded(sandbox, ms, 1, 1, 4, 1)
    files = files_of(project)
    next(files).read_bytes()
    sandbox.fail("DownloadUrls", error="one of the three is bad", times=1)
    assert len(next(files).read_bytes()) == 100
    assert urls(sandbox) == [1, 3, 1]


def test_wrong_bytes_are_raised_where_the_reader_comes_to_them(
    own: tuple[Sandbox, Moveshelf], monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox, ms = own
    project = loaded(sandbox, ms, 1, 1, 12, 1, size=1000)
    files = list(files_of(project))
    from moveshelf.transfer.checksum import Crc32c

    bad = Crc32c(files[7].read_bytes()).base64()
    other = Crc32c(b"other").base64()
    monkeypatch.setattr(
        Crc32c, "base64", lambda self, real=Crc32c.base64: other if real(self) == bad else real(self)
    )
    read = []
    for file in files:
        if file is files[7]:
            with pytest.raises(ChecksumError, match=file.name):
                file.read_bytes()
            read.append(-1)
        else:
            read.append(len(file.read_bytes()))
    assert read == [1000] * 7 + [-1] + [1000] * 4


def test_json_that_is_none_is_raised_in_its_place(shared: Sandbox, ms: Moveshelf) -> None:
    project = loaded(shared, ms, 1, 1, 4, 1)
    refused = 0
    for file in files_of(project):
        with pytest.raises(ValueError, match="is not JSON"):
            file.json()
        refused += 1
    assert refused == 4


# threads, budgets, cache, the end ------------------------------------------------------------------------------
def test_eight_threads_read_each_file_once(own: tuple[Sandbox, Moveshelf]) -> None:
    sandbox, ms = own
    project = loaded(sandbox, ms, 2, 2, 20, 4)
    clips = [clip for subject in project.subjects for session in subject.sessions for clip in session.clips]
    expected = stored(ms, [file for clip in clips for file in clip.files])
    sandbox.requests.clear()
    found: dict[int, list[bytes]] = {}
    numbers = iter(range(len(clips)))
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            found[number] = [file.read_bytes() for file in clips[number].files]

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    settled(ms)
    assert [one for number in range(len(clips)) for one in found[number]] == expected
    assert gets(sandbox) <= 320 * 1.2, "hardly any file is fetched twice"
    assert len(urls(sandbox)) <= 160, "and many URLs came together"


def test_two_loops_side_by_side(shared: Sandbox, ms: Moveshelf) -> None:
    both = loaded(shared, ms, 2, 1, 20, 2)
    one, other = (
        [file for clip in subject.sessions[0].clips for file in clip.files] for subject in both.subjects
    )
    for first, second in zip(one, other, strict=True):
        assert len(first.read_bytes()) == len(second.read_bytes()) == 100
    assert sum(urls(shared)) == gets(shared) == 80
    assert len(urls(shared)) <= 16


def test_a_budget_is_not_exceeded_ahead(shared: Sandbox, ms: Moveshelf) -> None:
    project = loaded(shared, ms, 1, 1, 20, 1)
    files = files_of(project)
    with ms.budget(requests=2) as budget:
        for _ in range(4):
            next(files).read_bytes()
        settled(ms)
        assert budget.used == 2
        with pytest.raises(BudgetError):
            next(files).read_bytes()
    assert urls(shared) == [1, 3]
    assert len(next(files).read_bytes()) == 100, "and without it the loop goes on"


def test_nothing_is_sent_where_that_is_forbidden(shared: Sandbox, ms: Moveshelf) -> None:
    project = loaded(shared, ms, 1, 1, 20, 1)
    files = files_of(project)
    for _ in range(3):
        next(files).read_bytes()
    settled(ms)
    sent = len(shared.requests)
    with ms.no_fetch():
        for _ in range(5):
            assert len(next(files).read_bytes()) == 100, "it is there already"
        with pytest.raises(BudgetError):
            next(files).read_bytes()
    assert len(shared.requests) == sent


def test_contents_on_the_disk_are_compared_ahead_too(shared: Sandbox, ms: Moveshelf, tmp_path: Path) -> None:
    name = shared.generate(1, 1, 20, 2, file_size=100)
    with shared.connect(cache=tmp_path / "kept") as client:
        project = client.projects[name]
        first = [file.read_bytes() for file in files_of(project)]
        shared.requests.clear()
        assert first == [file.read_bytes() for file in files_of(project)]
        settled(client)
        assert gets(shared) == 0
        assert len(shared.requests.of("HEAD")) == 40
        assert len(urls(shared)) <= 7


def test_close_stops_what_is_on_its_way(own: tuple[Sandbox, Moveshelf]) -> None:
    sandbox, ms = own
    project = loaded(sandbox, ms, 1, 1, 60, 1)
    files = files_of(project)
    for _ in range(8):
        file = next(files)
        file.read_bytes()
    settled(ms)
    sandbox.latency(2)  # every request from here on is still on its way when the client is closed
    ahead = ahead_of(ms)
    before = gets(sandbox)
    while not ahead._requests:
        file = next(files)
        file.read_bytes()  # there already; the first file of a batch sends a request for the URLs of the next one
    ms.close()
    until(lambda: not ahead._entries and not ahead._running)
    assert ahead.held == 0
    time.sleep(2.5)
    assert gets(sandbox) == before, "no bytes are fetched after it"
    with pytest.raises(DetachedError):
        file.read_bytes()


def test_a_forgotten_client_is_freed(own: tuple[Sandbox, Moveshelf]) -> None:
    sandbox, _ = own
    client = sandbox.connect()
    project = loaded(sandbox, client, 1, 1, 20, 1)
    for number, file in enumerate(files_of(project)):
        file.read_bytes()
        if number == 5:
            break
    settled(client)
    assert ahead_of(client).held
    freed = weakref.ref(client._wire)
    del client, project, file
    gc.collect()
    until(lambda: freed() is None)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_process_goes_on_by_itself(own: tuple[Sandbox, Moveshelf]) -> None:
    sandbox, ms = own
    project = loaded(sandbox, ms, 1, 1, 20, 1)
    files = files_of(project)
    for _ in range(5):
        next(files).read_bytes()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if all(len(file.read_bytes()) == 100 for file in files) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert [len(file.read_bytes()) for file in files] == [100] * 15


def test_a_scripts_own_sender_is_not_used_ahead(shared: Sandbox, ms: Moveshelf) -> None:
    project = loaded(shared, ms, 1, 1, 6, 1)

    class Own:
        replaced = True

        def submit(self, *args: Any, **options: Any) -> Any:
            return ms._wire.submit(*args, **options)

    ms._service.sender = Own()
    for file in files_of(project):
        file.read_bytes()
    assert urls(shared) == [1] * 6


# several readers -----------------------------------------------------------------------------------------------
def in_step(works: list[Iterator[DataFile]]) -> list[list[bytes]]:
    """What threads read of what their iterators yield; no thread is more than one file ahead of another."""
    found: list[list[bytes]] = [[] for _ in works]
    step = threading.Barrier(len(works))

    def work(number: int) -> None:
        try:
            for file in works[number]:
                step.wait(60)
                found[number].append(file.read_bytes())
        except BaseException:
            step.abort()
            raise

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@pytest.fixture
def many(own: tuple[Sandbox, Moveshelf]) -> tuple[Sandbox, Moveshelf, Project, list[bytes]]:
    """A project with 200 small files, and their contents; requests from here on are those of the test."""
    sandbox, ms = own
    project = loaded(sandbox, ms, 5, 2, 5, 4)
    contents = stored(ms, list(files_of(project)))
    sandbox.requests.clear()
    return sandbox, ms, project, contents


Many = tuple["Sandbox", "Moveshelf", "Project", list[bytes]]
#: what one reader sends for URLs of 200 files
ALONE = 9


def test_four_threads_that_each_read_all(many: Many) -> None:
    sandbox, ms, project, contents = many
    assert in_step([files_of(project) for _ in range(4)]) == [contents] * 4
    settled(ms)
    assert gets(sandbox) <= 200 + 3, "each file once; of the first one each loop may have sent its own"
    assert len(urls(sandbox)) <= ALONE + 3 + 2
    assert (ahead_of(ms).held, ahead_of(ms)._entries) == (0, {})


def test_four_threads_that_read_a_quarter_each(many: Many) -> None:
    sandbox, ms, project, contents = many
    files = list(files_of(project))
    found = in_step([iter(files[n::4]) for n in range(4)])
    assert [found[n % 4][n // 4] for n in range(200)] == contents
    settled(ms)
    assert gets(sandbox) == sum(urls(sandbox)) == 200
    assert len(urls(sandbox)) <= 24
    assert (ahead_of(ms).held, ahead_of(ms)._entries) == (0, {}), "nothing is kept for readers of one loop"


def test_four_threads_that_read_parts_that_overlap(many: Many) -> None:
    sandbox, ms, project, contents = many
    files = list(files_of(project))
    found = in_step([iter(files[25 * n : 25 * n + 110]) for n in range(4)])
    assert found == [contents[25 * n : 25 * n + 110] for n in range(4)]
    settled(ms)
    assert gets(sandbox) <= 200 + 75 + 10, (
        "only what was read before they were found to overlap is fetched again"
    )
    assert len(urls(sandbox)) <= 4 * ALONE


@pytest.mark.parametrize("slow", [2, 5, 20])
def test_two_threads_of_different_speeds(many: Many, slow: int) -> None:
    """The fast one reads so many files while the other one reads one."""
    sandbox, ms, project, contents = many
    found: list[list[bytes]] = [[], []]
    step = threading.Barrier(2)

    def work(number: int, files_a_step: int) -> None:
        for count, file in enumerate(files_of(project)):
            if count % files_a_step == 0 and count // files_a_step < 200 / slow:
                step.wait(60)
            found[number].append(file.read_bytes())

    threads = [threading.Thread(target=work, args=args) for args in ((0, slow), (1, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    settled(ms)
    assert found == [contents] * 2
    assert gets(sandbox) <= 200 + slow, "what the fast one has read is kept for the other one"
    assert len(urls(sandbox)) <= ALONE + 5
    assert (ahead_of(ms).held, ahead_of(ms)._entries) == (0, {}), "and no longer than that"


@pytest.mark.parametrize("part", ["all", "an eighth", "one file"])
def test_tasks_of_an_event_loop(many: Many, part: str) -> None:
    sandbox, ms, project, contents = many
    files = list(files_of(project))
    works = {
        "all": [files] * 8,
        "an eighth": [files[n::8] for n in range(8)],
        "one file": [[file] for file in files],
    }[part]

    async def work(files: list[DataFile]) -> list[bytes]:
        return [await file.aread_bytes() for file in files]

    async def main() -> list[list[bytes]]:
        return list(await asyncio.gather(*map(work, works)))

    found = asyncio.run(main())
    wanted = dict(zip(files, contents, strict=True))
    assert found == [[wanted[file] for file in one] for one in works]
    settled(ms)
    assert gets(sandbox) <= 200 + (8 if part == "all" else 0)
    assert len(urls(sandbox)) <= ALONE + (9 if part == "all" else 1)
    assert ahead_of(ms).held == 0


def test_workers_of_a_pool_that_go_through_all_twice(many: Many) -> None:
    from concurrent.futures import ThreadPoolExecutor

    sandbox, ms, project, contents = many
    files = list(files_of(project))
    with ThreadPoolExecutor(8) as pool:
        for turn in (1, 2):
            assert list(pool.map(lambda file: file.read_bytes(), files)) == contents
            settled(ms)
            assert 200 * turn <= gets(sandbox) <= 210 * turn, "each time anew, and each file once"
            assert len(urls(sandbox)) <= (ALONE + 10) * turn


def test_threads_that_each_read_a_session(own: tuple[Sandbox, Moveshelf]) -> None:
    """More files than are remembered of one loop alone: the last of a session are followed by those of another thread."""
    sandbox, ms = own
    project = loaded(sandbox, ms, 8, 1, 25, 4)
    contents = [stored(ms, list(clip_files(subject))) for subject in project.subjects]
    sandbox.requests.clear()
    found = in_step([clip_files(subject) for subject in project.subjects])
    settled(ms)
    assert found == contents
    assert gets(sandbox) == sum(urls(sandbox)) == 800
    assert len(urls(sandbox)) <= 8 * ALONE


def clip_files(subject: Any) -> Iterator[DataFile]:
    for session in subject.sessions:
        for clip in session.clips:
            yield from clip.files


def in_thread(work: Callable[[], Any]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_single_reads_of_several_threads_are_no_loop(many: Many) -> None:
    sandbox, ms, project, _ = many
    files = list(files_of(project))
    for _ in range(3):
        for number in (10, 100):
            in_thread(files[number].read_bytes)
            settled(ms)
    assert gets(sandbox) == len(urls(sandbox)) == 6
    assert ahead_of(ms)._entries == {}


def test_who_reads_again_gets_it_as_it_is_then(many: Many) -> None:
    """Also where a content is kept for another loop."""
    sandbox, ms, project, _ = many
    files = list(files_of(project))[:20]
    go, done = threading.Semaphore(0), threading.Semaphore(0)

    def slow() -> None:
        for file in files:
            go.acquire()
            file.read_bytes()
            done.release()

    thread = threading.Thread(target=slow)
    thread.start()
    for file in files:
        if file is files[0]:
            file.read_bytes()
        if file is files[1]:  # the other one has a loop of its own from here on
            go.release()
            done.acquire()
        if file is not files[0]:
            file.read_bytes()
    settled(ms)
    before = gets(sandbox)
    assert before <= 90, "the twenty, what was ahead, and the first one once more"
    kept = ahead_of(ms)._entries[files[10].id]
    assert kept.is_read
    for file in files:
        file.read_bytes()
    settled(ms)
    assert files[10].id in ahead_of(ms)._entries, "the slow one has not come to it"
    assert ahead_of(ms)._entries[files[10].id] is not kept, "and gets the newer one"
    before = gets(sandbox)
    for _ in files[1:]:
        go.release()
        done.acquire()
    thread.join()
    assert gets(sandbox) <= before + 64, "none of the twenty again"


def test_what_is_kept_for_others_is_bounded(own: tuple[Sandbox, Moveshelf]) -> None:
    sandbox, ms = own
    ahead = ahead_of(ms)
    ahead.limit = 8 * MIB
    project = loaded(sandbox, ms, 1, 1, 40, 1, size=MIB)
    files = list(files_of(project))
    end = threading.Event()

    def reads_one_and_stops() -> None:
        files[0].read_bytes()
        end.wait(60)

    files[0].read_bytes()
    thread = threading.Thread(target=reads_one_and_stops)
    thread.start()
    until(lambda: sum(len(one.loops) for one in ahead._levels.values()) == 2)
    settled(ms)
    for number, file in enumerate(files[1:], 1):
        assert len(file.read_bytes()) == MIB
        settled(ms)
        kept = [one for one in ahead._entries.values() if one.is_read and one.content is not None]
        assert ahead.held == sum(len(one.content or b"") for one in ahead._entries.values()) <= 8 * MIB
        assert len(kept) <= 4, "half of what may be held"
        if 5 < number < 30:
            assert ahead.held == 8 * MIB, "the rest is ahead of the reader"
    assert gets(sandbox) <= 42
    end.set()
    thread.join()
    files[0].read_bytes()  # a new loop: the one of the thread has ended, what was kept for it is dropped
    assert (ahead.held, ahead._entries) == (0, {})


def test_contents_that_no_loop_comes_to_are_dropped_after_a_while(
    many: Many, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where all loops go on."""
    _, ms, project, _ = many
    files, others = list(files_of(project)), files_of(project)
    next(others)
    files[0].read_bytes()
    in_thread(lambda: [file.read_bytes() for file in files[:5]])
    settled(ms)
    ahead = ahead_of(ms)
    assert ahead.held > 0
    monkeypatch.setattr(read_ahead, "OLD", -1.0)
    monkeypatch.setattr(read_ahead, "IDLE", 3600.0)
    for entry in ahead._entries.values():
        entry.since -= 3600
    assert ahead._timer is not None
    ahead._timer.cancel()
    ms._wire.run(as_coroutine(ahead._drop_idle)).result()
    assert (ahead.held, ahead._entries) == (0, {})
    assert sum(len(one.loops) for one in ahead._levels.values()) == 2


def test_a_reader_that_is_cancelled_leaves_the_content_to_the_others(own: tuple[Sandbox, Moveshelf]) -> None:
    sandbox, ms = own
    project = loaded(sandbox, ms, 1, 1, 12, 1)
    files = list(files_of(project))
    contents = stored(ms, files)

    async def main() -> None:
        async def all_of_them() -> list[bytes]:
            return [await file.aread_bytes() for file in files]

        first, other = (asyncio.create_task(all_of_them()) for _ in range(2))
        while len(urls(sandbox)) < 2:
            await asyncio.sleep(0.01)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert await other == contents

    sandbox.requests.clear()
    sandbox.latency(0.05)
    asyncio.run(main())
    settled(ms)
    assert gets(sandbox) <= 12 + 3
    assert ahead_of(ms)._running == 0


class Somebody:
    """A reader as a task of an event loop is one."""

    def __init__(self) -> None:
        self.has_ended = False

    def done(self) -> bool:
        return self.has_ended


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.one_of(st.sampled_from(["next", "next", "next", "again", "end"]), st.integers(0, 23)),
        ),
        max_size=60,
    ),
    st.sampled_from([700, 64 * MIB]),
)
def test_whoever_reads_whatever(
    twenty_four: tuple[Moveshelf, list[DataFile], list[bytes]], steps: list[tuple[int, str | int]], limit: int
) -> None:
    """Four readers that go on, jump, begin again and end, in any order: the bytes are right, all is counted, nothing stays."""
    ms, files, contents = twenty_four
    ahead = ahead_of(ms)
    ms._wire.run(ahead._close).result()
    ahead.limit = limit
    readers = [Somebody() for _ in range(4)]
    places = [-1] * 4
    for number, step in steps:
        if step == "end":
            readers[number].has_ended = True
            readers[number], places[number] = Somebody(), -1
            continue
        if isinstance(step, int):
            places[number] = step
        elif step == "next" or places[number] < 0:
            places[number] = (places[number] + 1) % 24
        file = files[places[number]]
        _, peers = file._among_peers()
        reading = ahead.reading(ms._service, file, peers, file.name, readers[number])
        assert reading.result() == contents[places[number]]
        settled(ms)
        entries = ahead._entries
        assert ahead.held == sum(one.size for one in entries.values())
        assert ahead.held == sum(len(one.content or b"") for one in entries.values()) <= limit
        loops = {loop for level in ahead._levels.values() for loop in level.loops}
        assert all(one.loops and one.loops <= loops and not one.wanted for one in entries.values())
        assert len(loops) <= 4
    for loop in list(ahead._loops()):
        ms._wire.run(as_coroutine(lambda loop=loop: ahead._end(loop))).result()
    assert (ahead.held, ahead._entries) == (0, {})


@pytest.fixture(scope="module")
def twenty_four() -> Iterator[tuple[Moveshelf, list[DataFile], list[bytes]]]:
    """A client, files of a loop over them, and their contents."""
    from moveshelf.sandbox import Sandbox

    with Sandbox() as sandbox, sandbox.connect() as client:
        files = list(files_of(loaded(sandbox, client, 2, 2, 3, 2)))
        yield client, files, stored(client, files)


# our own writes ------------------------------------------------------------------------------------------------
def test_a_deleted_file_is_dropped(own: tuple[Sandbox, Moveshelf]) -> None:
    sandbox, ms = own
    project = loaded(sandbox, ms, 1, 1, 12, 1)
    files = list(files_of(project))
    for number in range(4):
        files[number].read_bytes()
    settled(ms)
    victim = files[5]
    assert ahead_of(ms)._entries[victim.id].content is not None
    victim.delete()
    with pytest.raises(DeletedError):
        victim.read_bytes()
    files[4].read_bytes()
    settled(ms)
    assert victim.id not in ahead_of(ms)._entries
    assert ahead_of(ms).held == sum(len(one.content or b"") for one in ahead_of(ms)._entries.values())


def test_files_of_a_trial_that_was_uploaded_to_are_dropped(
    own: tuple[Sandbox, Moveshelf], tmp_path: Path
) -> None:
    sandbox, ms = own
    project = loaded(sandbox, ms, 1, 1, 12, 1)
    clips = list(project.subjects[0].sessions[0].clips)
    files = list(files_of(project))
    for number in range(4):
        files[number].read_bytes()
    settled(ms)
    path = tmp_path / files[5].name
    path.write_bytes(b"new bytes")
    clips[5].upload(path, existing="replace-different")
    sandbox.requests.clear()
    assert len(files[4].read_bytes()) == 100
    settled(ms)
    assert files[5].id not in ahead_of(ms)._entries
    assert clips[5].files[path.name].read_bytes() == b"new bytes"


def test_refresh_drops_what_is_below(own: tuple[Sandbox, Moveshelf]) -> None:
    sandbox, ms = own
    project = loaded(sandbox, ms, 1, 1, 12, 1)
    files = list(files_of(project))
    for number in range(4):
        files[number].read_bytes()
    settled(ms)
    before = gets(sandbox)
    project.subjects[0].refresh()
    files[4].read_bytes()
    settled(ms)
    assert gets(sandbox) > before, "it was there, and is fetched anew"


def test_no_module_of_the_numbers_is_imported_for_it() -> None:
    """Reading bytes needs nothing of the extras."""
    import subprocess

    code = (
        "import sys, moveshelf.operations.read_ahead; print('numpy' in sys.modules, 'aiohttp' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
