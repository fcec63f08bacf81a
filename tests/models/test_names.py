"""Reading by name, position, slice and attribute, and what the errors say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import moveshelf
from moveshelf.display import near_misses

if TYPE_CHECKING:
    from moveshelf import Moveshelf, Project
    from moveshelf.sandbox import Sandbox


def test_near_misses_of_every_kind(
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


@pytest.mark.parametrize(
    ("key", "names", "near"),
    [
        ("P-14", ["P-013", "P-014", "P-015"], ["P-014"]),
        ("p014", ["P-013", "P-014", "P-015"], ["P-014"]),
        ("barefoot ", ["Braced", "Barefoot"], ["Barefoot"]),
        ("Barfoot", ["Braced", "Barefoot"], ["Barefoot"]),
        ("trial 1", ["Trial-1", "Trial-10"], ["Trial-1"]),
        ("zzz", ["Braced", "Barefoot"], []),
        ("", ["a"], []),
        ("x", [], []),
    ],
)
def test_near_misses(key: str, names: list[str], near: list[str]) -> None:
    assert near_misses(key, names) == near


def test_two_of_one_name(ms: Moveshelf) -> None:
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
    with pytest.raises(moveshelf.ValidationError, match="by position, slice, name or id, not by float"):
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


def test_find_asks_in_chunks(reader: Moveshelf, project: Project) -> None:
    len(project.subjects)
    with reader.budget(1):
        project.subjects.find(metadata=lambda values: "subject-gmfcs" in values)


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


def test_tables(project: Project) -> None:
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


def test_ids_are_checked_before_any_request(reader: Moveshelf) -> None:
    with reader.no_fetch():
        for wrong in ("", " x", "a b", None, 7):
            for ask in (reader.project, reader.subject, reader.session, reader.clip, reader.job, reader.find):
                with pytest.raises(moveshelf.ValidationError, match="is no id"):
                    ask(wrong)  # type: ignore[arg-type]


def test_an_unknown_id_raises_when_touched(reader: Moveshelf, project: Project) -> None:
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
