"""The classes of objects by their names, so that classes which lead to each other can name each other as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .entity import Entity

#: Every class of objects by its own name ("Subject").
ENTITIES: dict[str, type[Entity]] = {}
#: The same by the service's name of the type ("Patient").
BY_WIRE: dict[str, type[Entity]] = {}
