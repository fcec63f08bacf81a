"""Text for terminals that needs no library: values in one line, counts, one curve. ASCII where the encoding has no more."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, TextIO

DRAWN = "├└│─…·°⣿"


def has_signs(stream: TextIO | None = None) -> bool:
    """Whether the stream's encoding has lines, dots and Braille."""
    encoding = getattr(stream or sys.stdout, "encoding", None) or "ascii"
    try:
        DRAWN.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def clean(text: str, *, lines: bool = False) -> str:
    """`text` without what acts on a terminal, see `moveshelf.values.printable`, which is imported where there is such."""
    if text.isascii() and (text.replace("\n", "") if lines else text).isprintable():
        return text
    from ..values import printable

    return printable(text, lines=lines)


def shown(value: Any) -> str:
    """A value in one line: nothing for None, dates in ISO form, nothing that acts on a terminal."""
    if value is None:
        return ""
    if isinstance(value, dict):
        return ", ".join(f"{clean(str(key))} {shown(one)}" for key, one in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(shown(one) for one in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return clean(f"{value:%Y-%m-%d %H:%M}" if isinstance(value, datetime) else str(value))


def plural(count: int, noun: str) -> str:
    """`1 trial`, `1,200 trials`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def plot(points: Sequence[tuple[float, float | None]], columns: int = 60) -> list[str]:
    """One curve (x, y) as lines of text with its axes; a missing y leaves a gap."""
    known = [(x, y) for x, y in points if y is not None]
    if len(known) < 2 or known[0][0] == known[-1][0]:
        return ["(no curve)"]
    braille = has_signs()
    across, down = (2, 4) if braille else (1, 1)
    left, right = known[0][0], known[-1][0]
    ticks = _ticks([y for _, y in known])
    # a tick stands in the middle of every second line
    lines = 2 * len(ticks) - 1
    dots_a_unit = (lines - 1) * down / (ticks[0] - ticks[-1])
    dots = set()
    for (x0, y0), (x1, y1) in pairwise(points):
        if y0 is None or y1 is None:
            continue
        first, last = (round((x - left) / (right - left) * (columns * across - 1)) for x in (x0, x1))
        before: int | None = None
        for column in range(first, last + 1):
            y = y0 + (y1 - y0) * (column - first) / max(1, last - first)
            row = round((ticks[0] - y) * dots_a_unit + (down - 1) / 2)
            # a steep piece is drawn down its column, so that the curve hangs together
            for filled in range(min(row, before or row), max(row, before or row) + 1):
                dots.add((column, filled))
            before = row
    side, tick, corner, floor = ("│", "┤", "└", "─") if braille else ("|", "+", "+", "-")
    rows = []
    for line in range(lines):
        letters = "".join(_letter(dots, column * across, line * down, braille) for column in range(columns))
        axis = f"{ticks[line // 2]:6g} {tick}" if line % 2 == 0 else f"{'':6} {side}"
        rows.append((axis + letters).rstrip())
    rows.append(" " * 7 + corner + floor * columns)
    foot = [" "] * (columns + 12)
    for part in range(5):
        mark = f"{left + (right - left) * part / 4:g}"
        start = 8 + round((columns - 1) * part / 4) - (len(mark) // 2 if part else 0)
        foot[start : start + len(mark)] = mark
    rows.append("".join(foot).rstrip())
    return rows


# the bits of Braille's dots, by column and row
_BIT = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))


def _letter(dots: set[tuple[int, int]], x: int, y: int, braille: bool) -> str:
    if not braille:
        return "*" if (x, y) in dots else " "
    bits = sum(_BIT[dx][dy] for dx in range(2) for dy in range(4) if (x + dx, y + dy) in dots)
    return chr(0x2800 + bits) if bits else " "


def _ticks(values: Sequence[float]) -> list[float]:
    """Round numbers around the values, at most eight, the highest first."""
    low, high = min(values), max(values)
    step = 1e-6
    for size in (10.0**power for power in range(-6, 12)):
        fits = [
            size * part
            for part in (1, 2, 5)
            if math.ceil(high / (size * part)) - math.floor(low / (size * part)) <= 7
        ]
        if fits:
            step = fits[0]
            break
    first, last = math.floor(low / step), math.ceil(high / step)
    return [step * number for number in range(max(last, first + 1), first - 1, -1)]
