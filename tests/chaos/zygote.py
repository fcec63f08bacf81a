"""Processes of the library's that can be killed: forked from one that has everything imported and no thread.

`Zygote` is the side of the campaign; run as a program this file is the other side. A child carries out one of `JOBS`,
writes its result as JSON to a file, and ends.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


class Child:
    """One process. Its `result` is None where it was killed."""

    def __init__(self, folder: Path) -> None:
        self.out = folder / "result.json"
        self.stacks = folder / "stacks.txt"
        self.pid = 0
        self.status: int | None = None
        self.started = threading.Event()
        self.ended = threading.Event()

    def kill(self) -> None:
        if not self.ended.is_set():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> dict[str, Any] | None:
        """What the job has returned; None where the process died before. Hanging ends by the child's own watchdog."""
        self.ended.wait()
        if not self.out.exists():
            return None
        found: dict[str, Any] = json.loads(self.out.read_text())
        return found

    @property
    def hang(self) -> str:
        """The stacks of a child that its watchdog has ended; "" for any other."""
        return self.stacks.read_text() if self.stacks.exists() else ""


class Zygote:
    """Starts children. Any thread."""

    def __init__(self, scratch: Path) -> None:
        home = scratch / "home"
        home.mkdir(parents=True)
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "zygote.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "HOME": str(home)},
        )
        self._children: dict[int, Child] = {}
        self._number = 0
        self._lock = threading.Lock()
        threading.Thread(target=self._listen, daemon=True).start()

    def start(self, job: str, arguments: dict[str, Any], folder: Path, limit: float) -> Child:
        """`folder`: an empty one, for the result. `limit`: seconds after which the child writes its stacks and ends."""
        folder.mkdir(parents=True)
        child = Child(folder)
        with self._lock:
            self._number += 1
            number = self._number
            self._children[number] = child
            order = {
                "number": number,
                "job": job,
                "arguments": arguments,
                "folder": str(folder),
                "limit": limit,
            }
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
        child.started.wait()
        return child

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            word, number, value = line.split()
            child = self._children[int(number)]
            if word == "started":
                child.pid = int(value)
                child.started.set()
            else:
                child.status = int(value)
                del self._children[int(number)]
                child.ended.set()


# -- the other side


def serve() -> None:
    """Fork a child for each line of stdin; tell on stdout when it starts and ends."""
    import jobs

    jobs.prepare()
    # Python's buffers and select do not go together
    orders = sys.stdin.buffer.raw if hasattr(sys.stdin.buffer, "raw") else sys.stdin.buffer  # type: ignore[attr-defined]
    out = os.dup(1)
    os.dup2(2, 1)
    numbers: dict[int, int] = {}
    text = b""
    while True:
        ready, _, _ = select.select([orders], [], [], 0.003 if numbers else 1.0)
        if ready:
            part = orders.read(65536)
            if not part:
                break
            text += part
        *lines, text = text.split(b"\n")
        for line in lines:
            order = json.loads(line)
            pid = os.fork()
            if pid == 0:
                _work(order)
            numbers[pid] = order["number"]
            os.write(out, f"started {order['number']} {pid}\n".encode())
        while numbers:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            os.write(out, f"ended {numbers.pop(pid)} {status}\n".encode())
    for pid in numbers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _work(order: dict[str, Any]) -> None:
    import jobs

    status = 1
    try:
        folder = Path(order["folder"])
        stacks = open(folder / "stacks.part", "w")  # noqa: SIM115
        faulthandler.dump_traceback_later(order["limit"] - 1, file=stacks)
        threading.Timer(order["limit"], _give_up, (folder,)).start()
        result = jobs.carry_out(order["job"], order["arguments"])
        (folder / "result.part").write_text(json.dumps(result))
        os.replace(folder / "result.part", folder / "result.json")
        status = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(status)


def _give_up(folder: Path) -> None:
    os.replace(folder / "stacks.part", folder / "stacks.txt")
    os._exit(9)


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    serve()
