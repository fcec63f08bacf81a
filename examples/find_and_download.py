"""Find sessions by date and metadata on the service, and download one file of each trial, verified."""

from __future__ import annotations

import sys
from pathlib import Path

import moveshelf


def main(to: str = "downloaded", project: str = "lab/demo") -> None:
    with moveshelf.connect() as ms:
        found = ms.projects[project].find_sessions(start="2024-03-01", where={"session-type": "Gait"})
        for session in found:
            folder = Path(to) / session.subject.name / session.name
            result = session.download(folder, include="gait_params.json")
            result.raise_for_errors()
            print(f"{folder}: {len(result)} files, {len(result.done)} new")
        print(ms.stats)


if __name__ == "__main__":
    main(*sys.argv[1:])
