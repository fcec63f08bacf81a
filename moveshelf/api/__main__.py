"""`python -m moveshelf.api`: each flat method beside the line of objects that replaces it, as a Markdown
table."""

from __future__ import annotations

from collections.abc import Iterator

from . import MoveshelfApi


def replacements() -> Iterator[tuple[str, str]]:
    """(method, line of objects) of every documented method, in the order of their rooms."""
    for kind in reversed(MoveshelfApi.__mro__):
        for name, member in vars(kind).items():
            for line in (getattr(member, "__doc__", None) or "").splitlines():
                if line.strip().startswith("Objects: "):
                    yield name, line.strip().removeprefix("Objects: ")


def table() -> str:
    """The Markdown table of the README."""
    rows = [f"| `api.{name}(...)` | {line} |" for name, line in replacements()]
    return "\n".join(["| flat | objects |", "|---|---|", *rows])


if __name__ == "__main__":
    print(table())
