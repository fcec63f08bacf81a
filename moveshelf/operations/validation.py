"""What is checked before anything is sent: names, values, dates, filters, and what a clip can be given.

The objects and the flat client use the same checks: the flat client's filters travel as they are given, in the service's
own form (`check_...`); the objects' shorter forms are made into that form first.
"""

from __future__ import annotations

import difflib
import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Literal, TypedDict

import attrs

from ..errors import ValidationError
from ..timecode import Timecode
from ..values import brief, count_value, day_value, plain_value, text_value

Where = Mapping[str, Any] | Sequence[Mapping[str, Any]]
SessionsWhere = Mapping[str, Any]

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
    """Refuse an id that is missing or blank, to which the service would answer null. Raises InputTypeError."""
    if value is None or (isinstance(value, str) and not value.strip()):
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
    """Interventions to write. Raises ValidationError where they are no list of dictionaries that JSON can hold."""
    if isinstance(given, (str, Mapping)) or not isinstance(given, (list, tuple)):
        raise ValidationError(f"interventions are a list of dictionaries, not {type(given).__name__}")
    for one in given:
        if not isinstance(one, Mapping):
            raise ValidationError(f"an intervention is a dictionary, not {one!r}")
    json_text(list(given), "the interventions")
    return [dict(one) for one in given]


def json_text(values: Any, what: str = "the metadata") -> str:
    """JSON text. Raises ValidationError for what JSON has no form for."""
    try:
        return json.dumps(values, ensure_ascii=False, allow_nan=False)
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
    near = [by_wire[plain]] if plain in by_wire else difflib.get_close_matches(name, known, 1)
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
def day_text(value: date | str | None) -> str | None:
    """A session's day as the service takes it. Raises ValidationError for what is no date."""
    found = day_value(value, "date")
    return None if found is None else found.isoformat()


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


def period(start: date | str | None, end: date | str | None) -> tuple[date | None, date | None]:
    """First and last day of a period. Raises ValidationError for what is no date, and for an end before the start."""
    first, last = day_value(start, "start"), day_value(end, "end")
    if first is not None and last is not None and first > last:
        raise ValidationError(f"start {first} is after end {last}")
    return first, last


def checked_limit(limit: Any) -> int | None:
    """A number of sessions, or None for all. Raises ValidationError."""
    return None if limit is None else count_value(limit, "limit")


# filters --------------------------------------------------------------------------------------------------------------
@attrs.frozen
class Criterion:
    """What a filter wants of one metadata field: EQ one value, IN any of them, ALL of them, BETWEEN two."""

    key: str
    operator: Literal["EQ", "IN", "ALL", "BETWEEN"]
    values: tuple[str, ...]

    def as_wire(self) -> dict[str, Any]:
        """The criterion as the service's filters over sessions take it."""
        made: dict[str, Any] = {"key": self.key, "operator": self.operator}
        if self.operator == "EQ":
            return {**made, "value": self.values[0]}
        return {**made, "values": list(self.values)}

    def is_met(self, present: Iterable[str]) -> bool:
        """Whether the texts of a stored value meet a BETWEEN, by the service's rule for sessions."""
        low, high = self.values
        return any(_between(one, low, high) for one in present)


def _between(text: str, low: str, high: str) -> bool:
    try:
        return float(low) <= float(text) <= float(high)
    except ValueError:  # dates and words, as texts; of a time the day counts where the bound is a day
        return text[: len(low)] >= low and text[: len(high)] <= high


def criteria(where: Any) -> list[Criterion]:
    """The short form `{key: value}`, where a list is any of its values and a tuple of two is between them.

    Values may be Python's, numpy's or pandas': numbers, dates, texts; an array, a Series, a set, a range or a generator
    counts as a list. Raises ValidationError, which names the key and the value, for anything else.
    """
    if not isinstance(where, Mapping):
        raise ValidationError(
            f"where is a dictionary, {{key: value}} or a filter group, not {type(where).__name__}"
        )
    return [_criterion(key, value) for key, value in where.items()]


