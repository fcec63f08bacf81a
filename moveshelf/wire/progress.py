"""One bar for what takes long: a transfer while it is planned and carried out, and `load` of many objects.

A thread that waits for a response does so in slices, and calls `tick` between them: so what is shown is touched only by the
thread that called the library, as notebooks want it, and nothing is shown of what is over at once.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from ..values import printable

if TYPE_CHECKING:
    from .connection import Wire

DELAY: Final = 1.0
"""Seconds that a plan or a load may take before it is shown."""
INTERVAL: Final = 0.1
"""Seconds between two updates."""
FORESEEN: Final = 30 * 86400.0
"""Seconds that a time left may have: more is no forecast."""
SPAN: Final = 10.0
"""Seconds over which the speed is taken."""
_FORM: Final = "{desc}: {percentage:3.0f}%|{bar}| {told}"
_OPEN_FORM: Final = "{desc}: {told}"

_watching = threading.local()


def tick() -> None:
    """Called by a thread that waits, between two slices of its wait."""
    function: Callable[[], None] | None = getattr(_watching, "function", None)
    if function is not None:
        function()


@contextmanager
def watched(function: Callable[[], None] | None) -> Iterator[None]:
    """Have `function` called while this thread waits for responses."""
    before = getattr(_watching, "function", None)
    _watching.function = function or before
    try:
        yield
    finally:
        _watching.function = before


def is_seen() -> bool:
    """Whether a bar would be seen: in a terminal, or a notebook."""
    stream = sys.stderr
    if stream is not None and hasattr(stream, "isatty") and stream.isatty():
        return True
    shell = sys.modules.get("IPython")
    instance = shell.get_ipython() if shell is not None and hasattr(shell, "get_ipython") else None
    return instance is not None and hasattr(instance, "kernel")


class Bar:
    """The bar of one call of a method; it appears when it first has something to show.

    In a notebook it is a widget where `ipywidgets` is installed, else a line of text, as in a terminal.
    """

    def __init__(self, title: str) -> None:
        self._title = printable(title)
        self._tqdm: Any = None
        self._moved: deque[tuple[float, int]] = deque()

    @classmethod
    def of(cls, wanted: bool | None, title: str) -> Bar | None:
        """A bar, if one is wanted; None (of `wanted`) wants one where it is seen."""
        return cls(title) if wanted or (wanted is None and is_seen()) else None

    @contextmanager
    def waiting(self, wire: Wire, what: str) -> Iterator[None]:
        """Show the requests of a client and what they brought, from `DELAY` seconds on, while responses are waited for."""
        begin, before = time.monotonic(), wire.stats

        def show() -> None:
            passed = time.monotonic() - begin
            if passed >= DELAY:
                done = wire.stats - before
                self._show(waiting_text(what, done.requests, done.bytes_received, passed), 0, None)

        try:
            with watched(show):
                yield
        finally:
            self.close()

    def transferred(self, files: int, all_files: int, done: int, expected: int, *, estimated: bool) -> None:
        """Show a transfer: files and bytes done of all."""
        now = time.monotonic()
        self._moved.append((now, done))
        while len(self._moved) > 2 and self._moved[0][0] < now - SPAN:
            self._moved.popleft()
        since, first = self._moved[0]
        speed = (done - first) / (now - since) if now > since else 0.0
        text = transfer_text(files, all_files, done, expected, speed, estimated=estimated)
        self._show(text, done, max(expected, done, 1))

    def close(self) -> None:
        """Leave it as it is."""
        if self._tqdm is not None:
            self._tqdm.close()
            self._tqdm = None

    def _show(self, text: str, done: int, total: int | None) -> None:
        bar = self._tqdm
        if bar is None or (total is None) != (bar.total is None):
            self.close()
            bar = self._tqdm = _tqdm(self._title, total, text)
        bar.told, bar.total, bar.n = text, total, done
        bar.refresh()


def _tqdm(title: str, total: int | None, text: str) -> Any:
    from tqdm.auto import tqdm

    class Told(tqdm):  # type: ignore[type-arg]
        """A bar whose line of text is ours: tqdm's own counts one unit only."""

        told = text

        @property
        def format_dict(self) -> dict[str, Any]:
            return {**super().format_dict, "told": self.told}

    # while it is not known how much there is, what is shown goes when the bar itself comes
    form, leave = (_OPEN_FORM, False) if total is None else (_FORM, True)
    return Told(total=total, desc=title, bar_format=form, dynamic_ncols=True, leave=leave, miniters=1)


def waiting_text(what: str, requests: int, received: int, seconds: float) -> str:
    """`looking for files: 12 requests, 3.4 MB, 5 s`."""
    word = "request" if requests == 1 else "requests"
    return f"{what}: {requests} {word}, {_size(received)}, {_duration(seconds)}"


def transfer_text(
    files: int, all_files: int, done: int, expected: int, speed: float, *, estimated: bool = False
) -> str:
    """`12 of 24 files, 3.2 of 7.1 MB, 1.2 MB/s, 3 s left`; a total that is estimated has a "~"."""
    total = f"{'~' if estimated else ''}{_size(expected)}"
    parts = [f"{files} of {all_files} {'file' if all_files == 1 else 'files'}", f"{_size(done)} of {total}"]
    if files < all_files or done < expected:
        parts.append(f"{_size(speed)}/s")
        left = (expected - done) / speed if speed > 0 else 0.0
        if 0 < left < FORESEEN:
            parts.append(f"{_duration(left)} left")
    return ", ".join(parts)


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


@contextmanager
def loading(wire: Wire | None, what: str) -> Iterator[None]:
    """Show a load of this thread that takes long, where that is seen; the bar is gone when it is over.

    Inside of another call's bar (a transfer that is planned) that one goes on.
    """
    if wire is None or getattr(_watching, "function", None) is not None or not is_seen():
        yield
        return
    with Bar(what).waiting(wire, "so far"):
        yield
