"""The filesystem `moveshelf://`: fsspec's own tests as far as they apply, then requests, names, errors, and what travels.

What of `fsspec.tests.abstract` does not apply, and why. Files lie in trials, and a trial has no folders in it. So a test whose
folder holds files and folders at once has no place here: in `get`, `copy` and `put` all that start from fsspec's "bulk
operations", "glob edge cases" and "same name prefix" scenarios on the service, or that upload such a folder with `recursive`
into one target. `test_put_directory_recursive` uploads to one target twice, the second time one folder deeper. The copy tests
start from these scenarios, too, except for the one with lists. `mv` has no test for folders that applies: trials are not moved
by their files. All others are below.
"""

from __future__ import annotations

import gc
import io
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec
import pandas as pd
import pytest
from fsspec.tests.abstract import AbstractFixtures
from fsspec.tests.abstract.copy import AbstractCopyTests
from fsspec.tests.abstract.get import AbstractGetTests
from fsspec.tests.abstract.open import AbstractOpenTests
from fsspec.tests.abstract.pipe import AbstractPipeTests
from fsspec.tests.abstract.put import AbstractPutTests

from moveshelf import AuthenticationError, ChecksumError, ConfigError, TransferError, ValidationError, connect
from moveshelf.fs import MoveshelfFileSystem

if TYPE_CHECKING:
    from moveshelf import Moveshelf, Project
    from moveshelf.sandbox import Sandbox


def chosen(tests: type, *names: str) -> type:
    """Those of fsspec's tests that apply."""
    return type(tests.__name__, (), {name: vars(tests)[name] for name in names})


class Places(AbstractFixtures):
    """A session of its own for each test, which fsspec's fixtures fill."""

    @pytest.fixture
    def fs(self, ms: Moveshelf) -> MoveshelfFileSystem:
        return fsspec.filesystem("moveshelf", client=ms, auto_mkdir=True)

    @pytest.fixture
    def fs_join(self) -> Any:
        return lambda *parts: "/".join(parts)

    @pytest.fixture
    def session_path(self, empty_project: Project) -> str:
        empty_project.create_subject("P-1").create_session("2024-01-01 visit")
        return f"{empty_project.name}/P-1/2024-01-01 visit"


class TestFilesInATrial(Places, AbstractOpenTests, AbstractPipeTests):
    @pytest.fixture
    def fs_path(self, fs: MoveshelfFileSystem, session_path: str) -> str:
        fs.makedirs(f"{session_path}/Barefoot/Trial-1")
        return f"{session_path}/Barefoot/Trial-1"


class TestTrialsInACondition(
    Places,
    chosen(AbstractGetTests, "test_get_directory_recursive", "test_get_with_source_and_destination_as_list"),
    chosen(AbstractCopyTests, "test_copy_with_source_and_destination_as_list"),
    chosen(
        AbstractPutTests,
        "test_put_file_to_existing_directory",
        "test_put_file_to_file_in_existing_directory",
        "test_put_list_of_files_to_existing_directory",
    ),
):
    @pytest.fixture
    def fs_path(self, session_path: str) -> str:
        return f"{session_path}/Barefoot"


class TestPutListsIntoACondition(
    Places, chosen(AbstractPutTests, "test_copy_with_source_and_destination_as_list")
):
    @pytest.fixture
    def fs_path(self, session_path: str) -> str:
        return f"{session_path}/Barefoot"


class TestConditionsInASession(
    Places,
    chosen(
        AbstractPutTests,
        "test_put_file_to_new_directory",
        "test_put_file_to_file_in_new_directory",
        "test_put_list_of_files_to_new_directory",
    ),
):
    @pytest.fixture
    def fs_path(self, session_path: str) -> str:
        return session_path


# requests -------------------------------------------------------------------------------------------------------------
@pytest.fixture
def ninety(sandbox: Sandbox) -> str:
    """A project of 30 sessions with 90 files."""
    return sandbox.generate(subjects=10, sessions=3, clips=1, files=3)


@pytest.fixture
def fresh(sandbox: Sandbox) -> Iterator[tuple[MoveshelfFileSystem, Moveshelf]]:
    """A filesystem whose client has sent nothing yet."""
    with sandbox.connect() as client:
        yield fsspec.filesystem("moveshelf", client=client), client


