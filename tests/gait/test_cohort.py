"""Cohorts: windows by the calendar, sides, several operations, names of procedures, tables and workbooks."""

from __future__ import annotations

import errno
import itertools
import os
import warnings
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from moveshelf.errors import AmbiguousError, ValidationError
from moveshelf.gait import cohort
from moveshelf.gait.cohort import SessionRecord, SubjectRecord, add_months, months_between, pairs
from moveshelf.tables import TableWarning

DAYS = st.dates(date(1950, 1, 1), date(2100, 12, 31))
OPERATION = date(2020, 3, 31)
_ids = itertools.count(1)


def operation(day: object, *procedures: tuple[str, str, str]) -> dict[str, Any]:
    """One intervention as the metadata has it: (location, procedure, side) each."""
    return {
        "date": day,
        "site": "Here",
        "surgeon": "Dr. No One",
        "procedures": [
            {
                "location": place,
                "procedure": what,
                "side": side,
                "location-modifier": None,
                "procedure-modifier": "",
            }
            for place, what, side in procedures
        ],
    }


HAMSTRINGS = ("Hamstrings", "Lengthening", "Left")


def subject(interventions: list[dict[str, Any]], *days: object, name: str = "P-001") -> SubjectRecord:
    """A subject with a session on each of the days, named s0, s1, ..."""
    number = next(_ids)
    sessions = tuple(SessionRecord.of(f"{number}-{n}", f"s{n}", day) for n, day in enumerate(days))
    return SubjectRecord(f"subject-{number}", name, interventions, sessions)


def chosen(found: cohort.Cohort) -> list[tuple[str, str]]:
    return [(pair.pre.name, pair.post.name) for pair in found.pairs]


def reason(found: cohort.Cohort, name: str) -> str:
    whys = [one.why for one in found.left_out if one.name == name]
    assert len(whys) == 1
    return whys[0]


# -- days and months ------------------------------------------------------------------------------------------------


@given(DAYS, st.integers(-600, 600))
def test_months_are_those_of_pandas(day: date, months: int) -> None:
    assert add_months(day, months) == (pd.Timestamp(day) + pd.DateOffset(months=months)).date()


@given(DAYS, DAYS)
def test_whole_months_do_not_reach_beyond(start: date, end: date) -> None:
    months = months_between(start, end)
    step = 1 if end >= start else -1
    inside, beyond = add_months(start, months), add_months(start, months + step)
    assert (inside <= end < beyond) if step == 1 else (beyond < end <= inside)


def test_ends_of_months() -> None:
    assert add_months(date(2024, 1, 31), 1) == date(2024, 2, 29)
    assert add_months(date(2023, 5, 31), 9) == date(2024, 2, 29)
    assert add_months(date(2024, 2, 29), -12) == date(2023, 2, 28)
    assert add_months(date(1, 3, 1), -24) == date.min
    assert add_months(date(9999, 3, 1), 24) == date.max
    assert months_between(date(2024, 1, 31), date(2024, 2, 29)) == 1
    assert months_between(date(2024, 3, 31), date(2024, 3, 1)) == 0
    assert months_between(date(2024, 3, 31), date(2024, 2, 29)) == -1


@pytest.mark.parametrize(
    ("told", "day"),
    [
        ("2022-1-1", date(2022, 1, 1)),
        ("2022-01-02T00:00:00+00:00", date(2022, 1, 2)),
        (datetime(2022, 1, 3, 23, 59), date(2022, 1, 3)),
        (pd.Timestamp("2022-01-04"), date(2022, 1, 4)),
        (np.datetime64("2022-01-05"), date(2022, 1, 5)),
        (date(2022, 1, 6), date(2022, 1, 6)),
        ("0007-01-12", None),
        (date(7, 1, 12), None),
        (datetime(7, 1, 12), None),
        ("2022-02-30", None),
        ("2022-13-01", None),
        ("20222-01-01", None),
        ("soon", None),
        ("", None),
        (None, None),
        (pd.NaT, None),
        (np.datetime64("NaT", "ns"), None),
        (20220101, None),
    ],
)
def test_days_that_can_be_right(told: object, day: date | None) -> None:
    assert cohort.possible_date(told) == day


