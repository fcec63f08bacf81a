"""`moveshelf import`: a workbook or a CSV file of subjects or sessions into a project."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..errors import ValidationError
from . import show, text
from .bytes import dry_run, resumable
from .place import complete, connect, connection_options, find
from .read import json_option, kind_of, noun_of
from .run import FAILED, OK

if TYPE_CHECKING:
    from ..operations.bulk_plan import BulkPlan, BulkResult


#: Python's arguments in the texts of plans and errors, and what the shell has in their place.
_OPTIONS = {
    "create=True": "--create",
    "ignore=[...]": "--ignore COLUMN",
    "overwrite=False": "--fill",
    "on='ehr_id'": "--on ehr_id",
    "on='name'": "--on name",
    "sheet=": "--sheet ",
    "validate=False": "--no-validate",
}


def _in_shell(said: str) -> str:
    """A text of the library with the shell's words for arguments."""
    for ours, here in _OPTIONS.items():
        said = said.replace(ours, here)
    return text.clean(said)


@click.command("import")
@click.argument("table", type=click.Path(exists=True, dir_okay=False))
@click.argument("project", shell_complete=complete)
@click.option(
    "--on",
    type=click.Choice(["name", "ehr_id"]),
    default="name",
    show_default=True,
    help="The column that says which subject a row is about.",
)
@click.option(
    "--kind",
    type=click.Choice(["subjects", "sessions"]),
    help="What the rows are, where a column subject, session or date does not tell.",
)
@click.option("--create", is_flag=True, help="Create the subjects, or sessions, that are missing.")
@click.option("--fill", is_flag=True, help="Only fill what is empty; what is stored stays.")
@click.option(
    "--no-validate", is_flag=True, help="Write what the template or the service does not take, too."
)
@click.option("--sheet", metavar="SHEET", help="The sheet of a workbook, where not all of them are meant.")
@click.option("--ignore", multiple=True, metavar="COLUMN", help="Leave out that column; may be repeated.")
@dry_run
@json_option
@connection_options
@click.pass_context
def import_(
    ctx: click.Context,
    table: str,
    project: str,
    on: str,
    kind: str | None,
    create: bool,
    fill: bool,
    no_validate: bool,
    sheet: str | None,
    ignore: tuple[str, ...],
    dry_run: bool,
    json_: bool,
) -> int:
    """Write what TABLE (.xlsx, .csv) says of subjects or sessions into PROJECT; empty cells change nothing.

    Columns are the keys or labels of the project's template. --dry-run shows what each row would change.
    """
    target = find(connect(ctx), project)
    if kind_of(target) != "project":
        raise click.UsageError(f"{project!r} is a {noun_of(kind_of(target))}: give the project, org/project")
    try:
        with resumable(ctx, "what is written stays."):
            done = target.import_table(
                table,
                on=on,
                kind=kind,
                create=create,
                overwrite=not fill,
                validate=not no_validate,
                sheet=sheet,
                ignore=ignore,
                dry_run=dry_run,
            )
    except ValidationError as error:
        raise click.UsageError(_in_shell(str(error))) from None
    return _report(done, json_)


def _report(done: BulkPlan | BulkResult[Any], json_: bool) -> int:
    """Print what becomes of each row; the exit code."""
    word = "action" if hasattr(done, "steps") else "status"
    rows = [
        {
            word: getattr(one, word),
            "row": one.row,
            "name": one.name,
            "changed": dict(one.changed),
            "reason": _in_shell(one.reason),
        }
        for one in done
    ]
    if json_:
        show.as_json(rows)
    else:
        show.out(text.clean(repr(done).splitlines()[0]))
        for note in done.notes:
            show.err(f"note: {_in_shell(note)}")
        head = [word, "row", "name", "changed", "why"]
        if rows:
            changes = [", ".join(f"{key}: {value}" for key, value in row["changed"].items()) for row in rows]
            show.listing(
                head,
                [
                    [row[word], row["row"], row["name"], changed, row["reason"]]
                    for row, changed in zip(rows, changes, strict=True)
                ],
                colour=0,
            )
    return FAILED if done.failed else OK
