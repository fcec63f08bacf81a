"""One I/O thread under every kind of caller: threads, running loops, forks, interrupts, the end of the program."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.interrupts import interrupted

from moveshelf.errors import DetachedError, RequestError
from moveshelf.wire import Future, Wire, cap_jobs
from moveshelf.wire import thread as wire_thread
from moveshelf.wire.thread import ProcessLock

from .faultserver import FaultServer, Hold, ok, reply

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox

QUERY = "query Read { ok }"


def run_script(text: str, *args: str, stdin: int | None = None) -> subprocess.CompletedProcess[str]:
    """A program of its own, whose stderr must stay as it wants it."""
    return subprocess.run(
        [sys.executable, "-W", "default::ResourceWarning", "-c", textwrap.dedent(text), *args],
        capture_output=True,
        text=True,
        timeout=60,
        stdin=stdin,
        check=False,
    )


def test_importing_the_wire_starts_nothing_and_imports_neither_gql_nor_aiohttp():
    done = run_script(
        """
        import sys, threading
        import moveshelf.config, moveshelf.wire
        wire = moveshelf.wire.Wire("https://api.moveshelf.com/graphql", "k" * 64)
        print(sorted({"gql", "aiohttp", "graphql", "asyncio.events"} & set(sys.modules) - {"asyncio.events"}))
        print(threading.active_count())
        """
    )
    assert (done.stdout, done.stderr) == ("[]\n1\n", "")


def test_inside_a_running_loop(connect):
    with FaultServer() as server:
        wire = connect(server.url)

        async def cell() -> dict[str, object]:
            return wire.execute(QUERY)

        assert asyncio.run(cell()) == {"ok": True}


def test_many_threads_and_many_clients(connect):
    def response(connection, seen):
        return ok(ok=seen.json["variables"]["n"])(connection, seen)

    with FaultServer(default=response) as server:
        wires = [connect(server.url) for _ in range(3)]
        wrong: list[object] = []

        def work(number: int) -> None:
            for step in range(30):
                n = number * 1000 + step
                got = wires[n % 3].execute(QUERY, {"n": n})
                if got != {"ok": n}:
                    wrong.append(got)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        assert sum(wire.stats.requests for wire in wires) == 12 * 30 == len(server.seen)
    assert sum(thread.name == "moveshelf-io" for thread in threading.enumerate()) == 1


def test_many_waiters_for_one_response(connect):
    hold = Hold()
    with FaultServer(hold) as server:
        future = connect(server.url).submit(QUERY)
        got: list[object] = []
        threads = [threading.Thread(target=lambda: got.append(future.result().data)) for _ in range(10)]
        for thread in threads:
            thread.start()
        assert not future.done()
        assert repr(future) == "<Future waiting>"
        hold.free.set()
        for thread in threads:
            thread.join()
        assert got == [{"ok": True}] * 10
        assert len(server.seen) == 1


def test_callbacks_run_before_waiters_wake(connect):
    hold = Hold()
    with FaultServer(hold) as server:
        future = connect(server.url).submit(QUERY)
        seen: list[object] = []

        def look(done: Future[object]) -> None:
            seen.append((threading.current_thread().name, done.done(), done.result()))

        def fail(done: Future[object]) -> None:
            raise ZeroDivisionError("a mistake of the caller's")

        future.add_done_callback(fail)
        future.add_done_callback(look)
        hold.free.set()
        response = future.result()
        assert seen == [("moveshelf-io", True, response)]
        future.add_done_callback(look)
        assert seen[1] == (threading.current_thread().name, True, response)


def test_a_timeout_of_the_waiter_leaves_the_request_alone(connect):
    hold = Hold()
    with FaultServer(hold) as server:
        future = connect(server.url).submit(QUERY)
        with pytest.raises(TimeoutError, match="goes on"):
            future.result(timeout=0.01)
        hold.free.set()
        assert future.result().data == {"ok": True}


def test_a_request_can_be_cancelled(connect):
    hold = Hold()
    with FaultServer(hold) as server:
        wire = connect(server.url)
        begun = wire.submit(QUERY)
        assert hold.arrived.wait(20)
        begun.cancel()
        unbegun = [wire.submit(QUERY) for _ in range(20)]
        for future in unbegun:
            future.cancel()
        for future in [begun, *unbegun]:
            with pytest.raises(RequestError, match="cancelled"):
                future.result()
        begun.cancel()
        assert wire.execute(QUERY) == {"ok": True}


def test_the_io_thread_refuses_to_wait_for_itself(connect):
    with FaultServer() as server:
        wire = connect(server.url)

        async def mistake() -> None:
            wire.execute(QUERY)

        with pytest.raises(RuntimeError, match="await"):
            wire.run(mistake).result()


def test_run_returns_and_raises_what_the_coroutine_does(connect):
    with FaultServer() as server:
        wire = connect(server.url)

        async def add(a: int, b: int) -> int:
            await asyncio.sleep(0)
            return a + b

        async def fail() -> None:
            raise FileNotFoundError(2, "no such file", "x.c3d")

        assert wire.run(add, 2, 3).result() == 5
        future = wire.run(fail)
        for _ in range(2):
            with pytest.raises(FileNotFoundError, match=r"x\.c3d") as caught:
                future.result()
            assert "fail" in [entry.name for entry in caught.traceback]
        assert server.seen == []


def test_closing_ends_what_is_in_flight(connect):
    with FaultServer(Hold()) as server:
        wire = connect(server.url)
        future = wire.submit(QUERY)

        async def forever() -> None:
            await asyncio.sleep(3600)

        running = wire.run(forever)
        wire.close()
        for ended in (future, running):
            with pytest.raises(DetachedError, match="closed"):
                ended.result()


# -- nothing is left behind


def io_round() -> None:
    """Let the I/O thread do what it has been told so far."""
    io = wire_thread.io_thread()

    async def nothing() -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    future: Future[None] = Future(io)
    io.spawn(future, nothing)
    future.result()


def test_a_dropped_client_closes_its_connections_without_the_cycle_collector(token):
    closed = threading.Event()
    others = set(wire_thread.io_thread().closers)  # clients of other tests that nobody has collected yet

    class Watching(FaultServer):
        def _serve(self, connection):
            super()._serve(connection)
            closed.set()

    gc.disable()
    try:
        with Watching() as server:
            wire = Wire(server.url, token)
            wire.execute(QUERY)
            assert not closed.is_set()
            ghost = weakref.ref(wire)
            del wire
            assert ghost() is None
            assert closed.wait(20)
            io_round()
            assert wire_thread.io_thread().closers <= others
    finally:
        gc.enable()


def test_a_client_dropped_while_its_response_is_awaited(token):
    hold = Hold()
    others = set(wire_thread.io_thread().closers)
    with FaultServer(hold) as server:
        future = Wire(server.url, token).submit(QUERY)
        hold.free.set()
        assert future.result().data == {"ok": True}
    io_round()
    assert wire_thread.io_thread().closers <= others


def test_requests_leave_nothing_for_the_cycle_collector(connect):
    with FaultServer(default=reply(404, "no")) as server:
        wire = connect(server.url)

        def send() -> weakref.ref[object]:
            future = wire.submit(QUERY)
            assert future.exception() is not None
            return weakref.ref(future)

        send()
        gc.collect()
        gc.disable()
        try:
            ghosts = [send() for _ in range(5)]
            io_round()
            assert [ghost() for ghost in ghosts] == [None] * 5
        finally:
            gc.enable()


@pytest.mark.parametrize(
    "last", ["", "wire.close()", "del wire", "future = wire.submit(QUERY)", "raise SystemExit(3)"]
)
def test_the_end_of_the_program_is_quiet(last):
    with FaultServer(ok(), default=Hold()) as server:
        done = run_script(
            f"""
            import sys
            from moveshelf.wire import Wire
            QUERY = "query Read {{ ok }}"
            wire = Wire(sys.argv[1], "k" * 64)
            print(wire.execute(QUERY))
            {last}
            """,
            server.url,
        )
    assert (done.stdout, done.stderr) == ("{'ok': True}\n", "")
    assert done.returncode == (3 if "3" in last else 0)


def test_sending_while_python_ends():
    with FaultServer() as server:
        done = run_script(
            """
            import atexit, sys
            def late():
                try:
                    print(wire.execute("query Late { ok }"))
                except Exception as error:
                    print(type(error).__name__)
            atexit.register(late)  # before the wire's own, so it runs after it
            from moveshelf.wire import Wire
            wire = Wire(sys.argv[1], "k" * 64)
            print(wire.execute("query Read { ok }"))
            """,
            server.url,
        )
    assert (done.stdout, done.stderr) == ("{'ok': True}\nDetachedError\n", "")


def test_a_name_server_that_never_responses_holds_neither_the_caller_nor_the_end():
    done = run_script(
        """
        import socket, threading
        socket.getaddrinfo = lambda *args, **options: threading.Event().wait()
        from moveshelf.wire import RetryPolicy, Wire
        wire = Wire("https://api.moveshelf.example/graphql", "k" * 64, timeout=0.1, retry=RetryPolicy(first=0))
        try:
            wire.execute("query Read { ok }")
        except Exception as error:
            print(error)
        """
    )
    assert done.stdout.startswith(
        "'Read' failed: no connection to api.moveshelf.example within 0.1 s (2 attempts)"
    )
    assert done.stderr == ""


# -- interrupts


INTERRUPTED = """
    import os, signal, sys, threading, time
    from moveshelf.wire import Wire
    wire = Wire(sys.argv[1], "k" * 64)
    main = threading.get_ident()
    def waits():
        frame, names = sys._current_frames()[main], []
        while frame:
            names.append(frame.f_code.co_name)
            frame = frame.f_back
        return names[0] == "_wait"
    def watch():
        sys.stdin.readline()
        while not (waits() and not time.sleep(0.05) and waits()):
            time.sleep(0.01)
        {aim}
    threading.Thread(target=watch, daemon=True).start()
    {setup}
    try:
        {wait}
    except KeyboardInterrupt:
        print("interrupted", {state})
