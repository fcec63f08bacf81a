"""The shell: what it prints, how it ends, and what it leaves to do."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date, datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moveshelf.cli import place, text
from moveshelf.cli.completion import open_quote
from moveshelf.cli.run import code_of, run
from moveshelf.errors import ValidationError

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox

ROOT = Path(__file__).resolve().parents[1]
SESSION = "lab/demo:P-001/2023-01-20 pre-op"
TRIAL = f"{SESSION}/Barefoot/Trial-1"


def connect_to(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    monkeypatch.setenv("MOVESHELF_API_KEY", sandbox.api_key)
    monkeypatch.setenv("MOVESHELF_API_URL", sandbox.api_url)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return sandbox


@pytest.fixture
def there(demo: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """The demo, to read."""
    return connect_to(demo, monkeypatch)


@pytest.fixture
def mine(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A sandbox of one's own, to write."""
    return connect_to(sandbox, monkeypatch)


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Any:
    """A command line carried out: its exit code, what it printed, what it complained of."""

    def carry_out(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run(list(words))
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return carry_out


def python(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    options = {"encoding": "utf-8", "capture_output": True, **options}
    return subprocess.run([sys.executable, *words], check=False, **options)


# --- looking


def test_projects(there: Sandbox, shell: Any) -> None:
    assert shell("projects") == (0, "project\n────────────\nlab/demo\nlab/practice\nlab/study\n", "")


@pytest.mark.parametrize(
    ("path", "heading", "rows", "one"),
    [
        ("lab/demo", ["subject", "EHR id", "updated (UTC)"], 12, "P-003"),
        ("lab/demo:P-001", ["session", "date"], 3, "2023-07-22 post-op"),
        (SESSION, ["condition", "trials"], 2, "Braced"),
        (f"{SESSION}/Barefoot", ["trial", "condition", "created (UTC)", "status"], 3, "Trial-2"),
        (TRIAL, ["file", "type", "status"], 4, "event.json"),
        (f"{TRIAL}/event.json", ["file", "type", "status"], 1, "event.json"),
    ],
)
def test_ls(there: Sandbox, shell: Any, path: str, heading: list[str], rows: int, one: str) -> None:
    code, out, _ = shell("ls", path)
    lines = out.splitlines()
    assert code == 0
    assert [part.strip() for part in lines[0].split("  ") if part.strip()] == heading
    assert len(lines) == rows + 2
    assert any(line.startswith(one) for line in lines)
    listed = json.loads(shell("ls", path, "--json")[1])
    assert len(listed) == rows
    assert one in [record["name"] for record in listed]


def test_ls_without_a_path_lists_the_projects(there: Sandbox, shell: Any) -> None:
    assert shell("ls") == shell("projects")


def test_ls_takes_web_addresses_and_ids(there: Sandbox, shell: Any) -> None:
    facts = json.loads(shell("info", SESSION, "--json")[1])
    assert shell("ls", facts["url"]) == shell("ls", SESSION)
    assert shell("ls", f"lab/demo:P-001/{facts['id']}") == shell("ls", SESSION)


def test_ls_of_an_overview_lists_its_sessions(there: Sandbox, shell: Any) -> None:
    page = json.loads(shell("info", "lab/demo", "--json")[1])["url"]
    listed = json.loads(shell("ls", f"{page}/sessions?startDate=2024-04-01&endDate=2024-12-31", "--json")[1])
    assert {one["date"][:4] for one in listed} == {"2024"}
    assert {one["type"] for one in listed} == {"session"}


def test_tree(there: Sandbox, shell: Any) -> None:
    code, out, _ = shell("tree", "lab/demo:P-001")
    assert code == 0
    assert out.splitlines()[:5] == [
        "P-001",
        "├── 2023-01-20 pre-op",
        "│   ├── Barefoot",
        "│   │   ├── Trial-1 (4 files)",
        "│   │   ├── Trial-2 (4 files)",
    ]
    assert out.count("Trial-") == 18
    assert shell("tree", "lab/demo", "--depth", "1")[1].splitlines()[1] == "├── P-001 (3 sessions)"
    nested = json.loads(shell("tree", SESSION, "--depth", "2", "--json")[1])
    assert [len(condition["below"]) for condition in nested["below"]] == [3, 3]


def test_a_tree_costs_a_handful_of_requests(there: Sandbox, shell: Any) -> None:
    there.requests.clear()
    assert shell("tree", "lab/demo", "--depth", "5")[1].count("event.json") == 198
    assert len(there.requests) <= 7


def test_info(there: Sandbox, shell: Any) -> None:
    code, out, _ = shell("info", "lab/demo:P-001")
    assert code == 0
    assert re.search(r"^  subject-leg-length +left 651, right 650$", out, re.MULTILINE)
    assert "procedure Lengthening, location Hamstrings" in out
    facts = json.loads(shell("info", TRIAL, "--json")[1])
    assert (facts["type"], facts["name"], facts["condition"], facts["files"]) == (
        "trial",
        "Trial-1",
        "Barefoot",
        4,
    )
    for path in ("lab/demo", SESSION, f"{SESSION}/Barefoot", f"{TRIAL}/event.json"):
        assert shell("info", path)[0] == 0


# --- how it ends


def test_a_name_that_several_share(there: Sandbox, shell: Any) -> None:
    with there.connect() as ms:
        subject = ms.projects["lab/practice"].create_subject("Twins")
        session = subject.create_session("2024-01-02")
        ids = [session.create_clip("Same", condition=condition).id for condition in ("One", "Other")]
        code, out, err = shell("ls", "lab/practice:Twins/2024-01-02//Same")
        subject.delete()
    assert (code, out) == (3, "")
    assert all(one in err for one in ids)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["ls", "lab/demo:P-01"], 3, "no subject 'P-01' in lab/demo; did you mean"),
        (["ls", "nowhere"], 3, "no project 'nowhere'"),
        (["ls", "lab/demo:a/b/c/d/e/f"], 2, "is no path"),
        (["ls", "https://example.org/else"], 2, "is no page of"),
        (["lss"], 2, "did you mean 'ls'?"),
        (["tree", "lab/demo", "--depth", "0"], 2, "--depth"),
        (["--url", "http://example.org/graphql", "ls"], 4, "the key would travel in the clear"),
        (["--key-file", "missing.json", "ls"], 4, "missing.json"),
        (["download", f"{TRIAL}/event.json", "x", "--include", "*"], 2, "nothing to choose from"),
        (["upload", "missing", "lab/demo"], 2, "does not exist"),
        (["upload", ".", "lab/demo:P-001"], 2, "give the project"),
        (["rm", "lab/demo"], 2, "nothing above is deleted"),
    ],
)
def test_exit_codes(there: Sandbox, shell: Any, words: list[str], code: int, said: str) -> None:
    ended, out, err = shell(*words)
    assert (ended, out) == (code, "")
    assert said in err
    assert "Traceback" not in err


