"""Cohorts of a project: sessions before and after dated operations, and what was measured in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import attrs

from ..display import near_misses
from ..errors import ValidationError
from ..gait.extra import numeric
from ..operations.folders import condition_name
from . import derived
from .collection import Collection, nfc
from .session import Session

if TYPE_CHECKING:
    import os

    import pandas as pd
    import xarray as xr

    from ..gait import cohort as records
    from ..gait.figures import GaitFigure
    from .clip import Clip
    from .subject import Subject


@attrs.frozen(repr=False)
class Cohort:
    """Pairs of a session before and a session after an operation; made by `project.cohort(...)`.

    `pairs` are the pairs (`subject`, `intervention`, `sides`, `pre`, `post`, `why`), `left_out` is each subject, operation and
    session that is in none, with the reason; `sessions` are the sessions of all pairs. What was measured is fetched when
    `cycles`, `parameters`, `plot` or `to_excel` is called, each time.
    """

    _choice: records.Cohort
    sessions: Collection[Session]
    conditions: tuple[str, ...] | None

    @property
    def pairs(self) -> tuple[records.Pair, ...]:
        """The pairs, in the order of the subjects. No request."""
        return self._choice.pairs

    @property
    def left_out(self) -> tuple[records.LeftOut, ...]:
        """What is in no pair: subject, what it is ("subject", "intervention", "session"), name, why. No request."""
        return self._choice.left_out

    def __len__(self) -> int:
        return len(self._choice)

    def __iter__(self) -> Iterator[records.Pair]:
        return iter(self._choice.pairs)

    def to_frame(self) -> pd.DataFrame:
        """One row a pair: subject, operation, sides, the two sessions with their dates and months, and why. No request."""
        return self._choice.to_frame()

    def left_out_frame(self) -> pd.DataFrame:
        """One row for each subject, operation and session that is in no pair: subject, what, name, why, ids. No request."""
        return self._choice.left_out_frame()

    def _files(self) -> derived.DerivedFiles:
        return derived.DerivedFiles(self.sessions, keep=None if self.conditions is None else self._is_meant)

    def _is_meant(self, clip: Clip) -> bool:
        return self.conditions is not None and _condition_of(clip, clip.session) in self.conditions

    def cycles(
        self,
        file: str = "angles",
        channels: Sequence[str] | str | None = None,
        points: int | None = 101,
    ) -> xr.DataArray:
        """Every stride of the pairs' sessions, as `cycles` of a session, with three more coordinates on `stride`.

        `phase` is "pre" or "post", `intervention` the operation's day (YYYY-MM-DD), `operated` whether the stride's side is
        one that was operated on. A session between two operations is "post" of the one and "pre" of the other: its
        strides come twice. Requests, warnings and errors as of a session's `cycles`.
        """
        return self._choice.select(derived.cycles(self._files(), file, channels, points))

    def parameters(self) -> pd.DataFrame:
        """The gait parameters of the pairs' sessions, one row a value, with the columns phase, intervention and operated.

        A row without a side (cadence, speed) is `operated`. Requests, warnings and errors as of a session's `parameters`.
        """
        table = derived.parameters(self._files())
        found = self._choice.select_rows(table)
        found.attrs["problems"] = table.attrs["problems"]
        return found

    def plot(
        self,
        channels: Sequence[str] | str | None = None,
        *,
        file: str = "angles",
        by: str | Sequence[str] = "phase",
        operated: bool | None = True,
        norm: xr.Dataset | xr.DataArray | None = None,
        **options: Any,
    ) -> GaitFigure:
        """The curves before and after, as `moveshelf.gait.plot` draws them; `options` go there.

        `operated`: strides of sides that were operated on (True), of the others (False), or of all (None). Requests,
        warnings and errors as of `cycles`; ValidationError where there are no such strides.

        >>> cohort.plot("knee_flexion", norm=moveshelf.gait.schwartz2008("free"))  # doctest: +SKIP
        """
        figures = numeric(".figures", "moveshelf.gait")
        names = [channels] if isinstance(channels, str) else channels
        curves = self.cycles(file, names)
        if operated is not None:
            curves = curves.isel(stride=curves["operated"].values == operated)
        figure: GaitFigure = figures.plot(curves, by=by, channels=names, norm=norm, **options)
        return figure

    def to_excel(self, path: str | os.PathLike[str], file: str = "angles") -> None:
        """Write two tables into a workbook: "Curves" and "Parameters", before, after and their difference.

        Curves: a row for each pair, condition, side and channel, with the start, maximum, minimum, average and range of
        motion of the strides. Parameters: a row for each pair, condition, side and parameter. See
        `moveshelf.gait.cohort.summary_tables`. An existing file is replaced once the new one is whole. Requests as of `cycles`
        and `parameters`. Raises ValidationError for a name that does not end in .xlsx, before any request.
        """
        from ..tables.excel import workbook_path

        workbook_path(path)
        self._choice.to_excel(path, self.cycles(file), self.parameters())

    def __repr__(self) -> str:
        subjects = len({pair.subject.id for pair in self.pairs})
        return f"<Cohort of {len(self)} pairs, {subjects} subjects; {len(self.left_out)} entries left out>"


def checked_conditions(condition: str | Iterable[str] | None) -> tuple[str, ...] | None:
    """Names of conditions as they compare. Raises ValidationError."""
    if condition is None:
        return None
    names = [condition] if isinstance(condition, str) else list(condition)
    for name in names:
        if not isinstance(name, str) or not name.strip("/ "):
            raise ValidationError(f"condition is a condition's name, or several, not {condition!r}")
    if not names:
        raise ValidationError("condition names no condition; None takes every one")
    return tuple(nfc(name.strip("/")) for name in names)


def choose(
    subjects: Collection[Subject],
    procedure: str | Callable[[records.Procedure], bool] | None,
    before: tuple[int, int],
    after: tuple[int, int],
    between: Literal["exclude", "report"],
    fitting: set[str] | None,
    conditions: tuple[str, ...] | None,
) -> Cohort:
    """The pairs among loaded subjects; `fitting`: the ids of the sessions that may be chosen."""
    module = numeric(".cohort", "moveshelf.gait")
    known: list[records.SubjectRecord] = []
    left_out: list[records.LeftOut] = []
    sessions: dict[str, Session] = {}
    if conditions is not None:
        _check_known(conditions, subjects)
    for subject in subjects:
        try:
            interventions: Sequence[Mapping[str, Any]] = subject.interventions
        except ValidationError as error:
            left_out.append(
                module.LeftOut(
                    subject.name, subject.id, "subject", subject.name, f"its metadata cannot be read: {error}"
                )
            )
            continue
        own = []
        for session in subject.sessions:
            why_not = _unfit(session, fitting, conditions)
            if why_not:
                left_out.append(
                    module.LeftOut(subject.name, subject.id, "session", session.name, why_not, session.id)
                )
                continue
            sessions[session.id] = session
            own.append(module.SessionRecord.of(session.id, session.name, session.date))
        known.append(module.SubjectRecord(subject.id, subject.name, interventions, own))
    choice = module.pairs(known, procedure, before, after, between=between)
    choice = attrs.evolve(choice, left_out=(*choice.left_out, *left_out))
    chosen = [sessions[identity] for identity in choice.session_ids]
    return Cohort(choice, _view(subjects, chosen), conditions)


def _check_known(conditions: tuple[str, ...], subjects: Collection[Subject]) -> None:
    """Raise ValidationError for a condition that no session has: a typing error would leave everybody out."""
    sessions = [session for subject in subjects for session in subject.sessions]
    held = dict.fromkeys(_condition_of(clip, session) for session in sessions for clip in session.clips)
    names = [name for name in held if name]
    for name in conditions:
        if names and name not in held:
            near = near_misses(name, names)
            hint = (
                f"did you mean {' or '.join(map(repr, near))}?"
                if near
                else f"there are {', '.join(map(repr, names[:12]))}{', ...' if len(names) > 12 else ''}"
            )
            raise ValidationError(f"no session of these subjects has a condition {name!r}; {hint}")


def _unfit(session: Session, fitting: set[str] | None, conditions: tuple[str, ...] | None) -> str:
    """Why a session may not be chosen, or ""."""
    if fitting is not None and session.id not in fitting:
        return "it does not fit session_where"
    if conditions is not None and not any(
        _condition_of(clip, session) in conditions for clip in session.clips
    ):
        return f"it has no trial in condition {' or '.join(map(repr, conditions))}"
    return ""


def _condition_of(clip: Clip, session: Session) -> str:
    return nfc(condition_name(clip.path, session.path) or "")


def _view(subjects: Collection[Subject], sessions: list[Session]) -> Collection[Session]:
    return Collection(subjects._engine, Session, items=sessions)


__all__ = ["Cohort", "checked_conditions", "choose"]
