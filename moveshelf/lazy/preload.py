"""Loading by name: `load("sessions.clips.files")` fetches several levels in one request where that is smaller.

A first, small request shows how much hangs below one object; the rest is then fetched in requests of about
TARGET objects each, all at once. What the service cannot respond to is halved, down to one object, and then fetched level
by level.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import ValidationError
from ..wire import TooLargeError
from .batch import Batch
from .entity import Entity
from .fields import BASIC, Many, One, Reference, Resolved
from .loader import BATCH_SIZE
from .selection import Selection, Tree, deep
from .state import PrefetchMarker, State, peek
from .steps import PAUSE, Announcement, Call, Steps

if TYPE_CHECKING:
    from .loader import Loader

#: How many objects one response should hold, about.
TARGET = 2000
#: How many objects the first request names, whose response tells how many the others may name.
PROBE = 8
#: How many members are looked through before an event loop attends to its other tasks.
LOOKS = 2000


def parse(kind: type[Entity], paths: Iterable[str]) -> Tree:
    """The fields that dotted paths name, as a tree. Raises ValidationError for a name that is none."""
    tree: Tree = {}
    for path in paths:
        at, cls = tree, kind
        names = path.split(".") if path else [""]
        while names:
            name = names.pop(0)
            if name == BASIC and at is tree:
                for field in cls.groups[BASIC]:
                    at.setdefault(field, {})
                break
            field = cls.field(name)
            if name in cls.derived and isinstance(field, Many) and names[:1] == [field.name]:
                names.pop(0)  # "conditions.clips": the service knows no conditions
            for one in (field,) if isinstance(field, Resolved) else cls.groups[field.group]:
                at.setdefault(one, {})
            if names:
                if not isinstance(field, Reference):
                    raise ValidationError(f"{path!r}: {cls.__name__}.{name} has nothing below it to load")
                at, cls = at[field], field.target
    return tree


def preload(
    loader: Loader, members: Sequence[Entity], kind: type[Entity], paths: Iterable[str]
) -> Steps[None]:
    """The steps that load what the paths name below `members` (all of one class)."""
    tree = parse(kind, paths)
    # of one object, that it does not exist is the result; among many, one that does not exist raises when touched
    yield from _level(loader, _each_once(members), kind, tree, strict=len(members) == 1)


def parts_of(loader: Loader, members: Sequence[Entity], kind: type[Entity], tree: Tree) -> Steps[None]:
    """The steps that load a tree below members of which it is known that one request may name them (a part of a stream).

    One that does not exist raises when it is touched.
    """
    yield from _level(loader, _each_once(members), kind, tree, probe=False)


def is_nested(tree: Tree) -> bool:
    """Whether several levels of lists are fetched in one request."""
    return any(isinstance(field, Many) and _is_deep(below) for field, below in tree.items())


def most_names(loader: Loader, kind: type[Entity], tree: Tree) -> int:
    """How many members one request for the tree may name at most, as far as is known."""
    wanted: Tree = {field: below for field, below in tree.items() if not isinstance(field, Resolved)}
    return _Batches(loader, deep(kind, wanted)).size if wanted else BATCH_SIZE


def walk(loader: Loader, member: Entity, paths: Iterable[str]) -> Steps[None]:
    """The steps that load what the paths name below an object of a loop, with what the loop comes to next."""
    yield from _walked(loader, [member], parse(type(member), paths))


def _walked(loader: Loader, members: list[Entity], tree: Tree) -> Steps[None]:
    for field, subtree in tree.items():
        below: list[Entity] = []
        for member in members:
            if isinstance(field, Resolved):
                if not field.loaded(member):
                    yield Call(partial(field._value, member))
            elif isinstance(field, Many):
                collection = field.collection(member)
                yield from collection._loading()
                if subtree:
                    below += collection._in_loop()
            else:
                while not field.loaded(member):
                    yield from loader.fetching(member, field.group)
                if field.read(member).__class__ is PrefetchMarker:
                    field._value(member)  # the reader has come here
            if subtree and isinstance(field, One) and (found := field.__get__(member)) is not None:
                below.append(found)
        if below:
            yield from _walked(loader, _each_once(below), subtree)


def _each_once(members: Iterable[Entity]) -> list[Entity]:
    return list({id(one): one for one in members}.values())


def _those(members: Sequence[Entity], test: Callable[[Entity], bool]) -> Steps[list[Entity]]:
    """The members that the test is true of; there may be many to look at."""
    found: list[Entity] = []
    for begin in range(0, len(members), LOOKS):
        if begin:
            yield PAUSE
        found += [one for one in members[begin : begin + LOOKS] if test(one)]
    return found


def _level(
    loader: Loader,
    members: list[Entity],
    kind: type[Entity],
    tree: Tree,
    strict: bool = False,
    probe: bool = True,
) -> Steps[None]:
    if not members or not tree:
        return
    for field in tree:
        if isinstance(field, Many) and field.in_parts:
            for member in members:
                yield from field.collection(member)._loading()
        elif isinstance(field, Resolved):
            unknown = yield from _those(members, lambda one, field=field: not field.loaded(one))  # type: ignore[misc]
            if unknown:
                yield Call(partial(_resolve, field, unknown))
    todo = yield from _those(members, lambda one: any(not field.loaded(one) for field in tree))
    if todo:
        wanted = [field for field in tree if any(not field.loaded(one) for one in todo)]
        below: Tree = {
            field: {} if isinstance(field, Many) and field.barrier else tree[field] for field in wanted
        }
        yield Announcement(partial(loader.refuse_to_block, kind, wanted[0], len(todo)))
        yield from _fetch(loader, todo, kind, below, strict, probe)
    for field, subtree in tree.items():
        if subtree and isinstance(field, Reference):
            below_members: list[Entity] = []
            for begin in range(0, len(members), LOOKS):
                if begin:
                    yield PAUSE
                below_members += _below(loader, members[begin : begin + LOOKS], field)
            yield from _level(loader, _each_once(below_members), field.target, subtree)


def _resolve(field: Resolved[Any], members: list[Entity]) -> None:
    for member in members:
        field._value(member)


def _below(loader: Loader, members: list[Entity], field: Reference[Any]) -> list[Entity]:
    """Every object one level down, without a request."""
    found: list[Entity] = []
    for member in members:
        value = peek(field.read(member))
        if isinstance(field, Many):
            if field.loaded(member):
                found += value._members()
        elif isinstance(field, One) and isinstance(value, str):
            found.append(loader.cache.get(field.target, value))
    return _each_once(found)


def _is_deep(tree: Tree) -> bool:
    return any(isinstance(field, Many) for field in tree)


def _fetch(
    loader: Loader, todo: list[Entity], kind: type[Entity], tree: Tree, strict: bool, probe: bool
) -> Steps[None]:
    """Fetch one selection of many objects; end when all of it is populated.

    `probe`: a small request first tells how many objects the others may name.
    """
    batches = _Batches(loader, deep(kind, tree))
    elsewhere = []
    with loader.cache.lock:
        groups = {field.group for field in tree}
        mine = []
        for one in todo:
            flights = [
                loader.in_flight[one.id, name] for name in groups if (one.id, name) in loader.in_flight
            ]
            if flights:
                elsewhere.append((one, [flight.join() for flight in flights]))
            else:
                mine.append(one)
    most = batches.size
    if probe and is_nested(tree) and len(mine) > PROBE:
        first, mine = mine[: min(PROBE, most)], mine[min(PROBE, most) :]
        batches.send([one.id for one in first])
        yield from batches.wait()
        most = min(batches.size, fitting(first, tree))
    if mine:
        count = -(-len(mine) // most)
        size = -(-len(mine) // count)
        for begin in range(0, len(mine), size):
            batches.send([one.id for one in mine[begin : begin + size]])
    yield from batches.wait()
    for _, flights in elsewhere:
        for flight in flights:
            yield from flight.awaited()
    left = [one for one, _ in elsewhere if any(not field.loaded(one) for field in tree)]
    if left:
        for one in left:
            batches.send([one.id])
        yield from batches.wait()
    # not even one object's levels fit into one response: one level now, the caller goes on with the next
    for one in batches.too_large:
        for field in tree:
            if isinstance(field, Many):
                yield from field.collection(one)._loading()
            else:
                yield from loader.fetching(one, field.group)
    if strict:
        for error in batches.errors.values():
            raise error


def fitting(members: list[Entity], tree: Tree) -> int:
    """How many members one request may name, judged by what came back for the first ones."""
    objects, parents = _count(members, tree)
    each = max(objects / len(members), 0.01)
    inner = max(parents / len(members), 1.0)
    # never more requests than a loop over the levels would send
    return max(1, min(BATCH_SIZE, int(max(TARGET / each, BATCH_SIZE / inner))))


def _count(members: list[Entity], tree: Tree) -> tuple[int, int]:
    """How many objects hang below the members, and how many objects had to be named for what hangs below them."""
    objects, parents = 0, 0
    for field, below in tree.items():
        if not isinstance(field, Many):
            continue
        parents += len(members)
        children = [
            child for one in members if field.loaded(one) for child in peek(field.read(one))._members()
        ]
        deeper = _count(children, below) if children else (0, 0)
        objects += len(children) + deeper[0]
        parents += deeper[1]
    return objects, parents


class _Batches:
    """The requests of one selection that are in flight."""

    def __init__(self, loader: Loader, selection: Selection) -> None:
        self.loader = loader
        self.selection = selection
        self.waiting: list[Batch] = []
        self.errors: dict[str, BaseException] = {}
        self.too_large: list[Entity] = []

    @property
    def size(self) -> int:
        """How many objects a request may name, as far as is known."""
        loader, kind = self.loader, self.selection.kind
        most = min((loader.size(kind, field.group) for field in self.selection.fields), default=BATCH_SIZE)
        return min(most, loader.sizes.get((kind, self.selection.key), BATCH_SIZE))

    def send(self, ids: list[str]) -> None:
        """Send one request; its response is populated on the I/O thread."""
        has_lists = any(isinstance(field, Many) for field in self.selection.fields)
        with self.loader.cache.lock:
            batch = Batch(self.loader, self.selection, "", ids, None)
            groups = {field.group for field in self.selection.fields}
            self.loader.send(batch, groups, halve=len(ids) > 1 or has_lists)
            self.waiting.append(batch.join())

    def wait(self) -> Steps[None]:
        """Until everything sent is populated. Raises the first failure that concerns more than single objects."""
        failure: BaseException | None = None
        cancelled = False
        try:
            while self.waiting:
                batch = self.waiting.pop(0)
                yield from batch.awaited()
                self.errors.update(batch.errors)
                if isinstance(batch.error, TooLargeError):
                    self._smaller(batch.ids)
                elif batch.error is not None:
                    failure = failure or batch.error
        except CancelledError:
            cancelled = True
            raise
        finally:
            for batch in self.waiting:  # who waited has been interrupted
                batch.leave(cancelled)
        if failure is not None:
            raise failure

    def _smaller(self, ids: list[str]) -> None:
        if len(ids) > 1:
            half = min(self.size, (len(ids) + 1) // 2)
            self.loader.sizes[self.selection.kind, self.selection.key] = half
            for begin in range(0, len(ids), half):
                self.send(ids[begin : begin + half])
            return
        found = self.loader.cache.peek(ids[0])
        if found is not None and not any(
            field.read(found) is State.DELETED for field in self.selection.fields
        ):
            self.too_large.append(found)
