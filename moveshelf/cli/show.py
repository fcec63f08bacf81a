"""What the commands show: by `rich` on a terminal, in plain columns with a tab between them where a script reads.

`rich` is imported when something is drawn, or ahead of it while the service's response is awaited.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

import click

from . import text

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text
    from rich.tree import Tree

    from ..client import Moveshelf

Row = Sequence[Any]
#: Columns of a table that does not go to a terminal: as wide as it needs to be.
_UNLIMITED = 1_000_000
#: Blanks between two columns.
_GAP = 2
#: Fewer columns than these are no room for a text that goes over several lines.
_SLIVER = 24
#: How often it is looked whether a request is on its way, before `rich` is imported all the same.
_LOOKS = 1000
#: Colours of the words that the service has for how far an upload is, and of what a plan or a result says.
_COLOURS = {
    "Complete": "green",
    "Processing": "yellow",
    "Pending": "yellow",
    "Failed": "red",
    "done": "green",
    "download": "green",
    "upload": "green",
    "import": "green",
    "failed": "red",
    "delete": "red",
    "stopped": "yellow",
    "skip": "dim",
    "skipped": "dim",
}
#: What JSON leaves as it is although it acts on a terminal.
_ACTS_IN_JSON = re.compile("[\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def is_terminal() -> bool:
    """Whether people read what is printed: standard output is a terminal."""
    try:
        return sys.stdout is not None and sys.stdout.isatty()
    except ValueError:  # closed
        return False


def has_colours() -> bool:
    """Whether what is printed may have colours: on a terminal, unless NO_COLOR says otherwise."""
    return is_terminal() and not os.environ.get("NO_COLOR")


def prepare(client: Moveshelf) -> None:
    """Import `rich` in a thread where something is going to be drawn, while the client's first response is awaited."""
    if is_terminal():
        threading.Thread(target=_import_rich, args=(client,), daemon=True).start()


def _import_rich(client: Moveshelf) -> None:
    # not before the request is on its way: what sends it is still being imported, and would have to wait
    for _ in range(_LOOKS):
        if client.stats.requests:
            break
        time.sleep(0.002)
    with suppress(ImportError):
        import rich.console
        import rich.table
        import rich.tree  # noqa: F401


# to standard output and standard error --------------------------------------------------------------------------------
def out(line: str, *, styled: bool = False) -> None:
    """A line, or lines, on standard output. When its reader has left (`| head`), nothing more is printed."""
    try:
        click.echo(line, color=True if styled else None)
    except BrokenPipeError:
        drop(sys.stdout)


def err(line: str) -> None:
    """A line, or lines, on standard error, without what acts on a terminal."""
    try:
        click.echo(text.clean(line, lines=True), err=True)
    except BrokenPipeError:
        drop(sys.stderr)


def drop(stream: Any) -> None:
    """Let what is still to be written to a stream vanish: its reader has left, and closing it must not fail."""
    try:
        number = stream.fileno()
    except (AttributeError, OSError, ValueError):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, number)
    finally:
        os.close(nowhere)


