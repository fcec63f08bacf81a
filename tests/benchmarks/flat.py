"""The flat client beside the published one: the same calls by turns, against one sandbox in a process of its own.

    python tests/benchmarks/flat.py [--calls 1000] [--large 40] [--latency S] [--version 1.6.4]

Prints the median of each call in both, the ratio, and how much of the time is the sandbox's own (ours asks for one
field more of each session, its norms). Ours is to stay below 1.15 times theirs. The published client runs in an
environment of its own (tests/api/flat_published.py), and each client in its own process, which times itself, so
that neither pays for the other.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def serve(key_file: str, url: str) -> None:
    """Runs in either environment: carries out one call a line, and answers with the seconds it took."""
    from moveshelf_api.api import MoveshelfApi

    api = MoveshelfApi(key_file, url)
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        name, args, kwargs = json.loads(line)
        method = getattr(api, name)
        begin = time.perf_counter()
        method(*args, **kwargs)
        print(json.dumps(time.perf_counter() - begin), flush=True)


class Client:
    """One client in its process."""

    def __init__(self, python: str, path: str, key_file: str, url: str) -> None:
        self.process = subprocess.Popen(
            [python, "-W", "ignore", str(Path(__file__).resolve()), "--serve", key_file, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(key_file).parent,
            env={**os.environ, "PYTHONPATH": path},
        )
        self.line()

    def line(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.process.args!r} ended")
        return json.loads(line)

    def time(self, call: list[Any]) -> float:
        """Seconds that one call takes."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(call) + "\n")
        self.process.stdin.flush()
        return float(self.line())


def cases(api: Any, small: int, large: int) -> list[tuple[str, list[Any], int]]:
    """(what it is, the call, how often)."""
    project = next(one["id"] for one in api.getUserProjects() if one["name"] == "bench/small")
    subject = api.getProjectSubjects(project)[0]["id"]
    session = api.getSubjectDetails(subject)["sessions"][0]
    clip = session["clips"][0]["id"]
    sessions = next(one["id"] for one in api.getUserProjects() if one["name"] == "bench/sessions")
    many = api.getProjectSubjects(sessions)[0]["id"]
    thousand = next(one["id"] for one in api.getUserProjects() if one["name"] == "bench/subjects")
    return [
        ("getClipData", ["getClipData", [clip], {}], small),
        ("getAdditionalData", ["getAdditionalData", [clip], {}], small),
        ("getSessionById", ["getSessionById", [session["id"]], {}], small),
        ("getSubjectDetails", ["getSubjectDetails", [subject], {}], small),
        ("updateClipMetadata", ["updateClipMetadata", [clip, {"description": "x"}], {}], small),
        ("getSubjectDetails, 100 sessions", ["getSubjectDetails", [many], {}], large),
        ("getFilteredProjectSubjects, 1,000", ["getFilteredProjectSubjects", [thousand], {}], large),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=1000, help="of each small call, by turns")
    parser.add_argument("--large", type=int, default=40, help="of each large call, by turns")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds that every answer takes")
    parser.add_argument("--version", default="1.6.4", help="of the published client")
    options = parser.parse_args()

    sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "api")]
    import flat_published

    from moveshelf.api import MoveshelfApi

    python = flat_published.python_of(options.version)
    command = [sys.executable, "-m", "moveshelf.sandbox", "--json"]
    sandbox = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    clients: list[Client] = []
    try:
        assert sandbox.stdout is not None
        facts = json.loads(sandbox.stdout.readline())
        key_file, url = facts["key_file"], facts["api_url"]
        for name, subjects, sessions, clips, files in (
            ("small", 4, 3, 6, 4),
            ("sessions", 1, 100, 8, 0),
            ("subjects", 1000, 3, 0, 0),
        ):
            sizes = {"subjects": subjects, "sessions": sessions, "clips": clips, "files": files}
            control(facts, do="generate", name=f"bench/{name}", **sizes)
        with MoveshelfApi(key_file, url) as api:
            table = cases(api, options.calls, options.large)
        control(facts, do="latency", seconds=options.latency)
        clients = [Client(python, "", key_file, url), Client(sys.executable, str(ROOT), key_file, url)]
        turns = random.Random(0)
        head = f"{'theirs':>9} {'ours':>9} {'ratio':>6}   sandbox: {'theirs':>7} {'ours':>7}"
        print(f"{'median of a call, ms':36} {'times':>6} {head}")
        for what, call, times in table:
            for client in clients:
                for _ in range(5):
                    client.time(call)
            taken: list[list[float]] = [[], []]
            for _ in range(times):
                # the second finds the sandbox warm, and the garbage collector comes by with a period of its own:
                # neither is always the same one's
                for index in turns.sample((0, 1), 2):
                    taken[index].append(clients[index].time(call))
            theirs, ours = (1000 * statistics.median(one) for one in taken)
            served = [share(facts, client, call) for client in clients]
            print(
                f"{what:36} {times:6} {theirs:9.2f} {ours:9.2f} {ours / theirs:6.2f}"
                f"            {served[0]:7.2f} {served[1]:7.2f}",
                flush=True,
            )
    finally:
        for client in clients:
            client.process.kill()
        sandbox.terminate()
        sandbox.wait()


def share(facts: dict[str, str], client: Client, call: list[Any]) -> float:
    """Milliseconds of one call that the sandbox spends, the median of twenty."""
    control(facts, do="clear_requests")
    for _ in range(20):
        client.time(call)
    return 1000 * statistics.median(record["seconds"] for record in control(facts, do="requests"))


def control(facts: dict[str, str], **action: Any) -> Any:
    """Have the sandbox's process do something."""
    from urllib.request import Request, urlopen

    request = Request(
        facts["api_url"].replace("/graphql", "/_sandbox"),
        data=json.dumps(action).encode(),
        headers={"Authorization": f"Bearer {facts['api_key']}", "Content-Type": "application/json"},
    )
    with urlopen(request) as answer:
        return json.loads(answer.read())["result"]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        # not from here: a folder of this script's must not shadow anything
        sys.path[:] = [place for place in sys.path if Path(place or ".").resolve() != HERE]
        serve(*sys.argv[2:4])
    else:
        main()
