"""Everything the objects say to the service is valid by its schema, and says what the schema has."""

from __future__ import annotations

from importlib import resources

import pytest
from graphql import GraphQLObjectType, build_schema, parse, validate

import moveshelf.models as models
from moveshelf.lazy.entity import BY_WIRE, ENTITIES
from moveshelf.lazy.fields import Found, Many, One, Reference, Scalar
from moveshelf.lazy.selection import document, group, root_document
from moveshelf.models import mutations
from moveshelf.sandbox import Sandbox

SCHEMA = build_schema((resources.files("moveshelf.wire") / "schema.graphql").read_text(encoding="utf-8"))
GROUPS = [(kind, name) for kind in BY_WIRE.values() for name in kind.groups if kind.groups[name]]


def valid(text: str) -> None:
    errors = validate(SCHEMA, parse(text))
    assert not errors, f"{text}\n{errors}"


@pytest.mark.parametrize(("kind", "name"), GROUPS, ids=[f"{kind.__name__}-{name}" for kind, name in GROUPS])
def test_every_group_of_every_class(kind: type, name: str) -> None:
    selection = group(kind, name)
    if kind.is_root:
        valid(root_document(selection.name, selection.text))
        return
    for count in (1, 3):
        valid(document(kind.wire, selection.name, selection.text, count))


@pytest.mark.parametrize("name", sorted(mutations.ALL))
def test_every_write(name: str) -> None:
    valid(mutations.ALL[name])


@pytest.mark.parametrize("wire", ["Patient", "Session"])
@pytest.mark.parametrize("tabs", [0, 1, 2])
def test_every_check_before_a_write(wire: str, tabs: int) -> None:
    owner = {"Patient": "subjectId", "Session": "sessionId"}[wire]
    valid(mutations.judgement(wire, owner, tabs, True))
    if tabs:
        valid(mutations.judgement(wire, owner, tabs, False))


def test_what_is_made_of_words_when_it_is_asked(demo: Sandbox) -> None:
    """Filters, listings and look-ups are put together when they are sent: what arrives is looked at."""
    demo.requests.clear()
    with demo.connect() as ms:
        project = ms.projects["lab/demo"]
        project.find_subjects({"subject-sex": "Male"}, {"min": 1})
        project.find_sessions(
            "2023-01-01", where={"session-type": "Gait"}, subject_where={"subject-sex": "Male"}
        )
        project.subject_by_ehr_id("4237")
        len(project.clips)
        ms.find(project.norms[0].id)
        project.subjects.load("sessions.clips.files", "metadata", "sessions.reports")
        project.load("sessions", "template", "norms.clips")
    assert len(demo.requests) > 8
    for request in demo.requests.graphql:
        assert request.status == 200
        assert request.operation, "every request has a name"
        valid(request.query or "")


def test_fields_are_what_the_schema_has() -> None:
    """What is one there is one here, and lists lead to the class of their members."""
    for kind in ENTITIES.values():
        described = SCHEMA.get_type(kind.wire)
        assert isinstance(described, GraphQLObjectType)
        for field in kind.fields.values():
            if isinstance(field, Found):
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
                assert bool(field.nested) == isinstance(
                    getattr(there.type, "of_type", there.type), GraphQLObjectType
                )
            if isinstance(field, Many) and field.back is not None:
                assert isinstance(field.target.fields[field.back], Reference)


def test_all_models_are_known() -> None:
    for name in models.__all__:
        assert getattr(models, name).__doc__
