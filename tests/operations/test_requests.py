"""Everything the library sends is valid by the schema, is said in one place, and is what the schema has."""

from __future__ import annotations

import ast
import inspect
from importlib import resources
from pathlib import Path

import pytest
from graphql import GraphQLObjectType, build_schema, parse, validate

import moveshelf
import moveshelf.models as models
from moveshelf.api import shapes
from moveshelf.lazy.fields import Many, One, Reference, Resolved, Scalar
from moveshelf.lazy.registry import BY_WIRE, ENTITIES
from moveshelf.lazy.selection import group
from moveshelf.operations import commands, queries
from moveshelf.operations.commands import COMMANDS
from moveshelf.operations.shapes import Shape
from moveshelf.sandbox import Sandbox

PACKAGE = Path(inspect.getfile(moveshelf)).parent
SCHEMA = build_schema((resources.files("moveshelf.wire") / "schema.graphql").read_text(encoding="utf-8"))
GROUPS = [(kind, name) for kind in BY_WIRE.values() for name in kind.groups if kind.groups[name]]
CLIENT = [path for path in sorted(PACKAGE.rglob("*.py")) if "sandbox" not in path.relative_to(PACKAGE).parts]


def valid(text: str) -> None:
    errors = validate(SCHEMA, parse(text))
    assert not errors, f"{text}\n{errors}"


@pytest.mark.parametrize(("kind", "name"), GROUPS, ids=[f"{kind.__name__}-{name}" for kind, name in GROUPS])
def test_every_group_of_every_class(kind: type, name: str) -> None:
    for ids in (["a"], ["a", "b", "c"]):
        valid(queries.nodes(group(kind, name), ids).text)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command(name: str) -> None:
    command = COMMANDS[name]
    values = {variable: "x" for _, _, variable in command.variables()}
    for count in (1, 3):
        text, variables = command.build([values] * count)
        valid(text)
        assert len(variables) == count * len(values)


@pytest.mark.parametrize("kind", ["Subject", "Session"])
@pytest.mark.parametrize("tabs", [0, 1, 2])
@pytest.mark.parametrize("stored", [True, False])
def test_every_look_before_a_write(kind: str, tabs: int, stored: bool) -> None:
    if tabs or stored:
        valid(
            queries.state_and_complaints(ENTITIES[kind], "x", [("subjectMetadata", {})] * tabs, stored).text
        )


@pytest.mark.parametrize(
    "listing", [queries.SUBJECTS, queries.SESSIONS, queries.RECENT_SESSIONS, queries.CLIPS]
)
def test_every_listing(listing: queries.Listing) -> None:
    valid(listing.query("x", {}).text)
    valid(listing.query("x", dict.fromkeys(listing.arguments)).text)


@pytest.mark.parametrize("name", [name for name, one in vars(shapes).items() if isinstance(one, Shape)])
def test_every_shape_of_the_flat_client(name: str) -> None:
    """A shape is of one class at least, and valid for each that it can be of."""
    shape: Shape = getattr(shapes, name)
    found = 0
    for kind in BY_WIRE.values():
        described = SCHEMA.get_type(kind.wire)
        assert isinstance(described, GraphQLObjectType)
        if {*shape.names, *shape.below} <= set(described.fields):
            valid(queries.nodes(shape.selection(kind), ["x"]).text)
            found += 1
    assert found


def test_what_is_put_together_when_it_is_sent(demo: Sandbox) -> None:
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
        project.subjects[0].sessions[0].download("nowhere", dry_run=True)
    assert len(demo.requests) > 8
    for request in demo.requests.graphql:
        assert request.status == 200
        assert request.operation, "every request has a name"
        valid(request.query or "")
        assert "n0: " in (request.query or ""), "every query has aliases of its own"


# said once -----------------------------------------------------------------------------------------------------------
def strings(path: Path) -> list[str]:
    """Every string literal of a file, docstrings and the parts of f-strings included."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


LITERALS = {path.relative_to(PACKAGE).as_posix(): strings(path) for path in CLIENT}
MUTATIONS = sorted(SCHEMA.mutation_type.fields) if SCHEMA.mutation_type else []


@pytest.mark.parametrize("field", MUTATIONS)
def test_every_mutation_is_said_once(field: str) -> None:
    """The field of each mutation of the schema stands in the literals of one file, and one command carries it out."""
    import re

    word = re.compile(rf"\b{field}\b")
    found = [name for name, texts in LITERALS.items() if any(word.search(text) for text in texts)]
    assert found == ["operations/commands.py"]
    assert sum(1 for one in COMMANDS.values() if one.field == field) == 1


def test_all_mutations_have_a_command() -> None:
    assert len(MUTATIONS) == 15
    assert {one.field for one in COMMANDS.values()} == set(MUTATIONS)


def test_graphql_is_in_two_rooms_only() -> None:
    """Outside `operations` and `wire` no literal of the client holds the text of an operation or a selection."""
    import re

    text = re.compile(
        r"\b(query|mutation|fragment|viewer|node)\b\s*\w*\s*(\([^)]*\))?\s*\{|\bnode\(id|\.\.\. ?on \w|\{ ?\w+ \w+ ?\}"
    )
    found = {
        name: [one for one in texts if text.search(one)]
        for name, texts in LITERALS.items()
        if not name.startswith(("operations/", "wire/"))
    }
    assert not {name: texts for name, texts in found.items() if texts}


# what the schema has ---------------------------------------------------------------------------------------------------
def test_fields_are_what_the_schema_has() -> None:
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


def test_all_models_are_known() -> None:
    for name in models.__all__:
        assert getattr(models, name).__doc__
    assert {command.__class__ for command in COMMANDS.values()} == {commands.Command}
