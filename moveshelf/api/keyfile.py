"""The key file of the flat client: read at once, when the client is made; the file may be gone afterwards."""

from __future__ import annotations

import json
import os
from typing import Any

from ..errors import ConfigError

_ADVICE = (
    "Make a key on your Moveshelf profile page, save it as mvshlf-api-key.json, "
    "and pass its path: MoveshelfApi(api_key_file=...)"
)


class KeyFileSyntaxError(ConfigError, json.JSONDecodeError):
    """The key file is no JSON. Also the json.JSONDecodeError that scripts expect; `doc` stays empty, it is
    secret."""


class KeyFileContentError(ConfigError, KeyError):
    """The key file holds no `secretKey`. Also a KeyError."""


def read_key(path: Any) -> str:
    """The secret key in a key file.

    Raises ConfigError, which is a ValueError for a missing file, a JSONDecodeError for one that is no JSON
    and a KeyError for one without `secretKey`; each names the file and what to do.
    """
    shown = os.fspath(path)
    if not os.path.isfile(path):
        raise ConfigError(f"no key file {shown!r} (from {os.getcwd()}). {_ADVICE}.")
    with open(path, encoding="utf-8-sig") as stream:
        text = stream.read()
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise _syntax_error(shown, error) from None
    key = data.get("secretKey") if isinstance(data, dict) else None
    if not isinstance(key, str) or not key.strip():
        raise KeyFileContentError(f'the key file {shown!r} has no "secretKey". {_ADVICE}.')
    return key.strip()


def _syntax_error(shown: str, error: json.JSONDecodeError) -> KeyFileSyntaxError:
    found = KeyFileSyntaxError(
        f"the key file {shown!r} is no JSON (line {error.lineno}, column {error.colno}: {error.msg}). "
        f"{_ADVICE}."
    )
    # without the file's text and the original error, which carries it: the key is in there
    found.msg, found.doc, found.pos = error.msg, "", error.pos
    found.lineno, found.colno = error.lineno, error.colno
    return found