@pytest.mark.parametrize(
    "look",
    [
        lambda fs, name: fs.find(name),
        lambda fs, name: fs.glob(f"{name}/**/*.json"),
        lambda fs, name: fs.glob(f"{name}/*/*/Barefoot/*/*.json"),
        lambda fs, name: [one for where, _, inside in fs.walk(name) for one in inside],
    ],
)
def test_a_project_in_at_most_five_requests(
    fresh: tuple[MoveshelfFileSystem, Moveshelf], ninety: str, look: Any
) -> None:
    fs, ms = fresh
    found = look(fs, ninety)
    assert len(found) == 90
    assert ms.stats.requests <= 5


def test_pandas_and_dask_read_a_project(
    sandbox: Sandbox, fresh: tuple[MoveshelfFileSystem, Moveshelf], ninety: str
) -> None:
    import dask.bag

    fs, ms = fresh
    paths = fs.glob(f"{ninety}/**/event.json")
    listed = ms.stats.requests
    assert listed <= 5
    bag = dask.bag.read_text(f"moveshelf://{ninety}/**/event.json", storage_options={"client": ms})
    lines = bag.compute(scheduler="threads")
    assert json.loads(lines[0]) == json.loads(fs.cat(paths[0]))
    assert len(lines) == len(paths) == 30
    assert ms.stats.requests - listed <= 3, "signed URLs for many files at once, not one by one"
    frame = pd.read_json(f"moveshelf://{paths[0]}", storage_options={"client": ms})
    assert list(frame.columns) == list(json.loads(fs.cat(paths[0])))


def test_a_pattern_is_not_looked_for_where_it_cannot_be(sandbox: Sandbox, ninety: str) -> None:
    with sandbox.connect() as ms:
        fs = fsspec.filesystem("moveshelf", client=ms)
        assert len(fs.glob(f"{ninety}/S-003/*/*/*/*")) == 9
        project = ms.projects[ninety]
        assert not project.subjects["S-001"].is_loaded("sessions")


def test_the_first_look_sends_nothing_before_it_is_used(sandbox: Sandbox) -> None:
    with sandbox.connect() as ms:
        fs = fsspec.filesystem("moveshelf", client=ms)
        repr(fs)
        hash(fs)
        fs.to_json()
        fs.invalidate_cache()
        fs.invalidate_cache("lab/practice/x")
        assert ms.stats.requests == 0


def test_many_contents_and_files_are_verified(
    sandbox: Sandbox, fresh: tuple[MoveshelfFileSystem, Moveshelf], ninety: str, tmp_path: Path
) -> None:
    fs, ms = fresh
    paths = fs.find(ninety)
    before = ms.stats.requests
    found = fs.cat(paths)
    assert list(found) == paths
    assert ms.stats.requests - before <= 3
    fs.get(ninety, str(tmp_path / "all"), recursive=True)
    for path in paths[::17]:
        assert (tmp_path / "all" / path.removeprefix(f"{ninety}/")).read_bytes() == found[path]
    clip = ms.projects[ninety].subjects[0].sessions[0].clips[0]
    assert found[paths[0]] == clip.files[paths[0].rpartition("/")[2]].read_bytes()


# parts ----------------------------------------------------------------------------------------------------------------
def test_parts_of_a_file(sandbox: Sandbox, fresh: tuple[MoveshelfFileSystem, Moveshelf]) -> None:
    fs, _ = fresh
    name = sandbox.generate(1, 1, 1, 1, file_size=2_000_000)
    (path,) = fs.find(name)
    whole = fs.cat_file(path)
    sandbox.requests.clear()
    with fs.open(path, block_size=1 << 16) as file:
        assert file.size == len(whole) == fs.size(path)
        file.seek(-5, io.SEEK_END)
        assert file.read() == whole[-5:]
    assert sum(one.kind == "blob" for one in sandbox.requests) <= 3
    assert fs.cat_file(path, 10, 20) == whole[10:20]
    assert fs.cat_file(path, -20, -10) == whole[-20:-10]
    assert fs.cat_file(path, 20, 10) == b""
    assert fs.cat_ranges([path, path], [0, -3], [3, None]) == [whole[:3], whole[-3:]]
    assert fs.read_block(path, 5, 10) == whole[5:15]
    assert fs.head(path, 7) == whole[:7]
    assert fs.tail(path, 7) == whole[-7:]


