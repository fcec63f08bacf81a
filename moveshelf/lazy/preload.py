"""Loading by name: `load("sessions.clips.files")` fetches several levels in one request where that is smaller.

A first, small request shows how much hangs below one object; the rest is then fetched in requests of about
TARGET objects each, all at once. What the service cannot respond to is halved, down to one object, and then fetched level
by level.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import ValidationError
from ..wire import TooLargeError
from .batch import Batch
from .entity import Entity
from .fields import BASIC, Many, One, Reference, Resolved
from .loader import BATCH_SIZE
from .selection import Selection, Tree, deep
from .state import State, peek

if TYPE_CHECKING:
    from .loader import Loader

#: How many objects one response should hold, about.
TARGET = 2000
#: How many objects the first request names, whose response tells how many the others may name.
PROBE = 8


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


def preload(loader: Loader, members: Sequence[Entity], kind: type[Entity], paths: Iterable[str]) -> None:
    """Load what the paths name below `members` (all of one class)."""
    tree = parse(kind, paths)
    # of one object, that it does not exist is the result; among many, one that does not exist raises when touched
    _level(loader, _each_once(members), kind, tree, strict=len(members) == 1)


def _each_once(members: Iterable[Entity]) -> list[Entity]:
    return list({id(one): one for one in members}.values())


def _level(
    loader: Loader, members: list[Entity], kind: type[Entity], tree: Tree, strict: bool = False
) -> None:
    if not members or not tree:
        return
    for field in tree:
        if isinstance(field, Many) and field.in_parts:
            for member in members:
                field.collection(member)._members()
        elif isinstance(field, Resolved):
            for member in members:
                field._value(member)
    todo = [one for one in members if any(not field.loaded(one) for field in tree)]
    if todo:
        wanted = [field for field in tree if any(not field.loaded(one) for one in todo)]
        below: Tree = {
            field: {} if isinstance(field, Many) and field.barrier else tree[field] for field in wanted
        }
        _fetch(loader, todo, kind, below, strict)
    for field, subtree in tree.items():
        if subtree and isinstance(field, Reference):
            _level(loader, _below(loader, members, field), field.target, subtree)


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


def _fetch(loader: Loader, todo: list[Entity], kind: type[Entity], tree: Tree, strict: bool) -> None:
    """Fetch one selection of many objects; return when all of it is populated."""
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
                elsewhere.append((one, flights))
            else:
                mine.append(one)
    most = batches.size
    nested = any(isinstance(field, Many) and _is_deep(below) for field, below in tree.items())
    if nested and len(mine) > PROBE:
        first, mine = mine[: min(PROBE, most)], mine[min(PROBE, most) :]
        batches.send([one.id for one in first])
        batches.wait()
        most = min(batches.size, _fitting(first, tree))
    if mine:
        count = -(-len(mine) // most)
        size = -(-len(mine) // count)
        for begin in range(0, len(mine), size):
            batches.send([one.id for one in mine[begin : begin + size]])
    batches.wait()
    for _, flights in elsewhere:
        for flight in flights:
            flight.wait()
    left = [one for one, _ in elsewhere if any(not field.loaded(one) for field in tree)]
    if left:
        for one in left:
            batches.send([one.id])
        batches.wait()
    # not even one object's levels fit into one response: one level now, the caller goes on with the next
    for one in batches.too_large:
        for field in tree:
            if isinstance(field, Many):
                field.collection(one)._members()
            else:
                loader.fetch(one, field.group)
    if strict:
        for error in batches.errors.values():
            raise error


def _fitting(members: list[Entity], tree: Tree) -> int:
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
            self.waiting.append(batch)

    def wait(self) -> None:
        """Until everything sent is populated. Raises the first failure that concerns more than single objects."""
        failure: BaseException | None = None
        while self.waiting:
            batch = self.waiting.pop(0)
            batch.wait()
            self.errors.update(batch.errors)
            if isinstance(batch.error, TooLargeError):
                self._smaller(batch.ids)
            elif batch.error is not None:
                failure = failure or batch.error
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
