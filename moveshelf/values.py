"""Plain values: the service's words, a project's template, and what values of Python, numpy and pandas mean.

The floor of the library: nothing here knows a request, and neither numpy nor pandas is imported. Their values are known by
the module and the name of their type.
"""

from __future__ import annotations

import enum
import json
import math
import operator
import os
import re
import sys
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, TypeGuard

import attrs
from typing_extensions import Self

from .errors import ValidationError

if TYPE_CHECKING:
    from decimal import Decimal
    from fractions import Fraction

#: How deep a value or a template may be nested: far more than any record of a lab, far less than Python's own limit.
DEEPEST: Final = 64
#: How many members a list of values may have: a generator without an end is refused there.
LONGEST: Final = 1_000_000
#: Powers of ten that a Decimal may have before it is refused: its digits would fill the memory.
_LARGEST_EXPONENT: Final = 400


# the service's words ----------------------------------------------------------------------------------------------
class OpenEnum(str, enum.Enum):
    """A set of known words that takes unknown ones too: the service may have grown since.

    Members equal their text and hash like it: `status == "Complete"`. A member for an unknown word is made anew each
    time and is not kept, so compare with `==`.
    """

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        # not entered into the class's own map: a service that sends ever new words would fill the memory
        member = str.__new__(cls, value)
        member._name_ = value
        member._value_ = value
        return member

    def __str__(self) -> str:
        return str(self.value)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return (type(self), (str(self.value),))

    @property
    def is_known(self) -> bool:
        """Whether this library knows the word."""
        return str.__str__(self) in type(self)._value2member_map_


class _Words(dict[str, Any]):
    """A word's member by a look-up: a fifth of the time of a call of the enum, which a loop makes for every object."""

    def __init__(self, kind: type[OpenEnum]) -> None:
        super().__init__({one.value: one for one in kind})
        self.kind = kind

    def __missing__(self, word: Any) -> Any:
        return self.kind(word) if isinstance(word, str) else word


def word_of(kind: type[OpenEnum]) -> Callable[[Any], Any]:
    """The function that turns the service's word into a member of `kind`; what is no text stays as it is."""
    words = _Words(kind)

    def look_up(word: Any) -> Any:
        try:
            return words[word]
        except TypeError:  # a list or an object, which no dictionary takes as a key
            return word

    return look_up


class UploadStatus(OpenEnum):
    """How far the service has come with a file's bytes. Only complete ones can be downloaded."""

    PENDING = "Pending"
    PROCESSING = "Processing"
    COMPLETE = "Complete"
    FAILED = "Failed"


class JobStatus(OpenEnum):
    """How far a job has come; an unknown word counts as not finished."""

    PENDING = "Pending"
    PROCESSING = "Processing"
    COMPLETE = "Complete"
    FAILED = "Failed"

    @property
    def is_finished(self) -> bool:
        """Whether the job has ended, well or not."""
        return self in (JobStatus.COMPLETE, JobStatus.FAILED)


class DataType(OpenEnum):
    """What kind of data a file holds."""

    VIDEO = "video"
    MOTION = "motion"
    DOC = "doc"
    DATA = "data"
    IMG = "img"
    CAMERA = "camera"
    EVENT = "event"
    RAW = "raw"


class ReportType(str, enum.Enum):
    """What a report can compare. Members equal their text."""

    CONDITION_SUMMARIES = "currentSessionConditionSummaries"
    CURRENT_VS_PREVIOUS = "currentVsPreviousSessionComparison"
    CURRENT_COMPARISON = "currentSessionComparison"

    def __str__(self) -> str:
        return str(self.value)


# objects as HTML --------------------------------------------------------------------------------------------------
#: What draws the objects of rooms below `display`, by the name of their class: `display` fills it, they know of no looks.
drawn_by: dict[str, Callable[[Any], str]] = {}


