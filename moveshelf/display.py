"""What objects show of themselves: text, HTML, trees. Nothing in here ever sends a request.

The functions whose names end in `_html` and that take plain values draw; the others gather what is loaded of an object and
hand it to them.
"""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timezone
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from .config import site_url
from .lazy.state import DELETED, State, peek
from .values import Template, TemplateField, drawn_by, printable

if TYPE_CHECKING:
    from .lazy.entity import Entity
    from .transfer.result import Plan, TransferResult

__all__ = [
    "NOT_LOADED_CELL",
    "client_html",
    "collection_html",
    "collection_repr",
    "condition_html",
    "conditions_html",
    "entity_html",
    "entity_repr",
    "label",
    "members_html",
    "near_misses",
    "object_html",
    "plan_html",
    "printable",
    "shown_text",
    "template_html",
    "tree",
]

#: How many members a collection shows.
SHOWN = 10
#: How many entries of metadata are in view; the rest is below a line that opens.
ENTRIES = 12
#: How many files a plan or a result shows.
STEPS = 100
#: How many characters of one value are shown.
CHARACTERS = 200
#: Fields that are shown as what is read from them, and fields that are not shown.
READ_AS = {"stored": "metadata"}
HIDDEN = ("original_name",)
#: What stands in a cell whose value is not loaded.
NOT_LOADED_CELL: Final = State.NOT_LOADED
#: What people read in place of the name of an attribute, where taking the underscores away does not do.
WORDS: Final[Mapping[str, str]] = {
    "id": "id",
    "ehr_id": "EHR id",
    "can_edit": "can be edited",
    "unlisted_access": "open to links",
    "has_charts": "charts",
    "has_video": "video",
    "upload_status": "upload",
    "data_type": "type",
    "custom_options": "options",
    "clip": "trial",
    "clips": "trials",
}
#: What people read in place of the name of a class.
KINDS: Final[Mapping[str, str]] = {"Clip": "Trial", "DataFile": "File", "Account": "Client"}


def escape(text: str) -> str:
    """A text for HTML. Its module holds the names of 2,000 characters, which a program that draws nothing can do without."""
    import html

    return html.escape(text)


def label(obj: Entity) -> str:
    """How messages call an object: a project by its name, the rest by kind and name, by id where no name is loaded."""
    kind = type(obj).__name__
    name = obj._peek_name()
    if name is None:
        return f"{kind.lower()} {obj.id}"
    return printable(name) if kind in ("Project", "Account") else f"{kind.lower()} {name!r}"


def near_misses(key: str, names: Iterable[str]) -> list[str]:
    """The names that may have been meant by `key`, best first, at most three.

    Names that differ only in case, in separators or in the zeros before a number ("P-14", "P-014") come before those that
    are only similar.
    """
    known = list(dict.fromkeys(names))
    wanted = folded(key)
    same = [name for name in known if wanted and folded(name) == wanted]
    if same:
        return same[:3]
    import difflib  # for a message only

    return difflib.get_close_matches(key, known, 3, 0.6)


def folded(name: str) -> str:
    """What is left of a name without case, separators and leading zeros: names that only these tell apart are alike."""
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


