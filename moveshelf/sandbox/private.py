"""Files that only their owner may read."""

from __future__ import annotations

import os
from pathlib import Path


def create_private(path: Path, text: str) -> None:
    """Create a file with this text and mode 0600. One that exists keeps its text; others lose their access to it.

    The mode is given when the file is created: a file that is opened first and restricted later can be read in between.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        restrict(path)
        return
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def restrict(path: Path) -> None:
    """Take access to a file of an older version away from others; Windows has no such modes."""
    if os.name == "posix" and path.exists() and path.stat().st_mode & 0o077:
        path.chmod(0o600)