def test_sizes_of_many(fresh: tuple[MoveshelfFileSystem, Moveshelf], ninety: str) -> None:
    fs, ms = fresh
    paths = fs.find(ninety)[:30]
    before = ms.stats.requests
    sizes = fs.sizes(paths)
    assert ms.stats.requests - before == 1, "URLs together"
    assert sizes == [len(content) for content in fs.cat(paths).values()]
    assert fs.ls(paths[0])[0]["size"] == sizes[0]


# names ----------------------------------------------------------------------------------------------------------------
def test_names_are_those_of_downloads(ms: Moveshelf, empty_project: Project, tmp_path: Path) -> None:
    fs = fsspec.filesystem("moveshelf", client=ms)
    session = empty_project.create_subject("Müller: A").create_session("2024-01-01 pre*op")
    clip = session.create_clip("walk/1 [slow]?", "Barefoot")
    clip.upload(io.BytesIO(b"1"), name="a/b:c.json")
    session.create_clip("CON").upload(io.BytesIO(b"2"), name="x.json")
    found = fs.find(empty_project.name)
    empty_project.download(tmp_path)
    there = sorted(one.relative_to(tmp_path).as_posix() for one in tmp_path.rglob("*") if one.is_file())
    assert [one.removeprefix(f"{empty_project.name}/") for one in found] == there
    assert list(fs.cat(found).values()) == [fs.cat(one) for one in found]
    assert fs.cat(f"moveshelf://{found[-1]}") in (b"1", b"2")


def test_names_that_several_have_get_their_ids(ms: Moveshelf, empty_project: Project) -> None:
    fs = fsspec.filesystem("moveshelf", client=ms)
    clip = empty_project.create_subject("P").create_session("S").create_clip("T", "C")
    first = clip.upload(io.BytesIO(b"1"), name="a.json")
    second = clip.upload(io.BytesIO(b"22"), name="a.json")
    third = clip.upload(io.BytesIO(b"333"), name="A.json")
    trial = f"{empty_project.name}/P/S/C/T"
    names = [f"{trial}/a.json", f"{trial}/a~{second.id}.json", f"{trial}/A~{third.id}.json"]
    assert fs.ls(trial, detail=False) == sorted(names)
    assert [fs.cat(name) for name in names] == [b"1", b"22", b"333"]
    assert fs.cat(f"{trial}/a~{first.id}.json") == b"1", "with its id each is found"
    assert fs.cat(f"{trial}/{second.id}") == b"22"


def test_no_path_stands_for_one_of_two_patients_of_one_name(ms: Moveshelf, empty_project: Project) -> None:
    fs = fsspec.filesystem("moveshelf", client=ms)
    ids = []
    for number in (1, 2):
        made = ms.execute(
            'mutation($p: String!) { createPatient(projectId: $p, name: "Doe") { patient { id } } }',
            {"p": empty_project.id},
        )
        ids.append(made["createPatient"]["patient"]["id"])
        clip = ms.subject(ids[-1]).create_session("S").create_clip("T", "C")
        clip.upload(io.BytesIO(f"patient {number}".encode()), name="a.csv")
    empty_project.refresh()
    folders = [f"{empty_project.name}/Doe~{one}" for one in ids]
    assert fs.ls(empty_project.name, detail=False) == sorted(folders)
    assert [fs.cat(f"{one}/S/C/T/a.csv") for one in folders] == [b"patient 1", b"patient 2"]
    with pytest.raises(FileNotFoundError, match=rf"2 are named 'Doe' here: write one of 'Doe~{ids[0]}'"):
        fs.cat(f"{empty_project.name}/Doe/S/C/T/a.csv")


# errors ---------------------------------------------------------------------------------------------------------------
def test_errors_are_those_of_a_filesystem(ms: Moveshelf, filled_project: Project) -> None:
    fs = fsspec.filesystem("moveshelf", client=ms)
    path = fs.find(filled_project.name)[0]
    trial = path.rpartition("/")[0]
    session = trial.rsplit("/", 2)[0]
    before = ms.stats.requests
    with pytest.raises(FileNotFoundError, match="did you mean"):
        fs.cat(f"{path}x")
    with pytest.raises(FileNotFoundError, match="did you mean"):
        fs.ls(f"{trial}x")
    with pytest.raises(NotADirectoryError):
        fs.ls(f"{path}/more")
    with pytest.raises(IsADirectoryError):
        fs.open(trial)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        fs.open(path, "wb")
    with pytest.raises(PermissionError, match="put into trials"):
        fs.open(f"{session}/Barefoot/a.json", "wb")
    with pytest.raises(FileNotFoundError, match="auto_mkdir"):
        fs.pipe(f"{trial}-new/a.json", b"1")
    with pytest.raises(PermissionError, match="create_subject"):
        fs.mkdir(f"{filled_project.name}/new")
    with pytest.raises(PermissionError, match=r"delete\(\)"):
        fs.rm(session, recursive=True)
    with pytest.raises(IsADirectoryError, match="recursive"):
        fs.rm(trial)
    with pytest.raises(PermissionError, match="update"):
        fs.mv(trial, f"{trial}-2")
    with pytest.raises(ValueError, match="mode"):
        fs.open(path, "ab")
    assert ms.stats.requests == before, "none of these sends anything"
    assert not fs.exists(f"{path}x")
    assert fs.find("lab/nowhere") == []


