"""How far ahead of its reader one level of a traversal may be fetched."""

from __future__ import annotations

#: How many batches of a level may have been requested and not yet read.
MOST_AHEAD = 8
#: How many batches before the reader has come to one of them.
FIRST_AHEAD = 2
#: How many members the first batch of a loop covers: it may end after the first of them.
OPENING = 20
#: How a window that an index or a name opened grows when the next neighbour is touched too.
GROWTH = 8
#: How it grows when another member is touched that is no neighbour, and how many batches it may then take together.
SCATTERED_GROWTH = 4
SCATTERED_BATCHES = 3
#: How many objects one request of several levels fetches, about, and how many of them may be requested and not yet read.
TARGET = 2500
MOST_OBJECTS = 8 * TARGET
#: How many of them in a loop's first requests ahead; in a loop whose path was known before.
FIRST_OBJECTS = 1000
KNOWN_OBJECTS = 3500


class Ahead:
    """How many objects of several levels may be fetched ahead of the reader of a traversal.

    Few at first; twice as many each time that the reader comes to what was fetched ahead. Holds numbers only.
    """

    __slots__ = ("allowed", "unread")

    def __init__(self) -> None:
        self.allowed = FIRST_OBJECTS
        #: about how many were requested and not yet read
        self.unread = 0.0

    def begin(self, is_known: bool) -> None:
        """A loop begins; its path may be known from earlier ones."""
        self.allowed = KNOWN_OBJECTS if is_known else FIRST_OBJECTS

    def grow(self) -> None:
        """The reader has come to what was fetched ahead."""
        self.allowed = min(2 * self.allowed, MOST_OBJECTS)

    def go_on(self) -> None:
        """The reader has come to the second member of the traversal's first level: it did not end after one."""
        self.allowed = min(4 * self.allowed, MOST_OBJECTS)

    def batches(self, each: float, most: int) -> tuple[int, int]:
        """How many members the next requests may name, and how many requests may be sent, `each` member with all below it
        being so many objects; no requests where only a small one would fit."""
        room = self.allowed - self.unread
        full = min(TARGET, self.allowed)
        if room < full / 2:
            return 0, 0
        names = max(1, min(most, int(min(full, room) / each)))
        return names, max(1, int(room / (names * each)))


#: How many members are looked at in any case for others that miss what one misses.
LOOKS = 200
#: How often in a row only so many are looked at, where looking at all has found none.
MOST_SKIPPED = 64


class Window:
    """The window of one level: full for a loop; for members that were picked, of one object, which grows.

    Holds numbers only, so that it can be tested alone.
    """

    __slots__ = (
        "_last",
        "_looked",
        "_most_ahead",
        "_pause",
        "_skip",
        "ahead",
        "expected",
        "feeds_lower_level",
        "full",
        "landed",
        "read_on",
        "size",
    )

    def __init__(self, full: bool) -> None:
        #: a loop opens the full window; an index or a name a window of one
        self.full = full
        #: how many members a window that is not full covers
        self.size = 1
        self._last: str | None = None
        #: the id that comes next, if the reader goes on to the neighbour
        self.expected: str | None = None
        #: batches that were requested for this level and that nobody has read
        self.ahead = 0
        #: whether a level below this one is being read: then this one stays only just ahead of it
        self.feeds_lower_level = False
        #: the groups of which a batch has come
        self.landed: tuple[str, ...] = ()
        #: whether the reader went on from a first batch's first member: then it is a loop, and batches are large
        self.read_on = False
        self._most_ahead = FIRST_AHEAD
        self._looked = self._pause = self._skip = 0

    # searches ------------------------------------------------------------------------------------------------
    @property
    def looks(self) -> int | None:
        """How many members a search for those that miss something may look at; None for all."""
        return LOOKS if self._skip else None

    def begin_search(self) -> None:
        """A reader came to a member that misses something: which others do?"""
        self._skip = max(0, self._skip - 1)
        self._looked = 0

    def looked_at(self, count: int) -> None:
        """A search has looked at so many members."""
        self._looked += count

    def end_search(self, found: int) -> None:
        """So many were found. Where one alone misses something again and again, others are sought more and more rarely."""
        if found > 1:
            self._pause = self._skip = 0
        elif self._looked > LOOKS and not self._skip:
            self._pause = min(2 * self._pause or 1, MOST_SKIPPED)
            self._skip = self._pause + 1

    # opening -------------------------------------------------------------------------------------------------
    def open(self, identity: str, most: int) -> int:
        """How many members a window covers that an index or a name opened at `identity`."""
        if identity == self.expected:
            self.size *= GROWTH
            self.full = self.read_on = self.size >= most
        elif self._last not in (None, identity):
            self.size = min(self.size * SCATTERED_GROWTH, most * SCATTERED_BATCHES)
            most *= SCATTERED_BATCHES
        self._last = identity
        return min(self.size, most)

    def first(self, group: str) -> bool:
        """Whether a batch of the group is the first of a loop that may end after one member, or one beside it: of another
        reader, who came here before the first one had its own."""
        if self.read_on or group not in self.landed:
            return not self.read_on
        self.read_on = True  # its first batch is behind the reader
        return False

    def land(self, group: str) -> None:
        """A batch of the group has come, or will not."""
        if group not in self.landed:
            self.landed += (group,)

    def slide(self) -> None:
        """The reader has come to a batch that was prefetched: it goes on reading, so the whole window opens."""
        self._most_ahead = MOST_AHEAD

    def room(self, depth: int) -> int:
        """How many more batches may be requested ahead of the reader, at a level with `depth` levels above it.

        A level that another one is read below stays two batches ahead, so that the lower one does not come to the end
        of what is known and wait; the deepest has the rest of the window.
        """
        most = FIRST_AHEAD if self.feeds_lower_level else min(self._most_ahead, MOST_AHEAD - depth)
        return most - self.ahead
