"""What can be made to go wrong, on purpose: a queue of faults, each aimed at some requests."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

BLOB_METHODS = ("PUT", "GET", "HEAD")


@dataclass
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
    dice: random.Random = field(default_factory=random.Random)
    hits: int = 0

    def __post_init__(self) -> None:
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
        if self.times is None and self.max_objects is None and self.rate is None:
            self.times = 1

    def aims_at(self, names: set[str], kind: str) -> bool:
        if self.operation is None:
            return kind == "graphql"
        return self.operation == "*" or self.operation in names

    @property
    def standing(self) -> bool:
        """A limit rather than an event: it does not use up the request it looked at."""
        return self.max_objects is not None


class Faults:
    """The queue. At most one event strikes a request; standing limits look at all of them."""

    def __init__(self) -> None:
        self.queue: list[Fault] = []

    def add(self, **values: Any) -> Fault:
        fault = Fault(**values)
        self.queue.append(fault)
        return fault

    def clear(self) -> None:
        self.queue.clear()

    def take(self, names: set[str], kind: str) -> Fault | None:
        """The first fault in the queue that strikes this request."""
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
        """The standing limit that an answer of so many objects breaks."""
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
