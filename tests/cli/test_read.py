"""Looking: what is listed, drawn and told, and what it costs."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.shell import SESSION, TRIAL

from moveshelf.errors import TransferError
from moveshelf.operations import paths

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox


def test_projects(there: Sandbox, shell: Any) -> None:
    assert shell("projects") == (0, "project\nlab/demo\nlab/practice\nlab/study\n", "")


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
    assert lines[0].split("\t") == heading
    assert len(lines) == rows + 1
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
    assert len(there.requests) <= 8


def test_info(there: Sandbox, shell: Any) -> None:
    code, out, _ = shell("info", "lab/demo:P-001")
    assert code == 0
    assert re.search(r"^  subject-leg-length\tleft 651, right 650$", out, re.MULTILINE)
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


def test_sizes(there: Sandbox, shell: Any) -> None:
    code, out, _ = shell("ls", TRIAL, "--size")
    rows = [line.split("\t") for line in out.splitlines()]
    assert code == 0
    assert rows[0] == ["file", "type", "status", "size"]
    listed = json.loads(shell("ls", TRIAL, "--size", "--json")[1])
    with there.connect() as ms:
        clip = paths.lookup(ms.projects, TRIAL)
        sizes = {file.name: len(file.read_bytes()) for file in clip.files}
    assert {row[0]: int(row[3]) for row in rows[1:]} == sizes == {one["name"]: one["size"] for one in listed}
    assert "size" not in shell("ls", TRIAL, "--json")[1]
    code, _, err = shell("ls", SESSION, "--size")
    assert code == 2
    assert "only files have a size" in err


def test_the_size_of_a_file_that_is_not_complete_is_unknown(mine: Sandbox, shell: Any) -> None:
    with mine.connect() as ms:
        session = ms.projects["lab/practice"].create_subject("P").create_session("2024-01-01")
        clip = session.create_clip("T", "B")
        clip.upload(io.BytesIO(b"12345"), name="whole.bin", progress=False)
        mine.fail("PUT", status=400, rate=1.0)
        with pytest.raises(TransferError):
            clip.upload(io.BytesIO(b"1"), name="late.bin", progress=False)
        mine.clear_faults()
    listed = json.loads(shell("ls", "lab/practice:P/2024-01-01/B/T", "--size", "--json")[1])
    assert {one["name"]: one["size"] for one in listed} == {"whole.bin": 5, "late.bin": None}


def test_a_name_with_a_slash_is_opened_as_it_is_listed(mine: Sandbox, shell: Any) -> None:
    with mine.connect() as ms:
        project = ms.projects["lab/practice"]
        session = project.create_subject("P").create_session("2024-01-01")
        clips = [
            {"clientId": "x", "metadata": {"title": "T-1", "projectPath": "/P/2024-01-01/Barefoot/left/"}}
        ]
        ms.execute(
            "mutation C($i: ClipCreationInput!) { createClips(input: $i) { response { clientId } } }",
            {"i": {"project": project.id, "clips": clips}},
        )
        session.create_clip("alone")
    path = "lab/practice:P/2024-01-01"
    assert [line.split("\t")[0] for line in shell("ls", path)[1].splitlines()] == [
        "condition",
        "Barefoot/left",
        "trial",
        "alone",
    ]
    for way in ("Barefoot/left/T-1", "Barefoot%2Fleft/T-1", r"Barefoot\/left/T-1", "/T-1"):
        assert json.loads(shell("info", f"{path}/{way}", "--json")[1])["name"] == "T-1"
    assert shell("ls", f"{path}/Barefoot/left")[1].splitlines()[1].startswith("T-1\t")
    for way in ("alone", "/alone"):
        assert json.loads(shell("info", f"{path}/{way}", "--json")[1])["name"] == "alone"
    code, _, err = shell("ls", f"{path}/Barefoot/right")
    assert code == 3
    assert "no condition 'Barefoot'" in err


@pytest.mark.parametrize("command", ["projects", "ls", "tree", "info", "whoami"])
def test_options_of_the_connection_stand_anywhere(
    there: Sandbox, shell: Any, nowhere: Path, command: str
) -> None:
    (nowhere / "key.json").write_text(json.dumps({"secretKey": there.api_key}))
    path = [] if command in ("projects", "whoami") else ["lab/demo"]
    options = ["--key-file", "key.json", "--url", there.api_url]
    before = shell(*options, command, *path)
    assert before[0] == 0
    assert shell(command, *path, *options) == before
    assert shell(*options[:2], command, *options[2:], *path) == before
    code, _, err = shell(command, *path, "--region", "mars")
    assert code == 2
    assert "'eu', 'us'" in err


def test_the_option_behind_the_command_counts(there: Sandbox, shell: Any) -> None:
    assert shell("--url", "https://nowhere.invalid/graphql", "projects", "--url", there.api_url)[0] == 0


# on a terminal


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_a_terminal_gets_a_drawn_table_with_colours(there: Sandbox, terminal: Any) -> None:
    code, out = terminal("ls", f"{SESSION}/Barefoot")
    assert code == 0
    assert "\x1b[32mComplete" in out
    lines = plain(out).splitlines()
    assert re.fullmatch(r"trial +condition +created \(UTC\) +status *", lines[0])
    assert set(lines[1].strip()) == {"─"}
    assert [line.split()[0] for line in lines[2:]] == ["Trial-1", "Trial-2", "Trial-3"]


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colours(there: Sandbox, terminal: Any, environment: dict[str, str]) -> None:
    for words in (["ls", f"{SESSION}/Barefoot"], ["tree", "lab/demo:P-001"], ["info", TRIAL]):
        code, out = terminal(*words, **environment)
        assert code == 0
        assert "\x1b" not in out
        assert "Trial-1" in out


@pytest.mark.parametrize("words", [["ls", TRIAL, "--size"], ["ls", f"{SESSION}/Barefoot"], ["info", TRIAL]])
def test_a_narrow_terminal_loses_nothing(there: Sandbox, terminal: Any, shell: Any, words: list[str]) -> None:
    code, out = terminal(*words, columns=40)
    lines = plain(out).splitlines()
    assert code == 0
    assert max(map(len, lines)) <= 40
    assert "…" not in out
    whole = "".join("".join(lines).split())
    for line in shell(*words)[1].splitlines()[1:]:
        for cell in line.split("\t")[:3]:
            assert "".join(cell.split()) in whole or cell.isdigit(), cell
    if words[0] == "ls":
        names = [line.split("\t")[0] for line in shell(*words)[1].splitlines()[1:]]
        assert all(any(line.strip() == name for line in lines) for name in names), "names are not torn"


def test_a_pipe_gets_whole_lines_whatever_the_width(there: Sandbox, shell: Any, monkeypatch: Any) -> None:
    before = [shell(*words) for words in (["ls", "lab/demo"], ["tree", "lab/demo"], ["info", TRIAL])]
    monkeypatch.setenv("COLUMNS", "12")
    assert [shell(*words) for words in (["ls", "lab/demo"], ["tree", "lab/demo"], ["info", TRIAL])] == before


def test_a_pipe_needs_no_rich(there: Sandbox) -> None:
    code = (
        "import sys; from moveshelf.cli.run import run; run(['ls', 'lab/demo'])\n"
        "print(sorted(name for name in sys.modules if name.startswith('rich')), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == "[]\n"
    assert "P-012" in done.stdout


EVIL = "P\x1b]0;owned\x07\x1b[2J\x9b31m\u202e[red]:smile:"


def test_names_cannot_steer_the_terminal(mine: Sandbox, terminal: Any, shell: Any) -> None:
    with mine.connect() as ms:
        project = ms.projects["lab/practice"]
        ms.execute(
            "mutation C($i: String!, $n: String!) { createPatient(projectId: $i, name: $n) { patient { id } } }",
            {"i": project.id, "n": EVIL},
        )
    for words in (["ls", "lab/practice"], ["tree", "lab/practice"]):
        for out in (terminal(*words)[1], terminal(*words, NO_COLOR="1")[1], shell(*words)[1]):
            left = plain(out)
            assert "[red]:smile:" in left, "no markup, no emoji"
            assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", left)
    code, out, err = shell("ls", "lab/practice:P")
    assert code == 3
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", err)
    listed = shell("ls", "lab/practice", "--json")[1]
    assert json.loads(listed)[0]["name"] == EVIL
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", listed)


def test_ls_of_a_trial_lists_its_own_file(
    sandbox: Sandbox, shell: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOVESHELF_API_KEY", sandbox.api_key)
    monkeypatch.setenv("MOVESHELF_API_URL", sandbox.api_url)
    with sandbox.connect() as ms:
        project = ms.projects["lab/practice"]
        session = project.create_subject("P-1").create_session("2024-01-02")
        file = io.BytesIO(b"own")
        file.name = "walk.mp4"
        project.upload_clip(file, title="Walk", folder=f"{session.path}Barefoot/", progress=False)
    code, out, _ = shell("ls", "lab/practice:P-1/2024-01-02/Barefoot/Walk", "--size")
    assert code == 0
    assert out.splitlines() == ["file\ttype\tstatus\tsize", "walk.mp4\tvideo\tComplete\t3"]
