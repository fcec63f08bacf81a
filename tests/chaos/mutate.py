"""Changes GraphQL responses in ways that no honest service does, by a seed.

Kinds of mutation are of two sorts. A *broken* response is one that the query's selection does not allow (a number
where a text belongs, a list for an object, the id of another object): the client has to see that, or to be right all
the same. A *plausible* one could be true (a null, an unknown word of an enum, other text): the client may believe it,
and only has to survive it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

DEEP = 100_000
"""More nesting than any parser follows."""
MIDDLING = 900
"""Nesting that JSON parsers still accept, and recursion in Python does not."""


@dataclass(frozen=True)
class Spot:
    """One place in a JSON document: `holder[key]`."""

    holder: Any
    key: Any
    path: tuple[Any, ...]

    @property
    def value(self) -> Any:
        return self.holder[self.key]

    def put(self, value: Any) -> None:
        self.holder[self.key] = value

    def __str__(self) -> str:
        return ".".join(map(str, self.path))


class Raw(str):
    """Text that goes into the document as it stands."""

    __slots__ = ()


class Duplicated:
    """An object one key of which occurs twice."""

    def __init__(self, value: dict[str, Any], key: str, other: Any, first: bool) -> None:
        self.value, self.key, self.other, self.first = value, key, other, first


def spots(value: Any, path: tuple[Any, ...] = ()) -> Iterator[Spot]:
    """Every place of a document, the outermost first."""
    if isinstance(value, dict):
        keys: Any = list(value)
    elif isinstance(value, list):
        keys = range(len(value))
    else:
        return
    for key in keys:
        yield Spot(value, key, (*path, key))
        yield from spots(value[key], (*path, key))


def other_type(rng: random.Random, value: Any) -> Any:
    """A value of another JSON type."""
    choices: list[Any] = [17, 1.5, True, False, "text", "", [], {}, [1, 2], {"id": "x"}, [None], 10**40, -1]
    return rng.choice([one for one in choices if type(one) is not type(value)])


def nest(depth: int, rng: random.Random, inner: str = "1") -> Raw:
    if rng.random() < 0.5:
        return Raw("[" * depth + inner + "]" * depth)
    return Raw('{"a":' * depth + inner + "}" * depth)


# -- broken


def change_type(rng: random.Random, spot: Spot, data: Any) -> None:
    spot.put(other_type(rng, spot.value))


def list_for_object(rng: random.Random, spot: Spot, data: Any) -> None:
    spot.put([spot.value] if rng.random() < 0.5 else [spot.value, spot.value])


def wrap(rng: random.Random, spot: Spot, data: Any) -> None:
    spot.put({"node": spot.value} if rng.random() < 0.5 else {"data": {"value": spot.value}})


def first_of_list(rng: random.Random, spot: Spot, data: Any) -> None:
    value = spot.value
    spot.put((value[0] if value else {}) if isinstance(value, list) else [value])


def deep(rng: random.Random, spot: Spot, data: Any) -> None:
    spot.put(nest(rng.choice((MIDDLING, DEEP)), rng))


def duplicate_key(rng: random.Random, spot: Spot, data: Any) -> None:
    """The same key twice, the other value of another type."""
    if isinstance(spot.value, dict) and spot.value:
        key = rng.choice(sorted(spot.value))
        spot.put(Duplicated(spot.value, key, other_type(rng, spot.value[key]), rng.random() < 0.5))
    else:
        change_type(rng, spot, data)


def strange_number(rng: random.Random, spot: Spot, data: Any) -> None:
    spot.put(Raw(rng.choice(("NaN", "Infinity", "-Infinity", "1e999", "9" * 5000))))


def other_id(rng: random.Random, spot: Spot, data: Any) -> None:
    """The ids, or the whole objects, of two fields at the top are exchanged; of a single one another id is taken."""
    tops = [key for key, value in data.items() if isinstance(value, dict)] if isinstance(data, dict) else []
    with_id = [key for key in tops if "id" in data[key]]
    if len(with_id) > 1:
        one, two = rng.sample(with_id, 2)
        if rng.random() < 0.5:
            data[one], data[two] = data[two], data[one]
        else:
            data[one]["id"], data[two]["id"] = data[two]["id"], data[one]["id"]
    elif with_id:
        own = data[with_id[0]]["id"]
        ids = sorted(one.value for one in spots(data) if one.key == "id" and isinstance(one.value, str))
        ids = [one for one in ids if one != own]
        data[with_id[0]]["id"] = rng.choice(ids) if ids else f"{own}x"
    else:
        change_type(rng, spot, data)


# -- plausible


def null(rng: random.Random, spot: Spot, data: Any) -> None:
    spot.put(None)


def missing(rng: random.Random, spot: Spot, data: Any) -> None:
    del spot.holder[spot.key]


def extra(rng: random.Random, spot: Spot, data: Any) -> None:
    """Keys that nobody has asked for."""
    if isinstance(spot.value, dict):
        spot.value["unexpected"] = other_type(rng, None)
        spot.value["__class__"] = {"id": "x"}
    elif isinstance(spot.value, list) and spot.value:
        spot.value.append(rng.choice(spot.value))  # a member twice
    else:
        null(rng, spot, data)


def text(rng: random.Random, spot: Spot, data: Any) -> None:
    """Another text, an unknown word of an enum, JSON text that is none, or is too deep, or of another kind."""
    choices = [
        "Zorp",
        "",
        " ",
        "\ud800",
        "\x1b[31m",
        "a/b",
        "\x00",
        "[]",
        "null",
        "17",
        '{"metadata": []}',
        '{"metadata": {"a": [1, {}]}}',
        "{",
    ]
    choices += [
        "[" * MIDDLING + "]" * MIDDLING,
        '{"metadata":' + '{"a":' * MIDDLING + "1" + "}" * (MIDDLING + 1),
    ]
    choices += [
        '{"interventions": 3, "ehr-id": {"value": {}}}',
        "2022-13-45",
        "0007-01-12",
        "http://",
        "javascript:0",
    ]
    if isinstance(spot.value, str):
        spot.put(rng.choice(choices))
    else:
        null(rng, spot, data)


BROKEN: tuple[Callable[[random.Random, Spot, Any], None], ...] = (
    change_type,
    change_type,
    list_for_object,
    wrap,
    first_of_list,
    deep,
    duplicate_key,
    strange_number,
    other_id,
)
PLAUSIBLE: tuple[Callable[[random.Random, Spot, Any], None], ...] = (null, missing, extra, text, text)


def mutated(body: bytes, rng: random.Random) -> tuple[bytes, list[str]]:
    """The body with one to three mutations, and what they are: "broken change_type data.node.name"."""
    try:
        document = json.loads(body)
    except ValueError:
        return body, []
    what: list[str] = []
    changed: list[tuple[Any, ...]] = []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        sort, kinds = rng.choice((("broken", BROKEN), ("broken", BROKEN), ("plausible", PLAUSIBLE)))
        # a place that is changed twice may hold in the end what it could have held
        places = [
            one
            for one in spots(document)
            if one.path[0] == "data" and not any(_is_related(one.path, other) for other in changed)
        ]
        if not places:
            break
        # the outer places are few and matter most
        outer = [one for one in places if len(one.path) <= 3] if rng.random() < 0.4 else places
        spot = rng.choice(outer or places)
        kind = rng.choice(kinds)
        data = document["data"]
        kind(rng, spot, data)
        changed.append(spot.path)
        what.append(f"{sort} {kind.__name__} {spot}")
    return written(document).encode("utf-8", "surrogatepass"), what


def _is_related(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Whether one of two places lies in the other."""
    shared = min(len(one), len(other))
    return one[:shared] == other[:shared]


def written(value: Any) -> str:
    """JSON text; Raw parts as they stand, Duplicated objects with their key twice."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, Duplicated):
        pairs = [f"{json.dumps(key)}:{written(one)}" for key, one in value.value.items()]
        other = f"{json.dumps(value.key)}:{written(value.other)}"
        return "{" + ",".join([other, *pairs] if value.first else [*pairs, other]) + "}"
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{written(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(written, value)) + "]"
    return json.dumps(value)
