"""How the files of a folder say which subject, session, condition and trial they belong to, and how downloads are laid out.

A layout is a relative path with fields in braces, such as `"{subject}/{session}/{condition}/{file}"`:

- `{subject}`, `{session}`, `{condition}`, `{trial}`: names on the service. `{*}` is any text that means nothing. A field
  never crosses a `/`, and is as short as it can be: in `{trial}_{rest}` the trial ends at the *first* underscore.
- `{file}` is the whole name of the file, and its name on the service: `Walk01.Trajectory.csv`. Where the layout has no
  `{trial}`, the trial is read off the name: it is the name up to its first dot (`Walk01`), or the name of a shorter sibling
  that it continues behind a `_` (`Trial-1_x.c3d` belongs to `Trial-1` where there is a `Trial-1.c3d`; `Walk_01.c3d` and
  `Walk_02.c3d` are two trials). The service's own `Trial-N_...` always belongs to `Trial-N`.
- `{rest}` is what is left of the name beside `{trial}`, and is the file's name on the service then.
- where that is not what the names mean, a field says what it looks like with a regular expression: `{trial:Walk_\\d+}_{rest}`.

`subject`, `session`, and `file` or `trial` and `rest` are needed; `condition` may be absent. The presets are in `PRESETS`.
What `download` has written is read back: names that it had to encode or mark are the original ones again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import attrs

from ..errors import ValidationError
from .names import original_name, safe_name

FLAT = "{subject}/{session}/{condition}/{trial}_{rest}"
FOLDERS = "{subject}/{session}/{condition}/{trial}/{file}"
AUTO = "auto"
FIELDS = ("subject", "session", "condition", "trial", "file", "rest")
OUTPUT_FIELDS = ("project", "subject", "session", "date", "condition", "trial", "file", "type", "id")
CONFIG_FILE = "moveshelf_config_import.json"

PRESETS: dict[str, tuple[str, ...]] = {
    AUTO: (
        FOLDERS,
        "{subject}/{session}/{condition}/{file}",
        "{subject}/{session}/{file}",
        "{subject}/{session}/{trial}/{file}",
    ),
    "folders": (FOLDERS, "{subject}/{session}/{trial}/{file}"),
    "files": ("{subject}/{session}/{condition}/{file}", "{subject}/{session}/{file}"),
    "underscore": (FLAT,),
    "qualisys": (
        "Data/{subject}/{session}/{condition}/{file}",
        "Data/{subject}/{session}/{file}",
        "{subject}/{session}/{condition}/{file}",
        "{subject}/{session}/{file}",
    ),
    "vicon": (),
}
"""Layouts by name. The first form that fits a path is how it is read; further ones that fit are its alternatives.

- `"auto"`, where none is given: trials with a folder each as `download` writes them, files of a condition in one folder, and
  files of a session as a whole (a PDF report), which become a trial without a condition, named by the file.
- `"folders"`: a folder for each trial, as `download` writes them, with or without a condition.
- `"files"`: the files of a condition, or of a session, in one folder.
- `"underscore"`: as before version 0.2, `{trial}_{rest}`: the service's name of a file is what follows the first underscore.
- `"qualisys"`: a project of Qualisys Track Manager or its `Data` folder, with levels for subject, date and kind of session:
  the date is the session, the kind the condition.
- `"vicon"`: a database of Vicon Nexus or ProEclipse. A folder with a `*.Session.enf` is a session (without such files: the
  topmost one with C3D files), the folder around it the subject; classifications above do not count. All files below a session
  are its files. A trial's condition is the Description in its `*.Trial.enf`.
