"""Paths on this computer: as a user writes them, as Windows takes long ones, and folders that are no links."""

from __future__ import annotations

import ntpath
import os
import stat
from pathlib import Path

from ..errors import TransferError, ValidationError

LONGEST_ON_WINDOWS = 240
"""Characters from which Windows needs the long form of a path: 260 with the end, folders 248, and some to spare."""
_REPARSE_POINT = 0x400


def local_path(path: str | bytes | os.PathLike[str] | os.PathLike[bytes]) -> Path:
    """A path as the user means it: `~` and `~name` at its beginning stand for a home folder.

    `~name` stays as it is where nobody has that name and a file is called so. Sends nothing, and does not look whether
    the path exists. Raises ValidationError for what cannot be a path: an empty text, a null character, an unknown
    user, another type.

        local_path("~/data")        # the folder "data" in the user's home
    """
    try:
        text = os.fsdecode(path)
    except TypeError:
        raise ValidationError(f"{path!r} is not a path: give a text or a pathlib.Path") from None
    if not text:
        raise ValidationError("an empty text is not a path; '.' is the working folder")
    if "\0" in text:
        raise ValidationError(f"{text!r} is not a path: it holds a null character")
    plain = Path(text)
    if not text.startswith("~"):
        return plain
    try:
        return plain.expanduser()
    except RuntimeError:
        if os.path.lexists(text):
            return plain
        name = text[1:].split("/")[0].split(os.sep)[0]
        raise ValidationError(
            f"{text!r}: this computer has no user {name!r}; for a folder of that name write './{text}'"
        ) from None


def long_path(path: str, windows: bool = os.name == "nt") -> str:
    r"""The same path in the form that Windows takes at any length (`\\?\C:\...`), where it needs that.

    Other systems, and short paths, get `path` back. Only absolute paths have such a form; the working folder is put
    before others by `os.path.abspath`, on Windows itself.
    """
    if not windows or path.startswith("\\\\?\\"):
        return path
    full = ntpath.normpath(path if ntpath.isabs(path) or os.name != "nt" else os.path.abspath(path))
    if len(full) < LONGEST_ON_WINDOWS or not ntpath.splitdrive(full)[0]:
        return path
    if full.startswith("\\\\"):
        return "\\\\?\\UNC" + full[1:]
    return "\\\\?\\" + full


def is_link(path: str) -> bool:
    """Whether there is a symbolic link, or on Windows a junction. A path that does not exist is none."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISLNK(status.st_mode) or bool(
        getattr(status, "st_file_attributes", 0) & _REPARSE_POINT and stat.S_ISDIR(status.st_mode)
    )


def refuse_links(root: Path, folder: Path) -> None:
    """Raise TransferError where a folder between `root` and `folder` is a link; `root` itself may be one.

    A link below the folder that the user chose may have been planted there to have files written elsewhere.
    """
    try:
        names = folder.relative_to(root).parts
    except ValueError:
        raise TransferError(f"{folder} is not below {root}: nothing was written.") from None
    current = os.fspath(root)
    for name in names:
        current = os.path.join(current, name)
        if name == ".." or is_link(long_path(current)):
            raise TransferError(
                f"{current} is a link to another folder: nothing was written through it. Remove the link, or download "
                f"to the folder that it leads to."
            )
