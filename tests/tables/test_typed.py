"""Tables: the types that a template declares, nothing lost, one bad cell that fails no table."""

from __future__ import annotations

import json
import pickle
import warnings
from contextlib import suppress
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moveshelf.errors import ValidationError
from moveshelf.metadata import values as plain_metadata
from moveshelf.tables import LISTED, TableWarning, frame, table
from moveshelf.values import Template, TemplateField, UploadStatus

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox

DATA = {
    "template": {
        "heading": {"label": "General", "type": "title"},
        "ehr-id": {"label": "EHR ID", "type": "number"},
        "hospital-mrn": {"label": "Number in hospital", "type": "number"},
        "subject-sex": {"label": "Sex", "type": "select", "options": ["Male", "Female", "Other"]},
        "subject-birth-date": {"label": "Date of birth", "type": "date"},
        "subject-gmfcs": {"label": "GMFCS level", "type": "select", "options": ["I", "II", "III", "IV", "V"]},
        "subject-aids": {
            "label": "Aids",
            "type": "select",
            "multiselect": True,
            "options": ["Insole", "Cane"],
        },
        "leg": {"label": "Leg length (mm)", "type": "number", "hasContext": True},
        "weight": {"label": "Weight", "type": "number"},
        "other-weight": {"label": "Weight", "type": "number"},
        "smokes": {"label": "Smokes", "type": "checkbox"},
        "notes": {"label": "Notes", "type": "text"},
        "name": {"label": "Given name", "type": "text"},
        "measured": {"label": "Measured", "type": "datetime"},
    }
}
TEMPLATE = Template("Gait", DATA)
FIELDS = TEMPLATE.fields("subjects")


def subjects(*metadata: Any, **options: Any) -> pd.DataFrame:
    rows = [
        {"id": f"id{n}", "name": f"P-{n}", "ehr_id": "00123", "updated": None, "metadata": one}
        for n, one in enumerate(metadata)
    ]
    return table(rows, FIELDS, "subjects", **options)


def silent(*metadata: Any, **options: Any) -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return subjects(*metadata, **options)


def test_the_types_of_a_template() -> None:
    found = silent(
        {
            "ehr-id": "00123",
            "hospital-mrn": 42,
            "subject-sex": "Female",
            "subject-birth-date": "2009-2-4",
            "subject-gmfcs": "III",
            "subject-aids": ["Insole", "Cane"],
            "leg": {"left": "811", "right": 820.5},
            "weight": "61.5",
            "smokes": "true",
            "notes": "00123",
            "name": "Ada",
            "measured": "2024-05-06T08:00:00+02:00",
        },
        {},
        None,
    )
    types = {str(name): str(kind) for name, kind in found.dtypes.items()}
    text = str(pd.Series(["text"]).dtype)
    assert types == {
        "name": text,
        "id": text,
        "ehr_id": text,
        "updated": "datetime64[ns]",
        "ehr-id": text,
        "hospital-mrn": text,
        "subject-sex": "category",
        "subject-birth-date": "datetime64[ns]",
        "subject-gmfcs": "category",
        "subject-aids": text,
        "leg.left": "float64",
        "leg.right": "float64",
        "weight": "float64",
        "other-weight": "float64",
        "smokes": "boolean",
        "notes": text,
        "metadata.name": text,
        "measured": "datetime64[ns]",
    }
    first = found.iloc[0]
    assert list(found["ehr_id"]) == ["00123"] * 3
    assert (first["ehr-id"], first["hospital-mrn"], first["notes"]) == ("00123", "42", "00123")
    assert first["subject-birth-date"] == pd.Timestamp("2009-02-04")
    assert first["measured"] == pd.Timestamp("2024-05-06 06:00")
    assert (first["leg.left"], first["leg.right"], first["weight"]) == (811.0, 820.5, 61.5)
    assert first["smokes"] is True or bool(first["smokes"]) is True
    assert list(found["subject-sex"].cat.categories) == ["Male", "Female", "Other"]
    assert not found["subject-sex"].cat.ordered
    assert found["subject-gmfcs"].cat.ordered
    assert list(found["subject-gmfcs"] >= "II") == [True, False, False]
    assert found["subject-aids"].str.get_dummies("; ").iloc[0].to_dict() == {"Cane": 1, "Insole": 1}
    assert found.iloc[1:].drop(columns=["name", "id", "ehr_id"]).isna().all(axis=None)


