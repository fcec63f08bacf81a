"""Contents of many small files, read in a loop over subjects, sessions and trials; each way in a process of its own:

  published  what scripts with the published client do: a request for each trial's files with their URLs, and a GET
             (requests) for each file, one after another; the trials' ids are given to it
  loop       ours, loops over all levels and `file.read_bytes()` in the innermost, verified
  named      ours, one file of each trial: `clip.files["..."].read_bytes()`
  limit      what the sandbox and so many connections allow: GETs of all files beside each other, their URLs given

The sandbox is a process of its own and counts requests. It has every file before anything is measured. Time is from the
client's making, listings included.

    python tests/benchmarks/contents.py                       # 400 files of 2 kB, 50 ms
    python tests/benchmarks/contents.py --files 2000 --latency 0.02 --skip published
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from typing import Any

from common import Server, ours, table

METHODS = ("published", "loop", "named", "limit")
FILES = 4
"""Files of a trial, all of them of one size."""
CLIPS = 10
"""Trials of a session."""
AT_ONCE = 16
"""GETs beside each other, as many as ours has."""


# --- the ways: each returns how many files and bytes it read


def published(facts: dict[str, Any]) -> tuple[int, int]:
    import requests

    session = requests.Session()
    session.headers["Authorization"] = "Bearer " + facts["key"]
    query = (
        "query getAdditionalDataInfo($clipId: ID!) { node(id: $clipId) { ... on MocapClip { id "
        "additionalData { id originalFileName originalDataDownloadUri } } } }"
    )
    count = size = 0
    for clip in facts["clips"]:
        response = session.post(facts["url"], json={"query": query, "variables": {"clipId": clip}})
        for file in response.json()["data"]["node"]["additionalData"]:
            count += 1
            size += len(requests.get(file["originalDataDownloadUri"], timeout=60).content)
    return count, size


def loop(facts: dict[str, Any]) -> tuple[int, int]:
    import moveshelf

    count = size = 0
    with moveshelf.connect(api_key=facts["key"], api_url=facts["url"]) as ms:
        for subject in ms.project(facts["project"]).subjects:
            for session in subject.sessions:
                for clip in session.clips:
                    for file in clip.files:
                        count += 1
                        size += len(file.read_bytes())
    return count, size


def named(facts: dict[str, Any]) -> tuple[int, int]:
    import moveshelf

    count = size = 0
    with moveshelf.connect(api_key=facts["key"], api_url=facts["url"]) as ms:
        for subject in ms.project(facts["project"]).subjects:
            for session in subject.sessions:
                for clip in session.clips:
                    count += 1
                    size += len(clip.files["data-1.bin"].read_bytes())
    return count, size


def limit(facts: dict[str, Any]) -> tuple[int, int]:
    import asyncio

    import aiohttp

    async def all_of_them() -> list[int]:
        slots = asyncio.Semaphore(AT_ONCE)

        async def size_of(session: aiohttp.ClientSession, url: str) -> int:
            async with slots, session.get(url) as response:
                return len(await response.read())

        async with aiohttp.ClientSession() as session:
            return await asyncio.gather(*(size_of(session, url) for url in facts["urls"]))

    sizes = asyncio.run(all_of_them())
    return len(sizes), sum(sizes)


def worker(method: str) -> None:
    """In the process of its own: read, and print what it took as JSON."""
    facts = json.load(sys.stdin)
    if method == "published":
        import requests  # noqa: F401
    else:
        # what the first request would import; start.py is about imports
        import moveshelf.client
        import moveshelf.wire.channel  # noqa: F401
    started = time.perf_counter()
    count, size = globals()[method](facts)
    print(json.dumps({"seconds": time.perf_counter() - started, "files": count, "bytes": size}))


# --- the comparison


def measure(server: Server, method: str, facts: dict[str, Any], repeat: int) -> dict[str, float]:
    """The run that took the median time, with what the sandbox counted."""
    runs = []
    for _ in range(repeat):
        server.ask(do="clear_requests")
        command = [sys.executable, __file__, "--run", method]
        given = json.dumps(facts)
        done = subprocess.run(command, input=given, env=ours(), stdout=subprocess.PIPE, check=True, text=True)
        runs.append({**server.ask(do="count"), **json.loads(done.stdout)})
    return sorted(runs, key=lambda one: one["seconds"])[len(runs) // 2]


def listed(server: Server, project: str) -> tuple[list[str], list[str]]:
    """The ids of a project's trials, and the URLs of their files."""
    query = (
        "query($id: ID!) { node(id: $id) { ... on Project { patientsList { sessions { clips { id additionalData "
        "{ id originalDataDownloadUri } } } } } } }"
    )
    found = server.execute(query, id=project)["node"]
    clips = [
        clip
        for subject in found["patientsList"]
        for session in subject["sessions"]
        for clip in session["clips"]
    ]
    urls = [file["originalDataDownloadUri"] for clip in clips for file in clip["additionalData"]]
    return [clip["id"] for clip in clips], urls


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", choices=METHODS, help=argparse.SUPPRESS)
    parser.add_argument(
        "--files", type=int, default=400, help=f"default 400, {FILES} a trial, {CLIPS} trials a session"
    )
    parser.add_argument("--size", type=int, default=2000, help="bytes of a file; default 2000")
    parser.add_argument("--latency", type=float, default=0.05, metavar="S", help="a request; default 0.05")
    parser.add_argument("--skip", nargs="*", default=[], choices=METHODS, help="ways to leave out")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each; the median counts")
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")
    options = parser.parse_args()
    if options.run:
        worker(options.run)
        return
    results = {}
    with Server() as server:
        subjects = max(1, -(-options.files // (FILES * CLIPS * 2)))
        name = server.ask(
            do="generate", subjects=subjects, sessions=2, clips=CLIPS, files=FILES, file_size=options.size
        )
        project = server.id_of(name)
        clips, urls = listed(server, project)
        facts = {
            "url": server.api_url,
            "key": server.api_key,
            "project": project,
            "clips": clips,
            "urls": urls,
        }
        measure(server, "limit", facts, 1)  # the sandbox makes a file when it is first read
        server.ask(do="latency", seconds=options.latency)
        for method in (one for one in METHODS if one not in options.skip):
            results[method] = measure(server, method, facts, options.repeat)
    if options.json:
        print(json.dumps(results))
        return
    print(f"{len(urls):,} files of {options.size:,} bytes, {options.latency:g} s a request")
    rows = [
        [
            method,
            f"{one['files']:,}",
            f"{one['requests']:,}",
            f"{one['seconds']:,.2f}",
            f"{one['seconds'] / one['files'] * 1000:,.1f}",
        ]
        for method, one in results.items()
    ]
    print(table(["", "files", "requests", "seconds", "ms a file"], rows))


if __name__ == "__main__":
    main()
