"""PROTOCOL.md, schema.graphql and the sandbox say the same; what can be compared is compared here."""

from __future__ import annotations

import re
from pathlib import Path

from graphql import GraphQLObjectType

from moveshelf.sandbox.rows import DATA_TYPES
from moveshelf.sandbox.schema import MAX_DEPTH, load_schema

TEXT = (Path(__file__).resolve().parents[2] / "PROTOCOL.md").read_text(encoding="utf-8")


def row(name: str) -> str:
    """The line of a table that begins with this name."""
    return next(line for line in TEXT.splitlines() if line.startswith(f"| `{name}` |"))


def test_every_query_and_mutation_is_described_with_its_arguments() -> None:
    schema = load_schema()
    assert schema.query_type is not None
    assert schema.mutation_type is not None
    for name, field in {**schema.query_type.fields, **schema.mutation_type.fields}.items():
        described = row(name)
        for argument, declared in field.args.items():
            assert f"{argument}:" in described
            if str(declared.type).rstrip("!").strip("[]!") in ("ID", "String", "JSONString"):
                assert f"`{argument}: {declared.type}`" in described
        payload = field.type
        if name in schema.mutation_type.fields:
            assert isinstance(payload, GraphQLObjectType)
            assert all(result in described for result in payload.fields)


def test_every_kind_of_object_is_named() -> None:
    nodes = [
        kind.name
        for kind in load_schema().type_map.values()
        if isinstance(kind, GraphQLObjectType) and kind.interfaces and kind.name != "ProjectConfiguration"
    ]
    assert len(nodes) == 8
    for name in nodes:
        assert f"`{name}`" in TEXT


def test_data_types_have_their_extensions() -> None:
    for kind, extensions in DATA_TYPES.items():
        assert row(kind) == f"| `{kind}` | {', '.join(extensions)} |"
    assert row("event")
    assert row("raw")


def test_bounds_and_marks() -> None:
    assert f"deeper than {MAX_DEPTH} levels" in TEXT
    assert len(re.findall(r"\bassumed\b", TEXT, re.IGNORECASE)) > 15
    assert max(len(line) for line in TEXT.splitlines() if not line.lstrip().startswith("|")) <= 127