@pytest.mark.parametrize(
    ("key", "stored", "text"),
    [
        ("subject-birth-date", "0007-01-12", "0007-01-12"),
        ("subject-birth-date", "2262-05-01", "2262-05-01"),
        ("subject-birth-date", "04.02.2009", "04.02.2009"),
        ("subject-birth-date", 20090204, "20090204"),
        ("weight", "61 kg", "61 kg"),
        ("weight", "61,5", "61,5"),
        ("weight", "1e999", "1e999"),
        ("weight", str(10**17 + 1), str(10**17 + 1)),
        ("weight", 10**17 + 1, str(10**17 + 1)),
        ("weight", True, "true"),
        ("weight", "١٢", "١٢"),
        ("weight", "9" * 5000, "9" * 5000),
        ("smokes", "a little", "a little"),
        ("smokes", 1, "1"),
        ("measured", "yesterday", "yesterday"),
        ("measured", "0007-01-12T08:00", "0007-01-12T08:00"),
    ],
)
def test_what_a_column_cannot_hold_stands_beside_it(key: str, stored: Any, text: str) -> None:
    with pytest.warns(
        TableWarning, match=rf"'{key}'.* of P-1; kept as text in column '{key}.text'"
    ) as caught:
        found = subjects({}, {key: stored})
    assert len(caught) == 1
    assert found[key].isna().all()
    assert list(found[f"{key}.text"].fillna("")) == ["", text]
    names = list(found.columns)
    assert names.index(f"{key}.text") == names.index(key) + 1
    assert str(found[key].dtype) == str(silent({})[key].dtype)


def test_zeros_before_a_number_are_kept_beside_it() -> None:
    with pytest.warns(TableWarning, match="not only, a number"):
        found = subjects({"weight": "0061"})
    assert (found["weight"][0], found["weight.text"][0]) == (61.0, "0061")
    assert silent({"weight": "0.5"})["weight"][0] == 0.5
    assert silent({"weight": "0"})["weight"][0] == 0


def test_sides() -> None:
    found = silent({"leg": {"left": "1", "both": "3"}}, {"leg": "2"}, {"weight": {"right": "9"}})
    assert found["leg.left"][0] == 1
    assert found["leg.right"].isna().all()
    assert found["leg.both"][0] == 3
    assert found["leg"][1] == 2
    assert found["weight.right"][2] == 9


def test_what_is_no_object_is_one_cell() -> None:
    with pytest.warns(TableWarning, match=r"no JSON object: 'broken\[' of P-1, .* of P-2"):
        found = subjects({"weight": "1"}, "broken[", [1, 2])
    assert list(found["metadata.text"].fillna("")) == ["", "broken[", "[1, 2]"]
    assert found["weight"][0] == 1
    with pytest.warns(TableWarning, match="'broken\\[' of P-1.*'metadata.text', which was left out"):
        found = subjects({"weight": "1"}, "broken[", columns=["weight"])
    assert list(found.columns) == ["weight"]


def test_deeply_nested_values_fail_no_table() -> None:
    deep: Any = "x"
    for _ in range(5000):
        deep = {"value": [deep]}
    with pytest.warns(TableWarning, match="nested deeper than 64 levels"):
        found = subjects({"notes": deep, "weight": "1", "extra": deep})
    assert "nested deeper" in found["notes"][0]
    assert found["weight"][0] == 1


def test_options_that_the_template_does_not_have() -> None:
    found = silent({"subject-gmfcs": "VI"}, {"subject-gmfcs": "II"})
    assert list(found["subject-gmfcs"].cat.categories) == ["I", "II", "III", "IV", "V", "VI"]
    assert not found["subject-gmfcs"].cat.ordered
    assert list(found["subject-gmfcs"]) == ["VI", "II"]


@pytest.mark.parametrize(
    ("options", "ordered"),
    [
        (["I", "II", "III"], True),
        (["0", "1", "1+", "2"], True),
        (["0 - none", "1 - mild", "2 - severe"], True),
        (["Level I", "Level II"], True),
        (["1", "2", "10"], True),
        (["2", "1"], False),
        (["I", "Unknown"], False),
        (["Left", "Right"], False),
        (["Iliac", "Vastus"], False),
        (["1"], False),
    ],
)
def test_which_options_have_an_order(options: list[str], ordered: bool) -> None:
    fields = {"x": TemplateField.parse("x", {"type": "select", "options": options})}
    found = table([{"metadata": {"x": options[0]}}], fields, "subjects")
    assert found["x"].cat.ordered is ordered


def test_without_a_template() -> None:
    metadata = {
        "text": "00123",
        "many": ["a", "b"],
        "sides": {"left": "1", "right": "2"},
        "nested": {"deep": [1, {"a": "ä"}]},
        "flag": True,
        "number": 5,
        "empty": None,
        "nothing": [],
    }
    found = table([{"name": "P", "metadata": metadata}], {}, "subjects")
    assert found.iloc[0].dropna().to_dict() == {
        "name": "P",
        "text": "00123",
        "many": "a; b",
        "sides.left": "1",
        "sides.right": "2",
        "nested": '{"deep": [1, {"a": "ä"}]}',
        "flag": True,
        "number": 5,
    }
    assert {"empty", "nothing"} <= set(found.columns)