@given(st.text())
def test_any_text_is_a_day_or_none(text: str) -> None:
    found = cohort.possible_date(text)
    assert found is None or found >= date(1900, 1, 1)


# -- windows ----------------------------------------------------------------------------------------------------


@given(
    op=DAYS,
    offsets=st.lists(st.integers(-1500, 1500), max_size=8, unique=True),
    before=st.tuples(st.integers(0, 30), st.integers(0, 30)).map(lambda pair: (min(pair), max(pair))),
    after=st.tuples(st.integers(0, 40), st.integers(0, 40)).map(lambda pair: (min(pair), max(pair))),
)
def test_the_closest_in_each_window_or_a_reason(
    op: date, offsets: list[int], before: tuple[int, int], after: tuple[int, int]
) -> None:
    days = [op + timedelta(days=n) for n in offsets]
    one = subject([operation(op.isoformat(), HAMSTRINGS)], *days)
    found = pairs([one], "Hamstrings/Lengthening", before, after)

    def inside(day: date, low: int, high: int, sign: int) -> bool:
        ends = [(pd.Timestamp(op) + pd.DateOffset(months=sign * n)).date() for n in (low, high)]
        return min(ends) <= day <= max(ends)

    pre = [day for day in days if day <= op and inside(day, *before, -1)]
    post = [day for day in days if day > op and inside(day, *after, 1)]
    if pre and post:
        (pair,) = found.pairs
        assert (pair.pre.day, pair.post.day) == (max(pre), min(post))
    else:
        assert not found.pairs
        assert [left.what for left in found.left_out if left.what != "session"] == ["intervention", "subject"]
    # every session is in the pair or has its reason
    used = [session.id for pair in found.pairs for session in (pair.pre, pair.post)]
    left = [str(entry.session_id) for entry in found.left_out if entry.what == "session"]
    assert sorted(used + left) == sorted(session.id for session in one.sessions)
    assert all(entry.why for entry in found.left_out)


@given(st.permutations([-400, -20, -3, 0, 280, 300, 900]))
def test_the_order_of_sessions_does_not_count(order: list[int]) -> None:
    days = [OPERATION + timedelta(days=n) for n in order]
    (pair,) = pairs([subject([operation("2020-03-31", HAMSTRINGS)], *days)]).pairs
    assert (pair.pre.day, pair.post.day) == (OPERATION, OPERATION + timedelta(days=280))


def test_the_ends_of_a_window_are_in_it() -> None:
    one = subject([operation("2020-05-31", HAMSTRINGS)], "2018-05-31", "2021-02-28")
    assert chosen(pairs([one])) == [("s0", "s1")]
    late = subject([operation("2020-05-31", HAMSTRINGS)], "2018-05-30", "2021-02-28")
    found = pairs([late])
    assert not found.pairs
    assert "no session 0 to 24 months before it" in reason(found, "P-001")
    assert reason(found, "s0") == "24 months before the operation of 2020-05-31, not 0 to 24 months"
    assert reason(found, "s1") == "the operation of 2020-05-31 has no session to compare it with"


def test_why_in_words() -> None:
    one = subject(
        [operation("2020-03-31", HAMSTRINGS)],
        "2019-02-01",
        "2020-01-15",
        "2020-01-15",
        "2021-03-30",
        "2024-01-01",
    )
    found = pairs([one])
    (pair,) = found.pairs
    assert pair.why == (
        '2020-03-31 Hamstrings/Lengthening (left). Before: 2020-01-15 "s1", 2 months, the closest of 3 (of the same '
        'day as "s2", and first by name). After: 2021-03-30 "s3", 11 months.'
    )
    assert reason(found, "s0") == '"s1" (2020-01-15) is closer to the operation of 2020-03-31'
    assert (
        reason(found, "s2") == '"s1" of the same day was taken for the operation of 2020-03-31, first by name'
    )
    assert reason(found, "s4") == "45 months after the operation of 2020-03-31, not 9 to 36 months"