def drawn(obj: Any) -> str | None:
    """An object as HTML, for a notebook; None (its repr is shown) where nothing that draws is imported."""
    for kind in type(obj).__mro__:  # a program may have a class of its own below one of ours
        if kind.__name__ in drawn_by:
            return drawn_by[kind.__name__](obj)
    return None


# what a project is set up with ------------------------------------------------------------------------------------
@attrs.frozen
class Dataset:
    """A file that belongs to a whole project. The URL is signed and expires; `refresh()` the project for a new one."""

    name: str
    download_uri: str | None = attrs.field(repr=False)

    @classmethod
    def list_of(cls, response: Any) -> tuple[Dataset, ...]:
        """The datasets in a response; what is none is left out."""
        found = (one for one in _list(response) if isinstance(one, Mapping))
        return tuple(cls(_text(one.get("name")), _text(one.get("downloadUri")) or None) for one in found)


@attrs.frozen
class TemplateField:
    """One metadata field that a project's template declares.

    `options` are the values of a field with a choice, `has_context` says that it has a left and a right value, `multiselect`
    that it takes several of the options, `tab` is the name of the tab it is on ("" for none), `raw` the entry as it is.
    """

    key: str
    label: str
    type: str
    has_context: bool
    options: tuple[str, ...]
    raw: Mapping[str, Any] = attrs.field(repr=False, hash=False)
    multiselect: bool = False
    tab: str = ""

    @classmethod
    def parse(cls, key: str, raw: Any, tab: str = "") -> TemplateField:
        """From a template's entry; what the entry does not say, or says in no known form, is empty."""
        raw = raw if isinstance(raw, Mapping) else {}
        kind = _text(raw.get("type"))
        options = raw.get("options")
        words = (
            _option(one) for one in (_list(options) or (options if isinstance(options, Mapping) else ()))
        )
        return cls(
            key,
            _text(raw.get("label")) or key,
            kind,
            _flag(raw.get("hasContext")),
            tuple(dict.fromkeys(word for word in words if word is not None)),
            raw,
            _flag(raw.get("multiselect")) or kind == "multiselect",
            tab,
        )


@attrs.frozen
class Template:
    """What metadata a project's subjects and sessions have: `subject_fields` and `session_fields` by key; `data` whole.

    `problem` says why `data` could not be read ("" where it could): such a template declares nothing.

    Example:
        >>> template = project.template
        >>> template.session_fields["session-height"].label
        'Height (cm)'
    """

    name: str
    data: Mapping[str, Any] = attrs.field(repr=False, hash=False)
    problem: str = ""

    def _repr_html_(self) -> str | None:
        return drawn(self)

    @classmethod
    def parse(cls, response: Any) -> Template | None:
        """From the service's response; None where the project has no template."""
        if not isinstance(response, Mapping) or not response:
            return None
        data, problem = _parsed(response.get("data"))
        return cls(_text(response.get("name")), data, problem)

    @property
    def subject_fields(self) -> dict[str, TemplateField]:
        """The fields of a subject's metadata and of its interventions by key, headings left out; a new dictionary."""
        return _fields([("", self.data.get("template")), *_tabs(self.data.get("subjectMetadataTabs"))])

    @property
    def intervention_fields(self) -> dict[str, TemplateField]:
        """The fields of an intervention by key: those of the subject's tabs whose name begins with "Intervention"."""
        return {key: one for key, one in self.subject_fields.items() if _is_intervention(one.tab)}

    @property
    def session_fields(self) -> dict[str, TemplateField]:
        """The fields of a session's metadata by key, headings left out; a new dictionary."""
        return _fields(_tabs(self.data.get("sessionMetadataTabs")))

    def fields(self, kind: Literal["subjects", "sessions"]) -> dict[str, TemplateField]:
        """The fields in the metadata of each of `kind`, without those of interventions, which are lists of their own.

        Raises ValidationError for another kind: only subjects and sessions have metadata.
        """
        if kind == "sessions":
            return self.session_fields
        if kind == "subjects":
            return {key: one for key, one in self.subject_fields.items() if not _is_intervention(one.tab)}
        raise ValidationError(f"only 'subjects' and 'sessions' have metadata, and not {brief(kind)}")

    def tabs(self, kind: Literal["subjects", "sessions"]) -> dict[str, dict[str, TemplateField]]:
        """The same by the name of the tab; the fields outside all tabs are first, below "General"."""
        found: dict[str, dict[str, TemplateField]] = {}
        for key, one in self.fields(kind).items():
            found.setdefault(one.tab or "General", {})[key] = one
        return found


