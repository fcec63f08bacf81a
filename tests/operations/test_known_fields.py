"""Keys and options of metadata against a template: what it does not know is named, with what may have been meant."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moveshelf.errors import ValidationError
from moveshelf.operations.filters import Criterion, criteria
from moveshelf.operations.known_fields import check_values, checked_criteria
from moveshelf.values import Template

DATA = {
    "template": {
        "subject-sex": {"label": "Sex", "type": "radio", "options": ["Male", "Female"]},
        "subject-date-of-birth": {"label": "Date of birth", "type": "date"},
        "subject-diagnosis": {"label": "Diagnosis", "type": "text"},
        "heading": {"label": "General", "type": "title"},
    },
    "subjectMetadataTabs": [
        {"name": "Interventions", "template": {"surgeon": {"label": "Surgeon", "type": "text"}}}
    ],
    "sessionMetadataTabs": [
        {
            "name": "Measures",
            "template": {
                "vicon-height": {"label": "Height (cm)", "type": "number"},
                "session-braced": {"label": "Braced", "type": "checkbox"},
            },
        }
    ],
}
TEMPLATE = Template.parse({"name": "t", "data": json.dumps(DATA)})


@pytest.mark.parametrize(
    ("kind", "where", "hint"),
    [
        ("subjects", {"sex": "Male"}, "did you mean 'subject-sex'"),
        ("subjects", {"Sex": "Male"}, "did you mean 'subject-sex'"),
        ("subjects", {"subject_sex": "Male"}, "did you mean 'subject-sex'"),
        ("subjects", {"Date of birth": "2010-01-01"}, "did you mean 'subject-date-of-birth'"),
        ("subjects", {"diagnossis": "x"}, "did you mean 'subject-diagnosis'"),
        ("subjects", {"heading": "x"}, "subjects have no field 'heading'"),
        ("subjects", {"surgeon": "x"}, "a field of interventions"),
        ("subjects", {"vicon-height": 120}, "sessions have it"),
        ("subjects", {"zzz": 1}, "they have 'subject-sex', 'subject-date-of-birth', 'subject-diagnosis'"),
        ("subjects", {"subject-sex": "MALE"}, "did you mean 'Male'"),
        ("subjects", {"subject-sex": "zzz"}, "it has 'Male', 'Female'"),
        ("subjects", {"subject-date-of-birth": "2010-02-30"}, "holds days"),
        ("sessions", {"height": 120}, "did you mean 'vicon-height'"),
        ("sessions", {"vicon-height": "tall"}, "holds numbers"),
        ("sessions", {"session-braced": "yes"}, "true or false"),
    ],
)
def test_what_the_template_does_not_know(kind: Any, where: dict[str, Any], hint: str) -> None:
    with pytest.raises(ValidationError, match=hint) as caught:
        checked_criteria(TEMPLATE, kind, criteria(where), "where")
    assert len(caught.value.errors) == 1
    assert "check=False" in str(caught.value)


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(ValidationError) as caught:
        checked_criteria(
            TEMPLATE, "subjects", criteria({"sex": "Male", "subject-sex": ["male", "x"]}), "where"
        )
    assert len(caught.value.errors) == 3


@pytest.mark.parametrize(
    ("kind", "where", "found"),
    [
        (
            "subjects",
            {"subject-date-of-birth": "2010-1-2"},
            Criterion("subject-date-of-birth", "EQ", ("2010-01-02",)),
        ),
        ("subjects", {"subject-sex": ["Male"]}, Criterion("subject-sex", "IN", ("Male",))),
        ("subjects", {"subject-sex": ("A", "N")}, Criterion("subject-sex", "BETWEEN", ("A", "N"))),
        ("sessions", {"session-braced": True}, Criterion("session-braced", "EQ", ("true",))),
        ("sessions", {"vicon-height": 120.0}, Criterion("vicon-height", "EQ", ("120",))),
    ],
)
def test_what_the_template_knows_is_sent_in_its_form(
    kind: Any, where: dict[str, Any], found: Criterion
) -> None:
    assert checked_criteria(TEMPLATE, kind, criteria(where), "where") == [found]


@pytest.mark.parametrize(
    "template",
    [None, Template.parse({"name": "t", "data": "{"}), Template.parse({"name": "t", "data": "{}"})],
)
def test_without_fields_nothing_is_compared(template: Template | None) -> None:
    wanted = criteria({"anything": "2010-1-2"})
    assert checked_criteria(template, "subjects", wanted, "where") == wanted
    check_values(template, "subjects", {"anything": "x"}, "P-1")


def test_values_to_write() -> None:
    stored = {
        "subject-sex": {"value": "Male"},
        "subject-diagnosis": [{"context": "left", "value": "anything"}],
        "zzz": None,  # which removes it
    }
    check_values(TEMPLATE, "subjects", stored, "P-1")
    with pytest.raises(ValidationError, match=r"nothing was written: .*did you mean 'Male'.*validate=False"):
        check_values(TEMPLATE, "subjects", {"subject-sex": [{"context": "left", "value": "male"}]}, "P-1")


@given(st.text(max_size=12), st.text(max_size=6))
def test_any_key_and_value_is_known_or_refused(key: str, value: str) -> None:
    if not key:
        return
    try:
        checked_criteria(TEMPLATE, "subjects", criteria({key: value}), "where")
    except ValidationError as error:
        assert key in DATA["template"] or repr(key) in str(error)  # noqa: PT017
        return
    assert key in DATA["template"]
