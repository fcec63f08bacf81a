"""moveshelf.util under the name that scripts import."""

from moveshelf.api import Metadata
from moveshelf.util import addOrGetTrial, getConditionsFromSession, getPatientMetadata

__all__ = ["Metadata", "addOrGetTrial", "getConditionsFromSession", "getPatientMetadata"]
