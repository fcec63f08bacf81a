"""How the flat client's answers become the objects', and how its writes show in them.

The one seam between the two: everything here may change with the engine, nothing else of the flat client
does.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from ..wire.codec import decode, encode
from .documents import Question

if TYPE_CHECKING:
    from ..lazy.engine import Engine
    from ..lazy.entity import Entity
    from ..lazy.selection import Selection

#: How many objects that were read flat are held, oldest first out.
KEPT = 5000
#: Bytes of answers that are written down for the objects at most, oldest first out.
REMEMBERED = 1 << 26

# what a field with arguments lists: members of these kinds, but not all that there are
_PARTS = {"patients": "Patient", "sessions": "Session", "recentSessions": "Session", "clips": "MocapClip"}
_TOKEN = re.compile(r"\([^)]*\)|[{}]|\w+")

Tree = list[tuple[str, bool, "Tree | None"]]


class Plan(NamedTuple):
    """How one question's answer is put away."""

    kind: type[Entity]
    selection: Selection
    parts: tuple[tuple[str, Plan], ...]


class Ledger:
    """What was read and written flat, for the objects. Any thread."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        #: what was read flat last, held so that an object finds it
        self.kept: dict[Entity, None] = {}
        self._entries: deque[_Entry] = deque()
        self._size = 0
        self._looked = False
        self._lock = threading.RLock()

    def look(self) -> None:
        """Somebody asks for the objects: make good what was written down, and write nothing down any more."""
        if self._looked:
            return
        with self._lock:
            while self._entries:
                self._enter(self._entries.popleft())
            self._size = 0
            self._looked = True

    def clear(self) -> None:
        """Let go of everything."""
        with self._lock:
            self._entries.clear()
            self._size = 0
            self.kept.clear()

    @property
    def notes(self) -> bool:
        """Whether answers are written down: nobody has asked for the objects yet."""
        return not self._looked

    def answered(self, question: Question, data: Any, clock: int, body: bytes = b"") -> None:
        """An answer came; `clock` is the engine's when the question was sent, `body` the answer as it came,
        where it is known."""
        if self._looked:
            self._read(question, data, clock)
            return
        # not `data` itself: what the script gets, it may change
        with suppress(TypeError, ValueError, RecursionError):  # an overridden method may answer anything
            self._note(_Entry(question, body or encode({"data": data}), clock, "", ()))

    def changed(self, identity: str, names: tuple[str, ...]) -> None:
        """Something of the object was written, or may have been; see `changed`."""
        self.engine.wrote(identity)
        self._written("changed", identity, names)

    def filled(self, path: str) -> None:
        """A clip was made at that path; see `filled`."""
        self._written("filled", path)

    def gone(self, identity: str) -> None:
        """The object was deleted; see `gone`."""
        self.engine.wrote(identity)
        self._written("gone", identity)

    def _written(self, kind: str, *arguments: Any) -> None:
        if self._looked:
            self._write(kind, *arguments)
        else:
            self._note(_Entry(None, b"", 0, kind, arguments))

    def _note(self, entry: _Entry) -> None:
        with self._lock:
            if self._looked:  # since the caller saw that nobody had
                self._enter(entry)
                return
            self._entries.append(entry)
            self._size += len(entry.body) + 100
            while self._size > REMEMBERED and len(self._entries) > 1:
                self._size -= len(self._entries.popleft().body) + 100

    def _enter(self, entry: _Entry) -> None:
        if entry.question is None:
            self._write(entry.kind, *entry.arguments)
        else:
            self._read(entry.question, decode(entry.body).get("data"), entry.clock)

    def _write(self, kind: str, *arguments: Any) -> None:
        if kind == "gone":
            gone(self.engine, self.kept, *arguments)
        elif kind == "filled":
            filled(self.engine, *arguments)
        else:
            changed(self.engine, *arguments)

    def _read(self, question: Question, data: Any, clock: int) -> None:
        # an overridden _dispatch_graphql may answer anything: what the objects cannot take in they ask for
        with suppress(AttributeError, LookupError, TypeError, ValueError):
            feed(self.engine, self.kept, question, data, clock)


class _Entry(NamedTuple):
    """One line of the ledger: an answer, or a write."""

    question: Question | None
    body: bytes
    clock: int
    kind: str
    arguments: tuple[Any, ...]


def feed(engine: Engine, kept: dict[Entity, None], question: Question, data: Any, clock: int) -> None:
    """Put an answer into the objects; `clock` is the engine's when the question was sent."""
    for name in question.path:
        data = data.get(name)
        if data is None:
            return
    plan = _plan(question.wire, question.selection)
    if plan is None:
        return
    with engine.lock:
        for obj in _absorb(engine, plan, data if isinstance(data, list) else [data], clock):
            kept.pop(obj, None)
            kept[obj] = None
        while len(kept) > KEPT:
            del kept[next(iter(kept))]


def _absorb(engine: Engine, plan: Plan, answers: Iterable[Any], clock: int) -> list[Entity]:
    found: list[Entity] = []
    for answer in answers:
        if not isinstance(answer, Mapping) or "id" not in answer or answer["id"] in engine.gone:
            continue
        obj = engine.get(plan.kind, answer["id"])
        plan.selection.absorb(engine, obj, answer, clock)
        found.append(obj)
        for name, part in plan.parts:
            members = answer.get(name) or ()
            if isinstance(members, Mapping):
                members = [edge["node"] for edge in members.get("edges") or ()]
            found += _absorb(engine, part, members, clock)
    return found


