"""Collections: lists of objects that load themselves when used, by position, by name, by id, or in a loop."""

from __future__ import annotations

import copy
import unicodedata
from asyncio import sleep
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload

from .. import display
from ..errors import (
    AmbiguousError,
    DeletedError,
    DetachedError,
    IndexNotFoundError,
    NameNotFoundError,
    ValidationError,
)
from ..lazy.entity import Entity, check_paths, engine_for
from ..lazy.fields import BASIC, Many
from ..lazy.inspection import refuse_to_tools
from ..lazy.members import Index, Members
from ..lazy.paths import Reads
from ..lazy.peers import At, Named, Peers, Selector
from ..lazy.preload import parse
from ..lazy.registry import ENTITIES
from ..lazy.selection import Selection, Tree, basic
from ..lazy.state import NOT_LOADED, PrefetchMarker, State, peek
from ..lazy.steps import Call, Steps, run
from ..lazy.stream import Stream
from ..wire import TooLargeError, collector_paused
from .base import origin_of, service_of
from .contents import HasFiles

if TYPE_CHECKING:
    import pandas as pd
    from typing_extensions import Self

    from ..lazy.engine import Engine
    from ..lazy.origin import Origin
    from ..operations.downloads import LocatedFile, Parts
    from ..operations.service import Service

#: The way from a member down to its clips, to load with their files.
_CLIPS_BELOW = {
    "Project": "subjects.sessions.clips.",
    "Subject": "sessions.clips.",
    "Session": "clips.",
    "Clip": "",
}

#: After how many members an `async for` whose body awaits nothing lets other tasks run.
_TURN = 100

T = TypeVar("T")
C = TypeVar("C", bound=Entity)
D = TypeVar("D")


