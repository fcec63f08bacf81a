"""What every method of the flat client stands on: the key, the connection, one request, and the objects
behind it."""

from __future__ import annotations

import json
import logging
import threading
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, MoveshelfError, RequestError, ValidationError
from .checks import InputTypeError
from .documents import Question
from .failures import GraphQlException, dressed
from .keyfile import read_key
from .kinds import BearerTokenAuth

if TYPE_CHECKING:
    from ..client import Moveshelf
    from .feed import Ledger

logger = logging.getLogger("moveshelf-api")


class _Link:
    """The connection for one address and one key, and the objects that were read flat through it."""

    def __init__(self, key: tuple[str, str], client: Moveshelf, ledger: Ledger) -> None:
        self.key = key
        self.client = client
        self.wire = client._engine.wire
        self.engine = client._engine
        self.ledger = ledger


class Flat:
    """The connection of a flat client. See MoveshelfApi."""

    # for subclasses with an __init__ of their own that sets nothing but api_url and _auth_token
    api_url = "https://api.moveshelf.com/graphql"
    _auth_token: BearerTokenAuth
    _timeout: float = 120
    _http: Any = None
    _pool: Any = None
    _link: _Link | None = None
    _making = threading.Lock()

    def __init__(
        self,
        api_key_file: str = "mvshlf-api-key.json",
        api_url: str = "https://api.moveshelf.com/graphql",
        timeout: int = 120,
    ) -> None:
        self.api_url = api_url
        self._timeout = timeout
        self._auth_token = BearerTokenAuth(read_key(api_key_file))

    # the objects --------------------------------------------------------------------------------------------
    @property
    def client(self) -> Moveshelf:
        """The objects over the same connection: `api.client.subject(id)`. What was read flat, they hold
        already.

        Sends nothing. Raises ConfigError for an address that cannot be used.
        """
        link = self._connection()
        link.ledger.look()
        return link.client

    def close(self) -> None:
        """Close the connection and let go of what was read. Another call opens a new one."""
        link, self._link = self._link, None
        if link is not None:
            link.ledger.clear()
            link.client.close()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _connection(self) -> _Link:
        token = getattr(self, "_auth_token", None)
        if token is None:
            raise ConfigError("this MoveshelfApi has no key: call MoveshelfApi.__init__, or set _auth_token")
        key = (self.api_url, token._auth)
        link = self._link
        if link is not None and link.key == key:
            return link
        with self._making:
            link = self._link
            if link is None or link.key != key:
                link = self._link = self._connect(key)
            return link

    def _connect(self, key: tuple[str, str]) -> _Link:
        # here, not above: reading the key file is all that making a MoveshelfApi costs
        from ..client import connect
        from .feed import Ledger

        client = connect(api_key=key[1].removeprefix("Bearer "), api_url=key[0], timeout=self._timeout)
        return _Link(key, client, Ledger(client._engine))

    # one request --------------------------------------------------------------------------------------------
    def _dispatch_graphql(self, query: str, **kwargs: Any) -> Any:
        """Send any query or mutation with its variables, and return the `data` of the answer. One request.

        Queries are repeated after failures that pass; mutations only where they cannot have been carried out.
        Raises GraphQlException for errors in the answer and RequestError for everything else that can go
        wrong; where urllib3 or requests is imported, these are theirs too.
        """
        if self._http is not None:
            return self._through_http(query, kwargs)
        return _exchange(self._connection(), query, kwargs, keep=False)[0]

    def _ask(self, question: Question, **variables: Any) -> Any:
        """Send a question of ours, have the objects take the answer in, and return its `data`."""
        link = self._link if self._http is not None else self._connection()
        if link is None:
            return self._dispatch_graphql(question.text, **variables)
        clock = link.engine.clock
        body = b""
        if self._http is None and getattr(self._dispatch_graphql, "__func__", None) is Flat._dispatch_graphql:
            data, body = _exchange(link, question.text, variables, keep=link.ledger.notes)
        else:
            data = self._dispatch_graphql(question.text, **variables)
        link.ledger.answered(question, data, clock, body)
        return data

    # what writes do to the objects --------------------------------------------------------------------------
    def _changed(self, identity: str, *names: str) -> None:
        """Fields of an object were written: whoever reads them next asks the service."""
        if self._link is not None:
            self._link.ledger.changed(identity, names)

    def _filled(self, path: str | None) -> None:
        """A clip was made in a folder: the session that it lies in lists its clips anew."""
        if self._link is not None and path:
            self._link.ledger.filled(path)

    def _gone(self, identity: str) -> None:
        """An object was deleted: it refuses further use, and its collections drop it."""
        if self._link is not None:
            self._link.ledger.gone(identity)

    # HTTP of the script's own -------------------------------------------------------------------------------
    @property
    def http(self) -> Any:
        """An urllib3.PoolManager for a script's own requests. What is put in its place carries this
        client's, too: anything whose `request(method, url, body=, headers=)` answers with `status`, `reason`
        and `data`.

        Raises ConfigError where urllib3 is not installed.
        """
        if self._http is not None:
            return self._http
        if self._pool is None:
            from .pool import make

            self._pool = make(self._timeout)
        return self._pool

    @http.setter
    def http(self, value: Any) -> None:
        self._http = value

    def _through_http(self, query: str, variables: dict[str, Any]) -> Any:
        """One request through the script's own `http`; no repetition but its own."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        headers = {"Content-Type": "application/json", **self._auth_token.get_auth_header()}
        response = self._http.request("POST", self.api_url, body=body, headers=headers)
        if response.status >= 400:
            raise dressed(refusal("the request", response))
        answer = json.loads(response.data)
        if "errors" in answer:
            raise GraphQlException(answer["errors"])
        return answer["data"]


def _exchange(link: _Link, query: str, variables: dict[str, Any], *, keep: bool) -> tuple[Any, bytes]:
    """An answer's `data`, and its body if `keep`."""
    try:
        answer = link.wire.exchange(query, variables, keep=keep)
    except ValidationError as error:
        raise InputTypeError(error.message, error.errors) from None
    except MoveshelfError as error:
        raise dressed(error) from None
    return answer.data if answer.data is not None else {}, answer.body


def refusal(what: str, response: Any) -> RequestError:
    """The error of an HTTP status, with the service's own words where it has any."""
    text = (
        response.data
        if isinstance(response.data, str)
        else bytes(response.data or b"").decode("utf-8", "replace")
    )
    try:
        reason = "; ".join(error["message"] for error in json.loads(text)["errors"])
    except (ValueError, KeyError, TypeError):
        reason = getattr(response, "reason", None) or "no reason given"
    return RequestError(
        f"{what} failed with status {response.status}: {reason}", status=response.status, body=text[:2000]
    )
