"""Small C3D files of a few synthetic trials, packed with the sandbox: make_recordings.py makes them."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

FOLDER = "data"


def packed_name(recipe: dict[str, Any]) -> str:
    """The packed file of a trial."""
    return f"{recipe['subject']}_{recipe['session']}_{recipe['condition']}_{recipe['trial']}.c3d"


def packed(recipe: dict[str, Any]) -> bytes:
    """The C3D file of a trial; FileNotFoundError if none is packed."""
    return files("moveshelf.sandbox").joinpath(f"{FOLDER}/{packed_name(recipe)}").read_bytes()
