"""The schema against the documents of the published clients, and ours against theirs."""

from __future__ import annotations

import ast
from pathlib import Path

import flat_published
import pytest
from graphql import GraphQLSchema, build_schema, parse, validate

import moveshelf.wire
from moveshelf.operations.commands import COMMANDS


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    text = (Path(moveshelf.wire.__file__).parent / "schema.graphql").read_text(encoding="utf-8")
    return build_schema(text)


@pytest.mark.filterwarnings("ignore:invalid escape sequence")  # theirs
@pytest.mark.parametrize("version", flat_published.ALL)
def test_published(schema: GraphQLSchema, version: str) -> None:
    """The schema has everything that a published version requests."""
    try:
        source = flat_published.source_of(version)
    except flat_published.NotAvailable as error:
        pytest.skip(str(error))
    found = [
        node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.lstrip().startswith(("query", "mutation", "{"))
        and "{" in node.value
    ]
    assert len(found) > 10
    for text in found:
        assert validate(schema, parse(text)) == [], text


def test_none_is_copied() -> None:
    """Ours are our own: no document of theirs is among them, however it is laid out."""
    try:
        python = Path(flat_published.python_of(flat_published.NEWEST))
    except flat_published.NotAvailable as error:
        pytest.skip(str(error))
    source = next(python.parents[1].rglob("moveshelf_api/api.py")).read_text(encoding="utf-8")
    words = " ".join(source.replace(",", " ").split())
    for command in COMMANDS.values():
        text, _ = command.build([{variable: "x" for _, _, variable in command.variables()}])
        assert " ".join(text.replace(",", " ").split()) not in words
