"""Conditions: the folders of a session. The service knows them only as the last part of its clips' paths."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, overload

import attrs

from ..display import condition_html, conditions_html, label
from ..errors import NotFoundError, OutcomeUnknownError, RequestError, ValidationError
from ..lazy.cache import loaded_value
from ..lazy.inspection import View
from ..lazy.peers import Peers, Selector
from ..lazy.state import NOT_LOADED, State, peek
from ..operations import commands
from ..operations.folders import condition_name
from ..operations.locks import write_lock
from .base import service_of
from .collection import Collection, Lookup, nfc
from .contents import HasFiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from typing_extensions import Unpack

    from ..operations.downloads import LocatedFile, Parts
    from ..operations.service import Service
    from ..operations.validation import ClipValues
    from .clip import Clip
    from .session import Session


@attrs.frozen
class InCondition:
    """Selects the clips of one condition, without a request."""

    name: str

    def pick(self, items: Sequence[Any]) -> Sequence[Any]:
        """The clips of the condition among one session's."""
        return [one for one in items if one._peek_folder() == self.name]


class ConditionClips(Collection["Clip"]):
    """The clips of one condition: a view of its session's clips, always as fresh as they are."""

    __slots__ = ("_condition", "_of")

    def __init__(self, condition: Condition) -> None:
        session = condition.session
        source = session.clips
        super().__init__(source._engine, source._type, owner=session.id, field=source._field)
        self._origin = source._origin
        self._condition = condition
        self._of: Any = None

    def _is_loaded(self) -> bool:
        return self._condition.session.clips._is_loaded()

    def _shown(self) -> Any:
        session = self._condition.session
        whole = session.clips._shown()
        path = peek(type(session).fields["path"].read(session))
        if whole.__class__ is not list or path.__class__ is State:
            return NOT_LOADED if whole.__class__ is list else whole
        return [clip for clip in whole if clip._peek_folder(path) == self._condition.name]

    def _members(self) -> list[Clip]:
        whole = self._condition.session.clips._members()
        if self._of is not whole:
            session_path = self._condition.session.path
            name = self._condition.name
            self._fill([clip for clip in whole if condition_name(clip.path, session_path) == name])
            self._of = whole
        return self._items  # type: ignore[no-any-return]

    async def _amembers(self) -> list[Clip]:
        await self._condition.session.aload("path", "clips")
        return self._members()

    def _peers_of(self, select: Selector | None, full: bool) -> Peers:
        owner = self._condition.session
        if owner._peers is not None and owner._engine is not None and select is None:
            only = InCondition(self._condition.name) if self._condition._by_name else None
            assert self._field is not None
            return owner._peers.child(self._field, only, full)
        return self._root_peers(full)

    def _parts_above(self, member: Any) -> Parts:
        return (member._part(),)

    def _where(self) -> str:
        return f"condition {self._condition.name!r}"

    def __reduce__(self) -> tuple[Any, ...]:
        return (ConditionClips, (self._condition,))