@lru_cache(maxsize=64)
def _plan(wire: str, selection: str) -> Plan | None:
    from ..lazy.entity import BY_WIRE

    kind = BY_WIRE.get(wire)
    return None if kind is None else _compile(kind, _parse(selection))


def _compile(kind: type[Entity], tree: Tree) -> Plan:
    from ..lazy.entity import BY_WIRE
    from ..lazy.fields import Many, One, Scalar
    from ..lazy.selection import Selection

    fields: list[Any] = []
    nested: dict[Any, Selection] = {}
    parts: list[tuple[str, Plan]] = []
    for name, arguments, below in tree:
        field = kind.by_wire.get(name)
        if below is not None and (arguments or (field is None and name in _PARTS)):
            part = BY_WIRE.get(_PARTS[name])
            if part is not None:
                parts.append((name, _compile(part, _members(below))))
        elif isinstance(field, (One, Many)) and below is not None:
            nested[field] = _compile(field.target, _members(below)).selection
            fields.append(field)
        elif isinstance(field, Scalar) and _words(_parse(field.nested)) <= _words(below or []):
            fields.append(field)
    return Plan(kind, Selection(kind, fields, nested), tuple(parts))


def _members(tree: Tree) -> Tree:
    """What is asked of each member, without the wire's `edges { node { } }` around it."""
    for name in ("edges", "node"):
        if len(tree) == 1 and tree[0][0] == name and tree[0][2] is not None:
            tree = tree[0][2]
    return tree


def _words(tree: Tree) -> set[str]:
    return {name for name, _, _ in tree}


def _parse(selection: str) -> Tree:
    """A selection as [(name, whether it has arguments, what is asked below it), ...]."""
    stack: list[Tree] = [[]]
    for token in _TOKEN.findall(selection):
        if token == "{":
            name, arguments, _ = stack[-1][-1] if stack[-1] else ("", False, None)
            below: Tree = []
            if stack[-1]:
                stack[-1][-1] = (name, arguments, below)
                stack.append(below)
        elif token == "}":
            if len(stack) > 1:
                stack.pop()
        elif token[0] == "(":
            name, _, seen = stack[-1][-1]
            stack[-1][-1] = (name, True, seen)
        else:
            stack[-1].append((token, False, None))
    return stack[0]


# writes -----------------------------------------------------------------------------------------------------
def changed(engine: Engine, identity: str, names: tuple[str, ...]) -> None:
    """Something of the object was written, or may have been: its fields `names` are read anew by the next
    reader.

    Without names: all that is its own, that is, everything but its collections. Where a project's name
    stands for its id, the project is found by it.
    """
    from ..lazy.fields import Many

    with engine.lock:
        obj = engine.peek(identity) or _by_name(engine, identity)
        engine.wrote(identity, *(() if obj is None else (obj.id,)))
        if obj is None:
            return
        for field in type(obj).fields.values():
            if field.name in names or (not names and not isinstance(field, Many)):
                engine.drop(obj, field)
        if not names and type(obj).wire == "Session":
            _moved(engine, obj)


def _moved(engine: Engine, session: Entity) -> None:
    """A session may have another name now: its clips' folders are named after it."""
    from ..lazy.entity import BY_WIRE
    from ..lazy.state import peek

    kind = BY_WIRE["MocapClip"]
    for obj in engine.objects:
        if isinstance(obj, kind) and peek(kind.fields["session"].read(obj)) == session.id:
            engine.wrote(obj.id)
            engine.drop(obj, kind.fields["path"])


def filled(engine: Engine, path: str) -> None:
    """A clip was made at `path`: sessions whose folder that is, or holds it, list their clips anew."""
    from ..lazy.entity import BY_WIRE
    from ..lazy.state import peek

    kind = BY_WIRE.get("Session")
    if kind is None:
        return
    with engine.lock:
        for obj in engine.objects:
            if isinstance(obj, kind):
                folder = peek(kind.fields["path"].read(obj))
                if isinstance(folder, str) and (path.strip("/") + "/").startswith(folder.strip("/") + "/"):
                    changed(engine, obj.id, ("clips",))


def _by_name(engine: Engine, name: str) -> Entity | None:
    from ..lazy.entity import BY_WIRE
    from ..lazy.state import peek

    kind = BY_WIRE.get("Project")
    if kind is None or "name" not in kind.fields:
        return None
    for obj in engine.objects:
        if isinstance(obj, kind) and peek(kind.fields["name"].read(obj)) == name:
            return obj
    return None


def gone(engine: Engine, kept: dict[Entity, None], identity: str) -> None:
    """The object was deleted, and all below it: they refuse use, and the collections that held it drop it."""
    with engine.lock:
        engine.wrote(identity)
        obj = engine.peek(identity)
        if obj is None:
            engine.gone.add(identity)
            return
        _leave(engine, obj)
        _bury(engine, kept, obj)


def _leave(engine: Engine, obj: Entity) -> None:
    from ..lazy.fields import Many
    from ..lazy.state import State

    for other in engine.objects:
        for field in type(other).fields.values():
            if isinstance(field, Many) and isinstance(obj, field.target):
                collection = field.read(other)
                if collection.__class__ is not State:
                    collection._without(obj)


def _bury(engine: Engine, kept: dict[Entity, None], obj: Entity) -> None:
    from ..lazy.fields import Many
    from ..lazy.state import State, peek

    below: list[Entity] = []
    for field in type(obj).fields.values():
        if isinstance(field, Many) and field.back is not None:
            collection = field.read(obj)
            items = None if collection.__class__ is State else peek(collection._items)
            below += items if items.__class__ is list else []
    for one in below:
        _bury(engine, kept, one)
    kept.pop(obj, None)
    engine.deleted(obj)
