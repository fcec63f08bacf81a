"""Cohorts: a session before and a session after each dated operation, with the reason of every choice.

Everything here works on records that are handed in; nothing is fetched. `pairs` chooses, `Cohort` holds what was
chosen and what was left out, `summary_tables` compares before with after, and `Cohort.to_excel` writes the tables.
"""

from __future__ import annotations

import calendar
import difflib
import math
import os
import re
import warnings
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Literal, TypeAlias

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from ..errors import AmbiguousError, ValidationError
from ..tables.excel import safe_text, save_workbook, workbook_path
from .content import warn
from .scores import is_whole

__all__ = [
    "Cohort",
    "Intervention",
    "LeftOut",
    "Pair",
    "Procedure",
    "SessionRecord",
    "SubjectRecord",
    "add_months",
    "months_between",
    "pairs",
    "summary_tables",
]

Phase: TypeAlias = Literal["pre", "post"]

#: a date before this one is a slip of the keyboard (`0007-01-12` is found in real metadata)
EARLIEST = date(1900, 1, 1)
LEFT, RIGHT = "left", "right"
BILATERAL = (LEFT, RIGHT)
MEASURES = ("start", "maximum", "minimum", "average", "range of motion")
_SIDES: dict[str, tuple[str, ...]] = {
    "left": (LEFT,),
    "l": (LEFT,),
    "right": (RIGHT,),
    "r": (RIGHT,),
    "both": BILATERAL,
    "bilateral": BILATERAL,
    "bilaterally": BILATERAL,
    "left and right": BILATERAL,
    "right and left": BILATERAL,
    "left/right": BILATERAL,
    "both sides": BILATERAL,
}
_DATE = re.compile(r"\s*(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ].*)?\s*", re.DOTALL)


def possible_date(value: object) -> date | None:
    """The day that `value` tells: a date, a datetime, or text that begins with YYYY-MM-DD.

    None where it tells no day, or one that cannot be right (before 1900, 30 February).
    """
    if isinstance(value, datetime):  # a pandas.Timestamp, too
        return None if pd.isna(value) or value.date() < EARLIEST else value.date()
    if isinstance(value, date):
        return value if value >= EARLIEST else None
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else possible_date(str(value))
    found = _DATE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    try:
        day = date(*(int(part) for part in found.groups()))
    except ValueError:
        return None
    return day if day >= EARLIEST else None


def add_months(day: date, months: int) -> date:
    """The same day of the month, `months` later (earlier, where negative).

    Where that month is too short, its last day: a month after 31 January is 28 or 29 February. Beyond what a date can
    hold, the first or last date there is.
    """
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    if year < date.min.year:
        return date.min
    if year > date.max.year:
        return date.max
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def months_between(start: date, end: date) -> int:
    """Whole calendar months from `start` to `end`, counted from `start`; negative where `end` is before it.

    `add_months(start, n)` with the n that is returned does not go beyond `end`, a month more would.
    """
    months = (end.year - start.year) * 12 + end.month - start.month
    if end >= start:
        return months - (add_months(start, months) > end)
    return months + (add_months(start, months) < end)


def _plain(value: object) -> str:
    """The text of a metadata value, which may be `{"value": ...}`; a list's texts are joined."""
    if isinstance(value, Mapping):
        return _plain(value.get("value"))
    if isinstance(value, (list, tuple)):
        return " and ".join(text for text in map(_plain, value) if text)
    return "" if value is None else " ".join(str(value).split())


def _sides_of(text: str) -> tuple[str, ...]:
    """("left",), ("right",), ("left", "right"), or () where the text tells no side."""
    return _SIDES.get(text.casefold(), ())


@attrs.frozen
class Procedure:
    """One procedure of an operation, as the subject's metadata tells it; a part that is not told is "".

    `sides` is ("left",), ("right",), ("left", "right"), or () where `side` tells none.
    """

    location: str = ""
    procedure: str = ""
    side: str = ""
    location_modifier: str = ""
    procedure_modifier: str = ""

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Procedure:
        """From one entry of an intervention's `procedures`."""
        return cls(
            location=_plain(raw.get("location")),
            procedure=_plain(raw.get("procedure")),
            side=_plain(raw.get("side")),
            location_modifier=_plain(raw.get("location-modifier")),
            procedure_modifier=_plain(raw.get("procedure-modifier")),
        )

    @property
    def sides(self) -> tuple[str, ...]:
        return _sides_of(self.side)

    @property
    def text(self) -> str:
        """ "Hamstrings/Lengthening": location and procedure, as `pairs` takes them."""
        return "/".join(part for part in (self.location, self.procedure) if part)

    def matches(self, text: str) -> bool:
        """Whether `text` names this procedure.

        Its parts, between slashes, are each the location, the procedure or one of the modifiers, in any order and
        each another one: "Hamstrings/Lengthening", "lengthening/hamstrings", "Hamstrings", "Femur/Osteotomy/Distal".
        Capitals and blanks do not count. A part must be the whole word: "Hamstring" is not "Hamstrings".
        """
        told = (self.location, self.procedure, self.location_modifier, self.procedure_modifier)
        words = [_folded(word) for word in told if word]
        if _folded(text) in words:
            return True
        for part in text.split("/"):
            if _folded(part) not in words:
                return False
            words.remove(_folded(part))
        return True


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()


