"""The shapes in which 1.6.4 of the published client returns results: the service's names, in the order of its keys.

Scripts compare and print results, so the order is part of the interface. The id of each object comes first.
"""

from __future__ import annotations

from ..operations.shapes import Shape

# what occurs in several results -------------------------------------------------------------------------------
_FILE = ("dataType", "uploadStatus", "originalFileName", "originalDataDownloadUri")
_FILES = Shape(*_FILE)
_CLIP = ("title", "created", "projectPath", "uploadStatus", "hasCharts")
_CLIPS = Shape(*_CLIP)
_CLIPS_FILES = Shape(*_CLIP, additionalData=_FILES)
_TITLE = Shape("title")
_NORM = Shape("name", "uploadStatus", "projectPath", clips=_TITLE)
_SUBJECT = Shape("name", "metadata")

# projects -----------------------------------------------------------------------------------------------------
USER_PROJECTS = Shape(projects=Shape("name"))
PROJECTS_AND_CLIPS = Shape(projects=Shape("name", clips=Shape("title", first=20)))
DATASETS = Shape("name", datasets=Shape("name", "downloadUri"))
TEMPLATE = Shape("name", template=Shape("name", "data"))
PROJECT_INFO = Shape("name", template=Shape("name", "data"), projectConfiguration=Shape("id", "name", "data"))
PROJECT_SUBJECTS = Shape("name", patientsList=Shape("name", "updated", "externalId"))
PROJECT_CLIPS = Shape("title", "projectPath")
PROJECT_CLIP_LINKS = Shape("title", "projectPath", "originalFileName", "originalDataDownloadUri")

# listings that the service filters ------------------------------------------------------------------------------
_SESSION = ("date", "projectPath", "metadata")
FILTERED_SUBJECTS = Shape("name", "metadata", sessions=Shape(*_SESSION))
FILTERED_SUBJECTS_FILES = Shape(
    "name", "metadata", sessions=Shape(*_SESSION, reports=_TITLE, clips=_CLIPS_FILES)
)
SESSIONS = Shape(*_SESSION, patient=_SUBJECT)
SESSIONS_FILES = Shape(*_SESSION, patient=_SUBJECT, clips=_CLIPS_FILES)

# subjects -----------------------------------------------------------------------------------------------------
SUBJECT_BY_EHR_ID = Shape("name")
SUBJECT_CONTEXT = Shape("name", "metadata", project=Shape("description", "canEdit", "unlistedAccess"))
SUBJECT_DETAILS = Shape(
    "name",
    "metadata",
    project=Shape(norms=_NORM),
    reports=_TITLE,
    # a session's norms are our addition, and stand last so that the order of the other keys stays
    sessions=Shape("projectPath", "date", clips=_CLIPS, norms=_NORM),
)
SUBJECT_DATA = Shape(
    "name",
    "metadata",
    sessions=Shape("projectPath", "date", "metadata", reports=_TITLE, clips=_CLIPS_FILES),
)

# sessions, clips, jobs ------------------------------------------------------------------------------------------
_PROJECT = Shape("name", "canEdit", norms=Shape("name", "status"))
SESSION = Shape(
    "projectPath",
    "date",
    "metadata",
    project=_PROJECT,
    clips=Shape(*_CLIP, "hasVideo"),
    patient=_SUBJECT,
    norms=_NORM,
)
SESSION_FILES = Shape(
    "projectPath",
    "date",
    "metadata",
    project=_PROJECT,
    clips=Shape(*_CLIP, "hasVideo", additionalData=_FILES),
    patient=_SUBJECT,
    norms=_NORM,
)
CLIP_FILES = Shape(
    additionalData=Shape(
        "dataType", "uploadStatus", "originalFileName", "previewDataUri", "originalDataDownloadUri"
    )
)
CLIP = Shape("title", "description", "customOptions")
JOB = Shape("status", "result", "description")
