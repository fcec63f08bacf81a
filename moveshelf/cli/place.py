"""What PATH means: `org/project:subject/session/condition/trial/file`, or the address of a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..errors import ValidationError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from ..client import Moveshelf

LEVELS = ("project", "subject", "session", "condition", "trial", "file")


def is_address(path: str) -> bool:
    """Whether PATH is the address of a web page."""
    return path.startswith(("https://", "http://"))


def parse(path: str) -> list[str]:
    """The names in PATH, the project's first; ids do as well as names.

    An empty condition (`...:subject/session//trial`) means any. Raises ValidationError for too many names and for a
    missing one.
    """
    project, colon, rest = path.partition(":")
    names = [project.strip("/")]
    if colon and rest.strip("/"):
        names += rest.strip("/").split("/")
    gap = next(
        (i for i, name in enumerate(names) if not name.strip() and LEVELS[min(i, 5)] != "condition"), None
    )
    if gap is not None or len(names) > len(LEVELS):
        raise ValidationError(
            f"{path!r} is no path: it is org/project:subject/session/condition/trial/file, from the left as many of "
            "its parts as you mean (an empty condition stands for any)"
        )
    return names


def join(names: list[str]) -> str:
    """The PATH of such names."""
    return names[0] + (":" + "/".join(names[1:]) if len(names) > 1 else "")


def connect(ctx: click.Context) -> Moveshelf:
    """The client that the command line's options, the environment or the key file describe; closed with the command."""
    from ..client import connect

    client = connect(**ctx.find_root().obj)
    ctx.call_on_close(client.close)
    return client


def find(client: Moveshelf, path: str) -> Any:
    """What PATH leads to. Raises NotFoundError, AmbiguousError, ValidationError."""
    if is_address(path):
        return client.from_url(path)
    return client.lookup(*parse(path))


def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The paths that go on from what is typed, for Tab. Asks the service, five seconds long at most; silent on errors.

    What has more below ends with the sign that comes next.
    """
    from click.shell_completion import CompletionItem

    try:
        paths = _further(ctx, incomplete)
    except Exception:  # a Tab that finds nothing says nothing
        return []
    return [CompletionItem(path) for path in paths if path.startswith(incomplete)]


def _further(ctx: click.Context, typed: str) -> list[str]:
    from ..client import connect

    if is_address(typed):
        return []
    given = ctx.find_root().params
    with connect(given.get("key_file"), given.get("url"), region=given.get("region"), timeout=5) as client:
        project, colon, rest = typed.partition(":")
        if not colon:
            return [f"{name}:" for name in client.projects.names()]
        above = rest.split("/")[:-1]
        thing: Any = client.lookup(project, *above)
        below = ("subjects", "sessions", "conditions", "clips", "files")[len(above)]
        stem = "/".join([project + colon + above[0], *above[1:], ""]) if above else project + colon
        return [f"{stem}{name}{'' if below == 'files' else '/'}" for name in getattr(thing, below).names()]
