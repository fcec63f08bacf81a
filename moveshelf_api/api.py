"""moveshelf.api under the name that scripts import.

The modules that the published client imports are here too, since scripts that say `from moveshelf_api.api import *` have
them from it.
"""

from importlib import import_module
from typing import Any

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

#: What `import *` gives of the standard library, by where it is from; imported when somebody uses it.
_STANDARD = {
    "base64": "base64",
    "TypedDict": "typing:TypedDict",
    "calendar": "calendar",
    "datetime": "datetime:datetime",
    "enum": "enum",
    "json": "json",
    "logging": "logging",
    "parse_qs": "urllib.parse:parse_qs",
    "path": "os.path",
    "re": "re",
    "struct": "struct",
    "timedelta": "datetime:timedelta",
    "urlparse": "urllib.parse:urlparse",
}
#: What need not be installed.
_OTHERS = {"requests": "requests", "urllib3": "urllib3"}


def __getattr__(name: str) -> Any:
    place = {**_STANDARD, **_OTHERS}.get(name)
    if place is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = place.partition(":")
    return getattr(import_module(module), attribute) if attribute else import_module(module)


__all__ = [
    *_STANDARD,
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
