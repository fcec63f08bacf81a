"""Collections: by name, position, slice and attribute, and what their errors tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import moveshelf

if TYPE_CHECKING:
    from moveshelf import Moveshelf, Project
    from moveshelf.sandbox import Sandbox


def test_key_completion_offers_the_loaded_names(demo: Sandbox) -> None:
    with demo.connect() as ms:
        project = ms.projects["lab/demo"]
        assert project.subjects._ipython_key_completions_() == []
        len(project.subjects)
        with ms.no_fetch():
            assert project.subjects._ipython_key_completions_() == project.subjects.names()


def test_errors_name_close_matches(
    reader: Moveshelf, project: Project, shared: Sandbox, ms: Moveshelf
) -> None:
    many = ms.projects[shared.generate(subjects=20, sessions=0, clips=0, files=0, name="lab/many")]
    with pytest.raises(KeyError) as caught:
        many.subjects["S-14"]
    assert str(caught.value) == "no subject 'S-14' in lab/many; did you mean 'S-014'?"
    with pytest.raises(
        moveshelf.NotFoundError,
        match=r"no project 'lab/dem' in this account; did you mean 'lab/demo' or 'lab/study'\?",
    ):
        reader.projects["lab/dem"]
    session = project.subjects[0].sessions[0]
    with pytest.raises(KeyError) as caught:
        session.conditions["Barfoot"]
    assert (
        str(caught.value) == "no condition 'Barfoot' in session '2023-01-20 pre-op'; did you mean 'Barefoot'?"
    )
    with pytest.raises(KeyError, match="in condition 'Braced'; did you mean 'Trial-4'"):
        session.conditions["Braced"].clips["trial4"]
    with pytest.raises(
        LookupError, match=r"no file 'events.json' in clip 'Trial-1'; did you mean 'event.json'"
    ):
        session.clips[0].files["events.json"]
    with pytest.raises(KeyError, match=r"no subject 'x' in lab/demo; it has 'P-001', 'P-002', .*, \.\.\."):
        project.subjects["x"]
    with pytest.raises(KeyError, match="which has none"):
        ms.projects["lab/practice"].subjects["x"]


def test_ambiguous_names(ms: Moveshelf) -> None:
    project = ms.projects["lab/practice"]
    made = []
    for _ in range(2):
        data = ms.execute(
            'mutation($p: String!) { createPatient(projectId: $p, name: "Twin") { patient { id } } }',
            {"p": project.id},
        )
        made.append(data["createPatient"]["patient"]["id"])
    project.refresh()
    with pytest.raises(moveshelf.AmbiguousError) as caught:
        project.subjects["Twin"]
    assert all(one in str(caught.value) for one in made)
    assert isinstance(caught.value, LookupError)
    with pytest.raises(moveshelf.AmbiguousError):
        project.subjects.get("Twin")
    with pytest.raises(moveshelf.AmbiguousError, match=made[0]):
        project.subjects.find_one(name="Twin")
    assert "Twin" in project.subjects
    assert project.subjects[made[1]].id == made[1]
    with pytest.raises(moveshelf.AmbiguousError):
        ms.lookup("lab/practice", "Twin")


def test_positions_slices_and_membership(project: Project) -> None:
    subjects = project.subjects
    assert subjects[0] is subjects["P-001"] is subjects[-12]
    assert subjects[-1].name == "P-012"
    with pytest.raises(IndexError, match="no subject at position 12: lab/demo has 12"):
        subjects[12]
    part = subjects[2:5]
    assert part.names() == ["P-003", "P-004", "P-005"]
    assert part["P-004"] is subjects[3]
    assert subjects[::-1].names() == subjects.names()[::-1]
    assert list(reversed(subjects)) == list(subjects)[::-1]
    assert "P-003" in subjects
    assert subjects[2] in subjects
    assert subjects[2].id in subjects
    assert "P-099" not in subjects
    assert project not in subjects
    assert 3 not in subjects
    assert subjects.get("P-099") is None
    assert subjects.get(99, "nobody") == "nobody"
    assert subjects.get(0) is subjects[0]
    assert subjects.ids() == [one.id for one in subjects]
    assert subjects.index(subjects[3]) == 3
    assert subjects.count(subjects[3]) == 1
    assert subjects == list(subjects)
    with pytest.raises(
        moveshelf.ValidationError, match="by position, slice, name or id, or a list of these, not by float"
    ):
        subjects[1.5]  # type: ignore[call-overload]


def test_find(project: Project) -> None:
    girls = project.subjects.find(metadata=lambda values: values["subject-sex"] == "Female")
    assert girls.names() == ["P-001", "P-003", "P-005", "P-007", "P-009", "P-011"]
    assert project.subjects.find(ehr_id="4237").names() == ["P-001"]
    assert project.subjects.find_one(ehr_id="4237", name="P-001") is project.subjects[0]
    assert len(project.subjects.find(name="nobody")) == 0
    with pytest.raises(moveshelf.NotFoundError, match="no subject with name='nobody' in lab/demo"):
        project.subjects.find_one(name="nobody")
    with pytest.raises(moveshelf.ValidationError, match="no attribute 'colour'"):
        project.subjects.find(colour="red")
    clips = project.subjects[0].sessions[0].clips
    assert clips.find(title="Trial-1")[0].condition.name == "Barefoot"
    assert clips.find(title="Trial-4")[0].condition.name == "Braced"
    assert len(clips.find(condition=project.subjects[0].sessions[0].conditions["Braced"])) == 3


def test_find_fetches_in_batches(reader: Moveshelf, project: Project) -> None:
    len(project.subjects)
    with reader.budget(1):
        project.subjects.find(metadata=lambda values: "subject-gmfcs" in values)


def test_to_frame(project: Project) -> None:
    pytest.importorskip("pandas")
    frame = project.subjects.load("metadata").to_frame()
    assert list(frame["name"]) == project.subjects.names()
    assert frame["metadata.subject-sex"][0] == "Female"
    assert {"id", "name", "ehr_id", "updated"} <= set(frame.columns)
    session = project.subjects[0].sessions[0]
    assert list(session.conditions.to_frame()["clips"]) == [3, 3]
    clips = session.clips.to_frame()
    assert list(clips.columns[:2]) == ["id", "name"]
    assert "title" not in clips.columns
    assert len(project.subjects[:0].to_frame()) == 0
    assert {"id", "name", "ehr_id"} <= set(project.subjects[:0].to_frame().columns)


def test_a_list_of_names_ids_and_positions_is_a_collection(sandbox: Sandbox) -> None:
    name = sandbox.generate(subjects=60, sessions=1, clips=1, files=1)
    with sandbox.connect() as ms:
        subjects = ms.projects[name].subjects
        names = subjects.names()
        with ms.budget(1):
            picked = subjects[names[10:50]].load("metadata")
        assert picked.names() == names[10:50]
        assert subjects[[3, -1, subjects[7].id]].names() == [names[3], names[-1], names[7]]
        assert [one.name for one in subjects[range(3)]] == names[:3]
        with pytest.raises(moveshelf.errors.NameNotFoundError, match="S-0099"):
            subjects[[names[0], "S-0099"]]
        with pytest.raises(moveshelf.errors.IndexNotFoundError, match="position 99"):
            subjects[[0, 99]]
        with pytest.raises(moveshelf.errors.ValidationError, match=r"NoneType None"):
            subjects[[None]]


def test_what_was_found_is_read_anew_together(sandbox: Sandbox) -> None:
    name = sandbox.generate(subjects=30, sessions=1, clips=1, files=1)
    with sandbox.connect() as ms, sandbox.connect() as other:
        found = ms.projects[name].subjects[5:25]
        found.load("metadata")
        other.subject(found[0].id).update_metadata({"x": "1"}, validate=False)
        with ms.budget(1):
            found.refresh()
        assert found[0].metadata["x"] == "1"


def test_looks_and_writes_do_not_go_through_all_members(
    ms: Moveshelf, empty_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted: names looked at, objects compared, by each of a subject's creation, search and change."""
    subjects = [empty_project.create_subject(f"S-{number:03}") for number in range(30)]
    ids = empty_project.subjects.ids()
    assert "S-000" in empty_project.subjects
    looks = 0

    def counted(function: Any) -> Any:
        def run(*given: Any) -> Any:
            nonlocal looks
            looks += 1
            return function(*given)

        return run

    kind = type(subjects[0])
    monkeypatch.setattr(kind, "_peek_name", counted(kind._peek_name))
    monkeypatch.setattr(kind, "__eq__", counted(kind.__eq__))
    monkeypatch.setattr(kind, "name", property(counted(lambda one: one._name)))
    for number in range(5):
        new = empty_project.create_subject(f"S-{number:03}a")
        assert new in empty_project.subjects
        assert empty_project.subjects[new.id] is new
        assert empty_project.subjects[ids[-1]].id == ids[-1]
        assert "nobody" not in empty_project.subjects
        new.update_metadata({"subject-sex": "Male"}, validate=False)
        assert empty_project.subjects[f"S-{number:03}a"] is new
    assert looks <= 5 * 12, "some for each, not thirty for each"
    monkeypatch.undo()
    expected = sorted([*(f"S-{n:03}" for n in range(30)), *(f"S-{n:03}a" for n in range(5))])
    assert (
        empty_project.subjects.names() == expected == ms.project(empty_project.id).refresh().subjects.names()
    )
