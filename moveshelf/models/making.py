"""Many subjects, sessions and trials made in one request each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import TransferError
from ..lazy.chunk import errors_by_alias, query_error

if TYPE_CHECKING:
    from ..lazy.engine import Engine

CHUNK = 50
"""What one request makes."""


def subjects(engine: Engine, project: str, names: Sequence[str]) -> list[str | Exception]:
    """Their ids, or why there is none. Raises OutcomeUnknownError where an answer was lost."""
    field = "createPatient"
    return _make(
        engine,
        field,
        [("projectId", "String!", [project] * len(names)), ("name", "String!", names)],
        "patient { id }",
        lambda answer: answer["patient"]["id"],
    )


def sessions(
    engine: Engine, project: str, wanted: Sequence[tuple[tuple[str, str], str, str | None]]
) -> list[str | Exception]:
    """The ids of sessions, each of its subject's and its own name, its subject's id and its day."""
    count = len(wanted)
    return _make(
        engine,
        "createSession",
        [
            ("projectId", "String!", [project] * count),
            ("projectPath", "String!", [f"/{'/'.join(names)}/" for names, _, _ in wanted]),
            ("patientId", "ID", [subject for _, subject, _ in wanted]),
            ("sessionDate", "String", [day for _, _, day in wanted]),
        ],
        "session { id }",
        lambda answer: answer["session"]["id"],
    )


def clips(engine: Engine, project: str, wanted: Sequence[tuple[str, str]]) -> list[str | Exception]:
    """The ids of trials, each of a title and the path of its folder."""
    query = (
        "mutation createClips($v0: ClipCreationInput!) "
        "{ n0: createClips(input: $v0) { response { clientId mocapClip { id } } } }"
    )
    made: list[str | Exception] = []
    for start in range(0, len(wanted), CHUNK):
        part = wanted[start : start + CHUNK]
        asked = [
            {"clientId": str(number), "metadata": {"title": title, "projectPath": f"/{path}/"}}
            for number, (title, path) in enumerate(part)
        ]
        answer = engine.wire.submit(query, {"v0": {"project": project, "clips": asked}}).result()
        node = (answer.data or {}).get("n0")
        if not node or answer.errors:
            made += [query_error(answer.errors, "createClips", answer)] * len(part)
            continue
        ids = {str(one["clientId"]): one["mocapClip"]["id"] for one in node["response"]}
        lost = TransferError("createClips: the service answered without this trial")
        made += [ids.get(str(number), lost) for number in range(len(part))]
    return made


def changed(engine: Engine, fields: Mapping[str, Sequence[str]]) -> None:
    """Have the objects in memory read those collections anew when they are touched."""
    with engine.lock:
        engine.wrote(*fields)
        for identity, names in fields.items():
            known = engine.peek(identity)
            if known is not None:
                for name in names:
                    if name in type(known).fields:
                        engine.drop(known, type(known).fields[name])


def _make(
    engine: Engine,
    field: str,
    arguments: Sequence[tuple[str, str, Sequence[Any]]],
    text: str,
    read: Callable[[Any], str],
) -> list[str | Exception]:
    """`field` once for each row of the arguments, under aliases; all requests beside each other."""
    count = len(arguments[0][2])
    asked = []
    for start in range(0, count, CHUNK):
        size = min(CHUNK, count - start)
        declared = ", ".join(f"$v{n}{name}: {kind}" for n in range(size) for name, kind, _ in arguments)
        lines = " ".join(
            f"n{n}: {field}({', '.join(f'{name}: $v{n}{name}' for name, _, _ in arguments)}) {{ {text} }}"
            for n in range(size)
        )
        variables = {f"v{n}{name}": values[start + n] for n in range(size) for name, _, values in arguments}
        asked.append((size, engine.wire.submit(f"mutation {field}({declared}) {{ {lines} }}", variables)))
    made: list[str | Exception] = []
    for size, pending in asked:
        answer = pending.result()
        bad = errors_by_alias(answer.errors)
        for n in range(size):
            node = (answer.data or {}).get(f"n{n}")
            if node:
                made.append(read(node))
            else:
                made.append(query_error(bad.get(f"n{n}") or bad.get("") or [], field, answer))
    return made
