"""Faults on purpose: a queue of them, each aimed at some requests."""

from __future__ import annotations

import difflib
import random
from collections.abc import Iterable
from typing import Any

from attrs import define, field

BLOB_METHODS = ("PUT", "GET", "HEAD")
_BLOBS = (*BLOB_METHODS, "blob")
_KINDS = ("query", "mutation", *_BLOBS, "*")
# effects that only some requests can have, by the operations that reach these requests
_ONLY = {
    "corrupt": ("GET", "PUT", "blob", "*"),
    "late_failure": ("PUT", "blob", "*"),
    "expire": (*_BLOBS, "*"),
}
_NEVER = {"error": _BLOBS, "max_objects": _BLOBS, "fail_job": (*_BLOBS, "query")}


@define(eq=False)
class Fault:
    """One kind of failure. `Sandbox.fail` documents the fields."""

    operation: str | None = None
    status: int | None = None
    times: int | None = None
    after: int = 0
    rate: float | None = None
    drop: bool | str | None = None
    truncate: int | float | None = None
    retry_after: float | str | None = None
    max_objects: int | None = None
    error: str | None = None
    corrupt: bool = False
    late_failure: bool = False
    expire: bool = False
    fail_job: bool | str = False
    delay: float | None = None
    body: str | bytes | None = None
    redirect: str | None = None
    seed: int = 0
    dice: random.Random = field(factory=random.Random, init=False)
    hits: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self.dice.seed(self.seed)
        if self.drop not in (None, False, True, "before", "after"):
            raise ValueError(f"drop must be True, 'before' or 'after', not {self.drop!r}")
        if self.retry_after is not None and self.status is None:
            self.status = 503
        effects = (
            self.status, self.drop, self.truncate, self.max_objects, self.error, self.corrupt or None,
            self.late_failure or None, self.expire or None, self.fail_job or None, self.delay, self.body,
            self.redirect,
        )  # fmt: skip
        if all(effect is None or effect is False for effect in effects):
            raise ValueError("a fault needs an effect: status, drop, truncate, max_objects, error, ...")
        if self.operation is None:
            if self.corrupt:
                self.operation = "GET"
            elif self.late_failure:
                self.operation = "PUT"
            elif self.expire:
                self.operation = "blob"
            elif self.fail_job:
                self.operation = "processGaitTool"
        for effect, operations in _ONLY.items():
            if getattr(self, effect) and self.operation not in operations:
                raise ValueError(
                    f"{effect} has no effect on {self.operation!r}, only on {', '.join(operations)}"
                )
        for effect, operations in _NEVER.items():
            if getattr(self, effect) not in (None, False) and self.operation in operations:
                raise ValueError(
                    f"{effect} has no effect on {self.operation!r}: it belongs to GraphQL requests"
                )
        if self.times is None and self.max_objects is None and self.rate is None:
            self.times = 1

    def aims_at(self, names: set[str], kind: str) -> bool:
        if self.operation is None:
            return kind == "graphql"
        return self.operation == "*" or self.operation in names

    @property
    def standing(self) -> bool:
        """A limit rather than an event: requests that stay below it do not use it up."""
        return self.max_objects is not None


class Faults:
    """The queue. At most one event strikes a request; standing limits are compared with all of them.

    `fields` are the names of the schema's queries and mutations: what a fault can be aimed at.
    """

    def __init__(self, fields: Iterable[str]) -> None:
        self.queue: list[Fault] = []
        self._fields = sorted(fields)
        self._received: set[str] = set()

    def add(self, **values: Any) -> Fault:
        """Queue a fault; ValueError for an operation that no request could have."""
        fault = Fault(**values)
        self._check_operation(fault.operation)
        self.queue.append(fault)
        return fault

    def _check_operation(self, name: str | None) -> None:
        known = [*_KINDS, *self._fields, *sorted(self._received)]
        # the name that a document gives its operation is its author's choice; such names begin with a capital
        if name is None or name in known or name[:1].isupper():
            return
        near = difflib.get_close_matches(name, known, 3)
        meant = f"did you mean {' or '.join(map(repr, near))}?" if near else f"it knows {', '.join(known)}."
        raise ValueError(
            f"the sandbox knows no operation {name!r}; {meant} The name that a document gives its operation begins with a "
            "capital letter, or was received before"
        )

    def clear(self) -> None:
        self.queue.clear()

    def take(self, names: set[str], kind: str) -> Fault | None:
        """The first fault in the queue that strikes this request."""
        self._received |= names
        self._received.discard("")
        for fault in list(self.queue):
            if fault.standing or not fault.aims_at(names, kind):
                continue
            if fault.after > 0:
                fault.after -= 1
                continue
            if fault.rate is not None and fault.dice.random() >= fault.rate:
                continue
            self._use(fault)
            return fault
        return None

    def limit(self, names: set[str], kind: str, objects: int) -> Fault | None:
        """The standing limit that a response of so many objects exceeds."""
        for fault in list(self.queue):
            if (
                fault.standing
                and fault.aims_at(names, kind)
                and fault.max_objects is not None
                and objects > fault.max_objects
            ):
                self._use(fault)
                return fault
        return None

    def _use(self, fault: Fault) -> None:
        fault.hits += 1
        if fault.times is not None and fault.hits >= fault.times and fault in self.queue:
            self.queue.remove(fault)