@attrs.define(eq=True, frozen=True, repr=False, slots=True)
class Condition(HasFiles):
    """A condition of a session ("Barefoot"). Made on access; two of the same session and name are equal.

    It has a `path` in place of an id.
    """

    session: Session
    name: str
    _by_name: bool = attrs.field(default=False, eq=False)

    @property
    def path(self) -> str:
        """The folder: `/<subject>/<session>/<condition>/`."""
        return f"/{self.session.path.strip('/')}/{self.name}/"

    @View
    def clips(self) -> Collection[Clip]:
        """The trials of the condition, by creation. Fetches the session's clips, if they are not there."""
        return ConditionClips(self)

    def create_clip(
        self, title: str | None = None, exist_ok: bool = False, **metadata: Unpack[ClipValues]
    ) -> Clip:
        """Create a trial in this condition; see `Session.create_clip`."""
        return self.session.create_clip(title, self, exist_ok, **metadata)

    def delete_clips(self, dry_run: bool = False) -> list[Clip]:
        """Delete the trials of the condition with their files, and with them the condition; those trials.

        One request for every fifty trials; one failure does not stop the others. With `dry_run` nothing is deleted: the
        trials that would be. Raises RequestError that names the trials that are left, OutcomeUnknownError.
        """
        from ..operations.deletion import mark_deleted

        session = self.session
        service = session._attached("delete_clips()")
        clips = list(self.clips)
        if dry_run or not clips:
            return clips
        with write_lock(service, session.id):
            rows = [{"clipId": clip.id} for clip in clips]
            outcomes = service.run_many(commands.DELETE_CLIP, rows)
            deleted: list[Clip] = []
            failures: list[tuple[Clip, Exception]] = []
            for clip, outcome in zip(clips, outcomes, strict=True):
                if isinstance(outcome, Exception):
                    error = clip._delete_failure(outcome)
                    if isinstance(error, NotFoundError):
                        deleted.append(clip)  # somebody was faster
                    else:
                        failures.append((clip, error))
                elif outcome.get(commands.DELETE_CLIP.done):
                    deleted.append(clip)
                else:
                    failures.append((clip, RequestError(f"the service did not delete {label(clip)}")))
            mark_deleted(service.cache, deleted)
        if failures:
            names = ", ".join(clip.id for clip, _ in failures)
            first = failures[0][1]
            text = f"{len(failures)} of {len(clips)} clips of {self!r} were not deleted ({names}); the first: {first}"
            unknown = any(isinstance(error, OutcomeUnknownError) for _, error in failures)
            raise OutcomeUnknownError(text) if unknown else RequestError(text)
        return clips

    def load(self, *paths: str) -> Condition:
        """Fetch what the paths name: "clips", "clips.files". Returns the condition."""
        for path in paths:
            head, _, rest = path.partition(".")
            if head != "clips":
                self.session.load(path)
            elif rest:
                self.clips.load(rest)
            else:
                self.session.load("clips")
        return self

    async def aload(self, *paths: str) -> Condition:
        """`load` for coroutines: fetch what the paths name, without blocking the event loop. Returns the condition."""
        for path in paths:
            head, _, rest = path.partition(".")
            if head != "clips":
                await self.session.aload(path)
            elif rest:
                await self.clips.aload(rest)
            else:
                await self.session.aload("path", "clips")
        return self

    def is_loaded(self, field: str) -> bool:
        """Whether reading attribute `field` needs no request."""
        return field in ("name", "session") or self.session.is_loaded("clips" if field == "clips" else "path")

    def refresh(self) -> Condition:
        """Forget the session's clips and their files; they are fetched again when touched. Returns the condition."""
        self.session._require("refresh()").forget(self.session, "clips")
        return self

    def to_dict(self) -> dict[str, Any]:
        """Name and path, and the trials as far as they are loaded, as a dictionary that JSON takes; never a request.

        Raises NotFoundError and others of a request only where the session's path is not loaded.
        """
        found: dict[str, Any] = {"name": self.name, "path": self.path}
        if self.session.is_loaded("clips"):
            found["clips"] = self.clips.to_dict()
        return found

    def _download_service(self) -> Service:
        return service_of(self.session._require("download()"))

    def _download_title(self) -> str:
        return f"download of condition {self.name!r}"

    def _located_files(self, above: Parts = ()) -> Iterator[LocatedFile]:
        self.load("clips.files", "clips.original_name")
        for clip in self.clips:
            yield from clip._located_files((*above, clip._part()))

    def _part(self) -> tuple[Any, str]:
        return ("condition", self.session.id, self.name), self.name

    def _parts_above(self, owner: Any) -> Parts:
        return (*self.session._parts_above(None), self._part())

    def _peek_name(self) -> str | None:
        return self.name

    @property
    def id(self) -> str:
        """A condition has no id on the service; its path stands in for it."""
        return self.path

    def __repr__(self) -> str:
        clips = peek(type(self.session).fields["clips"].read(self.session))
        count = ""
        if clips.__class__ is not State and clips._is_loaded():
            path = peek(type(self.session).fields["path"].read(self.session))
            count = f" clips={sum(1 for one in peek(clips._items) if one._peek_folder(path) == self.name)}"
        return f"<Condition {self.name!r}{count}>"

    def _repr_html_(self) -> str:
        session = self.session
        path = loaded_value(session, "path")
        clips = loaded_value(session, "clips")
        is_loaded = clips is not NOT_LOADED and clips._is_loaded() and path is not NOT_LOADED
        trials = (
            [one for one in peek(clips._items) if one._peek_folder(path) == self.name] if is_loaded else None
        )
        folder = None if path is NOT_LOADED else f"/{str(path).strip('/')}/{self.name}/"
        return condition_html(self.name, session._peek_name() or session.id, folder, trials)


