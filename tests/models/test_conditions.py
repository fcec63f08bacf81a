"""Conditions: folders as the paths tell them, with and without slashes, inside and outside their session's."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import moveshelf
from moveshelf import Condition, ValidationError
from moveshelf.operations.folders import condition_name

if TYPE_CHECKING:
    from moveshelf import Moveshelf, Project, Session


@pytest.mark.parametrize(
    ("clip", "session", "name"),
    [
        ("/P/s/Barefoot/", "/P/s/", "Barefoot"),
        ("/P/s/Barefoot", "/P/s/", "Barefoot"),
        ("P/s/Barefoot", "/P/s", "Barefoot"),
        ("/P/s/", "/P/s/", ""),
        ("/P/s", "/P/s/", ""),
        ("/P/s/a/b/", "/P/s/", "a/b"),
        ("/P/s2/Barefoot/", "/P/s/", "Barefoot"),
        ("/Old name/s/Barefoot/", "/P/s/", "Barefoot"),
        ("/Barefoot/", "/P/s/", ""),
        ("", "/P/s/", ""),
        (None, "/P/s/", ""),
        ("/P/s/Barefoot/", None, "Barefoot"),
    ],
)
def test_the_folder_in_a_path(clip: Any, session: Any, name: str) -> None:
    assert condition_name(clip, session) == name


@given(st.lists(st.text("ab ", min_size=1), min_size=1, max_size=3), st.booleans(), st.booleans())
def test_slashes_at_the_ends_do_not_count(parts: list[str], before: bool, behind: bool) -> None:
    path = f"{'/' * before}P/s/{'/'.join(parts)}{'/' * behind}"
    assert condition_name(path, "/P/s/") == "/".join(parts)


@pytest.fixture(scope="module")
def odd(shared: Any) -> str:
    """A session whose clips were put in its folders in every way there is; its id."""
    with shared.connect() as ms:
        project = ms.projects["lab/practice"]
        session = project.create_subject("odd").create_session("2026-01-02")
        for number, path in enumerate(
            [
                "/odd/2026-01-02/Barefoot/",
                "/odd/2026-01-02/Barefoot",
                "/odd/2026-01-02/",
                "/odd/2026-01-02",
                "/odd/2026-01-02/Braced/left/",
                "/odd/2026-01-02/barefoot/",
            ],
            1,
        ):
            data = {"clientId": "1", "metadata": {"title": f"T{number}", "projectPath": path}}
            ms.execute(
                "mutation Make($i: ClipCreationInput!) { createClips(input: $i) { response { mocapClip { id } } } }",
                {"i": {"project": project.id, "clips": [data]}},
            )
        return session.id


@pytest.fixture
def session(ms: Moveshelf, odd: str) -> Session:
    return ms.session(odd)


def test_conditions_of_odd_paths(session: Session) -> None:
    conditions = session.conditions
    assert conditions.names() == ["Barefoot", "Braced/left", "barefoot"]
    assert [[clip.title for clip in one.clips] for one in conditions] == [["T1", "T2"], ["T5"], ["T6"]]
    assert [clip.condition and clip.condition.name for clip in session.clips] == [
        "Barefoot",
        "Barefoot",
        None,
        None,
        "Braced/left",
        "barefoot",
    ]
    assert conditions["Braced/left"].path == "/odd/2026-01-02/Braced/left/"
    assert conditions["/Barefoot/"] == conditions["Barefoot"] == conditions[0]
    assert session.condition("Barefoot/") == conditions[0]
    assert session.create_clip("T7", conditions["Braced/left"]).path == "/odd/2026-01-02/Braced/left/"


def test_conditions_are_a_sequence(ms: Moveshelf, session: Session) -> None:
    conditions = session.conditions
    assert len(conditions) == 3
    with ms.no_fetch():
        assert [one.name for one in conditions] == conditions.names()
        assert conditions.ids() == [one.path for one in conditions]
        assert conditions[-1].name == "barefoot"
        assert [one.name for one in conditions[:2]] == ["Barefoot", "Braced/left"]
        assert "Barefoot" in conditions
        assert "Barefoot/" in conditions
        assert conditions[1] in conditions
        assert "BAREFOOT" not in conditions
        assert 5 not in conditions
        assert session not in conditions
        assert conditions.get("x") is None
        assert conditions.get("Barefoot") == conditions[0]
        assert conditions.find(name="Barefoot") == [conditions[0]]
        assert conditions.find_one(path="/odd/2026-01-02/barefoot/").name == "barefoot"
        with pytest.raises(KeyError):
            conditions.find_one(name="x")
        with pytest.raises(ValidationError):
            conditions.find(colour="red")
        with pytest.raises(IndexError):
            conditions[3]
        assert next(reversed(conditions)).name == "barefoot"
        assert bool(conditions)
        assert conditions[0].load("clips") is not None


def test_conditions_are_equal_and_hashable(ms: Moveshelf, session: Session, project: Project) -> None:
    a, b = session.conditions["Barefoot"], session.conditions[0]
    assert a == b
    assert a is not b
    assert len({a, b, session.condition("Barefoot"), session.condition("other")}) == 2
    assert a != session.condition("barefoot")
    elsewhere = project.subjects[0].sessions[0].conditions["Barefoot"]
    assert a != elsewhere
    assert a != "Barefoot"


def test_looks_and_copies_send_nothing(ms: Moveshelf, odd: str) -> None:
    with ms.no_fetch():
        fresh = ms.session(odd)
        assert "not loaded" in repr(fresh.conditions)
        assert "not loaded" in fresh.conditions._repr_html_()
        assert fresh.conditions._ipython_key_completions_() == []
        condition = fresh.condition("Barefoot")
        assert "Barefoot" in repr(condition)
        assert not condition.is_loaded("clips")
        assert bool(condition)
    fresh.load("path", "clips")
    with ms.no_fetch():
        assert repr(fresh.conditions).startswith("<3 conditions: 'Barefoot'")
        assert "<td>Barefoot</td><td>2</td>" in fresh.conditions._repr_html_()
        assert repr(condition) == "<Condition 'Barefoot' clips=2>"
        assert fresh.conditions._ipython_key_completions_() == ["Barefoot", "Braced/left", "barefoot"]
        assert condition.is_loaded("clips")
        for twin in (copy.deepcopy(condition), pickle.loads(pickle.dumps(condition))):
            assert [clip.title for clip in twin.clips] == ["T1", "T2"]
            with pytest.raises(moveshelf.DetachedError):
                twin.clips[0].files[0]
            with pytest.raises(moveshelf.DetachedError):
                twin.create_clip()


def test_refresh_reads_anew(ms: Moveshelf, session: Session) -> None:
    condition = session.conditions["barefoot"]
    before = len(condition.clips)
    with moveshelf.connect(api_key=ms._config.secret.reveal(), api_url=ms.url) as other:
        other.session(session.id).create_clip(condition="barefoot")
    assert len(condition.clips) == before
    assert len(condition.refresh().clips) == before + 1
    view = condition.clips
    assert len(view) == before + 1
    condition.create_clip("last")
    assert view[-1].title == "last"


def test_a_condition_loads_by_name(ms: Moveshelf, session: Session) -> None:
    condition = session.condition("Barefoot")
    condition.load("clips.files")
    with ms.no_fetch():
        assert [len(clip.files) for clip in condition.clips] == [0, 0]
    session.conditions.load("clips.description")
    with ms.no_fetch():
        assert next(clip.description for clip in session.clips) is None


def test_a_condition_made_by_hand() -> None:
    with pytest.raises(TypeError):
        Condition()  # type: ignore[call-arg]
