"""Creating and changing: what is sent, and what the objects in memory see of it at once."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any

from ..errors import (
    ConflictError,
    NotFoundError,
    OutcomeUnknownError,
    QueryError,
    RequestError,
    ValidationError,
)
from ..lazy.entity import Entity
from ..lazy.fields import Many, One, Scalar, deleted
from ..lazy.state import NOT_LOADED, State, peek
from ..metadata import to_date
from . import mutations

if TYPE_CHECKING:
    from ..lazy.engine import Engine

# one write at a time of one object: a read and the write that builds on it belong together
_LOCKS = [threading.RLock() for _ in range(64)]


def _renew() -> None:
    """A forked child has the locks of threads that it has not."""
    _LOCKS[:] = [threading.RLock() for _ in _LOCKS]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


def lock_of(identity: str) -> threading.RLock:
    """The lock that writes of an object, or below it, hold."""
    return _LOCKS[hash(identity) % len(_LOCKS)]


def attached(obj: Any, what: str) -> Engine:
    """The engine of an object that can be written. Raises DetachedError for a copy, DeletedError for what was deleted."""
    engine: Engine = obj._require(what)
    if obj.is_deleted:
        raise deleted(obj)
    return engine


@contextmanager
def doubt(engine: Engine, *touched: tuple[Entity | None, tuple[str, ...]]) -> Iterator[None]:
    """Around a mutation: where its outcome is unknown, what it may have `touched` is read anew by the next reader.

    `touched`: an object and the names of its fields.
    """
    try:
        yield
    except BaseException as error:
        if isinstance(error, OutcomeUnknownError) or not isinstance(error, Exception):  # an interrupt
            reload(engine, *touched)
        raise


def reload(engine: Engine, *touched: tuple[Entity | None, tuple[str, ...]]) -> None:
    """Unload those fields; reads that are under way are not believed."""
    with engine.lock:
        for obj, names in touched:
            if obj is None:
                continue
            fields = [type(obj).fields[name] for name in names]
            engine.wrote(*((obj.id, f.name) if isinstance(f, Many) else obj.id for f in fields))
            for field in fields:
                engine.drop(obj, field)


def loaded(obj: Entity, name: str) -> Any:
    """A field's value as far as it is loaded, else NOT_LOADED; never a request."""
    value = peek(type(obj).fields[name].read(obj))
    return NOT_LOADED if value.__class__ is State else value


def holders(engine: Engine, objects: Iterable[Any], *links: str) -> list[Any]:
    """The living objects that those One fields of `objects` lead to, or may lead to where they are not loaded.

    After a `refresh()` an object does not know whose it is: then everybody of that class counts. Never a request.
    """
    found: dict[str, Any] = {}
    unknown: set[type[Entity]] = set()
    for obj in objects:
        for name in links:
            field = type(obj).fields.get(name)
            if not isinstance(field, One):
                continue
            identity = loaded(obj, name)
            if identity is NOT_LOADED:
                unknown.add(field.target)
            elif isinstance(identity, str) and identity not in found:
                holder = engine.peek(identity)
                if holder is not None:
                    found[identity] = holder
    if unknown:
        kinds = tuple(unknown)
        found.update((one.id, one) for one in engine.objects if isinstance(one, kinds))
    return list(found.values())


def listing(obj: Entity | None, name: str) -> Any:
    """The Collection of a field, if there is one; never a request."""
    found = None if obj is None else type(obj).fields[name].read(obj)
    return None if found is None or found.__class__ is State else found


def order_of_subjects(one: Any) -> Any:
    """The service lists subjects by name."""
    return one._peek_name() or ""


def order_of_sessions(one: Any) -> Any:
    """The service lists sessions by date, the undated last."""
    when = loaded(one, "date")
    return (1, "") if when is None or when is NOT_LOADED else (0, str(when))


def added(
    engine: Engine,
    new: Any,
    links: Mapping[str, str | None],
    *into: tuple[Entity | None, str, Callable[[Any], Any] | None],
    empty: tuple[str, ...] = (),
) -> None:
    """A new object was made: it knows what it belongs to (`links`), is in the listings, and has nothing below it."""
    fields = type(new).fields
    with engine.lock:
        engine.wrote(*((one.id, name) for one, name, _ in into if one is not None))
        for name, identity in links.items():
            engine.put(new, fields[name], identity)
        for name in empty:
            below = fields[name]
            assert isinstance(below, Many)
            collection = below.collection(new)
            if not collection._is_loaded():
                collection._fill([])
        for one, name, order in into:
            collection = listing(one, name)
            if collection is not None:
                collection._with(new, order)


