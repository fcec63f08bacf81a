"""The engine: what keeps the objects (keeper.py), what fetches (loader.py), and what takes answers of others' asking.

Objects hold the engine; the engine holds objects weakly, so that everything goes away by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from ..errors import DetachedError
from .chunk import errors_by_alias, gone, query_error
from .entity import BY_WIRE, Entity
from .fields import BASIC, Field, Many, One
from .loader import Loader
from .preload import preload
from .selection import Selection, document

E = TypeVar("E", bound=Entity)


class Engine(Loader):
    """What every object of one client shares."""

    # objects -------------------------------------------------------------------------------------------------
    def absorb(self, data: Any, kind: type[E] | None = None, clock: int | None = None) -> E | None:
        """Put away an answer that somebody else asked for: keys are the wire's own names, lists whole.

        `data` is one node's dictionary with an "id"; `clock` the engine's clock when the question was sent.
        Returns the object, None where there is nothing to put away. Unknown keys are left alone.
        """
        if not isinstance(data, Mapping) or not isinstance(data.get("id"), str):
            return None
        with self.lock:
            if kind is None:
                known = self.objects.get(data["id"])
                if known is None:
                    return None
                kind = type(known)  # type: ignore[assignment]
            assert kind is not None
            if data["id"] in self.gone:
                return None
            selection = self._selection_of(kind, data)
            obj = self.get(kind, data["id"])
            selection.absorb(self, obj, data, self.clock if clock is None else clock)
            return obj

    def _selection_of(self, kind: type[Entity], data: Mapping[str, Any]) -> Selection:
        """The selection that an answer's own keys describe."""
        fields: list[Field[Any]] = []
        nested: dict[Field[Any], Selection] = {}
        for key, value in data.items():
            field = kind.by_wire.get(key)
            if field is None:
                continue
            if isinstance(field, Many):
                if field.takes_filters:
                    continue  # perhaps a part only
                members = field.members(value)
                if not all("id" in one for one in members):
                    continue
                keys: dict[str, Any] = {}
                for one in members:
                    for name, below in one.items():
                        if below is not None or name not in keys:
                            keys[name] = below
                nested[field] = self._selection_of(field.target, keys)
            elif isinstance(field, One):
                if value is not None and "id" not in value:
                    continue
                nested[field] = self._selection_of(field.target, value or {})
            fields.append(field)
        return Selection(kind, fields, nested)

    # questions whose answers are not kept ----------------------------------------------------------------------
    def fields_of(self, kind: type[Entity], ids: Iterable[str], text: str) -> dict[str, Any]:
        """Ask `text` of those objects now, in chunks and in parallel: {id: answer or exception}. Nothing is kept."""
        wanted = list(dict.fromkeys(ids))
        size = self.sizes.get((kind, text), 100)
        answers: dict[str, Any] = {}
        asked = []
        for begin in range(0, len(wanted), size):
            part = wanted[begin : begin + size]
            query = document(kind.wire, f"{kind.__name__}Fields", f"id {text}", len(part))
            asked.append((part, self.wire.submit(query, {f"i{n}": one for n, one in enumerate(part)})))
        for part, pending in asked:
            answer = pending.result()
            if answer.data is None:
                raise query_error(answer.errors, f"{kind.__name__}Fields", answer)
            bad = errors_by_alias(answer.errors)
            for n, identity in enumerate(part):
                alias = f"n{n}"
                node = answer.data.get(alias)
                if alias in bad:
                    answers[identity] = query_error(bad[alias], f"{kind.__name__}Fields", answer)
                else:
                    answers[identity] = node if node else gone(kind, identity, node)
        return answers

    # loading by name -------------------------------------------------------------------------------------------
    def preload(self, members: Iterable[Entity], kind: type[Entity], paths: Iterable[str]) -> None:
        """Load what the dotted paths name below those members."""
        preload(self, list(members), kind, paths)

    def refresh(self, obj: Entity) -> None:
        """Forget everything of `obj`, then read its listing fields."""
        with self.lock:
            for field in type(obj).fields.values():
                self.drop(obj, field)
        if type(obj).groups[BASIC]:
            self.fetch(obj, BASIC)

    def node(self, identity: str) -> Entity | None:
        """Whatever object that id belongs to, by asking the service once; None for an unknown id."""
        known = self.objects.get(identity)
        if known is not None and any(field.loaded(known) for field in type(known).fields.values()):
            return known
        answer = self.wire.execute(
            "query Kind($id: ID!) { node(id: $id) { __typename id } }", {"id": identity}
        )
        node = answer.get("node")
        kind = BY_WIRE.get(node["__typename"]) if node else None
        if kind is None:
            return None
        with self.lock:
            if known is not None and not isinstance(known, kind):
                self.objects.drop(identity)  # somebody took the id for another kind's
            return self.get(kind, identity)


def require(engine: Engine | None, what: str) -> Engine:
    """The engine of an attached object. Raises DetachedError for a copy."""
    if engine is None:
        raise DetachedError(f"{what} needs a connection, and this is a copy without one")
    return engine
