"""The `moveshelf` command.

Exit codes: 0 done; 1 something of it failed (some files, a transfer, a conflict); 2 wrong usage or input; 3 no
object of that name; 4 no key, a refused key, a wrong configuration; 5 the service or the network failed; 130
interrupted.
"""

from __future__ import annotations

from .run import main

__all__ = ["main"]
