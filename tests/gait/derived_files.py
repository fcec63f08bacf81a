"""Derived files as the tests need them: made up, of every shape that the service hands out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from moveshelf.gait.reading import FileContent

PERCENT_51 = [2 * n for n in range(51)]
PERCENT_101 = list(range(101))
PERCENT_100 = list(range(100))


def entry(
    label: str,
    columns: Mapping[str, Sequence[Any]],
    percent: Sequence[float] | None = None,
    axis: str = "perc",
    **more: Any,
) -> dict[str, Any]:
    """One label: a column a cycle (or "mean", "std"), a row a point."""
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    if percent is not None:
        rows = [{axis: at, **row} for at, row in zip(percent, rows, strict=True)]
    return {"label": label, **more, "values": rows}


def packed(*entries: Any, **more: Any) -> bytes:
    return json.dumps({"data": list(entries), **more}).encode()


def file(content: bytes | dict[str, Any], name: str = "angles_normalized.json", **trial: Any) -> FileContent:
    data = content if isinstance(content, bytes) else packed(content)
    return FileContent(name, data, **{"clip": "clip-1", "trial": "Walk 1", **trial})


def wave(points: int, level: float = 0.0, size: float = 10.0) -> list[float]:
    """A curve whose values are exact at three decimals, as derived files have them."""
    return [float(value) for value in np.round(level + size * np.sin(np.linspace(0, 2 * np.pi, points)), 3)]
