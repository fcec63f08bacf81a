from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox


# a busy machine is no failure
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


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
