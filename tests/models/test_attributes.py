"""Every name that an object has, read from the demo: its type, its value, and where the request for it is."""

from __future__ import annotations

import typing
from datetime import date, datetime, timezone

import pytest

import moveshelf
from moveshelf import DataType, UploadStatus
from moveshelf.models import Configuration, Dataset, Template

if typing.TYPE_CHECKING:
    from moveshelf import Moveshelf, Project


def test_a_project(project: Project) -> None:
    assert project.name == "lab/demo"
    assert "Schwartz" in (project.description or "")
    assert project.can_edit is True
    assert project.unlisted_access is False
    assert [subject.name for subject in project.subjects] == [f"P-{n:03d}" for n in range(1, 13)]
    assert len(project.sessions) == 30
    days = [session.date for session in project.sessions]
    assert days == sorted(days)
    assert {clip.id for s in project.sessions for clip in s.clips} <= {clip.id for clip in project.clips}
    assert project.norms.names() == [
        "Typically developing, slow",
        "Typically developing, free",
        "Typically developing, fast",
        "Own laboratory",
    ]
    assert project.url.endswith(f"/project/{project.id}")


def test_what_a_project_has_of_small_values(project: Project) -> None:
    (dataset,) = project.datasets
    assert isinstance(dataset, Dataset)
    assert dataset.name == "Normal gait at five speeds (Schwartz 2008)"
    assert dataset.download_uri
    assert dataset.download_uri not in repr(dataset)
    template = project.template
    assert isinstance(template, Template)
    sex = template.subject_fields["subject-sex"]
    assert (sex.label, sex.type, sex.has_context) == ("Sex", "select", False)
    assert "Female" in sex.options
    assert template.subject_fields["subject-leg-length"].has_context
    assert "heading-general" not in template.subject_fields
    assert "heading-session" not in template.session_fields
    assert template.session_fields["session-height"].type == "number"
    assert "procedures" not in template.session_fields
    configuration = project.configuration
    assert isinstance(configuration, Configuration)
    assert configuration.data == {"featureFlags": {"canProcessGCDFiles": False}}


def test_a_project_without_template_or_configuration(ms: Moveshelf) -> None:
    empty = ms.projects["lab/practice"]
    assert empty.template is None or empty.template.subject_fields is not None
    assert empty.datasets == ()
    assert len(empty.subjects) == len(empty.sessions) == len(empty.norms) == 0
    assert not empty.subjects
    assert bool(empty)


def test_a_subject(project: Project) -> None:
    subject = project.subjects["P-001"]
    assert subject.ehr_id == "4237"
    assert subject.updated == datetime(2024, 6, 1, 8, 30, tzinfo=timezone.utc)
    assert subject.project is project
    assert [session.subject for session in subject.sessions] == [subject] * 3
    assert subject.url == f"{project.url}/subject/{subject.id}"
    assert len(subject.reports) == 1


def test_metadata_of_a_subject(project: Project) -> None:
    subject = project.subjects["P-001"]
    assert subject.metadata == {
        "ehr-id": "4237",
        "subject-sex": "Female",
        "subject-date-of-birth": "2009-02-04",
        "subject-diagnosis": "Clubfoot",
        "subject-diagnosis-laterality": "Both",
        "subject-leg-length": {"left": "651", "right": "650"},
        "subject-gmfcs": "II",
        "subject-aids": ["Ankle-foot orthosis", "Insole"],
    }
    subject.metadata["ehr-id"] = "changed"
    assert subject.metadata["ehr-id"] == "4237"
    assert [[p["procedure"] for p in one["procedures"]] for one in subject.interventions] == [
        ["Lengthening", "Recession"],
        ["Injection"],
    ]
    subject.interventions[0]["procedures"][0]["side"] = "changed"
    assert subject.interventions[0]["procedures"][0]["side"] == "Both"
    assert subject.record is not None
    assert subject.record["subject-diagnosis"] == {"value": "Clubfoot"}
    assert project.subjects["P-007"].metadata["subject-date-of-birth"] == "0007-01-12"
    assert project.subjects["P-002"].interventions == []


def test_a_session(project: Project) -> None:
    subject = project.subjects["P-001"]
    session = subject.sessions[0]
    assert session.name == "2023-01-20 pre-op"
    assert session.path == "/P-001/2023-01-20 pre-op/"
    assert session.date == date(2023, 1, 20)
    assert type(session.date) is date
    assert session.updated == datetime(2023, 1, 21, 16, 0, tzinfo=timezone.utc)
    assert session.project is project
    assert session.subject is subject
    assert session.conditions.names() == ["Barefoot", "Braced"]
    assert len(session.clips) == 6
    assert len(session.reports) == 0
    assert subject.sessions[2].reports[0].title == subject.sessions[2].reports[0].name
    assert session.url == f"{project.url}/session/{session.id}"


def test_metadata_of_a_session(project: Project) -> None:
    session = project.subjects["P-001"].sessions[0]
    assert session.metadata["session-questions"] == ["Baseline", "Pre-operative"]
    assert session.metadata["session-popliteal-angle"] == {"left": "41", "right": "39"}
    assert "gaitScriptEvaluation" not in session.metadata
    assert session.record is not None
    assert session.record["gaitScriptEvaluation"][0]["id"] == "evaluation-1"
    empty = project.subjects["P-012"].sessions[1]
    assert empty.record is None
    assert empty.metadata == {}


