"""`moveshelf projects`, `ls`, `tree`, `info`: looking, without Python."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import click

from . import show, text
from .place import complete, connect, connection_options, find

json_option: Callable[[Any], Any] = click.option(
    "--json", "json_", is_flag=True, help="Print JSON, for scripts."
)

# what is listed of each kind: heading, attribute (read only where the listing brings it)
_COLUMNS: dict[str, tuple[tuple[str, str], ...]] = {
    "project": (("project", "name"),),
    "subject": (("subject", "name"), ("EHR id", "ehr_id"), ("updated (UTC)", "updated")),
    "session": (("session", "name"), ("date", "date")),
    "condition": (("condition", "name"), ("trials", "clips")),
    "clip": (
        ("trial", "title"),
        ("condition", "condition"),
        ("created (UTC)", "created"),
        ("status", "upload_status"),
    ),
    "file": (("file", "name"), ("type", "data_type"), ("status", "upload_status")),
}
_BELOW = {
    "project": "subjects",
    "subject": "sessions",
    "session": "conditions",
    "condition": "clips",
    "clip": "files",
}
_NOUN = {"clip": "trial"}


def kind_of(found: Any) -> str:
    """What the shell calls an object: project, subject, session, condition, clip, file."""
    name = type(found).__name__.lower()
    return {"datafile": "file", "originalfile": "file"}.get(name, name)


def noun_of(kind: str) -> str:
    """What people call it: a clip is a trial."""
    return _NOUN.get(kind, kind)


def below(found: Any) -> list[Any]:
    """What is listed below an object: of a session its conditions, then the trials outside of any; of a trial its own
    file, then those attached to it."""
    kind = kind_of(found)
    if kind == "collection":
        return list(found)
    if kind not in _BELOW:
        return []
    listed = list(getattr(found, _BELOW[kind]))
    if kind == "session":
        listed += [clip for clip in found.clips if clip.condition is None]
    if kind == "clip" and found.is_loaded("original_name") and found.original is not None:
        listed.insert(0, found.original)
    return listed


def _cell(found: Any, attribute: str) -> Any:
    value = getattr(found, attribute)
    if attribute == "condition":
        return value.name if value is not None else None
    return len(value) if attribute == "clips" else value


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return str(value)


def record(found: Any) -> dict[str, Any]:
    """An object as a JSON record: type, id, and its columns."""
    kind = kind_of(found)
    row: dict[str, Any] = {"type": noun_of(kind), "id": found.id, "name": found.name}
    for _, attribute in _COLUMNS[kind]:
        if attribute not in ("name", "title"):
            row[attribute] = _plain(_cell(found, attribute))
    return row


def _print_listing(listed: Sequence[Any], json_: bool, sizes: dict[str, int | None] | None = None) -> None:
    if json_:
        rows = [record(one) for one in listed]
        if sizes is not None:
            rows = [{**row, "size": sizes.get(row["id"])} for row in rows]
        show.as_json(rows)
        return
    for kind in _COLUMNS:
        of_kind = [one for one in listed if kind_of(one) == kind]
        if of_kind:
            _print_kind(kind, of_kind, sizes)


def _print_kind(kind: str, listed: Sequence[Any], sizes: dict[str, int | None] | None) -> None:
    columns = _COLUMNS[kind]
    rows = [[_cell(one, attribute) for _, attribute in columns] for one in listed]
    used = [i for i in range(len(columns)) if i == 0 or any(row[i] is not None for row in rows)]
    head = [columns[i][0] for i in used]
    cells = [[row[i] for i in used] for row in rows]
    colour = head.index("status") if "status" in head else None
    if sizes is not None and kind == "file":
        from ..transfer.result import size_text

        head.append("size")
        known = [sizes.get(one.id) for one in listed]
        # a script gets bytes, people get MB
        cells = [
            [*row, size_text(size) if show.is_terminal() else size]
            for row, size in zip(cells, known, strict=True)
        ]
    show.listing(head, cells, colour)


@click.command()
@json_option
@connection_options
@click.pass_context
def projects(ctx: click.Context, json_: bool) -> None:
    """List the projects that the key may see."""
    client = connect(ctx)
    if not json_:
        show.prepare(client)
    _print_listing(list(client.projects), json_)


@click.command()
@click.argument("path", required=False, shell_complete=complete)
@click.option(
    "--size",
    "with_size",
    is_flag=True,
    help="The files' sizes too; the service does not list them, so this sends a request a file to its store.",
)
@json_option
@connection_options
@click.pass_context
def ls(ctx: click.Context, path: str | None, with_size: bool, json_: bool) -> None:
    """List what is in PATH: of a project its subjects, and so on down to files. Without PATH, the projects."""
    client = connect(ctx)
    if not json_:
        show.prepare(client)
    if path is None:
        found: Any = None
        listed = list(client.projects)
    else:
        found = find(client, path)
        if kind_of(found) == "clip":
            found.load("original_name")
        listed = [found] if kind_of(found) == "file" else below(found)
    if not with_size:
        _print_listing(listed, json_)
        return
    if kind_of(found) not in ("clip", "file"):
        raise click.UsageError("only files have a size: --size goes with the PATH of a trial or of a file")
    from .sizes import sizes_of

    _print_listing(listed, json_, sizes_of(listed))


@click.command()
@click.argument("path", shell_complete=complete)
@click.option("--depth", type=click.IntRange(1), default=3, show_default=True, help="How many levels down.")
@json_option
@connection_options
@click.pass_context
def tree(ctx: click.Context, path: str, depth: int, json_: bool) -> None:
    """Draw what is below PATH, with counts. Costs a handful of requests, however much it is."""
    client = connect(ctx)
    if not json_:
        show.prepare(client)
    found = find(client, path)
    if json_:
        show.as_json(_nested(found, depth))
        return
    show.tree(_title(found), [_branch(one, depth - 1) for one in below(found)])


def _title(found: Any) -> str:
    return "the sessions of that page" if kind_of(found) == "collection" else str(found.name)


def _branch(found: Any, depth: int) -> show.Branch:
    inside = below(found)
    if depth > 0 or not inside:
        return str(found.name), "", [_branch(one, depth - 1) for one in inside]
    return str(found.name), f"({_count(inside)})", []


def _count(listed: Iterable[Any]) -> str:
    counts: dict[str, int] = {}
    for one in listed:
        noun = noun_of(kind_of(one))
        counts[noun] = counts.get(noun, 0) + 1
    return ", ".join(text.plural(number, noun) for noun, number in counts.items())


def _nested(found: Any, depth: int) -> dict[str, Any]:
    row: dict[str, Any] = {"type": "sessions"} if kind_of(found) == "collection" else record(found)
    if depth > 0 and kind_of(found) != "file":
        row["below"] = [_nested(one, depth - 1) for one in below(found)]
    return row


# the rest that is known of one object, each fetched when shown
_DETAILS = {
    "project": ("description", "can_edit", "unlisted_access", "url"),
    "subject": ("metadata", "interventions", "url"),
    "session": ("path", "updated", "metadata", "url"),
    "condition": ("path",),
    "clip": ("path", "description", "has_charts", "has_video", "custom_options", "url"),
    "file": (),
}
# and what is counted, by the name of the collection
_COUNTED = {
    "project": ("subjects", "norms", "datasets"),
    "subject": ("sessions", "reports"),
    "session": ("conditions", "clips", "reports", "norms"),
    "condition": ("clips",),
    "clip": ("files",),
    "file": (),
}


_NOUN_OF_COUNT = {"clips": "trials"}


@click.command()
@click.argument("path", shell_complete=complete)
@json_option
@connection_options
@click.pass_context
def info(ctx: click.Context, path: str, json_: bool) -> None:
    """Show everything about one object, its metadata included."""
    client = connect(ctx)
    if not json_:
        show.prepare(client)
    found = find(client, path)
    kind = kind_of(found)
    if kind == "collection":
        raise click.UsageError("that page shows many sessions: list them with `moveshelf ls`")
    facts = record(found)
    facts.update({name: _plain(getattr(found, name)) for name in _DETAILS[kind]})
    facts.update({_NOUN_OF_COUNT.get(name, name): len(getattr(found, name)) for name in _COUNTED[kind]})
    if json_:
        show.as_json(facts)
    else:
        show.facts(list(_lines(facts)))


def _lines(facts: dict[str, Any]) -> Iterator[tuple[int, str, Any]]:
    """Depth, name and value; a dictionary's keys and a list's records are one level below its name."""
    for name, value in facts.items():
        if isinstance(value, dict) and value:
            yield 0, name, None
            yield from ((1, key, one) for key, one in value.items())
        elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
            yield 0, name, None
            yield from ((1, str(place + 1), one) for place, one in enumerate(value))
        else:
            yield 0, name, value