@attrs.frozen
class Configuration:
    """How a project is set up on the service; `data` is the parsed object, `problem` why it could not be read, or ""."""

    id: str
    name: str
    data: Mapping[str, Any] = attrs.field(repr=False, hash=False)
    problem: str = ""

    @classmethod
    def parse(cls, response: Any) -> Configuration | None:
        """From the service's response; None where the project has none."""
        if not isinstance(response, Mapping) or not response:
            return None
        data, problem = _parsed(response.get("data"))
        return cls(_text(response.get("id")), _text(response.get("name")), data, problem)


def _tabs(tabs: Any) -> list[tuple[str, Any]]:
    found = [one for one in _list(tabs) if isinstance(one, Mapping)]
    return [(_text(one.get("name")), one.get("template")) for one in found]


def _fields(groups: Iterable[tuple[str, Any]]) -> dict[str, TemplateField]:
    parsed = [
        TemplateField.parse(key, entry, tab)
        for tab, group in groups
        if isinstance(group, Mapping)
        for key, entry in group.items()
        if isinstance(key, str) and isinstance(entry, Mapping)
    ]
    return {one.key: one for one in parsed if one.type != "title"}


def _is_intervention(tab: str) -> bool:
    return tab.casefold().startswith("intervention")


def _option(one: Any) -> str | None:
    if isinstance(one, Mapping):
        one = one.get("value", one.get("label"))
    return str(one) if isinstance(one, (str, int, float)) else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else []


def _flag(value: Any) -> bool:
    return value is True or (isinstance(value, str) and value.casefold() == "true") or value == 1


def _parsed(data: Any) -> tuple[Mapping[str, Any], str]:
    """The object in `data` and what is wrong with it, or ""."""
    if data is None or data == "":
        return {}, ""
    if isinstance(data, str):
        try:
            data = json.loads(data)
        except RecursionError:
            return {}, f"its data is nested deeper than {DEEPEST} levels"
        except ValueError as error:
            return {}, f"its data is not JSON: {error}"
    if not isinstance(data, Mapping):
        return {}, f"its data is not a JSON object but {type(data).__name__}"
    if is_deeper(data, DEEPEST):
        return {}, f"its data is nested deeper than {DEEPEST} levels"
    return data, ""


def is_deeper(value: Any, levels: int) -> bool:
    """Whether parsed JSON is nested in more than so many levels; found level by level, so that no depth is too much."""
    level = [value]
    for _ in range(levels):
        below: list[Any] = []
        for one in level:
            if isinstance(one, Mapping):
                below += one.values()
            elif isinstance(one, (list, tuple)):
                below += one
        level = [one for one in below if isinstance(one, (Mapping, list, tuple))]
        if not level:
            return False
    return True


# what values mean -------------------------------------------------------------------------------------------------
class Missing(enum.Enum):
    """What is done about a missing value (NaN, NaT, pandas.NA)."""

    REFUSE = "refuse"
    NONE = "none"