class Lookup(Sequence[T]):
    """A list whose members are found by position, by name, by id, or by their attributes.

    What collections of objects and a session's conditions have in common.
    """

    __slots__ = ()

    # what a class of lists says of itself ----------------------------------------------------------------------
    def _members(self) -> list[Any]:
        raise NotImplementedError

    def _named(self) -> dict[str, list[Any]]:
        """The members by their names."""
        raise NotImplementedError

    def _kind(self, count: int = 2) -> str:
        """What a member is called, in the singular for a `count` of 1."""
        raise NotImplementedError

    def _where(self) -> str:
        """What the members belong to, for error texts."""
        raise NotImplementedError

    def _clean(self, key: str) -> str:
        """A name as it is looked for: names compare in Unicode's form NFC."""
        return nfc(key)

    def _check_attribute(self, name: str) -> None:
        """Raise ValidationError where members have no attribute of that name."""
        raise NotImplementedError

    def _picked(self, member: Any, select: Selector) -> Any:
        """A member that was picked by a position or a name."""
        return member

    def _view(self, items: list[Any]) -> Any:
        """Some of the members as a list of the same kind."""
        return items

    # looking up ------------------------------------------------------------------------------------------------
    def __len__(self) -> int:
        return len(self._members())

    def __getitem__(self, key: Any) -> Any:
        """The member at a position, of a name or id; the members of a slice, or of a list of positions, names and ids.

        Raises IndexNotFoundError, NameNotFoundError (with near misses) or AmbiguousError (with the ids).
        """
        if isinstance(key, slice):
            return self._view(self._members()[key])
        if isinstance(key, str):
            return self._picked(self._by_name(key), Named(self._clean(key)))
        if isinstance(key, (list, tuple, set, frozenset, range)):
            return self._view([self._one_of(one) for one in key])
        try:
            position = key.__index__()
        except AttributeError:
            raise ValidationError(
                f"{self._kind()} are read by position, slice, name or id, or a list of these, not by "
                f"{type(key).__name__} {key!r}"
            ) from None
        items = self._members()
        try:
            return self._picked(items[position], At(position))
        except IndexError:
            raise IndexNotFoundError(
                f"no {self._kind(1)} at position {position}: {self._where()} has {len(items)}"
            ) from None

    def _one_of(self, key: Any) -> Any:
        """One of several that are wanted: as a position, a name or an id leads to it, without what a pick prefetches."""
        if isinstance(key, str):
            return self._by_name(key)
        try:
            return self._members()[key.__index__()]
        except AttributeError:
            raise ValidationError(
                f"a list of {self._kind()} holds positions, names and ids, and not {type(key).__name__} {key!r}"
            ) from None
        except IndexError:
            raise IndexNotFoundError(
                f"no {self._kind(1)} at position {key}: {self._where()} has {len(self)}"
            ) from None

    def _by_name(self, key: str) -> Any:
        found = self._named().get(self._clean(key))
        if found is None:
            one = self._with_id(key)
            if one is not None:
                return one
            raise NameNotFoundError(self._no_such(key))
        if len(found) > 1:
            ids = ", ".join(one.id for one in found)
            raise AmbiguousError(
                f"{len(found)} {self._kind()} in {self._where()} are named {key!r}: {ids}; take one by its id"
            )
        return found[0]

    def _with_id(self, identity: str) -> Any:
        """The member of that id, None without one."""
        return next((one for one in self._members() if one.id == identity), None)

    def _no_such(self, key: str) -> str:
        names = list(dict.fromkeys(nfc(str(one.name)) for one in self._members()))
        text = f"no {self._kind(1)} {key!r} in {self._where()}"
        near = display.near_misses(self._clean(key), names)
        if near:
            return f"{text}; did you mean {' or '.join(repr(name) for name in near)}?"
        if not names:
            return f"{text}, which has none"
        shown = ", ".join(repr(name) for name in names[:5])
        return f"{text}; it has {shown}{', ...' if len(names) > 5 else ''}"

    def __contains__(self, key: object) -> bool:
        if isinstance(key, str):
            return self._clean(key) in self._named() or self._with_id(key) is not None
        return key in self._members()

    @overload
    def get(self, key: str | int) -> T | None: ...
    @overload
    def get(self, key: str | int, default: D) -> T | D: ...
    def get(self, key: str | int, default: Any = None) -> Any:
        """The member of that name, id or position, or `default`. An ambiguous name still raises."""
        try:
            return self[key]
        except (NameNotFoundError, IndexNotFoundError):
            return default

    def find(self, **attributes: Any) -> Any:
        """The members whose attributes all equal the given ones, as a list of the same kind.

        Compared as people mean it: objects by their name or id too (`condition="Barefoot"`), dates by the day that a text,
        a date or a time means, numbers with digits, statuses in either case; a list, an array or a Series stands for any of
        its values, a callable for a test: `find(name=lambda name: name.startswith("P-"))`. Fetches the attributes that are
        not loaded, in batches.

        Raises ValidationError for an attribute that the members do not have, for NaN and NaT, and for a value that can
        never equal the attribute, by its kind.
        """
        from .matching import Match

        for name in attributes:
            self._check_attribute(name)
        matches = [Match.of(name, wanted) for name, wanted in attributes.items()]
        return self._view([one for one in self if all(match.fits(one) for match in matches)])

    def find_one(self, **attributes: Any) -> T:
        """The one member whose attributes equal the given ones.

        Raises NameNotFoundError if there is none, AmbiguousError if there are several.
        """
        found = list(self.find(**attributes))
        wanted = ", ".join(f"{name}={value!r}" for name, value in attributes.items())
        if not found:
            raise NameNotFoundError(f"no {self._kind(1)} with {wanted} in {self._where()}")
        if len(found) > 1:
            ids = ", ".join(one.id for one in found)
            raise AmbiguousError(f"{len(found)} {self._kind()} with {wanted} in {self._where()}: {ids}")
        return found[0]  # type: ignore[no-any-return]

    def names(self) -> list[str]:
        """The members' names, in order."""
        return [one.name for one in self._members()]

    def ids(self) -> list[str]:
        """The members' ids, in order; of conditions, which have none, their paths."""
        return [one.id for one in self._members()]


