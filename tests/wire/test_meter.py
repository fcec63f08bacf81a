"""Counting requests, and refusing them."""

from __future__ import annotations

import pickle
import threading

import pytest

from moveshelf.errors import BudgetError, RequestError

from .faultserver import FaultServer, reply

QUERY = "query Read { ok }"


def test_stats_are_snapshots(connect):
    with FaultServer() as server:
        wire = connect(server.url)
        before = wire.stats
        wire.execute(QUERY)
        wire.execute(QUERY)
        after = wire.stats
        assert (before.requests, after.requests) == (0, 2)
        spent = after - before
        assert spent.requests == 2
        assert spent.bytes_sent == sum(len(seen.body) for seen in server.seen)
        assert spent.bytes_received == 2 * len(b'{"data": {"ok": true}}')
        assert spent.seconds > 0
        assert pickle.loads(pickle.dumps(after)) == after
        after.reset()
        assert wire.stats.requests == 0
        assert after.requests == 2
        assert before == wire.stats


def test_stats_read_as_a_sentence(connect):
    with FaultServer(reply(500), default=reply(404)) as server:
        wire = connect(server.url)
        with pytest.raises(RequestError):
            wire.execute(QUERY)
        text = repr(wire.stats)
        assert text.startswith("<Stats 1 request, 1 repeated, 1 failed, ")
        assert "B sent" in text


def test_a_budget_stops_the_next_request_before_it_is_sent(connect):
    with FaultServer() as server:
        wire = connect(server.url)
        with wire.budget(requests=2) as budget:
            wire.execute(QUERY)
            assert (wire.room(), budget.used, budget.left) == (1, 1, 1)
            wire.execute(QUERY)
            with pytest.raises(
                BudgetError, match=r"'Read' would be request 3, and the budget allows 2"
            ) as caught:
                wire.submit(QUERY)
            assert caught.value.operation == "Read"
            assert repr(budget) == "<Budget: 2 of 2 requests used>"
        assert wire.room() is None
        wire.execute(QUERY)
        assert len(server.seen) == wire.stats.requests == 3


def test_no_fetch(connect):
    with FaultServer() as server:
        wire = connect(server.url)
        with wire.no_fetch(), pytest.raises(BudgetError, match="no_fetch"):
            wire.execute(QUERY)
        assert wire.execute(QUERY) == {"ok": True}
        assert len(server.seen) == 1


def test_nested_budgets_all_count(connect):
    with FaultServer() as server:
        wire = connect(server.url)
        with wire.budget(3) as outer:
            wire.execute(QUERY)
            with wire.budget(5) as inner:
                assert wire.room() == 2
                wire.execute(QUERY)
                wire.execute(QUERY)
                with pytest.raises(BudgetError, match="allows 3"):
                    wire.execute(QUERY)
                assert (outer.used, inner.used) == (3, 2)
            with wire.no_fetch():
                assert wire.room() == 0
        assert len(server.seen) == 3


def test_a_budget_counts_every_thread(connect):
    with FaultServer() as server:
        wire = connect(server.url)
        refused: list[BudgetError] = []

        def work() -> None:
            for _ in range(5):
                try:
                    wire.execute(QUERY)
                except BudgetError as error:
                    refused.append(error)

        with wire.budget(12):
            threads = [threading.Thread(target=work) for _ in range(5)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert len(server.seen) == 12
        assert len(refused) == 25 - 12


def test_a_repetition_is_not_charged_again(connect):
    with FaultServer(reply(503), reply(503)) as server:
        wire = connect(server.url)
        with wire.budget(1):
            wire.execute(QUERY)
        assert len(server.seen) == 3


def test_budgets_of_two_clients_are_apart(connect):
    with FaultServer() as server:
        one, two = connect(server.url), connect(server.url)
        with one.no_fetch():
            assert two.execute(QUERY) == {"ok": True}


@pytest.mark.parametrize("number", [-1, 1.5, "3", True, None])
def test_what_is_no_budget(connect, number):
    with FaultServer() as server, pytest.raises(ValueError, match="number of requests"):
        connect(server.url).budget(number)
