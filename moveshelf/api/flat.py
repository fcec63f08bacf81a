"""The flat client itself: each method is one operation of an object, and the shape of its result."""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from .. import _importing
from ..errors import ConfigError, MoveshelfError, NotFoundError, RequestError, TransferError, ValidationError
from ..operations import validation
from .failures import GraphQlException, UnknownIdError, field, legacy_error
from .hashes import calculate_file_crc32c, calculate_file_md5, calculate_stream_md5, crc32c_func
from .kinds import BearerTokenAuth, Metadata, check_named, framerate_name, with_timecode

if TYPE_CHECKING:
    from ..client import Moveshelf
    from ..operations import overview
    from ..operations.shapes import Shape
    from ..transfer.source import Source

logger = logging.getLogger("moveshelf-api")

Json = dict[str, Any]

#: The default of a clip's metadata: never changed, every call copies it.
NO_METADATA = Metadata()
#: Bytes up to which a file is handed whole to a script's own `http`.
_SMALL = 1 << 20
#: Bytes up to which a file is compared.
_LARGEST = 10 * 1024 * 1024
#: Seconds that stand for no limit: twenty days, about what every system can wait.
_LONGEST = 20 * 86400.0
#: What people call the objects of a class, for error texts.
_NOUNS = {"Project": "project", "Subject": "subject", "Session": "session", "Clip": "clip", "Job": "job"}


class ValidationErrors(list[str]):
    """The validator's complaints. False as a condition although not empty: scripts test whether an update worked."""

    def __bool__(self) -> bool:
        return False


