"""Sandboxes, clients and projects that tests of several folders use."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from moveshelf import Moveshelf, Project
    from moveshelf.sandbox import Sandbox


#: numbers of projects, so that each test has one of its own
_numbers = count(1)

# a shell that runs tests in the background has Ctrl-C ignored, in every process that they start
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# a busy machine is no failure
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture(autouse=True)
def _no_client_of_the_process() -> Iterator[None]:
    """The client that a process makes for unpickled objects is not the next test's: copies would load through it."""
    yield
    connection = sys.modules.get("moveshelf.operations.connection")
    if connection is not None:
        connection._ENGINES.clear()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A sandbox of one's own, with the empty project `lab/practice`."""
    from moveshelf.sandbox import Sandbox

    with Sandbox() as running:
        yield running


@pytest.fixture(scope="session")
def demo() -> Iterator[Sandbox]:
    """One demo sandbox for all tests of a run, to be read only."""
    from moveshelf.sandbox import Sandbox

    with Sandbox(demo=True) as running:
        yield running


@pytest.fixture(scope="module")
def shared() -> Iterator[Sandbox]:
    """One sandbox for the tests of a module, each with projects or names of its own in it."""
    from moveshelf.sandbox import Sandbox

    with Sandbox() as running:
        yield running


@pytest.fixture
def ms(shared: Sandbox) -> Iterator[Moveshelf]:
    """A client of the module's sandbox."""
    with shared.connect() as client:
        yield client


@pytest.fixture
def reader(demo: Sandbox) -> Iterator[Moveshelf]:
    """A client of the demo, which tests only read."""
    with demo.connect() as client:
        yield client


@pytest.fixture
def project(reader: Moveshelf) -> Project:
    """The project of the demo, to be read only."""
    return reader.projects["lab/demo"]


@pytest.fixture
def filled_project(shared: Sandbox, ms: Moveshelf) -> Project:
    """Three subjects with two sessions of four trials, with two files each."""
    name = shared.generate(subjects=3, sessions=2, clips=4, files=2, name=f"lab/filled-{next(_numbers)}")
    return ms.projects[name]


@pytest.fixture
def empty_project(shared: Sandbox, ms: Moveshelf) -> Project:
    """An empty project with a template."""
    name = shared.generate(subjects=0, sessions=0, clips=0, files=0, name=f"lab/empty-{next(_numbers)}")
    return ms.projects[name]


@pytest.fixture(scope="module")
def own_locks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Locks that nobody outside of a module's tests has held.

    A sandbox may get the port, and so the address and ids, of one of an earlier run, whose process was ended inside a lock:
    the client rightly reads once more then, and a test that counts requests fails.
    """
    from moveshelf.transfer import locks

    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("locks")
        patch.setattr(locks, "lock_folders", lambda: [folder])
        patch.setattr(locks, "_held", {})
        yield


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of localhost's, and its key."""
    tool = shutil.which("openssl")
    if tool is None:
        pytest.skip("no openssl here to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    line = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    line += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(cert)]
    if subprocess.run([tool, *line], capture_output=True).returncode:
        pytest.skip("this openssl makes no certificate")
    return cert, key