def test_a_clip(project: Project) -> None:
    session = project.subjects["P-001"].sessions[0]
    clip = session.clips[0]
    assert (clip.title, clip.name) == ("Trial-1", "Trial-1")
    assert clip.description == "Barefoot, P-001"
    assert isinstance(clip.created, datetime)
    assert clip.created.tzinfo is timezone.utc
    assert clip.path == "/P-001/2023-01-20 pre-op/Barefoot/"
    assert clip.upload_status is UploadStatus.COMPLETE
    assert clip.has_charts is True
    assert clip.has_video is False
    assert clip.custom_options == {"trialType": "Barefoot"}
    assert session.clips[1].custom_options is None
    assert clip.project is project
    assert clip.session is session
    assert clip.condition == session.conditions["Barefoot"]
    assert clip.original is None
    assert clip.url.endswith(f"/edit/{clip.id}")


def test_a_file(project: Project) -> None:
    clip = project.subjects["P-001"].sessions[0].clips[0]
    file = clip.files["event.json"]
    assert file.name == "event.json"
    assert file.data_type is DataType.EVENT
    assert clip.files["angles.json"].data_type is DataType.DATA
    assert file.upload_status is UploadStatus.COMPLETE
    assert file.clip is clip


def test_a_norm(project: Project) -> None:
    norm = project.norms["Own laboratory"]
    assert norm.status == "Complete"
    assert norm.upload_status is UploadStatus.COMPLETE
    assert norm.path == "/P-003/2023-02-11/Barefoot/"
    session = project.subjects["P-003"].sessions["2023-02-11"]
    assert list(norm.clips) == list(session.conditions["Barefoot"].clips)
    assert list(session.norms) == [norm]
    assert list(project.subjects["P-001"].sessions[0].norms) == []


def test_a_job_that_there_is_not(reader: Moveshelf) -> None:
    with pytest.raises(moveshelf.NotFoundError):
        reader.job("Sm9iAAAAAAAA").status


def test_what_is_fetched_together(reader: Moveshelf, project: Project) -> None:
    subject = project.subjects["P-002"]
    with reader.budget(1):
        subject.record
        subject.metadata
        subject.interventions
    with reader.budget(1):
        session = subject.sessions[0]
        session.date, session.path, session.name
        session.subject, session.project
    with reader.budget(1):
        clip = session.clips[0]
        clip.title, clip.created, clip.path, clip.upload_status, clip.session, clip.condition, clip.project
    with reader.budget(1):
        clip.description, clip.custom_options
    with reader.budget(1):
        file = clip.files[0]
        file.name, file.data_type, file.upload_status, file.clip


def test_an_object_by_its_id_knows_the_way_up(reader: Moveshelf, project: Project) -> None:
    session = project.subjects["P-003"].sessions[0]
    clip, file = session.clips[-1].id, session.clips[-1].files[0].id
    ids = (session.subject.id, project.id)
    path = session.path
    del session
    with moveshelf.connect(api_key=reader._config.secret.reveal(), api_url=reader.url) as other:
        again = other.clip(clip)
        assert again.session is not None
        assert again.session.path == path
        assert again.condition is not None
        assert again.condition.name == "Braced"
        assert (again.session.subject.id, again.session.project.id) == ids
        lone = other.find(file)
        assert lone.name
        with pytest.raises(moveshelf.NotFoundError, match="does not tell which clip"):
            lone.clip


def test_types_say_what_comes_back() -> None:
    """The classes are typed: a checker, and a reader of help(), see what an attribute holds."""
    for kind in (
        moveshelf.Project,
        moveshelf.Subject,
        moveshelf.Session,
        moveshelf.Clip,
        moveshelf.DataFile,
        moveshelf.Norm,
        moveshelf.Report,
        moveshelf.Job,
    ):
        assert kind.__doc__
        for name, field in kind.fields.items():
            assert field.__doc__, f"{kind.__name__}.{name} has no documentation"
            assert getattr(kind, name) is field


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (moveshelf.Project, "name description can_edit unlisted_access subjects sessions clips datasets norms "
         "template configuration url find_subjects find_sessions subject_by_ehr_id"),
        (moveshelf.Subject, "name ehr_id metadata interventions updated project sessions reports url"),
        (moveshelf.Session, "name path date metadata record updated project subject conditions clips reports norms url"),
        (moveshelf.Condition, "name path session clips id load is_loaded refresh"),
        (moveshelf.Clip, "title name description created path upload_status has_charts has_video custom_options "
         "project session condition files original url"),
        (moveshelf.DataFile, "name data_type upload_status clip"),
        (moveshelf.Norm, "name status upload_status path clips"),
        (moveshelf.Report, "title name"),
        (moveshelf.Job, "status result description name"),
    ],
)  # fmt: skip
def test_the_public_names(kind: type, names: str) -> None:
    for name in [*names.split(), "load", "is_loaded", "refresh"]:
        assert hasattr(kind, name), f"{kind.__name__}.{name}"


def test_nothing_can_be_assigned(project: Project) -> None:
    with pytest.raises(AttributeError, match="cannot be assigned"):
        project.subjects[0].name = "other"
