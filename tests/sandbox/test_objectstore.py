from __future__ import annotations

import base64
import hashlib
import http.client
import socket
import struct
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raw_wire import until
from yarl import URL

from moveshelf.sandbox.blobs import object_key
from moveshelf.sandbox.objectstore import parse_range
from moveshelf.sandbox.rows import DataFile

DATA = bytes(range(256)) * 40


@pytest.fixture
def uri(wire: Any) -> str:
    """Where the bytes of DATA can be read."""
    file = wire.file(wire.upload(wire.clip(), DATA))
    assert file["uploadStatus"] == "Complete"
    return str(file["originalDataDownloadUri"])


def test_up_and_down(wire: Any, get: Any, uri: str) -> None:
    response = get(uri)
    assert (response.status, response.body) == (200, DATA)
    assert response.headers["content-length"] == str(len(DATA))
    assert response.headers["accept-ranges"] == "bytes"
    md5 = base64.b64encode(hashlib.md5(DATA).digest()).decode()
    crc, _, digest = response.headers["x-goog-hash"].partition(",")
    assert digest == f"md5={md5}"
    assert crc.startswith("crc32c=")
    assert len(base64.b64decode(crc.removeprefix("crc32c="))) == 4
    head = get(uri, "HEAD")
    assert (head.status, head.body) == (200, b"")
    for name in ("content-length", "x-goog-hash", "etag", "accept-ranges", "last-modified"):
        assert head.headers[name] == response.headers[name]


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("data", [b"", b"x", DATA])
def test_bodies_of_every_kind(wire: Any, get: Any, chunked: bool, data: bytes) -> None:
    url, id = wire.create_file(wire.clip(), data)
    body = iter([data[:7], data[7:]]) if chunked else data
    headers = {"Transfer-Encoding": "chunked"} if chunked else {}
    if chunked:
        body = iter([part for part in (data[:7], data[7:]) if part])
    assert get(url, "PUT", body, headers, chunked=chunked).status == 200
    file = wire.file(id)
    assert file["uploadStatus"] == "Complete"
    assert get(file["originalDataDownloadUri"]).body == data
    assert get(file["previewDataUri"]).body == data


def test_before_the_bytes_there_is_nothing_to_read(wire: Any) -> None:
    _, id = wire.create_file(wire.clip(), b"x")
    file = wire.file(id)
    assert (file["uploadStatus"], file["originalDataDownloadUri"], file["previewDataUri"]) == (
        "Pending",
        None,
        None,
    )


def test_other_bytes_than_announced_are_refused(wire: Any, get: Any) -> None:
    url, id = wire.create_file(wire.clip(), b"right")
    for wrong in (b"wrong", b"", b"right and more"):
        assert get(url, "PUT", wrong).status == 400
        assert wire.file(id)["uploadStatus"] == "Pending"
    assert get(url, "PUT", b"right").status == 200
    assert wire.file(id)["uploadStatus"] == "Complete"
    assert get(url, "PUT", b"wrong").status == 400  # and what is there stays
    assert get(wire.file(id)["originalDataDownloadUri"]).body == b"right"
    assert get(url, "PUT", b"right").status == 200


def test_without_a_checksum_any_bytes_are_taken(wire: Any, get: Any) -> None:
    created = wire.create_clips({"metadata": {"title": "T"}})[0]
    assert get(created["uploadUrl"], "PUT", b"anything").status == 200
    fields = "uploadStatus originalFileName originalDataDownloadUri"
    clip = wire.node(created["mocapClip"]["id"], "MocapClip", fields)
    assert (clip["uploadStatus"], clip["originalFileName"]) == ("Complete", None)
    before = get(clip["originalDataDownloadUri"])
    assert before.body == b"anything"
    assert get(created["uploadUrl"], "PUT", b"else").status == 200
    after = get(clip["originalDataDownloadUri"])
    assert after.body == b"else"
    assert after.headers["etag"] != before.headers["etag"]


def test_a_body_that_breaks_off_leaves_nothing(wire: Any) -> None:
    url, id = wire.create_file(wire.clip(), DATA)
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 0)) as connection:
        head = f"PUT {parts.path}?{parts.query} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(DATA)}\r\n\r\n"
        connection.sendall(head.encode() + DATA[:1000])
    assert wire.file(id)["uploadStatus"] == "Pending"
    assert wire.file(id)["originalDataDownloadUri"] is None


