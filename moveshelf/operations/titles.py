"""The titles of new trials."""

from __future__ import annotations

import re
from collections.abc import Sequence

# four digits at most: longer ones are dates and camera counters
_LAST_NUMBER = re.compile(r"(?<!\d)(\d{1,4})\s*$", re.ASCII)


def next_title(titles: Sequence[str]) -> str:
    """`Trial-` and one more than the highest number that the titles carry; never a title that exists."""
    numbers = [number for number in map(_number, titles) if number is not None]
    number = max(numbers) + 1 if numbers else len(titles) + 1
    while f"Trial-{number}" in titles:
        number += 1
    return f"Trial-{number}"


def _number(title: str) -> int | None:
    """The number in a title: what stands behind the first dash, else the one it ends in."""
    parts = title.split("-")
    if len(parts) > 1:
        try:
            return int(parts[1])
        except ValueError:
            pass
    found = _LAST_NUMBER.search(title)
    return int(found[1]) if found else None
