"""`moveshelf download`, `upload`, `rm`: moving and removing, file by file, to go on with after a stop."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from . import show, text
from .place import complete, connect, connection_options, find
from .read import json_option, kind_of, noun_of
from .run import FAILED, INTERRUPTED, OK

if TYPE_CHECKING:
    from ..transfer.result import Plan, TransferResult

include = click.option(
    "--include",
    multiple=True,
    metavar="PATTERN",
    help="Only such names or paths, as '*.c3d' or 'Barefoot/*'; may be repeated. Exit code 1 where nothing matches.",
)
exclude = click.option(
    "--exclude",
    multiple=True,
    metavar="PATTERN",
    help="Leave out such names or paths; may be repeated, and goes before --include.",
)
dry_run = click.option("--dry-run", is_flag=True, help="Only show what would be done.")
jobs = click.option("--jobs", type=click.IntRange(1), default=16, show_default=True, help="Files at once.")


@contextmanager
def resumable(ctx: click.Context, what: str) -> Iterator[None]:
    """Ctrl-C ends the command with its exit code and says how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        show.err(f"moveshelf: stopped; {what} Run the same command again to go on.")
        ctx.exit(INTERRUPTED)


class Unmatched:
    """A context that notes whether a pattern was warned of that no file fits; the warnings are shown all the same."""

    def __init__(self) -> None:
        self.any = False
        self._caught = warnings.catch_warnings()

    def __enter__(self) -> Unmatched:
        self._caught.__enter__()
        shown = warnings.showwarning

        def note(message: Any, category: type[Warning], *others: Any) -> None:
            self.any = self.any or category.__name__ == "PatternWarning"
            shown(message, category, *others)

        warnings.showwarning = note  # type: ignore[assignment]
        return self

    def __exit__(self, *error: Any) -> None:
        self._caught.__exit__(*error)


@click.command()
@click.argument("path", shell_complete=complete)
@click.argument("dest", type=click.Path())
@include
@exclude
@click.option(
    "--type", "types", multiple=True, metavar="TYPE", help="Only that data type, as motion; may be repeated."
)
@click.option(
    "--existing",
    type=click.Choice(["skip", "overwrite", "replace-different", "error"]),
    default="skip",
    show_default=True,
    help="What to do where a file is there; replace-different compares it with the service's first.",
)
@click.option(
    "--layout",
    metavar="LAYOUT",
    help="Where a file goes in DEST, as 'sub-{subject}/{date}/{trial}_{file}' (else on the path from PATH down).",
)
@dry_run
@jobs
@json_option
@connection_options
@click.pass_context
def download(
    ctx: click.Context,
    path: str,
    dest: str,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    types: tuple[str, ...],
    existing: str,
    layout: str | None,
    dry_run: bool,
    jobs: int,
    json_: bool,
) -> int:
    """Download every file below PATH into folder DEST, on the path from PATH down; verified, resumed when broken off.

    Where PATH is one file, DEST may be the file to write: one that is there, or a name that ends as PATH does.
    """
    found = find(connect(ctx), path)
    options: dict[str, Any] = {"existing": existing, "dry_run": dry_run}
    if kind_of(found) != "file":
        if os.path.exists(dest) and not os.path.isdir(dest):
            raise click.UsageError(
                f"{dest!r} is a file, and PATH is a {noun_of(kind_of(found))}: give a folder"
            )
        options.update(
            include=include or None,
            exclude=exclude or None,
            data_types=types or None,
            layout=layout,
            jobs=jobs,
        )
    elif include or exclude or types or layout:
        raise click.UsageError(
            "PATH is one file: --include, --exclude, --type and --layout have nothing to choose from"
        )
    with resumable(ctx, "what has arrived stays, the rest will be continued."), Unmatched() as unmatched:
        done = found.download(dest, **options)
    code = _report(done, json_) or (FAILED if unmatched.any else OK)
    if done or not (include or exclude or types):
        return code
    chosen = _chosen(include=include, exclude=exclude, type=types)
    show.err(
        f"moveshelf: warning: {chosen} leaves no file of {path}. A pattern is a whole name, as '*.json', or a whole path "
        "from PATH down, as 'Barefoot/*'; `moveshelf ls` shows the names."
    )
    return FAILED


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False))
@click.argument("project", shell_complete=complete)
@click.option(
    "--layout",
    metavar="LAYOUT",
    help="How a path in FOLDER is read, as '{subject}/{session}/{condition}/{file}', or a preset, as vicon.",
)
@include
@exclude
@click.option(
    "--existing",
    type=click.Choice(["skip", "add", "replace-different"]),
    default="skip",
    show_default=True,
    help="What to do with a file whose name the trial has.",
)
@dry_run
@jobs
@json_option
@connection_options
@click.pass_context
def upload(
    ctx: click.Context,
    folder: str,
    project: str,
    layout: str | None,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    existing: str,
    dry_run: bool,
    jobs: int,
    json_: bool,
) -> int:
    """Upload what is missing of FOLDER into PROJECT; makes the subjects, sessions and trials that are missing.

    FOLDER holds subject/session/condition/file, unless --layout says otherwise; --dry-run shows how each path is read.
    """
    target = find(connect(ctx), project)
    if kind_of(target) != "project":
        raise click.UsageError(f"{project!r} is a {noun_of(kind_of(target))}: give the project, org/project")
    options: dict[str, Any] = {"layout": layout} if layout else {}
    with resumable(ctx, "what is finished stays."), Unmatched() as unmatched:
        done = target.upload_tree(
            folder,
            include=include or None,
            exclude=exclude or None,
            existing=existing,
            dry_run=dry_run,
            jobs=jobs,
            **options,
        )
    code = _report(done, json_) or (FAILED if unmatched.any else OK)
    from ..transfer.layout import CONFIG_FILE

    # import files are not chosen by patterns
    if not (include or exclude) or any(not one.path.endswith(CONFIG_FILE) for one in done):
        return code
    show.err(
        f"moveshelf: warning: {_chosen(include=include, exclude=exclude)} leaves no file of {folder}. A pattern is a whole "
        "name, as '*.c3d', or a whole path in FOLDER, as 'P-001/*'."
    )
    return FAILED


