"""The table of replacements: every method has one, and the recommended lines run."""

from __future__ import annotations

import ast
from typing import Any

from moveshelf.api import (
    MoveshelfApi,
    __main__,
)


def test_every_method_names_its_replacement() -> None:
    named = dict(__main__.replacements())
    public = {f"api.{name}" for name in dir(MoveshelfApi) if not name.startswith("_")}
    helpers = {"util.addOrGetTrial", "util.getConditionsFromSession", "util.getPatientMetadata"}
    assert set(named) == (public | helpers) - {"api.api_url", "api.client", "api.close", "api.http"}
    assert __main__.table().count("\n") == len(named) + 1


def test_recommended_lines_run(demo_api: MoveshelfApi, demo_subject: str) -> None:
    """What the docstrings recommend in place of each reading method runs, and is understood by the objects."""
    client = demo_api.client
    project = client.projects["lab/demo"]
    names: dict[str, Any] = {
        "ms": client,
        "project_id": project.id,
        "subject_id": demo_subject,
        "limit": 3,
        "ehr_id": "4237",
    }
    names["session_id"] = client.subject(demo_subject).sessions[0].id
    names["clip_id"] = client.session(names["session_id"]).clips[0].id
    ran = 0
    for call, line in __main__.replacements():
        name = call.partition(".")[2]
        for code in line.split("`")[1::2]:
            tree = ast.parse(code if not code.startswith(".") else f"x{code}")
            if name.startswith("get") and name != "getJobStatus" and "..." not in code:
                exec(compile(tree, name, "exec"), names)
                ran += 1
    assert ran > 15
    assert eval("ms.project(project_id).subject_by_ehr_id(ehr_id)", names).name == "P-001"  # noqa: S307
