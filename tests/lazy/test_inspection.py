"""Tools that look at objects send nothing and see the domain's names; programs that read still fetch."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import attrs
import pytest
import rich.pretty

import moveshelf

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox

NAMES = ("client", "projects", "project", "subjects", "subject", "session", "condition", "clip", "file")
#: What the engine needs of a class, and nobody who reads data does.
MACHINERY = {"by_wire", "derived", "field", "fields", "groups", "is_root", "wire", "writers"}


def objects_of(ms: moveshelf.Moveshelf) -> dict[str, Any]:
    """An object of each class, their fields not loaded."""
    project = ms.projects["lab/demo"]
    subject = project.subjects[0]
    session = subject.sessions[0]
    clip = session.clips[0]
    found: dict[str, Any] = {
        "client": ms,
        "projects": ms.projects,
        "project": ms.project(project.id),
        "subjects": subject.sessions,
        "subject": subject,
        "session": session,
        "condition": session.conditions[0],
        "clip": clip,
        "file": clip.files[0],
    }
    ms.refresh()
    return found


def getmembers(obj: Any) -> object:
    return inspect.getmembers(obj)


def debugger(obj: Any) -> object:
    debugpy = pytest.importorskip("debugpy")
    folder = str(Path(debugpy.__file__).parent / "_vendored" / "pydevd")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    from _pydevd_bundle import pydevd_xml

    _, _, resolver = pydevd_xml.get_type(obj)
    return resolver.get_contents_debug_adapter_protocol(obj)


def jedi_completion(obj: Any) -> object:
    jedi = pytest.importorskip("jedi")
    names = {"obj": obj}
    return [one.name for one in jedi.Interpreter("obj.", [names]).complete()]


LOOKS = [
    getmembers,
    debugger,
    jedi_completion,
    mock.create_autospec,
    lambda one: mock.Mock(spec=one),
    rich.pretty.pretty_repr,
    lambda one: [getattr(one, name, None) for name in ()] or dir(one),
]


@pytest.mark.parametrize("look", LOOKS, ids=lambda one: one.__name__)
@pytest.mark.parametrize("name", NAMES)
def test_looking_sends_nothing(demo: Sandbox, look: Callable[[Any], object], name: str) -> None:
    with demo.connect() as ms:
        one = objects_of(ms)[name]
        before = ms.stats.requests
        look(one)
        assert ms.stats.requests == before


def test_a_program_still_reads_what_a_tool_looked_at(demo: Sandbox) -> None:
    with demo.connect() as ms:
        subject = objects_of(ms)["subject"]
        inspect.getmembers(subject)
        assert subject.name == "P-001"
        assert mock.Mock(wraps=subject).load("metadata").metadata


def test_a_progress_bar_reads(demo: Sandbox) -> None:
    from rich.progress import track

    with demo.connect() as ms:
        assert [one.name for one in track(ms.projects, disable=True)]


@pytest.mark.parametrize("name", NAMES)
def test_the_names_are_the_domains(demo: Sandbox, name: str) -> None:
    with demo.connect() as ms:
        one = objects_of(ms)[name]
        assert not MACHINERY & {*dir(one), *dir(type(one))}


def test_attrs_sees_no_machinery(demo: Sandbox) -> None:
    with demo.connect() as ms:
        subject = objects_of(ms)["subject"]
        assert not attrs.has(type(subject))
        for copies in (attrs.asdict, attrs.evolve):
            with pytest.raises(attrs.exceptions.NotAnAttrsClassError):
                copies(subject)


@pytest.mark.parametrize("uses_jedi", [False, True])
@pytest.mark.parametrize(
    ("text", "wanted"),
    [('ms.projects["', "lab/demo"), ('project.subjects["', "P-001"), ('session.conditions["', "Barefoot")],
)
def test_keys_are_completed_in_ipython(demo: Sandbox, text: str, wanted: str, uses_jedi: bool) -> None:
    pytest.importorskip("IPython")
    from IPython.core.completer import provisionalcompleter
    from IPython.core.interactiveshell import InteractiveShell

    with demo.connect() as ms:
        project = ms.projects["lab/demo"].load("subjects.sessions.clips")
        session = project.subjects[0].sessions[0]
        shell = InteractiveShell()
        shell.user_ns.update(ms=ms, project=project, session=session)
        shell.Completer.use_jedi = uses_jedi
        before = ms.stats.requests
        with provisionalcompleter():
            found = [one.text for one in shell.Completer.completions(text, len(text))]
        assert wanted in found
        assert ms.stats.requests == before


def test_what_an_editor_knows_without_running_is_the_domain(demo: Sandbox) -> None:
    jedi = pytest.importorskip("jedi")
    with demo.connect() as ms:
        names = {"project": ms.projects["lab/demo"].load("subjects")}
        found = [one.name for one in jedi.Interpreter("project.subjects[0].", [names]).complete()]
    assert "load" in found
    assert not {"by_wire", "derived", "field", "fields", "groups", "is_root", "wire", "writers"} & set(found)