@attrs.frozen
class Intervention:
    """One operation: its day (None where `told`, the text in the metadata, tells none that can be right)."""

    day: date | None
    procedures: tuple[Procedure, ...] = ()
    told: str = ""
    site: str = ""
    surgeon: str = attrs.field(default="", repr=False)

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Intervention:
        """From one entry of a subject's `interventions`; what is not there or of another shape counts as not told."""
        told = raw.get("date")
        entries = raw.get("procedures")
        entries = entries if isinstance(entries, (list, tuple)) else []
        return cls(
            day=possible_date(told if isinstance(told, (date, np.datetime64)) else _plain(told)),
            procedures=tuple(Procedure.of(one) for one in entries if isinstance(one, Mapping)),
            told=_plain(told),
            site=_plain(raw.get("site")),
            surgeon=_plain(raw.get("surgeon")),
        )

    @property
    def text(self) -> str:
        """Its procedures with their sides: "Hamstrings/Lengthening (left, right), Femur/Osteotomy (left)"."""
        found = dict.fromkeys(
            f"{one.text or 'unnamed'} ({', '.join(one.sides) or 'no side'})" for one in self.procedures
        )
        return ", ".join(found) or "no procedure"


def _interventions(value: Iterable[Mapping[str, Any] | Intervention] | None) -> tuple[Intervention, ...]:
    entries = [] if value is None else list(value)
    return tuple(
        one if isinstance(one, Intervention) else Intervention.of(one)
        for one in entries
        if isinstance(one, (Intervention, Mapping))
    )


@attrs.frozen
class SessionRecord:
    """One session: `day` is None where it has no date that can be right (`told` is what it has)."""

    id: str
    name: str
    day: date | None = attrs.field(converter=possible_date)
    told: str = ""

    @classmethod
    def of(cls, id: str, name: str, when: object) -> SessionRecord:
        """With a date of any kind: date, datetime, text of the service, None."""
        return cls(id, name, possible_date(when), _plain(when))


@attrs.frozen
class SubjectRecord:
    """One subject: its interventions (as the metadata has them, or as records) and its sessions."""

    id: str
    name: str
    interventions: tuple[Intervention, ...] = attrs.field(default=(), converter=_interventions)
    sessions: tuple[SessionRecord, ...] = attrs.field(default=(), converter=tuple)


@attrs.frozen
class Pair:
    """The sessions before and after one operation.

    `sides` are the sides of the procedures that were looked for: ("left",), ("right",) or ("left", "right").
    `intervention` is all that was done on that day. `why` explains each choice in words.
    """

    subject: SubjectRecord = attrs.field(repr=lambda subject: repr(subject.name))
    intervention: Intervention
    sides: tuple[str, ...]
    pre: SessionRecord
    post: SessionRecord
    why: str

    @property
    def day(self) -> date:
        """The operation's day."""
        assert self.intervention.day is not None
        return self.intervention.day

    def session(self, phase: Phase) -> SessionRecord:
        return self.pre if phase == "pre" else self.post


@attrs.frozen
class LeftOut:
    """What is in no pair and why: a whole subject, one of its interventions, or one of its sessions."""

    subject: str
    subject_id: str
    what: Literal["subject", "intervention", "session"]
    name: str
    why: str
    session_id: str | None = None


