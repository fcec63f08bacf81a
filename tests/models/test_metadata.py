"""The shapes of metadata, undone and put back; merging that loses nothing; dates and timecodes. Property tests."""

from __future__ import annotations

import copy
import json
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moveshelf.errors import ValidationError
from moveshelf.metadata import (
    is_empty,
    merge,
    parse_record,
    plain,
    record_of,
    stored,
    to_date,
    to_datetime,
    values,
)
from moveshelf.timecode import Timecode, TimecodeFramerate, parts

texts = st.text(max_size=4)
lists = st.lists(texts, max_size=3)
sided = st.lists(
    st.fixed_dictionaries(
        {"context": st.sampled_from(["left", "right", "both"]), "value": texts}, optional={"unit": texts}
    ),
    max_size=3,
    unique_by=lambda one: one["context"],
)
valued = st.fixed_dictionaries(
    {"value": texts | lists}, optional={"multiselect": st.just(True), "unit": texts}
)
on_the_wire = texts | valued | sided | lists
records = st.dictionaries(st.sampled_from("abcde"), on_the_wire, max_size=5)
as_people_say = st.one_of(
    texts,
    lists,
    st.none(),
    st.dictionaries(st.sampled_from(["left", "right"]), texts, min_size=1),
    st.integers(),
    st.dates(),
    st.floats(allow_nan=False, allow_infinity=False),
    on_the_wire,
)
wishes = st.dictionaries(st.sampled_from("abcdefg"), as_people_say, max_size=5)


@given(records, wishes, st.booleans())
def test_merging(existing: dict[str, Any], new: dict[str, Any], overwrite: bool) -> None:
    before = copy.deepcopy((existing, new))
    merged = merge(existing, new, overwrite=overwrite)
    assert (existing, new) == before, "neither argument is changed"
    json.dumps(merged, allow_nan=False)
    assert set(existing) <= set(merged), "nothing is lost"
    assert {key for key, value in new.items() if value is not None} <= set(merged)
    for key, value in existing.items():
        if key not in new or new[key] is None:
            assert merged[key] == value
        elif not overwrite and isinstance(value, list):
            for side in value:
                kept = [one for one in merged[key] if one == side]
                assert kept or is_empty(side["value"]), "a filled side stays"
        elif not overwrite and not is_empty(value):
            assert merged[key] == value
    for key, value in new.items():
        if value is not None and (key not in existing or (overwrite and not isinstance(existing[key], list))):
            assert plain(merged[key]) == plain(stored(value, existing.get(key)))


@given(records, wishes, st.booleans())
def test_merging_twice_is_merging_once(
    existing: dict[str, Any], new: dict[str, Any], overwrite: bool
) -> None:
    once = merge(existing, new, overwrite=overwrite)
    assert merge(once, new, overwrite=overwrite) == once


@given(on_the_wire)
def test_what_was_read_can_be_written(value: Any) -> None:
    assert stored(plain(value), value) == value
    assert isinstance(value, list) or stored(value) == value


@given(records)
def test_a_record_survives_its_plain_form(record: dict[str, Any]) -> None:
    assert merge(record, values(record), overwrite=True) == record


def test_sides_count_by_themselves() -> None:
    before = {
        "x": [
            {"context": "left", "value": "1", "unit": "mm"},
            {"context": "right", "value": "", "unit": "mm"},
        ]
    }
    filled = merge(before, {"x": {"left": "9", "right": 2}})
    assert filled == {
        "x": [
            {"context": "left", "value": "1", "unit": "mm"},
            {"context": "right", "value": "2", "unit": "mm"},
        ]
    }
    assert values(filled) == {"x": {"left": "1", "right": "2"}}
    assert values(merge(before, {"x": {"right": "2"}}, overwrite=True)) == {"x": {"left": "1", "right": "2"}}
    assert merge({}, {"x": {"left": "1"}}) == {"x": [{"context": "left", "value": "1"}]}
    # a plain value says nothing of sides: it fills a field whose sides are all empty, and no other
    assert merge(before, {"x": "3"}) == before


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (120, "120"),
        (131.5, "131.5"),
        (date(2026, 1, 31), "2026-01-31"),
        (datetime(2026, 1, 31, 12, tzinfo=timezone.utc), "2026-01-31T12:00:00+00:00"),
        (True, True),
        (["a", 1], {"value": ["a", "1"], "multiselect": True}),
        (("a",), {"value": ["a"], "multiselect": True}),
        ({"value": 3, "unit": "cm"}, {"value": "3", "unit": "cm"}),
        ({"left": 1}, [{"context": "left", "value": "1"}]),
        ({"nested": {"deep": 1}}, {"nested": {"deep": 1}}),
    ],
)
def test_how_values_are_stored(said: Any, kept: Any) -> None:
    assert stored(said) == kept


