"""What a document's text says about itself: query or mutation, its name, whether it holds several operations.

Deliberately not a parser: documents are made by `operations` and checked against schema.graphql by the tests,
and a syntax tree of a large one costs more than its round trip.
"""

from __future__ import annotations

import re
from functools import lru_cache

import attrs

_TOKEN = re.compile(
    r'#[^\n\r]*|"""(?:[^"\\]|\\.|"(?!""))*"""|"(?:[^"\\\n]|\\.)*"|[{}()\[\]]|[A-Za-z_][A-Za-z_0-9]*'
)
_PUNCTUATED = re.compile(_TOKEN.pattern + r"|\.\.\.|[@:]")
_OPERATIONS = ("query", "mutation", "subscription")
_CLOSING = {"{": "}", "(": ")", "[": "]"}
_FIRST = re.compile(r"(?:[\s,\ufeff]|#[^\n\r]*)*query(?:\s+([A-Za-z_][A-Za-z_0-9]*))?\s*[({@]")


@attrs.frozen(eq=False)
class Operation:
    """What `describe` reads off a document."""

    name: str
    """For people: the operation's own name, or what it is."""
    mutation: bool
    several: bool
    """The request has to name which one is meant. Determined only where one was picked."""


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
                elif words[0] in _OPERATIONS:
                    found.append((words[0], words[1] if len(words) > 1 else None))
            depth += 1
        elif token in "})]":
            depth -= 1
            if depth <= 0 and token == "}":
                depth, words = 0, []
        elif depth == 0:
            words.append(token)
    return found


@lru_cache(maxsize=128)
def response_names(query: str, wanted: str | None = None) -> frozenset[str] | None:
    """The names that `data` must have in the response to an operation: its top-level aliases and fields.

    None where the text does not decide it: a fragment or a directive at the top level, several operations of which none
    is picked, or a text that is no document.
    """
    found: frozenset[str] | None = None
    words: list[str] = []  # of the definition being read, outside all brackets
    names: set[str] = set()
    closing: list[str] = []  # what closes the brackets that are open
    reading = decided = aliased = False
    for match in _PUNCTUATED.finditer(query):
        token = match[0]
        if token[0] in '#"':
            continue
        if token in _CLOSING:
            if not closing and token == "{":
                operation = not words or words[0] in _OPERATIONS
                reading = operation and (wanted is None or words[1:2] == [wanted])
                decided, aliased, names = True, False, set()
            closing.append(_CLOSING[token])
        elif token in "})]":
            if not closing or closing.pop() != token:
                return None
            if not closing and token == "}":
                if reading:
                    if found is not None or not decided:
                        return None
                    found = frozenset(names)
                reading, words = False, []
        elif not closing:
            words.append(token)
        elif reading and len(closing) == 1:
            if token in ("...", "@"):
                decided = False
            elif token == ":":
                aliased = True
            elif aliased:
                aliased = False  # the field behind the alias, which is in `names` already
            else:
                names.add(token)
    return found if not closing else None


_NODE = re.compile(
    r'(?:([A-Za-z_]\w*)\s*:\s*)?\bnode\s*\(\s*id\s*:\s*(?:\$([A-Za-z_]\w*)|"([^"\\\n]*)")\s*\)'
)
_OWN_ID = re.compile(r"(?<!\$)\bid\s*:\s*[A-Za-z_]")


@lru_cache(maxsize=128)
def requested_nodes(query: str) -> tuple[tuple[str, str, str], ...]:
    """The objects that a document requests by id: (name in `data`, variable of the id or "", the id where it is spelled out).

    None of them where the text does not decide it: comments, several operations, or another field that is called `id`.
    """
    if "#" in query or _OWN_ID.search(query) or len(_operations(query)) != 1:
        return ()
    found = [(one[1] or "node", one[2] or "", one[3] or "") for one in _NODE.finditer(query)]
    names = [name for name, _, _ in found]
    return tuple(one for one in found if names.count(one[0]) == 1)