def as_json(value: Any) -> None:
    """JSON on standard output, as its encoding can take it; what acts on a terminal is escaped, as JSON has it."""
    import json

    whole = json.dumps(value, ensure_ascii=not text.has_signs(), indent=2)
    out(_ACTS_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", whole))


# tables and trees -----------------------------------------------------------------------------------------------------
def listing(head: Sequence[str], rows: Sequence[Row], colour: int | None = None) -> None:
    """Print a table: drawn on a terminal; elsewhere a line of headings, then a line a row, with tabs between the columns.

    `colour`: the column whose words have colours.
    """
    if is_terminal():
        table(head, rows, colour)
        return
    lines = [list(head), *([text.shown(value) for value in row] for row in rows)]
    out("\n".join("\t".join(line) for line in lines))


def table(head: Sequence[str], rows: Sequence[Row], colour: int | None = None) -> None:
    """Print a table that `rich` draws; numbers to the right. Nothing is cut off.

    Where its columns do not fit beside each other, a row is a name and below it a line a column.
    """
    from rich.cells import cell_len

    to = console()
    cells = [[text.shown(value) for value in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(head, *cells, strict=True)]
    widest = widths.index(max(widths))
    # the widest column may go over several lines, as long as they are not slivers
    left = to.width - sum(widths) + widths[widest] - _GAP * (len(head) - 1)
    if left < min(widths[widest], _SLIVER):
        _print(to, _stacked(head, cells, colour))
        return
    numbers = [
        name == "size"
        or (bool(rows) and all(isinstance(row[at], (int, float)) or row[at] is None for row in rows))
        for at, name in enumerate(head)
    ]
    _print(to, _drawn(head, cells, numbers, widest, colour))


def _drawn(
    head: Sequence[str], cells: list[list[str]], numbers: list[bool], widest: int, colour: int | None
) -> Table:
    from rich.box import Box
    from rich.table import Table
    from rich.text import Text

    line = "──" if text.has_signs() else "--"
    box = Box("    \n" * 2 + f" {line} \n" + "    \n" * 5, ascii=not text.has_signs())
    drawn = Table(box=box, show_edge=False, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    for at, name in enumerate(head):
        justify: Literal["left", "right"] = "right" if numbers[at] else "left"
        drawn.add_column(Text(name), justify=justify, overflow="fold", no_wrap=at != widest)
    for row in cells:
        drawn.add_row(*(Text(cell, style=_style(at, cell, colour)) for at, cell in enumerate(row)))
    return drawn


def _stacked(head: Sequence[str], cells: list[list[str]], colour: int | None) -> Table:
    from rich.table import Table
    from rich.text import Text

    stack = Table.grid()
    stack.add_column(overflow="fold")
    for row in cells:
        stack.add_row(Text(row[0], style=_style(0, row[0], colour)))
        lines = Table.grid(padding=(0, 2, 0, 0))
        lines.add_column(no_wrap=True)
        lines.add_column(overflow="fold")
        for at, (name, cell) in enumerate(zip(head, row, strict=True)):
            if at and cell:
                lines.add_row(Text(f"  {name}", style="dim"), Text(cell, style=_style(at, cell, colour)))
        if lines.row_count:
            stack.add_row(lines)
    return stack


def _style(at: int, cell: str, colour: int | None) -> str:
    return _COLOURS.get(cell, "") if at == colour else "cyan" if at == 0 else ""


def facts(rows: Sequence[tuple[int, str, Any]]) -> None:
    """Print names and values in two columns, each name so many levels deep below the one before it."""
    if not is_terminal():
        out(
            "\n".join(f"{'  ' * depth}{text.clean(name)}\t{text.shown(value)}" for depth, name, value in rows)
        )
        return
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(overflow="fold", max_width=max(12, console().width // 2))
    grid.add_column(overflow="fold")
    for depth, name, value in rows:
        label = Text("  " * depth + text.clean(name), style="cyan")
        grid.add_row(label, Text(text.shown(value), style=_COLOURS.get(text.shown(value), "")))
    _print(console(), grid)


Branch = tuple[str, str, Sequence[Any]]
"""A name, what is said of it, and the branches below it."""


def tree(name: str, below: Sequence[Branch]) -> None:
    """Print a tree that `rich` draws, with ASCII lines where the encoding has no others."""
    from rich.tree import Tree

    root = Tree(_label(name, "", bold=True), guide_style="dim", highlight=False)
    _grow(root, below)
    _print(console(), root)


def _grow(node: Tree, below: Sequence[Branch]) -> None:
    for name, said, deeper in below:
        _grow(node.add(_label(name, said, bold=bool(deeper))), deeper)


def _label(name: str, said: str, *, bold: bool) -> Text:
    from rich.text import Text

    label = Text(text.clean(name), style="bold" if bold else "", overflow="fold")
    if said:
        label.append(f" {said}", style="not bold dim")
    return label


def console() -> Console:
    """The console of standard output as it is now: no colours with NO_COLOR or where no terminal is."""
    from rich.console import Console

    seen = is_terminal()
    return Console(
        color_system="auto" if has_colours() else None,
        force_terminal=seen,
        force_jupyter=False,
        width=None if seen else _UNLIMITED,
        highlight=False,
        markup=False,
        emoji=False,
    )


def _print(to: Console, drawn: RenderableType) -> None:
    with to.capture() as captured:
        to.print(drawn)
    lines: Iterable[str] = captured.get().splitlines()
    out("\n".join(line.rstrip() for line in lines), styled=to.color_system is not None)
