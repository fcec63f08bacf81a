"""The loader: a touched field becomes a request for a batch of peers, and the next batches are prefetched.

Rules kept here (the numbers are in window.py and below):
- the first batch of a loop is small, and nothing is prefetched before the reader comes to the second member: many loops
  end after the first;
- the reader waits for its own batch only; prefetched batches arrive behind it, at most eight of a level unread;
- a batch is sent when it is full, when there are no more peers, or when its reader needs it and no request further up is
  bringing more peers;
- once a loop is two levels deep, what is not listed yet is fetched with all levels that the loop's path has below it
  (paths.py, deep.py), a few objects at first; the levels alone are the way where that does not succeed;
- a batch that the service cannot respond to is halved, and the smaller size is remembered; a batch of one is retried;
- one missing field of one object is in one request at a time, for all its readers.
"""

from __future__ import annotations

import os
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from ..errors import QueryError, RequestError
from ..wire import TooLargeError
from . import deep
from .batch import Batch
from .cache import Cache
from .deep import Deep
from .entity import Entity
from .fields import Field, Many, deleted
from .paths import Paths
from .peers import Peers, UnloadedParent
from .selection import Selection, Tree, group
from .state import PrefetchMarker, State, peek
from .steps import Steps, run
from .window import OPENING, TARGET

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .stream import Stream

#: How many objects one request names.
BATCH_SIZE = 100
#: How often one touch may wait for something other than its own field before it is sent without more peers.
DETOURS = 12
#: How often a field is fetched again because a write overtook the response.
ATTEMPTS = 25

#: A class and what tells a selection of it apart: the name of a group of fields, or a selection's key.
SizeKey = tuple[type[Entity], Any]


class Fetched(Protocol):
    """A response to `Source.fetch`, checked: by id, each object's dictionary or why there is none."""

    def __call__(self) -> Mapping[str, Mapping[str, Any] | BaseException]: ...


class Source(Protocol):
    """What the loader fetches from: the service."""

    def fetch(
        self,
        selection: Selection,
        ids: list[str],
        *,
        halve: bool,
        done: Callable[[Fetched], object],
    ) -> Callable[[], object] | None:
        """Send one query for a selection of those objects; `done` is called with the response, on the I/O thread.

        Returns what stops the request, if something does: then `done` gets its failure.
        """
        ...

    def room(self) -> int | None:
        """How many requests the budgets in force still allow; None without a budget."""
        ...

    def would_block(self) -> bool:
        """Whether waiting in this thread would block an event loop that must not be blocked."""
        ...

    def refuse_to_block(self, what: str, instead: str) -> None:
        """Raise NotLoadedError where that is so."""
        ...

    async def prepare(self) -> bool:
        """Make ready for requests from an event loop's thread; whether sending waits for nothing there."""
        ...


_ALIVE: weakref.WeakSet[Loader] = weakref.WeakSet()