"""

_TYPES = {
    "video": "mp4 mov mpg avi",
    "motion": "bvh fbx trc glb mox c3d xlsx",
    "doc": "pdf",
    "data": "csv json txt",
    "img": "png jpg",
    "camera": "xcp",
}
_BY_EXTENSION = {extension: kind for kind, line in _TYPES.items() for extension in line.split()}
DATA_TYPES = (*_TYPES, "event", "raw")
_EVENTS = re.compile(r"(?i)(?:.*[_.\-> ])?event\.json")
_OWN_TRIAL = re.compile(r"(Trial-\d+)_")
_DAY = re.compile(r"(?:19|20)\d\d([-_.]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])(?!\d)")


def data_type(name: str) -> str:
    """The platform's data type for a file of this name: `event` for the service's `event.json`, else by its extension;
    `raw` for any other."""
    if _EVENTS.fullmatch(name):
        return "event"
    return _BY_EXTENSION.get(name.rpartition(".")[2].lower(), "raw") if "." in name else "raw"


@attrs.frozen
class Place:
    """Where a file belongs. `condition` is None where it has none; `name` is the file's on the service, `type` its data
    type."""

    subject: str
    session: str
    condition: str | None
    trial: str
    name: str
    type: str = attrs.field(default=attrs.Factory(lambda self: data_type(self.name), takes_self=True))


@attrs.frozen
class Reading:
    """How a path was read: its place, or the reason why it has none.

    `alternatives` are the other places that the layout allows: `P/2024-01-01/X/walk.c3d` may be a file of condition X, or
    one of trial X without a condition, as `download` writes it. What is on the service already tells which.
    `session_folder` is the folder of the session on the disk, where it has one of its own.
    """

    path: str
    place: Place | None
    alternatives: tuple[Place, ...] = ()
    reason: str = ""
    session_folder: str | None = None


LayoutFunction = Callable[[str], Place | Mapping[str, Any] | None]
"""A layout of one's own: for a path below the folder, with `/`, a Place, or a dict with `subject`, `session` and what else is
known of `condition`, `trial`, `name`, `type`; None leaves the file out."""


# trials ----------------------------------------------------------------------------------------------------------


def trials_of(names: Iterable[str]) -> dict[str, str]:
    """The trial of each file of one folder, by the names alone: the rules of `{file}`."""
    stems = {name: _stem(name) for name in names}
    known = set(stems.values())
    trials = {}
    for name, stem in stems.items():
        own = _OWN_TRIAL.match(stem)
        if own is not None:
            trials[name] = own[1]
            continue
        ends = (found.start() for found in re.finditer("_", stem))
        trials[name] = next((stem[:end] for end in ends if end and stem[:end] in known), stem)
    return trials


def _stem(name: str) -> str:
    """The name up to its first dot; all of a name that begins with one."""
    return name.partition(".")[0] or name


# templates -------------------------------------------------------------------------------------------------------


@attrs.frozen
class _Field:
    name: str
    pattern: str | None


Part = str | _Field


def _read(template: str) -> list[list[Part]]:
    """The components of a path, each of literals and fields in turn. A pattern may hold braces and slashes of its own."""
    if not isinstance(template, str) or not template:
        raise ValidationError(
            f"A layout is a text such as {FOLDERS!r}, a preset or a function, not {template!r}."
        )
    components: list[list[Part]] = [[]]
    literal = ""
    at = 0

    def flush() -> None:
        nonlocal literal
        if literal:
            components[-1].append(literal)
            literal = ""

    while at < len(template):
        character = template[at]
        if character == "}":
            raise ValidationError(f"Layout {template!r}: a '}}' without its '{{'.")
        if character == "/":
            flush()
            components.append([])
        elif character != "{":
            literal += character
        else:
            end = _closing(template, at)
            name, colon, pattern = template[at + 1 : end].partition(":")
            flush()
            components[-1].append(_Field(name.strip(), pattern if colon else None))
            at = end
        at += 1
    flush()
    if not all(components) or any(part in (["."], [".."]) for part in components):
        raise ValidationError(f"Layout {template!r} is not the relative path of a file.")
    return components


def _closing(template: str, start: int) -> int:
    depth = 0
    escaped = False
    for at in range(start, len(template)):
        if escaped:
            escaped = False
            continue
        escaped = template[at] == "\\"
        depth += {"{": 1, "}": -1}.get(template[at], 0)
        if not depth:
            return at
    raise ValidationError(f"Layout {template!r}: a '{{' without its '}}'.")


def _fields(components: Iterable[list[Part]]) -> list[str]:
    return [part.name for component in components for part in component if isinstance(part, _Field)]


class _Template:
    """One form of a layout, checked."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.components = _read(text)
        names = [name for name in _fields(self.components) if name != "*"]
        self.names = frozenset(names)
        unknown = [name for name in names if name not in FIELDS]
        if unknown:
            raise ValidationError(
                f"Layout {text!r}: unknown field {unknown[0]!r}; it knows {', '.join(FIELDS)}, and * for anything."
            )
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ValidationError(f"Layout {text!r}: field {doubled[0]!r} stands there twice.")
        needed = ["subject", "session", *(["trial"] if "rest" in names else [])]
        missing = [name for name in needed if name not in names]
        if "file" not in names and "rest" not in names:
            missing.append("file")
        if missing:
            raise ValidationError(f"Layout {text!r} lacks {', '.join('{' + name + '}' for name in missing)}.")
        if {"file", "rest"} <= self.names:
            raise ValidationError(
                f"Layout {text!r}: {{file}} is the whole name already, {{rest}} a part of it: give one."
            )
        last = _fields(self.components[-1:])
        if "file" in names and (last != ["file"] or len(self.components[-1]) > 1):
            raise ValidationError(
                f"Layout {text!r}: {{file}} is the whole name of a file, and stands alone behind the last '/'; for a part of "
                "the name there are {trial} and {rest}."
            )
        if "rest" in names and "rest" not in last:
            raise ValidationError(
                f"Layout {text!r}: {{rest}} is a part of the file's name: put it behind the last '/'."
            )
        self._expressions = [self._compile(component) for component in self.components]
        self.session_depth = next(
            (
                number + 1
                for number, component in enumerate(self.components)
                if _fields([component]) == ["session"] or {"subject", "session"} == set(_fields([component]))
            ),
            None,
        )

    def match(self, path: str) -> dict[str, str] | None:
        """The fields of a relative path; None where it does not fit."""
        components = path.split("/")
        if len(components) != len(self._expressions):
            return None
        found: dict[str, str] = {}
        for text, expression in zip(components, self._expressions, strict=True):
            own = original_name(text)
            match = expression.fullmatch(text if own is None else own) if text else None
            if match is None:
                return None
            found |= {
                name.removeprefix("f_"): value
                for name, value in match.groupdict().items()
                if name[:2] == "f_"
            }
        return found

    def format(self, place: Place) -> str:
        values = {**attrs.asdict(place), "file": place.name, "rest": place.name}
        components = []
        for component in self.components:
            text = ""
            for part in component:
                text += part if isinstance(part, str) else (values.get(part.name) or "")
            components.append(safe_name(text))
        return "/".join(components)

    def _compile(self, component: list[Part]) -> re.Pattern[str]:
        for one, two in pairwise(component):
            if isinstance(one, _Field) and isinstance(two, _Field) and not (one.pattern or two.pattern):
                raise ValidationError(
                    f"Layout {self.text!r}: nothing stands between {{{one.name}}} and {{{two.name}}}, so that no name says "
                    "where one ends; put a separator there, or a pattern, as in {trial:T\\d+}."
                )
        expression = ""
        for part in component:
            if isinstance(part, str):
                expression += re.escape(part)
                continue
            pattern = part.pattern or ".+?"
            if part.pattern is not None:
                self._check_pattern(part)
            expression += f"(?:{pattern})" if part.name == "*" else f"(?P<f_{part.name}>{pattern})"
        try:
            return re.compile(expression, re.DOTALL)
        except re.error as error:
            raise ValidationError(
                f"Layout {self.text!r}: its patterns do not go together: {error}."
            ) from None

    def _check_pattern(self, part: _Field) -> None:
        """Each pattern by itself: what is unbalanced in two of them may fit together by chance."""
        try:
            found = re.compile(part.pattern or "")
        except (re.error, RecursionError) as error:
            raise ValidationError(
                f"Layout {self.text!r}: the pattern {part.pattern!r} of {{{part.name}}} is not a regular expression: {error}."
            ) from None
        if found.fullmatch(""):
            raise ValidationError(
                f"Layout {self.text!r}: the pattern {part.pattern!r} of {{{part.name}}} fits nothing at all, too: a name has "
                "at least one character."
            )


