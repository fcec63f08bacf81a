"""moveshelf.api under the name that scripts import.

What every published version imports of the standard library is here too: scripts that say
`from moveshelf_api.api import *` use it.
"""

import base64
import enum
import json
import logging
import re
import struct
from datetime import datetime, timedelta
from os import path
from typing import TypedDict

from moveshelf.api import (
    BearerTokenAuth,
    GraphQlException,
    Metadata,
    MoveshelfApi,
    Timecode,
    TimecodeFramerate,
    calculate_file_crc32c,
    calculate_file_md5,
    calculate_stream_md5,
    logger,
)

__all__ = [
    "BearerTokenAuth",
    "GraphQlException",
    "Metadata",
    "MoveshelfApi",
    "Timecode",
    "TimecodeFramerate",
    "TypedDict",
    "base64",
    "calculate_file_crc32c",
    "calculate_file_md5",
    "calculate_stream_md5",
    "datetime",
    "enum",
    "json",
    "logger",
    "logging",
    "path",
    "re",
    "struct",
    "timedelta",
]
