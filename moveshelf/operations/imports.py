"""A table of subjects or sessions, edited somewhere, back into a project: which column is which field, what a cell says.

An empty cell says nothing, and a cell that shows what is stored says nothing either: a table that was made with
`project.table(...)` changes what was edited, and nothing else.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time
from typing import Any, Final, Literal

import attrs

from ..display import near_misses
from ..errors import AmbiguousError, NotFoundError, ValidationError
from ..metadata import EHR_KEY, plain
from ..tables.excel import LARGEST
from ..tables.read import BadCell, Line, Lines, empty, is_shown_as, text_of
from ..tables.typed import SIDES, column_names
from ..values import Template, TemplateField, brief, day_value, plain_value, text_value
from .bulk import Listed, SessionRow, SubjectRow, check_texts, form, meant, refuse_twice
from .known_fields import Kind, unknown_key, unknown_option
from .validation import checked_name

On = Literal["name", "ehr_id"]

#: Columns that are no metadata: what people may call them, and what they are.
_LISTED: Final[Mapping[Kind, Mapping[str, str]]] = {
    "subjects": {"name": "name", "id": "id", "ehr_id": "ehr_id", "project": "project", "updated": ""},
    "sessions": {
        "subject": "subject",
        "name": "session",
        "session": "session",
        "date": "date",
        "id": "id",
        "ehr_id": "ehr_id",
        "project": "project",
        "path": "",
        "updated": "",
    },
}
#: Columns that say which patient or session a row is about: what a spreadsheet has made of a name is refused there.
_IDENTIFIERS: Final = ("name", "subject", "session", "ehr_id", "id")
#: What programs write for a missing value, and nobody as a text.
_MISSING: Final = frozenset({"nan", "NaN", "NaT", "<NA>"})
#: Digits of a number that spreadsheets keep.
_DIGITS: Final = 15
#: A long number as spreadsheets show it, which is how they save it in a text file.
_SHORTENED: Final = re.compile(r"[0-9](?:[.,][0-9]+)?[eE]\+[0-9]{1,3}")
#: What Excel calls them, in English, German and French.
_FLAGS: Final = {"true": True, "false": False, "wahr": True, "falsch": False, "vrai": True, "faux": False}
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")


# columns ----------------------------------------------------------------------------------------------------------
@attrs.frozen
class FieldColumn:
    """A column of metadata: the field, the side ("" for none), and whether it shows what is stored as it is."""

    name: str
    field: TemplateField
    side: str = ""
    as_stored: bool = False
    #: whether the project's template declares the field
    is_declared: bool = True


@attrs.define
class Columns:
    """What the columns of a table are: those that are no metadata by what they are, and those of metadata."""

    listed: dict[str, str] = attrs.field(factory=dict)
    fields: list[FieldColumn] = attrs.field(factory=list)
    notes: list[str] = attrs.field(factory=list)

    def cell(self, line: Line, what: str) -> Any:
        """The cell of a row in the column that is `what`; None without one."""
        return line.cells.get(self.listed[what]) if what in self.listed else None

    def text(self, line: Line, what: str) -> str:
        """The same as text, "" for none. Raises ValidationError for what is no text."""
        cell, column = self.cell(line, what), f"column {self.listed.get(what, what)!r}"
        if what in _IDENTIFIERS and not isinstance(cell, BadCell) and not empty(cell):
            _check_identifier(cell, column, days=what == "session")
        found = text_of(cell, column)
        if what == "ehr_id":
            _check_ehr_id(found, column)
        return found


def _check_identifier(cell: Any, what: str, *, days: bool = False) -> None:
    """Refuse what is no name and no id, but something that a program has made of one; `days`: whether a day can be a name."""
    value = plain_value(cell, what)
    is_day = days and isinstance(value, date) and not (isinstance(value, datetime) and value.time() != time())
    if isinstance(value, (bool, date, time)) and not is_day:
        raise ValidationError(
            f"{what} holds a text or a number, and {brief(value)} is none: make the cell text"
        )
    _check_digits(value, what)
    if isinstance(value, str) and value.strip() in (*_MISSING, "None"):
        raise ValidationError(
            f"{what} says {value!r}, which programs write for a missing value: correct or empty it"
        )


def _check_digits(value: Any, what: str) -> None:
    if isinstance(value, float) and abs(value) >= LARGEST:
        raise ValidationError(
            f"{what} holds a number of more than 15 digits, of which some are lost ({value!r}): make the column text"
        )


def _check_ehr_id(text: str, what: str) -> None:
    """Refuse an EHR id that nobody would find again, or that a spreadsheet has shortened."""
    if text != text.strip() or not text.isprintable():
        raise ValidationError(
            f"{what}: the EHR id {text!r} has white space at an end, or invisible characters: leave them out"
        )
    if _SHORTENED.fullmatch(text):
        raise ValidationError(
            f"{what}: {text!r} is a number that a spreadsheet has shortened: make the column text, and enter the digits"
        )


def kind_of(lines: Lines, template: Template | None) -> Kind:
    """Whether the rows are subjects or sessions: a column of subjects, sessions or dates makes them sessions."""
    fields = {} if template is None or template.problem else template.fields("subjects")
    by_key, by_label = _names_of(fields)
    own = {*by_key, *by_label}
    names = {name.casefold() for name in lines.columns if heading(name) not in own}
    return "sessions" if names & {"subject", "session", "date"} else "subjects"


def columns_of(
    lines: Lines, template: Template | None, kind: Kind, on: On, ignore: Iterable[str] = ()
) -> Columns:
    """What each column of a table is.

    Raises ValidationError with all that cannot be: columns that are nothing the template knows, with near misses, labels
    that several fields have, two columns for the same, and no column that says which object a row is about.
    """
    ignored = _ignored(ignore, lines)
    usable = template is not None and not template.problem and bool(template.fields(kind))
    fields = template.fields(kind) if usable and template is not None else {}
    by_key, by_label = _names_of(fields)
    found = Columns()
    problems: list[str] = []
    unused: list[str] = []
    for name in lines.columns:
        if name in ignored:
            continue
        word = _LISTED[kind].get(name)
        shown = heading(name)
        labels = by_label.get(shown, [])
        if word is None and shown not in by_key and not labels:
            word = _LISTED[kind].get(name.strip().casefold().replace(" ", "_"))
        if word == "":
            unused.append(name)
        elif word is not None:
            if word in found.listed:
                problems.append(f"{found.listed[word]!r} and {name!r} are both the {word.replace('_', ' ')}")
            found.listed[word] = name
        elif shown in by_key:
            found.fields.append(attrs.evolve(by_key[shown], name=name))
        elif len(labels) == 1:
            found.fields.append(attrs.evolve(labels[0], name=name))
        elif labels:
            keys = " or ".join(repr(f"{name} ({one.field.key})") for one in labels)
            problems.append(f"several fields are called {name!r}: name the column {keys}, or by the key")
        elif not usable:
            found.fields.append(_undeclared(name))
        elif name == "metadata.text":
            unused.append(name)
        else:
            problems.append(_unknown_column(name, template, fields, by_key, by_label, kind))
    _check_keys(found, kind, on, lines, problems)
    if problems:
        raise ValidationError(
            f"the columns of {lines.title!r} cannot be imported, and nothing was written: {'; '.join(problems)} "
            "(ignore=[...] leaves columns out)",
            problems,
        )
    if unused:
        found.notes.append(f"not imported, since the service sets it: {', '.join(unused)}")
    if ignored:
        found.notes.append(f"left out: {', '.join(ignored)}")
    if not usable and found.fields:
        found.notes.append(
            "the project has no template: columns of metadata are taken by their names as they are"
        )
    return found


def _ignored(ignore: Iterable[str], lines: Lines) -> list[str]:
    names = [ignore] if isinstance(ignore, str) else list(ignore)
    for name in names:
        if name not in lines.columns:
            known = [str(one) for one in lines.columns]
            raise ValidationError(
                f"ignore names {name!r}, and the table has no such column{meant(str(name), known)}"
            )
    return names


def _names_of(
    fields: Mapping[str, TemplateField],
) -> tuple[dict[str, FieldColumn], dict[str, list[FieldColumn]]]:
    """All names that columns of the fields can have: those made of keys, and those made of labels."""
    by_key: dict[str, FieldColumn] = {}
    by_label: dict[str, list[FieldColumn]] = {}
    for field in fields.values():
        for name, side, is_label, as_stored in column_names(field):
            column = FieldColumn(name, field, side, as_stored)
            name = heading(name)
            if is_label:
                by_label.setdefault(name, []).append(column)
            elif name not in by_key or name == heading(field.key):
                by_key[name] = column
    return by_key, by_label


def heading(name: str) -> str:
    """A column's name in the form in which names of columns are compared: spreadsheets break lines in headings."""
    return unicodedata.normalize("NFC", " ".join(name.split()))


