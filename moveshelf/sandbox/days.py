"""Days as clients send them: `2022-01-01`, `2022-1-1`, or the day that a date-time begins with."""

from __future__ import annotations

import re
from datetime import date

_DAY = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?!\d)")


def iso_day(text: str) -> str | None:
    """`YYYY-MM-DD` of a text that begins with a day; None where it begins with none that exists."""
    match = _DAY.match(text)
    if match is None:
        return None
    try:
        return date(*map(int, match.groups())).isoformat()
    except ValueError:
        return None
