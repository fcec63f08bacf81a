"""Every entry of a folder is a file to send, or a line that says why not; none blocks."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moveshelf.errors import ValidationError
from moveshelf.transfer import walk as module
from moveshelf.transfer.patterns import Patterns
from moveshelf.transfer.walk import SYSTEM, TreeEntry, walk

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has none of these")


def checked(name: str) -> str:
    if name != name.strip() or "\n" in name or "\u200b" in name:
        raise ValidationError(f"{name!r} cannot be a name")
    return name


def found(root: Path, **options: Any) -> dict[str, str]:
    """Reasons by path; nothing for a file that is sent."""
    entries = list(walk(root, checked, **options))
    assert len({entry.shown for entry in entries}) == len(entries)
    for entry in entries:
        assert entry.reason or (entry.size is not None and entry.path.is_file())
    return {entry.shown: entry.reason for entry in entries}


def files(root: Path, *paths: str) -> None:
    for path in paths:
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(path)


def test_files_in_order(tmp_path: Path) -> None:
    files(tmp_path, "b/2", "b/10", "a/x/y", "c", "b.txt")
    entries = list(walk(tmp_path, checked))
    assert [entry.shown for entry in entries] == ["a/x/y", "b/10", "b/2", "b.txt", "c"]
    assert entries[0] == TreeEntry("a/x/y", tmp_path / "a" / "x" / "y", 5)


def test_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files(tmp_path, "x")
    with pytest.raises(NotADirectoryError, match="not a folder"):
        walk(tmp_path / "x", checked)
    with pytest.raises(NotADirectoryError):
        walk(tmp_path / "nothing", checked)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert [entry.shown for entry in walk("~", checked)] == ["x"]


@posix
def test_what_is_no_file(tmp_path: Path) -> None:
    root = tmp_path / "in"
    files(root, "a/file", "b/file")
    files(tmp_path, "outside/secret")
    os.mkfifo(root / "pipe")
    (root / "device").symlink_to("/dev/null")
    (root / "dangling").symlink_to("nowhere")
    (root / "inner").symlink_to(root / "a" / "file")
    (root / "outer").symlink_to(tmp_path / "outside" / "secret")
    (root / "outer folder").symlink_to(tmp_path / "outside")
    (root / "inner folder").symlink_to(root / "a")
    (root / "b" / "up").symlink_to(root)
    (root / "round").symlink_to("round")
    assert found(root) == {
        "a/file": "",
        "b/file": "",
        "b/up": f"a link to the folder {root}: upload that folder by its own path",
        "dangling": "a link to nowhere, which does not exist",
        "device": "a link out of the folder, to /dev/null: copy the file to send it",
        "inner": "",
        "inner folder": f"a link to the folder {root / 'a'}: upload that folder by its own path",
        "outer": f"a link out of the folder, to {tmp_path / 'outside' / 'secret'}: copy the file to send it",
        "outer folder": f"a link to the folder {tmp_path / 'outside'}: upload that folder by its own path",
        "pipe": "a named pipe, not a regular file",
        "round": "it cannot be read: Too many levels of symbolic links",
    }
    followed = found(root, follow_links=True)
    assert followed["outer"] == followed["outer folder/secret"] == followed["inner folder/file"] == ""
    assert followed["b/up"] == "a link to a folder that it lies in"
    assert followed["device"] == "a device, not a regular file"
    assert followed["dangling"].startswith("a link to nowhere")


@posix
def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    files(tmp_path, "real/a/file")
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real" / "inner").symlink_to("a/file")
    assert found(tmp_path / "link") == {"a/file": "", "inner": ""}


def test_what_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files(tmp_path, "a/file", "b/file", "c")
    scandir, access = os.scandir, os.access

    def refuse(path: str) -> Any:
        if str(path).endswith("a"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).endswith("c") and access(path, mode))
    assert found(tmp_path) == {
        "a": "the folder cannot be read: Permission denied",
        "b/file": "",
        "c": "it may not be read",
    }


def test_hidden_ones_are_lines_and_those_of_systems_are_none(tmp_path: Path) -> None:
    files(
        tmp_path,
        ".DS_Store",
        "a/._x.c3d",
        "a/Thumbs.db",
        "a/desktop.ini",
        ".Trashes/x",
        "@eaDir/x",
        "a/Icon\r",
    )
    files(tmp_path, ".moveshelf-0123456789abcdef-01.part", ".moveshelf-0123456789abcdef.part.json")
    files(tmp_path, ".git/config", ".hidden.csv", "a/x.c3d")
    assert found(tmp_path) == {
        ".git": "hidden: rename it to send it",
        ".hidden.csv": "hidden: rename it to send it",
        "a/x.c3d": "",
    }
    assert not SYSTEM.fullmatch("DS_Store")
    assert not SYSTEM.fullmatch("my Thumbs.db")


@posix
def test_names_that_cannot_be(tmp_path: Path) -> None:
    files(tmp_path, "P-1/x", "P-2\n/d/x", " P-3 /x", "P-1\u200b/x", "good/bad /x", "good/x")
    with open(os.fsencode(tmp_path) + b"/m\xfcller.csv", "wb"):
        pass
    lines = found(tmp_path)
    assert lines.pop("m\\udcfcller.csv").startswith("the name 'm\\udcfcller.csv' is not valid UTF-8")
    assert {path: bool(reason) for path, reason in lines.items()} == {
        " P-3 /x": True,
        "P-1/x": False,
        "P-1\u200b/x": True,
        "P-2\n/d/x": True,
        "good/bad /x": True,
        "good/x": False,
    }
    assert lines[" P-3 /x"] == "the folder ' P-3 ': ' P-3 ' cannot be a name"
    assert "P-2" in lines["P-2\n/d/x"]


@posix
def test_both_unicode_forms_are_one_name(tmp_path: Path) -> None:
    composed, decomposed = (unicodedata.normalize(form, "Müller.csv") for form in ("NFC", "NFD"))
    files(tmp_path, f"a/{decomposed}")
    assert found(tmp_path) == {f"a/{composed}": ""}
    files(tmp_path, f"a/{composed}")
    if len(os.listdir(tmp_path / "a")) == 1:
        pytest.skip("this file system takes them for one itself")
    lines = [(entry.shown, entry.reason) for entry in walk(tmp_path, checked)]
    assert [shown for shown, _ in lines] == [f"a/{composed}"] * 2
    assert sorted(bool(reason) for _, reason in lines) == [False, True]


def test_a_file_that_vanishes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files(tmp_path, "a", "b")
    real = module._entry

    def vanish(path: str, *rest: Any) -> TreeEntry:
        if path.endswith("a"):
            os.unlink(path)
        return real(path, *rest)

    monkeypatch.setattr(module, "_entry", vanish)
    assert found(tmp_path) == {"a": "it has vanished", "b": ""}


# patterns


def test_include_and_exclude() -> None:
    patterns = Patterns(["*.c3d", "P-2/*"], exclude="*/raw/*")
    assert patterns.unmatched == ["*.c3d", "P-2/*"]
    assert patterns.fits("P-1/x.C3D")
    assert patterns.unmatched == ["P-2/*"]
    assert patterns.fits("P-2/a/b.txt")
    assert not patterns.fits("P-1/x.txt")
    assert not patterns.fits("P-1/raw/x.c3d")
    assert patterns.unmatched == []
    assert Patterns().fits("anything")
    assert Patterns(exclude=["*.enf"]).fits("x.c3d")
    assert not Patterns(exclude=["*.enf"]).fits("a/x.ENF")


@given(st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=20))
def test_a_path_as_a_pattern_means_that_path(name: str) -> None:
    assert Patterns(name).fits(f"a/{name}")
    assert Patterns(f"a/{name}").fits(f"a/{name}")
    assert not Patterns(exclude=name).fits(f"a/{name}")


def test_unicode_forms_of_patterns() -> None:
    composed, decomposed = (unicodedata.normalize(form, "Müller*") for form in ("NFC", "NFD"))
    assert Patterns(decomposed).fits("Müller.csv")
    assert Patterns(composed).fits(unicodedata.normalize("NFD", "müller.csv"))


@pytest.mark.parametrize("wrong", [3, [3], "", [""], object()])
def test_what_is_no_pattern(wrong: Any) -> None:
    if wrong == "":
        with pytest.raises(ValidationError, match="include is a pattern"):
            Patterns([wrong])
        return
    with pytest.raises(ValidationError, match="include is a pattern"):
        Patterns(wrong)
    with pytest.raises(ValidationError, match="exclude is a pattern"):
        Patterns(None, wrong)
