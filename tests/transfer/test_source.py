"""What may be uploaded, and what is refused before anything is opened or sent."""

from __future__ import annotations

import io
import os
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from moveshelf.errors import ValidationError
from moveshelf.transfer.source import (
    FileSource,
    StreamSource,
    open_regular,
    regular_file,
    source_of,
    text_name,
)

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has none of these")


def same(name: str) -> str:
    return name


def irregular(folder: Path, kind: str) -> Path:
    path = folder / kind
    if kind == "a named pipe":
        os.mkfifo(path)
    elif kind == "a device":
        path.symlink_to("/dev/zero")
    elif kind == "a socket":
        place = socket.socket(socket.AF_UNIX)
        where = os.getcwd()
        os.chdir(folder)  # the path of a socket must be short
        try:
            place.bind(kind)
        finally:
            os.chdir(where)
            place.close()
    return path


@posix
@pytest.mark.parametrize("kind", ["a named pipe", "a device", "a socket"])
@pytest.mark.parametrize(
    "way",
    [
        lambda path: source_of(path, None, same),
        lambda path: regular_file(path),
        lambda path: FileSource(path).prepare(),
        lambda path: FileSource(path).open(),
    ],
)
def test_only_regular_files(tmp_path: Path, kind: str, way: Callable[[Path], Any]) -> None:
    path = irregular(tmp_path, kind)
    with pytest.raises(ValidationError, match=f"is {kind}, not a regular file") as caught:
        way(path)
    assert str(path) in str(caught.value)


@posix
def test_a_pipe_that_comes_in_its_place_does_not_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = irregular(tmp_path, "a named pipe")
    monkeypatch.setattr("moveshelf.transfer.source.regular_file", lambda path: None)
    with pytest.raises(ValidationError, match="a named pipe"):
        open_regular(path)


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no file"):
        source_of(tmp_path / "nothing", None, same)
    with pytest.raises(IsADirectoryError, match="upload_tree"):
        source_of(tmp_path, None, same)
    (tmp_path / "file").write_text("x")
    with pytest.raises(FileNotFoundError, match="a part of its path is a file"):
        source_of(tmp_path / "file" / "x", None, same)


@posix
def test_a_link_to_nothing_says_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "moved away")
    with pytest.raises(FileNotFoundError, match=r"is a link to .*moved away.*does not exist"):
        source_of(tmp_path / "link", None, same)


def test_what_is_uploaded_from_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "walk.c3d").write_bytes(b"12345")
    for given in (
        tmp_path / "walk.c3d",
        str(tmp_path / "walk.c3d"),
        os.fsencode(tmp_path / "walk.c3d"),
        "~/walk.c3d",
    ):
        found = source_of(given, None, str.upper)
        assert (found.name, found.size) == ("WALK.C3D", 5)
        found.source.prepare()
        assert found.source.size == 5
    assert source_of("~/walk.c3d", "other.c3d", same).name == "other.c3d"


@posix
def test_names_that_are_no_text(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/m\xfcller.csv"
    with open(path, "wb") as stream:
        stream.write(b"x")
    with pytest.raises(ValidationError, match=r"m\\udcfcller\.csv' is not valid UTF-8.*name=") as caught:
        source_of(os.fsdecode(path), None, same)
    str(caught.value).encode()  # it can be shown
    assert source_of(os.fsdecode(path), "müller.csv", same).name == "müller.csv"
    with pytest.raises(ValidationError, match="not a name"):
        text_name(3)  # type: ignore[arg-type]


def test_names_are_checked_by_the_caller(tmp_path: Path) -> None:
    def refuse(name: str) -> str:
        raise ValidationError(f"{name} is refused")

    (tmp_path / "x").write_text("x")
    with pytest.raises(ValidationError, match="x is refused"):
        source_of(tmp_path / "x", None, refuse)
    with pytest.raises(ValidationError, match="y is refused"):
        source_of(io.BytesIO(b"x"), "y", refuse)


# streams


def test_a_buffer_that_was_just_written() -> None:
    stream = io.BytesIO()
    stream.write(b"frame,x\n1,0.5\n")
    with pytest.raises(ValidationError, match=r"stands at its end, after 14 bytes.*seek\(0\)"):
        source_of(stream, "x.csv", same)
    assert stream.tell() == 14
    stream.seek(0)
    source = source_of(stream, "x.csv", same).source
    source.prepare()
    assert source.size == 14


def test_a_temporary_file_that_was_just_written() -> None:
    with tempfile.TemporaryFile() as stream:
        stream.write(b"12345")
        with pytest.raises(ValidationError, match=r"seek\(0\)"):
            StreamSource(stream)


def test_an_empty_one_and_a_part_are_meant(tmp_path: Path) -> None:
    empty = StreamSource(io.BytesIO())
    empty.prepare()
    assert (empty.size, empty.crc32c) == (0, "AAAAAA==")
    part = io.BytesIO(b"head and body")
    part.seek(4)
    source = StreamSource(part)
    assert part.tell() == 4
    source.prepare()
    assert source.size == 9


def test_streams_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x")
    with open(tmp_path / "x", "ab") as stream, pytest.raises(ValidationError, match="for writing only"):
        StreamSource(stream)
    stream.close()
    with pytest.raises(ValidationError, match="closed"):
        StreamSource(stream)
    with pytest.raises(ValidationError, match="name="):
        source_of(io.BytesIO(b"x"), None, same)
    with pytest.raises(ValidationError, match="'rb'"):
        source_of(io.StringIO("x"), "x", same)


@posix
def test_a_stream_that_has_nothing_yet_is_not_cut_short() -> None:
    read, write = os.pipe()
    os.set_blocking(read, False)
    with open(write, "wb", buffering=0) as out, open(read, "rb", buffering=0) as stream:
        out.write(b"first")
        with pytest.raises(ValidationError, match="NoneType"):
            StreamSource(stream).prepare()


@posix
def test_a_pipe_may_be_prepared_again() -> None:
    read, write = os.pipe()
    with open(write, "wb") as out:
        out.write(b"through a pipe")
    with open(read, "rb") as stream:
        source = StreamSource(stream)
        for _ in range(2):
            source.prepare()
            assert source.size == 14
        assert source.open().block() == b"through a pipe"
        source.close()
