"""The objects: one file for each thing that people name."""

from __future__ import annotations

from ..values import (
    Configuration,
    Dataset,
    DataType,
    JobStatus,
    ReportType,
    Template,
    TemplateField,
    UploadStatus,
)
from .account import Account
from .clip import Clip
from .condition import Condition, Conditions
from .datafile import DataFile, OriginalFile
from .job import Job
from .norm import Norm
from .project import Project
from .report import Report
from .session import Session
from .subject import Subject

__all__ = [
    "Account",
    "Clip",
    "Condition",
    "Conditions",
    "Configuration",
    "DataFile",
    "DataType",
    "Dataset",
    "Job",
    "JobStatus",
    "Norm",
    "OriginalFile",
    "Project",
    "Report",
    "ReportType",
    "Session",
    "Subject",
    "Template",
    "TemplateField",
    "UploadStatus",
]
