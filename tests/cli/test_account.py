"""Saving a key, and telling which one is used; the key itself never shows."""

from __future__ import annotations

import io
import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from moveshelf.config import REGIONS, config_folder

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox


def pipe(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """Let the command read this from its standard input, which is no terminal."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))


def saved() -> Path:
    return config_folder() / "mvshlf-api-key.json"


def test_login_saves_the_key_for_every_command(
    there: Sandbox, nowhere: Path, shell: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shell("projects")[0] == 4
    pipe(monkeypatch, there.api_key.encode() + b"\r\n")
    there.requests.clear()
    code, out, err = shell("login", "--url", there.api_url)
    assert (code, err) == (0, "")
    assert "it sees 3 projects: lab/demo, lab/practice, lab/study" in out
    assert str(saved()) in out
    assert there.api_key not in out
    assert len(there.requests) == 1
    assert json.loads(saved().read_text()) == {"secretKey": there.api_key}
    assert shell("projects")[0] == 0
    if os.name == "posix":
        assert stat.S_IMODE(saved().stat().st_mode) == 0o600
        assert stat.S_IMODE(saved().parent.stat().st_mode) == 0o700
    assert sorted(path.name for path in saved().parent.iterdir()) == [
        "mvshlf-api-key.json",
        "mvshlf-config.json",
    ]


def test_a_key_file_that_is_open_to_others_is_closed(
    there: Sandbox, nowhere: Path, shell: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = nowhere / "keys" / "lab.json"
    target.parent.mkdir()
    target.write_text('{"secretKey": "old"}')
    target.chmod(0o644)
    pipe(monkeypatch, there.api_key.encode())
    assert shell("login", "--url", there.api_url, "--path", str(target))[0] == 0
    assert json.loads(target.read_text())["secretKey"] == there.api_key
    if os.name == "posix":
        assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert not saved().exists()
    assert shell("--key-file", str(target), "projects")[0] == 0, "the URL lies beside the key"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_key_file_of_the_service_can_be_piped_in(
    there: Sandbox, nowhere: Path, shell: Any, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    pipe(monkeypatch, json.dumps({"secretKey": there.api_key}).encode(encoding))
    assert shell("login", "--url", there.api_url)[0] == 0
    assert json.loads(saved().read_text())["secretKey"] == there.api_key


def test_a_refused_key_is_not_saved(
    there: Sandbox, nowhere: Path, shell: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = "f" * 32
    pipe(monkeypatch, wrong.encode())
    code, out, err = shell("login", "--url", there.api_url)
    assert (code, out) == (4, "")
    assert wrong not in err
    assert not saved().exists()
    pipe(monkeypatch, wrong.encode())
    there.requests.clear()
    code, out, _ = shell("login", "--url", there.api_url, "--no-check")
    assert code == 0
    assert "not checked" in out
    assert not there.requests
    assert json.loads(saved().read_text())["secretKey"] == wrong


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        (b"", 2, "no key came in"),
        (b" \n", 2, "no key came in"),
        (b"{}", 2, "no secretKey"),
        (b"{broken", 2, "no secretKey"),
        (b"[1]", 4, "refused|Unauthorized|key"),
        (b"secret key with blanks", 4, "copy it again"),
        (b"\xff\xfe\xff", 2, "neither a key nor a key file"),
        (b"x" * 70_000, 2, "too long"),
    ],
)
def test_what_is_no_key(
    there: Sandbox,
    nowhere: Path,
    shell: Any,
    monkeypatch: pytest.MonkeyPatch,
    content: bytes,
    code: int,
    said: str,
) -> None:
    pipe(monkeypatch, content)
    ended, out, err = shell("login", "--url", there.api_url)
    assert (ended, out) == (code, "")
    assert any(one in err for one in said.split("|"))
    assert "secret key with" not in err
    assert not saved().exists()


def test_nothing_else_is_overwritten(
    there: Sandbox, nowhere: Path, shell: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for content in ('{"curves": []}', "text"):
        (nowhere / "data.json").write_text(content)
        there.requests.clear()
        pipe(monkeypatch, there.api_key.encode())
        code, _, err = shell("login", "--url", there.api_url, "--path", "data.json")
        assert code == 2
        assert "no key file" in err
        assert (nowhere / "data.json").read_text() == content
        assert not there.requests


def test_a_region_is_remembered(nowhere: Path, shell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from moveshelf.config import resolve

    for region in ("us", "eu"):
        pipe(monkeypatch, b"k" * 32)
        assert shell("login", "--region", region, "--no-check")[0] == 0
        assert resolve().api_url == REGIONS[region]


def test_settings_that_are_there_stay(
    there: Sandbox, nowhere: Path, shell: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = saved().parent / "mvshlf-config.json"
    settings.parent.mkdir(parents=True, mode=0o700)
    settings.write_text(json.dumps({"apiKeyFileName": "other.json", "team": "gait"}))
    pipe(monkeypatch, there.api_key.encode())
    assert shell("login", "--url", there.api_url)[0] == 0
    assert json.loads(settings.read_text()) == {
        "apiKeyFileName": "mvshlf-api-key.json",
        "team": "gait",
        "apiUrl": there.api_url,
    }
    assert shell("projects")[0] == 0
    settings.write_text("no settings")
    before = saved().read_text()
    pipe(monkeypatch, b"x" * 32)
    code, _, err = shell("login", "--url", there.api_url, "--no-check")
    assert code == 2
    assert "nothing was saved" in err
    assert saved().read_text() == before


def test_another_key_that_comes_first_is_told(
    there: Sandbox, nowhere: Path, shell: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOVESHELF_API_KEY", "another" * 5)
    pipe(monkeypatch, there.api_key.encode())
    code, _, err = shell("login", "--url", there.api_url)
    assert code == 0
    assert "the key of MOVESHELF_API_KEY" in err
    assert "anotheranother" not in err


def test_a_wrong_url_is_told_before_a_key_is_typed(
    nowhere: Path, shell: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", None)
    code, _, err = shell("login", "--url", "http://example.org/graphql")
    assert code == 4
    assert "--url" in err


def test_login_takes_no_key_file(nowhere: Path, shell: Any) -> None:
    code, _, err = shell("--key-file", "key.json", "login")
    assert code == 2
    assert "login saves one" in err


def test_a_typed_key_is_not_shown(there: Sandbox, nowhere: Path, terminal: Any) -> None:
    code, out = terminal("login", "--url", there.api_url, typed=there.api_key + "\n")
    assert code == 0, out
    assert "Key:" in out
    assert there.api_key not in out
    assert json.loads(saved().read_text())["secretKey"] == there.api_key


def test_whoami(there: Sandbox, nowhere: Path, shell: Any) -> None:
    key_file = nowhere / "key.json"
    key_file.write_text(json.dumps({"secretKey": there.api_key}))
    options = ["--key-file", str(key_file), "--url", there.api_url]
    there.requests.clear()
    code, out, err = shell("whoami", *options)
    assert (code, err) == (0, "")
    assert len(there.requests) == 1
    rows = dict(line.split("\t") for line in out.splitlines())
    assert rows["service"] == there.api_url
    assert rows["key from"] == str(key_file)
    assert rows["projects"] == "3"
    assert "  lab/demo" in rows
    assert json.loads(shell("whoami", *options, "--json")[1]) == {
        "service": there.api_url,
        "service_from": rows["service from"],
        "key_from": str(key_file),
        "projects": ["lab/demo", "lab/practice", "lab/study"],
    }
    assert there.api_key not in out + shell("whoami", *options, "--json")[1]


def test_whoami_of_a_refused_key_says_which(
    there: Sandbox, shell: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOVESHELF_API_KEY", "e" * 32)
    code, out, err = shell("whoami")
    assert code == 4
    assert "key from\tMOVESHELF_API_KEY" in out
    assert "e" * 32 not in out + err
    assert "moveshelf login" in err