def _undeclared(name: str) -> FieldColumn:
    """A column of a project without a template."""
    key = name.removeprefix("metadata.")
    as_stored = key.endswith(".text")
    key = key.removesuffix(".text")
    front, _, side = key.rpartition(".")
    if front and side in SIDES:
        return FieldColumn(name, TemplateField(front, front, "", True, (), {}), side, as_stored, False)
    return FieldColumn(name, TemplateField(key, key, "", False, (), {}), "", as_stored, False)


def _unknown_column(
    name: str,
    template: Template | None,
    fields: Mapping[str, TemplateField],
    by_key: Mapping[str, Any],
    by_label: Mapping[str, Any],
    kind: Kind,
) -> str:
    assert template is not None
    text = unknown_key(name, template, fields, kind)
    if "did you mean" in text or "; they have" not in text:
        return text
    known = [*_LISTED[kind], *(one for one in (*by_label, *by_key) if not one.startswith("metadata."))]
    near = near_misses(name, known)
    return f"no column {name!r}; did you mean {' or '.join(map(repr, near))}?" if near else text


def _check_keys(found: Columns, kind: Kind, on: On, lines: Lines, problems: list[str]) -> None:
    """Whether a column says which object each row is about."""
    if on == "ehr_id" and "ehr_id" not in found.listed:
        for one in found.fields:
            if one.field.key == EHR_KEY and not one.side and not one.as_stored:
                found.listed["ehr_id"] = one.name
                found.fields = [other for other in found.fields if other is not one]
                break
    wanted = "ehr_id" if on == "ehr_id" else "name" if kind == "subjects" else "subject"
    if wanted not in found.listed:
        near = meant(wanted, [str(one) for one in lines.columns])
        problems.append(
            f"a table of {kind} that is matched on {on!r} needs a column {wanted!r}{near}; it has "
            f"{', '.join(repr(one) for one in lines.columns)}"
        )
    if kind == "sessions" and not {"session", "date"} & set(found.listed):
        problems.append("a table of sessions needs a column 'session' (or 'name'), or a column 'date'")


