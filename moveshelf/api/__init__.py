"""The flat client, for the scripts that exist: one method a question, dictionaries as answers.

    from moveshelf.api import MoveshelfApi
    api = MoveshelfApi(api_key_file="mvshlf-api-key.json")
    for subject in api.getProjectSubjects(project_id): ...

Each method's docstring shows the line of objects that replaces it (`python -m moveshelf.api` prints them
all); `api.client` has the objects over the same connection. Importing this costs no more than the standard
library's json.
"""

from __future__ import annotations

import logging

from .both import warn_of_both
from .failures import GraphQlException
from .hashes import calculate_file_crc32c, calculate_file_md5, calculate_stream_md5, crc32c_func
from .kinds import BearerTokenAuth, Metadata, Timecode, TimecodeFramerate
from .uploads import Uploads

logger = logging.getLogger("moveshelf-api")


class MoveshelfApi(Uploads):
    """The flat client. `MoveshelfApi(api_key_file, api_url, timeout)` reads the key at once and sends
    nothing.

    `timeout` is in seconds without a sign of life. Methods may be overridden one by one: everything is sent
    through `_dispatch_graphql`, and methods call each other with their oldest arguments only.

    Raises ValueError for a missing key file, JSONDecodeError for one that is no JSON, KeyError for one
    without `secretKey`; all are moveshelf.errors.ConfigError.
    """


warn_of_both()

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