@pytest.mark.parametrize("window", [(24, 0), (-1, 5), (0.5, 3), (1,), "ab", None, (0, float("inf"))])
def test_windows_that_are_none(window: Any) -> None:
    with pytest.raises(ValidationError, match="before is two whole numbers of months"):
        pairs([], before=window)
    with pytest.raises(ValidationError, match="after is two whole numbers of months"):
        pairs([], after=window)


def test_between_has_two_words() -> None:
    with pytest.raises(ValidationError, match='"exclude" or "report", not \'ignore\''):
        pairs([], between="ignore")  # type: ignore[arg-type]


# -- dates that cannot be ---------------------------------------------------------------------------------------


def test_impossible_dates_are_told() -> None:
    odd = subject([operation("0007-01-12", HAMSTRINGS)], "2020-01-01", "0007-03-04", None)
    found = pairs([odd], "Hamstrings/Lengthening")
    assert not found.pairs
    assert "its date '0007-01-12' is not possible" in reason(found, "P-001")
    assert reason(found, "s0") == "its subject has no operation to compare it with"
    assert reason(found, "s1") == "its date '0007-03-04' is not possible"
    assert reason(found, "s2") == "it has no date"


def test_no_intervention_and_another_procedure() -> None:
    with_other = subject(
        [operation("2020-03-31", ("Femur", "Osteotomy", "Left"))], "2020-01-01", name="P-002"
    )
    good = subject([operation("2020-03-31", HAMSTRINGS)], "2020-01-01", "2021-01-01")
    found = pairs([subject([], "2020-01-01"), with_other, good], "Hamstrings/Lengthening")
    assert len(found) == 1
    subjects = {one.name: one.why for one in found.left_out if one.what == "subject"}
    assert subjects == {
        "P-001": "it has no intervention",
        "P-002": "none of its interventions has the procedure (2020-03-31 Femur/Osteotomy (left))",
    }


@pytest.mark.parametrize(
    "raw", [{}, {"date": 5, "procedures": "none"}, {"procedures": [None, 3]}, {"date": []}]
)
def test_interventions_of_any_shape(raw: dict[str, Any]) -> None:
    found = pairs([SubjectRecord("1", "P", [raw, "nonsense"], ())])  # type: ignore[list-item]
    assert not found.pairs
    assert [one.what for one in found.left_out] == ["intervention", "subject"]


def test_values_within_values() -> None:
    raw = {
        "date": {"value": "2020-03-31"},
        "procedures": [
            {"location": {"value": "Hamstrings"}, "procedure": "Lengthening", "side": ["Left", "Right"]}
        ],
    }
    (pair,) = pairs([subject([raw], "2020-01-01", "2021-01-01")], "hamstrings/lengthening").pairs
    assert pair.sides == ("left", "right")


# -- several operations, sides ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "sides"),
    [
        (["Left"], ("left",)),
        (["right"], ("right",)),
        (["Left", "Right"], ("left", "right")),
        (["Bilateral"], ("left", "right")),
        (["BOTH"], ("left", "right")),
        (["Right", "Bilateral"], ("left", "right")),
    ],
)
def test_sides(told: list[str], sides: tuple[str, ...]) -> None:
    procedures = [("Hamstrings", "Lengthening", side) for side in told]
    other = ("Femur", "Osteotomy", "Right")
    one = subject([operation("2020-03-31", *procedures, other)], "2020-01-01", "2021-01-01")
    (pair,) = pairs([one], "Hamstrings/Lengthening").pairs
    assert pair.sides == sides
    assert "not recorded" not in pair.why
    assert "Femur/Osteotomy (right)" in pair.why


@pytest.mark.parametrize("side", ["", None, "N/A"])
def test_a_side_that_is_not_told(side: Any) -> None:
    one = subject([operation("2020-03-31", ("Hamstrings", "Lengthening", side))], "2020-01-01", "2021-01-01")
    (pair,) = pairs([one]).pairs
    assert pair.sides == ("left", "right")
    assert "A side is not recorded: it counts for left and right." in pair.why


def test_interventions_of_one_day_are_one_operation() -> None:
    two = [
        operation("2020-03-31", HAMSTRINGS),
        operation("2020-03-31", ("Hamstrings", "Lengthening", "Right")),
    ]
    (pair,) = pairs([subject(two, "2020-01-01", "2021-01-01")]).pairs
    assert pair.sides == ("left", "right")


