"""What all objects share on top of the engine's Entity: looks, a name, a web page, and the way to send commands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, cast

from .. import display
from ..config import site_url
from ..errors import (
    ConflictError,
    NotFoundError,
    OutcomeUnknownError,
    QueryError,
    RequestError,
    ValidationError,
)
from ..lazy.cache import loaded_value
from ..lazy.entity import Entity
from ..lazy.fields import Many, Scalar, deleted
from ..lazy.origin import Origin
from ..lazy.registry import ENTITIES
from ..lazy.state import NOT_LOADED, State, peek
from ..metadata import parse_record
from ..operations.commands import DELETE_COMMANDS, Command, Values
from ..operations.connection import process_engine
from ..operations.locks import write_lock
from ..operations.responses import is_valid
from ..operations.shapes import Shape

if TYPE_CHECKING:
    from ..lazy.engine import Engine
    from ..operations.service import Service
    from ..values import Template

#: What lies below an object of a class, to load before all of it is listed.
_BELOW = {"Subject": "sessions.clips.files", "Session": "clips.files", "Clip": "files"}


class Model(Entity):
    """An object of the service with looks. Looking never sends a request."""

    __slots__ = ()

    def __repr__(self) -> str:
        return display.entity_repr(self)

    def _repr_html_(self) -> str:
        return display.entity_html(self)

    def __reduce__(self) -> tuple[Any, ...]:
        state = {}
        for field in type(self).fields.values():
            value = peek(field.read(self))
            if value is NOT_LOADED or (isinstance(field, Many) and not field.loaded(self)):
                continue
            if not (isinstance(field, Scalar) and field.has_signed_urls):  # these are keys to patients' files
                state[field.slot] = value
        return (_revive, (type(self).__name__, self.id, state, origin_of(self)))

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name, value in list(vars(cls).items()):
            if isinstance(value, property) and value.fset is None:
                setattr(cls, name, value.setter(_refusal_of(name)))

    def _peek_name(self) -> str | None:
        """The name, if it is loaded."""
        field = type(self).fields.get(type(self).derived.get("name", "name"))
        value = None if field is None else peek(field.read(self))
        return None if value is None or value.__class__ is State else self._name_from(value)

    def _peek_url(self) -> str | None:
        """The object's page, where that is known without a request."""
        field = type(self).fields.get("project")
        if self._engine is None or not hasattr(type(self), "url") or (field and not field.loaded(self)):
            return None
        return str(self.url)  # type: ignore[attr-defined]

    @staticmethod
    def _name_from(value: object) -> str | None:
        return str(value)

    def _require(self, what: str) -> Engine:
        """The engine. Raises DetachedError for a copy that this process has no client for."""
        return self._connected(what)

    def _attached(self, what: str) -> Service:
        """The service, for an object that can be written. Raises DetachedError for a copy, DeletedError for a deleted one."""
        engine = self._require(what)
        if self.is_deleted:
            raise deleted(self)
        known = engine.cache.peek(self.id)
        if known is not None and known is not self:
            engine.forget(known)  # this is a copy, and what it writes has to show in the client's own object
        return service_of(engine)

    def _site(self) -> str:
        return site_url(service_of(self._require("url")).url)

    def to_dict(self) -> dict[str, Any]:
        """What is loaded of the object, and of all below it, as a dictionary that JSON takes; never a request.

        Names are those of the attributes, dates ISO text, metadata in plain form, collections lists of dictionaries, other
        objects their ids. What is not loaded is not there: `load(...)` it first.

        Example:
            >>> json.dumps(subject.load("metadata", "sessions").to_dict())
        """
        from .tables import object_dict

        return object_dict(self)

    # reading in a shape --------------------------------------------------------------------------------------
    def _shaped(self, shape: Shape) -> dict[str, Any] | None:
        """The object as the service has it now, in that shape: the service's names, in the shape's order. One request.

        None where the service has no object of that id, `{}` where it is another kind's.
        """
        engine = self._require("reading")
        selection = shape.selection(type(self))
        clock = engine.cache.clock
        node = service_of(engine).node(selection, self.id)
        if node and engine.populates_shapes and is_valid(selection, node, self.id):
            with engine.cache.lock:
                selection.populate(engine.cache, self, node, clock)
                engine.cache.hold(self)
        return node

    # commands ------------------------------------------------------------------------------------------------
    def _send(
        self, command: Command, values: Values, before: Mapping[str, Any] | None = None
    ) -> Mapping[str, Any]:
        """Carry a command out; its payload, as it came. What it has changed is fetched by the next reader. One request."""
        service = service_of(self._require(command.name))
        payload = service.run(command, values, before, raw=True)
        service.touch(command, [values])
        return payload

    def _write(
        self, command: Command, values: Values, what: str, *, before: Mapping[str, Any] | None = None
    ) -> Mapping[str, Any]:
        """Carry a command out; the caller updates the cache. One request; one more where the service refuses, to see why.

        `before`: the object as it was read before. Raises NotFoundError where the object is gone,
        ConflictError where somebody has changed it since, RequestError where the service did not do it without a reason.
        """
        service = service_of(self._require(command.name))
        try:
            payload = service.run(command, values, before)
        except QueryError as error:
            raise self._refusal(error, (before or {}).get("updated")) from None
        if command.done and payload.get(command.done) is None:
            service.touch(command, [values])
            raise OutcomeUnknownError(
                f"the service did not say whether it did {what}: it may or may not have been carried out; refresh() and look",
                operation=command.name,
            )
        if command.done and not payload.get(command.done):
            raise RequestError(
                f"the service reported that it did not {what}, and gave no reason; refresh() and look"
            )
        return payload

    def _refusal(self, error: QueryError, previous: str | None) -> Exception:
        """Why the service refused a command: the object is gone, somebody else was faster, or what the service says."""
        service = service_of(self._require("looking"))
        kind = type(self)
        shape = Shape("updated") if "updated" in kind.by_wire else Shape()
        try:
            node = service.node(shape.selection(kind), self.id)
        except (RequestError, OutcomeUnknownError):
            return error
        if not node:
            return self._no_longer_there()
        if previous is not None and node.get("updated") != previous:
            return self._conflict()
        return error

    def _no_longer_there(self) -> NotFoundError:
        return NotFoundError(
            f"the service has no {display.label(self)} any more: it was deleted, or is not visible with your key"
        )

    # what is stored now, before a write that builds on it ------------------------------------------------------
    def _stored_now(self, tabs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        """What is stored now, once the validator has accepted `tabs` (tab, values). One request.

        Raises ValidationError with all complaints, NotFoundError where the object is gone, ConflictError where what is
        stored is not what this object has shown.
        """
        node, complaints = service_of(self._require("reading")).state(type(self), self.id, tabs)
        if complaints:
            raise ValidationError(
                f"the service's validator refuses the metadata of {display.label(self)}, and nothing was written: "
                f"{'; '.join(complaints)} (validate=False writes it all the same)",
                complaints,
            )
        if not node:
            raise self._no_longer_there()
        self._check_unchanged(node)
        return node

    def _check_unchanged(self, node: Mapping[str, Any]) -> None:
        """Compare what is stored now with what this object has shown. Raises ConflictError where they differ.

        What was loaded is unloaded then, so that the next look shows the present state.
        """
        known = loaded_value(self, "stored")
        if known is NOT_LOADED:
            updated = cast("Scalar[Any]", type(self).fields["updated"])
            before, now = loaded_value(self, "updated"), node.get("updated")
            same = before is NOT_LOADED or before == (updated.convert(now) if updated.convert else now)
        else:
            same = known == node.get("metadata") or parse_record(known) == parse_record(node.get("metadata"))
        for name in ("path", "date"):
            field = type(self).fields.get(name)
            if (
                isinstance(field, Scalar)
                and field.wire in node
                and loaded_value(self, name) is not NOT_LOADED
            ):
                now = node[field.wire] if field.convert is None else field.convert(node[field.wire])
                same = same and loaded_value(self, name) == now
        if not same:
            raise self._conflict()

    def _conflict(self) -> ConflictError:
        """The error of a write that would overwrite another's; the object reads itself anew when touched."""
        text = (
            f"{display.label(self)} was changed by somebody else since it was read here, and nothing was written; what it "
            "shows from now on is read anew: look at it, and write again"
        )
        scalars = [name for name, field in type(self).fields.items() if isinstance(field, Scalar)]
        self._require("reading").cache.reload((self, scalars))
        return ConflictError(text)


def _refusal_of(name: str) -> Callable[[Any, Any], NoReturn]:
    """What an assignment of a property does: it names the method that changes the attribute, as fields do."""

    def refuse(obj: Any, value: Any) -> NoReturn:
        kind = type(obj)
        raise AttributeError(
            f"{kind.__name__}.{name} shows what the service holds and cannot be assigned; {kind._how_to_write(name)}"
        )

    return refuse


class Deletable(Model):
    """An object that can be deleted, with all below it."""

    __slots__ = ()

    def delete(self, dry_run: bool = False) -> list[Any]:
        """Delete the object and all below it (sessions, trials, files). One request.

        Returns what was deleted, as far as it was loaded, owners first; those objects refuse use from now on, and
        collections drop them. With `dry_run` nothing is deleted: the list of all that would be, loaded for that. Raises
        NotFoundError where the service has no such object any more, OutcomeUnknownError where no response came.
        """
        from ..operations.deletion import loaded_tree, mark_deleted

        service = self._attached("delete()")
        if dry_run:
            below = _BELOW.get(type(self).__name__)
            if below:
                self.load(below)
            return loaded_tree(self)
        command, variable = DELETE_COMMANDS[type(self).__name__]
        with write_lock(service, self.id):
            try:
                self._write(command, {variable: self.id}, f"delete {display.label(self)}")
            except NotFoundError:
                mark_deleted(service.cache, [self])  # somebody was faster
                raise
            return mark_deleted(service.cache, [self])

    def _delete(self) -> bool:
        """Delete the object; whether the service did. One request, also where the object is deleted already."""
        from ..operations.deletion import mark_deleted_id

        service = service_of(self._require("delete()"))
        command, variable = DELETE_COMMANDS[type(self).__name__]
        done = bool(service.run(command, {variable: self.id}, raw=True)[command.done])
        if done:
            mark_deleted_id(service.cache, self.id)
        return done


def origin_of(obj: Any) -> Origin | None:
    """Where a copy of an object or a collection comes from: the same origin for all that is copied together."""
    engine: Engine | None = obj._engine
    return obj._origin if engine is None else engine.origin


def service_of(engine: Engine) -> Service:
    """The service behind an engine."""
    return cast("Service", engine.service)


def template_of(obj: Entity) -> Template | None:
    """The template of the project that an object belongs to, from the cache or in as few requests as it takes."""
    obj.load("project.template")
    return obj.project.template  # type: ignore[attr-defined, no-any-return]


def _revive(name: str, identity: str, state: dict[str, Any], origin: Origin | str | None = None) -> Entity:
    obj = ENTITIES[name](identity, None)
    if isinstance(origin, str):  # a pickle of 0.1.0
        origin = Origin(origin)
    for slot, value in state.items():
        setattr(obj, slot, value)
    if origin is not None:
        origin.add(obj)
    return obj


Origin.connector = staticmethod(process_engine)

__all__ = ["Deletable", "Model", "origin_of", "service_of", "template_of"]