class MoveshelfApi:
    """The flat client. `MoveshelfApi(api_key_file, api_url, timeout)` reads the key at once and sends nothing.

    `timeout` is in seconds without a sign of life, None for no limit. Methods may be overridden one by one, and what the
    published client calls of itself is called here: where a script has replaced `_dispatch_graphql` or set `http`, everything
    is sent through it, and responses come under the service's names; methods call each other with their oldest arguments
    only. Reading by id sends one request at every call, also when an object holds the result already: scripts poll. A
    mutation whose response is lost is looked for before it is sent again; where nobody can tell, an OutcomeUnknownError
    says so. An error of the service is raised, or reported by the methods that loop.

    Raises ValueError for a missing key file, JSONDecodeError for one that is no JSON, KeyError for one without `secretKey`;
    all are moveshelf.errors.ConfigError.
    """

    # for subclasses with an __init__ of their own that sets nothing but api_url and _auth_token
    api_url = "https://api.moveshelf.com/graphql"
    _auth_token: BearerTokenAuth
    # names of our own are mangled: a subclass may have a `_project` or a `_call`
    __timeout: float = 120
    __http: Any = None
    __pool: tuple[Any, Any] | None = None
    __client: Moveshelf | None = None
    __connected: tuple[tuple[str, str, int], Moveshelf] | None = None

    def __init__(
        self,
        api_key_file: str = "mvshlf-api-key.json",
        api_url: str = "https://api.moveshelf.com/graphql",
        timeout: float | None = 120,
    ) -> None:
        self.api_url = api_url
        seconds = _LONGEST if timeout is None else timeout
        if isinstance(seconds, bool) or not hasattr(seconds, "__float__") or not seconds > 0:
            raise validation.InputTypeError(f"timeout is seconds above 0, or None for no limit: {timeout!r}")
        self.__timeout = min(float(seconds), _LONGEST)
        with _importing():  # here, not above: importing the flat client costs no more than json
            from ..config import read_key_file
        problem: ConfigError | None = None
        try:
            self._auth_token = BearerTokenAuth(read_key_file(api_key_file))
        except ConfigError as error:
            problem = error.with_traceback(None)
        if problem is not None:
            # raised out here, with nothing in this frame that may be a pasted key
            api_key_file = api_url = ""
            raise problem

    # the objects --------------------------------------------------------------------------------------------
    @property
    def client(self) -> Moveshelf:
        """The objects over the same connection: `api.client.subject(id)`. Once used, they hold what is read flat.

        Sends nothing. Raises ConfigError for an address that cannot be used.
        """
        if self.__client is not None:
            return self.__client
        client = self.__connection()
        client._engine.populates_shapes = True
        return client

    @client.setter
    def client(self, value: Any) -> None:
        self.__client = value  # scripts may have an attribute of that name

    def close(self) -> None:
        """Close the connection and let go of what was read. Another call opens a new one."""
        connected, self.__connected = self.__connected, None
        if connected is not None:
            connected[1].close()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __connection(self) -> Moveshelf:
        """The client for the present address and key."""
        token = getattr(self, "_auth_token", None)
        if token is None:
            raise ConfigError("this MoveshelfApi has no key: call MoveshelfApi.__init__, or set _auth_token")
        key = (self.api_url, token._auth, id(self))  # a copy is sent by methods of its own
        connected = self.__connected
        if connected is not None and connected[0] == key:
            return connected[1]
        with _importing():  # here, not above: reading the key file is all that a MoveshelfApi costs
            from .sender import connect, connecting
        with connecting:
            connected = self.__connected
            if connected is None or connected[0] != key:
                connected = self.__connected = (key, connect(self, self.__timeout, MoveshelfApi.__replaced))
            return connected[1]

    def __object(self, kind: str, identity: Any) -> Any:
        """The object of an id; where the id is known as another kind's, an object that says what the service says."""
        engine = self.__connection()._engine
        model = _model(kind)
        try:
            return engine.cache.get(model, identity)
        except NotFoundError:
            return model(identity, engine)

    def __project(self, project: Any) -> Any:
        """The project of an id, or of a name, which the service takes in its place."""
        if isinstance(project, str) and "/" not in project:
            return self.__object("Project", project)
        from ..models import Project

        return Project(project, self.__connection()._engine)

    def __call(self, method: Callable[..., Any], *arguments: Any) -> Any:
        """Call an object's method; its errors as scripts know them."""
        try:
            return method(*arguments)
        except MoveshelfError as error:
            raise legacy_error(error) from None

    def __node(self, kind: str, identity: Any, shape: str) -> Json | None:
        """An object in a shape. One request."""
        validation.check_id(identity, _NOUNS[kind])
        found: Json | None = self.__call(self.__object(kind, identity)._shaped, _shape(shape))
        return found

    def __projects(self, shape: str) -> list[Json]:
        """The projects of the account in a shape. One request."""
        viewer = self.__call(self.__connection()._account._shaped, _shape(shape))
        if not viewer:
            raise UnknownIdError("the service names no account for your key, and so no projects")
        return list(viewer["projects"])

    def __value(self, kind: str, identity: Any, shape: str, name: str) -> Any:
        """One value of an object in a shape. One request."""
        return field(self.__node(kind, identity, shape), name, _NOUNS[kind], identity)

    def __rows(self, listing: str, project_id: Any, filters: Mapping[str, Any], shape: str) -> list[Json]:
        """Rows of a project's listing in a shape. One request."""
        from ..operations import queries

        validation.check_id(project_id, "project")
        method = self.__object("Project", project_id)._rows_shaped
        rows: list[Json] = self.__call(method, getattr(queries, listing), filters, _shape(shape))
        return rows

    def _dispatch_graphql(self, query: str, **kwargs: Any) -> Any:
        """Send any query or mutation with its variables, and return the `data` of the response. One request.

        Queries are repeated after failures that pass; mutations only where they cannot have been carried out. Raises
        GraphQlException for errors in the response and RequestError for everything else that can go wrong; where urllib3 or
        requests is imported, these are theirs too.
        """
        if (http := self.__own_http()) is not None:
            return self.__through_http(http, query, kwargs)
        try:
            return self.__connection()._wire.execute(query, kwargs)
        except ValidationError as error:
            raise validation.InputTypeError(error.message, error.errors) from None
        except MoveshelfError as error:
            raise legacy_error(error) from None

    # HTTP of the script's own -------------------------------------------------------------------------------
    @property
    def http(self) -> Any:
        """An urllib3.PoolManager for a script's own requests. What is put in its place carries this client's, too: anything
        whose `request(method, url, body=, headers=)` returns an object with `status`, `reason` and `data`. So does the
        pool itself where a script has changed its settings or its `request`.

        Raises ConfigError where urllib3 is not installed.
        """
        if self.__http is not None:
            return self.__http
        from .pool import make, state

        if self.__pool is None:
            made = make(self.__timeout)
            self.__pool = made, state(made)
        return self.__pool[0]

    @http.setter
    def http(self, value: Any) -> None:
        self.__http = value

    def __own_http(self) -> Any:
        """What carries the requests: a script's own `http`, or the pool where a script has changed it; else None."""
        if self.__http is None and (self.__pool is not None or "urllib3" in sys.modules):
            from .pool import is_patched, state

            if is_patched() or (self.__pool is not None and state(self.__pool[0]) != self.__pool[1]):
                return self.http
        return self.__http

    def __replaced(self) -> bool:
        """Whether a script has replaced the way to send."""
        return _is_own(self, "_dispatch_graphql") or self.__own_http() is not None

    def __through_http(self, http: Any, query: str, variables: dict[str, Any]) -> Any:
        """One request through the script's own `http`; no repetition but its own."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        headers = {"Content-Type": "application/json", **self._auth_token.get_auth_header()}
        response = http.request("POST", self.api_url, body=body, headers=headers)
        if response.status >= 400:
            raise legacy_error(refusal("the request", response))
        content = json.loads(response.data)
        if "errors" in content:
            raise GraphQlException(content["errors"])
        return content["data"]

    # projects -----------------------------------------------------------------------------------------------
    def getUserProjects(self) -> list[Json]:
        """The projects that the key sees: [{name, id}, ...].

        Objects: `[project.name for project in ms.projects]`
        """
        projects = self.__projects("USER_PROJECTS")
        return [_picked(project, "name", "id") for project in projects if project is not None]

    def getProjectAndClips(self) -> list[Json]:
        """Every project with its first twenty clips: [{id, name, clips: {edges: [{node: {id, title}}]}}, ...].

        Objects: `[(project.name, project.clips[:20]) for project in ms.projects]`
        """
        return self.__projects("PROJECTS_AND_CLIPS")

    def getProjectDatasets(self, project_id: str) -> list[Json]:
        """A project's datasets: [{name, downloadUri}, ...]; the addresses are signed and expire. Empty where the service
        says null.
        Raises NotFoundError (also a TypeError) for an unknown id.

        Objects: `ms.project(project_id).datasets`
        """
        return list(self.__value("Project", project_id, "DATASETS", "datasets") or ())

    def getProjectTemplate(self, project_id: str) -> Any:
        """A project's template as a dict (template, subjectMetadataTabs, sessionMetadataTabs), None without one.

        Raises NotFoundError (also a TypeError) for an unknown id, ValidationError (a ValueError) where the template is no
        JSON text.

        Objects: `ms.project(project_id).template`
        """
        template = self.__value("Project", project_id, "TEMPLATE", "template")
        if not template:
            return None
        from ..metadata import parsed

        return self.__call(parsed, template["data"], f"the template of project {project_id!r}")

    def getProjectInfo(self, project_id: str) -> Json | None:
        """A project's template and configuration: {id, name, template: {name, data}, projectConfiguration: {id, name,
        data}}, both `data` as JSON text. None for an unknown id.

        Objects: `ms.project(project_id).configuration`
        """
        return self.__node("Project", project_id, "PROJECT_INFO")

    def getProjectClips(
        self, project_id: str, limit: int | None, include_download_link: bool = False
    ) -> list[Json]:
        """The first `limit` clips of a project: [{id, title, projectPath}, ...], with originalFileName and
        originalDataDownloadUri (signed, expiring) if `include_download_link`.
        Raises NotFoundError (also a TypeError) for an unknown id.

        Objects: `ms.project(project_id).clips[:limit]`
        """
        shape = "PROJECT_CLIP_LINKS" if include_download_link else "PROJECT_CLIPS"
        return self.__rows("CLIPS", project_id, {"first": limit}, shape)

    def getProjectSubjects(self, project_id: str) -> list[Json]:
        """The subjects of a project: [{id, name, updated, externalId}, ...]; externalId is the EHR id.
        Raises NotFoundError (also a TypeError) for an unknown id.

        Objects: `ms.project(project_id).subjects`
        """
        found: list[Json] = self.__value("Project", project_id, "PROJECT_SUBJECTS", "patientsList")
        return found

    # subjects -----------------------------------------------------------------------------------------------
    def getProjectSubjectByEhrId(self, ehr_id: str, project_id: str) -> Json | None:
        """The subject of an EHR id: {id, name}, or None where the project has none of it.

        Objects: `ms.project(project_id).subject_by_ehr_id(ehr_id)`
        """
        validation.check_id(project_id, "project")
        validation.check_id(ehr_id, "subject in the health record")
        shape = _shape("SUBJECT_BY_EHR_ID")
        found: Json | None = self.__call(
            self.__connection()._account._subject_by_ehr_id, ehr_id, project_id, shape
        )
        return found

    def getSubjectContext(self, subject_id: str) -> Json | None:
        """A subject and where it belongs: {id, name, metadata (JSON text), project: {id, description, canEdit,
        unlistedAccess}}. None for an unknown id.

        Objects: `subject = ms.subject(subject_id); subject.metadata, subject.project`
        """
        return self.__node("Subject", subject_id, "SUBJECT_CONTEXT")

    def getsubjectContext(self, subject_id: str) -> Json | None:
        """The early spelling of getSubjectContext; the same result.

        Objects: `subject = ms.subject(subject_id); subject.metadata, subject.project`
        """
        return self.getSubjectContext(subject_id)

    def getSubjectDetails(self, subject_id: str) -> Json | None:
        """A subject with its sessions and their clips: {id, name, metadata (JSON text), project: {id, norms}, reports,
        sessions: [{id, projectPath, date, clips, norms}]}. None for an unknown id.

        Objects: `ms.subject(subject_id).load("sessions.clips").sessions`
        """
        return self.__node("Subject", subject_id, "SUBJECT_DETAILS")

    def getSubjectData(self, subject_id: str) -> Json | None:
        """A subject with everything below it: {id, name, metadata, sessions: [{id, projectPath, date, metadata, reports,
        clips: [{..., additionalData}]}]}, metadata as JSON text. None for an unknown id.

        Objects: `ms.subject(subject_id).load("sessions.clips.files").sessions`
        """
        return self.__node("Subject", subject_id, "SUBJECT_DATA")

    # sessions, clips, jobs ----------------------------------------------------------------------------------
    def getSessionById(self, session_id: str, include_additional_data: bool = False) -> Json | None:
        """A session with its clips: {id, projectPath, date, metadata (JSON text), project, clips, patient, norms}; each
        clip with its additionalData if requested. None for an unknown id.

        Objects: `ms.session(session_id).clips`
        """
        shape = "SESSION_FILES" if include_additional_data else "SESSION"
        return self.__node("Session", session_id, shape)

    def getClipData(self, clip_id: str) -> Json | None:
        """A clip: {id, title, description, customOptions (JSON text)}. None for an unknown id.

        Objects: `clip = ms.clip(clip_id); clip.title, clip.description, clip.custom_options`
        """
        return self.__node("Clip", clip_id, "CLIP")

    def getAdditionalData(self, clip_id: str) -> list[Json]:
        """A clip's files: [{id, dataType, uploadStatus, originalFileName, previewDataUri, originalDataDownloadUri}, ...];
        the addresses are signed and expire.
        Raises NotFoundError (also a TypeError) for an unknown id.

        Objects: `ms.clip(clip_id).files`
        """
        found: list[Json] = self.__value("Clip", clip_id, "CLIP_FILES", "additionalData")
        return found

    def getJobStatus(self, job_id: str) -> Json | None:
        """A job: {id, status, result, description}. None for an unknown id.

        Objects: `ms.job(job_id).status`
        """
        return self.__node("Job", job_id, "JOB")

    # searching ------------------------------------------------------------------------------------------------
    def getFilteredProjectSubjects(
        self,
        project_id: str,
        subject_metadata_filters: dict[str, Any] | None = None,
        session_filters: dict[str, Any] | None = None,
        include_additional_data: bool = False,
    ) -> list[Json]:
        """The subjects that match, each with *all* its sessions: [{id, name, metadata, sessions: [{id, date, projectPath,
        metadata}]}, ...]; with `include_additional_data` the sessions' reports, clips and files too.

        `subject_metadata_filters` is {key, operator: "EQ", value} or {logic: "AND" or "OR", filters: [...]}, nested at
        will; `session_filters` is {sessionDates: {startDate, endDate}, numSessions: {min, max}}. The day of endDate is not
        part of it.

        One request. Raises ValueError for malformed filters, before it; NotFoundError (also a TypeError) for an unknown id.

        Objects: `ms.project(project_id).find_subjects(where=..., sessions=...)`
        """
        self._validate_filter_dict_input(subject_metadata_filters)
        self._validate_session_filters(session_filters)
        shape = "FILTERED_SUBJECTS_FILES" if include_additional_data else "FILTERED_SUBJECTS"
        filters = {"metadataFilters": subject_metadata_filters, "sessionFilters": session_filters}
        return self.__rows("SUBJECTS", project_id, filters, shape)

    def getProjectSessions(
        self,
        project_id: str,
        start_date: str | None = None,
        end_date: str | None = None,
        include_additional_data: bool = False,
    ) -> list[Json]:
        """The sessions of a project between two days (YYYY-MM-DD, both included): [{id, date, projectPath, metadata,
        patient: {id, name, metadata}}, ...]; with `include_additional_data` clips and files too.

        One request. Raises ValueError for a date that is none, before it; NotFoundError (also a TypeError) for an unknown
        id.

        Objects: `ms.project(project_id).find_sessions(start=..., end=...)`
        """
        self._validate_date(start_date)
        self._validate_date(end_date)
        shape = "SESSIONS_FILES" if include_additional_data else "SESSIONS"
        days = {"startDate": start_date, "endDate": end_date}
        return self.__rows("SESSIONS", project_id, days, shape)

    def getFilteredProjectSessions(
        self,
        project_id: str,
        start_date: str | None = None,
        end_date: str | None = None,
        session_metadata_filters: list[dict[str, Any]] | None = None,
        patient_metadata_filters: list[dict[str, Any]] | None = None,
        session_overview_url: str | None = None,
        include_additional_data: bool = False,
        limit: int = 500,
    ) -> list[Json]:
        """The sessions that match, newest first, at most `limit`: [{id, date, projectPath, metadata, patient}, ...]; with
        `include_additional_data` clips and files too. Warns if more than `limit` match.

        A filter is {key, operator, value} with "EQ" or {key, operator, values} with "IN", "ALL" or "BETWEEN".
        `session_overview_url` is the address of the project's session page, with the filters chosen there; it stands in
        place of dates and filters, and costs one request more, for the template.

        One request. Raises ValueError for malformed dates and filters and for an address beside them, before it;
        ValidationError for an address in a project without a template; NotFoundError (also a TypeError) for an unknown id.

        Objects: `ms.project(project_id).find_sessions(start=..., end=..., where=..., subject_where=...)`
        """
        if session_overview_url:
            if session_metadata_filters or patient_metadata_filters or start_date or end_date:
                raise ValidationError("give either session_overview_url or dates and filters, not both")
            found = self._parse_session_overview_url(session_overview_url, project_id)
            start_date, end_date = found["start_date"], found["end_date"]
            session_metadata_filters = found["session_metadata_filters"]
            patient_metadata_filters = found["patient_metadata_filters"]
        self._validate_date(start_date)
        self._validate_date(end_date)
        self._validate_metadata_filters_list(session_metadata_filters)
        self._validate_metadata_filters_list(patient_metadata_filters)
        shape = "SESSIONS_FILES" if include_additional_data else "SESSIONS"
        # one more than wanted: the service does not say when it cuts
        filters = {
            "startDate": start_date,
            "endDate": end_date,
            "limit": limit if limit is None else limit + 1,
            "metadataFilters": session_metadata_filters,
            "patientMetadataFilters": patient_metadata_filters,
        }
        rows = self.__rows("RECENT_SESSIONS", project_id, filters, shape)
        if limit is None or rows is None or len(rows) <= limit:
            return rows
        warnings.warn(
            f"more than {limit} sessions match, and the result holds the newest {limit} that were requested. "
            f"For all of them pass a higher limit, or None; ms.project(...).find_sessions() has no limit",
            stacklevel=2,
        )
        return rows[:limit]

    # what scripts call although it is private ---------------------------------------------------------------
    def _validate_date(self, date_str: str | None) -> None:
        """ValueError for what is not YYYY-MM-DD; None and "" are no date."""
        validation.check_date(date_str)

    def _validate_filter_dict_input(self, filter_dict: Any) -> None:
        """ValueError for a malformed subject filter."""
        validation.check_subject_filter(filter_dict, self._validate_filter_dict_input)

    def _validate_session_filters(self, session_filters: Any) -> None:
        """ValueError for malformed session filters."""
        validation.check_session_filters(session_filters, self._validate_date)

    def _validate_metadata_filters_list(self, filters: Any) -> None:
        """ValueError for a malformed list of filters."""
        validation.check_filter_list(filters)

    def _convert_date_period_to_date(self, period: str) -> str | bool:
        """The first day of a period like Last_week (YYYY-MM-DD); a date as it is; else False."""
        from ..operations.overview import date_of_period

        return date_of_period(period)

    def _parse_session_overview_url(self, session_overview_url: str, project_id: str) -> overview.Overview:
        """The dates and filters in the address of a project's session page.

        One request, for the template. Raises ValidationError where there is none: without it nobody knows which filters are
        the subjects'.
        """
        from ..operations.overview import parse

        template = self.getProjectTemplate(project_id)
        if not template:
            raise ValidationError(
                f"project {project_id!r} has no template, so the filters in the address mean nothing; "
                "pass start_date, end_date, session_metadata_filters and patient_metadata_filters instead"
            )
        return parse(session_overview_url, template, self._convert_date_period_to_date)

    # creating and changing ------------------------------------------------------------------------------------
    def createSubject(self, project_id: str, name: str) -> dict[str, Any]:
        """Make a subject: {id, name}. One request.

        Objects: `ms.project(project_id).create_subject(name)`
        """
        validation.check_id(project_id, "project")
        _check_text(name, "name of a subject")
        created = self.__call(self.__project(project_id)._create_subject, name)["patient"]
        return _picked(created, "id", "name")

    def createSession(
        self, project_id: str, session_path: str, subject_id: str, session_date: str | None = None
    ) -> dict[str, Any]:
        """Make a session at `/<subject name>/<session name>/`: {id, projectPath}. One request.

        Without `session_date` (YYYY-MM-DD) a session name that is a date gives it. Raises ValueError for a date that is
        none, before the request.

        Objects: `ms.subject(subject_id).create_session(name, date=...)`
        """
        validation.check_id(project_id, "project")
        validation.check_id(subject_id, "subject")
        self._validate_date(session_date)
        _check_text(session_path, "path of a session")
        day = session_date or _date_in(session_path) or session_date
        subject = self.__object("Subject", subject_id)
        created = self.__call(subject._create_session, project_id, session_path, day)["session"]
        return _picked(created, "id", "projectPath")

    def createClip(self, project: str, metadata: Metadata = NO_METADATA) -> str:
        """Make a clip without a file; its id. `metadata` stays as it is. One request.

        Raises AssertionError for a malformed `startTimecode`, before the request.

        Objects: `condition.create_clip(title)`
        """
        validation.check_id(project, "project")
        clip_id: str = self._createClip(
            project, {"clientId": "manual", "metadata": with_timecode(metadata, check_named)}
        )["mocapClip"]["id"]
        logger.info("created clip %s", clip_id)
        return clip_id

    def updateClipMetadata(
        self, clip_id: str, metadata: Metadata | dict[str, Any], custom_options: str | None = None
    ) -> None:
        """Change a clip's title, description and the like; keys that are absent stay. `custom_options` is JSON text.

        One request; `metadata` stays as it is. Raises AssertionError for a malformed `startTimecode`, before it.

        Objects: `ms.clip(clip_id).update(title=...)`
        """
        validation.check_id(clip_id, "clip")
        given = with_timecode(metadata, self._validateAndUpdateTimecode)
        payload = self.__call(self.__object("Clip", clip_id)._update_as_given, given, custom_options)
        logger.info("updated clip %s", payload["clip"]["id"])

    def updateSubjectMetadataInfo(
        self, subject_id: str, info_to_save: str | dict[str, Any], skip_validation: bool = False
    ) -> Any:
        """Fill what is empty in a subject's metadata; True if the service did.

        `info_to_save` is the metadata, as JSON text or a dict; its "interventions" replace the stored ones, which stay if
        it has none. Unless `skip_validation`, the service's validator goes first: its complaints are printed and returned,
        as a list that is false, and nothing is written.

        Two requests, four with validation. Raises JSONDecodeError (a ValueError) before them; NotFoundError (also a
        TypeError) for an unknown id.

        Objects: `ms.subject(subject_id).fill_metadata(values)`
        """
        validation.check_id(subject_id, "subject")
        imported = _as_dict(info_to_save, "the metadata of a subject")
        interventions = validation.checked_interventions(imported.pop("interventions", None) or [])
        subject = self.__object("Subject", subject_id)
        if not skip_validation:
            errors = _printed("subject", self.__call(subject._complaints, "subjectMetadata", imported))
            errors += _printed(
                "intervention", self.__call(subject._complaints, "interventionMetadata", interventions)
            )
            if errors:
                return ValidationErrors(errors)
        rule = self._merge_metadata_dictionaries
        return self.__call(subject._fill_as_published, imported, interventions, rule)["updated"]

    def updateSessionMetadataInfo(
        self,
        session_id: str,
        session_name: str,
        session_metadata: str | dict[str, Any],
        skip_validation: bool | str = False,
        session_date: str | None = None,
        previous_updated_at: str | None = None,
    ) -> Any:
        """Rename a session, date it, and fill what is empty in its metadata; True if the service did.

        `session_metadata` is {"metadata": {...}}, as JSON text or a dict. Unless `skip_validation`, the service's validator
        goes first: its complaints are printed and returned, and nothing is written. `previous_updated_at` makes the service
        refuse if somebody else has changed the session since. Text in place of `skip_validation` is the date, as in version
        1.1, which did not validate either; previous_updated_at follows it then.

        Two requests, three with validation. Raises JSONDecodeError (a ValueError) before them; NotFoundError (also a
        TypeError) for an unknown id.

        Objects: `ms.session(session_id).fill_metadata(values)`, `.rename(name)`, `.set_date(date)`
        """
        validation.check_id(session_id, "session")
        _check_text(session_name, "name of a session")
        if isinstance(skip_validation, str):
            session_date, previous_updated_at = skip_validation, previous_updated_at or session_date
        self._validate_date(session_date[:10] if isinstance(session_date, str) else session_date)
        imported = _as_dict(session_metadata, "the metadata of a session").get("metadata", {})
        session = self.__object("Session", session_id)
        if not skip_validation:
            errors = _printed("session", self.__call(session._complaints, imported))
            if errors:
                return errors
        values = (
            session_name,
            imported,
            session_date,
            previous_updated_at,
            self._merge_metadata_dictionaries,
        )
        return self.__call(session._fill_as_published, *values)["updated"]

    # what scripts call although it is private ---------------------------------------------------------------
    @staticmethod
    def _merge_metadata_dictionaries(existing_metadata: Any, imported_metadata: Any) -> Any:
        """The existing metadata with its empty fields filled; neither dictionary is changed."""
        from ..metadata import merge_as_published

        return merge_as_published(existing_metadata, imported_metadata)

    def _validateAndUpdateTimecode(self, tc: Any) -> None:
        """Check a timecode and put the frame rate's name in place of the enum, in the dictionary given.

        Raises AssertionError.
        """
        tc["framerate"] = framerate_name(tc)

    def _createClip(self, project: str, clip_creation_data: dict[str, Any]) -> dict[str, Any]:
        """Create one clip: {clientId, uploadUrl, mocapClip: {id}}."""
        row = self.__call(self.__project(project)._create_clip, clip_creation_data)
        return {**_picked(row, "clientId", "uploadUrl"), "mocapClip": _picked(row["mocapClip"], "id")}

    def _createAdditionalData(self, clipId: str, metadata: dict[str, Any]) -> dict[str, Any]:
        """Create one file of a clip, without its bytes: {uploadUrl, data: {id, dataType, originalFileName, uploadStatus}}."""
        names = ("dataType", "crc32c", "filename", "clientId")
        given = {name: metadata[name] for name in names}
        payload = self.__call(self.__object("Clip", clipId)._create_file, given)
        data = _picked(payload["data"], "id", "dataType", "originalFileName", "uploadStatus")
        return {"uploadUrl": payload["uploadUrl"], "data": data}

    # deleting -------------------------------------------------------------------------------------------------
    def deleteSubject(self, subject_id: str) -> bool:
        """Delete a subject and all below it; True if the service did.

        Objects: `ms.subject(subject_id).delete()`
        """
        validation.check_id(subject_id, "subject")
        return bool(self.__call(self.__object("Subject", subject_id)._delete))

    def deleteSubjects(self, subject_ids: Iterable[str]) -> dict[str, bool]:
        """Delete several subjects, one request each: {id: whether it went}. A failure is logged, and the rest go on.

        Objects: `for subject in subjects: subject.delete()`
        """
        results: dict[str, bool] = {}
        for subject_id in subject_ids:
            try:
                results[subject_id] = self.deleteSubject(subject_id)
                logger.info("deleted subject %s", subject_id)
            except Exception as error:  # whatever befell one, the others are still to be deleted
                logger.error("subject %s was not deleted: %s", subject_id, error)
                results[subject_id] = False
        return results

    def deleteSession(self, session_id: str) -> bool:
        """Delete a session and all below it; True if the service did.

        Objects: `ms.session(session_id).delete()`
        """
        validation.check_id(session_id, "session")
        return bool(self.__call(self.__object("Session", session_id)._delete))

    def deleteClip(self, clip_id: str) -> bool:
        """Delete a clip and its files; True if the service did.

        Objects: `ms.clip(clip_id).delete()`
        """
        validation.check_id(clip_id, "clip")
        return bool(self.__call(self.__object("Clip", clip_id)._delete))

    def deleteAdditionalData(self, additional_data_id: str) -> bool:
        """Delete one file of a clip; True if the service did.

        Objects: `ms.clip(clip_id).files[name].delete()`
        """
        validation.check_id(additional_data_id, "file")
        return bool(self.__call(self.__object("DataFile", additional_data_id)._delete))

    def deleteClipByCondition(self, session_id: str, condition_name: str) -> dict[str, Any]:
        """Delete the clips of one condition: {deleted_count, failed_count, details: [{clip_id, title, deleted, error?}]}. A
        failure is logged and listed, and the rest go on.

        The condition is the one of exactly that name, slashes aside; one that differs in upper and lower case only if no
        other condition does. One request for the session and one a clip. Raises NotFoundError for an unknown session.

        Objects: `ms.session(session_id).conditions[condition_name].delete_clips()`
        """
        if not isinstance(condition_name, str):
            raise validation.InputTypeError(f"a condition is named by text, not by {condition_name!r}")
        session = self.getSessionById(session_id)
        if session is None:
            raise UnknownIdError(f"no session has the id {session_id!r}, or your key does not see it")
        results: dict[str, Any] = {"deleted_count": 0, "failed_count": 0, "details": []}
        for clip in _clips_of(session, condition_name):
            row: dict[str, Any] = {"clip_id": clip["id"], "title": clip.get("title", "")}
            try:
                row["deleted"] = self.deleteClip(clip["id"])
                if not row["deleted"]:
                    logger.warning("the service did not delete clip %s", clip["id"])
            except Exception as error:  # whatever befell one, the others are still to be deleted
                logger.error("clip %s was not deleted: %s", clip["id"], error)
                row.update(deleted=False, error=str(error))
            results["deleted_count" if row["deleted"] else "failed_count"] += 1
            results["details"].append(row)
        logger.info("condition %s: %s deleted", condition_name, results["deleted_count"])
        return results

    # processing and reports -----------------------------------------------------------------------------------
    def processGaitTool(self, clip_ids: list[str], trial_type: str) -> str:
        """Start the gait tool on clips; the id of the job, for getJobStatus.

        Objects: `session.process_gait_tool(trial_type, clips=...)`
        """
        job_id: str = self.__call(self.__connection()._account._process_gait, clip_ids, trial_type)["jobId"]
        return job_id

    def generateAutomaticInteractiveReports(self, session_id: str, norm_id: str | None = None) -> bool:
        """Make a session's automatic reports; True if the service did.

        Objects: `ms.session(session_id).generate_reports(norm=...)`
        """
        validation.check_id(session_id, "session")
        session = self.__object("Session", session_id)
        ok: bool = self.__call(session._create_automatic_reports, norm_id)["ok"]
        return ok

    def generateConditionSummaryReport(
        self,
        session_id: str,
        title: str,
        trials_ids: list[str],
        norm_id: str | None = None,
        template_id: str | None = None,
    ) -> bool:
        """Make a report that sums up the conditions of a session; True if the service did.

        Objects: `ms.session(session_id).generate_report("currentSessionConditionSummaries", title, clips)`
        """
        kind = "currentSessionConditionSummaries"
        return self._generateInteractiveReport(session_id, kind, title, trials_ids, norm_id, template_id)

    def generateCurrentVsPreviousSessionReport(
        self,
        session_id: str,
        title: str,
        trials_ids: list[str],
        norm_id: str | None = None,
        template_id: str | None = None,
    ) -> bool:
        """Make a report that compares a session with the one before; True if the service did.

        Objects: `ms.session(session_id).generate_report("currentVsPreviousSessionComparison", title, clips)`
        """
        kind = "currentVsPreviousSessionComparison"
        return self._generateInteractiveReport(session_id, kind, title, trials_ids, norm_id, template_id)

    def generateCurrentSessionComparisonReport(
        self,
        session_id: str,
        title: str,
        trials_ids: list[str],
        norm_id: str | None = None,
        template_id: str | None = None,
    ) -> bool:
        """Make a report that compares trials within a session; True if the service did.

        Objects: `ms.session(session_id).generate_report("currentSessionComparison", title, clips)`
        """
        kind = "currentSessionComparison"
        return self._generateInteractiveReport(session_id, kind, title, trials_ids, norm_id, template_id)

    def _generateInteractiveReport(
        self,
        session_id: str,
        report_type: str,
        title: str,
        trials_ids: list[str],
        norm_id: str | None = None,
        template_id: str | None = None,
    ) -> bool:
        """Make a report of any type; True if the service did."""
        validation.check_id(session_id, "session")
        names = ("reportType", "title", "trialsIds", "normId", "templateId")
        values = dict(zip(names, (report_type, title, trials_ids, norm_id, template_id), strict=True))
        ok: bool = self.__call(self.__object("Session", session_id)._create_report, values)["ok"]
        return ok

    # files ----------------------------------------------------------------------------------------------------
    #: `bytes -> int`, as scripts of the first version call it
    _crc32c = staticmethod(crc32c_func)

    def uploadFile(self, file_path: str, project: str, metadata: Any = None) -> str:
        """Upload a file as a clip of its own; the clip's id. `metadata` stays as it is; title is the file's name, and
        allowDownload and allowUnlistedAccess are False, unless it says otherwise.

        One request and one PUT, both in constant memory. Raises FileNotFoundError, and AssertionError for a malformed
        `startTimecode`, before them; TransferError where the PUT fails (the clip exists then, without its file).

        Objects: `ms.project(project).upload_clip(file_path)`
        """
        validation.check_id(project, "project")
        file_path = os.fspath(file_path)
        name = os.path.basename(file_path)
        sent = with_timecode({} if metadata is None else metadata, self._validateAndUpdateTimecode)
        for key, default in (("title", name), ("allowDownload", False), ("allowUnlistedAccess", False)):
            sent.setdefault(key, default)
        source, checksum = self.__prepared(file_path)
        logger.info("uploading %s", file_path)
        made = self._createClip(
            project, {"clientId": file_path, "crc32c": checksum, "filename": name, "metadata": sent}
        )
        clip_id: str = made["mocapClip"]["id"]
        self.__put(made["uploadUrl"], source, f"clip {clip_id}", clip_id)
        logger.info("uploaded %s as clip %s", file_path, clip_id)
        return clip_id

    def uploadAdditionalData(self, file_path: str, clipId: str, dataType: str, filename: str) -> str:
        """Upload a file to a clip, under the name `filename`; the new file's id. `dataType` is video, motion, doc, data,
        img, camera, event or raw.

        One request and one PUT, both in constant memory. Raises FileNotFoundError before them; TransferError where the PUT
        fails (the file is listed then, without its bytes).

        Objects: `ms.clip(clipId).upload(file_path, name=filename, data_type=dataType)`
        """
        validation.check_id(clipId, "clip")
        file_path = os.fspath(file_path)
        source, checksum = self.__prepared(file_path)
        logger.info("uploading %s", file_path)
        made = self._createAdditionalData(
            clipId, {"clientId": file_path, "crc32c": checksum, "filename": filename, "dataType": dataType}
        )
        file_id: str = made["data"]["id"]
        self.__put(made["uploadUrl"], source, f"file {file_id}", file_id)
        logger.info("uploaded %s as file %s", file_path, file_id)
        return file_id

    def isCurrentVersionUploaded(self, file_path: str, clip_id: str) -> bool:
        """Whether the clip has a file of this name with these very bytes (by MD5, of what is downloaded for it).

        One request and one GET. Raises FileNotFoundError, and ValueError above 10 MiB, before them; ValueError where the
        file of that name cannot be downloaded (it is not complete); TransferError where the GET fails.

        Objects: `ms.clip(clip_id).files[name].matches(file_path)`
        """
        validation.check_id(clip_id, "clip")
        if not os.path.exists(file_path):
            raise FileNotFoundError(f"no file {os.fspath(file_path)!r}")
        size = os.path.getsize(file_path)
        if size > _LARGEST:
            raise ValidationError(f"{os.fspath(file_path)!r} has {size} bytes: above 10 MiB nothing is sent")
        name = os.path.basename(file_path)
        files = self.getAdditionalData(clip_id)
        stored = next((one for one in files if one and one["originalFileName"] == name), None)
        if not stored:
            return False
        url = stored.get("originalDataDownloadUri")
        if not url:
            raise ValidationError(f"the file {name!r} of clip {clip_id!r} has no address to download it from")
        return calculate_file_md5(file_path) == self.__md5_at(url)

    def _calculateCrc32c(self, file_path: str) -> str:
        """The CRC-32C of a file as base64 text of its four big-endian bytes."""
        return calculate_file_crc32c(file_path)

    def __prepared(self, path: str) -> tuple[Source, str]:
        """A file that was read once for its checksum, and the checksum that the service is told."""
        from ..transfer.source import FileSource

        if not path:
            raise FileNotFoundError("no file '': the path is empty")
        source = FileSource(path)
        source.prepare()
        own = _is_own(self, "_calculateCrc32c")
        return source, self._calculateCrc32c(path) if own else source.crc32c

    def __put(self, url: str, source: Source, what: str, identity: str) -> None:
        """PUT a file to its signed address. The key does not go there."""
        try:
            if (http := self.__own_http()) is not None:
                self.__put_through_http(http, url, source)
            else:
                from ..operations.files import put

                put(self.__connection()._service, url, source, identity)
        except TransferError as error:
            error.message += f" The {what} exists on the service, without its bytes: delete it, or leave it."
            raise legacy_error(error) from None

    def __put_through_http(self, http: Any, url: str, source: Source) -> None:
        with open(source.label, "rb") as stream:
            # whole where it is small: a script's own `http` may not know how to send a file
            body: Any = stream.read() if source.size <= _SMALL else stream
            headers = {"Content-Type": "application/octet-stream", "Content-Length": str(source.size)}
            response = http.request("PUT", url, body=body, headers=headers)
        if response.status >= 400:
            raise TransferError(refusal("the upload", response).message, status=response.status)

    def __md5_at(self, url: str) -> str:
        """The MD5 of what a signed address holds, in constant memory."""
        try:
            if (http := self.__own_http()) is None:
                from ..operations.files import md5_of

                return md5_of(self.__connection()._service, url)
            response = http.request("GET", url, preload_content=False)
            try:
                if response.status >= 400:
                    text = f"the download failed with status {response.status}: {response.reason}"
                    raise TransferError(text, status=response.status)
                return calculate_stream_md5(response)
            finally:
                response.release_conn()
        except TransferError as error:
            raise legacy_error(error) from None


#: Methods as they are here: where a script has another one, it is called.
_STANDARD = {name: vars(MoveshelfApi)[name] for name in ("_dispatch_graphql", "_calculateCrc32c")}


def _is_own(api: MoveshelfApi, name: str) -> bool:
    """Whether a method is a script's own: of a subclass, of the object, or put into MoveshelfApi itself."""
    return getattr(getattr(api, name), "__func__", None) is not _STANDARD[name]