# what is stored now, and what the validator says ------------------------------------------------------------------
def check(
    obj: Entity, owner_argument: str, judged: list[tuple[str, Any]], *, stored: bool = True
) -> dict[str, Any]:
    """One question for the validator's word on `judged` (tab, values) and for what is stored: its dictionary.

    Raises ValidationError with all complaints, NotFoundError where the object is gone.
    """
    engine = obj._engine
    assert engine is not None
    kind = type(obj)
    variables: dict[str, Any] = {"node": obj.id} if stored else {}
    if judged:
        variables["id"] = obj.id
    for n, (tab, values) in enumerate(judged):
        variables[f"v{n}"], variables[f"v{n}Tab"] = text_of(values), tab
    question = mutations.judgement(kind.wire, owner_argument, len(judged), stored)
    try:
        data = engine.wire.execute(question, variables)
    except QueryError as error:
        if stored and (error.data or {}).get("node", error) is None:
            raise gone(obj) from None
        raise
    errors = [
        error for n in range(len(judged)) for error in (data.get(f"v{n}") or {}).get("validationErrors") or ()
    ]
    if errors:
        raise ValidationError(
            f"the service's validator refuses the metadata of {_called(obj)}, and nothing was written: "
            f"{'; '.join(errors)} (validate=False writes it all the same)",
            errors,
        )
    node = data.get("node") if stored else {}
    if stored and not node:
        raise gone(obj)
    return node  # type: ignore[return-value]


def unchanged(obj: Entity, node: Mapping[str, Any]) -> None:
    """Compare what is stored now with what this object has shown. Raises ConflictError where somebody has changed it.

    What was loaded is forgotten then, so that the next look shows the present state.
    """
    known = loaded(obj, "stored")
    if known is NOT_LOADED:
        before, now = loaded(obj, "updated"), type(obj).fields["updated"].convert(node.get("updated"))  # type: ignore[attr-defined]
        same = before is NOT_LOADED or before == now
    else:
        same = known == node.get("metadata") or _parsed(known) == _parsed(node.get("metadata"))
    for name, word, convert in (("path", "projectPath", None), ("date", "date", to_date)):
        if word in node and loaded(obj, name) is not NOT_LOADED:
            now = node[word] if convert is None else convert(node[word])
            same = same and loaded(obj, name) == now
    if not same:
        raise conflict(obj)


def conflict(obj: Entity) -> ConflictError:
    """The error of a write that would overwrite somebody else's; the object reads itself anew when touched."""
    engine = obj._engine
    assert engine is not None
    text = (
        f"{_called(obj)} was changed by somebody else since it was read here, and nothing was written; what it shows "
        "from now on is read anew: look at it, and write again"
    )
    reload(
        engine, (obj, tuple(name for name, field in type(obj).fields.items() if isinstance(field, Scalar)))
    )
    return ConflictError(text)


def _parsed(text: Any) -> Any:
    try:
        return json.loads(text) if isinstance(text, str) else text
    except ValueError:
        return text


def refused(obj: Entity, error: QueryError, previous: str | None) -> Exception:
    """Why the service refused a write: the object is gone, somebody else was faster, or what it says itself."""
    engine = obj._engine
    assert engine is not None
    kind = type(obj)
    words = "id updated" if "updated" in kind.by_wire else "id"
    try:
        answer = engine.wire.execute(
            f"query State($id: ID!) {{ node(id: $id) {{ ... on {kind.wire} {{ {words} }} }} }}",
            {"id": obj.id},
        )
    except (RequestError, OutcomeUnknownError):
        return error
    node = answer.get("node")
    if not node:
        return gone(obj)
    if previous is not None and node.get("updated") != previous:
        return conflict(obj)
    return error


def gone(obj: Entity) -> NotFoundError:
    """The error of an object that the service has no more."""
    return NotFoundError(
        f"the service has no {_called(obj)} any more: it was deleted, or is not yours to see"
    )


def send(
    obj: Entity, document: str, variables: dict[str, Any], *touched: Any, previous: str | None = None
) -> Any:
    """Send a mutation about `obj`; the answer's only field. `touched` as in `doubt`."""
    engine = obj._engine
    assert engine is not None
    with doubt(engine, *touched):
        try:
            data = engine.wire.execute(document, variables)
        except QueryError as error:
            failure = refused(obj, error, previous)
            raise failure from None
    (payload,) = data.values()
    return payload or {}


def done(payload: Mapping[str, Any], word: str, what: str) -> None:
    """Raises RequestError where the service says without a reason that it has not done it."""
    if not payload.get(word):
        raise RequestError(
            f"the service answered that it did not {what}, and gave no reason; refresh() and look"
        )


def text_of(values: Any) -> str:
    """JSON text. Raises ValidationError for what JSON has no form for."""
    try:
        return json.dumps(values, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValidationError(f"the metadata cannot be written as JSON: {error}") from None


def day_text(value: date | str | None) -> str | None:
    """A session's day as the service takes it. Raises ValidationError for what is no date."""
    from .filters import day

    found = day(value, "date")
    return None if found is None else found.isoformat()


def _called(obj: Entity) -> str:
    from ..display import label

    return label(obj)
