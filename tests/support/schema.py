"""The service's schema, and the check that a request is valid by it."""

from __future__ import annotations

from importlib import resources

from graphql import build_schema, parse, validate

SCHEMA = build_schema((resources.files("moveshelf.wire") / "schema.graphql").read_text(encoding="utf-8"))


def check_valid(text: str) -> None:
    errors = validate(SCHEMA, parse(text))
    assert not errors, f"{text}\n{errors}"


MUTATIONS = sorted(SCHEMA.mutation_type.fields) if SCHEMA.mutation_type else []
