"""The service's words, templates that come in any shape, and what values of Python, numpy and pandas mean."""

from __future__ import annotations

import array
import copy
import enum
import itertools
import json
import math
import pickle
import re
import subprocess
import sys
import threading
import uuid
from collections import UserDict, deque
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moveshelf.errors import ValidationError
from moveshelf.values import (
    DEEPEST,
    LONGEST,
    Configuration,
    Dataset,
    DataType,
    JobStatus,
    OpenEnum,
    ReportType,
    Template,
    TemplateField,
    UploadStatus,
    brief,
    count_value,
    day_value,
    is_deeper,
    is_missing,
    plain_value,
    printable,
    seconds_value,
    text_value,
    word_of,
)

NOTHING = [
    float("nan"),
    np.float64("nan"),
    np.float32("nan"),
    np.float16("nan"),
    np.array(float("nan")),
    pd.NaT,
    pd.NA,
    np.datetime64("NaT", "s"),
    np.timedelta64("NaT", "s"),
    np.ma.masked,
    Decimal("NaN"),
    Decimal("sNaN"),
]


# words ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", [UploadStatus, JobStatus, DataType])
def test_a_word_of_a_newer_service(kind: type[OpenEnum]) -> None:
    new = kind("Somersaulting")
    assert new == kind("Somersaulting") == "Somersaulting"
    assert hash(new) == hash(kind("Somersaulting")) == hash("Somersaulting")
    assert {new, kind("Somersaulting"), "Somersaulting"} == {"Somersaulting"}
    assert str(new) == new.value == f"{new}" == "Somersaulting"
    assert not new.is_known
    assert all(one.is_known for one in kind)
    assert new not in list(kind)
    for twin in (pickle.loads(pickle.dumps(new)), copy.copy(new), copy.deepcopy(new)):
        assert twin == new
        assert type(twin) is kind
    with pytest.raises(ValueError):
        kind(5)
    for known in kind:
        assert pickle.loads(pickle.dumps(known)) is known is kind(known.value)


def test_unknown_words_are_not_kept() -> None:
    look_up = word_of(UploadStatus)
    before = len(UploadStatus._value2member_map_)
    for number in range(1000):
        assert look_up(f"word {number}") == UploadStatus(f"word {number}") == f"word {number}"
    assert len(UploadStatus._value2member_map_) == before == len(UploadStatus)


def test_a_word_that_is_spelled_like_a_members_name_is_unknown() -> None:
    assert UploadStatus("COMPLETE") != UploadStatus.COMPLETE
    assert not UploadStatus("COMPLETE").is_known


def test_what_is_no_word_stays_as_it_is() -> None:
    look_up = word_of(UploadStatus)
    assert look_up("Complete") is UploadStatus.COMPLETE
    assert look_up(None) is None
    assert look_up(5) == 5
    assert look_up(["Complete"]) == ["Complete"]
    assert look_up({"a": 1}) == {"a": 1}


def test_members_are_their_texts() -> None:
    assert str(ReportType.CURRENT_COMPARISON) == "currentSessionComparison"
    assert JobStatus("Complete").is_finished
    assert not JobStatus("Resting").is_finished
    assert {"Complete": 1}[UploadStatus.COMPLETE] == 1


# templates --------------------------------------------------------------------------------------------------------
TEMPLATE = {
    "template": {
        "heading": {"label": "General", "type": "title"},
        "ehr-id": {"label": "EHR ID", "type": "text"},
        "subject-aids": {
            "label": "Aids",
            "type": "select",
            "multiselect": True,
            "options": ["Insole", {"value": "Cane", "label": "A cane"}, {"label": "Walker"}, "Insole"],
        },
        "leg": {"label": "Leg", "type": "number", "hasContext": True},
    },
    "subjectMetadataTabs": [
        {"name": "Interventions", "template": {"intervention-date": {"label": "Date", "type": "date"}}},
        {"name": "History", "template": {"history-notes": {"label": "Notes", "type": "text"}}},
    ],
    "sessionMetadataTabs": [{"name": "Exam", "template": {"height": {"label": "Height", "type": "number"}}}],
}


