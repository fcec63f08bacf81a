r"""Paths in one string, `org/project:subject/session/condition/trial/file`, and what they lead to.

A name in a path is written as in a URL: `%2F` is a slash in a name, `%3A` a colon in a project's, `%25` a percent sign before
two hexadecimal digits; `\/`, `\:` and `\\` do as well. `join()` writes such paths, `parse()` reads them, `lookup()` follows
them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import unquote

from ..errors import AmbiguousError, NotFoundError, ValidationError
from ..values import printable

#: What the names in a path are, from the left.
LEVELS: Final = ("project", "subject", "session", "condition", "trial", "file")
#: The attribute that lists the next level, from the project on.
BELOW: Final = ("subjects", "sessions", "conditions", "clips", "files")

_ESCAPED: Final = re.compile(r"\\([/:\\])|((?:%[0-9A-Fa-f]{2})+)")
_PERCENT: Final = re.compile(r"%(?=[0-9A-Fa-f]{2})")
_CONDITION: Final = LEVELS.index("condition")


def parse(path: str) -> list[str]:
    r"""The names in a path, the project's first, without their escapes. No request.

    An empty condition (`...:subject/session//trial`) stands for any and is "". Raises ValidationError for a missing name, and
    for more names than there are levels.

    Example:
        >>> parse("lab/demo:P-001/2024-01-01/Barefoot%2Fleft")
        ['lab/demo', 'P-001', '2024-01-01', 'Barefoot/left']
    """
    names = _names(path)
    if len(names) > len(LEVELS):
        raise _no_path(path)
    return names


def join(names: list[str]) -> str:
    """The path of names, the project's first: what `parse` reads as the same names.

    Example:
        >>> join(["lab/demo", "P-001", "2024-01-01", "Barefoot/left"])
        'lab/demo:P-001/2024-01-01/Barefoot%2Fleft'
    """
    project, *rest = names
    return escape_project(project) + (":" + "/".join(map(escape, rest)) if rest else "")


def escape(name: str) -> str:
    """A name as a path holds it: without slashes, backslashes and what acts on a terminal."""
    if not name.strip():
        return "".join(map(_percent, name))
    text = _PERCENT.sub("%25", name).replace("/", "%2F").replace("\\", "%5C")
    return text if printable(text) == text else "".join(map(_unless_printable, text))


def escape_project(name: str) -> str:
    """A project's name as a path holds it: its slashes stay, its colons do not."""
    inner = name.strip("/")
    lead = name[: len(name) - len(name.lstrip("/"))] if inner else name
    tail = name[len(lead) + len(inner) :]
    middle = "/".join(escape(part) if part else "" for part in inner.split("/"))
    return "%2F" * len(lead) + middle.replace(":", "%3A") + "%2F" * len(tail)


def unescape(text: str) -> str:
    """What a name in a path stands for. Percent signs that are no escapes of UTF-8 stay as they are."""
    if "\\" not in text and "%" not in text:
        return text
    return _ESCAPED.sub(_unescaped, text)


def typed_so_far(path: str) -> tuple[str, str, str]:
    """A path that is still being typed: up to its last separator with it, the path before that separator, the begun name.

    Example:
        >>> typed_so_far("lab/demo:P-001/20")
        ('lab/demo:P-001/', 'lab/demo:P-001', '20')
    """
    colon = next(_separators(path, ":"), None)
    if colon is None:
        return "", "", path
    last = max([colon, *(at for at in _separators(path, "/") if at > colon)])
    return path[: last + 1], path[:last], path[last + 1 :]


def lookup(projects: Any, *names: str) -> Any:
    r"""What a path in one string, or names one by one, lead to: project, subject, session, condition, clip, file.

    `projects` is the collection to begin with. Several names are taken as they are; one is a path, whose names may be escaped.
    What is not found by its names is looked for once more with the slashes of names written as they are
    (`...:P/2024-01-01/Barefoot/left` for the condition `Barefoot/left`), and for a trial outside of any condition right below
    its session. An empty condition stands for any: the clip is looked for in the whole session. Ids do as well as names.

    One request for a level that is not loaded. Raises NameNotFoundError with near misses; AmbiguousError with the ids of what
    shares a name, or with the paths that a path may stand for; ValidationError for what is no path.

    Example:
        >>> lookup(ms.projects, "lab/demo:P-001/2023-01-20 pre-op/Barefoot/Trial-1")
        <Clip 'Trial-1'>
    """
    if not all(isinstance(name, str) for name in names):
        raise ValidationError(f"lookup takes names and paths as text, not {names!r}")
    if not 1 <= len(names) <= len(LEVELS):
        raise ValidationError(
            "lookup takes a path in one string, or one to six names: project, subject, session, condition, clip, file; "
            f"these are {len(names)}"
        )
    if len(names) > 1:
        return _follow(projects, names)
    path = names[0]
    parsed = _names(path)
    error: Exception = _no_path(path)
    if len(parsed) <= len(LEVELS):
        try:
            return _follow(projects, parsed)
        except NotFoundError as missing:
            error = missing
    found = list(_readings(projects, path))
    if not found:
        raise error
    if len(found) > 1:
        ways = ", ".join(repr(join(way)) for way, _ in found)
        raise AmbiguousError(f"{path!r} may stand for {len(found)} paths: {ways}; write one of them")
    return found[0][1]


