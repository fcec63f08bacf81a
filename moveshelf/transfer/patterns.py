"""Which files are meant: patterns of names and paths, as `include=` and `exclude=` take them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from fnmatch import fnmatchcase

from ..errors import ValidationError

_MAGIC = frozenset("*?[")
Given = str | Iterable[str] | None


class PatternWarning(UserWarning):
    """A pattern of `include` fits no file."""


class Patterns:
    """`Patterns(include, exclude)`: the files that fit one of `include` (all, where it is empty) and none of `exclude`.

    A pattern such as `"*.c3d"` or `"P-001/*/Barefoot/*"` is compared with the file's name and with its path below the
    folder, whatever the case and the Unicode form; `*` crosses folders. A pattern that is just a path or name means that
    file, whatever brackets are in it, and once `settle` knows the paths no other file. Raises ValidationError for what is
    no pattern.
    """

    def __init__(self, include: Given = None, exclude: Given = None) -> None:
        self.include = _patterns("include", include)
        self.exclude = _patterns("exclude", exclude)
        self._matched: set[str] = set()
        self._literal: frozenset[str] = frozenset()

    def fits(self, path: str) -> bool:
        """Whether the file at that path (with `/` between its folders) is meant."""
        folded = _folded(path)
        if any(self._matches(folded, pattern) for pattern in self.exclude.values()):
            return False
        if not self.include:
            return True
        found = [given for given, pattern in self.include.items() if self._matches(folded, pattern)]
        self._matched.update(found)
        return bool(found)

    def settle(self, paths: Iterable[str]) -> None:
        """Compare with all paths there are: a pattern that is one of them, or the name of one, means just that."""
        patterns = {*self.include.values(), *self.exclude.values()}
        special = {one for one in patterns if _MAGIC & set(one)}
        if special:
            names = (name for path in paths for name in (_folded(path), _folded(path.rpartition("/")[2])))
            self._literal = frozenset(special.intersection(names))

    def _matches(self, path: str, pattern: str) -> bool:
        name = path.rpartition("/")[2]
        if pattern in (path, name):
            return True
        return pattern not in self._literal and (fnmatchcase(name, pattern) or fnmatchcase(path, pattern))

    @property
    def unmatched(self) -> list[str]:
        """The patterns of `include` that no path has matched yet: for a warning."""
        return [given for given in self.include if given not in self._matched]


def _patterns(word: str, given: Given) -> dict[str, str]:
    try:
        patterns = [given] if isinstance(given, str) else list(given or ())
    except TypeError:
        patterns = [given]  # type: ignore[list-item]
    for pattern in patterns:
        if not isinstance(pattern, str) or not pattern:
            raise ValidationError(f"{word} is a pattern such as '*.c3d', or several, not {given!r}")
    return {pattern: _folded(pattern) for pattern in patterns}


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()
