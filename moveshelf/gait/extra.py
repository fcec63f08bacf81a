"""What to say where the packages of the extra `gait` are not installed."""

from __future__ import annotations

import importlib
from types import ModuleType

from ..errors import ConfigError


class MissingExtraError(ConfigError, ImportError):
    """A package of an extra is not installed. The text says how to install it. Also an ImportError."""


def numeric(module: str, package: str) -> ModuleType:
    """The module of this package that computes, imported.

    Raises MissingExtraError, which names the package that is not installed and the command that installs the extra.
    """
    try:
        return importlib.import_module(module, package)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if not missing or missing == __name__.partition(".")[0]:
            raise
        text = f"moveshelf.gait needs the package {missing}, which is not installed: pip install 'moveshelf[gait]'"
    raise MissingExtraError(text) from None
