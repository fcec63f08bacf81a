"""Processing and reports that the flat client starts."""

from __future__ import annotations

from typing import Any

from . import documents as ask
from .checks import check_id
from .deletes import Deletes


class Reports(Deletes):
    """Jobs and reports. Each call is one request."""

    def processGaitTool(self, clip_ids: list[str], trial_type: str) -> str:
        """Start the gait tool on clips; the id of the job, for getJobStatus.

        Objects: `session.process_gait_tool(trial_type, clips=...)`
        """
        data = self._dispatch_graphql(ask.PROCESS_GAIT, clips=clip_ids, trialType=trial_type)
        job_id: str = data["processGaitTool"]["jobId"]
        return job_id

    def generateAutomaticInteractiveReports(self, session_id: str, norm_id: str | None = None) -> bool:
        """Make a session's automatic reports; True if the service did.

        Objects: `ms.session(session_id).generate_reports(norm=...)`
        """
        check_id(session_id, "session")
        data = self._dispatch_graphql(ask.AUTOMATIC_REPORTS, sessionId=session_id, normId=norm_id)
        self._changed(session_id, "reports")
        ok: bool = data["createAutomaticInteractiveReports"]["ok"]
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
        return self._generateInteractiveReport(
            session_id=session_id,
            report_type="currentSessionConditionSummaries",
            title=title,
            trials_ids=trials_ids,
            norm_id=norm_id,
            template_id=template_id,
        )

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
        return self._generateInteractiveReport(
            session_id=session_id,
            report_type="currentVsPreviousSessionComparison",
            title=title,
            trials_ids=trials_ids,
            norm_id=norm_id,
            template_id=template_id,
        )

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
        return self._generateInteractiveReport(
            session_id=session_id,
            report_type="currentSessionComparison",
            title=title,
            trials_ids=trials_ids,
            norm_id=norm_id,
            template_id=template_id,
        )

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
        check_id(session_id, "session")
        data: dict[str, Any] = self._dispatch_graphql(
            ask.REPORT,
            sessionId=session_id,
            reportType=report_type,
            title=title,
            trialsIds=trials_ids,
            normId=norm_id,
            templateId=template_id,
        )
        self._changed(session_id, "reports")
        ok: bool = data["createInteractiveReport"]["ok"]
        return ok
