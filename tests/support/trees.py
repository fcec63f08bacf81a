"""Three small classes of objects, and a source that serves them from a dictionary: the engine alone, without a service.

The classes are not in the library's registries, so that tests which go through all of its classes do not see them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any

import moveshelf.models  # what collections are made of
from moveshelf.errors import BudgetError, RequestError
from moveshelf.lazy.cache import Cache
from moveshelf.lazy.engine import Engine
from moveshelf.lazy.entity import Entity, entity
from moveshelf.lazy.fields import BASIC, Many, One, Reference, Scalar
from moveshelf.lazy.registry import BY_WIRE, ENTITIES
from moveshelf.lazy.selection import Item, Selection
from moveshelf.wire import TooLargeError

assert moveshelf.models.Collection is Many.collection_type

INTEGER = (int, type(None))


@entity("WireTree")
class Tree(Entity):
    """An object with a list of objects below it."""

    name: Scalar[str] = Scalar("label", group=BASIC, doc="Its name.")
    height: Scalar[int] = Scalar("height", types=INTEGER, convert=lambda value: value * 10, doc="Its height.")
    branches: Many[Any] = Many("branchList", "Branch", back="tree", doc="What is below it.")

    def _peek_name(self) -> str | None:
        found = type(self).fields["name"].read(self)
        return found if isinstance(found, str) else None


@entity("WireBranch", owner="tree")
class Branch(Entity):
    """An object in the middle: a link upwards, and a list that the service wraps in edges."""

    name: Scalar[str] = Scalar("label", group=BASIC, doc="Its name.")
    length: Scalar[int] = Scalar("length", types=INTEGER, doc="Its length.")
    tree: One[Any] = One("tree", "Tree", doc="What it belongs to.")
    leaves: Many[Any] = Many("leaves", "Leaf", back="branch", passes=("tree",), edges=True, doc="Below it.")

    _peek_name = Tree._peek_name


@entity("WireLeaf", owner="branch")
class Leaf(Entity):
    """An object at the end."""

    name: Scalar[str] = Scalar("label", group=BASIC, doc="Its name.")
    branch: One[Any] = One("branch", "Branch", doc="What it belongs to.")
    tree: One[Any] = One("tree", "Tree", doc="What it belongs to.")

    _peek_name = Tree._peek_name


for _kind in (Tree, Branch, Leaf):
    for _field in _kind.fields.values():
        if isinstance(_field, Reference):
            assert issubclass(_field.target, Entity)  # found by its name while the registry has it
for _kind in (Tree, Branch, Leaf):
    del ENTITIES[_kind.__name__], BY_WIRE[_kind.wire]

#: What the service has: id -> {name on the wire: value, id, or list of ids}.
Store = dict[str, dict[str, Any]]


def respond(store: Store, selection: Selection, identity: str) -> dict[str, Any]:
    """What a service that has the store sends for a selection of one object."""
    row = store[identity]
    found: dict[str, Any] = {"id": identity}
    for item in selection.items:
        found[item.wire] = _value(store, item, row.get(item.wire))
    return found


def _value(store: Store, item: Item, value: Any) -> Any:
    if item.below is None or value is None:
        return value
    if not item.is_list:
        return respond(store, item.below, value)
    rows = [respond(store, item.below, one) for one in value]
    return {"edges": [{"node": row} for row in rows]} if item.edges else rows


class StoreSource:
    """What a loader fetches from: serves a store from a thread of its own, as the service's I/O thread does.

    `limit`: the most ids that one request may name; `budget`: how many requests may still be sent; `errors`: what to raise
    for single ids; `failures`: what to raise for the next requests; while `gate` is closed, no response comes.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        #: the ids and the names on the wire of every request
        self.requests: list[tuple[list[str], list[str]]] = []
        #: the ids of every request that was cancelled
        self.cancelled: list[list[str]] = []
        self.limit: int | None = None
        self.budget: int | None = None
        self.errors: dict[str, Exception] = {}
        self.failures: list[Exception] = []
        self.gate = threading.Event()
        self.gate.set()
        #: called on the sender's thread before a request is noted
        self.on_fetch: Callable[[], object] = lambda: None
        self._thread = ThreadPoolExecutor(1)

    def __enter__(self) -> StoreSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.gate.set()
        self._thread.shutdown()

    @property
    def sizes(self) -> list[int]:
        """How many objects each request has named."""
        return [len(ids) for ids, _ in self.requests]

    def fetch(
        self,
        selection: Selection,
        ids: list[str],
        *,
        halve: bool,
        done: Callable[[Callable[[], Any]], object],
    ) -> Callable[[], object]:
        """Send one request."""
        if self.budget is not None:
            if self.budget <= 0:
                raise BudgetError("the budget is spent")
            self.budget -= 1
        self.on_fetch()
        self.requests.append((list(ids), [item.wire for item in selection.items]))
        failure = self.failures.pop(0) if self.failures else None
        if failure is None and self.limit is not None and len(ids) > self.limit:
            failure = TooLargeError("too many objects")

        stopped = threading.Event()

        def cancel() -> None:
            self.cancelled.append(list(ids))
            stopped.set()

        def nodes() -> Mapping[str, Any]:
            if stopped.is_set():
                raise RequestError("the request was cancelled")
            if failure is not None:
                raise failure
            return {one: self.errors.get(one) or respond(self.store, selection, one) for one in ids}

        def work() -> None:
            self.gate.wait()
            done(nodes)

        self._thread.submit(work)
        return cancel

    def room(self) -> int | None:
        """How many requests the budget still allows."""
        return self.budget

    def would_block(self) -> bool:
        """Nothing is refused."""
        return False

    def refuse_to_block(self, what: str, instead: str) -> None:
        """Nothing is refused."""

    async def prepare(self) -> bool:
        """Sending waits for nothing."""
        return True

    def settle(self) -> None:
        """Wait until every response that was sent so far has been populated, and what it has led to."""
        count = -1
        while count != len(self.requests):
            count = len(self.requests)
            self._thread.submit(lambda: None).result()


def engine_of(source: Any) -> Engine:
    """An engine of its own over a source."""
    return Engine(Cache(), source)


def forest(trees: int, branches: int = 0, leaves: int = 0) -> Store:
    """A store of trees t0, t1, ..., their branches t0b0, ... and their leaves t0b0l0, ..."""
    store: Store = {}
    for t in range(trees):
        below = [f"t{t}b{b}" for b in range(branches)]
        store[f"t{t}"] = {"label": f"T{t}", "height": t, "branchList": below}
        for b, branch in enumerate(below):
            ends = [f"{branch}l{n}" for n in range(leaves)]
            store[branch] = {"label": f"B{b}", "length": b, "tree": f"t{t}", "leaves": ends}
            for n, leaf in enumerate(ends):
                store[leaf] = {"label": f"L{n}", "branch": branch, "tree": f"t{t}"}
    return store