def two_operations(*days: str) -> SubjectRecord:
    told = [
        operation("2020-03-31", HAMSTRINGS),
        operation("2021-03-31", ("Hamstrings", "Lengthening", "Right")),
    ]
    return subject(told, *days)


def test_each_operation_has_its_pair() -> None:
    found = pairs([two_operations("2020-01-01", "2021-02-01", "2022-05-01")])
    assert chosen(found) == [("s0", "s1"), ("s1", "s2")]
    assert [pair.sides for pair in found.pairs] == [("left",), ("right",)]
    assert found.session_ids == [found.pairs[0].pre.id, found.pairs[0].post.id, found.pairs[1].post.id]
    middle = found.pairs[0].post.id
    assert found.phase_of(middle, side="left") == "post"
    assert found.phase_of(middle, side="right") == "pre"
    with pytest.raises(AmbiguousError, match=r"post of 2020-03-31 \(left\); pre of 2021-03-31 \(right\)"):
        found.phase_of(middle)
    assert [phase for _, phase in found.phases(middle)] == ["post", "pre"]
    assert found.phase_of(found.pairs[0].pre.id) == "pre"
    assert found.phase_of(found.pairs[1].post.id) == "post"
    assert found.phase_of(found.pairs[1].post.id, side="left") is None
    assert found.phase_of("another") is None


def test_another_operation_between_excludes() -> None:
    one = two_operations("2020-01-01", "2022-05-01")
    found = pairs([one])
    assert not found.pairs
    why = reason(found, "P-001")
    assert "no session 9 to 36 months after it without another operation between (2021-03-31)" in why
    assert "no session 0 to 24 months before it without another operation between (2020-03-31)" in why
    assert reason(
        found, "s1"
    ) == "between it and the operation of 2020-03-31 lies the operation of 2021-03-31; " + (
        "the operation of 2021-03-31 has no session to compare it with"
    )


def test_another_operation_between_is_reported() -> None:
    found = pairs([two_operations("2020-01-01", "2022-05-01")], between="report")
    assert chosen(found) == [("s0", "s1"), ("s0", "s1")]
    first, second = found.pairs
    assert "Between them: 2021-03-31 Hamstrings/Lengthening (right)." in first.why
    assert "Between them: 2020-03-31 Hamstrings/Lengthening (left)." in second.why


def test_an_operation_of_another_kind_counts_between() -> None:
    told = [operation("2020-03-31", HAMSTRINGS), operation("2020-06-01", ("Femur", "Osteotomy", "Left"))]
    found = pairs([subject(told, "2020-01-01", "2021-03-01")], "Hamstrings/Lengthening")
    assert not found.pairs


def test_the_day_of_the_next_operation_is_before_it() -> None:
    found = pairs([two_operations("2020-01-01", "2021-03-31", "2022-05-01")])
    assert chosen(found) == [("s0", "s1"), ("s1", "s2")]


@given(
    operations=st.lists(st.integers(0, 2500), min_size=1, max_size=4, unique=True),
    sessions=st.lists(st.integers(-500, 3500), max_size=10),
)
def test_no_operation_lies_between_a_pair(operations: list[int], sessions: list[int]) -> None:
    start = date(2010, 1, 1)
    told = [operation((start + timedelta(days=n)).isoformat(), HAMSTRINGS) for n in operations]
    found = pairs([subject(told, *[start + timedelta(days=n) for n in sessions])], after=(0, 60))
    days = sorted(start + timedelta(days=n) for n in operations)
    for pair in found.pairs:
        assert pair.pre.day is not None
        assert pair.post.day is not None
        assert [day for day in days if pair.pre.day <= day < pair.post.day] == [pair.day]


# -- names of procedures ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "Hamstrings/Lengthening",
        "lengthening / HAMSTRINGS",
        "hamstrings",
        "Lengthening",
        "Hamstrings/Lengthening/Distal",
        "Open  z-plasty/distal",
    ],
)
def test_names_that_match(text: str) -> None:
    one = cohort.Procedure("Hamstrings", "Lengthening", "Left", "Distal", "Open z-plasty")
    assert one.matches(text)