def test_a_template() -> None:
    found = Template.parse({"name": "Gait", "data": json.dumps(TEMPLATE)})
    assert found is not None
    assert (found.name, found.problem) == ("Gait", "")
    assert list(found.subject_fields) == [
        "ehr-id",
        "subject-aids",
        "leg",
        "intervention-date",
        "history-notes",
    ]
    assert list(found.fields("subjects")) == ["ehr-id", "subject-aids", "leg", "history-notes"]
    assert list(found.intervention_fields) == ["intervention-date"]
    assert list(found.session_fields) == list(found.fields("sessions")) == ["height"]
    aids = found.subject_fields["subject-aids"]
    assert aids.options == ("Insole", "Cane", "Walker")
    assert (aids.multiselect, aids.has_context, aids.tab) == (True, False, "")
    assert found.subject_fields["leg"].has_context
    assert {tab: list(one) for tab, one in found.tabs("subjects").items()} == {
        "General": ["ehr-id", "subject-aids", "leg"],
        "History": ["history-notes"],
    }
    assert {tab: list(one) for tab, one in found.tabs("sessions").items()} == {"Exam": ["height"]}
    assert found == Template.parse({"name": "Gait", "data": TEMPLATE})
    assert hash(found) == hash(Template.parse({"name": "Gait", "data": TEMPLATE}))
    assert len({*found.subject_fields.values()}) == 5
    with pytest.raises(ValidationError, match="'clips'"):
        found.fields("clips")  # type: ignore[arg-type]


nonsense: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=3)
    | st.sampled_from(["title", "true", "select"]),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "template",
                    "subjectMetadataTabs",
                    "sessionMetadataTabs",
                    "name",
                    "label",
                    "type",
                    "options",
                    "value",
                ]
            ),
            below,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(nonsense, nonsense, nonsense)
def test_any_template_is_parsed(first: Any, second: Any, third: Any) -> None:
    data = {"template": first, "subjectMetadataTabs": second, "sessionMetadataTabs": third}
    for response in (data, {"name": first, "data": data}, {"data": json.dumps(data)}, {"data": first}, first):
        found = Template.parse(response)
        Configuration.parse(response)
        Dataset.list_of(response)
        if found is None:
            continue
        assert isinstance(found.name, str)
        for kind in ("subjects", "sessions"):
            for key, field in found.fields(kind).items():  # type: ignore[arg-type]
                assert isinstance(key, str)
                assert isinstance(field.label, str)
                assert isinstance(field.type, str)
                assert field.type != "title"
                assert all(isinstance(one, str) for one in field.options)
                hash(field)
            assert sum(len(tab) for tab in found.tabs(kind).values()) == len(found.fields(kind))  # type: ignore[arg-type]


@given(nonsense)
def test_any_entry_is_a_field(raw: Any) -> None:
    field = TemplateField.parse("key", raw)
    assert field.key == "key"
    assert field.label
    assert isinstance(field.has_context, bool)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ("{", "not JSON"),
        ("[1]", "not a JSON object but list"),
        ([1], "not a JSON object but list"),
        ("[" * 100_000, "nested deeper|not JSON"),
        ('{"template": ' + "[" * 500 + "]" * 500 + "}", "nested deeper"),
        (None, ""),
        ("", ""),
        ("{}", ""),
    ],
)
def test_a_template_that_cannot_be_read_says_so(data: Any, problem: str) -> None:
    for kind in (Template, Configuration):
        found = kind.parse({"name": "x", "id": "y", "data": data})  # type: ignore[attr-defined]
        assert found.data == {}
        if problem:
            assert re.search(problem, found.problem)
        else:
            assert found.problem == ""


def test_no_template() -> None:
    for nothing in (None, {}, [], "text", 5, [{"name": "x"}]):
        assert Template.parse(nothing) is None
        assert Configuration.parse(nothing) is None
        assert Dataset.list_of(nothing) in ((), (Dataset("x", None),))


@given(st.integers(0, 200), st.integers(1, 100))
def test_depth(levels: int, most: int) -> None:
    value: Any = 1
    for number in range(levels):
        value = [value] if number % 2 else {"a": value}
    assert is_deeper(value, most) is (levels > most)


def test_datasets() -> None:
    found = Dataset.list_of(
        [{"name": "a", "downloadUri": "https://x/a?Signature=1"}, None, {"name": None}, 5]
    )
    assert found == (Dataset("a", "https://x/a?Signature=1"), Dataset("", None))
    assert "Signature" not in repr(found)


# plain values -----------------------------------------------------------------------------------------------------
class Colour(enum.Enum):
    RED = "red"
    TWO = 2


