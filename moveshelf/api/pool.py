"""The `http` attribute: urllib3, imported only when a script uses it."""

from __future__ import annotations

import sys
from typing import Any

from ..errors import ConfigError


class HttpMissingError(ConfigError, ImportError):
    """urllib3 is not installed. Also an ImportError."""


def make(timeout: float) -> Any:
    """A PoolManager that repeats what may be repeated: never a POST, which may have been carried out."""
    try:
        import urllib3
    except ImportError:
        raise HttpMissingError(
            "api.http needs urllib3, which is not installed: pip install 'moveshelf[legacy]'"
        ) from None
    retries = urllib3.Retry(
        total=5,
        status_forcelist=(500, 502, 503, 504),
        allowed_methods=("GET", "HEAD", "PUT"),
        backoff_factor=1,
    )
    return urllib3.PoolManager(retries=retries, timeout=urllib3.Timeout(connect=10, read=timeout))


def state(pool: Any) -> Any:
    """What of a pool a script may change, to compare: its settings, and methods replaced on it."""
    values = {**vars(pool), "pools": None}
    return {name: dict(value) if isinstance(value, dict) else value for name, value in values.items()}


def is_patched() -> bool:
    """Whether a script has replaced `request` of urllib3's PoolManager itself, as its tests do to send nothing."""
    module = sys.modules.get("urllib3.poolmanager")
    request = None if module is None else module.PoolManager.request
    return request is not None and not str(getattr(request, "__module__", "")).startswith("urllib3.")
