"""Looks for the access token wherever it must not be: logs, exceptions and their frames, reprs, pickles, sockets."""

from __future__ import annotations

import contextlib
import gc
import io
import logging
import pickle
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

HERE = str(Path(__file__).resolve().parent)
SHOWN = 300_000
"""Characters of a local variable's repr that are searched."""


class _Handler(logging.Handler):
    def __init__(self, watch: Watch) -> None:
        super().__init__(logging.DEBUG)
        self.watch = watch

    def emit(self, record: logging.LogRecord) -> None:
        self.watch.records += 1
        # what a formatter shows, and what a structured logger takes
        text = f"{self.format(record)} {record.args!r} {record.__dict__!r}"
        if self.watch.knows(text):
            self.watch.leaks.append(
                f"the token is in a log record of {record.name} ({record.pathname}:{record.lineno})"
            )
        if record.exc_info and record.exc_info[1] is not None:
            self.watch.exception(record.exc_info[1])


class Watch:
    """One token's watch. `leaks` is what was found since it was last emptied."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.leaks: list[str] = []
        self.records = 0
        self.allowed: set[int] = set()
        self._handler = _Handler(self)
        self._watching_sockets = False

    def knows(self, value: str | bytes) -> bool:
        return (self.token.encode() if isinstance(value, bytes) else self.token) in value

    @contextlib.contextmanager
    def logs(self) -> Iterator[None]:
        """Everything at DEBUG, as a careless program has it."""
        root = logging.getLogger()
        level = root.level
        root.addHandler(self._handler)
        root.setLevel(logging.DEBUG)
        try:
            yield
        finally:
            root.removeHandler(self._handler)
            root.setLevel(level)

    def sockets(self, allowed: set[int]) -> None:
        """From now on each connection to anything but these local ports is a leak."""
        self.allowed = allowed
        if not self._watching_sockets:
            self._watching_sockets = True
            sys.addaudithook(self._audit)

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        if event != "socket.connect":
            return
        address = args[1]
        if isinstance(address, tuple) and address[0] in ("127.0.0.1", "::1") and address[1] in self.allowed:
            return
        if isinstance(address, tuple):
            self.leaks.append(f"a connection to {address[0]}:{address[1]}")

    def exception(self, error: BaseException) -> None:
        """Its text, repr, attributes and pickle, and the locals of every frame of the library below it."""
        seen: set[int] = set()
        todo: list[BaseException | None] = [error]
        while todo:
            one = todo.pop()
            if one is None or id(one) in seen:
                continue
            seen.add(id(one))
            name = type(one).__name__
            for what, text in (("text", str(one)), ("repr", repr(one)), ("attributes", repr(vars(one)))):
                if self.knows(text):
                    self.leaks.append(f"the token is in the {what} of a {name}")
            for frame, line in traceback.walk_tb(one.__traceback__):
                self._frame(frame, line, name)
            todo += [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]
        if self.knows(_pickled(error)):
            self.leaks.append(f"the token is in the pickle of a {type(error).__name__}")

    def _frame(self, frame: FrameType, line: int, name: str) -> None:
        file = frame.f_code.co_filename
        if file.startswith(HERE):
            return  # ours: these know the token
        for variable, value in frame.f_locals.items():
            try:
                text = repr(value)[:SHOWN]
            except Exception as error:
                text = f"{type(error).__name__}: {error}"
            if self.knows(text):
                short = "/".join(Path(file).parts[-2:])
                self.leaks.append(
                    f"the token is in {variable!r} of {frame.f_code.co_name} ({short}:{line}) below a {name}"
                )

    def objects(self, *things: Any) -> None:
        """repr, str and pickle of things of the library's."""
        for one in things:
            name = type(one).__name__
            if self.knows(repr(one)) or self.knows(str(one)):
                self.leaks.append(f"the token is in the repr of a {name}")
            if self.knows(_pickled(one)):
                self.leaks.append(f"the token is in the pickle of a {name}")


def _pickled(value: Any) -> bytes:
    buffer = io.BytesIO()
    with contextlib.suppress(Exception):  # what cannot be pickled goes nowhere
        pickle.Pickler(buffer).dump(value)
    return buffer.getvalue()


def settle() -> None:
    """Let go of what earlier trials have left, so that its finalizers do not run in the next."""
    gc.collect()
