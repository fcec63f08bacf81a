"""What is checked before anything is sent: names, values, and what may be said of a clip."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from typing import Any, TypedDict

from ..errors import ValidationError
from ..timecode import Timecode


class ClipValues(TypedDict, total=False):
    """What may be said of a clip when it is made or changed, beside its title and condition."""

    description: str | None
    preview_image_uri: str | None
    allow_download: bool | None
    allow_unlisted_access: bool | None
    start_timecode: Timecode | tuple[str, str] | Mapping[str, str] | None
    custom_options: Any


#: What may be said of a clip: our word, the wire's word, its type.
CLIP_VALUES: dict[str, tuple[str, type]] = {
    "title": ("title", str),
    "description": ("description", str),
    "preview_image_uri": ("previewImageUri", str),
    "allow_download": ("allowDownload", bool),
    "allow_unlisted_access": ("allowUnlistedAccess", bool),
    "start_timecode": ("startTimecode", object),
}


def checked_name(name: Any, what: str) -> str:
    """A name for something new. Raises ValidationError for what is no text, blank, or would break a path."""
    if not isinstance(name, str) or not name.strip():
        raise ValidationError(f"a {what} needs a name, which is text and not blank; this is {name!r}")
    if "/" in name:
        raise ValidationError(
            f"the name of a {what} becomes a part of a path and cannot hold a slash: {name!r}; use '-', for example"
        )
    if name != name.strip() or not name.isprintable():
        raise ValidationError(
            f"the name {name!r} of a {what} has white space at an end, or characters that nobody sees: leave them out"
        )
    return name


def checked_folder(name: Any) -> str:
    """A condition's name; slashes at its ends do not count. Raises ValidationError."""
    return checked_name(name.strip("/") if isinstance(name, str) else name, "condition")


def checked_title(title: Any) -> str:
    """A clip's title. Raises ValidationError for what is no text, or blank."""
    if not isinstance(title, str) or not title.strip():
        raise ValidationError(f"a clip's title is text and not blank; this is {title!r}")
    return title


def checked_values(values: Any) -> dict[str, Any]:
    """Metadata to write, as a dictionary of one's own. Raises ValidationError for another type or for keys that are none."""
    if not isinstance(values, Mapping):
        raise ValidationError(
            f"metadata is a dictionary of fields and values, like {{'subject-sex': 'Male'}}, not {type(values).__name__}"
        )
    for key in values:
        if not isinstance(key, str) or not key:
            raise ValidationError(f"a metadata field has a name that is text and not empty; {key!r} is none")
    return dict(values)


def checked_interventions(given: Any) -> list[dict[str, Any]]:
    """Interventions to write. Raises ValidationError where they are no list of dictionaries that JSON can hold."""
    if isinstance(given, (str, Mapping)) or not isinstance(given, (list, tuple)):
        raise ValidationError(f"interventions are a list of dictionaries, not {type(given).__name__}")
    for one in given:
        if not isinstance(one, Mapping):
            raise ValidationError(f"an intervention is a dictionary, not {one!r}")
    try:
        json.dumps(list(given), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValidationError(f"the interventions cannot be written as JSON: {error}") from None
    return [dict(one) for one in given]


def clip_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of a clip in the wire's words; None says nothing.

    Raises ValidationError for an argument that is none, a wrong type, a malformed timecode.
    """
    said: dict[str, Any] = {}
    for name, value in values.items():
        if name not in CLIP_VALUES:
            raise ValidationError(_unknown(name))
        word, kind = CLIP_VALUES[name]
        if value is None:
            continue
        if name == "title":
            value = checked_title(value)
        elif name == "start_timecode":
            value = Timecode.of(value).as_wire()
        elif not isinstance(value, kind):
            raise ValidationError(f"{name} of a clip is a {kind.__name__}, not {value!r}")
        said[word] = value
    return said


def _unknown(name: str) -> str:
    wire = {word.casefold(): ours for ours, (word, _) in CLIP_VALUES.items()}
    plain = name.replace("_", "").casefold()
    known = [*CLIP_VALUES, "condition", "custom_options"]
    near = [wire[plain]] if plain in wire else difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"there is {', '.join(known)}"
    return f"a clip has no {name!r} that can be set; {hint}"


def options_text(options: Any) -> str | None:
    """Custom options as JSON text. Raises ValidationError for what JSON has no form for."""
    if options is None:
        return None
    if isinstance(options, str):
        try:
            json.loads(options)
        except ValueError:
            raise ValidationError(
                f"custom_options is a dictionary or JSON text; {options[:60]!r} is neither"
            ) from None
        return options
    try:
        return json.dumps(options, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValidationError(f"custom_options cannot be written as JSON: {error}") from None
