"""Knee, hip and ankle curves of many trials as one array, four ways, each in a process of its own:

  public    what public scripts do: a request for each trial's files, one for each file's URL, a GET (urllib) for each
            file one after another, json, dictionaries by label and cycle, numpy
  download  ours, `project.download(...)` of the same files to a folder: what the bytes alone take
  read      ours, `project.read(...)`: the same bytes, in memory
  cycles    ours, `project.cycles("angles", ...)`

The sandbox is a process of its own too, and counts requests (those of the store as well). It makes every file before
anything is measured. Time is from the client's making to the array; memory is the process's peak, less what it was with
everything imported. `public` and `cycles` must come to the same numbers.

    python tests/benchmarks/gait.py                                  # 200 trials, 20 ms
    python tests/benchmarks/gait.py --trials 2000 --skip download read
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import zlib
from typing import Any

from common import Server, ours, peak, table

METHODS = ("public", "download", "read", "cycles")
FILE = "angles_normalized.json"
CHANNELS = {
    "HipAngles-x": "hip_flexion",
    "KneeAngles-x": "knee_flexion",
    "AnkleAngles-x": "ankle_dorsiflexion",
}
CLIPS = 10
"""Trials of a session."""


# --- the ways: each returns the values, stride by channel by percent, with the trial, side and cycle of each stride


def public(url: str, key: str, project: str) -> Any:
    import urllib.request

    import numpy as np

    def fetch(query: str, **variables: str) -> Any:
        body = json.dumps({"query": query, "variables": variables}).encode()
        headers = {"Authorization": "Bearer " + key, "Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as response:
            return json.load(response)["data"]["node"]

    listing = fetch(
        "query($id: ID!) { node(id: $id) { ... on Project { patientsList { sessions { clips { id } } } } } }",
        id=project,
    )
    clips = [
        clip["id"]
        for subject in listing["patientsList"]
        for session in subject["sessions"]
        for clip in session["clips"]
    ]
    strides: dict[tuple[str, str, str], dict[str, list[float]]] = {}
    for clip in clips:
        files = fetch(
            "query($id: ID!) { node(id: $id) { ... on MocapClip { additionalData "
            "{ id originalFileName originalDataDownloadUri } } } }",
            id=clip,
        )["additionalData"]
        for file in files:
            if file["originalFileName"] == FILE:
                with urllib.request.urlopen(file["originalDataDownloadUri"]) as response:
                    content = json.load(response)
                for item in content["data"]:
                    label = item["label"]
                    if label[1:] in CHANNELS:
                        for cycle in item["cycles"]:
                            stride = strides.setdefault((clip, label[0], cycle), {})
                            stride[label[1:]] = [row[cycle] for row in item["values"]]
    keys = sorted(strides)
    values = np.array([[strides[one][name] for name in CHANNELS] for one in keys], dtype=np.float64)
    return values, keys


def download(url: str, key: str, project: str) -> None:
    import moveshelf

    with tempfile.TemporaryDirectory(prefix="moveshelf-benchmark-") as folder:
        result = (
            moveshelf.connect(api_key=key, api_url=url)
            .project(project)
            .download(folder, include=FILE, progress=False)
        )
        result.raise_for_errors()  # type: ignore[union-attr]


def read(url: str, key: str, project: str) -> None:
    import moveshelf

    for _, _ in moveshelf.connect(api_key=key, api_url=url).project(project).read(FILE):
        pass


def cycles(url: str, key: str, project: str) -> Any:
    import numpy as np

    import moveshelf

    curves = (
        moveshelf.connect(api_key=key, api_url=url)
        .project(project)
        .cycles("angles", list(CHANNELS.values()), points=None)
    )
    names = ("clip", "side", "cycle")
    keys = [
        (clip, side[0].upper(), cycle)
        for clip, side, cycle in zip(*(curves[name].values.tolist() for name in names), strict=True)
    ]
    order = sorted(range(len(keys)), key=keys.__getitem__)
    return np.asarray(curves.values)[order], [keys[n] for n in order]


def worker(method: str, url: str, key: str, project: str) -> None:
    """In the process of its own: read, and print what it took as JSON."""
    import urllib.request  # noqa: F401

    import numpy as np

    if method != "public":
        # what the first request would import; start.py is about imports
        import moveshelf.client
        import moveshelf.wire.channel
    if method == "cycles":
        import moveshelf.gait.reading  # noqa: F401
    before = peak()
    started = time.perf_counter()
    found = globals()[method](url, key, project)
    seconds = time.perf_counter() - started
    seen = strides = 0
    if found is not None:
        values, keys = found
        strides = len(keys)
        seen = zlib.crc32(np.ascontiguousarray(values).tobytes(), zlib.crc32(json.dumps(keys).encode()))
    print(json.dumps({"seconds": seconds, "strides": strides, "seen": seen, "peak": peak() - before}))


# --- the comparison


def measure(server: Server, method: str, project: str, repeat: int) -> dict[str, float]:
    """The run that took the median time, with what the sandbox counted."""
    runs = []
    for _ in range(repeat):
        server.ask(do="clear_requests")
        command = [sys.executable, __file__, "--run", method, server.api_url, server.api_key, project]
        done = subprocess.run(command, env=ours(), stdout=subprocess.PIPE, check=True, text=True)
        runs.append({**server.ask(do="count"), **json.loads(done.stdout)})
    return sorted(runs, key=lambda one: one["seconds"])[len(runs) // 2]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--trials", type=int, default=200, help=f"default 200, {CLIPS} a session")
    parser.add_argument("--latency", type=float, default=0.02, metavar="S", help="a request; default 0.02")
    parser.add_argument("--skip", nargs="*", default=[], choices=METHODS, help="ways to leave out")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each; the median counts")
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")
    options = parser.parse_args()
    if options.run:
        worker(*options.run)
        return
    methods = [name for name in METHODS if name not in options.skip]
    results = {}
    with Server() as server:
        clips = min(CLIPS, options.trials)
        name = server.ask(
            do="generate", subjects=-(-options.trials // clips), sessions=1, clips=clips, files=1
        )
        project = server.id_of(name)
        measure(server, "read", project, 1)  # the sandbox makes a file when it is first read
        server.ask(do="latency", seconds=options.latency)
        for method in methods:
            results[method] = measure(server, method, project, options.repeat)
            if not options.json:
                print(f"  {method}: {results[method]['seconds']:.2f} s", file=sys.stderr, flush=True)
    if len({(one["strides"], one["seen"]) for one in results.values() if one["strides"]}) > 1:
        sys.exit(f"they did not come to the same numbers: {results}")
    if options.json:
        print(json.dumps(results))
        return
    print(f"{options.trials:,} trials, {options.latency:g} s a request")
    rows = [
        [method, f"{one['requests']:,}", f"{one['seconds']:,.2f}", f"{one['peak'] / 1e6:,.0f}"]
        for method, one in results.items()
    ]
    print(table(["", "requests", "seconds", "MB of memory more"], rows))
    if {"public", "cycles"} <= set(results):
        faster = results["public"]["seconds"] / results["cycles"]["seconds"]
        print(f"cycles: {faster:,.1f} times as fast as public, the same numbers")


if __name__ == "__main__":
    main()