@attrs.frozen
class Cohort:
    """Pairs of sessions before and after an operation, and all that was left out, with the reasons.

    Example:
        >>> found = cohort.pairs(records, "Hamstrings/Lengthening", before=(0, 24), after=(9, 36))
        >>> found.to_frame()[["subject", "intervention", "pre_date", "post_date", "why"]]
        >>> [one.why for one in found.left_out if one.what == "subject"]
    """

    pairs: tuple[Pair, ...]
    left_out: tuple[LeftOut, ...] = attrs.field(repr=lambda found: f"<{len(found)}>")

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def session_ids(self) -> list[str]:
        """The sessions of all pairs, each once, in order."""
        return list(dict.fromkeys(one.id for pair in self.pairs for one in (pair.pre, pair.post)))

    def phases(self, session_id: str) -> list[tuple[Pair, Phase]]:
        """The pairs that the session is in, and what it is in each. [] where it is in none.

        A session between two operations is "post" of the first and may be "pre" of the second.
        """
        found: list[tuple[Pair, Phase]] = []
        for pair in self.pairs:
            if pair.pre.id == session_id:
                found.append((pair, "pre"))
            if pair.post.id == session_id:
                found.append((pair, "post"))
        return found

    def phase_of(self, session_id: str, side: str | None = None) -> Phase | None:
        """ "pre", "post", or None for a session of no pair.

        Args:
            session_id: the session's id.
            side: "left" or "right" counts only the operations on that side.

        Raises:
            AmbiguousError: the session is after one operation and before another one; the text says which.
        """
        found = [
            (pair, phase) for pair, phase in self.phases(session_id) if side is None or side in pair.sides
        ]
        told = {phase for _, phase in found}
        if len(told) > 1:
            each = "; ".join(f"{phase} of {pair.day} ({', '.join(pair.sides)})" for pair, phase in found)
            raise AmbiguousError(
                f"session {session_id} has two phases: {each}. Name a side, or take `phases(session_id)`"
            )
        return told.pop() if told else None

    def to_frame(self) -> pd.DataFrame:
        """One row a pair.

        Columns: subject, subject_id, intervention (its day), procedures, sides, pre_session, pre_session_id, pre_date,
        months_before (whole calendar months), post_session, post_session_id, post_date, months_after, why.
        """
        rows = [
            {
                "subject": pair.subject.name,
                "subject_id": pair.subject.id,
                "intervention": pair.day,
                "procedures": pair.intervention.text,
                "sides": ", ".join(pair.sides),
                "pre_session": pair.pre.name,
                "pre_session_id": pair.pre.id,
                "pre_date": pair.pre.day,
                "months_before": -months_between(pair.day, pair.pre.day or pair.day),
                "post_session": pair.post.name,
                "post_session_id": pair.post.id,
                "post_date": pair.post.day,
                "months_after": months_between(pair.day, pair.post.day or pair.day),
                "why": pair.why,
            }
            for pair in self.pairs
        ]
        made: pd.DataFrame = pd.DataFrame(rows, columns=list(_PAIR_COLUMNS))
        return made

    def left_out_frame(self) -> pd.DataFrame:
        """One row for each subject, intervention and session that is in no pair: subject, what, name, why, ids."""
        columns = [field.name for field in attrs.fields(LeftOut)]
        made: pd.DataFrame = pd.DataFrame([attrs.asdict(one) for one in self.left_out], columns=columns)
        return made

    def select(self, curves: xr.DataArray) -> xr.DataArray:
        """The strides of the pairs' sessions, with new coordinates on `stride`.

        `phase` ("pre" or "post"), `intervention` (the operation's day, YYYY-MM-DD) and `operated` (whether the
        stride's side is one that was operated on). A stride whose session is in two pairs comes twice. Sessions are
        found by the coordinate `session_id` where there is one, else by `subject`, `session` and `date`.

        Raises:
            ValidationError: the coordinates that identify a session are missing.
            AmbiguousError: names and date fit two sessions of the cohort.
        """
        table = pd.DataFrame(
            {
                name: curves.coords[name].values
                for name in ("session_id", "subject", "session", "date", "side")
                if name in curves.coords and curves.coords[name].dims == ("stride",)
            },
            index=range(curves.sizes["stride"]),
        )
        chosen = self._chosen(table)
        found: xr.DataArray = curves.isel(stride=[row for row, _, _ in chosen])
        sides = table["side"] if "side" in table else pd.Series([""] * len(table))
        # the pair knows whose it is, which curves read elsewhere may not tell
        whose = [pair.subject for _, pair, _ in chosen]
        found = found.assign_coords(
            subject=("stride", np.array([one.name for one in whose], dtype=np.str_)),
            subject_id=("stride", np.array([one.id for one in whose], dtype=np.str_)),
            phase=("stride", np.array([phase for _, _, phase in chosen], dtype=object)),
            intervention=("stride", np.array([pair.day.isoformat() for _, pair, _ in chosen], dtype=object)),
            operated=("stride", np.array([sides[row] in pair.sides for row, pair, _ in chosen], dtype=bool)),
        )
        return found

    def select_rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows of the pairs' sessions with the columns `phase`, `intervention` and `operated`, as `select` does.

        A row without a side (cadence, speed) is `operated` where any side was.
        """
        chosen = self._chosen(table.reset_index(drop=True))
        found: pd.DataFrame = table.iloc[[row for row, _, _ in chosen]].reset_index(drop=True)
        sides = [table["side"].iloc[row] if "side" in table else None for row, _, _ in chosen]
        found["subject_id"] = [pair.subject.id for _, pair, _ in chosen]
        found["phase"] = [phase for _, _, phase in chosen]
        found["intervention"] = [pair.day.isoformat() for _, pair, _ in chosen]
        found["operated"] = [
            side in pair.sides if side in BILATERAL else bool(pair.sides)
            for side, (_, pair, _) in zip(sides, chosen, strict=True)
        ]
        return found

    def _chosen(self, table: pd.DataFrame) -> list[tuple[int, Pair, Phase]]:
        """Row number, pair and phase of each row whose session is in a pair."""
        by_id: dict[str, list[tuple[Pair, Phase]]] = {one: self.phases(one) for one in self.session_ids}
        if "session_id" in table:
            ids: list[str | None] = [str(one) for one in table["session_id"]]
        else:
            missing = [name for name in ("subject", "session") if name not in table]
            if missing:
                raise ValidationError(
                    f"sessions are told by `session_id`, or by `subject` and `session`; {', '.join(missing)} is missing"
                )
            ids = self._ids_by_name(table)
        return [(row, pair, phase) for row, one in enumerate(ids) for pair, phase in by_id.get(one or "", [])]

    def _ids_by_name(self, table: pd.DataFrame) -> list[str | None]:
        dated = "date" in table
        known: dict[Hashable, set[str]] = {}
        for pair in self.pairs:
            for one in (pair.pre, pair.post):
                known.setdefault((pair.subject.name, one.name, one.day if dated else None), set()).add(one.id)
        ids: list[str | None] = []
        for row in range(len(table)):
            subject, session = str(table["subject"].iloc[row]), str(table["session"].iloc[row])
            day = possible_date(_item(table["date"].iloc[row])) if dated else None
            found = known.get((subject, session, day), set())
            if len(found) > 1:
                raise AmbiguousError(
                    f"{len(found)} sessions of the cohort are {session!r} of {subject!r}: {', '.join(sorted(found))}. "
                    "Add a coordinate `session_id`"
                )
            ids.append(next(iter(found), None))
        return ids

    def to_excel(
        self,
        path: str | os.PathLike[str],
        curves: xr.DataArray | None = None,
        parameters: pd.DataFrame | None = None,
    ) -> None:
        """Write the two tables of `summary_tables` as the sheets "Curves" and "Parameters" of a workbook.

        A header row that stays in view, filters, widths that fit, numbers that show two decimals and dates as dates. Text
        that begins with "=" stays text; control characters are written as signs, with a warning. An existing file is
        replaced once the new one is whole. Raises ValidationError for a name that does not end in .xlsx.

        Example:
            >>> found.to_excel("before and after.xlsx", curves, parameters)
        """
        tables = summary_tables(self, curves, parameters)
        _write_excel(path, dict(zip(("Curves", "Parameters"), tables, strict=True)))


_PAIR_COLUMNS = (
    "subject",
    "subject_id",
    "intervention",
    "procedures",
    "sides",
    "pre_session",
    "pre_session_id",
    "pre_date",
    "months_before",
    "post_session",
    "post_session_id",
    "post_date",
    "months_after",
    "why",
)


def pairs(
    subjects: Iterable[SubjectRecord],
    procedure: str | Callable[[Procedure], bool] | None = None,
    before: tuple[int, int] = (0, 24),
    after: tuple[int, int] = (9, 36),
    *,
    between: Literal["exclude", "report"] = "exclude",
) -> Cohort:
    """For each operation with the procedure, the session before it and the session after it that are closest to it.

    Args:
        subjects: the subjects with their interventions and sessions.
        procedure: which operations. Text is location and procedure, "Hamstrings/Lengthening" or
            "Lengthening/Hamstrings" (see `Procedure.matches`); a callable is handed each `Procedure`; None takes every
            dated operation.
        before: the window of the session before, as months before the operation, (nearest, furthest), ends included.
        after: the window of the session after, as months after the operation. Months are counted by the calendar:
            nine months after 31 May is 28 or 29 February. A session on the operation's own day is before it.
        between: another operation of the subject, of any kind, between the two sessions makes what was measured not
            comparable. "exclude" chooses only sessions with no other operation between them and the operation;
            "report" chooses the closest ones and says in `why` what lies between.

    Returns:
        A `Cohort`. Interventions of one day are one operation. Each operation of a subject makes a pair of its own, so
        that a subject whose sides were operated on at different times is there twice, each time with its side. A
        procedure without a side counts for left and right, which `why` says. Every subject, operation and session that
        is in no pair is in `left_out`, with the reason.

    Raises:
        ValidationError: a window is not two whole numbers in order, or no procedure of any subject has the name; the
            text names close matches.

    Warns (UserWarning) where other procedures are spelled nearly like `procedure` ("Hamstring/Lengthening").

    Example:
        >>> found = pairs(records, "Hamstrings/Lengthening")
        >>> found.pairs[0].why
        '2023-05-02 Hamstrings/Lengthening (left, right). Before: 2023-01-20 "Gait", 3 months, the closest of 2. ...'
    """
    before, after = _window("before", before), _window("after", after)
    if between not in ("exclude", "report"):
        raise ValidationError(f'between is "exclude" or "report", not {between!r}')
    subjects = list(subjects)
    matches = _matcher(procedure, subjects)
    chosen: list[Pair] = []
    left_out: list[LeftOut] = []
    for subject in subjects:
        own = _Choice(subject, matches, before, after, between == "exclude")
        own.choose()
        chosen += own.pairs
        left_out += own.left_out
    return Cohort(tuple(chosen), tuple(left_out))


def _window(name: str, window: tuple[int, int]) -> tuple[int, int]:
    try:
        low, high = window
        good = low == int(low) and high == int(high) and 0 <= low <= high
    except (TypeError, ValueError, OverflowError):
        good = False
    if not good:
        raise ValidationError(f"{name} is two whole numbers of months, the nearer one first, not {window!r}")
    return int(low), int(high)


def _matcher(
    procedure: str | Callable[[Procedure], bool] | None, subjects: Sequence[SubjectRecord]
) -> Callable[[Procedure], bool] | None:
    if procedure is None or not isinstance(procedure, str):
        if procedure is not None and not callable(procedure):
            raise ValidationError(f"procedure is a text, a callable or None, not {procedure!r}")
        return procedure
    text = procedure.strip()
    if not text.strip("/ "):
        raise ValidationError(f"procedure is empty: {procedure!r}. None takes every operation")
    known: dict[Procedure, int] = {}
    for subject in subjects:
        for intervention in subject.interventions:
            for one in intervention.procedures:
                known[one] = known.get(one, 0) + 1
    near = _near(text, known)
    if known and not any(one.matches(text) for one in known):
        names = sorted({one.text for one in known if one.text})
        hint = f"Close: {', '.join(near)}" if near else f"There are: {', '.join(names[:20])}"
        raise ValidationError(f"no procedure is {procedure!r}. {hint}")
    if near:
        warn(f"procedures spelled nearly like {procedure!r} were not taken: {', '.join(near)}", UserWarning)
    return lambda one: one.matches(text)


def _near(text: str, known: Mapping[Procedure, int]) -> list[str]:
    """Procedures that do not match but are spelled nearly so, with how often they occur."""
    parts = sorted(_folded(part) for part in text.split("/"))
    found: dict[str, int] = {}
    for one, count in known.items():
        words = [_folded(word) for word in (one.location, one.procedure) if word]
        if one.matches(text) or len(words) < len(parts):
            continue
        close = [difflib.get_close_matches(part, words, n=1, cutoff=0.85) for part in parts]
        if all(close) and len({match[0] for match in close}) == len(parts):
            found[one.text] = found.get(one.text, 0) + count
    return [f"{name} ({count})" for name, count in sorted(found.items())]


def _apart(day: date, other: date) -> str:
    """How far from the operation's day, in words: "14 months", or "3 days" within a month."""
    months = abs(months_between(day, other))
    count, unit = (months, "month") if months else (abs((other - day).days), "day")
    return f"{count} {unit}{'' if count == 1 else 's'}"