def plain_value(value: Any, name: str = "the value", *, missing: Literal["refuse", "none"] = "refuse") -> Any:
    """What a value means in plain Python: None, bool, int, float, str, date, datetime, time, timedelta, list or dict.

    Numbers, texts and times of numpy and pandas become Python's own; an array, a Series, a range, a set or a generator
    becomes a list (a set sorted by text); a Decimal an int or a float, where that is exact, else its digits as text; an
    enum its value; a path or a UUID its text; a mapping a dict, its values plain in turn.

    `missing`: what NaN, NaT and pandas.NA become: refused, or None. None itself stays None in either case.

    Raises ValidationError, which names `name`, the value and the way out, for what has no plain form: bytes, a whole
    DataFrame, an object of another library, a list without an end, a structure that contains itself.

    Example:
        >>> plain_value(numpy.array([1.5, 2.0]))
        [1.5, 2.0]
        >>> plain_value(pandas.Timestamp("2024-05-06"))
        datetime.datetime(2024, 5, 6, 0, 0)
    """
    return _plain(value, name, Missing(missing), 0)


def is_missing(value: Any) -> bool:
    """Whether `value` is None or what numpy and pandas write for nothing: NaN, NaT, pandas.NA, a masked number."""
    if value is None:
        return True
    if _is_decimal(value):
        return value.is_nan()
    if isinstance(value, float):
        return math.isnan(value)
    kind = type(value)
    library = _library(kind)
    if library == "pandas" and kind.__name__ in ("NaTType", "NAType"):
        return True
    if library == "numpy" and getattr(value, "shape", None) == ():
        single = value.dtype.kind in "fMm"
        return kind.__name__ == "MaskedConstant" or (single and bool(value != value))
    return False


def _library(kind: type) -> str:
    """The first part of the name of a type's module: "numpy", "pandas", ..."""
    return str(getattr(kind, "__module__", "")).partition(".")[0]


def _is_decimal(value: Any) -> TypeGuard[Decimal]:
    """Whether `value` is a Decimal. Nobody has one where nobody has imported its module, which takes a moment."""
    return isinstance(value, getattr(sys.modules.get("decimal"), "Decimal", ()))


def _is_fraction(value: Any) -> TypeGuard[Fraction]:
    return isinstance(value, getattr(sys.modules.get("fractions"), "Fraction", ()))


#: What stands for "has no plain form as a single value".
_NO_SCALAR: Final = object()


def _plain(value: Any, name: str, missing: Missing, depth: int) -> Any:
    if value is None or type(value) in (str, bool, int, date, datetime):
        return value
    if depth > DEEPEST:
        raise ValidationError(f"{name} is nested deeper than {DEEPEST} levels")
    value = _unwrapped(value)
    if is_missing(value):
        if value is None or missing is Missing.NONE:
            return None
        raise ValidationError(
            f"{name} is missing ({brief(value)}): leave it out, or pass None where nothing is meant"
        )
    scalar = _scalar(value, name)
    if scalar is not _NO_SCALAR:
        return scalar
    if isinstance(value, Mapping):
        return _plain_mapping(value, name, missing, depth)
    members = _members(value)
    if members is None:
        raise _refused(value, name, _advice(value))
    found: list[Any] = []
    for one in members:
        if len(found) >= LONGEST:
            raise ValidationError(f"{name} has more than {LONGEST} members ({type(value).__name__})")
        found.append(_plain(one, name, missing, depth + 1))
    return sorted(found, key=str) if isinstance(value, Set) else found


def _unwrapped(value: Any) -> Any:
    """The value inside an enum's member or an array without dimensions."""
    for _ in range(DEEPEST):
        library = _library(type(value))
        if isinstance(value, enum.Enum):
            value = value.value
        elif library == "xarray" and hasattr(value, "to_numpy"):
            value = value.to_numpy()
        elif library == "pyarrow" and hasattr(value, "as_py"):
            value = value.as_py()
        elif (
            library == "numpy"
            and getattr(value, "shape", None) == ()
            and hasattr(type(value), "__len__")
            and not isinstance(value, (str, bytes))
            and value.dtype.kind != "V"
            and type(value).__name__ != "MaskedConstant"
        ):
            value = value[()]
        else:
            break
    return value


