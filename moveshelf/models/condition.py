"""Conditions: the folders of a session. The service knows them only as the last part of its clips' paths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

import attrs

from ..display import conditions_html, label, near_misses
from ..errors import NameNotFoundError, ValidationError
from ..lazy.cohort import Cohort, Selector
from ..lazy.collection import Collection
from ..lazy.state import NOT_LOADED, State, peek
from .moving import Downloads

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .checks import ClipValues
    from .clip import Clip
    from .session import Session


def folder(clip_path: object, session_path: object) -> str:
    """The condition's name in a clip's path: what stands after the session's, slashes stripped; "" for none.

    A path that does not begin with its session's is taken from its third part on.
    """
    clip = clip_path.strip("/") if isinstance(clip_path, str) else ""
    session = session_path.strip("/") if isinstance(session_path, str) else ""
    if session and (clip == session or clip.startswith(session + "/")):
        return clip[len(session) :].strip("/")
    return "/".join(clip.split("/")[2:]).strip("/")


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
            self._fill([clip for clip in whole if folder(clip.path, session_path) == name])
            self._of = whole
        return self._items  # type: ignore[no-any-return]

    def _cohort(self, select: Selector | None, full: bool) -> Cohort:
        owner = self._condition.session
        if owner._cohort is not None and owner._engine is not None and select is None:
            only = InCondition(self._condition.name) if self._condition._by_name else None
            assert self._field is not None
            return owner._cohort.child(self._field, only, full)
        return self._begin(full)

    def _where(self) -> str:
        return f"condition {self._condition.name!r}"

    def __reduce__(self) -> tuple[Any, ...]:
        return (ConditionClips, (self._condition,))


@attrs.define(eq=True, frozen=True, repr=False, slots=True)
class Condition(Downloads):
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

    @property
    def clips(self) -> Collection[Clip]:
        """The trials of the condition, by creation. Fetches the session's clips, if they are not there."""
        return ConditionClips(self)

    def create_clip(
        self, title: str | None = None, exist_ok: bool = False, **metadata: Unpack[ClipValues]
    ) -> Clip:
        """Make a trial in this condition; see `Session.create_clip`."""
        return self.session.create_clip(title, self, exist_ok, **metadata)

    def delete_clips(self, dry_run: bool = False) -> list[Clip]:
        """Delete the trials of the condition with their files, and with them the condition; those trials.

        One request a trial, all at once; one failure does not stop the others. With `dry_run` nothing is deleted: the
        trials that would go. Raises RequestError that names the trials that are left, OutcomeUnknownError.
        """
        from .deletes import delete_clips

        return delete_clips(self, dry_run)

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

    def is_loaded(self, field: str) -> bool:
        """Whether reading attribute `field` needs no request."""
        return field in ("name", "session") or self.session.is_loaded("clips" if field == "clips" else "path")

    def refresh(self) -> Condition:
        """Forget the session's clips; they are fetched again when touched. Returns the condition."""
        engine = self.session._require("refresh()")
        engine.drop(self.session, type(self.session).fields["clips"])
        return self

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


class Conditions(Downloads, Sequence[Condition]):
    """The conditions of a session, in the order of their first trials."""

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session

    def _all(self) -> list[str]:
        path = self._session.path
        names = dict.fromkeys(folder(clip.path, path) for clip in self._session.clips._members())
        return [name for name in names if name]

    def __len__(self) -> int:
        return len(self._all())

    def __iter__(self) -> Iterator[Condition]:
        return iter([Condition(self._session, name) for name in self._all()])

    @overload
    def __getitem__(self, key: int) -> Condition: ...
    @overload
    def __getitem__(self, key: str) -> Condition: ...
    @overload
    def __getitem__(self, key: slice) -> list[Condition]: ...
    def __getitem__(self, key: int | str | slice) -> Condition | list[Condition]:
        """The condition at a position or of a name (slashes at its ends do not count), or a list for a slice.

        Raises NameNotFoundError with near misses, IndexError.
        """
        names = self._all()
        if isinstance(key, slice):
            return [Condition(self._session, name) for name in names[key]]
        if isinstance(key, str):
            name = key.strip("/")
            if name not in names:
                raise NameNotFoundError(self._no_such(key, names))
            return Condition(self._session, name, True)
        return Condition(self._session, names[key])

    def _no_such(self, key: str, names: list[str]) -> str:
        near = near_misses(key.strip("/"), names)
        hint = (
            f"did you mean {' or '.join(map(repr, near))}?"
            if near
            else f"it has {', '.join(map(repr, names)) or 'none'}"
        )
        return f"no condition {key!r} in {label(self._session)}; {hint}"

    def __contains__(self, key: object) -> bool:
        if isinstance(key, Condition):
            return key.session is self._session and key.name in self._all()
        return isinstance(key, str) and key.strip("/") in self._all()

    def get(self, key: str, default: Any = None) -> Condition | Any:
        """The condition of that name, or `default`."""
        try:
            return self[key]
        except NameNotFoundError:
            return default

    def names(self) -> list[str]:
        """The conditions' names, in order."""
        return self._all()

    def ids(self) -> list[str]:
        """The conditions' paths, in order: a condition has no id."""
        return [one.path for one in self]

    def find(self, **attributes: Any) -> list[Condition]:
        """The conditions whose attributes equal the given ones. Raises ValidationError for one they do not have."""
        for name in attributes:
            if name not in ("name", "path", "clips", "session", "id"):
                raise ValidationError(
                    f"Condition has no attribute {name!r}; it has name, path, session, clips"
                )
        return [one for one in self if all(getattr(one, key) == value for key, value in attributes.items())]

    def find_one(self, **attributes: Any) -> Condition:
        """The one condition whose attributes equal the given ones. Raises NameNotFoundError if there is none."""
        for one in self.find(**attributes):
            return one
        wanted = ", ".join(f"{name}={value!r}" for name, value in attributes.items())
        raise NameNotFoundError(f"no condition with {wanted} in {label(self._session)}")

    def load(self, *paths: str) -> Conditions:
        """Fetch what the paths name below every condition ("clips.files")."""
        for path in paths or ("clips",):
            self._session.load(path)
        return self

    def to_frame(self) -> Any:
        """A pandas DataFrame: one row a condition, with its path and number of clips. Needs the extra `pandas`."""
        from ..tables.frame import frame

        return frame([{"name": one.name, "path": one.path, "clips": len(one.clips)} for one in self])

    def _ipython_key_completions_(self) -> list[str]:
        return self._all() if self._session.is_loaded("clips") and self._session.is_loaded("path") else []

    def _repr_html_(self) -> str:
        return conditions_html(self._counts())

    def _counts(self) -> dict[str, int] | None:
        """How many clips each condition has, as far as that is loaded; never a request."""
        clips = peek(type(self._session).fields["clips"].read(self._session))
        path = peek(type(self._session).fields["path"].read(self._session))
        if clips.__class__ is State or not clips._is_loaded() or path.__class__ is State:
            return None
        counts: dict[str, int] = {}
        for clip in peek(clips._items):
            name = clip._peek_folder(path)
            if name:
                counts[name] = counts.get(name, 0) + 1
        return counts

    def __repr__(self) -> str:
        if not (self._session.is_loaded("clips") and self._session.is_loaded("path")):
            return "<conditions (not loaded; len(), a loop, an index or load() fetches them)>"
        names = self._all()
        return f"<{len(names)} condition{'' if len(names) == 1 else 's'}: {', '.join(map(repr, names))}>"
