"""One request for many objects: which objects it names, who waits for it, and what its failure means to them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ..errors import fresh
from ..wire.progress import tick
from .entity import Entity

if TYPE_CHECKING:
    from .loader import Loader
    from .peers import Peers
    from .selection import Selection


class Batch:
    """One request for a selection of some objects, and those who wait for it."""

    __slots__ = (
        "_in_window",
        "_loader",
        "clock",
        "done",
        "error",
        "errors",
        "group",
        "ids",
        "opens_loop",
        "peers",
        "selection",
    )

    def __init__(
        self, loader: Loader, selection: Selection, group: str, ids: list[str], peers: Peers | None
    ) -> None:
        self._loader = loader
        self.selection = selection
        #: the group of fields that the selection is; "" for a selection of several groups
        self.group = group
        self.ids = ids
        self.peers = peers
        self._in_window = False
        #: the first batch of a loop: the reader who comes to its second member is in a loop
        self.opens_loop = False
        self.clock = loader.cache.clock
        self.done = threading.Event()
        self.error: BaseException | None = None
        self.errors: dict[str, BaseException] = {}

    def wait(self) -> None:
        """Wait until the response is populated; in slices, so that Ctrl-C and a notebook's interrupt get through."""
        while not self.done.wait(0.1):
            tick()

    def failure(self, identity: str) -> BaseException | None:
        """Why there is no value for the object: a new exception for each caller; None if there is one."""
        error = self.errors.get(identity, self.error if identity in self.ids else None)
        return None if error is None else fresh(error)

    @property
    def in_window(self) -> bool:
        """Whether it counts as prefetched and not yet read."""
        return self._in_window

    def enter_window(self) -> None:
        """Count as prefetched."""
        if self.peers is not None and not self._in_window:
            self._in_window = True
            self.peers.window.ahead += 1

    def leave_window(self) -> None:
        """The reader has come here, or nobody will read it."""
        if self.peers is not None and self._in_window:
            self._in_window = False
            self.peers.window.ahead -= 1

    def reached(self, obj: Entity) -> None:
        """The reader has come to this batch: let the window slide."""
        loader, peers = self._loader, self.peers
        with loader.cache.lock:
            if peers is None:
                return
            if self.opens_loop:
                self.opens_loop = False
                peers.window.read_on = True
                loader.prefetch(peers, obj, self.group)
                return
            if not self._in_window:
                return
            self.leave_window()
            peers.window.slide()
            loader.prefetch(peers, obj, self.group)
