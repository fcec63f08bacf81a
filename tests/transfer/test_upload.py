"""One file up: what arrives is what the checksum was taken of, or nothing."""

from __future__ import annotations

import asyncio
import io
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from little_store import QUICK, Store, crc

from moveshelf.errors import ChecksumError, TransferError, ValidationError
from moveshelf.transfer.blob import Progress
from moveshelf.transfer.source import ChangedError, FileSource, Source, StreamSource
from moveshelf.transfer.upload import BLOCK, StaleUrlError, put
from moveshelf.wire import RetryPolicy, Wire

Run = Callable[..., Any]
BIG = os.urandom(3 * BLOCK + 12345)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "x.c3d"
    path.write_bytes(BIG)
    return path


def prepared(path: Path) -> FileSource:
    source = FileSource(path)
    source.prepare()
    return source


def send(run: Run, store: Store, source: Source, **options: Any) -> None:
    run(put, store.url("x"), source, retry=QUICK, **options)


@pytest.mark.parametrize("size", [0, 1, 100_000, BLOCK, BLOCK + 1, len(BIG)])
def test_any_size(run: Run, store: Store, tmp_path: Path, size: int) -> None:
    path = tmp_path / "x"
    path.write_bytes(BIG[:size])
    source = prepared(path)
    assert (source.size, source.crc32c) == (size, crc(BIG[:size]))
    progress = Progress()
    send(run, store, source, progress=progress)
    assert store.objects["x"] == BIG[:size]
    assert progress.bytes == size
    (headers,) = store.headers
    assert headers["Content-Length"] == str(size)
    assert headers["Content-Type"] == "application/octet-stream"
    assert "Transfer-Encoding" not in headers
    assert "Authorization" not in headers


@pytest.mark.parametrize("fault", ["drop", 500, 502, 503, 429, 408, "garble"])
def test_what_passes_is_sent_again(run: Run, store: Store, file: Path, fault: Any) -> None:
    store.faults = [fault, fault]
    progress = Progress()
    send(run, store, prepared(file), progress=progress)
    assert store.objects["x"] == BIG
    assert progress.bytes == len(BIG)
    assert len(store.log) == 3


def test_gives_up(run: Run, store: Store, file: Path) -> None:
    store.faults = [503] * 9
    progress = Progress()
    with pytest.raises(TransferError, match="503") as caught:
        send(run, store, prepared(file), progress=progress)
    assert "secret" not in str(caught.value)
    assert progress.bytes == 0


def test_a_store_that_gets_other_bytes(run: Run, store: Store, file: Path) -> None:
    store.faults = ["garble"] * 9
    with pytest.raises(ChecksumError):
        send(run, store, prepared(file))


@pytest.mark.parametrize("status", [400, 401, 403])
def test_an_expired_url(run: Run, store: Store, file: Path, status: int) -> None:
    store.faults = [status]
    with pytest.raises(StaleUrlError):
        send(run, store, prepared(file))
    assert len(store.log) == 1


def test_no_redirect_takes_the_bytes_elsewhere(run: Run, store: Store, file: Path) -> None:
    store.faults = [web.Response(status=307, headers={"Location": "/there"})]
    with pytest.raises(TransferError, match="307"):
        send(run, store, prepared(file))
    assert store.objects == {}


@pytest.mark.parametrize("size", [1000, len(BIG)])
@pytest.mark.parametrize("change", ["flip", "grow", "shrink", "quietly"])
def test_a_file_that_changed_is_refused(
    run: Run, store: Store, tmp_path: Path, size: int, change: str
) -> None:
    path = tmp_path / "x"
    path.write_bytes(BIG[:size])
    source = prepared(path)
    status = os.stat(path)
    data = BIG[:size]
    if change == "grow":
        path.write_bytes(data + b"more")
    elif change == "shrink":
        path.write_bytes(data[:-1])
    else:
        with open(path, "r+b") as stream:
            stream.write(bytes([data[0] ^ 1]))
    if change == "quietly":  # as a file system with coarse times would show it
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(ChangedError, match="refused"):
        send(run, store, source)
    assert "x" not in store.objects
    if size < BLOCK or change != "quietly":
        assert store.received == 0


def test_a_file_that_changes_while_it_is_sent(run: Run, store: Store, file: Path) -> None:
    source = prepared(file)

    async def grows(request: web.Request) -> None:
        with open(file, "ab") as stream:
            stream.write(b"more")

    # held back until the server has the request, so that the first block is out and the last is not
    store.each = grows
    blocks = BIG * 20
    file.write_bytes(blocks)
    source.prepare()
    with pytest.raises(ChangedError):
        send(run, store, source)
    assert "x" not in store.objects


def test_streams(run: Run, store: Store) -> None:
    stream = io.BytesIO(b"head" + BIG)
    stream.seek(4)
    source = StreamSource(stream)
    source.prepare()
    store.faults = [503]
    send(run, store, source)
    assert store.objects["x"] == BIG


def test_streams_that_cannot_be_rewound(run: Run, store: Store) -> None:
    read, write = os.pipe()
    with open(write, "wb") as out:
        out.write(b"through a pipe")
    with open(read, "rb") as stream:
        source = StreamSource(stream)
        source.prepare()
        store.faults = [503]
        send(run, store, source)
        source.close()
    assert store.objects["x"] == b"through a pipe"


def test_text_is_no_stream_of_bytes(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("text")
    with open(tmp_path / "x") as stream, pytest.raises(ValidationError, match="rb"):
        StreamSource(stream).prepare()
    with pytest.raises(ValidationError, match="rb"):
        StreamSource(io.StringIO("text")).prepare()


def test_a_store_that_stops_taking(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(BIG * 8)
    source = prepared(path)
    over = threading.Event()

    async def stalls(request: web.Request) -> web.StreamResponse | None:
        while not over.is_set():
            await asyncio.sleep(0.02)
        if request.transport is not None:  # what nobody reads from does not see that the client has gone
            request.transport.abort()
        return web.Response()

    store.each = stalls
    wire = Wire("http://127.0.0.1:9/graphql", "0" * 64, timeout=0.2)

    async def work() -> None:
        await put(await wire.blob_session(), store.url("x"), source, retry=RetryPolicy(silent=1))

    try:
        with pytest.raises(TransferError, match="took no bytes"):
            wire.run(work).result(20)
    finally:
        over.set()
        wire.close()


def test_a_page_of_the_network_has_stored_nothing(run: Run, store: Store, file: Path) -> None:
    store.faults = [web.Response(text="<html>Please log in</html>", content_type="text/html")]
    progress = Progress()
    with pytest.raises(
        TransferError, match=r"127\.0\.0\.1 responded with a web page.*log in with a browser"
    ) as caught:
        send(run, store, prepared(file), progress=progress)
    assert "secret" not in str(caught.value)
    assert progress.bytes == 0
    assert store.objects == {}