"""


@pytest.mark.parametrize(
    "aim",
    ["os.kill(os.getpid(), signal.SIGINT)", "signal.raise_signal(signal.SIGINT)"],
    ids=["process", "thread"],
)
@pytest.mark.parametrize(
    ("wait", "setup", "state"),
    [
        ("wire.execute('query Read { ok }')", "", ""),
        (
            "wire.run(work).result()",
            "told = []\n"
            "    async def work():\n"
            "        import asyncio\n"
            "        session = await wire.blob_session()\n"
            "        try:\n"
            "            await session.request('GET', sys.argv[1])\n"
            "        except asyncio.CancelledError:\n"
            "            told.append('tidy')\n"
            "            raise\n",
            "*told",
        ),
    ],
    ids=["execute", "run"],
)
@pytest.mark.skipif(os.name == "nt", reason="a signal to one process of a group")
def test_an_interrupt_ends_the_wait(wait, setup, state, aim):
    hold = Hold()
    with FaultServer(default=hold) as server:
        script = textwrap.dedent(INTERRUPTED.format(aim=aim, wait=wait, setup=setup, state=state))
        process = subprocess.Popen(
            [sys.executable, "-W", "default::ResourceWarning", "-c", script, server.url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert hold.arrived.wait(30)
            out, err = process.communicate("\n", timeout=30)
        finally:
            process.kill()
    assert (out.split(), err) == (["interrupted", *(["tidy"] if state else [])], "")


def _is_free(lock: threading.Condition | ProcessLock) -> bool:
    """Whether another thread can have it."""
    had: list[bool] = []

    def take() -> None:
        had.append(lock.acquire(timeout=10))
        lock.release()

    thread = threading.Thread(target=take)
    thread.start()
    thread.join()
    return had == [True]


def test_an_interrupt_at_any_moment_leaves_a_lock_free() -> None:
    """The I/O thread, and every other, would wait for it for ever."""
    locks = [ProcessLock()]

    def work() -> None:
        with locks[-1]:
            pass

    for place in interrupted(work, wire_thread, sys.modules[__name__]):
        assert _is_free(locks[-1]), place
        locks.append(ProcessLock())
    assert len(locks) > 1


def test_a_second_interrupt_does_not_stop_the_io_thread(connect, monkeypatch):
    """It comes while the first one waits a moment for the work's own tidying."""
    monkeypatch.setattr(wire_thread, "SLICE", 0.01)
    futures: list[Future[None]] = []

    async def work() -> None:
        await asyncio.sleep(60)

    def interrupt() -> None:
        raise KeyboardInterrupt

    with FaultServer(ok(), ok()) as server:
        wire = connect(server.url)
        assert wire.submit(QUERY).result(20).data == {"ok": True}  # which starts the I/O thread

        def wait() -> None:
            futures.append(wire.run(work))
            with monkeypatch.context() as patch:
                patch.setattr(wire_thread, "tick", interrupt)
                futures[-1].result()

        for place in interrupted(wait, concurrent.futures._base, threading):
            assert all(_is_free(future._condition) for future in futures[-1:]), place
        with pytest.raises(KeyboardInterrupt):
            wait()
        assert wire.submit(QUERY).result(20).data == {"ok": True}


