"""Timecodes: parsed, checked and written."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moveshelf.errors import ValidationError
from moveshelf.timecode import Timecode, TimecodeFramerate, parts

rates = st.sampled_from(list(TimecodeFramerate))


@st.composite
def timecodes(draw: st.DrawFn) -> Timecode:
    rate = draw(rates)
    frames = draw(st.integers(0, rate.frames - 1))
    digits = draw(st.sampled_from([2, 3])) if frames < 100 else 3
    hours, minutes, seconds = draw(st.integers(0, 99)), draw(st.integers(0, 59)), draw(st.integers(0, 59))
    return Timecode(hours, minutes, seconds, frames, rate, draw(st.booleans()), digits)


@given(timecodes())
def test_round_trip(timecode: Timecode) -> None:
    wire = timecode.as_wire()
    assert Timecode.of(wire) == timecode
    assert Timecode.parse(str(timecode), timecode.framerate) == timecode
    assert Timecode.of((str(timecode), timecode.framerate.value)) == timecode
    assert Timecode.of(timecode) is timecode
    assert wire["framerate"].startswith("FPS_")
    assert len(wire["timecode"]) == 9 + timecode.digits


@given(st.text(alphabet="0123456789:;", max_size=13))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    found = parts(text)
    if found is None:
        with pytest.raises(ValidationError, match="is no timecode"):
            Timecode.parse(text, "FPS_1000")
    else:
        hours, minutes, seconds, separator, frames = found
        assert f"{hours:02d}:{minutes:02d}:{seconds:02d}{separator}{frames}" == text
        assert str(Timecode.parse(text, "FPS_1000")) == text


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("01:02:03:25", "FPS_25"),
        ("01:02:03:30", 29.97),
        ("01:60:03:00", "FPS_25"),
        ("01:02:60:00", "FPS_25"),
        ("1:02:03:00", "FPS_25"),
        ("01:02:03.00", "FPS_25"),
        ("01:02:03:0", "FPS_25"),
        ("01:02:03:0000", "FPS_1000"),
        ("٠١:٠٢:٠٣:٠٤", "FPS_25"),
        ("01:02:03:04\n", "FPS_25"),
        ("01:02:03:04", "FPS_26"),
        ("01:02:03:04", 26),
        ("01:02:03:04", True),
        ("01:02:03:04", None),
        (None, "FPS_25"),
    ],
)
def test_malformed_timecodes(text: Any, rate: Any) -> None:
    with pytest.raises(ValidationError):
        Timecode.parse(text, rate)
    with pytest.raises(ValidationError):
        Timecode.of({"timecode": text, "framerate": rate})


@pytest.mark.parametrize("rate", ["FPS_29_97", "29.97", 29.97, TimecodeFramerate.FPS_29_97])
def test_rates(rate: Any) -> None:
    assert TimecodeFramerate.of(rate) is TimecodeFramerate.FPS_29_97
    assert TimecodeFramerate.of(25) is TimecodeFramerate.of(25.0) is TimecodeFramerate.FPS_25


@pytest.mark.parametrize(
    "wrong",
    [
        {"hours": 100},
        {"minutes": -1},
        {"seconds": 1.5},
        {"frames": 25},
        {"framerate": "FPS_25"},
        {"digits": 4},
        {"hours": True},
    ],
)
def test_parts_out_of_range(wrong: dict[str, Any]) -> None:
    said = {"hours": 1, "minutes": 2, "seconds": 3, "frames": 4, "framerate": TimecodeFramerate.FPS_25}
    with pytest.raises(ValidationError):
        Timecode(**{**said, **wrong})
    for other in (5, "01:02:03:04", {"timecode": "01:02:03:04"}, ("01:02:03:04",)):
        with pytest.raises(ValidationError):
            Timecode.of(other)
