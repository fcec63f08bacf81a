"""Contents kept on the disk: what a second read sends, when what is kept does not count, for whom, and how much is kept."""

from __future__ import annotations

import os
import stat
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import moveshelf
from moveshelf import ConfigError, ValidationError
from moveshelf.config import Config, Secret
from moveshelf.operations.content_cache import ContentCache

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox

POSIX = pytest.mark.skipif(os.name == "nt", reason="permissions as POSIX has them")


def methods(sandbox: Sandbox) -> Counter[str]:
    return Counter(one.method for one in sandbox.requests if one.kind == "blob")


def config(key: str = "k" * 30, url: str = "http://127.0.0.1:9/graphql") -> Config:
    return Config(url, Secret(key), "test", "test")


def test_a_second_read_fetches_no_bodies(sandbox: Sandbox, tmp_path: Path) -> None:
    name = sandbox.generate(1, 1, 3, 2)
    folder = tmp_path / "contents"
    with sandbox.connect(cache=folder) as ms:
        first = [content for _, content in ms.projects[name].read()]
    sandbox.requests.clear()
    with sandbox.connect(cache=folder) as ms:
        project = ms.projects[name]
        assert [content for _, content in project.read()] == first
        assert methods(sandbox) == {"HEAD": 6}
        assert project.clips[0].files[0].read_bytes() == first[0]
        assert methods(sandbox) == {"HEAD": 7}
    sandbox.requests.clear()
    with sandbox.connect() as ms:
        assert [content for _, content in ms.projects[name].read()] == first
        assert methods(sandbox) == {"GET": 6}, "off unless a folder is named"


def test_a_single_read_fills_it(sandbox: Sandbox, tmp_path: Path) -> None:
    name = sandbox.generate(1, 1, 1, 1, file_size=1000)
    with sandbox.connect(cache=tmp_path / "c") as ms:
        file = ms.projects[name].clips[0].files[0]
        assert file.read_bytes() == file.read_bytes()
    assert methods(sandbox) == {"GET": 1, "HEAD": 1}


@pytest.mark.parametrize("damage", ["flipped", "shorter", "gone"])
def test_what_is_damaged_does_not_count(sandbox: Sandbox, tmp_path: Path, damage: str) -> None:
    name = sandbox.generate(1, 1, 1, 1, file_size=1000)
    with sandbox.connect(cache=tmp_path / "c") as ms:
        file = ms.projects[name].clips[0].files[0]
        content = file.read_bytes()
        (kept,) = (tmp_path / "c").iterdir()
        if damage == "flipped":
            kept.write_bytes(bytes([content[0] ^ 1]) + content[1:])
        elif damage == "shorter":
            kept.write_bytes(content[:-1])
        else:
            kept.unlink()
        sandbox.requests.clear()
        assert file.read_bytes() == content
        assert methods(sandbox)["GET"] == 1
        assert kept.read_bytes() == content, "and it is kept anew"


def test_another_file_in_the_store_is_seen(sandbox: Sandbox, tmp_path: Path) -> None:
    name = sandbox.generate(1, 1, 1, 1, file_size=1000)
    with sandbox.connect(cache=tmp_path / "c") as ms:
        file = ms.projects[name].clips[0].files[0]
        content = file.read_bytes()
        cache = ms._service.contents
        assert cache is not None
        cache.put(file.id, b"what the store had before")
        assert file.read_bytes() == content


def test_it_holds_no_more_than_its_bound(tmp_path: Path) -> None:
    cache = ContentCache(tmp_path / "c", config(), limit=10_000)
    for number in range(30):
        cache.put(f"file-{number}", bytes(1000))
        os.utime(cache._path(f"file-{number}"), (number, number))
        assert cache.get("file-0") is not None, "used each time: never the oldest"
        os.utime(cache._path("file-0"), (1000, 1000))
        assert sum(one.stat().st_size for one in cache.folder.iterdir()) <= 10_000
    assert cache.get("file-29") is not None
    assert cache.get("file-5") is None
    cache.put("large", bytes(10_001))
    assert cache.get("large") is None


def test_accounts_and_services_do_not_share(tmp_path: Path) -> None:
    cache = ContentCache(tmp_path / "c", config())
    cache.put("file", b"content")
    assert ContentCache(tmp_path / "c", config()).get("file") == b"content"
    assert ContentCache(tmp_path / "c", config(key="other" * 6)).get("file") is None
    assert ContentCache(tmp_path / "c", config(url="http://127.0.0.1:8/graphql")).get("file") is None
    (name,) = os.listdir(tmp_path / "c")
    assert "file" not in name
    assert "kkk" not in name


@POSIX
def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        cache = ContentCache(tmp_path / "new" / "c", config())
        cache.put("file", b"content")
    finally:
        os.umask(before)
    assert stat.S_IMODE(cache.folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(one.stat().st_mode) for one in cache.folder.iterdir()] == [0o600]
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o755)
    with pytest.raises(ConfigError, match="open to other users"):
        moveshelf.connect(api_key="k" * 30, api_url="http://127.0.0.1:9/graphql", cache=tmp_path / "open")


def test_a_folder_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for wrong in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigError, match="cannot be used"):
            ContentCache(wrong, config())
    with pytest.raises(ValidationError, match="not a path"):
        ContentCache("", config())


def test_a_disk_that_is_gone_is_no_error(sandbox: Sandbox, tmp_path: Path) -> None:
    name = sandbox.generate(1, 1, 1, 1, file_size=1000)
    with sandbox.connect(cache=tmp_path / "c") as ms:
        (tmp_path / "c").rmdir()
        assert len(ms.projects[name].clips[0].files[0].read_bytes()) == 1000