LENGTH, CHUNKED = "Content-Length: 100000", "Transfer-Encoding: chunked"


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize(
    ("method", "header", "body"),
    [
        ("PUT", LENGTH, b""),
        ("PUT", LENGTH, b"x" * 1000),
        ("PUT", CHUNKED, b"10\r\n0123456789abcdef\r\n10\r\nabc"),
        ("POST", LENGTH, b'{"query"'),
        ("GET", "Accept: */*", b""),
    ],
)
def test_a_client_that_leaves_is_no_error(
    wire: Any, caplog: pytest.LogCaptureFixture, reset: bool, method: str, header: str, body: bytes
) -> None:
    url, id = wire.create_file(wire.clip(), b"x" * 100_000)
    if method == "POST":
        url = wire.sandbox.api_url
    elif method == "GET":
        url = wire.file(wire.upload(wire.clip(), bytes(30_000_000)))["originalDataDownloadUri"]
    parts = urlsplit(url)
    head = f"{method} {parts.path}?{parts.query} HTTP/1.1\r\nHost: x\r\n{header}\r\nAuthorization: Bearer "
    wire.sandbox.requests.clear()
    with socket.create_connection((parts.hostname or "", parts.port or 0)) as connection:
        connection.sendall(f"{head}{wire.sandbox.api_key}\r\n\r\n".encode() + body)
        until(lambda: len(wire.sandbox.requests))
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    (record,) = wire.sandbox.requests
    until(lambda: record.seconds)  # set when its end has come
    assert wire.file(id)["uploadStatus"] == "Pending"
    assert [entry.getMessage() for entry in caplog.records] == []
    assert list((wire.sandbox.path / "blobs" / "incoming").iterdir()) == []


@pytest.mark.parametrize(
    ("header", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=5-9", 5, 10),
        ("bytes=100-", 100, len(DATA)),
        ("bytes=-5", len(DATA) - 5, len(DATA)),
        ("bytes=-999999", 0, len(DATA)),
        ("bytes=10-999999", 10, len(DATA)),
    ],
)
def test_ranges(get: Any, uri: str, header: str, start: int, stop: int) -> None:
    for method in ("GET", "HEAD"):
        response = get(uri, method, headers={"Range": header})
        assert response.status == 206
        assert response.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(DATA)}"
        assert response.headers["content-length"] == str(stop - start)
        assert response.body == (DATA[start:stop] if method == "GET" else b"")


@pytest.mark.parametrize("header", ["bytes=5-4", "bytes=a-b", "bytes=-", "lines=1-2", "bytes=0-1,3-4"])
def test_invalid_ranges_return_the_whole(get: Any, uri: str, header: str) -> None:
    response = get(uri, headers={"Range": header})
    assert (response.status, response.body) == (200, DATA)


@pytest.mark.parametrize("header", [f"bytes={len(DATA)}-", "bytes=99999999-", "bytes=-0"])
def test_ranges_beyond_the_end(get: Any, uri: str, header: str) -> None:
    response = get(uri, headers={"Range": header})
    assert response.status == 416
    assert response.headers["content-range"] == f"bytes */{len(DATA)}"


@given(st.text("bytes=0123456789-, ", max_size=14), st.integers(0, 50))
def test_any_range_lies_inside(text: str, size: int) -> None:
    span = parse_range(text, size)
    if isinstance(span, tuple):
        assert 0 <= span[0] < span[1] <= size
    else:
        assert span in (None, "unsatisfiable")


def test_if_range(get: Any, uri: str) -> None:
    first = get(uri)
    for right in (first.headers["etag"], first.headers["last-modified"]):
        assert get(uri, headers={"Range": "bytes=1-2", "If-Range": right}).status == 206
    response = get(uri, headers={"Range": "bytes=1-2", "If-Range": '"another"'})
    assert (response.status, response.body) == (200, DATA)


def test_a_signature_opens_one_file_only(wire: Any, get: Any, uri: str) -> None:
    put, id = wire.create_file(wire.clip(), b"x")
    read = wire.file(wire.upload(wire.clip(), b"other"))["originalDataDownloadUri"]
    assert get(uri, "PUT", b"x").status == 403
    assert get(put).status == 403
    assert get(put.replace("action=write", "action=read")).status == 403
    assert get(uri[:-1] + ("0" if uri[-1] != "0" else "1")).status == 403
    assert get(uri.partition("?")[0]).status == 403
    assert get(uri.partition("?")[0] + "?" + read.partition("?")[2]).status == 403
    assert get(uri.replace("expires=", "expires=9")).status == 403
    assert get(uri.replace("signature=", "signature=%C3%A9")).status == 403
    assert wire.file(id)["uploadStatus"] == "Pending"


