"""Layouts: paths into places and back; the import file of a session."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from moveshelf.errors import ValidationError
from moveshelf.transfer.layout import (
    FLAT,
    FOLDERS,
    Layout,
    Place,
    data_type,
    read_session_import,
    session_import,
)

NAME = st.text(alphabet=st.characters(exclude_characters="/", codec="utf-8"), min_size=1, max_size=20)


@given(NAME, NAME, NAME, NAME, NAME)
def test_folders_there_and_back(subject: str, session: str, condition: str, trial: str, rest: str) -> None:
    place = Place(subject, session, condition, trial, rest)
    layout = Layout(FOLDERS)
    assert layout.parse(layout.format(place)) == place


@given(NAME, NAME, NAME, NAME, NAME)
def test_flat_there_and_back(subject: str, session: str, condition: str, trial: str, rest: str) -> None:
    assume("_" not in trial)
    place = Place(subject, session, condition, trial, rest)
    layout = Layout(FLAT)
    assert layout.parse(layout.format(place)) == place


@given(st.text(max_size=60))
def test_any_path_is_a_place_that_goes_back_or_none(path: str) -> None:
    for template in (
        FLAT,
        FOLDERS,
        "{subject}-{session}/{trial}.{rest}",
        "{subject}/{session}/{trial}/{rest}",
    ):
        place = Layout(template).parse(path)
        if place is not None:
            assert Layout(template).format(place) == path


def test_the_trial_ends_at_the_first_separator() -> None:
    place = Layout().parse("S1/2024-01-02/Barefoot/Walk_1_angles.json")
    assert place == Place("S1", "2024-01-02", "Barefoot", "Walk", "1_angles.json")


def test_a_pattern_says_otherwise() -> None:
    layout = Layout(r"{subject}/{session}/{condition}/{trial:Walk_\d{1,2}}_{rest}")
    place = layout.parse("S1/2024-01-02/Barefoot/Walk_01_angles.json")
    assert place == Place("S1", "2024-01-02", "Barefoot", "Walk_01", "angles.json")
    assert layout.parse("S1/2024-01-02/Barefoot/Run_01_angles.json") is None


def test_without_condition() -> None:
    assert Layout("{subject}/{session}/{trial}/{rest}").parse("a/b/c/d.c3d") == Place(
        "a", "b", None, "c", "d.c3d"
    )


@pytest.mark.parametrize(
    "path", ["a/b/c", "a/b/c/d/e/f", "a/b//c/d.c3d", "a/b/c/noseparator", "", "/a/b/c/d_e"]
)
def test_what_does_not_fit(path: str) -> None:
    assert Layout().parse(path) is None


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{subject}/{session}/{trial}/{file}", "unknown field 'file'"),
        ("{subject}/{session}/{trial}", "lacks {rest}"),
        ("{subject}/{session}/{trial}{rest}", "nothing stands between"),
        ("{subject}/{subject}/{session}/{trial}/{rest}", "twice"),
        ("{subject}/{session}/{trial}/{rest", "without its"),
        ("{subject}/{session}/trial}/{rest}", "without its"),
        ("/{subject}/{session}/{trial}/{rest}", "relative"),
        ("{subject}/{session}/{trial:(}/{rest}", "regular expression"),
    ],
)
def test_layouts_that_cannot_be(template: str, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Layout(template)


def test_format_refuses_what_would_not_come_back() -> None:
    with pytest.raises(ValidationError):
        Layout().format(Place("S", "s", "c", "Walk_1", "x.c3d"))
    with pytest.raises(ValidationError):
        Layout(FOLDERS).format(Place("S", "s", None, "t", "x.c3d"))


def test_where_the_session_folder_is() -> None:
    assert Layout(FLAT).session_depth == 2
    assert Layout("data/{subject}/{session}/{trial}/{rest}").session_depth == 3
    assert Layout("{subject}-{session}/{trial}/{rest}").session_depth == 1
    assert Layout("{subject}/{session}_{trial}/{rest}").session_depth is None


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.c3d", "motion"), ("A.C3D", "motion"), ("x.mp4", "video"), ("r.pdf", "doc"), ("a.json", "data"),
     ("p.PNG", "img"), ("c.xcp", "camera"), ("README", "raw"), ("x.enf", "raw"), ("json", "raw"), ("", "raw")],
)  # fmt: skip
def test_data_types(name: str, kind: str) -> None:
    assert data_type(name) == kind


def test_import_file(tmp_path: Path) -> None:
    file = tmp_path / "moveshelf_config_import.json"
    file.write_text(
        json.dumps({"sessionMetadata": {"height": "180"}, "session_date": "2024-03-01"}), "utf-8-sig"
    )
    found = read_session_import(file)
    assert (found.metadata, found.date) == ({"height": "180"}, "2024-03-01")
    inside = session_import({"sessionMetadata": {"height": "180", "session_date": "2024-03-01T00:00:00"}})
    assert inside == found
    assert session_import({}).date is None
    for wrong in ([], {"sessionMetadata": 3}, {"session_date": "yesterday"},
                  {"sessionMetadata": {"session_date": "2024-01-01"}, "session_date": "2024-01-02"}):  # fmt: skip
        with pytest.raises(ValidationError):
            session_import(wrong)
    file.write_text("{")
    with pytest.raises(ValidationError, match="moveshelf_config_import"):
        read_session_import(file)
