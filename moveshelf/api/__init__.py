"""The flat client, for the scripts that exist: one method for each request, dictionaries as results.

    from moveshelf.api import MoveshelfApi
    api = MoveshelfApi(api_key_file="mvshlf-api-key.json")
    for subject in api.getProjectSubjects(project_id): ...

Its results are those of version 1.6.4 of the published client, but for this:

- metadata is parsed, never evaluated; timecodes are checked under `python -O` too, and to their end;
- deleting by condition deletes the clips of exactly that condition, not what has its name in path or title;
- arguments and defaults stay as they are; getConditionsFromSession begins anew each time, passes over paths that lie
  elsewhere, and fills `norms` where the session has that key (conditions that have norms only are among them, as up to
  1.4, and have their fullPath);
- getSessionById and getSubjectDetails give sessions their `norms`, as their last key;
- addOrGetTrial numbers after titles of any form;
- updateSubjectMetadataInfo returns the validator's complaints (a list that is false), takes a dict too, and keeps the
  stored interventions when the import brings none;
- a session-overview address in a project without a template is an error; getFilteredProjectSessions warns when there
  is more than `limit`;
- mutations are not repeated blindly, and a 404 fails at once; empty ids and other input that cannot be right (NaN in
  metadata, interventions that are no list of dicts, ...) is refused before any request;
- errors of a key file name the file.

Where older versions differ among themselves 1.6.4 counts: a new session's date that is none is a ValueError (1.4
printed and returned None); the metadata updates validate and fill what is empty (1.1 replaced everything), except where
1.1's date stands in the fourth place of updateSessionMetadataInfo, which does not validate.

Each method calls a method of an object and returns what the service responded, in 1.6.4's shape (shapes.py). Its
docstring shows the line of objects that replaces it (`python -m moveshelf.api` prints them all); `api.client` has the
objects over the same connection. Importing this costs no more than the standard
library's json.
"""

from __future__ import annotations

import logging

from .failures import GraphQlException
from .flat import MoveshelfApi
from .hashes import calculate_file_crc32c, calculate_file_md5, calculate_stream_md5, crc32c_func
from .installed import warn_if_published_is_installed
from .kinds import BearerTokenAuth, Metadata, Timecode, TimecodeFramerate

logger = logging.getLogger("moveshelf-api")


warn_if_published_is_installed()

__all__ = [
    "BearerTokenAuth",
    "GraphQlException",
    "Metadata",
    "MoveshelfApi",
    "Timecode",
    "TimecodeFramerate",
    "calculate_file_crc32c",
    "calculate_file_md5",
    "calculate_stream_md5",
    "crc32c_func",
    "logger",
]