def _chosen(**options: tuple[str, ...]) -> str:
    """The options that chose the files, as they were typed."""
    return " ".join(f"--{name} {value!r}" for name, values in options.items() for value in values)


def _report(done: TransferResult | Plan, json_: bool) -> int:
    """Print a plan, or what became of every file that needs a word; the exit code."""
    from ..transfer.result import Plan

    if json_:
        show.as_json([_row(one) for one in done])
    else:
        show.out(text.clean(repr(done).splitlines()[0]))
    if isinstance(done, Plan):
        if done and not json_:
            _print_plan(done)
        return OK
    for entry in done.failed:
        show.err(f"  {entry.path}: {entry.error or entry.reason}")
    for entry in done.left:
        show.err(f"  {entry.path}: the service still lists without its bytes: {', '.join(entry.left)}")
    if done.failed and not json_:
        show.err("Run the same command again: it does what is missing.")
    return FAILED if done.failed else OK


#: What an upload's plan says of how a path was read.
_READ_AS = ("subject", "session", "condition", "trial", "name", "type")


def _print_plan(plan: Plan) -> None:
    """A plan's steps, without the columns that nothing is known for."""
    from ..transfer.result import size_text

    terminal = show.is_terminal()
    head = ["action", "path", "size", "why"]
    rows: list[list[Any]] = [
        [step.action, step.path, size_text(step.size) if terminal else step.size, step.reason]
        for step in plan
    ]
    if any(step.place is not None for step in plan):
        read_as = [[getattr(step.place, name, None) for name in _READ_AS] for step in plan]
        if terminal:  # one column in place of six, of which the widest goes over several lines
            head.insert(2, "read as")
            for row, way in zip(rows, read_as, strict=True):
                row.insert(2, " / ".join(one for one in way[:-1] if one))
        else:
            head += _READ_AS
            rows = [[*row, *way] for row, way in zip(rows, read_as, strict=True)]
    used = [i for i in range(len(head)) if any(row[i] not in (None, "") for row in rows)]
    show.listing([head[i] for i in used], [[row[i] for i in used] for row in rows], colour=0)


def _row(one: Any) -> dict[str, Any]:
    """A step of a plan, or an entry of a result, as JSON."""
    import attrs

    left_out = ("work", "file", "place") if getattr(one, "left", None) else ("work", "file", "place", "left")
    names = [field.name for field in attrs.fields(type(one)) if field.name not in left_out]
    values = {name: getattr(one, name) for name in names}
    if getattr(one, "place", None) is not None:
        values.update({name: getattr(one.place, name) for name in _READ_AS})
    return {
        name: str(value) if isinstance(value, (Exception, os.PathLike)) else value
        for name, value in values.items()
    }


@click.command()
@click.argument("path", shell_complete=complete)
@click.option("--yes", "-y", is_flag=True, help="Without confirmation.")
@dry_run
@json_option
@connection_options
@click.pass_context
def rm(ctx: click.Context, path: str, yes: bool, dry_run: bool, json_: bool) -> int:
    """Delete PATH and all below it: a subject, session, condition, trial or file. Shows what goes, for confirmation."""
    found = find(connect(ctx), path)
    kind = kind_of(found)
    if kind in ("project", "collection"):
        raise click.UsageError(
            "PATH is a subject, session, condition, trial or file; nothing above is deleted here"
        )
    delete = found.delete_clips if kind == "condition" else found.delete
    doomed = delete(dry_run=True)
    rows = [{"type": noun_of(kind_of(one)), "id": one.id, "name": one.name} for one in doomed]
    counts = Counter(row["type"] for row in rows)
    what = ", ".join(text.plural(count, noun) for noun, count in counts.items()) or "nothing"
    if dry_run:
        if json_:
            show.as_json(rows)
        else:
            show.out(f"would delete {what}")
            if rows:
                show.listing(["type", "name", "id"], [[row["type"], row["name"], row["id"]] for row in rows])
        return OK
    if not doomed:
        show.err(f"nothing to delete in {path}")
        return OK
    if not yes and not click.confirm(f"Delete {what} at {text.clean(path)}, for good?", err=True):
        show.err("nothing was deleted")
        return FAILED
    delete()
    if json_:
        show.as_json(rows)
    else:
        show.out(f"deleted {what}")
    return OK
