"""The questions that the flat client asks, each with what its answer is made of.

An answer's keys come in the order of the question, and scripts compare and print them, so the order of the
fields here is part of the interface. `Question.selection` is kept beside the text: the same words tell how
the answer is put into the objects (feed.py).
"""

from __future__ import annotations

from typing import NamedTuple


class Question(NamedTuple):
    """A document: its text, where in the answer objects lie, their wire type, and what was asked of each."""

    text: str
    path: tuple[str, ...]
    wire: str
    selection: str


def _node(name: str, wire: str, identity: str, selection: str, variables: str = "") -> Question:
    head = f"query {name}(${identity}: ID!{variables})"
    text = f"{head} {{ node(id: ${identity}) {{ ... on {wire} {{ {selection} }} }} }}"
    return Question(text, ("node",), wire, selection)


def _viewer(name: str, selection: str) -> Question:
    text = f"query {name} {{ viewer {{ projects {{ {selection} }} }} }}"
    return Question(text, ("viewer", "projects"), "Project", selection)


# what is asked again and again ------------------------------------------------------------------------------
_FILE = "id dataType uploadStatus originalFileName originalDataDownloadUri"
_FILES = f"additionalData {{ {_FILE} }}"
_CLIP = "id title created projectPath uploadStatus hasCharts"
_CLIP_FILES = f"clips {{ {_CLIP} {_FILES} }}"
_REPORTS = "reports { id title }"
_NORM = "id name uploadStatus projectPath clips { id title }"
# the first reference's promise: a session knows its norms; last, so that the order of the other keys stays
_SESSION_NORMS = f"norms {{ {_NORM} }}"
_PROJECT = "id name description canEdit"
_SUBJECT = "patient { id name metadata }"

# projects ---------------------------------------------------------------------------------------------------
USER_PROJECTS = _viewer("FlatProjects", "name id")
PROJECTS_AND_CLIPS = _viewer("FlatProjectsClips", "id name clips(first: 20) { edges { node { id title } } }")
DATASETS = _node("FlatDatasets", "Project", "projectId", "id name datasets { name downloadUri }")
TEMPLATE = _node("FlatTemplate", "Project", "projectId", "id name template { name data }")
PROJECT_INFO = _node(
    "FlatProjectInfo",
    "Project",
    "projectId",
    "id name template { name data } projectConfiguration { id name data }",
)
PROJECT_SUBJECTS = _node(
    "FlatSubjects", "Project", "projectId", "id name patientsList { id name updated externalId }"
)


def _clips(name: str, fields: str) -> Question:
    selection = f"id name clips(first: $limit) {{ edges {{ node {{ {fields} }} }} }}"
    return _node(name, "Project", "projectId", selection, ", $limit: Int")


PROJECT_CLIPS = _clips("FlatClips", "id title projectPath")
PROJECT_CLIP_LINKS = _clips("FlatClipLinks", "id title projectPath originalFileName originalDataDownloadUri")


def _patients(name: str, below: str) -> Question:
    selection = (
        f"{_PROJECT} patients(metadataFilters: $filters, sessionFilters: $sessionFilters)"
        f" {{ id name metadata sessions {{ id date projectPath metadata {below} }} }}"
    )
    variables = ", $filters: BaseFilterInput, $sessionFilters: SessionFilterInput"
    return _node(name, "Project", "projectId", selection, variables)


FILTERED_SUBJECTS = _patients("FlatFilteredSubjects", "")
FILTERED_SUBJECTS_FILES = _patients("FlatFilteredSubjectsFiles", f"{_REPORTS} {_CLIP_FILES}")

_DATES = ", $startDate: DateTime, $endDate: DateTime"


def _sessions(name: str, below: str) -> Question:
    selection = (
        f"{_PROJECT} sessions(startDate: $startDate, endDate: $endDate)"
        f" {{ id date projectPath metadata {_SUBJECT} {below} }}"
    )
    return _node(name, "Project", "projectId", selection, _DATES)


PROJECT_SESSIONS = _sessions("FlatSessions", "")
PROJECT_SESSIONS_FILES = _sessions("FlatSessionsFiles", _CLIP_FILES)


def _recent(name: str, below: str) -> Question:
    selection = (
        f"{_PROJECT} recentSessions(startDate: $startDate, endDate: $endDate, limit: $limit,"
        " metadataFilters: $metadataFilters, patientMetadataFilters: $patientMetadataFilters)"
        f" {{ id date projectPath metadata {_SUBJECT} {below} }}"
    )
    variables = (
        f"{_DATES}, $limit: Int, $metadataFilters: [SessionMetadataFilterInput!],"
        " $patientMetadataFilters: [PatientMetadataFilterInput!]"
    )
    return _node(name, "Project", "projectId", selection, variables)


RECENT_SESSIONS = _recent("FlatFilteredSessions", "")
RECENT_SESSIONS_FILES = _recent("FlatFilteredSessionsFiles", _CLIP_FILES)

