"""Local names for what the service calls by any name at all, and back.

A name becomes one component of a path, on every system: nothing that separates, climbs, is reserved or cannot
be written survives; it is percent-encoded, so that different names stay different and the original can be
read. The same names in the same order give the same files on every run, on every system, which is how a run
that was interrupted finds what it has.

Two marks stand before the extension: `~` and ten hexadecimal digits where a sibling has the name, `~-` and ten digits where
the name was too long and lost its middle. A name that looks so by itself is encoded, so that a mark is one.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Container, Hashable, Iterable, Sequence

# what no name may hold on Windows, or on a share that Windows reads; control characters and ends of lines; and halves
# of surrogate pairs: JSON can say them, no file system can
DANGEROUS = re.compile('[<>:"/\\\\|?*\0-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]')
RESERVED = re.compile(r"(?i)(?:con|prn|aux|nul|conin\$|conout\$|clock\$|com[0-9¹²³]|lpt[0-9¹²³])[ ]*(?:\.|$)")
# bytes in UTF-8: the limit of ext4, and never more than what NTFS and APFS take
LONGEST = 255
# how the temporary files of a download are called (see `download.py`); no file of the service's may pass for
# one
PART_PREFIX = ".moveshelf-"
_ESCAPE = re.compile(r"%(?=[0-9A-Fa-f]{2})")
_ENCODED = re.compile(r"(?:%[0-9A-F]{2})+")
_MARK = re.compile(r"~(?=-?[0-9a-f]{10}$)")
_SIBLING = re.compile(r"~[0-9a-f]{10}$")
_SHORTENED = re.compile(r"~-([0-9a-f]{10})$")


def safe_name(name: str) -> str:
    """`name` as one path component that stays where it is put, at most 255 bytes of UTF-8.

    Harmless names come back as they are. In others each dangerous character is percent-encoded (`a/b` gives
    `a%2Fb`), so that two different names never meet; a name that is too long loses its middle to a digest and
    keeps its extension.
    """
    if not name:
        return "%"
    text = _ESCAPE.sub("%25", name)
    text = DANGEROUS.sub(lambda found: _encode(found[0]), text)
    if text == "%":
        text = "%25"
    trailing = len(text) - len(text.rstrip(". "))
    if trailing:  # also "." and ".."
        text = text[: len(text) - trailing] + "".join(_encode(c) for c in text[-trailing:])
    if RESERVED.match(text) or text.lower().startswith(PART_PREFIX):
        text = _encode(text[0]) + text[1:]
    stem, extension = _split(text)
    if _MARK.search(stem):
        text = _MARK.sub(_encode("~"), stem) + extension
    return shortened(text, name)


def original_name(local: str) -> str | None:
    """The name on the service that is called `local` on the disk: what `safe_name` and `local_paths` did, undone.

    A name that they have not made comes back as it is: `gait%20cycle.csv` is called so, since a blank is not encoded. None
    for a name that was too long: what it has lost is known to nobody; `find_name` finds it among those there are.
    """
    stem, extension = _split(local)
    stem = _SIBLING.sub("", stem)
    if _SHORTENED.search(stem):
        return None
    plain = stem + extension
    if plain == "%":
        return ""
    decoded = _ENCODED.sub(_decode, plain)
    return decoded if safe_name(decoded) == plain else plain


def is_marked(local: str) -> bool:
    """Whether `local` has the mark of one of several siblings of its name."""
    return _SIBLING.search(_split(local)[0]) is not None


def is_shortened(local: str) -> bool:
    """Whether `local` is called so because the name was too long, so that the name cannot be read from it."""
    stem, _ = _split(local)
    return _SHORTENED.search(_SIBLING.sub("", stem)) is not None


def find_name(local: str, names: Iterable[str]) -> str | None:
    """The one of `names` that is called `local` on the disk, names that were too long included; None where there is none.

    Unicode's forms count as equal: some disks change them.
    """
    stem, _ = _split(local)
    cut = _SHORTENED.search(_SIBLING.sub("", stem))
    own = original_name(local)
    for name in names:
        if cut is not None:
            if _digest(name) == cut[1]:
                return name
        elif own is not None and unicodedata.normalize("NFC", name) == unicodedata.normalize("NFC", own):
            return name
    return None


def shortened(text: str, identity: str, suffix: str = "") -> str:
    """`text` with `suffix` before its extension, cut to fit; what was cut is told apart by a digest of
    `identity`.
    """
    stem, extension = _split(text)
    whole = stem + suffix + extension
    if len(whole.encode()) <= LONGEST:
        return whole
    mark = f"~-{_digest(identity)}" + suffix
    room = LONGEST - len(mark.encode()) - len(extension.encode())
    # a cut in the middle of a character or of an escape leaves no torn one behind
    kept = stem.encode()[:room].decode(errors="ignore")
    kept = re.sub(r"%[0-9A-F]?$", "", kept).rstrip(". ")
    return kept + mark + extension


def same_on_disk(name: str) -> str:
    """A key that is equal for names which some file system takes for one: case and Unicode's forms folded."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return unicodedata.normalize("NFKC", folded)


