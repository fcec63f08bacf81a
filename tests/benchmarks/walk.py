"""One full walk, from a project down to every file's name, seven ways, each in a process of its own:

  raw       one hand-written nested query over http.client: the limit
  load      ours, `project.subjects.load("sessions.clips.files")`, then the loop
  stream    ours, `for subject in project.subjects.stream("sessions.clips.files")`: memory stays as it is
  loop      ours, the nested loop alone, the first of its client
  again     ours, the same loop over another project of the same shape, on the same client: it knows the way by then
  query     the published client's one big query: getFilteredProjectSubjects with additional data
  examples  the published client as its documented examples do it, one request an object: getProjectSubjects,
            getSubjectDetails, getSessionById, getAdditionalData

The sandbox is a process of its own too, and counts requests and bytes. Time is that of the walk, from the client's
making to the last name, without the interpreter's start; memory is the process's peak. Ratios are to `raw`.

    python tests/benchmarks/walk.py                                  # 200 x 3 x 8 x 4, 50 ms; minutes
    python tests/benchmarks/walk.py --skip examples --per-object 0.0002
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import zlib
from collections import deque
from collections.abc import Iterator
from typing import Any

from common import Server, control, key_of, ours, peak, published_python, table, theirs

METHODS = ("raw", "load", "stream", "loop", "again", "query", "examples")
OURS = ("load", "stream", "loop", "again")
THEIRS = ("query", "examples")

RAW = """query raw($id: ID!) { node(id: $id) { ... on Project { patientsList { id name externalId updated
 sessions { id projectPath date clips { id title created projectPath uploadStatus hasCharts
 additionalData { id originalFileName dataType uploadStatus } } } } } } }"""


# --- the walks: each yields every file's name, in order. Nobody keeps them: what is measured is the walk's own memory


def raw(url: str, key_file: str, project: str) -> Iterator[str]:
    import http.client
    from urllib.parse import urlsplit

    key = key_of(key_file)
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    headers = {"Authorization": "Bearer " + key, "Content-Type": "application/json"}
    body = json.dumps({"query": RAW, "variables": {"id": project}})
    connection.request("POST", urlsplit(url).path, body, headers)
    answer = json.loads(connection.getresponse().read())
    return (
        file["originalFileName"]
        for subject in answer["data"]["node"]["patientsList"]
        for session in subject["sessions"]
        for clip in session["clips"]
        for file in clip["additionalData"]
    )


def connected(url: str, key_file: str) -> Any:
    import moveshelf

    return moveshelf.connect(key_file, url)


def names_of(subjects: Any) -> Iterator[str]:
    for subject in subjects:
        for session in subject.sessions:
            for clip in session.clips:
                for file in clip.files:
                    yield file.name


def loop(url: str, key_file: str, project: str) -> Iterator[str]:
    return names_of(connected(url, key_file).project(project).subjects)


def load(url: str, key_file: str, project: str) -> Iterator[str]:
    subjects = connected(url, key_file).project(project).subjects
    return names_of(subjects.load("sessions.clips.files"))


def stream(url: str, key_file: str, project: str) -> Iterator[str]:
    return names_of(connected(url, key_file).project(project).subjects.stream("sessions.clips.files"))


def again(url: str, key_file: str, first: str, project: str) -> tuple[Iterator[str], float]:
    """The second loop's names, and when it began; the sandbox counts from then on."""
    ms = connected(url, key_file)
    deque(names_of(ms.project(first).subjects), 0)
    control(url, key_of(key_file), do="clear_requests")
    started = time.perf_counter()
    return names_of(ms.project(project).subjects), started


def query(url: str, key_file: str, project: str) -> Iterator[str]:
    from moveshelf_api.api import MoveshelfApi

    api = MoveshelfApi(api_key_file=key_file, api_url=url)
    subjects = api.getFilteredProjectSubjects(project, include_additional_data=True)
    return (
        file["originalFileName"]
        for subject in subjects
        for session in subject["sessions"]
        for clip in session["clips"]
        for file in clip["additionalData"]
    )


def examples(url: str, key_file: str, project: str) -> Iterator[str]:
    from moveshelf_api.api import MoveshelfApi

    api = MoveshelfApi(api_key_file=key_file, api_url=url)
    subjects = api.getProjectSubjects(project)
    for number, subject in enumerate(subjects):
        if number % 20 == 0:
            print(f"  examples: subject {number} of {len(subjects)}", file=sys.stderr, flush=True)
        for session in api.getSubjectDetails(subject["id"])["sessions"]:
            for clip in api.getSessionById(session["id"])["clips"]:
                for file in api.getAdditionalData(clip["id"]):
                    yield file["originalFileName"]


