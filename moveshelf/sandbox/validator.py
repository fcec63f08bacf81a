"""`metadataValidator`: imported values against the fields of a project's template."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from .execute import Refused

TABS = ("subjectMetadata", "interventionMetadata", "sessionMetadata")

Fields = dict[str, dict[str, Any]]


def complaints(template: str | None, tab: str, imported: str) -> list[str]:
    """What is wrong with `imported` (JSON text); nothing is wrong in a project without a template."""
    if tab not in TABS:
        raise Refused(f"whichTabToValidate must be one of {', '.join(TABS)}; it was {tab!r}.")
    try:
        values = json.loads(imported)
    except ValueError as error:
        return [f"The imported metadata is not valid JSON: {error}."]
    fields = _fields(template, tab)
    if tab == "interventionMetadata":
        entries = values if isinstance(values, list) else [values]
        found = []
        for number, entry in enumerate(entries, 1):
            if not isinstance(entry, dict):
                found.append(f"Intervention {number} is not an object.")
            else:
                allowed = {key: value for key, value in entry.items() if key != "id"}
                found += [f"Intervention {number}: {text}" for text in _judge(allowed, fields)]
        return found
    if not isinstance(values, dict):
        return ["The imported metadata is not an object."]
    if tab == "subjectMetadata":  # the list of interventions has a check of its own
        values = {key: value for key, value in values.items() if key != "interventions"}
    return _judge(values, fields)


def _fields(template: str | None, tab: str) -> Fields | None:
    if not template:
        return None
    data = json.loads(template)
    fields: Fields = {}
    if tab == "sessionMetadata":
        for entry in data.get("sessionMetadataTabs", []):
            fields.update(entry.get("template", {}))
    else:
        interventions = tab == "interventionMetadata"
        if not interventions:
            fields.update(data.get("template", {}))
        for entry in data.get("subjectMetadataTabs", []):
            if entry.get("name", "").lower().startswith("intervention") == interventions:
                fields.update(entry.get("template", {}))
        if interventions and not fields:
            return None
    return {key: field for key, field in fields.items() if field.get("type") != "title"}


def _judge(values: dict[str, Any], fields: Fields | None) -> list[str]:
    if fields is None:
        return []
    found = []
    for key, value in values.items():
        field = fields.get(key)
        if field is None:
            found.append(f"Unknown field {key!r}.")
        else:
            found += [f"Field {key!r}: {text}" for text in _judge_value(value, field)]
    return found


def _judge_value(value: Any, field: dict[str, Any]) -> list[str]:
    if field.get("type") == "list":
        return _judge_list(value, field.get("template", {}))
    if isinstance(value, list) and value and all(isinstance(v, dict) and "context" in v for v in value):
        if not field.get("hasContext"):
            return ["takes no left or right value."]
        found = []
        for entry in value:
            if entry["context"] not in ("left", "right"):
                found.append(f"{entry['context']!r} is neither left nor right.")
            found += _judge_value(entry.get("value"), field)
        return found
    if isinstance(value, dict):
        if "value" not in value:
            return ["an object without a value."]
        value = value["value"]
    if value is None or value == "":
        return []
    if isinstance(value, list):
        if not field.get("multiselect"):
            return ["takes one value, not a list."]
        return [text for item in value for text in _judge_one(item, field)]
    return _judge_one(value, field)


def _judge_list(value: Any, fields: Fields) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        return [] if value is None else ["takes a list of objects."]
    return [
        f"entry {number}: {text}" for number, entry in enumerate(value, 1) for text in _judge(entry, fields)
    ]


def _judge_one(value: Any, field: dict[str, Any]) -> list[str]:
    kind = field.get("type", "text")
    if kind in ("select", "multiselect", "radio"):
        options = [
            o.get("value", o.get("label")) if isinstance(o, dict) else o for o in field.get("options", [])
        ]
        return [] if value in options else [f"{value!r} is none of {', '.join(map(str, options))}."]
    if kind == "number":
        try:
            if isinstance(value, bool):
                raise ValueError
            float(value)
        except (TypeError, ValueError):
            return [f"{value!r} is not a number."]
        return []
    if kind == "date":
        try:
            date.fromisoformat(value)
        except (TypeError, ValueError):
            return [f"{value!r} is not a date (YYYY-MM-DD)."]
        return []
    if kind in ("boolean", "checkbox"):
        right = isinstance(value, bool) or value in ("true", "false")
        return [] if right else [f"{value!r} is neither true nor false."]
    return [] if isinstance(value, str) else [f"{value!r} is not a text."]