# subjects ---------------------------------------------------------------------------------------------------
SUBJECT_BY_EHR_ID = Question(
    "query FlatSubjectByEhrId($ehrId: String!, $projectId: String!)"
    " { patient(ehrId: $ehrId, projectId: $projectId) { id name } }",
    ("patient",),
    "Patient",
    "id name",
)
SUBJECT_CONTEXT = _node(
    "FlatSubjectContext",
    "Patient",
    "patientId",
    "id name metadata project { id description canEdit unlistedAccess }",
)
SUBJECT_METADATA = _node("FlatSubjectMetadata", "Patient", "patientId", "id metadata")
SUBJECT_DETAILS = _node(
    "FlatSubjectDetails",
    "Patient",
    "patientId",
    f"id name metadata project {{ id norms {{ {_NORM} }} }} {_REPORTS}"
    f" sessions {{ id projectPath date clips {{ {_CLIP} }} {_SESSION_NORMS} }}",
)
SUBJECT_DATA = _node(
    "FlatSubjectData",
    "Patient",
    "patientId",
    f"id name metadata sessions {{ id projectPath date metadata {_REPORTS} {_CLIP_FILES} }}",
)


# sessions, clips, jobs --------------------------------------------------------------------------------------
def _session(name: str, below: str) -> Question:
    selection = (
        "id projectPath date metadata project { id name canEdit norms { id name status } }"
        f" clips {{ {_CLIP} hasVideo {below} }} {_SUBJECT} {_SESSION_NORMS}"
    )
    return _node(name, "Session", "sessionId", selection)


SESSION = _session("FlatSession", "")
SESSION_FILES = _session("FlatSessionFiles", _FILES)
SESSION_METADATA = _node("FlatSessionMetadata", "Session", "sessionId", "id metadata")
CLIP_FILES = _node(
    "FlatFiles",
    "MocapClip",
    "clipId",
    "id additionalData { id dataType uploadStatus originalFileName previewDataUri originalDataDownloadUri }",
)
CLIP = _node("FlatClip", "MocapClip", "clipId", "id title description customOptions")
JOB = _node("FlatJob", "Job", "jobId", "id status result description")

# asked for text, and answered by none of the objects --------------------------------------------------------
VALIDATE = (
    "query FlatValidate($importedMetadata: String!, $whichTabToValidate: String!, $sessionId: String,"
    " $subjectId: String) { metadataValidator(importedMetadata: $importedMetadata,"
    " whichTabToValidate: $whichTabToValidate, sessionId: $sessionId, subjectId: $subjectId)"
    " { validationErrors } }"
)


def _mutation(name: str, variables: str, field: str, arguments: str, answer: str) -> str:
    return f"mutation {name}({variables}) {{ {field}({arguments}) {{ {answer} }} }}"


CREATE_CLIP = _mutation(
    "FlatCreateClip",
    "$input: ClipCreationInput!",
    "createClips",
    "input: $input",
    "response { clientId uploadUrl mocapClip { id } }",
)
UPDATE_CLIP = _mutation(
    "FlatUpdateClip", "$input: UpdateClipInput!", "updateClip", "clipData: $input", "clip { id }"
)
DELETE_CLIP = _mutation("FlatDeleteClip", "$clipId: String!", "deleteClip", "clipId: $clipId", "ok")
CREATE_FILE = _mutation(
    "FlatCreateFile",
    "$input: CreateAdditionalDataInput",
    "createAdditionalData",
    "input: $input",
    "uploadUrl data { id dataType originalFileName uploadStatus }",
)
DELETE_FILE = _mutation("FlatDeleteFile", "$id: ID!", "deleteAdditionalData", "id: $id", "ok")
CREATE_SUBJECT = _mutation(
    "FlatCreateSubject",
    "$projectId: String!, $name: String!",
    "createPatient",
    "projectId: $projectId, name: $name",
    "patient { id name }",
)
UPDATE_SUBJECT = _mutation(
    "FlatUpdateSubject",
    "$patientId: ID!, $metadata: JSONString",
    "updatePatient",
    "patientId: $patientId, metadata: $metadata",
    "updated",
)
DELETE_SUBJECT = _mutation(
    "FlatDeleteSubject", "$patientId: ID!", "deletePatient", "patientId: $patientId", "deleted"
)
CREATE_SESSION = _mutation(
    "FlatCreateSession",
    "$projectId: String!, $projectPath: String!, $patientId: ID!, $sessionDate: String",
    "createSession",
    "projectId: $projectId, projectPath: $projectPath, patientId: $patientId, sessionDate: $sessionDate",
    "session { id projectPath }",
)
UPDATE_SESSION = _mutation(
    "FlatUpdateSession",
    "$sessionId: ID!, $sessionName: String!, $sessionMetadata: JSONString, $sessionDate: String,"
    " $previousUpdatedAt: String",
    "updateSession",
    "sessionId: $sessionId, sessionName: $sessionName, sessionMetadata: $sessionMetadata,"
    " sessionDate: $sessionDate, previousUpdatedAt: $previousUpdatedAt",
    "updated",
)
DELETE_SESSION = _mutation(
    "FlatDeleteSession", "$sessionId: ID!", "deleteSession", "sessionId: $sessionId", "deleted"
)
PROCESS_GAIT = _mutation(
    "FlatProcessGait",
    "$clips: [String!], $trialType: String",
    "processGaitTool",
    "clips: $clips, trialType: $trialType",
    "jobId",
)
AUTOMATIC_REPORTS = _mutation(
    "FlatAutomaticReports",
    "$sessionId: ID!, $normId: String",
    "createAutomaticInteractiveReports",
    "sessionId: $sessionId, normId: $normId",
    "ok",
)
REPORT = _mutation(
    "FlatReport",
    "$sessionId: ID!, $reportType: String!, $title: String!, $trialsIds: [String]!, $normId: String,"
    " $templateId: String",
    "createInteractiveReport",
    "sessionId: $sessionId, reportType: $reportType, title: $title, trialsIds: $trialsIds, normId: $normId,"
    " templateId: $templateId",
    "ok",
)