@pytest.mark.parametrize(
    "text",
    [
        "Hamstring/Lengthening",
        "Hamstrings/Hamstrings",
        "Hamstrings/",
        "Left",
        "Hamstrings/Lengthening/Proximal",
    ],
)
def test_names_that_do_not_match(text: str) -> None:
    assert not cohort.Procedure("Hamstrings", "Lengthening", "Left", "Distal").matches(text)


def test_a_name_with_a_slash_in_it() -> None:
    assert cohort.Procedure("Foot", "Lengthening/Release").matches("Lengthening/Release")


def test_a_name_that_nobody_has_names_the_close_ones() -> None:
    one = subject(
        [operation("2020-03-31", HAMSTRINGS, ("Femur", "Osteotomy", "Left"))], "2020-01-01", "2021-01-01"
    )
    with pytest.raises(
        ValidationError, match=r"no procedure is 'Hamstring/Lengthning'\. Close: Hamstrings/Lengthening"
    ):
        pairs([one], "Hamstring/Lengthning")
    with pytest.raises(ValidationError, match=r"There are: Femur/Osteotomy, Hamstrings/Lengthening"):
        pairs([one], "Botox")
    with pytest.raises(ValidationError, match="procedure is empty"):
        pairs([one], " / ")
    with pytest.raises(ValidationError, match="a text, a callable or None, not 5"):
        pairs([one], 5)  # type: ignore[arg-type]


def test_names_spelled_nearly_so_are_told_of() -> None:
    good = subject([operation("2020-03-31", HAMSTRINGS)], "2020-01-01", "2021-01-01")
    slip = subject([operation("2020-03-31", ("Hamstring", "Lengthening", "Left"))], name="P-002")
    with pytest.warns(UserWarning, match=r"Hamstring/Lengthening \(1\)"):
        found = pairs([good, slip], "Hamstrings/Lengthening")
    assert len(found) == 1
    other = subject([operation("2020-03-31", ("Hamstrings", "Shortening", "Left"))], name="P-002")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pairs([good, other], "Hamstrings/Lengthening")


def test_a_callable_chooses() -> None:
    one = subject(
        [operation("2020-03-31", HAMSTRINGS, ("Femur", "Osteotomy", "Right"))], "2020-01-01", "2021-01-01"
    )
    (pair,) = pairs([one], lambda procedure: procedure.procedure == "Osteotomy").pairs
    assert pair.sides == ("right",)
    assert not pairs([one], lambda procedure: False).pairs


# -- tables -----------------------------------------------------------------------------------------------------


def test_frames() -> None:
    found = pairs(
        [two_operations("2020-01-31", "2021-02-01", "2022-05-01"), subject([], "2020-01-01", name="P-009")]
    )
    frame = found.to_frame()
    assert len(frame) == 2
    row = frame.iloc[0]
    assert (row["subject"], row["intervention"], row["sides"]) == ("P-001", date(2020, 3, 31), "left")
    assert (row["months_before"], row["months_after"]) == (2, 10)
    assert row["post_session"] == "s1"
    assert list(pairs([]).to_frame().columns) == list(frame.columns)
    left = found.left_out_frame()
    assert set(left["what"]) == {"subject", "session"}
    assert set(left["subject"]) == {"P-009"}
    assert repr(found).endswith("left_out=<2>)")


def strides(
    rows: list[tuple[str, str, str, str, str]], values: np.ndarray[Any, Any], **more: list[Any]
) -> xr.DataArray:
    """An array of two channels from rows of subject, session, date, condition, side."""
    names = ("subject", "session", "date", "condition", "side")
    coords: dict[str, Any] = {
        name: ("stride", np.array([row[n] for row in rows], dtype=object)) for n, name in enumerate(names)
    }
    coords |= {name: ("stride", column) for name, column in more.items()}
    coords |= {
        "channel": ["knee_flexion", "hip_flexion"],
        "unit": ("channel", ["deg", "deg"]),
        "percent": [0.0, 50.0, 100.0],
    }
    return xr.DataArray(values, dims=("stride", "channel", "percent"), coords=coords)


@pytest.fixture
def one_pair() -> cohort.Cohort:
    return pairs([subject([operation("2020-03-31", HAMSTRINGS)], "2020-01-01", "2021-01-01")])


