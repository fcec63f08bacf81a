"""A campaign of faults against the library, by hand or in a test.

    python tests/chaos/run.py --trials 2000                  2,000 walks, 200 trees, 2,000 mutated responses, ...
    python tests/chaos/run.py --only walk:123 --seed 1       that trial once more, with everything that happened

Prints a table (kind, trials, right, clean error, wrong, hang, leak), and for everything in the last three columns how to
repeat it. Exit status 1 if anything is there, 2 if the campaign itself has failed.

The trials run in `--jobs` processes, each with a sandbox of its own. A process that hangs in a trial writes the stacks
of its threads and ends; the campaign goes on in a new one.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, TextIO

HERE = Path(__file__).resolve().parent
COLUMNS = ("right", "clean error", "wrong", "hang", "leak")
FRESH = 250
"""Trials after which a process is replaced: its sandbox has become large."""

Job = tuple[str, int]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Faults between client and sandbox.")
    parser.add_argument("--trials", type=int, default=200, help="walks; the other kinds follow from it")
    parser.add_argument("--trees", type=int, help="trees, each killed several times (a tenth of the walks)")
    parser.add_argument("--mutations", type=int, help="calls whose responses are mutated (as many as walks)")
    parser.add_argument("--writes", type=int, help="writes (half as many as walks)")
    parser.add_argument("--bulk", type=int, help="writes of many rows (a tenth of the walks)")
    parser.add_argument(
        "--together", type=int, help="several processes or threads at once (a fiftieth of the walks)"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--only", action="append", default=[], metavar="KIND:NUMBER", help="just this trial")
    parser.add_argument("--repeat", type=int, default=1, help="how often each of --only")
    parser.add_argument("--faults", help="only these kinds of fault, as in duplicate,html; see proxy.KINDS")
    parser.add_argument("--json", type=Path, help="write all results there")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--scratch", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.worker:
        return work(given.seed, given.scratch)
    if given.faults:
        os.environ["CHAOS_FAULTS"] = given.faults
    results = campaign(jobs_of(given), given.seed, given.jobs, quiet=bool(given.only))
    if given.json is not None:
        given.json.write_text(json.dumps(results))
    if given.only:
        for result in results:
            print(shown(result))
    print(table(results))
    problems = report(results, given.seed, given.faults)
    if problems:
        print(f"\n{problems}")
    if any(result["outcome"] == "broken" for result in results):
        return 2
    return 1 if problems else 0


def jobs_of(given: argparse.Namespace) -> list[Job]:
    if given.only:
        only = [(kind, int(number)) for kind, _, number in (one.partition(":") for one in given.only)]
        return only * given.repeat
    counts = {
        "tree": given.trials // 10 if given.trees is None else given.trees,
        "bulk": given.trials // 10 if given.bulk is None else given.bulk,
        "together": max(11, given.trials // 50) if given.together is None else given.together,
        "walk": given.trials,
        "mutated": given.trials if given.mutations is None else given.mutations,
        "write": given.trials // 2 if given.writes is None else given.writes,
    }
    return [(kind, number) for kind, count in counts.items() for number in range(count)]


# -- the campaign's side


def campaign(jobs: list[Job], seed: int, processes: int, *, quiet: bool = False) -> list[dict[str, Any]]:
    waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
    for job in jobs:
        waiting.put(job)
    results: list[dict[str, Any]] = []
    started = time.monotonic()

    def feed() -> None:
        worker: Worker | None = None
        while True:
            try:
                job = waiting.get_nowait()
            except queue.Empty:
                break
            if worker is None or worker.done >= FRESH:
                if worker is not None:
                    worker.close()
                worker = Worker(seed)
            result = worker.run(job)
            if result["outcome"] in ("hang", "broken") and worker.dead:
                worker.close()
                worker = None
            results.append(result)
            if not quiet and sys.stderr.isatty():
                bad = sum(one["outcome"] not in COLUMNS[:2] for one in results)
                seconds = time.monotonic() - started
                print(
                    f"\r{len(results)} of {len(jobs)}, {bad} bad, {seconds:.0f} s ", end="", file=sys.stderr
                )
        if worker is not None:
            worker.close()

    threads = [threading.Thread(target=feed) for _ in range(max(1, min(processes, len(jobs))))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(results, key=lambda one: (one["kind"], one["number"]))


class Worker:
    """A process that carries out trials one by one."""

    def __init__(self, seed: int) -> None:
        self.scratch = Path(tempfile.mkdtemp(prefix="moveshelf-chaos-"))
        self.done = 0
        self.dead = False
        command = [
            sys.executable,
            str(HERE / "run.py"),
            "--worker",
            "--seed",
            str(seed),
            "--scratch",
            str(self.scratch),
        ]
        self._stderr = open(self.scratch / "stderr.txt", "w+")  # noqa: SIM115
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr, text=True
        )

    def run(self, job: Job) -> dict[str, Any]:
        kind, number = job
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(f"{kind} {number}\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        self.done += 1
        if line:
            found: dict[str, Any] = json.loads(line)
            return found
        # it has ended itself: its watchdog has, or it crashed
        self.dead = True
        self._process.wait()
        stacks = (self.scratch / "stacks.txt").read_text() if (self.scratch / "stacks.txt").exists() else ""
        errors = (self.scratch / "stderr.txt").read_text()[-5000:]
        hang = "Timeout" in stacks
        return {
            "kind": kind,
            "number": number,
            "outcome": "hang" if hang else "broken",
            "outcomes": ["hang"] if hang else ["broken"],
            "causes": [
                f"{kind} hang" if hang else f"{kind}: the process ended with {self._process.returncode}"
            ],
            "details": [stacks if hang else errors],
            "errors": [],
            "faults": [],
            "mutations": [],
            "notes": [],
            "log": [],
        }

    def close(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()
        self._stderr.close()
        shutil.rmtree(self.scratch, ignore_errors=True)


def table(results: list[dict[str, Any]]) -> str:
    kinds = sorted({result["kind"] for result in results})
    rows = [("kind", "trials", *COLUMNS)]
    sums: Counter[str] = Counter()
    for kind in kinds:
        own = [result for result in results if result["kind"] == kind]
        counts = Counter(outcome for one in own for outcome in (one["outcomes"] or [one["outcome"]]))
        sums.update(counts)
        sums["trials"] += len(own)
        rows.append((kind, str(len(own)), *(str(counts[column]) for column in COLUMNS)))
    rows.append(("all", str(sums["trials"]), *(str(sums[column]) for column in COLUMNS)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            row[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    lines.insert(
        1,
        "|"
        + "|".join("-" * (width + 2) if not n else "-" * (width + 1) + ":" for n, width in enumerate(widths))
        + "|",
    )
    return "\n".join(lines)


def report(results: list[dict[str, Any]], seed: int, faults: str | None = None) -> str:
    """What is wrong, by cause, the most frequent first, with the way to repeat it."""
    by_cause: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for result in results:
        for cause in result["causes"]:
            by_cause[cause].append(result)
    lines = []
    for cause, found in sorted(by_cause.items(), key=lambda pair: -len(pair[1])):
        examples = " ".join(f"--only {one['kind']}:{one['number']}" for one in found[:3])
        options = f"--seed {seed}" + (f" --faults {faults}" if faults else "")
        lines.append(f"{len(found):5} x {cause}\n        python tests/chaos/run.py {options} {examples}")
    return "\n".join(lines)


def shown(result: dict[str, Any]) -> str:
    """Everything that is known of a trial."""
    lines = [f"== {result['kind']}:{result['number']}: {result['outcome']}"]
    for title in ("faults", "mutations", "notes", "errors", "causes", "log", "details"):
        if result[title]:
            lines += [f"-- {title}", *map(str, result[title])]
    return "\n".join(lines)


# -- the worker's side


def work(seed: int, scratch: Path) -> int:
    """Read "kind number" lines from stdin, write a JSON line for each to stdout."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what else is printed is not a result
    import jobs
    import trials

    jobs.prepare()
    world = trials.World(scratch)
    stacks: TextIO = open(scratch / "stacks.txt", "w")  # noqa: SIM115
    for line in sys.stdin:
        kind, number = line.split()
        stacks.truncate(0)
        faulthandler.dump_traceback_later(trials.LIMITS[kind], exit=True, file=stacks)
        result = trials.run_trial(world, kind, int(number), seed)
        faulthandler.cancel_dump_traceback_later()
        out.write(json.dumps(result) + "\n")
        out.flush()
    world.close()
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    sys.exit(main())
