"""Projects that the tests of loops read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.walks import LARGE, SMALL

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox


@pytest.fixture(scope="module")
def projects(shared: Sandbox) -> dict[tuple[int, ...], str]:
    """Names of a small and a large project, by their shapes."""
    made = {}
    for shape in (SMALL, LARGE):
        subjects, sessions, clips, files = shape
        made[shape] = shared.generate(subjects=subjects, sessions=sessions, clips=clips, files=files)
    return made


@pytest.fixture(scope="module")
def file_ids(shared: Sandbox, projects: dict[tuple[int, ...], str]) -> dict[tuple[int, ...], list[str]]:
    """The ids of each project's files, by one hand-written query."""
    found = {}
    for shape, name in projects.items():
        with shared.connect() as ms:
            identity = ms.projects[name].id
            data = ms.execute(
                "query Truth($id: ID!) { node(id: $id) { ... on Project { patientsList { sessions { clips { "
                "additionalData { id } } } } } } }",
                {"id": identity},
            )
        found[shape] = [
            file["id"]
            for subject in data["node"]["patientsList"]
            for session in subject["sessions"]
            for clip in session["clips"]
            for file in clip["additionalData"]
        ]
    return found
