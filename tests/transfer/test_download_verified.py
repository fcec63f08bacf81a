"""Bytes that nothing vouches for never count, whatever way they are read."""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from little_store import QUICK, Store, crc

from moveshelf.errors import ChecksumError, TransferError
from moveshelf.transfer import partial
from moveshelf.transfer.blob import EMPTY, Stored, head
from moveshelf.transfer.download import content_of, fetch, matches, md5_of_stored, read
from moveshelf.transfer.ranges import open_ranges
from moveshelf.transfer.source import FileSource
from moveshelf.transfer.upload import put
from moveshelf.wire import Wire

Run = Callable[..., Any]
Way = Callable[[str], bytes]
TEXT = b'{"data": [1, 2, 3]}' * 5000


def constant(url: str) -> Callable[[bool], Any]:
    async def get_url(renew: bool) -> str:
        return url

    return get_url


@pytest.fixture(params=["to the disk", "into memory", "in parts", "as a digest", "as facts"])
def way(request: pytest.FixtureRequest, run: Run, wire: Wire, tmp_path: Path) -> Way:
    """`way(url)`: the content, by each of the ways that the library has (of two only its digest)."""

    def to_disk(url: str) -> bytes:
        run(fetch, constant(url), tmp_path / "out" / "x.json", key="k", retry=QUICK)
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["x.json"]
        data = (tmp_path / "out" / "x.json").read_bytes()
        (tmp_path / "out" / "x.json").unlink()
        return data

    def into_memory(url: str) -> bytes:
        return bytes(run(read, constant(url), "x.json", retry=QUICK))

    def in_parts(url: str) -> bytes:
        with open_ranges(wire, lambda renew: url, "x.json", retry=QUICK, block=4096) as stream:
            return stream.read()

    def as_digest(url: str) -> bytes:
        return f"md5 {run(md5_of_stored, url, QUICK)}".encode()

    def as_facts(url: str) -> bytes:
        found = run(content_of, constant(url), "x.json", retry=QUICK)
        return f"{found.size} {found.crc32c}".encode()

    ways: dict[str, Way] = {
        "to the disk": to_disk,
        "into memory": into_memory,
        "in parts": in_parts,
        "as a digest": as_digest,
        "as facts": as_facts,
    }
    return ways[request.param]


def same(found: bytes, content: bytes) -> bool:
    """Whether what a way gave is of that content."""
    md5 = f"md5 {hashlib.md5(content).hexdigest()}".encode()
    return found in (content, md5, f"{len(content)} {crc(content)}".encode())


def nothing_left(tmp_path: Path) -> bool:
    return not [path for path in tmp_path.rglob("*") if path.is_file()]


# no checksum -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"<html>Please log in</html>", b""])
def test_a_page_of_the_network_is_no_file(store: Store, way: Way, tmp_path: Path, body: bytes) -> None:
    async def login(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, content_type="text/html")

    store.each = login
    with pytest.raises(TransferError, match=r"x\.json|stored file") as caught:
        way(store.url("x"))
    assert "127.0.0.1 sent text/html without a checksum" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert nothing_left(tmp_path)


def without_hash(store: Store, peers: list[Any]) -> None:
    """Have the store tell checksums to HEAD alone, and note which connections requests come over."""

    async def strip(request: web.Request) -> web.StreamResponse | None:
        assert request.transport is not None
        peers.append((request.method, request.transport.get_extra_info("peername")))
        store.extra = {"x-goog-hash": None} if request.method == "GET" else {}
        return None

    store.each = strip


def test_a_response_without_a_checksum_is_compared_over_a_new_connection(
    store: Store, way: Way, tmp_path: Path
) -> None:
    peers: list[Any] = []
    without_hash(store, peers)
    store.objects["x"] = TEXT
    assert same(way(store.url("x")), TEXT)
    bodies = {peer for method, peer in peers if method == "GET"}
    heads = {peer for method, peer in peers if method == "HEAD"}
    assert heads
    assert not bodies & heads


def test_and_wrong_bytes_are_found_by_it(store: Store, run: Run, tmp_path: Path) -> None:
    without_hash(store, [])
    store.objects["x"] = TEXT
    store.faults = ["garble", None] * 9
    with pytest.raises(ChecksumError):
        run(fetch, constant(store.url("x")), tmp_path / "x", key="k", retry=QUICK)
    assert nothing_left(tmp_path)


