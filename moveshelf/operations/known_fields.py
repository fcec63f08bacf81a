"""Keys and options of metadata, compared with what a project's template declares: what it does not know is a typing error.

No request: the callers have the template.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

import attrs

from ..display import near_misses
from ..errors import ValidationError
from ..values import Template, TemplateField, brief, day_value
from .filters import Criterion

Kind = Literal["subjects", "sessions"]

_NOUNS: Final[Mapping[str, str]] = {"subjects": "subject", "sessions": "session"}
_OTHER: Final[Mapping[Kind, Kind]] = {"subjects": "sessions", "sessions": "subjects"}
_FLAGS: Final = ("true", "false")


def checked_criteria(
    template: Template | None, kind: Kind, wanted: Sequence[Criterion], where: str
) -> list[Criterion]:
    """The criteria with days in ISO form, all of whose keys and values the template knows.

    Without a template, or with one that declares nothing or could not be read, they stay as they are. `where` is the
    argument, for the error. Raises ValidationError with all that is wrong, and near misses.
    """
    fields = _declared(template, kind)
    if template is None or not fields:
        return list(wanted)
    problems: list[str] = []
    checked = [_checked(one, template, fields, kind, problems) for one in wanted]
    if problems:
        raise ValidationError(
            f"{where}: {'; '.join(problems)} (check=False sends it as it is, and what nobody has finds nothing)",
            problems,
        )
    return checked


def check_values(template: Template | None, kind: Kind, values: Mapping[str, Any], whose: str) -> None:
    """Refuse metadata to write whose keys, sides or options the template does not know; None, which removes, is passed.

    Raises ValidationError with all that is wrong, and near misses.
    """
    fields = _declared(template, kind)
    if template is None or not fields:
        return
    problems: list[str] = []
    for key, value in values.items():
        if value is None:
            continue
        field = fields.get(key)
        if field is None:
            problems.append(unknown_key(key, template, fields, kind))
        elif field.has_context and _is_without_side(value):
            problems.append(
                f"{key!r} has a left and a right value, and one value would replace both: "
                f"write {{'left': ..., 'right': ...}}, or one of them"
            )
        else:
            problems += [one for text in _texts(value) if (one := unknown_option(field, text))]
    if problems:
        raise ValidationError(
            f"the template does not know this metadata of {whose}, and nothing was written: {'; '.join(problems)} "
            "(validate=False writes it all the same)",
            problems,
        )


def _declared(template: Template | None, kind: Kind) -> dict[str, TemplateField]:
    return {} if template is None or template.problem else template.fields(kind)


def _checked(
    one: Criterion, template: Template, fields: Mapping[str, TemplateField], kind: Kind, problems: list[str]
) -> Criterion:
    field = fields.get(one.key)
    if field is None:
        problems.append(unknown_key(one.key, template, fields, kind))
        return one
    values = []
    for text in one.values:
        try:
            day = day_value(text, "the value") if field.type == "date" else None
            values.append(text if day is None else day.isoformat())
            # a range may end where no option lies
            problem = "" if one.operator == "BETWEEN" else unknown_option(field, text)
        except ValidationError:
            problem = f"{one.key!r} holds days like 2026-01-31, and {text!r} is none"
        problem = problem or _wrong_number(field, text)
        if problem:
            problems.append(problem)
    return one if len(values) < len(one.values) else attrs.evolve(one, values=tuple(values))


def _wrong_number(field: TemplateField, text: str) -> str:
    if field.type == "number":
        try:
            float(text)
        except ValueError:
            return f"{field.key!r} holds numbers, and {text!r} is none"
    if field.type in ("boolean", "checkbox") and text not in _FLAGS:
        return f"{field.key!r} is true or false, and {text!r} is neither"
    return ""


def unknown_option(field: TemplateField, text: str) -> str:
    """What is wrong with a value of a field that has options, or ""."""
    if not field.options or text == "" or text in field.options:
        return ""
    near = near_misses(text, field.options)
    hint = f"did you mean {_either(near)}?" if near else f"it has {_listed(field.options)}"
    return f"{field.key!r} has no option {brief(text)}; {hint}"


def unknown_key(key: str, template: Template, fields: Mapping[str, TemplateField], kind: Kind) -> str:
    text = f"{_NOUNS[kind]}s have no field {key!r}"
    if kind == "subjects" and key in template.intervention_fields:
        return f"{key!r} is a field of interventions, which are lists of their own (subject.interventions)"
    other = _OTHER[kind]
    if key in template.fields(other):
        return f"{text}; {other} have it"
    near = _near_keys(key, fields)
    if near:
        return f"{text}; did you mean {_either(near)}?"
    return f"{text}; they have {_listed(list(fields))}"


def _near_keys(key: str, fields: Mapping[str, TemplateField]) -> list[str]:
    """The keys that may have been meant: similar ones, those that end in it, those with such a label."""
    found = near_misses(key, fields)
    if found:
        return found
    words = set(_words(key))
    found = [one for one in fields if words and words <= set(_words(one))]
    if not found:
        by_end = {"-".join(_words(one)[1:]): one for one in fields if len(_words(one)) > 1}
        found = [by_end[one] for one in near_misses(key, by_end)]
    if not found:
        by_label = {
            re.sub(r"\s*[(\[].*", "", one.label).strip() or one.label: one.key for one in fields.values()
        }
        found = [by_label[one] for one in near_misses(key, by_label)]
    return found[:3]


def _words(text: str) -> list[str]:
    return [one for one in re.split(r"[\W_]+", text.casefold()) if one]


def _is_without_side(value: Any) -> bool:
    """Whether a value in its stored form is one for both sides."""
    if isinstance(value, list) and value:
        return not all(isinstance(one, Mapping) and "context" in one for one in value)
    return value not in (None, "", [])


def _texts(value: Any) -> Iterable[str]:
    """The texts in a value in its stored form."""
    if isinstance(value, Mapping):
        yield from _texts(value.get("value"))
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, str):
        yield value


def _either(names: Sequence[str]) -> str:
    return " or ".join(repr(one) for one in names)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(one) for one in names[:12])
    return f"{shown}, ..." if len(names) > 12 else shown
