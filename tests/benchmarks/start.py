"""How soon one can begin: the imports, and the first answer, ours beside the published client's.

Every run is a new interpreter, ours and theirs in turn, so that both see the same machine; the median counts. Each client
is installed in an environment of its own that has nothing else, as users have it: ours from this checkout, as a wheel (a
checkout's environment holds packages for tests, which some libraries import where they find them, and a finder of its own).
`bare` is the interpreter alone.

  import     `import moveshelf`, `import moveshelf_api.api` (ours) and `import moveshelf_api.api` (published): seconds
             inside the interpreter
  answer     from the start of the process to the first answer (the names of the projects)
  whole      the same program to its end, the interpreter's own included: seconds outside
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
NOW = "; import time; print(time.time())"
OBJECTS = "import moveshelf; ms = moveshelf.connect({key!r}, {url!r}); assert ms.projects.names()" + NOW
FLAT = (
    "from moveshelf_api.api import MoveshelfApi; "
    "api = MoveshelfApi(api_key_file={key!r}, api_url={url!r}); assert api.getUserProjects()" + NOW
)


def run(command: list[str], environment: dict[str, str], folder: str) -> tuple[float, float, str]:
    """The moment when a command in an empty folder was started, the seconds to its end, and what it printed."""
    moment, started = time.time(), time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    return moment, time.perf_counter() - started, done.stdout


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
        imports = {
            "import moveshelf": [we, "-c", CLOCKED.format("moveshelf")],
            "import moveshelf_api.api, ours": [we, "-c", CLOCKED.format("moveshelf_api.api")],
            "import moveshelf_api.api, published": [they, "-c", CLOCKED.format("moveshelf_api.api")],
        }
        answers = {
            "objects": [we, "-c", OBJECTS.format(**where)],
            "flat, ours": [we, "-c", FLAT.format(**where)],
            "published": [they, "-c", FLAT.format(**where)],
        }
        others = {"bare, ours": [we, "-c", "pass"], "bare, published": [they, "-c", "pass"]}
        for name, python in (("shell", we), ("shell, former", options.former)):
            if python:
                others[name] = _shell(python)
            if python and os.name != "nt":
                others[f"{name}, drawn"] = _drawn(python)
        server.ask(do="latency", seconds=options.latency)
        environment["MOVESHELF_API_KEY_FILE"], environment["MOVESHELF_API_URL"] = where["key"], where["url"]
        names = [*imports, *(f"{kind}, {name}" for kind in ("answer", "whole") for name in answers), *others]
        taken: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(options.repeat + 1):
            for name, command in imports.items():
                taken[name].append(float(run(command, environment, folder)[2]))
            for name, command in answers.items():
                moment, seconds, printed = run(command, environment, folder)
                taken[f"answer, {name}"].append(float(printed) - moment)
                taken[f"whole, {name}"].append(seconds)
            for name, command in others.items():
                taken[name].append(run(command, environment, folder)[1])
    # the first round fills the caches
    medians = {name: statistics.median(values[1:]) for name, values in taken.items()}
    if options.json:
        print(json.dumps(medians))
        return
    bases = {
        "import": "import moveshelf_api.api, published",
        "answer": "answer, published",
        "whole": "whole, published",
    }
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
