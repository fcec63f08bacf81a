"""Batches: waiting for a response, and what its failure means to each object."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox


PROGRAM = """
import sys, moveshelf
ms = moveshelf.connect(api_key=sys.argv[2], api_url=sys.argv[1])
subjects = ms.projects[sys.argv[3]].subjects
len(subjects)
print("listed", flush=True)
try:
    sys.stdin.readline()
    for subject in subjects:
        len(subject.sessions)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    sys.stdin.readline()
    print(sum(len(subject.sessions) for subject in subjects), flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise there")
def test_an_interrupt_ends_the_wait(sandbox: Sandbox) -> None:
    name = sandbox.generate(subjects=3, sessions=2, clips=0, files=0)
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, sandbox.api_url, sandbox.api_key, name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert program.stdin is not None
    assert program.stdout is not None
    assert program.stdout.readline() == "listed\n"
    sandbox.latency(3600)
    program.stdin.write("\n")
    program.stdin.flush()
    threading.Event().wait(
        0.5
    )  # the sandbox logs a request when it responds, which it does not under this latency
    program.send_signal(signal.SIGINT)
    assert program.stdout.readline() == "interrupted\n"
    program.kill()
    program.wait()
