"""JSON in and out: orjson where it is installed (extra `fast`), the standard library otherwise.

Both accept and refuse the same: dates, enums and UUIDs go out as text, anything else that JSON has no word
for is an error before anything is sent.
"""

from __future__ import annotations

import datetime
import enum
import json
import math
import uuid
from collections.abc import Mapping
from typing import Any

try:
    import orjson
except ImportError:  # the extra is not installed
    orjson = None  # type: ignore[assignment]


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


def _finite(value: Any) -> None:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} is no number in JSON: send None, or leave it out")
    elif isinstance(value, Mapping):
        for item in value.values():
            _finite(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _finite(item)


if orjson is not None:
    # dates by our own rule, so that both encoders write the same text
    _OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS

    def encode(value: Any) -> bytes:
        """`value` as UTF-8 JSON. Raises TypeError or ValueError for what has no JSON form."""
        body = orjson.dumps(value, _plain, _OPTIONS)
        if b"null" in body:
            _finite(value)  # orjson writes NaN as null, which would quietly erase a value
        return body

    def decode(body: bytes) -> Any:
        """The value that `body` holds. Raises ValueError where it is not JSON."""
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError:
            return json.loads(body)  # NaN, lone surrogates: orjson is stricter than what services send

else:

    def encode(value: Any) -> bytes:
        """`value` as UTF-8 JSON. Raises TypeError or ValueError for what has no JSON form."""
        try:
            text = json.dumps(
                value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain
            )
        except ValueError:
            _finite(value)
            raise
        return text.encode()

    def decode(body: bytes) -> Any:
        """The value that `body` holds. Raises ValueError where it is not JSON."""
        return json.loads(body)
