"""From the contents of derived files to labelled arrays and tables: cycles, time series, parameters, events.

Everything here computes on bytes that it is handed, as `FileContent`, and sends no request. What a file holds that cannot be
right never becomes a number: it is NaN or left out, an entry of `.attrs["problems"]`, and one `GaitFileWarning` per file.
"""

from __future__ import annotations

import datetime
import math
import re
from bisect import bisect, insort
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import chain, pairwise
from operator import itemgetter
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from ..errors import ValidationError
from . import accessor  # noqa: F401  registers `.gait` with xarray
from .channels import CHANNELS, LEFT, NO_SIDE, RIGHT, Recognised, recognise, side_of, split_unknown
from .content import (
    FileContent,
    Findings,
    GaitFileWarning,
    UnreadableError,
    event_files,
    items,
    marked_cycle,
    number,
    parameter_files,
    parse,
    series_files,
    short,
    wanted,
    warn,
)
from .grid import Array, Plan, plan
from .units import unit_name

__all__ = [
    "FileContent",
    "GaitFileWarning",
    "ParsedFile",
    "complete",
    "cycles",
    "event_files",
    "events",
    "parameter_files",
    "parameters",
    "parse_cycles",
    "series",
    "series_files",
    "temporal",
    "trial_series",
    "wanted",
]

_CYCLE_KEY = re.compile(r"cycle[\s_-]?\d+", re.I)
#: Seconds within which a foot cannot meet the ground twice, nor leave it twice: a running stride takes four times as long.
SAME_EVENT = 0.1
_FEET = frozenset({"footstrike", "footoff"})
_SIDES = (LEFT, RIGHT, NO_SIDE)
_MIDLINE = frozenset({"pelvis", "trunk"})
_TRIAL_COLUMNS = ("subject", "session", "date", "condition", "trial", "clip")


# --- the curves of one file


@attrs.frozen
class _Item:
    """One entry of a file's `data` whose shape is right."""

    label: str
    context: str
    unit: str
    rows: list[dict[str, Any]]
    declared: tuple[str, ...]  # the cycles that the entry announces


@attrs.frozen
class _Curves:
    """The curves of one label: a row a point, a column a cycle.

    `placed` are the values at the result's own points, where they were worked out together with those of other labels.
    """

    item: _Item
    found: Recognised
    cycles: tuple[str, ...]
    percent: Array
    values: Array
    placed: Array | None = None


def _item(raw: object, index: int, findings: Findings) -> _Item | None:
    """An entry of `data`, or None where it has no label or no rows, which `findings` then says."""
    if not isinstance(raw, dict):
        findings.fault(f"entry {index} of its data is {short(raw)} in place of an object")
        return None
    label = raw.get("label", raw.get("id"))
    if not isinstance(label, str) or not label.strip():
        findings.fault(f"entry {index} of its data has {short(label)} for a label")
        return None
    context = side_of(raw.get("context"))
    if context is None:
        findings.fault(
            f"{label}: its context is {short(raw['context'])}: not used, since its side is not known"
        )
        return None
    rows = raw.get("values")
    if not isinstance(rows, list) or set(map(type, rows)) - {dict}:
        bad = rows if not isinstance(rows, list) else next(row for row in rows if type(row) is not dict)
        findings.fault(f"{label}: its values are {short(bad)} in place of a list of rows")
        return None
    if not rows:
        findings.fault(f"{label}: it has no rows")
        return None
    unit = raw.get("unit")
    if unit is not None and not isinstance(unit, str):
        findings.fault(f"{label}: its unit is {short(unit)}: not used")
        return None
    announced = raw.get("cycles")
    declared = tuple(announced) if isinstance(announced, dict) else ()
    return _Item(label, context, unit_name(unit or ""), rows, declared)


def _side(item: _Item, found: Recognised, findings: Findings) -> Recognised | None:
    """The label's side, from itself or from the file's context; None where the two contradict each other."""
    if found.side and item.context and found.side != item.context:
        findings.fault(
            f"{item.label}: its context says {item.context}: not used, since its side is not known"
        )
        return None
    return attrs.evolve(found, side=found.side or item.context)


def _columns(
    item: _Item, keys: Iterable[str], marker: str | None
) -> tuple[str, tuple[str, ...], bool, tuple[str, ...]]:
    """What a row's keys are: "perc", "time" or "", then its cycles, whether it has a mean, and what is none of these."""
    known = set(keys)
    axis = "perc" if "perc" in known else "time" if "time" in known else ""
    if marker is not None and marker in known:
        found: tuple[str, ...] = (marker,)
    else:
        reserved = {"perc", "time", "mean", "std"}
        found = tuple(
            key for key in keys if key not in reserved and (key in item.declared or _CYCLE_KEY.fullmatch(key))
        )
    rest = known - {axis, "perc", "time", "mean", "std", *found}
    return axis, found, "mean" in known, tuple(sorted(rest))


def _all_keys(rows: list[dict[str, Any]]) -> list[str]:
    """The keys of all rows, in order of their first appearance."""
    return list(dict.fromkeys(chain.from_iterable(rows)))


def _plain_table(groups: list[_Item], keys: tuple[str, ...], columns: tuple[str, ...]) -> Array | None:
    """The columns of many labels of one shape at once: label, row, column. None where any value needs a closer look."""
    rows = list(chain.from_iterable(item.rows for item in groups))
    rest = [key for key in keys if key not in columns]
    try:
        # equal lengths and no key absent: every row has these keys and no other
        if set(map(len, rows)) != {len(keys)}:
            return None
        if rest:
            deque(map(itemgetter(*rest), rows), maxlen=0)
        found = map(itemgetter(*columns), rows)
        flat: list[Any] = list(chain.from_iterable(found)) if len(columns) > 1 else list(found)
    except KeyError:
        return None
    types = set(map(type, flat))
    if not types <= {float, int, type(None)}:
        return None
    try:
        table = np.array(flat, dtype=np.float64)
    except OverflowError:
        return None
    if np.isinf(table).any():
        return None
    return table.reshape(len(groups), len(groups[0].rows), len(columns))


def _careful_table(item: _Item, columns: tuple[str, ...], findings: Findings) -> Array:
    """The same for one label, value by value: what is no number is NaN, and `findings` says so once a column."""
    table = np.full((len(item.rows), len(columns)), np.nan)
    for at, column in enumerate(columns):
        absent, bad = 0, []
        for n, row in enumerate(item.rows):
            if column not in row:
                absent += 1
                continue
            value = number(row[column])
            if value is None:
                bad.append((n, row[column]))
            else:
                table[n, at] = value
        if column in ("perc", "time"):  # without them the rows have no place, which _points_of() says
            continue
        if absent:
            findings.fault(f"{item.label}: {absent} of {len(item.rows)} rows have no {column!r}: left empty")
        if bad:
            n, value = bad[0]
            more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
            findings.fault(
                f"{item.label}: row {n + 1} has {short(value)} for {column!r}{more}: no number, left empty"
            )
    return table


