"""Packed bytes, in any pieces, give back what was packed, or an error."""

from __future__ import annotations

import gzip
import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moveshelf.transfer.encoding import LIMIT, Unpacker, decoded, known


def pieces(data: bytes, sizes: list[int]) -> list[bytes]:
    found, at = [], 0
    for size in sizes:
        found.append(data[at : at + size])
        at += size
    return [*found, data[at:]]


@given(st.lists(st.binary(max_size=500), min_size=1, max_size=4), st.lists(st.integers(0, 50), max_size=20))
def test_members_in_any_pieces(members: list[bytes], sizes: list[int]) -> None:
    packed = b"".join(map(gzip.compress, members))
    assert b"".join(decoded(pieces(packed, sizes), "gzip")) == b"".join(members)
    assert b"".join(decoded(pieces(packed + bytes(100), sizes), "x-gzip")) == b"".join(members)


@given(st.binary(max_size=500), st.lists(st.integers(0, 50), max_size=20))
def test_deflate(data: bytes, sizes: list[int]) -> None:
    assert b"".join(decoded(pieces(zlib.compress(data), sizes), "deflate")) == data


@given(st.binary(max_size=300), st.data())
def test_what_ends_too_early(data: bytes, draw: st.DataObject) -> None:
    packed = gzip.compress(data)
    end = draw.draw(st.integers(0, len(packed) - 1))
    with pytest.raises(ValueError, match="too early"):
        list(decoded([packed[:end]], "gzip"))


@given(st.binary(min_size=1, max_size=300))
def test_any_bytes_are_content_or_an_error(data: bytes) -> None:
    with suppress(ValueError):
        list(decoded([data], "gzip"))


def test_a_little_comes_in_pieces_of_a_limit() -> None:
    size = 20 * LIMIT + 77
    sizes = [len(piece) for piece in decoded([gzip.compress(bytes(size))], "gzip")]
    assert sum(sizes) == size
    assert max(sizes) == LIMIT


def test_codings() -> None:
    assert known("gzip")
    assert not known("br")
    with pytest.raises(ValueError, match="'br'"):
        Unpacker("br")
