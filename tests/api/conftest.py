"""Flat clients of a sandbox, of the demo, and of nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from moveshelf.api import MoveshelfApi

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox


@pytest.fixture
def api(sandbox: Sandbox) -> Iterator[MoveshelfApi]:
    """A flat client of a sandbox of one's own."""
    with MoveshelfApi(sandbox.key_file, sandbox.api_url) as made:
        yield made


@pytest.fixture
def demo_api(demo: Sandbox) -> Iterator[MoveshelfApi]:
    """A flat client of the demo, to read."""
    with MoveshelfApi(demo.key_file, demo.api_url) as made:
        yield made


@pytest.fixture
def practice(api: MoveshelfApi) -> str:
    """The id of the empty project."""
    return str(api.getUserProjects()[0]["id"])


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key.json"
    path.write_text(json.dumps({"application": "x", "secretKey": "s3cret"}))
    return path


@pytest.fixture
def offline_api(key_file: Path) -> MoveshelfApi:
    return MoveshelfApi(str(key_file), "http://127.0.0.1:9/graphql")


@pytest.fixture
def demo_subject(demo_api: MoveshelfApi) -> str:
    project = next(one["id"] for one in demo_api.getUserProjects() if one["name"] == "lab/demo")
    return str(demo_api.getProjectSubjects(project)[0]["id"])
