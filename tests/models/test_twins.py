"""Async twins: objects, contents and transfers in coroutines, under the event loops that people use."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.loops import KINDS, counted_waits, run_in
from support.walks import request_count

import moveshelf
from moveshelf import DataFile, NotLoadedError, Project, Session, ValidationError
from moveshelf.models import contents, twins
from moveshelf.operations.read_ahead import ReadAhead
from moveshelf.wire import aio

if TYPE_CHECKING:
    from moveshelf import Moveshelf
    from moveshelf.sandbox import Sandbox


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


def in_flight(ms: Moveshelf) -> int:
    return len(ms._wire._channels[0].tasks)


def not_blocking(kind: str, main: Coroutine[Any, Any, Any]) -> Any:
    """Run it, and make sure that no wait for a request blocked its event loop."""
    with counted_waits() as waits:
        result = run_in(kind, main)
    assert waits == []
    return result


# loops and loads ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", KINDS)
def test_nested_loops_send_as_many_requests_as_those_of_a_thread(sandbox: Sandbox, kind: str) -> None:
    name = sandbox.generate(subjects=30, sessions=3, clips=4, files=2)
    with sandbox.connect() as ms:
        sandbox.requests.clear()
        expected = [
            file.id
            for subject in ms.projects[name].subjects
            for session in subject.sessions
            for clip in session.clips
            for file in clip.files
        ]
        requests = request_count(sandbox)

    async def main() -> list[str]:
        found = []
        async with sandbox.connect() as ms, ms.aio() as same:
            assert same is ms
            await ms.aload("projects")
            async for subject in ms.projects[name].subjects:
                async for session in subject.sessions:
                    async for clip in session.clips:
                        async for file in clip.files:
                            found.append(file.id)
        return found

    sandbox.requests.clear()
    assert not_blocking(kind, main()) == expected
    assert request_count(sandbox) <= requests


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_body_awaits_is_fetched_for_the_next_too(shared: Sandbox, kind: str) -> None:
    name = shared.generate(subjects=40, sessions=2, clips=2, files=1)

    async def main() -> tuple[int, int]:
        async with shared.connect() as ms, ms.aio():
            await ms.aload()
            async for subject in ms.projects[name].subjects:
                await subject.aload("metadata", "sessions.clips")
                assert subject.metadata["ehr-id"]
                for session in subject.sessions:
                    assert len(session.clips) == 2
            return ms.stats.requests, len(ms.projects[name].subjects)

    requests, count = not_blocking(kind, main())
    assert count == 40
    assert requests <= 2 + 3 * 2, "two batches for each of three levels: the first of twenty, then the rest"


@pytest.mark.parametrize("kind", KINDS)
def test_two_hundred_tasks_at_once(shared: Sandbox, kind: str) -> None:
    name = shared.generate(subjects=200, sessions=1, clips=1, files=1)

    async def one(subject: Any) -> tuple[str, int]:
        await subject.aload("metadata")
        (session,) = [session async for session in subject.sessions]
        (clip,) = [clip async for clip in session.clips]
        (file,) = [file async for file in clip.files]
        return subject.metadata["ehr-id"], len(await file.aread_bytes())

    async def main() -> tuple[list[tuple[str, int]], int]:
        async with shared.connect() as ms, ms.aio():
            await ms.aload("projects")
            project = await ms.projects[name].aload("subjects")
            found = await asyncio.gather(*[one(subject) for subject in project.subjects])
            listing = ms.stats.requests
            return list(found), listing

    found, requests = not_blocking(kind, main())
    with shared.connect() as ms:
        assert [ehr_id for ehr_id, _ in found] == [s.ehr_id for s in ms.projects[name].subjects]
    assert all(size > 0 for _, size in found)
    # how many of a level are known when a task comes to it depends on the order of responses, so on the machine's load
    assert requests <= 2 + 4 * 40 + 200, "a URL for each file, and batches of several objects for each level"


def test_conditions_in_loops_of_coroutines(ms: Moveshelf, recorded_session: Session) -> None:
    session_id = recorded_session.id
    expected = [(one.name, [clip.id for clip in one.clips]) for one in recorded_session.conditions]

    async def main(session: Session) -> list[tuple[str, list[str]]]:
        async with ms.aio():
            return [
                (condition.name, [clip.id async for clip in condition.clips])
                async for condition in session.conditions
            ]

    ms.refresh()
    assert not_blocking("asyncio", main(ms.session(session_id))) == expected

    async def by_load() -> int:
        session = ms.session(session_id)
        async with ms.aio():
            conditions = await session.conditions.aload("clips.files")
            condition = await conditions[0].aload("clips", "clips.original_name")
            return sum(len(clip.files) for clip in condition.clips)

    ms.refresh()
    assert not_blocking("asyncio", by_load()) == 2


def test_owners_that_are_looked_for_and_listings_in_parts(ms: Moveshelf, filled_project: Project) -> None:
    identity = filled_project.id
    clip_id = filled_project.subjects[0].sessions[0].clips[0].id
    ms.refresh()

    async def main() -> tuple[str, int, str]:
        async with ms.aio():
            project = await ms.project(identity).aload("clips")
            clip = await ms.clip(clip_id).aload("session.subject.name")
            await project.aload("name", "template")
            return clip.session.subject.name, len(project.clips), project.name

    name, clips, project = not_blocking("asyncio", main())
    assert name == filled_project.subjects[0].name
    assert clips == 24
    assert project == filled_project.name


def test_a_copy_and_a_malformed_path_say_the_same_as_load(filled_project: Project) -> None:
    import copy

    async def main() -> None:
        subject = filled_project.subjects[0]
        with pytest.raises(ValidationError, match="no attribute 'sesions'"):
            await subject.aload("sesions")
        with pytest.raises(moveshelf.DetachedError, match="metadata"):
            await copy.copy(subject).aload("metadata")
        assert await copy.copy(subject).aload("name") == subject

    run_in("asyncio", main())


def test_a_closed_client_needs_no_connection_for_what_is_loaded(shared: Sandbox) -> None:
    name = shared.generate(subjects=2, sessions=1, clips=0, files=0)

    async def main() -> None:
        ms = shared.connect()
        project = ms.projects[name]
        await project.aload("subjects")
        ms.close()
        assert len(await project.subjects.aload()) == 2
        with pytest.raises(moveshelf.DetachedError):
            await project.aload("description")

    run_in("asyncio", main())


def test_a_script_that_sends_itself_is_waited_for_beside_the_loop(shared: Sandbox) -> None:
    from moveshelf.api import MoveshelfApi

    threads = []

    class Own(MoveshelfApi):
        def _dispatch_graphql(self, query: str, **variables: Any) -> Any:
            threads.append(threading.current_thread().name)
            return super()._dispatch_graphql(query, **variables)

    name = shared.generate(subjects=2, sessions=1, clips=0, files=0)
    api = Own(shared.key_file, shared.api_url)

    async def main() -> int:
        async with api.client.aio():
            await api.client.aload("projects")
            project = api.client.projects[name]
            return len([session async for subject in project.subjects async for session in subject.sessions])

    assert not_blocking("asyncio", main()) == 2
    assert threads
    assert all(one.startswith(aio.SHORT) for one in threads)


# contents and transfers --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", KINDS)
def test_contents_are_those_of_the_methods(project: Project, reader: Moveshelf, kind: str) -> None:
    clip_id = project.subjects["P-002"].sessions[0].clips[0].id
    clip = reader.clip(clip_id)
    expected = [(file, content) for file, content in clip.read()]
    (event,) = [file for file, _ in expected if file.name == "event.json"]

    async def main() -> None:
        async with reader.aio():
            clip = await reader.clip(clip_id).aload("files")
            assert [pair async for pair in clip.aread()] == expected
            assert [pair async for pair in event.aread()] == [(event, event_bytes)]
            assert [pair async for pair in clip.aread("*.nothing")] == []
            assert await event.aread_bytes() == event_bytes
            assert await event.ajson() == event_json
            assert await reader.aexecute("query Q { viewer { projects { name } } }") == projects
            for file in clip.files:  # the URL of each comes by itself, as of json()
                if file.name.endswith(".json"):
                    assert isinstance(await file.ajson(), dict)

    event_bytes, event_json = event.read_bytes(), event.json()
    projects = reader.execute("query Q { viewer { projects { name } } }")
    with pytest.warns(UserWarning, match="nothing"):
        not_blocking(kind, main())


def test_a_file_by_its_id_alone_is_read(reader: Moveshelf, project: Project) -> None:
    """Its name is loaded first, and that does not block either."""
    file = project.subjects["P-002"].sessions[0].clips[0].files["event.json"]
    identity, content = file.id, file.read_bytes()

    async def main() -> bytes:
        async with reader.aio():
            unloaded = reader._engine.cache.get(DataFile, identity)
            reader._engine.forget(unloaded)
            return await unloaded.aread_bytes()

    assert not_blocking("asyncio", main()) == content


def test_large_json_is_parsed_on_a_worker_thread(
    ms: Moveshelf, shared: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clip = ms.projects[shared.generate(1, 1, 1, 0)].subjects[0].sessions[0].clips[0]
    small, large = tmp_path / "small.json", tmp_path / "large.json"
    small.write_text("[1]")
    large.write_text("[" + "1, " * 40_000 + "1]")
    files = [clip.upload(path, progress=False) for path in (small, large)]
    broken = clip.upload(_written(tmp_path / "broken.json", "{"), progress=False)
    threads = []
    decode = contents.decode

    def seen(body: bytes) -> Any:
        threads.append(threading.current_thread().name)
        return decode(body)

    monkeypatch.setattr(contents, "decode", seen)

    async def main() -> list[int]:
        found = [len(await file.ajson()) for file in files]
        with pytest.raises(ValidationError, match=r"broken\.json.* is not JSON"):
            await broken.ajson()
        return found

    assert not_blocking("asyncio", main()) == [1, 40_001]
    assert threads[0] == threads[2] == threading.current_thread().name
    assert threads[1].startswith(aio.SHORT)


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_downloads_and_uploads(ms: Moveshelf, filled_project: Project, tmp_path: Path, kind: str) -> None:
    async def main() -> Any:
        async with ms.aio():
            result = await filled_project.adownload(tmp_path / "all", progress=False)
            assert len(result.done) == 48
            assert not result.failed
            plan = await filled_project.subjects.adownload(tmp_path / "all", dry_run=True)
            assert len(plan) == 48
            clip = await filled_project.clips.aload("files")
            one = clip[0].files[0]
            assert (await one.adownload(tmp_path / "one", progress=False)).done
            uploaded = await clip[0].aupload(_written(tmp_path / "note.txt", "a note"), progress=False)
            assert await uploaded.aread_bytes() == b"a note"
            tree = tmp_path / "tree" / "new" / "2026-01-02" / "Barefoot"
            tree.mkdir(parents=True)
            (tree / "walk.csv").write_text("1,2")
            sent = await filled_project.aupload_tree(tmp_path / "tree", progress=False)
            assert len(sent.done) == 1
            await filled_project.aload("subjects")
            return "new" in filled_project.subjects

    assert not_blocking(kind, main())


def test_curves(ms: Moveshelf, project: Project) -> None:
    subject = project.subjects["P-002"]
    expected = subject.cycles("angles", ["knee_flexion"])
    found = not_blocking("asyncio", subject.acycles("angles", channels=["knee_flexion"]))
    assert found.identical(expected)


def test_a_twin_has_the_signature_and_a_docstring_of_its_own() -> None:
    for owner, name in (
        (moveshelf.Project, "download"),
        (moveshelf.Project, "cycles"),
        (moveshelf.Project, "upload_tree"),
        (moveshelf.Clip, "upload"),
        (moveshelf.DataFile, "download"),
        (moveshelf.Condition, "download"),
        (moveshelf.Collection, "cycles"),
    ):
        method, twin = getattr(owner, name), getattr(owner, f"a{name}")
        assert inspect.signature(twin) == inspect.signature(method)
        assert inspect.iscoroutinefunction(twin)
        assert twin.__name__ == f"a{name}"
        assert twin.__doc__.startswith(f"`{name}` for coroutines")
        assert f"a{name}(" in twin.__doc__


def test_a_twin_calls_the_method_of_the_class_below() -> None:
    class Above:
        def download(self) -> str:
            return "above"

        adownload = twins.twin(download)

    class Below(Above):
        def download(self) -> str:
            return "below"

    assert run_in("asyncio", Below().adownload()) == "below"


# cancellation ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("twin", ["adownload", "aupload", "aread_bytes", "aread", "aload", "acycles"])
def test_cancelling_the_task_leaves_nothing_in_flight(
    sandbox: Sandbox, tmp_path: Path, kind: str, twin: str
) -> None:
    name = sandbox.generate(subjects=2, sessions=1, clips=2, files=2)
    note = _written(tmp_path / "note.txt", "a note")

    async def main() -> None:
        with sandbox.connect() as ms:
            await ms.aload("projects")
            project = ms.projects[name]
            await project.aload("subjects.sessions.clips.files", "subjects.sessions.clips.original_name")
            clip = project.subjects[0].sessions[0].clips[0]
            works: dict[str, Callable[[], Coroutine[Any, Any, Any]]] = {
                "adownload": lambda: clip.adownload(tmp_path / "files", progress=False),
                "aupload": lambda: clip.aupload(note, progress=False),
                "aread_bytes": lambda: clip.files[0].aread_bytes(),
                "aread": lambda: _read(clip),
                "aload": lambda: project.subjects.aload("metadata"),
                "acycles": lambda: clip.acycles(),
            }
            await asyncio.to_thread(sandbox.latency, 3600)
            task = asyncio.ensure_future(works[twin]())
            await until(lambda: in_flight(ms) > 0 or task.done())
            assert not task.done()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await until(lambda: in_flight(ms) == 0)
            await asyncio.to_thread(sandbox.latency, 0)
            assert await works[twin]() is not None, "the same call again is carried out"
            if twin == "aupload":
                assert [file.name async for file in ms.clip(clip.id).files].count("note.txt") == 1

    run_in(kind, main())


async def _read(clip: Any) -> int:
    return sum([len(content) async for _, content in clip.aread()])


def test_a_download_that_is_stopped_before_it_begins_leaves_no_request(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first signed URLs are requested while the plan is made."""
    from moveshelf.operations import downloads

    name = sandbox.generate(1, 1, 1, 2)

    def stopped(*_: Any, **__: Any) -> None:
        raise asyncio.CancelledError

    async def main() -> None:
        async with sandbox.connect() as ms:
            clip = (await ms.aload("projects", "projects.clips")).projects[name].clips[0]
            await clip.aload("files", "original_name")
            await asyncio.to_thread(sandbox.latency, 3600)
            monkeypatch.setattr(downloads, "carry_out", stopped)
            with pytest.raises(asyncio.CancelledError):
                await clip.adownload(tmp_path / "files", progress=False)
            await until(lambda: in_flight(ms) == 0)

    run_in("asyncio", main())


