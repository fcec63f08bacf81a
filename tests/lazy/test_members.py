"""What our own writes do to the list that a collection holds."""

from __future__ import annotations

import bisect
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moveshelf.lazy.members import Members
from moveshelf.lazy.state import DELETED, NOT_LOADED, PrefetchMarker


@attrs.define(eq=False)
class Ranked:
    """A member with what it is listed by."""

    id: str
    rank: int

    def _peek_name(self) -> str:
        return f"rank {self.rank}"


class Plain(Members[Any]):
    """Members without a collection around them."""

    def __init__(self, items: Any) -> None:
        self._fill(items)


class Batch:
    """What a prefetch marker tells when it is taken away unread."""

    left = 0

    def leave_window(self) -> None:
        self.left += 1


def by_rank(one: Ranked) -> int:
    return one.rank


def ids(members: Plain) -> list[str]:
    return [one.id for one in members._shown()]


steps = st.lists(
    st.tuples(st.sampled_from(["add", "remove", "reorder"]), st.integers(0, 9), st.integers(0, 4)),
    max_size=40,
)


@given(steps)
def test_a_sorted_list_stays_sorted(sequence: list[tuple[str, int, int]]) -> None:
    """Against a plain model: a new or changed member comes behind those of its rank."""
    known = [Ranked(str(number), number % 5) for number in range(10)]
    members = Plain([])
    model: list[Ranked] = []
    for step, number, rank in sequence:
        one = known[number]
        if step == "add":
            if one not in model:
                model.insert(bisect.bisect_right([other.rank for other in model], one.rank), one)
            members._add(one, by_rank)
        elif step == "remove":
            model = [other for other in model if other is not one]
            members._remove(one)
        else:
            one.rank = rank
            if one in model:
                model.remove(one)
                model.insert(bisect.bisect_right([other.rank for other in model], rank), one)
            members._reorder(one, by_rank)
        assert ids(members) == [other.id for other in model]
        ranks = [other.rank for other in members._shown()]
        assert ranks == sorted(ranks)


@given(st.permutations(range(5)))
def test_a_list_in_another_order_keeps_it(order: list[int]) -> None:
    """The service lists by something else than we know: a new member comes last, a changed one stays."""
    items = [Ranked(str(rank), rank) for rank in order]
    is_sorted = order == sorted(order)
    members = Plain(list(items))
    members._add(Ranked("new", -1), by_rank)
    wanted = [one.id for one in items]
    assert ids(members) == (["new", *wanted] if is_sorted else [*wanted, "new"])
    members._remove(*[one for one in members._shown() if one.id == "new"])
    last = items[-1]
    others = [one.rank for one in items if one is not last]
    last.rank = -1
    members._reorder(last, by_rank)
    assert ids(members) == ([last.id, *wanted[:-1]] if others == sorted(others) else wanted)


def test_without_an_order_a_new_member_comes_last() -> None:
    members = Plain([Ranked("b", 2)])
    members._add(Ranked("a", 1))
    assert ids(members) == ["b", "a"]


def test_a_loop_over_the_list_is_not_disturbed() -> None:
    """A write makes a new list: who walks the old one sees each member that was there."""
    members = Plain([Ranked(name, 0) for name in "abc"])
    seen = []
    for one in members._shown():
        seen.append(one.id)
        members._remove(one)
    assert seen == ["a", "b", "c"]
    assert ids(members) == []


@pytest.mark.parametrize("state", [NOT_LOADED, DELETED])
def test_what_is_not_loaded_stays_so(state: Any) -> None:
    members = Plain(state)
    one = Ranked("a", 1)
    members._add(one, by_rank)
    members._remove(one)
    members._reorder(one, by_rank)
    assert members._shown() is state
    assert not members._is_loaded()


@pytest.mark.parametrize("change", ["add", "remove", "reorder", "unload", "delete"])
def test_a_prefetched_list_that_is_changed_unread_leaves_the_window(change: str) -> None:
    one, other = Ranked("a", 1), Ranked("b", 2)
    members, batch = Plain([one]), Batch()
    members._mark_prefetched(batch)
    assert members._is_loaded()
    assert isinstance(members._items, PrefetchMarker)
    {
        "add": lambda: members._add(other, by_rank),
        "remove": lambda: members._remove(one),
        "reorder": lambda: members._reorder(one, by_rank),
        "unload": members._unload,
        "delete": members._mark_deleted,
    }[change]()
    assert batch.left == 1
    assert not isinstance(members._items, PrefetchMarker)


def test_removing_another_object_changes_nothing() -> None:
    members, batch = Plain([Ranked("a", 1)]), Batch()
    members._mark_prefetched(batch)
    members._remove(Ranked("b", 1))
    assert batch.left == 0
    assert ids(members) == ["a"]


def test_each_state_of_the_list() -> None:
    members = Plain([Ranked("a", 1)])
    members._indexed(members._shown())
    members._roots = [None, None]
    members._unload()
    assert (members._shown(), members._index, members._roots) == (NOT_LOADED, None, None)
    members._fill([])
    assert members._is_loaded()
    members._mark_deleted()
    assert members._shown() is DELETED


