"""What is checked before anything is sent: names, values, dates and filters."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moveshelf.errors import ValidationError
from moveshelf.operations import validation
from moveshelf.operations.validation import InputTypeError

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


# ids and names ---------------------------------------------------------------------------------------------------------
@given(any_value)
def test_an_id_is_text_without_spaces(value: Any) -> None:
    try:
        found = validation.checked_id(value, "clip")
    except ValidationError as error:
        text = str(error)
    else:
        assert found is value
        assert value
        assert not any(one.isspace() for one in value)
        return
    assert "no id of a clip" in text


@pytest.mark.parametrize("value", [None, "", "  ", "\n"])
def test_a_missing_id_is_a_type_error_too(value: Any) -> None:
    with pytest.raises(InputTypeError, match=r"the id of the clip is .*nothing was sent") as caught:
        validation.check_id(value, "clip")
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value, ValidationError)


@given(st.text(max_size=8) | any_value)
def test_names_can_be_parts_of_paths(name: Any) -> None:
    try:
        found = validation.checked_name(name, "subject")
    except ValidationError as error:
        text = str(error)
    else:
        assert found == name == name.strip()
        assert "/" not in name
        assert name.isprintable()
        return
    assert "subject" in text


@given(st.text("/a b", max_size=6))
def test_slashes_at_the_ends_of_a_condition_do_not_count(name: str) -> None:
    inner = name.strip("/")
    if inner and inner.strip() == inner and "/" not in inner:
        assert validation.checked_folder(name) == inner
    else:
        with pytest.raises(ValidationError, match="condition"):
            validation.checked_folder(name)


@pytest.mark.parametrize("check", [validation.checked_title, validation.checked_file_name])
def test_titles_and_names_of_files(check: Any) -> None:
    assert check("Trial 1/2") == "Trial 1/2"
    for wrong in ("", "  ", None, 5, b"x"):
        with pytest.raises(ValidationError):
            check(wrong)


# values ----------------------------------------------------------------------------------------------------------------
def test_values_are_a_dictionary_of_the_callers_own() -> None:
    values = {"subject-sex": "Male"}
    found = validation.checked_values(values)
    assert found == values
    assert found is not values
    for wrong in (None, [], "text", [("a", 1)]):
        with pytest.raises(ValidationError, match="metadata is a dictionary"):
            validation.checked_values(wrong)
    for key in ("", 5, None, ("a",)):
        with pytest.raises(ValidationError, match="field has a name"):
            validation.checked_values({key: "x"})


@given(any_value)
def test_interventions_are_a_list_of_dictionaries(value: Any) -> None:
    try:
        found = validation.checked_interventions(value)
    except ValidationError:
        return
    assert found == list(value)
    assert all(isinstance(one, dict) for one in found)
    json.dumps(found, allow_nan=False)


@given(any_value)
def test_json_text_is_json_or_refused(value: Any) -> None:
    try:
        text = validation.json_text(value)
    except ValidationError as error:
        assert "cannot be written as JSON" in str(error)  # noqa: PT017
        return
    assert json.loads(text) == json.loads(json.dumps(value))


def test_json_nested_without_end_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ValidationError, match="cannot be written as JSON"):
        validation.json_text(endless)


@pytest.mark.parametrize(
    ("given_options", "text"),
    [(None, None), ({"a": 1}, '{"a": 1}'), ('{"a": 1}', '{"a": 1}'), ([1], "[1]"), ("null", "null")],
)
def test_custom_options(given_options: Any, text: str | None) -> None:
    assert validation.options_text(given_options) == text


@pytest.mark.parametrize("wrong", ["text", "{", object(), {1, 2}, "[" * 100_000])
def test_malformed_custom_options(wrong: Any) -> None:
    with pytest.raises(ValidationError, match="custom_options"):
        validation.options_text(wrong)


# dates -----------------------------------------------------------------------------------------------------------------
@given(st.dates() | st.datetimes())
def test_days_are_dates_or_their_text(when: date) -> None:
    plain = date(when.year, when.month, when.day)
    assert validation.day(when, "start") == validation.day(plain.isoformat(), "start") == plain
    assert type(validation.day(when, "start")) is date
    assert validation.day_text(when) == plain.isoformat()
    assert validation.day_in(plain.isoformat()) == plain.isoformat()


@pytest.mark.parametrize("wrong", ["yesterday", "2026-02-30", "31.01.2026", 20260131, [], b"2026-01-31"])
def test_what_is_no_day(wrong: Any) -> None:
    with pytest.raises(ValidationError, match="start must be a date or text like 2026-01-31"):
        validation.day(wrong, "start")
    assert validation.day(None, "start") is validation.day("", "start") is None


@given(st.dates(), st.dates())
def test_a_period_ends_after_its_start(first: date, last: date) -> None:
    if first > last:
        with pytest.raises(ValidationError, match=f"start {first} is after end {last}"):
            validation.period(first, last)
    else:
        assert validation.period(first, str(last)) == (first, last)


@given(st.dates() | st.none(), st.dates() | st.none())
def test_the_last_day_of_a_filter_is_included(first: date | None, last: date | None) -> None:
    """The service leaves the last day out, so that the day after it is sent."""
    if first is not None and last is not None and first > last:
        return
    if last == date.max:
        return
    found = validation.sessions_filter({"start": first, "end": last})
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


@pytest.mark.parametrize("limit", [None, 1, 10**9])
def test_limits(limit: Any) -> None:
    assert validation.checked_limit(limit) is limit


@pytest.mark.parametrize("limit", [0, -1, True, "5", 1.0, []])
def test_what_is_no_limit(limit: Any) -> None:
    with pytest.raises(ValidationError, match="limit is a number of sessions"):
        validation.checked_limit(limit)


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


def said(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


@given(st.dictionaries(names, scalar | st.lists(scalar, min_size=1, max_size=3), min_size=1, max_size=3))
def test_short_filters_are_written_as_the_service_takes_them(where: dict[str, Any]) -> None:
    found = validation.subject_filter(where)
    validation.check_subject_filter(found)
    flat = [one for value in where.values() for one in (value if isinstance(value, list) else [value])]
    assert texts_of(found) == [said(one) for one in flat]
    validation.check_filter_list(validation.metadata_filters(where))


@given(groups)
def test_filters_in_the_services_form_keep_their_shape(tree: dict[str, Any]) -> None:
    before = json.dumps(tree, default=str)
    found = validation.subject_filter(tree)
    validation.check_subject_filter(found)
    assert json.dumps(tree, default=str) == before, "the caller's filter stays as it is"
    assert found is not None
    assert list(found) == list(tree)
    assert all(isinstance(one, str) for one in texts_of(found))


@given(any_value)
def test_any_filter_is_accepted_or_refused_by_our_error(value: Any) -> None:
    for check in (
        validation.subject_filter,
        validation.metadata_filters,
        validation.check_subject_filter,
        validation.check_session_filters,
        validation.check_filter_list,
    ):
        try:
            found: Any = check(value)
        except ValidationError:
            continue
        if check is validation.subject_filter:
            validation.check_subject_filter(found)
        if check is validation.metadata_filters:
            validation.check_filter_list(found)


@given(st.dictionaries(st.sampled_from(["start", "end", "min", "max", "more"]), any_value, max_size=4))
def test_any_filter_by_sessions_is_accepted_or_refused_by_our_error(value: dict[str, Any]) -> None:
    try:
        found = validation.sessions_filter(value)
    except ValidationError:
        return
    validation.check_session_filters(found)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (("a", "b"), {"key": "k", "operator": "BETWEEN", "values": ["a", "b"]}),
        (["a", 1], {"key": "k", "operator": "IN", "values": ["a", "1"]}),
        (datetime(2026, 1, 31), {"key": "k", "operator": "EQ", "value": "2026-01-31T00:00:00"}),
        (date(2026, 1, 31), {"key": "k", "operator": "EQ", "value": "2026-01-31"}),
    ],
)
def test_operators_of_session_filters(value: Any, found: dict[str, Any]) -> None:
    assert validation.metadata_filters({"k": value}) == [found]


# clips -----------------------------------------------------------------------------------------------------------------
def test_values_of_a_clip_have_the_services_names() -> None:
    values = {
        "description": "x",
        "allow_download": False,
        "start_timecode": ("01:02:03:04", 25),
        "title": None,
    }
    assert validation.clip_values(values) == {
        "description": "x",
        "allowDownload": False,
        "startTimecode": {"timecode": "01:02:03:04", "framerate": "FPS_25"},
    }


@given(st.dictionaries(st.text(max_size=6), any_value, max_size=3))
def test_any_value_of_a_clip_is_accepted_or_refused_by_our_error(values: dict[str, Any]) -> None:
    try:
        found = validation.clip_values(values)
    except ValidationError:
        return
    json.dumps(found)
