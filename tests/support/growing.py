"""Projects of any shape, created over the wire, and what a walk of them must find."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import moveshelf

#: subjects -> sessions -> clips -> number of files
Shape = list[list[list[int]]]


def in_batches(
    ms: moveshelf.Moveshelf, fields: list[tuple[str, dict[str, Any]]], size: int = 50
) -> list[Any]:
    """Send mutations, many in a request; the payload of each."""
    payloads: list[Any] = []
    for begin in range(0, len(fields), size):
        part = fields[begin : begin + size]
        text = " ".join(f"m{n}: {field}" for n, (field, _) in enumerate(part))
        data = ms.execute(f"mutation Grow {{ {text} }}")
        payloads += [data[f"m{n}"] for n in range(len(part))]
    return payloads


def grow(ms: moveshelf.Moveshelf, project: str, shape: Shape) -> None:
    """Fill an empty project."""
    made = in_batches(
        ms,
        [
            (f'createPatient(projectId: "{project}", name: "S{n:03}") {{ patient {{ id }} }}', {})
            for n in range(len(shape))
        ],
    )
    patients = [one["patient"]["id"] for one in made]
    fields = []
    for s, sessions in enumerate(shape):
        for n in range(len(sessions)):
            path = f"/S{s:03}/v{n}/"
            fields.append(
                (
                    f'createSession(projectId: "{project}", projectPath: "{path}", patientId: "{patients[s]}", '
                    f'sessionDate: "2024-01-{n % 28 + 1:02}") {{ session {{ id }} }}',
                    {},
                )
            )
    in_batches(ms, fields)
    clips, counts = [], []
    for s, sessions in enumerate(shape):
        for n, trials in enumerate(sessions):
            for t, files in enumerate(trials):
                condition = "Barefoot" if t % 2 else "Braced"
                clips.append(
                    (
                        f'createClips(input: {{project: "{project}", clips: [{{clientId: "c", metadata: '
                        f'{{title: "T{t}", projectPath: "/S{s:03}/v{n}/{condition}/"}}}}]}}) '
                        "{ response { mocapClip { id } } }",
                        {},
                    )
                )
                counts.append((f"S{s:03}/v{n}/T{t}", files))
    ids = [one["response"][0]["mocapClip"]["id"] for one in in_batches(ms, clips)]
    data = [
        (
            f'createAdditionalData(input: {{clipId: "{clip}", dataType: "data", crc32c: "AAAAAA==", '
            f'filename: "{label}/{k}".json", clientId: "c"}}) {{ data {{ id }} }}'.replace('".json', ".json"),
            {},
        )
        for clip, (label, files) in zip(ids, counts, strict=True)
        for k in range(files)
    ]
    in_batches(ms, data)


def wanted(shape: Shape) -> list[str]:
    """The names of the files that a walk must find, in order."""
    return [
        f"S{s:03}/v{n}/T{t}/{k}.json"
        for s, sessions in enumerate(shape)
        for n, trials in enumerate(sessions)
        for t, files in enumerate(trials)
        for k in range(files)
    ]


def even(subjects: int, sessions: int, clips: int, files: int) -> Shape:
    return [[[files] * clips for _ in range(sessions)] for _ in range(subjects)]


def least(shape: Shape) -> int:
    """The fewest requests that the rules allow for a full walk: twenty objects named first, then a hundred in each."""
    sessions = sum(len(one) for one in shape)
    clips = sum(len(two) for one in shape for two in one)
    return 2 + sum(min(count, 1) + -(-max(count - 20, 0) // 100) for count in (len(shape), sessions, clips))


def walk(project: Any) -> Iterator[str]:
    for subject in project.subjects:
        for session in subject.sessions:
            for clip in session.clips:
                for file in clip.files:
                    yield file.name