class Named(Plain):
    """Members of a client that counts what is looked at."""

    def __init__(self, items: Any) -> None:
        super().__init__(items)
        self.written: list[str] = []
        self.looks = 0

    def _changes(self) -> int:
        return len(self.written)

    def _changed_since(self, changes: int) -> list[str]:
        return self.written[changes:]

    def _name_key(self, member: Any) -> str | None:
        self.looks += 1
        return str(member._peek_name())

    def found(self, name: str) -> list[str]:
        index = self._indexed(self._shown())
        if index.names is None:
            index.names = {}
            for one in self._shown():
                index.names.setdefault(one._peek_name(), []).append(one)
        return [one.id for one in index.names.get(name, ())]


def test_a_thousand_new_members_do_not_go_through_the_list_a_thousand_times() -> None:
    members = Named([Ranked(str(number), 2 * number) for number in range(1000)])
    calls = 0

    def order(one: Ranked) -> int:
        nonlocal calls
        calls += 1
        return one.rank

    members.found("rank 4")
    for number in range(1000):
        members._add(Ranked(f"new {number}", 2 * number + 1), order)
        assert members.found(f"rank {2 * number + 1}") == [f"new {number}"]
        assert members.found(f"rank {2 * number}") == [str(number)]
    assert [one.rank for one in members._shown()] == list(range(2000))
    assert calls <= 1000 + 3 * 1000, "each once, and the new ones a few times"
    assert members.looks == 1000


def test_a_thousand_moves_do_not_go_through_the_list_a_thousand_times() -> None:
    members = Named([Ranked(str(number), number) for number in range(1000)])
    calls = 0

    def order(one: Ranked) -> int:
        nonlocal calls
        calls += 1
        return one.rank

    for one in list(members._shown()):
        one.rank += 1000
        members.written.append(one.id)
        members._reorder(one, order)
    assert ids(members) == [str(number) for number in range(1000)]
    assert calls <= 1000 + 3 * 1000, "each once, and the moved ones a few times"


def test_a_write_that_changes_no_name_is_one_look() -> None:
    members = Named([Ranked(str(number), number) for number in range(1000)])
    members.found("rank 1")
    for number in range(1000):
        members.written.append(str(number))
        assert members.found(f"rank {number}") == [str(number)]
    assert members.looks == 1000


operations = st.lists(
    st.tuples(
        st.sampled_from(["add", "remove", "rename", "move", "look"]), st.integers(0, 12), st.integers(0, 4)
    ),
    max_size=60,
)


@given(operations)
def test_the_index_finds_what_a_search_finds(sequence: list[tuple[str, int, int]]) -> None:
    pool = [Ranked(str(number), number % 5) for number in range(13)]
    members = Named(sorted(pool[:6], key=by_rank))
    for what, number, rank in sequence:
        one = pool[number]
        held = any(other is one for other in members._shown())
        if what == "add":
            members._add(one, by_rank)
            assert any(other is one for other in members._shown())
        elif what == "remove":
            members._remove(one)
            assert not any(other is one for other in members._shown())
        elif what == "rename":
            one.rank = rank
            members.written.append(one.id)
        elif what == "move":
            one.rank = rank
            members.written.append(one.id)
            others = [other for other in members._shown() if other is not one]
            expected_ids = ids(members)
            if held and others == sorted(others, key=by_rank):
                at = bisect.bisect_right([other.rank for other in others], rank)
                expected_ids = [other.id for other in [*others[:at], one, *others[at:]]]
            members._reorder(one, by_rank)
            assert ids(members) == expected_ids
        for name in {one._peek_name() for one in pool}:
            expected = [other.id for other in members._shown() if other._peek_name() == name]
            assert members.found(name) == expected
        index = members._indexed(members._shown())
        assert set(index.ids) == set(ids(members))
        if what in ("rename", "move", "look"):
            assert held == any(other is one for other in members._shown())


@given(st.lists(st.integers(0, 4), max_size=6), st.lists(st.integers(0, 4), max_size=6), st.booleans())
def test_many_new_members_are_where_each_of_them_would_be(
    held: list[int], ranks: list[int], sorts: bool
) -> None:
    listed = [Ranked(f"held{n}", rank) for n, rank in enumerate(sorted(held) if sorts else held)]
    new = [Ranked(f"new{n}", rank) for n, rank in enumerate(ranks)]
    one_by_one, together = Plain(list(listed)), Plain(list(listed))
    order = by_rank if sorts else None
    for one in new:
        one_by_one._add(one, order)
    together._add_many([*new, *listed], order)
    assert ids(together) == ids(one_by_one)


def test_many_new_members_of_a_list_that_is_not_loaded() -> None:
    members = Plain(NOT_LOADED)
    members._add_many([Ranked("a", 1)], by_rank)
    assert members._shown() is NOT_LOADED
    mixed = Plain([Ranked("c", 3), Ranked("a", 1)])
    mixed._add_many([Ranked("b", 2)], by_rank)
    assert ids(mixed) == ["c", "a", "b"], "a list in another order keeps it"