class Layout:
    """A layout, read once: a template, the name of a preset, or a function (see `LayoutFunction`).

    `read` tells the places of a folder's files, `parse` that of one path alone. Raises ValidationError for unknown or missing
    fields, one field twice, two with nothing between, and what is not a regular expression. Sends nothing.

        Layout("{subject}/{session}/{trial}/{file}").parse("P-1/2024-03-05/Walk 1/data.c3d").trial   # "Walk 1"
    """

    def __init__(self, layout: str | LayoutFunction = AUTO) -> None:
        self._function: LayoutFunction | None = None
        self._templates: list[_Template] = []
        self.template = layout if isinstance(layout, str) else getattr(layout, "__name__", "a function")
        if callable(layout):
            self._function = layout
        elif isinstance(layout, str) and layout in PRESETS:
            self._templates = [_Template(text) for text in PRESETS[layout]]
        elif isinstance(layout, str) and re.fullmatch(r"[\w-]+", layout):
            raise ValidationError(
                f"There is no layout {layout!r}; there are {', '.join(PRESETS)}, or give one as {FOLDERS!r}."
            )
        else:
            self._templates = [_Template(layout)]

    def __repr__(self) -> str:
        return f"Layout({self.template!r})"

    @property
    def session_depth(self) -> int | None:
        """How many folders deep a session's own folder is; None where its name shares a folder, or nobody knows."""
        depths = {template.session_depth for template in self._templates}
        return depths.pop() if len(depths) == 1 else None

    def parse(self, path: str) -> Place | None:
        """The place of a relative path with `/` between its folders, by itself; None where it does not fit the layout."""
        return self.read([path])[0].place

    def read(self, files: Mapping[str, Path] | Iterable[str]) -> list[Reading]:
        """The places of files by their paths below the folder, in their order.

        Files of one folder are read together: their names say which trials there are. With the files (a mapping from
        path to file) `"vicon"` reads the conditions from them. Raises ValidationError for what a function returned.
        """
        paths = list(files)
        if self.template == "vicon" and self._function is None:
            return _read_vicon(paths, files if isinstance(files, Mapping) else {})
        found: list[list[dict[str, Any]]] = [self._matches(path) for path in paths]
        folders: dict[str, set[str]] = {}
        for path, matches in zip(paths, found, strict=True):
            names = (one["name"] for one in matches if "trial" not in one)
            folders.setdefault(path.rpartition("/")[0], set()).update(names)
        trials = {folder: trials_of(names) for folder, names in folders.items()}
        readings = []
        for path, matches in zip(paths, found, strict=True):
            known = trials[path.rpartition("/")[0]]
            folder = next((one.pop("folder") for one in matches if "folder" in one), None)
            places = [
                Place(
                    **{"trial": known.get(one["name"], ""), **{k: v for k, v in one.items() if k != "folder"}}
                )
                for one in matches
            ]
            if places:
                readings.append(Reading(path, places[0], tuple(places[1:]), session_folder=folder))
            elif self._function is not None:
                readings.append(Reading(path, None, reason="left out by the layout function"))
            else:
                readings.append(Reading(path, None, reason=f"does not fit the layout {self.template}"))
        return readings

    def format(self, place: Place) -> str:
        """The relative path of a place by the first form of the layout that `parse` reads it back from.

        Raises ValidationError where there is none: an empty field, or one that holds its own separator.
        """
        for template in self._templates:
            path = template.format(place)
            if self.parse(path) == place:
                return path
        raise ValidationError(f"{place} cannot be read back from a path of layout {self.template!r}.")

    def _matches(self, path: str) -> list[dict[str, Any]]:
        """The places that the forms give, without the trial where the name says it."""
        if self._function is not None:
            return _called(self._function, path)
        found = []
        for template in self._templates:
            match = template.match(path)
            if match is None:
                continue
            values: dict[str, Any] = {"subject": match["subject"], "session": match["session"]}
            values["condition"] = match.get("condition")
            values["name"] = match["file"] if "file" in match else match["rest"]
            if "trial" in match:
                values["trial"] = match["trial"]
            if template.session_depth is not None:
                values["folder"] = "/".join(path.split("/")[: template.session_depth])
            found.append(values)
        return found


