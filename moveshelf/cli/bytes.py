"""`moveshelf download`, `upload`, `rm`: moving and removing, file by file, to go on with after a stop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from . import text
from .place import complete, connect, find
from .read import as_json, kind_of, noun_of, print_json
from .run import FAILED, INTERRUPTED, OK

if TYPE_CHECKING:
    from ..transfer.result import Plan, TransferResult

include = click.option(
    "--include",
    multiple=True,
    metavar="PATTERN",
    help="Only such names or paths, as '*.c3d'; may be repeated.",
)
dry_run = click.option("--dry-run", is_flag=True, help="Only show what would be done.")
jobs = click.option("--jobs", type=click.IntRange(1), default=16, show_default=True, help="Files at once.")


@contextmanager
def going_on(ctx: click.Context, what: str) -> Iterator[None]:
    """Ctrl-C ends the command with its exit code and a word on how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"moveshelf: stopped; {what} Run the same command again to go on.", err=True)
        ctx.exit(INTERRUPTED)


@click.command()
@click.argument("path", shell_complete=complete)
@click.argument("dest", type=click.Path(file_okay=False))
@include
@click.option(
    "--type", "types", multiple=True, metavar="TYPE", help="Only that data type, as motion; may be repeated."
)
@click.option(
    "--existing",
    type=click.Choice(["skip", "overwrite", "error"]),
    default="skip",
    show_default=True,
    help="What to do where a file is there.",
)
@dry_run
@jobs
@as_json
@click.pass_context
def download(
    ctx: click.Context,
    path: str,
    dest: str,
    include: tuple[str, ...],
    types: tuple[str, ...],
    existing: str,
    dry_run: bool,
    jobs: int,
    json_: bool,
) -> int:
    """Download every file below PATH into folder DEST, on the path from PATH down; verified, resumed when broken off."""
    thing = find(connect(ctx), path)
    options: dict[str, Any] = {"existing": existing, "dry_run": dry_run}
    if kind_of(thing) != "file":
        options.update(include=include or None, data_types=types or None, jobs=jobs)
    elif include or types:
        raise click.UsageError("PATH is one file: --include and --type have nothing to choose from")
    with going_on(ctx, "what has arrived stays, the rest will be continued."):
        return _report(thing.download(dest, **options), json_)


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False))
@click.argument("project", shell_complete=complete)
@click.option(
    "--layout",
    metavar="LAYOUT",
    help="How a path in FOLDER is read; as '{subject}/{session}/{trial}/{rest}'.",
)
@include
@click.option(
    "--existing",
    type=click.Choice(["skip", "add", "replace-different"]),
    default="skip",
    show_default=True,
    help="What to do with a file whose name the trial has.",
)
@dry_run
@jobs
@as_json
@click.pass_context
def upload(
    ctx: click.Context,
    folder: str,
    project: str,
    layout: str | None,
    include: tuple[str, ...],
    existing: str,
    dry_run: bool,
    jobs: int,
    json_: bool,
) -> int:
    """Upload what is missing of FOLDER into PROJECT; makes the subjects, sessions and trials that are missing.

    FOLDER holds subject/session/condition/trial_file, unless --layout says otherwise.
    """
    target = find(connect(ctx), project)
    if kind_of(target) != "project":
        raise click.UsageError(f"{project!r} is a {noun_of(kind_of(target))}: give the project, org/project")
    options: dict[str, Any] = {"layout": layout} if layout else {}
    with going_on(ctx, "what is finished stays."):
        return _report(
            target.upload_tree(
                folder, include=include or None, existing=existing, dry_run=dry_run, jobs=jobs, **options
            ),
            json_,
        )


def _report(done: TransferResult | Plan, json_: bool) -> int:
    """Print a plan, or what became of every file that needs a word; the exit code."""
    from ..transfer.result import Plan

    if json_:
        print_json([_row(one) for one in done])
    elif isinstance(done, Plan):
        click.echo(repr(done).splitlines()[0])
        for step in done:
            click.echo(
                f"  {step.action}  {text.shown(step.path)}" + (f"  ({step.reason})" if step.reason else "")
            )
    else:
        click.echo(repr(done).splitlines()[0])
    if isinstance(done, Plan):
        return OK
    for entry in done.failed:
        click.echo(f"  {entry.path}: {entry.error or entry.reason}", err=True)
    if done.failed and not json_:
        click.echo("Run the same command again: it does what is missing.", err=True)
    return FAILED if done.failed else OK


def _row(one: Any) -> dict[str, Any]:
    import attrs

    fields = {field.name: getattr(one, field.name) for field in attrs.fields(type(one))}
    return {
        name: str(value) if isinstance(value, Exception) else value
        for name, value in fields.items()
        if name not in ("work", "file", "left")
    }


@click.command()
@click.argument("path", shell_complete=complete)
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@dry_run
@as_json
@click.pass_context
def rm(ctx: click.Context, path: str, yes: bool, dry_run: bool, json_: bool) -> int:
    """Delete PATH and all below it: a subject, session, condition, trial or file. Shows what goes, and asks."""
    thing = find(connect(ctx), path)
    kind = kind_of(thing)
    if kind in ("project", "collection"):
        raise click.UsageError(
            "PATH is a subject, session, condition, trial or file; nothing above is deleted here"
        )
    delete = thing.delete_clips if kind == "condition" else thing.delete
    doomed = delete(dry_run=True)
    rows = [{"type": noun_of(kind_of(one)), "id": one.id, "name": one.name} for one in doomed]
    counts = Counter(row["type"] for row in rows)
    what = ", ".join(text.plural(count, noun) for noun, count in counts.items()) or "nothing"
    if dry_run:
        if json_:
            print_json(rows)
        else:
            click.echo(f"would delete {what}")
            click.echo("\n".join(f"  {row['type']} {text.shown(row['name'])}" for row in rows))
        return OK
    if not doomed:
        click.echo(f"nothing to delete in {path}", err=True)
        return OK
    if not yes and not click.confirm(f"Delete {what} at {path}, for good?", err=True):
        click.echo("nothing was deleted", err=True)
        return FAILED
    delete()
    if json_:
        print_json(rows)
    else:
        click.echo(f"deleted {what}")
    return OK
