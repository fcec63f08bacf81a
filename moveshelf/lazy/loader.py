"""The loader: a touched field becomes a request for a chunk of a cohort, and the next chunks are read ahead.

Rules kept here (the numbers are in cohort.py and below):
- the reader waits for its own chunk only; read-ahead chunks arrive behind it, at most eight of a level unread;
- a chunk is sent when it is full, when the cohort has no more members, or when its reader needs it and no request
  further up is bringing more members;
- a chunk that the service cannot answer is halved, and the smaller size is remembered; a chunk of one is retried;
- one missing field of one object is in one request at a time, whoever asks.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from ..errors import RequestError
from ..wire import Future, Response, TooLargeError
from .chunk import Chunk, errors_by_alias, gone, query_error
from .cohort import Cohort, Gap
from .entity import Entity
from .fields import Many, deleted
from .keeper import Keeper
from .selection import Selection, document, group, root_document
from .state import Milestone, State

if TYPE_CHECKING:
    from ..wire import Wire

#: How many objects one request names.
CHUNK = 100
#: How often one touch may wait for something other than its own field before it stops being patient.
PATIENCE = 12
#: How often a field is asked again because a write overtook the answer.
ATTEMPTS = 25

#: a class and the name of a group of its fields, or the text of a selection
Key = tuple[type[Entity], str]


class Loader(Keeper):
    """The fetching half of the engine (keeper.py is the other one)."""

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire)
        self.flights: dict[tuple[str, str], Chunk] = {}
        #: what failed lately is not read ahead again
        self.failed: dict[tuple[str, str], None] = {}
        #: the sizes that the service was found to bear, where they are smaller than CHUNK
        self.sizes: dict[Key, int] = {}

    def after_fork(self) -> None:
        """The parent's requests never answer in a child process."""
        super().after_fork()
        self.flights = {}

    # asking --------------------------------------------------------------------------------------------------
    def fetch(self, obj: Entity, name: str) -> None:
        """Return when group `name` of `obj` is loaded; raise what kept it from being."""
        selection = group(type(obj), name)
        patience, attempts = PATIENCE, ATTEMPTS
        while attempts:
            with self.lock:
                if self.gone and obj.id in self.gone:
                    raise deleted(obj)  # meanwhile, perhaps
                if not selection.missing(obj):
                    return
                chunk = self.flights.get((obj.id, name))
                if chunk is None:
                    chunk = self._launch(obj, name, patience)
                else:
                    chunk.touched(obj)
            chunk.wait()
            if obj.id in chunk.ids:
                error = chunk.failure(obj.id)
                if error is not None:
                    raise error
                attempts -= 1
            else:
                patience = 0 if chunk.error is not None else patience - 1
        raise RequestError(f"{type(obj).__name__} {obj.id} keeps changing while {name!r} is read; try again")

    def size(self, kind: type[Entity], name: str) -> int:
        """How many objects a request for the group may name."""
        most = self.sizes.get((kind, name), CHUNK)
        for field in kind.groups[name]:
            if isinstance(field, Many) and field.chunk is not None:
                most = min(most, field.chunk)
        return 1 if kind.is_root else most

    def _launch(self, obj: Entity, name: str, patience: int) -> Chunk:
        """Send the chunk that begins with `obj`, or give back the one to wait for first."""
        cohort = obj._cohort
        size = self.size(type(obj), name)
        if cohort is None:
            return self._send(type(obj), name, [obj.id], None)
        if not cohort.full:
            size = cohort.open(obj, size)
        batches, gap = self._gather(cohort, obj, name, size, 1)
        if cohort.full and gap is not None and len(batches[0]) < size and patience > 0:
            further_up = self._further_up(gap)
            if further_up is not None:
                return further_up
        if cohort.full and gap is None and len(batches[0]) < size:
            if name in cohort.ended:
                batches[0] += self._behind(cohort, obj, name, size - len(batches[0]))
            else:
                cohort.ended += (name,)
        own = self._send(type(obj), name, batches[0], cohort)
        if cohort.parent is not None:
            cohort.parent.below = True
        if cohort.full:
            self.read_ahead(cohort, obj, name)
        return own

    def read_ahead(self, cohort: Cohort, obj: Entity, name: str) -> None:
        """Ask for the chunks that the reader comes to next, as far as the window and the budget allow."""
        room = cohort.room()
        if room <= 0 or not cohort.full:
            return
        size = self.size(type(obj), name)
        batches, gap = self._gather(cohort, obj, name, size, room)
        for batch in batches[:room]:
            if not batch or (len(batch) < size and gap is not None) or not self._affordable():
                break
            self._send(type(obj), name, batch, cohort).count()
        if gap is not None and cohort.room() > 0 and self._affordable():
            self._further_up(gap)

    def _affordable(self) -> bool:
        left = self.wire.room()
        return left is None or left > 0

    def _further_up(self, gap: Gap) -> Chunk | None:
        """The chunk that will bring the members missing at `gap`: the one on its way, or a new one."""
        level, name = gap.level.parent, gap.level.field.group if gap.level.field is not None else ""
        flight = self.flights.get((gap.parent.id, name))
        if flight is not None:
            return flight
        if level is None or (gap.parent.id, name) in self.failed or not self._affordable():
            return None
        size = self.size(type(gap.parent), name)
        batches, further = self._gather(level, gap.parent, name, size, 1)
        if further is not None and len(batches[0]) < size:
            above = self._further_up(further)
            if above is not None:
                return above
        if not batches[0]:
            return None
        chunk = self._send(type(gap.parent), name, batches[0], level)
        chunk.count()
        return chunk

    def _gather(
        self, cohort: Cohort, start: Entity, name: str, size: int, most: int
    ) -> tuple[list[list[str]], Gap | None]:
        """Up to `most` batches of `size` ids, from `start` on, that miss the group and are not on their way.

        The second answer is the gap at which the cohort's members end for now.
        """
        fields = type(start).groups[name]
        flights, failed = self.flights, self.failed
        batches: list[list[str]] = [[]]
        kind = type(start)
        for member in cohort.members(self.objects, start):
            if isinstance(member, Gap):
                return batches, member
            if type(member) is not kind:
                continue
            key = (member.id, name)
            if key in flights or (failed and key in failed and member is not start):
                continue
            if all(field.loaded(member) for field in fields):
                continue
            if len(batches[-1]) == size:
                if not cohort.full:
                    cohort.expected = member.id
                if len(batches) == most:
                    break
                batches.append([])
            batches[-1].append(member.id)
        return batches, None

    def _behind(self, cohort: Cohort, obj: Entity, name: str, most: int) -> list[str]:
        """Members before `obj` that miss the group, for a reader who goes backwards or at random."""
        fields = type(obj).groups[name]
        behind: deque[str] = deque(maxlen=most)
        for member in cohort.members(self.objects, None, gaps=False):
            if member is obj:
                break
            if type(member) is not type(obj) or (member.id, name) in self.flights:
                continue
            if (member.id, name) not in self.failed and not all(field.loaded(member) for field in fields):
                behind.append(member.id)
        return list(behind)

    # sending -------------------------------------------------------------------------------------------------
    def _send(
        self,
        kind: type[Entity],
        name: str,
        ids: list[str],
        cohort: Cohort | None,
    ) -> Chunk:
        """Put a request on its way. The lock is held; the answer is put away by the I/O thread."""
        chunk = Chunk(self, kind, name, ids, cohort)
        selection = group(kind, name)
        lister = next(
            (f.lister for f in selection.fields if isinstance(f, Many) and f.lister is not None), None
        )
        patient = len(ids) == 1 and lister is None  # nothing smaller can be asked
        try:
            pending = self.ask(kind, selection, ids, halve=not patient)
            for identity in ids:
                self.flights[identity, name] = chunk
            pending.add_done_callback(lambda done: self._arrived(chunk, selection, done))
        except (
            BaseException
        ):  # an interrupt just here must not leave somebody waiting for an answer nobody puts away
            self._landed(chunk)
            raise
        return chunk

    def ask(
        self, kind: type[Entity], selection: Selection, ids: list[str], *, halve: bool
    ) -> Future[Response]:
        """Send the question for `selection` of those objects."""
        if kind.is_root:
            text = root_document(selection.name, selection.text)
            return self.wire.submit(text, None, operation=selection.name, halve=halve)
        text = document(kind.wire, selection.name, selection.text, len(ids))
        variables = {f"i{n}": identity for n, identity in enumerate(ids)}
        return self.wire.submit(text, variables, operation=selection.name, halve=halve)

    def _arrived(self, chunk: Chunk, selection: Selection, done: Future[Response]) -> None:
        """Runs on the I/O thread."""
        try:
            try:
                answer = done.result()
                with self.lock:
                    self._put_away(chunk, selection, answer)
            except TooLargeError as error:
                with self.lock:
                    self._too_large(chunk, selection, error)
            except BaseException as error:
                chunk.error = error
        finally:
            self._landed(chunk)

    def _landed(self, chunk: Chunk) -> None:
        """The chunk is on its way no more: who waits may look."""
        with self.lock:
            failed = chunk.error is not None
            for identity in chunk.ids:
                if self.flights.get((identity, chunk.group)) is chunk:
                    del self.flights[identity, chunk.group]
                if failed or identity in chunk.errors:
                    self.failed[identity, chunk.group] = None
                elif self.failed:
                    self.failed.pop((identity, chunk.group), None)
            if failed:
                chunk.uncount()
        chunk.done.set()

    def _too_large(self, chunk: Chunk, selection: Selection, error: TooLargeError) -> None:
        """Ask a smaller question and remember the size; a single object is asked again patiently."""
        ids = chunk.ids
        if len(ids) == 1:
            chunk.error = error
            return
        key = (chunk.kind, chunk.group)
        half = min(self.size(*key), (len(ids) + 1) // 2)
        self.sizes[key] = half
        try:
            for begin in range(0, len(ids), half):
                part = self._send(chunk.kind, chunk.group, ids[begin : begin + half], chunk.cohort)
                if chunk.counted:
                    chunk.uncount()
                    part.count()
        except RequestError as refused:  # the budget ends here
            chunk.error = refused
        # chunk.ids keeps its meaning for those who wait: they look again and find the halves

    def _put_away(self, chunk: Chunk, selection: Selection, answer: Response) -> None:
        data, errors = answer.data, answer.errors
        if data is None:
            raise query_error(errors, selection.name, answer)
        bad = errors_by_alias(errors)
        first: Entity | None = None
        for n, identity in enumerate(chunk.ids):
            if chunk.kind.is_root:
                node, alias = data.get("viewer"), "viewer"
            else:
                alias = f"n{n}"
                node = data.get(alias)
            if alias in bad:
                chunk.errors[identity] = query_error(bad[alias], selection.name, answer)
                continue
            if not node:
                chunk.errors[identity] = gone(chunk.kind, identity, node)
                continue
            obj = self.objects.get(identity)
            if obj is None or obj.__class__ is not chunk.kind:
                continue
            selection.absorb(self, obj, node, chunk.clock)
            if first is None:
                first = obj
        if chunk.counted:
            if first is None:
                chunk.uncount()
            else:
                self._mark(chunk, selection, first)

    def _mark(self, chunk: Chunk, selection: Selection, first: Entity) -> None:
        """Set the milestone on the chunk's first member."""
        for field in selection.fields:
            value = field.read(first)
            if value.__class__ is State or value.__class__ is Milestone:
                continue
            if isinstance(field, Many):
                if value._is_loaded():
                    value._mark(chunk)
            else:
                setattr(first, field.slot, Milestone(value, chunk))
