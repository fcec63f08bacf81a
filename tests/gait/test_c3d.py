"""C3D files: equal to what two other readers read, in all the format's forms; damaged files are errors."""

from __future__ import annotations

import io
import struct
import warnings
from pathlib import Path
from typing import Any

import c3d as other
import ezc3d
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moveshelf.errors import MoveshelfError, ValidationError
from moveshelf.gait import c3d

INTEL, DEC, MIPS = 84, 85, 86


def written(
    folder: Path,
    *,
    frames: int = 10,
    markers: int = 3,
    channels: int = 2,
    samples: int = 5,
    rate: float = 100.0,
    first: int = 1,
    events: tuple[tuple[float, float, str, str], ...] = (),
    unseen: tuple[tuple[int, int], ...] = (),
) -> tuple[Path, Any, Any]:
    """A file that ezc3d wrote, its points (4, marker, frame) and its analogs (1, channel, sample)."""
    dice = np.random.default_rng(7)
    made = ezc3d.c3d()
    points = np.ones((4, markers, frames))
    points[:3] = dice.normal(400, 300, (3, markers, frames)).astype(np.float32)
    residuals = np.zeros((1, markers, frames))
    for marker, frame in unseen:
        points[:3, marker, frame] = np.nan
        residuals[0, marker, frame] = -1
    analogs = dice.normal(0, 5, (1, channels, frames * samples)).astype(np.float32).astype(float)
    parameters = made["parameters"]
    parameters["POINT"]["RATE"]["value"] = np.array([rate])
    parameters["POINT"]["LABELS"]["value"] = [f"M{n}" for n in range(markers)]
    parameters["POINT"]["UNITS"]["value"] = ["mm"]
    parameters["ANALOG"]["RATE"]["value"] = np.array([rate * samples])
    parameters["ANALOG"]["LABELS"]["value"] = [f"Force.F{n}" for n in range(channels)]
    parameters["ANALOG"]["UNITS"]["value"] = ["N"] * channels
    made["data"]["points"] = points
    made["data"]["meta_points"]["residuals"] = residuals
    made["data"]["analogs"] = analogs
    made["header"]["points"]["first_frame"] = first - 1
    for minutes, seconds, context, label in events:
        made.add_event(time=[minutes, seconds], context=context, label=label, subject="P-001")
    path = folder / "made.c3d"
    made.write(str(path))
    return path, points, analogs


def pack_float(value: float, processor: int) -> bytes:
    if processor == MIPS:
        return struct.pack(">f", value)
    if processor == INTEL:
        return struct.pack("<f", value)
    low, high = struct.unpack("<2H", struct.pack("<f", value * 4))  # the VAX's exponent is two higher
    return struct.pack("<2H", high, low)


