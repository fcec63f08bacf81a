"""Every error of the library: one root, and each is also what Python people already catch.

The text of an error names what was looked for, what the service said and what to do next. No error holds the
access token, and none keeps the low-level exception that might (`raise ... from None`).
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Any, TypeVar

E = TypeVar("E", bound=BaseException)


class MoveshelfError(Exception):
    """The root: `except moveshelf.MoveshelfError` catches everything this library raises on purpose."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # attributes travel in __dict__, so that errors cross process borders whatever their signature
        return (_rebuild, (type(self), self.message, self.__dict__.copy()))

    def _render_traceback_(self) -> list[str]:
        """The traceback in IPython and notebooks, which call this: the lines of the user's code, not those in here.

        `%xmode Verbose` shows all frames, and `%debug` steps through all of them.
        """
        shown: list[str] = []
        shell = sys.modules["IPython"].get_ipython()  # who calls this is IPython
        if shell is not None:
            formatter = shell.InteractiveTB
            is_whole = getattr(formatter, "mode", "") == "Verbose"
            frames = self.__traceback__ if is_whole else users_frames(self.__traceback__)
            shown = formatter.structured_traceback(type(self), self, frames, tb_offset=0)
        return shown


def users_frames(traceback: TracebackType | None) -> TracebackType | None:
    """A traceback without the frames of this library and of the tools that ran the user's code; all of it where no other
    frame is left."""
    found: list[TracebackType] = []
    at = traceback
    while at is not None:
        found.append(at)
        at = at.tb_next
    kept = [one for one in found if not _is_inside(one)]
    made: TracebackType | None = None
    for one in reversed(kept):
        made = TracebackType(made, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return made or traceback


def _is_inside(traceback: TracebackType) -> bool:
    module = str(traceback.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
    return module in _INSIDE


#: What is between the user's lines and the place where an error was raised: this library, and what it is called through.
_INSIDE = frozenset(
    {__name__.partition(".")[0], "IPython", "contextlib", "functools", "concurrent", "threading"}
)


def _rebuild(kind: type[MoveshelfError], message: str, state: dict[str, Any]) -> MoveshelfError:
    error = kind.__new__(kind, message)
    error.args = (message,)
    error.__dict__.update(state)
    return error


def fresh(error: E) -> E:
    """A copy of `error` without its traceback: what each waiter of one failed request raises.

    Raising one instance in several threads would chain and grow its traceback.
    """
    try:
        twin = copy.copy(error)
    except Exception:  # an exception of somebody else's that cannot be copied is raised as it is
        return error
    twin.__traceback__ = None
    twin.__cause__ = error.__cause__
    twin.__suppress_context__ = True
    return twin


class ConfigError(MoveshelfError, ValueError):
    """Key, key file, URL or region are missing, malformed or do not belong together. Raised before any request."""


class NotFoundError(MoveshelfError, LookupError):
    """No object of that id or name. Names near misses where there are any."""


class NameNotFoundError(NotFoundError, KeyError):
    """`collection["name"]` without such a member: also a KeyError."""


class IndexNotFoundError(NotFoundError, IndexError):
    """`collection[int]` out of range: also an IndexError."""


class AmbiguousError(MoveshelfError, LookupError):
    """A name that several objects share; the text lists their ids."""


class ValidationError(MoveshelfError, ValueError):
    """Input that cannot be right, or that the service's validator refused. Nothing was written.

    `errors` lists every single complaint.
    """

    def __init__(self, message: str = "", errors: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.errors: list[str] = list(errors)


class ConflictError(MoveshelfError):
    """Somebody else changed the object in between; nothing was written. `refresh()` it, look, and write again."""


class DeletedError(MoveshelfError):
    """The object was deleted through this client; it refuses further use."""


class DetachedError(MoveshelfError):
    """A copied or unpickled object was used for something that it had not loaded, or its client is closed."""


class NotLoadedError(MoveshelfError, RuntimeError):
    """Inside `async with ms.aio():`, waiting for a request here would block the event loop. Nothing was sent.

    The text names the coroutine to await instead: `await obj.aload("...")`.
    """


class RequestError(MoveshelfError):
    """A request to the service failed.

    `status` is the HTTP status (None when no response came), `body` the beginning of the response's text,
    `request_id` what the service calls the request, `operation` the GraphQL operation's name.
    """

    def __init__(
        self,
        message: str = "",
        *,
        status: int | None = None,
        body: str = "",
        request_id: str | None = None,
        operation: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = body
        self.request_id = request_id
        self.operation = operation


class AuthenticationError(RequestError, PermissionError):
    """The service refused the key (401 or 403)."""


class QueryError(RequestError):
    """The service responded with GraphQL errors: `errors` is their list as it came, `data` what came beside them."""

    def __init__(
        self,
        message: str = "",
        *,
        errors: Sequence[dict[str, Any]] = (),
        data: dict[str, Any] | None = None,
        status: int | None = 200,
        body: str = "",
        request_id: str | None = None,
        operation: str | None = None,
    ) -> None:
        super().__init__(message, status=status, body=body, request_id=request_id, operation=operation)
        self.errors = list(errors)
        self.data = data


class OutcomeUnknownError(RequestError):
    """A mutation was sent and no response came: it may or may not have been carried out. It is not repeated."""


class BudgetError(RequestError):
    """A request that `budget()` or `no_fetch()` forbids; it was not sent."""


class TransferError(MoveshelfError):
    """An upload or download failed; the text says what exists on either side now.

    `status` is the object store's HTTP status, where it responded.
    """

    def __init__(self, message: str = "", *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class ChecksumError(TransferError):
    """Bytes arrived that are not the ones that were sent: size or CRC-32C differ. Nothing was put in place."""


class TargetExistsError(TransferError, FileExistsError):
    """A file of that name is there already and was to be left alone; nothing of it was touched."""


class JobFailedError(MoveshelfError):
    """A job of the service has failed. `result` is the service's text on why, or None."""

    def __init__(self, message: str = "", *, result: str | None = None) -> None:
        super().__init__(message)
        self.result = result


class JobTimeoutError(MoveshelfError, TimeoutError):
    """A job had not ended when the timeout of `job.wait(timeout=...)` did. It goes on; wait again."""