def test_a_loop_that_is_left_stops_reading(sandbox: Sandbox) -> None:
    name = sandbox.generate(1, 1, 1, 60, file_size=100)

    async def main() -> None:
        with sandbox.connect() as ms:
            clip = ms.projects[name].clips[0]
            await asyncio.to_thread(sandbox.latency, 0.05)
            async with contextlib.aclosing(clip.aread(jobs=2)) as pairs:  # type: ignore[type-var]
                async for _ in pairs:
                    break
            await until(lambda: in_flight(ms) == 0)

    run_in("asyncio", main())
    assert sum(1 for one in sandbox.requests if one.kind == "blob") < 60


# the guard ---------------------------------------------------------------------------------------------------------
def test_within_aio_nothing_waits_in_the_loops_thread(
    ms: Moveshelf, filled_project: Project, tmp_path: Path
) -> None:
    """Every kind of method that would wait raises at once, sends nothing, and says what to do."""
    identity = filled_project.id
    subject_id = filled_project.subjects[0].id
    clip_id = filled_project.subjects[0].sessions[0].clips[0].id
    ms.refresh()
    clip = ms.clip(clip_id).load("files")
    subject, project, unknown = ms.subject(subject_id), ms.project(identity), ms.clip(clip_id)
    file = clip.files[0]
    opened = file.open()
    note = _written(tmp_path / "note.txt", "a note")
    refused: list[tuple[Callable[[], Any], str]] = [
        (lambda: ms.projects[0], r'await ms\.aload\("projects"\)'),
        (lambda: len(project.subjects), r'await project\.aload\("subjects"\)'),
        (lambda: list(project.clips), r'await project\.aload\("clips"\)'),
        (lambda: "x" in project.subjects, r'await project\.aload\("subjects"\)'),
        (lambda: project.name, r'await project\.aload\("name"\)'),
        (lambda: subject.metadata, r'await subject\.aload\("metadata"\)'),
        (lambda: subject.interventions, r'await subject\.aload\("metadata"\)'),
        (lambda: subject.project, r'await subject\.aload\("project"\)'),
        (lambda: unknown.session, r'await clip\.aload\("session"\)'),
        (lambda: project.load("subjects.sessions"), r'await project\.aload\("subjects"\)'),
        (lambda: project.refresh(), r"await project\.aload"),
        (lambda: ms.find("UHJvamVjdAAAAAAAAA"), "to_thread"),
        (lambda: ms.execute("query Q { viewer { projects { id } } }"), r"await ms\.aexecute"),
        (lambda: project.find_subjects({"subject-sex": "Male"}), r"aload|to_thread"),
        (lambda: project.create_subject("x"), r"aload|to_thread"),
        (lambda: clip.update(title="x"), "to_thread"),
        (lambda: file.delete(), "to_thread"),
        (lambda: file.read_bytes(), r"await file\.aread_bytes\(\)"),
        (lambda: file.json(), r"await file\.ajson\(\)"),
        (lambda: file.matches(note), "to_thread"),
        (lambda: opened.read(1), "aread_bytes"),
        (lambda: file.download(tmp_path), "adownload"),
        (lambda: clip.download(tmp_path), "adownload"),
        (lambda: clip.read(), "aread"),
        (lambda: clip.cycles(), "acycles"),
        (lambda: clip.upload(note), "aupload"),
        (lambda: project.upload_tree(tmp_path), "aupload_tree"),
    ]

    async def main() -> None:
        async with ms.aio():
            for work, text in refused:
                with pytest.raises(NotLoadedError, match=text):
                    work()
            assert isinstance(NotLoadedError(), RuntimeError)
            # what sends nothing works
            assert repr(project)
            assert repr(project.subjects)
            assert not project.is_loaded("subjects")
            assert len(clip.files) == 2
            assert clip.load("files") is clip

    before = ms.stats.requests
    not_blocking("asyncio", main())
    assert ms.stats.requests == before
    assert len(project.subjects) == 3, "afterwards it waits as it always did"


