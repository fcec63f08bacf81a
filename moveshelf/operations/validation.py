"""What is checked before anything is sent: names, values, dates, filters, and what a clip can be given.

The flat client's filters travel as they are given, in the service's own form, and are checked here (`check_...`); the
objects' shorter forms are made into that form in `filters`. The flat client imports this: only the standard library is used.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any, TypedDict

from ..errors import ValidationError
from ..timecode import Timecode

SUBJECT_OPERATORS = ("EQ",)
SESSION_OPERATORS = ("ALL", "BETWEEN", "EQ", "IN")
LOGICS = ("AND", "OR")


class InputTypeError(ValidationError, TypeError):
    """A value of a type that can never be right (an empty id, a date that is no text). Also a TypeError."""


class ClipValues(TypedDict, total=False):
    """What a clip can be given when it is created or changed, beside its title and condition."""

    description: str | None
    preview_image_uri: str | None
    allow_download: bool | None
    allow_unlisted_access: bool | None
    start_timecode: Timecode | tuple[str, str] | Mapping[str, str] | None
    custom_options: Any


#: What a clip can be given: our name, the service's name, its type.
_CLIP_VALUES: dict[str, tuple[str, type]] = {
    "title": ("title", str),
    "description": ("description", str),
    "preview_image_uri": ("previewImageUri", str),
    "allow_download": ("allowDownload", bool),
    "allow_unlisted_access": ("allowUnlistedAccess", bool),
    "start_timecode": ("startTimecode", object),
}


# ids and names --------------------------------------------------------------------------------------------------------
def check_id(value: Any, what: str) -> None:
    """Refuse an id that no object has: none, a blank text, a value of another type. Raises InputTypeError.

    A whole number passes: the service takes it for text.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise InputTypeError(f"the id of the {what} is {value!r}, and ids are text: nothing was sent")
    if isinstance(value, str) and not value.strip():
        raise InputTypeError(f"the id of the {what} is {value!r}: nothing was sent")


def checked_id(value: Any, kind: str) -> str:
    """An id: text, not empty, without white space. Raises ValidationError."""
    if not isinstance(value, str) or not value or any(one.isspace() for one in value):
        raise ValidationError(
            f"{value!r} is no id of a {kind}: ids are text without spaces, as the service gives them"
        )
    return value


def same_name(first: str, second: str) -> bool:
    """Whether two names are the same, in whichever Unicode form."""
    return unicodedata.normalize("NFC", first) == unicodedata.normalize("NFC", second)


def checked_name(name: Any, what: str) -> str:
    """A name for something new, in Unicode's form NFC.

    Raises ValidationError for what is no text, blank, would break a path, or has characters that nobody sees.
    """
    if not isinstance(name, str) or not name.strip():
        raise ValidationError(f"a {what} needs a name, which is text and not blank; this is {name!r}")
    if "/" in name:
        raise ValidationError(
            f"the name of a {what} becomes a part of a path and cannot hold a slash: {name!r}; use '-', for example"
        )
    if name != name.strip() or not name.isprintable():
        raise ValidationError(
            f"the name {name!r} of a {what} has white space at an end, or invisible characters: leave them out"
        )
    return unicodedata.normalize("NFC", name)


def checked_folder(name: Any) -> str:
    """A condition's name; slashes at its ends do not count. Raises ValidationError."""
    return checked_name(name.strip("/") if isinstance(name, str) else name, "condition")


def checked_title(title: Any) -> str:
    """A clip's title. Raises ValidationError for what is no text, or blank."""
    if not isinstance(title, str) or not title.strip():
        raise ValidationError(f"a clip's title is text and not blank; this is {title!r}")
    return title


def checked_file_name(name: Any) -> str:
    """A name that a file on the service can have, in Unicode's form NFC. Raises ValidationError."""
    if not isinstance(name, str) or not name.strip():
        raise ValidationError(f"{name!r} is no name for a file")
    if any(unicodedata.category(one) in ("Cc", "Cs") for one in name):
        raise ValidationError(f"the name {name!r} of a file has characters that nobody sees: leave them out")
    return unicodedata.normalize("NFC", name)


