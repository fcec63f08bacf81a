"""One request on its way: whom it asks about, who waits for it, and what its failure means."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from ..errors import NotFoundError, QueryError, fresh
from .entity import Entity

if TYPE_CHECKING:
    from ..wire import Response
    from .cohort import Cohort
    from .loader import Loader


class Chunk:
    """One request for one group of fields of some objects, and those who wait for it."""

    __slots__ = (
        "clock",
        "cohort",
        "counted",
        "done",
        "engine",
        "error",
        "errors",
        "group",
        "ids",
        "kind",
    )

    def __init__(
        self, engine: Loader, kind: type[Entity], name: str, ids: list[str], cohort: Cohort | None
    ) -> None:
        self.engine = engine
        self.kind = kind
        self.group = name
        self.ids = ids
        self.cohort = cohort
        self.counted = False
        self.clock = engine.clock
        self.done = threading.Event()
        self.error: BaseException | None = None
        self.errors: dict[str, BaseException] = {}

    def wait(self) -> None:
        """Wait until the answer is put away; in slices, so that Ctrl-C and a notebook's interrupt get through."""
        while not self.done.wait(0.1):
            pass

    def failure(self, identity: str) -> BaseException | None:
        """Why there is no value for the object, a fresh exception for each who asks; None if it was answered."""
        error = self.errors.get(identity, self.error if identity in self.ids else None)
        return None if error is None else fresh(error)

    def count(self) -> None:
        """Count as read ahead."""
        if self.cohort is not None and not self.counted:
            self.counted = True
            self.cohort.ahead += 1

    def uncount(self) -> None:
        """No longer ahead of the reader."""
        if self.cohort is not None and self.counted:
            self.counted = False
            self.cohort.ahead -= 1

    def touched(self, obj: Entity) -> None:
        """The reader has come to this chunk: let the window slide."""
        engine, cohort = self.engine, self.cohort
        with engine.lock:
            if not self.counted or cohort is None:
                return
            self.uncount()
            cohort.proceed()
            engine.read_ahead(cohort, obj, self.group)


def errors_by_alias(errors: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """GraphQL errors sorted by the alias their path begins with; those without a path stand under ''."""
    sorted_: dict[str, list[dict[str, Any]]] = {}
    for error in errors:
        path = error.get("path") or [""]
        sorted_.setdefault(str(path[0]), []).append(error)
    return sorted_


def query_error(errors: list[dict[str, Any]], operation: str, answer: Response) -> QueryError:
    """The service's own words as an exception."""
    words = "; ".join(str(error.get("message", error)) for error in errors) or "no data in the answer"
    return QueryError(
        f"the service refused {operation}: {words}",
        errors=errors,
        data=answer.data,
        request_id=answer.request_id,
        operation=operation,
    )


def gone(kind: type[Entity], identity: str, node: Any) -> NotFoundError:
    """What an empty answer for an id means."""
    name = kind.__name__
    if node is None:
        return NotFoundError(
            f"the service has no {name.lower()} with id {identity!r} (deleted, or not yours to see)"
        )
    return NotFoundError(f"{identity!r} is not the id of a {name.lower()} but of something else")