class _Choice:
    """The pairs of one subject, and what of it is left out."""

    def __init__(
        self,
        subject: SubjectRecord,
        matches: Callable[[Procedure], bool] | None,
        before: tuple[int, int],
        after: tuple[int, int],
        exclude: bool,
    ) -> None:
        self.subject = subject
        self.matches = matches
        self.windows: dict[Phase, tuple[int, int]] = {"pre": before, "post": after}
        self.exclude = exclude
        self.pairs: list[Pair] = []
        self.left_out: list[LeftOut] = []
        #: for each session, what was said of it in each choice it was not chosen in
        self.said: dict[str, list[str]] = {}
        days: dict[date, list[Intervention]] = {}
        for one in subject.interventions:
            if one.day is not None:
                days.setdefault(one.day, []).append(one)
        #: what was done on one day is one operation
        self.operations = [self.merged(days[day]) for day in sorted(days)]

    @staticmethod
    def merged(same_day: list[Intervention]) -> Intervention:
        first = same_day[0]
        procedures = tuple(one for each in same_day for one in each.procedures)
        return attrs.evolve(first, procedures=procedures)

    def leave(
        self, what: Literal["subject", "intervention", "session"], name: str, why: str, id: str | None = None
    ) -> None:
        self.left_out.append(LeftOut(self.subject.name, self.subject.id, what, name, why, id))

    def choose(self) -> None:
        reasons = []
        for one in self.subject.interventions:
            if one.day is None and (self.matches is None or any(map(self.matches, one.procedures))):
                why = f"its date {one.told!r} is not possible" if one.told else "it has no date"
                self.leave("intervention", f"{one.told or 'no date'} {one.text}", why)
                reasons.append(f"the operation {one.text}: {why}")
        wanted = [
            one for one in self.operations if self.matches is None or any(map(self.matches, one.procedures))
        ]
        for one in wanted:
            why_not = self.pair(one)
            if why_not:
                self.leave("intervention", f"{one.day} {one.text}", why_not)
                reasons.append(f"the operation of {one.day}: {why_not}")
        if not self.pairs:
            if not self.subject.interventions:
                reasons = ["it has no intervention"]
            elif not reasons:
                others = ", ".join(
                    f"{one.day or one.told or 'no date'} {one.text}" for one in self.subject.interventions
                )
                reasons = [f"none of its interventions has the procedure ({others})"]
            self.leave("subject", self.subject.name, "; ".join(reasons))
        used = {one.id for pair in self.pairs for one in (pair.pre, pair.post)}
        for session in self.subject.sessions:
            if session.id in used:
                continue
            if session.day is None:
                why = f"its date {session.told!r} is not possible" if session.told else "it has no date"
            else:
                why = (
                    "; ".join(self.said.get(session.id, []))
                    or "its subject has no operation to compare it with"
                )
            self.leave("session", session.name, why, session.id)

    def pair(self, operation: Intervention) -> str:
        """Make the operation's pair. Returns why there is none, or ""."""
        day = operation.day
        assert day is not None
        pre, pre_why = self.session(day, "pre")
        post, post_why = self.session(day, "post")
        if pre is None or post is None:
            missing = [why for one, why in ((pre, pre_why), (post, post_why)) if one is None]
            for one in (pre, post):
                if one is not None:
                    self.said.setdefault(one.id, []).append(
                        f"the operation of {day} has no session to compare it with"
                    )
            return "; ".join(missing)
        sides, side_why = self.sides(operation)
        why = f"{day} {operation.text}. Before: {pre_why}. After: {post_why}."
        inside = [
            one for one in self.operations if one.day and one.day != day and _day(pre) <= one.day < _day(post)
        ]
        if inside:
            why += " Between them: " + "; ".join(f"{one.day} {one.text}" for one in inside) + "."
        self.pairs.append(Pair(self.subject, operation, sides, pre, post, why + side_why))
        return ""

    def sides(self, operation: Intervention) -> tuple[tuple[str, ...], str]:
        found: set[str] = set()
        untold = False
        for one in operation.procedures:
            if self.matches is None or self.matches(one):
                found.update(one.sides)
                untold = untold or not one.sides
        if untold or not found:
            return BILATERAL, "" if found == set(
                BILATERAL
            ) else " A side is not recorded: it counts for left and right."
        return tuple(side for side in BILATERAL if side in found), ""

    def session(self, day: date, phase: Phase) -> tuple[SessionRecord | None, str]:
        """The closest session in the window, and why it, or why none."""
        near, far = self.windows[phase]
        word = "before" if phase == "pre" else "after"
        if phase == "pre":
            start, end = add_months(day, -far), add_months(day, -near)
            barrier = max((one.day for one in self.operations if one.day and one.day < day), default=None)
        else:
            start, end = add_months(day, near), add_months(day, far)
            barrier = min((one.day for one in self.operations if one.day and one.day > day), default=None)
        inside, behind = [], []
        for one in self.subject.sessions:
            if one.day is None or (one.day > day if phase == "pre" else one.day <= day):
                continue
            apart = _apart(day, one.day)
            if not start <= one.day <= end:
                self.said.setdefault(one.id, []).append(
                    f"{apart} {word} the operation of {day}, not {near} to {far} months"
                )
            elif self.exclude and barrier and (one.day <= barrier if phase == "pre" else one.day > barrier):
                behind.append(one)
                self.said.setdefault(one.id, []).append(
                    f"between it and the operation of {day} lies the operation of {barrier}"
                )
            else:
                inside.append(one)
        if not inside:
            none = f"no session {near} to {far} months {word} it"
            if behind:
                none += f" without another operation between ({barrier})"
            return None, none
        inside.sort(key=lambda one: (abs((_day(one) - day).days), one.name, one.id))
        best = inside[0]
        why = f'{best.day} "{best.name}", {_apart(day, _day(best))}'
        if len(inside) > 1:
            why += f", the closest of {len(inside)}"
            if inside[1].day == best.day:
                why += f' (of the same day as "{inside[1].name}", and first by name)'
        for one in inside[1:]:
            self.said.setdefault(one.id, []).append(
                f'"{best.name}" ({best.day}) is closer to the operation of {day}'
                if one.day != best.day
                else f'"{best.name}" of the same day was taken for the operation of {day}, first by name'
            )
        return best, why


