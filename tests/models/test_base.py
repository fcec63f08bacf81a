"""What all objects share: names, representations, checks before a write, conflicts."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
import threading
from datetime import date
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from graphql import GraphQLObjectType
from support.schema import SCHEMA
from support.stored import stored

import moveshelf
import moveshelf.models as models
from moveshelf import ConflictError, ValidationError
from moveshelf.display import tree
from moveshelf.lazy.fields import Many, One, Reference, Resolved, Scalar
from moveshelf.lazy.registry import ENTITIES
from moveshelf.models import MODELS
from moveshelf.operations import commands
from moveshelf.operations.commands import COMMANDS
from moveshelf.operations.service import Service
from moveshelf.sandbox import Sandbox

if TYPE_CHECKING:
    from moveshelf import Moveshelf, Project, Session, Subject
    from moveshelf.sandbox import Sandbox


def test_every_field_is_documented() -> None:
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
def test_public_names(kind: type, names: str) -> None:
    for name in [*names.split(), "load", "is_loaded", "refresh"]:
        assert hasattr(kind, name), f"{kind.__name__}.{name}"


def test_two_clients_write_in_turn(shared: Sandbox, ms: Moveshelf) -> None:
    """Only a client that has read the last change may write; the other gets a ConflictError, and reads again first."""
    subject = ms.projects["lab/practice"].create_subject("shared")
    with shared.connect() as other:
        twin = other.subject(subject.id)
        writers = [subject, twin]
        lost = 0
        for number in range(6):
            writer = writers[number % 2]
            writer.load("metadata")
            try:
                writer.update_metadata({f"note-{number}": "x"}, validate=False)
            except ConflictError:
                lost += 1
                writer.update_metadata({f"note-{number}": "x"}, validate=False)
        assert lost == 4  # all but the first of each
        assert set(twin.metadata) == {f"note-{number}" for number in range(6)}


def test_a_copy_cannot_write(filled_project: Project) -> None:
    import copy

    subject = copy.copy(filled_project.subjects[0])
    for write in (
        subject.delete,
        lambda: subject.create_session("x"),
        lambda: subject.update_metadata({"a": "b"}),
    ):
        with pytest.raises(moveshelf.DetachedError):
            write()


class BalancedHtml(HTMLParser):
    """HTML in which every tag is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        assert tag not in ("script", "img", "b-tag")
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def html_of(obj: Any) -> str:
    parser = BalancedHtml()
    parser.feed(obj._repr_html_())
    parser.close()
    assert parser.open == []
    return parser.text


def one_of_each_kind(ms: Moveshelf, project: Project) -> list[Any]:
    subject = project.subjects[0]
    session = subject.sessions[0]
    clip = session.clips[0]
    return [
        project,
        subject,
        session,
        clip,
        clip.files[0],
        project.norms[0],
        subject.sessions[2].reports[0],
        project.subjects,
        subject.sessions,
        session.clips,
        clip.files,
        project.norms,
        project.sessions,
        session.conditions,
        ms.projects,
        project.subjects[:2],
        project.find_subjects({"subject-sex": "Other"}),
    ]


def test_representations_send_no_request_and_show_no_secret(reader: Moveshelf, project: Project) -> None:
    objects = one_of_each_kind(reader, project)
    for load in (False, True):
        if load:
            project.load(
                "template", "datasets", "configuration", "description", "subjects.metadata", "norms.clips"
            )
            project.subjects.load("sessions.clips.files", "sessions.metadata", "reports")
        with reader.no_fetch():
            for obj in objects:
                text = repr(obj)
                assert "\n" not in text
                assert len(text) < 400
                assert html_of(obj)
                assert tree(obj)
                for secret in (reader._config.secret.reveal(), "downloadUri", "Signature", "storage"):
                    assert secret not in text
                    assert secret not in obj._repr_html_()
            assert "metadata" in html_of(objects[1])
            assert "stored" not in html_of(objects[1])


