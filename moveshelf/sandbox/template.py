"""The template of the sandbox's own projects: fields of subjects, interventions and sessions."""

from __future__ import annotations

from typing import Any

SIDES = ["Left", "Right", "Both"]


def project_template() -> dict[str, Any]:
    """Headings, plain fields, selects, a multiselect, fields with a left and a right value, and a list of objects.

    The fields of the tab "Vicon" and `ehr-id`, `subject-date-of-birth`, `subject-diagnosis`, `subject-diagnosis-laterality`,
    `subject-sex` and those of an intervention have the keys of real projects; the others stand for what a lab adds.
    """
    return {
        "template": {
            "heading-general": {"label": "General", "type": "title"},
            "ehr-id": {"label": "EHR ID", "type": "text"},
            "subject-sex": {"label": "Sex", "type": "select", "options": ["Male", "Female", "Other"]},
            "subject-date-of-birth": {"label": "Date of birth", "type": "date"},
            "heading-clinical": {"label": "Clinical", "type": "title"},
            "subject-diagnosis": {
                "label": "Diagnosis",
                "type": "select",
                "options": ["Cerebral palsy", "Clubfoot", "Stroke", "Typically developing"],
            },
            "subject-diagnosis-laterality": {"label": "Laterality", "type": "select", "options": SIDES},
            "subject-gmfcs": {
                "label": "GMFCS level",
                "type": "select",
                "options": ["I", "II", "III", "IV", "V"],
            },
            "subject-aids": {
                "label": "Aids",
                "type": "select",
                "multiselect": True,
                "options": ["Ankle-foot orthosis", "Insole", "Crutches", "Walker"],
            },
            "subject-leg-length": {"label": "Leg length (mm)", "type": "number", "hasContext": True},
            "subject-notes": {"label": "Notes", "type": "text"},
        },
        "subjectMetadataTabs": [
            {
                "name": "Interventions",
                "template": {
                    "date": {"label": "Date", "type": "date"},
                    "site": {"label": "Site", "type": "text"},
                    "surgeon": {"label": "Surgeon", "type": "text"},
                    # (a): how a real template writes a list of objects is not known
                    "procedures": {
                        "label": "Procedures",
                        "type": "list",
                        "template": {
                            "side": {"label": "Side", "type": "select", "options": SIDES},
                            "procedure": {"label": "Procedure", "type": "text"},
                            "location": {"label": "Location", "type": "text"},
                            "location-modifier": {"label": "Location modifier", "type": "text"},
                            "procedure-modifier": {"label": "Procedure modifier", "type": "text"},
                        },
                    },
                },
            }
        ],
        "sessionMetadataTabs": [
            {
                "name": "Session",
                "template": {
                    "heading-session": {"label": "Session", "type": "title"},
                    "session-type": {
                        "label": "Type",
                        "type": "select",
                        "options": ["Gait", "Running", "EMG"],
                    },
                    "session-clinician": {"label": "Clinician", "type": "text"},
                    "session-questions": {
                        "label": "Questions",
                        "type": "select",
                        "multiselect": True,
                        "options": ["Pre-operative", "Follow-up", "Orthosis check", "Baseline"],
                    },
                },
            },
            {
                "name": "Examination",
                "template": {
                    "session-height": {"label": "Height (cm)", "type": "number"},
                    "session-weight": {"label": "Weight (kg)", "type": "number"},
                    "session-popliteal-angle": {
                        "label": "Popliteal angle (deg)",
                        "type": "number",
                        "hasContext": True,
                    },
                    "session-report-due": {"label": "Report due", "type": "date"},
                },
            },
            {
                "name": "Vicon",
                "template": {
                    "vicon-height": {"label": "Height (cm)", "type": "number"},
                    "vicon-weight": {"label": "Weight (kg)", "type": "number"},
                    "vicon-leg-length": {"label": "Leg length (mm)", "type": "number", "hasContext": True},
                },
            },
        ],
    }