def test_a_file_that_somebody_deleted_is_missing_however_it_is_read(
    sandbox: Sandbox, fresh: tuple[MoveshelfFileSystem, Moveshelf]
) -> None:
    fs, _ = fresh
    kept, path = fs.find(sandbox.generate(1, 1, 1, 2))
    with sandbox.connect() as other:
        fsspec.filesystem("moveshelf", client=other).rm(path)
    reads = (
        lambda: fs.open(path).read(),
        lambda: fs.cat_file(path),
        lambda: fs.cat_file(path, 0, 1),
        lambda: fs.cat([kept, path]),
        lambda: fs.cat_ranges([path], [0], [1], on_error="raise"),
        lambda: fs.info(path),
        lambda: fs.sizes([kept, path]),
        lambda: fs.du(path.rpartition("/")[0]),
    )
    for read in reads:
        with pytest.raises(FileNotFoundError):
            read()
    assert isinstance(fs.cat([kept, path], on_error="return")[path], FileNotFoundError)
    assert list(fs.cat([kept, path], on_error="omit")) == [kept]


def test_a_service_that_refuses_is_no_missing_file(sandbox: Sandbox) -> None:
    with connect(api_url=sandbox.api_url, api_key="0" * 64) as ms:
        fs = fsspec.filesystem("moveshelf", client=ms)
        for look in (
            fs.exists,
            fs.isdir,
            fs.isfile,
            fs.ls,
            fs.find,
            fs.glob,
            lambda path: list(fs.walk(path)),
        ):
            with pytest.raises(AuthenticationError):
                look("lab/practice")


# writing --------------------------------------------------------------------------------------------------------------
def test_what_is_there_is_replaced_only_on_demand(
    sandbox: Sandbox, fresh: tuple[MoveshelfFileSystem, Moveshelf]
) -> None:
    fs, ms = fresh
    path = fs.find(sandbox.generate(1, 1, 1, 1))[0]
    old = fs.cat(path)
    others = [f"{path.rpartition('/')[0]}/new-{number}.json" for number in range(3)]
    before = ms.stats.requests
    with pytest.raises(FileExistsError):
        fs.pipe({**dict.fromkeys(others, b"1"), path: b"2"})
    assert ms.stats.requests == before
    assert fs.cat(path) == old
    fs.pipe({**dict.fromkeys(others, b"1"), path: b"2"}, overwrite=True)
    assert [fs.cat(one) for one in (path, *others)] == [b"2", b"1", b"1", b"1"]
    assert len(fs.ls(path.rpartition("/")[0])) == 4
    fs.rm(others)
    assert fs.find(path.rpartition("/")[0]) == [path]


@pytest.mark.parametrize(
    "spelling", ["{folder}/é.json", "moveshelf://{folder}/e\u0301.json", "{folder}/", "{folder}"]
)
def test_moving_a_file_onto_itself_keeps_it(
    sandbox: Sandbox, fresh: tuple[MoveshelfFileSystem, Moveshelf], spelling: str
) -> None:
    fs, ms = fresh
    folder = fs.find(sandbox.generate(1, 1, 1, 1))[0].rpartition("/")[0]
    fs.pipe(f"{folder}/é.json", b"1")
    eager = fsspec.filesystem("moveshelf", client=ms, overwrite=True)
    eager.mv(f"{folder}/é.json", spelling.format(folder=folder))
    fs.invalidate_cache()
    assert fs.cat(f"{folder}/é.json") == b"1"


