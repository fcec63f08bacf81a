"""Layouts: paths into places and back; the import file of a session."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from moveshelf.errors import ValidationError
from moveshelf.transfer.layout import (
    FLAT,
    FOLDERS,
    PRESETS,
    Layout,
    OutputLayout,
    Place,
    data_type,
    nothing_fits,
    read_session_import,
    session_import,
    suggestion,
    trials_of,
)
from moveshelf.transfer.names import find_name, local_paths, original_name, safe_name

NAME = st.text(alphabet=st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=20)
SHORT = NAME.filter(lambda name: len(safe_name(name).encode()) < 200)


@given(SHORT, SHORT, st.none() | SHORT, SHORT, SHORT)
def test_folders_there_and_back(
    subject: str, session: str, condition: str | None, trial: str, name: str
) -> None:
    place = Place(subject, session, condition, trial, name)
    layout = Layout("folders")
    path = layout.format(place)
    assert path.count("/") == (3 if condition is None else 4)
    assert layout.parse(path) == place


@given(SHORT, SHORT, SHORT, SHORT, SHORT)
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
        "{subject}/{session}/{trial}/{file}",
    ):
        layout = Layout(template)
        place = layout.parse(path)
        if place is not None:
            assert layout.parse(layout.format(place)) == place


def places(layout: Layout, *paths: str) -> list[tuple[str | None, str, str]]:
    """Condition, trial and name of each."""
    found = []
    for reading in layout.read(paths):
        assert reading.place is not None, reading
        assert (reading.place.subject, reading.place.session) == ("P-1", "2024-03-05")
        found.append((reading.place.condition, reading.place.trial, reading.place.name))
    return found


def trial(*names: str) -> list[str]:
    """The trials of files of one condition by the layout that is used where none is given."""
    found = places(Layout(), *(f"P-1/2024-03-05/Barefoot/{name}" for name in names))
    assert [name for _, _, name in found] == list(names)
    return [one for _, one, _ in found]


# the layout that is used where none is given


def test_a_trial_is_the_name_up_to_its_first_dot() -> None:
    names = ("Walk01.c3d", "Walk01.Trajectory.csv", "Walk01.2120193.20240506.avi")
    assert trial(*names) == ["Walk01"] * 3
    assert trial("Walk_01.c3d", "Walk_02.c3d") == ["Walk_01", "Walk_02"]
    assert trial("Walk 01.c3d", "Walk 01.Trial.enf", "Walk 02.c3d") == ["Walk 01", "Walk 01", "Walk 02"]
    assert trial("README") == ["README"]


def test_a_stem_that_continues_another_behind_an_underscore_is_its_trial_s() -> None:
    assert trial("Trial-1.settings.xml", "Trial-1_x.c3d") == ["Trial-1"] * 2
    assert trial("Walk.c3d", "Walk_angles.json", "Walk_angles_left.json", "Walks.c3d") == [
        "Walk",
        "Walk",
        "Walk",
        "Walks",
    ]
    assert trial("Walk_01.c3d", "Walk_01_angles.json", "Walk_02.c3d") == ["Walk_01", "Walk_01", "Walk_02"]
    assert trial("_a.c3d", "a.c3d") == ["_a", "a"]


def test_the_services_own_trials_need_no_shorter_one() -> None:
    assert trial("Trial-1_angles.json", "Trial-1_data.c3d", "Trial-12_x.c3d") == [
        "Trial-1",
        "Trial-1",
        "Trial-12",
    ]
    assert trial("Trial-1_angles.json", "Trial-1_angles_left.json") == ["Trial-1"] * 2
    assert trial("Trial-x_angles.json", "MyTrial-1_x.json") == ["Trial-x_angles", "MyTrial-1_x"]


def test_siblings_are_those_of_the_folder() -> None:
    paths = ("P-1/2024-03-05/A/Walk.c3d", "P-1/2024-03-05/B/Walk_01.c3d")
    assert [one for _, one, _ in places(Layout(), *paths)] == ["Walk", "Walk_01"]


@given(st.lists(st.text("ab._-1", min_size=1, max_size=8), max_size=8, unique=True))
def test_every_file_has_a_trial_that_its_name_begins_with(names: list[str]) -> None:
    found = trials_of(names)
    assert set(found) == set(names)
    for name, one in found.items():
        assert one
        assert name.startswith(one)
        assert trials_of([*names, *names]) == found
        rest = name[len(one) :]
        assert not rest or rest[0] in "._"


def test_depths() -> None:
    found = places(
        Layout(),
        "P-1/2024-03-05/Barefoot/Walk 1/data.c3d",
        "P-1/2024-03-05/Barefoot/Walk01.c3d",
        "P-1/2024-03-05/report.pdf",
    )
    assert found == [
        ("Barefoot", "Walk 1", "data.c3d"),
        ("Barefoot", "Walk01", "Walk01.c3d"),
        (None, "report", "report.pdf"),
    ]
    assert [one.place for one in Layout().read(["a", "a/b", "a/b/c/d/e/f"])] == [None] * 3
    assert Layout().read(["a/b"])[0].reason == "does not fit the layout auto"


def test_a_folder_may_be_a_trial_without_a_condition() -> None:
    (reading,) = Layout().read(["P-1/2024-03-05/Walk 1/data.c3d"])
    assert reading.place == Place("P-1", "2024-03-05", "Walk 1", "data", "data.c3d")
    assert reading.alternatives == (Place("P-1", "2024-03-05", None, "Walk 1", "data.c3d"),)
    assert reading.session_folder == "P-1/2024-03-05"


def test_a_place_says_the_type() -> None:
    (one, two) = Layout().read(["P/S/C/Walk.c3d", "P/S/C/event.json"])
    assert one.place is not None
    assert two.place is not None
    assert (one.place.type, two.place.type) == ("motion", "event")


# presets


def test_folders() -> None:
    found = places(
        Layout("folders"), "P-1/2024-03-05/Barefoot/Walk 1/data.c3d", "P-1/2024-03-05/Walk 1/data.c3d"
    )
    assert found == [("Barefoot", "Walk 1", "data.c3d"), (None, "Walk 1", "data.c3d")]


def test_the_layout_of_before_stays_by_name() -> None:
    assert Layout("underscore").parse("P/S/C/Trial-1_angles.json") == Place(
        "P", "S", "C", "Trial-1", "angles.json"
    )


def test_a_project_of_qualisys() -> None:
    paths = (
        "Data/P-1/2024-03-05/Gait/Walk 1.qtm",
        "Data/P-1/2024-03-05/Gait/Walk 1.c3d",
        "P-1/2024-03-05/Gait/x.c3d",
    )
    assert places(Layout("qualisys"), *paths) == [
        ("Gait", "Walk 1", "Walk 1.qtm"),
        ("Gait", "Walk 1", "Walk 1.c3d"),
        ("Gait", "x", "x.c3d"),
    ]
    assert [one.session_folder for one in Layout("qualisys").read(paths)] == [
        "Data/P-1/2024-03-05",
        "Data/P-1/2024-03-05",
        "P-1/2024-03-05",
    ]


def vicon(root: Path, *paths: str) -> dict[str, Path]:
    files = {}
    for path in paths:
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"")
        files[path] = place
    return files


def test_a_database_of_vicon(tmp_path: Path) -> None:
    base = "Gait/P-1/2024-03-05"
    files = vicon(
        tmp_path,
        "Lab.enf",
        "Gait/Gait.Patient Classification.enf",
        "Gait/P-1/P-1.Patient.enf",
        f"{base}/2024-03-05.Session.enf",
        f"{base}/Walk01.Trial.enf",
        f"{base}/Walk01.c3d",
        f"{base}/Walk01.2120193.20240506.avi",
        f"{base}/Walk02.Trial02.enf",
        f"{base}/Walk02.c3d",
        f"{base}/report.pdf",
        f"{base}/photos/front.jpg",
    )
    files[f"{base}/Walk01.Trial.enf"].write_text(
        "[Node Information]\nTYPE=TRIAL\nDESCRIPTION=not this\n[TRIAL_INFO]\nNOTES=a=b\nDESCRIPTION=Barefoot \n"
    )
    files[f"{base}/Walk02.Trial02.enf"].write_bytes(
        "[TRIAL_INFO]\r\nDescription=Schuhe, größer\r\n".encode("cp1252")
    )
    readings = Layout("vicon").read(files)
    found = {one.path.removeprefix(f"{base}/"): one.place for one in readings}
    assert {path: (place.condition, place.trial) for path, place in found.items() if place is not None} == {
        "2024-03-05.Session.enf": (None, "2024-03-05"),
        "Walk01.Trial.enf": ("Barefoot", "Walk01"),
        "Walk01.c3d": ("Barefoot", "Walk01"),
        "Walk01.2120193.20240506.avi": ("Barefoot", "Walk01"),
        "Walk02.Trial02.enf": ("Schuhe, größer", "Walk02"),
        "Walk02.c3d": ("Schuhe, größer", "Walk02"),
        "report.pdf": (None, "report"),
        "photos/front.jpg": (None, "front"),
    }
    assert {(place.subject, place.session) for place in found.values() if place} == {("P-1", "2024-03-05")}
    assert {one.session_folder for one in readings if one.place} == {base}
    left_out = {one.path: one.reason for one in readings if one.place is None}
    assert set(left_out) == {"Lab.enf", "Gait/Gait.Patient Classification.enf", "Gait/P-1/P-1.Patient.enf"}
    assert all("no session's folder" in reason for reason in left_out.values())


def test_a_database_of_vicon_without_descriptions(tmp_path: Path) -> None:
    paths = (
        "P-1/2024-03-05/Walk01.c3d",
        "P-1/2024-03-05/raw/Walk01.x2d",
        "P-1/2024-03-05/raw/Walk09.c3d",
        "P-1/notes.txt",
    )
    readings = Layout("vicon").read(paths)
    assert [one.place.trial if one.place else None for one in readings] == [
        "Walk01",
        "Walk01",
        "Walk09",
        None,
    ]
    (reading,) = Layout("vicon").read(["Walk01.c3d"])
    assert "upload the folder above" in reading.reason
    (reading,) = Layout("vicon").read(["session/Walk01.c3d"])
    assert "upload the folder above" in reading.reason


@pytest.mark.parametrize(
    "content", [b"", b"[TRIAL_INFO]\nDESCRIPTION=\n", b"\xff\xfe\x00", b"[OTHER]\nDESCRIPTION=x"]
)
def test_trial_files_without_a_description(tmp_path: Path, content: bytes) -> None:
    files = vicon(tmp_path, "P/S/Walk.Trial.enf", "P/S/Walk.c3d")
    files["P/S/Walk.Trial.enf"].write_bytes(content)
    assert [one.place.condition for one in Layout("vicon").read(files) if one.place] == [None, None]
    files["P/S/Walk.Trial.enf"].unlink()
    assert [one.place.condition for one in Layout("vicon").read(files) if one.place] == [None, None]


def test_unknown_presets_are_told() -> None:
    with pytest.raises(ValidationError, match=r"no layout 'vicom'.*vicon"):
        Layout("vicom")


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_reads(name: str) -> None:
    layout = Layout(name)
    assert layout.template == name
    assert layout.read(["x"])[0].reason
    assert layout.read([]) == []


# templates


def test_the_trial_ends_at_the_first_separator() -> None:
    place = Layout(FLAT).parse("S1/2024-01-02/Barefoot/Walk_1_angles.json")
    assert place == Place("S1", "2024-01-02", "Barefoot", "Walk", "1_angles.json")


def test_a_pattern_says_otherwise() -> None:
    layout = Layout(r"{subject}/{session}/{condition}/{trial:Walk_\d{1,2}}_{rest}")
    place = layout.parse("S1/2024-01-02/Barefoot/Walk_01_angles.json")
    assert place == Place("S1", "2024-01-02", "Barefoot", "Walk_01", "angles.json")
    assert layout.parse("S1/2024-01-02/Barefoot/Run_01_angles.json") is None


def test_patterns_may_hold_anything() -> None:
    layout = Layout(r"{subject:(?P<subject>P-\d+)}/{session}/{trial:[^\}]+}_{rest}")
    assert layout.parse("P-1/S/Walk_x") == Place("P-1", "S", None, "Walk", "x")
    assert layout.parse("Q-1/S/Walk_x") is None


def test_without_condition_and_with_anything() -> None:
    assert Layout("{subject}/{session}/{trial}/{file}").parse("a/b/c/d.c3d") == Place(
        "a", "b", None, "c", "d.c3d"
    )
    layout = Layout("{*}/sub-{subject}/{*}_{session}/{file}")
    assert layout.parse("x/sub-1/y_2024/Walk.c3d") == Place("1", "2024", None, "Walk", "Walk.c3d")


@pytest.mark.parametrize(
    "path", ["a/b/c", "a/b/c/d/e/f", "a/b//c/d.c3d", "a/b/c/noseparator", "", "/a/b/c/d_e"]
)
def test_what_does_not_fit(path: str) -> None:
    assert Layout(FLAT).parse(path) is None


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{subject}/{session}/{trial}/{name}", "unknown field 'name'"),
        ("{subject}/{session}/{trial}", "lacks {file}"),
        ("{subject}/{session}/{rest}", "lacks {trial}"),
        ("{subject}/{file}", "lacks {session}"),
        ("{subject}/{session}/{trial}{rest}", "nothing stands between"),
        ("{subject}/{subject}/{session}/{trial}/{file}", "twice"),
        ("{subject}/{session}/{trial}/{file", "without its"),
        ("{subject}/{session}/trial}/{file}", "without its"),
        ("/{subject}/{session}/{trial}/{file}", "relative"),
        ("{subject}//{session}/{trial}/{file}", "relative"),
        ("{subject}/../{session}/{file}", "relative"),
        ("{subject}/{session}/{trial:(}/{file}", "not a regular expression"),
        ("{subject}/{session}/{trial:[}_{rest:]}", "not a regular expression"),
        ("{subject}/{session}/{trial:*}_{rest}", "not a regular expression"),
        (r"{subject}/{session}/{trial:\d*}_{rest}", "fits nothing at all"),
        (r"{subject:(?P<x>a)}{session:(?P<x>b)}/{file}", "do not go together"),
        ("{subject}/{session}/{trial}_{file}", "stands alone"),
        ("{subject}/{session}/{file}/{condition}", "stands alone"),
        ("{subject}/{session}/{trial}_{rest}/{condition}", "behind the last"),
        ("{subject}/{session}/{trial}_{rest}/{file}", "whole name already"),
        ("", "a preset"),
        (3, "a preset"),
        (None, "a preset"),
    ],
)
def test_layouts_that_cannot_be(template: Any, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Layout(template)


def test_format_refuses_what_would_not_come_back() -> None:
    with pytest.raises(ValidationError):
        Layout(FLAT).format(Place("S", "s", "c", "Walk_1", "x.c3d"))
    with pytest.raises(ValidationError):
        Layout(FOLDERS).format(Place("S", "s", None, "t", "x.c3d"))


def test_where_the_session_folder_is() -> None:
    assert Layout(FLAT).session_depth == 2
    assert Layout().session_depth == 2
    assert Layout("data/{subject}/{session}/{trial}/{file}").session_depth == 3
    assert Layout("{subject}-{session}/{trial}/{file}").session_depth == 1
    assert Layout("{subject}/{session}_{trial}/{file}").session_depth is None
    assert Layout("qualisys").session_depth is None


# functions


def test_a_function_as_a_layout() -> None:
    def layout(path: str) -> Any:
        subject, session, name = path.split("/")
        if name == "skip":
            return None
        if name == "place":
            return Place("A", "B", None, "C", "D")
        return {"subject": subject, "session": session, "condition": "Barefoot" if "bf" in name else None}

    readings = Layout(layout).read(
        ["P/S/bf_1.c3d", "P/S/bf_1_x.json", "P/S/skip", "P/S/place", "P/S/a%2Fb.c3d"]
    )
    assert [one.place for one in readings] == [
        Place("P", "S", "Barefoot", "bf_1", "bf_1.c3d"),
        Place("P", "S", "Barefoot", "bf_1", "bf_1_x.json"),
        None,
        Place("A", "B", None, "C", "D"),
        Place("P", "S", None, "a/b", "a/b.c3d"),
    ]
    assert readings[2].reason == "left out by the layout function"


def test_a_function_says_it_all() -> None:
    values = {
        "subject": "P",
        "session": "S",
        "condition": "C",
        "trial": "T",
        "name": "N.json",
        "type": "event",
    }
    (reading,) = Layout(lambda path: values).read(["anything"])
    assert reading.place == Place("P", "S", "C", "T", "N.json", "event")


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ("P/S", "returned 'P/S'"),
        ({"subject": "P"}, "has no 'session'"),
        ({"subject": "P", "session": ""}, "has no 'session'"),
        ({"subject": "P", "session": "S", "clip": "x"}, "has 'clip'"),
        ({"subject": 3, "session": "S"}, "subject for 'a/b' is 3, not a text"),
        ({"subject": "P", "session": "S", "type": "movie"}, "'movie'"),
    ],
)
def test_what_a_function_must_not_say(said: Any, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Layout(lambda path: said).read(["a/b"])


def test_a_function_that_fails() -> None:
    with pytest.raises(ValidationError, match=r"failed for 'a/b': ZeroDivisionError"):
        Layout(lambda path: {"subject": str(1 // 0)}).read(["a/b"])


# when nothing fits


@pytest.mark.parametrize(
    ("paths", "layout"),
    [
        (["lab/2023/P-1/2024-03-05/Barefoot/Walk.c3d"] * 2, "{*}/{*}/{subject}/{session}/{condition}/{file}"),
        (["P-1_2024-03-05/Walk.c3d", "P-2_2024-03-06/Walk.c3d"], r"{subject}_{session:\d{4}.*}/{file}"),
        (["x/P-1/20240305/C/T/raw/Walk.c3d"], "{*}/{subject}/{session}/{condition}/{*}/{trial}/{file}"),
        (
            ["P-1_2024-03-05_Barefoot_Walk01.c3d"],
            r"{subject}_{session:\d{4}\D?\d\d\D?\d\d}_{condition}_{trial}.{rest}",
        ),
    ],
)
def test_a_layout_that_would_fit(paths: list[str], layout: str) -> None:
    assert suggestion(paths) == layout
    assert all(Layout(layout).parse(path) is not None for path in paths)
    error = nothing_fits(paths, Layout("{subject}/{session}/x/{file}"))
    assert paths[0] in str(error)
    assert repr(layout) in str(error)


def test_where_none_can_be_told() -> None:
    assert suggestion([]) is None
    assert suggestion(["Walk.c3d"]) is None
    error = str(nothing_fits(["Walk.c3d", "Run.c3d", "third"], Layout()))
    assert "Walk.c3d" in error
    assert "Run.c3d" in error
    assert "third" not in error
    assert FOLDERS in error
    assert "upload the folder above" in error


@given(st.lists(st.text("P-120450_/. ", min_size=1, max_size=40), min_size=1, max_size=4))
def test_what_is_suggested_fits(paths: list[str]) -> None:
    layout = suggestion(paths)
    if layout is not None:
        assert any(Layout(layout).parse(path) for path in paths)


# downloads


def laid_out(template: str, *values: dict[str, str | None]) -> list[str]:
    layout = OutputLayout(template)
    parts = [layout.parts(one, str(number)) for number, one in enumerate(values)]
    return ["/".join(path) for path in local_paths(parts)]


def test_downloads_by_a_layout() -> None:
    one = {
        "subject": "P/1",
        "session": "pre",
        "date": "2024-03-05",
        "condition": "B",
        "trial": "T",
        "file": "x.c3d",
    }
    other = {**one, "condition": None, "date": None}
    assert laid_out("sub-{subject}/ses-{date}/{condition}/{trial}_{file}", one, other) == [
        "sub-P%2F1/ses-2024-03-05/B/T_x.c3d",
        "sub-P%2F1/ses-undated/T_x.c3d",
    ]
    first, second, third = laid_out("{condition}/{file}", one, one, {**one, "condition": "b"})
    assert first == "B/x.c3d"
    assert original_name(second.split("/")[1]) == "x.c3d"
    assert second != first
    assert third.split("/")[0] != "B"
    assert OutputLayout("{date}/{file}").fields == {"date", "file"}


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{subject}/{who}/{file}", "unknown field 'who'"),
        ("{subject}/{trial}", "needs {file} or {id}"),
        ("{file}/{subject}", "needs {file} or {id}"),
        (r"{subject:\d+}/{file}", "patterns are for uploads"),
        ("../{file}", "relative"),
        ("/{file}", "relative"),
        ("{file", "without its"),
    ],
)
def test_output_layouts_that_cannot_be(template: str, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        OutputLayout(template)


LONG = st.text(st.characters(codec="utf-8"), min_size=1, max_size=300)


@given(st.lists(st.tuples(LONG, LONG, st.none() | LONG, LONG, LONG), max_size=6))
def test_what_a_download_has_written_is_read_back(rows: list[tuple[str, str, str | None, str, str]]) -> None:
    """Names that were encoded or marked are the original ones again; one that was too long is found by its mark."""
    parts = []
    for number, row in enumerate(rows):
        folders = [(row[: depth + 1], name) for depth, name in enumerate(row[:-1]) if name is not None]
        parts.append([*folders, (number, row[-1])])
    paths = ["/".join(path) for path in local_paths(parts)]
    for path, reading, row in zip(paths, Layout("folders").read(paths), rows, strict=True):
        place = reading.place
        assert place is not None
        found = (place.subject, place.session, place.condition, place.trial, place.name)
        assert (found[2] is None) == (row[2] is None)
        pairs = [(own, name) for own, name in zip(found, row, strict=True) if name is not None]
        for text, (own, name) in zip(path.split("/"), pairs, strict=True):
            if original_name(text) is None:
                assert find_name(text, ["another", name]) == name
            else:
                assert own == name


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.c3d", "motion"), ("A.C3D", "motion"), ("x.mp4", "video"), ("r.pdf", "doc"), ("a.json", "data"),
     ("event.json", "event"), ("Trial-1_event.json", "event"), ("prevent.json", "data"),
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