def _called(function: LayoutFunction, path: str) -> list[dict[str, Any]]:
    """What a layout of the user's own says of a path."""
    try:
        said = function(path)
    except Exception as error:
        raise ValidationError(f"the layout function failed for {path!r}: {error!r}") from error
    if said is None:
        return []
    if isinstance(said, Place):
        return [attrs.asdict(said)]
    if not isinstance(said, Mapping):
        raise ValidationError(
            f"the layout function returned {said!r} for {path!r}; a dict, a Place or None is wanted"
        )
    wanted = ("subject", "session", "condition", "trial", "name", "type")
    unknown = [key for key in said if key not in wanted]
    missing = [key for key in ("subject", "session") if not said.get(key)]
    if unknown or missing:
        problem = f"has no {missing[0]!r}" if missing else f"has {unknown[0]!r}"
        raise ValidationError(
            f"the layout function's dict for {path!r} {problem}; it may have {', '.join(wanted)}"
        )
    values = {key: value for key, value in said.items() if value is not None}
    wrong = [key for key, value in values.items() if not isinstance(value, str) or not value]
    if wrong:
        raise ValidationError(
            f"the layout function's {wrong[0]} for {path!r} is {said[wrong[0]]!r}, not a text"
        )
    if values.get("type") is not None and values["type"] not in DATA_TYPES:
        raise ValidationError(
            f"the layout function's type for {path!r} is {values['type']!r}; there are {', '.join(DATA_TYPES)}"
        )
    local = path.rpartition("/")[2]
    return [{"condition": None, "name": original_name(local) or local, **values}]