def test_repr_of_each_kind(reader: Moveshelf, project: Project) -> None:
    subject = project.subjects["P-001"]
    session = subject.sessions[0]
    clip = session.clips[0]
    len(clip.files)
    with reader.no_fetch():
        assert repr(project) == f"<Project 'lab/demo' id='{project.id}' subjects=12>"
        assert repr(subject) == f"<Subject 'P-001' id='{subject.id}' sessions=3>"
        assert repr(session) == f"<Session '2023-01-20 pre-op' id='{session.id}' clips=6>"
        assert repr(clip) == f"<Clip 'Trial-1' id='{clip.id}' files=4>"
        assert repr(clip.files["event.json"]).startswith("<DataFile 'event.json' id=")
        assert repr(subject.sessions) == (
            "<3 sessions: '2023-01-20 pre-op', '2023-07-22 post-op', '2024-02-23 follow-up'>"
        )
        assert repr(project.subjects).endswith("'P-010', ...>")
        assert "not loaded" in repr(session.reports)
        assert "(not loaded)" in repr(reader.subject("unknown-1"))
        assert "angles.json" in tree(project, 6)
        assert tree(project, 1).count("\n") == 12


def test_names_from_the_service_are_escaped(shared: Sandbox, ms: Moveshelf) -> None:
    project = ms.projects["lab/practice"]
    subject = project.create_subject("<b-tag>&\"'")
    subject.update_metadata({"subject-notes": "<script>alert(1)<\\script>"}, validate=False)
    with ms.no_fetch():
        for obj in (subject, project.subjects):
            assert "<b-tag>&\"'" in html_of(obj).replace("\\'", "'")


@pytest.mark.parametrize("name", ["", " ", "a/b", " a", "a\n", "a\x00b", None, 7, b"a"])
def test_names_are_checked_before_any_request(
    ms: Moveshelf, subject: Subject, session: Session, name: Any
) -> None:
    with ms.no_fetch():
        for write in (
            subject.project.create_subject,
            subject.create_session,
            session.rename,
            session.condition,
        ):
            with pytest.raises(ValidationError):
                write(name)
        if name is not None:
            with pytest.raises(ValidationError):
                session.create_clip("T", condition=name)


def test_writes_that_change_nothing_are_not_sent(
    shared: Sandbox, ms: Moveshelf, subject: Subject, session: Session
) -> None:
    subject.update_metadata({"subject-sex": "Male"})
    session.update_metadata({"session-type": "Gait"})
    shared.requests.clear()
    subject.fill_metadata({"subject-sex": "Female"})
    session.update_metadata({"session-type": "EMG"}, overwrite=False)
    subject.update_metadata({"subject-sex": "Male"})
    with ms.no_fetch():
        subject.update_metadata({})
        subject.fill_metadata({"subject-sex": None})
        session.update_metadata({})
    assert not shared.requests.of("updatePatient")
    assert not shared.requests.of("updateSession")


def test_metadata_that_the_validator_refuses_is_not_written(
    ms: Moveshelf, subject: Subject, session: Session
) -> None:
    with pytest.raises(ValidationError) as caught:
        subject.update_metadata(
            {"colour": "red", "subject-sex": "Unknown"}, interventions=[{"date": "never"}]
        )
    assert len(caught.value.errors) == 2  # the template's; the validator was not asked
    for error in caught.value.errors:
        assert error in str(caught.value)
    assert stored(ms, subject)["metadata"] is None
    with pytest.raises(ValidationError) as caught:
        session.update_metadata({"session-height": "tall", "session-type": "Gait"})
    assert len(caught.value.errors) == 1
    assert stored(ms, session)["metadata"] is None
    subject.update_metadata({"colour": "red"}, validate=False)
    assert subject.metadata == {"colour": "red"}
    session.update_metadata({"session-height": "tall"}, validate=False)
    assert session.metadata == {"session-height": "tall"}


@pytest.mark.parametrize(
    "values", [None, "text", ["a"], {"": "x"}, {3: "x"}, {"a": object()}, {"a": float("nan")}]
)
def test_values_are_checked_before_any_request(
    ms: Moveshelf, subject: Subject, session: Session, values: Any
) -> None:
    with ms.no_fetch():
        for write in (subject.update_metadata, session.update_metadata):
            with pytest.raises(ValidationError):
                write(values)


