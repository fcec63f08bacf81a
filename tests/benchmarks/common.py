"""What the benchmarks share: a sandbox in a process of its own, and the published client in an environment of its own.

Standard library only: the published client's interpreter imports it too.
"""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import venv
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[2]
VERSION = "1.6.4"


def ours() -> dict[str, str]:
    """The environment in which `import moveshelf` finds this checkout."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def theirs() -> dict[str, str]:
    """The environment in which `import moveshelf_api` finds what is installed, whatever the path says."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def published_python(version: str = VERSION) -> str:
    """An interpreter with the published client: the environment that the flat client's tests use too."""
    sys.path.insert(0, str(ROOT / "tests" / "api"))
    from flat_published import python_of

    return python_of(version)


def installed_python() -> str:
    """An interpreter with this checkout installed as a wheel, as it is now, and nothing else but what it needs."""
    home = ROOT / ".pytest_cache" / "installed"
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        venv.create(home, with_pip=True)
    pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    with tempfile.TemporaryDirectory() as source:
        # from a copy: building leaves files beside the sources
        for name in ("moveshelf", "moveshelf_api"):
            shutil.copytree(ROOT / name, f"{source}/{name}", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, source)
        subprocess.run([*pip, source], check=True)  # what it needs
        subprocess.run([*pip, "--no-deps", "--force-reinstall", source], check=True)  # and itself anew
    return str(python)


def peak() -> int:
    """The largest memory this process has had, in bytes."""
    try:
        with open("/proc/self/status", encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        import resource

        value = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return value if sys.platform == "darwin" else value * 1024


def key_of(key_file: str) -> str:
    """The key in a key file."""
    with open(key_file, encoding="utf-8") as file:
        return str(json.load(file)["secretKey"])


def control(api_url: str, key: str, **body: Any) -> Any:
    """What the control address of a sandbox answers: `control(url, key, do="clear_requests")`."""
    return _post(api_url, key, "/_sandbox", body)["result"]


def _post(api_url: str, key: str, path: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        api_url.rsplit("/", 1)[0] + path,
        json.dumps(body).encode(),
        {"Authorization": "Bearer " + key, "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


class Server:
    """A sandbox in a process of its own, steered over its control address."""

    def __init__(self, *options: str) -> None:
        self.options = options

    def __enter__(self) -> Server:
        # the folder is ours, so that nothing is left behind should the process be killed
        self._folder = tempfile.TemporaryDirectory(prefix="moveshelf-benchmark-", ignore_cleanup_errors=True)
        command = [
            sys.executable,
            "-m",
            "moveshelf.sandbox",
            "--json",
            "--path",
            self._folder.name,
            *self.options,
        ]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, env=ours(), text=True)
        assert self._process.stdout is not None
        facts = json.loads(self._process.stdout.readline())
        self.api_url, self.api_key, self.key_file = facts["api_url"], facts["api_key"], facts["key_file"]
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(60)
        self._folder.cleanup()

    def ask(self, **body: Any) -> Any:
        """What the control address answers: `ask(do="generate", subjects=3)`."""
        return control(self.api_url, self.api_key, **body)

    def execute(self, query: str, **variables: Any) -> Any:
        """The `data` of the response to a query."""
        body = {"query": query, "variables": variables}
        return _post(self.api_url, self.api_key, "/graphql", body)["data"]

    def id_of(self, name: str) -> str:
        """The id of a project."""
        projects = self.execute("{ viewer { projects { id name } } }")["viewer"]["projects"]
        return next(one["id"] for one in projects if one["name"] == name)


def table(head: list[str], rows: list[list[str]]) -> str:
    """Columns, the first to the left and the rest to the right."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = []
    for row in [head, ["-" * size for size in widths], *rows]:
        cells = [
            cell.ljust(size) if i == 0 else cell.rjust(size)
            for i, (cell, size) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