@pytest.mark.parametrize(
    "name",
    [
        "walk.c3d",
        "P-001<<<Walk 01>>>angles_normalized.json",
        "a b+c%20&d?e#f.csv",
        "Über/ünïcode.json",
        "日本.txt",
    ],
)
def test_the_path_of_a_url_ends_in_the_name_of_the_file(wire: Any, get: Any, name: str) -> None:
    url, id = wire.create_file(wire.clip(), DATA, name)
    assert unquote(urlsplit(url).path) == f"/store/{id}/{name}"
    assert get(url, "PUT", DATA).status == 200
    uri = wire.file(id)["originalDataDownloadUri"]
    assert unquote(urlsplit(uri).path.rpartition("/")[2]) == name
    assert get(uri).body == DATA
    # the name belongs to what is signed
    assert get(uri.replace(f"/store/{id}/", f"/store/{id}/x")).status == 403
    assert get(f"{uri.split('/store/')[0]}/store/{id}?{uri.partition('?')[2]}").status == 403


@pytest.mark.parametrize("name", [None, "", ".", ".."])
def test_the_path_of_a_url_without_a_name_ends_in_the_id(wire: Any, get: Any, name: str | None) -> None:
    url, id = wire.create_file(wire.clip(), DATA, name)
    assert urlsplit(url).path == f"/store/{id}"
    assert get(url, "PUT", DATA).status == 200
    assert get(wire.file(id)["originalDataDownloadUri"]).body == DATA


def test_the_client_reads_a_file_of_any_name(wire: Any) -> None:
    names = ["a b+c%20&d?e#f.csv", "100%.csv", "<<<x>>>.json", "Über.json", "a;b,c@d=e.csv", "x\ny.csv"]
    for name in names:
        wire.upload(clip := wire.clip("/P-1/s/", name), name.encode(), name)
        with wire.sandbox.connect() as ms:
            assert ms.clip(clip).files[0].read_bytes() == name.encode()


@given(st.text(min_size=1, max_size=30))
def test_any_name_makes_a_url_that_leads_back(name: str) -> None:
    key = object_key(DataFile("id", 1, file_name=name))
    path = "/".join(quote(part, safe="") for part in key.split("/", 1))
    assert URL(f"http://h/{path}", encoded=True).raw_path == f"/{path}"
    assert unquote(path) == key


def test_urls_expire(wire: Any, get: Any) -> None:
    id = wire.upload(wire.clip(), b"x")
    wire.sandbox.url_lifetime(-5)
    put, _ = wire.create_file(wire.clip(), b"x")
    response = get(wire.file(id)["originalDataDownloadUri"])
    assert response.status == 403
    assert b"ExpiredToken" in response.body
    assert get(put, "PUT", b"x").status == 403
    wire.sandbox.url_lifetime(60)
    assert get(wire.file(id)["originalDataDownloadUri"]).status == 200


def test_a_token_on_a_blob_url_is_noticed(wire: Any, get: Any, uri: str) -> None:
    wire.sandbox.requests.clear()
    get(uri)
    get(uri, headers={"Authorization": f"Bearer {wire.sandbox.api_key}"})
    clean, leaked = wire.sandbox.requests.blobs
    assert (clean.authorization, leaked.authorization) == (False, True)
    assert (clean.kind, clean.method, clean.operation, clean.status) == ("blob", "GET", "GET", 200)
    assert clean.bytes_out == len(DATA)
    assert clean.path == urlsplit(uri).path


def test_files_settle_after_some_looks(wire: Any) -> None:
    wire.sandbox.settle_after(2)
    id = wire.upload(wire.clip(), b"x")
    looks = [wire.file(id) for _ in range(4)]
    assert [look["uploadStatus"] for look in looks] == ["Processing", "Processing", "Complete", "Complete"]
    assert looks[1]["originalDataDownloadUri"] is None
    assert looks[3]["originalDataDownloadUri"]


def test_a_larger_file_streams_both_ways(wire: Any, get: Any) -> None:
    data = hashlib.shake_128(b"large").digest(40 << 20)
    id = wire.upload(wire.clip(), data, "large.mp4", "video")
    uri = wire.file(id)["originalDataDownloadUri"]
    response = get(uri)
    assert response.body == data
    assert "md5=" not in response.headers["x-goog-hash"]
    md5 = base64.b64encode(hashlib.md5(data).digest()).decode()
    assert get(uri, "HEAD").headers["x-goog-hash"].endswith(f",md5={md5}")
    part = get(uri, headers={"Range": "bytes=1000-5000000"})
    assert (part.status, part.body) == (206, data[1000:5000001])


def test_one_connection_serves_many(wire: Any, uri: str) -> None:
    parts = urlsplit(uri)
    connection = http.client.HTTPConnection(parts.netloc)
    for _ in range(3):
        connection.request("GET", f"{parts.path}?{parts.query}")
        response = connection.getresponse()
        assert response.read() == DATA
        assert not response.will_close
    connection.close()