class Plain:
    """A writer of our own: integer files and all processors, which ezc3d does not write."""

    def __init__(self, processor: int = INTEL) -> None:
        self.processor = processor
        self.order = ">" if processor == MIPS else "<"
        self.ids: dict[str, int] = {}
        self.items: list[bytes] = []

    def group(self, name: str) -> int:
        if name not in self.ids:
            self.ids[name] = len(self.ids) + 1
            self.items.append(
                struct.pack("2b", len(name), -self.ids[name])
                + name.encode()
                + struct.pack(f"{self.order}HB", 3, 0)
            )
        return self.ids[name]

    def put(
        self, group: str, name: str, size: int, dims: tuple[int, ...], raw: bytes, text: str = ""
    ) -> None:
        body = struct.pack("bB", size, len(dims)) + bytes(dims) + raw + bytes([len(text)]) + text.encode()
        head = struct.pack("2b", len(name), self.group(group)) + name.encode()
        self.items.append(head + struct.pack(f"{self.order}H", len(body) + 2) + body)

    def ints(self, group: str, name: str, *values: int, dims: tuple[int, ...] | None = None) -> None:
        raw = struct.pack(f"{self.order}{len(values)}H", *[v & 0xFFFF for v in values])
        self.put(group, name, 2, dims if dims is not None else (len(values),), raw)

    def floats(self, group: str, name: str, *values: float, dims: tuple[int, ...] | None = None) -> None:
        raw = b"".join(pack_float(v, self.processor) for v in values)
        self.put(group, name, 4, dims if dims is not None else (len(values),), raw)

    def texts(self, group: str, name: str, *values: str, encoding: str = "utf-8") -> None:
        raw = [value.encode(encoding) for value in values]
        width = max([len(one) for one in raw], default=0)
        self.put(group, name, -1, (width, len(raw)), b"".join(one.ljust(width) for one in raw))

    def bytes(
        self,
        data: bytes,
        *,
        points: int,
        analogs: int,
        first: int,
        last: int,
        scale: float,
        samples: int,
        rate: float,
        key: int = 0,
        events: tuple[tuple[float, str], ...] = (),
    ) -> bytes:
        section = b"".join(self.items) + b"\0\0"
        blocks = (len(section) + 4 + 511) // 512
        section = (bytes([1, 0x50, blocks, self.processor]) + section).ljust(blocks * 512, b"\0")
        head = bytes([2, 0x50]) + struct.pack(f"{self.order}5H", points, analogs, first, last, 10)
        head += pack_float(scale, self.processor) + struct.pack(f"{self.order}2H", 2 + blocks, samples)
        head += pack_float(rate, self.processor)
        head = bytearray(head.ljust(512, b"\0"))
        head[298:302] = struct.pack(f"{self.order}2H", key, len(events))
        for n, (time, label) in enumerate(events):
            head[304 + 4 * n : 308 + 4 * n] = pack_float(time, self.processor)
            head[376 + n] = 1
            head[396 + 4 * n : 400 + 4 * n] = label.encode().ljust(4)
        return bytes(head) + section + data.ljust(-(-len(data) // 512) * 512, b"\0")


def integer_file(
    processor: int,
    values: np.ndarray[Any, Any],
    analog: np.ndarray[Any, Any],
    *,
    unsigned: bool = False,
    offsets: tuple[int, ...] = (),
    scale: float = 0.1,
) -> bytes:
    """`values` (frame, marker, 4) and `analog` (frame, sample, channel), both as stored."""
    order = ">" if processor == MIPS else "<"
    frames, markers, _ = values.shape
    _, samples, channels = analog.shape
    made = Plain(processor)
    made.ints("POINT", "USED", markers)
    made.ints("POINT", "FRAMES", frames)
    made.floats("POINT", "SCALE", scale)
    made.floats("POINT", "RATE", 50.0)
    made.texts("POINT", "LABELS", *[f"M{n}" for n in range(markers)])
    made.texts("POINT", "UNITS", "mm")
    made.ints("ANALOG", "USED", channels)
    made.floats("ANALOG", "RATE", 50.0 * samples)
    made.floats("ANALOG", "GEN_SCALE", 0.5)
    made.floats("ANALOG", "SCALE", *[0.25 * (n + 1) for n in range(channels)])
    made.ints("ANALOG", "OFFSET", *(offsets or (0,) * channels))
    made.texts("ANALOG", "LABELS", *[f"A{n}" for n in range(channels)])
    made.texts("ANALOG", "UNITS", *["V"] * channels)
    made.texts("ANALOG", "FORMAT", "UNSIGNED" if unsigned else "SIGNED")
    raw = b"".join(
        values[n].astype(f"{order}i2").tobytes()
        + analog[n].astype(f"{order}{'u' if unsigned else 'i'}2").tobytes()
        for n in range(frames)
    )
    return made.bytes(
        raw,
        points=markers,
        analogs=samples * channels,
        first=1,
        last=frames,
        scale=scale,
        samples=samples,
        rate=50.0,
    )


def read_by_c3d(data: bytes) -> tuple[Any, Any]:
    """Points (frame, marker, axis) and analogs (sample, channel), as the package `c3d` reads them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reader = other.Reader(io.BytesIO(data))
        frames = list(reader.read_frames())
    points = np.array([points for _, points, _ in frames])
    analogs = [analog.T for _, _, analog in frames if analog.size]
    seen = points[:, :, :3].astype(float)
    seen[points[:, :, 3] < 0] = np.nan
    return seen, np.concatenate(analogs) if analogs else np.empty((0, 0))


@pytest.mark.parametrize(
    ("frames", "markers", "channels", "samples"),
    [(10, 3, 2, 5), (1, 1, 2, 1), (7, 4, 0, 1), (250, 40, 12, 20), (3, 300, 2, 2)],
)
def test_what_ezc3d_wrote(tmp_path: Path, frames: int, markers: int, channels: int, samples: int) -> None:
    path, points, analogs = written(
        tmp_path, frames=frames, markers=markers, channels=channels, samples=samples, unseen=((0, 0),)
    )
    made = c3d.read(path)
    assert made.points.dims == ("frame", "marker", "axis")
    np.testing.assert_array_equal(made.points.values, points[:3].transpose(2, 1, 0))
    assert np.isnan(made.points.values[0, 0]).all()
    assert made.markers == [f"M{n}" for n in range(markers)]
    assert made.analogs.dims == ("sample", "channel")
    if channels:
        np.testing.assert_allclose(made.analogs.values, analogs[0].T, rtol=1e-6)
        assert made.channels == [f"Force.F{n}" for n in range(channels)]
        assert list(made.analogs.unit.values) == ["N"] * channels
        assert made.analog_rate == 100.0 * samples
        np.testing.assert_allclose(made.analogs.time.values, np.arange(frames * samples) / (100 * samples))
    else:
        assert made.analogs.sizes["channel"] == 0
    seen, analog = read_by_c3d(path.read_bytes())
    np.testing.assert_array_equal(made.points.values, seen)
    if channels:
        np.testing.assert_allclose(made.analogs.values, analog, rtol=1e-6)
    again = ezc3d.c3d(str(path))["data"]
    np.testing.assert_array_equal(made.points.values, again["points"][:3].transpose(2, 1, 0))
    assert made.name == "made.c3d"
    assert made.rate == 100.0
    assert made.duration == frames / 100
    assert made.points.attrs["unit"] == "mm"


@settings(max_examples=25)
@given(
    frames=st.integers(1, 12),
    markers=st.integers(0, 6),
    channels=st.integers(0, 4),
    samples=st.integers(1, 4),
    first=st.integers(1, 500),
)
def test_any_shape(
    tmp_path_factory: pytest.TempPathFactory,
    frames: int,
    markers: int,
    channels: int,
    samples: int,
    first: int,
) -> None:
    samples = samples if markers else 1
    path, points, analogs = written(
        tmp_path_factory.mktemp("shape"),
        frames=frames,
        markers=markers,
        channels=channels,
        samples=samples,
        first=first,
    )
    made = c3d.read(path)
    if markers:
        np.testing.assert_array_equal(made.points.values, points[:3].transpose(2, 1, 0))
        np.testing.assert_array_equal(made.points.frame.values, np.arange(first, first + frames))
        np.testing.assert_allclose(made.points.time.values, (first - 1 + np.arange(frames)) / 100)
    if channels:
        np.testing.assert_allclose(made.analogs.values, analogs[0].T, rtol=1e-6)
        np.testing.assert_allclose(
            made.analogs.time.values, (first - 1) / 100 + np.arange(frames * samples) / (100 * samples)
        )


@pytest.mark.parametrize("processor", [INTEL, DEC, MIPS])
@pytest.mark.parametrize("unsigned", [False, True])
def test_integer_files_of_all_processors(processor: int, unsigned: bool) -> None:
    dice = np.random.default_rng(3)
    values = dice.integers(-32000, 32000, (6, 3, 4))
    values[:, :, 3] = dice.integers(0, 30000, (6, 3))
    values[2, 1, 3] = -1
    low, high = (0, 65535) if unsigned else (-32768, 32767)
    analog = dice.integers(low, high, (6, 4, 2))
    offsets = (40000, 3) if unsigned else (-700, 12)
    data = integer_file(processor, values, analog, unsigned=unsigned, offsets=offsets)
    made = c3d.parse(data)
    expected = values[:, :, :3] * float(np.float32(0.1))
    expected[2, 1] = np.nan
    np.testing.assert_allclose(made.points.values, expected)
    stored = analog.reshape(-1, 2)
    np.testing.assert_allclose(made.analogs.values, (stored - offsets) * [0.25, 0.5] * 0.5)
    seen, read = read_by_c3d(data)
    np.testing.assert_allclose(made.points.values, seen, rtol=1e-6)
    np.testing.assert_allclose(made.analogs.values, read)


@pytest.mark.parametrize("processor", [INTEL, DEC, MIPS])
@given(values=st.lists(st.floats(-1e6, 1e6, width=32), min_size=12, max_size=12))
def test_float_files_of_all_processors(processor: int, values: list[float]) -> None:
    values = [0.0 if abs(value) < 1e-30 else value for value in values]  # the VAX has no numbers that small
    made = Plain(processor)
    made.ints("POINT", "USED", 2)
    made.floats("POINT", "SCALE", -1.0)
    made.floats("POINT", "RATE", 25.0)
    words = [*values[:3], 0.0, *values[3:6], 0.0, *values[6:9], -1.0, *values[9:], 0.0]
    raw = b"".join(pack_float(value, processor) for value in words)
    data = made.bytes(raw, points=2, analogs=0, first=1, last=2, scale=-1.0, samples=0, rate=25.0)
    read = c3d.parse(data).points.values
    np.testing.assert_array_equal(read[0], [values[:3], values[3:6]])
    assert np.isnan(read[1, 0]).all()
    np.testing.assert_array_equal(read[1, 1], values[9:])


def many_frames(frames: int, **parameters: tuple[int, ...]) -> bytes:
    made = Plain()
    made.ints("POINT", "USED", 1)
    made.ints("POINT", "FRAMES", min(frames, 65535))
    made.floats("POINT", "SCALE", -1.0)
    made.floats("POINT", "RATE", 100.0)
    for name, values in parameters.items():
        made.ints("TRIAL", name, *values)
    words = np.zeros((frames, 4), "<f4")
    words[:, 0] = np.arange(frames)
    last = min(frames, 65535)
    return made.bytes(
        words.tobytes(), points=1, analogs=0, first=1, last=last, scale=-1.0, samples=0, rate=100.0
    )


def test_more_frames_than_16_bits_count() -> None:
    data = many_frames(70000, ACTUAL_START_FIELD=(1, 0), ACTUAL_END_FIELD=(70000 & 0xFFFF, 70000 >> 16))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = c3d.parse(data)
    assert made.points.sizes["frame"] == 70000
    np.testing.assert_array_equal(made.points.values[:, 0, 0], np.arange(70000))
    seen, _ = read_by_c3d(data)
    np.testing.assert_array_equal(made.points.values, seen)


def test_more_frames_than_the_file_counts_are_told_of() -> None:
    with pytest.warns(UserWarning, match="65535 frames, the most that 16 bits hold"):
        made = c3d.parse(many_frames(70000), "long.c3d")
    assert made.points.sizes["frame"] == 65535


def test_frames_between_15_and_16_bits(tmp_path: Path) -> None:
    path, points, _ = written(tmp_path, frames=40000, markers=1, channels=0)
    np.testing.assert_array_equal(c3d.read(path).points.values, points[:3].transpose(2, 1, 0))


def test_numbers_of_frames_that_differ_are_told_of() -> None:
    data = bytearray(many_frames(30))
    data[8:10] = struct.pack("<H", 20)
    with pytest.warns(UserWarning, match="POINT:FRAMES 30, header 20"):
        made = c3d.parse(bytes(data))
    assert made.points.sizes["frame"] == 30


def test_events(tmp_path: Path) -> None:
    events = (
        (1.0, 2.5, "Right", "Foot Off"),
        (0.0, 0.25, "Left", "Foot Strike"),
        (0.0, 59.0, "General", "Event"),
    )
    path, _, _ = written(tmp_path, events=events)
    read = c3d.read(path).events
    assert list(read.columns) == ["label", "context", "time", "subject", "description"]
    assert list(read["label"]) == ["Foot Strike", "Event", "Foot Off"]
    assert list(read["context"]) == ["Left", "General", "Right"]
    np.testing.assert_allclose(read["time"], [0.25, 59.0, 62.5])
    assert set(read["subject"]) == {"P-001"}


def test_one_event_and_none(tmp_path: Path) -> None:
    path, _, _ = written(tmp_path, events=((0.0, 0.5, "Left", "Foot Off"),))
    assert c3d.read(path).events[["label", "context", "time"]].values.tolist() == [["Foot Off", "Left", 0.5]]
    path, _, _ = written(tmp_path)
    none = c3d.read(path).events
    assert len(none) == 0
    assert none["time"].dtype == np.float64


def test_events_of_the_header() -> None:
    made = Plain()
    made.ints("POINT", "USED", 1)
    made.floats("POINT", "SCALE", -1.0)
    data = made.bytes(
        bytes(16),
        points=1,
        analogs=0,
        first=1,
        last=1,
        scale=-1.0,
        samples=0,
        rate=100.0,
        key=12345,
        events=((0.75, "RHS"), (0.5, "LHS")),
    )
    read = c3d.parse(data).events
    assert read[["label", "context", "time"]].values.tolist() == [["LHS", "", 0.5], ["RHS", "", 0.75]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = list(other.Reader(io.BytesIO(data)).header.events)
    assert sorted((label.strip(), "", float(time)) for time, label in theirs) == [
        ("LHS", "", 0.5),
        ("RHS", "", 0.75),
    ]


def test_parameters_are_plain_values() -> None:
    made = Plain()
    made.ints("POINT", "USED", 0)
    made.floats("POINT", "SCALE", -1.0)
    made.floats("POINT", "RATE", 100.0, dims=())
    made.texts("POINT", "LABELS", "only one")
    made.texts("SUBJECTS", "NAMES", "Zoë", "Łuc")
    made.texts("SUBJECTS", "OLD", "Zoë", encoding="cp1252")
    made.put("MANUFACTURER", "COMPANY", -1, (6,), b"Lab \0\0", "who made it")
    made.floats("FORCE_PLATFORM", "CORNERS", *range(24), dims=(3, 4, 2))
    made.ints("FORCE_PLATFORM", "ZERO", 1, -10)
    made.put("FORCE_PLATFORM", "NOTHING", 4, (0, 200, 200, 200), b"")
    made.put("FORCE_PLATFORM", "FLAGS", 1, (2,), b"\x01\xff")
    read = c3d.parse(
        made.bytes(b"", points=0, analogs=0, first=1, last=0, scale=-1, samples=0, rate=100.0)
    ).parameters
    assert read["POINT"] == {"USED": 0, "SCALE": -1.0, "RATE": 100.0, "LABELS": ["only one"]}
    assert read["SUBJECTS"] == {"NAMES": ["Zoë", "Łuc"], "OLD": ["Zoë"]}
    assert read["MANUFACTURER"]["COMPANY"] == "Lab"
    plates = read["FORCE_PLATFORM"]
    assert plates["CORNERS"][2][3][1] == 2 + 3 * 3 + 12 * 1
    assert plates["ZERO"] == [1, -10]
    assert plates["NOTHING"] == []
    assert plates["FLAGS"] == [1, -1]


def test_parameters_equal_those_of_ezc3d(tmp_path: Path) -> None:
    path, _, _ = written(tmp_path, events=((0.0, 0.5, "Left", "Foot Off"), (0.0, 0.6, "Left", "Foot Off")))
    ours, theirs = c3d.read(path).parameters, ezc3d.c3d(str(path))["parameters"]
    assert set(ours) == set(theirs.keys())
    for group, own in ours.items():
        assert set(own) == set(theirs[group].keys()) - {"__METADATA__"}
        for name, value in own.items():
            expected = np.asarray(theirs[group][name]["value"])
            got = np.asarray(value)
            if expected.size or got.size:
                assert got.ravel().tolist() == expected.ravel().tolist(), f"{group}:{name}"


def test_more_labels_than_one_parameter_holds(tmp_path: Path) -> None:
    path, _, _ = written(tmp_path, markers=300, channels=260, samples=1)
    made = c3d.read(path)
    assert made.markers == [f"M{n}" for n in range(300)]
    assert made.channels == [f"Force.F{n}" for n in range(260)]


def test_markers_without_labels_are_named_by_their_place() -> None:
    made = Plain()
    made.ints("POINT", "USED", 3)
    made.floats("POINT", "SCALE", -1.0)
    made.texts("POINT", "LABELS", "LHEE", "")
    data = made.bytes(bytes(48), points=3, analogs=0, first=1, last=1, scale=-1, samples=0, rate=100.0)
    assert c3d.parse(data).markers == ["LHEE", "unnamed 2", "unnamed 3"]


def test_without_a_rate_there_are_no_times() -> None:
    made = Plain()
    made.ints("POINT", "USED", 1)
    made.floats("POINT", "SCALE", -1.0)
    data = made.bytes(bytes(32), points=1, analogs=0, first=1, last=2, scale=-1, samples=0, rate=0.0)
    read = c3d.parse(data)
    assert np.isnan(read.points.time.values).all()
    assert np.isnan(read.rate)
    assert np.isnan(read.duration)


def test_too_few_scales_are_an_error() -> None:
    analog = np.zeros((2, 1, 3), int)
    data = integer_file(INTEL, np.zeros((2, 1, 4), int), analog, offsets=(1, 2))
    with pytest.raises(ValidationError, match="ANALOG:OFFSET has 2 values for 3 channels"):
        c3d.parse(data, "short.c3d")


@pytest.mark.parametrize("keep", [0, 1, 511, 1023, 1030, 1500])
def test_a_truncated_file_names_itself(tmp_path: Path, keep: int) -> None:
    path, _, _ = written(tmp_path, frames=40)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValidationError, match=r"made\.c3d cannot be read as a C3D file"):
        c3d.read(path)


def test_frames_that_are_missing_are_counted(tmp_path: Path) -> None:
    path, _, _ = written(tmp_path, frames=40)
    path.write_bytes(path.read_bytes()[:-1024])
    with pytest.raises(
        ValidationError, match=r"truncated: it says that it has 40 frames, and \d+ are in its"
    ):
        c3d.read(path)


def test_what_is_no_c3d_says_so() -> None:
    with pytest.raises(ValidationError, match=r"notes\.txt .*second byte is 32"):
        c3d.parse(b"a note " * 200, "notes.txt")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        c3d.read(tmp_path / "none.c3d")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    events = ((0.0, 0.05, "Left", "Foot Strike"), (0.0, 0.07, "Right", "Foot Off"))
    return written(tmp_path_factory.mktemp("sound"), events=events)[0].read_bytes()


@settings(max_examples=300)
@given(
    changes=st.lists(st.tuples(st.integers(0, 3071), st.integers(0, 255)), max_size=30),
    keep=st.one_of(st.none(), st.integers(0, 3071)),
)
def test_damaged_bytes_are_read_or_are_our_error(
    sound: bytes, changes: list[tuple[int, int]], keep: int | None
) -> None:
    data = bytearray(sound)
    for place, value in changes:
        data[place % len(data)] = value
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            made = c3d.parse(bytes(data[:keep]), "damaged.c3d")
        except MoveshelfError as error:
            found: str | c3d.C3D = str(error)
        else:
            found = made
    if isinstance(found, str):
        assert "damaged.c3d" in found
        return
    assert made.points.nbytes <= 16 * len(data)
    assert made.analogs.nbytes <= 16 * len(data)


@given(st.binary(max_size=3000))
def test_any_bytes_behind_a_header(rest: bytes) -> None:
    with pytest.raises(ValidationError, match=r"^any\.c3d cannot be read"):
        c3d.parse(bytes([2, 0x50]) + rest, "any.c3d")


def test_a_summary_in_a_line(tmp_path: Path) -> None:
    path, _, _ = written(tmp_path)
    assert str(c3d.read(path)) == (
        "made.c3d: 3 markers, 10 frames at 100 Hz; 2 analog channels at 500 Hz; 0 events"
    )
    assert repr(c3d.read(path)) == "C3D(name='made.c3d')"