# HTML of plain values ---------------------------------------------------------------------------------------------
# Colours are those of the page that the output stands in: text inherits, lines and grounds are half-transparent greys, and
# the few others follow the page's colour scheme. So one style serves light and dark, in Jupyter, VS Code and a saved page.
_STYLE: Final = """<style>
.moveshelf{--ms-line:rgba(128,128,128,.35);--ms-soft:rgba(128,128,128,.12);
--ms-link:var(--jp-content-link-color,var(--vscode-textLink-foreground,#2f7bc0));
--ms-bad:var(--jp-error-color0,var(--vscode-errorForeground,#d64545));
color:var(--jp-content-font-color1,var(--vscode-foreground,inherit));
font:13px/1.45 var(--jp-content-font-family,system-ui,sans-serif);max-width:60em;margin:.3em 0}
@media (prefers-color-scheme:dark){.moveshelf{--ms-line:rgba(150,150,150,.4);--ms-soft:rgba(150,150,150,.16)}}
@supports (color:light-dark(#000,#fff)){.moveshelf{
--ms-link:var(--jp-content-link-color,var(--vscode-textLink-foreground,light-dark(#0b5cad,#8ec1f7)));
--ms-bad:var(--jp-error-color0,var(--vscode-errorForeground,light-dark(#b3261e,#ff8a80)))}}
div.moveshelf .ms-head{display:flex;flex-wrap:wrap;gap:.2em .7em;align-items:baseline;margin:0 0 .35em;
padding:0 0 .25em;border-bottom:2px solid var(--ms-line)}
div.moveshelf .ms-kind,div.moveshelf .ms-none,div.moveshelf .ms-note{opacity:.7}
div.moveshelf .ms-dot{font-weight:900}
div.moveshelf .ms-title{font-weight:600;font-size:1.1em;overflow-wrap:anywhere}
div.moveshelf a{color:var(--ms-link);text-decoration:underline}
div.moveshelf .ms-scroll{overflow-x:auto}
div.moveshelf table.ms-t{border-collapse:collapse;margin:0;border:0;font-size:inherit;table-layout:auto;color:inherit}
div.moveshelf table.ms-t tr,div.moveshelf table.ms-t tbody tr,div.moveshelf table.ms-t tbody tr:hover{background:none}
div.moveshelf table.ms-t th,div.moveshelf table.ms-t td{text-align:left;vertical-align:top;padding:.18em .9em .18em .1em;
border:0;border-bottom:1px solid var(--ms-line);white-space:normal;overflow-wrap:break-word;max-width:32em;color:inherit;
background:none}
div.moveshelf table.ms-t tbody th{font-weight:400;opacity:.75;white-space:nowrap;overflow-wrap:normal}
div.moveshelf table.ms-t thead th{font-weight:600;white-space:nowrap;background:var(--ms-soft);padding-left:.5em}
div.moveshelf table.ms-grid td{padding-left:.5em}
div.moveshelf table.ms-t td{font-variant-numeric:tabular-nums}
div.moveshelf table.ms-t table.ms-t tr:last-child>*{border-bottom:0}
div.moveshelf .ms-side{opacity:.7}
div.moveshelf .ms-pair,div.moveshelf table.ms-t td.ms-pair{white-space:nowrap}
div.moveshelf .ms-bad{color:var(--ms-bad);font-weight:600}
div.moveshelf p.ms-note{margin:.4em 0 0}
div.moveshelf code{font-size:.92em;background:var(--ms-soft);color:inherit;padding:0 .25em;border-radius:3px}
div.moveshelf summary{cursor:pointer;opacity:.75}
</style>"""
#: Words of a plan or a result that need a look.
_BAD: Final = frozenset({"failed", "stopped", "refused", "Failed"})


def shown_text(value: Any) -> str:
    """A value as people read it, on one line and of at most 200 characters: never the repr of a Python object.

    Days are `2024-05-06`, times `2024-05-06 08:30 UTC`, statuses their words, True and False yes and no, sides `left 81,
    right 82`, lists their members with commas; an object is its name, nothing a dash.
    """
    text = _text_of(value, 0)
    return text if len(text) <= CHARACTERS else text[: CHARACTERS - 1] + "…"


def _text_of(value: Any, depth: int) -> str:
    if value is None or value == "":
        return "–"
    if value.__class__ is State:
        return "·"
    if isinstance(value, enum.Enum):
        value = value.value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        # cut before it is cleaned: a text of megabytes is shown as fast as a short one
        return printable(value[: CHARACTERS * 4])
    if isinstance(value, datetime):
        if value.tzinfo is not None:
            return f"{value.astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC"
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float):
        return (
            str(int(value))
            if math.isfinite(value) and value == int(value) and abs(value) < 1e15
            else repr(value)
        )
    if isinstance(value, int):
        return str(value) if abs(value) < 10**60 else f"a number of {value.bit_length()} bits"
    if depth > 3:
        return "…"
    if isinstance(value, Mapping):
        entries = [f"{_text_of(key, 4)} {_text_of(one, depth + 1)}" for key, one in _first(value.items())]
        return ", ".join([*entries, *(["…"] if len(value) > SHOWN else [])]) or "–"
    if _is_collection(value):
        return str(len(value._shown())) if value._is_loaded() else "·"
    if isinstance(value, (list, tuple)):
        entries = [_text_of(one, depth + 1) for one in _first(value)]
        return ", ".join([*entries, *(["…"] if len(value) > SHOWN else [])]) or "–"
    peeked = getattr(type(value), "_peek_name", None)
    if peeked is not None:
        name = value._peek_name()
        return _text_of(value.id if name is None else name, depth)
    name = getattr(value, "name", None)
    return printable(name) if isinstance(name, str) and name else type(value).__name__