# Vicon -----------------------------------------------------------------------------------------------------------

_SESSION_ENF = re.compile(r"(?i).*\.session\d*\.enf")
_TRIAL_ENF = re.compile(r"(?i)(?P<trial>.+)\.trial\d*\.enf")
_ENF_SIZE = 1 << 16


def _read_vicon(paths: list[str], files: Mapping[str, Path]) -> list[Reading]:
    """See `PRESETS`."""
    sessions = {path.rpartition("/")[0] for path in paths if _SESSION_ENF.fullmatch(path.rpartition("/")[2])}
    if not sessions:
        sessions = _topmost({path.rpartition("/")[0] for path in paths if path.lower().endswith(".c3d")})
    below: dict[str, list[str]] = {}
    readings: dict[str, Reading] = {}
    for path in paths:
        folder = path.rpartition("/")[0]
        while folder and folder not in sessions:
            folder = folder.rpartition("/")[0]
        if folder not in sessions:
            readings[path] = Reading(
                path, None, reason="it is in no session's folder, with a *.Session.enf or C3D files"
            )
        elif "/" not in folder:
            reason = "its session's folder lies in no subject's folder: upload the folder above"
            readings[path] = Reading(path, None, reason=reason)
        else:
            below.setdefault(folder, []).append(path)
    for folder, members in below.items():
        subject, session = (original_name(name) or name for name in folder.split("/")[-2:])
        names = {path: original_name(path.rpartition("/")[2]) or path.rpartition("/")[2] for path in members}
        trials = trials_of(names.values())
        conditions = {}
        for path, name in names.items():
            match = _TRIAL_ENF.fullmatch(name)
            if match is not None and path in files:
                conditions[trials[name]] = _description(files[path])
        for path, name in names.items():
            place = Place(subject, session, conditions.get(trials[name]), trials[name], name)
            readings[path] = Reading(path, place, session_folder=folder)
    return [readings[path] for path in paths]


