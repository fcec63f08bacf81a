"""JSON in and out, with orjson and without."""

from __future__ import annotations

import contextlib
import datetime
import enum
import importlib
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st


class Unit(enum.Enum):
    DEGREES = "deg"


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(2**63 - 2, 2**64 + 2)
    | st.integers(-(2**64), -(2**63) + 2)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture(params=["orjson", "json"], scope="module")
def codec(request):
    """The module with orjson and as it is without."""
    name = "moveshelf.wire.codec"
    kept, library = sys.modules.pop(name, None), sys.modules.get("orjson")
    try:
        if request.param == "json":
            sys.modules["orjson"] = None  # type: ignore[assignment]
        else:
            pytest.importorskip("orjson")
        yield importlib.import_module(name)
    finally:
        sys.modules.pop("orjson", None)
        if library is not None:
            sys.modules["orjson"] = library
        if kept is not None:
            sys.modules[name] = kept


@given(value=values)
def test_json_there_and_back(codec, value):
    try:
        body = codec.encode(value)
    except (TypeError, ValueError):  # a lone surrogate is no text
        with pytest.raises(UnicodeEncodeError):
            json.dumps(value, ensure_ascii=False).encode()
        return
    assert codec.decode(body) == value
    assert json.loads(body) == value


def test_other_values_go_out_as_text(codec):
    sent = codec.encode({"d": datetime.date(2024, 2, 29), "u": Unit.DEGREES, "t": (1, 2), "n": None})
    assert json.loads(sent) == {"d": "2024-02-29", "u": "deg", "t": [1, 2], "n": None}


@pytest.mark.parametrize("value", [float("nan"), [1, {"x": float("-inf")}], {1, 2}, b"bytes", object])
def test_what_is_refused(codec, value):
    with pytest.raises((TypeError, ValueError)):
        codec.encode({"v": value})


@pytest.mark.parametrize("body", [b"", b"{", b"<html>", b"\xff\xfe", b'{"a": 1} x'])
def test_what_is_no_json(codec, body):
    with pytest.raises(ValueError):
        codec.decode(body)


@given(
    number=st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False),
    space=st.sampled_from(["", " ", "\n", "\t"]),
)
def test_numbers_are_read_as_they_are_written(codec, number, space):
    """An integer of any length stays one, wherever it stands."""
    for text in ("{}", "[{}]", '{{"x":{}}}', "[0,{}]", "[[{}],{{}}]"):
        body = text.format(space + repr(number) + space).encode()
        found = codec.decode(body)
        assert found == json.loads(body)
        assert repr(found) == repr(json.loads(body))


@given(
    digits=st.text("0123456789", min_size=15, max_size=30), before=st.sampled_from(["", "-", ": ", ",", "1."])
)
def test_digits_in_a_text_are_text(codec, digits, before):
    value = {"a": before + digits, digits: [before + digits + ","]}
    assert codec.decode(codec.encode(value)) == value


@pytest.mark.parametrize("depth", [300, 1_500, 100_000])
@pytest.mark.parametrize("form", ["[{}]", '{{"a":{}}}', "[0,{}"])
def test_what_is_nested_without_end_is_a_value_error(codec, depth, form):
    """Or read, where Python can; never a RecursionError."""
    left, right = form.split("{}") if "{{" not in form else ('{"a":', "}")
    body = (left * depth + "0" + right * depth).encode()
    broken = depth > 90_000 or not right
    with pytest.raises(ValueError) if broken else contextlib.suppress(ValueError):
        codec.decode(body)
    if depth > 90_000:
        with pytest.raises(ValueError, match="nested too deeply"):
            codec.decode(body)


@pytest.mark.parametrize("depth", [300, 100_000])
def test_nor_is_such_a_value_sent(codec, depth):
    value: list[object] = []
    for _ in range(depth):
        value = [value, None]
    with pytest.raises(ValueError, match="nested too deeply") if depth > 300 else contextlib.nullcontext():
        codec.encode(value)


def test_a_circle_is_a_value_error(codec):
    value: list[object] = []
    value.append(value)
    with pytest.raises(ValueError):
        codec.encode(value)
