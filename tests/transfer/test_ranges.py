"""Parts of remote files, as if they were open ones."""

from __future__ import annotations

import io
import os
import zipfile

import pytest
from little_store import QUICK, Store

from moveshelf.errors import TransferError
from moveshelf.transfer.ranges import open_ranges
from moveshelf.wire import Wire


def test_any_part_as_if_it_were_a_file(wire: Wire, store: Store) -> None:
    import random

    data = os.urandom(300_000)
    store.objects["x"] = data
    local = io.BytesIO(data)
    dice = random.Random(4)
    with open_ranges(wire, lambda renew: store.url("x"), "x", retry=QUICK, block=4096) as remote:
        for _ in range(300):
            if dice.random() < 0.5:
                position = dice.randrange(0, 310_000)
                assert remote.seek(position) == local.seek(position)
            size = dice.choice([0, 1, 100, 5000, 70_000])
            assert remote.read(size) == local.read(size)
            assert remote.tell() == local.tell()
        assert remote.seek(-100, io.SEEK_END) == local.seek(-100, io.SEEK_END)
        assert remote.read() == local.read()
        remote.seek(0)
        assert remote.read() == data
    with pytest.raises(ValueError, match="closed"):
        remote.read(1)


def test_a_zip_is_read_without_its_bulk(wire: Wire, store: Store) -> None:
    np = pytest.importorskip("numpy")
    archive = io.BytesIO()
    np.savez(archive, small=np.arange(10), large=np.zeros(2_000_000))
    store.objects["x"] = archive.getvalue()
    with open_ranges(wire, lambda renew: store.url("x"), "x.npz", block=1 << 14) as remote:
        assert len(zipfile.ZipFile(remote).namelist()) == 2
        assert list(np.load(remote)["small"]) == list(range(10))
    moved = sum(1 for method, _, _ in store.log if method == "GET")
    assert moved < 10
    assert all(sent for _, _, sent in store.log)


def test_reading_on_takes_ever_larger_parts(wire: Wire, store: Store) -> None:
    store.objects["x"] = bytes(1 << 20)
    with open_ranges(wire, lambda renew: store.url("x"), "x", block=1 << 14) as remote:
        while remote.read(1 << 14):
            pass
    assert len(store.log) <= 8


def test_nothing_is_sent_before_it_is_read(wire: Wire, store: Store) -> None:
    with open_ranges(wire, lambda renew: store.url("x"), "x") as remote:
        assert remote.seek(100) == 100
        assert remote.readable()
        assert not remote.writable()
    assert store.log == []


def test_an_empty_one(wire: Wire, store: Store) -> None:
    store.objects["x"] = b""
    with open_ranges(wire, lambda renew: store.url("x"), "x") as remote:
        assert remote.read() == b""
        assert remote.seek(0, io.SEEK_END) == 0


def test_faults_pass_and_urls_are_renewed(wire: Wire, store: Store) -> None:
    store.objects["x"] = bytes(range(256)) * 100
    store.faults = [403, "drop", 503, ("cut", 10)]
    renewals = []

    def address(renew: bool) -> str:
        renewals.append(renew)
        return store.url("x")

    with open_ranges(wire, address, "x", retry=QUICK) as remote:
        assert remote.read() == store.objects["x"]
    assert renewals == [False, True]


def test_an_object_that_is_replaced_while_it_is_read(wire: Wire, store: Store) -> None:
    store.objects["x"] = bytes(100_000)
    with open_ranges(wire, lambda renew: store.url("x"), "x", block=4096) as remote:
        remote.read(10)
        store.objects["x"] = bytes([1]) * 100_000
        remote.seek(90_000)
        with pytest.raises(TransferError, match="replaced"):
            remote.read(10)
