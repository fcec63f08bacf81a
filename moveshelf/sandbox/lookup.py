"""Checks before a mutation writes: the row that is meant, and whether it may be changed."""

from __future__ import annotations

from typing import Any

from .execute import Context, Refused


def editable(project: Any) -> Any:
    if not project.can_edit:
        raise Refused(f"You may not edit the project {project.name!r}.")
    return project


def found(context: Context, table: Any, id: str | None, word: str) -> Any:
    row = context.service.store.of(table, id)
    if row is None:
        raise Refused(f"No {word} with the id {id!r}.")
    return row


def project_of(context: Context, row: Any) -> Any:
    return context.service.store.rows[row.project]
