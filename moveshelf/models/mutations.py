"""What the objects' writes say to the service: one document each, validated against the schema by the tests."""

from __future__ import annotations

# new objects come back with what a listing brings, so that nothing needs to be asked again
_SUBJECT = "id name externalId updated metadata"
_SESSION = "id projectPath date updated metadata"
_CLIP = (
    "id title created projectPath uploadStatus hasCharts description customOptions hasVideo originalFileName"
)

CREATE_SUBJECT = (
    "mutation CreateSubject($project: String!, $name: String!) "
    f"{{ createPatient(projectId: $project, name: $name) {{ patient {{ {_SUBJECT} }} }} }}"
)
UPDATE_SUBJECT = (
    "mutation UpdateSubject($subject: ID!, $metadata: JSONString) "
    "{ updatePatient(patientId: $subject, metadata: $metadata) { updated } }"
)
DELETE_SUBJECT = "mutation DeleteSubject($id: ID!) { deletePatient(patientId: $id) { deleted } }"

CREATE_SESSION = (
    "mutation CreateSession($project: String!, $path: String!, $subject: ID!, $date: String) "
    "{ createSession(projectId: $project, projectPath: $path, patientId: $subject, sessionDate: $date) "
    f"{{ session {{ {_SESSION} }} }} }}"
)
UPDATE_SESSION = (
    "mutation UpdateSession($session: ID!, $name: String!, $metadata: JSONString, $date: String, $previous: String) "
    "{ updateSession(sessionId: $session, sessionName: $name, sessionMetadata: $metadata, sessionDate: $date, "
    "previousUpdatedAt: $previous) { updated } }"
)
DELETE_SESSION = "mutation DeleteSession($id: ID!) { deleteSession(sessionId: $id) { deleted } }"

CREATE_CLIP = (
    "mutation CreateClip($input: ClipCreationInput!) "
    f"{{ createClips(input: $input) {{ response {{ clientId mocapClip {{ {_CLIP} }} }} }} }}"
)
UPDATE_CLIP = f"mutation UpdateClip($input: UpdateClipInput!) {{ updateClip(clipData: $input) {{ clip {{ {_CLIP} }} }} }}"
DELETE_CLIP = "mutation DeleteClip($id: String!) { deleteClip(clipId: $id) { ok } }"
DELETE_FILE = "mutation DeleteFile($id: ID!) { deleteAdditionalData(id: $id) { ok } }"

PROCESS_GAIT = (
    "mutation ProcessGait($clips: [String!], $type: String) "
    "{ processGaitTool(clips: $clips, trialType: $type) { jobId } }"
)
AUTOMATIC_REPORTS = (
    "mutation AutomaticReports($session: ID!, $norm: String) "
    "{ createAutomaticInteractiveReports(sessionId: $session, normId: $norm) { ok } }"
)
REPORT = (
    "mutation Report($session: ID!, $kind: String!, $title: String!, $clips: [String]!, $norm: String, "
    "$template: String) { createInteractiveReport(sessionId: $session, reportType: $kind, title: $title, "
    "trialsIds: $clips, normId: $norm, templateId: $template) { ok } }"
)

#: What is stored now, and the validator's word on what is to be stored, in one question.
_JUDGE = (
    "metadataValidator(importedMetadata: ${0}, whichTabToValidate: ${0}Tab, {1}: $id) {{ validationErrors }}"
)


#: What a write is compared with before it is sent.
STATE = {"Patient": "id name metadata updated", "Session": "id projectPath date metadata updated"}


def judgement(wire: str, owner: str, tabs: int, stored: bool) -> str:
    """The question for the validator's complaints (`v0`, `v1`: `tabs` of them) and for what is stored (`node`).

    `owner` is the validator's argument for the object: subjectId or sessionId.
    """
    names = [f"v{n}" for n in range(tabs)]
    declared = "".join(f", ${name}: String!, ${name}Tab: String!" for name in names)
    fields = [f"{name}: {_JUDGE.format(name, owner)}" for name in names]
    if stored:
        fields.append(f"node(id: $node) {{ ... on {wire} {{ {STATE[wire]} }} }}")
        declared += ", $node: ID!"
    variable = "$id: String!" if tabs else ""
    head = f"{variable}{declared}".removeprefix(", ")
    return f"query Check{wire}({head}) {{ {' '.join(fields)} }}"


#: Every document of this module, for the tests.
ALL = {
    name: value
    for name, value in list(vars().items())
    if name.isupper() and isinstance(value, str) and not name.startswith("_")
}
