"""How soon one can begin: the imports, and the first answer, ours beside the published client's.

Every run is a new interpreter, ours and theirs in turn, so that both see the same machine; the median counts.
`bare` is the interpreter alone.

  import     `import moveshelf`, `import moveshelf_api.api` (ours) and `import moveshelf_api.api` (published): seconds
             inside the interpreter
  answer     from the start of the process to the end of the first answer (the names of the projects): seconds outside

    python tests/benchmarks/start.py --repeat 30
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time

from common import Server, ours, published_python, table, theirs

CLOCKED = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"
OBJECTS = "import moveshelf; ms = moveshelf.connect({key!r}, {url!r}); assert ms.projects.names()"
FLAT = (
    "from moveshelf_api.api import MoveshelfApi; "
    "api = MoveshelfApi(api_key_file={key!r}, api_url={url!r}); assert api.getUserProjects()"
)


def run(python: str, code: str, environment: dict[str, str] | None, folder: str) -> tuple[float, str]:
    """Seconds from start to end of an interpreter with that code, and what it printed."""
    started = time.perf_counter()
    # in an empty folder: the working folder stands on `python -c`'s path
    command = [python, "-c", code]
    done = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    return time.perf_counter() - started, done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, default=30, help="interpreters of each kind; default 30")
    parser.add_argument(
        "--published", metavar="PYTHON", help="an interpreter with the published client installed"
    )
    parser.add_argument("--json", action="store_true", help="print the medians as JSON")
    options = parser.parse_args()
    published = options.published or published_python()
    with tempfile.TemporaryDirectory() as folder, Server() as server:
        where = {"key": server.key_file, "url": server.api_url}
        we, they = (sys.executable, ours()), (published, theirs())
        # what is timed, by whom, and whether the clock is inside
        jobs = {
            "bare, ours": (we, "pass", False),
            "bare, published": (they, "pass", False),
            "import moveshelf": (we, CLOCKED.format("moveshelf"), True),
            "import moveshelf_api.api, ours": (we, CLOCKED.format("moveshelf_api.api"), True),
            "import moveshelf_api.api, published": (they, CLOCKED.format("moveshelf_api.api"), True),
            "answer, objects": (we, OBJECTS.format(**where), False),
            "answer, flat, ours": (we, FLAT.format(**where), False),
            "answer, published": (they, FLAT.format(**where), False),
        }
        taken: dict[str, list[float]] = {name: [] for name in jobs}
        for number in range(options.repeat + 1):
            for name, ((python, environment), code, inside) in jobs.items():
                seconds, printed = run(python, code, environment, folder)
                if number:  # the first round fills the caches
                    taken[name].append(float(printed) if inside else seconds)
    medians = {name: statistics.median(values) for name, values in taken.items()}
    if options.json:
        print(json.dumps(medians))
        return
    rows = []
    for name, value in medians.items():
        base = medians[
            "import moveshelf_api.api, published" if name.startswith("import") else "answer, published"
        ]
        ratio = f"{value / base:.2f}" if not name.startswith("bare") else ""
        rows.append([name, f"{value * 1000:.0f}", ratio])
    print(table(["", "ms", "to published"], rows))


if __name__ == "__main__":
    main()
