"""The derived files of trials, with what is known of each trial: what curves, series, parameters and events are read from."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs

from ..errors import ValidationError
from ..gait.extra import numeric
from ..lazy.cache import loaded_value
from ..operations import contents, executors
from ..operations.downloads import LocatedFile
from ..operations.folders import condition_name

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from ..gait.content import FileContent
    from ..operations.executors import Carry
    from ..operations.service import Service
    from .clip import Clip
    from .contents import HasFiles
    from .session import Session
    from .subject import Subject

Names = Callable[[list[str]], list[str]]
"""Which of a trial's file names are meant."""
_SHOWN = 5


def _gait(module: str) -> Any:
    """A module of `moveshelf.gait` that needs numpy. Raises MissingExtraError where the extra is not installed."""
    return numeric(f".{module}", "moveshelf.gait")


@attrs.define
class DerivedFiles:
    """The files of the trials below an object. Listed when first used, many objects to a request.

    `in_sessions`: trials in no session (those of norms) are left out, which `problems` says. `keep`: which trials are
    meant, all if None. `problems` collects what could not be had.
    """

    owner: HasFiles
    in_sessions: bool = False
    keep: Callable[[Clip], bool] | None = None
    problems: list[str] = attrs.field(factory=list)
    #: has the reading carried out elsewhere, in parts; None where this process reads
    carry: Carry | None = None
    _trials: dict[str, list[LocatedFile]] | None = None
    _about: dict[str, dict[str, Any]] = attrs.field(factory=dict)

    @property
    def service(self) -> Service:
        return self.owner._download_service()

    def read(
        self,
        names: Names,
        what: str,
        optional: bool = False,
        parse: Callable[[FileContent], Any] | None = None,
    ) -> Iterator[Any]:
        """The contents of the files that are meant, in order. `what` says in texts what was looked for.

        With an executor and `parse`, what that makes of each of them, where it was read.

        Where no trial has such a file, that is a warning, unless they are `optional`.

        What has no contents (not complete, not in the store, damaged) is a warning and one of `problems`; what keeps all
        of them away (no connection, no right) is raised.
        """
        from ..gait.content import warn

        service = self.service
        trials = self._listed()
        chosen: list[LocatedFile] = []
        without: list[str] = []
        for files in trials.values():
            wanted = set(names([one.file.name for one in files]))
            found = [one for one in files if one.file.name in wanted]
            chosen += found
            if not found:
                without.append(_folder_of(files[0]))
        self._note_without(without, trials, what, optional)
        complete, incomplete = contents.by_status(service, chosen)
        self._describe(chosen)
        for one, status in incomplete:
            self._problem(one, f"not read: its upload is not complete ({status})", warn)
        for one, result in self._results(service, complete, parse):
            if isinstance(result, bytes):
                yield self._content(one, result)
            elif isinstance(result, contents.FILE_ERRORS):
                self._problem(one, f"not read: {result}", warn)
            elif isinstance(result, Exception):
                raise result
            else:
                yield result

    def _content(self, one: LocatedFile, content: bytes) -> FileContent:
        from ..gait.content import FileContent

        return FileContent(one.file.name, content, **self._about[_trial_of(one)])

    def _results(
        self,
        service: Service,
        files: Sequence[LocatedFile],
        parse: Callable[[FileContent], Any] | None,
    ) -> Iterator[tuple[LocatedFile, Any]]:
        """Each file with its bytes, with what `parse` made of it elsewhere, or with an exception."""
        if self.carry is None or parse is None:
            read = (
                contents.contents_elsewhere(self.carry, files)
                if self.carry
                else contents.contents(service, files)
            )
            for content in read:
                yield content.located, content.result
            return
        parsed = partial(_parsed, parse)

        def part(some: Sequence[LocatedFile]) -> contents.ReadPart:
            return contents.ReadPart.of(some, parse=parsed, about=(self._content(one, b"") for one in some))

        yield from executors.carried(self.carry, files, part, executors.FILES_A_PART, executors.PARTS_AHEAD)

    def _problem(self, one: LocatedFile, text: str, warn: Callable[[str], None]) -> None:
        text = f"{contents.path_of(one)}: {text}"
        self.problems.append(text)
        warn(text)

    def _note_without(
        self, without: Sequence[str], trials: Mapping[str, Sequence[LocatedFile]], what: str, optional: bool
    ) -> None:
        from ..gait.content import held_by, warn

        count = len(trials)
        if len(without) == count:
            names = [str(one.file.name) for files in trials.values() for one in files]
            held = list(dict.fromkeys(filter(None, map(held_by, names))))
            hint = f"; there are files of {_some(held)}" if held and not optional else ""
            text = f"no trial has a file of {what}{hint}" if count else "there are no trials with files"
            self.problems.append(text)
            if not optional:
                warn(text)
        elif without:
            self.problems.append(f"{len(without)} of {count} trials have no file of {what}: {_some(without)}")

    def _listed(self) -> dict[str, list[LocatedFile]]:
        """The files by their trial. A trial that is below several of the owner's members counts once."""
        if self._trials is None:
            found: dict[str, dict[str, LocatedFile]] = {}
            for one in self.owner._located_files():
                if one.is_data_file:
                    clip = _clip_of(one)
                    if self.keep is None or (clip is not None and self.keep(clip)):
                        found.setdefault(_trial_of(one), {})[one.id] = one
            self._trials = {trial: list(files.values()) for trial, files in found.items()}
            if self.in_sessions:
                self._leave_out_loose(self._trials)
        return self._trials

    def _leave_out_loose(self, trials: dict[str, list[LocatedFile]]) -> None:
        self._describe(files[0] for files in trials.values())
        loose = [trial for trial in trials if not self._about[trial]["extra"]["session_id"]]
        if loose:
            shown = _some([_folder_of(trials.pop(trial)[0]) for trial in loose])
            self.problems.append(f"{_count(len(loose), 'trial')} in no session left out: {shown}")

    def _describe(self, files: Iterable[LocatedFile]) -> None:
        """Find the session and the subject of every trial, together for all of them."""
        new = {_trial_of(one): one for one in files if _trial_of(one) not in self._about}
        clips = [clip for clip in map(_clip_of, new.values()) if clip is not None]
        sessions = _sessions_of(clips)
        for trial, one in new.items():
            clip = _clip_of(one)
            session = None if clip is None else sessions.get(clip.id)
            self._about[trial] = _description(one, clip, session)