def test_a_change_by_another_client_is_a_conflict(
    ms: Moveshelf, other: Moveshelf, subject: Subject, session: Session
) -> None:
    assert subject.metadata == {}
    other.subject(subject.id).update_metadata({"subject-sex": "Female"})
    with pytest.raises(ConflictError, match="somebody else"):
        subject.update_metadata({"subject-sex": "Male", "subject-notes": "mine"}, overwrite=True)
    assert subject.metadata == {"subject-sex": "Female"}
    subject.update_metadata({"subject-notes": "mine"})
    assert stored(ms, subject)["metadata"] == '{"subject-sex": "Female", "subject-notes": "mine"}'

    assert session.metadata == {}
    other.session(session.id).update_metadata({"session-type": "Gait"})
    for write in (
        lambda: session.update_metadata({"session-height": "120"}),
        lambda: session.rename("other"),
        lambda: session.set_date("2026-01-01"),
    ):
        with pytest.raises(ConflictError):
            write()
        # what it shows now is the present state, so that a client that has read it may write
        assert session.metadata["session-type"] == "Gait"
        assert (session.name, session.date) == ("2026-03-01", date(2026, 3, 1))
        third = other.session(session.id).refresh()
        third.update_metadata({"session-clinician": f"{len(third.metadata)}."}, overwrite=True)
        third.update_metadata({"session-clinician": f"again, {third.updated}"}, overwrite=True)


def test_a_listed_subject_compares_the_time_of_its_last_change(
    other: Moveshelf, ms: Moveshelf, empty_project: Project
) -> None:
    identity = empty_project.create_subject("A").id
    with moveshelf.connect(api_key=ms._config.secret.reveal(), api_url=ms.url) as third:
        mine = third.project(empty_project.id).subjects["A"]
        other.subject(identity).update_metadata({"subject-sex": "Female"})
        with pytest.raises(ConflictError):
            mine.update_metadata({"subject-notes": "x"})
        mine.update_metadata({"subject-notes": "x"})
        assert mine.metadata == {"subject-sex": "Female", "subject-notes": "x"}


