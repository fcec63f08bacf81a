"""The libraries of the extra `pandas`, imported when a table is made."""

from __future__ import annotations

from typing import Any

from ..errors import ConfigError


def pandas_module() -> Any:
    """The module pandas. Raises ConfigError, which says how to install it, where there is none."""
    try:
        import pandas
    except ImportError:
        raise ConfigError("tables need pandas: pip install 'moveshelf[pandas]'") from None
    return pandas


def openpyxl_module() -> Any:
    """The module openpyxl. Raises ConfigError, which says how to install it, where there is none."""
    try:
        import openpyxl
    except ImportError:
        raise ConfigError("workbooks need openpyxl: pip install 'moveshelf[pandas]'") from None
    return openpyxl