def test_an_object_that_changes_between_the_two_is_not_mixed(store: Store, run: Run) -> None:
    store.objects["x"] = TEXT
    seen = []

    async def change(request: web.Request) -> web.StreamResponse | None:
        store.extra = {"x-goog-hash": None} if request.method == "GET" else {}
        if request.method == "HEAD" and not seen:
            seen.append(1)
            store.objects["x"] = TEXT[::-1]
        return None

    store.each = change
    assert run(read, constant(store.url("x")), "x", retry=QUICK) == TEXT[::-1]


def test_an_empty_file_is_one_that_the_store_says_is_empty(store: Store, way: Way) -> None:
    store.objects["x"] = b""
    assert same(way(store.url("x")), b"")


# packed bytes ----------------------------------------------------------------------------------------------------


def packed_store(store: Store, content: bytes, kind: str) -> None:
    """A store (or what is before it) that packs: see each kind."""
    packed = gzip.compress(content)

    async def respond(request: web.Request) -> web.StreamResponse:
        wants = "gzip" in request.headers.get("Accept-Encoding", "")
        headers = {"ETag": '"1"'}
        if kind == "kept packed":  # sent as it is stored, whatever is accepted
            body = packed
            headers |= {"x-goog-hash": f"crc32c={crc(packed)}", "Content-Encoding": "gzip"}
            headers |= {"x-goog-stored-content-encoding": "gzip"}
        elif kind == "kept packed, unpacked on the way":  # unless packed bytes are accepted
            body = packed if wants else content
            headers |= {"x-goog-hash": f"crc32c={crc(packed)}", "x-goog-stored-content-encoding": "gzip"}
            headers |= {"Content-Encoding": "gzip"} if wants else {}
        elif kind == "packed by a proxy":
            body = packed
            headers |= {"x-goog-hash": f"crc32c={crc(content)}", "Content-Encoding": "gzip"}
        else:
            raise AssertionError(kind)
        response = web.StreamResponse(headers={**headers, "Content-Length": str(len(body))})
        await response.prepare(request)
        if request.method != "HEAD":
            await response.write(body)
        return response

    store.each = respond


@pytest.mark.parametrize("kind", ["kept packed", "kept packed, unpacked on the way", "packed by a proxy"])
@pytest.mark.parametrize("content", [TEXT, b""])
def test_packed_bytes_are_verified_and_then_unpacked(
    store: Store, way: Way, kind: str, content: bytes
) -> None:
    packed_store(store, content, kind)
    assert same(way(store.url("x")), content)


@pytest.mark.parametrize("spoil", ["flip", "cut", "other"])
def test_packed_bytes_that_are_wrong(store: Store, way: Way, tmp_path: Path, spoil: str) -> None:
    packed = gzip.compress(TEXT)
    wrong = {
        "flip": packed[:50] + bytes([packed[50] ^ 1]) + packed[51:],
        "cut": packed[:-20],
        "other": gzip.compress(TEXT[:-1]),
    }[spoil]

    async def respond(request: web.Request) -> web.StreamResponse:
        headers = {"x-goog-hash": f"crc32c={crc(packed)}", "Content-Encoding": "gzip"}
        return web.Response(body=wrong, headers=headers)

    store.each = respond
    with pytest.raises(ChecksumError):
        way(store.url("x"))
    assert nothing_left(tmp_path)


def test_a_store_that_always_unpacks_cannot_be_verified(store: Store, way: Way, tmp_path: Path) -> None:
    async def respond(request: web.Request) -> web.StreamResponse:
        headers = {
            "x-goog-hash": f"crc32c={crc(gzip.compress(TEXT))}",
            "x-goog-stored-content-encoding": "gzip",
        }
        return web.Response(body=TEXT, headers=headers)

    store.each = respond
    with pytest.raises(TransferError, match=r"127\.0\.0\.1 unpacks it on the way"):
        way(store.url("x"))
    assert nothing_left(tmp_path)


def test_a_coding_that_is_not_known(store: Store, run: Run, tmp_path: Path) -> None:
    async def respond(request: web.Request) -> web.StreamResponse:
        headers = {"x-goog-hash": f"crc32c={crc(b'xyz')}", "Content-Encoding": "br"}
        return web.Response(body=b"xyz", headers=headers)

    store.each = respond
    with pytest.raises(TransferError, match="packed as 'br'"):
        run(fetch, constant(store.url("x")), tmp_path / "x", key="k", retry=QUICK)
    assert nothing_left(tmp_path)


def test_a_little_that_unpacks_to_too_much(store: Store, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partial, "MOST_UNPACKED", 1 << 20)
    packed_store(store, bytes(8 << 20), "kept packed")
    with pytest.raises(TransferError, match=r"1,048,576 unpacked.*download\(\)"):
        run(read, constant(store.url("x")), "x", retry=QUICK)