def test_a_refused_read_of_an_open_file_leaves_what_is_fetched_ahead(
    ms: Moveshelf, filled_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look for what was fetched ahead waits for the I/O thread: it is refused too, and done by the next read."""
    looks = []
    opened = ReadAhead.opened

    def counted(*given: Any) -> Any:
        looks.append(given)
        return opened(*given)

    monkeypatch.setattr(ReadAhead, "opened", counted)
    for file in filled_project.subjects[0].sessions[0].clips[0].files:
        with file.open() as reader:

            async def read(reader: Any = reader) -> None:
                async with ms.aio():
                    reader.read(1)

            with pytest.raises(NotLoadedError, match="aread_bytes"):
                run_in("asyncio", read())
            assert looks == []
            assert reader.read() == file.read_bytes()
            assert len(looks) == 1
            looks.clear()


def test_within_aio_threads_wait_as_everywhere(ms: Moveshelf, filled_project: Project) -> None:
    identity = filled_project.id
    ms.refresh()

    async def main() -> list[str]:
        async with ms.aio():
            names = await asyncio.to_thread(lambda: [one.name for one in ms.project(identity).subjects])
            created = await asyncio.to_thread(partial(ms.project(identity).create_subject, "from a thread"))
            return [*names, created.name]

    assert len(not_blocking("asyncio", main())) == 4


def test_within_aio_of_one_client_another_still_waits(
    ms: Moveshelf, other: Moveshelf, filled_project: Project
) -> None:
    async def main() -> int:
        async with ms.aio():
            return len(other.projects)

    assert run_in("asyncio", main()) >= 1


def test_without_aio_a_touch_waits(shared: Sandbox) -> None:
    async def main() -> int:
        with shared.connect() as ms:
            return len(ms.projects)

    assert run_in("asyncio", main()) >= 1