def test_moving_loses_no_file(sandbox: Sandbox, fresh: tuple[MoveshelfFileSystem, Moveshelf]) -> None:
    fs, ms = fresh
    folder = fs.find(sandbox.generate(1, 1, 1, 1))[0].rpartition("/")[0]
    a, b, c = (f"{folder}/{name}.txt" for name in "abc")
    fs.pipe({a: b"a", b: b"b"})
    before = fs.ls(folder, detail=False)
    eager = fsspec.filesystem("moveshelf", client=ms, overwrite=True)
    clashes = ((([a, b], [c, c]), "both become"), (([a, b], [b, a]), "moved too"), (([a, b], [c]), "2 paths"))
    for (sources, targets), said in clashes:
        with pytest.raises(ValidationError, match=said):
            eager.mv(sources, targets)
        fs.invalidate_cache()
        assert fs.ls(folder, detail=False) == before
        assert [fs.cat(one) for one in (a, b)] == [b"a", b"b"]
    with pytest.raises(FileExistsError):
        fs.mv(a, b)
    eager.mv(b, c)
    eager.mv(a, b)
    assert (fs.exists(a), fs.cat(b), fs.cat(c)) == (False, b"a", b"b")


def test_lists_of_different_lengths_are_refused(
    sandbox: Sandbox, fresh: tuple[MoveshelfFileSystem, Moveshelf], tmp_path: Path
) -> None:
    fs, ms = fresh
    path = fs.find(sandbox.generate(1, 1, 1, 1))[0]
    local = tmp_path / "a.txt"
    local.write_bytes(b"1")
    before = ms.stats.requests
    for act, some in ((fs.get, [path]), (fs.put, [str(local)]), (fs.copy, [path])):
        with pytest.raises(ValidationError, match="1 paths cannot go to 2"):
            act(some, [f"{tmp_path}/x", f"{tmp_path}/y"])
    assert ms.stats.requests == before


def test_copies_are_refused_before_anything_is_sent(
    sandbox: Sandbox, fresh: tuple[MoveshelfFileSystem, Moveshelf]
) -> None:
    fs, ms = fresh
    path = fs.find(sandbox.generate(1, 1, 1, 3))[0]
    trial = path.rpartition("/")[0]
    condition, session = (trial.rsplit("/", number)[0] for number in (1, 2))
    fs.copy(condition, f"{session}/Copy", recursive=True)
    copied = [f"{session}/Copy{one[len(condition) :]}" for one in fs.find(condition)]
    assert fs.find(f"{session}/Copy") == copied
    assert [fs.cat(one) for one in copied] == [fs.cat(one) for one in fs.find(condition)]
    before, commands = fs.find(session, withdirs=True), ms.stats.requests
    with pytest.raises(FileNotFoundError):
        fs.copy(condition, f"{session}/Copy", recursive=True)  # into it, by fsspec's rules
    with pytest.raises(FileNotFoundError):
        fs.copy(condition, f"{session.rpartition('/')[0]}/no session/Copy", recursive=True)
    assert ms.stats.requests == commands
    fs.invalidate_cache()
    assert fs.find(session, withdirs=True) == before


def test_a_copy_of_many_files_is_few_requests(
    sandbox: Sandbox, fresh: tuple[MoveshelfFileSystem, Moveshelf]
) -> None:
    fs, ms = fresh
    trial = fs.find(sandbox.generate(1, 1, 1, 1))[0].rpartition("/")[0]
    fs.pipe({f"{trial}/{number}.txt": b"1" for number in range(20)})
    fs.find(trial)
    before = ms.stats.requests
    fs.copy(trial, f"{trial.rpartition('/')[0]}/Copy", recursive=True)
    # URLs of 21 files, the trial and the look for one of its name, what is in it, and one request for each file that is new
    assert ms.stats.requests - before <= 21 + 8


def test_two_files_cannot_become_one_on_the_disk(
    sandbox: Sandbox, fresh: tuple[MoveshelfFileSystem, Moveshelf], tmp_path: Path
) -> None:
    fs, _ = fresh
    paths = fs.find(sandbox.generate(1, 1, 1, 2))
    with pytest.raises(ValidationError, match="both become"):
        fs.get(paths, [str(tmp_path / "one"), f"{tmp_path}/sub/../one"])
    assert not (tmp_path / "one").exists()


