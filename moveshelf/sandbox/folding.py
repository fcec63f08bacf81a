"""Long documents that say the same thing a hundred times, read once.

Clients that ask for many objects at once send `n0: node(id: $i0) {...} n1: node(id: $i1) {...} ...`. Such a document
is judged by graphql-core in a short form, the first two of its aliases: whatever is right or wrong about those is
right or wrong about all of them. Reading every alias would cost fifty milliseconds a document. What does not fit
this pattern exactly is read as it is.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import NamedTuple

_HEAD = re.compile(r"(?<![\w$])([A-Za-z_]+)(\d+)\s*:\s*node\s*\(\s*id\s*:\s*\$([A-Za-z_]+)(\d+)\s*\)\s*")
_DECLARED = re.compile(r"\$([A-Za-z_]+)(\d+)\s*:\s*ID!(?=[\s,)$])(?![\s,]*[=@])[\s,]*")
_IGNORED = " \t\r\n,"


class Fold(NamedTuple):
    """The short form, and what it stands for."""

    text: str
    alias: str
    variable: str
    numbers: list[str]


def fold(text: str) -> Fold | None:
    """The short form of a document, or None if it has none."""
    if '"' in text or "#" in text:  # where braces need not be braces
        return None
    heads = list(_HEAD.finditer(text))
    if len(heads) < 3:
        return None
    alias, variable = heads[0][1], heads[0][3]
    numbers = [head[2] for head in heads]
    if any(head[1] != alias or head[3] != variable or head[2] != head[4] for head in heads):
        return None
    if len(set(numbers)) != len(numbers):
        return None
    body = text[heads[0].end() : heads[1].start()].rstrip(_IGNORED)
    if not _is_block(body) or re.search(rf"\${variable}\d", body):
        return None
    for here, following in pairwise(heads):
        if text[here.end() : following.start()].rstrip(_IGNORED) != body:
            return None
    if not text.startswith(body, heads[-1].end()):
        return None
    before, after = text[: heads[0].start()], text[heads[-1].end() + len(body) :]
    if re.search(rf"(?<![\w$]){alias}\d", before + after) or re.search(rf"\${variable}\d", after):
        return None
    declared = [match for match in _DECLARED.finditer(before) if match[1] == variable]
    if {match[2] for match in declared} != set(numbers) or len(declared) != len(numbers):
        return None
    kept = set(numbers[:2])
    short = _DECLARED.sub(lambda m: m[0] if m[1] != variable or m[2] in kept else "", before)
    if len(re.findall(rf"\${variable}\d", short)) != 2:
        return None
    for number in numbers[:2]:
        short += f"{alias}{number}: node(id: ${variable}{number}) {body} "
    return Fold(short + after, alias, variable, numbers)


def _is_block(text: str) -> bool:
    """Whether a text is one balanced pair of braces with what is between them."""
    depth = 0
    for brace in re.finditer(r"[{}]", text):
        depth += 1 if brace[0] == "{" else -1
        if depth <= 0 and brace.end() != len(text):
            return False
    return depth == 0 and text.startswith("{")