def _first(members: Iterable[Any]) -> list[Any]:
    return [one for one, _ in zip(members, range(SHOWN), strict=False)]


def _cell(value: Any, tag: str = "td") -> str:
    """One cell; what is nothing or not loaded is pale."""
    if value is None or value == "":
        return f'<{tag} class="ms-none">–</{tag}>'
    if value.__class__ is State:
        return f'<{tag} class="ms-dot" title="not loaded">·</{tag}>'
    return f"<{tag}>{_value(value)}</{tag}>"


def _value(value: Any) -> str:
    """The HTML of a value: its text, or the sides of a field with a left and a right value."""
    if isinstance(value, Mapping) and value and all(side in ("left", "right", "both") for side in value):
        # readable also where a page takes the styles away, as JupyterLab does with a notebook that it does not trust
        return ", ".join(
            f'<span class="ms-pair"><span class="ms-side">{escape(side)}</span> {escape(shown_text(one))}</span>'
            for side, one in value.items()
        )
    return escape(shown_text(value))


def _head(kind: str, title: str, url: str | None = None) -> str:
    parts = [f'<span class="ms-kind">{escape(printable(kind))}</span>'] if kind else []
    parts.append(f'<strong class="ms-title">{escape(printable(title))}</strong>')
    if _is_page(url):
        parts.append(
            f'<a href="{escape(str(url))}" target="_blank" rel="noopener noreferrer">open its page</a>'
        )
    return f'<div class="ms-head">{" ".join(parts)}</div>'


def _is_page(url: str | None) -> bool:
    """Whether a URL is one that a click may follow: a page, and no script."""
    try:
        return bool(url) and urlsplit(str(url)).scheme in ("http", "https")
    except ValueError:
        return False


def _framed(*parts: str) -> str:
    return f'<div class="moveshelf">{_STYLE}{"".join(parts)}</div>'


def _note(html: str) -> str:
    return f'<p class="ms-note">{html}</p>'


def object_html(
    kind: str,
    title: str,
    rows: Iterable[tuple[str, Any]],
    not_loaded: Sequence[str] = (),
    url: str | None = None,
    metadata: Any = None,
    fields: Mapping[str, TemplateField] | None = None,
) -> str:
    """One object: a heading with a link to its page, what is loaded as a table, the metadata as a small table in it.

    `rows` are labels and values; a value is shown by `shown_text`. `not_loaded` names the attributes that are not, and the
    text says how to load them. `url` is the object's page, where that is known without a request. `metadata` is a mapping
    in plain form; anything else but None is shown as what could not be read. `fields` give the metadata their labels.
    """
    lines = [f"<tr><th>{escape(printable(name))}</th>{_cell(value)}</tr>" for name, value in rows]
    if metadata is not None:
        lines.append(f"<tr><th>metadata</th><td>{_metadata(metadata, fields or {})}</td></tr>")
    table = f'<div class="ms-scroll"><table class="ms-t"><tbody>{"".join(lines)}</tbody></table></div>'
    return _framed(_head(kind, title, url), table if lines else "", _how_to_load(not_loaded))


def _how_to_load(names: Sequence[str]) -> str:
    if not names:
        return ""
    said = ", ".join(escape(name) for name in names)
    first = escape(", ".join(f'"{name}"' for name in names[:2]))
    several = f", or fetch several at once: <code>.load({first})</code>" if len(names) > 1 else ""
    return _note(f"not loaded: {said}. Read one (<code>.{escape(names[0])}</code>){several}.")


