"""The flat client's filtered questions: subjects and sessions of a project, by metadata, by dates, by web
address."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from ..errors import ValidationError
from . import documents as ask
from .checks import (
    check_date,
    check_filter_list,
    check_session_filters,
    check_subject_filter,
)
from .reads import Json, Reads

if TYPE_CHECKING:
    from ..models import overview


class Search(Reads):
    """Asking a project for some of its subjects or sessions."""

    def getFilteredProjectSubjects(
        self,
        project_id: str,
        subject_metadata_filters: dict[str, Any] | None = None,
        session_filters: dict[str, Any] | None = None,
        include_additional_data: bool = False,
    ) -> list[Json]:
        """The subjects that match, each with *all* its sessions: [{id, name, metadata, sessions: [{id, date,
        projectPath, metadata}]}, ...]; with `include_additional_data` the sessions' reports, clips and files
        too.

        `subject_metadata_filters` is {key, operator: "EQ", value} or {logic: "AND" or "OR", filters: [...]},
        nested at will; `session_filters` is {sessionDates: {startDate, endDate}, numSessions: {min, max}}.
        The day of endDate is not part of it.

        One request. Raises ValueError for malformed filters, before it; NotFoundError (also a TypeError) for
        an unknown id.

        Objects: `ms.project(project_id).find_subjects(where=..., sessions=...)`
        """
        self._validate_filter_dict_input(subject_metadata_filters)
        self._validate_session_filters(session_filters)
        question = ask.FILTERED_SUBJECTS_FILES if include_additional_data else ask.FILTERED_SUBJECTS
        found: list[Json] = self._of(
            "project",
            question,
            "patients",
            project_id,
            projectId=project_id,
            filters=subject_metadata_filters,
            sessionFilters=session_filters,
        )
        return found

    def getProjectSessions(
        self,
        project_id: str,
        start_date: str | None = None,
        end_date: str | None = None,
        include_additional_data: bool = False,
    ) -> list[Json]:
        """The sessions of a project between two days (YYYY-MM-DD, both included): [{id, date, projectPath,
        metadata, patient: {id, name, metadata}}, ...]; with `include_additional_data` clips and files too.

        One request. Raises ValueError for a date that is none, before it; NotFoundError (also a TypeError)
        for an unknown id.

        Objects: `ms.project(project_id).find_sessions(start=..., end=...)`
        """
        self._validate_date(start_date)
        self._validate_date(end_date)
        question = ask.PROJECT_SESSIONS_FILES if include_additional_data else ask.PROJECT_SESSIONS
        found: list[Json] = self._of(
            "project",
            question,
            "sessions",
            project_id,
            projectId=project_id,
            startDate=start_date,
            endDate=end_date,
        )
        return found

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
        """The sessions that match, newest first, at most `limit`: [{id, date, projectPath, metadata,
        patient}, ...]; with `include_additional_data` clips and files too. Warns if more than `limit` match.

        A filter is {key, operator, value} with "EQ" or {key, operator, values} with "IN", "ALL" or "BETWEEN".
        `session_overview_url` is the address of the project's session page, with the filters chosen there;
        it stands in place of dates and filters, and costs one request more, for the template.

        One request. Raises ValueError for malformed dates and filters and for an address beside them, before
        it; ValidationError for an address in a project without a template; NotFoundError (also a TypeError)
        for an unknown id.

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
        question = ask.RECENT_SESSIONS_FILES if include_additional_data else ask.RECENT_SESSIONS
        # one more than wanted: the service does not say when it cuts
        rows: list[Json] = self._of(
            "project",
            question,
            "recentSessions",
            project_id,
            projectId=project_id,
            startDate=start_date,
            endDate=end_date,
            limit=limit if limit is None else limit + 1,
            metadataFilters=session_metadata_filters,
            patientMetadataFilters=patient_metadata_filters,
        )
        if limit is None or rows is None or len(rows) <= limit:
            return rows
        warnings.warn(
            f"more than {limit} sessions match, and the answer holds the newest {limit} that were asked for. "
            f"For all of them pass a higher limit, or None; ms.project(...).find_sessions() has no limit",
            stacklevel=2,
        )
        return rows[:limit]

    # what scripts call although it is private ---------------------------------------------------------------
    def _validate_date(self, date_str: str | None) -> None:
        """ValueError for what is not YYYY-MM-DD; None and "" are no date."""
        check_date(date_str)

    def _validate_filter_dict_input(self, filter_dict: Any) -> None:
        """ValueError for a malformed subject filter."""
        check_subject_filter(filter_dict)

    def _validate_session_filters(self, session_filters: Any) -> None:
        """ValueError for malformed session filters."""
        check_session_filters(session_filters)

    def _validate_metadata_filters_list(self, filters: Any) -> None:
        """ValueError for a malformed list of filters."""
        check_filter_list(filters)

    def _convert_date_period_to_date(self, period: str) -> str | bool:
        """The first day of a period like Last_week (YYYY-MM-DD); a date as it is; else False."""
        from ..models.overview import date_of_period  # the objects cost more to import than a script may need

        return date_of_period(period)

    def _parse_session_overview_url(self, session_overview_url: str, project_id: str) -> overview.Overview:
        """The dates and filters in the address of a project's session page.

        One request, for the template. Raises ValidationError where there is none: without it nobody knows
        which filters are the subjects'.
        """
        from ..models.overview import parse

        template = self.getProjectTemplate(project_id)
        if not template:
            raise ValidationError(
                f"project {project_id!r} has no template, so the filters in the address mean nothing; "
                "pass start_date, end_date, session_metadata_filters and patient_metadata_filters instead"
            )
        return parse(session_overview_url, template, self._convert_date_period_to_date)
