"""How a flat client's requests are sent: through its own methods where a script has replaced them."""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from ..client import Moveshelf
from ..config import resolve
from ..errors import QueryError, ValidationError
from ..operations.validation import InputTypeError
from ..wire import Response, Wire, begin_import
from ..wire.thread import ProcessLock

if TYPE_CHECKING:
    from ..operations.service import Pending
    from .flat import MoveshelfApi

connecting = ProcessLock()
_ALIASED = re.compile(r"(?<!\$)\b([nv]\d+|a[0-9a-f]{8}): (\w+)")


def connect(api: MoveshelfApi, timeout: float, replaced: Callable[[MoveshelfApi], bool]) -> Moveshelf:
    """A client for the flat client's address and key, whose requests the flat client sends.

    `replaced` tells whether a script has replaced the flat client's way to send.
    """
    config = resolve(None, api.api_url, api_key=api._auth_token._auth.removeprefix("Bearer "))
    sender = FlatSender(api, replaced)
    client = Moveshelf(config, timeout=timeout, sender=sender)
    sender.wire = client._wire
    client._engine.populates_shapes = False  # until somebody uses api.client
    if not sender.replaced:
        begin_import()
    return client


class FlatSender:
    """Sends requests over the client's connection, or by a script's own `_dispatch_graphql` or `http`."""

    wire: Wire

    def __init__(self, api: MoveshelfApi, replaced: Callable[[MoveshelfApi], bool]) -> None:
        # weak: the flat client holds the client that holds this
        self._api = weakref.ref(api)
        self._replaced = replaced

    @property
    def replaced(self) -> bool:
        """Whether a script has replaced the way to send: its responses are its own, and it waits for them."""
        api = self._api()
        return api is not None and self._replaced(api)

    def submit(
        self,
        query: str,
        variables: Mapping[str, Any] | None = None,
        *,
        operation: str | None = None,
        halve: bool = False,
        check: Callable[[dict[str, Any]], object] | None = None,
    ) -> Pending:
        """Send it; returns at once with what will come, or, where the way to send is replaced, with what came."""
        api = self._api()
        if api is None or not self.replaced:
            try:
                return self.wire.submit(query, variables, operation=operation, halve=halve, check=check)
            except ValidationError as error:
                raise InputTypeError(error.message, error.errors) from None
        # under the service's own name ("node"), as the script's method knows it from the published client
        aliases = _ALIASED.findall(query)
        alias, name = aliases[0] if len(aliases) == 1 else ("", "")
        own = query.replace(f"{alias}: {name}", name, 1) if alias else query
        try:
            data, errors = api._dispatch_graphql(own, **(variables or {})), []
        except QueryError as error:
            if error.data is None:
                raise
            data, errors = error.data, error.errors  # one bad object among many fails alone
            if alias:
                errors = [{**one, "path": [alias, *(one.get("path") or ())[1:]]} for one in errors]
        if alias and not (isinstance(data, dict) and alias in data):
            data = {alias: data[name]}  # where it is not there, the error that the published client gives
        arrived: Future[Response] = Future()
        arrived.set_result(Response(data, errors, None, 0, 200))
        return arrived