def test_a_folder_in_a_trial_is_refused(
    sandbox: Sandbox, fresh: tuple[MoveshelfFileSystem, Moveshelf]
) -> None:
    fs, ms = fresh
    path = fs.find(sandbox.generate(1, 1, 1, 1))[0]
    before = ms.stats.requests
    for act in (fs.touch, lambda one: fs.copy(path, one)):
        with pytest.raises(PermissionError, match="no folders"):
            act(f"{path.rpartition('/')[0]}/folder/a.txt")
    assert ms.stats.requests == before


def test_what_a_path_reads_is_what_it_writes(
    sandbox: Sandbox, fresh: tuple[MoveshelfFileSystem, Moveshelf]
) -> None:
    fs, _ = fresh
    path = fs.find(sandbox.generate(1, 1, 1, 1))[0]
    folder = path.rpartition("/")[0]
    fs.pipe(f"{folder}/a.txt", b"0")
    for turn in range(3):
        identity = fs.info(f"{folder}/a.txt")["id"]
        name = (f"a~{identity}.txt", identity, "%61.txt")[turn]
        assert fs.cat(f"{folder}/{name}") == str(turn).encode()
        with pytest.raises(FileExistsError):
            fs.open(f"{folder}/{name}", "xb")
        fs.pipe(f"{folder}/{name}", str(turn + 1).encode(), overwrite=True)
        assert fs.ls(folder, detail=False) == sorted([path, f"{folder}/a.txt"])
    assert fs.cat(f"{folder}/a.txt") == b"3"


def test_another_program_s_file_is_not_doubled(
    sandbox: Sandbox, fresh: tuple[MoveshelfFileSystem, Moveshelf]
) -> None:
    fs, _ = fresh
    trial = fs.find(sandbox.generate(1, 1, 1, 1))[0].rpartition("/")[0]
    with sandbox.connect() as other:
        fsspec.filesystem("moveshelf", client=other).pipe(f"{trial}/a.json", b"theirs")
    with pytest.raises(FileExistsError):
        fs.pipe(f"{trial}/a.json", b"ours")
    fs.invalidate_cache(trial)
    assert fs.cat(f"{trial}/a.json") == b"theirs"


def test_a_file_whose_block_fails_is_not_uploaded(
    sandbox: Sandbox, fresh: tuple[MoveshelfFileSystem, Moveshelf]
) -> None:
    fs, _ = fresh
    trial = fs.find(sandbox.generate(1, 1, 1, 1))[0].rpartition("/")[0]

    def write(mode: str, part: Any) -> None:
        with fs.open(f"{trial}/half.txt", mode) as file:
            file.write(part)
            raise RuntimeError("in the middle")

    for mode, part in (("wb", b"half"), ("w", "half")):
        with pytest.warns(UserWarning, match="was not uploaded"), pytest.raises(RuntimeError):
            write(mode, part)
    assert not fs.exists(f"{trial}/half.txt")
    with fs.transaction, fs.open(f"{trial}/whole.txt", "w") as file:
        file.write("whole")
    assert fs.cat(f"{trial}/whole.txt") == b"whole"


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "a.txt.bz2", "a.txt.xz", "a.txt.zip"])
def test_a_packed_file_is_uploaded_when_it_is_closed(
    sandbox: Sandbox, fresh: tuple[MoveshelfFileSystem, Moveshelf], name: str
) -> None:
    fs, _ = fresh
    path = f"{fs.find(sandbox.generate(1, 1, 1, 1))[0].rpartition('/')[0]}/{name}"
    for mode, reads, content in (("wb", "rb", b"walk" * 999), ("x", "r", "walk" * 999)):
        with fs.open(path, mode, compression="infer") as file:
            assert file.write(content) == len(content)
        with fs.open(path, reads, compression="infer") as file:
            assert file.read() == content
        fs.rm(path)

    def fail() -> None:
        with fs.open(path, "w", compression="infer") as file:
            file.write("half")
            raise RuntimeError

    with pytest.warns(UserWarning, match="RuntimeError came up"), pytest.raises(RuntimeError):
        fail()
    assert not fs.exists(path)


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "a.txt.zip"])
@pytest.mark.parametrize("mode", ["w", "wb"])
def test_a_file_that_nobody_closes_is_not_uploaded(
    sandbox: Sandbox, fresh: tuple[MoveshelfFileSystem, Moveshelf], name: str, mode: str
) -> None:
    fs, _ = fresh
    path = f"{fs.find(sandbox.generate(1, 1, 1, 1))[0].rpartition('/')[0]}/{name}"

    def write() -> None:
        file = fs.open(path, mode, compression="infer")
        file.write("half" if mode == "w" else b"half")
        raise RuntimeError

    def lose() -> None:
        with pytest.raises(RuntimeError):
            write()
        gc.collect()

    with pytest.warns(UserWarning, match="never closed"):
        lose()
    assert not fs.exists(path)


