"""What a transfer is going to do, and what it did: one line a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import attrs

from ..errors import MoveshelfError, TransferError, fresh
from ..values import drawn

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 20
"""Lines that a repr shows of the many."""


@attrs.define
class Step:
    """One file of a plan: what is going to happen to it, and why. `size` is None where it is not known yet.

    `place` is how its path was read (subject, session, condition, trial, name, type), where it was read at all; `local` is
    the file on this computer: where it goes to, or comes from.
    """

    path: str
    action: str
    size: int | None = None
    reason: str = ""
    work: Any = attrs.field(default=None, repr=False, eq=False)
    place: Any = attrs.field(default=None, eq=False)
    local: Path | None = attrs.field(default=None, repr=False, eq=False)

    @property
    def idle(self) -> bool:
        """Whether nothing is to be done for it."""
        return self.action == "skip"


@attrs.define
class Entry:
    """One file of a result. `status` is "done", "skipped", "failed" or "stopped" (not reached, or broken off).

    `bytes` went over the network for it in the end, `seconds` is the time from its start to its end. `error` is the
    exception of a failed one, `reason` why it was skipped or what else there is to say, `file` the object on the
    service where there is one, `local` the file on this computer (of a download that did not arrive: where it would be),
    None where it is no file of a path. `left` are the ids of files that the service lists without their bytes because of it.
    """

    path: str
    bytes: int = 0
    seconds: float = 0.0
    status: str = "stopped"
    error: Exception | None = None
    reason: str = ""
    file: Any = attrs.field(default=None, repr=False, eq=False)
    left: tuple[str, ...] = ()
    local: Path | None = attrs.field(default=None, repr=False, eq=False)

    def skip(self, reason: str) -> None:
        self.status, self.reason = "skipped", reason


class Plan(Sequence[Step]):
    """What a transfer would do, file by file: what `dry_run=True` returns. Nothing was sent or written for it."""

    def __init__(self, steps: Iterable[Step], title: str) -> None:
        self.steps = list(steps)
        self.title = title

    @overload
    def __getitem__(self, index: int) -> Step: ...
    @overload
    def __getitem__(self, index: slice) -> list[Step]: ...
    def __getitem__(self, index: int | slice) -> Step | list[Step]:
        return self.steps[index]

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    @property
    def bytes(self) -> int:
        """Bytes to move, as far as they are known."""
        return sum(step.size or 0 for step in self.steps if not step.idle)

    def to_frame(self) -> pd.DataFrame:
        """A pandas DataFrame, a row a file: path, action, size in bytes, reason; for an upload, how the path was read as well
        (subject, session, condition, trial, name, type). Needs pandas."""
        columns = ("path", "action", "size", "reason")
        if not any(step.place is not None for step in self.steps):
            return _frame(self.steps, columns)
        frame = _frame(self.steps, columns)
        for name in ("subject", "session", "condition", "trial", "name", "type"):
            frame[name] = [getattr(step.place, name, None) for step in self.steps]
        return frame

    def __repr__(self) -> str:
        counts = counts_text(step.action for step in self.steps)
        known = f", {size_text(self.bytes)}" if self.bytes else ""
        lines = [f"Plan: {self.title}: {counts or 'nothing to do'}{known}"]
        rows = [(step.action, step.path, size_text(step.size), _why(step)) for step in self.steps]
        return "\n".join([*lines, *_table(rows)])

    def _repr_html_(self) -> str | None:
        return drawn(self)


class TransferResult(Sequence[Entry]):
    """What a transfer did: one Entry a file, in the plan's order. Failures are here, not raised."""

    def __init__(self, entries: Iterable[Entry], title: str, seconds: float = 0.0) -> None:
        self.entries = list(entries)
        self.title = title
        self.seconds = seconds

    @overload
    def __getitem__(self, index: int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> list[Entry]: ...
    def __getitem__(self, index: int | slice) -> Entry | list[Entry]:
        return self.entries[index]

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    @property
    def done(self) -> list[Entry]:
        """Those that were moved, verified."""
        return self._of("done")

    @property
    def skipped(self) -> list[Entry]:
        """Those that nothing was to be done for, each with its reason."""
        return self._of("skipped")

    @property
    def failed(self) -> list[Entry]:
        """Those that failed, each with its error. Run the same again: it does only what is missing."""
        return self._of("failed")

    @property
    def left(self) -> list[Entry]:
        """Those because of which the service lists files without their bytes; each entry's `left` names them."""
        return [entry for entry in self.entries if entry.left]

    @property
    def bytes(self) -> int:
        """Bytes of the files that were moved."""
        return sum(entry.bytes for entry in self.entries)

    def raise_for_errors(self) -> None:
        """Raise what kept the only failed file, or a TransferError that lists several; nothing where none failed."""
        failed = self.failed
        if not failed:
            return
        if len(failed) == 1 and failed[0].error is not None:
            raise fresh(failed[0].error)
        lines = [f"  {entry.path}: {entry.error}" for entry in failed[:SHOWN]]
        if len(failed) > SHOWN:
            lines.append(f"  and {len(failed) - SHOWN} more: see .failed")
        raise TransferError(
            f"{self.title}: {len(failed)} of {len(self)} files failed; run it again for these.\n"
            + "\n".join(lines)
        )

    def to_frame(self) -> pd.DataFrame:
        """A pandas DataFrame, a row a file: path, bytes, seconds, status, error and local (texts), reason. Needs pandas."""
        return _frame(self.entries, ("path", "bytes", "seconds", "status", "error", "reason", "local"))

    def _of(self, status: str) -> list[Entry]:
        return [entry for entry in self.entries if entry.status == status]

    def _rows(self) -> list[tuple[str, str, str, str]]:
        ranks = {"failed": 0, "stopped": 1}
        # what needs a look comes first, so that it is not in what the repr leaves out
        ordered = sorted(self.entries, key=lambda entry: ranks.get(entry.status, 2))
        return [
            (entry.status, entry.path, size_text(entry.bytes), str(entry.error or entry.reason))
            for entry in ordered
        ]

    def _repr_html_(self) -> str | None:
        return drawn(self)

    def __repr__(self) -> str:
        counts = counts_text(entry.status for entry in self.entries)
        head = f"{self.title}: {counts or 'no files'}, {size_text(self.bytes)} in {self.seconds:.1f} s"
        return "\n".join([head, *_table(self._rows())])


def _why(step: Step) -> str:
    """How the path was read, and the reason."""
    if step.place is None:
        return step.reason
    way = [step.place.subject, step.place.session, step.place.condition, step.place.trial]
    read = f"{' / '.join(one for one in way if one)}: {step.place.name} ({step.place.type})"
    return f"{read}; {step.reason}" if step.reason else read


def size_text(size: int | None) -> str:
    """`12.3 MB`, for people; empty where it is unknown."""
    if size is None:
        return ""
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def counts_text(words: Iterable[str]) -> str:
    """How often each word comes, in the order of its first: "3 done, 1 failed"."""
    counts: dict[str, int] = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    return ", ".join(f"{count} {word}" for word, count in counts.items())


def _table(rows: Sequence[tuple[str, str, str, str]]) -> list[str]:
    widths = [max((len(row[column]) for row in rows[:SHOWN]), default=0) for column in range(3)]
    lines = [
        f"  {what:<{widths[0]}}  {path:<{widths[1]}}  {size:>{widths[2]}}  {' '.join(why.split())[:160]}".rstrip()
        for what, path, size, why in rows[:SHOWN]
    ]
    return [*lines, f"  … and {len(rows) - SHOWN} more"] if len(rows) > SHOWN else lines


def _frame(rows: Sequence[Any], columns: Sequence[str]) -> pd.DataFrame:
    try:
        import pandas
    except ImportError:
        raise MoveshelfError("to_frame() needs pandas: pip install 'moveshelf[pandas]'") from None

    def cell(row: Any, column: str) -> Any:
        value = getattr(row, column)
        return str(value) if isinstance(value, (Exception, Path)) else value

    frame: pd.DataFrame = pandas.DataFrame(
        [[cell(row, column) for column in columns] for row in rows], columns=list(columns)
    )
    return frame