def _points_of(item: _Item, column: str, table: Array, findings: Findings) -> tuple[Array, Array] | None:
    """The points (percent or time) in rising order and the rows in theirs, or None where they cannot be told."""
    points = table[:, 0]
    unplaced = np.flatnonzero(np.isnan(points))
    if len(unplaced):
        value = short(item.rows[unplaced[0]].get(column))
        more = f" and {len(unplaced) - 1} more" if len(unplaced) > 1 else ""
        findings.fault(
            f"{item.label}: row {unplaced[0] + 1} has {value} for {column!r}{more}: no number, so it is not used"
        )
        return None
    values = table[:, 1:]
    if column == "perc":
        inside = (points >= 0) & (points <= 100)
        if not inside.all():
            value = short(item.rows[int(np.argmin(inside))].get(column))
            count = int((~inside).sum())
            findings.fault(f"{item.label}: {count} rows are outside 0 to 100 ({value}): they are not used")
            points, values = points[inside], values[inside]
            if not len(points):
                return None
    if (np.diff(points) > 0).all():
        return points, values
    findings.note(f"{item.label}: its rows are not in the order of {column!r}: put in order")
    order = np.argsort(points, kind="stable")
    points, values = points[order], values[order]
    again = np.flatnonzero(np.diff(points) == 0)
    for n in again:
        if not np.array_equal(values[n], values[n + 1], equal_nan=True):
            findings.fault(
                f"{item.label}: it has several rows for {column} {points[n]:g}, with different values: not used"
            )
            return None
    keep = np.ones(len(points), dtype=bool)
    keep[again + 1] = False
    return points[keep], values[keep]


def _curves_of_file(content: FileContent, grid: _Grid, findings: Findings) -> Iterator[_Curves]:
    """Every label's curves, as the file has them. Labels of one shape are read together."""
    document = parse(content.content)
    marker = marked_cycle(content.name)
    found = [_item(raw, index, findings) for index, raw in enumerate(items(document, "data"))]
    shapes: dict[tuple[tuple[str, ...], int, tuple[str, ...]], list[_Item]] = {}
    for item in found:
        if item is not None:
            shape = (tuple(item.rows[0]), len(item.rows), item.declared)
            shapes.setdefault(shape, []).append(item)
    done: dict[int, _Curves] = {}
    for (keys, count, _), group in shapes.items():
        axis, cycle_keys, has_mean, rest = _columns(group[0], keys, marker)
        chosen = cycle_keys or (("mean",) if has_mean else ())
        quick = None
        if chosen and axis != "time" and (axis or count > 1):
            quick = _plain_table(group, keys, (*(("perc",) if axis else ()), *chosen))
        if rest and quick is not None:
            findings.note(f"columns that are no cycles are not read: {', '.join(map(short, rest))}")
        percent = np.linspace(0.0, 100.0, count) if not axis else None
        if quick is not None and axis:
            at = quick[0, :, 0]
            rising = (np.diff(at) > 0).all() and at[0] >= 0 and at[-1] <= 100
            alike = rising and (quick[:, :, 0] == at).all()
            percent, quick = (at, quick[:, :, 1:]) if alike else (None, None)
        elif quick is not None:
            findings.note(_EVENLY)
        if quick is None or percent is None:
            for item in group:
                single = _careful_curves(item, marker, findings)
                if single is not None and np.isnan(single.values).all():
                    single = _means_instead(single, findings)
                if single is not None:
                    done[id(item)] = single
            continue
        placed = grid.onto(percent, quick) if grid.fixed else None
        empty: list[bool] = [bool(np.isnan(table).all()) for table in quick]
        for n, item in enumerate(group):
            mine = None if placed is None else placed[n]
            one = _Curves(item, recognise(item.label), chosen, percent, quick[n], mine)
            done[id(item)] = _means_instead(one, findings) if empty[n] else one
    for item in found:
        if item is not None and id(item) in done:
            yield done[id(item)]


_EVENLY = "its rows have no 'perc': taken as evenly spaced from 0 to 100"


@attrs.define
class ParsedFile:
    """The curves of one file, as `cycles` takes them in place of its bytes: parsed elsewhere, in another process."""

    owner: FileContent  # without its bytes: those of all files would need more memory than their curves
    curves: list[_Curves]
    findings: Findings


def _parsed(content: FileContent, grid: _Grid) -> ParsedFile:
    findings = Findings(content.where)
    curves: list[_Curves] = []
    try:
        curves = list(_curves_of_file(content, grid, findings))
    except UnreadableError as error:
        findings.fault(f"not read: {error}")
    return ParsedFile(attrs.evolve(content, content=b""), curves, findings)


def parse_cycles(content: FileContent, points: int | None = 101) -> ParsedFile:
    """The curves of one file, to be collected by `cycles` with the same `points`. Sends no request."""
    parsed = _parsed(content, _Grid(points))
    # the rows have become curves
    parsed.curves = [attrs.evolve(one, item=attrs.evolve(one.item, rows=[])) for one in parsed.curves]
    return parsed


def _careful_curves(item: _Item, marker: str | None, findings: Findings) -> _Curves | None:
    """One label's curves where rows differ in their keys, or hold what is no number."""
    keys = _all_keys(item.rows)
    axis, cycle_keys, has_mean, rest = _columns(item, keys, marker)
    if axis == "time":
        findings.note("it holds time series, not cycles: read it with series()")
        return None
    chosen = cycle_keys or (("mean",) if has_mean else ())
    if not chosen:
        findings.fault(
            f"{item.label}: its rows have no cycle and no mean; their keys are {', '.join(map(short, keys))}"
        )
        return None
    if rest:
        findings.note(f"columns that are no cycles are not read: {', '.join(map(short, rest))}")
    table = _careful_table(item, (*(("perc",) if axis else ()), *chosen), findings)
    if not axis:
        if len(item.rows) < 2:
            findings.fault(f"{item.label}: it has one row without 'perc': not used")
            return None
        findings.note(_EVENLY)
        return _Curves(item, recognise(item.label), chosen, np.linspace(0.0, 100.0, len(item.rows)), table)
    ordered = _points_of(item, "perc", table, findings)
    if ordered is None:
        return None
    return _Curves(item, recognise(item.label), chosen, *ordered)


def _means_instead(one: _Curves, findings: Findings) -> _Curves:
    """The label's mean, where all its cycles are null and its mean is not."""
    if one.cycles == ("mean",) or not any("mean" in row for row in one.item.rows):
        return one
    table = _careful_table(one.item, ("perc", "mean"), findings)
    if np.isnan(table[:, 1]).all():
        return one
    if np.isnan(table[:, 0]).all():
        return _means_of(one, one.percent, table[:, 1:])
    ordered = _points_of(one.item, "perc", table, findings)
    return one if ordered is None else _means_of(one, *ordered)


def _means_of(one: _Curves, percent: Array, values: Array) -> _Curves:
    return attrs.evolve(one, cycles=("mean",), percent=percent, values=values, placed=None)


# --- onto one grid


