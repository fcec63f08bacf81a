"""What the flat client reads of projects, subjects, sessions, clips and jobs."""

from __future__ import annotations

import json
from typing import Any

from . import documents as ask
from .base import Flat
from .checks import check_id
from .failures import field

Json = dict[str, Any]


class Reads(Flat):
    """Reading by id. Every call sends one request, also when an object holds the answer already: scripts
    poll."""

    # projects -----------------------------------------------------------------------------------------------
    def getUserProjects(self) -> list[Json]:
        """The projects that the key sees: [{name, id}, ...].

        Objects: `[project.name for project in ms.projects]`
        """
        data = self._ask(ask.USER_PROJECTS)
        return [{"name": project["name"], "id": project["id"]} for project in data["viewer"]["projects"]]

    def getProjectAndClips(self) -> list[Json]:
        """Every project with its first twenty clips: [{id, name, clips: {edges: [{node: {id, title}}]}},
        ...].

        Objects: `[(project.name, project.clips[:20]) for project in ms.projects]`
        """
        return list(self._ask(ask.PROJECTS_AND_CLIPS)["viewer"]["projects"])

    def getProjectDatasets(self, project_id: str) -> list[Json]:
        """A project's datasets: [{name, downloadUri}, ...]; the addresses are signed and expire.

        Raises NotFoundError (also a TypeError) for an unknown id.

        Objects: `ms.project(project_id).datasets`
        """
        return list(self._of("project", ask.DATASETS, "datasets", project_id, projectId=project_id))

    def getProjectTemplate(self, project_id: str) -> Any:
        """A project's template as a dict (template, subjectMetadataTabs, sessionMetadataTabs), None without
        one.

        Raises NotFoundError (also a TypeError) for an unknown id.

        Objects: `ms.project(project_id).template`
        """
        template = self._of("project", ask.TEMPLATE, "template", project_id, projectId=project_id)
        return json.loads(template["data"]) if template else None

    def getProjectInfo(self, project_id: str) -> Json | None:
        """A project's template and configuration: {id, name, template: {name, data}, projectConfiguration:
        {id, name, data}}, both `data` as JSON text. None for an unknown id.

        Objects: `ms.project(project_id).configuration`
        """
        return self._node("project", ask.PROJECT_INFO, project_id, projectId=project_id)

    def getProjectClips(
        self, project_id: str, limit: int | None, include_download_link: bool = False
    ) -> list[Json]:
        """The first `limit` clips of a project: [{id, title, projectPath}, ...], with originalFileName and
        originalDataDownloadUri (signed, expiring) if `include_download_link`.

        Raises NotFoundError (also a TypeError) for an unknown id.

        Objects: `ms.project(project_id).clips[:limit]`
        """
        question = ask.PROJECT_CLIP_LINKS if include_download_link else ask.PROJECT_CLIPS
        clips = self._of("project", question, "clips", project_id, projectId=project_id, limit=limit)
        return [edge["node"] for edge in clips["edges"]]

    def getProjectSubjects(self, project_id: str) -> list[Json]:
        """The subjects of a project: [{id, name, updated, externalId}, ...]; externalId is the EHR id.

        Raises NotFoundError (also a TypeError) for an unknown id.

        Objects: `ms.project(project_id).subjects`
        """
        found: list[Json] = self._of(
            "project", ask.PROJECT_SUBJECTS, "patientsList", project_id, projectId=project_id
        )
        return found

    # subjects -----------------------------------------------------------------------------------------------
    def getProjectSubjectByEhrId(self, ehr_id: str, project_id: str) -> Json | None:
        """The subject of an EHR id: {id, name}, or None where the project has none of it.

        Objects: `ms.project(project_id).subject_by_ehr_id(ehr_id)`
        """
        check_id(project_id, "project")
        check_id(ehr_id, "subject in the health record")
        found: Json | None = self._ask(ask.SUBJECT_BY_EHR_ID, ehrId=ehr_id, projectId=project_id)["patient"]
        return found

    def getSubjectContext(self, subject_id: str) -> Json | None:
        """A subject and where it belongs: {id, name, metadata (JSON text), project: {id, description,
        canEdit, unlistedAccess}}. None for an unknown id.

        Objects: `subject = ms.subject(subject_id); subject.metadata, subject.project`
        """
        return self._node("subject", ask.SUBJECT_CONTEXT, subject_id, patientId=subject_id)

    def getsubjectContext(self, subject_id: str) -> Json | None:
        """The early spelling of getSubjectContext; the same answer.

        Objects: `subject = ms.subject(subject_id); subject.metadata, subject.project`
        """
        return self.getSubjectContext(subject_id)

    def getSubjectDetails(self, subject_id: str) -> Json | None:
        """A subject with its sessions and their clips: {id, name, metadata (JSON text), project: {id,
        norms}, reports, sessions: [{id, projectPath, date, clips, norms}]}. None for an unknown id.

        Objects: `ms.subject(subject_id).load("sessions.clips").sessions`
        """
        return self._node("subject", ask.SUBJECT_DETAILS, subject_id, patientId=subject_id)

    def getSubjectData(self, subject_id: str) -> Json | None:
        """A subject with everything below it: {id, name, metadata, sessions: [{id, projectPath, date,
        metadata, reports, clips: [{..., additionalData}]}]}, metadata as JSON text. None for an unknown id.

        Objects: `ms.subject(subject_id).load("sessions.clips.files").sessions`
        """
        return self._node("subject", ask.SUBJECT_DATA, subject_id, patientId=subject_id)

    # sessions, clips, jobs ----------------------------------------------------------------------------------
    def getSessionById(self, session_id: str, include_additional_data: bool = False) -> Json | None:
        """A session with its clips: {id, projectPath, date, metadata (JSON text), project, clips, patient,
        norms}; each clip with its additionalData if asked for. None for an unknown id.

        Objects: `ms.session(session_id).clips`
        """
        question = ask.SESSION_FILES if include_additional_data else ask.SESSION
        return self._node("session", question, session_id, sessionId=session_id)

    def getClipData(self, clip_id: str) -> Json | None:
        """A clip: {id, title, description, customOptions (JSON text)}. None for an unknown id.

        Objects: `clip = ms.clip(clip_id); clip.title, clip.description, clip.custom_options`
        """
        return self._node("clip", ask.CLIP, clip_id, clipId=clip_id)

    def getAdditionalData(self, clip_id: str) -> list[Json]:
        """A clip's files: [{id, dataType, uploadStatus, originalFileName, previewDataUri,
        originalDataDownloadUri}, ...]; the addresses are signed and expire.

        Raises NotFoundError (also a TypeError) for an unknown id.

        Objects: `ms.clip(clip_id).files`
        """
        found: list[Json] = self._of("clip", ask.CLIP_FILES, "additionalData", clip_id, clipId=clip_id)
        return found

    def getJobStatus(self, job_id: str) -> Json | None:
        """A job: {id, status, result, description}. None for an unknown id.

        Objects: `ms.job(job_id).status`
        """
        return self._node("job", ask.JOB, job_id, jobId=job_id)

    # --------------------------------------------------------------------------------------------------------
    def _node(self, what: str, question: ask.Question, identity: Any, **variables: Any) -> Json | None:
        check_id(identity, what)
        found: Json | None = self._ask(question, **variables)["node"]
        return found

    def _of(self, what: str, question: ask.Question, name: str, identity: Any, **variables: Any) -> Any:
        """One field of the object of an id."""
        check_id(identity, what)
        return field(self._ask(question, **variables)["node"], name, what, identity)
