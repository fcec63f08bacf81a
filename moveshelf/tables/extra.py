"""The libraries of the extra `pandas`, imported when a table is made."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

from ..errors import ConfigError

_PACKAGE = str(Path(__file__).parent.parent)


def warn(text: str, category: type[Warning]) -> None:
    """Warn at the line that called this library."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, category, stacklevel=level)


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
