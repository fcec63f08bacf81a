"""Paths: which levels a loop goes down, learned while it runs, and remembered for the client's next loop.

A loop over subjects, their sessions, their trials and their files reads `sessions` of subjects, then `clips` of sessions,
then `files` of clips. That chain is its path. `Reads` is what one loop has read, level by level; from it follows what is
fetched ahead, several levels in one request. `Path` is the same chain as the client remembers it: a later loop that begins
in the same way is taken to go on in the same way, until it turns out that it does not.

Only lists belong to a path: other fields can cost the service much, and are fetched for those that read them.

Nothing here sends a request or looks at objects, so that it can be tested alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .fields import Many
from .selection import Tree

if TYPE_CHECKING:
    from .entity import Entity

#: The share of a level's members that a selector must pick, so that what is below is fetched for all of them.
SHARE = 2 / 3


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

    @property
    def is_deep(self) -> bool:
        """Whether loops have gone down two levels or more from here."""
        return any(one.below for one in list(self.below.values()))


class Paths:
    """The paths that the loops of one client have taken, by the class of the objects that they began with."""

    def __init__(self) -> None:
        self._roots: dict[type[Entity], Path] = {}

    def root(self, kind: type[Entity]) -> Path:
        """The path of the loops over such objects."""
        return self._roots.setdefault(kind, Path())


#: A list that is fetched because earlier loops have read it, though this one has not yet: its level and its name.
Guess = tuple["Reads", str]


class Reads:
    """Which lists one loop has read of the members of one level, and of the levels below it.

    Loops note what they read without a lock: what is gone through here is copied first.
    """

    __slots__ = ("_doubts", "_owners", "_total", "below", "lists", "path", "shares")

    def __init__(self, path: Path | None = None) -> None:
        self.path = Path() if path is None else path
        #: the lists that were read since the loop began
        self.lists: dict[str, None] = {}
        self.below: dict[str, Reads] = {}
        #: selector -> the part of the members that it picks
        self.shares: dict[Any, float] = {}
        #: lists that were fetched for a guess, and that the loop has had the chance to read
        self._doubts: set[str] = set()
        self._owners = 0
        self._total = 0

    def down(self, name: str) -> Reads:
        """The level that a field leads to."""
        found = self.below.get(name)
        if found is None:
            found = self.below[name] = Reads(self.path.below.get(name))
        return found

    def begin(self) -> None:
        """A new loop begins: what the last one has read is remembered only."""
        self.lists.clear()
        self.shares.clear()
        self._doubts.clear()
        for one in list(self.below.values()):
            one.begin()

    def touch(self, name: str) -> None:
        """A list of a member is read."""
        if name not in self.lists:
            self.lists[name] = None
            level = self.down(name)
            level.path = self.path.below.setdefault(name, level.path)

    def doubt(self, name: str) -> None:
        """The reader has a batch, or comes to one, that was fetched with a guess.

        The second time at which the list is still not read, loops are taken not to go that way.
        """
        if name in self._doubts and name not in self.lists:
            self.path.below.pop(name, None)
        self._doubts.add(name)

    def pick(self, selector: Any, share: float) -> None:
        """The loop goes on with those of the members that a selector picks; `share` of them, as far as is known."""
        self.shares[selector] = share
        self.path.share = self.share

    @property
    def share(self) -> float:
        """Which part of the members the loop goes on with."""
        return min(1.0, sum(list(self.shares.values()))) if self.shares else self.path.share

    def count(self, sizes: Iterable[int]) -> None:
        """So many members each owner has: the level's listings have arrived."""
        for size in sizes:
            self._owners += 1
            self._total += size
        self.path.average = self.average

    @property
    def average(self) -> float:
        """How many members one owner has: in this loop, or (nothing is listed yet) in an earlier one."""
        return self._total / self._owners if self._owners else self.path.average

    def ahead(self, kind: type[Entity], guess: bool, guesses: list[Guess]) -> Tree:
        """The lists that the loop will read of each member of this level, with those below them.

        They are those that it has read so far; and, with `guess`, below them those that earlier loops have read, which are
        added to `guesses`. None where the loop goes on with few of the members only.
        """
        tree: Tree = {}
        if self.share < SHARE:
            return tree
        names = list(self.lists)
        if not names and guess:
            names = [name for name in list(self.path.below) if name in kind.fields]
            guesses += [(self, name) for name in names]
        for name in names:
            field = kind.fields[name]
            if isinstance(field, Many) and field.is_nested:
                tree[field] = self.down(name).ahead(field.target, guess, guesses)
        return tree

    def below_each(self, tree: Tree) -> float:
        """How many objects of the tree are below one member, as far as is known."""
        total = 0.0
        for field, subtree in tree.items():
            level = self.down(field.name)
            total += level.average * (1 + level.below_each(subtree))
        return total