def test_identity_is_requested(store: Store, way: Way) -> None:
    store.objects["x"] = TEXT
    way(store.url("x"))
    assert {headers.get("Accept-Encoding") for headers in store.headers} == {"identity"}


def test_a_packed_file_matches_its_content(store: Store, run: Run, tmp_path: Path) -> None:
    packed_store(store, TEXT, "kept packed, unpacked on the way")
    (tmp_path / "x").write_bytes(TEXT)
    source = FileSource(tmp_path / "x")
    source.prepare()
    assert run(matches, constant(store.url("x")), source, "x", retry=QUICK)
    (tmp_path / "x").write_bytes(TEXT[:-1])
    source.prepare()
    assert not run(matches, constant(store.url("x")), source, "x", retry=QUICK)


# the response to another request ---------------------------------------------------------------------------------


def doubled(store: Store, name: str) -> web.Response:
    """The response to a GET of that name once more, as it was."""
    body = store.objects[name]
    headers = {"ETag": f'"{hashlib.md5(body).hexdigest()}"', "x-goog-hash": f"crc32c={crc(body)},md5=xxx"}
    return web.Response(body=body, headers=headers)


def test_the_response_to_the_request_before_is_not_taken(store: Store, run: Run, tmp_path: Path) -> None:
    """What came last over the connection comes again, in place of what was requested."""
    store.objects |= {"a": b"of one patient", "b": b"of the other  "}
    swapped = []

    async def late(request: web.Request) -> web.StreamResponse | None:
        if request.method == "GET" and request.match_info["name"] == "b" and not swapped:
            swapped.append(request)
            return doubled(store, "a")
        return None

    store.each = late

    async def two(blobs: Any) -> list[bytes]:
        return [await read(blobs, constant(store.url(name)), name, retry=QUICK) for name in "ab"]

    assert run(two) == [b"of one patient", b"of the other  "]
    assert swapped


def test_a_connection_that_sent_it_is_closed(store: Store, run: Run) -> None:
    store.objects |= {"a": b"same size 1", "b": b"same size 2"}
    peers: list[Any] = []

    async def always_a(request: web.Request) -> web.StreamResponse | None:
        assert request.transport is not None
        peers.append((request.method, request.transport.get_extra_info("peername")))
        if request.method == "GET" and peers.count(peers[-1]) == 2:
            return doubled(store, "a")
        return None

    store.each = always_a

    async def two(blobs: Any) -> list[bytes]:
        return [await read(blobs, constant(store.url(name)), name, retry=QUICK) for name in "ab"]

    assert run(two) == [b"same size 1", b"same size 2"]
    gets = [peer for method, peer in peers if method == "GET"]
    assert gets[0] == gets[1]
    assert gets[2] != gets[1]


def test_equal_files_cost_a_look_and_are_right(store: Store, run: Run) -> None:
    store.objects |= {"a": b"equal", "b": b"equal", "c": b"other"}

    async def three(blobs: Any) -> list[bytes]:
        return [await read(blobs, constant(store.url(name)), name, retry=QUICK) for name in "abc"]

    assert run(three) == [b"equal", b"equal", b"other"]
    assert [method for method, _, _ in store.log] == ["GET", "GET", "HEAD", "GET"]


def test_equal_files_that_the_store_tells_apart_cost_none(store: Store, run: Run) -> None:
    store.objects |= {"a": b"equal", "b": b"equal"}

    async def number(request: web.Request) -> None:
        store.extra = {"x-goog-generation": str(len(store.log))}

    store.each = number

    async def two(blobs: Any) -> list[bytes]:
        return [await read(blobs, constant(store.url(name)), name, retry=QUICK) for name in "ab"]

    assert run(two) == [b"equal", b"equal"]
    assert [method for method, _, _ in store.log] == ["GET", "GET"]


def test_the_same_file_twice_costs_none(store: Store, run: Run) -> None:
    store.objects["a"] = b"equal"

    async def twice(blobs: Any) -> None:
        for _ in range(2):
            await read(blobs, constant(store.url("a")), "a", retry=QUICK)

    run(twice)
    assert [method for method, _, _ in store.log] == ["GET", "GET"]


@pytest.mark.parametrize("late", [2, 3, 5])
def test_a_response_that_comes_again_much_later_is_not_taken(store: Store, run: Run, late: int) -> None:
    """Not the one before, but one from further back, when others have come over the connection since."""
    names = [f"f{number}" for number in range(7)]
    store.objects |= {name: f"content of {name}".encode() for name in names}
    swapped = []

    async def again(request: web.Request) -> web.StreamResponse | None:
        name = request.match_info["name"]
        if request.method == "GET" and name == names[late] and not swapped:
            swapped.append(name)
            return doubled(store, "f0")
        return None

    store.each = again

    async def all_of_them(blobs: Any) -> list[bytes]:
        return [await read(blobs, constant(store.url(name)), name, retry=QUICK) for name in names]

    assert run(all_of_them) == [store.objects[name] for name in names]
    assert swapped
    assert [method for method, _, _ in store.log].count("GET") == len(names) + 1


