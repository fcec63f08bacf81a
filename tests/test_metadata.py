"""The shapes of metadata: parsed, converted and merged without loss; dates and times."""

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
    merge_as_published,
    parse_record,
    parsed,
    plain,
    record_of,
    stored,
    to_date,
    to_datetime,
    values,
)
from moveshelf.values import DEEPEST

texts = st.text(max_size=4)
lists = st.lists(texts, max_size=3)
sided = st.lists(
    st.fixed_dictionaries(
        {"context": st.sampled_from(["left", "right", "middle"]), "value": texts}, optional={"unit": texts}
    ),
    max_size=3,
    unique_by=lambda one: one["context"],
)
valued = st.fixed_dictionaries(
    {"value": texts | lists}, optional={"multiselect": st.just(True), "unit": texts}
)
stored_values = texts | valued | sided | lists
records = st.dictionaries(st.sampled_from("abcde"), stored_values, max_size=5)
plain_values = st.one_of(
    texts,
    lists,
    st.none(),
    st.dictionaries(st.sampled_from(["left", "right"]), texts, min_size=1),
    st.integers(),
    st.dates(),
    st.floats(allow_nan=False, allow_infinity=False),
    stored_values,
)
changes = st.dictionaries(st.sampled_from("abcdefg"), plain_values, max_size=5)


@given(records, changes, st.booleans())
def test_merge(existing: dict[str, Any], new: dict[str, Any], overwrite: bool) -> None:
    before = copy.deepcopy((existing, new))
    merged = merge(existing, new, overwrite=overwrite)
    assert (existing, new) == before, "neither argument is changed"
    json.dumps(merged, allow_nan=False)
    removed = {key for key, value in new.items() if value is None} if overwrite else set()
    assert set(existing) - removed <= set(merged), "nothing is lost"
    assert not removed & set(merged), "None removes"
    assert {key for key, value in new.items() if value is not None} <= set(merged)
    for key, value in existing.items():
        if key in removed:
            continue
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


@given(records, changes, st.booleans())
def test_merging_twice_changes_nothing_more(
    existing: dict[str, Any], new: dict[str, Any], overwrite: bool
) -> None:
    once = merge(existing, new, overwrite=overwrite)
    assert merge(once, new, overwrite=overwrite) == once


@given(stored_values)
def test_plain_and_stored_are_inverse(value: Any) -> None:
    assert stored(plain(value), value) == value
    assert isinstance(value, list) or stored(value) == value


@given(records)
def test_a_record_is_restored_from_its_plain_values(record: dict[str, Any]) -> None:
    assert merge(record, values(record), overwrite=True) == record


def test_each_side_is_merged_separately() -> None:
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
    # a plain value says nothing of sides: it fills a field only if all its sides are empty
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
        ({2, 1}, {"value": ["1", "2"], "multiselect": True}),
        (range(2), {"value": ["0", "1"], "multiselect": True}),
        (120.0, "120"),
        (datetime(2026, 1, 31), "2026-01-31"),
        ({"nested": {"day": date(2026, 1, 31)}}, {"nested": {"day": "2026-01-31"}}),
        ({"value": 3, "unit": "cm"}, {"value": "3", "unit": "cm"}),
        ({"left": 1}, [{"context": "left", "value": "1"}]),
        ({"nested": {"deep": 1}}, {"nested": {"deep": 1}}),
    ],
)
def test_stored(said: Any, kept: Any) -> None:
    assert stored(said) == kept


def test_stored_numbers_of_numpy() -> None:
    numpy = pytest.importorskip("numpy")
    assert stored(numpy.float64(1.5)) == "1.5"
    assert stored(numpy.int64(7)) == "7"
    with pytest.raises(ValidationError):
        stored(numpy.nan)


@pytest.mark.parametrize(
    "value", [object(), float("nan"), float("inf"), [object()], {"left": object()}, b"x"]
)
def test_values_that_cannot_be_stored(value: Any) -> None:
    with pytest.raises(ValidationError):
        stored(value)


def test_a_duplicate_side_keeps_its_stored_form() -> None:
    odd = [{"context": "left", "value": "1"}, {"context": "left", "value": "2"}]
    assert plain(odd) == odd
    assert plain([{"context": "left"}]) == [{"context": "left"}]
    assert plain({"a": 1}) == {"a": 1}