def _metadata(metadata: Any, fields: Mapping[str, TemplateField]) -> str:
    if not isinstance(metadata, Mapping):
        return f'<span class="ms-bad">not readable</span> {escape(shown_text(metadata))}'
    if not metadata:
        return '<span class="ms-none">–</span>'
    lines = []
    labels = [fields[key].label for key in metadata if key in fields]
    for key, value in metadata.items():
        field = fields.get(key)
        # tabs may have fields of the same label: these show their keys
        is_clear = field is not None and labels.count(field.label) == 1
        shown = printable(field.label) if field is not None and is_clear else printable(str(key))
        hint = "" if field is None else f' title="{escape(printable(str(key)))}"'
        lines.append(f"<tr><th{hint}>{escape(shown)}</th><td>{_value(value)}</td></tr>")
    table = f'<table class="ms-t"><tbody>{"".join(lines[:ENTRIES])}</tbody></table>'
    if len(lines) <= ENTRIES:
        return table
    rest = f'<table class="ms-t"><tbody>{"".join(lines[ENTRIES:])}</tbody></table>'
    return f"{table}<details><summary>{len(lines) - ENTRIES} more</summary>{rest}</details>"


def members_html(
    kind: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    total: int | None,
    note: str = "",
    url: str | None = None,
) -> str:
    """A collection: how many there are, and a table of the first ones. `total` None: not loaded, and how to load it.

    A cell of `NOT_LOADED_CELL` is shown as a pale dot, which the text below explains. `note` is a line of plain text below it.
    """
    if total is None:
        how = "<code>len()</code>, a loop, an index or <code>.load()</code> fetches them."
        return _framed(_head("", kind), _note(f"not loaded: {how}"))
    shown = [list(row) for row, _ in zip(rows, range(STEPS), strict=False)]
    head = "".join(f"<th>{escape(printable(name))}</th>" for name in columns)
    body = "".join(f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in shown)
    table = f'<table class="ms-t ms-grid"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    notes = []
    if total > len(shown):
        notes.append(f"… and {total - len(shown)} more")
    if any(value.__class__ is State for row in shown for value in row):
        example = escape('.load("…")')
        notes.append(
            f"· is not loaded: read it, or fetch it for all {total} at once with <code>{example}</code>"
        )
    if note:
        notes.append(escape(printable(note)))
    scrolled = f'<div class="ms-scroll">{table}</div>' if shown else ""
    return _framed(_head("", f"{total} {kind}", url), scrolled, *(_note(one) for one in notes))


def template_html(template: Template) -> str:
    """A project's template: each tab's fields with label, key, type and options; what could not be read says so."""
    parts = []
    tabs = [("subjects", one) for one in template.tabs("subjects").items()]
    interventions = template.intervention_fields
    tabs += [("interventions", ("Interventions", interventions))] if interventions else []
    tabs += [("sessions", one) for one in template.tabs("sessions").items()]
    for kind, (tab, fields) in tabs:
        lines = []
        for field in fields.values():
            sides = ", left and right" if field.has_context else ""
            several = ", several" if field.multiselect else ""
            key = f'<td class="ms-pair"><code>{escape(shown_text(field.key))}</code></td>'
            rest = _cell(f"{field.type or '–'}{sides}{several}") + _cell(field.options)
            lines.append(f"<tr>{_cell(field.label)}{key}{rest}</tr>")
        head = "".join(f"<th>{name}</th>" for name in ("label", "key", "type", "options"))
        table = f'<table class="ms-t ms-grid"><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table>'
        name = f"{kind}: {tab}" if kind != "interventions" else kind
        count = f"{len(fields)} field{'' if len(fields) == 1 else 's'}"
        # the tabs of a long template are closed, so that all of them are in view
        is_open = " open" if sum(len(some) for _, (_, some) in tabs) <= 2 * ENTRIES else ""
        parts.append(
            f"<details{is_open}><summary>{escape(printable(name))} ({count})</summary>"
            f'<div class="ms-scroll">{table}</div></details>'
        )
    if template.problem:
        parts.append(_note(f'<span class="ms-bad">not readable</span> {escape(printable(template.problem))}'))
    elif not parts:
        parts.append(_note("it declares no fields"))
    return _framed(_head("Template", template.name), *parts)