def _scalar(value: Any, name: str) -> Any:
    """A single value in plain Python, or `_NO_SCALAR` for a structure and for what has no plain form."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, datetime):
        # pandas.Timestamp: its nanoseconds have no place in a datetime
        return value.to_pydatetime(warn=False) if hasattr(value, "to_pydatetime") else value
    if isinstance(value, timedelta):
        return value.to_pytimedelta() if hasattr(value, "to_pytimedelta") else value
    if isinstance(value, (date, time)):
        return value
    if _is_decimal(value):
        return _of_decimal(value, name)
    if _is_fraction(value):
        return _of_fraction(value, name)
    if isinstance(value, os.PathLike):
        path = os.fspath(value)
        return path if isinstance(path, str) else os.fsdecode(path)
    if isinstance(value, uuid.UUID):
        return str(value)
    library = _library(type(value))
    if library == "numpy" and getattr(value, "shape", None) == ():
        return _of_numpy(value, name)
    if library == "pandas" and type(value).__name__ == "Period":
        start = value.start_time.to_pydatetime(warn=False)
        return start.date() if value.freqstr == "D" else start
    return _NO_SCALAR


def _of_fraction(value: Fraction, name: str) -> int | float:
    try:
        return int(value) if value.denominator == 1 else float(value)
    except OverflowError:
        raise _refused(value, name, "it is larger than a number can be") from None


def _of_decimal(value: Decimal, name: str) -> int | float | str:
    if value.is_infinite():
        return float(value)
    if abs(value.adjusted()) > _LARGEST_EXPONENT:
        raise _refused(value, name, "it is far outside what a measured number can be")
    if value == value.to_integral_value():
        return int(value)
    # exact in the sense that counts here: the float's own digits are those of the decimal
    from decimal import Decimal

    return float(value) if Decimal(repr(float(value))) == value else format(value, "f")


def _of_numpy(value: Any, name: str) -> Any:
    """A number, a text or a time of numpy's in plain Python."""
    kind = value.dtype.kind
    if kind in "Mm":
        unit = str(value.dtype).partition("[")[2].rstrip("]")
        exact = "D" if kind == "M" and unit in ("Y", "M", "W", "D") else "us"
        found = value.astype(f"{kind}8[{exact}]").item()
        if isinstance(found, int):  # a year that Python's calendar does not have
            raise _refused(value, name, "Python's dates are those of the years 1 to 9999")
        return found
    if kind in "biuf":
        return float(value) if kind == "f" else value.item()
    if kind == "S":
        raise _refused(value, name, _advice(b""))
    return _NO_SCALAR


def _plain_mapping(value: Mapping[Any, Any], name: str, missing: Missing, depth: int) -> dict[str, Any]:
    found = {}
    for key, one in value.items():
        text = key.value if isinstance(key, enum.Enum) else key
        if not isinstance(text, str):
            raise ValidationError(f"the keys in {name} are texts, and not {brief(key)}")
        found[str(text)] = _plain(one, f"{name}[{text!r}]" if depth == 0 else name, missing, depth + 1)
    return found


def _members(value: Any) -> Iterable[Any] | None:
    """The members of what counts as a list, or None for what does not."""
    library, kind = _library(type(value)), type(value).__name__
    if isinstance(value, (list, tuple, range, Set, deque, Iterator)):
        return value
    if isinstance(value, (bytes, bytearray, memoryview)) or kind in ("DataFrame", "LazyFrame"):
        return None
    if getattr(value, "shape", None) == ():  # a structured record, a complex number
        return None
    if library in ("builtins", "collections", "array", "numpy", "pandas", "polars", "pyarrow"):
        return value if isinstance(value, Iterable) else None
    # tensors and arrays of other libraries say what they hold; other iterables are no lists of values
    if hasattr(value, "tolist") and hasattr(value, "dtype"):
        found = value.tolist()
        return found if isinstance(found, list) else [found]
    return None