class _Grid:
    """The points of the result: `points` evenly spaced ones, or the files' own where all agree (None)."""

    def __init__(self, points: int | None) -> None:
        self.fixed = points is not None
        self.percent: Array | None = None if points is None else np.linspace(0.0, 100.0, points)
        self._first = ""
        self._plans: dict[bytes, Plan | None] = {}

    def agree(self, one: _Curves, where: str) -> Array:
        """The curves' values at the grid's points: point, cycle.

        Raises ValidationError where the files' own points are to be kept and these differ from the first's.
        """
        if one.placed is not None:
            return one.placed
        if self.percent is None:
            self.percent, self._first = one.percent, f"{where}: {one.item.label}"
        if self.fixed:
            return self.onto(one.percent, one.values)
        if not np.array_equal(self.percent, one.percent):
            raise ValidationError(
                f"points=None keeps the files' own points, and these differ: {len(self.percent)} rows from "
                f"{self.percent[0]:g} to {self.percent[-1]:g} in {self._first}, {len(one.percent)} rows from "
                f"{one.percent[0]:g} to {one.percent[-1]:g} in {where}: {one.item.label}. Pass points=101."
            )
        return one.values

    def onto(self, percent: Array, values: Array) -> Array:
        """Values at these percents, at the grid's points instead. The last dimension but one are the points."""
        assert self.percent is not None
        key = percent.tobytes()
        if key not in self._plans:
            self._plans[key] = plan(percent, self.percent)
        way = self._plans[key]
        return values if way is None else way.apply(values, axis=-2)


# --- strides


@attrs.define
class _Block:
    """The strides that one file adds, as one array: stride, channel, point."""

    owner: FileContent  # without its bytes
    strides: list[tuple[str, str]]  # side, cycle
    channels: list[str]
    values: Array | None


@attrs.define
class _Place:
    """Where a stride of a trial lies: the row of a block, and what other files of the trial add to it."""

    block: _Block
    row: int


@attrs.define
class _Stack:
    """All strides so far."""

    grid: _Grid
    chosen: tuple[str, ...] | None
    blocks: list[_Block] = attrs.field(factory=list)
    places: dict[tuple[tuple[str, ...], str, str], _Place] = attrs.field(factory=dict)
    added: dict[tuple[int, int, str], Array] = attrs.field(factory=dict)  # block, row, channel
    dropped: set[tuple[int, int, str]] = attrs.field(factory=set)  # where curves contradict each other
    units: dict[str, str] = attrs.field(factory=dict)
    other: dict[str, None] = attrs.field(factory=dict)
    seen: dict[str, None] = attrs.field(factory=dict)  # every channel and label, chosen or not
    problems: list[str] = attrs.field(factory=list)
    unsure: dict[str, dict[str, None]] = attrs.field(factory=dict)  # vocabulary, channels

    def add(self, content: FileContent | ParsedFile) -> None:
        """Read one file and add its strides."""
        parsed = content if isinstance(content, ParsedFile) else _parsed(content, self.grid)
        findings = parsed.findings
        named = self._named(parsed.curves, findings)
        self._place(parsed.owner, named, findings)
        findings.report(self.problems)

    def _named(self, curves: list[_Curves], findings: Findings) -> list[_Curves]:
        """The curves of the chosen channels, each with its channel and side."""
        labels = {one.item.label for one in curves}
        found = []
        for one in curves:
            what = one.found
            self.seen[what.channel] = None
            if not what.known:
                label = what.channel
                name, side = split_unknown(label, one.item.context, labels)
                requested = self.chosen is not None and (label in self.chosen or name in self.chosen)
                if not requested:
                    self.other[label] = None
                    continue
                name = name if self.chosen is not None and name in self.chosen else label
                what = Recognised(name, side, False)
            elif self.chosen is not None and what.channel not in self.chosen:
                if one.item.label not in self.chosen:
                    continue
                what = attrs.evolve(what, channel=one.item.label)
            sided = _side(one.item, what, findings)
            if sided is None or not self._unit_agrees(one.item, sided, findings):
                continue
            if sided.sign_unsure:
                self.unsure.setdefault(sided.vocabulary, {})[sided.channel] = None
            found.append(attrs.evolve(one, found=sided))
        return found

    def _unit_agrees(self, item: _Item, found: Recognised, findings: Findings) -> bool:
        channel = CHANNELS.get(found.channel)
        unit = item.unit or (channel.unit if channel else "")
        known = self.units.setdefault(found.channel, unit)
        if not unit or known == unit:
            return True
        if known:
            findings.fault(
                f"{item.label}: it is in {unit}, and {found.channel} is in {known} in other files: not used"
            )
            return False
        self.units[found.channel] = unit
        findings.note(f"{item.label}: it is in {unit}; other files do not say the unit of {found.channel}")
        return True

    def _place(self, owner: FileContent, curves: list[_Curves], findings: Findings) -> None:
        """Give each curve its stride and channel."""
        if not curves:
            return
        variants = list(dict.fromkeys(one.found.variant for one in curves))
        sides = [side for side in _SIDES if any(one.found.side == side for one in curves)]
        targets = [side for side in sides if side] or [NO_SIDE]
        cells: dict[tuple[str, str, str], tuple[_Curves, int, Array]] = {}  # side, cycle, channel
        dropped: set[tuple[str, str, str]] = set()
        for one in sorted(curves, key=lambda one: one.found.side == NO_SIDE):
            own = [one.found.side] if one.found.side else targets
            if not one.found.side and targets != [NO_SIDE]:
                self._note_no_side(one, findings)
            values = self.grid.agree(one, owner.where)
            for at, cycle in enumerate(one.cycles):
                name = f"{cycle} {one.found.variant}".strip() if len(variants) > 1 else cycle
                for side in own:
                    key = (side, name, one.found.channel)
                    if key not in cells:
                        cells[key] = (one, at, values)
                    elif key not in dropped and not self._same_curve(key, cells, (one, at, values)):
                        if not one.found.side and cells[key][0].found.side:
                            findings.note(
                                f"{one.item.label}: not used for {side}, which has {cells[key][0].item.label}"
                            )
                            continue
                        dropped.add(key)
                        first = cells[key][0].item.label
                        findings.fault(
                            f"{one.item.label}: {_cell(key)} has two different curves, of {first} and of "
                            f"{one.item.label}: none is used"
                        )
        self._note_means(cells, findings)
        self._store(owner, cells, dropped, findings)

    @staticmethod
    def _same_curve(
        key: tuple[str, str, str],
        cells: dict[tuple[str, str, str], tuple[_Curves, int, Array]],
        new: tuple[_Curves, int, Array],
    ) -> bool:
        """Whether two curves of one place are equal, or one of them is empty; the one with values stays."""
        _, at, values = cells[key]
        old_curve, new_curve = values[:, at], new[2][:, new[1]]
        if np.isnan(new_curve).all() or np.array_equal(old_curve, new_curve, equal_nan=True):
            return True
        if np.isnan(old_curve).all():
            cells[key] = new
            return True
        return False

    @staticmethod
    def _note_no_side(one: _Curves, findings: Findings) -> None:
        channel = CHANNELS.get(one.found.channel)
        if channel is None or channel.part not in _MIDLINE:
            findings.note(f"{one.item.label}: it names no side: taken for left and right")
        elif channel.plane != "sagittal":
            findings.note(
                f"{one.item.label}: it names no side: taken for left and right, with the sign of the file"
            )

    @staticmethod
    def _note_means(cells: Iterable[tuple[str, str, str]], findings: Findings) -> None:
        """Say where some channels have cycles and others their mean only."""
        channels: dict[str, set[bool]] = {}
        for _, cycle, channel in cells:
            channels.setdefault(channel, set()).add(cycle.partition(" ")[0] == "mean")
        kinds = set(chain.from_iterable(channels.values()))
        if kinds == {True, False}:
            only = [channel for channel, kind in channels.items() if kind == {True}]
            if only:
                findings.note(
                    f"only the mean is given for {', '.join(sorted(only))}: in strides of their own, 'mean'"
                )

    def _store(
        self,
        owner: FileContent,
        cells: Mapping[tuple[str, str, str], tuple[_Curves, int, Array]],
        dropped: set[tuple[str, str, str]],
        findings: Findings,
    ) -> None:
        """Put the curves of one file into a block of their own, or into strides that the trial already has."""
        keys = dict.fromkeys((side, cycle) for side in _SIDES for own, cycle, _ in cells if own == side)
        fresh = [key for key in keys if (owner.trial_key, *key) not in self.places]
        channels = list(dict.fromkeys(channel for _, _, channel in cells))
        assert self.grid.percent is not None  # set by the first curve at the latest
        values = np.full((len(fresh), len(channels), len(self.grid.percent)), np.nan)
        block = _Block(owner, fresh, channels, values)
        rows = {key: n for n, key in enumerate(fresh)}
        columns = {channel: n for n, channel in enumerate(channels)}
        for (side, cycle, channel), (one, at, curve) in cells.items():
            row = rows.get((side, cycle))
            if row is None:
                where = self._merge(owner, (side, cycle, channel), one, curve[:, at], findings)
            else:
                where = (id(block), row, channel)
                values[row, columns[channel]] = curve[:, at]
            if (side, cycle, channel) in dropped:
                self.dropped.add(where)
        if fresh:
            for key, row in rows.items():
                self.places[(owner.trial_key, key[0], key[1])] = _Place(block, row)
            self.blocks.append(block)

    def _merge(
        self,
        owner: FileContent,
        key: tuple[str, str, str],
        one: _Curves,
        curve: Array,
        findings: Findings,
    ) -> tuple[int, int, str]:
        """Add a curve to a stride that an earlier file of the trial has made, and return where that is."""
        side, cycle, channel = key
        place = self.places[(owner.trial_key, side, cycle)]
        where = (id(place.block), place.row, channel)
        old = self.added.get(where)
        if old is None and channel in place.block.channels and place.block.values is not None:
            old = place.block.values[place.row, place.block.channels.index(channel)]
        if old is None or np.isnan(old).all():
            self.added[where] = curve
        elif not np.isnan(curve).all() and not np.array_equal(old, curve, equal_nan=True):
            self.dropped.add(where)
            name = place.block.owner.name
            findings.fault(
                f"{one.item.label}: {_cell(key)} has another curve in {name} of this trial: none is used"
            )
        return where

    def result(self, file: str) -> xr.DataArray:
        """Everything as one array."""
        present = dict.fromkeys(chain.from_iterable(block.channels for block in self.blocks))
        present.update(dict.fromkeys(channel for _, _, channel in self.added))
        channels = self._channel_order(list(present))
        columns = {channel: n for n, channel in enumerate(channels)}
        percent = self.grid.percent if self.grid.percent is not None else np.empty(0)
        count = sum(len(block.strides) for block in self.blocks)
        values = np.empty((count, len(channels), len(percent)))
        owners: list[FileContent] = []
        strides: list[tuple[str, str]] = []
        later: dict[int, list[tuple[int, str, Array | float]]] = {}
        for (block_id, row, channel), curve in self.added.items():
            later.setdefault(block_id, []).append((row, channel, curve))
        for block_id, row, channel in self.dropped:
            later.setdefault(block_id, []).append((row, channel, np.nan))
        for block in self.blocks:
            start, end = len(strides), len(strides) + len(block.strides)
            values[start:end] = np.nan
            values[start:end, [columns[channel] for channel in block.channels]] = block.values
            block.values = None  # the result must not need its memory twice
            for row, channel, curve_or_gap in later.get(id(block), ()):
                values[start + row, columns[channel]] = curve_or_gap
            strides += block.strides
            owners += [block.owner] * len(block.strides)
        problems = [*self.problems, *self._sign_notes()]
        coords: dict[str, Any] = {
            **_trial_coords(owners, "stride"),
            "side": ("stride", _texts([side for side, _ in strides])),
            "cycle": ("stride", _texts([cycle for _, cycle in strides])),
            "channel": ("channel", _texts(channels)),
            "unit": ("channel", _texts([self.units.get(channel, "") for channel in channels])),
            "percent": ("percent", percent, {"units": "%", "long_name": "gait cycle"}),
        }
        named = {"file": file, "problems": problems, "other": list(self.other)}
        return xr.DataArray(values, coords, ("stride", "channel", "percent"), name=file, attrs=named)

    def _channel_order(self, present: list[str]) -> list[str]:
        if self.chosen is not None:
            return list(self.chosen)
        order = {name: n for n, name in enumerate(CHANNELS)}
        return sorted(present, key=lambda name: order[name])

    def _sign_notes(self) -> list[str]:
        names = {"grail": "GRAIL", "opensim": "OpenSim"}
        return [
            f"signs of {', '.join(channels)} are as {names[vocabulary]} writes them, and may be the reverse of what the "
            f"channel's name says (see moveshelf.gait.channels)"
            for vocabulary, channels in self.unsure.items()
        ]


