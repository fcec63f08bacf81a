"""The small types that scripts for the flat client import: clip metadata, timecodes, and the bearer token."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypedDict

from ..errors import ValidationError
from ..operations.validation import InputTypeError
from ..timecode import TimecodeFramerate as TimecodeFramerate  # scripts know it from here
from ..timecode import parts


class Timecode(TypedDict):
    """When a clip starts: `timecode` is `HH:MM:SS:FF` (`;` before the frames for drop-frame), and its frame rate."""

    timecode: str
    framerate: TimecodeFramerate


class Metadata(TypedDict, total=False):
    """What may be said of a clip when it is made or changed. Every key is optional.

    `projectPath` is the folder: `/<subject>/<session>/<condition>/`.
    """

    title: str
    description: str
    previewImageUri: str
    allowDownload: bool
    allowUnlistedAccess: bool
    startTimecode: Timecode
    projectPath: str


class TimecodeError(ValidationError, AssertionError):
    """A timecode that is none. Scripts catch it as the AssertionError that it used to be."""


def framerate_name(timecode: Any) -> str:
    """The wire's name of a timecode's frame rate, once all of it has been checked.

    Raises TimecodeError. These are `raise`, not `assert`: `python -O` checks too.
    """
    if not isinstance(timecode, Mapping):
        raise TimecodeError(f"a timecode is a dict of 'timecode' and 'framerate', not {timecode!r}")
    text, rate = timecode.get("timecode"), timecode.get("framerate")
    if not text:
        raise TimecodeError(f"the timecode {timecode!r} has no 'timecode' (HH:MM:SS:FF)")
    if not rate:
        raise TimecodeError(f"the timecode {timecode!r} has no 'framerate' (a TimecodeFramerate)")
    if not isinstance(rate, TimecodeFramerate):
        rates = ", ".join(map(str, TimecodeFramerate))
        raise TimecodeError(f"framerate {rate!r} is no TimecodeFramerate; take one of {rates}")
    _check_text(text)
    return rate.name


def _check_text(text: Any) -> None:
    if parts(text) is None:
        raise TimecodeError(f"timecode {text!r} is not HH:MM:SS:FF (or ;FF), with two or three frame digits")


def check_named(timecode: Any) -> None:
    """As a new clip's timecode is checked: its frame rate may have the service's own spelling ("FPS_25") already."""
    spelled = timecode.get("framerate") if isinstance(timecode, Mapping) else None
    if isinstance(spelled, str) and spelled in TimecodeFramerate.__members__:
        _check_text(timecode.get("timecode"))
    else:
        timecode["framerate"] = framerate_name(timecode)


def with_timecode(metadata: Any, check: Callable[[Any], object]) -> dict[str, Any]:
    """A copy of clip metadata as it travels; the caller's dictionaries stay as they are.

    `check` gets a copy of the `startTimecode`, and puts the frame rate's name into it. Raises InputTypeError, TimecodeError.
    """
    if not isinstance(metadata, Mapping):
        raise InputTypeError(f"the metadata of a clip is a dict like {{'title': 'Walk'}}, not {metadata!r}")
    copied = dict(metadata)
    if start := copied.get("startTimecode"):
        copied["startTimecode"] = start = dict(start) if isinstance(start, Mapping) else start
        check(start)
    return copied


class BearerTokenAuth:
    """The access token as HTTP wants it. Works as `auth=` of requests too."""

    def __init__(self, token: str) -> None:
        self._auth = f"Bearer {token}"

    def __call__(self, request: Any) -> Any:
        """Put the token on a request of the requests library, and return it."""
        request.headers["Authorization"] = self._auth
        return request

    def get_auth_header(self) -> dict[str, str]:
        """`{"Authorization": "Bearer ..."}`. For the API's own host only."""
        return {"Authorization": self._auth}

    def __repr__(self) -> str:
        return "BearerTokenAuth(...)"

    def __reduce__(self) -> Any:
        raise TypeError(
            "an access token is not pickled or copied: make a MoveshelfApi from its key file where you need it"
        )