def _advice(value: Any) -> str:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "decode it to text first"
    if type(value).__name__ in ("DataFrame", "LazyFrame"):
        return "take one column of it"
    return "pass a text, a number, a date, a list of them or a dictionary"


def _refused(value: Any, name: str, advice: str) -> ValidationError:
    return ValidationError(f"{name} cannot be {brief(value)} ({type(value).__name__}): {advice}")


def brief(value: Any, most: int = 60) -> str:
    """`repr(value)` for an error text: of one line, cut at `most` characters, and never an exception of its own."""
    try:
        text = " ".join(printable(repr(value)).split())
    except (
        Exception
    ):  # a repr that fails, or that is nested without end, must not hide what the error is about
        text = f"<{type(value).__name__}>"
    return text if len(text) <= most else text[: most - 3] + "..."


def text_value(value: Any, name: str = "the value") -> str:
    """The text that stands for a value where the service stores and compares texts.

    A number is its shortest digits (`120.0` is `120`, as a table's column of numbers with a gap holds a whole number), a
    date `2024-05-06`; a datetime without zone at midnight is its day, any other its ISO text; True and False are `true` and
    `false`. Raises ValidationError for a missing value, a number that is not finite, a list or a mapping.

    Example:
        >>> text_value(numpy.float64(12.0)), text_value(pandas.Timestamp("2024-05-06"))
        ('12', '2024-05-06')
    """
    found = plain_value(value, name)
    if isinstance(found, str):
        return found
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, int):
        try:
            return str(found)
        except ValueError:  # more digits than Python turns into text
            raise _refused(value, name, "it has too many digits") from None
    if isinstance(found, float):
        if not math.isfinite(found):
            raise _refused(value, name, "pass a finite number")
        return str(int(found)) if found.is_integer() and abs(found) < 1e15 else repr(found)
    if isinstance(found, datetime):
        whole_day = found.tzinfo is None and found.time() == time()
        return found.date().isoformat() if whole_day else found.isoformat()
    if isinstance(found, (date, time)):
        return found.isoformat()
    raise _refused(value, name, "pass one text, one number or one date")


# arguments --------------------------------------------------------------------------------------------------------
def count_value(value: Any, name: str, least: int = 1, most: int | None = None) -> int:
    """A whole number (limit, jobs, retries) from an int, a whole float or a number of numpy's or pandas'.

    Raises ValidationError for anything else and for a number outside `least` to `most`, before anything is done with it.

    Example:
        >>> count_value(numpy.int64(8), "jobs", most=256)
        8
    """
    # a text, a bool or a list says that another argument was meant, even where Python could make a number of it
    found = value if type(value) is int else _single(value, name)
    if isinstance(found, float) and found.is_integer():
        found = int(found)
    if isinstance(found, int) and not isinstance(found, bool):
        if found >= least and (most is None or found <= most):
            return found
    elif found is _NO_SCALAR and hasattr(type(value), "__index__"):
        with suppress(TypeError):  # an array of several numbers has the method and refuses
            return count_value(operator.index(value), name, least, most)
    wanted = f"from {least} to {most}" if most is not None else f"of at least {least}"
    raise ValidationError(f"{name} is a whole number {wanted}, and not {brief(value)}")


def seconds_value(value: Any, name: str, *, zero: bool = False) -> float:
    """Seconds (a timeout, a pause) from a number or a timedelta, those of numpy and pandas too, as a float above 0.

    With `zero` 0 is allowed. Raises ValidationError for anything else, infinity and more than the system can wait among it.

    Example:
        >>> seconds_value(datetime.timedelta(minutes=2), "timeout")
        120.0
    """
    found = value if type(value) is float else _single(value, name)
    if isinstance(found, timedelta):
        found = found.total_seconds()
    is_number = isinstance(found, (int, float)) and not isinstance(found, bool)
    # compared before it becomes a float, for which an int may be too large
    if is_number and (found > 0 or (zero and found == 0)) and found <= threading.TIMEOUT_MAX:
        return float(found)
    least = "of 0 or more" if zero else "above 0"
    raise ValidationError(
        f"{name} is a number of seconds {least} and of at most {threading.TIMEOUT_MAX:.0f}, and not {brief(value)}"
    )


