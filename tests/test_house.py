"""The house: imports only go down, modules form no circle, and nothing of anybody's machine is in the repository.

A room is a module or package directly below `moveshelf`. Each has a floor; an import at run time, function-level ones
included, goes to its own floor or below. The sandbox is beside the house: it may use what it shares with the client and
nothing else, so that one cannot hide the other's mistakes, and only the shell uses it.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

FLOORS = [
    {"errors"},
    {"config", "metadata", "timecode", "values"},
    {"wire"},
    {"lazy", "transfer"},
    {"gait", "tables", "display"},
    {"operations"},
    {"models"},
    {"client"},
    {"api", "util", "fs"},
    {"cli", "__main__"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
#: rooms of one floor that know nothing of each other
APART = {("lazy", "transfer"), ("transfer", "lazy")}
SHARED_WITH_THE_SANDBOX = {"errors", "wire", "transfer", "metadata", "values", "timecode"}

MODULES = sorted((ROOT / "moveshelf").rglob("*.py"))


def room_of(module: tuple[str, ...]) -> str:
    """The room of a dotted name below `moveshelf`; "" for the package itself."""
    return module[1] if len(module) > 1 else ""


def imported(
    source: str, package: tuple[str, ...], whole: bool = False
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Line and dotted name of every import of this project that is carried out at run time.

    `whole`: with the names that are imported, which may be modules.
    """
    pending: list[ast.AST] = [ast.parse(source)]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            pending += node.orelse
            continue
        pending += ast.iter_child_nodes(node)
        names: list[tuple[str, ...]] = []
        if isinstance(node, ast.Import):
            names = [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = (*above, *(node.module.split(".") if node.module else ()))
            # `from moveshelf import x` names a room, or something of the package's own
            names = [(*base, alias.name) for alias in node.names] if whole or len(base) == 1 else [base]
        for name in names:
            if name and name[0] == "moveshelf":
                yield getattr(node, "lineno", 0), name


def allowed(here: str, there: str) -> bool:
    """Whether code of one room may import the other."""
    if there in ("", here) or there not in {*FLOOR, "sandbox"}:
        return True  # the package itself, or a name of its own
    if here == "sandbox":
        return there in SHARED_WITH_THE_SANDBOX
    if there == "sandbox":
        return here in ("cli", "__main__")
    return here in FLOOR and FLOOR[there] <= FLOOR[here] and (here, there) not in APART


def against_the_way(path: Path) -> list[str]:
    package = path.relative_to(ROOT).with_suffix("").parts
    here = room_of(package)
    found = []
    for line, name in imported(path.read_text(encoding="utf-8"), package[:-1]):
        there = room_of(name)
        # the sandbox's connect() needs the client when it is called
        if here == "sandbox" and name in (("moveshelf", "connect"), ("moveshelf",)):
            continue
        if here and not allowed(here, there):
            found.append(f"{path.relative_to(ROOT)}:{line}: {here} imports {there}")
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    assert not against_the_way(path)


def test_every_room_has_a_floor() -> None:
    rooms = {path.relative_to(ROOT).with_suffix("").parts[1] for path in MODULES}
    assert rooms <= {*FLOOR, "sandbox", "__init__"}


def names_of(path: Path) -> tuple[str, ...]:
    """The dotted name of a module."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def arrows(
    files: dict[tuple[str, ...], tuple[str, tuple[str, ...]]],
) -> dict[tuple[str, ...], set[tuple[str, ...]]]:
    """Which module imports which, from each module's source and package; a package's own modules do not count."""
    found: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
    for name, (source, package) in files.items():
        for _, target in imported(source, package, whole=True):
            while target and target not in files:
                target = target[:-1]
            if target and target != name and target != name[: len(target)] and name != target[: len(name)]:
                found.setdefault(name, set()).add(target)
    return found


def circle(graph: dict[tuple[str, ...], set[tuple[str, ...]]]) -> list[tuple[str, ...]]:
    """A circle of modules, if there is one."""
    done: set[tuple[str, ...]] = set()

    def visit(node: tuple[str, ...], way: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
        if node in way:
            return way[way.index(node) :]
        if node in done:
            return []
        for other in sorted(graph.get(node, ())):
            found = visit(other, [*way, node])
            if found:
                return found
        done.add(node)
        return []

    for start in sorted(graph):
        found = visit(start, [])
        if found:
            return found
    return []


def test_modules_form_no_circle() -> None:
    files = {}
    for path in MODULES:
        package = path.relative_to(ROOT).with_suffix("").parts[:-1]
        files[names_of(path)] = (path.read_text(encoding="utf-8"), package)
    assert not circle(arrows(files))


def test_the_rule_of_circles_itself() -> None:
    files = {
        ("moveshelf", "a"): ("def f():\n    from . import b", ("moveshelf",)),
        ("moveshelf", "b"): ("from .c import x", ("moveshelf",)),
        ("moveshelf", "c"): ("import moveshelf.a", ("moveshelf",)),
    }
    assert len(circle(arrows(files))) == 3
    files["moveshelf", "c"] = (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from . import a",
        ("moveshelf",),
    )
    assert not circle(arrows(files))


@pytest.mark.parametrize(
    ("here", "there", "may"),
    [
        ("cli", "client", True),
        ("client", "cli", False),
        ("models", "lazy", True),
        ("lazy", "models", False),
        ("lazy", "transfer", False),
        ("operations", "display", True),
        ("models", "operations", True),
        ("operations", "models", False),
        ("wire", "config", True),
        ("sandbox", "transfer", True),
        ("sandbox", "models", False),
        ("client", "sandbox", False),
        ("cli", "sandbox", True),
    ],
)
def test_the_rule_itself(here: str, there: str, may: bool) -> None:
    assert allowed(here, there) is may


def test_the_rule_sees_every_form() -> None:
    source = """
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from ..cli import main
else:
    from ..util import a
def f():
    from .. import client
    import moveshelf.models.clip
    from moveshelf import sandbox
from .batch import Batch
"""
    found = {name for _, name in imported(source, ("moveshelf", "lazy"))}
    assert {room_of(name) for name in found} == {"util", "client", "models", "sandbox", "lazy"}


def test_the_old_import_name_holds_nothing_of_its_own() -> None:
    for path in (ROOT / "moveshelf_api").rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            is_all = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
            assert isinstance(node, (ast.Import, ast.ImportFrom)) or is_docstring or is_all, (
                f"{path}: {ast.unparse(node)}"
            )


# --- what does not belong into the repository

_FORBIDDEN = {
    # in pieces, so that this file is not its own finding
    "somebody's home or working folder": re.compile(
        r"(?<![\w.:])/(?:ho" r"me|Us" r"ers|ro" r"ot|wo" r"rk)/\w"
    ),
    "a folder for temporary files": re.compile(r"(?<![\w.])/tm" r"p/(?!$)\w"),
    "the host of a package registry": re.compile(
        r"(?:pypi|pythonhosted|artifactory|nexus)\.[a-z]+[./:]", re.I
    ),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIV" r"ATE KEY-----"),
    "a token": re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])"),
}
_FOLDERS = {"moveshelf", "moveshelf_api", "tests", "examples", ".ci"}
DOCUMENTS = ("ARCHITECTURE.md", "PROTOCOL.md", "CONTRIBUTING.md", "CHANGELOG.md")
_BINARY = {".png", ".jpg", ".gz", ".zip"}


def repository_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        found = [ROOT / name for name in listed.stdout.split("\0") if name]
    else:  # an unpacked archive, in which more may have been built since
        found = [path for folder in _FOLDERS for path in (ROOT / folder).rglob("*")]
        found += [
            ROOT / name
            for name in ("README.md", "setup.cfg", "pyproject.toml", "LICENSE", ".gitignore", *DOCUMENTS)
        ]
    return [path for path in found if path.is_file() and path.suffix not in _BINARY]


@pytest.mark.parametrize("what", _FORBIDDEN)
def test_nothing_private_is_in_the_repository(what: str) -> None:
    pattern = _FORBIDDEN[what]
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in repository_files()
        if "__pycache__" not in path.parts
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]
    assert not found, "\n".join(found)


def test_no_other_folder_at_the_top() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in repository_files() if path.parent != ROOT} == _FOLDERS
