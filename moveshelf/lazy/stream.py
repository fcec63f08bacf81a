"""Streams: a loop over members that loads ahead of its reader, and lets go of what the reader has passed.

What the paths of a stream name is fetched as by `load` (preload.py): a few members first, which tell how much there is below
one, then about 2,000 objects a request; at most MOST_AHEAD requests are ahead of the reader. Once the reader has passed a
member, the member's lists are let go of: the owner forgets its collection, which is freed with all below it by reference
counts. A collection that somebody else holds stays the owner's, for as long as it is held. What was listed before the stream
began stays as it is, unless the stream is below another loop, which has fetched it ahead.
"""

from __future__ import annotations

import weakref
from asyncio import CancelledError
from collections import deque
from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..errors import BudgetError
from .batch import Batch
from .entity import Entity
from .fields import Many
from .peers import Peers, items_of
from .preload import PROBE, fitting, is_nested, most_names, parts_of
from .selection import Tree
from .state import NOT_LOADED, PrefetchMarker, State, peek
from .steps import Announcement, Pause, Step, Steps, run
from .window import MOST_AHEAD

if TYPE_CHECKING:
    from .loader import Loader

C = TypeVar("C", bound=Entity)

#: How many collections that could not be let go of are looked at again when the reader goes on: more than are added.
LOOKS = 8

#: The lists that were there before a stream: the owner's id and the field's name.
Kept = frozenset[tuple[str, str]]

_NOTHING: Kept = frozenset()


class _Part:
    """Members that follow each other and are fetched together, ahead of the reader."""

    __slots__ = ("_begin_anew", "_error", "_step", "_steps", "begin", "end")

    def __init__(self, begin: int, end: int, steps: Callable[[], Steps[None]]) -> None:
        self.begin = begin
        self.end = end
        self._begin_anew = steps
        self._steps: Steps[None] | None = None
        self._step: Step | None = None
        self._error: Exception | None = None
        self._start()

    def _start(self) -> None:
        self._error = None
        self._steps = self._begin_anew()
        self._step = Pause()  # nothing is to be waited for before the first step

    def go_on(self) -> None:
        """Take the steps that need not be waited for."""
        while self._step is not None:
            step = self._step
            if isinstance(step, Batch):
                if not step.done.is_set():
                    return
            elif not isinstance(step, (Announcement, Pause)):
                return
            try:
                if isinstance(step, Announcement):
                    step.wait()
                self._resume(None)
            except Exception as error:
                self._end()
                self._error = error  # the reader gets it when it comes here

    def rest(self) -> Steps[None]:
        """The steps that are left; the reader has come here."""
        if isinstance(self._error, BudgetError):
            self._start()  # the budget of the reader counts, which may be another one by now
        if self._error is not None:
            raise self._error
        while self._step is not None:
            try:
                found = yield self._step
            except BaseException as error:
                self._resume(error)
            else:
                self._resume(found)

    def _resume(self, found: Any) -> None:
        steps = self._steps
        assert steps is not None
        try:
            self._step = steps.throw(found) if isinstance(found, BaseException) else steps.send(found)
        except StopIteration:
            self._end()
        except BaseException:
            self._end()
            raise

    def _end(self) -> None:
        self._steps = self._step = None

    def drop(self) -> None:
        """Nobody will read it: its requests are cancelled, unless others wait for them."""
        if self._steps is not None:
            try:
                self._steps.throw(CancelledError())
            except (CancelledError, StopIteration):
                pass
            finally:
                self._steps.close()
                self._end()