def _single(value: Any, name: str) -> Any:
    """The plain form of one number, date or text; what has none stays as it is, to be refused with its name."""
    if isinstance(value, (Mapping, Iterator)):
        return _NO_SCALAR
    value = _unwrapped(value)
    if is_missing(value):
        return None
    try:
        return _scalar(value, name)
    except ValidationError:
        return None


_DAY: Final = re.compile(
    "([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
    "(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.][0-9]+)?)?(?: ?[Zz]| ?[+-][0-9]{2}:?[0-9]{2})?)?"
)


def day_value(value: Any, name: str) -> date | None:
    """The calendar day that a date means; None for None and for an empty text.

    Takes a date, a datetime (one with a zone has the day of its own zone), a pandas.Timestamp, a numpy.datetime64, and
    text like `2026-01-31` or `2022-1-1`, with or without a time behind it. Raises ValidationError, which names `name` and
    the value, for anything else: NaT, numbers, days that the calendar does not have, text in another order.

    Example:
        >>> day_value("2022-1-1", "start")
        datetime.date(2022, 1, 1)
    """
    if value is None or (isinstance(value, str) and value == ""):
        return None
    found = value if type(value) is date else _single(value, name)
    if isinstance(found, datetime):
        return found.date()
    if isinstance(found, date):
        return found
    if isinstance(found, str):
        match = _DAY.fullmatch(found.strip())
        if match is not None:
            try:
                return date(int(match[1]), int(match[2]), int(match[3]))
            except ValueError:
                raise ValidationError(
                    f"{name} is {brief(value)}, a day that the calendar does not have"
                ) from None
    if is_missing(value):
        raise ValidationError(f"{name} is missing ({brief(value)}): pass None where no day is meant")
    raise ValidationError(
        f"{name} is a day: a date, a datetime, or text like 2026-01-31 (year, month, day), and not {brief(value)}"
    )


# texts that are shown ---------------------------------------------------------------------------------------------
_SEQUENCES: Final = re.compile(
    "(?:\x1b[\\[]|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, movements of the cursor
    "|(?:\x1b[\\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\\\|\x9c)"  # OSC, DCS, ...: a text and its end
    "|\x1b[ -/]*[0-OQ-WYZ\\\\`-~]"  # two characters: reset, character sets
)
_SPACES: Final = re.compile("[\t\n\x0b\x0c\r\x1c-\x1f\x85\u2028\u2029]")
_BREAKS: Final = re.compile("\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
#: What acts on a terminal or turns the order of what is shown: controls, marks and overrides of direction, lone surrogates.
_ACTS: Final = re.compile(
    "[\x00-\x08\x0e-\x1b\x1c-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]"
)
_LONE: Final = re.compile("[\ud800-\udfff]")


def printable(text: str, *, lines: bool = False) -> str:
    """`text` without what acts on a terminal: escape sequences, control characters, overrides of direction.

    For texts of the service and names of files that are about to be shown. Tabs and line ends become spaces; with `lines` line
    ends stay (as `\\n`), and tabs too. A lone surrogate becomes U+FFFD, so that the text can be encoded. All else stays.

    Example:
        >>> printable("P-1\\x1b[31m red\\x07")
        'P-1 red'
    """
    if text.isascii() and text.isprintable():
        return text
    text = _SEQUENCES.sub("", text)
    text = _BREAKS.sub("\n", text) if lines else _SPACES.sub(" ", text)
    return _LONE.sub("\ufffd", _ACTS.sub("", text))
