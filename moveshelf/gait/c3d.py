"""C3D files as labelled arrays: points, analog signals, events and parameters.

The format is the one of the C3D user guide (Motion Lab Systems, https://www.c3d.org): a header of 512 bytes, a section
of parameters, and frames of points and analog samples, as floating-point numbers or as scaled 16-bit integers, with
the byte order of one of three processors. `read` reads a file, `parse` the bytes of one, so that nothing has to be
written to the disk.

The bytes are read here with numpy, not by ezc3d, which the tests use beside the package `c3d` as a second opinion. On
damaged files ezc3d ends the whole Python process (segmentation fault) or never returns, it reads a truncated file as a
shorter one, it drops the sign of an analog offset, it reads unsigned analog samples as signed ones, and it stops at
65,535 frames. Here every number is checked against the size of the file before it is used.
"""

from __future__ import annotations

import math
import os
import struct
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from ..errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["C3D", "parse", "read"]

Parameters: TypeAlias = "dict[str, dict[str, Any]]"
Floats: TypeAlias = "npt.NDArray[np.float64]"

BLOCK = 512
MAGIC = 0x50
INTEL, DEC, MIPS = 84, 85, 86
#: the largest frame number that the header's 16 bits hold; more frames are counted in parameters
LAST_COUNTED = 0xFFFF
#: the most markers or analog channels: their number is one of 16 bits
MOST = 0xFFFF
HAS_HEADER_EVENTS = 12345
HEADER_EVENTS = 18
EVENT_COLUMNS = ["label", "context", "time", "subject", "description"]


@attrs.frozen(eq=False)
class C3D:
    """One C3D file.

    Attributes:
        name: the file's name.
        points: the markers' positions, an `xarray.DataArray` with dims `frame`, `marker`, `axis` ("x", "y", "z"),
            float64, in the unit of `points.attrs["unit"]` (often "mm"; "" where the file names none). A point that no
            camera saw is NaN on all three axes. Coordinates: `frame`, the frame's number in the file (a trial that was
            cut begins at a number above 1), and `time` in seconds, 0 at frame 1. `points.attrs["rate"]` is in frames a
            second. Two markers with the same label stay two markers of that label.
        analogs: the analog channels, dims `sample`, `channel`, float64, offset and scales applied, with the
            coordinates `time` (seconds, on the points' time line, at a rate of its own) and `unit` (on `channel`).
            `analogs.attrs["rate"]` is in samples a second.
        events: one row an event, in the order of time: `label` ("Foot Strike"), `context` ("Left", "Right",
            "General"), `time` (seconds, on the points' time line), `subject`, `description`.
        parameters: all parameters, `{group: {parameter: value}}`, names in capitals. A value is a number, a text, or a
            list of them (lists of lists where the file has several dimensions, indexed in the file's order:
            `parameters["FORCE_PLATFORM"]["CORNERS"][axis][corner][plate]`). A single number is a number, not a list.
    """

    name: str
    points: xr.DataArray = attrs.field(repr=False)
    analogs: xr.DataArray = attrs.field(repr=False)
    events: pd.DataFrame = attrs.field(repr=False)
    parameters: Parameters = attrs.field(repr=False)

    @property
    def rate(self) -> float:
        """Frames of points a second; NaN where the file does not tell."""
        return float(self.points.attrs["rate"])

    @property
    def analog_rate(self) -> float:
        """Samples of each analog channel a second; NaN where the file does not tell."""
        return float(self.analogs.attrs["rate"])

    @property
    def markers(self) -> list[str]:
        """The markers' labels, in the file's order."""
        return [str(label) for label in self.points["marker"].values]

    @property
    def channels(self) -> list[str]:
        """The analog channels' labels, in the file's order."""
        return [str(label) for label in self.analogs["channel"].values]

    @property
    def duration(self) -> float:
        """Seconds from the first frame to the end of the last one."""
        frames = self.points.sizes["frame"]
        return frames / self.rate if self.rate > 0 else math.nan

    def __str__(self) -> str:
        points, analogs = self.points.sizes, self.analogs.sizes
        return (
            f"{self.name}: {points['marker']} markers, {points['frame']} frames at {self.rate:g} Hz; "
            f"{analogs['channel']} analog channels at {self.analog_rate:g} Hz; {len(self.events)} events"
        )


