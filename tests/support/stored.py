"""What the service has stored, read and written without the library's models."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from moveshelf import Moveshelf, Session


def exist(ms: Moveshelf, *objects: Any) -> list[bool]:
    return [
        bool(ms.execute("query There($id: ID!) { node(id: $id) { id } }", {"id": one.id})["node"])
        for one in objects
    ]


def stored(ms: Moveshelf, obj: Any) -> dict[str, Any]:
    """What the service has of an object."""
    words = {
        "Subject": "name metadata updated externalId sessions { id }",
        "Session": "projectPath date metadata updated patient { id } clips { id }",
        "Clip": "title description projectPath customOptions",
    }[type(obj).__name__]
    wire = type(obj).wire
    return ms.execute(
        f"query Truth($id: ID!) {{ node(id: $id) {{ ... on {wire} {{ id {words} }} }} }}", {"id": obj.id}
    )["node"]


def write_record(ms: Moveshelf, session: Session, record: dict[str, Any]) -> None:
    """Let the service hold a record that no method of ours would write."""
    ms.execute(
        "mutation Raw($s: ID!, $n: String!, $m: JSONString) "
        "{ updateSession(sessionId: $s, sessionName: $n, sessionMetadata: $m) { updated } }",
        {"s": session.id, "n": session.name, "m": json.dumps(record)},
    )
