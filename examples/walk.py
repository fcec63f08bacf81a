"""Walk a project from its subjects down to the files, and see what it cost.

moveshelf sandbox --demo --path practice        (in another terminal)
export MOVESHELF_API_KEY_FILE="$PWD/practice/mvshlf-api-key.json"
cd examples && python walk.py
"""

from __future__ import annotations

import sys

import moveshelf


def main(name: str = "lab/demo") -> None:
    with moveshelf.connect() as ms:
        project = ms.projects[name]
        for subject in project.subjects:
            for session in subject.sessions:
                for clip in session.conditions["Barefoot"].clips:
                    print(subject.name, session.date, clip.title, [file.name for file in clip.files])
        print(ms.stats)


if __name__ == "__main__":
    main(*sys.argv[1:])
