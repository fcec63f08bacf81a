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
    """The names that go on from what is typed, for Tab. Asks the service, five seconds long at most; silent on errors."""
    from click.shell_completion import CompletionItem

    try:
        names = _next(ctx, incomplete)
    except Exception:  # a Tab that finds nothing says nothing
        return []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _next(ctx: click.Context, incomplete: str) -> list[str]:
    from ..client import connect

    if is_address(incomplete):
        return []
    options = {key: ctx.find_root().params.get(key) for key in ("key_file", "url", "region")}
    with connect(options["key_file"], options["url"], region=options["region"], timeout=5) as client:
        if ":" not in incomplete:
            return [name + ":" for name in client.projects.names()]
        known, slash, _ = incomplete.rpartition("/")
        if not slash or ":" not in known:
            known = incomplete.partition(":")[0]
            return [f"{known}:{name}" for name in client.lookup(known).subjects.names()]  # type: ignore[union-attr]
        place = find(client, known)
        below = ("subjects", "sessions", "conditions", "clips", "files")[len(parse(known)) - 1]
        return [f"{known}/{name}" for name in getattr(place, below).names()]
