"""What is asked of an object: the text of the question and the putting away of its answer, made from one declaration.

Documents are strings: gql's own path through syntax trees takes hundreds of times longer. Ids travel as variables,
so that a text depends on the shape of the question and on the number of objects only, and is made once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from .entity import Entity
from .fields import BASIC, Field, Many, One, Reference, Scalar
from .state import NOT_LOADED, State

if TYPE_CHECKING:
    from .keeper import Keeper


class Selection:
    """Fields of one class, with what is asked below each of them."""

    __slots__ = ("_links", "_lists", "_put", "cls", "fields", "nested", "text")

    def __init__(
        self,
        cls: type[Entity],
        fields: Iterable[Field[Any]],
        nested: Mapping[Field[Any], Selection] | None = None,
    ) -> None:
        self.cls = cls
        self.fields = tuple(fields)
        self.nested: dict[Field[Any], Selection] = dict(nested or {})
        for field in self.fields:
            if isinstance(field, Reference) and field not in self.nested:
                self.nested[field] = basic(field.target)
        self._put = setter(tuple((f.slot, f.wire, f.convert) for f in self.fields if isinstance(f, Scalar)))
        self._links = tuple(f for f in self.fields if isinstance(f, One))
        self._lists = tuple(f for f in self.fields if isinstance(f, Many))
        self.text: str
        words = ["" if cls.is_root else "id"]
        for field in self.fields:
            word = field.selection()
            if isinstance(field, Reference):
                below = self.nested[field].text
                edges = isinstance(field, Many) and field.edges
                word += f" {{ edges {{ node {{ {below} }} }} }}" if edges else f" {{ {below} }}"
            if word not in words:
                words.append(word)
        self.text = " ".join(words).strip()

    @property
    def name(self) -> str:
        """A name for the operation: the class and what is asked of it."""
        return self.cls.__name__ + "".join(f.name.title().replace("_", "") for f in self.fields[:1])

    # answers -------------------------------------------------------------------------------------------------
    def absorb(self, engine: Keeper, obj: Entity, data: Mapping[str, Any], clock: int) -> None:
        """Put an answer into `obj` and what is below it; what a write has overtaken is thrown away.

        The engine's lock is held.
        """
        if engine.writes and engine.overtaken(obj.id, clock):
            return
        self._put(obj, data)
        for link in self._links:
            answer = data.get(link.wire)
            setattr(obj, link.slot, self._linked(engine, link, answer, clock))
        for many in self._lists:
            if engine.writes and engine.overtaken((obj.id, many.name), clock):
                continue  # a member came or went in between
            items = self._listed(engine, obj, many, many.members(data.get(many.wire)), clock)
            collection = many.read(obj)
            if collection.__class__ is State:
                collection = many.collection(obj)
            collection._fill(items)

    def _linked(self, engine: Keeper, field: One[Any], answer: Any, clock: int) -> str | None:
        if not answer or "id" not in answer:
            return None
        other = engine.get(field.target, answer["id"])
        engine.keep(other)
        self.nested[field].absorb(engine, other, answer, clock)
        return other.id

    def _listed(
        self,
        engine: Keeper,
        owner: Entity,
        field: Many[Any],
        answers: Sequence[Mapping[str, Any]],
        clock: int,
    ) -> list[Any]:
        """The hot path of a walk: one turn of this loop for every object that arrives."""
        below = self.nested[field]
        cls = below.cls
        objects = engine.objects
        known, get = objects.refs, objects.get
        fixed = [] if field.back is None else [(cls.fields[field.back].slot, owner.id)]
        for name in field.passes:
            value = type(owner).fields[name].read(owner)
            if isinstance(value, str):
                fixed.append((cls.fields[name].slot, value))
        plain = not below._links and not below._lists and not engine.writes
        put, gone = below._put, engine.gone
        items = []
        for data in answers:
            identity = data["id"]
            obj = get(identity) if identity in known else None
            if obj is None:
                if identity in gone:
                    continue
                obj = cls(identity, engine)  # type: ignore[arg-type]  # every Keeper is an Engine
                objects.put(obj)
            elif obj.__class__ is not cls:
                continue
            if plain:
                put(obj, data)
            else:
                below.absorb(engine, obj, data, clock)
            for slot, value in fixed:
                setattr(obj, slot, value)
            items.append(obj)
        return items

    def missing(self, obj: Entity) -> bool:
        """Whether any of the fields is not loaded."""
        return any(field.read(obj) is NOT_LOADED or not field.loaded(obj) for field in self.fields)


def setter(scalars: tuple[tuple[str, str, Callable[[Any], Any] | None], ...]) -> Callable[[Any, Any], None]:
    """A function that puts one answer's values into an object's slots.

    Made as source text, as attrs makes its methods: a walk calls it for every object, and attribute stores by name
    in a loop take twice as long. Slots and wire words are the models' own declarations, nothing of the service's.
    """
    lines = ["def put(obj, data):", " get = data.get"]
    names: dict[str, Any] = {}
    for number, (slot, wire, convert) in enumerate(scalars):
        if convert is None:
            lines.append(f" obj.{slot} = get({wire!r})")
        else:
            names[f"convert{number}"] = convert
            lines.append(f" value = get({wire!r})")
            lines.append(f" obj.{slot} = None if value is None else convert{number}(value)")
    exec("\n".join(lines), names)
    made: Callable[[Any, Any], None] = names["put"]
    return made


_GROUPS: dict[tuple[type[Entity], str], Selection] = {}


def basic(cls: type[Entity]) -> Selection:
    """What a listing brings of a class: what identifies and sorts."""
    return group(cls, BASIC)


def group(cls: type[Entity], name: str) -> Selection:
    """What is fetched together when one field of the group is touched."""
    found = _GROUPS.get((cls, name))
    if found is None:
        found = _GROUPS[cls, name] = Selection(cls, cls.groups[name])
    return found


@lru_cache(maxsize=1024)
def document(wire: str, name: str, text: str, count: int) -> str:
    """A query for `text` of `count` objects: aliases n0, n1, ...; variables i0, i1, ..."""
    variables = ", ".join(f"$i{n}: ID!" for n in range(count))
    aliases = " ".join(f"n{n}: node(id: $i{n}) {{ ...Wanted }}" for n in range(count))
    return f"query {name}({variables}) {{ {aliases} }} fragment Wanted on {wire} {{ {text} }}"


@lru_cache(maxsize=64)
def root_document(name: str, text: str) -> str:
    """A query for what is reached without an id."""
    return f"query {name} {{ viewer {{ {text} }} }}"