def _cell(key: tuple[str, str, str]) -> str:
    side, cycle, channel = key
    return f"{side} {channel}, {cycle}".strip()


def _texts(values: Sequence[str]) -> npt.NDArray[np.str_]:
    return np.array(values, dtype=np.str_) if values else np.array([], dtype="<U1")


def _day(date: datetime.date | None) -> np.datetime64:
    """A date as numpy's, not a date where it is None or outside what pandas can hold."""
    if date is None or not 1678 <= date.year <= 2261:
        return np.datetime64("NaT", "ns")
    return np.datetime64(date.isoformat()[:10], "ns")


def _trial_coords(owners: Sequence[FileContent], dim: str) -> dict[str, Any]:
    """The coordinates of the trials that `owners` belong to, one an entry."""
    coords: dict[str, Any] = {
        "subject": (dim, _texts([one.subject for one in owners])),
        "session": (dim, _texts([one.session for one in owners])),
        "date": (dim, np.array([_day(one.date) for one in owners], dtype="datetime64[ns]")),
        "condition": (dim, _texts([one.condition for one in owners])),
        "trial": (dim, _texts([one.trial for one in owners])),
        "clip": (dim, _texts([one.clip for one in owners])),
    }
    for name in dict.fromkeys(chain.from_iterable(one.extra for one in owners)):
        coords[name] = (dim, _texts([str(one.extra.get(name, "")) for one in owners]))
    return coords


