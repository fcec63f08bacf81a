"""moveshelf.api under the name that scripts import."""

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
    "calculate_file_crc32c",
    "calculate_file_md5",
    "calculate_stream_md5",
    "logger",
]
