"""How long an event loop is blocked while coroutines read a project, each way in a process of its own:

  idle      nothing at all: what this machine does to any event loop
  first     a new client's first response, with the imports that it needs
  list      `await project.aload("subjects")`: one listing of about a megabyte in one response
  load      `await project.aload("subjects.sessions.clips.files")`: nested responses of about 2,000 objects
  loop      the nested `async for`, with metadata awaited in its body
  tasks     200 tasks at once, each of which loads all below one subject
  thread    the nested loop of `load` without coroutines, in `asyncio.to_thread`: what scripts do without the twins
  published the published client's one big query, in `asyncio.to_thread`

A task that sleeps for a millisecond, again and again, notes by how much it was late: the longest is how long the loop
was blocked. `own work` is the processor time of the loop's thread in between, which other programs do not disturb.
With coroutines that is to be at most 20 ms for responses up to 1 MB (the machine's own, `idle`, aside).

    python tests/benchmarks/aio.py                       # 6,000 subjects to list; 150 x 3 x 8 x 4 below, 50 ms
    python tests/benchmarks/aio.py --only list --loop uvloop --subjects 60000
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from typing import Any

from common import Server, ours, published_python, table, theirs

METHODS = ("idle", "first", "list", "load", "loop", "tasks", "thread", "published")
LIMIT = 0.020


class Lag:
    """A task that notes how late it is woken."""

    def __init__(self) -> None:
        self.longest = 0.0
        self.own = 0.0
        self.over = 0
        self._stop = False

    async def watch(self) -> None:
        while not self._stop:
            before, used = time.perf_counter(), time.thread_time()
            await asyncio.sleep(0.001)
            self.own = max(self.own, time.thread_time() - used)
            late = time.perf_counter() - before - 0.001
            self.longest = max(self.longest, late)
            self.over += late > LIMIT

    async def around(self, work: Any) -> Any:
        watching = asyncio.ensure_future(self.watch())
        await asyncio.sleep(0.05)
        self.longest, self.own, self.over = 0.0, 0.0, 0
        start = time.perf_counter()
        try:
            return await work(), time.perf_counter() - start
        finally:
            self._stop = True
            await watching


async def measure(method: str, url: str, key_file: str, wide: str, deep: str) -> dict[str, Any]:
    lag = Lag()
    if method == "published":
        found, seconds = await lag.around(lambda: asyncio.to_thread(published, url, key_file, deep))
        requests, received = 0, 0
    else:
        import moveshelf

        async with moveshelf.connect(key_file, url) as ms:
            if method != "first":
                await ms.aload("projects")
                await asyncio.sleep(0.2)
            before = ms.stats
            found, seconds = await lag.around(lambda: WORK[method](ms, wide, deep))
            used = ms.stats - before
            requests, received = used.requests, used.bytes_received
    return {
        "found": found,
        "seconds": seconds,
        "longest": lag.longest,
        "own": lag.own,
        "over": lag.over,
        "requests": requests,
        "received": received,
    }


def published(url: str, key_file: str, deep: str) -> int:
    from moveshelf_api.api import MoveshelfApi

    api = MoveshelfApi(api_key_file=key_file, api_url=url)
    subjects = api.getFilteredProjectSubjects(deep, include_additional_data=True)
    return sum(
        len(clip["additionalData"])
        for subject in subjects
        for session in subject["sessions"]
        for clip in session["clips"]
    )


async def idle(ms: Any, wide: str, deep: str) -> int:
    await asyncio.sleep(2)
    return 0


async def first(ms: Any, wide: str, deep: str) -> int:
    await ms.aload("projects")
    return len(ms.projects)


async def listing(ms: Any, wide: str, deep: str) -> int:
    return len((await ms.project(wide).aload("subjects")).subjects)


async def load(ms: Any, wide: str, deep: str) -> int:
    await ms.project(deep).aload("subjects.sessions.clips.files")
    return 0


async def loop(ms: Any, wide: str, deep: str) -> int:
    count = 0
    async for subject in ms.project(deep).subjects:
        await subject.aload("metadata")
        async for session in subject.sessions:
            async for clip in session.clips:
                async for _ in clip.files:
                    count += 1
    return count


async def tasks(ms: Any, wide: str, deep: str) -> int:
    project = await ms.project(deep).aload("subjects")

    async def one(subject: Any) -> int:
        await subject.aload("sessions.clips.files")
        return len(subject.sessions)

    return sum(await asyncio.gather(*[one(subject) for subject in project.subjects[:200]]))


async def thread(ms: Any, wide: str, deep: str) -> int:
    def work() -> int:
        return sum(
            len(clip.files)
            for subject in ms.project(deep).subjects
            for session in subject.sessions
            for clip in session.clips
        )

    return await asyncio.to_thread(work)


WORK = {
    "idle": idle,
    "first": first,
    "list": listing,
    "load": load,
    "loop": loop,
    "tasks": tasks,
    "thread": thread,
}


def worker(method: str, kind: str, *arguments: str) -> None:
    """In the process of its own: measure, and print it as JSON."""
    if kind == "uvloop":
        import uvloop

        made = uvloop.new_event_loop()
    else:
        made = asyncio.new_event_loop()
    print(json.dumps(made.run_until_complete(measure(method, *arguments))))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--subjects", type=int, default=6000, help="subjects of the wide project")
    parser.add_argument(
        "--shape", default="150x3x8x4", help="subjects x sessions x clips x files of the other"
    )
    parser.add_argument("--latency", type=float, default=0.05)
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio")
    parser.add_argument("--only", choices=METHODS, action="append")
    parser.add_argument("--skip", choices=METHODS, action="append", default=[])
    parser.add_argument("--worker", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(*options.worker)
        return
    with Server() as server:
        shape = dict(
            zip(("subjects", "sessions", "clips", "files"), map(int, options.shape.split("x")), strict=True)
        )
        wide = server.id_of(
            server.ask(
                do="generate", subjects=options.subjects, sessions=0, clips=0, files=0, name="lab/wide"
            )
        )
        deep = server.id_of(server.ask(do="generate", **shape, name="lab/deep"))
        server.ask(do="latency", seconds=options.latency)
        rows = []
        for method in [
            one for one in METHODS if one in (options.only or METHODS) and one not in options.skip
        ]:
            python, env = (
                (published_python(), theirs()) if method == "published" else (sys.executable, ours())
            )
            kind = "asyncio" if method == "published" else options.loop
            command = [
                python,
                __file__,
                "--worker",
                method,
                kind,
                server.api_url,
                server.key_file,
                wide,
                deep,
            ]
            found = json.loads(subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE).stdout)
            rows.append(
                [
                    method,
                    f"{found['seconds']:.2f} s",
                    f"{found['longest'] * 1000:.1f} ms",
                    f"{found['own'] * 1000:.1f} ms",
                    str(found["over"]),
                    str(found["requests"] or ""),
                    f"{found['received'] / 1e6:.2f} MB" if found["received"] else "",
                ]
            )
            print(f"  {method} done", file=sys.stderr, flush=True)
    head = [options.loop, "time", "blocked at most", "own work", "over 20 ms", "requests", "received"]
    print(table(head, rows))


if __name__ == "__main__":
    main()
