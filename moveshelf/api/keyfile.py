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
    """The key file is no JSON. Also the json.JSONDecodeError that scripts expect; `doc` stays empty: it is secret."""

    def __init__(self, message: str, error: json.JSONDecodeError) -> None:
        ValueError.__init__(self, message)
        self.message = message
        self.msg, self.doc, self.pos = error.msg, "", error.pos
        self.lineno, self.colno = error.lineno, error.colno


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
    with open(path, encoding="utf-8-sig", errors="replace") as stream:
        text = stream.read()
    problem: KeyFileSyntaxError | None = None
    data: Any = None
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}: {error.msg}"
        problem = KeyFileSyntaxError(f"the key file {shown!r} is no JSON ({where}). {_ADVICE}.", error)
    if problem is not None:
        # raised out here: inside, the original would come along as its context, with the key in its `doc`
        raise problem
    key = data.get("secretKey") if isinstance(data, dict) else None
    if not isinstance(key, str) or not key.strip():
        raise KeyFileContentError(f'the key file {shown!r} has no "secretKey". {_ADVICE}.')
    return key.strip()
