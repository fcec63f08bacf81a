"""Links that somebody has planted in the folder: nothing is written through them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from little_store import QUICK, Store, crc

from moveshelf.errors import TransferError
from moveshelf.sandbox import Sandbox
from moveshelf.transfer.download import fetch
from moveshelf.transfer.partial import BLOCK, digest_of

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links need rights there")
Run = Callable[..., Any]
BIG = os.urandom(3 * BLOCK + 12345)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    path = tmp_path / "victim"
    path.write_text("precious")
    return path


def get(run: Run, store: Store, target: Path, root: Path | None = None) -> None:
    async def get_url(renew: bool) -> str:
        return store.url("x")

    run(fetch, get_url, target, key="id-x", root=root, retry=QUICK)


def planted(target: Path) -> Path:
    return target.parent / f".moveshelf-{digest_of(target)}-0123abcd.part"


def sidecar_text(store: Store) -> str:
    import hashlib

    data = store.objects["x"]
    record = {
        "key": "id-x",
        "etag": f'"{hashlib.md5(data).hexdigest()}"',
        "size": len(data),
        "crc32c": crc(data),
    }
    return json.dumps({**record, "owner": None})


@pytest.mark.parametrize("kind", ["link", "hard link", "dangling link", "pipe", "folder"])
def test_a_planted_part(run: Run, store: Store, out: Path, victim: Path, kind: str) -> None:
    store.objects["x"] = BIG
    part = planted(out / "x")
    part.with_name(part.name + ".json").write_text(sidecar_text(store))
    if kind == "link":
        part.symlink_to(victim)
    elif kind == "hard link":
        os.link(victim, part)
    elif kind == "dangling link":
        part.symlink_to(out.parent / "new")
    elif kind == "pipe":
        os.mkfifo(part)
    else:
        part.mkdir()
    get(run, store, out / "x")
    assert (out / "x").read_bytes() == BIG
    assert not (out / "x").is_symlink()
    assert victim.read_text() == "precious"
    assert not (out.parent / "new").exists()


@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe", "device"])
def test_a_planted_sidecar(run: Run, store: Store, out: Path, victim: Path, kind: str) -> None:
    store.objects["x"] = BIG
    part = planted(out / "x")
    part.write_bytes(BIG[:BLOCK])
    sidecar = part.with_name(part.name + ".json")
    if kind == "link":
        victim.write_text(sidecar_text(store))
        sidecar.symlink_to(victim)
    elif kind == "dangling link":
        sidecar.symlink_to(out.parent / "new")
    elif kind == "device":
        sidecar.symlink_to("/dev/zero")
    else:
        os.mkfifo(sidecar)
    before = victim.read_text()
    get(run, store, out / "x")
    assert (out / "x").read_bytes() == BIG
    assert victim.read_text() == before
    assert not (out.parent / "new").exists()
    assert [part for _, _, part in store.log] == [None]  # what a link says is not believed


def test_a_sidecar_of_nonsense(run: Run, store: Store, out: Path) -> None:
    store.objects["x"] = BIG
    part = planted(out / "x")
    part.write_bytes(BIG[:BLOCK])
    for text in ("", "[]", "{", '{"key": "id-x", "etag": 3}', "[" * 50_000, "x" * 100_000):
        part.with_name(part.name + ".json").write_text(text)
        get(run, store, out / "x")
        assert (out / "x").read_bytes() == BIG
        (out / "x").unlink()
        part.write_bytes(BIG[:BLOCK])


def test_a_target_that_is_a_link_is_replaced_not_followed(
    run: Run, store: Store, out: Path, victim: Path
) -> None:
    store.objects["x"] = b"new"
    (out / "x").symlink_to(victim)

    async def get_url(renew: bool) -> str:
        return store.url("x")

    run(fetch, get_url, out / "x", key="id-x", root=out, overwrite=True, retry=QUICK)
    assert (out / "x").read_bytes() == b"new"
    assert not (out / "x").is_symlink()
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a_folder_that_is_a_link(run: Run, store: Store, out: Path, tmp_path: Path, depth: int) -> None:
    store.objects["x"] = b"new"
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "b" / "c").mkdir(parents=True)
    folders = ["a", "b", "c"]
    link = out.joinpath(*folders[: depth + 1])
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(elsewhere, target_is_directory=True)
    with pytest.raises(TransferError, match=r"is a link to another folder.*Remove the link") as caught:
        get(run, store, out.joinpath(*folders, "x"), root=out)
    assert str(link) in str(caught.value)
    assert store.log == []
    assert not [path for path in elsewhere.rglob("*") if path.is_file()]


def test_a_folder_that_becomes_a_link_meanwhile(run: Run, store: Store, out: Path, tmp_path: Path) -> None:
    store.objects["x"] = BIG
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    async def swap(request: web.Request) -> None:
        if (out / "a").exists() or not out.exists():
            return
        (out / "a").symlink_to(elsewhere, target_is_directory=True)

    store.each = swap
    with pytest.raises(TransferError, match="is a link"):
        get(run, store, out / "a" / "x", root=out)
    assert os.listdir(elsewhere) == []


def test_the_folder_that_the_user_chose_may_be_a_link(
    run: Run, store: Store, out: Path, tmp_path: Path
) -> None:
    store.objects["x"] = b"new"
    (tmp_path / "chosen").symlink_to(out, target_is_directory=True)
    get(run, store, tmp_path / "chosen" / "a" / "x", root=tmp_path / "chosen")
    assert (out / "a" / "x").read_bytes() == b"new"


def test_a_tree_does_not_leave_its_folder(sandbox: Sandbox, tmp_path: Path) -> None:
    name = sandbox.generate(subjects=2, sessions=1, clips=1, files=1)
    with sandbox.connect() as ms:
        project = ms.projects[name]
        first, second = project.subjects.names()
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / first).symlink_to(elsewhere, target_is_directory=True)
        result: Any = project.download(tmp_path / "out", progress=False)
        assert [entry.path.split("/")[0] for entry in result.failed] == [first]
        assert [entry.path.split("/")[0] for entry in result.done] == [second]
        assert "is a link" in str(result.failed[0].error)
    assert os.listdir(elsewhere) == []
