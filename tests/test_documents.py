"""The documents for maintainers: every file and function that they name is there, and each walk is what the code does.

`python tests/test_documents.py` carries the four walks of ARCHITECTURE.md out, in a process of its own so that also the I/O
thread is traced from its start, and prints which functions were entered.
"""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from test_house import FLOORS, MODULES

ROOT = Path(__file__).resolve().parents[1]
NAMES = ("ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "PROTOCOL.md")
TEXTS = {name: (ROOT / name).read_text(encoding="utf-8") for name in NAMES}
ARCHITECTURE, CONTRIBUTING = TEXTS["ARCHITECTURE.md"], TEXTS["CONTRIBUTING.md"]
HOOKS = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
_CODE = re.compile(r"`([^`\n]+)`")
#: what is in the repository, by the first part of its path
_TOP = r"(?:moveshelf|moveshelf_api|tests|examples|\.ci)/[\w./-]*|[\w.-]+\.(?:md|cfg|toml|yaml)"
_PATH = re.compile(rf"(?<![\w/:.-])(?:{_TOP})")
_TEST = re.compile(r"(tests/[\w/]+\.py)::(\w+)")
_FUNCTION = re.compile(r"[A-Za-z_]\w*(?:\.\w+)*\(\)")
_CONSTANT = re.compile(r"_?[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*")
_NUMBER = re.compile(r"`(_?[A-Z][A-Z0-9_]+)` = (\d+)")

#: A file below the root and the qualified name of a function or class in it.
Place = tuple[str, str]


class Block(NamedTuple):
    """A paragraph, a list item or a row of a table, and the number of its first line."""

    line: int
    text: str

    @property
    def files(self) -> list[str]:
        """The Python files that it names."""
        found = [one for code in _CODE.findall(self.text) for one in _PATH.findall(code)]
        return list(dict.fromkeys(one for one in found if one.endswith(".py")))

    @property
    def functions(self) -> list[str]:
        """The functions and classes that it names."""
        return [code[:-2] for code in _CODE.findall(self.text) if _FUNCTION.fullmatch(code)]


def blocks(text: str) -> Iterator[Block]:
    """The text in blocks, without what is fenced."""
    text = _FENCE.sub(lambda match: re.sub(r"[^\n]", "", match[0]), text)
    lines: list[str] = []
    start = 1
    for number, line in enumerate([*text.split("\n"), ""], 1):
        begins = not line.strip() or re.match(r"\s*(?:[-*]|\d+\.) |\||#", line)
        if begins and lines:
            yield Block(start, "\n".join(lines))
            lines = []
        if line.strip():
            if not lines:
                start = number
            lines.append(line)


@cache
def definitions(file: str) -> dict[str, range]:
    """The qualified names of a file's functions and classes, each with the lines of its head."""
    found: dict[str, range] = {}

    def visit(node: ast.AST, above: str) -> None:
        for child in ast.iter_child_nodes(node):
            inside = above
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                name = f"{above}{child.name}"
                # the last of several of one name: those before it are overloads, or another platform's
                first = min([child.lineno, *(one.lineno for one in child.decorator_list)])
                found[name] = range(first, child.body[0].lineno + 1)
                inside = f"{name}."
            visit(child, inside)

    visit(ast.parse((ROOT / file).read_text(encoding="utf-8")), "")
    return found


@cache
def constants(file: str) -> dict[str, Any]:
    """The values that are given to upper-case names at the top of a file; None where they are no literals."""
    found: dict[str, Any] = {}
    for node in ast.parse((ROOT / file).read_text(encoding="utf-8")).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            if isinstance(target, ast.Name) and _CONSTANT.fullmatch(target.id):
                try:
                    found[target.id] = ast.literal_eval(node.value)  # type: ignore[attr-defined]
                except ValueError:
                    found[target.id] = None
    return found


def places(block: Block, function: str) -> list[Place]:
    """Where a function of a block is: in one of the block's files."""
    return [(file, function) for file in block.files if function in definitions(file)]


# what is named is there ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", [*NAMES, ".pre-commit-config.yaml"])
def test_every_path_leads_somewhere(name: str) -> None:
    text = HOOKS if name.startswith(".") else TEXTS[name]
    named = _PATH.findall(text) if name.startswith(".") else [
        one for code in [*_CODE.findall(_FENCE.sub("", text)), *(body for _, body in _FENCE.findall(text))]
        for one in _PATH.findall(code)
    ]  # fmt: skip
    missing = sorted({one for one in named if not (ROOT / one.rstrip(".")).exists()})
    assert not missing
    links = re.findall(r"\]\(([^)#\s]+)", text)
    assert [one for one in links if not one.startswith("https://") and not (ROOT / one).exists()] == []


def test_paths_are_seen() -> None:
    """The documents name many paths, and one that is not there is noticed."""
    assert len(set(_PATH.findall(ARCHITECTURE))) > 60
    assert len(set(_PATH.findall(CONTRIBUTING))) > 15
    assert _PATH.findall("`moveshelf/lazy/nothing.py` and `.ci/run`") == [
        "moveshelf/lazy/nothing.py",
        ".ci/run",
    ]
    assert len(list(blocks("a\nb\n\n- c\n  d\n1. e\n\n| f |\n| g |\n"))) == 5


@pytest.mark.parametrize("name", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_every_function_is_in_a_file_of_its_paragraph(name: str) -> None:
    wrong = [
        f"{name}:{block.line}: {function}() is in none of {block.files or 'no file'}"
        for block in blocks(TEXTS[name])
        for function in block.functions
        if not places(block, function)
    ]
    assert not wrong, "\n".join(wrong)


def test_functions_are_seen() -> None:
    functions = [function for block in blocks(ARCHITECTURE) for function in block.functions]
    assert len(functions) > 90
    assert not places(Block(1, "`Loader.nothing()` in `moveshelf/lazy/loader.py`"), "Loader.nothing")
    assert places(Block(1, "`Loader.fetch()` in `moveshelf/lazy/loader.py`"), "Loader.fetch")


@pytest.mark.parametrize("name", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_every_test_that_is_named_is_there(name: str) -> None:
    named = _TEST.findall(TEXTS[name])
    assert named
    assert [one for one in named if one[1] not in definitions(one[0])] == []


def test_constants_have_the_values_that_are_said() -> None:
    said = [
        (block, constant, int(number))
        for block in blocks(ARCHITECTURE)
        for constant, number in _NUMBER.findall(block.text)
    ]
    assert len(said) >= 5
    for block, constant, number in said:
        values = [constants(file)[constant] for file in block.files if constant in constants(file)]
        assert values == [number], f"ARCHITECTURE.md:{block.line}: {constant} is {values}"
    for block in blocks(ARCHITECTURE):
        for code in _CODE.findall(block.text):
            if "_" in code and _CONSTANT.fullmatch(code) and block.files:
                assert any(code in constants(file) for file in block.files), f"{block.line}: {code}"


# what is there is named ------------------------------------------------------------------------------------------------
def rooms() -> list[tuple[int, str, str]]:
    """Floor, room and description of each row of the house's table."""
    return [
        (int(floor), room, text)
        for floor, room, text in re.findall(r"^\| (\d+) \| `(\w+)` \| (.*) \|$", ARCHITECTURE, re.M)
    ]


def test_the_floors_are_those_of_the_rule() -> None:
    listed: dict[int, set[str]] = {}
    for floor, room, _ in rooms():
        listed.setdefault(floor, set()).add(room)
    assert [listed[number] for number in sorted(listed)] == FLOORS
    assert sorted(listed) == list(range(1, len(FLOORS) + 1))
    assert [floor for floor, _, _ in rooms()] == sorted((floor for floor, _, _ in rooms()), reverse=True)


def test_rooms_that_are_not_there_are_marked() -> None:
    for _, room, text in rooms():
        there = (ROOT / "moveshelf" / f"{room}.py").exists() or (
            ROOT / "moveshelf" / room / "__init__.py"
        ).exists()
        assert there != ("not there yet" in text), f"ARCHITECTURE.md says of {room}: {text}"


@pytest.mark.parametrize("room", ["lazy", "operations"])
def test_every_module_of_the_two_large_rooms_is_described(room: str) -> None:
    modules = {path.relative_to(ROOT).as_posix() for path in MODULES if path.parent.name == room}
    described = {one for block in blocks(ARCHITECTURE) for one in block.files}
    missing = sorted(one for one in modules - described if not one.endswith("__init__.py"))
    assert not missing, "describe these in ARCHITECTURE.md"


# commands --------------------------------------------------------------------------------------------------------------
COMMANDS = [
    line.strip()
    for language, body in _FENCE.findall(CONTRIBUTING)
    if language == "sh"
    for line in body.splitlines()
]
#: Programs in an environment that setup.cfg does not name.
_TOOLS = {"python", "pip", "moveshelf", "pre-commit"}


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_names_what_is_there(line: str) -> None:
    words = line.replace('"', "").replace("'", "").split()
    program = words[0].removeprefix(".venv/bin/")
    assert (
        program in _TOOLS
        or program == "python3"
        or (ROOT / program).exists()
        or re.search(rf"^    {program} ", (ROOT / "setup.cfg").read_text(encoding="utf-8"), re.M)
    )
    for word in words[1:]:
        file, _, test = word.partition("::")
        if re.fullmatch(r"(?:moveshelf|moveshelf_api|tests|examples)(?:/.*)?", file):
            assert (ROOT / file).exists()
        if test:
            assert test in definitions(file)
    script = next((word for word in words[1:2] if word.endswith(".py")), None)
    if script is not None:
        source = (ROOT / script).read_text(encoding="utf-8")
        options = [word for word in words[2:] if word.startswith("--")]
        assert [one for one in options if f'"{one}"' not in source] == []


def test_commands_are_seen() -> None:
    assert len(COMMANDS) > 15
    assert ".ci/run" in COMMANDS


def test_the_environment_is_the_one_of_the_readme() -> None:
    """CONTRIBUTING installs the same extra as README's command, in place."""
    assert ".venv/bin/pip install -q '.[test]'" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert ".venv/bin/pip install -q -e '.[test]'" in COMMANDS


# hooks -----------------------------------------------------------------------------------------------------------------
def test_hooks_download_nothing() -> None:
    assert re.findall(r"repo: (\S+)", HOOKS) == ["local"]
    hooks = HOOKS.split("- id: ")[1:]
    assert [one.split("\n")[0] for one in hooks] == ["ruff-check", "ruff-format", "mypy", "house"]
    for one in hooks:
        assert re.findall(r"language: (\S+)", one) == ["system"]
        (entry,) = re.findall(r"entry: (.*)", one)
        assert entry.split()[0] in ("ruff", "mypy", "python")


# the changelog ---------------------------------------------------------------------------------------------------------
def test_the_changelog_has_the_present_version() -> None:
    import moveshelf

    versions = re.findall(
        r"^## \[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d|unreleased)$", TEXTS["CHANGELOG.md"], re.M
    )
    assert len(versions) == TEXTS["CHANGELOG.md"].count("\n## ")
    numbers = [tuple(map(int, version.split("."))) for version, _ in versions]
    assert numbers == sorted(numbers, reverse=True)
    assert moveshelf.__version__ in dict(versions)
    assert [day for _, day in versions[1:] if day == "unreleased"] == []
    configured = re.search(r"^version = (\S+)$", (ROOT / "setup.cfg").read_text(encoding="utf-8"), re.M)
    assert configured is not None
    assert configured[1] == moveshelf.__version__


# the walks -------------------------------------------------------------------------------------------------------------
def walk_steps() -> dict[str, list[tuple[Block, str]]]:
    """The functions of each walk's numbered steps."""
    found: dict[str, list[tuple[Block, str]]] = {}
    for part in re.split(r"^### (?=Walk )", ARCHITECTURE.partition("\n## How to add")[0], flags=re.M)[1:]:
        number = part.split()[1].rstrip(":")
        found[number] = [
            (block, function)
            for block in blocks(part)
            if re.match(r"\d+\. ", block.text)
            for function in block.functions
        ]
    return found


@pytest.fixture(scope="module")
def entered() -> dict[str, set[Place]]:
    """The functions that each walk enters."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [sys.executable, __file__], capture_output=True, encoding="utf-8", env=environment, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return {walk: {(file, name) for file, name in functions} for walk, functions in found.items()}


@pytest.mark.parametrize("walk", ["1", "2", "3", "4"])
def test_a_walk_enters_what_its_steps_name(entered: dict[str, set[Place]], walk: str) -> None:
    steps = walk_steps()
    assert sorted(steps) == sorted(entered)
    assert len(steps[walk]) > 8
    missing = []
    for block, function in steps[walk]:
        candidates = places(block, function)
        # to call a class is to enter its __init__
        candidates += [(file, f"{name}.__init__") for file, name in candidates]
        if not entered[walk].intersection(candidates):
            missing.append(f"{function}(): {block.text.splitlines()[0][:70]}")
    assert not missing, f"walk {walk} does not enter\n" + "\n".join(missing)


def _traced(work: Callable[[], object]) -> list[Place]:
    """The functions of the client that are entered while `work` runs, on any thread that starts under the trace."""
    heads: dict[tuple[str, int], str] = {}
    for path in MODULES:
        file = path.relative_to(ROOT).as_posix()
        for name, lines in definitions(file).items():
            heads.update(((str(path), line), name) for line in lines)
    seen: dict[Place, None] = {}

    def note(frame: Any, event: str, _: Any) -> None:
        if event == "call":
            code = frame.f_code
            name = heads.get((code.co_filename, code.co_firstlineno))
            if name is not None and name.rpartition(".")[2] == code.co_name:
                seen[Path(code.co_filename).relative_to(ROOT).as_posix(), name] = None

    _NOTES.append(note)
    try:
        work()
    finally:
        _NOTES.remove(note)
    return list(seen)


#: Who is told of each call now. The I/O thread outlives a walk, so that its trace is set once.
_NOTES: list[Callable[[Any, str, Any], None]] = []


def _tell(frame: Any, event: str, argument: Any) -> None:
    for note in _NOTES:
        note(frame, event, argument)


def main() -> None:
    """Carry the walks out, and print the functions that each enters as JSON."""
    threading.setprofile(_tell)
    from moveshelf.api import MoveshelfApi
    from moveshelf.sandbox import Sandbox

    found = {}
    sys.setprofile(_tell)
    with Sandbox(demo=True) as sandbox, tempfile.TemporaryDirectory() as folder:
        os.environ["MOVESHELF_STATE_DIR"] = str(Path(folder, "state"))
        large = sandbox.generate(subjects=450, sessions=2, clips=1, files=0)
        ms = sandbox.connect()

        def loop() -> None:
            for subject in ms.projects[large].subjects:
                for session in subject.sessions:
                    for clip in session.clips:
                        assert clip.title

        found["1"] = _traced(loop)

        api = MoveshelfApi(sandbox.key_file, sandbox.api_url)
        project = next(one["id"] for one in api.getUserProjects() if one["name"] == "lab/demo")
        subject_id = api.getProjectSubjects(project)[0]["id"]
        assert api.client is not None
        found["2"] = _traced(lambda: api.getSubjectDetails(subject_id))

        session = ms.projects["lab/demo"].subjects[0].sessions[0]
        down = Path(folder, "down")
        found["3"] = _traced(lambda: session.download(down, progress=False).raise_for_errors())

        above = Path(folder, "up", "P-9", "2024-05-31")
        for trial in ("T1", "T2"):
            (above / "Barefoot" / trial).mkdir(parents=True)
            (above / "Barefoot" / trial / "a.csv").write_bytes(b"1,2")
        (above / "moveshelf_config_import.json").write_text('{"sessionMetadata": {"vicon-height": "170"}}')
        practice = ms.projects["lab/practice"]
        up = str(Path(folder, "up"))
        found["4"] = _traced(lambda: practice.upload_tree(up, progress=False).raise_for_errors())
        api.close()
        ms.close()
    sys.setprofile(None)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
