"""Work in parts on executors: the same results, a key of each worker's own, and none that travels."""

from __future__ import annotations

import hashlib
import os
import pickle
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import moveshelf
from moveshelf import ConfigError, ValidationError
from moveshelf.operations.executors import results, split

if TYPE_CHECKING:
    from moveshelf import Moveshelf
    from moveshelf.sandbox import Sandbox


@pytest.fixture
def worker_key(demo: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Key and address where `connect()` without arguments finds them, here and in every worker."""
    monkeypatch.setenv("MOVESHELF_API_KEY_FILE", demo.key_file)
    monkeypatch.setenv("MOVESHELF_API_URL", demo.api_url)
    monkeypatch.delenv("MOVESHELF_API_KEY", raising=False)


@pytest.fixture
def ms(worker_key: None) -> Iterator[Moveshelf]:
    with moveshelf.connect() as client:
        yield client


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        yield executor


class Recorder(Executor):
    """Pickles what it is given, as an executor of other processes does, and carries it out here."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.got: list[bytes] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.sent.append(pickle.dumps((fn, args, kwargs)))
        function, given, named = pickle.loads(self.sent[-1])
        future: Future[Any] = Future()
        try:
            result = function(*given, **named)
        except Exception as error:
            future.set_exception(error)
        else:
            self.got.append(pickle.dumps(result))
            future.set_result(pickle.loads(self.got[-1]))
        return future


def digests(pairs: Any) -> list[tuple[str, str]]:
    return [(file.id, hashlib.sha256(content).hexdigest()) for file, content in pairs]


def test_the_same_array_from_threads_and_from_processes(
    ms: Moveshelf, demo: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    import xarray

    subject = ms.projects["lab/demo"].subjects["P-001"]
    expected = subject.cycles("angles")
    parameters = subject.parameters()
    contents = digests(subject.read("*.json"))
    recorder = Recorder()
    with ThreadPoolExecutor(3) as threads:
        for executor in (threads, recorder):
            found = subject.cycles("angles", executor=executor)
            xarray.testing.assert_identical(found, expected)
            assert found.attrs == expected.attrs
            assert subject.parameters(executor=executor).equals(parameters)
            assert digests(subject.read("*.json", executor=executor)) == contents
    key = demo.api_key.encode()
    assert recorder.sent
    assert recorder.got
    for travelled in (*recorder.sent, *recorder.got):
        assert key not in travelled
        assert b"signature" not in travelled.lower(), "a signed URL opens files without a key"


def test_other_processes(
    ms: Moveshelf, worker_key: None, processes: ProcessPoolExecutor, tmp_path: Path
) -> None:
    subject = ms.projects["lab/demo"].subjects["P-001"]
    assert digests(subject.read("*.json", executor=processes)) == digests(subject.read("*.json"))
    result = subject.download(tmp_path, executor=processes)
    result.raise_for_errors()
    assert len(result.done) == len(result) > 64, "more than one part"
    serial = subject.download(tmp_path, existing="error", dry_run=True)
    assert [step.reason for step in serial] == ["already there"] * len(result)
    assert [entry.path for entry in result] == [step.path for step in serial]
    again = subject.download(tmp_path, executor=processes)
    assert not again.done
    assert len(again.skipped) == len(result)


def test_a_key_that_was_an_argument_is_sent_nowhere(demo: Sandbox, tmp_path: Path) -> None:
    recorder = Recorder()
    with demo.connect() as ms:
        subject = ms.projects["lab/demo"].subjects["P-001"]
        demo.requests.clear()
        for call in (
            lambda: subject.cycles(executor=recorder),
            lambda: subject.parameters(executor=recorder),
            lambda: list(subject.read(executor=recorder)),
            lambda: subject.download(tmp_path, executor=recorder),
        ):
            with pytest.raises(
                ConfigError, match=r"Recorder runs in other processes.*connect\(api_key=\.\.\.\)"
            ):
                call()
        assert not recorder.sent
        assert not demo.requests.snapshot(), "refused before anything is listed"
        with ThreadPoolExecutor(2) as threads:
            assert digests(subject.read("*.json", executor=threads)) == digests(subject.read("*.json"))


def test_what_is_no_executor_is_refused(ms: Moveshelf) -> None:
    wrong: Any = 4
    with pytest.raises(ValidationError, match=r"executor is a concurrent.futures.Executor.*not int"):
        ms.projects["lab/demo"].cycles(executor=wrong)


def test_a_worker_without_a_key_says_how_to_give_it_one(
    ms: Moveshelf, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    subject = ms.projects["lab/demo"].subjects["P-002"]
    monkeypatch.delenv("MOVESHELF_API_KEY_FILE")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("moveshelf.operations.connection._ENGINES", {})
    with pytest.raises(moveshelf.DetachedError, match="MOVESHELF_API_KEY_FILE and MOVESHELF_API_URL"):
        subject.cycles(executor=Recorder())


def test_few_parts_wait_in_memory() -> None:
    begun: list[int] = []

    class Eager(Executor):
        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            begun.append(args[0])
            future: Future[Any] = Future()
            future.set_result(fn(*args))
            return future

    found = results(Eager(), lambda part: part * 10, range(100), ahead=4)
    assert next(found) == 0
    assert len(begun) == 5
    assert next(found) == 10
    assert len(begun) == 6
    assert list(found) == [part * 10 for part in range(2, 100)]


def test_parts_that_have_not_begun_are_cancelled() -> None:
    futures: list[Future[Any]] = []

    class Slow(Executor):
        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            futures.append(Future())
            return futures[-1]

    found = results(Slow(), lambda part: part, range(10), ahead=3)
    slow = ThreadPoolExecutor(1)
    first = slow.submit(next, found)
    while not futures:
        pass
    futures[0].set_result(0)
    assert first.result() == 0
    found.close()  # type: ignore[attr-defined]
    assert all(future.cancelled() for future in futures[1:])
    slow.shutdown()


def test_split() -> None:
    assert [list(part) for part in split(range(5), 2)] == [[0, 1], [2, 3], [4]]
    assert list(split([], 2)) == []


@pytest.mark.skipif(os.name == "nt", reason="a worker is killed by a signal")
def test_a_dask_cluster_whose_worker_is_killed(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed")
    monkeypatch.setenv("MOVESHELF_API_KEY_FILE", sandbox.key_file)
    monkeypatch.setenv("MOVESHELF_API_URL", sandbox.api_url)
    name = sandbox.generate(subjects=10, sessions=4, clips=5, files=4)
    ms = moveshelf.connect()
    project = ms.projects[name]
    expected = digests(project.read())
    assert len(expected) == 800
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        executor = client.get_executor()
        found = []
        for number, (file, content) in enumerate(project.read(executor=executor)):
            found.append((file.id, hashlib.sha256(content).hexdigest()))
            if number == 100:
                victim = next(iter(cluster.workers.values()))
                os.kill(victim.pid, signal.SIGKILL)
        logs = repr(cluster.get_logs())
    ms.close()
    assert found == expected
    assert sandbox.api_key not in logs