class Inner(enum.Enum):
    DEEP = np.int64(4)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (None, None),
        (np.int64(3), 3),
        (np.uint8(3), 3),
        (np.float32(1.5), 1.5),
        (np.float16(1.5), 1.5),
        (np.longdouble(1.5), 1.5),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (np.array(3), 3),
        (np.array("a"), "a"),
        (np.array(None, dtype=object), None),
        (np.array(Decimal(2), dtype=object), 2),
        (np.datetime64("2024-05-06"), date(2024, 5, 6)),
        (np.datetime64("2024-05-06T07:08:09.123456789"), datetime(2024, 5, 6, 7, 8, 9, 123456)),
        (np.datetime64("2024-05"), date(2024, 5, 1)),
        (np.array("2024-05-06", dtype="datetime64[ns]"), datetime(2024, 5, 6)),
        (np.timedelta64(90, "s"), timedelta(seconds=90)),
        (pd.Timestamp("2024-05-06 07:08:09.123456789"), datetime(2024, 5, 6, 7, 8, 9, 123456)),
        (pd.Timestamp("2024-05-06", tz="UTC"), datetime(2024, 5, 6, tzinfo=timezone.utc)),
        (pd.Timedelta("90s"), timedelta(seconds=90)),
        (pd.Period("2024-05-06", "D"), date(2024, 5, 6)),
        (pd.Period("2024-05-06 07:00", "h"), datetime(2024, 5, 6, 7)),
        (Decimal("3"), 3),
        (Decimal("1.10"), 1.1),
        (Decimal("1E+3"), 1000),
        (Decimal("0.1234567890123456789"), "0.1234567890123456789"),
        (Decimal("-Infinity"), -math.inf),
        (Fraction(6, 2), 3),
        (Fraction(1, 4), 0.25),
        (Colour.RED, "red"),
        (Colour.TWO, 2),
        (Inner.DEEP, 4),
        (UploadStatus.COMPLETE, "Complete"),
        (UploadStatus("New"), "New"),
        (Path("a/b.c3d"), str(Path("a/b.c3d"))),
        (uuid.UUID(int=5), str(uuid.UUID(int=5))),
        (time(7, 8), time(7, 8)),
        ((1, "a"), [1, "a"]),
        (range(3), [0, 1, 2]),
        ((one for one in "ab"), ["a", "b"]),
        (map(str, [1]), ["1"]),
        (deque([1]), [1]),
        ({"b", "a"}, ["a", "b"]),
        (frozenset({2, 1}), [1, 2]),
        ({"a": 1}.keys(), ["a"]),
        ({"a": 1}.values(), [1]),
        (array.array("i", [1, 2]), [1, 2]),
        (np.array([1, 2]), [1, 2]),
        (np.array([[1], [2]]), [[1], [2]]),
        (np.array(["2024-05-06"], dtype="datetime64[ns]"), [datetime(2024, 5, 6)]),
        (pd.Series([1, 2]), [1, 2]),
        (pd.Series(["00123"]), ["00123"]),
        (pd.Series(pd.to_datetime(["2024-05-06"])), [datetime(2024, 5, 6)]),
        (pd.Index(["a"]), ["a"]),
        (pd.Categorical(["a", "b"]), ["a", "b"]),
        (pd.array([1], dtype="Int64"), [1]),
        ({"left": np.int64(1), "right": pd.Series([2])}, {"left": 1, "right": [2]}),
        (UserDict(a=np.float64(1)), {"a": 1.0}),
    ],
)
def test_what_values_mean(value: Any, plain: Any) -> None:
    found = plain_value(value)
    assert found == plain
    assert type(found) is type(plain)


@pytest.mark.parametrize("nothing", NOTHING, ids=lambda one: f"{type(one).__name__} {one}")
def test_missing_values(nothing: Any) -> None:
    assert is_missing(nothing)
    assert plain_value(nothing, missing="none") is None
    assert plain_value([nothing, 1], missing="none") == [None, 1]
    assert plain_value({"left": nothing}, missing="none") == {"left": None}
    for value in (nothing, [1.0, nothing], {"left": nothing, "right": 1}):
        with pytest.raises(ValidationError, match=r"height.* is missing"):
            plain_value(value, "height")
    for check in (day_value, seconds_value, count_value, text_value):
        with pytest.raises(ValidationError, match="width"):
            check(nothing, "width")  # type: ignore[operator]


