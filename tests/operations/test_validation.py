"""What is checked before anything is sent: names, values, dates and filters."""

from __future__ import annotations

import json
from datetime import date
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
    assert json.loads(json.dumps(found, allow_nan=False)) == json.loads(json.dumps(list(value), default=str))
    assert all(isinstance(one, dict) for one in found)


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
@given(st.dates())
def test_a_name_that_is_a_day(day: date) -> None:
    assert validation.day_in(day.isoformat()) == day.isoformat()
    assert validation.day_in(f"{day.isoformat()} a") is None


# filters as the flat client takes them ---------------------------------------------------------------------------------
@given(any_value)
def test_any_filter_in_the_services_form_is_accepted_or_refused_by_our_error(value: Any) -> None:
    for check in (
        validation.check_subject_filter,
        validation.check_session_filters,
        validation.check_filter_list,
    ):
        try:
            check(value)
        except ValidationError:
            continue


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
