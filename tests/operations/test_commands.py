"""Commands: valid by the schema, built for one and for many, and checked."""

from __future__ import annotations

import pytest
from support.schema import MUTATIONS, check_valid

from moveshelf.operations.commands import COMMANDS


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_is_valid(name: str) -> None:
    command = COMMANDS[name]
    values = {variable: "x" for _, _, variable in command.variables()}
    for count in (1, 3):
        text, variables = command.build([values] * count)
        check_valid(text)
        assert len(variables) == count * len(values)


def test_all_mutations_have_a_command() -> None:
    assert len(MUTATIONS) == 15
    assert {one.field for one in COMMANDS.values()} == set(MUTATIONS)