def test_numbers_of_numpy() -> None:
    numpy = pytest.importorskip("numpy")
    assert stored(numpy.float64(1.5)) == "1.5"
    assert stored(numpy.int64(7)) == "7"
    with pytest.raises(ValidationError):
        stored(numpy.nan)


@pytest.mark.parametrize(
    "value", [object(), float("nan"), float("inf"), {1, 2}, [object()], {"left": object()}, b"x"]
)
def test_what_cannot_be_stored(value: Any) -> None:
    with pytest.raises(ValidationError):
        stored(value)


def test_a_side_that_is_twice_keeps_its_stored_form() -> None:
    odd = [{"context": "left", "value": "1"}, {"context": "left", "value": "2"}]
    assert plain(odd) == odd
    assert plain([{"context": "left"}]) == [{"context": "left"}]
    assert plain({"a": 1}) == {"a": 1}


@given(st.text() | st.none() | st.integers())
def test_records_are_parsed_or_left(text: Any) -> None:
    found = parse_record(text)
    try:
        expected = json.loads(text) if isinstance(text, str) else text
    except ValueError:
        expected = text
    assert found == expected or found != found
    if found is None:
        assert record_of(found, "it") == {}
    elif not isinstance(found, dict):
        with pytest.raises(ValidationError, match="not a JSON object"):
            record_of(found, "it")


# dates ------------------------------------------------------------------------------------------------------
@given(st.datetimes(timezones=st.timezones()))
def test_dates_and_times(when: datetime) -> None:
    when = when.replace(fold=0)
    text = when.isoformat()
    assert to_date(text) == when.date()
    if when.utcoffset() is not None and when.utcoffset().total_seconds() % 60 == 0:  # type: ignore[union-attr]
        assert to_datetime(text) == datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2024-02-29T00:00:00.000Z", date(2024, 2, 29)),
        ("2024-02-29", date(2024, 2, 29)),
        ("2023-02-29T00:00:00+00:00", "2023-02-29T00:00:00+00:00"),
        ("0000-01-01", "0000-01-01"),
        ("20240229", "20240229"),
        ("2024-W09-4", "2024-W09-4"),
        ("soon", "soon"),
        ("", ""),
        (None, None),
    ],
)
def test_days(text: Any, day: Any) -> None:
    assert to_date(text) == day


@pytest.mark.parametrize("fraction", ["", ".1", ".12", ".123", ".123456", ".123456789"])
@pytest.mark.parametrize("zone", ["", "Z", "+00:00", "+02:00"])
def test_fractions_of_any_length(fraction: str, zone: str) -> None:
    found = to_datetime(f"2024-06-01T08:30:15{fraction}{zone}")
    assert isinstance(found, datetime)
    offset = timedelta(hours=2) if zone == "+02:00" else timedelta(0)
    assert found.utcoffset() == offset
    assert found.microsecond == int(f"{fraction[1:]:0<6.6}")


@pytest.mark.parametrize("text", ["2024-02-30T00:00:00Z", "whenever", ""])
def test_times_that_are_none_stay_text(text: str) -> None:
    assert to_datetime(text) == text
    assert to_datetime(None) is None


# timecodes --------------------------------------------------------------------------------------------------
rates = st.sampled_from(list(TimecodeFramerate))


@st.composite
def timecodes(draw: st.DrawFn) -> Timecode:
    rate = draw(rates)
    frames = draw(st.integers(0, rate.frames - 1))
    digits = draw(st.sampled_from([2, 3])) if frames < 100 else 3
    hours, minutes, seconds = draw(st.integers(0, 99)), draw(st.integers(0, 59)), draw(st.integers(0, 59))
    return Timecode(hours, minutes, seconds, frames, rate, draw(st.booleans()), digits)


@given(timecodes())
def test_timecodes_there_and_back(timecode: Timecode) -> None:
    wire = timecode.as_wire()
    assert Timecode.of(wire) == timecode
    assert Timecode.parse(str(timecode), timecode.framerate) == timecode
    assert Timecode.of((str(timecode), timecode.framerate.value)) == timecode
    assert Timecode.of(timecode) is timecode
    assert wire["framerate"].startswith("FPS_")
    assert len(wire["timecode"]) == 9 + timecode.digits


@given(st.text(alphabet="0123456789:;", max_size=13))
def test_any_text_is_a_timecode_or_refused(text: str) -> None:
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
def test_timecodes_that_are_none(text: Any, rate: Any) -> None:
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
def test_parts_of_timecodes_that_are_none(wrong: dict[str, Any]) -> None:
    said = {"hours": 1, "minutes": 2, "seconds": 3, "frames": 4, "framerate": TimecodeFramerate.FPS_25}
    with pytest.raises(ValidationError):
        Timecode(**{**said, **wrong})
    for other in (5, "01:02:03:04", {"timecode": "01:02:03:04"}, ("01:02:03:04",)):
        with pytest.raises(ValidationError):
            Timecode.of(other)
