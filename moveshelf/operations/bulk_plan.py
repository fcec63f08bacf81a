"""What a bulk write is going to do, and what it did: one line a row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import attrs

from ..display import plan_html, printable
from ..errors import MoveshelfError, fresh
from ..tables.frame import frame
from ..transfer.result import counts_text
from ..values import brief

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")

#: Lines that a repr shows of the many.
SHOWN = 20
#: Characters of a value that a line shows.
_CHARACTERS = 30
#: Characters that the column of names takes at most; longer names push what follows them to the right.
_WIDEST = 60


@attrs.frozen
class BulkStep:
    """One row of a plan: what is going to happen to it, and why.

    `row`: the row's number (of a file: as the program that wrote it shows it, the heading being row 1; else its position
    from 0). `action`: "create", "update", "unchanged" (all of it is stored already), "keep" (something else is stored, and
    stays) or "failed" (it cannot be carried out, for the `reason`; the others can). `changed`: what will be stored, in plain
    form (None: removed; a session's day is `(date)`); `before`: what is stored there now.
    """

    row: int
    name: str
    action: str
    reason: str = ""
    changed: Mapping[str, Any] = attrs.field(factory=dict, hash=False)
    before: Mapping[str, Any] = attrs.field(factory=dict, hash=False)
    error: Exception | None = attrs.field(default=None, repr=False, eq=False)


@attrs.frozen
class BulkEntry(Generic[T]):
    """One row of a result. `status`: "created", "updated", "unchanged", "kept" or "failed".

    `object`: the object on the service, where there is one (of a failed row too: a subject that was created, and whose
    metadata was not written); `changed`, `before`: what is stored now and what was stored, in plain form; `kept`: what was
    given and is as it was; `error`: the exception of a failed one.
    """

    row: int
    name: str
    status: str
    reason: str = ""
    object: T | None = attrs.field(default=None, repr=False, eq=False)
    changed: Mapping[str, Any] = attrs.field(factory=dict, hash=False)
    before: Mapping[str, Any] = attrs.field(factory=dict, hash=False)
    kept: Mapping[str, Any] = attrs.field(factory=dict, hash=False)
    error: Exception | None = attrs.field(default=None, repr=False, eq=False)


class BulkPlan(Sequence[BulkStep]):
    """What a bulk write would do, row by row: what `dry_run=True` returns. Nothing was written for it.

    `notes` say what holds for all rows, such as columns that are not imported.
    """

    def __init__(self, steps: Iterable[BulkStep], title: str, notes: Iterable[str] = ()) -> None:
        self.steps = list(steps)
        self.title = title
        self.notes = list(notes)

    @overload
    def __getitem__(self, index: int) -> BulkStep: ...
    @overload
    def __getitem__(self, index: slice) -> list[BulkStep]: ...
    def __getitem__(self, index: int | slice) -> BulkStep | list[BulkStep]:
        return self.steps[index]

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[BulkStep]:
        return iter(self.steps)

    @property
    def failed(self) -> list[BulkStep]:
        """The rows that cannot be carried out, each with its reason."""
        return [step for step in self.steps if step.action == "failed"]

    def raise_for_errors(self) -> None:
        """Raise why the only failed row cannot be carried out, or a MoveshelfError that lists several."""
        _raise(
            [(step.row, step.name, step.error, step.reason) for step in self.failed], self.title, len(self)
        )

    def to_frame(self) -> pd.DataFrame:
        """A pandas DataFrame, one row a row of the plan: row, name, action, reason, changes. Needs pandas."""
        rows = [
            {
                "row": one.row,
                "name": one.name,
                "action": one.action,
                "reason": one.reason,
                "changes": _changes(one),
            }
            for one in self.steps
        ]
        return frame(rows, ["row", "name", "action", "reason", "changes"])

    def __repr__(self) -> str:
        rows = [(one.action, one.row, one.name, _why(one)) for one in self.steps]
        return _text(f"Plan: {self.title}", rows, "nothing to do", self.notes)

    def _repr_html_(self) -> str:
        rows = [(one.action, one.row, one.name, _changes(one), one.reason) for one in self.steps]
        columns = ("action", "row", "name", "changes", "reason")
        return plan_html(
            f"Plan: {self.title}",
            columns,
            _ordered(rows),
            counts_text(row[0] for row in rows) or "nothing to do",
            self.notes,
        )


class BulkResult(Sequence[BulkEntry[T]], Generic[T]):
    """What a bulk write did: one BulkEntry a row, in the order of the rows. Failures are here, not raised."""

    def __init__(self, entries: Iterable[BulkEntry[T]], title: str, notes: Iterable[str] = ()) -> None:
        self.entries = list(entries)
        self.title = title
        self.notes = list(notes)

    @overload
    def __getitem__(self, index: int) -> BulkEntry[T]: ...
    @overload
    def __getitem__(self, index: slice) -> list[BulkEntry[T]]: ...
    def __getitem__(self, index: int | slice) -> BulkEntry[T] | list[BulkEntry[T]]:
        return self.entries[index]

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[BulkEntry[T]]:
        return iter(self.entries)

    @property
    def objects(self) -> list[T]:
        """The objects of the rows that did not fail, in the order of the rows."""
        return [one.object for one in self.entries if one.object is not None and one.status != "failed"]

    @property
    def created(self) -> list[BulkEntry[T]]:
        """The rows whose object is new."""
        return self._of("created")

    @property
    def updated(self) -> list[BulkEntry[T]]:
        """The rows whose object was there, and was changed."""
        return self._of("updated")

    @property
    def unchanged(self) -> list[BulkEntry[T]]:
        """The rows of which all was stored already."""
        return self._of("unchanged")

    @property
    def kept(self) -> list[BulkEntry[T]]:
        """The rows that say something else than what is stored, which was not to be overwritten; nothing was changed."""
        return self._of("kept")

    @property
    def failed(self) -> list[BulkEntry[T]]:
        """The rows that failed, each with its error. Run the same again: nothing is created twice."""
        return self._of("failed")

    def raise_for_errors(self) -> None:
        """Raise what kept the only failed row, or a MoveshelfError that lists several; nothing where none failed."""
        _raise([(one.row, one.name, one.error, one.reason) for one in self.failed], self.title, len(self))

    def to_frame(self) -> pd.DataFrame:
        """A pandas DataFrame, one row a row of the result: row, name, status, reason, changes, id. Needs pandas."""
        rows = [
            {
                "row": one.row,
                "name": one.name,
                "status": one.status,
                "reason": one.reason,
                "changes": _changes(one),
                "id": getattr(one.object, "id", None),
            }
            for one in self.entries
        ]
        return frame(rows, ["row", "name", "status", "reason", "changes", "id"])

    def _of(self, status: str) -> list[BulkEntry[T]]:
        return [one for one in self.entries if one.status == status]

    def __repr__(self) -> str:
        rows = [(one.status, one.row, one.name, _why(one)) for one in self.entries]
        return _text(self.title, rows, "no rows", self.notes)

    def _repr_html_(self) -> str:
        rows = [(one.status, one.row, one.name, _changes(one), one.reason) for one in self.entries]
        columns = ("status", "row", "name", "changes", "reason")
        return plan_html(
            self.title, columns, _ordered(rows), counts_text(row[0] for row in rows) or "no rows", self.notes
        )


def _raise(failed: Sequence[tuple[int, str, Exception | None, str]], title: str, total: int) -> None:
    if not failed:
        return
    if len(failed) == 1 and failed[0][2] is not None:
        raise fresh(failed[0][2])
    lines = [f"  row {row}, {name}: {error or reason}" for row, name, error, reason in failed[:SHOWN]]
    if len(failed) > SHOWN:
        lines.append(f"  and {len(failed) - SHOWN} more: see .failed")
    raise MoveshelfError(f"{title}: {len(failed)} of {total} rows failed.\n" + "\n".join(lines))


def _why(one: BulkStep | BulkEntry[Any]) -> str:
    return "; ".join(text for text in (_changes(one), one.reason) if text)


def _changes(one: BulkStep | BulkEntry[Any]) -> str:
    """`subject-sex: 'Female' -> 'Male', subject-notes: 'new'`."""
    shown = []
    for key, value in one.changed.items():
        old = one.before.get(key)
        if isinstance(old, Mapping) and all(part is None for part in old.values()):
            old = None
        now = "(removed)" if value is None else brief(value, _CHARACTERS)
        shown.append(f"{key}: {now}" if old is None else f"{key}: {brief(old, _CHARACTERS)} -> {now}")
    return ", ".join(shown)


def _ordered(rows: Sequence[Any]) -> list[Any]:
    """Rows by how much they need a look: failures, what is new, what changes, what stays."""
    ranks = {"failed": 0, "create": 1, "created": 1, "update": 2, "updated": 2, "keep": 3, "kept": 3}
    return sorted(rows, key=lambda row: ranks.get(row[0], 4))


def _text(title: str, rows: Sequence[tuple[str, int, str, str]], none: str, notes: Sequence[str]) -> str:
    # what needs a look comes first, so that it is not in what the repr leaves out
    ordered = _ordered(rows)[:SHOWN]
    words = max((len(row[0]) for row in ordered), default=0)
    names = min(max((len(printable(row[2])) for row in ordered), default=0), _WIDEST)
    numbers = max((len(str(row[1])) for row in ordered), default=0)
    lines = [
        f"  {word:<{words}}  {row:>{numbers}}  {printable(name):<{names}}  "
        f"{' '.join(printable(why).split())[:240]}".rstrip()
        for word, row, name, why in ordered
    ]
    more = [f"  … and {len(rows) - SHOWN} more"] if len(rows) > SHOWN else []
    said = [f"  note: {printable(one)}" for one in notes]
    return "\n".join(
        [f"{printable(title)}: {counts_text(row[0] for row in rows) or none}", *lines, *more, *said]
    )


__all__ = ["BulkEntry", "BulkPlan", "BulkResult", "BulkStep"]
