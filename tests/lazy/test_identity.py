"""The identity map: one object per id, held weakly."""

from __future__ import annotations

import gc
import weakref
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from moveshelf.lazy.identity import IdentityMap


class Named:
    def __init__(self, identity: str) -> None:
        self.id = identity


@given(st.lists(st.tuples(st.sampled_from(["put", "drop", "die"]), st.integers(0, 30)), max_size=300))
def test_the_identity_map_is_a_weak_dictionary(steps: list[tuple[str, int]]) -> None:
    objects: Any = IdentityMap()
    objects._limit = 4
    alive: dict[str, Named] = {}
    known: weakref.WeakValueDictionary[str, Named] = weakref.WeakValueDictionary()
    for step, number in steps:
        name = str(number)
        if step == "put":
            obj = alive.setdefault(name, Named(name))
            objects.put(obj)
            known[name] = obj
            del obj
        elif step == "drop":
            objects.drop(name)
            known.pop(name, None)
        else:
            alive.pop(name, None)
        assert {one.id for one in objects} == set(known)
        for other in range(31):
            assert objects.get(str(other)) is known.get(str(other))


def test_dead_references_are_removed_as_the_map_grows() -> None:
    objects: Any = IdentityMap()
    kept = Named("kept")
    objects.put(kept)
    gc.disable()
    try:
        for number in range(5000):
            objects.put(Named(str(number)))
            assert len(objects.refs) <= 1025
    finally:
        gc.enable()
    assert objects.get("kept") is kept
    assert list(objects) == [kept]
    assert len(objects) == 1
