"""Paths as users write them, and as Windows takes them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moveshelf.errors import TransferError, ValidationError
from moveshelf.transfer.paths import LONGEST_ON_WINDOWS, is_link, local_path, long_path, refuse_links


def test_home_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert local_path("~") == tmp_path
    assert local_path("~/data") == tmp_path / "data"
    assert local_path(Path("~/data")) == tmp_path / "data"
    assert local_path(b"~/data") == tmp_path / "data"
    assert local_path("data/~") == Path("data/~")
    assert local_path(tmp_path) == tmp_path


def test_a_file_that_begins_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValidationError, match=r"no user 'nobody-of-that-name'.*\./~nobody"):
        local_path("~nobody-of-that-name/x")
    (tmp_path / "~nobody-of-that-name").write_text("x")
    assert local_path("~nobody-of-that-name") == Path("~nobody-of-that-name")


@pytest.mark.parametrize("wrong", ["", "a\0b", 3, None, ["x"]])
def test_what_is_no_path(wrong: Any) -> None:
    with pytest.raises(ValidationError, match="not a path"):
        local_path(wrong)


DEEP = "\\".join(["a" * 50] * 6)


@pytest.mark.parametrize(
    ("path", "long"),
    [
        ("C:\\data\\x", "C:\\data\\x"),
        (f"C:\\{DEEP}", f"\\\\?\\C:\\{DEEP}"),
        (f"C:/{DEEP}/../x".replace("\\", "/"), f"\\\\?\\C:\\{DEEP.rsplit(chr(92), 1)[0]}\\x"),
        (f"\\\\server\\share\\{DEEP}", f"\\\\?\\UNC\\server\\share\\{DEEP}"),
        (f"\\\\?\\C:\\{DEEP}", f"\\\\?\\C:\\{DEEP}"),
        (f"relative\\{DEEP}", f"relative\\{DEEP}"),
    ],
)
def test_long_paths_of_windows(path: str, long: str) -> None:
    assert long_path(path, windows=True) == long
    assert long_path(path, windows=False) == path


@given(st.lists(st.text("abcé .-", min_size=1, max_size=60), min_size=1, max_size=12))
def test_a_long_form_is_its_own(names: list[str]) -> None:
    path = "C:\\" + "\\".join(names)
    once = long_path(path, windows=True)
    assert long_path(once, windows=True) == once
    assert (once == path) == (not once.startswith("\\\\?\\"))
    if len(path) < LONGEST_ON_WINDOWS:
        assert once == path


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_links_below_the_chosen_folder(tmp_path: Path) -> None:
    (tmp_path / "real" / "a").mkdir(parents=True)
    (tmp_path / "chosen").symlink_to(tmp_path / "real")
    assert is_link(str(tmp_path / "chosen"))
    assert not is_link(str(tmp_path / "real"))
    assert not is_link(str(tmp_path / "nothing"))
    refuse_links(tmp_path / "chosen", tmp_path / "chosen")
    refuse_links(tmp_path / "chosen", tmp_path / "chosen" / "a" / "not there yet")
    with pytest.raises(TransferError, match="chosen is a link"):
        refuse_links(tmp_path, tmp_path / "chosen" / "a")
    with pytest.raises(TransferError, match="not below"):
        refuse_links(tmp_path / "real", tmp_path)
    with pytest.raises(TransferError):
        refuse_links(tmp_path / "real", tmp_path / "real" / ".." / "x")
