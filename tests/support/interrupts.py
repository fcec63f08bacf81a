"""Ctrl-C at every moment at which Python looks for one, in turn: at the start of a function, after a call, in a loop.

No signal is sent: a trace function raises KeyboardInterrupt where the interpreter would, so that each run is the same.
"""

from __future__ import annotations

import contextlib
import dis
import sys
from collections.abc import Callable, Iterator
from types import FrameType, ModuleType
from typing import Any

#: After these the interpreter looks for signals; also when it enters a function or goes on with a generator.
LOOKS = frozenset(
    number
    for name, number in dis.opmap.items()
    if name.startswith(("CALL", "JUMP_BACKWARD", "JUMP_ABSOLUTE")) and "NO_INTERRUPT" not in name
)

_RESUMED = -1


class _Countdown:
    """Raises KeyboardInterrupt at the n-th such moment in the code of some files."""

    def __init__(self, files: frozenset[str], nth: int) -> None:
        self.files = files
        self.left = nth
        self.place = ""
        self._previous: dict[FrameType, int] = {}

    def enter(self, frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename not in self.files:
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        self._previous.pop(frame, None)
        if frame.f_lasti >= 0 and sys.version_info < (3, 11):
            # Python 3.10 would not go through the generator's own `finally`, as it does for a signal
            self._previous[frame] = _RESUMED
        else:
            self._moment(frame)
        return self.step

    def step(self, frame: FrameType, event: str, _: Any) -> Any:
        if event == "opcode":
            before = self._previous.get(frame)
            self._previous[frame] = frame.f_code.co_code[frame.f_lasti]
            if before in LOOKS or before == _RESUMED:
                self._moment(frame)
        elif event == "return":
            self._previous.pop(frame, None)
        return self.step

    def _moment(self, frame: FrameType) -> None:
        if self.left:
            self.left -= 1
            return
        sys.settrace(None)
        self._previous.clear()
        self.place = f"{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}"
        raise KeyboardInterrupt


def interrupted(work: Callable[[], object], *modules: ModuleType) -> Iterator[str]:
    """Run `work` again and again, interrupted one moment later each time; yields where, until it comes to its end.

    Only the code of the modules and of contextlib is interrupted.
    """
    files = frozenset(str(one.__file__) for one in (contextlib, *modules))
    nth = 0
    while True:
        countdown = _Countdown(files, nth)
        before = sys.gettrace()
        sys.settrace(countdown.enter)
        try:
            work()
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(before)
        if not countdown.place:
            return
        yield countdown.place
        nth += 1
