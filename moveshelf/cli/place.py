"""The connection that a command line describes, and what PATH means: a path in one string, or the URL of a page."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from ..client import Moveshelf

_KEY = "moveshelf.connection"

C = TypeVar("C", bound=Callable[..., Any])


def _keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Keep an option of the connection for the command, wherever it stands; the last one given counts."""
    if value is not None:
        connection(ctx)[str(param.name)] = value


def connection(ctx: click.Context) -> dict[str, Any]:
    """The options of the connection that the command line has so far, as `connect()` names them."""
    given: dict[str, Any] = ctx.meta.setdefault(_KEY, {})
    return given


def service_options(function: C) -> C:
    """Let a command take --url and --region."""
    region = click.option(
        "--region",
        type=click.Choice(["eu", "us"]),
        expose_value=False,
        callback=_keep,
        help="Moveshelf's endpoint in that region.",
    )
    url = click.option(
        "--url",
        "api_url",
        metavar="URL",
        expose_value=False,
        callback=_keep,
        help="The GraphQL endpoint (else MOVESHELF_API_URL and the usual places).",
    )
    return url(region(function))


def connection_options(function: C) -> C:
    """Let a command take --key-file, --url and --region: the group takes them before the command, each command behind it."""
    key_file = click.option(
        "--key-file",
        "api_key_file",
        type=click.Path(),
        metavar="FILE",
        expose_value=False,
        callback=_keep,
        help="The key file (else MOVESHELF_API_KEY and the usual places).",
    )
    return key_file(service_options(function))


def connect(ctx: click.Context) -> Moveshelf:
    """The client that the command line's options, the environment or the key file describe; closed with the command."""
    from ..client import connect

    client = connect(**connection(ctx))
    ctx.call_on_close(client.close)
    return client


def is_url(path: str) -> bool:
    """Whether PATH is the URL of a web page."""
    return path.startswith(("https://", "http://"))


def find(client: Moveshelf, path: str) -> Any:
    """What PATH leads to. Raises NotFoundError, AmbiguousError, ValidationError."""
    from ..operations import paths

    return client.from_url(path) if is_url(path) else paths.lookup(client.projects, path)


def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """The paths that go on from what is typed, for Tab. Sends requests, five seconds long at most; silent on errors.

    What has more below ends with the separator that comes next.
    """
    from click.shell_completion import CompletionItem

    try:
        return [CompletionItem(path) for path in _further(ctx, incomplete)]
    except Exception:  # a Tab that finds nothing says nothing
        return []


def _further(ctx: click.Context, typed: str) -> list[str]:
    from ..client import connect
    from ..operations import paths

    if is_url(typed):
        return []
    stem, above, begun = paths.typed_so_far(typed)
    begun = paths.unescape(begun)
    with connect(**connection(ctx), timeout=5) as client:
        if not stem:
            names = client.projects.names()
            return [f"{paths.escape_project(name)}:" for name in names if name.startswith(begun)]
        found = paths.lookup(client.projects, above)
        level = _BELOW.get(type(found).__name__)
        if level is None:
            return []
        if level == "conditions" and stem.endswith("//"):
            level = "clips"  # an empty condition: the trials of the whole session
        end = "" if level == "files" else "/"
        offered = [
            f"{stem}{paths.escape(name)}{end}"
            for name in getattr(found, level).names()
            if name.startswith(begun)
        ]
        if level == "conditions" and not begun:
            outside = (clip.title for clip in found.clips if clip.condition is None)
            offered += [f"{stem}/{paths.escape(title)}/" for title in outside]
        return offered


_BELOW = {
    "Project": "subjects",
    "Subject": "sessions",
    "Session": "conditions",
    "Condition": "clips",
    "Clip": "files",
}