def of_one_name(named: Iterable[tuple[Hashable, str]]) -> set[Hashable]:
    """The keys of those whose name some file system takes for another one's; an entry is its `(key, name)`."""
    held: dict[str, set[Hashable]] = {}
    for key, name in named:
        held.setdefault(same_on_disk(name), set()).add(key)
    return {key for keys in held.values() if len(keys) > 1 for key in keys}


def local_paths(
    entries: Iterable[Sequence[tuple[Hashable, str]]],
    preferred: Iterable[bool] = (),
    apart: Container[Hashable] = (),
) -> list[tuple[str, ...]]:
    """A safe relative path for every entry; an entry is its `(key, name)` from the top folder down to the
    file.

    The key says which object a name belongs to: two entries share a folder where they share the keys down to
    it, and only there. Of siblings that one file system or another would take for the same, the first keeps
    its name and each later one gets a mark made of its key, before the extension: nothing overwrites a
    sibling. Those that are `preferred` come before the others: files that are complete, say, before those that
    are not there yet. Those whose key is in `apart` get their mark in any case, so that it does not depend on the order
    who is called how.
    """
    folders: dict[tuple[str, ...], _Folder] = {}
    listed = list(entries)
    first = list(preferred) or [True] * len(listed)
    paths: dict[int, tuple[str, ...]] = {}
    for number in sorted(range(len(listed)), key=lambda one: not first[one]):
        path: tuple[str, ...] = ()
        for key, name in listed[number]:
            folder = folders.get(path)
            if folder is None:
                folder = folders[path] = _Folder()
            path = (*path, folder.place(key, name, always=key in apart))
        paths[number] = path
    return [paths[number] for number in range(len(listed))]


def sibling_names(
    siblings: Iterable[tuple[Hashable, str, str | None]],
    preferred: Iterable[bool] = (),
    apart: Container[Hashable] = (),
) -> list[str]:
    """The safe name of each entry of one folder, an entry being `(key, name, mark)`, by the rules of `local_paths`.

    What gets a mark is marked with `~` and its own `mark`, an id that people can read, or with the digits of `local_paths`
    where that is None.
    """
    folder = _Folder()
    listed = list(siblings)
    first = list(preferred) or [True] * len(listed)
    names = [""] * len(listed)
    for number in sorted(range(len(listed)), key=lambda one: not first[one]):
        names[number] = folder.place(*listed[number], always=listed[number][0] in apart)
    return names


class _Folder:
    """The names given out in one folder."""

    def __init__(self) -> None:
        self.given: dict[Hashable, str] = {}
        self.taken: set[str] = set()

    def place(self, key: Hashable, name: str, own_mark: str | None = None, *, always: bool = False) -> str:
        known = self.given.get(key)
        if known is not None:
            return known
        text = safe_name(name)
        mark = f"{key}\0{name}"
        tries = 0
        while same_on_disk(text) in self.taken or (always and not tries):
            digits = _digest(mark if not tries else f"{mark}\0{tries}")
            suffix = "~" + (digits if tries or own_mark is None else own_mark)
            text = shortened(safe_name(name), name, suffix)
            tries += 1
        self.taken.add(same_on_disk(text))
        self.given[key] = text
        return text


def _encode(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))


def _decode(found: re.Match[str]) -> str:
    try:
        return bytes.fromhex(found[0].replace("%", "")).decode("utf-8", "surrogatepass")
    except ValueError:
        return found[0]


def _split(text: str) -> tuple[str, str]:
    """Stem and extension; what follows the last dot counts as one up to 20 bytes."""
    stem, dot, extension = text.rpartition(".")
    if not stem or len(extension.encode()) > 20:
        return text, ""
    return stem, dot + extension


def _digest(text: str) -> str:
    return hashlib.blake2s(text.encode("utf-8", "surrogatepass"), digest_size=5).hexdigest()
