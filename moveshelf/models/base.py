"""What all objects share on top of the engine's Entity: looks, a name, and a web address for those that have one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import display
from ..config import site_url
from ..lazy.engine import require
from ..lazy.entity import Entity
from ..lazy.state import State, peek

if TYPE_CHECKING:
    from ..lazy.engine import Engine


class Thing(Entity):
    """An object with looks. Looking never sends a request."""

    __slots__ = ()

    def __repr__(self) -> str:
        return display.entity_repr(self)

    def _repr_html_(self) -> str:
        return display.entity_html(self)

    def _peek_name(self) -> str | None:
        """The name, if it is loaded."""
        field = type(self).fields.get(type(self).derived.get("name", "name"))
        value = None if field is None else peek(field.read(self))
        return None if value is None or value.__class__ is State else self._name_from(value)

    @staticmethod
    def _name_from(value: object) -> str | None:
        return str(value)

    def _require(self, what: str) -> Engine:
        """The engine. Raises DetachedError for a copy."""
        return require(self._engine, f"{type(self).__name__}.{what}")

    def _site(self) -> str:
        return site_url(self._require("url").wire.url)