def test_parents_come_first_and_other_entries_follow() -> None:
    when = datetime(2024, 5, 6, 8, tzinfo=timezone(timedelta(hours=2)))
    row = {
        "upload_status": UploadStatus.COMPLETE,
        "has_video": True,
        "name": "Trial-1",
        "condition": "Barefoot",
        "session": "pre",
        "subject": "P-1",
        "project": "lab/demo",
        "created": when,
        "seen": when,
        "birthday": date(2024, 5, 6),
        "span": timedelta(seconds=5),
        "files": 3,
    }
    found = table([row], {}, "clips")
    assert list(found.columns)[:5] == ["project", "subject", "session", "condition", "name"]
    assert set(found.columns) == set(row)
    first = found.iloc[0]
    assert first["upload_status"] == "Complete"
    assert type(first["upload_status"]) is str
    assert first["created"] == first["seen"] == pd.Timestamp("2024-05-06 06:00")
    assert first["birthday"] == pd.Timestamp("2024-05-06")
    assert first["files"] == 3


def test_the_first_columns() -> None:
    rows = [{"subject": "P", "session": "pre", "id": "x", "name": "Trial-1", "files": 2}]
    assert list(table(rows, {}, "clips").columns) == ["subject", "session", "name", "id", "files"]
    found = table(rows, {}, "clips", first=("id", "name", "nothing"))
    assert list(found.columns) == ["id", "name", "subject", "session", "files"]


@pytest.mark.parametrize("kind", LISTED)
def test_an_empty_table_has_its_columns(kind: str) -> None:
    found = table([], FIELDS, kind)
    assert len(found) == 0
    assert set(LISTED[kind]) <= set(found.columns)
    assert str(found["weight"].dtype) == "float64"


def test_large_whole_numbers_stay_exact() -> None:
    found = table([{"size": 2**53 + 1}, {"size": None}], {}, "files")
    assert found["size"][0] == 2**53 + 1


def test_labels() -> None:
    found = silent({"leg": {"left": "1"}, "name": "Ada"}, labels=True)
    names = list(found.columns)
    assert {"Sex", "Date of birth", "Leg length (mm), left", "Leg length (mm), right"} <= set(names)
    assert {"Weight (weight)", "Weight (other-weight)"} <= set(names)
    assert {"name", "id", "ehr_id", "Given name"} <= set(names)
    assert len(set(names)) == len(names)
    with pytest.warns(TableWarning):
        odd = subjects({"subject-birth-date": "0007-01-12"}, labels=True)
    assert odd["Date of birth, as stored"][0] == "0007-01-12"


def test_labels_that_repeat_without_end() -> None:
    fields = {key: TemplateField.parse(key, {"label": "name", "type": "text"}) for key in ("name", "a", "b")}
    fields["c"] = TemplateField.parse("c", {"label": "name (a)", "type": "text"})
    found = table([{"name": "P", "metadata": {}}], fields, "subjects", labels=True)
    assert len(set(found.columns)) == found.shape[1] == 5


def test_chosen_columns() -> None:
    metadata = {"leg": {"left": "1", "right": "x"}, "weight": "2", "name": "Ada"}
    with pytest.warns(TableWarning, match=r"column 'leg.right.text', which was left out"):
        found = subjects(metadata, columns=["weight", "leg", "name", "weight"])
    assert list(found.columns) == ["weight", "leg.left", "leg.right", "name"]
    assert found["name"][0] == "P-0"
    assert list(silent(metadata, columns=["Sex", "metadata.name"]).columns) == [
        "subject-sex",
        "metadata.name",
    ]
    assert list(silent(metadata, columns=("leg.left",)).columns) == ["leg.left"]
    assert list(silent(metadata, columns="name").columns) == ["name"]
    with pytest.warns(TableWarning, match="kept as text"):
        found = subjects(metadata, columns=["leg.right.text", "leg.right"])
    assert list(found["leg.right.text"]) == ["x"]
    assert silent({}, columns=[]).shape == (1, 0)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (["subject-sexx"], "did you mean 'subject-sex'"),
        (["Date of Birth"], "did you mean 'Date of birth'"),
        (["name", "zzz"], "no column 'zzz'; there are 'name', 'id', 'ehr_id'"),
        ([5], "no column 5"),
        ([None], "no column None"),
    ],
)
def test_unknown_columns(columns: Any, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        subjects({}, columns=columns)


def test_an_unknown_kind() -> None:
    with pytest.raises(ValidationError, match="did you mean 'sessions'"):
        table([], {}, "session")


def test_the_prefix_of_keys() -> None:
    found = silent({"name": "Ada", "weight": "2"}, prefix="metadata.")
    assert (found["metadata.name"][0], found["metadata.weight"][0]) == ("Ada", 2.0)


def test_one_warning_a_column() -> None:
    with pytest.warns(TableWarning) as caught:
        subjects(*({"weight": f"{n} kg"} for n in range(9)), {"subject-birth-date": "never"})
    assert len(caught) == 2
    assert "'2 kg' of P-2 and 6 more" in str(caught[1].message) or "and 6 more" in str(caught[0].message)


# what any service may send --------------------------------------------------------------------------------------
texts = st.text(max_size=4) | st.sampled_from(
    ["00123", "1.5", "2024-05-06", "0007-01-12", "nan", "inf", "1e400", "Male"]
)
single = texts | st.integers() | st.booleans() | st.none() | st.floats()
anything: st.SearchStrategy[Any] = st.recursive(
    single,
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(
            st.sampled_from(["left", "right", "both", "value", "context", "x"]), below, max_size=3
        )
        | st.lists(
            st.fixed_dictionaries({"context": st.sampled_from(["left", "right"]), "value": below}), max_size=2
        )
    ),
    max_leaves=6,
)
records = (
    st.none()
    | texts
    | st.dictionaries(st.sampled_from([*FIELDS, "extra", "leg.left", "id"]), anything, max_size=8)
)


