"""The wheel: what is in it, and that it is enough, in an empty environment and far from the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("moveshelf", "moveshelf_api", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that what an earlier build left in the checkout is not in it."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(out), str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (built,) = out.glob("*.whl")
    return built


def test_every_file_is_in_the_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if not name.split("/")[0].endswith(".dist-info")}
    wanted = {
        path.relative_to(ROOT).as_posix()
        for package in ("moveshelf", "moveshelf_api")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packed == wanted
    assert {"moveshelf/py.typed", "moveshelf_api/py.typed", "moveshelf/wire/schema.graphql"} <= packed
    assert "moveshelf/gait/data/normal_gait_schwartz2008.csv" in packed


def test_metadata(wheel: Path) -> None:
    import moveshelf

    with zipfile.ZipFile(wheel) as archive:
        folder = next(name.split("/")[0] for name in archive.namelist() if ".dist-info/" in name)
        metadata = Parser().parsestr(archive.read(f"{folder}/METADATA").decode())
        entry_points = archive.read(f"{folder}/entry_points.txt").decode()
        licences = [name for name in archive.namelist() if name.endswith("LICENSE")]
    assert metadata["Version"] == moveshelf.__version__
    assert metadata["Requires-Python"] == ">=3.10"
    assert metadata["License-Expression"] == "MIT" or metadata["License"] == "MIT"
    assert licences
    assert "moveshelf = moveshelf.cli:main" in entry_points
    assert metadata.get_payload().startswith("# moveshelf")
    required = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert all(">=" in line for line in required), "lower bounds, as people's environments are their own"
    assert not any("==" in line for line in required)
    bounded = {line.split()[0].rstrip("<>=,.0123456789") for line in required if "<" in line}
    assert bounded == {"aiohttp", "gql"}, (
        "an upper bound only where tests/wire/test_private_parts.py needs one"
    )


def test_it_runs_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    """Installs with what it declares and nothing else, runs the demo, and is importable by its two names."""
    home = tmp_path / "environment"
    venv.create(home, with_pip=True)
    tools = home / ("Scripts" if os.name == "nt" else "bin")
    python, command = tools / "python", tools / "moveshelf"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}

    def run(*words: str | Path) -> str:
        done = subprocess.run(
            [str(word) for word in words],
            cwd=elsewhere,
            env={**clean, "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            encoding="utf-8",
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run(python, "-m", "pip", "install", "-q", wheel)
    shown = run(command, "demo", "--latency", "0")
    assert "12 subjects, 30 sessions" in shown
    assert "8 requests sent" in shown
    assert "Left knee flexion" in shown
    assert run(command, "--version") == run(python, "-m", "moveshelf", "--version")
    code = (
        "import moveshelf_api.api, moveshelf_api.util, moveshelf_api.utils.hash, moveshelf\n"
        "for name in moveshelf.__all__: getattr(moveshelf, name)\n"
        "print(moveshelf.__file__)"
    )
    assert str(home) in run(python, "-c", code)
    assert not list(elsewhere.iterdir()), "nothing is left where one stands"
