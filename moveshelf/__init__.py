"""Moveshelf's motion-capture projects as Python objects, loaded when you touch them.

    import moveshelf
    ms = moveshelf.connect()
    for subject in ms.projects["lab/demo"].subjects:
        print(subject.name, [session.name for session in subject.sessions])

Objects, each with its own help (`help(moveshelf.Session)`):

    Moveshelf    a connection: projects, subject(id), lookup(...), from_url(...), stats, budget(...)
    Project      subjects, sessions, template; find_subjects, find_sessions, cohort, create_subject, upload_tree
    Subject      sessions, metadata, interventions; create_session, update_metadata, fill_metadata
    Session      conditions, clips, metadata, date; create_clip, set_date, rename, generate_report
    Condition    the trials of one condition: clips
    Clip         a trial: files, title; upload, update, add_comment
    DataFile     a file of a trial: read_bytes, json, open, c3d, download
    Collection   a list that knows names: [0], ["P-001"], find, get, load, table, to_frame
    Norm, Report, Job, Template, Cohort, Stats

On all that has files below it: download, read, cycles, parameters, events, series, table. A transfer returns a TransferResult,
with dry_run=True a Plan; create_subjects(rows) and import_table a BulkResult or BulkPlan. `load("sessions.clips.files")`
fetches by name, `refresh()` forgets. In coroutines: aload, aread, acycles, ..., `async for`.

Errors: MoveshelfError, and below it ConfigError, AuthenticationError, NotFoundError, AmbiguousError, ValidationError,
ConflictError, DeletedError, DetachedError, RequestError, TransferError.

Packages: moveshelf.gait (norms, scores, figures), moveshelf.tables (typed tables, Excel), moveshelf.fs (fsspec),
moveshelf.sandbox (a local service to practise on). The command `moveshelf --help` does much of this in a shell.

Names are imported when first used, so that `import moveshelf` costs next to nothing.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from operator import methodcaller
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import gait, tables
    from .client import Moveshelf, connect
    from .errors import (
        AmbiguousError,
        AuthenticationError,
        BudgetError,
        ChecksumError,
        ConfigError,
        ConflictError,
        DeletedError,
        DetachedError,
        JobFailedError,
        JobTimeoutError,
        MoveshelfError,
        NotFoundError,
        NotLoadedError,
        OutcomeUnknownError,
        QueryError,
        RequestError,
        TargetExistsError,
        TransferError,
        ValidationError,
    )
    from .metadata import MetadataUpdate
    from .models import (
        Clip,
        Collection,
        Condition,
        DataFile,
        DataType,
        Job,
        JobStatus,
        Norm,
        Project,
        Report,
        ReportType,
        Session,
        Subject,
        UploadStatus,
    )
    from .models.cohort import Cohort
    from .models.condition import Conditions
    from .models.datafile import OriginalFile
    from .operations.bulk_plan import BulkEntry, BulkPlan, BulkResult, BulkStep
    from .transfer.layout import Place
    from .transfer.result import Entry, Plan, Step, TransferResult
    from .values import Configuration, Dataset, Template, TemplateField
    from .wire.meter import Stats

__version__ = "0.1.0"

_ROOMS = {
    "client": ("Moveshelf", "connect"),
    "errors": (
        "AmbiguousError",
        "AuthenticationError",
        "BudgetError",
        "ChecksumError",
        "ConfigError",
        "ConflictError",
        "DeletedError",
        "DetachedError",
        "JobFailedError",
        "JobTimeoutError",
        "MoveshelfError",
        "NotFoundError",
        "NotLoadedError",
        "OutcomeUnknownError",
        "QueryError",
        "RequestError",
        "TargetExistsError",
        "TransferError",
        "ValidationError",
    ),
    "metadata": ("MetadataUpdate",),
    "models": (
        "Clip",
        "Collection",
        "Condition",
        "DataFile",
        "DataType",
        "Job",
        "JobStatus",
        "Norm",
        "Project",
        "Report",
        "ReportType",
        "Session",
        "Subject",
        "UploadStatus",
    ),
    "models.cohort": ("Cohort",),
    "models.condition": ("Conditions",),
    "operations.bulk_plan": ("BulkEntry", "BulkPlan", "BulkResult", "BulkStep"),
    "models.datafile": ("OriginalFile",),
    "transfer.layout": ("Place",),
    "transfer.result": ("Entry", "Plan", "Step", "TransferResult"),
    "values": ("Configuration", "Dataset", "Template", "TemplateField"),
    "wire.meter": ("Stats",),
}
#: Whole packages that are reached as `moveshelf.<name>`; what they need themselves is imported when it is used.
_PACKAGES = ("gait", "tables")
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [
    "AmbiguousError",
    "AuthenticationError",
    "BudgetError",
    "BulkEntry",
    "BulkPlan",
    "BulkResult",
    "BulkStep",
    "ChecksumError",
    "Clip",
    "Cohort",
    "Collection",
    "Condition",
    "Conditions",
    "ConfigError",
    "Configuration",
    "ConflictError",
    "DataFile",
    "DataType",
    "Dataset",
    "DeletedError",
    "DetachedError",
    "Entry",
    "Job",
    "JobFailedError",
    "JobStatus",
    "JobTimeoutError",
    "MetadataUpdate",
    "Moveshelf",
    "MoveshelfError",
    "Norm",
    "NotFoundError",
    "NotLoadedError",
    "OriginalFile",
    "OutcomeUnknownError",
    "Place",
    "Plan",
    "Project",
    "QueryError",
    "Report",
    "ReportType",
    "RequestError",
    "Session",
    "Stats",
    "Step",
    "Subject",
    "TargetExistsError",
    "Template",
    "TemplateField",
    "TransferError",
    "TransferResult",
    "UploadStatus",
    "ValidationError",
    "__version__",
    "connect",
    "gait",
    "tables",
]


def _imported(room: str) -> ModuleType:
    """A module of this package."""
    with _importing():
        return importlib.import_module(f".{room}", __name__)


@contextmanager
def _importing() -> Iterator[None]:
    """Around the import of much: the cycle collector would go through all that it makes, again and again.

    Where the program has turned the collector off, it stays off. An interrupt anywhere leaves it as it was.
    """
    was_on, known = gc.isenabled(), len(sys.modules)
    try:
        if was_on:
            _importers.append(None)
            gc.disable()
        yield
    finally:
        if was_on:
            try:
                if len(sys.modules) != known:
                    _promote_objects()
            finally:
                try:
                    gc.enable()
                finally:
                    del _importers[:1]


_importers: list[None] = []
"""One for each thread that has turned the collector off."""


def _in_child() -> None:
    """In a forked process, in which the importing threads are not: the collector is on again."""
    if _importers:
        _importers.clear()
        gc.enable()


if hasattr(os, "register_at_fork"):  # Windows does not fork
    os.register_at_fork(after_in_child=_in_child)


def _promote_objects() -> None:
    """Move all objects to the collector's oldest generation, where imported modules end up: it looks at none for that.

    Called after an import with the collector off. Otherwise its next three runs would go through all that is new, for
    nothing: a tenth of the time until the first response. What is garbage by then is found by the next full collection.
    Not where nothing was imported: a program that makes clients in a loop would never come to a full collection.
    """
    if hasattr(gc, "freeze") and gc.get_freeze_count() < _FROZEN_BY_PROGRAM:
        # one call of C's: no interrupt, fork or end of the program comes in between, and leaves all objects frozen
        list(map(methodcaller("__call__"), (gc.freeze, gc.unfreeze)))


_FROZEN_BY_PROGRAM = 1_500
"""From so many frozen objects on it is the program that froze them, and wants them to stay frozen: every interpreter has
thousands of objects at its start. Python 3.12 itself freezes some hundreds."""


def _end() -> None:
    """Python is ending: end what runs in threads, if there is any."""
    for name in ("wire.imports", "wire.thread"):
        end = getattr(sys.modules.get(f"{__name__}.{name}"), "end", None)
        if end is not None:
            end()


# with the first import, not with the first request: what a program registers after it runs before it, and can still send
atexit.register(_end)

if not TYPE_CHECKING:  # a checker would take every name for one that there is

    def __getattr__(name: str) -> Any:
        if name in _PACKAGES:
            return importlib.import_module(f".{name}", __name__)
        room = _ROOM_OF.get(name)
        if room is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(_imported(room), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    frame = sys._getframe().f_back
    for _ in range(
        3
    ):  # help() lists every member of a class, of all classes: the docstring above says what there is
        if frame is not None:
            if frame.f_globals.get("__name__") == "pydoc":
                return [name for name in globals() if name.startswith("__")]
            frame = frame.f_back
    return sorted({*globals(), *__all__})
