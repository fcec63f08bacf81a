"""Paths: which levels a loop goes down, learned while it runs, and remembered for the client's next loop.

A loop over subjects, their sessions, their trials and their files reads `sessions` of subjects, then `clips` of sessions,
then `files` of clips. That chain is its path. `Reads` is what one loop has read, level by level; from it follows what is
fetched ahead, several levels in one request. `Path` is the same chain as the client remembers it: a later loop that begins
in the same way is taken to go on in the same way, until it turns out that it does not.

Nothing here sends a request or knows objects of a service, so that it can be tested alone.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING

from .fields import Many
from .selection import Tree

if TYPE_CHECKING:
    from .entity import Entity

#: The share of a level's members that a selector must pick, so that what is below is fetched for all of them.
SHARE = 0.5
#: How often a group that is no list is read in a loop before it is fetched with the levels above it.
OFTEN = 2

#: What begins a path: the class of the members, and the owner's class and field where they are a field's.
Root = Hashable


class Path:
    """One level of a remembered path: the lists that loops have read of its members."""

    __slots__ = ("average", "below", "share")

    def __init__(self) -> None:
        #: the levels below, by the name of the list that leads there
        self.below: dict[str, Path] = {}
        #: how many members one owner had
        self.average = 0.0
        #: which part of the members the loops went on with
        self.share = 1.0

    def down(self, name: str) -> Path:
        """The level that a list leads to."""
        found = self.below.get(name)
        if found is None:
            found = self.below[name] = Path()
        return found

    @property
    def is_deep(self) -> bool:
        """Whether loops have gone down two levels or more from here."""
        return any(one.below for one in self.below.values())


class Paths:
    """The paths that the loops of one client have taken, by what they began with."""

    def __init__(self) -> None:
        self._roots: dict[Root, Path] = {}

    def __len__(self) -> int:
        return len(self._roots)

    def root(self, key: Root) -> Path:
        """The path of the loops that begin with such members."""
        found = self._roots.get(key)
        if found is None:
            found = self._roots[key] = Path()
        return found


#: A list that is fetched because earlier loops have read it, though this one has not yet: its level and its name.
Guess = tuple["Reads", str]


class Reads:
    """What one loop has read of the members of one level, and of the levels below it."""

    __slots__ = ("_doubts", "_owners", "_total", "below", "path", "shares", "times")

    def __init__(self, path: Path | None = None) -> None:
        self.path = Path() if path is None else path
        #: group -> how often it was read since the loop began
        self.times: dict[str, int] = {}
        self.below: dict[str, Reads] = {}
        #: selector -> the part of the members that it picks
        self.shares: dict[Hashable, float] = {}
        #: lists that were fetched for a guess, and that the loop has had the chance to read
        self._doubts: set[str] = set()
        self._owners = 0
        self._total = 0

    def down(self, name: str, is_list: bool = True) -> Reads:
        """The level that a field leads to. Only lists are remembered beyond the loop."""
        found = self.below.get(name)
        if found is None:
            found = self.below[name] = Reads(self.path.down(name) if is_list else None)
        return found

    def begin(self) -> None:
        """A new loop begins: what the last one has read is remembered only."""
        self.times.clear()
        self.shares.clear()
        self._doubts.clear()
        for one in self.below.values():
            one.begin()

    def touch(self, name: str, is_list: bool) -> None:
        """A group of fields is read."""
        self.times[name] = self.times.get(name, 0) + 1
        if is_list and name not in self.path.below:
            self.path.down(name)

    def doubt(self, name: str) -> None:
        """The reader comes to a batch that was fetched with a guess, or has got one: the second time at which the list is
        still not read, loops are taken not to go that way."""
        if name in self.times:
            return
        if name in self._doubts:
            self.path.below.pop(name, None)
            self.below.pop(name, None)
        self._doubts.add(name)

    def pick(self, selector: Hashable, share: float) -> None:
        """The loop goes on with those of the members that a selector picks; `share` of them, as far as is known."""
        self.shares[selector] = share
        self.path.share = self.share

    @property
    def share(self) -> float:
        """Which part of the members the loop goes on with."""
        return min(1.0, sum(self.shares.values())) if self.shares else self.path.share

    def count(self, sizes: Iterable[int]) -> None:
        """So many members each owner has: the level's listings have arrived."""
        for size in sizes:
            self._owners += 1
            self._total += size
        if self._owners:
            self.path.average = self.average

    @property
    def average(self) -> float:
        """How many members one owner has: in this loop, or (nothing is listed yet) in an earlier one."""
        return self._total / self._owners if self._owners else self.path.average

    def ahead(self, kind: type[Entity], guess: bool, guesses: list[Guess]) -> Tree:
        """The fields that the loop will read of each member of this level, with what it will read below them.

        What it has read so far; and, with `guess`, lower down what earlier loops have read, which is added to `guesses`.
        """
        tree: Tree = {}
        if self.share < SHARE:
            return tree
        lists = []
        for name, times in self.times.items():
            for field in kind.groups.get(name, ()):
                if isinstance(field, Many):
                    lists.append(field)
                elif times >= OFTEN:
                    tree[field] = {}
        if not lists and guess:
            for name in self.path.below:
                found = kind.fields.get(name)
                if isinstance(found, Many):
                    lists.append(found)
                    guesses.append((self, name))
        for field in lists:
            if not (field.barrier or field.in_parts or field.lister is not None):
                tree[field] = self.down(field.group).ahead(field.target, guess, guesses)
        return tree

    def below_each(self, tree: Tree) -> float:
        """How many objects of the tree are below one member, as far as is known."""
        total = 0.0
        for field, subtree in tree.items():
            if isinstance(field, Many):
                level = self.down(field.group)
                total += level.average * (1 + level.below_each(subtree))
        return total
