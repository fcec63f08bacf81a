"""Tables and plain dictionaries of objects: parents, types, requests, and what is loaded."""

from __future__ import annotations

import json
import pickle
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openpyxl
import pandas as pd
import pytest

import moveshelf
from moveshelf import ValidationError
from moveshelf.tables import LISTED, TableWarning

if TYPE_CHECKING:
    from moveshelf import Moveshelf, Project
    from moveshelf.sandbox import Sandbox

pytestmark = pytest.mark.filterwarnings("ignore::moveshelf.tables.TableWarning")


def test_a_table_of_a_thousand_sessions_costs_few_requests(shared: Sandbox) -> None:
    name = shared.generate(subjects=100, sessions=10, clips=0, files=0, name="lab/thousand")
    with shared.connect() as ms, ms.budget(14):
        found = ms.projects[name].table("sessions")
    assert len(found) == 1000
    assert found["session-height"].dtype == "float64"
    assert found["session-height"].notna().any()


def test_what_is_not_shown_is_not_loaded(demo: Sandbox) -> None:
    with demo.connect() as ms:
        project = ms.projects["lab/demo"]
        with ms.budget(1):
            found = project.table("sessions", columns=["subject", "name", "date"])
        assert list(found.columns) == ["subject", "name", "date"]
        with ms.budget(1):
            project.subjects.table(columns="name")
        with ms.budget(2):  # metadata of twelve subjects, and the template
            project.subjects.table(columns=["name", "subject-sex"])
        with ms.no_fetch():
            project.subjects.table(columns=["name", "Sex"])


def test_sessions(project: Project) -> None:
    found = project.table("sessions")
    assert list(found.columns[:6]) == list(LISTED["sessions"])
    sessions = list(project.sessions)
    assert list(found["id"]) == [one.id for one in sessions]
    assert list(found["subject"]) == [one.subject.name for one in sessions]
    assert list(found["name"]) == [one.name for one in sessions]
    assert found["date"].dtype == found["updated"].dtype == "datetime64[ns]"
    assert list(found["date"].dt.date) == [one.date for one in sessions]
    legs = [one.metadata.get("vicon-leg-length", {}).get("left") for one in sessions]
    assert [None if pd.isna(x) else x for x in found["vicon-leg-length.left"]] == [
        None if x is None else float(x) for x in legs
    ]
    assert isinstance(found["session-type"].dtype, pd.CategoricalDtype)
    assert project.template is not None
    options = project.template.session_fields["session-type"].options
    assert tuple(found["session-type"].cat.categories) == options
    labelled = project.table("sessions", labels=True)
    assert labelled.shape == found.shape
    assert project.template.session_fields["session-clinician"].label in labelled.columns
    one = project.subjects[0].sessions.table()
    assert list(one["id"]) == project.subjects[0].sessions.ids()


def test_identifiers_are_text(empty_project: Project) -> None:
    empty_project.create_subject("A", {"ehr-id": "00123"})
    empty_project.create_subject("B", {"ehr-id": "7"})
    found = empty_project.table("subjects")
    assert list(found["ehr_id"]) == list(found["ehr-id"]) == ["00123", "7"]
    assert list(found["name"]) == ["A", "B"]


def test_trials_and_files(project: Project) -> None:
    subject = project.subjects[0]
    clips = [one for session in subject.sessions for one in session.clips]
    found = subject.table("trials")
    assert list(found["id"]) == [one.id for one in clips]
    assert list(found["session"]) == [one.session.name for one in clips]
    assert list(found["condition"]) == [one.condition.name if one.condition else None for one in clips]
    assert set(found["subject"]) == {"P-001"}
    files = project.table("files")
    assert len(files) == sum(len(one.files) for one in project.clips)
    row = files[files["id"] == clips[0].files[0].id].iloc[0]
    assert (row["session"], row["condition"], row["trial"]) == (
        subject.sessions[0].name,
        "Barefoot",
        clips[0].title,
    )
    assert len(project.table("clips")) == len(project.clips)