def test_the_tools_of_the_standard_library_take_our_futures(connect):
    hold = Hold()
    with FaultServer(hold, reply(404, "not here")) as server:
        wire = connect(server.url, concurrency=1)
        first, second = wire.submit(QUERY), wire.submit(QUERY)
        assert concurrent.futures.wait([first, second], timeout=0.05).not_done == {first, second}
        assert not first.cancelled()
        hold.free.set()
        assert list(concurrent.futures.as_completed([first, second], timeout=20)) == [first, second]

        async def collect() -> list[object]:
            futures = [asyncio.wrap_future(first), asyncio.wrap_future(second)]
            return await asyncio.gather(*futures, return_exceptions=True)

        response, error = asyncio.run(collect())
        assert response.data == {"ok": True}
        assert isinstance(error, RequestError)


# -- forks


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_after_a_fork_both_go_on():
    with FaultServer() as server:
        done = run_script(
            """
            import os, sys, warnings
            warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of any fork with threads
            from moveshelf.errors import RequestError
            from moveshelf.wire import Wire
            wire = Wire(sys.argv[1], "k" * 64)
            other = Wire(sys.argv[1], "k" * 64)
            wire.execute("query Parent { ok }"); other.execute("query Parent { ok }")
            inherited = wire.submit("query Parent { ok }")
            inherited.result()
            for turn in range(3):
                child = os.fork()
                if child == 0:
                    assert inherited.result().data == {"ok": True}
                    for _ in range(3):
                        assert wire.execute("query Child { ok }") == {"ok": True}
                    del other
                    import gc; gc.collect()
                    sys.exit(7)
                _, status = os.waitpid(child, 0)
                assert os.waitstatus_to_exitcode(status) == 7, status
                for _ in range(3):
                    assert wire.execute("query Parent { ok }") == {"ok": True}
                    assert other.execute("query Parent { ok }") == {"ok": True}
            print("fine")
            """,
            server.url,
        )
        assert (done.stdout, done.stderr) == ("fine\n", "")
        # the parent's two connections lived on; each child opened its own
        assert server.connections == 2 + 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_in_the_middle_of_a_request():
    hold = Hold()
    with FaultServer(hold) as server:
        done = run_script(
            """
            import os, sys, warnings
            warnings.simplefilter("ignore", DeprecationWarning)
            from moveshelf.errors import RequestError
            from moveshelf.wire import Wire
            wire = Wire(sys.argv[1], "k" * 64)
            future = wire.submit("query Parent { ok }")
            try:
                future.result(timeout=0.05)
            except TimeoutError:
                pass
            child = os.fork()
            if child == 0:
                try:
                    future.result()
                except RequestError as error:
                    assert "another process" in str(error)
                assert wire.execute("query Child { ok }") == {"ok": True}
                sys.exit(7)
            _, status = os.waitpid(child, 0)
            assert os.waitstatus_to_exitcode(status) == 7, status
            wire.close()
            print("fine")
            """,
            server.url,
        )
    assert (done.stdout, done.stderr) == ("fine\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_lock_that_another_thread_holds_is_free_after_a_fork() -> None:
    lock, own = ProcessLock(), ProcessLock()
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with lock, lock:
            held.set()
            done.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    with own:
        child = os.fork()
        if not child:
            signal.alarm(30)
            with lock, own:
                pass
    if not child:
        os._exit(7)
    _, status = os.waitpid(child, 0)
    done.set()
    holder.join()
    assert os.waitstatus_to_exitcode(status) == 7
    with lock, own:
        pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_pools_of_forked_processes():
    with FaultServer() as server:
        done = run_script(
            """
            import multiprocessing, sys, warnings
            warnings.simplefilter("ignore", DeprecationWarning)
            from moveshelf.wire import Wire
            wire = Wire(sys.argv[1], "k" * 64)
            def send(n):
                return wire.execute("query Read { ok }")["ok"]
            if __name__ == "__main__":
                wire.execute("query Read { ok }")
                with multiprocessing.get_context("fork").Pool(3) as pool:
                    print(sum(pool.map(send, range(12))))
                print(wire.execute("query Read { ok }"))
            """,
            server.url,
        )
    assert (done.stdout, done.stderr) == ("12\n{'ok': True}\n", "")


FORGOTTEN = """
import sys, tempfile, moveshelf
def client():
    ms = moveshelf.connect(api_key=sys.argv[2], api_url=sys.argv[1])
    ms.projects["lab/demo"].download(tempfile.mkdtemp(dir=sys.argv[3]), include="event.json", progress=False)
    return ms
first, second = client(), client()
del first
"""


def test_a_program_may_end_while_a_forgotten_client_is_being_closed(demo: Sandbox, tmp_path: Path) -> None:
    """The store's session is closed with the service's: nothing complains when Python ends."""
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-X", "dev", "-c", FORGOTTEN, demo.api_url, demo.api_key, str(tmp_path)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert "Unclosed" not in done.stderr


# -- how many at once


def test_as_many_jobs_as_the_machine_has_sockets_for(monkeypatch):
    assert 1 <= cap_jobs(8) <= 8
    if os.name == "posix":
        import resource

        for limit, most in ((256, 64), (1024, 320), (70, 2), (3, 1)):
            monkeypatch.setattr(resource, "getrlimit", lambda kind, limit=limit: (limit, limit))
            assert cap_jobs(10_000) == most
            assert cap_jobs(1) == 1
        monkeypatch.setattr(resource, "getrlimit", lambda kind: (resource.RLIM_INFINITY,) * 2)
        assert cap_jobs(256) == 256
    monkeypatch.setattr("moveshelf.wire.thread.sys.platform", "win32")
    assert [cap_jobs(jobs) for jobs in (8, 128, 256)] == [8, 128, 128]