def _after_fork() -> None:
    for loader in list(_ALIVE):
        loader.in_flight = {}  # the parent's requests get no response in a child process


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class Loader:
    """What turns touched fields into requests for batches of objects."""

    def __init__(self, cache: Cache, source: Source) -> None:
        self.cache = cache
        self.source = source
        self.in_flight: dict[tuple[str, str], Batch] = {}
        #: what failed lately is not prefetched again
        self.failed: dict[tuple[str, str], None] = {}
        #: the sizes that the service was found to bear, where they are smaller than BATCH_SIZE
        self.sizes: dict[SizeKey, int] = {}
        #: the levels that loops have gone down
        self.paths = Paths()
        #: the streams that are being read (stream.py)
        self.streams: list[Stream[Any]] = []
        _ALIVE.add(self)

    # touching ------------------------------------------------------------------------------------------------
    def fetch(self, obj: Entity, name: str) -> None:
        """Return when group `name` of `obj` is loaded; raise what prevented it."""
        run(self.fetching(obj, name))

    def fetching(self, obj: Entity, name: str) -> Steps[None]:
        """The steps of `fetch`."""
        selection = group(type(obj), name)
        detours, attempts = DETOURS, ATTEMPTS
        cache = self.cache
        known = cache.objects.get(obj.id)
        if known is not None and known is not obj and type(known) is type(obj):
            yield from self._reading_through(known, obj, name)
            return
        while attempts:
            with cache.lock:
                if cache.deleted_ids and obj.id in cache.deleted_ids:
                    raise deleted(obj)  # meanwhile, perhaps
                if not selection.is_missing(obj):
                    return
                batch = self.in_flight.get((obj.id, name))
                if batch is None:
                    batch = self._launch(obj, name, detours)
                elif (
                    not batch.opens_loop
                ):  # of a loop's first batch another reader waits for the first member
                    batch.reached(obj)
                batch.join()
            yield from batch.awaited()
            if obj.id in batch.ids:
                error = batch.failure(obj.id)
                if error is not None and not self._goes_alone(batch, error):
                    raise error
                attempts -= 1
            else:
                detours = 0 if batch.error is not None else detours - 1
        raise RequestError(f"{type(obj).__name__} {obj.id} keeps changing while {name!r} is read; try again")

    @staticmethod
    def _goes_alone(batch: Batch, error: BaseException) -> bool:
        """Whether a failure of several levels says nothing about the group alone, which is then fetched without them."""
        if batch.deep is not None:
            return isinstance(error, (QueryError, TooLargeError))
        return not batch.group and isinstance(error, TooLargeError)

    def _reading_through(self, known: Entity, copy: Entity, name: str) -> Steps[None]:
        """Load a group of a copy that came to this client when the id was known already: from the client's own object."""
        if copy._peers is not None:
            known._peers = copy._peers
        yield from self.fetching(known, name)
        with self.cache.lock:
            for field in type(known).groups[name]:
                setattr(copy, field.slot, peek(field.read(known)))

    def refuse_to_block(self, kind: type[Entity], field: Field[Any], count: int = 1) -> None:
        """Raise NotLoadedError where a wait for `field` would block an event loop that must not be blocked."""
        if not self.source.would_block():
            return
        derived = [name for name, source in kind.derived.items() if source == field.name]
        name = derived[0] if len(derived) > 1 else field.name  # several are read from it: people touch those
        owner = (
            "ms" if kind.is_root else kind.__name__
        )  # what hangs from the root is reached through the client
        of = "" if count == 1 else f" of {count} objects"
        self.source.refuse_to_block(
            f"{owner}.{name}{of} is not loaded, and loading it", f'await {owner.lower()}.aload("{name}")'
        )

    def size(self, kind: type[Entity], name: str) -> int:
        """How many objects a request for the group may name."""
        most = self.sizes.get((kind, name), BATCH_SIZE)
        for field in kind.groups[name]:
            if isinstance(field, Many) and field.batch_size is not None:
                most = min(most, field.batch_size)
        return 1 if kind.is_root else most

    def _launch(self, obj: Entity, name: str, detours: int) -> Batch:
        """Send the batch that begins with `obj`, or return the one to wait for first."""
        peers = obj._peers
        size = self.size(type(obj), name)
        if peers is None or (not peers.window.full and self._is_barrier(type(obj), name)):
            return self._send(type(obj), name, [obj.id], None)
        window = peers.window
        peers.note_share(self.cache.objects)
        if window.full and isinstance(type(obj).fields.get(name), Many):
            peers.reads.touch(name)
        opening = False
        if not window.full:
            size = window.open(obj.id, size)
        elif not (peers.parent is not None and peers.parent.window.read_on) and window.first(name):
            opening = True
            size = min(size, OPENING)
        # what failed with the levels below is fetched without them
        plan = None if (obj.id, name) in self.failed else self._deep(peers, type(obj), name)
        if plan is not None:
            size = max(1, min(size, self._names(plan, name), int(TARGET / plan.each)))
        window.begin_search()
        batches, unloaded = self._gather(peers, obj, name, size, 1)
        if (
            window.full
            and unloaded is not None
            and len(batches[0]) < size
            and detours > 0
            and self._deep_above(unloaded) is None
        ):
            further_up = self._further_up(unloaded)
            if further_up is not None:
                return further_up
        if unloaded is None and len(batches[0]) < size:
            if window.full and name not in peers.finished_groups:
                peers.finished_groups += (name,)
            elif window.looks is None:
                batches[0] += self._before(peers, obj, name, size - len(batches[0]))
        window.end_search(len(batches[0]))
        own = self._send(type(obj), name, batches[0], peers, plan, opens_loop=opening)
        if peers.parent is not None:
            peers.parent.window.feeds_lower_level = True
        if window.full and not opening:
            self.prefetch(peers, obj, name)
        return own

    @staticmethod
    def _is_barrier(kind: type[Entity], name: str) -> bool:
        """Whether who picks a few objects and reads the list of each is sent no other object's: the lists are large."""
        field = kind.fields.get(name)
        return isinstance(field, Many) and field.barrier

    def prefetch(self, peers: Peers, obj: Entity, name: str) -> None:
        """Request the batches that the reader comes to next, as far as the window and the budget allow."""
        if not peers.window.full:
            return
        plan = self._deep(peers, type(obj), name)
        if plan is not None:
            unloaded = self._send_deep(peers, obj, name, plan)
            if unloaded is not None:
                self._prefetch_above(unloaded)
            return
        room = peers.room()
        size = self.size(type(obj), name)
        batches, unloaded = self._gather(peers, obj, name, size, max(room, 1))
        # a batch that is not full waits for more peers; if those come with all that is below them, for the reader only
        is_deep = unloaded is not None and self._deep_above(unloaded) is not None
        for ids in batches[: max(room, 0)]:
            is_last = unloaded is None or (is_deep and not peers.window.ahead)
            if not ids or (len(ids) < size and not is_last) or not self.affordable():
                break
            self._send(type(obj), name, ids, peers, ahead=True)
        if unloaded is not None:
            self._prefetch_above(unloaded, peers.room() > 0)

    def _prefetch_above(self, unloaded: UnloadedParent, flat: bool = False) -> None:
        """Request the members that a parent misses: with all that the loop reads below them, or (`flat`) alone."""
        plan = self._deep_above(unloaded)
        level, field = unloaded.level.parent, unloaded.level.field
        if plan is None or level is None or field is None:
            if flat and self.affordable():
                self._further_up(unloaded)
            return
        further = self._send_deep(level, unloaded.parent, field.group, plan)
        if further is not None:
            self._prefetch_above(further)

    def _send_deep(self, peers: Peers, start: Entity, name: str, plan: Deep) -> UnloadedParent | None:
        """Request several levels of the members that come next, as far as the window and the budget allow.

        Returns the unloaded parent at which the peers end for now, if there is room for more.
        """
        names, most = peers.ahead.batches(plan.each, self._names(plan, name))
        if not most:
            return None
        batches, unloaded = self._gather(peers, start, name, names, most, again=False)
        for ids in batches[:most]:
            if not ids or not self.affordable():
                break
            self._send(type(start), name, ids, peers, plan, ahead=True)
        return unloaded

    def _deep(self, peers: Peers, kind: type[Entity], name: str) -> Deep | None:
        """How the group is fetched with what the loop reads below it; None where it is fetched alone."""
        plan = deep.plan(peers, kind, name)
        if plan is None or not self._names(plan, name):
            return None
        # where the service does not bear many objects of one level, it is not sent several levels
        least = deep.smallest(kind, plan.tree, self.sizes, BATCH_SIZE)
        if least < OPENING:
            return None
        if least < BATCH_SIZE:
            plan = attrs.evolve(plan, each=plan.each * BATCH_SIZE / least)
        # of members with very much below them each level is fetched, until one has less
        return plan if plan.each <= TARGET else None

    def _deep_above(self, unloaded: UnloadedParent) -> Deep | None:
        level, field = unloaded.level.parent, unloaded.level.field
        if level is None or field is None:
            return None
        return self._deep(level, type(unloaded.parent), field.group)

    def _names(self, plan: Deep, name: str) -> int:
        """How many objects a request of several levels may name."""
        kind = plan.selection.kind
        return min(self.size(kind, name), self.sizes.get((kind, plan.selection.key), BATCH_SIZE))

    def affordable(self) -> bool:
        """Whether the budgets in force allow one more request."""
        left = self.source.room()
        return left is None or left > 0

    def _further_up(self, unloaded: UnloadedParent) -> Batch | None:
        """The batch that will bring the missing members of a parent: the one in flight, or a new one."""
        level = unloaded.level.parent
        name = unloaded.level.field.group if unloaded.level.field is not None else ""
        flight = self.in_flight.get((unloaded.parent.id, name))
        if flight is not None:
            return flight
        if level is None or (unloaded.parent.id, name) in self.failed or not self.affordable():
            return None
        size = self.size(type(unloaded.parent), name)
        batches, further = self._gather(level, unloaded.parent, name, size, 1)
        if further is not None and len(batches[0]) < size:
            above = self._further_up(further)
            if above is not None:
                return above
        if not batches[0]:
            return None
        return self._send(type(unloaded.parent), name, batches[0], level, ahead=True)

    def _gather(
        self, peers: Peers, start: Entity, name: str, size: int, most: int, again: bool = True
    ) -> tuple[list[list[str]], UnloadedParent | None]:
        """Up to `most` lists of `size` ids, from `start` on, that miss the group and are not in flight.

        Beside them the unloaded parent at which the peers end for now.
        """
        fields = type(start).groups[name]
        in_flight = self.in_flight
        # a reader of what failed sends it again, with its neighbours that failed in the same batch
        failed = {} if again and (start.id, name) in self.failed else self.failed
        batches: list[list[str]] = [[]]
        kind = type(start)
        looked, most_looks = 0, peers.window.looks
        for looked, member in enumerate(peers.members(self.cache.objects, start), 1):
            if isinstance(member, UnloadedParent):
                return batches, member
            if looked == most_looks:
                break
            if type(member) is not kind:
                continue
            key = (member.id, name)
            if key in in_flight or key in failed:
                continue
            if all(field.loaded(member) for field in fields):
                continue
            if len(batches[-1]) == size:
                if not peers.window.full:
                    peers.window.expected = member.id
                if len(batches) == most:
                    break
                batches.append([])
            batches[-1].append(member.id)
        peers.window.looked_at(looked)
        return batches, None

    def _before(self, peers: Peers, obj: Entity, name: str, most: int) -> list[str]:
        """Members before `obj` that miss the group, for a reader who goes backwards or at random."""
        fields = type(obj).groups[name]
        before: deque[str] = deque(maxlen=most)
        looked = 0
        for member in peers.members(self.cache.objects, None, with_unloaded=False):
            looked += 1
            if member is obj:
                break
            if type(member) is not type(obj) or (member.id, name) in self.in_flight:
                continue
            if (member.id, name) not in self.failed and not all(field.loaded(member) for field in fields):
                before.append(member.id)
        peers.window.looked_at(looked)
        return list(before)

    # sending -------------------------------------------------------------------------------------------------
    def _send(
        self,
        kind: type[Entity],
        name: str,
        ids: list[str],
        peers: Peers | None,
        plan: Deep | None = None,
        *,
        ahead: bool = False,
        opens_loop: bool = False,
    ) -> Batch:
        """Send a batch of one group, with the levels below it by a plan; `ahead` of its reader, or as the first of a loop.

        The lock is held. The response is populated on the I/O thread, or here, where it has come before this goes on: what
        is known of the batch is noted before it is sent.
        """
        selection = group(kind, name) if plan is None else plan.selection
        batch = Batch(self, selection, name, ids, peers, plan)
        # nothing smaller than one object can be requested, unless its listing can be had in parts, or without what is below
        in_parts = any(isinstance(field, Many) and field.lister is not None for field in selection.fields)
        # of a loop's first batch the next ones are requested when the reader has gone on to the second member
        batch.opens_loop = opens_loop
        if ahead:
            batch.enter_window()
        self.send(batch, [name], halve=len(ids) > 1 or in_parts or plan is not None)
        return batch

    def send(self, batch: Batch, groups: Iterable[str], *, halve: bool) -> None:
        """Send a batch that brings those groups. The lock is held."""
        keys = [(identity, name) for name in groups for identity in batch.ids]
        try:
            for key in keys:
                self.in_flight.setdefault(key, batch)
            batch.cancel = self.source.fetch(
                batch.selection,
                batch.ids,
                halve=halve,
                done=lambda fetched: self._arrived(batch, keys, fetched),
            )
        except BaseException:  # an interrupt just here must not leave somebody waiting for ever
            batch.leave_window()
            self._landed(batch, keys)
            raise

    def _arrived(self, batch: Batch, keys: list[tuple[str, str]], fetched: Fetched) -> None:
        """Runs on the I/O thread."""
        try:
            try:
                nodes = fetched()
                with self.cache.lock, self.cache.in_slices():
                    if not batch.is_cancelled:
                        self._populate(batch, nodes)
            except TooLargeError as error:
                with self.cache.lock:
                    self._halve(batch, error)
            except BaseException as error:
                batch.error = error
        finally:
            self._landed(batch, keys)

    def _landed(self, batch: Batch, keys: list[tuple[str, str]]) -> None:
        """The batch is no longer in flight: who waits may look."""
        with self.cache.lock:
            failed = batch.error is not None
            for key in keys:
                if self.in_flight.get(key) is batch:
                    del self.in_flight[key]
                if batch.is_cancelled:
                    continue
                if failed or key[0] in batch.errors:
                    self.failed[key] = None
                elif self.failed:
                    self.failed.pop(key, None)
            if failed:
                batch.leave_window()
            if batch.peers is not None:
                batch.peers.window.land(batch.group)
        batch.finish()

    def cancel(self, batch: Batch) -> None:
        """Stop a request that nobody waits for any more; the next reader sends it anew. The lock is held."""
        batch.is_cancelled = True
        batch.leave_window()
        for key in [key for key, flight in self.in_flight.items() if flight is batch]:
            del self.in_flight[key]
        if batch.cancel is not None:
            batch.cancel()

    def cancel_all(self, first: Peers) -> None:
        """Stop what was prefetched for a traversal and is waited for by nobody. The lock is held."""
        for batch in {id(one): one for one in self.in_flight.values()}.values():
            if batch.peers is not None and batch.peers.first is first:
                batch.join().leave(cancelled=True)

    def _halve(self, batch: Batch, error: TooLargeError) -> None:
        """Send smaller batches and remember the size. The lock is held."""
        ids, plan = batch.ids, batch.deep
        kind = batch.selection.kind
        if plan is not None:
            key = (kind, plan.selection.key)
            half = self.sizes[key] = min(self.sizes.get(key, BATCH_SIZE), len(ids) // 2)
            if half:
                plan = attrs.evolve(
                    plan, guesses=()
                )  # the halves of one batch are no two chances to read a list
            else:  # not even one object's levels fit into one response
                plan, half = None, self.size(kind, batch.group)
        elif len(ids) == 1 or not batch.group:
            batch.error = error  # of several groups: who sent it makes smaller ones
            return
        else:
            half = min(self.size(kind, batch.group), (len(ids) + 1) // 2)
            self.sizes[kind, batch.group] = half
        for identity in ids:
            self.in_flight.pop((identity, batch.group), None)
        ahead = batch.in_window
        batch.leave_window()
        try:
            for begin in range(0, len(ids), half):
                part = ids[begin : begin + half]
                # of one level, the parts count as the one batch that they were
                self._send(
                    kind,
                    batch.group,
                    part,
                    batch.peers,
                    plan,
                    ahead=ahead and (plan is not None or not begin),
                )
        except RequestError as refused:  # the budget ends here: the halves that were sent will come
            batch.errors.update((identity, refused) for identity in ids[begin:])
        # batch.ids keeps its meaning for those who wait: they look again and find the halves

    def _populate(self, batch: Batch, nodes: Mapping[str, Mapping[str, Any] | BaseException]) -> None:
        populated: list[Entity] = []
        selection = batch.selection
        for identity, node in nodes.items():
            if isinstance(node, BaseException):
                batch.errors[identity] = node
                continue
            self.cache.pause_before(1)
            obj = self.cache.objects.get(identity)
            if obj is None or obj.__class__ is not selection.kind:
                continue
            selection.populate(self.cache, obj, node, batch.clock)
            populated.append(obj)
        if batch.peers is not None:
            self._learn(batch, batch.peers, populated)
        if batch.opens_loop:
            if len(populated) > 1:
                self._mark(batch, populated[1])
        elif batch.in_window:
            if populated:
                self._mark(batch, populated[0])
            else:
                batch.leave_window()

    @staticmethod
    def _learn(batch: Batch, peers: Peers, populated: list[Entity]) -> None:
        """Note how much there is below the members, and watch what was fetched for a guess."""
        plan = batch.deep
        tree: Tree = {one: {} for one in batch.selection.fields} if plan is None else plan.tree
        deep.count(peers.reads, populated, tree)
        if plan is not None and plan.guesses:
            batch.guesses = deep.watch(peers.reads, populated, plan)
            if not batch.in_window:
                batch.doubt()  # its reader waits for it

    def _mark(self, batch: Batch, member: Entity) -> None:
        """Set the prefetch marker on that member of the batch."""
        for field in batch.selection.fields:
            value = field.read(member)
            if value.__class__ is State or value.__class__ is PrefetchMarker:
                continue
            if isinstance(field, Many):
                if value._is_loaded():
                    value._mark_prefetched(batch)
            else:
                setattr(member, field.slot, PrefetchMarker(value, batch))