@pytest.mark.parametrize(
    "series", [pd.Series([1.0, None]), pd.Series(["a", None]), pd.array([1, None], dtype="Int64")]
)
def test_gaps_in_columns(series: Any) -> None:
    assert plain_value(series, missing="none")[1] is None


def test_none_is_a_value_of_its_own() -> None:
    assert plain_value(None) is None
    assert plain_value([None, 1]) == [None, 1]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (b"x", "decode it"),
        (np.bytes_(b"x"), "decode it"),
        (bytearray(b"x"), "decode it"),
        (pd.DataFrame({"a": [1]}), "one column"),
        (object(), "pass a text"),
        (1j, "pass a text"),
        (np.complex128(1j), "pass a text"),
        (np.array([(1, 2)], dtype="i4,i4")[0], "pass a text"),
        (np.datetime64(10**6, "Y"), "1 to 9999"),
        (Decimal("1E+9999999"), "far outside"),
        (Fraction(10**400, 3), "larger"),
        (pd.Interval(0, 1), "pass a text"),
        ({1: 2}, "keys"),
        ({"a": object()}, "height\\['a'\\]"),
        (lambda: 1, "pass a text"),
        (int, "pass a text"),
    ],
)
def test_what_has_no_plain_form(value: Any, said: str) -> None:
    with pytest.raises(ValidationError, match=said) as caught:
        plain_value(value, "height")
    assert "height" in str(caught.value)


def test_structures_without_an_end() -> None:
    ring: list[Any] = []
    ring.append(ring)
    with pytest.raises(ValidationError, match=f"deeper than {DEEPEST}"):
        plain_value(ring)
    loop: dict[str, Any] = {}
    loop["a"] = loop
    with pytest.raises(ValidationError, match=f"deeper than {DEEPEST}"):
        plain_value(loop)
    with pytest.raises(ValidationError, match=f"more than {LONGEST}"):
        plain_value(itertools.count())


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=5),
    st.dates(),
    st.datetimes(),
    st.timedeltas(),
)
plain_values = st.recursive(
    scalars,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=3), below, max_size=3),
    max_leaves=8,
)


@given(plain_values)
def test_plain_values_stay(value: Any) -> None:
    assert plain_value(value) == value
    assert plain_value(plain_value(value)) == value
    assert (
        plain_value(np.array(value, dtype=object) if not isinstance(value, (list, dict)) else value) == value
    )


@given(st.lists(st.floats(allow_nan=False) | st.integers(-(2**62), 2**62), min_size=1, max_size=5))
def test_numbers_survive_every_container(numbers: list[Any]) -> None:
    for made in (np.array(numbers), pd.Series(numbers), pd.Index(numbers)):
        assert plain_value(made) == made.tolist()
        assert [type(one) for one in plain_value(made)] == [type(one) for one in made.tolist()]


@given(st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1)))
def test_times_survive_numpy_and_pandas(when: datetime) -> None:
    for made in (np.datetime64(when), pd.Timestamp(when), pd.Series([when])[0], np.datetime64(when, "ns")):
        assert plain_value(made) == when
        assert day_value(made, "day") == when.date()


def test_neither_numpy_nor_pandas_is_imported() -> None:
    code = (
        "import sys; from moveshelf.values import *; from moveshelf import values;"
        "values.plain_value([1.5, 'a']); values.day_value('2024-05-06', 'x');"
        "print([one for one in ('numpy', 'pandas') if one in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


# texts of values --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("00123", "00123"),
        ("", ""),
        (120, "120"),
        (120.0, "120"),
        (131.5, "131.5"),
        (-0.0, "0"),
        (1e300, "1e+300"),
        (np.float64(4), "4"),
        (np.int64(4), "4"),
        (np.float32(0.5), "0.5"),
        (True, "true"),
        (np.bool_(False), "false"),
        (date(2024, 5, 6), "2024-05-06"),
        (datetime(2024, 5, 6), "2024-05-06"),
        (pd.Timestamp("2024-05-06"), "2024-05-06"),
        (np.datetime64("2024-05-06T00:00:00"), "2024-05-06"),
        (datetime(2024, 5, 6, 7, tzinfo=timezone.utc), "2024-05-06T07:00:00+00:00"),
        (datetime(2024, 5, 6, tzinfo=timezone.utc), "2024-05-06T00:00:00+00:00"),
        (Colour.RED, "red"),
        (Decimal("1.10"), "1.1"),
        (time(7, 8), "07:08:00"),
    ],
)
def test_texts_of_values(value: Any, text: str) -> None:
    assert text_value(value) == text


