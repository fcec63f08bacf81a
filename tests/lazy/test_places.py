"""The objects work wherever Python runs: in a running event loop, in a forked child, under Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moveshelf.lazy.identity import IdentityMap

from .growing import walk

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox


def test_inside_a_running_event_loop(sandbox: Sandbox) -> None:
    name = sandbox.generate(subjects=5, sessions=2, clips=2, files=2)

    async def notebook_cell() -> int:
        with sandbox.connect() as ms:
            return len(list(walk(ms.projects[name])))

    assert asyncio.run(notebook_cell()) == 40


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_in_a_forked_child(sandbox: Sandbox) -> None:
    name = sandbox.generate(subjects=5, sessions=2, clips=2, files=2)
    with sandbox.connect() as ms:
        project = ms.projects[name]
        len(project.subjects)
        sandbox.latency(0.3)
        waiting = threading.Thread(target=lambda: len(project.subjects[0].sessions))
        waiting.start()
        child = os.fork()
        if child == 0:
            # the parent's request is on its way and will never answer here
            try:
                os._exit(0 if len(list(walk(project))) == 40 else 1)
            except BaseException:
                os._exit(2)
        waiting.join()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert len(list(walk(project))) == 40


WALK = """
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
def test_an_interrupt_stops_the_wait_and_nothing_is_stuck_after_it(sandbox: Sandbox) -> None:
    name = sandbox.generate(subjects=3, sessions=2, clips=0, files=0)
    program = subprocess.Popen(
        [sys.executable, "-c", WALK, sandbox.api_url, sandbox.api_key, name],
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
    threading.Event().wait(0.5)  # a request is noted when it is answered, and under this latency it never is
    program.send_signal(signal.SIGINT)
    assert program.stdout.readline() == "interrupted\n"
    program.kill()
    program.wait()


class Thing:
    def __init__(self, identity: str) -> None:
        self.id = identity


@given(st.lists(st.tuples(st.sampled_from(["put", "drop", "die"]), st.integers(0, 30)), max_size=300))
def test_the_identity_map_is_a_weak_dictionary(steps: list[tuple[str, int]]) -> None:
    objects: Any = IdentityMap()
    objects._limit = 4
    alive: dict[str, Thing] = {}
    known: weakref.WeakValueDictionary[str, Thing] = weakref.WeakValueDictionary()
    for step, number in steps:
        name = str(number)
        if step == "put":
            thing = alive.setdefault(name, Thing(name))
            objects.put(thing)
            known[name] = thing
            del thing
        elif step == "drop":
            objects.drop(name)
            known.pop(name, None)
        else:
            alive.pop(name, None)
        assert {one.id for one in objects} == set(known)
        for other in range(31):
            assert objects.get(str(other)) is known.get(str(other))
