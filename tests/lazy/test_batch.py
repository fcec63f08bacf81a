"""Batches: waiting for a response, and what its failure means to each object."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from support.trees import Tree, engine_of

from moveshelf.errors import NotFoundError, RequestError
from moveshelf.lazy.batch import Batch
from moveshelf.lazy.peers import Peers
from moveshelf.lazy.selection import basic

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


# a batch alone ---------------------------------------------------------------------------------------------------------
def batch_of(ids: list[str], peers: Peers | None = None) -> Batch:
    return Batch(engine_of(None).loader, basic(Tree), "basic", ids, peers)


def test_a_failure_of_the_request_concerns_all_its_objects() -> None:
    batch = batch_of(["a", "b"])
    batch.error = RequestError("too many cooks")
    failures = [batch.failure("a"), batch.failure("b"), batch.failure("a")]
    assert [str(one) for one in failures] == ["too many cooks"] * 3
    assert len({id(one) for one in (*failures, batch.error)}) == 4, (
        "each waiter raises an exception of its own"
    )
    assert batch.failure("another") is None


def test_a_failure_of_one_object_concerns_it_alone() -> None:
    batch = batch_of(["a", "b"])
    batch.errors["b"] = NotFoundError("no b")
    assert batch.failure("a") is None
    failure = batch.failure("b")
    assert isinstance(failure, NotFoundError)
    assert failure is not batch.errors["b"]


def test_a_batch_counts_in_its_window_once() -> None:
    peers = Peers(["a"])
    batch = batch_of(["a"], peers)
    for _ in range(2):
        batch.enter_window()
        assert (batch.in_window, peers.window.ahead) == (True, 1)
    for _ in range(2):
        batch.leave_window()
        assert (batch.in_window, peers.window.ahead) == (False, 0)
    alone = batch_of(["a"])
    alone.enter_window()
    assert not alone.in_window


def test_a_reader_that_reaches_a_batch_opens_the_whole_window() -> None:
    peers = Peers(["a"])
    batch = batch_of(["a"], peers)
    cache = batch._loader.cache
    obj = cache.get(Tree, "a")
    cache.put(obj, Tree.fields["name"], "A")  # nothing is left to prefetch
    before = peers.room()
    batch.reached(obj)
    assert peers.room() == before, "a batch that was not prefetched tells nothing"
    batch.enter_window()
    batch.reached(obj)
    assert not batch.in_window
    assert peers.room() > before