def test_select_gives_each_stride_its_phase(one_pair: cohort.Cohort) -> None:
    rows = [
        ("P-001", "s0", "2020-01-01", "Barefoot", "left"),
        ("P-001", "s1", "2021-01-01", "Barefoot", "right"),
        ("P-001", "other", "2021-01-01", "Barefoot", "right"),
        ("P-002", "s0", "2020-01-01", "Barefoot", "right"),
        ("P-001", "s0", "2020-01-02", "Barefoot", "right"),
    ]
    found = one_pair.select(strides(rows, np.zeros((5, 2, 3))))
    assert found.sizes["stride"] == 2
    assert list(found.phase.values) == ["pre", "post"]
    assert list(found.operated.values) == [True, False]
    assert list(found.intervention.values) == ["2020-03-31"] * 2
    ids = [one_pair.pairs[0].post.id, "another"]
    by_id = one_pair.select(strides(rows[:2], np.zeros((2, 2, 3)), session_id=ids))
    assert list(by_id.phase.values) == ["post"]
    with pytest.raises(ValidationError, match="session is missing"):
        one_pair.select(strides(rows, np.zeros((5, 2, 3))).drop_vars("session"))


def test_a_session_of_two_pairs_comes_twice() -> None:
    found = pairs([two_operations("2020-01-01", "2021-02-01", "2022-05-01")])
    array = found.select(strides([("P-001", "s1", "2021-02-01", "Barefoot", "left")], np.zeros((1, 2, 3))))
    assert list(array.phase.values) == ["post", "pre"]
    assert list(array.operated.values) == [True, False]
    assert list(array.intervention.values) == ["2020-03-31", "2021-03-31"]


def test_two_sessions_of_one_name_and_day() -> None:
    names = ("1", "2", "3", "4")
    days = ("2020-01-01", "2021-01-01", "2020-01-01", "2021-01-01")
    subjects = [
        SubjectRecord(
            f"subject-{n}",
            "P-001",
            [operation("2020-03-31", HAMSTRINGS)],
            tuple(SessionRecord.of(names[n + k], f"s{k}", days[n + k]) for k in (0, 1)),
        )
        for n in (0, 2)
    ]
    found = pairs(subjects)
    assert len(found) == 2
    array = strides([("P-001", "s0", "2020-01-01", "Barefoot", "left")], np.zeros((1, 2, 3)))
    with pytest.raises(AmbiguousError, match="2 sessions of the cohort are 's0' of 'P-001': 1, 3"):
        found.select(array)
    assert found.select(array.assign_coords(session_id=("stride", ["3"]))).sizes["stride"] == 1


def two_patients_of_one_name_and_day() -> cohort.Cohort:
    subjects = [
        SubjectRecord(
            f"subject-{n}",
            "P-001",
            [operation("2020-03-31", HAMSTRINGS)],
            (
                SessionRecord.of(f"{n} before", "s0", "2020-01-01"),
                SessionRecord.of(f"{n} after", "s1", "2021-01-01"),
            ),
        )
        for n in (1, 2)
    ]
    return pairs(subjects)


def test_two_patients_of_one_name_and_day_stay_two() -> None:
    found = two_patients_of_one_name_and_day()
    ids = ["1 before", "1 after", "2 before", "2 after"]
    rows = [("P-001", ("s0", "s1")[n % 2], "", "Barefoot", "left") for n in range(4)]
    values = np.zeros((4, 2, 3)) + np.array([10.0, 20.0, 50.0, 90.0])[:, None, None]
    parameters = pd.DataFrame({"session_id": ids, "name": "speed", "mean": [1.0, 2.0, 5.0, 9.0]})
    curves, numbers = cohort.summary_tables(found, strides(rows, values, session_id=ids), parameters)
    knee = curves[curves["channel"] == "knee_flexion"]
    assert knee["subject"].tolist() == ["P-001", "P-001"]
    assert knee["subject_id"].tolist() == ["subject-1", "subject-2"]
    assert knee[["maximum pre", "maximum post"]].values.tolist() == [[10, 20], [50, 90]]
    assert knee[["strides pre", "strides post"]].values.tolist() == [[1, 1], [1, 1]]
    assert numbers["subject_id"].tolist() == ["subject-1", "subject-2"]
    assert numbers[["pre", "post"]].values.tolist() == [[1, 2], [5, 9]]


