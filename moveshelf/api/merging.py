"""Imported metadata fills what is still empty, and never overwrites what somebody entered."""

from __future__ import annotations

import copy
from typing import Any

_EMPTY: tuple[Any, ...] = ("", [])


def merge(existing: Any, imported: Any) -> Any:
    """`existing` with its empty values, and the keys that it lacks, taken from `imported`; neither is
    changed.

    Empty is "", or a {"value": ""} or {"value": []}; in a list of {"context", "value"} each context fills on
    its own.
    """
    if not existing:
        return imported
    merged = dict(existing)
    for key, value in existing.items():
        if key not in imported:
            continue
        if (
            value == ""
            if isinstance(value, str)
            else isinstance(value, dict) and value.get("value") in _EMPTY
        ):
            merged[key] = imported[key]
        elif isinstance(value, list):
            merged[key] = _merge_entries(value, imported[key])
    for key, value in imported.items():
        merged.setdefault(key, value)
    return merged


def _merge_entries(entries: list[Any], imported: Any) -> Any:
    """A list of one value per side (context); the last imported entry of the same side wins."""
    merged: Any = list(entries)
    for index, entry in enumerate(entries):
        if not (isinstance(entry, dict) and entry.get("value") in _EMPTY):
            continue
        if "context" not in entry:
            merged = copy.copy(imported)
            continue
        for candidate in imported if isinstance(imported, list) else ():
            same = isinstance(candidate, dict) and candidate.get("context") == entry["context"]
            if same and isinstance(merged, list) and index < len(merged):
                merged[index] = candidate
    return merged