class Stream(Generic[C]):
    """One stream: the members, those that are fetched ahead, and what is let go of behind the reader."""

    def __init__(
        self, loader: Loader, members: Sequence[C], kind: type[C], tree: Tree, peers: Peers, owns_peers: bool
    ) -> None:
        """`owns_peers`: the peers begin here, so that nobody else reads what they prefetch."""
        self._loader = loader
        self._members = members
        self._kind = kind
        self._tree = tree
        self._peers = peers
        self._owns_peers = owns_peers
        #: where the reader is; what comes before was passed
        self.at = 0
        self._is_read = False
        self._parts: deque[_Part] = deque()
        #: how many members were requested; how many a request names, once that is known
        self._sent = 0
        self._size = 0 if is_nested(tree) and len(members) > PROBE else most_names(loader, kind, tree)
        #: the member at which the reader waits next
        self._waits_at = 0 if tree else len(members)
        #: collections to be let go of that were held, or on their way, when their owner was passed
        self._left: deque[tuple[Entity, Many[Any]]] = deque()
        #: of members that had lists before: which
        self._kept: dict[str, Kept] = {}
        self._positions: dict[str, int] | None = None

    # reading -------------------------------------------------------------------------------------------------
    def read(self) -> Generator[C, None, None]:
        """The members, one after the other; closed, it drops what was fetched ahead."""
        self.open()
        try:
            while self.at < len(self._members):
                if self.must_wait:
                    run(self.fetching())
                yield self.reach()
                self.leave()
        finally:
            self.close()

    def open(self) -> None:
        """The reader begins: what is listed now stays."""
        loader = self._loader
        self._peers.begin()
        with loader.cache.lock:
            # below another loop, what is listed was fetched ahead by that loop, for this stream
            for member in self._members if self._owns_peers else ():
                kept = next((one.kept(member) for one in loader.streams if one.covers(member)), None)
                if kept is None:
                    kept = frozenset(_listed(member))
                if kept:
                    self._kept[member.id] = kept
            loader.streams.append(self)

    @property
    def must_wait(self) -> bool:
        """Whether the next member begins a part, so that `fetching` comes first."""
        return self.at == self._waits_at

    def fetching(self) -> Steps[None]:
        """The steps that load the part that begins with the next member, and request those behind it."""
        if self.at:
            self._parts.popleft()
        self._request()
        part = self._parts[0]
        yield from part.rest()
        if not self._size:
            self._fit(part)
        self._waits_at = part.end
        self._request()

    def reach(self) -> C:
        """The next member: the reader has come to it."""
        member = self._members[self.at]
        member._peers = self._peers
        self._is_read = True
        return member

    def leave(self) -> None:
        """The reader has passed the member."""
        loader = self._loader
        with loader.cache.lock:
            at, member = self.at, self._members[self.at]
            self.at += 1
            self._is_read = False
            for _ in range(min(LOOKS, len(self._left))):
                self._drop(*self._left.popleft())
            self._let_go(at, member)

    def close(self) -> None:
        """The reader goes no further: what was fetched ahead is dropped. A member that it stands at keeps all."""
        loader = self._loader
        for part in self._parts:
            part.drop()
        self._parts.clear()
        with loader.cache.lock:
            loader.streams.remove(self)
            if self._owns_peers:
                loader.cancel_all(self._peers)
            if self._is_read:
                self._leave_peers(self.at, self._members[self.at])
                self.at += 1
            last = len(self._members) if self._owns_peers else self._sent
            for at in range(self.at, last):
                self._let_go(at, self._members[at])
            for _ in range(len(self._left)):
                self._drop(*self._left.popleft())
            self._left.clear()

    # fetching ahead ------------------------------------------------------------------------------------------
    def _request(self) -> None:
        """Request the parts that come next, as far as the window and the budget allow."""
        loader, members = self._loader, self._members
        for part in self._parts:
            part.go_on()
        while self._sent < len(members) and len(self._parts) < MOST_AHEAD:
            if self._parts and not (self._size and loader.affordable()):
                return
            begin = self._sent
            end = self._sent = min(len(members), begin + (self._size or min(PROBE, self._most())))
            steps = partial(parts_of, loader, members[begin:end], self._kind, self._tree)
            part = _Part(begin, end, steps)
            self._parts.append(part)
            part.go_on()

    def _most(self) -> int:
        return most_names(self._loader, self._kind, self._tree)

    def _fit(self, first: _Part) -> None:
        """How many members a request names, judged by the first ones; the parts have one size."""
        most = min(self._most(), fitting(list(self._members[first.begin : first.end]), self._tree))
        rest = max(len(self._members) - first.end, 1)
        self._size = -(-rest // -(-rest // most))

    # other streams -------------------------------------------------------------------------------------------
    def _position(self, member: Entity) -> int:
        if self._positions is None:
            self._positions = {one.id: at for at, one in enumerate(self._members)}
        return self._positions.get(member.id, -1)

    def covers(self, member: Entity) -> bool:
        """Whether the reader comes to the member, or is there. The lock is held."""
        return self._position(member) >= self.at

    def claims(self, member: Entity) -> bool:
        """Whether the reader is at the member, or it was fetched ahead for it. The lock is held."""
        return self.at <= self._position(member) < max(self._sent, self.at + 1)

    def kept(self, member: Entity) -> Kept:
        """Which lists below the member were there before."""
        return self._kept.get(member.id, _NOTHING)

    # letting go: the lock is held ------------------------------------------------------------------------------
    def _let_go(self, at: int, member: Entity) -> None:
        self._leave_peers(at, member)
        if any(one is not self and one.claims(member) for one in self._loader.streams):
            return  # the other one lets go of it
        self._let_go_below(member, self.kept(member))

    def _leave_peers(self, at: int, member: Entity) -> None:
        if self._owns_peers:
            ids = self._peers.ids
            if isinstance(ids, list):
                ids[at] = ""  # nothing is fetched for it any more
            if member._peers is self._peers:
                member._peers = None

    def _let_go_below(self, member: Entity, kept: Kept) -> None:
        for field in _lists(type(member)):
            if (member.id, field.name) in kept:
                for one in items_of(member, field) or ():
                    self._let_go_below(one, kept)
            else:
                self._drop(member, field)

    def _drop(self, member: Entity, field: Many[Any]) -> None:
        """Have the owner forget its collection, unless somebody else holds it."""
        if (member.id, field.group) in self._loader.in_flight:
            self._left.append((member, field))
            return
        if field.read(member).__class__ is State:
            return
        unread: list[Batch] = []
        _unread(member, field, unread)
        held = _forget(member, field)
        if held is None:
            for batch in unread:
                batch.leave_window()
        else:
            setattr(member, field.slot, held)
            self._left.append((member, field))


def _forget(member: Entity, field: Many[Any]) -> Any:
    """Empty the slot of a list; the collection, if it is still alive: then somebody else holds it."""
    alive = weakref.ref(field.read(member))
    setattr(member, field.slot, NOT_LOADED)
    return alive()


def _lists(kind: type[Entity]) -> tuple[Many[Any], ...]:
    found = _LISTS.get(kind)
    if found is None:
        found = _LISTS[kind] = tuple(one for one in kind.fields.values() if isinstance(one, Many))
    return found


_LISTS: dict[type[Entity], tuple[Many[Any], ...]] = {}


def _listed(member: Entity) -> set[tuple[str, str]]:
    """The lists below a member that are loaded."""
    found: set[tuple[str, str]] = set()
    for field in _lists(type(member)):
        items = items_of(member, field)
        if items is not None:
            found.add((member.id, field.name))
            for one in items:
                found |= _listed(one)
    return found


def _unread(member: Entity, field: Many[Any], found: list[Batch]) -> None:
    """The batches below a list that count as prefetched and whose first member the reader has not come to."""
    collection = field.read(member)
    if collection.__class__ is State:
        return
    items = collection._items
    if items.__class__ is PrefetchMarker:
        found.append(items.batch)
        items = peek(items)
    if items.__class__ is list and (below := _lists(field.target)):
        for one in items:
            for deeper in below:
                _unread(one, deeper, found)
