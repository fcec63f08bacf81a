"""How soon one can begin: the imports, and the first answer, ours beside the published client's.

Every run is a new interpreter, ours and theirs in turn, so that both see the same machine; the median counts. Each client
is installed in an environment of its own that has nothing else, as users have it: ours from this checkout, as a wheel (a
checkout's environment holds packages for tests, which some libraries import where they find them, and a finder of its own).
`bare` is the interpreter alone.

  import     `import moveshelf`, `import moveshelf_api.api` (ours) and `import moveshelf_api.api` (published): seconds
             inside the interpreter
  answer     from the start of the process to the end of the first answer (the names of the projects): seconds outside
  shell      the command `moveshelf projects`, into a pipe and (drawn) in a terminal; beside that of another version of
             ours, with `--former PYTHON`. What draws is imported while the service's response is awaited: `--latency`

    python tests/benchmarks/start.py --repeat 30
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from common import Server, installed_python, published_python, table

CLOCKED = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"
OBJECTS = "import moveshelf; ms = moveshelf.connect({key!r}, {url!r}); assert ms.projects.names()"
FLAT = (
    "from moveshelf_api.api import MoveshelfApi; "
    "api = MoveshelfApi(api_key_file={key!r}, api_url={url!r}); assert api.getUserProjects()"
)


def run(command: list[str], environment: dict[str, str], folder: str) -> tuple[float, str]:
    """Seconds from start to end of a command in an empty folder, and what it printed."""
    started = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    return time.perf_counter() - started, done.stdout


def plain_environment() -> dict[str, str]:
    """This one without what leads interpreters elsewhere, keeps them from using compiled modules, or names a key."""
    dropped = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONHOME", "VIRTUAL_ENV")
    return {
        name: value
        for name, value in os.environ.items()
        if name not in dropped and not name.startswith("MOVESHELF_")
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, default=30, help="interpreters of each kind; default 30")
    parser.add_argument(
        "--published", metavar="PYTHON", help="an interpreter with the published client installed"
    )
    parser.add_argument("--former", metavar="PYTHON", help="an interpreter with another version of ours")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds that every response takes")
    parser.add_argument("--json", action="store_true", help="print the medians as JSON")
    options = parser.parse_args()
    we, they = installed_python(), options.published or published_python()
    environment = plain_environment()
    with tempfile.TemporaryDirectory() as folder, Server() as server:
        where = {"key": server.key_file, "url": server.api_url}
        # what is timed, and whether the clock is inside
        jobs = {
            "bare, ours": ([we, "-c", "pass"], False),
            "bare, published": ([they, "-c", "pass"], False),
            "import moveshelf": ([we, "-c", CLOCKED.format("moveshelf")], True),
            "import moveshelf_api.api, ours": ([we, "-c", CLOCKED.format("moveshelf_api.api")], True),
            "import moveshelf_api.api, published": ([they, "-c", CLOCKED.format("moveshelf_api.api")], True),
            "answer, objects": ([we, "-c", OBJECTS.format(**where)], False),
            "answer, flat, ours": ([we, "-c", FLAT.format(**where)], False),
            "answer, published": ([they, "-c", FLAT.format(**where)], False),
        }
        for name, python in (("shell", we), ("shell, former", options.former)):
            if python:
                jobs[name] = (_shell(python), False)
            if python and os.name != "nt":
                jobs[f"{name}, drawn"] = (_drawn(python), False)
        server.ask(do="latency", seconds=options.latency)
        environment["MOVESHELF_API_KEY_FILE"], environment["MOVESHELF_API_URL"] = where["key"], where["url"]
        taken: dict[str, list[float]] = {name: [] for name in jobs}
        for number in range(options.repeat + 1):
            for name, (command, inside) in jobs.items():
                seconds, printed = run(command, environment, folder)
                if number:  # the first round fills the caches
                    taken[name].append(float(printed) if inside else seconds)
    medians = {name: statistics.median(values) for name, values in taken.items()}
    if options.json:
        print(json.dumps(medians))
        return
    bases = {"import": "import moveshelf_api.api, published", "answer": "answer, published"}
    rows = []
    for name, value in medians.items():
        base = bases.get(name.partition(" ")[0].rstrip(","))
        ratio = f"{value / medians[base]:.2f}" if base else ""
        rows.append([name, f"{value * 1000:.0f}", ratio])
    print(table(["", "ms", "to published"], rows))


def _shell(python: str) -> list[str]:
    """`moveshelf projects` as it lies beside an interpreter."""
    return [str(Path(python).with_name("moveshelf")), "projects"]


def _drawn(python: str) -> list[str]:
    """The same in a terminal, which the bare interpreter that opens it makes a little slower for either."""
    code = f"import pty, sys; sys.exit(pty.spawn({_shell(python)!r}) >> 8)"
    return [python, "-S", "-c", code]


if __name__ == "__main__":
    main()
