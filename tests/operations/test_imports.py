"""Tables back into a project: columns, cells, keys, round trips through workbooks and text files."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moveshelf import ValidationError
from moveshelf.metadata import merge, plain
from moveshelf.operations.bulk_plan import BulkPlan
from moveshelf.operations.imports import Cells, FieldColumn, Said, cell_value, columns_of
from moveshelf.tables import to_excel
from moveshelf.tables.read import Lines, read_lines
from moveshelf.tables.typed import TableWarning, cell_of, typed_cell
from moveshelf.values import Template, TemplateField

if TYPE_CHECKING:
    from moveshelf import Moveshelf, Project
    from moveshelf.sandbox import Sandbox


@pytest.fixture
def people(empty_project: Project) -> Project:
    """Three subjects with what is hard to bring back: zeros before numbers, impossible days, text where numbers belong."""
    empty_project.create_subjects(
        [
            {
                "name": "P-001",
                "metadata": {"ehr-id": "00123", "subject-sex": "Male", "subject-notes": "a; b\nc"},
            },
            {
                "name": "P-002",
                "metadata": {
                    "ehr-id": "124",
                    "subject-leg-length": {"left": "0081", "right": "82.50"},
                    "subject-aids": ["Insole", "Crutches"],
                },
            },
            {
                "name": "P-003",
                "metadata": {
                    "subject-date-of-birth": "0007-01-12",
                    "subject-leg-length": {"left": "81 mm"},
                    "subject-sex": "Unknown",
                    "odd-key": "kept",
                    "subject-notes": "=1+1\x07",
                },
            },
        ],
        validate=False,
    ).raise_for_errors()
    return empty_project


def through(table: pd.DataFrame, way: str, folder: Path, tabs: Any) -> Any:
    """The table as it comes back from a spreadsheet."""
    path = folder / ("t.csv" if way == "csv" else "t.xlsx")
    if way == "frame":
        return table
    if way == "csv":
        table.to_csv(path, index=False)
    else:
        to_excel(table, path, template_tabs=tabs if way == "tabs" else None)
    return path


# round trips ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("labels", [False, True])
@pytest.mark.parametrize("way", ["frame", "csv", "xlsx", "tabs"])
@pytest.mark.filterwarnings("ignore::moveshelf.tables.TableWarning")
def test_a_table_that_nobody_edited_changes_nothing(
    people: Project, reader: Moveshelf, tmp_path: Path, way: str, labels: bool
) -> None:
    template = people.template
    assert template is not None
    table = through(people.table("subjects", labels=labels), way, tmp_path, template.tabs("subjects"))
    plan = people.import_table(table, ignore=["odd-key"], dry_run=True)
    assert [one.action for one in plan] == ["unchanged"] * 3, plan
    demo = reader.projects["lab/demo"]
    template = demo.template
    assert template is not None
    kinds: tuple[Any, ...] = ("subjects", "sessions")
    for kind in kinds:
        table = through(demo.table(kind, labels=labels), way, tmp_path, template.tabs(kind))
        plan = demo.import_table(table, dry_run=True)
        assert {one.action for one in plan} == {"unchanged"}, plan
        assert "sessions" not in plan.title or kind == "sessions"


@pytest.mark.filterwarnings("ignore::moveshelf.tables.TableWarning")
@pytest.mark.parametrize("way", ["csv", "xlsx"])
def test_what_was_edited_is_written_and_nothing_else(
    shared: Sandbox, people: Project, tmp_path: Path, way: str
) -> None:
    table = people.table("subjects", labels=True)
    table["Leg length (mm), left"] = table["Leg length (mm), left"].where(table["name"] != "P-001", 79)
    table["Sex"] = table["Sex"].astype(object).where(table["name"] != "P-002", "Female")
    table["Notes"] = table["Notes"].astype(object).where(table["name"] != "P-003", "seen")
    table["Aids"] = table["Aids"].astype(object).where(table["name"] != "P-002", "Walker; Insole")
    result = people.import_table(through(table, way, tmp_path, None), ignore=["odd-key"])
    result.raise_for_errors()
    assert [one.changed for one in result] == [
        {"subject-leg-length": {"left": "79"}},
        {"subject-sex": "Female", "subject-aids": ["Walker", "Insole"]},
        {"subject-notes": "seen"},
    ]
    with shared.connect() as other:
        found = other.project(people.id).subjects
        assert found["P-001"].metadata["ehr-id"] == "00123"
        assert found["P-002"].metadata["subject-leg-length"] == {"left": "0081", "right": "82.50"}
        assert found["P-003"].metadata["subject-date-of-birth"] == "0007-01-12"
        assert found["P-003"].metadata["odd-key"] == "kept"
    assert {
        one.status for one in people.import_table(through(table, way, tmp_path, None), ignore="odd-key")
    } == {"unchanged"}


def test_sessions_of_a_table(shared: Sandbox, people: Project) -> None:
    table = pd.DataFrame(
        {
            "subject": ["P-001", "P-001", "P-02", "P-003"],
            "date": [datetime(2024, 5, 6), datetime(2024, 6, 1), datetime(2024, 5, 6), pd.NaT],
            "vicon-height": [131.5, math.nan, 120, 110],
            "Leg length (mm), left": [700, 701, 702, 703],
        }
    )
    plan = people.import_table(table, dry_run=True)
    assert [one.action for one in plan] == ["failed"] * 4
    assert "create=True creates it" in plan[0].reason
    assert "did you mean 'P-002'" in plan[2].reason
    assert "neither the name of a session nor a date" in plan[3].reason
    result = people.import_table(table, create=True)
    assert [one.status for one in result] == ["created", "created", "failed", "failed"]
    assert result.objects[0].metadata == {"vicon-height": "131.5", "vicon-leg-length": {"left": "700"}}
    again = people.import_table(table.head(2))
    assert [one.status for one in again] == ["unchanged", "unchanged"]
    by_ehr = [
        {"ehr_id": "00123", "date": "2024-05-06", "vicon-weight": 30},
        {"ehr_id": 123, "date": "2024-05-06"},
    ]
    found = people.import_table(by_ehr, on="ehr_id")
    assert [one.status for one in found] == ["updated", "failed"]
    assert "did you mean '00123'" in found[1].reason
    first = result.objects[0]
    renamed = people.import_table([{"subject": "P-001", "session": "other", "id": first.id}], create=True)
    assert "does not rename" in renamed[0].reason
    foreign = people.import_table([{"subject": "P-001", "session": first.name, "id": "elsewhere"}])
    assert "the row's id is 'elsewhere'" in foreign[0].reason
    wrong = people.import_table([{"subject": "P-002", "ehr_id": "00123", "session": "2024-05-06"}])
    assert "has the EHR id '124'" in wrong[0].reason
    with shared.connect() as other:
        assert len(other.project(people.id).sessions) == 2


# keys -------------------------------------------------------------------------------------------------------------
def test_a_typing_error_creates_nobody(shared: Sandbox, people: Project) -> None:
    rows = [
        {"name": "P-001", "subject-sex": "Female"},
        {"name": "P-01", "subject-sex": "Female"},
        {"name": "P-001 ", "subject-sex": "Female"},
        {"name": "P-009", "subject-sex": "Female"},
        {"name": None, "subject-sex": "Female"},
        {"name": "P-002", "subject-sex": None},
        {"name": None, "subject-sex": " "},
    ]
    result = people.import_table(rows)
    assert [one.status for one in result] == ["updated", "failed", "failed", "failed", "failed", "unchanged"]
    assert "did you mean 'P-001'" in result[1].reason
    with shared.connect() as other:
        assert other.project(people.id).subjects.names() == ["P-001", "P-002", "P-003"]
    plan = people.import_table(rows, create=True, dry_run=True)
    assert [one.action for one in plan] == ["unchanged", "create", "failed", "create", "failed", "unchanged"]
    assert "the project has 'P-001'" in plan[1].reason
    assert people.import_table([{"name": 7, "subject-sex": "Male"}], create=True).objects[0].name == "7"


def test_an_ehr_id_is_text(people: Project) -> None:
    table = pd.DataFrame({"EHR ID": [123, 124.0], "subject-notes": ["x", "y"]})
    result = people.import_table(table, on="ehr_id")
    assert [one.status for one in result] == ["failed", "updated"]
    assert "no subject with the EHR id '123' in the project; did you mean '00123'?" in result[0].reason
    text = people.import_table([{"ehr_id": "00123", "Notes": "x"}], on="ehr_id")
    assert text[0].status == "updated"
    new = [
        {"ehr_id": "999", "name": "P-004", "Sex": "Male"},
        {"ehr_id": "998", "name": "P-002"},
        {"ehr_id": "997"},
    ]
    assert [one.action for one in people.import_table(new, on="ehr_id", dry_run=True)] == ["failed"] * 3
    made = people.import_table(new, on="ehr_id", create=True)
    assert [one.status for one in made] == ["created", "failed", "failed"]
    assert "'P-002' is there and has '124'" in made[1].reason
    assert people.subject_by_ehr_id("999").metadata == {"ehr-id": "999", "subject-sex": "Male"}
    crossed = people.import_table([{"ehr_id": "124", "name": "P-001", "Sex": "Male"}], on="ehr_id")
    assert "is that of 'P-002'" in crossed[0].reason


def test_the_column_of_ehr_ids_sets_them_where_names_match(people: Project) -> None:
    result = people.import_table([{"name": "P-003", "ehr_id": "125"}, {"name": "P-001", "ehr_id": "00123"}])
    assert [one.status for one in result] == ["updated", "unchanged"]
    assert people.refresh().subjects["P-003"].ehr_id == "125"
    differing = people.import_table([{"name": "P-002", "ehr_id": "1", "ehr-id": "2"}])
    assert "are of one field and say '1' and '2'" in differing[0].reason


def ehr_ids_of(sandbox: Sandbox, project: Project) -> dict[str, str | None]:
    """The EHR ids by names as another client sees them."""
    with sandbox.connect() as other:
        return {one.name: one.ehr_id for one in other.project(project.id).subjects}


def test_a_number_without_its_zeros_creates_nobody(people: Project) -> None:
    people.create_subjects(["0012", "007a"]).raise_for_errors()
    result = people.import_table([{"name": 12}], create=True)
    assert "did you mean '0012'? Spreadsheets drop zeros" in result[0].reason
    assert people.import_table([{"name": "012"}], create=True)[0].status == "failed"
    assert people.import_table([{"name": "0012"}], create=True)[0].status == "unchanged"
    (note,) = people.import_table([{"name": "7a"}], create=True)
    assert (note.status, note.reason) == ("created", "new; the project has '007a'")


def test_an_ehr_id_that_is_alike_creates_nobody(shared: Sandbox, people: Project) -> None:
    rows = [{"ehr_id": 123, "name": "Smith"}, {"ehr_id": "1-24", "name": "Jones"}]
    result = people.import_table(rows, on="ehr_id", create=True)
    assert [one.status for one in result] == ["failed", "failed"]
    assert "did you mean '00123'? (create_subjects creates another patient)" in result[0].reason
    assert list(ehr_ids_of(shared, people)) == ["P-001", "P-002", "P-003"]


def test_two_patients_do_not_get_one_ehr_id(shared: Sandbox, people: Project) -> None:
    before = ehr_ids_of(shared, people)
    same = people.import_table([{"name": "P-002", "ehr_id": "7"}, {"name": "P-003", "ehr_id": "7"}])
    assert [one.status for one in same] == ["failed", "failed"]
    assert "the EHR id '7' would be that of 'P-002' and 'P-003'" in same[0].reason
    taken = people.create_subjects([{"name": "P-003", "metadata": {"ehr-id": "124"}}, "P-004"])
    assert [one.status for one in taken] == ["failed", "created"]
    # the first row relies on what the second sets free, and the second on what nobody sets free
    chain = people.import_table(
        [{"name": "P-003", "ehr_id": "00123"}, {"name": "P-001", "ehr_id": "124"}], dry_run=True
    )
    assert [one.action for one in chain] == ["failed", "failed"]
    assert {**ehr_ids_of(shared, people)} == {**before, "P-004": None}
    refused = [
        {
            "name": "P-001",
            "metadata": {"ehr-id": "8", "odd": 1},
        },  # gives up its id, and is none the template knows
        {"name": "P-003", "metadata": {"ehr-id": "00123"}},
    ]
    assert len(people.create_subjects(refused).failed) == 2
    swapped = [{"name": "P-001", "ehr_id": "124"}, {"name": "P-002", "ehr_id": "00123"}]
    people.import_table(swapped).raise_for_errors()
    assert ehr_ids_of(shared, people) == {**before, "P-001": "124", "P-002": "00123", "P-004": None}
    near = people.import_table([{"name": "P-003", "ehr_id": "0124"}], dry_run=True)
    assert (near[0].action, near[0].reason) == ("update", "the project has EHR id '124'")
    people.import_table([{"name": "P-003", "ehr_id": "124"}], validate=False).raise_for_errors()


@pytest.mark.parametrize("cell", [123, 123.0, "123", "1,23E+02"])
def test_what_a_spreadsheet_makes_of_an_ehr_id_is_not_stored(people: Project, cell: Any) -> None:
    result = people.import_table([{"name": "P-001", "ehr_id": cell, "Notes": "new"}])
    assert result[0].status == "failed"
    assert "make the column text" in result[0].reason
    assert people.subject_by_ehr_id("00123").name == "P-001"


@pytest.mark.parametrize(
    ("stored", "cell"),
    [
        ("0045", 45),
        ("0045", "45"),
        ("000", 0),
        ("82.50", 82.5),
        ("1e5", 100_000),
        ("1234567890123", "1,23457E+12"),
        ("12345678901234567", 12345678901234500),
        (" 7", 7),
    ],
)
def test_what_a_spreadsheet_makes_of_a_text_is_not_stored(people: Project, stored: str, cell: Any) -> None:
    people.subjects["P-001"].update_metadata({"subject-notes": stored, "subject-leg-length": {"left": "081"}})
    (lost,) = people.import_table([{"name": "P-001", "Notes": cell}])
    assert lost.status == "failed"
    assert f"and {stored!r} is stored" in lost.reason
    (same,) = people.import_table([{"name": "P-001", "subject-leg-length.left": 81}], dry_run=True)
    assert same.action == "unchanged"
    (as_stored,) = people.import_table([{"name": "P-001", "subject-leg-length.left.text": 81}], dry_run=True)
    assert as_stored.action == "failed"
    (other,) = people.import_table([{"name": "P-001", "Notes": 46}], dry_run=True)
    assert other.changed == {"subject-notes": "46"}


@pytest.mark.parametrize(
    "cell",
    [True, datetime(2020, 1, 2), date(2020, 1, 2), 1.2345678901234567e16, "nan", "NaT", "<NA>", "None"],
)
@pytest.mark.parametrize("column", ["name", "ehr_id"])
def test_what_is_no_name_and_no_id(people: Project, column: str, cell: Any) -> None:
    row = {"name": "P-009", "ehr_id": "9", column: cell}
    (made,) = people.import_table([row], create=True, dry_run=True)
    assert made.action == "failed"
    assert f"column '{column}'" in made.reason
    assert made.name == str(row["name"])
    (found,) = people.import_table([row], on="ehr_id", create=True, dry_run=True)
    assert found.action == "failed"
    if cell not in (date(2020, 1, 2), datetime(2020, 1, 2)):  # a session may be called by its day
        named = [{"subject": "P-001", "session": cell, "session-height": 1}]
        assert people.import_table(named, create=True, dry_run=True)[0].action == "failed"
    rows = [{"subject": "P-001", "date": "2024-05-06", "subject" if column == "name" else column: cell}]
    assert people.import_table(rows, create=True, dry_run=True)[0].action == "failed"


@pytest.mark.parametrize("text", ["124 ", "\xa0124", "12\u200b4", "1,24E+12"])
def test_an_ehr_id_that_nobody_would_find_again(people: Project, text: str) -> None:
    for rows in ({"name": "P-003", "ehr_id": text}, {"name": "P-003", "ehr-id": text}):
        assert people.import_table([rows], dry_run=True)[0].action == "failed"
    row = {"name": "P-009", "ehr_id": text}
    assert people.import_table([row], on="ehr_id", create=True, dry_run=True)[0].action == "failed"


def test_a_session_may_be_called_by_a_day_and_not_by_a_time(people: Project) -> None:
    rows = [
        {"subject": "P-001", "session": one} for one in (datetime(2024, 5, 6), datetime(2024, 5, 6, 9, 30))
    ]
    first, second = people.import_table(rows, create=True, dry_run=True)
    assert (first.name, first.action, second.action) == ("P-001/2024-05-06", "create", "failed")


def test_rows_about_one_ehr_id_say_so(people: Project) -> None:
    rows = [{"ehr_id": "9", "name": "A"}, {"ehr_id": "9", "name": "B"}]
    plan = people.import_table(rows, on="ehr_id", create=True, dry_run=True)
    assert [one.reason for one in plan] == ["rows 0, 1 are about the same EHR id '9': leave one of them"] * 2


def test_new_names_that_are_alike_are_said(people: Project) -> None:
    plan = people.import_table([{"name": one} for one in ("Q-1", "q1", "Q-2")], create=True, dry_run=True)
    assert [one.reason for one in plan] == ["new; the names in rows 0, 1 are alike"] * 2 + [""]


def test_a_run_that_ended_before_the_ehr_id_says_how_to_go_on(people: Project) -> None:
    rows = [{"ehr_id": "9", "name": "P-003", "Sex": "Male"}]
    (stopped,) = people.import_table(rows, on="ehr_id", create=True)
    assert "'P-003' is there and has none: where it is the same patient, on='name' sets it" in stopped.reason
    people.import_table(rows).raise_for_errors()
    assert people.import_table(rows, on="ehr_id")[0].status == "unchanged"


def test_half_a_character_fails_its_own_row(people: Project) -> None:
    rows = [{"name": "P-001", "Notes": "a\ud800"}, {"name": "P-002", "Notes": "b"}]
    assert [one.status for one in people.import_table(rows)] == ["failed", "updated"]
    sessions = [{"subject": one["name"], "session": "S", "session-clinician": one["Notes"]} for one in rows]
    assert [one.status for one in people.import_table(sessions, create=True)] == ["failed", "created"]


def test_rows_that_cannot_be_told_apart(ms: Moveshelf, people: Project) -> None:
    ms.execute(
        f'mutation {{ createPatient(projectId: "{people.id}", name: "P-001") {{ patient {{ id }} }} }}'
    )
    twice = people.import_table([{"name": "P-002", "Sex": "Male"}, {"name": "P-002", "Sex": "Female"}])
    assert all("rows 0, 1" in one.reason for one in twice.failed)
    assert len(twice.failed) == 2
    (ambiguous,) = people.import_table([{"name": "P-001", "Sex": "Female"}])
    assert "2 subjects" in ambiguous.reason
    first = people.refresh().subjects[0]
    (told,) = people.import_table([{"name": "P-001", "id": first.id, "Notes": "new"}])
    assert told.object is first
    (renamed,) = people.import_table([{"name": "P-009", "id": first.id, "Notes": "new"}])
    assert "cannot rename" in renamed.reason
    (other,) = people.import_table([{"name": "P-002", "project": "lab/other", "Notes": "new"}])
    assert "is of project 'lab/other'" in other.reason


def test_a_session_with_the_id_of_another_patient_is_not_created(people: Project) -> None:
    made = people.create_sessions([{"subject": "P-001", "name": "Pre"}]).objects[0]
    rows = [{"subject": "P-002", "session": "Pre", "id": made.id, "session-height": 131}]
    (wrong,) = people.import_table(rows, create=True)
    assert "no session of subject 'P-002' has" in wrong.reason
    assert len(people.refresh().sessions) == 1
    assert people.import_table(rows, create=True, ignore="id")[0].status == "created"


# columns ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("table", "options", "said"),
    [
        ([{"name": "P-001", "Sexx": "Male"}], {}, "did you mean 'subject-sex'"),
        ([{"name": "P-001", "Leg lenth (mm), left": 1}], {}, "did you mean 'subject-leg-length'"),
        ([{"name": "P-001", "session-height": 1}], {}, "sessions have it"),
        ([{"name": "P-001", "surgeon": "x"}], {}, "interventions"),
        ([{"subject": "P-001", "date": "2024-05-06", "Height (cm)": 1}], {}, "several fields are called"),
        ([{"nmae": "P-001"}], {}, "needs a column 'name'"),
        ([{"name": "P-001"}], {"on": "ehr_id"}, "needs a column 'ehr_id'"),
        ([{"name": "P-001", "Name": "P-002"}], {}, "are both the name"),
        ([{"subject": "P-001", "vicon-height": 1}], {}, "needs a column 'session'"),
        ([{"name": "P-001", "x": 1}], {"ignore": ["y"]}, "no such column"),
    ],
)
def test_columns_that_are_nothing(
    shared: Sandbox, people: Project, table: Any, options: dict[str, Any], said: str
) -> None:
    assert people.template is not None
    shared.requests.clear()
    with pytest.raises(ValidationError, match=said):
        people.import_table(table, **options)
    assert len(shared.requests) == 0


@pytest.mark.parametrize(
    ("table", "options", "said"),
    [
        ("table.docx", {}, "save it as .xlsx or .csv"),
        (7, {}, "a table is a path"),
        ({"name": ["P-001"]}, {}, "a table is a path"),
        ([7], {}, "row 0 of the table is a dictionary"),
        ([{7: 1}], {}, "names that are text"),
        ([{"name": "x"}], {"on": "id"}, "on is 'name' or 'ehr_id'"),
        ([{"name": "x"}], {"kind": "clips"}, "'subjects' or 'sessions'"),
        ([{"name": "x"}], {"sheet": "Data"}, "workbook's sheet"),
        (pd.DataFrame([[1, 2]], columns=["name", "name"]), {}, "two columns 'name'"),
    ],
)
def test_what_is_no_table_is_refused_before_any_request(
    ms: Moveshelf, empty_project: Project, table: Any, options: dict[str, Any], said: str
) -> None:
    with ms.no_fetch(), pytest.raises(ValidationError, match=said):
        empty_project.import_table(table, **options)


def test_columns_that_are_left_out_are_said(people: Project) -> None:
    plan = people.import_table(
        [{"name": "P-001", "updated": "x", "Remark": "y", "id": ""}], ignore="Remark", dry_run=True
    )
    assert isinstance(plan, BulkPlan)
    assert plan.notes == ["not imported, since the service sets it: updated", "left out: Remark"]
    assert "note: left out: Remark" in repr(plan)


def test_names_of_columns_and_options_in_other_forms(shared: Sandbox, other: Moveshelf) -> None:
    """Decomposed Unicode of a Mac, white space and line breaks of spreadsheets, labels that are words of sessions."""
    fields = {
        "größe": {"label": "Größe (cm)", "type": "number"},
        "fuß": {"label": "Fußlänge", "type": "select", "options": ["größer", "kleiner"]},
        "consent": {"label": "Einwilligung", "type": "checkbox"},
        "seen": {"label": "Date", "type": "date"},
    }
    project = other.project(shared.add_project("lab/forms", template={"template": fields}))
    project.create_subjects(["A"]).raise_for_errors()
    for name in ("Größe (cm)", "größe", " Größe\n(cm)", "Größe\xa0 (cm)"):
        table = [{"name": "A", unicodedata.normalize("NFD", name): 131}]
        assert project.import_table(table, dry_run=True)[0].changed == {"größe": "131"}
    (option,) = project.import_table([{"name": "A", "fuß": unicodedata.normalize("NFD", "größer")}])
    assert option.changed == {"fuß": "größer"}
    for word, flag in (("WAHR", True), ("FALSCH", False), ("VRAI", True), ("FAUX", False)):
        (one,) = project.import_table([{"name": "A", "Einwilligung": word}])
        assert one.changed == {"consent": flag}
    assert project.import_table([{"name": "A", "Date": date(2024, 5, 6)}])[0].changed == {
        "seen": "2024-05-06"
    }
    (kept,) = project.import_table(project.table("subjects", labels=True))
    assert kept.status == "unchanged"


def test_without_a_template_columns_are_keys(shared: Sandbox, other: Moveshelf) -> None:
    project = other.project(shared.add_project("lab/bare"))
    result = project.import_table(
        [{"name": "A", "anything": "00012", "metadata.leg.left": 3, "leg.right": 4.5}], create=True
    )
    result.raise_for_errors()
    assert project.subjects[0].metadata == {"anything": "00012", "leg": {"left": "3", "right": "4.5"}}
    assert "no template" in result.notes[0]


@pytest.fixture
def other(shared: Sandbox) -> Iterator[Moveshelf]:
    with shared.connect() as client:
        yield client


# cells ------------------------------------------------------------------------------------------------------------
def field(kind: str = "text", **options: Any) -> TemplateField:
    return TemplateField.parse("the-field", {"label": "The field", "type": kind, **options})


@pytest.mark.parametrize(
    ("declared", "cell", "value"),
    [
        (field(), "00123", "00123"),
        (field(), 123.0, "123"),
        (field("number"), 131.50, "131.5"),
        (field("number"), " 12 ", "12"),
        (field(), "None", "None"),
        (field("number"), "79.0", "79"),
        (field("number"), "0079", "0079"),
        (field("date"), datetime(2014, 5, 6), "2014-05-06"),
        (field("date"), date(2014, 5, 6), "2014-05-06"),
        (field("date"), "2014-5-6", "2014-05-06"),
        (field("boolean"), True, True),
        (field("boolean"), "FALSE", False),
        (field("select", options=["1", "2"]), 2.0, "2"),
        (field("select", options=["a;b", "c"], multiselect=True), "a;b", ["a;b"]),
        (field("select", options=["a", "c"], multiselect=True), "c; a;c", ["c", "a"]),
    ],
)
def test_what_a_cell_says(declared: TemplateField, cell: Any, value: Any) -> None:
    assert cell_value(declared, cell) == value


@pytest.mark.parametrize(
    ("declared", "cell", "said"),
    [
        (field("number"), "12,5", "decimal point"),
        (field("number"), "12 cm", "holds numbers"),
        (field("number"), True, "holds numbers"),
        (field("number"), math.inf, "finite"),
        (field("date"), "6.5.2014", "year, month, day"),
        (field("date"), 41765, "is a day"),
        (field("boolean"), 1, "true or false"),
        (field("select", options=["Male"]), "Mle", "did you mean 'Male'"),
        (field(), b"x", "decode"),
        (field(), [1, 2], "one value"),
    ],
)
def test_what_a_cell_cannot_say(declared: TemplateField, cell: Any, said: str) -> None:
    with pytest.raises(ValidationError, match=f"column 'x'.*{said}"):
        cell_value(declared, cell, "column 'x'")


def test_a_structure_is_not_changed_by_a_cell(people: Project) -> None:
    record = {"the-field": {"a": 1}}
    said = Said(FieldColumn("x", field()), '{"a": 2}')
    with pytest.raises(ValidationError, match="a structure"):
        Cells((said,)).against(record)
    assert Cells((Said(FieldColumn("x", field()), '{"a": 1}'),)).against(record) == {}
    sided = FieldColumn("x", field("number", hasContext=True))
    with pytest.raises(ValidationError, match=r"the-field\.left"):
        Cells((Said(sided, 3),)).against({})


_FIELDS = st.sampled_from(
    [
        field(),
        field("number"),
        field("date"),
        field("boolean"),
        field("list"),
        field("select", options=["I", "II", "a;b"]),
        field("select", options=["I", "II", "a;b"], multiselect=True),
    ]
)
_STORED = st.one_of(
    st.text(),
    st.sampled_from(["0012", "12.0", "1e3", "2014-05-06", "0007-01-12", "true", "I", " I ", "NaN", "-0"]),
    st.floats().map(str),
    st.booleans(),
    st.lists(st.text()),
    st.dictionaries(st.text(), st.text()),
)


@given(_FIELDS, _STORED)
def test_a_cell_that_shows_what_is_stored_says_nothing(declared: TemplateField, stored: Any) -> None:
    """Whatever is stored: the cells that a table makes of it, the typed one and the stored one, change nothing."""
    record = {declared.key: stored}
    cell = cell_of(plain(stored))
    shown = typed_cell(declared, cell) if cell is not None else None
    said = [Said(FieldColumn("x", declared), shown)] if shown is not None else []
    if cell is not None and str(cell).strip():
        said.append(Said(FieldColumn("x.text", declared, as_stored=True), cell))
        assert Cells(tuple(said)).against(record) == {}


@given(_FIELDS, st.one_of(_STORED, st.integers(), st.floats(), st.dates(), st.datetimes()))
def test_every_cell_has_a_value_or_an_error(declared: TemplateField, cell: Any) -> None:
    try:
        value = cell_value(declared, cell)
    except ValidationError:
        return
    assert isinstance(value, (str, bool, list))
    if declared.type == "list":
        return
    record = merge({}, {declared.key: value})
    given = Cells((Said(FieldColumn("x", declared), cell),)).against(record)
    assert merge(record, given, overwrite=True) == record, "a second run changes nothing"


@given(st.lists(st.text(), max_size=6), st.sampled_from(["subjects", "sessions"]))
def test_any_columns_are_something_or_an_error(names: list[str], kind: Any) -> None:
    from moveshelf.sandbox.template import project_template

    template = Template.parse({"name": "t", "data": project_template()})
    try:
        found = columns_of(
            Lines("t", tuple(dict.fromkeys([*names, "name", "subject"])), ()), template, kind, "name"
        )
    except ValidationError:
        return
    assert len(found.listed) + len(found.fields) + len(found.notes) > 0


def test_frames_and_dictionaries_are_the_same_rows() -> None:
    rows = [{"name": "a", "x": 1.0}, {"name": "b", "x": 2.0}]
    frame = pd.DataFrame(rows)
    assert read_lines(frame).rows == read_lines(rows).rows
    assert read_lines(frame.set_index("name")).columns == ("name", "x")
    assert issubclass(TableWarning, UserWarning)


def test_a_thousand_rows_in_sixty_requests(shared: Sandbox, ms: Moveshelf, empty_project: Project) -> None:
    table = pd.DataFrame(
        {
            "name": [f"P-{n:04}" for n in range(1000)],
            "EHR ID": [f"{n:05}" for n in range(1000)],
            "Leg length (mm), left": [700 + n / 10 for n in range(1000)],
        }
    )
    with ms.budget(60):
        assert len(empty_project.import_table(table, create=True).created) == 1000
    with ms.budget(12):
        assert len(empty_project.import_table(table).unchanged) == 1000
    table["Leg length (mm), left"] += 1
    with ms.budget(60):
        result = empty_project.import_table(table.drop(columns="name"), on="ehr_id")
    assert len(result.updated) == 1000
    assert result[999].changed == {"subject-leg-length": {"left": "800.9"}}