def plan_html(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    summary: str = "",
    notes: Iterable[str] = (),
) -> str:
    """A plan or a result of a transfer: a row a file, the word in its first column (what is to be done, or was done).

    `summary` is the line of counts below the title. The first 100 rows are shown; those that need a look stand out by
    their word and come first, so that none of them is in what is left out.
    """
    ordered = sorted(rows, key=lambda row: str(row[0]) not in _BAD)
    body = []
    for row in ordered[:STEPS]:
        word = escape(shown_text(row[0]))
        first = f'<td><span class="ms-bad">{word}</span></td>' if str(row[0]) in _BAD else f"<td>{word}</td>"
        body.append(f"<tr>{first}{''.join(_cell(value) for value in row[1:])}</tr>")
    head = "".join(f"<th>{escape(printable(name))}</th>" for name in columns)
    table = (
        f'<table class="ms-t ms-grid"><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table>'
    )
    more = [f"… and {len(rows) - STEPS} more: to_frame() has all of them"] if len(rows) > STEPS else []
    texts = [_note(escape(printable(one))) for one in [*more, *notes]]
    counted = _note(escape(printable(summary))) if summary else ""
    return _framed(_head("", title), counted, f'<div class="ms-scroll">{table}</div>' if rows else "", *texts)


def _drawn_plan(plan: Plan) -> str:
    """A plan of a transfer; of an upload with how each path was read."""
    from .transfer.result import counts_text, size_text  # a program that transfers nothing does without it

    has_places = any(step.place is not None for step in plan.steps)
    columns = ["action", "path", "size", *(_READ if has_places else ()), "why"]
    rows = [
        [
            step.action,
            step.path,
            size_text(step.size) or None,
            *([getattr(step.place, name, None) for name in _READ] if has_places else ()),
            step.reason,
        ]
        for step in plan.steps
    ]
    moved = f", {size_text(plan.bytes)}" if plan.bytes else ""
    return plan_html(
        f"Plan: {plan.title}",
        columns,
        rows,
        (counts_text(step.action for step in plan.steps) or "nothing to do") + moved,
    )


def _drawn_result(result: TransferResult) -> str:
    """What a transfer did."""
    from .transfer.result import counts_text, size_text

    rows = [
        [one.status, one.path, size_text(one.bytes), str(one.error or one.reason)] for one in result.entries
    ]
    counts = counts_text(one.status for one in result.entries) or "nothing to do"
    summary = f"{counts}, {size_text(result.bytes)} in {result.seconds:.1f} s"
    return plan_html(result.title, ["status", "path", "bytes", "why"], rows, summary)


_READ: Final = ("subject", "session", "condition", "trial", "name", "type")


# the rooms of these are below this one
drawn_by.update(Template=template_html, Plan=_drawn_plan, TransferResult=_drawn_result)


# what is loaded of objects ----------------------------------------------------------------------------------------
def entity_html(obj: Entity) -> str:
    """A table of what is loaded of an object; the rest is named as not loaded."""
    rows: list[tuple[str, Any]] = []
    missing: list[str] = []
    metadata: Any = None
    for name, field in type(obj).fields.items():
        value = peek(field.read(obj))
        if name in HIDDEN:
            continue
        if value.__class__ is State or (_is_collection(value) and not value._is_loaded()):
            missing.append(READ_AS.get(name, name))
        elif READ_AS.get(name) == "metadata":
            metadata = _metadata_of(obj, value)
        elif name not in ("name", "title"):
            rows.append((WORDS.get(name, name.replace("_", " ")), _loaded_value(obj, field, value)))
    title, kind = obj._peek_name(), KINDS.get(type(obj).__name__, type(obj).__name__)
    rows.append(("id", obj.id))
    if any(peek(field.read(obj)) is DELETED for field in type(obj).fields.values()):
        return object_html(kind, f"{title or obj.id} (deleted)", [("id", obj.id)])
    page = getattr(obj, "_peek_url", None)
    url = page() if callable(page) else None
    return object_html(kind, title or "(name not loaded)", rows, missing, url, metadata, _fields_of(obj))


