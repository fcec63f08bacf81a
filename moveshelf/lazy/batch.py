"""One request for many objects: which objects it names, who waits for it, and what its failure means to them."""

from __future__ import annotations

import threading
from asyncio import CancelledError
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import fresh
from ..wire.progress import tick
from ..wire.thread import check_stopped, told
from .entity import Entity

if TYPE_CHECKING:
    from .deep import Deep
    from .loader import Loader
    from .paths import Guess
    from .peers import Peers
    from .selection import Selection
    from .steps import Steps


class Batch:
    """One request for a selection of some objects, and those who wait for it."""

    __slots__ = (
        "_callbacks",
        "_in_window",
        "_loader",
        "_waiters",
        "cancel",
        "clock",
        "deep",
        "done",
        "error",
        "errors",
        "group",
        "guesses",
        "ids",
        "is_cancelled",
        "opens_loop",
        "peers",
        "selection",
    )

    def __init__(
        self,
        loader: Loader,
        selection: Selection,
        group: str,
        ids: list[str],
        peers: Peers | None,
        deep: Deep | None = None,
    ) -> None:
        self._loader = loader
        self.selection = selection
        #: what a loop's request of several levels fetches below the group's own list
        self.deep = deep
        #: the guesses that the reader of this batch proves by reading on
        self.guesses: list[Guess] = []
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
        #: what stops the request, where the source can do that
        self.cancel: Callable[[], object] | None = None
        self.is_cancelled = False
        self._waiters = 0
        self._callbacks: list[Callable[[], object]] = []

    # waiting -------------------------------------------------------------------------------------------------
    def wait(self) -> None:
        """Wait until the response is populated; in slices, so that Ctrl-C and a notebook's interrupt get through."""
        while not self.done.wait(0.1):
            check_stopped()
            tick()

    async def arrive(self) -> None:
        """The same for a coroutine of any event loop."""
        await told(self.add_done_callback)

    def add_done_callback(self, function: Callable[[], object]) -> None:
        """Have the function called once the response is populated, on the I/O thread; now, where it is already."""
        self._callbacks.append(function)
        if self.done.is_set():
            try:
                self._callbacks.remove(function)
            except ValueError:
                return  # the I/O thread was faster
            function()

    def finish(self) -> None:
        """The response is populated, or will not come: wake all who wait."""
        self.done.set()
        while self._callbacks:
            try:
                function = self._callbacks.pop()
            except IndexError:  # taken back just now
                break
            function()

    def join(self) -> Batch:
        """Count one more who will wait. The lock is held, so that nobody cancels it before."""
        self._waiters += 1
        return self

    def awaited(self) -> Steps[None]:
        """Wait for it, after `join`. Where the wait is cancelled and nobody else waits, the request is cancelled too."""
        cancelled = False
        try:
            yield self
        except CancelledError:
            cancelled = True
            raise
        finally:
            self.leave(cancelled)

    def leave(self, cancelled: bool = False) -> None:
        """Count one less who waits."""
        with self._loader.cache.lock:
            self._waiters -= 1
            if cancelled and self._waiters == 0 and not self.done.is_set():
                self._loader.cancel(self)

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
            if self.deep is None:
                self.peers.window.ahead += 1
            else:
                self.peers.ahead.unread += self.deep.each * len(self.ids)

    def leave_window(self) -> None:
        """The reader has come here, or nobody will read it."""
        if self.peers is not None and self._in_window:
            self._in_window = False
            if self.deep is None:
                self.peers.window.ahead -= 1
            else:
                self.peers.ahead.unread -= self.deep.each * len(self.ids)

    def doubt(self) -> None:
        """The reader has this batch, or comes to it: what was fetched for a guess should be read now."""
        for reads, name in self.guesses:
            reads.doubt(name)

    def reached(self, obj: Entity) -> None:
        """The reader has come to this batch: let the window slide."""
        loader, peers = self._loader, self.peers
        with loader.cache.lock:
            if peers is None:
                return
            if self.opens_loop:
                self.opens_loop = False
                peers.window.read_on = True
                if peers.parent is None:
                    peers.ahead.go_on()
                loader.prefetch(peers, obj, self.group)
                return
            if not self._in_window:
                return
            self.leave_window()
            peers.window.slide()
            peers.ahead.grow()
            self.doubt()
            loader.prefetch(peers, obj, self.group)
