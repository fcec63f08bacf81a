"""What a program that connects imports, and what it does not: counted in `sys.modules`, never timed."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support.interrupts import interrupted

import moveshelf
from moveshelf.sandbox import Sandbox

ROOT = Path(__file__).resolve().parents[1]
UNUSED = (
    "moveshelf.fs",
    "moveshelf.gait.reading",
    "moveshelf.models.cohort",
    "moveshelf.models.derived",
    "moveshelf.models.matching",
    "moveshelf.models.tables",
    "moveshelf.operations.bulk",
    "moveshelf.operations.content_cache",
    "moveshelf.operations.contents",
    "moveshelf.operations.downloads",
    "moveshelf.operations.filters",
    "moveshelf.operations.imports",
    "moveshelf.operations.known_fields",
    "moveshelf.operations.overview",
    "moveshelf.operations.paths",
    "moveshelf.operations.read_ahead",
    "moveshelf.operations.recovery",
    "moveshelf.operations.upload_tree",
    "moveshelf.operations.uploads",
    "moveshelf.tables.excel",
    "moveshelf.tables.typed",
    "moveshelf.transfer.journal",
    "moveshelf.transfer.layout",
    "moveshelf.transfer.locks",
    "matplotlib",
    "numpy",
    "pandas",
    "rich",
    "tqdm",
    "xarray",
)


def modules_after(code: str, folder: Path) -> set[str]:
    """The modules of a new interpreter after that code."""
    done = subprocess.run(
        [sys.executable, "-c", f"import json, sys\n{code}\nprint(json.dumps(sorted(sys.modules)))"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("answer", [False, True])
def test_what_the_first_answer_does_not_need_is_not_imported(tmp_path: Path, answer: bool) -> None:
    with Sandbox(demo=True) as sandbox:
        code = f"import moveshelf; ms = moveshelf.connect(api_key={sandbox.api_key!r}, api_url={sandbox.api_url!r})"
        found = modules_after(code + ("; assert ms.projects.names()" if answer else ""), tmp_path)
    assert "moveshelf.client" in found
    assert not found & set(UNUSED)


def test_an_import_imports_next_to_nothing(tmp_path: Path) -> None:
    found = {name for name in modules_after("import moveshelf", tmp_path) if name.startswith("moveshelf")}
    assert found == {"moveshelf"}


def test_an_interrupt_at_any_moment_of_an_import_leaves_the_collector_on() -> None:
    def work() -> None:
        with moveshelf._importing():
            sys.modules[f"imported-{len(sys.modules)}"] = sys

    gc.enable()
    before, names, places = gc.get_freeze_count(), {*sys.modules}, 0
    try:
        for place in interrupted(work, moveshelf):
            places += 1
            assert gc.isenabled(), place
            assert gc.get_freeze_count() <= before, place
    finally:
        gc.enable()
        for name in {*sys.modules} - names:
            del sys.modules[name]
    assert places > 10


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_process_that_is_forked_during_an_import_has_the_collector_on() -> None:
    inside, leave = threading.Event(), threading.Event()

    def work() -> None:
        with moveshelf._importing():
            inside.set()
            leave.wait(30)

    gc.enable()
    thread = threading.Thread(target=work)
    thread.start()
    inside.wait(30)
    child = os.fork()
    if child == 0:
        os._exit(0 if gc.isenabled() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert not gc.isenabled()
    leave.set()
    thread.join()
    assert gc.isenabled()


CLIENTS = """
import weakref
{}

class Node: pass
connect()
from moveshelf.wire import imports
if imports._running: imports._running.join()
alive, most = weakref.WeakSet(), 0
for number in range(2000):
    client = connect()
    node = Node()
    node.own = node
    alive.add(node)
    del node, client
    most = max(most, len(alive))
assert most < 1000, most
"""


@pytest.mark.parametrize(
    "connect",
    [
        "from moveshelf_api.api import MoveshelfApi\n"
        "def connect(): return MoveshelfApi(api_key_file={file!r}, api_url='http://127.0.0.1:9/graphql')",
        "import moveshelf\ndef connect(): return moveshelf.connect({file!r}, 'http://127.0.0.1:9/graphql')",
    ],
    ids=["flat", "objects"],
)
def test_a_program_that_makes_many_clients_collects_its_garbage(tmp_path: Path, connect: str) -> None:
    """Each import makes all objects old for the collector; a client that imports nothing new does not."""
    file = tmp_path / "mvshlf-api-key.json"
    file.write_text(json.dumps({"secretKey": "k" * 40}))
    modules_after(CLIENTS.format(connect.format(file=str(file))), tmp_path)


UNFLUSHED = """
{}
class Holder:
    def __del__(self): self.file.close()
holder = Holder()
holder.own = holder
holder.file = open("out.txt", "w")
holder.file.write("kept")
del holder
"""


@pytest.mark.parametrize("use", ["moveshelf.connect", "ms.projects.names()"])
def test_what_lies_in_a_cycle_is_finalized_at_the_end_of_the_program(tmp_path: Path, use: str) -> None:
    """By a last collection, which frozen objects are not part of."""
    with Sandbox(demo=True) as sandbox:
        code = f"import moveshelf; ms = moveshelf.connect(api_key={sandbox.api_key!r}, api_url={sandbox.api_url!r})"
        modules_after(UNFLUSHED.format(f"{code}\n{use}"), tmp_path)
    assert (tmp_path / "out.txt").read_text() == "kept"
