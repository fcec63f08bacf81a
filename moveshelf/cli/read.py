"""`moveshelf projects`, `ls`, `tree`, `info`: looking, without Python."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from . import text
from .place import complete, connect, find

if TYPE_CHECKING:
    from collections.abc import Iterable

as_json = click.option("--json", "json_", is_flag=True, help="Print JSON, for scripts.")

# what is listed of each kind: heading, attribute (asked only where the listing brings it)
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


def kind_of(thing: Any) -> str:
    """What the shell calls an object: project, subject, session, condition, clip, file."""
    name = type(thing).__name__.lower()
    return {"datafile": "file"}.get(name, name)


def noun_of(kind: str) -> str:
    """What people call it: a clip is a trial."""
    return _NOUN.get(kind, kind)


def below(thing: Any) -> list[Any]:
    """What is listed below an object: of a session its conditions, then the trials outside of any."""
    kind = kind_of(thing)
    if kind == "collection":
        return list(thing)
    if kind not in _BELOW:
        return []
    found = list(getattr(thing, _BELOW[kind]))
    if kind == "session":
        found += [clip for clip in thing.clips if clip.condition is None]
    return found


def _cell(thing: Any, attribute: str) -> Any:
    value = getattr(thing, attribute)
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


def record(thing: Any) -> dict[str, Any]:
    """An object as a JSON record: type, id, and its columns."""
    kind = kind_of(thing)
    row: dict[str, Any] = {"type": noun_of(kind), "id": thing.id, "name": thing.name}
    for _, attribute in _COLUMNS[kind]:
        if attribute not in ("name", "title"):
            row[attribute] = _plain(_cell(thing, attribute))
    return row


def print_json(value: Any) -> None:
    """JSON on stdout, as its terminal can take it."""
    click.echo(json.dumps(value, ensure_ascii=not text.fancy(), indent=2))


def _print_listing(things: Sequence[Any], json_: bool) -> None:
    if json_:
        print_json([record(thing) for thing in things])
        return
    for kind in _COLUMNS:
        of_kind = [thing for thing in things if kind_of(thing) == kind]
        if not of_kind:
            continue
        columns = _COLUMNS[kind]
        rows = [[_cell(thing, attribute) for _, attribute in columns] for thing in of_kind]
        used = [i for i in range(len(columns)) if i == 0 or any(row[i] is not None for row in rows)]
        click.echo(text.table([columns[i][0] for i in used], [[row[i] for i in used] for row in rows]))


@click.command()
@as_json
@click.pass_context
def projects(ctx: click.Context, json_: bool) -> None:
    """List the projects that the key may see."""
    _print_listing(list(connect(ctx).projects), json_)


@click.command()
@click.argument("path", required=False, shell_complete=complete)
@as_json
@click.pass_context
def ls(ctx: click.Context, path: str | None, json_: bool) -> None:
    """List what is in PATH: of a project its subjects, and so on down to files. Without PATH, the projects."""
    client = connect(ctx)
    if path is None:
        _print_listing(list(client.projects), json_)
        return
    thing = find(client, path)
    _print_listing([thing] if kind_of(thing) == "file" else below(thing), json_)


@click.command()
@click.argument("path", shell_complete=complete)
@click.option("--depth", type=click.IntRange(1), default=3, show_default=True, help="How many levels down.")
@as_json
@click.pass_context
def tree(ctx: click.Context, path: str, depth: int, json_: bool) -> None:
    """Draw what is below PATH, with counts. Costs a handful of requests, however much it is."""
    client = connect(ctx)
    thing = find(client, path)
    if json_:
        print_json(_nested(thing, depth))
        return
    click.echo(_title(thing))
    for line in text.branches([_branch(one, depth - 1) for one in below(thing)]):
        click.echo(line)


def _title(thing: Any) -> str:
    return "the sessions of that page" if kind_of(thing) == "collection" else str(thing.name)


def _branch(thing: Any, depth: int) -> text.Branch:
    inside = below(thing)
    if depth > 0 or not inside:
        return text.shown(thing.name), [_branch(one, depth - 1) for one in inside]
    return f"{text.shown(thing.name)} ({_count(inside)})", []


def _count(things: Iterable[Any]) -> str:
    counts: dict[str, int] = {}
    for one in things:
        noun = noun_of(kind_of(one))
        counts[noun] = counts.get(noun, 0) + 1
    return ", ".join(text.plural(number, noun) for noun, number in counts.items())


def _nested(thing: Any, depth: int) -> dict[str, Any]:
    row: dict[str, Any] = {"type": "sessions"} if kind_of(thing) == "collection" else record(thing)
    if depth > 0 and kind_of(thing) != "file":
        row["below"] = [_nested(one, depth - 1) for one in below(thing)]
    return row


# the rest that is known of one object, each asked for when shown
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


@click.command()
@click.argument("path", shell_complete=complete)
@as_json
@click.pass_context
def info(ctx: click.Context, path: str, json_: bool) -> None:
    """Show everything about one object, its metadata included."""
    thing = find(connect(ctx), path)
    kind = kind_of(thing)
    if kind == "collection":
        raise click.UsageError("that page shows many sessions: list them with `moveshelf ls`")
    facts = record(thing)
    facts.update({name: _plain(getattr(thing, name)) for name in _DETAILS[kind]})
    facts.update({_NOUN_OF_COUNT.get(name, name): len(getattr(thing, name)) for name in _COUNTED[kind]})
    if json_:
        print_json(facts)
        return
    rows = list(_lines(facts))
    broad = max(text.width(name) for name, _ in rows)
    for name, value in rows:
        click.echo(f"{name}{' ' * (broad - text.width(name))}  {text.shown(value)}".rstrip())


_NOUN_OF_COUNT = {"clips": "trials"}


def _lines(facts: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    """Name and value in lines; a dictionary's keys and a list's records are indented below its name."""
    for name, value in facts.items():
        if isinstance(value, dict) and value:
            yield name, None
            yield from (("  " + key, one) for key, one in value.items())
        elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
            yield name, None
            yield from (("  " + str(place + 1), one) for place, one in enumerate(value))
        else:
            yield name, value