def test_curves_before_and_after(one_pair: cohort.Cohort) -> None:
    rows = [("P-001", "s0", "2020-01-01", "Barefoot", "left")] * 3 + [
        ("P-001", "s1", "2021-01-01", "Barefoot", "left"),
        ("P-001", "s1", "2021-01-01", "Braced", "left"),
    ]
    values = np.zeros((5, 2, 3))
    values[:, 0] = [[10, 60, 20], [20, 40, 30], [0, np.nan, 90], [5, 70, 15], [1, 2, 3]]
    curves, parameters = cohort.summary_tables(one_pair, strides(rows, values))
    assert len(parameters) == 0
    row = curves[(curves.channel == "knee_flexion") & (curves.condition == "Barefoot")].iloc[0]
    assert (row["strides pre"], row["strides post"]) == (2, 1)  # the stride with the gap is not used
    expected = {
        "start": (15, 5),
        "maximum": (50, 70),
        "minimum": (15, 5),
        "average": (30, 30),
        "range of motion": (35, 65),
    }
    for measure, (pre, post) in expected.items():
        assert row[f"{measure} pre"] == pytest.approx(pre)
        assert row[f"{measure} post"] == pytest.approx(post)
        assert row[f"{measure} difference"] == pytest.approx(post - pre)
    assert row["unit"] == "deg"
    assert bool(row["operated"]) is True
    braced = curves[(curves.channel == "knee_flexion") & (curves.condition == "Braced")].iloc[0]
    assert braced["strides pre"] == 0
    assert np.isnan(braced["maximum pre"])
    assert np.isnan(braced["maximum difference"])
    assert braced["maximum post"] == 3
    assert list(curves["channel"]) == ["knee_flexion", "hip_flexion"] * 2


@pytest.mark.parametrize(("first", "last"), [(0, 99), (1, 100), (0, 100), (3, 100), (0, 97)])
def test_files_of_a_hundred_rows_count(one_pair: cohort.Cohort, first: int, last: int) -> None:
    percent = np.arange(101.0)
    curve = np.where((percent >= first) & (percent <= last), 10 + percent, np.nan)
    array = xr.DataArray(
        np.tile(curve, (2, 1, 1)),
        dims=("stride", "channel", "percent"),
        coords={
            **{name: ("stride", [text] * 2) for name, text in (("subject", "P-001"), ("condition", ""))},
            "session": ("stride", ["s0", "s1"]),
            "date": ("stride", ["2020-01-01", "2021-01-01"]),
            "side": ("stride", ["left", "left"]),
            "channel": ["knee_flexion"],
            "percent": percent,
        },
    )
    (row,) = cohort.summary_tables(one_pair, array)[0].to_dict("records")
    if first == 3 or last == 97:
        assert (row["strides pre"], row["strides post"]) == (0, 0), "more than 2 % is a gap"
        assert np.isnan(row["maximum pre"])
        return
    assert (row["strides pre"], row["strides post"]) == (1, 1)
    assert (row["minimum pre"], row["maximum post"]) == (10 + first, 10 + last)
    assert row["average pre"] == pytest.approx(10 + (first + last) / 2)
    assert row["start post"] == pytest.approx(10 if first == 0 else np.nan, nan_ok=True)


def test_the_maximum_is_of_each_stride(one_pair: cohort.Cohort) -> None:
    values = np.zeros((2, 2, 3))
    values[:, 0] = [[0, 60, 0], [0, 0, 60]]
    rows = [("P-001", "s0", "2020-01-01", "Barefoot", "left")] * 2
    curves, _ = cohort.summary_tables(one_pair, strides(rows, values))
    assert curves["maximum pre"].iloc[0] == 60


def parameters_of(*rows: tuple[str, str, str, float]) -> pd.DataFrame:
    made = pd.DataFrame(list(rows), columns=["session", "side", "name", "mean"])
    made["date"] = made["session"].map({"s0": "2020-01-01", "s1": "2021-01-01"})
    made["unit"], made["subject"], made["condition"] = "m/s", "P-001", "Barefoot"
    return made


