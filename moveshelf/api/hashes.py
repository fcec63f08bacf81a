"""The hash functions of the flat client, by the names that scripts import."""

from __future__ import annotations

from typing import Any

from ..transfer.checksum import chunks, crc32c_file, crc32c_value, md5_file, md5_of


def crc32c_func(data: Any, crc: int = 0) -> int:
    """The CRC-32C of bytes, as an integer; `crc` continues an earlier one."""
    return crc32c_value(data, crc)


def calculate_file_crc32c(file_path: Any) -> str:
    """The CRC-32C of a file, as base64 text of its four big-endian bytes. FileNotFoundError without the file."""
    return crc32c_file(file_path)


def calculate_file_md5(file_path: Any) -> str:
    """The MD5 of a file, as hexadecimal digits. Sends nothing; FileNotFoundError without the file."""
    return md5_file(file_path)


def calculate_stream_md5(response: Any) -> str:
    """The MD5, as hexadecimal digits, of what is left in a response that has `stream(size)` (or `read(size)`)."""
    return md5_of(response.stream(1 << 16) if hasattr(response, "stream") else chunks(response))