def read(path: str | os.PathLike[str]) -> C3D:
    """The C3D file at `path`.

    Sends no request: for a file of the service, `file.c3d()` reads its contents and parses them.

    Raises:
        ValidationError: the file is no C3D file, is damaged or is shorter than it says; the text names the file.
        OSError: there is no such file, or it may not be read.

    Warns (UserWarning) where the file contradicts itself and one of its statements had to be chosen.

    Example:
        >>> trial = moveshelf.gait.c3d.read("Walk 01.c3d")
        >>> trial.points.sel(marker="LHEE", axis="z")          # heights of the left heel, in mm
        >>> trial.events[trial.events.context == "Left"].time  # seconds
    """
    return parse(Path(path).read_bytes(), name=os.fspath(path))


def parse(data: bytes, name: str = "C3D data") -> C3D:
    """The C3D file whose bytes are `data`; `name` is what errors and warnings call it.

    Raises ValidationError and warns as `read` does.

    Example:
        >>> moveshelf.gait.c3d.parse(file.read_bytes(), file.name).markers
        ['LASI', 'RASI', 'SACR']
    """
    with np.errstate(all="ignore"):  # a damaged number is NaN or infinite
        return _Reader(bytes(data), name).c3d()


@attrs.frozen
class _Parameter:
    """One parameter as it lies in the file: `size` bytes an element (-1: text), its dimensions, its bytes."""

    size: int
    dims: tuple[int, ...]
    raw: bytes


