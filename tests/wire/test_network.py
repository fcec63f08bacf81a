"""https through proxies and with certificates of one's own, and which URLs of the store may be requested.

The certificate is made for the run.
"""

from __future__ import annotations

import select
import socket
import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from moveshelf.errors import RequestError, TransferError
from moveshelf.wire.network import allowed_store_url

from .faultserver import FaultServer, SecureServer

QUERY = "query Read { ok }"


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
print(wire.execute("query Read {{ ok }}"))
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


def tunnel(connection: socket.socket, seen) -> bool:
    """A proxy that lets through what it is told to."""
    host, _, port = seen.target.partition(":")
    connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
    with socket.create_connection((host, int(port))) as far:
        ends = {connection: far, far: connection}
        while True:
            for end in select.select(list(ends), [], [])[0]:
                data = end.recv(1 << 16)
                if not data:
                    return False
                ends[end].sendall(data)


def test_through_a_proxy_to_a_service_with_https(connect, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    monkeypatch.setattr("moveshelf.wire.network.is_loopback", lambda host: False)
    with SecureServer(certificate) as server, FaultServer(default=tunnel) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        wire = connect(server.url)
        assert [wire.execute(QUERY) for _ in range(3)] == [{"ok": True}] * 3
        assert (server.connections, len(server.seen), proxy.connections) == (1, 3, 1)
        assert [seen.method for seen in proxy.seen] == ["CONNECT"]


# -- which URLs of the store may be requested

US = "https://api.moveshelf.com/graphql"
LOCAL = "http://127.0.0.1:8000/graphql"
INSIDE = "https://10.1.2.3/graphql"


@pytest.mark.parametrize(
    ("url", "api_url"),
    [
        ("https://storage.googleapis.com/b/o%2Fp?X-Goog-Signature=a%2Bb&x=%7E", US),
        ("https://storage.googleapis.com:8443/b", US),
        ("https://8.8.8.8/b", US),
        ("https://storage.googleapis.com/b", LOCAL),
        ("http://127.0.0.1:9/b", LOCAL),
        ("http://localhost:9/b", LOCAL),
        ("http://127.0.0.1:9/b", "http://localhost:8000/graphql"),
        ("http://[::1]:9/b", LOCAL),
        ("https://127.0.0.1:9/b", LOCAL),
        ("https://10.9.9.9/b", INSIDE),
        ("https://store.internal/b", INSIDE),
        ("https://storage.googleapis.com/b", INSIDE),
        ("https://10.9.9.9/b", LOCAL),
    ],
)
def test_urls_of_a_store(url, api_url):
    allowed = allowed_store_url(url, api_url)
    assert str(allowed) == url
    assert allowed_store_url(allowed, api_url) == allowed


@pytest.mark.parametrize(
    ("url", "api_url", "host"),
    [
        ("http://storage.googleapis.com/b?sig=s3cret", US, "storage.googleapis.com"),
        ("http://storage.googleapis.com/b?sig=s3cret", LOCAL, "storage.googleapis.com"),
        ("http://10.9.9.9/b", INSIDE, "10.9.9.9"),
        ("ftp://storage.googleapis.com/b", US, "storage.googleapis.com"),
        ("https://127.0.0.1/b", US, "this machine"),
        ("https://127.0.0.1/b", INSIDE, "this machine"),
        ("https://localhost./b", US, "this machine"),
        ("https://x.localhost/b", US, "this machine"),
        ("https://[::1]/b", US, "this machine"),
        ("https://[::ffff:127.0.0.1]/b", US, "this machine"),
        ("https://0.0.0.0/b", US, "this machine"),
        ("https://127.1/b", US, "this machine"),
        ("https://2130706433/b", US, "this machine"),
        ("https://0x7f.0.0.1/b", US, "this machine"),
        ("https://10.0.0.1/b", US, "a private address"),
        ("https://192.168.1.1/b", US, "a private address"),
        ("https://100.64.0.1/b", US, "a private address"),
        ("https://[fd00::1]/b", US, "a private address"),
        ("https://metadata.google.internal/b", US, "a private address"),
        ("https://printer.local/b", US, "a private address"),
        ("https://intranet/b", US, "a private address"),
        ("https://169.254.169.254/latest", US, "a link-local address"),
        ("https://169.254.169.254/latest", INSIDE, "a link-local address"),
        ("https://[fe80::1]/b", US, "a link-local address"),
        ("https://me:s3cret@storage.googleapis.com/b", US, "storage.googleapis.com"),
        ("", US, "no URL"),
        ("/b/o", US, "no URL"),
        ("https:///b", US, "no URL"),
        ("https://storage.googleapis.com\\@evil.example/b", US, "no URL"),
        ("https://storage.googleapis.com/b\r\nHost: evil.example", US, "no URL"),
        ("https://[::1/b", US, "no URL"),
        (None, US, "no URL"),
        (7, US, "no URL"),
    ],
)
def test_urls_that_no_bytes_go_to(url, api_url, host):
    with pytest.raises(TransferError) as caught:
        allowed_store_url(url, api_url)
    assert host in str(caught.value)
    assert "s3cret" not in str(caught.value)


@example("[]@")
@given(st.text(max_size=60) | st.text(alphabet="htps:/.@#?[]%\\127aelo0x \t", max_size=60))
def test_no_text_makes_the_check_stumble(text):
    for url in (text, "https://" + text, "http://" + text):
        try:
            allowed = allowed_store_url(url, US)
        except TransferError:
            continue
        assert allowed.scheme == "https"
        assert allowed.host