def cycles(
    contents: Iterable[FileContent | ParsedFile],
    file: str = "angles",
    channels: Sequence[str] | str | None = None,
    points: int | None = 101,
) -> xr.DataArray:
    """Every stride of every trial as one labelled array.

    Returns an array of float64 with the dims `stride`, `channel` and `percent` (0 … 100 of the gait cycle). On `stride` lie
    the coordinates subject, session, date, condition, trial, clip (id), side ("left", "right", or "" where the file names
    none) and cycle (the text in the file; "mean" where it has means only), and those of `FileContent.extra`; on `channel`
    lies its `unit` ("" where neither the file nor the channel says it). NaN is what the file has no value for. (Write
    `curves["clip"]`: `curves.clip` is a method of xarray.)

    The file's own `perc` counts, whatever the number of its rows. Between its points values are interpolated linearly, never
    beyond its ends nor across a null. Rows without `perc` are taken as evenly spaced from 0 to 100, which
    `.attrs["problems"]` says.

    Channels are named by one vocabulary (`moveshelf.gait.channels.CHANNELS`), whatever software the file is from. A channel
    without a side belongs to the strides of the left and of the right side.

    Parameters
    ----------
    contents
        The files, in any order; read one after another, and not kept. Or what `parse_cycles` made of them.
    file
        What the files hold: "angles", "moments", "powers", … It names the array.
    channels
        Names of the vocabulary, or labels of the files that it does not know. None: every known channel; the labels that are
        not known are listed in `.attrs["other"]`.
    points
        How many evenly spaced points, from 0 to 100 %. None: the files' own, if they all agree.

    Raises ValidationError where the files' own points differ (`points=None`), where `points` is no number of at least 2, and
    for a name in `channels` that neither the vocabulary nor any file knows. A file that cannot be read is a
    `GaitFileWarning` and an entry of `.attrs["problems"]`. Sends no request.

    Examples
    --------
    >>> rows = [{"perc": 0, "cycle-0": 5.0}, {"perc": 50, "cycle-0": 25.0}, {"perc": 100, "cycle-0": 5.0}]
    >>> import json
    >>> text = json.dumps({"data": [{"label": "LKneeAngles-x", "context": "Left", "values": rows}]})
    >>> curves = cycles([FileContent("angles_normalized.json", text.encode(), subject="P-001")], points=5)
    >>> curves.sel(channel="knee_flexion").values.tolist()
    [[5.0, 15.0, 25.0, 15.0, 5.0]]
    >>> curves.side.item(), curves.cycle.item(), curves.subject.item()
    ('left', 'cycle-0', 'P-001')
    """
    if points is not None and (
        isinstance(points, bool) or not isinstance(points, (int, np.integer)) or points < 2
    ):
        raise ValidationError(
            f"points is {points!r}: pass a whole number of at least 2, or None for the files' own points"
        )
    chosen = (
        (channels,)
        if isinstance(channels, str)
        else tuple(dict.fromkeys(channels))
        if channels is not None
        else None
    )
    stack = _Stack(_Grid(None if points is None else int(points)), chosen)
    for content in contents:
        stack.add(content)
    if chosen is not None:
        _check_chosen(chosen, stack)
    return stack.result(file)


def _check_chosen(chosen: tuple[str, ...], stack: _Stack) -> None:
    """Every chosen name is a channel's, or a label of a file."""
    present = set(chain.from_iterable(block.channels for block in stack.blocks))
    present.update(channel for _, _, channel in stack.added)
    for name in chosen:
        if name in present:
            continue
        if name not in CHANNELS and stack.seen:
            near = get_close_matches(name, {**CHANNELS, **stack.seen}, n=3, cutoff=0.5)
            there = f"; there are {', '.join(list(stack.seen)[:12])}" if stack.seen else ""
            hint = f"; close: {', '.join(near)}" if near else there
            raise ValidationError(f"no channel and no label of these files is called {name!r}{hint}")
        if stack.seen:
            text = f"no file has {name}: it is empty in the result"
            stack.problems.append(text)
            warn(text)


# --- time series


def series(
    contents: Iterable[FileContent], file: str = "angles", channels: Sequence[str] | str | None = None
) -> dict[str, xr.Dataset]:
    """The time series of several trials: a Dataset over `time` for each, by its clip's id, in the order of `contents`.

    Trials have clocks of their own, so that one array of all would be mostly empty. See `trial_series()` for what each
    Dataset holds. Trials without any series that could be read are in it, too, without variables. Sends no request.

    Examples
    --------
    >>> text = b'{"data": [{"label": "knee_r", "unit": "deg", "values": [{"time": 0.5, "knee_angle_r": 8.0}]}]}'
    >>> found = series([FileContent("angles.json", text, clip="c1"), FileContent("angles.json", text, clip="c2")])
    >>> list(found), float(found["c2"].knee_flexion.sel(side="right", time=0.5))
    (['c1', 'c2'], 8.0)
    """
    trials: dict[str, list[FileContent]] = {}
    for content in contents:
        trials.setdefault(content.clip or "/".join(content.trial_key[1:]), []).append(content)
    return {clip: trial_series(files, file, channels) for clip, files in trials.items()}


@attrs.frozen
class _Series:
    name: str
    side: str
    time: Array
    values: Array
    unit: str
    label: str


def trial_series(
    contents: Iterable[FileContent], file: str = "angles", channels: Sequence[str] | str | None = None
) -> xr.Dataset:
    """The time series of one trial as a Dataset over `time` (seconds, as the files have it).

    A variable a column of the files, by the names of the vocabulary: dims (side, time) where the file names a side, (time)
    where it does not. A label's single curve (`mean`) is the variable of the label's own name; further columns have their
    own (`knee_angle_r_beta`), `std` and `count` that of the label behind which they stand (`knee_flexion_std`). Labels that
    the vocabulary does not know are variables of that name. Each has its `units` and `label` as attributes. Where clocks
    of channels differ, `time` holds all of them, and values are NaN between: nothing is interpolated.

    The coordinates subject, session, date, condition, trial and clip are the trial's. Raises ValidationError for a name in
    `channels` that no file has. Sends no request.
    """
    chosen = (channels,) if isinstance(channels, str) else tuple(channels) if channels is not None else None
    problems: list[str] = []
    found: dict[tuple[str, str], _Series] = {}
    dropped: set[tuple[str, str]] = set()
    unsure: dict[str, None] = {}
    owner: FileContent | None = None
    for content in contents:
        owner = owner or content
        findings = Findings(content.where)
        try:
            for one, sure in _series_of_file(content, findings):
                key = (one.name, one.side)
                if chosen is not None and one.name not in chosen:
                    continue
                if not sure:
                    unsure[one.name] = None
                old = found.get(key)
                if old is None or np.isnan(old.values).all():
                    found[key] = one
                elif not _same_series(old, one) and key not in dropped and not np.isnan(one.values).all():
                    dropped.add(key)
                    findings.fault(
                        f"{one.label}: {' '.join(filter(None, key[::-1]))} is there twice: none is used"
                    )
        except UnreadableError as error:
            findings.fault(f"not read: {error}")
        findings.report(problems)
    for key in dropped:
        del found[key]
    for name in chosen or ():
        if found and not any(own == name for own, _ in found):
            near = get_close_matches(name, {own: None for own, _ in found}, n=3, cutoff=0.5)
            hint = f"; close: {', '.join(near)}" if near else ""
            raise ValidationError(f"no series of this trial is called {name!r}{hint}")
    if unsure:
        problems.append(
            f"signs of {', '.join(unsure)} are as the file has them (see moveshelf.gait.channels)"
        )
    return _dataset(list(found.values()), owner, file, problems)


def _same_series(one: _Series, other: _Series) -> bool:
    return np.array_equal(one.time, other.time) and np.array_equal(one.values, other.values, equal_nan=True)


