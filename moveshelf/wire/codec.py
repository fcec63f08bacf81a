"""JSON in and out: orjson where it is installed (extra `fast`), the standard library otherwise.

Both accept and refuse the same: dates, enums and UUIDs go out as text, anything else that has no JSON form
is an error before anything is sent. Integers are exact however large, and what is nested without end is
a ValueError, never a RecursionError.
"""

from __future__ import annotations

import datetime
import enum
import json
import math
import re
import uuid
from collections.abc import Mapping
from typing import Any

try:
    import orjson
except ImportError:  # the extra is not installed
    orjson = None  # type: ignore[assignment]

TOO_DEEP = "it is nested too deeply"
"""The text of the ValueError for values with more levels than JSON of this service ever has."""


def _plain(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a {type(value).__name__} cannot be sent as JSON")


def _check_numbers(value: Any) -> None:
    """Raise ValueError for NaN and infinity, which JSON does not have."""
    try:
        _finite(value)
    except RecursionError:
        raise ValueError(TOO_DEEP) from None


def _finite(value: Any) -> None:
    if value is None or value.__class__ is str:
        return
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} is no number in JSON: send None, or leave it out")
    elif isinstance(value, (dict, Mapping)):
        for item in value.values():
            _finite(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _finite(item)


def _decode_slowly(body: bytes) -> Any:
    try:
        return json.loads(body)
    except RecursionError:
        raise ValueError(TOO_DEEP) from None


def _encode_slowly(value: Any) -> bytes:
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain)
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    except ValueError:
        _check_numbers(value)
        raise
    return text.encode()


if orjson is not None:
    # dates by our own rule, so that both encoders write the same text
    _OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS
    _DIGITS = bytes(48 if 48 <= code <= 57 else code for code in range(256))
    _LONG = b"0" * 19
    _LONG_NUMBER = re.compile(rb"(?:^|[\[:,\s])-?[0-9]{19,}(?=[\s,\]}]|$)")

    def encode(value: Any) -> bytes:
        """`value` as UTF-8 JSON. Raises TypeError or ValueError for what has no JSON form."""
        try:
            body = orjson.dumps(value, _plain, _OPTIONS)
        except TypeError as error:
            # integers beyond 64 bits, keys that are no text, lone surrogates: the other encoder decides
            if isinstance(error.__cause__, TypeError):
                raise error.__cause__ from None
            return _encode_slowly(value)
        if b"null" in body:
            _check_numbers(value)  # orjson writes NaN as null, which would quietly erase a value
        return body

    def decode(body: bytes) -> Any:
        """The value that `body` holds. Raises ValueError where it is not JSON, or nested too deeply."""
        # orjson reads integers beyond 64 bits as floats; to look for 19 digits in a row costs a tenth of the reading
        if _LONG in body.translate(_DIGITS) and _LONG_NUMBER.search(body):
            return _decode_slowly(body)
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError:
            return _decode_slowly(body)  # NaN, lone surrogates: orjson is stricter than what services send

else:

    def encode(value: Any) -> bytes:
        """`value` as UTF-8 JSON. Raises TypeError or ValueError for what has no JSON form."""
        return _encode_slowly(value)

    def decode(body: bytes) -> Any:
        """The value that `body` holds. Raises ValueError where it is not JSON, or nested too deeply."""
        return _decode_slowly(body)
