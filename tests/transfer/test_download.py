"""One file down: whole and right, or not at all."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from little_store import QUICK, Store, crc

from moveshelf.errors import ChecksumError, TargetExistsError, TransferError
from moveshelf.transfer import download
from moveshelf.transfer.download import Fetched, fetch
from moveshelf.transfer.partial import BLOCK

Run = Callable[..., Any]
BIG = os.urandom(3 * BLOCK + 12345)


class Urls:
    """Signed URLs as they are requested; `renewals` counts."""

    def __init__(self, *urls: str) -> None:
        self.urls = list(urls)
        self.renewals = 0

    async def __call__(self, renew: bool) -> str:
        if renew:
            self.renewals += 1
            self.urls.pop(0)
        return self.urls[0]


def get(run: Run, store: Store, target: Path, **options: Any) -> Fetched:
    address = options.pop("address", None) or Urls(store.url("x"))
    found = run(fetch, address, target, key=options.pop("key", "id-x"), retry=QUICK, **options)
    assert isinstance(found, Fetched)
    return found


def left(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


@pytest.mark.parametrize("size", [0, 1, 100_000, BLOCK, BLOCK + 1, len(BIG)])
def test_any_size(run: Run, store: Store, tmp_path: Path, size: int) -> None:
    store.objects["x"] = BIG[:size]
    found = get(run, store, tmp_path / "deep" / "er" / "x.c3d")
    assert found == Fetched(size, crc(BIG[:size]), 0)
    assert (tmp_path / "deep" / "er" / "x.c3d").read_bytes() == BIG[:size]
    assert left(tmp_path / "deep" / "er") == ["x.c3d"]


@pytest.mark.parametrize(
    "fault", ["drop", 503, 500, 429, 408, ("cut", 0), ("cut", 1000), ("cut", BLOCK * 2 + 5)]
)
def test_what_passes_is_tried_again(run: Run, store: Store, tmp_path: Path, fault: Any) -> None:
    store.objects["x"] = BIG
    store.faults = [fault, fault, None]
    get(run, store, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == BIG
    assert left(tmp_path) == ["x"]


def test_goes_on_where_it_broke_off(run: Run, store: Store, tmp_path: Path) -> None:
    store.objects["x"] = BIG
    store.faults = [("cut", 1000), ("cut", 2 * BLOCK), None]
    get(run, store, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == BIG
    assert [part for _, _, part in store.log] == [None, "bytes=1000-", f"bytes={1000 + 2 * BLOCK}-"]


def test_breaking_off_never_ends_it_while_bytes_come(run: Run, store: Store, tmp_path: Path) -> None:
    store.objects["x"] = BIG[:100]
    store.faults = [("cut", 5)] * 19
    get(run, store, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == BIG[:100]


def test_gives_up_and_keeps_what_it_has(run: Run, store: Store, tmp_path: Path) -> None:
    store.objects["x"] = BIG
    store.faults = [("cut", 2 * BLOCK), *[503] * 5]
    with pytest.raises(TransferError, match="503") as caught:
        get(run, store, tmp_path / "x")
    assert caught.value.status == 503
    assert "secret" not in str(caught.value)
    assert not (tmp_path / "x").exists()
    # another process, later
    store.log.clear()
    found = get(run, store, tmp_path / "x")
    assert store.log == [("GET", "x", f"bytes={2 * BLOCK}-")]
    assert found.resumed == 2 * BLOCK
    assert (tmp_path / "x").read_bytes() == BIG
    assert left(tmp_path) == ["x"]


def broken_off(run: Run, store: Store, target: Path) -> None:
    store.objects["x"] = BIG
    store.faults = [("cut", 2 * BLOCK), *[503] * 5]
    with pytest.raises(TransferError):
        get(run, store, target)


def test_another_object_is_not_continued(run: Run, store: Store, tmp_path: Path) -> None:
    broken_off(run, store, tmp_path / "x")
    found = get(run, store, tmp_path / "x", key="another id")
    assert found.resumed == 0
    assert store.log[-1] == ("GET", "x", None)
    assert (tmp_path / "x").read_bytes() == BIG


def test_an_object_that_changed_meanwhile_starts_anew(run: Run, store: Store, tmp_path: Path) -> None:
    broken_off(run, store, tmp_path / "x")
    store.objects["x"] = BIG[::-1]
    found = get(run, store, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == BIG[::-1]
    assert found.size == len(BIG)
    assert left(tmp_path) == ["x"]


@pytest.mark.parametrize("spoil", ["flip", "longer", "sidecar", "no sidecar", "shorter"])
def test_a_spoilt_beginning_does_no_harm(run: Run, store: Store, tmp_path: Path, spoil: str) -> None:
    broken_off(run, store, tmp_path / "x")
    (part,) = tmp_path.glob(".moveshelf-*.part")
    sidecar = part.with_name(part.name + ".json")
    data = bytearray(part.read_bytes())
    if spoil == "flip":
        data[77] ^= 1
        part.write_bytes(data)
    elif spoil == "longer":
        part.write_bytes(bytes(data) + bytes(len(BIG)))
    elif spoil == "shorter":
        part.write_bytes(data[:10])
    elif spoil == "sidecar":
        sidecar.write_text(json.dumps({"key": "id-x", "etag": 3}))
    else:
        sidecar.unlink()
        os.utime(part, (1, 1))  # one of now may be in the making
    get(run, store, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == BIG
    assert left(tmp_path) == ["x"]


def test_a_part_that_is_whole_needs_no_bytes(run: Run, store: Store, tmp_path: Path) -> None:
    broken_off(run, store, tmp_path / "x")
    (part,) = tmp_path.glob(".moveshelf-*.part")
    part.write_bytes(BIG)
    store.log.clear()
    get(run, store, tmp_path / "x")
    assert store.log == []
    assert (tmp_path / "x").read_bytes() == BIG


def test_without_entity_tag_it_starts_over(run: Run, store: Store, tmp_path: Path) -> None:
    store.objects["x"] = BIG
    store.extra = {"ETag": None}
    store.faults = [("cut", 2 * BLOCK), None]
    get(run, store, tmp_path / "x")
    assert [part for _, _, part in store.log] == [None, None]
    assert (tmp_path / "x").read_bytes() == BIG


def test_wrong_bytes_are_fetched_again(run: Run, store: Store, tmp_path: Path) -> None:
    store.objects["x"] = BIG
    store.faults = ["garble", "garble", None]
    get(run, store, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == BIG


@pytest.mark.parametrize("size", [1000, len(BIG)])
def test_wrong_bytes_never_get_the_name(run: Run, store: Store, tmp_path: Path, size: int) -> None:
    store.objects["x"] = BIG[:size]
    store.faults = ["garble"] * 9
    (tmp_path / "x").write_text("mine")
    with pytest.raises(ChecksumError):
        get(run, store, tmp_path / "x", overwrite=True)
    assert (tmp_path / "x").read_text() == "mine"
    assert left(tmp_path) == ["x"]


@pytest.mark.parametrize("status", [400, 401, 403])
def test_an_expired_url_is_renewed_once(run: Run, store: Store, tmp_path: Path, status: int) -> None:
    store.objects["x"] = BIG
    store.faults = [status]
    address = Urls(store.url("x"), store.url("x"), store.url("x"))
    get(run, store, tmp_path / "x", address=address)
    assert address.renewals == 1
    store.faults = [status, status]
    address = Urls(store.url("x"), store.url("x"), store.url("x"))
    with pytest.raises(TransferError, match=str(status)):
        get(run, store, tmp_path / "y", address=address)
    assert address.renewals == 1


def test_it_may_expire_again_after_more_has_come(run: Run, store: Store, tmp_path: Path) -> None:
    store.objects["x"] = BIG
    store.faults = [403, ("cut", BLOCK), 403, None]
    address = Urls(store.url("x"), store.url("x"), store.url("x"))
    get(run, store, tmp_path / "x", address=address)
    assert address.renewals == 2
    assert (tmp_path / "x").read_bytes() == BIG


def test_what_is_there_stays_unless_told(run: Run, store: Store, tmp_path: Path) -> None:
    store.objects["x"] = b"new"
    (tmp_path / "x").write_text("mine")
    with pytest.raises(TargetExistsError):
        get(run, store, tmp_path / "x")
    assert (tmp_path / "x").read_text() == "mine"
    get(run, store, tmp_path / "x", overwrite=True)
    assert (tmp_path / "x").read_text() == "new"
    assert left(tmp_path) == ["x"]


def test_a_folder_that_cannot_be(run: Run, store: Store, tmp_path: Path) -> None:
    store.objects["x"] = b"new"
    (tmp_path / "file").write_text("mine")
    with pytest.raises(TransferError, match="cannot be written"):
        get(run, store, tmp_path / "file" / "x")


def test_a_redirect_is_followed_without_a_key(run: Run, store: Store, tmp_path: Path) -> None:
    store.objects["there"] = b"bytes"
    store.faults = [web.Response(status=307, headers={"Location": "/there"})]
    get(run, store, tmp_path / "x", address=Urls(store.url("x")))
    assert (tmp_path / "x").read_bytes() == b"bytes"
    assert not any("Authorization" in headers for headers in store.headers)


@pytest.mark.parametrize("place", ["http://[", "https://[]@/x", "//[]@"])
def test_a_redirect_to_no_url_is_a_failure_of_the_file(
    run: Run, store: Store, tmp_path: Path, place: str
) -> None:
    async def elsewhere(request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": place})

    store.each = elsewhere
    with pytest.raises(TransferError, match="no URL"):
        get(run, store, tmp_path / "x")


def test_redirects_end(run: Run, store: Store, tmp_path: Path) -> None:
    async def around(request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": "/again"})

    store.each = around
    with pytest.raises(TransferError, match="302"):
        get(run, store, tmp_path / "x")


def test_two_at_once_to_one_target(run: Run, store: Store, tmp_path: Path) -> None:
    """Each writes a file of its own; the last one is in place, whole."""
    store.objects["x"] = BIG
    both = asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse | None:
        if len(store.log) == 2:
            both.set()
        return None

    store.each = slow

    async def twice(blobs: Any) -> list[Fetched]:
        one = fetch(blobs, Urls(store.url("x")), tmp_path / "x", key="k", overwrite=True, retry=QUICK)
        two = fetch(blobs, Urls(store.url("x")), tmp_path / "x", key="k", overwrite=True, retry=QUICK)
        return await asyncio.gather(one, two)

    run(twice)
    assert (tmp_path / "x").read_bytes() == BIG
    assert left(tmp_path) == ["x"]


def test_cancelled_it_keeps_what_it_has(run: Run, store: Store, tmp_path: Path) -> None:
    store.objects["x"] = BIG

    async def hold(request: web.Request) -> web.StreamResponse | None:
        response = web.StreamResponse(
            headers={"ETag": '"e"', "Content-Length": str(len(BIG)), "x-goog-hash": f"crc32c={crc(BIG)}"}
        )
        await response.prepare(request)
        await response.write(BIG[: 2 * BLOCK])
        await asyncio.sleep(30)
        return response

    store.each = hold

    async def stopped(blobs: Any) -> None:
        progress = download.Progress()
        task = asyncio.ensure_future(
            fetch(blobs, Urls(store.url("x")), tmp_path / "x", key="id-x", retry=QUICK, progress=progress)
        )
        while progress.bytes < 2 * BLOCK:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(stopped)
    (part,) = tmp_path.glob("*.part")
    assert part.read_bytes() == BIG[: 2 * BLOCK]
    assert not (tmp_path / "x").exists()


def test_the_gauge_counts_each_byte_once(run: Run, store: Store, tmp_path: Path) -> None:
    store.objects["x"] = BIG
    store.faults = [("cut", 1000), "garble", None]
    progress = download.Progress()
    get(run, store, tmp_path / "x", progress=progress)
    assert progress.bytes == progress.expected == len(BIG)


def trickle(parts: list[bytes], pause: float, size: int = len(BIG)) -> Callable[[web.Request], Any]:
    """Sends one part after the other, and then no more."""

    async def send(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={"ETag": '"e"', "Content-Length": str(size), "x-goog-hash": f"crc32c={crc(BIG[:size])}"}
        )
        await response.prepare(request)
        for part in parts:
            await response.write(part)
            await asyncio.sleep(pause)
        await asyncio.sleep(30 if sum(map(len, parts)) < size else 0)
        return response

    return send


@pytest.mark.parametrize("timeout", [1.0])
def test_a_store_that_falls_silent(run: Run, store: Store, tmp_path: Path) -> None:
    store.each = trickle([BIG[:BLOCK], BIG[BLOCK : BLOCK + 1000]], 0)
    with pytest.raises(TransferError, match=r"no sign of life for 1 s .* bytes are kept"):
        get(run, store, tmp_path / "x")
    # it went on from where it was, until nothing came any more
    assert [part for _, _, part in store.log][:2] == [None, f"bytes={BLOCK + 1000}-"]
    (part,) = tmp_path.glob("*.part")
    assert part.read_bytes()[: BLOCK + 1000] == BIG[: BLOCK + 1000]


@pytest.mark.parametrize("timeout", [1.5])
def test_a_slow_store_is_not_silent(run: Run, store: Store, tmp_path: Path) -> None:
    store.objects["x"] = BIG[:1000]
    store.each = trickle([BIG[at : at + 50] for at in range(0, 1000, 50)], 0.1, 1000)
    get(run, store, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == BIG[:1000]
    assert len(store.log) == 1


@pytest.mark.parametrize("store", ["tls"], indirect=True)
def test_over_tls(run: Run, store: Store, tmp_path: Path) -> None:
    store.objects["x"] = BIG
    store.faults = [None, ("cut", BLOCK + 77), None, ("cut", 5), None]
    for name in "abc":
        get(run, store, tmp_path / name)
        assert (tmp_path / name).read_bytes() == BIG
    assert len(store.log) == 5
