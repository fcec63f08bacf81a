"""Loading by name: `load("sessions.clips.files")` asks several levels in one question where that is smaller.

A first, small question shows how much hangs below one object; the rest is then asked in questions of about
TARGET objects each, all at once. What the service cannot answer is halved, down to one object, and then asked level
by level.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import RequestError, ValidationError
from ..wire import Future, Response, TooLargeError
from .chunk import Chunk
from .entity import Entity
from .fields import BASIC, Field, Found, Many, One, Reference
from .loader import CHUNK
from .selection import Selection, basic
from .state import State, peek

if TYPE_CHECKING:
    from .engine import Engine

#: How many objects one answer should hold, about.
TARGET = 2000
#: How many objects the first question names, whose answer tells how many the others may name.
PROBE = 8

Tree = dict[Field[Any], "Tree"]


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
                names.pop(0)  # "conditions.clips": a condition is nothing on the wire
            for one in (field,) if isinstance(field, Found) else cls.groups[field.group]:
                at.setdefault(one, {})
            if names:
                if not isinstance(field, Reference):
                    raise ValidationError(f"{path!r}: {cls.__name__}.{name} has nothing below it to load")
                at, cls = at[field], field.target
    return tree


def preload(engine: Engine, members: Sequence[Entity], kind: type[Entity], paths: Iterable[str]) -> None:
    """Load what the paths name below `members` (all of one class)."""
    tree = parse(kind, paths)
    # one object is asked for by itself: that it is gone is the answer. Among many, who is gone says so when touched
    _level(engine, list(dict.fromkeys(members)), kind, tree, loud=len(members) == 1)


def _level(engine: Engine, members: list[Entity], kind: type[Entity], tree: Tree, loud: bool = False) -> None:
    if not members or not tree:
        return
    for field in tree:
        if isinstance(field, Many) and field.always_list:
            for member in members:
                field.collection(member)._members()
        elif isinstance(field, Found):
            for member in members:
                field._value(member)
    todo = [one for one in members if any(not field.loaded(one) for field in tree)]
    if todo:
        wanted = [field for field in tree if any(not field.loaded(one) for one in todo)]
        below: Tree = {
            field: {} if isinstance(field, Many) and field.barrier else tree[field] for field in wanted
        }
        _ask(engine, todo, kind, below, loud)
    for field, subtree in tree.items():
        if subtree and isinstance(field, Reference):
            _level(engine, _below(engine, members, field), field.target, subtree)


def _below(engine: Engine, members: list[Entity], field: Reference[Any]) -> list[Entity]:
    """Everybody one level down, without a request."""
    found: dict[Entity, None] = {}
    for member in members:
        value = peek(field.read(member))
        if isinstance(field, Many):
            if field.loaded(member):
                found.update(dict.fromkeys(value._members()))
        elif isinstance(field, One) and isinstance(value, str):
            found[engine.get(field.target, value)] = None
    return list(found)


def _selection(kind: type[Entity], tree: Tree) -> Selection:
    nested: dict[Field[Any], Selection] = {
        field: _selection(field.target, {**{one: {} for one in basic(field.target).fields}, **below})
        for field, below in tree.items()
        if isinstance(field, Reference)
    }
    return Selection(kind, tree, nested)


def _deep(tree: Tree) -> bool:
    return any(isinstance(field, Many) for field in tree)


def _ask(engine: Engine, todo: list[Entity], kind: type[Entity], tree: Tree, loud: bool) -> None:
    """Ask one selection of many objects; return when all of it is put away."""
    selection = _selection(kind, tree)
    batches = Batches(engine, selection)
    elsewhere = []
    with engine.lock:
        groups = {field.group for field in tree}
        mine = []
        for one in todo:
            flights = [engine.flights[one.id, name] for name in groups if (one.id, name) in engine.flights]
            if flights:
                elsewhere.append((one, flights))
            else:
                mine.append(one)
    most = batches.size
    nested = any(isinstance(field, Many) and _deep(below) for field, below in tree.items())
    if nested and len(mine) > PROBE:
        first, mine = mine[: min(PROBE, most)], mine[min(PROBE, most) :]
        batches.send(first)
        batches.wait()
        most = min(batches.size, _fitting(first, tree))
    if mine:
        count = -(-len(mine) // most)
        size = -(-len(mine) // count)
        for begin in range(0, len(mine), size):
            batches.send(mine[begin : begin + size])
    batches.wait()
    for _, flights in elsewhere:
        for flight in flights:
            flight.wait()
    left = [one for one, _ in elsewhere if any(not field.loaded(one) for field in tree)]
    if left:
        for one in left:
            batches.send([one])
        batches.wait()
    if batches.too_large:
        # not even one object's subtree can be answered whole: one level now, the caller goes on with the next
        shallow: Tree = {field: {} for field in tree}
        for one in batches.too_large:
            for field in shallow:
                if isinstance(field, Many):
                    field.collection(one)._members()
                else:
                    engine.fetch(one, field.group)
    if loud:
        for error in batches.errors.values():
            raise error


def _fitting(members: list[Entity], tree: Tree) -> int:
    """How many members one question may name, judged by what came back for the first ones."""
    objects, parents = _count(members, tree)
    each = max(objects / len(members), 0.01)
    inner = max(parents / len(members), 1.0)
    # never more questions than a loop over the levels would send
    return max(1, min(CHUNK, int(max(TARGET / each, CHUNK / inner))))


def _count(members: list[Entity], tree: Tree) -> tuple[int, int]:
    """How many objects hang below the members, and how many objects had to be asked for what hangs below them."""
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


class Batches:
    """The questions of one selection that are on their way."""

    def __init__(self, engine: Engine, selection: Selection) -> None:
        self.engine = engine
        self.selection = selection
        self.key = (selection.cls, selection.text)
        self.waiting: list[Chunk] = []
        self.errors: dict[str, BaseException] = {}
        self.too_large: list[Entity] = []

    @property
    def size(self) -> int:
        """How many objects a question may name, as far as is known."""
        engine, kind = self.engine, self.selection.cls
        most = min((engine.size(kind, field.group) for field in self.selection.fields), default=CHUNK)
        return min(most, engine.sizes.get(self.key, CHUNK))

    def send(self, members: list[Entity]) -> None:
        """Put one question on its way; its answer is put away by the I/O thread."""
        with self.engine.lock:
            self._send([one.id for one in members])

    def _send(self, ids: list[str]) -> None:
        engine, selection = self.engine, self.selection
        chunk = Chunk(engine, selection.cls, selection.text, ids, None)
        lists = any(isinstance(field, Many) for field in selection.fields)
        pending = engine.ask(selection.cls, selection, ids, halve=len(ids) > 1 or lists)
        for field in selection.fields:
            for identity in ids:
                engine.flights.setdefault((identity, field.group), chunk)
        self.waiting.append(chunk)
        pending.add_done_callback(lambda done: self._arrived(chunk, done))

    def _arrived(self, chunk: Chunk, done: Future[Response]) -> None:
        engine = self.engine
        try:
            try:
                answer = done.result()
                with engine.lock:
                    engine._put_away(chunk, self.selection, answer)
            except TooLargeError as error:
                if len(chunk.ids) == 1:
                    chunk.error = error
                else:
                    with engine.lock:
                        half = engine.sizes[self.key] = min(self.size, (len(chunk.ids) + 1) // 2)
                        try:
                            for begin in range(0, len(chunk.ids), half):
                                self._send(chunk.ids[begin : begin + half])
                        except RequestError as refused:
                            chunk.error = refused
            except BaseException as error:
                chunk.error = error
        finally:
            with engine.lock:
                for key in [(i, f.group) for f in self.selection.fields for i in chunk.ids]:
                    if engine.flights.get(key) is chunk:
                        del engine.flights[key]
            chunk.done.set()

    def wait(self) -> None:
        """Until everything sent is put away. Raises the first failure that concerns more than single objects."""
        failure: BaseException | None = None
        while self.waiting:
            chunk = self.waiting.pop(0)
            chunk.wait()
            self.errors.update(chunk.errors)
            if isinstance(chunk.error, TooLargeError):
                found = self.engine.peek(chunk.ids[0])
                if found is not None and not any(
                    field.read(found) is State.DELETED for field in self.selection.fields
                ):
                    self.too_large.append(found)
            elif chunk.error is not None:
                failure = failure or chunk.error
        if failure is not None:
            raise failure
