"""Errors of the flat client: ours, and at the same time the ones that scripts have learned to catch.

Where urllib3 or requests has been imported, a script may catch their exceptions; the classes that are both are made when
such an error is raised, so that neither has to be imported for it.
"""

from __future__ import annotations

import json
import sys
from functools import lru_cache
from typing import Any, cast

from ..errors import (
    BudgetError,
    MoveshelfError,
    NotFoundError,
    QueryError,
    RequestError,
    TransferError,
)

# what the published client repeats until it gives up, and then raises as exhausted retries
_EXHAUSTING = frozenset({404, 500, 502, 503, 504})


class GraphQlException(QueryError):
    """The service responded with errors. `error_info` is their list as it came, and so is the text."""

    def __init__(self, error_info: Any) -> None:
        listed = error_info if isinstance(error_info, list) else [error_info]
        super().__init__(str(error_info), errors=listed)
        self.args = (error_info,)
        self.error_info = error_info

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.error_info,), self.__dict__.copy())


class UnknownIdError(NotFoundError, TypeError, AttributeError):
    """No object of that id. Also what a script gets that looks into None: a TypeError, an AttributeError."""


class OtherKindError(NotFoundError, KeyError):
    """The id belongs to something of another kind, so that the result is empty. Also a KeyError."""


def field(node: Any, name: str, what: str, identity: Any) -> Any:
    """`node[name]`, or an error that says which id was wrong."""
    try:
        return node[name]
    except (TypeError, KeyError):
        pass
    if node is None:
        raise UnknownIdError(f"no {what} has the id {identity!r}, or your key does not see it")
    raise OtherKindError(f"{identity!r} is not the id of a {what}")


def legacy_error(error: MoveshelfError) -> Exception:
    """The error as scripts know it: GraphQlException, or one that urllib3's and requests' handlers catch too."""
    if isinstance(error, GraphQlException):
        return error  # a script's own method raised it, perhaps of a class of its own
    if isinstance(error, QueryError) and (error.status or 200) < 400:
        found = GraphQlException(error.errors)
        found.data, found.request_id, found.operation = error.data, error.request_id, error.operation
        found.status, found.body = error.status, error.body
        return found
    if type(error) is NotFoundError:
        return UnknownIdError(error.message)
    if type(error).__name__ == "WrongKindError":  # by its name: its module costs more to import
        return OtherKindError(error.message)
    if isinstance(error, BudgetError) or not isinstance(error, (RequestError, TransferError)):
        return error
    if isinstance(error, _Legacy):
        return cast("Exception", error)
    message = error.message
    if error.status is not None and str(error.status) not in message:
        message = f"{message} (status {error.status})"
    return _legacy(type(error), message, error.__dict__)


class _Legacy:
    """Marks what `legacy_error` returned."""


def _legacy(kind: type[MoveshelfError], message: str, state: dict[str, Any]) -> Exception:
    bases = _bases(state.get("status"))
    made = _class(kind, bases)  # type: ignore[arg-type]  # classes are hashable, whatever their instances say
    # not through __init__: urllib3's and requests' call for pools and responses that there are none of
    twin = made.__new__(made, message)
    twin.args = (message,)
    twin.__dict__.update(state)
    twin.message = message
    for name, value in _attributes(twin, state).items():
        setattr(twin, name, value)
    return twin


def _bases(status: int | None) -> tuple[type[Exception], ...]:
    found: list[type[Exception]] = []
    urllib3 = sys.modules.get("urllib3.exceptions")
    requests = sys.modules.get("requests.exceptions")
    # with something that is no response of GraphQL's
    has_response = status is not None and 200 <= status < 300
    if has_response:
        found.append(json.JSONDecodeError if requests is None else requests.JSONDecodeError)
    if urllib3 is not None:
        if status is None:
            found += [urllib3.MaxRetryError, urllib3.ProtocolError]
        else:
            found.append(urllib3.MaxRetryError if status in _EXHAUSTING else urllib3.HTTPError)
    if requests is not None and not has_response:
        found.append(requests.ConnectionError if status is None else requests.HTTPError)
    return tuple(found)


@lru_cache(maxsize=64)
def _class(kind: type[MoveshelfError], bases: tuple[type[Exception], ...]) -> type[MoveshelfError]:
    def reduce(self: MoveshelfError) -> tuple[Any, ...]:
        plain = {name: value for name, value in self.__dict__.items() if name not in _FOREIGN}
        return (_legacy, (kind, self.message, plain))

    body = {"__module__": kind.__module__, "__doc__": kind.__doc__, "__reduce__": reduce}
    return cast("type[MoveshelfError]", type(kind.__name__, (kind, _Legacy, *bases), body))


_FOREIGN = ("reason", "pool", "url", "response", "request", "msg", "doc", "pos", "lineno", "colno")


def _attributes(error: MoveshelfError, state: dict[str, Any]) -> dict[str, Any]:
    """What handlers of urllib3's and requests' errors look at."""
    status, body = state.get("status"), state.get("body", "")
    found: dict[str, Any] = {"request": None, "response": None, "pool": None, "url": None}
    if isinstance(error, json.JSONDecodeError):
        found.update(msg=error.message, doc=body, pos=0, lineno=1, colno=1)
    urllib3 = sys.modules.get("urllib3.exceptions")
    if urllib3 is not None:
        cause = urllib3.ProtocolError if status is None else urllib3.ResponseError
        found["reason"] = cause(error.message)
    requests = sys.modules.get("requests.models")
    if requests is not None and status is not None:
        response = requests.Response()
        response.status_code = status
        response._content = body.encode()
        found["response"] = response
    return found
