"""The client: objects by id, name and web address."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

import moveshelf
from moveshelf import ValidationError

if TYPE_CHECKING:
    from moveshelf import Moveshelf, Project
    from moveshelf.sandbox import Sandbox


def test_a_client_cannot_be_pickled(demo: Sandbox) -> None:
    with demo.connect() as ms:
        with pytest.raises(TypeError, match="key"):
            pickle.dumps(ms)
        with pytest.raises(TypeError, match="key"):
            copy.deepcopy(ms)


def test_from_url_of_objects(reader: Moveshelf, project: Project) -> None:
    session = project.subjects["P-002"].sessions[0]
    clip = session.clips[0]
    pages = [project.url, session.subject.url, session.url, clip.url]
    with reader.no_fetch():
        assert [reader.from_url(page) for page in pages] == [project, session.subject, session, clip]
        for host in ("https://app.moveshelf.com", "http://elsewhere:1234/prefix"):
            path = f"/project/{project.id}"
            assert reader.from_url(f"{host}{path}") is project
            assert reader.from_url(f"{host}{path}/") is project
            assert reader.from_url(f"{host}{path}/sessions") is project
            assert reader.from_url(f"{host}{path}/session/{session.id}?tab=2#top") is session
            assert reader.from_url(f"{host}/edit/{clip.id}") is clip
        for wrong in (
            "",
            None,
            5,
            "lab/demo",
            "https://app.moveshelf.com",
            "https://app.moveshelf.com/projects",
            f"https://app.moveshelf.com/project/{project.id}/session/",
            f"https://app.moveshelf.com/project/{project.id}/session/{session.id}/more",
            "https://app.moveshelf.com/edit/x",
        ):
            with pytest.raises(ValidationError, match="is no page of"):
                reader.from_url(wrong)  # type: ignore[arg-type]


def test_from_url_of_overview_pages(reader: Moveshelf, project: Project) -> None:
    page = f"https://app.moveshelf.com/project/{project.id}/sessions"
    dates = "startDate=2023-01-01&endDate=2024-12-31"
    found = reader.from_url(f"{page}?{dates}")
    assert found == project.find_sessions("2023-01-01", "2024-12-31")
    found = reader.from_url(
        f"{page}?{dates}&session-type=Running&subject-sex=Male&subject-gmfcs=(Select+all)"
    )
    assert found == project.find_sessions(
        "2023-01-01", "2024-12-31", {"session-type": "Running"}, {"subject-sex": "Male"}
    )
    assert len(found)
    several = reader.from_url(f"{page}?{dates}&subject-gmfcs=II&subject-gmfcs=III&session-clinician=")
    assert several == project.find_sessions(
        "2023-01-01", "2024-12-31", None, {"subject-gmfcs": ["II", "III"]}
    )
    ranged = reader.from_url(f"{page}?{dates}&session-report-due=2023-03-01&session-report-due=2023-04-30")
    assert ranged == project.find_sessions(
        "2023-01-01", "2024-12-31", {"session-report-due": ("2023-03-01", "2023-04-30")}
    )
    timed = reader.from_url(f"{page}?startDate=2023-01-01T00:00:00.000Z&endDate=2024-12-31T23:00:00.000Z")
    assert timed == project.find_sessions("2023-01-01", "2024-12-31")
    assert len(reader.from_url(f"{page}?session-type=Gait")) == 0  # the last ten weeks, as on the page
    with pytest.warns(UserWarning, match="shoe-size"):
        assert len(reader.from_url(f"{page}?{dates}&shoe-size=43")) == 30
    with pytest.raises(ValidationError):
        reader.from_url(f"{page}?endDate=tomorrow")


def test_an_overview_page_needs_a_template(shared: Sandbox, ms: Moveshelf) -> None:
    identity = shared.add_project("lab/no-template", None)
    with pytest.raises(ValidationError, match="no template"):
        ms.from_url(f"https://h/project/{identity}/sessions?subject-sex=Male")
    assert ms.project(identity).template is None


def test_lookup(reader: Moveshelf, project: Project) -> None:
    session = project.subjects["P-004"].sessions[0]
    names = ["lab/demo", "P-004", session.name, "Running", "Trial-8", "event.json"]
    steps = [reader.lookup(*names[: n + 1]) for n in range(6)]
    assert steps[:3] == [project, session.subject, session]
    assert steps[3] == session.conditions["Running"]
    assert [one.name for one in steps] == names
    whole = reader.lookup("lab/demo", "P-004", session.name, "", session.clips[0].id)
    assert whole is session.clips[0]
    with pytest.raises(moveshelf.NotFoundError, match="no session"):
        reader.lookup("lab/demo", "P-004", "tomorrow")
    for wrong in ([], [*names, "more"]):
        with pytest.raises(moveshelf.ValidationError, match="one to six names"):
            reader.lookup(*wrong)


def test_ids_are_checked_before_any_request(reader: Moveshelf) -> None:
    with reader.no_fetch():
        for wrong in ("", " x", "a b", None, 7):
            for method in (
                reader.project,
                reader.subject,
                reader.session,
                reader.clip,
                reader.job,
                reader.find,
            ):
                with pytest.raises(moveshelf.ValidationError, match="is no id"):
                    method(wrong)  # type: ignore[arg-type]


def test_an_unknown_id_raises_when_read(reader: Moveshelf, project: Project) -> None:
    for made in (reader.project("UHJvamVjdAAAA"), reader.subject("nobody-1"), reader.session("nothing-1")):
        with pytest.raises(moveshelf.NotFoundError, match=made.id):
            made.name
    with pytest.raises(moveshelf.NotFoundError):
        reader.find("nothing-2")
    with pytest.raises(moveshelf.NotFoundError, match="is the id of a Project, not of a Subject"):
        reader.subject(project.id)
    with moveshelf.connect(api_key=reader._config.secret.reveal(), api_url=reader.url) as other:
        with pytest.raises(moveshelf.NotFoundError):
            other.clip(project.id).title
        found = other.find(project.id)
        assert (type(found), found.name) == (moveshelf.Project, "lab/demo")


# read anew, many by id, one path -----------------------------------------------------------------------------------------
def test_a_project_made_since_is_seen(sandbox: Sandbox) -> None:
    with sandbox.connect() as ms:
        before = ms.projects.names()
        first = sandbox.generate(subjects=1, sessions=1, clips=1, files=1)
        assert first not in ms.projects
        with ms.no_fetch():
            assert ms.refresh() is ms
        assert first in ms.projects
        second = sandbox.generate(subjects=1, sessions=1, clips=1, files=1)
        with ms.budget(1):
            assert ms.projects.refresh() is ms.projects
        assert sorted(ms.projects.names()) == sorted([*before, first, second])


@pytest.mark.parametrize("through", ["client", "project", "subject", "collection"])
def test_what_changed_elsewhere_is_seen_through_every_variable(sandbox: Sandbox, through: str) -> None:
    name = sandbox.generate(subjects=2, sessions=2, clips=2, files=1)
    with sandbox.connect() as ms, sandbox.connect() as other:
        project = ms.projects[name].load("subjects.sessions.clips.files", "subjects.metadata")
        subjects = project.subjects
        subject = subjects[0]
        sessions = subject.sessions
        clip = sessions[0].clips[0]
        files = clip.files
        mine = other.subject(subject.id)
        mine.update_metadata({"x": "new"}, validate=False)
        mine.create_session("2030-01-02")
        other.clip(clip.id).update(description="seen")
        other.clip(clip.id).files[0].delete()
        {"client": ms, "project": project, "subject": subject, "collection": subjects}[through].refresh()
        assert subject.metadata["x"] == "new"
        assert "2030-01-02" in [str(one.date) for one in sessions]
        assert clip.description == "seen"
        assert len(files) == 0
        assert project.subjects is subjects
        assert subjects[0] is subject


def test_refreshing_one_subject_leaves_the_others_loaded(sandbox: Sandbox) -> None:
    name = sandbox.generate(subjects=2, sessions=2, clips=2, files=1)
    with sandbox.connect() as ms:
        project = ms.projects[name].load("subjects.sessions.clips.files")
        first, second = project.subjects
        with ms.budget(1):
            first.refresh()
        with ms.no_fetch():
            assert [len(clip.files) for one in second.sessions for clip in one.clips] == [1] * 4
        assert not first.is_loaded("sessions")


def test_many_by_id_are_loaded_together(sandbox: Sandbox) -> None:
    name = sandbox.generate(subjects=30, sessions=2, clips=1, files=1)
    with sandbox.connect() as other:
        project = other.projects[name].load("subjects.sessions.clips")
        subjects = project.subjects.ids()
        sessions = [one.id for subject in project.subjects for one in subject.sessions]
        clips = [one.id for session in project.sessions for one in session.clips]
    with sandbox.connect() as ms:
        with ms.budget(1):
            assert [one.name for one in ms.subjects(subjects).load("name")] == project.subjects.names()
        with ms.budget(1):
            assert len(ms.sessions(sessions * 2).load("path")) == 60
        assert [one.id for one in ms.clips(clips)] == clips
        with pytest.raises(moveshelf.errors.ValidationError, match="a list of ids"):
            ms.subjects(subjects[0])


def test_a_path_in_one_string_is_looked_up(demo: Sandbox) -> None:
    with demo.connect() as ms:
        subject = ms.projects["lab/demo"].subjects[0]
        session = subject.sessions[0].name
        names = ("lab/demo", subject.name, session, "Barefoot", "Trial-1", "event.json")
        path = f"lab/demo:{subject.name}/{session}/Barefoot/Trial-1/event.json"
        assert ms.lookup(path) is ms.lookup(*names)
        assert ms.lookup("lab/demo") is ms.projects["lab/demo"]


def test_counts_and_seconds_of_other_libraries(demo: Sandbox, tmp_path: Path) -> None:
    with demo.connect(timeout=np.float64(30)) as ms, ms.budget(np.int64(40)) as budget:
        subject = ms.projects["lab/demo"].subjects[np.int64(0)]
        assert len(subject.download(tmp_path, jobs=np.int64(3), dry_run=True)) > 0
        assert 0 < budget.used < 40
    for timeout in (np.nan, pd.NaT, "30", True, 0, -1, None, float("inf")):
        with pytest.raises(ValidationError, match="timeout is a number of seconds"):
            demo.connect(timeout=timeout)
    with demo.connect() as ms:
        for wrong in (-1, np.nan, "3", True, 1.5):
            with pytest.raises(ValidationError, match="requests is a whole number"):
                ms.budget(wrong)  # type: ignore[arg-type]
        with pytest.raises(ValidationError, match="jobs is a whole number from 1 to 256"):
            ms.projects["lab/demo"].subjects[0].download(tmp_path, jobs=np.nan)  # type: ignore[arg-type]


def test_an_index_on_a_method_leads_to_the_collection(reader: moveshelf.Moveshelf) -> None:
    with pytest.raises(ValidationError, match=r"did you mean projects\['lab/demo'\]"):
        reader.project["lab/demo"]  # type: ignore[index]
    with pytest.raises(ValidationError, match="takes the id of a subject"):
        reader.subject["P-001"]  # type: ignore[index]
    identity = reader.projects["lab/demo"].id
    assert reader.project(identity) is reader.project(id=identity)


def test_help_is_short() -> None:
    process = subprocess.run(
        [sys.executable, "-c", "import moveshelf; help(moveshelf)"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    lines = process.stdout.splitlines()
    assert 30 < len(lines) < 85
    assert any("Subject" in line and "sessions" in line for line in lines)
    assert {"Plan", "Template", "TransferResult", "Session"} <= set(dir(moveshelf))


def test_a_client_shows_itself_without_a_request_and_without_the_key(demo: Sandbox) -> None:
    with demo.connect() as ms, ms.no_fetch():
        shown = ms._repr_html_()
        assert "not loaded: projects" in shown
        assert demo.api_key not in shown
    with demo.connect() as ms:
        ms.projects.load()
        assert "lab/demo, lab/practice, lab/study" in ms._repr_html_()