def _criterion(key: Any, value: Any) -> Criterion:
    if not isinstance(key, str) or not key:
        raise ValidationError(f"a filter's key is the name of a metadata field, not {brief(key)}")
    name = f"the filter on {key!r}"
    if value is None:
        raise ValidationError(f"{name} needs a value")
    if isinstance(value, tuple):
        return between(key, value)
    found = plain_value(value, name)
    if isinstance(found, dict) or found is None:
        raise ValidationError(f"{name} needs a value or a list of values, not {brief(value)}")
    if not isinstance(found, list):
        return Criterion(key, "EQ", (text_value(found, name),))
    if not found:
        raise ValidationError(f"{name} allows no value at all")
    return Criterion(key, "IN", tuple(dict.fromkeys(text_value(one, name) for one in found)))


def between(key: str, bounds: Sequence[Any]) -> Criterion:
    """The criterion of a range, both ends included.

    Raises ValidationError for other than two ends, an end that is missing, and ends in the wrong order.
    """
    if len(bounds) != 2:
        raise ValidationError(
            f"a tuple in the filter on {key!r} means between: it takes two values, not {brief(bounds)}"
        )
    name = f"the filter on {key!r}"
    if any(one is None for one in bounds):
        raise ValidationError(
            f"{name} is a range with an open end, {brief(bounds)}: give both ends, such as '9999-12-31' for any later day"
        )
    low, high = (text_value(one, name) for one in bounds)
    try:
        days = [day_value(one, name) for one in (low, high)]
    except ValidationError:
        pass
    else:  # 2023-3-1 and 2023-11-30 do not compare as texts
        low, high = (str(one) for one in days)
    try:
        is_ordered = float(low) <= float(high)
    except ValueError:
        is_ordered = low <= high
    if not is_ordered:
        raise ValidationError(f"{name} is a range that ends before its start: {brief(bounds)}")
    return Criterion(key, "BETWEEN", (low, high))


def is_service_form(where: Any) -> bool:
    """Whether a filter over subjects is in the service's own form, a leaf or a group."""
    return isinstance(where, Mapping) and (
        "logic" in where or "filters" in where or {"key", "operator"} <= set(where)
    )


# filters over subjects ------------------------------------------------------------------------------------------------
def subject_filter(where: Where | None) -> dict[str, Any] | None:
    """A filter over subject metadata as the service takes it. Raises ValidationError for a malformed one."""
    if where is None:
        return None
    if is_service_form(where):
        made = _with_texts(where)
        check_subject_filter(made)
        _check_complete(made)
        return made
    return subject_group(criteria(where))


def subject_group(wanted: Sequence[Criterion]) -> dict[str, Any] | None:
    """The group that holds where all criteria do; None without any. Raises ValidationError for a range."""
    filters = []
    for one in wanted:
        leaves = [{"key": one.key, "operator": "EQ", "value": value} for value in one.values]
        if one.operator == "BETWEEN":
            raise ValidationError(
                f"the service has no ranges over subjects ({one.key!r}): find_subjects compares them itself"
            )
        filters.append(_group("OR", leaves) if one.operator == "IN" else leaves[0])
    return _group("AND", filters) if filters else None


def subject_criteria(tree: Mapping[str, Any]) -> list[Criterion]:
    """The leaves of a checked filter in the service's form."""
    if "filters" in tree:
        return [leaf for one in tree["filters"] for leaf in subject_criteria(one)]
    return [Criterion(tree["key"], "EQ", (tree["value"],))]


def _group(logic: str, filters: list[dict[str, Any]]) -> dict[str, Any]:
    return {"logic": logic, "filters": filters}


def _with_texts(tree: Any) -> dict[str, Any]:
    """A filter in the service's form with its values as text; what is malformed is left for the check."""
    made = dict(tree) if isinstance(tree, Mapping) else tree
    if not isinstance(made, dict):
        return made  # type: ignore[no-any-return]
    filters = made.get("filters")
    if isinstance(filters, Sequence) and not isinstance(filters, str):
        made["filters"] = [_with_texts(one) for one in filters]
    if not isinstance(made.get("value"), (str, type(None), Mapping, list, tuple)):
        made["value"] = text_value(made["value"], f"the filter on {made.get('key')!r}")
    return made