@pytest.mark.parametrize(
    "value", [None, [1], {"a": 1}, b"x", math.inf, np.array([1, 2]), timedelta(1), object()]
)
def test_values_without_a_text(value: Any) -> None:
    with pytest.raises(ValidationError, match="height"):
        text_value(value, "height")


def test_a_number_of_too_many_digits() -> None:
    with pytest.raises(ValidationError, match=r"height.*digits"):
        text_value(10**5000, "height")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_text_of_a_number_is_the_number(number: float) -> None:
    assert float(text_value(number)) == number


# arguments --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "value", [3, 3.0, np.int64(3), np.uint8(3), np.float64(3), np.array(3), Decimal(3), Fraction(3)]
)
def test_counts(value: Any) -> None:
    found = count_value(value, "jobs", most=8)
    assert found == 3
    assert type(found) is int


def test_a_count_of_a_foreign_type() -> None:
    class Foreign:
        def __index__(self) -> int:
            return 3

    assert count_value(Foreign(), "jobs") == 3
    with pytest.raises(ValidationError):
        count_value(Foreign(), "jobs", most=2)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        np.bool_(True),
        2.5,
        math.inf,
        "3",
        "",
        [3],
        np.array([3]),
        {"a": 1},
        b"3",
        1j,
        object(),
        0,
        -1,
        9,
        Colour.RED,
        date(2024, 5, 6),
        iter([3]),
        Decimal("2.5"),
        10**400,
        float(10**300),
    ],
)
def test_what_is_no_count(value: Any) -> None:
    with pytest.raises(ValidationError, match="jobs is a whole number from 1 to 8, and not "):
        count_value(value, "jobs", most=8)


def test_counts_without_a_most() -> None:
    assert count_value(0, "retries", 0) == 0
    assert count_value(10**400, "limit") == 10**400
    with pytest.raises(ValidationError, match="limit is a whole number of at least 1, and not 0"):
        count_value(0, "limit")


@pytest.mark.parametrize(
    "value",
    [
        90,
        90.0,
        np.int64(90),
        np.float32(90),
        np.array(90),
        Decimal(90),
        timedelta(seconds=90),
        pd.Timedelta("90s"),
        np.timedelta64(90, "s"),
    ],
)
def test_seconds(value: Any) -> None:
    found = seconds_value(value, "timeout")
    assert found == 90.0
    assert type(found) is float
    assert threading.Event().wait(seconds_value(np.float64(1e-9), "timeout")) is False


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        0.0,
        -1,
        math.inf,
        "90",
        [90],
        np.array([1]),
        10**400,
        1e300,
        b"",
        timedelta(0),
        date(2024, 5, 6),
        timedelta(days=-1),
        object(),
        {"a": 1},
        Decimal("1E+99999999"),
        np.bool_(True),
    ],
)
def test_what_are_no_seconds(value: Any) -> None:
    with pytest.raises(ValidationError, match="timeout is a number of seconds above 0"):
        seconds_value(value, "timeout")


def test_seconds_of_none() -> None:
    assert seconds_value(0, "pause", zero=True) == 0.0
    with pytest.raises(ValidationError, match="of 0 or more"):
        seconds_value(-1, "pause", zero=True)


LATE = datetime(2024, 5, 6, 23, 30, tzinfo=timezone(timedelta(hours=-7)))
EARLY = datetime(2024, 5, 6, 0, 30, tzinfo=timezone(timedelta(hours=9)))


@pytest.mark.parametrize(
    "value",
    [
        date(2024, 5, 6),
        datetime(2024, 5, 6, 23, 59),
        LATE,
        EARLY,
        pd.Timestamp(LATE),
        pd.Timestamp("2024-05-06 23:00"),
        np.datetime64("2024-05-06"),
        np.datetime64("2024-05-06T23:59:59.999999999"),
        np.array("2024-05-06", dtype="datetime64[ns]"),
        pd.Period("2024-05-06", "D"),
        "2024-05-06",
        "2024-5-6",
        " 2024-05-06 ",
        np.str_("2024-05-06"),
        "2024-05-06T23:30:00-07:00",
        "2024-05-06T00:30:00.000+0900",
        "2024-05-06 00:00:00",
        "2024-05-06T00:00:00.000Z",
    ],
)
def test_days(value: Any) -> None:
    found = day_value(value, "start")
    assert found == date(2024, 5, 6)
    assert type(found) is date


