"""What a document's text says about itself: query or mutation, its name, whether it holds several operations.

Deliberately not a parser: documents are made by the models and checked against schema.graphql by the tests,
and a syntax tree of a large one costs more than its round trip.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

_TOKEN = re.compile(
    r'#[^\n\r]*|"""(?:[^"\\]|\\.|"(?!""))*"""|"(?:[^"\\\n]|\\.)*"|[{}()\[\]]|[A-Za-z_][A-Za-z_0-9]*'
)
_FIRST = re.compile(r"(?:[\s,\ufeff]|#[^\n\r]*)*query(?:\s+([A-Za-z_][A-Za-z_0-9]*))?\s*[({@]")


class Operation(NamedTuple):
    name: str
    """For people: the operation's own name, or what it is."""
    mutation: bool
    several: bool
    """The service has to be told which one is meant. Looked for only where one was picked."""


@lru_cache(maxsize=128)
def describe(query: str, wanted: str | None = None) -> Operation:
    """Read a document's operations; `wanted` picks one by name where it holds several.

    A document of several operations of which none is picked counts as a mutation if any of them is one.
    """
    if "mutation" not in query and wanted is None:
        start = _FIRST.match(query)
        if start is not None:
            return Operation(start[1] or "query", False, False)
    found = _operations(query)
    picked = [(kind, name) for kind, name in found if name == wanted] or found
    kind, name = picked[0] if picked else ("query", None)
    mutation = any(kind == "mutation" for kind, _ in picked)
    return Operation(wanted or name or ("mutation" if mutation else kind), mutation, len(found) > 1)


def _operations(query: str) -> list[tuple[str, str | None]]:
    found: list[tuple[str, str | None]] = []
    depth = 0
    words: list[str] = []  # of the definition being read, outside all brackets
    for match in _TOKEN.finditer(query):
        token = match[0]
        if token[0] in '#"':
            continue
        if token in "{([":
            if depth == 0 and token == "{":
                if not words:
                    found.append(("query", None))
                elif words[0] in ("query", "mutation", "subscription"):
                    found.append((words[0], words[1] if len(words) > 1 else None))
            depth += 1
        elif token in "})]":
            depth -= 1
            if depth <= 0 and token == "}":
                depth, words = 0, []
        elif depth == 0:
            words.append(token)
    return found
