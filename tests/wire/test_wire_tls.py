"""https: who is trusted, and what is said where nobody is. The certificate is made for the run."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys

import pytest
from faultserver import FaultServer

from moveshelf.errors import RequestError

QUERY = "query Ask { ok }"


class SecureServer(FaultServer):
    """The same over TLS."""

    def __init__(self, certificate) -> None:
        super().__init__()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*certificate)
        self.url = f"https://localhost:{self.port}/graphql"

    def _serve(self, connection: socket.socket) -> None:
        try:
            super()._serve(self.context.wrap_socket(connection, server_side=True))
        except OSError:
            connection.close()


@pytest.mark.parametrize("document", [QUERY, "mutation M { ok }"])
def test_an_unknown_certificate_is_refused_at_once(connect, certificate, document):
    with SecureServer(certificate) as server:
        wire = connect(server.url)
        with pytest.raises(
            RequestError, match=r"certificate of localhost is not trusted.*SSL_CERT_FILE"
        ) as caught:
            wire.execute(document)
        assert type(caught.value) is RequestError
        assert (server.connections, wire.stats.retries, server.seen) == (1, 0, [])


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_company_ca_from_the_environment(connect, certificate, monkeypatch, name):
    monkeypatch.setenv(name, str(certificate[0]))
    with SecureServer(certificate) as server:
        wire = connect(server.url)
        assert [wire.execute(QUERY) for _ in range(3)] == [{"ok": True}] * 3
        assert server.connections == 1

        async def fetch() -> int:
            blobs = await wire.blob_session()
            async with blobs.get(server.url) as response:
                return response.status

        assert wire.run(fetch).result() == 200


def test_a_name_that_the_certificate_does_not_have(connect, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with (
        SecureServer(certificate) as server,
        pytest.raises(RequestError, match=r"certificate of 127\.0\.0\.1"),
    ):
        connect(server.url.replace("localhost", "127.0.0.1")).execute(QUERY)


def test_https_asked_of_a_server_that_has_none(connect):
    class Plain(FaultServer):
        def _serve(self, connection: socket.socket) -> None:
            with connection:
                connection.recv(1)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\nThis port speaks HTTP")

    with Plain() as server, pytest.raises(RequestError, match="no secure connection to localhost"):
        connect(f"https://localhost:{server.port}/graphql").execute(QUERY)


@pytest.mark.parametrize("last", ["", "wire.close()", "del wire"])
def test_the_end_of_the_program_is_quiet(certificate, monkeypatch, last):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    script = f"""
import sys
from moveshelf.wire import Wire
wire = Wire(sys.argv[1], "k" * 64)
print(wire.execute("query Ask {{ ok }}"))
{last}
"""
    with SecureServer(certificate) as server:
        done = subprocess.run(
            [sys.executable, "-W", "default::ResourceWarning", "-c", script, server.url],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.stdout, done.stderr, done.returncode) == ("{'ok': True}\n", "", 0)
