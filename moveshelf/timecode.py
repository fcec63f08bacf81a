"""Timecodes: when a clip starts, as hours, minutes, seconds and frames."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from .errors import ValidationError

if TYPE_CHECKING:
    from typing_extensions import Self

_TEXT = re.compile(r"(\d{2}):(\d{2}):(\d{2})([:;])(\d{2,3})", re.ASCII)


class TimecodeFramerate(enum.Enum):
    """Frames per second of a timecode. The name (`FPS_29_97`) is what travels, the value is the number's text."""

    FPS_24 = "24"
    FPS_25 = "25"
    FPS_29_97 = "29.97"
    FPS_30 = "30"
    FPS_50 = "50"
    FPS_59_94 = "59.94"
    FPS_60 = "60"
    FPS_1000 = "1000"

    @property
    def frames(self) -> int:
        """How many frame numbers a second has: 30 at 29.97."""
        return round(float(self.value))

    @classmethod
    def of(cls, rate: Any) -> TimecodeFramerate:
        """The rate of a member, its name (`"FPS_29_97"`) or its number (`29.97`, `"29.97"`).

        Raises ValidationError that lists the rates there are.
        """
        if isinstance(rate, cls):
            return rate
        if not isinstance(rate, bool) and isinstance(rate, (str, int, float)):
            for member in cls:
                if str(rate) in (member.name, member.value, f"{member.value}.0"):
                    return member
        raise ValidationError(f"{rate!r} is no frame rate; take one of {', '.join(one.name for one in cls)}")


def parts(text: Any) -> tuple[int, int, int, str, str] | None:
    """Hours, minutes, seconds, the separator and the frames' digits of `HH:MM:SS:FF` or `HH:MM:SS;FF`; None for none.

    Frames have two or three digits. How many of them a second has depends on the rate, which is not judged here.
    """
    found = _TEXT.fullmatch(text) if isinstance(text, str) else None
    if found is None or int(found[2]) > 59 or int(found[3]) > 59:
        return None
    return int(found[1]), int(found[2]), int(found[3]), found[4], found[5]


class _Parts(NamedTuple):
    # a tuple and not an attrs class: the flat client imports this module at its start, which should cost little
    hours: int
    minutes: int
    seconds: int
    frames: int
    framerate: TimecodeFramerate
    drop_frame: bool
    digits: int


class Timecode(_Parts):
    """A point in time of a recording: `Timecode.parse("01:02:03:04", "FPS_25")`.

    `drop_frame` is the `;` before the frames, `digits` how many digits those are written with. Equal in every part.
    """

    __slots__ = ()

    def __new__(
        cls,
        hours: int,
        minutes: int,
        seconds: int,
        frames: int,
        framerate: TimecodeFramerate,
        drop_frame: bool = False,
        digits: int = 2,
    ) -> Self:
        for name, value, most in (("hours", hours, 99), ("minutes", minutes, 59), ("seconds", seconds, 59)):
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
                raise ValidationError(f"{name} of a timecode are 0 to {most}, not {value!r}")
        if not isinstance(framerate, TimecodeFramerate):
            raise ValidationError(f"the frame rate is a TimecodeFramerate, not {framerate!r}")
        last = framerate.frames - 1
        if not isinstance(frames, int) or not 0 <= frames <= last:
            raise ValidationError(
                f"frames of a timecode at {framerate.value} a second are 0 to {last}, not {frames!r}"
            )
        if digits not in (2, 3) or frames >= 10**digits:
            raise ValidationError(
                f"frames are written with two or three digits; {frames} not with {digits!r}"
            )
        return super().__new__(cls, hours, minutes, seconds, frames, framerate, drop_frame, digits)

    @classmethod
    def parse(cls, text: str, framerate: Any) -> Timecode:
        """From `HH:MM:SS:FF` or `HH:MM:SS;FF` (frames of two or three digits) and a rate, its name or its number.

        Raises ValidationError for text that is none, an unknown rate, and a frame number that the rate does not have.
        """
        rate = TimecodeFramerate.of(framerate)
        found = parts(text)
        if found is None:
            raise ValidationError(
                f"{text!r} is no timecode: it is like '01:02:03:04' or '01:02:03;04', frames of two or three digits"
            )
        hours, minutes, seconds, separator, frames = found
        return cls(hours, minutes, seconds, int(frames), rate, separator == ";", len(frames))

    @classmethod
    def of(cls, value: Any) -> Timecode:
        """From a Timecode, `{"timecode": ..., "framerate": ...}` or a pair of the two. Raises ValidationError."""
        if isinstance(value, cls):
            return value
        if isinstance(value, Mapping) and set(value) == {"timecode", "framerate"}:
            return cls.parse(value["timecode"], value["framerate"])
        if isinstance(value, (tuple, list)) and len(value) == 2:
            return cls.parse(value[0], value[1])
        raise ValidationError(
            f"a start timecode is a Timecode, a pair like ('01:02:03:04', 'FPS_25') or a dictionary of 'timecode' "
            f"and 'framerate', not {value!r}"
        )

    def as_wire(self) -> dict[str, str]:
        """`{"timecode": "01:02:03:04", "framerate": "FPS_25"}`: as the service takes it."""
        return {"timecode": str(self), "framerate": self.framerate.name}

    def __str__(self) -> str:
        separator = ";" if self.drop_frame else ":"
        start = f"{self.hours:02d}:{self.minutes:02d}:{self.seconds:02d}"
        return f"{start}{separator}{self.frames:0{self.digits}d}"
