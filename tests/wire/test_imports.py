"""gql and aiohttp are imported in a thread as soon as there is a client: what a fork, an end, a failure make of it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from moveshelf.wire import imports

ROOT = Path(__file__).resolve().parents[2]
CONNECT = "import sys, moveshelf; ms = moveshelf.connect(api_key='abcdefgh', api_url='http://127.0.0.1:9/graphql')\n"
"""A client whose service does not exist: what is tested here comes before any response."""


def run(code: str, *options: str, folder: Path, before: str = "") -> subprocess.CompletedProcess[str]:
    """What a new interpreter did with that code, in an empty folder; with `before` ahead of the client."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(folder)}
    command = [sys.executable, *options, "-c", before + CONNECT + code]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


def test_it_is_imported_without_a_request(tmp_path: Path) -> None:
    done = run(
        "import gc\n"
        "from moveshelf.wire import imports\n"
        "imports._running.join()\n"
        "assert imports.CHANNEL in sys.modules and 'gql' in sys.modules\n"
        "assert gc.isenabled() and ms.stats.requests == 0",
        folder=tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_second_client_begins_nothing(tmp_path: Path) -> None:
    done = run(
        "from moveshelf.wire import imports\n"
        "first = imports._running\n"
        "other = moveshelf.connect(api_key='abcdefgh', api_url='http://127.0.0.1:9/graphql')\n"
        "assert first is not None and imports._running is first",
        folder=tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("collector", ["enable", "disable"])
def test_the_collector_is_as_it_was(tmp_path: Path, collector: str) -> None:
    done = run(
        "import gc\n"
        "from moveshelf.wire import imports\n"
        "imports._running.join()\n"
        f"gc.{collector}()\n"
        "before = gc.isenabled()\n"
        "moveshelf.Cohort, ms._wire._open()\n"
        "assert gc.isenabled() is before",
        folder=tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_an_end_in_the_middle_is_silent(tmp_path: Path) -> None:
    for number in range(20):
        pause = f"import time; time.sleep({number % 10 / 50})"
        done = run(pause, folder=tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), number


def test_an_exception_in_the_middle_is_the_only_one(tmp_path: Path) -> None:
    done = run("raise SystemExit('enough')", folder=tmp_path)
    assert (done.returncode, done.stderr) == (1, "enough\n")


def test_the_second_thread_waits_for_the_certificates(tmp_path: Path) -> None:
    """Two threads that compute take turns: graphql comes while nothing else computes, or it is of no use."""
    done = run(
        "from moveshelf.wire import imports\n"
        "imports._running.join()\n"
        "order = list(sys.modules)\n"
        "assert order.index(imports.CERTIFICATES) < order.index(imports.BESIDE)",
        folder=tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_without_that_module_of_aiohttp_s_graphql_comes_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "CERTIFICATES", "aiohttp.no_such_module")
    steps: list[str] = []
    monkeypatch.setattr(imports, "_step", steps.append)
    imported = threading.Event()
    beside = threading.Thread(target=imports._beside, args=(imported,))
    beside.start()
    beside.join(0.05)
    assert beside.is_alive()
    assert not steps
    imported.set()
    beside.join(10)
    assert steps == [imports.BESIDE]


def test_what_was_imported_is_old_for_the_collector(tmp_path: Path) -> None:
    """Otherwise its next runs go through all of it: 20 of 300 ms until the first response."""
    done = run(
        "from moveshelf.wire import imports\n"
        "imports._running.join()\n"
        "import gc, gql, graphql\n"
        "old = {*map(id, gc.get_objects(generation=2))}\n"
        "kinds = [gql.Client, graphql.GraphQLSchema, moveshelf.Session]\n"
        "assert all(id(kind) in old for kind in kinds), [id(kind) in old for kind in kinds]\n"
        "assert not gc.get_freeze_count()",
        folder=tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_what_the_program_has_frozen_stays_frozen(tmp_path: Path) -> None:
    done = run(
        "from moveshelf.wire import imports\n"
        "imports._running.join()\n"
        "assert not any(one is frozen for one in gc.get_objects())",
        before="import gc; frozen = [[]]; gc.freeze()\n",
        folder=tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_what_only_messages_and_drawings_need_is_not_imported(tmp_path: Path) -> None:
    names = ["decimal", "difflib", "fractions", "html.entities"]
    looked = (
        "import sys, moveshelf\n"
        "moveshelf.connect, moveshelf.Session\n"
        f"found = {{*{names}}} & {{*sys.modules}}\n"
    )
    done = run("assert not found, found", before=looked, folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_fork_in_the_middle_waits_for_it(tmp_path: Path) -> None:
    """The child finds whole modules; it neither waits for a thread of its parent nor imports again."""
    code = (
        "import os, time\n"
        "time.sleep({pause})\n"
        "child = os.fork()\n"
        "from moveshelf.wire import imports, thread\n"
        "if not child:\n"
        "    there = imports.CHANNEL in sys.modules\n"
        "    with thread.import_lock:\n"
        "        ms._wire._open()\n"
        "    os._exit(0 if there and imports._running is None else 3)\n"
        "assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0\n"
        "with thread.import_lock:\n"
        "    ms._wire._open()"
    )
    for number in range(8):
        done = run(
            code.format(pause=number / 40), "-W", "error::DeprecationWarning:__main__", folder=tmp_path
        )
        assert (done.returncode, done.stderr) == (0, ""), number


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_chain_of_forks(tmp_path: Path) -> None:
    code = (
        "import os\n"
        "for _ in range(10):\n"
        "    child = os.fork()\n"
        "    if child:\n"
        "        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
        "ms._wire._open()"
    )
    # Python 3.12 counts the system's threads, of which one that has just ended may still be there
    done = run(code, "-W", "ignore::DeprecationWarning", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", ["gql", "yarl", "graphql", "aiohttp"])
def test_a_failure_is_left_to_the_first_request(tmp_path: Path, name: str) -> None:
    """The threads say nothing; the request raises what is wrong, also a second time."""
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text(f"raise ImportError('this {name} is broken')")
    code = (
        "from moveshelf.wire import imports\n"
        "imports._running.join()\n"
        "for _ in range(2):\n"
        "    try:\n"
        "        ms.projects.names()\n"
        "    except ImportError as error:\n"
        f"        assert str(error) == 'this {name} is broken', error\n"
        "    else:\n"
        "        raise AssertionError('no error')"
    )
    done = run(code, folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_without_a_second_thread_it_is_imported_all_the_same(tmp_path: Path) -> None:
    done = run(
        "from moveshelf.wire import imports\n"
        "imports._running.join()\n"
        "for name in [one for one in sys.modules if one.partition('.')[0] in ('aiohttp', 'gql', 'graphql')]:\n"
        "    del sys.modules[name]\n"
        "del sys.modules[imports.CHANNEL]\n"
        "class NoThread(imports.threading.Thread):\n"
        "    def start(self):\n"
        "        raise RuntimeError('no thread can be started')\n"
        "imports.threading.Thread = NoThread\n"
        "imports._run()\n"
        "assert {imports.CHANNEL, 'aiohttp', 'graphql', 'gql.transport.aiohttp'} <= {*sys.modules}",
        folder=tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_user_s_folders_are_not_sought_for_a_key_that_is_given(tmp_path: Path) -> None:
    done = run("assert 'platformdirs' not in sys.modules", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_nothing_begins_once_the_program_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "CHANNEL", "moveshelf.wire.not_imported")
    monkeypatch.setattr(imports, "_running", None)
    monkeypatch.setattr(imports, "_ended", True)
    imports.begin_import()
    assert imports._running is None


def test_where_no_thread_starts_the_first_request_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoThread(imports.threading.Thread):
        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr(imports, "CHANNEL", "moveshelf.wire.not_imported")
    monkeypatch.setattr(imports, "_running", None)
    monkeypatch.setattr(imports.threading, "Thread", NoThread)
    imports.begin_import()
    assert imports._running is None
