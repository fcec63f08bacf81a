"""The referee: a published client and ours, on two sandboxes with the same data, given the same calls.

    python tests/api/flat_referee.py [version ...]     prints what differs, and counts the calls

See flat_calls.py for the calls, flat_published.py for where the published clients come from.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
if __name__ == "__main__":
    sys.path[:0] = [str(HERE), str(ROOT)]

import flat_calls  # noqa: E402
import flat_published  # noqa: E402

from moveshelf.sandbox import Sandbox  # noqa: E402

_STORE = re.compile(r"http://127\.0\.0\.1:\d+/store/([^?]+)\?[^\s\"]*")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[0-9.:+Z]*")


class Side(NamedTuple):
    """One client with its sandbox."""

    name: str
    sandbox: Sandbox
    process: subprocess.Popen[str]

    def run(self, call: dict[str, Any]) -> dict[str, Any]:
        """What came of a call, and what arrived at the sandbox meanwhile."""
        self.sandbox.requests.clear()
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(call) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended at {call}")
        result: dict[str, Any] = json.loads(line)
        arrived = list(self.sandbox.requests)
        result["requests"] = len(arrived)
        result["mutations"] = [
            [list(one.fields), one.variables]
            for one in arrived
            if one.query is not None and one.query.lstrip().startswith("mutation")
        ]
        result["blobs"] = [
            [one.method, one.bytes_in, one.authorization] for one in arrived if one.kind == "blob"
        ]
        return result


def _start(name: str, python: str, folder: Path, path: Path, modules: tuple[str, ...]) -> Side:
    sandbox = Sandbox(folder).start()
    command = [
        python,
        "-W",
        "ignore",
        str(HERE / "flat_runner.py"),
        sandbox.key_file,
        sandbox.api_url,
        *modules,
    ]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        cwd=path,
        env={"PYTHONPATH": str(ROOT) if name == "ours" else "", "PYTHONUTF8": "1", "PATH": "/usr/bin:/bin"},
    )
    assert process.stdout is not None
    ready = json.loads(process.stdout.readline() or "{}").get("ready", "")
    if Path(ready).is_relative_to(ROOT / "moveshelf_api") != (name == "ours"):
        raise RuntimeError(f"{name} runs {ready}")
    return Side(name, sandbox, process)


@contextmanager
def court(
    version: str, modules: tuple[str, ...] = ("urllib3",)
) -> Iterator[tuple[Side, Side, dict[str, str]]]:
    """(theirs, ours, ids): two clients, each before its own copy of one sandbox."""
    python = flat_published.python_of(version)
    with tempfile.TemporaryDirectory(prefix="referee-") as folder:
        home = Path(folder)
        with Sandbox(home / "first", demo=True) as sandbox:
            ids = flat_calls.furnish(sandbox, home)
        shutil.copytree(home / "first", home / "second")
        sides: list[Side] = []
        try:
            sides.append(_start("theirs", python, home / "first", home, modules))
            sides.append(_start("ours", sys.executable, home / "second", home, modules))
            yield sides[0], sides[1], ids
        finally:
            for side in sides:
                side.process.kill()
                side.process.communicate()
                side.sandbox.stop()


def settled(value: Any) -> Any:
    """A value without what differs from run to run: ports, signatures, and times of today."""
    if isinstance(value, dict):
        return {key: settled(below) for key, below in value.items()}
    if isinstance(value, list):
        return [settled(below) for below in value]
    if isinstance(value, str):
        value = _STORE.sub(r"<store \1>", value)
        return _TIME.sub(_settled_time, value)
    return value


def _settled_time(found: re.Match[str]) -> str:
    today = str(datetime.now(timezone.utc).date())
    return "<now>" if found[0].startswith(today) and "T00:00:00" not in found[0] else found[0]


def without_norms(value: Any) -> Any:
    """The one addition taken out: the `norms` of a session, and of its conditions, where they stand last."""
    if isinstance(value, list):
        return [without_norms(below) for below in value]
    if not isinstance(value, dict):
        return value
    keys = list(value)
    if keys and keys[-1] == "norms" and "clips" in keys and {"projectPath", "fullPath"} & set(keys):
        value = {key: value[key] for key in keys[:-1]}
    return {key: without_norms(below) for key, below in value.items()}


def same(theirs: Any, ours: Any) -> bool:
    """Equal as JSON: values, types and the order of keys."""
    return json.dumps(settled(theirs)) == json.dumps(without_norms(settled(ours)))


def holds(theirs: Any, ours: Any) -> bool:
    """Whether every key of theirs is in ours, and equal."""
    if isinstance(theirs, dict):
        return isinstance(ours, dict) and all(k in ours and holds(v, ours[k]) for k, v in theirs.items())
    if isinstance(theirs, list):
        return isinstance(ours, list) and len(theirs) == len(ours) and all(map(holds, theirs, ours))
    return bool(settled(theirs) == settled(ours))


def complaints(theirs: dict[str, Any], ours: dict[str, Any], *, newest: bool) -> list[str]:
    """What is not as it must be between two results of one call."""
    found = []
    if theirs["raised"]:
        if theirs["raised"][0] not in ours["raised"]:
            found.append(
                f"raised {theirs['raised'][0]} ({theirs['text']}), ours {ours['raised']} {ours['text']}"
            )
    elif ours["raised"]:
        found.append(f"returned, ours raised {ours['raised'][0]}: {ours['text']}")
    elif newest and not same(theirs["value"], ours["value"]):
        found.append(f"returned {settled(theirs['value'])!r}, ours {settled(ours['value'])!r}")
    elif not newest and not holds(theirs["value"], ours["value"]):
        found.append(f"returned {settled(theirs['value'])!r}, not held by {settled(ours['value'])!r}")
    if ours["odd"] != theirs["odd"]:
        found.append(f"types {theirs['odd']}, ours {ours['odd']}")
    if newest and settled(ours["mutations"]) != settled(theirs["mutations"]):
        found.append(f"sent {theirs['mutations']}, ours {ours['mutations']}")
    if newest and ours["requests"] > theirs["requests"]:
        found.append(f"took {theirs['requests']} requests, ours {ours['requests']}")
    if any(token for _, _, token in ours["blobs"]):
        found.append("ours sent the key to the object store")
    return found


def main(versions: list[str]) -> int:
    """Compare with each version and print what differs; 1 if anything does."""
    wrong = 0
    for version in versions or [flat_published.NEWEST]:
        newest = version == flat_published.NEWEST
        with court(version) as (theirs, ours, ids):
            calls = flat_calls.calls(ids) if newest else flat_calls.older_calls(ids, version)
            count = 0
            for call in calls:
                results = theirs.run(call), ours.run(call)
                count += 1
                for line in complaints(*results, newest=newest):
                    wrong += 1
                    print(f"{version} {call['call']} {json.dumps(call.get('args', []))}: theirs {line}")
            print(f"{version}: {count} calls")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
