"""Moveshelf's motion-capture projects as Python objects, loaded when you touch them.

    import moveshelf
    ms = moveshelf.connect()
    for subject in ms.projects["lab/demo"].subjects:
        print(subject.name, [session.name for session in subject.sessions])

Names are imported when first used, so that `import moveshelf` costs next to nothing.
"""

from __future__ import annotations

import importlib
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
}
#: Whole packages that are reached as `moveshelf.<name>`; what they need themselves is imported when it is used.
_PACKAGES = ("gait", "tables")
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [
    "AmbiguousError",
    "AuthenticationError",
    "BudgetError",
    "ChecksumError",
    "Clip",
    "Collection",
    "Condition",
    "ConfigError",
    "ConflictError",
    "DataFile",
    "DataType",
    "DeletedError",
    "DetachedError",
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
    "OutcomeUnknownError",
    "Project",
    "QueryError",
    "Report",
    "ReportType",
    "RequestError",
    "Session",
    "Subject",
    "TransferError",
    "UploadStatus",
    "ValidationError",
    "__version__",
    "connect",
    "gait",
    "tables",
]


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return importlib.import_module(f".{name}", __name__)
    room = _ROOM_OF.get(name)
    if room is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{room}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
