"""What objects show of themselves: text, HTML, trees. Nothing in here ever sends a request."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING, Any

from .lazy.state import DELETED, State, peek

if TYPE_CHECKING:
    from .lazy.entity import Entity

#: How many members a collection shows.
SHOWN = 10
#: Fields that are shown as what is read from them, and fields that are not shown.
READ_AS = {"stored": "metadata"}
HIDDEN = ("original_name",)


def label(obj: Entity) -> str:
    """How messages call an object: a project by its name, the rest by kind and name, by id where no name is loaded."""
    kind = type(obj).__name__
    name = obj._peek_name()
    if name is None:
        return f"{kind.lower()} {obj.id}"
    return name if kind in ("Project", "Account") else f"{kind.lower()} {name!r}"


def near_misses(key: str, names: Iterable[str]) -> list[str]:
    """The names that whoever wrote `key` may have meant, best first, at most three.

    Names that differ only in case, in separators or in the zeros before a number ("P-14", "P-014") are meant for sure.
    """
    known = list(dict.fromkeys(names))
    folded = _folded(key)
    same = [name for name in known if folded and _folded(name) == folded]
    return same[:3] or difflib.get_close_matches(key, known, 3, 0.6)


def _folded(name: str) -> str:
    """What is left of a name without case, separators and leading zeros."""
    text = re.sub(r"0+(?=\d)", lambda zeros: "" if not _digit_before(zeros) else zeros[0], name.casefold())
    return re.sub(r"[\W_]+", "", text)


def _digit_before(match: re.Match[str]) -> bool:
    return match.start() > 0 and match.string[match.start() - 1].isdigit()


def _loaded(obj: Entity) -> list[tuple[str, Any]]:
    found = []
    for name, field in type(obj).fields.items():
        value = peek(field.read(obj))
        if value.__class__ is State or name in HIDDEN:
            continue
        found.append((name, value))
    return found


def _shown(obj: Any, name: str, value: Any) -> tuple[str, Any]:
    """The name and value under which a loaded field is shown."""
    if name not in READ_AS:
        return name, value
    try:
        return READ_AS[name], getattr(obj, READ_AS[name])
    except ValueError:  # what is stored is no object
        return READ_AS[name], value


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def entity_repr(obj: Entity) -> str:
    """One line: kind, name, id, and how much is loaded below."""
    kind = type(obj).__name__
    if any(peek(field.read(obj)) is DELETED for field in type(obj).fields.values()):
        return f"<{kind} {obj.id} (deleted)>"
    name = obj._peek_name()
    parts = [f"<{kind}", repr(name) if name is not None else "(not loaded)", f"id={obj.id!r}"]
    for field, value in _loaded(obj):
        if _is_collection(value) and value._is_loaded():
            count = len(value._shown())
            parts.append(f"{field}={count}")
    return " ".join(parts) + ">"


def entity_html(obj: Entity) -> str:
    """A table of what is loaded; the rest is named as not loaded."""
    rows = [f"<tr><th>id</th><td><code>{escape(obj.id)}</code></td></tr>"]
    missing = []
    for name, field in type(obj).fields.items():
        value = peek(field.read(obj))
        if name in HIDDEN:
            continue
        if value.__class__ is State or (_is_collection(value) and not value._is_loaded()):
            missing.append(READ_AS.get(name, name))
            continue
        shown, value = _shown(obj, name, value)
        text = f"{len(value._shown())} loaded" if _is_collection(value) else _short(value)
        rows.append(f"<tr><th>{escape(shown)}</th><td>{escape(text)}</td></tr>")
    title = escape(f"{type(obj).__name__} {obj._peek_name() or ''}".strip())
    note = (
        f"<p>not loaded: {escape(', '.join(missing))}; touch one or <code>load()</code> it</p>"
        if missing
        else ""
    )
    return f"<div><strong>{title}</strong><table>{''.join(rows)}</table>{note}</div>"


def _is_collection(value: Any) -> bool:
    return hasattr(value, "_is_loaded") and hasattr(value, "_items")


def collection_repr(collection: Any) -> str:
    """Kind, count and the first names; what is not loaded says so."""
    kind = collection._kind()
    items = collection._shown()
    if items.__class__ is not list:
        state = (
            "deleted" if items is DELETED else "not loaded; len(), a loop, an index or load() fetches them"
        )
        return f"<{kind} ({state})>"
    names = [_name(one) for one in items[:SHOWN]]
    more = ", ..." if len(items) > SHOWN else ""
    count = collection._kind(1) if len(items) == 1 else kind
    return f"<{len(items)} {count}: {', '.join(names)}{more}>" if items else f"<0 {kind}>"


def _name(one: Any) -> str:
    name = one._peek_name()
    return str(one.id) if name is None else repr(name)


def collection_html(collection: Any) -> str:
    """A table of the first members with what is loaded of each, and how to load the rest."""
    items = collection._shown()
    kind = escape(collection._kind())
    if items.__class__ is not list:
        return f"<p>{kind}: not loaded. <code>len()</code>, a loop, an index or <code>.load()</code> fetches them.</p>"
    columns: list[str] = []
    for one in items[:SHOWN]:
        columns += [name for name, _ in _columns(one) if name not in columns]
    head = "".join(f"<th>{escape(name)}</th>" for name in ["name", *columns])
    body = []
    for one in items[:SHOWN]:
        values = dict(_columns(one))
        cells = [_name(one), *(_short(values[name]) if name in values else "·" for name in columns)]
        body.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    more = f"<p>... {len(items) - SHOWN} more</p>" if len(items) > SHOWN else ""
    example = escape('.load("…")')
    note = f"<p>· is not loaded; touch it, or <code>{example}</code> loads it for all {len(items)}</p>"
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"
    return f"<div><strong>{len(items)} {kind}</strong>{table}{more}{note}</div>"


def conditions_html(counts: dict[str, int] | None) -> str:
    """A table of conditions and their numbers of clips; None: not loaded."""
    if counts is None:
        return "<p>conditions: not loaded. <code>len()</code>, a loop, an index or <code>.load()</code> fetches them.</p>"
    rows = "".join(f"<tr><td>{escape(name)}</td><td>{count}</td></tr>" for name, count in counts.items())
    head = "<thead><tr><th>name</th><th>clips</th></tr></thead>"
    return f"<div><strong>{len(counts)} conditions</strong><table>{head}<tbody>{rows}</tbody></table></div>"


def _columns(one: Any) -> Iterable[tuple[str, Any]]:
    fields = getattr(type(one), "fields", {})
    for name, field in fields.items():
        value = peek(field.read(one))
        if value.__class__ is State or name in ("name", "title", *HIDDEN):
            continue
        if _is_collection(value):
            if value._is_loaded():
                yield name, len(value._shown())
        elif field.__class__.__name__ == "Scalar":
            yield _shown(one, name, value)


def tree(obj: Any, depth: int = 6, indent: str = "") -> str:
    """What is loaded of an object or a collection and below it, as an indented text."""
    if not hasattr(obj, "_peek_name"):
        items = peek(getattr(obj, "_items", None))
        below = [tree(one, depth - 1, indent + "  ") for one in (items if items.__class__ is list else ())]
        return "\n".join([indent + repr(obj), *(below if depth > 0 else ())])
    lines = [indent + _line(obj)]
    if depth > 0:
        for _, value in _loaded(obj):
            if _is_collection(value) and value._is_loaded():
                lines += [tree(one, depth - 1, indent + "  ") for one in value._shown()]
    return "\n".join(lines)


def _line(obj: Any) -> str:
    return f"{type(obj).__name__.lower()} {_name(obj)}"
