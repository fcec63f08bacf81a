"""Loops over a whole project, and the requests that they may send."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import moveshelf

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox


SMALL = (40, 4, 5, 3)
LARGE = (200, 3, 8, 4)
LIMITS = {SMALL: 16, LARGE: 70}
#: what a loop sends that goes down all levels from the start: one small request a level, then several levels in each
NESTED = {SMALL: 10, LARGE: 20}
#: what one request of every level for a hundred objects would come to, the first of each for twenty
LEAST = {SMALL: 16, LARGE: 61}


def operation_counts(sandbox: Sandbox) -> Counter[str]:
    return Counter(str(request.operation) for request in sandbox.requests.snapshot())


def request_count(sandbox: Sandbox) -> int:
    return len(sandbox.requests.snapshot())


def wait_for_prefetch(ms: moveshelf.Moveshelf) -> None:
    """Wait until no request is in flight."""
    for batch in list(ms._engine.loader.in_flight.values()):
        batch.wait()
    if ms._engine.loader.in_flight:
        wait_for_prefetch(ms)


def nested_loops(project: Any) -> list[str]:
    return [
        file.id
        for subject in project.subjects
        for session in subject.sessions
        for clip in session.clips
        for file in clip.files
        if file.name
    ]
