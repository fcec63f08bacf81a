"""Days, counts and filters of the objects' searches: values of any library mean what they mean, or are refused."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moveshelf.errors import ValidationError
from moveshelf.operations import filters, validation
from moveshelf.values import text_value

any_value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(
            st.sampled_from(["key", "operator", "value", "values", "logic", "filters", "a"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


# days and counts -------------------------------------------------------------------------------------------------------
@given(st.dates() | st.datetimes())
def test_days_are_dates_or_their_text(when: date) -> None:
    plain = date(when.year, when.month, when.day)
    assert filters.day_text(when) == filters.day_text(plain.isoformat()) == plain.isoformat()
    assert filters.day_text(f"{plain.year:04}-{plain.month}-{plain.day}") == plain.isoformat()
    assert filters.period(when, when) == (plain, plain)


@pytest.mark.parametrize("wrong", ["yesterday", "2026-02-30", "31.01.2026", 20260131, [], b"2026-01-31"])
def test_what_is_no_day(wrong: Any) -> None:
    with pytest.raises(ValidationError, match=r"start is (a day|'2026-02-30', a day that)"):
        filters.period(wrong, None)
    assert filters.period(None, "") == (None, None)


@given(st.dates(), st.dates())
def test_a_period_ends_after_its_start(first: date, last: date) -> None:
    if first > last:
        with pytest.raises(ValidationError, match=f"start {first} is after end {last}"):
            filters.period(first, last)
    else:
        assert filters.period(first, str(last)) == (first, last)


@given(st.dates() | st.none(), st.dates() | st.none())
def test_the_last_day_of_a_filter_is_included(first: date | None, last: date | None) -> None:
    """The service leaves the last day out, so that the day after it is sent."""
    if first is not None and last is not None and first > last:
        return
    if last == date.max:
        return
    found = filters.sessions_filter({"start": first, "end": last})
    if first is None and last is None:
        assert found is None
        return
    assert found == {
        "sessionDates": {
            "startDate": None if first is None else first.isoformat(),
            "endDate": None if last is None else (last + timedelta(days=1)).isoformat(),
        }
    }
    validation.check_session_filters(found)


@pytest.mark.parametrize("limit", [None, 1, 10**9, 4.0, np.int64(3), np.float64(3)])
def test_limits(limit: Any) -> None:
    assert filters.checked_limit(limit) == limit


@pytest.mark.parametrize("limit", [0, -1, True, "5", 1.5, [], np.nan, pd.NaT])
def test_what_is_no_limit(limit: Any) -> None:
    with pytest.raises(ValidationError, match="limit is a whole number from 1 to 2147483647"):
        filters.checked_limit(limit)


# filters ---------------------------------------------------------------------------------------------------------------
scalar = st.text(max_size=4) | st.integers() | st.dates() | st.booleans()
names = st.text("abc", min_size=1, max_size=3)
leaves = st.builds(lambda key, value: {"key": key, "operator": "EQ", "value": value}, names, scalar)
groups = st.recursive(
    leaves,
    lambda inner: st.builds(
        lambda logic, filters: {"logic": logic, "filters": filters},
        st.sampled_from(["AND", "OR"]),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=6,
)


def texts_of(tree: Any) -> list[str]:
    """The values of all leaves of a filter."""
    if "filters" in tree:
        return [text for one in tree["filters"] for text in texts_of(one)]
    return [tree["value"]]


@given(st.dictionaries(names, scalar | st.lists(scalar, min_size=1, max_size=3), min_size=1, max_size=3))
def test_short_filters_are_written_as_the_service_takes_them(where: dict[str, Any]) -> None:
    found = filters.subject_filter(where)
    validation.check_subject_filter(found)
    flat = [one for value in where.values() for one in (value if isinstance(value, list) else [value])]
    assert set(texts_of(found)) == {text_value(one) for one in flat}
    validation.check_filter_list(filters.metadata_filters(where))


@given(groups)
def test_filters_in_the_services_form_keep_their_shape(tree: dict[str, Any]) -> None:
    before = json.dumps(tree, default=str)
    found = filters.subject_filter(tree)
    validation.check_subject_filter(found)
    assert json.dumps(tree, default=str) == before, "the caller's filter stays as it is"
    assert found is not None
    assert list(found) == list(tree)
    assert all(isinstance(one, str) for one in texts_of(found))


@given(any_value)
def test_any_filter_is_accepted_or_refused_by_our_error(value: Any) -> None:
    for check in (
        filters.subject_filter,
        filters.metadata_filters,
        validation.check_subject_filter,
        validation.check_session_filters,
        validation.check_filter_list,
    ):
        try:
            found: Any = check(value)
        except ValidationError:
            continue
        if check is filters.subject_filter:
            validation.check_subject_filter(found)
        if check is filters.metadata_filters:
            validation.check_filter_list(found)


@given(st.dictionaries(st.sampled_from(["start", "end", "min", "max", "more"]), any_value, max_size=4))
def test_any_filter_by_sessions_is_accepted_or_refused_by_our_error(value: dict[str, Any]) -> None:
    try:
        found = filters.sessions_filter(value)
    except ValidationError:
        return
    validation.check_session_filters(found)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (("a", "b"), {"key": "k", "operator": "BETWEEN", "values": ["a", "b"]}),
        (["a", 1], {"key": "k", "operator": "IN", "values": ["a", "1"]}),
        (datetime(2026, 1, 31), {"key": "k", "operator": "EQ", "value": "2026-01-31"}),
        (datetime(2026, 1, 31, 12), {"key": "k", "operator": "EQ", "value": "2026-01-31T12:00:00"}),
        (
            (date(2023, 3, 1), "2023-11-1"),
            {"key": "k", "operator": "BETWEEN", "values": ["2023-03-01", "2023-11-01"]},
        ),
        ((9, 10.5), {"key": "k", "operator": "BETWEEN", "values": ["9", "10.5"]}),
        (np.array(["a", "b"]), {"key": "k", "operator": "IN", "values": ["a", "b"]}),
        (pd.Series([1, 2]), {"key": "k", "operator": "IN", "values": ["1", "2"]}),
        (range(2), {"key": "k", "operator": "IN", "values": ["0", "1"]}),
        ((one for one in "ab"), {"key": "k", "operator": "IN", "values": ["a", "b"]}),
        ({"b", "a"}, {"key": "k", "operator": "IN", "values": ["a", "b"]}),
        (np.float64(120.0), {"key": "k", "operator": "EQ", "value": "120"}),
        (pd.Timestamp("2024-05-06"), {"key": "k", "operator": "EQ", "value": "2024-05-06"}),
        (np.datetime64("2024-05-06"), {"key": "k", "operator": "EQ", "value": "2024-05-06"}),
        (True, {"key": "k", "operator": "EQ", "value": "true"}),
        (date(2026, 1, 31), {"key": "k", "operator": "EQ", "value": "2026-01-31"}),
    ],
)
def test_operators_of_session_filters(value: Any, found: dict[str, Any]) -> None:
    assert filters.metadata_filters({"k": value}) == [found]


@pytest.mark.parametrize(
    "value",
    [
        None,
        float("nan"),
        pd.NaT,
        pd.NA,
        np.datetime64("NaT", "ns"),
        ["a", None],
        ["a", np.nan],
        [],
        np.array([]),
        object(),
        b"x",
        {"a": 1},
        [["a"]],
        pd.DataFrame({"a": [1]}),
        ("a",),
        ("a", None),
        (2, 1),
        ("2023-11-1", "2023-3-1"),
        (1, np.nan),
        float("inf"),
    ],
)
def test_what_is_no_value_of_a_filter_is_refused_by_its_key(value: Any) -> None:
    for make in (filters.subject_filter, filters.metadata_filters):
        with pytest.raises(ValidationError, match="the-key"):
            make({"the-key": value})


def test_values_of_filters_in_the_services_form() -> None:
    given_filters = [
        {"key": "k", "operator": "EQ", "value": np.int64(3)},
        {"key": "k", "operator": "IN", "values": np.array(["a", "b"])},
        {"key": "k", "operator": "BETWEEN", "values": (one for one in (1, 2))},
    ]
    assert filters.metadata_filters(given_filters) == [
        {"key": "k", "operator": "EQ", "value": "3"},
        {"key": "k", "operator": "IN", "values": ["a", "b"]},
        {"key": "k", "operator": "BETWEEN", "values": ["1", "2"]},
    ]
    leaf = {"key": "k", "operator": "EQ", "value": pd.Timestamp("2024-05-06")}
    assert filters.subject_filter(leaf) == {**leaf, "value": "2024-05-06"}
    for wrong in (object(), np.nan, np.array([1, 2])):
        with pytest.raises(ValidationError):
            filters.subject_filter({"key": "k", "operator": "EQ", "value": wrong})


@pytest.mark.parametrize(
    ("bounds", "present", "is_met"),
    [
        ((2, 10), ["9"], True),
        ((2, 10), ["11"], False),
        ((2, 10), [], False),
        ((2, 10), ["1", "5"], True),
        (("2023-01-01", "2023-01-31"), ["2023-01-31T10:00:00Z"], True),
        (("2023-01-01", "2023-01-31"), ["2023-02-01"], False),
        ((2, 10), ["tall"], False),
        ((800, 900), ["81,2"], False),
        ((800, 900), ["812 mm"], False),
        ((800, 900), ["812 mm", "812"], True),
        ((800, 900), ["nan"], False),
        (("2023", "2024"), ["2023-05-01"], True),
        (("a", "c"), ["b"], True),
    ],
)
def test_ranges_that_are_compared_here(bounds: Any, present: list[str], is_met: bool) -> None:
    assert filters.between("k", bounds).is_met(present) is is_met


def test_what_is_no_number_is_told() -> None:
    numbers = filters.between("k", (800, 900))
    assert numbers.not_comparable(["812", "81,2", "", " ", "812 mm"]) == ["81,2", "812 mm"]
    assert filters.between("k", ("2023-01-01", "2023-12-31")).not_comparable(["soon"]) == []


@pytest.mark.parametrize("sessions", [{"min": np.int64(2)}, {"min": 2.0}, {"min": pd.Series([2])[0]}])
def test_counts_of_sessions(sessions: Any) -> None:
    assert filters.sessions_filter(sessions) == {"numSessions": {"min": 2, "max": None}}


@pytest.mark.parametrize(
    "sessions",
    [
        {"min": 3, "max": 2},
        {"min": np.nan},
        {"start": pd.NaT},
        {"end": date.max},
        ["min"],
        "text",
        {1: 2, "a": 3},
    ],
)
def test_what_is_no_filter_by_sessions(sessions: Any) -> None:
    with pytest.raises(ValidationError):
        filters.sessions_filter(sessions)


def _nested(depth: int) -> dict[str, Any]:
    tree: dict[str, Any] = {"key": "k", "operator": "EQ", "value": "v"}
    for _ in range(depth):
        tree = {"logic": "AND", "filters": [tree]}
    return tree


def test_groups_nested_without_sense_are_refused() -> None:
    assert filters.subject_filter(_nested(filters.MOST_LEVELS - 1)) is not None
    with pytest.raises(ValidationError, match="nested deeper than 32 levels"):
        filters.subject_filter(_nested(3000))
    circle: dict[str, Any] = {"logic": "OR", "filters": []}
    circle["filters"] += [circle, circle]
    with pytest.raises(ValidationError, match="nested deeper than 32 levels"):
        filters.subject_filter(circle)


@pytest.mark.parametrize("count", [2**31, 10**30, 1e300])
def test_numbers_that_the_service_cannot_take(count: Any) -> None:
    with pytest.raises(ValidationError, match="min is a whole number from 0 to 2147483647"):
        filters.sessions_filter({"min": count})
    with pytest.raises(ValidationError, match="limit is a whole number from 1 to 2147483647"):
        filters.checked_limit(count)


def test_a_month_ends_with_its_last_day() -> None:
    month = pd.Period("2024-02")
    assert filters.period(month, month) == (date(2024, 2, 1), date(2024, 2, 29))
