"""Moving bytes and removing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.shell import SESSION, TRIAL

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox


def test_download_and_again(there: Sandbox, shell: Any, tmp_path: Path) -> None:
    to = str(tmp_path / "data")
    assert shell("download", SESSION, to, "--include", "event.json", "--dry-run")[:2][0] == 0
    assert not Path(to).exists()
    code, out, _ = shell("download", SESSION, to, "--include", "event.json")
    assert code == 0
    assert "6 done" in out
    assert sorted(path.name for path in Path(to).rglob("*.json")) == ["event.json"] * 6
    entries = json.loads(shell("download", SESSION, to, "--include", "event.json", "--json")[1])
    assert [entry["status"] for entry in entries] == ["skipped"] * 6
    assert set(entries[0]) == {"path", "bytes", "seconds", "status", "error", "reason", "local"}
    plan = json.loads(shell("download", SESSION, to, "--include", "event.json", "--json", "--dry-run")[1])
    assert [step["action"] for step in plan] == ["skip"] * 6
    assert shell("download", f"{TRIAL}/gait_params.json", to)[0] == 0
    assert json.loads((Path(to) / "gait_params.json").read_text())["data"]


def test_a_failed_file_is_exit_code_1(mine: Sandbox, shell: Any, tmp_path: Path) -> None:
    name = mine.generate(subjects=1, sessions=1, clips=1, files=3, file_size=1000)
    mine.fail("GET", status=404, times=2)  # the URL is renewed once
    code, out, err = shell("download", name, str(tmp_path / "data"), "--jobs", "1")
    assert code == 1
    assert "1 failed" in out
    assert "again" in err
    assert shell("download", name, str(tmp_path / "data"))[0] == 0
    assert len(list((tmp_path / "data").rglob("*.bin"))) == 3


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for subject in ("S1", "S2"):
        folder = tmp_path / "up" / subject / "2024-05-06" / "Walk"
        folder.mkdir(parents=True)
        for trial in (1, 2):
            (folder / f"Trial-{trial}_markers.csv").write_text(f"{subject},{trial}\n")
    return tmp_path / "up"


def test_upload_and_again(mine: Sandbox, shell: Any, tree: Path) -> None:
    code, out, _ = shell("upload", str(tree), "lab/practice", "--dry-run")
    assert code == 0
    assert "creates 2 subjects, 2 sessions, 4 trials" in out
    assert shell("ls", "lab/practice", "--json")[1] == "[]\n"
    assert "4 done" in shell("upload", str(tree), "lab/practice")[1]
    assert "4 skipped" in shell("upload", str(tree), "lab/practice")[1]
    listed = json.loads(shell("ls", "lab/practice:S2/2024-05-06/Walk/Trial-2", "--json")[1])
    assert [one["name"] for one in listed] == ["Trial-2_markers.csv"]
    layout = "{subject}/{session}/{condition}/{rest}"
    assert shell("upload", str(tree), "lab/practice", "--layout", layout)[0] == 2


def test_rm_is_confirmed(mine: Sandbox, shell: Any, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    assert shell("upload", str(tree), "lab/practice")[0] == 0
    path = "lab/practice:S1/2024-05-06"
    code, out, _ = shell("rm", path, "--dry-run")
    assert code == 0
    assert out.startswith("would delete 1 session, 2 trials, 2 files\n")
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    code, _, err = shell("rm", path)
    assert code == 1
    assert "nothing was deleted" in err
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert shell("rm", path)[0] == 130
    assert shell("ls", path)[0] == 0
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    code, out, _ = shell("rm", path)
    assert (code, out.strip()) == (0, "deleted 1 session, 2 trials, 2 files")
    assert shell("ls", path)[0] == 3


@pytest.mark.parametrize(
    "level", ["S2", "S2/2024-05-06/Walk", "S2/2024-05-06/Walk/Trial-1/Trial-1_markers.csv"]
)
def test_rm_at_every_level(mine: Sandbox, shell: Any, tree: Path, level: str) -> None:
    assert shell("upload", str(tree), "lab/practice")[0] == 0
    deleted = json.loads(shell("rm", f"lab/practice:{level}", "--yes", "--json")[1])
    assert deleted[0]["name"] in level or deleted[0]["type"] == "trial"
    left = json.loads(shell("tree", "lab/practice", "--depth", "5", "--json")[1])
    assert all(one["id"] not in json.dumps(left) for one in deleted)
    assert "S1" in json.dumps(left)


@pytest.mark.parametrize(
    "words",
    [["download", "PROJECT", "data"], ["upload", "up", "lab/practice", "--layout", "{subject}/{rest}"]],
)
def test_ctrl_c_ends_it_and_the_same_command_goes_on(
    mine: Sandbox, tmp_path: Path, words: list[str], shell: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = mine.generate(subjects=1, sessions=1, clips=1, files=8, file_size=1000)
    (tmp_path / "up" / "S1" / "2024-05-06" / "Walk").mkdir(parents=True)
    for number in range(8):
        (tmp_path / "up/S1/2024-05-06/Walk" / f"Trial-1_{number}.bin").write_bytes(b"x" * 1000)
    if words[0] == "upload":
        words = words[:3]
    words = [project if word == "PROJECT" else word for word in words]
    mine.fail("blob", delay=30, times=8)
    process = subprocess.Popen(
        [sys.executable, "-m", "moveshelf", *words],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    while not mine.requests.blobs:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=25)
    assert process.returncode == 130, (out, err)
    assert "Run the same command again to go on." in err
    assert "Traceback" not in err
    mine.clear_faults()
    monkeypatch.chdir(tmp_path)
    code, out, err = shell(*words)
    assert code == 0, err
    assert "8 done" in out


@pytest.mark.parametrize("more", [[], ["--dry-run"], ["--json"]])
def test_a_pattern_that_matches_nothing(
    there: Sandbox, shell: Any, tmp_path: Path, tree: Path, more: list[str]
) -> None:
    to = str(tmp_path / "data")
    code, _, err = shell("download", SESSION, to, "--include", "*.cd3", *more)
    assert code == 1
    assert "--include '*.cd3' leaves no file" in err
    assert "a whole name" in err
    assert not Path(to).exists()
    code, _, err = shell("download", SESSION, to, "--type", "video", *more)
    assert code == 1
    assert "--type 'video' leaves no file" in err
    code, _, err = shell("upload", str(tree), "lab/practice", "--include", "*.cd3", "--dry-run", *more)
    assert code == 1
    assert "--include '*.cd3' leaves no file" in err
    assert shell("upload", str(tree), "lab/practice", "--include", "*.csv", "--dry-run")[0] == 0


def test_one_of_several_patterns_that_matches_nothing(
    there: Sandbox, shell: Any, tmp_path: Path, tree: Path
) -> None:
    to = tmp_path / "data"
    patterns = ["--include", "event.json", "--include", "*.cd3"]
    code, _, err = shell("download", SESSION, str(to), *patterns)
    assert code == 1
    assert "warning: no file fits --include '*.cd3'" in err
    assert [path.name for path in to.rglob("event.json")], "what fits has arrived"
    code, _, err = shell(
        "upload", str(tree), "lab/practice", "--dry-run", "--include", "*.csv", "--include", "x"
    )
    assert code == 1
    assert "no file fits --include 'x'" in err
    assert shell("download", SESSION, str(to), "--include", "event.json")[0] == 0


def test_a_path_with_brackets_is_a_pattern_of_itself(mine: Sandbox, shell: Any, tmp_path: Path) -> None:
    with mine.connect() as ms:
        session = ms.projects["lab/practice"].create_subject("S1").create_session("2024-01-02")
        clip = session.create_clip("Trial [1]", condition="Walk [fast]")
        for name in ("a [b].csv", "a c.csv"):
            local = tmp_path / "local.csv"
            local.write_text(name)
            clip.upload(local, name)
        path = "Walk [fast]/Trial [1]/a [b].csv"
        for number, pattern in enumerate((path, "a [b].csv", path.upper())):
            to = tmp_path / f"data-{number}"
            assert [one.path for one in session.download(to, include=pattern)] == [path]
            assert shell("download", "lab/practice:S1/2024-01-02", str(to), "--include", pattern)[0] == 0
            assert [one.name for one in to.rglob("*.csv")] == ["a [b].csv"]


def test_exclude(mine: Sandbox, shell: Any, tmp_path: Path, tree: Path) -> None:
    code, out, _ = shell("upload", str(tree), "lab/practice", "--exclude", "S1/*")
    assert code == 0
    assert "2 done" in out
    assert [one["name"] for one in json.loads(shell("ls", "lab/practice", "--json")[1])] == ["S2"]
    to = tmp_path / "data"
    assert shell("download", "lab/practice", str(to), "--include", "*.csv", "--exclude", "Trial-1*")[0] == 0
    assert [path.name for path in to.rglob("*.csv")] == ["Trial-2_markers.csv"]
    code, _, err = shell("download", "lab/practice", str(to), "--exclude", "*")
    assert code == 1
    assert "--exclude '*' leaves no file" in err


def test_a_plan_says_how_each_path_was_read(mine: Sandbox, shell: Any, tree: Path, terminal: Any) -> None:
    (tree / "notes.txt").write_text("x")
    out = shell("upload", str(tree), "lab/practice", "--dry-run")[1]
    rows = [line.split("\t") for line in out.splitlines()[1:]]
    assert rows[0] == [
        "action", "path", "size", "why", "subject", "session", "condition", "trial", "name", "type",
    ]  # fmt: skip
    first = dict(zip(rows[0], rows[1], strict=True))
    assert (first["subject"], first["session"], first["size"]) == ("S1", "2024-05-06", "5")
    left_out = next(row for row in rows if "notes.txt" in row)
    assert left_out[0] == "skip"
    assert "layout" in left_out[3]
    steps = json.loads(shell("upload", str(tree), "lab/practice", "--dry-run", "--json")[1])
    assert steps[0]["subject"] == "S1"
    assert (
        "S1 / 2024-05-06 / Walk" in terminal("upload", str(tree), "lab/practice", "--dry-run", columns=160)[1]
    )


def test_replace_different_and_a_layout(there: Sandbox, shell: Any, tmp_path: Path) -> None:
    layout = "{subject}_{trial}_{file}"
    words = ["download", f"{SESSION}/Barefoot", str(tmp_path), "--include", "event.json", "--layout", layout]
    assert shell(*words)[0] == 0
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"P-001_Trial-{number}_event.json" for number in (1, 2, 3)]
    good = (tmp_path / names[0]).read_bytes()
    (tmp_path / names[0]).write_bytes(b"changed")
    code, _, _ = shell(*words, "--existing", "replace-different")
    assert code == 0
    assert (tmp_path / names[0]).read_bytes() == good


def test_one_file_under_a_name_of_ones_own(there: Sandbox, shell: Any, tmp_path: Path) -> None:
    path, to = f"{TRIAL}/event.json", tmp_path / "walk.json"
    assert shell("download", path, str(to))[0] == 0
    good = to.read_bytes()
    assert json.loads(good)
    to.write_bytes(b"changed")
    assert shell("download", path, str(to), "--existing", "overwrite")[0] == 0
    assert to.read_bytes() == good
    code, _, err = shell("download", TRIAL, str(to))
    assert code == 2
    assert "give a folder" in err
    assert [one.name for one in tmp_path.iterdir()] == ["walk.json"]
