"""What lies below a folder that is to be uploaded: every entry, as a file or with the reason why it is left out."""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs

from ..errors import ValidationError
from .names import PART_PREFIX
from .paths import is_link, local_path, long_path
from .source import not_regular, text_name

SYSTEM = re.compile(
    r"(?i)\.ds_store|\._.*|\.apple(?:double|desktop|db)|\.localized|icon\r|\.spotlight-v100|\.trashes|\.fseventsd"
    r"|\.temporaryitems|\.documentrevisions-v100|thumbs\.db(?::encryptable)?|ehthumbs(?:_vista)?\.db|desktop\.ini"
    r"|\$recycle\.bin|system volume information|\.directory|\.trash-\d+|lost\+found|\.nfs[0-9a-f]+|@eadir|#recycle"
    + "|" + re.escape(PART_PREFIX) + r"[0-9a-f]{16}(?:-[0-9a-f]+)?\.part(?:\.[0-9a-f]+)?(?:\.json)?"
)  # fmt: skip
"""Files and folders that operating systems make by themselves, and what an interrupted download has left. No line of a
plan is spent on them."""


@attrs.frozen
class TreeEntry:
    """One entry below the folder.

    `shown` is its path there, with `/`, in NFC, names as the service gets them. `reason` says why it is left out; where
    there is none it is a regular file of `size` bytes.
    """

    shown: str
    path: Path
    size: int | None = None
    reason: str = ""


def walk(
    root: str | os.PathLike[str],
    checked_name: Callable[[str], str],
    *,
    follow_links: bool = False,
) -> Iterator[TreeEntry]:
    """Every entry below a folder, folder by folder, in the order of their names. Opens nothing, and never blocks.

    `checked_name` returns a name as the service gets it, or raises ValidationError where it cannot be one; it is called
    with the names of folders and files, in NFC. Left out, each with its reason: links to folders, links that lead out of
    the tree, links to nothing, named pipes, devices, sockets, hidden files and folders, what may not be read, names that
    cannot be on the service, and two names that are the same there. Links to files inside the tree are sent.
    `follow_links` follows all links, but none into a folder that it is in already.

    Nothing is said of files that systems make by themselves (`SYSTEM`). Raises NotADirectoryError for what is no folder.
    """
    folder = local_path(root)
    if not os.path.isdir(long_path(os.fspath(folder))):
        raise NotADirectoryError(f"{os.fspath(folder)!r} is not a folder")
    top = os.path.realpath(long_path(os.fspath(folder)))
    return _walk(_Place(os.fspath(folder), "", ""), checked_name, follow_links, top, ())


@attrs.frozen
class _Place:
    """A folder of the walk. `reason`: something that holds for all that is below it."""

    path: str
    shown: str
    reason: str


def _walk(
    place: _Place,
    checked_name: Callable[[str], str],
    follow: bool,
    top: str,
    above: tuple[tuple[int, int], ...],
) -> Iterator[TreeEntry]:
    try:
        status = os.stat(long_path(place.path))
        with os.scandir(long_path(place.path)) as entries:
            names = sorted((entry.name for entry in entries), key=_order)
    except OSError as error:
        yield _left_out(
            place.path, place.shown or ".", f"the folder cannot be read: {error.strerror or error}"
        )
        return
    here = (status.st_dev, status.st_ino)
    if here in above:
        yield _left_out(place.path, place.shown, "a link to a folder that it lies in")
        return
    taken: dict[str, str] = {}
    for name in names:
        if SYSTEM.fullmatch(name):
            continue
        path = os.path.join(place.path, name)
        shown, problem = _name(name, checked_name)
        full = f"{place.shown}/{shown}".lstrip("/")
        if not problem and taken.setdefault(shown, name) != name:
            problem = "the same name as another one here, in another spelling"
        entry = _entry(path, full, top, follow)
        if name.startswith(".") and not entry.reason:
            yield attrs.evolve(entry, reason="hidden: rename it to send it", size=entry.size)
        elif entry.reason or entry.size is not None:
            yield attrs.evolve(entry, reason=place.reason or problem or entry.reason)
        else:
            below = _Place(
                path, full, place.reason or (f"the folder {shown!r}: {problem}" if problem else "")
            )
            yield from _walk(below, checked_name, follow, top, (*above, here))


def _order(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _name(name: str, checked_name: Callable[[str], str]) -> tuple[str, str]:
    """A name as it is shown, and what is wrong with it."""
    try:
        text = unicodedata.normalize("NFC", text_name(name))
    except ValidationError as error:
        return name.encode("utf-8", "backslashreplace").decode(), str(error)
    try:
        return checked_name(text), ""
    except ValidationError as error:
        return text, str(error)


def _entry(path: str, shown: str, top: str, follow: bool) -> TreeEntry:
    """What an entry is. Neither size nor reason: a folder to walk."""
    place = long_path(path)
    try:
        linked = is_link(place)
        status = os.stat(place)
    except FileNotFoundError:
        target = os.readlink(place) if os.path.islink(place) else ""
        return _left_out(
            path, shown, f"a link to {target}, which does not exist" if target else "it has vanished"
        )
    except OSError as error:  # a circle of links; no right to look
        return _left_out(path, shown, f"it cannot be read: {error.strerror or error}")
    if linked and not follow:
        target = os.path.realpath(place)
        if stat.S_ISDIR(status.st_mode):
            return _left_out(
                path, shown, f"a link to the folder {target}: upload that folder by its own path"
            )
        if not _inside(target, top):
            return _left_out(path, shown, f"a link out of the folder, to {target}: copy the file to send it")
    if stat.S_ISDIR(status.st_mode):
        return TreeEntry(shown, Path(path))
    what = not_regular(status.st_mode)
    if what:
        return _left_out(path, shown, f"{what}, not a regular file")
    if not os.access(place, os.R_OK):
        return _left_out(path, shown, "it may not be read", status.st_size)
    return TreeEntry(shown, Path(path), status.st_size)


def _inside(path: str, top: str) -> bool:
    try:
        return os.path.commonpath((top, path)) == top
    except ValueError:  # another drive
        return False


def _left_out(path: str, shown: str, reason: str, size: int | None = None) -> TreeEntry:
    return TreeEntry(shown, Path(path), size, reason)