class _Reader:
    """The bytes of one file, with what its header says. Positions are counted from 0, blocks from 1."""

    def __init__(self, data: bytes, name: str) -> None:
        self.data = data
        self.name = name
        if len(data) < 2 * BLOCK:
            raise self.error(f"it has {len(data)} bytes, fewer than the header and the parameters take")
        if data[1] != MAGIC:
            raise self.error(f"its second byte is {data[1]}, not {MAGIC}")
        self.section = (data[0] - 1) * BLOCK
        if data[0] < 2 or self.section + 4 > len(data):
            raise self.error(f"its parameters are said to begin in block {data[0]}, where there are none")
        self.processor = data[self.section + 3]
        if self.processor not in (INTEL, DEC, MIPS):
            raise self.error(f"it was written by an unknown kind of processor ({self.processor})")
        self.order = ">" if self.processor == MIPS else "<"
        words = struct.unpack(f"{self.order}5H", data[2:12])
        self.header_points, self.header_analogs, self.header_first, self.header_last, _ = words
        self.header_scale = float(self.floats(data[12:16])[0])
        self.data_block, self.header_samples = struct.unpack(f"{self.order}2H", data[16:20])
        self.header_rate = float(self.floats(data[20:24])[0])
        self.groups = self.read_parameters()

    def error(self, what: str) -> ValidationError:
        return ValidationError(f"{self.name} cannot be read as a C3D file: {what}")

    def warn(self, what: str) -> None:
        warnings.warn(f"{self.name}: {what}", UserWarning, stacklevel=5)

    # -- numbers ------------------------------------------------------------------------------------------------

    def floats(self, raw: bytes) -> Floats:
        """Floating-point numbers of four bytes, of whichever processor."""
        if self.processor != DEC:
            return np.frombuffer(raw, dtype=f"{self.order}f4").astype(np.float64)
        # DEC: the halves change places, and the exponent counts from 129, where IEEE 754 has 127: a factor of 4
        halves = np.frombuffer(raw, dtype="<u2").reshape(-1, 2)
        swapped = np.ascontiguousarray(halves[:, ::-1]).view("<f4").ravel()
        return swapped.astype(np.float64) / 4.0

    # -- the parameters -----------------------------------------------------------------------------------------

    def read_parameters(self) -> dict[str, dict[str, _Parameter]]:
        names: dict[int, str] = {}
        found: dict[int, dict[str, _Parameter]] = {}
        for number, name, item in self.items():
            if item is None:
                names[number] = name
            else:
                found.setdefault(number, {})[name] = item
        groups: dict[str, dict[str, _Parameter]] = {name: {} for name in names.values()}
        for number, own in found.items():
            groups.setdefault(names.get(number, f"GROUP {number}"), {}).update(own)
        return groups

    def items(self) -> Iterator[tuple[int, str, _Parameter | None]]:
        """Groups (without a parameter) and parameters, one after the other: group's number, name, parameter."""
        data, at = self.data, self.section + 4
        end = (self.data_block - 1) * BLOCK
        if not self.section < end <= len(data):
            end = min(len(data), self.section + max(1, data[self.section + 2]) * BLOCK)

        def take(count: int) -> bytes:
            nonlocal at
            if at + count > end:
                raise self.error(f"its parameters run past their section (byte {at + count} of {end})")
            at += count
            return data[at - count : at]

        while at + 2 <= end:
            length, number = struct.unpack("2b", take(2))
            if length == 0 or number == 0:
                return
            name = _text(take(abs(length))).upper()
            here = at
            (offset,) = struct.unpack(f"{self.order}H", take(2))
            if number < 0:
                yield -number, name, None
            else:
                size, count = struct.unpack("bB", take(2))
                if size not in (-1, 1, 2, 4):
                    raise self.error(f"its parameter {name} is of an unknown type ({size})")
                dims = tuple(take(count))
                yield number, name, _Parameter(size, dims, take(math.prod(dims) * abs(size)))
            if offset == 0:
                return
            # the description lies between; the offset leads past it
            if here + offset < at or here + offset > end:
                raise self.error(
                    f"what follows its parameter {name} is said to lie where it cannot (byte {here + offset})"
                )
            at = here + offset

    def value(self, parameter: _Parameter) -> Any:
        """A number, a text, or lists of them, indexed in the order of the file's dimensions."""
        dims = parameter.dims
        if parameter.size == -1:
            if not dims:
                return _text(parameter.raw)
            width, counts = dims[0], dims[1:]
            total = math.prod(counts)
            texts = [_text(parameter.raw[n * width : (n + 1) * width]) for n in range(total)]
            return texts[0] if not counts else _nested(np.array(texts, dtype=object), counts)
        numbers = self.numbers(parameter)
        return numbers[0].item() if numbers.size == 1 else _nested(numbers, dims)

    def numbers(self, parameter: _Parameter) -> npt.NDArray[Any]:
        if parameter.size == 4:
            return self.floats(parameter.raw)
        if parameter.size == -1:
            return np.array([])
        return np.frombuffer(parameter.raw, dtype="i1" if parameter.size == 1 else f"{self.order}i2").astype(
            np.int64
        )

    def parts(self, group: str, name: str) -> Iterator[_Parameter]:
        """The parameter and what continues it: a list of more than 255 goes on in `LABELS2`, `LABELS3`, …"""
        own = self.groups.get(group, {})
        number = 1
        while (key := name if number == 1 else f"{name}{number}") in own:
            yield own[key]
            number += 1

    def series(self, group: str, name: str) -> npt.NDArray[Any]:
        found = [self.numbers(part) for part in self.parts(group, name)]
        return np.concatenate(found) if found else np.array([])

    def texts(self, group: str, name: str) -> list[str]:
        found: list[str] = []
        for part in self.parts(group, name):
            value = self.value(part)
            found += (
                [value]
                if isinstance(value, str)
                else [str(one) for one in value]
                if isinstance(value, list)
                else []
            )
        return found

    def number(self, group: str, name: str) -> float | None:
        values = self.series(group, name)
        return float(values[0]) if values.size and math.isfinite(values[0]) else None

    def count(self, group: str, name: str) -> int | None:
        """A number of something. 16 bits hold it without a sign."""
        parameter = self.groups.get(group, {}).get(name)
        number = self.number(group, name)
        if parameter is None or number is None:
            return None
        if parameter.size in (1, 2):
            return int(number) & (0xFF if parameter.size == 1 else 0xFFFF)
        if number < 0:
            raise self.error(f"{group}:{name} is {number:g}")
        return int(number)

    def long_count(self, group: str, name: str) -> int | None:
        """A frame's number in two words of 16 bits, the low one first (or in one number)."""
        parameter = self.groups.get(group, {}).get(name)
        if parameter is None or parameter.size != 2 or len(parameter.raw) != 4:
            return self.count(group, name)
        low, high = struct.unpack(f"{self.order}2H", parameter.raw)
        return int(low) + (int(high) << 16)

    # -- the file as a whole ------------------------------------------------------------------------------------

    def c3d(self) -> C3D:
        used = self.count("POINT", "USED")
        markers = self.header_points if used is None else used
        rate = self.number("POINT", "RATE") or self.header_rate
        rate = rate if math.isfinite(rate) and rate > 0 else math.nan
        scale = self.number("POINT", "SCALE") or self.header_scale
        if not math.isfinite(scale) or scale == 0:
            raise self.error(f"the scale of its points is {scale}")
        channels, samples, analog_rate = self.analog_layout(rate)
        if max(markers, channels) > MOST:
            raise self.error(f"it says that it has {markers} markers and {channels} analog channels")

        width = 4 if scale < 0 else 2
        frame_bytes = (4 * markers + channels * samples) * width
        start = (self.data_block - 1) * BLOCK
        if frame_bytes and not 0 < start <= len(self.data):
            raise self.error(f"its frames are said to begin in block {self.data_block}, beyond its end")
        first, frames = self.frame_range(frame_bytes, start)
        stored = self.data[start : start + frames * frame_bytes] if frames else b""
        rows = np.frombuffer(stored, dtype=np.uint8).reshape(frames, frame_bytes)

        begin = (first - 1) / rate
        points = xr.DataArray(
            self.point_values(rows[:, : 4 * markers * width], markers, scale),
            dims=("frame", "marker", "axis"),
            coords={
                "frame": np.arange(first, first + frames),
                "time": ("frame", begin + np.arange(frames) / rate),
                "marker": _labels(self.texts("POINT", "LABELS"), markers),
                "axis": ["x", "y", "z"],
            },
            attrs={"rate": rate, "unit": next(iter(self.texts("POINT", "UNITS")), "")},
            name="points",
        )
        units = (self.texts("ANALOG", "UNITS") + [""] * channels)[:channels]
        begin = begin if math.isfinite(begin) else 0.0 if first == 1 else math.nan
        analogs = xr.DataArray(
            self.analog_values(rows[:, 4 * markers * width :], frames * samples, channels, scale < 0),
            dims=("sample", "channel"),
            coords={
                "time": ("sample", begin + np.arange(frames * samples) / analog_rate),
                "channel": _labels(self.texts("ANALOG", "LABELS"), channels),
                "unit": ("channel", np.array(units, dtype=object)),
            },
            attrs={"rate": analog_rate},
            name="analogs",
        )
        parameters = {
            group: {name: self.value(one) for name, one in own.items()} for group, own in self.groups.items()
        }
        return C3D(os.path.basename(self.name), points, analogs, self.events(), parameters)

    def analog_layout(self, rate: float) -> tuple[int, int, float]:
        """Channels, samples of each in a frame of points, samples a second."""
        used = self.count("ANALOG", "USED")
        if used is None:
            used = self.header_analogs // max(1, self.header_samples)
        own = self.number("ANALOG", "RATE") or math.nan
        own = own if own > 0 else math.nan
        if not used:
            return 0, 0, own
        ratio = round(own / rate) if math.isfinite(own / rate) else 0
        samples = self.header_analogs // used if self.header_analogs % used == 0 else 0
        if samples and ratio and samples != ratio:
            self.warn(
                f"its header has {samples} analog samples a frame, its rates ({own:g} Hz and {rate:g} Hz) make {ratio}; "
                f"read with {samples}"
            )
        samples = samples or ratio or self.header_samples
        if not samples:
            raise self.error(f"it has {used} analog channels and does not tell how many samples a frame has")
        return used, samples, samples * rate if math.isfinite(rate) else own

    def frame_range(self, frame_bytes: int, start: int) -> tuple[int, int]:
        """The first frame's number and how many frames there are.

        The header and up to three parameters tell, some of them cut to 16 bits: the largest number whose frames are
        in the file counts. None: the file is truncated.
        """
        first = max(1, self.header_first)
        said: dict[str, int] = {}
        begin, end = (
            self.long_count("TRIAL", "ACTUAL_START_FIELD"),
            self.long_count("TRIAL", "ACTUAL_END_FIELD"),
        )
        if begin and end and end >= begin:
            first = begin
            said["TRIAL:ACTUAL_END_FIELD"] = end - begin + 1
        for name in ("LONG_FRAMES", "FRAMES"):
            number = self.count("POINT", name)
            if number is not None and number > 0:
                said[f"POINT:{name}"] = number
        if self.header_last and self.header_last >= self.header_first:
            said["header"] = self.header_last - self.header_first + 1  # some writers count from 0
        if not frame_bytes or not said:
            return first, 0
        room = (len(self.data) - start) // frame_bytes
        fit = [number for number in said.values() if number <= room]
        if not fit:
            raise self.error(
                f"it is truncated: it says that it has {min(said.values())} frames, and {room} are in its "
                f"{len(self.data)} bytes"
            )
        frames = max(fit)
        whole = {key: n for key, n in said.items() if n not in (frames, frames & 0xFFFF) and not self.cut(n)}
        if whole:
            told = ", ".join(f"{key} {number}" for key, number in said.items())
            self.warn(f"it contradicts itself on the number of its frames ({told}); {frames} were read")
        rest = len(self.data) - start - frames * frame_bytes
        saturated = frames in (LAST_COUNTED, LAST_COUNTED - first + 1)
        if saturated and rest >= max(frame_bytes, BLOCK) and "ROTATION" not in self.groups:
            self.warn(
                f"it counts {frames} frames, the most that 16 bits hold, and has {rest} bytes after them: "
                "what follows was not read"
            )
        return first, frames

    def cut(self, frames: int) -> bool:
        """Whether the number may be one that 16 bits could not hold."""
        return frames + max(1, self.header_first) - 1 >= LAST_COUNTED or frames >= LAST_COUNTED

    def point_values(self, raw: npt.NDArray[np.uint8], markers: int, scale: float) -> Floats:
        """(frame, marker, axis); the fourth word of a point is negative where no camera saw it."""
        frames = raw.shape[0]
        flat = np.ascontiguousarray(raw).tobytes()
        if scale < 0:
            words = self.floats(flat).reshape(frames, markers, 4)
            values = words[:, :, :3]
            # the sign bit, since some writers put two integers where the format has a floating-point number
            unseen = np.signbit(words[:, :, 3])
        else:
            integers = np.frombuffer(flat, dtype=f"{self.order}i2").reshape(frames, markers, 4)
            values = integers[:, :, :3] * scale
            unseen = integers[:, :, 3] < 0
        values = np.array(values, dtype=np.float64)
        values[unseen | ~np.isfinite(values).all(axis=2)] = np.nan
        return values

    def analog_values(
        self, raw: npt.NDArray[np.uint8], samples: int, channels: int, floating: bool
    ) -> Floats:
        """(sample, channel): (what is stored - offset) * the channel's scale * the general scale."""
        if not channels:
            return np.empty((samples, 0))
        unsigned = any(one.upper() == "UNSIGNED" for one in self.texts("ANALOG", "FORMAT"))
        flat = np.ascontiguousarray(raw).tobytes()
        if floating:
            values = self.floats(flat)
        else:
            values = np.frombuffer(flat, dtype=f"{self.order}{'u' if unsigned else 'i'}2").astype(np.float64)
        offsets = self.each("OFFSET", channels, 0.0)
        if unsigned:
            offsets = np.where(offsets < 0, offsets + 0x10000, offsets)
        scales = self.each("SCALE", channels, 1.0)
        general = self.number("ANALOG", "GEN_SCALE")
        general = 1.0 if general is None else general
        return np.asarray((values.reshape(samples, channels) - offsets) * scales * general)

    def each(self, name: str, channels: int, otherwise: float) -> Floats:
        values = self.series("ANALOG", name).astype(np.float64)
        if not values.size:
            return np.full(channels, otherwise)
        if values.size < channels:
            raise self.error(f"ANALOG:{name} has {values.size} values for {channels} channels")
        return np.asarray(values[:channels])

    # -- events -------------------------------------------------------------------------------------------------

    def events(self) -> pd.DataFrame:
        times = self.series("EVENT", "TIMES")
        used = self.count("EVENT", "USED")
        if times.size:
            pairs = times[: times.size // 2 * 2].reshape(-1, 2)  # minutes, seconds
            seconds = (pairs[:, 0] * 60 + pairs[:, 1])[: len(pairs) if used is None else used]
            columns = {
                name: self.texts("EVENT", f"{name.upper()}S") for name in ("label", "context", "subject")
            }
            columns["description"] = self.texts("EVENT", "DESCRIPTIONS")
        else:
            seconds, labels = self.header_events()
            columns = {"label": labels}
        total = len(seconds)
        table = {
            name: seconds if name == "time" else (columns.get(name, []) + [""] * total)[:total]
            for name in EVENT_COLUMNS
        }
        made: pd.DataFrame = pd.DataFrame(table, columns=EVENT_COLUMNS).astype({"time": "float64"})
        made = made.sort_values("time", kind="stable", ignore_index=True)
        return made

    def header_events(self) -> tuple[Floats, list[str]]:
        """Up to 18 events that old files keep in the header: seconds, and labels of four characters.

        Whether a program is to show them is another flag, which files use in contrary ways: all are taken.
        """
        key, count = struct.unpack(f"{self.order}2H", self.data[298:302])
        if key != HAS_HEADER_EVENTS or count > HEADER_EVENTS:
            return np.empty(0), []
        seconds = self.floats(self.data[304 : 304 + 4 * count])
        return seconds, [_text(self.data[396 + 4 * n : 400 + 4 * n]) for n in range(count)]


def _text(raw: bytes) -> str:
    """Text without the blanks and zeros that fill it up. UTF-8, or else Windows-1252."""
    raw = raw.split(b"\0", 1)[0].rstrip(b" ") if raw.strip(b"\0 ") else b""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace")


def _nested(values: npt.NDArray[Any], dims: tuple[int, ...]) -> list[Any]:
    """Lists of lists; the first dimension varies fastest in the file."""
    if not values.size:
        return []
    return list(values.reshape(dims, order="F").tolist())


def _labels(found: list[str], count: int) -> npt.NDArray[np.object_]:
    """One label each; where the file has none, a name that tells the place."""
    labels = [label or f"unnamed {n}" for n, label in enumerate(found[:count], 1)]
    labels += [f"unnamed {n}" for n in range(len(labels) + 1, count + 1)]
    return np.array(labels, dtype=object)