@given(st.lists(records, max_size=4), st.booleans())
def test_any_metadata_make_a_table(metadata: list[Any], labels: bool) -> None:
    metadata = [plain_metadata(one) if isinstance(one, dict) else one for one in metadata]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TableWarning)
        found = subjects(*metadata, labels=labels)
    assert len(found) == len(metadata)
    assert len(set(found.columns)) == found.shape[1]
    assert not any(isinstance(kind, pd.DatetimeTZDtype) for kind in found.dtypes)
    cells = [one for name in found.columns for one in found[name]]
    assert not any(isinstance(one, (list, dict)) for one in cells)


@given(st.text(min_size=1) | st.integers().map(str))
def test_texts_are_never_changed(text: str) -> None:
    found = silent({"notes": text, "ehr-id": text, "hospital-mrn": text})
    assert (found["notes"][0], found["ehr-id"][0], found["hospital-mrn"][0]) == (text, text, text)


@given(st.text() | st.floats().map(str) | st.dates().map(str))
def test_nothing_is_lost(text: str) -> None:
    for key in ("weight", "subject-birth-date", "smokes", "measured"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TableWarning)
            found = subjects({key: text}, {})
        if f"{key}.text" in found:
            assert found[f"{key}.text"][0] == text
        elif text:
            value = found[key][0]
            if key == "weight":
                with suppress(ValueError):
                    assert float(text) == value
            assert not pd.isna(value) or not text.strip()


# the frame's other uses -------------------------------------------------------------------------------------------
def test_frames_travel(tmp_path: Path) -> None:
    with pytest.warns(TableWarning):
        found = subjects({"leg": {"left": "1", "right": "x"}, "subject-aids": ["Insole"]}, {"weight": "2"})
    assert pickle.loads(pickle.dumps(found)).equals(found)
    assert len(pd.concat([found, found])) == 4
    assert json.dumps(found.attrs)
    found.to_excel(tmp_path / "x.xlsx")
    found.to_csv(tmp_path / "x.csv", index=False)
    again = pd.read_csv(tmp_path / "x.csv", dtype=str)
    assert list(again["ehr_id"]) == ["00123", "00123"]


def test_simple_frames() -> None:
    found = frame([{"a": 1}, {"a": 2}], columns=["a", "b"])
    assert list(found.columns) == ["a", "b"]
    assert list(found["a"]) == [1, 2]


def test_tables_of_collections_go_to_excel(demo: Sandbox, tmp_path: Path) -> None:
    with demo.connect() as ms:
        project = ms.projects["lab/demo"]
        subject = project.subjects[0].load("metadata")
        session = subject.sessions[0]
        for some in (
            project.subjects,
            subject.sessions,
            session.clips,
            session.clips[0].files,
            project.norms,
        ):
            found = some.to_frame()
            found.to_excel(tmp_path / "x.xlsx")
            again = pd.read_excel(tmp_path / "x.xlsx", dtype={"name": str, "id": str})
            assert list(again["name"]) == some.names()
            assert list(again["id"]) == some.ids()
            assert not any(isinstance(kind, pd.DatetimeTZDtype) for kind in found.dtypes)
        assert str(subject.sessions.to_frame()["date"].dtype) == "datetime64[ns]"
        assert project.subjects.to_frame()["metadata.subject-sex"][0] == subject.metadata["subject-sex"]
