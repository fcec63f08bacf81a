"""Paths in one string: what is written is read, and what is listed is found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moveshelf.errors import AmbiguousError, NotFoundError, ValidationError
from moveshelf.operations import paths
from moveshelf.values import printable

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox

NAME = st.text(
    st.one_of(st.sampled_from("/\\:%2F5C .\x1b\u202e"), st.characters(exclude_categories=["Cs"])), min_size=1
)


@given(NAME, st.lists(NAME, max_size=5))
def test_a_path_is_its_names(project: str, below: list[str]) -> None:
    path = paths.join([project, *below])
    assert paths.parse(path) == [project, *below]
    assert printable(path) == path


@given(st.text())
def test_a_path_is_names_or_an_error(path: str) -> None:
    try:
        names = paths.parse(path)
    except ValidationError:
        return
    assert 1 <= len(names) <= 6
    assert paths.parse(paths.join(names)) == names or not all(names)


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("lab/demo", ["lab/demo"]),
        ("/lab/demo/:/P-1/", ["lab/demo", "P-1"]),
        ("lab/demo:P-1/s//T", ["lab/demo", "P-1", "s", "", "T"]),
        ("lab/demo:P-1/s/Barefoot%2Fleft", ["lab/demo", "P-1", "s", "Barefoot/left"]),
        (r"lab/demo:P-1/s/Barefoot\/left", ["lab/demo", "P-1", "s", "Barefoot/left"]),
        (r"lab/a\:b:P", ["lab/a:b", "P"]),
        ("lab/a%3Ab:P", ["lab/a:b", "P"]),
        ("lab/a:100%25%20", ["lab/a", "100% "]),
        ("lab/a:100%", ["lab/a", "100%"]),
        ("lab/a:%FF", ["lab/a", "%FF"]),
        (r"lab/a:C:\x", ["lab/a", r"C:\x"]),
        ("lab/a:Müller:b", ["lab/a", "Müller:b"]),
        ("lab/a:M%C3%BCller", ["lab/a", "Müller"]),
    ],
)
def test_parse(path: str, names: list[str]) -> None:
    assert paths.parse(path) == names


@pytest.mark.parametrize("path", ["", ":", " ", "/", "lab/a: /x", "lab/a:x//y", "lab/a:1/2/3/4/5/6"])
def test_no_path(path: str) -> None:
    with pytest.raises(ValidationError, match="is no path"):
        paths.parse(path)


@pytest.mark.parametrize(
    ("typed", "parts"),
    [
        ("lab/de", ("", "", "lab/de")),
        ("lab/demo:", ("lab/demo:", "lab/demo", "")),
        ("lab/demo:P/s/", ("lab/demo:P/s/", "lab/demo:P/s", "")),
        (r"lab/demo:P/s/a\/b", ("lab/demo:P/s/", "lab/demo:P/s", r"a\/b")),
    ],
)
def test_typed_so_far(typed: str, parts: tuple[str, str, str]) -> None:
    assert paths.typed_so_far(typed) == parts


@pytest.fixture
def session(sandbox: Sandbox) -> Any:
    """A session with conditions and trials whose names hold slashes, colons and percent signs."""
    with sandbox.connect() as ms:
        project = ms.projects["lab/practice"]
        project.create_subject("P").create_session("2024-01-01")
        for folder, title in (
            ("Barefoot/left", "T-1"),
            ("Barefoot/left", "a/b"),
            ("Barefoot", "left"),
            ("100%25", "T-1"),
            ("", "alone"),
            ("", "Barefoot"),
        ):
            clips = [
                {"clientId": "x", "metadata": {"title": title, "projectPath": f"/P/2024-01-01/{folder}"}}
            ]
            ms.execute(
                "mutation C($i: ClipCreationInput!) { createClips(input: $i) { response { clientId } } }",
                {"i": {"project": project.id, "clips": clips}},
            )
        yield project.refresh().subjects["P"].sessions[0]


def test_every_object_has_a_path(sandbox: Sandbox, session: Any) -> None:
    with sandbox.connect() as ms:
        for clip in session.clips:
            condition = "" if clip.condition is None else clip.condition.name
            path = paths.join(["lab/practice", "P", "2024-01-01", condition, clip.title])
            found = paths.lookup(ms.projects, path)
            if clip.title == "T-1" or condition:
                assert found.id == clip.id, path
        for condition in session.conditions:
            path = paths.join(["lab/practice", "P", "2024-01-01", condition.name])
            assert paths.lookup(ms.projects, path).name == condition.name


@pytest.mark.parametrize(
    ("path", "kind", "name"),
    [
        ("Barefoot/left/T-1", "Clip", "T-1"),
        ("Barefoot/left", "Clip", "left"),  # read as it stands: the trial left of Barefoot
        ("Barefoot%2Fleft", "Condition", "Barefoot/left"),
        ("Barefoot/left/a/b", "Clip", "a/b"),
        ("Barefoot%2Fleft/a%2Fb", "Clip", "a/b"),
        ("100%25", "Condition", "100%25"),  # no condition is called 100%
        ("100%2525", "Condition", "100%25"),
        ("alone", "Clip", "alone"),
        ("/alone", "Clip", "alone"),
        ("Barefoot", "Condition", "Barefoot"),
    ],
)
def test_lookup(sandbox: Sandbox, session: Any, path: str, kind: str, name: str) -> None:
    with sandbox.connect() as ms:
        found = paths.lookup(ms.projects, f"lab/practice:P/2024-01-01/{path}")
        assert (type(found).__name__, found.name) == (kind, name)


def test_two_readings_are_not_guessed(sandbox: Sandbox, session: Any) -> None:
    session.create_clip("x/y", "A")
    with sandbox.connect() as ms:
        project = ms.projects["lab/practice"]
        clips = [{"clientId": "x", "metadata": {"title": "y", "projectPath": "/P/2024-01-01/A/x"}}]
        ms.execute(
            "mutation C($i: ClipCreationInput!) { createClips(input: $i) { response { clientId } } }",
            {"i": {"project": project.id, "clips": clips}},
        )
        with pytest.raises(AmbiguousError) as caught:
            paths.lookup(ms.projects, "lab/practice:P/2024-01-01/A/x/y")
        ways = ["lab/practice:P/2024-01-01/A/x%2Fy", "lab/practice:P/2024-01-01/A%2Fx/y"]
        assert all(way in str(caught.value) for way in ways)
        assert [paths.lookup(ms.projects, way).name for way in ways] == ["x/y", "y"]


def test_what_is_not_there_names_what_is_near(demo: Sandbox) -> None:
    with demo.connect() as ms:
        for path, said in (
            ("lab/demo:P-01", "did you mean 'P-001'"),
            ("lab/dem", "did you mean 'lab/demo'"),
            ("lab/demo:P-001/2023-01-20 pre-op/Barefot/Trial-1", "did you mean 'Barefoot'"),
        ):
            with pytest.raises(NotFoundError, match=said):
                paths.lookup(ms.projects, path)
        for wrong in ((), ("a",) * 7, (1,), ("lab/demo:P-001/ /x",)):
            demo.requests.clear()
            with pytest.raises(ValidationError):
                paths.lookup(ms.projects, *wrong)
            assert not demo.requests
        assert paths.lookup(ms.projects, "lab/demo", "P-001").name == "P-001"


def test_a_path_costs_a_request_a_level(demo: Sandbox) -> None:
    demo.requests.clear()
    with demo.connect() as ms:
        assert (
            paths.lookup(ms.projects, "lab/demo:P-001/2023-01-20 pre-op/Barefoot/Trial-1").name == "Trial-1"
        )
    assert len(demo.requests) <= 4