# metadata -------------------------------------------------------------------------------------------------------------
def checked_values(values: Any) -> dict[str, Any]:
    """Metadata to write, as a dictionary of the caller's own. Raises ValidationError for another type, for other keys."""
    if not isinstance(values, Mapping):
        raise ValidationError(
            f"metadata is a dictionary of fields and values, like {{'subject-sex': 'Male'}}, not {type(values).__name__}"
        )
    for key in values:
        if not isinstance(key, str) or not key:
            raise ValidationError(f"a metadata field has a name that is text and not empty, not {key!r}")
    return dict(values)


def checked_interventions(given: Any) -> list[dict[str, Any]]:
    """Interventions to write, dates as text. Raises ValidationError where they are no list of dictionaries for JSON."""
    if isinstance(given, (str, Mapping)) or not isinstance(given, (list, tuple)):
        raise ValidationError(f"interventions are a list of dictionaries, not {type(given).__name__}")
    for one in given:
        if not isinstance(one, Mapping):
            raise ValidationError(f"an intervention is a dictionary, not {one!r}")
    # when used: the import of the flat client needs no other module
    from ..metadata import as_json

    found = [as_json(one, f"intervention {number}") for number, one in enumerate(given, 1)]
    json_text(found, "the interventions", inside=1)
    return found