def _series_of_file(content: FileContent, findings: Findings) -> Iterator[tuple[_Series, bool]]:
    """Every column of every label that has a `time`, and whether its sign is sure."""
    document = parse(content.content)
    found = [_item(raw, index, findings) for index, raw in enumerate(items(document, "data"))]
    labels = {item.label for item in found if item is not None}
    for item in found:
        if item is None:
            continue
        keys = _all_keys(item.rows)
        if "time" not in keys:
            if "perc" in keys:
                findings.note("it holds cycles, not time series: read it with cycles()")
            else:
                findings.fault(
                    f"{item.label}: its rows have no 'time'; their keys are {', '.join(map(short, keys))}"
                )
            continue
        columns = [key for key in keys if key not in ("time", "perc")]
        table = _careful_table(item, ("time", *columns), findings)
        ordered = _points_of(item, "time", table, findings)
        if ordered is None:
            continue
        time, values = ordered
        base = _series_name(item.label, item, labels)
        for at, column in enumerate(columns):
            if column in ("mean", "value"):
                what = base
            elif column in ("std", "count"):
                what = attrs.evolve(base, channel=f"{base.channel}_{column}", known=False)
            else:
                what = _series_name(column, item, labels)
            sided = _side(item, what, findings)
            if sided is None:
                continue
            channel = CHANNELS.get(sided.channel)
            unit = "" if column == "count" else item.unit or (channel.unit if channel else "")
            one = _Series(sided.channel, sided.side, time, values[:, at], unit, item.label)
            yield one, not (sided.known and sided.sign_unsure)


def _series_name(text: str, item: _Item, labels: set[str]) -> Recognised:
    what = recognise(text)
    if what.known:
        return what
    name, side = split_unknown(text, item.context, labels)
    return Recognised(name, side, False)


def _dataset(found: list[_Series], owner: FileContent | None, file: str, problems: list[str]) -> xr.Dataset:
    every = [one.time for one in found]
    time = np.unique(np.concatenate(every)) if every else np.empty(0)
    sides = [side for side in (LEFT, RIGHT) if any(one.side == side for one in found)]
    variables: dict[str, Any] = {}
    names = dict.fromkeys(one.name for one in found)
    for name in names:
        own = [one for one in found if one.name == name]
        sided = any(one.side for one in own)
        values = np.full((len(sides), len(time)), np.nan) if sided else np.full(len(time), np.nan)
        variable = name
        for one in own:
            at = np.searchsorted(time, one.time)
            if not sided:
                values[at] = one.values
            elif one.side:
                values[sides.index(one.side), at] = one.values
            else:
                whole = np.full(len(time), np.nan)
                whole[at] = one.values
                variables[f"{name}_no_side"] = ("time", whole, {"units": one.unit, "label": one.label})
        units = dict.fromkeys(one.unit for one in own)
        if len(units) > 1:
            where = "" if owner is None else f"{owner.where}: "
            text = f"{where}{name} is in several units: {', '.join(one or 'none' for one in units)}; left out"
            problems.append(text)
            warn(text)
            continue
        about = {"units": next(iter(units)), "label": ", ".join(dict.fromkeys(one.label for one in own))}
        variables[variable] = (("side", "time") if sided else ("time",), values, about)
    coords: dict[str, Any] = {"time": ("time", time, {"units": "s"})}
    if sides:
        coords["side"] = ("side", _texts(sides))
    if owner is not None:
        coords.update({name: value[1][0] for name, value in _trial_coords([owner], "trial").items()})
    return xr.Dataset(variables, coords, {"file": file, "problems": problems})


# --- parameters and events

_PARAMETER_COLUMNS = (*_TRIAL_COLUMNS, "side", "name", "unit", "mean", "std", "label", "cycle")
_EVENT_COLUMNS = (*_TRIAL_COLUMNS, "side", "name", "time", "unit", "percent", "opposite")

_UNIT_BEHIND = re.compile(r"^(?P<name>.*?)\s*[\[(](?P<unit>[^\[\]()]*)[\])]\s*$", re.S)
_SIDE_BEFORE = re.compile(r"^(?P<side>L|R|Left|Right)[\s._-]+(?P<rest>.+)$", re.I | re.S)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

# names of one word that are several: GCD files write them without spaces, and derived files in small letters
_PARAMETER_NAMES = {
    name.replace(" ", "").casefold(): name
    for name in (
        "Cadence", "Speed", "Walking Speed", "Gait Speed", "Stride Length", "Stride Time", "Stride Width", "Step Length",
        "Step Time", "Step Width", "Stance Phase", "Swing Phase", "Stance Time", "Swing Time", "Single Support",
        "Double Support", "Foot Off", "Foot Contact", "Opposite Foot Off", "Opposite Foot Contact", "Limp Index", "GDI",
        "FDI", "GPS", "GVS", "Foot Clear", "Stance Swing", "Bipedal",
    )
}  # fmt: skip


def parameter_name(label: str) -> tuple[str, str, str]:
    """What a parameter's label says: its name in words, its side ("left", "right", "") and its unit ("" where it has none).

    Only spelling is made alike: a name stays the one that the file has, and a side is taken off only where a word ends.

    >>> parameter_name("L.Stride.Time [s]"), parameter_name("StrideLength"), parameter_name("rightoppositefootoff")
    (('Stride Time', 'left', 's'), ('Stride Length', '', ''), ('Opposite Foot Off', 'right', ''))
    >>> parameter_name("Rhythm"), parameter_name("Left Step Length (m)")
    (('Rhythm', '', ''), ('Step Length', 'left', 'm'))
    """
    text, unit = label.strip(), ""
    behind = _UNIT_BEHIND.match(text)
    if behind and behind["name"]:
        text, unit = behind["name"], behind["unit"].strip()
    side = NO_SIDE
    before = _SIDE_BEFORE.match(text)
    if before:
        side = side_of(before["side"]) or NO_SIDE
        text = before["rest"]
    else:
        for word, name in (("left", LEFT), ("right", RIGHT)):
            rest = text[len(word) :]
            if text.casefold().startswith(word) and (
                rest[:1].isupper() or _squeezed(rest) in _PARAMETER_NAMES
            ):
                text, side = rest, name
                break
        else:
            if text[:1] in "LR" and text[1:2].isupper() and _squeezed(text[1:]) in _PARAMETER_NAMES:
                text, side = text[1:], LEFT if text[0] == "L" else RIGHT
    known = _PARAMETER_NAMES.get(_squeezed(text))
    if known is not None:
        return known, side, unit
    words = re.split(r"[\s._]+", _CAMEL.sub(" ", text).strip())
    return " ".join(word[:1].upper() + word[1:] for word in words if word), side, unit


def _squeezed(text: str) -> str:
    return re.sub(r"[\s._-]+", "", text).casefold()


def _of_trial(content: FileContent) -> dict[str, Any]:
    date = _day(content.date)
    row: dict[str, Any] = {
        "subject": content.subject,
        "session": content.session,
        "date": pd.NaT if np.isnat(date) else pd.Timestamp(date),
        "condition": content.condition,
        "trial": content.trial,
        "clip": content.clip,
    }
    row.update(content.extra)
    return row