def test_a_response_that_lost_its_checksum_and_comes_again_with_it_is_not_taken(
    store: Store, run: Run
) -> None:
    store.objects |= {"a": b"of one patient", "b": b"of the other  "}
    seen = []

    async def twice(request: web.Request) -> web.StreamResponse | None:
        seen.append((request.method, request.match_info["name"]))
        store.extra = {"x-goog-hash": None} if seen[-1] == ("GET", "a") else {}
        return doubled(store, "a") if seen[-1] == ("GET", "b") and seen.count(seen[-1]) == 1 else None

    store.each = twice

    async def two(blobs: Any) -> list[bytes]:
        return [await read(blobs, constant(store.url(name)), name, retry=QUICK) for name in "ab"]

    assert run(two) == [b"of one patient", b"of the other  "]
    assert seen.count(("GET", "b")) == 2


def test_the_response_to_an_upload_is_no_empty_file(store: Store, run: Run, tmp_path: Path) -> None:
    """The response to a PUT of no bytes has a checksum and a length, which an empty file has too."""
    store.objects["b"] = b"not empty"
    (tmp_path / "a").write_bytes(b"")
    source = FileSource(tmp_path / "a")
    source.prepare()
    seen = []

    async def again(request: web.Request) -> web.StreamResponse | None:
        seen.append(request.method)
        empty = web.Response(headers={"x-goog-hash": f"crc32c={crc(b'')}"})
        return (
            empty if request.method == "PUT" or (seen.count("GET") == 1 and request.method == "GET") else None
        )

    store.each = again

    async def two(blobs: Any) -> bytes:
        await put(blobs, store.url("a"), source, retry=QUICK)
        return await read(blobs, constant(store.url("b")), "b", retry=QUICK)

    assert run(two) == b"not empty"


# parts -----------------------------------------------------------------------------------------------------------


def test_parts_belong_to_one_object(store: Store, wire: Wire) -> None:
    store.objects["x"] = os.urandom(200_000)
    with open_ranges(wire, lambda renew: store.url("x"), "x", retry=QUICK, block=4096) as stream:
        stream.read(10)
        stream.seek(150_000)
        stream.read(10)
    tags = [headers.get("If-Range") for headers in store.headers]
    assert tags[0] is None
    assert len(set(tags[1:])) == 1
    assert tags[1]


def test_parts_of_another_object_without_a_tag(store: Store, wire: Wire) -> None:
    store.objects["x"] = bytes(200_000)
    store.extra = {"ETag": None}
    with open_ranges(wire, lambda renew: store.url("x"), "x", retry=QUICK, block=4096) as stream:
        stream.read(10)
        store.objects["x"] = bytes([1]) * 200_000
        stream.seek(150_000)
        with pytest.raises(TransferError, match="replaced"):
            stream.read(10)


def test_parts_that_are_wrong_when_all_is_read(store: Store, wire: Wire) -> None:
    store.objects["x"] = os.urandom(20_000)
    store.faults = [None, "garble"]
    with (
        open_ranges(wire, lambda renew: store.url("x"), "x", retry=QUICK, block=4096) as stream,
        pytest.raises(ChecksumError),
    ):
        stream.read()


def test_a_place_behind_the_end_is_the_end(store: Store, wire: Wire) -> None:
    store.objects["x"] = b"12345"
    with open_ranges(wire, lambda renew: store.url("x"), "x", retry=QUICK, block=4096) as stream:
        stream.seek(100_000)
        assert stream.read(5) == b""
        stream.seek(0)
        assert stream.read() == b"12345"


# facts -----------------------------------------------------------------------------------------------------------


def test_what_a_store_says_of_a_packed_file(store: Store, run: Run) -> None:
    packed_store(store, TEXT, "kept packed, unpacked on the way")
    packed = gzip.compress(TEXT)
    found = run(head, store.url("x"))
    assert found == Stored(None, crc(packed), '"1"', "", True)
    assert not found.plain
    assert run(head, store.url("x"), encoding="gzip") == Stored(len(packed), crc(packed), '"1"', "gzip")


def test_the_checksum_of_nothing() -> None:
    assert crc(b"") == EMPTY
    assert zlib.crc32(b"") == 0