def json_text(values: Any, what: str = "the metadata", *, inside: int = 0) -> str:
    """JSON text. Raises ValidationError for what JSON has no form for, and for more levels than are read again.

    `inside`: in how many levels of a record the values are going to be.
    """
    try:
        text = json.dumps(values, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValidationError(f"{what} cannot be written as JSON: {error}") from None
    # when used: the import of the flat client needs no other package
    from ..values import DEEPEST, is_deeper

    levels = DEEPEST - inside
    if text.count("{") + text.count("[") > levels and is_deeper(values, levels):
        raise ValidationError(f"{what} are nested deeper than {levels} levels: nobody could read them again")
    return text


def published_text(values: Any, what: str = "the metadata") -> str:
    """JSON text as the published client writes it: ASCII, and NaN as it is. Raises ValidationError."""
    try:
        return json.dumps(values)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValidationError(f"{what} cannot be written as JSON: {error}") from None


# clips ----------------------------------------------------------------------------------------------------------------
def clip_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """What a clip is given, by the service's names; None changes nothing.

    Raises ValidationError for an unknown name, a wrong type, a malformed timecode.
    """
    given: dict[str, Any] = {}
    for name, value in values.items():
        if name not in _CLIP_VALUES:
            raise ValidationError(_unknown_clip_value(name))
        wire, kind = _CLIP_VALUES[name]
        if value is None:
            continue
        if name == "title":
            value = checked_title(value)
        elif name == "start_timecode":
            value = Timecode.of(value).as_wire()
        elif not isinstance(value, kind):
            raise ValidationError(f"{name} of a clip is a {kind.__name__}, not {value!r}")
        given[wire] = value
    return given


def _unknown_clip_value(name: str) -> str:
    by_wire = {wire.casefold(): ours for ours, (wire, _) in _CLIP_VALUES.items()}
    plain = name.replace("_", "").casefold()
    known = [*_CLIP_VALUES, "condition", "custom_options"]
    near = [by_wire[plain]] if plain in by_wire else []
    if not near:
        import difflib  # for a message only

        near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"there is {', '.join(known)}"
    return f"a clip has no {name!r} that can be set; {hint}"


def options_text(options: Any) -> str | None:
    """Custom options as JSON text. Raises ValidationError for what JSON has no form for."""
    if options is None:
        return None
    if isinstance(options, str):
        try:
            json.loads(options)
        except (ValueError, RecursionError):
            raise ValidationError(
                f"custom_options is a dictionary or JSON text; {options[:60]!r} is neither"
            ) from None
        return options
    return json_text(options, "custom_options")


# dates ----------------------------------------------------------------------------------------------------------------
def day_in(name: str) -> str | None:
    """The day that a name is, YYYY-MM-DD; None where it is no day."""
    try:
        return date.fromisoformat(name).isoformat()
    except ValueError:
        return None


def check_date(value: Any) -> None:
    """Refuse what is not YYYY-MM-DD. None and "" mean no date. Raises ValidationError (a ValueError)."""
    if not value:
        return
    if not isinstance(value, str):
        raise InputTypeError(f"a date is text like '2024-05-31', not {value!r}")
    try:
        datetime.strptime(value, "%Y-%m-%d")
    except ValueError:
        raise ValidationError(f"{value!r} is no date; write it as YYYY-MM-DD, as in 2024-05-31") from None


# filters, as the flat client takes them --------------------------------------------------------------------------------
def check_subject_filter(tree: Any, check: Callable[[Any], object] | None = None) -> None:
    """Refuse a subject filter that is neither a leaf {key, operator, value} nor a group {logic, filters}.

    None means no filter. `check` is called for each filter of a group, if it is not this function that is wanted. Raises
    ValidationError (a ValueError), for a nested one too.
    """
    if tree is None:
        return
    if not isinstance(tree, dict):
        raise ValidationError(f"a metadata filter is a dict or None, not {tree!r}")
    leaf = all(tree.get(name) is not None for name in ("key", "operator", "value"))
    group = all(tree.get(name) is not None for name in ("logic", "filters"))
    if leaf and group:
        raise ValidationError(
            "a filter is either {key, operator, value} or {logic, filters}, never both at once"
        )
    if leaf:
        if tree["operator"] not in SUBJECT_OPERATORS:
            raise ValidationError(
                f"unknown operator {tree['operator']!r}; subjects know {', '.join(SUBJECT_OPERATORS)}"
            )
        for name in ("key", "value"):
            if not isinstance(tree[name], str):
                raise ValidationError(f"{name!r} of a filter is text, not {tree[name]!r}")
    elif group:
        if tree["logic"] not in LOGICS:
            raise ValidationError(f"unknown logic {tree['logic']!r}; a group knows {', '.join(LOGICS)}")
        if not isinstance(tree["filters"], list):
            raise ValidationError(f"'filters' of a group is a list, not {tree['filters']!r}")
        for part in tree["filters"]:
            (check or check_subject_filter)(part)
    else:
        raise ValidationError(
            f"{tree!r} is no filter: it needs key, operator and value, or logic and filters"
        )


def check_session_filters(filters: Any, day: Callable[[Any], object] = check_date) -> None:
    """Refuse session filters other than {sessionDates: {startDate, endDate}, numSessions: {min, max}}.

    None means no filter. `day` is called for each date. Raises ValidationError (a ValueError).
    """
    if filters is None:
        return
    if not isinstance(filters, dict):
        raise ValidationError(f"session filters are a dict or None, not {filters!r}")
    for name, allowed in (("sessionDates", ("startDate", "endDate")), ("numSessions", ("min", "max"))):
        if name not in filters:
            continue
        part = filters[name]
        if not isinstance(part, dict):
            raise ValidationError(f"{name!r} is a dict of {', '.join(allowed)}, not {part!r}")
        for key, value in part.items():
            if key not in allowed:
                raise ValidationError(f"{name!r} knows {', '.join(allowed)}, not {key!r}")
            if name == "sessionDates":
                day(value)
            elif value is not None and not isinstance(value, int):
                raise ValidationError(f"{key!r} of numSessions is a whole number or None, not {value!r}")


def check_filter_list(filters: Any) -> None:
    """Refuse lists of session or subject filters other than [{key, operator, value or values}, ...].

    EQ takes `value`, IN and ALL a list `values`, BETWEEN exactly two. None means no filter. Raises
    ValidationError.
    """
    if filters is None:
        return
    if not isinstance(filters, list):
        raise ValidationError(f"filters are a list or None, not {filters!r}")
    for entry in filters:
        if not isinstance(entry, dict):
            raise ValidationError(f"a filter is a dict, not {entry!r}")
        key, operator = entry.get("key"), entry.get("operator")
        for name, text in (("key", key), ("operator", operator)):
            if not text or not isinstance(text, str):
                raise ValidationError(f"the filter {entry!r} has no {name!r}, which is text")
        if operator not in SESSION_OPERATORS:
            raise ValidationError(f"unknown operator {operator!r}; there are {', '.join(SESSION_OPERATORS)}")
        if operator == "EQ":
            if entry.get("value") is None:
                raise ValidationError(f"the filter on {key!r} needs a 'value' for EQ")
            continue
        values = entry.get("values")
        if not isinstance(values, (list, tuple)) or not values:
            raise ValidationError(
                f"the filter on {key!r} needs a list 'values' for {operator}, with something in it"
            )
        if operator == "BETWEEN" and len(values) != 2:
            raise ValidationError(f"the filter on {key!r} needs two 'values' for BETWEEN, not {len(values)}")
