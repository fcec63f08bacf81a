"""The published clients, each in an environment of its own, created when first needed.

They own the import name `moveshelf_api` as ours does, so they are never installed where ours runs. The environments
are kept in the folder that MOVESHELF_PUBLISHED names, else in pytest's cache folder.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
import time
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NEWEST = "1.6.4"
OLDER = ("1.5.2", "1.4.3", "1.1.0")
ALL = tuple(
    f"1.{minor}.{patch}" for minor, patches in enumerate((1, 1, 1, 1, 4, 3, 5)) for patch in range(patches)
)
# 1.1.0 imports these and declares none of them; crcmod is built with setuptools
_BESIDE = {"1.1.0": ["requests", "six", "crcmod", "mypy_extensions", "setuptools"]}


class NotAvailable(Exception):
    """The environment cannot be made here (no network, no such version)."""


def folder() -> Path:
    """Where the environments are kept."""
    given = os.environ.get("MOVESHELF_PUBLISHED")
    return Path(given) if given else Path(__file__).resolve().parents[2] / ".pytest_cache" / "published"


def python_of(version: str) -> str:
    """The interpreter of the environment that has the published client of that version. Raises NotAvailable."""
    home = folder() / f"v{version}"
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not _works(python):
        home.parent.mkdir(parents=True, exist_ok=True)
        with _alone(home):
            if not _works(python):  # another process may have made it meanwhile
                _make(home, python, version)
    return str(python)


def source_of(version: str) -> str:
    """The source of that version's `api.py`, out of its distribution; nothing is installed. Raises NotAvailable."""
    home = folder() / "archives" / version
    if not any(home.glob("*")):
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
        ]
        try:
            with tempfile.TemporaryDirectory() as fresh:
                wanted = [f"moveshelf-api=={version}", "--dest", fresh]
                subprocess.run([*command, *wanted], capture_output=True, text=True, check=True, timeout=300)
                home.mkdir(parents=True, exist_ok=True)
                for archive in Path(fresh).iterdir():
                    (home / f".{archive.name}.{os.getpid()}").write_bytes(archive.read_bytes())
                    os.replace(home / f".{archive.name}.{os.getpid()}", home / archive.name)
        except (subprocess.SubprocessError, OSError) as error:
            raise NotAvailable(f"no archive of moveshelf-api {version}: {error}") from None
    archive = next(path for path in home.iterdir() if not path.name.startswith("."))
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read("moveshelf_api/api.py").decode()
    with tarfile.open(archive) as sources:
        member = next(one for one in sources.getnames() if one.endswith("moveshelf_api/api.py"))
        content = sources.extractfile(member)
        assert content is not None
        return content.read().decode()


def _make(home: Path, python: Path, version: str) -> None:
    wanted = [f"moveshelf-api=={version}", *_BESIDE.get(version, [])]
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted]
    try:
        venv.create(home, with_pip=True, clear=True)
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    except (subprocess.SubprocessError, OSError) as error:
        raise NotAvailable(f"no environment for moveshelf-api {version}: {error}") from None
    if done.returncode or not _works(python):
        raise NotAvailable(f"no environment for moveshelf-api {version}: {done.stderr.strip()[-400:]}")


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Tests run in several processes: only one makes an environment."""
    lock = home.parent / f"{home.name}.lock"
    for _ in range(600):
        try:
            lock.mkdir()
            break
        except FileExistsError:
            time.sleep(1)
    else:
        raise NotAvailable(f"{lock} is there for ten minutes: remove it")
    try:
        yield
    finally:
        lock.rmdir()


def _works(python: Path) -> bool:
    if not python.exists():
        return False
    probe = [str(python), "-W", "ignore", "-c", "import moveshelf_api.api"]
    # not from here: our own moveshelf_api lies in the working folder
    return subprocess.run(probe, capture_output=True, check=False, cwd=python.parent).returncode == 0


if __name__ == "__main__":
    for name in sys.argv[1:] or (NEWEST, *OLDER):
        print(name, python_of(name))