def _topmost(folders: set[str]) -> set[str]:
    """Those that lie in no other one of them."""
    return {
        folder
        for folder in folders
        if not any(one != folder and (not one or folder.startswith(f"{one}/")) for one in folders)
    }


def _description(path: Path) -> str | None:
    """The Description of a trial's `.enf` file, which is a Windows INI file; None where there is none."""
    from .source import open_regular

    try:
        with open_regular(path) as stream:
            content = stream.read(_ENF_SIZE)
    except (OSError, ValidationError):
        return None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", "replace")
    section = ""
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("["):
            section = line.strip("[]").upper()
        key, equals, value = line.partition("=")
        if section == "TRIAL_INFO" and equals and key.strip().upper() == "DESCRIPTION":
            return value.strip() or None
    return None


# when nothing fits -----------------------------------------------------------------------------------------------


def nothing_fits(paths: Iterable[str], layout: Layout) -> ValidationError:
    """The error for a folder of which no file fits the layout: two of its paths, and a layout that fits them if one is
    found."""
    shown = list(paths)
    examples = "".join(f"\n    {path}" for path in shown[:2])
    wanted = " or ".join(PRESETS[layout.template]) if layout.template in PRESETS else layout.template
    text = f"No file fits the layout {wanted or layout.template}. There are:{examples}"
    advice = suggestion(shown)
    if advice is not None:
        return ValidationError(f"{text}\nThis one fits: layout={advice!r}")
    return ValidationError(
        f"{text}\nThe paths need a folder of the subject and one of the session: upload the folder above, or give "
        "layout= a function that returns subject, session, condition and trial for a path."
    )


def suggestion(paths: list[str]) -> str | None:
    """A layout that fits most of the paths; None where none is found.

    The session is the folder that begins with a date, where there is one, and the subject is before it.
    """
    if not paths:
        return None
    lengths = [len(path.split("/")) for path in paths]
    length = max(sorted(set(lengths)), key=lengths.count)
    rows = [path.split("/") for path in paths if path.count("/") == length - 1]
    dated = [
        number
        for number in range(length - 1)
        if sum(bool(_DAY.search(row[number])) for row in rows) * 2 > len(rows)
    ]
    candidates = []
    for at in [*dated, *([] if dated else range(1, length - 1))]:
        after = length - 2 - at
        tail = {0: ["{file}"], 1: ["{condition}", "{file}"], 2: ["{condition}", "{trial}", "{file}"]}.get(
            after, ["{condition}", *["{*}"] * (after - 2), "{trial}", "{file}"]
        )
        for separator in ("_", " ", "-"):
            if dated and separator in _DAY.sub("D", rows[0][at]):
                # the date shares its folder with the subject: "P-001_2024-03-05"
                pattern = "{subject}" + separator + r"{session:\d{4}.*}"
                candidates.append("/".join([*["{*}"] * at, pattern, *tail]))
        if at:
            candidates.insert(0, "/".join([*["{*}"] * (at - 1), "{subject}", "{session}", *tail]))
    if length == 1:
        candidates += [
            r"{subject}_{session:\d{4}\D?\d\d\D?\d\d}_{condition}_{trial}.{rest}",
            "{subject}_{session}_{trial}.{rest}",
        ]
    for candidate in candidates:
        layout = Layout(candidate)
        fitting = sum(layout.parse(path) is not None for path in paths)
        if fitting * 2 > len(paths):
            return candidate
    return None


# downloads -------------------------------------------------------------------------------------------------------