def test_no_day() -> None:
    assert day_value(None, "start") is None
    assert day_value("", "start") is None


@pytest.mark.parametrize(
    "value",
    [
        "soon",
        " ",
        "06.05.2024",
        "05/06/2024",
        "24-05-06",
        "20240506",
        "2024-05",
        "2024-05-06x",
        "2024-W19-1",
        "2024-05-06T",
        "2024-05-06Tsoon",
        "٢٠٢٤-05-06",
        20240506,
        45418.0,
        True,
        [],
        {},
        [date(2024, 5, 6)],
        time(7),
        b"2024-05-06",
        object(),
        timedelta(1),
        iter([1]),
        "2024-05-06\n2024-05-07",
    ],
)
def test_what_is_no_day(value: Any) -> None:
    with pytest.raises(ValidationError, match=r"start is a day: .* text like 2026-01-31 .* not "):
        day_value(value, "start")


@pytest.mark.parametrize("value", ["2023-02-29", "2024-13-01", "0000-01-01", "2024-0-1"])
def test_days_that_the_calendar_does_not_have(value: str) -> None:
    with pytest.raises(ValidationError, match="calendar does not have"):
        day_value(value, "start")


@given(st.dates())
def test_every_day_in_every_spelling(day: date) -> None:
    year = f"{day.year:04d}"
    for text in (day.isoformat(), f"{year}-{day.month}-{day.day}", f"{day.isoformat()}T00:00:00Z"):
        assert day_value(text, "day") == day


@given(st.text() | plain_values)
def test_a_day_or_an_error_of_ours(value: Any) -> None:
    found: Any = None
    with suppress(ValidationError):
        found = day_value(value, "day")
    assert found is None or type(found) is date


# texts that are shown ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("P-1\x1b[31m red\x1b[0m", "P-1 red"),
        ("a\x1b]0;title\x07b", "ab"),
        ("a\x1b]8;;https://x\x1b\\link\x1b]8;;\x1b\\b", "alinkb"),
        ("a\x9b2Jb", "ab"),
        ("a\x1bPq\x1b\\b", "ab"),
        ("a\x1bcb", "ab"),
        ("a\x1b(0b", "ab"),
        ("a\x1b]0;never ends", "a]0;never ends"),
        ("right\rwrong", "right wrong"),
        ("a\x08\x08b\x00\x7f", "ab"),
        ("\u202egpj.c3d\u202c", "gpj.c3d"),
        ("a\nb\tc", "a b c"),
        ("a\ud800b", "a\ufffdb"),
        ("Zoë 歩行 👣", "Zoë 歩行 👣"),
    ],
)
def test_texts_that_act_on_a_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_lines_may_stay() -> None:
    assert printable("a\r\nb\rc\td\x1b[1m\u2028e", lines=True) == "a\nb\nc\td\ne"


@given(st.text() | st.text(alphabet="\x1b[]0;m\x07\x9bPa\\ \r\n\t\u202e\ud800"), st.booleans())
def test_nothing_acts(text: str, lines: bool) -> None:
    found = printable(text, lines=lines)
    assert printable(found, lines=lines) == found
    found.encode("utf-8")
    allowed = "\n\t" if lines else ""
    assert all(one in allowed or (ord(one) >= 32 and not 127 <= ord(one) < 160) for one in found)
    assert len(found) <= len(text)
    if text.isprintable():
        assert found == text


class Rude:
    def __repr__(self) -> str:
        raise RuntimeError("no")


def test_values_in_error_texts() -> None:
    ring: list[Any] = []
    for _ in range(100_000):
        ring = [ring]
    assert brief(ring).startswith("<list>") or brief(ring).startswith("[[")
    assert brief(Rude()) == "<Rude>"
    assert brief("\x1b[31mx") == r"'\x1b[31mx'"
    assert len(brief("a" * 1000)) == 60
    while ring:  # taken apart by hand: the destructor would descend as deep as the list
        ring = ring[0]


def test_generators_are_read_once() -> None:
    def numbers() -> Iterator[int]:
        yield from (1, 2)

    source = numbers()
    assert plain_value(source) == [1, 2]
    assert list(source) == []