def test_parameters_before_and_after(one_pair: cohort.Cohort) -> None:
    table = parameters_of(
        ("s0", "left", "step_length", 0.4),
        ("s0", "left", "step_length", 0.6),
        ("s1", "left", "step_length", 0.7),
        ("s0", None, "speed", 1.0),  # type: ignore[arg-type]
        ("s1", None, "speed", float("nan")),  # type: ignore[arg-type]
    )
    _, found = cohort.summary_tables(one_pair, parameters=table)
    step, speed = found.iloc[0], found.iloc[1]
    assert (step["values pre"], step["values post"]) == (2, 1)
    assert (step["pre"], step["post"]) == (pytest.approx(0.5), pytest.approx(0.7))
    assert step["difference"] == pytest.approx(0.2)
    assert (speed["side"], bool(speed["operated"])) == ("", True)
    assert (speed["pre"], speed["values post"]) == (1.0, 0)
    assert np.isnan(speed["difference"])
    with pytest.raises(ValidationError, match="no column mean"):
        cohort.summary_tables(one_pair, parameters=table.drop(columns="mean"))


def test_empty_tables_have_their_columns() -> None:
    curves, parameters = cohort.summary_tables(pairs([]), strides([], np.zeros((0, 2, 3))), pd.DataFrame())
    assert len(curves) == len(parameters) == 0
    assert "range of motion difference" in curves
    assert "difference" in parameters


def test_a_workbook(tmp_path: Path, one_pair: cohort.Cohort) -> None:
    rows = [
        ("P-001", "s0", "2020-01-01", "=1+1", "left"),
        ("P-001", "s1", "2021-01-01", "=1+1", "left"),
        ("P-001", "s1", "2021-01-01", "Bare\x07foot", "left"),
    ]
    values = np.arange(18, dtype=float).reshape(3, 2, 3)
    path = tmp_path / "before and after.xlsx"
    table = parameters_of(("s0", "left", "step_length", 0.4), ("s1", "left", "step_length", 0.7))
    with pytest.warns(
        TableWarning, match="control characters in row [45] of 'condition' are written as signs"
    ):
        one_pair.to_excel(path, strides(rows, values), table)
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["Curves", "Parameters"]
    sheet = book["Curves"]
    head = [cell.value for cell in sheet[1]]
    assert head[:4] == ["subject", "subject_id", "intervention", "condition"]
    assert head[4:8] == ["side", "operated", "channel", "unit"]
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == f"A1:{sheet.cell(1, len(head)).column_letter}5"
    assert all(cell.font.bold for cell in sheet[1])
    first = dict(zip(head, sheet[2], strict=True))
    assert first["condition"].value == "=1+1"
    assert first["condition"].data_type == "s"
    assert first["intervention"].value == datetime(2020, 3, 31)
    assert first["intervention"].number_format == "yyyy-mm-dd"
    assert (first["maximum pre"].value, first["maximum post"].value, first["maximum difference"].value) == (
        2,
        8,
        6,
    )
    assert first["maximum pre"].number_format == "0.00"
    last = dict(zip(head, sheet[4], strict=True))
    assert last["condition"].value == "Bare\u2407foot"
    assert last["maximum pre"].value is None
    assert sheet.column_dimensions["G"].width >= len("knee_flexion")
    assert book["Parameters"].cell(2, 7).value == "step_length"
    one_pair.to_excel(path)
    book = openpyxl.load_workbook(path)
    assert [sheet.max_row for sheet in book] == [1, 1]


def test_a_workbook_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, one_pair: cohort.Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "before and after.xlsx"
    one_pair.to_excel(path)
    before = path.read_bytes()

    def full(self: openpyxl.Workbook, file: Any) -> None:
        file.write(b"half a workbook")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(openpyxl.Workbook, "save", full)
    with pytest.raises(OSError, match="No space left"):
        one_pair.to_excel(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [path.name]
    with pytest.raises(ValidationError, match=r"a workbook's name ends in \.xlsx"):
        one_pair.to_excel(tmp_path / "before and after.xls")