def _frame(rows: list[dict[str, Any]], columns: tuple[str, ...], problems: list[str]) -> pd.DataFrame:
    """The rows as a table with these columns, those of the trials' extra coordinates behind the trial's own."""
    extra = [name for name in dict.fromkeys(chain.from_iterable(rows)) if name not in columns]
    split = len(_TRIAL_COLUMNS)
    frame: pd.DataFrame = pd.DataFrame(rows, columns=[*columns[:split], *extra, *columns[split:]])
    for name in frame.columns:
        if name in ("mean", "std", "time", "percent"):
            frame[name] = frame[name].astype("float64")
    frame["date"] = pd.to_datetime(frame["date"])
    frame.attrs["problems"] = problems
    return frame


def parameters(contents: Iterable[FileContent]) -> pd.DataFrame:
    """The gait parameters of trials, one row a value.

    Columns: subject, session, date, condition, trial, clip, side ("left", "right", or "" where the file names none), name (in
    words), unit (one spelling for each, such as "steps/min", nothing is converted; "" where the file does not say it), mean,
    std (NaN where the file has none), label (the file's own) and cycle (of a one-cycle file, the text in its name; else "").
    Coordinates of `FileContent.extra` are columns behind clip. `.attrs["problems"]` lists what could not be read. Sends no
    request.

    Examples
    --------
    >>> text = b'{"data": [{"label": "L.Stride.Time [s]", "values": {"mean": 1.05, "std": 0.1}}]}'
    >>> table = parameters([FileContent("gait_params.json", text, trial="Walk 1")])
    >>> table[["trial", "side", "name", "unit", "mean", "std"]].values.tolist()
    [['Walk 1', 'left', 'Stride Time', 's', 1.05, 0.1]]
    """
    problems: list[str] = []
    rows: list[dict[str, Any]] = []
    seen: dict[tuple[Any, ...], int] = {}
    for content in contents:
        findings = Findings(content.where)
        try:
            entries = items(parse(content.content), "data")
            for index, raw in enumerate(entries):
                row = _parameter(raw, index, findings)
                if row is None:
                    continue
                key = (content.trial_key, row["side"], row["name"], row["unit"], marked_cycle(content.name))
                if key in seen:
                    old = rows[seen[key]]
                    if not _same_numbers(old, row):
                        old["mean"] = old["std"] = math.nan
                        findings.fault(
                            f"{row['label']}: it is there twice, with different values: none is used"
                        )
                    continue
                seen[key] = len(rows)
                rows.append({**_of_trial(content), **row, "cycle": marked_cycle(content.name) or ""})
        except UnreadableError as error:
            findings.fault(f"not read: {error}")
        findings.report(problems)
    return _frame(rows, _PARAMETER_COLUMNS, problems)


