"""File names and bytes: which files are candidates, and what of their content can be right."""

from __future__ import annotations

import contextlib
import datetime
import json
import math
import warnings
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moveshelf.gait import content
from moveshelf.gait.content import (
    FileContent,
    Findings,
    GaitFileWarning,
    Twice,
    UnreadableError,
    event_files,
    items,
    marked_cycle,
    number,
    parameter_files,
    parse,
    series_files,
    short,
    wanted,
)


@pytest.mark.parametrize(
    ("names", "file", "expected"),
    [
        (["angles.json", "angles_normalized.json"], "angles", ["angles_normalized.json"]),
        (["angles.json"], "angles", ["angles.json"]),
        (["angles.json", "angles_normalized.json"], "angles_normalized", ["angles_normalized.json"]),
        (["angles.json"], "angles_normalized.json", []),
        (["angles.json"], "angles.json", ["angles.json"]),
        (["triangles.json", "angles.csv", "moments.json"], "angles", []),
        (["moments_normalized.json", "powers_normalized.json"], "powers", ["powers_normalized.json"]),
        (["lengths_velocities_normalized.json"], "lengths", ["lengths_velocities_normalized.json"]),
        (
            ["lengths_velocities_normalized.json"],
            "lengths_velocities",
            ["lengths_velocities_normalized.json"],
        ),
        (
            ["grail2019_angles.json", "Angles_Normalized.JSON"],
            "angles",
            ["grail2019_angles.json", "Angles_Normalized.JSON"],
        ),
        (
            [
                "P<<<Walk 01>>>angles_normalized.json",
                "P<<<Walk 01>>>angles.json",
                "P<<<Walk 02>>>angles.json",
            ],
            "angles",
            ["P<<<Walk 01>>>angles_normalized.json", "P<<<Walk 02>>>angles.json"],
        ),
    ],
)
def test_candidates_for_cycles(names: list[str], file: str, expected: list[str]) -> None:
    assert wanted(names, file) == expected


def test_candidates_for_the_rest() -> None:
    names = [
        "angles.json",
        "angles_normalized.json",
        "gait_params.json",
        "event.json",
        "events.json",
        "x_gait_params.json",
    ]
    assert series_files(names, "angles") == ["angles.json"]
    assert parameter_files(names) == ["gait_params.json", "x_gait_params.json"]
    assert event_files([*names, "prevent.json"]) == ["event.json", "events.json"]


def test_a_pattern_in_a_name_is_no_pattern() -> None:
    assert wanted(["angles.json"], ".*") == []


@pytest.mark.parametrize(
    ("name", "cycle"),
    [("a<<<Walk 1>>>angles.json", "Walk 1"), ("a<<<>>>angles.json", ""), ("angles.json", None)],
)
def test_the_cycle_in_a_name(name: str, cycle: str | None) -> None:
    assert marked_cycle(name) == cycle


def test_a_content_is_frozen_and_says_where_it_is() -> None:
    one = FileContent("angles.json", b"secret", subject="P-1", date=datetime.date(2024, 5, 1), trial="Walk 1")
    assert one.where == "P-1/Walk 1: angles.json"
    assert "secret" not in repr(one)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        one.name = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"  \n",
        b"{",
        b"[]",
        b"3",
        b'"data"',
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"9" * 5000,
    ],
    ids=lambda raw: repr(raw[:10]),
)
def test_what_is_no_object_is_unreadable(raw: bytes) -> None:
    with pytest.raises(UnreadableError):
        parse(raw)


@pytest.mark.parametrize(
    "raw",
    [b'\xef\xbb\xbf{"data": []}', '{"data": []}'.encode("utf-16"), b' {"data" : [] } '],
)
def test_encodings_of_json(raw: bytes) -> None:
    assert parse(raw) == {"data": []}


def test_a_number_that_only_python_writes() -> None:
    document = parse(b'{"data": [{"a": NaN, "b": Infinity, "c": 1e999}]}')["data"][0]
    assert math.isnan(document["a"])
    assert [number(document[key]) for key in "bc"] == [None, None]


def test_a_key_given_twice_is_no_value() -> None:
    document = parse(
        b'{"data": [{"perc": 0, "cycle-0": 1.0, "cycle-0": 2.0}, {"cycle-0": 1.0, "cycle-0": 1.0}]}'
    )
    assert document["data"][0]["cycle-0"] == Twice("cycle-0")
    assert document["data"][1]["cycle-0"] == 1.0
    assert number(document["data"][0]["cycle-0"]) is None


def test_a_key_given_twice_is_seen_beside_colons_in_texts() -> None:
    assert parse(b'{"data": [{"label": "a:b", "label": "a:c"}]}')["data"][0]["label"] == Twice("label")
    assert parse(b'{"data": [{"label": "a:b"}]}')["data"][0]["label"] == "a:b"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, 3.0),
        (2.5, 2.5),
        (-0.0, 0.0),
        (10**308, 1e308),
        ("3", None),
        (True, None),
        (10**400, None),
        ([], None),
        ({}, None),
    ],
)
def test_numbers(value: Any, expected: float | None) -> None:
    assert number(value) == expected


def test_null_is_not_a_number() -> None:
    found = number(None)
    assert found is not None
    assert math.isnan(found)


def test_the_list_of_a_document() -> None:
    assert items({"data": [1]}, "data") == [1]
    with pytest.raises(UnreadableError, match="'events'"):
        items({"data": []}, "events")
    with pytest.raises(UnreadableError, match="a text in place of a list"):
        items({"data": "x"}, "data")


def test_quotes_are_short() -> None:
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    for value in (deep, "x" * 1000, 10**5000, [1] * 1000, {"a": {"b": {"c": 1}}}):
        assert len(short(value)) < 200


def test_one_warning_a_file_at_the_caller_and_every_fault_in_the_list() -> None:
    findings, problems = Findings("P-1: a.json"), []
    findings.fault("one")
    findings.fault("one")
    findings.fault("two")
    findings.note("three")
    with pytest.warns(GaitFileWarning, match=r"P-1: a\.json: one \(and 1 more\)") as caught:
        findings.report(problems)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert problems == ["P-1: a.json: one", "P-1: a.json: two", "P-1: a.json: three"]


def test_notes_do_not_warn() -> None:
    findings = Findings("a")
    findings.note("three")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        findings.report([])


def test_without_the_fast_parser_the_same_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = b'{"data": [{"perc": 0, "cycle-0": 1.5, "cycle-0": 2.0}, {"label": "a:b"}]}'
    expected = parse(raw)
    monkeypatch.setattr(content, "_fast_loads", None)
    assert parse(raw) == expected


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=4), JSON, max_size=4), st.booleans())
def test_every_document_comes_back(document: dict[str, Any], ascii_only: bool) -> None:
    try:
        raw = json.dumps(document, ensure_ascii=ascii_only).encode()
    except UnicodeEncodeError:
        return
    assert parse(raw) == json.loads(raw)


@given(st.binary(max_size=60))
def test_any_bytes_are_an_object_or_unreadable(raw: bytes) -> None:
    with contextlib.suppress(UnreadableError):
        assert isinstance(parse(raw), dict)