def _fields_of(obj: Any) -> Mapping[str, TemplateField]:
    """What the template of an object's project says of its metadata, if both are loaded; never a request."""
    field: Any = type(obj).fields.get("project")
    identity = None if field is None else peek(field.read(obj))
    project: Any = None
    if obj._engine is not None and isinstance(identity, str):
        project = obj._engine.cache.peek(identity)
    template = None if project is None else peek(type(project).fields["template"].read(project))
    if not isinstance(template, Template) or template.problem:
        return {}
    kind = type(obj).__name__
    return (
        template.subject_fields if kind == "Subject" else template.session_fields if kind == "Session" else {}
    )


def _metadata_of(obj: Any, stored: Any) -> Any:
    try:
        return obj.metadata
    except (ValueError, RecursionError):  # what is stored is no object
        return stored


def _loaded_value(obj: Any, field: Any, value: Any) -> Any:
    """A loaded value as it is shown: of another object, which a field knows by its id, the object where it is held."""
    if not hasattr(field, "target") or _is_collection(value):
        return value
    look = None if obj._engine is None else obj._engine.cache.peek
    found = look(value) if callable(look) and isinstance(value, str) else None
    return value if found is None else found


# text ---------------------------------------------------------------------------------------------------------------
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
    kind = WORDS.get(collection._kind(), collection._kind())
    if items.__class__ is not list:
        if items is DELETED:
            return members_html(kind, (), (), 0, "they were deleted with the object above them")
        return members_html(kind, (), (), None)
    columns = list(dict.fromkeys(name for one in items[:SHOWN] for name, _ in _columns(one)))
    rows = []
    for one in items[:SHOWN]:
        values = dict(_columns(one))
        name = one._peek_name()
        rows.append(
            [one.id if name is None else name, *(values.get(name, NOT_LOADED_CELL) for name in columns)]
        )
    names = [WORDS.get(name, name.replace("_", " ")) for name in columns]
    count = collection._kind(len(items))
    return members_html(WORDS.get(count, count), ["name", *names], rows, len(items))


def client_html(url: str, projects: Sequence[Any] | None) -> str:
    """A client: the service, and the projects as far as they are loaded. The key is nowhere in it."""
    rows: list[tuple[str, Any]] = [("service", url)]
    if projects is not None:
        rows.append(("projects", [_name_of(one) for one in projects]))
    missing = ["projects"] if projects is None else []
    return object_html("Client", urlsplit(url).netloc, rows, missing, site_url(url))


def _name_of(one: Any) -> str:
    name = one._peek_name()
    return str(one.id if name is None else name)


def condition_html(name: str, session: str, path: str | None, trials: Sequence[Any] | None) -> str:
    """A condition: its session and path, and its trials as far as they are loaded."""
    rows: list[tuple[str, Any]] = [("session", session), *([("path", path)] if path else [])]
    if trials is not None:
        rows += [("trials", len(trials)), ("their names", [_name_of(one) for one in trials])]
    return object_html("Condition", name, rows, ["clips"] if trials is None else [])


def conditions_html(counts: dict[str, int] | None) -> str:
    """A table of conditions and their numbers of trials; None: not loaded."""
    if counts is None:
        return members_html("conditions", (), (), None)
    rows = [[name or "(none)", count] for name, count in counts.items()]
    kind = "condition" if len(counts) == 1 else "conditions"
    return members_html(kind, ["name", "trials"], rows, len(counts))


def _columns(one: Any) -> Iterable[tuple[str, Any]]:
    """What is loaded of a member and fits into a cell, by the name of the attribute."""
    for name, field in getattr(type(one), "fields", {}).items():
        value = peek(field.read(one))
        if value.__class__ is State or name in ("name", "title", *HIDDEN):
            continue
        if _is_collection(value):
            if value._is_loaded():
                yield name, len(value._shown())
        elif READ_AS.get(name) == "metadata":
            metadata = _metadata_of(one, value)
            filled = len(metadata) if isinstance(metadata, Mapping) else 0
            yield "metadata", f"{filled} fields" if isinstance(metadata, Mapping) else "not readable"
        elif field.__class__.__name__ == "Scalar":
            yield name, value


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