def _refuse(condition: Condition, name: str, value: Any) -> None:
    """What an assignment does: a condition is the folder of its trials, which `update` of a trial changes."""
    ways = {"clips": "create_clip(title)", "session": "update(condition=...) of its trials"}
    raise AttributeError(
        f"Condition.{name} shows what the service holds and cannot be assigned; use "
        f"{ways.get(name, 'update(condition=...) of each of its trials')}"
    )


Condition.__setattr__ = _refuse  # type: ignore[method-assign, assignment]


class Conditions(Lookup[Condition], HasFiles):
    """The conditions of a session, in the order of their first trials."""

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session

    def _all_names(self) -> list[str]:
        path = self._session.path
        names = dict.fromkeys(condition_name(clip.path, path) for clip in self._session.clips._members())
        return [name for name in names if name]

    def _members(self) -> list[Condition]:
        return [Condition(self._session, name) for name in self._all_names()]

    def _named(self) -> dict[str, list[Condition]]:
        return {nfc(name): [Condition(self._session, name, True)] for name in self._all_names()}

    def _kind(self, count: int = 2) -> str:
        return "condition" if count == 1 else "conditions"

    def _where(self) -> str:
        return label(self._session)

    def _clean(self, key: str) -> str:
        return nfc(key.strip("/"))  # slashes at the ends of a name do not count

    def _check_attribute(self, name: str) -> None:
        if name not in ("name", "path", "clips", "session", "id"):
            raise ValidationError(f"Condition has no attribute {name!r}; it has name, path, session, clips")

    def __iter__(self) -> Iterator[Condition]:
        return iter(self._members())

    async def __aiter__(self) -> AsyncIterator[Condition]:
        """`async for`: the conditions, without blocking the event loop while the session's clips are fetched."""
        await self.aload()
        for one in self._members():
            yield one

    if TYPE_CHECKING:

        @overload
        def __getitem__(self, key: int) -> Condition: ...
        @overload
        def __getitem__(self, key: str) -> Condition: ...
        @overload
        def __getitem__(self, key: slice) -> list[Condition]: ...
        def __getitem__(self, key: int | str | slice) -> Condition | list[Condition]: ...

        def find(self, **attributes: Any) -> list[Condition]: ...

    def names(self) -> list[str]:
        """The conditions' names, in order."""
        return self._all_names()

    def load(self, *paths: str) -> Conditions:
        """Fetch what the paths name below every condition ("clips.files")."""
        for path in paths or ("clips",):
            self._session.load(path)
        return self

    async def aload(self, *paths: str) -> Conditions:
        """`load` for coroutines: fetch what the paths name below every condition, without blocking the event loop."""
        await self._session.aload("path", *(paths or ("clips",)))
        return self

    def refresh(self) -> Conditions:
        """Forget the session's clips and their files, list them anew, and return the conditions. One request."""
        self._session.clips.refresh()
        return self

    def to_frame(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """A pandas DataFrame: one row a condition, with its path and number of clips. Needs the extra `pandas`."""
        return self.table(columns=columns)

    def to_dict(self) -> list[dict[str, Any]]:
        """The conditions as dictionaries that JSON takes. Fetches the session's clips, if they are not there."""
        return [one.to_dict() for one in self]

    def _download_service(self) -> Service:
        return service_of(self._session._require("download()"))

    def _download_title(self) -> str:
        return "download of conditions"

    def _located_files(self, above: Parts = ()) -> Iterator[LocatedFile]:
        self.load("clips.files", "clips.original_name")
        for one in self:
            for clip in one.clips:
                yield from clip._located_files((*above, one._part(), clip._part()))

    def _ipython_key_completions_(self) -> list[str]:
        loaded = self._session.is_loaded("clips") and self._session.is_loaded("path")
        return self._all_names() if loaded else []

    def _repr_html_(self) -> str:
        return conditions_html(self._counts())

    def _counts(self) -> dict[str, int] | None:
        """How many clips each condition has, as far as that is loaded; never a request."""
        clips = loaded_value(self._session, "clips")
        path = loaded_value(self._session, "path")
        if clips is NOT_LOADED or not clips._is_loaded() or path is NOT_LOADED:
            return None
        counts: dict[str, int] = {}
        for clip in peek(clips._items):
            name = clip._peek_folder(path)
            if name:
                counts[name] = counts.get(name, 0) + 1
        return counts

    def __repr__(self) -> str:
        counts = self._counts()
        if counts is None:
            return "<conditions (not loaded; len(), a loop, an index or load() fetches them)>"
        names = list(counts)
        return f"<{len(names)} condition{'' if len(names) == 1 else 's'}: {', '.join(map(repr, names))}>"