def _follow(projects: Any, names: Any) -> Any:
    """What names lead to, each taken as it is."""
    found = projects[names[0]]
    for name, below in zip(names[1:], BELOW, strict=False):
        if below == BELOW[_CONDITION - 1] and not name.strip("/"):
            continue  # the clips of the whole session
        found = getattr(found, below)[name]
    return found


# a second reading, where slashes in names are not escaped -------------------------------------------------------------
def _readings(projects: Any, path: str) -> Iterator[tuple[list[str], Any]]:
    """Every way to read a path, where slashes and colons may belong to names: the names, and what they lead to."""
    for end in [*_separators(path, ":"), len(path)]:
        tokens = [path[a:b] for a, b in _parts(path, end + 1)] if end < len(path) else []
        while tokens and not tokens[-1]:
            tokens.pop()
        while tokens and not tokens[0]:
            tokens.pop(0)
        for name in _spellings(path[:end]):
            if name in projects:
                yield from _below(projects[name], 1, tokens, [name])


def _below(found: Any, level: int, tokens: list[str], names: list[str]) -> Iterator[tuple[list[str], Any]]:
    if not tokens:
        yield names, found
        return
    if level == len(LEVELS):
        return
    listed = getattr(found, BELOW[level - 1])
    if level == _CONDITION and not tokens[0]:
        yield from _below(found, level + 1, tokens[1:], [*names, ""])
        return
    for count in range(1, len(tokens) + 1):
        for name in _spellings("/".join(tokens[:count])):
            if name in listed:
                yield from _below(listed[name], level + 1, tokens[count:], [*names, name])
            elif level == _CONDITION:
                for clip in _outside(found, name):
                    yield from _below(clip, level + 2, tokens[count:], [*names, "", clip.id])


def _outside(session: Any, name: str) -> list[Any]:
    """The trials of a session that are in no condition, of that title or id."""
    fits = [clip for clip in session.clips if name in (clip.title, clip.id)]
    return [clip for clip in fits if clip.condition is None]


def _spellings(text: str) -> list[str]:
    """What a part of a path may mean: its escapes read, or every sign as it stands."""
    return list(dict.fromkeys(name for name in (unescape(text), text) if name.strip("/")))


# text -----------------------------------------------------------------------------------------------------------------
def _names(path: str) -> list[str]:
    colon = next(_separators(path, ":"), len(path))
    above = _trimmed([path[a:b] for a, b in _parts(path[:colon], 0)])
    tokens = _trimmed([path[a:b] for a, b in _parts(path, colon + 1)]) if colon < len(path) else []
    if not "/".join(above).strip():
        raise _no_path(path)
    for level, token in enumerate(tokens, 1):
        if not token.strip() and level != _CONDITION:
            raise _no_path(path)
    return ["/".join(map(unescape, above)), *map(unescape, tokens)]


def _trimmed(tokens: list[str]) -> list[str]:
    """Without the empty ones at either end."""
    full = [at for at, token in enumerate(tokens) if token]
    return tokens[full[0] : full[-1] + 1] if full else []


def _separators(text: str, sign: str) -> Iterator[int]:
    """The positions of a separator that no backslash escapes."""
    at = 0
    while at < len(text):
        if text[at] == "\\" and text[at + 1 : at + 2] in ("/", ":", "\\"):
            at += 1
        elif text[at] == sign:
            yield at
        at += 1


def _parts(text: str, start: int) -> Iterator[tuple[int, int]]:
    """Begin and end of what the slashes from a position on separate."""
    for at in _separators(text, "/"):
        if at >= start:
            yield start, at
            start = at + 1
    yield start, len(text)


def _no_path(path: str) -> ValidationError:
    return ValidationError(
        f"{path!r} is no path: it is org/project:subject/session/condition/trial/file, from the left as many of "
        "its parts as you mean (an empty condition stands for any, %2F for a slash in a name)"
    )


def _unescaped(match: re.Match[str]) -> str:
    if match[1]:
        return match[1]
    try:
        return unquote(match[2], errors="strict")
    except UnicodeDecodeError:
        return match[2]


def _percent(letter: str) -> str:
    return "".join(f"%{byte:02X}" for byte in letter.encode("utf-8", "surrogatepass"))


def _unless_printable(letter: str) -> str:
    return letter if printable(letter) == letter else _percent(letter)