def test_the_service_compares_too(
    shared: Sandbox, other: Moveshelf, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other change falls between our read and our write: only `previousUpdatedAt` shows it."""
    state = Service.state

    def and_another_client_writes(*args: Any, **options: Any) -> Any:
        found = state(*args, **options)
        monkeypatch.setattr(Service, "state", state)
        other.session(session.id).update_metadata({"session-type": "EMG"})
        return found

    monkeypatch.setattr(Service, "state", and_another_client_writes)
    with pytest.raises(ConflictError):
        session.update_metadata({"session-type": "Gait"})
    assert session.metadata == {"session-type": "EMG"}
    sent = shared.requests.of("updateSession")[-1].variables
    assert sent["previousUpdatedAt"]


def test_writing_to_deleted_objects(
    ms: Moveshelf, other: Moveshelf, subject: Subject, session: Session
) -> None:
    clip = session.create_clip()
    other.subject(subject.id).delete()
    with pytest.raises(moveshelf.NotFoundError):
        subject.update_metadata({"subject-sex": "Male"})
    with pytest.raises(moveshelf.NotFoundError):
        session.update_metadata({"session-type": "Gait"})
    with pytest.raises(moveshelf.NotFoundError):
        clip.update(title="x")
    with pytest.raises(moveshelf.NotFoundError):
        subject.delete()
    assert subject.is_deleted


def test_concurrent_writes_lose_nothing(ms: Moveshelf, subject: Subject, session: Session) -> None:
    fields = ["subject-notes", "subject-sex", "subject-gmfcs", "subject-diagnosis"]
    values = ["x", "Male", "II", "Stroke"]
    errors: list[BaseException] = []

    def write(key: str, value: str) -> None:
        try:
            subject.update_metadata({key: value})
            session.create_clip(condition="Barefoot")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=pair) for pair in zip(fields, values, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert subject.metadata == dict(zip(fields, values, strict=True))
    assert sorted(session.clips.names()) == [f"Trial-{n}" for n in range(1, 5)]


def test_fields_are_those_of_the_schema() -> None:
    """What is one there is one here, and lists lead to the class of their members."""
    for kind in ENTITIES.values():
        described = SCHEMA.get_type(kind.wire)
        assert isinstance(described, GraphQLObjectType)
        for field in kind.fields.values():
            if isinstance(field, Resolved):
                continue
            there = described.fields[field.wire]
            text = str(there.type)
            if isinstance(field, Many):
                wanted = f"{field.target.wire}Connection" if field.edges else f"[{field.target.wire}]"
                assert text == wanted
            elif isinstance(field, One):
                assert text == field.target.wire
            else:
                assert isinstance(field, Scalar)
                is_object = isinstance(getattr(there.type, "of_type", there.type), GraphQLObjectType)
                assert bool(field.nested) == is_object
                if text in ("Boolean", "String"):
                    assert (bool if text == "Boolean" else str) in field.types
            if isinstance(field, Many) and field.back is not None:
                assert isinstance(field.target.fields[field.back], Reference)


def test_public_models_are_documented() -> None:
    for name in models.__all__:
        assert getattr(models, name).__doc__
    assert {command.__class__ for command in COMMANDS.values()} == {commands.Command}


def test_objects_of_one_id_are_equal_wherever_they_came_from(demo: Sandbox, sandbox: Sandbox) -> None:
    with demo.connect() as ms, demo.connect() as other, sandbox.connect() as elsewhere:
        one = ms.projects["lab/demo"].subjects[0]
        two = other.projects["lab/demo"].subjects[0]
        back = pickle.loads(pickle.dumps(one))
        assert one == two == back == copy.copy(back)
        assert len({one, two, back}) == 1
        assert back in ms.projects["lab/demo"].subjects
        assert one != ms.projects["lab/demo"].subjects[1]
        assert one != elsewhere.subject(one.id), "another service has ids of its own"
        assert ms.session(one.id[:-1] + "x") != ms.subject(one.id[:-1] + "y")
        clip = one.sessions[0].clips[0]
        assert clip.condition == two.sessions[0].clips[0].condition
        assert pickle.loads(pickle.dumps({clip, one})) == {clip, one}


@pytest.mark.parametrize("kind", sorted(MODELS))
def test_an_assignment_names_a_method_that_the_class_has(kind: str) -> None:
    """Over all classes and attributes, properties and fields alike."""
    cls = MODELS[kind]
    one = cls("identity", None)
    for name in (*cls.fields, *(name for name in dir(cls) if isinstance(getattr(cls, name), property))):
        if name == "is_deleted":
            continue
        with pytest.raises(AttributeError) as caught:
            setattr(one, name, "x")
        text = str(caught.value)
        assert text.startswith(f"{kind}.{name} shows what the service holds and cannot be assigned; ")
        if name in cls.writers:
            assert f"use {cls.writers[name]}" in text
    attributes = {*cls.fields, *cls.derived, *(n for n in dir(cls) if isinstance(getattr(cls, n), property))}
    assert set(cls.writers) <= attributes, "each attribute that is named exists"
    for way in cls.writers.values():
        owner: Any = cls
        *path, method = way.partition("(")[0].split(".")
        for noun in path:
            owner = MODELS[noun.capitalize()]
        signature = inspect.signature(getattr(owner, method))
        for argument in re.findall(r"(\w+)(?==|[,)])", way.partition("(")[2]):
            if argument not in signature.parameters and "metadata" not in signature.parameters:
                raise AssertionError(f"{way}: {method} takes no {argument}")


def test_the_name_of_a_session_and_a_condition_cannot_be_assigned(session: Session) -> None:
    with pytest.raises(AttributeError, match=r"use rename\(name\)"):
        session.name = "x"  # type: ignore[misc]
    with pytest.raises(AttributeError, match=r"use set_date\(date\)"):
        session.date = "x"  # type: ignore[misc]
    with pytest.raises(AttributeError, match=r"use update\(condition=...\)"):
        session.condition("Barefoot").name = "x"  # type: ignore[misc]