def _day(session: SessionRecord) -> date:
    assert session.day is not None
    return session.day


# -- before and after in numbers ------------------------------------------------------------------------------------

#: what tells a row from all others: the id too, since two subjects may have one name and the same day of an operation
_CURVE_KEYS = ["subject", "subject_id", "intervention", "condition", "side", "operated", "channel", "unit"]
_PARAMETER_KEYS = ["subject", "subject_id", "intervention", "condition", "side", "operated", "name", "unit"]


def summary_tables(
    cohort: Cohort, curves: xr.DataArray | None = None, parameters: pd.DataFrame | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Before and after in numbers: a table of the curves and a table of the parameters.

    Args:
        cohort: the pairs.
        curves: strides (`stride`, `channel`, `percent`), of the cohort's sessions at least; other sessions are passed
            over.
        parameters: one row a value, with `subject`, `session`, `date`, `condition`, `side`, `name`, `unit`, `mean`.

    Returns:
        Two DataFrames (an empty one with its columns for what was not handed in).

        Both name the subject and its id: two subjects may have one name. Curves: one row for each pair, condition, side and
        channel. `strides pre` and `strides post` count the strides without a gap, which alone are used (up to 2 % that a
        file does not have at an end of the cycle are none, as for the scores: "start" is NaN then); for each of
        "start" (the value at 0 %), "maximum", "minimum", "average" and "range of motion" (maximum - minimum) the columns
        `… pre`, `… post`, `… difference` (post - pre), in the channel's unit. Each is the mean over the strides of the
        value of each stride (not the value of the mean curve, which flattens peaks). Mind the sign: of `knee_flexion` the
        maximum is peak flexion, the minimum peak extension.

        Parameters: one row for each pair, condition, side, name and unit: `values pre`, `values post` (how many), `pre`
        and `post` (their means), `difference`.

        A condition that was measured only once has NaN on the other side.
    """
    return _curve_table(cohort, curves), _parameter_table(cohort, parameters)


def _curve_table(cohort: Cohort, curves: xr.DataArray | None) -> pd.DataFrame:
    numbers = [f"{measure} {part}" for measure in MEASURES for part in ("pre", "post", "difference")]
    columns = [*_CURVE_KEYS, "strides pre", "strides post", *numbers]
    if curves is None or not curves.sizes["stride"] or not len(cohort):
        return _empty(columns)
    chosen = cohort.select(curves).transpose("stride", "channel", "percent").sortby("percent")
    chosen = chosen.where(np.isfinite(chosen.astype(np.float64)))
    whole = is_whole(chosen).transpose("stride", "channel").values
    values = np.where(
        whole[:, :, np.newaxis], chosen.values, np.nan
    )  # a stride with a gap may lack just its peak
    start = values[:, :, 0] if chosen["percent"].values[0] == 0 else np.full(whole.shape, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a stride of gaps alone
        high, low = np.nanmax(values, axis=2), np.nanmin(values, axis=2)
        measured = dict(
            zip(MEASURES, (start, high, low, np.nanmean(values, axis=2), high - low), strict=True)
        )
    strides, channels = values.shape[:2]
    coordinates = chosen.coords
    units = coordinates["unit"].values if "unit" in coordinates else np.full(channels, "")
    table = pd.DataFrame(
        {
            "subject": np.repeat(_text_coordinate(chosen, "subject"), channels),
            "subject_id": np.repeat(_text_coordinate(chosen, "subject_id"), channels),
            "intervention": np.repeat(_days(coordinates["intervention"].values), channels),
            "condition": np.repeat(_text_coordinate(chosen, "condition"), channels),
            "side": np.repeat(_text_coordinate(chosen, "side"), channels),
            "operated": np.repeat(coordinates["operated"].values, channels),
            "channel": np.tile(coordinates["channel"].values.astype(object), strides),
            "unit": np.tile(np.asarray(units, dtype=object), strides),
            "phase": np.repeat(coordinates["phase"].values, channels),
            "strides": whole.ravel().astype(int),
            **{name: one.ravel() for name, one in measured.items()},
        }
    )
    grouped = table.groupby([*_CURVE_KEYS, "phase"], sort=False, dropna=False)
    means = grouped[list(MEASURES)].mean()
    means["strides"] = grouped["strides"].sum()
    paired = _side_by_side(means, _CURVE_KEYS)
    for measure in MEASURES:
        paired[f"{measure} difference"] = paired[f"{measure} post"] - paired[f"{measure} pre"]
    for part in ("strides pre", "strides post"):
        paired[part] = paired[part].fillna(0).astype(int)
    made: pd.DataFrame = paired[columns]
    return made


def _empty(columns: list[str]) -> pd.DataFrame:
    made: pd.DataFrame = pd.DataFrame(columns=columns)
    return made


def _days(texts: Iterable[Any]) -> npt.NDArray[np.object_]:
    return np.array([possible_date(text) for text in texts], dtype=object)


def _text_coordinate(curves: xr.DataArray, name: str) -> Any:
    if name not in curves.coords:
        return np.full(curves.sizes["stride"], "", dtype=object)
    return curves.coords[name].values.astype(object)


def _parameter_table(cohort: Cohort, parameters: pd.DataFrame | None) -> pd.DataFrame:
    columns = [*_PARAMETER_KEYS, "values pre", "values post", "pre", "post", "difference"]
    if parameters is None or not len(parameters) or not len(cohort):
        return _empty(columns)
    missing = [name for name in ("name", "mean") if name not in parameters]
    if missing:
        raise ValidationError(f"the table of parameters has no column {', '.join(missing)}")
    chosen = cohort.select_rows(parameters)
    chosen["intervention"] = _days(chosen["intervention"])
    for name in ("subject", "condition", "side", "unit"):
        chosen[name] = (chosen[name].astype(object).where(chosen[name].notna(), "")) if name in chosen else ""
    chosen["mean"] = pd.to_numeric(chosen["mean"], errors="coerce")
    grouped = chosen.groupby([*_PARAMETER_KEYS, "phase"], sort=False, dropna=False)["mean"]
    paired = _side_by_side(pd.DataFrame({"": grouped.mean(), "values": grouped.count()}), _PARAMETER_KEYS)
    paired["difference"] = paired["post"] - paired["pre"]
    for part in ("values pre", "values post"):
        paired[part] = paired[part].fillna(0).astype(int)
    made: pd.DataFrame = paired[columns]
    return made


def _side_by_side(table: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Rows of one phase each become the columns `… pre` and `… post`, in the order of first appearance."""
    order = {
        key: n
        for n, key in enumerate(
            dict.fromkeys(zip(*(table.index.get_level_values(k) for k in keys), strict=True))
        )
    }
    wide: pd.DataFrame = pd.DataFrame(table.unstack("phase"))
    labels: Any = wide.columns
    wide.columns = pd.Index([f"{name} {phase}".strip() for name, phase in labels])
    for name in table.columns:
        for phase in ("pre", "post"):
            column = f"{name} {phase}".strip()
            if column not in wide:
                wide[column] = math.nan
    wide = wide.reset_index()
    wide["_order"] = [order[key] for key in zip(*(wide[k] for k in keys), strict=True)]
    wide = wide.sort_values("_order", ignore_index=True).drop(columns="_order")
    return wide


# -- workbooks --------------------------------------------------------------------------------------------------

_WIDEST = 60


def _item(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) and not isinstance(value, np.datetime64) else value


def _write_excel(path: str | os.PathLike[str], tables: Mapping[str, pd.DataFrame]) -> None:
    from openpyxl import Workbook
    from openpyxl.styles import Alignment, Font, PatternFill
    from openpyxl.utils import get_column_letter

    target = workbook_path(path)
    book = Workbook()
    book.remove(book.active)
    for title, table in tables.items():
        sheet = book.create_sheet(title)
        widths = []
        for column, name in enumerate(table.columns, 1):
            head = sheet.cell(1, column, str(name))
            head.font = Font(bold=True, color="FFFFFF")
            head.fill = PatternFill("solid", fgColor="31527A")
            head.alignment = Alignment(wrap_text=True, vertical="center")
            widths.append(max(10, *(len(word) for word in str(name).split())))
            for row, value in enumerate(table[name].tolist(), 2):
                shown = _cell_value(value)
                if shown is None:
                    continue
                cell = sheet.cell(row, column)
                if isinstance(shown, str):
                    cell.value = safe_text(shown, f"row {row} of {name!r}")
                    cell.data_type = "s"  # "=1+1" in a name is a name, not a formula
                else:
                    cell.value = shown
                    if isinstance(shown, float):
                        cell.number_format = "0.00"
                    elif isinstance(shown, date):
                        cell.number_format = "yyyy-mm-dd"
                length = 10 if not isinstance(shown, str) else len(shown)
                widths[-1] = max(widths[-1], length)
        for column, width in enumerate(widths, 1):
            sheet.column_dimensions[get_column_letter(column)].width = min(_WIDEST, width + 3)
        sheet.row_dimensions[1].height = 32
        sheet.freeze_panes = "A2"
        if widths:
            sheet.auto_filter.ref = f"A1:{get_column_letter(len(widths))}{len(table) + 1}"
    save_workbook(book, target)


def _cell_value(value: Any) -> str | float | int | bool | date | None:
    value = _item(value)
    if value is None or value is pd.NaT or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return value
    if isinstance(value, (date, np.datetime64)):
        return possible_date(value)
    return str(value)
