"""What `find(...)` compares: an attribute's value with what a person gives for it."""

from __future__ import annotations

import datetime as dt
import enum
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from ..errors import ValidationError
from ..lazy.entity import Entity
from ..metadata import to_datetime
from ..values import OpenEnum, brief, day_value, is_missing, plain_value, text_value


@attrs.frozen
class Match:
    """One attribute and what is wanted of it: a value, several of which any will do, an object, or a test."""

    name: str
    wanted: tuple[Any, ...]
    test: Callable[[Any], Any] | None = None
    #: a structure (metadata, a list of values) that is compared as a whole
    whole: Any = None

    @classmethod
    def of(cls, name: str, wanted: Any) -> Match:
        """From an argument of `find`. Raises ValidationError for what no attribute can equal: NaN, a list of nothing."""
        if _is_object(wanted) or wanted is None:
            return cls(name, (wanted,))
        if isinstance(wanted, Callable) and not isinstance(wanted, enum.Enum):  # type: ignore[arg-type]
            return cls(name, (), wanted)
        if isinstance(wanted, (list, tuple, set, frozenset)) and any(_is_object(one) for one in wanted):
            return cls(name, tuple(wanted))
        plain = plain_value(wanted, f"find({name}=...)")
        if isinstance(plain, list):
            if not plain:
                raise ValidationError(f"find({name}=...) allows no value at all: {brief(wanted)}")
            return cls(name, tuple(plain), whole=plain)
        return cls(name, (plain,), whole=plain if isinstance(plain, Mapping) else None)

    def fits(self, member: Any) -> bool:
        """Whether a member's attribute is what is wanted. Raises ValidationError where it can never be, by its kind."""
        value = getattr(member, self.name)
        if self.test is not None:
            return bool(self.test(value))
        if isinstance(value, (Mapping, list, tuple)) and not _is_object(value):
            if self.whole is None:
                raise self._never(value)
            return bool(value == self.whole or (isinstance(value, tuple) and list(value) == self.whole))
        return any(self._equals(value, one) for one in self.wanted)

    def _equals(self, value: Any, wanted: Any) -> bool:
        if value is None or wanted is None:
            return value is wanted
        if _is_object(value):
            return self._is_object_of(value, wanted)
        if _is_object(wanted) or isinstance(wanted, (Mapping, list)):
            raise self._never(value)
        if isinstance(value, dt.datetime):
            return self._is_time(value, wanted)
        if isinstance(value, dt.date):
            return day_value(wanted, f"find({self.name}=...)") == value
        if isinstance(value, bool):
            if not isinstance(wanted, bool):
                raise self._never(value)
            return value == wanted
        if isinstance(value, (int, float)):
            return self._is_number(value, wanted)
        if isinstance(value, str):
            return self._is_text(value, wanted)
        return bool(value == wanted)

    def _is_object_of(self, value: Any, wanted: Any) -> bool:
        """An object equals itself, and is known by its name and its id."""
        if _is_object(wanted):
            if type(value) is not type(wanted):
                raise self._never(value)
            return bool(value == wanted)
        is_name = isinstance(wanted, (str, int, dt.date)) and not isinstance(wanted, bool)
        if not is_name or not hasattr(value, "name"):
            raise self._never(value)
        text = _nfc(text_value(wanted))
        if text == value.id:
            return True
        is_folder = not isinstance(value, Entity)  # a condition: slashes at the ends of its name do not count
        return _nfc(str(value.name)) == (text.strip("/") if is_folder else text)

    def _is_time(self, value: dt.datetime, wanted: Any) -> bool:
        found = to_datetime(wanted) if isinstance(wanted, str) and len(wanted) > 10 else wanted
        if isinstance(found, dt.datetime):
            # as everywhere in this library a time without a zone is UTC
            return value == (found if found.tzinfo is not None else found.replace(tzinfo=dt.timezone.utc))
        return day_value(found, f"find({self.name}=...)") == value.astimezone(dt.timezone.utc).date()

    def _is_number(self, value: float, wanted: Any) -> bool:
        if isinstance(wanted, str):
            try:
                return float(wanted) == value
            except ValueError:
                raise self._never(value) from None
        if isinstance(wanted, bool) or not isinstance(wanted, (int, float)):
            raise self._never(value)
        return value == wanted

    def _is_text(self, value: str, wanted: Any) -> bool:
        if isinstance(wanted, bool):
            raise self._never(value)
        text = text_value(wanted, f"find({self.name}=...)")
        if isinstance(value, OpenEnum):
            if text.casefold() == str(value).casefold():
                return True
            known = [one.value for one in type(value)]
            if text.casefold() not in {one.casefold() for one in known}:
                raise ValidationError(
                    f"find({self.name}={brief(wanted)}): no {self.name} is called so; there are {', '.join(known)}"
                )
            return False
        if _nfc(text) == _nfc(value):
            return True
        is_number = isinstance(wanted, (int, float))
        if is_number and value.isdecimal() and value.startswith("0") and float(value) == wanted:
            raise ValidationError(
                f"find({self.name}={wanted!r}): there is {value!r}, whose zeros count; give the text"
            )
        return False

    def _never(self, value: Any) -> ValidationError:
        kind = type(value).__name__.lower() if not _is_object(value) else f"object ({type(value).__name__})"
        shown = brief(self.wanted[0] if len(self.wanted) == 1 else self.wanted)
        return ValidationError(
            f"find({self.name}={shown}) can find nothing: {self.name} is a {kind}, such as {brief(value)}; give one of that "
            f"kind, or a test: find({self.name}=lambda value: ...)"
        )


def _is_object(value: Any) -> bool:
    """An object of the service, a condition or a list of such, which have no plain form."""
    return not is_missing(value) and (hasattr(type(value), "_located_files") or isinstance(value, Entity))


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)
