"""Sessions: one visit of a subject."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ..display import label
from ..errors import AmbiguousError, ConflictError, ValidationError
from ..lazy.cache import loaded_collection, loaded_value
from ..lazy.entity import Entity, entity
from ..lazy.fields import BASIC, Many, One, Scalar
from ..lazy.inspection import View
from ..lazy.owners import first_part
from ..lazy.state import NOT_LOADED
from ..metadata import (
    MetadataUpdate,
    ReadOnlyDict,
    merge,
    parse_record,
    parsed,
    read_only,
    record_of,
    stored,
    to_date,
    to_datetime,
)
from ..metadata import values as plain_values
from ..operations import commands
from ..operations.folders import condition_name, session_name
from ..operations.locks import write_lock
from ..operations.queries import stored_state
from ..operations.shapes import Shape
from ..operations.validation import (
    checked_folder,
    checked_name,
    checked_title,
    checked_values,
    clip_values,
    json_text,
    options_text,
    published_text,
)
from ..values import ReportType
from .base import Deletable, service_of, template_of
from .clip import Clip
from .collection import nfc
from .condition import Condition, Conditions
from .contents import HasFiles
from .job import CLIPS_OF_JOBS, Job
from .norm import Norm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from typing_extensions import Self, Unpack

    from ..lazy.cache import Cache
    from ..operations.downloads import LocatedFile, Parts
    from ..operations.service import Service
    from ..operations.validation import ClipValues
    from .collection import Collection
    from .project import Project
    from .report import Report
    from .subject import Subject

#: The method that writes, for the error of who changes what was read.
_WAY = "update_metadata(values)"
#: What a write of a session sends: its name, the text of its metadata, its day (None: as it is).
_Written = tuple[str, "str | None", "str | None"]


@entity(
    "Session",
    owner="subject",
    folder="path",
    derived={"name": "path", "metadata": "stored", "record": "stored", "conditions": "clips"},
    writers={
        "name": "rename(name)",
        "path": "rename(name)",
        "date": "set_date(date)",
        "metadata": "update_metadata(values)",
        "stored": "update_metadata(values)",
        "record": "update_metadata(values)",
        "clips": "create_clip(title)",
        "conditions": "create_clip(title, condition)",
        "reports": "generate_report(kind, title)",
    },
)
class Session(HasFiles, Deletable):
    """A session of a subject: trials (clips) in conditions, reports, norms."""

    path: Scalar[str] = Scalar("projectPath", group=BASIC, doc="The folder: `/<subject>/<session>/`.")
    date: Scalar[dt.date | str | None] = Scalar(
        "date",
        group=BASIC,
        convert=to_date,
        doc="The day of the session; None if it has none; the stored text if it is no date.",
    )
    updated: Scalar[dt.datetime | str | None] = Scalar(
        "updated", convert=to_datetime, doc="When the service last changed the session, in UTC."
    )
    stored: Scalar[str | None] = Scalar(
        "metadata", doc="The text that `record` and `metadata` are read from."
    )
    project: One[Project] = One("project", "Project", doc="The project. No request when reached through it.")
    subject: One[Subject] = One("patient", "Subject", doc="The subject. No request when reached through it.")
    clips: Many[Clip] = Many(
        "clips",
        "Clip",
        back="session",
        passes=("project",),
        doc="All trials of the session, of every condition, by creation.",
    )
    reports: Many[Report] = Many("reports", "Report", doc="The reports on the session.")
    norms: Many[Norm] = Many("norms", "Norm", doc="The norms that belong to the session.")

    @property
    def name(self) -> str:
        """The session's name: the second part of its path."""
        return session_name(self.path) or ""

    @staticmethod
    def _name_from(value: object) -> str | None:
        return session_name(value)

    @property
    def record(self) -> dict[str, Any] | None:
        """The whole stored object as it is: `{"metadata": {...}, ...}`, to be read only; or None.

        Fetched when first touched. Text that is no JSON stays text.
        """
        return read_only(parse_record(self.stored), _WAY)  # type: ignore[no-any-return]

    @property
    def metadata(self) -> dict[str, Any]:
        """The metadata in plain form: `{key: value}`, `{"left": ..., "right": ...}` where a field has sides.

        What the service keeps beside it is in `record`. A dictionary to be read: a change of it raises TypeError (write
        with `update_metadata`). Fetched when first touched. Raises ValidationError where it is no object.
        """
        whose = f"session {self.id}"
        record = record_of(parse_record(self.stored), whose)
        return ReadOnlyDict(plain_values(record_of(record.get("metadata"), whose)), _WAY)

    @View
    def conditions(self) -> Conditions:
        """The conditions, in the order of their first trials; what `clips` holds, grouped. Fetches `clips`."""
        return Conditions(self)

    def condition(self, name: str) -> Condition:
        """The condition of that name, one without trials too; slashes at the ends of the name do not count. No request.

        Raises ValidationError for a name that is none or has a slash inside.
        """
        self._attached("condition()")
        return Condition(self, checked_folder(name), True)

    def create_clip(
        self,
        title: str | None = None,
        condition: Condition | str | None = None,
        exist_ok: bool = False,
        **metadata: Unpack[ClipValues],
    ) -> Clip:
        """Create a trial without a file; the new object, which `clips` lists at once.

        Without a title it is the next `Trial-N` of its condition. `metadata`: description, preview_image_uri,
        allow_download, allow_unlisted_access, start_timecode (`("01:02:03:04", "FPS_25")`), custom_options (one request
        more). With `exist_ok` a trial of that title in that condition is returned as it is. One request; one more to
        list the clips if they are not loaded.

        Raises ValidationError for arguments that cannot be right (before any request), ConflictError for a title that is
        taken.
        """
        from ..operations.additions import add
        from ..operations.titles import next_title

        service = self._attached("create_clip()")
        folder = self._folder_of(condition) if condition is not None else self.path
        name = condition_name(folder, self.path)
        if title is not None:
            title = checked_title(title)
        options = options_text(metadata.get("custom_options"))
        given = clip_values({key: value for key, value in metadata.items() if key != "custom_options"})
        with write_lock(service, self.id) as others:
            if others:  # another program may have created one since the clips were listed
                service.cache.unload(self, Session.fields["clips"])
            there = Condition(self, name).clips if name else self._clips_without_condition()
            if title is None:
                title = next_title([clip.title or "" for clip in there._members()])
            else:
                found: Clip | None = existing(there, title, "clip", exist_ok)
                if found is not None:
                    return found
            project = self.project
            clips = [{"clientId": "0", "metadata": {**given, "title": title, "projectPath": folder}}]
            payload = self._write(
                commands.CREATE_CLIPS,
                {"input": {"project": project.id, "clips": clips}},
                f"create clip {title!r}",
            )
            (created,) = payload["response"]
            clip: Clip = add(
                service.cache,
                commands.CREATE_CLIPS,
                created["mocapClip"],
                {"project": project.id, "session": self.id},
                (self, "clips", None),
                (project, "clips", None),
                empty=("files",),
            )
        if options is not None:
            clip._update({"custom_options": options})
        return clip

    def _folder_of(self, condition: Condition | str) -> str:
        """The path of a condition of this session. Raises ValidationError for what is none."""
        if isinstance(condition, Condition):
            if condition.session is not self:
                raise ValidationError(f"{condition!r} is a condition of another session than {label(self)}")
            name = checked_folder(condition.name) if "/" not in condition.name else condition.name
        else:
            name = checked_folder(condition)
        return f"/{self.path.strip('/')}/{name}/"

    def _clips_without_condition(self) -> Any:
        return self.clips._view(
            [one for one in self.clips._members() if not condition_name(one.path, self.path)]
        )

    def update_metadata(
        self, values: Mapping[str, Any], *, overwrite: bool = True, validate: bool = True
    ) -> MetadataUpdate:
        """Write metadata as given, and return what was changed and what was kept; other fields stay as they are.

        `values`: `{key: value}`, where a value is text, a number, a date, a list of texts, or `{"left": ..., "right":
        ...}` (each side counts for itself); None removes the field or the side. Without `overwrite` only what is empty is
        filled in (`fill_metadata`). What else the record holds stays.

        Unless `validate` is False keys and options are compared with the project's template, with near misses (one request,
        the first time), and the service's validator goes first. Two requests, one where there is nothing to change.

        Raises ValidationError for values that cannot be stored, NaN and NaT among them (before any request), for what the
        template does not know and with all complaints of the validator in `errors`; ConflictError where somebody else has
        changed the session since it was read here. In all cases nothing was written.

        Example:
            >>> session.update_metadata({"session-height": 131.5})
            MetadataUpdate(changed={'session-height': '131.5'}, kept={})
        """
        from ..operations.known_fields import check_values

        service = self._attached("update_metadata()")
        given = checked_values(values)
        shaped = {
            key: stored(value, name=f"metadata {key!r}") for key, value in given.items() if value is not None
        }
        if not (given if overwrite else shaped):
            return MetadataUpdate()
        if validate and shaped:
            check_values(template_of(self), "sessions", shaped, label(self))
        updates = [MetadataUpdate()]

        def written(node: Mapping[str, Any]) -> _Written | None:
            whose = label(self)
            record = record_of(parse_record(node.get("metadata")), whose)
            before = record_of(record.get("metadata"), whose)
            merged = merge(before, given, overwrite=overwrite)
            updates[0] = MetadataUpdate.of(given, before, merged)
            if merged == before:
                return None
            name = session_name(node.get("projectPath")) or ""
            return name, json_text({**record, "metadata": merged}), None

        with write_lock(service, self.id):
            done = self._update([("sessionMetadata", shaped)] if validate and shaped else [], written)
            if done is not None:
                with service.cache.lock:
                    self._after_write(service.cache)
                    service.cache.put(self, Session.fields["stored"], done[1])
        return updates[0]

    def fill_metadata(self, values: Mapping[str, Any], *, validate: bool = True) -> MetadataUpdate:
        """Fill in what is empty, and return what was changed and what was kept; None says nothing.

        As `update_metadata` with `overwrite=False`, in requests and errors too.
        """
        return self.update_metadata(values, overwrite=False, validate=validate)

    def _update(
        self, tabs: list[tuple[str, Any]], written: Callable[[Mapping[str, Any]], _Written | None]
    ) -> _Written | None:
        """Read what is stored, compare it with what was seen, and write what `written` makes of it; what was written.

        The service takes all of a session at once, so that what is not to change is sent along as it is stored.
        """
        cache = service_of(self._require("writing")).cache
        clock = cache.clock
        node = self._stored_now(tabs)
        wanted = written(node)
        if wanted is None:
            with cache.lock:
                stored_state(Session).populate(cache, self, node, clock)
            return None
        name, text, day = wanted
        previous = node.get("updated")
        values = {
            "sessionId": self.id,
            "sessionName": name,
            "sessionMetadata": text,
            "sessionDate": day,
            "previousUpdatedAt": previous,
        }
        self._write(commands.UPDATE_SESSION, values, f"update {label(self)}", before=node)
        return wanted

    def _after_write(self, cache: Cache) -> None:
        """The session was written: reads that are under way are stale, and the time of the change is the service's."""
        cache.invalidate(self.id)
        cache.unload(self, Session.fields["updated"])

    def rename(self, name: str) -> Self:
        """Give the session another name; its folder and those of its trials go along. Returns the session.

        Two requests; one more to list the subject's sessions if they are not loaded. Raises ValidationError for a name
        that is none or has a slash (before any request), ConflictError for a name that is taken and where somebody else
        has changed the session since it was read here; nothing was written then.
        """
        service = self._attached("rename()")
        name = checked_name(name, "session")
        if name == self.name:
            return self
        with write_lock(service, self.id):
            others = [one for one in self.subject.sessions._named().get(name, ()) if one is not self]
            if others:
                raise ConflictError(
                    f"{label(self.subject)} has a session {name!r} already ({others[0].id}), and the trials of two sessions "
                    "of one name would lie in one folder; take another name"
                )
            self._update([], lambda node: (name, _stored_text(node), None))
            with service.cache.lock:
                self._after_write(service.cache)
                self._move_to(service.cache, name)
        return self

    def _move_to(self, cache: Cache, name: str) -> None:
        """The session's folder has another name, and so has everything in it. The lock is held."""
        old = self.path
        new = f"/{first_part(old)}/{name}/"
        cache.put(self, Session.fields["path"], new)
        above = cache.owners([self], "project", "subject")
        cache.invalidate(
            *((one.id, field) for one in (self, *above) for field in ("clips", "norms", "sessions"))
        )
        project = loaded_value(self, "project")
        before = "/" + old.strip("/")
        folders = (first_part(old), None)
        clips = [one for folder in folders for one in cache.in_folder(Clip, folder)]
        for obj in (*clips, *cache.objects.of_kind(Norm)):
            path = loaded_value(obj, "path")
            if path is NOT_LOADED:
                cache.invalidate(obj.id)  # a read of it may be under way
            elif (
                isinstance(path, str)
                and _may_be_of(obj, project)
                and ("/" + path.strip("/") + "/").startswith(before + "/")
            ):
                cache.invalidate(obj.id)
                rest = path.strip("/")[len(before) - 1 :]
                end = "/" if path.endswith("/") else ""
                cache.put(obj, type(obj).fields["path"], f"{new.rstrip('/')}{rest}{end}")

    def set_date(self, date: dt.date | str) -> Self:
        """Give the session another day: a date, or text like 2026-01-31. Returns the session. Two requests.

        Raises ValidationError for what is no date (before any request), ConflictError where somebody else has changed
        the session since it was read here; nothing was written then.
        """
        from ..operations.additions import by_date
        from ..operations.filters import day_text

        service = self._attached("set_date()")
        day = day_text(date)
        if day is None:
            raise ValidationError("set_date needs a date: the service cannot remove a session's date")
        with write_lock(service, self.id):
            self._update(
                [],
                lambda node: (session_name(node.get("projectPath")) or "", _stored_text(node), day),
            )
            cache = service.cache
            with cache.lock:
                self._after_write(cache)
                cache.put(self, Session.fields["date"], dt.date.fromisoformat(day))
                for owner in cache.owners([self], "subject", "project"):
                    cache.invalidate((owner.id, "sessions"))
                    members = loaded_collection(owner, "sessions")
                    if members is not None:
                        members._reorder(self, by_date)
        return self

    def _fill_as_published(
        self, name: str, imported: Any, day: Any, previous: Any, rule: Callable[[Any, Any], Any]
    ) -> Mapping[str, Any]:
        """Rename and date the session, and merge stored and imported metadata by a rule; the payload. Two requests.

        Raises NotFoundError where the service has no such session, ValidationError where its metadata is no JSON object.
        """
        with write_lock(service_of(self._require("writing")), self.id):
            return self._fill_locked(name, imported, day, previous, rule)

    def _fill_locked(
        self, name: str, imported: Any, day: Any, previous: Any, rule: Callable[[Any, Any], Any]
    ) -> Mapping[str, Any]:
        node = self._shaped(_METADATA)
        if node is None:
            raise self._no_longer_there()
        text = node.get("metadata")
        whose = label(self)
        record = dict(record_of(None if text is None else parsed(text, f"the metadata of {whose}"), whose))
        before = record_of(record.get("metadata") or None, whose)
        record["metadata"] = rule(before, imported)
        values = {
            "sessionId": self.id,
            "sessionName": name,
            "sessionMetadata": published_text(record),
            "sessionDate": day,
            "previousUpdatedAt": previous,
        }
        return self._send(commands.UPDATE_SESSION, values, node)

    def _complaints(self, values: Any) -> list[str]:
        """The validator's complaints on metadata that is to be stored. One request."""
        service = service_of(self._require("validation"))
        return service.complaints(type(self), self.id, "sessionMetadata", values)

    def process_gait_tool(
        self, trial_type: str | None = None, clips: Iterable[Clip] | Clip | Condition | None = None
    ) -> Job:
        """Let the service process trials (all of the session, or those given): a job, to `wait()` for. One request.

        The trials' files are read anew once the job was seen to have ended. Raises ValidationError where there is no
        trial, before the request.
        """
        service = self._attached("process_gait_tool()")
        if trial_type is not None and (not isinstance(trial_type, str) or not trial_type.strip()):
            raise ValidationError(f"the trial type is text and not blank, or None; this is {trial_type!r}")
        ids = [clip.id for clip in self._chosen_clips(clips, "process")]
        payload = self._write(
            commands.PROCESS_GAIT, {"clips": ids, "trialType": trial_type}, "start the gait tool"
        )
        job = service.cache.get(Job, payload["jobId"])
        CLIPS_OF_JOBS[job] = tuple(ids)
        return job

    def _chosen_clips(self, clips: Any, what: str) -> list[Clip]:
        """The clips given (one, several, a condition), or all of the session. Raises ValidationError for others and none."""
        if clips is None:
            chosen = list(self.clips._members())
        elif isinstance(clips, Clip):
            chosen = [clips]
        elif isinstance(clips, Condition):
            chosen = list(clips.clips)
        elif isinstance(clips, Iterable) and not isinstance(clips, (str, bytes)):
            chosen = list(clips)
        else:
            raise ValidationError(
                f"clips are clips of the session, a condition, or None for all; not {clips!r}"
            )
        for one in chosen:
            if not isinstance(one, Clip):
                raise ValidationError(f"{one!r} is no clip")
        if not chosen:
            raise ValidationError(f"there is no clip to {what} in {label(self)}")
        return chosen

    def _refuse_clips_of_others(self, chosen: Sequence[Clip]) -> None:
        """Raise ValidationError for clips of another subject; a request where their paths are not loaded."""
        engine = self._require("clips")
        engine.load([self], Session, ["path"])
        engine.load(chosen, Clip, ["path"])
        own, mine = loaded_value(self, "subject"), nfc(first_part(self.path))
        for clip in chosen:
            holder = loaded_value(clip, "session")
            session = engine.cache.peek(holder) if isinstance(holder, str) else None
            subject = None if session is None else loaded_value(session, "subject")
            # ids where both are known, since two subjects may have one name
            known = isinstance(own, str) and isinstance(subject, str)
            if own != subject if known else nfc(first_part(clip.path or "")) != mine:
                whose = first_part(clip.path or "") or "no subject"
                raise ValidationError(
                    f"{label(clip)} is of another subject ({whose!r}) than {label(self)}, which is of {mine!r}: "
                    "a report is of one patient"
                )

    def generate_reports(self, norm: Norm | str | None = None) -> Collection[Report]:
        """Let the service make the reports that it makes by itself, against a norm (or its id); `reports`, to be read anew.

        One request.
        """
        self._attached("generate_reports()")
        values = {"sessionId": self.id, "normId": _norm_id(norm)}
        self._write(commands.CREATE_AUTOMATIC_REPORTS, values, f"create the reports of {label(self)}")
        return self._new_reports()

    def _new_reports(self) -> Collection[Report]:
        cache = service_of(self._require("reports")).cache
        cache.reload(*((one, ("reports",)) for one in (self, *cache.owners([self], "subject"))))
        return self.reports

    def generate_report(
        self,
        kind: ReportType | str,
        title: str,
        clips: Iterable[Clip] | Clip | Condition | None = None,
        norm: Norm | str | None = None,
        template: str | None = None,
    ) -> Collection[Report]:
        """Let the service make one report of trials (all of the session, or those given); `reports`, to be read anew.

        `kind` is a ReportType or its text; `template` the id of a report template; trials may be of other sessions of the
        subject. One request, one more for trials that are not loaded. Raises ValidationError for an unknown kind, a blank
        title, where there is no trial, and for trials of another subject, before the request.
        """
        self._attached("generate_report()")
        if not isinstance(kind, str) or kind not in {one.value for one in ReportType}:
            raise ValidationError(
                f"a report is one of {', '.join(one.value for one in ReportType)}; {kind!r} is none"
            )
        if not isinstance(title, str) or not title.strip():
            raise ValidationError(f"a report needs a title, which is text and not blank; this is {title!r}")
        if template is not None and (not isinstance(template, str) or not template):
            raise ValidationError(f"template is the id of a report template, or None; this is {template!r}")
        chosen = self._chosen_clips(clips, "report on")
        if clips is not None:
            self._refuse_clips_of_others(chosen)
        values = {
            "sessionId": self.id,
            "reportType": str(ReportType(kind).value),
            "title": title,
            "trialsIds": [clip.id for clip in chosen],
            "normId": _norm_id(norm),
            "templateId": template,
        }
        self._write(commands.CREATE_REPORT, values, f"create the report {title!r} of {label(self)}")
        return self._new_reports()

    def _create_automatic_reports(self, norm: Any) -> Mapping[str, Any]:
        """Create the automatic reports against the norm of an id; the payload. One request."""
        return self._send(commands.CREATE_AUTOMATIC_REPORTS, {"sessionId": self.id, "normId": norm})

    def _create_report(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Create a report from values with the service's names; the payload. One request."""
        return self._send(commands.CREATE_REPORT, {"sessionId": self.id, **values})

    # files -----------------------------------------------------------------------------------------------------
    def _download_service(self) -> Service:
        return service_of(self._require("download()"))

    def _download_title(self) -> str:
        return f"download of {label(self)}"

    def _located_files(self, above: Parts = ()) -> Iterator[LocatedFile]:
        self.load("clips.files", "clips.original_name")
        for clip in self.clips:
            yield from clip._located_files((*above, *clip._below_session(self)))

    def _part(self) -> tuple[Any, str]:
        return self.id, self.name or self.id

    def _parts_above(self, owner: Any) -> Parts:
        """The folders from the owner of a collection down, and its own."""
        if type(owner).__name__ == "Subject":
            return (self._part(),)
        subject = first_part(self.path)
        return (("path", subject), subject), self._part()

    @property
    def url(self) -> str:
        """The session's page on the service's web site."""
        return f"{self._site()}/project/{self.project.id}/session/{self.id}"


_METADATA = Shape("metadata")


def existing(collection: Any, name: str, what: str, exist_ok: bool) -> Any:
    """The member of that name, None if there is none.

    Raises ConflictError unless `exist_ok`, AmbiguousError where several have the name.
    """
    found: Sequence[Any] = collection._named().get(collection._clean(name)) or []
    if not found:
        return None
    where = collection._where()
    ids = ", ".join(one.id for one in found)
    if not exist_ok:
        raise ConflictError(
            f"{where} has a {what} {name!r} already ({ids}), and the service would create another one of that name; "
            "exist_ok=True returns the one that is there"
        )
    if len(found) > 1:
        raise AmbiguousError(f"{len(found)} {what}s in {where} are named {name!r}: {ids}; take one by its id")
    return found[0]


def _stored_text(node: Mapping[str, Any]) -> str | None:
    """The stored text, to be sent along; None where there is none that the service would take."""
    text = node.get("metadata")
    return text if isinstance(parse_record(text), dict) else None


def _may_be_of(obj: Entity, project: Any) -> bool:
    """Whether an object may be of the project: two projects may have folders of one name."""
    of = loaded_value(obj, "project") if "project" in type(obj).fields else NOT_LOADED
    return of is NOT_LOADED or not isinstance(project, str) or bool(of == project)


def _norm_id(norm: Any) -> str | None:
    """The id of a norm, or of its id. Raises ValidationError for anything else."""
    if norm is None:
        return None
    if isinstance(norm, Norm):
        return norm.id
    if isinstance(norm, str) and norm.strip():
        return norm
    raise ValidationError(f"norm is a Norm of the project (project.norms['name']) or its id, not {norm!r}")