@cache
def _model(kind: str) -> Any:
    """A class of objects by its name."""
    from ..models import MODELS

    return MODELS[kind]


@cache
def _shape(name: str) -> Shape:
    """A shape by its name: the shapes cost more to import than making a MoveshelfApi should."""
    from . import shapes

    found: Shape = getattr(shapes, name)
    return found


def _picked(values: Mapping[str, Any], *names: str) -> Json:
    """Those of the values that scripts know, in their order; what a script's own code has left out is not there."""
    return {name: values[name] for name in names if name in values}


def _printed(what: str, complaints: list[str]) -> list[str]:
    """The validator's complaints; printed, since people watch scripts."""
    if complaints:
        print(f"The {what} metadata was refused:")
        for complaint in complaints:
            print(complaint)
    return complaints


def _as_dict(given: Any, what: str) -> dict[str, Any]:
    """A dict of the caller's own, of JSON text or a dict."""
    try:
        found = dict(given) if isinstance(given, dict) else json.loads(given)
    except RecursionError:
        raise ValidationError(f"{what} is nested too deep") from None
    if not isinstance(found, dict):
        raise validation.InputTypeError(f"{what} is a dict, or JSON text of one, not {given!r}")
    validation.json_text(found, what)  # NaN, too: stored, it makes the text unreadable for others
    return found


