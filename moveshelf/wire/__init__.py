"""GraphQL over HTTP, and bytes beside it: the only package that uses the network.

Importing it costs little: gql and aiohttp are imported with the first request.
"""

from __future__ import annotations

from moveshelf.wire.collector import collector_paused
from moveshelf.wire.connection import Wire
from moveshelf.wire.failures import TooLargeError, query_error
from moveshelf.wire.imports import begin_import
from moveshelf.wire.meter import Budget, Stats
from moveshelf.wire.response import Response
from moveshelf.wire.retry import RetryPolicy
from moveshelf.wire.thread import Future, cap_jobs

__all__ = [
    "Budget",
    "Future",
    "Response",
    "RetryPolicy",
    "Stats",
    "TooLargeError",
    "Wire",
    "begin_import",
    "cap_jobs",
    "collector_paused",
    "query_error",
]