def test_caches_of_fsspec_keep_whole_files(sandbox: Sandbox, in_environment: str, tmp_path: Path) -> None:
    fs = fsspec.filesystem("moveshelf")
    path = fs.find(sandbox.generate(1, 1, 1, 1))[0]
    for kind in ("simplecache", "filecache"):
        options = {kind: {"cache_storage": str(tmp_path / kind)}}
        for _ in range(2):
            with fsspec.open(f"{kind}::moveshelf://{path}", "rb", **options) as file:
                assert file.read() == fs.cat(path)
    with pytest.raises(AttributeError, match="filecache::"):
        fsspec.open(f"blockcache::moveshelf://{path}", blockcache={"cache_storage": str(tmp_path)}).open()


def test_a_frame_is_written_and_read(sandbox: Sandbox, fresh: tuple[MoveshelfFileSystem, Moveshelf]) -> None:
    fs, ms = fresh
    trial = fs.find(sandbox.generate(1, 1, 1, 1))[0].rpartition("/")[0]
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    frame.to_csv(f"moveshelf://{trial}/t.csv", index=False, storage_options={"client": ms})
    pd.testing.assert_frame_equal(
        pd.read_csv(f"moveshelf://{trial}/t.csv", storage_options={"client": ms}), frame
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_process_reads_although_a_thread_of_its_parent_did(
    sandbox: Sandbox, fresh: tuple[MoveshelfFileSystem, Moveshelf]
) -> None:
    fs, ms = fresh
    paths = fs.find(sandbox.generate(1, 1, 1, 2))
    content = fs.cat(paths[0])
    fs._urls.forget()
    sandbox.latency(0.3)
    before = ms.stats.requests
    reading = threading.Thread(target=fs.cat_file, args=(paths[1],))
    reading.start()
    while ms.stats.requests == before:  # the request for the URL is on its way
        time.sleep(0.001)
    child = os.fork()
    if child == 0:
        signal.alarm(30)  # ends this process if it hangs
        os._exit(0 if fs.cat_file(paths[0]) == content else 1)
    reading.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# instances and what travels -------------------------------------------------------------------------------------------
def test_a_key_is_no_option() -> None:
    key = "0123456789abcdef" * 4
    for options in ({"api_key": key}, {"token": key}, {"api_key_file": key}, {"other": key}):
        with pytest.raises(ConfigError) as caught:
            fsspec.filesystem("moveshelf", **options)
        assert key not in str(caught.value)
    with pytest.raises(ValidationError, match="did you mean 'region'"):
        fsspec.filesystem("moveshelf", regoin="eu")


def test_clients_are_never_mixed_up(sandbox: Sandbox) -> None:
    with sandbox.connect() as one, sandbox.connect() as two:
        first, second = (fsspec.filesystem("moveshelf", client=client) for client in (one, two))
        assert first.client is one
        assert second.client is two
        assert first != second


@pytest.fixture
def in_environment(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """The sandbox's key and address in the environment; the key."""
    with sandbox.connect() as ms:
        key = ms._config.secret.reveal()
    monkeypatch.setenv("MOVESHELF_API_KEY", key)
    monkeypatch.setenv("MOVESHELF_API_URL", sandbox.api_url)
    monkeypatch.chdir(tmp_path)
    yield key
    MoveshelfFileSystem.clear_instance_cache()


def test_no_key_travels(sandbox: Sandbox, in_environment: str) -> None:
    path = f"{sandbox.generate(1, 1, 1, 1)}"
    by_rules = fsspec.filesystem("moveshelf")
    (file,) = by_rules.find(path)
    expected = by_rules.cat(file)
    with sandbox.connect() as ms:
        for fs in (by_rules, fsspec.filesystem("moveshelf", client=ms)):
            fs.cat(file)
            for travels in (pickle.dumps(fs), fs.to_json().encode(), str(fs.storage_options).encode()):
                assert in_environment.encode() not in travels
                assert b"X-Goog" not in travels
                assert b"signature" not in travels.lower()
            code = "import pickle, sys; fs, path = pickle.load(sys.stdin.buffer); sys.stdout.buffer.write(fs.cat(path))"
            done = subprocess.run(
                [sys.executable, "-c", code], input=pickle.dumps((fs, file)), capture_output=True, check=True
            )
            assert done.stdout == expected
            assert MoveshelfFileSystem.from_json(fs.to_json()).cat(file) == expected


def test_a_copy_connects_to_its_own_service_or_to_none(
    sandbox: Sandbox, in_environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sandbox.connect() as ms:
        travels = pickle.dumps(fsspec.filesystem("moveshelf", client=ms))
    monkeypatch.setenv("MOVESHELF_API_URL", "http://127.0.0.1:9/graphql")
    with pytest.raises(ConfigError, match="is a copy of one at"):
        pickle.loads(travels).ls("lab")


def test_the_environment_is_part_of_an_instance(in_environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = fsspec.filesystem("moveshelf")
    assert fsspec.filesystem("moveshelf") is first
    assert fsspec.filesystem("moveshelf", overwrite=True).client is first.client, "one client a process"
    monkeypatch.setenv("MOVESHELF_API_KEY", "f" * 64)
    assert fsspec.filesystem("moveshelf") is not first


def test_the_protocol_is_registered() -> None:
    from importlib.metadata import entry_points

    (found,) = [one for one in entry_points(group="fsspec.specs") if one.name == "moveshelf"]
    assert found.load() is MoveshelfFileSystem


# faults ---------------------------------------------------------------------------------------------------------------
def test_damaged_bytes_are_never_handed_out(
    sandbox: Sandbox, fresh: tuple[MoveshelfFileSystem, Moveshelf], tmp_path: Path
) -> None:
    fs, _ = fresh
    paths = fs.find(sandbox.generate(1, 1, 1, 2))
    whole = fs.cat(paths)
    sandbox.fail("GET", corrupt=True, rate=1.0)
    target = tmp_path / "a.json"
    target.write_bytes(b"before")
    with pytest.raises(ChecksumError):
        fs.cat_file(paths[0])
    with pytest.raises(ChecksumError):
        fs.cat(paths)
    assert fs.cat(paths, on_error="omit") == {}
    assert all(isinstance(one, ChecksumError) for one in fs.cat(paths, on_error="return").values())
    with pytest.raises(ChecksumError):
        fs.get_file(paths[0], str(target))
    assert target.read_bytes() == b"before"
    with fs.open(paths[0]) as file, pytest.raises(ChecksumError):
        file.read()
    sandbox.clear_faults()
    fs.get(paths, str(tmp_path) + "/")
    assert sorted(one.read_bytes() for one in tmp_path.glob("*.json") if one != target) == sorted(
        whole.values()
    )


def test_lost_responses_make_nothing_twice(
    sandbox: Sandbox, fresh: tuple[MoveshelfFileSystem, Moveshelf]
) -> None:
    fs, _ = fresh
    trial = fs.find(sandbox.generate(1, 1, 1, 1))[0].rpartition("/")[0]
    sandbox.fail("createAdditionalData", drop="after")
    sandbox.fail("PUT", status=503, times=1)
    fs.pipe({f"{trial}/{number}.json": b"%d" % number for number in range(5)})
    fs.invalidate_cache()
    assert len(fs.ls(trial)) == 6
    assert [fs.cat(f"{trial}/{number}.json") for number in range(5)] == [
        b"%d" % number for number in range(5)
    ]


def test_a_file_that_is_not_complete_is_said_and_stops_no_other(
    sandbox: Sandbox, fresh: tuple[MoveshelfFileSystem, Moveshelf], tmp_path: Path
) -> None:
    fs, _ = fresh
    trial = fs.find(sandbox.generate(1, 1, 1, 2))[0].rpartition("/")[0]
    clip = fs._entry(trial).target
    clip._create_file({"dataType": "data", "crc32c": "AAAAAA==", "filename": "late.json", "clientId": "0"})
    fs.invalidate_cache(trial)
    assert fs.info(f"{trial}/late.json")["size"] is None
    with pytest.raises(TransferError, match=r"late\.json"):
        fs.get(trial, str(tmp_path / "t"), recursive=True)
    assert len(list((tmp_path / "t").iterdir())) == 2
    with pytest.raises(TransferError, match=r"late\.json"):
        fs.cat_file(f"{trial}/late.json")