def worker(method: str, url: str, key_file: str, project: str, other: str) -> None:
    """In the process of its own: walk, and print what it took as JSON."""
    if method in OURS:
        import moveshelf.client
        import moveshelf.wire.channel  # noqa: F401  what the first request would import; start.py is about imports
    elif method in THEIRS:
        import moveshelf_api.api  # noqa: F401
    else:
        import http.client  # noqa: F401
    started = time.perf_counter()
    if method == "again":
        names, started = again(url, key_file, other, project)
    else:
        names = globals()[method](url, key_file, project)
    files = seen = 0
    for name in names:
        files += 1
        seen = zlib.crc32(name.encode() + b"\n", seen)
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "files": files, "seen": seen, "peak": peak()}))


# --- the comparison


def measure(
    server: Server, method: str, project: str, other: str, published: str | None, repeat: int
) -> dict[str, float]:
    """The walk that took the median time, with what the sandbox counted."""
    python, environment = (published, theirs()) if method in THEIRS else (sys.executable, ours())
    runs = []
    for _ in range(repeat):
        server.ask(do="clear_requests")
        command = [str(python), __file__, "--run", method, server.api_url, server.key_file, project, other]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
        runs.append({**server.ask(do="count"), **json.loads(done.stdout)})
    return sorted(runs, key=lambda one: one["seconds"])[len(runs) // 2]


def report(results: dict[str, dict[str, float]]) -> str:
    """The table; ratios are to its first line."""
    limit = next(iter(results.values()))
    rows = []
    for method, one in results.items():
        row = [method, f"{one['requests']:,}"]
        for name, unit in (("seconds", 1), ("bytes_out", 1e6), ("peak", 1e6)):
            row += [f"{one[name] / unit:,.2f}", f"{one[name] / limit[name]:,.2f}"]
        rows.append(row)
    return table(["", "requests", "seconds", "ratio", "MB answered", "ratio", "MB peak", "ratio"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", nargs=5, help=argparse.SUPPRESS)
    for name, size in (("subjects", 200), ("sessions", 3), ("clips", 8), ("files", 4)):
        parser.add_argument(
            f"--{name}", type=int, default=size, help=f"default {size}, each of the one above"
        )
    parser.add_argument("--latency", type=float, default=0.05, metavar="S", help="a request; default 0.05")
    parser.add_argument(
        "--per-object", type=float, default=0.0, metavar="S", help="besides, for each object answered"
    )
    parser.add_argument("--skip", nargs="*", default=[], choices=METHODS, help="ways to leave out")
    parser.add_argument(
        "--repeat", type=int, default=3, help="runs of each, the median counts; examples run once"
    )
    parser.add_argument(
        "--published", metavar="PYTHON", help="an interpreter with the published client installed"
    )
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")
    options = parser.parse_args()
    if options.run:
        worker(*options.run)
        return
    methods = [name for name in METHODS if name not in options.skip]
    published = options.published or (published_python() if set(THEIRS) & set(methods) else None)
    shape = {name: getattr(options, name) for name in ("subjects", "sessions", "clips", "files")}
    results = {}
    with Server() as server:
        project, other = (server.id_of(server.ask(do="generate", **shape)) for _ in range(2))
        server.ask(do="latency", seconds=options.latency, per_object=options.per_object)
        for method in methods:
            results[method] = measure(
                server, method, project, other, published, 1 if method == "examples" else options.repeat
            )
            if not options.json:
                print(f"  {method}: {results[method]['seconds']:.2f} s", file=sys.stderr, flush=True)
    if len({(one["files"], one["seen"]) for one in results.values()}) != 1:
        sys.exit(f"the walks did not see the same files: {results}")
    if options.json:
        print(json.dumps(results))
        return
    sizes = " x ".join(str(size) for size in shape.values())
    files = results[methods[0]]["files"]
    print(f"{sizes} ({files:,} files), {options.latency:g} s a request, {options.per_object:g} s an object")
    print(report(results))
    for ours_, theirs_ in ((one, other) for one in OURS for other in THEIRS):
        if ours_ in results and theirs_ in results:
            took = results[ours_]["seconds"] / results[theirs_]["seconds"]
            print(f"{ours_}: {took:,.2f} times the time of {theirs_}, {1 / took:,.1f} times as fast")


if __name__ == "__main__":
    main()
