"""What a process of a campaign does with the library: one connection, one job, and what came of it as plain data."""

from __future__ import annotations

import inspect
import os
import traceback
from pathlib import Path
from typing import Any

from watch import Watch

import moveshelf
from moveshelf.errors import MoveshelfError, OutcomeUnknownError
from moveshelf.wire import RetryPolicy

TIMEOUT = 2.0
"""Seconds without a sign of life, in every client of a campaign."""
QUICK = {"first": 0.001, "cap": 0.01}


def prepare() -> None:
    """Pauses between attempts in milliseconds, in this process: the policy's defaults, which every client takes.

    Imports what a first request imports, too: a process that starts cold is a trial of its own.
    """
    import aiohttp  # noqa: F401
    import gql.transport.aiohttp  # noqa: F401

    init: Any = RetryPolicy.__init__
    names = list(inspect.signature(RetryPolicy).parameters)
    if init.__defaults__:
        positional = names[len(names) - len(init.__defaults__) :] if not init.__kwdefaults__ else names
        init.__defaults__ = tuple(
            QUICK.get(name, default) for name, default in zip(positional, init.__defaults__, strict=False)
        )
    if init.__kwdefaults__:
        init.__kwdefaults__.update(
            {name: value for name, value in QUICK.items() if name in init.__kwdefaults__}
        )
    policy = RetryPolicy()
    if (policy.first, policy.cap) != (QUICK["first"], QUICK["cap"]):
        raise RuntimeError("RetryPolicy takes its defaults in another way now: change prepare()")


def where(error: BaseException) -> str:
    """The innermost place in the library that an exception came through: "wire/codec.py decode"."""
    found = ""
    for frame in traceback.extract_tb(error.__traceback__):
        parts = Path(frame.filename).parts
        if "moveshelf" in parts and "chaos" not in parts[-2:]:
            at = len(parts) - 1 - parts[::-1].index("moveshelf")
            found = f"{'/'.join(parts[at + 1 :])} {frame.name}"
    return found


def told(error: BaseException) -> dict[str, Any]:
    """An exception as plain data."""
    return {
        "type": type(error).__name__,
        "text": str(error)[:600],
        "ours": isinstance(error, MoveshelfError),
        "unknown": isinstance(error, OutcomeUnknownError),
        "where": where(error),
        "trace": "".join(traceback.format_exception(error))[-6000:],
    }


def carry_out(job: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Run a job: {"value", "error" (as `told`), "leaks"}."""
    os.environ.update(arguments.get("environment", {}))
    watch = Watch(arguments["key"])
    watch.sockets(set(arguments["ports"]))
    found: dict[str, Any] = {"value": None, "error": None}
    with watch.logs():
        ms = moveshelf.connect(api_key=arguments["key"], api_url=arguments["url"], timeout=TIMEOUT)
        try:
            found["value"] = JOBS[job](ms, watch, arguments)
        except Exception as error:
            watch.exception(error)
            found["error"] = told(error)
        watch.objects(ms)
        ms.close()
    found["leaks"] = watch.leaks
    return found


def entries(result: Any, watch: Watch) -> list[dict[str, Any]]:
    """The lines of a TransferResult."""
    found = []
    for entry in result:
        if entry.error is not None:
            watch.exception(entry.error)
        error = None if entry.error is None else told(entry.error)
        found.append({"path": entry.path, "status": entry.status, "reason": entry.reason, "error": error})
    watch.objects(result)
    return found


def upload(ms: Any, watch: Watch, arguments: dict[str, Any]) -> Any:
    return entries(
        ms.project(arguments["project"]).upload_tree(arguments["folder"], "underscore", progress=False), watch
    )


def download(ms: Any, watch: Watch, arguments: dict[str, Any]) -> Any:
    return entries(ms.project(arguments["project"]).download(arguments["folder"], progress=False), watch)


def metadata(ms: Any, watch: Watch, arguments: dict[str, Any]) -> Any:
    """Write keys one by one; which were reported done, and the errors of the others."""
    done, errors = [], []
    for key in arguments["keys"]:
        subject = ms.subject(arguments["subject"])
        try:
            subject.update_metadata({key: "written"}, overwrite=True, validate=False)
        except Exception as error:
            watch.exception(error)
            errors.append(told(error))
            subject.refresh()
        else:
            done.append(key)
    return {"done": done, "errors": errors}


def create(ms: Any, watch: Watch, arguments: dict[str, Any]) -> Any:
    """One subject, one session in it and one clip in that, each with exist_ok."""
    project = ms.project(arguments["project"])
    subject = project.create_subject("P-1", exist_ok=True)
    session = subject.create_session("2024-01-02", exist_ok=True)
    clip = session.create_clip("Trial-1", condition="Barefoot", exist_ok=True)
    return [subject.id, session.id, clip.id]


def bulk(ms: Any, watch: Watch, arguments: dict[str, Any]) -> Any:
    """Many rows at once; an entry for each."""
    return bulk_entries(ms, watch, arguments["project"], arguments["call"], arguments["rows"])


def bulk_entries(ms: Any, watch: Watch, project: str, call: str, rows: list[dict[str, Any]]) -> Any:
    """What a bulk write said of each row."""
    target = ms.project(project)
    options = {"create": True, "validate": False} if call == "import_table" else {}
    result = getattr(target, call)(rows, **options)
    found = []
    for entry in result:
        if entry.error is not None:
            watch.exception(entry.error)
        error = None if entry.error is None else told(entry.error)
        found.append({"status": entry.status, "id": getattr(entry.object, "id", None), "error": error})
    watch.objects(result)
    return found


JOBS = {"upload": upload, "download": download, "metadata": metadata, "create": create, "bulk": bulk}