@given(st.text() | st.none() | st.integers())
def test_parse_record(text: Any) -> None:
    found = parse_record(text)
    try:
        expected = json.loads(text) if isinstance(text, str) else text
    except ValueError:
        expected = text  # texts that are nested deeply are a test of their own
    assert found == expected or found != found
    if found is None:
        assert record_of(found, "it") == {}
    elif not isinstance(found, dict):
        with pytest.raises(ValidationError, match="not a JSON object"):
            record_of(found, "it")


@given(st.datetimes(timezones=st.timezones()))
def test_to_date_and_to_datetime(when: datetime) -> None:
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
def test_to_date(text: Any, day: Any) -> None:
    assert to_date(text) == day


@pytest.mark.parametrize("fraction", ["", ".1", ".12", ".123", ".123456", ".123456789"])
@pytest.mark.parametrize("zone", ["", "Z", "+00:00", "+02:00"])
def test_to_datetime_with_fractions_of_any_length(fraction: str, zone: str) -> None:
    found = to_datetime(f"2024-06-01T08:30:15{fraction}{zone}")
    assert isinstance(found, datetime)
    offset = timedelta(hours=2) if zone == "+02:00" else timedelta(0)
    assert found.utcoffset() == offset
    assert found.microsecond == int(f"{fraction[1:]:0<6.6}")


@pytest.mark.parametrize("text", ["2024-02-30T00:00:00Z", "whenever", ""])
def test_to_datetime_leaves_other_text(text: str) -> None:
    assert to_datetime(text) == text
    assert to_datetime(None) is None


published_values = st.one_of(
    st.sampled_from(["", "x", "y"]),
    st.builds(lambda v: {"value": v}, st.sampled_from(["", "x", []])),
    st.lists(
        st.builds(
            lambda c, v: {"context": c, "value": v},
            st.sampled_from(["left", "right"]),
            st.sampled_from(["", "1", []]),
        ),
        max_size=3,
    ),
    st.none(),
    st.integers(),
)
published_metadata = st.dictionaries(st.sampled_from("abcd"), published_values)


@given(published_metadata, published_metadata)
def test_merge_as_published(existing: dict[str, Any], imported: dict[str, Any]) -> None:
    copies = json.dumps([existing, imported])
    merged = merge_as_published(existing, imported)
    assert json.dumps([existing, imported]) == copies, "the caller's dictionaries stay as they are"
    assert set(merged) == set(existing) | set(imported)
    for key, value in existing.items():
        filled = value in ("", [], None) if not isinstance(value, dict) else value["value"] in ("", [])
        if not filled and not isinstance(value, list):
            assert merged[key] == value
        if isinstance(value, list):
            for before, after in zip(value, merged[key], strict=True):
                assert after == before or before["value"] in ("", [])
    for key, value in imported.items():
        if key not in existing or existing[key] == "":
            assert merged[key] == value


DEEP = '{"a":' * 200_000 + "1" + "}" * 200_000


def test_a_record_nested_without_end_stays_text() -> None:
    assert parse_record(DEEP) == DEEP
    with pytest.raises(ValidationError, match="the metadata of P-1 is not a JSON object"):
        record_of(parse_record(DEEP), "P-1")


@pytest.mark.parametrize(
    ("levels", "is_parsed"), [(1, True), (DEEPEST, True), (DEEPEST + 1, False), (900, False)]
)
def test_a_record_that_a_parser_takes_and_no_walk_survives_stays_text(levels: int, is_parsed: bool) -> None:
    for text in ("[" * levels + "]" * levels, '{"a":' * levels + "1" + "}" * levels):
        found = parse_record(text)
        assert (found != text) == is_parsed
        if is_parsed:
            assert parsed(text, "it") == found == json.loads(text)
        else:
            with pytest.raises(
                ValidationError, match="it is not JSON text, or is nested deeper than 64 levels"
            ):
                parsed(text, "it")


def test_a_value_nested_without_end_cannot_be_stored() -> None:
    value: dict[str, Any] = {}
    for _ in range(200_000):
        value = {"a": value}
    with pytest.raises(ValidationError, match="nested deeper than"):
        stored(value)
    while value:  # taken apart by hand: the interpreter frees it by recursion
        value = value.pop("a")