def _check_text(text: Any, what: str) -> None:
    if not isinstance(text, str) or not text.strip("/ "):
        raise ValidationError(f"the {what} is {text!r}: nothing was sent")


def _date_in(session_path: str) -> str | None:
    """The session's name if it is a date, as in /subject/2024-05-31/."""
    parts = session_path.strip("/").split("/")
    if len(parts) < 2:
        return None
    try:
        datetime.strptime(parts[1], "%Y-%m-%d")
    except ValueError:
        return None
    return parts[1]


def _clips_of(session: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The clips of the condition `name`: by its exact name, else by the only one that differs in case."""
    by_condition: dict[str, list[dict[str, Any]]] = {}
    base = (session.get("projectPath") or "").strip("/")
    for clip in session.get("clips") or ():
        path = ((clip or {}).get("projectPath") or "").strip("/")
        if path.startswith(base + "/"):
            by_condition.setdefault(path[len(base) + 1 :], []).append(clip)
    wanted = name.strip("/")
    if wanted in by_condition:
        return by_condition[wanted]
    close = [condition for condition in by_condition if condition.casefold() == wanted.casefold()]
    return by_condition[close[0]] if len(close) == 1 else []


def refusal(what: str, response: Any) -> RequestError:
    """The error of an HTTP status, with the service's own words where it has any."""
    data = response.data or b""
    text = data if isinstance(data, str) else bytes(data).decode("utf-8", "replace")
    try:
        reason = "; ".join(error["message"] for error in json.loads(text)["errors"])
    except (ValueError, KeyError, TypeError, RecursionError):
        reason = getattr(response, "reason", None) or "no reason given"
    return RequestError(
        f"{what} failed with status {response.status}: {reason}", status=response.status, body=text[:2000]
    )