class OutputLayout:
    """How the files of a download are laid out: a template with the fields `OUTPUT_FIELDS`.

    `{date}` is the session's day as `2024-03-05`, or `undated`; a folder whose fields are all empty (`{condition}` of a trial
    without one) is left away. Values become safe names: a `/` in one makes no folder. Raises ValidationError for a template
    that cannot be. Sends nothing.

        OutputLayout("sub-{subject}/ses-{date}/{trial}_{file}")
    """

    def __init__(self, template: str) -> None:
        self.template = template
        self._components = _read(template)
        names = _fields(self._components)
        unknown = [name for name in names if name not in OUTPUT_FIELDS]
        if unknown:
            raise ValidationError(
                f"Layout {template!r}: unknown field {unknown[0]!r}; a download knows {', '.join(OUTPUT_FIELDS)}."
            )
        if any(
            isinstance(part, _Field) and part.pattern is not None for row in self._components for part in row
        ):
            raise ValidationError(
                f"Layout {template!r}: patterns are for uploads; a download writes the names as they are."
            )
        if not {"file", "id"} & set(_fields(self._components[-1:])):
            raise ValidationError(
                f"Layout {template!r}: the last part is a file's name and needs {{file}} or {{id}}."
            )

    def __repr__(self) -> str:
        return f"OutputLayout({self.template!r})"

    @property
    def fields(self) -> frozenset[str]:
        """The fields that it uses: only these have to be loaded."""
        return frozenset(_fields(self._components))

    def parts(self, values: Mapping[str, str | None], key: Hashable) -> tuple[tuple[Hashable, str], ...]:
        """Key and name of each folder and of the file, for `names.local_paths`; `key` is the file's own.

        `values` are the fields' texts. Files whose folders have the same names share them, and of two files that would have
        the same name there, the later gets a mark.
        """
        names: list[str] = []
        for component in self._components:
            texts = [part if isinstance(part, str) else self._text(part.name, values) for part in component]
            fields = [text for part, text in zip(component, texts, strict=True) if isinstance(part, _Field)]
            if fields and not any(fields):
                continue
            names.append("".join(texts))
        folders = [(("layout", *names[: number + 1]), name) for number, name in enumerate(names[:-1])]
        return (*folders, (key, names[-1]))

    def _text(self, name: str, values: Mapping[str, str | None]) -> str:
        text = values.get(name)
        if name == "date" and not text:
            return "undated"
        return text or ""


@attrs.frozen
class SessionImport:
    """What a `moveshelf_config_import.json` says of its session: `metadata`, and `date` (YYYY-MM-DD) or None."""

    metadata: dict[str, Any]
    date: str | None


def read_session_import(path: Path) -> SessionImport:
    """Read the import file of a session's folder: `{"sessionMetadata": {...}, "session_date": ...}`.

    The date may stand beside the metadata or inside it. Raises ValidationError, naming the file, for anything
    else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise ValidationError(f"{path} cannot be read as JSON: {error}") from None
    return session_import(content, str(path))


def session_import(content: Any, where: str = CONFIG_FILE) -> SessionImport:
    """The same of what was in the file; `where` names it in errors."""
    if not isinstance(content, Mapping):
        raise ValidationError(f"{where} holds {type(content).__name__}, not an object.")
    values = content.get("sessionMetadata")
    if values is None:
        values = {}
    if not isinstance(values, Mapping):
        raise ValidationError(f"{where}: sessionMetadata is {type(values).__name__}, not an object.")
    metadata = dict(values)
    inside = metadata.pop("session_date", None)
    outside = content.get("session_date")
    dates = {_date(date, where) for date in (outside, inside) if date not in (None, "")}
    if len(dates) > 1:
        raise ValidationError(f"{where} gives two dates of the session: {' and '.join(sorted(dates))}.")
    return SessionImport(metadata, dates.pop() if dates else None)


def _date(value: Any, where: str) -> str:
    from datetime import date

    text = str(value)[:10]
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValidationError(f"{where}: session_date {value!r} is no date (YYYY-MM-DD).") from None
