"""What the tests of the shell share: paths of the demo, and Python as a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SESSION = "lab/demo:P-001/2023-01-20 pre-op"
TRIAL = f"{SESSION}/Barefoot/Trial-1"


def python(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run Python with those words behind it; what came of it, its output as text."""
    options = {"encoding": "utf-8", "capture_output": True, **options}
    return subprocess.run([sys.executable, *words], check=False, **options)