def _same_numbers(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    return all(
        old[name] == new[name] or (math.isnan(old[name]) and math.isnan(new[name]))
        for name in ("mean", "std")
    )


def _parameter(raw: object, index: int, findings: Findings) -> dict[str, Any] | None:
    """One entry of a parameter file as a row, without its trial."""
    if not isinstance(raw, dict):
        findings.fault(f"entry {index} of its data is {short(raw)} in place of an object")
        return None
    label = next((raw[key] for key in ("label", "name", "description") if key in raw), None)
    if not isinstance(label, str) or not label.strip():
        findings.fault(f"entry {index} of its data has {short(label)} for a label")
        return None
    name, side, unit = parameter_name(label)
    context = side_of(raw.get("context"))
    if context is None or (side and context and side != context):
        findings.fault(
            f"{label}: its context says {short(raw['context'])}: not used, since its side is not known"
        )
        return None
    given = raw.get("unit")
    if given is not None and not isinstance(given, str):
        findings.fault(f"{label}: its unit is {short(given)}: not used")
        return None
    if given and unit and unit_name(given) != unit_name(unit):
        findings.fault(f"{label}: its unit is {short(given)} too: not used, since its unit is not known")
        return None
    values = raw.get("values")
    if isinstance(values, list) and len(values) == 1:
        values = values[0]
    if not isinstance(values, dict):
        findings.fault(f"{label}: its values are {short(values)} in place of an object with a mean")
        return None
    if "mean" not in values:
        keys = ", ".join(map(short, list(values)[:8])) or "none"
        findings.fault(f"{label}: its values have no mean, left empty; their keys are {keys}")
    row: dict[str, Any] = {"side": side or context, "name": name, "unit": unit_name(given or unit)}
    for key in ("mean", "std"):
        value = number(values.get(key))
        if value is None:
            findings.fault(f"{label}: its {key} is {short(values[key])}: no number, left empty")
            value = math.nan
        row[key] = value
    return {**row, "label": label}


def events(contents: Iterable[FileContent]) -> pd.DataFrame:
    """The gait events of trials, one row an event, in the order of the file.

    Columns: subject, session, date, condition, trial, clip, side ("left", "right", or "" where the file names none), name
    ("Foot Strike", "Foot Off", …), time and its unit (seconds), percent of the gait cycle and opposite, as far as the file has
    them. Events without a time that is a number are left out. Of several files of a trial, a foot strike or foot off within
    0.1 s of one of its side in an earlier file is that one, with the earlier file's time. `.attrs["problems"]` says so. Sends
    no request.

    Examples
    --------
    >>> text = b'{"events": [{"name": "Foot Off", "context": "Left", "time": 0.8, "perc": 61.2}]}'
    >>> table = events([FileContent("event.json", text, trial="Walk 1")])
    >>> table[["trial", "side", "name", "time", "unit", "percent"]].values.tolist()
    [['Walk 1', 'left', 'Foot Off', 0.8, 's', 61.2]]
    """
    problems: list[str] = []
    rows: list[dict[str, Any]] = []
    seen: dict[tuple[Any, ...], list[tuple[float, int]]] = {}
    files: list[str] = []
    for at, content in enumerate(contents):
        findings = Findings(content.where)
        files.append(content.name)
        near: list[str] = []
        try:
            document = parse(content.content)
            for index, raw in enumerate(items(document, "events" if "events" in document else "data")):
                row = _event(raw, index, findings)
                if row is None:
                    continue
                kind = _squeezed(row["name"])
                have = seen.setdefault((content.trial_key, row["side"], kind), [])
                same = _same_event(have, row["time"], SAME_EVENT if row["side"] and kind in _FEET else 0.0)
                if same is None or (same[0] != row["time"] and same[1] == at):
                    insort(have, (row["time"], at))
                    rows.append({**_of_trial(content), **row})
                elif same[0] != row["time"]:
                    near.append(
                        f"{row['side']} {row['name']} at {row['time']:g} s, which is at {same[0]:g} s in {files[same[1]]}"
                    )
        except UnreadableError as error:
            findings.fault(f"not read: {error}")
        if near:
            more = f" (and {len(near) - 1} more)" if len(near) > 1 else ""
            findings.fault(f"{near[0]}{more}: taken for one event, with the time of the first file")
        findings.report(problems)
    return _frame(rows, _EVENT_COLUMNS, problems)


def _same_event(have: Sequence[tuple[float, int]], time: float, apart: float) -> tuple[float, int] | None:
    """The event, of those in the order of time, that is nearest to this time and not further than `apart`; or None."""
    at = bisect(have, (time, -1))
    near = [one for one in have[max(0, at - 1) : at + 1] if abs(one[0] - time) <= apart]
    return min(near, key=lambda one: abs(one[0] - time), default=None)


def _event(raw: object, index: int, findings: Findings) -> dict[str, Any] | None:
    if not isinstance(raw, dict):
        findings.fault(f"event {index} is {short(raw)} in place of an object")
        return None
    name = raw.get("name", raw.get("label"))
    if not isinstance(name, str) or not name.strip():
        findings.fault(f"event {index} has {short(name)} for a name")
        return None
    side = side_of(raw.get("context"))
    if side is None:
        findings.fault(f"event {index} ({name}): its context is {short(raw['context'])}: left out")
        return None
    time = number(raw.get("time"))
    if time is None or math.isnan(time):
        findings.fault(f"event {index} ({name}): its time is {short(raw.get('time'))}: left out")
        return None
    percent = number(raw.get("perc"))
    if percent is None:
        findings.fault(f"event {index} ({name}): its perc is {short(raw['perc'])}: no number, left empty")
        percent = math.nan
    opposite = raw.get("opposite")
    if opposite is not None and not isinstance(opposite, (str, bool, int, float)):
        findings.fault(f"event {index} ({name}): its opposite is {short(opposite)}: left empty")
        opposite = None
    return {
        "side": side,
        "name": name.strip(),
        "time": time,
        "unit": "s",
        "percent": percent,
        "opposite": opposite,
    }


# --- from events

_FROM_EVENTS = "from events"
_TEMPORAL_UNITS = {
    "Stride Time": "s",
    "Stance Phase": "%",
    "Swing Phase": "%",
    "Single Support": "%",
    "Double Support": "%",
}


def temporal(events: pd.DataFrame) -> pd.DataFrame:
    """Stride time, stance, swing, single and double support of each trial and side, from its foot strikes and foot offs.

    Returns a table with the columns of `parameters()`: "Stride Time" in s; "Stance Phase", "Swing Phase", "Single Support" and
    "Double Support" in % of the stride; mean and sample standard deviation (NaN for one) over the strides. `label` is
    "from events".

    A stride goes from a foot strike to the next of the same side. Stance ends with the one foot off between them. Single
    support is the part of the stance in which the other foot is in the air, from its one foot off to its one foot strike
    within the stance; double support is the rest of the stance (J. Perry, J. M. Burnfield, Gait Analysis, 2nd ed. 2010,
    ch. 2). A stride in which an event is absent or out of order counts for what it has: stance and swing need one foot off,
    single and double support need the other side's two events. Where two strikes of a foot are within 0.1 s of each other it
    cannot be told which one is meant: the strides that begin or end there do not count. Sends no request.

    Examples
    --------
    >>> times = {"left": [("Foot Strike", 0.0), ("Foot Off", 0.6), ("Foot Strike", 1.0)],
    ...          "right": [("Foot Off", 0.1), ("Foot Strike", 0.5)]}
    >>> rows = [{"name": name, "context": side, "time": time} for side, own in times.items() for name, time in own]
    >>> import json
    >>> found = temporal(events([FileContent("event.json", json.dumps({"events": rows}).encode())]))
    >>> [(name, round(mean, 6)) for name, mean in zip(found.name, found["mean"])][:3]
    [('Stride Time', 1.0), ('Stance Phase', 60.0), ('Swing Phase', 40.0)]
    >>> [(name, round(mean, 6)) for name, mean in zip(found.name, found["mean"])][3:]
    [('Single Support', 40.0), ('Double Support', 20.0)]
    """
    split = list(events.columns)
    trial_columns = split[: split.index("side")]
    rows: list[dict[str, Any]] = []
    keys = events["clip"].where(events["clip"] != "", _names_key(events)) if len(events) else events["clip"]
    for _, own in events.groupby(keys, sort=False):
        first = {name: own[name].iloc[0] for name in trial_columns}
        times = {
            (side, kind): np.sort(
                own.loc[(own["side"] == side) & (own["name"].map(_squeezed) == kind), "time"].to_numpy()
            )
            for side in (LEFT, RIGHT)
            for kind in ("footstrike", "footoff")
        }
        for side, other in ((LEFT, RIGHT), (RIGHT, LEFT)):
            measured = _strides(times, side, other)
            for name, unit in _TEMPORAL_UNITS.items():
                values = measured[name]
                if values:
                    std = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
                    about = {
                        "side": side,
                        "name": name,
                        "unit": unit,
                        "mean": float(np.mean(values)),
                        "std": std,
                    }
                    rows.append({**first, **about, "label": _FROM_EVENTS, "cycle": ""})
    return _frame(rows, _PARAMETER_COLUMNS, list(events.attrs.get("problems", [])))


def _names_key(events: pd.DataFrame) -> pd.Series[Any]:
    parts = [events[name].astype(str) for name in ("subject", "session", "condition", "trial")]
    joined = parts[0]
    for part in parts[1:]:
        joined = joined + "/" + part
    return joined


def _strides(times: Mapping[tuple[str, str], Array], side: str, other: str) -> dict[str, list[float]]:
    """What each stride of a side measures."""
    found: dict[str, list[float]] = {name: [] for name in _TEMPORAL_UNITS}
    strikes = times[side, "footstrike"]
    close = np.diff(strikes) <= SAME_EVENT
    unsure = np.append(close, False) | np.append(False, close) if len(strikes) else close
    for n, (start, end) in enumerate(pairwise(strikes)):
        if unsure[n] or unsure[n + 1]:
            continue
        length = end - start
        found["Stride Time"].append(float(length))
        off = _between(times[side, "footoff"], start, end)
        if off is None:
            continue
        stance = 100 * (off - start) / length
        found["Stance Phase"].append(stance)
        found["Swing Phase"].append(100 - stance)
        lifted = _between(times[other, "footoff"], start, off)
        landed = _between(times[other, "footstrike"], start, off)
        if lifted is not None and landed is not None and lifted < landed:
            single = 100 * (landed - lifted) / length
            found["Single Support"].append(single)
            found["Double Support"].append(stance - single)
    return found


def _between(times: Array, start: float, end: float) -> float | None:
    """The one time between two, or None where there is none or more than one."""
    inside = times[(times > start) & (times < end)]
    return float(inside[0]) if len(inside) == 1 else None


def complete(parameters: pd.DataFrame, events: pd.DataFrame) -> pd.DataFrame:
    """The parameters, and those of `temporal(events)` that a trial's own files do not have, by trial, side and name.

    A trial whose file says "Stance Phase" of a side keeps it; what is added has the label "from events". A row of a file whose
    mean is empty (null, or no number, which the problems say) makes way for the value from events. Sends no request.
    """
    added = temporal(events)
    names = ["subject", "session", "condition", "trial", "clip", "side", "name"]
    told = parameters["mean"].notna().to_numpy(dtype=bool)
    of_files = list(parameters[names].itertuples(index=False, name=None))
    have = {row for row, has_mean in zip(of_files, told, strict=True) if has_mean}
    of_events = list(added[names].itertuples(index=False, name=None))
    added = added[np.array([row not in have for row in of_events], dtype=bool)]
    replacing = set(of_events) - have
    replaced = np.array([row in replacing for row in of_files], dtype=bool)
    parts = [table for table in (parameters[~replaced], added) if len(table)]
    problems = [*parameters.attrs.get("problems", []), *events.attrs.get("problems", [])]
    whole: pd.DataFrame = pd.concat(parts) if parts else parameters
    whole = whole.reset_index(drop=True)
    whole.attrs["problems"] = problems
    return whole
