"""Checksums: published vectors, and the functions that scripts import."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moveshelf.api import (
    MoveshelfApi,
    hashes,
)
from moveshelf.transfer import checksum


class TestChecksums:
    # published vectors: RFC 3720 B.4, and the check value of the CRC catalogues
    VECTORS = (
        (b"", "00000000"),
        (b"123456789", "e3069283"),
        (bytes(32), "8a9136aa"),
        (b"\xff" * 32, "62a8ab43"),
        (bytes(range(32)), "46dd794e"),
        (bytes(reversed(range(32))), "113fdb5c"),
    )

    @pytest.mark.parametrize(("data", "expected"), VECTORS)
    def test_published_vectors(self, data: bytes, expected: str, tmp_path: Path) -> None:
        text = base64.b64encode(bytes.fromhex(expected)).decode()
        assert checksum.Crc32c(data).hexdigest() == expected
        assert hashes.crc32c_func(data) == int(expected, 16)
        path = tmp_path / "file"
        path.write_bytes(data)
        assert checksum.crc32c_file(path) == hashes.calculate_file_crc32c(str(path)) == text
        with open(path, "rb") as stream:
            assert checksum.crc32c_stream(stream) == text

    @given(st.binary(max_size=3000), st.integers(0, 3000))
    def test_in_parts_and_by_crcmod(self, data: bytes, cut: int) -> None:
        crc = checksum.Crc32c()
        crc.update(data[:cut])
        crc.update(memoryview(data)[cut:])
        assert crc.value == checksum.Crc32c(bytearray(data)).value
        assert crc.value == checksum._crcmod()(0, data)
        assert crc.value == checksum.crc32c_value(data[cut:], checksum.crc32c_value(data[:cut]))
        assert crc.base64() == base64.b64encode(crc.digest()).decode()

    def test_stands_in_where_google_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import sys

        monkeypatch.setattr(checksum, "_extend", None)
        monkeypatch.setitem(sys.modules, "google_crc32c", None)
        monkeypatch.setitem(sys.modules, "google_crc32c.cext", None)
        assert checksum.Crc32c(b"123456789").hexdigest() == "e3069283"

    def test_crcmod_is_not_imported_for_nothing(self) -> None:
        import subprocess
        import sys

        code = (
            "import sys; from moveshelf.transfer.checksum import Crc32c; "
            "print([n for n in sys.modules if 'crc' in n]); Crc32c(b'x'); print('crcmod' in sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.split("\n")[:2] == ["[]", "False"]

    def test_md5(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_bytes(b"abc" * 100_000)
        import hashlib
        import io

        expected = hashlib.md5(b"abc" * 100_000).hexdigest()
        assert hashes.calculate_file_md5(str(path)) == expected

        class Response:
            def stream(self, amount: int) -> Any:
                with open(path, "rb") as stream:
                    yield from iter(lambda: stream.read(amount), b"")

        assert hashes.calculate_stream_md5(Response()) == expected
        assert hashes.calculate_stream_md5(io.BytesIO(path.read_bytes())) == expected

    def test_on_the_client(self, offline_api: MoveshelfApi, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_bytes(b"123456789")
        assert offline_api._crc32c(b"123456789") == 0xE3069283
        assert offline_api._calculateCrc32c(str(path)) == "4waSgw=="