@pytest.mark.parametrize(
    ("owner", "kind", "own"),
    [
        (lambda p: p, None, "subjects"),
        (lambda p: p, "norms", "norms"),
        (lambda p: p, "conditions", "conditions"),
        (lambda p: p.subjects, None, "subjects"),
        (lambda p: p.subjects[:2], "sessions", "sessions"),
        (lambda p: p.subjects[0], None, "sessions"),
        (lambda p: p.subjects[0], "subjects", "subjects"),
        (lambda p: p.subjects[0], "reports", "reports"),
        (lambda p: p.subjects[0].sessions[0], None, "clips"),
        (lambda p: p.subjects[0].sessions[0].conditions, None, "conditions"),
        (lambda p: p.subjects[0].sessions[0].conditions, "files", "files"),
        (lambda p: p.subjects[0].sessions[0].conditions["Barefoot"], None, "clips"),
        (lambda p: p.subjects[0].sessions[0].clips[0], None, "files"),
        (lambda p: p.subjects[0].sessions[0].clips[0].files, None, "files"),
        (lambda p: p.norms, None, "norms"),
        (lambda p: p.find_sessions(limit=3), None, "sessions"),
        (lambda p: p.subjects[:0], None, "subjects"),
    ],
)
def test_every_table_goes_to_excel(project: Project, tmp_path: Path, owner: Any, kind: Any, own: str) -> None:
    found = owner(project).table(kind)
    assert found.attrs["moveshelf"]["kind"] == own
    assert not any(isinstance(one, pd.DatetimeTZDtype) for one in found.dtypes)
    found.to_excel(tmp_path / "plain.xlsx")
    path = moveshelf.tables.to_excel(found, tmp_path / "laid out.xlsx")
    sheet = openpyxl.load_workbook(path).worksheets[0]
    assert sheet.max_row == len(found) + 1
    assert [cell.value for cell in sheet[1]] == list(found.columns)
    assert pickle.loads(pickle.dumps(found)).equals(found)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda p: p.table("session"), "table of subjects, sessions, "),
        (lambda p: p.subjects.table("norms"), "subjects can be shown as a table of"),
        (lambda p: p.subjects[0].sessions[0].table("subjects"), "a session can be shown as a table of clips"),
        (lambda p: p.table(5), "and not of 5"),
        (lambda p: p.table("subjects", columns=["sexx"]), "no column 'sexx'"),
        (lambda p: p.table("subjects", columns=["subject-sexx"]), "did you mean 'subject-sex'"),
        (lambda p: p.subjects.to_frame(columns=["nam"]), "did you mean 'name'"),
    ],
)
def test_what_is_no_table(project: Project, make: Any, text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        make(project)


def test_rows_of_several_projects_name_theirs(reader: Moveshelf) -> None:
    found = reader.projects.table("sessions")
    assert set(found["project"]) >= {"lab/demo", "lab/study"}
    assert list(found.columns[:2]) == ["project", "subject"]


def test_a_frame_shows_parents_without_a_request(demo: Sandbox) -> None:
    with demo.connect() as ms:
        session = ms.projects["lab/demo"].subjects["P-001"].sessions[0]
        clips, files = session.clips.load(), session.clips[0].files.load()
        sessions = session.subject.sessions.load()
        with ms.no_fetch():
            assert set(sessions.to_frame()["subject"]) == {"P-001"}
            frame = clips.to_frame()
            assert list(frame.columns[:5]) == ["id", "name", "subject", "session", "condition"]
            assert list(frame["condition"]) == ["Barefoot"] * 3 + ["Braced"] * 3
            of_files = files.to_frame()
            assert set(of_files["trial"]) == {clips[0].title}
            assert set(of_files["session"]) == {session.name}
            assert list(clips.to_frame(columns=["name", "condition"]).columns) == ["name", "condition"]


def test_a_frame_has_the_types_of_a_loaded_template(demo: Sandbox) -> None:
    with demo.connect() as ms:
        project = ms.projects["lab/demo"]
        subjects = project.subjects.load("metadata")
        plain = subjects.to_frame()
        assert plain["metadata.subject-leg-length.left"].dtype != "float64"
        project.load("template")
        with ms.no_fetch():
            typed = subjects.to_frame()
        assert typed["metadata.subject-leg-length.left"].dtype == "float64"
        assert isinstance(typed["metadata.subject-sex"].dtype, pd.CategoricalDtype)


def test_warnings_point_at_the_line_that_made_the_table(project: Project) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        project.table("subjects")
        project.subjects.to_frame()
    assert {one.filename for one in caught if one.category is TableWarning} == {__file__}


def test_a_record_without_end_is_one_bad_cell(sandbox: Sandbox) -> None:
    """JSON that a parser still takes, and no walk through it survives."""
    name = sandbox.generate(subjects=3, sessions=1, clips=0)
    deep = '{"ehr-id": "7", "notes": ' + '{"a":' * 400 + "1" + "}" * 401
    with sandbox.connect() as ms:
        subjects = ms.projects[name].subjects
        subjects.load("metadata")
        ms.execute(
            "mutation Raw($s: ID!, $m: JSONString) { updatePatient(patientId: $s, metadata: $m) { updated } }",
            {"s": subjects[1].id, "m": deep},
        )
        subjects.refresh().load("metadata", "sessions")
        for make in (subjects.to_frame, subjects.table):
            with pytest.warns(TableWarning, match=f"no JSON object: .* of {subjects[1].name}"):
                found = make()
            assert list(found["metadata.text"].notna()) == [False, True, False]
        bad = subjects[1]
        with pytest.raises(ValidationError, match="nested deeper than 64 levels"):
            bad.metadata
        with pytest.raises(ValidationError, match="nested deeper than 64 levels"):
            bad.update_metadata({"subject-sex": "Male"}, validate=False)
        for obj in (bad, pickle.loads(pickle.dumps(bad))):
            assert obj.record == obj.to_dict()["metadata"] == deep
            assert bad.name in obj._repr_html_()


def test_dictionaries_are_ready_for_json(demo: Sandbox) -> None:
    with demo.connect() as ms:
        project = ms.projects["lab/demo"]
        subject = project.subjects["P-001"].load("metadata", "sessions.clips.files")
        with ms.no_fetch():
            found = subject.to_dict()
            assert json.loads(json.dumps(found)) == found
            assert found["id"] == subject.id
            assert found["name"] == "P-001"
            assert found["updated"] == "2024-06-01T08:30:00+00:00"
            assert found["metadata"] == subject.metadata
            assert found["interventions"] == subject.interventions
            assert found["project"] == project.id
            assert "reports" not in found
            first = found["sessions"][0]
            assert (first["name"], first["date"]) == ("2023-01-20 pre-op", "2023-01-20")
            clip = first["clips"][0]
            assert clip["upload_status"] == "Complete"
            assert [one["name"] for one in clip["files"]] == subject.sessions[0].clips[0].files.names()
            barefoot = subject.sessions[0].conditions["Barefoot"].to_dict()
            assert barefoot["name"] == "Barefoot"
            assert len(barefoot["clips"]) == 3
            for some in (subject.sessions, subject.sessions[0].clips, subject.sessions[0].conditions):
                assert len(json.loads(json.dumps(some.to_dict()))) == len(some)
            assert json.loads(json.dumps(pickle.loads(pickle.dumps(subject)).to_dict())) == found
        project.load("template", "configuration", "datasets", "norms", "description")
        whole = json.dumps(project.to_dict())
        assert "X-Goog" not in whole, "no signed URL"
        assert "Signature" not in whole
        assert json.dumps(ms.projects.to_dict())
        assert ms.subject("unknown-1").to_dict() == {"id": "unknown-1"}


def test_a_table_of_nobody_has_the_columns_of_the_others(project: Project) -> None:
    whole = project.subjects.table()
    found = project.find_subjects({"subject-sex": "Other"})
    for none in (project.subjects[:0], project.subjects[:3][:0], project.subjects[[]], found):
        empty = none.table()
        assert len(empty) == 0
        assert list(empty.columns) == [name for name in whole.columns if not name.endswith(".text")]
    assert "session-height" in project.subjects[:0].table("sessions").columns
