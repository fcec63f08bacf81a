"""Conditions: the folders of a session, as the paths of its clips tell them."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from support.stored import exist

import moveshelf
from moveshelf import Condition, ValidationError
from moveshelf.lazy.peers import At, Named
from moveshelf.sandbox import Sandbox

if TYPE_CHECKING:
    from moveshelf import Moveshelf, Project, Session
    from moveshelf.sandbox import Sandbox


def test_clips_of_a_condition_show_what_is_loaded(demo: Sandbox) -> None:
    with demo.connect() as ms:
        session = ms.projects["lab/demo"].subjects[0].sessions[0]
        condition = session.conditions["Barefoot"]
        with ms.no_fetch():
            assert repr(condition.clips) == "<3 clips: 'Trial-1', 'Trial-2', 'Trial-3'>"
            assert "Trial-2" in condition.clips._repr_html_()
            assert condition.clips._ipython_key_completions_() == ["Trial-1", "Trial-2", "Trial-3"]


@pytest.fixture(scope="module")
def odd_id(shared: Any) -> str:
    """The id of a session with clips in every form of path there is."""
    with shared.connect() as ms:
        project = ms.projects["lab/practice"]
        odd_session = project.create_subject("odd").create_session("2026-01-02")
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
        return odd_session.id


@pytest.fixture
def odd_session(ms: Moveshelf, odd_id: str) -> Session:
    return ms.session(odd_id)


def test_conditions_of_odd_paths(odd_session: Session) -> None:
    conditions = odd_session.conditions
    assert conditions.names() == ["Barefoot", "Braced/left", "barefoot"]
    assert [[clip.title for clip in one.clips] for one in conditions] == [["T1", "T2"], ["T5"], ["T6"]]
    assert [clip.condition and clip.condition.name for clip in odd_session.clips] == [
        "Barefoot",
        "Barefoot",
        None,
        None,
        "Braced/left",
        "barefoot",
    ]
    assert conditions["Braced/left"].path == "/odd/2026-01-02/Braced/left/"
    assert conditions["/Barefoot/"] == conditions["Barefoot"] == conditions[0]
    assert odd_session.condition("Barefoot/") == conditions[0]
    assert odd_session.create_clip("T7", conditions["Braced/left"]).path == "/odd/2026-01-02/Braced/left/"


def test_conditions_are_a_sequence(ms: Moveshelf, odd_session: Session) -> None:
    conditions = odd_session.conditions
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
        assert odd_session not in conditions
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


def test_conditions_are_equal_and_hashable(ms: Moveshelf, odd_session: Session, project: Project) -> None:
    a, b = odd_session.conditions["Barefoot"], odd_session.conditions[0]
    assert a == b
    assert a is not b
    assert len({a, b, odd_session.condition("Barefoot"), odd_session.condition("other")}) == 2
    assert a != odd_session.condition("barefoot")
    elsewhere = project.subjects[0].sessions[0].conditions["Barefoot"]
    assert a != elsewhere
    assert a != "Barefoot"


def test_inspection_and_copies_send_no_request(ms: Moveshelf, odd_id: str) -> None:
    with ms.no_fetch():
        fresh = ms.session(odd_id)
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


def test_refresh(ms: Moveshelf, odd_session: Session) -> None:
    condition = odd_session.conditions["barefoot"]
    before = len(condition.clips)
    with moveshelf.connect(api_key=ms._config.secret.reveal(), api_url=ms.url) as other:
        other.session(odd_session.id).create_clip(condition="barefoot")
    assert len(condition.clips) == before
    assert len(condition.refresh().clips) == before + 1
    view = condition.clips
    assert len(view) == before + 1
    condition.create_clip("last")
    assert view[-1].title == "last"


def test_the_first_use_of_clips_may_be_that_one_is_picked(ms: Moveshelf, filled_project: Project) -> None:
    """Paths of the filesystem pick a clip that they know already: the condition's own clips are chosen only then."""
    session = filled_project.subjects[0].sessions[0]
    known = session.clips[0]
    assert known.condition is not None
    for full in (False, True):
        clips: Any = session.conditions[known.condition.name].clips
        peers = clips._peers_of(At(0), full)
        assert peers.ids == clips.ids()
        assert clips._peers_of(At(0), full) is peers
    with ms.budget(1):
        assert clips._picked(known, Named(known.title)).files


def test_load(ms: Moveshelf, odd_session: Session) -> None:
    condition = odd_session.condition("Barefoot")
    condition.load("clips.files")
    with ms.no_fetch():
        assert [len(clip.files) for clip in condition.clips] == [0, 0]
    odd_session.conditions.load("clips.description")
    with ms.no_fetch():
        assert next(clip.description for clip in odd_session.clips) is None


def test_a_condition_needs_a_session_and_a_name() -> None:
    with pytest.raises(TypeError):
        Condition()  # type: ignore[call-arg]


def test_delete_clips(ms: Moveshelf, filled_project: Project) -> None:
    session = filled_project.subjects[0].sessions[0]
    barefoot, braced = session.conditions
    doomed, kept = list(barefoot.clips), list(braced.clips)
    with ms.no_fetch():
        assert barefoot.delete_clips(dry_run=True) == doomed
    with ms.budget(len(doomed)):
        assert barefoot.delete_clips() == doomed
    with ms.no_fetch():
        assert session.conditions.names() == ["Braced"]
        assert list(session.clips) == kept
        assert len(barefoot.clips) == 0
        assert barefoot.delete_clips() == []
    assert exist(ms, *doomed, *kept) == [False, False, True, True]


def test_delete_clips_compares_whole_names(ms: Moveshelf, filled_project: Project) -> None:
    session = filled_project.subjects[0].sessions[0]
    alike = [session.create_clip(condition=name) for name in ("Bare", "Barefoot slow", "barefoot")]
    session.conditions["Barefoot"].delete_clips()
    assert all(exist(ms, *alike))


def test_delete_clips_goes_on_after_a_failure(
    shared: Sandbox, ms: Moveshelf, filled_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = filled_project.subjects[0].sessions[0]
    condition = session.conditions["Barefoot"]
    first, second = condition.clips
    monkeypatch.setattr("moveshelf.operations.service.COMMANDS_A_REQUEST", 1)
    shared.fail("deleteClip", error="not today")
    with pytest.raises(moveshelf.RequestError, match=r"1 of 2 clips .* not today"):
        condition.delete_clips()
    (left,) = condition.clips
    assert sorted(one.is_deleted for one in (first, second)) == [False, True]
    assert exist(ms, left) == [True]
    with shared.connect() as other:
        other.clip(left.id).delete()
    assert condition.delete_clips() == [left]  # another client has deleted it already
    assert left.is_deleted


def test_conditions_are_listed_anew(shared: Sandbox, filled_project: moveshelf.Project) -> None:
    session = filled_project.subjects[0].sessions[0]
    before = session.conditions.names()
    with shared.connect() as other:
        theirs = other.session(session.id)
        theirs.create_clip("New", "Treadmill")
    assert session.conditions.names() == before
    conditions = session.conditions
    assert conditions.refresh() is conditions
    assert conditions.names() == [*before, "Treadmill"]


def test_a_condition_shows_what_is_loaded(demo: Sandbox) -> None:
    with demo.connect() as ms:
        session = ms.projects["lab/demo"].subjects[0].sessions[0]
        session.load("clips")
        with ms.no_fetch():
            shown = session.conditions["Barefoot"]._repr_html_()
    assert "Trial-1, Trial-2, Trial-3" in shown
    assert "/Barefoot/" in shown