def _check_complete(tree: Mapping[str, Any]) -> None:
    """Refuse what the service would pass over: unknown names, a group without filters."""
    known = {"logic", "filters"} if "logic" in tree else {"key", "operator", "value"}
    if set(tree) != known:
        raise ValidationError(f"a filter has {' and '.join(sorted(known))}; this one has {sorted(tree)}")
    if "filters" in known and not tree["filters"]:
        raise ValidationError("a filter group needs a list of filters that is not empty")
    for part in tree.get("filters", ()):
        _check_complete(part)


def check_subject_filter(tree: Any) -> None:
    """Refuse a subject filter that is neither a leaf {key, operator, value} nor a group {logic, filters}.

    None means no filter. Raises ValidationError (a ValueError), for a nested one too.
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
            check_subject_filter(part)
    else:
        raise ValidationError(
            f"{tree!r} is no filter: it needs key, operator and value, or logic and filters"
        )


def sessions_filter(sessions: SessionsWhere | None) -> dict[str, Any] | None:
    """A filter by dates and number of sessions. The service leaves the last day out; ours includes it."""
    if sessions is None:
        return None
    if not isinstance(sessions, Mapping):
        raise ValidationError(
            f"sessions is a dictionary of start, end, min and max, and not {brief(sessions)}"
        )
    unknown = [name for name in sessions if name not in ("start", "end", "min", "max")]
    if unknown:
        raise ValidationError(f"sessions takes start, end, min and max, and not {unknown}")
    made: dict[str, Any] = {}
    first, last = period(sessions.get("start"), sessions.get("end"))
    if first is not None or last is not None:
        made["sessionDates"] = {
            "startDate": None if first is None else first.isoformat(),
            "endDate": None if last is None else _next_day(last),
        }
    counts = {
        name: None if sessions.get(name) is None else count_value(sessions[name], name, least=0)
        for name in ("min", "max")
    }
    least, most = counts["min"], counts["max"]
    if least is not None and most is not None and least > most:
        raise ValidationError(f"min {least} is more than max {most}")
    if any(count is not None for count in counts.values()):
        made["numSessions"] = counts
    return made or None


def _next_day(last: date) -> str:
    if last == date.max:
        raise ValidationError(f"end {last} is the last day of the calendar: leave it out for no end")
    return (last + timedelta(days=1)).isoformat()


def check_session_filters(filters: Any) -> None:
    """Refuse session filters other than {sessionDates: {startDate, endDate}, numSessions: {min, max}}.

    None means no filter. Raises ValidationError (a ValueError).
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
                check_date(value)
            elif value is not None and not isinstance(value, int):
                raise ValidationError(f"{key!r} of numSessions is a whole number or None, not {value!r}")


# filters over sessions ------------------------------------------------------------------------------------------------
def session_criteria(where: Where | None) -> list[Criterion]:
    """The criteria of a filter over sessions, in either form. Raises ValidationError for malformed ones."""
    if where is None:
        return []
    if isinstance(where, Mapping):
        return criteria(where)
    if isinstance(where, str) or not isinstance(where, Sequence):
        raise ValidationError(f"where is a dictionary or a list of filters, not {type(where).__name__}")
    given = [_with_list(one) if isinstance(one, Mapping) else one for one in where]
    check_filter_list(given)
    return [_given_criterion(one) for one in given]


def metadata_filters(where: Where | None) -> list[dict[str, Any]] | None:
    """Filters over session metadata (or over the subjects of sessions). Raises ValidationError for malformed ones."""
    return [one.as_wire() for one in session_criteria(where)] or None


def _with_list(one: Mapping[str, Any]) -> dict[str, Any]:
    """A filter whose `values`, which may be an array or a generator, are a list."""
    made = dict(one)
    if made.get("values") is not None and not isinstance(made["values"], (str, list, tuple)):
        made["values"] = plain_value(made["values"], f"the filter on {made.get('key')!r}")
    return made


def _given_criterion(one: Mapping[str, Any]) -> Criterion:
    key, operator = one["key"], one["operator"]
    name = f"the filter on {key!r}"
    if operator == "EQ":
        return Criterion(key, "EQ", (text_value(one["value"], name),))
    if operator == "BETWEEN":
        return between(key, one["values"])
    return Criterion(key, operator, tuple(text_value(value, name) for value in one["values"]))


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
