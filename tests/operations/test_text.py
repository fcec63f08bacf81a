"""GraphQL text is in one place, and each mutation is written once."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest
from support.schema import MUTATIONS

import moveshelf
from moveshelf.operations.commands import COMMANDS

PACKAGE = Path(inspect.getfile(moveshelf)).parent
CLIENT = [path for path in sorted(PACKAGE.rglob("*.py")) if "sandbox" not in path.relative_to(PACKAGE).parts]


def strings(path: Path) -> list[str]:
    """Every string literal of a file, docstrings and the parts of f-strings included."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


LITERALS = {path.relative_to(PACKAGE).as_posix(): strings(path) for path in CLIENT}


@pytest.mark.parametrize("field", MUTATIONS)
def test_every_mutation_stands_in_one_file(field: str) -> None:
    """The field of each mutation of the schema stands in the literals of one file, and one command carries it out."""
    import re

    word = re.compile(rf"\b{field}\b")
    found = [name for name, texts in LITERALS.items() if any(word.search(text) for text in texts)]
    assert found == ["operations/commands.py"]
    assert sum(1 for one in COMMANDS.values() if one.field == field) == 1


def test_graphql_text_is_in_operations_and_wire_only() -> None:
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
