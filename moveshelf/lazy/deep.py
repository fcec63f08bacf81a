"""Requests of several levels for a loop: what one fetches, how much that is, and how it is seen what the loop reads of it.

The same nested selections serve `load("sessions.clips.files")` (preload.py); there the levels are named, here they are
learned (paths.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from .fields import Field, Many
from .paths import Guess, Reads
from .peers import Peers, items_of
from .selection import Selection, Tree, deep
from .state import PrefetchMarker

if TYPE_CHECKING:
    from .entity import Entity

#: How many lists of a level are watched, to see whether the loop reads what was fetched for a guess.
WATCHED = 50


@attrs.frozen(eq=False)
class Deep:
    """What one request of several levels fetches of each member of a level."""

    selection: Selection
    tree: Tree
    #: how many objects a member is with all that is fetched below it, as far as is known
    each: float
    #: the lists that are fetched because earlier loops have read them
    guesses: tuple[Guess, ...] = ()


def plan(peers: Peers, kind: type[Entity], name: str) -> Deep | None:
    """How a group of the members of a level is fetched with the levels below it.

    None where the group is no list, where the peers are not a loop's, and where the loop reads nothing below the list. What
    earlier loops have read below it counts once this loop is two levels deep: it may be a loop over the list alone.
    """
    loops = peers.loops
    field = kind.groups[name][0]
    if (
        not loops
        or not isinstance(field, Many)
        or field.barrier
        or field.in_parts
        or field.lister is not None
    ):
        return None
    level = peers.reads.down(name)
    guesses: list[Guess] = []
    below = level.ahead(field.target, loops > 1, guesses)
    if not below:
        return None
    tree: Tree = {field: below}
    return Deep(deep(kind, tree), tree, 1 + peers.reads.below_each(tree), tuple(guesses))


def smallest(kind: type[Entity], tree: Tree, sizes: Mapping[tuple[type[Entity], Any], int], most: int) -> int:
    """The smallest number of objects that a request for a single level of the tree may name; `most` if none is smaller."""
    for field, below in tree.items():
        most = min(most, sizes.get((kind, field.group), most))
        if isinstance(field, Many):
            most = smallest(field.target, below, sizes, most)
    return most


def count(reads: Reads, members: Sequence[Entity], tree: Tree) -> None:
    """Note how many objects hang below the members, of which those lists have just been fetched."""
    for field, below in tree.items():
        if isinstance(field, Many):
            lists = [items for one in members if (items := items_of(one, field)) is not None]
            level = reads.down(field.name)
            level.count(map(len, lists))
            if below:
                count(level, [child for items in lists for child in items], below)


class _Watch:
    """Stands in the marker of a list that was fetched for a guess: its first reader proves the guess."""

    __slots__ = ("_name", "_reads")

    def __init__(self, reads: Reads, name: str) -> None:
        self._reads = reads
        self._name = name

    def reached(self, obj: Entity) -> None:
        """The list is read."""
        self._reads.touch(self._name)

    def leave_window(self) -> None:
        """The list is replaced unread: that says nothing."""


def watch(reads: Reads, members: Iterable[Entity], plan: Deep) -> list[Guess]:
    """Have the first readers of what was fetched for guesses prove them; the guesses that can be proved so."""
    for one in members:
        found: list[Guess] = []
        _watch(reads, [one], plan.tree, plan.guesses, found)
        if found:
            return found  # who has gone past this member could have read them
    return []


def _watch(
    reads: Reads, members: Sequence[Entity], tree: Tree, guesses: Sequence[Guess], found: list[Guess]
) -> None:
    for field, below in tree.items():
        if not isinstance(field, Many):
            continue
        owners = [one for one in members if items_of(one, field) is not None]
        for guess in guesses:
            if guess[0] is reads and guess[1] == field.name and owners:
                found.append(guess)
                for one in owners[:WATCHED]:
                    _mark(one, field, reads)
        children = [child for one in owners for child in items_of(one, field) or ()]
        if children:
            _watch(reads.down(field.name), children, below, guesses, found)


def _mark(owner: Entity, field: Field[Any], reads: Reads) -> None:
    collection = field.read(owner)
    if collection._items.__class__ is not PrefetchMarker:
        collection._mark_prefetched(_Watch(reads, field.name))