def nfc(name: str) -> str:
    """A name in the form in which names compare."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


class Collection(Members[C], Lookup[C], HasFiles, Generic[C]):
    """The objects below another one, in the service's order.

    Nothing is fetched until it is used: `len`, iteration, `[0]`, `["name"]`, `in` and truth fetch the listing (one
    request, or none when it is there). A loop over a collection makes the fields touched in its body be fetched for
    the members that come next; an index or a name fetches for that member alone.
    """

    __slots__ = ("__weakref__", "_above", "_engine", "_field", "_origin", "_owner", "_type")

    def __init__(
        self,
        engine: Engine | None,
        kind: type[C],
        *,
        owner: str | None = None,
        field: Many[C] | None = None,
        items: list[C] | None = None,
        above: Entity | None = None,
    ) -> None:
        self._engine = engine
        #: where a copy without a connection came from
        self._origin: Origin | None = None
        self._type = kind
        self._owner = owner
        self._field = field
        self._items: Any = NOT_LOADED if items is None else items
        # members know what they belong to; where there are none, the table has its columns from here
        self._above = above if items is not None and not items else None
        self._index: Index[C] | None = None
        self._roots: list[Peers | None] | None = None

    # loading -------------------------------------------------------------------------------------------------
    def _members(self) -> list[C]:
        items = self._items
        while items.__class__ is not list:
            if items.__class__ is PrefetchMarker:
                batch, items = items.batch, items.value
                self._items = items
                owner = self._owner_now()
                if owner is not None:
                    batch.reached(owner)
                continue
            self._refuse_to_block()
            run(self._load())
            items = self._items
        return items

    async def _amembers(self) -> list[C]:
        """The members, for coroutines of any event loop."""
        if self._items is NOT_LOADED:
            await self._connected("its listing").take(self._loading())
        elif self._items.__class__ is not list and self._engine is not None:
            await self._engine.take(self._loading())
        return self._members()

    def _loading(self) -> Steps[None]:
        """The steps that load the listing; the reader has come here."""
        while not self._is_loaded():
            yield from self._load()
        self._members()

    def _in_loop(self) -> list[C]:
        """The members, loaded before, as a loop reads them."""
        items = self._members()
        peers = self._peers_of(None, True)
        for one in items:
            one._peers = peers
        return items

    def _refuse_to_block(self) -> None:
        """Raise NotLoadedError where a wait for the listing would block an event loop that must not be blocked."""
        if self._engine is not None and self._field is not None and self._items is NOT_LOADED:
            self._engine.loader.refuse_to_block(self._field.owner, self._field)

    def _load(self) -> Steps[None]:
        field, engine = self._field, self._engine
        if self._items is State.DELETED:
            raise DeletedError(f"this collection of {self._kind()} belongs to something that was deleted")
        refuse_to_tools(f"this collection of {self._kind()}")
        if engine is None or field is None or self._owner is None:
            engine = self._connected("its listing")
        if field is None or self._owner is None:
            raise DetachedError(
                f"this collection of {self._kind()} has no owner that it could be listed from"
            )
        owner = self._adopting_owner(engine, field)
        if not field.in_parts:
            try:
                yield from engine.loader.fetching(owner, field.group)
                return
            except TooLargeError:
                if field.lister is None:
                    raise
        yield Call(partial(self._load_in_parts, engine, owner, field))

    def _load_in_parts(self, engine: Engine, owner: Entity, field: Many[C]) -> None:
        assert field.lister is not None
        cache = engine.cache
        clock = cache.clock
        rows = field.lister(owner)
        with collector_paused, cache.lock, cache.in_slices():
            items = Selection.listed(cache, owner, field, basic(field.target), rows, clock)
            if not cache.is_stale(owner.id, clock) and not cache.is_stale((owner.id, field.name), clock):
                self._fill(items)

    def _adopting_owner(self, engine: Engine, field: Many[C]) -> Entity:
        """The owner; where it was collected, a new one that takes this collection over, so that the rows come here."""
        assert self._owner is not None
        with engine.cache.lock:
            owner = engine.cache.get(field.owner, self._owner)
            if field.read(owner) is not self:
                setattr(owner, field.slot, self)
            return owner

    def _connected(self, what: str) -> Engine:
        """The engine; a copy is connected to this process's own client for that. Raises DetachedError where there is none."""
        if self._engine is None:
            reason = "a copy has no connection"
            if self._origin is not None:
                try:
                    self._origin.connect()
                except DetachedError as error:
                    reason = error.message
            if self._engine is None:
                raise DetachedError(
                    f"{what} of this collection of {self._kind()} was not loaded before it was copied or pickled, and "
                    f"{reason}; load it first, or get its owner from a client by its id"
                )
        return self._engine

    def _owner_now(self) -> Entity | None:
        if self._engine is None or self._owner is None:
            return None
        return self._engine.cache.peek(self._owner)

    def load(self, *paths: str) -> Self:
        """Fetch what the dotted paths name for every member ("metadata", "sessions.clips.files").

        Several levels travel in one request where that is smaller; what is loaded is not fetched again. Without a
        path it fetches the listing. Raises ValidationError for a path that names no attribute.
        """
        check_paths(paths)
        members = self._members()
        engine = engine_for(self, members, self._type, paths)
        if engine is not None and paths:
            engine.load(members, self._type, paths)
        return self

    async def aload(self, *paths: str) -> Self:
        """`load` for coroutines: the listing, and what the paths name for every member, without blocking the event loop.

        Cancelling the task cancels its requests, except those that others wait for too. Returns the collection.

        Example:
            >>> await project.subjects.aload("sessions.clips.files")  # doctest: +SKIP
        """
        check_paths(paths)
        members = await self._amembers()
        engine = engine_for(self, members, self._type, paths)
        if engine is not None and paths:
            await engine.aload(members, self._type, paths)
        return self

    def stream(self, *paths: str) -> Generator[C, None, None]:
        """The members one after the other, with what the dotted paths name loaded; what the loop has passed is let go of.

        For loops over more than memory holds: a few thousand objects are in memory at a time, however large the project
        is. Returns a generator of the members, in order, for one loop.

        The first member sends the listing's request, if that is not loaded, and the first requests for the paths; further
        ones are sent while the loop runs, at most 8 ahead of it, of about 2,000 objects each: as many in all, and as fast,
        as by `load`. Without paths nothing more is sent before the loop's body touches it; then it is fetched for the members
        that come next too, as in any loop. A budget ends what is fetched ahead before it ends the loop.

        When the loop takes the next member, the lists below the last one (its sessions, with all that is below them) are
        let go of, and fetched again if they are touched later. An object or a collection that you keep in a variable keeps
        what it has. Values of the members themselves (metadata) stay with them, and so does what was loaded before the
        stream began (in a stream inside another loop, it may be what that loop fetched ahead, and is let go of). A loop that
        ends early drops what was fetched ahead, and stops its requests.

        Raises ValidationError for a path that names no attribute, at once; in the loop, the errors of requests. An object that
        the service does not give raises when it is touched, and the others come.

        Example:
            >>> names = set()
            >>> for subject in project.subjects.stream("sessions.clips.files"):  # doctest: +SKIP
            ...     for session in subject.sessions:
            ...         for clip in session.clips:
            ...             names.update(clip.files.names())
        """
        tree = self._stream_tree(paths)
        return self._streamed(paths, tree)

    def _stream_tree(self, paths: tuple[str, ...]) -> Tree:
        check_paths(paths)
        return parse(self._type, paths)

    def _streamed(self, paths: tuple[str, ...], tree: Tree) -> Generator[C, None, None]:
        members = self._members()
        engine = engine_for(self, members, self._type, paths)
        if engine is None:
            yield from members  # a copy without a connection: what it let go of could not be fetched again
            return
        yield from self._new_stream(engine, members, tree).read()

    def _new_stream(self, engine: Engine, members: list[C], tree: Tree) -> Stream[C]:
        peers = self._peers_of(None, True)
        begins_here = peers.loops == 1
        if begins_here:  # not those that other loops over this collection share
            peers = self._new_peers(members)
        return Stream(engine.loader, members, self._type, tree, peers, begins_here)

    def astream(self, *paths: str) -> AsyncGenerator[C, None]:
        """`stream` for coroutines: the same members, requests and errors, without blocking the event loop.

        In the loop's body, what the paths name is there; what else is read is loaded before by `await member.aload(...)`.
        After a `break`, the event loop closes the generator; `contextlib.aclosing` does it at once.

        Example:
            >>> async for subject in project.subjects.astream("sessions.clips"):  # doctest: +SKIP
            ...     print(subject.name, sum(len(session.clips) for session in subject.sessions))
        """
        tree = self._stream_tree(paths)
        return self._astreamed(paths, tree)

    async def _astreamed(self, paths: tuple[str, ...], tree: Tree) -> AsyncGenerator[C, None]:
        members = await self._amembers()
        engine = engine_for(self, members, self._type, paths)
        if engine is None:
            for one in members:
                yield one
            return
        stream = self._new_stream(engine, members, tree)
        stream.open()
        try:
            while stream.at < len(members):
                if stream.must_wait:
                    await engine.take(stream.fetching())
                elif stream.at % _TURN == 0:
                    await sleep(0)
                yield stream.reach()
                stream.leave()
        finally:
            stream.close()

    def refresh(self) -> Self:
        """Forget the listing and everything below, list anew, and return the collection.

        One request at once (for a slice, or what was found: what a listing brings of each member, in batches); everything
        else is fetched again when touched. Raises NotFoundError where the owner, or a member, is no longer there.
        """
        engine = self._connected("refresh()")
        field, owner = self._field, self._owner_now()
        if field is not None and owner is not None:
            engine.forget(owner, field.name)
            self._members()
            return self
        members = [one for one in self._members() if not one.is_deleted]
        for one in members:
            engine.forget(one)
        engine.load(members, self._type, (BASIC,))
        return self

    # peers ---------------------------------------------------------------------------------------------------
    def _peers_of(self, select: Selector | None, full: bool) -> Peers:
        """The peers of those who are read this way: below the owner's own, or those that begin here."""
        field = self._field
        if field is not None and not field.barrier:
            owner = self._owner_now()
            if owner is not None and owner._peers is not None:
                return owner._peers.child(field, select, full)
        return self._root_peers(full)

    def _root_peers(self, full: bool) -> Peers:
        """The peers that begin with these members: one for loops, one for those picked out."""
        items = self._members()  # first: where they are chosen only now, or listed, earlier peers are dropped
        roots = self._roots
        if roots is None:
            roots = self._roots = [None, None]
        found = roots[full]
        if found is None:
            found = roots[full] = self._new_peers(items, full)
        return found

    def _new_peers(self, items: list[C], full: bool = True) -> Peers:
        """Peers that begin with these members; how loops go on from such members is remembered by the client."""
        engine = self._engine
        path = None if engine is None else engine.loader.paths.root(self._type)
        return Peers([one.id for one in items], full=full, reads=Reads(path))

    def _picked(self, member: C, select: Selector) -> C:
        if self._may_load:
            member._peers = self._peers_of(select, False)
        return member

    @property
    def _may_load(self) -> bool:
        return self._engine is not None or self._origin is not None

    # reading -------------------------------------------------------------------------------------------------
    def __iter__(self) -> Iterator[C]:
        items = self._members()
        if not self._may_load:
            yield from items
            return
        peers = self._peers_of(None, True)
        peers.begin()
        for one in items:
            one._peers = peers
            yield one

    async def __aiter__(self) -> AsyncIterator[C]:
        """`async for`: the members, without blocking the event loop while the listing is fetched.

        In nested loops the listings of the members that come next are fetched along, and batches ahead of the reader, as in
        a plain loop. What else the loop's body touches is loaded before by `await member.aload(...)`.
        """
        items = await self._amembers()
        if not self._may_load:
            for one in items:
                yield one
            return
        peers = self._peers_of(None, True)
        for number, one in enumerate(items, 1):
            one._peers = peers
            yield one
            if number % _TURN == 0:
                await sleep(0)

    def __reversed__(self) -> Iterator[C]:
        items = self._members()
        if not self._may_load:
            yield from reversed(items)
            return
        items = items[::-1]
        peers = self._new_peers(items)
        peers.begin()
        for one in items:
            one._peers = peers
            yield one

    if TYPE_CHECKING:

        @overload
        def __getitem__(self, key: int) -> C: ...
        @overload
        def __getitem__(self, key: str) -> C: ...
        @overload
        def __getitem__(
            self, key: slice | list[Any] | tuple[Any, ...] | range | set[Any] | frozenset[Any]
        ) -> Collection[C]: ...
        def __getitem__(self, key: Any) -> C | Collection[C]: ...

        def find(self, **attributes: Any) -> Collection[C]: ...

    # finding ---------------------------------------------------------------------------------------------------
    def _changes(self) -> int:
        return 0 if self._engine is None else self._engine.cache.changes

    def _changed_since(self, changes: int) -> list[str] | None:
        return [] if self._engine is None else self._engine.cache.changed_since(changes)

    def _name_key(self, member: C) -> str | None:
        name = member._peek_name()
        return None if name is None else nfc(name)

    def _locked(self) -> AbstractContextManager[Any]:
        return nullcontext() if self._engine is None else self._engine.cache.lock

    def _named(self) -> dict[str, list[C]]:
        items = self._members()
        with self._locked():
            index = self._indexed(items)
            if index.names is not None:
                return index.names
            changes = index.changes
        names: dict[str, list[C]] = {}
        for one in items:  # outside of the lock: a name may be fetched
            names.setdefault(nfc(str(one.name)), []).append(one)  # type: ignore[attr-defined]
        with self._locked():
            if index.items is items and index.changes == changes:
                index.names = names
        return names

    def _with_id(self, identity: str) -> C | None:
        items = self._members()
        with self._locked():
            return self._indexed(items).ids.get(identity)

    def __contains__(self, key: object) -> bool:
        if isinstance(key, Entity):
            return self._with_id(key.id) == key
        return super().__contains__(key)

    def _check_attribute(self, name: str) -> None:
        if not hasattr(self._type, name):
            self._type.field(name)

    def _download_service(self) -> Service:
        if not hasattr(self._type, "_located_files"):
            raise ValidationError(f"{self._kind()} have no files to download")
        return service_of(self._connected("download()"))

    def _download_title(self) -> str:
        return f"download of {self._kind()}"

    def _located_files(self, above: Parts = ()) -> Iterator[LocatedFile]:
        below = _CLIPS_BELOW.get(self._type.__name__)
        if below is not None:
            # whose a session is, in the same request: paths tell subjects by their names, which two may share
            whose = ("subject",) if self._type.__name__ == "Session" else ()
            self.load(f"{below}files", f"{below}original_name", *whose)
        for one in self:
            yield from one._located_files((*above, *self._parts_above(one)))  # type: ignore[attr-defined]

    def _parts_above(self, member: Any) -> Parts:
        """The folders from the collection's owner down to a member, and the member's own."""
        return member._parts_above(self._owner_now())  # type: ignore[no-any-return]

    def to_frame(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """A pandas DataFrame with one row a member: parents, what a listing brings, and what else is loaded.

        Sends the listing's request, if that is not loaded, and none more; `table()` loads what it shows. Parents are columns
        `subject`, `session`, `condition` and `trial`, as far as members have them. Metadata have a column a field
        (`metadata.<key>`), where they are loaded. `columns`: the wanted ones, in order. Times are in UTC without a zone, as
        Excel has them. Needs the extra `pandas`.

        Raises ConfigError without pandas, ValidationError for a column that there is not.

        Example:
            >>> project.subjects.load("metadata").to_frame().to_excel("subjects.xlsx")
        """
        from . import tables

        return tables.collection_frame(self, columns)

    def to_dict(self) -> list[dict[str, Any]]:
        """The members as dictionaries that JSON takes, each with what is loaded of it (`to_dict` of a member).

        Sends the listing's request, if that is not loaded.
        """
        from . import tables

        return [tables.object_dict(one) for one in self._members()]

    def _view(self, items: list[C]) -> Collection[C]:
        above = self._owner_now() or self._above
        if above is None and not items:
            above = next(iter(self._members()), None)
        return Collection(self._engine, self._type, items=items, above=above)

    # looks, copies: never a request ----------------------------------------------------------------------------
    def _kind(self, count: int = 2) -> str:
        name = self._type.__name__.lower()
        name = {"datafile": "file"}.get(name, name)
        return name if count == 1 else name + "s"

    def _where(self) -> str:
        owner = self._owner_now()
        return "this collection" if owner is None else display.label(owner)

    def __repr__(self) -> str:
        return display.collection_repr(self)

    def _repr_html_(self) -> str:
        return display.collection_html(self)

    def _ipython_key_completions_(self) -> list[str]:
        items = self._shown()
        if items.__class__ is not list:
            return []
        return [name for name in (one._peek_name() for one in items) if name]

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if isinstance(other, (Collection, list, tuple)) and self._is_loaded():
            return list(self._members()) == list(other)
        return NotImplemented if not isinstance(other, Collection) else False

    __hash__ = None  # type: ignore[assignment]  # a collection is a list, and lists are not hashable

    def __reduce__(self) -> tuple[Any, ...]:
        items = peek(self._items)
        listed = None if self._field is None else (self._field.owner.__name__, self._owner, self._field.name)
        return (
            _revive,
            (self._type.__name__, items if items.__class__ is list else None, origin_of(self), listed),
        )

    def __copy__(self) -> Self:
        return copy.deepcopy(self)

    def count(self, value: Any) -> int:
        """How many members equal `value` (1 or 0)."""
        return sum(1 for one in self._members() if one == value)

    def index(self, value: Any, start: int = 0, stop: int | None = None) -> int:
        """The position of a member. Raises ValueError if it is none."""
        items = self._members()
        return items.index(value, start, len(items) if stop is None else stop)


def _revive(
    name: str,
    items: Iterable[Any] | None,
    origin: Origin | None = None,
    listed: tuple[str, str | None, str] | None = None,
) -> Collection[Any]:
    """A copy of a collection; `listed` says where it is listed: the owner's class and id, and the field."""
    kind, owner, field = listed or ("", None, "")
    copied: Collection[Any] = Collection(
        None,
        ENTITIES[name],
        owner=owner,
        field=None if not kind else cast("Many[Any]", ENTITIES[kind].fields[field]),
        items=None if items is None else list(items),
    )
    if origin is not None:
        origin.add_collection(copied)
    return copied


Many.collection_type = Collection