# cells ------------------------------------------------------------------------------------------------------------
@attrs.frozen
class Said:
    """A cell that is not empty, and its column."""

    column: FieldColumn
    cell: Any


@attrs.frozen
class Cells:
    """The metadata that the cells of a row give."""

    said: tuple[Said, ...]

    def against(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """What the cells say that is not stored yet, as `update_metadata` takes it.

        Raises ValidationError for what is no value of the field, and where two columns of one field disagree.
        """
        new: dict[tuple[str, str], tuple[Said, Any]] = {}
        for one in self.said:
            field, side = one.column.field, one.column.side
            before = plain(record.get(field.key))
            part = before.get(side) if side and isinstance(before, Mapping) else None if side else before
            if is_shown_as(field, part, one.cell, as_stored=one.column.as_stored):
                continue
            value = self._value(one, part)
            other = new.get((field.key, side))
            if other is not None and not _same(field, other[1], value):
                raise ValidationError(
                    f"columns {other[0].column.name!r} and {one.column.name!r} are of one field and say {brief(other[1])} "
                    f"and {brief(value)}: correct or empty one of them"
                )
            if other is None or one.column.as_stored:
                new[field.key, side] = (one, value)
        given: dict[str, Any] = {}
        for (key, side), (_, value) in new.items():
            if side:
                given.setdefault(key, {})[side] = value
            else:
                given[key] = value
        return given

    @staticmethod
    def _value(one: Said, stored: Any) -> Any:
        what, field = f"column {one.column.name!r}", one.column.field
        if isinstance(one.cell, BadCell):
            raise ValidationError(f"{what}: {one.cell.problem}")
        if not one.column.side and field.has_context:
            raise ValidationError(
                f"{what} is of a field with a left and a right value: use columns {field.key + '.left'!r} and "
                f"{field.key + '.right'!r}"
            )
        members = stored if isinstance(stored, list) else []
        structured = isinstance(stored, Mapping) or any(isinstance(item, (Mapping, list)) for item in members)
        if field.type == "list" or structured:
            raise ValidationError(
                f"{what}: the field holds a structure, which a cell cannot change; use update_metadata for it"
            )
        if field.key == EHR_KEY:
            _check_identifier(one.cell, what)
        value = cell_value(field, one.cell, what)
        if field.key == EHR_KEY:
            _check_ehr_id(str(value), what)
        if isinstance(value, str) and isinstance(stored, str) and _has_lost_digits(one.column, value, stored):
            raise ValidationError(
                f"{what} says {value!r}, and {stored!r} is stored, of which spreadsheets make this: make the column text, "
                "or empty the cell (update_metadata writes it)"
            )
        return value


def _has_lost_digits(column: FieldColumn, new: str, old: str) -> bool:
    """Whether a text is what a spreadsheet makes of a stored one that looks like a number: 12 of 0012, 82.5 of 82.50.

    In a field of numbers they are the same, unless the column shows what is stored as it is.
    """
    field = column.field
    if field.options or (field.type.casefold() in ("number", "date") and not column.as_stored):
        return False
    if new == old or not _NUMBER.fullmatch(old.strip()) or not math.isfinite(float(old)):
        return False
    if _SHORTENED.fullmatch(new):
        number = float(new.replace(",", "."))
        return abs(number - float(old)) <= abs(number) / 100
    rounded = old[:_DIGITS] + "0" * (len(old) - _DIGITS)
    return new == text_value(float(old)) or (old.isdecimal() and len(old) > _DIGITS and new == rounded)


def _same(field: TemplateField, first: Any, second: Any) -> bool:
    return bool(first == second) or is_shown_as(field, first, second)


def cell_value(field: TemplateField, cell: Any, what: str = "the cell") -> Any:
    """What a cell that is not empty says of a field: text, True or False, or a list of chosen options.

    Numbers become their shortest digits, days ISO text; several options stand in one cell with `;` between them. Raises
    ValidationError, which begins with `what`, for what is no value of the field.

    Example:
        >>> cell_value(template.session_fields["session-height"], 131.0)
        '131'
    """
    value = plain_value(cell, what)
    if field.multiselect:
        return _chosen(field, value, what)
    if isinstance(value, (list, dict)):
        raise ValidationError(f"{what} holds one value, and not {brief(value)}")
    kind = field.type.casefold()
    if field.options:
        return _option(field, text_value(value, what).strip(), what)
    if kind == "number":
        return _number(value, what)
    if kind == "date":
        day = day_value(value, what)
        if day is None:
            raise ValidationError(f"{what} holds a day, and this is empty")
        return day.isoformat()
    if kind in ("boolean", "checkbox"):
        flag = value if isinstance(value, bool) else _FLAGS.get(str(value).strip().casefold())
        if flag is None:
            raise ValidationError(f"{what} holds true or false, and not {brief(value)}")
        return flag
    _check_digits(value, what)
    text = text_value(value, what)
    if text.strip() in _MISSING:
        raise ValidationError(
            f"{what} says {text!r}, which programs write for a missing value: correct or empty it"
        )
    return text


def _number(value: Any, what: str) -> str:
    if isinstance(value, str):
        text = value.strip()
        if not _NUMBER.fullmatch(text):
            point = "; write the decimal point as a point" if re.fullmatch(r"[+-]?\d+,\d+", text) else ""
            raise ValidationError(f"{what} holds numbers, and {brief(value)} is none{point}")
        # a column of numbers with a gap holds 79 as 79.0, and a text file of it says so
        return re.sub(r"(?<=[0-9])\.0+$", "", text)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValidationError(f"{what} holds numbers, and {brief(value)} is none")
    return text_value(value, what)


def _option(field: TemplateField, text: str, what: str) -> str:
    if text not in field.options:
        text = next((one for one in field.options if form(one) == form(text)), text)
    problem = unknown_option(field, text)
    if problem:
        raise ValidationError(f"{what}: {problem}")
    return text


def _chosen(field: TemplateField, value: Any, what: str) -> list[str]:
    """Several options from a list, or from one text; an option that has a semicolon itself is found whole."""
    if isinstance(value, list):
        texts = [text_value(one, what).strip() for one in value]
    else:
        whole = text_value(value, what).strip()
        texts = [whole] if whole in field.options else [one.strip() for one in whole.split(";")]
    return list(dict.fromkeys(_option(field, one, what) for one in texts if one))


def _cells(columns: Columns, line: Line) -> Cells:
    return Cells(
        tuple(
            Said(column, line.cells[column.name])
            for column in columns.fields
            if column.name in line.cells
            and (isinstance(line.cells[column.name], BadCell) or not empty(line.cells[column.name]))
        )
    )


# rows -------------------------------------------------------------------------------------------------------------
@attrs.define(eq=False)
class TableSubject(SubjectRow):
    """A subject as a row of a table says it."""

    ehr_id: str = ""
    said_id: str = ""
    said_name: str = ""
    #: what the column of EHR ids says, where the rows are matched by their names
    ehr_cell: Said | None = None


@attrs.define(eq=False)
class TableSession(SessionRow):
    """A session as a row of a table says it."""

    ehr_id: str = ""


def subjects_in(
    lines: Lines, columns: Columns, on: On, template: Template | None, project: str
) -> list[SubjectRow]:
    """The rows of a table of subjects; what is wrong in one is its failure."""
    ehr_field = _ehr_field(template)
    if "ehr_id" in columns.listed and on == "name" and ehr_field is None:
        name = columns.listed["ehr_id"]
        columns.notes.append(f"not imported, since the template has no field {EHR_KEY!r}: {name}")
    made: list[SubjectRow] = []
    for line in lines.rows:
        row = TableSubject(line.number, _shown(columns.cell(line, "name")))
        row.given = cells = _cells(columns, line)
        try:
            check_texts(line.cells)
            row.said_id = columns.text(line, "id")
            row.ehr_id = columns.text(line, "ehr_id")
            row.said_name = columns.text(line, "name")
            row.name = row.said_name or (f"EHR id {row.ehr_id}" if row.ehr_id else "(no name)")
            _check_project(columns.text(line, "project"), project)
            if on == "name":
                row.name = checked_name(row.said_name, "subject")
                if row.ehr_id and ehr_field is not None:
                    column = FieldColumn(columns.listed["ehr_id"], ehr_field)
                    row.given = Cells((Said(column, columns.cell(line, "ehr_id")), *cells.said))
            elif not row.ehr_id:
                raise ValidationError("the row has no EHR id, by which it is to be matched")
        except ValidationError as error:
            row.fail(error)
        made.append(row)
    if on == "name":
        refuse_twice(made, lambda row: form(row.name), "subject")
    else:
        refuse_twice(made, lambda row: row.ehr_id, "EHR id", lambda row: repr(row.ehr_id))
    return made


def _shown(cell: Any) -> str:
    """How a row is called that has no name yet."""
    return "(no name)" if isinstance(cell, BadCell) or empty(cell) else str(cell)


def _ehr_field(template: Template | None) -> TemplateField | None:
    """The metadata field of the EHR id; None where the template has none."""
    if template is None or template.problem or not template.fields("subjects"):
        return TemplateField(EHR_KEY, EHR_KEY, "text", False, (), {})
    return template.fields("subjects").get(EHR_KEY)


def _check_project(said: str, project: str) -> None:
    if said and form(said) != form(project):
        raise ValidationError(f"the row is of project {said!r}, and this is {project!r}")


def subject_matcher(
    on: On, create: bool, template: Template | None
) -> Callable[[list[SubjectRow], Listed], None]:
    """The function that finds the subjects of a table's rows among those of the project."""

    ehr_field = _ehr_field(template)

    def match(rows: list[SubjectRow], listed: Listed) -> None:
        for row in rows:
            assert isinstance(row, TableSubject)
            if row.has_failed:
                continue
            try:
                if on == "name":
                    _match_name(row, listed, create)
                else:
                    _match_ehr_id(row, listed, create, ehr_field)
            except (ValidationError, NotFoundError, AmbiguousError) as error:
                row.fail(error)
        refuse_twice(rows, lambda row: row.identity or form(row.name), "subject")

    return match


def _match_name(row: TableSubject, listed: Listed, create: bool) -> None:
    ids = listed.by_name.get(form(row.name), [])
    if len(ids) > 1 and row.said_id in ids:
        ids = [row.said_id]
    if len(ids) > 1:
        raise AmbiguousError(
            f"{len(ids)} subjects of the project are named {row.name!r}: {', '.join(ids)}; a column 'id' says which one"
        )
    known = listed.names.get(row.said_id)
    if known is not None and row.said_id not in ids:
        raise ValidationError(
            f"the row's id is that of subject {known!r}, and its name is {row.name!r}: the service cannot rename subjects"
        )
    if row.said_id and known is None:
        row.notes.append("its id is none of this project, and was not looked at")
    if ids:
        row.identity = ids[0]
        return
    what, near = f"no subject {row.name!r} in the project", listed.near_names.meant(row.name)
    if create and row.name.isdecimal() and any(one.isdecimal() for one in listed.near_names.alike(row.name)):
        raise NotFoundError(f"{what}{near} Spreadsheets drop zeros (create_subjects creates another patient)")
    _be_new(row, listed, create, what, near)


def _be_new(row: TableSubject, listed: Listed, create: bool, what: str, near: str) -> None:
    """A row without a subject: it is created where that is meant, and fails otherwise."""
    if not create:
        raise NotFoundError(f"{what}{near or '; create=True creates it'}")
    row.creates = True
    row.note_new(listed.near_names.alike(row.name), "the project")


def _match_ehr_id(row: TableSubject, listed: Listed, create: bool, field: TemplateField | None) -> None:
    ids = listed.by_ehr_id.get(row.ehr_id, [])
    if len(ids) > 1 and row.said_id in ids:
        ids = [row.said_id]
    if len(ids) > 1:
        names = ", ".join(f"{listed.names[one]!r} ({one})" for one in ids)
        raise AmbiguousError(f"{len(ids)} subjects have the EHR id {row.ehr_id!r}: {names}")
    if ids:
        name = listed.names[ids[0]]
        if row.said_name and form(row.said_name) != name:
            raise ValidationError(
                f"the EHR id {row.ehr_id!r} is that of {name!r}, and the row's name is {row.said_name!r}"
            )
        row.identity, row.name = ids[0], name
        return
    what, near = (
        f"no subject with the EHR id {row.ehr_id!r} in the project",
        listed.near_ehr_ids.meant(row.ehr_id),
    )
    if not row.said_name:
        raise NotFoundError(f"{what}{near or '; a column with names and create=True create subjects'}")
    if form(row.said_name) in listed.by_name:
        (first, *_) = listed.by_name[form(row.said_name)]
        has = listed.ehr_ids[first]
        hint = (
            f"has {has!r}{near}"
            if has
            else f"has none: where it is the same patient, on='name' sets it{near}"
        )
        raise NotFoundError(f"{what}; {row.said_name!r} is there and {hint}")
    if create and listed.near_ehr_ids.alike(row.ehr_id):
        raise NotFoundError(f"{what}{near} (create_subjects creates another patient)")
    row.name = checked_name(row.said_name, "subject")
    _be_new(row, listed, create, what, near)
    if field is not None and isinstance(row.given, Cells):
        row.given = Cells((Said(FieldColumn("ehr_id", field), row.ehr_id), *row.given.said))


def sessions_in(lines: Lines, columns: Columns, on: On, project: str) -> list[SessionRow]:
    """The rows of a table of sessions; what is wrong in one is its failure."""
    made: list[SessionRow] = []
    for line in lines.rows:
        row = TableSession(line.number, _shown(columns.cell(line, "subject")), given=_cells(columns, line))
        try:
            check_texts(line.cells)
            row.said_id = columns.text(line, "id") or None
            row.ehr_id = columns.text(line, "ehr_id")
            row.subject = columns.text(line, "subject")
            row.title = columns.text(line, "session") or None
            shown = row.title or str(columns.cell(line, "date") or "")
            row.name = f"{row.subject or 'EHR id ' + row.ehr_id}/{shown}"
            cell = columns.cell(line, "date")
            if isinstance(cell, BadCell):
                raise ValidationError(f"column {columns.listed['date']!r}: {cell.problem}")
            day = None if empty(cell) else day_value(cell, f"column {columns.listed['date']!r}")
            row.day = None if day is None else day.isoformat()
            _check_project(columns.text(line, "project"), project)
            if not (row.ehr_id if on == "ehr_id" else row.subject):
                raise ValidationError("the row does not say which subject it is about")
            if row.title is not None:
                row.title = checked_name(row.title, "session")
            elif row.day is None:
                raise ValidationError("the row says neither the name of a session nor a date")
        except ValidationError as error:
            row.fail(error)
        made.append(row)
    return made


def subject_finder(on: On) -> Callable[[list[SessionRow], Listed], None]:
    """The function that finds the subjects that the sessions of a table belong to."""

    def find(rows: list[SessionRow], listed: Listed) -> None:
        for row in rows:
            assert isinstance(row, TableSession)
            if not row.has_failed:
                try:
                    row.subject_id = _subject_of(row, listed, on)
                except (ValidationError, NotFoundError, AmbiguousError) as error:
                    row.fail(error)

    return find


def _subject_of(row: TableSession, listed: Listed, on: On) -> str:
    if on == "name":
        found = listed.subject(row.subject)
        if row.ehr_id and row.ehr_id != listed.ehr_ids[found]:
            raise ValidationError(
                f"subject {row.subject!r} has the EHR id {listed.ehr_ids[found]!r}, and the row says {row.ehr_id!r}"
            )
        return found
    ids = listed.by_ehr_id.get(row.ehr_id, [])
    if len(ids) > 1:
        raise AmbiguousError(f"{len(ids)} subjects have the EHR id {row.ehr_id!r}: {', '.join(ids)}")
    if not ids:
        raise NotFoundError(
            f"no subject with the EHR id {row.ehr_id!r} in the project{listed.near_ehr_ids.meant(row.ehr_id)}"
        )
    if row.subject and form(row.subject) != listed.names[ids[0]]:
        raise ValidationError(
            f"the EHR id {row.ehr_id!r} is that of {listed.names[ids[0]]!r}, and the row's subject is {row.subject!r}"
        )
    return ids[0]


def checked_on(on: Any) -> On:
    """What rows are matched on. Raises ValidationError."""
    if on not in ("name", "ehr_id"):
        raise ValidationError(f"on is 'name' or 'ehr_id', and not {brief(on)}")
    return on  # type: ignore[no-any-return]


def checked_kind(kind: Any) -> Kind | None:
    """What the rows are, None to tell by the columns. Raises ValidationError."""
    if kind not in (None, "subjects", "sessions"):
        raise ValidationError(
            f"a table of 'subjects' or 'sessions' can be imported, and not of {brief(kind)}"
        )
    return kind  # type: ignore[no-any-return]
