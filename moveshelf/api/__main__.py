"""`python -m moveshelf.api`: each flat method beside the line of objects that replaces it, as a Markdown table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .. import util
from . import MoveshelfApi

_MARK = "Objects: "


def replacements() -> Iterator[tuple[str, str]]:
    """(call, line of objects) of every documented method, in the order of the source."""
    yield from _documented("api", vars(MoveshelfApi))
    yield from _documented("util", vars(util))


def _documented(place: str, members: dict[str, Any] | Any) -> Iterator[tuple[str, str]]:
    for name, member in members.items():
        lines = (getattr(member, "__doc__", None) or "").splitlines()
        for line in lines[1:]:
            if line.strip().startswith(_MARK):
                yield f"{place}.{name}", line.strip().removeprefix(_MARK)


def table() -> str:
    """The Markdown table of the README."""
    rows = [f"| `{call}(...)` | {line} |" for call, line in replacements()]
    return "\n".join(["| flat | objects |", "|---|---|", *rows])


if __name__ == "__main__":
    print(table())