def _parsed(parse: Callable[[FileContent], Any], about: FileContent, content: bytes) -> Any:
    return parse(attrs.evolve(about, content=content))


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"


def _count(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"


def _folder_of(one: LocatedFile) -> str:
    """Where the file's trial is, for people to read; of a file alone, its name."""
    return contents.path_of(one).rpartition("/")[0] or str(one.file.name)


def _trial_of(one: LocatedFile) -> str:
    clip = loaded_value(one.file, "clip")
    return clip if isinstance(clip, str) else one.id


def _clip_of(one: LocatedFile) -> Clip | None:
    identity, engine = loaded_value(one.file, "clip"), one.file._engine
    return engine.cache.peek(identity) if engine is not None and isinstance(identity, str) else None


def _sessions_of(clips: Sequence[Clip]) -> dict[str, Session]:
    """The sessions of trials, with their subjects, by the trial's id: a request for many, none where they are known."""
    unknown = [clip for clip in clips if not isinstance(loaded_value(clip, "session"), str)]
    if unknown:
        engine = unknown[0]._require("session")
        engine.load(unknown, type(unknown[0]), ["project"])
        for project in {clip.project for clip in unknown}:
            # listed once, so that no trial looks for its own
            paths: dict[str, list[Session]] = {}
            for session in project.sessions:
                paths.setdefault((session.path or "").strip("/"), []).append(session)
            # subjects of one name may have sessions of one path: which has which trials, only their clips tell
            alike = [session for group in paths.values() if len(group) > 1 for session in group]
            if alike:
                engine.load(alike, type(alike[0]), ["clips"])
    found = {clip.id: session for clip in clips if (session := clip.session) is not None}
    sessions = list({session.id: session for session in found.values()}.values())
    if sessions:
        sessions[0]._require("subject").load(sessions, type(sessions[0]), ["subject"])
    return found


def _description(one: LocatedFile, clip: Clip | None, session: Session | None) -> dict[str, Any]:
    """What a curve says of its trial."""
    values = {name: one.values.get(name) or "" for name in ("subject", "session", "condition", "trial")}
    if clip is None or session is None:
        extra = {"session_id": "", "subject_id": ""}
        return {**values, "clip": "" if clip is None else clip.id, "extra": extra}
    subject: Subject | None = session.subject
    when = session.date
    return {
        "subject": (subject and subject.name) or values["subject"],
        "session": session.name,
        "date": when if isinstance(when, datetime.date) else None,
        "condition": condition_name(clip.path, session.path) or "",
        "trial": clip.title or "",
        "clip": clip.id,
        "extra": {"session_id": session.id, "subject_id": subject.id if subject is not None else ""},
    }


# --- what the methods of objects lead to


def cycles(
    files: DerivedFiles, file: str, channels: Sequence[str] | str | None, points: int | None
) -> xr.DataArray:
    """Every stride of every trial as one array."""
    reading = _gait("reading")
    name = _checked_file(file)
    found: xr.DataArray = reading.cycles(
        files.read(
            lambda names: reading.wanted(names, name),
            f"cycles of {name!r}",
            parse=partial(reading.parse_cycles, points=points),
        ),
        name,
        channels,
        points,
    )
    found.attrs["problems"] = [*files.problems, *found.attrs["problems"]]
    return found


def series(files: DerivedFiles, file: str, channels: Sequence[str] | str | None) -> dict[str, xr.Dataset]:
    """The time series of every trial, by the trial's id."""
    reading = _gait("reading")
    name = _checked_file(file)
    source = files.read(lambda names: reading.series_files(names, name), f"time series of {name!r}")
    found: dict[str, xr.Dataset] = reading.series(source, name, channels)
    return found


def one_series(files: DerivedFiles, file: str, channels: Sequence[str] | str | None) -> xr.Dataset:
    """The time series of one trial."""
    reading = _gait("reading")
    name = _checked_file(file)
    source = files.read(lambda names: reading.series_files(names, name), f"time series of {name!r}")
    found: xr.Dataset = reading.trial_series(source, name, channels)
    found.attrs["problems"] = [*files.problems, *found.attrs["problems"]]
    return found


def parameters(files: DerivedFiles) -> pd.DataFrame:
    """The parameters of every trial, completed from its events."""
    reading = _gait("reading")
    given = reading.parameters(files.read(reading.parameter_files, "gait parameters"))
    found: pd.DataFrame = reading.complete(given, events(files, optional=True))
    found.attrs["problems"] = list(dict.fromkeys([*files.problems, *found.attrs["problems"]]))
    return found


def events(files: DerivedFiles, optional: bool = False) -> pd.DataFrame:
    """The events of every trial."""
    reading = _gait("reading")
    found: pd.DataFrame = reading.events(files.read(reading.event_files, "gait events", optional))
    found.attrs["problems"] = list(dict.fromkeys([*files.problems, *found.attrs["problems"]]))
    return found


def _checked_file(file: str) -> str:
    if not isinstance(file, str) or not file.strip():
        raise ValidationError(
            f"file is what files hold, such as 'angles', 'moments' or 'powers', not {file!r}"
        )
    return file


__all__ = ["DerivedFiles", "cycles", "events", "one_series", "parameters", "series"]