def test_a_refused_key(there: Sandbox, shell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOVESHELF_API_KEY", "0" * 32)
    code, _, err = shell("projects")
    assert code == 4
    assert "0" * 32 not in err


def test_no_service(there: Sandbox, shell: Any, monkeypatch: pytest.MonkeyPatch, mine: Sandbox) -> None:
    mine.fail(status=400, times=50)
    code, _, err = shell("projects")
    assert code == 5
    assert "400" in err


def test_no_key(shell: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("MOVESHELF_API_KEY", "MOVESHELF_API_KEY_FILE", "MOVESHELF_API_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    code, _, err = shell("projects")
    assert code == 4
    assert "mvshlf-api-key.json" in err


def test_other_failures_are_failures() -> None:
    import moveshelf

    assert code_of(moveshelf.ConflictError("changed")) == 1
    assert code_of(moveshelf.OutcomeUnknownError("who knows")) == 5
    assert code_of(moveshelf.DeletedError("gone")) == 3


def test_help_is_quick_because_it_imports_little() -> None:
    code = (
        "import sys; from moveshelf.cli.run import run; run(['--help'])\n"
        "heavy = {'aiohttp', 'gql', 'graphql', 'attrs', 'tqdm', 'moveshelf.client', 'moveshelf.models', 'asyncio'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = python("-c", code, cwd=ROOT)
    assert done.stderr == "[]\n"
    for word in (
        "demo",
        "download",
        "info",
        "ls",
        "projects",
        "rm",
        "sandbox",
        "tree",
        "upload",
        "Exit codes",
    ):
        assert word in done.stdout


def test_nothing_said_is_a_question(shell: Any) -> None:
    assert shell() == shell("--help")
    assert shell()[0] == 0


def test_a_reader_who_has_seen_enough(there: Sandbox) -> None:
    command = f'"{sys.executable}" -m moveshelf tree lab/demo --depth 5 | head -n 1'
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.stdout == "lab/demo\n"
    assert done.stderr == ""


# --- demo and sandbox


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_demo_in_any_terminal(encoding: str, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    for name in ("MOVESHELF_API_KEY", "MOVESHELF_API_URL"):
        environment.pop(name, None)
    command = ["-m", "moveshelf", "demo", "--latency", "0"]
    done = python(*command, cwd=tmp_path, env=environment, encoding=encoding)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    out = done.stdout
    assert "lab/demo  12 subjects, 30 sessions, 66 conditions, 198 trials, 792 files" in out
    assert "2024-02-23 follow-up  2024-02-23  Gait  122" in out
    assert "Left knee flexion" in out
    assert "1,033 objects seen" in out
    assert "6 requests sent" in out
    assert "242 requests" in out
    assert "moveshelf.connect(" in out
    assert "\x1b" not in out
    assert ("⣀" in out) == (encoding == "utf-8")
    assert ("├── P-002" if encoding == "utf-8" else "|-- P-002") in out


def test_what_the_demo_says_to_type_works(tmp_path: Path) -> None:
    from moveshelf.cli.demo import _NEXT

    lines = _NEXT.split("Next, on your own data")[0].splitlines()[1:]
    code = "\n".join(line.removeprefix("    ") for line in lines)
    done = python("-c", code, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith("P-001 ['2023-01-20 pre-op'")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    folder = tmp_path / "practice"
    process = subprocess.Popen(
        [sys.executable, "-m", "moveshelf", "sandbox", "--demo", "--path", str(folder), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    yield process, folder
    process.kill()
    process.communicate()


def test_sandbox_serves_whoever_stands_in_its_folder(
    served: tuple[subprocess.Popen[str], Path], shell: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    process, folder = served
    assert process.stdout is not None
    facts = json.loads(process.stdout.readline())
    for name in ("MOVESHELF_API_KEY", "MOVESHELF_API_KEY_FILE", "MOVESHELF_API_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(folder)
    assert shell("projects")[1].split() == [
        "project",
        "────────────",
        "lab/demo",
        "lab/practice",
        "lab/study",
    ]
    assert facts["key_file"] == str(folder / "mvshlf-api-key.json")
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0


# --- moving bytes


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
    assert set(entries[0]) == {"path", "bytes", "seconds", "status", "error", "reason"}
    plan = json.loads(shell("download", SESSION, to, "--include", "event.json", "--json", "--dry-run")[1])
    assert [step["action"] for step in plan] == ["skip"] * 6
    assert shell("download", f"{TRIAL}/gait_params.json", to)[0] == 0
    assert json.loads((Path(to) / "gait_params.json").read_text())["data"]


def test_a_failed_file_is_exit_code_1(mine: Sandbox, shell: Any, tmp_path: Path) -> None:
    name = mine.generate(subjects=1, sessions=1, clips=1, files=3, file_size=1000)
    mine.fail("GET", status=404, times=2)  # the address is renewed once
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


def test_rm_asks(mine: Sandbox, shell: Any, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


@pytest.mark.parametrize("level", ["S2", "S2/2024-05-06/Walk", "S2/2024-05-06/Walk/Trial-1/Trial-1_markers.csv"])
def test_rm_at_every_level(mine: Sandbox, shell: Any, tree: Path, level: str) -> None:
    assert shell("upload", str(tree), "lab/practice")[0] == 0
    gone = json.loads(shell("rm", f"lab/practice:{level}", "--yes", "--json")[1])
    assert gone[0]["name"] in level or gone[0]["type"] == "trial"
    left = json.loads(shell("tree", "lab/practice", "--depth", "5", "--json")[1])
    assert all(one["id"] not in json.dumps(left) for one in gone)
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


# --- Tab

BASH = shutil.which("bash")


def tab(folder: Path, line: str) -> list[str]:
    """What bash would offer for a command line that ends at the cursor."""
    assert BASH is not None
    script = folder / "complete.sh"
    if not script.exists():
        (folder / "moveshelf").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m moveshelf "$@"\n')
        (folder / "moveshelf").chmod(0o755)
        done = python("-m", "moveshelf", env={**os.environ, "_MOVESHELF_COMPLETE": "bash_source"})
        script.write_text(done.stdout)
    asking = 'source "$0"; COMP_LINE="$1"; COMP_POINT=${#1}; _moveshelf_completion moveshelf; printf "%s\\n" "${COMPREPLY[@]}"'
    environment = {**os.environ, "PATH": os.pathsep.join([str(folder), os.environ["PATH"]])}
    done = subprocess.run(
        [BASH, "--norc", "-c", asking, str(script), line],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    return [one for one in done.stdout.split("\n") if one]


@pytest.mark.skipif(BASH is None, reason="bash completion needs bash")
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("moveshelf tr", ["tree "]),
        ("moveshelf ls --js", ["--json "]),
        ("moveshelf ls ", ["lab/demo:", "lab/practice:", "lab/study:"]),
        ("moveshelf ls lab/demo:P-01", ["P-010/", "P-011/", "P-012/"]),
        ("moveshelf ls lab/demo:P-002/2023-08", ["P-002/2023-08-12/"]),
        ("moveshelf ls lab/demo:P-001/2023-01-20\\ ", ["P-001/2023-01-20\\ pre-op/"]),
        ('moveshelf ls "' + SESSION + "/Bare", [SESSION + "/Barefoot/"]),
        ("moveshelf info '" + TRIAL + "/ev", [TRIAL + "/event.json' "]),
        ("moveshelf ls nowhere:", []),
        ("moveshelf ls https://", []),
    ],
)
def test_tab(there: Sandbox, tmp_path: Path, line: str, offered: list[str]) -> None:
    assert tab(tmp_path, line) == offered


@pytest.mark.parametrize(
    ("line", "mark"),
    [
        ("a b", ""),
        ("a 'b c", "'"),
        ('a "b', '"'),
        ("a 'b' c", ""),
        ("a \\'b", ""),
        ('a "b\\"', '"'),
        ("'\\' x", ""),
    ],
)
def test_open_quote(line: str, mark: str) -> None:
    assert open_quote(line) == mark


# --- paths and text

_NAME = st.text(st.characters(exclude_characters="/", exclude_categories=("Cs", "Cc")), min_size=1).filter(
    str.strip
)


@given(
    st.lists(_NAME.filter(lambda name: ":" not in name), min_size=1, max_size=3),
    st.lists(_NAME, max_size=5),
)
def test_a_path_is_its_names(project: list[str], below: list[str]) -> None:
    names = ["/".join(project), *below]
    assert place.parse(place.join(names)) == names


@given(st.text())
def test_a_path_is_names_or_an_error(path: str) -> None:
    try:
        names = place.parse(path)
    except ValidationError:
        return
    assert 1 <= len(names) <= 6
    assert all(name.strip() or number == 3 for number, name in enumerate(names))


@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), max_size=60))
def test_a_plot_of_anything(values: list[float | None]) -> None:
    lines = text.plot(list(enumerate(values)))
    assert len(lines) <= 20
    assert all(text.width(line) <= 80 for line in lines)


def test_a_plot_says_where_it_is() -> None:
    lines = text.plot([(0, 0.0), (50, 60.0), (100, 0.0)])
    ticks = [line.split()[0] for line in lines if "┤" in line]
    assert ticks == ["60", "50", "40", "30", "20", "10", "0"]
    assert lines[-1].split() == ["0", "25", "50", "75", "100"]
    peak = lines[0].split("┤")[1]
    assert len(peak.strip()) < 6, "the peak is narrow"
    assert 25 < len(peak) - len(peak.strip()) < 35, "and in the middle of sixty columns"


def test_values_in_one_line() -> None:
    assert text.shown(None) == ""
    assert text.shown(True) == "yes"
    assert text.shown(date(2024, 5, 6)) == "2024-05-06"
    assert text.shown(datetime(2024, 5, 6, 7, 8, tzinfo=timezone.utc)) == "2024-05-06 07:08"
    assert text.shown({"left": "1", "right": ["2", "3"]}) == "left 1, right 2, 3"
    assert text.shown("a\x1b[31m\nb") == "a [31m b", "names cannot steer the terminal"


def test_tables_align_wide_letters() -> None:
    lines = text.table(["name", "count"], [["京都", 5], ["a", 12]]).splitlines()
    assert {text.width(line) for line in lines} == {len("name  count")}
    assert lines[2].endswith("    5")
