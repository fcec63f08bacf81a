"""A read with a response that is older than a write and arrives after it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox


def lose(sandbox: Sandbox, mutation: str, cut: str = "after") -> None:
    """Have the next such mutation lose its response, and the query that looks for its effect be refused."""
    sandbox.clear_faults()
    sandbox.fail(mutation, drop=cut)
    sandbox.fail("query", status=403, times=1)


def overtake(sandbox: Sandbox, write: Callable[[], Any], **reads: Callable[[], Any]) -> list[Any]:
    """Start the `reads` (by the name of their request), let the service make the responses, and `write` before they arrive.

    What the reads return or raise, in order.
    """
    found: dict[str, Any] = {}

    def run(name: str, read: Callable[[], Any]) -> None:
        try:
            found[name] = read()
        except Exception as error:
            found[name] = error

    sandbox.requests.clear()
    sandbox.latency(0, per_object=0.6)
    threads = [threading.Thread(target=run, args=pair) for pair in reads.items()]
    try:
        for thread in threads:
            thread.start()
        for name in reads:
            for _ in range(10_000):
                if any(request.objects for request in sandbox.requests.of(name)):
                    break
                threads[0].join(0.002)
            else:
                raise AssertionError(f"no request {name} came")
    finally:
        sandbox.latency(0)
    write()
    late = [name for name in reads if name not in found]
    for thread in threads:
        thread.join()
    assert late == list(reads), "the responses arrived before the write: nothing was tested"
    return [found[name] for name in reads]
