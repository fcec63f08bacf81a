"""The published package owns the import name `moveshelf_api` too: where both are installed, somebody should know."""

from __future__ import annotations

import os
import sys
import warnings


def warn_if_published_is_installed() -> None:
    """Warn where the published package is installed in this environment as well; sends nothing.

    Looks at the names of the installed packages only: importing importlib.metadata would cost more than all the rest of the
    import.
    """
    for folder in sys.path:
        try:
            names = os.listdir(folder or ".")
        except OSError:
            continue
        for name in names:
            begins = name.startswith(("moveshelf_api-", "moveshelf-api-"))
            if begins and name.endswith((".dist-info", ".egg-info")):
                warnings.warn(
                    f"{name.rsplit('.', 1)[0]} is installed in this environment beside moveshelf; both own "
                    "the name moveshelf_api: the one installed last wins, file by file. Remove it with "
                    "'pip uninstall moveshelf-api', then install moveshelf again",
                    stacklevel=3,
                )
                return
