"""The requests that the sandbox received: one record each, safe to read from any thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any, overload

from attrs import asdict, define, field


@define(eq=False)
class Request:
    """One request. `seconds` and `bytes_out` of a transfer are final once its last byte has left."""

    kind: str  # "graphql" or "blob"
    method: str
    path: str
    operation: str | None = None  # the operation's name; of a blob request its method
    fields: tuple[str, ...] = ()  # the fields at the operation's top
    variables: dict[str, Any] = field(factory=dict)
    query: str | None = None
    objects: int = 0  # objects with an id in the response
    bytes_in: int = 0
    bytes_out: int = 0
    seconds: float = 0.0
    status: int | None = None  # None: no response was sent
    authorization: bool = False  # whether a bearer token came along
    headers: dict[str, str] = field(factory=dict)
    fault: str | None = None  # the fault that struck it

    def as_dict(self) -> dict[str, Any]:
        return asdict(self, recurse=False)


class Requests(Sequence[Request]):
    """A list of requests in the order of their arrival."""

    def __init__(self) -> None:
        self._records: list[Request] = []
        self._lock = threading.Lock()

    def add(self, record: Request) -> None:
        with self._lock:
            self._records.append(record)

    def clear(self) -> None:
        with self._lock:
            self._records.clear()

    def snapshot(self) -> list[Request]:
        with self._lock:
            return list(self._records)

    def of(self, operation: str) -> list[Request]:
        """The requests of one operation name, top-level field or blob method."""
        return [r for r in self.snapshot() if r.operation == operation or operation in r.fields]

    @property
    def graphql(self) -> list[Request]:
        return [r for r in self.snapshot() if r.kind == "graphql"]

    @property
    def blobs(self) -> list[Request]:
        return [r for r in self.snapshot() if r.kind == "blob"]

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Request]:
        return iter(self.snapshot())

    @overload
    def __getitem__(self, index: int) -> Request: ...

    @overload
    def __getitem__(self, index: slice) -> list[Request]: ...

    def __getitem__(self, index: int | slice) -> Request | list[Request]:
        return self.snapshot()[index]

    def __repr__(self) -> str:
        records = self.snapshot()
        return f"<{len(records)} requests, {sum(r.objects for r in records)} objects>"
